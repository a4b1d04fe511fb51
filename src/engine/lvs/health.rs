//! Start, suspension, replacement and end of health checks.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::lvs::{self, VirtualServer};
use crate::engine::cx::Cx;
use crate::engine::lvs::checks::{CheckRun, Checks, Method, Phase, Progress, lookup};
use crate::engine::lvs::{CheckPath, Lvs, messages};
use crate::engine::notify::children::{Children, GRACE, Owner};
use crate::engine::shared::Shared;
use crate::lvs::reload_match::ServiceMatch;
use crate::types::ipvs::ServiceKey;
use crate::types::{Instant, sorted};

/// Deadlines handled per iteration of the event loop.
const MAX_PER_ITERATION: u32 = 16;
/// Real servers compared with the kernel's table per iteration: a change of one compares all of its
/// virtual server.
const MAX_COMPARED: usize = 1000;
/// After `ha_suspend` checks resume within this time: spread, but soon, because the service is in
/// use.
const RESUME_WITHIN: Duration = Duration::from_secs(1);

impl Lvs {
    /// Starts the checks. Tracked files have been read.
    pub(super) fn start_checks(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.checks.start(cx.now, &self.conf);
        self.set_check_timer(cx.now, shared);
        self.evaluate_files(cx, shared);
    }

    /// Ends all checks.
    pub(super) fn stop_checks(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for index in self.checks.running() {
            shared.children.end(cx, Owner::Check(index), GRACE);
        }
        self.checks.stop(cx);
        self.set_check_timer(cx.now, shared);
    }

    /// After a reload: checks that were there before keep their state.
    pub(super) fn replace_checks(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        matches: &[ServiceMatch],
    ) {
        self.checks
            .replace(cx, &self.conf, matches, &mut shared.children);
        // New checks of a suspended virtual server are suspended too.
        for service in 0..self.suspended.len() {
            self.apply_suspension(cx, shared, service);
        }
        self.set_check_timer(cx.now, shared);
        shared.set_children_timer();
        self.evaluate_files(cx, shared);
    }

    /// Does what is due, up to a limit per iteration of the event loop.
    pub(super) fn run_checks(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let mut compared = 0_usize;
        for _ in 0..MAX_PER_ITERATION {
            match self.checks.expire(cx, &self.conf, &mut shared.children) {
                Progress::Nothing | Progress::Enough => break,
                Progress::Some => {}
                Progress::Changed(change) => {
                    let service = self.conf.virtual_servers.get(change.path.virtual_server);
                    let servers = service.map_or(0, |one| one.real_servers.len());
                    compared = compared.saturating_add(servers);
                    self.apply_check(cx, shared, change);
                }
            }
            if compared >= MAX_COMPARED {
                break;
            }
        }
        shared.set_children_timer();
        self.set_check_timer(cx.now, shared);
    }

    /// Evaluates every `FILE_CHECK`.
    pub(super) fn evaluate_files(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for check in 0..self.checks.len() {
            let number = |file| shared.tracking.file_number(file);
            let change = self.checks.evaluate_file(cx, check, &self.conf, &number);
            if let Some(change) = change {
                self.apply_check(cx, shared, change);
            }
        }
    }

    // ---- ha_suspend ----

    /// Whether this is an address of a virtual server with `ha_suspend`.
    pub(super) fn suspends_with(&self, addr: IpAddr) -> bool {
        let servers = self.conf.virtual_servers.iter();
        let mut servers = servers.filter(|one| one.ha_suspend);
        servers.any(|one| addresses(one).any(|own| own == addr))
    }

    /// Suspends the checks of a virtual server with `ha_suspend` while none of its addresses is on
    /// this host: the router that has them checks the servers. Their state is kept meanwhile.
    pub(super) fn update_suspension(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let mut servers = self.conf.virtual_servers.iter();
        if !servers.any(|one| one.ha_suspend) && !self.suspended.contains(&true) {
            return;
        }
        let interfaces = shared.interfaces.all();
        let present = interfaces.flat_map(|link| link.addrs.iter().map(|one| one.cidr.addr));
        let present: Vec<IpAddr> = sorted(present.collect());
        let is_local = |addr: IpAddr| present.binary_search(&addr).is_ok();
        for service in 0..self.suspended.len() {
            let (Some(conf), Some(suspended)) = (
                self.conf.virtual_servers.get(service),
                self.suspended.get_mut(service),
            ) else {
                continue;
            };
            let suspend = conf.ha_suspend && !addresses(conf).any(is_local);
            if core::mem::replace(suspended, suspend) == suspend {
                continue;
            }
            let (verb, why) = match suspend {
                true => ("Suspending", ": its address is not on this host"),
                false => ("Activating", ""),
            };
            let text = format_args!("{verb} healthcheckers for VS {}{why}", conf.name);
            messages::note_service(cx, conf, text);
            self.apply_suspension(cx, shared, service);
            self.set_check_timer(cx.now, shared);
            shared.set_children_timer();
        }
    }

    fn apply_suspension(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, service: usize) {
        if self.suspended.get(service) == Some(&true) {
            self.checks.suspend(cx, service, &mut shared.children);
        } else {
            self.checks.resume(cx.now, service, &self.conf);
        }
    }
}

fn addresses(server: &VirtualServer) -> impl Iterator<Item = IpAddr> {
    server.services.iter().filter_map(|key| match key {
        ServiceKey::Address { addr, .. } => Some(*addr),
        ServiceKey::Mark { .. } => None,
    })
}

