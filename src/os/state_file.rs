//! Where a process leaves word for its successor (`engine::resume` says what): a small file beside the pid file.
//!
//! It is written in place, some hundred times a second at the worst, and read once, by a copy that holds the lock on the
//! pid file. Its header names the boot and the network namespace: times and interface numbers mean nothing elsewhere.
//! No mapping, although that would spare the system calls: whoever truncated the file would end the daemon.
//!
//! Nothing depends on the file: what is wrong with it is said once, and the daemon runs without.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use super::pid_file::is_at;
use crate::engine::system::error_text;

/// What stands before the records; zeros at the end.
const HEADER: usize = 128;
/// More is not read: a thousand instances take 64 KB.
const MOST: u64 = 1 << 20;

/// See the top of the file. The default is none at all.
#[derive(Debug, Default)]
pub struct StateFile(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// The one that belongs to a pid file: `/run/vrrpd.state` to `/run/vrrpd.pid`.
    #[must_use]
    pub fn beside(pid_file: &Path) -> Self {
        let mut path = pid_file.as_os_str().to_owned();
        if pid_file
            .extension()
            .is_some_and(|extension| extension == "pid")
        {
            path = pid_file.with_extension("").into_os_string();
        }
        path.push(".state");
        let path = PathBuf::from(path);
        match open(&path) {
            Ok(file) => StateFile(Some(Open { file, path })),
            Err(error) => {
                complain(&path, &error);
                StateFile(None)
            }
        }
    }

    /// What a predecessor left, if it speaks of this machine as it is. From now on the file is ours.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let Some(Open { file, .. }) = &mut self.0 else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST).read_to_end(&mut bytes);
        let header = read.and_then(|_| header());
        let outcome = header.and_then(|header| {
            if bytes.starts_with(&header) {
                bytes.drain(..HEADER);
            } else {
                bytes.clear();
                file.set_len(0)?;
                file.write_all_at(&header, 0)?;
            }
            Ok(())
        });
        if let Err(error) = outcome {
            self.fail(&error);
            bytes.clear();
        }
        bytes
    }

    /// Writes behind the header.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let at = u64::try_from(at.saturating_add(HEADER)).unwrap_or(u64::MAX);
        let written = match &self.0 {
            Some(Open { file, .. }) => file.write_all_at(bytes, at),
            None => return,
        };
        if let Err(error) = written {
            self.fail(&error);
        }
    }

    /// The daemon ends in good order: nothing remains.
    pub(super) fn remove(&mut self) {
        // Unless somebody has put another file in its place.
        if let Some(Open { file, path }) = self.0.take()
            && is_at(&file, &path)
        {
            let _ = fs::remove_file(path);
        }
    }

    /// What is half written must not be believed.
    fn fail(&mut self, error: &io::Error) {
        if let Some(Open { file, path }) = &self.0 {
            let _ = file.set_len(0);
            complain(path, error);
        }
        self.remove();
    }
}

fn complain(path: &Path, error: &io::Error) {
    let why = error_text(error);
    log::warn!(
        "no hot restart, the state file {} cannot be used: {why}",
        path.display()
    );
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        // The directory may be shared.
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let data = file.metadata()?;
    let why = if !data.is_file() {
        "it is not a regular file"
    } else if data.uid() != geteuid().as_raw() {
        "it belongs to another user"
    } else if data.mode() & 0o077 != 0 || data.nlink() != 1 {
        "others have access to it"
    } else {
        return Ok(file);
    };
    Err(io::Error::other(why))
}

/// Names the format, this boot and our place in it.
fn header() -> io::Result<[u8; HEADER]> {
    let mut text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    text.insert_str(0, "vrrpd state 1\n");
    // Kernels before 5.6 have no namespaces of time.
    for space in ["net", "time"] {
        if let Ok(link) = fs::read_link(format!("/proc/self/ns/{space}")) {
            text.push_str(&link.to_string_lossy());
            text.push('\n');
        }
    }
    let mut header = [0; HEADER];
    for (to, from) in header.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn what_one_writes_the_next_reads_until_it_ends_in_good_order() {
        let scratch = Scratch::new("state-life");
        let (pid_file, path) = (scratch.path("vrrpd.pid"), scratch.path("vrrpd.state"));
        let mut first = StateFile::beside(&pid_file);
        assert_eq!(first.read(), [0; 0]);
        first.write(0, &[1, 2, 3, 4]);
        first.write(2, &[7]);
        drop(first);
        let mut second = StateFile::beside(&pid_file);
        assert_eq!(second.read(), [1, 2, 7, 4]);
        let mode = fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        second.remove();
        assert!(!path.exists());
        second.write(0, &[1]);
        assert!(!path.exists());
    }

    #[test]
    fn another_boot_or_format_is_not_believed() {
        let scratch = Scratch::new("state-boot");
        let pid_file = scratch.path("named");
        let path = scratch.path("named.state");
        for place in [0, 12, 20, 60] {
            let mut file = StateFile::beside(&pid_file);
            file.read();
            file.write(0, &[1, 2, 3, 4]);
            let mut bytes = fs::read(&path).expect("read");
            bytes[place] ^= 1;
            fs::write(&path, &bytes).expect("write");
            assert_eq!(StateFile::beside(&pid_file).read(), [0; 0], "{place}");
            let len = fs::metadata(&path).expect("there").len();
            assert_eq!(len, HEADER as u64, "and is gone");
        }
    }

    #[test]
    fn what_is_not_ours_alone_is_left_alone() {
        let scratch = Scratch::new("state-odd");
        let (pid_file, path) = (scratch.path("vrrpd.pid"), scratch.path("vrrpd.state"));
        let target = scratch.path("target");
        fs::write(&target, "precious").expect("write");
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).expect("chmod");
        let open = || fs::set_permissions(&path, fs::Permissions::from_mode(0o640));
        let odd: [&dyn Fn() -> io::Result<()>; 4] = [
            &|| symlink(&target, &path),
            &|| fs::hard_link(&target, &path),
            &|| fs::write(&path, "precious").and_then(|()| open()),
            &|| Ok(nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU)?),
        ];
        for make in odd {
            make().expect("made");
            let mut file = StateFile::beside(&pid_file);
            assert!(file.0.is_none());
            file.write(0, &[1]);
            file.remove();
            fs::remove_file(&path).expect("still there");
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
