//! Addresses, routes and rules are installed and removed in slices. All sets that have something to
//! do take turns, so that a takeover with one address does not wait for one with thousands.

use core::time::Duration;

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::messages;
use crate::engine::instance::router::Router;
use crate::engine::kernel::repair_limit::is_announced;
use crate::engine::shared::Shared;
use crate::engine::slice::Slice;
use crate::types::{InstanceId, VrrpState};
use crate::vrrp::Burst;

/// Announcements wait until all addresses are installed, but no longer than this: then each is
/// announced as soon as it is installed.
const ANNOUNCE_AFTER: Duration = Duration::from_millis(100);

impl Engine {
    /// Does one slice at once, unless a slice before has left something to do: then the next one is
    /// done after packets have been read.
    pub(crate) fn work_at_once(&mut self, cx: &mut Cx<'_>) {
        if !self.shared.kernel_backlog {
            self.work_on_kernel(cx);
        }
    }

    /// Does one slice of what is to be installed and removed.
    pub(crate) fn work_on_kernel(&mut self, cx: &mut Cx<'_>) {
        if !self.shared.kernel_work {
            return;
        }
        let slice = Slice::start(cx, &self.shared.timers);
        let sets = self.routers.len().saturating_add(1);
        let mut idle = 0;
        while idle < sets {
            let works = self.kernel_step(cx, self.next_set);
            idle = if works { 0 } else { idle.saturating_add(1) };
            // The clock is read only if there is something to do: usually for few sets of many.
            if works {
                let share = slice.share(cx);
                while self.kernel_step(cx, self.next_set) && !share.is_over(cx) {}
            }
            self.next_set = self.next_set.saturating_add(1) % sets;
            if idle == 0 && slice.is_over(cx) {
                self.shared.kernel_backlog = true;
                return;
            }
        }
        self.shared.kernel_work = false;
        self.shared.kernel_backlog = false;
    }

    /// Does everything that is to be installed and removed, at startup and at the end.
    pub(crate) fn finish_kernel_work(&mut self, cx: &mut Cx<'_>) {
        for set in 0..=self.routers.len() {
            while self.kernel_step(cx, set) {}
        }
        self.shared.kernel_work = false;
        self.shared.kernel_backlog = false;
    }

    /// Does one step for an instance or, after the last one, for the static addresses and routes.
    /// Returns whether there was anything to do.
    fn kernel_step(&mut self, cx: &mut Cx<'_>, set: usize) -> bool {
        match self.routers.get_mut(InstanceId(set)) {
            Some(router) => router.kernel_step(cx, &mut self.shared),
            None => self.static_step(cx),
        }
    }
}

impl Router {
    /// Whether addresses or routes are being installed or removed.
    pub(crate) fn is_busy(&self) -> bool {
        self.addresses.is_busy() || self.routes.is_busy()
    }

    fn kernel_step(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) -> bool {
        if !self.is_busy() {
            return false;
        }
        // Routes may have an address as their source: they are installed after, and removed before.
        let addresses_first = self.addresses.wanted || !self.routes.is_busy();
        if self.addresses.is_busy() && addresses_first {
            self.address_step(cx, shared);
        } else if let Some(routes) = self.routes.get_mut()
            && let Some(outcome) = routes.step(cx, &shared.interfaces)
        {
            messages::report_routes(cx, self.object(), &outcome);
            let counters = &mut shared.counters.routes;
            counters.add(outcome.restored, outcome.refused);
        }
        if !self.is_busy() && !self.addresses.wanted {
            self.schedule_vmacs_down(cx, shared);
        }
        self.rearm(shared);
        true
    }

    fn address_step(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let Shared {
            interfaces,
            state_records,
            counters,
            ..
        } = shared;
        let outcome = self.addresses.step(cx, interfaces, state_records);
        if let Some(outcome) = outcome {
            messages::report_addresses(&cx.events, cx.now, self.object(), &outcome);
            counters.addresses.add(outcome.restored, outcome.refused);
            let added = outcome.announce_added && outcome.added > 0;
            let restored = outcome.restored > 0 && is_announced(outcome.repairs);
            if (restored || added) && self.machine.state() == VrrpState::Master {
                return self.start_announcing(cx, shared, Burst::Master);
            }
        }
        if self.garp_held.is_some() {
            self.announce(cx, shared);
        }
    }

    /// Whether an address is not announced yet because it is still to be installed.
    pub(crate) fn holds_announcement(&self, cx: &mut Cx<'_>, nth: usize) -> bool {
        let Some(started) = self.addresses.install_started() else {
            return false;
        };
        self.addresses.is_awaited(nth) || cx.system.clock().since(started) < ANNOUNCE_AFTER
    }
}
