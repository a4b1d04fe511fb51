//! A logical line: text in segments, each with the span it comes from.
//!
//! Most lines are one segment, copied from a file. Expansion replaces parts of it; the span of such
//! a part is that of the reference. Also here: the definitions of a blank, a comment and an
//! identifier.

use super::diag::Span;
use super::source::span;

/// Maximum length of a line in bytes, before and after expansion.
pub(crate) const MAX_LINE: usize = 4096;

/// Part of the text of a line.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// Offset of its first byte in the text.
    at: usize,
    /// The span it comes from.
    span: Span,
    /// The text is that of the span, byte for byte; otherwise each byte of it has the whole span.
    verbatim: bool,
}

/// Text with the spans it comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) text: String,
    segments: Vec<Segment>,
    /// Indentation in columns; `None` for a line that was generated.
    pub(crate) indent: Option<u32>,
    /// An unmatched `}` in the comment after the text.
    pub(crate) commented_brace: Option<Span>,
    /// It is for another configuration id.
    pub(crate) skipped: bool,
}

impl Line {
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.segments.clear();
        self.indent = None;
        self.commented_brace = None;
        self.skipped = false;
    }

    /// Appends the text of the span `from`.
    pub(crate) fn push_verbatim(&mut self, text: &str, from: Span) {
        self.push(text, from, true);
    }

    /// Appends text that replaces the reference at `from`.
    pub(crate) fn push_expanded(&mut self, text: &str, from: Span) {
        self.push(text, from, false);
    }

    fn push(&mut self, text: &str, span: Span, verbatim: bool) {
        let at = self.text.len();
        self.segments.push(Segment { at, span, verbatim });
        self.text.push_str(text);
    }

    /// Appends bytes `start..end` of another line with their spans.
    pub(crate) fn push_part(&mut self, other: &Line, start: usize, end: usize) {
        let mut from = start;
        while from < end {
            let index = other.segment_index(from);
            let next = other
                .segments
                .get(index.saturating_add(1))
                .map_or(end, |p| p.at.min(end));
            let verbatim = other
                .segments
                .get(index)
                .is_some_and(|segment| segment.verbatim);
            let text = other.text.get(from..next).unwrap_or("");
            self.push(text, other.span(from, next), verbatim);
            from = next.max(from.saturating_add(1));
        }
    }

    /// The span that bytes `start..end` come from.
    pub(crate) fn span(&self, start: usize, end: usize) -> Span {
        if let [one @ Segment { verbatim: true, .. }] = &*self.segments {
            return span(one.span.file, one.offset(start), end.saturating_sub(start));
        }
        let Some(first) = self.segments.get(self.segment_index(start)) else {
            return Span::default();
        };
        let last = self
            .segments
            .get(self.segment_index(end.saturating_sub(1).max(start)));
        let last = last.unwrap_or(first);
        let from = first.offset(start);
        let to = if last.verbatim {
            last.offset(end)
        } else {
            last.offset(end).saturating_add(usize::from(last.span.len))
        };
        if first.span.file == last.span.file && to >= from {
            span(first.span.file, from, to.saturating_sub(from))
        } else {
            first.span
        }
    }

    /// The file or view that the line belongs to.
    pub(crate) fn file(&self) -> u16 {
        self.segments.first().map_or(0, |segment| segment.span.file)
    }

    /// Replaces file number `from` by `to`, a view of the same bytes, in all spans.
    pub(crate) fn replace_file(&mut self, from: u16, to: u16) {
        for segment in self
            .segments
            .iter_mut()
            .filter(|segment| segment.span.file == from)
        {
            segment.span.file = to;
        }
    }

    /// Gives the whole line one span.
    pub(crate) fn set_span(&mut self, span: Span) {
        self.segments.clear();
        self.segments.push(Segment {
            at: 0,
            span,
            verbatim: false,
        });
    }

    /// Removes the first `n` bytes.
    pub(crate) fn drop_front(&mut self, n: usize) {
        let mut rest = Line::default();
        rest.push_part(self, n, self.text.len());
        self.text = rest.text;
        self.segments = rest.segments;
        self.indent = None;
    }

    /// Removes the comment, and the blanks at both ends.
    pub(crate) fn trim(&mut self) {
        let end = comment_start(&self.text).unwrap_or(self.text.len());
        let end = self
            .text
            .get(..end)
            .unwrap_or("")
            .trim_end_matches(is_blank)
            .len();
        self.text.truncate(end);
        let front = self
            .text
            .len()
            .saturating_sub(self.text.trim_start_matches(is_blank).len());
        if front > 0 {
            self.drop_front(front);
        }
    }

    fn segment_index(&self, at: usize) -> usize {
        self.segments
            .partition_point(|segment| segment.at <= at)
            .saturating_sub(1)
    }
}

impl Segment {
    /// Offset in the file of byte `at` of the line.
    fn offset(&self, at: usize) -> usize {
        let start = usize::try_from(self.span.start).unwrap_or(usize::MAX);
        if self.verbatim {
            start.saturating_add(at.saturating_sub(self.at))
        } else {
            start
        }
    }
}

/// Whether a character separates words: ASCII white space, and the Unicode blanks that web pages
/// and input methods produce (the lexer reports those).
pub(crate) fn is_blank(c: char) -> bool {
    match c.is_ascii() {
        true => matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c'),
        false => is_unicode_blank(c),
    }
}

/// Whether a character is a blank that is not ASCII.
pub(crate) fn is_unicode_blank(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// Offset of the comment of a line: of a `#` or `!` that is neither quoted nor escaped by a
/// backslash.
pub(crate) fn comment_start(text: &str) -> Option<usize> {
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

/// The identifier at the start of a text: a letter or `_`, then letters, digits, `_`.
pub(crate) fn identifier(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches(|c: char| c == '_' || c.is_ascii_alphanumeric());
    let name = text.get(..text.len().saturating_sub(rest.len()))?;
    let first = name.bytes().next()?;
    (!first.is_ascii_digit()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_start_outside_quotes_and_not_after_a_backslash() {
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
            assert_eq!(comment_start(text), want, "{text}");
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
            assert_eq!(identifier(text), want, "{text}");
        }
    }

    #[test]
    fn the_span_of_a_word_reaches_from_its_first_to_its_last_segment() {
        // file text:  10.${IP}.9 z
        let mut line = Line::default();
        line.push_verbatim("10.", span(0, 100, 3));
        line.push_expanded("77", span(0, 103, 5));
        line.push_verbatim(".9 z", span(0, 108, 4));
        for (name, start, end, want) in [
            ("all of the word", 0, 7, (100, 10)),
            ("inside the expanded part", 3, 5, (103, 5)),
            ("half of the expanded part", 4, 5, (103, 5)),
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
    fn trim_removes_comment_and_outer_blanks_and_keeps_spans() {
        let mut line = Line::default();
        line.push_verbatim(" \t\u{a0}a b\u{3000} # c\r", span(0, 50, 16));
        line.trim();
        assert_eq!(line.text, "a b");
        assert_eq!(line.span(2, 3), span(0, 56, 1));
    }
}
