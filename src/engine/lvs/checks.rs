//! Runs health checks and turns their results into the state of servers.
//!
//! ```text
//! due ─→ below the limit? ─┬─ yes ─→ Connected: socket, machine ─┬─→ result ─→ schedule ─→ (changed?) CheckChange
//!                          │         Running: a program ─────────┘                └─→ due
//!                          └─ no: Queued
//! ```
//! The checks of all servers are in one list; the index there identifies a check everywhere: its
//! deadline, its socket, its child process. The number of concurrent runs is limited, few start per
//! iteration of the event loop, and none exceeds its time limit, whatever the peer does. Passing
//! checks allocate nothing.
//!
//! An error that says nothing about the server (no file descriptor, `bindto` an address that is not
//! local) is not a result: the check runs again at the next interval and its state is kept.

use core::time::Duration;
use std::io;

use crate::check::schedule::Schedule;
use crate::check::{NetworkCheck, NetworkCheckBuilder, SocketEvent, Step};
use crate::config::model::lvs::{self, Check, CheckKind};
use crate::engine::cx::Cx;
use crate::engine::log_limit::LogLimit;
use crate::engine::lvs::concurrency::{ChildKind, ChildLimits, ConcurrencyLimit};
use crate::engine::lvs::messages::{self, CheckConf};
use crate::engine::lvs::{CheckChange, CheckPath};
use crate::engine::notify::children::{Children, Owner};
use crate::engine::system::lvs::with_errno;
use crate::engine::timers::Timers;
use crate::lvs::state::CheckState;
use crate::types::Instant;
use crate::types::errno::TOO_MANY_FILES;

/// Concurrent sockets, if the process may have so many descriptors. A server that does not answer
/// occupies one for `connect_timeout`, so a lower limit would multiply the time to notice that
/// thousands of servers are down.
const MAX_SOCKETS: usize = 4096;
/// Limit of a whole connection, and of the child process that continues it, in multiples of
/// `connect_timeout`: a peer that sends a byte now and then cannot keep a check running, although
/// every step is in time.
const MAX_STEPS: u32 = 4;
/// How long a time limit is extended for an answer that waits to be read.
const UNREAD: Duration = Duration::from_millis(1);
/// The reason of a check that exceeded this limit.
pub(crate) const OVERDUE: &str = "connection exceeded its time limit";

/// How a check gets its result.
#[derive(Debug)]
pub(crate) enum Method {
    /// Over the network.
    Network(NetworkCheck),
    /// `MISC_CHECK`.
    Program,
    /// `FILE_CHECK`: evaluated when the number in the file changes.
    File,
}

/// State of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Not running. The deadline is that of the schedule, if the check has started.
    Idle,
    /// Due, but the concurrency limit is reached.
    Queued,
    /// Has a socket. The deadline is that of the step.
    Connected {
        /// Deadline of the whole connection.
        until: Instant,
    },
    /// Connected; waits to continue in a child process. At the deadline the check gives up without
    /// a result, because the server may close a silent connection.
    Paused,
    /// Has a child process.
    Running {
        /// The child exceeded its time limit; its result is ignored.
        overdue: bool,
    },
}

/// One check at run time.
#[derive(Debug)]
pub(crate) struct CheckRun {
    pub(crate) path: CheckPath,
    pub(crate) method: Method,
    pub(crate) schedule: Schedule,
    pub(crate) phase: Phase,
    /// The limit that its child process counts for.
    pub(crate) child_kind: ChildKind,
    /// `ha_suspend`.
    pub(crate) suspended: bool,
    /// Added to the server's weight.
    pub(crate) weight: i64,
    pub(crate) log_limit: LogLimit,
}

/// All checks of all real servers.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) runs: Vec<CheckRun>,
    pub(crate) timers: Timers,
    pub(crate) sockets: ConcurrencyLimit,
    pub(crate) children: ChildLimits,
    /// Bytes a machine wants to send.
    out: Vec<u8>,
    pub(crate) started: bool,
    /// When a check over the network has started last.
    latest: Instant,
}

/// Result of [`Checks::expire`].
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing is due.
    Nothing,
    /// Something; more may be due.
    Some,
    /// Something expensive: no more in this iteration.
    Enough,
    /// A check has changed.
    Changed(CheckChange),
}

impl From<Option<CheckChange>> for Progress {
    fn from(change: Option<CheckChange>) -> Self {
        change.map_or(Progress::Some, Progress::Changed)
    }
}

