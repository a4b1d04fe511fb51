//! `track_process`: the process table is read every second if any processes are tracked, in slices,
//! because any user of the machine can start thousands of them.

use core::time::Duration;
use std::io;

use crate::config::model::{ParamMatch, TrackProcess};
use crate::ctl;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::shared::Shared;
use crate::engine::slice::Slice;
use crate::engine::system::{ProcessFields, Scan, error_text};
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::types::Instant;
use crate::vrrp::track::process::{Params, Quorum};

/// Interval at which processes are counted.
const POLL: Duration = Duration::from_secs(1);
/// Length of a process name in the kernel, without NUL (`TASK_COMM_LEN`).
const COMM: usize = 15;

#[derive(Debug)]
struct Process {
    conf: TrackProcess,
    quorum: Quorum,
    found: u32,
}

/// All tracked processes.
#[derive(Debug)]
pub(crate) struct Processes {
    list: Vec<Process>,
    /// When the next scan starts.
    poll: Option<Instant>,
    /// When the scan that is in progress was started.
    scan: Option<Instant>,
    /// That the process table cannot be read was logged.
    logged: bool,
}

fn params(conf: &TrackProcess) -> Params {
    Params {
        quorum: conf.quorum,
        quorum_max: conf.quorum_max,
        fork_delay: conf.fork_delay,
        terminate_delay: conf.terminate_delay,
    }
}

impl Processes {
    pub(crate) fn new(processes: Vec<TrackProcess>) -> Self {
        let mut new = Processes {
            list: Vec::new(),
            poll: None,
            scan: None,
            logged: false,
        };
        new.replace(processes);
        new
    }

    /// Unchanged processes keep their state.
    pub(crate) fn replace(&mut self, processes: Vec<TrackProcess>) {
        let mut old = core::mem::take(&mut self.list);
        for conf in processes {
            let same = |one: &Process| {
                one.conf.name == conf.name
                    && one.conf.process == conf.process
                    && one.conf.params == conf.params
            };
            let kept = old.iter().position(same).map(|at| old.swap_remove(at));
            self.list.push(match kept {
                Some(mut kept) => {
                    kept.quorum.reconfigure(params(&conf));
                    Process { conf, ..kept }
                }
                None => Process {
                    quorum: Quorum::new(params(&conf)),
                    found: 0,
                    conf,
                },
            });
        }
    }

    pub(crate) fn verdict(&self, nth: usize) -> Option<bool> {
        self.list.get(nth)?.quorum.verdict()
    }

    pub(crate) fn name(&self, nth: usize) -> &str {
        self.list.get(nth).map_or("?", |one| &one.conf.name)
    }

    /// How many run and how many must, for the log.
    pub(crate) fn condition(&self, nth: usize) -> String {
        let Some(Process { conf, quorum, .. }) = self.list.get(nth) else {
            return String::new();
        };
        let (number, process) = (quorum.counted(), &conf.process);
        match conf.quorum_max {
            Some(most) if number > most => format!("{number} of {process} run, {most} at most"),
            Some(_) | None => format!("{number} of {process} run, {} needed", conf.quorum),
        }
    }

    /// For dumps.
    pub(crate) fn show(&self) -> impl Iterator<Item = ctl::Process<'_>> {
        self.list.iter().map(|one| ctl::Process {
            conf: &one.conf,
            count: one.quorum.counted(),
            up: one.quorum.verdict(),
            timer: one.quorum.next_deadline().is_some(),
        })
    }

    /// When the next scan starts; `None` while one is in progress.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.is_scanning() {
            return None;
        }
        let sooner = self
            .list
            .iter()
            .filter_map(|one| one.quorum.next_deadline());
        sooner.chain(self.poll).min()
    }

    pub(crate) fn is_scanning(&self) -> bool {
        self.scan.is_some()
    }
}

/// Whether a process counts for a `track_process`.
fn matches(conf: &TrackProcess, comm: &[u8], cmdline: &[u8]) -> bool {
    let wanted = conf.process.as_bytes();
    if !conf.full_command {
        return wanted.get(..COMM).unwrap_or(wanted) == comm;
    }
    let line = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    let mut words = line.split(|byte| *byte == 0);
    if words.next() != Some(wanted) {
        return false;
    }
    let Some(params) = &conf.params else {
        return true;
    };
    let last = params.len().saturating_sub(1);
    for (nth, param) in params.iter().enumerate() {
        let is_prefix = conf.param_match == ParamMatch::Initial && nth == last;
        let Some(word) = words.next() else {
            return false;
        };
        if word != param.as_bytes() && !(is_prefix && word.starts_with(param.as_bytes())) {
            return false;
        }
    }
    match conf.param_match {
        ParamMatch::Exact => words.next().is_none(),
        ParamMatch::Initial | ParamMatch::Partial => true,
    }
}

impl Shared {
    /// Starts to count all tracked processes.
    pub(crate) fn start_process_scan(&mut self, cx: &mut Cx<'_>) {
        self.tracking.processes.start_scan(cx);
        self.set_timer(TimerKey::Processes, self.tracking.processes.next_deadline());
    }

    /// Continues to count for one slice.
    pub(crate) fn continue_process_scan(&mut self, cx: &mut Cx<'_>) {
        let slice = Slice::start(cx, &self.timers);
        self.dirty |= self.tracking.processes.count(cx, slice);
        self.set_timer(TimerKey::Processes, self.tracking.processes.next_deadline());
    }
}

