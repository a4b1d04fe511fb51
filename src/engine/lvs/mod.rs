//! Virtual servers: what their checks find out, what becomes of it in the kernel, and who is told.
//!
//! ```text
//! checks.rs ── verdict ─→ lvs::Pool ─┬─ desired services ─→ kernel.rs ─→ IPVS
//!                                    └─ what happened ────→ tell.rs ───→ scripts, FIFO, mail
//! ```

mod checks;
mod kernel;
mod programs;
mod report;
mod slots;
mod tell;
mod turns;

use super::Engine;
use super::system::System;
use crate::config::model;
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
    pub(super) checks: Checks,
    pub(super) kernel: Kernel,
}

impl Lvs {
    pub(super) fn new(conf: model::Lvs) -> Self {
        Lvs {
            checks: Checks::new(&conf),
            kernel: Kernel::default(),
            conf,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.conf.servers.is_empty() && self.conf.sync.is_none()
    }
}

impl Engine {
    /// The daemon begins; addresses are known, instances are about to start.
    pub(super) fn start_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.start_checks(now, system);
    }

    /// The daemon ends.
    pub(super) fn stop_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.stop_checks(now, system);
    }

    /// Another configuration: verdicts and connections stay.
    pub(super) fn replace_lvs(&mut self, now: Instant, new: model::Lvs, system: &mut dyn System) {
        let old = core::mem::replace(&mut self.lvs.conf, new);
        self.replace_checks(now, &old, system);
    }

    /// Does what is due.
    pub(super) fn work_on_lvs(&mut self, now: Instant, system: &mut dyn System) {
        self.work_on_checks(now, system);
    }

    /// Addresses have come or gone (`ha_suspend`).
    pub(super) fn look_at_lvs_addresses(&mut self, now: Instant, system: &mut dyn System) {
        let _ = (now, system);
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
        let _ = (id, verdict, now, system);
    }
}
