//! Tracked scripts.

use std::time::Duration;

use vrrpd_lab::{Conf, Daemon, Inst, Lab, sleep_ms, wait_until};

use crate::report::{Goal, Row, Unit};
use crate::stats::medians;
use crate::{Bench, cost};

const SOON: Duration = Duration::from_secs(15);

pub(crate) fn hundred(b: &Bench) -> Vec<Row> {
    let ms = b.pick(3_500, 2_500);
    let runs = b.rounds(b.pick(5, 1), |daemon| measure(daemon, ms));
    vec![Row::new(
        "CPU of the daemon with each of them once a second, its children excluded",
        Unit::Cpu,
        medians(&runs, |cpu| *cpu),
        Goal::OfTheirs(50),
    )]
}

fn measure(daemon: &Daemon, ms: u64) -> i64 {
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
    let one = Inst::new(51, 100, "10.0.0.100/24")
        .advert("0.1")
        .line(&tracked);
    let conf = blocks.fold(Conf::of(&[one]), |conf, text| conf.top(&text));
    let conf = conf.global("script_user root");
    let run = daemon.start(&a, &conf);
    wait_until(SOON, "it is master", || a.has("10.0.0.100"));
    sleep_ms(1500);
    cost::cpu_of(&[&run], ms).remove(0)
}
