//! `make soak`: two routers under continuous disturbance for ten minutes (or `SOAK_SECONDS`).
//!
//! Links flap; scripts fail, hang, write without end and start processes; files change;
//! configurations are reloaded; daemons are frozen, killed and replaced; another program deletes
//! addresses and routes, and adds and removes thousands of objects; events are lost; the disk is
//! full; fork fails; a real server sends whatever it likes; and forged packets arrive all the time,
//! at times as a flood. Afterwards everything must be as before: memory, descriptors, child
//! processes, and every kernel object; and after shutdown nothing may be left. `SOAK_SEED` repeats
//! a run, as far as timing allows. After a failure the last lines of the logs are printed:
//! `LAB_LOG_LINES` of them.
//!
//! Not here: jumps of the wall clock, which would concern the whole machine. The engine gets the
//! time as a parameter, and its tests move it at will.

mod disturb;
mod router;
mod server;

use std::fs;
use std::net::IpAddr;
use std::panic::catch_unwind;
use std::process::exit;
use std::time::{Duration, Instant};

use disturb::{Dice, Disturber, Kind};
use router::{Router, State, zombies};
use server::HostileServer;
use vrrpd_lab::forge::{Injector, Packet, Stream, Target, all_kinds, noise};
use vrrpd_lab::private;
use vrrpd_lab::{Daemon, Lab, Node, sleep_ms, wait_for};

/// Permitted growth of memory in the second half, KB per daemon. The allocator of a C library
/// varies by about two hundred in the first minutes; a leak of 1 KB per event is more than this.
const GROWTH: u64 = 512;
/// Descriptors that a process opens when it needs them first.
const LATER: usize = 4;
const PEACE: Duration = Duration::from_secs(30);

fn main() {
    if private::enter_without_root().is_err() {
        eprintln!("soak: skipped; nothing was changed on this machine");
        exit(private::SKIP);
    }
    let Some(daemon) = Daemon::subject() else {
        eprintln!("soak: VRRPD_BIN is not set; run `make soak`");
        exit(1);
    };
    vrrpd_lab::plain_panics();
    if catch_unwind(|| soak(&daemon)).is_err() {
        println!("soak: FAILED (see above)");
        exit(1);
    }
}

fn soak(daemon: &Daemon) {
    let number = |name: &str, usual| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let seconds = number("SOAK_SECONDS", 600);
    let seed = number("SOAK_SEED", 0x5eed_0001);
    println!("soak: {seconds} s, SOAK_SEED={seed}");
    let lab = Lab::new();
    let mut routers = ["r1", "r2"].map(|name| Router::start(&lab, daemon, name));
    let attacker = lab.node("attacker", &["10.0.0.66/24"]);
    calm(&routers, true);
    let mut dice = Dice(seed | 1);
    let mut disturber = Disturber::new(&attacker, flood(&attacker));
    if !limits_apply() {
        println!("soak: root is exempt from limits of processes: fork never fails");
        disturber.without = vec![Kind::ForkFails, Kind::ForkWorks];
    }
    // The first half is a warm-up: memory grows in the first minutes and is then constant.
    let half = Duration::from_secs(seconds / 2);
    war(&mut routers, &mut disturber, &mut dice, half);
    let before = peace(&mut routers);
    disturber.lasting = true;
    war(&mut routers, &mut disturber, &mut dice, half);
    let after = peace(&mut routers);
    for ((before, after), router) in before.iter().zip(&after).zip(&routers) {
        let name = &router.node.name;
        same_objects(&before.kernel, &after.kernel, name);
        if before.pid == after.pid {
            assert_eq!(before.descriptors, after.descriptors, "{name}: descriptors");
        } else {
            // Another process: some are opened when they are needed first.
            let (from, to) = (before.descriptors.len(), after.descriptors.len());
            assert!(to <= from + LATER, "{name}: {:?}", after.descriptors);
        }
        // On a busy machine a script may have been running all the time before.
        let (from, to) = (before.children, after.children);
        assert!(to <= from, "{name}: {from} -> {to} children");
        // A new process has less.
        let (from, to) = (before.memory, after.memory);
        println!("soak: {name}: memory {from} KB before, {to} KB after");
        assert!(to <= from + GROWTH, "{name}: memory {from} -> {to} KB");
        assert_eq!(zombies(router.run.pid()), 0, "{name}: zombies");
    }
    for router in &mut routers {
        router.end();
    }
    report(&disturber);
}

/// Panics with the lines that differ.
pub(crate) fn same_objects(before: &str, after: &str, name: &str) {
    let missing = |from: &str, of: &str| {
        let lines: Vec<&str> = of.lines().collect();
        let gone = from.lines().filter(|line| !lines.contains(line));
        gone.collect::<Vec<_>>().join("\n")
    };
    let (lost, new) = (missing(before, after), missing(after, before));
    assert!(
        before == after,
        "{name}: kernel objects: without\n{lost}\nwith\n{new}"
    );
}

