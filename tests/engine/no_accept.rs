//! The engine and the packet filter, against a kernel made of tables: when it is there, and what becomes of
//! it when others meddle.

use crate::support::kernel::{Kernel, engine, instance, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::Instant;

const VIP: &str = "192.0.2.100/32";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

fn eth0() -> Kernel {
    Kernel::with(&[(2, "eth0", true)], &[(2, "192.0.2.1/24")])
}

fn silent(vips: &[&str]) -> VrrpInstance {
    VrrpInstance {
        accept: false,
        ..instance(7, 100, vips)
    }
}

#[test]
fn the_filter_stands_before_the_addresses_and_goes_after_them() {
    let mut kernel = eth0();
    let mut engine = engine(vec![silent(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.ruleset, Some(1), "before anybody is master");
    kernel.take_log();
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        kernel.take_log()[..3],
        [
            "advert 7 prio 100 to 224.0.0.18",
            "filter of 2 additions",
            "add 2 192.0.2.100/32",
        ]
    );
    engine.stop(at(450), &mut kernel);
    let log = kernel.take_log();
    assert_eq!(log[log.len() - 2..], ["del 2 192.0.2.100/32", "no filter"]);
}

#[test]
fn nobody_asks_for_a_filter_that_is_not_needed() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    engine.stop(at(450), &mut kernel);
    let asked = |line: &String| line.contains("filter");
    assert!(!kernel.take_log().iter().any(asked));
}

#[test]
fn a_filter_that_others_removed_is_made_again_before_the_addresses_are_set() {
    let mut kernel = eth0();
    let mut engine = engine(vec![silent(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.ruleset = None;
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(kernel.ruleset, Some(1));
    assert!(kernel.has(VIP));
}

#[test]
fn what_a_killed_daemon_left_behind_is_removed_even_if_no_filter_is_wanted_now() {
    let mut kernel = eth0();
    kernel.add(2, VIP);
    kernel.ruleset = Some(1);
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.ruleset, None);
}

#[test]
fn a_filter_left_behind_without_addresses_is_removed_too() {
    for (loaded, copies, left) in [
        (true, false, false),
        (false, false, true),
        (true, true, true),
    ] {
        let mut kernel = eth0();
        kernel.ruleset = Some(1);
        if loaded {
            let path = "/sys/module/nf_tables/initstate".to_owned();
            kernel.files.insert(path, b"live\n".to_vec());
        }
        let mut config = Config {
            instances: vec![instance(7, 100, &[VIP])],
            ..Config::default()
        };
        // One of several may be somebody else's.
        config.global.instance = copies.then(|| "two".to_owned());
        let mut engine = Engine::new(config, Options::default());
        start(&mut engine, &mut kernel, at(0));
        assert_eq!(kernel.ruleset.is_some(), left, "{loaded} {copies}");
    }
}

#[test]
fn without_nftables_the_instance_runs_all_the_same() {
    let mut kernel = eth0();
    kernel.no_netfilter = true;
    let mut engine = engine(vec![silent(&[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert!(kernel.has(VIP));
    engine.stop(at(450), &mut kernel);
    assert!(!kernel.has(VIP));
}

#[test]
fn a_reload_makes_and_removes_the_filter() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    let config = |instance| Config {
        instances: vec![instance],
        ..Config::default()
    };
    let two = silent(&[VIP, "192.0.2.101/32"]);
    kernel.take_log();
    engine.reload(at(450), config(two), &mut kernel);
    let log = kernel.take_log();
    let place = |what: &str| log.iter().position(|line| line == what);
    let (filter, new) = (
        place("filter of 1 additions"),
        place("add 2 192.0.2.101/32"),
    );
    assert!(filter.is_some() && filter < new, "{log:?}");
    engine.reload(at(460), config(instance(7, 100, &[VIP])), &mut kernel);
    assert_eq!(kernel.ruleset, None);
}
