//! Events to the protocol machines, and their actions carried out.
//!
//! Adverts leave at once. All other actions wait in `Shared::pending_actions` until
//! [`Engine::apply_kernel_actions`] and [`Engine::emit_logs_and_notifications`]: when many
//! instances change together, all of them advertise before the first address is set, all addresses
//! are set before the first is announced, and logs and notifications come last.

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::messages;
use crate::engine::instance::router::Router;
use crate::engine::kernel::vmac::VirtualInterface;
use crate::engine::shared::Shared;
use crate::engine::slice::Slice;
use crate::types::{InstanceId, MasterInfo, VrrpState};
use crate::vrrp::{Action, Actions, Burst, Event, Reason};

/// Order in which pending actions of all instances are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Addresses,
    Announcements,
    LogsAndNotifications,
}

/// Pending actions for which memory is kept, so that few need no allocation.
pub(crate) const PENDING_KEPT: usize = 64;

/// An action that is not carried out yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingAction {
    id: InstanceId,
    action: Action,
    /// The master before the event, or else after it; for the log.
    master: Option<MasterInfo>,
}

impl PendingAction {
    /// Actions of one instance keep their order within a phase.
    fn phase(&self) -> Phase {
        match self.action {
            Action::SendAdvert(_) | Action::Install | Action::Withdraw | Action::StopAnnouncing => {
                Phase::Addresses
            }
            Action::Announce(_) => Phase::Announcements,
            Action::Transition { .. } | Action::Notice(_) | Action::RequestGroup => {
                Phase::LogsAndNotifications
            }
        }
    }
}

impl Engine {
    /// Delivers an event to an instance, and its consequences to the members of its sync group.
    /// Adverts are sent; other actions become pending.
    pub(crate) fn deliver(&mut self, cx: &mut Cx<'_>, id: InstanceId, event: Event<'_>) {
        self.pass(cx, id, event);
        self.rearm(id);
    }

    /// The same without setting the timer of the instance.
    pub(crate) fn pass(&mut self, cx: &mut Cx<'_>, id: InstanceId, event: Event<'_>) {
        if let Some(router) = self.routers.get_mut(id)
            && router.deliver(cx, &mut self.shared, event)
        {
            self.sync_group(cx, id);
        }
    }

    /// Delivers an event to an instance and carries out everything that follows from it.
    pub(crate) fn handle_event(&mut self, cx: &mut Cx<'_>, id: InstanceId, event: Event<'_>) {
        if !self.shared.pending_actions.is_empty() {
            self.emit_logs_and_notifications(cx);
        }
        self.deliver(cx, id, event);
        self.flush(cx);
    }

    /// Carries out all pending actions.
    pub(crate) fn flush(&mut self, cx: &mut Cx<'_>) {
        if !self.shared.pending_actions.is_empty() || self.shared.kernel_work {
            self.apply_kernel_actions(cx);
            self.emit_logs_and_notifications(cx);
        }
    }

    /// Carries out the pending actions that change the kernel or send announcements.
    pub(crate) fn apply_kernel_actions(&mut self, cx: &mut Cx<'_>) {
        let mut pending = core::mem::take(&mut self.shared.pending_actions);
        let first = pending.iter().find(|one| one.phase() == Phase::Addresses);
        if let Some(first) = first.filter(|_| !self.shared.kernel_work) {
            self.next_set = first.id.0;
        }
        for phase in [Phase::Addresses, Phase::Announcements] {
            for action in pending.iter().filter(|one| one.phase() == phase) {
                self.apply(cx, *action);
                self.rearm(action.id);
            }
            if phase == Phase::Addresses {
                self.work_at_once(cx);
            }
        }
        pending.retain(|one| one.phase() == Phase::LogsAndNotifications);
        self.shared.pending_actions = pending;
    }

    /// Carries out the pending actions that only log and notify, of instances whose addresses and
    /// routes are as they should be. Called when nothing more urgent is due.
    pub(crate) fn emit_logs_and_notifications(&mut self, cx: &mut Cx<'_>) {
        let mut pending = core::mem::take(&mut self.shared.pending_actions);
        let slice = Slice::from(cx.system.clock());
        let mut over = false;
        pending.retain(|action| {
            over = over || slice.is_over(cx);
            if over || self.routers.get(action.id).is_some_and(Router::is_busy) {
                return true;
            }
            self.apply(cx, *action);
            false
        });
        if pending.is_empty() {
            // It is large after many instances have changed together.
            pending.shrink_to(PENDING_KEPT);
        }
        self.shared.pending_actions = pending;
        // After their members.
        if !over {
            self.report_groups(cx);
        }
    }

    /// The same for all instances.
    pub(crate) fn emit_all_logs_and_notifications(&mut self, cx: &mut Cx<'_>) {
        for action in core::mem::take(&mut self.shared.pending_actions) {
            self.apply(cx, action);
        }
        self.report_groups(cx);
    }

