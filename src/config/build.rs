//! Builds nested statements from words and braces. No recursion; open blocks are on a stack.
//!
//! A missing or extra brace is the most frequent error, and a message at the end of the file does
//! not help to find it. So the builder remembers the first block whose `}` is indented less than
//! its opener (a `}` is missing before it) and the first one whose `}` is indented more (it may be
//! one too many). A keyword that is only valid at the top level closes all open blocks: one of them
//! must lack its `}`.

use super::diag::{Aborted, Diags, Severity, Span};
use super::lexer::Token;
use super::line::{Line, is_blank};
use super::source::Sources;
use super::tree::{Block, Node, Word};

/// Whether a keyword opens a block in the block of `parent`; `""`: at the top level.
pub type OpensBlock = fn(parent: &str, keyword: &str) -> bool;

/// Maximum nesting of blocks.
const MAX_NESTING: usize = 32;
/// Maximum number of words and statements of a configuration, after expansion.
const MAX_WORDS: usize = 500_000;
const MAX_STATEMENTS: usize = 150_000;

/// Builds the tree of a configuration.
pub(crate) struct Builder {
    opens_block: OpensBlock,
    root: Vec<Node>,
    removed: Vec<Word>,
    stack: Vec<OpenBlock>,
    /// A complete statement that may still get a block, by a `{` on a later line.
    pending: Option<Pending>,
    /// Buffer for the arguments of a statement.
    args: Vec<Word>,
    words: usize,
    statements: usize,
    /// The last token was a `{` without a keyword, which was reported; another one after it is not.
    after_stray_brace: bool,
    /// An extra `}` was reported; further ones are not, until a block is opened.
    unbalanced: bool,
    /// The first block whose `}` is indented less than its opener.
    outdented: Option<Misindented>,
    /// The first block whose `}` is indented more than its opener.
    indented: Option<Misindented>,
    /// The last block that was closed at the top level.
    last: Option<ClosedBlock>,
}

/// A statement, and the indentation of its line.
struct Pending {
    node: Node,
    indent: Option<u32>,
}

/// An open block.
struct OpenBlock {
    node: Node,
    open: Span,
    nodes: Vec<Node>,
    removed: Vec<Word>,
    indent: Option<u32>,
    /// A `}` in a comment of the block.
    commented_brace: Option<Span>,
}

/// A block whose `}` is not indented as its opener.
struct Misindented {
    keyword: Word,
    close: Span,
    commented_brace: Option<Span>,
}

/// A block that was closed at the top level.
struct ClosedBlock {
    keyword: Box<str>,
    opener: Span,
    close: Span,
}

impl Builder {
    pub(crate) fn new(opens_block: OpensBlock) -> Self {
        Self {
            opens_block,
            root: Vec::new(),
            removed: Vec::new(),
            stack: Vec::new(),
            pending: None,
            args: Vec::new(),
            words: 0,
            statements: 0,
            after_stray_brace: false,
            unbalanced: false,
            outdented: None,
            indented: None,
            last: None,
        }
    }

    /// Adds the tokens of a line.
    pub(crate) fn line(
        &mut self,
        line: &Line,
        tokens: &mut Vec<Token>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        self.join_placeholder(line, tokens);
        let mut indent = line.indent;
        // Bytes after the keyword of the statement being read on this line.
        let mut range = None;
        // Number of open stray `{` on this line, whose `}` are ignored too.
        let mut strays = 0_usize;
        for token in tokens.drain(..) {
            if !matches!(token, Token::Word(..)) {
                self.end_statement(line, range.take());
            }
            match token {
                Token::Word(word, at) => {
                    self.count_word(&word, diags)?;
                    match &mut range {
                        Some((_, end)) => {
                            *end = at.end;
                            self.args.push(word);
                        }
                        None => {
                            range = Some((at.end, at.end));
                            self.start_statement(word, indent, sources, diags)?;
                        }
                    }
                    self.after_stray_brace = false;
                }
                Token::Open(at) => {
                    if !self.open(at, sources, diags)? {
                        strays = strays.saturating_add(1);
                    }
                }
                Token::Close(_) if strays > 0 => strays = strays.saturating_sub(1),
                Token::Close(at) => self.close(at, indent, sources, diags)?,
            }
            // The indentation is that of the first token.
            indent = None;
        }
        self.end_statement(line, range);
        if let (Some(at), Some(block)) = (line.commented_brace, self.stack.last_mut()) {
            block.commented_brace = Some(at);
        }
        Ok(())
    }

