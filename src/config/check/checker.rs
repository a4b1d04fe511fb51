//! The state of a check: what was reported, and the block that is being checked.

use crate::config::diag::{DiagId, Diags, Severity, Span};
use crate::config::schema::Schema;
use crate::config::source::Sources;
use crate::config::span_map::SpanMap;

/// Maximum number of unknown keywords that are examined for a suggestion. [`Diags::CAPACITY`] is
/// the same.
pub(super) const MAX_EXAMINED: u16 = 500;

/// The block that is being checked, and the enclosing ones.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) schema: &'static Schema,
    pub(super) open: Span,
    pub(super) outer: Option<&'a Scope<'a>>,
    /// The block belongs to a keyword without support or a misplaced one, which was reported;
    /// unsupported keywords in it are not.
    pub(super) quiet: bool,
}

/// The last block that was closed in the current block. When one of its keywords follows outside,
/// its `}` came too early.
#[derive(Clone, Copy)]
pub(super) struct Closed {
    pub(super) schema: &'static Schema,
    pub(super) opener: Span,
    pub(super) close: Option<Span>,
    pub(super) reported: bool,
}

pub(super) struct Checker<'a> {
    pub(super) diags: &'a mut Diags,
    pub(super) sources: &'a Sources,
    /// Keywords without support that were reported; each is reported once.
    pub(super) reported: Vec<&'static str>,
    /// Reasons why a keyword is not supported that were reported.
    pub(super) reasons: Vec<(&'static str, DiagId)>,
    /// Number of unknown keywords that were examined.
    pub(super) examined: u16,
    /// Keywords of `global_defs` so far.
    pub(super) global_seen: Vec<(&'static str, Span)>,
    /// Names of interfaces so far.
    pub(super) interfaces: SpanMap,
}

impl Checker<'_> {
    pub(super) fn report(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        self.diags.report(severity, span, message);
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        match help {
            Some(help) => self
                .diags
                .report_with_help(Severity::Error, span, message, help),
            None => self.diags.report(Severity::Error, span, message),
        }
    }
}
