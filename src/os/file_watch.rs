//! Watching files: the directory of each, so that a file may be replaced, removed and made again.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// A tracked file is not read any further.
const MAX_FILE: u64 = 4096;
/// Bunches of events read per turn.
const READS: u32 = 16;

/// The files that are watched.
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    inotify: Option<Inotify>,
    dirs: Vec<WatchDescriptor>,
    names: Vec<OsString>,
}

impl FileWatch {
    /// Descriptor to wait on.
    pub(super) fn fd(&self) -> Option<RawFd> {
        self.inotify.as_ref().map(|one| one.as_fd().as_raw_fd())
    }

    /// Watches these files and no others. What can be watched is watched even if another cannot.
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
            // The file may be a link; what it leads to changes elsewhere.
            let real = fs::canonicalize(path).unwrap_or_else(|_| PathBuf::new());
            if real.as_path() != path {
                let _ = self.add(&real);
            }
        }
        for gone in old.iter().filter(|old| !self.dirs.contains(old)) {
            if let Some(inotify) = &self.inotify {
                // Refused when the directory itself is gone.
                let _ = inotify.rm_watch(*gone);
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
        // Not every write: `echo 1 > file` empties it first, and an empty file counts as 0.
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

    /// Whether something has changed since it was last asked.
    pub(super) fn changed(&mut self) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let ours = |name: &Option<OsString>| match name {
            Some(name) => self.names.iter().any(|known| OsStr::eq(known, name)),
            // The directory itself, or too much to tell.
            None => true,
        };
        let mut changed = false;
        for _ in 0..READS {
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
    let file = OpenOptions::new()
        .read(true)
        // A FIFO or a terminal must not keep us waiting.
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut contents = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut contents)?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    #[test]
    fn changes_of_watched_files_are_noticed_and_no_others() {
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
            "another file",
            &|| fs::write(&other, "1").expect("write"),
            false,
        );
        step("made", &|| fs::write(&file, "1").expect("write"), true);
        step("written", &|| fs::write(&file, "2").expect("write"), true);
        step("read", &|| drop(fs::read(&file).expect("read")), false);
        step(
            "replaced",
            &|| fs::rename(&other, &file).expect("rename"),
            true,
        );
        step("removed", &|| fs::remove_file(&file).expect("remove"), true);
        step(
            "behind a link",
            &|| fs::write(text("far/real"), "1").expect("write"),
            true,
        );
        watch.set(&[]).expect("nothing to watch");
        assert_eq!(watch.fd(), None);
    }

    #[test]
    fn a_directory_that_goes_away_is_noticed() {
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
    fn only_the_beginning_of_regular_files_is_read() {
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
