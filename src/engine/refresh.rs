//! Changes in the kernel: netlink events, and the look at everything that follows them.

use core::time::Duration;
use std::io;

use crate::config::model::Tracked;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::messages;
use crate::engine::instance::router::{Readiness, Router};
use crate::engine::kernel::interfaces::{Change, Interface, PROTO_KEEPALIVED};
use crate::engine::kernel::present::Present;
use crate::engine::kernel::secondaries::ForeignSecondary;
use crate::engine::system::System;
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::netlink::Message;
use crate::types::{Cidr, IfName, InstanceId, Instant, sorted};
use crate::vrrp::{Event, Reason};

/// Interval at which receive sockets that could not be opened are tried again.
const SOCKET_RETRY: Duration = Duration::from_secs(1);

impl Engine {
    /// Notes a netlink event; [`Engine::refresh`] acts on it.
    pub fn netlink_event(&mut self, now: Instant, message: &Message<'_>) {
        let before = if let Message::NewLink(link) = message {
            let known = self.shared.interfaces.get(link.index);
            known.map(Interface::is_oper_up)
        } else {
            None
        };
        let change = self.shared.interfaces.apply(now, message);
        if let (Some(before), Change::Link(index)) = (before, change)
            && let Some(link) = self.shared.interfaces.get(index)
            && link.is_oper_up() != before
        {
            self.report_carrier(now, link);
        }
        self.route_event(now, message, change);
        match change {
            Change::Nothing => {}
            Change::Link(_) => self.recheck_everything(),
            Change::Added(_) | Change::Lost(_) => self.address_event(now, message),
        }
    }

    /// Reports in keepalived's words that an interface went up or down.
    fn report_carrier(&self, now: Instant, link: &Interface) {
        let name = &link.name;
        let is_link = |object: &Tracked| matches!(object, Tracked::Interface(one) if one == name);
        let used = self.routers.iter().any(|router| {
            let mut tracks = router.conf.tracks.iter();
            router.conf.interface == *name || tracks.any(|track| is_link(&track.object))
        });
        let state = if link.is_oper_up() { "up" } else { "down" };
        // Interfaces of containers come and go.
        if !used {
            return log::debug!(target: "netlink", "Netlink reports {name} {state}");
        }
        self.shared.events.note(
            now,
            Level::Info,
            EventKind::Interface,
            Object::interface(name.as_str()),
            format_args!("Netlink reports {name} {state}"),
        );
    }

    fn address_event(&mut self, now: Instant, message: &Message<'_>) {
        let (Message::NewAddr(addr) | Message::DelAddr(addr)) = message else {
            return;
        };
        let (cidr, lost) = (addr.cidr, matches!(message, Message::DelAddr(_)));
        let first = self.virtuals.partition_point(|(known, _)| *known < cidr);
        let same = self.virtuals.iter().skip(first);
        let mut is_virtual = false;
        for (_, id) in same.take_while(|(known, _)| *known == cidr) {
            is_virtual = true;
            if let Some(router) = self.routers.get_mut(*id) {
                // That an address of ours was set, or removed from a backup, changes nothing,
                // except for an owner, whose address may also be its source address. One of
                // another program may be the only source address.
                let foreign = addr.proto != Some(PROTO_KEEPALIVED);
                let mut lost = lost;
                let before = router.addresses.is_foreign(cidr);
                if lost {
                    let links = &self.shared.interfaces;
                    lost = router.addresses.removed(now, cidr, links);
                    router.recheck |= lost;
                } else if foreign {
                    router.find_foreign_addresses(now, &mut self.shared, Some(cidr));
                }
                let concerns_foreign = before || router.addresses.is_foreign(cidr);
                self.shared.no_accept.stale |= concerns_foreign && !router.conf.accept;
                let is_source = router.conf.priority.is_owner() && !self.shared.owners_have_source;
                self.shared.dirty |= lost || foreign || is_source;
            }
        }
        // Virtual servers with `ha_suspend` also depend on virtual addresses.
        let lvs = self.lvs.as_ref();
        self.shared.dirty |= lvs.is_some_and(|lvs| lvs.depends_on_address(cidr.addr));
        if !is_virtual {
            if let Message::NewAddr(addr) = message {
                let foreign = ForeignSecondary::new(addr);
                self.shared.foreign_secondaries.extend(foreign);
            }
            let links = &self.shared.interfaces;
            let static_lost = lost && self.statics.removed(now, cidr, links);
            self.shared.recheck_static_addresses |= static_lost;
            self.shared.dirty = true;
        }
    }

