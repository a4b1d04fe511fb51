//! Interfaces that appear and disappear, addresses that other programs add and remove.

use std::fmt::Write;
use std::time::Duration;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::noise;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, down_interval, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, RESUME_LIMIT_MS, SOON, VIP, conf, ip, pair, pair_of};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("recreated_interface_needs_no_restart", recreated),
    Test::new("interface_that_appears_late_is_used", late)
        .keepalived_fails("refuses to start without dynamic_interfaces"),
    Test::new(
        "losing_the_last_address_is_a_fault_until_it_returns",
        address_lost,
    ),
    Test::new("vip_left_by_a_killed_daemon_is_removed_at_start", leftover),
    Test::new("vip_removed_externally_is_reinstalled", put_back)
        .keepalived_fails("resigns and is away for 420 ms"),
    Test::new("thousand_vips_are_added_and_removed", thousand)
        .exclusive("a thousand addresses keep the kernel's lock busy"),
    Test::new("foreign_addresses_are_never_touched", foreign),
    Test::new("track_interface_decides_the_election", tracked),
];

fn recreated(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    for _ in 0..2 {
        let at = now();
        p.a.delete_interface();
        p.assert_takeover(VIP, down_interval(3, 100, INTERVAL), at);
        assert!(
            p.run_a.alive(),
            "the daemon survives the loss of its interface"
        );
        sleep_ms(200);
        let back = now();
        p.a.add_interface();
        p.a.addr_add("10.0.0.1/24");
        p.assert_preempted(VIP, back);
    }
    let log = p.run_a.log();
    assert!(log.contains("FAULT"), "the log names the state FAULT");
    Outcome::Passed
}

fn late(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &[]);
    a.delete_interface();
    let cap = Capture::start(&lab);
    let mut run = ctx.daemon.start(&a, &conf(200, &[]));
    sleep_ms(500);
    assert!(run.alive(), "the daemon waits for its interface");
    let at = now();
    a.add_interface();
    sleep_ms(500);
    assert!(
        !a.has(VIP),
        "an interface without an address to send from is not enough"
    );
    a.addr_add("10.0.0.1/24");
    let (_, advert) = cap.advert_of(&a, at, SOON);
    assert_eq!(advert.from, ip("10.0.0.1"));
    wait_until(SOON, "the address is set", || a.has(VIP));
    Outcome::Passed
}

fn address_lost(ctx: &Ctx) -> Outcome {
    // A /32, so that the kernel does not remove it together with the first address of the subnet.
    let c = |priority| Conf::of(&[Inst::new(51, priority, "10.0.0.100/32")]);
    let mut p = pair_of(&ctx.daemon, &c(200), &ctx.daemon, &c(100), VIP);
    let at = now();
    p.a.addr_del("10.0.0.1/24");
    p.cap.advert_of(&p.b, at, SOON);
    wait_until(SOON, "the other router has the address, alone", || {
        p.b.has(VIP) && !p.a.has(VIP)
    });
    assert!(p.run_a.alive());
    sleep_ms(300);
    let back = now();
    p.a.addr_add("10.0.0.1/24");
    p.assert_preempted(VIP, back);
    Outcome::Passed
}

fn leftover(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &["nopreempt"]);
    let at = p.run_a.kill9();
    p.assert_takeover(VIP, down_interval(3, 100, INTERVAL), at);
    assert!(
        p.a.has(VIP),
        "the killed daemon's address is still there: the test's premise"
    );
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &["nopreempt"]));
    wait_until(SOON, "the leftover is removed", || !p.a.has(VIP));
    sleep_ms(500);
    assert!(
        p.b.has(VIP) && !p.a.has(VIP),
        "and the master is left alone"
    );
    assert!(p.a.has("10.0.0.1"), "the router's own address stays");
    Outcome::Passed
}

fn put_back(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let watch = Watch::start(&p.a);
    let since = now();
    for _ in 0..3 {
        let at = now();
        p.a.addr_del("10.0.0.100/24");
        let back = watch
            .added(ip(VIP), at, SOON)
            .expect("the address is reinstalled");
        assert!(
            back - at < 100 * MS + noise::since(at),
            "away for {} ms",
            (back - at) / MS
        );
        wait_until(SOON, "the address is announced again", || {
            !p.cap.announcements(&p.a, ip(VIP), at).is_empty()
        });
        sleep_ms(300);
    }
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    Outcome::Passed
}

