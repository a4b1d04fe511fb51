//! Diagnostics as JSON: an array of objects.

use serde::Serialize;

use super::diag::{Diag, Diags, Severity};
use super::render::vias;
use super::source::{Position, Sources};

#[derive(Serialize)]
struct Json<'a> {
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    end_column: Option<u32>,
    severity: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    /// References to the multi-line definition that the line is part of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    from: Vec<From<'a>>,
    /// Further positions of the same mistake.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    also: Vec<From<'a>>,
}

#[derive(Serialize)]
struct From<'a> {
    file: &'a str,
    line: u32,
    column: u32,
}

/// All diagnostics as a JSON array of objects.
#[must_use]
pub fn render_json(diags: &Diags, sources: &Sources) -> String {
    let more = format!("{} more messages are not shown", diags.suppressed());
    let mut list: Vec<Json<'_>> = diags
        .list()
        .iter()
        .map(|diag| json(diag, sources))
        .collect();
    if diags.suppressed() > 0 {
        list.push(Json {
            file: None,
            line: None,
            column: None,
            end_column: None,
            severity: name(Severity::Note),
            message: &more,
            help: None,
            from: Vec::new(),
            also: Vec::new(),
        });
    }
    // Serializing strings and numbers cannot fail.
    serde_json::to_string(&list).unwrap_or_else(|_| "[]".into())
}

fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Unsupported => "unsupported",
        Severity::InsecureSetting | Severity::Insecure => "insecure",
        Severity::Tolerated | Severity::Warning => "warning",
        Severity::ToleratedError | Severity::Error => "error",
        Severity::Fatal => "fatal",
    }
}

fn json<'a>(diag: &'a Diag, sources: &'a Sources) -> Json<'a> {
    let position = diag.span.and_then(|span| sources.position(span));
    let place = |position: Position<'a>| From {
        file: position.file,
        line: position.line,
        column: position.column,
    };
    let from = vias(diag, sources).into_iter();
    let also = diag.also.iter();
    let also = also.filter_map(|span| sources.position(*span));
    Json {
        file: position.map(|p| p.file),
        line: position.map(|p| p.line),
        column: position.map(|p| p.column),
        end_column: position.map(|p| p.end_column),
        severity: name(diag.severity),
        message: &diag.message,
        help: diag.help.as_deref(),
        from: from.map(|(_, position)| place(position)).collect(),
        also: also.map(place).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::span;

    #[test]
    fn json_is_an_array_of_objects_with_positions() {
        let mut diags = Diags::default();
        diags.report_with_help(Severity::Error, span(0, 2, 2), "a \"b\"\n", "h");
        diags.push(Diag::new(Severity::Fatal, None, "no".into()));
        let json = render_json(&diags, &Sources::of("x yz"));
        let want = concat!(
            r#"[{"file":"a.conf","line":1,"column":3,"end_column":5,"severity":"error","#,
            r#""message":"a \"b\"\n","help":"h"},"#,
            r#"{"file":null,"line":null,"column":null,"end_column":null,"severity":"fatal","#,
            r#""message":"no","help":null}]"#,
        );
        assert_eq!(json, want);
    }

    #[test]
    fn the_references_to_a_definition_are_listed() {
        let mut sources = Sources::of("$A= \\\n x y\n$A\n");
        let view = sources.view(0, span(0, 11, 2)).expect("a number");
        let mut diags = Diags::default();
        diags.report(Severity::Unsupported, span(view, 7, 1), "m");
        let json = render_json(&diags, &sources);
        let want = r#""severity":"unsupported","message":"m","help":null,"from":[{"file":"a.conf","line":3,"column":1}]"#;
        assert!(json.contains(want), "{json}");
    }

    #[test]
    fn diagnostics_beyond_the_capacity_are_counted() {
        let mut diags = Diags::default();
        for n in 0..Diags::CAPACITY + 3 {
            diags.report(Severity::Note, span(0, 0, 1), format!("m{n}"));
        }
        assert!(render_json(&diags, &Sources::of("ok")).contains("3 more messages are not shown"));
    }
}