    /// Makes one word of a placeholder such as `{IP VIP}` where no block can start.
    fn join_placeholder(&self, line: &Line, tokens: &mut Vec<Token>) {
        let found = tokens
            .iter()
            .position(|token| matches!(token, Token::Open(_)));
        let Some(open) = found else { return };
        let keyword = match tokens.get(..open).and_then(<[Token]>::first) {
            Some(Token::Word(word, _)) => Some(&*word.text),
            Some(Token::Open(_) | Token::Close(_)) => return,
            None => self
                .pending
                .as_ref()
                .map(|pending| &*pending.node.keyword.text),
        };
        if keyword.is_some_and(|keyword| (self.opens_block)(self.parent(), keyword)) {
            return;
        }
        let after = open.saturating_add(1);
        let rest = tokens.get(after..).unwrap_or_default();
        let len = rest
            .iter()
            .take_while(|token| matches!(token, Token::Word(..)))
            .count();
        let (Some(Token::Word(_, first)), Some(Token::Close(_))) = (rest.first(), rest.get(len))
        else {
            return;
        };
        let start = first.start.saturating_sub(1);
        let Some(text) = line.text.get(start..).and_then(|text| {
            let end = text.find('}')?;
            text.get(..=end)
        }) else {
            return;
        };
        let upper = |c: char| c.is_ascii_uppercase() || matches!(c, '{' | '}' | ' ' | '_');
        if text.starts_with('{') && text.chars().all(upper) {
            let end = start.saturating_add(text.len());
            let word = Word {
                text: text.into(),
                span: line.span(start, end),
            };
            let last = after.saturating_add(len);
            tokens.splice(open..=last, [Token::Word(word, start..end)]);
        }
    }

    /// Remembers a statement for another configuration id, which is not added.
    pub(crate) fn skip(&mut self, line: &Line) {
        let text = line.text.as_str();
        let end = text.find(is_blank).unwrap_or(text.len());
        let word = Word {
            text: text.get(..end).unwrap_or("").into(),
            span: line.span(0, text.len()),
        };
        let removed = self.stack.last_mut().map(|block| &mut block.removed);
        removed.unwrap_or(&mut self.removed).push(word);
    }

    /// Ends the file: closes open blocks, with a message.
    pub(crate) fn finish(mut self, sources: &Sources, diags: &mut Diags) -> Block {
        // Without a statement that follows, no block is opened, so this does not fail.
        let _ = self.flush(None, sources, diags);
        if !self.stack.is_empty() {
            self.close_all(None, sources, diags);
        }
        self.into_root()
    }

    /// The statements so far, without a message about open blocks.
    pub(crate) fn into_root(mut self) -> Block {
        while let Some(frame) = self.stack.pop() {
            self.leave(frame, None);
        }
        Block {
            open: Span::default(),
            close: None,
            nodes: self.root,
            removed: self.removed,
        }
    }

    // ---- statements ----

    /// Makes the statement of a keyword the pending one.
    fn start_statement(
        &mut self,
        keyword: Word,
        indent: Option<u32>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        self.flush(Some((&keyword.text, indent)), sources, diags)?;
        self.count_statement(&keyword, diags)?;
        let node = Node {
            keyword,
            args: Vec::new(),
            raw: None,
            block: None,
        };
        self.pending = Some(Pending { node, indent });
        Ok(())
    }

    /// Gives the pending statement its arguments. `range`: their bytes in the line.
    fn end_statement(&mut self, line: &Line, range: Option<(usize, usize)>) {
        if let (Some((start, end)), Some(pending)) = (range, &mut self.pending) {
            // Exactly as long as needed: a configuration has many of these lists.
            pending.node.args = self.args.drain(..).collect();
            let raw = line.text.get(start..end).unwrap_or("");
            let mut quoted = false;
            for byte in raw.bytes() {
                quoted |= matches!(byte, b'"' | b'\'' | b'\\');
            }
            if quoted {
                pending.node.raw = Some(raw.trim().into());
            }
        }
    }

