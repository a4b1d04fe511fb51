//! Virtual servers: health checks, the IPVS table that follows from them, and notifications.
//!
//! ```text
//! checks.rs ── CheckChange ─→ lvs::VirtualServers ─┬─ desired services ─→ ipvs ──────→ kernel
//! reload ────────────────────────┘                 └─ changes ──────────→ notify.rs ─→ log, scripts, FIFO, mail
//! ```
//! The kernel is changed first: when a server is reported up, it can be used.

mod checks;
mod concurrency;
mod drain;
mod health;
mod ipvs;
mod messages;
mod misc_check;
mod notify;
mod snapshot;

use core::net::IpAddr;
use core::ops::Range;

use crate::check::SocketEvent;
use crate::config::model::{self, Fifo};
use crate::ctl;
use crate::engine::cx::Cx;
use crate::engine::instance::router::Routers;
use crate::engine::maintenance::{Drainable, ServerNames};
use crate::engine::shared::Shared;
use crate::engine::system::{Ended, System};
use crate::engine::timers::TimerKey;
use crate::engine::virtual_services::VirtualServices;
use crate::lvs::reload_match::{ServiceMatch, match_previous};
use crate::lvs::state::{Change, CheckState, VirtualServers};
use crate::types::Instant;

use crate::types::InstanceId;
use checks::Checks;
use ipvs::Reconciler;
use notify::RemovalReason;

/// Position of a check in the configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct CheckPath {
    pub(crate) virtual_server: usize,
    pub(crate) real_server: usize,
    pub(crate) check: usize,
}

/// A check's new state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CheckChange {
    pub(crate) path: CheckPath,
    pub(crate) state: CheckState,
}

/// All virtual servers at run time.
#[derive(Debug)]
pub(crate) struct Lvs {
    conf: model::Lvs,
    servers: VirtualServers,
    checks: Checks,
    ipvs: Reconciler,
    /// Whether the checks of each virtual server are suspended (`ha_suspend`).
    suspended: Vec<bool>,
}

impl Lvs {
    pub(crate) fn new(conf: model::Lvs) -> Self {
        Lvs {
            servers: VirtualServers::new(&conf),
            checks: Checks::new(&conf),
            ipvs: Reconciler::default(),
            suspended: vec![false; conf.virtual_servers.len()],
            conf,
        }
    }

    /// After the start or a reload: applies states and quorums of all virtual servers. One list of
    /// changes for each.
    fn settle(&mut self) -> Vec<Vec<Change>> {
        let notify_up = self.conf.rs_init_notifies;
        let mut all = Vec::with_capacity(self.conf.virtual_servers.len());
        for (index, conf) in self.conf.virtual_servers.iter().enumerate() {
            let mut changes = Vec::new();
            if let Some(state) = self.servers.get_mut(index) {
                state.settle(conf, notify_up, &mut changes);
            }
            all.push(changes);
        }
        all
    }

    fn notify_all(&self, cx: &mut Cx<'_>, shared: &mut Shared, changes: &[Vec<Change>]) {
        for (service, changes) in changes.iter().enumerate() {
            self.notify_changes(cx, shared, service, changes);
        }
    }

    /// After an event of a check: applies its change and sets the timer.
    fn finish_check(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, change: Option<CheckChange>) {
        if let Some(change) = change {
            self.apply_check(cx, shared, change);
        }
        self.set_check_timer(cx.now, shared);
    }

    fn set_check_timer(&self, now: Instant, shared: &mut Shared) {
        shared.set_timer(TimerKey::Checks, self.checks.next_deadline(now));
    }

    /// A check has changed: updates the server, the quorum and the IPVS table, and notifies.
    fn apply_check(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, change: CheckChange) {
        let CheckPath {
            virtual_server,
            real_server,
            check,
        } = change.path;
        let conf = self.conf.virtual_servers.get(virtual_server);
        let state = self.servers.get_mut(virtual_server);
        let (Some(conf), Some(state)) = (conf, state) else {
            return;
        };
        let mut changes = Vec::new();
        state.apply(conf, real_server, check, change.state, &mut changes);
        if !changes.is_empty() {
            self.apply_changes(cx, shared, virtual_server, &changes);
        }
    }

