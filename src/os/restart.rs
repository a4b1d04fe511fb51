//! Hot restart: `kill -$(vrrpd --signum=RESTART)` replaces the running program by a new version of
//! itself.
//!
//! ```text
//! signal ─ child: the new program with -t ─ exit code 0 ─ reload ─ last adverts ─ execve
//!                                         └ else: one line in the log, nothing changes
//! ```
//! The process and its pid stay the same, so a service manager does not notice. All descriptors but
//! the standard ones and that of the lock are close-on-exec; signals stay blocked and pending; the
//! new program reads what it must know from the state file. An environment variable with the pid
//! tells it that it is a successor, which neither goes into the background nor runs
//! `startup_script`, and cleans up after its predecessor if it cannot continue.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::getpid;

use super::child;
use super::clock;
use super::control::server::Outcome;
use super::executable;
use super::host::own_user;
use super::instance_lock::{self, InstanceLock};
use super::reactor::{ProcessRequest, Reactor};
use super::seccomp::Seccomp;
use crate::config::model;
use crate::ctl::request::Command;
use crate::engine::ProcessEvent;
use crate::engine::system::{Exit, System, error_text};
use crate::exit;
use crate::sys::{self, Words};

/// Environment variables of a successor: its pid, and the descriptor of its lock. Children do not
/// inherit them; what others inherit has another pid.
pub(super) const VARIABLES: [&str; 3] = [
    instance_lock::SUCCESSOR,
    instance_lock::DESCRIPTOR,
    FILTERED,
];
/// Environment variable that is set if the seccomp filter of the predecessor is active.
const FILTERED: &str = "VRRPD_SECCOMP";

/// Whether the seccomp filter of the predecessor is active.
pub(super) fn is_filtered() -> bool {
    let is_set = std::env::var_os(FILTERED).is_some_and(|value| !value.is_empty());
    is_set && instance_lock::is_successor()
}

/// Time limit for the new program's test of the configuration.
const TEST_LIMIT: Duration = Duration::from_secs(30);

/// How to execute the program that takes the place of this one.
#[derive(Debug)]
pub struct Successor {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Successor {
    /// To be called before the process changes its directory. `paths` are the options with relative
    /// paths, made absolute; they are appended and so override the ones on the command line.
    #[must_use]
    pub fn new(paths: Vec<String>) -> Self {
        let mut args = std::env::args_os();
        let called = args.next().map(PathBuf::from).unwrap_or_default();
        // The path it was called by: a link may lead to a new version by now, and its name decides
        // on what the program does.
        let program = match called.components().nth(1) {
            Some(_) => std::path::absolute(&called).unwrap_or(called),
            None => executable::own_path(&called).unwrap_or(called),
        };
        let args = args.chain(paths.into_iter().map(OsString::from)).collect();
        Successor { program, args }
    }

    /// Path of the program.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The command that tests the configuration with the new program.
    fn test_command(&self) -> io::Result<model::Command> {
        let program = self.program.clone().into_os_string();
        let words = [program, OsString::from("-t")].into_iter();
        let words = words
            .chain(self.args.iter().cloned())
            .map(OsString::into_string);
        let argv: Result<Vec<String>, _> = words.collect();
        Ok(model::Command {
            argv: argv.map_err(|_| io::ErrorKind::InvalidInput)?,
            user: own_user(),
            secure: false,
        })
    }

    /// Executes the program in this process, which keeps the lock. Returns only when that fails.
    #[must_use]
    pub fn exec(&self, lock: Option<&InstanceLock>, seccomp: &Seccomp) -> io::Error {
        let program = self.program.clone().into_os_string();
        let argv = [program].into_iter().chain(self.args.iter().cloned());
        let own = |name: &OsString| VARIABLES.iter().any(|own| name == own);
        let others = std::env::vars_os().filter(|(name, _)| !own(name));
        let descriptor = lock.map_or_else(String::new, InstanceLock::pass_on);
        let filtered = if seccomp.is_active() { "1" } else { "" };
        let values = [getpid().to_string(), descriptor, filtered.to_owned()];
        let own = VARIABLES.map(OsString::from).into_iter();
        let own = own.zip(values.map(OsString::from));
        let environment = others.chain(own).map(|(mut text, value)| {
            text.push("=");
            text.push(value);
            text
        });
        // Its children get the limits that it is started with.
        child::restore_limits();
        let errno = sys::execve(&words(argv), &words(environment));
        if let Some(lock) = lock {
            lock.keep();
        }
        errno.into()
    }
}

fn words(texts: impl Iterator<Item = OsString>) -> Words {
    // None contains a NUL: they came from an execve(2).
    let texts = texts.filter_map(|text| CString::new(text.into_vec()).ok());
    Words::new(texts.collect())
}

impl Reactor<'_> {
    /// Starts a child that tests the configuration with the new program, unless one is running.
    pub fn test_successor(&mut self) {
        if self.successor_test.is_some() {
            return;
        }
        let program = self.successor.program().display();
        let text = format_args!("Restart: testing the configuration with {program}");
        self.log_event(ProcessEvent::Restart, text);
        let command = self.successor.test_command();
        match command.and_then(|command| self.linux.spawn(&command, &[])) {
            Ok(child) => {
                self.successor_test = Some(child);
                self.engine.watch_child(clock::now(), child, TEST_LIMIT);
            }
            Err(error) => {
                let why = error_text(&error);
                let refusal = format!("restart refused, this version continues: {program}: {why}");
                self.refuse_restart(&refusal);
            }
        }
    }

    /// A restart, if the test succeeded or found no more than this program finds in its
    /// configuration. Scripts without security prevent neither a start nor a reload.
    pub(super) fn judge_successor(&mut self, how: Exit) -> Option<ProcessRequest> {
        let accepted = [exit::OK, exit::TEST_INSECURE, self.test_code];
        if accepted
            .iter()
            .any(|code| how == Exit::Code(i32::from(*code)))
        {
            return Some(ProcessRequest::Restart);
        }
        let program = self.successor.program().display();
        self.refuse_restart(&format!(
            "restart refused, this version continues: {program} -t {how}"
        ));
        None
    }

    /// Logs why there is no restart, and informs the clients that have asked for one.
    pub fn refuse_restart(&mut self, why: &str) {
        self.log_event(ProcessEvent::RestartRefused, format_args!("{why}"));
        let why = [why, "\n"].concat();
        self.report(Command::Restart, Outcome::Refused(&why));
    }
}
