//! When checks run, and what becomes of their results.
//!
//! ```text
//! due ─→ a place? ─┬─ yes ─→ Probing: socket, machine ─┬─→ result ─→ schedule ─→ (changed?) judged
//!                  │         Running: a program ───────┘                └─→ due
//!                  └─ no: Waiting in line
//! ```
//! All checks of all servers stand in one list; a check's place there is its number everywhere: of its deadline, its
//! socket, its child. So many run at a time and no more, a few begin in a turn of the loop, and none takes longer than
//! it may, whatever its peer does. Passing checks allocate nothing.
//!
//! What says nothing about the server (no descriptor, `bindto` an address that is not here) is no result: the check
//! has its next turn and the verdict stays.

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::check::schedule::Schedule;
use crate::check::{NetworkCheck, NetworkCheckBuilder, SocketEvent, Step};
use crate::config::model::lvs::{self, Check, CheckKind};
use crate::engine::log_limit::LogLimit;
use crate::engine::lvs::CheckId;
use crate::engine::lvs::report::{self, Named};
use crate::engine::lvs::slots::Slots;
use crate::engine::notify::children::Children;
use crate::engine::timers::Timers;
use crate::lvs::state::CheckState;
use crate::types::Instant;
use crate::types::errno::TOO_MANY_FILES;

/// Sockets at a time, if the kernel grants so many. A server that does not answer keeps one for `connect_timeout`, so with
/// fewer it would take several times as long to notice that thousands do not.
const PROBES: usize = 4096;
/// Programs at a time. One that hangs keeps its place for `misc_timeout`.
const PROGRAMS: usize = 128;
/// A connection takes this many times `connect_timeout` at the most, though every step of it be in time: who sends a
/// byte now and then does not keep a check for ever.
const STEPS: u32 = 4;
/// How a check's result is come by.
#[derive(Debug)]
pub(crate) enum Work {
    /// Over the network.
    NetworkCheck(NetworkCheck),
    /// `MISC_CHECK`.
    Program,
    /// `FILE_CHECK`: told when the file has another number.
    File,
}

/// What a check is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    /// Its deadline is that of its schedule, if it has begun.
    Idle,
    /// It is due, and waits for a place.
    Waiting,
    /// It has a socket. Its deadline is that of the step.
    Probing {
        /// The connection's end, whatever happens.
        until: Instant,
    },
    /// It has a child.
    Running {
        /// The child was told to end, and has no result to give any more.
        overdue: bool,
    },
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) id: CheckId,
    pub(crate) work: Work,
    pub(crate) schedule: Schedule,
    pub(crate) phase: Phase,
    /// `ha_suspend`.
    pub(crate) suspended: bool,
    /// Added to the server's weight.
    pub(crate) weight: i64,
    pub(crate) lines: LogLimit,
}

/// All checks of all real servers.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) runs: Vec<Run>,
    pub(crate) due: Timers,
    pub(crate) probes: Slots,
    pub(crate) programs: Slots,
    /// What a machine wants sent.
    out: Vec<u8>,
    /// They have begun.
    pub(crate) begun: bool,
}

/// What [`Checks::expire`] has done.
#[derive(Debug)]
pub(crate) enum Did {
    Nothing,
    Something,
    /// No more in this turn.
    Enough,
    Judged(CheckId, CheckState),
}

impl From<Option<(CheckId, CheckState)>> for Did {
    fn from(judged: Option<(CheckId, CheckState)>) -> Self {
        judged.map_or(Did::Something, |(id, verdict)| Did::Judged(id, verdict))
    }
}

/// The check with its servers.
pub(crate) fn named(conf: &lvs::Lvs, id: CheckId) -> Option<Named<'_>> {
    let service = conf.virtual_servers.get(id.service)?;
    let server = service.real_servers.get(id.server)?;
    let check = server.checks.get(id.check)?;
    Some(Named {
        service,
        server,
        check,
    })
}

pub(crate) fn ids(conf: &lvs::Lvs) -> impl Iterator<Item = (CheckId, &Check)> {
    let services = conf.virtual_servers.iter().enumerate();
    let servers = services.flat_map(|(service, one)| {
        let servers = one.real_servers.iter().enumerate();
        servers.map(move |(server, one)| (service, server, one))
    });
    servers.flat_map(|(service, server, one)| {
        let checks = one.checks.iter().enumerate();
        checks.map(move |(check, one)| {
            let id = CheckId {
                service,
                server,
                check,
            };
            (id, one)
        })
    })
}

