//! What instances track: how it stands, and what that means for each of them.
//!
//! Scripts, files and processes are shared by all who track them; an instance asks for the effect of each of
//! its tracks. When a verdict changes all instances are looked at again, as when an interface changes.

mod file;
mod process;
mod script;

use crate::engine::cx::Cx;
use core::fmt::Write;

use crate::config::model::{Config, Script, Track, TrackFile, TrackProcess, Tracked};
use crate::ctl;
use crate::engine::Engine;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::system::System;
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
    /// What a configuration tracks; takes it out of there.
    pub(crate) fn new(config: &mut Config) -> Self {
        Tracking {
            scripts: Scripts::new(core::mem::take(&mut config.scripts)),
            files: Files::new(core::mem::take(&mut config.track_files)),
            processes: Processes::new(core::mem::take(&mut config.track_processes)),
        }
    }

    /// What one tracked object means.
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
            Tracked::Script(place) => self.scripts.verdict(*place),
            Tracked::Process(place) => self.processes.verdict(*place),
            Tracked::File(place) => {
                return track::file::effect(self.files.number(*place), weight);
            }
        };
        track::effect(verdict, weight)
    }

    /// The number in a tracked file (`FILE_CHECK`).
    #[cfg(feature = "lvs")]
    pub(crate) fn file_number(&self, place: usize) -> i32 {
        self.files.number(place)
    }

    /// What one tracked object adds to the priority.
    pub(crate) fn summand(&self, track: &Track, links: &Interfaces) -> i32 {
        match self.effect(track, links) {
            Effect::Add(summand) => summand,
            Effect::Fault | Effect::Pending => 0,
        }
    }

    // ---- for a dump ----

    pub(crate) fn show_scripts(&self) -> impl Iterator<Item = ctl::Script<'_>> {
        self.scripts.show()
    }

    pub(crate) fn show_files(&self) -> impl Iterator<Item = (&TrackFile, Option<i64>)> {
        self.files.show()
    }

    pub(crate) fn show_processes(&self) -> impl Iterator<Item = ctl::Process<'_>> {
        self.processes.show()
    }

    /// One line of what an instance tracks.
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
            Tracked::Script(place) => (self.scripts.name(*place), self.scripts.verdict(*place)),
            Tracked::Process(place) => {
                (self.processes.name(*place), self.processes.verdict(*place))
            }
            Tracked::File(place) => {
                let fault = self.effect(track, links) == Effect::Fault;
                (self.files.name(*place), Some(!fault))
            }
        };
        ctl::PriorityPart {
            track,
            name,
            up,
            adds: self.summand(track, links),
        }
    }

    /// Why an instance with these tracks must not run. (Interfaces are looked at elsewhere.)
    pub(crate) fn fault(&self, tracks: &[Track], links: &Interfaces) -> Option<Reason> {
        let bad = self.bad(tracks, links)?;
        Some(match bad.object {
            Tracked::Interface(_) => Reason::InterfaceDown,
            Tracked::Script(_) => Reason::ScriptFailing,
            Tracked::File(_) => Reason::FileBad,
            Tracked::Process(_) => Reason::ProcessBad,
        })
    }

    fn bad<'a>(&self, tracks: &'a [Track], links: &Interfaces) -> Option<&'a Track> {
        let others = |track: &&Track| !matches!(track.object, Tracked::Interface(_));
        let mut others = tracks.iter().filter(others);
        others.find(|track| self.effect(track, links) == Effect::Fault)
    }

    /// Whether a first result is missing that an instance with these tracks must not begin without.
    pub(crate) fn is_pending(&self, tracks: &[Track], links: &Interfaces) -> bool {
        let mut effects = tracks.iter().map(|track| self.effect(track, links));
        effects.any(|effect| effect == Effect::Pending)
    }

    /// Whether the first result of anything is missing.
    pub(crate) fn is_unsure(&self, tracks: &[Track]) -> bool {
        tracks.iter().any(|track| match &track.object {
            Tracked::Script(place) => self.scripts.verdict(*place).is_none(),
            Tracked::Interface(_) | Tracked::File(_) | Tracked::Process(_) => false,
        })
    }

    /// The object that must give a first result before an instance with these tracks may begin.
    pub(crate) fn awaited(&self, tracks: &[Track], links: &Interfaces) -> Option<String> {
        let waits = |track: &&Track| self.effect(track, links) == Effect::Pending;
        tracks.iter().find(waits).map(|track| self.name(track))
    }

    // ---- words ----

    /// `script check`, `interface eth1`.
    fn name(&self, track: &Track) -> String {
        match &track.object {
            Tracked::Interface(name) => format!("interface {name}"),
            Tracked::Script(place) => format!("script {}", self.scripts.name(*place)),
            Tracked::File(place) => format!("track_file {}", self.files.name(*place)),
            Tracked::Process(place) => format!("track_process {}", self.processes.name(*place)),
        }
    }

    /// Why the first object at fault is: `script check exited with status 1`.
    pub(crate) fn explain_fault(&self, tracks: &[Track], links: &Interfaces) -> String {
        let Some(track) = self.bad(tracks, links) else {
            return "a tracked object is bad".into();
        };
        let name = self.name(track);
        match &track.object {
            Tracked::Script(place) => format!("{name} {}", self.scripts.condition(*place)),
            Tracked::File(place) => format!("{name} is {}", self.files.number(*place)),
            Tracked::Process(place) => format!("{name}: {}", self.processes.condition(*place)),
            Tracked::Interface(_) => name,
        }
    }

    /// What a priority is made of: `base 100, script check -20`.
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
    /// Reads what can be read at once and lets scripts begin. Before the instances do.
    pub(crate) fn start_tracking(&mut self, cx: &mut Cx<'_>) {
        self.shared.tracking.files.init(cx);
        self.refresh_files(cx);
        self.refresh_processes(cx);
        self.start_scripts(cx.now);
    }

    /// The turns that have come. (None when the daemon ends.)
    pub(crate) fn run_tracking(&mut self, cx: &mut Cx<'_>) {
        self.run_due_scripts(cx);
        if cx.is_due(self.shared.tracking.files.next_deadline()) {
            self.refresh_files(cx);
        }
        if cx.is_due(self.shared.tracking.processes.next_deadline()) {
            self.refresh_processes(cx);
        }
    }

    /// Something has changed about the watched files.
    pub fn files_changed(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        self.refresh_files(cx);
        self.refresh_if_dirty(cx);
    }

    /// Another configuration: objects that stay as they are keep verdict and running child.
    pub(crate) fn replace_tracking(&mut self, cx: &mut Cx<'_>, new: TrackedObjects) {
        self.replace_scripts(cx, new.scripts);
        self.shared.tracking.files.replace(new.files);
        self.shared.tracking.processes.replace(new.processes);
        self.start_tracking(cx);
    }
}
