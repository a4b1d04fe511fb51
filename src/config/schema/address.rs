//! Lines of value blocks that speak `ip`'s language: addresses, routes, rules.

use super::row::{Arg, Items, Keyword, Options, row};

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

const COUNT: Arg = Arg::Count;

#[rustfmt::skip]
static ADDRESS_OPTIONS: &[Keyword] = &[
    row!("brd", [Arg::Broadcast], S, "", "broadcast address; +: all host bits one; -: all zero"),
    row!("broadcast" = "brd", [Arg::Broadcast], S),
    row!("dev", [Arg::If], S, "", "interface; the instance's without it"),
    row!("scope", [Arg::Scope], S, "", "global, link, host, site, nowhere or 0-255"),
    row!("label", [Arg::Name(15)], S, "", "label of an IPv4 address, 15 bytes at most, beginning with the interface's name"),
    row!("peer", [Arg::Cidr], A, "", "other end of a point-to-point link"),
    row!("home", [], C, "", "home address (mobile IPv6)"),
    row!("-nodad", [], A, "", "no duplicate address detection (IPv6)"),
    row!("mngtmpaddr", [], C, "", "template of temporary addresses (IPv6)"),
    row!("noprefixroute", [], A, "", "let the kernel add no route for the prefix"),
    row!("autojoin", [], C, "", "join the group (multicast address)"),
    row!("no_track", [], A, "", "do not react when the address or its interface goes"),
    row!("preferred_lft", [Arg::Lifetime], A, "", "seconds the address is preferred as source, or forever; 0 for an IPv6 /128 without it"),
    row!("use_vmac", [], B, "", "put the address on the virtual MAC interface"),
    row!("track_group", [Arg::Name(255)], B, "", "group that reacts when a static address is lost"),
];

#[rustfmt::skip]
static ROUTE_OPTIONS: &[Keyword] = &[
    row!("inet", [], A, "", "IPv4"),
    row!("inet6", [], A, "", "IPv6"),
    row!("src", [Arg::Ip], S, "", "preferred source address"),
    row!("from", [Arg::Prefix], A, "", "packets from there only"),
    row!("to", [Arg::Prefix], S, "", "destination"),
    row!("via", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], S, "", "gateway"),
    row!("gw" = "via", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], S),
    row!("or", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], B, "", "second gateway"),
    row!("dev", [Arg::If], S, "", "interface"),
    row!("oif" = "dev", [Arg::If], A),
    row!("table", [Arg::Str], S, "", "routing table"),
    row!("metric", [COUNT], S, "", "the lowest wins"),
    row!("priority" = "metric", [COUNT], A),
    row!("preference" = "metric", [COUNT], A),
    row!("scope", [Arg::Scope], S, "", "global, link, host, site, nowhere or 0-255"),
    row!("protocol", [Arg::Str], A, "", "who installed it, name or number"),
    row!("proto" = "protocol", [Arg::Str], A),
    row!("tos", [Arg::Str], B, "", "type of service"),
    row!("dsfield" = "tos", [Arg::Str], B),
    row!("type", [Arg::Str], B, "", "type of the route"),
    row!("unicast", [], B, "", "an ordinary route"),
    row!("local", [], B, "", "addresses of this host"),
    row!("broadcast", [], B, "", "broadcast addresses"),
    row!("multicast", [], B, "", "multicast groups"),
    row!("anycast", [], B, "", "anycast addresses"),
    row!("blackhole", [], A, "", "drop silently"),
    row!("unreachable", [], A, "", "answer host unreachable"),
    row!("prohibit", [], A, "", "answer prohibited"),
    row!("throw", [], A, "", "go on with the next rule"),
    row!("onlink", [], A, "", "the gateway is on the link, whatever the addresses say"),
    row!("mtu", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], A, "", "largest packet"),
    row!("advmss", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], A, "", "segment size advertised"),
    row!("window", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "TCP window advertised at most"),
    row!("rtt", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "first guess of the round trip time"),
    row!("rttvar", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "first guess of its variance"),
    row!("reordering", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "segments that may overtake"),
    row!("ssthresh", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "slow start threshold"),
    row!("cwnd", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "congestion window at most"),
    row!("rto_min", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "shortest retransmission timeout"),
    row!("hoplimit", [COUNT], B, "", "hop limit"),
    row!("initcwnd", [COUNT], B, "", "first congestion window"),
    row!("initrwnd", [COUNT], B, "", "first receive window"),
    row!("quickack", [Arg::Str], B, "", "quick acknowledgments"),
    row!("realms", [Arg::Str], B, "", "routing realms"),
    row!("congctl", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "congestion control"),
    row!("features", [Arg::Str], C, "", "features, such as ecn"),
    row!("pref", [Arg::Choice(&"low medium high")], B, "", "preference of an IPv6 route"),
    row!("expires", [COUNT], B, "", "seconds the route lives"),
    row!("encap", [Arg::Str], C, "", "encapsulation"),
    row!("ip", [], C, "", "encapsulation in IPv4"),
    row!("id", [COUNT], C, "", "encapsulation: tunnel number"),
    row!("dst", [Arg::Ip], C, "", "encapsulation: other end"),
    row!("ttl", [COUNT], C, "", "encapsulation: TTL"),
    row!("ttl-propagate", [Arg::Str], C, "", "MPLS: copy the TTL"),
    row!("fastopen_no_cookie", [Arg::Str], C, "", "TCP fast open without cookie"),
    row!("nexthop", [], A, "", "begins one of several ways: via A dev IF weight N"),
    row!("weight", [Arg::Int(1, 256)], A, "", "share of a way"),
    row!("add", [], B, "", "refuse if there"),
    row!("append", [], B, "", "after those there"),
    row!("prepend", [], B, "", "before those there; so without it too"),
    row!("no_track", [], A, "", "do not react when it goes"),
    row!("track_group", [Arg::Name(255)], B, "", "group that reacts when a static route is lost"),
    row!("vrf", [Arg::If], C, "", "routing domain"),
];

