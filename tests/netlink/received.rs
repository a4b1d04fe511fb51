//! Replies and notifications, captured from the kernel in a known namespace.

use core::net::{IpAddr, Ipv4Addr};

use vrrpd::netlink::addr::{AddrFlags, FOREVER};
use vrrpd::netlink::link::LinkFlags;
use vrrpd::netlink::{Ack, Addr, Done, Envelope, Link, Message, Messages, ParseError};
use vrrpd::types::{Cidr, IfIndex, Mac};

use crate::hex::{golden, goldens};

fn messages(bytes: &[u8]) -> Vec<Message<'_>> {
    Messages::new(bytes)
        .map(|envelope| envelope.unwrap().message)
        .collect()
}

/// The RTM_NEWLINK messages in `seen`.
fn links<'a>(seen: &[Message<'a>]) -> Vec<Link<'a>> {
    let mut links = Vec::new();
    for message in seen {
        if let Message::NewLink(link) = message {
            links.push(*link);
        }
    }
    links
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

// ---- links ----

const UP: u32 = 0x1;
const BROADCAST: u32 = 0x2;
const LOOPBACK: u32 = 0x8;
const RUNNING: u32 = 0x40;
const NOARP: u32 = 0x80;
const MULTICAST: u32 = 0x1000;
const LOWER_UP: u32 = 0x1_0000;
const ETHERNET: u32 = BROADCAST | MULTICAST;
const WORKING: u32 = ETHERNET | UP | RUNNING | LOWER_UP;

fn link(index: u32, name: &str, flags: u32) -> Link<'_> {
    Link {
        index: IfIndex(index),
        name,
        flags: LinkFlags(flags),
        mtu: Some(1500),
        mac: None,
        kind: Some("veth"),
        master: None,
        parent: None,
        group: 0,
        vrf_table: None,
    }
}

fn mac(last: u8) -> Option<Mac> {
    Some(Mac([2, 0, 0, 0, 0, last]))
}

#[test]
fn link_dump_is_parsed() {
    let number = |index| Some(IfIndex(index));
    let bytes = golden("netlink/dump-links");
    let wanted = [
        Link {
            mtu: Some(65_536),
            mac: Some(Mac([0; 6])),
            kind: None,
            ..link(1, "lo", UP | LOOPBACK | RUNNING | LOWER_UP)
        },
        // Its peer is in another namespace, where the ifindex has no meaning here.
        Link {
            mac: mac(1),
            ..link(3, "v0", WORKING)
        },
        Link {
            mtu: Some(1400),
            mac: mac(0x0b),
            kind: Some("bridge"),
            ..link(4, "br0", ETHERNET | UP)
        },
        Link {
            mac: mac(4),
            parent: number(6),
            ..link(5, "w1", ETHERNET | NOARP)
        },
        Link {
            mac: mac(3),
            master: number(4),
            parent: number(5),
            ..link(6, "w0", ETHERNET | UP)
        },
        Link {
            mac: mac(7),
            parent: number(8),
            ..link(7, "d1", WORKING)
        },
        Link {
            mac: mac(5),
            parent: number(7),
            ..link(8, "d0", WORKING)
        },
        Link {
            mac: mac(6),
            kind: Some("macvlan"),
            parent: number(5),
            ..link(9, "mv0", ETHERNET)
        },
    ];
    let done = Message::Done(Done {
        errno: 0,
        interrupted: false,
    });
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(Message::NewLink)
        .chain([done])
        .collect();
    assert_eq!(messages(&bytes), wanted);
}

#[test]
fn link_flags_are_distinguished() {
    let flags = LinkFlags(WORKING);
    assert!(flags.has(LinkFlags::UP) && flags.has(LinkFlags::LOWER_UP));
    assert!(flags.has(LinkFlags::RUNNING) && flags.has(LinkFlags::MULTICAST));
    assert!(!flags.has(LinkFlags::LOOPBACK) && !flags.has(LinkFlags::NO_ARP));
    assert!(LinkFlags(0x10).has(LinkFlags::POINT_TO_POINT));
    assert!(!LinkFlags(UP).has(LinkFlags(UP | RUNNING)), "all, not any");
}

