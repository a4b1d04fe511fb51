//! Reads a captured Ethernet frame, down to the fields of the advert.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::rule::{Breach, Severity};
use crate::types::{Centis, Family, Mac, Version, sorted};
use crate::wire::cursor::Reader;
use crate::wire::vrrp::{Addresses, Auth, ChecksumForm};
use crate::wire::{ParseError, PseudoHeader, ah, ether, hmac, ipv4, ipv6, vrrp};

/// IPv6 next header of a fragment (RFC 8200 §4.5), and the length of that header.
const FRAGMENT: u8 = 44;
const FRAGMENT_LEN: usize = 8;
/// EtherTypes of VLAN tags (IEEE 802.1Q).
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];
/// TTL of an advert that was not forwarded (RFC 9568 §5.1.1.3).
const UNFORWARDED: u8 = 255;
/// The first four bytes of a virtual router's Ethernet address (RFC 9568 §7.3). 1 (IPv4) or 2
/// (IPv6) follows, then the VRID.
const VIRTUAL_MAC: [u8; 4] = [0, 0, 0x5e, 0];

/// A frame as it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// When, since 1970.
    pub at: Duration,
    /// The interface; empty: not known.
    pub interface: &'a str,
    /// This machine has sent it.
    pub outgoing: bool,
    /// The frame, as far as it was captured.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub sent: usize,
}

/// A VRRP packet.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The frame.
    pub frame: Captured<'a>,
    /// VLAN, the inner one of two.
    pub vlan: Option<u16>,
    /// Ethernet source.
    pub src_mac: Mac,
    /// Addresses of the IP packet.
    pub net: PseudoHeader,
    /// Address family of the packet.
    pub family: Family,
    /// TTL or hop limit.
    pub ttl: u8,
    /// The authentication header.
    pub ah: Option<ah::Header>,
    /// Whether the packet has an authentication header; one that is damaged is not in `ah`.
    pub has_ah: bool,
    /// The IP packet.
    pub packet: &'a [u8],
    /// The bytes after the IP header, with the authentication header.
    pub payload: &'a [u8],
    /// The message, as far as it is there; `None` for a later fragment.
    pub message: Option<Message<'a>>,
    /// The rules it breaks.
    pub breaches: Vec<Breach>,
}

/// The fields of a message, which may be wrong.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Version.
    pub version: u8,
    /// Type.
    pub kind: u8,
    /// Virtual router.
    pub vrid: u8,
    /// Priority.
    pub priority: u8,
    /// Number of addresses that it claims to have.
    pub count: u8,
    /// Interval; `None` if the version is not known, or the message ends before.
    pub interval: Option<Centis>,
    /// Authentication of VRRPv2.
    pub auth: Auth,
    /// Its checksum.
    pub checksum: Checksum,
    /// The addresses.
    pub addresses: Addresses<'a>,
    /// The trailer of `auth_hmac`.
    pub trailer: Option<hmac::Trailer>,
}

/// The checksum of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// It is right in this form.
    Right(ChecksumForm),
    /// It is wrong in every form.
    Wrong,
    /// The length is wrong, so what it covers is not known.
    Unknown,
}

impl Seen<'_> {
    /// Whether every instance discards it.
    #[must_use]
    pub fn is_discarded(&self) -> bool {
        self.breaches
            .iter()
            .any(|breach| breach.severity() == Severity::Discarded)
    }
}

/// Reads a frame; `None`: it is not VRRP.
#[must_use]
pub fn decode(frame: Captured<'_>) -> Option<Seen<'_>> {
    let ether::Frame {
        dst: dst_mac,
        src: src_mac,
        mut ether_type,
        payload,
    } = ether::parse(frame.bytes).ok()?;
    let mut rest = Reader::new(payload);
    let mut vlan = None;
    for _ in 0..2 {
        if TAGS.contains(&ether_type) {
            vlan = Some(rest.u16_be().ok()? & 0x0fff);
            ether_type = rest.u16_be().ok()?;
        }
    }
    let mut breaches = Vec::new();
    let packet = rest.rest();
    let ip = match ether_type {
        ether::IPV4 => ip_v4(packet, &mut breaches)?,
        ether::IPV6 => ip_v6(packet, &mut breaches)?,
        _ => return None,
    };
    let mut seen = Seen {
        frame,
        vlan,
        src_mac,
        net: ip.net,
        family: Family::of(ip.net.src),
        ttl: ip.ttl,
        ah: None,
        has_ah: ip.protocol == ah::PROTOCOL,
        packet,
        payload: ip.payload,
        message: None,
        breaches,
    };
    if frame.bytes.len() < frame.sent {
        seen.breaches.push(Breach::CutByCapture {
            found: frame.bytes.len(),
            sent: frame.sent,
        });
    }
    let message = match (seen.has_ah, ip.is_first) {
        (_, false) => None,
        (false, true) => Some(ip.payload),
        (true, true) => after_ah(&mut seen)?,
    };
    if let Some(message) = message {
        read_message(&mut seen, message);
    }
    check_ip(&mut seen);
    check_ethernet(&mut seen, dst_mac);
    Some(seen)
}

/// The fields of the IP header.
struct Ip<'a> {
    net: PseudoHeader,
    ttl: u8,
    protocol: u8,
    /// No fragment, or the first.
    is_first: bool,
    payload: &'a [u8],
}

