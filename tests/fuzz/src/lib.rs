//! The fuzz targets as plain functions, called by the fuzzer and by the deterministic run in
//! `tests/fuzz_smoke.rs`.
//!
//! They check two properties. Any bytes may be parsed: no panic, no endless loop. Parsed values,
//! and values generated from the bytes, are emitted and parsed again with an equal result. Bytes
//! with a checksum are tried as they are and with a valid checksum; otherwise few would pass.
//! A target returns whether the reader accepted the bytes, so that a run can report how many inputs
//! got further than the first checks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrpd::config::model::SmtpSettings;
use vrrpd::engine::instance::state_record::{self, Record};
use vrrpd::netlink::addr::{self, AddrFlags, DesiredAddr, FOREVER};
use vrrpd::netlink::{self, Attrs, Batch, Message, Messages};
use vrrpd::notify::smtp::{NextStep, SmtpSession};
use vrrpd::types::{Centis, Cidr, IfIndex, Mac, Priority, Version, Vrid};
use vrrpd::wire::checksum::Sum;
use vrrpd::wire::smtp::ReplyReader;
use vrrpd::wire::vrrp::{Advert, AdvertRepr, Auth, ChecksumForm};
use vrrpd::wire::{self, EmitError, PseudoHeader};

#[cfg(feature = "lvs")]
mod check;
mod config;
#[cfg(feature = "lvs")]
mod ipvs;
mod receive;
#[cfg(feature = "sniff")]
mod sniff;
#[path = "../../support/mod.rs"]
mod support;
#[cfg(all(feature = "lvs", feature = "tls"))]
mod tls;
#[cfg(feature = "uci")]
mod uci;

/// What a reader made of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Rejected by its first checks.
    Rejected,
    /// Accepted, at least in part.
    Accepted,
}

impl Reach {
    fn accepted_if(accepted: bool) -> Self {
        if accepted {
            Reach::Accepted
        } else {
            Reach::Rejected
        }
    }

    fn or(self, other: Self) -> Self {
        Reach::accepted_if(self == Reach::Accepted || other == Reach::Accepted)
    }
}

/// A reader of bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Name of the fuzz target and of its corpus.
    pub name: &'static str,
    /// Feeds it one input.
    pub run: fn(&[u8]) -> Reach,
    /// How many times longer one run takes than one of the fast targets, roughly.
    pub cost: u32,
}

const fn target(name: &'static str, run: fn(&[u8]) -> Reach, cost: u32) -> Target {
    Target { name, run, cost }
}

/// All targets of this build.
pub const TARGETS: &[Target] = &[
    target("vrrp", vrrp, 2),
    target("ipv4_vrrp", ipv4_vrrp, 4),
    target("arp", arp, 1),
    target("ndisc", ndisc, 1),
    target("netlink_msg", netlink_msg, 4),
    target("state", state, 1),
    target("track_file", track_file, 1),
    target("smtp_reply", smtp_reply, 3),
    target("receive", receive::receive, 40),
    target("config", config::config, 500),
    target("command", config::command, 4),
    #[cfg(feature = "lvs")]
    target("ipvs_reply", ipvs::ipvs_reply, 4),
    #[cfg(feature = "lvs")]
    target("http_reply", check::http_reply, 8),
    #[cfg(feature = "lvs")]
    target("smtp_check", check::smtp_check, 4),
    #[cfg(feature = "lvs")]
    target("dns_reply", check::dns_reply, 1),
    #[cfg(feature = "lvs")]
    target("datagram_check", check::datagram_check, 1),
    #[cfg(all(feature = "lvs", feature = "tls"))]
    target("tls_server", tls::tls_server, 500),
    #[cfg(all(feature = "lvs", feature = "tls"))]
    target("tls_files", tls::tls_files, 10),
    #[cfg(feature = "sniff")]
    target("sniff", sniff::sniff, 8),
    #[cfg(feature = "uci")]
    target("uci", uci::uci, 500),
];

/// The target with this name.
///
/// # Panics
/// If this build has none.
#[must_use]
pub fn by_name(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("no target {name}"))
}

/// State files: any bytes may be parsed; parsed records round trip.
fn state(data: &[u8]) -> Reach {
    let mut records = 0;
    for record in state_record::records(data) {
        records += 1;
        assert_eq!(Record::decode(&record.encode()), Some(record));
    }
    assert!(state_record::addresses(data).count() <= data.len() / 64);
    Reach::accepted_if(records > 0)
}

