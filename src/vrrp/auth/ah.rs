//! Sequence numbers of AH (RFC 2402 §2.5): one 32-bit counter per instance for both directions.
//!
//! A number is accepted when it exceeds the highest one accepted or sent so far; the next one sent
//! exceeds that. keepalived counts from 1, so a keepalived that restarts looks like a replay to its
//! peers until it hears them. We send the wall-clock seconds instead, or the highest known number
//! plus one if that is more:
//! * Numbers sent before a restart, at most one per second, were lower: our first advert is
//!   accepted.
//! * keepalived only requires that numbers increase, so it accepts the jump and continues from
//!   there.
//! * After a start nothing is known, so the first number received is accepted whatever it is; the
//!   clock does not count as known. Otherwise a master that counts from 1 would look like a replay,
//!   and there would be two masters. As with keepalived, a router that has just started can be
//!   shown an old advert.
//! * Without a working clock (a router that boots in 1970) this is what keepalived does.
//! * A router that resumes as master (`resume.rs`) continues after the previous process, which may
//!   have been ahead of the clock. Received numbers are not compared with that.
//!
//! Beyond [`LAST`] a master becomes BACKUP; the counter restarts when it becomes MASTER again.

use core::time::Duration;

/// The highest number sent; keepalived's limit as well.
pub(super) const LAST: u32 = 0xffff_fffd;
/// A clock beyond this is ignored: it would exhaust the numbers soon.
const CLOCK_LAST: u32 = 0xf000_0000;

#[derive(Debug, Default)]
pub(super) struct AhSequence {
    /// Highest number accepted or sent; 0: none.
    highest: u32,
    /// Last number of the previous process, until the next one is sent.
    previous: u32,
}

impl AhSequence {
    /// Accepts a received number if it is new.
    pub(super) fn accept(&mut self, sequence: u32) -> bool {
        let new = sequence > self.highest;
        if new {
            self.highest = sequence;
        }
        new
    }

    pub(super) fn last(&self) -> u32 {
        self.highest.max(self.previous)
    }

    pub(super) fn continue_after(&mut self, last: u64) {
        let last = u32::try_from(last).ok().filter(|last| *last < LAST);
        self.previous = last.unwrap_or(0);
    }

    /// The next number to send; `None` when there is none left.
    pub(super) fn next(&mut self, wall: Duration) -> Option<u32> {
        let known = self.highest.max(core::mem::take(&mut self.previous));
        let next = known.checked_add(1).filter(|next| *next <= LAST)?;
        let clock = u32::try_from(wall.as_secs()).unwrap_or(u32::MAX);
        let clock = if clock < CLOCK_LAST { clock } else { 0 };
        self.highest = next.max(clock);
        Some(self.highest)
    }

    pub(super) fn is_exhausted(&self) -> bool {
        self.highest >= LAST
    }

    pub(super) fn restart_if_exhausted(&mut self) {
        if self.is_exhausted() {
            self.highest = 0;
        }
    }
}