    /// Ends the pending statement, which got no `{`. `next`: the keyword that follows and its
    /// indentation; `None` before a `}` or the end of the file.
    fn flush(
        &mut self,
        next: Option<(&str, Option<u32>)>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        let Some(Pending { mut node, indent }) = self.pending.take() else {
            return Ok(());
        };
        // Most statements are addresses.
        let is_item = node.keyword.text.starts_with(|c: char| c.is_ascii_digit());
        if is_item || !(self.opens_block)(self.parent(), &node.keyword.text) {
            self.attach(node);
            return Ok(());
        }
        let keyword = &node.keyword;
        let at = keyword.span;
        // If the next statement belongs to the block, the block is opened. Otherwise it is taken
        // for empty.
        let opened = next
            .is_some_and(|(next, next_indent)| self.is_inside(keyword, indent, next, next_indent));
        diags.report_with_help(
            Severity::Error,
            at,
            format!("missing `{{` after {}", keyword.text),
            match opened {
                true => "add `{` on the same line or the next",
                false => "write the content of the block between `{` and `}`",
            },
        );
        if opened {
            return self.enter(node, indent, at, sources, diags);
        }
        node.block = Some(Block {
            open: at,
            ..Block::default()
        });
        self.attach(node);
        Ok(())
    }

    /// Whether a statement belongs to the block of the keyword before it, whose `{` is missing.
    fn is_inside(
        &self,
        keyword: &Word,
        indent: Option<u32>,
        next: &str,
        next_indent: Option<u32>,
    ) -> bool {
        if (self.opens_block)("", next) && !(self.opens_block)(&keyword.text, next) {
            return false;
        }
        // Indentation is evidence only if the keyword is indented more than its parent.
        let parent = self.stack.last().and_then(|frame| frame.indent);
        parent >= indent || parent.is_none() || next_indent > indent
    }

    fn attach(&mut self, node: Node) {
        match self.stack.last_mut() {
            Some(frame) => frame.nodes.push(node),
            None => self.root.push(node),
        }
    }

    fn parent(&self) -> &str {
        self.stack
            .last()
            .map_or("", |frame| &frame.node.keyword.text)
    }

    fn count_word(&mut self, word: &Word, diags: &mut Diags) -> Result<(), Aborted> {
        self.words = self.words.saturating_add(1);
        if self.words > MAX_WORDS {
            return too_many("words", MAX_WORDS, word.span, diags);
        }
        Ok(())
    }

    fn count_statement(&mut self, word: &Word, diags: &mut Diags) -> Result<(), Aborted> {
        self.statements = self.statements.saturating_add(1);
        if self.statements > MAX_STATEMENTS {
            return too_many("statements", MAX_STATEMENTS, word.span, diags);
        }
        Ok(())
    }

    // ---- blocks ----

    /// Opens the block of the pending statement; false if there is none.
    fn open(&mut self, at: Span, sources: &Sources, diags: &mut Diags) -> Result<bool, Aborted> {
        let Some(Pending { node, indent }) = self.pending.take() else {
            if !self.after_stray_brace {
                let text = "unexpected `{` without a keyword before it; ignored";
                diags.report(Severity::Error, at, text);
            }
            self.after_stray_brace = true;
            return Ok(false);
        };
        self.after_stray_brace = false;
        self.enter(node, indent, at, sources, diags)?;
        Ok(true)
    }

    fn enter(
        &mut self,
        node: Node,
        indent: Option<u32>,
        open: Span,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        let keyword = &node.keyword.text;
        let top = (self.opens_block)("", keyword);
        if top && !self.stack.is_empty() && !(self.opens_block)(self.parent(), keyword) {
            self.close_all(Some(&node.keyword), sources, diags);
        }
        if self.stack.len() >= MAX_NESTING {
            let text = format!("blocks are nested deeper than {MAX_NESTING}; reading stops here");
            diags.report(Severity::Fatal, open, text);
            return Err(Aborted);
        }
        if top && self.stack.is_empty() {
            self.outdented = None;
            self.indented = None;
        }
        self.unbalanced = false;
        self.stack.push(OpenBlock {
            node,
            open,
            nodes: Vec::new(),
            removed: Vec::new(),
            indent,
            commented_brace: None,
        });
        Ok(())
    }

