//! `vrrp_instance` and the blocks in it.

use super::address;
use super::row::{Arg, Items, Keyword, LONGEST, Options, Schema, row};
use super::track;
use super::{Feature, Reason};

/// `vrrp_instance NAME { … }`.
pub(super) static INSTANCE: Schema = Schema {
    name: "vrrp_instance",
    tables: &[CORE, ADDRESSES, TRANSPORT, track::TRACKING, TIMING, NOTIFY],
};

/// `authentication { … }`.
pub(super) static AUTHENTICATION: Schema = Schema {
    name: "authentication",
    tables: &[AUTHENTICATION_ROWS],
};

/// `auth_hmac { … }`.
pub(super) static HMAC: Schema = Schema {
    name: "auth_hmac",
    tables: &[HMAC_ROWS],
};

static PEERS: Items = Items {
    noun: "peer",
    args: &[Arg::Ip, Arg::Options(&PEER)],
    many_per_line: false,
};

static PEER: Options = Options {
    noun: "peer",
    rows: PEER_OPTIONS,
    positional: None,
    repeatable: false,
};

#[rustfmt::skip]
static PEER_OPTIONS: &[Keyword] = &[
    row!("min_ttl", [Arg::Int(0, 255)], A, "", "Minimum TTL of adverts accepted from this peer, 0-255"),
    row!("max_ttl", [Arg::Int(0, 255)], A, "", "Maximum TTL of adverts accepted from this peer, 0-255"),
];

const COUNT: Arg = Arg::Count;
/// Delay of a burst of gratuitous ARP.
const DELAY: Arg = Arg::Time(1, 3_600_000);
/// Interval between periodic bursts.
const REFRESH: Arg = Arg::Time(1_000, LONGEST);
/// Packets per address in a burst.
const REPEAT: Arg = Arg::Most(0, 100);

#[rustfmt::skip]
static CORE: &[Keyword] = &[
    row!("state", [Arg::Choice(&"MASTER BACKUP")], S, "BACKUP", "Initial state, MASTER or BACKUP; the election by priority decides").first(),
    row!("interface", [Arg::If], S, "", "Interface that adverts are sent and received on; required, except for unicast with unicast_src_ip"),
    row!("virtual_router_id", [Arg::Exact(1, 255)], S, "", "Virtual router identifier (VRID), 1-255, the same on all routers of the virtual router; required"),
    row!("priority", [Arg::Exact(1, 255)], S, "100", "Priority in the election, 1-254; the highest becomes master; 255: address owner"),
    row!("advert_int", [Arg::Secs(10, 255_000)], S, "1", "Advert interval in seconds; version 2: 1-255, version 3: 0.01-40.95 in steps of 0.01"),
    row!("version", [Arg::Exact(2, 3)], A, "", "VRRP version, 2 or 3; IPv6 always uses 3; default: vrrp_version").first(),
    row!("native_ipv6", [], B, "", "Send adverts over IPv6 although the first VIP is IPv4"),
    row!("authentication", [], S, "", "Authentication of VRRPv2 adverts (removed from the protocol by RFC 3768)").block(&AUTHENTICATION),
    row!("auth_hmac", [], B, "", "HMAC signature of adverts, as in keepalived since 2.4; in mode enforce, and with AH, they must also come from a unicast peer or a network of the interface, and have one of our addresses").block(&HMAC),
    row!("nopreempt", [], S, "", "Do not preempt a lower priority master; only with state BACKUP"),
    row!("preempt", [], A, "", "Preempt a lower priority master (the default)"),
    row!("preempt_delay", [Arg::Time(1, 1_000_000)], S, "0", "Delay in seconds before preempting a lower priority master, 0-1000; only with state BACKUP"),
    row!("accept", [], A, "", "Accept packets to the VIPs even if not the address owner (the default)"),
    row!("no_accept", [], A, "", "Drop packets to the VIPs by nftables unless the router is the address owner"),
    row!("skip_check_adv_addr", [Arg::Bool], A, "", "Check the addresses in an advert only if it comes from another master than the previous one; with auth_hmac or AH one must always be ours; default: vrrp_skip_check_adv_addr"),
    row!("strict_mode", [Arg::Bool], A, "", "Enforce the RFC as vrrp_strict does, for this instance; default: vrrp_strict"),
    row!("debug", [Arg::Opt(&Arg::Int(0, 4))], S, "0", "Debug level, 0-4").no_effect(Reason::LogDetail),
    row!("kernel_rx_buf_size", [COUNT], C, "", "Size of the receive buffer, in bytes").no_effect(Reason::SocketBuffers),
];

