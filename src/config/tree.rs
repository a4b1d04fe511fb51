//! The file as nested statements, before any keyword is looked up.

use std::borrow::Cow;

use super::diag::Span;

/// A word of the file, after expansion, with the place to blame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Its text, quotes removed.
    pub text: Box<str>,
    /// Where it stands; for a word made by `$X` or `~SEQ`, where the reference stands.
    pub span: Span,
}

/// A statement: a keyword, its words, and maybe a block. Items of value blocks
/// (`virtual_ipaddress { … }`) are statements too; their first word is the `keyword`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Node {
    /// First word of the line.
    pub keyword: Word,
    /// The other words of the line.
    pub args: Vec<Word>,
    /// The line after the keyword as it stands (quotes and escapes kept), for the keywords whose
    /// value is a script command and that need rules of quoting of their own. `None` when the line has no
    /// quote and no backslash: then the words say it all.
    pub raw: Option<Box<str>>,
    /// The statements between `{` and `}`, if there is a block.
    pub block: Option<Block>,
}

/// What stands between `{` and `}`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Place of the opening brace (of the keyword when the brace is missing).
    pub open: Span,
    /// Place of the closing brace; `None` when the file ended first.
    pub close: Option<Span>,
    /// The statements.
    pub nodes: Vec<Node>,
}

impl Node {
    /// Everything behind the keyword as one text: with quotes and escapes if the line has any, for keywords
    /// with rules of quoting of their own.
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

    /// The place from the keyword to the last word.
    #[must_use]
    pub fn span(&self) -> Span {
        let Some(last) = self.args.last() else {
            return self.keyword.span;
        };
        self.keyword.span.to(last.span)
    }
}
