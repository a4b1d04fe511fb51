//! VRRP messages, without the IP header.

use core::net::IpAddr;

use vrrpd::types::{Centis, Priority, Version, Vrid};
use vrrpd::wire::checksum::Sum;
use vrrpd::wire::vrrp::{self, AdvertRepr, Auth, ChecksumForm};
use vrrpd::wire::{EmitError, ParseError, PseudoHeader};

use crate::hex::golden;
use crate::samples::{SAMPLES, Sample, V2, V3, V6, ip};

#[test]
fn golden_adverts_are_parsed() {
    for sample in SAMPLES {
        let name = sample.name;
        let (message, net) = (sample.message(), sample.net());
        let parsed = vrrp::parse(&message, &net).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let advert = parsed.advert;
        assert_eq!(parsed.checksum, sample.form, "{name}");
        assert_eq!(advert.version, sample.version, "{name}");
        assert_eq!(advert.vrid.get(), sample.vrid, "{name}");
        assert_eq!(advert.priority.0, sample.priority, "{name}");
        assert_eq!(advert.interval.0, sample.interval, "{name}");
        assert_eq!(advert.auth, sample.auth, "{name}");
        let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
        assert_eq!(addresses, sample.addresses(), "{name}");
    }
}

#[test]
fn golden_adverts_are_emitted_byte_for_byte() {
    for sample in SAMPLES {
        assert_eq!(sample.emit(), sample.message(), "{}", sample.name);
    }
}

#[test]
fn the_longest_advert_is_parsed_and_emitted() {
    let net = V6.net();
    let net = PseudoHeader {
        src: ip("fe80::1"),
        ..net
    };
    let message = golden("packets/v3-ipv6-255").split_off(40);
    let parsed = vrrp::parse(&message, &net).unwrap();
    let addresses: Vec<IpAddr> = parsed.advert.addresses.iter().collect();
    let wanted: Vec<IpAddr> = (1..=255).map(|i| ip(&format!("2001:db8::{i:x}"))).collect();
    assert_eq!(addresses, wanted);
    assert_eq!(parsed.advert.interval, Centis::MAX_V3);
    let advert = AdvertRepr {
        version: Version::V3,
        vrid: Vrid::new(255).unwrap(),
        priority: Priority(254),
        interval: Centis::MAX_V3,
        auth: Auth::None,
        addresses: &wanted,
    };
    let mut buf = [0; vrrp::MAX_LEN];
    let len = vrrp::emit(&advert, Some(&net), ChecksumForm::PseudoHeader, &mut buf);
    assert_eq!(len, Ok(vrrp::MAX_LEN));
    assert_eq!(buf[..], message);
}

#[test]
fn adverts_round_trip_through_emit_and_parse() {
    let auths = [
        Auth::None,
        Auth::Pass(*b"12345678"),
        Auth::Ah,
        Auth::Other(9),
    ];
    for sample in [V2, V3, V6] {
        let many: Vec<IpAddr> = sample.addresses().into_iter().cycle().take(255).collect();
        for count in [0, 1, 2, 3, 254, 255] {
            for interval in [100, 200, 25_500, 1, 4095] {
                for auth in auths {
                    let advert = AdvertRepr {
                        auth,
                        interval: Centis(interval),
                        ..sample.out(&many[..count])
                    };
                    let mut buf = [0; vrrp::MAX_LEN];
                    let emitted = vrrp::emit(&advert, Some(&sample.net()), sample.form, &mut buf);
                    let fits = match sample.version {
                        Version::V2 => interval % 100 == 0,
                        Version::V3 => interval <= 4095 && auth == Auth::None,
                    };
                    assert_eq!(emitted.is_ok(), fits, "{advert:?}");
                    let Ok(len) = emitted else { continue };
                    let back = vrrp::parse(&buf[..len], &sample.net()).unwrap();
                    assert_eq!(back.checksum, sample.form);
                    assert_eq!(back.advert.interval.0, interval);
                    assert_eq!(back.advert.auth, auth);
                    assert!(
                        back.advert
                            .addresses
                            .iter()
                            .eq(many[..count].iter().copied())
                    );
                }
            }
        }
    }
}

#[test]
fn every_truncated_advert_is_rejected() {
    for sample in SAMPLES {
        let message = sample.message();
        for len in 0..message.len() {
            let bad = vrrp::parse(&message[..len], &sample.net()).unwrap_err();
            assert!(
                matches!(bad, ParseError::VrrpLength { found, .. } if found == len),
                "{} at {len}: {bad}",
                sample.name
            );
        }
    }
}

