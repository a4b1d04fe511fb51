//! The pid file: for other programs. What lets one copy run is the lock beside it
//! (`instance_lock`), so the file of a killed copy does not keep another one from starting, and
//! neither does a pid that has been reused.

use std::fmt;
use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::instance_lock::{self, InstanceLock, LockError};
use super::lock_holder::{self, Kind};
use super::open_file::{self, Access, Trusted};
use crate::engine::system::error_text;
use crate::log;

/// The directory of pid files without option `-p`.
#[must_use]
pub fn default_directory() -> &'static Path {
    // Old systems have no /run.
    let directories = ["/run", "/var/run"].map(Path::new);
    let [first, other] = directories;
    if first.is_dir() { first } else { other }
}

/// The pid file of the copy that has the lock; both are removed when this is dropped.
#[derive(Debug)]
pub struct PidFile {
    file: File,
    path: PathBuf,
    lock: InstanceLock,
}

/// Why the pid file could not be taken.
#[derive(Debug)]
pub enum PidFileError {
    /// Without the lock.
    Lock(LockError),
    /// The file cannot be written, or is refused.
    File { path: PathBuf, error: io::Error },
}

impl PidFileError {
    /// Whether another copy runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self, Self::Lock(LockError::Held { holder, .. }) if holder.kind == Kind::Copy)
    }

    /// Whether the kernel does not allow a pid file, as opposed to a file that is not safe to use.
    #[must_use]
    pub fn is_of_kernel(&self) -> bool {
        match self {
            Self::Lock(LockError::File { error, .. }) | Self::File { error, .. } => {
                !open_file::is_refusal(error)
            }
            Self::Lock(LockError::Held { .. }) => false,
        }
    }
}

impl fmt::Display for PidFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lock(error) => error.fmt(f),
            Self::File { path, error } => {
                let why = error_text(error);
                write!(f, "cannot use the pid file {}: {why}", path.display())
            }
        }
    }
}

impl PidFile {
    /// Takes the lock, then writes the pid of this process to the file.
    ///
    /// # Errors
    /// Another process has the lock, or a file cannot be created.
    pub fn take(path: &Path, trusted: Trusted) -> Result<Self, PidFileError> {
        let failed = |error| PidFileError::File {
            path: path.to_owned(),
            error,
        };
        create_directory(path, trusted).map_err(failed)?;
        let lock = InstanceLock::take(path, trusted).map_err(PidFileError::Lock)?;
        let file = open_file::own(path, Access::Public, trusted).map_err(failed)?;
        if let Some(holder) = lock_holder::earlier_version(path) {
            let path = path.to_owned();
            return Err(PidFileError::Lock(LockError::Held { path, holder }));
        }
        if let Err(error) = write_pid(&file) {
            // The lock is what counts. A successor that ended here would take the addresses along.
            log::warn!("{}", failed(error));
        }
        let path = path.to_owned();
        Ok(Self { file, path, lock })
    }

    /// Checks whether a new program that the running daemon executes, the parent of this process,
    /// would be refused the files at this path.
    ///
    /// # Errors
    /// The reason.
    pub fn check(path: &Path, trusted: Trusted) -> Result<(), PidFileError> {
        let lock = instance_lock::beside(path, "lock");
        if !lock_holder::is_parent(path, &lock) {
            // The daemon may run as another user.
            return Ok(());
        }
        open_file::check_own(&lock, Access::Private, trusted)
            .map_err(|error| PidFileError::Lock(LockError::File { path: lock, error }))?;
        open_file::check_own(path, Access::Public, trusted).map_err(|error| PidFileError::File {
            path: path.to_owned(),
            error,
        })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The lock.
    #[must_use]
    pub fn lock(&self) -> &InstanceLock {
        &self.lock
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Only if it was not replaced by another file.
        if open_file::is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Creates the directory of a file. If that fails, opening the file reports why.
fn create_directory(path: &Path, trusted: Trusted) -> io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.exists()) {
        let existing = directory.ancestors().find(|one| one.exists());
        let existing = existing.unwrap_or(directory).join("directory");
        open_file::require_safe_directory(&existing, trusted)?;
        let _ = DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory);
    }
    Ok(())
}

/// A further pid file without a lock, for programs that look for a process of keepalived; removed
/// when this is dropped.
#[derive(Debug)]
pub struct ExtraPidFile(PathBuf);

