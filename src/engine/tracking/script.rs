//! Scripts at run time: starting them in turn, taking their results, saying what changed.
//!
//! One script is started in a turn of the loop at most, so that hundreds that are due together do not hold up a
//! single advert.

use crate::engine::cx::Cx;
use core::fmt;
use core::time::Duration;
use std::io;

use crate::config::model;
use crate::ctl;
use crate::engine::Engine;
use crate::engine::log_limit::LogLimit;
use crate::engine::notify::children::{ChildCommand, Owner};
use crate::engine::shared::Shared;
use crate::engine::system::Exit;
use crate::engine::timers::TimerKey;
use crate::types::Instant;
use crate::vrrp::track::script::{Params, Script};

/// What came of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Ended(Exit),
    TookTooLong,
    /// The kernel gave no process, for this reason.
    NotStarted(Option<i32>),
}

impl Outcome {
    fn is_good(self) -> bool {
        matches!(self, Outcome::Ended(how) if how.is_success())
    }

    /// Anything but an exit code.
    fn is_odd(self) -> bool {
        !matches!(self, Outcome::Ended(Exit::Code(_)))
    }
}

impl fmt::Display for Outcome {
    /// To follow the script's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Ended(how) => how.fmt(f),
            Outcome::TookTooLong => f.write_str("did not end in time"),
            Outcome::NotStarted(Some(errno)) => {
                let error = io::Error::from_raw_os_error(*errno);
                write!(f, "could not be started: {error}")
            }
            Outcome::NotStarted(None) => f.write_str("could not be started"),
        }
    }
}

#[derive(Debug)]
struct Run {
    conf: model::Script,
    machine: Script,
    last: Option<Outcome>,
    /// The run that is not over yet has had its result: it took too long.
    overdue: bool,
    lines: LogLimit,
}

/// All scripts.
#[derive(Debug)]
pub(crate) struct Scripts(Vec<Run>);

fn params(conf: &model::Script) -> Params {
    Params {
        interval: conf.interval,
        rise: conf.rise,
        fall: conf.fall,
        init_fail: conf.init_fail,
    }
}

fn run(conf: model::Script, now: Instant) -> Run {
    Run {
        machine: Script::new(params(&conf), now),
        conf,
        last: None,
        overdue: false,
        lines: LogLimit::default(),
    }
}

impl Scripts {
    pub(crate) fn new(scripts: Vec<model::Script>) -> Self {
        let begin = |conf| run(conf, Instant::ZERO);
        Scripts(scripts.into_iter().map(begin).collect())
    }

    pub(crate) fn verdict(&self, place: usize) -> Option<bool> {
        self.0.get(place)?.machine.verdict()
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        self.0.get(place).map_or("?", |run| &run.conf.name)
    }

    /// What became of the last run.
    pub(crate) fn condition(&self, place: usize) -> String {
        match self.0.get(place).and_then(|run| run.last) {
            Some(outcome) => outcome.to_string(),
            None => "has not succeeded yet (init_fail)".into(),
        }
    }