#[test]
fn link_down_and_up_events_are_parsed() {
    let bytes = golden("netlink/event-link-down");
    let seen = links(&messages(&bytes));
    let flags: Vec<u32> = seen.iter().map(|link| link.flags.0).collect();
    assert_eq!(flags, [ETHERNET, WORKING & !RUNNING, WORKING]);
}

#[test]
fn bridge_port_removal_is_not_a_link_deletion() {
    let bytes = golden("netlink/event-bridge-port");
    let seen = messages(&bytes);
    let seen_links = links(&seen);
    let masters: Vec<_> = seen_links.iter().map(|l| (l.name, l.master)).collect();
    assert_eq!(
        masters,
        [("w0", Some(IfIndex(4))), ("w0", None), ("br0", None)]
    );
    // The bridge's own messages (AF_BRIDGE) also are link messages.
    assert_eq!(seen[1..3], [Message::Other(16), Message::Other(17)]);
}

#[test]
fn a_renamed_link_keeps_its_ifindex() {
    let bytes = golden("netlink/event-rename");
    let mut seen = links(&messages(&bytes));
    seen.retain(|link| link.index == IfIndex(8));
    let names: Vec<_> = seen.iter().map(|link| link.name).collect();
    assert_eq!(names, ["d0", "d9"]);
}

#[test]
fn link_deletion_is_reported_after_its_addresses() {
    let bytes = golden("netlink/event-link-gone");
    let seen = messages(&bytes);
    let gone = |message: &Message<'_>| matches!(message, Message::DelLink(_));
    let [.., Message::DelLink(one), Message::DelLink(other)] = seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((one.index.0, one.name), (8, "d9"));
    assert_eq!((other.index.0, other.name), (7, "d1"));
    assert_eq!(seen.iter().position(gone), Some(seen.len() - 2));
}

// ---- addresses ----

fn addr<'a>(index: u32, text: &str, prefix: u8) -> Addr<'a> {
    Addr {
        index: IfIndex(index),
        cidr: Cidr {
            addr: ip(text),
            prefix,
        },
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags: AddrFlags::PERMANENT,
        proto: None,
        valid: FOREVER,
        preferred: FOREVER,
    }
}

/// A link-local address, as created by the kernel itself.
fn link_local<'a>(index: u32, text: &str) -> Addr<'a> {
    Addr {
        scope: 253,
        proto: Some(3),
        ..addr(index, text, 64)
    }
}

#[test]
fn address_dump_is_parsed() {
    let permanent = AddrFlags::PERMANENT;
    let nodad = permanent.with(AddrFlags::NODAD);
    let tentative = permanent.with(AddrFlags::TENTATIVE);
    let d0 = |text, prefix| Addr {
        label: Some("d0"),
        ..addr(8, text, prefix)
    };
    let wanted = [
        Addr {
            label: Some("lo"),
            scope: 254,
            ..addr(1, "127.0.0.1", 8)
        },
        Addr {
            broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
            label: Some("d0:vip"),
            scope: 253,
            flags: AddrFlags::NONE,
            valid: 297,
            preferred: 197,
            ..addr(8, "192.0.2.101", 32)
        },
        d0("192.0.2.100", 24),
        Addr {
            peer: Some(ip("192.0.2.6")),
            ..d0("192.0.2.5", 30)
        },
        Addr {
            flags: permanent.with(AddrFlags::AUTOJOIN),
            ..d0("224.0.0.99", 32)
        },
        Addr {
            proto: Some(18),
            ..d0("192.0.2.200", 32)
        },
        Addr {
            flags: permanent.with(AddrFlags::SECONDARY),
            ..d0("192.0.2.102", 24)
        },
        Addr {
            scope: 254,
            proto: Some(1),
            ..addr(1, "::1", 128)
        },
        Addr {
            flags: tentative,
            ..addr(3, "2001:db8:2::9", 64)
        },
        Addr {
            flags: tentative.with(AddrFlags::DADFAILED),
            ..addr(3, "2001:db8::dead", 64)
        },
        link_local(3, "fe80::ff:fe00:1"),
        link_local(7, "fe80::ff:fe00:7"),
        Addr {
            peer: Some(ip("2001:db8:1::8")),
            flags: nodad,
            ..addr(8, "2001:db8:1::7", 128)
        },
        Addr {
            flags: nodad
                .with(AddrFlags::HOME)
                .with(AddrFlags::MNGTMPADDR)
                .with(AddrFlags::NOPREFIXROUTE),
            ..addr(8, "2001:db8::6", 64)
        },
        Addr {
            flags: nodad.with(AddrFlags::DEPRECATED),
            preferred: 0,
            ..addr(8, "2001:db8::5", 128)
        },
        link_local(8, "fe80::ff:fe00:5"),
    ];
    let bytes = golden("netlink/dump-addrs");
    let done = Message::Done(Done {
        errno: 0,
        interrupted: false,
    });
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(Message::NewAddr)
        .chain([done])
        .collect();
    assert_eq!(messages(&bytes), wanted);
}

