//! Reload of many instances.

use std::net::IpAddr;
use std::time::Duration;

use nix::sys::signal::Signal;
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{
    Capture, Daemon, Inst, Lab, MS, Node, Ns, Running, now, sleep_ms, wait_for, wait_until,
};

use crate::report::{Goal, Row, Unit};
use crate::stats::{gaps, median, medians, sums, worst, worsts};
use crate::{Bench, limits, many};

const SOON: Duration = Duration::from_secs(15);
/// The address that a reload adds.
const MORE: &str = "10.2.0.1";

/// The address that a reload adds to the last instance, or that another one removes.
struct Added {
    /// From the signal until it is set.
    added: Ns,
    /// From the signal until it is removed.
    removed: Ns,
}

pub(crate) fn addresses(b: &Bench) -> Vec<Row> {
    let (runs, times) = b.pick((5, 2), (1, 1));
    let runs = b.rounds(runs, |daemon| added_and_removed(daemon, times));
    let bare: Vec<Ns> = (0..b.pick(9, 3))
        .map(|_| limits::addresses(1).first)
        .collect();
    let row = |what: &str, values| Row::new(what, Unit::Time, values, Goal::AtMost(4 * MS));
    let added = row("signal to address added", medians(&runs, |run| run.added));
    vec![
        added.limit(median(&bare), "a program that only sets it"),
        row(
            "signal to address removed",
            medians(&runs, |run| run.removed),
        ),
    ]
}

/// Masters with an advert each second; one of them gets an address, and loses it again. The median
/// of so many reloads of each kind.
fn added_and_removed(daemon: &Daemon, times: usize) -> Added {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let owner = |i: Inst| {
        i.master()
            .priority(255)
            .advert("1")
            .line("garp_master_delay 1")
    };
    let conf = many(250, owner).text();
    let more = with_one_more(&conf, 250);
    let run = daemon.start_text(&a, &conf, &[]);
    wait_until(SOON, "all addresses are set", || a.addrs().len() > 251);
    sleep_ms(2500);
    let watch = Watch::start(&a);
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for _ in 0..times {
        added.push(reload(&run, &more, &watch, true));
        removed.push(reload(&run, &conf, &watch, false));
    }
    Added {
        added: median(&added).expect("several"),
        removed: median(&removed).expect("several"),
    }
}

/// Reloads; the time from the signal until the address is added or removed.
fn reload(run: &Running, conf: &str, watch: &Watch, add: bool) -> Ns {
    std::fs::write(&run.conf_file, conf).expect("writing the configuration");
    let address: IpAddr = MORE.parse().expect("an address");
    let at = run.signal(Signal::SIGHUP);
    let event = wait_for(SOON, || {
        let events = watch.since(at);
        let mut of_it = events.iter().filter(|event| event.addr == address);
        Some(of_it.find(|event| event.added == add)?.at)
    });
    // All processes complete it meanwhile.
    sleep_ms(600);
    event.expect("the address is added or removed") - at
}

/// The configuration with one more address for the last of `count` instances.
fn with_one_more(conf: &str, count: u8) -> String {
    let last = format!("10.1.0.{count}/32\n");
    assert!(conf.contains(&last), "the last instance's address");
    conf.replacen(&last, &format!("{last}        {MORE}/32\n"), 1)
}

// ---- adverts ----

const INTERVAL: Ns = 100 * MS;

/// Effects of one reload of 255 masters.
struct Effects {
    /// From the signal to the new address.
    took: Ns,
    /// The longest gap between adverts of an instance, minus its interval.
    silence: Ns,
    /// Missing adverts.
    missed: i64,
}

pub(crate) fn adverts(b: &Bench) -> Vec<Row> {
    let runs = b.rounds(b.pick(5, 1), effects);
    vec![
        Row::new(
            "signal to address added",
            Unit::Time,
            medians(&runs, |run| run.took),
            Goal::None,
        ),
        Row::new(
            "silence beyond the interval, worst of a run",
            Unit::Time,
            medians(&runs, |run| run.silence),
            Goal::None,
        ),
        Row::new(
            "silence beyond the interval, worst of all runs",
            Unit::Time,
            worsts(&runs, |run| run.silence),
            Goal::None,
        ),
        Row::new(
            "adverts missed in all runs",
            Unit::Count,
            sums(&runs, |run| run.missed),
            Goal::AtMost(0),
        ),
    ]
}

fn effects(daemon: &Daemon) -> Effects {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let usual = |i: Inst| i.master().advert("0.1").line("garp_master_delay 1");
    let conf = many(255, usual).text();
    let run = daemon.start_text(&a, &conf, &[]);
    wait_until(SOON, "all addresses are set", || a.addrs().len() > 256);
    sleep_ms(2500);
    cap.clear();
    let watch = Watch::start(&a);
    let begin = now();
    sleep_ms(500);
    let took = reload(&run, &with_one_more(&conf, 255), &watch, true);
    sleep_ms(600);
    let gaps: Vec<Ns> = (1..=255)
        .flat_map(|vrid| between(&cap, &a, vrid, begin))
        .collect();
    let missed = |gap: &Ns| ((gap + INTERVAL / 2) / INTERVAL - 1).max(0);
    Effects {
        took,
        silence: worst(&gaps).expect("255 instances") - INTERVAL,
        missed: gaps.iter().map(missed).sum(),
    }
}

/// Times between the adverts of a virtual router.
fn between(cap: &Capture, node: &Node, vrid: u8, since: Ns) -> Vec<Ns> {
    let adverts = cap.adverts(node, vrid, since);
    let times: Vec<Ns> = adverts.iter().map(|advert| advert.0).collect();
    assert!(times.len() > 10, "{} adverts of {vrid}", times.len());
    gaps(&times)
}