#[rustfmt::skip]
static RULE_OPTIONS: &[Keyword] = &[
    row!("not", [], B, "", "all packets but these"),
    row!("inet", [], B, "", "IPv4"),
    row!("inet6", [], B, "", "IPv6"),
    row!("from", [Arg::Prefix], A, "", "source"),
    row!("to", [Arg::Prefix], A, "", "destination"),
    row!("iif", [Arg::If], A, "", "interface it came in by"),
    row!("dev" = "iif", [Arg::If], A),
    row!("oif", [Arg::If], A, "", "interface its socket is bound to"),
    row!("fwmark", [Arg::Mark], A, "", "firewall mark N[/MASK]"),
    row!("tos", [Arg::Str], B, "", "type of service"),
    row!("dsfield" = "tos", [Arg::Str], B),
    row!("priority", [COUNT], A, "", "the lowest comes first"),
    row!("preference" = "priority", [COUNT], A),
    row!("pref" = "priority", [COUNT], A),
    row!("order" = "priority", [COUNT], A),
    row!("table", [Arg::Str], A, "", "table to look in"),
    row!("lookup" = "table", [Arg::Str], A),
    row!("realms", [Arg::Str], B, "", "routing realms"),
    row!("suppress_prefixlength", [COUNT], B, "", "ignore routes with prefixes this short"),
    row!("sup_pl" = "suppress_prefixlength", [COUNT], B),
    row!("suppress_ifgroup", [Arg::Str], B, "", "ignore routes by this group of interfaces"),
    row!("sup_group" = "suppress_ifgroup", [Arg::Str], B),
    row!("goto", [COUNT], B, "", "go on with this rule"),
    row!("nop", [], B, "", "do nothing"),
    row!("blackhole", [], B, "", "drop silently"),
    row!("unreachable", [], B, "", "answer host unreachable"),
    row!("prohibit", [], B, "", "answer prohibited"),
    row!("uidrange", [Arg::Range], B, "", "users whose sockets it is for"),
    row!("ipproto", [Arg::Str], B, "", "protocol of the packet"),
    row!("sport", [Arg::Range], B, "", "source port"),
    row!("dport", [Arg::Range], B, "", "destination port"),
    row!("l3mdev", [], C, "", "table of the interface's routing domain"),
    row!("tunnel-id", [COUNT], C, "", "tunnel number"),
    row!("protocol", [Arg::Str], B, "", "who installed it"),
    row!("no_track", [], B, "", "do not react when it goes"),
    row!("track_group", [Arg::Name(255)], C, "", "group that reacts when a static rule is lost"),
];
