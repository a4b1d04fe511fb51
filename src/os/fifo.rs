//! FIFOs that scripts read state changes from (`notify_fifo`).
//!
//! They are opened for reading and writing and never block: no reader is needed, none can cause
//! SIGPIPE, and one that does not read costs a line each time its pipe is full. A FIFO that does
//! not exist is created, and removed at the end; anything else at its path is left alone. With a
//! script that reads it, one that another user has created, or can write to, is not used: its lines
//! would reach the script.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::open_file::{self, Trusted};
use crate::config::model::Fifo;

/// File mode, as keepalived's.
const MODE: u32 = 0o600;

/// The open FIFOs.
#[derive(Debug, Default)]
pub(super) struct Fifos(Vec<Open>);

#[derive(Debug)]
struct Open {
    path: String,
    file: File,
    /// Device and inode, if the daemon created it.
    created: Option<(u64, u64)>,
}

/// Where a FIFO at the path comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// The daemon has just created it.
    Created,
    /// It existed.
    Existing,
}

impl Fifos {
    /// See [`crate::engine::system::System::fifo_open`].
    pub(super) fn open(&mut self, fifo: &Fifo) -> io::Result<()> {
        if self.0.iter().any(|open| open.path == fifo.path) {
            return Ok(());
        }
        if let Some(reader) = reader(fifo) {
            open_file::require_safe_directory(Path::new(&fifo.path), Trusted::user(reader))?;
        }
        let origin = match mkfifo(fifo.path.as_str(), Mode::from_bits_truncate(MODE)) {
            Ok(()) => Origin::Created,
            Err(Errno::EEXIST) => Origin::Existing,
            Err(errno) => return Err(errno.into()),
        };
        let opened = open(fifo, origin);
        if origin == Origin::Created && opened.is_err() {
            let _ = fs::remove_file(&fifo.path);
        }
        self.0.push(opened?);
        Ok(())
    }

    /// See [`crate::engine::system::System::fifo_write`].
    pub(super) fn write(&mut self, path: &str, line: &str) -> io::Result<()> {
        let found = self.0.iter_mut().find(|open| open.path == path);
        let open = found.ok_or(io::ErrorKind::NotFound)?;
        // A pipe takes up to 4096 bytes (PIPE_BUF) in one piece or not at all: no reader sees half
        // a line.
        open.file.write(line.as_bytes()).map(drop)
    }

    /// See [`crate::engine::system::System::fifo_close`].
    pub(super) fn close(&mut self, path: &str) {
        let Some(index) = self.0.iter().position(|open| open.path == path) else {
            return;
        };
        let open = self.0.swap_remove(index);
        let now = fs::symlink_metadata(path).map(|data| (data.dev(), data.ino()));
        if open.created.is_some() && now.ok() == open.created {
            let _ = fs::remove_file(path);
        }
    }
}

/// The user whose script of ours reads the FIFO.
fn reader(fifo: &Fifo) -> Option<u32> {
    fifo.script.as_ref().map(|_| fifo.user.uid)
}

