//! MASTER: sending adverts, and the contest with another master (RFC 9568 §6.4.3).
//!
//! The next advert is due one interval after the last deadline, so the mean interval is the
//! configured one, and adverts missed in a stall are not made up for. Replies to other routers
//! leave that timer alone and are rate limited: a flood of adverts of lower priority gets four
//! replies per interval.
//!
//! **After a stall** longer than our peers' down interval, a peer may have been master and the
//! neighbors' ARP tables may point to it. The sockets are read before the timer is served, and no
//! reply is sent until then: an advert of higher priority in the queue makes us yield without
//! having sent anything. If there is none, the timer's advert replies to all of lower priority, and
//! gratuitous ARP is sent again.
//!
//! **After a suspension** of the machine that was as long, nothing was queued. The instance stays
//! master but sends nothing for one interval and skew, in which a peer that is master is heard, and
//! then does the same.

use core::time::Duration;

use super::election::{self, Claim, Contest};
use super::instance::{Actions, Instance, Release, State};
use super::senders::Condition;
use super::{Action, Burst, Notice, Params, Reason, Received, group, timers};
use crate::types::{Centis, Instant, MasterInfo, MasterOutlook, Priority, TimerKind};
use crate::wire::vrrp::Auth;

#[derive(Debug)]
pub(super) struct Master {
    since: Instant,
    /// When the next periodic advert is due.
    advert_at: Instant,
    /// After a suspension: nothing is sent before `advert_at`.
    listening: bool,
    /// No reply before this time.
    no_reply_until: Instant,
    /// Another address owner (priority 255) with a lower address than ours.
    rival: Option<Rival>,
}

/// Another address owner, to which we yield if it stays.
#[derive(Clone, Copy, Debug)]
struct Rival {
    /// When to check whether it is still there.
    check_at: Instant,
    /// Time between checks: the down interval computed from its adverts.
    down_interval: Duration,
    /// An advert was received since the last check, so the first one was no stray packet.
    heard_again: bool,
}

impl Master {
    pub(super) fn new(now: Instant, params: &Params) -> Self {
        let interval = params.advert_int.duration();
        Master {
            since: now,
            advert_at: now.after(interval.saturating_sub(params.stagger)),
            listening: false,
            no_reply_until: now,
            rival: None,
        }
    }

