//! Reload: addresses that become virtual, and addresses that are already present.

use crate::support::kernel::{Kernel, address, at, cidr, instance, run, start};
use std::time::Duration;
use vrrpd::config::model::Config;
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Family, Vrid, VrrpState};
use vrrpd::wire::bpf::AdvertFilter;

const VIP: &str = "192.0.2.100/32";
const OTHER: &str = "192.0.2.101/32";

fn eth0(more: &[&str]) -> Kernel {
    let own = more.iter().map(|cidr| (2, *cidr));
    let addrs: Vec<(u32, &str)> = core::iter::once((2, "192.0.2.1/24")).chain(own).collect();
    Kernel::with(&[(2, "eth0", true)], &addrs)
}

fn started(config: Config, kernel: &mut Kernel) -> Engine {
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(500));
    kernel.take_log();
    engine
}

/// While a configuration is read, no advert can be sent.
#[test]
fn masters_advertise_before_a_reload_that_their_next_advert_would_wait_for() {
    let mut kernel = eth0(&[]);
    let config = Config {
        instances: vec![instance(7, 255, &[VIP])],
        ..Config::default()
    };
    let mut engine = started(config, &mut kernel);
    // The interval is a second.
    for (ms, adverts) in [(1, 0), (1_000, 1)] {
        let before = kernel.adverts;
        engine.before_reload(at(500), Duration::from_millis(ms), &mut kernel);
        assert_eq!(kernel.adverts - before, adverts, "{ms} ms");
    }
}

/// Reading the configuration has made the adverts of all instances late.
#[test]
fn a_changed_address_does_not_wait_for_instances_without_changes() {
    let config = |vips: &[&str]| {
        let others = (1..=20).map(|nth| instance(nth, 255, &[&*format!("192.0.2.{}/32", nth + 1)]));
        let changed = instance(21, 255, vips);
        Config {
            instances: others.chain([changed]).collect(),
            ..Config::default()
        }
    };
    let mut kernel = eth0(&[]);
    let mut engine = started(config(&[VIP]), &mut kernel);
    kernel.deliver(&mut engine, at(2_000));
    engine.reload(at(2_000), config(&[VIP, OTHER]), &mut kernel);
    assert_eq!(address_log(&mut kernel), [format!("add 2 {OTHER}")]);
    kernel.deliver(&mut engine, at(4_000));
    engine.reload(at(4_000), config(&[OTHER]), &mut kernel);
    assert_eq!(address_log(&mut kernel), [format!("del 2 {VIP}")]);
}

fn address_log(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("add") || line.starts_with("del"));
    log
}

#[test]
fn reload_turns_a_static_address_into_a_vip_and_back() {
    let mut kernel = eth0(&[]);
    let mut fixed = Config {
        instances: vec![instance(7, 100, &[OTHER])],
        static_addresses: vec![address(VIP, "eth0")],
        ..Config::default()
    };
    let shared = Config {
        instances: vec![instance(7, 100, &[OTHER, VIP])],
        ..Config::default()
    };
    let mut engine = started(fixed.clone(), &mut kernel);
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    engine.reload(at(510), shared, &mut kernel);
    kernel.deliver(&mut engine, at(510));
    run(&mut engine, &mut kernel, at(600));
    let moved = ["del 2 192.0.2.100/32", "add 2 192.0.2.100/32"];
    assert_eq!(address_log(&mut kernel), moved, "and that was all");
    assert!(kernel.has(VIP));
    fixed.instances[0].vips.truncate(1);
    engine.reload(at(610), fixed, &mut kernel);
    kernel.deliver(&mut engine, at(610));
    run(&mut engine, &mut kernel, at(700));
    assert_eq!(address_log(&mut kernel), moved);
    assert!(kernel.has(VIP));
}

#[test]
fn reload_removes_leftover_vips_of_a_new_instance_before_election() {
    let mut kernel = eth0(&[]);
    kernel.leave(2, VIP);
    let mut engine = started(Config::default(), &mut kernel);
    let config = Config {
        instances: vec![instance(7, 100, &[VIP]), instance(8, 100, &[OTHER])],
        ..Config::default()
    };
    engine.reload(at(510), config.clone(), &mut kernel);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(address_log(&mut kernel), ["del 2 192.0.2.100/32"]);
    run(&mut engine, &mut kernel, at(1_000));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    // A VIP just released by a removed instance is not taken for one of another program.
    let mut config = config;
    config.instances = vec![instance(9, 100, &[VIP]), instance(8, 100, &[OTHER])];
    kernel.take_log();
    engine.reload(at(1_010), config, &mut kernel);
    kernel.deliver(&mut engine, at(1_010));
    assert_eq!(address_log(&mut kernel), ["del 2 192.0.2.100/32"]);
    run(&mut engine, &mut kernel, at(1_500));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
}

#[test]
fn reload_removes_vips_from_a_renamed_interface() {
    let mut kernel = eth0(&[]);
    let config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    let mut engine = started(config, &mut kernel);
    assert!(kernel.has(VIP));
    kernel.set_link(2, "wan0", true);
    kernel.deliver(&mut engine, at(510));
    let (_, state, _) = engine.instances().next().expect("one");
    assert_eq!(state, VrrpState::Fault);
    assert!(!kernel.has(VIP), "another router has it now");
    kernel.set_link(2, "eth0", true);
    kernel.deliver(&mut engine, at(520));
    run(&mut engine, &mut kernel, at(1_000));
    assert!(kernel.has(VIP));
    assert!(kernel.addrs.iter().any(|addr| addr.cidr == cidr(VIP)));
}

#[test]
fn reload_changes_the_filter_of_a_socket_without_opening_it_again() {
    let mut kernel = eth0(&[]);
    let one = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    let mut two = one.clone();
    two.instances.push(instance(8, 100, &[OTHER]));
    let mut all = one.clone();
    all.global.log_unknown_vrids = true;
    let mut engine = started(one.clone(), &mut kernel);
    let filter = |vrids: &[u8]| {
        let mut filter = AdvertFilter::new(Family::V4, false);
        for vrid in vrids {
            filter.pass_vrid(Vrid::new(*vrid).unwrap());
        }
        filter.pass_group("224.0.0.18".parse().unwrap());
        filter
    };
    let mut every = filter(&[]);
    every.pass_all_vrids();
    let opened = |kernel: &mut Kernel| {
        let log = kernel.take_log();
        log.iter().any(|line| line.contains("listen"))
    };
    assert!(kernel.filters.values().eq([&filter(&[7])]));
    for (config, want) in [(two, filter(&[7, 8])), (all, every), (one, filter(&[7]))] {
        engine.reload(at(510), config, &mut kernel);
        kernel.deliver(&mut engine, at(510));
        assert!(kernel.filters.values().eq([&want]), "{:?}", kernel.filters);
        assert!(!opened(&mut kernel));
    }
}