impl ExtraPidFile {
    /// Writes the pid of this process to the file.
    #[must_use]
    pub fn write(path: &Path, trusted: Trusted) -> Option<Self> {
        let outcome = create_directory(path, trusted)
            .and_then(|()| open_file::own(path, Access::Public, trusted))
            .and_then(|file| {
                // Whatever the umask.
                let _ = file.set_permissions(Permissions::from_mode(0o644));
                write_pid(&file)
            });
        match outcome {
            Ok(()) => Some(ExtraPidFile(path.to_owned())),
            Err(error) => {
                let path = path.to_owned();
                log::warn!("{}", PidFileError::File { path, error });
                None
            }
        }
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ExtraPidFile {
    fn drop(&mut self) {
        // Only if no other copy has written its own pid since.
        if lock_holder::named_in(&self.0) == Some(std::process::id()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// Written in place: a successor writes what is there already, and on a full disk the page that is
/// there is used again.
fn write_pid(file: &File) -> io::Result<()> {
    let text = format!("{}\n", std::process::id());
    file.write_all_at(text.as_bytes(), 0)?;
    file.set_len(u64::try_from(text.len()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::{Process, Scratch};

    #[test]
    fn the_file_has_our_pid_and_is_removed_at_the_end() {
        let scratch = Scratch::new("pid-life");
        let path = scratch.path("a/b/vrrpd.pid");
        let held = PidFile::take(&path, Trusted::default()).expect("directories are created");
        let text = fs::read_to_string(&path).expect("written");
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(held);
        assert!(!path.exists());
    }

    #[test]
    fn an_earlier_version_that_has_the_file_open_is_a_running_copy() {
        let scratch = Scratch::new("pid-earlier");
        let path = scratch.path("vrrpd.pid");
        let file = open_file::own(&path, Access::Public, Trusted::default()).expect("created");
        let (other, _) = Process::start(&|| 0);
        fs::write(&path, format!("{}\n", other.pid())).expect("write");
        let error =
            PidFile::take(&path, Trusted::default()).expect_err("it has inherited the descriptor");
        assert!(error.is_running(), "{error}");
        drop((other, file));
        let _held = PidFile::take(&path, Trusted::default()).expect("it has ended");
    }

    #[test]
    fn the_file_of_a_killed_copy_does_not_prevent_a_start() {
        let scratch = Scratch::new("pid-stale");
        let path = scratch.path("vrrpd.pid");
        // Process 1 always runs: a check by pid would refuse to start.
        fs::write(&path, "1\nand more text than a pid").expect("write");
        let _held = PidFile::take(&path, Trusted::default()).expect("stale content");
        let text = fs::read_to_string(&path).expect("read");
        assert_eq!(text, format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_file_that_replaced_ours_is_left_alone() {
        let scratch = Scratch::new("pid-replaced");
        let path = scratch.path("vrrpd.pid");
        let held = PidFile::take(&path, Trusted::default()).expect("take");
        fs::remove_file(&path).expect("remove");
        fs::write(&path, "99\n").expect("replace");
        drop(held);
        assert_eq!(fs::read_to_string(&path).expect("read"), "99\n");
    }

    #[test]
    fn an_extra_file_is_removed_unless_it_names_another_process() {
        let scratch = Scratch::new("pid-extra");
        let path = scratch.path("a/vrrp.pid");
        let write = || ExtraPidFile::write(&path, Trusted::default()).expect("written");
        let extra = write();
        let text = fs::read_to_string(&path).expect("written");
        assert_eq!(text, format!("{}\n", std::process::id()));
        drop(extra);
        assert!(!path.exists());
        let extra = write();
        fs::write(&path, "1\n").expect("write");
        drop(extra);
        assert_eq!(fs::read_to_string(&path).expect("read"), "1\n");
        // What a killed daemon has left.
        drop(write());
        assert!(!path.exists());
        std::os::unix::fs::symlink("/etc/passwd", &path).expect("symlink");
        assert!(ExtraPidFile::write(&path, Trusted::default()).is_none());
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
        for (path, start, is_of_kernel) in [
            (link, "cannot use the pid file ", false),
            (fifo, "cannot use the pid file ", false),
            (target.join("below"), "cannot lock ", true),
        ] {
            let error = PidFile::take(&path, Trusted::default()).expect_err("odd");
            let text = error.to_string();
            assert!(text.starts_with(start), "{text}");
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(error.is_of_kernel(), is_of_kernel, "{text}");
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
