//! Child processes: their number, how they end, how to end them.

use core::fmt;

use super::errno_text;
use crate::types::errno;

/// A child process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Pid(pub i32);

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Before it ran the program: execve(2) failed with this error number.
    NotExecuted(i32),
    /// Before it ran the program: changing to its user failed with this error number.
    NotUser(i32),
    /// Before it ran the program: it would have had rights that are not for this program; error
    /// number.
    NotConfined(i32),
    /// Before it ran the program: others can change the program or the way to it.
    Exposed,
}

/// A child that has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Which.
    pub child: Pid,
    /// How.
    pub how: Exit,
}

impl Exit {
    /// Whether the program ran and exited with 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    /// Predicate of a sentence about the program: `exited with status 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exited with status {code}"),
            Exit::Signal(number) => {
                write!(f, "was killed by signal {number}{}", signal_name(number))
            }
            Exit::NotExecuted(number) => {
                f.write_str("cannot be executed: ")?;
                match number {
                    errno::ENOENT => {
                        f.write_str("it, or the interpreter in its first line, does not exist")
                    }
                    errno::ENOEXEC => {
                        f.write_str("it is neither a program nor a script with a #! line")
                    }
                    errno::EACCES => {
                        f.write_str("permission denied; is it executable for its user?")
                    }
                    _ => f.write_str(&errno_text(number)),
                }
            }
            Exit::NotUser(errno) => {
                write!(
                    f,
                    "did not run, cannot change to its user: {}",
                    errno_text(errno)
                )
            }
            Exit::NotConfined(errno) => {
                write!(
                    f,
                    "did not run, cannot give up the daemon's rights: {}",
                    errno_text(errno)
                )
            }
            Exit::Exposed => f.write_str(
                "did not run: users other than root can change it or a part of its path; \
                 `vrrpd -t` names the part",
            ),
        }
    }
}

/// Name of a signal that commonly kills programs. These numbers are the same on all machines.
fn signal_name(number: i32) -> &'static str {
    match number {
        1 => " (HUP)",
        2 => " (INT)",
        4 => " (ILL)",
        6 => " (ABRT)",
        8 => " (FPE)",
        9 => " (KILL)",
        11 => " (SEGV)",
        13 => " (PIPE)",
        14 => " (ALRM)",
        15 => " (TERM)",
        _ => "",
    }
}

/// How to end a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kill {
    /// SIGTERM: it can clean up.
    Term,
    /// SIGKILL: at once.
    Kill,
}
