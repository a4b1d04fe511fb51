//! The engine owns everything that runs and connects it: events in, commands to the kernel out.
//!
//! ```text
//! packet   ─ instance/rx.rs ─┐                          ┌─ SendAdvert → instance/tx.rs ──────┐
//! netlink  ─ refresh.rs ─────┼→ vrrp::Instance → Action ┼─ Install    → kernel/addresses.rs ─┼→ System
//! deadline ─ mod.rs ─────────┘   instance/actions.rs    └─ Announce   → instance/tx.rs ──────┘
//! ```
//! The poll loop in `os` calls, in this order: [`Engine::packet`] for every waiting packet,
//! [`Engine::netlink_event`] for every netlink message and [`Engine::refresh`] after the last one,
//! and [`Engine::expire`], so that no timer fires while an advert that has arrived is unread. All
//! actions of an event are carried out before the next event (timers that are due together count as
//! one event). Nothing here waits, asks for the time or has a descriptor: the kernel is the trait
//! [`System`].

pub mod answer;
mod cx;
mod diff;
mod events;
mod follow;
pub mod instance;
mod kernel;
mod kernel_work;
mod log_limit;
#[cfg(feature = "lvs")]
mod lvs;
mod maintenance;
mod notify;
mod refresh;
mod reload;
mod shared;
mod slice;
mod snapshot;
mod startup;
mod sync_group;
pub mod system;
mod timers;
mod tracking;
mod virtual_services;

use core::time::Duration;

use crate::config::model::Config;
use crate::ctl::Daemon;
use crate::log::Level;
use crate::types::{Cidr, InstanceId, Instant, VrrpCounters, VrrpState, sorted};
use crate::vrrp::Event;

pub use events::ProcessEvent;
pub use maintenance::Maintenance;
pub use startup::foreign_addresses;

use cx::Cx;
use events::{EventKind, Object};
use instance::garp_pacing::GarpPacing;
use instance::router::{Router, Routers};
use kernel::addresses::{AddressSet, Kind};
use kernel::routes::RouteSet;
use kernel::sockets::Socket;
use shared::Shared;
use slice::Slice;
use sync_group::Group;
use system::{Listener, System};
use timers::{TimerKey, Timers};
use tracking::Tracking;
use virtual_services::VirtualServices;

/// Receive socket and VRID of an advert.
type Address = (Listener, u8);

/// Options of the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// `--dont-release-vrrp`: leave addresses, routes and macvlans in place at exit.
    pub dont_release: bool,
    /// `--dont-release-ipvs`: leave the virtual services in the kernel at exit.
    pub dont_release_ipvs: bool,
}

/// How long a timer waits that is due while packets are unread.
const UNREAD_RETRY: Duration = Duration::from_millis(1);
/// A takeover this soon comes before the addresses of one that has advertised.
const NEAR: Duration = Duration::from_micros(200);
/// Longest time that addresses wait for other takeovers.
const HELD: Duration = Duration::from_millis(1);

/// What became of the timer of a protocol machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Served,
    Postponed { until: Instant },
}

/// Everything that is configured, at run time.
#[derive(Debug)]
pub struct Engine {
    routers: Routers,
    groups: Vec<Group>,
    statics: AddressSet,
    static_routes: RouteSet,
    /// Instances that depend on static addresses, routes or rules, by `track_group`.
    track_groups: Vec<Vec<InstanceId>>,
    /// All virtual addresses with their instance, sorted: never a source address, watched for
    /// removal.
    virtuals: Vec<(Cidr, InstanceId)>,
    sockets: Vec<Socket>,
    /// Receive socket and VRID → instance, sorted.
    dispatch: Vec<(Address, InstanceId)>,
    /// `None`: this build has no virtual servers.
    lvs: Option<Box<dyn VirtualServices>>,
    /// Whose turn it is in [`Engine::work_on_kernel`].
    next_set: usize,
    /// Number of reloads.
    configuration: u32,
    /// The process, for operators.
    daemon: Daemon,
    shared: Shared,
}

impl Engine {
    /// An engine that has not started.
    #[must_use]
    pub fn new(mut config: Config, options: Options) -> Self {
        let tracking = Tracking::new(&mut config);
        let Config {
            global,
            instances,
            sync_groups,
            track_groups,
            static_addresses,
            static_routes,
            static_rules,
            lvs,
            ..
        } = config;
        let routers = Routers::new(instances);
        let mut engine = Engine {
            groups: sync_groups.into_iter().map(Group::new).collect(),
            statics: AddressSet::new(static_addresses.into_iter(), Kind::Static),
            static_routes: RouteSet::new(static_routes, static_rules),
            track_groups,
            virtuals: Vec::new(),
            sockets: Vec::new(),
            dispatch: Vec::new(),
            lvs: virtual_services::new(lvs),
            next_set: 0,
            configuration: 0,
            daemon: Daemon::default(),
            shared: Shared::new(options, global, tracking),
            routers,
        };
        engine.rebuild_tables();
        engine
    }

