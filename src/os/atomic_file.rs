//! Writes files atomically: a reader sees the old content or the new one.
//!
//! The directory may be `/tmp`, where other users can place symbolic links: the temporary file is
//! created with `O_EXCL`, which follows none, and rename(2) replaces a link at the path instead of
//! following it.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
#[cfg(feature = "json")]
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::open_file;

/// How often to remove a file at the temporary path, which another user may keep creating.
const ATTEMPTS: u32 = 4;

/// Writes a file, replacing what is at the path. Its mode is that of the umask.
///
/// # Errors
/// A system call failed; the old content is kept.
pub(super) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace_with(path, contents, None)
}

/// The same for a file that all users may read, whatever the umask.
///
/// # Errors
/// A system call failed; the old content is kept.
#[cfg(feature = "json")]
pub(super) fn replace_for_all(path: &Path, contents: &[u8]) -> io::Result<()> {
    replace_with(path, contents, Some(Permissions::from_mode(0o644)))
}

fn replace_with(path: &Path, contents: &[u8], mode: Option<Permissions>) -> io::Result<()> {
    open_file::require_replaceable(path)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    // The pid, because another vrrpd may write the same file.
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut attempts = ATTEMPTS;
    let mut file = loop {
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary);
        match created {
            Ok(file) => break file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempts > 0 => {
                attempts -= 1;
                fs::remove_file(&temporary)?;
            }
            Err(error) => return Err(error),
        }
    };
    let done = file
        .write_all(contents)
        .and_then(|()| mode.map_or(Ok(()), |mode| file.set_permissions(mode)))
        .and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::os::unix::fs::symlink;

    fn entries(scratch: &Scratch) -> usize {
        fs::read_dir(scratch.path("")).expect("directory").count()
    }

    #[test]
    fn a_symbolic_link_is_replaced_and_not_followed() {
        let scratch = Scratch::new("atomic-link");
        let (target, link) = (scratch.path("target"), scratch.path("dump"));
        fs::write(&target, "precious").expect("write");
        symlink(&target, &link).expect("symlink");
        // At the temporary path too.
        let temporary = format!(".dump.{}", std::process::id());
        let temporary = scratch.path(&temporary);
        symlink(&target, &temporary).expect("symlink");
        replace(&link, b"new").expect("replace");
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
        assert!(!link.symlink_metadata().expect("metadata").is_symlink());
        assert_eq!(fs::read_to_string(&link).expect("read"), "new");
        assert_eq!(entries(&scratch), 2, "no temporary file is left");
    }

    #[test]
    fn a_failure_leaves_no_temporary_file() {
        let scratch = Scratch::new("atomic-fail");
        let occupied = scratch.path("dump");
        fs::create_dir(&occupied).expect("mkdir");
        replace(&occupied, b"new").expect_err("a directory is in the way");
        replace(&scratch.path("no/such/dump"), b"new").expect_err("no directory");
        replace(Path::new("/"), b"new").expect_err("no name");
        replace(Path::new("/dev/null"), b"new").expect_err("a device");
        assert_eq!(entries(&scratch), 1);
    }
}
