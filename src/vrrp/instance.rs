//! One virtual router: its state, the events from inside the router (start, stop, ready, fault,
//! priority), and the transitions into and out of MASTER (RFC 9568 §6.4; the diagram is in
//! `mod.rs`).
//!
//! Invariants, held by `tests/sim.rs`:
//! * a state has exactly the timers it needs; `next_deadline` changes through `handle` only; after
//!   `Event::Timer` at `now` it is later than `now`;
//! * `Install` and `Withdraw` alternate, and between them the state is MASTER;
//! * an event causes at most eight actions and allocates nothing, except the first one about a
//!   sender that something is wrong with;
//! * an advert that fails a check changes counters only (one with AH and an old sequence number may
//!   be answered).

use core::net::IpAddr;
use core::time::Duration;

#[cfg(feature = "sniff")]
use super::SignatureError;
use super::auth::SequenceState;
use super::backup::Backup;
use super::counters::bump;
use super::group::MemberState;
use super::master::Master;
use super::reception::{self, AddressSet};
use super::resume::Resume;
use super::senders::{Condition, Senders};
use super::{Action, Burst, Event, Notice, Params, Reason, Received, Reject};
use crate::types::{Heard, Instant, MasterInfo, Priority, TimerKind, VrrpCounters, VrrpState};

/// Actions of one event, in order.
pub type Actions = heapless::Vec<Action, 16>;

/// One virtual router.
#[derive(Debug)]
pub struct Instance {
    pub(super) params: Params,
    pub(super) state: State,
    /// Source address of our adverts.
    pub(super) source: Option<IpAddr>,
    /// Why the instance cannot run; `None`: ready.
    fault: Option<Reason>,
    /// Priority with tracking applied; an owner's stays 255.
    pub(super) tracked: Priority,
    /// An address owner that yields to another owner and advertises 254.
    pub(super) owner_yields: bool,
    /// It must not become master.
    pub(super) maintenance: bool,
    /// End of `vrrp_startup_delay`: timers start then.
    pub(super) hold_until: Instant,
    pub(super) sequences: SequenceState,
    pub(super) addresses: AddressSet,
    pub(super) senders: Senders,
    /// The last accepted advert of another router.
    pub(super) heard: Option<Heard>,
    pub(super) counters: VrrpCounters,
}

/// What is different about an advert that is accepted.
#[cfg(feature = "sniff")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Acceptance {
    /// What is wrong with its signature, which permissive mode tolerates.
    pub tolerated: Option<SignatureError>,
    /// It has other addresses than we advertise.
    pub addresses_differ: bool,
}

/// How MASTER is left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Release {
    /// With an advert of priority 0.
    Resign,
    /// Without: the backups would start an election against the router we yield to, or no advert
    /// can be sent.
    Yield,
}

#[derive(Debug)]
pub(super) enum State {
    Init,
    Resuming(Resume),
    Fault,
    Backup(Backup),
    Master(Master),
}

impl Instance {
    /// An instance in INIT, before `Event::Start`.
    #[must_use]
    pub fn new(params: Params) -> Self {
        Instance {
            state: State::Init,
            source: None,
            fault: None,
            tracked: params.priority,
            owner_yields: false,
            maintenance: false,
            hold_until: Instant::ZERO,
            addresses: AddressSet::new(&params.addresses),
            sequences: SequenceState::new(&params),
            senders: Senders::new(params.advert_int),
            heard: None,
            counters: VrrpCounters::default(),
            params,
        }
    }

    /// Handles one event and appends the resulting actions to `out`, in order.
    pub fn handle(&mut self, now: Instant, event: Event<'_>, out: &mut Actions) {
        match event {
            Event::Start { startup_delay } => self.on_start(now, startup_delay, out),
            Event::Resume {
                at,
                latest,
                until,
                startup_delay,
            } => self.on_resume(Resume {
                at,
                latest,
                until,
                hold_until: now.after(startup_delay),
            }),
            Event::Stop => self.on_stop(out),
            Event::Suspended(time) => self.on_suspended(now, time, out),
            Event::Advert(received) => self.on_advert(now, received, out),
            Event::PacketsLost { at } => self.packets_lost(at),
            Event::TimerPostponed { until } => self.timer_postponed(until),
            Event::Timer => match self.state {
                State::Init | State::Fault => {}
                State::Resuming(resume) => self.resume_timer(now, resume, out),
                State::Backup(_) => self.backup_timer(now, out),
                State::Master(_) => self.master_timer(now, out),
            },
            Event::Ready { source } => self.on_ready(now, source, out),
            Event::Fault(why) => self.on_fault(why, out),
            Event::Priority(priority) => self.on_priority(now, priority),
            Event::GroupMaster => self.on_group_master(now, out),
            Event::GroupBackup => self.on_group_backup(now, out),
            Event::Demote => self.on_demote(now, out),
            Event::Promote => self.on_promote(now),
            Event::Params { params, effective } => self.on_params(now, params, effective),
        }
    }

