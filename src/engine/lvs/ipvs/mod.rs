//! The kernel's table of services, brought and kept in step with what is desired.
//!
//! ```text
//! reconcile, change ─→ what there should be ─┐
//!         every 10 s, retries (TimerKey::Ipvs) ──┴→ look ─→ diff ─→ edits, 64 in one sendmsg ─→ refusals
//! ```
//! `calls.rs` is what others see of it, `table.rs` has the services, `sync.rs` connection synchronization, `timeouts.rs`
//! the timeouts. Work is done in turns: a table of ten thousand servers takes many, and between them adverts are sent.
//! Whatever goes wrong ends in another look, later: the kernel is the truth.
//!
//! Ours are the services that were desired once since we began; those of others are never touched. What a predecessor
//! has left and is desired is taken over as it is, with its connections.
//!
//! Without IPVS in the kernel the rest of the daemon runs as ever. Its module is loaded by the kernel itself when
//! somebody asks for the family, or (before Linux 5.16) by modprobe, which we start and do not wait for.

mod calls;
mod sync;
mod table;
mod timeouts;

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::engine::kernel::addresses::reason;
use crate::engine::system::System;
use crate::netlink::ipvs::{self, Message};
use crate::netlink::{Ack, Batch};
use crate::types::ipvs::{Connections, Counters, Destination, Service, ServiceKey};
use crate::types::{Family, Instant};

use sync::Sync;
use table::Table;
use timeouts::Limits;

const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// From look to look, for each thousand servers.
const LOOK: Duration = Duration::from_secs(10);
/// Between turns of one round of work.
const BREATH: Duration = Duration::from_millis(1);
/// From the start of modprobe to the first look whether it helped, doubled until it is given up.
const LOADING: Duration = Duration::from_millis(100);
const LOADING_LOOKS: u32 = 4;

/// What has been done for the module's sake.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Module {
    #[default]
    Unasked,
    /// Somebody has to start modprobe.
    Wanted,
    /// It was started, and we have looked that often.
    Loading(u32),
    /// It did not help.
    Missing,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Kernel {
    table: Table,
    sync: Sync,
    limits: Limits,
    /// The whole table is to be cleared.
    flush: bool,
    module: Module,
    /// What is wrong, as last said.
    said: Option<String>,
    /// The last attempt reached IPVS.
    up: bool,
    /// What the round under way finds to do is known to us: it is not a look to see what others have done.
    asked: bool,
    /// How it ends is to be said.
    report: bool,
    /// Looks in a row that found something to put right.
    repairs: u32,
    more_at: Option<Instant>,
    look_at: Option<Instant>,
    retry_at: Option<Instant>,
    retry_after: Duration,
    batch: Batch,
}

impl Default for Kernel {
    fn default() -> Self {
        Kernel {
            table: Table::default(),
            sync: Sync::default(),
            limits: Limits::default(),
            flush: false,
            module: Module::Unasked,
            said: None,
            up: false,
            asked: false,
            report: false,
            repairs: 0,
            more_at: None,
            look_at: None,
            retry_at: None,
            retry_after: RETRY_FIRST,
            batch: Batch::new(1),
        }
    }
}

/// What a service has done so far.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reading {
    pub(crate) key: ServiceKey,
    pub(crate) counters: Counters,
    pub(crate) servers: Vec<(Destination, Connections, Counters)>,
}

/// The way to IPVS.
struct Line<'a> {
    family: u16,
    batch: &'a mut Batch,
    system: &'a mut dyn System,
}

impl Line<'_> {
    /// An empty batch, for what is to be sent next.
    fn batch(&mut self) -> &mut Batch {
        self.batch.clear();
        self.batch
    }

    /// Sends the batch, one request, and calls `each` for all that is listed. `family`: that of the service.
    fn list(&mut self, family: Family, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        self.system.lvs().dump_ipvs(
            self.batch,
            &mut |payload| match ipvs::parse(payload, family) {
                Ok(message) => each(&message),
                Err(bad) => log::debug!(target: "lvs", "IPVS lists something odd: {bad}"),
            },
        )
    }

    /// Sends the batch.
    fn request(&mut self, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.system.lvs().request_ipvs(self.batch, refused)
    }
}

// ---- what there should be ----

impl Kernel {
    /// From now on there should be these services with these servers and none else of ours. Looks at the kernel's
    /// table and puts right what differs, in this turn and in those that follow.
    fn reconcile(&mut self, cx: &mut Cx<'_>, desired: &[(Service, Vec<Destination>)]) {
        self.table.replace(desired);
        self.sync.suspect();
        (self.asked, self.report) = (true, true);
        (self.retry_at, self.retry_after) = (None, RETRY_FIRST);
        self.look_at = None;
        self.turn(cx);
    }

