//! Checks the tree against the schema: looks up, counts and type-checks every statement, reports
//! what is wrong and removes it. What remains needs no second check when it is lowered: known
//! keywords in their blocks, under their canonical names, with arguments that are valid values of
//! their type.
//!
//! An invalid statement whose keyword has a default is replaced by the default, so that "100 is
//! used" is true. The meaning of keywords is not known here; see [`super::lower`].

mod args;
mod checker;
mod unknown;

use super::diag::{Diags, Severity, Span};
use super::schema::{
    Alias, Arg, Body, Feature, Items, Keyword, ROOT, Reason, Repeat, Support, value,
};
use super::source::Sources;
use super::span_map::SpanMap;
use super::tree::{Block, Node, Word};
use args::{ArgOwner, Role};
use checker::{Checker, Closed, Scope};
use unknown::StrayLines;

/// Checks `root` against the schema of a whole file and removes what is wrong.
/// Returns the names of interfaces in it, each with its first position.
pub(crate) fn check(root: &mut Block, sources: &Sources, diags: &mut Diags) -> SpanMap {
    let mut checker = Checker {
        diags,
        sources,
        reported: Vec::new(),
        reasons: Vec::new(),
        examined: 0,
        global_seen: Vec::new(),
        interfaces: SpanMap::default(),
    };
    let top = Scope {
        schema: &ROOT,
        open: root.open,
        outer: None,
        quiet: false,
    };
    checker.block(&top, root);
    checker.interfaces
}

