//! Actions of the machine, carried out; and what the log says about them.

use crate::config::model::{Auth, HmacMode, Tracked, VrrpInstance};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::auth;
use crate::engine::instance::router::Router;
use crate::engine::kernel::addresses::Outcome;
use crate::engine::kernel::route_repair;
use crate::types::{Instant, MasterInfo, Priority, VrrpState};
use crate::vrrp::{Action, Actions, Burst, Event, Notice, Reason};

/// What is carried out before what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Addresses,
    Announcements,
    Words,
}

/// An action that waits for its turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingAction {
    id: usize,
    action: Action,
    seen: Option<MasterInfo>,
}

impl PendingAction {
    /// Addresses before announcements before words. The actions of one instance keep their order.
    fn phase(&self) -> Phase {
        match self.action {
            Action::SendAdvert(_) | Action::Install | Action::Withdraw | Action::StopAnnouncing => {
                Phase::Addresses
            }
            Action::Announce(_) => Phase::Announcements,
            Action::Transition { .. } | Action::Notice(_) | Action::RequestGroup => Phase::Words,
        }
    }
}

impl Engine {
    /// Gives an event to an instance, and what follows from it to the members of its group. Adverts go
    /// out at once, the rest waits in `later` for [`Engine::apply_kernel_actions`] and [`Engine::emit_logs_and_notifications`].
    pub(crate) fn deliver(&mut self, cx: &mut Cx<'_>, id: usize, event: Event<'_>) {
        if self.handle(cx, id, event) {
            self.sync_group(cx, id);
        }
        self.rearm(id);
    }

