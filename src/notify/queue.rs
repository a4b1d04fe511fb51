//! In which order notify scripts run: those of one instance, group or server strictly one after another, as things
//! happened; different ones side by side, so that a slow script holds up only its own.
//!
//! Bounded in every direction: so many processes at once, so many waiting runs per instance. When more
//! happens than scripts can be told, states that are history already are skipped, oldest first. The order
//! stays, the latest state is always told, and so is the end (STOP, DELETED).
//!
//! A script may take as long as it likes while nothing waits for it. If something does, it has
//! [`PATIENCE`] from its start; then whoever owns the queue must end it ([`Queue::overdue`]).

use std::collections::VecDeque;

use core::time::Duration;

use super::{NotifyEvent, ObjectKind};
use crate::config::model::Command;
use crate::types::Instant;

/// Scripts that run at once.
pub const MOST_RUNNING: usize = 64;
/// Runs that wait for one instance or group.
const MOST_WAITING: usize = 16;
/// What a script gets when others wait for its end.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What it gets at the daemon's end, which gives all of them a second.
const HURRY: Duration = Duration::from_millis(400);

/// One script to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScriptRun {
    /// The keyword it comes from, for the log.
    pub keyword: &'static str,
    /// The script.
    pub command: Command,
    /// Arguments after its own.
    pub extra_args: Vec<String>,
}

/// Names a running script's instance or group. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueId(u32);

/// What later news make superfluous.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    State,
    Remark,
    End,
}

impl Class {
    fn of(word: NotifyEvent) -> Self {
        match word {
            NotifyEvent::Master
            | NotifyEvent::Backup
            | NotifyEvent::Fault
            | NotifyEvent::Up
            | NotifyEvent::Down => Class::State,
            NotifyEvent::Stop | NotifyEvent::Deleted | NotifyEvent::DownAtEnd => Class::End,
            NotifyEvent::LowerPriority
            | NotifyEvent::MasterPriority
            | NotifyEvent::BackupPriority => Class::Remark,
        }
    }
}

#[derive(Debug)]
struct Waiting {
    /// What happened together is skipped together.
    turn: u32,
    class: Class,
    run: ScriptRun,
}

/// What is known of a script that runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RunningScript {
    /// Since when.
    since: Instant,
    /// It was told to end.
    told: bool,
    /// Whose it is: `VI_1`.
    pub name: String,
    /// The keyword it comes from.
    pub keyword: &'static str,
    /// Its program.
    pub program: String,
}

/// One instance or group that has something to tell. Forgotten when all is told.
#[derive(Debug)]
struct Lane {
    ticket: QueueId,
    kind: ObjectKind,
    name: String,
    running: Option<RunningScript>,
    waiting: VecDeque<Waiting>,
}

/// See the top of the file.
#[derive(Debug, Default)]
pub struct Queue {
    lanes: Vec<Lane>,
    /// Those that may start their next script, in turn.
    ready: VecDeque<QueueId>,
    running: usize,
    next: u32,
    turn: u32,
    /// The end has begun.
    hurried: Option<Instant>,
}

impl Queue {
    /// Something happened, of which these scripts must be told in this order. Gives the number of older runs
    /// that are skipped for it.
    pub fn add(
        &mut self,
        kind: ObjectKind,
        name: &str,
        word: NotifyEvent,
        runs: Vec<ScriptRun>,
    ) -> usize {
        if runs.is_empty() {
            return 0;
        }
        let known = self
            .lanes
            .iter()
            .position(|lane| lane.kind == kind && lane.name == name);
        let place = known.unwrap_or_else(|| self.open(kind, name));
        self.turn = self.turn.wrapping_add(1);
        let (turn, class) = (self.turn, Class::of(word));
        let Some(lane) = self.lanes.get_mut(place) else {
            return 0;
        };
        if matches!(word, NotifyEvent::Stop | NotifyEvent::DownAtEnd) {
            // There is no time left for history.
            lane.waiting.retain(|waiting| waiting.class == Class::End);
        }
        lane.waiting
            .extend(runs.into_iter().map(|run| Waiting { turn, class, run }));
        lane.shorten()
    }

    fn open(&mut self, kind: ObjectKind, name: &str) -> usize {
        let ticket = QueueId(self.next);
        self.next = self.next.wrapping_add(1);
        self.lanes.push(Lane {
            ticket,
            kind,
            name: name.to_owned(),
            running: None,
            waiting: VecDeque::new(),
        });
        self.ready.push_back(ticket);
        self.lanes.len().saturating_sub(1)
    }

