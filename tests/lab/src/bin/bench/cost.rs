//! CPU and memory.

use std::time::{Duration, Instant};

use vrrpd_lab::{Daemon, Inst, Lab, MS, Ns, Running, process, sleep_ms, wait_until};

use crate::report::{Goal, Row, Unit};
use crate::stats::{medians, sums};
use crate::{Bench, limits, many};

const SOON: Duration = Duration::from_secs(10);

// ---- memory ----

/// What a daemon occupies.
struct Size {
    memory: process::Memory,
    processes: usize,
    descriptors: usize,
}

pub(crate) fn memory_one(b: &Bench) -> Vec<Row> {
    memory(b, 1, Goal::None, Goal::AtMost(1229)) // 1.2 MB
}

pub(crate) fn memory_all(b: &Bench) -> Vec<Row> {
    memory(b, 255, Goal::AtMost(400), Goal::AtMost(1638)) // 1.6 MB
}

fn memory(b: &Bench, count: u8, private: Goal, proportional: Goal) -> Vec<Row> {
    let runs = b.rounds(b.pick(5, 1), |daemon| size(daemon, count));
    let row = |what: &str, unit, pick: fn(&Size) -> i64, goal| {
        Row::new(what, unit, medians(&runs, pick), goal)
    };
    let few = |size: &Size| i64::try_from(size.processes).expect("few");
    vec![
        row(
            "private (written pages that no other process shares)",
            Unit::Kb,
            |size| kb(size.memory.private),
            private,
        ),
        row("PSS", Unit::Kb, |size| kb(size.memory.pss), proportional),
        row("RSS", Unit::Kb, |size| kb(size.memory.rss), Goal::None),
        row("processes", Unit::Count, few, Goal::AtMost(1)),
        row(
            "descriptors",
            Unit::Count,
            |size| i64::try_from(size.descriptors).expect("few"),
            Goal::None,
        ),
    ]
}

fn kb(value: u64) -> i64 {
    i64::try_from(value).expect("not that large")
}

fn size(daemon: &Daemon, count: u8) -> Size {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = daemon.start(&a, &many(count, |i| i.master().advert("0.2")));
    wait_until(SOON, "all addresses are set", || {
        a.addrs().len() > usize::from(count) + 1
    });
    sleep_ms(1000);
    let pids = run.pids();
    Size {
        memory: process::memory(&pids),
        processes: pids.len(),
        descriptors: process::descriptors(&pids),
    }
}

// ---- CPU ----

/// CPU per second of wall time, in nanoseconds, of these daemons while `ms` pass.
pub(crate) fn cpu_of(running: &[&Running], ms: u64) -> Vec<i64> {
    let pids: Vec<Vec<u32>> = running.iter().map(|r| r.pids()).collect();
    let before: Vec<u64> = pids.iter().map(|p| process::cpu(p)).collect();
    let start = Instant::now();
    sleep_ms(ms);
    let after: Vec<u64> = pids.iter().map(|p| process::cpu(p)).collect();
    let wall = u64::try_from(start.elapsed().as_micros())
        .expect("minutes")
        .max(1);
    let share = |(a, b): (&u64, &u64)| i64::try_from((b - a) * 1_000_000 / wall).expect("seconds");
    before.iter().zip(&after).map(share).collect()
}

/// A master and a backup of the same daemon.
#[derive(Clone, Copy)]
struct Routers {
    instances: u8,
    interval: Ns,
    /// How long their CPU is measured.
    ms: u64,
}

struct Used {
    master: i64,
    backup: i64,
    /// Adverts sent of those due, in hundredths of a percent.
    sent: i64,
    /// Packets that the backup sent.
    intruded: i64,
}

pub(crate) fn all_slow(b: &Bench) -> Vec<Row> {
    let routers = Routers {
        instances: 255,
        interval: 1000 * MS,
        ms: b.pick(6_000, 3_000),
    };
    let half = Goal::OfTheirs(50);
    let mut rows = cpu(b, routers, half, half);
    // Adverts of many instances may be sent together: one second more or less at either end.
    rows.retain(|row| !row.is_of(Unit::Sent));
    rows
}

pub(crate) fn ten_fast(b: &Bench) -> Vec<Row> {
    let routers = Routers {
        instances: 10,
        interval: 10 * MS,
        ms: b.pick(2_500, 1_500),
    };
    let half = Goal::OfTheirs(50);
    cpu(b, routers, half, half)
}

pub(crate) fn all_fast(b: &Bench) -> Vec<Row> {
    let routers = Routers {
        instances: 255,
        interval: 10 * MS,
        ms: b.pick(2_500, 1_500),
    };
    let percent = |n: i64| Goal::AtMost(n * 10 * MS);
    cpu(b, routers, percent(35), percent(10))
}

fn cpu(b: &Bench, routers: Routers, master: Goal, backup: Goal) -> Vec<Row> {
    let runs = b.rounds(b.pick(5, 1), |daemon| used(daemon, routers));
    let bare = limits::sender(routers.instances, routers.interval, b.pick(4_000, 1_000));
    let row = |what: &str, unit, pick: fn(&Used) -> i64, goal| {
        Row::new(what, unit, medians(&runs, pick), goal)
    };
    let intruded = sums(&runs, |used| used.intruded);
    vec![
        row("master", Unit::Cpu, |used| used.master, master)
            .limit(Some(bare.cpu), "a thread that sends all at once"),
        row("backup", Unit::Cpu, |used| used.backup, backup),
        row(
            "adverts sent of those due",
            Unit::Sent,
            |used| used.sent,
            Goal::AtLeast(9990),
        ),
        Row::new(
            "packets that the backup sent in all runs",
            Unit::Count,
            intruded,
            Goal::AtMost(0),
        ),
    ]
}

/// The kernel counts the packets: a capture would take CPU.
fn used(daemon: &Daemon, routers: Routers) -> Used {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let Routers {
        instances,
        interval,
        ms,
    } = routers;
    let seconds = format!(
        "{}.{:02}",
        interval / (1000 * MS),
        interval / (10 * MS) % 100
    );
    let calm = |i: Inst| i.advert(&seconds).line("garp_master_delay 1");
    let run_a = daemon.start(&a, &many(instances, |i| calm(i).master().priority(255)));
    wait_until(SOON, "the master has its addresses", || {
        a.addrs().len() > usize::from(instances) + 1
    });
    let run_b = daemon.start(&b, &many(instances, |i| calm(i).priority(100)));
    // After the second burst of gratuitous ARP, 1 s after the first.
    sleep_ms(1700);
    let sent = || [&a, &b].map(|node| i64::try_from(node.tx_packets()).expect("few"));
    let (before, start) = (sent(), Instant::now());
    let cpu = cpu_of(&[&run_a, &run_b], ms);
    let (after, took) = (sent(), start.elapsed().as_nanos());
    let due = Ns::try_from(took).expect("seconds") * Ns::from(instances) / interval;
    Used {
        master: cpu[0],
        backup: cpu[1],
        sent: ((after[0] - before[0]) * 10_000 / due.max(1)).min(10_000),
        intruded: after[1] - before[1],
    }
}