#[test]
fn ethernet_padding_after_an_advert_is_accepted_and_more_is_rejected() {
    let pass = &SAMPLES[2];
    let message = pass.message();
    let clean = vrrp::parse(&message, &pass.net());
    assert!(clean.is_ok());
    for (len, good) in [(20, true), (26, true), (30, true), (31, false), (46, false)] {
        let mut padded = message.clone();
        padded.resize(len, 0x55);
        let parsed = vrrp::parse(&padded, &pass.net());
        let length = ParseError::VrrpLength {
            found: len,
            expected: 20,
        };
        assert_eq!(parsed, if good { clean } else { Err(length) }, "{len}");
    }
    let mut longer = V6.message();
    longer.push(0);
    let length = ParseError::VrrpLength {
        found: 41,
        expected: 40,
    };
    assert_eq!(vrrp::parse(&longer, &V6.net()), Err(length));
}

#[test]
fn v3_ipv4_advert_is_accepted_with_each_checksum_form() {
    let unicast = &SAMPLES[6];
    for form in [
        ChecksumForm::Plain,
        ChecksumForm::PseudoHeader,
        ChecksumForm::OldUnicast,
    ] {
        let message = Sample { form, ..V3 }.emit();
        let multicast = vrrp::parse(&message, &V3.net()).map(|parsed| parsed.checksum);
        // For the multicast group both checksums are equal.
        let same = if form == ChecksumForm::OldUnicast {
            ChecksumForm::PseudoHeader
        } else {
            form
        };
        assert_eq!(multicast, Ok(same));
        let Sample { dst, .. } = *unicast;
        let sample = Sample { form, dst, ..V3 };
        let unicast_form = vrrp::parse(&sample.emit(), &sample.net()).map(|parsed| parsed.checksum);
        assert_eq!(unicast_form, Ok(form));
    }
}

#[test]
fn v3_ipv6_advert_is_accepted_with_the_pseudo_header_checksum_only() {
    let old = PseudoHeader {
        dst: ip("224.0.0.18"),
        ..V6.net()
    };
    let zeroed = with_change(&V6, |_| ());
    let len = u16::try_from(zeroed.len()).unwrap();
    for (name, sum) in [
        ("plain", Sum::new()),
        ("old unicast", Sum::new().pseudo(&old, 112, len)),
    ] {
        let mut message = zeroed.clone();
        message[6..8].fill(0);
        let sum = sum.bytes(&message).checksum();
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        let bad = ParseError::VrrpChecksum {
            found: sum,
            expected: u16::from_be_bytes([zeroed[6], zeroed[7]]),
        };
        assert_eq!(vrrp::parse(&message, &V6.net()), Err(bad), "{name}");
    }
}

#[test]
fn kernel_checksum_form_emits_a_zero_checksum() {
    let addresses = V6.addresses();
    let mut buf = [0xaa; 64];
    let len = vrrp::emit(&V6.out(&addresses), None, ChecksumForm::Kernel, &mut buf).unwrap();
    let mut wanted = V6.message();
    wanted[6..8].fill(0);
    assert_eq!(buf[..len], wanted);
}

