//! When a check runs, and how its results change the state of the server.
//!
//! ```text
//!        start: within warmup
//!          ↓                  success: next interval
//!          up ── failure ─→ retry, retry … ── another failure ─→ down ──┐ failure: next interval
//!          ↑                                                     ↑      │
//!          │                       failure in the first run ─────┘      │
//!          └───────────────────────── success ──────────────────────────┘
//! ```
//! A server counts as up until its first check fails, which is not retried: clients must not be
//! sent to a server that never worked. With `alpha` a server counts as down until its first
//! success. Runs follow the configured interval, not the end of the previous run; missed runs are
//! skipped. A run may start a little early, together with another that is due; the next one is due
//! as if it had not.

use core::time::Duration;

use crate::config::model::lvs::Check;
use crate::types::Instant;

/// A run may start this much early, but not by more than this part of its interval.
const EARLY: Duration = Duration::from_millis(32);
const EARLY_PART: u32 = 64;

/// How a result changed the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultEffect {
    /// Not at all.
    Unchanged,
    /// A failure that is retried before it counts; this many retries came before it.
    Retry(u32),
    /// Up became down, after this many retries, or down became up.
    Changed(u32),
}

/// Schedule and state of one check.
#[derive(Clone, Debug)]
pub struct Schedule {
    up: bool,
    /// There has been a result.
    has_result: bool,
    /// Failures in a row while the server still counts as up.
    failures: u32,
    due: Instant,
}

impl Schedule {
    /// A check that has not started.
    #[must_use]
    pub fn new(alpha: bool) -> Self {
        Schedule {
            up: !alpha,
            has_result: false,
            failures: 0,
            due: Instant::NEVER,
        }
    }

    /// Starts the check, or resumes it after a pause, within this time. `index` spreads many checks
    /// evenly over it, whatever their number, with neighboring indexes far apart.
    pub fn start(&mut self, now: Instant, within: Duration, index: usize) {
        // Fractional part of multiples of the golden ratio, in 65536ths.
        let part = index.wrapping_mul(40_503) & 0xffff;
        let unit = within.checked_div(1 << 16).unwrap_or_default();
        let part = u32::try_from(part).unwrap_or(0);
        self.due = now.after(unit.saturating_mul(part));
        self.failures = 0;
    }

    /// Whether the server is up as far as this check is concerned.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether there has been a result.
    #[must_use]
    pub fn has_result(&self) -> bool {
        self.has_result
    }

    /// When the next run is due.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Whether a run may start before it is due because another one does. A retry may not.
    #[must_use]
    pub fn may_join(&self, conf: &Check, now: Instant) -> bool {
        let early = conf.interval.checked_div(EARLY_PART).unwrap_or_default();
        let early = early.min(EARLY);
        self.failures == 0 && self.due <= now.after(early)
    }

    /// A run has ended. Sets the time of the next one.
    pub fn result(&mut self, conf: &Check, now: Instant, good: bool) -> ResultEffect {
        let first = !core::mem::replace(&mut self.has_result, true);
        if self.up && !good && !first && self.failures < conf.retry {
            let before = self.failures;
            self.failures = before.saturating_add(1);
            self.due = now.after(conf.delay_before_retry);
            return ResultEffect::Retry(before);
        }
        self.skip(conf, now);
        let tries = core::mem::take(&mut self.failures);
        if core::mem::replace(&mut self.up, good) == good {
            ResultEffect::Unchanged
        } else {
            ResultEffect::Changed(tries)
        }
    }

    /// A result that needs no run and no retries (`FILE_CHECK`).
    pub fn set(&mut self, good: bool) -> ResultEffect {
        self.has_result = true;
        match core::mem::replace(&mut self.up, good) == good {
            true => ResultEffect::Unchanged,
            false => ResultEffect::Changed(0),
        }
    }

