//! Brings the kernel's IPVS table to the desired services and keeps it there.
//!
//! ```text
//! replace, change ─→ desired services ─────┐
//!    every 10 s, retries (TimerKey::Ipvs) ─┴→ list ─→ diff ─→ edits, 64 in one sendmsg ─→ refusals
//! ```
//! `table.rs` has the services, `sync_daemon.rs` connection synchronization, `timeouts.rs` the
//! timeouts, `modprobe.rs` the kernel module. Work is done in slices: a table of ten thousand
//! servers takes many, and adverts are sent in between. Every failure is followed by another
//! comparison with the kernel's table, which is the truth.
//!
//! Services that have been desired since the daemon started are ours; others are never changed.
//! Desired services that a predecessor left are adopted with their connections.
//!
//! Without IPVS in the kernel the rest of the daemon runs as usual.

mod modprobe;
mod sync_daemon;
mod table;
mod timeouts;

use core::fmt::Arguments;
use core::time::Duration;
use std::io;

use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::router::Routers;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::backoff::Backoff;
use crate::engine::lvs::Lvs;
use crate::engine::shared::Shared;
use crate::engine::system::{System, error_text};
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::lvs::desired::DesiredService;
use crate::netlink::ipvs::{self, Message};
use crate::netlink::{Ack, Batch};
use crate::types::ipvs::{Connections, Counters, Destination, ServiceKey};
use crate::types::{Family, Instant};

use modprobe::Module;
use sync_daemon::SyncDaemons;
use table::Table;
use timeouts::TimeoutSettings;

const RETRY_FIRST: u32 = 1_000;
const RETRY_LAST: u32 = 30_000;
/// Interval of comparisons with the kernel's table, for each thousand servers.
const RESYNC_INTERVAL: Duration = Duration::from_secs(10);
/// Pause between slices of work.
const WORK_PAUSE: Duration = Duration::from_millis(1);

/// Reconciles the kernel's IPVS table with the desired services.
#[derive(Debug)]
pub(crate) struct Reconciler {
    table: Table,
    sync: SyncDaemons,
    timeouts: TimeoutSettings,
    /// The whole table is to be cleared first (`lvs_flush`).
    flush: bool,
    module: Module,
    /// The error that was logged last, until it is over.
    last_error: Option<String>,
    /// The last attempt reached IPVS.
    reachable: bool,
    /// The differences of the current round come from our changes, not from another program's.
    own_change: bool,
    /// Success of the current round is logged.
    report: bool,
    /// Successive comparisons that found differences.
    repairs: u32,
    continue_at: Option<Instant>,
    resync_at: Option<Instant>,
    backoff: Backoff,
    batch: Batch,
}

impl Default for Reconciler {
    fn default() -> Self {
        Reconciler {
            table: Table::default(),
            sync: SyncDaemons::default(),
            timeouts: TimeoutSettings::default(),
            flush: false,
            module: Module::default(),
            last_error: None,
            reachable: false,
            own_change: false,
            report: false,
            repairs: 0,
            continue_at: None,
            resync_at: None,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LAST),
            batch: Batch::new(1),
        }
    }
}

/// The kernel's counters of a service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServiceStats {
    pub(crate) key: ServiceKey,
    pub(crate) counters: Counters,
    pub(crate) servers: Vec<(Destination, Connections, Counters)>,
}

/// IPVS requests over generic netlink.
struct IpvsConn<'a> {
    family: u16,
    batch: &'a mut Batch,
    system: &'a mut dyn System,
}

impl IpvsConn<'_> {
    /// An empty batch for the next requests.
    fn batch(&mut self) -> &mut Batch {
        self.batch.clear();
        self.batch
    }

    /// Sends the batch, one dump request, and calls `each` for every entry. `family`: the address
    /// family of the service.
    fn list(&mut self, family: Family, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        self.system.lvs().dump_ipvs(
            self.batch,
            &mut |payload| match ipvs::parse(payload, family) {
                Ok(message) => each(&message),
                Err(error) => log::debug!(target: "lvs", "unreadable IPVS message: {error}"),
            },
        )
    }

    /// Sends the batch.
    fn request(&mut self, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.system.lvs().request_ipvs(self.batch, refused)
    }
}

