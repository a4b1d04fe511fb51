//! Objects an instance tracks besides its own interface.

use core::time::Duration;

use super::Command;
use crate::types::IfName;

/// A line of a `track_*` block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Track {
    /// The tracked object.
    pub object: Tracked,
    /// 0: the instance is in FAULT while the object is down. Otherwise the object changes the
    /// priority: by `weight` while it is up if positive, while it is down if negative.
    pub weight: i16,
    /// `reverse`: up counts as down, and down as up.
    pub reverse: bool,
}

/// A tracked object. Numbers are indexes in the lists of [`super::Config`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tracked {
    /// An interface, which must be up.
    Interface(IfName),
    /// A script, which must succeed.
    Script(usize),
    /// A file, whose number is multiplied by the weight.
    File(usize),
    /// A process, which must run.
    Process(usize),
}

/// `vrrp_script NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Script {
    /// Name.
    pub name: String,
    /// `script`, run as `user` or `script_user`.
    pub command: Command,
    /// `interval`.
    pub interval: Duration,
    /// `timeout`; the interval unless configured.
    pub timeout: Duration,
    /// `rise`, at least 1.
    pub rise: u32,
    /// `fall`, at least 1.
    pub fall: u32,
    /// `init_fail`.
    pub init_fail: bool,
}

/// `track_file NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrackFile {
    /// Name.
    pub name: String,
    /// `file`.
    pub path: String,
    /// `init_file`.
    pub init_file: Option<InitFile>,
}

/// `init_file`: the file is created at startup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InitFile {
    /// The number written into it.
    pub value: i32,
    /// `overwrite`: an existing file is written too.
    pub overwrite: bool,
}

/// `vrrp_track_process NAME { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TrackProcess {
    /// Name.
    pub name: String,
    /// `process`: name of the program.
    pub process: String,
    /// Parameters the process must have; `None`: any.
    pub params: Option<Vec<String>>,
    /// `param_match`.
    pub param_match: ParamMatch,
    /// `full_command`: compared with the command line, not with the first 15 bytes of the name that
    /// the kernel keeps.
    pub full_command: bool,
    /// `quorum`: fewest processes that count as up, at least 1 unless `quorum_max` is 0.
    pub quorum: u32,
    /// `quorum_max`: most processes that count as up.
    pub quorum_max: Option<u32>,
    /// `fork_delay` or `delay`: how long a new process must live before it counts.
    pub fork_delay: Duration,
    /// `terminate_delay` or `delay`: how long a process still counts after it has ended.
    pub terminate_delay: Duration,
}

/// `param_match`: how parameters are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParamMatch {
    /// All parameters, exactly.
    Exact,
    /// The first parameters; the last one is a prefix.
    Initial,
    /// The first parameters, exactly.
    Partial,
}
