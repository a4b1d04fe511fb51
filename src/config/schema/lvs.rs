//! `virtual_server`, `real_server` and `virtual_server_group`.
//!
//! A build without virtual servers keeps the names of these blocks, to report them; their keywords
//! are not linked.

use super::checker;
use super::row::{Arg, Items, Keyword, LONGEST, MANY, Options, SHORTEST, Schema, row};
use super::{Feature, Reason};

/// `virtual_server … { … }`.
pub(super) static VIRTUAL_SERVER: Schema = Schema::of_feature(
    Feature::Lvs,
    "virtual_server",
    &[VIRTUAL_SERVER_ROWS, SHARED],
);

/// `real_server IP [PORT] { … }`.
pub(super) static REAL_SERVER: Schema = Schema {
    name: "real_server",
    tables: &[REAL_SERVER_ROWS, SHARED, checker::CHECKERS],
};

/// Every block of virtual servers.
pub(super) static BLOCKS: &[&Schema] = if Feature::Lvs.is_built_in() {
    ALL_BLOCKS
} else {
    &[&VIRTUAL_SERVER, &checker::SSL]
};

static ALL_BLOCKS: &[&Schema] = &[
    &VIRTUAL_SERVER,
    &REAL_SERVER,
    &checker::TCP_CHECK,
    &checker::HTTP_GET,
    &checker::SSL_GET,
    &checker::URL,
    &checker::SMTP_CHECK,
    &checker::HOST,
    &checker::MISC_CHECK,
    &checker::DNS_CHECK,
    &checker::PING_CHECK,
    &checker::UDP_CHECK,
    &checker::FILE_CHECK,
    &checker::BFD_CHECK,
    &checker::SSL,
];

/// Lines of `virtual_server_group`.
pub(super) static GROUP_ENTRIES: Items = Items {
    noun: "group entry",
    args: &[Arg::GroupEntry],
    many_per_line: false,
};

/// IPVS schedulers.
const SCHEDULERS: Arg = Arg::Choice(&"rr wrr lc wlc lblc lblcr sh dh mh sed nq fo ovf twos");
const FORWARDING: Arg = Arg::Seq(&[Arg::Choice(&"NAT DR TUN"), Arg::Options(&TUNNEL)]);
const COUNT: Arg = Arg::Count;
/// Interval between checks.
const INTERVAL: Arg = Arg::Span(SHORTEST, LONGEST);
/// Time limit of a step.
const LIMIT: Arg = Arg::Span(10, 3_600_000);

static TUNNEL: Options = Options {
    noun: "tunnel",
    rows: TUNNEL_OPTIONS,
    positional: None,
    repeatable: false,
};

#[rustfmt::skip]
static TUNNEL_OPTIONS: &[Keyword] = &[
    row!("type", [Arg::Choice(&"ipip gue gre")], B, "", "Type of the tunnel: ipip, gue or gre"),
    row!("port", [Arg::Port], B, "", "UDP port of a gue tunnel"),
    row!("nocsum", [], B, "", "Do not use checksums in the tunnel"),
    row!("csum", [], B, "", "Use checksums in the tunnel"),
    row!("remcsum", [], B, "", "Use remote checksum offload in the tunnel"),
];

