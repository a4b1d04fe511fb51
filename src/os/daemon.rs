//! Going into the background, in such a way that the exit code still arrives.
//!
//! ```text
//! shell ── vrrpd ──fork── session leader ──fork── the daemon
//!            │                  └ exits            │ reads, opens, locks, binds …
//!            └─────────── waits on a pipe ◄────────┘ "ready" or an exit code
//! ```
//! Until it is ready the daemon keeps standard error, so that what keeps it from starting is read by whoever
//! started it. A daemon that dies before it says anything is noticed by the end of the pipe.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::sd_notify;
use crate::{exit, sys};

/// Which of the processes we are after [`detach`].
#[derive(Debug)]
pub enum Role {
    /// The one the user started: exits with this code.
    Parent(u8),
    /// The one that goes on.
    Daemon(Ready),
}

/// Owed to whoever started us: that we are up.
#[derive(Debug)]
#[must_use]
pub struct Ready(Option<File>);

impl Ready {
    /// In the foreground nobody waits.
    pub fn foreground() -> Self {
        Self(None)
    }

    /// The daemon is up: lets go of the terminal, lets the starter exit with success.
    pub fn up(self) {
        sd_notify::send(sd_notify::READY);
        if let Some(pipe) = self.0 {
            let null = OpenOptions::new().read(true).write(true).open("/dev/null");
            if let Ok(null) = null {
                // Closed they must not stay: the next socket would become standard error.
                let _ = dup2_stdin(&null);
                let _ = dup2_stdout(&null);
                let _ = dup2_stderr(&null);
            }
            tell(pipe, exit::OK);
        }
    }

    /// It cannot run: the starter exits with this code.
    pub fn failed(self, code: u8) {
        if let Some(pipe) = self.0 {
            tell(pipe, code);
        }
    }
}

fn tell(mut pipe: File, code: u8) {
    // The starter may have been killed; that changes nothing for us.
    let _ = pipe.write_all(&[code]);
}

/// Splits into the process that waits for the daemon and the daemon itself: in a session of its own
/// without a terminal, in `/`. Relative paths must have been resolved before.
///
/// # Errors
/// The kernel's. Should the second half of the work fail, the starter notices by the end of the pipe.
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
            // Not a session leader, the grandchild can never again get a terminal by opening one.
            if let ForkResult::Parent { .. } = sys::fork()? {
                return Ok(Role::Parent(exit::OK));
            }
            chdir(Path::new("/"))?;
            Ok(Role::Daemon(Ready(Some(File::from(status)))))
        }
    }
}

/// The exit code to use: the daemon's word, or what its silence means.
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
