//! Tests of the order, the limits and the merging of diagnostics.

use super::*;

fn place(span: Span) -> Place {
    (span.file, span.start)
}

#[test]
fn the_same_diagnostic_at_the_same_position_is_kept_once() {
    let mut diags = Diags::default();
    for start in [1, 1, 2, 1] {
        let span = Span {
            file: 0,
            start,
            len: 1,
        };
        diags.report(Severity::Error, span, "m");
        diags.report(Severity::Note, span, "n");
    }
    assert_eq!(diags.list().len(), 4);
    assert_eq!(
        (diags.suppressed(), diags.worst()),
        (0, Some(Severity::Error))
    );
}

#[test]
fn beyond_the_capacity_diagnostics_are_counted_and_the_worst_severity_is_kept() {
    let mut diags = Diags::default();
    for n in 0..Diags::CAPACITY {
        diags.report(Severity::Note, Span::default(), format!("m{n}"));
    }
    diags.report(Severity::Fatal, Span::default(), "x");
    assert_eq!(diags.list().len(), Diags::CAPACITY);
    assert_eq!(
        (diags.suppressed(), diags.worst()),
        (1, Some(Severity::Fatal))
    );
}

#[test]
fn diagnostics_that_differ_in_their_position_become_one() {
    let at = |start| Span {
        start,
        ..Span::default()
    };
    let mut diags = Diags::default();
    diags.report(Severity::Error, at(5), "m");
    diags.report(Severity::Error, at(9), "other");
    diags.report(Severity::Error, at(1), "m");
    diags.finish(&place, &place);
    let list = diags.list();
    assert_eq!(list.len(), 2);
    assert_eq!(list.first().map(|diag| &*diag.also), Some(&[at(5)][..]));
}

#[test]
fn diagnostics_of_one_place_that_differ_in_what_they_quote_become_one() {
    let at = |start| Span {
        start,
        ..Span::default()
    };
    let mut diags = Diags::default();
    for (start, name) in [(5, "a"), (17, "b"), (25, "c"), (6, "d")] {
        diags.report(Severity::Error, at(start), format!("`{name}` is wrong"));
    }
    diags.report(Severity::Error, at(5), "`a` is right");
    diags.finish(&place, &|span| (0, span.start % 10));
    let list = diags.list().iter().map(|diag| &*diag.message);
    let want = [
        "`a` is wrong; the same for 1 more",
        "`a` is right",
        "`d` is wrong",
        "`b` is wrong",
    ];
    assert_eq!(list.collect::<Vec<_>>(), want);
}

#[test]
fn a_mistake_with_the_same_text_is_reported_once_at_its_first_position() {
    let at = |start| Span {
        start,
        ..Span::default()
    };
    let mut diags = Diags::default();
    for (severity, start) in [(Severity::Tolerated, 7), (Severity::Warning, 3)] {
        diags.report_once(Diag::new(severity, Some(at(start)), "m".into()));
    }
    let want = Diag {
        also: vec![at(7)],
        ..Diag::new(Severity::Warning, Some(at(3)), "m".into())
    };
    assert_eq!(diags.list(), [want]);
    assert_eq!(diags.worst(), Some(Severity::Warning));
}

#[test]
fn a_recurring_mistake_is_reported_once_and_its_consequences_are_counted() {
    let at = |start| Span {
        start,
        ..Span::default()
    };
    let mut diags = Diags::default();
    for start in [3, 7] {
        let diag = Diag::new(Severity::Note, Some(at(start)), format!("m{start}"));
        diags.report_recurring(Recurring::Placeholder, diag);
    }
    let range = Span { len: 4, ..at(5) };
    let cause = diags.recurring(Recurring::Placeholder);
    assert_eq!(diags.cause_in(range), None, "a note explains nothing");
    for object in ["a", "b", "c"] {
        let cause = cause.expect("reported");
        diags.add_consequence(cause, Severity::Error, "left out", object.to_owned());
    }
    assert_eq!(diags.cause_in(range), cause);
    diags.finish(&place, &place);
    let want = Diag {
        also: vec![at(7)],
        ..Diag::new(
            Severity::Error,
            Some(at(3)),
            "m3; a and 2 more are left out".into(),
        )
    };
    assert_eq!(diags.list(), [want]);
    assert_eq!(diags.worst(), Some(Severity::Error));
}

#[test]
fn a_span_reaches_to_the_end_of_another_in_its_file() {
    let span = |file, start, len| Span { file, start, len };
    for (name, from, to, want) in [
        ("later", span(0, 5, 2), span(0, 10, 3), span(0, 5, 8)),
        ("the same", span(0, 5, 2), span(0, 5, 2), span(0, 5, 2)),
        ("before", span(0, 5, 2), span(0, 1, 1), span(0, 5, 2)),
        ("another file", span(0, 5, 2), span(1, 10, 3), span(0, 5, 2)),
        (
            "far away",
            span(0, 0, 1),
            span(0, 100_000, 1),
            span(0, 0, u16::MAX),
        ),
    ] {
        assert_eq!(from.to(to), want, "{name}");
    }
}
