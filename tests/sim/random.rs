//! A random network with random operations, from a seed.
//!
//! A run alternates between storm (packet loss, operations at random times) and calm (no loss, long
//! enough to settle and for a while after). Delays, duplicates, late timers and forged packets
//! continue during a calm: they must not change anything.

use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use vrrpd::types::{Centis, Family, Priority, Version, Vrid};
use vrrpd::vrrp::garp;
use vrrpd::vrrp::{Params, Peer};
use vrrpd::wire::vrrp::Auth;

use crate::node::{Node, Packet};
use crate::ops::{Op, Reload};
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::segment::{Faults, Segment, group, packet};

pub const NAMES: [&str; 5] = ["r1", "r2", "r3", "r4", "r5"];
/// Names of the instances of a router with several.
pub const INSTANCE_NAMES: [[&str; 3]; 4] = [
    ["r1a", "r1b", "r1c"],
    ["r2a", "r2b", "r2c"],
    ["r3a", "r3b", "r3c"],
    ["r4a", "r4b", "r4c"],
];

/// Settings common to all routers of a network.
struct Common {
    version: Version,
    family: Family,
    auth: Auth,
    intervals: &'static [u16],
    multicast: bool,
}

/// A network with planned operations, and the end of the run.
pub fn network(seed: u64) -> (Segment, Duration) {
    let mut rng = Rng::new(seed ^ 0x5eed);
    let mut segment = Segment::new(seed);
    let common = common(&mut rng);
    let count = 2 + rng.below(4);
    let addresses = addresses(&mut rng, common.family, count);
    let mut owners = 0;
    for i in 0..count {
        let node = router(&mut rng, &common, &addresses, i, &mut owners);
        segment.add(node);
    }
    if owners > 1 {
        for node in &mut segment.nodes {
            node.params.owner_ignore_adverts = false;
        }
    }
    let end = history(&mut rng, &mut segment);
    (segment, end)
}

/// Two or three networks and routers with an instance on each, most of them in sync groups.
pub fn networks(seed: u64) -> (Segment, Duration) {
    let mut rng = Rng::new(seed ^ 0x6e75);
    let mut segment = Segment::new(seed);
    let count = 2 + rng.below(3);
    let nets = rng.pick(&[2, 2, 2, 3]);
    let mut sides: Vec<(Common, Vec<IpAddr>)> = Vec::new();
    for _ in 0..nets {
        let mut common = common(&mut rng);
        if common.version == Version::V3 {
            common.intervals = rng.pick(&[&[100], &[50, 100, 200], &[100, 300]]);
        }
        let addresses = addresses(&mut rng, common.family, count);
        sides.push((common, addresses));
    }
    // With different priorities per network, routers can pre-empt each other for ever, each in
    // another network. That takes three networks, four routers, or a router without a group.
    let same_priorities = nets > 2 || count > 3 || !rng.one_in(4);
    let mut owners = 0;
    for i in 0..count {
        let grouped = !same_priorities || !rng.one_in(6);
        let mut instances = Vec::new();
        let others = owners;
        for (common, addresses) in &sides {
            owners = others;
            let mut instance = router(&mut rng, common, addresses, i, &mut owners);
            instance.name = INSTANCE_NAMES[i][instances.len()];
            instance.params.in_sync_group = grouped;
            instance.hold = instances
                .first()
                .map_or(instance.hold, |first: &Node| first.hold);
            instances.push(instance);
        }
        let mut priority = instances[0].params.priority;
        let second = others > 0 || !same_priorities;
        if second && priority.is_owner() {
            priority = Priority(254);
        }
        owners = others + usize::from(priority.is_owner());
        for instance in &mut instances {
            if same_priorities {
                instance.params.priority = priority;
                instance.params.nopreempt &= !priority.is_owner();
            } else {
                instance.params.priority = instance.params.priority.min(Priority(254));
            }
        }
        let instances = instances.into_iter().map(Node::rebuilt).collect();
        let weight = rng.pick(&[0, 0, -60, 30]);
        segment.add_router(NAMES[i], instances, weight);
    }
    let end = history(&mut rng, &mut segment);
    (segment, end)
}

