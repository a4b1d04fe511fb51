//! BACKUP: waiting for a master to fall silent (RFC 9568 §6.4.2, `semantics.md` §4.2).
//!
//! One timer runs, remembered as where it began (`armed_at`) and what it waits for ([`TimerKind`]), so
//! that a change of priority can measure it anew. A weaker master's advert leaves it running: that
//! is how pre-emption works. With `preempt_delay` such adverts re-arm it until the delay is over.
//!
//! **A late timer is not a silent master.** When the timer is served more than one interval after
//! its deadline, it was us who stalled (a stopped process, a suspended machine), and what we did not
//! hear proves nothing. The sockets have been read before, so a master whose adverts were queued has
//! re-armed the timer already; for the case that nothing could be queued the machine listens for one
//! more interval plus skew before it takes over. It does that once: on a machine that is always late
//! the takeover must still come.
//!
//! **In a group** ([`super::group`]) the end of the timer makes the instance *pending*. It asks, then waits
//! an interval and asks again, until it becomes master with the others or hears a master it must
//! respect: whatever arms the timer for another purpose ends that.

use core::time::Duration;

use super::group::MemberState;
use super::instance::{Actions, Instance, State};
use super::{Action, Notice, Reason, Received, timers};
use crate::types::{Centis, Instant, MasterInfo, Priority, Version};

/// What the timer waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TimerKind {
    /// The end of the startup hold: an owner.
    StartupDelay,
    /// One interval and the least skew: `state MASTER`, or an owner that recovers.
    OneInterval,
    /// `Active_Down_Interval`.
    Down,
    /// `Skew_Time`: the master resigned.
    Skew,
    /// One interval and skew: the timer was served late.
    LateListen,
    /// One interval: pending, and held by the group.
    GroupRetry,
}

/// Would be master but for the group.
#[derive(Clone, Copy, Debug)]
struct PendingTakeover {
    /// Why.
    why: Reason,
    /// From a master that is weaker: its adverts do not put that off any more.
    preempt: bool,
    /// How often it has asked.
    asked: u8,
    /// It has listened once after a timer was served late.
    listened: bool,
}

/// Asked this often, and the operator should know: the other members' timers differ by less.
const HELD: u8 = 5;

/// End of `preempt_delay`.
#[derive(Clone, Copy, Debug)]
struct Preempt {
    at: Instant,
    /// It was served late once already.
    listened: bool,
}

#[derive(Debug)]
pub(super) struct Backup {
    armed_at: Instant,
    timer: TimerKind,
    /// `armed_at` plus what `timer` means at the current priority.
    down_at: Instant,
    /// The interval timers count in: the adopted master's, else our own.
    interval: Centis,
    preempt: Option<Preempt>,
    /// A weaker master was heard since the timer began.
    weaker: bool,
    pending: Option<PendingTakeover>,
    /// Gave way, and has heard nobody since.
    yielded: bool,
    pub(super) master: Option<MasterInfo>,
}

impl Backup {
    /// With the timer still to be armed. `yielded`: was master.
    pub(super) fn new(own_interval: Centis, master: Option<MasterInfo>, yielded: bool) -> Self {
        Backup {
            armed_at: Instant::NEVER,
            timer: TimerKind::Down,
            down_at: Instant::NEVER,
            interval: master.map_or(own_interval, |seen| seen.interval),
            preempt: None,
            weaker: false,
            pending: None,
            yielded,
            master,
        }
    }

    pub(super) fn member_state(&self) -> MemberState {
        if self.pending.is_some() {
            MemberState::ReadyToTakeOver
        } else if self.yielded || self.master.is_some() {
            MemberState::Following
        } else {
            MemberState::Waiting
        }
    }

    fn preempting(&self) -> bool {
        self.pending.is_some_and(|pending| pending.preempt)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.preempt
            .map_or(self.down_at, |preempt| preempt.at.min(self.down_at))
    }
}

impl Instance {
    fn span(&self, timer: TimerKind, interval: Centis) -> Duration {
        let (version, priority) = (self.params.version, self.effective_priority());
        match timer {
            TimerKind::StartupDelay => Duration::ZERO,
            TimerKind::OneInterval => timers::listen(version, interval, Priority::OWNER),
            TimerKind::Down => {
                timers::down(version, self.params.down_timer_adverts, interval, priority)
            }
            TimerKind::Skew => timers::skew(version, interval, priority),
            TimerKind::LateListen => timers::listen(version, interval, priority),
            TimerKind::GroupRetry => interval.duration(),
        }
    }

