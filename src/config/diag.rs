//! Diagnostics: what is wrong and where, what is used instead, what to write.

use crate::types::sorted;

/// Severity of a diagnostic, in ascending order. The exit code of a configuration test depends on
/// the worst one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// Information; the configuration is used as written.
    Note,
    /// A correct statement without support; printed as a warning (exit 0).
    Unsupported,
    /// A setting that lets others in where a user would expect to be protected; it is used as written
    /// (exit 0).
    InsecureSetting,
    /// A warning about what a test by keepalived does not report, such as a script that does not exist
    /// yet: programs that provision routers test a file before everything it names is in place
    /// (exit 0; in a strict test 5).
    Tolerated,
    /// An error, likewise. A reload that has a new one is refused, as with other errors.
    ToleratedError,
    /// Scripts run as root without `enable_script_security` (exit 6).
    Insecure,
    /// Part of a statement is ignored or changed (exit 5).
    Warning,
    /// A statement is invalid and ignored (exit 5).
    Error,
    /// The configuration cannot be used (exit 4 of `-t`, exit 2 at start).
    Fatal,
}

impl Severity {
    /// Whether a statement is invalid; a reload is refused because of it.
    #[must_use]
    pub fn is_error(self) -> bool {
        matches!(self, Self::ToleratedError) || self >= Self::Error
    }
}

/// A byte range in a source file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Span {
    /// Number of the file or view, see [`super::Sources`].
    pub file: u16,
    /// Offset of the first byte.
    pub start: u32,
    /// Length in bytes, at most `u16::MAX`.
    pub len: u16,
}

impl Span {
    /// The span from the start of this one to the end of `end`; this one if `end` is before it or
    /// in another file.
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

/// A diagnostic.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diag {
    /// Its severity.
    pub severity: Severity,
    /// Its position; `None` if it concerns no text, as for a missing file.
    pub span: Option<Span>,
    /// What is wrong and what happens instead: lower case, no final period.
    pub message: String,
    /// What to write.
    pub help: Option<String>,
}

/// The diagnostics of one configuration, of which a limited number is kept.
#[derive(Clone, Debug, Default)]
pub struct Diags {
    list: Vec<Diag>,
    suppressed: usize,
    worst: Option<Severity>,
}

impl Diags {
    /// Maximum number of diagnostics that are kept; further ones are only counted.
    pub const CAPACITY: usize = 500;
    /// Number of the latest diagnostics that a new one is compared with.
    const RECENT: usize = 8;

    /// Adds a diagnostic. Its severity counts even beyond the capacity. The same diagnostic at the
    /// same position is not repeated: an error in a line that `~SEQ` repeats is one error.
    pub fn push(&mut self, diag: Diag) {
        self.worst = self.worst.max(Some(diag.severity));
        if self
            .list
            .iter()
            .rev()
            .take(Self::RECENT)
            .any(|earlier| *earlier == diag)
        {
            return;
        }
        if self.list.len() < Self::CAPACITY {
            self.list.push(diag);
        } else {
            self.suppressed = self.suppressed.saturating_add(1);
        }
    }

    /// Adds a diagnostic without help.
    pub fn report(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        self.push(Diag {
            severity,
            span: Some(span),
            message: message.into(),
            help: None,
        });
    }

    /// Adds a diagnostic with help.
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

    /// Sorts the diagnostics by a key of their positions; those without a position come first.
    /// Stable.
    pub(crate) fn sort_by_key<K: Ord>(&mut self, key: impl Fn(Span) -> K) {
        let keys = self.list.iter().enumerate();
        let keys = keys.map(|(nth, diag)| (diag.span.map(&key), nth)).collect();
        let mut list: Vec<Option<Diag>> = self.list.drain(..).map(Some).collect();
        let order = sorted(keys).into_iter();
        let next = order.filter_map(|(_, nth)| list.get_mut(nth).and_then(Option::take));
        self.list = next.collect();
    }

    /// The diagnostics that were kept, in the order in which they were found or sorted.
    #[must_use]
    pub fn list(&self) -> &[Diag] {
        &self.list
    }

    /// Number of diagnostics that were not kept.
    #[must_use]
    pub fn suppressed(&self) -> usize {
        self.suppressed
    }

    /// The worst severity of all diagnostics.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.worst
    }
}

/// A fatal diagnostic was reported; reading ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Aborted;

#[cfg(test)]
mod tests {
    use super::*;

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
