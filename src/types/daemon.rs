//! Counters of the daemon itself, for operators.

use core::time::Duration;

use super::Instant;

/// Counters of the process, beside those of its instances.
///
/// Plain `u64`: there is one thread, and 32-bit MIPS has no 64-bit atomics.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DaemonCounters {
    /// When the engine started: with the process, and again after a restart in place.
    pub started: Instant,
    /// Lateness of the timers of instances.
    pub lateness: Lateness,
    /// Addresses, virtual and static.
    pub addresses: KernelCounters,
    /// Routes and rules, virtual and static.
    pub routes: KernelCounters,
    /// Virtual interfaces.
    pub interfaces: KernelCounters,
    /// The configuration that runs.
    pub config: ConfigStatus,
}

/// Repairs and refusals of one kind of kernel objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KernelCounters {
    /// Objects reinstalled because another program had removed or changed them.
    pub repaired: u64,
    /// Requests that the kernel refused, each attempt counted.
    pub refused: u64,
}

impl KernelCounters {
    /// Adds the result of an attempt to install some objects.
    pub(crate) fn add(&mut self, repaired: usize, refused: usize) {
        for (counter, more) in [(&mut self.repaired, repaired), (&mut self.refused, refused)] {
            *counter = counter.saturating_add(u64::try_from(more).unwrap_or(u64::MAX));
        }
    }
}

/// The configuration that runs, and what became of the last attempt to replace it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConfigStatus {
    /// When it was applied.
    pub applied_at: Instant,
    /// Errors in it: statements that do not run.
    pub errors: usize,
    /// Reloads that were refused, since the process started.
    pub refused_reloads: u64,
    /// The last reload was refused, so that this is not the configuration in the file.
    pub last_refused: bool,
}

/// A histogram of how late the timers of instances were served: from the deadline until the loop
/// had read the adverts that had arrived and served the timer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Lateness {
    /// Number of times in each bucket, not cumulated; the last is for everything above the limits.
    pub counts: [u64; Lateness::LIMITS.len() + 1],
    /// The sum of all times.
    pub sum: Duration,
}

impl Lateness {
    /// Upper limits of the buckets, inclusive.
    pub const LIMITS: [Duration; 12] = [
        Duration::from_micros(50),
        Duration::from_micros(100),
        Duration::from_micros(250),
        Duration::from_micros(500),
        Duration::from_micros(1_000),
        Duration::from_micros(2_500),
        Duration::from_micros(5_000),
        Duration::from_micros(10_000),
        Duration::from_micros(25_000),
        Duration::from_micros(100_000),
        Duration::from_micros(250_000),
        Duration::from_micros(1_000_000),
    ];

    /// Counts one time.
    pub(crate) fn record(&mut self, late: Duration) {
        let nth = Self::LIMITS.iter().take_while(|limit| late > **limit);
        if let Some(count) = self.counts.get_mut(nth.count()) {
            *count = count.saturating_add(1);
        }
        self.sum = self.sum.saturating_add(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_first_bucket_that_is_not_below_it() {
        let mut histogram = Lateness::default();
        for micros in [0, 50, 51, 1_000, 1_001, 1_000_000, 1_000_001, 9_000_000] {
            histogram.record(Duration::from_micros(micros));
        }
        assert_eq!(histogram.counts, [2, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(histogram.sum, Duration::from_micros(11_002_103));
    }

    #[test]
    fn limits_ascend() {
        assert!(Lateness::LIMITS.is_sorted_by(|low, high| low < high));
    }
}
