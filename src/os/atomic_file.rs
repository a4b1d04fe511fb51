//! Files that are there as a whole or not at all.
//!
//! The directory may be `/tmp`, where everybody may put a link in our way: the temporary file is one that we
//! have made just now (`O_EXCL` follows no link), and renaming it puts it in the place of a link instead of
//! writing through that.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Turns against somebody who puts another file in the place of ours again and again.
const ATTEMPTS: u32 = 4;

/// Writes a file, replacing what is there. Who may read it is the umask's business.
///
/// # Errors
/// The kernel's; what was there is still there then.
pub(super) fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    // Ours alone, should another copy write the same file.
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let mut attempts = ATTEMPTS;
    let mut file = loop {
        let made = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&temporary);
        match made {
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
    fn a_link_is_replaced_and_not_followed() {
        let scratch = Scratch::new("atomic-link");
        let (target, link) = (scratch.path("target"), scratch.path("dump"));
        fs::write(&target, "precious").expect("write");
        symlink(&target, &link).expect("symlink");
        // At the temporary name too.
        let temporary = format!(".dump.{}", std::process::id());
        let temporary = scratch.path(&temporary);
        symlink(&target, &temporary).expect("symlink");
        replace(&link, b"new").expect("replace");
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
        assert!(!link.symlink_metadata().expect("metadata").is_symlink());
        assert_eq!(fs::read_to_string(&link).expect("read"), "new");
        assert_eq!(entries(&scratch), 2, "nothing is left behind");
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let scratch = Scratch::new("atomic-fail");
        let occupied = scratch.path("dump");
        fs::create_dir(&occupied).expect("mkdir");
        replace(&occupied, b"new").expect_err("a directory is in the way");
        replace(&scratch.path("no/such/dump"), b"new").expect_err("no directory");
        replace(Path::new("/"), b"new").expect_err("no name");
        assert_eq!(entries(&scratch), 1);
    }
}
