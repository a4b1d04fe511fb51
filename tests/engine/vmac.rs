//! `use_vmac`: the macvlan interfaces of virtual routers.

use crate::support::kernel::{
    Kernel, address, at, cidr, engine, engine_with, eth0, ifname, instance, run, start,
};
use vrrpd::config::model::{Config, Vmac, VmacRole, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Family, Mac, VirtualLink, VrrpState};

pub(crate) const VIP: &str = "192.0.2.100/32";
pub(crate) const VMAC: Mac = Mac([0, 0, 0x5e, 0, 1, 7]);

pub(crate) fn macvlan_on(base: &str, name: &str, mac: Mac) -> Vmac {
    Vmac {
        name: ifname(name),
        base: ifname(base),
        link: VirtualLink::Macvlan(mac),
        family: Family::V4,
        role: VmacRole::Adverts,
        group: None,
    }
}

pub(crate) fn vmac_instance(priority: u8) -> VrrpInstance {
    let mut conf = instance(7, priority, &[]);
    conf.vmacs = vec![macvlan_on("eth0", "vrrp.7", VMAC)];
    conf.vips = vec![address(VIP, "vrrp.7")];
    conf
}

pub(crate) fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

/// Index of the macvlan, and whether it is up.
pub(crate) fn macvlan(kernel: &Kernel) -> Option<(u32, bool)> {
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
        let mut conf = instance(nth, 100, &[]);
        conf.vmacs = vec![macvlan_on("eth0", &name, Mac([0, 0, 0x5e, 0, 1, nth]))];
        conf.vips = vec![address(&vip, &name)];
        conf
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
        kernel.leave(20, VIP);
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
    kernel.no_links = vec!["macvlan"];
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

/// The kernel attaches a macvlan that is created on another to the interface below both.
#[test]
fn vmac_on_a_macvlan_is_created_once_and_removed_at_exit() {
    let mut kernel = eth0();
    kernel.set_link(4, "phys", true);
    let base = kernel.links.iter_mut().find(|link| link.name == "eth0");
    base.expect("eth0").parent = Some((4, Mac([2, 0, 0, 0, 0, 9])));
    kernel.set_link_up(2, true);
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let log = kernel.take_log();
    let created = log.iter().filter(|line| line.starts_with("macvlan"));
    assert_eq!(created.count(), 1, "{log:?}");
    assert!(
        !log.iter().any(|line| line.starts_with("del link")),
        "{log:?}"
    );
    engine.stop(at(1050), &mut kernel);
    assert_eq!(macvlan(&kernel), None);
}

/// VRF of the macvlan.
fn vrf(kernel: &Kernel) -> Option<u32> {
    let link = kernel.links.iter().find(|link| link.name == "vrrp.7");
    link.expect("a macvlan").master
}

#[test]
fn vmac_follows_its_parent_interface_into_and_out_of_a_vrf() {
    let mut kernel = eth0();
    for index in [5, 6] {
        kernel.set_link(index, &format!("vrf{index}"), true);
        kernel.links.last_mut().expect("a link").kind = Some("vrf");
    }
    kernel.set_link(7, "br0", true);
    kernel.links.last_mut().expect("a link").kind = Some("bridge");
    kernel.enslave(2, Some(5));
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        (states(&engine), vrf(&kernel)),
        (vec![VrrpState::Master], Some(5))
    );
    // A bridge is nothing to follow.
    for (master, wanted) in [
        (Some(6), Some(6)),
        (None, None),
        (Some(7), None),
        (Some(5), Some(5)),
    ] {
        kernel.enslave(2, master);
        kernel.deliver(&mut engine, at(500));
        assert_eq!(vrf(&kernel), wanted, "{master:?}");
    }
    // The administrator is overruled.
    kernel.enslave(10, None);
    kernel.deliver(&mut engine, at(550));
    assert_eq!(vrf(&kernel), Some(5));
    assert_eq!(states(&engine), [VrrpState::Master]);
}

#[test]
fn vmac_that_may_not_join_a_vrf_is_not_moved_again_until_that_changes() {
    let mut kernel = eth0();
    kernel.set_link(5, "blue", true);
    kernel.links.last_mut().expect("a link").kind = Some("vrf");
    kernel.enslave(2, Some(5));
    kernel.reject_master = true;
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1000));
    let moves = |kernel: &mut Kernel| {
        let log = kernel.take_log();
        log.iter().filter(|line| line.contains(" master ")).count()
    };
    assert_eq!(moves(&mut kernel), 1);
    kernel.reject_master = false;
    kernel.enslave(2, None);
    kernel.deliver(&mut engine, at(1050));
    kernel.enslave(2, Some(5));
    kernel.deliver(&mut engine, at(1050));
    assert_eq!(vrf(&kernel), Some(5));
}