pub(crate) fn runs(conf: &lvs::Lvs) -> Vec<Run> {
    let mut builder = NetworkCheckBuilder::new(&conf.ssl);
    let all = ids(conf);
    all.map(|(id, check)| {
        let exchange = builder.build(&check.kind);
        run(id, check, exchange)
    })
    .collect()
}

fn run(id: CheckId, check: &Check, exchange: Option<NetworkCheck>) -> Run {
    let work = match (&check.kind, exchange) {
        (_, Some(exchange)) => Work::NetworkCheck(exchange),
        (CheckKind::Misc { .. }, None) => Work::Program,
        (_, None) => Work::File,
    };
    Run {
        id,
        work,
        schedule: Schedule::new(check.alpha),
        phase: Phase::Idle,
        suspended: false,
        weight: 0,
        lines: LogLimit::default(),
    }
}

impl Run {
    pub(crate) fn verdict(&self) -> CheckState {
        CheckState {
            up: self.schedule.is_up(),
            weight: self.weight,
        }
    }
}

impl Checks {
    pub(crate) fn new(conf: &lvs::Lvs) -> Self {
        Checks::of(runs(conf))
    }

    pub(crate) fn of(runs: Vec<Run>) -> Self {
        let all = runs.len();
        Checks {
            runs,
            due: Timers::new(all),
            probes: Slots::new(PROBES, all),
            programs: Slots::new(PROGRAMS, all),
            out: Vec::new(),
            begun: false,
        }
    }

    /// When [`Checks::expire`] has something to do.
    pub(crate) fn next_deadline(&self, now: Instant) -> Option<Instant> {
        // What is due already is for the next turn of the loop.
        let soon = now.after(Duration::from_nanos(1));
        if self.probes.has_next() || self.programs.has_next() {
            return Some(soon);
        }
        self.due.first().map(|(at, _)| at.max(soon))
    }

    // ---- running ----

    /// Does one thing that is due.
    pub(crate) fn expire(
        &mut self,
        cx: &mut Cx<'_>,
        conf: &lvs::Lvs,
        children: &mut Children,
    ) -> Did {
        if let Some(place) = self.probes.next() {
            return self.open(cx, place, conf);
        }
        if let Some(place) = self.programs.next() {
            self.spawn(cx, place, conf, children);
            return Did::Enough;
        }
        let Some((_, place)) = self.due.first().filter(|(at, _)| *at <= cx.now) else {
            return Did::Nothing;
        };
        let Some(run) = self.runs.get_mut(place) else {
            return Did::Nothing;
        };
        match (run.phase, &mut run.work) {
            (Phase::Idle, Work::NetworkCheck(exchange)) => {
                exchange.start();
                run.phase = Phase::Waiting;
                self.due.set(place, None);
                if self.probes.take(place) {
                    return self.open(cx, place, conf);
                }
            }
            (Phase::Idle, Work::Program) => {
                run.phase = Phase::Waiting;
                self.due.set(place, None);
                if self.programs.take(place) {
                    self.spawn(cx, place, conf, children);
                    return Did::Enough;
                }
            }
            (Phase::Probing { until }, _) if until <= cx.now => {
                let result = Err("the exchange takes too long as a whole".into());
                return self.finish(cx, place, conf, (result, None)).into();
            }
            (Phase::Probing { .. }, _) => {
                return self.news(cx, place, conf, SocketEvent::TimedOut).into();
            }
            (Phase::Idle | Phase::Waiting | Phase::Running { .. }, _) => self.due.set(place, None),
        }
        Did::Something
    }

    /// Opens a socket for a check that has a place.
    fn open(&mut self, cx: &mut Cx<'_>, place: usize, conf: &lvs::Lvs) -> Did {
        let Some(run) = self.runs.get_mut(place) else {
            return Did::Something;
        };
        let Work::NetworkCheck(exchange) = &run.work else {
            return Did::Something;
        };
        let (transport, target) = (exchange.transport(), exchange.target());
        let timeout = target.connect_timeout;
        let Err(error) = cx.system.lvs().open_check(place, transport, target) else {
            let until = cx.now.after(timeout.saturating_mul(STEPS));
            run.phase = Phase::Probing { until };
            self.due.set(place, Some(cx.now.after(timeout)));
            return Did::Something;
        };
        if is_about_the_way(&error) {
            let errno = error.raw_os_error();
            let result = (Err(String::new()), errno);
            return self.finish(cx, place, conf, result).into();
        }
        if is_lack_of_descriptors(&error) && self.probes.shrink(place) {
            run.phase = Phase::Waiting;
            return Did::Enough;
        }
        if !is_lack_of_descriptors(&error) {
            self.probes.free();
        }
        self.put_off(place, cx.now, conf, &error);
        Did::Something
    }

