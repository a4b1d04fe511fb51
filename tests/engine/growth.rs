//! Thousands of addresses and routes: adverts are on time while they are installed and removed, and
//! whatever happens meanwhile, the latest state wins.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, address, advert, at, eth0, instance, receive, route, run, start,
};
use vrrpd::config::model::{Config, Fifo, User, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::Instant;

const VIP: &str = "192.0.2.100/32";
/// Excluded addresses of the large instance.
const MANY: usize = 1000;
/// How late an advert may be: one request.
const LATE: Duration = Duration::from_micros(1000);
const INTERVAL: Duration = Duration::from_millis(100);

fn nth(nth: usize) -> String {
    format!("198.51.{}.{}/32", 100 + nth / 250, nth % 250)
}

/// VRID 7 with many addresses, and VRID 8 with one.
fn config(excluded: usize) -> Config {
    let large = VrrpInstance {
        excluded_vips: (0..excluded).map(|n| address(&nth(n), "eth0")).collect(),
        ..instance(7, 100, &[VIP])
    };
    let mut config = Config {
        instances: vec![large, instance(8, 100, &["192.0.2.101/32"])],
        ..Config::default()
    };
    config.global.notify_fifo = Some(Fifo {
        path: "/run/fifo".into(),
        user: User { uid: 0, gid: 0 },
        script: None,
    });
    config
}

/// A router in the middle of its takeover, at 700 ms: each request takes a millisecond.
fn taking_over() -> (Engine, Kernel) {
    let mut kernel = eth0();
    kernel.request_delay = Duration::from_millis(1);
    let mut engine = Engine::new(config(MANY), Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(700));
    let set = kernel.addrs.len();
    assert!((100..500).contains(&set), "{set} addresses at 700 ms");
    (engine, kernel)
}

fn count(kernel: &Kernel) -> usize {
    let excluded = |addr: &&crate::support::kernel::FakeAddr| {
        addr.cidr.addr.to_string().starts_with("198.51.")
    };
    kernel.addrs.iter().filter(excluded).count()
}

/// Adverts of a VRID since `since` were on time until `end`.
#[track_caller]
fn assert_on_time(kernel: &Kernel, vrid: u8, since: Instant, end: Instant) {
    let of_vrid = kernel
        .sent
        .iter()
        .filter(|one| one.1 == vrid && one.0 >= since);
    let times: Vec<Instant> = of_vrid.map(|one| one.0).collect();
    assert!(times.len() > 1, "VRID {vrid}: {} adverts", times.len());
    for pair in times.windows(2) {
        let gap = pair[1].since(pair[0]);
        assert!(gap <= INTERVAL + LATE, "VRID {vrid}: {gap:?}");
    }
    let last = *times.last().expect("adverts");
    assert!(
        end.since(last) <= INTERVAL + LATE,
        "VRID {vrid}: at the end"
    );
}

fn position(log: &[String], line: &str) -> usize {
    let found = log.iter().position(|one| one == line);
    found.unwrap_or_else(|| panic!("no {line}"))
}

const MASTER: &str = "fifo /run/fifo INSTANCE \"VI_7\" MASTER 100";
const BACKUP: &str = "fifo /run/fifo INSTANCE \"VI_7\" BACKUP 100";
const OTHER: &str = "fifo /run/fifo INSTANCE \"VI_8\" MASTER 100";

#[test]
fn takeover_with_many_addresses_delays_no_advert() {
    let (mut engine, mut kernel) = taking_over();
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(count(&kernel), MANY);
    assert_on_time(&kernel, 7, at(0), at(3000));
    assert_on_time(&kernel, 8, at(0), at(3000));
    let log = kernel.take_log();
    let last = position(&log, &format!("add 2 {}", nth(MANY - 1)));
    assert!(
        position(&log, "advert 7 prio 100 to 224.0.0.18") < position(&log, "add 2 192.0.2.100/32")
    );
    assert!(
        position(&log, "garp 2 192.0.2.100") < last,
        "announced as they are installed"
    );
    assert!(position(&log, OTHER) < last, "the other one did not wait");
    assert!(
        last < position(&log, MASTER),
        "notified when all are installed"
    );
    for n in 0..MANY {
        let one = nth(n).replace("/32", "");
        let garps = log
            .iter()
            .filter(|line| **line == format!("garp 2 {one}"))
            .count();
        assert_eq!(garps, 1, "{one}");
        assert!(
            position(&log, &format!("add 2 {one}/32")) < position(&log, &format!("garp 2 {one}"))
        );
    }
}

#[test]
fn mastership_lost_while_addresses_are_installed_removes_them_again() {
    let (mut engine, mut kernel) = taking_over();
    let stronger = advert(7, 200, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    let mut now = at(701);
    while now < at(2500) {
        receive(&mut engine, &mut kernel, now, 2, &stronger);
        run(&mut engine, &mut kernel, now.after(INTERVAL));
        now = now.after(INTERVAL);
    }
    assert_eq!(count(&kernel), 0);
    assert!(!kernel.has(VIP));
    assert_on_time(&kernel, 8, at(0), at(2500));
    let log = kernel.take_log();
    let removed = position(&log, "del 2 192.0.2.100/32");
    assert!(
        removed < position(&log, MASTER),
        "in order, when the kernel is as it should be"
    );
    let others = log.iter().position(|one| one.starts_with("del 2 198.51."));
    assert!(Some(removed) < others, "the virtual address leaves first");
    let backup = log.iter().rposition(|one| one == BACKUP);
    assert!(position(&log, MASTER) < backup.expect("notified"));
    run(&mut engine, &mut kernel, at(5000));
    assert_eq!(count(&kernel), MANY, "and master again");
    assert!(kernel.take_log().contains(&MASTER.to_owned()));
}

#[test]
fn reload_while_addresses_are_installed_leaves_those_of_the_new_configuration() {
    let (mut engine, mut kernel) = taking_over();
    engine.reload(at(701), config(MANY / 2), &mut kernel);
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(count(&kernel), MANY / 2);
    assert!(kernel.has(&nth(MANY / 2 - 1)) && kernel.has(VIP));
}

#[test]
fn reload_that_removes_many_addresses_delays_no_advert() {
    for instances in [2, 1] {
        let (mut engine, mut kernel) = taking_over();
        run(&mut engine, &mut kernel, at(3000));
        assert_eq!(count(&kernel), MANY);
        let mut new = config(0);
        // The other one gets an address, or stays alone.
        new.instances[1].vips.push(address(&nth(7), "eth0"));
        let removed = new.instances.len() - instances;
        new.instances.drain(..removed);
        engine.reload(at(3001), new, &mut kernel);
        run(&mut engine, &mut kernel, at(5000));
        assert_eq!(count(&kernel), 1);
        assert!(kernel.has(&nth(7)), "moved");
        assert_eq!(kernel.has(VIP), instances == 2);
        assert_on_time(&kernel, 8, at(3000), at(5000));
    }
}

#[test]
fn stop_while_addresses_are_installed_resigns_first_and_leaves_nothing() {
    let (mut engine, mut kernel) = taking_over();
    kernel.take_log();
    engine.stop(at(701), &mut kernel);
    let log = kernel.take_log();
    let first = log.iter().position(|line| line.starts_with("del"));
    let first = first.expect("a removal");
    for vrid in [7, 8] {
        let resigns = position(&log, &format!("advert {vrid} prio 0 to 224.0.0.18"));
        assert!(resigns < first, "VRID {vrid}");
    }
    assert!(
        log.iter()
            .any(|line| line.contains("VI_7") && line.contains("STOP")),
        "{log:?}"
    );
    assert_eq!(count(&kernel), 0);
    assert!(!kernel.has(VIP));
}

#[test]
fn lost_events_and_refusals_while_addresses_are_installed_are_repaired() {
    let (mut engine, mut kernel) = taking_over();
    let gone = [nth(3), nth(150)];
    for one in &gone {
        assert!(kernel.has(one));
        kernel.remove(2, crate::support::kernel::cidr(one));
    }
    kernel.reject_addr = Some((
        nth(900).replace("/32", "").parse().expect("an address"),
        105,
        "",
    ));
    kernel.lose_events();
    engine
        .resync(at(701), &mut kernel)
        .expect("the fake kernel answers");
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(count(&kernel), MANY - 1, "one is refused");
    kernel.reject_addr = None;
    run(&mut engine, &mut kernel, at(8000));
    assert_eq!(count(&kernel), MANY);
    assert_on_time(&kernel, 7, at(0), at(8000));
}

#[test]
fn many_routes_delay_no_advert() {
    let mut kernel = eth0();
    kernel.request_delay = Duration::from_millis(1);
    let mut config = config(0);
    let to = |n: usize| route(&format!("10.{}.{}.0/24", n / 250, n % 250), None);
    config.instances[0].routes = (0..MANY).map(to).collect();
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    let since = kernel.sent.len();
    assert_eq!(since, 0);
    run(&mut engine, &mut kernel, at(3000));
    assert_eq!(kernel.routes.len(), MANY);
    for vrid in [7, 8] {
        assert_on_time(&kernel, vrid, at(0), at(3000));
    }
    let log = kernel.take_log();
    let last = log.iter().rposition(|line| line.starts_with("add route"));
    assert!(last.expect("routes") < position(&log, MASTER));
    let stronger = advert(7, 200, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    let mut now = at(3001);
    while now < at(5000) {
        receive(&mut engine, &mut kernel, now, 2, &stronger);
        run(&mut engine, &mut kernel, now.after(INTERVAL));
        now = now.after(INTERVAL);
    }
    assert_eq!(kernel.routes.len(), 0);
    assert_on_time(&kernel, 8, at(0), at(5000));
}

#[test]
fn announcements_of_many_addresses_take_many_turns() {
    let mut kernel = eth0();
    let mut engine = Engine::new(config(MANY), Options::default());
    start(&mut engine, &mut kernel, at(0));
    let (mut most, mut now) = (0, at(0));
    while now < at(8000) {
        let before = kernel.frames;
        if !engine.has_more() {
            now = engine.next_deadline().expect("adverts").max(now);
        }
        engine.expire(now, &mut kernel);
        most = most.max(kernel.frames - before);
        kernel.deliver(&mut engine, now);
    }
    assert!(kernel.frames > MANY, "{} announced", kernel.frames);
    assert!(most <= 256, "{most} in one turn, of two instances");
}

/// 255 instances take over together, on a machine that sends 10,000 frames per second: the first
/// rounds of all of them take half a second.
#[test]
fn announcements_of_many_instances_delay_no_advert() {
    const ADDRESSES: usize = 20;
    let one = |vrid: u8| {
        let vip = |nth| format!("10.0.{vrid}.{nth}/32");
        let vips: Vec<String> = (0..ADDRESSES).map(vip).collect();
        let vips: Vec<&str> = vips.iter().map(String::as_str).collect();
        let mut conf = instance(vrid, 100, &vips);
        conf.garp.repeat = 5;
        conf
    };
    let config = Config {
        instances: (1..=255).map(one).collect(),
        ..Config::default()
    };
    let mut kernel = eth0();
    kernel.frame_delay = Duration::from_micros(100);
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(8000));
    let log = kernel.take_log();
    let frames = log.iter().filter(|line| line.starts_with("garp")).count();
    assert_eq!(frames, 255 * ADDRESSES * 5, "five rounds");
    let mut last = [None; 256];
    let mut longest = Duration::ZERO;
    for (now, vrid, _) in &kernel.sent {
        if let Some(before) = last[usize::from(*vrid)].replace(*now) {
            longest = longest.max(now.since(before));
        }
    }
    // A slice, and one instance.
    let limit = INTERVAL + 5 * LATE;
    assert!(longest < limit, "{longest:?} between two adverts");
}