fn open(fifo: &Fifo, origin: Origin) -> io::Result<Open> {
    let file = open_file::fifo(Path::new(&fifo.path), reader(fifo))?;
    if origin == Origin::Created {
        // mkfifo(3) applied the umask.
        file.set_permissions(Permissions::from_mode(MODE))?;
        fchown(&file, Some(fifo.user.uid), Some(fifo.user.gid))?;
    }
    let data = file.metadata()?;
    Ok(Open {
        path: fifo.path.clone(),
        file,
        created: (origin == Origin::Created).then(|| (data.dev(), data.ino())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use nix::fcntl::OFlag;
    use std::fs::OpenOptions;
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

    fn fifo(path: &Path) -> Fifo {
        Fifo {
            path: path.to_str().expect("UTF-8").to_owned(),
            user: crate::os::host::own_user(),
            script: None,
        }
    }

    #[test]
    fn a_fifo_is_created_for_its_owner_and_removed_at_the_end() {
        let scratch = Scratch::new("fifo-created");
        let path = scratch.path("fifo");
        let fifo = fifo(&path);
        let mut fifos = Fifos::default();
        fifos.open(&fifo).expect("created");
        fifos.open(&fifo).expect("open already");
        let data = fs::metadata(&path).expect("there");
        assert!(data.file_type().is_fifo());
        assert_eq!(data.mode() & 0o7777, MODE);
        fifos.close(&fifo.path);
        assert!(!path.exists());
        fifos.close(&fifo.path);
        let gone = fifos.write(&fifo.path, "x\n").map_err(|e| e.kind());
        assert_eq!(gone, Err(io::ErrorKind::NotFound));
    }

    #[test]
    fn a_fifo_that_existed_and_a_file_that_replaced_ours_are_kept() {
        let scratch = Scratch::new("fifo-kept");
        let path = scratch.path("fifo");
        let fifo = fifo(&path);
        mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("mkfifo");
        fs::set_permissions(&path, Permissions::from_mode(0o620)).expect("chmod");
        let mut fifos = Fifos::default();
        fifos.open(&fifo).expect("opened");
        fifos.close(&fifo.path);
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o620);
        fs::remove_file(&path).expect("remove");
        fifos.open(&fifo).expect("created");
        fs::remove_file(&path).expect("remove");
        fs::write(&path, "mine").expect("write");
        fifos.close(&fifo.path);
        assert_eq!(fs::read(&path).expect("still there"), b"mine");
    }

    #[test]
    fn a_file_that_is_not_a_fifo_is_refused_and_not_touched() {
        let scratch = Scratch::new("fifo-refused");
        let file = scratch.path("file");
        fs::write(&file, "precious").expect("write");
        let mut fifos = Fifos::default();
        let why = fifos.open(&fifo(&file)).expect_err("refused").to_string();
        assert_eq!(why, "it exists and is not a FIFO");
        assert_eq!(fs::read(&file).expect("read"), b"precious");
        let nowhere = fifos
            .open(&fifo(&scratch.path("no/where")))
            .expect_err("refused");
        assert_eq!(nowhere.raw_os_error(), Some(2));
    }

    #[test]
    fn a_fifo_that_others_control_is_refused() {
        let scratch = Scratch::new("fifo-others");
        let (path, link) = (scratch.path("fifo"), scratch.path("link"));
        mkfifo(&path, Mode::from_bits_truncate(0o600)).expect("mkfifo");
        std::os::unix::fs::symlink(&path, &link).expect("symlink");
        let why = |path: &Path| {
            let read = Fifo {
                script: Some(crate::config::model::Command::default()),
                ..fifo(path)
            };
            let opened = Fifos::default().open(&read);
            opened.expect_err("refused").to_string()
        };
        let chmod = |path: &Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
        };
        assert_eq!(why(&link), "it exists and is not a FIFO");
        chmod(&path, 0o602);
        assert!(why(&path).starts_with("every user can write to it; use `chmod o-w "));
        chmod(&path, 0o600);
        chmod(&scratch.path(""), 0o777);
        assert!(why(&path).starts_with("other users can write to the directory "));
        chmod(&scratch.path(""), 0o1777);
        Fifos::default().open(&fifo(&path)).expect("as in /tmp");
        chmod(&path, 0o666);
        Fifos::default()
            .open(&fifo(&path))
            .expect("no script of ours reads it");
        let name = scratch.path("name");
        fs::hard_link(&path, &name).expect("link");
        assert_eq!(why(&name), "it has another name (hard link)");
    }

    #[test]
    fn no_reader_is_needed_and_a_full_pipe_drops_whole_lines() {
        let scratch = Scratch::new("fifo-full");
        let path = scratch.path("fifo");
        let fifo = fifo(&path);
        let mut fifos = Fifos::default();
        fifos.open(&fifo).expect("created");
        let line = format!("{}\n", "x".repeat(100));
        let mut written = 0;
        let why = loop {
            match fifos.write(&fifo.path, &line) {
                Ok(()) => written += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(why.kind(), io::ErrorKind::WouldBlock);
        let mut reader = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(&path)
            .expect("open");
        let mut bytes = vec![0; 1 << 20];
        let read = reader.read(&mut bytes).expect("read");
        assert_eq!(read, written * line.len(), "no half line");
        fifos.write(&fifo.path, &line).expect("writable again");
    }
}
