//! Limits the repair of what another program removes or changes again and again, whatever the
//! object: the first repair is done at once, those that follow after growing delays.
//!
//! Each object, or set of objects that are repaired together, has a [`RepairLimit`]:
//!
//! ```text
//! when it is found missing or different:  limit.notice(now, n) true: give up for a while, see is_held
//! before the repair:                      if limit.may_repair(now) { … }
//! after it:                               let count = limit.repaired(now);
//!                                         if is_logged(count) { log it, with the count }
//! timer:                                  limit.next_deadline(), then the same again
//! ```
//! A fight is lost when [`ATTEMPTS`] repairs in a row were undone and the object was missing for most
//! of that time. The owner of the limit then hands over until [`RepairLimit::is_held`] is over; that
//! takes longer each time, and is forgotten after [`FORGET`] without a lost fight.

use core::time::Duration;

use crate::engine::kernel::backoff::Backoff;
use crate::types::Instant;

/// Delays between repairs in a row, in milliseconds.
const PAUSE_FIRST: u32 = 10;
const PAUSE_LAST: u32 = 1_000;
/// An object that stays this long after a repair is repaired at once the next time.
const STAYED: Duration = Duration::from_millis(100);
/// Repairs in a row that must be undone before the fight is lost: about 1.3 seconds.
const ATTEMPTS: u32 = 8;
/// Time without a repair that ends a row.
const QUIET: Duration = Duration::from_secs(10);
/// Time until the next attempt after a lost fight, in milliseconds.
const HOLD_FIRST: u32 = 10_000;
const HOLD_LAST: u32 = 320_000;
/// Time after which a lost fight no longer lengthens the next hold.
const FORGET: Duration = Duration::from_secs(900);
/// Repairs in a row that are announced to neighbors like a takeover.
const ANNOUNCED: u32 = 4;

/// When an object may be repaired that another program removes or changes.
#[derive(Debug, Default)]
pub(crate) struct RepairLimit {
    /// Few objects were ever removed or repaired and have one.
    row: Option<Box<Row>>,
}

/// Repairs in a row, and lost fights.
#[derive(Debug)]
struct Row {
    /// The next repair in a row.
    pause: Backoff,
    /// The next attempt after a lost fight.
    hold: Backoff,
    lost_at: Instant,
    /// The object is missing, since then.
    missing_since: Option<Instant>,
    /// Start of the row, and how long the object was missing since.
    started: Instant,
    missing: Duration,
    /// Repairs in the row, and the time of the last one.
    count: u32,
    last: Instant,
    /// Position of the object in its set, when the fight was lost.
    contested: usize,
}

impl Default for Row {
    fn default() -> Self {
        Row {
            pause: Backoff::new(PAUSE_FIRST, PAUSE_LAST),
            hold: Backoff::new(HOLD_FIRST, HOLD_LAST),
            lost_at: Instant::ZERO,
            missing_since: None,
            started: Instant::ZERO,
            missing: Duration::ZERO,
            count: 0,
            last: Instant::ZERO,
            contested: 0,
        }
    }
}

impl RepairLimit {
    pub(crate) const fn new() -> Self {
        RepairLimit { row: None }
    }

    /// The object at position `nth` of its set is missing or was changed, by another program. Returns
    /// whether the fight is now lost.
    pub(crate) fn notice(&mut self, now: Instant, nth: usize) -> bool {
        let row = self.row.get_or_insert_default();
        let lost = row.notice(now);
        if lost {
            row.contested = nth;
        }
        lost
    }

    /// Whether a repair may be done now. If not, it is due at [`RepairLimit::next_deadline`].
    pub(crate) fn may_repair(&mut self, now: Instant) -> bool {
        self.row.as_mut().is_none_or(|row| row.may_repair(now))
    }

    /// The object was repaired. Returns the number of repairs in a row. One without a notice, after
    /// an interface was down, delays no other.
    pub(crate) fn repaired(&mut self, now: Instant) -> u32 {
        self.row.get_or_insert_default().repaired(now)
    }

    /// Whether the next repair is logged.
    pub(crate) fn is_next_logged(&self) -> bool {
        let count = self.row.as_ref().map_or(0, |row| row.count);
        is_logged(count.saturating_add(1))
    }

    /// The object is there, or no longer needed: no repair is due.
    pub(crate) fn settle(&mut self) {
        if let Some(row) = &mut self.row {
            row.missing_since = None;
        }
    }

    /// Whether a fight was lost, and the time until the next attempt is not over.
    pub(crate) fn is_held(&self) -> bool {
        self.hold_until().is_some()
    }

    /// When the next attempt after a lost fight is due.
    pub(crate) fn hold_until(&self) -> Option<Instant> {
        self.row.as_ref()?.hold.retry_at()
    }

    /// Ends the hold, before its time or when it is due: returns whether it was.
    pub(crate) fn end_hold(&mut self, now: Instant) -> bool {
        let held = self.is_held();
        if let Some(row) = &mut self.row {
            row.hold.take_due(now);
        }
        held && !self.is_held()
    }

    /// The lost fight is no reason to hand over.
    pub(crate) fn cancel_hold(&mut self) {
        if let Some(row) = &mut self.row {
            row.hold.cancel();
        }
    }

    /// When a repair or the end of a hold is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let row = self.row.as_ref()?;
        let repair = row.pause.retry_at();
        let repair = repair.filter(|_| row.missing_since.is_some());
        let both = [repair, row.hold.retry_at()];
        both.into_iter().flatten().min()
    }

    /// Position of the object in its set, when the fight was lost.
    pub(crate) fn contested(&self) -> usize {
        self.row.as_ref().map_or(0, |row| row.contested)
    }

    /// The fight that was lost, for the log: repairs, milliseconds, and seconds until the next
    /// attempt.
    pub(crate) fn lost(&self) -> Lost {
        let Some(row) = &self.row else {
            return Lost::default();
        };
        let next = row.hold.retry_at().unwrap_or(row.lost_at);
        Lost {
            repairs: row.count,
            millis: row.lost_at.since(row.started).as_millis(),
            hold: next.since(row.lost_at).as_secs(),
        }
    }
}

