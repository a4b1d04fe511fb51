//! The state of everything at one moment.

use core::net::IpAddr;
use core::time::Duration;

use super::Clock;
use crate::config::model::lvs::{self, RealServer, VirtualServer};
use crate::config::model::{self, Global, SyncGroup, Track, TrackFile, TrackProcess, VrrpInstance};
use crate::types::ipvs::{self, Connections};
use crate::types::{Cidr, IfName, Instant, Mac, MasterInfo, Priority, VrrpCounters, VrrpState};

/// See the top of the room. Instances, groups, scripts, files and processes stand in the configuration's order, so
/// that its indices hold.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// Tells moments as the time of day.
    pub clock: Clock,
    /// Settings of the process.
    pub global: &'a Global,
    /// `vrrp_instance` blocks.
    pub instances: Vec<Instance<'a>>,
    /// `vrrp_sync_group` blocks.
    pub groups: Vec<Group<'a>>,
    /// `vrrp_script` blocks.
    pub scripts: Vec<Script<'a>>,
    /// `track_file` blocks with their values; `None`: not read yet.
    pub files: Vec<(&'a TrackFile, Option<i64>)>,
    /// `vrrp_track_process` blocks.
    pub processes: Vec<Process<'a>>,
    /// `static_ipaddress`.
    pub addresses: Vec<ManagedItem<'a, model::Address>>,
    /// `static_routes`.
    pub routes: Vec<ManagedItem<'a, model::Route>>,
    /// `static_rules`.
    pub rules: Vec<ManagedItem<'a, model::Rule>>,
    /// The interfaces there are.
    pub interfaces: Vec<Interface<'a>>,
    /// `virtual_server` blocks.
    pub services: Vec<Service<'a>>,
}

/// One virtual router.
#[derive(Debug)]
pub struct Instance<'a> {
    /// Its configuration.
    pub conf: &'a VrrpInstance,
    /// Its state.
    pub state: VrrpState,
    /// When and why it came into that state; `None`: it has not begun.
    pub since: Option<(Instant, &'static str)>,
    /// What is missing, in FAULT and before the start: a word and a phrase.
    pub missing: Option<(&'static str, String)>,
    /// Where its adverts are sent from.
    pub source: Option<IpAddr>,
    /// The other router that is master.
    pub master: Option<MasterInfo>,
    /// The priority its adverts carry.
    pub priority: Priority,
    /// What tracking adds to the configured priority.
    pub priority_parts: Vec<PriorityPart<'a>>,
    /// When its timer fires.
    pub deadline: Option<Instant>,
    /// How long a master must be silent.
    pub down_interval: Duration,
    /// Why its adverts cannot be sent, when they cannot.
    pub mute: Option<String>,
    /// The addresses answer although they should not: there is no packet filter.
    pub unfiltered: bool,
    /// `virtual_ipaddress`.
    pub vips: Vec<ManagedItem<'a, model::Address>>,
    /// `virtual_ipaddress_excluded`.
    pub excluded: Vec<ManagedItem<'a, model::Address>>,
    /// `virtual_routes`.
    pub routes: Vec<ManagedItem<'a, model::Route>>,
    /// `virtual_rules`.
    pub rules: Vec<ManagedItem<'a, model::Rule>>,
    /// What it counted.
    pub counters: VrrpCounters,
}

/// A tracked object and what it does to the priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriorityPart<'a> {
    /// The line of the configuration.
    pub track: &'a Track,
    /// Name of what is tracked.
    pub name: &'a str,
    /// Whether it is well, `reverse` not considered; `None`: not known yet.
    pub up: Option<bool>,
    /// What it adds now.
    pub adds: i32,
}

/// Something that is installed in the kernel while it is wanted.
#[derive(Debug)]
pub struct ManagedItem<'a, T> {
    /// As configured.
    pub item: &'a T,
    /// What has become of it.
    pub status: InstallStatus,
}

/// What has become of an address, route or rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstallStatus {
    /// Not there.
    Absent,
    /// There.
    Installed,
    /// The kernel refused it, with these words if they are still known.
    Refused(String),
}

