//! `global_defs`, and the small blocks beside it.

use super::row::{Arg, Items, Keyword, LONGEST, Options, Schema, row};
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
    noun: "interface delay",
    args: &[
        Arg::If,
        Arg::Time(0, 255_000),
        Arg::Opt(&Arg::Time(0, 255_000)),
    ],
    many_per_line: false,
};

/// Lines of `linkbeat_interfaces`.
pub(super) static LINKBEAT_INTERFACES: Items = Items {
    noun: "interface",
    args: &[Arg::If, Arg::Opt(&Arg::Choice(&"MII ETHTOOL IOCTL"))],
    many_per_line: false,
};

static MAIL_ADDRESSES: Items = Items {
    noun: "mail address",
    args: &[Arg::Mail],
    many_per_line: true,
};

static INTERFACES: Items = Items {
    noun: "interface",
    args: &[Arg::If],
    many_per_line: true,
};

/// A whole number without an upper bound worth naming.
const COUNT: Arg = Arg::Count;
/// Delay at the start, at most a day.
const START: Arg = Arg::Time(1, 86_400_000);
/// Gap between two packets, at most an hour.
const GAP: Arg = Arg::Time(0, 3_600_000);
/// Delay of a burst of gratuitous ARP.
const DELAY: Arg = Arg::Time(1, 3_600_000);
/// Interval between periodic bursts.
const REFRESH: Arg = Arg::Time(1_000, LONGEST);
/// Packets per address in a burst.
const REPEAT: Arg = Arg::Most(0, 100);
/// Path, owner and group of a FIFO.
const FIFO: Arg = Arg::Seq(&[Arg::Str, Arg::Opt(&Arg::User)]);
const NICE: Arg = Arg::Int(-20, 19);
const REALTIME: Arg = Arg::Int(1, 99);
const STRONGEST: &str = "the daemon is a single process: the strongest of the values for vrrp, checker and bfd applies to it";

#[rustfmt::skip]
static GARP_GROUP_ROWS: &[Keyword] = &[
    row!("garp_interval", [GAP], B, "", "Minimum time in seconds between two gratuitous ARPs on the interfaces of the group"),
    row!("gna_interval", [GAP], B, "", "Minimum time in seconds between two unsolicited neighbor advertisements on the interfaces of the group"),
    row!("interface", [Arg::If], B, "", "An interface of the group").repeat(),
    row!("interfaces", [], B, "", "Interfaces of the group").items(&INTERFACES).repeat(),
];

#[rustfmt::skip]
static MAIL: &[Keyword] = &[
    row!("router_id", [Arg::Str], S, "", "Name of this router in emails and dumps; default: the host name"),
    row!("notification_email", [], S, "", "Recipients of emails").items(&MAIL_ADDRESSES).repeat().requires(Feature::Mail),
    row!("notification_email_from", [Arg::Mail], S, "", "Sender of emails; default: USER@HOST").requires(Feature::Mail),
    row!("smtp_server", [Arg::Str, Arg::Opt(&Arg::Port)], S, "", "Mail server: host name or address, and port (25 if not given)").requires(Feature::Mail),
    row!("smtp_helo_name", [Arg::Str], A, "", "Name given in the SMTP HELO; default: the host name"),
    row!("smtp_connect_timeout", [Arg::Time(1_000, 3_600_000)], S, "30", "Time in seconds to wait for a connection to the mail server").requires(Feature::Mail),
    row!("smtp_alert", [Arg::Bool], S, "", "Send emails about changes unless a block says otherwise").requires(Feature::Mail),
    row!("smtp_alert_vrrp", [Arg::Bool], A, "", "Send emails about instances and sync groups unless a block says otherwise").requires(Feature::Mail),
    row!("smtp_alert_checker", [Arg::Bool], A, "", "Send emails about virtual and real servers unless a block says otherwise").requires(Feature::Mail),
    row!("no_email_faults", [Arg::Bool], B, "", "Send no emails about transitions to FAULT state").requires(Feature::Mail),
    row!("no_checker_emails", [Arg::Bool], B, "", "Send no emails about real servers; `smtp_alert_checker off` is the current spelling").requires(Feature::Mail),
];

