//! What the daemon counts about itself, for metrics.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, cidr, engine, eth0, instance, route, run, start};
use vrrpd::ctl::Clock;
use vrrpd::engine::Engine;
use vrrpd::types::{DaemonCounters, Instant, KernelCounters};

const VIP: &str = "192.0.2.100/32";
const OTHER: &str = "192.0.2.101/32";
const ROUTE: &str = "10.1.0.0/16";

fn counters(engine: &Engine, now: Instant) -> DaemonCounters {
    let clock = Clock {
        now,
        wall: Duration::ZERO,
        utc_offset: 0,
    };
    *engine.snapshot(clock, None).counters
}

/// A master at 400 ms.
fn master(kernel: &mut Kernel) -> Engine {
    let mut conf = instance(7, 100, &[VIP, OTHER]);
    conf.routes = vec![route(ROUTE, None)];
    let mut engine = engine(vec![conf]);
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(400));
    engine
}

#[test]
fn repairs_and_refusals_are_counted() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    let before = counters(&engine, at(400));
    assert_eq!(before.started, at(0));
    assert_eq!(before.addresses, KernelCounters::default());
    assert_eq!(before.routes, KernelCounters::default());

    kernel.remove(2, cidr(VIP));
    kernel.remove(2, cidr(OTHER));
    kernel.remove_route(ROUTE);
    kernel.deliver(&mut engine, at(410));
    run(&mut engine, &mut kernel, at(450));
    let counted = counters(&engine, at(450));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    assert_eq!(counted.addresses.repaired, 2);
    assert_eq!(counted.routes.repaired, 1);
    assert_eq!(counted.addresses.refused, 0);

    kernel.reject_addr = Some((cidr(VIP).addr, 105, ""));
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(1_000));
    run(&mut engine, &mut kernel, at(1_050));
    let first = counters(&engine, at(1_050)).addresses.refused;
    assert!(first > 0, "the first attempt");
    run(&mut engine, &mut kernel, at(5_000));
    assert!(
        counters(&engine, at(5_000)).addresses.refused > first,
        "and the attempts after it"
    );
}

#[test]
fn lateness_of_adverts_is_counted() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    let before = counters(&engine, at(400)).lateness;
    assert_eq!(before.sum, Duration::ZERO, "virtual time is punctual");
    let due = engine.next_deadline().expect("the next advert");
    let late = Duration::from_millis(4);
    engine.expire(due.after(late), &mut kernel);
    let after = counters(&engine, due.after(late)).lateness;
    assert_eq!(after.sum, late);
    let bucket = 6; // up to 5 ms
    assert_eq!(after.counts[bucket], before.counts[bucket] + 1);
    assert_eq!(
        after.counts.iter().sum::<u64>(),
        before.counts.iter().sum::<u64>() + 1
    );
}

#[test]
fn the_state_of_the_configuration_is_kept() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    engine.config_applied(at(500), "vrrpd.conf", 2);
    engine.reload_refused(at(500), "it has an error");
    engine.reload_refused(at(500), "it has an error");
    let refused = counters(&engine, at(600)).config;
    assert!(refused.last_refused);
    assert_eq!((refused.errors, refused.refused_reloads), (2, 2));
    assert_eq!(refused.applied_at, at(500));
    engine.config_applied(at(700), "vrrpd.conf", 0);
    let applied = counters(&engine, at(700)).config;
    assert!(!applied.last_refused);
    assert_eq!((applied.errors, applied.refused_reloads), (0, 2));
    assert_eq!(applied.applied_at, at(700));
}
