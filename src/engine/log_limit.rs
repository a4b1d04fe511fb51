//! How many log lines others may cause: a few at once, then a summary now and then.

use core::time::Duration;

use crate::types::Instant;

/// Lines in a window before the rest is only counted.
const LINES: u32 = 4;
const WINDOW: Duration = Duration::from_secs(10);

/// A budget for one kind of remotely caused log line.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    window: Option<Instant>,
    used: u32,
    suppressed: u32,
}

impl LogLimit {
    /// Whether a line may be logged now. `Some(n)`: yes, and `n` lines before it were only counted.
    pub(crate) fn allow(&mut self, now: Instant) -> Option<u32> {
        if self.window.is_none_or(|began| now.since(began) >= WINDOW) {
            self.window = Some(now);
            self.used = 0;
        }
        if self.used >= LINES {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.used += 1;
        Some(core::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_costs_a_few_lines_per_window_and_is_summed_up() {
        let mut budget = LogLimit::default();
        let lines = (0..100_000_u64)
            .filter_map(|ms| budget.allow(Instant::from_millis(ms)))
            .collect::<Vec<_>>();
        assert_eq!(lines.len(), 40, "100 seconds, ten windows");
        assert_eq!(lines[..5], [0, 0, 0, 0, 9_996]);
    }
}
