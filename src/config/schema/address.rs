//! Addresses, routes and rules: lines of value blocks in the syntax of ip(8).

use super::row::{Arg, Items, Keyword, Options, row};

/// Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded`, `static_ipaddress`.
pub(super) static ADDRESSES: Items = Items {
    noun: "address",
    args: &[Arg::Cidr, Arg::Options(&ADDRESS)],
    many_per_line: false,
};

/// Lines of `virtual_routes` and `static_routes`.
pub(super) static ROUTES: Items = Items {
    noun: "route",
    args: &[Arg::Options(&ROUTE)],
    many_per_line: false,
};

/// Lines of `virtual_rules` and `static_rules`.
pub(super) static RULES: Items = Items {
    noun: "rule",
    args: &[Arg::Options(&RULE)],
    many_per_line: false,
};

static ADDRESS: Options = Options {
    noun: "address",
    rows: ADDRESS_OPTIONS,
    positional: None,
    repeatable: false,
};

static ROUTE: Options = Options {
    noun: "route",
    rows: ROUTE_OPTIONS,
    positional: Some(Arg::Prefix),
    repeatable: true,
};

static RULE: Options = Options {
    noun: "rule",
    rows: RULE_OPTIONS,
    positional: None,
    repeatable: true,
};

const COUNT: Arg = Arg::Count;

#[rustfmt::skip]
static ADDRESS_OPTIONS: &[Keyword] = &[
    row!("brd", [Arg::Broadcast], S, "", "Broadcast address; + sets all host bits, - clears them"),
    row!("broadcast" = "brd", [Arg::Broadcast], S),
    row!("dev", [Arg::If], S, "", "Interface the address is added to; default: the interface of the instance"),
    row!("scope", [Arg::Scope], S, "", "Scope: global, link, host, site, nowhere or a number 0-255"),
    row!("label", [Arg::Name(15)], S, "", "Label of an IPv4 address, at most 15 bytes; must start with the interface name"),
    row!("peer", [Arg::Cidr], A, "", "Address of the remote end of a point-to-point link"),
    row!("home", [], C, "", "Mark as a home address (Mobile IPv6, RFC 6275)"),
    row!("-nodad", [], A, "", "Skip duplicate address detection (IPv6, RFC 4862)"),
    row!("mngtmpaddr", [], C, "", "Use as template for temporary addresses (IPv6, RFC 8981)"),
    row!("noprefixroute", [], A, "", "Do not add a route for the prefix of the address"),
    row!("autojoin", [], C, "", "Join the multicast group of the address on the Ethernet level"),
    row!("no_track", [], A, "", "Do not go to FAULT state when the address or its interface is lost"),
    row!("preferred_lft", [Arg::Lifetime], A, "", "Preferred lifetime as a source address, in seconds or forever; default: 0 for an IPv6 /128, else forever"),
    row!("use_vmac", [], B, "", "Add the address to the VMAC interface of the instance"),
    row!("track_group", [Arg::Name(255)], B, "", "Name of the track_group whose instances go to FAULT state when this static address is lost"),
];

