//! The rules for opening files whose paths come from a user. Other users of the machine may be
//! able to write to a directory on the way, or may have prepared the file.
//!
//! | File | Links | Owner | Access of others | Directory |
//! |---|---|---|---|---|
//! | configuration, tracked file | followed | any | any (`-t` reports what they can write) | any |
//! | CA and certificate of `SSL` | followed | ours | none that writes | any |
//! | key of `auth_hmac` and `SSL` | followed | ours | none; a group may read | any |
//! | lock, state file | refused, hard links too | the daemon's user | none | safe |
//! | pid file | refused, hard links too | the daemon's user | none that writes | safe |
//! | log file | refused, hard links too | ours | none that writes, if everybody can write to its directory | any |
//! | FIFO with a script of ours that reads it | refused, hard links too | ours, or its reader's | a group may write | safe, or its reader's |
//! | other FIFO | refused, hard links too | any | any | any |
//! | dump, tracked file that is created, `uci2conf -o` | replaced | replaced | replaced | any |
//! | dump that `vrrpd ubus` reads | refused, hard links too | ours | none that writes | any |
//! | capture of `sniff -w` | refused | any | none in a new file | any |
//! | report of `-t` | followed; replaced if others can write to its directory | | | any |
//!
//! *Ours* is root or the daemon's user. A *safe* directory is ours or of the user who owns the
//! configuration, who controls the daemon anyway, and others cannot write to it or it has the sticky
//! bit. Where the daemon writes, links of another user on the way are refused. Opening never
//! blocks. Only regular files are accepted, except that a log and a report may go to a device or a
//! pipe. [`super::atomic_file`] replaces files, [`super::executable`] checks programs, and paths in
//! /proc, /sys and /dev that are written in the source are the kernel's.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::{getegid, geteuid};

const STICKY: u32 = 0o1000;
const READ_BY_OTHERS: u32 = 0o004;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

const LINK: &str = "it is a symbolic link";

/// The access that other users may have to a file of the daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Access {
    /// None.
    Private,
    /// They may read it.
    Public,
}

/// The user besides us who may own the directory of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trusted(Option<u32>);

impl Trusted {
    /// The owner of this file or directory.
    #[must_use]
    pub fn owner_of(path: &Path) -> Self {
        Trusted(fs::metadata(path).ok().map(|data| data.uid()))
    }

    /// This user.
    pub(super) fn user(uid: u32) -> Self {
        Trusted(Some(uid))
    }
}

// ---- reading ----

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

/// Opens a file that other users must not be able to write to, for reading.
pub(super) fn trusted(path: &Path) -> io::Result<File> {
    let file = for_reading(path)?;
    require_ours(&file.metadata()?, path)?;
    Ok(file)
}

/// Opens a file that other users must not be able to read either.
pub(super) fn secret(path: &Path) -> io::Result<File> {
    let file = trusted(path)?;
    if file.metadata()?.mode() & READ_BY_OTHERS != 0 {
        let path = path.display();
        return refuse(format_args!(
            "every user can read it; use `chmod o= {path}`"
        ));
    }
    Ok(file)
}

// ---- files of the daemon ----

/// Opens a file of the daemon for reading and writing, and creates it if it does not exist. The
/// content is kept.
pub(super) fn own(path: &Path, access: Access, trusted: Trusted) -> io::Result<File> {
    // Before it is opened: the kernel may refuse to open a file of another user (protected_regular).
    check_own(path, access, trusted)?;
    let mode = match access {
        Access::Private => 0o600,
        Access::Public => 0o644,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)
        .map_err(name_link)?;
    require_own(&file.metadata()?, access)?;
    Ok(file)
}

/// Whether [`own`] would refuse the file, which is not created.
pub(super) fn check_own(path: &Path, access: Access, trusted: Trusted) -> io::Result<()> {
    require_safe_directory(path, trusted)?;
    match fs::symlink_metadata(path) {
        Ok(data) => require_own(&data, access),
        Err(_) => Ok(()),
    }
}

fn require_own(data: &Metadata, access: Access) -> io::Result<()> {
    require_regular(data)?;
    let forbidden = match access {
        Access::Private => 0o077,
        Access::Public => 0o022,
    };
    let uid = data.uid();
    if uid != geteuid().as_raw() {
        refuse(format_args!("it belongs to user {uid}; remove it"))
    } else if data.mode() & forbidden != 0 || data.nlink() != 1 {
        refuse(format_args!("other users have access to it; remove it"))
    } else {
        Ok(())
    }
}

