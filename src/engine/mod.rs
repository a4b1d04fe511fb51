//! The engine owns everything that runs and connects it: events in, commands to the kernel out.
//!
//! ```text
//! packet   ─ reception.rs ─┐                          ┌─ SendAdvert → transmit.rs ─┐
//! news     ─ links.rs ─────┼→ vrrp::Instance → Action ┼─ Install   → addresses.rs ─┼→ System
//! deadline ─ deadlines.rs ─┘        apply.rs          └─ Announce  → transmit.rs ──┘
//! ```
//! The loop in `os` calls, in this order: [`Engine::packet`] for every packet that waits,
//! [`Engine::netlink_event`] for every message of the kernel and [`Engine::refresh`] when there are no more, and
//! [`Engine::expire`] last, so that no timer fires over an advert that has arrived. After every event all
//! actions are carried out before the next event is looked at (timers that are due together count as one). Nothing here waits, asks the time or touches a
//! descriptor: the kernel is the trait [`System`].

mod cx;
pub mod instance;
mod kernel;
mod log_limit;
#[cfg(feature = "lvs")]
mod lvs;
mod notify;
mod reload;
mod shared;
mod snapshot;
mod startup;
mod sync_group;
pub mod system;
mod timers;
mod tracking;
mod virtual_services;

use crate::config::model::Config;
use crate::engine::cx::Cx;
use crate::netlink::Message;
use crate::types::{Cidr, Instant, VrrpCounters, VrrpState, sorted};
use crate::vrrp::{Event, Reason};

use instance::actions;
use instance::garp_pacing::GarpPacing;
use instance::router::{Readiness, Router};
use kernel::addresses::{AddressSet, Kind};
use kernel::interfaces::Change;
use kernel::routes::RouteSet;
use kernel::sockets::Socket;
use shared::Shared;
use sync_group::Group;
use system::{Listener, System};
use timers::{TimerKey, Timers};
use tracking::Tracking;
use virtual_services::VirtualServices;

/// Which instance an advert is for.
type Address = (Listener, u8);

/// What the operator asked for on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `--dont-release-vrrp`: leave the addresses in place at the end.
    pub dont_release: bool,
    /// `--dont-release-ipvs`: leave the virtual services in the kernel.
    pub dont_release_ipvs: bool,
}

/// Everything that is configured, at run time.
#[derive(Debug)]
pub struct Engine {
    routers: Vec<Router>,
    groups: Vec<Group>,
    statics: AddressSet,
    static_routes: RouteSet,
    /// Instances that depend on static addresses, routes or rules, by `track_group`.
    track_groups: Vec<Vec<usize>>,
    /// All virtual addresses with their instance, sorted: never a source address, watched for removal.
    virtuals: Vec<(Cidr, usize)>,
    sockets: Vec<Socket>,
    /// Receive socket and VRID → instance, sorted.
    dispatch: Vec<(Address, usize)>,
    /// `None`: this build has no virtual servers.
    lvs: Option<Box<dyn VirtualServices>>,
    shared: Shared,
}

impl Engine {
    /// An engine that knows what to do and has not begun.
    #[must_use]
    pub fn new(mut config: Config, options: Options) -> Self {
        let tracking = Tracking::new(&mut config);
        let Config {
            global,
            instances,
            sync_groups: groups,
            track_groups,
            static_addresses,
            static_routes,
            static_rules,
            lvs,
            ..
        } = config;
        let count = instances.len();
        let routers = instances.into_iter().enumerate();
        let routers: Vec<Router> = routers
            .map(|(nth, conf)| Router::new(conf, nth, count))
            .collect();
        let mut engine = Engine {
            groups: groups.into_iter().map(Group::new).collect(),
            statics: AddressSet::new(static_addresses.into_iter(), Kind::Static),
            static_routes: RouteSet::new(static_routes, static_rules),
            track_groups,
            virtuals: Vec::new(),
            sockets: Vec::new(),
            dispatch: Vec::new(),
            lvs: virtual_services::new(lvs),
            shared: Shared::new(options, global, tracking, routers.len()),
            routers,
        };
        engine.rebuild_tables();
        engine
    }

