//! Start of address owners.

use std::collections::HashMap;
use std::time::Duration;

use vrrpd_lab::{Capture, Daemon, Lab, MS, Ns, wait_until};

use crate::report::{Goal, Row, Unit};
use crate::stats::{median, medians};
use crate::{Bench, limits, many};

const SOON: Duration = Duration::from_secs(10);

/// Times after the moment before exec.
struct Start {
    /// The first advert of any virtual router.
    first: Ns,
    /// The last one of the first adverts of all virtual routers.
    all: Ns,
}

pub(crate) fn start_one(b: &Bench) -> Vec<Row> {
    let runs = b.rounds(b.pick(15, 3), |daemon| start(daemon, 1));
    vec![first(b, &runs, Goal::AtMost(2 * MS))]
}

pub(crate) fn start_all(b: &Bench) -> Vec<Row> {
    let runs = b.rounds(b.pick(15, 3), |daemon| start(daemon, 255));
    let all = medians(&runs, |run| run.all);
    vec![
        first(b, &runs, Goal::AtMost(4 * MS)),
        Row::new(
            "exec to the first advert of the last one",
            Unit::Time,
            all,
            Goal::AtMost(12 * MS),
        ),
    ]
}

fn first(b: &Bench, runs: &[Vec<Start>; 2], goal: Goal) -> Row {
    let bare: Vec<Ns> = (0..b.pick(9, 3)).map(|_| limits::exec()).collect();
    let first = medians(runs, |run| run.first);
    Row::new("exec to the first advert", Unit::Time, first, goal)
        .limit(median(&bare), "/bin/true from exec to exit")
}

fn start(daemon: &Daemon, count: u8) -> Start {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let conf = many(count, |i| i.master().priority(255).advert("1"));
    let run = daemon.start(&a, &conf);
    let mut firsts = HashMap::new();
    wait_until(SOON, "every virtual router advertises", || {
        for (at, advert) in cap.adverts(&a, 0, run.started) {
            firsts.entry(advert.vrid).or_insert(at);
        }
        firsts.len() == usize::from(count)
    });
    let (first, last) = (firsts.values().min(), firsts.values().max());
    Start {
        first: first.expect("several") - run.started,
        all: last.expect("several") - run.started,
    }
}
