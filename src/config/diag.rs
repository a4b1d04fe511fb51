//! Diagnostics: what is wrong where, what is used instead, what to write.

use crate::types::sorted;

/// How bad it is. Ordered; the exit code of a configuration test follows from the worst one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "json", derive(serde::Serialize))]
#[cfg_attr(feature = "json", serde(rename_all = "lowercase"))]
pub enum Severity {
    /// Worth knowing; the file means what its author thinks.
    Note,
    /// Recognised, not supported yet: printed as a warning, but the file itself is right (exit 0).
    Unsupported,
    /// A script is not run because it is not safe (exit 6).
    Insecure,
    /// Something is ignored or changed; the rest works (exit 5).
    Warning,
    /// A statement is wrong and left out (exit 5).
    Error,
    /// Nothing can run from this file (exit 4 when testing, 2 when starting).
    Fatal,
}

/// A place in a source text: file number and byte range in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Span {
    /// Index into the list of files read.
    pub file: u16,
    /// First byte.
    pub start: u32,
    /// Length in bytes, capped.
    pub len: u16,
}

impl Span {
    /// From the start of this to the end of `end`; just this if `end` is elsewhere.
    #[must_use]
    pub fn to(self, end: Self) -> Self {
        let last = end.start.saturating_add(u32::from(end.len));
        match last.checked_sub(self.start) {
            Some(len) if self.file == end.file => Self {
                len: u16::try_from(len).unwrap_or(u16::MAX),
                ..self
            },
            Some(_) | None => self,
        }
    }
}

/// One message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diag {
    /// How bad.
    pub severity: Severity,
    /// Where; `None` only where no text is to blame (a missing file).
    pub span: Option<Span>,
    /// Lower-case sentence without final period: what was found and what happens instead.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
}

/// Messages of one run, bounded: beyond the capacity they are only counted.
#[derive(Clone, Debug, Default)]
pub struct Diags {
    list: Vec<Diag>,
    suppressed: usize,
    worst: Option<Severity>,
}

impl Diags {
    /// More messages than this are counted, not kept.
    pub const CAPACITY: usize = 500;
    /// So many of the latest messages are looked through for one that says the same.
    const RECENT: usize = 8;

    /// Adds a message. The worst severity counts even beyond the capacity. What was just said of the same
    /// place is not said again: a line repeated by `~SEQ` is wrong once.
    pub fn push(&mut self, diag: Diag) {
        self.worst = self.worst.max(Some(diag.severity));
        if self
            .list
            .iter()
            .rev()
            .take(Self::RECENT)
            .any(|said| *said == diag)
        {
            return;
        }
        if self.list.len() < Self::CAPACITY {
            self.list.push(diag);
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
    }

    /// Adds a message without help.
    pub fn report(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        self.push(Diag {
            severity,
            span: Some(span),
            message: message.into(),
            help: None,
        });
    }

    /// Adds a message with help.
    pub fn report_with_help(
        &mut self,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let help = Some(help.into());
        self.push(Diag {
            severity,
            span: Some(span),
            message: message.into(),
            help,
        });
    }

    /// Puts the messages in order of a key of their places; those without a place come first, those
    /// with the same key stay in the order they were found.
    pub(crate) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(Span) -> K) {
        let keys = self.list.iter().enumerate();
        let keys = keys.map(|(nth, diag)| (diag.span.map(&key), nth)).collect();
        let mut list: Vec<Option<Diag>> = self.list.drain(..).map(Some).collect();
        let order = sorted(keys).into_iter();
        let next = order.filter_map(|(_, nth)| list.get_mut(nth).and_then(Option::take));
        self.list = next.collect();
    }

    /// The messages kept, in the order they were found or sorted.
    #[must_use]
    pub fn list(&self) -> &[Diag] {
        &self.list
    }

    /// How many were only counted.
    #[must_use]
    pub fn suppressed(&self) -> usize {
        self.suppressed
    }

    /// The worst severity seen.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.worst
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_at_the_same_place_is_kept_once() {
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
    fn beyond_the_capacity_messages_are_counted_and_the_worst_still_counts() {
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
}