/// Every creation is followed by a removal, until the kernel attaches it to the right interface.
#[test]
fn vmac_that_turns_out_wrong_is_replaced_less_and_less_often_and_not_left_behind() {
    let mut kernel = eth0();
    kernel.set_link(4, "other", true);
    kernel.wrong_base = Some(4);
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1000));
    let log = kernel.take_log();
    let count = log
        .iter()
        .filter(|line| line.starts_with("macvlan"))
        .count();
    assert!((3..=20).contains(&count), "{count} in a second");
    assert_eq!(states(&engine), [VrrpState::Fault]);
    kernel.wrong_base = None;
    run(&mut engine, &mut kernel, at(20_000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(VIP));
    kernel.wrong_base = Some(4);
    kernel.drop_link(macvlan(&kernel).expect("a macvlan").0);
    kernel.deliver(&mut engine, at(20_000));
    engine.stop(at(20_010), &mut kernel);
    assert_eq!(macvlan(&kernel), None);
}

#[test]
fn vmac_is_in_the_group_of_its_parent_interface_or_the_configured_one() {
    for (configured, wanted) in [(None, 4), (Some(9), 9)] {
        let mut kernel = eth0();
        let base = kernel.links.iter_mut().find(|link| link.name == "eth0");
        base.expect("eth0").group = 4;
        kernel.set_link_up(2, true);
        let mut conf = vmac_instance(100);
        conf.vmacs[0].group = configured;
        let mut engine = engine(vec![conf]);
        start(&mut engine, &mut kernel, at(0));
        let link = kernel.links.iter().find(|link| link.name == "vrrp.7");
        assert_eq!(link.expect("a macvlan").group, wanted);
    }
}

/// An instance on eth0 with a VIP on a macvlan of eth1.
fn address_vmac_instance() -> VrrpInstance {
    let mut vmac = macvlan_on("eth1", "vrrp1.7", VMAC);
    vmac.role = VmacRole::Addresses;
    let mut conf = instance(7, 100, &[]);
    conf.vmacs = vec![vmac];
    conf.vips = vec![address(VIP, "eth0"), address("198.51.100.1/24", "vrrp1.7")];
    conf
}

