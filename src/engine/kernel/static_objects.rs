//! Static routes and rules, the instances that depend on static objects (`track_group`), and
//! netlink events about routes and rules.

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::Object;
use crate::engine::instance::messages;
use crate::engine::kernel::interfaces::Change;
use crate::engine::kernel::routes::RouteSet;
use crate::engine::system::System;
use crate::engine::timers::TimerKey;
use crate::netlink::Message;
use crate::types::Instant;

impl Engine {
    /// Whether [`Engine::netlink_event`] needs events about deleted routes and rules of our
    /// protocol number.
    #[must_use]
    pub fn wants_route_events(&self) -> bool {
        !self.static_routes.is_empty()
            || self.routers.iter().any(|router| !router.routes.is_empty())
    }

    /// Events about routes and rules were lost.
    pub fn resync_routes(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.each_route_set(RouteSet::recheck_all);
        self.refresh_if_dirty(cx);
    }

    /// Notes which routes and rules a message concerns.
    pub(crate) fn route_event(&mut self, now: Instant, message: &Message<'_>, change: Change) {
        match (message, change) {
            (Message::DelRoute(_) | Message::DelRule(_), _) => {
                self.each_route_set(|set| set.deleted(now, message));
            }
            (_, Change::Link(_) | Change::Lost(_)) => self.each_route_set(RouteSet::recheck_all),
            (_, Change::Added(_)) => self.each_route_set(RouteSet::retry_refused),
            (_, Change::Nothing) => {}
        }
    }

    fn each_route_set(&mut self, mut update: impl FnMut(&mut RouteSet)) {
        let routers = self.routers.iter_mut();
        let sets = routers.filter_map(|router| router.routes.get_mut());
        for set in sets.chain([&mut self.static_routes]) {
            update(set);
            self.shared.dirty |= set.needs_recheck();
        }
    }

    /// Installs static routes and rules again that may be missing.
    pub(crate) fn repair_static_routes(&mut self, cx: &Cx<'_>) {
        let set = &mut self.static_routes;
        if cx.is_due(set.next_deadline()) || set.needs_recheck() {
            set.reconcile(cx.now);
            self.shared.kernel_work |= set.is_busy();
        }
    }

    /// Does one step of what static addresses, routes and rules have to do. Returns whether there
    /// was anything.
    pub(crate) fn static_step(&mut self, cx: &mut Cx<'_>) -> bool {
        let shared = &mut self.shared;
        if self.statics.is_busy() {
            let (links, records) = (&shared.interfaces, &mut shared.state_records);
            if let Some(outcome) = self.statics.step(cx, links, records) {
                let object = Object::statics("static_ipaddress");
                messages::report_addresses(&cx.events, cx.now, object, &outcome);
                let counters = &mut shared.counters.addresses;
                counters.add(outcome.restored, outcome.refused);
                shared.set_timer(TimerKey::StaticAddresses, self.statics.next_deadline());
                shared.dirty |= !self.track_groups.is_empty();
            }
        } else if self.static_routes.is_busy() {
            if let Some(outcome) = self.static_routes.step(cx, &shared.interfaces) {
                messages::report_routes(cx, Object::statics(STATIC), &outcome);
                let counters = &mut shared.counters.routes;
                counters.add(outcome.restored, outcome.refused);
                shared.set_timer(TimerKey::StaticRoutes, self.static_routes.next_deadline());
                shared.dirty |= !self.track_groups.is_empty();
            }
        } else {
            return false;
        }
        true
    }

    /// Finds the instances whose static objects are missing. Returns whether that has changed.
    pub(crate) fn refresh_static_dependencies(&mut self) -> bool {
        if self.track_groups.is_empty() {
            return false;
        }
        let (statics, routes, links) =
            (&self.statics, &self.static_routes, &self.shared.interfaces);
        let lacks = |group| statics.lacks(group, links) || routes.lacks(group, links);
        let groups = self.track_groups.iter().enumerate();
        let mut missing = vec![false; self.routers.len()];
        for (_, members) in groups.filter(|(nth, _)| lacks(*nth)) {
            for &id in members {
                if let Some(missing) = missing.get_mut(id.0) {
                    *missing = true;
                }
            }
        }
        let mut changed = false;
        for (router, missing) in self.routers.iter_mut().zip(missing) {
            changed |= router.static_missing != missing;
            router.static_missing = missing;
        }
        changed
    }
}

/// Name of the static routes and rules in the log.
const STATIC: &str = "static_routes and static_rules";
