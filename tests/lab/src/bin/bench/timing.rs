//! Regularity of adverts.

use std::time::Duration;

use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Ns, now, sleep_ms, wait_until};

use crate::load::Load;
use crate::report::{Goal, Row, Unit};
use crate::stats::{self, median, medians, percentile, sums, worst};
use crate::{Bench, limits};

const SOON: Duration = Duration::from_secs(8);
/// The interval of the rows that count most.
const FAST: Ns = 10 * MS;

/// One run of one daemon.
struct Evenness {
    deviation_p50: i64,
    deviation_p99: i64,
    late_p99: i64,
    late_worst: i64,
    skipped: i64,
    /// Mean interval against the configured one, absolute.
    ppm: i64,
}

pub(crate) fn every_second(b: &Bench) -> Vec<Row> {
    slow(b, 1000 * MS, b.pick(5_000, 4_000))
}

pub(crate) fn every_100_ms(b: &Bench) -> Vec<Row> {
    slow(b, 100 * MS, b.pick(3_500, 2_000))
}

fn slow(b: &Bench, interval: Ns, ms: u64) -> Vec<Row> {
    let runs = b.rounds(b.pick(5, 1), |daemon| measure(daemon, interval, ms));
    let row = |what: &str, unit, pick: fn(&Evenness) -> i64, goal| {
        Row::new(what, unit, medians(&runs, pick), goal)
    };
    vec![
        row("deviation p50", Unit::Time, |e| e.deviation_p50, Goal::None),
        row("deviation p99", Unit::Time, |e| e.deviation_p99, Goal::None),
        row(
            "drift of the mean interval",
            Unit::Ppm,
            |e| e.ppm,
            Goal::AtMost(10),
        ),
    ]
}

/// Goals of the rows with an interval of 10 ms.
struct Goals {
    p50: Goal,
    /// Of the deviation, and of the lateness.
    p99: Goal,
    worst: Goal,
}

pub(crate) fn every_10_ms(b: &Bench) -> Vec<Row> {
    let goals = Goals {
        p50: Goal::AtMost(MS / 50),
        p99: Goal::AtMost(MS / 4),
        worst: Goal::None,
    };
    fast(b, &goals)
}

pub(crate) fn loaded(b: &Bench) -> Vec<Row> {
    let _load = Load::start();
    let goals = Goals {
        p50: Goal::None,
        p99: Goal::AtMost(MS),
        worst: Goal::AtMost(5 * MS),
    };
    fast(b, &goals)
}

fn fast(b: &Bench, goals: &Goals) -> Vec<Row> {
    let (count, ms) = (b.pick(5, 2), b.pick(4_000, 1_500));
    let runs = b.rounds(count, |daemon| measure(daemon, FAST, ms));
    let bare: Vec<Evenness> = (0..count)
        .map(|_| evenness(&limits::sender(1, FAST, ms / 2).times, FAST))
        .collect();
    let row = |what: &str, unit, pick: fn(&Evenness) -> i64, goal| {
        let limit: Vec<i64> = bare.iter().map(pick).collect();
        let row = Row::new(what, unit, medians(&runs, pick), goal);
        row.limit(median(&limit), "a thread that only sends")
    };
    let due = ms * u64::try_from(count).expect("few") / 10;
    let skipped = format!("adverts skipped, of about {due} in all runs");
    let lost = sums(&runs, |e| e.skipped);
    vec![
        row("deviation p50", Unit::Time, |e| e.deviation_p50, goals.p50),
        row(
            "deviation p99 (an advert that is late and caught up counts twice)",
            Unit::Time,
            |e| e.deviation_p99,
            goals.p99,
        ),
        row(
            "late on the daemon's own grid, p99",
            Unit::Time,
            |e| e.late_p99,
            goals.p99,
        ),
        row(
            "late on the daemon's own grid, worst of a run",
            Unit::Time,
            |e| e.late_worst,
            goals.worst,
        ),
        Row::new(&skipped, Unit::Count, lost, Goal::AtMost(0)),
    ]
}

fn measure(daemon: &Daemon, interval: Ns, ms: u64) -> Evenness {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let seconds = format!("{}.{:02}", interval / (1000 * MS), interval / FAST % 100);
    let owner = Inst::new(51, 255, "10.0.0.100/24")
        .master()
        .advert(&seconds);
    let _run = daemon.start(&a, &Conf::of(&[owner]));
    wait_until(SOON, "it is master", || {
        cap.adverts(&a, 51, 0).len() > 1 && a.has("10.0.0.100")
    });
    sleep_ms(200);
    let since = now();
    sleep_ms(ms);
    let times: Vec<Ns> = cap.adverts(&a, 51, since).iter().map(|x| x.0).collect();
    evenness(&times, interval)
}

fn evenness(times: &[Ns], interval: Ns) -> Evenness {
    let deviations = stats::deviations(times, interval);
    let late = stats::lateness(times, interval);
    Evenness {
        deviation_p50: percentile(&deviations, 50).expect("several adverts"),
        deviation_p99: percentile(&deviations, 99).expect("several adverts"),
        late_p99: percentile(&late, 99).unwrap_or(0),
        late_worst: worst(&late).unwrap_or(0),
        skipped: stats::skipped(times, interval),
        ppm: stats::drift(times, interval).abs(),
    }
}
