//! Diagnostics as text: `file:line:column: severity: message`, the source line, carets.

use super::diag::{Diag, Diags, Severity, Span};
use super::source::{Position, Sources};
use crate::types::{Strictness, sorted};

/// Maximum width of a source line that is shown, in columns.
const WINDOW: usize = 100;
/// Columns shown before the span in a line that is too wide.
const LEAD: usize = 30;
/// Bytes of a line that are considered before and after the span: sufficient for a window.
const REACH: usize = 1024;
/// Maximum number of further lines shown for one diagnostic.
const MAX_LINES: usize = 8;
/// Maximum number of references shown for one diagnostic.
const MAX_VIA: usize = 4;

impl Severity {
    /// The word before a message.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::InsecureSetting => "insecure",
            Self::Unsupported | Self::Tolerated | Self::Insecure | Self::Warning => "warning",
            Self::ToleratedError | Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

/// The exit code of a configuration test (`-t`), as that of keepalived: 0 valid, 4 unusable, 5 with
/// errors, 6 with scripts that nothing protects.
#[must_use]
pub fn exit_code_for_test(worst: Option<Severity>, strictness: Strictness) -> u8 {
    match worst {
        None | Some(Severity::Note | Severity::Unsupported | Severity::InsecureSetting) => 0,
        Some(Severity::Tolerated | Severity::ToleratedError) => match strictness {
            Strictness::Keepalived => 0,
            Strictness::Strict => 5,
        },
        Some(Severity::Warning | Severity::Error) => 5,
        Some(Severity::Insecure) => 6,
        Some(Severity::Fatal) => 4,
    }
}

// ---- text ----

/// All diagnostics as text with a final line break; empty if there are none.
#[must_use]
pub fn render_text(diags: &Diags, sources: &Sources) -> String {
    let mut out = String::new();
    for diag in diags.list() {
        render_one(diag, sources, &mut out);
    }
    if diags.suppressed() > 0 {
        let line = format!("{} more messages are not shown\n", diags.suppressed());
        out.push_str(&line);
    }
    out
}

fn render_one(diag: &Diag, sources: &Sources, out: &mut String) {
    if let Some(position) = diag.span.and_then(|span| sources.position(span)) {
        escape(position.file, out);
        out.push_str(&format!(":{}:{}: ", position.line, position.column));
    }
    out.push_str(diag.severity.word());
    out.push_str(": ");
    escape(&diag.message, out);
    out.push('\n');
    if let Some(span) = diag.span {
        excerpt(span, sources, out);
    }
    if let Some(help) = &diag.help {
        out.push_str("  help: ");
        escape(help, out);
        out.push('\n');
    }
    if let Some(lines) = also_on(diag, sources) {
        out.push_str(&format!("  also on {lines}\n"));
    }
    for (via, position) in vias(diag, sources) {
        let name = sources
            .line(via)
            .and_then(|(line, at)| line.get(at..at.saturating_add(usize::from(via.len))));
        out.push_str("  from: ");
        escape(name.unwrap_or(""), out);
        out.push_str(" on ");
        escape(position.file, out);
        out.push_str(&format!(":{}:{}\n", position.line, position.column));
    }
}

/// The lines of the further positions of a diagnostic, as text; `None` if there are none. Positions
/// in other files are only counted.
#[must_use]
pub fn also_on(diag: &Diag, sources: &Sources) -> Option<String> {
    let own = sources.position(diag.span?)?;
    let positions = diag.also.iter().filter_map(|span| sources.position(*span));
    let mut lines: Vec<u32> = Vec::new();
    let mut others = 0_usize;
    for position in positions {
        if position.file != own.file {
            others = others.saturating_add(1);
        } else if position.line != own.line {
            lines.push(position.line);
        }
    }
    lines = sorted(lines);
    lines.dedup();
    others = others.saturating_add(lines.len().saturating_sub(MAX_LINES));
    lines.truncate(MAX_LINES);
    let mut parts: Vec<String> = lines.iter().map(u32::to_string).collect();
    if others > 0 {
        parts.push(format!("{others} more"));
    }
    let last = parts.pop()?;
    let word = if lines.len() > 1 { "lines" } else { "line" };
    Some(match parts.is_empty() {
        true if lines.is_empty() => format!("{last} in other files"),
        true => format!("{word} {last}"),
        false => format!("{word} {} and {last}", parts.join(", ")),
    })
}

/// The references that included the position of a diagnostic, innermost first.
pub(super) fn vias<'a>(diag: &Diag, sources: &'a Sources) -> Vec<(Span, Position<'a>)> {
    let first = diag.span.and_then(|span| sources.via(span));
    std::iter::successors(first, |via| sources.via(*via))
        .take(MAX_VIA)
        .filter_map(|via| Some((via, sources.position(via)?)))
        .collect()
}