#[test]
fn vmac_of_an_address_has_the_address_and_follows_its_own_parent() {
    let mut kernel = eth0();
    kernel.set_link(3, "eth1", true);
    let mut engine = engine(vec![address_vmac_instance()]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let log = kernel.take_log();
    for line in [
        "macvlan vrrp1.7 00:00:5e:00:01:07 on 3",
        "10 up",
        "add 10 198.51.100.1/24",
        "add 2 192.0.2.100/32",
        "garp 10 198.51.100.1",
        "sysctl net/ipv4/conf/eth1/arp_ignore=1",
    ] {
        assert!(log.iter().any(|found| found == line), "{line}: {log:?}");
    }
    // Adverts keep the MAC address of the interface.
    assert!(
        !log.iter().any(|line| line.starts_with("10 from")),
        "{log:?}"
    );
    kernel.set_link(3, "eth1", false);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    kernel.set_link(3, "eth1", true);
    kernel.deliver(&mut engine, at(500));
    run(&mut engine, &mut kernel, at(1000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has("198.51.100.1/24"));
    engine.stop(at(1050), &mut kernel);
    assert!(!kernel.links.iter().any(|link| link.name == "vrrp1.7"));
}

#[test]
fn garp_extra_if_announces_on_other_interfaces_periodically() {
    let frames = |all: bool, log: &[String]| {
        let mut last: Vec<_> = log.iter().filter(|line| line.starts_with("garp")).collect();
        assert!(!last.is_empty(), "{all}: {log:?}");
        last.dedup();
        last.into_iter().cloned().collect::<Vec<_>>()
    };
    for (all, wanted) in [
        (false, vec!["garp 10 198.51.100.1"]),
        (true, vec!["garp 10 198.51.100.1", "garp 3 198.51.100.2"]),
    ] {
        let mut kernel = eth0();
        kernel.set_link(3, "eth1", true);
        let mut conf = address_vmac_instance();
        conf.vips.push(address("198.51.100.2/24", "eth1"));
        conf.garp.extra = std::time::Duration::from_secs(2);
        conf.garp.extra_all = all;
        let mut engine = engine(vec![conf]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(2000));
        kernel.take_log();
        // Master since about 0.36 s.
        run(&mut engine, &mut kernel, at(2500));
        assert_eq!(frames(all, &kernel.take_log()), wanted);
        run(&mut engine, &mut kernel, at(4000));
        assert!(
            !kernel
                .take_log()
                .iter()
                .any(|line| line.starts_with("garp"))
        );
        run(&mut engine, &mut kernel, at(4500));
        assert_eq!(frames(all, &kernel.take_log()), wanted);
    }
}

#[test]
fn ipvlan_is_always_up_and_adverts_leave_by_the_interface() {
    let mut kernel = eth0();
    let mut conf = vmac_instance(100);
    conf.vmacs[0].link = VirtualLink::Ipvlan(0);
    conf.vmacs[0].role = VmacRole::XmitBase;
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(macvlan(&kernel), Some((10, true)));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(states(&engine), [VrrpState::Master]);
    let log = kernel.take_log();
    assert!(
        log.iter().any(|line| line == "ipvlan vrrp.7 on 2"),
        "{log:?}"
    );
    assert!(
        log.iter().any(|line| line == "add 10 192.0.2.100/32"),
        "{log:?}"
    );
    assert!(
        !log.iter().any(|line| line.starts_with("10 from")),
        "{log:?}"
    );
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(
        (states(&engine), kernel.has(VIP)),
        (vec![VrrpState::Fault], false)
    );
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(macvlan(&kernel), Some((10, true)));
    engine.stop(at(550), &mut kernel);
    assert_eq!(macvlan(&kernel), None);
}

#[test]
fn addresses_are_on_the_interface_if_the_kernel_has_no_ipvlan() {
    let mut kernel = eth0();
    kernel.no_links = vec!["ipvlan"];
    let mut conf = vmac_instance(100);
    conf.vmacs[0].link = VirtualLink::Ipvlan(0);
    conf.vmacs[0].role = VmacRole::XmitBase;
    let mut other = vmac_instance(100);
    other.vrid = vrrpd::types::Vrid::new(8).expect("a VRID");
    other.vmacs[0].name = ifname("vrrp.8");
    other.vips = vec![address("192.0.2.101/32", "vrrp.8")];
    let mut engine = engine(vec![conf, other]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(states(&engine), [VrrpState::Master; 2]);
    let on = |addr: &str| kernel.addrs.iter().find(|one| one.cidr == cidr(addr));
    assert_eq!(on(VIP).map(|one| one.index), Some(2));
    assert_eq!(on("192.0.2.101/32").map(|one| one.index), Some(10));
}

/// The message about it appears once for all instances, because the kernel is asked once.
#[test]
fn missing_types_of_virtual_interfaces_are_requested_once_for_all_instances() {
    let mut kernel = eth0();
    kernel.no_links = vec!["macvlan", "ipvlan"];
    let numbered = |vrid: u8, link| {
        let name = format!("vrrp.{vrid}");
        let mut conf = vmac_instance(100);
        conf.vrid = vrrpd::types::Vrid::new(vrid).expect("a VRID");
        conf.vmacs[0].name = ifname(&name);
        conf.vmacs[0].link = link;
        conf.vips = vec![address(&format!("192.0.2.{vrid}/32"), &name)];
        conf
    };
    let mut engine = engine(vec![
        numbered(7, VirtualLink::Macvlan(VMAC)),
        numbered(8, VirtualLink::Macvlan(Mac([0, 0, 0x5e, 0, 1, 8]))),
        numbered(9, VirtualLink::Ipvlan(0)),
        numbered(10, VirtualLink::Ipvlan(0)),
    ]);
    start(&mut engine, &mut kernel, at(0));
    let log = kernel.take_log();
    let refused: Vec<_> = log
        .iter()
        .filter(|line| line.ends_with("refused"))
        .collect();
    assert_eq!(refused, ["macvlan vrrp.7 refused", "ipvlan vrrp.9 refused"]);
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(states(&engine), [VrrpState::Master; 4]);
    let on_eth0 = |addr: &str| {
        let mut all = kernel.addrs.iter();
        all.any(|one| one.cidr == cidr(addr) && one.index == 2)
    };
    assert!(
        [
            "192.0.2.7/32",
            "192.0.2.8/32",
            "192.0.2.9/32",
            "192.0.2.10/32"
        ]
        .iter()
        .all(|addr| on_eth0(addr))
    );
}

/// Another macvlan on the interface has the same Ethernet address and is up.
#[test]
fn instance_whose_vmac_cannot_be_set_up_is_in_fault_until_a_retry_succeeds() {
    let refusals = |kernel: &mut Kernel| {
        let log = kernel.take_log();
        assert!(
            !log.iter().any(|line| line.starts_with("advert")),
            "{log:?}"
        );
        log.iter().filter(|line| *line == "10 refused").count()
    };
    let mut kernel = eth0();
    kernel.reject_up = Some(10);
    let mut engine = engine(vec![vmac_instance(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    assert!(!kernel.has(VIP));
    assert_eq!(refusals(&mut kernel), 1);
    run(&mut engine, &mut kernel, at(60_000));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    let retries = refusals(&mut kernel);
    assert!((3..=8).contains(&retries), "{retries} in a minute");
    // The retry leaves it down until the instance is master.
    kernel.reject_up = None;
    run(&mut engine, &mut kernel, at(130_000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(VIP));
    let log = kernel.take_log();
    let changes = ["10 up", "10 down", "10 up"];
    let found = log.iter().filter(|line| changes.contains(&line.as_str()));
    assert_eq!(found.collect::<Vec<_>>(), changes, "{log:?}");
}