#[rustfmt::skip]
static VIRTUAL_SERVER_ROWS: &[Keyword] = &[
    row!("lb_algo", [SCHEDULERS], S, "wlc", "IPVS scheduler: rr, wrr, lc, wlc, lblc, lblcr, sh, dh, mh, sed, nq, fo, ovf or twos"),
    row!("lvs_sched" = "lb_algo", [SCHEDULERS], S),
    row!("lb_kind", [FORWARDING], S, "NAT", "Forwarding method: NAT, DR (direct routing) or TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]"),
    row!("lvs_method" = "lb_kind", [FORWARDING], S),
    row!("protocol", [Arg::AnyCase(&"TCP UDP SCTP")], S, "UDP", "Protocol of the service: TCP, UDP or SCTP; better always written"),
    row!("persistence_timeout", [Arg::Opt(&Arg::Int(0, 2_678_400))], S, "", "Time in seconds that a client is sent to the same real server, 1-2678400; no value: 360; 0: off"),
    row!("persistence_granularity", [Arg::Mask], S, "255.255.255.255", "Netmask (IPv4) or prefix length (IPv6) of the addresses that count as one client"),
    row!("persistence_engine", [Arg::Choice(&"sip")], C, "", "Persistence engine: sip distinguishes clients by the Call-ID of SIP over UDP"),
    row!("ops", [], A, "", "One-packet scheduling: schedule every datagram on its own; UDP only"),
    row!("hashed", [], C, "", "IPVS flag that the kernel sets by itself").no_effect(Reason::SetByKernel),
    row!("flag-1", [], A, "", "First flag of the scheduler (sh, mh: fallback to another server)"),
    row!("flag-2", [], A, "", "Second flag of the scheduler (sh, mh: include the source port in the hash)"),
    row!("flag-3", [], A, "", "Third flag of the scheduler"),
    row!("sh-fallback" = "flag-1", [], A),
    row!("mh-fallback" = "flag-1", [], A),
    row!("sh-port" = "flag-2", [], A),
    row!("mh-port" = "flag-2", [], A),
    row!("ip_family", [Arg::Choice(&"inet inet6")], A, "", "Address family of a fwmark service: inet or inet6"),
    row!("sorry_server", [Arg::Ip, Arg::Opt(&Arg::Exact(0, 65_535))], S, "", "Server that gets the traffic while the quorum is lost: IP [PORT]"),
    row!("sorry_server_inhibit", [], B, "", "Set the weight of the sorry server to 0 instead of removing it when it is not used"),
    row!("sorry_server_lvs_method", [FORWARDING], B, "", "Forwarding method of the sorry server; default: lb_kind"),
    row!("quorum", [Arg::Int(1, i32::MAX)], A, "1", "Minimum total weight of the real servers that are up"),
    row!("hysteresis", [COUNT], A, "0", "Margin: the quorum is regained at quorum + hysteresis and lost below quorum - hysteresis; must be less than quorum"),
    row!("quorum_up", [Arg::Cmd], A, "", "Command that is run when the quorum is regained").first(),
    row!("quorum_down", [Arg::Cmd], A, "", "Command that is run when the quorum is lost").first(),
    row!("alpha", [], A, "", "Count the servers as down until their first health check succeeds"),
    row!("inhibit_on_failure", [], A, "", "Set the weight of a failed server to 0 instead of removing it, so that its connections continue"),
    row!("omega", [], B, "", "Run notify_down and quorum_down when the daemon stops"),
    row!("ha_suspend", [], S, "", "Run the health checks only while the address of the virtual server is on this host"),
    row!("weight", [Arg::Int(1, i32::MAX)], A, "1", "Default weight of the real servers"),
    row!("real_server", [Arg::Ip, Arg::Opt(&Arg::Exact(0, 65_535))], S, "", "A real server of the service: IP [PORT]").block(&REAL_SERVER).repeat(),
    row!("nat_mask", [Arg::Str], C, "", "Netmask of NAT services in old versions").no_effect(Reason::NatMask),
    row!("net_mask", [Arg::Str], C, "", "Netmask of NAT services in old versions").no_effect(Reason::NatMask),
];

/// Keywords of virtual servers and real servers; the inner one wins.
#[rustfmt::skip]
static SHARED: &[Keyword] = &[
    row!("delay_loop", [INTERVAL], S, "60", "Interval between health checks, in seconds"),
    row!("virtualhost", [Arg::Str], S, "", "Value of the Host header in HTTP_GET and SSL_GET checks"),
    row!("retry", [Arg::Most(1, MANY)], A, "1", "Number of retries before a server counts as down; 0 is accepted in the block of a checker only"),
    row!("delay_before_retry", [Arg::Time(SHORTEST, LONGEST)], A, "1", "Time in seconds between retries; 0 counts as 0.1"),
    row!("warmup", [Arg::Time(1, LONGEST)], A, "", "Time in seconds over which the first checks are spread; default: delay_loop"),
    row!("connect_timeout", [LIMIT], A, "5", "Time in seconds to wait for a connection"),
    row!("smtp_alert", [Arg::Bool], A, "", "Send an email on every change of state").requires(Feature::Mail),
    row!("snmp_name", [Arg::Str], C, "", "Name of the server in SNMP").no_effect(Reason::NoSnmp),
];

#[rustfmt::skip]
static REAL_SERVER_ROWS: &[Keyword] = &[
    row!("alpha", [Arg::Bool], A, "", "Count the server as down until its first health check succeeds"),
    row!("inhibit_on_failure", [Arg::Bool], A, "off", "Set the weight of the failed server to 0 instead of removing it, so that its connections continue"),
    row!("weight", [Arg::Int(0, i32::MAX)], S, "1", "Weight: share of the load; 0: no new connections"),
    row!("lvs_method", [FORWARDING], A, "", "Forwarding method of this server; default: lb_kind of the virtual server"),
    row!("lb_kind" = "lvs_method", [FORWARDING], A).old(),
    row!("uthreshold", [COUNT], B, "0", "Number of connections at which the server gets no new ones; 0: no limit"),
    row!("lthreshold", [COUNT], B, "0", "Number of connections below which the server gets new ones again"),
    row!("notify_up", [Arg::Cmd], S, "", "Command that is run when the server comes up").first(),
    row!("notify_down", [Arg::Cmd], S, "", "Command that is run when the server goes down").first(),
];
