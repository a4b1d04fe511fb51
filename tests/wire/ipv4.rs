//! IPv4 packets that carry VRRP.

use vrrpd::types::Centis;
use vrrpd::wire::checksum::Sum;
use vrrpd::wire::ipv4::{self, Header};
use vrrpd::wire::vrrp::{self, Auth, ChecksumForm};
use vrrpd::wire::{EmitError, ParseError};

use crate::samples::{SAMPLES, V2, ip, ipv6_net, v4};

#[test]
fn golden_ipv4_packets_are_parsed() {
    for sample in SAMPLES {
        let (name, Some(id)) = (sample.name, sample.id) else {
            continue;
        };
        let bytes = sample.packet();
        let packet = ipv4::parse(&bytes).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let protocol = if sample.auth == Auth::Ah { 51 } else { 112 };
        let header = Header {
            tos: 0xc0,
            id,
            ttl: 255,
            protocol,
            src: v4(ip(sample.src)),
            dst: v4(ip(sample.dst)),
        };
        assert_eq!(packet.header, header, "{name}");
        let router_alert: &[u8] = &[0x94, 4, 0, 0];
        let options = if name == "v2-options" {
            router_alert
        } else {
            &[]
        };
        assert_eq!(packet.options, options, "{name}");
        let ah = if protocol == 51 { 24 } else { 0 };
        assert_eq!(packet.payload[ah..], sample.message(), "{name}");
    }
}

#[test]
fn golden_ipv4_packets_are_emitted_byte_for_byte() {
    for sample in SAMPLES.iter().filter(|sample| sample.before == 0) {
        let Some(id) = sample.id else { continue };
        let header = Header {
            tos: 0xc0,
            id,
            ttl: 255,
            protocol: vrrp::PROTOCOL,
            src: v4(ip(sample.src)),
            dst: v4(ip(sample.dst)),
        };
        let (net, addresses) = (sample.net(), sample.addresses());
        let advert = sample.out(&addresses);
        let mut buf = [0xaa; 128];
        let len = ipv4::emit(&header, &mut buf, |payload| {
            vrrp::emit(&advert, Some(&net), sample.form, payload)
        });
        assert_eq!(buf[..len.unwrap()], sample.packet(), "{}", sample.name);
    }
}

#[test]
fn ipv4_total_length_counts_not_the_buffer_length() {
    let mut frame = V2.packet();
    let clean = frame.clone();
    frame.extend([0x55; 12]);
    assert_eq!(ipv4::parse(&frame), ipv4::parse(&clean));
}

#[test]
fn every_truncated_ipv4_packet_is_rejected() {
    for sample in SAMPLES.iter().filter(|sample| sample.id.is_some()) {
        let packet = sample.packet();
        for len in 0..packet.len() {
            let bad = ipv4::parse(&packet[..len]).unwrap_err();
            assert!(
                matches!(bad, ParseError::Short { .. } | ParseError::IpLength { .. }),
                "{} at {len}: {bad}",
                sample.name
            );
        }
    }
}

#[test]
fn every_flipped_bit_of_a_packet_is_detected() {
    for sample in SAMPLES {
        let packet = sample.packet();
        let start = sample.ip_header() + sample.before;
        // Of an IPv6 header the parser gets only the addresses, from the socket.
        let covered = if sample.id.is_some() { 0 } else { 8 };
        for bit in covered * 8..packet.len() * 8 {
            let (at, mask) = (bit / 8, 1 << (bit % 8));
            let in_ah = sample.auth == Auth::Ah && (20..start).contains(&at);
            if in_ah {
                continue;
            }
            let mut bytes = packet.clone();
            bytes[at] ^= mask;
            let accepted = if sample.id.is_some() {
                ipv4::parse(&bytes).is_ok() && vrrp::parse(&bytes[start..], &sample.net()).is_ok()
            } else {
                vrrp::parse(&bytes[start..], &ipv6_net(&bytes)).is_ok()
            };
            assert!(!accepted, "{}: byte {at}, bit {mask:#04x}", sample.name);
        }
    }
}

