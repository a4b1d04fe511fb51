//! The configuration as the daemon uses it: defaults filled in, references resolved, types instead
//! of strings. Contains what is implemented; a keyword without effect yet does not appear here.

mod auth;
mod command;
mod group;
pub mod lvs;
mod notify;
#[cfg(feature = "regex")]
mod pattern;
mod process;
mod route;
mod track;

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use crate::types::{Centis, Cidr, Family, IfName, Mac, Priority, Version, Vrid};

pub use auth::{Auth, Hmac, HmacKey, HmacMode, Password, Secret};
pub use command::{Command, User};
pub use group::SyncGroup;
pub use lvs::Lvs;
pub use notify::{Fifo, Notify, SmtpSettings};
pub use process::{BlockingScript, DumpSettings, Nft, ProcessSettings};
pub use route::{NextHop, Route, RouteInsert, Rule};
pub use track::{ParamMatch, Script, Track, TrackFile, TrackProcess, Tracked};

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Config {
    /// `global_defs` and other top-level settings (those not already folded into the instances).
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
    /// `track_group` blocks: places of the instances that need the static items tagged with it.
    pub track_groups: Vec<Vec<usize>>,
    /// `virtual_server` and what belongs to it.
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
    /// `garp_group` blocks: pacing shared by interfaces.
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`: (interface, down delay, up delay).
    pub up_down_delays: Vec<(IfName, Duration, Duration)>,
    /// `smtp_server` and `notification_email`; `None` unless there are both.
    pub smtp: Option<SmtpSettings>,
    /// `notify_fifo`: told of everything.
    pub notify_fifo: Option<Fifo>,
    /// `vrrp_notify_fifo`: told of instances and groups.
    pub vrrp_notify_fifo: Option<Fifo>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub fifo_states_on_reload: bool,
    /// `startup_script`.
    pub startup_script: Option<BlockingScript>,
    /// `shutdown_script`.
    pub shutdown_script: Option<BlockingScript>,
    /// Where dumps go.
    pub dumps: DumpSettings,
    /// How the process runs.
    pub process: ProcessSettings,
    /// The table that enforces `no_accept`.
    pub nft: Nft,
}

/// `garp_group { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GarpGroup {
    /// Gap between gratuitous ARPs.
    pub garp_interval: Duration,
    /// Gap between unsolicited neighbour advertisements.
    pub gna_interval: Duration,
    /// Interfaces that share the gaps.
    pub interfaces: Vec<IfName>,
}

/// `vrrp_instance NAME { … }` with every default in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VrrpInstance {
    /// Its name, as in logs and notifications.
    pub name: String,
    /// `interface`.
    pub interface: IfName,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `priority` before tracking.
    pub priority: Priority,
    /// `version`; IPv6 is always 3.
    pub version: Version,
    /// Family of the adverts: that of the VIPs, or `native_ipv6`.
    pub family: Family,
    /// `state MASTER` (true) or `state BACKUP`: only a wish at start.
    pub initial_master: bool,
    /// `advert_int`.
    pub advert_int: Centis,
    /// `nopreempt`.
    pub nopreempt: bool,
    /// `preempt_delay`.
    pub preempt_delay: Duration,
    /// `authentication` or `auth_hmac`.
    pub auth: Auth,
    /// `mcast_src_ip` / `unicast_src_ip`; `None`: the interface's own address.
    pub src_ip: Option<IpAddr>,
    /// `track_src_ip`.
    pub track_src_ip: bool,
    /// How adverts travel.
    pub transport: Transport,
    /// `skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: bool,
    /// `old_unicast_checksum`.
    pub old_unicast_checksum: bool,
    /// `vrrp_strict` / `strict_mode`.
    pub strict: bool,
    /// `lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `down_timer_adverts`, 1–100.
    pub down_timer_adverts: u8,
    /// `timer_expired_backup`: more adverts than this late → BACKUP instead of MASTER (nopreempt only).
    pub timer_expired_backup: Option<u8>,
    /// The `garp_*` keywords.
    pub garp: Garp,
    /// `virtual_ipaddress`: advertised.
    pub vips: Vec<Address>,
    /// `virtual_ipaddress_excluded`: installed but not advertised.
    pub excluded_vips: Vec<Address>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// False with `no_accept`, or strict mode where it does not own them: packets to the addresses are dropped.
    pub accept: bool,
    /// `use_vmac`.
    pub vmac: Option<Vmac>,
    /// `vip_lease`: addresses expire unless renewed; `None`: they stay.
    pub vip_lease: Option<Duration>,
    /// Its sync group's place in [`Config::groups`].
    pub sync_group: Option<usize>,
    /// What it tracks, its sync group's tracking included (its own interface is not in it).
    pub tracks: Vec<Track>,
    /// Who is told of its changes.
    pub notify: Notify,
    /// False with `dont_track_primary`.
    pub track_primary: bool,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `debug`-independent: per-instance `unicast_fault_no_peer`.
    pub unicast_fault_no_peer: bool,
}

/// How adverts travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// To a group.
    Multicast {
        /// 224.0.0.18, ff02::12 or what `mcast_dst_ip`, `vrrp_mcast_group4/6` say.
        group: IpAddr,
    },
    /// To each peer in turn.
    Unicast {
        /// `unicast_peer`; may be empty.
        peers: Vec<Peer>,
        /// `unicast_ttl`.
        ttl: u8,
        /// `check_unicast_src`, or a peer with a TTL bound: adverts from others are refused.
        check_source: bool,
    },
}

