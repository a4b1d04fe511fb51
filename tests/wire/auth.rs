//! Authentication: the IPsec authentication header (AH) as keepalived sends it, and the trailer of
//! `auth_hmac` against the test vectors of its specification.

use core::net::IpAddr;

use vrrpd::types::Version;
use vrrpd::wire::hmac::{self, Trailer};
use vrrpd::wire::vrrp::{self, AdvertRepr, Auth, ChecksumForm};
use vrrpd::wire::{EmitError, ParseError, PseudoHeader, ah, ipv4};

use crate::hex::golden;
use crate::samples::{SAMPLES, Sample, V3, V6, ip};

// ---- AH ----

/// `auth_pass` of the golden packet.
const KEY: &[u8; 8] = b"k3y\0\0\0\0\0";

fn with_ah() -> &'static Sample {
    let mut all = SAMPLES.iter();
    all.find(|sample| sample.name == "v2-ah").unwrap()
}

fn verify(bytes: &[u8], key: &[u8]) -> bool {
    ipv4::parse(bytes).is_ok_and(|packet| ah::verify(&packet, bytes, key))
}

/// `bytes` with a correct header checksum.
fn with_valid_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[10..12].fill(0);
    let sum = vrrpd::wire::checksum::Sum::new().bytes(&bytes[..20]);
    bytes[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
    bytes
}

#[test]
fn golden_ah_packet_is_parsed() {
    let bytes = with_ah().packet();
    let packet = ipv4::parse(&bytes).unwrap();
    assert_eq!(packet.header.protocol, ah::PROTOCOL);
    let (header, message) = ah::parse(packet.payload).unwrap();
    assert_eq!((header.spi, header.sequence), (0xc000_0201, 1));
    assert_eq!(message, with_ah().message());
    assert!(ah::verify(&packet, &bytes, KEY));
    assert!(!ah::verify(&packet, &bytes, b"k3z\0\0\0\0\0"));
}

#[test]
fn golden_ah_packet_is_emitted_byte_for_byte() {
    let sample = with_ah();
    let golden = sample.packet();
    let header = ipv4::parse(&golden).unwrap().header;
    let mut buf = [0xaa; 128];
    let message = sample.message();
    let len = ah::emit(&header, 1, KEY, &mut buf, |payload| {
        payload[..message.len()].copy_from_slice(&message);
        Ok(message.len())
    });
    assert_eq!(buf[..len.unwrap()], golden);
}

#[test]
fn ah_detects_every_changed_bit_except_in_mutable_ip_fields() {
    let bytes = with_ah().packet();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 0x80 >> (bit % 8);
        let other = with_valid_checksum(other);
        let Ok(packet) = ipv4::parse(&other) else {
            continue;
        };
        if ah::parse(packet.payload).is_err() {
            continue;
        }
        // Mutable fields (RFC 4302, 3.3.3.1): type of service, flags, checksum.
        let may_change = [1, 6, 7, 10, 11].contains(&(bit / 8));
        assert_eq!(verify(&other, KEY), may_change, "bit {bit}");
    }
}

#[test]
fn ah_covers_the_ttl_in_multicast_adverts_only() {
    for (to, want) in [("224.0.0.18", false), ("192.0.2.2", true)] {
        let header = ipv4::Header {
            tos: 0xc0,
            id: 7,
            ttl: 255,
            protocol: ah::PROTOCOL,
            src: "192.0.2.1".parse().unwrap(),
            dst: to.parse().unwrap(),
        };
        let mut buf = vec![0; 128];
        let len = ah::emit(&header, 9, KEY, &mut buf, |payload| {
            payload[..16].fill(0x5a);
            Ok(16)
        });
        buf.truncate(len.unwrap());
        assert!(verify(&buf, KEY), "{to}");
        buf[8] = 64;
        assert_eq!(verify(&with_valid_checksum(buf), KEY), want, "{to}");
    }
}

#[test]
fn every_malformed_ah_gives_its_own_error() {
    let bytes = with_ah().packet();
    let payload = &bytes[20..];
    for len in 0..ah::LEN {
        let short = ah::parse(&payload[..len]);
        assert!(matches!(short, Err(ParseError::Short { .. })), "{len}");
    }
    assert_eq!(ah::parse(&payload[..ah::LEN]).unwrap().1, [0; 0]);
    let mut other = payload.to_vec();
    other[1] = 5;
    assert_eq!(ah::parse(&other), Err(ParseError::AhLength(5)));
    other[0] = 51;
    let expected = ParseError::Protocol {
        found: 51,
        expected: 112,
    };
    assert_eq!(ah::parse(&other), Err(expected));
    // The reserved field is ignored.
    let mut other = payload.to_vec();
    other[2] = 1;
    assert!(ah::parse(&other).is_ok());
}

#[test]
fn ah_emit_rejects_a_buffer_that_is_too_small() {
    let header = ipv4::parse(&with_ah().packet()).unwrap().header;
    for len in [0, 19, 20, 43] {
        let error = ah::emit(&header, 1, KEY, &mut vec![0; len], |_| Ok(0));
        assert!(matches!(error, Err(EmitError::Buffer { .. })), "{len}");
    }
    assert_eq!(ah::emit(&header, 1, KEY, &mut [0; 44], |_| Ok(0)), Ok(44));
}

// ---- auth_hmac ----

fn secret() -> Vec<u8> {
    (0..32).collect()
}

