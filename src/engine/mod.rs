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
#[cfg(not(feature = "lvs"))]
#[path = "no_lvs.rs"]
mod lvs;
mod notify;
mod reload;
mod snapshot;
mod startup;
mod sync_group;
pub mod system;
mod timers;
mod tracking;

use crate::config::model::{Config, Global};
use crate::engine::cx::Cx;
use crate::netlink::{Batch, Message};
use crate::types::{Cidr, Instant, VrrpCounters, VrrpState, sorted};
use crate::vrrp::{Event, Reason};

use instance::actions;
use instance::garp_pacing::Pacing;
use instance::router::{Router, Surroundings};
use instance::state_record::Ledger;
use kernel::addresses::{AddressSet, Kind};
use kernel::interfaces::{Change, Delays, Links};
use kernel::no_accept::Filter;
use kernel::routes::RouteSet;
use kernel::sockets::Open;
use kernel::sysctl::Settings;
use kernel::vmac;
use log_limit::Budget;
use lvs::Lvs;
use notify::children::Children;
use notify::notifier::Teller;
use sync_group::Group;
use system::{Listener, System};
use timers::Deadlines;
use tracking::Tracking;

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

/// Deadlines that belong to no instance; their keys come before those of the instances.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum TimerKey {
    /// Static addresses that were refused.
    Statics,
    /// The same of static routes and rules.
    StaticRoutes,
    /// Interfaces that have changed for long enough to be believed.
    Links,
    /// Receive sockets that were refused.
    Listeners,
    /// Children that take too long.
    Children,
    /// Scripts whose turn comes.
    Scripts,
    /// Tracked files that cannot be watched.
    Files,
    /// Tracked processes.
    Processes,
    /// Scripts and mails that wait for their turn.
    Notify,
    /// Interfaces of virtual routers that are to be switched off.
    Vmacs,
    /// Health checks whose turn comes.
    #[cfg_attr(not(feature = "lvs"), expect(dead_code, reason = "nothing is checked"))]
    Checks,
    /// Services the kernel has refused, and the next look at its table.
    #[cfg_attr(not(feature = "lvs"), expect(dead_code, reason = "nothing is checked"))]
    Ipvs,
    /// Number of the others.
    Count,
}

impl TimerKey {
    const fn key(self) -> usize {
        self as usize
    }
}

/// Place of an instance's deadline.
const fn key_of(id: usize) -> usize {
    id.saturating_add(TimerKey::Count.key())
}

/// The instance whose deadline stands there; `None`: a [`TimerKey`].
const fn instance_of(key: usize) -> Option<usize> {
    key.checked_sub(TimerKey::Count.key())
}

/// See the top of the file.
#[derive(Debug)]
pub struct Engine {
    options: Options,
    global: Global,
    links: Links,
    routers: Vec<Router>,
    groups: Vec<Group>,
    statics: AddressSet,
    static_routes: RouteSet,
    /// Instances that need static items, by group.
    track_groups: Vec<Vec<usize>>,
    /// All virtual addresses with their instance, ordered: never a source, watched for removal.
    virtuals: Vec<(Cidr, usize)>,
    open: Vec<Open>,
    /// Advert → instance, ordered.
    dispatch: Vec<(Address, usize)>,
    /// Keys: every [`TimerKey`], then every instance.
    deadlines: Deadlines,
    children: Children,
    tracking: Tracking,
    filter: Filter,
    /// Interfaces below those of virtual routers.
    bases: Vec<vmac::Base>,
    /// The kernel has no macvlans.
    no_macvlan: bool,
    settings: Settings,
    teller: Teller,
    lvs: Lvs,
    /// The daemon ends.
    stopping: bool,
    /// Something changed that [`Engine::refresh`] must look at.
    dirty: bool,
    statics_suspect: bool,
    unknown_vrids: Budget,
    /// What timers have caused and is carried out when all of them have fired.
    later: Vec<actions::Later>,
    pacing: Pacing,
    ledger: Ledger,
    /// Room for one packet or frame.
    scratch: Vec<u8>,
    /// Room for requests that are made again and again.
    batch: Batch,
}

/// Room for the longest IPv6 advert with its header and signature.
const SCRATCH: usize = 40 + 8 + 255 * 16 + 28;

impl Engine {
    /// An engine that knows what to do and has not begun.
    #[must_use]
    pub fn new(mut config: Config, options: Options) -> Self {
        let tracking = Tracking::new(&mut config);
        let Config {
            global,
            instances,
            groups,
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
            options,
            groups: groups.into_iter().map(Group::new).collect(),
            links: Links::default(),
            statics: AddressSet::new(static_addresses.into_iter(), Kind::Static),
            static_routes: RouteSet::new(static_routes, static_rules),
            track_groups,
            virtuals: Vec::new(),
            open: Vec::new(),
            dispatch: Vec::new(),
            deadlines: Deadlines::new(0),
            children: Children::default(),
            tracking,
            filter: Filter::default(),
            bases: Vec::new(),
            no_macvlan: false,
            settings: Settings::default(),
            teller: Teller::default(),
            lvs: Lvs::new(lvs),
            stopping: false,
            dirty: false,
            statics_suspect: false,
            unknown_vrids: Budget::default(),
            later: Vec::with_capacity(routers.len().saturating_mul(4)),
            pacing: Pacing::default(),
            ledger: Ledger::default(),
            scratch: vec![0; SCRATCH],
            batch: Batch::new(1),
            global,
            routers,
        };
        engine.make_tables();
        engine
    }

