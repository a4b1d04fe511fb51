//! When a packet was received, from its time stamp: wall-clock time in nanoseconds since 1970.
//!
//! The down timer counts from when the kernel received the advert, not from when the process woke up
//! to read it, so a takeover is as punctual as the clock.

use nix::time::ClockId;

use super::{clock, read_pause};
use crate::types::Instant;

/// Age limit of time stamps in nanoseconds, more than a [`super::read_pause`]. After a longer stall
/// an advert counts from when it is read.
const RECENT: u64 = 250_000_000;
const _: () = assert!(read_pause::LONGEST.as_nanos() < RECENT as u128);
/// A greater change of the clocks' difference, in nanoseconds, means that the wall clock was set.
const SET: u64 = 1_000_000;

/// When a packet was received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ReceiveTime {
    /// The time that the protocol counts from.
    pub(super) counted: Instant,
    /// When it arrived, if that is known.
    pub(super) arrived: Option<Instant>,
}

/// The two clocks at one moment, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Sample {
    monotonic: u64,
    wall: u64,
}

impl Sample {
    fn now() -> Self {
        Sample {
            monotonic: clock::read(ClockId::CLOCK_MONOTONIC),
            wall: clock::read(ClockId::CLOCK_REALTIME),
        }
    }

    /// The wall clock when the monotonic one was 0.
    fn difference(&self) -> u64 {
        self.wall.wrapping_sub(self.monotonic)
    }
}

/// Converts time stamps. The clocks are read once for the packets that are read together.
#[derive(Debug)]
pub(super) struct ReceiveClock {
    sample: Sample,
    /// The wall clock was not set while these packets waited.
    is_steady: bool,
}

impl ReceiveClock {
    pub(super) fn new() -> Self {
        ReceiveClock {
            sample: Sample::now(),
            is_steady: true,
        }
    }

    /// To be called before packets are read. Returns the time.
    pub(super) fn start(&mut self) -> Instant {
        self.take(Sample::now());
        Instant::from_nanos(self.sample.monotonic)
    }

    fn take(&mut self, sample: Sample) {
        let moved = sample
            .difference()
            .wrapping_sub(self.sample.difference())
            .cast_signed();
        self.is_steady = moved.unsigned_abs() <= SET;
        self.sample = sample;
    }

    /// When a packet with this time stamp was received.
    pub(super) fn time(&mut self, stamp: Option<u64>) -> ReceiveTime {
        self.time_by(stamp, Sample::now)
    }

    fn time_by(&mut self, stamp: Option<u64>, now: impl FnOnce() -> Sample) -> ReceiveTime {
        // The clocks were read before it arrived.
        if stamp.is_none_or(|stamp| stamp > self.sample.wall) {
            self.take(now());
        }
        let Sample { monotonic, wall } = self.sample;
        let age = stamp.and_then(|stamp| wall.checked_sub(stamp));
        let age = age.filter(|_| self.is_steady);
        let recent = age.filter(|age| *age < RECENT).unwrap_or(0);
        ReceiveTime {
            counted: Instant::from_nanos(monotonic.saturating_sub(recent)),
            arrived: age.map(|age| Instant::from_nanos(monotonic.saturating_sub(age))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    /// The wall clock minus the monotonic one.
    const DIFFERENCE: u64 = 1_700_000_000_000 * MS;

    /// The clocks at this time in milliseconds.
    fn at(ms: u64) -> Sample {
        Sample {
            monotonic: ms * MS,
            wall: DIFFERENCE + ms * MS,
        }
    }

    fn clock_at(ms: u64) -> ReceiveClock {
        ReceiveClock {
            sample: at(ms),
            is_steady: true,
        }
    }

    /// Counted and arrived, in milliseconds.
    fn read(clock: &mut ReceiveClock, arrived: u64, now: Sample) -> (u64, Option<u64>) {
        let time = clock.time_by(Some(DIFFERENCE + arrived * MS), || now);
        let ms = |at: Instant| u64::try_from(at.since(Instant::ZERO).as_millis()).expect("short");
        (ms(time.counted), time.arrived.map(ms))
    }

    #[test]
    fn packets_count_from_their_arrival() {
        let clock = &mut clock_at(500);
        let unused = at(999);
        assert_eq!(read(clock, 500, unused), (500, Some(500)));
        assert_eq!(read(clock, 300, unused), (300, Some(300)), "after a pause");
        assert_eq!(read(clock, 250, unused), (500, Some(250)), "after a stall");
    }

    #[test]
    fn clocks_are_read_again_for_a_packet_that_came_later() {
        let clock = &mut clock_at(100);
        assert_eq!(read(clock, 103, at(105)), (103, Some(103)));
        assert_eq!(read(clock, 104, at(999)), (104, Some(104)));
        assert_eq!(read(clock, 200, at(110)), (110, None), "in the future");
        let time = clock.time_by(None, || at(111));
        let counted = Instant::from_nanos(111 * MS);
        assert_eq!((time.counted, time.arrived), (counted, None));
    }

    #[test]
    fn packets_that_waited_while_the_wall_clock_was_set_count_from_now() {
        for by in [-3_600_000_i64, -2, 2, 20, 3_600_000] {
            let clock = &mut clock_at(100);
            let mut set = at(120);
            set.wall = set.wall.saturating_add_signed(by * MS.cast_signed());
            clock.take(set);
            assert_eq!(read(clock, 115, set), (120, None), "{by}");
            let later = Sample {
                monotonic: set.monotonic + MS,
                wall: set.wall + MS,
            };
            clock.take(later);
            let time = clock.time_by(Some(later.wall - MS / 2), || later);
            let counted = Instant::from_nanos(121 * MS - MS / 2);
            assert_eq!(time.counted, counted, "{by}");
        }
    }
}
