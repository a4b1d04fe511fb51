//! An instance with a thousand addresses.

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Ns, wait_until};

use crate::Bench;
use crate::limits::{self, Set};
use crate::report::{Goal, Row, Unit};
use crate::stats::{median, medians, worsts};

const SOON: Duration = Duration::from_secs(10);
const COUNT: u16 = 1000;

pub(crate) fn addresses(b: &Bench) -> Vec<Row> {
    let n = b.pick(7, 2);
    let conf = conf();
    let runs = b.rounds(n, |daemon| one_master(daemon, &conf));
    let bare: Vec<Set> = (0..n).map(|_| limits::addresses(COUNT)).collect();
    let row = |what: &str, pick: fn(&Set) -> Ns, goal| {
        let limit: Vec<Ns> = bare.iter().map(pick).collect();
        let what = format!("first advert to {what}");
        Row::new(&what, Unit::Time, medians(&runs, pick), goal).limit(
            median(&limit),
            "a program that only sets and announces them",
        )
    };
    let worst = worsts(&runs, |run| run.last);
    vec![
        row("first address set", |set| set.first, Goal::AtMost(MS / 5)),
        row("last address set", |set| set.last, Goal::AtMost(20 * MS)),
        row(
            "first gratuitous ARP of the last address",
            |set| set.last_garp,
            Goal::AtMost(25 * MS),
        ),
        Row::new(
            "first advert to last address set, worst of all runs",
            Unit::Time,
            worst,
            Goal::None,
        ),
    ]
}

fn conf() -> Conf {
    let mut block = String::from("virtual_ipaddress_excluded {\n");
    for i in 1..COUNT {
        let _ = writeln!(block, "        10.77.{}.{}/32", i / 250, i % 250 + 1);
    }
    block.push_str("    }");
    Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").line(&block)])
}

/// Times after the first advert of a master.
fn one_master(daemon: &Daemon, conf: &Conf) -> Set {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let (cap, watch) = (Capture::start(&lab), Watch::start(&a));
    let run = daemon.start(&a, conf);
    let (master, _) = cap.advert_of(&a, run.started, SOON);
    let added = || -> Vec<Ns> {
        let events = watch.since(run.started);
        let added = events.iter().filter(|event| event.added);
        added.map(|event| event.at - master).collect()
    };
    let all = usize::from(COUNT);
    wait_until(SOON, "1,000 addresses", || added().len() >= all);
    let mut garps: HashMap<IpAddr, Ns> = HashMap::new();
    wait_until(SOON, "1,000 announcements", || {
        cap.with(|frames| {
            for frame in frames.iter().filter(|frame| *frame.node == *a.name) {
                if let Some(address) = frame.announces() {
                    garps.entry(address).or_insert(frame.at - master);
                }
            }
        });
        garps.len() >= all
    });
    let added = added();
    Set {
        first: added[0],
        last: *added.last().expect("a thousand"),
        last_garp: *garps.values().max().expect("a thousand"),
    }
}