    /// A run failed for a reason that says nothing about the server: keeps the state, sets the time
    /// of the next run.
    pub fn skip(&mut self, conf: &Check, now: Instant) {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let interval = conf.interval.max(Duration::from_millis(1));
        let early = self.due.since(now);
        if !early.is_zero() && early <= EARLY {
            self.due = self.due.after(interval);
            return;
        }
        let late = nanos(now.since(self.due));
        let late = late.checked_rem(nanos(interval)).unwrap_or(0);
        let late = Duration::from_nanos(late);
        self.due = now.after(interval.saturating_sub(late));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;
    use crate::config::model::lvs::CheckKind;

    fn conf(retry: u32, alpha: bool) -> Check {
        Check {
            retry,
            interval: Duration::from_secs(10),
            warmup: Duration::from_secs(10),
            alpha,
            ..Check::new(CheckKind::Tcp(target("192.0.2.1:80")))
        }
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    /// State after each result, each of which comes as soon as it is due.
    fn states(conf: &Check, results: &str) -> String {
        let mut schedule = Schedule::new(conf.alpha);
        schedule.start(at(0), Duration::ZERO, 0);
        let mut text = String::new();
        let mut sign = |up| text.push(if up { '+' } else { '-' });
        sign(schedule.is_up());
        for result in results.chars() {
            let before = schedule.is_up();
            let effect = schedule.result(conf, schedule.due(), result == '+');
            let changed = matches!(effect, ResultEffect::Changed(_));
            assert_eq!(changed, before != schedule.is_up(), "{results}");
            sign(schedule.is_up());
        }
        text
    }

    #[test]
    fn retries_precede_down_except_in_the_first_run() {
        for (retry, alpha, results, want) in [
            (0, false, "+-+", "++-+"),
            (3, false, "-+", "+-+"),
            (3, false, "+----+", "+++++-+"),
            (2, false, "+--+---", "+++++++-"),
            (1, false, "-----+--", "+-----++-"),
            (2, true, "--+---", "---+++-"),
            (0, true, "-+-+", "--+-+"),
        ] {
            let got = states(&conf(retry, alpha), results);
            assert_eq!(got, want, "retry {retry} alpha {alpha} {results}");
        }
    }

    #[test]
    fn runs_follow_the_interval_and_retries_the_failure() {
        let conf = conf(2, false);
        let mut schedule = Schedule::new(false);
        schedule.start(at(5), Duration::ZERO, 7);
        assert_eq!(schedule.due(), at(5));
        for (name, now, good, effect, due) in [
            ("at once", 5, true, ResultEffect::Unchanged, 15),
            ("after three seconds", 18, true, ResultEffect::Unchanged, 25),
            ("fails after four", 29, false, ResultEffect::Retry(0), 30),
            ("fails again", 35, false, ResultEffect::Retry(1), 36),
            ("and again", 40, false, ResultEffect::Changed(2), 46),
            ("still", 46, false, ResultEffect::Unchanged, 56),
            (
                "takes longer than a turn",
                71,
                false,
                ResultEffect::Unchanged,
                76,
            ),
            (
                "exactly an interval",
                86,
                true,
                ResultEffect::Changed(0),
                96,
            ),
            ("slept for long", 1000, true, ResultEffect::Unchanged, 1006),
        ] {
            assert_eq!(schedule.result(&conf, at(now), good), effect, "{name}");
            assert_eq!(schedule.due(), at(due), "{name}");
        }
    }

    #[test]
    fn a_run_may_join_others_early_and_keeps_its_times() {
        let ms = Instant::from_millis;
        let conf = conf(1, false);
        let mut schedule = Schedule::new(false);
        schedule.start(at(5), Duration::ZERO, 0);
        assert!(!schedule.may_join(&conf, ms(4_967)));
        assert!(schedule.may_join(&conf, ms(4_968)));
        for (now, due) in [(4_968, 15), (14_999, 25), (24_970, 35), (35_000, 45)] {
            schedule.result(&conf, ms(now), true);
            assert_eq!(schedule.due(), at(due), "{now}");
        }
        schedule.result(&conf, ms(44_970), false);
        assert_eq!(schedule.due(), ms(45_970), "a retry");
        assert!(!schedule.may_join(&conf, ms(45_969)), "is not early");
        let short = Check {
            interval: Duration::from_millis(64),
            ..conf
        };
        let mut schedule = Schedule::new(false);
        schedule.start(at(5), Duration::ZERO, 0);
        assert!(!schedule.may_join(&short, ms(4_998)));
        assert!(schedule.may_join(&short, ms(4_999)));
    }

    #[test]
    fn the_first_runs_of_many_checks_are_spread_evenly() {
        for count in [10, 100, 1000] {
            let mut slots = [0_usize; 10];
            for index in 0..count {
                let mut schedule = Schedule::new(false);
                schedule.start(at(50), Duration::from_secs(60), index);
                let after = schedule.due().since(at(50));
                assert!(after < Duration::from_secs(60));
                slots[usize::try_from(after.as_secs() / 6).expect("small")] += 1;
            }
            let fair = count / 10;
            let (least, most) = ((fair * 9 / 10).saturating_sub(1), fair * 11 / 10 + 2);
            assert!(
                slots.iter().all(|one| (least..=most).contains(one)),
                "{slots:?}"
            );
        }
    }

    #[test]
    fn odd_times_do_no_harm() {
        let mut conf = conf(0, false);
        conf.interval = Duration::ZERO;
        let mut schedule = Schedule::new(false);
        schedule.start(at(1), Duration::MAX, usize::MAX);
        schedule.result(&conf, at(2), true);
        assert!(schedule.due() > at(2));
        conf.interval = Duration::MAX;
        schedule.result(&conf, at(3), true);
        assert_eq!(schedule.due(), Instant::NEVER);
    }
}