/// Tracked files: a number is read as it is written.
fn track_file(data: &[u8]) -> Reach {
    let number = vrrpd::vrrp::track::file::parse(data);
    if let Some(number) = number {
        let text = format!(" {number}\n");
        assert_eq!(
            vrrpd::vrrp::track::file::parse(text.as_bytes()),
            Some(number)
        );
    }
    Reach::accepted_if(number.is_some())
}

const FORMS: [ChecksumForm; 3] = [
    ChecksumForm::Plain,
    ChecksumForm::PseudoHeader,
    ChecksumForm::OldUnicast,
];

/// Length of the longest signed message.
const MAX_SIGNED_LEN: usize = wire::vrrp::MAX_LEN + wire::hmac::LEN;

/// Takes values from the fuzzer's bytes; zeros after their end.
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        let count = N.min(self.0.len());
        let (head, rest) = self.0.split_at(count);
        out[..count].copy_from_slice(head);
        self.0 = rest;
        out
    }

    fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    fn ipv4(&mut self) -> Ipv4Addr {
        Ipv4Addr::from(self.array::<4>())
    }

    fn ipv6(&mut self) -> Ipv6Addr {
        Ipv6Addr::from(self.array::<16>())
    }

    fn ip(&mut self, v6: bool) -> IpAddr {
        if v6 {
            IpAddr::V6(self.ipv6())
        } else {
            IpAddr::V4(self.ipv4())
        }
    }
}

// ---- vrrp ----

/// VRRP messages over IPv4 and IPv6.
fn vrrp(data: &[u8]) -> Reach {
    let v4 = PseudoHeader {
        src: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        dst: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    };
    let v6 = PseudoHeader {
        src: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
        dst: IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
    };
    let mut reach = Reach::Rejected;
    for net in [v4, v6] {
        reach = reach.or(vrrp_round_trip(data, &net));
        let len = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let plain = with_checksum(data, 6, Sum::new());
        let pseudo = with_checksum(data, 6, Sum::new().pseudo(&net, 112, len));
        for message in [plain, pseudo].into_iter().flatten() {
            reach = reach.or(vrrp_round_trip(&message, &net));
        }
    }
    vrrp_generated(data);
    reach
}

/// Parsed adverts round trip.
fn vrrp_round_trip(message: &[u8], net: &PseudoHeader) -> Reach {
    let Ok(first) = wire::vrrp::parse(message, net) else {
        return Reach::Rejected;
    };
    let Advert {
        version,
        vrid,
        priority,
        interval,
        auth,
        addresses,
    } = first.advert;
    let addresses: Vec<IpAddr> = addresses.iter().collect();
    let out = AdvertRepr {
        version,
        vrid,
        priority,
        interval,
        auth,
        addresses: &addresses,
    };
    let mut buf = [0; MAX_SIGNED_LEN];
    let len = wire::vrrp::emit(&out, Some(net), first.checksum, &mut buf).expect("it was parsed");
    assert!(len <= message.len());
    let again = wire::vrrp::parse(&buf[..len], net).expect("we emitted it");
    assert_eq!(
        (first.advert, first.checksum),
        (again.advert, again.checksum)
    );
    let signed = [wire::hmac::LEN, 0].contains(&first.trailer.len());
    assert!(signed && first.bytes.ends_with(first.trailer));
    assert!(!wire::hmac::verify(first.bytes, net.src, b"another key"));
    signed_round_trip(buf, len, net, first.trailer);
    Reach::Accepted
}

/// A signed advert verifies and keeps its sequence number.
fn signed_round_trip(
    mut buf: [u8; MAX_SIGNED_LEN],
    len: usize,
    net: &PseudoHeader,
    trailer: &[u8],
) {
    let trailer = wire::hmac::parse(trailer).unwrap_or(wire::hmac::Trailer {
        key: 1,
        sequence: u64::MAX,
    });
    let key = [7; 32];
    let len = wire::hmac::sign(&mut buf, len, net.src, trailer, &key)
        .expect("the buffer is large enough");
    if net.dst.is_ipv6() {
        wire::vrrp::update_signed_checksum(&mut buf[..len], net).expect("a message");
    }
    let back = wire::vrrp::parse(&buf[..len], net).expect("we signed it");
    assert_eq!(wire::hmac::parse(back.trailer), Ok(trailer));
    assert!(wire::hmac::verify(back.bytes, net.src, &key));
}

