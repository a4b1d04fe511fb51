//! Splits a logical line into words and braces.
//!
//! `"…"` groups words and hides braces; a quote starts a new word, even within a word. `{` and `}`
//! outside quotes are tokens of their own, even without blanks around them. Exceptions are
//! `${NAME}` that was not replaced, and `{{ … }}`, `{% … %}` and `<% … %>` of a template that was not filled
//! in: as braces, they would unbalance the blocks around them.

use std::ops::Range;

use super::diag::{Diag, Diags, Recurring, Severity, Span};
use super::expand::Definitions;
use super::ids::report_undefined as report_undefined_name;
use super::line::{Line, identifier, is_blank, is_unicode_blank};
use super::tree::Word;

/// A token of a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Token {
    /// A word, and its byte range in the line.
    Word(Word, Range<usize>),
    /// `{`
    Open(Span),
    /// `}`
    Close(Span),
}

/// Splits lines. Remembers what was reported already.
#[derive(Debug, Default)]
pub(crate) struct Lexer {
    /// The last file whose Unicode blanks were reported.
    blanks: Option<u16>,
    /// The last file whose invalid UTF-8 was reported.
    encoding: Option<u16>,
    /// A typographic quote on this line was reported; further ones are not.
    typographic_quote: bool,
    templates: Templates,
}

impl Lexer {
    /// Appends the tokens of a line.
    pub(crate) fn lex(
        &mut self,
        line: &Line,
        definitions: &mut Definitions,
        tokens: &mut Vec<Token>,
        diags: &mut Diags,
    ) {
        let text = line.text.as_str();
        if is_plain(text) {
            return plain(line, tokens);
        }
        self.typographic_quote = false;
        self.templates = Templates::find(text);
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let next = at.saturating_add(c.len_utf8());
            if is_blank(c) {
                if is_unicode_blank(c) {
                    self.report_blank(c, line.span(at, next), diags);
                }
                at = next;
                continue;
            }
            let front = tokens.is_empty();
            if let Some(mark) = comment_mark(text.get(at..).unwrap_or(""), front) {
                report_comment_mark(line, at, mark, front, diags);
                break;
            }
            let template = self.templates.end(text, at);
            at = match c {
                '"' => quoted(line, at, tokens, diags),
                '{' if template.is_none() => {
                    tokens.push(Token::Open(line.span(at, next)));
                    next
                }
                '}' => {
                    tokens.push(Token::Close(line.span(at, next)));
                    next
                }
                _ => self.word(line, at, definitions, tokens, diags),
            };
        }
    }

    /// Reads an unquoted word that starts at `start`. Returns the offset of its end.
    fn word(
        &mut self,
        line: &Line,
        start: usize,
        definitions: &mut Definitions,
        tokens: &mut Vec<Token>,
        diags: &mut Diags,
    ) -> usize {
        let text = line.text.as_str();
        let mut end = start;
        while let Some(rest) = text.get(end..)
            && let Some(c) = rest.chars().next()
        {
            if let Some(after) = self.templates.end(text, end) {
                report_template(line, end, after, diags);
                end = after;
                continue;
            }
            if let Some(len) = reference_len(rest) {
                end = end.saturating_add(len);
                continue;
            }
            match c {
                '"' | '{' | '}' => break,
                c if is_blank(c) => break,
                '\\' => {
                    let escaped = rest.chars().nth(1).filter(|c| matches!(c, '#' | '!' | '"'));
                    end = end
                        .saturating_add(1)
                        .saturating_add(escaped.map_or(0, char::len_utf8));
                }
                c => end = end.saturating_add(c.len_utf8()),
            }
        }
        let raw = text.get(start..end).unwrap_or("");
        if !raw.is_ascii() {
            self.report_characters(line, start, raw, diags);
        }
        if raw.contains('$') {
            report_undefined(line, start, raw, definitions, diags);
        }
        let text: Box<str> = if raw.contains('\\') {
            raw.replace("\\#", "#").replace("\\!", "!").into()
        } else {
            raw.into()
        };
        let span = line.span(start, end);
        tokens.push(Token::Word(Word { text, span }, start..end));
        end
    }

    fn report_blank(&mut self, c: char, at: Span, diags: &mut Diags) {
        if self.blanks != Some(at.file) {
            self.blanks = Some(at.file);
            diags.report_with_help(
                Severity::Warning,
                at,
                format!(
                    "U+{:04X} is not an ASCII blank; it separates words in this file",
                    u32::from(c)
                ),
                "write a space",
            );
        }
    }

    /// Reports typographic quotes and invalid UTF-8.
    fn report_characters(&mut self, line: &Line, start: usize, raw: &str, diags: &mut Diags) {
        let span_of = |at: usize, c: char| {
            let at = start.saturating_add(at);
            line.span(at, at.saturating_add(c.len_utf8()))
        };
        let mut quotes = raw.char_indices().filter(|(_, c)| is_typographic_quote(*c));
        if let (Some((at, c)), false) = (quotes.next(), self.typographic_quote) {
            self.typographic_quote = true;
            diags.report_with_help(
                Severity::Error,
                span_of(at, c),
                format!("{c} is a typographic quote, which does not quote"),
                format!(
                    "write a straight quote: {}",
                    if is_single_quote(c) { '\'' } else { '"' }
                ),
            );
        }
        let invalid = raw
            .char_indices()
            .find(|(_, c)| *c == char::REPLACEMENT_CHARACTER);
        if let Some((at, c)) = invalid {
            let at = span_of(at, c);
            if self.encoding != Some(at.file) {
                self.encoding = Some(at.file);
                let text = "invalid UTF-8; U+FFFD is used for each invalid byte";
                diags.report_with_help(Severity::Warning, at, text, "save the file as UTF-8");
            }
        }
    }
}

