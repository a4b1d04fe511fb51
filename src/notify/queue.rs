//! The order of notify scripts: those of one object (instance, group, server) run one after another
//! in the order of events; those of different objects run side by side, so that a slow script
//! delays only its own object.
//!
//! The number of processes and of waiting runs per object is bounded. If scripts cannot keep up,
//! outdated runs are skipped, oldest first. The order is kept; the latest state and the end (STOP,
//! DELETED) are never skipped.
//!
//! A script may run without limit while nothing waits for it. Otherwise it has [`TIME_LIMIT`] from
//! its start; then the owner of the queue must terminate it ([`Queue::overdue`]).

use std::collections::VecDeque;

use core::time::Duration;

use super::{NotifyEvent, ObjectKind};
use crate::config::model::Command;
use crate::types::Instant;

/// Scripts that run at once.
pub const MAX_RUNNING: usize = 64;
/// Waiting runs of one object.
const MAX_WAITING: usize = 16;
/// Time limit of a script that others wait for.
pub const TIME_LIMIT: Duration = Duration::from_secs(60);
/// The same while the daemon stops, which takes at most a second.
const SHUTDOWN_TIME_LIMIT: Duration = Duration::from_millis(400);

/// One script to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptRun {
    /// The keyword that configures it, for the log.
    pub keyword: &'static str,
    /// The script.
    pub command: Command,
    /// Arguments after the configured ones.
    pub extra_args: Vec<String>,
}

/// Identifies an object with scripts. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueId(u32);

/// Classes of events. A later event makes an earlier one of its class outdated, except `End`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    State,
    Notice,
    End,
}

impl Class {
    fn of(event: NotifyEvent) -> Self {
        match event {
            NotifyEvent::Master
            | NotifyEvent::Backup
            | NotifyEvent::Fault
            | NotifyEvent::Up
            | NotifyEvent::Down => Class::State,
            NotifyEvent::Stop | NotifyEvent::Deleted | NotifyEvent::DownAtEnd => Class::End,
            NotifyEvent::LowerPriority
            | NotifyEvent::MasterPriority
            | NotifyEvent::BackupPriority => Class::Notice,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    /// Runs of one event are skipped together.
    event: u32,
    class: Class,
    run: ScriptRun,
}

/// A script that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningScript {
    /// When it was started.
    since: Instant,
    /// It was sent SIGTERM.
    terminated: bool,
    /// Name of its object: `VI_1`.
    pub name: String,
    /// The keyword that configures it.
    pub keyword: &'static str,
    /// Path of the program.
    pub program: String,
}

/// An object with waiting or running scripts. Dropped after the last one.
#[derive(Debug)]
struct ObjectQueue {
    id: QueueId,
    kind: ObjectKind,
    name: String,
    running: Option<RunningScript>,
    waiting: VecDeque<Waiting>,
}

/// Waiting and running scripts of all objects.
#[derive(Debug, Default)]
pub struct Queue {
    objects: Vec<ObjectQueue>,
    /// Objects that may start their next script, in order.
    ready: VecDeque<QueueId>,
    running: usize,
    next_id: u32,
    /// Number of the last event.
    event: u32,
    /// When the daemon started to stop.
    shutdown: Option<Instant>,
}

impl Queue {
    /// Queues the scripts of an event, which run in this order. Returns the number of outdated runs
    /// that are skipped.
    pub fn add(
        &mut self,
        kind: ObjectKind,
        name: &str,
        event: NotifyEvent,
        runs: Vec<ScriptRun>,
    ) -> usize {
        if runs.is_empty() {
            return 0;
        }
        let known = self
            .objects
            .iter()
            .position(|object| object.kind == kind && object.name == name);
        let index = known.unwrap_or_else(|| self.open(kind, name));
        self.event = self.event.wrapping_add(1);
        let (number, class) = (self.event, Class::of(event));
        let Some(object) = self.objects.get_mut(index) else {
            return 0;
        };
        if matches!(event, NotifyEvent::Stop | NotifyEvent::DownAtEnd) {
            // Outdated runs would delay the last one.
            object.waiting.retain(|waiting| waiting.class == Class::End);
        }
        object.waiting.extend(runs.into_iter().map(|run| Waiting {
            event: number,
            class,
            run,
        }));
        object.skip_outdated()
    }

