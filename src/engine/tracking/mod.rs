//! Tracked objects: their state, and what it means for the instances that track them.
//!
//! Scripts, files and processes are shared by all instances that track them; each track has its own
//! weight. When the state of an object changes all instances are evaluated again, as when an
//! interface changes.

mod file;
mod process;
mod script;

use core::fmt::Write;

use crate::config::model::{Config, Script, Track, TrackFile, TrackProcess, Tracked};
use crate::ctl;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::system::System;
use crate::engine::timers::TimerKey;
use crate::types::{Instant, Priority};
use crate::vrrp::Reason;
use crate::vrrp::track::{self, Effect, Weight};

use file::Files;
use process::Processes;
use script::Scripts;

/// The tracked objects of a configuration.
#[derive(Debug)]
pub(crate) struct TrackedObjects {
    pub(crate) scripts: Vec<Script>,
    pub(crate) files: Vec<TrackFile>,
    pub(crate) processes: Vec<TrackProcess>,
}

/// All tracked objects.
#[derive(Debug)]
pub(crate) struct Tracking {
    scripts: Scripts,
    files: Files,
    processes: Processes,
}

impl Tracking {
    /// Takes the tracked objects out of a configuration.
    pub(crate) fn new(config: &mut Config) -> Self {
        Tracking {
            scripts: Scripts::new(core::mem::take(&mut config.scripts)),
            files: Files::new(core::mem::take(&mut config.track_files)),
            processes: Processes::new(core::mem::take(&mut config.track_processes)),
        }
    }

    /// The effect of one track.
    fn effect(&self, track: &Track, links: &Interfaces) -> Effect {
        let Track {
            object: what,
            weight,
            reverse,
        } = track;
        let weight = Weight {
            value: *weight,
            reverse: *reverse,
        };
        let verdict = match what {
            Tracked::Interface(name) => Some(links.by_name(name).is_some_and(Interface::is_up)),
            Tracked::Script(nth) => self.scripts.verdict(*nth),
            Tracked::Process(nth) => self.processes.verdict(*nth),
            Tracked::File(nth) => {
                return track::file::effect(self.files.number(*nth), weight);
            }
        };
        track::effect(verdict, weight)
    }

    /// The number in a tracked file (`FILE_CHECK`).
    #[cfg(feature = "lvs")]
    pub(crate) fn file_number(&self, index: usize) -> i32 {
        self.files.number(index)
    }

    /// What one track adds to the priority.
    pub(crate) fn summand(&self, track: &Track, links: &Interfaces) -> i32 {
        match self.effect(track, links) {
            Effect::Add(summand) => summand,
            Effect::Fault | Effect::Pending => 0,
        }
    }

    // ---- for dumps ----

