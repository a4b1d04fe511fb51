//! Goes into the background; the process that was started exits with the outcome of the start.
//!
//! ```text
//! shell ── vrrpd ──fork── session leader ──fork── the daemon
//!            │                  └ exits            │ reads, opens, locks, binds …
//!            └─────────── waits on a pipe ◄────────┘ exit code
//! ```
//! The daemon keeps standard error until it is ready, so that error messages reach the user. If it
//! dies before that, the waiting process reads the end of the pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::sd_notify;
use crate::{exit, sys};

/// The process that [`detach`] returns in.
#[derive(Debug)]
pub enum Role {
    /// The process that was started, or the session leader: exits with this code.
    Parent(u8),
    /// The daemon.
    Daemon(Ready),
}

/// Reports the outcome of the start to the service manager and to the process that was started.
#[derive(Debug)]
#[must_use]
pub struct Ready(Option<File>);

impl Ready {
    /// In the foreground no process waits.
    pub fn foreground() -> Self {
        Self(None)
    }

    /// The daemon is up: it closes the terminal, and the process that was started exits with
    /// success.
    pub fn up(self) {
        sd_notify::send(sd_notify::READY);
        if let Some(pipe) = self.0 {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null");
            if let Ok(null) = null {
                // Not just closed: the next socket would become standard error.
                let _ = dup2_stdin(&null);
                let _ = dup2_stdout(&null);
                let _ = dup2_stderr(&null);
            }
            send(pipe, exit::OK);
        }
    }

    /// The daemon cannot run: the process that was started exits with this code.
    pub fn failed(self, code: u8) {
        if let Some(pipe) = self.0 {
            send(pipe, code);
        }
    }
}

fn send(mut pipe: File, code: u8) {
    // The waiting process may have been killed; the daemon runs without it.
    let _ = pipe.write_all(&[code]);
}

/// Forks the daemon: in a session of its own without a terminal, in `/`. Relative paths must have
/// been made absolute before.
///
/// # Errors
/// A system call failed. If that is in a child, the process that was started reads the end of the
/// pipe.
pub fn detach() -> io::Result<Role> {
    let (answer, status) = pipe2(OFlag::O_CLOEXEC)?;
    match sys::fork()? {
        ForkResult::Parent { child } => {
            drop(status);
            let code = wait(File::from(answer));
            let _ = nix::sys::wait::waitpid(child, None);
            Ok(Role::Parent(code))
        }
        ForkResult::Child => {
            drop(answer);
            setsid()?;
            // The daemon is not a session leader, so opening a terminal cannot give it a
            // controlling one.
            if let ForkResult::Parent { .. } = sys::fork()? {
                return Ok(Role::Parent(exit::OK));
            }
            chdir(Path::new("/"))?;
            Ok(Role::Daemon(Ready(Some(File::from(status)))))
        }
    }
}

/// Waits for the daemon's exit code.
fn wait(mut answer: File) -> u8 {
    let mut code = [0];
    match answer.read_exact(&mut code) {
        Ok(()) => code[0],
        Err(_) => {
            let _ = writeln!(io::stderr(), "vrrpd: the daemon died before it was ready");
            exit::INTERNAL
        }
    }
}
