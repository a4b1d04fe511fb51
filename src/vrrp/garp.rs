//! When to send gratuitous ARP and unsolicited neighbor advertisements (keepalived.conf(5),
//! `garp_*`).
//!
//! A *burst* is a number of *rounds*; a round is one frame per address. [`Schedule`] only decides
//! which address is next and when; it knows neither the addresses nor the frames. The caller starts
//! a burst on `Action::Announce`, stops on `Action::StopAnnouncing`, and calls [`Schedule::next`]
//! as often as its budget allows: `Some(i)` means "send the frame of address `i` now", `None` means
//! "nothing until [`Schedule::next_deadline`]".
//!
//! A burst that becomes due while another is being sent is merged with it: neighbors learn the same
//! from either, so the larger number of rounds remains to be sent.

//! Other routers can cause bursts: with adverts of lower priority, and by making this router yield
//! and take over again. An [`Allowance`] for each of the two limits them to one round per second on
//! average. A first burst and its repetition are sent as configured; under a flood of adverts of
//! lower priority one round per second remains, and every takeover has at least one round.

use core::time::Duration;

use super::Burst;
use crate::types::{Instant, Rare, Usual};

/// The `garp_*` keywords.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Params {
    /// `garp_master_repeat`: rounds on becoming master.
    pub repeat: u16,
    /// `garp_master_delay`: repeats the burst this long after its start; zero: no repetition.
    pub delay: Duration,
    /// `garp_master_refresh`: period of the refresh while master; zero: never.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`: rounds of one refresh.
    pub refresh_repeat: u16,
    /// `garp_lower_prio_repeat`: rounds after an advert of a master of lower priority; 0: none.
    pub lower_prio_repeat: u16,
    /// `garp_lower_prio_delay`: repeats that burst; zero: no repetition.
    pub lower_prio_delay: Duration,
    /// Time between two rounds of a burst. A full queue or a learning switch that drops one frame
    /// would drop five sent back to back. And when many instances take over together, each gets its
    /// first round before any gets its second.
    pub round_gap: Duration,
}

impl Params {
    /// [`Params::round_gap`] of all instances.
    pub const ROUND_GAP: Duration = Duration::from_millis(20);
}

impl Usual for Params {
    /// keepalived's defaults.
    const USUAL: &'static Self = &Params {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_prio_repeat: 5,
        lower_prio_delay: Duration::from_secs(5),
        round_gap: Params::ROUND_GAP,
    };
}

/// Bursts at once after a quiet time: two takeovers, each with its repetition.
const MASTER_BURSTS: u16 = 4;
/// The burst after an advert of lower priority, and its repetition.
const LOWER_PRIO_BURSTS: u16 = 2;

/// The frames still to be sent for one instance.
#[derive(Debug)]
pub struct Schedule {
    params: Rare<Params>,
    /// Addresses per round.
    count: usize,
    /// Rounds left, including the current one.
    rounds: u16,
    /// Next address of the current round.
    cursor: usize,
    /// No frame before this (pacing).
    not_before: Instant,
    /// Repetition of the burst after becoming master; `NEVER`: none, as in the next three.
    master_again: Instant,
    /// Repetition of the burst after an advert of lower priority.
    lower_prio_again: Instant,
    /// The burst after an advert of lower priority that came before another round was allowed.
    lower_prio_held: Instant,
    /// Next refresh.
    refresh_at: Instant,
    master_allowance: Allowance,
    lower_prio_allowance: Allowance,
}

/// Rounds that others may cause: one per second on average, and a number of them at once after a
/// quiet time.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    /// The rounds sent are paid for at this time, at one per second.
    paid_at: Instant,
}

impl Allowance {
    const PER_ROUND: Duration = Duration::from_secs(1);

