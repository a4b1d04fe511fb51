//! Converts moments of the monotonic clock to the time of day. The wall clock may have been set
//! since a moment passed; the result is the moment by the wall clock as it is set now.

use core::fmt;
use core::time::Duration;

use crate::types::{Date, Instant};

/// The current time by the monotonic clock, the wall clock and the time zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The monotonic clock.
    pub now: Instant,
    /// The wall clock: time since 1970-01-01 00:00 UTC.
    pub wall: Duration,
    /// Offset of local time from UTC, in seconds; positive to the east.
    pub utc_offset: i32,
}

impl Clock {
    /// The time of day at a moment in the past or future.
    pub(super) fn at(&self, moment: Instant) -> Moment {
        let past = self.now.since(moment);
        let future = moment.since(self.now);
        let wall = self.wall.saturating_sub(past).saturating_add(future);
        Moment {
            wall,
            utc_offset: self.utc_offset,
        }
    }
}

/// A time of day, as keepalived writes it: `1795259482.607836 (Sat Nov 21 11:11:22.607836 2026)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    wall: Duration,
    utc_offset: i32,
}

impl Moment {
    /// Seconds since 1970.
    pub(super) fn epoch(self) -> Seconds {
        Seconds(self.wall)
    }

    /// The date and time of the zone: `2026-11-21 11:11:22.607`.
    pub(super) fn date(self) -> LocalTime {
        LocalTime(self)
    }

    fn local(self) -> Date {
        let seconds = i64::try_from(self.wall.as_secs()).unwrap_or(i64::MAX);
        Date::from_epoch(seconds.saturating_add(i64::from(self.utc_offset)))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.local();
        write!(
            f,
            "{} ({} {} {:2} {:02}:{:02}:{:02}.{:06} {})",
            self.epoch(),
            date.weekday,
            date.month,
            date.day,
            date.hour,
            date.minute,
            date.second,
            self.wall.subsec_micros(),
            date.year,
        )
    }
}

/// A time of day that sorts as text, with milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LocalTime(Moment);

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.0.local();
        write!(
            f,
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
            date.year,
            date.month_number,
            date.day,
            date.hour,
            date.minute,
            date.second,
            self.0.wall.subsec_millis(),
        )
    }
}

/// A duration in seconds, with all six decimals: `3.609375`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// A duration in microseconds: `500000us`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Micros(pub(super) Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0.as_micros())
    }
}

/// A duration in seconds, with as many decimals as it needs: `1`, `0.5`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Short(pub(super) Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        let mut rest = self.0.subsec_micros();
        if rest == 0 {
            return Ok(());
        }
        let mut width = 6;
        while rest.is_multiple_of(10) {
            rest /= 10;
            width -= 1;
        }
        write!(f, ".{rest:0width$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(wall: u64, utc_offset: i32) -> Clock {
        Clock {
            now: Instant::from_millis(5_000),
            wall: Duration::from_secs(wall),
            utc_offset,
        }
    }

    #[test]
    fn moments_show_as_date_and_time() {
        for (wall, utc_offset, want) in [
            (0, 0, "0.000000 (Thu Jan  1 00:00:00.000000 1970)"),
            (
                951_827_696,
                0,
                "951827696.000000 (Tue Feb 29 12:34:56.000000 2000)",
            ),
            (
                951_868_800,
                0,
                "951868800.000000 (Wed Mar  1 00:00:00.000000 2000)",
            ),
            (
                1_795_259_482,
                0,
                "1795259482.000000 (Sat Nov 21 11:11:22.000000 2026)",
            ),
            (
                1_798_761_599,
                0,
                "1798761599.000000 (Thu Dec 31 23:59:59.000000 2026)",
            ),
            (
                1_798_761_599,
                3600,
                "1798761599.000000 (Fri Jan  1 00:59:59.000000 2027)",
            ),
            (3600, -7200, "3600.000000 (Wed Dec 31 23:00:00.000000 1969)"),
            (
                4_107_542_400,
                0,
                "4107542400.000000 (Mon Mar  1 00:00:00.000000 2100)",
            ),
        ] {
            let clock = clock(wall, utc_offset);
            assert_eq!(clock.at(clock.now).to_string(), want);
        }
    }

    #[test]
    fn local_times_sort_as_text() {
        for (wall, utc_offset, want) in [
            (0, 0, "1970-01-01 00:00:00.000"),
            (951_868_799, 0, "2000-02-29 23:59:59.000"),
            (1_798_761_599, 3600, "2027-01-01 00:59:59.000"),
            (3600, -7200, "1969-12-31 23:00:00.000"),
        ] {
            let clock = clock(wall, utc_offset);
            assert_eq!(clock.at(clock.now).date().to_string(), want);
        }
        let clock = clock(1_000, 0);
        let later = clock.at(Instant::from_millis(6_250)).date();
        assert_eq!(later.to_string(), "1970-01-01 00:16:41.250");
    }

    #[test]
    fn moments_lie_before_and_after_now_and_never_overflow() {
        let clock = clock(1_000, 0);
        let epoch = |moment| clock.at(moment).epoch().to_string();
        assert_eq!(epoch(Instant::from_millis(4_500)), "999.500000");
        assert_eq!(epoch(Instant::from_millis(6_250)), "1001.250000");
        assert!(!clock.at(Instant::NEVER).to_string().is_empty());
        let before = Clock {
            wall: Duration::ZERO,
            ..clock
        };
        assert_eq!(before.at(Instant::ZERO).epoch().to_string(), "0.000000");
        let after = Clock {
            wall: Duration::MAX,
            utc_offset: i32::MAX,
            ..clock
        };
        assert!(after.at(Instant::NEVER).to_string().ends_with(')'));
    }

    #[test]
    fn durations_have_as_many_decimals_as_they_need() {
        for (micros, want) in [
            (0, "0"),
            (1_000_000, "1"),
            (500_000, "0.5"),
            (40_950_000, "40.95"),
            (1, "0.000001"),
            (3_000_010, "3.00001"),
        ] {
            assert_eq!(Short(Duration::from_micros(micros)).to_string(), want);
        }
    }
}