    /// From now on one service should be like this. Asks for what is different from before, without a look.
    fn change(&mut self, cx: &mut Cx<'_>, service: &Service, servers: &[Destination]) {
        self.table.change(service, servers);
        self.asked = true;
        if self.is_reachable() {
            self.turn(cx);
        }
    }

    // ---- time ----

    /// Does what is due.
    fn expire(&mut self, cx: &mut Cx<'_>) {
        if self.more_at.is_some() {
            // What is under way is brought to its end first.
            if !cx.is_due(self.more_at) {
                return;
            }
        } else if cx.is_due(self.retry_at) {
            self.retry_at = None;
            self.asked = true;
            self.table.suspect();
            self.sync.suspect();
            self.limits.retry();
        } else if cx.is_due(self.look_at) {
            self.look_at = None;
            self.asked = false;
            self.table.suspect();
            self.sync.suspect();
        } else {
            return;
        }
        self.turn(cx);
    }

    /// When [`Kernel::expire`] has something to do.
    fn next_deadline(&self) -> Option<Instant> {
        [self.more_at, self.retry_at, self.look_at]
            .into_iter()
            .flatten()
            .min()
    }

    // ---- work ----

    /// Works for a while on all that is to be done.
    fn turn(&mut self, cx: &mut Cx<'_>) {
        self.more_at = None;
        if !self.is_busy() {
            return self.plan(cx.now);
        }
        let was_up = self.up;
        let mut outcome = self.attempt(cx);
        let not_found = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if was_up && outcome.as_ref().is_err_and(not_found) {
            // The module may have been taken out and loaded again, with another number.
            self.table.give_up();
            outcome = self.attempt(cx);
        }
        match outcome {
            Err(error) => self.fail(cx.now, &error),
            Ok(()) if self.table.is_busy() => self.more_at = Some(cx.now.after(BREATH)),
            Ok(()) => self.conclude(cx.now),
        }
    }

    fn is_busy(&self) -> bool {
        let table = self.table.is_busy() && !self.table.is_empty();
        self.flush || table || self.sync.is_busy() || self.limits.is_busy()
    }

    /// Whether there is no reason to wait for the next attempt.
    fn is_reachable(&self) -> bool {
        self.up || self.retry_at.is_none()
    }

    fn attempt(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        self.up = false;
        let family = cx.system.lvs().ipvs_family()?;
        self.module = Module::Unasked;
        let batch = &mut self.batch;
        let mut line = Line {
            family,
            batch,
            system: cx.system,
        };
        if self.flush {
            ipvs::flush(line.batch(), family);
            line.request(&mut |ack| {
                log::error!(target: "lvs", "IPVS: not cleared: {}", reason(ack));
            })?;
            self.flush = false;
        }
        self.limits.work(&mut line)?;
        self.sync.work(&self.table, &mut line)?;
        self.table.work(&mut line)?;
        self.up = true;
        Ok(())
    }

    /// Sets the time of the next look.
    fn plan(&mut self, now: Instant) {
        let (services, servers) = self.table.count();
        let thousands = u32::try_from(servers / 1000).unwrap_or(u32::MAX);
        let interval = LOOK.saturating_mul(thousands.saturating_add(1));
        let kept = services > 0 || self.sync.is_wanted();
        let next = self.look_at.unwrap_or(now.after(interval));
        self.look_at = kept.then_some(next);
    }

    /// All that was to be done has been tried.
    fn conclude(&mut self, now: Instant) {
        let (edits, first) = self.table.conclude();
        let asked = core::mem::take(&mut self.asked);
        self.plan(now);
        if !asked {
            self.repairs = first.map_or(0, |first| self.found(edits, &first));
        }
        let (mut refused, mut first) = (self.table.refused, self.table.first_refused.as_ref());
        for other in [&self.limits.refused, &self.sync.refused] {
            refused = refused.saturating_add(usize::from(other.is_some()));
            first = first.or(other.as_ref());
        }
        match first {
            Some(first) if refused > 1 => {
                let more = refused.saturating_sub(1);
                self.trouble(now, format!("IPVS: {first}; and {more} more refused"));
            }
            Some(first) => self.trouble(now, format!("IPVS: {first}")),
            None => self.success(),
        }
    }

    // ---- what is said ----

    fn success(&mut self) {
        (self.retry_at, self.retry_after) = (None, RETRY_FIRST);
        let report = core::mem::take(&mut self.report);
        let (services, servers) = self.table.count();
        if (self.said.take().is_some() || report) && services > 0 {
            log::info!(
                target: "lvs",
                "IPVS has all virtual services ({services}) with their real servers ({servers})"
            );
        }
    }