/// Prints how often each kind happened.
fn report(disturber: &Disturber<'_>) {
    for (kind, count) in &disturber.counts {
        println!("soak: {count:6} {kind:?}");
    }
    let (mut text, mut files) = (String::new(), 0);
    for entry in fs::read_dir(private::DIR).into_iter().flatten().flatten() {
        if entry.path().extension().is_some_and(|it| it == "log") {
            text += &String::from_utf8_lossy(&fs::read(entry.path()).unwrap_or_default());
            files += 1;
        }
    }
    println!(
        "soak: {} KB of log from {files} processes",
        text.len() / 1024
    );
    for sign in [
        "netlink events lost",
        "no space left",
        "resource temporarily unavailable",
        "Entering MASTER STATE",
        "Starting vrrpd",
    ] {
        let count = text.matches(sign).count();
        println!("soak: {count:6} log lines with `{sign}`");
    }
    let events: u64 = disturber.counts.values().sum();
    println!("soak: {events} events survived; everything is as it was before");
}

/// Whether a limit of processes has an effect: not for root outside of the namespace.
fn limits_apply() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().nth(1) != Some("0")
}

/// Packets for a flood: for other routers, with a wrong TTL, and ones that look valid.
fn flood(attacker: &Node) -> Vec<Vec<u8>> {
    let ip = |text: &str| -> IpAddr { text.parse().expect("an address") };
    let mac = Injector::on(attacker).mac;
    let from = ip("10.0.0.66");
    let mut frames = Vec::new();
    for vrid in [1, 77, 200] {
        let weak = Packet::v3(from, vrid, 1, &[ip("10.1.0.1")]);
        frames.push(weak.frame(mac));
        for to in ["10.0.0.1", "10.0.0.2", "224.0.0.18"] {
            let distant = Packet {
                ttl: 47,
                to: ip(to),
                ..weak.clone()
            };
            frames.push(distant.frame(mac));
        }
    }
    frames
}

// ---- disturbances and recovery ----

/// Disturbs the routers for so long.
fn war(routers: &mut [Router; 2], disturber: &mut Disturber<'_>, dice: &mut Dice, time: Duration) {
    let target = Target {
        from: "10.0.0.66".parse().expect("an address"),
        master: "10.0.0.1".parse().expect("an address"),
        vrid: 1,
        vip: "10.1.0.1".parse().expect("an address"),
        version: 3,
        password: None,
    };
    let mac = Injector::on(disturber.attacker).mac;
    let kinds = all_kinds(&target);
    let mut frames: Vec<Vec<u8>> = kinds.iter().map(|(_, packet)| packet.frame(mac)).collect();
    frames.extend(noise(&target, mac, dice.0, 300));
    // Some are valid: a router with a higher priority that comes and goes.
    frames.push(target.good().frame(mac));
    let _stream = Stream::start(disturber.attacker, frames, 500);
    let _server = HostileServer::start(disturber.attacker);
    let end = Instant::now() + time;
    while Instant::now() < end {
        let kind = disturber.choose(dice);
        let which = disturber.router(kind, dice);
        disturber.disturb(&mut routers[which], kind, dice);
        sleep_ms(dice.below(120));
        let name = &routers[which].node.name;
        assert!(routers[which].run.alive(), "{name} has died after {kind:?}");
    }
}

/// Restores everything and waits until the routers have converged.
fn peace(routers: &mut [Router; 2]) -> Vec<State> {
    for router in &mut *routers {
        router.node.carrier_up();
        disturb::free(router);
        disturb::limit_processes(router, &disturb::usual_limit());
        let _ = fs::remove_file(&router.bad);
        fs::write(&router.number, "0\n").expect("a number");
        router.reload(0);
    }
    calm(routers, false);
    // Longer than the slowest retry and the second burst of gratuitous ARP, and until no script
    // runs.
    sleep_ms(6000);
    calm(routers, false);
    let quiet = |router: &Router| {
        let mut best = router.state();
        for _ in 0..200 {
            let next = router.state();
            if next.children < best.children {
                best = next;
            }
            if best.children == 0 {
                break;
            }
            sleep_ms(7);
        }
        best
    };
    routers.iter().map(quiet).collect()
}

/// Waits until the router with the higher priority has everything and the other nothing.
fn calm(routers: &[Router; 2], first: bool) {
    let when = if first {
        "at the start"
    } else {
        "after the war"
    };
    let settled = || routers[0].has_everything() && routers[1].has_nothing();
    if wait_for(PEACE, || settled().then_some(())).is_none() {
        for router in routers {
            println!("{}:\n{}", router.node.name, router.node.ip("-o addr"));
        }
        panic!("not {when}: r1 has everything and r2 nothing");
    }
}
