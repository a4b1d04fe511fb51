//! Multicast and unicast: which instance an advert is for, and where adverts are sent.

use crate::support::kernel::{advert, at, engine, eth0, ifname, instance, receive, run, start};
use vrrpd::config::model::{Peer, Transport};
use vrrpd::engine::Engine;
use vrrpd::types::VrrpState;

const VIP: &str = "192.0.2.100/32";

fn state(engine: &Engine, name: &str) -> VrrpState {
    let mut all = engine.instances();
    all.find(|(known, ..)| *known == name)
        .map(|(_, state, _)| state)
        .expect("it is configured")
}

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
