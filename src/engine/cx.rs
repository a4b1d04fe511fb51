//! The context of one event: when it happens, and the kernel it acts on.

use core::fmt;

use crate::engine::system::System;
use crate::types::Instant;

/// Time and kernel of an event, passed to everything that the event causes.
pub(crate) struct Cx<'a> {
    /// The time of the event and of everything that it causes.
    pub(crate) now: Instant,
    pub(crate) system: &'a mut dyn System,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(now: Instant, system: &'a mut dyn System) -> Self {
        Cx { now, system }
    }

    /// Whether a deadline is set and has come.
    pub(crate) fn is_due(&self, deadline: Option<Instant>) -> bool {
        deadline.is_some_and(|at| at <= self.now)
    }
}

impl fmt::Debug for Cx<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cx")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
