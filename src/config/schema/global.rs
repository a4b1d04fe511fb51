//! `global_defs`, and the small blocks beside it.

use super::row::{Arg, Items, Keyword, Options, Schema, row};
use super::{Feature, Reason};

/// `global_defs { … }`.
pub(super) static GLOBAL: Schema = Schema {
    name: "global_defs",
    tables: &[MAIL, SCRIPTS, VRRP, LVS, FILES, PROCESS, MONITORING],
};

/// `garp_group { … }`.
pub(super) static GARP_GROUP: Schema = Schema {
    name: "garp_group",
    tables: &[GARP_GROUP_ROWS],
};

/// Lines of `interface_up_down_delays`.
pub(super) static UP_DOWN_DELAYS: Items = Items {
    what: "interface delay",
    args: &[
        Arg::If,
        Arg::Secs(0, 255_000),
        Arg::Opt(&Arg::Secs(0, 255_000)),
    ],
    several: false,
};

/// Lines of `linkbeat_interfaces`.
pub(super) static LINKBEAT_INTERFACES: Items = Items {
    what: "interface",
    args: &[Arg::If, Arg::Opt(&Arg::Choice(&"MII ETHTOOL IOCTL"))],
    several: false,
};

static MAIL_ADDRESSES: Items = Items {
    what: "mail address",
    args: &[Arg::Mail],
    several: true,
};

static INTERFACES: Items = Items {
    what: "interface",
    args: &[Arg::If],
    several: true,
};

/// A whole number without an upper bound worth naming.
const COUNT: Arg = Arg::Count;
/// Seconds, whole or with fraction.
const SECONDS: Arg = Arg::Secs(0, u32::MAX);
/// Gap between two packets.
const GAP: Arg = Arg::Secs(0, u32::MAX);
/// Path, owner and group of a FIFO.
const FIFO: Arg = Arg::Seq(&[Arg::Str, Arg::Opt(&Arg::User)]);
const NICE: Arg = Arg::Int(-20, 19);
const REALTIME: Arg = Arg::Int(1, 99);

#[rustfmt::skip]
static GARP_GROUP_ROWS: &[Keyword] = &[
    row!("garp_interval", [GAP], B, "", "seconds between two gratuitous ARPs on these interfaces"),
    row!("gna_interval", [GAP], B, "", "seconds between two unsolicited neighbor advertisements on these interfaces"),
    row!("interface", [Arg::If], B, "", "an interface of the group").repeat(),
    row!("interfaces", [], B, "", "interfaces of the group").items(&INTERFACES).repeat(),
];

#[rustfmt::skip]
static MAIL: &[Keyword] = &[
    row!("router_id", [Arg::Str], S, "", "name of this router in mails and dumps; the host name without it"),
    row!("notification_email", [], S, "", "recipients of mails").items(&MAIL_ADDRESSES).repeat().requires(Feature::Mail),
    row!("notification_email_from", [Arg::Mail], S, "", "sender of mails; user@host without it").requires(Feature::Mail),
    row!("smtp_server", [Arg::Str, Arg::Opt(&Arg::Port)], S, "", "mail server: host or address, port (25)").requires(Feature::Mail),
    row!("smtp_helo_name", [Arg::Str], A, "", "name given in HELO; the host name without it"),
    row!("smtp_connect_timeout", [SECONDS], S, "30", "seconds to wait for the mail server").requires(Feature::Mail),
    row!("smtp_alert", [Arg::Bool], S, "", "send mails by default").requires(Feature::Mail),
    row!("smtp_alert_vrrp", [Arg::Bool], A, "", "send mails of instances and groups by default").requires(Feature::Mail),
    row!("smtp_alert_checker", [Arg::Bool], A, "", "send mails of virtual and real servers by default").requires(Feature::Mail),
    row!("no_email_faults", [], B, "", "send no mail about FAULT").requires(Feature::Mail),
    row!("no_checker_emails", [], B, "", "send no mails of real servers; better: smtp_alert_checker off").requires(Feature::Mail),
];

