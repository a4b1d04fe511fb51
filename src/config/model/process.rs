//! Settings of the process and its dumps.

use core::time::Duration;

use super::Command;

/// `startup_script` or `shutdown_script`: the daemon waits until it ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockingScript {
    /// The command.
    pub command: Command,
    /// `startup_script_timeout` or `shutdown_script_timeout`: run time after which it is killed.
    pub timeout: Duration,
}

/// Paths and format of the dumps; a path that is `None` is keepalived's default.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpSettings {
    /// `state_dump_file`.
    pub state: Option<String>,
    /// `stats_dump_file`.
    pub stats: Option<String>,
    /// `json_dump_file`.
    pub json: Option<String>,
    /// `json_version 2`.
    pub json_v2: bool,
    /// `data_use_instance`.
    pub use_instance: bool,
}

/// `control_socket`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ControlSocket {
    /// `off`: there is none.
    pub off: bool,
    /// Its path; `None`: beside the pid file.
    pub path: Option<String>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group, which may connect too.
    pub gid: Option<u32>,
}

/// Settings of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSettings {
    /// `process_name`.
    pub name: Option<String>,
    /// `vrrp_priority`: nice value.
    pub nice: Option<i8>,
    /// `vrrp_no_swap`.
    pub no_swap: bool,
    /// `vrrp_rt_priority`: priority with `SCHED_RR`.
    pub rt_priority: Option<u8>,
    /// `max_auto_priority`; 0 or less: off. `None`: 1, when timers are late for their interval.
    pub max_auto_priority: Option<i8>,
    /// `min_auto_priority_delay`: a timer that is late by this raises the priority.
    pub min_auto_priority_delay: Duration,
    /// `umask`.
    pub umask: Option<u16>,
    /// `net_namespace`.
    pub net_namespace: Option<String>,
}

/// The nftables table that enforces `no_accept`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nft {
    /// `nftables`: name of the table.
    pub table: String,
    /// `nftables_priority` of its base chains.
    pub priority: i32,
    /// `nftables_counters`.
    pub counters: bool,
}
