//! The state of the daemon at one moment.

use core::net::IpAddr;
use core::time::Duration;

use super::{Clock, Page};
use crate::config::model::lvs::{self, RealServer, VirtualServer};
use crate::config::model::{
    self, Global, RunningInstance, SyncGroup, Track, TrackFile, TrackProcess,
};
use crate::types::ipvs::{self, Connections};
use crate::types::{
    Cidr, DaemonCounters, Heard, IfName, Instant, Mac, MasterInfo, Outlook, Priority, VrrpCounters,
    VrrpState,
};

/// The state of the daemon. Instances, groups, scripts, files and processes are in the
/// configuration's order, so that its indexes apply.
#[derive(Debug)]
pub struct Snapshot<'a> {
    /// The current time, to convert moments to the time of day.
    pub clock: Clock,
    /// Settings of the process.
    pub global: &'a Global,
    /// The counters of the process.
    pub counters: &'a DaemonCounters,
    /// The process.
    pub daemon: &'a Daemon,
    /// The part of the instances, or of the virtual servers, that it has.
    pub page: Page,
    /// Values over all pages.
    pub totals: Totals,
    /// `vrrp_instance` blocks.
    pub instances: Vec<Instance<'a>>,
    /// `vrrp_sync_group` blocks.
    pub groups: Vec<Group<'a>>,
    /// `vrrp_script` blocks.
    pub scripts: Vec<Script<'a>>,
    /// `track_file` blocks.
    pub files: Vec<File<'a>>,
    /// `vrrp_track_process` blocks.
    pub processes: Vec<Process<'a>>,
    /// `static_ipaddress`.
    pub addresses: Vec<ManagedItem<'a, model::Address>>,
    /// `static_routes`.
    pub routes: Vec<ManagedItem<'a, model::Route>>,
    /// `static_rules`.
    pub rules: Vec<ManagedItem<'a, model::Rule>>,
    /// Interfaces of the host.
    pub interfaces: Vec<Interface<'a>>,
    /// `virtual_server` blocks.
    pub services: Vec<Service<'a>>,
}

impl<'a> Snapshot<'a> {
    /// A snapshot without objects.
    #[must_use]
    pub fn empty(
        clock: Clock,
        global: &'a Global,
        counters: &'a DaemonCounters,
        daemon: &'a Daemon,
    ) -> Self {
        Snapshot {
            clock,
            global,
            counters,
            daemon,
            page: Page::default(),
            totals: Totals::default(),
            instances: Vec::new(),
            groups: Vec::new(),
            scripts: Vec::new(),
            files: Vec::new(),
            processes: Vec::new(),
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            interfaces: Vec::new(),
            services: Vec::new(),
        }
    }
}

/// The process and its configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Daemon {
    /// Its process id.
    pub pid: u32,
    /// Path of the configuration.
    pub config: String,
    /// The last reload, if it was refused.
    pub refused: Option<RefusedReload>,
}

/// A reload that was refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefusedReload {
    /// When.
    pub at: Instant,
    /// Why.
    pub why: String,
}

/// Values over all objects, not only those of a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Instances in each state, by number of [`VrrpState`].
    pub states: [usize; 4],
    /// Number of virtual servers.
    pub services: usize,
    /// Length of the longest name of an instance, in characters.
    pub name: usize,
    /// Length of the longest name of an interface of an instance.
    pub interface: usize,
    /// Some instance has IPv6.
    pub ipv6: bool,
}

