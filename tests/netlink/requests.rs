//! Address and link requests have the same bytes as those of ip(8), apart from the order of
//! attributes.

use core::net::Ipv4Addr;

use vrrpd::netlink::addr::{self, AddrFlags, DesiredAddr};
use vrrpd::netlink::{Attrs, Batch, link};
use vrrpd::types::{Cidr, IfIndex};

use crate::request;

fn cidr(text: &str) -> Cidr {
    let (addr, prefix) = text.split_once('/').unwrap();
    Cidr {
        addr: addr.parse().unwrap(),
        prefix: prefix.parse().unwrap(),
    }
}

fn spec(text: &str) -> DesiredAddr<'static> {
    DesiredAddr::new(IfIndex(8), cidr(text))
}

/// The headers of a request, and its attributes sorted by type.
fn sorted(bytes: &[u8]) -> (&[u8], Vec<(u16, &[u8])>) {
    let (fixed, attrs) = bytes.split_at(16 + 8);
    let mut attrs: Vec<_> = Attrs::new(attrs)
        .map(|attr| attr.map(|attr| (attr.kind, attr.value)))
        .collect::<Result<_, _>>()
        .unwrap();
    attrs.sort_unstable();
    (fixed, attrs)
}

fn additions() -> Vec<(&'static str, DesiredAddr<'static>)> {
    let plain = spec("192.0.2.100/24");
    let all = DesiredAddr {
        broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
        scope: 253,
        label: Some("d0:vip"),
        preferred_lft: Some(200),
        valid_lft: Some(300),
        ..spec("192.0.2.101/32")
    };
    let peer = DesiredAddr {
        peer: Some(cidr("192.0.2.6/30")),
        ..spec("192.0.2.5/32")
    };
    let old = DesiredAddr {
        preferred_lft: Some(0),
        flags: AddrFlags::NODAD,
        ..spec("2001:db8::5/128")
    };
    let flags = DesiredAddr {
        flags: AddrFlags::NODAD
            .with(AddrFlags::HOME)
            .with(AddrFlags::MNGTMPADDR)
            .with(AddrFlags::NOPREFIXROUTE),
        ..spec("2001:db8::6/64")
    };
    let group = DesiredAddr {
        flags: AddrFlags::AUTOJOIN,
        ..spec("224.0.0.99/32")
    };
    vec![
        ("add-ipv4", plain),
        ("add-ipv4-all", all),
        ("add-ipv4-peer", peer),
        ("add-ipv6", old),
        ("add-ipv6-flags", flags),
        ("add-ipv4-autojoin", group),
    ]
}

#[test]
fn address_requests_equal_those_of_ip_8() {
    for (name, spec) in additions() {
        let mut batch = Batch::new(1);
        assert_eq!(addr::add(&mut batch, &spec), 1);
        let wanted = request(&format!("netlink/{name}"));
        assert_eq!(sorted(batch.bytes()), sorted(&wanted), "{name}");
    }
}

#[test]
fn ifa_proto_is_the_only_difference_to_ip_8() {
    for (name, spec) in additions() {
        let mut batch = Batch::new(1);
        addr::add(&mut batch, &DesiredAddr { proto: 18, ..spec });
        let mut wanted = request(&format!("netlink/{name}"));
        wanted.extend([5, 0, 11, 0, 18, 0, 0, 0]);
        wanted[0] += 8;
        assert_eq!(sorted(batch.bytes()), sorted(&wanted), "{name}");
    }
}

#[test]
fn address_deletion_equals_that_of_ip_8_and_ignores_properties() {
    for (name, at) in [("del-ipv4", 0), ("del-ipv4-peer", 2), ("del-ipv6", 3)] {
        let (_, plain) = additions()[at];
        let decorated = DesiredAddr {
            label: Some("d0:vip"),
            scope: 253,
            proto: 18,
            flags: AddrFlags::NOPREFIXROUTE,
            valid_lft: Some(60),
            ..plain
        };
        for spec in [plain, decorated] {
            let mut batch = Batch::new(1);
            addr::delete(&mut batch, &spec);
            assert_eq!(batch.bytes(), request(&format!("netlink/{name}")), "{name}");
        }
    }
}

#[test]
fn an_unset_preferred_lifetime_never_exceeds_the_valid_lifetime() {
    let mut batch = Batch::new(1);
    let valid_lft = Some(60);
    addr::add(
        &mut batch,
        &DesiredAddr {
            valid_lft,
            ..spec("192.0.2.1/32")
        },
    );
    let (_, attrs) = sorted(batch.bytes());
    let mut wanted = [0; 16];
    wanted[0] = 60;
    wanted[4] = 60;
    assert!(attrs.contains(&(6, &wanted)), "{attrs:?}");
}

#[test]
fn a_batch_is_a_sequence_of_messages_with_consecutive_numbers() {
    let mut batch = Batch::new(1);
    let mut wanted = Vec::new();
    for (seq, (name, spec)) in (1..).zip(
        additions()
            .into_iter()
            .take(4)
            .filter(|(n, _)| *n != "add-ipv4-all"),
    ) {
        assert_eq!(addr::add(&mut batch, &spec), seq, "{name}");
        let mut message = request(&format!("netlink/{name}"));
        message[8..12].copy_from_slice(&seq.to_le_bytes());
        wanted.extend(message);
    }
    assert_eq!(batch.count(), 3);
    assert_eq!(batch.bytes(), wanted);
}

#[test]
fn link_dump_request_skips_statistics() {
    let mut batch = Batch::new(9);
    assert_eq!(link::dump(&mut batch), 9);
    assert_eq!(addr::dump(&mut batch), 10);
    let mut wanted = Vec::new();
    wanted.extend([40, 0, 0, 0, 18, 0, 1, 3, 9, 0, 0, 0, 0, 0, 0, 0]);
    wanted.extend([0; 16]);
    wanted.extend([8, 0, 29, 0, 8, 0, 0, 0]);
    wanted.extend([24, 0, 0, 0, 22, 0, 1, 3, 10, 0, 0, 0, 0, 0, 0, 0]);
    wanted.extend([0; 8]);
    assert_eq!(batch.bytes(), wanted);
}