    /// Makes what is derived from the configuration of all instances together.
    fn rebuild_tables(&mut self) {
        let delays = self.shared.global.up_down_delays.clone();
        self.shared.interfaces.delay(delays);
        self.virtuals.clear();
        for (id, router) in self.routers.iter().enumerate() {
            self.virtuals
                .extend(router.addresses.listed().map(|cidr| (cidr, id)));
        }
        self.virtuals = sorted(core::mem::take(&mut self.virtuals));
        let devs = self
            .routers
            .iter()
            .flat_map(|one| one.addresses.addresses());
        let devs = devs.map(|address| &address.dev);
        self.shared.garp_pacing = GarpPacing::new(&self.shared.global.garp_groups, devs);
        let old = Timers::new(TimerKey::count(self.routers.len()));
        let old = core::mem::replace(&mut self.shared.timers, old);
        for key in 0..TimerKey::SHARED {
            self.shared.timers.set(key, old.get(key));
        }
        for id in 0..self.routers.len() {
            self.rearm(id);
        }
    }

    /// Whether there is anything to run.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.routers.is_empty()
            && self.statics.len() == 0
            && self.static_routes.is_empty()
            && self.lvs.as_ref().is_none_or(|lvs| lvs.is_idle())
    }

    /// Whether there are virtual servers.
    #[must_use]
    pub fn has_services(&self) -> bool {
        self.lvs.as_ref().is_some_and(|lvs| lvs.has_services())
    }

    /// Name, state and counters of every instance.
    pub fn instances(&self) -> impl Iterator<Item = (&str, VrrpState, &VrrpCounters)> {
        self.routers.iter().map(|router| {
            (
                router.conf.name.as_str(),
                router.machine.state(),
                router.machine.counters(),
            )
        })
    }

    // ---- time ----

    /// When [`Engine::expire`] has something to do.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.shared.timers.first().map(|(at, _)| at)
    }

    /// Whether [`Engine::expire`] wants another turn at once, to say what it has done.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.shared.pending_actions.is_empty()
    }

    /// Whether the next deadline is one that is worth being early for: a master's silence becomes a takeover.
    #[must_use]
    pub fn takeover_is_next(&self) -> bool {
        let next = self
            .shared
            .timers
            .first()
            .and_then(|(_, key)| self.routers.get(TimerKey::instance(key)?));
        next.is_some_and(|router| router.machine.state() == VrrpState::Backup)
    }

    /// Does what is due. Every key gets at most one turn, so that packets are looked at in between.
    ///
    /// When many instances take over together all of them advertise first, which is what keeps other
    /// routers from taking over too; then all addresses are set, then all are announced. The log is written when
    /// nothing is due any more.
    pub fn expire(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        let keys = TimerKey::count(self.routers.len());
        let mut idle = true;
        for _ in 0..keys {
            match self.shared.timers.first() {
                Some((at, key)) if at <= cx.now => self.due(cx, key),
                Some(_) | None => break,
            }
            idle = false;
        }
        if idle {
            self.emit_logs_and_notifications(cx);
        } else {
            self.apply_kernel_actions(cx);
        }
        self.shared.state_records.write(cx);
    }

    fn due(&mut self, cx: &mut Cx<'_>, key: usize) {
        let Some(id) = TimerKey::instance(key) else {
            return self.housekeeping(cx);
        };
        let Some(router) = self.routers.get(id) else {
            return;
        };
        if cx.is_due(router.machine.next_deadline()) {
            self.deliver(cx, id, Event::Timer);
        }
        self.announce(cx, id);
        if self
            .routers
            .get(id)
            .is_some_and(|router| cx.is_due(router.addresses.renewal()))
        {
            self.renew(cx, id);
        }
        if self
            .routers
            .get(id)
            .is_some_and(|router| cx.is_due(router.addresses.next_deadline()))
        {
            self.repair(cx, id);
        }
        self.repair_routes(cx, id);
        self.rearm(id);
    }

    /// The deadlines that belong to no instance.
    fn housekeeping(&mut self, cx: &mut Cx<'_>) {
        if self.shared.interfaces.expire(cx.now) {
            self.shared.dirty = true;
        }
        if cx.is_due(self.statics.next_deadline()) {
            self.shared.recheck_static_addresses = true;
            self.shared.dirty = true;
        }
        self.shared.dirty |= self.sockets.iter().any(|open| !open.works);
        self.repair_static_routes(cx);
        self.expire_children(cx);
        self.run_tracking(cx);
        self.run_notifications(cx);
        self.process_one_vmac_down(cx);
        self.with_lvs(|lvs, shared, _| lvs.expire(cx, shared));
        self.refresh_if_dirty(cx);
    }

    fn rearm(&mut self, id: usize) {
        if let Some(router) = self.routers.get(id) {
            let key = TimerKey::Instance(id);
            self.shared.set_timer(key, router.next_deadline());
        }
    }

    // ---- news of the kernel ----

    /// Notes a message of the kernel; consequences follow in [`Engine::refresh`].
    pub fn netlink_event(&mut self, now: Instant, message: &Message<'_>) {
        let change = self.shared.interfaces.apply(now, message);
        self.route_event(message, change);
        match change {
            Change::Nothing => {}
            Change::Link(_) => self.recheck_everything(),
            Change::Added(_) | Change::Lost(_) => self.address_event(message),
        }
    }

    fn address_event(&mut self, message: &Message<'_>) {
        let (Message::NewAddr(addr) | Message::DelAddr(addr)) = message else {
            return;
        };
        let (cidr, lost) = (addr.cidr, matches!(message, Message::DelAddr(_)));
        let begin = self.virtuals.partition_point(|(known, _)| *known < cidr);
        let same = self
            .virtuals
            .iter()
            .skip(begin)
            .take_while(|(known, _)| *known == cidr);
        let mut virtual_ = false;
        for (_, id) in same {
            virtual_ = true;
            if let Some(router) = self.routers.get_mut(*id) {
                // The coming and going of our own addresses is no news, except to an owner, whose address
                // is also its source.
                router.recheck |= lost;
                self.shared.dirty |= lost || router.conf.priority.is_owner();
            }
        }
        // Of those that come and go with mastership too.
        let lvs = self.lvs.as_ref();
        self.shared.dirty |= lvs.is_some_and(|lvs| lvs.depends_on_address(cidr.addr));
        if !virtual_ {
            self.shared.recheck_static_addresses |= lost;
            self.shared.dirty = true;
        }
    }

    fn recheck_everything(&mut self) {
        self.shared.dirty = true;
        self.shared.recheck_static_addresses = true;
        self.static_routes.suspect();
        for router in &mut self.routers {
            router.recheck = true;
            router.routes.suspect();
        }
    }

    /// Notification were lost: asks the kernel for everything again.
    ///
    /// # Errors
    /// The kernel's refusal of the dump.
    pub fn resync(&mut self, now: Instant, system: &mut dyn System) -> std::io::Result<()> {
        let cx = &mut Cx::new(now, system);
        self.dump_interfaces(cx)?;
        self.recheck_everything();
        self.refresh_if_dirty(cx);
        Ok(())
    }

    /// Acts on the netlink events since the last call. To be called when all waiting events have been
    /// read: an address that is missing halfway may be restored by the next event.
    pub fn refresh(&mut self, now: Instant, system: &mut dyn System) {
        self.refresh_if_dirty(&mut Cx::new(now, system));
    }

    /// Looks at everything again if something has changed since the last time.
    pub(crate) fn refresh_if_dirty(&mut self, cx: &mut Cx<'_>) {
        if core::mem::take(&mut self.shared.dirty) {
            // What happened before is told before.
            self.flush(cx);
            for id in 0..self.routers.len() {
                self.find_interface(id);
            }
            self.refresh_vmacs(cx);
            self.open_sockets(cx);
            self.rebuild_dispatch();
            self.refresh_static_dependencies();
            self.refresh_groups();
            for id in 0..self.routers.len() {
                self.reevaluate(cx, id);
            }
            // All resignations are out; now the addresses, then what else may be missing.
            self.apply_kernel_actions(cx);
            for id in 0..self.routers.len() {
                if self
                    .routers
                    .get_mut(id)
                    .is_some_and(|r| core::mem::take(&mut r.recheck))
                {
                    self.repair(cx, id);
                }
                self.repair_routes(cx, id);
                self.rearm(id);
            }
            self.flush(cx);
            self.with_lvs(|lvs, shared, _| lvs.addresses_changed(cx, shared));
            if core::mem::take(&mut self.shared.recheck_static_addresses) {
                let outcome = self.statics.reconcile(cx, &self.shared.interfaces);
                actions::report("static_ipaddress", &outcome);
            }
            self.repair_static_routes(cx);
            if self.refresh_static_dependencies() {
                // Something instances need was refused, or is back: they are told in another turn, the last one.
                self.shared.dirty = true;
                return self.refresh_if_dirty(cx);
            }
        }
        self.shared
            .set_timer(TimerKey::StaticAddresses, self.statics.next_deadline());
        self.shared
            .set_timer(TimerKey::StaticRoutes, self.static_routes.next_deadline());
        self.shared
            .set_timer(TimerKey::Interfaces, self.shared.interfaces.next_deadline());
        let deaf = self.sockets.iter().any(|open| !open.works);
        let again = deaf.then(|| cx.now.after(core::time::Duration::from_secs(1)));
        self.shared.set_timer(TimerKey::Sockets, again);
    }

    /// Finds the instance's interface.
    fn find_interface(&mut self, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let index = self
            .shared
            .interfaces
            .by_name(&router.conf.interface)
            .map(|link| link.index);
        router.ifindex = index;
    }

    /// Whether the instance by itself has all it needs.
    fn readiness(&self, router: &Router) -> Readiness {
        let virtuals = &self.virtuals;
        let is_virtual = |cidr: &Cidr| {
            virtuals
                .binary_search_by(|(known, _)| known.cmp(cidr))
                .is_ok()
        };
        let surroundings =
            router.surroundings(&self.shared.interfaces, &self.shared.tracking, is_virtual);
        let deaf = router.listener().is_some_and(|on| !self.is_listening(on));
        match surroundings {
            Readiness::Ready(_) if router.static_missing => {
                Readiness::Missing(Reason::StaticMissing)
            }
            Readiness::Ready(_) if deaf => Readiness::Missing(Reason::CannotListen),
            Readiness::Ready(_) | Readiness::Missing(_) => surroundings,
        }
    }

    /// Tells the machine when its surroundings or its priority have changed.
    fn reevaluate(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let surroundings = self.group_readiness(router, self.readiness(router));
        let unsure = router.resume.trusting && self.shared.tracking.is_unsure(&router.conf.tracks);
        let priority = if unsure {
            router.reported_priority
        } else {
            router.effective_priority(&self.shared.interfaces, &self.shared.tracking)
        };
        let (told, told_priority) = (router.reported, router.reported_priority);
        if let Some(router) = self.routers.get_mut(id) {
            router.reported = Some(surroundings);
            router.reported_priority = priority;
            router.resume.trusting = unsure;
        }
        if told_priority != priority {
            self.log_priority(id, told_priority, priority);
            self.notify_priority(cx, id);
            self.deliver(cx, id, Event::Priority(priority));
        }
        if told != Some(surroundings) {
            let event = match surroundings {
                Readiness::Ready(source) => Event::Ready { source },
                Readiness::Missing(reason) => Event::Fault(reason),
            };
            self.deliver(cx, id, event);
        }
        self.start_if_ready(cx, id);
    }

    /// Rebuilds the table that leads from an advert to its instance.
    fn rebuild_dispatch(&mut self) {
        self.dispatch.clear();
        for (id, router) in self.routers.iter().enumerate() {
            if let Some(on) = router.listener() {
                self.dispatch
                    .push(((on.without_protocol(), router.conf.vrid.get()), id));
            }
        }
        self.dispatch = sorted(core::mem::take(&mut self.dispatch));
    }
}