    fn apply(&mut self, cx: &mut Cx<'_>, pending: PendingAction) {
        let PendingAction { id, action, master } = pending;
        if let Action::Install = action {
            let Shared {
                interfaces,
                no_accept,
                ..
            } = &mut self.shared;
            no_accept.ensure(cx, id, &self.routers, interfaces);
        }
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let shared = &mut self.shared;
        match action {
            Action::SendAdvert(priority) => router.send_advert(cx, shared, priority),
            Action::Install => router.install(cx, shared),
            Action::Withdraw => router.withdraw(cx, shared),
            Action::Announce(burst) => {
                router.start_announcing(cx, shared, burst);
                if burst == Burst::LowerPrio {
                    self.announce_group(cx, id);
                    if let Some(router) = self.routers.get_mut(id) {
                        router.notify_lower_prio_rx(cx, &mut self.shared);
                    }
                }
            }
            Action::StopAnnouncing => router.stop_announcing(),
            Action::Transition { from, to, why } => {
                let suppressed = router.transitions.allow(cx.now);
                let is_minor = router.own_transitions.allow(cx.now).is_none();
                if let Some(router) = self.routers.get(id) {
                    let text = &*self.explain(router, why, master);
                    let change = messages::Transition {
                        from,
                        to,
                        why,
                        text,
                        master,
                        suppressed,
                        is_minor,
                    };
                    messages::report_transition(cx, router, &change);
                    router.notify_transition(cx, &mut self.shared, from, to);
                }
                self.with_lvs(|lvs, shared, routers| lvs.instance_changed(cx, shared, routers, id));
            }
            Action::Notice(notice) => {
                if messages::report_notice(cx, router, notice) {
                    self.report_held_by_group(cx, id);
                }
            }
            Action::RequestGroup => {}
        }
    }
}

impl Router {
    /// Delivers an event to this instance alone. Returns whether its sync group must decide again.
    pub(crate) fn deliver(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        event: Event<'_>,
    ) -> bool {
        let (before, pending) = (self.machine.state(), shared.pending_actions.len());
        let concerns_group = self.handle(cx, shared, event);
        if before != VrrpState::Master
            && self.machine.state() == VrrpState::Master
            && self.vmacs.iter().any(VirtualInterface::is_blocked)
        {
            // It has sent nothing yet: there is no notification and no log line that it was master.
            shared.pending_actions.truncate(pending);
            self.handle(cx, shared, Event::Fault(Reason::InterfaceMissing));
            for one in shared.pending_actions.iter_mut().skip(pending) {
                if let Action::Transition { from, .. } = &mut one.action {
                    *from = before;
                }
            }
        }
        concerns_group
    }

    fn handle(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, event: Event<'_>) -> bool {
        let mut actions = Actions::new();
        // A new master does not know its predecessor any longer, but the log names it.
        let before = self.machine.master();
        let (state, zeros) = (self.machine.state(), self.machine.counters().pri_zero_rcvd);
        self.machine.handle(cx.now, event, &mut actions);
        if self.machine.counters().pri_zero_rcvd != zeros {
            messages::log_priority_zero(self, cx.now, state);
        }
        let master = before.or(self.machine.master());
        self.record_transition(cx.now, &actions, master);
        self.sync_state_file(cx, shared);
        let mut concerns_group = false;
        for action in actions {
            concerns_group |= matches!(action, Action::RequestGroup | Action::Transition { .. });
            match action {
                Action::SendAdvert(priority) => self.send_advert(cx, shared, priority),
                Action::RequestGroup => {}
                Action::Install
                | Action::Withdraw
                | Action::Announce(_)
                | Action::StopAnnouncing
                | Action::Transition { .. }
                | Action::Notice(_) => shared.pending_actions.push(PendingAction {
                    id: self.id,
                    action,
                    master,
                }),
            }
        }
        concerns_group
    }

    /// Sets addresses, routes and rules.
    fn install(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.addresses.install(cx.now);
        if let Some(routes) = self.routes.get_mut() {
            routes.install();
        }
        shared.kernel_work = true;
    }

    /// Removes addresses, routes and rules, unless the daemon is to leave them in place at exit.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if shared.options.dont_release && shared.stopping {
            return self.addresses.keep(cx, &shared.interfaces);
        }
        if shared.stopping {
            return self.withdraw_now(cx, shared);
        }
        if let Some(routes) = self.routes.get_mut() {
            routes.withdraw();
        }
        self.addresses.withdraw(cx.now);
        if !self.is_busy() {
            self.schedule_vmacs_down(cx, shared);
        }
        shared.kernel_work = true;
    }

    /// Removes addresses, routes and rules at once.
    pub(crate) fn withdraw_now(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if let Some(routes) = self.routes.get_mut() {
            routes.withdraw_now(cx, &shared.interfaces);
        }
        self.addresses
            .withdraw_now(cx, &shared.interfaces, &mut shared.state_records);
        self.schedule_vmacs_down(cx, shared);
    }

    /// Extends the lifetimes of leased addresses.
    pub(crate) fn renew(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let lost = self
            .addresses
            .renew(cx, &shared.interfaces, &mut shared.batch);
        if lost {
            self.start_announcing(cx, shared, Burst::Master);
        }
    }

    /// Sets the addresses of a master again that are missing in the kernel.
    pub(crate) fn repair_addresses(&mut self, cx: &Cx<'_>, shared: &mut Shared) {
        self.addresses.reconcile(cx.now);
        shared.kernel_work |= self.is_busy();
    }

    /// Sets the routes and rules of a master again that are missing in the kernel.
    pub(crate) fn repair_routes(&mut self, cx: &Cx<'_>, shared: &mut Shared) {
        let Some(routes) = self.routes.get_mut() else {
            return;
        };
        if cx.is_due(routes.next_deadline()) || routes.needs_recheck() {
            routes.reconcile(cx.now);
            shared.kernel_work |= self.is_busy();
        }
    }

    /// Sets addresses that a reload has added to a master, and announces them. All are announced
    /// when the announcement parameters have changed.
    pub(crate) fn install_new_addresses(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        garp_changed: GarpChange,
    ) {
        self.repair_addresses(cx, shared);
        self.addresses.announce_added();
        if self.machine.state() == VrrpState::Master && garp_changed == GarpChange::Changed {
            self.start_announcing(cx, shared, Burst::Master);
        }
    }
}

/// Whether a reload has changed how addresses are announced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum GarpChange {
    Unchanged,
    Changed,
}