#[rustfmt::skip]
static SCRIPTS: &[Keyword] = &[
    row!("checker_log_all_failures", [Arg::Bool], B, "off", "Log every failed health check, not only changes of state"),
    row!("notify_fifo", [FIFO], A, "", "FIFO that every state change is written to: PATH [USER [GROUP]]").first(),
    row!("vrrp_notify_fifo", [FIFO], A, "", "FIFO that state changes of instances and sync groups are written to: PATH [USER [GROUP]]").first(),
    row!("lvs_notify_fifo", [FIFO], B, "", "FIFO that state changes of virtual and real servers are written to: PATH [USER [GROUP]]").requires(Feature::Lvs).first(),
    row!("notify_fifo_script", [Arg::Cmd], B, "", "Command that is started to read notify_fifo; gets the path of the FIFO as last argument").first(),
    row!("vrrp_notify_fifo_script", [Arg::Cmd], B, "", "Command that is started to read vrrp_notify_fifo; gets the path of the FIFO as last argument").first(),
    row!("lvs_notify_fifo_script", [Arg::Cmd], B, "", "Command that is started to read lvs_notify_fifo; gets the path of the FIFO as last argument").requires(Feature::Lvs).first(),
    row!("vrrp_notify_priority_changes", [Arg::Bool], B, "off", "Write changes of the effective priority to the FIFOs too"),
    row!("fifo_write_vrrp_states_on_reload", [], B, "", "Write the states of all instances and sync groups to the FIFO after a reload"),
    row!("notify_supersede_timeout", [Arg::Time(100, 60_000)], B, "3", "vrrpd only: time in seconds that a notify script may still run when a newer state is to be notified; then it is terminated, with SIGKILL two seconds later").own(),
    row!("event_history", [Arg::Int(0, 4096)], B, "256", "vrrpd only: number of events that `vrrpd events` can show, 0-4096; 256 take 30 KiB of memory, at most 110").own(),
    row!("script_user", [Arg::User], A, "", "User that scripts run as: USER [GROUP]; default: keepalived_script if it exists, else the user of the daemon, or none with enable_script_security").partial("no supplementary groups (`:`), which is reported"),
    row!("enable_script_security", [], A, "", "Do not run a script as root if other users can change it, or a directory or link of its path; checked at each run"),
    row!("use_symlink_paths", [Arg::Bool], C, "off", "Run scripts by their path as written instead of with symbolic links resolved").no_effect(Reason::ScriptPaths),
    row!("set_supplementary_groups", [], C, "", "Run scripts with all supplementary groups of their user").no_effect(Reason::ScriptGroups),
    row!("startup_script", [Arg::Cmd], B, "", "Command that is run at start before anything is set up").first(),
    row!("startup_script_timeout", [Arg::Int(1, 1000)], B, "10", "Time limit of startup_script in seconds, 1-1000"),
    row!("shutdown_script", [Arg::Cmd], B, "", "Command that is run when the daemon stops, after everything was removed").first(),
    row!("shutdown_script_timeout", [Arg::Int(1, 1000)], B, "10", "Time limit of shutdown_script in seconds, 1-1000"),
    row!("umask", [Arg::Umask], B, "0177", "File mode creation mask of the daemon and, if given, its scripts: octal (0177), hexadecimal (0x7f), decimal, or names joined by | (IRGRP|IROTH)"),
];