/// Reads the word that starts with the `"` at `start`. Returns the offset of its end.
fn quoted(line: &Line, start: usize, tokens: &mut Vec<Token>, diags: &mut Diags) -> usize {
    let text = line.text.as_str();
    let from = start.saturating_add(1);
    let inner = text.get(from..).unwrap_or("");
    // A quote after a backslash does not close the word (script commands need that), unless it is
    // the last one.
    let (len, close) = match unescaped_quote(inner).or_else(|| inner.rfind('"')) {
        Some(len) => (len, 1),
        None => {
            diags.report_with_help(
                Severity::Error,
                line.span(start, from),
                "unclosed quote; the rest of the line is one word",
                "add a `\"` where the word ends",
            );
            (inner.len(), 0)
        }
    };
    let end = from.saturating_add(len).saturating_add(close);
    let word = Word {
        text: inner.get(..len).unwrap_or("").into(),
        span: line.span(start, end),
    };
    tokens.push(Token::Word(word, start..end));
    end
}

/// Whether a line has nothing but ASCII words and braces, as almost every line. The others are read
/// character by character.
fn is_plain(text: &str) -> bool {
    let (mut before, mut plain) = (0, true);
    for byte in text.bytes() {
        let doubled = byte == before && matches!(byte, b'/' | b'{');
        plain &= byte < 0x80 && !doubled && !matches!(byte, b'"' | b'$' | b'%' | b'\\');
        before = byte;
    }
    plain
}

/// Appends the tokens of a plain line.
fn plain(line: &Line, tokens: &mut Vec<Token>) {
    let text = line.text.as_str();
    let (mut start, mut at) = (0, 0_usize);
    while start <= text.len() {
        // The end completes the last word.
        let byte = text.as_bytes().get(at).copied().unwrap_or(b' ');
        if matches!(byte, b' ' | b'\t' | 0x0b..=b'\r' | b'{' | b'}') {
            if start < at {
                let text = text.get(start..at).unwrap_or("").into();
                let span = line.span(start, at);
                tokens.push(Token::Word(Word { text, span }, start..at));
            }
            start = at.saturating_add(1);
            match byte {
                b'{' => tokens.push(Token::Open(line.span(at, start))),
                b'}' => tokens.push(Token::Close(line.span(at, start))),
                _ => {}
            }
        }
        at = at.saturating_add(1);
    }
}

/// Offset of the first `"` without a backslash.
fn unescaped_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let found = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        found
    })
}

/// Length of `${NAME}` at the start of a text.
fn reference_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("${")?;
    let (len, end) = inner
        .char_indices()
        .find(|(_, c)| is_blank(*c) || matches!(c, '{' | '}' | '"'))?;
    (end == '}').then(|| len.saturating_add(3))
}

