//! Addresses in a reload, against a kernel made of tables: what becomes virtual, and what is there already.

use crate::support::kernel::{Kernel, address, cidr, instance, run, start};
use vrrpd::config::model::Config;
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Instant, VrrpState};

const VIP: &str = "192.0.2.100/32";
const OTHER: &str = "192.0.2.101/32";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

fn eth0(more: &[&str]) -> Kernel {
    let own = more.iter().map(|cidr| (2, *cidr));
    let addrs: Vec<(u32, &str)> = core::iter::once((2, "192.0.2.1/24")).chain(own).collect();
    Kernel::with(&[(2, "eth0", true)], &addrs)
}

fn begin(config: Config, kernel: &mut Kernel) -> Engine {
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(500));
    kernel.take_log();
    engine
}

fn of_addresses(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("add") || line.starts_with("del"));
    log
}

#[test]
fn a_static_address_becomes_a_virtual_one_and_back() {
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
    let mut engine = begin(fixed.clone(), &mut kernel);
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    engine.reload(at(510), shared, &mut kernel);
    kernel.deliver(&mut engine, at(510));
    run(&mut engine, &mut kernel, at(600));
    let moved = ["del 2 192.0.2.100/32", "add 2 192.0.2.100/32"];
    assert_eq!(of_addresses(&mut kernel), moved, "and that was all");
    assert!(kernel.has(VIP));
    fixed.instances[0].vips.truncate(1);
    engine.reload(at(610), fixed, &mut kernel);
    kernel.deliver(&mut engine, at(610));
    run(&mut engine, &mut kernel, at(700));
    assert_eq!(of_addresses(&mut kernel), moved);
    assert!(kernel.has(VIP));
}

#[test]
fn addresses_of_a_new_instance_that_are_there_already_go_before_the_election() {
    let mut kernel = eth0(&[VIP]);
    let mut engine = begin(Config::default(), &mut kernel);
    let config = Config {
        instances: vec![instance(7, 100, &[VIP]), instance(8, 100, &[OTHER])],
        ..Config::default()
    };
    engine.reload(at(510), config.clone(), &mut kernel);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(of_addresses(&mut kernel), ["del 2 192.0.2.100/32"]);
    run(&mut engine, &mut kernel, at(1_000));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    // What an instance that goes has let go of is not taken for such an address.
    let mut config = config;
    config.instances = vec![instance(9, 100, &[VIP]), instance(8, 100, &[OTHER])];
    kernel.take_log();
    engine.reload(at(1_010), config, &mut kernel);
    kernel.deliver(&mut engine, at(1_010));
    assert_eq!(of_addresses(&mut kernel), ["del 2 192.0.2.100/32"]);
    run(&mut engine, &mut kernel, at(1_500));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
}

#[test]
fn addresses_go_from_an_interface_that_was_renamed() {
    let mut kernel = eth0(&[]);
    let config = Config {
        instances: vec![instance(7, 100, &[VIP])],
        ..Config::default()
    };
    let mut engine = begin(config, &mut kernel);
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
