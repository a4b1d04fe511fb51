//! What others can make large: processes, addresses, FIFO lines.

use std::fs;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{
    Capture, Conf, Inst, Lab, MS, Node, Ns, noise, now, sleep_ms, wait_for, wait_until,
};

use crate::support::{INTERVAL, SOON, VIP, conf};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new(
        "adverts_are_on_time_while_60000_processes_are_counted",
        processes,
    )
    .exclusive("measures how late adverts are"),
    Test::new(
        "adverts_are_on_time_while_6000_addresses_come_and_go",
        addresses,
    )
    .exclusive("measures how late adverts are"),
    Test::new("lost_events_do_not_hide_that_a_link_is_up", lost_events),
];

/// How late an advert may be beyond the interval. The daemon works in slices of 1 ms; the rest is
/// for a machine that is busy without being late by a measurable time.
const LATE: Ns = 20 * MS;

/// Asserts that no two adverts of an instance of this router since `since` are further apart than
/// the interval and [`LATE`].
#[track_caller]
fn assert_on_time(cap: &Capture, node: &Node, vrid: u8, since: Ns, what: &str) {
    let adverts = cap.adverts(node, vrid, since);
    assert!(adverts.len() > 5, "{what}: {} adverts", adverts.len());
    let gaps = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let late = gaps.max().unwrap_or(0) - INTERVAL;
    let allowed = LATE + noise::since(since);
    assert!(
        late < allowed,
        "VRID {vrid}: an advert {} ms late {what}",
        late / MS
    );
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
    assert_on_time(&cap, &a, 51, since, "while processes are counted");
    Outcome::Passed
}

fn add_process(proc: &str, pid: u32, name: &str) {
    let dir = format!("{proc}/{pid}");
    fs::create_dir_all(&dir).expect("mkdir");
    fs::write(format!("{dir}/stat"), format!("{pid} ({name}) S 1")).expect("write");
}

// ---- addresses ----

const ADDRESSES: u32 = 6000;

/// A router becomes master with [`ADDRESSES`] excluded addresses, loses mastership to another one,
/// gets it back and is stopped. Another instance of it is master all the time.
fn addresses(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let address = |nth: u32| format!("10.1.{}.{}/32", nth / 250, nth % 250 + 1);
    let excluded: Vec<String> = (0..ADDRESSES).map(address).collect();
    let excluded = format!("virtual_ipaddress_excluded {{\n{}\n}}", excluded.join("\n"));
    let large = Inst::new(51, 200, "10.0.0.100/24").line(&excluded);
    let small = Inst::new(52, 200, "10.0.0.101/24");
    let mut run = ctx.daemon.start(&a, &Conf::of(&[large, small]));
    let count = || {
        // Listing takes the lock that changes need.
        sleep_ms(200);
        let addrs = a.addrs();
        addrs.iter().filter(|one| one.starts_with("10.1.")).count()
    };
    let all = usize::try_from(ADDRESSES).expect("a count");

    let since = run.started;
    wait_until(SOON, "all addresses are set", || count() == all);
    sleep_ms(500);
    assert_on_time(&cap, &a, 51, since, "becoming master");
    assert_on_time(&cap, &a, 52, since, "while the other becomes master");

    let since = now();
    let stronger = Inst::new(51, 250, "10.0.0.100/24");
    let run_b = ctx.daemon.start(&b, &Conf::of(&[stronger]));
    wait_until(SOON, "all addresses are removed", || count() == 0);
    sleep_ms(500);
    assert_on_time(&cap, &a, 52, since, "while the other becomes backup");

    drop(run_b);
    wait_until(SOON, "all addresses are set again", || count() == all);
    let at = run.term();
    for vrid in [51, 52] {
        let resigned = || {
            let adverts = cap.adverts(&a, vrid, at);
            let mut adverts = adverts.iter();
            adverts
                .find(|(_, one)| one.priority == 0)
                .map(|one| one.0 - at)
        };
        let after = wait_for(SOON, resigned).expect("an advert with priority 0");
        let allowed = INTERVAL + noise::since(at);
        assert!(
            after < allowed,
            "VRID {vrid} resigned after {} ms",
            after / MS
        );
    }
    assert!(run.wait_exit(SOON).is_some_and(|status| status.success()));
    assert_eq!(count(), 0, "no address is left");
    Outcome::Passed
}

// ---- lost events ----

/// A link goes down, another program's changes overflow the daemon's buffer, and the link comes up
/// again: the daemon has an old event that says "down", and none that says "up".
fn lost_events(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    a.ip("link add name dum0 type veth peer name dum1");
    a.ip("link set dum0 up");
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start(&a, &conf(200, &[]));
    wait_until(SOON, "master", || a.has(VIP));
    run.freeze();
    let is_up = || a.ip("-o link show dev eth0").contains("LOWER_UP");
    a.carrier_down();
    wait_until(SOON, "the link is down", || !is_up());
    let mut storm = String::new();
    for verb in ["add", "del"].repeat(4) {
        for n in 0..1000 {
            storm += &format!("addr {verb} 10.200.{}.{}/32 dev dum0\n", n / 250, n % 250);
        }
    }
    let overflowed = || {
        let text = a.inside(|| fs::read_to_string("/proc/thread-self/net/netlink"));
        let drops = |line: &str| line.split_whitespace().nth(8)?.parse::<u64>().ok();
        text.expect("sockets")
            .lines()
            .filter_map(drops)
            .any(|drops| drops > 0)
    };
    wait_until(SOON, "the buffer overflows", || {
        a.ip_batch(&storm);
        overflowed()
    });
    a.carrier_up();
    wait_until(SOON, "the link is up", is_up);
    run.thaw();
    wait_until(SOON, "the daemon notices", || {
        run.log().contains("events lost")
    });
    // The events that were in the buffer have been read by then.
    sleep_ms(500);
    cap.advert_of(&a, now(), SOON);
    Outcome::Passed
}
