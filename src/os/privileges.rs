//! Gives up the capabilities that the running configuration does not need.
//!
//! ```text
//! start, all capabilities ── sockets, files, priorities ── up ── needed capabilities only
//!     ▲                                                             │ reload that needs more
//!     └───────────────── execve of this program (restart) ──────────┘
//! ```
//! The bounding set stays: executed again, this program gets it back if it runs as root, which makes
//! a reload possible that needs more. Where that does not work (another user than root,
//! `no_new_privs`), what was given up is gone until the daemon is stopped and started, and what only
//! a start needs is kept for a restart.
//!
//! With programs that run as root, all capabilities stay permitted, and those that are not needed are
//! not effective. A program that gained capabilities by being executed would lose its parent death
//! signal and outlive the daemon (`commit_creds` in the kernel), and under `no_new_privs` it would
//! not gain them.

use std::fs;
use std::path::{Path, PathBuf};

use nix::sys::prctl;
use nix::unistd::geteuid;

use super::dumps;
use super::file_access::{EXECUTE, Identity};
use super::host::own_user;
use super::sched;
use crate::config::Config;
use crate::config::capability::{Capability, Need, Needs};
use crate::config::model::{ProcessSettings, User};
use crate::engine::system::errno_text;
use crate::log;
use crate::sys::caps::{self, Cap, CapSet, Caps};
use crate::types::sorted;

/// Whether an execve of this program gets back what was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exec {
    Regains,
    RegainsNothing,
}

impl Exec {
    fn of_process() -> Self {
        let restricted = prctl::get_no_new_privs().unwrap_or(true);
        match geteuid().is_root() && !restricted && caps::root_gains_by_exec() {
            true => Exec::Regains,
            false => Exec::RegainsNothing,
        }
    }
}

/// The capabilities of this process.
#[derive(Debug)]
pub struct Privileges {
    /// What it had at its start.
    initial: CapSet,
    permitted: CapSet,
    /// `None` until the rest is given up.
    effective: Option<CapSet>,
    /// What the running configuration needs.
    needed: CapSet,
    runs_programs_of_root: bool,
    exec: Exec,
}

/// What a reload can do about capabilities that are missing; each for messages.
#[derive(Debug)]
pub enum Missing {
    /// None is missing.
    Nothing,
    /// A restart gets this back.
    UntilRestart(String),
    /// Only a stop and a start get this back.
    UntilStart(String),
}

impl Privileges {
    /// To be called while the process has what it was started with.
    #[must_use]
    pub fn at_start() -> Self {
        let permitted = caps::get().unwrap_or_default().permitted;
        Privileges {
            initial: permitted,
            permitted,
            effective: None,
            needed: CapSet::EMPTY,
            runs_programs_of_root: false,
            exec: Exec::of_process(),
        }
    }

    /// What the daemon needs to run a configuration: looks at its files.
    #[must_use]
    pub fn needs(&self, plan: Plan) -> Needs {
        let mut needs = plan.needs;
        // Which files a reload will find, and with which modes, is not known: what could be read at
        // the start must not be missing then.
        if self.initial.has(cap(Capability::DacReadSearch)) {
            needs.add(Capability::DacReadSearch, &"files of the configuration");
        }
        if self.initial.has(cap(Capability::DacOverride)) {
            plan.files.add_needs(&mut needs);
        }
        let nice = self.initial.has(cap(Capability::SysNice));
        if plan.raises_priority && nice && !sched::is_real_time_allowed() {
            needs.add(
                Capability::SysNice,
                &"real-time priority when timers are late",
            );
        }
        if plan.tracks_processes && proc_is_hidden() {
            needs.add(Capability::SysPtrace, &"vrrp_track_process");
        }
        needs
    }

    /// Whether a reload with these needs lacks a capability that was given up.
    #[must_use]
    pub fn missing(&self, needs: &Needs) -> Missing {
        let gone = |need: &&Need| {
            let cap = cap(need.capability);
            self.initial.has(cap) && !self.permitted.has(cap)
        };
        let capability = needs.iter().find(gone).map(ToString::to_string);
        let all_gone = self.permitted != self.initial;
        let program = needs.program_of_root.as_ref().filter(|_| all_gone);
        let program = program.map(|program| format!("the rights of root ({program})"));
        match (capability.or(program), self.exec) {
            (None, _) => Missing::Nothing,
            (Some(what), Exec::Regains) => Missing::UntilRestart(what),
            (Some(what), Exec::RegainsNothing) => Missing::UntilStart(what),
        }
    }

