//! A script that is run again and again: when it is its turn, and what its results come to.
//!
//! The first result decides alone. After that it takes `rise` successes in a row to count as good again, and
//! `fall` failures in a row to count as bad. Turns come from the configured interval, not from when the last run
//! ended; a turn that comes while the script still runs is left out.

use core::time::Duration;

use crate::types::Instant;

/// What a script must know of its configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// From turn to turn; not zero.
    pub interval: Duration,
    /// Successes in a row that count as good.
    pub rise: u32,
    /// Failures in a row that count as bad.
    pub fall: u32,
    /// Bad until its first success.
    pub init_fail: bool,
}

/// See the top of the file.
#[derive(Clone, Debug)]
pub struct Script {
    params: Params,
    verdict: Option<bool>,
    /// The next result decides alone.
    first: bool,
    /// Results in a row that contradict the verdict.
    against: u32,
    next: Instant,
    running: bool,
}

impl Script {
    /// A script whose first turn is now.
    #[must_use]
    pub fn new(params: Params, now: Instant) -> Self {
        Script {
            params,
            verdict: params.init_fail.then_some(false),
            first: !params.init_fail,
            against: 0,
            next: now,
            running: false,
        }
    }

    /// The first turn is now, unless it was before.
    pub fn schedule_first_run(&mut self, now: Instant) {
        if self.next == Instant::ZERO {
            self.next = now;
        }
    }

    /// Takes the place of another script, whose verdict holds until there is a result.
    pub fn inherit(&mut self, other: &Script) {
        if other.verdict.is_some() {
            self.verdict = other.verdict;
            self.first = true;
        }
    }

    /// Changes rules; the verdict stays.
    pub fn reconfigure(&mut self, params: Params, now: Instant) {
        if self.params.interval != params.interval {
            self.next = now;
        }
        self.params = params;
    }

    /// Whether it is good; `None` before the first result.
    #[must_use]
    pub fn verdict(&self) -> Option<bool> {
        self.verdict
    }

    /// How far it is from the other verdict, as keepalived counts: 0 is certainly bad, rise + fall - 1
    /// certainly good.
    #[must_use]
    pub fn score(&self) -> u32 {
        let Params { rise, fall, .. } = self.params;
        match self.verdict {
            Some(true) => rise
                .saturating_add(fall)
                .saturating_sub(1)
                .saturating_sub(self.against),
            Some(false) => self.against,
            None => 0,
        }
    }

    /// Whether a run has been started that has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// When its next turn comes. Changes with [`Script::start_if_due`] only.
    #[must_use]
    pub fn next_deadline(&self) -> Instant {
        self.next
    }

    /// Takes the turn if it has come; true when the script is to be started.
    pub fn start_if_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        // From deadline to deadline, so that the interval holds; turns that were slept through are left out.
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let late = nanos(now.since(self.next));
        let late = late.checked_rem(nanos(self.params.interval)).unwrap_or(0);
        let late = Duration::from_nanos(late);
        self.next = now.after(self.params.interval.saturating_sub(late));
        !core::mem::replace(&mut self.running, true)
    }

    /// The run is over, whatever came of it.
    pub fn run_ended(&mut self) {
        self.running = false;
    }

    /// A result; true when the verdict changes.
    pub fn result(&mut self, good: bool) -> bool {
        let first = core::mem::replace(&mut self.first, false);
        if self.verdict == Some(good) {
            self.against = 0;
            return false;
        }
        self.against = self.against.saturating_add(1);
        let enough = match good {
            _ if first => 1,
            true => self.params.rise,
            false => self.params.fall,
        };
        let changes = self.against >= enough;
        if changes {
            self.verdict = Some(good);
            self.against = 0;
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
    fn a_successor_goes_on_with_the_verdict_until_its_first_result() {
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
    fn turns_come_from_the_interval_and_are_left_out_while_it_runs() {
        let at = Instant::from_millis;
        let mut script = Script::new(params(1, 1, false), at(1000));
        for (name, now, ends, starts, next) in [
            ("too early", 999, false, false, 1000),
            ("the first is at once", 1000, false, true, 3000),
            ("it still runs", 3001, false, false, 5000),
            ("on time again", 5004, true, true, 7000),
            ("late, but no drift", 8500, true, true, 9000),
            ("slept through three", 15_100, true, true, 17_000),
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
    fn other_rules_leave_the_verdict() {
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
