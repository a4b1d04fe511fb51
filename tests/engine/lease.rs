//! `vip_lease` through the engine: what is asked of the kernel, and what an address that expired leads to.

use std::time::Duration;

use crate::support::kernel::{Kernel, cidr, engine, instance, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::Instant;

const VIP: &str = "192.0.2.100/32";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

fn eth0() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true)],
        &[(1, "127.0.0.1/8"), (2, "192.0.2.1/24")],
    )
}

fn leased(seconds: u64, vips: &[&str]) -> VrrpInstance {
    VrrpInstance {
        vip_lease: (seconds > 0).then(|| Duration::from_secs(seconds)),
        ..instance(7, 200, vips)
    }
}

/// What is not an advert.
fn deeds(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| !line.starts_with("advert"));
    log
}

/// A master at 500 ms; it became one at 322 ms.
fn master(conf: VrrpInstance) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    (engine, kernel)
}

#[test]
fn addresses_are_renewed_each_quarter_of_the_lease_and_nothing_else_happens() {
    let (mut engine, mut kernel) = master(leased(4, &[VIP, "192.0.2.101/32"]));
    let log = deeds(&mut kernel);
    assert!(
        log.contains(&"add 2 192.0.2.100/32 for 4".into()),
        "{log:?}"
    );
    run(&mut engine, &mut kernel, at(1_300));
    assert_eq!(deeds(&mut kernel), [""; 0], "not yet");
    run(&mut engine, &mut kernel, at(1_400));
    let renewal = [
        "renew 2 192.0.2.100/32 for 4",
        "renew 2 192.0.2.101/32 for 4",
    ];
    assert_eq!(deeds(&mut kernel), renewal);
    run(&mut engine, &mut kernel, at(10_400));
    let log = deeds(&mut kernel);
    assert_eq!(log.len(), 9 * 2, "{log:?}");
    assert!(log.iter().all(|line| line.starts_with("renew")), "{log:?}");
    engine.stop(at(10_500), &mut kernel);
    let log = deeds(&mut kernel);
    assert_eq!(log, ["del 2 192.0.2.100/32", "del 2 192.0.2.101/32"]);
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(deeds(&mut kernel), [""; 0], "no master, no lease");
}

#[test]
fn what_expired_during_a_standstill_is_put_back_and_announced() {
    let (mut engine, mut kernel) = master(leased(4, &[VIP]));
    deeds(&mut kernel);
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(6_000));
    engine.expire(at(6_000), &mut kernel);
    let log = deeds(&mut kernel);
    assert_eq!(
        log[..2],
        ["add 2 192.0.2.100/32 for 4", "garp 2 192.0.2.100"]
    );
    assert!(!log.iter().any(|line| line.starts_with("renew")), "{log:?}");
}

#[test]
fn a_renewal_that_comes_late_is_announced_for_it_may_have_been_an_addition() {
    for (late, announced) in [(2_900, false), (3_400, true)] {
        // An owner that seldom advertises: it has not missed an advert yet.
        let conf = VrrpInstance {
            priority: vrrpd::types::Priority(255),
            advert_int: vrrpd::types::Centis(1000),
            ..leased(4, &[VIP])
        };
        let (mut engine, mut kernel) = master(conf);
        deeds(&mut kernel);
        engine.expire(at(late), &mut kernel);
        engine.expire(at(late), &mut kernel);
        let log = deeds(&mut kernel);
        assert_eq!(log[0], "renew 2 192.0.2.100/32 for 4");
        assert_eq!(
            log.contains(&"garp 2 192.0.2.100".into()),
            announced,
            "{late}: {log:?}"
        );
    }
}

#[test]
fn many_addresses_are_renewed_16_at_a_time_so_that_adverts_go_out_in_between() {
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
fn a_reload_turns_leases_on_and_off_without_touching_the_addresses() {
    let (mut engine, mut kernel) = master(leased(0, &[VIP]));
    deeds(&mut kernel);
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
        let log = deeds(&mut kernel);
        let want: Vec<&str> = Some(want)
            .filter(|want| !want.is_empty())
            .into_iter()
            .collect();
        assert_eq!(log, want, "{seconds}");
        now += 100;
    }
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(deeds(&mut kernel), [""; 0]);
}

#[test]
fn an_owners_own_address_is_left_alone() {
    let mut kernel = eth0();
    kernel.add(2, "192.0.2.1/24");
    let conf = VrrpInstance {
        priority: vrrpd::types::Priority(255),
        ..leased(4, &["192.0.2.1/24", VIP])
    };
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(3_000));
    let log = deeds(&mut kernel);
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
fn an_address_that_was_there_before_gets_a_lifetime_too() {
    let mut kernel = eth0();
    let mut engine = engine(vec![leased(4, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.add(2, VIP);
    kernel.deliver(&mut engine, at(100));
    run(&mut engine, &mut kernel, at(500));
    let log = deeds(&mut kernel);
    assert!(
        log.contains(&"renew 2 192.0.2.100/32 for 4".into()),
        "{log:?}"
    );
}

#[test]
fn dont_release_vrrp_keeps_leased_addresses_for_good() {
    let mut kernel = eth0();
    let config = Config {
        instances: vec![leased(4, &[VIP])],
        ..Config::default()
    };
    let mut engine = Engine::new(
        config,
        Options {
            dont_release: true,
            ..Options::default()
        },
    );
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    kernel.take_log();
    engine.stop(at(600), &mut kernel);
    assert_eq!(deeds(&mut kernel), ["renew 2 192.0.2.100/32"]);
}

#[test]
fn a_preferred_lifetime_counts_down_under_the_lease() {
    let mut conf = leased(4, &[VIP, "192.0.2.101/32"]);
    conf.vips[0].preferred_lft = Some(0);
    conf.vips[1].preferred_lft = Some(6);
    let (mut engine, mut kernel) = master(conf);
    let log = deeds(&mut kernel);
    assert!(
        log.contains(&"add 2 192.0.2.100/32 for 4 preferred 0".into()),
        "{log:?}"
    );
    assert!(
        log.contains(&"add 2 192.0.2.101/32 for 4".into()),
        "{log:?}"
    );
    run(&mut engine, &mut kernel, at(8_500));
    let log = deeds(&mut kernel);
    let last = log.iter().rev().take(2);
    assert!(
        last.clone()
            .all(|line| line.ends_with(" for 4 preferred 0")),
        "{log:?}"
    );
    let third = "renew 2 192.0.2.101/32 for 4 preferred 3";
    assert!(log.contains(&third.into()), "{log:?}");
}
