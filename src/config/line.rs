//! A logical line: text that remembers, piece by piece, where it came from.
//!
//! Most lines are one piece, copied from a file. Expansion replaces parts of it; such a part is blamed
//! on the reference it replaced. Also here: what a blank, a comment and a name are.

use super::diag::Span;
use super::source::span;

/// Longest line accepted, before and after expansion.
pub(crate) const MAX_LINE: usize = 4096;

/// Part of a line's text.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where in the text it starts.
    at: usize,
    /// The place to blame.
    span: Span,
    /// The text is that of the span, byte for byte; otherwise all of it is blamed on all of the span.
    verbatim: bool,
}

/// Text with origins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) text: String,
    pieces: Vec<Piece>,
    /// Columns of white space in front, if the line is as its author typed it.
    pub(crate) indent: Option<u32>,
    /// A `}` in the comment after the text, not matched by a `{` in it.
    pub(crate) swallowed: Option<Span>,
}

impl Line {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.pieces.clear();
        self.indent = None;
        self.swallowed = None;
    }

    /// Appends text found at `from`.
    pub(crate) fn push_verbatim(&mut self, text: &str, from: Span) {
        self.push(text, from, true);
    }

    /// Appends text made by a reference at `from`.
    pub(crate) fn push_made(&mut self, text: &str, from: Span) {
        self.push(text, from, false);
    }

    fn push(&mut self, text: &str, span: Span, verbatim: bool) {
        let at = self.text.len();
        self.pieces.push(Piece { at, span, verbatim });
        self.text.push_str(text);
    }

    /// Appends bytes `start..end` of another line with their origins.
    pub(crate) fn push_part(&mut self, other: &Line, start: usize, end: usize) {
        let mut from = start;
        while from < end {
            let index = other.piece_index(from);
            let next = other
                .pieces
                .get(index.saturating_add(1))
                .map_or(end, |p| p.at.min(end));
            let verbatim = other.pieces.get(index).is_some_and(|piece| piece.verbatim);
            let text = other.text.get(from..next).unwrap_or("");
            self.push(text, other.span(from, next), verbatim);
            from = next.max(from.saturating_add(1));
        }
    }

    /// The place to blame for bytes `start..end`.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        let Some(first) = self.pieces.get(self.piece_index(start)) else {
            return Span::default();
        };
        let last = self
            .pieces
            .get(self.piece_index(end.saturating_sub(1).max(start)));
        let last = last.unwrap_or(first);
        let from = first.place(start);
        let to = if last.verbatim {
            last.place(end)
        } else {
            last.place(end).saturating_add(usize::from(last.span.len))
        };
        if first.span.file == last.span.file && to >= from {
            span(first.span.file, from, to.saturating_sub(from))
        } else {
            first.span
        }
    }

    /// The file (or view) a line belongs to.
    pub(crate) fn file(&self) -> u16 {
        self.pieces.first().map_or(0, |piece| piece.span.file)
    }

    /// Blames everything from file number `from` on file number `to`, which shows the same bytes.
    pub(crate) fn refile(&mut self, from: u16, to: u16) {
        for piece in self
            .pieces
            .iter_mut()
            .filter(|piece| piece.span.file == from)
        {
            piece.span.file = to;
        }
    }

    /// Blames everything on one place.
    pub(crate) fn blame(&mut self, span: Span) {
        self.pieces.clear();
        self.pieces.push(Piece {
            at: 0,
            span,
            verbatim: false,
        });
    }

    /// Drops the first `n` bytes.
    pub(crate) fn drop_front(&mut self, n: usize) {
        let mut rest = Line::default();
        rest.push_part(self, n, self.text.len());
        self.text = rest.text;
        self.pieces = rest.pieces;
        self.indent = None;
    }

    /// Drops the comment, and the white space at both ends.
    pub(crate) fn tidy(&mut self) {
        let end = comment(&self.text).unwrap_or(self.text.len());
        let end = self
            .text
            .get(..end)
            .unwrap_or("")
            .trim_end_matches(blank)
            .len();
        self.text.truncate(end);
        let front = self
            .text
            .len()
            .saturating_sub(self.text.trim_start_matches(blank).len());
        if front > 0 {
            self.drop_front(front);
        }
    }

    fn piece_index(&self, at: usize) -> usize {
        self.pieces
            .partition_point(|piece| piece.at <= at)
            .saturating_sub(1)
    }
}

impl Piece {
    fn place(&self, at: usize) -> usize {
        let start = usize::try_from(self.span.start).unwrap_or(usize::MAX);
        if self.verbatim {
            start.saturating_add(at.saturating_sub(self.at))
        } else {
            start
        }
    }
}

/// Separates words. Besides ASCII white space also the blanks that web pages and editors for Chinese or
/// Japanese slip in (the lexer warns of those).
pub(crate) fn blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c') || odd_blank(c)
}

/// A blank that is not ASCII.
pub(crate) fn odd_blank(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// Where the comment of a line starts: at a `#` or `!` that is neither quoted nor behind a backslash.
pub(crate) fn comment(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'#' | b'!' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The name at the start of a text: a letter or `_`, then letters, digits, `_`.
pub(crate) fn name(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric());
    let name = text.get(..text.len().saturating_sub(rest.len()))?;
    let first = name.bytes().next()?;
    (!first.is_ascii_digit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_start_outside_quotes_and_not_behind_a_backslash() {
        for (text, want) in [
            ("a # b", Some(2)),
            ("weight 1#x", Some(8)),
            ("!a", Some(0)),
            ("\"a # b\" # c", Some(8)),
            ("a \\# b", None),
            ("a \\\\# b", Some(4)),
            ("\"a\\\" # b\" # c", Some(10)),
            ("\"a # b", None),
            ("", None),
        ] {
            assert_eq!(comment(text), want, "{text}");
        }
    }

    #[test]
    fn names_are_identifiers() {
        for (text, want) in [
            ("IF", Some("IF")),
            ("_a1=2", Some("_a1")),
            ("1A", None),
            ("", None),
            ("é", None),
            ("A-b", Some("A")),
        ] {
            assert_eq!(name(text), want, "{text}");
        }
    }

    #[test]
    fn a_word_made_of_pieces_is_blamed_from_its_first_to_its_last_place() {
        // file text:  10.${IP}.9 z
        let mut line = Line::default();
        line.push_verbatim("10.", span(0, 100, 3));
        line.push_made("77", span(0, 103, 5));
        line.push_verbatim(".9 z", span(0, 108, 4));
        for (name, start, end, want) in [
            ("all of the word", 0, 7, (100, 10)),
            ("inside the made part", 3, 5, (103, 5)),
            ("half of the made part", 4, 5, (103, 5)),
            ("the last word", 8, 9, (111, 1)),
            ("nothing at the end", 9, 9, (112, 0)),
        ] {
            let got = line.span(start, end);
            assert_eq!((got.start, got.len), want, "{name}");
        }
        line.drop_front(4);
        assert_eq!(line.text, "7.9 z");
        assert_eq!(line.span(0, 1), span(0, 103, 5));
        assert_eq!(line.span(4, 5), span(0, 111, 1));
    }

    #[test]
    fn tidy_drops_comment_and_outer_blanks_and_keeps_places() {
        let mut line = Line::default();
        line.push_verbatim(" \t\u{a0}a b\u{3000} # c\r", span(0, 50, 16));
        line.tidy();
        assert_eq!(line.text, "a b");
        assert_eq!(line.span(2, 3), span(0, 56, 1));
    }
}
