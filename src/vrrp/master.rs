//! MASTER: advertising, and deciding who wins against another master (RFC 9568 §6.4.3,
//! `semantics.md` §4.3).
//!
//! The advert timer is a grid: the next deadline comes from the last one, so the mean interval is
//! the configured one, and a stall is not made up for. Adverts sent in answer to somebody leave the
//! grid alone, and are limited in number: whoever sends us thousands of weak adverts gets four
//! answers per interval.
//!
//! **After a stall** longer than our peers' down interval one of them may have been master, and the
//! neighbors' tables point there. The sockets are read before the timer, and until that is done we
//! answer nobody: a stronger one in the queue makes us yield without having said a word. If none was,
//! the timer's advert answers the weaker ones; and as we may not even have heard of them (a suspended
//! machine has no queue) the neighbors are told anew.

use core::time::Duration;

use super::backup::TimerKind;
use super::election::{self, Contest};
use super::instance::{Actions, Instance, State};
use super::reception::Condition;
use super::{Action, Burst, Notice, Params, Reason, Received, group, timers};
use crate::types::{Centis, Instant, MasterInfo, Priority};
use crate::wire::vrrp::Auth;

#[derive(Debug)]
pub(super) struct Master {
    since: Instant,
    /// Next periodic advert.
    advert_at: Instant,
    /// No answer before this.
    quiet_until: Instant,
    /// Another router claims to own the addresses, as we do, and has the lower address.
    rival: Option<Rival>,
}

/// Another owner to whom we shall give way (`semantics.md` §4.3).
#[derive(Clone, Copy, Debug)]
struct Rival {
    /// When to look again.
    step_at: Instant,
    /// How long to timer each time: a down interval in its adverts.
    patience: Duration,
    /// Heard more than once: not a stray packet.
    again: bool,
}

impl Master {
    pub(super) fn new(now: Instant, params: &Params) -> Self {
        let interval = params.advert_int.duration();
        Master {
            since: now,
            advert_at: now.after(interval.saturating_sub(params.stagger)),
            quiet_until: now,
            rival: None,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.rival
            .map_or(self.advert_at, |rival| rival.step_at.min(self.advert_at))
    }
}

// ---- timer ----

impl Instance {
    pub(super) fn master_timer(&mut self, now: Instant, out: &mut Actions) {
        let State::Master(master) = &self.state else {
            return;
        };
        let due = master.advert_at;
        if now >= due {
            self.advert_due(now, due, out);
        }
        self.rival_due(now);
    }

    fn advert_due(&mut self, now: Instant, due: Instant, out: &mut Actions) {
        let interval = self.params.advert_int.duration();
        let late = now.since(due);
        if self.must_stay_backup(late, interval) {
            self.release(false, out);
            self.become_backup(now, TimerKind::Down, None, Reason::TimerExpired, out);
            return;
        }
        if self.params.auth == Auth::Ah && self.sequences.is_exhausted() {
            // 80 years from now.
            self.release(false, out);
            self.become_backup(now, TimerKind::Down, None, Reason::SequenceExhausted, out);
            return;
        }
        if let State::Master(master) = &mut self.state {
            master.advert_at = timers::next_period(due, interval, now);
        }
        self.push(Action::SendAdvert(self.effective_priority()), out);
        if self.exceeded_peer_down_interval(late) {
            self.push(Action::Announce(Burst::Master), out);
        }
    }

    /// Whether an advert this late came after our peers' patience had ended.
    fn exceeded_peer_down_interval(&self, late: Duration) -> bool {
        let silence = late.saturating_add(self.params.advert_int.duration());
        silence > self.peer_down_interval()
    }

    /// The shortest down interval a peer configured like us can have.
    fn peer_down_interval(&self) -> Duration {
        let (version, adverts) = (self.params.version, self.params.down_timer_adverts);
        timers::down(version, adverts, self.params.advert_int, Priority::OWNER)
    }
}

// ---- reload ----

impl Instance {
    /// The next advert is never later than the new interval wants it.
    pub(super) fn master_params_changed(&mut self, now: Instant) {
        let latest = now.after(self.params.advert_int.duration());
        let owner = self.params.priority.is_owner();
        if let State::Master(master) = &mut self.state {
            master.advert_at = master.advert_at.min(latest);
            master.rival = master.rival.filter(|_| owner);
        }
    }
}

// ---- adverts ----

impl Instance {
    pub(super) fn master_advert(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        out: &mut Actions,
    ) {
        let (from, theirs) = (received.from, received.advert.priority);
        let ours = self.effective_priority();
        if theirs == Priority::RESIGN {
            // Whoever resigned was master too; those it leaves behind must hear of us.
            if self.may_reply(now) {
                self.push(Action::SendAdvert(ours), out);
            }
            return;
        }
        let contest = election::compare((ours, self.source), (theirs, from));
        if ours.is_owner() && theirs.is_owner() {
            self.two_owners(now, received, contest, out);
            return;
        }
        match contest {
            Contest::Won => {
                if self.senders.notice(now, from, Condition::WeakerMaster) {
                    let priority = theirs;
                    let notice = Notice::LowerPriorityMaster { from, priority };
                    self.push(Action::Notice(notice), out);
                }
                self.assert_mastership(now, out);
            }
            Contest::LostByPriority => {
                self.yield_to(now, received, Reason::HigherPriority, out);
            }
            Contest::LostByAddress => {
                self.yield_to(now, received, Reason::HigherAddress, out);
            }
            // Discarded before it got here.
            Contest::Tie => {}
        }
    }

