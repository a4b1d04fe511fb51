//! How the process runs: name, niceness, real-time priority, locked memory, network namespace,
//! umask.
//!
//! Whatever the kernel refuses is one warning, and the daemon runs without it. Only the network
//! namespace must be entered: the daemon would act on the wrong interfaces.

use std::ffi::CString;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::mman::{MlockAllFlags, mlockall, munlockall};
use nix::sys::prctl;
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
use nix::sys::stat::Mode;

use super::host;
use crate::config::model::ProcessSettings;
use crate::engine::system::{errno_text, error_text};
use crate::log;
use crate::sys;
use crate::types::CalledAs;

/// keepalived's umask: what the daemon writes is readable for its user alone.
const DEFAULT_UMASK: u16 = 0o177;
/// The umask that keepalived.conf(5) gives as the default.
const DEFAULT_CHILD_UMASK: u16 = 0o022;
const CAP_IPC_LOCK: u32 = 14;

/// Moves the process into a network namespace of `ip netns`. To be called before a socket is
/// opened.
///
/// # Errors
/// A message for the user.
pub fn enter_namespace(namespace: &str) -> Result<(), String> {
    if namespace.contains('/') || matches!(namespace, "" | "." | "..") {
        return Err(format!(
            "{namespace} cannot be the name of a network namespace"
        ));
    }
    // Old systems have no /run.
    let paths = ["/run/netns", "/var/run/netns"].map(|dir| Path::new(dir).join(namespace));
    let path = paths.iter().find(|path| path.exists()).ok_or_else(|| {
        format!("there is no network namespace {namespace}; `ip netns add {namespace}` creates it")
    })?;
    File::open(path)
        .and_then(|file| Ok(setns(file, CloneFlags::CLONE_NEWNET)?))
        .map_err(|error| {
            let why = error_text(&error);
            format!("cannot enter the network namespace {namespace}: {why}")
        })
}

/// The mask for children.
static CHILD_UMASK: AtomicU16 = AtomicU16::new(DEFAULT_CHILD_UMASK);

/// The umask of scripts: the configured one, else the usual one.
pub(super) fn child_umask() -> Mode {
    Mode::from_bits_truncate(CHILD_UMASK.load(Ordering::Relaxed).into())
}

/// Applies the settings that a process starts with. `umask` is that of the command line, which
/// overrides the configuration's.
pub fn start(new: &ProcessSettings, umask: Option<u16>, called_as: CalledAs) {
    if called_as == CalledAs::Keepalived && new.name.is_none() {
        // The kernel has named it after the file, which a link may lead to.
        rename(called_as.name());
    }
    allow_real_time(new);
    change(&ProcessSettings::default(), new, umask, called_as);
}

/// Applies the settings of `new` that differ from those of `old`.
pub fn change(
    old: &ProcessSettings,
    new: &ProcessSettings,
    umask: Option<u16>,
    called_as: CalledAs,
) {
    let umask = umask.or(new.umask);
    let bits = umask.unwrap_or(DEFAULT_UMASK);
    nix::sys::stat::umask(Mode::from_bits_truncate(bits.into()));
    CHILD_UMASK.store(umask.unwrap_or(DEFAULT_CHILD_UMASK), Ordering::Relaxed);
    if old.name != new.name {
        rename(new.name.as_deref().unwrap_or(called_as.name()));
    }
    if old.nice != new.nice {
        warn_if_refused(
            "vrrp_priority",
            "niceness stays as it is",
            sys::set_nice(new.nice.unwrap_or(0)),
        );
    }
    let (before, after) = (scheduler(old), scheduler(new));
    if before != after {
        let keyword = match new.rt_priority {
            Some(_) => "vrrp_rt_priority",
            None => "vrrp_priority",
        };
        let outcome = sys::set_scheduler(after.unwrap_or(0));
        warn_if_refused(keyword, NO_REAL_TIME, outcome);
    }
    if old.no_swap != new.no_swap {
        match new.no_swap {
            true => lock_memory(),
            false => drop(munlockall()),
        }
    }
}

pub(super) const NO_REAL_TIME: &str = "the process runs without real-time priority";

/// The real-time priority to set, 0 for none; `None`: the scheduler stays as it is. A negative
/// niceness needs a call with 0, so that children do not inherit it (see [`sys::set_scheduler`]).
fn scheduler(process: &ProcessSettings) -> Option<u8> {
    match (process.rt_priority, process.nice) {
        (Some(priority), _) => Some(priority),
        (None, Some(nice)) if nice < 0 => Some(0),
        (None, _) => None,
    }
}

/// Sets the process name, of which the kernel keeps 15 bytes.
fn rename(name: &str) {
    if let Ok(name) = CString::new(name)
        && let Err(errno) = prctl::set_name(&name)
    {
        warn_if_refused("process_name", "the name stays as it is", Err(errno));
    }
}

/// Locks all pages, present and future, in memory. Without CAP_IPC_LOCK only those present: an
/// allocation beyond the limit would fail, and end the daemon.
fn lock_memory() {
    let _ = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY);
    let limit = getrlimit(Resource::RLIMIT_MEMLOCK).map_or(0, |(soft, _)| soft);
    let unlimited = host::has_capability(CAP_IPC_LOCK) || limit == RLIM_INFINITY;
    let flags = if unlimited {
        MlockAllFlags::MCL_CURRENT | MlockAllFlags::MCL_FUTURE
    } else {
        log::warn!("vrrp_no_swap: CAP_IPC_LOCK is missing; memory allocated later may be swapped");
        MlockAllFlags::MCL_CURRENT
    };
    warn_if_refused("vrrp_no_swap", "memory may be swapped", mlockall(flags));
}

/// Whether the process may have real-time priority without a capability.
pub(super) fn is_real_time_allowed() -> bool {
    getrlimit(Resource::RLIMIT_RTPRIO).is_ok_and(|(soft, _)| soft > 0)
}

/// Lets the process raise its priority to 1 later, when it has given up its capabilities.
fn allow_real_time(process: &ProcessSettings) {
    if process.max_auto_priority.is_none()
        && process.rt_priority.is_none()
        && let Ok((_, hard)) = getrlimit(Resource::RLIMIT_RTPRIO)
    {
        let limit = hard.max(1);
        let _ = setrlimit(Resource::RLIMIT_RTPRIO, limit, limit);
    }
}

pub(super) fn warn_if_refused(keyword: &str, instead: &str, outcome: Result<(), Errno>) {
    if let Err(errno) = outcome {
        log::warn!("{keyword}: {}; {instead}", errno_text(errno as i32));
    }
}
