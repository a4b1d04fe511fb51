//! The tree against the schema: every statement is looked up, counted and typed; what is wrong is said
//! and taken out. What is left may be lowered without looking twice: known keywords in their
//! blocks, under their canonical names, with words that are values of their type.
//!
//! A wrong statement with a default is replaced by the default, so that "100 is used" is what happens.
//! Nothing here knows what a keyword means; that is [`super::lower`]'s business.

mod args;
mod unknown;

use super::diag::{Diags, Severity, Span};
use super::schema::{Alias, Body, Feature, Items, Keyword, ROOT, Schema, Support, value};
use super::tree::{Block, Node, Word};
use args::Subject;
use unknown::Strays;

/// Names a place for a message that is about another one: "line 12".
pub(crate) type Locate<'a> = &'a dyn Fn(Span, Span) -> String;

/// Unknown keywords that are looked into; beyond, they are only counted. Messages end there too.
const LOOKED_INTO: u16 = 500;

/// Checks `root` against the schema of a whole file and takes out what is wrong.
pub(crate) fn check(root: &mut Block, locate: Locate<'_>, diags: &mut Diags) {
    let mut checker = Checker {
        diags,
        locate,
        told: Vec::new(),
        looked_into: 0,
    };
    let top = Scope {
        schema: &ROOT,
        open: root.open,
        outer: None,
    };
    checker.block(&top, root, false);
}

/// A block being checked and those around it.
#[derive(Clone, Copy)]
struct Scope<'a> {
    schema: &'static Schema,
    open: Span,
    outer: Option<&'a Scope<'a>>,
}

/// The last block closed on this level: the suspect when a keyword of it turns up outside.
#[derive(Clone, Copy)]
struct Closed {
    schema: &'static Schema,
    opener: Span,
    close: Option<Span>,
    told: bool,
}

struct Checker<'a> {
    diags: &'a mut Diags,
    locate: Locate<'a>,
    /// Keywords without support that have been named: each is named once.
    told: Vec<&'static str>,
    looked_into: u16,
}

