//! Checks that a path leads to a file that only trusted users can change or replace.
//!
//! The path is followed as the kernel follows it, one component at a time, links included. Each
//! directory, each link and the file itself must belong to root (or to the daemon's user), and
//! nobody else may be able to write to it. Then nobody else can make the same path lead to another
//! file, and it can be executed under its name: the name tells a multi-call program what to do, and
//! a script where it is.
//!
//! System calls only, so that a child can check again right before it executes the program.

use std::fs::{File, Metadata};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;

use crate::sys;

/// Limits of the kernel.
const MAX_LINKS: usize = 40;
const MAX_NAME: usize = 255;
const MAX_PATH: usize = 4096;

/// Opens a file as a place only: without access to its contents, without effects on a device.
const PLACE: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// Why a path is not to be trusted.
#[derive(Debug)]
pub(super) enum PathError {
    /// It leads nowhere.
    System(Errno),
    /// Others can change this directory, link or file.
    Exposed(File),
}

impl From<Errno> for PathError {
    fn from(errno: Errno) -> Self {
        PathError::System(errno)
    }
}

impl PathError {
    /// The path of the directory, link or file that others can change.
    pub(super) fn exposed(&self) -> Option<String> {
        let PathError::Exposed(part) = self else {
            return None;
        };
        let name = std::fs::read_link(format!("/proc/self/fd/{}", part.as_raw_fd()));
        // Without /proc.
        Some(name.map_or_else(
            |_| "a part of its path".into(),
            |name| name.display().to_string(),
        ))
    }
}

/// Checks an absolute path. Besides root, the user `trusted` may own its parts.
pub(super) fn check(path: &[u8], trusted: u32) -> Result<(), PathError> {
    let mut rest = Rest::of(path)?;
    let mut links = 0;
    let root = || Part::of(open(c"/", PLACE, Mode::empty())?, false, trusted);
    let mut here = root()?;
    while let Some(name) = rest.next()? {
        let found = openat(here.file.as_fd(), name, PLACE, Mode::empty())?;
        let part = Part::of(found, here.is_shared, trusted)?;
        if !part.is_link {
            here = part;
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::ELOOP.into());
        }
        if rest.follow(&part.file)? == Target::Absolute {
            here = root()?;
        }
    }
    Ok(())
}

/// A directory, link or file that only trusted users can change.
struct Part {
    file: File,
    is_link: bool,
    /// Others can create files in this directory, but not replace those of trusted users (sticky
    /// bit, as in /tmp).
    is_shared: bool,
}

impl Part {
    /// `in_shared`: it was found in a directory where others can create files.
    fn of(found: OwnedFd, in_shared: bool, trusted: u32) -> Result<Self, PathError> {
        let file = File::from(found);
        let data = file
            .metadata()
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
        // There, others could have given a file of root another name.
        let is_renamed = in_shared && !data.is_dir() && data.nlink() > 1;
        if is_renamed || is_exposed(&data, trusted) {
            return Err(PathError::Exposed(file));
        }
        Ok(Part {
            is_link: data.is_symlink(),
            is_shared: data.is_dir() && is_writable(&data),
            file,
        })
    }
}

/// Whether others can change or replace it.
fn is_exposed(data: &Metadata, trusted: u32) -> bool {
    let is_sticky = data.is_dir() && data.mode() & 0o1000 != 0;
    let is_foreign = ![0, trusted].contains(&data.uid());
    // The mode of a link has no meaning.
    is_foreign || (is_writable(data) && !is_sticky && !data.is_symlink())
}

/// Whether its mode lets others write to it. The group of root is trusted, as in keepalived.
fn is_writable(data: &Metadata) -> bool {
    let by_group = data.mode() & 0o020 != 0 && data.gid() != 0;
    by_group || data.mode() & 0o002 != 0
}

/// Where a symbolic link leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Target {
    Absolute,
    Relative,
}

/// The part of the path that has not been followed yet, at the end of a buffer: the target of a link
/// goes in front of it.
struct Rest {
    bytes: [u8; MAX_PATH],
    start: usize,
}

impl Rest {
    fn of(path: &[u8]) -> nix::Result<Self> {
        let mut rest = Rest {
            bytes: [0; MAX_PATH],
            start: MAX_PATH,
        };
        rest.prepend(path)?;
        Ok(rest)
    }

    fn prepend(&mut self, text: &[u8]) -> nix::Result<()> {
        let start = self.start.checked_sub(text.len());
        let start = start.ok_or(Errno::ENAMETOOLONG)?;
        let place = self.bytes.get_mut(start..self.start);
        place.ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(text);
        self.start = start;
        Ok(())
    }

    /// Takes the next component.
    fn next(&mut self) -> nix::Result<Option<&[u8]>> {
        let text = self.bytes.get(self.start..).unwrap_or_default();
        let skipped = text.iter().take_while(|byte| **byte == b'/').count();
        let text = text.get(skipped..).unwrap_or_default();
        let len = text.iter().take_while(|byte| **byte != b'/').count();
        self.start += skipped + len;
        if len > MAX_NAME {
            return Err(Errno::ENAMETOOLONG);
        }
        Ok(text.get(..len).filter(|name| !name.is_empty()))
    }

