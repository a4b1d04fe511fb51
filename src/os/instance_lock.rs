//! The lock that lets one copy of the daemon run.
//!
//! It is a record lock (fcntl(2)) on a file beside the pid file that only the daemon's user can
//! open: another user can neither take nor delay it. A record lock belongs to the process. A child
//! that outlives a killed daemon does not hold it; the program that takes the place of this one
//! (`restart`) has it from its first instruction, as long as the descriptor stays open. The kernel
//! names the process that holds it.
//!
//! Closing any descriptor of the file releases the lock, so nothing else may open it.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::lock_holder::{self, Holder, Kind};
use super::open_file::{self, Access, Trusted};
use crate::engine::system::error_text;
use crate::sys;

/// Environment variable with the pid of a successor: a program that its predecessor has executed in
/// the same process.
pub(super) const SUCCESSOR: &str = "VRRPD_SUCCEEDS";
/// Environment variable with the descriptor that it has inherited.
pub(super) const DESCRIPTOR: &str = "VRRPD_LOCK_FD";

const PAUSE: Duration = Duration::from_millis(10);

/// How many pauses to wait for the holder.
fn pauses(holder: Kind) -> u32 {
    match holder {
        // It may have been killed a moment ago.
        Kind::Copy => 10,
        // It may be a copy that is starting.
        Kind::Other | Kind::Invisible => 100,
        // A busy machine takes its time.
        Kind::Killed => 1000,
    }
}

/// The lock; its file is removed when this is dropped.
#[derive(Debug)]
pub struct InstanceLock {
    file: File,
    path: PathBuf,
}

/// Why the lock was not taken; `path` is that of its file.
#[derive(Debug)]
pub enum LockError {
    /// Another process has it.
    Held { path: PathBuf, holder: Holder },
    /// The file cannot be used, or is refused.
    File { path: PathBuf, error: io::Error },
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path, holder } if holder.kind == Kind::Copy => write!(
                f,
                "vrrpd is already running as {holder} (it holds the lock on {})",
                path.display()
            ),
            Self::Held { path, holder } => {
                write!(f, "the lock on {} is held by {holder}", path.display())
            }
            Self::File { path, error } => {
                let why = error_text(error);
                write!(f, "cannot lock {}: {why}", path.display())
            }
        }
    }
}

impl InstanceLock {
    /// Takes the lock of a pid file, which names the copy that runs.
    pub(super) fn take(pid_file: &Path, trusted: Trusted) -> Result<Self, LockError> {
        let path = beside(pid_file, "lock");
        match Self::wait_for(&path, pid_file, trusted) {
            Ok(Ok(file)) => Ok(InstanceLock { file, path }),
            Ok(Err(holder)) => Err(LockError::Held { path, holder }),
            Err(error) => Err(LockError::File { path, error }),
        }
    }

    /// The locked file, or the process that does not release it.
    fn wait_for(
        path: &Path,
        pid_file: &Path,
        trusted: Trusted,
    ) -> io::Result<Result<File, Holder>> {
        let mut attempts = 0;
        loop {
            let file = match inherited(path) {
                Some(file) => file,
                None => open_file::own(path, Access::Private, trusted)?,
            };
            let holder = match sys::lock_record(file.as_fd())? {
                None if open_file::is_at(&file, path) => return Ok(Ok(file)),
                // A copy that stopped has removed the file.
                None => Holder::INVISIBLE,
                Some(pid) => lock_holder::examine(pid.unsigned_abs(), pid_file),
            };
            if attempts >= pauses(holder.kind) {
                return Ok(Err(holder));
            }
            attempts += 1;
            thread::sleep(PAUSE);
        }
    }

    /// Lets the program that is about to be executed keep the lock; returns the value of
    /// [`DESCRIPTOR`].
    pub(super) fn pass_on(&self) -> String {
        let _ = fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::empty()));
        self.file.as_raw_fd().to_string()
    }

    /// No program was executed after all.
    pub(super) fn keep(&self) {
        let _ = fcntl(&self.file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC));
    }
}