/// Adverts generated from the bytes round trip or are rejected by emit.
fn vrrp_generated(data: &[u8]) {
    let mut source = Source(data);
    let choice = source.u8();
    let (v3, v6) = (choice & 1 != 0, choice & 2 != 0);
    let net = PseudoHeader {
        src: source.ip(v6),
        dst: source.ip(v6),
    };
    let version = if v3 { Version::V3 } else { Version::V2 };
    let [vrid, priority, high, low, auth] = source.array();
    let count = if choice & 4 != 0 { 256 } else { 64 } * usize::from(source.u8()) / 255;
    let Some(vrid) = Vrid::new(vrid) else { return };
    let interval = Centis(u16::from_be_bytes([high, low]));
    let auth = match auth {
        0..64 => Auth::None,
        64..128 => Auth::Pass(source.array()),
        128..192 => Auth::Ah,
        other => Auth::Other(other),
    };
    let addresses: Vec<IpAddr> = (0..count).map(|_| source.ip(v6)).collect();
    let out = AdvertRepr {
        version,
        vrid,
        priority: Priority(priority),
        interval,
        auth,
        addresses: &addresses,
    };
    let mut buf = [0; wire::vrrp::MAX_LEN];
    for form in FORMS {
        let Ok(len) = wire::vrrp::emit(&out, Some(&net), form, &mut buf) else {
            continue;
        };
        let family = vrrpd::types::Family::of(net.dst);
        assert_eq!(len, wire::vrrp::len(version, family, count));
        let back = match wire::vrrp::parse(&buf[..len], &net) {
            // Without an address emit cannot know that v2 was meant for IPv6.
            Err(wire::ParseError::VrrpV2OverIpv6) if v6 && count == 0 => continue,
            back => back.expect("we emitted it"),
        };
        let advert = back.advert;
        assert_eq!((advert.version, advert.vrid), (version, vrid));
        assert_eq!((advert.priority.0, advert.interval), (priority, interval));
        assert_eq!(advert.auth, auth);
        assert!(advert.addresses.iter().eq(addresses.iter().copied()));
        let same_sum = |a: ChecksumForm| {
            let mut other = [0; wire::vrrp::MAX_LEN];
            wire::vrrp::emit(&out, Some(&net), a, &mut other) == Ok(len)
                && equal_except_zero_checksum(&buf, &other)
        };
        assert!(back.checksum == form || same_sum(back.checksum));
    }
}

/// Whether two messages are equal, treating checksums 0 and 0xffff as the same.
fn equal_except_zero_checksum(a: &[u8], b: &[u8]) -> bool {
    let normal = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        if bytes[6..8] == [0xff, 0xff] {
            bytes[6..8].copy_from_slice(&[0, 0]);
        }
        bytes
    };
    normal(a) == normal(b)
}

/// A copy with a valid checksum at `at`; `sum` contains the pseudo header.
fn with_checksum(bytes: &[u8], at: usize, sum: Sum) -> Option<Vec<u8>> {
    let mut bytes = bytes.to_vec();
    bytes.get_mut(at..at + 2)?.fill(0);
    let sum = sum.bytes(&bytes).checksum();
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    Some(bytes)
}

// ---- ipv4 ----

/// IPv4 packets that carry VRRP.
fn ipv4_vrrp(data: &[u8]) -> Reach {
    let mut reach = ipv4_round_trip(data);
    let header_len = usize::from(data.first().unwrap_or(&0) & 0x0f) * 4;
    if let Some((header, payload)) = data.split_at_checked(header_len)
        && let Some(mut packet) = with_checksum(header, 10, Sum::new())
    {
        packet.extend(payload);
        reach = reach.or(ipv4_round_trip(&packet));
    }
    reach
}

fn ipv4_round_trip(bytes: &[u8]) -> Reach {
    let Ok(first) = wire::ipv4::parse(bytes) else {
        return Reach::Rejected;
    };
    assert!(first.payload.len() + first.options.len() + wire::ipv4::HEADER_LEN <= bytes.len());
    let mut buf = vec![0; bytes.len()];
    let len = wire::ipv4::emit(&first.header, &mut buf, |payload| {
        let payload = payload.get_mut(..first.payload.len());
        payload
            .ok_or(EmitError::Length(0))?
            .copy_from_slice(first.payload);
        Ok(first.payload.len())
    })
    .expect("it was parsed");
    let again = wire::ipv4::parse(&buf[..len]).expect("we emitted it");
    assert_eq!(first.header, again.header);
    assert_eq!(first.payload, again.payload);
    let net = PseudoHeader {
        src: IpAddr::V4(first.header.src),
        dst: IpAddr::V4(first.header.dst),
    };
    vrrp_round_trip(first.payload, &net);
    if let Ok((header, message)) = wire::ah::parse(first.payload) {
        assert!(!wire::ah::verify(&first, bytes, b"another key"));
        vrrp_round_trip(message, &net);
        ah_round_trip(&first.header, header.sequence, message);
    }
    Reach::Accepted
}

