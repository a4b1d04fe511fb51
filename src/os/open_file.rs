//! Opens files whose paths come from a user: opening never blocks, and only regular files are
//! accepted.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a file for reading. Symbolic links are followed.
pub(super) fn for_reading(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        // A FIFO or a device could block.
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// Opens a file for reading and writing, and creates it with `mode` if it does not exist. The
/// content is kept. A symbolic link is refused, because other users may be able to write to the
/// directory.
pub(super) fn for_writing(path: &Path, mode: u32) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    require_regular(&file.metadata()?)?;
    Ok(file)
}

/// # Errors
/// The file is not a regular one.
pub(super) fn require_regular(data: &Metadata) -> io::Result<()> {
    if data.is_dir() {
        Err(io::Error::other("it is a directory"))
    } else if data.is_file() {
        Ok(())
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// Whether the file at the path is this one.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    (open.dev(), open.ino()) == (named.dev(), named.ino())
}
