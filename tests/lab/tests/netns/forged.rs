//! Forged and malformed packets may increase a counter, nothing else: no state change, no advert,
//! no memory, no flood of log lines.
//!
//! A third node sends packets which would preempt the master if they were accepted, each wrong in
//! one way: first one kind after the other, then as a flood mixed with random bytes and single-bit
//! flips.

use std::net::IpAddr;

use vrrpd_lab::forge::{Injector, Stream, Target, all_kinds, bit_flips, noise};
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Ns, now, process, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, ip, pair_of};
use crate::{Ctx, Outcome, Test};

const KNOWN: &str = "each bad packet postpones its next advert";

pub(crate) const TESTS: &[Test] = &[
    Test::new("unforged_packets_preempt_the_master", premise),
    Test::new("forged_v3_packets_have_no_effect", v3).keepalived_fails(KNOWN),
    Test::new("forged_v2_packets_have_no_effect", v2).keepalived_fails(KNOWN),
    Test::new("forged_v2_packets_with_password_have_no_effect", v2_pass).keepalived_fails(KNOWN),
    Test::new("forged_v3_packets_over_ipv6_have_no_effect", v6).keepalived_fails(KNOWN),
    Test::new("forged_packets_do_not_prevent_a_takeover", backup),
];

/// All kinds, all single-bit flips, and random bytes.
fn mixture(t: &Target, mac: [u8; 6]) -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = all_kinds(t).iter().map(|(_, p)| p.frame(mac)).collect();
    // IPv6 has no header checksum: traffic class and flow label may change in a good packet.
    let skip = if t.from.is_ipv4() { 0 } else { 32 };
    all.extend(bit_flips(t, mac).into_iter().skip(skip));
    all.extend(noise(t, mac, 20_250_101, 400));
    all
}

fn attack(ctx: &Ctx, t: &Target, conf: &dyn Fn(u8) -> Conf, vip: &str, interval: Ns) -> Outcome {
    let p = pair_of(&ctx.daemon, &conf(200), &ctx.daemon, &conf(100), vip);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let injector = Injector::on(&attacker);
    let mut t = t.clone();
    if t.from.is_ipv6() {
        t.master = p.cap.adverts(&p.a, 51, 0)[0].1.from;
    }
    let watch = Watch::start(&p.a);
    let pids = [p.run_a.pids(), p.run_b.pids()].concat();
    let since = now();
    sleep_ms(300);
    let (rss, logged) = (
        process::memory(&pids).rss,
        p.run_a.log_len() + p.run_b.log_len(),
    );

    for (name, packet) in all_kinds(&t) {
        for _ in 0..3 {
            injector.send(&packet.frame(injector.mac));
            sleep_ms(15);
        }
        let adverts = p.cap.adverts(&p.b, 51, since).len();
        assert_eq!(adverts, 0, "the backup advertises after \"{name}\"");
    }
    p.assert_undisturbed(vip, interval, 40 * MS, since);

    let stream = Stream::start(&attacker, mixture(&t, injector.mac), 10_000);
    sleep_ms(3000);
    assert!(
        stream.sent() > 15_000,
        "the flood came to {} packets only",
        stream.sent()
    );
    drop(stream);
    sleep_ms(u64::try_from(interval / MS).unwrap_or(0) + 200);
    p.assert_undisturbed(vip, interval, 40 * MS, since);

    assert!(!watch.removed(ip(vip), since), "the address was never away");
    let grown = process::memory(&pids).rss.saturating_sub(rss);
    assert!(grown < 512, "memory grew by {grown} KB");
    let wrote = p.run_a.log_len() + p.run_b.log_len() - logged;
    assert!(wrote < 64 * 1024, "{wrote} bytes of log");
    Outcome::Passed
}

/// The packet all forgeries are derived from is accepted, so that a forgery is wrong only in what
/// its name says.
fn premise(ctx: &Ctx) -> Outcome {
    let plain = |i: Inst| i;
    type Change = fn(Inst) -> Inst;
    let ways: [(Target, &str, Change); 4] = [
        (target(3, None), VIP, plain),
        (target(2, None), VIP, |i| i.v2()),
        (target(2, Some("s3cr3t")), VIP, |i| i.v2().pass("s3cr3t")),
        (target6(), "fe80::100", plain),
    ];
    for (t, vip, change) in ways {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        let cap = Capture::start(&lab);
        let inst = change(Inst::new(51, 200, &format!("{vip}/24"))).master();
        let _run = ctx.daemon.start(&a, &Conf::of(&[inst]));
        wait_until(SOON, "it is master", || a.has(vip));
        let attacker = lab.node("attacker", &["10.0.0.66/24"]);
        let injector = Injector::on(&attacker);
        injector.send(&t.good().frame(injector.mac));
        wait_until(
            SOON,
            &format!("v{} from {}: the master yields", t.version, t.from),
            || !a.has(vip),
        );
        let sent = cap
            .since(0)
            .into_iter()
            .rfind(|f| *f.node == *"attacker" && f.advert().is_some());
        let sent = sent.expect("our packet");
        assert!(
            sent.advert().is_some_and(|a| a.checksum_ok),
            "encoder and decoder agree"
        );
    }
    Outcome::Passed
}

fn target(version: u8, password: Option<&'static str>) -> Target {
    Target {
        from: ip("10.0.0.66"),
        master: ip("10.0.0.1"),
        vrid: 51,
        vip: ip(VIP),
        version,
        password,
    }
}

fn target6() -> Target {
    let link_local = |n: u16| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, n]);
    Target {
        from: link_local(0x66),
        vip: link_local(0x100),
        ..target(3, None)
    }
}

fn v3(ctx: &Ctx) -> Outcome {
    let conf = |p| Conf::of(&[Inst::new(51, p, "10.0.0.100/24")]);
    attack(ctx, &target(3, None), &conf, VIP, INTERVAL)
}

fn v2(ctx: &Ctx) -> Outcome {
    let conf = |p| Conf::of(&[Inst::new(51, p, "10.0.0.100/24").v2()]);
    attack(ctx, &target(2, None), &conf, VIP, 1000 * MS)
}

fn v2_pass(ctx: &Ctx) -> Outcome {
    let conf = |p| Conf::of(&[Inst::new(51, p, "10.0.0.100/24").v2().pass("s3cr3t")]);
    attack(ctx, &target(2, Some("s3cr3t")), &conf, VIP, 1000 * MS)
}

fn v6(ctx: &Ctx) -> Outcome {
    let conf = |p| Conf::of(&[Inst::new(51, p, "fe80::100/64").vip("fd00::100/64")]);
    attack(ctx, &target6(), &conf, "fd00::100", INTERVAL)
}

/// Invalid packets must not restart a backup's Master_Down_Timer.
fn backup(ctx: &Ctx) -> Outcome {
    let conf = |p| Conf::of(&[Inst::new(51, p, "10.0.0.100/24")]);
    let mut p = pair_of(&ctx.daemon, &conf(200), &ctx.daemon, &conf(100), VIP);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let t = target(3, None);
    // A valid packet with the master's source address would be accepted by any router: not part of
    // this test.
    let frames = all_kinds(&t)
        .iter()
        .filter(|(name, _)| !name.contains("own address"))
        .map(|(_, p)| p.frame(attacker.mac()))
        .collect();
    let _stream = Stream::start(&attacker, frames, 500);
    sleep_ms(300);
    let at = p.run_a.kill9();
    p.assert_takeover(VIP, vrrpd_lab::down_interval(3, 100, INTERVAL), at);
    Outcome::Passed
}