// ---- calls of the rest of engine/lvs ----

impl Lvs {
    /// The daemon starts.
    pub(super) fn start_ipvs(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, routers: &Routers) {
        // A router that resumes as master has connections to keep.
        let resuming = routers.iter().any(|router| router.resume.resuming);
        self.ipvs.flush = self.conf.flush && !resuming;
        self.replace_ipvs(cx, shared, routers);
    }

    /// Reconciles everything with the current configuration and states.
    pub(super) fn replace_ipvs(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, routers: &Routers) {
        self.ipvs.timeouts.set(self.conf.timeouts);
        self.set_sync_roles(routers);
        let desired = self.servers.desired(&self.conf);
        self.ipvs.replace(cx, &desired);
        self.set_ipvs_timer(cx, shared);
    }

    /// One service has changed.
    pub(super) fn change_service(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        service: &DesiredService,
    ) {
        self.ipvs.change(cx, service);
        self.set_ipvs_timer(cx, shared);
    }

    /// Does what is due.
    pub(super) fn run_ipvs(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.ipvs.expire(cx);
        self.set_ipvs_timer(cx, shared);
    }

    /// The daemon stops.
    pub(super) fn stop_ipvs(&mut self, cx: &mut Cx<'_>) {
        let scope = match self.conf.flush_on_stop {
            true => Scope::Everything,
            false => Scope::Ours,
        };
        self.ipvs.withdraw(cx, scope);
    }

    pub(super) fn set_ipvs_timer(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if self.ipvs.module.start_loading() {
            modprobe::run(cx, shared);
        }
        shared.set_timer(TimerKey::Ipvs, self.ipvs.next_deadline());
    }
}

/// The part of the kernel's table that is removed at shutdown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    /// Our services.
    Ours,
    /// The whole table (`lvs_flush_on_stop`).
    Everything,
}

// ---- desired state ----

impl Reconciler {
    /// Replaces the desired services. Compares them with the kernel's table and repairs
    /// differences, in this slice and in those that follow.
    fn replace(&mut self, cx: &mut Cx<'_>, desired: &[DesiredService]) {
        self.table.replace(desired);
        self.sync.recheck();
        (self.own_change, self.report) = (true, true);
        self.backoff.reset();
        self.resync_at = None;
        self.work(cx);
    }

    /// Replaces one desired service. Requests the difference to its previous state, without listing
    /// the table.
    fn change(&mut self, cx: &mut Cx<'_>, service: &DesiredService) {
        self.table.change(service);
        self.own_change = true;
        if self.is_reachable() {
            self.work(cx);
        }
    }

    // ---- time ----

