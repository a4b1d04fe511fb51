//! Reading the clocks.

use core::time::Duration;

use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use crate::ctl::Clock;
use crate::sys;
use crate::types::Instant;

/// Age limit of receive time stamps, in nanoseconds; older ones are not used.
const RECENT: u64 = 5_000_000;

/// Time of the monotonic clock.
pub(super) fn now() -> Instant {
    Instant::from_nanos(read(ClockId::CLOCK_MONOTONIC))
}

/// Time since boot, suspension included.
pub(super) fn uptime() -> Duration {
    Duration::from_nanos(read(ClockId::CLOCK_BOOTTIME))
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

/// When a packet was received, from its time stamp: wall-clock time in nanoseconds since 1970.
///
/// The down timer counts from when the kernel received the advert, not from when the process woke
/// up to read it, so a takeover is as punctual as the clock. A time stamp older than [`RECENT`] is
/// not used: after a stall the advert counts from when it is read, and the wall clock may have been
/// set meanwhile.
pub(super) fn receive_time(stamp: Option<u64>) -> ReceiveTime {
    let now = read(ClockId::CLOCK_MONOTONIC);
    let age = stamp.and_then(|stamp| read(ClockId::CLOCK_REALTIME).checked_sub(stamp));
    let recent = age.filter(|age| *age < RECENT).unwrap_or(0);
    ReceiveTime {
        counted: Instant::from_nanos(now.saturating_sub(recent)),
        arrived: age.map(|age| Instant::from_nanos(now.saturating_sub(age))),
    }
}

/// When a packet was received.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReceiveTime {
    /// For the protocol.
    pub(super) counted: Instant,
    /// When it arrived, if that is known.
    pub(super) arrived: Option<Instant>,
}

fn read(clock: ClockId) -> u64 {
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