/// A message with an emitted AH verifies and keeps its sequence number.
fn ah_round_trip(header: &wire::ipv4::Header, sequence: u32, message: &[u8]) {
    let header = wire::ipv4::Header {
        protocol: wire::ah::PROTOCOL,
        ..*header
    };
    let mut buf = vec![0; message.len() + 44];
    let len = wire::ah::emit(&header, sequence, b"12345678", &mut buf, |payload| {
        payload.copy_from_slice(message);
        Ok(message.len())
    })
    .expect("the buffer is large enough");
    let bytes = &buf[..len];
    let back = wire::ipv4::parse(bytes).expect("we emitted it");
    assert!(wire::ah::verify(&back, bytes, b"12345678"));
    let (ah, rest) = wire::ah::parse(back.payload).expect("we emitted it");
    assert_eq!((ah.sequence, rest), (sequence, message));
}

// ---- arp, ndisc ----

/// ARP frames.
fn arp(data: &[u8]) -> Reach {
    let mut source = Source(data);
    let _ = wire::ether::parse(data);
    let parsed = wire::arp::parse(data);
    let reach = Reach::accepted_if(parsed.is_ok());
    let (mac, ip) = match parsed {
        Ok(arp) => (arp.sender_mac, arp.sender),
        Err(_) => (Mac(source.array()), source.ipv4()),
    };
    let mut buf = [0; wire::arp::FRAME_LEN];
    let len = wire::arp::emit_gratuitous(mac, ip, &mut buf).expect("it has its length");
    let back = wire::arp::parse(&buf[..len]).expect("we emitted it");
    assert!(back.is_gratuitous());
    assert_eq!((back.sender_mac, back.sender), (mac, ip));
    reach
}

/// Neighbor advertisements.
fn ndisc(data: &[u8]) -> Reach {
    let mut reach = Reach::accepted_if(wire::ndisc::parse(data).is_ok());
    const MESSAGE: usize = 14 + 40;
    if let Some((head, message)) = data.split_at_checked(MESSAGE) {
        let mut addrs = Source(&head[22..]);
        let net = PseudoHeader {
            src: addrs.ip(true),
            dst: addrs.ip(true),
        };
        let mut frame = head.to_vec();
        let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
        frame[18..20].copy_from_slice(&len.to_be_bytes());
        if let Some(message) = with_checksum(message, 2, Sum::new().pseudo(&net, 58, len)) {
            frame.extend(message);
            reach = reach.or(Reach::accepted_if(wire::ndisc::parse(&frame).is_ok()));
        }
    }
    let mut source = Source(data);
    let (mac, src, target) = (Mac(source.array()), source.ipv6(), source.ipv6());
    let router = source.u8() & 1 != 0;
    let mut buf = [0; wire::ndisc::FRAME_LEN];
    let len = wire::ndisc::emit_unsolicited(
        &wire::ndisc::Unsolicited {
            mac,
            src,
            target,
            router,
        },
        &mut buf,
    )
    .expect("it has its length");
    match wire::ndisc::parse(&buf[..len]) {
        Ok(back) => {
            assert_eq!((back.src, back.target, back.mac), (src, target, Some(mac)));
            assert_eq!(
                (back.router, back.solicited, back.overrides),
                (router, false, true)
            );
        }
        Err(bad) => assert_eq!(bad, wire::ParseError::NdiscTarget(target)),
    }
    reach
}

// ---- netlink ----

/// Netlink datagrams.
fn netlink_msg(data: &[u8]) -> Reach {
    let mut count = 0;
    let mut reach = Reach::Rejected;
    for envelope in Messages::new(data) {
        count += 1;
        let Ok(netlink::Envelope { message, .. }) = envelope else {
            continue;
        };
        if let Message::NewLink(link) = &message {
            assert_ne!(link.index, IfIndex(0));
        }
        reach = reach.or(Reach::accepted_if(!matches!(message, Message::Other(_))));
    }
    assert!(count <= data.len() / 16 + 1);
    walk(Attrs::new(data));
    netlink_generated(data);
    reach
}

