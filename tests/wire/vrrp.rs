//! VRRP messages, without the IP header.

use core::net::IpAddr;

use vrrpd::types::{Centis, Priority, Version, Vrid};
use vrrpd::wire::checksum::Sum;
use vrrpd::wire::vrrp::{self, AdvertRepr, Auth, ChecksumForm};
use vrrpd::wire::{EmitError, ParseError, PseudoHeader};

use crate::hex::golden;
use crate::known::{KNOWN, Known, V2, V3, V6, ip};

#[test]
fn golden_adverts_say_what_is_known_of_them() {
    for known in KNOWN {
        let name = known.name;
        let (message, net) = (known.message(), known.net());
        let parsed = vrrp::parse(&message, &net).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let advert = parsed.advert;
        assert_eq!(parsed.checksum, known.form, "{name}");
        assert_eq!(advert.version, known.version, "{name}");
        assert_eq!(advert.vrid.get(), known.vrid, "{name}");
        assert_eq!(advert.priority.0, known.priority, "{name}");
        assert_eq!(advert.interval.0, known.interval, "{name}");
        assert_eq!(advert.auth, known.auth, "{name}");
        let addresses: Vec<IpAddr> = advert.addresses.iter().collect();
        assert_eq!(addresses, known.addresses(), "{name}");
    }
}

#[test]
fn golden_adverts_are_emitted_to_the_byte() {
    for known in KNOWN {
        assert_eq!(known.emit(), known.message(), "{}", known.name);
    }
}