/// The message of `sample` after `change`, with a valid checksum.
fn with_change(sample: &Sample, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = sample.message();
    change(&mut message);
    message[6..8].fill(0);
    let plain = Sum::new().bytes(&message);
    let sum = match sample.version {
        Version::V2 => plain,
        Version::V3 => plain.pseudo(&sample.net(), 112, u16::try_from(message.len()).unwrap()),
    };
    message[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    message
}

#[test]
fn every_malformed_advert_gives_its_own_error() {
    let length = |found, expected| ParseError::VrrpLength { found, expected };
    let cases: [(&str, &Sample, Vec<u8>, ParseError); 14] = [
        ("nothing", &V2, Vec::new(), length(0, 8)),
        ("half a header", &V2, vec![0x21; 7], length(7, 8)),
        (
            "version 1",
            &V2,
            with_change(&V2, |m| m[0] = 0x11),
            ParseError::VrrpVersion(1),
        ),
        (
            "version 4",
            &V6,
            with_change(&V6, |m| m[0] = 0x41),
            ParseError::VrrpVersion(4),
        ),
        (
            "v2 over IPv6",
            &V6,
            with_change(&V6, |m| m[0] = 0x21),
            ParseError::VrrpV2OverIpv6,
        ),
        (
            "count above",
            &V2,
            with_change(&V2, |m| m[3] = 4),
            length(28, 32),
        ),
        (
            "count far above",
            &V3,
            with_change(&V3, |m| m[3] = 255),
            length(16, 1028),
        ),
        (
            "count below",
            &V6,
            with_change(&V6, |m| m[3] = 1),
            length(40, 24),
        ),
        (
            "v2 without authentication data",
            &V2,
            with_change(&V2, |m| m.truncate(20)),
            length(20, 28),
        ),
        (
            "type 2",
            &V2,
            with_change(&V2, |m| m[0] = 0x22),
            ParseError::VrrpType(2),
        ),
        (
            "type 0",
            &V6,
            with_change(&V6, |m| m[0] = 0x30),
            ParseError::VrrpType(0),
        ),
        (
            "VRID 0",
            &V3,
            with_change(&V3, |m| m[1] = 0),
            ParseError::VrrpVrid,
        ),
        (
            "v2 interval 0",
            &V2,
            with_change(&V2, |m| m[5] = 0),
            ParseError::VrrpInterval,
        ),
        // The four reserved bits before the interval are not part of it.
        (
            "v3 interval 0",
            &V3,
            with_change(&V3, |m| m[4..6].copy_from_slice(&[0xf0, 0])),
            ParseError::VrrpInterval,
        ),
    ];
    for (name, sample, message, bad) in cases {
        assert_eq!(vrrp::parse(&message, &sample.net()), Err(bad), "{name}");
    }
    for sample in [&V2, &V3, &V6] {
        let mut message = sample.message();
        let sum = u16::from_be_bytes([message[6], message[7]]);
        message[2] ^= 1;
        let expected = with_change(sample, |m| m[2] ^= 1);
        let bad = ParseError::VrrpChecksum {
            found: sum,
            expected: u16::from_be_bytes([expected[6], expected[7]]),
        };
        assert_eq!(
            vrrp::parse(&message, &sample.net()),
            Err(bad),
            "{}",
            sample.name
        );
    }
}

#[test]
fn reserved_bits_and_unused_authentication_data_are_ignored() {
    let reserved = with_change(&V3, |m| m[4] |= 0xf0);
    let parsed = vrrp::parse(&reserved, &V3.net()).unwrap();
    assert_eq!(parsed.advert.interval, Centis(25));
    let data = with_change(&V2, |m| m[20..].fill(7));
    assert_eq!(
        vrrp::parse(&data, &V2.net()).unwrap().advert.auth,
        Auth::None
    );
}

#[test]
fn emit_rejects_an_impossible_advert_with_its_own_error() {
    let few = V2.addresses();
    let many = vec![few[0]; 256];
    let mixed = [few[0], ip("2001:db8::1")];
    let (v2, v3, v6) = (V2.net(), V3.net(), V6.net());
    let plain = ChecksumForm::Plain;
    let pseudo = ChecksumForm::PseudoHeader;
    let slow = |centis| AdvertRepr {
        interval: Centis(centis),
        ..V2.out(&few)
    };
    let fast = |centis| AdvertRepr {
        interval: Centis(centis),
        ..V3.out(&few)
    };
    let v6_addresses = V6.addresses();
    let with_auth = AdvertRepr {
        auth: Auth::Pass([0; 8]),
        ..V3.out(&few)
    };
    let cases = [
        (
            "256 addresses",
            V2.out(&many),
            Some(&v2),
            plain,
            EmitError::AddressCount(256),
        ),
        (
            "two families",
            V3.out(&mixed),
            Some(&v3),
            pseudo,
            EmitError::AddressFamily,
        ),
        (
            "IPv6 in v2",
            V2.out(&v6_addresses),
            Some(&v6),
            plain,
            EmitError::AddressFamily,
        ),
        (
            "v2 every 1.5 s",
            slow(150),
            None,
            plain,
            EmitError::Interval(Centis(150)),
        ),
        (
            "v2 every 0 s",
            slow(0),
            None,
            plain,
            EmitError::Interval(Centis(0)),
        ),
        (
            "v2 every 256 s",
            slow(25_600),
            None,
            plain,
            EmitError::Interval(Centis(25_600)),
        ),
        (
            "v3 every 0 s",
            fast(0),
            Some(&v3),
            pseudo,
            EmitError::Interval(Centis(0)),
        ),
        (
            "v3 every 40.96 s",
            fast(4096),
            Some(&v3),
            pseudo,
            EmitError::Interval(Centis(4096)),
        ),
        (
            "v3 with a password",
            with_auth,
            Some(&v3),
            pseudo,
            EmitError::Authentication,
        ),
        (
            "no addresses to sum",
            V3.out(&few),
            None,
            pseudo,
            EmitError::ChecksumForm,
        ),
        (
            "v6 without pseudo header",
            V6.out(&v6_addresses),
            Some(&v6),
            plain,
            EmitError::ChecksumForm,
        ),
        (
            "v6 old unicast",
            V6.out(&v6_addresses),
            Some(&v6),
            ChecksumForm::OldUnicast,
            EmitError::ChecksumForm,
        ),
    ];
    for (name, advert, net, form, unfit) in cases {
        let mut buf = [0; 2000];
        assert_eq!(
            vrrp::emit(&advert, net, form, &mut buf),
            Err(unfit),
            "{name}"
        );
    }
}

#[test]
fn debug_output_hides_the_password() {
    let text = format!("{:?}", SAMPLES[2].out(&[]));
    assert!(text.contains("Pass(********)"), "{text}");
}