/// `vrrp_sync_group`.
#[derive(Debug)]
pub struct Group<'a> {
    /// Its configuration.
    pub conf: &'a SyncGroup,
    /// The state its members share.
    pub state: VrrpState,
}

/// `vrrp_script`.
#[derive(Debug)]
pub struct Script<'a> {
    /// Its configuration.
    pub conf: &'a model::Script,
    /// The verdict; `None`: it has not ended for the first time yet.
    pub up: Option<bool>,
    /// Successes and failures so far, between 0 (certainly down) and rise + fall - 1 (certainly up).
    pub result: u32,
    /// Whether it runs at the moment.
    pub run: ScriptState,
}

/// What a script is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptState {
    /// Waiting for its turn.
    Idle,
    /// Running.
    Running,
    /// Took too long: was asked to end.
    Terminating,
    /// Took too long and did not end: was killed.
    Killing,
}

/// `vrrp_track_process`.
#[derive(Debug)]
pub struct Process<'a> {
    /// Its configuration.
    pub conf: &'a TrackProcess,
    /// How many there are.
    pub count: u32,
    /// Whether that is as many as there should be; `None`: not counted yet.
    pub up: Option<bool>,
}

/// An interface.
#[derive(Debug)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a IfName,
    /// The kernel's number.
    pub index: u32,
    /// Its address, when it has one.
    pub mac: Option<Mac>,
    /// Whether it counts as up.
    pub up: bool,
    /// Its addresses, the virtual ones included.
    pub addresses: Vec<Cidr>,
    /// How long it must be down, and up, to be believed.
    pub delays: (Duration, Duration),
}

/// `virtual_server`.
#[derive(Debug)]
pub struct Service<'a> {
    /// Its configuration.
    pub conf: &'a VirtualServer,
    /// It has its quorum.
    pub quorum: bool,
    /// The sum of the weights of all servers that are up.
    pub weight: u64,
    /// The sorry server stands in.
    pub sorry: bool,
    /// Its checks pause.
    pub suspended: bool,
    /// What it did; of a group all entries together. `None`: the kernel does not tell.
    pub traffic: Option<Traffic>,
    /// Its real servers.
    pub servers: Vec<Server<'a>>,
}

/// `real_server`.
#[derive(Debug)]
pub struct Server<'a> {
    /// Its configuration.
    pub conf: &'a RealServer,
    /// It can be used.
    pub up: bool,
    /// Its share, while it is up.
    pub weight: u32,
    /// Its checks.
    pub checks: Vec<Check<'a>>,
    /// What it did; `None`: it is not in the kernel's table, or the kernel does not tell.
    pub traffic: Option<Traffic>,
}

/// A health check.
#[derive(Debug)]
pub struct Check<'a> {
    /// Its configuration.
    pub conf: &'a lvs::Check,
    /// It succeeds.
    pub up: bool,
    /// Added to the server's weight.
    pub weight: i64,
}

/// What the kernel counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Connections now, of a real server.
    pub connections: Option<Connections>,
    /// Since it is there.
    pub counters: ipvs::Counters,
}

impl Traffic {
    /// Adds what another one did.
    pub fn add(&mut self, other: &Traffic) {
        if let Some(theirs) = &other.connections {
            let own = self.connections.get_or_insert_default();
            own.active = own.active.saturating_add(theirs.active);
            own.inactive = own.inactive.saturating_add(theirs.inactive);
            own.persistent = own.persistent.saturating_add(theirs.persistent);
        }
        let (own, theirs) = (&mut self.counters, &other.counters);
        for (own, theirs) in [
            (&mut own.connections, theirs.connections),
            (&mut own.packets_in, theirs.packets_in),
            (&mut own.packets_out, theirs.packets_out),
            (&mut own.bytes_in, theirs.bytes_in),
            (&mut own.bytes_out, theirs.bytes_out),
        ] {
            *own = own.saturating_add(theirs);
        }
    }
}