#[test]
fn the_longest_advert_goes_both_ways() {
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
fn every_advert_comes_back_from_its_bytes() {
    let auths = [
        Auth::None,
        Auth::Pass(*b"12345678"),
        Auth::Ah,
        Auth::Other(9),
    ];
    for known in [V2, V3, V6] {
        let many: Vec<IpAddr> = known.addresses().into_iter().cycle().take(255).collect();
        for count in [0, 1, 2, 3, 254, 255] {
            for interval in [100, 200, 25_500, 1, 4095] {
                for auth in auths {
                    let advert = AdvertRepr {
                        auth,
                        interval: Centis(interval),
                        ..known.out(&many[..count])
                    };
                    let mut buf = [0; vrrp::MAX_LEN];
                    let emitted = vrrp::emit(&advert, Some(&known.net()), known.form, &mut buf);
                    let fits = match known.version {
                        Version::V2 => interval % 100 == 0,
                        Version::V3 => interval <= 4095 && auth == Auth::None,
                    };
                    assert_eq!(emitted.is_ok(), fits, "{advert:?}");
                    let Ok(len) = emitted else { continue };
                    let back = vrrp::parse(&buf[..len], &known.net()).unwrap();
                    assert_eq!(back.checksum, known.form);
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
fn every_truncation_of_an_advert_is_refused() {
    for known in KNOWN {
        let message = known.message();
        for len in 0..message.len() {
            let bad = vrrp::parse(&message[..len], &known.net()).unwrap_err();
            assert!(
                matches!(bad, ParseError::VrrpLength { found, .. } if found == len),
                "{} at {len}: {bad}",
                known.name
            );
        }
    }
}

#[test]
fn padding_of_a_short_frame_is_tolerated_and_more_is_not() {
    let pass = &KNOWN[2];
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
fn a_v3_ipv4_advert_is_accepted_however_it_was_summed() {
    let unicast = &KNOWN[6];
    for form in [
        ChecksumForm::Plain,
        ChecksumForm::PseudoHeader,
        ChecksumForm::OldUnicast,
    ] {
        let message = Known { form, ..V3 }.emit();
        let multicast = vrrp::parse(&message, &V3.net()).map(|parsed| parsed.checksum);
        // To the group itself, the old way and the usual one are the same.
        let same = if form == ChecksumForm::OldUnicast {
            ChecksumForm::PseudoHeader
        } else {
            form
        };
        assert_eq!(multicast, Ok(same));
        let Known { dst, .. } = *unicast;
        let known = Known { form, dst, ..V3 };
        let told = vrrp::parse(&known.emit(), &known.net()).map(|parsed| parsed.checksum);
        assert_eq!(told, Ok(form));
    }
}

#[test]
fn a_v3_ipv6_advert_is_accepted_in_one_form_only() {
    let old = PseudoHeader {
        dst: ip("224.0.0.18"),
        ..V6.net()
    };
    let zeroed = changed(&V6, |_| ());
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
fn the_kernel_is_left_a_zero_checksum() {
    let addresses = V6.addresses();
    let mut buf = [0xaa; 64];
    let len = vrrp::emit(&V6.out(&addresses), None, ChecksumForm::Kernel, &mut buf).unwrap();
    let mut wanted = V6.message();
    wanted[6..8].fill(0);
    assert_eq!(buf[..len], wanted);
}

/// `message` with `change` made and the checksum put right.
fn changed(known: &Known, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = known.message();
    change(&mut message);
    message[6..8].fill(0);
    let plain = Sum::new().bytes(&message);
    let sum = match known.version {
        Version::V2 => plain,
        Version::V3 => plain.pseudo(&known.net(), 112, u16::try_from(message.len()).unwrap()),
    };
    message[6..8].copy_from_slice(&sum.checksum().to_be_bytes());
    message
}

#[test]
fn every_check_of_an_advert_has_its_name() {
    let length = |found, expected| ParseError::VrrpLength { found, expected };
    let cases: [(&str, &Known, Vec<u8>, ParseError); 14] = [
        ("nothing", &V2, Vec::new(), length(0, 8)),
        ("half a header", &V2, vec![0x21; 7], length(7, 8)),
        (
            "version 1",
            &V2,
            changed(&V2, |m| m[0] = 0x11),
            ParseError::VrrpVersion(1),
        ),
        (
            "version 4",
            &V6,
            changed(&V6, |m| m[0] = 0x41),
            ParseError::VrrpVersion(4),
        ),
        (
            "v2 over IPv6",
            &V6,
            changed(&V6, |m| m[0] = 0x21),
            ParseError::VrrpV2OverIpv6,
        ),
        (
            "count above",
            &V2,
            changed(&V2, |m| m[3] = 4),
            length(28, 32),
        ),
        (
            "count far above",
            &V3,
            changed(&V3, |m| m[3] = 255),
            length(16, 1028),
        ),
        (
            "count below",
            &V6,
            changed(&V6, |m| m[3] = 1),
            length(40, 24),
        ),
        (
            "v2 without authentication data",
            &V2,
            changed(&V2, |m| m.truncate(20)),
            length(20, 28),
        ),
        (
            "type 2",
            &V2,
            changed(&V2, |m| m[0] = 0x22),
            ParseError::VrrpType(2),
        ),
        (
            "type 0",
            &V6,
            changed(&V6, |m| m[0] = 0x30),
            ParseError::VrrpType(0),
        ),
        (
            "VRID 0",
            &V3,
            changed(&V3, |m| m[1] = 0),
            ParseError::VrrpVrid,
        ),
        (
            "v2 interval 0",
            &V2,
            changed(&V2, |m| m[5] = 0),
            ParseError::VrrpInterval,
        ),
        // The four reserved bits before the interval are not part of it.
        (
            "v3 interval 0",
            &V3,
            changed(&V3, |m| m[4..6].copy_from_slice(&[0xf0, 0])),
            ParseError::VrrpInterval,
        ),
    ];
    for (name, known, message, bad) in cases {
        assert_eq!(vrrp::parse(&message, &known.net()), Err(bad), "{name}");
    }
    for known in [&V2, &V3, &V6] {
        let mut message = known.message();
        let sum = u16::from_be_bytes([message[6], message[7]]);
        message[2] ^= 1;
        let expected = changed(known, |m| m[2] ^= 1);
        let bad = ParseError::VrrpChecksum {
            found: sum,
            expected: u16::from_be_bytes([expected[6], expected[7]]),
        };
        assert_eq!(
            vrrp::parse(&message, &known.net()),
            Err(bad),
            "{}",
            known.name
        );
    }
}

#[test]
fn reserved_bits_and_unused_authentication_data_are_ignored() {
    let reserved = changed(&V3, |m| m[4] |= 0xf0);
    let parsed = vrrp::parse(&reserved, &V3.net()).unwrap();
    assert_eq!(parsed.advert.interval, Centis(25));
    let data = changed(&V2, |m| m[20..].fill(7));
    assert_eq!(
        vrrp::parse(&data, &V2.net()).unwrap().advert.auth,
        Auth::None
    );
}

#[test]
fn what_has_no_packet_is_refused_with_the_reason() {
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
fn a_password_is_not_printed() {
    let text = format!("{:?}", KNOWN[2].out(&[]));
    assert!(text.contains("Pass(********)"), "{text}");
}