#[rustfmt::skip]
static VRRP: &[Keyword] = &[
    row!("vrrp_mcast_group4", [Arg::Mcast4], S, "224.0.0.18", "IPv4 multicast group for adverts"),
    row!("vrrp_mcast_group6", [Arg::Mcast6], A, "ff02::12", "IPv6 multicast group for adverts"),
    row!("vrrp_version", [Arg::Exact(2, 3)], A, "2", "Default VRRP version of IPv4 instances, 2 or 3; IPv6 instances always use 3"),
    row!("vrrp_garp_master_delay", [DELAY], S, "5", "Time in seconds between the first and the second burst of gratuitous ARP after becoming MASTER; 0: no second burst"),
    row!("vrrp_garp_master_repeat", [REPEAT], A, "5", "Number of gratuitous ARPs per address in a burst; 0 counts as 1"),
    row!("vrrp_garp_master_refresh", [REFRESH], A, "0", "Time in seconds between periodic gratuitous ARPs while MASTER; 0: none"),
    row!("vrrp_garp_master_refresh_repeat", [REPEAT], A, "1", "Number of gratuitous ARPs per address in a periodic refresh"),
    row!("vrrp_garp_lower_prio_delay", [DELAY], A, "", "Delay in seconds of the second burst of gratuitous ARP after a lower priority advert while MASTER; default: garp_master_delay"),
    row!("vrrp_garp_lower_prio_repeat", [REPEAT], A, "", "Number of gratuitous ARPs per address after a lower priority advert while MASTER; 0: none; default: garp_master_repeat"),
    row!("vrrp_garp_interval", [GAP], S, "0", "Minimum time in seconds between two gratuitous ARPs on an interface; 0: no limit"),
    row!("vrrp_gna_interval", [GAP], S, "0", "Minimum time in seconds between two unsolicited neighbor advertisements on an interface; 0: no limit"),
    row!("vrrp_min_garp", [Arg::Bool], A, "off", "Send one gratuitous ARP per address only: repeat 1, no second burst, no periodic refresh"),
    row!("vrrp_garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Span(1_000, 86_400_000)], C, "", "Time in seconds between periodic gratuitous ARPs for VIPs on VMAC interfaces other than the instance's own (all: on any other interface), 1-86400"),
    row!("vrrp_vmac_garp_intvl" = "vrrp_garp_extra_if", [Arg::Opt(&Arg::Choice(&"all")), Arg::Span(1_000, 86_400_000)], C),
    row!("vrrp_down_timer_adverts", [Arg::Int(1, 100)], B, "3", "Number of missed adverts after which a backup takes over, 1-100"),
    row!("vrrp_lower_prio_no_advert", [Arg::Bool], A, "off", "Do not send an advert in reply to a lower priority advert while MASTER"),
    row!("vrrp_higher_prio_send_advert", [Arg::Bool], A, "off", "Send one more advert before going to BACKUP state for a higher priority master"),
    row!("vrrp_strict", [Arg::Bool], S, "off", "Enforce the RFC: no authentication, no unicast peers, no packets to VIPs unless the router is the address owner"),
    row!("vip_lease", [Arg::Opt(&Arg::Str)], B, "", "vrrpd only: lifetime of VIPs in seconds, 2-86400, renewed while running; the kernel removes them if the daemon hangs; 0: unlimited; no value: from the advert intervals").own(),
    row!("vrrp_skip_check_adv_addr", [Arg::Bool], S, "off", "Check the addresses in an advert only if it comes from another master than the previous one"),
    row!("vrrp_check_unicast_src", [Arg::Bool], A, "off", "Accept unicast adverts only from configured peers"),
    row!("vrrp_owner_ignore_adverts", [Arg::Bool], B, "off", "Ignore all adverts while the router is the address owner (priority 255)"),
    row!("v3_checksum_as_v2", [Arg::Bool], A, "off", "Compute the checksum of VRRPv3 over IPv4 without the pseudo-header, as in VRRPv2"),
    row!("vrrp_startup_delay", [START], A, "0", "Time in seconds after the start of the daemon before instances send or evaluate adverts"),
    row!("vrrp_delay_after_boot", [START], A, "0", "Time in seconds after the boot of the system before instances send or evaluate adverts"),
    row!("log_unknown_vrids", [], A, "", "Log adverts with a VRID that is not configured"),
    row!("dynamic_interfaces", [Arg::Opt(&Arg::Choice(&"allow_if_changes"))], A, "", "Allow interfaces that do not exist at start; always allowed by vrrpd"),
    row!("default_interface", [Arg::If], A, "eth0", "Interface of static addresses and routes without `dev`, and of VIPs of an instance without `interface`"),
    row!("disable_local_igmp", [], C, "", "Do not join the multicast group on the interfaces").no_effect(Reason::MulticastMembership),
    row!("vrrp_iptables", [Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Str)], B, "", "iptables chains that enforce no_accept: [INPUT [OUTPUT]]").no_effect(Reason::NoAcceptByNftables),
    row!("vrrp_ipsets", [Arg::Opt(&Arg::Many(&Arg::Str))], C, "", "Names of the ipsets used with vrrp_iptables, or off").no_effect(Reason::NoAcceptByNftables),
    row!("nftables", [Arg::Opt(&Arg::Str)], B, "", "Name of the nftables table that enforces no_accept; default: keepalived").first(),
    row!("nftables_priority", [Arg::Int(i32::MIN, i32::MAX)], B, "-1", "Hook priority of the nftables chains"),
    row!("nftables_counters", [], B, "", "Add packet counters to the nftables rules"),
    row!("nftables_ifindex", [], C, "", "Match link-local addresses by interface index instead of name").no_effect(Reason::MatchByName),
    row!("vmac_prefix", [Arg::Name(15)], C, "vrrp", "Prefix of the names of VMAC interfaces"),
    row!("vmac_addr_prefix", [Arg::Name(15)], C, "", "Prefix of the names of VMAC interfaces created for addresses (use_vmac_addr); default: vmac_prefix"),
    row!("vrrp_rx_bufs_policy", [Arg::Str], C, "", "Size of the receive buffers: MTU, ADVERT or a number of bytes").no_effect(Reason::SocketBuffers),
    row!("vrrp_rx_bufs_multiplier", [COUNT], C, "3", "Multiplier of the size given by vrrp_rx_bufs_policy").no_effect(Reason::SocketBuffers),
    row!("random_seed", [COUNT], B, "", "Seed of the random number generator").no_effect(Reason::NoSeed),
];

