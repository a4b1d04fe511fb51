//! Routes and rules: requests have the same bytes as those of ip(8), apart from the order of
//! attributes; dumps and notifications are parsed.

use core::net::IpAddr;

use vrrpd::netlink::route::{self, DesiredRoute, Nexthop, RT_TABLE_MAIN, RTN_UNICAST, Route};
use vrrpd::netlink::rule::{
    self, FR_ACT_BLACKHOLE, FR_ACT_GOTO, FR_ACT_NOP, FR_ACT_PROHIBIT, FR_ACT_TO_TBL, Rule,
};
use vrrpd::netlink::{Attrs, Batch, Message, Messages};
use vrrpd::types::{Cidr, Family, IfIndex, RouteInsert};

use crate::hex::golden;
use crate::request;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn cidr(text: &str) -> Cidr {
    let (addr, prefix) = text.split_once('/').unwrap();
    Cidr {
        addr: ip(addr),
        prefix: prefix.parse().unwrap(),
    }
}

/// The type of an attribute, after those of its parents, and its value.
type Value = (Vec<u16>, Vec<u8>);

/// The headers of a message, and its attributes sorted by type, nested ones too. `fixed`: length of
/// the fixed header after the netlink header.
fn sorted(bytes: &[u8], fixed: usize, nested: &[u16]) -> (Vec<u8>, Vec<Value>) {
    let (head, rest) = bytes.split_at(16 + fixed);
    let mut all = Vec::new();
    for attr in Attrs::new(rest).map(Result::unwrap) {
        if nested.contains(&attr.kind) {
            for inner in attr.nested().unwrap().map(Result::unwrap) {
                all.push((vec![attr.kind, inner.kind], inner.value.to_vec()));
            }
        } else {
            all.push((vec![attr.kind], attr.value.to_vec()));
        }
    }
    all.sort_unstable();
    (head.to_vec(), all)
}

// ---- routes ----

const METRICS: u16 = 8;

fn hop(via: &str, index: u32) -> Nexthop {
    Nexthop {
        via: Some(ip(via)),
        index: Some(IfIndex(index)),
        weight: 1,
        onlink: false,
    }
}

fn spec<'a>(dst: &str, nexthops: &'a [Nexthop]) -> DesiredRoute<'a> {
    DesiredRoute {
        kind: RTN_UNICAST,
        dst: cidr(dst),
        from: None,
        src: None,
        nexthops,
        table: RT_TABLE_MAIN,
        metric: 0,
        scope: 0,
        protocol: 18,
        tos: 0,
        realms: 0,
        metrics: &[],
        congestion: None,
        preference: 0,
        expires: None,
    }
}

#[track_caller]
fn assert_added(name: &str, spec: &DesiredRoute<'_>, mode: RouteInsert) {
    let mut batch = Batch::new(1);
    assert_eq!(route::add(&mut batch, spec, mode), 1);
    let wanted = request(&format!("netlink/{name}"));
    let nested = &[METRICS];
    let sorted = |bytes| sorted(bytes, 12, nested);
    assert_eq!(sorted(batch.bytes()), sorted(&wanted), "{name}");
}

/// Numbers as in linux/rtnetlink.h, `RTAX_*`.
const ALL_METRICS: &[(u16, u32)] = &[
    (1, 1 << 2 | 1 << 13),
    (2, 1400),
    (8, 1360),
    (3, 64_000),
    (4, 100),
    (5, 50),
    (9, 4),
    (6, 10),
    (7, 20),
    (13, 200),
    (10, 9),
    (11, 11),
    (14, 12),
    (15, 1),
    (12, 1),
];