    /// Finds virtual addresses that another program has set.
    pub(crate) fn find_foreign_addresses(&mut self, now: Instant) {
        for router in self.routers.iter_mut() {
            router.find_foreign_addresses(now, &mut self.shared, None);
        }
    }

    /// Has everything in the kernel compared with what it should be by the next refresh.
    pub(crate) fn recheck_everything(&mut self) {
        self.shared.dirty = true;
        self.shared.recheck_static_addresses = true;
        self.static_routes.recheck_all();
        for router in self.routers.iter_mut() {
            router.recheck = true;
            if let Some(routes) = router.routes.get_mut() {
                routes.recheck_all();
            }
        }
    }

    /// Netlink events were lost: reads everything from the kernel again.
    ///
    /// # Errors
    /// The kernel refused the dump.
    pub fn resync(&mut self, now: Instant, system: &mut dyn System) -> io::Result<()> {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.dump_interfaces(cx)?;
        self.find_foreign_addresses(now);
        self.shared.no_accept.stale = true;
        self.recheck_everything();
        self.refresh_if_dirty(cx);
        Ok(())
    }

    /// Acts on the netlink events since the last call. To be called when all waiting events have
    /// been read: an address that is missing halfway may be restored by the next event.
    pub fn refresh(&mut self, now: Instant, system: &mut dyn System) {
        self.refresh_if_dirty(&mut Cx::new(now, system, &self.shared.events));
    }

    /// Refreshes all instances if something has changed since the last time.
    pub(crate) fn refresh_if_dirty(&mut self, cx: &mut Cx<'_>) {
        while core::mem::take(&mut self.shared.dirty) {
            if self.shared.no_accept.stale {
                self.replace_no_accept(cx);
            }
            self.refresh_instances(cx);
            self.with_lvs(|lvs, shared, _| lvs.addresses_changed(cx, shared));
            if core::mem::take(&mut self.shared.recheck_static_addresses) {
                self.statics.reconcile(cx.now);
                self.shared.kernel_work |= self.statics.is_busy();
            }
            self.repair_static_routes(cx);
            self.work_at_once(cx);
            // If a static object that instances depend on was refused or is back, a second round
            // evaluates these again; it is the last.
            if !self.refresh_static_dependencies() {
                break;
            }
            self.shared.dirty = true;
        }
        let shared = &mut self.shared;
        shared.set_timer(TimerKey::StaticAddresses, self.statics.next_deadline());
        shared.set_timer(TimerKey::StaticRoutes, self.static_routes.next_deadline());
        shared.set_timer(TimerKey::Interfaces, shared.interfaces.next_deadline());
        let failed = self.sockets.iter().any(|socket| !socket.works);
        let retry = failed.then(|| cx.now.after(SOCKET_RETRY));
        shared.set_timer(TimerKey::Sockets, retry);
    }

    fn refresh_instances(&mut self, cx: &mut Cx<'_>) {
        // What happened before is logged before.
        self.flush(cx);
        for router in self.routers.iter_mut() {
            router.find_interface(&self.shared.interfaces);
        }
        self.refresh_vmacs(cx);
        self.open_sockets(cx);
        self.rebuild_dispatch();
        self.refresh_static_dependencies();
        self.refresh_groups();
        for id in self.routers.ids() {
            self.reevaluate(cx, id);
        }
        self.shared.owners_have_source = self.routers.iter().all(|one| self.has_own_source(one));
        // First all resignations, then addresses, then whatever else may be missing.
        self.apply_kernel_actions(cx);
        self.restore_primaries(cx);
        for router in self.routers.iter_mut() {
            if core::mem::take(&mut router.recheck) {
                router.repair_addresses(cx, &mut self.shared);
            }
            router.repair_routes(cx, &mut self.shared);
            router.rearm(&mut self.shared);
        }
        self.work_at_once(cx);
        self.flush(cx);
    }