    /// When `Event::Timer` is due; changes through `handle` only.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Init | State::Fault => None,
            State::Resuming(resume) => Some(resume.at),
            State::Backup(backup) => Some(backup.deadline()).filter(|at| *at < Instant::NEVER),
            State::Master(master) => Some(master.deadline()),
        }
    }

    /// Current state.
    #[must_use]
    pub fn state(&self) -> VrrpState {
        match self.state {
            State::Init | State::Resuming(_) => VrrpState::Init,
            State::Fault => VrrpState::Fault,
            State::Backup(_) => VrrpState::Backup,
            State::Master(_) => VrrpState::Master,
        }
    }

    /// State as a member of a sync group.
    #[must_use]
    pub fn member_state(&self) -> MemberState {
        match &self.state {
            State::Init | State::Fault => MemberState::Unavailable,
            State::Resuming(_) => MemberState::Resuming,
            State::Backup(_) if self.maintenance => MemberState::Following,
            State::Backup(backup) => backup.member_state(),
            State::Master(_) => MemberState::Master,
        }
    }

    /// The current configuration.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// Source address of its adverts, once known.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.source
    }

    /// Why it cannot run, in FAULT or before the start.
    #[must_use]
    pub fn fault(&self) -> Option<Reason> {
        self.fault
    }

    /// The priority in its adverts.
    #[must_use]
    pub fn effective_priority(&self) -> Priority {
        if self.owner_yields {
            Priority(254)
        } else {
            self.tracked
        }
    }

    /// The other router that is master; `None` while we are master or none was heard.
    #[must_use]
    pub fn master(&self) -> Option<MasterInfo> {
        match &self.state {
            State::Backup(backup) => backup.master,
            State::Init | State::Resuming(_) | State::Fault | State::Master(_) => None,
        }
    }

    /// Whether the advert passes all checks that need no key, so that it is worth verifying its
    /// authentication. One that does not is rejected by `Event::Advert` without looking at that.
    #[must_use]
    pub fn passes_field_checks(&self, received: &Received<'_>) -> bool {
        !matches!(self.state, State::Init | State::Fault)
            && reception::check_fields(&self.params, &self.addresses, received).is_ok()
    }

    /// [`Instance::passes_field_checks`] in any state.
    #[cfg(feature = "sniff")]
    #[must_use]
    pub fn would_verify(&self, received: &Received<'_>) -> bool {
        reception::check_fields(&self.params, &self.addresses, received).is_ok()
    }

    /// Makes the checks of [`Event::Advert`] in any state, without its effects: only sequence numbers
    /// are remembered.
    ///
    /// # Errors
    /// Why the advert would be discarded.
    #[cfg(feature = "sniff")]
    pub fn verdict(&mut self, received: &Received<'_>) -> Result<Acceptance, Reject> {
        let (params, addresses) = (&self.params, &self.addresses);
        let tolerated = reception::check(params, addresses, received, &mut self.sequences)?;
        Ok(Acceptance {
            tolerated,
            addresses_differ: !addresses.same(received.advert.addresses.iter()),
        })
    }

    /// Whether the sequence number of a signed advert is not above the last one of its sender.
    /// `wall`: time since 1970.
    #[must_use]
    pub fn is_replay(&self, from: IpAddr, sequence: u64, wall: Duration) -> bool {
        let window = self.params.hmac.and_then(|hmac| hmac.window);
        self.sequences.is_replay(from, sequence, window, wall)
    }

    /// Sequence number of the next advert with AH; `None` when they are exhausted and nothing may
    /// be sent. `wall`: time since 1970.
    pub fn next_ah_sequence(&mut self, wall: Duration) -> Option<u32> {
        self.sequences.next_ah(wall)
    }

    /// Sequence number of the next signed advert. `wall`: time since 1970.
    pub fn next_hmac_sequence(&mut self, wall: Duration) -> u64 {
        let window = self.params.hmac.and_then(|hmac| hmac.window);
        self.sequences.next_hmac(wall, window)
    }

    /// Sequence number of the last advert sent; 0: none.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.sequences.last()
    }

    /// Makes the next sequence number sent exceed `last`, that of the previous process.
    pub fn continue_sequence_after(&mut self, last: u64) {
        self.sequences.continue_after(last);
    }

    /// Counters.
    #[must_use]
    pub fn counters(&self) -> &VrrpCounters {
        &self.counters
    }

    /// Counters, for errors that `engine` finds before an advert gets here, and to clear them.
    pub fn counters_mut(&mut self) -> &mut VrrpCounters {
        &mut self.counters
    }
}