fn thousand(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let (cap, watch) = (Capture::start(&lab), Watch::start(&a));
    let mut block = String::from("virtual_ipaddress_excluded {\n");
    for i in 0..999 {
        let _ = writeln!(block, "        10.77.{}.{}/32", i / 250, i % 250 + 1);
    }
    block.push_str("    }");
    let mut run = ctx.daemon.start(&a, &conf(200, &[&block]));
    let (master, _) = cap.advert_of(&a, run.started, SOON);
    wait_until(SOON, "all addresses are set", || a.addrs().len() >= 1001);
    let last = watch
        .since(master)
        .iter()
        .filter(|e| e.added)
        .map(|e| e.at)
        .max();
    let took = last.expect("addresses were set") - master;
    assert!(
        took < 1000 * MS + noise::since(master),
        "setting them took {} ms",
        took / MS
    );
    // All of them are announced, and adverts continue meanwhile.
    wait_until(SOON, "the last address is announced", || {
        !cap.announcements(&a, ip("10.77.3.249"), master).is_empty()
    });
    let times: Vec<i64> = cap.adverts(&a, 51, master).iter().map(|x| x.0).collect();
    let worst = times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
    assert!(
        worst < INTERVAL + 150 * MS + noise::since(master),
        "{} ms between two adverts",
        worst / MS
    );
    run.term();
    let status = run.wait_exit(SOON).expect("it ends");
    assert!(status.success());
    let left: Vec<String> = a
        .addrs()
        .into_iter()
        .filter(|x| !x.starts_with("fe80"))
        .collect();
    assert_eq!(
        left,
        ["10.0.0.1/24"],
        "only the router's own address is left"
    );
    Outcome::Passed
}

fn foreign(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let others = [
        "10.0.0.77/24",
        "10.9.9.9/32",
        "192.168.3.1/24",
        "fd00::77/64",
    ];
    let (early, tardy) = others.split_at(3);
    early.iter().for_each(|o| a.addr_add(o));
    let watch = Watch::start(&a);
    let since = now();
    let c = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").vip("192.168.3.100/24")]);
    let mut run = ctx.daemon.start(&a, &c);
    wait_until(SOON, "it is master", || a.has(VIP));
    tardy.iter().for_each(|o| a.addr_add(o));
    sleep_ms(200);
    run.kill9();
    sleep_ms(RESUME_LIMIT_MS);
    run = ctx.daemon.start(&a, &c);
    wait_until(SOON, "it is master again", || {
        watch.removed(ip(VIP), since) && a.has(VIP) && a.has("192.168.3.100")
    });
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(
        !a.has(VIP) && !a.has("192.168.3.100"),
        "its own addresses are gone"
    );
    sleep_ms(50);
    for o in others.iter().chain(&["10.0.0.1/24"]) {
        assert!(a.addrs().iter().any(|x| x == o), "{o} is still there");
        assert!(
            !watch.removed(ip(o), since),
            "{o} was never removed in between"
        );
    }
    Outcome::Passed
}

/// A second interface, tracked without weight: FAULT while it has no carrier; then with weight:
/// priority.
fn tracked(ctx: &Ctx) -> Outcome {
    let limit = Duration::from_secs(5);
    for (track, fault) in [("wan0", true), ("wan0 weight -150", false)] {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        let b = lab.node("r2", &["10.0.0.2/24"]);
        a.ip("link add wan0 type veth peer name far0");
        a.ip("link set far0 up");
        a.ip("link set wan0 up");
        let line = format!("track_interface {{\n        {track}\n    }}");
        let mut run_a = ctx.daemon.start(&a, &conf(200, &[&line]));
        let _run_b = ctx.daemon.start(&b, &conf(100, &[]));
        wait_until(limit, "the stronger router is master", || {
            a.has(VIP) && !b.has(VIP)
        });
        a.ip("link set far0 down");
        wait_until(limit, &format!("{track}: the other takes over"), || {
            b.has(VIP) && !a.has(VIP)
        });
        assert_eq!(
            run_a.log().contains("FAULT"),
            fault,
            "FAULT exactly without weight"
        );
        a.ip("link set far0 up");
        wait_until(limit, &format!("{track}: and gives back"), || {
            a.has(VIP) && !b.has(VIP)
        });
        assert!(run_a.alive());
    }
    Outcome::Passed
}
