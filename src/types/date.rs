//! The Gregorian calendar: seconds since 1970 as date and time of day.

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const CYCLE: i64 = 146_097;
/// Beginning of the year 9988: later moments are clamped to it.
const MAX: i64 = 253_000_000_000;

/// Date and time of day, without a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// Year.
    pub year: i64,
    /// English abbreviation of the month.
    pub month: &'static str,
    /// Number of the month, from 1.
    pub month_number: i64,
    /// Day of the month, from 1.
    pub day: i64,
    /// English abbreviation of the day of the week.
    pub weekday: &'static str,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 0 to 59.
    pub second: i64,
}

impl Date {
    /// The date of a moment, in seconds since 1970; for local time, add the zone's offset first.
    #[must_use]
    pub fn from_epoch(seconds: i64) -> Self {
        let seconds = seconds.clamp(-MAX, MAX);
        let (days, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        Date {
            year,
            month: name(&MONTHS, month),
            month_number: month.saturating_add(1),
            day,
            weekday: name(&DAYS, days.rem_euclid(7)),
            hour: time / 3600,
            minute: time / 60 % 60,
            second: time % 60,
        }
    }
}

fn name(names: &'static [&'static str], index: i64) -> &'static str {
    let index = usize::try_from(index).unwrap_or(0);
    names.get(index).copied().unwrap_or_default()
}

/// Year, month (from 0) and day (from 1) of a day counted from 1970-01-01. Years are taken to start
/// in March, so that the leap day is the last of its year; five months from March on then have 153
/// days.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(EPOCH);
    let (cycle, day_of_cycle) = (days.div_euclid(CYCLE), days.rem_euclid(CYCLE));
    let year = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year = day_of_cycle - (365 * year + year / 4 - year / 100);
    let since_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * since_march + 2) / 5 + 1;
    let month = (since_march + 2) % 12;
    (year + cycle * 400 + i64::from(month < 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_gregorian_calendar() {
        for (epoch, want) in [
            (0, "Thu 1 Jan 1970 00:00:00"),
            (951_782_399, "Mon 28 Feb 2000 23:59:59"),
            (951_782_400, "Tue 29 Feb 2000 00:00:00"),
            (951_868_800, "Wed 1 Mar 2000 00:00:00"),
            (1_709_251_199, "Thu 29 Feb 2024 23:59:59"),
            (1_735_689_599, "Tue 31 Dec 2024 23:59:59"),
            (1_795_259_482, "Sat 21 Nov 2026 11:11:22"),
            (4_107_542_400, "Mon 1 Mar 2100 00:00:00"),
            (-1, "Wed 31 Dec 1969 23:59:59"),
            (-3600, "Wed 31 Dec 1969 23:00:00"),
        ] {
            let date = Date::from_epoch(epoch);
            let (weekday, day, month, year) = (date.weekday, date.day, date.month, date.year);
            let (hour, minute, second) = (date.hour, date.minute, date.second);
            let text = format!("{weekday} {day} {month} {year} {hour:02}:{minute:02}:{second:02}");
            assert_eq!(text, want);
        }
        for extreme in [i64::MIN, i64::MAX] {
            assert!(!Date::from_epoch(extreme).month.is_empty());
        }
    }
}