#[rustfmt::skip]
static SCRIPTS: &[Keyword] = &[
    row!("checker_log_all_failures", [Arg::Bool], B, "off", "log every failed check, not only changes"),
    row!("notify_fifo", [FIFO], A, "", "FIFO told of every change: path [user [group]]"),
    row!("vrrp_notify_fifo", [FIFO], A, "", "FIFO told of changes of instances and groups: path [user [group]]"),
    row!("lvs_notify_fifo", [FIFO], B, "", "FIFO told of changes of servers: path [user [group]]").requires(Feature::Lvs),
    row!("notify_fifo_script", [Arg::Cmd], B, "", "command that reads notify_fifo"),
    row!("vrrp_notify_fifo_script", [Arg::Cmd], B, "", "command that reads vrrp_notify_fifo"),
    row!("lvs_notify_fifo_script", [Arg::Cmd], B, "", "command that reads lvs_notify_fifo").requires(Feature::Lvs),
    row!("vrrp_notify_priority_changes", [Arg::Bool], B, "off", "tell FIFOs of changes of priority too"),
    row!("fifo_write_vrrp_states_on_reload", [], B, "", "repeat all states to the FIFO after a reload"),
    row!("script_user", [Arg::User], A, "", "who runs scripts: user [group]"),
    row!("enable_script_security", [], A, "", "refuse to run as root a script that others could change"),
    row!("use_symlink_paths", [Arg::Bool], C, "off", "keep symbolic links in paths of scripts").no_effect(Reason::ScriptPaths),
    row!("set_supplementary_groups", [], C, "", "give scripts all groups of their user").no_effect(Reason::ScriptGroups),
    row!("startup_script", [Arg::Cmd], B, "", "command run before anything is set up"),
    row!("startup_script_timeout", [Arg::Int(1, 1000)], B, "10", "seconds startup_script may take, 1-1000"),
    row!("shutdown_script", [Arg::Cmd], B, "", "command run last"),
    row!("shutdown_script_timeout", [Arg::Int(1, 1000)], B, "10", "seconds shutdown_script may take, 1-1000"),
    row!("umask", [Arg::Umask], B, "0177", "mode mask of files created"),
];

