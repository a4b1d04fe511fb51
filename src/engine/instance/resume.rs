//! Hot restart: instances that go on as master after their process has died or has been replaced.
//!
//! ```text
//! advert ─ sent ──→ ledger ─ end of the turn ─→ state file ─→ recall ─→ Event::Resume
//! no longer master ─→ ledger ─ at once, before anything is said ─→ state file
//! ```
//! What is written is never more than is true: an advert counts from before it was sent, and mastership ends in
//! the file before it ends on the wire. So if the process dies between any two steps, its successor goes on for too
//! short a time at the worst.
//!
//! The kernel's part (addresses, routes, interfaces) of an instance that may go on is left alone at the start, and
//! removed as leftovers if it does not. A group goes on as a whole or not at all. Addresses that the former process had
//! and this one does not know, for the configuration has changed meanwhile, are removed where the kernel can tell that
//! they were ours.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::engine::Engine;
use crate::engine::instance::router::Router;
use crate::engine::instance::state_record::{self, Record, StateRecords};
use crate::engine::kernel::addresses;
use crate::engine::system::System;
use crate::types::{Cidr, IfName, Instant, Priority, VrrpState};
use crate::vrrp::{self, Actions, Event};

/// Going on more often than this in short order is refused: a router on which the daemon dies again and again should
/// not stay master for ever.
const RETURNS: u8 = 3;
/// Having lived for so long, it has not died in short order.
const LIVED: Duration = Duration::from_secs(60);

/// The last advert as master: when, since boot, and for how long it keeps others from taking over.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Duration,
    grace: Duration,
}

/// How much time there is to go on as master, and the interval to listen for.
#[derive(Clone, Copy, Debug)]
struct Span {
    left: Duration,
    interval: Duration,
}

impl Span {
    /// For both together.
    fn least(self, other: Span) -> Span {
        Span {
            left: self.left.min(other.left),
            interval: self.interval.max(other.interval),
        }
    }
}

/// What a router has from its former process, and leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct ResumeState {
    /// Its machine is about to go on as master; the kernel still has what belongs to it.
    pub(crate) resuming: bool,
    /// When it began to listen, and how long the last advert was ago then; later, when it went on.
    since: Instant,
    pub(crate) silence: Duration,
    /// Its priority counts as it was until all it tracks has been heard of.
    pub(crate) trusting: bool,
    returns: u8,
    /// When it went on, since boot.
    returned: Duration,
    /// What the file says.
    sent: Option<Sent>,
}

impl Engine {
    // ---- the beginning ----

    /// Finds the instances that were master until a moment ago, and lets them go on. Before anything is touched that
    /// they still have in the kernel.
    pub(crate) fn restore(&mut self, cx: &mut Cx<'_>, hold: Duration) {
        let old = cx.system.read_state();
        let uptime = cx.system.uptime();
        self.remove_stale(cx, &old);
        self.shared.state_records = self.blank(old.len());
        let records = self.routers.iter().map(|router| {
            let same = |record: &Record| is_of(record, router);
            state_record::records(&old).find(same)
        });
        let records: Vec<Option<Record>> = records.collect();
        let verdicts = self.routers.iter().zip(&records);
        let verdicts =
            verdicts.map(|(router, record)| self.time_left(router, record.as_ref(), uptime));
        let mut verdicts: Vec<Result<Span, &str>> = verdicts.collect();
        for group in &self.groups {
            let members = || group.conf.members.iter();
            let all = members().map(|&id| verdicts.get(id).copied().and_then(Result::ok));
            let least = all.reduce(|one, other| Some(Span::least(one?, other?)));
            let verdict = least.flatten().ok_or("not all of its group do");
            for &id in members() {
                if let Some(known) = verdicts.get_mut(id).filter(|known| known.is_ok()) {
                    *known = verdict;
                }
            }
        }
        for (id, (record, verdict)) in records.into_iter().zip(verdicts).enumerate() {
            match (record, verdict) {
                (None, _) => {}
                (Some(record), Ok(Span { left, interval })) => {
                    let listening = vrrp::resume_listen_time(interval, left);
                    let resume = Event::Resume {
                        at: cx.now.after(listening),
                        until: cx.now.after(left),
                        startup_delay: hold,
                    };
                    self.resume(id, cx.now, &record, (resume, uptime));
                    self.log_resuming(id, listening);
                }
                (Some(_), Err(why)) => self.log_not_resumed(id, why),
            }
        }
        self.shared.state_records.write(cx);
    }