impl Checks {
    /// The first run of each check is within its `warmup`.
    fn start(&mut self, now: Instant, conf: &lvs::Lvs) {
        self.started = true;
        for index in 0..self.runs.len() {
            self.schedule(index, now, Duration::MAX, conf);
        }
    }

    /// Schedules the first run, within the check's `warmup` and this time.
    fn schedule(&mut self, index: usize, now: Instant, within: Duration, conf: &lvs::Lvs) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        let warmup = lookup(conf, run.path).map_or(Duration::ZERO, |one| one.check.warmup);
        if !matches!(run.method, Method::File) && self.started && !run.suspended {
            run.schedule.start(now, warmup.min(within), index);
        }
        self.rearm(index);
    }

    /// Ends a run without a result.
    fn cancel(&mut self, cx: &mut Cx<'_>, index: usize) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        match run.phase {
            Phase::Idle => {}
            Phase::Queued => {
                self.sockets.remove(index);
                self.children.remove(index);
                run.phase = Phase::Idle;
            }
            Phase::Connected { .. } | Phase::Paused => {
                self.children.remove(index);
                cx.system.lvs().close_check(index);
                self.sockets.release();
                run.phase = Phase::Idle;
            }
            Phase::Running { .. } => run.phase = Phase::Running { overdue: true },
        }
        self.timers.set(index, None);
    }

    fn suspend(&mut self, cx: &mut Cx<'_>, service: usize, children: &mut Children) {
        for index in 0..self.runs.len() {
            let Some(run) = self.runs.get_mut(index) else {
                break;
            };
            if run.path.virtual_server != service || run.suspended {
                continue;
            }
            run.suspended = true;
            if let Phase::Running { .. } = run.phase {
                children.end(cx, Owner::Check(index), GRACE);
            }
            self.cancel(cx, index);
        }
    }

    fn resume(&mut self, now: Instant, service: usize, conf: &lvs::Lvs) {
        for index in 0..self.runs.len() {
            let Some(run) = self.runs.get_mut(index) else {
                break;
            };
            if run.path.virtual_server == service && run.suspended {
                run.suspended = false;
                self.schedule(index, now, RESUME_WITHIN, conf);
            }
        }
    }

    fn stop(&mut self, cx: &mut Cx<'_>) {
        self.started = false;
        for index in 0..self.runs.len() {
            self.cancel(cx, index);
        }
    }

    /// Another configuration. Checks that were there before keep their state and follow the new
    /// intervals and retries; new ones start as at the start of the daemon.
    fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        new: &lvs::Lvs,
        matches: &[ServiceMatch],
        children: &mut Children,
    ) {
        let mut old = core::mem::replace(self, Checks::new(new));
        self.started = old.started;
        let moved = old.new_indexes(&self.runs, matches);
        for (from, to) in moved.iter().enumerate() {
            let Some(was) = old.runs.get(from) else {
                break;
            };
            let running = matches!(was.phase, Phase::Running { .. });
            if !running {
                // The socket is bound to the old index; the check connects again.
                old.cancel(cx, from);
            }
            let pair = (
                old.runs.get_mut(from),
                to.and_then(|to| self.runs.get_mut(to)),
            );
            if let (Some(was), Some(is)) = pair {
                core::mem::swap(&mut is.schedule, &mut was.schedule);
                core::mem::swap(&mut is.log_limit, &mut was.log_limit);
                is.weight = was.weight;
                is.suspended = was.suspended;
                is.phase = match (was.phase, &is.method) {
                    // It may have checked another page.
                    (Phase::Running { .. }, Method::Network(_)) => Phase::Running { overdue: true },
                    (phase, _) => phase,
                };
                if running {
                    self.children.of(was.child_kind).adopt();
                    is.child_kind = was.child_kind;
                }
            }
        }
        let mut kept = vec![false; self.runs.len()];
        for to in moved.iter().copied().flatten() {
            if let Some(kept) = kept.get_mut(to) {
                *kept = true;
            }
        }
        for (index, kept) in kept.into_iter().enumerate() {
            if kept {
                self.rearm(index);
            } else {
                self.schedule(index, cx.now, Duration::MAX, new);
            }
        }
        let mut new_owner = |owner| match owner {
            Owner::Check(from) => moved.get(from).copied().flatten().map(Owner::Check),
            Owner::Script(_) | Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::None => {
                Some(owner)
            }
        };
        children.reassign(cx, &mut new_owner);
    }

    /// The index of each of these checks in `new`.
    fn new_indexes(&self, new: &[CheckRun], matches: &[ServiceMatch]) -> Vec<Option<usize>> {
        let mut moved = vec![None; self.runs.len()];
        for (to, run) in new.iter().enumerate() {
            let Some(from) = previous_path(run.path, matches) else {
                continue;
            };
            let found = self.runs.binary_search_by_key(&from, |run| run.path);
            if let Some(slot) = found.ok().and_then(|from| moved.get_mut(from)) {
                *slot = Some(to);
            }
        }
        moved
    }
}

/// The path of a check in the previous configuration.
fn previous_path(path: CheckPath, matches: &[ServiceMatch]) -> Option<CheckPath> {
    let service = matches.get(path.virtual_server)?;
    let server = service.servers.get(path.real_server)?;
    let check = server.checks.get(path.check)?;
    Some(CheckPath {
        virtual_server: service.service?,
        real_server: server.server?,
        check: (*check)?,
    })
}
