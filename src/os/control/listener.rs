//! The socket that clients connect to.
//!
//! It is bound under a temporary name and renamed, so that it replaces the socket of a killed daemon
//! or of the former program of a restart in place, and is never there with the wrong mode.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, fchownat};

use crate::config::model::ControlSocket;
use crate::os::open_file::{self, Trusted};

/// A listening socket, whose file is removed when this is dropped.
#[derive(Debug)]
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// Device and inode of the file.
    identity: (u64, u64),
}

impl Listener {
    /// Listens at the path, with the owner and mode of `access`.
    ///
    /// # Errors
    /// Of a system call; or something else than a socket is at the path, or others can replace
    /// files in its directory.
    pub(super) fn open(path: &Path, access: &ControlSocket, trusted: Trusted) -> io::Result<Self> {
        open_file::require_safe_directory(path, trusted)?;
        if let Ok(data) = fs::symlink_metadata(path)
            && !data.file_type().is_socket()
        {
            return Err(io::Error::other("it exists and is not a socket"));
        }
        let temporary = temporary(path)?;
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(&temporary);
        umask(before);
        let socket = bound?;
        let finished = socket
            .set_nonblocking(true)
            .and_then(|()| finish(&temporary, path, access));
        if finished.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        Ok(Listener {
            socket,
            identity: finished?,
            path: path.to_owned(),
        })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Whether its file is at its path.
    pub(super) fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|there| there == self.identity)
    }

    /// The next client that waits.
    pub(super) fn accept(&self) -> Option<UnixStream> {
        let (stream, _) = self.socket.accept().ok()?;
        stream.set_nonblocking(true).ok()?;
        Some(stream)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Another daemon may have replaced it.
        if self.is_in_place() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives the socket its mode and owner, and then its name.
fn finish(temporary: &Path, path: &Path, access: &ControlSocket) -> io::Result<(u64, u64)> {
    if access.gid.is_some() {
        fs::set_permissions(temporary, Permissions::from_mode(0o660))?;
    }
    if access.uid.is_some() || access.gid.is_some() {
        let (uid, gid) = (access.uid.map(Uid::from_raw), access.gid.map(Gid::from_raw));
        fchownat(AT_FDCWD, temporary, uid, gid, AtFlags::AT_SYMLINK_NOFOLLOW)?;
    }
    let identity = identity(temporary)?;
    fs::rename(temporary, path)?;
    Ok(identity)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let data = fs::symlink_metadata(path)?;
    Ok((data.dev(), data.ino()))
}

/// `.vrrpd.sock.123` beside the path: with the pid, for another vrrpd may do the same.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}", std::process::id()));
    Ok(path.with_file_name(name))
}
