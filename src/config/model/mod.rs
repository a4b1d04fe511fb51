//! The configuration as the daemon uses it: defaults filled in, references resolved to indexes,
//! values in types of their own. A keyword without effect does not appear here.
//!
//! keepalived's defaults are the [`Default`] values of these types, all of them in `defaults.rs`.
//! Mandatory values (names, addresses, interfaces) have placeholders there.

mod auth;
mod command;
mod defaults;
mod group;
mod instance;
pub mod lvs;
mod notify;
#[cfg(feature = "regex")]
mod pattern;
mod process;
mod program;
mod route;
mod settings;
mod shared;
mod track;

use core::time::Duration;

use crate::types::IfName;
use crate::types::InstanceId;

pub use auth::{Auth, Hmac, HmacKey, HmacMode, Password, Secret};
pub use command::{Command, User};
pub use group::SyncGroup;
pub use instance::{Address, AddressOptions, Garp, Peer, Transport, Vmac, VmacRole, VrrpInstance};
pub use lvs::Lvs;
pub use notify::{Fifo, Notify, SmtpSettings};
pub use process::{BlockingScript, ControlSocket, DumpSettings, Nft, ProcessSettings};
pub use program::Purpose;
pub use route::{NextHop, Route, Rule};
pub use settings::Settings;
pub use shared::{Lists, NEAR, RunningInstance};
pub use track::{InitFile, ParamMatch, Script, Track, TrackFile, TrackProcess, Tracked};

/// A whole configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// `global_defs` and other top-level settings, except those that only change defaults of
    /// instances.
    pub global: Global,
    /// `vrrp_instance` blocks, in file order. Names are unique; (interface, family, VRID) too.
    pub instances: Vec<VrrpInstance>,
    /// `vrrp_sync_group` blocks.
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_script` blocks that are tracked.
    pub scripts: Vec<Script>,
    /// `track_file` blocks that are tracked.
    pub track_files: Vec<TrackFile>,
    /// `vrrp_track_process` blocks that are tracked.
    pub track_processes: Vec<TrackProcess>,
    /// `track_group` blocks: for each, indexes of the instances that need the static items tagged
    /// with it.
    pub track_groups: Vec<Vec<InstanceId>>,
    /// `virtual_server` blocks and the settings of IPVS.
    pub lvs: Lvs,
    /// `static_ipaddress`.
    pub static_addresses: Vec<Address>,
    /// `static_routes`.
    pub static_routes: Vec<Route>,
    /// `static_rules`.
    pub static_rules: Vec<Rule>,
}

/// Settings of the whole process.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Global {
    /// `router_id`; empty: the host name.
    pub router_id: String,
    /// `instance NAME`: suffix of pid and dump files.
    pub instance: Option<String>,
    /// `use_pid_dir`.
    pub use_pid_dir: bool,
    /// `vrrp_startup_delay`.
    pub startup_delay: Duration,
    /// `vrrp_delay_after_boot`.
    pub delay_after_boot: Duration,
    /// `log_unknown_vrids`.
    pub log_unknown_vrids: bool,
    /// `garp_group` blocks.
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`.
    pub up_down_delays: Vec<UpDownDelay>,
    /// `smtp_server` and `notification_email`; `None` unless both are set.
    pub smtp: Option<SmtpSettings>,
    /// `notify_fifo`: events of instances, groups and virtual servers.
    pub notify_fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`: events of instances and groups.
    pub vrrp_notify_fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `notify_supersede_timeout`.
    pub notify_supersede_timeout: Option<Duration>,
    /// `event_history`.
    pub event_history: Option<u16>,
    /// `startup_script`.
    pub startup_script: Option<BlockingScript>,
    /// `shutdown_script`.
    pub shutdown_script: Option<BlockingScript>,
    /// `control_socket`.
    pub control: ControlSocket,
    /// Paths and format of the dumps.
    pub dumps: DumpSettings,
    /// Scheduling, memory, umask and namespace of the process.
    pub process: ProcessSettings,
    /// The nftables table that enforces `no_accept`.
    pub nft: Nft,
}

impl Global {
    /// The mail settings; `None` in a build without mail.
    #[must_use]
    pub fn smtp(&self) -> Option<&SmtpSettings> {
        self.smtp.as_ref().filter(|_| cfg!(feature = "mail"))
    }
}

/// `garp_group { … }`: interfaces that share one gap between gratuitous ARPs.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GarpGroup {
    /// Gap between gratuitous ARPs.
    pub garp_interval: Duration,
    /// Gap between unsolicited neighbor advertisements.
    pub gna_interval: Duration,
    /// The interfaces; none is in two groups.
    pub interfaces: Vec<IfName>,
}

/// A line of `interface_up_down_delays`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UpDownDelay {
    /// The interface.
    pub interface: IfName,
    /// How long it must be down before it counts as down.
    pub down: Duration,
    /// How long it must be up before it counts as up.
    pub up: Duration,
}
