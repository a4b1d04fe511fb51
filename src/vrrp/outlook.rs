//! The timer of an instance and its knowledge of other routers, for operators.

use core::time::Duration;

use super::instance::{Instance, State};
use super::{Notice, timers};
use crate::types::{Heard, Instant, Outlook};

impl Instance {
    /// The last accepted advert of another router, in whatever state it was received. Its priority
    /// is 0 if that router resigned.
    #[must_use]
    pub fn last_heard(&self) -> Option<Heard> {
        self.heard
    }

    /// The event that it waits for.
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        match &self.state {
            State::Init | State::Fault => Outlook::Nothing,
            State::Resuming(resume) => Outlook::Resuming { at: resume.at },
            State::Backup(backup) => Outlook::Backup(backup.outlook()),
            State::Master(master) => Outlook::Master(master.outlook()),
        }
    }

    /// End of the startup delay, also if it is over.
    #[must_use]
    pub fn startup_delay_end(&self) -> Instant {
        match &self.state {
            State::Resuming(resume) => resume.hold_until,
            State::Init | State::Fault | State::Backup(_) | State::Master(_) => self.hold_until,
        }
    }

    /// Skew_Time at the current priority.
    #[must_use]
    pub fn skew(&self) -> Duration {
        let priority = self.effective_priority();
        timers::skew(self.params.version, self.timer_interval(), priority)
    }

    /// Whether it has priority 254 because it yields to another address owner.
    #[must_use]
    pub fn yields_to_owner(&self) -> bool {
        self.owner_yields
    }

    /// Senders whose adverts are rejected or conspicuous: what the last of them showed, and when.
    /// One that has shown nothing for a minute is forgotten.
    pub fn conspicuous(&self, now: Instant) -> impl Iterator<Item = (Instant, Notice)> + '_ {
        self.senders.recent(now)
    }
}