    /// Does what is due.
    fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.continue_at.is_some() {
            // The current round is completed first.
            if !cx.is_due(self.continue_at) {
                return;
            }
        } else if cx.is_due(self.backoff.retry_at()) {
            self.backoff.cancel();
            self.own_change = true;
            self.table.recheck();
            self.sync.recheck();
            self.timeouts.retry();
        } else if cx.is_due(self.resync_at) {
            self.resync_at = None;
            self.own_change = false;
            self.table.recheck();
            self.sync.recheck();
        } else {
            return;
        }
        self.work(cx);
    }

    /// When [`Reconciler::expire`] has something to do.
    fn next_deadline(&self) -> Option<Instant> {
        [self.continue_at, self.backoff.retry_at(), self.resync_at]
            .into_iter()
            .flatten()
            .min()
    }

    // ---- work ----

    /// Works for one slice of time.
    fn work(&mut self, cx: &mut Cx<'_>) {
        self.continue_at = None;
        if !self.is_busy() {
            return self.schedule_resync(cx.now);
        }
        let was_reachable = self.reachable;
        let mut outcome = self.attempt(cx);
        let not_found = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if was_reachable && outcome.as_ref().is_err_and(not_found) {
            // The module may have been reloaded, which changes the number of its netlink family.
            self.table.abort();
            outcome = self.attempt(cx);
        }
        match outcome {
            Err(error) => self.fail(cx, &error),
            Ok(()) if self.table.is_busy() => self.continue_at = Some(cx.now.after(WORK_PAUSE)),
            Ok(()) => self.finish_round(cx),
        }
    }

    fn is_busy(&self) -> bool {
        let table = self.table.is_busy() && !self.table.is_empty();
        self.flush || table || self.sync.is_busy() || self.timeouts.is_busy()
    }

    /// Whether the last requests failed, and are to be tried again.
    pub(crate) fn is_refused(&self) -> bool {
        self.backoff.retry_at().is_some()
    }

    /// Whether a change may be sent at once instead of with the next retry.
    fn is_reachable(&self) -> bool {
        self.reachable || self.backoff.retry_at().is_none()
    }

    fn attempt(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        self.reachable = false;
        let family = cx.system.lvs().ipvs_family()?;
        self.module = Module::default();
        let batch = &mut self.batch;
        let mut conn = IpvsConn {
            family,
            batch,
            system: cx.system,
        };
        if self.flush {
            ipvs::flush(conn.batch(), family);
            conn.request(&mut |ack| {
                log::error!(target: "lvs", "IPVS table not flushed: {}", reason(ack));
            })?;
            self.flush = false;
        }
        self.timeouts.work(&mut conn)?;
        self.sync.work(&self.table, &mut conn)?;
        self.table.work(&mut conn)?;
        self.reachable = true;
        Ok(())
    }

    /// Sets the time of the next comparison.
    fn schedule_resync(&mut self, now: Instant) {
        let (services, servers) = self.table.count();
        let thousands = u32::try_from(servers / 1000).unwrap_or(u32::MAX);
        let interval = RESYNC_INTERVAL.saturating_mul(thousands.saturating_add(1));
        let kept = services > 0 || self.sync.is_wanted();
        let next = self.resync_at.unwrap_or(now.after(interval));
        self.resync_at = kept.then_some(next);
    }

    /// A round is complete: logs what it found, and sets the time of the next.
    fn finish_round(&mut self, cx: &Cx<'_>) {
        let (edits, first) = self.table.finish_round();
        let own_change = core::mem::take(&mut self.own_change);
        self.schedule_resync(cx.now);
        if !own_change {
            self.repairs = first.map_or(0, |first| self.report_repair(cx, edits, &first));
        }
        let (mut refused, mut first) = (self.table.refused, self.table.first_refused.as_ref());
        for other in [&self.timeouts.refused, &self.sync.refused] {
            refused = refused.saturating_add(usize::from(other.is_some()));
            first = first.or(other.as_ref());
        }
        match first {
            Some(first) if refused > 1 => {
                let more = refused.saturating_sub(1);
                self.fail_round(cx, format!("IPVS: {first}; and {more} more refused"));
            }
            Some(first) => self.fail_round(cx, format!("IPVS: {first}")),
            None => self.succeed(cx),
        }
    }

    // ---- results ----

    fn succeed(&mut self, cx: &Cx<'_>) {
        self.backoff.reset();
        let report = core::mem::take(&mut self.report);
        let (services, servers) = self.table.count();
        if (self.last_error.take().is_some() || report) && services > 0 {
            let text = format_args!(
                "IPVS table complete: {services} virtual services, {servers} real servers"
            );
            note(cx, Level::Info, text);
        }
    }

    /// A round failed. Reports a new error, and retries with increasing delay.
    fn fail_round(&mut self, cx: &Cx<'_>, error: String) {
        self.report = false;
        // The retry compares the tables too. There is no comparison before it, because each request
        // for a scheduler that is missing may make the kernel wait for modprobe.
        self.resync_at = None;
        if self.last_error.as_ref() != Some(&error) {
            note(cx, Level::Error, format_args!("{error}"));
            self.last_error = Some(error);
        }
        self.backoff.fail(cx.now);
    }

    /// A comparison repaired changes by others. Reported for the first, second, fourth … time in a
    /// row.
    fn report_repair(&self, cx: &Cx<'_>, edits: usize, first: &str) -> u32 {
        let times = self.repairs.saturating_add(1);
        if times.is_power_of_two() {
            let recurring = if times > 1 { " (recurring)" } else { "" };
            let text = format_args!(
                "IPVS table changed externally; repaired{recurring}: {first}, {edits} changes in all"
            );
            note(cx, Level::Warn, text);
        }
        times
    }

    /// IPVS cannot be reached.
    fn fail(&mut self, cx: &Cx<'_>, error: &io::Error) {
        self.table.abort();
        let kind = error.kind();
        if kind == io::ErrorKind::NotFound
            && let Some(wait) = self.module.wait_for_loading()
        {
            self.backoff.schedule(cx.now.after(wait));
            return;
        }
        let text = if kind == io::ErrorKind::NotFound {
            "IPVS: not available in this kernel; virtual servers are not set up, VRRP continues \
             (install the module ip_vs; OpenWrt: kmod-nf-ipvs)"
                .into()
        } else if kind == io::ErrorKind::PermissionDenied {
            format!(
                "IPVS: {}: virtual servers are not set up, VRRP continues \
                 (IPVS requires CAP_NET_ADMIN in the initial user namespace)",
                error_text(error)
            )
        } else {
            format!("IPVS: request failed: {}", error_text(error))
        };
        self.fail_round(cx, text);
    }

    // ---- end and statistics ----

    /// The daemon stops: removes services, and restores the timeouts.
    fn withdraw(&mut self, cx: &mut Cx<'_>, scope: Scope) {
        (self.continue_at, self.resync_at) = (None, None);
        self.backoff.cancel();
        let nothing = self.table.is_empty() && !self.sync.is_wanted() && !self.timeouts.is_wanted();
        if nothing && scope == Scope::Ours {
            return;
        }
        if let Err(error) = self.clear(cx, scope) {
            let error = error_text(&error);
            note(
                cx,
                Level::Warn,
                format_args!("IPVS table not cleaned up: {error}"),
            );
        }
    }

    fn clear(&mut self, cx: &mut Cx<'_>, scope: Scope) -> io::Result<()> {
        let Ok(family) = cx.system.lvs().ipvs_family() else {
            // Without IPVS there is nothing to remove; that was logged.
            return Ok(());
        };
        let batch = &mut self.batch;
        let mut conn = IpvsConn {
            family,
            batch,
            system: cx.system,
        };
        self.sync.withdraw(&mut conn)?;
        if scope == Scope::Everything {
            ipvs::flush(conn.batch(), family);
            conn.request(&mut |ack| {
                log::warn!(target: "lvs", "IPVS table not flushed: {}", reason(ack));
            })?;
        } else {
            self.table.withdraw(&mut conn)?;
        }
        self.timeouts.withdraw(&mut conn)
    }

    /// The counters of our services and their servers, for dumps.
    pub(super) fn read_stats(&self, system: &mut dyn System) -> Vec<ServiceStats> {
        let mut stats = Vec::new();
        let Some(family) = self
            .reachable
            .then(|| system.lvs().ipvs_family().ok())
            .flatten()
        else {
            return stats;
        };
        let batch = &mut Batch::new(1);
        let mut conn = IpvsConn {
            family,
            batch,
            system,
        };
        let table = &self.table;
        ipvs::list_services(conn.batch(), family);
        let _ = conn.list(Family::V4, &mut |message| {
            if let Message::Service(service) = message
                && table.has(&service.key)
            {
                stats.push(ServiceStats {
                    key: service.key,
                    counters: service.counters(),
                    servers: Vec::new(),
                });
            }
        });
        for service in &mut stats {
            ipvs::list_servers(conn.batch(), family, &service.key);
            let _ = conn.list(service.key.family(), &mut |message| {
                if let Message::Server(one) = message {
                    let counters = one.counters();
                    service
                        .servers
                        .push((one.server, one.connections, counters));
                }
            });
        }
        stats
    }
}

/// Reports what happens to the kernel's table.
fn note(cx: &Cx<'_>, level: Level, text: Arguments<'_>) {
    cx.note(level, EventKind::Ipvs, Object::DAEMON, text);
}