#[rustfmt::skip]
static AUTHENTICATION_ROWS: &[Keyword] = &[
    row!("auth_type", [Arg::Choice(&"PASS AH")], S, "", "PASS: plain-text password in every advert; AH: IPsec authentication header with a keyed digest"),
    row!("auth_pass", [Arg::Str], S, "", "Password, at most 8 bytes, the same on all routers"),
];

#[rustfmt::skip]
static HMAC_ROWS: &[Keyword] = &[
    row!("key", [Arg::Exact(1, 255), Arg::Str], B, "", "Key ID 1-255 and key of 32-64 bytes, given as hex:DIGITS, file:PATH or text").repeat(),
    row!("active_key", [Arg::Exact(1, 255)], B, "", "ID of the key that adverts are signed with"),
    row!("time_window", [Arg::Int(1, 300)], B, "", "Maximum difference of the clocks in seconds, 1-300; default: three advert intervals, at least 5"),
    row!("anti_replay", [Arg::Choice(&"time monotonic")], B, "time", "Replay protection: time: by time stamp within time_window; monotonic: by increasing sequence number"),
    row!("mode", [Arg::Choice(&"enforce permissive receive-only")], B, "enforce", "enforce: drop adverts without a valid signature; permissive: accept those without a signature; receive-only: the same, and do not sign"),
];

#[rustfmt::skip]
static ADDRESSES: &[Keyword] = &[
    row!("virtual_ipaddress", [], S, "", "Addresses of the virtual router (VIPs): installed while MASTER and listed in adverts").items(&address::ADDRESSES).repeat(),
    row!("virtual_ipaddress_excluded", [], A, "", "Addresses that are installed while MASTER but not listed in adverts").items(&address::ADDRESSES).repeat(),
    row!("no_virtual_ipaddress", [], B, "", "State that the instance has no virtual_ipaddress on purpose"),
    row!("vip_lease", [Arg::Opt(&Arg::Str)], B, "", "vrrpd only: vip_lease of global_defs for this instance; 0 or off: unlimited lifetime").own(),
    row!("promote_secondaries", [], B, "", "Set promote_secondaries on the interface: secondary addresses stay when the primary address is removed"),
    row!("virtual_routes", [], S, "", "Routes that are installed while MASTER").items(&address::ROUTES).repeat(),
    row!("virtual_rules", [], A, "", "Policy routing rules that are installed while MASTER").items(&address::RULES).repeat(),
];

static VMAC: Options = Options {
    noun: "use_vmac",
    rows: VMAC_OPTIONS,
    positional: Some(Arg::Str),
    repeatable: true,
};

#[rustfmt::skip]
static VMAC_OPTIONS: &[Keyword] = &[
    row!("netlink_notify_msg", [], C, "", "Send a netlink message about the new interface; the kernel always sends one"),
    row!("name", [Arg::Str], C, "", "Name of the interface, where it could be taken for something else"),
    row!("group", [Arg::Str], C, "", "Interface group, a number or a name of /etc/iproute2/group; default: that of the interface below"),
];

#[rustfmt::skip]
static TRANSPORT: &[Keyword] = &[
    row!("mcast_src_ip", [Arg::Ip], S, "", "Source address of multicast adverts; default: the primary address of the interface"),
    row!("unicast_src_ip", [Arg::Ip], A, "", "Source address of unicast adverts; default: the primary address of the interface"),
    row!("unicast_peer", [], A, "", "Send adverts to these addresses instead of the multicast group: IP [min_ttl N] [max_ttl N]").items(&PEERS).repeat(),
    row!("unicast_fault_no_peer", [], B, "", "Go to FAULT state if unicast_peer is empty"),
    row!("check_unicast_src", [Arg::Bool], A, "", "Accept adverts only from configured peers; default: vrrp_check_unicast_src"),
    row!("unicast_ttl", [Arg::Int(0, 255)], A, "255", "TTL or hop limit of unicast adverts, 0-255"),
    row!("old_unicast_checksum", [Arg::Opt(&Arg::Choice(&"never"))], B, "", "Compute the checksum of VRRPv3 unicast adverts as keepalived 1.3.6 and older does; never: off"),
    row!("mcast_dst_ip", [Arg::Mcast], A, "", "Multicast group of this instance; default: vrrp_mcast_group4 or vrrp_mcast_group6"),
    row!("track_src_ip", [], A, "", "Go to FAULT state while the configured source address is not on the interface"),
    row!("v3_checksum_as_v2", [Arg::Bool], A, "", "Compute the checksum of VRRPv3 over IPv4 without the pseudo-header; default: v3_checksum_as_v2 of global_defs"),
    row!("use_vmac", [Arg::Options(&VMAC)], B, "", "Use the virtual MAC address 00:00:5e:00:01:VRID (IPv6: 02:VRID) on a macvlan interface: [[name] NAME] [MAC] [group GROUP]").first(),
    row!("use_vmac_addr", [], C, "", "Use virtual MAC addresses for VIPs on other interfaces and of the other address family too, on a macvlan interface for each"),
    row!("vmac_xmit_base", [], B, "", "Send adverts from the base interface instead of the VMAC interface"),
    row!("use_ipvlan", [Arg::Options(&VMAC)], C, "", "Put the VIPs on an ipvlan interface (L2 mode), which has the MAC address of the interface: [[name] NAME] [ADDRESS] [bridge|private|vepa] [group GROUP]; ADDRESS: source of the adverts"),
    row!("vrf", [Arg::If], C, "", "VRF of the interface").no_effect(Reason::NoVrf),
];

