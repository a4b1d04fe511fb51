//! Sync groups and tracked objects in the state dump; what an instance tracks, and which instances
//! track an object.

use core::fmt;

use super::clock::{Seconds, Short};
use super::lines::{Escaped, Quoted};
use super::notify::notify;
use super::page::Page;
use super::{Instance, Interface, PriorityPart, ScriptState, Snapshot};
use crate::config::model::{self, ParamMatch, Track, Tracked};
use crate::types::VrrpState;

/// `weight 10 reverse`, as in the configuration.
struct Weight<'a>(&'a Track);

impl fmt::Display for Weight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "weight {}", self.0.weight)?;
        f.write_str(if self.0.reverse { " reverse" } else { "" })
    }
}

/// Kinds of tracked objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackerKind {
    Interface,
    Script,
    File,
    Process,
}

#[cfg(feature = "json")]
impl TrackerKind {
    /// A keyword for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            TrackerKind::Interface => "interface",
            TrackerKind::Script => "script",
            TrackerKind::File => "file",
            TrackerKind::Process => "process",
        }
    }
}

impl PriorityPart<'_> {
    pub(super) fn kind(&self) -> TrackerKind {
        match self.track.object {
            Tracked::Interface(_) => TrackerKind::Interface,
            Tracked::Script(_) => TrackerKind::Script,
            Tracked::File(_) => TrackerKind::File,
            Tracked::Process(_) => TrackerKind::Process,
        }
    }
}

// ---- what an instance tracks ----

pub(super) fn of_instance(page: &mut Page, instance: &Instance<'_>) {
    for (label, kind, comma) in [
        ("Tracked interfaces :", TrackerKind::Interface, ""),
        ("Tracked scripts :", TrackerKind::Script, ""),
        ("Tracked files :", TrackerKind::File, ","),
        ("Tracked processes :", TrackerKind::Process, ","),
    ] {
        let mut first = true;
        for part in instance
            .priority_parts
            .iter()
            .filter(|part| part.kind() == kind)
        {
            if core::mem::take(&mut first) {
                page.line(&label);
            }
            let (name, weight) = (Escaped(part.name), Weight(part.track));
            page.item(&format_args!("{name}{comma} {weight}"));
        }
    }
    if !instance.priority_parts.is_empty() {
        page.line(&"Priority is made of :");
        page.item(&format_args!("{} configured", instance.conf.priority));
    }
    for part in &instance.priority_parts {
        let state = match (part.kind(), part.up) {
            (_, None) => "not known yet",
            (TrackerKind::File, Some(_)) => "as read",
            (_, Some(true)) => "up",
            (_, Some(false)) => "down",
        };
        let (adds, name) = (part.adds, Escaped(part.name));
        page.item(&format_args!("{adds:+} {name}, {state}"));
    }
}

// ---- which instances track an object ----

fn trackers(page: &mut Page, snapshot: &Snapshot<'_>, what: &Tracked) {
    page.line(&"Tracking instances :");
    for instance in &snapshot.instances {
        for track in instance
            .conf
            .tracks
            .iter()
            .filter(|track| track.object == *what)
        {
            let name = Escaped(&instance.conf.name);
            page.item(&format_args!("{name}, {}", Weight(track)));
        }
    }
}

/// The instances that depend on an interface.
pub(super) fn by_interface(page: &mut Page, interface: &Interface<'_>, snapshot: &Snapshot<'_>) {
    let mut first = true;
    let mut show = |name: &str, weight: &dyn fmt::Display| {
        if core::mem::take(&mut first) {
            page.line(&"Tracking VRRP instances :");
        }
        page.item(&format_args!("{}, {weight}", Escaped(name)));
    };
    for instance in &snapshot.instances {
        let conf = instance.conf;
        if interface.is(&conf.interface) && conf.track_primary {
            show(&conf.name, &"weight 0");
        }
        for track in &conf.tracks {
            if matches!(&track.object, Tracked::Interface(name) if interface.is(name)) {
                show(&conf.name, &Weight(track));
            }
        }
    }
}

// ---- the objects ----

pub(super) fn groups(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("VRRP Sync groups");
    for group in &snapshot.groups {
        let name = Escaped(&group.conf.name);
        page.title("VRRP Sync Group", &format_args!("{name}, {}", group.state));
        let members = group.conf.members.iter();
        let members = members.filter_map(|member| snapshot.instances.get(member.0));
        let in_state = |state| members.clone().filter(|one| one.state == state).count();
        let (fault, init) = (in_state(VrrpState::Fault), in_state(VrrpState::Init));
        page.line(&format_args!(
            "Num member fault {fault}, num member init {init}"
        ));
        if group.conf.tracking_weight {
            page.line(&"sync group tracking weight set");
        }
        page.line(&"VRRP member instances :");
        for instance in members {
            page.item(&Escaped(&instance.conf.name));
        }
        notify(page, &group.conf.notify);
    }
}