fn ip_v4<'a>(packet: &'a [u8], breaches: &mut Vec<Breach>) -> Option<Ip<'a>> {
    let mut r = Reader::new(packet);
    let [first, _] = r.array().ok()?;
    let total = usize::from(r.u16_be().ok()?);
    let [_, _, high, low] = r.array().ok()?;
    let [ttl, protocol, _, _] = r.array().ok()?;
    let net = PseudoHeader {
        src: r.ipv4().ok()?.into(),
        dst: r.ipv4().ok()?.into(),
    };
    if protocol != vrrp::PROTOCOL && protocol != ah::PROTOCOL {
        return None;
    }
    let header_len = usize::from(first & 0x0f)
        .saturating_mul(4)
        .max(ipv4::HEADER_LEN);
    let end = total.clamp(header_len, packet.len().max(header_len));
    let payload = match ipv4::parse(packet) {
        Ok(whole) => whole.payload,
        Err(error) => {
            breaches.push(Breach::Malformed(error));
            packet.get(header_len..end).unwrap_or_default()
        }
    };
    Some(Ip {
        net,
        ttl,
        protocol,
        is_first: u16::from_be_bytes([high, low]) & 0x1fff == 0,
        payload,
    })
}

fn ip_v6<'a>(packet: &'a [u8], breaches: &mut Vec<Breach>) -> Option<Ip<'a>> {
    let mut r = Reader::new(packet);
    let [first, _, _, _] = r.array().ok()?;
    let len = usize::from(r.u16_be().ok()?);
    let [mut protocol, ttl] = r.array().ok()?;
    let net = PseudoHeader {
        src: r.ipv6().ok()?.into(),
        dst: r.ipv6().ok()?.into(),
    };
    let mut error = (first >> 4 != 6).then_some(ParseError::IpVersion {
        found: first >> 4,
        expected: 6,
    });
    let received = packet.len().saturating_sub(ipv6::HEADER_LEN);
    if len > received {
        error = error.or(Some(ParseError::IpLength {
            found: len,
            received,
        }));
    }
    let mut payload = r.rest().get(..len.min(received)).unwrap_or_default();
    let mut is_first = true;
    if protocol == FRAGMENT {
        let mut fragment = Reader::new(payload);
        let [next, _] = fragment.array().ok()?;
        protocol = next;
        let offset = fragment.u16_be().ok()? & 0xfff8;
        is_first = offset == 0;
        error = error.or(Some(ParseError::Fragment));
        payload = payload.get(FRAGMENT_LEN..).unwrap_or_default();
    }
    if protocol != vrrp::PROTOCOL {
        return None;
    }
    breaches.extend(error.map(Breach::Malformed));
    Some(Ip {
        net,
        ttl,
        protocol,
        is_first,
        payload,
    })
}

/// The message after the authentication header; `None`: IPsec of something else.
fn after_ah<'a>(seen: &mut Seen<'a>) -> Option<Option<&'a [u8]>> {
    match ah::parse(seen.payload) {
        Ok((header, message)) => {
            let IpAddr::V4(src) = seen.net.src else {
                return None;
            };
            seen.ah = Some(header);
            if header.spi != u32::from(src) {
                seen.breaches.push(Breach::Spi(header.spi));
            }
            Some(Some(message))
        }
        Err(ParseError::Protocol { .. }) => None,
        Err(error) => {
            // That of another payload was distinguished before.
            (seen.payload.first() == Some(&vrrp::PROTOCOL)).then(|| {
                seen.breaches.push(Breach::Malformed(error));
                None
            })
        }
    }
}