#[rustfmt::skip]
static ROUTE_OPTIONS: &[Keyword] = &[
    row!("inet", [], A, "", "Address family IPv4"),
    row!("inet6", [], A, "", "Address family IPv6"),
    row!("src", [Arg::Ip], S, "", "Preferred source address for packets sent by this route"),
    row!("from", [Arg::Prefix], A, "", "Match only packets from this source prefix (IPv6)"),
    row!("to", [Arg::Prefix], S, "", "Destination prefix"),
    row!("via", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], S, "", "Address of the gateway"),
    row!("gw" = "via", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], S),
    row!("or", [Arg::Opt(&Arg::Choice(&"inet inet6")), Arg::Ip], B, "", "Address of a second gateway"),
    row!("dev", [Arg::If], S, "", "Outgoing interface"),
    row!("oif" = "dev", [Arg::If], A),
    row!("table", [Arg::Str], S, "", "Routing table, by name or number; default: main"),
    row!("metric", [COUNT], S, "", "Metric; the route with the lowest metric is preferred"),
    row!("priority" = "metric", [COUNT], A),
    row!("preference" = "metric", [COUNT], A),
    row!("scope", [Arg::Scope], S, "", "Scope: global, link, host, site, nowhere or a number 0-255"),
    row!("protocol", [Arg::Str], A, "", "Protocol identifier of the route, by name or number"),
    row!("proto" = "protocol", [Arg::Str], A),
    row!("tos", [Arg::Str], B, "", "Match only packets with this TOS value"),
    row!("dsfield" = "tos", [Arg::Str], B),
    row!("type", [Arg::Str], B, "", "Route type: unicast, local, broadcast, multicast, anycast, blackhole, unreachable, prohibit or throw"),
    row!("unicast", [], B, "", "Unicast route (the default type)"),
    row!("local", [], B, "", "Local route: packets are delivered to this host"),
    row!("broadcast", [], B, "", "Broadcast route: packets are sent as link broadcasts"),
    row!("multicast", [], B, "", "Multicast route"),
    row!("anycast", [], B, "", "Anycast route"),
    row!("blackhole", [], A, "", "Discard packets silently"),
    row!("unreachable", [], A, "", "Discard packets and reply with ICMP host unreachable"),
    row!("prohibit", [], A, "", "Discard packets and reply with ICMP communication administratively prohibited"),
    row!("throw", [], A, "", "End the lookup in this table and continue with the next rule"),
    row!("onlink", [], A, "", "Treat the gateway as directly reachable on the interface, whatever its prefix"),
    row!("mtu", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], A, "", "Path MTU in bytes; lock disables path MTU discovery"),
    row!("advmss", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], A, "", "TCP maximum segment size to advertise, in bytes"),
    row!("window", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "Maximum TCP window to advertise, in bytes"),
    row!("rtt", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "Initial estimate of the round-trip time, in milliseconds or with a unit"),
    row!("rttvar", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "Initial estimate of the variance of the round-trip time"),
    row!("reordering", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "Maximum reordering to assume, in segments"),
    row!("ssthresh", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "Slow start threshold, in segments"),
    row!("cwnd", [Arg::Opt(&Arg::Choice(&"lock")), COUNT], B, "", "Clamp for the congestion window, in segments"),
    row!("rto_min", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "Minimum TCP retransmission timeout"),
    row!("hoplimit", [COUNT], B, "", "Hop limit of packets sent, 1-255; 0: the default of the system"),
    row!("initcwnd", [COUNT], B, "", "Initial congestion window, in segments"),
    row!("initrwnd", [COUNT], B, "", "Initial receive window, in segments"),
    row!("quickack", [Arg::Str], B, "", "Quick acknowledgments: 0 or 1"),
    row!("realms", [Arg::Str], B, "", "Routing realm, or FROM/TO for a rule"),
    row!("congctl", [Arg::Opt(&Arg::Choice(&"lock")), Arg::Str], B, "", "Name of the TCP congestion control algorithm"),
    row!("features", [Arg::Str], C, "", "Features to enable for the destination, such as ecn"),
    row!("pref", [Arg::Choice(&"low medium high")], B, "", "Router preference of an IPv6 route (RFC 4191): low, medium or high"),
    row!("expires", [COUNT], B, "", "Lifetime of the route, in seconds"),
    row!("encap", [Arg::Many(&Arg::Str)], C, "", "Lightweight tunnel encapsulation").partial("not supported: the line is left out, which is reported"),
    row!("as", [Arg::Many(&Arg::Str)], C, "", "Label that an MPLS route puts on").partial("not supported: the line is left out, which is reported"),
    row!("ttl-propagate", [Arg::Str], C, "", "Propagate the TTL into the MPLS label").partial("for MPLS routes, which are not supported; ignored, which is reported"),
    row!("fastopen_no_cookie", [Arg::Str], C, "", "Accept TCP Fast Open without a cookie: 0 or 1"),
    row!("nexthop", [], A, "", "Start of one path of a multipath route: via ADDRESS dev INTERFACE weight N"),
    row!("weight", [Arg::Int(1, 256)], A, "", "Weight of a path of a multipath route, 1-256"),
    row!("add", [], B, "", "Add the route only if it does not exist yet"),
    row!("append", [], B, "", "Append the route after existing ones"),
    row!("prepend", [], B, "", "Insert the route before existing ones (the default)"),
    row!("no_track", [], A, "", "Do not go to FAULT state when it is lost"),
    row!("track_group", [Arg::Name(255)], B, "", "Name of the track_group whose instances go to FAULT state when this static route is lost"),
    row!("vrf", [Arg::If], C, "", "VRF device of the route").partial("write the table of the VRF; the line is left out, which is reported"),
];

