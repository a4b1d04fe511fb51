//! The physical lines of one file, without comments and outer blanks.

use super::diag::{Diags, Severity, Span};
use super::line::{Line, MAX_LINE, comment_start, identifier, is_blank};
use super::source::{Sources, span};

/// A file that is being read.
pub(crate) struct PhysicalLines {
    /// Its number in [`Sources`].
    pub(crate) number: u16,
    pub(crate) path: Box<str>,
    /// Offset of the next line.
    next: usize,
    /// Offset of the end of what is read.
    end: usize,
    /// A line that starts with `\#` was found: the file was escaped as Markdown.
    markdown: bool,
}

impl PhysicalLines {
    pub(crate) fn new(number: u16, path: &str) -> Self {
        Self {
            number,
            path: path.into(),
            next: 0,
            end: usize::MAX,
            markdown: false,
        }
    }

    /// Reads the next line without its comment and outer blanks; false at the end. Lines with only
    /// a comment are skipped: unlike an empty line, they do not end a multi-line definition.
    pub(crate) fn read(&mut self, sources: &Sources, line: &mut Line, diags: &mut Diags) -> bool {
        let text = sources.text(self.number);
        loop {
            let start = self.next;
            let rest = text.get(start..).unwrap_or("");
            if rest.is_empty() || start >= self.end {
                return false;
            }
            let (raw, marked) = first_line(rest);
            self.next = start.saturating_add(raw.len()).saturating_add(1);
            let comment = if marked { comment_start(raw) } else { None };
            let (data, note) = raw
                .split_at_checked(comment.unwrap_or(raw.len()))
                .unwrap_or((raw, ""));
            let front = blanks(raw);
            let mut data = data.get(front..).unwrap_or("");
            if !data.as_bytes().last().is_some_and(u8::is_ascii_graphic) {
                data = data.trim_end_matches(is_blank);
            }
            let at = start.saturating_add(front);
            if data.is_empty() && !note.is_empty() {
                continue;
            }
            if data.len() > MAX_LINE {
                let text = format!(
                    "line of {} bytes exceeds the maximum of {MAX_LINE}; ignored",
                    data.len()
                );
                diags.report(Severity::Error, span(self.number, at, 1), text);
                continue;
            }
            if marked && (data.starts_with("\\#") || data.starts_with("\\!")) {
                self.report_markdown(span(self.number, at, 2), diags);
                continue;
            }
            let data = if self.markdown {
                before_escaped_comment(data)
            } else {
                data
            };
            line.push_verbatim(data, span(self.number, at, data.len()));
            line.indent = Some(columns(raw.get(..front).unwrap_or("")));
            if !note.is_empty() {
                let note_start = self.next.saturating_sub(note.len()).saturating_sub(1);
                line.commented_brace = unmatched_brace(note)
                    .map(|brace| span(self.number, note_start.saturating_add(brace), 1));
            }
            return true;
        }
    }

    /// If the file is a shell script that writes a configuration (`cat >FILE <<EOF`), reads only the
    /// lines of the configuration, and reports nothing else: the shell would change them.
    pub(crate) fn enter_here_document(&mut self, sources: &Sources, diags: &mut Diags) {
        let text = sources.text(self.number);
        let Some((command, start, word)) = here_document(text) else {
            return;
        };
        let mut at = start;
        for line in text.get(start..).unwrap_or("").split_inclusive('\n') {
            if line.trim() == word {
                self.next = start;
                self.end = at;
                let command = span(
                    self.number,
                    command,
                    start.saturating_sub(command.saturating_add(1)),
                );
                let end = sources.locate(span(self.number, at, 1), command);
                let message = format!(
                    "this is a shell script; only the lines between `<<{word}` and `{word}` on {end} are used"
                );
                let help = "write only these lines to the file, as the script would";
                diags.report_with_help(Severity::Error, command, message, help);
                return diags.mute();
            }
            at = at.saturating_add(line.len());
        }
    }

    fn report_markdown(&mut self, at: Span, diags: &mut Diags) {
        if !self.markdown {
            self.markdown = true;
            diags.report_with_help(
                Severity::Error,
                at,
                "`\\#` at the start of a line looks like Markdown escaping; such lines are treated as comments",
                "remove the backslashes",
            );
        }
    }
}

