//! `vrrp_instance`, its inner blocks, and `vrrp_sync_group`.

use super::address;
use super::row::{Arg, Items, Keyword, Options, Schema, Tier, opt, row};
use super::track;

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
    opt("min_ttl", &[Arg::Int(0, 255)], Tier::A, "smallest TTL accepted from this peer, 0-255"),
    opt("max_ttl", &[Arg::Int(0, 255)], Tier::A, "largest TTL accepted from this peer, 0-255"),
];

const COUNT: Arg = Arg::Int(0, 4_294_967_295);
const SECONDS: Arg = Arg::Secs(0, 4_294_000_000_000_000);
const FILTER: &str = "the addresses stay reachable, no packet filter is set up";
const NOT_RUN: &str = "the command is not run";
const REAL_MAC: &str = "the interface's own MAC address is used";
const NO_HMAC: &str = "an instance with it is left out: its peers would ignore unsigned adverts";

#[rustfmt::skip]
static CORE: &[Keyword] = &[
    row("state", &[Arg::Choice(&["MASTER", "BACKUP"])], Tier::S, "BACKUP", "wish at the start, MASTER or BACKUP; the priority decides"),
    row("interface", &[Arg::If], Tier::S, "", "interface adverts are sent on; required"),
    row("virtual_router_id", &[Arg::Int(1, 255)], Tier::S, "", "virtual router, 1-255, the same on all its routers; required"),
    row("priority", &[Arg::Int(1, 255)], Tier::S, "100", "the highest wins, 1-254; 255 is for the owner of the addresses"),
    row("advert_int", &[Arg::Secs(10_000, 255_000_000)], Tier::S, "1", "seconds between adverts; version 2: 1-255, version 3: 0.01-40.95"),
    row("version", &[Arg::Int(2, 3)], Tier::A, "", "protocol version, 2 or 3; IPv6 is always 3; vrrp_version without it"),
    row("native_ipv6", &[], Tier::B, "", "adverts go over IPv6"),
    row("authentication", &[], Tier::S, "", "password of VRRPv2").block(&AUTHENTICATION),
    row("auth_hmac", &[], Tier::B, "", "signed adverts, as in keepalived from 2.4 on").block(&HMAC).not_yet(NO_HMAC),
    row("nopreempt", &[], Tier::S, "", "take no mastership from a weaker master; with state BACKUP only"),
    row("preempt", &[], Tier::A, "", "take mastership from a weaker master; so without it too"),
    row("preempt_delay", &[Arg::Secs(0, 1_000_000_000)], Tier::S, "0", "seconds to wait before taking mastership from a weaker master, 0-1000; with state BACKUP only"),
    row("accept", &[], Tier::A, "", "answer packets sent to the addresses; so without it too"),
    row("no_accept", &[], Tier::A, "", "do not answer packets sent to the addresses unless owner").not_yet(FILTER),
    row("skip_check_adv_addr", &[Arg::Bool], Tier::A, "", "compare the addresses of an advert only when its sender changes; vrrp_skip_check_adv_addr without it"),
    row("strict_mode", &[Arg::Bool], Tier::A, "", "as vrrp_strict, for this instance"),
    row("debug", &[Arg::Opt(&Arg::Int(0, 4))], Tier::S, "0", "level of debugging, 0-4").never("what is logged is chosen by the command line option --log-detail"),
    row("kernel_rx_buf_size", &[COUNT], Tier::C, "", "bytes of the receive buffer").never("socket buffers are sized by the daemon"),
];

#[rustfmt::skip]
static AUTHENTICATION_ROWS: &[Keyword] = &[
    row("auth_type", &[Arg::Choice(&["PASS", "AH"])], Tier::S, "", "PASS: plain password in every advert; AH: keyed digest"),
    row("auth_pass", &[Arg::Str], Tier::S, "", "password, 8 bytes at most, the same on all routers"),
];

#[rustfmt::skip]
static HMAC_ROWS: &[Keyword] = &[
    row("key", &[Arg::Int(1, 255), Arg::Str], Tier::B, "", "key number 1-255 and key of 32-64 bytes: hex:…, file:… or text").repeat(),
    row("active_key", &[Arg::Int(1, 255)], Tier::B, "", "number of the key used for sending"),
    row("time_window", &[Arg::Int(1, 300)], Tier::B, "", "seconds clocks may differ, 1-300; three intervals, at least 5, without it"),
    row("anti_replay", &[Arg::Choice(&["time", "monotonic"])], Tier::B, "time", "how repeated adverts are recognized"),
    row("mode", &[Arg::Choice(&["enforce", "permissive", "receive-only"])], Tier::B, "enforce", "what happens to adverts without a valid signature"),
];