    /// Puts the target of a link in front.
    fn follow(&mut self, link: &File) -> nix::Result<Target> {
        let mut target = [0; MAX_PATH];
        let len = sys::read_link(link.as_fd(), &mut target)?;
        let target = target.get(..len).unwrap_or_default();
        self.prepend(b"/")?;
        self.prepend(target)?;
        Ok(match target.first() {
            Some(b'/') => Target::Absolute,
            _ => Target::Relative,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
    use std::path::Path;

    const OTHER: u32 = 54_321;

    /// What `check` says: the exposed part, or the error.
    fn outcome(path: &Path, trusted: u32) -> Result<(), String> {
        check(path.as_os_str().as_bytes(), trusted).map_err(|error| match &error {
            PathError::System(errno) => errno.to_string(),
            PathError::Exposed(_) => error.exposed().expect("exposed"),
        })
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    /// A directory with `dir/file`, all of root; `None` if this process is not root.
    fn tree(name: &str) -> Option<(Scratch, std::path::PathBuf)> {
        if !nix::unistd::geteuid().is_root() {
            return None;
        }
        let scratch = Scratch::new(name);
        let top = fs::canonicalize(scratch.path("")).expect("real path");
        fs::create_dir(top.join("dir")).expect("mkdir");
        fs::write(top.join("dir/file"), "").expect("write");
        Some((scratch, top))
    }

    #[test]
    fn each_directory_link_and_file_counts() {
        let Some((_scratch, top)) = tree("path-parts") else {
            return;
        };
        let (dir, file) = (top.join("dir"), top.join("dir/file"));
        let safe = || outcome(&file, 0);
        assert_eq!(safe(), Ok(()));
        assert_eq!(outcome(&dir.join("../dir/./file"), 0), Ok(()));
        let text = |path: &Path| path.display().to_string();
        for part in [&dir, &file] {
            for (mode, gid, want) in [
                (0o757, 0, Err(text(part))),
                (0o775, 0, Ok(())),
                (0o775, OTHER, Err(text(part))),
                (0o755, OTHER, Ok(())),
            ] {
                chown(part, None, Some(gid)).expect("chown");
                set_mode(part, mode);
                assert_eq!(safe(), want, "{} {mode:o} {gid}", part.display());
            }
            chown(part, Some(OTHER), Some(0)).expect("chown");
            assert_eq!(safe(), Err(text(part)));
            assert_eq!(outcome(&file, OTHER), Ok(()), "a trusted user");
            chown(part, Some(0), Some(0)).expect("chown");
        }
        assert_eq!(
            outcome(&top.join("none"), 0),
            Err(Errno::ENOENT.to_string())
        );
        assert_eq!(outcome(&file.join("x"), 0), Err(Errno::ENOTDIR.to_string()));
        let long = dir.join("x".repeat(256));
        assert_eq!(outcome(&long, 0), Err(Errno::ENAMETOOLONG.to_string()));
        let long = dir.join("./".repeat(2048));
        assert_eq!(outcome(&long, 0), Err(Errno::ENAMETOOLONG.to_string()));
    }

    #[test]
    fn links_are_followed_and_must_belong_to_root_too() {
        let Some((_scratch, top)) = tree("path-links") else {
            return;
        };
        let text = |path: &Path| Err(path.display().to_string());
        let other = top.join("other");
        fs::create_dir(&other).expect("mkdir");
        chown(&other, Some(OTHER), None).expect("chown");
        fs::write(other.join("file"), "").expect("write");
        for (name, target) in [
            ("absolute", top.join("dir").to_str().expect("UTF-8")),
            ("relative", "dir"),
            ("up", "dir/../dir/"),
            ("twice", "relative"),
        ] {
            let link = top.join(name);
            symlink(target, &link).expect("symlink");
            let path = link.join("file");
            assert_eq!(outcome(&path, 0), Ok(()), "{name}");
            lchown(&link, Some(OTHER), None).expect("lchown");
            assert_eq!(outcome(&path, 0), text(&link), "{name}");
            lchown(&link, Some(0), None).expect("lchown");
        }
        // A link of root that leads through the directory of another user.
        symlink(other.join("../dir"), top.join("through")).expect("symlink");
        assert_eq!(outcome(&top.join("through/file"), 0), text(&other));
        symlink("loop", top.join("loop")).expect("symlink");
        let looped = outcome(&top.join("loop"), 0);
        assert_eq!(looped, Err(Errno::ELOOP.to_string()));
    }

    #[test]
    fn what_others_put_into_a_sticky_directory_is_exposed() {
        let Some((_scratch, top)) = tree("path-sticky") else {
            return;
        };
        let (dir, file) = (top.join("dir"), top.join("dir/file"));
        set_mode(&dir, 0o1777);
        assert_eq!(outcome(&file, 0), Ok(()), "only its owner can replace it");
        let link = dir.join("link");
        symlink(&file, &link).expect("symlink");
        assert_eq!(outcome(&link, 0), Ok(()));
        lchown(&link, Some(OTHER), None).expect("lchown");
        let exposed = |path: &Path| Err(path.display().to_string());
        assert_eq!(outcome(&link, 0), exposed(&link));
        // Another name for a file of root, which anybody may have created.
        let name = dir.join("name");
        fs::hard_link(&file, &name).expect("link");
        assert_eq!(outcome(&name, 0), exposed(&name));
    }
}
