//! Macvlans that another program removes, that the kernel refuses, or that a killed process has left.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, engine, eth0, ifname, instance, run, start};
use crate::vmac::{VIP, VMAC, macvlan, macvlan_on, states, vmac_instance};
use vrrpd::config::model::{Config, Fifo, Global, User, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Mac, VrrpState};

const EPERM: i32 = 1;
const ENOSPC: i32 = 28;

/// An engine whose states are written to a FIFO, and so to the log of the kernel.
fn notifying(conf: VrrpInstance) -> Engine {
    Engine::new(config(vec![conf]), Options::default())
}

fn config(instances: Vec<VrrpInstance>) -> Config {
    let fifo = Fifo {
        path: "/run/fifo".into(),
        user: User::default(),
        script: None,
    };
    Config {
        instances,
        global: Global {
            notify_fifo: Some(fifo),
            ..Global::default()
        },
        ..Config::default()
    }
}

/// The states in a log of the kernel, in order.
fn notified(log: &[String]) -> Vec<&str> {
    let written = log
        .iter()
        .filter_map(|line| line.strip_prefix("fifo /run/fifo INSTANCE "));
    let states = written.filter_map(|line| line.split(' ').nth(1));
    states.collect()
}

fn count(log: &[String], prefix: &str) -> usize {
    log.iter().filter(|line| line.starts_with(prefix)).count()
}

#[test]
fn vmac_that_is_removed_once_is_back_without_a_transition() {
    let mut kernel = eth0();
    let mut engine = notifying(vmac_instance(100));
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(5000));
    assert_eq!(notified(&kernel.take_log()), ["BACKUP", "MASTER"]);
    kernel.drop_link(10);
    kernel.deliver(&mut engine, at(5000));
    assert!(macvlan(&kernel).is_some_and(|(_, up)| up) && kernel.has(VIP));
    run(&mut engine, &mut kernel, at(6000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let log = kernel.take_log();
    assert!(notified(&log).is_empty(), "{log:?}");
    assert!(
        count(&log, "garp") > 0,
        "the addresses are announced: {log:?}"
    );
    assert!(count(&log, "advert 7 prio 100") > 0, "{log:?}");
    // A backup, too.
    let mut kernel = eth0();
    let mut engine = notifying(vmac_instance(100));
    start(&mut engine, &mut kernel, at(0));
    kernel.take_log();
    kernel.drop_link(10);
    kernel.deliver(&mut engine, at(10));
    assert!(macvlan(&kernel).is_some_and(|(_, up)| !up));
    assert!(notified(&kernel.take_log()).is_empty());
}

/// Another Ethernet address, another name.
#[test]
fn vmac_that_is_changed_is_replaced_without_a_transition() {
    type Change = fn(&mut Kernel);
    let changes: [Change; 2] = [
        |kernel| kernel.links.last_mut().expect("a link").parent = Some((2, Mac([2; 6]))),
        |kernel| kernel.links.last_mut().expect("a link").name = "renamed".into(),
    ];
    for change in changes {
        let mut kernel = eth0();
        let mut engine = notifying(vmac_instance(100));
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(5000));
        kernel.take_log();
        // The kernel does not use an index again.
        kernel.set_link(9, "eth1", true);
        kernel.links.swap(2, 3);
        change(&mut kernel);
        kernel.set_link_up(10, true);
        kernel.set_link(20, "eth2", true);
        kernel.deliver(&mut engine, at(5000));
        run(&mut engine, &mut kernel, at(6000));
        let log = kernel.take_log();
        assert!(notified(&log).is_empty(), "{log:?}");
        assert_eq!(macvlan(&kernel), Some((21, true)), "{log:?}");
        assert!(kernel.has(VIP) && !kernel.links.iter().any(|link| link.name == "renamed"));
    }
}