#[rustfmt::skip]
static VRRP: &[Keyword] = &[
    row!("vrrp_mcast_group4", [Arg::Mcast4], S, "224.0.0.18", "IPv4 group adverts are sent to"),
    row!("vrrp_mcast_group6", [Arg::Mcast6], A, "ff02::12", "IPv6 group adverts are sent to"),
    row!("vrrp_version", [Arg::Int(2, 3)], A, "2", "protocol version of IPv4 instances; IPv6 is always 3"),
    row!("vrrp_garp_master_delay", [SECONDS], S, "5", "seconds from the first to the second burst of gratuitous ARP of a new master; 0: no second one"),
    row!("vrrp_garp_master_repeat", [COUNT], A, "5", "gratuitous ARPs per address and burst; 0 counts as 1"),
    row!("vrrp_garp_master_refresh", [SECONDS], A, "0", "seconds between repeated gratuitous ARPs of a master; 0: off"),
    row!("vrrp_garp_master_refresh_repeat", [COUNT], A, "1", "gratuitous ARPs per address and refresh"),
    row!("vrrp_garp_lower_prio_delay", [SECONDS], A, "", "seconds to the second burst after a weaker master's advert; as garp_master_delay without it"),
    row!("vrrp_garp_lower_prio_repeat", [COUNT], A, "", "gratuitous ARPs per address after a weaker master's advert; as garp_master_repeat without it; 0: none"),
    row!("vrrp_garp_interval", [GAP], S, "0", "seconds between two gratuitous ARPs on an interface; 0: no pacing"),
    row!("vrrp_gna_interval", [GAP], S, "0", "seconds between two unsolicited neighbor advertisements on an interface; 0: no pacing"),
    row!("vrrp_min_garp", [Arg::Bool], A, "off", "one gratuitous ARP per address only: repeat 1, no second burst, no refresh"),
    row!("vrrp_garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Secs(1_000, 86_400_000)], C, "", "seconds between gratuitous ARPs on base interfaces, 1-86400").no_effect(Reason::GarpInterfaces),
    row!("vrrp_vmac_garp_intvl" = "vrrp_garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Secs(1_000, 86_400_000)], C).no_effect(Reason::GarpInterfaces),
    row!("vrrp_down_timer_adverts", [Arg::Int(1, 100)], B, "3", "missed adverts before takeover, 1-100"),
    row!("vrrp_lower_prio_no_advert", [Arg::Bool], A, "off", "as master, answer a weaker master's advert with silence"),
    row!("vrrp_higher_prio_send_advert", [Arg::Bool], A, "off", "send a last advert when yielding to a stronger router"),
    row!("vrrp_strict", [Arg::Bool], S, "off", "hold to the letter of the protocol: no authentication, no unicast, VIPs answer nothing but ARP"),
    row!("vip_lease", [Arg::Opt(&Arg::Str)], B, "", "ours: unrenewed addresses expire, after 2-86400 s or what fits the intervals; 0: never; costs a kernel request per quarter"),
    row!("vrrp_skip_check_adv_addr", [Arg::Bool], S, "off", "compare the addresses of an advert only when its sender changes"),
    row!("vrrp_check_unicast_src", [Arg::Bool], A, "off", "accept unicast adverts from configured peers only"),
    row!("vrrp_owner_ignore_adverts", [Arg::Bool], B, "off", "as owner of the addresses, ignore all adverts"),
    row!("v3_checksum_as_v2", [Arg::Bool], A, "off", "VRRPv3 over IPv4: checksum without pseudo-header, as RFC 9568 and others have it"),
    row!("vrrp_startup_delay", [SECONDS], A, "0", "seconds instances wait after the start"),
    row!("vrrp_delay_after_boot", [SECONDS], A, "0", "seconds instances wait after the boot of the system"),
    row!("log_unknown_vrids", [], A, "", "log adverts of virtual routers that are not configured"),
    row!("dynamic_interfaces", [Arg::Opt(&Arg::Choice(&"allow_if_changes"))], A, "", "interfaces may be absent at the start; always so here"),
    row!("default_interface", [Arg::If], A, "eth0", "interface of static items without `dev`"),
    row!("disable_local_igmp", [], C, "", "join no multicast group").no_effect(Reason::Igmp),
    row!("vrrp_iptables", [Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str)], B, "", "iptables chains that enforce no_accept: [in [out]]").no_effect(Reason::ByNft),
    row!("vrrp_ipsets", [Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str)], C, "", "names of the ipsets used with vrrp_iptables, or off").no_effect(Reason::NoIpsets),
    row!("nftables", [Arg::Opt(&Arg::Str)], B, "", "nftables table that enforces no_accept: [name]"),
    row!("nftables_priority", [Arg::Int(i32::MIN, i32::MAX)], B, "-1", "hook priority of the nftables chains"),
    row!("nftables_counters", [], B, "", "count packets in the nftables rules"),
    row!("nftables_ifindex", [], C, "", "match link-local addresses by interface number").no_effect(Reason::ByName),
    row!("vmac_prefix", [Arg::Name(15)], C, "vrrp", "first part of the names of created macvlans"),
    row!("vmac_addr_prefix", [Arg::Name(15)], C, "vrrp", "first part of the names of macvlans created for addresses").no_effect(Reason::RealMac),
    row!("vrrp_rx_bufs_policy", [Arg::Str], C, "", "size of receive buffers: MTU, ADVERT or bytes").no_effect(Reason::Buffers),
    row!("vrrp_rx_bufs_multiplier", [COUNT], C, "3", "receive buffers in units of the policy").no_effect(Reason::Buffers),
    row!("random_seed", [COUNT], B, "", "start of the random sequence, to repeat a run").no_effect(Reason::Random),
];