    /// Updates the IPVS table of a virtual server after changes, and notifies of them.
    fn apply_changes(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        virtual_server: usize,
        changes: &[Change],
    ) {
        let conf = self.conf.virtual_servers.get(virtual_server);
        let mut desired = Vec::new();
        if let (Some(conf), Some(state)) = (conf, self.servers.get(virtual_server)) {
            state.desired(conf, &mut desired);
        }
        for service in &desired {
            self.change_service(cx, shared, service);
        }
        self.notify_changes(cx, shared, virtual_server, changes);
    }
}

impl VirtualServices for Lvs {
    fn is_idle(&self) -> bool {
        self.conf.virtual_servers.is_empty() && self.conf.sync_daemon.is_none()
    }

    fn has_services(&self) -> bool {
        !self.conf.virtual_servers.is_empty()
    }

    fn fifo(&self) -> Option<&Fifo> {
        self.conf.notify_fifo.as_ref()
    }

    fn depends_on_address(&self, addr: IpAddr) -> bool {
        self.suspends_with(addr)
    }

    fn start(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, routers: &Routers) {
        self.mark_drained(&shared.maintenance);
        let changes = self.settle();
        self.start_ipvs(cx, shared, routers);
        self.notify_all(cx, shared, &changes);
        self.update_suspension(cx, shared);
        self.start_checks(cx, shared);
    }

    fn stop(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.stop_checks(cx, shared);
        if shared.options.dont_release_ipvs {
            return;
        }
        self.stop_ipvs(cx);
        for removed in self.servers.removed(&[]) {
            self.notify_removal(cx, shared, removed, RemovalReason::Shutdown);
        }
    }

    fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        routers: &Routers,
        new: model::Lvs,
    ) {
        let matches = match_previous(&self.conf, &new);
        for removed in self.servers.removed(&matches) {
            self.notify_removal(cx, shared, removed, RemovalReason::Reload);
        }
        self.servers.replace(&matches, &new);
        let was_suspended = |matched: &ServiceMatch| {
            let old = matched.service.and_then(|old| self.suspended.get(old));
            old.copied().unwrap_or(false)
        };
        self.suspended = matches.iter().map(was_suspended).collect();
        self.conf = new;
        self.mark_drained(&shared.maintenance);
        let changes = self.settle();
        self.replace_ipvs(cx, shared, routers);
        self.notify_all(cx, shared, &changes);
        self.replace_checks(cx, shared, &matches);
        self.update_suspension(cx, shared);
    }

    fn expire(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.run_checks(cx, shared);
        self.run_ipvs(cx, shared);
    }

    fn addresses_changed(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.update_suspension(cx, shared);
    }

    fn files_changed(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.evaluate_files(cx, shared);
    }

    fn instance_changed(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        routers: &Routers,
        instance: InstanceId,
    ) {
        self.follow_instance(cx, shared, routers, instance);
    }

    fn socket_event(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        check: usize,
        event: SocketEvent<&[u8]>,
    ) {
        let change = self.checks.socket_event(cx, check, &self.conf, event);
        self.finish_check(cx, shared, change);
    }

    fn check_child_ended(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        check: usize,
        ended: Ended,
    ) {
        let change = self.checks.child_ended(cx, check, &self.conf, ended);
        self.finish_check(cx, shared, change);
    }

    fn check_child_overdue(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, check: usize) {
        let change = self.checks.child_overdue(cx, check, &self.conf);
        self.finish_check(cx, shared, change);
    }

    fn diff(&self, new: &model::Lvs, changes: &mut ctl::Changes, out: &mut ctl::Output) {
        let (old, new) = (&self.conf.virtual_servers, &new.virtual_servers);
        let before: Vec<&str> = old.iter().map(|one| &*one.name).collect();
        let after: Vec<&str> = new.iter().map(|one| &*one.name).collect();
        let names = ctl::Both::new(&before, &after);
        changes.objects(out, "virtual server", names, &|a, b| {
            old.get(a) == new.get(b)
        });
    }

    fn has_service(&self, name: &str) -> bool {
        let mut all = self.conf.virtual_servers.iter();
        all.any(|one| one.name == name)
    }

    fn has_server(&self, names: &ServerNames) -> bool {
        self.is_configured(names)
    }

    fn update_drains(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.follow_drains(cx, shared);
    }

    fn find_server(&self, service: &str, server: &str) -> Result<Drainable, String> {
        self.find_drainable(service, server)
    }

    fn services(&self) -> usize {
        self.conf.virtual_servers.len()
    }

    fn snapshot(
        &self,
        wanted: Range<usize>,
        system: Option<&mut dyn System>,
    ) -> Vec<ctl::Service<'_>> {
        self.service_snapshots(wanted, system)
    }
}
