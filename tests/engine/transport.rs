//! Multicast and unicast: which instance an advert is for, and where adverts are sent.

use super::instance::state;
use crate::support::kernel::{advert, at, engine, eth0, ifname, instance, receive, run, start};
use vrrpd::config::model::{Config, Peer, Transport, VrrpInstance};
use vrrpd::engine::system::{Listener, Protocol};
use vrrpd::types::{Family, IfIndex, IfName, VrrpState};

const VIP: &str = "192.0.2.100/32";

fn unicast(peers: &[&str]) -> Transport {
    let peer = |text: &&str| Peer {
        addr: text.parse().expect("an address"),
        min_ttl: 0,
        max_ttl: 255,
    };
    Transport::Unicast {
        peers: peers.iter().map(peer).collect(),
        ttl: 255,
        check_source: false,
    }
}

/// With the same file on all routers, each has its own address among its peers.
#[test]
fn no_advert_is_sent_to_our_own_address_in_unicast_peer() {
    let mut kernel = eth0();
    let mut conf = instance(7, 255, &[VIP]);
    conf.transport = unicast(&["192.0.2.1", "192.0.2.2"]);
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1_000));
    let log = kernel.take_log();
    let to = |peer: &str| {
        let wanted = format!("advert 7 prio 255 to {peer}");
        log.iter().filter(|line| **line == wanted).count()
    };
    assert_eq!(to("192.0.2.1"), 0);
    assert_eq!(to("192.0.2.2"), 11);
}

#[test]
fn unicast_instances_with_equal_vrid_are_distinguished_by_address() {
    let mut kernel = eth0();
    kernel.set_link(3, "eth1", true);
    kernel.add(3, "198.51.100.1/24");
    let mut first = instance(7, 100, &[VIP]);
    first.transport = unicast(&["192.0.2.2", "192.0.2.3"]);
    let mut second = instance(7, 100, &[]);
    second.name = "SECOND".into();
    second.interface = ifname("eth1");
    second.transport = unicast(&["198.51.100.2"]);
    let mut engine = engine(vec![first, second]);
    start(&mut engine, &mut kernel, at(0));
    for ms in (0..1_000).step_by(50) {
        let packet = advert(7, 200, "198.51.100.2", "198.51.100.1", &[]);
        receive(&mut engine, &mut kernel, at(ms), 0, &packet);
        run(&mut engine, &mut kernel, at(ms + 49));
    }
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
    assert_eq!(state(&engine, "SECOND"), VrrpState::Backup);
    let log = kernel.take_log();
    for peer in ["192.0.2.2", "192.0.2.3"] {
        assert!(
            log.contains(&format!("advert 7 prio 100 to {peer}")),
            "each peer gets its own"
        );
    }
    assert_eq!(
        log.iter().filter(|line| line.starts_with("listen")).count(),
        1,
        "one socket"
    );
}

#[test]
fn unicast_advert_to_another_local_address_is_accepted() {
    let mut kernel = eth0();
    kernel.add(2, "198.51.100.1/24");
    let mut conf = instance(7, 100, &[VIP]);
    conf.transport = unicast(&[]);
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    for ms in (0..1_000).step_by(50) {
        let packet = advert(7, 200, "198.51.100.2", "198.51.100.1", &[VIP]);
        receive(&mut engine, &mut kernel, at(ms), 0, &packet);
        run(&mut engine, &mut kernel, at(ms + 49));
    }
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
}

// ---- one VRID, several instances ----

/// Instances with VRID 7 on eth0: on two multicast groups, and with peers of their own.
fn with_one_vrid() -> Vec<VrrpInstance> {
    let transports = [
        ("MAIN", "192.0.2.101/32", None),
        ("GROUP", "192.0.2.102/32", Some(multicast("224.0.0.99"))),
        ("EAST", "192.0.2.103/32", Some(unicast(&["192.0.2.3"]))),
        ("WEST", "192.0.2.104/32", Some(unicast(&["192.0.2.4"]))),
    ];
    transports
        .map(|(name, vip, transport)| {
            let mut conf = instance(7, 100, &[vip]);
            conf.name = name.into();
            if let Some(transport) = transport {
                conf.transport = transport;
            }
            conf
        })
        .into()
}

fn multicast(group: &str) -> Transport {
    Transport::Multicast {
        group: group.parse().expect("an address"),
    }
}

