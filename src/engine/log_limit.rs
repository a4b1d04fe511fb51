//! Limits the log messages and notifications that peers or scripts can cause: a few per window, then
//! a count of the rest.

use core::time::Duration;

use crate::types::Instant;

/// The limit of one kind of message: `MESSAGES` per window of `SECONDS`, before the rest is only
/// counted.
#[derive(Debug, Default)]
pub(crate) struct LogLimit<const MESSAGES: u32 = 4, const SECONDS: u64 = 10> {
    window: Option<Instant>,
    used: u32,
    suppressed: u32,
}

impl<const MESSAGES: u32, const SECONDS: u64> LogLimit<MESSAGES, SECONDS> {
    const WINDOW: Duration = Duration::from_secs(SECONDS);

    /// Whether a message may be logged now. `Some(n)`: yes, and `n` messages were suppressed before
    /// it.
    pub(crate) fn allow(&mut self, now: Instant) -> Option<u32> {
        if self
            .window
            .is_none_or(|began| now.since(began) >= Self::WINDOW)
        {
            self.window = Some(now);
            self.used = 0;
        }
        if self.used >= MESSAGES {
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
    fn a_flood_is_limited_per_window_and_counted() {
        let mut limit: LogLimit = LogLimit::default();
        let lines = (0..100_000_u64)
            .filter_map(|ms| limit.allow(Instant::from_millis(ms)))
            .collect::<Vec<_>>();
        assert_eq!(lines.len(), 40, "100 seconds, ten windows");
        assert_eq!(lines[..5], [0, 0, 0, 0, 9_996]);
    }
}
