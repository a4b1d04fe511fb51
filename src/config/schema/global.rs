//! `global_defs`, and the small blocks beside it.

use super::row::{Arg, Items, Keyword, Options, Schema, Tier, opt, row};

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
        Arg::Secs(0, 255_000_000),
        Arg::Opt(&Arg::Secs(0, 255_000_000)),
    ],
    several: false,
};

/// Lines of `linkbeat_interfaces`.
pub(super) static LINKBEAT_INTERFACES: Items = Items {
    what: "interface",
    args: &[
        Arg::If,
        Arg::Opt(&Arg::Choice(&["MII", "ETHTOOL", "IOCTL"])),
    ],
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
const COUNT: Arg = Arg::Int(0, 4_294_967_295);
/// Seconds, whole or with fraction.
const SECONDS: Arg = Arg::Secs(0, 4_294_000_000_000_000);
/// Gap between two packets.
const GAP: Arg = Arg::Secs(0, 4_294_967_295_000);
/// Path, owner and group of a FIFO.
const FIFO: &[Arg] = &[Arg::Str, Arg::Opt(&Arg::User)];
const NICE: &[Arg] = &[Arg::Int(-20, 19)];
const REALTIME: &[Arg] = &[Arg::Int(1, 99)];

const ALERT: &str = "no mail is sent";
const NOT_SENT: &str = "nothing is written";
const ONE_PROCESS: &str = "there is one process only";
const SNMP: &str = "there is no SNMP agent";
const DBUS: &str = "there is no D-Bus interface";
const BUFFERS: &str = "socket buffers are sized by the daemon";
const NO_FILTER: &str = "addresses stay reachable, no packet filter is set up";
const NO_IPVS: &str = "IPVS is left alone";
const NO_DUMP: &str = "no such file is written";

#[rustfmt::skip]
static GARP_GROUP_ROWS: &[Keyword] = &[
    row("garp_interval", &[GAP], Tier::B, "", "seconds between two gratuitous ARPs on these interfaces"),
    row("gna_interval", &[GAP], Tier::B, "", "seconds between two unsolicited neighbor advertisements on these interfaces"),
    row("interface", &[Arg::If], Tier::B, "", "an interface of the group").repeat(),
    row("interfaces", &[], Tier::B, "", "interfaces of the group").items(&INTERFACES).repeat(),
];

#[rustfmt::skip]
static MAIL: &[Keyword] = &[
    row("router_id", &[Arg::Str], Tier::S, "", "name of this router in mails and dumps; the host name without it"),
    row("notification_email", &[], Tier::S, "", "recipients of mails").items(&MAIL_ADDRESSES).repeat().detail(),
    row("notification_email_from", &[Arg::Mail], Tier::S, "", "sender of mails; user@host without it").detail(),
    row("smtp_server", &[Arg::Str, Arg::Opt(&Arg::Port)], Tier::S, "", "mail server: host or address, port (25)").detail(),
    row("smtp_helo_name", &[Arg::Str], Tier::A, "", "name given in HELO; the host name without it").detail(),
    row("smtp_connect_timeout", &[SECONDS], Tier::S, "30", "seconds to wait for the mail server").detail(),
    row("smtp_alert", &[Arg::Bool], Tier::S, "", "send mails by default").not_yet(ALERT),
    row("smtp_alert_vrrp", &[Arg::Bool], Tier::A, "", "send mails of instances and groups by default").not_yet(ALERT),
    row("smtp_alert_checker", &[Arg::Bool], Tier::A, "", "send mails of virtual and real servers by default").not_yet(ALERT),
    row("no_email_faults", &[], Tier::B, "", "send no mail about FAULT").detail(),
    row("no_checker_emails", &[], Tier::B, "", "send no mails of real servers; better: smtp_alert_checker off").detail(),
];

#[rustfmt::skip]
static SCRIPTS: &[Keyword] = &[
    row("checker_log_all_failures", &[Arg::Bool], Tier::B, "off", "log every failed check, not only changes").detail(),
    row("notify_fifo", FIFO, Tier::A, "", "FIFO told of every change: path [user [group]]").not_yet(NOT_SENT),
    row("vrrp_notify_fifo", FIFO, Tier::A, "", "FIFO told of changes of instances and groups: path [user [group]]").not_yet(NOT_SENT),
    row("lvs_notify_fifo", FIFO, Tier::B, "", "FIFO told of changes of servers: path [user [group]]").not_yet(NOT_SENT),
    row("notify_fifo_script", &[Arg::Cmd], Tier::B, "", "command that reads notify_fifo").detail(),
    row("vrrp_notify_fifo_script", &[Arg::Cmd], Tier::B, "", "command that reads vrrp_notify_fifo").detail(),
    row("lvs_notify_fifo_script", &[Arg::Cmd], Tier::B, "", "command that reads lvs_notify_fifo").detail(),
    row("vrrp_notify_priority_changes", &[Arg::Bool], Tier::B, "off", "tell FIFO and notify scripts of changes of priority too").detail(),
    row("fifo_write_vrrp_states_on_reload", &[], Tier::B, "", "repeat all states to the FIFO after a reload").detail(),
    row("script_user", &[Arg::User], Tier::A, "", "who runs scripts: user [group]").detail(),
    row("enable_script_security", &[], Tier::A, "", "refuse to run as root a script that others could change").detail(),
    row("use_symlink_paths", &[Arg::Bool], Tier::C, "off", "keep symbolic links in paths of scripts").never("paths of scripts are used as written"),
    row("set_supplementary_groups", &[], Tier::C, "", "give scripts all groups of their user").never("scripts get their user's own group only"),
    row("startup_script", &[Arg::Cmd], Tier::B, "", "command run before anything is set up").not_yet("it is not run"),
    row("startup_script_timeout", &[Arg::Int(1, 1000)], Tier::B, "10", "seconds startup_script may take, 1-1000").detail(),
    row("shutdown_script", &[Arg::Cmd], Tier::B, "", "command run last").not_yet("it is not run"),
    row("shutdown_script_timeout", &[Arg::Int(1, 1000)], Tier::B, "10", "seconds shutdown_script may take, 1-1000").detail(),
    row("umask", &[Arg::Umask], Tier::B, "0177", "mode mask of files created").not_yet("files are created with mode 0600"),
];

#[rustfmt::skip]
static VRRP: &[Keyword] = &[
    row("vrrp_mcast_group4", &[Arg::Mcast4], Tier::S, "224.0.0.18", "IPv4 group adverts are sent to"),
    row("vrrp_mcast_group6", &[Arg::Mcast6], Tier::A, "ff02::12", "IPv6 group adverts are sent to"),
    row("vrrp_version", &[Arg::Int(2, 3)], Tier::A, "2", "protocol version of IPv4 instances; IPv6 is always 3"),
    row("vrrp_garp_master_delay", &[SECONDS], Tier::S, "5", "seconds from the first to the second burst of gratuitous ARP of a new master; 0: no second one"),
    row("vrrp_garp_master_repeat", &[COUNT], Tier::A, "5", "gratuitous ARPs per address and burst; 0 counts as 1"),
    row("vrrp_garp_master_refresh", &[SECONDS], Tier::A, "0", "seconds between repeated gratuitous ARPs of a master; 0: off"),
    row("vrrp_garp_master_refresh_repeat", &[COUNT], Tier::A, "1", "gratuitous ARPs per address and refresh"),
    row("vrrp_garp_lower_prio_delay", &[SECONDS], Tier::A, "", "seconds to the second burst after a weaker master's advert; as garp_master_delay without it"),
    row("vrrp_garp_lower_prio_repeat", &[COUNT], Tier::A, "", "gratuitous ARPs per address after a weaker master's advert; as garp_master_repeat without it; 0: none"),
    row("vrrp_garp_interval", &[GAP], Tier::S, "0", "seconds between two gratuitous ARPs on an interface; 0: no pacing"),
    row("vrrp_gna_interval", &[GAP], Tier::S, "0", "seconds between two unsolicited neighbor advertisements on an interface; 0: no pacing"),
    row("vrrp_min_garp", &[Arg::Bool], Tier::A, "off", "one gratuitous ARP per address only: repeat 1, no second burst, no refresh"),
    row("vrrp_garp_extra_if", &[Arg::Opt(&Arg::Choice(&["all"])), Arg::Secs(1_000_000, 86_400_000_000)], Tier::C, "", "seconds between gratuitous ARPs on base interfaces, 1-86400").never("gratuitous ARP goes out on the interfaces of the addresses"),
    row("vrrp_vmac_garp_intvl", &[Arg::Opt(&Arg::Choice(&["all"])), Arg::Secs(1_000_000, 86_400_000_000)], Tier::C, "", "same as vrrp_garp_extra_if").never("gratuitous ARP goes out on the interfaces of the addresses").same("vrrp_garp_extra_if"),
    row("vrrp_down_timer_adverts", &[Arg::Int(1, 100)], Tier::B, "3", "missed adverts before takeover, 1-100"),
    row("vrrp_lower_prio_no_advert", &[Arg::Bool], Tier::A, "off", "as master, answer a weaker master's advert with silence"),
    row("vrrp_higher_prio_send_advert", &[Arg::Bool], Tier::A, "off", "send a last advert when yielding to a stronger router"),
    row("vrrp_strict", &[Arg::Bool], Tier::S, "off", "hold to the letter of the protocol: no authentication, no unicast, VIPs answer nothing but ARP"),
    row("vrrp_skip_check_adv_addr", &[Arg::Bool], Tier::S, "off", "compare the addresses of an advert only when its sender changes"),
    row("vrrp_check_unicast_src", &[Arg::Bool], Tier::A, "off", "accept unicast adverts from configured peers only"),
    row("vrrp_owner_ignore_adverts", &[Arg::Bool], Tier::B, "off", "as owner of the addresses, ignore all adverts"),
    row("v3_checksum_as_v2", &[Arg::Bool], Tier::A, "off", "VRRPv3 over IPv4: checksum without pseudo-header, as RFC 9568 and others have it"),
    row("vrrp_startup_delay", &[SECONDS], Tier::A, "0", "seconds instances wait after the start"),
    row("vrrp_delay_after_boot", &[SECONDS], Tier::A, "0", "seconds instances wait after the boot of the system"),
    row("log_unknown_vrids", &[], Tier::A, "", "log adverts of virtual routers that are not configured"),
    row("dynamic_interfaces", &[Arg::Opt(&Arg::Choice(&["allow_if_changes"]))], Tier::A, "", "interfaces may be absent at the start; always so here"),
    row("default_interface", &[Arg::If], Tier::A, "eth0", "interface of static items without `dev`"),
    row("disable_local_igmp", &[], Tier::C, "", "join no multicast group").never("groups are joined as usual"),
    row("vrrp_iptables", &[Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str)], Tier::B, "", "iptables chains that enforce no_accept: [in [out]]").not_yet(NO_FILTER),
    row("vrrp_ipsets", &[Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str)], Tier::C, "", "names of the ipsets used with vrrp_iptables, or off").never("ipsets are not used"),
    row("nftables", &[Arg::Opt(&Arg::Str)], Tier::B, "", "nftables table that enforces no_accept: [name]").not_yet(NO_FILTER),
    row("nftables_priority", &[Arg::Int(-2_147_483_648, 2_147_483_647)], Tier::B, "-1", "hook priority of the nftables chains").detail(),
    row("nftables_counters", &[], Tier::B, "", "count packets in the nftables rules").detail(),
    row("nftables_ifindex", &[], Tier::C, "", "match link-local addresses by interface number").never("interfaces are matched by name"),
    row("vmac_prefix", &[Arg::Name(15)], Tier::C, "vrrp", "first part of the names of created macvlans").never("see use_vmac"),
    row("vmac_addr_prefix", &[Arg::Name(15)], Tier::C, "vrrp", "first part of the names of macvlans created for addresses").never("see use_vmac_addr"),
    row("vrrp_rx_bufs_policy", &[Arg::Str], Tier::C, "", "size of receive buffers: MTU, ADVERT or bytes").never(BUFFERS),
    row("vrrp_rx_bufs_multiplier", &[COUNT], Tier::C, "3", "receive buffers in units of the policy").never(BUFFERS),
    row("random_seed", &[COUNT], Tier::B, "", "start of the random sequence, to repeat a run").not_yet("the system's random numbers are used"),
];

