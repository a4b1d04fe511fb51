//! ARP and neighbor discovery: whole Ethernet frames.

use core::net::{Ipv4Addr, Ipv6Addr};

use vrrpd::types::Mac;
use vrrpd::wire::arp::{self, Arp, Operation};
use vrrpd::wire::checksum::Sum;
use vrrpd::wire::ndisc::{self, NeighborAdvert, Unsolicited};
use vrrpd::wire::{EmitError, ParseError};

use crate::hex::golden;
use crate::samples::ipv6_net;

const ROUTER_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

#[test]
fn golden_arp_is_parsed_and_emitted() {
    let frame = golden("packets/garp");
    let vip = Ipv4Addr::new(192, 0, 2, 101);
    let wanted = Arp {
        operation: Operation::Request,
        sender_mac: ROUTER_MAC,
        sender: vip,
        target_mac: Mac::BROADCAST,
        target: vip,
    };
    assert_eq!(arp::parse(&frame), Ok(wanted));
    assert!(wanted.is_gratuitous());
    let mut buf = [0; 64];
    let len = arp::emit_gratuitous(ROUTER_MAC, vip, &mut buf).unwrap();
    assert_eq!(buf[..len], frame);

    let reply = Arp {
        operation: Operation::Reply,
        sender_mac: Mac([2, 0, 0, 0, 0, 7]),
        sender: Ipv4Addr::new(192, 0, 2, 7),
        target_mac: Mac([2, 0, 0, 0, 0, 9]),
        target: Ipv4Addr::new(192, 0, 2, 9),
    };
    assert_eq!(arp::parse(&golden("packets/arp-reply")), Ok(reply));
    assert!(!reply.is_gratuitous());
}

#[test]
fn truncated_arp_is_rejected_and_a_flipped_bit_changes_one_field() {
    let frame = golden("packets/garp");
    let clean = arp::parse(&frame).unwrap();
    for len in 0..frame.len() {
        let bad = arp::parse(&frame[..len]).unwrap_err();
        assert!(matches!(bad, ParseError::Short { .. }), "{len}: {bad}");
    }
    for bit in 0..frame.len() * 8 {
        let mut bytes = frame.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let parsed = arp::parse(&bytes);
        match bit / 8 {
            // The Ethernet addresses are not part of ARP.
            0..12 => assert_eq!(parsed, Ok(clean)),
            12..22 => assert!(parsed.is_err(), "bit {bit}: {parsed:?}"),
            // ARP has no checksum: a flipped bit changes the address it is in and nothing else.
            at => {
                let arp = parsed.unwrap();
                let same = [
                    arp.sender_mac == clean.sender_mac,
                    arp.sender == clean.sender,
                    arp.target_mac == clean.target_mac,
                    arp.target == clean.target,
                ];
                let field = match at {
                    22..28 => 0,
                    28..32 => 1,
                    32..38 => 2,
                    _ => 3,
                };
                let wanted: Vec<bool> = (0..4).map(|i| i != field).collect();
                assert_eq!(same[..], wanted, "bit {bit}");
            }
        }
    }
}

#[test]
fn every_malformed_arp_gives_its_own_error() {
    let frame = golden("packets/garp");
    for (at, byte, bad) in [
        (
            12,
            0x86,
            ParseError::EtherType {
                found: 0x8606,
                expected: 0x0806,
            },
        ),
        (15, 6, ParseError::ArpHardware(6)),
        (17, 6, ParseError::ArpProtocol(0x0806)),
        (
            18,
            8,
            ParseError::ArpLengths {
                hardware: 8,
                protocol: 4,
            },
        ),
        (
            19,
            16,
            ParseError::ArpLengths {
                hardware: 6,
                protocol: 16,
            },
        ),
        (21, 3, ParseError::ArpOperation(3)),
    ] {
        let mut bytes = frame.clone();
        bytes[at] = byte;
        assert_eq!(arp::parse(&bytes), Err(bad));
    }
}

fn advert(src: &str, target: &str, router: bool) -> NeighborAdvert {
    NeighborAdvert {
        src: src.parse().unwrap(),
        dst: "ff02::1".parse().unwrap(),
        target: target.parse().unwrap(),
        mac: Some(ROUTER_MAC),
        router,
        solicited: false,
        overrides: true,
    }
}

#[test]
fn golden_neighbor_adverts_are_parsed_and_emitted() {
    let router = NeighborAdvert {
        mac: Some(Mac([2, 0, 0, 0, 0, 5])),
        ..advert("fe80::5", "2001:db8::fe", true)
    };
    for (name, wanted) in [
        ("na-link-local", advert("fe80::100", "fe80::100", false)),
        ("na-global", advert("2001:db8::200", "2001:db8::200", false)),
        ("na-router", router),
    ] {
        let frame = golden(&format!("packets/{name}"));
        assert_eq!(ndisc::parse(&frame), Ok(wanted), "{name}");
        let mut buf = [0xaa; 128];
        let (mac, src, target) = (wanted.mac.unwrap(), wanted.src, wanted.target);
        let len = ndisc::emit_unsolicited(
            &Unsolicited {
                mac,
                src,
                target,
                router: wanted.router,
            },
            &mut buf,
        )
        .unwrap();
        assert_eq!(buf[..len], frame, "{name}");
    }
    let solicited = NeighborAdvert {
        src: "fe80::7".parse().unwrap(),
        dst: "fe80::9".parse().unwrap(),
        target: "fe80::7".parse().unwrap(),
        mac: None,
        router: false,
        solicited: true,
        overrides: false,
    };
    let frame = golden("packets/na-solicited");
    assert_eq!(ndisc::parse(&frame), Ok(solicited));
}