/// The configuration of a check and its servers.
pub(crate) fn lookup(conf: &lvs::Lvs, path: CheckPath) -> Option<CheckConf<'_>> {
    let virtual_server = conf.virtual_servers.get(path.virtual_server)?;
    let real_server = virtual_server.real_servers.get(path.real_server)?;
    let check = real_server.checks.get(path.check)?;
    Some(CheckConf {
        virtual_server,
        real_server,
        check,
    })
}

fn paths(conf: &lvs::Lvs) -> impl Iterator<Item = (CheckPath, &Check)> {
    let services = conf.virtual_servers.iter().enumerate();
    let servers = services.flat_map(|(virtual_server, one)| {
        let servers = one.real_servers.iter().enumerate();
        servers.map(move |(real_server, one)| (virtual_server, real_server, one))
    });
    servers.flat_map(|(virtual_server, real_server, one)| {
        let checks = one.checks.iter().enumerate();
        checks.map(move |(check, one)| {
            let path = CheckPath {
                virtual_server,
                real_server,
                check,
            };
            (path, one)
        })
    })
}

impl CheckRun {
    fn new(path: CheckPath, check: &Check, network: Option<NetworkCheck>) -> Self {
        let method = match (&check.kind, network) {
            (_, Some(network)) => Method::Network(network),
            (CheckKind::Misc { .. }, None) => Method::Program,
            (_, None) => Method::File,
        };
        CheckRun {
            path,
            method,
            schedule: Schedule::new(check.alpha),
            phase: Phase::Idle,
            child_kind: ChildKind::Program,
            suspended: false,
            weight: 0,
            log_limit: LogLimit::default(),
        }
    }

    fn state(&self) -> CheckState {
        CheckState {
            up: self.schedule.is_up(),
            weight: self.weight,
        }
    }
}

impl Checks {
    /// The checks of a configuration, not started.
    pub(crate) fn new(conf: &lvs::Lvs) -> Self {
        let mut builder = NetworkCheckBuilder::new(&conf.ssl);
        let mut runs = Vec::new();
        for (path, check) in paths(conf) {
            let network = builder.build(&check.kind);
            runs.push(CheckRun::new(path, check, network));
        }
        let count = runs.len();
        Checks {
            runs,
            timers: Timers::new(count),
            sockets: ConcurrencyLimit::new(MAX_SOCKETS, count),
            children: ChildLimits::new(count),
            out: Vec::new(),
            started: false,
            latest: Instant::ZERO,
        }
    }