static SYNC_DAEMON: Options = Options {
    what: "lvs_sync_daemon",
    rows: SYNC_DAEMON_OPTIONS,
    bare: Some(Arg::Int(0, 255)),
    repeats: false,
};

#[rustfmt::skip]
static SYNC_DAEMON_OPTIONS: &[Keyword] = &[
    opt("id", &[Arg::Int(0, 255)], Tier::S, "sync id; the VRID without it"),
    opt("maxlen", &[Arg::Int(1, 65_507)], Tier::A, "largest datagram"),
    opt("port", &[Arg::Port], Tier::A, "UDP port (8848)"),
    opt("ttl", &[Arg::Int(1, 255)], Tier::A, "TTL of the datagrams (1)"),
    opt("group", &[Arg::Mcast], Tier::A, "multicast group (224.0.0.81)"),
];

static TIMEOUTS: Options = Options {
    what: "lvs_timeouts",
    rows: TIMEOUT_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static TIMEOUT_OPTIONS: &[Keyword] = &[
    opt("tcp", &[Arg::Int(0, 2_678_400)], Tier::B, "seconds an idle TCP connection is kept"),
    opt("tcpfin", &[Arg::Int(0, 2_678_400)], Tier::B, "seconds a closing TCP connection is kept"),
    opt("udp", &[Arg::Int(0, 2_678_400)], Tier::B, "seconds a UDP flow is kept"),
];

#[rustfmt::skip]
static LVS: &[Keyword] = &[
    row("lvs_sync_daemon", &[Arg::If, Arg::Opt(&Arg::Choice(&["inst"])), Arg::Opt(&Arg::Name(255)), Arg::Options(&SYNC_DAEMON)], Tier::S, "", "share IPVS connections with the other router: IF [inst] INSTANCE [id N] [maxlen N] [port N] [ttl N] [group IP]").not_yet("connections are not shared"),
    row("lvs_timeouts", &[Arg::Options(&TIMEOUTS)], Tier::B, "", "timeouts of IPVS: [tcp s] [tcpfin s] [udp s], 0-2678400").not_yet(NO_IPVS),
    row("lvs_flush", &[], Tier::A, "", "clear all of IPVS at the start").not_yet(NO_IPVS),
    row("lvs_flush_on_stop", &[Arg::Opt(&Arg::Choice(&["VS"]))], Tier::B, "", "clear all of IPVS, or our services at once, at the end").not_yet(NO_IPVS),
    row("lvs_flush_onstop", &[Arg::Opt(&Arg::Choice(&["VS"]))], Tier::B, "", "same as lvs_flush_on_stop").not_yet(NO_IPVS).same("lvs_flush_on_stop"),
    row("rs_init_notifies", &[], Tier::B, "", "run notify_up and notify_down for the first state too").detail(),
    row("nftables_ipvs", &[Arg::Opt(&Arg::Str)], Tier::C, "", "mark traffic of address ranges by nftables").never("each address of a range is a service of its own"),
    row("nftables_ipvs_priority", &[Arg::Int(-2_147_483_648, 2_147_483_647)], Tier::C, "", "hook priority of that chain").never("see nftables_ipvs"),
    row("nftables_ipvs_start_fwmark", &[COUNT], Tier::C, "1000", "first mark used by it").never("see nftables_ipvs"),
];

#[rustfmt::skip]
static FILES: &[Keyword] = &[
    row("reload_check_config", &[Arg::Opt(&Arg::Str)], Tier::A, "", "check the new configuration before a reload and keep the old one on errors; always so here"),
    row("reload_time_file", &[Arg::Str], Tier::C, "", "file with the time of the next reload").never("send SIGHUP at that time, from cron for example"),
    row("reload_repeat", &[], Tier::C, "", "read reload_time_file again after each reload").never("see reload_time_file"),
    row("reload_file", &[Arg::Opt(&Arg::Str)], Tier::C, "", "file whose presence tells that the configuration is being rewritten").never("a configuration is checked whole before it is used"),
    row("include_check", &[Arg::Opt(&Arg::Many(&Arg::Str))], Tier::B, "", "how strictly includes are checked: readable, match, wildcard_match, brace_match; +x adds, -x takes away"),
    row("config_save_dir", &[Arg::Str], Tier::C, "", "directory for copies of changed configurations").never("no copies are kept"),
    row("tmp_config_directory", &[Arg::Str], Tier::C, "", "where the configuration is handed to child processes").never(ONE_PROCESS),
    row("data_use_instance", &[Arg::Bool], Tier::B, "off", "name of the process in names of dump files").detail(),
    row("json_version", &[Arg::Int(1, 2)], Tier::A, "1", "shape of the JSON dump: 1 a list, 2 an object").detail(),
    row("state_dump_file", &[Arg::Str], Tier::A, "", "path of the state dump").not_yet(NO_DUMP),
    row("state_dump_file_location", &[Arg::Str], Tier::A, "", "same as state_dump_file").not_yet(NO_DUMP).same("state_dump_file"),
    row("stats_dump_file", &[Arg::Str], Tier::A, "", "path of the statistics dump").not_yet(NO_DUMP),
    row("stats_dump_file_location", &[Arg::Str], Tier::A, "", "same as stats_dump_file").not_yet(NO_DUMP).same("stats_dump_file"),
    row("json_dump_file", &[Arg::Str], Tier::A, "", "path of the JSON dump").not_yet(NO_DUMP),
    row("json_dump_file_location", &[Arg::Str], Tier::A, "", "same as json_dump_file").not_yet(NO_DUMP).same("json_dump_file"),
    row("iproute_usr_dir", &[Arg::Str], Tier::B, "", "directory with names of routing tables, shipped ones").not_yet("tables are known by number only"),
    row("iproute_etc_dir", &[Arg::Str], Tier::B, "", "directory with names of routing tables, local ones").not_yet("tables are known by number only"),
];

#[rustfmt::skip]
static PROCESS: &[Keyword] = &[
    row("process_names", &[], Tier::C, "", "name child processes by their duty").never(ONE_PROCESS),
    row("process_name", &[Arg::Opt(&Arg::Str)], Tier::B, "", "name of the process in ps").not_yet("the name stays vrrpd"),
    row("vrrp_process_name", &[Arg::Opt(&Arg::Str)], Tier::C, "", "name of the VRRP process").never(ONE_PROCESS),
    row("checker_process_name", &[Arg::Opt(&Arg::Str)], Tier::C, "", "name of the checker process").never(ONE_PROCESS),
    row("lvs_process_name", &[Arg::Opt(&Arg::Str)], Tier::C, "", "same as checker_process_name").never(ONE_PROCESS).same("checker_process_name"),
    row("bfd_process_name", &[Arg::Opt(&Arg::Str)], Tier::C, "", "name of the BFD process").never(ONE_PROCESS),
    row("vrrp_priority", NICE, Tier::B, "", "niceness of the process, -20 to 19").not_yet("niceness is left as it is"),
    row("checker_priority", NICE, Tier::C, "", "niceness of the checker process").never(ONE_PROCESS),
    row("bfd_priority", NICE, Tier::C, "", "niceness of the BFD process").never(ONE_PROCESS),
    row("vrrp_no_swap", &[], Tier::B, "", "keep the process in memory").not_yet("memory is not locked"),
    row("checker_no_swap", &[], Tier::C, "", "keep the checker process in memory").never(ONE_PROCESS),
    row("bfd_no_swap", &[], Tier::C, "", "keep the BFD process in memory").never(ONE_PROCESS),
    row("vrrp_rt_priority", REALTIME, Tier::B, "", "real-time priority of the process, 1-99").not_yet("the process runs without real-time priority"),
    row("checker_rt_priority", REALTIME, Tier::C, "", "real-time priority of the checker process").never(ONE_PROCESS),
    row("bfd_rt_priority", REALTIME, Tier::C, "", "real-time priority of the BFD process").never(ONE_PROCESS),
    row("vrrp_cpu_affinity", &[Arg::Many(&COUNT)], Tier::C, "", "processors of the VRRP process").never("use taskset"),
    row("checker_cpu_affinity", &[Arg::Many(&COUNT)], Tier::C, "", "processors of the checker process").never(ONE_PROCESS),
    row("bfd_cpu_affinity", &[Arg::Many(&COUNT)], Tier::C, "", "processors of the BFD process").never(ONE_PROCESS),
    row("vrrp_rlimit_rttime", &[COUNT], Tier::C, "", "microseconds of real-time work without a pause").never("no such limit is set"),
    row("vrrp_rlimit_rtime", &[COUNT], Tier::C, "", "same as vrrp_rlimit_rttime").never("no such limit is set").same("vrrp_rlimit_rttime"),
    row("checker_rlimit_rttime", &[COUNT], Tier::C, "", "the same for the checker process").never(ONE_PROCESS),
    row("checker_rlimit_rtime", &[COUNT], Tier::C, "", "same as checker_rlimit_rttime").never(ONE_PROCESS).same("checker_rlimit_rttime"),
    row("bfd_rlimit_rttime", &[COUNT], Tier::C, "", "the same for the BFD process").never(ONE_PROCESS),
    row("bfd_rlimit_rtime", &[COUNT], Tier::C, "", "same as bfd_rlimit_rttime").never(ONE_PROCESS).same("bfd_rlimit_rttime"),
    row("max_auto_priority", &[Arg::Opt(&Arg::Int(-1, 99))], Tier::B, "0", "highest real-time priority taken when timers run late, -1 to 99").not_yet("the process runs without real-time priority"),
    row("min_auto_priority_delay", &[COUNT], Tier::B, "1000000", "microseconds a timer must be late for that").detail(),
    row("vrrp_netlink_cmd_rcv_bufs", &[COUNT], Tier::C, "", "bytes of a netlink buffer").never(BUFFERS),
    row("vrrp_netlink_cmd_rcv_bufs_force", &[Arg::Bool], Tier::C, "", "even beyond the system's limit").never(BUFFERS),
    row("vrrp_netlink_monitor_rcv_bufs", &[COUNT], Tier::C, "", "bytes of a netlink buffer").never(BUFFERS),
    row("vrrp_netlink_monitor_rcv_bufs_force", &[Arg::Bool], Tier::C, "", "even beyond the system's limit").never(BUFFERS),
    row("lvs_netlink_cmd_rcv_bufs", &[COUNT], Tier::C, "", "bytes of a netlink buffer").never(BUFFERS),
    row("lvs_netlink_cmd_rcv_bufs_force", &[Arg::Bool], Tier::C, "", "even beyond the system's limit").never(BUFFERS),
    row("lvs_netlink_monitor_rcv_bufs", &[COUNT], Tier::C, "", "bytes of a netlink buffer").never(BUFFERS),
    row("lvs_netlink_monitor_rcv_bufs_force", &[Arg::Bool], Tier::C, "", "even beyond the system's limit").never(BUFFERS),
    row("process_monitor_rcv_bufs", &[COUNT], Tier::C, "", "bytes of the buffer of process events").never(BUFFERS),
    row("process_monitor_rcv_bufs_force", &[Arg::Bool], Tier::C, "", "even beyond the system's limit").never(BUFFERS),
];

#[rustfmt::skip]
static MONITORING: &[Keyword] = &[
    row("snmp_socket", &[Arg::Str], Tier::C, "", "where the SNMP master agent listens").never(SNMP),
    row("enable_traps", &[], Tier::C, "", "send SNMP traps").never(SNMP),
    row("enable_snmp_vrrp", &[], Tier::C, "", "VRRP over SNMP").never(SNMP),
    row("enable_snmp_keepalived", &[], Tier::C, "", "same as enable_snmp_vrrp").never(SNMP).same("enable_snmp_vrrp"),
    row("enable_snmp_rfc", &[], Tier::C, "", "both standard VRRP MIBs").never(SNMP),
    row("enable_snmp_rfcv2", &[], Tier::C, "", "the standard MIB of VRRPv2").never(SNMP),
    row("enable_snmp_rfcv3", &[], Tier::C, "", "the standard MIB of VRRPv3").never(SNMP),
    row("enable_snmp_checker", &[], Tier::C, "", "servers over SNMP").never(SNMP),
    row("snmp_vs_stats_update_interval", &[COUNT], Tier::C, "", "how often virtual servers are counted").never(SNMP),
    row("snmp_rs_stats_update_interval", &[COUNT], Tier::C, "", "how often real servers are counted").never(SNMP),
    row("enable_dbus", &[], Tier::C, "", "offer a D-Bus interface").never(DBUS),
    row("dbus_service_name", &[Arg::Str], Tier::C, "", "name on the bus").never(DBUS),
    row("dbus_no_interface_name", &[Arg::Str], Tier::C, "", "word for `no interface` in object paths").never(DBUS),
];