/// One virtual router.
#[derive(Debug)]
pub struct Instance<'a> {
    /// Its configuration.
    pub conf: &'a RunningInstance,
    /// Its state.
    pub state: VrrpState,
    /// The last transition; `None`: it has not started.
    pub last_transition: Option<Transition>,
    /// The reason of that as a clause with names and numbers; empty: none.
    pub why: String,
    /// Missing prerequisite, in FAULT and before the start.
    pub missing: Option<Missing>,
    /// Before the start: the object whose first result it waits for.
    pub awaited: Option<String>,
    /// Source address of its adverts.
    pub source: Option<IpAddr>,
    /// The master, if it is another router.
    pub master: Option<MasterInfo>,
    /// The last accepted advert of another router.
    pub heard: Option<Heard>,
    /// Other senders than the master that something is wrong with, or that are different.
    pub senders: Vec<Sender>,
    /// The purpose of its timer.
    pub outlook: Outlook,
    /// End of the startup delay.
    pub startup_delay_end: Instant,
    /// In a sync group, as backup: the first other member that could not take over too, and why.
    pub held_by: Option<String>,
    /// After another program has removed its addresses or routes again and again: when it will try
    /// again.
    pub hold_until: Option<Instant>,
    /// When what the kernel refused is tried again.
    pub retry_at: Option<Instant>,
    /// It yields to another address owner, with priority 254.
    pub yields_to_owner: bool,
    /// The priority its adverts carry.
    pub priority: Priority,
    /// Tracked objects that change the configured priority.
    pub priority_parts: Vec<PriorityPart<'a>>,
    /// It is in maintenance.
    pub maintenance: Option<Maintenance<'a>>,
    /// When its timer expires.
    pub deadline: Option<Instant>,
    /// Master down interval.
    pub down_interval: Duration,
    /// The part of it that depends on the priority.
    pub skew: Duration,
    /// The kernel's error for its adverts.
    pub send_error: Option<String>,
    /// `no_accept` is not enforced: the kernel has no nftables.
    pub no_accept_missing: bool,
    /// `virtual_ipaddress`.
    pub vips: Vec<ManagedItem<'a, model::Address>>,
    /// `virtual_ipaddress_excluded`.
    pub excluded: Vec<ManagedItem<'a, model::Address>>,
    /// `virtual_routes`.
    pub routes: Vec<ManagedItem<'a, model::Route>>,
    /// `virtual_rules`.
    pub rules: Vec<ManagedItem<'a, model::Rule>>,
    /// Statistics.
    pub counters: VrrpCounters,
}

/// Maintenance that an operator has asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Maintenance<'a> {
    /// When it started.
    pub since: Instant,
    /// When it ends; `None`: when an operator ends it.
    pub until: Option<Instant>,
    /// Why; may be empty.
    pub reason: &'a str,
}

/// A change of state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transition {
    /// When it happened.
    pub at: Instant,
    /// The reason as a keyword.
    pub reason: &'static str,
}

impl Instance<'_> {
    /// Numbers of its addresses, routes and rules: installed, and in all.
    pub(super) fn installed(&self) -> Installed {
        fn states<'a, T>(all: &'a [ManagedItem<'_, T>]) -> impl Iterator<Item = &'a InstallStatus> {
            all.iter().map(|item| &item.status)
        }
        let all = states(&self.vips).chain(states(&self.excluded));
        let all = all.chain(states(&self.routes)).chain(states(&self.rules));
        let mut installed = Installed { set: 0, total: 0 };
        for status in all {
            installed.total = installed.total.saturating_add(1);
            let set = usize::from(*status == InstallStatus::Installed);
            installed.set = installed.set.saturating_add(set);
        }
        installed
    }
}

/// Result of [`Instance::installed`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Installed {
    pub(super) set: usize,
    pub(super) total: usize,
}

/// A finding about the last conspicuous advert of a sender.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender {
    /// When it was received.
    pub at: Instant,
    /// Its kind.
    pub kind: Finding,
    /// The same in words, with its address.
    pub text: String,
}

/// A finding about a sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Its adverts are ignored.
    Rejected,
    /// It is master too.
    SecondMaster,
    /// It sends from our address, or is another owner of the addresses.
    Conflict,
    /// Its adverts are accepted, but not as they should be.
    Tolerated,
    /// Its adverts are accepted; something is adapted to them.
    Adapted,
}

/// A prerequisite that an instance lacks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Missing {
    /// A keyword: `link`, `address`.
    pub kind: &'static str,
    /// The same as a phrase, with names.
    pub detail: String,
}