    /// The ledger without a master.
    fn blank(&self, old: usize) -> StateRecords {
        let mut ledger = StateRecords::new(self.routers.len());
        for router in &self.routers {
            // The addresses of an owner may be the machine's.
            if !router.conf.priority.is_owner() {
                for (dev, cidr) in router.addresses.places() {
                    ledger.list(dev, cidr);
                }
            }
        }
        ledger.begin(old);
        ledger
    }

    /// Removes addresses of the former process that are configured no more.
    fn remove_stale(&mut self, cx: &mut Cx<'_>, old: &[u8]) {
        let mut strays: Vec<(IfName, Cidr)> = state_record::addresses(old).collect();
        for set in self.routers.iter().map(|router| &router.addresses) {
            set.spare(&mut strays);
        }
        self.statics.spare(&mut strays);
        let count = addresses::remove_strays(cx, &strays, &self.shared.interfaces);
        if count > 0 {
            log::info!(
                target: "vrrp",
                "removed {count} addresses of an earlier run that are not configured any more"
            );
        }
    }

    /// How much time there is to go on, or why it may not.
    fn time_left(
        &self,
        router: &Router,
        record: Option<&Record>,
        uptime: Duration,
    ) -> Result<Span, &'static str> {
        let record = record.ok_or("")?;
        if router.conf.priority.is_owner() {
            return Err("an owner needs no election");
        }
        let vmac = router.conf.vmac.as_ref();
        let dev = vmac.map_or(&router.conf.interface, |vmac| &vmac.name);
        let link = self.shared.interfaces.by_name(dev);
        let link = link.filter(|link| vmac.is_none_or(|vmac| link.mac == Some(vmac.mac)));
        if link.is_none_or(|link| link.index != record.index) {
            return Err("its interface is another one");
        }
        if record.returns >= RETURNS {
            return Err("the daemon dies again and again");
        }
        let left = record.sent.saturating_add(record.grace).checked_sub(uptime);
        // One from the future is none of ours.
        let left = left.filter(|left| !left.is_zero() && record.sent <= uptime);
        let interval = router.conf.advert_int.duration();
        let span = left.map(|left| Span { left, interval });
        span.ok_or("a peer may have taken over meanwhile")
    }

    fn resume(
        &mut self,
        id: usize,
        now: Instant,
        record: &Record,
        (resume, uptime): (Event<'_>, Duration),
    ) {
        // Until it has sent an advert of its own.
        self.shared.state_records.set(id, Some(record));
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        router.resume = ResumeState {
            resuming: true,
            since: now,
            silence: uptime.saturating_sub(record.sent),
            trusting: true,
            returns: record.returns.saturating_add(1),
            returned: uptime,
            sent: Some(Sent {
                at: record.sent,
                grace: record.grace,
            }),
        };
        // Should a reload come before it goes on, what is configured no more must go.
        router.addresses.adopt(&self.shared.interfaces);
        router.routes.adopt();
        router.reported_priority = record.priority;
        let mut none = Actions::new();
        let machine = &mut router.machine;
        machine.continue_sequence_after(record.number);
        machine.handle(now, Event::Priority(record.priority), &mut none);
        machine.handle(now, resume, &mut none);
        self.rearm(id);
    }

    fn log_resuming(&self, id: usize, listening: Duration) {
        if let Some(router) = self.routers.get(id) {
            let (name, listening) = (&router.conf.name, listening.as_millis());
            let ago = router.resume.silence.as_millis();
            log::info!(
                target: "vrrp",
                "({name}) was master before the restart, last advert {ago} ms ago; goes on if no other master is \
                 heard for {listening} ms"
            );
        }
    }

    fn log_not_resumed(&self, id: usize, why: &str) {
        if let Some(router) = self.routers.get(id) {
            let name = &router.conf.name;
            log::info!(target: "vrrp", "({name}) was master before the restart, but does not go on: {why}");
        }
    }

    // ---- after an event, before what it causes is carried out ----

    /// Sees to it that the file does not say more than is true, and the kernel has no more than it should.
    pub(crate) fn sync_state_file(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        if router.machine.is_resuming() {
            return;
        }
        let resumed = core::mem::take(&mut router.resume.resuming);
        if router.machine.state() == VrrpState::Master {
            if resumed {
                let more = cx.now.since(router.resume.since);
                router.resume.silence = router.resume.silence.saturating_add(more);
            }
            return;
        }
        if router.resume.sent.take().is_some() {
            router.resume.trusting = false;
            self.shared.state_records.set(id, None);
            self.shared.state_records.write(cx);
        }
        if resumed {
            self.give_up(cx, id);
        }
    }

    /// It does not go on after all.
    fn give_up(&mut self, cx: &mut Cx<'_>, id: usize) {
        self.log_not_resumed(id, "another router is master, or something is missing");
        self.remove_leftover_routes(cx, id);
        self.remove_leftover_addresses(cx, id);
        self.schedule_vmac_down(id, cx.now);
    }

    // ---- adverts ----

    /// An advert was sent, not before `at`.
    pub(crate) fn record_advert(&mut self, id: usize, at: Duration, priority: Priority) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        if router.machine.state() != VrrpState::Master || router.conf.priority.is_owner() {
            return;
        }
        let grace = router.machine.peer_down_interval_min();
        if at.saturating_sub(router.resume.returned) > LIVED {
            router.resume.returns = 0;
        }
        router.resume.sent = Some(Sent { at, grace });
        let record = record(router, priority);
        self.shared.state_records.set(id, record.as_ref());
    }

    /// Another configuration, and with it perhaps another order.
    pub(crate) fn rewrite_state_file(&mut self, cx: &mut Cx<'_>) {
        self.shared.state_records = self.blank(self.shared.state_records.len());
        for (id, router) in self.routers.iter().enumerate() {
            let record = record(router, router.machine.effective_priority());
            self.shared.state_records.set(id, record.as_ref());
        }
        self.shared.state_records.write(cx);
    }

    // ---- the end ----

    /// The program is about to be replaced by another version of itself: every master says that it lives, and
    /// what runs for us and would not end by itself is told to.
    pub fn hand_over(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        self.close_fifos(cx);
        self.shared.children.hand_over(cx);
        for router in &mut self.routers {
            // This is no death.
            router.resume.returns = 0;
        }
        self.before_reload(cx.now, cx.system);
        // Also of those that have yet to go on, and send nothing.
        self.rewrite_state_file(cx);
        // What they were before only we know. Whoever is told the wrong Ethernet address by the interface below is
        // told the right one when the new program announces itself.
        self.restore_base_settings(cx, true);
    }
}

/// Whose record it is; as [`Router::is`], as far as a record tells.
fn is_of(record: &Record, router: &Router) -> bool {
    let conf = &router.conf;
    record.interface == conf.interface
        && record.family == conf.family
        && record.vrid == conf.vrid.get()
}

fn record(router: &Router, priority: Priority) -> Option<Record> {
    let Sent { at, grace } = router.resume.sent?;
    Some(Record {
        interface: router.conf.interface.clone(),
        family: router.conf.family,
        vrid: router.conf.vrid.get(),
        priority,
        returns: router.resume.returns,
        index: router.vmac.index.or(router.ifindex)?,
        sent: at,
        grace,
        number: router.machine.last_sequence(),
    })
}