#[test]
fn ipv4_route_requests_equal_those_of_ip_8() {
    let gateway = hop("192.0.2.254", 8);
    let hops = &[gateway];
    let boot = DesiredRoute {
        protocol: 3,
        ..spec("10.1.0.0/16", hops)
    };
    assert_added("route-ipv4", &boot, RouteInsert::Add);
    let onlink = [Nexthop {
        onlink: true,
        ..gateway
    }];
    let all = DesiredRoute {
        src: Some(ip("192.0.2.1")),
        metric: 7,
        table: 300,
        tos: 0x10,
        scope: 200,
        realms: 1 << 16 | 2,
        metrics: ALL_METRICS,
        congestion: Some("reno"),
        ..spec("10.2.0.0/16", &onlink)
    };
    assert_added("route-ipv4-all", &all, RouteInsert::Prepend);
    let link = [Nexthop {
        via: None,
        ..gateway
    }];
    let device = DesiredRoute {
        scope: 253,
        ..spec("10.3.0.0/16", &link)
    };
    assert_added("route-ipv4-dev", &device, RouteInsert::Prepend);
    let second = Nexthop {
        weight: 3,
        onlink: true,
        ..hop("198.51.100.254", 9)
    };
    let hops = &[gateway, second];
    assert_added(
        "route-ipv4-hops",
        &spec("10.4.0.0/16", hops),
        RouteInsert::Prepend,
    );
    let hops = &[hop("2001:db8::fe", 8)];
    assert_added(
        "route-ipv4-via6",
        &spec("10.5.0.0/16", hops),
        RouteInsert::Prepend,
    );
    let blackhole = DesiredRoute {
        kind: 6,
        ..spec("10.6.0.0/16", &[])
    };
    assert_added("route-ipv4-blackhole", &blackhole, RouteInsert::Prepend);
    let anywhere = Nexthop {
        index: None,
        ..gateway
    };
    let default = spec("0.0.0.0/0", core::slice::from_ref(&anywhere));
    assert_added("route-ipv4-default", &default, RouteInsert::Prepend);
}

#[test]
fn ipv6_route_requests_equal_those_of_ip_8() {
    let gateway = hop("2001:db8::fe", 8);
    let plain = spec("2001:db8:1::/48", core::slice::from_ref(&gateway));
    assert_added("route-ipv6", &plain, RouteInsert::Prepend);
    let onlink = [Nexthop {
        onlink: true,
        ..gateway
    }];
    let all = DesiredRoute {
        from: Some(cidr("2001:db8:f::/48")),
        src: Some(ip("2001:db8::1")),
        metric: 7,
        table: 300,
        metrics: &[(2, 1400)],
        preference: 1,
        expires: Some(600),
        ..spec("2001:db8:2::/48", &onlink)
    };
    assert_added("route-ipv6-all", &all, RouteInsert::Append);
    let unreachable = DesiredRoute {
        kind: 7,
        ..spec("2001:db8:3::/48", &[])
    };
    assert_added("route-ipv6-unreachable", &unreachable, RouteInsert::Prepend);
}

#[test]
fn route_deletion_equals_that_of_ip_8_and_ignores_metrics() {
    let hops = &[hop("192.0.2.254", 8)];
    let boot = DesiredRoute {
        protocol: 3,
        metrics: ALL_METRICS,
        congestion: Some("reno"),
        ..spec("10.1.0.0/16", hops)
    };
    let mut batch = Batch::new(1);
    route::delete(&mut batch, &boot);
    assert_eq!(batch.bytes(), request("netlink/route-del-ipv4"));
}

#[test]
fn route_events_carry_enough_to_identify_a_route() {
    let table = Route {
        dst: cidr("10.2.0.0/16"),
        table: 300,
        metric: 7,
        protocol: 18,
        kind: RTN_UNICAST,
        tos: 0,
        src: Some(ip("192.0.2.1")),
        via: Some(ip("192.0.2.254")),
        index: Some(IfIndex(8)),
    };
    let six = Route {
        dst: cidr("2001:db8:1::/48"),
        table: RT_TABLE_MAIN,
        metric: 1024,
        src: None,
        via: Some(ip("2001:db8::fe")),
        ..table
    };
    let hops = Route {
        dst: cidr("10.4.0.0/16"),
        table: RT_TABLE_MAIN,
        metric: 0,
        src: None,
        via: None,
        index: None,
        ..table
    };
    for (name, wanted) in [
        ("event-route-gone", table),
        ("event-route6-gone", six),
        ("event-route-hops-gone", hops),
    ] {
        let bytes = golden(&format!("netlink/{name}"));
        let seen: Vec<_> = Messages::new(&bytes)
            .map(|envelope| envelope.unwrap().message)
            .collect();
        assert_eq!(seen, [Message::DelRoute(wanted)], "{name}");
    }
}

// ---- rules ----

