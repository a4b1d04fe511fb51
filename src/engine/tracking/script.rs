//! `vrrp_script`: starts the scripts at their intervals and evaluates their results.
//!
//! At most one script is started per iteration of the loop, so that hundreds that are due together
//! delay no advert.

use core::fmt;
use core::time::Duration;

use crate::config::model;
use crate::ctl;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::log_limit::LogLimit;
use crate::engine::notify::children::{ChildCommand, Owner};
use crate::engine::shared::Shared;
use crate::engine::system::{Exit, errno_text};
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::types::Instant;
use crate::vrrp::track::script::{Params, Script};

/// Result of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Ended(Exit),
    TimedOut,
    /// No process could be created; error number.
    NotStarted(Option<i32>),
}

impl Outcome {
    fn is_success(self) -> bool {
        matches!(self, Outcome::Ended(how) if how.is_success())
    }

    /// Whether it has no exit code.
    fn is_abnormal(self) -> bool {
        !matches!(self, Outcome::Ended(Exit::Code(_)))
    }
}

impl fmt::Display for Outcome {
    /// Predicate of a sentence about the script.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ended(how) => how.fmt(f),
            Outcome::TimedOut => f.write_str("did not end in time"),
            Outcome::NotStarted(Some(errno)) => {
                write!(f, "could not be started: {}", errno_text(*errno))
            }
            Outcome::NotStarted(None) => f.write_str("could not be started"),
        }
    }
}

/// A `vrrp_script`.
#[derive(Debug)]
struct TrackedScript {
    conf: model::Script,
    machine: Script,
    last: Option<Outcome>,
    /// It is still running, and has failed already because its time limit is exceeded.
    overdue: bool,
    changes: LogLimit,
}

/// All scripts.
#[derive(Debug)]
pub(crate) struct Scripts(Vec<TrackedScript>);

fn params(conf: &model::Script) -> Params {
    Params {
        interval: conf.interval,
        rise: conf.rise,
        fall: conf.fall,
        init_fail: conf.init_fail,
    }
}

fn tracked(conf: model::Script, now: Instant) -> TrackedScript {
    TrackedScript {
        machine: Script::new(params(&conf), now),
        conf,
        last: None,
        overdue: false,
        changes: LogLimit::default(),
    }
}

impl Scripts {
    pub(crate) fn new(scripts: Vec<model::Script>) -> Self {
        let scripts = scripts.into_iter();
        Scripts(scripts.map(|conf| tracked(conf, Instant::ZERO)).collect())
    }

    pub(crate) fn verdict(&self, nth: usize) -> Option<bool> {
        self.0.get(nth)?.machine.verdict()
    }

    pub(crate) fn name(&self, nth: usize) -> &str {
        self.0.get(nth).map_or("?", |run| &run.conf.name)
    }

    /// The result of the last run, for the log.
    pub(crate) fn condition(&self, nth: usize) -> String {
        let condition = self.0.get(nth).map(TrackedScript::condition);
        condition.unwrap_or_default()
    }

    /// For dumps.
    pub(crate) fn show(&self) -> impl Iterator<Item = ctl::Script<'_>> {
        self.0.iter().map(|run| ctl::Script {
            conf: &run.conf,
            up: run.machine.verdict(),
            result: run.machine.score(),
            last: run.condition(),
            state: match (run.machine.is_running(), run.overdue) {
                (false, _) => ctl::ScriptState::Idle,
                (true, false) => ctl::ScriptState::Running,
                (true, true) => ctl::ScriptState::Terminating,
            },
        })
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().map(|run| run.machine.next_deadline()).min()
    }
}

impl TrackedScript {
    /// The result of the last run.
    fn condition(&self) -> String {
        match (self.last, self.machine.verdict()) {
            (Some(outcome), _) => outcome.to_string(),
            (None, None) => "has not ended yet".into(),
            (None, Some(_)) => "has not succeeded yet (init_fail)".into(),
        }
    }

    /// Applies a result and reports what has changed. Returns whether the state of the script has.
    fn apply(&mut self, cx: &Cx<'_>, outcome: Outcome) -> bool {
        let known = self.machine.verdict().is_some();
        let differs = self.last.replace(outcome) != Some(outcome);
        let changed = self.machine.result(outcome.is_success());
        if differs && (known || outcome.is_abnormal()) {
            self.report_result(cx, outcome, changed);
        }
        let name = &self.conf.name;
        if changed {
            let up = self.machine.verdict() == Some(true);
            let (level, result) = match up {
                true => (Level::Info, "succeeded".to_owned()),
                false => (Level::Warn, format!("failed ({outcome})")),
            };
            cx.note(
                level,
                EventKind::Script,
                Object::script(name),
                format_args!("VRRP_Script({name}) {result}"),
            );
        }
        changed
    }

    /// Reports a result that differs from the one before; only to the log if the state of the script
    /// has changed, which is reported next.
    fn report_result(&mut self, cx: &Cx<'_>, outcome: Outcome, changed: bool) {
        let Some(suppressed) = self.changes.allow(cx.now) else {
            return;
        };
        let name = &self.conf.name;
        if suppressed > 0 {
            log::info!(target: "script", "Script `{name}`: {suppressed} changes suppressed");
        }
        let (level, result) = match outcome {
            Outcome::Ended(Exit::Code(code)) => (Level::Info, format!(" now returning {code}")),
            Outcome::TimedOut => {
                let limit = self.conf.timeout.as_millis();
                let text =
                    format!(" exceeded its time limit of {limit} ms; terminated, counts as failed");
                (Level::Warn, text)
            }
            Outcome::Ended(_) | Outcome::NotStarted(_) => {
                let program = self.conf.command.argv.first();
                let program = program.map_or("", String::as_str);
                (Level::Warn, format!(" ({program}) {outcome}"))
            }
        };
        if changed {
            log::log!(target: "script", level, "Script `{name}`{result}");
        } else {
            cx.note(
                level,
                EventKind::Script,
                Object::script(name),
                format_args!("Script `{name}`{result}"),
            );
        }
    }
}

