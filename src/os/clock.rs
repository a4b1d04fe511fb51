//! The only place that asks the time.

use core::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::types::Instant;

/// The monotonic clock's time.
pub(super) fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Time since boot, suspension included.
pub(super) fn uptime() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_BOOTTIME))
}

fn read(clock: ClockId) -> u64 {
    // Neither clock can fail on Linux.
    let Ok(time) = clock_gettime(clock) else {
        return 0;
    };
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