#[test]
fn address_events_carry_the_label() {
    let bytes = golden("netlink/event-addr");
    let wanted = Addr {
        label: Some("v0:77"),
        ..addr(3, "192.0.2.77", 24)
    };
    assert_eq!(
        messages(&bytes),
        [Message::NewAddr(wanted), Message::DelAddr(wanted)]
    );
}

// ---- acknowledgments ----

#[test]
fn acks_carry_sequence_errno_and_extended_ack() {
    let ack = |seq, errno, text, offset| Ack {
        seq,
        errno,
        text,
        offset,
    };
    for (name, wanted) in [
        ("ack-done", ack(7, 0, None, None)),
        (
            "ack-exists",
            ack(8, 17, Some("ipv4: Address already assigned"), None),
        ),
        (
            "ack-text",
            ack(9, 22, Some("ipv4: Invalid prefix length"), None),
        ),
        (
            "ack-text-capped",
            ack(10, 22, Some("ipv4: Invalid prefix length"), None),
        ),
        (
            "ack-offset-capped",
            ack(11, 34, Some("Attribute failed policy validation"), Some(32)),
        ),
        (
            "ack-absent",
            ack(12, 99, Some("ipv4: Address not found"), None),
        ),
    ] {
        let bytes = golden(&format!("netlink/{name}"));
        assert_eq!(messages(&bytes), [Message::Ack(wanted)], "{name}");
    }
    let bytes = golden("netlink/ack-batch");
    let wanted = [20, 21, 22].map(|seq| Message::Ack(ack(seq, 0, None, None)));
    assert_eq!(messages(&bytes), wanted);
}

// ---- malformed messages ----

#[test]
fn a_truncated_datagram_keeps_the_complete_messages() {
    for (name, bytes) in goldens("netlink") {
        let whole: Vec<_> = Messages::new(&bytes).collect();
        let mut ends = vec![0];
        for message in chunks(&bytes) {
            ends.push(ends[ends.len() - 1] + message.len());
        }
        for len in 0..bytes.len() {
            let complete = ends.partition_point(|end| *end <= len) - 1;
            let seen: Vec<_> = Messages::new(&bytes[..len]).collect();
            assert_eq!(seen[..complete], whole[..complete], "{name} at {len}");
            // A cut between two messages is no error; elsewhere the last message is malformed.
            let broken = &seen[complete..];
            if ends.contains(&len) {
                assert!(broken.is_empty(), "{name} at {len}: {broken:?}");
            } else {
                assert!(matches!(broken, [Err(_)]), "{name} at {len}: {broken:?}");
            }
        }
    }
}

/// The bytes of each message in a datagram.
fn chunks(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut all = Vec::new();
    while let Some(len) = bytes.first_chunk::<4>().map(|len| u32::from_le_bytes(*len)) {
        let (message, rest) = bytes.split_at(usize::try_from(len).unwrap().next_multiple_of(4));
        all.push(message);
        bytes = rest;
    }
    all
}

#[test]
fn a_shortened_message_is_rejected_or_lacks_its_last_attributes() {
    for (name, bytes) in goldens("netlink") {
        for message in chunks(&bytes) {
            let clean = Messages::new(message).next().unwrap().unwrap();
            for len in 16..message.len() {
                let mut cut = message[..len].to_vec();
                cut[..4].copy_from_slice(&u32::try_from(len).unwrap().to_le_bytes());
                let mut messages = Messages::new(&cut);
                let seen = messages.next().unwrap();
                assert!(messages.next().is_none(), "{name} at {len}");
                if let Ok(Envelope { header, message }) = seen {
                    assert_eq!(header, clean.header, "{name} at {len}");
                    assert!(
                        same_object(&message, &clean.message),
                        "{name} at {len}: {message:?}"
                    );
                }
            }
        }
    }
}