    /// Whether an address is a virtual one of an instance.
    pub(crate) fn is_virtual(&self, cidr: &Cidr) -> bool {
        let virtuals = &self.virtuals;
        virtuals.binary_search_by(|(vip, _)| vip.cmp(cidr)).is_ok()
    }

    /// Whether an instance has a source address that is not virtual, or is no owner.
    fn has_own_source(&self, router: &Router) -> bool {
        let Some(Readiness::Ready(source)) = router.reported else {
            return !router.conf.priority.is_owner();
        };
        let first = self.virtuals.partition_point(|(vip, _)| vip.addr < source);
        let same = self.virtuals.get(first);
        !router.conf.priority.is_owner() || same.is_none_or(|(vip, _)| vip.addr != source)
    }

    /// Whether an address of an interface is a virtual one that no other program has set.
    fn is_set(&self, present: &Present, dev: &IfName) -> bool {
        let mut routers = self.routers.iter();
        let set = |router: &Router| router.addresses.has_set(&present.cidr, dev);
        self.is_virtual(&present.cidr) && (present.marked || routers.any(set))
    }

    /// Whether the instance has everything it needs, its sync group aside.
    pub(crate) fn readiness(&self, router: &Router) -> Readiness {
        let is_virtual = |present: &Present| self.is_virtual(&present.cidr);
        let is_ours = |present: &Present| self.is_set(present, &router.conf.interface);
        let readiness = router.readiness(&self.shared, [&is_virtual, &is_ours]);
        let listener = router.listener();
        let cannot_listen = listener.is_some_and(|on| !self.is_listening(on));
        match readiness {
            Readiness::Ready(_) if router.static_missing => {
                Readiness::Missing(Reason::StaticMissing)
            }
            Readiness::Ready(_) if cannot_listen => Readiness::Missing(Reason::CannotListen),
            Readiness::Ready(_) | Readiness::Missing(_) => readiness,
        }
    }

    /// Tells the protocol machine if its readiness or its priority has changed.
    fn reevaluate(&mut self, cx: &mut Cx<'_>, id: InstanceId) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let readiness = self.group_readiness(router, self.readiness(router));
        let tracks = &router.conf.tracks;
        let keep_priority = router.resume.keep_priority && self.shared.tracking.is_unsure(tracks);
        let priority = if keep_priority {
            router.reported_priority
        } else {
            router.effective_priority(&self.shared)
        };
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        router.resume.keep_priority = keep_priority;
        let old_readiness = router.reported.replace(readiness);
        let old_priority = core::mem::replace(&mut router.reported_priority, priority);
        if old_priority != priority {
            messages::report_priority(cx, router, &self.shared, old_priority);
            router.notify_priority(cx, &mut self.shared);
            self.deliver(cx, id, Event::Priority(priority));
        }
        if old_readiness != Some(readiness) {
            let event = match readiness {
                Readiness::Ready(source) => Event::Ready { source },
                Readiness::Missing(reason) => Event::Fault(reason),
            };
            self.deliver(cx, id, event);
        }
        self.start_if_ready(cx, id);
    }

    /// Rebuilds the table that maps adverts to instances.
    fn rebuild_dispatch(&mut self) {
        self.dispatch.clear();
        for router in self.routers.iter() {
            if let Some(on) = router.listener() {
                let key = (on.without_protocol(), router.conf.vrid.get());
                self.dispatch.push((key, router.id));
            }
        }
        self.dispatch = sorted(core::mem::take(&mut self.dispatch));
    }
}
