//! Going on as master where a process that died has left off (hot restart).
//!
//! A peer takes over when it has heard nothing for three intervals and its skew. Until three intervals after our last
//! advert none has, as long as no advert was lost and none pre-empts; so whoever is back by then need not be BACKUP
//! first, which would mean to take the addresses away and to wait for the end of a silence that is our own.
//!
//! But what is in doubt is not claimed. The instance is not MASTER at once: it waits in INIT and listens, for an
//! interval if there is time for that ([`resume_listen_time`]), while the kernel goes on serving the addresses. A master in
//! our place would be heard then. Whatever speaks against going on leads to an ordinary start; what the kernel still
//! has of the former process is `engine`'s to remove.

use core::time::Duration;

use super::Reason;
use super::instance::{Actions, Instance, State};
use crate::types::Instant;

/// Adverts a peer must miss to take over, unless it has another `vrrp_down_timer_adverts` than the usual.
const MISSED: u8 = 3;

/// About to go on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    pub(super) at: Instant,
    pub(super) until: Instant,
    /// End of the startup delay, should it begin anew.
    pub(super) hold_until: Instant,
}

/// How long to listen before going on, when a peer may take over after the time that is `left`: a whole interval, so
/// that every master is heard, but our advert should be out a quarter of an interval before.
#[must_use]
pub fn resume_listen_time(interval: Duration, left: Duration) -> Duration {
    let quarter = interval.checked_div(4).unwrap_or_default();
    interval.min(left.saturating_sub(quarter))
}

impl Instance {
    /// How long after one of our adverts no peer has taken over: none has less patience than this.
    #[must_use]
    pub fn peer_down_interval_min(&self) -> Duration {
        let adverts = self.params.down_timer_adverts.min(MISSED);
        let interval = self.params.advert_int.duration();
        interval.saturating_mul(adverts.into())
    }

    /// Whether it is about to go on as master.
    #[must_use]
    pub fn is_resuming(&self) -> bool {
        matches!(self.state, State::Resuming(_))
    }

    pub(super) fn on_resume(&mut self, resume: Resume) {
        if matches!(self.state, State::Init) {
            self.state = State::Resuming(resume);
        }
    }

    /// Nothing was heard for so long: as much longer it listens, as far as there is time.
    pub fn extend_listening(&mut self, deaf: Duration) {
        let interval = self.params.advert_int.duration();
        let quarter = interval.checked_div(4).unwrap_or_default();
        if let State::Resuming(Resume { at, until, .. }) = &mut self.state {
            let spare = until.since(*at).saturating_sub(quarter);
            *at = at.after(deaf.min(spare));
        }
    }

    /// All adverts that have arrived have been heard, and none was of a master.
    pub(super) fn resume_timer(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        if now < resume.at {
            return; // a spurious call
        }
        if now < resume.until && self.source.is_some() {
            self.become_master(now, Reason::Resumed, out);
        } else {
            self.abandon_resume(now, resume, out);
        }
    }

    /// Begins as if there had been no former process.
    pub(super) fn abandon_resume(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        self.state = State::Init;
        self.on_start(now, resume.hold_until.since(now), out);
    }
}