    fn open(&mut self, kind: ObjectKind, name: &str) -> usize {
        let id = QueueId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        self.objects.push(ObjectQueue {
            id,
            kind,
            name: name.to_owned(),
            running: None,
            waiting: VecDeque::new(),
        });
        self.ready.push_back(id);
        self.objects.len().saturating_sub(1)
    }

    /// The next script to start. It counts as running until [`Queue::ended`].
    pub fn next(&mut self, now: Instant) -> Option<(QueueId, ScriptRun)> {
        if self.running >= MAX_RUNNING {
            return None;
        }
        let id = self.ready.pop_front()?;
        let object = self.objects.iter_mut().find(|object| object.id == id)?;
        let run = object.waiting.pop_front()?.run;
        object.running = Some(RunningScript {
            since: now,
            terminated: false,
            name: object.name.clone(),
            keyword: run.keyword,
            program: run.command.argv.first().cloned().unwrap_or_default(),
        });
        self.running = self.running.saturating_add(1);
        Some((id, run))
    }

    /// A script has ended, or could not be started.
    pub fn ended(&mut self, id: QueueId) -> Option<RunningScript> {
        let index = self.objects.iter().position(|object| object.id == id)?;
        let object = self.objects.get_mut(index)?;
        let ended = object.running.take()?;
        self.running = self.running.saturating_sub(1);
        if object.waiting.is_empty() {
            self.objects.swap_remove(index);
        } else {
            self.ready.push_back(id);
        }
        Some(ended)
    }

    /// The daemon stops: scripts that others wait for have [`SHUTDOWN_TIME_LIMIT`] left.
    pub fn start_shutdown(&mut self, now: Instant) {
        self.shutdown = Some(now);
    }

    fn time_limit(&self, running: &RunningScript) -> Instant {
        match self.shutdown {
            Some(since) => since.after(SHUTDOWN_TIME_LIMIT),
            None => running.since.after(TIME_LIMIT),
        }
    }

    /// Whether [`Queue::next`] returns a script.
    #[must_use]
    pub fn can_start(&self) -> bool {
        self.running < MAX_RUNNING && !self.ready.is_empty()
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// When [`Queue::overdue`] returns a script.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let (running, _) = self.oldest_blocking()?;
        Some(self.time_limit(running))
    }

    /// A script that exceeded its time limit while others wait for it. Each is returned once.
    pub fn overdue(&mut self, now: Instant) -> Option<(QueueId, RunningScript)> {
        let (running, id) = self.oldest_blocking()?;
        if now < self.time_limit(running) {
            return None;
        }
        let running = running.clone();
        let object = self.objects.iter_mut().find(|object| object.id == id)?;
        object.running.as_mut()?.terminated = true;
        Some((id, running))
    }

