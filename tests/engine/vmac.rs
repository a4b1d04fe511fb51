//! `use_vmac`: the macvlan interfaces of virtual routers.

use crate::support::kernel::{
    Kernel, address, at, cidr, engine, engine_with, eth0, ifname, instance, run, start,
};
use vrrpd::config::model::{Config, Vmac, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Mac, VrrpState};

const VIP: &str = "192.0.2.100/32";
const VMAC: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);

fn vmac_instance(priority: u8) -> VrrpInstance {
    VrrpInstance {
        vmac: Some(Vmac {
            name: ifname("vrrp.7"),
            mac: VMAC,
            xmit_base: false,
        }),
        vips: vec![address(VIP, "vrrp.7")],
        ..instance(7, priority, &[])
    }
}

fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

/// Index of the macvlan, and whether it is up.
fn macvlan(kernel: &Kernel) -> Option<(u32, bool)> {
    let link = kernel.links.iter().find(|link| link.name == "vrrp.7");
    link.map(|link| (link.index, link.up))
}

#[test]
fn vmac_is_created_at_start_and_up_while_master() {
    let mut kernel = eth0();
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(macvlan(&kernel), Some((10, false)));
    let log = kernel.take_log();
    assert_eq!(log[0], "macvlan vrrp.7 00:00:5e:00:01:07 on 2");
    for setting in [
        "sysctl net/ipv4/conf/vrrp.7/arp_ignore=1",
        "sysctl net/ipv4/conf/eth0/arp_ignore=1",
        "sysctl net/ipv6/conf/vrrp.7/disable_ipv6=1",
    ] {
        assert!(log.iter().any(|line| line == setting), "{setting}: {log:?}");
    }
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        kernel.take_log()[..5],
        [
            "10 up",
            "10 from 00:00:5e:00:01:07",
            "advert 7 prio 100 to 224.0.0.18",
            "add 10 192.0.2.100/32",
            "garp 10 192.0.2.100",
        ]
    );
    engine.stop(at(450), &mut kernel);
    let log = kernel.take_log();
    let wanted = [
        "10 from 00:00:5e:00:01:07",
        "advert 7 prio 0 to 224.0.0.18",
        "del 10 192.0.2.100/32",
        "del link 10",
        "sysctl net/ipv4/conf/eth0/arp_ignore=0",
        "sysctl net/ipv4/conf/eth0/arp_announce=0",
    ];
    assert_eq!(log, wanted);
}

/// Otherwise the next process would take vrrpd's sysctl values for the original ones.
#[test]
fn program_upgrade_restores_sysctls_and_keeps_the_vmac() {
    let mut kernel = eth0();
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.take_log();
    engine.hand_over(at(450), &mut kernel);
    let wanted = [
        "10 from 00:00:5e:00:01:07",
        "advert 7 prio 100 to 224.0.0.18",
        "sysctl net/ipv4/conf/eth0/arp_ignore=0",
        "sysctl net/ipv4/conf/eth0/arp_announce=0",
    ];
    assert_eq!(kernel.take_log(), wanted);
    assert_eq!(macvlan(&kernel), Some((10, true)));
    assert!(kernel.has(VIP));
}

#[test]
fn vmacs_yielding_together_are_set_down_one_by_one() {
    let mut kernel = eth0();
    let numbered = |nth: u8| {
        let name = format!("vrrp.{nth}");
        let vip = format!("192.0.2.{}/32", 100 + nth);
        VrrpInstance {
            vmac: Some(Vmac {
                name: ifname(&name),
                mac: Mac([0, 0, 0x5e, 0, 1, nth]),
                xmit_base: false,
            }),
            vips: vec![address(&vip, &name)],
            ..instance(nth, 100, &[])
        }
    };
    let mut engine = engine((1..=5).map(numbered).collect());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    let up = |kernel: &Kernel| {
        let macvlans = kernel.links.iter().filter(|link| link.parent.is_some());
        macvlans.filter(|link| link.up).count()
    };
    assert_eq!(up(&kernel), 5);
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(510));
    assert_eq!(states(&engine), [VrrpState::Fault; 5]);
    assert_eq!((kernel.has("192.0.2.101/32"), up(&kernel)), (false, 5));
    for left in [4, 3, 2] {
        let due = engine.next_deadline().expect("more to do");
        engine.expire(due, &mut kernel);
        assert_eq!(up(&kernel), left);
    }
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(up(&kernel), 0);
}