// ---- from inside the router ----

impl Instance {
    /// RFC 9568 §6.4.1.
    pub(super) fn on_start(&mut self, now: Instant, hold: Duration, out: &mut Actions) {
        if !matches!(self.state, State::Init) {
            return;
        }
        self.hold_until = now.after(hold);
        if self.source.is_none() || self.fault.is_some() {
            let why = *self.fault.get_or_insert(Reason::NoSource);
            self.state = State::Fault;
            self.transition(VrrpState::Init, why, out);
        } else if self.acts_as_owner() && hold.is_zero() && !self.params.in_sync_group {
            self.become_master(now, Reason::Owner, out);
        } else {
            let timer = if self.acts_as_owner() {
                TimerKind::StartupDelay
            } else if self.params.initial_master && !self.maintenance {
                TimerKind::OneInterval
            } else {
                TimerKind::Down
            };
            self.become_backup(now, timer, None, Reason::Startup, out);
        }
    }

    /// A peer may have become master meanwhile, without an advert in the queue that would show it.
    fn on_suspended(&mut self, now: Instant, time: Duration, out: &mut Actions) {
        match self.state {
            State::Init | State::Fault => {}
            State::Resuming(resume) => self.abandon_resume(now, resume, out),
            State::Backup(_) => self.backup_suspended(now),
            State::Master(_) => self.master_suspended(now, time, out),
        }
    }

    fn on_stop(&mut self, out: &mut Actions) {
        let from = self.state();
        match self.state {
            State::Init => return,
            State::Resuming(_) => {
                // No transition has been reported yet.
                self.state = State::Init;
                return;
            }
            State::Fault | State::Backup(_) => {}
            State::Master(_) => self.release(Release::Resign, out),
        }
        self.owner_yields = false;
        self.state = State::Init;
        self.transition(from, Reason::Shutdown, out);
    }

    /// A new source address is used from the next advert and the next comparison of addresses on.
    fn on_ready(&mut self, now: Instant, source: IpAddr, out: &mut Actions) {
        self.source = Some(source);
        self.fault = None;
        if matches!(self.state, State::Fault) {
            let timer = if self.acts_as_owner() {
                TimerKind::OneInterval
            } else {
                TimerKind::Down
            };
            self.become_backup(now, timer, None, Reason::Recovered, out);
        }
    }

    fn on_fault(&mut self, why: Reason, out: &mut Actions) {
        self.fault = Some(why);
        if matches!(why, Reason::NoSource | Reason::InterfaceMissing) {
            self.source = None;
        }
        let from = self.state();
        match self.state {
            State::Init | State::Fault => return,
            State::Resuming(_) | State::Backup(_) => {}
            State::Master(_) if self.source.is_some() => self.release(Release::Resign, out),
            State::Master(_) => self.release(Release::Yield, out),
        }
        self.owner_yields = false;
        self.state = State::Fault;
        self.transition(from, why, out);
    }

    /// In MASTER the next advert carries the new priority. In BACKUP the running timer is
    /// recomputed from its start, so the time already waited counts and repeated changes cannot
    /// postpone it.
    pub(super) fn on_priority(&mut self, now: Instant, priority: Priority) {
        if self.params.priority.is_owner() {
            return;
        }
        self.tracked = Priority(priority.0.clamp(1, 254));
        self.backup_priority_changed(now);
    }
}

// ---- reception ----

impl Instance {
    fn on_advert(&mut self, now: Instant, received: &Received<'_>, out: &mut Actions) {
        if matches!(self.state, State::Init | State::Fault) {
            return;
        }
        bump(&mut self.counters.advert_rcvd);
        if !self.acceptable(now, received, out) {
            return;
        }
        self.compare_addresses(now, received, out);
        self.heard = Some(Heard {
            master: self.master_info(received),
            at: now,
        });
        if received.advert.priority == Priority::RESIGN {
            bump(&mut self.counters.pri_zero_rcvd);
        }
        match self.state {
            State::Init | State::Fault => {}
            State::Resuming(resume) => {
                self.abandon_resume(now, resume, out);
                self.backup_advert(now, received, out);
            }
            State::Backup(_) => self.backup_advert(now, received, out),
            State::Master(_) => self.master_advert(now, received, out),
        }
    }

