//! BACKUP: waiting until the master is silent (RFC 9568 §6.4.2).
//!
//! One timer runs. Its start (`armed_at`) and its purpose ([`TimerKind`]) are stored, so that a
//! change of priority can recompute it. An advert of a master with lower priority does not restart
//! it: this is how preemption works. With `preempt_delay` such adverts restart it until the delay
//! is over.
//!
//! **A late timer does not prove a silent master.** A timer served more than one interval after its
//! deadline means that we stalled (a stopped process, a suspended machine), and adverts may have
//! been missed. The sockets are read before timers are served, so a master whose adverts were
//! queued has already restarted the timer. In case nothing could be queued, the instance listens
//! for one more interval plus skew before it takes over; once only, because on a machine that is
//! always late the takeover must still happen. A timer that the engine holds back on purpose, to
//! read packets first ([`super::Event::TimerPostponed`]), is not late.
//!
//! **Silence with losses does not prove a silent master either.** If the receive socket dropped
//! packets for lack of space since the timer was armed, the instance listens for one more down
//! interval; once only until it hears a master, so that a flood delays the takeover by no more than
//! that. If the timer is late as well, this longer wait replaces the one for a late timer.
//!
//! **In a sync group** ([`super::group`]) the end of the timer makes a [`PendingTakeover`]: the
//! instance requests the group's decision, and again every interval, until it becomes master with
//! the other members or hears a master it must follow. Arming the timer for any other purpose
//! cancels it.

use core::time::Duration;

use super::group::MemberState;
use super::instance::{Actions, Instance, State};
use super::{Action, Notice, Reason, Received, timers};
use crate::types::{BackupOutlook, Centis, Instant, MasterInfo, Priority, TimerKind, Version};

/// A takeover that waits for the sync group.
#[derive(Clone, Copy, Debug)]
struct PendingTakeover {
    /// Why.
    why: Reason,
    /// It preempts a master of lower priority, whose adverts no longer postpone it.
    preempt: bool,
    /// How often the group's decision was requested.
    requests: u8,
    /// [`TimerKind::LateListen`] has been used.
    listened: bool,
}

/// After this many requests the operator is notified. The members' timers differ by less than that.
const NOTIFY_AFTER: u8 = 5;

/// Which of the two timers of BACKUP has expired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expired {
    DownTimer,
    PreemptDelay,
}

/// End of `preempt_delay`.
#[derive(Clone, Copy, Debug)]
struct Preempt {
    at: Instant,
    /// It was served late and has been postponed once.
    listened: bool,
}

#[derive(Debug)]
pub(super) struct Backup {
    armed_at: Instant,
    timer: TimerKind,
    /// `armed_at` plus the duration of `timer` at the current priority.
    down_at: Instant,
    /// The interval that timers are computed from: the master's if adopted, else our own.
    interval: Centis,
    preempt: Option<Preempt>,
    /// A master of lower priority was heard since the timer was armed.
    lower_prio_heard: bool,
    /// When the receive socket last dropped packets.
    lost_at: Option<Instant>,
    /// The down timer was armed again because packets were lost, and no master was heard since.
    extended: bool,
    /// Until when the engine last held back the timer: it is late from then on only.
    postponed_until: Instant,
    pending: Option<PendingTakeover>,
    /// Yielded, and has heard no master since.
    yielded: bool,
    pub(super) master: Option<MasterInfo>,
}

