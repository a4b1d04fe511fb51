//! What the engine does about routes and rules: which news concern them, when they are looked after, what the
//! log says, and which instances depend on static ones (`track_group`).

use crate::engine::cx::Cx;
use core::fmt;

use crate::engine::Engine;
use crate::engine::kernel::interfaces::Change;
use crate::engine::kernel::routes::{Outcome, RouteSet};
use crate::engine::system::System;
use crate::netlink::Message;
use crate::types::Instant;

impl Engine {
    /// Whether [`Engine::netlink_event`] wants to hear of routes and rules with our protocol number that are deleted.
    #[must_use]
    pub fn wants_route_events(&self) -> bool {
        !self.static_routes.is_empty()
            || self.routers.iter().any(|router| !router.routes.is_empty())
    }

    /// Notification of routes and rules were lost.
    pub fn resync_routes(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        self.each_route_set(RouteSet::suspect);
        self.refresh_if_dirty(cx);
    }

    /// Notes what a message means for routes and rules.
    pub(crate) fn route_event(&mut self, message: &Message<'_>, change: Change) {
        match (message, change) {
            (Message::DelRoute(_) | Message::DelRule(_), _) => {
                self.each_route_set(|set| set.gone(message));
            }
            (_, Change::Link(_) | Change::Lost(_)) => self.each_route_set(RouteSet::suspect),
            (_, Change::Added(_)) => self.each_route_set(RouteSet::hope),
            (_, Change::Nothing) => {}
        }
    }

    fn each_route_set(&mut self, mut look: impl FnMut(&mut RouteSet)) {
        let sets = self.routers.iter_mut().map(|router| &mut router.routes);
        for set in sets.chain([&mut self.static_routes]) {
            look(set);
            self.shared.dirty |= set.is_doubtful();
        }
    }

    /// Puts back what is in doubt of an instance's.
    pub(crate) fn repair_routes(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let due = cx.is_due(router.routes.next_deadline());
        if due || router.routes.is_doubtful() {
            let outcome = router.routes.reconcile(cx, &self.shared.interfaces);
            report(format_args!("({})", router.conf.name), &outcome);
        }
    }

    /// The same for static ones.
    pub(crate) fn repair_static_routes(&mut self, cx: &mut Cx<'_>) {
        let set = &mut self.static_routes;
        if cx.is_due(set.next_deadline()) || set.is_doubtful() {
            let outcome = set.reconcile(cx, &self.shared.interfaces);
            self.shared.dirty |= !self.track_groups.is_empty();
            report(format_args!("{STATIC}"), &outcome);
        }
    }

    /// Notes which instances lack something static; tells whether that has changed.
    pub(crate) fn refresh_static_dependencies(&mut self) -> bool {
        if self.track_groups.is_empty() {
            return false;
        }
        let (statics, routes, links) =
            (&self.statics, &self.static_routes, &self.shared.interfaces);
        let lacks = |group| statics.lacks(group, links) || routes.lacks(group, links);
        let groups = self.track_groups.iter().enumerate();
        let mut bereft = vec![false; self.routers.len()];
        for (_, members) in groups.filter(|(nth, _)| lacks(*nth)) {
            for &id in members {
                if let Some(bereft) = bereft.get_mut(id) {
                    *bereft = true;
                }
            }
        }
        let mut changed = false;
        for (router, bereft) in self.routers.iter_mut().zip(bereft) {
            changed |= router.static_missing != bereft;
            router.static_missing = bereft;
        }
        changed
    }

    /// Adds the static ones.
    pub(crate) fn install_static_routes(&mut self, cx: &mut Cx<'_>) {
        let outcome = self.static_routes.install(cx, &self.shared.interfaces);
        report(format_args!("{STATIC}"), &outcome);
    }
}

/// Whose the static ones are, for the log.
const STATIC: &str = "static_routes and static_rules:";

/// What became of an attempt, in one line at most.
pub(crate) fn report(name: fmt::Arguments<'_>, outcome: &Outcome) {
    if let Some(first) = &outcome.first_restored {
        let others = match outcome.restored.saturating_sub(1) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        log::warn!(
            target: "vrrp",
            "{name} {first}{others} removed by someone else, or with an interface or address; put back"
        );
    }
    if !outcome.news {
        return;
    }
    if outcome.refused > 0 {
        let first = outcome.first_refused.as_deref().unwrap_or("unknown reason");
        log::error!(
            target: "netlink",
            "{name} {} of its routes and rules refused by the kernel, first {first}; trying again",
            outcome.refused
        );
    } else {
        log::info!(target: "netlink", "{name} all routes and rules are set now");
    }
}
