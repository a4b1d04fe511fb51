//! The state machine of one virtual router.

use core::net::IpAddr;

use super::{Event, Params, Seen, StateKind, Stats};
use crate::types::{Instant, Priority};

/// Actions of one event, in order.
pub type Actions = heapless::Vec<super::Action, 16>;

/// One virtual router.
#[derive(Debug)]
pub struct Instance {
    params: Params,
    state: StateKind,
    stats: Stats,
}

impl Instance {
    /// A router that waits for `Event::Start`.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Instance {
            params,
            state: StateKind::Init,
            stats: Stats::default(),
        }
    }

    /// Takes one event; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Actions) {
        let _ = (now, event, out, &self.params);
    }

    /// When `Event::Timer` is due; changes only through `handle`.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Current state.
    #[must_use]
    pub fn state(&self) -> StateKind {
        self.state
    }

    /// The configuration it runs with.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The address its adverts are sent from, once known.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        None
    }

    /// The priority its adverts carry.
    #[must_use]
    pub fn effective_priority(&self) -> Priority {
        self.params.priority
    }

    /// The other router that is master, as last heard; `None` as master or when none was heard.
    #[must_use]
    pub fn master(&self) -> Option<Seen> {
        None
    }

    /// Counters.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Counters, for what `engine` finds out before an advert gets here, and to clear them.
    pub fn stats_mut(&mut self) -> &mut Stats {
        &mut self.stats
    }
}