    /// Whether the advert is processed further; emits a notice when that changes for its sender.
    fn acceptable(&mut self, now: Instant, received: &Received<'_>, out: &mut Actions) -> bool {
        let from = received.from;
        let (params, addresses) = (&self.params, &self.addresses);
        let error = match reception::check(params, addresses, received, &mut self.sequences) {
            Ok(error) => error,
            Err(why) => {
                self.counters.count_reject(why, received.advert.auth);
                if self.senders.notice(now, from, Condition::Rejected(why)) {
                    self.push(Action::Notice(Notice::Rejected { from, why }), out);
                }
                if why == Reject::Replay {
                    self.advertise_sequence(now, out);
                }
                return false;
            }
        };
        if let Some(error) = error {
            self.counters.count_flaw(error);
            if self.senders.notice(now, from, Condition::Tolerated(error)) {
                self.push(Action::Notice(Notice::Tolerated { from, error }), out);
            }
        }
        // Configured to ignore adverts: no notice.
        if self.params.owner_ignore_adverts && self.acts_as_owner() {
            return false;
        }
        // Our own advert looped back, or another router with our address: ignored in every state.
        if self.source == Some(from) {
            bump(&mut self.counters.errors.other_rejected);
            if self.senders.notice(now, from, Condition::OwnAddress) {
                self.push(Action::Notice(Notice::SameAddress { from }), out);
            }
            return false;
        }
        if self.senders.accept(from) {
            self.push(Action::Notice(Notice::Accepted { from }), out);
        }
        true
    }

    /// A difference is reported and counted, but the advert is accepted (as in keepalived since
    /// 2.3.3): discarding it would cause two masters while the addresses are changed on one router
    /// after the other.
    fn compare_addresses(&mut self, now: Instant, received: &Received<'_>, out: &mut Actions) {
        let from = received.from;
        let last = self.heard.map(|heard| heard.master.addr);
        let known = self.params.skip_check_adv_addr && last == Some(from);
        if known || self.addresses.same(received.advert.addresses.iter()) {
            return;
        }
        bump(&mut self.counters.errors.addr_list_err);
        if self.senders.notice(now, from, Condition::AddressesDiffer) {
            self.push(Action::Notice(Notice::AddressesDiffer { from }), out);
        }
    }
}

// ---- in and out of MASTER ----

impl Instance {
    /// Sends the advert first, so that the other routers stop before the addresses appear here.
    pub(super) fn become_master(&mut self, now: Instant, why: Reason, out: &mut Actions) {
        let from = self.state();
        self.owner_yields = false;
        self.sequences.restart_if_exhausted();
        self.state = State::Master(Master::new(now, &self.params));
        bump(&mut self.counters.become_master);
        self.push(Action::SendAdvert(self.effective_priority()), out);
        self.push(Action::Install, out);
        let burst = if why == Reason::Resumed {
            Burst::Resumed
        } else {
            Burst::Master
        };
        self.push(Action::Announce(burst), out);
        self.transition(from, why, out);
    }

    /// Leaves MASTER: withdraws the addresses.
    pub(super) fn release(&mut self, how: Release, out: &mut Actions) {
        bump(&mut self.counters.release_master);
        if how == Release::Resign {
            self.push(Action::SendAdvert(Priority::RESIGN), out);
        }
        self.push(Action::StopAnnouncing, out);
        self.push(Action::Withdraw, out);
    }

    /// Another member has yielded. Not resigning: the router it yielded to takes over here as well.
    fn on_group_backup(&mut self, now: Instant, out: &mut Actions) {
        match self.state {
            State::Init | State::Fault | State::Backup(_) => {}
            State::Resuming(resume) => self.abandon_resume(now, resume, out),
            State::Master(_) => {
                self.release(Release::Yield, out);
                self.become_backup(now, TimerKind::Down, None, Reason::GroupBackup, out);
            }
        }
    }

    pub(super) fn become_backup(
        &mut self,
        now: Instant,
        timer: TimerKind,
        master: Option<MasterInfo>,
        why: Reason,
        out: &mut Actions,
    ) {
        let from = self.state();
        let yielded = from == VrrpState::Master;
        self.state = State::Backup(Backup::new(self.params.advert_int, master, yielded));
        self.arm(now, timer);
        self.transition(from, why, out);
    }

    /// Emits the transition from `from` to the current state.
    fn transition(&mut self, from: VrrpState, why: Reason, out: &mut Actions) {
        let to = self.state();
        self.push(Action::Transition { from, to, why }, out);
    }

    /// Appends an action. `out` has twice the capacity that any event needs.
    pub(super) fn push(&mut self, action: Action, out: &mut Actions) {
        if let Action::SendAdvert(priority) = action {
            bump(&mut self.counters.advert_sent);
            if priority == Priority::RESIGN {
                bump(&mut self.counters.pri_zero_sent);
            }
        }
        let pushed = out.push(action);
        debug_assert!(pushed.is_ok(), "action queue overflow at {action:?}");
    }
}
