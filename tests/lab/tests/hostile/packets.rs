//! Floods of packets that are not adverts for this router.

use std::process::Command;
use std::time::{Duration, Instant};

use vrrpd_lab::forge::{Injector, Packet, Stream};
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Conf, Inst, MS, Node, Ns, Running, down_interval, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP, ip, pair, pair_of};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "packets_that_cannot_be_adverts_do_not_reach_the_daemon",
        kernel_drops,
    ),
    Test::new(
        "unicast_flood_does_not_make_a_slow_backup_take_over",
        slow_backup,
    ),
    Test::new(
        "overflowing_receive_buffer_does_not_make_a_backup_take_over",
        overflow,
    ),
    Test::new(
        "weak_adverts_do_not_multiply_into_broadcasts",
        amplification,
    ),
    Test::new(
        "flood_of_broken_adverts_does_not_prevent_the_takeover_of_a_slow_backup",
        takeover,
    ),
];

/// An advert of a stronger router, with a wrong checksum: no daemon may follow it.
fn forged(from: &str, to: &str) -> Packet {
    let vip = if ip(from).is_ipv4() { VIP } else { "fe80::100" };
    Packet {
        to: ip(to),
        checksum_error: 1,
        ..Packet::v3(ip(from), 51, 254, &[ip(vip)])
    }
}

/// Bytes in the receive queues of the node's raw sockets.
fn queued(node: &Node) -> usize {
    let text = node.output(Command::new("cat").args(["/proc/net/raw", "/proc/net/raw6"]));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let queue = |line: &str| {
        let (_, rx) = line.split_whitespace().nth(4)?.split_once(':')?;
        usize::from_str_radix(rx, 16).ok()
    };
    text.lines().filter_map(queue).sum()
}

/// Whether a receive queue of the node's raw sockets has overflowed.
fn overflowed(node: &Node) -> bool {
    let text = node.output(Command::new("cat").arg("/proc/net/raw"));
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let drops = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
    text.lines()
        .skip(1)
        .filter_map(drops)
        .any(|drops| drops > 0)
}

/// Sends the packet 500 times to a daemon that is stopped; returns by how many bytes its receive
/// queues have grown.
fn reaches(node: &Node, injector: &Injector, packet: &Packet) -> usize {
    let before = queued(node);
    let frame = packet.frame(injector.mac);
    (0..500).for_each(|_| injector.send(&frame));
    queued(node).saturating_sub(before)
}

/// What 500 packets take at least in a receive queue: 256 bytes each.
const FLOOD: usize = 128_000;

