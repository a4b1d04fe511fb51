//! Helpers for the tests of this module.

use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pause, pipe, read, write};

use crate::sys;

/// A temporary directory for one test, removed when dropped.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vrrpd-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Another process, killed when dropped.
pub(crate) struct Process(Pid);

impl Process {
    /// Starts a process that makes the system calls of `body` and then waits. Returns when they are
    /// done, with what `body` returns; it must not allocate.
    pub(crate) fn start(body: &dyn Fn() -> u8) -> (Self, u8) {
        let (reader, writer) = pipe().expect("pipe");
        let child = sys::fork_child(&|| {
            let _ = write(&writer, &[body()]);
            loop {
                pause();
            }
        });
        let mut result = [0];
        read(&reader, &mut result).expect("its result");
        (Self(child.expect("fork")), result[0])
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.as_raw().unsigned_abs()
    }

    /// Kills it without waiting for its end.
    pub(crate) fn kill(&self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        let _ = waitpid(self.0, None);
    }
}