impl Processes {
    fn start_scan(&mut self, cx: &mut Cx<'_>) {
        self.poll = None;
        self.scan = None;
        if self.list.is_empty() {
            return;
        }
        self.list.iter_mut().for_each(|one| one.found = 0);
        self.scan = Some(cx.now);
        if let Err(error) = cx.system.start_process_scan() {
            self.end_scan(cx);
            self.log_unreadable(&error);
        }
    }

    /// Schedules the next scan: a second after the start of this one. If this one took long there
    /// is a pause of the same length.
    fn end_scan(&mut self, cx: &Cx<'_>) {
        if let Some(start) = self.scan.take() {
            let pause = cx.now.after(cx.now.since(start));
            self.poll = Some(start.after(POLL).max(pause));
        }
    }

    fn log_unreadable(&mut self, error: &io::Error) {
        if !core::mem::replace(&mut self.logged, true) {
            log::warn!(target: "vrrp", "cannot read the process table: {}", error_text(error));
        }
    }

    /// Counts processes until all are counted or the slice is over. Returns whether the state of
    /// any tracked process has changed.
    fn count(&mut self, cx: &mut Cx<'_>, slice: Slice) -> bool {
        let fields = match self.list.iter().any(|one| one.conf.full_command) {
            true => ProcessFields::NameAndCommandLine,
            false => ProcessFields::Name,
        };
        while self.is_scanning() {
            let list = &mut self.list;
            let next = cx.system.next_process(fields, &mut |comm, cmdline| {
                for one in list.iter_mut() {
                    one.found = one
                        .found
                        .saturating_add(matches(&one.conf, comm, cmdline).into());
                }
            });
            match next {
                Ok(Scan::Unfinished) if slice.is_over(cx) => break,
                Ok(Scan::Unfinished) => {}
                Ok(Scan::Complete) => {
                    self.end_scan(cx);
                    return self.record_counts(cx);
                }
                Err(error) => {
                    self.end_scan(cx);
                    self.log_unreadable(&error);
                }
            }
        }
        false
    }

    /// Compares the counts with the quorums. Returns whether any state has changed.
    fn record_counts(&mut self, cx: &Cx<'_>) -> bool {
        let mut changed = false;
        for one in &mut self.list {
            if !one.quorum.record_count(cx.now, one.found) {
                continue;
            }
            changed = true;
            report_quorum(cx, one);
        }
        changed
    }
}

/// Reports that a process has gained or lost its quorum.
fn report_quorum(cx: &Cx<'_>, one: &Process) {
    let (name, process, found) = (&one.conf.name, &one.conf.process, one.found);
    let (level, change, needed) = match one.quorum.verdict() {
        Some(true) => (Level::Info, "gained", String::new()),
        Some(false) | None => {
            let most = one.conf.quorum_max;
            let most = most.map_or(String::new(), |most| format!(", {most} at most"));
            (
                Level::Warn,
                "lost",
                format!(", {} needed{most}", one.conf.quorum),
            )
        }
    };
    cx.note(
        level,
        EventKind::Process,
        Object::process(name),
        format_args!("track_process {name}: quorum {change}, {found} of {process} run{needed}"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_matched_by_name_command_and_parameters() {
        let conf =
            |process: &str, params: Option<&[&str]>, param_match, full_command| TrackProcess {
                name: "t".into(),
                process: process.into(),
                params: params.map(|params| params.iter().map(|&one| one.into()).collect()),
                param_match,
                full_command,
                ..TrackProcess::default()
            };
        use ParamMatch::{Exact, Initial, Partial};
        for (name, conf, comm, cmdline, want) in [
            ("name", conf("sshd", None, Exact, false), "sshd", "", true),
            (
                "part of a name",
                conf("ssh", None, Exact, false),
                "sshd",
                "",
                false,
            ),
            (
                "longer than the kernel keeps",
                conf("a-very-long-name", None, Exact, false),
                "a-very-long-nam",
                "",
                true,
            ),
            (
                "path",
                conf("/x/a", None, Exact, true),
                "a",
                "/x/a\0-v\0",
                true,
            ),
            (
                "other path",
                conf("/x/a", None, Exact, true),
                "a",
                "/y/a\0",
                false,
            ),
            (
                "kernel thread",
                conf("kworker", None, Exact, true),
                "kworker",
                "",
                false,
            ),
            (
                "exact",
                conf("a", Some(&["-f", "x"]), Exact, true),
                "a",
                "a\0-f\0x\0",
                true,
            ),
            (
                "more",
                conf("a", Some(&["-f"]), Exact, true),
                "a",
                "a\0-f\0x\0",
                false,
            ),
            (
                "fewer",
                conf("a", Some(&["-f", "x"]), Exact, true),
                "a",
                "a\0-f\0",
                false,
            ),
            ("none", conf("a", Some(&[]), Exact, true), "a", "a\0", true),
            (
                "none wanted",
                conf("a", Some(&[]), Exact, true),
                "a",
                "a\0-f\0",
                false,
            ),
            (
                "first ones",
                conf("a", Some(&["-f"]), Partial, true),
                "a",
                "a\0-f\0x\0",
                true,
            ),
            (
                "first one longer",
                conf("a", Some(&["-f"]), Partial, true),
                "a",
                "a\0-fx\0",
                false,
            ),
            (
                "last parameter is longer",
                conf("a", Some(&["-f", "/e"]), Initial, true),
                "a",
                "a\0-f\0/etc\0",
                true,
            ),
            (
                "not the last",
                conf("a", Some(&["-f", "/e"]), Initial, true),
                "a",
                "a\0-fx\0/e\0",
                false,
            ),
        ] {
            let got = matches(&conf, comm.as_bytes(), cmdline.as_bytes());
            assert_eq!(got, want, "{name}");
        }
    }
}