fn kernel_drops(ctx: &Ctx) -> Outcome {
    let other = |change: &dyn Fn(&mut Packet), mut packet: Packet| {
        change(&mut packet);
        packet
    };
    let group = || forged("10.0.0.66", "224.0.0.18");
    let group6 = || forged("fe80::66", "ff02::12");
    let vi = || Inst::new(51, 100, "10.0.0.100/24");
    let unicast = || {
        vi().unicast("10.0.0.2", "10.0.0.1")
            .line("check_unicast_src")
    };
    type Case = (&'static str, Packet);
    let multicast4: Vec<Case> = vec![
        (
            "TTL 47 to our address",
            other(&|p| p.ttl = 47, forged("192.0.2.9", "10.0.0.2")),
        ),
        ("TTL 255 to our address", forged("10.0.0.66", "10.0.0.2")),
        ("TTL 254 to the group", other(&|p| p.ttl = 254, group())),
        ("to another group", forged("10.0.0.66", "224.0.0.1")),
        (
            "to the broadcast address",
            forged("10.0.0.66", "255.255.255.255"),
        ),
        ("another VRID", other(&|p| p.vrid = 52, group())),
    ];
    let multicast6: Vec<Case> = vec![
        (
            "hop limit 47 to our address",
            other(&|p| p.ttl = 47, forged("fd00::66", "fd00::2")),
        ),
        (
            "hop limit 254 to the group",
            other(&|p| p.ttl = 254, group6()),
        ),
        ("to all nodes", forged("fe80::66", "ff02::1")),
        ("another VRID, IPv6", other(&|p| p.vrid = 52, group6())),
    ];
    let unicast4: Vec<Case> = vec![
        ("not a peer", forged("10.0.0.66", "10.0.0.2")),
        (
            "another VRID, unicast",
            other(&|p| p.vrid = 52, forged("10.0.0.1", "10.0.0.2")),
        ),
    ];
    let with_ah: Vec<Case> = vec![
        ("IPsec", other(&|p| p.proto = 51, group())),
        ("without AH to our address", forged("10.0.0.66", "10.0.0.2")),
    ];
    let confs = [
        (vi(), group(), multicast4),
        (Inst::new(51, 100, "fe80::100/64"), group6(), multicast6),
        (unicast(), forged("10.0.0.1", "10.0.0.2"), unicast4),
        (vi().v2().ah("s3cr3t"), group(), with_ah),
    ];
    for (inst, passing, dropped) in confs {
        let lab = vrrpd_lab::Lab::new();
        let node = lab.node("r2", &["10.0.0.2/24", "fd00::2/64"]);
        let attacker = lab.node("attacker", &["10.0.0.66/24"]);
        let injector = Injector::on(&attacker);
        let run = ctx.daemon.start(&node, &Conf::of(&[inst]));
        sleep_ms(300);
        run.freeze();
        for (name, packet) in dropped {
            let grown = reaches(&node, &injector, &packet);
            assert!(grown < FLOOD, "{name}: {grown} bytes reach the daemon");
        }
        let grown = reaches(&node, &injector, &passing);
        assert!(
            grown >= FLOOD,
            "an advert of a peer reaches the daemon, {grown} bytes"
        );
        run.thaw();
    }
    Outcome::Passed
}

/// Runs a daemon for 3 ms of every 100 ms until `done` or `limit`.
fn run_slowly(run: &Running, limit: Duration, done: &dyn Fn() -> bool) {
    let end = Instant::now() + limit;
    while Instant::now() < end && !done() {
        run.freeze();
        sleep_ms(97);
        run.thaw();
        sleep_ms(3);
    }
}

/// 40,000 packets per second from another network, to a backup that runs for 3 ms of every 100 ms.
fn slow_backup(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    drop(p.cap);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let mut packet = forged("192.0.2.9", "10.0.0.2");
    packet.ttl = 47;
    let frame = packet.frame(attacker.mac());
    let watch = Watch::start(&p.b);
    let since = now();
    let stream = Stream::start(&attacker, vec![frame], 40_000);
    let took_over = || watch.since(since).iter().any(|event| event.addr == ip(VIP));
    run_slowly(&p.run_b, Duration::from_secs(6), &took_over);
    assert!(!took_over(), "the backup takes over beside a living master");
    assert!(stream.sent() > 40_000, "{} packets only", stream.sent());
    Outcome::Passed
}

/// The adverts of a living master are lost because packets that only the daemon can tell from
/// adverts fill the receive buffer of a backup that is stopped. Silence proves nothing then.
fn overflow(ctx: &Ctx) -> Outcome {
    let interval: Ns = 500 * MS;
    let conf = |p| Conf::of(&[Inst::new(51, p, "10.0.0.100/24").advert("0.5")]);
    let p = pair_of(&ctx.daemon, &conf(200), &ctx.daemon, &conf(100), VIP);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let injector = Injector::on(&attacker);
    let frame = forged("10.0.0.66", "224.0.0.18").frame(injector.mac);
    let watch = Watch::start(&p.b);
    let since = now();
    let (last, _) = p.cap.advert_of(&p.a, since, SOON);
    p.run_b.freeze();
    wait_until(SOON, "the receive buffer overflows", || {
        (0..1000).for_each(|_| injector.send(&frame));
        overflowed(&p.b)
    });
    let _stream = Stream::start(&attacker, vec![frame], 2_000);
    let thaw = last + down_interval(3, 100, interval) + 100 * MS;
    while now() < thaw {
        sleep_ms(1);
    }
    p.run_b.thaw();
    sleep_ms(1_500);
    let took_over = watch.since(since).iter().any(|event| event.addr == ip(VIP));
    assert!(!took_over, "the backup takes over beside a living master");
    Outcome::Passed
}

/// The same packets, and the master really dies.
fn takeover(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    drop(p.cap);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let frame = forged("10.0.0.66", "224.0.0.18").frame(attacker.mac());
    let _stream = Stream::start(&attacker, vec![frame], 20_000);
    p.run_a.kill9();
    run_slowly(&p.run_b, SOON, &|| p.b.has(VIP));
    assert!(p.b.has(VIP), "the backup does not take over");
    Outcome::Passed
}

/// A master answers an advert of lower priority with gratuitous ARP for each address. With 32 such
/// adverts per second that is one for each address and second, after two bursts at first.
fn amplification(ctx: &Ctx) -> Outcome {
    const ADDRESSES: u64 = 250;
    const ROUNDS: u64 = 2 * 5 + 5;
    let lab = vrrpd_lab::Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let attacker = lab.node("attacker", &["10.0.0.66/24"]);
    let lines = [
        "garp_master_repeat 1",
        "garp_master_delay 1",
        "garp_lower_prio_repeat 5",
    ];
    let inst = Inst::new(51, 200, "10.0.0.100/24");
    let inst = lines.iter().fold(inst, |inst, line| inst.line(line));
    let inst = (1..ADDRESSES).fold(inst, |inst, n| inst.vip(&format!("10.0.1.{n}/32")));
    let _run = ctx.daemon.start(&node, &Conf::of(&[inst]));
    wait_until(SOON, "it is master", || node.has("10.0.1.249"));
    let mut sent = node.tx_packets();
    wait_until(SOON, "all addresses have been announced", || {
        sleep_ms(1_500);
        let before = core::mem::replace(&mut sent, node.tx_packets());
        sent - before < ADDRESSES
    });
    let weak = Packet::v3(ip("10.0.0.66"), 51, 1, &[ip(VIP)]);
    let since = now();
    let stream = Stream::start(&attacker, vec![weak.frame(attacker.mac())], 32);
    sleep_ms(4_000);
    drop(stream);
    let frames = node.tx_packets() - sent;
    let seconds = u64::try_from((now() - since) / (1_000 * MS)).unwrap_or(0);
    let adverts = 50 * (seconds + 1);
    let limit = ADDRESSES * (ROUNDS + seconds.saturating_sub(4)) + adverts;
    assert!(
        frames > ADDRESSES,
        "{frames} frames: the first advert is answered"
    );
    assert!(
        frames <= limit,
        "{frames} frames in {seconds} s, not {limit}"
    );
    Outcome::Passed
}