/// The rules added with ip(8), with the name of the golden file.
fn rules() -> Vec<(&'static str, Rule<'static>)> {
    let v4 = Rule {
        protocol: 18,
        ..Rule::new(Family::V4)
    };
    let v6 = Rule {
        protocol: 18,
        ..Rule::new(Family::V6)
    };
    let to_table = |table| Rule {
        action: FR_ACT_TO_TBL,
        table,
        ..v4
    };
    let from = |text| Some(cidr(text));
    let plain = Rule {
        from: from("192.0.2.0/24"),
        priority: 9,
        // ip(8) leaves out RTPROT_BOOT.
        protocol: 0,
        ..to_table(100)
    };
    let all = Rule {
        not: true,
        from: from("192.0.2.0/24"),
        to: from("10.0.0.0/8"),
        iif: Some("d0"),
        oif: Some("d1"),
        fwmark: Some((0x10, 0xff)),
        tos: 0x10,
        priority: 10,
        realms: 1 << 16 | 2,
        ..to_table(300)
    };
    let ports = Rule {
        uids: Some((0, 0)),
        ip_proto: 6,
        sport: Some((1000, 2000)),
        dport: Some((80, 80)),
        priority: 17,
        ..to_table(100)
    };
    let suppress = Rule {
        suppress_prefix: Some(0),
        suppress_group: Some(7),
        priority: 20,
        ..to_table(RT_TABLE_MAIN)
    };
    let goto = Rule {
        from: from("2001:db8::/32"),
        action: FR_ACT_GOTO,
        target: 32766,
        priority: 12,
        ..v6
    };
    let blackhole = Rule {
        from: from("192.0.3.0/24"),
        action: FR_ACT_BLACKHOLE,
        priority: 14,
        ..v4
    };
    let nop = Rule {
        from: from("192.0.4.0/24"),
        action: FR_ACT_NOP,
        priority: 15,
        ..v4
    };
    let prohibit = Rule {
        to: from("2001:db8:5::/48"),
        action: FR_ACT_PROHIBIT,
        priority: 16,
        ..v6
    };
    let l3mdev = Rule {
        l3mdev: true,
        priority: 1000,
        ..to_table(0)
    };
    let tunnel = Rule {
        tunnel: 7,
        priority: 18,
        ..to_table(100)
    };
    vec![
        ("rule-ipv4", plain),
        ("rule-ipv4-all", all),
        ("rule-ipv4-ports", ports),
        ("rule-suppress", suppress),
        ("rule-ipv6-goto", goto),
        ("rule-blackhole", blackhole),
        ("rule-nop", nop),
        ("rule-ipv6-prohibit", prohibit),
        ("rule-l3mdev", l3mdev),
        ("rule-tunnel", tunnel),
    ]
}

#[test]
fn rule_requests_equal_those_of_ip_8() {
    for (name, rule) in rules() {
        let mut batch = Batch::new(1);
        assert_eq!(rule::add(&mut batch, &rule), 1);
        let wanted = request(&format!("netlink/{name}"));
        let sorted = |bytes| sorted(bytes, 12, &[]);
        assert_eq!(sorted(batch.bytes()), sorted(&wanted), "{name}");
    }
}

#[test]
fn rule_deletion_equals_that_of_ip_8() {
    let (_, plain) = rules()[0];
    let mut batch = Batch::new(1);
    rule::delete(&mut batch, &plain);
    let wanted = request("netlink/rule-del-ipv4");
    // ip(8) leaves out the action FR_ACT_TO_TBL.
    let mut bytes = batch.bytes().to_vec();
    assert_eq!(core::mem::take(&mut bytes[16 + 7]), FR_ACT_TO_TBL);
    assert_eq!(bytes, wanted);
}

#[test]
fn rule_dump_contains_every_added_rule_once() {
    let bytes = [golden("netlink/dump-rules"), golden("netlink/dump-rules6")].concat();
    let mut listed = Vec::new();
    for envelope in Messages::new(&bytes).map(Result::unwrap) {
        if let Message::NewRule(rule) = envelope.message {
            listed.push(rule);
        }
    }
    for (name, rule) in rules() {
        let found = listed.iter().filter(|listed| **listed == rule).count();
        assert_eq!(found, 1, "{name}: {listed:#?}");
    }
}

#[test]
fn rules_round_trip_through_request_and_parse() {
    for (name, rule) in rules() {
        let mut batch = Batch::new(1);
        rule::add(&mut batch, &rule);
        let seen: Vec<_> = Messages::new(batch.bytes()).map(Result::unwrap).collect();
        assert_eq!(seen[0].message, Message::NewRule(rule), "{name}");
        batch.clear();
        rule::delete(&mut batch, &rule);
        let seen: Vec<_> = Messages::new(batch.bytes()).map(Result::unwrap).collect();
        assert_eq!(seen[0].message, Message::DelRule(rule), "{name}");
    }
}