fn common(rng: &mut Rng) -> Common {
    let version = rng.pick(&[Version::V2, Version::V3, Version::V3]);
    let family = match version {
        Version::V2 => Family::V4,
        Version::V3 => rng.pick(&[Family::V4, Family::V6]),
    };
    Common {
        version,
        family,
        auth: match version {
            Version::V2 => rng.pick(&[Auth::None, Auth::Pass(*b"1111\0\0\0\0")]),
            Version::V3 => Auth::None,
        },
        intervals: match version {
            Version::V2 => rng.pick(&[&[100], &[100], &[300]]),
            Version::V3 => rng.pick(&[&[100], &[10], &[1], &[50, 100, 200], &[30, 300]]),
        },
        multicast: !rng.one_in(4),
    }
}

/// Distinct addresses in random order, independent of the order of routers.
fn addresses(rng: &mut Rng, family: Family, count: usize) -> Vec<IpAddr> {
    let mut pool: Vec<IpAddr> = [1u8, 9, 10, 127, 128, 200, 254]
        .iter()
        .map(|n| match family {
            Family::V4 => IpAddr::from([10, 0, 0, *n]),
            Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(*n)]),
        })
        .collect();
    (0..count)
        .map(|_| pool.swap_remove(rng.below(pool.len())))
        .collect()
}

fn router(
    rng: &mut Rng,
    common: &Common,
    addresses: &[IpAddr],
    i: usize,
    owners: &mut usize,
) -> Node {
    let interval = Centis(rng.pick(common.intervals));
    let owner = rng.one_in(12);
    *owners += usize::from(owner);
    let nopreempt = !owner && rng.one_in(4);
    let delay = rng.pick(&[0, 0, 0, 2, 7]);
    let preempt_delay = if nopreempt { 0 } else { delay };
    let params = Params {
        vrid: Vrid::new(51).unwrap(),
        family: common.family,
        version: common.version,
        priority: match owner {
            true => Priority::OWNER,
            false => Priority(rng.pick(&[1, 50, 100, 100, 100, 150, 200, 254])),
        },
        initial_master: !nopreempt && preempt_delay == 0 && rng.one_in(3),
        advert_int: interval,
        stagger: interval.duration() * rng.pick(&[0, 0, 1, 3]) / 4,
        nopreempt,
        preempt_delay: interval.duration() * preempt_delay,
        down_timer_adverts: rng.pick(&[3, 3, 3, 2, 5]),
        auth: common.auth,
        multicast: common.multicast,
        lower_prio_no_advert: rng.one_in(4),
        higher_prio_send_advert: rng.one_in(4),
        owner_ignore_adverts: rng.one_in(2),
        skip_check_adv_addr: rng.one_in(2),
        timer_expired_backup: if nopreempt {
            rng.pick(&[None, Some(Priority(254))])
        } else {
            None
        },
        addresses: vips(common.family),
        check_source: !common.multicast && rng.one_in(2),
        peers: match common.multicast {
            true => Vec::new(),
            false => peers(addresses, i),
        },
        ..Params::default()
    };
    let hold = interval.duration() * rng.pick(&[0, 0, 0, 5]);
    Node::new(NAMES[i], addresses[i], params, garp_params(rng), hold)
}

pub fn vips(family: Family) -> Rc<[IpAddr]> {
    match family {
        Family::V4 => [[10, 0, 0, 100], [10, 0, 1, 100]].map(IpAddr::from).into(),
        Family::V6 => [IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 0x100])].into(),
    }
}

fn peers(addresses: &[IpAddr], me: usize) -> Vec<Peer> {
    let others = addresses.iter().enumerate().filter(|(i, _)| *i != me);
    others
        .map(|(_, addr)| Peer {
            addr: *addr,
            min_ttl: 255,
            max_ttl: 255,
        })
        .collect()
}