    /// Makes what is derived from the configuration of all instances together.
    fn make_tables(&mut self) {
        let delays = self.global.up_down_delays.iter();
        let delays = delays.map(|(name, down, up)| Delays {
            name: name.clone(),
            down: *down,
            up: *up,
        });
        self.links.delay(delays.collect());
        self.virtuals.clear();
        for (id, router) in self.routers.iter().enumerate() {
            self.virtuals
                .extend(router.set.listed().map(|cidr| (cidr, id)));
        }
        self.virtuals = sorted(core::mem::take(&mut self.virtuals));
        let devs = self.routers.iter().flat_map(|one| one.set.addresses());
        let devs = devs.map(|address| &address.dev);
        self.pacing = Pacing::new(&self.global.garp_groups, devs);
        let old = Deadlines::new(key_of(self.routers.len()));
        let old = core::mem::replace(&mut self.deadlines, old);
        for key in 0..TimerKey::Count.key() {
            self.deadlines.set(key, old.get(key));
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
            && self.lvs.is_empty()
    }

    /// Whether there are virtual servers.
    #[must_use]
    pub fn has_services(&self) -> bool {
        self.lvs.has_services()
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
        self.deadlines.first().map(|(at, _)| at)
    }

    /// Whether [`Engine::expire`] wants another turn at once, to say what it has done.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.later.is_empty()
    }

    /// Whether the next deadline is one that is worth being early for: a master's silence becomes a takeover.
    #[must_use]
    pub fn takeover_is_next(&self) -> bool {
        let next = self
            .deadlines
            .first()
            .and_then(|(_, key)| self.routers.get(instance_of(key)?));
        next.is_some_and(|router| router.machine.state() == VrrpState::Backup)
    }

    /// Does what is due. Every key gets at most one turn, so that packets are looked at in between.
    ///
    /// When many instances take over together all of them advertise first, which is what keeps other
    /// routers from taking over too; then all addresses are set, then all are announced. The log is written when
    /// nothing is due any more.
    pub fn expire(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        let keys = key_of(self.routers.len());
        let mut idle = true;
        for _ in 0..keys {
            match self.deadlines.first() {
                Some((at, key)) if at <= cx.now => self.due(cx, key),
                Some(_) | None => break,
            }
            idle = false;
        }
        if idle {
            self.speak(cx);
        } else {
            self.carry_out(cx);
        }
        self.ledger.write(cx);
    }

    fn due(&mut self, cx: &mut Cx<'_>, key: usize) {
        let Some(id) = instance_of(key) else {
            return self.housekeeping(cx);
        };
        let Some(router) = self.routers.get(id) else {
            return;
        };
        if cx.is_due(router.machine.next_deadline()) {
            self.put(cx, id, Event::Timer);
        }
        self.announce(cx, id);
        if self
            .routers
            .get(id)
            .is_some_and(|router| cx.is_due(router.set.renewal()))
        {
            self.renew(cx, id);
        }
        if self
            .routers
            .get(id)
            .is_some_and(|router| cx.is_due(router.set.next_deadline()))
        {
            self.repair(cx, id);
        }
        self.repair_routes(cx, id);
        self.rearm(id);
    }

    /// The deadlines that belong to no instance.
    fn housekeeping(&mut self, cx: &mut Cx<'_>) {
        if self.links.expire(cx.now) {
            self.dirty = true;
        }
        if cx.is_due(self.statics.next_deadline()) {
            self.statics_suspect = true;
            self.dirty = true;
        }
        self.dirty |= self.open.iter().any(|open| !open.works);
        self.repair_static_routes(cx);
        self.hurry_children(cx);
        self.track(cx);
        self.work_on_notifies(cx);
        self.lower_one(cx);
        self.work_on_lvs(cx);
        self.refresh_if_dirty(cx);
    }

    /// Sets the deadline of a key.
    fn remind(&mut self, key: TimerKey, at: Option<Instant>) {
        self.deadlines.set(key.key(), at);
    }

    fn rearm(&mut self, id: usize) {
        if let Some(router) = self.routers.get(id) {
            self.deadlines.set(key_of(id), router.next_deadline());
        }
    }

    // ---- news of the kernel ----

    /// Notes a message of the kernel; consequences follow in [`Engine::refresh`].
    pub fn netlink_event(&mut self, now: Instant, message: &Message<'_>) {
        let change = self.links.apply(now, message);
        self.route_news(message, change);
        match change {
            Change::Nothing => {}
            Change::Link(_) => self.everything_suspect(),
            Change::Added(_) | Change::Lost(_) => self.address_news(message),
        }
    }