    /// How long the master must be silent before this router takes its place.
    #[must_use]
    pub fn down_interval(&self) -> Duration {
        let interval = match &self.state {
            State::Backup(backup) => backup.interval,
            State::Init | State::Resuming(_) | State::Fault | State::Master(_) => {
                self.params.advert_int
            }
        };
        self.span(TimerKind::Down, interval)
    }

    /// Starts the timer; during the startup hold it starts with the end of that.
    pub(super) fn arm(&mut self, now: Instant, timer: TimerKind) {
        let State::Backup(backup) = &self.state else {
            return;
        };
        let span = self.span(timer, backup.interval);
        let armed_at = now.max(self.hold_until);
        if let State::Backup(backup) = &mut self.state {
            backup.armed_at = armed_at;
            backup.timer = timer;
            backup.down_at = armed_at.after(span);
            if timer != TimerKind::GroupRetry {
                backup.pending = None;
            }
        }
    }

    pub(super) fn backup_priority_changed(&mut self, now: Instant) {
        let ours = self.effective_priority();
        let State::Backup(backup) = &self.state else {
            return;
        };
        let span = self.span(backup.timer, backup.interval);
        if let State::Backup(backup) = &mut self.state {
            // Not before now, but a deadline already missed stays missed: that it is late matters.
            let earliest = now.min(backup.down_at);
            backup.down_at = backup.armed_at.after(span).max(earliest);
            if backup.master.is_some_and(|seen| seen.priority >= ours) {
                backup.preempt = None;
                if backup.preempting() {
                    self.arm(now, TimerKind::Down); // the master is not weaker any more
                }
            }
        }
    }

    /// A reload: the interval is our own again where no master's was adopted.
    pub(super) fn backup_params_changed(&mut self, now: Instant) {
        let params = &self.params;
        let (own, version) = (params.advert_int, params.version);
        let no_delay = params.nopreempt || params.preempt_delay.is_zero();
        let latest = now.after(params.preempt_delay);
        if let State::Backup(backup) = &mut self.state {
            if backup.master.is_none() || version == Version::V2 {
                backup.interval = own;
            }
            backup.preempt = backup.preempt.filter(|_| !no_delay);
            if let Some(preempt) = &mut backup.preempt {
                preempt.at = preempt.at.min(latest);
            }
        }
        self.backup_priority_changed(now);
    }

    pub(super) fn backup_advert(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        out: &mut Actions,
    ) {
        let theirs = received.advert.priority;
        if theirs == Priority::RESIGN {
            self.master_resigned(now);
            return;
        }
        if self.demoted && !theirs.is_owner() {
            self.demoted = false; // the other owner is gone
        }
        let seen = self.master_info(received);
        let weaker = theirs < self.effective_priority() && !self.params.nopreempt;
        if let State::Backup(backup) = &mut self.state
            && weaker
            && (self.params.preempt_delay.is_zero() || backup.preempting())
        {
            backup.weaker = true;
            backup.master = Some(seen);
            return;
        }
        self.follow(now, seen, out);
        let begin = now.max(self.hold_until).after(self.params.preempt_delay);
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if !weaker {
            backup.preempt = None;
        } else if backup.preempt.is_none() {
            backup.preempt = Some(Preempt {
                at: begin,
                listened: false,
            });
        }
    }

    /// The timer becomes one skew, unless it ends sooner anyway: resignations, however many, only
    /// ever bring the takeover nearer.
    fn master_resigned(&mut self, now: Instant) {
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        backup.master = None;
        backup.preempt = None;
        backup.yielded = false;
        if backup.pending.is_some() {
            return; // as it is already
        }
        let (down_at, interval) = (backup.down_at, backup.interval);
        let skew = self.span(TimerKind::Skew, interval);
        if now.max(self.hold_until).after(skew) < down_at {
            self.arm(now, TimerKind::Skew);
        }
    }

    /// Accepts `seen` as master: its interval is ours while we timer (v3), the timer begins anew.
    fn follow(&mut self, now: Instant, seen: MasterInfo, out: &mut Actions) {
        self.notice_interval(now, seen, out);
        if let State::Backup(backup) = &mut self.state {
            backup.master = Some(seen);
            backup.interval = seen.interval;
            backup.weaker = false;
            backup.yielded = false;
        }
        self.arm(now, TimerKind::Down);
    }