    pub(crate) fn show_scripts(&self) -> impl Iterator<Item = ctl::Script<'_>> {
        self.scripts.show()
    }

    pub(crate) fn show_files(&self) -> impl Iterator<Item = (&TrackFile, Option<i64>)> {
        self.files.show()
    }

    pub(crate) fn show_processes(&self) -> impl Iterator<Item = ctl::Process<'_>> {
        self.processes.show()
    }

    /// Whether a script, file or process has this name.
    pub(crate) fn has_object(&self, name: &str) -> bool {
        self.scripts.show().any(|one| one.conf.name == name)
            || self.files.show().any(|(conf, _)| conf.name == name)
            || self.processes.show().any(|one| one.conf.name == name)
    }

    /// One track of an instance.
    pub(crate) fn show<'a>(
        &'a self,
        track: &'a Track,
        links: &Interfaces,
    ) -> ctl::PriorityPart<'a> {
        let (name, up) = match &track.object {
            Tracked::Interface(name) => {
                let up = links.by_name(name).is_some_and(Interface::is_up);
                (name.as_str(), Some(up))
            }
            Tracked::Script(nth) => (self.scripts.name(*nth), self.scripts.verdict(*nth)),
            Tracked::Process(nth) => (self.processes.name(*nth), self.processes.verdict(*nth)),
            Tracked::File(nth) => {
                let fault = self.effect(track, links) == Effect::Fault;
                (self.files.name(*nth), Some(!fault))
            }
        };
        ctl::PriorityPart {
            track,
            name,
            up,
            adds: self.summand(track, links),
        }
    }

    /// Why an instance with these tracks is in FAULT; interfaces aside.
    pub(crate) fn fault(&self, tracks: &[Track], links: &Interfaces) -> Option<Reason> {
        let failed = self.failed(tracks, links)?;
        Some(match failed.object {
            Tracked::Interface(_) => Reason::InterfaceDown,
            Tracked::Script(_) => Reason::ScriptFailing,
            Tracked::File(_) => Reason::FileBad,
            Tracked::Process(_) => Reason::ProcessBad,
        })
    }

    fn failed<'a>(&self, tracks: &'a [Track], links: &Interfaces) -> Option<&'a Track> {
        let others = |track: &&Track| !matches!(track.object, Tracked::Interface(_));
        let mut others = tracks.iter().filter(others);
        others.find(|track| self.effect(track, links) == Effect::Fault)
    }

    /// Whether an object has no result yet that an instance with these tracks must not start
    /// without.
    pub(crate) fn is_pending(&self, tracks: &[Track], links: &Interfaces) -> bool {
        let mut effects = tracks.iter().map(|track| self.effect(track, links));
        effects.any(|effect| effect == Effect::Pending)
    }

    /// Whether any object has no result yet.
    pub(crate) fn is_unsure(&self, tracks: &[Track]) -> bool {
        tracks.iter().any(|track| match &track.object {
            Tracked::Script(nth) => self.scripts.verdict(*nth).is_none(),
            Tracked::Process(nth) => self.processes.verdict(*nth).is_none(),
            Tracked::Interface(_) | Tracked::File(_) => false,
        })
    }

    /// The object whose first result an instance with these tracks must wait for.
    pub(crate) fn awaited(&self, tracks: &[Track], links: &Interfaces) -> Option<String> {
        let waits = |track: &&Track| self.effect(track, links) == Effect::Pending;
        tracks.iter().find(waits).map(|track| self.name(track))
    }

    // ---- texts ----

    /// `script check`, `interface eth1`.
    fn name(&self, track: &Track) -> String {
        match &track.object {
            Tracked::Interface(name) => format!("interface {name}"),
            Tracked::Script(nth) => format!("script {}", self.scripts.name(*nth)),
            Tracked::File(nth) => format!("track_file {}", self.files.name(*nth)),
            Tracked::Process(nth) => format!("track_process {}", self.processes.name(*nth)),
        }
    }

    /// The first failed object and its state: `script check exited with status 1`.
    pub(crate) fn explain_fault(&self, tracks: &[Track], links: &Interfaces) -> String {
        let Some(track) = self.failed(tracks, links) else {
            return "a tracked object has failed".into();
        };
        let name = self.name(track);
        match &track.object {
            Tracked::Script(nth) => format!("{name} {}", self.scripts.condition(*nth)),
            Tracked::File(nth) => format!("{name} is {}", self.files.number(*nth)),
            Tracked::Process(nth) => format!("{name}: {}", self.processes.condition(*nth)),
            Tracked::Interface(_) => name,
        }
    }

    /// How a priority is composed: `base 100, script check -20`.
    pub(crate) fn explain_sum(
        &self,
        base: Priority,
        tracks: &[Track],
        links: &Interfaces,
    ) -> String {
        let mut text = format!("base {base}");
        for track in tracks {
            let summand = self.summand(track, links);
            if summand != 0 {
                // Writing to a string cannot fail.
                let _ = write!(text, ", {} {summand:+}", self.name(track));
            }
        }
        text
    }
}

impl Engine {
    /// Reads files and processes, and schedules the scripts. Before the instances start.
    pub(crate) fn start_tracking(&mut self, cx: &mut Cx<'_>) {
        self.shared.tracking.files.init(cx);
        self.refresh_files(cx);
        self.shared.start_process_scan(cx);
        self.shared.continue_process_scan(cx);
        self.shared.start_scripts(cx.now);
    }

    /// Runs what is due.
    pub(crate) fn run_tracking(&mut self, cx: &mut Cx<'_>) {
        self.shared.run_due_scripts(cx);
        if cx.is_due(self.shared.tracking.files.next_deadline()) {
            self.refresh_files(cx);
        }
        if cx.is_due(self.shared.tracking.processes.next_deadline()) {
            self.shared.start_process_scan(cx);
        }
    }

    /// Whether tracked objects need another slice of work.
    pub(crate) fn has_tracking_work(&self) -> bool {
        self.shared.tracking.processes.is_scanning()
    }

    /// Watched files have changed.
    pub fn files_changed(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let files = &mut self.shared.tracking.files;
        if files.postpone(now) {
            let next = files.next_deadline();
            return self.shared.set_timer(TimerKey::Files, next);
        }
        self.refresh_files(cx);
        self.refresh_if_dirty(cx);
    }

    /// After a reload: objects that stay as they are keep their state and running child.
    pub(crate) fn replace_tracking(&mut self, cx: &mut Cx<'_>, new: TrackedObjects) {
        self.shared.replace_scripts(cx, new.scripts);
        self.shared.tracking.files.replace(new.files);
        self.shared.tracking.processes.replace(new.processes);
        self.start_tracking(cx);
    }
}
