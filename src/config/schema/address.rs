//! Lines of value blocks that speak `ip`'s language: addresses, routes, rules.

use super::row::{Arg, Items, Keyword, Options, Tier, opt};

/// Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded`, `static_ipaddress`.
pub(super) static ADDRESSES: Items = Items {
    what: "address",
    args: &[Arg::Cidr, Arg::Options(&ADDRESS)],
    several: false,
};

/// Lines of `virtual_routes` and `static_routes`.
pub(super) static ROUTES: Items = Items {
    what: "route",
    args: &[Arg::Options(&ROUTE)],
    several: false,
};

/// Lines of `virtual_rules` and `static_rules`.
pub(super) static RULES: Items = Items {
    what: "rule",
    args: &[Arg::Options(&RULE)],
    several: false,
};

static ADDRESS: Options = Options {
    what: "addresses",
    rows: ADDRESS_OPTIONS,
    bare: None,
    repeats: false,
};

static ROUTE: Options = Options {
    what: "routes",
    rows: ROUTE_OPTIONS,
    bare: Some(Arg::Prefix),
    repeats: true,
};

static RULE: Options = Options {
    what: "rules",
    rows: RULE_OPTIONS,
    bare: None,
    repeats: true,
};

const COUNT: Arg = Arg::Int(0, 4_294_967_295);

#[rustfmt::skip]
static ADDRESS_OPTIONS: &[Keyword] = &[
    opt("brd", &[Arg::Broadcast], Tier::S, "broadcast address; +: all host bits one; -: all zero"),
    opt("broadcast", &[Arg::Broadcast], Tier::S, "same as brd").same("brd"),
    opt("dev", &[Arg::If], Tier::S, "interface; the instance's without it"),
    opt("scope", &[Arg::Scope], Tier::S, "global, link, host, site, nowhere or 0-255"),
    opt("label", &[Arg::Name(15)], Tier::S, "label of an IPv4 address, 15 bytes at most, beginning with the interface's name"),
    opt("peer", &[Arg::Cidr], Tier::A, "other end of a point-to-point link"),
    opt("home", &[], Tier::C, "home address (mobile IPv6)"),
    opt("-nodad", &[], Tier::A, "no duplicate address detection (IPv6)"),
    opt("mngtmpaddr", &[], Tier::C, "template of temporary addresses (IPv6)"),
    opt("noprefixroute", &[], Tier::A, "let the kernel add no route for the prefix"),
    opt("autojoin", &[], Tier::C, "join the group (multicast address)"),
    opt("no_track", &[], Tier::A, "do not react when the address or its interface goes"),
    opt("preferred_lft", &[Arg::Lifetime], Tier::A, "seconds the address is preferred as source, or forever; 0 for an IPv6 /128 without it"),
    opt("use_vmac", &[], Tier::B, "put the address on the virtual MAC interface"),
    opt("track_group", &[Arg::Name(255)], Tier::B, "group that reacts when a static address is lost"),
];

#[rustfmt::skip]
static ROUTE_OPTIONS: &[Keyword] = &[
    opt("inet", &[], Tier::A, "IPv4"),
    opt("inet6", &[], Tier::A, "IPv6"),
    opt("src", &[Arg::Ip], Tier::S, "preferred source address"),
    opt("from", &[Arg::Prefix], Tier::A, "packets from there only"),
    opt("to", &[Arg::Prefix], Tier::S, "destination"),
    opt("via", &[Arg::Opt(&Arg::Choice(&["inet", "inet6"])), Arg::Ip], Tier::S, "gateway"),
    opt("gw", &[Arg::Opt(&Arg::Choice(&["inet", "inet6"])), Arg::Ip], Tier::S, "same as via").same("via"),
    opt("or", &[Arg::Opt(&Arg::Choice(&["inet", "inet6"])), Arg::Ip], Tier::B, "second gateway"),
    opt("dev", &[Arg::If], Tier::S, "interface"),
    opt("oif", &[Arg::If], Tier::A, "same as dev").same("dev"),
    opt("table", &[Arg::Str], Tier::S, "routing table"),
    opt("metric", &[COUNT], Tier::S, "the lowest wins"),
    opt("priority", &[COUNT], Tier::A, "same as metric").same("metric"),
    opt("preference", &[COUNT], Tier::A, "same as metric").same("metric"),
    opt("scope", &[Arg::Scope], Tier::S, "global, link, host, site, nowhere or 0-255"),
    opt("protocol", &[Arg::Str], Tier::A, "who installed it, name or number"),
    opt("proto", &[Arg::Str], Tier::A, "same as protocol").same("protocol"),
    opt("tos", &[Arg::Str], Tier::B, "type of service"),
    opt("dsfield", &[Arg::Str], Tier::B, "same as tos").same("tos"),
    opt("type", &[Arg::Str], Tier::B, "type of the route"),
    opt("unicast", &[], Tier::B, "an ordinary route"),
    opt("local", &[], Tier::B, "addresses of this host"),
    opt("broadcast", &[], Tier::B, "broadcast addresses"),
    opt("multicast", &[], Tier::B, "multicast groups"),
    opt("anycast", &[], Tier::B, "anycast addresses"),
    opt("blackhole", &[], Tier::A, "drop silently"),
    opt("unreachable", &[], Tier::A, "answer host unreachable"),
    opt("prohibit", &[], Tier::A, "answer prohibited"),
    opt("throw", &[], Tier::A, "go on with the next rule"),
    opt("onlink", &[], Tier::A, "the gateway is on the link, whatever the addresses say"),
    opt("mtu", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::A, "largest packet"),
    opt("advmss", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::A, "segment size advertised"),
    opt("window", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::B, "TCP window advertised at most"),
    opt("rtt", &[Arg::Opt(&Arg::Choice(&["lock"])), Arg::Str], Tier::B, "first guess of the round trip time"),
    opt("rttvar", &[Arg::Opt(&Arg::Choice(&["lock"])), Arg::Str], Tier::B, "first guess of its variance"),
    opt("reordering", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::B, "segments that may overtake"),
    opt("ssthresh", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::B, "slow start threshold"),
    opt("cwnd", &[Arg::Opt(&Arg::Choice(&["lock"])), COUNT], Tier::B, "congestion window at most"),
    opt("rto_min", &[Arg::Opt(&Arg::Choice(&["lock"])), Arg::Str], Tier::B, "shortest retransmission timeout"),
    opt("hoplimit", &[COUNT], Tier::B, "hop limit"),
    opt("initcwnd", &[COUNT], Tier::B, "first congestion window"),
    opt("initrwnd", &[COUNT], Tier::B, "first receive window"),
    opt("quickack", &[Arg::Str], Tier::B, "quick acknowledgments"),
    opt("realms", &[Arg::Str], Tier::B, "routing realms"),
    opt("congctl", &[Arg::Opt(&Arg::Choice(&["lock"])), Arg::Str], Tier::B, "congestion control"),
    opt("features", &[Arg::Str], Tier::C, "features, such as ecn"),
    opt("pref", &[Arg::Choice(&["low", "medium", "high"])], Tier::B, "preference of an IPv6 route"),
    opt("expires", &[COUNT], Tier::B, "seconds the route lives"),
    opt("encap", &[Arg::Str], Tier::C, "encapsulation"),
    opt("ip", &[], Tier::C, "encapsulation in IPv4"),
    opt("id", &[COUNT], Tier::C, "encapsulation: tunnel number"),
    opt("dst", &[Arg::Ip], Tier::C, "encapsulation: other end"),
    opt("ttl", &[COUNT], Tier::C, "encapsulation: TTL"),
    opt("ttl-propagate", &[Arg::Str], Tier::C, "MPLS: copy the TTL"),
    opt("fastopen_no_cookie", &[Arg::Str], Tier::C, "TCP fast open without cookie"),
    opt("nexthop", &[], Tier::A, "begins one of several ways: via A dev IF weight N"),
    opt("weight", &[Arg::Int(1, 256)], Tier::A, "share of a way"),
    opt("add", &[], Tier::B, "refuse if there"),
    opt("append", &[], Tier::B, "after those there"),
    opt("prepend", &[], Tier::B, "before those there; so without it too"),
    opt("no_track", &[], Tier::A, "do not react when it goes"),
    opt("track_group", &[Arg::Name(255)], Tier::B, "group that reacts when a static route is lost"),
    opt("vrf", &[Arg::If], Tier::C, "routing domain"),
];

