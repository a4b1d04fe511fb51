//! Regularity of adverts.

use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Ns, now, sleep_ms, wait_until};

use crate::Bench;
use crate::report::{Budget, Row, Unit, percentile};

/// One daemon, one interval.
struct Evenness {
    p50: i64,
    p99: i64,
    /// Mean interval against the configured one, absolute.
    ppm: i64,
    /// Adverts sent of those due, in hundredths of a percent.
    sent: i64,
}

pub(crate) fn adverts(b: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for (text, interval, full, quick) in [
        ("1", 1000 * MS, 40_000, 6_000),
        ("0.1", 100 * MS, 15_000, 4_000),
        ("0.01", 10 * MS, 10_000, 4_000),
    ] {
        let e = b.each(|d| measure(d, text, interval, b.pick(full, quick)));
        let name = if interval >= 1000 * MS {
            "1 s".into()
        } else {
            format!("{} ms", interval / MS)
        };
        let row = |what: &str, unit, f: fn(&Evenness) -> i64, budget| {
            let what = format!("adverts every {name}: {what}");
            Row::new(&what, unit, [Some(f(&e[0])), Some(f(&e[1]))], budget)
        };
        let tight = if interval == 10 * MS {
            Budget::AtMost(MS * 3 / 10)
        } else {
            Budget::None
        };
        rows.push(row("deviation p50", Unit::Time, |e| e.p50, Budget::None));
        rows.push(row("deviation p99", Unit::Time, |e| e.p99, tight));
        rows.push(row(
            "drift of the mean interval",
            Unit::Ppm,
            |e| e.ppm,
            Budget::AtMost(100),
        ));
        rows.push(row(
            "sent of those due",
            Unit::Percent,
            |e| e.sent,
            Budget::None,
        ));
    }
    rows
}

fn measure(daemon: &Daemon, text: &str, interval: Ns, ms: u64) -> Evenness {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let conf = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").master().advert(text)]);
    let _run = daemon.start(&a, &conf);
    wait_until(std::time::Duration::from_secs(8), "it is master", || {
        cap.adverts(&a, 51, 0).len() > 1
    });
    let since = now();
    sleep_ms(ms);
    let times: Vec<Ns> = cap.adverts(&a, 51, since).iter().map(|x| x.0).collect();
    let gaps = i64::try_from(times.len()).expect("few") - 1;
    let deviations: Vec<i64> = times
        .windows(2)
        .map(|w| (w[1] - w[0] - interval).abs())
        .collect();
    Evenness {
        p50: percentile(&deviations, 50).expect("several"),
        p99: percentile(&deviations, 99).expect("several"),
        ppm: drift(&times, interval).abs(),
        sent: gaps * interval * 10_000 / (times[times.len() - 1] - times[0]),
    }
}

/// How much longer than configured the mean interval is, in parts per million: how far the adverts
/// have moved against an ideal grid from the first third of them to the last. Medians, so that one
/// advert that was late for another reason does not count.
fn drift(times: &[Ns], interval: Ns) -> i64 {
    let ideal = (0..).map(|i| times[0] + i * interval);
    let off: Vec<Ns> = times.iter().zip(ideal).map(|(t, grid)| t - grid).collect();
    let third = off.len() / 3;
    let (head, tail) = (&off[..third], &off[off.len() - third..]);
    let moved = percentile(tail, 50).expect("several") - percentile(head, 50).expect("several");
    let grids = i64::try_from(off.len() - third).expect("few");
    moved * 1_000_000 / (grids * interval)
}
