//! When a check runs, and what its results come to.
//!
//! ```text
//!        begin: somewhere within warmup
//!          ↓                  good: the next turn
//!          up ── bad ─→ retry, retry … ── bad once more ─→ down ──┐ bad: the next turn
//!          ↑                                                ↑     │
//!          │            first result of all, and bad ───────┘     │
//!          └───────────────────────── good ───────────────────────┘
//! ```
//! A server is believed to be up until its first check says otherwise, and that one is asked no second time: nobody
//! should be sent to a server that never worked. With `alpha` it is the other way round. Turns come from the
//! configured interval, not from when the last run ended; those that were missed are left out.

use core::time::Duration;

use crate::config::model::lvs::Check;
use crate::types::Instant;

/// What a result has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResultEffect {
    /// Nothing: as good, or as bad, as before.
    Unchanged,
    /// It is tried again before it counts; this many times before now.
    Retry(u32),
    /// The other verdict. When it is down: after this many further tries.
    Changed(u32),
}

/// See the top of the file.
#[derive(Clone, Debug)]
pub struct Schedule {
    up: bool,
    /// There has been a result.
    known: bool,
    /// Bad results in a row while it is still up.
    failures: u32,
    due: Instant,
}

impl Schedule {
    /// A check that has not begun.
    #[must_use]
    pub fn new(alpha: bool) -> Self {
        Schedule {
            up: !alpha,
            known: false,
            failures: 0,
            due: Instant::NEVER,
        }
    }

    /// It begins, or goes on after a pause, within this time. `nth` spreads the many: whatever their number, those
    /// with neighboring numbers are far from each other and all of them evenly distributed.
    pub fn begin(&mut self, now: Instant, within: Duration, nth: usize) {
        // Multiples of the golden ratio, without the whole part, in 65536ths.
        let part = nth.wrapping_mul(40_503) & 0xffff;
        let unit = within.checked_div(1 << 16).unwrap_or_default();
        let part = u32::try_from(part).unwrap_or(0);
        self.due = now.after(unit.saturating_mul(part));
        self.failures = 0;
    }

    /// Whether the server is fit for use, as far as this check goes.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Whether there has been no result yet.
    #[must_use]
    pub fn is_new(&self) -> bool {
        !self.known
    }

    /// When the next run is to begin.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }

    /// A run has ended.
    pub fn result(&mut self, conf: &Check, now: Instant, good: bool) -> ResultEffect {
        let first = !core::mem::replace(&mut self.known, true);
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

    /// What is known without a run, and needs no retries.
    pub fn decide(&mut self, good: bool) -> ResultEffect {
        self.known = true;
        match core::mem::replace(&mut self.up, good) == good {
            true => ResultEffect::Unchanged,
            false => ResultEffect::Changed(0),
        }
    }

    /// A run came to nothing that would tell anything of the server: the next turn.
    pub fn skip(&mut self, conf: &Check, now: Instant) {
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let interval = conf.interval.max(Duration::from_millis(1));
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
            kind: CheckKind::Tcp(target("192.0.2.1:80")),
            retry,
            delay_before_retry: Duration::from_secs(1),
            interval: Duration::from_secs(10),
            warmup: Duration::from_secs(10),
            alpha,
            log_all_failures: false,
        }
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    /// Verdict after each result, each of which comes as soon as it is due.
    fn verdicts(conf: &Check, results: &str) -> String {
        let mut schedule = Schedule::new(conf.alpha);
        schedule.begin(at(0), Duration::ZERO, 0);
        let mut text = String::new();
        let mut sign = |up| text.push(if up { '+' } else { '-' });
        sign(schedule.is_up());
        for result in results.chars() {
            let before = schedule.is_up();
            let outcome = schedule.result(conf, schedule.due(), result == '+');
            let turned = matches!(outcome, ResultEffect::Changed(_));
            assert_eq!(turned, before != schedule.is_up(), "{results}");
            sign(schedule.is_up());
        }
        text
    }

    #[test]
    fn retries_stand_between_up_and_down_but_not_at_the_first_check() {
        for (retry, alpha, results, want) in [
            (0, false, "+-+", "++-+"),
            (3, false, "-+", "+-+"),
            (3, false, "+----+", "+++++-+"),
            (2, false, "+--+---", "+++++++-"),
            (1, false, "-----+--", "+-----++-"),
            (2, true, "--+---", "---+++-"),
            (0, true, "-+-+", "--+-+"),
        ] {
            let got = verdicts(&conf(retry, alpha), results);
            assert_eq!(got, want, "retry {retry} alpha {alpha} {results}");
        }
    }

    #[test]
    fn turns_come_from_the_interval_and_retries_from_the_failure() {
        let conf = conf(2, false);
        let mut schedule = Schedule::new(false);
        schedule.begin(at(5), Duration::ZERO, 7);
        assert_eq!(schedule.due(), at(5));
        for (name, now, good, outcome, due) in [
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
            ("exactly a turn", 86, true, ResultEffect::Changed(0), 96),
            ("slept for long", 1000, true, ResultEffect::Unchanged, 1006),
        ] {
            assert_eq!(schedule.result(&conf, at(now), good), outcome, "{name}");
            assert_eq!(schedule.due(), at(due), "{name}");
        }
    }

    #[test]
    fn the_first_runs_of_many_checks_are_spread_evenly() {
        for count in [10, 100, 1000] {
            let mut slots = [0_usize; 10];
            for nth in 0..count {
                let mut schedule = Schedule::new(false);
                schedule.begin(at(50), Duration::from_secs(60), nth);
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
        schedule.begin(at(1), Duration::MAX, usize::MAX);
        schedule.result(&conf, at(2), true);
        assert!(schedule.due() > at(2));
        conf.interval = Duration::MAX;
        schedule.result(&conf, at(3), true);
        assert_eq!(schedule.due(), Instant::NEVER);
    }
}
