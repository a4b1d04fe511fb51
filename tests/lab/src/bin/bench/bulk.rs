//! Startup, and many addresses.

use std::fmt::Write;
use std::time::Duration;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Ns, wait_until};

use crate::report::{Budget, Row, Unit, both};
use crate::{Bench, many};

const SOON: Duration = Duration::from_secs(10);

/// From just before exec to the first advert of an owner.
pub(crate) fn start(b: &Bench) -> Vec<Row> {
    let n = b.pick(15, 5);
    let mut rows = Vec::new();
    for (count, budget) in [(1, 3 * MS), (255, 12 * MS)] {
        let (mut first, mut all) = ([vec![], vec![]], [vec![], vec![]]);
        for _ in 0..n {
            for (d, daemon) in b.daemons.iter().enumerate() {
                let (f, a) = one_start(daemon, count);
                first[d].push(f);
                all[d].push(a);
            }
        }
        let what = format!("start of {count} owner(s): exec to first advert, median of {n}");
        rows.push(Row::new(
            &what,
            Unit::Time,
            both(&first, 50),
            Budget::AtMost(budget),
        ));
        if count > 1 {
            let what =
                format!("start of {count} owners: exec to the last one's first advert, median");
            rows.push(Row::new(&what, Unit::Time, both(&all, 50), Budget::None));
        }
    }
    rows
}

/// First advert of the first, and of the last, virtual router.
fn one_start(daemon: &Daemon, count: u8) -> (Ns, Ns) {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let conf = many(count, |i| i.master().priority(255).advert("1"));
    let run = daemon.start(&a, &conf);
    let mut firsts = Vec::new();
    wait_until(SOON, "every virtual router advertises", || {
        let mut seen = [0; 256];
        for (at, advert) in cap.adverts(&a, 0, 0) {
            let slot = &mut seen[usize::from(advert.vrid)];
            if *slot == 0 {
                *slot = at;
            }
        }
        firsts = seen.into_iter().filter(|t| *t != 0).collect();
        firsts.len() == usize::from(count)
    });
    firsts.sort_unstable();
    (
        firsts[0] - run.started,
        firsts[firsts.len() - 1] - run.started,
    )
}

/// From the first advert as master to the last of a thousand addresses.
pub(crate) fn thousand(b: &Bench) -> Vec<Row> {
    let n = b.pick(7, 3);
    let mut block = String::from("virtual_ipaddress_excluded {\n");
    for i in 0..999 {
        let _ = writeln!(block, "        10.77.{}.{}/32", i / 250, i % 250 + 1);
    }
    block.push_str("    }");
    let conf = Conf::of(&[Inst::new(51, 200, "10.0.0.100/24").line(&block)]);
    let mut took = [vec![], vec![]];
    for _ in 0..n {
        for (d, daemon) in b.daemons.iter().enumerate() {
            let lab = Lab::new();
            let a = lab.node("r1", &["10.0.0.1/24"]);
            let (cap, watch) = (Capture::start(&lab), Watch::start(&a));
            let run = daemon.start(&a, &conf);
            let (master, _) = cap.advert_of(&a, run.started, SOON);
            wait_until(SOON, "1,000 addresses", || {
                watch
                    .since(master - 50 * MS)
                    .iter()
                    .filter(|e| e.added)
                    .count()
                    >= 1000
            });
            let last = watch
                .since(0)
                .iter()
                .filter(|e| e.added)
                .map(|e| e.at)
                .max();
            took[d].push(last.expect("addresses") - master);
        }
    }
    let row = |what: &str, v, budget| {
        let what = format!("1,000 addresses: first advert to last address set, {what} of {n}");
        Row::new(&what, Unit::Time, v, budget)
    };
    vec![
        row("median", both(&took, 50), Budget::AtMost(12 * MS)),
        row("worst", both(&took, 100), Budget::None),
    ]
}
