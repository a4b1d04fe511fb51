//! Tracked processes: whether the number of running processes is within the quorum.

use core::time::Duration;

use crate::types::Instant;

/// `vrrp_track_process` settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Smallest number that counts as up.
    pub quorum: u32,
    /// Largest number that counts as up.
    pub quorum_max: Option<u32>,
    /// How long a change caused by more processes must last before it takes effect.
    pub fork_delay: Duration,
    /// The same for a change caused by fewer processes.
    pub terminate_delay: Duration,
}

/// Up or down, from a number of processes that changes.
#[derive(Clone, Debug)]
pub struct Quorum {
    params: Params,
    verdict: Option<bool>,
    /// The last number that agreed with `verdict`.
    settled: u32,
    /// When a change takes effect.
    effective_at: Option<Instant>,
}

impl Quorum {
    /// Before the first count.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Quorum {
            params,
            verdict: None,
            settled: 0,
            effective_at: None,
        }
    }

    /// Changes the settings; the next count takes effect at once.
    pub fn reconfigure(&mut self, params: Params) {
        if self.params != params {
            self.params = params;
            self.effective_at = Some(Instant::ZERO);
        }
    }

    /// Whether the number is within the quorum; `None` before the first count.
    #[must_use]
    pub fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// The last number that agreed with the verdict.
    #[must_use]
    pub fn counted(&self) -> u32 {
        self.settled
    }

    /// When an additional count is needed.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.effective_at
    }

    /// Records a count; true if the verdict changes.
    pub fn record_count(&mut self, now: Instant, number: u32) -> bool {
        let most = self.params.quorum_max.unwrap_or(u32::MAX);
        let good = (self.params.quorum..=most).contains(&number);
        if self.verdict == Some(good) {
            self.settled = number;
            self.effective_at = None;
            return false;
        }
        let delay = match number > self.settled {
            true => self.params.fork_delay,
            false => self.params.terminate_delay,
        };
        let at = match self.verdict {
            Some(_) => self.effective_at.unwrap_or_else(|| now.after(delay)),
            None => now,
        };
        if now < at {
            self.effective_at = Some(at);
            return false;
        }
        self.verdict = Some(good);
        self.settled = number;
        self.effective_at = None;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn params(quorum: u32, quorum_max: Option<u32>) -> Params {
        Params {
            quorum,
            quorum_max,
            fork_delay: Duration::ZERO,
            terminate_delay: Duration::ZERO,
        }
    }

    #[test]
    fn the_number_must_lie_between_quorum_and_quorum_max() {
        for (quorum, most, number, want) in [
            (1, None, 0, false),
            (1, None, 1, true),
            (1, None, 9, true),
            (2, Some(3), 1, false),
            (2, Some(3), 3, true),
            (2, Some(3), 4, false),
            (0, Some(0), 0, true),
            (0, Some(0), 1, false),
        ] {
            let mut counted = Quorum::new(params(quorum, most));
            assert!(
                counted.record_count(at(0), number),
                "the first count decides"
            );
            assert_eq!(counted.verdict(), Some(want), "{quorum} {most:?} {number}");
        }
    }

    #[test]
    fn changes_must_last_before_they_take_effect() {
        let mut counted = Quorum::new(Params {
            fork_delay: Duration::from_millis(300),
            terminate_delay: Duration::from_millis(2000),
            ..params(1, Some(2))
        });
        for (name, now, number, changes, deadline) in [
            ("first", 0, 1, true, None),
            ("gone", 1000, 0, false, Some(3000)),
            ("back in time", 2000, 1, false, None),
            ("gone again", 3000, 0, false, Some(5000)),
            ("not yet", 4000, 0, false, Some(5000)),
            ("for good", 5000, 0, true, None),
            ("back", 6000, 1, false, Some(6300)),
            ("believed", 6300, 2, true, None),
            ("too many", 7000, 3, false, Some(7300)),
            ("still", 7400, 4, true, None),
            ("fewer", 8000, 2, false, Some(10_000)),
            ("fewer still", 10_000, 1, true, None),
        ] {
            assert_eq!(counted.record_count(at(now), number), changes, "{name}");
            assert_eq!(counted.next_deadline(), deadline.map(at), "{name}");
        }
    }

    #[test]
    fn new_settings_take_effect_with_the_next_count() {
        let slow = Params {
            fork_delay: Duration::from_secs(60),
            terminate_delay: Duration::from_secs(60),
            ..params(1, None)
        };
        let mut counted = Quorum::new(slow);
        counted.record_count(at(0), 1);
        counted.reconfigure(Params { quorum: 2, ..slow });
        assert_eq!(counted.verdict(), Some(true));
        assert!(counted.record_count(at(1), 1));
        assert_eq!(counted.verdict(), Some(false));
    }
}
