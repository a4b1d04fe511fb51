//! The only place that asks the time.

use core::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::ctl::Clock;
use crate::sys;
use crate::types::Instant;

/// Older time stamps say nothing.
const RECENT: u64 = 5_000_000;

/// The monotonic clock's time.
pub(super) fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Time since boot, suspension included.
pub(super) fn uptime() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_BOOTTIME))
}

/// The time of day beside the monotonic clock's.
pub(super) fn wall() -> Clock {
    let realtime = clock_gettime(ClockId::CLOCK_REALTIME).unwrap_or(TimeSpec::new(0, 0));
    let local = sys::local_time(realtime);
    // `tm_gmtoff` is as wide as a pointer; a day has 86,400 seconds.
    let ahead = local.and_then(|tm| i32::try_from(tm.tm_gmtoff).ok());
    Clock {
        now: now(),
        wall: Duration::from_nanos(nanos(&realtime).unwrap_or(0)),
        ahead: ahead.unwrap_or(0),
    }
}

/// Wall-clock time since 1970.
pub(super) fn since_1970() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_REALTIME))
}

/// The moment of a packet's time stamp, which is wall-clock time (nanoseconds since 1970) as the kernel gives it.
///
/// Counting a master's silence from when its advert arrived and not from when we woke up to read it makes
/// the takeover as punctual as the clock. A stamp that is not from the last few milliseconds is not used: after a
/// stall the time that counts is when we heard the advert, and the wall clock may have been set meanwhile.
pub(super) fn moment_of(stamp: Option<u64>) -> Instant {
    let now = read(ClockId::CLOCK_MONOTONIC);
    let Some(stamp) = stamp else {
        return Instant::from_nanos(now);
    };
    let age = read(ClockId::CLOCK_REALTIME).checked_sub(stamp);
    let recent = age.filter(|age| *age < RECENT);
    Instant::from_nanos(now.saturating_sub(recent.unwrap_or(0)))
}

fn read(clock: ClockId) -> u64 {
    // None of these clocks can fail on Linux.
    clock_gettime(clock)
        .ok()
        .and_then(|time| nanos(&time))
        .unwrap_or(0)
}

/// A time of the kernel in nanoseconds; `None` before the clock's origin.
pub(super) fn nanos(time: &TimeSpec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec()).ok()?;
    let nanos = u64::try_from(time.tv_nsec()).ok()?;
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}
