//! Virtual servers: what their checks find out, what becomes of it in the kernel, and who is told.
//!
//! ```text
//! checks.rs ── verdict ─→ lvs::VirtualServers ─┬─ desired services ─→ kernel.rs ─→ IPVS
//! reload ────────────────────┘       └─ what happened ────→ tell.rs ───→ log, scripts, FIFO, mail
//! ```
//! The kernel comes first: whoever is told that a server is up can use it.

mod checks;
mod ipvs;
mod life;
mod misc_check;
mod notify;
mod report;
mod slots;
mod snapshot;
mod suspend;
mod turns;

use crate::config::model::{self, Fifo};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::lvs::reload_match::{ServiceMatch, match_previous};
use crate::lvs::state::{Change, CheckState, VirtualServers};

pub(crate) use checks::Checks;
pub(crate) use ipvs::Kernel;

/// A check: places of its virtual server, real server and itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CheckId {
    pub(crate) service: usize,
    pub(crate) server: usize,
    pub(crate) check: usize,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Lvs {
    pub(crate) conf: model::Lvs,
    pub(crate) pool: VirtualServers,
    pub(crate) checks: Checks,
    pub(crate) kernel: Kernel,
    /// Virtual servers whose checks pause (`ha_suspend`), in the configuration's order.
    pub(crate) suspended: Vec<bool>,
}

impl Lvs {
    pub(crate) fn new(conf: model::Lvs) -> Self {
        Lvs {
            pool: VirtualServers::new(&conf),
            checks: Checks::new(&conf),
            kernel: Kernel::default(),
            suspended: vec![false; conf.virtual_servers.len()],
            conf,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.conf.virtual_servers.is_empty() && self.conf.sync_daemon.is_none()
    }

    pub(crate) fn has_services(&self) -> bool {
        !self.conf.virtual_servers.is_empty()
    }

    pub(crate) fn fifo(&self) -> Option<Fifo> {
        self.conf.notify_fifo.clone()
    }

    /// Draws the consequences of the beginning, or of another configuration, for every virtual server.
    fn settle(&mut self) -> Vec<Vec<Change>> {
        let tell = self.conf.rs_init_notifies;
        let mut all = Vec::with_capacity(self.conf.virtual_servers.len());
        for (place, conf) in self.conf.virtual_servers.iter().enumerate() {
            let mut changes = Vec::new();
            if let Some(farm) = self.pool.get_mut(place) {
                farm.settle(conf, tell, &mut changes);
            }
            all.push(changes);
        }
        all
    }
}

impl Engine {
    /// The daemon begins; addresses are known, instances are about to start.
    pub(crate) fn start_lvs(&mut self, cx: &mut Cx<'_>) {
        let changes = self.lvs.settle();
        let desired = self.lvs.pool.desired(&self.lvs.conf);
        self.start_ipvs(cx, &desired);
        self.notify_all_changes(cx, &changes);
        self.refresh_lvs_addresses(cx);
        self.start_checks(cx);
    }

    /// The daemon ends.
    pub(crate) fn stop_lvs(&mut self, cx: &mut Cx<'_>) {
        self.stop_checks(cx);
        if self.shared.options.dont_release_ipvs {
            return;
        }
        self.stop_ipvs(cx);
        for left in self.lvs.pool.leaving(&[]) {
            self.notify_removal(cx, left, true);
        }
    }

    /// Another configuration: verdicts and connections stay.
    pub(crate) fn replace_lvs(&mut self, cx: &mut Cx<'_>, new: model::Lvs) {
        let matches = match_previous(&self.lvs.conf, &new);
        for left in self.lvs.pool.leaving(&matches) {
            self.notify_removal(cx, left, false);
        }
        let Lvs {
            conf,
            pool,
            suspended,
            ..
        } = &mut self.lvs;
        pool.replace(&matches, &new);
        let was = |matched: &ServiceMatch| {
            matched
                .service
                .and_then(|place| suspended.get(place))
                .copied()
        };
        *suspended = matches
            .iter()
            .map(|matched| was(matched).unwrap_or(false))
            .collect();
        *conf = new;
        let changes = self.lvs.settle();
        let desired = self.lvs.pool.desired(&self.lvs.conf);
        self.renew_ipvs(cx, &desired);
        self.notify_all_changes(cx, &changes);
        self.replace_checks(cx, &matches);
        self.refresh_lvs_addresses(cx);
    }

    fn notify_all_changes(&mut self, cx: &mut Cx<'_>, changes: &[Vec<Change>]) {
        for (service, changes) in changes.iter().enumerate() {
            self.notify_changes(cx, service, changes);
        }
    }

    /// Does what is due.
    pub(crate) fn run_lvs(&mut self, cx: &mut Cx<'_>) {
        self.run_checks(cx);
        self.run_ipvs(cx);
    }

    /// A check has found out something.
    pub(crate) fn apply_check_state(&mut self, cx: &mut Cx<'_>, id: CheckId, verdict: CheckState) {
        let Lvs { conf, pool, .. } = &mut self.lvs;
        let farm = pool.get_mut(id.service);
        let (Some(conf), Some(farm)) = (conf.virtual_servers.get(id.service), farm) else {
            return;
        };
        let mut changes = Vec::new();
        let check = (id.server, id.check);
        farm.judge(conf, check, verdict, &mut changes);
        if changes.is_empty() {
            return;
        }
        let mut desired = Vec::new();
        farm.desired(conf, &mut desired);
        for (service, servers) in &desired {
            self.change_ipvs(cx, (service, servers));
        }
        self.notify_changes(cx, id.service, &changes);
    }
}
