//! Takeovers that are due at almost the same time.

use std::time::Duration;

use crate::support::kernel::{Kernel, advert, at, engine, eth0, instance, receive, run, start};
use vrrpd::engine::Engine;

/// Two backups whose masters have sent their last adverts at 10 ms, and this long after.
fn backups(gap: Duration) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let vips = ["192.0.2.107/32", "192.0.2.108/32"];
    let all = vips.iter().zip(7..);
    let all = all.map(|(vip, vrid)| instance(vrid, 100, &[vip]));
    let mut engine = engine(all.collect());
    start(&mut engine, &mut kernel, at(0));
    let mut last = at(10);
    for (vip, vrid) in vips.iter().zip(7..) {
        let packet = advert(vrid, 254, "192.0.2.2", "224.0.0.18", &[vip]);
        receive(&mut engine, &mut kernel, last, 2, &packet);
        last = last.after(gap);
    }
    kernel.take_log();
    (engine, kernel)
}

/// The adverts and addresses of both takeovers, in the order of the requests.
fn takeovers(gap: Duration) -> Vec<String> {
    let (mut engine, mut kernel) = backups(gap);
    run(&mut engine, &mut kernel, at(400));
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("advert") || line.starts_with("add"));
    log.truncate(4);
    log
}

#[test]
fn all_advertise_before_the_first_address_is_set() {
    let log = takeovers(Duration::from_micros(150));
    let all = [
        "advert 7 prio 100 to 224.0.0.18",
        "advert 8 prio 100 to 224.0.0.18",
        "add 2 192.0.2.107/32",
        "add 2 192.0.2.108/32",
    ];
    assert_eq!(log, all);
}

#[test]
fn all_owners_advertise_before_the_first_sets_its_address() {
    let mut kernel = eth0();
    let vips = ["192.0.2.107/32", "192.0.2.108/32"];
    let all = vips.iter().zip(7..);
    let all = all.map(|(vip, vrid)| instance(vrid, 255, &[vip]));
    let mut engine = engine(all.collect());
    start(&mut engine, &mut kernel, at(0));
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("advert") || line.starts_with("add"));
    let all = [
        "advert 7 prio 255 to 224.0.0.18",
        "advert 8 prio 255 to 224.0.0.18",
        "add 2 192.0.2.107/32",
        "add 2 192.0.2.108/32",
    ];
    assert_eq!(log, all);
}

#[test]
fn addresses_do_not_wait_for_later_takeovers() {
    let log = takeovers(Duration::from_millis(3));
    assert_eq!(log[1], "add 2 192.0.2.107/32");
}

#[test]
fn addresses_that_wait_are_set_when_the_other_takeover_is_canceled() {
    let (mut engine, mut kernel) = backups(Duration::from_micros(150));
    let due = engine.next_deadline().expect("a takeover");
    engine.expire(due, &mut kernel);
    assert_eq!(kernel.take_log(), ["advert 7 prio 100 to 224.0.0.18"]);
    let packet = advert(8, 254, "192.0.2.2", "224.0.0.18", &["192.0.2.108/32"]);
    receive(&mut engine, &mut kernel, due, 2, &packet);
    assert!(kernel.take_log().contains(&"add 2 192.0.2.107/32".into()));
}
