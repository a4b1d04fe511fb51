//! Words and braces become nested statements. Nothing recurses; open blocks are on a stack.
//!
//! Braces are where files break most often, and where a message at the end of the file helps least. So the
//! builder keeps two suspicions while it goes: the first block closed by a `}` that stands further left than
//! its opener (a `}` is missing before), and the first closed by one further right (it is one too many).
//! And a keyword that belongs at top level ends whatever is open: it is certain that something lacks its `}`.

use super::Stop;
use super::diag::{Diags, Severity, Span};
use super::lexer::Token;
use super::line::Line;
use super::source::Sources;
use super::tree::{Block, Node, Word};

/// Whether a keyword opens a block in a parent (`""`: at top level).
pub type OpensBlock = fn(parent: &str, keyword: &str) -> bool;

/// Deepest nesting of blocks.
const MAX_NESTING: usize = 32;
/// Most words and statements of a configuration, after expansion.
const MAX_WORDS: usize = 500_000;
const MAX_STATEMENTS: usize = 150_000;

/// Builds the tree of a configuration.
pub(crate) struct Builder {
    opens_block: OpensBlock,
    root: Vec<Node>,
    stack: Vec<Frame>,
    /// A complete statement that may still get its block, by a `{` on a later line.
    pending: Option<Pending>,
    words: usize,
    statements: usize,
    /// The last token was a `{` reported as having no place: its neighbors are not reported again.
    stray: bool,
    /// A `}` was one too many: until another block is opened, more of them say nothing new.
    unbalanced: bool,
    missing: Option<Suspect>,
    extra: Option<Suspect>,
    /// The last block that belongs at top level: keyword, opener, closer.
    last: Option<(Box<str>, Span, Span)>,
}

struct Pending {
    node: Node,
    indent: Option<u32>,
}

/// An open block.
struct Frame {
    node: Node,
    open: Span,
    nodes: Vec<Node>,
    indent: Option<u32>,
    swallowed: Option<Span>,
}

/// A block whose `}` does not stand below its opener.
struct Suspect {
    keyword: Word,
    close: Span,
    swallowed: Option<Span>,
}

impl Builder {
    pub(crate) fn new(opens_block: OpensBlock) -> Self {
        Self {
            opens_block,
            root: Vec::new(),
            stack: Vec::new(),
            pending: None,
            words: 0,
            statements: 0,
            stray: false,
            unbalanced: false,
            missing: None,
            extra: None,
            last: None,
        }
    }

    /// Takes a line. The tokens are used up.
    pub(crate) fn line(
        &mut self,
        line: &Line,
        tokens: &mut Vec<Token>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let mut indent = line.indent;
        let mut args: Vec<Word> = Vec::new();
        // Bytes after the keyword of the statement being read on this line.
        let mut range = None;
        // Stray `{` on this line whose `}` is as meaningless.
        let mut strays = 0_usize;
        for token in tokens.drain(..) {
            if !matches!(token, Token::Word(..)) {
                self.end_statement(line, &mut args, range.take());
            }
            match token {
                Token::Word(word, at) => {
                    self.count_word(&word, diags)?;
                    match &mut range {
                        Some((_, end)) => {
                            *end = at.end;
                            args.push(word);
                        }
                        None => {
                            self.flush(Some((&word.text, indent)), sources, diags)?;
                            self.count_statement(&word, diags)?;
                            range = Some((at.end, at.end));
                            let node = Node {
                                keyword: word,
                                args: Vec::new(),
                                raw: None,
                                block: None,
                            };
                            self.pending = Some(Pending { node, indent });
                        }
                    }
                    self.stray = false;
                }
                Token::Open(at) => {
                    if !self.open(at, sources, diags)? {
                        strays = strays.saturating_add(1);
                    }
                }
                Token::Close(_) if strays > 0 => strays = strays.saturating_sub(1),
                Token::Close(at) => self.close(at, indent, sources, diags)?,
            }
            // Only the first token of a line tells about its indentation.
            indent = None;
        }
        self.end_statement(line, &mut args, range);
        if let (Some(at), Some(frame)) = (line.swallowed, self.stack.last_mut()) {
            frame.swallowed = Some(at);
        }
        Ok(())
    }

