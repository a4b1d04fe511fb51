//! Statements whose keyword is not valid in the block: misspelled, misplaced, left outside a block
//! that was closed too early, or text that is not configuration at all.

use super::args::is_placeholder;
use super::checker::{Checker, Closed, MAX_EXAMINED, Scope};
use crate::config::diag::{Diag, DiagId, Recurring, Severity, Span};
use crate::config::schema::{Body, Entry, ROOT, Schema, find_elsewhere, find_in, nearest};
use crate::config::tree::Node;

/// Consecutive lines that are not configuration. They are reported by one message.
#[derive(Default)]
pub(super) struct StrayLines {
    /// Position and first word of the first line.
    first: Option<(Span, String)>,
    /// Number of lines after the first.
    more: usize,
    /// The last group of lines that was reported, with its first word.
    reported: Option<(String, DiagId)>,
    /// The first unknown keyword without a suggestion that was reported.
    unknown: Option<DiagId>,
}

impl StrayLines {
    /// Whether a line looks like prose: its first word cannot be a keyword, or it has many words.
    fn is_prose(&self, name: &str, node: &Node) -> bool {
        let keywordlike = name.contains('_') || (node.args.len() < 2 && self.first.is_none());
        !is_keyword_like(name) || !keywordlike
    }

    /// Whether the lines so far need other advice than a line that starts with `name`.
    fn has_other_remedy(&self, name: &str) -> bool {
        let first = self.first.as_ref();
        first.is_some_and(|(_, first)| remedy(first) != remedy(name))
    }

    fn add(&mut self, node: &Node) {
        if self.first.is_some() {
            self.more = self.more.saturating_add(1);
        } else {
            self.first = Some((node.keyword.span, node.keyword.text.to_string()));
        }
    }
}