impl Drop for InstanceLock {
    fn drop(&mut self) {
        // While still locked, and only if it was not replaced by another file.
        if open_file::is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether this program was executed by its predecessor, in the same process.
#[must_use]
pub fn is_successor() -> bool {
    let pid = std::process::id().to_string();
    std::env::var_os(SUCCESSOR).is_some_and(|value| *value == *pid)
}

/// The path of a file beside the pid file: `/run/vrrpd.lock` for `/run/vrrpd.pid`.
pub(super) fn beside(pid_file: &Path, extension: &str) -> PathBuf {
    let mut path = match pid_file.extension() {
        Some(given) if given == "pid" => pid_file.with_extension(""),
        _ => pid_file.to_owned(),
    }
    .into_os_string();
    path.push(".");
    path.push(extension);
    path.into()
}

/// The descriptor that the predecessor has left to this program, if it is the file at the path.
fn inherited(path: &Path) -> Option<File> {
    if !is_successor() {
        return None;
    }
    let fd: u32 = std::env::var(DESCRIPTOR).ok()?.parse().ok()?;
    let open = fs::metadata(format!("/proc/self/fd/{fd}")).ok()?;
    let named = fs::symlink_metadata(path).ok()?;
    if fd <= 2 || !open_file::is_same(&open, &named) {
        return None;
    }
    sys::inherited_file(fd.cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Process, Scratch};
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// A process that has the lock.
    fn holder(path: &Path) -> Process {
        let file = open_file::own(&beside(path, "lock"), Access::Private, Trusted::default())
            .expect("created");
        let locked = || u8::from(sys::lock_record(file.as_fd()) == Ok(None));
        let (process, locked) = Process::start(&locked);
        assert_eq!(locked, 1);
        process
    }

    #[test]
    fn the_file_is_private_and_removed_at_the_end() {
        let scratch = Scratch::new("lock-life");
        let (pid_file, path) = (scratch.path("vrrpd.pid"), scratch.path("vrrpd.lock"));
        let lock = InstanceLock::take(&pid_file, Trusted::default()).expect("free");
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert!(!path.exists());
        let lock = InstanceLock::take(&pid_file, Trusted::default()).expect("free");
        fs::rename(&path, scratch.path("old")).expect("rename");
        fs::write(&path, "of another program").expect("write");
        drop(lock);
        assert!(path.exists(), "not ours");
    }

    #[test]
    fn the_process_that_has_the_lock_is_named() {
        let scratch = Scratch::new("lock-held");
        let pid_file = scratch.path("vrrpd.pid");
        let other = holder(&pid_file);
        let error = InstanceLock::take(&pid_file, Trusted::default())
            .expect_err("held")
            .to_string();
        // It runs this program.
        let want = format!(
            "vrrpd is already running as process {} (it holds the lock on {})",
            other.pid(),
            scratch.path("vrrpd.lock").display()
        );
        assert_eq!(error, want);
        let holder = Holder {
            kind: Kind::Other,
            pid: 7,
            name: "python3".to_owned(),
        };
        let path = PathBuf::from("/run/vrrpd.lock");
        assert_eq!(
            LockError::Held { path, holder }.to_string(),
            "the lock on /run/vrrpd.lock is held by process 7 (python3), which is not vrrpd"
        );
    }

    #[test]
    fn the_end_of_a_killed_process_is_waited_for() {
        let scratch = Scratch::new("lock-killed");
        let pid_file = scratch.path("vrrpd.pid");
        for _ in 0..10 {
            let other = holder(&pid_file);
            other.kill();
            drop(InstanceLock::take(&pid_file, Trusted::default()).expect("free at its end"));
        }
    }

    #[test]
    fn a_child_does_not_hold_the_lock_of_its_parent() {
        let scratch = Scratch::new("lock-child");
        let pid_file = scratch.path("vrrpd.pid");
        let lock = InstanceLock::take(&pid_file, Trusted::default()).expect("free");
        let (child, _) = Process::start(&|| 0);
        // As if this process had been killed: its lock is gone, the file and the child are not.
        let InstanceLock { file, path } = &lock;
        drop(File::open(path).expect("closing it releases the lock"));
        let (_other, locked) =
            Process::start(&|| u8::from(sys::lock_record(file.as_fd()) == Ok(None)));
        assert_eq!(locked, 1);
        drop(child);
    }

    #[test]
    fn a_file_that_others_can_open_is_refused() {
        let scratch = Scratch::new("lock-odd");
        let (pid_file, path) = (scratch.path("vrrpd.pid"), scratch.path("vrrpd.lock"));
        let target = scratch.path("target");
        fs::write(&target, "precious").expect("write");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("chmod");
        let readable = || fs::set_permissions(&path, fs::Permissions::from_mode(0o644));
        let odd: [(&dyn Fn() -> io::Result<()>, &str); 3] = [
            (&|| symlink(&target, &path), "it is a symbolic link"),
            (
                &|| fs::hard_link(&target, &path),
                "other users have access to it; remove it",
            ),
            (
                &|| fs::write(&path, "").and_then(|()| readable()),
                "other users have access to it; remove it",
            ),
        ];
        for (make, why) in odd {
            make().expect("created");
            let error = InstanceLock::take(&pid_file, Trusted::default())
                .expect_err(why)
                .to_string();
            assert_eq!(error, format!("cannot lock {}: {why}", path.display()));
            fs::remove_file(&path).expect("still there");
        }
    }
}
