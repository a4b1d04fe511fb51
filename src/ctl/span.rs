//! Time spans for people.

use core::fmt;
use core::time::Duration;

/// A time span by its two largest units: `3 d 4 h`, `12 min`, `40 s`, `250 ms`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds == 0 {
            return write!(f, "{} ms", self.0.subsec_millis());
        }
        let (size, unit, less, next) = match seconds {
            86_400.. => (86_400, "d", 3600, "h"),
            3600.. => (3600, "h", 60, "min"),
            60.. => (60, "min", 1, "s"),
            _ => (1, "s", 1, ""),
        };
        let (whole, rest) = (seconds / size, seconds % size / less);
        match rest {
            0 => write!(f, "{whole} {unit}"),
            _ => write!(f, "{whole} {unit} {rest} {next}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_at_most() {
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (725_000, "12 min 5 s"),
            (7_200_000, "2 h"),
            (86_399_000, "23 h 59 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), text);
        }
    }
}
