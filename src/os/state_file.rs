//! The state file beside the pid file: what a restarted daemon needs to resume as master
//! (`engine::instance::resume`).
//!
//! It is written in place, at most some hundred times per second, and read once, by a copy that
//! holds the lock beside it. Its header identifies the boot and the network namespace: times
//! and interface indexes are valid only there. It is not mapped into memory, although that would
//! save the system calls: truncating the file would kill the daemon (SIGBUS).
//!
//! If the file cannot be used, that is logged once, and the daemon runs without it.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::clock;
use super::instance_lock;
use super::open_file::{self, Access, Trusted};
use crate::engine::instance::state_record;
use crate::engine::system::error_text;
use crate::log;

/// Length of the header in bytes, padded with zeros.
const HEADER: usize = 128;
/// Maximum length in bytes; a thousand instances take 64 KB.
const MAX_LEN: u64 = 1 << 20;

/// The open state file, if it can be used. The default is none.
#[derive(Debug, Default)]
pub struct StateFile(Option<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
}

impl StateFile {
    /// Opens the state file of a pid file: `/run/vrrpd.state` for `/run/vrrpd.pid`.
    #[must_use]
    pub fn beside(pid_file: &Path, trusted: Trusted) -> Self {
        let path = instance_lock::beside(pid_file, "state");
        match open_file::own(&path, Access::Private, trusted) {
            Ok(file) => StateFile(Some(Open { file, path })),
            Err(error) => {
                warn_unusable(&path, &error);
                StateFile(None)
            }
        }
    }

    /// The records of the previous process, if its header is that of this boot and namespace. If
    /// not, the file is cleared.
    pub(super) fn read(&mut self) -> Vec<u8> {
        let Some(Open { file, .. }) = &mut self.0 else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        let read = file.take(MAX_LEN).read_to_end(&mut bytes);
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

    /// Whether an instance was master a moment ago, and may resume.
    pub fn may_resume(&mut self) -> bool {
        let bytes = self.read();
        // It is read again by the engine.
        if let Some(Open { file, .. }) = &mut self.0 {
            let _ = file.rewind();
        }
        state_record::may_resume(&bytes, clock::uptime())
    }

    /// Writes at an offset behind the header.
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

    /// Removes the file at an orderly stop, unless it was replaced by another one.
    pub(super) fn remove(&mut self) {
        if let Some(Open { file, path }) = self.0.take()
            && open_file::is_at(&file, &path)
        {
            let _ = fs::remove_file(path);
        }
    }

    /// Clears and removes the file after an error: a record may be half written.
    fn fail(&mut self, error: &io::Error) {
        if let Some(Open { file, path }) = &self.0 {
            let _ = file.set_len(0);
            warn_unusable(path, error);
        }
        self.remove();
    }
}

fn warn_unusable(path: &Path, error: &io::Error) {
    let why = error_text(error);
    log::warn!(
        "no hot restart: cannot use the state file {}: {why}",
        path.display()
    );
}

/// The header: version of the format, boot id, network and time namespace.
fn header() -> io::Result<[u8; HEADER]> {
    let mut text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    text.insert_str(0, "vrrpd state 1\n");
    // Kernels before 5.6 have no time namespaces.
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
    fn records_are_kept_until_an_orderly_stop() {
        let scratch = Scratch::new("state-life");
        let (pid_file, path) = (scratch.path("vrrpd.pid"), scratch.path("vrrpd.state"));
        let mut first = StateFile::beside(&pid_file, Trusted::default());
        assert_eq!(first.read(), [0; 0]);
        first.write(0, &[1, 2, 3, 4]);
        first.write(2, &[7]);
        drop(first);
        let mut second = StateFile::beside(&pid_file, Trusted::default());
        assert_eq!(second.read(), [1, 2, 7, 4]);
        let mode = fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        second.remove();
        assert!(!path.exists());
        second.write(0, &[1]);
        assert!(!path.exists());
    }

    #[test]
    fn a_header_of_another_boot_or_format_clears_the_file() {
        let scratch = Scratch::new("state-boot");
        let pid_file = scratch.path("named");
        let path = scratch.path("named.state");
        for offset in [0, 12, 20, 60] {
            let mut file = StateFile::beside(&pid_file, Trusted::default());
            file.read();
            file.write(0, &[1, 2, 3, 4]);
            let mut bytes = fs::read(&path).expect("read");
            bytes[offset] ^= 1;
            fs::write(&path, &bytes).expect("write");
            assert_eq!(
                StateFile::beside(&pid_file, Trusted::default()).read(),
                [0; 0],
                "{offset}"
            );
            let len = fs::metadata(&path).expect("metadata").len();
            assert_eq!(len, HEADER as u64, "cleared");
        }
    }

    #[test]
    fn links_fifos_and_files_that_others_can_access_are_refused() {
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
            make().expect("created");
            let mut file = StateFile::beside(&pid_file, Trusted::default());
            assert!(file.0.is_none());
            file.write(0, &[1]);
            file.remove();
            fs::remove_file(&path).expect("still there");
        }
        assert_eq!(fs::read_to_string(&target).expect("read"), "precious");
    }
}