impl Checker<'_> {
    /// Reports `node`, whose keyword is not valid in `scope`. The caller removes it. Returns the
    /// keyword that may be meant.
    pub(super) fn unknown(
        &mut self,
        scope: &Scope<'_>,
        node: &mut Node,
        strays: &mut StrayLines,
        closed: &mut Option<Closed>,
    ) -> Option<&'static str> {
        let name = node.keyword.text.to_string();
        if self.examined >= MAX_EXAMINED {
            self.error(node.keyword.span, "unknown keyword; ignored", None);
            return None;
        }
        self.examined = self.examined.saturating_add(1);
        if let Some(closed) = closed.as_mut()
            && let Some(entry) = find_in(closed.schema, &name)
        {
            self.flush(strays);
            self.closed_early(scope, node, closed);
            self.contents(entry, scope, node);
            return None;
        }
        if let Some(outer) = enclosing(scope, &name) {
            self.flush(strays);
            self.not_closed(scope, outer, node);
            return None;
        }
        if let Some(entry) = find_elsewhere(&name) {
            self.flush(strays);
            let message = format!("`{name}` is not valid {}; ignored", within(scope.schema));
            let help = format!("it belongs {}", within(entry.schema));
            self.error(node.keyword.span, message, Some(help));
            self.contents(entry, scope, node);
            return None;
        }
        let near = nearest(scope.schema, &name).filter(|_| is_keyword_like(&name));
        let help = near.map(|entry| did_you_mean(scope.schema, entry, &name));
        let near = near.map(|entry| entry.keyword.canonical_name());
        let help = help
            .or_else(|| missing_blank(scope.schema, &name))
            .or_else(|| underscores(scope.schema, node));
        if help.is_none() && node.block.is_none() && node.args.is_empty() && is_upper(&name) {
            self.flush(strays);
            let message = format!("`{name}` is a placeholder that was not filled in; ignored");
            let diag = Diag::new(Severity::Error, Some(node.keyword.span), message);
            self.diags.report_recurring(Recurring::Placeholder, diag);
            return None;
        }
        if help.is_none() && node.block.is_none() && strays.is_prose(&name, node) {
            // With prose in between, a keyword of the block above was not left outside by an early
            // `}`.
            *closed = None;
            if strays.has_other_remedy(&name) {
                self.flush(strays);
            }
            strays.add(node);
            self.diags.forget_undefined(node.whole());
            return None;
        }
        self.flush(strays);
        let what = match node.block {
            Some(_) => "the whole block is ignored",
            None => "ignored",
        };
        if let (None, Some(first)) = (&help, strays.unknown) {
            self.diags.again(first, node.keyword.span);
            return None;
        }
        let first = help.is_none();
        let message = format!("unknown keyword `{name}`; {what}");
        self.error(node.keyword.span, message, help);
        if first {
            strays.unknown = Some(self.diags.last_id());
        }
        near
    }

    /// Reports a keyword of the block before, whose `}` came too early.
    fn closed_early(&mut self, scope: &Scope<'_>, node: &Node, closed: &mut Closed) {
        // The statements that follow the first one are outside for the same reason.
        if core::mem::replace(&mut closed.reported, true) {
            return;
        }
        let name = &node.keyword.text;
        let here_span = node.keyword.span;
        let opener = self.sources.locate(closed.opener, here_span);
        let inside = closed.schema.name;
        let here = within(scope.schema);
        let (message, help) = match closed.close {
            Some(close) => {
                let at = self.sources.locate(close, here_span);
                (
                    format!(
                        "`{name}` is not valid {here}: `{inside}` of {opener} was closed by the `}}` on {at}; ignored"
                    ),
                    format!("remove the `}}` on {at} if `{name}` belongs to `{inside}`"),
                )
            }
            None => (
                format!("`{name}` is not valid {here}: it is a keyword of `{inside}`; ignored"),
                format!("move it into the block of `{inside}` of {opener}"),
            ),
        };
        self.error(node.keyword.span, message, Some(help));
    }

    /// Reports a keyword of an enclosing block: the `}` of this block is missing.
    fn not_closed(&mut self, scope: &Scope<'_>, outer: &Scope<'_>, node: &Node) {
        let inside = scope.schema.name;
        let message = format!(
            "`{}` is not valid in `{inside}` of {}: it belongs {}; ignored",
            node.keyword.text,
            self.sources.locate(scope.open, node.keyword.span),
            within(outer.schema)
        );
        let help = format!("close `{inside}` with `}}` before this line");
        self.error(node.keyword.span, message, Some(help));
    }

    /// Checks the content of a misplaced block.
    fn contents(&mut self, entry: Entry, scope: &Scope<'_>, node: &mut Node) {
        let there = Scope {
            schema: entry.schema,
            open: node.keyword.span,
            outer: Some(scope),
            quiet: true,
        };
        if entry.keyword.body.expects_brace() && node.block.is_some() {
            self.known(entry.keyword, &there, node);
        }
    }

    /// Reports the stray lines collected so far.
    pub(super) fn flush(&mut self, strays: &mut StrayLines) {
        let Some((span, text)) = strays.first.take() else {
            return;
        };
        let more = core::mem::take(&mut strays.more);
        match strays.reported.as_ref() {
            Some((earlier, id)) if *earlier == text => return self.diags.again(*id, span),
            Some(_) | None => {}
        }
        let (message, help) = describe(&text, more);
        if remedy(&text) == Some(Remedy::Fill) {
            let diag = Diag::new(Severity::Error, Some(span), message);
            return self.diags.report_recurring(Recurring::Placeholder, diag);
        }
        self.error(span, message, help.map(str::to_owned));
        strays.reported = Some((text, self.diags.last_id()));
    }
}

/// Message and help for stray lines of which the first starts with `text`.
fn describe(text: &str, more: usize) -> (String, Option<&'static str>) {
    let tail = match more {
        0 => "ignored".to_owned(),
        1 => "this line and the next are ignored".to_owned(),
        more => format!("this line and the next {more} are ignored"),
    };
    let remedy = remedy(text);
    let what = match remedy {
        Some(Remedy::Fill) => "a placeholder from the documentation",
        Some(Remedy::Syslog) => "a rule of syslog.conf",
        None if more == 0 && is_keyword_like(text) => {
            return (format!("unknown keyword `{text}`; {tail}"), None);
        }
        Some(Remedy::Comment) | None => "not a keyword",
    };
    let help = match remedy {
        Some(Remedy::Syslog) => Some("move it to the configuration of the syslog daemon"),
        Some(Remedy::Comment) => Some("comments start with `#` or `!`"),
        Some(Remedy::Fill) | None => None,
    };
    (format!("`{text}` is {what}; {tail}"), help)
}

