//! Tracked scripts: when a script is run, and what its results mean.
//!
//! The first result alone decides. After that it takes `rise` consecutive successes to change to
//! up, and `fall` consecutive failures to change to down. Runs are scheduled from the configured
//! interval, not from the end of the last run; a run that is due while the script is still running
//! is skipped.

use core::time::Duration;

use crate::types::Instant;

/// `vrrp_script` settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// Time between the starts of two runs; not zero.
    pub interval: Duration,
    /// Consecutive successes needed to count as up.
    pub rise: u32,
    /// Consecutive failures needed to count as down.
    pub fall: u32,
    /// Down until `rise` successes.
    pub init_fail: bool,
}

/// Schedule and state of one script.
#[derive(Clone, Debug)]
pub struct Script {
    params: Params,
    verdict: Option<bool>,
    /// The next result alone decides.
    first: bool,
    /// Consecutive results that contradict the verdict.
    contradicting: u32,
    next: Instant,
    running: bool,
}

impl Script {
    /// A script whose first run is due now.
    #[must_use]
    pub fn new(params: Params, now: Instant) -> Self {
        Script {
            params,
            verdict: params.init_fail.then_some(false),
            first: !params.init_fail,
            contradicting: 0,
            next: now,
            running: false,
        }
    }

    /// Schedules the first run for `now`, unless it has been scheduled before.
    pub fn schedule_first_run(&mut self, now: Instant) {
        if self.next == Instant::ZERO {
            self.next = now;
        }
    }

    /// Takes over the verdict of the script it replaces, until its own first result.
    pub fn inherit(&mut self, other: &Script) {
        if other.verdict.is_some() {
            self.verdict = other.verdict;
            self.first = true;
        }
    }

    /// Changes the settings; the verdict stays.
    pub fn reconfigure(&mut self, params: Params, now: Instant) {
        if self.params.interval != params.interval {
            self.next = now;
        }
        self.params = params;
    }

    /// Whether it is up; `None` before the first result.
    #[must_use]
    pub fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// keepalived's counter for the distance to the other verdict: from 0, down, to rise + fall -
    /// 1, up.
    #[must_use]
    pub fn score(&self) -> u32 {
        let Params { rise, fall, .. } = self.params;
        match self.verdict {
            Some(true) => rise
                .saturating_add(fall)
                .saturating_sub(1)
                .saturating_sub(self.contradicting),
            Some(false) => self.contradicting,
            None => 0,
        }
    }

    /// Whether it is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// When the next run is due. Changes with [`Script::start_if_due`] only.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.next
    }

    /// If a run is due, schedules the next one; true if the script must be started now.
    pub fn start_if_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        // From deadline to deadline, so that the interval does not drift; missed runs are skipped.
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let late = nanos(now.since(self.next));
        let late = late.checked_rem(nanos(self.params.interval)).unwrap_or(0);
        let late = Duration::from_nanos(late);
        self.next = now.after(self.params.interval.saturating_sub(late));
        !core::mem::replace(&mut self.running, true)
    }

    /// The run has ended, with or without a result.
    pub fn run_ended(&mut self) {
        self.running = false;
    }

    /// Records a result; true if the verdict changes.
    pub fn result(&mut self, good: bool) -> bool {
        let first = core::mem::replace(&mut self.first, false);
        if self.verdict == Some(good) {
            self.contradicting = 0;
            return false;
        }
        self.contradicting = self.contradicting.saturating_add(1);
        let enough = match good {
            _ if first => 1,
            true => self.params.rise,
            false => self.params.fall,
        };
        let changes = self.contradicting >= enough;
        if changes {
            self.verdict = Some(good);
            self.contradicting = 0;
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(rise: u32, fall: u32, init_fail: bool) -> Params {
        Params {
            interval: Duration::from_secs(2),
            rise,
            fall,
            init_fail,
        }
    }

    /// Verdicts after each result: `+` success, `-` failure; `?` for none.
    fn verdicts(params: Params, results: &str) -> String {
        let mut script = Script::new(params, Instant::ZERO);
        let word = |verdict| match verdict {
            None => '?',
            Some(true) => '+',
            Some(false) => '-',
        };
        let mut text = String::from(word(script.verdict()));
        for result in results.chars() {
            let before = script.verdict();
            let changed = script.result(result == '+');
            assert_eq!(changed, before != script.verdict());
            text.push(word(script.verdict()));
        }
        text
    }

    #[test]
    fn the_first_result_decides_alone_then_rise_and_fall_count() {
        for (rise, fall, init_fail, results, want) in [
            (1, 1, false, "+-+", "?+-+"),
            (3, 2, false, "+--", "?++-"),
            (3, 2, false, "-+++", "?---+"),
            (3, 2, false, "-++-+++", "?------+"),
            (3, 2, false, "+-+-+--", "?++++++-"),
            (3, 1, true, "+++", "---+"),
            (1, 3, true, "-+", "--+"),
            (2, 3, true, "++---", "--+++-"),
        ] {
            let got = verdicts(params(rise, fall, init_fail), results);
            assert_eq!(got, want, "rise {rise} fall {fall} {init_fail} {results}");
        }
    }

    #[test]
    fn a_replacement_keeps_the_verdict_until_its_first_result() {
        let mut old = Script::new(params(1, 1, false), Instant::ZERO);
        let new = || Script::new(params(3, 3, false), Instant::ZERO);
        let mut unknown = new();
        unknown.inherit(&old);
        assert_eq!(unknown.verdict(), None);
        old.result(true);
        for good in [true, false] {
            let mut new = new();
            new.inherit(&old);
            assert_eq!(new.verdict(), Some(true));
            assert_eq!(new.result(good), !good, "it decides alone");
            assert_eq!(new.verdict(), Some(good));
            assert!(!new.result(!good), "from now on it takes three");
        }
    }

    #[test]
    fn runs_follow_the_interval_and_are_skipped_while_it_runs() {
        let at = Instant::from_millis;
        let mut script = Script::new(params(1, 1, false), at(1000));
        for (name, now, ends, starts, next) in [
            ("too early", 999, false, false, 1000),
            ("the first is at once", 1000, false, true, 3000),
            ("it still runs", 3001, false, false, 5000),
            ("on time again", 5004, true, true, 7000),
            ("late, but no drift", 8500, true, true, 9000),
            ("three missed", 15_100, true, true, 17_000),
            ("exactly on time", 17_000, true, true, 19_000),
        ] {
            if ends {
                script.run_ended();
            }
            assert_eq!(script.start_if_due(at(now)), starts, "{name}");
            assert_eq!(script.next_deadline(), at(next), "{name}");
        }
    }

    #[test]
    fn new_settings_keep_the_verdict() {
        let mut script = Script::new(params(1, 1, false), Instant::ZERO);
        script.result(false);
        script.start_if_due(Instant::ZERO);
        script.reconfigure(params(2, 1, true), Instant::from_millis(5));
        assert_eq!(script.verdict(), Some(false));
        assert_eq!(script.next_deadline(), Instant::from_millis(2000));
        assert!(!script.result(true) && script.result(true));
        let quicker = Params {
            interval: Duration::from_millis(100),
            ..params(2, 1, true)
        };
        script.reconfigure(quicker, Instant::from_millis(500));
        assert_eq!(script.next_deadline(), Instant::from_millis(500));
        assert!(
            !script.start_if_due(Instant::from_millis(500)),
            "it still runs"
        );
    }
}