/// Parses all attributes down to the allowed depth.
fn walk(attrs: Attrs<'_>) {
    for attr in attrs.flatten() {
        let _ = (
            attr.u8(),
            attr.u16_ne(),
            attr.u32_ne(),
            attr.text(),
            attr.mac(),
        );
        if let Ok(inner) = attr.nested() {
            walk(inner);
        }
    }
}

/// An address request generated from the bytes parses as the corresponding notification.
fn netlink_generated(data: &[u8]) {
    let mut source = Source(data);
    let choice = source.u8();
    let v6 = choice & 1 != 0;
    let host = if v6 { 128 } else { 32 };
    let [prefix, peer_prefix, scope, proto] = source.array();
    let spec = DesiredAddr {
        index: IfIndex(source.u32().max(1)),
        cidr: Cidr {
            addr: source.ip(v6),
            prefix: prefix % (host + 1),
        },
        peer: (choice & 2 != 0).then(|| Cidr {
            addr: source.ip(v6),
            prefix: peer_prefix % (host + 1),
        }),
        broadcast: (choice & 4 != 0).then(|| source.ipv4()),
        scope,
        label: (choice & 8 != 0).then_some("eth0:label"),
        preferred_lft: (choice & 16 != 0).then(|| source.u32()),
        valid_lft: (choice & 32 != 0).then(|| source.u32()),
        flags: AddrFlags(source.u32() & 0x7ff),
        proto,
    };
    let mut batch = Batch::new(source.u32());
    let added = addr::add(&mut batch, &spec);
    let deleted = addr::delete(&mut batch, &spec);
    assert_eq!(deleted, added.wrapping_add(1));
    let mut messages = Messages::new(batch.bytes());
    let first = messages.next().expect("one").expect("we built it");
    let second = messages.next().expect("two").expect("we built it");
    assert!(messages.next().is_none());
    assert_eq!((first.header.seq, second.header.seq), (added, deleted));
    let (Message::NewAddr(new), Message::DelAddr(del)) = (first.message, second.message) else {
        panic!("{first:?} {second:?}")
    };
    assert!(spec.matches(&new) && spec.matches(&del));
    assert_eq!((new.broadcast, new.label), (spec.broadcast, spec.label));
    assert_eq!((new.scope, new.flags), (spec.scope, spec.flags));
    assert_eq!(new.proto, (proto != 0).then_some(proto));
    assert_eq!(new.valid, spec.valid_lft.unwrap_or(FOREVER));
    assert_eq!(new.preferred, spec.preferred_lft.unwrap_or(new.valid));
}

/// SMTP replies while a mail is sent: every session ends, sent lines are well formed, and kept
/// reply text is short and printable.
fn smtp_reply(data: &[u8]) -> Reach {
    let mail = SmtpSettings {
        to: vec!["a@example.org".into(), "b@example.org".into()],
        from: "r1@example.org".into(),
        server: "mail.example.org".into(),
        helo_name: "r1".into(),
        timeout: core::time::Duration::from_secs(1),
        ..SmtpSettings::default()
    };
    let mut session = SmtpSession::new(&mail, "Subject: x\r\n\r\n.\r\n");
    let mut replies = ReplyReader::default();
    let fit =
        |text: &str| text.len() < 300 && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let mut turns = 0;
    for byte in data {
        let reach = Reach::accepted_if(turns > 0);
        let reply = match replies.push(*byte) {
            None => continue,
            Some(Ok(reply)) => reply,
            Some(Err(error)) => {
                assert!(fit(&error.to_string()), "{error}");
                return reach;
            }
        };
        assert!(fit(&reply.text), "{}", reply.text);
        turns += 1;
        match session.handle_reply(&reply) {
            NextStep::Send(line) => assert!(line.ends_with("\r\n"), "{line}"),
            NextStep::Done(Ok(delivery)) => {
                assert_eq!(delivery.accepted + delivery.refused, mail.to.len());
                break;
            }
            NextStep::Done(Err(error)) => {
                assert!(fit(&error.to_string()), "{error}");
                break;
            }
        }
        assert!(turns <= 7, "the session has no end");
    }
    Reach::accepted_if(turns > 0)
}