    /// The oldest script that something waits for: more scripts of its object or, if no more may
    /// run at once, any script.
    fn oldest_blocking(&self) -> Option<(&RunningScript, QueueId)> {
        let full = self.running >= MAX_RUNNING && !self.ready.is_empty();
        let ending = self
            .objects
            .iter()
            .any(|object| object.running.as_ref().is_some_and(|r| r.terminated));
        let blocking = self.objects.iter().filter_map(|object| {
            let running = object
                .running
                .as_ref()
                .filter(|running| !running.terminated)?;
            let wanted = !object.waiting.is_empty() || (full && !ending);
            wanted.then_some((running, object.id))
        });
        blocking.min_by_key(|(running, _)| running.since)
    }
}

impl ObjectQueue {
    /// Skips outdated runs while too many wait.
    fn skip_outdated(&mut self) -> usize {
        let mut skipped: usize = 0;
        while self.waiting.len() > MAX_WAITING {
            let outdated = self.waiting.iter().find(|old| {
                let mut all = self.waiting.iter();
                all.any(|new| {
                    new.class == old.class && new.event != old.event && is_later(new, old)
                })
            });
            let Some(event) = outdated.map(|old| old.event) else {
                break;
            };
            let before = self.waiting.len();
            self.waiting.retain(|waiting| waiting.event != event);
            skipped = skipped.saturating_add(before.saturating_sub(self.waiting.len()));
        }
        skipped
    }
}

/// Whether `new` was added after `old`, also after the counter has wrapped.
fn is_later(new: &Waiting, old: &Waiting) -> bool {
    new.event.wrapping_sub(old.event) < u32::MAX / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::User;

    fn run(program: &str) -> ScriptRun {
        ScriptRun {
            keyword: "notify",
            command: Command {
                argv: vec![program.into()],
                user: User::default(),
                secure: false,
            },
            extra_args: Vec::new(),
        }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_millis(seconds * 1000)
    }

    fn add(queue: &mut Queue, name: &str, word: NotifyEvent, programs: &[&str]) -> usize {
        let runs = programs.iter().map(|program| run(program)).collect();
        queue.add(ObjectKind::Instance, name, word, runs)
    }

    /// Starts all that may start; gives what was started.
    fn start(queue: &mut Queue, now: Instant) -> Vec<(QueueId, String)> {
        let started = core::iter::from_fn(|| queue.next(now));
        started
            .map(|(id, run)| (id, run.command.argv[0].clone()))
            .collect()
    }

    /// Runs everything to its end, one at a time; gives the programs in order.
    fn drain(queue: &mut Queue) -> Vec<String> {
        let mut order = Vec::new();
        let mut running = start(queue, at(0));
        while !running.is_empty() {
            let (id, program) = running.remove(0);
            order.push(program);
            queue.ended(id);
            running.extend(start(queue, at(0)));
        }
        order
    }

    #[test]
    fn scripts_of_one_instance_run_one_after_another() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Backup, &["a1", "a2"]);
        add(&mut queue, "a", NotifyEvent::Master, &["a3"]);
        for want in ["a1", "a2", "a3"] {
            let started = start(&mut queue, at(0));
            assert_eq!(started.len(), 1, "one at a time");
            assert_eq!(started[0].1, want);
            assert!(!queue.can_start());
            queue.ended(started[0].0);
        }
        assert!(queue.is_empty());
    }

    #[test]
    fn different_instances_and_groups_run_side_by_side() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["a1", "a2"]);
        add(&mut queue, "b", NotifyEvent::Master, &["b1"]);
        queue.add(ObjectKind::Group, "a", NotifyEvent::Master, vec![run("g1")]);
        let started: Vec<String> = start(&mut queue, at(0)).into_iter().map(|s| s.1).collect();
        assert_eq!(started, ["a1", "b1", "g1"]);
    }

    #[test]
    fn the_number_of_running_scripts_is_limited_and_all_run_in_the_end() {
        let mut queue = Queue::default();
        for nth in 0..100 {
            add(
                &mut queue,
                &format!("i{nth}"),
                NotifyEvent::Master,
                &["x", "y"],
            );
        }
        let mut running = start(&mut queue, at(0));
        assert_eq!(running.len(), MAX_RUNNING);
        let mut told = running.len();
        while let Some((id, _)) = running.pop() {
            queue.ended(id);
            let next = start(&mut queue, at(0));
            told += next.len();
            running.extend(next);
            assert!(running.len() <= MAX_RUNNING);
        }
        assert_eq!(told, 200);
        assert!(queue.is_empty());
    }

    #[test]
    fn outdated_states_are_skipped_from_the_oldest_and_the_last_is_kept() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["running"]);
        let _ = start(&mut queue, at(0));
        let mut skipped = 0;
        for nth in 0..500 {
            let (m, n) = (format!("m{nth}"), format!("n{nth}"));
            skipped += add(&mut queue, "a", NotifyEvent::Master, &[&m, &n]);
        }
        let object = &queue.objects[0];
        assert!(object.waiting.len() <= MAX_WAITING);
        let left: Vec<&str> = object
            .waiting
            .iter()
            .map(|w| &*w.run.command.argv[0])
            .collect();
        assert_eq!(
            left[..2],
            ["m492", "n492"],
            "what happened together stays together"
        );
        assert_eq!(left[14..], ["m499", "n499"]);
        assert_eq!(skipped + left.len(), 1000);
    }

    #[test]
    fn neither_the_end_nor_the_last_state_is_ever_skipped() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Deleted, &["deleted"]);
        add(&mut queue, "a", NotifyEvent::Backup, &["old"]);
        add(&mut queue, "a", NotifyEvent::Master, &["master"]);
        for _ in 0..100 {
            add(&mut queue, "a", NotifyEvent::LowerPriority, &["lower"]);
        }
        let order = drain(&mut queue);
        assert_eq!(order.len(), MAX_WAITING);
        assert_eq!(order[..2], ["deleted", "master"]);
        assert_eq!(order.last().map(String::as_str), Some("lower"));
    }

    #[test]
    fn ends_are_bounded_too() {
        let mut queue = Queue::default();
        for nth in 0..100 {
            add(&mut queue, "a", NotifyEvent::Deleted, &[&format!("d{nth}")]);
        }
        let order = drain(&mut queue);
        assert_eq!(order.len(), MAX_WAITING);
        assert_eq!(order.last().map(String::as_str), Some("d99"));
    }

    #[test]
    fn a_script_has_no_time_limit_until_something_waits_for_it() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
        let (id, _) = queue.next(at(0)).expect("ready");
        assert_eq!(queue.next_deadline(), None);
        assert_eq!(queue.overdue(at(10_000)), None);
        add(&mut queue, "a", NotifyEvent::Backup, &["next"]);
        assert_eq!(queue.next_deadline(), Some(at(60)));
        assert_eq!(queue.overdue(at(59)), None);
        let (late, running) = queue.overdue(at(60)).expect("overdue");
        assert_eq!((late, &*running.program), (id, "slow"));
        assert_eq!(queue.overdue(at(61)), None, "told once");
        assert_eq!(queue.next_deadline(), None);
        queue.ended(id);
        assert_eq!(start(&mut queue, at(61))[0].1, "next");
    }

    #[test]
    fn at_the_process_limit_the_oldest_script_is_terminated() {
        let mut queue = Queue::default();
        for nth in 0..MAX_RUNNING {
            add(
                &mut queue,
                &format!("i{nth}"),
                NotifyEvent::Master,
                &["forever"],
            );
            assert!(queue.next(at(nth as u64)).is_some());
        }
        assert_eq!(queue.next_deadline(), None, "nobody waits");
        add(&mut queue, "late", NotifyEvent::Master, &["late"]);
        assert_eq!(queue.next_deadline(), Some(at(60)));
        let (id, running) = queue.overdue(at(200)).expect("overdue");
        assert_eq!(running.name, "i0");
        assert_eq!(queue.overdue(at(200)), None, "one place is enough for now");
        queue.ended(id);
        assert_eq!(start(&mut queue, at(200))[0].1, "late");
    }

    #[test]
    fn at_shutdown_outdated_runs_are_skipped_and_slow_scripts_terminated() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
        let (id, _) = queue.next(at(0)).expect("ready");
        add(&mut queue, "a", NotifyEvent::Backup, &["history"]);
        assert_eq!(add(&mut queue, "a", NotifyEvent::Stop, &["stop"]), 0);
        queue.start_shutdown(at(10));
        let soon = at(10).after(SHUTDOWN_TIME_LIMIT);
        assert_eq!(queue.next_deadline(), Some(soon));
        assert_eq!(queue.overdue(at(10)), None);
        assert_eq!(queue.overdue(soon).map(|(late, _)| late), Some(id));
        queue.ended(id);
        assert_eq!(start(&mut queue, soon)[0].1, "stop");
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn unknown_ids_and_empty_events_change_nothing() {
        let mut queue = Queue::default();
        assert_eq!(
            queue.add(ObjectKind::Group, "g", NotifyEvent::Master, Vec::new()),
            0
        );
        assert!(queue.is_empty());
        assert_eq!(queue.ended(QueueId(7)), None);
        add(&mut queue, "a", NotifyEvent::Master, &["x"]);
        let (id, _) = queue.next(at(0)).expect("ready");
        assert!(queue.ended(id).is_some());
        assert_eq!(queue.ended(id), None, "only once");
    }
}
