//! Maintenance: a router that hands over and stays BACKUP until it ends.
//!
//! It follows adverts as any backup does, with two differences. Whatever would make it master only
//! clears the master it knew ([`Instance::stay_backup`]); after that no timer runs until the next
//! advert. And the timer waits as long as for the lowest priority, so that any other router has
//! taken over before it reports that none has.

use super::instance::{Actions, Instance, Release, State};
use super::{Action, Notice, Reason};
use crate::types::{Instant, Priority, TimerKind};

impl Instance {
    /// Whether it must not become master.
    #[must_use]
    pub fn in_maintenance(&self) -> bool {
        self.maintenance
    }

    pub(super) fn on_demote(&mut self, now: Instant, out: &mut Actions) {
        if core::mem::replace(&mut self.maintenance, true) {
            return;
        }
        match &mut self.state {
            State::Init | State::Fault => {}
            State::Resuming(resume) => {
                let resume = *resume;
                self.abandon_resume(now, resume, out);
            }
            State::Backup(backup) => {
                backup.forget_preemption();
                self.arm(now, TimerKind::Down);
            }
            State::Master(_) => {
                self.release(Release::Resign, out);
                self.become_backup(now, TimerKind::Down, None, Reason::Maintenance, out);
            }
        }
    }

    /// An address owner takes over at once, as at the start; others wait for a down interval.
    pub(super) fn on_promote(&mut self, now: Instant) {
        self.maintenance = false;
        let timer = match self.params.priority.is_owner() {
            true => TimerKind::StartupDelay,
            false => TimerKind::Down,
        };
        self.arm(now, timer);
    }

    /// The time for a takeover has come in maintenance.
    pub(super) fn stay_backup(&mut self, out: &mut Actions) {
        if let State::Backup(backup) = &mut self.state {
            backup.disarm();
        }
        self.push(Action::Notice(Notice::NoMasterInMaintenance), out);
    }

    /// The priority that timers are computed from.
    pub(super) fn timer_priority(&self) -> Priority {
        match self.maintenance {
            true => Priority(1),
            false => self.effective_priority(),
        }
    }

    /// Whether it is an address owner that may become master.
    pub(super) fn acts_as_owner(&self) -> bool {
        self.params.priority.is_owner() && !self.maintenance
    }
}
