//! How long adverts may stay unread.

use std::time::Duration;

use crate::support::kernel::{Kernel, advert, at, engine, eth0, instance, receive, run, start};
use vrrpd::engine::Engine;
use vrrpd::engine::system::{Listener, Protocol};
use vrrpd::types::{Family, IfIndex, Instant, ReadDelays};

const VIP: &str = "192.0.2.100/32";

fn socket(interface: u32) -> Listener {
    Listener {
        family: Family::V4,
        interface: Some(IfIndex(interface)),
        protocol: Protocol::Vrrp,
    }
}

/// Backups with these priorities, each of which has heard a master.
fn backups(priorities: &[u8]) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let vrids = || priorities.iter().zip(7..);
    let all = vrids().map(|(priority, vrid)| instance(vrid, *priority, &[VIP]));
    let mut engine = engine(all.collect());
    start(&mut engine, &mut kernel, at(0));
    for (_, vrid) in vrids() {
        let packet = advert(vrid, 254, "192.0.2.2", "224.0.0.18", &[VIP]);
        receive(&mut engine, &mut kernel, at(10), 2, &packet);
    }
    (engine, kernel)
}

#[test]
fn adverts_may_wait_for_less_than_the_shortest_skew_of_the_backups_on_a_socket() {
    let (engine, _) = backups(&[100, 128, 64]);
    let delay = |ms, interface| engine.read_delays(at(ms), socket(interface));
    // Half an interval of 100 ms is the Skew_Time of priority 128.
    let delays = delay(10, 2);
    assert_eq!(delays.resignation, Duration::from_micros(37_500));
    // Half of three and a half intervals.
    assert_eq!(delays.other, Duration::from_millis(175));
    assert_eq!(delay(10, 3), ReadDelays::NONE, "unknown");
}

#[test]
fn adverts_of_lower_priority_start_the_preempt_delay_in_time() {
    let mut kernel = eth0();
    let mut conf = instance(7, 100, &[VIP]);
    conf.preempt_delay = Duration::from_millis(50);
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    let packet = advert(7, 254, "192.0.2.2", "224.0.0.18", &[VIP]);
    receive(&mut engine, &mut kernel, at(10), 2, &packet);
    let delays = engine.read_delays(at(10), socket(2));
    assert_eq!(delays.other, Duration::from_millis(50));
}

#[test]
fn adverts_are_read_at_once_after_a_takeover() {
    let (engine, _) = backups(&[128, 100]);
    let takeover = engine.next_deadline().expect("of the first");
    let before = |span| Instant::from_nanos(takeover.as_nanos() - span);
    for span in [1_000, 250_000] {
        let delays = engine.read_delays(before(span), socket(2));
        assert_eq!(delays.other, Duration::from_nanos(span));
        assert_eq!(delays.resignation, Duration::from_nanos(span));
    }
    assert_eq!(engine.read_delays(takeover, socket(2)), ReadDelays::NONE);
}

#[test]
fn adverts_on_the_socket_of_a_master_are_read_at_once() {
    let (mut engine, mut kernel) = backups(&[100, 128]);
    let packet = advert(8, 0, "192.0.2.2", "224.0.0.18", &[VIP]);
    receive(&mut engine, &mut kernel, at(20), 2, &packet);
    let delays = engine.read_delays(at(20), socket(2));
    assert_eq!(delays.resignation, Duration::from_micros(37_500));
    run(&mut engine, &mut kernel, at(80));
    assert_eq!(engine.read_delays(at(80), socket(2)), ReadDelays::NONE);
}

#[test]
fn adverts_that_are_read_late_do_not_move_the_down_timer() {
    let last = advert(7, 254, "192.0.2.2", "224.0.0.18", &[VIP]);
    let takeover = |waits: Duration| {
        let (mut engine, mut kernel) = backups(&[200]);
        engine.expire(at(50).after(waits), &mut kernel);
        receive(&mut engine, &mut kernel, at(50), 2, &last);
        engine.next_deadline().expect("a down timer")
    };
    let (engine, _) = backups(&[200]);
    let delay = engine.read_delays(at(50), socket(2)).other;
    assert!(delay > Duration::from_millis(100));
    assert_eq!(takeover(delay), takeover(Duration::ZERO));
    assert!(takeover(delay) > at(50).after(delay));
}

#[test]
fn resignation_that_is_read_late_does_not_delay_the_takeover() {
    let resign = advert(7, 0, "192.0.2.2", "224.0.0.18", &[VIP]);
    let takeover = |waits: Duration| {
        let (mut engine, mut kernel) = backups(&[200]);
        engine.expire(at(20).after(waits), &mut kernel);
        receive(&mut engine, &mut kernel, at(20), 2, &resign);
        engine.next_deadline().expect("Skew_Time")
    };
    let (engine, _) = backups(&[200]);
    let delay = engine.read_delays(at(20), socket(2)).resignation;
    assert!(delay > Duration::from_millis(10));
    assert_eq!(takeover(delay), takeover(Duration::ZERO));
    assert!(takeover(delay) > at(20).after(delay));
}