#[rustfmt::skip]
static RULE_OPTIONS: &[Keyword] = &[
    opt("not", &[], Tier::B, "all packets but these"),
    opt("inet", &[], Tier::B, "IPv4"),
    opt("inet6", &[], Tier::B, "IPv6"),
    opt("from", &[Arg::Prefix], Tier::A, "source"),
    opt("to", &[Arg::Prefix], Tier::A, "destination"),
    opt("iif", &[Arg::If], Tier::A, "interface it came in by"),
    opt("dev", &[Arg::If], Tier::A, "same as iif").same("iif"),
    opt("oif", &[Arg::If], Tier::A, "interface its socket is bound to"),
    opt("fwmark", &[Arg::Mark], Tier::A, "firewall mark N[/MASK]"),
    opt("tos", &[Arg::Str], Tier::B, "type of service"),
    opt("dsfield", &[Arg::Str], Tier::B, "same as tos").same("tos"),
    opt("priority", &[COUNT], Tier::A, "the lowest comes first"),
    opt("preference", &[COUNT], Tier::A, "same as priority").same("priority"),
    opt("pref", &[COUNT], Tier::A, "same as priority").same("priority"),
    opt("order", &[COUNT], Tier::A, "same as priority").same("priority"),
    opt("table", &[Arg::Str], Tier::A, "table to look in"),
    opt("lookup", &[Arg::Str], Tier::A, "same as table").same("table"),
    opt("realms", &[Arg::Str], Tier::B, "routing realms"),
    opt("suppress_prefixlength", &[COUNT], Tier::B, "ignore routes with prefixes this short"),
    opt("sup_pl", &[COUNT], Tier::B, "same as suppress_prefixlength").same("suppress_prefixlength"),
    opt("suppress_ifgroup", &[Arg::Str], Tier::B, "ignore routes by this group of interfaces"),
    opt("sup_group", &[Arg::Str], Tier::B, "same as suppress_ifgroup").same("suppress_ifgroup"),
    opt("goto", &[COUNT], Tier::B, "go on with this rule"),
    opt("nop", &[], Tier::B, "do nothing"),
    opt("blackhole", &[], Tier::B, "drop silently"),
    opt("unreachable", &[], Tier::B, "answer host unreachable"),
    opt("prohibit", &[], Tier::B, "answer prohibited"),
    opt("uidrange", &[Arg::Range], Tier::B, "users whose sockets it is for"),
    opt("ipproto", &[Arg::Str], Tier::B, "protocol of the packet"),
    opt("sport", &[Arg::Range], Tier::B, "source port"),
    opt("dport", &[Arg::Range], Tier::B, "destination port"),
    opt("l3mdev", &[], Tier::C, "table of the interface's routing domain"),
    opt("tunnel-id", &[COUNT], Tier::C, "tunnel number"),
    opt("protocol", &[Arg::Str], Tier::B, "who installed it"),
    opt("no_track", &[], Tier::B, "do not react when it goes"),
    opt("track_group", &[Arg::Name(255)], Tier::C, "group that reacts when a static rule is lost"),
];