    pub(super) fn outlook(&self) -> MasterOutlook {
        MasterOutlook {
            advert_at: self.advert_at,
            listening: self.listening,
            rival: self.rival.is_some(),
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.rival
            .map_or(self.advert_at, |rival| rival.check_at.min(self.advert_at))
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
        if self.must_stay_backup(late) {
            self.release(Release::Yield, out);
            self.become_backup(now, TimerKind::Down, None, Reason::TimerExpired, out);
            return;
        }
        if self.params.auth == Auth::Ah && self.sequences.is_exhausted() {
            self.release(Release::Yield, out);
            self.become_backup(now, TimerKind::Down, None, Reason::SequenceExhausted, out);
            return;
        }
        let mut listened = false;
        if let State::Master(master) = &mut self.state {
            master.advert_at = timers::next_period(due, interval, now);
            listened = core::mem::take(&mut master.listening);
        }
        self.push(Action::SendAdvert(self.effective_priority()), out);
        if listened || self.exceeded_peer_down_interval(late) {
            self.push(Action::Announce(Burst::Master), out);
        }
    }

    /// After a suspension that was shorter than our peers' down interval, the next advert is due at
    /// once; after a longer one, a peer may be master.
    pub(super) fn master_suspended(&mut self, now: Instant, time: Duration, out: &mut Actions) {
        let listen_until = now.after(self.span(TimerKind::LateListen, self.params.advert_int));
        let State::Master(master) = &self.state else {
            return;
        };
        let left = master.advert_at.since(now);
        let late = time.saturating_add(now.since(master.advert_at));
        let late = late.saturating_sub(left);
        if self.must_stay_backup(late) {
            self.release(Release::Yield, out);
            self.become_backup(now, TimerKind::Down, None, Reason::TimerExpired, out);
            return;
        }
        let listen = master.listening || self.exceeded_peer_down_interval(late);
        if let State::Master(master) = &mut self.state {
            master.listening = listen;
            master.advert_at = if listen { listen_until } else { now };
        }
        if listen {
            self.push(Action::StopAnnouncing, out);
        }
    }

    /// Whether an advert this late was sent after the end of our peers' down interval.
    fn exceeded_peer_down_interval(&self, late: Duration) -> bool {
        self.exceeded_down_interval(late, Priority::OWNER)
    }

    /// Whether an advert this late was sent after the end of the down interval of a peer with this
    /// priority that is configured like us.
    fn exceeded_down_interval(&self, late: Duration, priority: Priority) -> bool {
        let (version, adverts) = (self.params.version, self.params.down_timer_adverts);
        let interval = self.params.advert_int;
        let gap = late.saturating_add(interval.duration());
        gap > timers::down(version, adverts, interval, priority)
    }

    /// `timer_expired_backup`: the advert is so late that another router may have taken over, and
    /// with `nopreempt` that router keeps mastership.
    fn must_stay_backup(&self, late: Duration) -> bool {
        let highest = self.params.timer_expired_backup;
        self.params.nopreempt
            && highest.is_some_and(|highest| self.exceeded_down_interval(late, highest))
    }

    /// The shortest down interval a peer configured like us can have.
    fn peer_down_interval(&self) -> Duration {
        let (version, adverts) = (self.params.version, self.params.down_timer_adverts);
        timers::down(version, adverts, self.params.advert_int, Priority::OWNER)
    }
}

// ---- reload ----

impl Instance {
    /// The next advert is sent one new interval from now at the latest.
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
            // The router that resigned was master too; the backups that followed it must hear us.
            if self.may_reply(now) {
                self.push(Action::SendAdvert(ours), out);
            }
            return;
        }
        let contest = election::compare(
            Claim {
                priority: ours,
                addr: self.source,
            },
            Claim {
                priority: theirs,
                addr: Some(from),
            },
        );
        if ours.is_owner() && theirs.is_owner() {
            self.two_owners(now, received, contest, out);
            return;
        }
        match contest {
            Contest::Won => {
                if self
                    .senders
                    .notice(now, from, Condition::LowerPriorityMaster(theirs))
                {
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
            // Discarded in Instance::acceptable.
            Contest::Tie => {}
        }
    }

    /// Replies at once (RFC 9568 §6.4.3), so that the master of lower priority yields before the
    /// neighbors learn its address.
    fn assert_mastership(&mut self, now: Instant, out: &mut Actions) {
        if !self.may_reply(now) {
            return;
        }
        if !self.params.lower_prio_no_advert {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
        self.push(Action::Announce(Burst::LowerPrio), out);
    }

    /// AH: a router that counts from 1 after a restart, as keepalived does, learns from our advert
    /// which sequence number it must exceed. We cannot yield to it before, so the advert is sent at
    /// once.
    pub(super) fn advertise_sequence(&mut self, now: Instant, out: &mut Actions) {
        if self.may_reply(now) {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
    }

    /// Whether a reply may be sent now; if so, no other for a quarter of an interval. After a stall
    /// there is no reply before the sockets have been read: the next packet may come from a router
    /// of higher priority. The advert of the timer that follows serves as the reply.
    fn may_reply(&mut self, now: Instant) -> bool {
        let interval = self.params.advert_int.duration();
        let quarter = interval.checked_div(4).unwrap_or_default();
        let State::Master(master) = &self.state else {
            return false;
        };
        if master.listening
            || now < master.no_reply_until
            || self.exceeded_peer_down_interval(now.since(master.advert_at))
        {
            return false;
        }
        let State::Master(master) = &mut self.state else {
            return false;
        };
        master.no_reply_until = now.after(quarter);
        true
    }

    /// Whether `higher_prio_send_advert` may send its advert: not after a stall, and not when the
    /// new master has another interval (v3). The backups would adopt our interval and could
    /// consider the new master dead.
    fn may_send_final_advert(&self, now: Instant, winner: MasterInfo) -> bool {
        let State::Master(master) = &self.state else {
            return false;
        };
        let stalled = self.exceeded_peer_down_interval(now.since(master.advert_at));
        winner.interval == self.params.advert_int && !stalled && !master.listening
    }

    fn yield_to(&mut self, now: Instant, received: &Received<'_>, why: Reason, out: &mut Actions) {
        let master = self.master_info(received);
        self.notice_interval(now, master, out);
        if self.params.higher_prio_send_advert && self.may_send_final_advert(now, master) {
            self.push(Action::SendAdvert(self.effective_priority()), out);
        }
        let delay = self.contention_delay(now);
        self.release(Release::Yield, out);
        self.become_backup(now.after(delay), TimerKind::Down, Some(master), why, out);
    }

    /// Sync group: by how much the down timer starts later, if we had to yield soon after taking
    /// over; see [`group`].
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
    /// Both priorities are 255: one of the configurations is wrong, and the adverts do not show
    /// which. The router with the lower address stays master; the other one waits whether it goes
    /// away.
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
        let down_interval = timers::down(version, adverts, theirs, Priority::OWNER);
        let State::Master(master) = &mut self.state else {
            return;
        };
        match &mut master.rival {
            Some(rival) => rival.heard_again = true,
            None => {
                master.rival = Some(Rival {
                    check_at: now.after(down_interval),
                    down_interval,
                    heard_again: false,
                });
            }
        }
    }

    /// If the rival is still there after its down interval, our priority becomes 254, so that its
    /// next advert makes us yield. If no advert follows, the rival is gone and our priority becomes
    /// 255 again.
    fn rival_due(&mut self, now: Instant) {
        let State::Master(master) = &mut self.state else {
            return;
        };
        let Some(rival) = master.rival.filter(|rival| now >= rival.check_at) else {
            return;
        };
        self.owner_yields = rival.heard_again;
        master.rival = rival.heard_again.then(|| Rival {
            check_at: now.after(rival.down_interval),
            heard_again: false,
            ..rival
        });
    }
}