    fn address_news(&mut self, message: &Message<'_>) {
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
                router.suspect |= lost;
                self.dirty |= lost || router.conf.priority.is_owner();
            }
        }
        // Of those that come and go with mastership too.
        self.dirty |= self.lvs.concerns(cidr.addr);
        if !virtual_ {
            self.statics_suspect |= lost;
            self.dirty = true;
        }
    }

    fn everything_suspect(&mut self) {
        self.dirty = true;
        self.statics_suspect = true;
        self.static_routes.suspect();
        for router in &mut self.routers {
            router.suspect = true;
            router.routes.suspect();
        }
    }

    /// News were lost: asks the kernel for everything again.
    ///
    /// # Errors
    /// The kernel's refusal of the dump.
    pub fn resync(&mut self, now: Instant, system: &mut dyn System) -> std::io::Result<()> {
        let cx = &mut Cx::new(now, system);
        self.survey(cx)?;
        self.everything_suspect();
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
        if core::mem::take(&mut self.dirty) {
            // What happened before is told before.
            self.conclude(cx);
            for id in 0..self.routers.len() {
                self.place(id);
            }
            self.settle_vmacs(cx);
            self.open_listeners(cx);
            self.index();
            self.look_at_statics();
            self.look_at_groups();
            for id in 0..self.routers.len() {
                self.evaluate(cx, id);
            }
            // All resignations are out; now the addresses, then what else may be missing.
            self.carry_out(cx);
            for id in 0..self.routers.len() {
                if self
                    .routers
                    .get_mut(id)
                    .is_some_and(|r| core::mem::take(&mut r.suspect))
                {
                    self.repair(cx, id);
                }
                self.repair_routes(cx, id);
                self.rearm(id);
            }
            self.conclude(cx);
            self.look_at_lvs_addresses(cx);
            if core::mem::take(&mut self.statics_suspect) {
                let outcome = self.statics.reconcile(cx, &self.links);
                actions::report("static_ipaddress", &outcome);
            }
            self.repair_static_routes(cx);
            if self.look_at_statics() {
                // Something instances need was refused, or is back: they are told in another turn, the last one.
                self.dirty = true;
                return self.refresh_if_dirty(cx);
            }
        }
        self.remind(TimerKey::Statics, self.statics.next_deadline());
        self.remind(TimerKey::StaticRoutes, self.static_routes.next_deadline());
        self.remind(TimerKey::Links, self.links.next_deadline());
        let deaf = self.open.iter().any(|open| !open.works);
        let again = deaf.then(|| cx.now.after(core::time::Duration::from_secs(1)));
        self.remind(TimerKey::Listeners, again);
    }

    /// Finds the instance's interface.
    fn place(&mut self, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let index = self
            .links
            .named(&router.conf.interface)
            .map(|link| link.index);
        router.ifindex = index;
    }

    /// Whether the instance by itself has all it needs.
    fn surroundings(&self, router: &Router) -> Surroundings {
        let virtuals = &self.virtuals;
        let is_virtual = |cidr: &Cidr| {
            virtuals
                .binary_search_by(|(known, _)| known.cmp(cidr))
                .is_ok()
        };
        let surroundings = router.surroundings(&self.links, &self.tracking, is_virtual);
        let deaf = router.listener().is_some_and(|on| !self.hears(on));
        match surroundings {
            Surroundings::Ready(_) if router.bereft => Surroundings::Missing(Reason::StaticMissing),
            Surroundings::Ready(_) if deaf => Surroundings::Missing(Reason::CannotListen),
            Surroundings::Ready(_) | Surroundings::Missing(_) => surroundings,
        }
    }

    /// Tells the machine when its surroundings or its priority have changed.
    fn evaluate(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let surroundings = self.in_group(router, self.surroundings(router));
        let unsure = router.past.trusting && self.tracking.is_unsure(&router.conf.tracks);
        let priority = if unsure {
            router.told_priority
        } else {
            router.effective_priority(&self.links, &self.tracking)
        };
        let (told, told_priority) = (router.told, router.told_priority);
        if let Some(router) = self.routers.get_mut(id) {
            router.told = Some(surroundings);
            router.told_priority = priority;
            router.past.trusting = unsure;
        }
        if told_priority != priority {
            self.log_priority(id, told_priority, priority);
            self.told_priority(cx, id);
            self.put(cx, id, Event::Priority(priority));
        }
        if told != Some(surroundings) {
            let event = match surroundings {
                Surroundings::Ready(source) => Event::Ready { source },
                Surroundings::Missing(reason) => Event::Fault(reason),
            };
            self.put(cx, id, event);
        }
        self.begin_if_known(cx, id);
    }

    /// Rebuilds the table that leads from an advert to its instance.
    fn index(&mut self) {
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