#[test]
fn instances_with_one_vrid_are_told_apart_by_group_and_by_peer() {
    // Interface of the socket, sender, destination; who hears a master of higher priority.
    for (name, on, from, to, backup) in [
        ("the usual group", 2, "192.0.2.2", "224.0.0.18", "MAIN"),
        ("another group", 2, "192.0.2.2", "224.0.0.99", "GROUP"),
        ("a peer", 0, "192.0.2.3", "192.0.2.1", "EAST"),
        ("another peer", 0, "192.0.2.4", "192.0.2.1", "WEST"),
        ("nobody's group", 2, "192.0.2.2", "224.0.0.98", ""),
        ("nobody's peer", 0, "192.0.2.5", "192.0.2.1", ""),
    ] {
        let mut kernel = eth0();
        let mut engine = engine(with_one_vrid());
        start(&mut engine, &mut kernel, at(0));
        let packet = advert(7, 200, from, to, &[]);
        for ms in (0..1_000).step_by(50) {
            receive(&mut engine, &mut kernel, at(ms), on, &packet);
            run(&mut engine, &mut kernel, at(ms + 49));
        }
        for (instance, state, _) in engine.instances() {
            let want = if instance == backup {
                VrrpState::Backup
            } else {
                VrrpState::Master
            };
            assert_eq!(state, want, "{name}: {instance}");
        }
    }
}

#[test]
fn socket_of_several_groups_joins_all_and_passes_only_them() {
    let mut kernel = eth0();
    let mut engine = engine(with_one_vrid());
    start(&mut engine, &mut kernel, at(0));
    let on = |interface: Option<IfIndex>| Listener {
        family: Family::V4,
        interface,
        protocol: Protocol::Vrrp,
    };
    let groups = |on| kernel.filters.get(&on).map(|filter| filter.groups().len());
    assert_eq!(groups(on(Some(IfIndex(2)))), Some(2));
    assert_eq!(groups(on(None)), Some(0), "unicast has a socket of its own");
}

#[test]
fn reload_keeps_the_state_of_each_instance_with_one_vrid() {
    let mut kernel = eth0();
    let mut instances = with_one_vrid();
    let mut engine = engine(instances.clone());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1_000));
    kernel.take_log();
    // Another order, one fewer, and one with another name.
    instances.reverse();
    instances.remove(1);
    instances[0].name = "FAR WEST".into();
    let config = Config {
        instances,
        ..Config::default()
    };
    engine.reload(at(1_000), config, &mut kernel);
    kernel.deliver(&mut engine, at(1_000));
    run(&mut engine, &mut kernel, at(1_500));
    let states: Vec<_> = engine.instances().map(|(_, state, _)| state).collect();
    assert_eq!(states, [VrrpState::Master; 3]);
    let mut log = kernel.take_log();
    log.retain(|line| {
        line.starts_with("add") || line.starts_with("del") || line.contains("prio 0")
    });
    let gone = ["advert 7 prio 0 to 192.0.2.3", "del 2 192.0.2.103/32"];
    assert_eq!(log, gone, "only the instance that is no longer configured");
}

// ---- without an interface ----

fn without_interface() -> VrrpInstance {
    let mut conf = instance(7, 100, &[VIP]);
    conf.interface = IfName::default();
    conf.src_ip = Some("192.0.2.1".parse().expect("an address"));
    conf.transport = unicast(&["203.0.113.2"]);
    conf
}

#[test]
fn unicast_instance_without_interface_runs_on_its_source_address() {
    let mut kernel = eth0();
    let mut engine = engine(vec![without_interface()]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1_000));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Master);
    assert!(kernel.has(VIP), "on the interface of its address");
    let log = kernel.take_log();
    assert!(log.contains(&"advert 7 prio 100 to 203.0.113.2".to_owned()));
    assert!(log.iter().any(|line| line.starts_with("listen")));
    let packet = advert(7, 200, "203.0.113.2", "192.0.2.1", &[VIP]);
    receive(&mut engine, &mut kernel, at(1_010), 0, &packet);
    assert_eq!(state(&engine, "VI_7"), VrrpState::Backup);
    // The interface of an address is tracked, as always.
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(1_020));
    assert_eq!(state(&engine, "VI_7"), VrrpState::Fault);
}