#[rustfmt::skip]
static ADDRESSES: &[Keyword] = &[
    row("virtual_ipaddress", &[], Tier::S, "", "addresses of the virtual router: installed by the master and advertised").items(&address::ADDRESSES).repeat(),
    row("virtual_ipaddress_excluded", &[], Tier::A, "", "addresses installed by the master but not advertised").items(&address::ADDRESSES).repeat(),
    row("no_virtual_ipaddress", &[], Tier::B, "", "an instance without virtual_ipaddress is meant to be so"),
    row("promote_secondaries", &[], Tier::B, "", "let the kernel keep secondary addresses when a primary one goes"),
    row("virtual_routes", &[], Tier::S, "", "routes installed by the master").items(&address::ROUTES).repeat().not_yet("the routes are not installed"),
    row("virtual_rules", &[], Tier::A, "", "policy rules installed by the master").items(&address::RULES).repeat().not_yet("the rules are not installed"),
];

static VMAC: Options = Options {
    what: "use_vmac",
    rows: VMAC_OPTIONS,
    bare: Some(Arg::Str),
    repeats: true,
};

#[rustfmt::skip]
static VMAC_OPTIONS: &[Keyword] = &[
    opt("netlink_notify_msg", &[], Tier::C, "announce the interface by netlink"),
    opt("group", &[Arg::Str], Tier::C, "interface group"),
];

#[rustfmt::skip]
static TRANSPORT: &[Keyword] = &[
    row("mcast_src_ip", &[Arg::Ip], Tier::S, "", "source address of adverts to a group; the interface's own without it"),
    row("unicast_src_ip", &[Arg::Ip], Tier::A, "", "source address of adverts to peers; the interface's own without it"),
    row("unicast_peer", &[], Tier::A, "", "send adverts to these addresses instead of a group: IP [min_ttl N] [max_ttl N]").items(&PEERS).repeat(),
    row("unicast_fault_no_peer", &[], Tier::B, "", "FAULT when unicast_peer is empty"),
    row("check_unicast_src", &[Arg::Bool], Tier::A, "", "accept adverts from configured peers only; vrrp_check_unicast_src without it"),
    row("unicast_ttl", &[Arg::Int(0, 255)], Tier::A, "255", "TTL of adverts to peers, 0-255"),
    row("old_unicast_checksum", &[Arg::Opt(&Arg::Choice(&["never"]))], Tier::B, "", "VRRPv3 unicast: checksum as in keepalived up to 1.3.6"),
    row("mcast_dst_ip", &[Arg::Mcast], Tier::A, "", "group of this instance; vrrp_mcast_group4 or vrrp_mcast_group6 without it"),
    row("track_src_ip", &[], Tier::A, "", "FAULT when the source address is not there"),
    row("v3_checksum_as_v2", &[Arg::Bool], Tier::A, "", "as in global_defs, for this instance"),
    row("use_vmac", &[Arg::Options(&VMAC)], Tier::B, "", "virtual MAC address on a macvlan: [name] [interface] [MAC]").not_yet(REAL_MAC),
    row("use_vmac_addr", &[Arg::Opt(&Arg::Str)], Tier::C, "", "virtual MAC address for addresses on other interfaces").never(REAL_MAC),
    row("vmac_xmit_base", &[], Tier::B, "", "send adverts from the base interface").detail(),
    row("use_ipvlan", &[Arg::Options(&VMAC)], Tier::C, "", "an ipvlan for the instance").never("the interface itself is used"),
    row("vrf", &[Arg::If], Tier::C, "", "routing domain of the interface").never("the interface's own routing domain is used"),
];