impl Checker<'_> {
    /// Checks the statements of one block.
    fn block(&mut self, scope: &Scope<'_>, block: &mut Block) {
        // The blocks `global_defs` count as one.
        let is_global = scope.schema.name == "global_defs";
        let mut seen = match is_global {
            true => core::mem::take(&mut self.global_seen),
            false => Vec::with_capacity(block.nodes.len()),
        };
        let mut strays = StrayLines::default();
        let mut closed: Option<Closed> = None;
        let removed_words = &mut block.removed;
        block.nodes.retain_mut(|node| {
            let Some(keyword) = scope.schema.find(&node.keyword.text) else {
                let meant = self.unknown(scope, node, &mut strays, &mut closed);
                // `...` stands for what the author left out.
                let meant = meant.or(args::is_placeholder(&node.keyword.text).then_some(ELLIPSIS));
                removed_words.extend(meant.map(|name| removed(name, node.span())));
                // Names in a misplaced `track_script` are not forgotten by the author.
                let items = node.block.iter().flat_map(|block| &block.nodes);
                removed_words.extend(items.map(|item| item.keyword.clone()));
                return false;
            };
            self.flush(&mut strays);
            if let Body::Block(schema) = keyword.body {
                closed = Some(Closed {
                    schema,
                    opener: node.keyword.span,
                    close: node.block.as_ref().and_then(|block| block.close),
                    reported: false,
                });
            }
            let span = node.span();
            let valid = self.known(keyword, scope, node);
            if keyword.alias != Alias::No {
                node.keyword.text = keyword.canonical_name().into();
            }
            if !valid {
                removed_words.push(removed(keyword.canonical_name(), span));
            }
            valid && self.is_used(keyword, node.keyword.span, &mut seen)
        });
        self.flush(&mut strays);
        if is_global {
            self.global_seen = seen;
        }
    }

    /// Checks a statement whose keyword is valid here. False: remove the statement.
    fn known(&mut self, keyword: &'static Keyword, scope: &Scope<'_>, node: &mut Node) -> bool {
        if let Support::NotBuilt(part) = keyword.support {
            self.not_built(keyword, part, node);
            return false;
        }
        if keyword.alias == Alias::Old {
            let right = keyword.canonical_name();
            let message = format!("`{}` is an obsolete spelling of `{right}`", keyword.name());
            let help = format!("write `{right}`");
            self.diags
                .report_with_help(Severity::Note, node.keyword.span, message, help);
        }
        match &node.block {
            // A block that is not valid is reported once, not also as a missing argument.
            Some(block) if matches!(keyword.body, Body::None) && node.args.is_empty() => {
                self.ignored_block(keyword, block.open);
                return false;
            }
            // A word instead of the missing brace, which was reported.
            Some(block) if block.open == node.keyword.span && keyword.args().is_empty() => {
                node.args.clear();
            }
            Some(_) | None => {}
        }
        let mut valid = self.arguments(keyword, node);
        if !scope.quiet && (valid || keyword.body.expects_brace()) {
            self.support(keyword, node);
        }
        match (keyword.body, &mut node.block) {
            (Body::None, None) => {}
            (Body::None, Some(block)) => {
                self.ignored_block(keyword, block.open);
                node.block = None;
            }
            (Body::Block(_) | Body::Items(_), None) => {
                let message = format!("`{}` needs a block `{{ … }}`; ignored", keyword.name());
                self.error(node.keyword.span, message, None);
                valid = false;
            }
            (Body::Block(schema), Some(block)) => {
                let inner = Scope {
                    schema,
                    open: node.keyword.span,
                    outer: Some(scope),
                    quiet: scope.quiet || !matches!(keyword.support, Support::Supported),
                };
                self.block(&inner, block);
            }
            (Body::Items(_), Some(block)) if is_virtual_server(keyword, scope, block) => {
                let name = node.args.first().map_or("NAME", |word| &word.text);
                let message = format!(
                    "virtual_server_group `{name}` has blocks, as only a virtual_server can; ignored"
                );
                let help = format!("write `virtual_server group {name} {{`");
                self.error(node.keyword.span, message, Some(help));
                valid = false;
            }
            (Body::Items(items), Some(block)) => {
                self.items(keyword, items, scope, node.keyword.span, block);
            }
        }
        valid
    }

    fn ignored_block(&mut self, keyword: &Keyword, open: Span) {
        let message = format!(
            "`{}` does not take a block; the block is ignored",
            keyword.name()
        );
        self.error(open, message, None);
    }

    /// Checks the arguments of a statement. An invalid statement gets the default of its keyword,
    /// if it has one.
    fn arguments(&mut self, keyword: &'static Keyword, node: &mut Node) -> bool {
        if keyword.is_flag() {
            self.flag(keyword, &node.args);
            node.args.clear();
            return true;
        }
        let owner = ArgOwner {
            // The same text as in the table.
            name: &node.keyword.text,
            span: node.keyword.span,
            role: Role::Statement(keyword),
        };
        if self.words(&owner, keyword.args(), &mut node.args) {
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

    /// Reports arguments of a flag, above all one such as `off` that does not switch it off.
    fn flag(&mut self, keyword: &Keyword, args: &[Word]) {
        let Some(first) = args.first() else { return };
        if value::boolean(&first.text) == Some(false) {
            let message = format!(
                "`{}` is a flag without a value: it is switched on, and `{}` is ignored",
                keyword.name(),
                first.text
            );
            let help = "remove the line to switch it off";
            self.diags
                .report_with_help(Severity::Tolerated, first.span, message, help);
        } else if value::boolean(&first.text).is_none() {
            self.unexpected_words(keyword.name(), args);
        }
    }

    /// Reports, once for each keyword, that a keyword is not supported or has no effect.
    fn support(&mut self, keyword: &'static Keyword, node: &Node) {
        let (what, why) = match keyword.support {
            Support::Supported | Support::NotBuilt(_) => return,
            Support::Unimplemented(instead) => ("is not supported yet", instead.text()),
            Support::NoEffect(why) => ("has no effect", why.text()),
        };
        if switched_off(keyword, node) || self.reported.contains(&keyword.name()) {
            return;
        }
        self.reported.push(keyword.name());
        let span = node.keyword.span;
        let mut reasons = self.reasons.iter();
        if let Some((_, first)) = reasons.find(|(reason, _)| *reason == why) {
            return self.diags.again(*first, span);
        }
        let message = format!("`{}` {what}: {why}", keyword.name());
        // How `no_accept` is enforced makes no difference to what it does.
        let by_nftables = Support::NoEffect(Reason::NoAcceptByNftables);
        let severity = if keyword.support == by_nftables {
            Severity::Note
        } else {
            Severity::Unsupported
        };
        self.report(severity, span, message);
        self.reasons.push((why, self.diags.last_id()));
    }

    /// Reports a keyword of a feature that this build lacks: every block, a setting only once.
    fn not_built(&mut self, keyword: &'static Keyword, part: Feature, node: &Node) {
        let again = self.reported.contains(&keyword.name());
        if switched_off(keyword, node) || (again && !keyword.body.expects_brace()) {
            return;
        }
        if !again {
            self.reported.push(keyword.name());
        }
        let message = format!("`{}` is not part of this build; ignored", keyword.name());
        self.diags.report_with_help(
            Severity::Unsupported,
            node.span(),
            message,
            part.how_to_get(),
        );
    }

    /// Reports the second occurrence of a keyword that is valid once. False: the first one is used.
    fn is_used(
        &mut self,
        keyword: &'static Keyword,
        span: Span,
        seen: &mut Vec<(&'static str, Span)>,
    ) -> bool {
        let (severity, used) = match keyword.repeat {
            Repeat::All => return true,
            Repeat::LastWins => (Severity::Note, "this one"),
            Repeat::FirstWins => (Severity::Warning, "that one"),
        };
        let name = keyword.canonical_name();
        let Some((_, first)) = seen.iter().find(|(other, _)| *other == name) else {
            seen.push((name, span));
            return true;
        };
        let message = format!(
            "`{}` was already given on {}; {used} is used",
            keyword.name(),
            self.sources.locate(*first, span)
        );
        self.report(severity, span, message);
        keyword.repeat == Repeat::LastWins
    }

    // ---- value blocks ----

    /// Checks the items of a value block and removes the invalid ones.
    fn items(
        &mut self,
        keyword: &'static Keyword,
        items: &'static Items,
        scope: &Scope<'_>,
        opener: Span,
        block: &mut Block,
    ) {
        let mut unclosed = false;
        let mut first = None;
        for mut node in core::mem::take(&mut block.nodes) {
            if is_statement(scope, &node) {
                if !unclosed {
                    self.unclosed(keyword.name(), opener, &node);
                    unclosed = true;
                }
                continue;
            }
            if unclosed {
                continue;
            }
            let mut words = vec![node.keyword];
            words.append(&mut node.args);
            let before = self.diags.list().len();
            self.item(items, &mut words);
            if before < self.diags.list().len() {
                first = self.diags.fold(first);
            }
            let mut words = words.into_iter();
            if let Some(first) = words.next() {
                node.keyword = first;
                node.args = words.collect();
                block.nodes.push(node);
            }
        }
    }

    /// Checks one line of a value block and removes invalid words; all of them if the line is
    /// invalid.
    fn item(&mut self, items: &'static Items, words: &mut Vec<Word>) {
        let span = words.first().map_or(Span::default(), |word| word.span);
        let owner = ArgOwner {
            name: items.noun,
            span,
            role: Role::Item,
        };
        if !items.many_per_line {
            if !self.words(&owner, items.args, words) {
                words.clear();
            }
            return;
        }
        let mut valid = Vec::new();
        for word in words.drain(..) {
            let mut one = vec![word];
            if self.words(&owner, items.args, &mut one) {
                valid.append(&mut one);
            }
        }
        *words = valid;
    }

    /// Reports a statement of the enclosing block inside a value block, whose `}` is missing.
    fn unclosed(&mut self, name: &str, opener: Span, node: &Node) {
        let message = format!(
            "`{}` in the block `{name}` of {}; ignored from here to the end of the block",
            node.keyword.text,
            self.sources.locate(opener, node.keyword.span)
        );
        let help = format!("close `{name}` with `}}` before this line");
        self.error(node.keyword.span, message, Some(help));
    }
}

/// Whether a line of a value block is a statement of the enclosing block. An object may be called
/// `state`: as a keyword, that needs a value of a list.
fn is_statement(scope: &Scope<'_>, node: &Node) -> bool {
    let value = node.args.first().map_or("", |word| &word.text);
    let fits = |keyword: &Keyword| match keyword.args().first() {
        Some(choice @ Arg::Choice(_)) => value::is_valid(choice, value),
        Some(_) | None => true,
    };
    let text = &*node.keyword.text;
    // Most items are addresses.
    let may_be_keyword = !text.starts_with(|first: char| first.is_ascii_digit());
    node.block.is_some() || may_be_keyword && scope.schema.find(text).is_some_and(fits)
}

/// The keyword of what was left out, in `Block::removed`.
pub(crate) const ELLIPSIS: &str = "...";

/// Whether `virtual_server_group NAME` was written for `virtual_server group NAME`.
fn is_virtual_server(keyword: &Keyword, scope: &Scope<'_>, block: &Block) -> bool {
    // A keyword of the enclosing block means that a `}` is missing.
    let own = |node: &Node| node.block.is_some() && scope.schema.find(&node.keyword.text).is_none();
    cfg!(feature = "lvs") && keyword.name() == "virtual_server_group" && block.nodes.iter().any(own)
}

/// The keyword that a removed statement has or was meant to have, with its position.
fn removed(keyword: &str, span: Span) -> Word {
    Word {
        text: keyword.into(),
        span,
    }
}

/// True for `keyword off`: a keyword that is switched off needs no report about missing support.
fn switched_off(keyword: &Keyword, node: &Node) -> bool {
    let first = node.args.first();
    matches!(keyword.args(), [Arg::Bool])
        && first.and_then(|word| value::boolean(&word.text)) == Some(false)
}