    /// The end of the file: everything still open is closed, with a message.
    pub(crate) fn finish(mut self, sources: &Sources, diags: &mut Diags) -> Block {
        // Nothing is entered any more, so nothing can stop this.
        let _ = self.flush(None, sources, diags);
        if !self.stack.is_empty() {
            self.close_all(None, sources, diags);
        }
        self.into_root()
    }

    /// What there is, without a word about what is open.
    pub(crate) fn into_root(mut self) -> Block {
        while let Some(frame) = self.stack.pop() {
            self.leave(frame, None);
        }
        Block {
            open: Span::default(),
            close: None,
            nodes: self.root,
        }
    }

    // ---- statements ----

    fn end_statement(&mut self, line: &Line, args: &mut Vec<Word>, range: Option<(usize, usize)>) {
        if let (Some((start, end)), Some(pending)) = (range, &mut self.pending) {
            // Collected so that the list is no larger than its words.
            pending.node.args = std::mem::take(args);
            pending.node.args.shrink_to_fit();
            let raw = line.text.get(start..end).unwrap_or("").trim();
            if raw.contains(['"', '\'', '\\']) {
                pending.node.raw = Some(raw.into());
            }
        }
    }

    /// The pending statement got no `{`. `next`: the keyword that follows and its indentation, unless a
    /// `}` or the end follows.
    fn flush(
        &mut self,
        next: Option<(&str, Option<u32>)>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let Some(Pending { mut node, indent }) = self.pending.take() else {
            return Ok(());
        };
        if !(self.opens_block)(self.parent(), &node.keyword.text) {
            self.attach(node);
            return Ok(());
        }
        let keyword = &node.keyword;
        diags.report_with_help(
            Severity::Error,
            keyword.span,
            format!("`{{` is missing after {}", keyword.text),
            "write it behind, on the same line or the next",
        );
        let at = keyword.span;
        // With statements behind it the block is entered all the same. Otherwise an empty block is the
        // reading that upsets less.
        if next
            .is_some_and(|(next, next_indent)| self.is_inside(keyword, indent, next, next_indent))
        {
            return self.enter(node, indent, at, sources, diags);
        }
        node.block = Some(Block {
            open: at,
            close: None,
            nodes: Vec::new(),
        });
        self.attach(node);
        Ok(())
    }

    /// Whether a statement belongs to the block of the keyword before it, which has no `{` to tell.
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
        // Indentation counts where the keyword itself is indented against its parent.
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

    fn count_word(&mut self, word: &Word, diags: &mut Diags) -> Result<(), Stop> {
        self.words = self.words.saturating_add(1);
        if self.words > MAX_WORDS {
            return too_many("words", MAX_WORDS, word.span, diags);
        }
        Ok(())
    }

    fn count_statement(&mut self, word: &Word, diags: &mut Diags) -> Result<(), Stop> {
        self.statements = self.statements.saturating_add(1);
        if self.statements > MAX_STATEMENTS {
            return too_many("statements", MAX_STATEMENTS, word.span, diags);
        }
        Ok(())
    }

    // ---- blocks ----

    /// OpensBlock the block of the pending statement; false if there is none.
    fn open(&mut self, at: Span, sources: &Sources, diags: &mut Diags) -> Result<bool, Stop> {
        let Some(Pending { node, indent }) = self.pending.take() else {
            if !self.stray {
                let text = "unexpected `{`: no keyword stands before it; ignored";
                diags.report(Severity::Error, at, text);
            }
            self.stray = true;
            return Ok(false);
        };
        self.stray = false;
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
    ) -> Result<(), Stop> {
        let keyword = &node.keyword.text;
        let top = (self.opens_block)("", keyword);
        if top && !self.stack.is_empty() && !(self.opens_block)(self.parent(), keyword) {
            self.close_all(Some(&node.keyword), sources, diags);
        }
        if self.stack.len() >= MAX_NESTING {
            let text = format!("blocks are nested deeper than {MAX_NESTING}; reading stops here");
            diags.report(Severity::Fatal, open, text);
            return Err(Stop);
        }
        if top && self.stack.is_empty() {
            self.missing = None;
            self.extra = None;
        }
        self.unbalanced = false;
        let nodes = Vec::new();
        self.stack.push(Frame {
            node,
            open,
            nodes,
            indent,
            swallowed: None,
        });
        Ok(())
    }