    /// Gives an event to an instance alone; tells whether its group must be looked at.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, id: usize, event: Event<'_>) -> bool {
        let mut actions = Actions::new();
        let Some(router) = self.routers.get_mut(id) else {
            return false;
        };
        // A new master no longer knows whom it succeeds; the log does.
        let before = router.machine.master();
        router.machine.handle(cx.now, event, &mut actions);
        router.note(cx.now, &actions);
        let seen = before.or(router.machine.master());
        self.sync_state_file(cx, id);
        let mut concerns_group = false;
        for action in actions {
            concerns_group |= matches!(action, Action::RequestGroup | Action::Transition { .. });
            match action {
                Action::SendAdvert(priority) => self.send_advert(cx, id, priority),
                Action::RequestGroup => {}
                Action::Install
                | Action::Withdraw
                | Action::Announce(_)
                | Action::StopAnnouncing
                | Action::Transition { .. }
                | Action::Notice(_) => {
                    self.shared
                        .pending_actions
                        .push(PendingAction { id, action, seen })
                }
            }
        }
        concerns_group
    }

    /// Carries out what events have caused, all but the words.
    pub(crate) fn apply_kernel_actions(&mut self, cx: &mut Cx<'_>) {
        let mut later = core::mem::take(&mut self.shared.pending_actions);
        for phase in [Phase::Addresses, Phase::Announcements] {
            for PendingAction { id, action, seen } in
                later.iter().filter(|later| later.phase() == phase)
            {
                self.apply(cx, *id, *action, *seen);
                self.rearm(*id);
            }
        }
        later.retain(|later| later.phase() == Phase::Words);
        self.shared.pending_actions = later;
    }

    /// Says what has been done, when there is nothing more urgent.
    pub(crate) fn emit_logs_and_notifications(&mut self, cx: &mut Cx<'_>) {
        let mut later = core::mem::take(&mut self.shared.pending_actions);
        for PendingAction { id, action, seen } in later.drain(..) {
            self.apply(cx, id, action, seen);
        }
        self.shared.pending_actions = later;
        self.report_groups(cx);
    }

    /// Gives an event to an instance and carries out everything that follows from it.
    pub(crate) fn handle_event(&mut self, cx: &mut Cx<'_>, id: usize, event: Event<'_>) {
        if !self.shared.pending_actions.is_empty() {
            self.emit_logs_and_notifications(cx);
        }
        self.deliver(cx, id, event);
        self.flush(cx);
    }

    /// Carries out everything that waits, words included.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_>) {
        if !self.shared.pending_actions.is_empty() {
            self.apply_kernel_actions(cx);
            self.emit_logs_and_notifications(cx);
        }
    }

    fn apply(&mut self, cx: &mut Cx<'_>, id: usize, action: Action, seen: Option<MasterInfo>) {
        match action {
            Action::SendAdvert(priority) => self.send_advert(cx, id, priority),
            Action::Install => {
                self.shared.no_accept.ensure(cx, id, &self.routers);
                let Some(router) = self.routers.get_mut(id) else {
                    return;
                };
                let outcome = router.addresses.install(cx, &self.shared.interfaces);
                report(&format_name(router), &outcome);
                let outcome = router.routes.install(cx, &self.shared.interfaces);
                route_repair::report(format_args!("({})", router.conf.name), &outcome);
            }
            Action::Withdraw => {
                let Some(router) = self.routers.get_mut(id) else {
                    return;
                };
                if self.shared.options.dont_release && self.shared.stopping {
                    return router.addresses.keep(cx, &self.shared.interfaces);
                }
                router.routes.withdraw(cx, &self.shared.interfaces);
                router.addresses.withdraw(cx, &self.shared.interfaces);
                self.schedule_vmac_down(id, cx.now);
            }
            Action::Announce(burst) => {
                if let Some(router) = self.routers.get_mut(id) {
                    router.garp.start(cx.now, burst);
                    self.announce(cx, id);
                }
                if burst == Burst::LowerPrio {
                    self.announce_group(cx, id);
                    self.notify_lower_prio_rx(cx, id);
                }
            }
            Action::StopAnnouncing => {
                if let Some(router) = self.routers.get_mut(id) {
                    router.garp.stop();
                    router.garp_held = None;
                }
            }
            Action::Transition { from, to, why } => {
                self.log_transition(id, from, to, why, seen);
                self.notify_transition(cx, id, from, to);
                self.with_lvs(|lvs, shared, routers| lvs.instance_changed(cx, shared, routers, id));
            }
            Action::Notice(notice) => self.log_notice(id, cx.now, notice),
            Action::RequestGroup => {}
        }
    }

    /// Renews the lifetimes of addresses.
    pub(crate) fn renew(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let set = &mut router.addresses;
        if set.renew(cx, &self.shared.interfaces, &mut self.shared.batch) {
            router.garp.start(cx.now, Burst::Master);
            self.announce(cx, id);
        }
    }

    /// Puts back addresses of a master that are not there.
    pub(crate) fn repair(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let outcome = router.addresses.reconcile(cx, &self.shared.interfaces);
        report(&format_name(router), &outcome);
        if outcome.restored > 0 {
            router.garp.start(cx.now, Burst::Master);
            self.announce(cx, id);
        }
    }

    // ---- the log ----

    pub(crate) fn log_priority(&self, id: usize, from: Priority, to: Priority) {
        if let Some(router) = self.routers.get(id) {
            let VrrpInstance {
                name,
                priority,
                tracks,
                ..
            } = &router.conf;
            let sum = self
                .shared
                .tracking
                .explain_sum(*priority, tracks, &self.shared.interfaces);
            log::info!(
                target: "vrrp",
                "({name}) Changing effective priority from {from} to {to}: {sum}"
            );
        }
    }

    fn log_transition(
        &self,
        id: usize,
        from: VrrpState,
        to: VrrpState,
        why: Reason,
        seen: Option<MasterInfo>,
    ) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let name = &router.conf.name;
        let because = self.explain(router, why, seen);
        match to {
            VrrpState::Init => log::info!(target: "vrrp", "({name}) Stopped: {because}"),
            VrrpState::Fault => {
                log::warn!(target: "vrrp", "({name}) Entering FAULT STATE: {because}");
            }
            VrrpState::Backup if from == VrrpState::Init => {
                log::info!(target: "vrrp", "({name}) Entering BACKUP STATE (init): {because}");
            }
            VrrpState::Backup | VrrpState::Master => {
                log::info!(target: "vrrp", "({name}) Entering {to} STATE: {because}");
            }
        }
    }

    /// The reason as a sentence, with names and numbers.
    pub(crate) fn explain(&self, router: &Router, why: Reason, seen: Option<MasterInfo>) -> String {
        let conf = &router.conf;
        let priority = router.machine.effective_priority();
        match why {
            Reason::Startup => format!("start with priority {priority}"),
            Reason::MasterDown => match seen {
                Some(seen) => format!("no advert from master {} any more", seen.addr),
                None => "no advert from any master".into(),
            },
            Reason::MasterResigned => "the master resigned".into(),
            Reason::Preempt => match seen {
                Some(seen) => format!("master {} has lower priority than {priority}", seen.addr),
                None => format!("the master has lower priority than {priority}"),
            },
            Reason::Resumed => {
                let ago = router.resume.silence.as_millis();
                format!("resumed after a restart, last advert {ago} ms ago")
            }
            Reason::Owner => "owner of the addresses (priority 255)".into(),
            Reason::HigherPriority => match seen {
                Some(seen) => format!(
                    "master {} has priority {}, ours is {priority}",
                    seen.addr, seen.priority
                ),
                None => "a router with higher priority is master".into(),
            },
            Reason::HigherAddress => match seen {
                Some(seen) => {
                    format!(
                        "master {} has our priority {priority} and a higher address",
                        seen.addr
                    )
                }
                None => "a router with our priority and a higher address is master".into(),
            },
            Reason::TimerExpired => "our own timer ran far too late; listening first".into(),
            Reason::InterfaceDown => format!("interface {} is down", self.culprit(router)),
            Reason::InterfaceMissing => {
                format!("interface {} does not exist", self.culprit(router))
            }
            Reason::NoSource => match conf.src_ip {
                Some(source) => format!("source address {source} is on no interface"),
                None => format!(
                    "{} has no {} address to send from",
                    conf.interface, conf.family
                ),
            },
            Reason::NoPeer => "unicast_peer is empty and unicast_fault_no_peer is set".into(),
            Reason::ScriptFailing | Reason::FileBad | Reason::ProcessBad => self
                .shared
                .tracking
                .explain_fault(&conf.tracks, &self.shared.interfaces),
            Reason::CannotListen => "adverts cannot be received".into(),
            Reason::GroupMaster | Reason::GroupBackup | Reason::GroupFault => {
                self.explain_group(router, why)
            }
            Reason::StaticMissing => {
                "a static address, route or rule of its track_group is missing".into()
            }
            Reason::SequenceExhausted => "AH has no sequence numbers left".into(),
            Reason::Recovered => "what was missing is back".into(),
            Reason::Shutdown if self.shared.stopping => "shutdown".into(),
            Reason::Shutdown => "no longer configured".into(),
        }
    }

    /// The interface that is to blame: the first that is missing or down.
    fn culprit<'a>(&self, router: &'a Router) -> &'a str {
        let conf = &router.conf;
        let tracked = conf.tracks.iter().filter_map(|track| match &track.object {
            Tracked::Interface(name) => Some(name),
            Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => None,
        });
        let carriers = router.addresses.addresses().map(|address| &address.dev);
        let own = core::iter::once(&conf.interface);
        let carriers = carriers
            .chain(router.routes.tracked())
            .filter(|dev| !router.has_own(dev));
        let mut all = own.chain(tracked).chain(carriers);
        let up = |name| {
            self.shared
                .interfaces
                .by_name(name)
                .is_some_and(crate::engine::kernel::interfaces::Interface::is_up)
        };
        all.find(|name| !up(name))
            .unwrap_or(&conf.interface)
            .as_str()
    }

    fn log_notice(&mut self, id: usize, now: Instant, notice: Notice) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let Some(suppressed) = router.notices.allow(now) else {
            return;
        };
        let name = &router.conf.name;
        if suppressed > 0 {
            log::warn!(target: "vrrp", "({name}) {suppressed} more such messages not shown");
        }
        match notice {
            Notice::Rejected { from, why } => log::warn!(
                target: "vrrp",
                "({name}) adverts of {from} are ignored: {}",
                rejection(router, why)
            ),
            Notice::Accepted { from } => {
                log::info!(target: "vrrp", "({name}) adverts of {from} are accepted again");
            }
            Notice::Tolerated { from, error } => log::warn!(
                target: "vrrp",
                "({name}) adverts of {from} are accepted because of mode {}, but they are {}",
                match &router.conf.auth {
                    Auth::Hmac(hmac) if hmac.mode == HmacMode::ReceiveOnly => "receive-only",
                    Auth::None | Auth::Pass(_) | Auth::Ah(_) | Auth::Hmac(_) => "permissive",
                },
                auth::defect(error)
            ),
            Notice::AddressesDiffer { from } => log::warn!(
                target: "vrrp",
                "({name}) {from} advertises other addresses than ours ({}); accepted all the same, \
                 but check virtual_ipaddress on both",
                list(&router.vips)
            ),
            Notice::IntervalAdopted { from, theirs } => log::info!(
                target: "vrrp",
                "({name}) master {from} advertises every {theirs}, ours is {}: using the master's",
                router.conf.advert_int
            ),
            Notice::LowerPriorityMaster { from, priority } => log::info!(
                target: "vrrp",
                "({name}) Received advert from {from} with lower priority {priority}, ours {}, \
                 forcing new election",
                router.machine.effective_priority()
            ),
            Notice::SameAddress { from } => log::warn!(
                target: "vrrp",
                "({name}) {from} sends adverts with our own priority and address: is the same \
                 address configured on two routers?"
            ),
            Notice::HeldByGroup => self.log_held(id),
            Notice::TwoOwners { from } => log::warn!(
                target: "vrrp",
                "({name}) {from} also claims to own the addresses (priority 255): only one router \
                 may have priority 255"
            ),
        }
    }
}

