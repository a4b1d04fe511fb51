//! Another program that removes what is ours again and again: repairs slow down, are logged with a
//! count, and the instance hands over when the fight is lost.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, cidr, engine, eth0, instance, policy, route, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{InstanceId, Instant, VrrpState};

const VIP: &str = "192.0.2.100/32";
const A: &str = "10.1.0.0/16";

fn state(engine: &Engine) -> VrrpState {
    engine.instances().next().expect("one").1
}

fn count(log: &[String], prefix: &str) -> usize {
    log.iter().filter(|line| line.starts_with(prefix)).count()
}

/// A master at 400 ms.
fn master(kernel: &mut Kernel, conf: VrrpInstance) -> Engine {
    let mut engine = engine(vec![conf]);
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(400));
    assert_eq!(state(&engine), VrrpState::Master);
    kernel.take_log();
    engine
}

/// Another program looks every `period` and calls `remove`. Returns when the instance stopped being
/// master.
fn fight(
    engine: &mut Engine,
    kernel: &mut Kernel,
    period: Duration,
    until: Instant,
    remove: impl Fn(&mut Kernel),
) -> Option<Instant> {
    let mut now = at(400);
    while now < until {
        remove(kernel);
        kernel.deliver(engine, now);
        now = now.after(period);
        run(engine, kernel, now);
        if state(engine) != VrrpState::Master {
            return Some(now);
        }
    }
    None
}

fn remove_vip(kernel: &mut Kernel) {
    if kernel.has(VIP) {
        kernel.remove(2, cidr(VIP));
    }
}

#[test]
fn instance_hands_over_when_its_vip_is_removed_again_and_again() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, instance(7, 100, &[VIP]));
    let step = Duration::from_millis(1);
    let lost = fight(&mut engine, &mut kernel, step, at(6_400), remove_vip);
    let lost = lost.expect("it hands over").since(at(400));
    assert!(lost < Duration::from_millis(1_400), "{lost:?}");
    let log = kernel.take_log();
    assert_eq!(count(&log, "add 2 192.0.2.100"), 8, "{log:?}");
    assert_eq!(count(&log, "advert 7 prio 0"), 1, "it resigns");
    let bursts = count(&log, "garp");
    assert!(bursts <= 5 * 5, "{bursts} announcements");
    assert_eq!(state(&engine), VrrpState::Fault);
    // Nothing is tried before the hold is over.
    run(&mut engine, &mut kernel, at(11_000));
    assert_eq!(state(&engine), VrrpState::Fault);
    assert_eq!(count(&kernel.take_log(), "add"), 0);
    run(&mut engine, &mut kernel, at(13_000));
    assert_eq!(state(&engine), VrrpState::Master);
    assert!(kernel.has(VIP));
}

#[test]
fn second_lost_fight_costs_a_longer_hold() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, instance(7, 100, &[VIP]));
    let mut masters = Vec::new();
    let mut now = at(400);
    while now < at(80_400) {
        remove_vip(&mut kernel);
        kernel.deliver(&mut engine, now);
        now = now.after(Duration::from_millis(1));
        let before = state(&engine);
        run(&mut engine, &mut kernel, now);
        if (before, state(&engine)) == (VrrpState::Backup, VrrpState::Master) {
            masters.push(now.since(at(400)).as_secs());
        }
    }
    assert_eq!(masters, [11, 33, 74], "after holds of 10, 20 and 40 s");
}

#[test]
fn vip_that_is_removed_again_after_a_while_is_back_at_once_each_time() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, instance(7, 100, &[VIP]));
    for nth in 0..2_000 {
        let now = at(500 + nth * 310);
        run(&mut engine, &mut kernel, now);
        kernel.remove(2, cidr(VIP));
        kernel.deliver(&mut engine, now);
        assert!(kernel.has(VIP), "at once, time {nth}");
    }
    assert_eq!(state(&engine), VrrpState::Master);
    let log = kernel.take_log();
    let bursts = count(&log, "garp");
    assert!(bursts < 100, "{bursts} announcements in ten minutes");
}

#[test]
fn no_track_address_is_no_reason_to_hand_over() {
    let mut kernel = eth0();
    let mut conf = instance(7, 100, &[VIP]);
    conf.vips[0].options.no_track = true;
    let mut engine = master(&mut kernel, conf);
    let step = Duration::from_millis(1);
    let lost = fight(&mut engine, &mut kernel, step, at(60_400), remove_vip);
    assert_eq!(lost, None);
    let repairs = count(&kernel.take_log(), "add");
    assert!((50..80).contains(&repairs), "one per second, but {repairs}");
}

#[test]
fn instance_hands_over_when_its_routes_or_rules_are_removed_again_and_again() {
    let step = Duration::from_millis(1);
    type Remove = fn(&mut Kernel);
    let removals: [Remove; 2] = [
        |kernel| {
            if !kernel.routes.is_empty() {
                kernel.remove_route(A);
            }
        },
        |kernel| {
            if !kernel.rules.is_empty() {
                kernel.remove_rule(100);
            }
        },
    ];
    for remove in removals {
        let mut kernel = eth0();
        let mut conf = instance(7, 100, &[VIP]);
        conf.routes = vec![route(A, Some("192.0.2.9"))];
        conf.rules = vec![policy("10.2.0.0/16", 100)];
        let mut engine = master(&mut kernel, conf);
        let lost = fight(&mut engine, &mut kernel, step, at(6_400), remove);
        let lost = lost.expect("it hands over").since(at(400));
        assert!(lost < Duration::from_millis(1_400), "{lost:?}");
        assert_eq!(state(&engine), VrrpState::Fault);
        run(&mut engine, &mut kernel, at(13_000));
        assert_eq!(state(&engine), VrrpState::Master);
        assert_eq!((kernel.routes.len(), kernel.rules.len()), (1, 1));
    }
}

#[test]
fn static_address_that_is_removed_again_and_again_is_missing_for_those_that_track_it() {
    const STATIC: &str = "198.51.100.7/32";
    let remove = |kernel: &mut Kernel| {
        if kernel.has(STATIC) {
            kernel.remove(2, cidr(STATIC));
        }
    };
    for tracked in [true, false] {
        let mut kernel = eth0();
        let mut address = crate::support::kernel::address(STATIC, "eth0");
        address.options.track_group = tracked.then_some(0);
        let config = Config {
            static_addresses: vec![address],
            track_groups: vec![vec![InstanceId(0)]],
            instances: vec![instance(7, 100, &[VIP])],
            ..Config::default()
        };
        let mut engine = Engine::new(config, Options::default());
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(400));
        kernel.take_log();
        let step = Duration::from_millis(1);
        let lost = fight(&mut engine, &mut kernel, step, at(10_400), remove);
        assert_eq!(lost.is_some(), tracked);
        let repairs = count(&kernel.take_log(), "add 2 198");
        assert!(repairs < 20, "{repairs} repairs in ten seconds");
    }
}