#[rustfmt::skip]
static RULE_OPTIONS: &[Keyword] = &[
    row!("not", [], B, "", "Invert the match"),
    row!("inet", [], B, "", "Address family IPv4"),
    row!("inet6", [], B, "", "Address family IPv6"),
    row!("from", [Arg::Prefix], A, "", "Match packets from this source prefix"),
    row!("to", [Arg::Prefix], A, "", "Destination prefix"),
    row!("iif", [Arg::If], A, "", "Match packets received on this interface"),
    row!("dev" = "iif", [Arg::If], A),
    row!("oif", [Arg::If], A, "", "Match packets of sockets bound to this interface"),
    row!("fwmark", [Arg::Mark], A, "", "Match packets with this firewall mark: N[/MASK], decimal or 0x hexadecimal"),
    row!("tos", [Arg::Str], B, "", "Match only packets with this TOS value"),
    row!("dsfield" = "tos", [Arg::Str], B),
    row!("priority", [COUNT], A, "", "Preference; the rule with the lowest number is evaluated first"),
    row!("preference" = "priority", [COUNT], A),
    row!("pref" = "priority", [COUNT], A),
    row!("order" = "priority", [COUNT], A),
    row!("table", [Arg::Str], A, "", "Routing table to look up, by name or number"),
    row!("lookup" = "table", [Arg::Str], A),
    row!("realms", [Arg::Str], B, "", "Routing realm, or FROM/TO for a rule"),
    row!("suppress_prefixlength", [COUNT], B, "", "Reject routes with a prefix length of this value or less"),
    row!("sup_pl" = "suppress_prefixlength", [COUNT], B),
    row!("suppress_ifgroup", [Arg::Str], B, "", "Reject routes that use an interface of this group"),
    row!("sup_group" = "suppress_ifgroup", [Arg::Str], B),
    row!("goto", [COUNT], B, "", "Continue with the rule of this preference"),
    row!("nop", [], B, "", "No action"),
    row!("type", [Arg::Choice(&"unicast goto nop blackhole unreachable prohibit")], B, "", "Action by name; unicast: that of the other options"),
    row!("blackhole", [], B, "", "Discard packets silently"),
    row!("unreachable", [], B, "", "Discard packets and reply with ICMP host unreachable"),
    row!("prohibit", [], B, "", "Discard packets and reply with ICMP communication administratively prohibited"),
    row!("uidrange", [Arg::Range], B, "", "Match packets of sockets of these user IDs: N or N-M"),
    row!("ipproto", [Arg::Str], B, "", "Match packets of this IP protocol, by name or number"),
    row!("ip_proto" = "ipproto", [Arg::Str], B),
    row!("sport", [Arg::Range], B, "", "Match this source port or range: N or N-M"),
    row!("dport", [Arg::Range], B, "", "Match this destination port or range: N or N-M"),
    row!("l3mdev", [], C, "", "Look up the table of the VRF that the interface belongs to"),
    row!("tunnel-id", [COUNT], C, "", "Match packets with this tunnel ID"),
    row!("protocol", [Arg::Str], B, "", "Protocol identifier of the rule, by name or number"),
    row!("no_track", [], B, "", "Do not go to FAULT state when it is lost"),
    row!("track_group", [Arg::Name(255)], C, "", "Name of the track_group whose instances go to FAULT state when this static rule is lost"),
];