    /// Who sent it, as a master to follow. v2 carries our own interval or was rejected.
    pub(super) fn master_info(&self, received: &Received<'_>) -> MasterInfo {
        MasterInfo {
            addr: received.from,
            priority: received.advert.priority,
            interval: match self.params.version {
                Version::V2 => self.params.advert_int,
                Version::V3 => received.advert.interval,
            },
        }
    }

    pub(super) fn notice_interval(&mut self, now: Instant, seen: MasterInfo, out: &mut Actions) {
        let (from, theirs) = (seen.addr, seen.interval);
        if theirs != self.params.advert_int && self.senders.notice_interval(now, from, theirs) {
            self.push(
                Action::Notice(Notice::IntervalAdopted { from, theirs }),
                out,
            );
        }
    }

    pub(super) fn backup_timer(&mut self, now: Instant, out: &mut Actions) {
        let State::Backup(backup) = &self.state else {
            return;
        };
        if now < backup.deadline() {
            return; // a spurious call
        }
        let late = now.since(backup.deadline());
        let interval = backup.interval.duration();
        let down = now >= backup.down_at;
        if down && self.must_stay_backup(late, interval) {
            self.arm(now, TimerKind::Down);
        } else if late > interval && self.listen(now, down) {
            // Heard nothing because we did not listen; see above.
        } else {
            let why = self.takeover_reason(down);
            self.claim(now, why, down, out);
        }
    }

    /// Becomes master, in a group with the consent of the others.
    fn claim(&mut self, now: Instant, why: Reason, down: bool, out: &mut Actions) {
        if !self.params.in_sync_group {
            return self.become_master(now, why, out);
        }
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        let mut pending = backup.pending.unwrap_or(PendingTakeover {
            why,
            preempt: backup.weaker || !down,
            asked: 0,
            listened: backup.timer == TimerKind::LateListen,
        });
        pending.asked = pending.asked.saturating_add(1);
        backup.pending = Some(pending);
        backup.preempt = None;
        self.arm(now, TimerKind::GroupRetry);
        self.push(Action::RequestGroup, out);
        if pending.asked == HELD {
            self.push(Action::Notice(Notice::HeldByGroup), out);
        }
    }

    /// All members may be master, or the others are.
    pub(super) fn on_group_master(&mut self, now: Instant, out: &mut Actions) {
        if let State::Backup(backup) = &self.state {
            let why = backup.pending.map_or(Reason::GroupMaster, |w| w.why);
            self.become_master(now, why, out);
        }
    }

    /// `timer_expired_backup`: so late that somebody else must have taken over, and with nopreempt
    /// it may keep what it has.
    pub(super) fn must_stay_backup(&self, late: Duration, interval: Duration) -> bool {
        self.params.nopreempt
            && self
                .params
                .timer_expired_backup
                .is_some_and(|adverts| late > interval.saturating_mul(u32::from(adverts)))
    }

    /// Puts the takeover off for one interval and skew; false when that was done already.
    fn listen(&mut self, now: Instant, down: bool) -> bool {
        let State::Backup(backup) = &self.state else {
            return false;
        };
        let (pending, timer) = (backup.preempt, backup.timer);
        let until = now.after(self.span(TimerKind::LateListen, backup.interval));
        let preempt = match pending {
            Some(preempt) if !down && preempt.listened => return false,
            Some(_) if !down => Some(Preempt {
                at: until,
                listened: true,
            }),
            _ if timer == TimerKind::LateListen => return false,
            _ if backup.pending.is_some_and(|pending| pending.listened) => return false,
            // The weaker master died meanwhile; should it come back, its delay begins anew.
            _ => None,
        };
        if let State::Backup(backup) = &mut self.state {
            backup.preempt = preempt;
        }
        if down {
            self.arm(now, TimerKind::LateListen);
        }
        true
    }

    fn takeover_reason(&self, down: bool) -> Reason {
        let State::Backup(backup) = &self.state else {
            return Reason::MasterDown;
        };
        if let Some(pending) = backup.pending {
            pending.why
        } else if self.params.priority.is_owner() {
            Reason::Owner
        } else if backup.timer == TimerKind::Skew {
            Reason::MasterResigned
        } else if backup.weaker || !down {
            Reason::Preempt
        } else {
            Reason::MasterDown
        }
    }
}