/// A line of `unicast_peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Smallest TTL accepted from it.
    pub min_ttl: u8,
    /// Largest TTL accepted from it.
    pub max_ttl: u8,
}

/// Gratuitous ARP and unsolicited neighbour advertisement settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Garp {
    /// `garp_master_repeat`: rounds per burst, at least 1.
    pub repeat: u16,
    /// `garp_master_delay`: second burst this long after the first; zero: none.
    pub delay: Duration,
    /// `garp_master_refresh`: zero: off.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`, at least 1.
    pub refresh_repeat: u16,
    /// `garp_lower_prio_repeat`; 0: none.
    pub lower_prio_repeat: u16,
    /// `garp_lower_prio_delay`; zero: no second burst.
    pub lower_prio_delay: Duration,
    /// `vrrp_garp_interval`: gap between two ARPs on an interface; zero: none.
    pub interval: Duration,
    /// `vrrp_gna_interval`: the same for neighbour advertisements.
    pub gna_interval: Duration,
}

/// An address line (`keywords.md` §8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// Address and prefix; a bare address has /32 or /128.
    pub cidr: Cidr,
    /// `dev`, else the instance's interface or `default_interface`.
    pub dev: IfName,
    /// `brd`, with `+` and `-` worked out.
    pub broadcast: Option<Ipv4Addr>,
    /// `scope` as the kernel's number (0 global, 200 site, 253 link, 254 host, 255 nowhere).
    pub scope: u8,
    /// `label`, at most 15 bytes.
    pub label: Option<IfName>,
    /// `peer`.
    pub peer: Option<Cidr>,
    /// `preferred_lft` in seconds; `None`: forever. An IPv6 /128 without it gets 0.
    pub preferred_lft: Option<u32>,
    /// `-nodad`.
    pub nodad: bool,
    /// `home`.
    pub home: bool,
    /// `mngtmpaddr`.
    pub mngtmpaddr: bool,
    /// `noprefixroute`.
    pub noprefixroute: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `no_track`: its loss is not our business, nor the state of its interface.
    pub no_track: bool,
    /// `track_group`, of static ones: place in [`Config::track_groups`].
    pub track_group: Option<usize>,
}

/// `use_vmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vmac {
    /// Name of the macvlan.
    pub name: IfName,
    /// Its address; that of the virtual router (RFC 9568 §7.3) unless another is asked for.
    pub mac: Mac,
    /// `vmac_xmit_base`: adverts leave through the base interface.
    pub xmit_base: bool,
}
