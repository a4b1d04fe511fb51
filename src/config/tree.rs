//! A configuration as nested statements, before keywords are looked up.

use std::borrow::Cow;

use super::diag::Span;

/// A word of a configuration, after expansion, with its span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Its text without quotes.
    pub text: Box<str>,
    /// Its position; for a word that `$X` or `~SEQ` expanded to, that of the reference.
    pub span: Span,
}

/// A statement: a keyword, its arguments, and possibly a block. Items of value blocks
/// (`virtual_ipaddress { … }`) are statements too; their first word is the `keyword`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// The first word of the line.
    pub keyword: Word,
    /// The other words of the line.
    pub args: Vec<Word>,
    /// The text after the keyword with its quotes and escapes, for keywords with a script command,
    /// which has quoting rules of its own. `None` if the line has neither quotes nor backslashes:
    /// the words are the same then.
    pub raw: Option<Box<str>>,
    /// The statements between `{` and `}`, if there is a block.
    pub block: Option<Block>,
}

/// The statements between `{` and `}`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Position of the opening brace; that of the keyword if the brace is missing.
    pub open: Span,
    /// Position of the closing brace; `None` if it is missing.
    pub close: Option<Span>,
    /// The statements.
    pub nodes: Vec<Node>,
    /// Keywords of statements that are missing in `nodes`, because they are invalid or for another
    /// configuration id, with the positions of the statements. What needs them need not report that
    /// they are missing.
    pub removed: Vec<Word>,
}

impl Node {
    /// The text after the keyword, with its quotes and escapes.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        if let Some(raw) = &self.raw {
            return Cow::Borrowed(raw);
        }
        match self.args.as_slice() {
            [] => Cow::Borrowed(""),
            [word] => Cow::Borrowed(&word.text),
            words => {
                let words: Vec<&str> = words.iter().map(|word| &*word.text).collect();
                Cow::Owned(words.join(" "))
            }
        }
    }

    /// The span from the keyword to the end of the block.
    #[must_use]
    pub fn whole(&self) -> Span {
        let close = self.block.as_ref().and_then(|block| block.close);
        close.map_or(self.span(), |close| self.keyword.span.to(close))
    }

    /// The span from the keyword to the last word.
    #[must_use]
    pub fn span(&self) -> Span {
        let Some(last) = self.args.last() else {
            return self.keyword.span;
        };
        self.keyword.span.to(last.span)
    }
}
