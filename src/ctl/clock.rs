//! Moments of the monotonic clock as the time of day. The wall clock may have been set since a moment passed; what
//! is told is when it was by the clock as it goes now.

use core::fmt;
use core::time::Duration;

use crate::types::Instant;

/// One moment by three clocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// The monotonic clock's time.
    pub now: Instant,
    /// Since 1970.
    pub wall: Duration,
    /// What local time is ahead of universal time, in seconds.
    pub ahead: i32,
}

impl Clock {
    /// The time of day at a moment, past or to come.
    pub(super) fn at(&self, moment: Instant) -> Moment {
        let past = self.now.since(moment);
        let future = moment.since(self.now);
        let wall = self.wall.saturating_sub(past).saturating_add(future);
        Moment {
            wall,
            ahead: self.ahead,
        }
    }
}

/// A time of day, as keepalived writes it: `1795259482.607836 (Sat Nov 21 11:11:22.607836 2026)`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Moment {
    wall: Duration,
    ahead: i32,
}

impl Moment {
    /// Seconds since 1970.
    pub(super) fn epoch(self) -> Seconds {
        Seconds(self.wall)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        // Beyond the year 9999 nothing is lost.
        let seconds = i64::try_from(self.wall.as_secs()).unwrap_or(i64::MAX);
        let local = seconds.min(253_000_000_000) + i64::from(self.ahead);
        let (days, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let micros = self.wall.subsec_micros();
        let weekday = usize::try_from(days.rem_euclid(7)).unwrap_or(0);
        write!(
            f,
            "{} ({} {} {day:2} {:02}:{:02}:{:02}.{micros:06} {year})",
            self.epoch(),
            DAYS.get(weekday).unwrap_or(&""),
            MONTHS.get(month).unwrap_or(&""),
            rest / 3600,
            rest / 60 % 60,
            rest % 60,
        )
    }
}

/// Year, month (from 0) and day (from 1) of a day counted from 1970-01-01. The year is taken to begin in March, so that
/// the day that may be missing is its last; then 153 days are five months.
fn civil(days: i64) -> (i64, usize, i64) {
    const FOUR_CENTURIES: i64 = 146_097;
    let days = days + 719_468;
    let (era, of_era) = (
        days.div_euclid(FOUR_CENTURIES),
        days.rem_euclid(FOUR_CENTURIES),
    );
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let since_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * since_march + 2) / 5 + 1;
    let month = (since_march + 2) % 12;
    let year = year + era * 400 + i64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

/// A span in seconds, with all six decimals: `3.609375`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seconds(pub(super) Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// A span in microseconds: `500000us`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Micros(pub(super) Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}us", self.0.as_micros())
    }
}

/// A span in seconds, with as many decimals as it needs: `1`, `0.5`.
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

    fn clock(wall: u64, ahead: i32) -> Clock {
        Clock {
            now: Instant::from_millis(5_000),
            wall: Duration::from_secs(wall),
            ahead,
        }
    }

    #[test]
    fn moments_are_told_as_date_and_time() {
        for (wall, ahead, want) in [
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
            let clock = clock(wall, ahead);
            assert_eq!(clock.at(clock.now).to_string(), want);
        }
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
            ahead: i32::MAX,
            ..clock
        };
        assert!(after.at(Instant::NEVER).to_string().ends_with(')'));
    }

    #[test]
    fn spans_have_as_many_decimals_as_they_need() {
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