/// Opens a FIFO for reading and writing. Its lines reach a program of ours that reads it as `reader`,
/// if there is one.
pub(super) fn fifo(path: &Path, reader: Option<u32>) -> io::Result<File> {
    // Checked before it is opened: opening a device can have side effects.
    let data = fs::symlink_metadata(path)?;
    if !data.file_type().is_fifo() {
        return refuse(format_args!("it exists and is not a FIFO"));
    }
    // The file at its other name may not be for us.
    if data.nlink() != 1 {
        return refuse(format_args!("it has another name (hard link)"));
    }
    let uid = data.uid();
    if reader.is_some_and(|reader| !is_ours(uid) && uid != reader) {
        return refuse(format_args!("it belongs to user {uid}; remove it"));
    }
    if reader.is_some() && data.mode() & OTHERS_WRITE != 0 {
        let path = path.display();
        return refuse(format_args!(
            "every user can write to it; use `chmod o-w {path}`"
        ));
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags.bits())
        .open(path)?;
    if !is_same(&file.metadata()?, &data) {
        return refuse(format_args!("it was replaced while it was opened"));
    }
    Ok(file)
}

/// Opens a log file for appending, and creates it if it does not exist.
pub(super) fn log(path: &Path) -> io::Result<File> {
    require_own_links(path.parent().unwrap_or(path), is_ours)?;
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .custom_flags(flags.bits())
        .open(path)
        .map_err(name_link)?;
    let data = file.metadata()?;
    // A device such as /dev/console may be writable by everybody.
    let device = !data.is_file() && is_ours(data.uid());
    if !device && all_write_to_directory(path) {
        require_ours(&data, path)?;
        if data.nlink() != 1 {
            return refuse(format_args!("it has another name (hard link)"));
        }
    }
    Ok(file)
}

/// Opens a file that the user has named for output, as a shell does. If other users can write to
/// its directory it must be replaced instead: `None`.
pub(super) fn for_output(path: &Path) -> io::Result<Option<File>> {
    require_own_links(path.parent().unwrap_or(path), is_ours)?;
    if others_write_to_directory(path) {
        return Ok(None);
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    Ok(Some(file))
}

/// # Errors
/// A link on the way belongs to another user, or at the path is a device or the like, which must not
/// be replaced. In a directory that others can write to it may be theirs.
pub(super) fn require_replaceable(path: &Path) -> io::Result<()> {
    require_own_links(path.parent().unwrap_or(path), is_ours)?;
    match fs::metadata(path) {
        Ok(data) if !others_write_to_directory(path) => require_regular(&data),
        Ok(_) | Err(_) => Ok(()),
    }
}

// ---- checks ----

/// # Errors
/// The file is not a regular one.
pub(super) fn require_regular(data: &Metadata) -> io::Result<()> {
    if data.is_dir() {
        Err(io::Error::other("it is a directory"))
    } else if data.is_symlink() {
        Err(io::Error::other(LINK))
    } else if data.is_file() {
        Ok(())
    } else {
        Err(io::Error::other("it is not a regular file"))
    }
}

/// # Errors
/// The owner is neither root nor the daemon's user, or others can write to the file.
fn require_ours(data: &Metadata, path: &Path) -> io::Result<()> {
    let path = path.display();
    if !is_ours(data.uid()) {
        let (uid, own) = (data.uid(), geteuid());
        return refuse(format_args!(
            "it belongs to user {uid}; use `chown {own} {path}`"
        ));
    }
    if others_write(data) {
        return refuse(format_args!(
            "other users can write to it; use `chmod go-w {path}`"
        ));
    }
    Ok(())
}

/// # Errors
/// The directory of the path belongs to neither us nor `other`, or others can replace files in it,
/// or a link on the way belongs to another user.
pub(super) fn require_safe_directory(path: &Path, other: Trusted) -> io::Result<()> {
    let trusted = |uid| is_ours(uid) || Some(uid) == other.0;
    let Some(directory) = path.parent() else {
        return Ok(());
    };
    let directory = match directory.as_os_str().is_empty() {
        true => Path::new("."),
        false => directory,
    };
    require_own_links(directory, trusted)?;
    let data = fs::metadata(directory)?;
    let name = directory.display();
    if !trusted(data.uid()) {
        let uid = data.uid();
        return refuse(format_args!("the directory {name} belongs to user {uid}"));
    }
    if others_write(&data) && data.mode() & STICKY == 0 {
        return refuse(format_args!(
            "other users can write to the directory {name}; use `chmod go-w {name}`"
        ));
    }
    Ok(())
}

/// # Errors
/// A link on the way belongs to another user.
fn require_own_links(directory: &Path, trusted: impl Fn(u32) -> bool) -> io::Result<()> {
    for part in directory.ancestors() {
        let foreign = |data: &Metadata| data.is_symlink() && !trusted(data.uid());
        if fs::symlink_metadata(part).is_ok_and(|data| foreign(&data)) {
            let part = part.display();
            return refuse(format_args!("{part} is a symbolic link of another user"));
        }
    }
    Ok(())
}

/// Whether other users can create files in the directory of the path.
fn others_write_to_directory(path: &Path) -> bool {
    let directory = path.parent().filter(|part| !part.as_os_str().is_empty());
    let data = fs::metadata(directory.unwrap_or(Path::new(".")));
    data.is_ok_and(|data| others_write(&data) || !is_ours(data.uid()))
}

/// The same without groups: /var/log often belongs to the group of the log daemon.
fn all_write_to_directory(path: &Path) -> bool {
    let directory = path.parent().filter(|part| !part.as_os_str().is_empty());
    let data = fs::metadata(directory.unwrap_or(Path::new(".")));
    data.is_ok_and(|data| data.mode() & OTHERS_WRITE != 0 || !is_ours(data.uid()))
}

/// Whether users other than the owner can write. The groups of root and of the daemon do not count.
fn others_write(data: &Metadata) -> bool {
    let other_group = ![0, getegid().as_raw()].contains(&data.gid());
    let by_group = data.mode() & GROUP_WRITES != 0 && other_group;
    by_group || data.mode() & OTHERS_WRITE != 0
}

fn is_ours(uid: u32) -> bool {
    uid == 0 || uid == geteuid().as_raw()
}

/// Whether the file at the path is this one.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), fs::symlink_metadata(path)) else {
        return false;
    };
    is_same(&open, &named)
}