static SYNC_DAEMON: Options = Options {
    noun: "lvs_sync_daemon",
    rows: SYNC_DAEMON_OPTIONS,
    // The instance, and in the old form the id.
    positional: Some(Arg::Name(255)),
    repeatable: true,
};

#[rustfmt::skip]
static SYNC_DAEMON_OPTIONS: &[Keyword] = &[
    row!("inst", [Arg::Name(255)], S, "", "Name of the instance that decides the role: sends while it is MASTER, receives while it is BACKUP"),
    row!("id", [Arg::Exact(0, 255)], S, "", "Sync ID 0-255; default: the VRID of the instance"),
    row!("maxlen", [Arg::Int(1, 65_507)], A, "", "Maximum length of a datagram in bytes"),
    row!("port", [Arg::Port], A, "", "UDP port; default: 8848"),
    row!("ttl", [Arg::Int(1, 255)], A, "", "TTL of the datagrams; default: 1"),
    row!("group", [Arg::Mcast], A, "", "Multicast group; default: 224.0.0.81"),
];

static TIMEOUTS: Options = Options {
    noun: "lvs_timeouts",
    rows: TIMEOUT_OPTIONS,
    positional: None,
    repeatable: false,
};

#[rustfmt::skip]
static TIMEOUT_OPTIONS: &[Keyword] = &[
    row!("tcp", [Arg::Int(0, 2_678_400)], B, "", "Timeout of an idle TCP connection, in seconds"),
    row!("tcpfin", [Arg::Int(0, 2_678_400)], B, "", "Timeout of a TCP connection after a FIN, in seconds"),
    row!("udp", [Arg::Int(0, 2_678_400)], B, "", "Timeout of a UDP flow, in seconds"),
];