    /// For a dump.
    pub(crate) fn show(&self) -> impl Iterator<Item = ctl::Script<'_>> {
        self.0.iter().map(|run| ctl::Script {
            conf: &run.conf,
            up: run.machine.verdict(),
            result: run.machine.score(),
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

impl Run {
    /// Takes a result and says what it changes; true when the verdict does.
    fn take(&mut self, now: Instant, outcome: Outcome) -> bool {
        let known = self.machine.verdict().is_some();
        let news = self.last.replace(outcome) != Some(outcome);
        let changed = self.machine.result(outcome.is_good());
        if news && (known || outcome.is_odd()) {
            self.say(now, outcome);
        }
        let name = &self.conf.name;
        if changed && self.machine.verdict() == Some(true) {
            log::info!(target: "script", "VRRP_Script({name}) succeeded");
        } else if changed {
            log::warn!(target: "script", "VRRP_Script({name}) failed ({outcome})");
        }
        changed
    }

    /// Says that a result is another than the one before.
    fn say(&mut self, now: Instant, outcome: Outcome) {
        // A script that changes its mind all the time fills no disk.
        let Some(suppressed) = self.lines.allow(now) else {
            return;
        };
        let name = &self.conf.name;
        if suppressed > 0 {
            log::info!(target: "script", "Script `{name}`: {suppressed} more changes not shown");
        }
        match outcome {
            Outcome::Ended(Exit::Code(code)) => {
                log::info!(target: "script", "Script `{name}` now returning {code}");
            }
            Outcome::TookTooLong => log::warn!(
                target: "script",
                "Script `{name}` still runs after {} ms: told to end, counts as failed",
                self.conf.timeout.as_millis()
            ),
            Outcome::Ended(_) | Outcome::NotStarted(_) => {
                let program = self.conf.command.argv.first();
                let program = program.map_or("", String::as_str);
                log::warn!(target: "script", "Script `{name}` ({program}) {outcome}");
            }
        }
    }
}

impl Engine {
    /// Starts the next script whose turn has come.
    pub(crate) fn run_due_scripts(&mut self, cx: &mut Cx<'_>) {
        if self.shared.stopping {
            return;
        }
        let Shared {
            tracking, children, ..
        } = &mut self.shared;
        let runs = tracking.scripts.0.iter_mut().enumerate();
        // The one that has waited longest.
        let due = runs.min_by_key(|(_, run)| run.machine.next_deadline());
        if let Some((place, run)) = due
            && run.machine.start_if_due(cx.now)
        {
            let (owner, limit) = (Owner::Script(place), Some(run.conf.timeout));
            let started = children.run(cx, owner, ChildCommand::plain(&run.conf.command), limit);
            if let Err(error) = started {
                run.machine.run_ended();
                let outcome = Outcome::NotStarted(error.raw_os_error());
                self.shared.dirty |= run.take(cx.now, outcome);
            }
            self.shared.set_children_timer();
        }
        self.set_script_timer(cx.now);
    }

    pub(crate) fn start_scripts(&mut self, now: Instant) {
        for run in &mut self.shared.tracking.scripts.0 {
            run.machine.schedule_first_run(now);
        }
        self.set_script_timer(now);
    }

    /// One that is due now is for the next turn of the loop.
    fn set_script_timer(&mut self, now: Instant) {
        let next = self.shared.tracking.scripts.next_deadline();
        let soon = now.after(Duration::from_nanos(1));
        self.shared
            .set_timer(TimerKey::Scripts, next.map(|next| next.max(soon)));
    }

    /// The run of a script has ended.
    pub(crate) fn script_ended(&mut self, cx: &mut Cx<'_>, place: usize, how: Exit) {
        let Some(run) = self.shared.tracking.scripts.0.get_mut(place) else {
            return;
        };
        run.machine.run_ended();
        // One that took too long has had its result.
        let overdue = core::mem::take(&mut run.overdue);
        if !overdue && run.take(cx.now, Outcome::Ended(how)) {
            self.shared.dirty = true;
            self.refresh_if_dirty(cx);
        }
    }

    /// The run of a script takes too long and has been told to end.
    pub(crate) fn script_overdue(&mut self, cx: &mut Cx<'_>, place: usize) {
        let Some(run) = self.shared.tracking.scripts.0.get_mut(place) else {
            return;
        };
        run.overdue = true;
        if run.take(cx.now, Outcome::TookTooLong) {
            self.shared.dirty = true;
            self.refresh_if_dirty(cx);
        }
    }

    /// The daemon ends: no more turns, no more runs.
    pub(crate) fn stop_scripts(&mut self, cx: &mut Cx<'_>) {
        self.shared.children.kill_scripts(cx);
        self.shared.set_timer(TimerKey::Scripts, None);
    }

    /// Scripts of the same command keep what is known about them, also under another name; the runs of others are
    /// ended. One that has another command now is believed to be as it was, until it has run: a priority that
    /// changes for a moment may change the master.
    pub(crate) fn replace_scripts(&mut self, cx: &mut Cx<'_>, new: Vec<model::Script>) {
        let mut old: Vec<Option<Run>> = core::mem::take(&mut self.shared.tracking.scripts.0)
            .into_iter()
            .map(Some)
            .collect();
        let mut moved: Vec<Option<usize>> = vec![None; old.len()];
        for (to, conf) in new.into_iter().enumerate() {
            let place_of = |alike: &dyn Fn(&model::Script) -> bool| {
                let alike = |slot: &Option<Run>| slot.as_ref().is_some_and(|run| alike(&run.conf));
                old.iter().position(alike)
            };
            let named = place_of(&|one| one.name == conf.name);
            let same = place_of(&|one| one.name == conf.name && one.command == conf.command);
            let from = same.or_else(|| place_of(&|one| one.command == conf.command));
            let kept = from.and_then(|from| old.get_mut(from)?.take());
            if let Some(place) = from.and_then(|from| moved.get_mut(from)) {
                *place = Some(to);
            }
            self.shared.tracking.scripts.0.push(match kept {
                Some(mut kept) => {
                    kept.machine.reconfigure(params(&conf), cx.now);
                    kept.conf = conf;
                    kept
                }
                None => {
                    let mut run = run(conf, cx.now);
                    if let Some(Some(before)) = named.and_then(|place| old.get(place)) {
                        run.machine.inherit(&before.machine);
                        run.last = before.last;
                    }
                    run
                }
            });
        }
        let mut place = |owner| match owner {
            Owner::Script(from) => moved.get(from).copied().flatten().map(Owner::Script),
            Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::Check(_) | Owner::Nobody => {
                Some(owner)
            }
        };
        self.shared.children.reassign(cx, &mut place);
        self.shared.set_children_timer();
    }
}
