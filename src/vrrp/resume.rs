//! Going on as master where a process that died has left off (hot restart).
//!
//! A peer takes over when it has heard nothing for three intervals and its skew. Until three intervals after our last
//! advert nobody has, unless an advert was lost; so whoever is back by then need not be BACKUP first, which would
//! mean to take the addresses away and to wait for the end of a silence that is our own.
//!
//! But it must be sure of it: the sockets have been open for a moment only, and whoever sent an advert since then is
//! master in our place. So the instance is not MASTER at once. It waits in INIT, hears all adverts that have arrived,
//! and then its timer, which is due from the beginning, decides. Whatever speaks against it leads to an
//! ordinary start; what the kernel still has of the former process is `engine`'s to remove then.

use core::time::Duration;

use super::Reason;
use super::instance::{Actions, Instance, State};
use crate::types::Instant;

/// Adverts a peer must miss to take over, unless it has another `vrrp_down_timer_adverts` than the usual.
const MISSED: u8 = 3;

/// About to go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    pub(super) since: Instant,
    until: Instant,
    hold: Duration,
}

impl Instance {
    /// How long after one of our adverts no peer has taken over: none has less patience than this.
    #[must_use]
    pub fn grace(&self) -> Duration {
        let adverts = self.params.down_timer_adverts.min(MISSED);
        let interval = self.params.advert_int.duration();
        interval.saturating_mul(adverts.into())
    }

    /// Whether it is about to go on as master.
    #[must_use]
    pub fn is_resuming(&self) -> bool {
        matches!(self.state, State::Resuming(_))
    }

    pub(super) fn on_resume(&mut self, now: Instant, until: Instant, hold: Duration) {
        if matches!(self.state, State::Init) {
            let since = now;
            self.state = State::Resuming(Resume { since, until, hold });
        }
    }

    /// All adverts that have arrived have been heard, and none was of a master.
    pub(super) fn resume_timer(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        if now < resume.until && self.source.is_some() {
            self.become_master(now, Reason::Resumed, out);
        } else {
            self.forgo(now, resume, out);
        }
    }

    /// Begins as if there had been no former process.
    pub(super) fn forgo(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        self.state = State::Init;
        self.on_start(now, resume.hold, out);
    }
}