#[rustfmt::skip]
static LVS: &[Keyword] = &[
    row!("lvs_sync_daemon", [Arg::If, Arg::Options(&SYNC_DAEMON)], S, "", "Synchronize IPVS connections with the other router: IF [[inst] INSTANCE] [id N] [maxlen N] [port N] [ttl N] [group IP]").repeat().requires(Feature::Lvs),
    row!("lvs_timeouts", [Arg::Options(&TIMEOUTS)], B, "", "IPVS timeouts in seconds: [tcp N] [tcpfin N] [udp N], each 0-2678400").requires(Feature::Lvs),
    row!("lvs_flush", [], A, "", "Flush the IPVS table at start").requires(Feature::Lvs),
    row!("lvs_flush_on_stop", [Arg::Opt(&Arg::Choice(&"VS"))], B, "", "Flush the IPVS table when stopping; VS: only remove the virtual servers of the configuration").requires(Feature::Lvs),
    row!("lvs_flush_onstop" = "lvs_flush_on_stop", [Arg::Opt(&Arg::Choice(&"VS"))], B).requires(Feature::Lvs),
    row!("rs_init_notifies", [Arg::Bool], B, "", "Run notify_up and notify_down for the initial state of real servers too").requires(Feature::Lvs),
    row!("nftables_ipvs", [Arg::Opt(&Arg::Str)], C, "", "Use nftables to set firewall marks on traffic to address ranges").no_effect(Reason::AddressRanges),
    row!("nftables_ipvs_priority", [Arg::Int(i32::MIN, i32::MAX)], C, "", "Hook priority of the nftables_ipvs chains").no_effect(Reason::AddressRanges),
    row!("nftables_ipvs_start_fwmark", [COUNT], C, "1000", "First firewall mark used by nftables_ipvs").no_effect(Reason::AddressRanges),
];

#[rustfmt::skip]
static FILES: &[Keyword] = &[
    row!("reload_check_config", [Arg::Opt(&Arg::Str)], A, "", "Check the new configuration before a reload and keep the running one if it has errors; vrrpd always does").partial("always so; messages go to the log, not to a file"),
    row!("reload_time_file", [Arg::Str], C, "", "File that holds the time of the next reload").no_effect(Reason::ReloadTime),
    row!("reload_repeat", [], C, "", "Read reload_time_file again after each reload").no_effect(Reason::ReloadTime),
    row!("reload_file", [Arg::Opt(&Arg::Str)], C, "", "File that exists while the configuration is being changed").no_effect(Reason::CheckedBeforeUse),
    row!("include_check", [Arg::Opt(&Arg::Many(&Arg::Str))], B, "", "Which includes are errors: readable, match, wildcard_match, brace_match; +WORD adds, -WORD removes one"),
    row!("config_save_dir", [Arg::Str], C, "", "Directory for copies of changed configurations").no_effect(Reason::NoCopies),
    row!("tmp_config_directory", [Arg::Str], C, "", "Directory in which the configuration is passed to child processes").no_effect(Reason::OneProcess),
    row!("data_use_instance", [Arg::Bool], B, "off", "Include the name of the instance in the names of dump files"),
    row!("json_version", [Arg::Exact(1, 2)], A, "1", "Version of the JSON dump: 1: an array, 2: an object").requires(Feature::Json),
    row!("state_dump_file", [Arg::Str], A, "", "Path of the state dump (SIGUSR1); a path that ends in / is a directory, a relative one is in the directory of temporary files"),
    row!("state_dump_file_location" = "state_dump_file", [Arg::Str], A),
    row!("state_file_location" = "state_dump_file", [Arg::Str], A),
    row!("control_socket", [Arg::Str, Arg::Opt(&Arg::User)], A, "", "vrrpd only: path of the socket that `vrrpd status` and others ask, with its owner, and its group, which may read too: PATH [USER [GROUP]]; off: none; default: beside the pid file, for root alone").own(),
    row!("stats_dump_file", [Arg::Str], A, "", "Path of the statistics dump (SIGUSR2), as for state_dump_file"),
    row!("stats_dump_file_location" = "stats_dump_file", [Arg::Str], A),
    row!("stats_file_location" = "stats_dump_file", [Arg::Str], A),
    row!("json_dump_file", [Arg::Str], A, "", "Path of the JSON dump, as for state_dump_file").requires(Feature::Json),
    row!("json_dump_file_location" = "json_dump_file", [Arg::Str], A).requires(Feature::Json),
    row!("json_file_location" = "json_dump_file", [Arg::Str], A).requires(Feature::Json),
    row!("iproute_usr_dir", [Arg::Str], B, "", "Directory of the distribution's iproute2 name files, such as rt_tables"),
    row!("iproute_etc_dir", [Arg::Str], B, "", "Directory of the local iproute2 name files, such as rt_tables"),
];