pub(crate) fn format_name(router: &Router) -> String {
    format!("({})", router.conf.name)
}

fn list(addresses: &[core::net::IpAddr]) -> String {
    let mut text = String::new();
    for (place, address) in addresses.iter().take(4).enumerate() {
        let comma = if place == 0 { "" } else { ", " };
        text.push_str(&format!("{comma}{address}"));
    }
    if addresses.len() > 4 {
        text.push_str(&format!(", … {} in all", addresses.len()));
    }
    text
}

fn rejection(router: &Router, why: crate::vrrp::Reject) -> String {
    use crate::vrrp::Reject;
    let conf = &router.conf;
    match why {
        Reject::Ttl(ttl) => format!("TTL {ttl} instead of 255, so it came through a router"),
        Reject::Version(theirs) => format!("VRRP {theirs}, ours {}", conf.version),
        Reject::AuthType | Reject::AuthFailed | Reject::Replay | Reject::Signature(_) => {
            auth::disbelief(conf, why).into()
        }
        Reject::Interval(theirs) => format!(
            "advert_int {theirs} instead of {}; version 2 wants them equal",
            conf.advert_int
        ),
        Reject::Transport => "multicast where unicast is configured, or the other way round".into(),
        Reject::Source => "not listed in unicast_peer, or outside its TTL bounds".into(),
    }
}

/// What became of an attempt to set addresses, in one line at most.
pub(crate) fn report(name: &str, outcome: &Outcome) {
    if let Some(first) = outcome.first_restored {
        let more = outcome.restored.saturating_sub(1);
        let others = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        log::warn!(
            target: "vrrp",
            "{name} {first}{others} removed by someone else, with its interface or with the first address of its \
             network; put back"
        );
    }
    if outcome.news && outcome.refused > 0 {
        let first = outcome.first_refused.as_deref().unwrap_or("unknown reason");
        log::error!(
            target: "netlink",
            "{name} {} of its addresses refused by the kernel, first {first}; trying again",
            outcome.refused
        );
    } else if outcome.news {
        log::info!(target: "netlink", "{name} all addresses are set now");
    } else if outcome.added > outcome.restored {
        log::debug!(target: "netlink", "{name} {} addresses set", outcome.added);
    }
}
