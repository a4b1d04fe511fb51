//! Text for a terminal: durations, colors, columns and wrapped sentences.
//!
//! ASCII without what comes from the configuration: also a serial console must show it.

use core::fmt::{self, Display, Write};
use core::time::Duration;

use super::{Escaped, Style};

/// A time span by its two largest units: `2.41 s`, `45 s`, `1 min 30 s`, `3 h 12 min`, `5 d 3 h`. From
/// ten minutes on, seconds are left out.
#[derive(Clone, Copy, Debug)]
pub struct Span(pub Duration);

impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let hundredths = self.0.subsec_millis() / 10;
        let (minutes, hours) = (seconds / 60, seconds / 3600);
        let (whole, unit, rest, next) = match seconds {
            0..10 if hundredths > 0 => return write!(f, "{seconds}.{hundredths:02} s"),
            0..60 => (seconds, "s", 0, ""),
            60..600 => (minutes, "min", seconds % 60, "s"),
            600..3600 => (minutes, "min", 0, ""),
            3600..86_400 => (hours, "h", minutes % 60, "min"),
            _ => (hours / 24, "d", hours % 24, "h"),
        };
        write!(f, "{whole} {unit}")?;
        match rest {
            0 => Ok(()),
            _ => write!(f, " {rest} {next}"),
        }
    }
}

/// A configured or computed time, to the millisecond: `3.609 s`, `1 s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exact(pub(super) Duration);

impl Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.subsec_millis();
        write!(f, "{}", self.0.as_secs())?;
        match millis {
            0 => {}
            _ if millis.is_multiple_of(100) => write!(f, ".{}", millis / 100)?,
            _ if millis.is_multiple_of(10) => write!(f, ".{:02}", millis / 10)?,
            _ => write!(f, ".{millis:03}")?,
        }
        f.write_str(" s")
    }
}

/// Color of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Paint {
    Plain,
    Heading,
    Good,
    Warning,
    Bad,
}

impl Paint {
    /// Parameter of the escape sequence (ECMA-48 SGR).
    fn code(self) -> &'static str {
        match self {
            Paint::Plain => "",
            Paint::Heading => "1",
            Paint::Good => "32",
            Paint::Warning => "33",
            Paint::Bad => "1;31",
        }
    }
}

#[inline(never)]
pub(super) fn paint(out: &mut String, style: &Style, paint: Paint, text: &str) {
    if style.color && paint != Paint::Plain {
        let _ = write!(out, "\x1b[{}m{text}\x1b[0m", paint.code());
    } else {
        out.push_str(text);
    }
}

/// Columns of the terminal.
pub(super) fn width(style: &Style) -> usize {
    match style.width {
        0 => usize::MAX,
        width => usize::from(width.max(40)),
    }
}

/// The width of a column for names that are up to `longest` characters long.
pub(super) fn name_column(style: &Style, longest: usize) -> usize {
    let limit = match width(style) {
        0..80 => 10,
        80..120 => 18,
        _ => 36,
    };
    longest.clamp(10, limit)
}

/// A cell of a row: a text, the width of its column, and its color. The last cell of a row has the
/// rest of the line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell<'a> {
    pub(super) text: &'a str,
    pub(super) width: usize,
    pub(super) paint: Paint,
}

impl<'a> Cell<'a> {
    pub(super) fn new(text: &'a str, width: usize) -> Self {
        let paint = Paint::Plain;
        Cell { text, width, paint }
    }
}

/// A line of a table. A longer text is cut, which `~` shows.
#[inline(never)]
pub(super) fn row(out: &mut String, style: &Style, cells: &[Cell<'_>]) {
    let mut left = width(style);
    let mut gap = 0_usize;
    for (nth, cell) in cells.iter().enumerate() {
        let is_last = nth.saturating_add(1) == cells.len();
        if left == 0 {
            break;
        }
        let limit = if is_last { left } else { cell.width.min(left) };
        let text = cut(&Escaped(cell.text).to_string(), limit);
        let length = text.chars().count();
        if length > 0 {
            out.extend(core::iter::repeat_n(' ', gap));
            paint(out, style, cell.paint, &text);
            gap = 0;
        }
        gap = gap
            .saturating_add(limit.saturating_sub(length))
            .saturating_add(2);
        left = left.saturating_sub(limit.saturating_add(2));
    }
    out.push('\n');
}

/// At most `limit` characters of a text.
pub(super) fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(limit.saturating_sub(1)).collect();
    short.push('~');
    short
}

/// A heading over a table or a list, after an empty line.
pub(super) fn heading(out: &mut String, style: &Style, cells: &[Cell<'_>]) {
    let mut line = String::new();
    row(&mut line, style, cells);
    out.push('\n');
    paint(out, style, Paint::Heading, line.trim_end());
    out.push('\n');
}

/// A paragraph: `mark` and then the text in lines that fit, indented like the first.
#[inline(never)]
pub(super) fn paragraph(out: &mut String, style: &Style, mark: &str, text: &str) {
    let (indent, limit) = (mark.chars().count(), width(style));
    out.push_str(mark);
    let mut column = indent;
    for word in text.split(' ') {
        let word = Escaped(word).to_string();
        let length = word.chars().count();
        if column > indent {
            if column.saturating_add(length) >= limit {
                out.push('\n');
                out.extend(core::iter::repeat_n(' ', indent));
                column = indent;
            } else {
                out.push(' ');
                column = column.saturating_add(1);
            }
        }
        out.push_str(&word);
        column = column.saturating_add(length);
    }
    out.push('\n');
}

/// `1 instance`, `2 instances`.
pub(super) struct Count(pub(super) usize, pub(super) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units_at_most() {
        for (millis, want) in [
            (0, "0 s"),
            (2_419, "2.41 s"),
            (5_000, "5 s"),
            (9_999, "9.99 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (90_000, "1 min 30 s"),
            (3_599_000, "59 min"),
            (11_520_000, "3 h 12 min"),
            (86_400_000, "1 d"),
            (442_800_000, "5 d 3 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), want);
        }
        for (millis, want) in [
            (1000, "1 s"),
            (3_609, "3.609 s"),
            (500, "0.5 s"),
            (250, "0.25 s"),
        ] {
            assert_eq!(Exact(Duration::from_millis(millis)).to_string(), want);
        }
    }

    #[test]
    fn lines_fit_and_what_is_cut_is_marked() {
        let style = Style {
            width: 40,
            ..Style::default()
        };
        let mut out = String::new();
        let long = "x".repeat(60);
        let cells = ["a_very_long_name", "MASTER", &long].map(|text| Cell::new(text, 10));
        row(&mut out, &style, &cells);
        let words = "word ".repeat(20);
        paragraph(&mut out, &style, "! ", &format!("{words}\x1b[31m"));
        assert!(out.lines().all(|line| line.chars().count() <= 40), "{out}");
        assert!(out.starts_with("a_very_lo~  MASTER      xxx"), "{out}");
        assert!(!out.contains('\x1b'), "no control characters");
    }

    #[test]
    fn color_does_not_change_the_layout() {
        let style = |color| Style {
            color,
            ..Style::default()
        };
        let cells = [
            Cell {
                paint: Paint::Good,
                ..Cell::new("MASTER", 8)
            },
            Cell::new("rest", 0),
        ];
        let [plain, colored] = [false, true].map(|color| {
            let mut out = String::new();
            row(&mut out, &style(color), &cells);
            out
        });
        assert_eq!(plain, "MASTER    rest\n");
        assert_eq!(
            colored.replace("\x1b[32m", "").replace("\x1b[0m", ""),
            plain
        );
        assert_ne!(colored, plain);
    }
}