    /// Keeps what is needed and gives up the rest, and logs what is kept if that is new. A refusal by
    /// the kernel is a warning: without the daemon there would be no router.
    pub fn keep(&mut self, mut needs: Needs, process: &ProcessSettings) {
        // `no_new_privs` may have been set since.
        self.exec = Exec::of_process();
        let needed = self.set_of(&needs);
        let mut with_root = needs.program_of_root.take();
        if self.exec == Exec::RegainsNothing {
            needs.add_to_start(process);
        }
        // Notify scripts of the configuration before may still run, or wait to be run.
        let before = "programs of the configuration before";
        for one in Capability::FOR_PROGRAMS {
            if self.needed.has(cap(one)) {
                needs.add(one, &before);
            }
        }
        let runs_programs_of_root = with_root.is_some();
        if self.runs_programs_of_root {
            with_root.get_or_insert_with(|| before.to_owned());
        }
        self.needed = needed;
        self.runs_programs_of_root = runs_programs_of_root;
        let effective = self.set_of(&needs);
        let permitted = match with_root {
            Some(_) => self.permitted,
            None => effective,
        };
        if (self.effective, self.permitted) == (Some(effective), permitted) {
            return;
        }
        if let Err(errno) = reduce_to(effective, permitted) {
            let why = errno_text(errno as i32);
            log::warn!("cannot give up capabilities: {why}; the daemon keeps those it has");
            return;
        }
        (self.effective, self.permitted) = (Some(effective), permitted);
        let held = needs
            .iter()
            .filter(|need| effective.has(cap(need.capability)));
        let texts: Vec<String> = held.map(ToString::to_string).collect();
        let others = with_root.map_or(String::new(), |program| {
            format!("; all others only for programs of root ({program})")
        });
        log::info!("Capabilities kept: {}{others}", texts.join(", "));
    }

    /// Those needs that the process can have.
    fn set_of(&self, needs: &Needs) -> CapSet {
        let needs = needs.iter().map(|need| cap(need.capability));
        needs.fold(CapSet::EMPTY, CapSet::with).and(self.permitted)
    }
}

fn cap(capability: Capability) -> Cap {
    Cap(capability.number())
}

/// Reduces all sets but the bounding set. Another user than root keeps what is inheritable, and with
/// it the ambient set, without which the program would have no capabilities after a restart.
fn reduce_to(effective: CapSet, permitted: CapSet) -> nix::Result<()> {
    let inheritable = match geteuid().is_root() {
        true => CapSet::EMPTY,
        false => caps::get()?.inheritable.and(permitted),
    };
    let wanted = Caps {
        effective,
        permitted,
        inheritable,
    };
    caps::set(wanted)?;
    match caps::get()? == wanted {
        true => Ok(()),
        false => Err(nix::errno::Errno::EPERM),
    }
}

/// Whether processes of other users are hidden in /proc.
fn proc_is_hidden() -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    hides_processes(&mounts)
}

fn hides_processes(mountinfo: &str) -> bool {
    let proc = |line: &&str| line.split(' ').nth(4) == Some("/proc");
    // The last one mounted is the one that is seen.
    let options = mountinfo.lines().rfind(proc).unwrap_or_default();
    let hidepid = options
        .split([' ', ','])
        .find_map(|one| one.strip_prefix("hidepid="));
    hidepid.is_some_and(|level| !matches!(level, "0" | "off"))
}

// ---- what a configuration needs ----

/// What is to be found out about a configuration before it runs and is no longer at hand. Looking at
/// its files waits until then, because it takes time.
#[derive(Debug)]
pub struct Plan {
    /// For messages: a program that the configuration runs.
    pub first_program: Option<String>,
    needs: Needs,
    tracks_processes: bool,
    /// Neither `max_auto_priority` nor a real-time priority is configured.
    raises_priority: bool,
    files: Files,
}

impl Plan {
    /// The plan of a configuration.
    #[must_use]
    pub fn new(config: &Config, pid_file: Option<&Path>) -> Self {
        let needs = Needs::to_run(config, own_user());
        let mut first_program = None;
        let process = &config.global.process;
        config.each_program(&mut |purpose, _| {
            first_program.get_or_insert_with(|| purpose.to_string());
        });
        Plan {
            first_program,
            needs,
            tracks_processes: !config.track_processes.is_empty(),
            raises_priority: process.max_auto_priority.is_none() && process.rt_priority.is_none(),
            files: Files::new(config, pid_file),
        }
    }

