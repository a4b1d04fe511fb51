//! Watches files with inotify. The watch is on the directory of each, so that it outlives a file
//! that is replaced or removed.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use super::open_file;
use crate::types::sorted;

/// Number of bytes read from a tracked file.
const MAX_FILE: u64 = 4096;
/// read(2) calls per iteration of the loop.
const MAX_READS: u32 = 4;

/// The set of watched files.
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    inotify: Option<Inotify>,
    dirs: Vec<WatchDescriptor>,
    /// Sorted.
    names: Vec<OsString>,
}

impl FileWatch {
    /// The descriptor that becomes readable when a file changes; `None` if none are watched.
    pub(super) fn fd(&self) -> Option<RawFd> {
        self.inotify.as_ref().map(|one| one.as_fd().as_raw_fd())
    }

    /// Replaces the set of watched files. If some cannot be watched, the others are.
    pub(super) fn set(&mut self, paths: &[&str]) -> io::Result<()> {
        self.names.clear();
        if paths.is_empty() {
            self.dirs.clear();
            self.inotify = None;
            return Ok(());
        }
        if self.inotify.is_none() {
            let flags = InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK;
            self.inotify = Some(Inotify::init(flags)?);
        }
        let old = core::mem::take(&mut self.dirs);
        let mut outcome = Ok(());
        for path in paths {
            let path = Path::new(path);
            if let Err(error) = self.add(path) {
                outcome = Err(error);
            }
            // A symbolic link's target changes in another directory.
            let real = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::new());
            if real.as_path() != path {
                let _ = self.add(&real);
            }
        }
        self.names = sorted(core::mem::take(&mut self.names));
        self.names.dedup();
        for unused in old.iter().filter(|old| !self.dirs.contains(old)) {
            if let Some(inotify) = &self.inotify {
                // Fails if the directory itself was removed.
                let _ = inotify.rm_watch(*unused);
            }
        }
        outcome
    }

    fn add(&mut self, path: &Path) -> io::Result<()> {
        let (Some(name), Some(inotify)) = (path.file_name(), &self.inotify) else {
            return Ok(());
        };
        let dir = match path.parent() {
            Some(dir) if dir != Path::new("") => dir,
            Some(_) | None => Path::new("."),
        };
        // IN_CLOSE_WRITE, not IN_MODIFY: `echo 1 > file` truncates the file first, and an empty one
        // counts as 0.
        let changes = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        let watched = inotify.add_watch(dir, changes)?;
        if !self.dirs.contains(&watched) {
            self.dirs.push(watched);
        }
        self.names.push(name.to_owned());
        Ok(())
    }

    /// Whether a watched file has changed since the last call.
    pub(super) fn changed(&mut self) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let ours = |name: &Option<OsString>| match name {
            Some(name) => self.names.binary_search(name).is_ok(),
            // The directory itself changed, or events were lost.
            None => true,
        };
        let mut changed = false;
        for _ in 0..MAX_READS {
            let Ok(events) = inotify.read_events() else {
                break;
            };
            changed |= events.iter().any(|event| ours(&event.name));
        }
        changed
    }
}

/// See [`crate::engine::system::System::read_file`].
pub(super) fn read(path: &str) -> io::Result<Vec<u8>> {
    let file = open_file::for_reading(path.as_ref())?;
    let mut contents = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut contents)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    #[test]
    fn only_changes_of_watched_files_are_reported() {
        let scratch = Scratch::new("watch");
        let text = |name: &str| scratch.path(name).to_str().expect("UTF-8").to_owned();
        let (file, other) = (text("file"), text("other"));
        fs::create_dir(scratch.path("far")).expect("mkdir");
        std::os::unix::fs::symlink("far/real", scratch.path("link")).expect("link");
        fs::write(text("far/real"), "0").expect("write");
        let mut watch = FileWatch::default();
        assert_eq!(watch.fd(), None);
        let all: [&str; 2] = [&file, &text("link")];
        watch.set(&all).expect("watched");
        assert!(watch.fd().is_some());
        let mut step = |name: &str, change: &dyn Fn(), want: bool| {
            change();
            assert_eq!(watch.changed(), want, "{name}");
            assert!(!watch.changed(), "{name}: once");
            watch.set(&all).expect("still watched");
        };
        step("nothing", &|| {}, false);
        step(
            "other file",
            &|| fs::write(&other, "1").expect("write"),
            false,
        );
        step("created", &|| fs::write(&file, "1").expect("write"), true);
        step("written", &|| fs::write(&file, "2").expect("write"), true);
        step("read", &|| drop(fs::read(&file).expect("read")), false);
        step(
            "replaced",
            &|| fs::rename(&other, &file).expect("rename"),
            true,
        );
        step("removed", &|| fs::remove_file(&file).expect("remove"), true);
        step(
            "target of a link",
            &|| fs::write(text("far/real"), "1").expect("write"),
            true,
        );
        watch.set(&[]).expect("nothing to watch");
        assert_eq!(watch.fd(), None);
    }

    #[test]
    fn a_removed_directory_is_reported() {
        let scratch = Scratch::new("watch-dir");
        let dir = scratch.path("dir");
        fs::create_dir(&dir).expect("mkdir");
        let file = dir.join("file");
        let file = file.to_str().expect("UTF-8");
        let mut watch = FileWatch::default();
        watch.set(&[file]).expect("watched");
        fs::remove_dir(&dir).expect("rmdir");
        assert!(watch.changed());
        assert!(watch.set(&[file]).is_err());
        fs::create_dir(&dir).expect("mkdir");
        watch.set(&[file]).expect("watched again");
        fs::write(file, "1").expect("write");
        assert!(watch.changed());
    }

    #[test]
    fn only_regular_files_are_read_up_to_4096_bytes() {
        let scratch = Scratch::new("watch-read");
        let large = scratch.path("large");
        fs::write(&large, vec![b'1'; 10_000]).expect("write");
        let fifo = scratch.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
        let read = |path: &Path| read(path.to_str().expect("UTF-8"));
        assert_eq!(read(&large).expect("read").len(), 4096);
        assert!(read(&fifo).is_err());
        let missing = read(&scratch.path("none")).expect_err("missing");
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }
}