/// A test vector: VRID 51, priority 200, 1 s, key 1, sequence 0x6800000080000000, key `secret`.
struct Vector {
    name: &'static str,
    base: Sample,
    src: &'static str,
    dst: &'static str,
    address: &'static str,
}

const VECTORS: [Vector; 2] = [
    Vector {
        name: "v3-ipv4-signed",
        base: V3,
        src: "198.51.100.10",
        dst: "192.0.2.10",
        address: "192.0.2.100",
    },
    Vector {
        name: "v3-ipv6-signed",
        base: V6,
        src: "fe80::10",
        dst: "fe80::20",
        address: "fe80::100",
    },
];

const TRAILER: Trailer = Trailer {
    key: 1,
    sequence: 0x6800_0000_8000_0000,
};

impl Vector {
    fn net(&self) -> PseudoHeader {
        PseudoHeader {
            src: ip(self.src),
            dst: ip(self.dst),
        }
    }

    fn sign(&self, key: &[u8]) -> Vec<u8> {
        let addresses = [ip(self.address)];
        let advert = AdvertRepr {
            vrid: vrrpd::types::Vrid::new(51).unwrap(),
            priority: vrrpd::types::Priority(200),
            interval: vrrpd::types::Centis::SECOND,
            ..self.base.out(&addresses)
        };
        let form = match self.net().dst {
            IpAddr::V4(_) => ChecksumForm::Plain,
            IpAddr::V6(_) => ChecksumForm::PseudoHeader,
        };
        let mut buf = vec![0xaa; 100];
        let len = vrrp::emit(&advert, Some(&self.net()), form, &mut buf).unwrap();
        let len = hmac::sign(&mut buf, len, ip(self.src), TRAILER, key).unwrap();
        buf.truncate(len);
        if ip(self.dst).is_ipv6() {
            vrrp::update_signed_checksum(&mut buf, &self.net()).unwrap();
        }
        buf
    }
}

#[test]
fn auth_hmac_test_vectors_are_parsed_and_signed_byte_for_byte() {
    for vector in &VECTORS {
        let name = vector.name;
        let bytes = golden(&format!("signed/{name}"));
        let parsed = vrrp::parse(&bytes, &vector.net()).unwrap();
        assert_eq!(parsed.bytes, bytes, "{name}");
        assert_eq!(hmac::parse(parsed.trailer), Ok(TRAILER), "{name}");
        let advert = parsed.advert;
        assert_eq!((advert.vrid.get(), advert.priority.0), (51, 200), "{name}");
        let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
        assert_eq!(addresses, [ip(vector.address)], "{name}");
        assert!(hmac::verify(&bytes, ip(vector.src), &secret()), "{name}");
        assert_eq!(vector.sign(&secret()), bytes, "{name}");
    }
}

#[test]
fn auth_hmac_detects_every_changed_bit_except_in_the_checksum() {
    for vector in &VECTORS {
        let (name, from) = (vector.name, ip(vector.src));
        let bytes = golden(&format!("signed/{name}"));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 0x80 >> (bit % 8);
            let checksum = [6, 7].contains(&(bit / 8));
            let intact = hmac::verify(&other, from, &secret());
            assert_eq!(intact, checksum, "{name} bit {bit}");
        }
        assert!(!hmac::verify(&bytes, ip("198.51.100.11"), &secret()));
        assert!(!hmac::verify(&bytes, ip("fe80::11"), &secret()));
        assert!(!hmac::verify(&bytes, from, &[7; 32]));
        for len in 0..bytes.len() {
            assert!(!hmac::verify(&bytes[..len], from, &secret()), "{len}");
        }
    }
}

#[test]
fn auth_hmac_trailer_is_28_bytes_of_type_1() {
    let mut bytes = golden("signed/v3-ipv4-signed").split_off(12);
    for len in 0..bytes.len() {
        let short = hmac::parse(&bytes[..len]);
        assert!(matches!(short, Err(ParseError::Short { .. })), "{len}");
    }
    bytes.push(0);
    assert_eq!(hmac::parse(&bytes), Err(ParseError::Trailing(1)));
    bytes.pop();
    for at in [0, 2, 3] {
        let mut other = bytes.clone();
        other[at] ^= 4;
        assert_eq!(hmac::parse(&other), Err(ParseError::Trailer(other[0])));
    }
}

#[test]
fn auth_hmac_trailer_of_v2_follows_the_authentication_data() {
    let addresses = [ip("192.0.2.1")];
    let advert = AdvertRepr {
        version: Version::V2,
        auth: Auth::None,
        ..V3.out(&addresses)
    };
    let advert = AdvertRepr {
        interval: vrrpd::types::Centis::SECOND,
        ..advert
    };
    let mut buf = [0; 100];
    let net = V3.net();
    let len = vrrp::emit(&advert, Some(&net), ChecksumForm::Plain, &mut buf).unwrap();
    assert_eq!(len, 20);
    let len = hmac::sign(&mut buf, len, net.src, TRAILER, &secret()).unwrap();
    let parsed = vrrp::parse(&buf[..len], &net).unwrap();
    assert_eq!((parsed.trailer.len(), parsed.bytes.len()), (28, 48));
    assert!(hmac::verify(parsed.bytes, net.src, &secret()));
    let error = hmac::sign(&mut buf, 73, net.src, TRAILER, &secret());
    let expected = EmitError::Buffer {
        found: 100,
        needed: 101,
    };
    assert_eq!(error, Err(expected));
}
