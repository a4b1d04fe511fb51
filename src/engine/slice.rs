//! Slices of work that can grow (processes, addresses, routes): after each of them the loop reads
//! packets and lets timers fire, so that no advert waits for all of the work.

use core::time::Duration;

use crate::engine::cx::Cx;
use crate::engine::timers::Timers;
use crate::types::Instant;

/// Longest time of a slice, unless one step of the work takes longer.
const SLICE: Duration = Duration::from_millis(1);

/// A slice in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    end: Instant,
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

    /// Whether the work must stop here. To be asked after each step, so that every slice makes
    /// progress.
    pub(crate) fn is_over(self, cx: &mut Cx<'_>) -> bool {
        cx.system.clock() >= self.end
    }
}
