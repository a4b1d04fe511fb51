//! `vrrp_instance`, its inner blocks, and `vrrp_sync_group`.

use super::address;
use super::row::{Arg, Items, Keyword, Options, Schema, row};
use super::track;
use super::{Feature, Reason};

/// `vrrp_instance NAME { … }`.
pub(super) static INSTANCE: Schema = Schema {
    name: "vrrp_instance",
    tables: &[CORE, ADDRESSES, TRANSPORT, track::TRACKING, TIMING, NOTIFY],
};

/// `vrrp_sync_group NAME { … }`.
pub(super) static SYNC_GROUP: Schema = Schema {
    name: "vrrp_sync_group",
    tables: &[GROUP_ROWS, track::TRACKING_COMMON],
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

/// Instance names of a group.
pub(super) static MEMBERS: Items = Items {
    what: "instance name",
    args: &[Arg::Name(255)],
    several: true,
};

static PEERS: Items = Items {
    what: "peer",
    args: &[Arg::Ip, Arg::Options(&PEER)],
    several: false,
};

static PEER: Options = Options {
    what: "peers",
    rows: PEER_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static PEER_OPTIONS: &[Keyword] = &[
    row!("min_ttl", [Arg::Int(0, 255)], A, "", "smallest TTL accepted from this peer, 0-255"),
    row!("max_ttl", [Arg::Int(0, 255)], A, "", "largest TTL accepted from this peer, 0-255"),
];

const COUNT: Arg = Arg::Count;
const SECONDS: Arg = Arg::Secs(0, u32::MAX);

#[rustfmt::skip]
static CORE: &[Keyword] = &[
    row!("state", [Arg::Choice(&"MASTER BACKUP")], S, "BACKUP", "wish at the start, MASTER or BACKUP; the priority decides"),
    row!("interface", [Arg::If], S, "", "interface adverts are sent on; required"),
    row!("virtual_router_id", [Arg::Int(1, 255)], S, "", "virtual router, 1-255, the same on all its routers; required"),
    row!("priority", [Arg::Int(1, 255)], S, "100", "the highest wins, 1-254; 255 is for the owner of the addresses"),
    row!("advert_int", [Arg::Secs(10, 255_000)], S, "1", "seconds between adverts; version 2: 1-255, version 3: 0.01-40.95"),
    row!("version", [Arg::Int(2, 3)], A, "", "protocol version, 2 or 3; IPv6 is always 3; vrrp_version without it"),
    row!("native_ipv6", [], B, "", "adverts go over IPv6"),
    row!("authentication", [], S, "", "password of VRRPv2").block(&AUTHENTICATION),
    row!("auth_hmac", [], B, "", "signed adverts, as in keepalived from 2.4 on").block(&HMAC),
    row!("nopreempt", [], S, "", "take no mastership from a weaker master; with state BACKUP only"),
    row!("preempt", [], A, "", "take mastership from a weaker master; so without it too"),
    row!("preempt_delay", [Arg::Secs(0, 1_000_000)], S, "0", "seconds to wait before taking mastership from a weaker master, 0-1000; with state BACKUP only"),
    row!("accept", [], A, "", "answer packets sent to the addresses; so without it too"),
    row!("no_accept", [], A, "", "drop packets sent to the addresses, by nftables, unless owner"),
    row!("skip_check_adv_addr", [Arg::Bool], A, "", "compare the addresses of an advert only when its sender changes; vrrp_skip_check_adv_addr without it"),
    row!("strict_mode", [Arg::Bool], A, "", "as vrrp_strict, for this instance"),
    row!("debug", [Arg::Opt(&Arg::Int(0, 4))], S, "0", "level of debugging, 0-4").no_effect(Reason::LogDetail),
    row!("kernel_rx_buf_size", [COUNT], C, "", "bytes of the receive buffer").no_effect(Reason::Buffers),
];

#[rustfmt::skip]
static AUTHENTICATION_ROWS: &[Keyword] = &[
    row!("auth_type", [Arg::Choice(&"PASS AH")], S, "", "PASS: plain password in every advert; AH: keyed digest"),
    row!("auth_pass", [Arg::Str], S, "", "password, 8 bytes at most, the same on all routers"),
];

#[rustfmt::skip]
static HMAC_ROWS: &[Keyword] = &[
    row!("key", [Arg::Int(1, 255), Arg::Str], B, "", "key number 1-255 and key of 32-64 bytes: hex:…, file:… or text").repeat(),
    row!("active_key", [Arg::Int(1, 255)], B, "", "number of the key used for sending"),
    row!("time_window", [Arg::Int(1, 300)], B, "", "seconds clocks may differ, 1-300; three intervals, at least 5, without it"),
    row!("anti_replay", [Arg::Choice(&"time monotonic")], B, "time", "how repeated adverts are recognized"),
    row!("mode", [Arg::Choice(&"enforce permissive receive-only")], B, "enforce", "what happens to adverts without a valid signature"),
];

#[rustfmt::skip]
static ADDRESSES: &[Keyword] = &[
    row!("virtual_ipaddress", [], S, "", "addresses of the virtual router: installed by the master and advertised").items(&address::ADDRESSES).repeat(),
    row!("virtual_ipaddress_excluded", [], A, "", "addresses installed by the master but not advertised").items(&address::ADDRESSES).repeat(),
    row!("no_virtual_ipaddress", [], B, "", "an instance without virtual_ipaddress is meant to be so"),
    row!("vip_lease", [Arg::Opt(&Arg::Str)], B, "", "ours: as in global_defs, for this instance; 0 or off: addresses stay"),
    row!("promote_secondaries", [], B, "", "let the kernel keep secondary addresses when a primary one goes"),
    row!("virtual_routes", [], S, "", "routes installed by the master").items(&address::ROUTES).repeat(),
    row!("virtual_rules", [], A, "", "policy rules installed by the master").items(&address::RULES).repeat(),
];

static VMAC: Options = Options {
    what: "use_vmac",
    rows: VMAC_OPTIONS,
    bare: Some(Arg::Str),
    repeats: true,
};

#[rustfmt::skip]
static VMAC_OPTIONS: &[Keyword] = &[
    row!("netlink_notify_msg", [], C, "", "announce the interface by netlink; the kernel does so anyway"),
    row!("group", [Arg::Str], C, "", "interface group; not set"),
];

#[rustfmt::skip]
static TRANSPORT: &[Keyword] = &[
    row!("mcast_src_ip", [Arg::Ip], S, "", "source address of adverts to a group; the interface's own without it"),
    row!("unicast_src_ip", [Arg::Ip], A, "", "source address of adverts to peers; the interface's own without it"),
    row!("unicast_peer", [], A, "", "send adverts to these addresses instead of a group: IP [min_ttl N] [max_ttl N]").items(&PEERS).repeat(),
    row!("unicast_fault_no_peer", [], B, "", "FAULT when unicast_peer is empty"),
    row!("check_unicast_src", [Arg::Bool], A, "", "accept adverts from configured peers only; vrrp_check_unicast_src without it"),
    row!("unicast_ttl", [Arg::Int(0, 255)], A, "255", "TTL of adverts to peers, 0-255"),
    row!("old_unicast_checksum", [Arg::Opt(&Arg::Choice(&"never"))], B, "", "VRRPv3 unicast: checksum as in keepalived up to 1.3.6"),
    row!("mcast_dst_ip", [Arg::Mcast], A, "", "group of this instance; vrrp_mcast_group4 or vrrp_mcast_group6 without it"),
    row!("track_src_ip", [], A, "", "FAULT when the source address is not there"),
    row!("v3_checksum_as_v2", [Arg::Bool], A, "", "as in global_defs, for this instance"),
    row!("use_vmac", [Arg::Options(&VMAC)], B, "", "virtual MAC address on a macvlan: [name] [MAC]"),
    row!("use_vmac_addr", [Arg::Opt(&Arg::Str)], C, "", "virtual MAC address for addresses on other interfaces").no_effect(Reason::RealMac),
    row!("vmac_xmit_base", [], B, "", "send adverts from the base interface"),
    row!("use_ipvlan", [Arg::Options(&VMAC)], C, "", "an ipvlan for the instance").no_effect(Reason::NoIpvlan),
    row!("vrf", [Arg::If], C, "", "routing domain of the interface").no_effect(Reason::NoVrf),
];

#[rustfmt::skip]
static TIMING: &[Keyword] = &[
    row!("garp_master_delay", [SECONDS], S, "", "seconds from the first to the second burst of gratuitous ARP; vrrp_garp_master_delay without it"),
    row!("garp_master_repeat", [COUNT], A, "", "gratuitous ARPs per address and burst; vrrp_garp_master_repeat without it"),
    row!("garp_master_refresh", [SECONDS], A, "", "seconds between repeated gratuitous ARPs; vrrp_garp_master_refresh without it"),
    row!("garp_master_refresh_repeat", [COUNT], A, "", "gratuitous ARPs per address and refresh; vrrp_garp_master_refresh_repeat without it"),
    row!("garp_lower_prio_delay", [SECONDS], A, "", "seconds to the second burst after a weaker master's advert; as garp_master_delay without it"),
    row!("garp_lower_prio_repeat", [COUNT], A, "", "gratuitous ARPs per address after a weaker master's advert; as garp_master_repeat without it"),
    row!("lower_prio_no_advert", [Arg::Bool], A, "", "as vrrp_lower_prio_no_advert, for this instance"),
    row!("higher_prio_send_advert", [Arg::Bool], A, "", "as vrrp_higher_prio_send_advert, for this instance"),
    row!("down_timer_adverts", [Arg::Int(1, 100)], B, "", "missed adverts before takeover, 1-100; vrrp_down_timer_adverts without it"),
    row!("owner_ignore_adverts", [Arg::Bool], B, "", "as vrrp_owner_ignore_adverts, for this instance"),
    row!("timer_expired_backup", [Arg::Opt(&Arg::Int(1, 254))], B, "", "with nopreempt: go to BACKUP when our own timer ran this many adverts late, 1-254; down_timer_adverts when no number is given"),
    row!("thread_timer_expired" = "timer_expired_backup", [Arg::Opt(&Arg::Int(1, 254))], B),
    row!("garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Secs(0, 86_400_000)], C, "", "seconds between gratuitous ARPs on base interfaces, 0-86400").no_effect(Reason::GarpInterfaces),
    row!("vmac_garp_intvl" = "garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Secs(0, 86_400_000)], C).no_effect(Reason::GarpInterfaces),
];

#[rustfmt::skip]
static NOTIFY: &[Keyword] = &[
    row!("notify_master", [Arg::Cmd], S, "", "command run on becoming master"),
    row!("notify_backup", [Arg::Cmd], S, "", "command run on becoming backup"),
    row!("notify_fault", [Arg::Cmd], S, "", "command run on going to FAULT"),
    row!("notify_stop", [Arg::Cmd], A, "", "command run at the end"),
    row!("notify_deleted", [Arg::Opt(&Arg::Cmd)], A, "", "command run when a reload removes the instance; bare: `notify` with DELETED"),
    row!("notify", [Arg::Cmd], S, "", "command run on every change; gets INSTANCE name STATE priority"),
    row!("notify_master_rx_lower_pri", [Arg::Cmd], B, "", "command run when a master hears a weaker master"),
    row!("notify_priority_changes", [Arg::Bool], B, "", "as vrrp_notify_priority_changes, for this instance"),
    row!("smtp_alert", [Arg::Bool], S, "", "send a mail on every change").requires(Feature::Mail),
    row!("lvs_sync_daemon_interface", [Arg::If], S, "", "share IPVS connections on this interface; better: lvs_sync_daemon in global_defs"),
];

#[rustfmt::skip]
static GROUP_ROWS: &[Keyword] = &[
    row!("group", [], S, "", "instances of the group").items(&MEMBERS).repeat(),
    row!("notify_master", [Arg::Cmd], S, "", "command run when the group becomes master"),
    row!("notify_backup", [Arg::Cmd], S, "", "command run when the group becomes backup"),
    row!("notify_fault", [Arg::Cmd], S, "", "command run when the group goes to FAULT"),
    row!("notify_stop", [Arg::Cmd], A, "", "command run at the end"),
    row!("notify", [Arg::Cmd], S, "", "command run on every change; gets GROUP name STATE 0"),
    row!("smtp_alert", [Arg::Bool], S, "", "send a mail on every change of the group").requires(Feature::Mail),
    row!("sync_group_tracking_weight", [], B, "", "let members keep weights of their own"),
    row!("global_tracking", [], C, "", "members track what any of them tracks").no_effect(Reason::GlobalTracking),
    row!("notify_priority_changes", [Arg::Bool], B, "", "as vrrp_notify_priority_changes, for this group"),
];