impl Engine {
    /// A run of a script has ended.
    pub(crate) fn script_ended(&mut self, cx: &mut Cx<'_>, nth: usize, how: Exit) {
        let Some(run) = self.shared.tracking.scripts.0.get_mut(nth) else {
            return;
        };
        run.machine.run_ended();
        // A run that exceeded its time limit has failed already.
        let overdue = core::mem::take(&mut run.overdue);
        if !overdue && run.apply(cx, Outcome::Ended(how)) {
            self.shared.dirty = true;
            self.refresh_if_dirty(cx);
        }
    }

    /// A run of a script has exceeded its time limit and was sent SIGTERM.
    pub(crate) fn script_overdue(&mut self, cx: &mut Cx<'_>, nth: usize) {
        let Some(run) = self.shared.tracking.scripts.0.get_mut(nth) else {
            return;
        };
        run.overdue = true;
        if run.apply(cx, Outcome::TimedOut) {
            self.shared.dirty = true;
            self.refresh_if_dirty(cx);
        }
    }
}

impl Shared {
    /// Starts the next script that is due.
    pub(crate) fn run_due_scripts(&mut self, cx: &mut Cx<'_>) {
        if self.stopping {
            return;
        }
        let Shared {
            tracking, children, ..
        } = self;
        let runs = tracking.scripts.0.iter_mut().enumerate();
        // The one that has been due for longest.
        let due = runs.min_by_key(|(_, run)| run.machine.next_deadline());
        if let Some((nth, run)) = due
            && run.machine.start_if_due(cx.now)
        {
            let (owner, limit) = (Owner::Script(nth), Some(run.conf.timeout));
            let started = children.run(cx, owner, ChildCommand::plain(&run.conf.command), limit);
            if let Err(error) = started {
                run.machine.run_ended();
                let outcome = Outcome::NotStarted(error.raw_os_error());
                self.dirty |= run.apply(cx, outcome);
            }
            self.set_children_timer();
        }
        self.set_script_timer(cx.now);
    }

    pub(crate) fn start_scripts(&mut self, now: Instant) {
        for run in &mut self.tracking.scripts.0 {
            run.machine.schedule_first_run(now);
        }
        self.set_script_timer(now);
    }

    /// A script that is due now is started in the next iteration of the loop.
    fn set_script_timer(&mut self, now: Instant) {
        let next = self.tracking.scripts.next_deadline();
        let soon = now.after(Duration::from_nanos(1));
        self.set_timer(TimerKey::Scripts, next.map(|next| next.max(soon)));
    }

    /// At exit: kills running scripts and starts no more.
    pub(crate) fn stop_scripts(&mut self, cx: &mut Cx<'_>) {
        self.children.kill_scripts(cx);
        self.set_timer(TimerKey::Scripts, None);
    }

    /// After a reload. Scripts with the same command keep their state, also under another name;
    /// runs of others are terminated. A script whose command has changed keeps its state until it
    /// has run: a priority that changes for a moment may change the master.
    pub(crate) fn replace_scripts(&mut self, cx: &mut Cx<'_>, new: Vec<model::Script>) {
        let mut old: Vec<Option<TrackedScript>> = core::mem::take(&mut self.tracking.scripts.0)
            .into_iter()
            .map(Some)
            .collect();
        let mut moved: Vec<Option<usize>> = vec![None; old.len()];
        for (to, conf) in new.into_iter().enumerate() {
            let position_of = |alike: &dyn Fn(&model::Script) -> bool| {
                let alike = |slot: &Option<TrackedScript>| {
                    slot.as_ref().is_some_and(|run| alike(&run.conf))
                };
                old.iter().position(alike)
            };
            let named = position_of(&|one| one.name == conf.name);
            let same = position_of(&|one| one.name == conf.name && one.command == conf.command);
            let from = same.or_else(|| position_of(&|one| one.command == conf.command));
            let kept = from.and_then(|from| old.get_mut(from)?.take());
            if let Some(moved) = from.and_then(|from| moved.get_mut(from)) {
                *moved = Some(to);
            }
            self.tracking.scripts.0.push(match kept {
                Some(mut kept) => {
                    kept.machine.reconfigure(params(&conf), cx.now);
                    kept.conf = conf;
                    kept
                }
                None => {
                    let mut run = tracked(conf, cx.now);
                    if let Some(Some(before)) = named.and_then(|at| old.get(at)) {
                        run.machine.inherit(&before.machine);
                        run.last = before.last;
                    }
                    run
                }
            });
        }
        let mut new_owner = |owner| match owner {
            Owner::Script(from) => moved.get(from).copied().flatten().map(Owner::Script),
            Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::Check(_) | Owner::None => {
                Some(owner)
            }
        };
        self.children.reassign(cx, &mut new_owner);
        self.set_children_timer();
    }
}
