//! The context of one event: when it happens, and the kernel it acts on.

use core::fmt::{self, Arguments};

use crate::engine::events::{EventKind, Events, Object, Report};
use crate::engine::system::System;
use crate::log::Level;
use crate::types::Instant;

/// Time, kernel and log of an event, passed to everything that the event causes.
pub(crate) struct Cx<'a> {
    /// The time of the event and of everything that it causes.
    pub(crate) now: Instant,
    pub(crate) system: &'a mut dyn System,
    /// What has happened, for the log and `vrrpd events`.
    pub(crate) events: Events,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(now: Instant, system: &'a mut dyn System, events: &Events) -> Self {
        Cx {
            now,
            system,
            events: events.clone(),
        }
    }

    /// Reports an event, see [`Events::report`].
    pub(crate) fn report(&self, report: &Report<'_>, text: Arguments<'_>) {
        self.events.report(self.now, report, text);
    }

    /// Reports an event that has only these values.
    #[inline(never)]
    pub(crate) fn note(
        &self,
        level: Level,
        kind: EventKind,
        object: Object<'_>,
        text: Arguments<'_>,
    ) {
        self.events.note(self.now, level, kind, object, text);
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