#[test]
fn address_owner_with_vmac_is_master_immediately() {
    let mut kernel = eth0();
    let mut engine = engine(vec![vmac_instance(255)]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert_eq!(macvlan(&kernel), Some((10, true)));
    assert!(kernel.has(VIP));
}

#[test]
fn vmac_is_recreated_with_its_parent_interface() {
    let mut kernel = eth0();
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.drop_link(2);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    assert_eq!(macvlan(&kernel), None);
    kernel.set_link(3, "eth0", true);
    kernel.add(3, "192.0.2.1/24");
    kernel.deliver(&mut engine, at(500));
    assert_eq!(states(&engine), [VrrpState::Backup]);
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(macvlan(&kernel).is_some_and(|(_, up)| up) && kernel.has(VIP));
}

#[test]
fn vmac_removed_or_set_down_externally_is_repaired() {
    let mut kernel = eth0();
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    kernel.drop_link(10);
    kernel.deliver(&mut engine, at(450));
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let (index, up) = macvlan(&kernel).expect("it is made again");
    assert!(up && kernel.has(VIP));
    kernel.set_link_up(index, false);
    kernel.deliver(&mut engine, at(1050));
    assert_eq!(macvlan(&kernel), Some((index, true)));
}

#[test]
fn leftover_vmac_is_reused_or_replaced() {
    for (mac, parent, wanted) in [(VMAC, 2, 20), (Mac([2; 6]), 2, 30), (VMAC, 3, 30)] {
        let mut kernel = eth0();
        kernel.set_link(3, "eth1", true);
        kernel.set_link(20, "vrrp.7", true);
        kernel.links[3].parent = Some((parent, mac));
        kernel.add(20, VIP);
        // So that new interfaces have distinct indexes.
        kernel.set_link(29, "eth2", true);
        let mut engine = engine(vec![vmac_instance(100)]);
        start(&mut engine, &mut kernel, at(0));
        assert!(!kernel.has(VIP), "{mac} {parent}");
        run(&mut engine, &mut kernel, at(500));
        assert_eq!(macvlan(&kernel), Some((wanted, true)), "{mac} {parent}");
        assert_eq!(
            kernel.links.iter().filter(|l| l.name == "vrrp.7").count(),
            1
        );
    }
}

#[test]
fn interface_with_the_vmac_name_that_is_no_macvlan_is_left_alone() {
    let mut kernel = eth0();
    kernel.set_link(20, "vrrp.7", true);
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    engine.stop(at(1050), &mut kernel);
    assert_eq!(macvlan(&kernel), Some((20, true)));
}

#[test]
fn vmac_without_macvlan_in_the_kernel_uses_the_interface_mac() {
    let mut kernel = eth0();
    kernel.no_macvlan = true;
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let on = |addr: &str| kernel.addrs.iter().find(|one| one.cidr == cidr(addr));
    assert_eq!(on(VIP).map(|one| one.index), Some(2));
    // A reload does not retry.
    let config = Config {
        instances: vec![vmac_instance(110)],
        ..Config::default()
    };
    kernel.take_log();
    engine.reload(at(450), config, &mut kernel);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let log = kernel.take_log();
    assert!(!log.iter().any(|line| line.contains("macvlan")), "{log:?}");
}

#[test]
fn vmac_works_if_sysctls_cannot_be_written() {
    let mut kernel = eth0();
    kernel.read_only_sysctl = true;
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(VIP));
    engine.stop(at(450), &mut kernel);
    let log = kernel.take_log();
    assert!(!log.iter().any(|line| line.contains("sysctl")), "{log:?}");
}

#[test]
fn dont_release_vrrp_keeps_the_vmac() {
    let mut kernel = eth0();
    let options = Options {
        dont_release: true,
        ..Options::default()
    };
    let mut engine = engine_with(vec![vmac_instance(100)], options);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    engine.stop(at(450), &mut kernel);
    assert_eq!(macvlan(&kernel), Some((10, true)));
    assert!(kernel.has(VIP));
}
