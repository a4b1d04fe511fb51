//! The kernel's table of services, brought and kept in step with what is desired.
//!
//! ```text
//! reconcile, change ─→ what there should be ─┐
//!          every 10 s, retries (Duty::Ipvs) ─┴→ look ─→ diff ─→ edits, 64 in one sendmsg ─→ refusals
//! ```
//! `table.rs` has the services, `sync.rs` connection synchronization, `timeouts.rs` the timeouts. Work is done in turns: a
//! table of ten thousand servers takes many, and between them adverts are sent. Whatever goes wrong ends in
//! another look, later: the kernel is the truth.
//!
//! Ours are the services that were desired once since we began; those of others are never touched. What
//! a predecessor has left and is desired is taken over as it is, with its connections.

use crate::config::model::lvs::{FlushOnStop, SyncDaemon};
use crate::engine::system::System;
use crate::netlink::ipvs::{Role, Timeouts};
use crate::types::Instant;
use crate::types::ipvs::{Connections, Counters, Destination, Service, ServiceKey};

/// See the top of the file.
#[derive(Debug, Default)]
pub(in crate::engine) struct Kernel {}

/// What a service has done so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::engine) struct Reading {
    pub(in crate::engine) key: ServiceKey,
    pub(in crate::engine) counters: Counters,
    pub(in crate::engine) servers: Vec<(Destination, Connections, Counters)>,
}

impl Kernel {
    /// To be called once, before all else: the whole table is cleared (`lvs_flush`).
    pub(in crate::engine) fn flush(&mut self) {}

    /// `lvs_timeouts`, at the start and at a reload.
    pub(in crate::engine) fn set_timeouts(&mut self, timeouts: Timeouts) {
        let _ = timeouts;
    }

    /// `lvs_sync_daemon`, at the start, at a reload, and when the instance it follows has another state.
    pub(in crate::engine) fn set_sync(&mut self, wanted: Option<(&SyncDaemon, Role)>) {
        let _ = wanted;
    }

    /// From now on there should be these services with these servers and none else of ours. Looks at the kernel's
    /// table and puts right what differs, in this turn and in those that follow.
    pub(in crate::engine) fn reconcile(
        &mut self,
        now: Instant,
        desired: &[(Service, Vec<Destination>)],
        system: &mut dyn System,
    ) {
        let _ = (now, desired, system);
    }

    /// From now on one service should be like this. Asks for what is different from before, without a look.
    pub(in crate::engine) fn change(
        &mut self,
        now: Instant,
        service: &Service,
        servers: &[Destination],
        system: &mut dyn System,
    ) {
        let _ = (now, service, servers, system);
    }

    /// Does what is due.
    pub(in crate::engine) fn expire(&mut self, now: Instant, system: &mut dyn System) {
        let _ = (now, system);
    }

    /// When [`Kernel::expire`] has something to do.
    pub(in crate::engine) fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// The daemon ends: removes what is ours, and puts back what was before.
    pub(in crate::engine) fn withdraw(&mut self, how: FlushOnStop, system: &mut dyn System) {
        let _ = (how, system);
    }

    /// What our services and their servers have done so far, for dumps.
    pub(in crate::engine) fn read(&mut self, system: &mut dyn System) -> Vec<Reading> {
        let _ = system;
        Vec::new()
    }
}
