//! `virtual_server`, `real_server`, `virtual_server_group`.

use super::checker;
pub(super) use super::checker::SSL;
use super::row::{Arg, Items, Keyword, Options, Schema, row};
use super::{Feature, Reason};

/// `virtual_server … { … }`.
pub(super) static VIRTUAL_SERVER: Schema = Schema {
    name: "virtual_server",
    tables: &[VIRTUAL_SERVER_ROWS, SHARED],
};

/// `real_server IP [PORT] { … }`.
pub(super) static REAL_SERVER: Schema = Schema {
    name: "real_server",
    tables: &[REAL_SERVER_ROWS, SHARED, checker::CHECKERS],
};

/// Every block of virtual servers.
pub(super) static BLOCKS: &[&Schema] = &[
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
    &SSL,
];

/// Lines of `virtual_server_group`.
pub(super) static GROUP_ENTRIES: Items = Items {
    what: "group entry",
    args: &[Arg::GroupEntry],
    several: false,
};

/// IPVS schedulers.
const SCHEDULERS: Arg = Arg::Choice(&"rr wrr lc wlc lblc lblcr sh dh mh sed nq fo ovf twos");
const FORWARDING: Arg = Arg::Seq(&[Arg::Choice(&"NAT DR TUN"), Arg::Options(&TUNNEL)]);
const COUNT: Arg = Arg::Count;
const SECONDS: Arg = Arg::Secs(0, u32::MAX);
/// Seconds that must pass.
const SPAN: Arg = Arg::Secs(1, u32::MAX);

static TUNNEL: Options = Options {
    what: "tunnels",
    rows: TUNNEL_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static TUNNEL_OPTIONS: &[Keyword] = &[
    row!("type", [Arg::Choice(&"ipip gue gre")], B, "", "kind of tunnel"),
    row!("port", [Arg::Port], B, "", "port of a gue tunnel"),
    row!("nocsum", [], B, "", "no checksum"),
    row!("csum", [], B, "", "checksum"),
    row!("remcsum", [], B, "", "remote checksum offload"),
];

#[rustfmt::skip]
static VIRTUAL_SERVER_ROWS: &[Keyword] = &[
    row!("lb_algo", [SCHEDULERS], S, "wlc", "scheduler: rr wrr lc wlc lblc lblcr sh dh mh sed nq fo ovf twos"),
    row!("lvs_sched" = "lb_algo", [SCHEDULERS], S),
    row!("lb_kind", [FORWARDING], S, "NAT", "forwarding: NAT, DR or TUN [type ipip|gue|gre] [port N] [csum]"),
    row!("lvs_method" = "lb_kind", [FORWARDING], S),
    row!("protocol", [Arg::AnyCase(&"TCP UDP SCTP")], S, "UDP", "protocol of the service: TCP, UDP or SCTP; write it always"),
    row!("persistence_timeout", [Arg::Opt(&Arg::Int(0, 2_678_400))], S, "", "seconds a client stays with its server, 1-2678400; bare: 360; 0: off"),
    row!("persistence_granularity", [Arg::Mask], S, "255.255.255.255", "netmask or prefix length of what counts as one client"),
    row!("persistence_engine", [Arg::Str], C, "", "what tells clients apart, such as sip").no_effect(Reason::ByAddress),
    row!("ops", [], A, "", "schedule every datagram by itself; UDP only"),
    row!("hashed", [], C, "", "flag without effect").no_effect(Reason::ByKernel),
    row!("flag-1", [], A, "", "first flag of the scheduler"),
    row!("flag-2", [], A, "", "second flag of the scheduler"),
    row!("flag-3", [], A, "", "third flag of the scheduler"),
    row!("sh-fallback" = "flag-1", [], A),
    row!("mh-fallback" = "flag-1", [], A),
    row!("sh-port" = "flag-2", [], A),
    row!("mh-port" = "flag-2", [], A),
    row!("ip_family", [Arg::Choice(&"inet inet6")], A, "", "family of a fwmark service"),
    row!("sorry_server", [Arg::Ip, Arg::Opt(&Arg::Int(0, 65_535))], S, "", "server used when the quorum is lost"),
    row!("sorry_server_inhibit", [], B, "", "set the sorry server's weight to 0 instead of removing it"),
    row!("sorry_server_lvs_method", [FORWARDING], B, "", "forwarding to the sorry server"),
    row!("quorum", [Arg::Int(1, i32::MAX)], A, "1", "least total weight of live servers"),
    row!("hysteresis", [COUNT], A, "0", "how far beyond the quorum it is regained or lost; less than the quorum"),
    row!("quorum_up", [Arg::Cmd], A, "", "command run when the quorum is regained"),
    row!("quorum_down", [Arg::Cmd], A, "", "command run when the quorum is lost"),
    row!("omega", [], B, "", "run notify_down and quorum_down at the end"),
    row!("ha_suspend", [], S, "", "check only while the address is on this host"),
    row!("weight", [Arg::Int(1, i32::MAX)], A, "1", "weight of servers that have none"),
    row!("real_server", [Arg::Ip, Arg::Opt(&Arg::Int(0, 65_535))], S, "", "a server of the service").block(&REAL_SERVER).repeat(),
    row!("nat_mask", [Arg::Str], C, "", "netmask of old NAT services").no_effect(Reason::NatMask),
    row!("net_mask", [Arg::Str], C, "", "netmask of old NAT services").no_effect(Reason::NatMask),
];

/// Keywords of virtual servers and real servers; the inner one wins.
#[rustfmt::skip]
static SHARED: &[Keyword] = &[
    row!("delay_loop", [SPAN], S, "60", "seconds from check to check"),
    row!("virtualhost", [Arg::Str], S, "", "Host of HTTP checks"),
    row!("alpha", [], A, "", "a server is down until its first check succeeds"),
    row!("inhibit_on_failure", [Arg::Bool], A, "off", "set the weight of a failed server to 0 instead of removing it"),
    row!("retry", [Arg::Int(1, i32::MAX)], A, "1", "further tries before a server is down; 0 only in a checker's block"),
    row!("delay_before_retry", [SECONDS], A, "1", "seconds between tries"),
    row!("warmup", [SECONDS], A, "", "first checks are spread over so many seconds"),
    row!("connect_timeout", [SPAN], A, "5", "seconds to wait for a connection"),
    row!("smtp_alert", [Arg::Bool], A, "", "send a mail on changes").requires(Feature::Mail),
    row!("snmp_name", [Arg::Str], C, "", "name in SNMP").no_effect(Reason::NoSnmp),
];

#[rustfmt::skip]
static REAL_SERVER_ROWS: &[Keyword] = &[
    row!("weight", [Arg::Int(0, i32::MAX)], S, "1", "share of the load; 0: no new connections"),
    row!("lvs_method", [FORWARDING], A, "", "forwarding to this server; the service's without it"),
    row!("lb_kind" = "lvs_method", [FORWARDING], A).old(),
    row!("uthreshold", [COUNT], B, "0", "connections at which it gets no more; 0: no limit"),
    row!("lthreshold", [COUNT], B, "0", "connections at which it gets more again"),
    row!("notify_up", [Arg::Cmd], S, "", "command run when it comes up"),
    row!("notify_down", [Arg::Cmd], S, "", "command run when it goes down"),
];
