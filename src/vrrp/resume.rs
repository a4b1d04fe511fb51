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
//!
//! Listening ends within the three intervals. What comes after them, the skew of peers of lower
//! priority ([`lower_peers_skew`]), is a reserve for a start that takes long. It is no promise: a
//! peer of higher priority that does not preempt may have taken over. That one answers our first
//! advert with its own, and we yield.

use core::time::Duration;

use super::Reason;
use super::instance::{Actions, Instance, State};
use crate::types::{Instant, Priority};

/// Adverts a peer must miss to take over by default (`vrrp_down_timer_adverts`).
const MISSED: u8 = 3;
const SECOND: Duration = Duration::from_secs(1);

/// Waiting to resume as MASTER.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resume {
    pub(super) at: Instant,
    /// The latest time to which `at` may be postponed.
    pub(super) latest: Instant,
    pub(super) until: Instant,
    /// End of the startup delay, if resuming is abandoned.
    pub(super) hold_until: Instant,
}

/// How long to listen before resuming, when a peer may take over in `left`: one interval, so that
/// any master is heard, but no longer than [`resume_listen_limit`].
#[must_use]
pub fn resume_listen_time(interval: Duration, left: Duration) -> Duration {
    interval.min(resume_listen_limit(interval, left))
}

/// The longest time to listen: until a quarter of an interval before a peer may take over.
#[must_use]
pub fn resume_listen_limit(interval: Duration, left: Duration) -> Duration {
    left.saturating_sub(interval.checked_div(4).unwrap_or_default())
}

/// The least skew of peers with a lower priority than the one in our last advert, after which no
/// peer takes over within `grace` ([`Instance::peer_down_interval_min`]). Its unit is one second in
/// VRRPv2, the interval in VRRPv3: the lesser of both.
#[must_use]
pub fn lower_peers_skew(grace: Duration, priority: Priority) -> Duration {
    let unit = grace.checked_div(MISSED.into()).unwrap_or_default();
    let steps = 256_u32.saturating_sub(priority.0.into());
    let skew = unit.min(SECOND).saturating_mul(steps);
    skew.checked_div(256).unwrap_or_default()
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
        if matches!(self.state, State::Init) && !self.maintenance {
            self.state = State::Resuming(resume);
        }
    }

    /// Listens longer by `unheard`, the time in which adverts could not be received, as far as the
    /// deadline allows.
    pub fn extend_listening(&mut self, unheard: Duration) {
        if let State::Resuming(Resume { at, latest, .. }) = &mut self.state {
            *at = at.after(unheard).min(*latest).max(*at);
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