/// What to do about a line that is not configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Replace the placeholder.
    Fill,
    /// Move it to another file.
    Syslog,
    /// Mark it as a comment.
    Comment,
}

fn remedy(text: &str) -> Option<Remedy> {
    if is_placeholder(text) {
        Some(Remedy::Fill)
    } else if is_syslog_rule(text) {
        Some(Remedy::Syslog)
    } else if text.starts_with("//") || text.starts_with("--") || text.starts_with(';') {
        Some(Remedy::Comment)
    } else {
        None
    }
}

/// Letters, digits, `_` and `-`: could be meant as a keyword.
fn is_keyword_like(text: &str) -> bool {
    let inner = text.trim_end_matches([':', '=', ';', ',']);
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'=' | b':');
    inner.starts_with(|first: char| first.is_ascii_alphabetic()) && inner.bytes().all(plain)
}

/// `local0.*`, `*.info`, `mail.none`.
fn is_syslog_rule(text: &str) -> bool {
    let Some((facility, level)) = text.split_once('.') else {
        return false;
    };
    let facility = facility == "*"
        || facility
            .strip_prefix("local")
            .is_some_and(|digit| digit.len() == 1)
        || matches!(
            facility,
            "daemon" | "mail" | "kern" | "user" | "auth" | "authpriv" | "cron"
        );
    facility
        && !level.is_empty()
        && level
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'*')
}

/// The innermost block around `scope` in which `name` is valid.
fn enclosing<'a>(scope: &Scope<'a>, name: &str) -> Option<&'a Scope<'a>> {
    let mut outer = scope.outer;
    while let Some(around) = outer {
        if around.schema.find(name).is_some() {
            return Some(around);
        }
        outer = around.outer;
    }
    None
}

/// Help for a misspelled keyword.
fn did_you_mean(schema: &'static Schema, entry: Entry, name: &str) -> String {
    let right = entry.keyword.name();
    let braces = match entry.keyword.body {
        Body::None => "",
        Body::Block(_) | Body::Items(_) => " { … }",
    };
    let here = core::ptr::eq(entry.schema, schema);
    if here && right.eq_ignore_ascii_case(name) {
        return format!("keywords are case sensitive: write `{right}{braces}`");
    }
    if here {
        return format!("did you mean `{right}`?");
    }
    format!(
        "did you mean `{right}`, which belongs {}?",
        within(entry.schema)
    )
}

/// Help for a keyword without a blank after it: `priority=100`, `state:`.
fn missing_blank(schema: &'static Schema, name: &str) -> Option<String> {
    let (keyword, _) = name.split_once(['=', ':'])?;
    schema.find(keyword)?;
    Some(format!(
        "separate keyword and value by a blank: `{keyword} VALUE`"
    ))
}

/// Help for a keyword whose `_` are blanks: `mcast src ip`.
fn underscores(schema: &'static Schema, node: &Node) -> Option<String> {
    let mut name = node.keyword.text.to_string();
    node.args.iter().take(4).find_map(|word| {
        name.push('_');
        name.push_str(&word.text);
        schema.find(&name)?;
        Some(format!("did you mean `{name}`?"))
    })
}

/// Capitals with at least one `_`.
fn is_upper(text: &str) -> bool {
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    text.contains('_') && text.bytes().all(upper)
}

/// "at the top level" or "in `vrrp_instance`".
fn within(schema: &Schema) -> String {
    if core::ptr::eq(schema, &ROOT) {
        "at the top level".to_owned()
    } else {
        format!("in `{}`", schema.name)
    }
}