#[rustfmt::skip]
static TIMING: &[Keyword] = &[
    row("garp_master_delay", &[SECONDS], Tier::S, "", "seconds from the first to the second burst of gratuitous ARP; vrrp_garp_master_delay without it"),
    row("garp_master_repeat", &[COUNT], Tier::A, "", "gratuitous ARPs per address and burst; vrrp_garp_master_repeat without it"),
    row("garp_master_refresh", &[SECONDS], Tier::A, "", "seconds between repeated gratuitous ARPs; vrrp_garp_master_refresh without it"),
    row("garp_master_refresh_repeat", &[COUNT], Tier::A, "", "gratuitous ARPs per address and refresh; vrrp_garp_master_refresh_repeat without it"),
    row("garp_lower_prio_delay", &[SECONDS], Tier::A, "", "seconds to the second burst after a weaker master's advert; as garp_master_delay without it"),
    row("garp_lower_prio_repeat", &[COUNT], Tier::A, "", "gratuitous ARPs per address after a weaker master's advert; as garp_master_repeat without it"),
    row("lower_prio_no_advert", &[Arg::Bool], Tier::A, "", "as vrrp_lower_prio_no_advert, for this instance"),
    row("higher_prio_send_advert", &[Arg::Bool], Tier::A, "", "as vrrp_higher_prio_send_advert, for this instance"),
    row("down_timer_adverts", &[Arg::Int(1, 100)], Tier::B, "", "missed adverts before takeover, 1-100; vrrp_down_timer_adverts without it"),
    row("owner_ignore_adverts", &[Arg::Bool], Tier::B, "", "as vrrp_owner_ignore_adverts, for this instance"),
    row("timer_expired_backup", &[Arg::Opt(&Arg::Int(1, 254))], Tier::B, "", "with nopreempt: go to BACKUP when our own timer ran this many adverts late, 1-254; down_timer_adverts when no number is given"),
    row("thread_timer_expired", &[Arg::Opt(&Arg::Int(1, 254))], Tier::B, "", "same as timer_expired_backup").same("timer_expired_backup"),
    row("garp_extra_if", &[Arg::Opt(&Arg::Choice(&["all"])), Arg::Secs(0, 86_400_000_000)], Tier::C, "", "seconds between gratuitous ARPs on base interfaces, 0-86400").never("gratuitous ARP goes out on the interfaces of the addresses"),
    row("vmac_garp_intvl", &[Arg::Opt(&Arg::Choice(&["all"])), Arg::Secs(0, 86_400_000_000)], Tier::C, "", "same as garp_extra_if").never("gratuitous ARP goes out on the interfaces of the addresses").same("garp_extra_if"),
];

#[rustfmt::skip]
static NOTIFY: &[Keyword] = &[
    row("notify_master", &[Arg::Cmd], Tier::S, "", "command run on becoming master").not_yet(NOT_RUN),
    row("notify_backup", &[Arg::Cmd], Tier::S, "", "command run on becoming backup").not_yet(NOT_RUN),
    row("notify_fault", &[Arg::Cmd], Tier::S, "", "command run on going to FAULT").not_yet(NOT_RUN),
    row("notify_stop", &[Arg::Cmd], Tier::A, "", "command run at the end").not_yet(NOT_RUN),
    row("notify_deleted", &[Arg::Opt(&Arg::Cmd)], Tier::A, "", "command run when a reload removes the instance; bare: `notify` with DELETED").not_yet(NOT_RUN),
    row("notify", &[Arg::Cmd], Tier::S, "", "command run on every change; gets INSTANCE name STATE priority").not_yet(NOT_RUN),
    row("notify_master_rx_lower_pri", &[Arg::Cmd], Tier::B, "", "command run when a master hears a weaker master").not_yet(NOT_RUN),
    row("notify_priority_changes", &[Arg::Bool], Tier::B, "", "as vrrp_notify_priority_changes, for this instance").detail(),
    row("smtp_alert", &[Arg::Bool], Tier::S, "", "send a mail on every change").not_yet("no mail is sent"),
    row("lvs_sync_daemon_interface", &[Arg::If], Tier::S, "", "share IPVS connections on this interface; better: lvs_sync_daemon in global_defs").not_yet("connections are not shared"),
];

#[rustfmt::skip]
static GROUP_ROWS: &[Keyword] = &[
    row("group", &[], Tier::S, "", "instances of the group").items(&MEMBERS).repeat(),
    row("notify_master", &[Arg::Cmd], Tier::S, "", "command run when the group becomes master").not_yet(NOT_RUN),
    row("notify_backup", &[Arg::Cmd], Tier::S, "", "command run when the group becomes backup").not_yet(NOT_RUN),
    row("notify_fault", &[Arg::Cmd], Tier::S, "", "command run when the group goes to FAULT").not_yet(NOT_RUN),
    row("notify_stop", &[Arg::Cmd], Tier::A, "", "command run at the end").not_yet(NOT_RUN),
    row("notify", &[Arg::Cmd], Tier::S, "", "command run on every change; gets GROUP name STATE 0").not_yet(NOT_RUN),
    row("smtp_alert", &[Arg::Bool], Tier::S, "", "send a mail on every change of the group").not_yet("no mail is sent"),
    row("sync_group_tracking_weight", &[], Tier::B, "", "let members keep weights of their own").detail(),
    row("global_tracking", &[], Tier::C, "", "members track what any of them tracks").never("write the tracking into the group"),
    row("notify_priority_changes", &[Arg::Bool], Tier::B, "", "as vrrp_notify_priority_changes, for this group").detail(),
];