    fn close(
        &mut self,
        at: Span,
        indent: Option<u32>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        self.flush(None, sources, diags)?;
        let Some(block) = self.stack.pop() else {
            if !self.unbalanced {
                self.report_extra(at, sources, diags);
            }
            self.unbalanced = true;
            return Ok(());
        };
        self.after_stray_brace = false;
        if let (Some(indent), Some(opener)) = (indent, block.indent) {
            let misindented = || Misindented {
                keyword: block.node.keyword.clone(),
                close: at,
                commented_brace: block.commented_brace,
            };
            if indent < opener && self.outdented.is_none() {
                self.outdented = Some(misindented());
            }
            if indent > opener && self.indented.is_none() {
                self.indented = Some(misindented());
            }
        }
        let keyword = &block.node.keyword;
        if self.stack.is_empty() && (self.opens_block)("", &keyword.text) {
            self.last = Some(ClosedBlock {
                keyword: keyword.text.clone(),
                opener: keyword.span,
                close: at,
            });
        }
        self.leave(block, Some(at));
        Ok(())
    }

    fn leave(&mut self, block: OpenBlock, close: Option<Span>) {
        let OpenBlock {
            mut node,
            open,
            mut nodes,
            removed,
            ..
        } = block;
        nodes.shrink_to_fit();
        node.block = Some(Block {
            open,
            close,
            nodes,
            removed,
        });
        self.attach(node);
    }

    /// Closes every block, with one message. `next`: the keyword that is not valid in them.
    fn close_all(&mut self, next: Option<&Word>, sources: &Sources, diags: &mut Diags) {
        let outdented = self.outdented.take();
        let with_comment = self
            .stack
            .iter()
            .rev()
            .find_map(|block| Some((block, block.commented_brace?)));
        let (keyword, comment) = match (with_comment, &outdented, self.stack.last()) {
            (Some((block, brace)), ..) => (&block.node.keyword, Some(brace)),
            (None, Some(block), _) => (&block.keyword, block.commented_brace),
            (None, None, Some(block)) => (&block.node.keyword, None),
            (None, None, None) => return,
        };
        let here = keyword.span;
        let enclosing = self.stack.len().saturating_sub(1);
        let mut message = format!("{} is not closed: missing `}}`", keyword.text);
        if let Some(next) = next {
            let at = sources.locate(next.span, here);
            message = format!("{message} before {} on {at}", next.text);
        }
        if enclosing > 0 && outdented.is_none() {
            let others = match enclosing {
                1 => "the enclosing block is".to_owned(),
                count => format!("{count} enclosing blocks are"),
            };
            message = format!("{message}; {others} not closed either");
        }
        let help = match (comment, outdented.as_ref().map(|block| block.close)) {
            (Some(brace), _) => {
                format!(
                    "the `}}` on {} is part of a comment",
                    sources.locate(brace, here)
                )
            }
            (None, Some(close)) => {
                let at = sources.locate(close, here);
                format!(
                    "the `}}` on {at} is indented less than {}: add a `}}` before it",
                    keyword.text
                )
            }
            (None, None) => "add `}` where the block should end".into(),
        };
        diags.report_with_help(Severity::Error, here, message, help);
        while let Some(block) = self.stack.pop() {
            self.leave(block, None);
        }
    }

    fn report_extra(&self, at: Span, sources: &Sources, diags: &mut Diags) {
        let message = "`}` without an open block; ignored";
        let help = match (&self.indented, &self.last) {
            (Some(Misindented { keyword, close, .. }), _) => format!(
                "the `}}` on {} is indented more than {} on {}, which it closes: is it one too many?",
                sources.locate(*close, at),
                keyword.text,
                sources.locate(keyword.span, at),
            ),
            (
                None,
                Some(ClosedBlock {
                    keyword,
                    opener,
                    close,
                }),
            ) => format!(
                "{keyword} on {} was closed on {}: was that too early?",
                sources.locate(*opener, at),
                sources.locate(*close, at),
            ),
            (None, None) => "remove it".into(),
        };
        diags.report_with_help(Severity::Error, at, message, help);
    }
}

fn too_many(what: &str, most: usize, at: Span, diags: &mut Diags) -> Result<(), Aborted> {
    let text = format!("more than {most} {what}; reading stops here");
    diags.report(Severity::Fatal, at, text);
    Err(Aborted)
}