#[test]
fn every_truncated_neighbor_advert_is_rejected() {
    for name in ["na-global", "na-router", "na-solicited"] {
        let frame = golden(&format!("packets/{name}"));
        for len in 0..frame.len() {
            let bad = ndisc::parse(&frame[..len]).unwrap_err();
            assert!(
                matches!(bad, ParseError::Short { .. } | ParseError::IpLength { .. }),
                "{name} at {len}: {bad}"
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_a_neighbor_advert_is_detected_or_ignored() {
    for name in ["na-global", "na-router", "na-solicited"] {
        let frame = golden(&format!("packets/{name}"));
        let clean = ndisc::parse(&frame);
        for bit in 0..frame.len() * 8 {
            let mut bytes = frame.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let parsed = ndisc::parse(&bytes);
            // Ethernet addresses, traffic class and flow label are not covered by the checksum.
            let unread = match bit / 8 {
                0..12 | 15..18 => true,
                14 => bit % 8 < 4,
                _ => false,
            };
            assert_eq!(parsed == clean, unread, "{name} bit {bit}: {parsed:?}");
            assert!(unread || parsed.is_err(), "{name} bit {bit}: {parsed:?}");
        }
    }
}

#[test]
fn every_malformed_neighbor_advert_gives_its_own_error() {
    let cases: [(&str, usize, u8, ParseError); 10] = [
        (
            "other EtherType",
            13,
            0,
            ParseError::EtherType {
                found: 0x8600,
                expected: 0x86dd,
            },
        ),
        (
            "IPv4",
            14,
            0x45,
            ParseError::IpVersion {
                found: 4,
                expected: 6,
            },
        ),
        (
            "payload beyond the frame",
            19,
            33,
            ParseError::IpLength {
                found: 33,
                received: 32,
            },
        ),
        (
            "UDP",
            20,
            17,
            ParseError::Protocol {
                found: 17,
                expected: 58,
            },
        ),
        ("routed", 21, 254, ParseError::HopLimit(254)),
        (
            "solicitation",
            54,
            135,
            ParseError::IcmpType {
                found: 135,
                expected: 136,
            },
        ),
        ("code 1", 55, 1, ParseError::IcmpCode(1)),
        ("answer to all", 58, 0x60, ParseError::NdiscSolicited),
        (
            "option of length 0",
            79,
            0,
            ParseError::NdiscOption { found: 0, left: 8 },
        ),
        (
            "option beyond the end",
            79,
            2,
            ParseError::NdiscOption { found: 16, left: 8 },
        ),
    ];
    for (name, at, byte, bad) in cases {
        let mut frame = golden("packets/na-global");
        frame[at] = byte;
        assert_eq!(
            ndisc::parse(&with_valid_checksum(frame)),
            Err(bad),
            "{name}"
        );
    }
    let mut frame = golden("packets/na-global");
    frame[62] = 0xff;
    let target = "ff01:db8::200".parse().unwrap();
    assert_eq!(
        ndisc::parse(&with_valid_checksum(frame)),
        Err(ParseError::NdiscTarget(target))
    );
    let mut frame = golden("packets/na-global");
    frame[85] = 2;
    let bad = ParseError::IcmpChecksum {
        found: 0xf52c,
        expected: 0xf52b,
    };
    assert_eq!(ndisc::parse(&frame), Err(bad));
}

#[test]
fn only_the_target_link_layer_address_option_sets_the_mac() {
    for (kind, mac) in [(2, Some(ROUTER_MAC)), (1, None), (14, None)] {
        let mut frame = golden("packets/na-global");
        frame[78] = kind;
        let parsed = ndisc::parse(&with_valid_checksum(frame)).unwrap();
        assert_eq!(parsed.mac, mac, "option {kind}");
    }
}

/// The frame with a valid ICMPv6 checksum.
fn with_valid_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    frame[56..58].fill(0);
    let len = u16::try_from(frame.len() - 54).unwrap();
    let sum = Sum::new().pseudo(&ipv6_net(&frame[14..]), 58, len);
    let sum = sum.bytes(&frame[54..]).checksum();
    frame[56..58].copy_from_slice(&sum.to_be_bytes());
    frame
}

#[test]
fn arp_and_ndisc_emit_reject_a_buffer_that_is_too_small() {
    let (vip, addr) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    for len in 0..arp::FRAME_LEN {
        let mut buf = vec![0; len];
        let frame = arp::emit_gratuitous(ROUTER_MAC, vip, &mut buf);
        assert!(matches!(frame, Err(EmitError::Buffer { .. })), "{len}");
    }
    for len in 0..ndisc::FRAME_LEN {
        let mut buf = vec![0; len];
        let frame = ndisc::emit_unsolicited(
            &Unsolicited {
                mac: ROUTER_MAC,
                src: addr,
                target: addr,
                router: false,
            },
            &mut buf,
        );
        assert!(matches!(frame, Err(EmitError::Buffer { .. })), "{len}");
    }
}