#[rustfmt::skip]
static PROCESS: &[Keyword] = &[
    row!("process_names", [], C, "", "Name child processes by their function").no_effect(Reason::OneProcess),
    row!("process_name", [Arg::Opt(&Arg::Str)], B, "", "Process name as shown by ps"),
    row!("vrrp_process_name", [Arg::Opt(&Arg::Str)], C, "", "Name of the VRRP process").no_effect(Reason::OneProcess),
    row!("checker_process_name", [Arg::Opt(&Arg::Str)], C, "", "Name of the checker process").no_effect(Reason::OneProcess),
    row!("lvs_process_name" = "checker_process_name", [Arg::Opt(&Arg::Str)], C).no_effect(Reason::OneProcess),
    row!("bfd_process_name", [Arg::Opt(&Arg::Str)], C, "", "Name of the BFD process").no_effect(Reason::OneProcess),
    row!("vrrp_priority", [NICE], B, "", "Nice value of the daemon, -20 to 19").partial(STRONGEST),
    row!("checker_priority", [NICE], C, "", "Nice value of the checker process").partial(STRONGEST),
    row!("bfd_priority", [NICE], C, "", "Nice value of the BFD process").partial(STRONGEST),
    row!("vrrp_no_swap", [], B, "", "Lock the memory of the daemon (mlockall)").partial(STRONGEST),
    row!("checker_no_swap", [], C, "", "Lock the memory of the checker process").partial(STRONGEST),
    row!("bfd_no_swap", [], C, "", "Lock the memory of the BFD process").partial(STRONGEST),
    row!("vrrp_rt_priority", [REALTIME], B, "", "Real-time priority of the daemon, 1-99").partial(STRONGEST),
    row!("checker_rt_priority", [REALTIME], C, "", "Real-time priority of the checker process").partial(STRONGEST),
    row!("bfd_rt_priority", [REALTIME], C, "", "Real-time priority of the BFD process").partial(STRONGEST),
    row!("vrrp_cpu_affinity", [Arg::Many(&COUNT)], C, "", "CPUs that the VRRP process may run on").no_effect(Reason::Taskset),
    row!("checker_cpu_affinity", [Arg::Many(&COUNT)], C, "", "CPUs that the checker process may run on").no_effect(Reason::OneProcess),
    row!("bfd_cpu_affinity", [Arg::Many(&COUNT)], C, "", "CPUs that the BFD process may run on").no_effect(Reason::OneProcess),
    row!("vrrp_rlimit_rttime", [COUNT], C, "", "Limit of real-time CPU time between two blocking system calls, in microseconds").no_effect(Reason::NoLimit),
    row!("vrrp_rlimit_rtime" = "vrrp_rlimit_rttime", [COUNT], C).no_effect(Reason::NoLimit),
    row!("checker_rlimit_rttime", [COUNT], C, "", "Limit of real-time CPU time of the checker process, in microseconds").no_effect(Reason::OneProcess),
    row!("checker_rlimit_rtime" = "checker_rlimit_rttime", [COUNT], C).no_effect(Reason::OneProcess),
    row!("bfd_rlimit_rttime", [COUNT], C, "", "Limit of real-time CPU time of the BFD process, in microseconds").no_effect(Reason::OneProcess),
    row!("bfd_rlimit_rtime" = "bfd_rlimit_rttime", [COUNT], C).no_effect(Reason::OneProcess),
    row!("max_auto_priority", [Arg::Opt(&Arg::Int(-1, 99))], B, "1", "Maximum real-time priority that is set when timers run late, -1 to 99; no number: 99; 0 or -1: off. Without this keyword: 1, once one is late by a 32nd of the shortest advert interval"),
    row!("min_auto_priority_delay", [Arg::Most(1, 10_000_000)], B, "1000000", "Timer delay in microseconds that makes max_auto_priority take effect"),
    row!("vrrp_netlink_cmd_rcv_bufs", [COUNT], C, "", "Size of the netlink receive buffer, in bytes").no_effect(Reason::SocketBuffers),
    row!("vrrp_netlink_cmd_rcv_bufs_force", [Arg::Bool], C, "", "Set the receive buffer beyond net.core.rmem_max").no_effect(Reason::SocketBuffers),
    row!("vrrp_netlink_monitor_rcv_bufs", [COUNT], C, "", "Size of the netlink receive buffer, in bytes").no_effect(Reason::SocketBuffers),
    row!("vrrp_netlink_monitor_rcv_bufs_force", [Arg::Bool], C, "", "Set the receive buffer beyond net.core.rmem_max").no_effect(Reason::SocketBuffers),
    row!("lvs_netlink_cmd_rcv_bufs", [COUNT], C, "", "Size of the netlink receive buffer, in bytes").no_effect(Reason::SocketBuffers),
    row!("lvs_netlink_cmd_rcv_bufs_force", [Arg::Bool], C, "", "Set the receive buffer beyond net.core.rmem_max").no_effect(Reason::SocketBuffers),
    row!("lvs_netlink_monitor_rcv_bufs", [COUNT], C, "", "Size of the netlink receive buffer, in bytes").no_effect(Reason::SocketBuffers),
    row!("lvs_netlink_monitor_rcv_bufs_force", [Arg::Bool], C, "", "Set the receive buffer beyond net.core.rmem_max").no_effect(Reason::SocketBuffers),
    row!("process_monitor_rcv_bufs", [COUNT], C, "", "Size of the receive buffer for process events, in bytes").no_effect(Reason::SocketBuffers),
    row!("process_monitor_rcv_bufs_force", [Arg::Bool], C, "", "Set the receive buffer beyond net.core.rmem_max").no_effect(Reason::SocketBuffers),
];