/// Where template placeholders in a line can end at most: after its last `}}` and after its last
/// `%}`.
#[derive(Clone, Copy, Debug, Default)]
struct Templates {
    value: usize,
    tag: usize,
}

impl Templates {
    fn find(text: &str) -> Self {
        let after_last = |close: &str| text.rfind(close).map_or(0, |at| at.saturating_add(2));
        Self {
            value: after_last("}}"),
            tag: after_last("%}").max(after_last("%>")),
        }
    }

    /// The end of the `{{ … }}` or `{% … %}` that starts at `start`.
    fn end(self, text: &str, start: usize) -> Option<usize> {
        let rest = text.get(start..)?;
        let (close, last) = match rest.get(..2)? {
            "{{" => ("}}", self.value),
            "{%" | "<%" => (if rest.starts_with('{') { "%}" } else { "%>" }, self.tag),
            _ => return None,
        };
        // Keeps the cost of a line full of `{` linear.
        if last <= start.saturating_add(2) {
            return None;
        }
        Some(start.saturating_add(rest.find(close)?).saturating_add(2))
    }
}

fn report_template(line: &Line, start: usize, end: usize, diags: &mut Diags) {
    let what = line.text.get(start..end).unwrap_or("");
    let message = format!("{what} is a template placeholder that was not filled in");
    let diag = Diag {
        help: Some("run the file through its template engine first".into()),
        ..Diag::new(Severity::Error, Some(line.span(start, end)), message)
    };
    diags.report_recurring(Recurring::Placeholder, diag);
}

/// The comment mark of another language at the start of a text, which is ignored up to the end of the
/// line: `//` or `%` in front of a line, or `//` before a word that is no path.
fn comment_mark(text: &str, front: bool) -> Option<&'static str> {
    let word = text.split(is_blank).next().unwrap_or("");
    if let Some(rest) = word.strip_prefix("//") {
        return (front || !rest.contains('/')).then_some("//");
    }
    // `%NAME%` is a placeholder.
    let rest = word.trim_start_matches('%');
    (front && rest.len() < word.len() && !rest.ends_with('%')).then_some("%")
}

fn report_comment_mark(line: &Line, at: usize, mark: &str, front: bool, diags: &mut Diags) {
    // keepalived takes the line for an unknown keyword, or the words for surplus arguments.
    let severity = match front {
        true => Severity::Error,
        false => Severity::Note,
    };
    let span = line.span(at, at.saturating_add(mark.len()));
    let message =
        format!("`{mark}` does not start a comment; the rest of the line is ignored all the same");
    let diag = Diag {
        help: Some("write `#`".into()),
        ..Diag::new(severity, Some(span), message)
    };
    diags.report_recurring(Recurring::CommentMark, diag);
}

/// Reports undefined `${NAME}`, and `$NAME` if it looks like a reference: a password may contain a
/// `$`.
fn report_undefined(
    line: &Line,
    start: usize,
    raw: &str,
    definitions: &mut Definitions,
    diags: &mut Diags,
) {
    for (at, _) in raw.match_indices('$') {
        let (before, rest) = raw.split_at_checked(at).unwrap_or((raw, ""));
        let rest = rest.get(1..).unwrap_or("");
        let inner = rest.strip_prefix('{');
        let Some(name) = identifier(inner.unwrap_or(rest)) else {
            continue;
        };
        let after = inner.unwrap_or(rest).get(name.len()..).unwrap_or("");
        let part = |c| matches!(c, '.' | ':' | '/' | ',' | ')' | '(');
        let (whole, text) = match inner {
            Some(_) => (after.starts_with('}'), format!("${{{name}}}")),
            None => (
                (before.is_empty() || before.ends_with(part))
                    && (after.is_empty() || after.starts_with(part)),
                format!("${name}"),
            ),
        };
        // A defined name that could not be replaced was reported by the expansion.
        if whole && !definitions.has(name) {
            let from = start.saturating_add(at);
            let span = line.span(from, from.saturating_add(text.len()));
            if definitions.is_skipped(name) {
                definitions.skipped_references.push((span, text.into()));
            } else {
                report_undefined_name(span, &text, diags);
            }
        }
    }
}