fn garp_params(rng: &mut Rng) -> garp::Params {
    garp::Params {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::from_secs(rng.pick(&[0, 0, 3])),
        refresh_repeat: 1,
        lower_prio_repeat: rng.pick(&[0, 5]),
        lower_prio_delay: Duration::from_secs(5),
        round_gap: Duration::from_millis(rng.pick(&[0, 7])),
    }
}

// ---- history ----

fn history(rng: &mut Rng, segment: &mut Segment) -> Duration {
    let shortest = segment.nodes.iter().map(|n| n.params.advert_int).min();
    let longest = segment.nodes.iter().map(|n| n.params.advert_int).max();
    let (shortest, longest) = (shortest.unwrap().duration(), longest.unwrap().duration());
    let calm = Faults {
        loss: 0,
        dup: rng.pick(&[0, 50]),
        delay: (shortest / 1000, shortest / rng.pick(&[10u32, 50, 500])),
        late: shortest / rng.pick(&[20u32, 100, 1000]),
    };
    segment.faults = calm;
    let count = segment.nodes.len();
    for i in 0..segment.routers.len() {
        let at = if rng.one_in(2) {
            Duration::ZERO
        } else {
            rng.duration(Duration::ZERO, longest * 6)
        };
        segment.plan(at, Op::Start(i));
    }
    let rest = Oracle::settle(segment) + longest * 4;
    let mut at = longest * 6 + rest;
    for _ in 0..3 {
        let storm = Faults {
            loss: rng.pick(&[0, 20, 200, 500]),
            ..calm
        };
        let end = at + longest * rng.pick(&[5, 20]);
        segment.plan(at, Op::Faults(storm));
        for _ in 0..rng.below(8) {
            let when = rng.duration(at, end);
            disturb(rng, segment, when, longest);
        }
        segment.plan(end, Op::Faults(calm));
        heal(rng, segment, end);
        for _ in 0..rng.pick(&[0, 0, 20]) {
            let when = rng.duration(at, end + rest);
            let to = rng.below(count);
            let packet = forged(rng, segment, to);
            segment.plan(when, Op::Forge(to, packet));
        }
        at = end + rest;
    }
    at
}

/// Plans one disturbance, and usually its end.
fn disturb(rng: &mut Rng, segment: &mut Segment, at: Duration, longest: Duration) {
    let i = rng.below(segment.nodes.len());
    let home = segment.nodes[i].router;
    let instances = segment.nets > 1;
    let later = at + longest * rng.pick(&[1, 2, 5, 10]) + rng.duration(Duration::ZERO, longest);
    let (first, then) = match rng.below(if instances { 16 } else { 12 }) {
        0 => (Op::Crash(home), Op::Start(home)),
        1 => (Op::Stop(home), Op::Start(home)),
        2 | 3 => (Op::Freeze(home), Op::Thaw(home)),
        4 => (Op::Suspend(home), Op::Thaw(home)),
        5 => (Op::Link(i, false), Op::Link(i, true)),
        6 => {
            let priority = rng.pick(&[1, 60, 100, 150, 254]);
            (
                Op::Priority(i, priority),
                Op::Priority(i, segment.nodes[i].params.priority.0),
            )
        }
        7 => {
            let parts = segment.nodes.iter().map(|_| rng.pick(&[0, 1])).collect();
            (
                Op::Partition(parts),
                Op::Partition(vec![0; segment.nodes.len()]),
            )
        }
        9 | 10 => reload(rng, segment, i),
        11 => (Op::Demote(home), Op::Promote(home)),
        12 | 14 => (Op::Script(home, false), Op::Script(home, true)),
        13 => (Op::Link(i, false), Op::Link(i, true)),
        _ if segment.nodes[i].params.multicast => {
            let own = segment.nodes[i].addr;
            let other = match segment.nodes[i].params.family {
                Family::V4 => IpAddr::from([10, 0, 0, 60 + NAMES.len() as u8 + i as u8]),
                Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 1, i as u16]),
            };
            (Op::Address(i, other), Op::Address(i, own))
        }
        _ => (Op::Freeze(home), Op::Thaw(home)),
    };
    segment.plan(at, first);
    if !rng.one_in(6) {
        segment.plan(later, then);
    }
}