    /// Takes up to `wanted` rounds, of which `most` are available after a quiet time; 0: none
    /// before [`Allowance::next`].
    fn take(&mut self, now: Instant, wanted: u16, most: u16) -> u16 {
        let debt = self.paid_at.since(now).as_millis().div_ceil(1000);
        let left = u128::from(most).saturating_sub(debt);
        let taken = wanted.min(u16::try_from(left).unwrap_or(u16::MAX));
        let price = Self::PER_ROUND.saturating_mul(taken.into());
        self.paid_at = self.paid_at.max(now).after(price);
        taken
    }

    /// When one round is available again, after [`Allowance::take`] has returned 0.
    fn next(&self, most: u16) -> Instant {
        let spared = Self::PER_ROUND.saturating_mul(most.saturating_sub(1).into());
        Instant::from_nanos(
            self.paid_at
                .as_nanos()
                .saturating_sub(u64::try_from(spared.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}

impl Schedule {
    /// Nothing to send yet; `count` addresses per round.
    #[must_use]
    pub fn new(params: impl Into<Rare<Params>>, count: usize) -> Self {
        Schedule {
            params: params.into(),
            count,
            rounds: 0,
            cursor: 0,
            not_before: Instant::ZERO,
            master_again: Instant::NEVER,
            lower_prio_again: Instant::NEVER,
            lower_prio_held: Instant::NEVER,
            refresh_at: Instant::NEVER,
            master_allowance: Allowance::default(),
            lower_prio_allowance: Allowance::default(),
        }
    }

    /// Its settings.
    #[must_use]
    pub fn params(&self) -> &Rare<Params> {
        &self.params
    }

    /// Starts a burst and schedules its repetition; `Burst::Master` and `Burst::Resumed` also start
    /// the refresh.
    pub fn start(&mut self, now: Instant, burst: Burst) {
        match burst {
            Burst::Master => {
                self.not_before = now;
                self.master_again = later(now, self.params.delay, self.params.repeat);
                self.refresh_at = later(now, self.params.refresh, self.params.refresh_repeat);
                self.master_rounds(now);
            }
            Burst::Resumed => {
                self.not_before = now;
                self.refresh_at = later(now, self.params.refresh, self.params.refresh_repeat);
                self.at_least(self.params.repeat.min(1));
            }
            Burst::LowerPrio => self.start_lower_prio(now),
        }
    }

    /// One round at least: without it the neighbors would not learn of the takeover (RFC 9568
    /// §6.4.1).
    fn master_rounds(&mut self, now: Instant) {
        let repeat = self.params.repeat;
        let most = repeat.saturating_mul(MASTER_BURSTS);
        let rounds = self.master_allowance.take(now, repeat, most);
        self.at_least(rounds.max(repeat.min(1)));
    }

    fn start_lower_prio(&mut self, now: Instant) {
        let (repeat, delay) = (self.params.lower_prio_repeat, self.params.lower_prio_delay);
        if self.lower_prio_rounds(now) {
            self.lower_prio_again = later(now, delay, repeat);
        }
    }

    /// Sends the allowed rounds now, or else one when it is allowed.
    fn lower_prio_rounds(&mut self, now: Instant) -> bool {
        let repeat = self.params.lower_prio_repeat;
        if repeat == 0 {
            return false;
        }
        let most = repeat.saturating_mul(LOWER_PRIO_BURSTS);
        let rounds = self.lower_prio_allowance.take(now, repeat, most);
        self.lower_prio_held = match rounds {
            0 => self.lower_prio_allowance.next(most),
            _ => Instant::NEVER,
        };
        if rounds > 0 && self.rounds == 0 {
            self.not_before = now;
        }
        if rounds > 0 {
            self.at_least(rounds);
        }
        rounds > 0
    }

    /// Reload: changes settings and the number of addresses. Scheduled bursts stay scheduled.
    pub fn reconfigure(&mut self, params: impl Into<Rare<Params>>, count: usize) {
        let params = params.into();
        self.count = count;
        self.cursor = 0;
        if params.refresh.is_zero() {
            self.refresh_at = Instant::NEVER;
        }
        self.params = params;
    }

    /// Cancels everything that was still to be sent.
    pub fn stop(&mut self) {
        *self = Schedule {
            master_allowance: self.master_allowance,
            lower_prio_allowance: self.lower_prio_allowance,
            ..Schedule::new(self.params.clone(), self.count)
        };
    }

    /// When [`Schedule::next`] has a frame again. Changes through `start`, `stop` and `next` only.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.count == 0 {
            return None;
        }
        if self.rounds > 0 {
            return Some(self.not_before);
        }
        let due = self
            .master_again
            .min(self.lower_prio_again)
            .min(self.lower_prio_held)
            .min(self.refresh_at);
        Some(due.max(self.not_before)).filter(|_| due < Instant::NEVER)
    }

    /// The address whose frame is to be sent now, if any.
    pub fn next(&mut self, now: Instant) -> Option<usize> {
        if self.count == 0 || now < self.not_before {
            return None;
        }
        self.add_due(now);
        if self.rounds == 0 {
            return None;
        }
        let address = self.cursor;
        self.cursor = self.cursor.saturating_add(1);
        if self.cursor >= self.count {
            self.cursor = 0;
            self.rounds = self.rounds.saturating_sub(1);
            self.not_before = now.after(self.params.round_gap);
        }
        Some(address)
    }

    /// Adds the rounds of bursts that have become due.
    fn add_due(&mut self, now: Instant) {
        if self.master_again <= now {
            self.master_again = Instant::NEVER;
            self.master_rounds(now);
        }
        if self.lower_prio_again <= now {
            self.lower_prio_again = Instant::NEVER;
            self.lower_prio_rounds(now);
        }
        if self.lower_prio_held <= now {
            self.start_lower_prio(now);
        }
        if self.refresh_at <= now {
            let (at, period) = (self.refresh_at, self.params.refresh);
            self.refresh_at = super::timers::next_period(at, period, now);
            self.at_least(self.params.refresh_repeat);
        }
    }

    /// Sends at least `rounds` full rounds from here on. The current round is completed first:
    /// restarting it would starve the last addresses when many are paced.
    fn at_least(&mut self, rounds: u16) {
        let in_progress = u16::from(self.cursor > 0);
        self.rounds = self.rounds.max(rounds.saturating_add(in_progress));
    }
}

/// `span` after `now`; `NEVER` if there is nothing to repeat.
fn later(now: Instant, span: Duration, rounds: u16) -> Instant {
    if span.is_zero() || rounds == 0 {
        return Instant::NEVER;
    }
    now.after(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Params = Params {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_prio_repeat: 5,
        lower_prio_delay: Duration::from_secs(5),
        round_gap: Duration::ZERO,
    };

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    /// Everything sent until `end`, as (ms, address).
    fn run(schedule: &mut Schedule, end: Instant) -> Vec<(u64, usize)> {
        let mut sent = Vec::new();
        let mut now = Instant::ZERO;
        while let Some(due) = schedule.next_deadline().filter(|due| *due <= end) {
            now = now.max(due);
            let address = schedule.next(now).expect("a deadline means a frame");
            sent.push((now.as_nanos() / 1_000_000, address));
        }
        sent
    }

    #[test]
    fn five_rounds_now_and_five_more_after_the_delay() {
        let mut schedule = Schedule::new(DEFAULTS, 2);
        schedule.start(at(0), Burst::Master);
        let sent = run(&mut schedule, at(60_000));
        let round = |t| [(t, 0), (t, 1)];
        let want: Vec<_> = [0, 5000]
            .into_iter()
            .flat_map(|t| core::iter::repeat_n(round(t), 5))
            .flatten()
            .collect();
        assert_eq!(sent, want);
        assert_eq!(schedule.next_deadline(), None);
    }

    #[test]
    fn zero_delay_means_one_burst() {
        let params = Params {
            repeat: 1,
            delay: Duration::ZERO,
            ..DEFAULTS
        };
        let mut schedule = Schedule::new(params, 1);
        schedule.start(at(0), Burst::Master);
        assert_eq!(run(&mut schedule, at(60_000)), [(0, 0)]);
    }

    #[test]
    fn refresh_continues_from_the_last_deadline_with_its_own_number_of_rounds() {
        let params = Params {
            repeat: 1,
            delay: Duration::ZERO,
            refresh: Duration::from_secs(10),
            refresh_repeat: 2,
            ..DEFAULTS
        };
        let mut schedule = Schedule::new(params, 1);
        schedule.start(at(3), Burst::Master);
        assert_eq!(
            run(&mut schedule, at(20_003)),
            [(3, 0), (10_003, 0), (10_003, 0), (20_003, 0), (20_003, 0)]
        );
        // Served 25 s late: one refresh, not three, and the grid stays.
        assert_eq!(schedule.next(at(55_100)), Some(0));
        assert_eq!(schedule.next(at(55_100)), Some(0));
        assert_eq!(schedule.next(at(55_100)), None);
        assert_eq!(schedule.next_deadline(), Some(at(60_003)));
    }

    #[test]
    fn rounds_keep_their_gap_and_a_new_burst_starts_at_once() {
        let params = Params {
            repeat: 2,
            delay: Duration::ZERO,
            round_gap: Duration::from_millis(20),
            ..DEFAULTS
        };
        let mut schedule = Schedule::new(params, 2);
        schedule.start(at(0), Burst::Master);
        let sent = run(&mut schedule, at(1000));
        assert_eq!(sent, [(0, 0), (0, 1), (20, 0), (20, 1)]);
        schedule.start(at(1001), Burst::Master);
        assert_eq!(schedule.next(at(1001)), Some(0));
        assert_eq!(schedule.next(at(1001)), Some(1));
        assert_eq!(schedule.next(at(1001)), None);
        schedule.stop();
        schedule.start(at(1002), Burst::Master);
        assert_eq!(schedule.next(at(1002)), Some(0));
    }

    #[test]
    fn a_small_budget_continues_where_it_stopped() {
        let params = Params {
            repeat: 2,
            delay: Duration::ZERO,
            ..DEFAULTS
        };
        let mut schedule = Schedule::new(params, 3);
        schedule.start(at(0), Burst::Master);
        let four = |s: &mut Schedule| (0..4).map_while(|_| s.next(at(0))).collect::<Vec<_>>();
        assert_eq!(four(&mut schedule), [0, 1, 2, 0]);
        assert_eq!(schedule.next_deadline(), Some(at(0)));
        assert_eq!(four(&mut schedule), [1, 2]);
        assert_eq!(schedule.next_deadline(), None);
    }

    #[test]
    fn an_advert_of_lower_priority_has_a_burst_of_its_own() {
        let params = Params {
            repeat: 1,
            delay: Duration::ZERO,
            lower_prio_repeat: 2,
            lower_prio_delay: Duration::from_secs(1),
            ..DEFAULTS
        };
        let mut schedule = Schedule::new(params, 1);
        schedule.start(at(0), Burst::LowerPrio);
        assert_eq!(
            run(&mut schedule, at(60_000)),
            [(0, 0), (0, 0), (1000, 0), (1000, 0)]
        );
        let silent = Params {
            lower_prio_repeat: 0,
            ..params
        };
        let mut schedule = Schedule::new(silent, 1);
        schedule.start(at(0), Burst::LowerPrio);
        assert_eq!(schedule.next_deadline(), None);
    }

    /// Frames of one address in each second while `burst` is started every `period` ms.
    fn frames_per_second(burst: Burst, period: usize, seconds: u64) -> Vec<usize> {
        let mut schedule = Schedule::new(DEFAULTS, 1);
        let mut frames = Vec::new();
        for ms in (0..seconds * 1000).step_by(period) {
            if burst == Burst::Master {
                schedule.stop();
            }
            if ms / 1000 == frames.len() as u64 {
                frames.push(0);
            }
            schedule.start(at(ms), burst);
            let sent = core::iter::from_fn(|| schedule.next(at(ms))).count();
            *frames.last_mut().expect("this second") += sent;
        }
        frames
    }

    #[test]
    fn a_flood_of_adverts_of_lower_priority_causes_one_round_per_second() {
        for period in [1, 31, 250] {
            let frames = frames_per_second(Burst::LowerPrio, period, 60);
            assert_eq!(frames[0], 10, "two bursts at once: {frames:?}");
            assert_eq!(frames.iter().sum::<usize>(), 10 + 59, "{frames:?}");
            assert!(frames[1..].iter().all(|sent| *sent <= 1), "{frames:?}");
        }
    }

    #[test]
    fn the_last_advert_of_a_flood_is_followed_by_a_round_within_a_second() {
        let mut schedule = Schedule::new(DEFAULTS, 1);
        for now in (0..10_000).map(at) {
            schedule.start(now, Burst::LowerPrio);
            while schedule.next(now).is_some() {}
        }
        let sent = run(&mut schedule, at(60_000));
        assert_eq!(sent[0], (10_000, 0), "{sent:?}");
        assert_eq!(
            sent.len(),
            6,
            "and by the repetition of the burst: {sent:?}"
        );
        assert_eq!(schedule.next_deadline(), None);
        schedule.start(at(60_000), Burst::LowerPrio);
        assert_eq!(run(&mut schedule, at(90_000)).len(), 10, "as at first");
    }

    #[test]
    fn takeovers_in_fast_succession_have_one_round_each() {
        let frames = frames_per_second(Burst::Master, 100, 20);
        assert_eq!(frames[0], 20 + 6, "four bursts: {frames:?}");
        assert!(frames[1..].iter().all(|sent| *sent == 10), "{frames:?}");
    }

    #[test]
    fn a_second_start_during_a_burst_does_not_add_up() {
        let mut schedule = Schedule::new(
            Params {
                delay: Duration::ZERO,
                lower_prio_delay: Duration::ZERO,
                ..DEFAULTS
            },
            2,
        );
        schedule.start(at(0), Burst::Master);
        assert_eq!(schedule.next(at(0)), Some(0));
        schedule.start(at(0), Burst::LowerPrio);
        let rest_of_the_round_and_five_more = 1 + 10;
        assert_eq!(
            run(&mut schedule, at(0)).len(),
            rest_of_the_round_and_five_more
        );
    }

    #[test]
    fn repeated_adverts_of_lower_priority_do_not_starve_the_last_address() {
        let mut schedule = Schedule::new(DEFAULTS, 8);
        let mut served = [0; 8];
        for second in 0..20 {
            schedule.start(at(second * 1000), Burst::LowerPrio);
            // Pacing allows four frames before the next burst starts.
            for tick in 0..4 {
                if let Some(i) = schedule.next(at(second * 1000 + tick * 100)) {
                    served[i] += 1;
                }
            }
        }
        assert!(served.iter().all(|n| *n >= 5), "{served:?}");
    }

    #[test]
    fn stop_cancels_everything_and_no_address_means_no_deadline() {
        let mut schedule = Schedule::new(DEFAULTS, 2);
        schedule.start(at(0), Burst::Master);
        schedule.stop();
        assert_eq!(schedule.next(at(10_000)), None);
        assert_eq!(schedule.next_deadline(), None);
        let mut empty = Schedule::new(DEFAULTS, 0);
        empty.start(at(0), Burst::Master);
        assert_eq!(empty.next(at(0)), None);
        assert_eq!(empty.next_deadline(), None);
    }
}
