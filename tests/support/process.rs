//! Scratch directories, child processes and skipped tests.
#![allow(
    dead_code,
    reason = "shared by several test programs, each of which uses part of it"
)]

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command};

/// A directory for one test, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vrrpd-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("create a temporary directory");
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A child process, killed at the end of the test.
pub(crate) struct KillOnDrop(pub(crate) Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reports a skipped test on the real standard error: the test runner shows the output of failed
/// tests only.
pub(crate) fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
}

/// Whether a program is installed; if not, reports `test` as skipped.
pub(crate) fn has_program(test: &str, program: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\"", program])
        .output()
        .is_ok_and(|output| output.status.success());
    if !found {
        skip(test, &format!("{program} not found"));
    }
    found
}