impl Backup {
    /// The timer must be armed next. `yielded`: was master before.
    pub(super) fn new(own_interval: Centis, master: Option<MasterInfo>, yielded: bool) -> Self {
        Backup {
            armed_at: Instant::NEVER,
            timer: TimerKind::Down,
            down_at: Instant::NEVER,
            interval: master.map_or(own_interval, |master| master.interval),
            preempt: None,
            lower_prio_heard: false,
            lost_at: None,
            extended: false,
            postponed_until: Instant::ZERO,
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

    pub(super) fn outlook(&self) -> BackupOutlook {
        BackupOutlook {
            timer: self.timer,
            armed_at: self.armed_at,
            down_at: self.down_at,
            preempt_at: self.preempt.map(|preempt| preempt.at),
            preempting: self.lower_prio_heard || self.preempt.is_some() || self.preempting(),
            interval: self.interval,
        }
    }

    /// Whether only its sync group keeps it from being master, or a master of lower priority is about
    /// to be preempted.
    pub(super) fn is_taking_over(&self) -> bool {
        self.pending.is_some() || self.preempt.is_some()
    }

    fn preempting(&self) -> bool {
        self.pending.is_some_and(|pending| pending.preempt)
    }

    pub(super) fn deadline(&self) -> Instant {
        self.preempt
            .map_or(self.down_at, |preempt| preempt.at.min(self.down_at))
    }

    /// No master of lower priority is about to be preempted.
    pub(super) fn forget_preemption(&mut self) {
        self.preempt = None;
        self.lower_prio_heard = false;
    }

    /// No timer runs until the next advert; no master is known.
    pub(super) fn disarm(&mut self) {
        self.forget_preemption();
        self.armed_at = Instant::NEVER;
        self.down_at = Instant::NEVER;
        self.master = None;
    }

    /// How late the timer is served, apart from the time for which it was held back.
    fn lateness(&self, now: Instant) -> Duration {
        now.since(self.deadline().max(self.postponed_until))
    }
}

impl Instance {
    pub(super) fn span(&self, timer: TimerKind, interval: Centis) -> Duration {
        let (version, priority) = (self.params.version, self.timer_priority());
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

    /// How long the master must be silent before this router takes over.
    #[must_use]
    pub fn down_interval(&self) -> Duration {
        let (version, adverts) = (self.params.version, self.params.down_timer_adverts);
        timers::down(
            version,
            adverts,
            self.timer_interval(),
            self.effective_priority(),
        )
    }

    /// The advert interval that timers are computed from.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.timer_interval().duration()
    }

    pub(super) fn timer_interval(&self) -> Centis {
        match &self.state {
            State::Backup(backup) => backup.interval,
            State::Init | State::Resuming(_) | State::Fault | State::Master(_) => {
                self.params.advert_int
            }
        }
    }

    /// Arms the timer, during the startup delay from its end on.
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

    /// After a suspension: what the timer has waited before it does not count. A master that resigned
    /// has a successor by now.
    pub(super) fn backup_suspended(&mut self, now: Instant) {
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        backup.preempt = None;
        let timer = match backup.timer {
            timer @ (TimerKind::StartupDelay | TimerKind::OneInterval) => timer,
            TimerKind::Down | TimerKind::Skew | TimerKind::LateListen | TimerKind::GroupRetry => {
                TimerKind::Down
            }
        };
        self.arm(now, timer);
    }

    pub(super) fn backup_priority_changed(&mut self, now: Instant) {
        let ours = self.effective_priority();
        let State::Backup(backup) = &self.state else {
            return;
        };
        let span = self.span(backup.timer, backup.interval);
        if let State::Backup(backup) = &mut self.state {
            // Not before now; but a deadline that has passed stays in the past, since its lateness
            // matters.
            let earliest = now.min(backup.down_at);
            backup.down_at = backup.armed_at.after(span).max(earliest);
            if backup.master.is_some_and(|master| master.priority >= ours) {
                backup.preempt = None;
                if backup.preempting() {
                    self.arm(now, TimerKind::Down); // its priority is no longer lower
                }
            }
        }
    }

    /// Reload: without an adopted interval, timers are computed from our own new one.
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
        if self.owner_yields && !theirs.is_owner() {
            self.owner_yields = false; // the other address owner is gone
        }
        let master = self.master_info(received);
        let lower_prio =
            theirs < self.effective_priority() && !self.params.nopreempt && !self.maintenance;
        if let State::Backup(backup) = &mut self.state
            && lower_prio
            && (self.params.preempt_delay.is_zero() || backup.preempting())
        {
            backup.lower_prio_heard = true;
            backup.master = Some(master);
            return;
        }
        self.follow(now, master, out);
        let preempt_at = now.max(self.hold_until).after(self.params.preempt_delay);
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        if !lower_prio {
            backup.preempt = None;
        } else if backup.preempt.is_none() {
            backup.preempt = Some(Preempt {
                at: preempt_at,
                listened: false,
            });
        }
    }

    /// Shortens the timer to Skew_Time unless it ends sooner anyway: repeated resignations never
    /// postpone the takeover.
    fn master_resigned(&mut self, now: Instant) {
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        backup.master = None;
        backup.preempt = None;
        backup.yielded = false;
        if backup.pending.is_some() {
            return; // already waiting for the group only
        }
        let (down_at, interval) = (backup.down_at, backup.interval);
        let skew = self.span(TimerKind::Skew, interval);
        if now.max(self.hold_until).after(skew) < down_at {
            self.arm(now, TimerKind::Skew);
        }
    }

    /// Follows this master: adopts its interval (v3) and restarts the down timer.
    fn follow(&mut self, now: Instant, master: MasterInfo, out: &mut Actions) {
        self.notice_interval(now, master, out);
        if let State::Backup(backup) = &mut self.state {
            backup.master = Some(master);
            backup.interval = master.interval;
            backup.lower_prio_heard = false;
            backup.extended = false;
            backup.yielded = false;
        }
        self.arm(now, TimerKind::Down);
    }

    /// The sender as a master to follow. In v2 its interval equals ours, or the advert was
    /// discarded.
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

    pub(super) fn notice_interval(&mut self, now: Instant, master: MasterInfo, out: &mut Actions) {
        let (from, theirs) = (master.addr, master.interval);
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
            return; // called early
        }
        let late = backup.lateness(now);
        let interval = backup.interval.duration();
        let expired = if now >= backup.down_at {
            Expired::DownTimer
        } else {
            Expired::PreemptDelay
        };
        let params = &self.params;
        let cautious = params.nopreempt && params.timer_expired_backup.is_some();
        if cautious && expired == Expired::DownTimer && late > interval {
            // Whoever took over meanwhile keeps mastership, and its adverts may have been missed.
            self.arm(now, TimerKind::Down);
        } else if expired == Expired::DownTimer && self.extend_after_loss(now, out) {
            // Adverts may have been among the lost packets; listening again.
        } else if late > interval && self.listen_once_more(now, expired) {
            // Adverts may have been missed; listening again.
        } else {
            let why = self.takeover_reason(expired);
            self.claim(now, why, expired, out);
        }
    }