fn read_message<'a>(seen: &mut Seen<'a>, bytes: &'a [u8]) {
    let parsed = vrrp::parse(bytes, &seen.net);
    let refused = parsed.err();
    seen.breaches.extend(refused.map(Breach::Malformed));
    let mut r = Reader::new(bytes);
    let (Ok([first, vrid, priority, count]), timing) = (r.array(), r.array::<2>()) else {
        return;
    };
    let (number, kind) = (first >> 4, first & 0x0f);
    let version = match number {
        2 => Some(Version::V2),
        3 => Some(Version::V3),
        _ => None,
    };
    let _checksum = r.u16_be();
    let list_len = usize::from(count).saturating_mul(seen.family.addr_len());
    let there = list_len.min(r.rest().len());
    let part = there.checked_rem(seen.family.addr_len()).unwrap_or(0);
    let list = r.bytes(there.saturating_sub(part)).unwrap_or_default();
    let interval = match (version, timing) {
        (Some(Version::V2), Ok([_, secs])) => Some(Centis::from_secs(secs)),
        (Some(Version::V3), Ok(timing)) => {
            Some(Centis(u16::from_be_bytes(timing) & Centis::MAX_V3.0))
        }
        _ => None,
    };
    let auth = match (version, timing) {
        (Some(Version::V2), Ok([kind, _])) => read_auth(kind, r.array().ok(), refused, seen),
        _ => Auth::None,
    };
    let checksum = match version {
        Some(version) => check_sum(seen, bytes, version, count, refused),
        None => Checksum::Unknown,
    };
    let trailer = parsed.ok().and_then(|parsed| read_trailer(&parsed, seen));
    let message = Message {
        version: number,
        kind,
        vrid,
        priority,
        count,
        interval,
        auth,
        checksum,
        addresses: Addresses {
            family: seen.family,
            bytes: list,
        },
        trailer,
    };
    if version == Some(Version::V3)
        && let Ok([high, _]) = timing
        && high & 0xf0 != 0
    {
        seen.breaches.push(Breach::Reserved(high >> 4));
    }
    check_message(seen, &message, version, refused);
    check_list(seen, &message);
    if first == 0x21 && count == 7 && bytes.len() == 36 && seen.family == Family::V4 {
        seen.breaches.push(Breach::Carp);
    }
    seen.message = Some(message);
}

/// The trailer of a signed advert, if it is one.
fn read_trailer(parsed: &vrrp::Parsed<'_>, seen: &mut Seen<'_>) -> Option<hmac::Trailer> {
    if parsed.trailer.is_empty() {
        return None;
    }
    match hmac::parse(parsed.trailer) {
        Ok(trailer) => Some(trailer),
        Err(ParseError::Trailer(kind)) => {
            seen.breaches.push(Breach::Trailer(kind));
            None
        }
        Err(_) => None,
    }
}

/// Authentication of VRRPv2, as far as it is there.
fn read_auth(
    kind: u8,
    data: Option<[u8; 8]>,
    refused: Option<ParseError>,
    seen: &mut Seen<'_>,
) -> Auth {
    if let (0, Some(data), None) = (kind, data, refused)
        && data != [0; 8]
    {
        seen.breaches.push(Breach::AuthData);
    }
    match (kind, data) {
        (1, Some(data)) => Auth::Pass(data),
        (kind, _) => auth_of(kind),
    }
}

fn auth_of(kind: u8) -> Auth {
    match kind {
        0 => Auth::None,
        1 => Auth::Pass([0; 8]),
        2 => Auth::Ah,
        other => Auth::Other(other),
    }
}

/// The form of a right checksum. A wrong one is reported here if the parser has stopped before it.
fn check_sum(
    seen: &mut Seen<'_>,
    bytes: &[u8],
    version: Version,
    count: u8,
    refused: Option<ParseError>,
) -> Checksum {
    let wrong_length = matches!(refused, Some(ParseError::VrrpLength { .. }));
    if wrong_length || (version, seen.family) == (Version::V2, Family::V6) {
        return Checksum::Unknown;
    }
    let needed = vrrp::len(version, seen.family, usize::from(count));
    let signed = bytes.len() == needed.saturating_add(hmac::LEN);
    let summed = match (seen.family, signed) {
        (Family::V6, true) => bytes,
        _ => bytes.get(..needed).unwrap_or(bytes),
    };
    let found = bytes.get(6..).and_then(<[u8]>::first_chunk);
    let Some(found) = found.copied().map(u16::from_be_bytes) else {
        return Checksum::Unknown;
    };
    match vrrp::verify(summed, version, &seen.net, found) {
        Ok(form) => Checksum::Right(form),
        Err(error) => {
            if let ParseError::VrrpChecksum { found, expected } = error
                && refused != Some(error)
            {
                seen.breaches.push(Breach::Checksum { found, expected });
            }
            Checksum::Wrong
        }
    }
}