fn is_typographic_quote(c: char) -> bool {
    is_single_quote(c) || matches!(c, '\u{201c}'..='\u{201f}' | '\u{ff02}')
}

fn is_single_quote(c: char) -> bool {
    matches!(c, '\u{2018}'..='\u{201b}' | '\u{ff07}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::span;

    /// The tokens of a line as `text@start+len`.
    fn tokens(text: &str) -> String {
        let mut line = Line::default();
        line.push_verbatim(text, span(0, 0, text.len()));
        let (mut tokens, mut diags) = (Vec::new(), Diags::default());
        Lexer::default().lex(&line, &mut Definitions::default(), &mut tokens, &mut diags);
        let show = |token: &Token| match token {
            Token::Word(word, _) => format!("{}@{}+{}", word.text, word.span.start, word.span.len),
            Token::Open(at) => format!("<{}", at.start),
            Token::Close(at) => format!(">{}", at.start),
        };
        tokens.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_plain_line_has_the_tokens_that_reading_it_by_characters_gives() {
        let pieces = [
            "a",
            "10.0.0.1/24",
            " ",
            "\t",
            "\x0b",
            "\x01",
            "{",
            "}",
            "<",
            "/",
            "[::]:1",
        ];
        // All sequences of four.
        for number in 0..pieces.len().pow(4) {
            let digit = |place| number / pieces.len().pow(place) % pieces.len();
            let text: String = (0..4).map(|place| pieces[digit(place)]).collect();
            if !is_plain(&text) {
                continue;
            }
            // With a word before it that is not plain.
            let other = format!("\u{e9} {text}");
            let [mut all, mut rest] = [Vec::new(), Vec::new()];
            for (text, tokens) in [(&*other, &mut all), (&*text, &mut rest)] {
                let mut line = Line::default();
                line.push_verbatim(text, span(0, 0, text.len()));
                let mut diags = Diags::default();
                Lexer::default().lex(&line, &mut Definitions::default(), tokens, &mut diags);
            }
            let show = |token: &Token| match token {
                Token::Word(word, _) => (Some(word.text.clone()), word.span.start, word.span.len),
                Token::Open(at) => (Some("{".into()), at.start, at.len),
                Token::Close(at) => (None, at.start, at.len),
            };
            let shift = |(text, start, len)| (text, start - 3, len);
            let all: Vec<_> = all.iter().skip(1).map(show).map(shift).collect();
            let rest: Vec<_> = rest.iter().map(show).collect();
            assert_eq!(all, rest, "{text:?}");
        }
    }

    #[test]
    fn words_and_braces_have_their_spans() {
        for (text, want) in [
            ("a  bc", "a@0+1 bc@3+2"),
            ("a{b}c", "a@0+1 <1 b@2+1 >3 c@4+1"),
            ("a \"b c\"", "a@0+1 b c@2+5"),
            ("a\"b\"c", "a@0+1 b@1+3 c@4+1"),
            ("\"\"", "@0+2"),
            ("\"a", "a@0+2"),
            ("a\\#b", "a#b@0+4"),
            ("a\\{", "a\\@0+2 <2"),
            ("${A}/24 ${B", "${A}/24@0+7 $@8+1 <9 B@10+1"),
            ("{{ a }}/{{b}} }}", "{{ a }}/{{b}}@0+13 >14 >15"),
            ("a <%= b %> c", "a@0+1 <%= b %>@2+8 c@11+1"),
            ("a 1 //b c", "a@0+1 1@2+1"),
            ("a //b/c", "a@0+1 //b/c@2+5"),
            ("// a", ""),
            ("a{{b", "a@0+1 <1 <2 b@3+1"),
            ("a\tb\x0bc\x0cd\re", "a@0+1 b@2+1 c@4+1 d@6+1 e@8+1"),
            ("a\x01b \x7f", "a\x01b@0+3 \x7f@4+1"),
            ("{a}}b{ c/d/", "<0 a@1+1 >2 >3 b@4+1 <5 c/d/@7+4"),
            ("日{本}", "日@0+3 <3 本@4+3 >7"),
        ] {
            assert_eq!(tokens(text), want, "{text}");
        }
    }
}
