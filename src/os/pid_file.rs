//! The pid file. A running copy holds a lock on it, so the file of a killed copy does not keep
//! another one from starting, and neither does a pid that has been reused.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::open_file;
use crate::engine::system::error_text;

/// How often and how long to wait for a child that has inherited the lock of a process that is
/// gone.
const MAX_WAITS: u32 = 50;
const WAIT: Duration = Duration::from_millis(10);

/// The locked pid file; it is removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    file: Flock<File>,
    path: PathBuf,
}

/// Why the pid file could not be taken.
#[derive(Debug)]
pub enum PidFileError {
    /// Another copy holds the lock. Its pid is unknown if it is starting and has not written it
    /// yet.
    Running { path: PathBuf, pid: Option<u32> },
    /// A system call failed.
    System { path: PathBuf, error: io::Error },
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running { path, pid } => {
                f.write_str("vrrpd is already running")?;
                if let Some(pid) = pid {
                    write!(f, " as process {pid}")?;
                }
                write!(f, " (it holds the lock on {})", path.display())
            }
            Self::System { path, error } => {
                let why = error_text(error);
                write!(f, "cannot use the pid file {}: {why}", path.display())
            }
        }
    }
}

impl PidFile {
    /// The path without option `-p`.
    #[must_use]
    pub fn default_path() -> &'static Path {
        // Old systems have no /run.
        let run = if Path::new("/run").is_dir() {
            "/run/vrrpd.pid"
        } else {
            "/var/run/vrrpd.pid"
        };
        Path::new(run)
    }

    /// Locks the file, then writes the pid of this process to it.
    ///
    /// # Errors
    /// Another copy runs, or the file cannot be created.
    pub fn take(path: &Path) -> Result<Self, PidFileError> {
        let system = |error: io::Error| PidFileError::System {
            path: path.to_owned(),
            error,
        };
        if let Some(directory) = path.parent().filter(|parent| !parent.exists()) {
            // If this fails, opening the file reports why.
            let _ = DirBuilder::new()
                .recursive(true)
                .mode(0o755)
                .create(directory);
        }
        let mut inherited = 0;
        // A copy that stops removes its file, so the locked file may be one that has no name any
        // longer. Each repetition takes another copy that stops at that moment, hence the small
        // limit.
        for _ in 0..10 + MAX_WAITS {
            // Not truncated: until it is locked the content is another copy's.
            let file = open_file::for_writing(path, 0o644).map_err(system)?;
            let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(locked) => locked,
                Err((file, Errno::EWOULDBLOCK)) => {
                    let pid = read_pid(&file);
                    if pid.is_some_and(is_own_or_gone) && inherited < MAX_WAITS {
                        // A child that writes a dump holds it: of the program that this one
                        // replaced, or of a killed copy.
                        inherited += 1;
                        std::thread::sleep(WAIT);
                        continue;
                    }
                    let path = path.to_owned();
                    return Err(PidFileError::Running { path, pid });
                }
                Err((_, errno)) => return Err(system(errno.into())),
            };
            if open_file::is_at(&file, path) {
                write_pid(&file).map_err(system)?;
                return Ok(Self {
                    file,
                    path: path.to_owned(),
                });
            }
        }
        Err(system(io::Error::other("it is replaced again and again")))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // While still locked, and only if it was not replaced by another file.
        if open_file::is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn write_pid(mut file: &File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

fn read_pid(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn is_own_or_gone(pid: u32) -> bool {
    pid == std::process::id() || !Path::new(&format!("/proc/{pid}")).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    #[test]
    fn the_file_has_our_pid_and_is_removed_at_the_end() {
        let scratch = Scratch::new("pid-life");
        let path = scratch.path("a/b/vrrpd.pid");
        let held = PidFile::take(&path).expect("directories are created");
        let text = fs::read_to_string(&path).expect("written");
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn a_second_copy_reports_the_pid_of_the_first() {
        let scratch = Scratch::new("pid-second");
        let path = scratch.path("vrrpd.pid");
        let _held = PidFile::take(&path).expect("first");
        let error = PidFile::take(&path).expect_err("second");
        let want = format!(
            "vrrpd is already running as process {} (it holds the lock on {})",
            std::process::id(),
            path.display()
        );
        assert_eq!(error.to_string(), want);
    }

    #[test]
    fn a_child_of_a_killed_copy_that_holds_the_lock_is_waited_for() {
        let scratch = Scratch::new("pid-child");
        let path = scratch.path("vrrpd.pid");
        let held = PidFile::take(&path).expect("the former copy");
        let long_gone = u32::MAX.to_string();
        fs::write(&path, &long_gone).expect("write");
        let child = std::thread::spawn(move || {
            std::thread::sleep(WAIT * 5);
            // As if it had been killed: the file stays.
            fs::rename(&held.path, held.path.with_extension("old")).expect("rename");
        });
        let _next = PidFile::take(&path).expect("the lock is free in the end");
        child.join().expect("no panic");
    }

    #[test]
    fn the_file_of_a_killed_copy_does_not_prevent_a_start() {
        let scratch = Scratch::new("pid-stale");
        let path = scratch.path("vrrpd.pid");
        // Process 1 always runs: a check by pid would refuse to start.
        fs::write(&path, "1\nand more text than a pid").expect("write");
        let _held = PidFile::take(&path).expect("stale content");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_file_that_replaced_ours_is_left_alone() {
        let scratch = Scratch::new("pid-replaced");
        let path = scratch.path("vrrpd.pid");
        let held = PidFile::take(&path).expect("take");
        fs::remove_file(&path).expect("remove");
        fs::write(&path, "99\n").expect("replace");
        drop(held);
        assert_eq!(fs::read_to_string(&path).expect("read"), "99\n");
    }

    #[test]
    fn links_fifos_and_unreachable_paths_are_refused_with_one_message() {
        let scratch = Scratch::new("pid-odd");
        let target = scratch.path("target");
        fs::write(&target, "precious").expect("write");
        let link = scratch.path("link");
        std::os::unix::fs::symlink(&target, &link).expect("symlink");
        let fifo = scratch.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
        for path in [link, fifo, target.join("below")] {
            let text = PidFile::take(&path).expect_err("odd").to_string();
            assert!(text.starts_with("cannot use the pid file "), "{text}");
            assert!(!text.contains('\n'), "{text}");
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