    /// The next script to start; it counts as running from now on, until [`Queue::ended`].
    pub fn next(&mut self, now: Instant) -> Option<(QueueId, ScriptRun)> {
        if self.running >= MOST_RUNNING {
            return None;
        }
        let ticket = self.ready.pop_front()?;
        let lane = self.lanes.iter_mut().find(|lane| lane.ticket == ticket)?;
        let run = lane.waiting.pop_front()?.run;
        lane.running = Some(RunningScript {
            since: now,
            told: false,
            name: lane.name.clone(),
            keyword: run.keyword,
            program: run.command.argv.first().cloned().unwrap_or_default(),
        });
        self.running = self.running.saturating_add(1);
        Some((ticket, run))
    }

    /// A script has ended, or could not be started.
    pub fn ended(&mut self, ticket: QueueId) -> Option<RunningScript> {
        let place = self.lanes.iter().position(|lane| lane.ticket == ticket)?;
        let lane = self.lanes.get_mut(place)?;
        let ended = lane.running.take()?;
        self.running = self.running.saturating_sub(1);
        if lane.waiting.is_empty() {
            self.lanes.swap_remove(place);
        } else {
            self.ready.push_back(ticket);
        }
        Some(ended)
    }

    /// The daemon ends: whoever is in the way has little time left.
    pub fn hurry(&mut self, now: Instant) {
        self.hurried = Some(now);
    }

    fn patience(&self, running: &RunningScript) -> Instant {
        match self.hurried {
            Some(since) => since.after(HURRY),
            None => running.since.after(PATIENCE),
        }
    }

    /// Whether [`Queue::next`] has something.
    #[must_use]
    pub fn can_start(&self) -> bool {
        self.running < MOST_RUNNING && !self.ready.is_empty()
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lanes.is_empty()
    }

    /// When [`Queue::overdue`] has something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        let (running, _) = self.first_in_the_way()?;
        Some(self.patience(running))
    }

    /// A script that others have waited for long enough. Each is named once.
    pub fn overdue(&mut self, now: Instant) -> Option<(QueueId, RunningScript)> {
        let (running, ticket) = self.first_in_the_way()?;
        if now < self.patience(running) {
            return None;
        }
        let running = running.clone();
        let lane = self.lanes.iter_mut().find(|lane| lane.ticket == ticket)?;
        lane.running.as_mut()?.told = true;
        Some((ticket, running))
    }

    /// The oldest script that something waits for: more of its own instance, or, when no more may run at once,
    /// anything at all.
    fn first_in_the_way(&self) -> Option<(&RunningScript, QueueId)> {
        let full = self.running >= MOST_RUNNING && !self.ready.is_empty();
        let ending = self
            .lanes
            .iter()
            .any(|lane| lane.running.as_ref().is_some_and(|r| r.told));
        let in_the_way = self.lanes.iter().filter_map(|lane| {
            let running = lane.running.as_ref().filter(|running| !running.told)?;
            let wanted = !lane.waiting.is_empty() || (full && !ending);
            wanted.then_some((running, lane.ticket))
        });
        in_the_way.min_by_key(|(running, _)| running.since)
    }
}

impl Lane {
    /// Skips what is history, as long as too much waits.
    fn shorten(&mut self) -> usize {
        let mut skipped: usize = 0;
        while self.waiting.len() > MOST_WAITING {
            let history = self.waiting.iter().find(|old| {
                let mut all = self.waiting.iter();
                all.any(|new| new.class == old.class && new.turn != old.turn && later(new, old))
            });
            let Some(turn) = history.map(|old| old.turn) else {
                break;
            };
            let before = self.waiting.len();
            self.waiting.retain(|waiting| waiting.turn != turn);
            skipped = skipped.saturating_add(before.saturating_sub(self.waiting.len()));
        }
        skipped
    }
}

