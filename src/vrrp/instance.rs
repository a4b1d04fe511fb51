//! The state machine of one virtual router.

use super::{Event, Params, StateKind};
use crate::types::Instant;

/// Actions of one event, in order.
pub type Actions = heapless::Vec<super::Action, 16>;

/// One virtual router.
#[derive(Debug)]
pub struct Instance {
    params: Params,
    state: StateKind,
}

impl Instance {
    /// A router that waits for `Event::Start`.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Instance {
            params,
            state: StateKind::Init,
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
}