    /// Something is not as it should be. Said when it is news, and tried again more and more rarely.
    fn trouble(&mut self, now: Instant, words: String) {
        self.report = false;
        // The next attempt is a look too. In between none is made: the kernel may wait for modprobe each time it is asked for
        // a scheduler it has not got.
        self.look_at = None;
        if self.said.as_ref() != Some(&words) {
            log::error!(target: "lvs", "{words}");
            self.said = Some(words);
        }
        // An attempt in between, for another reason, is not one of those that become rarer.
        if self.retry_at.is_none() {
            self.retry_at = Some(now.after(self.retry_after));
            self.retry_after = self.retry_after.saturating_mul(2).min(RETRY_LAST);
        }
    }

    /// A look has put right what others have done; said the first time, the second, the fourth and so on.
    fn found(&self, edits: usize, first: &str) -> u32 {
        let times = self.repairs.saturating_add(1);
        if times.is_power_of_two() {
            log::warn!(
                target: "lvs",
                "IPVS was changed by somebody else, put right: {first}, {edits} in all{}",
                if times > 1 { "; it happens again and again" } else { "" }
            );
        }
        times
    }

    /// IPVS cannot be reached.
    fn fail(&mut self, now: Instant, error: &io::Error) {
        self.table.give_up();
        if error.kind() == io::ErrorKind::NotFound {
            let (module, wait) = match self.module {
                Module::Unasked | Module::Wanted => (Module::Wanted, Some(LOADING)),
                Module::Loading(looks) if looks < LOADING_LOOKS => {
                    let looks = looks.saturating_add(1);
                    let wait = LOADING.saturating_mul(1_u32.wrapping_shl(looks));
                    (Module::Loading(looks), Some(wait))
                }
                Module::Loading(_) | Module::Missing => (Module::Missing, None),
            };
            self.module = module;
            if let Some(wait) = wait {
                self.retry_at = Some(now.after(wait));
                return;
            }
        }
        let kind = error.kind();
        let words = if kind == io::ErrorKind::NotFound {
            "IPVS: this kernel has none: virtual servers are not set up, VRRP goes on \
             (it needs the module ip_vs; OpenWrt: kmod-nf-ipvs)"
                .into()
        } else if kind == io::ErrorKind::PermissionDenied {
            format!(
                "IPVS: {error}: virtual servers are not set up, VRRP goes on \
                 (it wants CAP_NET_ADMIN on the machine itself; that of a container is not enough)"
            )
        } else {
            format!("IPVS: the kernel does not answer: {error}")
        };
        self.trouble(now, words);
    }

    // ---- the end, and what there is ----

    /// The daemon ends: removes what is ours, and puts back what was before.
    fn withdraw(&mut self, cx: &mut Cx<'_>, all: bool) {
        (self.more_at, self.look_at, self.retry_at) = (None, None, None);
        let nothing = self.table.is_empty() && !self.sync.is_wanted() && !self.limits.is_wanted();
        if nothing && !all {
            return;
        }
        if let Err(error) = self.clear(cx, all) {
            log::warn!(target: "lvs", "IPVS: not cleared: {error}");
        }
    }

    fn clear(&mut self, cx: &mut Cx<'_>, all: bool) -> io::Result<()> {
        let Ok(family) = cx.system.lvs().ipvs_family() else {
            // Nothing of ours is there, and that has been said.
            return Ok(());
        };
        let batch = &mut self.batch;
        let mut line = Line {
            family,
            batch,
            system: cx.system,
        };
        self.sync.withdraw(&mut line)?;
        if all {
            ipvs::flush(line.batch(), family);
            line.request(&mut |ack| {
                log::warn!(target: "lvs", "IPVS: not cleared: {}", reason(ack));
            })?;
        } else {
            self.table.withdraw(&mut line)?;
        }
        self.limits.withdraw(&mut line)
    }

    /// What our services and their servers have done so far, for dumps.
    pub(crate) fn read(&self, system: &mut dyn System) -> Vec<Reading> {
        let mut readings = Vec::new();
        let Some(family) = self.up.then(|| system.lvs().ipvs_family().ok()).flatten() else {
            return readings;
        };
        let batch = &mut Batch::new(1);
        let mut line = Line {
            family,
            batch,
            system,
        };
        let table = &self.table;
        ipvs::list_services(line.batch(), family);
        let _ = line.list(Family::V4, &mut |message| {
            if let Message::Service(service) = message
                && table.has(&service.key)
            {
                readings.push(Reading {
                    key: service.key,
                    counters: service.counters(),
                    servers: Vec::new(),
                });
            }
        });
        for reading in &mut readings {
            ipvs::list_servers(line.batch(), family, &reading.key);
            let _ = line.list(reading.key.family(), &mut |message| {
                if let Message::Server(one) = message {
                    let counters = one.counters();
                    reading
                        .servers
                        .push((one.server, one.connections, counters));
                }
            });
        }
        readings
    }
}
