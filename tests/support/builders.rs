//! Builders of addresses, routes, rules, instances and packets with default settings.

use std::net::IpAddr;

use vrrpd::config::model::{self, Address, Config, Garp, Settings, Transport, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Centis, Cidr, IfName, Instant, Priority, Rare, Version, Vrid};
use vrrpd::wire::vrrp::{self, AdvertRepr, Auth as WireAuth, ChecksumForm};
use vrrpd::wire::{PseudoHeader, ipv4};

use super::kernel::Kernel;

/// `ms` milliseconds after the start of a test.
pub fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

/// A kernel with lo and eth0, which has 192.0.2.1/24.
pub fn eth0() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true)],
        &[(1, "127.0.0.1/8"), (2, "192.0.2.1/24")],
    )
}

pub fn cidr(text: &str) -> Cidr {
    let (addr, prefix) = text.split_once('/').unwrap_or((text, "32"));
    Cidr {
        addr: addr.parse().expect("an address"),
        prefix: prefix.parse().expect("a prefix"),
    }
}

pub fn ifname(name: &str) -> IfName {
    IfName::new(name).expect("an interface name")
}

pub fn address(text: &str, dev: &str) -> Address {
    Address {
        cidr: cidr(text),
        dev: ifname(dev),
        ..Address::default()
    }
}

/// The route `TO via GATEWAY`, or `TO dev eth0`.
pub fn route(to: &str, via: Option<&str>) -> model::Route {
    let hop = model::NextHop {
        via: via.map(|via| via.parse().expect("an address")),
        dev: via.is_none().then(|| ifname("eth0")),
        ..model::NextHop::default()
    };
    model::Route {
        dst: cidr(to),
        hops: vec![hop],
        ..model::Route::default()
    }
}

/// The rule `from NET table 100 priority N`.
pub fn policy(from: &str, priority: u32) -> model::Rule {
    model::Rule {
        family: cidr(from).family(),
        from: Some(cidr(from)),
        priority,
        action: 1,
        table: 100,
        ..model::Rule::default()
    }
}

/// A VRRPv3 instance on eth0 with an advert interval of 0.1 s.
pub fn instance(vrid: u8, priority: u8, vips: &[&str]) -> VrrpInstance {
    let seconds = std::time::Duration::from_secs;
    VrrpInstance {
        name: format!("VI_{vrid}"),
        interface: ifname("eth0"),
        vrid: Vrid::new(vrid).expect("not 0"),
        priority: Priority(priority),
        vips: vips.iter().map(|vip| address(vip, "eth0")).collect(),
        excluded_vips: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        settings: Settings {
            version: Version::V3,
            advert_int: Centis(10),
            transport: Transport::Multicast {
                group: "224.0.0.18".parse().expect("an address"),
            },
            garp: Rare::new(Garp {
                repeat: 1,
                delay: seconds(0),
                lower_prio_repeat: 1,
                lower_prio_delay: seconds(0),
                ..Garp::default()
            }),
            ..Settings::default()
        },
    }
}

pub fn engine(instances: Vec<VrrpInstance>) -> Engine {
    engine_with(instances, Options::default())
}

pub fn engine_with(instances: Vec<VrrpInstance>, options: Options) -> Engine {
    Engine::new(
        Config {
            instances,
            ..Config::default()
        },
        options,
    )
}

/// An IPv4 packet with a VRRPv3 advert.
pub fn advert(vrid: u8, priority: u8, from: &str, to: &str, vips: &[&str]) -> Vec<u8> {
    advert_every(Centis(10), vrid, priority, from, to, vips)
}

/// The same of a master with this interval.
pub fn advert_every(
    interval: Centis,
    vrid: u8,
    priority: u8,
    from: &str,
    to: &str,
    vips: &[&str],
) -> Vec<u8> {
    let addresses: Vec<IpAddr> = vips.iter().map(|vip| cidr(vip).addr).collect();
    let advert = AdvertRepr {
        version: Version::V3,
        vrid: Vrid::new(vrid).expect("not 0"),
        priority: Priority(priority),
        interval,
        auth: WireAuth::None,
        addresses: &addresses,
    };
    let (src, dst): (std::net::Ipv4Addr, std::net::Ipv4Addr) = (
        from.parse().expect("an address"),
        to.parse().expect("an address"),
    );
    let net = PseudoHeader {
        src: src.into(),
        dst: dst.into(),
    };
    let header = ipv4::Header {
        tos: 0xc0,
        id: 1,
        ttl: 255,
        protocol: 112,
        src,
        dst,
    };
    let mut packet = vec![0; 2048];
    let body =
        |payload: &mut [u8]| vrrp::emit(&advert, Some(&net), ChecksumForm::PseudoHeader, payload);
    let len = ipv4::emit(&header, &mut packet, body).expect("it fits");
    packet.truncate(len);
    packet
}