/// Whether `new` was added after `old`, also when the count has begun anew.
fn later(new: &Waiting, old: &Waiting) -> bool {
    new.turn.wrapping_sub(old.turn) < u32::MAX / 2
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
            .map(|(ticket, run)| (ticket, run.command.argv[0].clone()))
            .collect()
    }

    /// Runs everything to its end, one at a time; gives the programs in order.
    fn drain(queue: &mut Queue) -> Vec<String> {
        let mut order = Vec::new();
        let mut running = start(queue, at(0));
        while !running.is_empty() {
            let (ticket, program) = running.remove(0);
            order.push(program);
            queue.ended(ticket);
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
    fn no_more_than_so_many_run_at_once_and_all_get_their_turn() {
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
        assert_eq!(running.len(), MOST_RUNNING);
        let mut told = running.len();
        while let Some((ticket, _)) = running.pop() {
            queue.ended(ticket);
            let next = start(&mut queue, at(0));
            told += next.len();
            running.extend(next);
            assert!(running.len() <= MOST_RUNNING);
        }
        assert_eq!(told, 200);
        assert!(queue.is_empty());
    }

    #[test]
    fn too_many_states_are_skipped_from_the_oldest_and_the_last_is_told() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["running"]);
        let _ = start(&mut queue, at(0));
        let mut skipped = 0;
        for nth in 0..500 {
            let (m, n) = (format!("m{nth}"), format!("n{nth}"));
            skipped += add(&mut queue, "a", NotifyEvent::Master, &[&m, &n]);
        }
        let lane = &queue.lanes[0];
        assert!(lane.waiting.len() <= MOST_WAITING);
        let left: Vec<&str> = lane
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
    fn the_end_is_never_skipped_and_neither_is_the_last_state_before_remarks() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Deleted, &["deleted"]);
        add(&mut queue, "a", NotifyEvent::Backup, &["old"]);
        add(&mut queue, "a", NotifyEvent::Master, &["master"]);
        for _ in 0..100 {
            add(&mut queue, "a", NotifyEvent::LowerPriority, &["lower"]);
        }
        let order = drain(&mut queue);
        assert_eq!(order.len(), MOST_WAITING);
        assert_eq!(order[..2], ["deleted", "master"]);
        assert_eq!(order.last().map(String::as_str), Some("lower"));
    }

    #[test]
    fn even_ends_are_bounded() {
        let mut queue = Queue::default();
        for nth in 0..100 {
            add(&mut queue, "a", NotifyEvent::Deleted, &[&format!("d{nth}")]);
        }
        let order = drain(&mut queue);
        assert_eq!(order.len(), MOST_WAITING);
        assert_eq!(order.last().map(String::as_str), Some("d99"));
    }

    #[test]
    fn a_script_may_take_its_time_until_something_waits_for_it() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
        let (ticket, _) = queue.next(at(0)).expect("ready");
        assert_eq!(queue.next_deadline(), None);
        assert_eq!(queue.overdue(at(10_000)), None);
        add(&mut queue, "a", NotifyEvent::Backup, &["next"]);
        assert_eq!(queue.next_deadline(), Some(at(60)));
        assert_eq!(queue.overdue(at(59)), None);
        let (late, running) = queue.overdue(at(60)).expect("overdue");
        assert_eq!((late, &*running.program), (ticket, "slow"));
        assert_eq!(queue.overdue(at(61)), None, "told once");
        assert_eq!(queue.next_deadline(), None);
        queue.ended(ticket);
        assert_eq!(start(&mut queue, at(61))[0].1, "next");
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_script_makes_room() {
        let mut queue = Queue::default();
        for nth in 0..MOST_RUNNING {
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
        let (ticket, running) = queue.overdue(at(200)).expect("overdue");
        assert_eq!(running.name, "i0");
        assert_eq!(queue.overdue(at(200)), None, "one place is enough for now");
        queue.ended(ticket);
        assert_eq!(start(&mut queue, at(200))[0].1, "late");
    }

    #[test]
    fn at_the_end_history_is_skipped_and_nobody_holds_it_up() {
        let mut queue = Queue::default();
        add(&mut queue, "a", NotifyEvent::Master, &["slow"]);
        let (ticket, _) = queue.next(at(0)).expect("ready");
        add(&mut queue, "a", NotifyEvent::Backup, &["history"]);
        assert_eq!(add(&mut queue, "a", NotifyEvent::Stop, &["stop"]), 0);
        queue.hurry(at(10));
        let soon = at(10).after(HURRY);
        assert_eq!(queue.next_deadline(), Some(soon));
        assert_eq!(queue.overdue(at(10)), None);
        assert_eq!(queue.overdue(soon).map(|(late, _)| late), Some(ticket));
        queue.ended(ticket);
        assert_eq!(start(&mut queue, soon)[0].1, "stop");
        assert_eq!(queue.next_deadline(), None);
    }

    #[test]
    fn unknown_tickets_and_empty_tellings_change_nothing() {
        let mut queue = Queue::default();
        assert_eq!(
            queue.add(ObjectKind::Group, "g", NotifyEvent::Master, Vec::new()),
            0
        );
        assert!(queue.is_empty());
        assert_eq!(queue.ended(QueueId(7)), None);
        add(&mut queue, "a", NotifyEvent::Master, &["x"]);
        let (ticket, _) = queue.next(at(0)).expect("ready");
        assert!(queue.ended(ticket).is_some());
        assert_eq!(queue.ended(ticket), None, "only once");
    }
}
