//! What instances track besides their own interface.

use core::time::Duration;

use super::Command;
use crate::types::IfName;

/// One tracked object of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// Which.
    pub object: Tracked,
    /// 0: FAULT while it is bad; else the change of priority (`semantics.md` §5).
    pub weight: i16,
    /// `reverse`: good counts as bad.
    pub reverse: bool,
}

/// A tracked object; numbers are places in the lists of [`super::Config`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tracked {
    /// An interface that must be up.
    Interface(IfName),
    /// A script that must succeed.
    Script(usize),
    /// A file whose number counts.
    File(usize),
    /// Processes that must run.
    Process(usize),
}

/// `vrrp_script NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Its name.
    pub name: String,
    /// `script`, as `user` or `script_user`.
    pub command: Command,
    /// `interval`.
    pub interval: Duration,
    /// `timeout`; the interval without it.
    pub timeout: Duration,
    /// `rise`, at least 1.
    pub rise: u32,
    /// `fall`, at least 1.
    pub fall: u32,
    /// `init_fail`.
    pub init_fail: bool,
}

/// `track_file NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackFile {
    /// Its name.
    pub name: String,
    /// `file`.
    pub path: String,
    /// `init_file`: what is written into it at the start, and whether over what is there.
    pub init: Option<(i32, bool)>,
}

/// `vrrp_track_process NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackProcess {
    /// Its name.
    pub name: String,
    /// `process`: the program's name.
    pub process: String,
    /// Parameters the process must have; `None`: any.
    pub params: Option<Vec<String>>,
    /// `param_match`.
    pub param_match: ParamMatch,
    /// `full_command`: compare with the command line, not with the kernel's 15 bytes.
    pub full_command: bool,
    /// `quorum`, at least 1.
    pub quorum: u32,
    /// `quorum_max`.
    pub quorum_max: Option<u32>,
    /// `fork_delay`, or `delay`: how long a new process must live to count.
    pub fork_delay: Duration,
    /// `terminate_delay`, or `delay`: how long a process may be gone and still counts.
    pub terminate_delay: Duration,
}

/// How parameters are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamMatch {
    /// All of them, exactly.
    Exact,
    /// The first ones; the last of them may go on.
    Initial,
    /// The first ones, exactly.
    Partial,
}