    /// Becomes master, or in a sync group requests its decision.
    fn claim(&mut self, now: Instant, why: Reason, expired: Expired, out: &mut Actions) {
        if self.maintenance {
            return self.stay_backup(out);
        }
        if !self.params.in_sync_group {
            return self.become_master(now, why, out);
        }
        let State::Backup(backup) = &mut self.state else {
            return;
        };
        let mut pending = backup.pending.unwrap_or(PendingTakeover {
            why,
            preempt: backup.lower_prio_heard || expired == Expired::PreemptDelay,
            requests: 0,
            listened: backup.timer == TimerKind::LateListen,
        });
        pending.requests = pending.requests.saturating_add(1);
        backup.pending = Some(pending);
        backup.preempt = None;
        self.arm(now, TimerKind::GroupRetry);
        self.push(Action::RequestGroup, out);
        if pending.requests == NOTIFY_AFTER {
            self.push(Action::Notice(Notice::HeldByGroup), out);
        }
    }

    /// The sync group decided that all members become master.
    pub(super) fn on_group_master(&mut self, now: Instant, out: &mut Actions) {
        if let State::Backup(backup) = &self.state
            && !self.maintenance
        {
            let why = backup
                .pending
                .map_or(Reason::GroupMaster, |pending| pending.why);
            self.become_master(now, why, out);
        }
    }

    /// Postpones the takeover by one interval and skew; false when that was done already.
    fn listen_once_more(&mut self, now: Instant, expired: Expired) -> bool {
        let State::Backup(backup) = &self.state else {
            return false;
        };
        let (preempt, timer) = (backup.preempt, backup.timer);
        let until = now.after(self.span(TimerKind::LateListen, backup.interval));
        let preempt = match preempt {
            Some(preempt) if expired == Expired::PreemptDelay && preempt.listened => return false,
            Some(_) if expired == Expired::PreemptDelay => Some(Preempt {
                at: until,
                listened: true,
            }),
            _ if timer == TimerKind::LateListen => return false,
            _ if backup.pending.is_some_and(|pending| pending.listened) => return false,
            // The master of lower priority died meanwhile; if it returns, the delay starts again.
            _ => None,
        };
        if let State::Backup(backup) = &mut self.state {
            backup.preempt = preempt;
        }
        if expired == Expired::DownTimer {
            self.arm(now, TimerKind::LateListen);
        }
        true
    }

    pub(super) fn packets_lost(&mut self, at: Instant) {
        if let State::Backup(backup) = &mut self.state {
            backup.lost_at = Some(at);
        }
    }

    pub(super) fn timer_postponed(&mut self, until: Instant) {
        if let State::Backup(backup) = &mut self.state {
            backup.postponed_until = until;
        }
    }

    /// Arms the down timer again if packets were lost while it ran; false when that was done
    /// already, or if the takeover does not depend on silence.
    fn extend_after_loss(&mut self, now: Instant, out: &mut Actions) -> bool {
        let State::Backup(backup) = &mut self.state else {
            return false;
        };
        let listening = match backup.timer {
            TimerKind::OneInterval | TimerKind::Down | TimerKind::LateListen => true,
            TimerKind::StartupDelay | TimerKind::Skew | TimerKind::GroupRetry => false,
        };
        let lost = backup.lost_at.is_some_and(|at| at > backup.armed_at);
        if !listening || !lost || backup.extended {
            return false;
        }
        backup.extended = true;
        self.arm(now, TimerKind::Down);
        self.push(Action::Notice(Notice::SilenceWithLoss), out);
        true
    }

    fn takeover_reason(&self, expired: Expired) -> Reason {
        let State::Backup(backup) = &self.state else {
            return Reason::MasterDown;
        };
        if let Some(pending) = backup.pending {
            pending.why
        } else if self.params.priority.is_owner() {
            Reason::Owner
        } else if backup.timer == TimerKind::Skew {
            Reason::MasterResigned
        } else if backup.lower_prio_heard || expired == Expired::PreemptDelay {
            Reason::Preempt
        } else {
            Reason::MasterDown
        }
    }
}
