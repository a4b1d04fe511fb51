//! `vip_lease`: renewals, and reactions to an expired address.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, cidr, engine, engine_with, eth0, instance, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};

const VIP: &str = "192.0.2.100/32";

fn leased(seconds: u64, vips: &[&str]) -> VrrpInstance {
    let mut conf = instance(7, 200, vips);
    conf.vip_lease = (seconds > 0).then(|| Duration::from_secs(seconds));
    conf
}

/// The log without adverts.
fn log_without_adverts(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| !line.starts_with("advert"));
    log
}

/// A master at 500 ms; it became master at 322 ms.
fn master(conf: VrrpInstance) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    (engine, kernel)
}

#[test]
fn vip_lease_is_renewed_every_quarter_of_its_time() {
    let (mut engine, mut kernel) = master(leased(4, &[VIP, "192.0.2.101/32"]));
    let log = log_without_adverts(&mut kernel);
    assert!(
        log.contains(&"add 2 192.0.2.100/32 for 4".into()),
        "{log:?}"
    );
    run(&mut engine, &mut kernel, at(1_300));
    assert_eq!(log_without_adverts(&mut kernel), [""; 0], "not yet");
    run(&mut engine, &mut kernel, at(1_400));
    let renewal = [
        "renew 2 192.0.2.100/32 for 4",
        "renew 2 192.0.2.101/32 for 4",
    ];
    assert_eq!(log_without_adverts(&mut kernel), renewal);
    run(&mut engine, &mut kernel, at(10_400));
    let log = log_without_adverts(&mut kernel);
    assert_eq!(log.len(), 9 * 2, "{log:?}");
    assert!(log.iter().all(|line| line.starts_with("renew")), "{log:?}");
    engine.stop(at(10_500), &mut kernel);
    let log = log_without_adverts(&mut kernel);
    assert_eq!(log, ["del 2 192.0.2.100/32", "del 2 192.0.2.101/32"]);
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(
        log_without_adverts(&mut kernel),
        [""; 0],
        "no master, no lease"
    );
}

#[test]
fn vip_expired_while_halted_is_reinstalled_and_announced() {
    let (mut engine, mut kernel) = master(leased(4, &[VIP]));
    log_without_adverts(&mut kernel);
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(6_000));
    engine.expire(at(6_000), &mut kernel);
    let log = log_without_adverts(&mut kernel);
    assert_eq!(
        log[..2],
        ["add 2 192.0.2.100/32 for 4", "garp 2 192.0.2.100"]
    );
    assert!(!log.iter().any(|line| line.starts_with("renew")), "{log:?}");
}

#[test]
fn late_vip_lease_renewal_sends_garp() {
    for (late, announced) in [(2_900, false), (3_400, true)] {
        // An address owner with a long advert interval has not missed an advert yet.
        let mut conf = leased(4, &[VIP]);
        conf.priority = vrrpd::types::Priority(255);
        conf.advert_int = vrrpd::types::Centis(1000);
        let (mut engine, mut kernel) = master(conf);
        log_without_adverts(&mut kernel);
        engine.expire(at(late), &mut kernel);
        engine.expire(at(late), &mut kernel);
        let log = log_without_adverts(&mut kernel);
        assert_eq!(log[0], "renew 2 192.0.2.100/32 for 4");
        assert_eq!(
            log.contains(&"garp 2 192.0.2.100".into()),
            announced,
            "{late}: {log:?}"
        );
    }
}

#[test]
fn vip_leases_are_renewed_in_slices_of_16_between_adverts() {
    let vips: Vec<String> = (0..40).map(|n| format!("10.0.0.{n}/32")).collect();
    let vips: Vec<&str> = vips.iter().map(String::as_str).collect();
    let (mut engine, mut kernel) = master(leased(4, &vips));
    run(&mut engine, &mut kernel, at(1_300));
    let mut counts = Vec::new();
    for ms in 1_330..1_335 {
        let before = kernel.renewals;
        engine.expire(at(ms), &mut kernel);
        counts.push(kernel.renewals - before);
    }
    assert_eq!(counts, [16, 16, 8, 0, 0]);
}

