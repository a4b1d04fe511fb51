//! Reload and scripts.

use std::net::IpAddr;
use std::time::Duration;

use vrrpd_lab::kernel::Watch;
use vrrpd_lab::{Capture, Daemon, Inst, Lab, MS, Ns, now, sleep_ms, wait_until};

use crate::report::{Budget, Row, Unit};
use crate::{Bench, cost, many};

const SOON: Duration = Duration::from_secs(15);

// ---- reload ----

const INTERVAL: Ns = 100 * MS;

/// Effects of one reload of 255 masters.
struct Reload {
    /// From the signal to the new address.
    took: Ns,
    /// The longest gap between adverts of an instance, minus its interval.
    silence: Ns,
    /// Missing adverts.
    missed: i64,
}

pub(crate) fn reload(b: &Bench) -> Vec<Row> {
    let rounds = b.pick(5, 2);
    let mut all: [Vec<Reload>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        let [ours, theirs] = b.each(one_reload);
        all[0].push(ours);
        all[1].push(theirs);
    }
    let worst = |pick: fn(&Reload) -> i64| [0, 1].map(|who: usize| all[who].iter().map(pick).max());
    let row = |what, unit, values, budget| Row::new(what, unit, values, budget);
    vec![
        row(
            "reload of 255 instances: signal to new address, worst",
            Unit::Time,
            worst(|one| one.took),
            Budget::None,
        ),
        row(
            "reload of 255 instances: silence beyond the interval (0.1 s), worst",
            Unit::Time,
            worst(|one| one.silence),
            Budget::None,
        ),
        row(
            "reload of 255 instances: adverts missed",
            Unit::Count,
            worst(|one| one.missed),
            Budget::AtMost(0),
        ),
    ]
}

fn one_reload(daemon: &Daemon) -> Reload {
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
    let last = "10.1.0.255/32\n";
    assert!(conf.contains(last), "the last instance's address");
    let more = conf.replacen(last, "10.1.0.255/32\n        10.2.0.1/32\n", 1);
    std::fs::write(&run.conf_file, more).expect("writing the configuration");
    let at = run.signal(nix::sys::signal::Signal::SIGHUP);
    let new: IpAddr = "10.2.0.1".parse().expect("an address");
    let added = watch.added(new, at, SOON).expect("the new address");
    sleep_ms(1500);
    let mut reload = Reload {
        took: added - at,
        silence: 0,
        missed: 0,
    };
    for vrid in 1..=255 {
        let times: Vec<Ns> = cap.adverts(&a, vrid, begin).iter().map(|a| a.0).collect();
        assert!(times.len() > 10, "{} adverts of {vrid}", times.len());
        for gap in times.windows(2).map(|w| w[1] - w[0]) {
            reload.silence = reload.silence.max(gap - INTERVAL);
            reload.missed += (gap + INTERVAL / 2) / INTERVAL - 1;
        }
    }
    reload.missed = reload.missed.max(0);
    drop(run);
    reload
}

// ---- scripts ----

pub(crate) fn scripts(b: &Bench) -> Vec<Row> {
    let cpu = b.each(|d| hundred_scripts(d, b.pick(30_000, 8_000)));
    vec![Row::new(
        "100 scripts at 1 s: CPU of the daemon, its children excluded",
        Unit::Cpu,
        cpu.map(Some),
        Budget::OfTheirs(50),
    )]
}

fn hundred_scripts(daemon: &Daemon, ms: u64) -> i64 {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let names: Vec<String> = (0..100).map(|n| format!("chk{n}")).collect();
    let blocks = names.iter().map(|name| {
        format!("vrrp_script {name} {{\n    script /bin/true\n    interval 1\n    weight 1\n}}")
    });
    let tracked = format!(
        "track_script {{\n        {}\n    }}",
        names.join("\n        ")
    );
    let one = Inst::new(51, 100, "10.0.0.100/24").v2().line(&tracked);
    let conf = blocks.fold(vrrpd_lab::Conf::of(&[one]), |conf, text| conf.top(&text));
    let conf = conf.global("script_user root");
    let run = daemon.start(&a, &conf);
    wait_until(SOON, "it is master", || a.has("10.0.0.100"));
    sleep_ms(3000);
    cost::cpu_of(&[&run], ms).remove(0)
}