impl Row {
    fn notice(&mut self, now: Instant) -> bool {
        if self.missing_since.is_some() {
            return false;
        }
        self.continue_row(now);
        if now.since(self.last) >= STAYED {
            self.pause.reset();
        }
        self.missing_since = Some(now);
        let mostly_missing = self.missing.saturating_mul(2) > now.since(self.started);
        let held = self.hold.retry_at().is_some();
        if self.count < ATTEMPTS || !mostly_missing || held {
            return false;
        }
        if now.since(self.lost_at) >= FORGET {
            self.hold.reset();
        }
        self.lost_at = now;
        self.hold.fail(now);
        true
    }

    fn may_repair(&mut self, now: Instant) -> bool {
        self.pause.take_due(now);
        let wait = self.pause.retry_at().is_some();
        if wait {
            self.missing_since.get_or_insert(now);
        }
        !wait
    }

    fn repaired(&mut self, now: Instant) -> u32 {
        if let Some(since) = self.missing_since.take() {
            self.missing = self.missing.saturating_add(now.since(since));
            self.pause.take_due(now);
            self.pause.fail(now);
        } else {
            self.continue_row(now);
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        self.count
    }

    /// Starts another row if the last one is over.
    fn continue_row(&mut self, now: Instant) {
        if self.count == 0 || now.since(self.last) >= QUIET {
            self.count = 0;
            self.started = now;
            self.missing = Duration::ZERO;
        }
    }
}

/// A lost fight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lost {
    pub(crate) repairs: u32,
    pub(crate) millis: u128,
    /// Seconds until the next attempt.
    pub(crate) hold: u64,
}

/// Whether the repair with this number in its row is logged: the 1st, 8th, 64th …
pub(crate) const fn is_logged(count: u32) -> bool {
    count.is_power_of_two() && count.trailing_zeros().is_multiple_of(3)
}

/// Whether the repair with this number in its row is announced to neighbors. Their entries are right
/// when the same router has the address again.
pub(crate) const fn is_announced(count: u32) -> bool {
    count <= ANNOUNCED || is_logged(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another program removes the object `after` each repair. Returns the times of the repairs,
    /// and the time at which the fight was lost.
    fn fight(
        limit: &mut RepairLimit,
        from: Instant,
        after: Duration,
        until: Instant,
    ) -> (Vec<Instant>, Option<Instant>) {
        let (mut now, mut repairs) = (from, Vec::new());
        while now <= until {
            if limit.notice(now, 0) {
                limit.settle();
                return (repairs, Some(now));
            }
            if !limit.may_repair(now) {
                now = limit.next_deadline().expect("a repair is due later");
                assert!(limit.may_repair(now));
            }
            limit.repaired(now);
            repairs.push(now);
            now = now.after(after);
        }
        (repairs, None)
    }

    fn ms(ms: u64) -> Instant {
        Instant::from_millis(100_000 + ms)
    }

    #[test]
    fn repairs_slow_down_and_a_fight_that_is_lost_ends() {
        let mut limit = RepairLimit::default();
        let (repairs, lost) = fight(&mut limit, ms(0), Duration::from_micros(50), ms(60_000));
        let at = |nth: usize| repairs[nth].since(ms(0)).as_millis();
        assert_eq!((at(0), at(1), at(2), at(7)), (0, 10, 30, 1270));
        assert_eq!(repairs.len(), 8);
        let lost = lost.expect("the object was missing nearly always");
        assert!(lost.since(ms(0)) < Duration::from_millis(1300));
        assert!(limit.is_held());
        let end = limit.next_deadline().expect("the hold ends");
        assert_eq!(end.since(lost).as_millis(), u128::from(HOLD_FIRST));
    }

    #[test]
    fn an_object_that_is_mostly_there_is_repaired_at_once_for_ever() {
        let mut limit = RepairLimit::default();
        let (repairs, lost) = fight(&mut limit, ms(0), STAYED, ms(360_000));
        assert_eq!(lost, None);
        assert_eq!(repairs.len(), 3601, "ten times per second");
        let logged = (1..=3600).filter(|count| is_logged(*count)).count();
        assert_eq!(logged, 4, "1, 8, 64, 512");
    }

    #[test]
    fn holds_grow_and_are_normal_again_after_a_quiet_time() {
        let mut limit = RepairLimit::default();
        let mut start = ms(0);
        let mut holds = Vec::new();
        for nth in 0..9 {
            let until = start.after(Duration::from_secs(60));
            let (_, lost) = fight(&mut limit, start, Duration::ZERO, until);
            let lost = lost.expect("lost");
            let end = limit.next_deadline().expect("the hold ends");
            assert!(limit.end_hold(end));
            holds.push(end.since(lost).as_secs());
            start = end.after(Duration::from_secs(3));
            if nth == 7 {
                start = lost.after(FORGET);
            }
        }
        assert_eq!(holds, [10, 20, 40, 80, 160, 320, 320, 320, 10]);
    }

    #[test]
    fn a_row_ends_after_a_quiet_time() {
        let mut limit = RepairLimit::default();
        fight(&mut limit, ms(0), Duration::ZERO, ms(400));
        let later = ms(1000).after(QUIET);
        limit.notice(later, 0);
        assert!(limit.may_repair(later), "at once");
        assert_eq!(limit.repaired(later), 1);
    }
}