    /// A check cannot be made now, for reasons that have nothing to do with the server.
    pub(crate) fn put_off(
        &mut self,
        place: usize,
        now: Instant,
        conf: &lvs::Lvs,
        error: &io::Error,
    ) {
        let Some(run) = self.runs.get_mut(place) else {
            return;
        };
        run.phase = Phase::Idle;
        if let Some(named) = named(conf, run.id) {
            report::put_off(&mut run.lines, now, &named, error);
            run.schedule.skip(named.check, now);
        }
        self.rearm(place);
    }

    /// Something happened to a check's socket.
    pub(crate) fn news(
        &mut self,
        cx: &mut Cx<'_>,
        place: usize,
        conf: &lvs::Lvs,
        news: SocketEvent<'_>,
    ) -> Option<(CheckId, CheckState)> {
        let run = self.runs.get_mut(place)?;
        let (Phase::Probing { until }, Work::NetworkCheck(exchange)) = (run.phase, &mut run.work)
        else {
            return None;
        };
        let errno = match news {
            SocketEvent::Failed(errno) => Some(errno),
            SocketEvent::Connected
            | SocketEvent::Received(_)
            | SocketEvent::Closed
            | SocketEvent::TimedOut => None,
        };
        self.out.clear();
        match exchange.handle(news, &mut self.out) {
            Step::Wait(time) => {
                self.due.set(place, Some(cx.now.after(time).min(until)));
                if !self.out.is_empty()
                    && let Err(error) = cx.system.lvs().send_check(place, &self.out)
                {
                    let result = (Err(String::new()), error.raw_os_error());
                    return self.finish(cx, place, conf, result);
                }
                None
            }
            Step::Reconnect => {
                cx.system.lvs().close_check(place);
                match self.open(cx, place, conf) {
                    Did::Judged(id, verdict) => Some((id, verdict)),
                    Did::Nothing | Did::Something | Did::Enough => None,
                }
            }
            Step::Done(result) => self.finish(cx, place, conf, (result, errno)),
        }
    }

    /// The exchange is over.
    fn finish(
        &mut self,
        cx: &mut Cx<'_>,
        place: usize,
        conf: &lvs::Lvs,
        (result, errno): (Result<(), String>, Option<i32>),
    ) -> Option<(CheckId, CheckState)> {
        cx.system.lvs().close_check(place);
        self.probes.free();
        let run = self.runs.get_mut(place)?;
        run.phase = Phase::Idle;
        let result = result.map_err(|why| report::with_error(why, errno));
        let weight = run.weight;
        self.conclude(place, cx.now, conf, result.map(|()| weight))
    }

    /// A check has a result: what is added to the weight, or what is wrong. The answer is what is to be told: what
    /// changes, and whatever is known first.
    pub(crate) fn conclude(
        &mut self,
        place: usize,
        now: Instant,
        conf: &lvs::Lvs,
        result: Result<i64, String>,
    ) -> Option<(CheckId, CheckState)> {
        let run = self.runs.get_mut(place)?;
        let named = named(conf, run.id)?;
        let (first, before) = (!run.schedule.has_result(), run.verdict());
        let outcome = match run.work {
            Work::NetworkCheck(_) | Work::Program => {
                run.schedule.result(named.check, now, result.is_ok())
            }
            Work::File => run.schedule.set(result.is_ok()),
        };
        report::result(&mut run.lines, now, &named, outcome, &result);
        run.weight = result.unwrap_or(run.weight);
        let (id, verdict) = (run.id, run.verdict());
        self.rearm(place);
        (first || verdict != before).then_some((id, verdict))
    }
}

/// Whether a refusal tells that there is no way to the server, rather than that we cannot ask.
fn is_about_the_way(error: &io::Error) -> bool {
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

fn is_lack_of_descriptors(error: &io::Error) -> bool {
    let errno = error.raw_os_error();
    errno.is_some_and(|errno| TOO_MANY_FILES.contains(&errno))
}