impl Checker<'_> {
    fn report(&mut self, severity: Severity, span: Span, message: impl Into<String>) {
        self.diags.report(severity, span, message);
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        match help {
            Some(help) => self
                .diags
                .report_with_help(Severity::Error, span, message, help),
            None => self.diags.report(Severity::Error, span, message),
        }
    }

    /// Checks the statements of one block. `quiet`: it belongs to something without support, of which
    /// enough has been said.
    fn block(&mut self, scope: &Scope<'_>, block: &mut Block, quiet: bool) {
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        let mut strays = Strays::default();
        let mut closed: Option<Closed> = None;
        for mut node in core::mem::take(&mut block.nodes) {
            let Some(keyword) = scope.schema.find(&node.keyword.text) else {
                self.unknown(scope, &mut node, &mut strays, &mut closed);
                continue;
            };
            self.flush(&mut strays);
            if let Body::Block(schema) = keyword.body {
                closed = Some(Closed {
                    schema,
                    opener: node.keyword.span,
                    close: node.block.as_ref().and_then(|block| block.close),
                    told: false,
                });
            }
            if self.known(keyword, scope, &mut node, quiet) {
                self.duplicate(keyword, node.keyword.span, &mut seen);
                node.keyword.text = keyword.canonical_name().into();
                block.nodes.push(node);
            }
        }
        self.flush(&mut strays);
    }

    /// Checks a statement whose keyword is known here; false when it must be left out.
    fn known(
        &mut self,
        keyword: &'static Keyword,
        scope: &Scope<'_>,
        node: &mut Node,
        quiet: bool,
    ) -> bool {
        if let Support::NotBuilt(part) = keyword.support {
            self.absent(keyword, part, node);
            return false;
        }
        if keyword.alias == Alias::Old {
            let right = keyword.canonical_name();
            let message = format!("`{}` is taken for `{right}`", keyword.name());
            let help = format!("write `{right}`");
            self.diags
                .report_with_help(Severity::Note, node.keyword.span, message, help);
        }
        let mut fine = self.arguments(keyword, node);
        if !quiet && (fine || keyword.body.expects_brace()) {
            self.support(keyword, node);
        }
        let quiet = quiet || !matches!(keyword.support, Support::Supported);
        match (keyword.body, &mut node.block) {
            (Body::None, None) => {}
            (Body::None, Some(block)) => {
                let message = format!(
                    "`{}` opens no block; the braces are ignored",
                    keyword.name()
                );
                self.error(block.open, message, None);
                node.block = None;
            }
            (Body::Block(_) | Body::Items(_), None) => {
                let message = format!("`{}` needs a block `{{ … }}`; ignored", keyword.name());
                self.error(node.keyword.span, message, None);
                fine = false;
            }
            (Body::Block(schema), Some(block)) => {
                let inner = Scope {
                    schema,
                    open: node.keyword.span,
                    outer: Some(scope),
                };
                self.block(&inner, block, quiet);
            }
            (Body::Items(items), Some(block)) => {
                self.items(keyword, items, scope, node.keyword.span, block);
            }
        }
        fine
    }

    /// The words of a statement. A wrong one with a default becomes the default.
    fn arguments(&mut self, keyword: &'static Keyword, node: &mut Node) -> bool {
        if keyword.is_flag() {
            self.flag(keyword, &node.args);
            return true;
        }
        let subject = Subject {
            name: keyword.name(),
            span: node.keyword.span,
            default: keyword.default(),
            item: false,
            head: false,
        };
        if self.words(&subject, keyword.args(), &mut node.args) {
            return true;
        }
        node.args = keyword
            .default()
            .split_whitespace()
            .map(|text| Word {
                text: text.into(),
                span: node.keyword.span,
            })
            .collect();
        !node.args.is_empty() && !keyword.body.expects_brace()
    }

    /// A flag takes no word; one that looks like "off" is a trap.
    fn flag(&mut self, keyword: &Keyword, args: &[Word]) {
        let Some(first) = args.first() else { return };
        if value::boolean(&first.text) == Some(false) {
            let message = format!(
                "`{}` is a flag: it is on, and `{}` is ignored",
                keyword.name(),
                first.text
            );
            let help = "remove the line to switch it off";
            self.diags
                .report_with_help(Severity::Warning, first.span, message, help);
        } else if value::boolean(&first.text).is_none() {
            self.extra(keyword.name(), args);
        }
    }

    /// Says once what a keyword without support means for this configuration.
    fn support(&mut self, keyword: &'static Keyword, node: &Node) {
        let message = match keyword.support {
            Support::Supported | Support::NotBuilt(_) => return,
            Support::Unimplemented(instead) => {
                format!(
                    "`{}` is recognized, not supported yet: {}",
                    keyword.name(),
                    instead.text()
                )
            }
            Support::NoEffect(why) => format!("`{}` has no effect: {}", keyword.name(), why.text()),
        };
        if !switched_off(keyword, node) && !self.told.contains(&keyword.name()) {
            self.told.push(keyword.name());
            self.report(Severity::Unsupported, node.keyword.span, message);
        }
    }

    /// Names what belongs to a part that this build lacks: every block, a setting once.
    fn absent(&mut self, keyword: &'static Keyword, part: Feature, node: &Node) {
        let again = self.told.contains(&keyword.name());
        if switched_off(keyword, node) || (again && !keyword.body.expects_brace()) {
            return;
        }
        if !again {
            self.told.push(keyword.name());
        }
        let message = format!("`{}` is not in this build; ignored", keyword.name());
        self.diags.report_with_help(
            Severity::Unsupported,
            node.span(),
            message,
            part.how_to_get(),
        );
    }

    /// The same keyword again where one is meant: the last one counts.
    fn duplicate(
        &mut self,
        keyword: &'static Keyword,
        span: Span,
        seen: &mut Vec<(&'static str, Span)>,
    ) {
        if keyword.multi {
            return;
        }
        let name = keyword.canonical_name();
        if let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) {
            let message = format!(
                "`{}` was given on {} already; this one counts",
                keyword.name(),
                (self.locate)(*first, span)
            );
            self.report(Severity::Note, span, message);
        } else {
            seen.push((name, span));
        }
    }

    // ---- value blocks ----

    /// Checks the items of a value block and leaves the good ones.
    fn items(
        &mut self,
        keyword: &'static Keyword,
        items: &'static Items,
        scope: &Scope<'_>,
        opener: Span,
        block: &mut Block,
    ) {
        let mut told = false;
        for mut node in core::mem::take(&mut block.nodes) {
            if scope.schema.find(&node.keyword.text).is_some() || node.block.is_some() {
                if !told {
                    self.unclosed(keyword.name(), opener, &node);
                    told = true;
                }
                continue;
            }
            if told {
                continue;
            }
            let mut words = vec![node.keyword];
            words.append(&mut node.args);
            self.item(items, &mut words);
            let mut words = words.into_iter();
            if let Some(first) = words.next() {
                node.keyword = first;
                node.args = words.collect();
                block.nodes.push(node);
            }
        }
    }

    /// Checks one line of a value block; the words left are good, none when the line is not.
    fn item(&mut self, items: &'static Items, words: &mut Vec<Word>) {
        let span = words.first().map_or(Span::default(), |word| word.span);
        let subject = Subject {
            name: items.what,
            span,
            default: "",
            item: true,
            head: true,
        };
        if !items.several {
            if !self.words(&subject, items.args, words) {
                words.clear();
            }
            return;
        }
        let mut good = Vec::new();
        for word in words.drain(..) {
            let mut one = vec![word];
            if self.words(&subject, items.args, &mut one) {
                good.append(&mut one);
            }
        }
        *words = good;
    }

    /// A statement of the block around stands in a value block: its `}` is missing.
    fn unclosed(&mut self, name: &str, opener: Span, node: &Node) {
        let message = format!(
            "`{}` stands inside `{name}` of {}; ignored from here to its end",
            node.keyword.text,
            (self.locate)(opener, node.keyword.span)
        );
        let help = format!("close `{name}` with `}}` before this line");
        self.error(node.keyword.span, message, Some(help));
    }
}

/// `keyword off`: what is not there is not wanted either.
fn switched_off(keyword: &Keyword, node: &Node) -> bool {
    let first = node.args.first();
    matches!(keyword.args(), [super::schema::Arg::Bool])
        && first.and_then(|word| value::boolean(&word.text)) == Some(false)
}
