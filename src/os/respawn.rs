//! Delays the exit of a failed start under an init that would start the daemon again at once.
//!
//! The cause of a failed start stays until someone fixes it. BusyBox and SysV init start a
//! `respawn` entry of inittab every second until then, and fill the log. So a process that init has
//! started itself (its parent is process 1, and it leads a session of its own, as no child of a
//! shell does) exits 30 s later, or as soon as the configuration file changes. The exit code stays
//! the same. OpenWrt's init says so in the environment: there a jail is between, or no session. The
//! jails of older releases pass only a variable of their own.
//!
//! A shell, a script and systemd, which limits restarts itself, learn of the failure at once.
//! Nothing is stored between starts, so this works on a read-only root too.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::{getpid, getppid, getsid};

use crate::log;
use crate::sys;

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECKS: u32 = 30;

/// To be called when a start has failed, before the process exits. `config` is the path of the
/// configuration.
pub fn delay_exit_under_init(config: &str) {
    if !started_by_init() {
        return;
    }
    log::warn!("delaying exit 30 s (or until the configuration changes) to avoid a respawn loop");
    // SIGTERM and the others end the process at once again.
    let _ = SigSet::empty().thread_set_mask();
    let before = version(config);
    for _ in 0..CHECKS {
        let _ = sys::ppoll(&mut [], Some(CHECK_INTERVAL));
        if version(config) != before {
            return;
        }
    }
}

fn started_by_init() -> bool {
    let has = |name| std::env::var_os(name).is_some();
    has("VRRPD_RESPAWN")
        || std::env::var_os("container").is_some_and(|name| name == "ujail")
        || getppid().as_raw() == 1
            && getsid(None) == Ok(getpid())
            // Set by systemd.
            && !has("INVOCATION_ID")
}

/// Inode and modification time of a file: a value that changes when the file is created, written or
/// replaced.
fn version(path: &str) -> [u64; 2] {
    fs::metadata(path).map_or([0; 2], |data| {
        [
            data.ino(),
            (data.mtime() ^ data.mtime_nsec()).cast_unsigned(),
        ]
    })
}