#[rustfmt::skip]
static TIMING: &[Keyword] = &[
    row!("garp_master_delay", [DELAY], S, "", "Time in seconds between the first and the second burst of gratuitous ARP after becoming MASTER; default: vrrp_garp_master_delay"),
    row!("garp_master_repeat", [REPEAT], A, "", "Number of gratuitous ARPs per address in a burst; default: vrrp_garp_master_repeat"),
    row!("garp_master_refresh", [REFRESH], A, "", "Time in seconds between periodic gratuitous ARPs while MASTER; default: vrrp_garp_master_refresh"),
    row!("garp_master_refresh_repeat", [REPEAT], A, "", "Number of gratuitous ARPs per address in a periodic refresh; default: vrrp_garp_master_refresh_repeat"),
    row!("garp_lower_prio_delay", [DELAY], A, "", "Delay in seconds of the second burst of gratuitous ARP after a lower priority advert while MASTER; default: garp_master_delay"),
    row!("garp_lower_prio_repeat", [REPEAT], A, "", "Number of gratuitous ARPs per address after a lower priority advert while MASTER; default: garp_master_repeat"),
    row!("lower_prio_no_advert", [Arg::Bool], A, "", "Do not send an advert in reply to a lower priority advert while MASTER; default: vrrp_lower_prio_no_advert"),
    row!("higher_prio_send_advert", [Arg::Bool], A, "", "Send one more advert before going to BACKUP state for a higher priority master; default: vrrp_higher_prio_send_advert"),
    row!("down_timer_adverts", [Arg::Int(1, 100)], B, "", "Number of missed adverts after which a backup takes over, 1-100; default: vrrp_down_timer_adverts"),
    row!("owner_ignore_adverts", [Arg::Bool], B, "", "Ignore all adverts while the router is the address owner; default: vrrp_owner_ignore_adverts"),
    row!("timer_expired_backup", [Arg::Opt(&Arg::Int(1, 254))], B, "", "With nopreempt: go to BACKUP state if another router may have taken over since our last advert; the number is the highest priority of the others, 1-254; no number: 254"),
    row!("thread_timer_expired" = "timer_expired_backup", [Arg::Opt(&Arg::Int(1, 254))], B),
    row!("garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Time(1_000, 86_400_000)], C, "", "Time in seconds between periodic gratuitous ARPs for VIPs on VMAC interfaces other than the instance's own (all: on any other interface), 0-86400; 0: off; default: vrrp_garp_extra_if"),
    row!("vmac_garp_intvl" = "garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Time(1_000, 86_400_000)], C),
];

#[rustfmt::skip]
static NOTIFY: &[Keyword] = &[
    row!("notify_master", [Arg::Cmd], S, "", "Command that is run on transition to MASTER state").first(),
    row!("notify_backup", [Arg::Cmd], S, "", "Command that is run on transition to BACKUP state").first(),
    row!("notify_fault", [Arg::Cmd], S, "", "Command that is run on transition to FAULT state").first(),
    row!("notify_stop", [Arg::Cmd], A, "", "Command that is run when the daemon stops").first(),
    row!("notify_deleted", [Arg::Opt(&Arg::Cmd)], A, "", "Command that is run when a reload removes the instance; no command: run `notify` with the state DELETED").first(),
    row!("notify", [Arg::Cmd], S, "", "Command that is run on every transition, with the arguments INSTANCE NAME STATE PRIORITY").first(),
    row!("notify_master_rx_lower_pri", [Arg::Cmd], B, "", "Command that is run when a lower priority advert is received while MASTER").first(),
    row!("notify_priority_changes", [Arg::Bool], B, "", "Write changes of the effective priority to the FIFOs; default: vrrp_notify_priority_changes"),
    row!("smtp_alert", [Arg::Bool], S, "", "Send an email on every transition; default: smtp_alert of global_defs").requires(Feature::Mail),
    row!("lvs_sync_daemon_interface", [Arg::If], S, "", "Synchronize IPVS connections over this interface; `lvs_sync_daemon` in global_defs is the current spelling"),
];