#[rustfmt::skip]
static MONITORING: &[Keyword] = &[
    row!("snmp_socket", [Arg::Str], C, "", "Socket of the SNMP master agent").no_effect(Reason::NoSnmp),
    row!("enable_traps", [], C, "", "Send SNMP traps").no_effect(Reason::NoSnmp),
    row!("enable_snmp_vrrp", [], C, "", "SNMP access to the VRRP state (keepalived MIB)").no_effect(Reason::NoSnmp),
    row!("enable_snmp_keepalived" = "enable_snmp_vrrp", [], C).no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfc", [], C, "", "SNMP access by the VRRPv2 and VRRPv3 MIBs").no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfcv2", [], C, "", "SNMP access by the VRRPv2 MIB (RFC 2787)").no_effect(Reason::NoSnmp),
    row!("enable_snmp_rfcv3", [], C, "", "SNMP access by the VRRPv3 MIB (RFC 6527)").no_effect(Reason::NoSnmp),
    row!("enable_snmp_checker", [], C, "", "SNMP access to virtual and real servers (keepalived MIB)").no_effect(Reason::NoSnmp),
    row!("snmp_vs_stats_update_interval", [Arg::Secs(1, 30_000)], C, "", "Interval at which SNMP statistics of virtual servers are read").no_effect(Reason::NoSnmp),
    row!("snmp_rs_stats_update_interval", [Arg::Secs(1, 30_000)], C, "", "Interval at which SNMP statistics of real servers are read").no_effect(Reason::NoSnmp),
    row!("enable_dbus", [], C, "", "Provide a D-Bus interface").no_effect(Reason::NoDbus),
    row!("dbus_service_name", [Arg::Str], C, "", "Name of the service on the bus").no_effect(Reason::NoDbus),
    row!("dbus_no_interface_name", [Arg::Str], C, "", "Text used for `no interface` in object paths").no_effect(Reason::NoDbus),
];