/// Appends the source line and a line with carets below the span.
fn excerpt(span: Span, sources: &Sources, out: &mut String) {
    let Some((span, sources)) = sources.original(span) else {
        return;
    };
    let Some((line, at)) = sources.line(span) else {
        return;
    };
    let end = at.saturating_add(usize::from(span.len).max(1));
    let mut shown = Excerpt::default();
    let from = floor(line, at.saturating_sub(REACH));
    let to = floor(line, at.saturating_add(REACH));
    shown.cut_front = from > 0;
    shown.cut_back = to < line.len();
    for (offset, c) in line.get(from..to).unwrap_or("").char_indices() {
        let offset = from.saturating_add(offset);
        shown.push(c, offset >= at && offset < end);
    }
    shown.fit();
    out.push_str("    ");
    out.push_str(&shown.text());
    out.push_str("\n    ");
    out.push_str(&shown.carets());
    out.push('\n');
}

/// The last character boundary at or before byte `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// A character of a source line as it is printed.
struct Cell {
    text: String,
    /// Width in columns.
    width: usize,
    /// Part of the span.
    marked: bool,
}

/// A source line as it is printed.
#[derive(Default)]
struct Excerpt {
    cells: Vec<Cell>,
    /// Width of the cells.
    column: usize,
    cut_front: bool,
    cut_back: bool,
}

impl Excerpt {
    fn push(&mut self, c: char, marked: bool) {
        let (text, width) = if c == '\t' {
            let width = 4_usize.saturating_sub(self.column % 4);
            (" ".repeat(width), width)
        } else {
            let mut text = String::new();
            escape(c.encode_utf8(&mut [0; 4]), &mut text);
            let width = if text.starts_with('\\') && c != '\\' {
                text.len()
            } else {
                width(c)
            };
            (text, width)
        };
        self.column = self.column.saturating_add(width);
        self.cells.push(Cell {
            text,
            width,
            marked,
        });
    }

    /// Cuts the line to a window around the span.
    fn fit(&mut self) {
        let marked = self
            .cells
            .iter()
            .position(|cell| cell.marked)
            .unwrap_or(self.cells.len());
        if self.column > WINDOW {
            let mut lead = 0_usize;
            let keep = self
                .cells
                .get(..marked)
                .unwrap_or_default()
                .iter()
                .rev()
                .take_while(|cell| {
                    lead = lead.saturating_add(cell.width);
                    lead <= LEAD
                });
            let front = marked.saturating_sub(keep.count());
            self.cut_front |= front > 0;
            self.cells.drain(..front);
        }
        let mut used = 0_usize;
        let fits = self.cells.iter().take_while(|cell| {
            used = used.saturating_add(cell.width);
            used <= WINDOW
        });
        let fits = fits.count();
        self.cut_back |= fits < self.cells.len();
        self.cells.truncate(fits);
    }

    fn text(&self) -> String {
        let mut text = String::from(if self.cut_front { "…" } else { "" });
        for cell in &self.cells {
            text.push_str(&cell.text);
        }
        if self.cut_back {
            text.push('…');
        }
        text.trim_end().into()
    }

    fn carets(&self) -> String {
        let mut text = String::from(if self.cut_front { " " } else { "" });
        let mut any = false;
        for cell in &self.cells {
            text.push_str(&if cell.marked { "^" } else { " " }.repeat(cell.width));
            any |= cell.marked;
        }
        // The span is at the end of the line.
        if any {
            text.trim_end().into()
        } else {
            format!("{text}^")
        }
    }
}