#[test]
fn every_malformed_ipv4_header_gives_its_own_error() {
    let good = V2.packet();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        let header = usize::from(packet[0] & 15) * 4;
        packet[10..12].fill(0);
        let sum = Sum::new().bytes(&packet[..header.min(packet.len())]);
        packet[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
        packet
    };
    let cases: [(&str, Vec<u8>, ParseError); 8] = [
        (
            "IPv6",
            with(&|p| p[0] = 0x65),
            ParseError::IpVersion {
                found: 6,
                expected: 4,
            },
        ),
        (
            "header of 16",
            with(&|p| p[0] = 0x44),
            ParseError::IpHeaderLength(16),
        ),
        (
            "header beyond the total",
            with(&|p| p[2..4].copy_from_slice(&[0, 19])),
            ParseError::IpHeaderLength(20),
        ),
        (
            "header of 60 in 48",
            with(&|p| p[0] = 0x4f),
            ParseError::IpHeaderLength(60),
        ),
        (
            "total beyond the buffer",
            with(&|p| p[3] += 1),
            ParseError::IpLength {
                found: 49,
                received: 48,
            },
        ),
        (
            "more fragments",
            with(&|p| p[6] = 0x20),
            ParseError::Fragment,
        ),
        ("last fragment", with(&|p| p[7] = 1), ParseError::Fragment),
        (
            "no header",
            vec![0x45; 9],
            ParseError::IpLength {
                found: 0x4545,
                received: 9,
            },
        ),
    ];
    for (name, packet, bad) in cases {
        assert_eq!(ipv4::parse(&packet), Err(bad), "{name}");
    }
    let mut packet = good.clone();
    packet[8] = 254;
    let bad = ParseError::IpChecksum {
        found: 0x1889,
        expected: 0x1989,
    };
    assert_eq!(ipv4::parse(&packet), Err(bad));
    assert!(
        ipv4::parse(&with(&|p| p[6] = 0x40)).is_ok(),
        "do not fragment"
    );
}

#[test]
fn ipv4_emit_rejects_a_buffer_that_is_too_small() {
    let addresses = V2.addresses();
    let header = ipv4::parse(&V2.packet()).unwrap().header;
    for len in 0..48 {
        let mut buf = vec![0; len];
        let packet = ipv4::emit(&header, &mut buf, |payload| {
            vrrp::emit(&V2.out(&addresses), None, ChecksumForm::Plain, payload)
        });
        assert!(matches!(packet, Err(EmitError::Buffer { .. })), "{len}");
    }
    let mut big = vec![0; 70_000];
    let packet = ipv4::emit(&header, &mut big, |_| Ok(65_516));
    assert_eq!(packet, Err(EmitError::Length(65_536)));
}

#[test]
fn error_texts_name_the_found_and_the_expected_value() {
    for (bad, text) in [
        (
            ParseError::Short {
                found: 3,
                needed: 4,
            },
            "3 bytes, needs 4",
        ),
        (
            ParseError::VrrpVersion(4),
            "VRRP version 4, expected 2 or 3",
        ),
        (
            ParseError::VrrpLength {
                found: 9,
                expected: 20,
            },
            "VRRP length 9, expected 20",
        ),
        (
            ParseError::VrrpChecksum {
                found: 0xbeef,
                expected: 0x12,
            },
            "VRRP checksum 0xbeef, expected 0x0012",
        ),
        (ParseError::VrrpVrid, "VRID 0, expected 1 to 255"),
        (ParseError::Fragment, "IP fragment, expected a whole packet"),
        (ParseError::HopLimit(254), "hop limit 254, expected 255"),
    ] {
        assert_eq!(bad.to_string(), text);
    }
    let unfit = EmitError::Interval(Centis(150)).to_string();
    assert_eq!(unfit, "interval 1.5 s does not fit the version");
}