    /// When [`Checks::expire`] has something to do.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        // Overdue checks are left to the next iteration of the event loop.
        let soon = now.after(Duration::from_nanos(1));
        if self.sockets.has_next() || self.children.has_next() {
            return Some(soon);
        }
        self.timers.first().map(|(at, _)| at.max(soon))
    }

    // ---- running ----

    /// The check to serve next: one that is due, or one that joins another that has just started,
    /// so that the process wakes up once for several.
    fn first_due(&self, now: Instant, conf: &lvs::Lvs) -> Option<usize> {
        let (at, index) = self.timers.first()?;
        if at <= now {
            return Some(index);
        }
        let run = self.runs.get(index).filter(|_| self.latest == now)?;
        let check = lookup(conf, run.path)?.check;
        let is_network = run.phase == Phase::Idle && matches!(run.method, Method::Network(_));
        (is_network && run.schedule.may_join(check, now)).then_some(index)
    }

    /// Does one thing that is due.
    pub(crate) fn expire(
        &mut self,
        cx: &mut Cx<'_>,
        conf: &lvs::Lvs,
        children: &mut Children,
    ) -> Progress {
        if let Some(index) = self.sockets.next() {
            return self.open(cx, index, conf);
        }
        if let Some(index) = self.children.next() {
            self.start_child(cx, index, conf, children);
            return Progress::Enough;
        }
        let Some(index) = self.first_due(cx.now, conf) else {
            return Progress::Nothing;
        };
        let Some(run) = self.runs.get_mut(index) else {
            return Progress::Nothing;
        };
        match (run.phase, &mut run.method) {
            (Phase::Idle, Method::Network(network)) => {
                network.start();
                run.phase = Phase::Queued;
                self.latest = cx.now;
                self.timers.set(index, None);
                if self.sockets.acquire(index) {
                    return self.open(cx, index, conf);
                }
            }
            (Phase::Idle, Method::Program) => {
                run.phase = Phase::Queued;
                self.timers.set(index, None);
                if self.children.of(ChildKind::Program).acquire(index) {
                    self.spawn(cx, index, conf, children);
                    return Progress::Enough;
                }
            }
            (Phase::Paused, _) => {
                self.children.remove(index);
                self.abandon(cx, index, conf, &io::ErrorKind::ResourceBusy.into());
            }
            (Phase::Connected { .. }, _) if cx.system.lvs().has_event(index) => {
                // An answer may have arrived in time: after a stall, or with many others. Its turn
                // comes soon.
                self.timers.set(index, Some(cx.now.after(UNREAD)));
            }
            (Phase::Connected { until }, _) if until <= cx.now => {
                let result = Err(OVERDUE.into());
                return self.finish(cx, index, conf, result).into();
            }
            (Phase::Connected { .. }, _) => {
                return self
                    .socket_event(cx, index, conf, SocketEvent::TimedOut)
                    .into();
            }
            (Phase::Idle | Phase::Queued | Phase::Running { .. }, _) => {
                self.timers.set(index, None);
            }
        }
        Progress::Some
    }

    /// Opens a socket for a check within the limit.
    fn open(&mut self, cx: &mut Cx<'_>, index: usize, conf: &lvs::Lvs) -> Progress {
        let Some(run) = self.runs.get_mut(index) else {
            return Progress::Some;
        };
        let Method::Network(network) = &run.method else {
            return Progress::Some;
        };
        let (transport, target) = (network.transport(), network.target());
        let timeout = target.connect_timeout;
        let Err(error) = cx.system.lvs().open_check(index, transport, target) else {
            let until = cx.now.after(timeout.saturating_mul(MAX_STEPS));
            run.phase = Phase::Connected { until };
            self.timers.set(index, Some(cx.now.after(timeout)));
            return Progress::Some;
        };
        if is_unreachable(&error) {
            let result = Err(with_errno(String::new(), error.raw_os_error()));
            return self.finish(cx, index, conf, result).into();
        }
        let too_many_files = is_too_many_files(&error);
        if too_many_files && self.sockets.shrink(index) {
            run.phase = Phase::Queued;
            return Progress::Enough;
        }
        if !too_many_files {
            self.sockets.release();
        }
        self.postpone(cx, index, conf, &error);
        Progress::Some
    }

    /// A check cannot run now, for a reason that has nothing to do with the server.
    pub(crate) fn postpone(
        &mut self,
        cx: &Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        error: &io::Error,
    ) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        run.phase = Phase::Idle;
        if let Some(check) = lookup(conf, run.path) {
            messages::report_postponed(cx, &mut run.log_limit, &check, error);
            run.schedule.skip(check.check, cx.now);
        }
        self.rearm(index);
    }

    /// Something happened to a check's socket.
    pub(crate) fn socket_event(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        event: SocketEvent<&[u8]>,
    ) -> Option<CheckChange> {
        let run = self.runs.get_mut(index)?;
        let (Phase::Connected { until }, Method::Network(network)) = (run.phase, &mut run.method)
        else {
            return None;
        };
        if event == SocketEvent::Connected && network.is_costly() {
            // The child is started when the loop has time: one in each iteration.
            let timeout = network.target().connect_timeout;
            run.phase = Phase::Paused;
            run.child_kind = match run.schedule.is_up() || !run.schedule.has_result() {
                true => ChildKind::WithUp,
                false => ChildKind::WithDown,
            };
            self.children.of(run.child_kind).queue(index);
            self.timers.set(index, Some(cx.now.after(timeout)));
            cx.system.lvs().pause_check(index);
            return None;
        }
        let errno = match event {
            SocketEvent::Failed(errno) => Some(errno),
            SocketEvent::Connected
            | SocketEvent::Received(_)
            | SocketEvent::Closed
            | SocketEvent::TimedOut => None,
        };
        self.out.clear();
        match network.handle(event, &mut self.out) {
            Step::Wait(_) if until <= cx.now => self.finish(cx, index, conf, Err(OVERDUE.into())),
            Step::Wait(time) => {
                self.timers.set(index, Some(cx.now.after(time).min(until)));
                if !self.out.is_empty()
                    && let Err(error) = cx.system.lvs().send_check(index, &self.out)
                {
                    let result = Err(with_errno(String::new(), error.raw_os_error()));
                    return self.finish(cx, index, conf, result);
                }
                None
            }
            Step::Reconnect => {
                cx.system.lvs().close_check(index);
                match self.open(cx, index, conf) {
                    Progress::Changed(change) => Some(change),
                    Progress::Nothing | Progress::Some | Progress::Enough => None,
                }
            }
            Step::Done(result) => {
                let result = result.map_err(|why| with_errno(why, errno));
                self.finish(cx, index, conf, result)
            }
        }
    }

    /// Starts the child process of a check within the limit.
    fn start_child(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        children: &mut Children,
    ) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        let (Phase::Paused, Method::Network(network)) = (run.phase, &mut run.method) else {
            return self.spawn(cx, index, conf, children);
        };
        let owner = Owner::Check(index);
        // The time it has waited is not the server's.
        let timeout = network.target().connect_timeout;
        let limit = Some(timeout.saturating_mul(MAX_STEPS));
        let started = children.start(cx, owner, limit, |cx| {
            cx.system.lvs().run_check(index, network)
        });
        match started {
            Ok(()) => {
                run.phase = Phase::Running { overdue: false };
                self.timers.set(index, None);
                self.sockets.release();
            }
            Err(error) => {
                self.children.of(run.child_kind).release();
                self.abandon(cx, index, conf, &error);
            }
        }
    }

    /// The child process of a check over the network has ended.
    pub(crate) fn exchange_ended(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        result: Result<(), String>,
    ) -> Option<CheckChange> {
        let run = self.runs.get_mut(index)?;
        let Method::Network(network) = &mut run.method else {
            return None;
        };
        let weight = run.weight;
        let result = match result.map(|()| network.connection_passed()) {
            // The next page.
            Ok(Step::Reconnect | Step::Wait(_)) => {
                run.phase = Phase::Queued;
                if !self.sockets.acquire(index) {
                    return None;
                }
                return match self.open(cx, index, conf) {
                    Progress::Changed(change) => Some(change),
                    Progress::Nothing | Progress::Some | Progress::Enough => None,
                };
            }
            Ok(Step::Done(result)) => result,
            Err(why) => Err(why),
        };
        self.record(cx, index, conf, result.map(|()| weight))
    }

    /// Ends a connection without a result.
    fn abandon(&mut self, cx: &mut Cx<'_>, index: usize, conf: &lvs::Lvs, error: &io::Error) {
        cx.system.lvs().close_check(index);
        self.sockets.release();
        self.postpone(cx, index, conf, error);
    }

    /// A connection is over.
    fn finish(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        result: Result<(), String>,
    ) -> Option<CheckChange> {
        cx.system.lvs().close_check(index);
        self.sockets.release();
        let run = self.runs.get_mut(index)?;
        run.phase = Phase::Idle;
        let weight = run.weight;
        self.record(cx, index, conf, result.map(|()| weight))
    }

    /// Records a result: what it adds to the weight, or why the check failed. Returns the state if
    /// it has changed, and after the first result.
    pub(crate) fn record(
        &mut self,
        cx: &Cx<'_>,
        index: usize,
        conf: &lvs::Lvs,
        result: Result<i64, String>,
    ) -> Option<CheckChange> {
        let run = self.runs.get_mut(index)?;
        let check = lookup(conf, run.path)?;
        let (first, before) = (!run.schedule.has_result(), run.state());
        let effect = match run.method {
            Method::Network(_) | Method::Program => {
                run.schedule.result(check.check, cx.now, result.is_ok())
            }
            Method::File => run.schedule.set(result.is_ok()),
        };
        messages::report_result(cx, &mut run.log_limit, &check, effect, &result);
        run.weight = result.unwrap_or(run.weight);
        let (path, state) = (run.path, run.state());
        self.rearm(index);
        (first || state != before).then_some(CheckChange { path, state })
    }

    /// Sets the deadline of a check that is not running.
    pub(crate) fn rearm(&mut self, index: usize) {
        let Some(run) = self.runs.get(index) else {
            return;
        };
        if run.phase == Phase::Idle {
            let due = Some(run.schedule.due());
            let active = self.started && !run.suspended;
            self.timers.set(index, due.filter(|_| active));
        }
    }
}

/// Whether an error means that the server cannot be reached, rather than that the check cannot run.
fn is_unreachable(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::TimedOut
    )
}

fn is_too_many_files(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    errno.is_some_and(|errno| TOO_MANY_FILES.contains(&errno))
}
