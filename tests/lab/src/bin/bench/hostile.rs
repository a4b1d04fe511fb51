//! Interference: deleted addresses, frozen processes, forged packets.

use std::time::Duration;

use vrrpd_lab::forge::{Stream, Target, all_kinds};
use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, now, process, sleep_ms, wait_until,
};

use crate::Bench;
use crate::report::{Goal, Row, Unit};
use crate::stats::{medians, worsts};

const SOON: Duration = Duration::from_secs(10);
const VIP: &str = "10.0.0.100";
const INTERVAL: Ns = 100 * MS;

pub(crate) struct Pair {
    a: Node,
    b: Node,
    pub(crate) run_a: Running,
    pub(crate) run_b: Running,
    cap: Capture,
    pub(crate) lab: Lab,
}

/// The usual pair: v3, an advert every 100 ms.
pub(crate) fn pair(daemon: &Daemon) -> Pair {
    pair_of(daemon, |priority| Inst::new(51, priority, "10.0.0.100/24"))
}

fn pair_of(daemon: &Daemon, inst: impl Fn(u8) -> Inst) -> Pair {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let run_a = daemon.start(&a, &Conf::of(&[inst(200)]));
    wait_until(SOON, "the stronger router is master", || a.has(VIP));
    let run_b = daemon.start(&b, &Conf::of(&[inst(100)]));
    sleep_ms(700);
    Pair {
        a,
        b,
        run_a,
        run_b,
        cap,
        lab,
    }
}

impl Pair {
    /// The longest gap between adverts of the master, minus the interval, and adverts of the
    /// backup, since.
    pub(crate) fn disturbance(&self, since: Ns) -> (Ns, i64) {
        let mut times: Vec<Ns> = self
            .cap
            .adverts(&self.a, 51, since)
            .iter()
            .map(|x| x.0)
            .collect();
        times.insert(0, since);
        times.push(now());
        let worst = times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let intruded = self.cap.adverts(&self.b, 51, since).len();
        (
            (worst - INTERVAL).max(0),
            i64::try_from(intruded).expect("few"),
        )
    }
}

/// From the removal to the return of the address, and whether mastership was given up. With VRRPv2
/// and one advert per second, the most common configuration.
pub(crate) fn deleted(b: &Bench) -> Vec<Row> {
    let n = b.pick(10, 3);
    let mut away = [vec![], vec![]];
    let mut resigned = [Some(0), Some(0)];
    let pairs = b.each(|d| pair_of(d, |p| Inst::new(51, p, "10.0.0.100/24").v2()));
    let begin = now();
    for _ in 0..n {
        for (d, p) in pairs.iter().enumerate() {
            let watch = Watch::start(&p.a);
            let since = now();
            p.a.addr_del("10.0.0.100/24");
            let ip = VIP.parse().expect("an address");
            let back = watch.added(ip, since, SOON).expect("the address returns");
            let gone = watch
                .since(since)
                .iter()
                .find(|e| !e.added)
                .expect("the removal")
                .at;
            away[d].push(back - gone);
            sleep_ms(300);
        }
    }
    for (d, p) in pairs.iter().enumerate() {
        let farewells = p
            .cap
            .adverts(&p.a, 51, begin)
            .iter()
            .filter(|x| x.1.priority == 0)
            .count();
        resigned[d] = i64::try_from(farewells).ok();
    }
    let what = |w: &str| format!("{w} of {n}");
    vec![
        Row::new(
            &what("absent for, median"),
            Unit::Time,
            medians(&away, |ns| *ns),
            Goal::None,
        ),
        Row::new(
            &what("absent for, worst"),
            Unit::Time,
            worsts(&away, |ns| *ns),
            Goal::AtMost(5 * MS),
        ),
        Row::new("resignations", Unit::Count, resigned, Goal::AtMost(0)),
    ]
}