/// Approximate width of a character on a terminal, in columns: two for East Asian scripts and
/// emoji.
fn width(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f | 0xfeff => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// Appends text with control characters and those that change the writing direction escaped, so
/// that a file cannot control the terminal.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::span;

    /// The text for one message at bytes `start..start + len`.
    fn show(text: &str, start: usize, len: usize) -> String {
        let mut diags = Diags::default();
        diags.report(Severity::Error, span(0, start, len), "m");
        render_text(&diags, &Sources::of(text))
    }

    #[test]
    fn carets_are_below_the_span() {
        for (name, text, start, len, want) in [
            (
                "plain",
                "a bc d\n",
                2,
                2,
                "a.conf:1:3: error: m\n    a bc d\n      ^^\n",
            ),
            (
                "tabs",
                "\ta\tbc",
                3,
                2,
                "a.conf:1:4: error: m\n        a   bc\n            ^^\n",
            ),
            (
                "wide",
                "日本 x",
                7,
                1,
                "a.conf:1:4: error: m\n    日本 x\n         ^\n",
            ),
            (
                "wide and marked",
                "x 日",
                2,
                3,
                "a.conf:1:3: error: m\n    x 日\n      ^^\n",
            ),
            (
                "carriage return",
                "a b\r\nc",
                2,
                1,
                "a.conf:1:3: error: m\n    a b\n      ^\n",
            ),
            (
                "end of line",
                "ab\nc",
                2,
                1,
                "a.conf:1:3: error: m\n    ab\n      ^\n",
            ),
            (
                "to the end of line only",
                "ab\ncd",
                1,
                9,
                "a.conf:1:2: error: m\n    ab\n     ^\n",
            ),
            (
                "empty file",
                "",
                0,
                0,
                "a.conf:1:1: error: m\n    \n    ^\n",
            ),
            (
                "control",
                "a\x1b[1m b",
                6,
                1,
                "a.conf:1:7: error: m\n    a\\x1b[1m b\n             ^\n",
            ),
        ] {
            assert_eq!(show(text, start, len), want, "{name}");
        }
    }

    #[test]
    fn a_very_long_line_is_cut_around_the_span() {
        let line = format!("{}HERE{}", "a".repeat(3_000_000), "b".repeat(5000));
        let shown = show(&line, 3_000_000, 4);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "a.conf:1:3000001: error: m");
        assert_eq!(lines[1].chars().count(), 4 + WINDOW + 2);
        let column = lines[2].chars().position(|c| c == '^').expect("a caret");
        let marked: String = lines[1].chars().skip(column).take(4).collect();
        assert_eq!(marked, "HERE");
        assert_eq!(lines[2].trim(), "^^^^");
    }

    #[test]
    fn messages_cannot_control_the_terminal() {
        let mut diags = Diags::default();
        diags.report_with_help(
            Severity::Warning,
            span(0, 0, 1),
            "a\x1b[2J\u{202e}b",
            "x\ny\u{9b}",
        );
        let text = render_text(&diags, &Sources::of("ok"));
        assert!(text.contains("a\\x1b[2J\\u{202e}b\n"), "{text}");
        assert!(text.contains("  help: x\\x0ay\\x9b\n"), "{text}");
    }

    #[test]
    fn the_references_to_a_definition_are_shown() {
        let mut sources = Sources::of("$A= \\\n x y\n$A\n");
        let view = sources.view(0, span(0, 11, 2)).expect("a number");
        let mut diags = Diags::default();
        diags.report(Severity::Unsupported, span(view, 7, 1), "m");
        let want = "a.conf:2:2: warning: m\n     x y\n     ^\n  from: $A on a.conf:3:1\n";
        assert_eq!(render_text(&diags, &sources), want);
    }

    #[test]
    fn diagnostics_beyond_the_capacity_are_counted() {
        let mut diags = Diags::default();
        for n in 0..Diags::CAPACITY + 3 {
            diags.report(Severity::Note, span(0, 0, 1), format!("m{n}"));
        }
        let sources = Sources::of("ok");
        assert!(render_text(&diags, &sources).ends_with("\n3 more messages are not shown\n"));
        assert_eq!(render_text(&Diags::default(), &sources), "");
    }

    #[test]
    fn exit_codes_follow_the_worst_severity() {
        for (worst, want, strict) in [
            (None, 0, 0),
            (Some(Severity::Note), 0, 0),
            (Some(Severity::Unsupported), 0, 0),
            (Some(Severity::InsecureSetting), 0, 0),
            (Some(Severity::Tolerated), 0, 5),
            (Some(Severity::ToleratedError), 0, 5),
            (Some(Severity::Insecure), 6, 6),
            (Some(Severity::Warning), 5, 5),
            (Some(Severity::Error), 5, 5),
            (Some(Severity::Fatal), 4, 4),
        ] {
            let code = |strictness| exit_code_for_test(worst, strictness);
            let codes = (code(Strictness::Keepalived), code(Strictness::Strict));
            assert_eq!(codes, (want, strict), "{worst:?}");
        }
    }
}
