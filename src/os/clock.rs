//! Reading the clocks.

use core::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::ctl::Clock;
use crate::sys;
use crate::types::Instant;

/// Time of the monotonic clock.
pub(super) fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Time since boot, suspension included.
pub(super) fn uptime() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_BOOTTIME))
}

/// Detects that the machine was suspended: `CLOCK_BOOTTIME` goes on, `CLOCK_MONOTONIC` stands still.
///
/// A virtual machine that its host stops (paused, migrated, restored from a snapshot) sees neither
/// go on, so this cannot detect it. Its wall clock may be set forward afterwards, but so does NTP at
/// the start of every router without a battery-backed clock, which must not cost mastership.
#[derive(Debug)]
pub(super) struct Suspension {
    /// The largest difference of the two clocks so far, in nanoseconds.
    difference: u64,
}

/// A smaller growth of the difference is not a suspension: the clocks are read one after the other.
const SUSPENDED: u64 = 100_000_000;

impl Suspension {
    pub(super) fn new() -> Self {
        Suspension {
            difference: difference(),
        }
    }

    /// For how long the machine was suspended since the last call, if it was. `now` was read a moment
    /// ago, which saves reading that clock unless time has passed.
    pub(super) fn detect(&mut self, now: Instant) -> Option<Duration> {
        let boot = Instant::from_nanos(read(ClockId::CLOCK_BOOTTIME));
        let growth = boot.since(now).as_nanos();
        if growth < u128::from(self.difference.saturating_add(SUSPENDED)) {
            return None;
        }
        self.grown_to(difference())
    }

    fn grown_to(&mut self, difference: u64) -> Option<Duration> {
        let growth = difference.saturating_sub(self.difference);
        self.difference = self.difference.max(difference);
        (growth >= SUSPENDED).then(|| Duration::from_nanos(growth))
    }
}

/// How much more time `CLOCK_BOOTTIME` has counted. Read first, so that an interruption in between
/// does not look like a suspension.
fn difference() -> u64 {
    let boot = read(ClockId::CLOCK_BOOTTIME);
    boot.saturating_sub(read(ClockId::CLOCK_MONOTONIC))
}

/// Wall clock, monotonic clock and the offset of the local time zone.
pub(super) fn wall() -> Clock {
    let realtime = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or(TimeSpec::new(0, 0));
    let local = sys::local_time(realtime);
    let utc_offset = local.and_then(|tm| i32::try_from(tm.tm_gmtoff).ok());
    Clock {
        now: now(),
        wall: Duration::from_nanos(nanos(&realtime).unwrap_or(0)),
        utc_offset: utc_offset.unwrap_or(0),
    }
}

/// Wall-clock time since 1970.
pub(super) fn since_1970() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_REALTIME))
}

pub(super) fn read(clock: ClockId) -> u64 {
    // None of these clocks can fail on Linux.
    clock_gettime(clock)
        .ok()
        .and_then(|time| nanos(&time))
        .unwrap_or(0)
}

/// A kernel time in nanoseconds; `None` if it is negative.
pub(super) fn nanos(time: &TimeSpec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_growth_that_reading_the_clocks_cannot_cause_is_a_suspension() {
        let mut suspension = Suspension { difference: 1_000 };
        for (difference, seconds) in [
            (1_000, None),
            (900, None),
            (50_001_000, None),
            (1_000, None),
            (3_050_001_000, Some(3)),
            (3_000_000_000, None),
            (3_050_001_000, None),
            (5_050_001_000, Some(2)),
        ] {
            let want = seconds.map(Duration::from_secs);
            assert_eq!(suspension.grown_to(difference), want, "{difference}");
        }
    }
}
