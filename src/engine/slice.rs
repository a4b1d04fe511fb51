//! Slices of work that can grow (processes, addresses, routes): after each of them the loop reads
//! packets and lets timers fire, so that no advert waits for all of the work.

use core::time::Duration;

use crate::engine::cx::Cx;
use crate::engine::timers::Timers;
use crate::types::Instant;

/// Longest time of a slice, unless one step of the work takes longer.
const SLICE: Duration = Duration::from_millis(1);
/// Longest time of the share of one of several that take turns in a slice.
const SHARE: Duration = Duration::from_micros(250);

/// A slice in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    end: Instant,
}

impl From<Instant> for Slice {
    /// A slice that has started at this time.
    fn from(start: Instant) -> Self {
        Slice {
            end: start.after(SLICE),
        }
    }
}

impl Slice {
    /// A slice that starts now and ends early if one of the timers becomes due.
    pub(crate) fn start(cx: &mut Cx<'_>, timers: &Timers) -> Self {
        let end = cx.system.clock().after(SLICE);
        let first = timers.first().map_or(end, |(at, _)| at);
        Slice {
            end: end.min(first),
        }
    }

    /// The part of this slice that starts now and is for one of several that take turns.
    pub(crate) fn share(self, cx: &mut Cx<'_>) -> Self {
        let end = cx.system.clock().after(SHARE);
        Slice {
            end: end.min(self.end),
        }
    }

    /// Whether the work must stop here. To be asked after each step, so that every slice makes
    /// progress.
    pub(crate) fn is_over(self, cx: &mut Cx<'_>) -> bool {
        cx.system.clock() >= self.end
    }
}

/// How many requests a step of the work has, so that it takes about [`STEP`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepSize(usize);

/// Time that a step should take, if one request does not take longer.
const STEP: Duration = Duration::from_micros(200);

impl StepSize {
    /// The first step has one request: how long it takes is not known yet.
    pub(crate) const FIRST: StepSize = StepSize(1);

    pub(crate) fn get(self) -> usize {
        self.0
    }

    /// Chooses the size of the next step after one that took `elapsed`.
    pub(crate) fn adapt(&mut self, elapsed: Duration, limit: usize) {
        if elapsed > STEP {
            self.0 = (self.0 / 2).max(1);
        } else if elapsed < STEP / 2 {
            self.0 = self.0.saturating_mul(2).min(limit);
        }
    }
}