pub(super) fn scripts(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("VRRP Scripts");
    for (at, script) in snapshot.scripts.iter().enumerate() {
        let conf = script.conf;
        page.title("VRRP Script", &Escaped(&conf.name));
        page.pair("Command", &Quoted(&conf.command));
        page.pair("Interval", &format_args!("{} sec", Short(conf.interval)));
        page.pair("Timeout", &format_args!("{} sec", Short(conf.timeout)));
        weight(page, snapshot, &Tracked::Script(at));
        page.pair("Rise", &conf.rise);
        page.pair("Fall", &conf.fall);
        page.pair("Result", &script.result);
        let init = match (script.up, conf.init_fail) {
            (Some(_), _) => "decided",
            (None, true) => "failed",
            (None, false) => "unknown",
        };
        page.pair("Insecure", &"no");
        page.pair("Init state", &init);
        let good = script.up.unwrap_or(false);
        page.pair("Status", &if good { "GOOD" } else { "BAD" });
        let user = conf.command.user;
        page.pair("Script uid:gid", &format_args!("{}:{}", user.uid, user.gid));
        trackers(page, snapshot, &Tracked::Script(at));
        let state = match script.state {
            ScriptState::Idle => "idle",
            ScriptState::Running => "running",
            ScriptState::Terminating => "requested termination",
        };
        page.pair("State", &state);
    }
}

pub(super) fn files(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("VRRP Track files");
    for (index, file) in snapshot.files.iter().enumerate() {
        let conf = file.conf;
        page.title("Track file", &Escaped(&conf.name));
        page.pair("File", &Escaped(&conf.path));
        page.pair("Status", &file.value.unwrap_or(0));
        weight(page, snapshot, &Tracked::File(index));
        trackers(page, snapshot, &Tracked::File(index));
    }
}

pub(super) fn processes(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("VRRP Track processes");
    for (at, process) in snapshot.processes.iter().enumerate() {
        let conf = process.conf;
        page.title("VRRP Track process", &Escaped(&conf.name));
        page.pair("Process", &Escaped(&conf.process));
        parameters(page, conf);
        page.pair("Param match", &match_word(conf));
        page.pair("Min processes", &conf.quorum);
        if let Some(most) = conf.quorum_max {
            page.pair("Max processes", &most);
        }
        page.pair("Current processes", &process.count);
        page.pair("Have quorum", &process.up.unwrap_or(false));
        let (gone, new) = (conf.terminate_delay, conf.fork_delay);
        page.pair("Terminate delay", &format_args!("{}s", Seconds(gone)));
        page.pair("Fork delay", &format_args!("{}s", Seconds(new)));
        let not = if process.timer { "" } else { "not " };
        page.line(&format_args!("Fork delay timer {not}running"));
        page.line(&format_args!("Terminate delay timer {not}running"));
        page.pair("Full command", &conf.full_command);
        trackers(page, snapshot, &Tracked::Process(at));
    }
}

/// The weight with which an object is tracked; keepalived has it in the object, ours in each track.
fn weight(page: &mut Page, snapshot: &Snapshot<'_>, what: &Tracked) {
    let tracks = snapshot.instances.iter().flat_map(|one| &one.conf.tracks);
    let first = tracks.into_iter().find(|track| track.object == *what);
    match first {
        Some(Track {
            weight, reverse, ..
        }) => {
            let reverse = if *reverse { " reverse" } else { "" };
            page.pair("Weight", &format_args!("{weight}{reverse}"));
        }
        None => page.pair("Weight", &0),
    }
}

/// `param_match` in keepalived's words.
pub(super) fn match_word(conf: &model::TrackProcess) -> &'static str {
    match (&conf.params, conf.param_match) {
        (None, _) => "none",
        (Some(_), ParamMatch::Exact) => "exact",
        (Some(_), ParamMatch::Initial) => "initial",
        (Some(_), ParamMatch::Partial) => "partial",
    }
}

fn parameters(page: &mut Page, conf: &model::TrackProcess) {
    for parameter in conf.params.iter().flatten() {
        page.pair("Parameter", &Escaped(parameter));
    }
}
