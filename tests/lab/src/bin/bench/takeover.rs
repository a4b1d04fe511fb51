//! Delay of the new master's first advert after the Master_Down_Interval.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, down_interval, sleep_ms, wait_until,
};

use crate::report::{Budget, Row, Unit, both};
use crate::{Bench, many, vip};

const SOON: Duration = Duration::from_secs(10);
const VIP: &str = "10.0.0.100";
/// 50 ms between adverts, so that a hundred runs take less than a minute.
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

    /// Kills `a` as master; returns the delays of the first advert and the first gratuitous ARP.
    fn run(&mut self, n: u64) -> (Ns, Ns) {
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
        (first - limit, garp - limit)
    }
}

fn runs(b: &Bench, n: u64) -> ([Vec<Ns>; 2], [Vec<Ns>; 2]) {
    let mut pairs = b.each(Pair::new);
    sleep_ms(500);
    let (mut advert, mut garp) = ([vec![], vec![]], [vec![], vec![]]);
    for i in 0..n {
        for (d, pair) in pairs.iter_mut().enumerate() {
            let (a, g) = pair.run(i);
            advert[d].push(a);
            garp[d].push(g);
        }
    }
    (advert, garp)
}

pub(crate) fn idle(b: &Bench) -> Vec<Row> {
    let n = b.pick(100, 15);
    let (advert, garp) = runs(b, n);
    let row = |what: &str, v: [Option<i64>; 2], budget| {
        Row::new(
            &format!("takeover after kill -9, excess to the {what} of {n}"),
            Unit::Time,
            v,
            budget,
        )
    };
    vec![
        row("first advert, median", both(&advert, 50), Budget::None),
        row("first advert, worst", both(&advert, 100), Budget::None),
        row(
            "first gratuitous ARP, median",
            both(&garp, 50),
            Budget::AtMost(MS / 10),
        ),
        row(
            "first gratuitous ARP, worst",
            both(&garp, 100),
            Budget::AtMost(2 * MS),
        ),
    ]
}

/// Busy loops, two per core, until dropped.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let n = std::thread::available_parallelism().map_or(1, usize::from) * 2;
        let spin = || {
            let mut cmd = Command::new("sh");
            cmd.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
            cmd.spawn().expect("a shell")
        };
        Self((0..n).map(|_| spin()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for c in &mut self.0 {
            let _ = c.kill();
            let _ = c.wait();
        }
    }
}

pub(crate) fn loaded(b: &Bench) -> Vec<Row> {
    let n = b.pick(30, 8);
    let _load = Load::start();
    let (_, garp) = runs(b, n);
    let row = |what: &str, v: [Option<i64>; 2]| {
        let what = format!("the same with two busy loops per core, {what} of {n}");
        Row::new(&what, Unit::Time, v, Budget::None)
    };
    vec![
        row("median", both(&garp, 50)),
        row("worst", both(&garp, 100)),
    ]
}

/// 255 virtual routers whose master dies; the delay of each.
pub(crate) fn together(b: &Bench) -> Vec<Row> {
    let (mut advert, mut garp) = ([vec![], vec![]], [vec![], vec![]]);
    let rounds = b.pick(4, 1);
    for _ in 0..rounds {
        for (d, daemon) in b.daemons.iter().enumerate() {
            let (mut a, mut g) = all_at_once(daemon);
            advert[d].append(&mut a);
            garp[d].append(&mut g);
        }
    }
    let row = |what: &str, v: [Option<i64>; 2], budget| {
        let what =
            format!("255 instances taking over together, excess to the {what} ({rounds} rounds)");
        Row::new(&what, Unit::Time, v, budget)
    };
    vec![
        row("first advert, p50", both(&advert, 50), Budget::AtMost(MS)),
        row(
            "first advert, worst",
            both(&advert, 100),
            Budget::AtMost(4 * MS),
        ),
        row("first gratuitous ARP, p50", both(&garp, 50), Budget::None),
        row(
            "first gratuitous ARP, worst",
            both(&garp, 100),
            Budget::None,
        ),
    ]
}

fn all_at_once(daemon: &Daemon) -> (Vec<Ns>, Vec<Ns>) {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let mut run_a = daemon.start(&a, &many(255, |i| i));
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
    let (mut adverts, mut garps) = (Vec::new(), Vec::new());
    for i in 1..=255 {
        let last = cap.adverts(&a, i, 0).last().expect("adverts before").0;
        let first = cap.adverts(&b, i, killed).first().expect("adverts after").0;
        adverts.push(first - last - down);
        let ip = vip(i).parse().expect("an address");
        garps.push(cap.announcements(&b, ip, killed)[0] - last - down);
    }
    (adverts, garps)
}