    fn close(
        &mut self,
        at: Span,
        indent: Option<u32>,
        sources: &Sources,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        self.flush(None, sources, diags)?;
        let Some(frame) = self.stack.pop() else {
            if !self.unbalanced {
                self.report_extra(at, sources, diags);
            }
            self.unbalanced = true;
            return Ok(());
        };
        self.stray = false;
        if let (Some(indent), Some(opener)) = (indent, frame.indent) {
            let suspect = || Suspect {
                keyword: frame.node.keyword.clone(),
                close: at,
                swallowed: frame.swallowed,
            };
            if indent < opener && self.missing.is_none() {
                self.missing = Some(suspect());
            }
            if indent > opener && self.extra.is_none() {
                self.extra = Some(suspect());
            }
        }
        let keyword = &frame.node.keyword;
        if self.stack.is_empty() && (self.opens_block)("", &keyword.text) {
            self.last = Some((keyword.text.clone(), keyword.span, at));
        }
        self.leave(frame, Some(at));
        Ok(())
    }

    fn leave(&mut self, frame: Frame, close: Option<Span>) {
        let Frame {
            mut node,
            open,
            mut nodes,
            ..
        } = frame;
        nodes.shrink_to_fit();
        node.block = Some(Block { open, close, nodes });
        self.attach(node);
    }

    /// Closes every block, with one message. `next`: the keyword that cannot be inside.
    fn close_all(&mut self, next: Option<&Word>, sources: &Sources, diags: &mut Diags) {
        let suspect = self.missing.take();
        let swallowed = self
            .stack
            .iter()
            .rev()
            .find_map(|frame| Some((frame, frame.swallowed?)));
        let (keyword, comment) = match (swallowed, &suspect, self.stack.last()) {
            (Some((frame, brace)), ..) => (&frame.node.keyword, Some(brace)),
            (None, Some(suspect), _) => (&suspect.keyword, suspect.swallowed),
            (None, None, Some(frame)) => (&frame.node.keyword, None),
            (None, None, None) => return,
        };
        let here = keyword.span;
        let others = self.stack.len().saturating_sub(1);
        let mut message = format!("{} is not closed: `}}` is missing", keyword.text);
        if let Some(next) = next {
            let place = sources.locate(next.span, here);
            message = format!("{message} before {} on {place}", next.text);
        }
        if others > 0 && suspect.is_none() {
            message = format!("{message}, also for {others} more around it");
        }
        let help = match (comment, suspect.as_ref().map(|suspect| suspect.close)) {
            (Some(brace), _) => {
                format!(
                    "the `}}` on {} is part of a comment",
                    sources.locate(brace, here)
                )
            }
            (None, Some(close)) => {
                let place = sources.locate(close, here);
                format!("the `}}` on {place} stands further left: add one before it")
            }
            (None, None) => "add it where the block should end".into(),
        };
        diags.report_with_help(Severity::Error, here, message, help);
        while let Some(frame) = self.stack.pop() {
            self.leave(frame, None);
        }
    }

    fn report_extra(&self, at: Span, sources: &Sources, diags: &mut Diags) {
        let message = "`}` without a block to close; ignored";
        let help = match (&self.extra, &self.last) {
            (Some(Suspect { keyword, close, .. }), _) => format!(
                "the `}}` on {} stands further right than {} on {}, which it closed: is it one too many?",
                sources.locate(*close, at),
                keyword.text,
                sources.locate(keyword.span, at),
            ),
            (None, Some((keyword, opener, closer))) => format!(
                "{keyword} on {} was closed on {}: was that one too early?",
                sources.locate(*opener, at),
                sources.locate(*closer, at),
            ),
            (None, None) => "remove it".into(),
        };
        diags.report_with_help(Severity::Error, at, message, help);
    }
}

fn too_many(what: &str, most: usize, at: Span, diags: &mut Diags) -> Result<(), Stop> {
    let text = format!("more than {most} {what}; reading stops here");
    diags.report(Severity::Fatal, at, text);
    Err(Stop)
}
