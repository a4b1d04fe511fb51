//! Other programs that remove what is ours, again and again, and addresses that must not go with
//! ours.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Node, now, sleep_ms, wait_until};

use crate::support::{SOON, VIP, ip, pair};
use crate::{Ctx, Outcome, Test, vmac};

pub(crate) const TESTS: &[Test] = &[
    Test::new("vip_removed_again_and_again_is_handed_over", fight)
        .keepalived_fails("takes over and resigns in turn"),
    Test::new(
        "vmac_removed_externally_is_back_without_a_transition",
        vmac_removed,
    )
    .keepalived_fails("enters FAULT"),
    Test::new(
        "vmac_of_a_killed_daemon_that_is_no_longer_configured_is_removed",
        vmac_left,
    )
    .keepalived_fails("leaves it"),
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

/// A program that removes the VIP within milliseconds whenever it appears, until it is stopped. One
/// process: starting one for each removal takes a busy machine longer than the VIP must be there to
/// count as repaired.
struct Remover {
    stop: Arc<AtomicBool>,
    writer: JoinHandle<()>,
    ip: Child,
}

impl Remover {
    fn start(node: &Node) -> Remover {
        let mut ip = Command::new("ip");
        ip.args(["-force", "-batch", "-"]);
        ip.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut ip = node.spawn(&mut ip);
        let mut input = ip.stdin.take().expect("a pipe");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let writer = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                writeln!(input, "addr del {VIP}/24 dev eth0").expect("ip reads");
                sleep_ms(1);
            }
        });
        Remover { stop, writer, ip }
    }

    fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.writer.join().expect("it writes");
        self.ip.wait().expect("ip ends with its input");
    }
}

/// Hand-over within 1.3 seconds is tested in virtual time; here the machine may be busy.
fn fight(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let watch = Watch::start(&p.a);
    let lines = logged(&p.run_a.log());
    let since = now();
    let other = Remover::start(&p.a);
    wait_until(SOON, "it hands over", || {
        p.run_a.log().contains("removed externally again after ")
    });
    wait_until(SOON, "the other router has the address", || p.b.has(VIP));
    let took = now() - since;
    other.stop();
    assert!(!p.a.has(VIP) && p.run_a.alive());
    let added = |event: &&vrrpd_lab::kernel::AddrEvent| event.added && event.addr == ip(VIP);
    let rounds = watch.since(since).iter().filter(added).count();
    // Where the VIP stays for 100 ms because the remover was not scheduled, delays start again: with
    // five repairs in 250 ms at most.
    let most = 12 + usize::try_from(took / (50 * MS)).expect("a count");
    assert!((8..=most).contains(&rounds), "{rounds} of {most} rounds");
    let log = p.run_a.log();
    assert!(logged(&log) - lines < 12, "{log}");
    let frames = p.cap.announcements(&p.a, ip(VIP), since).len();
    assert!(frames < 60, "{frames} announcements");
    wait_until(SOON, "it is master again after the hold", || {
        p.a.has(VIP) && !p.b.has(VIP)
    });
    Outcome::Passed
}

fn vmac_conf() -> Conf {
    Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").line("use_vmac")])
}

fn vmac_removed(ctx: &Ctx) -> Outcome {
    let six = Inst::new(51, 200, "fe80::100/64").vip("fd00::100/64");
    let six = Conf::of(&[six.line("use_vmac")]);
    for (conf, vip) in [(vmac_conf(), VIP), (six, "fd00::100")] {
        let lab = Lab::new();
        let a = lab.node("r1", &[OWN, "fd00::1/64"]);
        let cap = Capture::start(&lab);
        let run = ctx.daemon.start(&a, &conf);
        let complete = || vmac::has(&a, "vrrp.51", vip);
        wait_until(SOON, "it is master", complete);
        for _ in 0..3 {
            let before = run.log().matches("STATE").count();
            let since = now();
            a.ip("link del vrrp.51");
            wait_until(SOON, "the macvlan and the address are back", complete);
            cap.advert_of(&a, since, SOON);
            let announced = || !cap.announcements(&a, ip(vip), since).is_empty();
            wait_until(SOON, "neighbors are told", announced);
            let log = run.log();
            assert_eq!(log.matches("STATE").count(), before, "{log}");
            let told = "vrrp.51 was removed externally; reinstalled";
            assert!(log.contains(told), "{log}");
            assert!(!log.contains("no such device; retrying"), "{log}");
        }
    }
    Outcome::Passed
}

fn vmac_left(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &[OWN]);
    let mut run = ctx.daemon.start(&a, &vmac_conf());
    wait_until(SOON, "it is master", || vmac::has(&a, "vrrp.51", VIP));
    run.kill9();
    // Named as ours would be, but by somebody else.
    a.ip("link add link eth0 name vrrp.52 type macvlan");
    let plain = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")]);
    let _run = ctx.daemon.start(&a, &plain);
    wait_until(SOON, "it is master", || vmac::has(&a, "eth0", VIP));
    assert!(!vmac::is_there(&a, "vrrp.51") && vmac::is_there(&a, "vrrp.52"));
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
