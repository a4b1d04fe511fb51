//! 255 virtual routers whose master dies.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd_lab::{Capture, Daemon, Inst, Lab, MS, Ns, down_interval, sleep_ms, wait_until};

use crate::report::{Goal, Row, Unit};
use crate::stats::{median, medians, percentile};
use crate::{Bench, limits, many, vip};

const SOON: Duration = Duration::from_secs(10);

/// Excess of all virtual routers in one run.
struct Excess {
    adverts: Vec<Ns>,
    garps: Vec<Ns>,
}

pub(crate) fn all(b: &Bench) -> Vec<Row> {
    let count = b.pick(5, 1);
    let runs = b.rounds(count, together);
    let bare = limits::wake_and_send(255, b.pick(10, 3));
    let row = |what: &str, values, goal| {
        Row::new(&format!("excess to the {what}"), Unit::Time, values, goal)
    };
    let at = |late: &[Ns], percent| percentile(late, percent).expect("255 of them");
    let advert = |what: &str, percent, goal| {
        let limit: Vec<Ns> = bare.iter().map(|late| at(late, percent)).collect();
        row(what, medians(&runs, |run| at(&run.adverts, percent)), goal)
            .limit(median(&limit), "a thread that sleeps and sends 255")
    };
    let garp = |what: &str, percent| {
        row(
            what,
            medians(&runs, |run| at(&run.garps, percent)),
            Goal::None,
        )
    };
    vec![
        advert("first advert, p50", 50, Goal::AtMost(MS * 15 / 100)),
        advert("first advert, p99", 99, Goal::AtMost(MS)),
        advert(
            "first advert, worst of a run",
            100,
            Goal::AtMost(MS * 3 / 2),
        ),
        garp("first gratuitous ARP, p50", 50),
        garp("first gratuitous ARP, worst of a run", 100),
    ]
}

fn together(daemon: &Daemon) -> Excess {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let mut run_a = daemon.start(&a, &many(255, Inst::master));
    wait_until(SOON, "255 addresses on the stronger router", || {
        a.addrs().len() > 256
    });
    let _run_b = daemon.start(&b, &many(255, |i| i.priority(100)));
    sleep_ms(1500);
    assert!(cap.adverts(&b, 0, 0).is_empty(), "the weaker router waits");
    cap.clear();
    sleep_ms(300);
    let killed = run_a.kill9();
    wait_until(SOON, "255 addresses on the other router", || {
        b.addrs().len() > 256
    });
    sleep_ms(500);
    let down = down_interval(3, 100, 100 * MS);
    let mut last: HashMap<u8, Ns> = HashMap::new();
    for (at, advert) in cap.adverts(&a, 0, 0) {
        last.insert(advert.vrid, at);
    }
    let mut first: HashMap<u8, Ns> = HashMap::new();
    for (at, advert) in cap.adverts(&b, 0, killed) {
        first.entry(advert.vrid).or_insert(at);
    }
    let mut excess = Excess {
        adverts: Vec::new(),
        garps: Vec::new(),
    };
    for vrid in 1..=255 {
        let due = last[&vrid] + down;
        excess.adverts.push(first[&vrid] - due);
        let ip: IpAddr = vip(vrid).parse().expect("an address");
        let garp = cap.announcements(&b, ip, killed);
        excess
            .garps
            .push(garp.first().expect("a gratuitous ARP") - due);
    }
    excess
}
