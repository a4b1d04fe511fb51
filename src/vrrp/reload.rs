//! A reload: new settings for a running instance.
//!
//! State, known master and counters stay. Timers are recomputed from their start, so a reload
//! neither brings a takeover closer than the new settings say nor postpones it.

use super::Params;
use super::instance::{Instance, State};
use super::reception::AddressSet;
use crate::types::{Instant, Priority, TimerKind};

impl Instance {
    pub(super) fn on_params(&mut self, now: Instant, params: &Params, effective: Priority) {
        if self.params != *params {
            let was_owner = self.params.priority.is_owner();
            if self.params.addresses != params.addresses {
                self.addresses = AddressSet::new(&params.addresses);
            }
            self.sequences.reserve(params);
            self.params = params.clone();
            if !params.priority.is_owner() {
                self.owner_yields = false;
            }
            self.tracked = effective;
            match self.state {
                State::Init | State::Resuming(_) | State::Fault => {}
                // An owner takes over at once.
                State::Backup(_) if self.acts_as_owner() && !was_owner => {
                    self.arm(now, TimerKind::StartupDelay);
                }
                State::Backup(_) => self.backup_params_changed(now),
                State::Master(_) => self.master_params_changed(now),
            }
        }
        self.on_priority(now, effective);
    }
}
