//! `virtual_server`, `real_server`, `virtual_server_group`.

use super::checker;
use super::row::{Arg, Items, Keyword, Options, Schema, Tier, opt, row};

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

/// Lines of `virtual_server_group`.
pub(super) static GROUP_ENTRIES: Items = Items {
    what: "group entry",
    args: &[Arg::GroupEntry],
    several: false,
};

/// IPVS schedulers.
const SCHEDULERS: &[&str] = &[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "twos",
];

const KINDS: &[&str] = &["NAT", "DR", "TUN"];
const FORWARDING: &[Arg] = &[Arg::Choice(KINDS), Arg::Options(&TUNNEL)];
const COUNT: Arg = Arg::Int(0, 4_294_967_295);
const SECONDS: Arg = Arg::Secs(0, 4_294_000_000_000_000);

static TUNNEL: Options = Options {
    what: "tunnels",
    rows: TUNNEL_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static TUNNEL_OPTIONS: &[Keyword] = &[
    opt("type", &[Arg::Choice(&["ipip", "gue", "gre"])], Tier::B, "kind of tunnel"),
    opt("port", &[Arg::Port], Tier::B, "port of a gue tunnel"),
    opt("nocsum", &[], Tier::B, "no checksum"),
    opt("csum", &[], Tier::B, "checksum"),
    opt("remcsum", &[], Tier::B, "remote checksum offload"),
];

#[rustfmt::skip]
static VIRTUAL_SERVER_ROWS: &[Keyword] = &[
    row("lb_algo", &[Arg::Choice(SCHEDULERS)], Tier::S, "wlc", "scheduler: rr wrr lc wlc lblc lblcr sh dh mh sed nq fo ovf twos"),
    row("lvs_sched", &[Arg::Choice(SCHEDULERS)], Tier::S, "", "same as lb_algo").same("lb_algo"),
    row("lb_kind", FORWARDING, Tier::S, "NAT", "forwarding: NAT, DR or TUN [type ipip|gue|gre] [port N] [csum]"),
    row("lvs_method", FORWARDING, Tier::S, "", "same as lb_kind").same("lb_kind"),
    row("protocol", &[Arg::AnyCase(&["TCP", "UDP", "SCTP"])], Tier::S, "UDP", "protocol of the service: TCP, UDP or SCTP; write it always"),
    row("persistence_timeout", &[Arg::Opt(&Arg::Int(0, 2_678_400))], Tier::S, "", "seconds a client stays with its server, 1-2678400; bare: 360; 0: off"),
    row("persistence_granularity", &[Arg::Mask], Tier::S, "255.255.255.255", "netmask or prefix length of what counts as one client"),
    row("persistence_engine", &[Arg::Str], Tier::C, "", "what tells clients apart, such as sip"),
    row("ops", &[], Tier::A, "", "schedule every datagram by itself; UDP only"),
    row("hashed", &[], Tier::C, "", "flag without effect"),
    row("flag-1", &[], Tier::A, "", "first flag of the scheduler"),
    row("flag-2", &[], Tier::A, "", "second flag of the scheduler"),
    row("flag-3", &[], Tier::A, "", "third flag of the scheduler"),
    row("sh-fallback", &[], Tier::A, "", "same as flag-1").same("flag-1"),
    row("mh-fallback", &[], Tier::A, "", "same as flag-1").same("flag-1"),
    row("sh-port", &[], Tier::A, "", "same as flag-2").same("flag-2"),
    row("mh-port", &[], Tier::A, "", "same as flag-2").same("flag-2"),
    row("ip_family", &[Arg::Choice(&["inet", "inet6"])], Tier::A, "", "family of a fwmark service"),
    row("sorry_server", &[Arg::Ip, Arg::Opt(&Arg::Int(0, 65_535))], Tier::S, "", "server used when the quorum is lost"),
    row("sorry_server_inhibit", &[], Tier::B, "", "set the sorry server's weight to 0 instead of removing it"),
    row("sorry_server_lvs_method", FORWARDING, Tier::B, "", "forwarding to the sorry server"),
    row("quorum", &[Arg::Int(1, 4_294_967_295)], Tier::A, "1", "least total weight of live servers"),
    row("hysteresis", &[COUNT], Tier::A, "0", "how far beyond the quorum it is regained or lost; less than the quorum"),
    row("quorum_up", &[Arg::Cmd], Tier::A, "", "command run when the quorum is regained"),
    row("quorum_down", &[Arg::Cmd], Tier::A, "", "command run when the quorum is lost"),
    row("omega", &[], Tier::B, "", "run notify_down and quorum_down at the end"),
    row("ha_suspend", &[], Tier::S, "", "check only while the address is on this host"),
    row("weight", &[Arg::Int(1, 2_147_483_647)], Tier::A, "1", "weight of servers that have none"),
    row("real_server", &[Arg::Ip, Arg::Opt(&Arg::Int(0, 65_535))], Tier::S, "", "a server of the service").block(&REAL_SERVER).repeat(),
    row("nat_mask", &[Arg::Str], Tier::C, "", "netmask of old NAT services").never("IPVS has no such setting; persistence_granularity sets the mask of clients"),
    row("net_mask", &[Arg::Str], Tier::C, "", "netmask of old NAT services").never("IPVS has no such setting; persistence_granularity sets the mask of clients"),
];

/// Keywords of virtual servers and real servers; the inner one wins.
#[rustfmt::skip]
static SHARED: &[Keyword] = &[
    row("delay_loop", &[SECONDS], Tier::S, "60", "seconds from check to check"),
    row("virtualhost", &[Arg::Str], Tier::S, "", "Host of HTTP checks"),
    row("alpha", &[], Tier::A, "", "a server is down until its first check succeeds"),
    row("inhibit_on_failure", &[Arg::Bool], Tier::A, "off", "set the weight of a failed server to 0 instead of removing it"),
    row("retry", &[COUNT], Tier::A, "1", "further tries before a server is down"),
    row("delay_before_retry", &[SECONDS], Tier::A, "1", "seconds between tries"),
    row("warmup", &[SECONDS], Tier::A, "", "first checks are spread over so many seconds"),
    row("connect_timeout", &[SECONDS], Tier::A, "5", "seconds to wait for a connection"),
    row("smtp_alert", &[Arg::Bool], Tier::A, "", "send a mail on changes"),
    row("snmp_name", &[Arg::Str], Tier::C, "", "name in SNMP"),
];

#[rustfmt::skip]
static REAL_SERVER_ROWS: &[Keyword] = &[
    row("weight", &[Arg::Int(0, 2_147_483_647)], Tier::S, "1", "share of the load; 0: no new connections"),
    row("lvs_method", FORWARDING, Tier::A, "", "forwarding to this server; the service's without it"),
    row("lb_kind", FORWARDING, Tier::A, "", "same as lvs_method").old("lvs_method"),
    row("uthreshold", &[COUNT], Tier::B, "0", "connections at which it gets no more; 0: no limit"),
    row("lthreshold", &[COUNT], Tier::B, "0", "connections at which it gets more again"),
    row("notify_up", &[Arg::Cmd], Tier::S, "", "command run when it comes up"),
    row("notify_down", &[Arg::Cmd], Tier::S, "", "command run when it goes down"),
];
