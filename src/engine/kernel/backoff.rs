//! Retries of what the kernel refused, at growing intervals.

use core::time::Duration;

use crate::types::Instant;

/// The schedule of retries: the interval doubles with every failure up to a limit.
#[derive(Debug)]
pub(crate) struct Backoff {
    /// In milliseconds, as the next two.
    first: u32,
    limit: u32,
    interval: u32,
    /// `NEVER`: no retry is scheduled.
    retry_at: Instant,
}

impl Backoff {
    /// `first`, `limit`: the first and the longest interval in milliseconds.
    pub(crate) const fn new(first: u32, limit: u32) -> Self {
        Backoff {
            first,
            limit,
            interval: first,
            retry_at: Instant::NEVER,
        }
    }

    /// When to retry, if a retry is scheduled.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        Some(self.retry_at).filter(|at| *at != Instant::NEVER)
    }

    /// Schedules a retry after a failure, unless one is scheduled already: an attempt before its
    /// time does not lengthen the interval.
    pub(crate) fn fail(&mut self, now: Instant) {
        if self.retry_at == Instant::NEVER {
            self.retry_at = now.after(Duration::from_millis(self.interval.into()));
            self.interval = self.interval.saturating_mul(2).min(self.limit);
        }
    }

    /// Schedules a retry at a given time. The interval stays.
    pub(crate) fn schedule(&mut self, at: Instant) {
        self.retry_at = at;
    }

    /// Removes the retry from the schedule if it is due.
    pub(crate) fn take_due(&mut self, now: Instant) {
        if self.retry_at <= now {
            self.cancel();
        }
    }

    /// Schedules no retry. The interval stays.
    pub(crate) fn cancel(&mut self) {
        self.retry_at = Instant::NEVER;
    }

    /// Schedules no retry, and starts with the first interval again.
    pub(crate) fn reset(&mut self) {
        self.retry_at = Instant::NEVER;
        self.interval = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_limit_and_start_again_after_a_reset() {
        let s = |seconds| Instant::ZERO.after(Duration::from_secs(seconds));
        let mut backoff = Backoff::new(1_000, 4_000);
        let fail_at = |backoff: &mut Backoff, now| {
            backoff.take_due(now);
            backoff.fail(now);
            backoff.retry_at()
        };
        assert_eq!(fail_at(&mut backoff, s(10)), Some(s(11)));
        assert_eq!(fail_at(&mut backoff, s(10)), Some(s(11)), "not due yet");
        assert_eq!(fail_at(&mut backoff, s(11)), Some(s(13)));
        assert_eq!(fail_at(&mut backoff, s(13)), Some(s(17)));
        assert_eq!(fail_at(&mut backoff, s(17)), Some(s(21)), "the limit");
        backoff.cancel();
        assert_eq!(fail_at(&mut backoff, s(20)), Some(s(24)));
        backoff.reset();
        assert_eq!(fail_at(&mut backoff, s(30)), Some(s(31)));
    }
}
