//! Delay of the new master's first advert after the Master_Down_Interval.

use std::time::Duration;

use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, down_interval, sleep_ms, wait_until,
};

use crate::load::Load;
use crate::report::{Goal, Row, Unit};
use crate::stats::{median, medians, worst, worsts};
use crate::{Bench, limits};

const SOON: Duration = Duration::from_secs(10);
const VIP: &str = "10.0.0.100";
/// 50 ms between adverts, so that forty runs take less than a minute.
const INTERVAL: Ns = 50 * MS;

/// Two routers of one daemon; `a` has the higher priority.
struct Pair {
    daemon: Daemon,
    a: Node,
    b: Node,
    run_a: Option<Running>,
    _run_b: Running,
    cap: Capture,
    _lab: Lab,
}

fn conf(priority: u8) -> Conf {
    Conf::of(&[Inst::new(51, priority, "10.0.0.100/24").advert("0.05")])
}

impl Pair {
    fn new(daemon: &Daemon) -> Self {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        let b = lab.node("r2", &["10.0.0.2/24"]);
        let cap = Capture::start(&lab);
        let run_b = daemon.start(&b, &conf(100));
        Self {
            daemon: daemon.clone(),
            a,
            b,
            run_a: None,
            _run_b: run_b,
            cap,
            _lab: lab,
        }
    }

    /// Kills `a` as master; returns the excess to its first advert and first gratuitous ARP.
    fn run(&mut self, n: u64) -> Excess {
        self.cap.clear();
        self.run_a = Some(self.daemon.start(&self.a, &conf(200)));
        wait_until(SOON, "the stronger router is master", || {
            self.a.has(VIP) && !self.b.has(VIP) && !self.cap.adverts(&self.a, 51, 0).is_empty()
        });
        // Another phase of the advert interval each time.
        sleep_ms(120 + n * 7 % 50);
        let killed = self.run_a.take().expect("just started").kill9();
        let (first, _) = self.cap.advert_of(&self.b, killed, SOON);
        let garp = self
            .cap
            .wait(killed, SOON, |f| {
                (*f.node == *self.b.name && f.announces().is_some()).then_some(f.at)
            })
            .expect("a gratuitous ARP");
        let last = self
            .cap
            .adverts(&self.a, 51, 0)
            .last()
            .expect("adverts before")
            .0;
        let limit = last + down_interval(3, 100, INTERVAL);
        Excess {
            advert: first - limit,
            garp: garp - limit,
        }
    }
}

/// Excess of one takeover.
struct Excess {
    advert: Ns,
    garp: Ns,
}

fn runs(b: &Bench, n: u64) -> [Vec<Excess>; 2] {
    let mut pairs = b.each(Pair::new);
    sleep_ms(500);
    let mut excess = [vec![], vec![]];
    for i in 0..n {
        for (d, pair) in pairs.iter_mut().enumerate() {
            excess[d].push(pair.run(i));
        }
    }
    excess
}

/// Goals of the median and the worst first advert, and of the median first gratuitous ARP.
struct Goals {
    median: Goal,
    worst: Goal,
    garp: Goal,
}

pub(crate) fn idle(b: &Bench) -> Vec<Row> {
    let goals = Goals {
        median: Goal::AtMost(MS / 20),
        worst: Goal::AtMost(2 * MS),
        garp: Goal::AtMost(MS / 10),
    };
    rows(b, b.pick(40, 5), &goals)
}

pub(crate) fn loaded(b: &Bench) -> Vec<Row> {
    let _load = Load::start();
    let goals = Goals {
        median: Goal::AtMost(MS / 20),
        worst: Goal::AtMost(MS),
        garp: Goal::None,
    };
    rows(b, b.pick(20, 4), &goals)
}

fn rows(b: &Bench, n: u64, goals: &Goals) -> Vec<Row> {
    let excess = runs(b, n);
    let tries = usize::try_from(n / 2).expect("few");
    let bare = limits::wake_and_send(1, tries).concat();
    let thread = "a thread that sleeps and sends";
    let row = |what: &str, values, goal| {
        let what = format!("excess to the {what} of {n}");
        Row::new(&what, Unit::Time, values, goal)
    };
    let (advert, garp) = (|e: &Excess| e.advert, |e: &Excess| e.garp);
    vec![
        row(
            "first advert, median",
            medians(&excess, advert),
            goals.median,
        )
        .limit(median(&bare), thread),
        row("first advert, worst", worsts(&excess, advert), goals.worst)
            .limit(worst(&bare), thread),
        row(
            "first gratuitous ARP, median",
            medians(&excess, garp),
            goals.garp,
        ),
        row(
            "first gratuitous ARP, worst",
            worsts(&excess, garp),
            Goal::None,
        ),
    ]
}
