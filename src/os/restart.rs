//! Replacing the program by another version of itself, without a break: `kill -$(vrrpd --signum=RESTART)`.
//!
//! ```text
//! signal ─ child: the program in our place, with -t ─ exit code 0 ─ reload ─ last adverts ─ execve
//!                                                   └ else: one line in the log, nothing changes
//! ```
//! The process stays the same, so that whoever supervises it notices nothing. All descriptors but the standard ones
//! close themselves; signals stay blocked and wait; what the new program must know it reads from the state file. That
//! it is a successor, which must neither go into the background nor run `startup_script`, says a variable in
//! its environment, which holds for this process only.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::unistd::{getegid, geteuid, getpid};

use crate::config::model::{Command, User};
use crate::sys::{self, Words};

/// Holds the number of the process that is to believe it.
pub(super) const VARIABLE: &str = "VRRPD_SUCCEEDS";

/// Whether this program was put in the place of another one of this process.
#[must_use]
pub fn is_successor() -> bool {
    let pid = getpid().to_string();
    std::env::var_os(VARIABLE).is_some_and(|value| *value == *pid)
}

/// How to start the program that is in our place now.
#[derive(Debug)]
pub struct Successor {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Successor {
    /// To be made before the process changes its directory. `paths`: options with relative paths, to be given
    /// once more as they are meant.
    #[must_use]
    pub fn new(paths: Vec<String>) -> Self {
        let mut args = std::env::args_os();
        let called = args.next().map(PathBuf::from).unwrap_or_default();
        // As it was called: a link may lead to a new version.
        let program = match called.components().nth(1) {
            Some(_) => std::path::absolute(&called).unwrap_or(called),
            None => std::env::current_exe().unwrap_or(called),
        };
        let args = args.chain(paths.into_iter().map(OsString::from)).collect();
        Successor { program, args }
    }

    /// The program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// What finds out whether it would run: whether it is a program at all, and likes the configuration.
    pub(super) fn test(&self) -> io::Result<Command> {
        let program = self.program.clone().into_os_string();
        let words = [program, OsString::from("-t")].into_iter();
        let words = words
            .chain(self.args.iter().cloned())
            .map(OsString::into_string);
        let argv: Result<Vec<String>, _> = words.collect();
        Ok(Command {
            argv: argv.map_err(|_| io::ErrorKind::InvalidInput)?,
            user: User {
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
            },
        })
    }

    /// Becomes it. Comes back only when that fails.
    #[must_use]
    pub fn exec(&self) -> io::Error {
        let program = self.program.clone().into_os_string();
        let argv = [program].into_iter().chain(self.args.iter().cloned());
        let others = std::env::vars_os().filter(|(name, _)| name != VARIABLE);
        let own = (
            OsString::from(VARIABLE),
            OsString::from(getpid().to_string()),
        );
        let environment = others.chain([own]).map(|(mut text, value)| {
            text.push("=");
            text.push(value);
            text
        });
        sys::execve(&words(argv), &words(environment)).into()
    }
}

fn words(texts: impl Iterator<Item = OsString>) -> Words {
    // None has a NUL: they came from an execve(2).
    let texts = texts.filter_map(|text| CString::new(text.into_vec()).ok());
    Words::new(texts.collect())
}
