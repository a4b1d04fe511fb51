//! One frame for each way to be wrong, and some that are right, with the rules that must be named.

use crate::packet::{Form, Packet, ip};

/// A frame and the rules that it breaks.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) packet: Packet,
    pub(crate) rules: &'static [&'static str],
}

fn kind(name: &'static str, packet: Packet, rules: &'static [&'static str]) -> Kind {
    Kind {
        name,
        packet,
        rules,
    }
}

/// The changed packet.
fn with(mut packet: Packet, change: fn(&mut Packet)) -> Packet {
    change(&mut packet);
    packet
}

#[rustfmt::skip] // a table: one kind, one line
pub(crate) fn all() -> Vec<Kind> {
    let (v2, v3, v6) = (Packet::v2, Packet::v3, Packet::v6);
    let unicast = Packet::unicast;
    vec![
        // Right ones.
        kind("v2", v2(), &[]),
        kind("v3", v3(), &[]),
        kind("v3 over IPv6", v6(), &[]),
        kind("resigns", with(v3(), |p| p.priority = 0), &[]),
        kind("owner", with(v3(), |p| p.priority = 255), &[]),
        kind("without pseudo-header", with(v3(), |p| p.form = Form::Plain), &[]),
        kind("VLAN", with(v3(), |p| p.tags = vec![(0x8100, 100)]), &[]),
        kind("VLAN in VLAN", with(v3(), |p| p.tags = vec![(0x88a8, 7), (0x8100, 100)]), &[]),
        kind("many addresses", with(v3(), |p| p.addresses = (1..=9).map(|n| ip(&format!("192.0.2.{n}"))).collect()), &[]),
        // Ethernet.
        kind("no virtual MAC", with(v3(), |p| p.src_mac = Some([2, 0, 0, 0, 0, 1])), &["real_mac"]),
        kind("MAC of another VRID", with(v3(), |p| p.src_mac = Some([0, 0, 0x5e, 0, 1, 7])), &["other_virtual_mac"]),
        kind("MAC of IPv6", with(v3(), |p| p.src_mac = Some([0, 0, 0x5e, 0, 2, 51])), &["other_virtual_mac"]),
        kind("MAC of another group", with(v3(), |p| p.dst_mac = Some([1, 0, 0x5e, 0, 0, 1])), &["group_mac"]),
        kind("broadcast MAC", with(v3(), |p| p.dst_mac = Some([0xff; 6])), &["group_mac"]),
        kind("unicast to a group's MAC", with(unicast(), |p| p.dst_mac = Some([1, 0, 0x5e, 0, 0, 18])), &["unicast", "unicast_mac"]),
        // IPv4.
        kind("TTL 254", with(v3(), |p| p.ttl = 254), &["ttl"]),
        kind("unicast", unicast(), &["unicast"]),
        kind("unicast with TTL 64", with(unicast(), |p| p.ttl = 64), &["unicast", "unicast_ttl"]),
        kind("old unicast checksum", with(unicast(), |p| p.form = Form::OldUnicast), &["unicast"]),
        kind("another group", with(v3(), |p| p.dst = ip("224.0.0.99")), &["group"]),
        kind("source 0.0.0.0", with(v3(), |p| p.src = ip("0.0.0.0")), &["source"]),
        kind("multicast source", with(v3(), |p| p.src = ip("224.0.0.1")), &["source"]),
        kind("IP version 6 in IPv4", with(v3(), |p| p.first = Some(0x65)), &["malformed"]),
        kind("IP header of 16 bytes", with(v3(), |p| p.first = Some(0x44)), &["malformed"]),
        kind("IP header longer than the packet", with(v3(), |p| p.first = Some(0x4f)), &["malformed", "malformed"]),
        kind("IP length beyond the frame", with(v3(), |p| p.claim = 20), &["malformed"]),
        kind("IP length too short", with(v3(), |p| p.claim = 4_u16.wrapping_neg()), &["malformed"]),
        kind("IP checksum", with(v3(), |p| p.ip_checksum = 1), &["malformed"]),
        kind("first fragment", with(v3(), |p| p.fragment = 0x2000), &["malformed"]),
        kind("later fragment", with(v3(), |p| p.fragment = 10), &["malformed"]),
        // The message.
        kind("version 0", with(v3(), |p| p.version = 0), &["malformed"]),
        kind("version 1", with(v2(), |p| p.version = 1), &["malformed"]),
        kind("version 4", with(v3(), |p| p.version = 4), &["malformed"]),
        kind("type 2", with(v3(), |p| p.kind = 2), &["malformed"]),
        kind("VRID 0", with(v3(), |p| p.vrid = 0), &["malformed"]),
        kind("reserved bits", with(v3(), |p| p.word = 0xf064), &["reserved"]),
        kind("v3 interval 0", with(v3(), |p| p.word = 0), &["malformed"]),
        kind("v2 interval 0", with(v2(), |p| p.word = 0), &["malformed"]),
        kind("count too large", with(v3(), |p| p.count = Some(2)), &["malformed"]),
        kind("count too small", with(v3(), |p| (p.count, p.addresses) = (Some(1), vec![ip("192.0.2.1"); 9])), &["malformed"]),
        kind("no addresses", with(v3(), |p| p.addresses.clear()), &["no_addresses"]),
        kind("v2 checksum", with(v2(), |p| p.checksum_error = 1), &["malformed"]),
        kind("v3 checksum", with(v3(), |p| p.checksum_error = 1), &["malformed"]),
        kind("four bytes", with(v3(), |p| p.cut = 8), &["malformed"]),
        kind("three bytes", with(v3(), |p| p.cut = 9), &["malformed"]),
        kind("v2 without its last byte", with(v2(), |p| p.cut = 1), &["malformed"]),
        kind("the same address twice", with(v3(), |p| p.addresses = vec![ip("192.0.2.100"); 2]), &["duplicate"]),
        kind("address of a group", with(v3(), |p| p.addresses = vec![ip("224.0.0.18")]), &["not_unicast"]),
        kind("address 0.0.0.0", with(v3(), |p| p.addresses = vec![ip("0.0.0.0")]), &["not_unicast"]),
        kind("everything wrong", with(v3(), |p| (p.kind, p.vrid, p.word, p.checksum_error, p.ttl) = (2, 0, 0xf000, 1, 1)), &["malformed", "checksum", "reserved", "vrid", "interval", "ttl"]),
        kind("CARP", with(v2(), |p| (p.vrid, p.raw) = (1, Some(CARP.to_vec()))), &["malformed", "carp"]),
        // Authentication.
        kind("password", with(v2(), |p| (p.word, p.tail) = (0x0101, b"s3cret\0\0".to_vec())), &["password"]),
        kind("data without a type", with(v2(), |p| p.tail = b"s3cret\0\0".to_vec()), &["auth_data"]),
        kind("type 3", with(v2(), |p| p.word = 0x0301), &["auth_type"]),
        kind("AH", with(v2(), |p| (p.word, p.ah) = (0x0201, Some(([192, 0, 2, 1].into(), 4)))), &[]),
        kind("type 2 without AH", with(v2(), |p| p.word = 0x0201), &["no_ah"]),
        kind("AH with type 0", with(v2(), |p| p.ah = Some(([192, 0, 2, 1].into(), 4))), &["ah_type"]),
        kind("AH with v3", with(v3(), |p| p.ah = Some(([192, 0, 2, 1].into(), 4))), &["ah_version"]),
        kind("AH with another SPI", with(v2(), |p| (p.word, p.ah) = (0x0201, Some(([192, 0, 2, 9].into(), 4)))), &["spi"]),
        kind("AH of another length", with(v2(), |p| (p.word, p.ah) = (0x0201, Some(([192, 0, 2, 1].into(), 5)))), &["malformed"]),
        kind("signature of type 2", with(v3(), |p| { p.tail = vec![0; 28]; p.tail[0] = 2; }), &["signature_type"]),
        // IPv6.
        kind("hop limit 64", with(v6(), |p| p.ttl = 64), &["ttl"]),
        kind("global source", with(v6(), |p| p.src = ip("2001:db8::1")), &["source_not_link_local"]),
        kind("all nodes", with(v6(), |p| p.dst = ip("ff02::1")), &["group"]),
        kind("first address global", with(v6(), |p| p.addresses.reverse()), &["first_not_link_local"]),
        kind("v2 over IPv6", with(v6(), |p| (p.version, p.tail) = (2, vec![0; 8])), &["malformed"]),
        kind("IPv6 checksum", with(v6(), |p| p.checksum_error = 1), &["malformed"]),
        kind("IPv6 fragment", with(v6(), |p| p.fragment = 1), &["malformed"]),
        kind("later IPv6 fragment", with(v6(), |p| p.fragment = 8), &["malformed"]),
        kind("IP version 4 in IPv6", with(v6(), |p| p.first = Some(0x4c)), &["malformed"]),
        kind("IPv6 length beyond the frame", with(v6(), |p| p.claim = 2), &["malformed"]),
    ]
}

/// An advert of OpenBSD's protocol, which has the number and the group of VRRP.
const CARP: [u8; 36] = [
    0x21, 1, 0, 7, 0, 1, 0x41, 0x42, 0xff, 0x38, 0xc2, 0xb0, 0x7b, 0xa4, 0x65, 0x72, 0x22, 0xb0,
    0x9f, 0x1d, 0x5c, 0x88, 0xcc, 0x2f, 0xd2, 0x8d, 0x47, 0xcb, 0xac, 0xaa, 0x61, 0x24, 0xa2, 0x6d,
    0x5d, 0xe0,
];