    /// RFC 9568 §6.4.3: at once, so that the weaker one yields before neighbors learn from it.
    fn assert_mastership(&mut self, now: Instant, out: &mut Actions) {
        if !self.may_reply(now) {
            return;
        }
        if !self.params.lower_prio_no_advert {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
        self.push(Action::Announce(Burst::LowerPrio), out);
    }

    /// AH: a router that counts from 1 after a restart (keepalived does) learns from our advert what number it must
    /// exceed. Until then we cannot yield to it, so it should not have to wait for the next one.
    pub(super) fn advertise_sequence(&mut self, now: Instant, out: &mut Actions) {
        if self.may_reply(now) {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
    }

    /// Whether an answer is allowed now; if so, none is for a quarter of an interval. After a stall
    /// none is before the sockets are empty: the next packet may be of a stronger router. The timer
    /// that follows then answers them all.
    fn may_reply(&mut self, now: Instant) -> bool {
        let interval = self.params.advert_int.duration();
        let quarter = interval.checked_div(4).unwrap_or_default();
        let State::Master(master) = &self.state else {
            return false;
        };
        if now < master.quiet_until || self.exceeded_peer_down_interval(now.since(master.advert_at))
        {
            return false;
        }
        let State::Master(master) = &mut self.state else {
            return false;
        };
        master.quiet_until = now.after(quarter);
        true
    }

    /// `higher_prio_send_advert`. Not after a stall, and not where the stronger router has another
    /// interval (v3): the others would hear ours last, adopt it, and soon think the master dead.
    fn may_send_final_advert(&self, now: Instant, stronger: MasterInfo) -> bool {
        let State::Master(master) = &self.state else {
            return false;
        };
        let exceeded_peer_down_interval =
            self.exceeded_peer_down_interval(now.since(master.advert_at));
        stronger.interval == self.params.advert_int && !exceeded_peer_down_interval
    }

    fn yield_to(&mut self, now: Instant, received: &Received<'_>, why: Reason, out: &mut Actions) {
        let seen = self.master_info(received);
        self.notice_interval(now, seen, out);
        if self.params.higher_prio_send_advert && self.may_send_final_advert(now, seen) {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
        let patience = self.contention_delay(now);
        self.release(false, out);
        self.become_backup(now.after(patience), TimerKind::Down, Some(seen), why, out);
    }

    /// In a group: how much later the timer begins because mastership was contested at once; see
    /// [`group`].
    fn contention_delay(&self, now: Instant) -> Duration {
        let State::Master(master) = &self.state else {
            return Duration::ZERO;
        };
        if !self.params.in_sync_group || now.since(master.since) > self.peer_down_interval() {
            return Duration::ZERO;
        }
        let interval = self.params.advert_int.duration();
        group::contention_delay(self.source, self.counters.become_master, interval)
    }
}

// ---- two owners ----

impl Instance {
    /// Both priorities are 255: a mistake in one configuration, and nothing tells in whose. The
    /// lower address keeps the addresses; the higher one waits whether the other goes away.
    fn two_owners(
        &mut self,
        now: Instant,
        received: &Received<'_>,
        contest: Contest,
        out: &mut Actions,
    ) {
        let from = received.from;
        if self.senders.notice(now, from, Condition::TwoOwners) {
            self.push(Action::Notice(Notice::TwoOwners { from }), out);
        }
        if contest == Contest::Won {
            self.wait_for_rival(now, self.master_info(received).interval);
        } else {
            self.assert_mastership(now, out);
        }
    }

    fn wait_for_rival(&mut self, now: Instant, theirs: Centis) {
        let (version, adverts) = (self.params.version, self.params.down_timer_adverts);
        let patience = timers::down(version, adverts, theirs, Priority::OWNER);
        let State::Master(master) = &mut self.state else {
            return;
        };
        match &mut master.rival {
            Some(rival) => rival.again = true,
            None => {
                master.rival = Some(Rival {
                    step_at: now.after(patience),
                    patience,
                    again: false,
                });
            }
        }
    }

    /// Still there after a down interval: become 254, so that its next advert makes us yield like
    /// any other. If that advert never comes, the rival is gone and we are the owner again.
    fn rival_due(&mut self, now: Instant) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        let Some(rival) = master.rival.filter(|rival| now >= rival.step_at) else {
            return;
        };
        self.demoted = rival.again;
        master.rival = rival.again.then(|| Rival {
            step_at: now.after(rival.patience),
            again: false,
            ..rival
        });
    }
}
