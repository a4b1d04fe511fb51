//! Statements whose keyword the block does not know: misspelt, misplaced, left over after a block
//! that closed too early, or no configuration at all.

use super::args::is_placeholder;
use super::{Checker, Closed, Scope};
use crate::config::diag::Span;
use crate::config::schema::{Body, Place, ROOT, Schema, find_elsewhere, find_in, nearest};
use crate::config::tree::Node;

/// A run of lines that are no configuration: one message for all of them.
#[derive(Default)]
pub(super) struct Strays {
    first: Option<(Span, String)>,
    more: usize,
}

impl Strays {
    /// Whether a line looks like prose: it cannot be a keyword, or it is words upon words.
    fn takes(&self, name: &str, node: &Node) -> bool {
        let keywordlike = name.contains('_') || (node.args.len() < 2 && self.first.is_none());
        !is_word(name) || !keywordlike
    }

    /// Whether the run so far calls for another remedy than a line that begins with `name`.
    fn of_another_kind(&self, name: &str) -> bool {
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
    /// Says what is wrong with `node`, whose keyword `scope` does not know; it is left out.
    pub(super) fn unknown(
        &mut self,
        scope: &Scope<'_>,
        node: &mut Node,
        strays: &mut Strays,
        closed: &mut Option<Closed>,
    ) {
        let name = node.keyword.text.to_string();
        if self.looked_into >= super::LOOKED_INTO {
            return self.error(node.keyword.span, "unknown keyword; ignored", None);
        }
        self.looked_into = self.looked_into.saturating_add(1);
        if let Some(suspect) = closed.as_mut()
            && let Some(place) = find_in(suspect.schema, &name)
        {
            self.flush(strays);
            self.closed_early(scope, node, suspect);
            return self.contents(place, scope, node);
        }
        if let Some(outer) = enclosing(scope, &name) {
            self.flush(strays);
            return self.not_closed(scope, outer, node);
        }
        if let Some(place) = find_elsewhere(&name) {
            self.flush(strays);
            let message = format!("`{name}` does not belong {}; ignored", within(scope.schema));
            let help = format!("write it {}", within(place.schema));
            self.error(node.keyword.span, message, Some(help));
            return self.contents(place, scope, node);
        }
        let near = nearest(scope.schema, &name).filter(|_| is_word(&name));
        let help = near.map(|place| advice(scope.schema, place, &name));
        let help = help.or_else(|| glued(scope.schema, &name));
        if help.is_none() && node.block.is_none() && strays.takes(&name, node) {
            // Prose between a block and a keyword: the block was not cut short, it is another one.
            *closed = None;
            if strays.of_another_kind(&name) {
                self.flush(strays);
            }
            return strays.add(node);
        }
        self.flush(strays);
        let what = match node.block {
            Some(_) => "the whole block is ignored",
            None => "ignored",
        };
        let message = format!("unknown keyword `{name}`; {what}");
        self.error(node.keyword.span, message, help);
    }

    /// A keyword of the block before: its `}` came too early.
    fn closed_early(&mut self, scope: &Scope<'_>, node: &Node, closed: &mut Closed) {
        // The first statement left outside tells it; the others follow from the same brace.
        if core::mem::replace(&mut closed.told, true) {
            return;
        }
        let name = &node.keyword.text;
        let here_span = node.keyword.span;
        let opener = (self.locate)(closed.opener, here_span);
        let inside = closed.schema.name;
        let here = within(scope.schema);
        let (message, help) = match closed.close {
            Some(close) => {
                let at = (self.locate)(close, here_span);
                (
                    format!(
                        "`{name}` {here}: the `}}` on {at} closed `{inside}` of {opener}; ignored"
                    ),
                    format!("remove the `}}` on {at} if `{name}` is part of `{inside}`"),
                )
            }
            None => (
                format!("`{name}` {here} is a keyword of `{inside}`; ignored"),
                format!("write it between the braces of `{inside}` of {opener}"),
            ),
        };
        self.error(node.keyword.span, message, Some(help));
    }

    /// A keyword of a block further out: the `}` of this one is missing.
    fn not_closed(&mut self, scope: &Scope<'_>, outer: &Scope<'_>, node: &Node) {
        let inside = scope.schema.name;
        let message = format!(
            "`{}` stands in `{inside}` of {} but belongs {}; ignored",
            node.keyword.text,
            (self.locate)(scope.open, node.keyword.span),
            within(outer.schema)
        );
        let help = format!("close `{inside}` with `}}` before this line");
        self.error(node.keyword.span, message, Some(help));
    }

    /// What stands inside a misplaced block is checked all the same.
    fn contents(&mut self, place: Place, scope: &Scope<'_>, node: &mut Node) {
        let there = Scope {
            schema: place.schema,
            open: node.keyword.span,
            outer: Some(scope),
        };
        if place.keyword.body.expects_brace() && node.block.is_some() {
            self.known(place.keyword, &there, node, true);
        }
    }

    /// Tells of the run of strays that ends here.
    pub(super) fn flush(&mut self, strays: &mut Strays) {
        let Some((span, text)) = strays.first.take() else {
            return;
        };
        let more = core::mem::take(&mut strays.more);
        let (message, help) = describe(&text, more);
        self.error(span, message, help.map(str::to_owned));
    }
}

/// The message for a run of lines of which the first begins with `text`.
fn describe(text: &str, more: usize) -> (String, Option<&'static str>) {
    let tail = match more {
        0 => "ignored".to_owned(),
        1 => "this line and the next are ignored".to_owned(),
        more => format!("this line and {more} more after it are ignored"),
    };
    let remedy = remedy(text);
    let what = match remedy {
        Some(Remedy::Fill) => "a placeholder of the documentation",
        Some(Remedy::Syslog) => "a rule of the syslog daemon",
        None if more == 0 && is_word(text) => {
            return (format!("unknown keyword `{text}`; {tail}"), None);
        }
        Some(Remedy::Comment) | None => "no keyword",
    };
    let help = match remedy {
        Some(Remedy::Syslog) => Some("write it into the configuration of the syslog daemon"),
        Some(Remedy::Comment) => Some("comments begin with `#` or `!`"),
        Some(Remedy::Fill) | None => None,
    };
    (format!("`{text}` is {what}; {tail}"), help)
}

/// What can be done about a line that is no configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Write the real thing.
    Fill,
    /// Write it elsewhere.
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

/// Letters, digits, `_` and `-`: might be meant as a keyword.
fn is_word(text: &str) -> bool {
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

/// The nearest block around `scope` that knows `name`.
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

/// What to write for a misspelt keyword.
fn advice(schema: &'static Schema, place: Place, name: &str) -> String {
    let right = place.keyword.name();
    let braces = match place.keyword.body {
        Body::None => "",
        Body::Block(_) | Body::Items(_) => " { … }",
    };
    let here = core::ptr::eq(place.schema, schema);
    if here && right.eq_ignore_ascii_case(name) {
        return format!("keywords are case sensitive: write `{right}{braces}`");
    }
    if here {
        return format!("did you mean `{right}`?");
    }
    format!(
        "did you mean `{right}`, which belongs {}?",
        within(place.schema)
    )
}

/// `priority=100`, `state:`: a keyword with something glued to it.
fn glued(schema: &'static Schema, name: &str) -> Option<String> {
    let (keyword, _) = name.split_once(['=', ':'])?;
    schema.find(keyword)?;
    Some(format!("write `{keyword}`, a blank, and its value"))
}

/// Where something stands or belongs.
fn within(schema: &Schema) -> String {
    if core::ptr::eq(schema, &ROOT) {
        "at the top level".to_owned()
    } else {
        format!("in `{}`", schema.name)
    }
}
