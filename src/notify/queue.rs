//! The order of notify scripts: those of one object (instance, group, server) run one after another
//! in the order of events; those of different objects run side by side, so that a slow script
//! delays only its own object.
//!
//! The number of processes and of waiting runs per object is bounded. If scripts cannot keep up,
//! outdated runs are skipped, oldest first. The order is kept; the latest state and the end (STOP,
//! DELETED) are never skipped.
//!
//! A script may run without limit while nothing waits for it. Otherwise it has [`TIME_LIMIT`] from
//! its start; then the owner of the queue must terminate it ([`Queue::overdue`]). If it is about a
//! state that a newer event has superseded, it has [`Queue::superseded_limit`] from that event, and
//! other runs for superseded states are skipped with it. It is ended rather than left running beside
//! the next one, because whichever of the two ended last would decide what they configure.

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
/// Default of `notify_supersede_timeout`.
pub const SUPERSEDED_LIMIT: Duration = Duration::from_secs(3);
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
    class: Class,
    /// When its state was superseded by a newer one, or by the end.
    superseded: Option<Instant>,
    /// Why [`Queue::overdue`] returned it.
    pub terminated: Option<&'static str>,
    /// Type of its object.
    pub kind: ObjectKind,
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
    /// Time that a script may run after its state was superseded.
    pub superseded_limit: Duration,
}

impl Queue {
    /// Queues the scripts of an event, which run in this order. Returns the number of outdated runs
    /// that are skipped.
    pub fn add(
        &mut self,
        now: Instant,
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
        if class != Class::Notice
            && let Some(running) = &mut object.running
        {
            running.supersede(now);
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
        let Waiting { event, class, run } = object.waiting.pop_front()?;
        let mut waiting = object.waiting.iter();
        let superseded = class == Class::State
            && waiting.any(|later| later.event != event && later.class != Class::Notice);
        object.running = Some(RunningScript {
            since: now,
            class,
            superseded: superseded.then_some(now),
            terminated: None,
            kind: object.kind,
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
            None => {
                let limit = running.since.after(TIME_LIMIT);
                let superseded = running.superseded;
                superseded.map_or(limit, |at| at.after(self.superseded_limit).min(limit))
            }
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
        let (running, _) = self.first_blocking()?;
        Some(self.time_limit(running))
    }

    /// A script that exceeded its time limit while others wait for it. Each is returned once. What
    /// waits for states that are superseded is skipped.
    pub fn overdue(&mut self, now: Instant) -> Option<(QueueId, RunningScript)> {
        let (running, id) = self.first_blocking()?;
        if now < self.time_limit(running) {
            return None;
        }
        let why = if self.shutdown.is_some() {
            "vrrpd stops"
        } else if now < running.since.after(TIME_LIMIT) {
            "a newer state waits"
        } else {
            "it ran for 60 seconds and others wait"
        };
        let mut running = running.clone();
        running.terminated = Some(why);
        let object = self.objects.iter_mut().find(|object| object.id == id)?;
        object.running.as_mut()?.terminated = Some(why);
        if running.superseded.is_some() {
            object.skip_superseded();
        }
        Some((id, running))
    }

    /// Of the scripts that something waits for, the one whose time limit is first: more scripts of
    /// its object wait or, if as many run as may, any script.
    fn first_blocking(&self) -> Option<(&RunningScript, QueueId)> {
        let full = self.running >= MAX_RUNNING && !self.ready.is_empty();
        let ending = self.objects.iter().any(|object| {
            object
                .running
                .as_ref()
                .is_some_and(|r| r.terminated.is_some())
        });
        let blocking = self.objects.iter().filter_map(|object| {
            let running = object
                .running
                .as_ref()
                .filter(|running| running.terminated.is_none())?;
            let wanted = !object.waiting.is_empty() || (full && !ending);
            wanted.then_some((running, object.id))
        });
        blocking.min_by_key(|(running, _)| self.time_limit(running))
    }
}

impl RunningScript {
    /// A newer state, or the end, is to be notified.
    fn supersede(&mut self, now: Instant) {
        if self.class == Class::State {
            self.superseded.get_or_insert(now);
        }
    }
}

impl ObjectQueue {
    /// Skips what waits for states before the last.
    fn skip_superseded(&mut self) {
        let mut rest = self.waiting.iter().rev();
        let last = rest
            .find(|one| one.class != Class::Notice)
            .map(|one| one.event);
        self.waiting
            .retain(|one| one.class != Class::State || Some(one.event) == last);
    }

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
mod tests;