/// The rules about single fields that the parser has not come to, and those about authentication.
fn check_message(
    seen: &mut Seen<'_>,
    message: &Message<'_>,
    version: Option<Version>,
    refused: Option<ParseError>,
) {
    let mut add = |breach| seen.breaches.push(breach);
    if message.kind != 1 && !matches!(refused, Some(ParseError::VrrpType(_))) {
        add(Breach::Type(message.kind));
    }
    if message.vrid == 0 && !matches!(refused, Some(ParseError::VrrpVrid)) {
        add(Breach::Vrid);
    }
    if message.interval == Some(Centis(0)) && !matches!(refused, Some(ParseError::VrrpInterval)) {
        add(Breach::Interval);
    }
    match (version, seen.has_ah) {
        (Some(Version::V3), true) => add(Breach::AhVersion),
        (Some(Version::V2), true) if message.auth != Auth::Ah => {
            add(Breach::AhType(kind_of(message.auth)));
        }
        (Some(Version::V2), false) => match message.auth {
            Auth::Ah => add(Breach::NoAh),
            Auth::Other(kind) => add(Breach::AuthType(kind)),
            Auth::Pass(_) => add(Breach::Password),
            Auth::None => {}
        },
        _ => {}
    }
}

fn kind_of(auth: Auth) -> u8 {
    match auth {
        Auth::None => 0,
        Auth::Pass(_) => 1,
        Auth::Ah => 2,
        Auth::Other(kind) => kind,
    }
}

fn check_list(seen: &mut Seen<'_>, message: &Message<'_>) {
    let list: Vec<IpAddr> = message.addresses.iter().collect();
    if message.count == 0 {
        seen.breaches.push(Breach::NoAddresses);
    }
    if let Some(addr) = list.iter().find(|addr| !is_unicast(**addr)) {
        seen.breaches.push(Breach::NotUnicast(*addr));
    }
    if let Some(first @ IpAddr::V6(addr)) = list.first()
        && !addr.is_unicast_link_local()
    {
        seen.breaches.push(Breach::FirstNotLinkLocal(*first));
    }
    let list = sorted(list);
    let mut pairs = list.iter().zip(list.iter().skip(1));
    if let Some((twice, _)) = pairs.find(|(one, other)| one == other) {
        seen.breaches.push(Breach::Duplicate(*twice));
    }
}

fn is_unicast(addr: IpAddr) -> bool {
    let broadcast = addr == IpAddr::V4(Ipv4Addr::BROADCAST);
    !(addr.is_multicast() || addr.is_unspecified() || broadcast)
}

fn check_ip(seen: &mut Seen<'_>) {
    const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
    let PseudoHeader { src, dst } = seen.net;
    let mut add = |breach| seen.breaches.push(breach);
    let group = match seen.family {
        Family::V4 => IpAddr::V4(vrrp::GROUP_V4),
        Family::V6 => IpAddr::V6(GROUP_V6),
    };
    if !dst.is_multicast() {
        add(Breach::Unicast);
    } else if dst != group {
        add(Breach::Group(dst));
    }
    if seen.ttl != UNFORWARDED {
        add(match dst.is_multicast() {
            true => Breach::Ttl(seen.ttl),
            false => Breach::UnicastTtl(seen.ttl),
        });
    }
    match src {
        _ if !is_unicast(src) => add(Breach::Source(src)),
        IpAddr::V6(addr) if dst.is_multicast() && !addr.is_unicast_link_local() => {
            add(Breach::SourceNotLinkLocal(src));
        }
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
}

fn check_ethernet(seen: &mut Seen<'_>, dst_mac: Mac) {
    let dst = seen.net.dst;
    if !dst.is_multicast() {
        if dst_mac.0.first().is_some_and(|first| first & 1 != 0) {
            seen.breaches.push(Breach::UnicastMac(dst_mac));
        }
        return;
    }
    let mut header = [0; ether::HEADER_LEN];
    let expected = ether::emit_multicast(dst, Mac::default(), &mut header)
        .ok()
        .and_then(|()| ether::parse(&header).ok());
    if let Some(expected) = expected.map(|frame| frame.dst)
        && expected != dst_mac
    {
        let found = dst_mac;
        seen.breaches.push(Breach::GroupMac { found, expected });
    }
    let Some(vrid) = seen.message.as_ref().map(|message| message.vrid) else {
        return;
    };
    let family = match seen.family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    let [a, b, c, d] = VIRTUAL_MAC;
    let expected = Mac([a, b, c, d, family, vrid]);
    let found = seen.src_mac;
    let is_virtual = found.0.starts_with(&VIRTUAL_MAC)
        && found.0.get(4).is_some_and(|byte| matches!(byte, 1 | 2));
    if is_virtual && found != expected {
        seen.breaches
            .push(Breach::OtherVirtualMac { found, expected });
    } else if !is_virtual {
        seen.breaches.push(Breach::RealMac(found));
    }
}
