//! Removing a virtual address that the kernel has as primary address takes no address of the router
//! with it.

use crate::support::kernel::{Kernel, advert, at, cidr, engine, instance, receive, run, start};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::VrrpState;

const OWN: &str = "192.0.2.11/24";
const VIPS: [&str; 2] = ["192.0.2.100/24", "192.0.2.101/24"];

/// eth0 with the router's own address, and another one to send adverts from.
fn eth0() -> Kernel {
    Kernel::with(&[(2, "eth0", true)], &[(2, "198.51.100.1/24"), (2, OWN)])
}

fn instances() -> Vec<VrrpInstance> {
    vec![
        instance(7, 100, &VIPS),
        instance(8, 100, &["192.0.2.102/24"]),
    ]
}

fn master(kernel: &mut Kernel) -> Engine {
    let mut engine = engine(instances());
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(500));
    let states = engine.instances().map(|(_, state, _)| state);
    assert!(states.into_iter().all(|state| state == VrrpState::Master));
    kernel.take_log();
    engine
}

fn is_secondary(kernel: &Kernel, text: &str) -> bool {
    let found = kernel.addrs.iter().find(|addr| addr.cidr == cidr(text));
    found
        .unwrap_or_else(|| panic!("{text} is missing"))
        .secondary
}

/// `OWN` is secondary to a virtual address, and the engine knows.
fn own_is_secondary(kernel: &mut Kernel) -> Engine {
    let mut engine = master(kernel);
    // The order is restored once in ten seconds, and not the second time.
    for ms in [600, 700] {
        kernel.remove(2, cidr(OWN));
        kernel.deliver(&mut engine, at(ms));
        kernel.add(2, OWN);
        kernel.deliver(&mut engine, at(ms + 20));
        run(&mut engine, kernel, at(ms + 50));
    }
    assert!(is_secondary(kernel, OWN), "the premise");
    assert!(VIPS.iter().all(|vip| kernel.has(vip)));
    kernel.take_log();
    engine
}

/// The router still has its own address, and no virtual one, and its settings are as before.
fn assert_only_own(kernel: &Kernel) {
    assert!(kernel.has(OWN), "its own address: {:?}", kernel.log);
    assert_eq!(kernel.addrs.len(), 2, "{:?}", kernel.addrs);
    assert!(kernel.promote_secondaries.is_empty(), "as before");
}

#[test]
fn own_address_that_is_renewed_is_primary_again() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    assert!(is_secondary(&kernel, VIPS[0]));
    kernel.remove(2, cidr(OWN));
    kernel.deliver(&mut engine, at(600));
    run(&mut engine, &mut kernel, at(601));
    let reinstalled = |kernel: &Kernel| VIPS.iter().all(|vip| kernel.has(vip));
    assert!(reinstalled(&kernel), "at once");
    assert!(!is_secondary(&kernel, VIPS[0]), "primary meanwhile");
    kernel.add(2, OWN);
    kernel.deliver(&mut engine, at(650));
    run(&mut engine, &mut kernel, at(700));
    assert!(!is_secondary(&kernel, OWN));
    for vip in VIPS.into_iter().chain(["192.0.2.102/24"]) {
        assert!(is_secondary(&kernel, vip));
    }
    assert!(kernel.promote_secondaries.is_empty());
    engine.stop(at(800), &mut kernel);
    assert_only_own(&kernel);
}

#[test]
fn own_address_stays_if_its_event_is_not_read_yet() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    kernel.remove(2, cidr(OWN));
    kernel.deliver(&mut engine, at(600));
    kernel.add(2, OWN);
    assert!(is_secondary(&kernel, OWN), "the premise");
    engine.stop(at(650), &mut kernel);
    assert_only_own(&kernel);
}

#[test]
fn own_address_stays_when_the_instance_stops_or_yields() {
    let mut kernel = eth0();
    let mut engine = own_is_secondary(&mut kernel);
    engine.stop(at(800), &mut kernel);
    assert_only_own(&kernel);

    let mut kernel = eth0();
    let mut engine = own_is_secondary(&mut kernel);
    for vrid in [7, 8] {
        let stronger = advert(vrid, 200, "192.0.2.3", "224.0.0.18", &[]);
        receive(&mut engine, &mut kernel, at(800), 2, &stronger);
    }
    run(&mut engine, &mut kernel, at(850));
    assert_only_own(&kernel);
}

#[test]
fn own_address_stays_when_a_reload_removes_virtual_addresses() {
    let left = [
        vec![],
        vec![instance(8, 100, &["192.0.2.102/24"])],
        vec![instance(7, 100, &VIPS[1..]), instance(8, 100, &[])],
    ];
    for instances in left {
        let vips: usize = instances.iter().map(|conf| conf.vips.len()).sum();
        let mut kernel = eth0();
        let mut engine = own_is_secondary(&mut kernel);
        let config = Config {
            instances,
            ..Config::default()
        };
        engine.reload(at(800), config, &mut kernel);
        kernel.deliver(&mut engine, at(800));
        run(&mut engine, &mut kernel, at(850));
        assert!(kernel.has(OWN), "{:?}", kernel.log);
        assert_eq!(kernel.addrs.len(), 2 + vips, "{:?}", kernel.addrs);
    }
}

#[test]
fn own_address_stays_when_leftovers_are_removed() {
    for marked in [true, false] {
        let mut kernel = eth0();
        kernel.no_proto = !marked;
        own_is_secondary(&mut kernel);
        // The process is killed, and does not resume. Without IFA_PROTO the state file counts.
        if marked {
            kernel.state.clear();
        }
        let mut engine = engine(instances());
        start(&mut engine, &mut kernel, at(60_000));
        assert_only_own(&kernel);
    }
}

#[test]
fn promote_secondaries_is_set_only_where_it_matters() {
    // Secondary to the router's own address.
    let mut kernel = eth0();
    let mut engine = master(&mut kernel);
    engine.stop(at(600), &mut kernel);
    let promoted = |kernel: &Kernel| {
        let promote = |line: &&String| line.starts_with("promote_secondaries");
        kernel.log.iter().filter(promote).count()
    };
    assert_eq!(promoted(&kernel), 0);
    assert_only_own(&kernel);
    // It is set already.
    let mut kernel = eth0();
    let mut engine = own_is_secondary(&mut kernel);
    let path = "/proc/sys/net/ipv4/conf/eth0/promote_secondaries";
    kernel.files.insert(path.into(), b"1\n".to_vec());
    kernel.promote_secondaries.push(2);
    engine.stop(at(800), &mut kernel);
    assert_eq!(promoted(&kernel), 0);
    assert!(kernel.has(OWN));
    assert_eq!(kernel.promote_secondaries, [2]);
    // A single address of its network.
    let mut kernel = Kernel::with(&[(2, "eth0", true)], &[(2, "198.51.100.1/24")]);
    let config = Config {
        instances: vec![instance(7, 100, &[VIPS[0]])],
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    engine.stop(at(600), &mut kernel);
    assert_eq!(promoted(&kernel), 0);
    assert_eq!(kernel.addrs.len(), 1);
}