#[test]
fn reload_enables_and_disables_vip_lease_in_place() {
    let (mut engine, mut kernel) = master(leased(0, &[VIP]));
    log_without_adverts(&mut kernel);
    let mut now = 600;
    for (seconds, want) in [
        (0, ""),
        (8, "renew 2 192.0.2.100/32 for 8"),
        (2, "renew 2 192.0.2.100/32 for 2"),
        (9, "renew 2 192.0.2.100/32 for 9"),
        (0, "renew 2 192.0.2.100/32"),
    ] {
        let config = Config {
            instances: vec![leased(seconds, &[VIP])],
            ..Config::default()
        };
        engine.reload(at(now), config, &mut kernel);
        kernel.deliver(&mut engine, at(now));
        run(&mut engine, &mut kernel, at(now + 10));
        let log = log_without_adverts(&mut kernel);
        let want: Vec<&str> = Some(want)
            .filter(|want| !want.is_empty())
            .into_iter()
            .collect();
        assert_eq!(log, want, "{seconds}");
        now += 100;
    }
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(log_without_adverts(&mut kernel), [""; 0]);
}

#[test]
fn vip_lease_leaves_the_address_of_an_owner_alone() {
    let mut kernel = eth0();
    kernel.add(2, "192.0.2.1/24");
    let conf = VrrpInstance {
        priority: vrrpd::types::Priority(255),
        ..leased(4, &["192.0.2.1/24", VIP])
    };
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(3_000));
    let log = log_without_adverts(&mut kernel);
    let renewed: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("renew"))
        .collect();
    assert!(renewed.len() >= 2, "{log:?}");
    assert!(
        renewed.iter().all(|line| line.contains("192.0.2.100")),
        "{log:?}"
    );
}

#[test]
fn vip_lease_also_applies_to_a_vip_that_was_left_over() {
    let mut kernel = eth0();
    let mut engine = engine(vec![leased(4, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.leave(2, VIP);
    kernel.deliver(&mut engine, at(100));
    run(&mut engine, &mut kernel, at(500));
    let log = log_without_adverts(&mut kernel);
    assert!(
        log.contains(&"renew 2 192.0.2.100/32 for 4".into()),
        "{log:?}"
    );
}

#[test]
fn dont_release_vrrp_makes_leased_vips_permanent_on_stop() {
    let mut kernel = eth0();
    let options = Options {
        dont_release: true,
        ..Options::default()
    };
    let mut engine = engine_with(vec![leased(4, &[VIP])], options);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    kernel.take_log();
    engine.stop(at(600), &mut kernel);
    assert_eq!(log_without_adverts(&mut kernel), ["renew 2 192.0.2.100/32"]);
}

#[test]
fn preferred_lft_counts_down_under_vip_lease() {
    let mut conf = leased(4, &[VIP, "192.0.2.101/32"]);
    conf.vips[0].preferred_lft = Some(0);
    conf.vips[1].preferred_lft = Some(6);
    let (mut engine, mut kernel) = master(conf);
    let log = log_without_adverts(&mut kernel);
    assert!(
        log.contains(&"add 2 192.0.2.100/32 for 4 preferred 0".into()),
        "{log:?}"
    );
    assert!(
        log.contains(&"add 2 192.0.2.101/32 for 4".into()),
        "{log:?}"
    );
    run(&mut engine, &mut kernel, at(8_500));
    let log = log_without_adverts(&mut kernel);
    let last = log.iter().rev().take(2);
    assert!(
        last.clone()
            .all(|line| line.ends_with(" for 4 preferred 0")),
        "{log:?}"
    );
    let third = "renew 2 192.0.2.101/32 for 4 preferred 3";
    assert!(log.contains(&third.into()), "{log:?}");
}