static SYNC_DAEMON: Options = Options {
    what: "lvs_sync_daemon",
    rows: SYNC_DAEMON_OPTIONS,
    // The instance, and in the old form the id.
    bare: Some(Arg::Name(255)),
    repeats: true,
};

#[rustfmt::skip]
static SYNC_DAEMON_OPTIONS: &[Keyword] = &[
    row!("inst", [Arg::Name(255)], S, "", "the instance it follows: as master it sends, as backup it receives"),
    row!("id", [Arg::Int(0, 255)], S, "", "sync id; the VRID without it"),
    row!("maxlen", [Arg::Int(1, 65_507)], A, "", "largest datagram"),
    row!("port", [Arg::Port], A, "", "UDP port (8848)"),
    row!("ttl", [Arg::Int(1, 255)], A, "", "TTL of the datagrams (1)"),
    row!("group", [Arg::Mcast], A, "", "multicast group (224.0.0.81)"),
];

static TIMEOUTS: Options = Options {
    what: "lvs_timeouts",
    rows: TIMEOUT_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static TIMEOUT_OPTIONS: &[Keyword] = &[
    row!("tcp", [Arg::Int(0, 2_678_400)], B, "", "seconds an idle TCP connection is kept"),
    row!("tcpfin", [Arg::Int(0, 2_678_400)], B, "", "seconds a closing TCP connection is kept"),
    row!("udp", [Arg::Int(0, 2_678_400)], B, "", "seconds a UDP flow is kept"),
];

#[rustfmt::skip]
static LVS: &[Keyword] = &[
    row!("lvs_sync_daemon", [Arg::If, Arg::Options(&SYNC_DAEMON)], S, "", "share IPVS connections with the other router: IF [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group IP]").repeat().requires(Feature::Lvs),
    row!("lvs_timeouts", [Arg::Options(&TIMEOUTS)], B, "", "timeouts of IPVS: [tcp s] [tcpfin s] [udp s], 0-2678400").requires(Feature::Lvs),
    row!("lvs_flush", [], A, "", "clear all of IPVS at the start").requires(Feature::Lvs),
    row!("lvs_flush_on_stop", [Arg::Opt(&Arg::Choice(&"VS"))], B, "", "clear all of IPVS, or our services at once, at the end").requires(Feature::Lvs),
    row!("lvs_flush_onstop" = "lvs_flush_on_stop", [Arg::Opt(&Arg::Choice(&"VS"))], B).requires(Feature::Lvs),
    row!("rs_init_notifies", [], B, "", "run notify_up and notify_down for the first state too").requires(Feature::Lvs),
    row!("nftables_ipvs", [Arg::Opt(&Arg::Str)], C, "", "mark traffic of address ranges by nftables").no_effect(Reason::Ranges),
    row!("nftables_ipvs_priority", [Arg::Int(i32::MIN, i32::MAX)], C, "", "hook priority of that chain").no_effect(Reason::Ranges),
    row!("nftables_ipvs_start_fwmark", [COUNT], C, "1000", "first mark used by it").no_effect(Reason::Ranges),
];

#[rustfmt::skip]
static FILES: &[Keyword] = &[
    row!("reload_check_config", [Arg::Opt(&Arg::Str)], A, "", "check the new configuration before a reload and keep the old one on errors; always so here"),
    row!("reload_time_file", [Arg::Str], C, "", "file with the time of the next reload").no_effect(Reason::ReloadTime),
    row!("reload_repeat", [], C, "", "read reload_time_file again after each reload").no_effect(Reason::ReloadTime),
    row!("reload_file", [Arg::Opt(&Arg::Str)], C, "", "file whose presence tells that the configuration is being rewritten").no_effect(Reason::WholeFiles),
    row!("include_check", [Arg::Opt(&Arg::Many(&Arg::Str))], B, "", "how strictly includes are checked: readable, match, wildcard_match, brace_match; +x adds, -x takes away"),
    row!("config_save_dir", [Arg::Str], C, "", "directory for copies of changed configurations").no_effect(Reason::NoCopies),
    row!("tmp_config_directory", [Arg::Str], C, "", "where the configuration is handed to child processes").no_effect(Reason::OneProcess),
    row!("data_use_instance", [Arg::Bool], B, "off", "name of the process in names of dump files"),
    row!("json_version", [Arg::Int(1, 2)], A, "1", "shape of the JSON dump: 1 a list, 2 an object").requires(Feature::Json),
    row!("state_dump_file", [Arg::Str], A, "", "path of the state dump"),
    row!("state_dump_file_location" = "state_dump_file", [Arg::Str], A),
    row!("stats_dump_file", [Arg::Str], A, "", "path of the statistics dump"),
    row!("stats_dump_file_location" = "stats_dump_file", [Arg::Str], A),
    row!("json_dump_file", [Arg::Str], A, "", "path of the JSON dump").requires(Feature::Json),
    row!("json_dump_file_location" = "json_dump_file", [Arg::Str], A).requires(Feature::Json),
    row!("iproute_usr_dir", [Arg::Str], B, "", "directory with names of routing tables, shipped ones"),
    row!("iproute_etc_dir", [Arg::Str], B, "", "directory with names of routing tables, local ones"),
];

#[rustfmt::skip]
static PROCESS: &[Keyword] = &[
    row!("process_names", [], C, "", "name child processes by their duty").no_effect(Reason::OneProcess),
    row!("process_name", [Arg::Opt(&Arg::Str)], B, "", "name of the process in ps"),
    row!("vrrp_process_name", [Arg::Opt(&Arg::Str)], C, "", "name of the VRRP process").no_effect(Reason::OneProcess),
    row!("checker_process_name", [Arg::Opt(&Arg::Str)], C, "", "name of the checker process").no_effect(Reason::OneProcess),
    row!("lvs_process_name" = "checker_process_name", [Arg::Opt(&Arg::Str)], C).no_effect(Reason::OneProcess),
    row!("bfd_process_name", [Arg::Opt(&Arg::Str)], C, "", "name of the BFD process").no_effect(Reason::OneProcess),
    row!("vrrp_priority", [NICE], B, "", "niceness of the process, -20 to 19"),
    row!("checker_priority", [NICE], C, "", "niceness of the checker process").no_effect(Reason::OneProcess),
    row!("bfd_priority", [NICE], C, "", "niceness of the BFD process").no_effect(Reason::OneProcess),
    row!("vrrp_no_swap", [], B, "", "keep the process in memory"),
    row!("checker_no_swap", [], C, "", "keep the checker process in memory").no_effect(Reason::OneProcess),
    row!("bfd_no_swap", [], C, "", "keep the BFD process in memory").no_effect(Reason::OneProcess),
    row!("vrrp_rt_priority", [REALTIME], B, "", "real-time priority of the process, 1-99"),
    row!("checker_rt_priority", [REALTIME], C, "", "real-time priority of the checker process").no_effect(Reason::OneProcess),
    row!("bfd_rt_priority", [REALTIME], C, "", "real-time priority of the BFD process").no_effect(Reason::OneProcess),
    row!("vrrp_cpu_affinity", [Arg::Many(&COUNT)], C, "", "processors of the VRRP process").no_effect(Reason::Taskset),
    row!("checker_cpu_affinity", [Arg::Many(&COUNT)], C, "", "processors of the checker process").no_effect(Reason::OneProcess),
    row!("bfd_cpu_affinity", [Arg::Many(&COUNT)], C, "", "processors of the BFD process").no_effect(Reason::OneProcess),
    row!("vrrp_rlimit_rttime", [COUNT], C, "", "microseconds of real-time work without a pause").no_effect(Reason::NoLimit),
    row!("vrrp_rlimit_rtime" = "vrrp_rlimit_rttime", [COUNT], C).no_effect(Reason::NoLimit),
    row!("checker_rlimit_rttime", [COUNT], C, "", "the same for the checker process").no_effect(Reason::OneProcess),
    row!("checker_rlimit_rtime" = "checker_rlimit_rttime", [COUNT], C).no_effect(Reason::OneProcess),
    row!("bfd_rlimit_rttime", [COUNT], C, "", "the same for the BFD process").no_effect(Reason::OneProcess),
    row!("bfd_rlimit_rtime" = "bfd_rlimit_rttime", [COUNT], C).no_effect(Reason::OneProcess),
    row!("max_auto_priority", [Arg::Opt(&Arg::Int(-1, 99))], B, "0", "highest real-time priority taken when timers run late, -1 to 99"),
    row!("min_auto_priority_delay", [COUNT], B, "1000000", "microseconds a timer must be late for that"),
    row!("vrrp_netlink_cmd_rcv_bufs", [COUNT], C, "", "bytes of a netlink buffer").no_effect(Reason::Buffers),
    row!("vrrp_netlink_cmd_rcv_bufs_force", [Arg::Bool], C, "", "even beyond the system's limit").no_effect(Reason::Buffers),
    row!("vrrp_netlink_monitor_rcv_bufs", [COUNT], C, "", "bytes of a netlink buffer").no_effect(Reason::Buffers),
    row!("vrrp_netlink_monitor_rcv_bufs_force", [Arg::Bool], C, "", "even beyond the system's limit").no_effect(Reason::Buffers),
    row!("lvs_netlink_cmd_rcv_bufs", [COUNT], C, "", "bytes of a netlink buffer").no_effect(Reason::Buffers),
    row!("lvs_netlink_cmd_rcv_bufs_force", [Arg::Bool], C, "", "even beyond the system's limit").no_effect(Reason::Buffers),
    row!("lvs_netlink_monitor_rcv_bufs", [COUNT], C, "", "bytes of a netlink buffer").no_effect(Reason::Buffers),
    row!("lvs_netlink_monitor_rcv_bufs_force", [Arg::Bool], C, "", "even beyond the system's limit").no_effect(Reason::Buffers),
    row!("process_monitor_rcv_bufs", [COUNT], C, "", "bytes of the buffer of process events").no_effect(Reason::Buffers),
    row!("process_monitor_rcv_bufs_force", [Arg::Bool], C, "", "even beyond the system's limit").no_effect(Reason::Buffers),
];

#[rustfmt::skip]
static MONITORING: &[Keyword] = &[
    row!("snmp_socket", [Arg::Str], C, "", "where the SNMP master agent listens").no_effect(Reason::NoSnmp),
    row!("enable_traps", [], C, "", "send SNMP traps").no_effect(Reason::NoSnmp),
    row!("enable_snmp_vrrp", [], C, "", "VRRP over SNMP").no_effect(Reason::NoSnmp),
    row!("enable_snmp_keepalived" = "enable_snmp_vrrp", [], C).no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfc", [], C, "", "both standard VRRP MIBs").no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfcv2", [], C, "", "the standard MIB of VRRPv2").no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfcv3", [], C, "", "the standard MIB of VRRPv3").no_effect(Reason::NoSnmp),
    row!("enable_snmp_checker", [], C, "", "servers over SNMP").no_effect(Reason::NoSnmp),
    row!("snmp_vs_stats_update_interval", [COUNT], C, "", "how often virtual servers are counted").no_effect(Reason::NoSnmp),
    row!("snmp_rs_stats_update_interval", [COUNT], C, "", "how often real servers are counted").no_effect(Reason::NoSnmp),
    row!("enable_dbus", [], C, "", "offer a D-Bus interface").no_effect(Reason::NoDbus),
    row!("dbus_service_name", [Arg::Str], C, "", "name on the bus").no_effect(Reason::NoDbus),
    row!("dbus_no_interface_name", [Arg::Str], C, "", "word for `no interface` in object paths").no_effect(Reason::NoDbus),
];
