//! Virtual servers: what their checks find out, what becomes of it in the kernel, and who is told.
//!
//! ```text
//! checks.rs ── verdict ─→ lvs::Pool ─┬─ desired services ─→ kernel.rs ─→ IPVS
//! reload ────────────────────┘       └─ what happened ────→ tell.rs ───→ log, scripts, FIFO, mail
//! ```
//! The kernel comes first: whoever is told that a server is up can use it.

mod checks;
mod kernel;
mod life;
mod programs;
mod report;
mod slots;
mod suspend;
mod tell;
mod turns;

use super::Engine;
use super::system::System;
use crate::config::model::{self, Fifo};
use crate::lvs::heirs::heirs;
use crate::lvs::pool::{Change, Pool, Standing};
use crate::types::Instant;

pub(super) use checks::Checks;
pub(super) use kernel::Kernel;

/// A check: places of its virtual server, real server and itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CheckId {
    pub(super) service: usize,
    pub(super) server: usize,
    pub(super) check: usize,
}

/// What a check has found out. Changes are told, and the first result, whatever it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Verdict {
    /// The server can be used.
    pub(super) up: bool,
    /// What is added to its weight (`misc_dynamic`, `FILE_CHECK`).
    pub(super) weight: i64,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Lvs {
    pub(super) conf: model::Lvs,
    pub(super) pool: Pool,
    pub(super) checks: Checks,
    pub(super) kernel: Kernel,
    /// Virtual servers whose checks pause (`ha_suspend`), in the configuration's order.
    pub(super) suspended: Vec<bool>,
}

impl Lvs {
    pub(super) fn new(conf: model::Lvs) -> Self {
        Lvs {
            pool: Pool::new(&conf),
            checks: Checks::new(&conf),
            kernel: Kernel::default(),
            suspended: vec![false; conf.servers.len()],
            conf,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conf.servers.is_empty() && self.conf.sync.is_none()
    }

    pub(super) fn fifo(&self) -> Option<Fifo> {
        self.conf.fifo.clone()
    }

    /// What a virtual server's state leads to, at the beginning and after a reload.
    fn settle(&mut self, service: usize) -> Vec<Change> {
        let mut changes = Vec::new();
        let conf = self.conf.servers.get(service);
        if let (Some(conf), Some(farm)) = (conf, self.pool.get_mut(service)) {
            farm.settle(conf, self.conf.init_notifies, &mut changes);
        }
        changes
    }
}

impl Engine {
    /// The daemon begins; addresses are known, instances are about to start.
    pub(super) fn start_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.settle_lvs(now, system);
        self.look_at_lvs_addresses(now, system);
        self.start_checks(now, system);
    }

    /// The daemon ends.
    pub(super) fn stop_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.stop_checks(now, system);
        let leaving = self.lvs.pool.leaving(&[]);
        for left in leaving {
            self.tell_of_leaving(left, true, now, system);
        }
    }

    /// Another configuration: verdicts and connections stay.
    pub(super) fn replace_lvs(&mut self, now: Instant, new: model::Lvs, system: &mut dyn System) {
        let heirs = heirs(&self.lvs.conf, &new);
        for left in self.lvs.pool.leaving(&heirs) {
            self.tell_of_leaving(left, false, now, system);
        }
        let lvs = &mut self.lvs;
        lvs.pool.replace(&heirs, &new);
        let was = |place: Option<usize>| place.and_then(|place| lvs.suspended.get(place)).copied();
        let suspended = heirs.iter().map(|heir| was(heir.service).unwrap_or(false));
        lvs.suspended = suspended.collect();
        lvs.conf = new;
        self.replace_checks(now, &heirs, system);
        self.settle_lvs(now, system);
        self.look_at_lvs_addresses(now, system);
    }

    /// Brings all that is desired into the kernel and tells what has become of whom.
    fn settle_lvs(&mut self, now: Instant, system: &mut dyn System) {
        let services = 0..self.lvs.conf.servers.len();
        let changes: Vec<Vec<Change>> = services.map(|place| self.lvs.settle(place)).collect();
        for (service, changes) in changes.iter().enumerate() {
            self.tell_of_changes(service, changes, now, system);
        }
    }

    /// Does what is due.
    pub(super) fn work_on_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.work_on_checks(now, system);
    }

    /// An instance has another state (`lvs_sync_daemon`).
    pub(super) fn lvs_follows(&mut self, instance: usize, now: Instant, system: &mut dyn System) {
        let _ = (instance, now, system);
    }

    /// A check has found out something new.
    pub(super) fn judged(
        &mut self,
        id: CheckId,
        verdict: Verdict,
        now: Instant,
        system: &mut dyn System,
    ) {
        let Verdict { up, weight } = verdict;
        let mut changes = Vec::new();
        let conf = self.lvs.conf.servers.get(id.service);
        let farm = self.lvs.pool.get_mut(id.service);
        if let (Some(conf), Some(farm)) = (conf, farm) {
            let check = (id.server, id.check);
            farm.judge(conf, check, Standing { up, weight }, &mut changes);
        }
        if !changes.is_empty() {
            self.tell_of_changes(id.service, &changes, now, system);
        }
    }
}
