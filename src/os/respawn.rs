//! A start that fails under an init that starts again whatever ends: the end is put off.
//!
//! What is wrong stays wrong until somebody mends it. BusyBox and SysV init know no patience: with `respawn` in
//! inittab they would start us every second until then, and fill the log. So a process that init has started itself (its
//! parent is process 1, and it leads a session of its own, as nobody's shell does) ends half a minute
//! later, or as soon as the configuration file is another one. The exit code stays the same.
//!
//! Everybody else learns at once: who types the command, scripts, and systemd, which has a patience of its own.
//! Nothing is kept between starts, so that it works where nothing can be written.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::{getpid, getppid, getsid};

use crate::sys;

const LOOK: Duration = Duration::from_secs(1);
const LOOKS: u32 = 30;

/// To be called when a start has failed, before the process ends. `path`: the configuration.
pub fn delay_exit_under_init(path: &str) {
    if !init_started_us() {
        return;
    }
    log::warn!("init would start it again at once: ending in 30 s, or when the file changes");
    // TERM and all others end it, as before anything was set up.
    let _ = SigSet::empty().thread_set_mask();
    let before = stamp(path);
    for _ in 0..LOOKS {
        let _ = sys::ppoll(&mut [], Some(LOOK));
        if stamp(path) != before {
            return;
        }
    }
}

fn init_started_us() -> bool {
    getppid().as_raw() == 1
        && getsid(None) == Ok(getpid())
        // systemd sets it.
        && std::env::var_os("INVOCATION_ID").is_none()
}

/// What differs when a file has been written or replaced, or is there at last.
fn stamp(path: &str) -> [u64; 2] {
    fs::metadata(path).map_or([0; 2], |data| {
        [
            data.ino(),
            (data.mtime() ^ data.mtime_nsec()).cast_unsigned(),
        ]
    })
}
