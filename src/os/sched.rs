//! How the process runs: its name, niceness, real-time priority, memory, namespace and mode mask.
//!
//! What cannot be had (no permission, an old kernel) is one warning, and the daemon runs without. Only the
//! namespace is different: in another one it would be another router.

use std::ffi::CString;
use std::fs::File;
use std::path::Path;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;

use super::host;
use crate::config::model::Process;
use crate::engine::system::error_text;
use crate::sys;

/// keepalived's mask: what the daemon writes is the daemon's user's to read.
const USUAL_MASK: u16 = 0o177;
const CAP_IPC_LOCK: u32 = 14;

/// Moves the process into a namespace of `ip netns`. Must come before the first socket.
///
/// # Errors
/// The sentence to show.
pub fn enter(namespace: &str) -> Result<(), String> {
    if namespace.contains('/') || matches!(namespace, "" | "." | "..") {
        return Err(format!(
            "{namespace} cannot be the name of a network namespace"
        ));
    }
    // Old systems have no /run.
    let places = ["/run/netns", "/var/run/netns"].map(|place| Path::new(place).join(namespace));
    let place = places.iter().find(|place| place.exists());
    let place = place.ok_or_else(|| {
        format!("there is no network namespace {namespace}; `ip netns add {namespace}` makes one")
    })?;
    let entered = File::open(place)
        .map_err(|error| error_text(&error))
        .and_then(|file| setns(file, CloneFlags::CLONE_NEWNET).map_err(words));
    entered.map_err(|why| format!("cannot enter the network namespace {namespace}: {why}"))
}

/// Makes the process run as `new` says; `old` is how it runs, and nothing is done about what is the same. `mask` is
/// the command line's, which counts more than the configuration's.
pub fn change(old: &Process, new: &Process, mask: Option<u16>) {
    let bits = mask.or(new.umask).unwrap_or(USUAL_MASK);
    nix::sys::stat::umask(Mode::from_bits_truncate(bits.into()));
    if old.name != new.name {
        rename(new.name.as_deref().unwrap_or("vrrpd"));
    }
    if old.nice != new.nice {
        let nice = new.nice.unwrap_or(0);
        complain(
            "vrrp_priority",
            "niceness stays as it is",
            sys::set_nice(nice),
        );
    }
    let (was, is) = (scheduler(old), scheduler(new));
    if was != is {
        let what = match new.rt_priority {
            Some(_) => "vrrp_rt_priority",
            None => "vrrp_priority",
        };
        let instead = "the process runs without real-time priority";
        complain(what, instead, sys::set_scheduler(is.unwrap_or(0)));
    }
    if old.no_swap != new.no_swap {
        lock(new.no_swap);
    }
}

/// The scheduling that is asked for; `None`: whatever it is. An unusual niceness needs it said that children do not
/// inherit that.
fn scheduler(process: &Process) -> Option<u8> {
    match (process.rt_priority, process.nice) {
        (Some(priority), _) => Some(priority),
        (None, Some(nice)) if nice < 0 => Some(0),
        (None, _) => None,
    }
}

/// The kernel keeps 15 bytes of it.
fn rename(name: &str) {
    if let Ok(name) = CString::new(name)
        && let Err(errno) = prctl::set_name(&name)
    {
        complain("process_name", "the name stays", Err(errno));
    }
}

/// Keeps all pages, present and future, in memory. Without CAP_IPC_LOCK the future is left out: the first allocation
/// beyond the limit would be refused, and end the daemon.
fn lock(wanted: bool) {
    if !wanted {
        let _ = munlockall();
        return;
    }
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft);
    let unlimited = host::has_capability(CAP_IPC_LOCK) || limit == RLIM_INFINITY;
    let flags = if unlimited {
        MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE
    } else {
        log::warn!("vrrp_no_swap: only what is in memory now stays there: CAP_IPC_LOCK is missing");
        MlockAllFlags::MCL_CURRENT
    };
    complain("vrrp_no_swap", "memory may be swapped", mlockall(flags));
}

/// Raises the real-time priority step by step while timers run late, up to a limit.
#[derive(Debug, Default)]
pub(super) struct AutoPriority {
    now: u8,
    refused: bool,
}

impl AutoPriority {
    /// A timer has run late. Answers at once when that is not late enough, or all has been done.
    pub(super) fn late(&mut self, by: core::time::Duration, process: &Process) {
        let most = u8::try_from(process.max_auto_priority).unwrap_or(0);
        let now = self.now.max(process.rt_priority.unwrap_or(0));
        if self.refused || by < process.min_auto_delay || now >= most {
            return;
        }
        let next = now.saturating_add(1);
        match sys::set_scheduler(next) {
            Ok(()) => {
                self.now = next;
                let late = by.as_micros();
                log::info!("a timer was {late} us late: real-time priority is now {next}");
            }
            Err(errno) => {
                self.refused = true;
                let instead = "the process runs without real-time priority";
                complain("max_auto_priority", instead, Err(errno));
            }
        }
    }
}

fn complain(what: &str, instead: &str, outcome: Result<(), Errno>) {
    if let Err(errno) = outcome {
        log::warn!("{what}: {}; {instead}", words(errno));
    }
}

fn words(errno: Errno) -> String {
    errno.desc().to_ascii_lowercase()
}
