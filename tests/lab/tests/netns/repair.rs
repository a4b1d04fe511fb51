//! Other programs that remove what is ours, again and again, and addresses that must not go with
//! ours.

use std::process::Command;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::noise;
use vrrpd_lab::{Conf, Inst, Lab, MS, Node, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP, ip, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("vip_removed_again_and_again_is_handed_over", fight)
        .keepalived_fails("takes over and resigns in turn"),
    Test::new("own_address_that_is_renewed_stays", renewed)
        .keepalived_fails("removes the own address with its own"),
    Test::new("own_address_is_primary_again_after_a_renewal", reordered)
        .keepalived_fails("removes the own address with its own"),
];

const OWN: &str = "10.0.0.1/24";
/// With another address to send adverts from.
const BOTH: [&str; 2] = ["10.9.9.1/24", OWN];

/// Lines that are also logged without `-D`: with it, each announcement has one (counted as frames).
fn logged(log: &str) -> usize {
    let ordinary = log.lines().filter(|line| !line.starts_with("DEBUG"));
    ordinary.count()
}

fn fight(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let watch = Watch::start(&p.a);
    let lines = logged(&p.run_a.log());
    let since = now();
    let script = format!(
        "end=$(($(date +%s) + 6))
        while test $(date +%s) -lt $end; do ip addr del {VIP}/24 dev eth0 2>/dev/null; done"
    );
    let mut other = p.a.spawn(Command::new("sh").args(["-c", &script]));
    wait_until(SOON, "the other router has the address", || p.b.has(VIP));
    let took = now() - since;
    assert!(
        took < 3_000 * MS + noise::since(since),
        "handed over after {} ms",
        took / MS
    );
    other.wait().expect("the script ends");
    let added = |event: &&vrrpd_lab::kernel::AddrEvent| event.added && event.addr == ip(VIP);
    let rounds = watch.since(since).iter().filter(added).count();
    assert!((8..=10).contains(&rounds), "{rounds} rounds");
    let log = p.run_a.log();
    assert!(logged(&log) - lines < 12, "{log}");
    assert!(
        log.contains("removed externally again after 8 repairs"),
        "{log}"
    );
    let frames = p.cap.announcements(&p.a, ip(VIP), since).len();
    assert!(frames < 60, "{frames} announcements");
    assert!(p.b.has(VIP) && !p.a.has(VIP) && p.run_a.alive());
    wait_until(SOON, "it is master again after the hold", || {
        p.a.has(VIP) && !p.b.has(VIP)
    });
    Outcome::Passed
}

/// A router without `promote_secondaries`.
fn router(lab: &Lab, addresses: &[&str]) -> Node {
    let a = lab.node("r1", addresses);
    for name in ["all", "eth0"] {
        a.sysctl(&format!("net.ipv4.conf.{name}.promote_secondaries"), "0");
    }
    a
}

fn two() -> Conf {
    Conf::of(&[
        Inst::new(51, 200, "10.0.0.100/24").vip("10.0.0.101/24"),
        Inst::new(52, 200, "10.0.0.102/24"),
    ])
}

/// Whether the kernel has an address as a secondary one.
fn is_secondary(node: &Node, addr: &str) -> bool {
    let list = node.ip("-o -4 addr show dev eth0");
    let mut lines = list.lines();
    let line = lines.find(|line| line.contains(&format!(" {addr}")));
    line.unwrap_or_else(|| panic!("{addr} is missing: {list}"))
        .contains(" secondary ")
}

/// As a DHCP client does: both in one go.
fn renewed(ctx: &Ctx) -> Outcome {
    for addresses in [&BOTH[..], &[OWN]] {
        let lab = Lab::new();
        let a = router(&lab, addresses);
        let mut run = ctx.daemon.start(&a, &two());
        let all = ["10.0.0.100", "10.0.0.101", "10.0.0.102"];
        for round in 0..6 {
            wait_until(SOON, "it is master", || all.iter().all(|vip| a.has(vip)));
            a.ip_batch(&format!(
                "addr del {OWN} dev eth0\naddr add {OWN} dev eth0 label eth0:own noprefixroute\n"
            ));
            // What follows takes a few milliseconds.
            sleep_ms(20 * (round % 3));
            assert!(a.has(OWN), "round {round}: {:?}", a.addrs());
        }
        wait_until(SOON, "it is master", || all.iter().all(|vip| a.has(vip)));
        run.term();
        run.wait_exit(SOON).expect("it ends");
        let list = a.ip("-o -4 addr show dev eth0");
        assert!(list.contains(&format!(" {OWN} ")), "{list}");
        assert!(list.contains("noprefixroute eth0:own"), "{list}");
        assert!(!all.iter().any(|vip| a.has(vip)), "{list}");
    }
    Outcome::Passed
}

fn reordered(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = router(&lab, &BOTH);
    let mut run = ctx.daemon.start(&a, &two());
    let all = ["10.0.0.100", "10.0.0.101", "10.0.0.102"];
    let complete = || all.iter().all(|vip| a.has(vip));
    wait_until(SOON, "it is master", complete);
    a.ip("route add default via 10.0.0.254");
    for (renewal, first) in [(0, true), (1, false)] {
        // The kernel removes the virtual addresses as well.
        a.addr_del(OWN);
        wait_until(SOON, "the addresses are reinstalled", complete);
        a.ip(&format!("addr add {OWN} dev eth0"));
        if first {
            wait_until(SOON, "the own address is primary", || {
                !is_secondary(&a, OWN) && complete()
            });
            assert!(all.iter().all(|vip| is_secondary(&a, vip)));
        } else {
            // At most once in ten seconds.
            sleep_ms(200);
            assert!(is_secondary(&a, OWN), "the premise, in renewal {renewal}");
        }
    }
    run.term();
    run.wait_exit(SOON).expect("it ends");
    assert!(a.has(OWN), "its own address stays: {:?}", a.addrs());
    assert!(!all.iter().any(|vip| a.has(vip)));
    let routes = a.ip("route show default");
    assert!(routes.contains("10.0.0.254"), "and what depends on it");
    let value =
        a.output(Command::new("cat").arg("/proc/sys/net/ipv4/conf/eth0/promote_secondaries"));
    assert_eq!(value.stdout, b"0\n", "the setting is as before");
    Outcome::Passed
}