#[test]
fn vmac_that_is_removed_again_and_again_is_left_alone_for_a_while() {
    let mut kernel = eth0();
    let mut engine = notifying(vmac_instance(100));
    start(&mut engine, &mut kernel, at(0));
    // That it was there for seconds does not prolong the fight.
    run(&mut engine, &mut kernel, at(5000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    kernel.take_log();
    for ms in 5000..7000 {
        if let Some((index, _)) = macvlan(&kernel) {
            kernel.drop_link(index);
        }
        kernel.deliver(&mut engine, at(ms));
        run(&mut engine, &mut kernel, at(ms + 1));
    }
    let log = kernel.take_log();
    assert_eq!(count(&log, "macvlan"), 8);
    assert_eq!(
        notified(&log),
        ["FAULT"],
        "one transition, not one per repair"
    );
    // Nothing is tried before the hold is over.
    run(&mut engine, &mut kernel, at(15_000));
    assert_eq!(count(&kernel.take_log(), "macvlan"), 0);
    run(&mut engine, &mut kernel, at(18_000));
    let log = kernel.take_log();
    assert_eq!(count(&log, "macvlan"), 1);
    assert_eq!(notified(&log), ["BACKUP", "MASTER"]);
    assert!(kernel.has(VIP));
}

#[test]
fn refused_creation_is_retried_less_and_less_often() {
    let mut kernel = eth0();
    kernel.reject_create = Some(ENOSPC);
    let mut engine = notifying(vmac_instance(100));
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    run(&mut engine, &mut kernel, at(60_000));
    let log = kernel.take_log();
    let tries = count(&log, "macvlan vrrp.7 refused");
    assert!((5..=8).contains(&tries), "{tries} in a minute");
    assert_eq!(notified(&log), ["FAULT"]);
    // Netlink events in the meantime do not cause more attempts.
    for nth in 0..50 {
        kernel.add(2, &format!("198.51.100.{nth}/32"));
        kernel.deliver(&mut engine, at(60_001));
    }
    assert_eq!(count(&kernel.take_log(), "macvlan"), 0);
    kernel.reject_create = None;
    run(&mut engine, &mut kernel, at(130_000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(VIP));
    assert_eq!(notified(&kernel.take_log()), ["BACKUP", "MASTER"]);
    // Removed, and refused from now on.
    kernel.reject_create = Some(EPERM);
    kernel.drop_link(macvlan(&kernel).expect("a macvlan").0);
    kernel.deliver(&mut engine, at(130_000));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    // Another interface of this name may accept it.
    kernel.reject_create = None;
    kernel.drop_link(2);
    kernel.deliver(&mut engine, at(130_100));
    kernel.set_link(20, "eth0", true);
    kernel.add(20, "192.0.2.1/24");
    kernel.deliver(&mut engine, at(130_200));
    assert_eq!(states(&engine), [VrrpState::Backup]);
}

/// A notify script would otherwise see a master that never was one.
#[test]
fn instance_whose_vmac_cannot_be_set_up_is_never_notified_as_master() {
    for (priority, before) in [(100, &["BACKUP", "FAULT"][..]), (255, &["FAULT"])] {
        let mut kernel = eth0();
        kernel.reject_up = Some(10);
        let mut engine = notifying(vmac_instance(priority));
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(900));
        assert_eq!(states(&engine), [VrrpState::Fault]);
        let log = kernel.take_log();
        assert_eq!(notified(&log), before, "priority {priority}");
        assert_eq!(count(&log, "advert"), 0, "{log:?}");
        assert_eq!(count(&log, "garp"), 0, "{log:?}");
        assert!(!kernel.has(VIP));
        kernel.reject_up = None;
        run(&mut engine, &mut kernel, at(5_000));
        assert_eq!(states(&engine), [VrrpState::Master]);
        assert_eq!(notified(&kernel.take_log()).last(), Some(&"MASTER"));
        assert!(kernel.has(VIP));
    }
}

/// A daemon with macvlans was killed; the next one has an instance without.
#[test]
fn vmacs_of_a_killed_daemon_that_are_no_longer_configured_are_removed() {
    let mut kernel = eth0();
    let mut second = instance(8, 100, &[]);
    let mac = Mac([0, 0, 0x5e, 0, 1, 8]);
    second.vmacs = vec![macvlan_on("eth0", "vrrp.8", mac)];
    let mut killed = engine(vec![vmac_instance(100), second.clone()]);
    start(&mut killed, &mut kernel, at(0));
    run(&mut killed, &mut kernel, at(600));
    drop(killed);
    // Named as ours would be, but by somebody else.
    kernel.set_link(40, "vrrp.9", true);
    kernel.links.last_mut().expect("a link").parent = Some((2, Mac([0, 0, 0x5e, 0, 1, 9])));
    let names = |kernel: &Kernel| {
        let all = kernel.links.iter().filter(|link| link.parent.is_some());
        let mut names: Vec<_> = all.map(|link| link.name.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&kernel), ["vrrp.7", "vrrp.8", "vrrp.9"]);
    let mut next = engine(vec![instance(7, 100, &["192.0.2.100/32"]), second]);
    start(&mut next, &mut kernel, at(700));
    assert_eq!(names(&kernel), ["vrrp.8", "vrrp.9"]);
    run(&mut next, &mut kernel, at(2000));
    assert_eq!(states(&next), [VrrpState::Master; 2]);
    // Nobody knows any longer whose the others are.
    next.stop(at(2000), &mut kernel);
    assert_eq!(names(&kernel), ["vrrp.9"]);
}

#[test]
fn an_interface_that_has_taken_the_name_of_a_leftover_vmac_stays() {
    type Change = fn(&mut Kernel);
    let changes: [Change; 2] = [
        |kernel| kernel.links.last_mut().expect("a link").parent = Some((2, Mac([2; 6]))),
        |kernel| kernel.links.last_mut().expect("a link").parent = None,
    ];
    for change in changes {
        let mut kernel = eth0();
        let mut killed = engine(vec![vmac_instance(100)]);
        start(&mut killed, &mut kernel, at(0));
        drop(killed);
        assert_eq!(kernel.links.last().expect("a link").parent, Some((2, VMAC)));
        change(&mut kernel);
        let mut next = engine(vec![instance(7, 100, &["192.0.2.100/32"])]);
        start(&mut next, &mut kernel, at(700));
        assert!(macvlan(&kernel).is_some());
    }
}

/// With another name for the same macvlan, both would have the same Ethernet address.
#[test]
fn vmac_of_a_killed_daemon_that_has_another_name_now_is_replaced() {
    let mut kernel = eth0();
    let mut killed = engine(vec![vmac_instance(100)]);
    start(&mut killed, &mut kernel, at(0));
    run(&mut killed, &mut kernel, at(600));
    drop(killed);
    let mut conf = vmac_instance(100);
    conf.vmacs[0].name = ifname("wan-vip");
    conf.vips[0].dev = ifname("wan-vip");
    let mut next = engine(vec![conf]);
    start(&mut next, &mut kernel, at(700));
    let mut macvlans = kernel.links.iter().filter(|link| link.parent.is_some());
    assert_eq!(macvlans.next().expect("one").name, "wan-vip");
    assert!(macvlans.next().is_none());
    run(&mut next, &mut kernel, at(2000));
    assert_eq!(states(&next), [VrrpState::Master]);
}

/// A notify script would otherwise be run for a fault that lasts until the next netlink event.
#[test]
fn reload_that_adds_or_moves_a_vmac_causes_no_fault() {
    let mut kernel = eth0();
    kernel.set_link(3, "eth1", true);
    kernel.add(3, "198.51.100.1/24");
    let mut engine = notifying(instance(9, 100, &[]));
    start(&mut engine, &mut kernel, at(0));
    let mut moved = vmac_instance(100);
    moved.interface = ifname("eth1");
    moved.vmacs[0].base = ifname("eth1");
    for (nth, conf) in [vmac_instance(100), moved].into_iter().enumerate() {
        let now = at(1000 * (nth as u64 + 1));
        // The kernel does not use an index again.
        let unused = 20 + 10 * u32::try_from(nth).expect("small");
        kernel.set_link(unused, &format!("unused{nth}"), true);
        run(&mut engine, &mut kernel, now);
        kernel.take_log();
        engine.reload(now, config(vec![conf]), &mut kernel);
        kernel.deliver(&mut engine, now);
        run(
            &mut engine,
            &mut kernel,
            now.after(Duration::from_millis(900)),
        );
        let log = kernel.take_log();
        // The instance that ends notifies a fault.
        let created = log.iter().position(|line| line.starts_with("macvlan"));
        let sent = notified(&log[created.expect("a macvlan")..]);
        assert_eq!(sent, ["BACKUP", "MASTER"], "{nth}: {log:?}");
        assert_eq!(count(&log, "macvlan"), 1, "{log:?}");
        let link = kernel.links.iter().find(|link| link.name == "vrrp.7");
        let parent = u32::try_from(nth).expect("small") + 2;
        assert_eq!(link.expect("a macvlan").parent, Some((parent, VMAC)));
    }
}
