//! The timer of an instance and its knowledge of other routers, for operators.

use core::time::Duration;

use super::instance::{Instance, State};
use super::{Notice, timers};
use crate::types::{Heard, Instant, Outlook, TimerKind};

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

    /// How long an advert may stay unread without effect on when this instance acts: as a backup until
    /// the shortest timer that one can start, Skew_Time after a resignation, and not beyond its own
    /// takeover: a master hears others at once.
    #[must_use]
    pub fn read_delay(&self, now: Instant) -> Duration {
        match &self.state {
            State::Backup(backup) if !backup.is_taking_over() => {
                let skew = self.span(TimerKind::Skew, self.timer_interval());
                let skew = skew.saturating_sub(skew.checked_div(4).unwrap_or_default());
                skew.min(backup.deadline().since(now))
            }
            State::Init | State::Fault => Duration::MAX,
            State::Backup(_) | State::Resuming(_) | State::Master(_) => Duration::ZERO,
        }
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
