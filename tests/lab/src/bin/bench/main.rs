//! `make bench`: vrrpd and Debian's keepalived alternately in the same namespaces.
//!
//! Every measurement alternates between both, run by run, so that other load on the machine affects
//! both alike. Times are the kernel's time stamps of packets; address events come from a netlink
//! socket. `QUICK=1` makes fewer and shorter runs. Arguments select measurements by part of their
//! name.

mod attack;
mod bulk;
mod control;
mod cost;
mod hostile;
mod limits;
mod load;
mod lvs;
mod reload;
mod report;
mod scripts;
mod stats;
mod takeover;
mod thousand;
mod timing;
mod together;

use std::cell::Cell;
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
    /// Runs without a result.
    failed: Cell<usize>,
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

    /// Measures both daemons alternately, so many times each; who is first alternates as well. A
    /// run that fails is left out.
    ///
    /// # Panics
    /// If more than half of the runs of a daemon fail.
    pub(crate) fn rounds<T>(&self, count: usize, f: impl Fn(&Daemon) -> T) -> [Vec<T>; 2] {
        let mut runs = [Vec::new(), Vec::new()];
        for round in 0..count {
            for who in [round % 2, 1 - round % 2] {
                let run = catch_unwind(AssertUnwindSafe(|| f(&self.daemons[who])));
                match run {
                    Ok(result) => runs[who].push(result),
                    Err(_) => self.failed.set(self.failed.get() + 1),
                }
            }
        }
        for (daemon, runs) in self.daemons.iter().zip(&runs) {
            let name = daemon.name();
            assert!(
                runs.len() * 2 >= count,
                "{name}: most of {count} runs failed"
            );
        }
        runs
    }
}

struct Measurement {
    /// In front of the name of each of its rows.
    name: &'static str,
    run: fn(&Bench) -> Vec<Row>,
}

const fn of(name: &'static str, run: fn(&Bench) -> Vec<Row>) -> Measurement {
    Measurement { name, run }
}

const ALL: &[Measurement] = &[
    of("takeover after kill -9", takeover::idle),
    of("takeover under 4 busy loops", takeover::loaded),
    of("255 instances taking over together", together::all),
    of("adverts every 1 s", timing::every_second),
    of("adverts every 100 ms", timing::every_100_ms),
    of("adverts every 10 ms", timing::every_10_ms),
    of("adverts every 10 ms under 4 busy loops", timing::loaded),
    of("start of 1 owner", bulk::start_one),
    of("start of 255 owners", bulk::start_all),
    of("memory of 1 instance", cost::memory_one),
    of("memory of 255 instances", cost::memory_all),
    of("CPU of 255 instances at 1 s", cost::all_slow),
    of("CPU of 10 instances at 10 ms", cost::ten_fast),
    of("CPU of 255 instances at 10 ms", cost::all_fast),
    of("1,000 addresses", thousand::addresses),
    of("address deleted externally", hostile::deleted),
    of("frozen, then continued", hostile::frozen),
    of("forged packets", hostile::forged),
    of("flood", attack::flood),
    of("hostile page", attack::page),
    of("reload of 250 instances", reload::addresses),
    of("reload of 255 instances at 100 ms", reload::adverts),
    of("100 scripts", scripts::hundred),
    of("status requests", control::status),
    of("10,000 real servers (guest)", lvs::servers),
    of("2,000 TCP checks (guest)", lvs::checks),
];

fn main() {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .map(|word| word.to_lowercase())
        .collect();
    let chosen: Vec<&Measurement> = ALL.iter().filter(|one| selected(one, &wanted)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = ALL.iter().map(|one| one.name).collect();
        eprintln!("bench: no such row; there are:\n  {}", names.join("\n  "));
        exit(1);
    }
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
        failed: Cell::new(0),
    };
    for d in &bench.daemons {
        if !d.available() {
            eprintln!("bench: {d:?} cannot be run");
            exit(1);
        }
    }
    exit(i32::from(!run(&bench, &chosen)));
}

/// Whether a measurement has one of these words in its name; all have if there is none.
fn selected(one: &Measurement, wanted: &[String]) -> bool {
    let name = one.name.to_lowercase();
    wanted.is_empty() || wanted.iter().any(|word| name.contains(word))
}

/// Measures and prints; returns whether everything was measured and all goals are met.
fn run(bench: &Bench, chosen: &[&Measurement]) -> bool {
    let begin = Instant::now();
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for one in chosen {
        let start = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| (one.run)(bench))) {
            Ok(more) => rows.extend(more.into_iter().map(|row| row.named(one.name))),
            Err(_) => missing.push(one.name),
        }
        eprintln!("bench: {}: {} s", one.name, start.elapsed().as_secs());
    }
    let names = [bench.daemons[0].name(), "keepalived"];
    println!("{}", report::table(&rows, names));
    println!("{}\n", method(bench, begin.elapsed().as_secs()));
    for name in &missing {
        println!("**{name}** could not be measured.");
    }
    let failed = bench.failed.get();
    if failed > 0 {
        println!("{failed} runs failed and are left out.");
    }
    print!("{}", report::summary(&rows));
    missing.is_empty() && failed == 0 && rows.iter().all(|row| row.met() != Some(false))
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
         same kind of network namespaces (veth legs on a bridge), with the same configuration. A number \
         is the median of all runs, or what its row says; p50, p99 and *worst of a run* are taken from each \
         run first. Packet times are the kernel's receive stamps on the switch; address times those of a \
         netlink listener. *Excess* is the time of the first advert (or gratuitous ARP) of the new master \
         minus the last advert of the old one minus the down interval of the protocol. Memory and CPU are \
         summed over all processes of a daemon (`smaps_rollup`, `schedstat`). Ratio: theirs divided by \
         ours; {}. Limit: a program that \
         does only this, with real-time priority where that is permitted.",
        if b.quick { " (quick)" } else { "" },
        report::level(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_selected_by_part_of_their_name() {
        let names = |words: &[&str]| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            let chosen = ALL.iter().filter(|one| selected(one, &words));
            chosen.map(|one| one.name).collect()
        };
        assert_eq!(names(&[]).len(), ALL.len());
        assert_eq!(names(&["memory of 1 "]), ["memory of 1 instance"]);
        assert_eq!(names(&["cpu"]).len(), 3);
        assert_eq!(names(&["adverts"]).len(), 4);
        assert_eq!(names(&["hostile page", "flood"]).len(), 2);
        assert!(names(&["nothing"]).is_empty());
    }

    #[test]
    fn rounds_alternate_and_leave_failed_runs_out() {
        let bench = Bench {
            daemons: [Daemon::Vrrpd("vrrpd".into()), Daemon::Keepalived],
            quick: false,
            failed: Cell::new(0),
        };
        let order = Cell::new(String::new());
        let runs = bench.rounds(3, |daemon| {
            let before = order.take();
            order.set(format!("{before}{} ", daemon.name()));
            assert!(before.len() > 5, "the first run fails");
            before.len()
        });
        let expected = "vrrpd keepalived keepalived vrrpd vrrpd keepalived ";
        assert_eq!(order.take(), expected);
        assert_eq!([runs[0].len(), runs[1].len()], [2, 3]);
        assert_eq!(bench.failed.get(), 1);
    }
}
