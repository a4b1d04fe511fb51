//! How the process itself runs, and what it writes.

use core::time::Duration;

use super::Command;

/// A script that is waited for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BlockingScript {
    /// What to run.
    pub command: Command,
    /// How long it may take.
    pub timeout: Duration,
}

/// Where dumps go; `None`: keepalived's usual place.
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

/// Settings of the process.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProcessSettings {
    /// `process_name`.
    pub name: Option<String>,
    /// `vrrp_priority`: niceness.
    pub nice: Option<i8>,
    /// `vrrp_no_swap`.
    pub no_swap: bool,
    /// `vrrp_rt_priority`.
    pub rt_priority: Option<u8>,
    /// `max_auto_priority`; 0: off.
    pub max_auto_priority: i8,
    /// `min_auto_priority_delay`: a timer this late raises the priority.
    pub min_auto_priority_delay: Duration,
    /// `umask`.
    pub umask: Option<u16>,
    /// `net_namespace`.
    pub net_namespace: Option<String>,
}

impl Default for ProcessSettings {
    fn default() -> Self {
        ProcessSettings {
            name: None,
            nice: None,
            no_swap: false,
            rt_priority: None,
            max_auto_priority: 0,
            min_auto_priority_delay: Duration::from_secs(1),
            umask: None,
            net_namespace: None,
        }
    }
}

/// The nftables table that enforces `no_accept`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nft {
    /// `nftables`: its name.
    pub table: String,
    /// `nftables_priority`.
    pub priority: i32,
    /// `nftables_counters`.
    pub counters: bool,
}

impl Default for Nft {
    fn default() -> Self {
        Nft {
            table: "keepalived".into(),
            priority: -1,
            counters: false,
        }
    }
}
