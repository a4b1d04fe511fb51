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
    /// Whether another span starts in this one or at its end.
    fn contains(self, other: Self) -> bool {
        let end = self.start.saturating_add(u32::from(self.len));
        self.file == other.file && (self.start..=end).contains(&other.start)
    }

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
    /// Further positions with the same mistake, which have no diagnostics of their own.
    pub also: Vec<Span>,
}

impl Diag {
    /// A diagnostic without help.
    #[must_use]
    pub fn new(severity: Severity, span: Option<Span>, message: String) -> Self {
        Self {
            severity,
            span,
            message,
            help: None,
            also: Vec::new(),
        }
    }

    /// Whether the messages are the same except for one quotation.
    fn differs_in_one_quotation(&self, other: &Self) -> bool {
        let (one, two) = (self.message.split('`'), other.message.split('`'));
        let parts = one.clone().zip(two.clone()).enumerate();
        let mut different = parts.filter(|(_, (one, two))| one != two);
        let nth = different.next().map(|(nth, _)| nth);
        nth.is_some_and(|nth| nth % 2 == 1)
            && different.next().is_none()
            && one.count() == two.count()
    }

    /// Whether it is about a position in `range`.
    fn is_inside(&self, range: Span) -> bool {
        let mut spans = self.span.iter().chain(&self.also);
        spans.any(|span| range.contains(*span))
    }
}

/// Number of a diagnostic, to add positions and consequences to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DiagId(usize);

/// A mistake that typically occurs many times in a file. It is reported once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Recurring {
    /// A `$NAME` that is not defined.
    Undefined,
    /// A placeholder of a template or of documentation.
    Placeholder,
    /// A comment that starts with `//` or `%`.
    CommentMark,
    /// Lines for other configuration ids.
    OtherId,
    /// An include without a file.
    MissingFile,
    /// A rule without `priority`.
    RulePriority,
}

/// An object that does not exist because of a mistake that was reported.
#[derive(Clone, Debug)]
struct Consequence {
    cause: DiagId,
    /// "left out", "not defined".
    what: &'static str,
    first: String,
    /// Number of objects after the first.
    more: usize,
    last: String,
}

/// A place in a file: its number, and the offset.
pub(crate) type Place = (u16, u32);

/// A diagnostic and those that became part of it.
struct Merged {
    first: Diag,
    place: Option<Place>,
    /// Number of the others with another quotation.
    more: usize,
}

/// The diagnostics of one configuration, of which a limited number is kept.
#[derive(Clone, Debug, Default)]
pub struct Diags {
    list: Vec<Diag>,
    suppressed: usize,
    worst: Option<Severity>,
    recurring: Vec<(Recurring, DiagId)>,
    consequences: Vec<Consequence>,
    muted: bool,
}

impl Diags {
    /// Maximum number of diagnostics that are kept; further ones are only counted.
    pub const CAPACITY: usize = 500;
    /// Number of the latest diagnostics that a new one is compared with.
    const RECENT: usize = 8;
    /// Maximum number of further positions of one diagnostic.
    const MAX_ALSO: usize = 4096;

    /// Adds a diagnostic. Its severity counts even beyond the capacity. The same diagnostic at the
    /// same position is not repeated: an error in a line that `~SEQ` repeats is one error.
    pub fn push(&mut self, diag: Diag) {
        self.worst = self.worst.max(Some(diag.severity));
        if (self.muted && diag.severity < Severity::Fatal)
            || self
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
        self.push(Diag::new(severity, Some(span), message.into()));
    }

