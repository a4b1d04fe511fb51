//! Resuming as MASTER after the previous process died (hot restart).
//!
//! A peer takes over when it has heard no advert for three intervals plus its skew. Until three
//! intervals after our last advert none has, unless an advert was lost or a peer preempts. Within
//! that time a restarted router need not become BACKUP first, which would mean removing the
//! addresses and waiting for the end of our own silence.
//!
//! Mastership is not assumed blindly: the instance waits in INIT for one interval, if there is time
//! for that ([`resume_listen_time`]), while the kernel keeps serving the addresses. Another master
//! would be heard then. If one is, or anything is missing, the instance starts as usual; `engine`
//! removes what the kernel still has of the previous process.

use core::time::Duration;

use super::Reason;
use super::instance::{Actions, Instance, State};
use crate::types::Instant;

/// Adverts a peer must miss to take over by default (`vrrp_down_timer_adverts`).
const MISSED: u8 = 3;

/// Waiting to resume as MASTER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    pub(super) at: Instant,
    pub(super) until: Instant,
    /// End of the startup delay, if resuming is abandoned.
    pub(super) hold_until: Instant,
}

/// How long to listen before resuming, when a peer may take over in `left`: one interval, so that
/// any master is heard, but no longer than a quarter of an interval before the peer.
#[must_use]
pub fn resume_listen_time(interval: Duration, left: Duration) -> Duration {
    let quarter = interval.checked_div(4).unwrap_or_default();
    interval.min(left.saturating_sub(quarter))
}

impl Instance {
    /// The shortest down interval of any peer with our settings, without skew: no peer takes over
    /// within this time after an advert of ours.
    #[must_use]
    pub fn peer_down_interval_min(&self) -> Duration {
        let adverts = self.params.down_timer_adverts.min(MISSED);
        let interval = self.params.advert_int.duration();
        interval.saturating_mul(adverts.into())
    }

    /// Whether it is waiting to resume as master.
    #[must_use]
    pub fn is_resuming(&self) -> bool {
        matches!(self.state, State::Resuming(_))
    }

    pub(super) fn on_resume(&mut self, resume: Resume) {
        if matches!(self.state, State::Init) {
            self.state = State::Resuming(resume);
        }
    }

    /// Listens longer by `unheard`, the time in which adverts could not be received, as far as the
    /// deadline allows.
    pub fn extend_listening(&mut self, unheard: Duration) {
        let interval = self.params.advert_int.duration();
        let quarter = interval.checked_div(4).unwrap_or_default();
        if let State::Resuming(Resume { at, until, .. }) = &mut self.state {
            let spare = until.since(*at).saturating_sub(quarter);
            *at = at.after(unheard.min(spare));
        }
    }

    /// The listening time is over: all queued adverts have been handled, and none was from a
    /// master.
    pub(super) fn resume_timer(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        if now < resume.at {
            return; // called early
        }
        if now < resume.until && self.source.is_some() {
            self.become_master(now, Reason::Resumed, out);
        } else {
            self.abandon_resume(now, resume, out);
        }
    }

    /// Starts as if there had been no previous process.
    pub(super) fn abandon_resume(&mut self, now: Instant, resume: Resume, out: &mut Actions) {
        self.state = State::Init;
        self.on_start(now, resume.hold_until.since(now), out);
    }
}
