//! What the process is that holds the lock of `instance_lock`.

use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{geteuid, getppid};

use super::open_file;

/// The process that has the lock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// What it is.
    pub kind: Kind,
    /// Its pid.
    pub pid: u32,
    /// Its name, as in `ps`.
    pub name: String,
}

/// What a process that has the lock is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A copy of the daemon.
    Copy,
    /// A process that was killed and has not ended yet.
    Killed,
    /// Another process.
    Other,
    /// A process that is not visible here.
    Invisible,
}

impl Holder {
    pub(super) const INVISIBLE: Holder = Holder {
        kind: Kind::Invisible,
        pid: 0,
        name: String::new(),
    };
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Holder { kind, pid, name } = self;
        match kind {
            Kind::Copy => write!(f, "process {pid}"),
            Kind::Killed => write!(
                f,
                "process {pid} ({name}), which was killed but has not ended"
            ),
            Kind::Other => write!(f, "process {pid} ({name}), which is not vrrpd"),
            Kind::Invisible => f.write_str("a process of another pid namespace"),
        }
    }
}

/// What the process with this pid is; 0 is one that is not visible.
pub(super) fn examine(pid: u32, pid_file: &Path) -> Holder {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some(Stat { name, ending }) = parse(&stat) else {
        return Holder::INVISIBLE;
    };
    let kind = if ending {
        Kind::Killed
    } else if named_in(pid_file) == Some(pid) || runs_this_program(pid) {
        Kind::Copy
    } else {
        Kind::Other
    };
    Holder { kind, pid, name }
}

/// The process that the pid file names, if it runs as our user and has the file open: version 0.1.0
/// has its lock on that file.
pub(super) fn earlier_version(pid_file: &Path) -> Option<Holder> {
    let pid = named_in(pid_file).filter(|pid| *pid != std::process::id())?;
    has_open(pid, pid_file).then(|| examine(pid, pid_file))
}

/// Whether the parent of this process is the daemon with these files, which runs the test of a
/// configuration before it executes a new program.
pub(super) fn is_parent(pid_file: &Path, lock: &Path) -> bool {
    let parent = getppid().as_raw().unsigned_abs();
    has_open(parent, lock) || named_in(pid_file) == Some(parent)
}

/// Whether a process of our user has a file open.
pub(super) fn has_open(pid: u32, path: &Path) -> bool {
    let process = PathBuf::from(format!("/proc/{pid}"));
    let (Ok(file), Ok(owner), Ok(open)) = (
        fs::symlink_metadata(path),
        fs::metadata(&process),
        fs::read_dir(process.join("fd")),
    ) else {
        return false;
    };
    // A file that others can read is open in any process that likes.
    let is_it = |data| open_file::is_same(&data, &file);
    let mut open = open.flatten();
    owner.uid() == geteuid().as_raw() && open.any(|fd| fs::metadata(fd.path()).is_ok_and(is_it))
}

/// The pid in a pid file that no other user can have written.
pub(super) fn named_in(pid_file: &Path) -> Option<u32> {
    let mut text = String::new();
    let file = open_file::trusted(pid_file).ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn runs_this_program(pid: u32) -> bool {
    let program = |process: &str| fs::metadata(format!("/proc/{process}/exe"));
    let both: io::Result<_> = program("self").and_then(|own| Ok((own, program(&pid.to_string())?)));
    both.is_ok_and(|(own, its)| open_file::is_same(&own, &its))
}

// ---- proc_pid_stat(5) ----

#[derive(PartialEq, Eq, Debug)]
struct Stat {
    name: String,
    /// It was killed, is exiting, or is a zombie.
    ending: bool,
}

/// Bit of the kernel's task flags.
const PF_EXITING: u32 = 0x4;
/// Bit of SIGKILL in a set of signals.
const KILL: u32 = 1 << (libc::SIGKILL - 1);

/// Reads `PID (NAME) STATE …`. The name may contain any byte.
fn parse(stat: &[u8]) -> Option<Stat> {
    let text = String::from_utf8_lossy(stat);
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(") ")?;
    // From field 3, the state; 9 has the flags and 31 the pending signals.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let has = |index: usize, bit: u32| {
        let bits: Option<u32> = fields.get(index).and_then(|field| field.parse().ok());
        bits.is_some_and(|bits| bits & bit != 0)
    };
    let state = fields.first()?;
    Some(Stat {
        name: name.to_owned(),
        ending: ["Z", "X", "x"].contains(state) || has(6, PF_EXITING) || has(28, KILL),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_is_exiting_or_was_killed_is_ending() {
        let line = |state: &str, flags: u32, signals: u32| {
            let middle = "0 ".repeat(21);
            format!("7 (a) b) {state} 1 7 7 0 -1 {flags} {middle}{signals} 0 0 0")
        };
        for (name, line, ending) in [
            ("sleeping", line("S", 0x40_0100, 0), false),
            (
                "stopped, another signal",
                line("T", 0x40_0100, 1 << 14),
                false,
            ),
            ("SIGKILL is pending", line("D", 0x40_0100, 0x100), true),
            ("exiting", line("R", 0x40_0104, 0), true),
            ("zombie", line("Z", 0x40_000c, 0), true),
        ] {
            let want = Some(Stat {
                name: "a) b".to_owned(),
                ending,
            });
            assert_eq!(parse(line.as_bytes()), want, "{name}");
        }
        for broken in ["", "7 (a", "7 a) S", "7 (a) "] {
            assert_eq!(parse(broken.as_bytes()), None, "{broken}");
        }
        let own = fs::read("/proc/self/stat").expect("proc");
        assert!(!parse(&own).expect("the kernel's form").ending);
    }
}
