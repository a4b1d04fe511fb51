//! The configuration id, and the lines for other ids (`@ID …`).
//!
//! If a file has lines for ids and none is for this one, the id is probably missing on the command
//! line. This is reported once, and what the skipped lines would have defined is not.

use super::diag::{Diag, Diags, Recurring, Severity, Span};
use super::expand::Definitions;
use super::line::{Line, is_blank};

/// Maximum number of ids that are named in the message.
const MAX_NAMED: usize = 4;
/// Maximum number of positions that are kept.
const MAX_SKIPPED: usize = 4096;

/// The configuration id, and what was skipped because of it.
#[derive(Debug)]
pub(crate) struct ConfigId {
    pub(crate) id: String,
    /// A condition that names this id was found.
    found: bool,
    /// Ids of skipped lines.
    others: Vec<String>,
    skipped: Vec<Span>,
}

impl ConfigId {
    pub(crate) fn new(id: String) -> Self {
        Self {
            id,
            found: false,
            others: Vec::new(),
            skipped: Vec::new(),
        }
    }

    /// Removes the condition of a line that starts with `@`. False: it does not hold.
    pub(crate) fn holds(&mut self, line: &mut Line) -> bool {
        let rest = line.text.get(1..).unwrap_or("");
        let end = rest.find(is_blank).unwrap_or(rest.len());
        let (id, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let (id, negated) = match id.strip_prefix('^') {
            Some(id) => (id, true),
            None => (id, false),
        };
        // A placeholder of a template.
        if id.ends_with('@') {
            return true;
        }
        let own = id == self.id;
        self.found |= own;
        let other = (!own && !negated).then(|| id.to_owned());
        let blanks = after
            .len()
            .saturating_sub(after.trim_start_matches(is_blank).len());
        line.drop_front(end.saturating_add(blanks).saturating_add(1));
        if let Some(id) = other {
            self.skip(&id, line.span(0, line.text.len()));
        }
        own != negated
    }

    fn skip(&mut self, id: &str, span: Span) {
        if self.skipped.len() < MAX_SKIPPED {
            self.skipped.push(span);
        }
        if self.others.len() < MAX_NAMED && !self.others.iter().any(|other| other == id) {
            self.others.push(id.to_owned());
        }
    }

    /// At the end of the configuration, reports that every line with a condition is for another id,
    /// or the names that only these lines define.
    pub(crate) fn report(&mut self, definitions: &mut Definitions, diags: &mut Diags) {
        let unknown = core::mem::take(&mut definitions.skipped_references);
        if self.found || self.skipped.is_empty() {
            for (span, name) in unknown {
                report_undefined(span, &name, diags);
            }
            return;
        }
        let severity = match unknown.is_empty() {
            true => Severity::Note,
            false => Severity::Error,
        };
        let mut spans = core::mem::take(&mut self.skipped);
        spans.extend(unknown.into_iter().map(|(span, _)| span));
        let join = |before: &str| {
            let named = self.others.iter().map(|id| format!("`{before}{id}`"));
            named.collect::<Vec<_>>()
        };
        let message = format!(
            "lines for {} are skipped, because the configuration id is `{}`",
            join("@").join(", "),
            self.id
        );
        let mut spans = spans.into_iter();
        diags.push(Diag {
            help: Some(format!("start with {}", join("-i ").join(" or "))),
            ..Diag::new(severity, spans.next(), message)
        });
        diags.remember(Recurring::OtherId);
        let id = diags.last_id();
        spans.for_each(|span| diags.again(id, span));
    }
}

/// Reports a reference to an undefined name: the first one, and the positions of the others.
pub(crate) fn report_undefined(span: Span, name: &str, diags: &mut Diags) {
    let bare = name.trim_start_matches(['$', '{']).trim_end_matches('}');
    let diag = Diag {
        help: Some(format!("define it before this line: ${bare}=VALUE")),
        ..Diag::new(
            Severity::Error,
            Some(span),
            format!("{name} is not defined"),
        )
    };
    diags.report_recurring(Recurring::Undefined, diag);
}