    /// Adds what a change of the settings of the process needs.
    pub fn add_change(&mut self, old: &ProcessSettings, new: &ProcessSettings) {
        self.needs.add_to_change(old, new);
    }
}

/// The files that the daemon uses while it runs.
#[derive(Debug)]
struct Files {
    /// Written or removed later.
    replaced: Vec<PathBuf>,
    /// Executed.
    programs: Vec<(PathBuf, User)>,
}

impl Files {
    fn new(config: &Config, pid_file: Option<&Path>) -> Self {
        let fifos = config.fifos().map(|(_, fifo)| PathBuf::from(&fifo.path));
        let dumps = dumps::paths(&config.global);
        let replaced = dumps.into_iter().chain(fifos);
        let mut programs = Vec::new();
        config.each_program(&mut |_, command| {
            if let Some(path) = command.argv.first() {
                let User { uid, gid } = command.user;
                programs.push((PathBuf::from(path), uid, gid));
            }
        });
        let mut programs = sorted(programs);
        programs.dedup();
        Files {
            replaced: replaced.chain(pid_file.map(Path::to_owned)).collect(),
            programs: programs
                .into_iter()
                .map(|(path, uid, gid)| (path, User { uid, gid }))
                .collect(),
        }
    }

    fn add_needs(&self, needs: &mut Needs) {
        let own = Identity::own();
        let mut replaced = self.replaced.iter();
        let exists = |path: &Path| path.parent().is_some_and(Path::exists);
        if let Some(path) = replaced.find(|path| exists(path) && !own.may_replace(path)) {
            needs.add(Capability::DacOverride, &path.display());
        }
        for (path, user) in &self.programs {
            let executable = |data: fs::Metadata| own.may(&data, EXECUTE);
            if *user == own_user() && !fs::metadata(path).is_ok_and(executable) {
                needs.add(Capability::DacOverride, &path.display());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidepid_of_the_mount_on_top_counts() {
        for (want, lines) in [
            (false, "22 1 0:20 / /proc rw,nosuid - proc proc rw"),
            (true, "22 1 0:20 / /proc rw - proc proc rw,gid=5,hidepid=2"),
            (
                true,
                "22 1 0:20 / /proc rw - proc proc rw,hidepid=invisible",
            ),
            (false, "22 1 0:20 / /proc rw - proc proc rw,hidepid=off"),
            (false, "22 1 0:20 / /x rw - proc proc rw,hidepid=2"),
            (
                false,
                "22 1 0:20 / /proc rw - proc proc rw,hidepid=2\n23 1 0:21 / /proc rw - proc proc rw",
            ),
            (false, ""),
        ] {
            assert_eq!(hides_processes(lines), want, "{lines}");
        }
    }

    #[test]
    fn what_was_given_up_is_missing_and_what_was_never_there_is_not() {
        let set = |list: &[Capability]| {
            let each = list.iter().map(|one| cap(*one));
            each.fold(CapSet::EMPTY, CapSet::with)
        };
        let privileges = |exec| Privileges {
            initial: set(&[Capability::NetAdmin, Capability::SetUid]),
            permitted: set(&[Capability::NetAdmin]),
            effective: Some(set(&[Capability::NetAdmin])),
            needed: CapSet::EMPTY,
            runs_programs_of_root: false,
            exec,
        };
        let needs = |list: &[Capability]| {
            let mut needs = Needs::default();
            for one in list {
                needs.add(*one, &"vrrp_script chk");
            }
            needs
        };
        let more = needs(&[Capability::NetAdmin, Capability::SetUid]);
        let same = needs(&[Capability::NetAdmin, Capability::Chown]);
        let (root, user) = (Exec::Regains, Exec::RegainsNothing);
        let missing = |exec, needs| format!("{:?}", privileges(exec).missing(needs));
        let text = "(\"CAP_SETUID (vrrp_script chk)\")";
        assert_eq!(missing(root, &more), format!("UntilRestart{text}"));
        assert_eq!(missing(user, &more), format!("UntilStart{text}"));
        assert_eq!(missing(root, &same), "Nothing");
        let mut program = needs(&[]);
        program.program_of_root = Some("notify A".to_owned());
        let want = "UntilRestart(\"the rights of root (notify A)\")";
        assert_eq!(missing(root, &program), want);
    }
}
