//! CPU and memory.

use std::time::{Duration, Instant};

use vrrpd_lab::{Daemon, Inst, Lab, process, sleep_ms, wait_until};

use crate::report::{Budget, Row, Unit};
use crate::{Bench, many};

const SOON: Duration = Duration::from_secs(10);

pub(crate) fn memory(b: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    let all = [
        (1, Budget::AtMost(819)), // 0.8 MB
        (100, Budget::None),
        (255, Budget::AtMost(1536)), // 1.5 MB
    ];
    for (count, budget) in all {
        if b.quick && count == 100 {
            continue;
        }
        let m = b.each(|d| weigh(d, count));
        let row = |what: &str, unit, i: usize, budget| {
            let what = format!("{count} instance(s), master: {what}");
            Row::new(&what, unit, [Some(m[0][i]), Some(m[1][i])], budget)
        };
        rows.push(row("memory, PSS", Unit::Kb, 0, budget));
        rows.push(row("memory, RSS", Unit::Kb, 1, Budget::None));
        if count != 100 {
            let one = if count == 1 {
                Budget::AtMost(1)
            } else {
                Budget::None
            };
            rows.push(row("processes", Unit::Count, 2, one));
            rows.push(row("descriptors", Unit::Count, 3, Budget::None));
        }
    }
    rows
}

fn weigh(daemon: &Daemon, count: u8) -> [i64; 4] {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let run = daemon.start(&a, &many(count, |i| i.master().advert("1")));
    wait_until(SOON, "all addresses are set", || {
        a.addrs().len() > usize::from(count) + 1
    });
    sleep_ms(1500);
    let pids = run.pids();
    let m = process::memory(&pids);
    let n = |v: usize| i64::try_from(v).expect("few");
    let kb = |v: u64| i64::try_from(v).expect("not that large");
    [
        kb(m.pss),
        kb(m.rss),
        n(pids.len()),
        n(process::descriptors(&pids)),
    ]
}

/// CPU per second of wall time, in nanoseconds, of these daemons while `ms` pass.
pub(crate) fn cpu_of(running: &[&vrrpd_lab::Running], ms: u64) -> Vec<i64> {
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

pub(crate) fn cpu(b: &Bench) -> Vec<Row> {
    let slow = b.each(|d| every_second(d, b.pick(30_000, 6_000)));
    let fast = b.each(|d| every_10_ms(d, b.pick(10_000, 4_000)));
    let at = |v: &[[i64; 2]; 2], i: usize| [Some(v[0][i]), Some(v[1][i])];
    vec![
        Row::new(
            "255 instances at 1 s: CPU, master",
            Unit::Cpu,
            at(&slow, 0),
            Budget::OfTheirs(50),
        ),
        Row::new(
            "255 instances at 1 s: CPU, backup",
            Unit::Cpu,
            at(&slow, 1),
            Budget::OfTheirs(50),
        ),
        Row::new(
            "255 instances at 10 ms: CPU, master",
            Unit::Cpu,
            at(&fast, 0),
            Budget::AtMost(370_000_000),
        ),
        Row::new(
            "255 instances at 10 ms: adverts sent of those due",
            Unit::Percent,
            at(&fast, 1),
            Budget::AtLeast(9950),
        ),
    ]
}

fn every_second(daemon: &Daemon, ms: u64) -> [i64; 2] {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let calm = |i: Inst| i.advert("1").line("garp_master_delay 1");
    let run_a = daemon.start(&a, &many(255, |i| calm(i).master()));
    wait_until(SOON, "the master has its addresses", || {
        a.addrs().len() > 256
    });
    let run_b = daemon.start(&b, &many(255, |i| calm(i).priority(100)));
    // After the second burst of gratuitous ARP, 1 s after the first.
    sleep_ms(2500);
    let cpu = cpu_of(&[&run_a, &run_b], ms);
    assert!(b.addrs().len() < 10, "the backup stayed backup");
    [cpu[0], cpu[1]]
}

/// CPU, and adverts sent in hundredths of a percent of those due. Without receivers, so that only
/// the sender is measured; packets are counted by the kernel.
fn every_10_ms(daemon: &Daemon, ms: u64) -> [i64; 2] {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let fast = |i: Inst| i.master().advert("0.01").line("garp_master_delay 1");
    let run = daemon.start(&a, &many(255, fast));
    wait_until(SOON, "the master has its addresses", || {
        a.addrs().len() > 256
    });
    sleep_ms(2500);
    let (before, start) = (a.tx_packets(), Instant::now());
    let cpu = cpu_of(&[&run], ms)[0];
    let (sent, took) = (a.tx_packets() - before, start.elapsed().as_micros());
    let due = u64::try_from(took).expect("seconds") * 255 / 10_000;
    [
        cpu,
        i64::try_from(sent * 10_000 / due.max(1)).expect("a percentage"),
    ]
}
