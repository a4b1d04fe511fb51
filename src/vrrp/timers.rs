//! Timer values (RFC 3768 §6.1, RFC 9568 §6.1).
//!
//! All values are integer nanoseconds. Skew_Time orders takeovers: the higher the priority, the
//! shorter the wait. It must distinguish every pair of priorities, so it is computed in one
//! expression that multiplies before it divides. Rounding to a coarser unit makes routers of
//! different priority take over at the same time.

use core::time::Duration;

use crate::types::{Centis, Instant, Priority, Version};

/// Skew_Time is (256 - priority) / 256 of a unit.
const STEPS: u64 = 256;

/// The unit of Skew_Time: one second in v2, the master's interval in v3.
fn unit(version: Version, master: Centis) -> u64 {
    match version {
        Version::V2 => nanos(Centis::SECOND),
        Version::V3 => nanos(master),
    }
}

fn nanos(interval: Centis) -> u64 {
    u64::from(interval.0).saturating_mul(10_000_000)
}

/// `adverts` intervals of the master plus Skew_Time.
fn wait(version: Version, adverts: u8, master: Centis, priority: Priority) -> Duration {
    let steps = STEPS.saturating_sub(u64::from(priority.0));
    Duration::from_nanos(
        u64::from(adverts)
            .saturating_mul(nanos(master))
            .saturating_add(steps.saturating_mul(unit(version, master)) / STEPS),
    )
}

/// Skew_Time: the wait after the master resigned.
#[must_use]
pub(crate) fn skew(version: Version, master: Centis, priority: Priority) -> Duration {
    wait(version, 0, master, priority)
}

/// Active_Down_Interval (v2: Master_Down_Interval): the wait after the master's last advert.
#[must_use]
pub(crate) fn down(version: Version, adverts: u8, master: Centis, priority: Priority) -> Duration {
    wait(version, adverts, master, priority)
}

/// One interval plus Skew_Time: long enough to hear any live master. With the owner's priority,
/// also the wait of `state MASTER` and of an owner that recovers.
#[must_use]
pub(crate) fn listen(version: Version, master: Centis, priority: Priority) -> Duration {
    wait(version, 1, master, priority)
}

/// The first `last + n · period` after `now`, n ≥ 1. A periodic timer continues from its last
/// deadline, so delays do not accumulate, and skips missed periods, so it never fires twice to
/// catch up.
#[must_use]
pub(crate) fn next_period(last: Instant, period: Duration, now: Instant) -> Instant {
    let next = last.after(period);
    if next > now {
        return next;
    }
    let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1);
    let behind = u64::try_from(now.since(last).as_nanos()).unwrap_or(u64::MAX);
    let missed = behind.checked_div(period).unwrap_or(0).saturating_add(1);
    last.after(Duration::from_nanos(period.saturating_mul(missed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_and_down_interval_are_exact_for_all_priorities_versions_and_intervals() {
        let intervals = [1, 2, 3, 10, 25, 99, 100, 150, 1000, 4095, 25500];
        for version in [Version::V2, Version::V3] {
            for centis in intervals {
                for priority in 0..=255u8 {
                    let master = Centis(centis);
                    let unit = match version {
                        Version::V2 => 1_000_000_000u128,
                        Version::V3 => u128::from(centis) * 10_000_000,
                    };
                    let skew_ns = (256 - u128::from(priority)) * unit / 256;
                    let name = format!("{version:?} {centis} {priority}");
                    let priority = Priority(priority);
                    assert_eq!(
                        skew(version, master, priority).as_nanos(),
                        skew_ns,
                        "{name}"
                    );
                    for adverts in [1u8, 3, 100] {
                        let down_ns =
                            u128::from(adverts) * u128::from(centis) * 10_000_000 + skew_ns;
                        let got = down(version, adverts, master, priority);
                        assert_eq!(got.as_nanos(), down_ns, "{name} × {adverts}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_higher_priority_always_waits_less() {
        for version in [Version::V2, Version::V3] {
            for centis in [1, 7, 100, 4095] {
                for priority in 0..255u8 {
                    assert!(
                        skew(version, Centis(centis), Priority(priority + 1))
                            < skew(version, Centis(centis), Priority(priority)),
                        "{version:?} {centis} {priority}"
                    );
                }
            }
        }
    }

    #[test]
    fn well_known_values() {
        for (name, version, centis, priority, micros) in [
            ("v2 default", Version::V2, 100, 100, 3_609_375),
            (
                "v2 skew ignores the interval",
                Version::V2,
                1000,
                100,
                30_609_375,
            ),
            ("v3 default", Version::V3, 100, 100, 3_609_375),
            ("v3 10 ms", Version::V3, 1, 254, 30_078),
            ("v3 1.5 s", Version::V3, 150, 128, 5_250_000),
        ] {
            let got = down(version, 3, Centis(centis), Priority(priority));
            assert_eq!(got.as_micros(), micros, "{name}");
        }
        assert_eq!(
            listen(Version::V2, Centis(100), Priority::OWNER).as_micros(),
            1_003_906
        );
    }

    #[test]
    fn a_period_keeps_its_grid_and_skips_what_was_missed() {
        let ms = Instant::from_millis;
        let period = Duration::from_millis(100);
        for (name, last, now, want) in [
            ("on time", 1000, 1000, 1100),
            ("a little late", 1000, 1007, 1100),
            ("exactly one late", 1000, 1100, 1200),
            ("five late", 1000, 1555, 1600),
        ] {
            assert_eq!(next_period(ms(last), period, ms(now)), ms(want), "{name}");
        }
        let stuck = next_period(ms(1), Duration::ZERO, ms(9));
        assert!(stuck > ms(9), "a zero period still advances: {stuck:?}");
    }
}