/// A reload with another configuration, and a reload back. Not for address owners.
fn reload(rng: &mut Rng, segment: &Segment, i: usize) -> (Op, Op) {
    let home = &segment.routers[segment.nodes[i].router];
    let params = &segment.nodes[home.nodes[0]].params;
    let before = Reload {
        priority: params.priority.0,
        slow: false,
        nopreempt: params.nopreempt,
        grouped: home.grouped,
    };
    let after = Reload {
        priority: rng.pick(&[1, 60, 100, 150, 254]),
        slow: rng.one_in(2),
        nopreempt: rng.one_in(2),
        grouped: before.grouped != (home.nodes.len() > 1 && rng.one_in(3)),
    };
    let router = segment.nodes[i].router;
    let owner = |n: &usize| segment.nodes[*n].params.priority.is_owner();
    if home.nodes.iter().any(owner) {
        return (Op::Freeze(router), Op::Thaw(router));
    }
    (Op::Reload(router, after), Op::Reload(router, before))
}

/// Before a calm: ends halts and most faults; some routers stay down or cut off.
fn heal(rng: &mut Rng, segment: &mut Segment, at: Duration) {
    for i in 0..segment.routers.len() {
        segment.plan(at, Op::Thaw(i));
        if segment.nets > 1 && !rng.one_in(4) {
            segment.plan(at, Op::Script(i, true));
        }
    }
    for i in 0..segment.nodes.len() {
        if !rng.one_in(4) {
            segment.plan(at, Op::Link(i, true));
        }
    }
    if !rng.one_in(4) {
        segment.plan(at, Op::Partition(vec![0; segment.nodes.len()]));
    }
}

/// A packet that fails at least one check, usually with a router's source address.
fn forged(rng: &mut Rng, segment: &Segment, to: usize) -> Packet {
    let nodes = &segment.nodes;
    let victim = &nodes[to].params;
    let dst = match victim.multicast {
        true => group(victim.family),
        false => nodes[to].addr,
    };
    let mut from = (to + 1 + rng.below(nodes.len() - 1)) % nodes.len();
    while nodes[from].net != nodes[to].net || from == to {
        from = (from + 1) % nodes.len();
    }
    let priority = Priority(rng.pick(&[0, 1, 100, 254, 255]));
    let mut packet = packet(&nodes[from], dst, priority);
    packet.genuine = false;
    match rng.below(6) {
        0 if victim.multicast => packet.ttl = rng.pick(&[0, 1, 64, 254]),
        1 => packet.bytes.truncate(rng.below(packet.bytes.len())),
        2 => packet.bytes[0] = rng.pick(&[0x11, 0x41, 0x30, 0x32, 0x00, 0xff]),
        3 => {
            let length = rng.below(64);
            packet.bytes = (0..length).map(|_| rng.byte()).collect();
        }
        4 if victim.version == Version::V2 => {
            packet = with_wrong_auth(rng, nodes, from, dst, priority)
        }
        5 => packet.src = unspecified(victim.family),
        _ => {
            let bit = rng.below(packet.bytes.len() * 8);
            packet.bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    packet
}

/// Placeholder for the receiver's own address: a looped advert (in v3 with a wrong checksum, too).
fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([0; 4]),
        Family::V6 => IpAddr::from([0u8; 16]),
    }
}

/// A v2 advert with another interval or password, otherwise valid.
fn with_wrong_auth(
    rng: &mut Rng,
    nodes: &[Node],
    from: usize,
    dst: IpAddr,
    priority: Priority,
) -> Packet {
    let params = &nodes[from].params;
    let mut params = params.clone();
    if rng.one_in(2) {
        params.advert_int = Centis(params.advert_int.0 + 100);
    } else {
        params.auth = rng.pick(&[Auth::Pass(*b"11111111"), Auth::Ah, Auth::Other(9)]);
    }
    let forger = Node::new(
        "forger",
        nodes[from].addr,
        params,
        nodes[from].garp,
        Duration::ZERO,
    );
    Packet {
        genuine: false,
        ..packet(&forger, dst, priority)
    }
}