/// Whether every user can write to the file.
pub(super) fn is_writable_by_everyone(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|data| data.mode() & OTHERS_WRITE != 0)
}

pub(super) fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

// ---- refusals ----

/// An error of this module and not of the kernel.
fn refuse<T>(why: fmt::Arguments<'_>) -> io::Result<T> {
    Err(io::Error::other(why.to_string()))
}

/// Whether a rule of this module refuses the file.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Other && error.raw_os_error().is_none()
}

/// The kernel's error for a link that is not followed is ELOOP.
fn name_link(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(errno) if errno == Errno::ELOOP as i32 => io::Error::other(LINK),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::io::Write;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    fn text<T: fmt::Debug>(opened: io::Result<T>) -> String {
        opened.expect_err("refused").to_string()
    }

    #[test]
    fn keys_and_certificates_must_be_protected() {
        let scratch = Scratch::new("open-secret");
        let (path, link) = (scratch.path("key"), scratch.path("link"));
        fs::write(&path, "key").expect("write");
        symlink(&path, &link).expect("symlink");
        let name = link.display();
        for (mode, public, private) in [
            (0o600, "", ""),
            (0o640, "", ""),
            (0o644, "", "every user can read it; use `chmod o= NAME`"),
            (
                0o602,
                "other users can write to it; use `chmod go-w NAME`",
                "other users can write to it; use `chmod go-w NAME`",
            ),
        ] {
            chmod(&path, mode);
            for (opened, want) in [(trusted(&link), public), (secret(&link), private)] {
                let why = opened
                    .err()
                    .map_or_else(String::new, |error| error.to_string());
                assert_eq!(why, want.replace("NAME", &name.to_string()), "{mode:o}");
            }
        }
    }

    #[test]
    fn a_report_replaces_a_link_where_others_can_create_one() {
        let scratch = Scratch::new("open-output");
        let (dir, target) = (scratch.path("dir"), scratch.path("target"));
        fs::create_dir(&dir).expect("mkdir");
        let path = dir.join("report");
        symlink(&target, &path).expect("symlink");
        let mut file = for_output(&path)
            .expect("followed")
            .expect("as a shell does");
        file.write_all(b"text").expect("write");
        assert_eq!(fs::read_to_string(&target).expect("read"), "text");
        chmod(&dir, 0o1777);
        assert!(for_output(&path).expect("to be replaced").is_none());
        assert!(
            for_output(Path::new("/dev/null"))
                .expect("a device")
                .is_some()
        );
    }

    #[test]
    fn a_log_file_that_others_can_write_to_is_refused_in_a_shared_directory() {
        let scratch = Scratch::new("open-log");
        let (path, other) = (scratch.path("log"), scratch.path("other"));
        fs::write(&path, "").expect("write");
        fs::hard_link(&path, &other).expect("link");
        chmod(&path, 0o666);
        log(&path).expect("only we can write to the directory");
        chmod(&scratch.path(""), 0o1777);
        assert!(text(log(&path)).starts_with("other users can write to it; use `chmod go-w "));
        chmod(&path, 0o640);
        assert_eq!(text(log(&path)), "it has another name (hard link)");
        fs::remove_file(&other).expect("remove");
        log(&path).expect("like one that it has created");
        log(Path::new("/dev/null")).expect("a device");
    }

    #[test]
    fn what_the_daemon_would_refuse_is_known_before() {
        let scratch = Scratch::new("open-check");
        let (path, link) = (scratch.path("file"), scratch.path("link"));
        check_own(&path, Access::Private, Trusted::default()).expect("it would be created");
        assert!(!path.exists());
        drop(own(&path, Access::Private, Trusted::default()).expect("created"));
        check_own(&path, Access::Private, Trusted::default()).expect("as it was created");
        symlink(&path, &link).expect("symlink");
        assert_eq!(
            text(check_own(&link, Access::Public, Trusted::default())),
            LINK
        );
        assert_eq!(text(own(&link, Access::Public, Trusted::default())), LINK);
        chmod(&scratch.path(""), 0o777);
        let why = text(check_own(&path, Access::Private, Trusted::default()));
        assert!(
            why.starts_with("other users can write to the directory "),
            "{why}"
        );
    }
}