    /// Adds a diagnostic with help.
    pub fn report_with_help(
        &mut self,
        severity: Severity,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Diag {
            help: Some(help.into()),
            ..Diag::new(severity, Some(span), message.into())
        });
    }

    /// From now on, severities count, and nothing but a fatal diagnostic is added: what was reported
    /// makes further messages meaningless.
    pub(crate) fn mute(&mut self) {
        self.muted = true;
    }

    // ---- one cause, one message ----

    /// The diagnostic that was added last.
    pub(crate) fn last_id(&self) -> DiagId {
        DiagId(self.list.len().saturating_sub(1))
    }

    /// Adds a diagnostic for the first occurrence of a mistake in the text, and only the positions
    /// of the others.
    pub(crate) fn report_recurring(&mut self, kind: Recurring, diag: Diag) {
        match self.recurring(kind) {
            Some(first) => self.merge(first, diag),
            None => {
                self.push(diag);
                self.remember(kind);
            }
        }
    }

    /// Adds a diagnostic, or only its position if one with the same text was added.
    pub(crate) fn report_once(&mut self, diag: Diag) {
        let same = |other: &Diag| other.message == diag.message && other.help == diag.help;
        match self.list.iter().position(same) {
            Some(first) => self.merge(DiagId(first), diag),
            None => self.push(diag),
        }
    }

    /// Adds the position of `diag` to the diagnostic `id`, which moves to the first position.
    fn merge(&mut self, id: DiagId, diag: Diag) {
        let Some(span) = diag.span else {
            return self.push(diag);
        };
        self.worst = self.worst.max(Some(diag.severity));
        let Some(first) = self.list.get_mut(id.0) else {
            return;
        };
        first.severity = first.severity.max(diag.severity);
        let before = |other: Span| span.file == other.file && span.start < other.start;
        match first.span.filter(|other| before(*other)) {
            Some(other) => {
                first.span = Some(span);
                first.message = diag.message;
                first.help = diag.help;
                self.again(id, other);
            }
            None => self.again(id, span),
        }
    }

    /// Remembers the diagnostic that was added last as the one of its kind.
    pub(crate) fn remember(&mut self, kind: Recurring) {
        self.recurring.push((kind, self.last_id()));
    }

    /// The diagnostic of a recurring mistake.
    pub(crate) fn recurring(&self, kind: Recurring) -> Option<DiagId> {
        let mut known = self.recurring.iter();
        known.find(|(other, _)| *other == kind).map(|(_, id)| *id)
    }

    /// Adds a further position to a diagnostic.
    pub(crate) fn again(&mut self, id: DiagId, span: Span) {
        if let Some(diag) = self.list.get_mut(id.0)
            && diag.also.len() < Self::MAX_ALSO
            && diag.span != Some(span)
        {
            diag.also.push(span);
        }
    }

    /// Removes a range from the references that are reported as undefined: it is not configuration.
    pub(crate) fn forget_undefined(&mut self, range: Span) {
        let Some(id) = self.recurring(Recurring::Undefined) else {
            return;
        };
        let Some(diag) = self.list.get_mut(id.0) else {
            return;
        };
        diag.also.retain(|span| !range.contains(*span));
        if !diag.span.is_some_and(|span| range.contains(span)) {
            return;
        }
        if diag.also.is_empty() {
            // Its number stays in use; `finish` removes it.
            diag.message.clear();
            self.recurring.retain(|(_, other)| *other != id);
        } else {
            diag.span = Some(diag.also.remove(0));
        }
    }

    /// If the last diagnostic differs from `first` only in what it quotes, makes it a position of
    /// `first`. Returns the diagnostic to compare the next one with.
    pub(crate) fn fold(&mut self, first: Option<DiagId>) -> Option<DiagId> {
        let last = self.last_id();
        let Some(first) = first.filter(|first| *first != last) else {
            return Some(last);
        };
        let (one, two) = (self.list.get(first.0)?, self.list.get(last.0)?);
        let (one, two) = (one.message.split('`'), two.message.split('`'));
        if one.step_by(2).eq(two.step_by(2))
            && let Some(Diag {
                span: Some(span), ..
            }) = self.list.pop()
        {
            self.again(first, span);
        }
        Some(first)
    }

    /// The first diagnostic about a position in `range` after which something may be missing.
    pub(crate) fn cause_in(&self, range: Span) -> Option<DiagId> {
        let other_id = self.recurring(Recurring::OtherId);
        let mut list = self.list.iter().enumerate();
        let found = list.find(|(nth, diag)| {
            let explains =
                diag.severity > Severity::InsecureSetting || other_id == Some(DiagId(*nth));
            explains && diag.is_inside(range)
        });
        found.map(|(nth, _)| DiagId(nth))
    }

    /// Adds a consequence to a diagnostic: `object` is `what`. It makes the diagnostic at least as
    /// severe as `severity`.
    pub(crate) fn add_consequence(
        &mut self,
        cause: DiagId,
        severity: Severity,
        what: &'static str,
        object: String,
    ) {
        self.worst = self.worst.max(Some(severity));
        if let Some(diag) = self.list.get_mut(cause.0) {
            diag.severity = diag.severity.max(severity);
        }
        let mut known = self.consequences.iter_mut();
        match known.find(|known| known.cause == cause && known.what == what) {
            Some(known) if known.last == object => {}
            Some(known) => {
                known.more = known.more.saturating_add(1);
                known.last = object;
            }
            None => self.consequences.push(Consequence {
                cause,
                what,
                first: object.clone(),
                more: 0,
                last: object,
            }),
        }
    }

    /// Writes the consequences into the messages. The numbers of diagnostics are invalid afterwards.
    fn write_consequences(&mut self) {
        for Consequence {
            cause,
            what,
            first,
            more,
            ..
        } in self.consequences.drain(..)
        {
            let Some(diag) = self.list.get_mut(cause.0) else {
                continue;
            };
            let text = match more {
                0 => format!("; {first} is {what}"),
                more => format!("; {first} and {more} more are {what}"),
            };
            diag.message.push_str(&text);
        }
        self.recurring.clear();
    }

    /// Merges diagnostics that differ only in their position, and those of the same place in a file
    /// that differ in one quotation: a definition that is used several times.
    fn merge_repeated(&mut self, place: &dyn Fn(Span) -> Place) {
        let mut merged: Vec<Merged> = Vec::new();
        for diag in self.list.drain(..) {
            let here = diag.span.map(place);
            let mut others = merged.iter_mut();
            let first = others.find(|Merged { first, place, .. }| {
                let one_place = here.is_some() && *place == here;
                first.severity == diag.severity
                    && first.help == diag.help
                    && (first.message == diag.message
                        || (one_place && first.differs_in_one_quotation(&diag)))
            });
            match (first, diag.span) {
                (Some(Merged { first, more, .. }), Some(span)) => {
                    *more = more.saturating_add(usize::from(first.message != diag.message));
                    first.also.push(span);
                    first.also.extend(diag.also);
                }
                _ => merged.push(Merged {
                    first: diag,
                    place: here,
                    more: 0,
                }),
            }
        }
        let complete = |Merged {
                            mut first, more, ..
                        }: Merged| {
            if more > 0 {
                first
                    .message
                    .push_str(&format!("; the same for {more} more"));
            }
            first
        };
        self.list = merged.into_iter().map(complete).collect();
    }

    /// Completes the messages, and sorts them by the place where the text takes effect; those without
    /// a position come first. Stable. `place`: the place of the text itself, which several positions
    /// can have.
    pub(crate) fn finish(&mut self, used: &dyn Fn(Span) -> Place, place: &dyn Fn(Span) -> Place) {
        self.write_consequences();
        self.list.retain(|diag| !diag.message.is_empty());
        self.sort_by_key(used);
        self.merge_repeated(place);
    }

    fn sort_by_key(&mut self, key: &dyn Fn(Span) -> Place) {
        let keys = self.list.iter().enumerate();
        let keys = keys.map(|(nth, diag)| (diag.span.map(key), nth)).collect();
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
mod tests;
