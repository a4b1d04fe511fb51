//! What others can make large: processes, addresses, FIFO lines.

use std::fs;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Lab, MS, Node, Ns, noise, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, conf};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "adverts_are_on_time_while_60000_processes_are_counted",
    processes,
)
.exclusive("measures how late adverts are")];

/// How late an advert may be beyond the interval. The daemon works in slices of 1 ms; the rest is
/// for a machine that is busy without being late by a measurable time.
const LATE: Ns = 20 * MS;

/// Asserts that no two adverts of VRID 51 from this router since `since` are further apart than the
/// interval and [`LATE`].
#[track_caller]
fn assert_on_time(cap: &Capture, node: &Node, since: Ns, what: &str) {
    let adverts = cap.adverts(node, 51, since);
    assert!(adverts.len() > 5, "{what}: {} adverts", adverts.len());
    let gaps = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let late = gaps.max().unwrap_or(0) - INTERVAL;
    let allowed = LATE + noise::since(since);
    assert!(late < allowed, "an advert {} ms late {what}", late / MS);
}

// ---- processes ----

const PROCESSES: u32 = 60_000;

/// The daemon runs with a /proc of its own that has [`PROCESSES`] idle processes, and its priority
/// follows one that starts.
fn processes(ctx: &Ctx) -> Outcome {
    let proc = format!("{DIR}/proc");
    (1..=PROCESSES).for_each(|pid| add_process(&proc, pid, "idle"));
    let tracked = conf(100, &["track_process {\n        other\n    }"])
        .top("vrrp_track_process other {\n    process other\n    weight 10\n}");
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let world = format!("mount --bind {proc} /proc && exec \"$@\"");
    let prefix = ["unshare", "-m", "sh", "-c", &world, "sh"];
    let _run = ctx.daemon.start_text(&a, &tracked.text(), &prefix);
    let priority = |want: u8, since| {
        wait_until(SOON, &format!("priority {want}"), || {
            let all = cap.adverts(&a, 51, since);
            all.iter().any(|(_, one)| one.priority == want)
        });
    };
    priority(100, 0);
    let since = now();
    add_process(&proc, PROCESSES + 1, "other");
    priority(110, since);
    sleep_ms(2000);
    assert_on_time(&cap, &a, since, "while processes are counted");
    Outcome::Passed
}

fn add_process(proc: &str, pid: u32, name: &str) {
    let dir = format!("{proc}/{pid}");
    fs::create_dir_all(&dir).expect("mkdir");
    fs::write(format!("{dir}/stat"), format!("{pid} ({name}) S 1")).expect("write");
}