/// Whether two messages have the same type and the same subject.
fn same_object(a: &Message<'_>, b: &Message<'_>) -> bool {
    match (a, b) {
        (Message::NewLink(a), Message::NewLink(b)) | (Message::DelLink(a), Message::DelLink(b)) => {
            (a.index, a.name, a.flags) == (b.index, b.name, b.flags)
        }
        // Without IFA_ADDRESS or IFA_LOCAL the peer is taken for the local address.
        (Message::NewAddr(a), Message::NewAddr(b)) | (Message::DelAddr(a), Message::DelAddr(b)) => {
            let own = a.cidr.addr == b.cidr.addr || Some(a.cidr.addr) == b.peer;
            a.index == b.index && own
        }
        // Tables above 255 and the selectors of a rule are attributes, which may be cut off.
        (Message::NewRoute(a), Message::NewRoute(b))
        | (Message::DelRoute(a), Message::DelRoute(b)) => {
            (a.dst, a.kind, a.protocol) == (b.dst, b.kind, b.protocol)
        }
        (Message::NewRule(a), Message::NewRule(b)) | (Message::DelRule(a), Message::DelRule(b)) => {
            (a.family, a.action, a.not) == (b.family, b.action, b.not)
        }
        (Message::Ack(a), Message::Ack(b)) => (a.seq, a.errno) == (b.seq, b.errno),
        (Message::Done(_), Message::Done(_)) => true,
        (Message::Other(a), Message::Other(b)) => a == b,
        _ => false,
    }
}

#[test]
fn a_flipped_bit_affects_its_own_message_only() {
    for (name, bytes) in goldens("netlink") {
        // Large link dumps are slow; small files contain every message type.
        if bytes.len() > 3000 {
            continue;
        }
        let whole: Vec<_> = Messages::new(&bytes).collect();
        let chunks = chunks(&bytes);
        let mut start = 0;
        for (i, chunk) in chunks.iter().enumerate() {
            // A flipped length affects later messages; other bits only their own message.
            for bit in 32..chunk.len() * 8 {
                let mut flipped = bytes.clone();
                flipped[start + bit / 8] ^= 1 << (bit % 8);
                let seen: Vec<_> = Messages::new(&flipped).collect();
                assert_eq!(seen.len(), whole.len(), "{name} message {i} bit {bit}");
                assert_eq!(seen[..i], whole[..i], "{name} message {i} bit {bit}");
                assert_eq!(
                    seen[i + 1..],
                    whole[i + 1..],
                    "{name} message {i} bit {bit}"
                );
            }
            start += chunk.len();
        }
    }
}

#[test]
fn a_flipped_bit_in_a_length_does_not_read_past_the_datagram() {
    for (name, bytes) in goldens("netlink") {
        let mut start = 0;
        for chunk in chunks(&bytes) {
            for bit in 0..32 {
                let mut flipped = bytes.clone();
                flipped[start + bit / 8] ^= 1 << (bit % 8);
                let count = Messages::new(&flipped).count();
                assert!(count <= bytes.len() / 16 + 1, "{name} at {start} bit {bit}");
            }
            start += chunk.len();
        }
    }
}

#[test]
fn an_invalid_message_length_gives_its_own_error() {
    for (name, len, bad) in [
        (
            "below the header",
            15,
            ParseError::MessageLength {
                found: 15,
                left: 20,
            },
        ),
        (
            "beyond the datagram",
            21,
            ParseError::MessageLength {
                found: 21,
                left: 20,
            },
        ),
        (
            "huge",
            u32::MAX,
            ParseError::MessageLength {
                found: u32::MAX,
                left: 20,
            },
        ),
    ] {
        let mut bytes = [0; 20];
        bytes[..4].copy_from_slice(&u32::to_le_bytes(len));
        let seen: Vec<_> = Messages::new(&bytes).collect();
        assert_eq!(seen, [Err(bad)], "{name}");
    }
}