/// If the first line that is no comment ends with `<<WORD`: its offset, that of the next line, and
/// the word.
fn here_document(text: &str) -> Option<(usize, usize, &str)> {
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        let next = at.saturating_add(line.len());
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', '!']) {
            at = next;
            continue;
        }
        let (_, word) = trimmed.split_once("<<")?;
        let word = word
            .trim_start_matches(['-', ' '])
            .trim_matches(['\'', '"', '\\']);
        return (identifier(word)? == word).then_some((at, next, word));
    }
    None
}

/// The first line of a text, without its end, and whether it has a `#` or `!`.
fn first_line(text: &str) -> (&str, bool) {
    let (mut len, mut marked) = (0_usize, false);
    for byte in text.as_bytes() {
        if *byte == b'\n' {
            break;
        }
        marked |= matches!(byte, b'#' | b'!');
        len = len.saturating_add(1);
    }
    (text.get(..len).unwrap_or(text), marked)
}

/// Length of the blanks at the start of a line, most of which are spaces or tabs.
fn blanks(raw: &str) -> usize {
    let mut start = 0_usize;
    for byte in raw.as_bytes() {
        if byte.is_ascii_graphic() {
            return start;
        }
        if !matches!(byte, b' ' | b'\t') {
            break;
        }
        start = start.saturating_add(1);
    }
    let rest = raw.get(start..).unwrap_or("");
    let rest = rest.trim_start_matches(is_blank);
    raw.len().saturating_sub(rest.len())
}

/// Width of white space, with a tab stop at every eighth column.
fn columns(blanks: &str) -> u32 {
    let mut column = 0_u32;
    for byte in blanks.as_bytes() {
        column = match byte {
            b'\t' => (column | 7).saturating_add(1),
            // The other bytes of a character.
            0x80..0xc0 => column,
            _ => column.saturating_add(1),
        };
    }
    column
}

/// The text before `\#` as a word of its own, which starts a comment in a file escaped as Markdown.
fn before_escaped_comment(data: &str) -> &str {
    let found = data.match_indices("\\#").find(|(at, mark)| {
        let (before, after) = data.split_at_checked(*at).unwrap_or((data, ""));
        let after = after.get(mark.len()..).unwrap_or("");
        before.ends_with(is_blank) && (after.is_empty() || after.starts_with(is_blank))
    });
    let end = found.map_or(data.len(), |(at, _)| at);
    data.get(..end).unwrap_or(data).trim_end_matches(is_blank)
}

/// Offset of a `}` in a comment without a `{` before it in the comment.
fn unmatched_brace(note: &str) -> Option<usize> {
    let mut depth = 0_usize;
    note.char_indices().find_map(|(at, c)| {
        match c {
            '{' => depth = depth.saturating_add(1),
            '}' if depth == 0 => return Some(at),
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a file as `indent:text`.
    fn lines(text: &str) -> (Vec<String>, Diags) {
        let mut sources = Sources::default();
        let number = sources.add("a.conf", text.into()).expect("added");
        let mut file = PhysicalLines::new(number, "a.conf");
        let (mut line, mut diags, mut all) = (Line::default(), Diags::default(), Vec::new());
        while file.read(&sources, &mut line, &mut diags) {
            all.push(format!("{}:{}", line.indent.unwrap_or(99), line.text));
            line.clear();
        }
        (all, diags)
    }

    #[test]
    fn empty_lines_are_read_and_comment_lines_are_skipped() {
        for (name, text, want) in [
            ("comments", "a\n# b\n ! c\nd # e", "0:a 0:d"),
            ("empty", "a\n\n  \nb\n", "0:a 0: 2: 0:b"),
            ("tabs", "\ta\n  \tb\n        \tc", "8:a 8:b 16:c"),
            ("carriage returns", "a\r\n\r\nb\r", "0:a 1: 0:b"),
        ] {
            let (lines, diags) = lines(text);
            assert_eq!(lines.join(" "), want, "{name}");
            assert!(diags.list().is_empty(), "{name}");
        }
    }

    #[test]
    fn escaped_comments_are_comments_after_a_line_that_starts_with_one() {
        let (all, diags) = lines("a \\# x\n\\# y\n\\! z\nb \\# x\nc\\#d \\#e \\#");
        assert_eq!(all, ["0:a \\# x", "0:b", "0:c\\#d \\#e"]);
        assert_eq!(diags.list().len(), 1);
    }

    #[test]
    fn a_closing_brace_in_a_comment_counts_if_it_is_unmatched() {
        for (note, want) in [
            ("# a }", Some(4)),
            ("# { a }", None),
            ("# {} }", Some(5)),
            ("# {", None),
            ("", None),
        ] {
            assert_eq!(unmatched_brace(note), want, "{note}");
        }
    }
}