/// A frozen master continues while another router is master: time until the weaker one is backup,
/// and how long both send adverts.
pub(crate) fn frozen(b: &Bench) -> Vec<Row> {
    let (n, ms) = b.pick((3, 5000), (1, 2000));
    let (mut wire, mut addr) = ([vec![], vec![]], [vec![], vec![]]);
    let pairs = b.each(pair);
    for _ in 0..n {
        for p in &pairs {
            p.run_a.freeze();
        }
        sleep_ms(ms);
        for (d, p) in pairs.iter().enumerate() {
            let watch = Watch::start(&p.b);
            let thawed = p.run_a.thaw();
            let (first, _) = p.cap.advert_of(&p.a, thawed, SOON);
            wait_until(SOON, "the weaker router becomes backup", || !p.b.has(VIP));
            sleep_ms(2500);
            let last = p.cap.adverts(&p.b, 51, first).last().map_or(first, |x| x.0);
            wire[d].push(last - first);
            let ip: std::net::IpAddr = VIP.parse().expect("an address");
            let gone = watch
                .since(thawed)
                .iter()
                .filter(|e| !e.added && e.addr == ip)
                .map(|e| e.at)
                .max();
            addr[d].push(gone.unwrap_or(thawed) - thawed);
        }
    }
    let name = |what: &str| format!("{what}, worst of {n} stops of {} s", ms / 1000);
    let two = Goal::AtMost(2 * MS);
    vec![
        Row::new(
            &name("two masters advertise for"),
            Unit::Time,
            worsts(&wire, |ns| *ns),
            two,
        ),
        Row::new(
            &name("address on two routers until"),
            Unit::Time,
            worsts(&addr, |ns| *ns),
            Goal::None,
        ),
    ]
}

/// Forged packets of every kind: first at a low rate, then as a flood.
pub(crate) fn forged(b: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, rate, ms) in [
        ("10 a second", 10, b.pick(6000, 1500)),
        ("10,000 a second", 10_000, b.pick(4000, 1500)),
    ] {
        let r = b.each(|d| one_attack(d, rate, ms));
        let row = |what: &str, unit, i: usize, budget| {
            Row::new(
                &format!("{name}, {what}"),
                unit,
                [Some(r[0][i]), Some(r[1][i])],
                budget,
            )
        };
        rows.push(row(
            "latest advert late by",
            Unit::Time,
            0,
            Goal::AtMost(2 * MS),
        ));
        rows.push(row(
            "adverts of the backup",
            Unit::Count,
            1,
            Goal::AtMost(0),
        ));
        rows.push(row("memory grew by", Unit::Kb, 2, Goal::AtMost(64)));
        rows.push(row("log written", Unit::Bytes, 3, Goal::AtMost(65_536)));
    }
    rows
}

fn one_attack(daemon: &Daemon, rate: u32, ms: u64) -> [i64; 4] {
    let p = pair(daemon);
    let attacker = p.lab.node("attacker", &["10.0.0.66/24"]);
    let ip = |a: &str| a.parse().expect("an address");
    let target = Target {
        from: ip("10.0.0.66"),
        master: ip("10.0.0.1"),
        vrid: 51,
        vip: ip(VIP),
        version: 3,
        password: None,
    };
    let frames = all_kinds(&target)
        .iter()
        .map(|(_, k)| k.frame(attacker.mac()))
        .collect();
    let pids = p.run_a.pids();
    sleep_ms(300);
    let (rss, logged) = (process::memory(&pids).rss, p.run_a.log_len());
    let since = now();
    let stream = Stream::start(&attacker, frames, rate);
    sleep_ms(ms);
    let (late, intruded) = p.disturbance(since);
    drop(stream);
    assert!(!p.run_b.pids().is_empty(), "the backup lives");
    let grown = process::memory(&pids).rss.saturating_sub(rss);
    let wrote = p.run_a.log_len() - logged;
    let n = |v: u64| i64::try_from(v).expect("not that large");
    [late, intruded, n(grown), n(wrote)]
}