    /// Derives the tables that depend on the configuration of all instances.
    fn rebuild_tables(&mut self) {
        let shared = &mut self.shared;
        let delays = shared.global.up_down_delays.clone();
        shared.interfaces.set_delays(delays);
        self.virtuals.clear();
        for router in self.routers.iter() {
            let listed = router.addresses.listed();
            self.virtuals.extend(listed.map(|cidr| (cidr, router.id)));
        }
        self.virtuals = sorted(core::mem::take(&mut self.virtuals));
        let addresses = self.routers.iter().flat_map(|one| one.addresses.iter());
        let devs = addresses.map(|address| &address.dev);
        shared.garp_pacing = GarpPacing::new(&shared.global.garp_groups, devs);
        let timers = Timers::new(TimerKey::count(self.routers.len()));
        let old = core::mem::replace(&mut shared.timers, timers);
        for key in 0..TimerKey::SHARED {
            shared.timers.set(key, old.get(key));
        }
        for router in self.routers.iter() {
            router.rearm(shared);
        }
    }

    /// Whether virtual addresses stay in the kernel when it stops.
    #[must_use]
    pub fn leaves_addresses(&self) -> bool {
        self.shared.options.dont_release
    }

    /// Whether nothing is configured that the engine has to do.
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

    /// The earliest deadline of [`Engine::expire`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let timer = self.shared.timers.first().map(|(at, _)| at);
        let held = self.shared.held_since.map(|since| since.after(HELD));
        timer.into_iter().chain(held).min()
    }

    /// The shortest advert interval of all instances.
    #[must_use]
    pub fn shortest_interval(&self) -> Duration {
        let all = self.routers.iter().map(|one| one.machine.interval());
        all.min().unwrap_or(Duration::MAX)
    }

    /// Whether [`Engine::expire`] is to be called again at once, after packets have been read: logs
    /// and notifications are pending, or work that is done in slices.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.shared.kernel_work
            || self.shared.held_since.is_none() && !self.shared.pending_actions.is_empty()
            || self.has_tracking_work()
    }

    /// Whether the next deadline may be a takeover, for which the loop wakes up early.
    #[must_use]
    pub fn takeover_is_next(&self) -> bool {
        let next = self.shared.timers.first();
        let next = next.and_then(|(_, key)| self.routers.get(TimerKey::instance(key)?));
        next.is_some_and(|router| router.machine.state() == VrrpState::Backup)
    }

    /// Handles the timers that are due, each at most once, so that packets are read in between.
    ///
    /// When many instances take over together all of them advertise first, which keeps other
    /// routers from taking over too; then all addresses are set, then all are announced. Logs and
    /// notifications follow when nothing is due any longer.
    pub fn expire(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let mut idle = true;
        self.shared.announcing = None;
        let start = cx.system.clock();
        for _ in 0..TimerKey::count(self.routers.len()) {
            match self.shared.timers.first() {
                Some((at, key)) if at <= now => {
                    if TimerKey::instance(key).is_some() {
                        self.shared.counters.lateness.record(now.since(at));
                    }
                    self.expire_timer(cx, key);
                    self.shared.timers.postpone(key, now);
                }
                Some(_) | None => break,
            }
            idle = false;
            // Starting scripts and the like takes long; adverts of all instances go out together.
            let Some((_, key)) = self.shared.timers.first() else {
                break;
            };
            if TimerKey::instance(key).is_none() && Slice::from(start).is_over(cx) {
                break;
            }
        }
        let holds = self.shared.held_since.is_some();
        if idle && !holds {
            self.emit_logs_and_notifications(cx);
        } else if !self.hold_for_takeovers(cx) {
            self.apply_kernel_actions(cx);
        }
        self.work(cx);
        self.shared.announcing = None;
        self.write_state_file(cx);
    }

    /// Whether addresses and announcements wait a moment because more takeovers are about to be due:
    /// these must advertise first. Packets are read in between.
    fn hold_for_takeovers(&mut self, cx: &mut Cx<'_>) -> bool {
        let since = self.shared.held_since.take().unwrap_or(cx.now);
        let clock = cx.now.max(cx.system.clock());
        let next = self.next_deadline().filter(|_| self.takeover_is_next());
        let holds = next.is_some_and(|at| at <= clock.after(NEAR)) && clock.since(since) < HELD;
        let is_pending = !self.shared.pending_actions.is_empty();
        self.shared.held_since = (holds && is_pending).then_some(since);
        self.shared.held_since.is_some()
    }

    /// Does one slice of the work that is left.
    fn work(&mut self, cx: &mut Cx<'_>) {
        self.work_on_kernel(cx);
        if self.has_tracking_work() {
            self.shared.continue_process_scan(cx);
        }
        self.refresh_if_dirty(cx);
    }

    fn expire_timer(&mut self, cx: &mut Cx<'_>, key: usize) {
        let Some(id) = TimerKey::instance(key) else {
            return self.expire_shared_timers(cx);
        };
        let progress = self.expire_machine(cx, id);
        if let Some(router) = self.routers.get_mut(id) {
            let shared = &mut self.shared;
            router.announce_in_slice(cx, shared);
            if cx.is_due(router.addresses.renewal()) {
                router.renew(cx, shared);
            }
            if cx.is_due(router.addresses.next_deadline()) {
                router.repair_addresses(cx, shared);
            }
            router.repair_routes(cx, shared);
            shared.dirty |= router.end_hold(cx.now);
            router.rearm(shared);
        }
        if let Progress::Postponed { until } = progress {
            self.shared.set_timer(TimerKey::Instance(id), Some(until));
        }
    }

    /// Serves the timer of the protocol machine, if it is due. That of a backup is postponed while
    /// packets are unread that arrived before its deadline: an advert may be behind a flood. After
    /// an interval, those still unread count as lost. Does not set its timer.
    fn expire_machine(&mut self, cx: &mut Cx<'_>, id: InstanceId) -> Progress {
        let Some(router) = self.routers.get(id) else {
            return Progress::Served;
        };
        let machine = &router.machine;
        let Some(due) = machine.next_deadline().filter(|at| *at <= cx.now) else {
            return Progress::Served;
        };
        if machine.state() == VrrpState::Backup
            && let Some(on) = router.listener()
        {
            let reception = cx.system.reception(on);
            let unread = reception.read_until.is_some_and(|until| until < due);
            let latest = due.after(machine.interval());
            if unread && cx.now < latest {
                let until = cx.now.after(UNREAD_RETRY).min(latest);
                self.pass(cx, id, Event::TimerPostponed { until });
                return Progress::Postponed { until };
            }
            let lost_at = if unread {
                Some(cx.now)
            } else {
                reception.lost_at
            };
            if let Some(at) = lost_at {
                self.pass(cx, id, Event::PacketsLost { at });
            }
        }
        self.pass(cx, id, Event::Timer);
        Progress::Served
    }

    /// Handles the timers that belong to no instance.
    fn expire_shared_timers(&mut self, cx: &mut Cx<'_>) {
        if self.shared.interfaces.expire(cx.now) {
            self.shared.dirty = true;
        }
        if cx.is_due(self.statics.next_deadline()) {
            self.statics.repairs.end_hold(cx.now);
            self.shared.recheck_static_addresses = true;
            self.shared.dirty = true;
        }
        self.shared.dirty |= self.static_routes.repairs.end_hold(cx.now);
        self.shared.dirty |= self.sockets.iter().any(|socket| !socket.works);
        self.repair_static_routes(cx);
        self.expire_children(cx);
        self.run_tracking(cx);
        self.shared.run_notifications(cx);
        self.process_one_vmac(cx);
        self.expire_maintenance(cx);
        self.with_lvs(|lvs, shared, _| lvs.expire(cx, shared));
        self.refresh_if_dirty(cx);
    }

    /// The machine was suspended for this long, in which the monotonic clock stood still.
    pub fn suspended(&mut self, now: Instant, time: Duration, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        cx.note(
            Level::Warn,
            EventKind::Suspended,
            Object::DAEMON,
            format_args!(
                "the machine was suspended for {} ms; instances listen for other masters before they continue",
                time.as_millis()
            ),
        );
        for id in self.routers.ids() {
            self.handle_event(cx, id, Event::Suspended(time));
        }
    }

    /// Sets the timer of an instance to its next deadline.
    fn rearm(&mut self, id: InstanceId) {
        if let Some(router) = self.routers.get(id) {
            router.rearm(&mut self.shared);
        }
    }
}

impl Router {
    /// Sets the timer of this instance to its next deadline.
    fn rearm(&self, shared: &mut Shared) {
        shared.set_timer(TimerKey::Instance(self.id), self.next_deadline());
    }
}