/// A tracked object and its effect on the priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PriorityPart<'a> {
    /// The line of the configuration.
    pub track: &'a Track,
    /// Name of what is tracked.
    pub name: &'a str,
    /// Whether it is up, regardless of `reverse`; `None`: not known yet.
    pub up: Option<bool>,
    /// Added to the priority.
    pub adds: i32,
}

/// A configured address, route or rule and its state in the kernel.
#[derive(Debug)]
pub struct ManagedItem<'a, T> {
    /// As configured.
    pub item: &'a T,
    /// Its state in the kernel.
    pub status: InstallStatus,
}

/// State of an address, route or rule in the kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstallStatus {
    /// Not installed.
    Absent,
    /// Installed.
    Installed,
    /// Refused by the kernel, with its error text if that is known.
    Refused(String),
}

/// `vrrp_sync_group`.
#[derive(Debug)]
pub struct Group<'a> {
    /// Its configuration.
    pub conf: &'a SyncGroup,
    /// The state its members share.
    pub state: VrrpState,
    /// Its members.
    pub members: Vec<Member<'a>>,
}

/// An instance as a member of a sync group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Member<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its own state.
    pub state: VrrpState,
}

/// `vrrp_script`.
#[derive(Debug)]
pub struct Script<'a> {
    /// Its configuration.
    pub conf: &'a model::Script,
    /// Whether it succeeds; `None`: it has not ended yet.
    pub up: Option<bool>,
    /// Counter of successes and failures, between 0 (down) and rise + fall - 1 (up).
    pub result: u32,
    /// The result of its last run, as the predicate of a sentence.
    pub last: String,
    /// Whether it is running.
    pub state: ScriptState,
}

/// State of a script's process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ScriptState {
    /// Not running.
    Idle,
    /// Running.
    Running,
    /// Exceeded its time limit and was sent SIGTERM.
    Terminating,
}

/// `track_file`.
#[derive(Debug)]
pub struct File<'a> {
    /// Its configuration.
    pub conf: &'a TrackFile,
    /// The number in it; `None`: not read yet.
    pub value: Option<i64>,
}

/// `vrrp_track_process`.
#[derive(Debug)]
pub struct Process<'a> {
    /// Its configuration.
    pub conf: &'a TrackProcess,
    /// Number of running processes.
    pub count: u32,
    /// Whether that is within the quorum; `None`: not counted yet.
    pub up: Option<bool>,
    /// A change waits for `fork_delay` or `terminate_delay`.
    pub timer: bool,
}

/// An interface.
#[derive(Debug)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a IfName,
    /// Interface index.
    pub index: u32,
    /// Ethernet address.
    pub mac: Option<Mac>,
    /// MTU.
    pub mtu: Option<u32>,
    /// The kernel's flags, `IFF_*`.
    pub flags: u32,
    /// Whether it is up, debounced.
    pub up: bool,
    /// Its addresses, including virtual ones.
    pub addresses: Vec<Cidr>,
    /// Time after which a loss of link counts.
    pub down_delay: Duration,
    /// Time after which a new link counts.
    pub up_delay: Duration,
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
    /// The sorry server replaces all others.
    pub sorry: bool,
    /// Its checks are suspended (`ha_suspend`).
    pub suspended: bool,
    /// The kernel refuses IPVS requests, or has no IPVS.
    pub refused: bool,
    /// Traffic, the sum of all entries for a group. `None`: not known.
    pub traffic: Option<Traffic>,
    /// Its real servers.
    pub servers: Vec<Server<'a>>,
}

/// `real_server`.
#[derive(Debug)]
pub struct Server<'a> {
    /// Its configuration.
    pub conf: &'a RealServer,
    /// All of its checks succeed.
    pub up: bool,
    /// Its weight while it is up.
    pub weight: u32,
    /// It is drained.
    pub maintenance: Option<Maintenance<'a>>,
    /// Its checks.
    pub checks: Vec<Check<'a>>,
    /// Traffic; `None`: it is not in the kernel's table, or not known.
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

/// The kernel's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Current connections of a real server.
    pub connections: Option<Connections>,
    /// Totals since it was added.
    pub counters: ipvs::Counters,
}

impl Traffic {
    /// Adds another entry's counters.
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
