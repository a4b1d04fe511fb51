//! `make bench`: vrrpd and Debian's keepalived alternately in the same namespaces.
//!
//! Every measurement alternates between both, run by run, so that other load on the machine affects
//! both alike. Times are the kernel's time stamps of packets; address events come from a netlink
//! socket. `QUICK=1` makes fewer and shorter runs. Arguments select measurements by part of their
//! name.

mod around;
mod attack;
mod bulk;
mod control;
mod cost;
mod hostile;
mod report;
mod takeover;
mod timing;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, exit};
use std::time::Instant;

use report::Row;
use vrrpd_lab::{Conf, Daemon, Inst, private};

/// Parameters of a measurement.
pub(crate) struct Bench {
    /// vrrpd's, keepalived's.
    pub(crate) daemons: [Daemon; 2],
    pub(crate) quick: bool,
}

impl Bench {
    /// `full`, or `quick` under `QUICK=1`.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// Measures both daemons.
    pub(crate) fn each<T>(&self, mut f: impl FnMut(&Daemon) -> T) -> [T; 2] {
        [f(&self.daemons[0]), f(&self.daemons[1])]
    }
}

type Measurement = (&'static str, fn(&Bench) -> Vec<Row>);

const ALL: &[Measurement] = &[
    ("takeover", takeover::idle),
    ("takeover under load", takeover::loaded),
    ("takeover of 255", takeover::together),
    ("adverts", timing::adverts),
    ("start", bulk::start),
    ("memory", cost::memory),
    ("cpu", cost::cpu),
    ("thousand addresses", bulk::thousand),
    ("deleted address", hostile::deleted),
    ("frozen", hostile::frozen),
    ("forged", hostile::forged),
    ("flood", attack::flood),
    ("hostile page", attack::page),
    ("reload", around::reload),
    ("scripts", around::scripts),
    ("status", control::status),
];

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if private::enter().is_err() {
        eprintln!("bench: skipped; nothing was changed on this machine");
        exit(private::SKIP);
    }
    vrrpd_lab::plain_panics();
    let Some(ours) = Daemon::subject() else {
        eprintln!("bench: VRRPD_BIN is not set; run `make bench`");
        exit(1);
    };
    let quick = std::env::var("QUICK").is_ok_and(|q| !q.is_empty() && q != "0");
    let bench = Bench {
        daemons: [ours, Daemon::Keepalived],
        quick,
    };
    for d in &bench.daemons {
        if !d.available() {
            eprintln!("bench: {d:?} cannot be run");
            exit(1);
        }
    }

    let begin = Instant::now();
    let (mut rows, mut failed) = (Vec::new(), Vec::new());
    for (name, measure) in ALL {
        if !wanted.is_empty() && !wanted.iter().any(|w| name.contains(w.as_str())) {
            continue;
        }
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| measure(&bench))) {
            Ok(mut more) => rows.append(&mut more),
            Err(_) => failed.push(*name),
        }
        eprintln!("bench: {name}: {} s", start.elapsed().as_secs());
    }
    println!(
        "{}",
        report::table(&rows, [bench.daemons[0].name(), "keepalived"])
    );
    println!("{}", method(&bench, begin.elapsed().as_secs()));
    for name in &failed {
        println!("\n**{name}** could not be measured.");
    }
    let over = rows.iter().filter(|r| r.ok() == Some(false)).count();
    println!(
        "\n{} of {} budgets kept.",
        rows.iter().filter(|r| r.ok() == Some(true)).count(),
        { rows.iter().filter(|r| r.ok().is_some()).count() }
    );
    exit(i32::from(over > 0 || !failed.is_empty()));
}

fn method(b: &Bench, seconds: u64) -> String {
    let first_line = |cmd: &str, arg: &str| {
        let out = Command::new(cmd).arg(arg).output().ok()?;
        let text = [out.stdout, out.stderr].concat();
        String::from_utf8_lossy(&text)
            .lines()
            .next()
            .map(str::to_string)
    };
    let kernel = first_line("uname", "-sr").unwrap_or_default();
    let theirs = first_line("keepalived", "-v").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "Method: {kernel}, {cores} cores, {theirs}; {seconds} s in all{}. Both daemons run in turn, in the \
         same kind of network namespaces (veth legs on a bridge), with the same configuration. Packet \
         times are the kernel's receive stamps on the switch; address times those of a netlink listener. \
         *Excess* is the time of the first advert (or gratuitous ARP) of the new master minus the last \
         advert of the old one minus the down interval of the protocol. Memory and CPU are summed over \
         all processes of a daemon (`smaps_rollup`, `schedstat`). Ratio: theirs divided by ours.",
        if b.quick { " (quick)" } else { "" },
    )
}

/// `n` virtual routers 1…n with one address each.
pub(crate) fn many(n: u8, change: impl Fn(Inst) -> Inst) -> Conf {
    let all: Vec<Inst> = (1..=n)
        .map(|i| change(Inst::new(i, 200, &format!("10.1.0.{i}/32"))))
        .collect();
    Conf::of(&all)
}

/// The address of virtual router `i` of [`many`].
pub(crate) fn vip(i: u8) -> String {
    format!("10.1.0.{i}")
}
