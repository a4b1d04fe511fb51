//! A frame decoder that shares no code with the daemon's.
//!
//! It knows what the tests need: VRRP adverts, ARP, neighbor advertisements, echo. Everything else
//! is [`Kind::Other`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::Ns;

/// A frame as it entered the switch.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The kernel's time stamp.
    pub at: Ns,
    /// The node that sent it, by the port of the switch: a source address may be forged.
    pub node: Arc<str>,
    /// The decoded contents.
    pub kind: Kind,
    /// The frame itself.
    pub raw: Vec<u8>,
}

/// Contents of a frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A VRRP advert, well-formed or not.
    Advert(Advert),
    /// ARP for IPv4.
    Arp {
        op: u16,
        sender: Ipv4Addr,
        target: Ipv4Addr,
        sender_mac: [u8; 6],
    },
    /// IPv6 neighbor advertisement.
    Na {
        from: Ipv6Addr,
        target: Ipv6Addr,
        solicited: bool,
        overrides: bool,
    },
    /// ICMP or ICMPv6 echo.
    Echo {
        reply: bool,
        from: IpAddr,
        to: IpAddr,
        seq: u16,
    },
    /// Anything else.
    Other,
}

/// The fields of an advert; the last ones may be missing in a truncated packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advert {
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
    pub version: u8,
    pub kind: u8,
    pub vrid: u8,
    pub priority: u8,
    /// Centiseconds, for both versions.
    pub interval: u32,
    pub addresses: Vec<IpAddr>,
    /// Authentication type (v2).
    pub auth_type: u8,
    /// Authentication data (v2).
    pub auth: Vec<u8>,
    /// Sequence number of the authentication header, if present.
    pub ah: Option<u32>,
    /// Key number of the signature, if present.
    pub key: Option<u8>,
    /// Whether the VRRP checksum is correct; with v3 it covers the pseudo-header.
    pub checksum_ok: bool,
}

impl Frame {
    /// The advert, if it is one.
    #[must_use]
    pub fn advert(&self) -> Option<&Advert> {
        match &self.kind {
            Kind::Advert(a) => Some(a),
            _ => None,
        }
    }

    /// The address that a gratuitous ARP or an unsolicited neighbor advertisement announces.
    #[must_use]
    pub fn announces(&self) -> Option<IpAddr> {
        match &self.kind {
            Kind::Arp { sender, target, .. } if sender == target => Some((*sender).into()),
            Kind::Na {
                target,
                solicited: false,
                ..
            } => Some((*target).into()),
            _ => None,
        }
    }
}

/// The Internet checksum over several pieces, all but the last of even length; 0 if they contain a
/// correct one.
#[must_use]
pub fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for piece in pieces {
        for pair in piece.chunks(2) {
            sum += u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// The pseudo-header of an upper-layer checksum.
#[must_use]
pub fn pseudo(from: IpAddr, to: IpAddr, proto: u8, len: usize) -> Vec<u8> {
    let mut p = Vec::new();
    match (from, to) {
        (IpAddr::V4(f), IpAddr::V4(t)) => {
            p.extend(f.octets());
            p.extend(t.octets());
            p.extend([0, proto]);
            p.extend(u16::try_from(len).unwrap_or(0).to_be_bytes());
        }
        (IpAddr::V6(f), IpAddr::V6(t)) => {
            p.extend(f.octets());
            p.extend(t.octets());
            p.extend(u32::try_from(len).unwrap_or(0).to_be_bytes());
            p.extend([0, 0, 0, proto]);
        }
        _ => {}
    }
    p
}

/// Decodes an Ethernet frame.
#[must_use]
pub fn decode(raw: &[u8]) -> Kind {
    let found = match raw.get(12..14) {
        Some([8, 0]) => ipv4(&raw[14..]),
        Some([8, 6]) => arp(&raw[14..]),
        Some([0x86, 0xdd]) => ipv6(&raw[14..]),
        _ => None,
    };
    found.unwrap_or(Kind::Other)
}

fn v4(b: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(b.get(..4)?).ok().map(Ipv4Addr::from)
}

fn v6(b: &[u8]) -> Option<Ipv6Addr> {
    <[u8; 16]>::try_from(b.get(..16)?).ok().map(Ipv6Addr::from)
}

fn be16(b: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*b.get(at)?, *b.get(at + 1)?]))
}

fn arp(b: &[u8]) -> Option<Kind> {
    Some(Kind::Arp {
        op: be16(b, 6)?,
        sender_mac: b.get(8..14)?.try_into().ok()?,
        sender: v4(b.get(14..)?)?,
        target: v4(b.get(24..)?)?,
    })
}

fn ipv4(b: &[u8]) -> Option<Kind> {
    let header = usize::from(b.first()? & 15) * 4;
    let total = usize::from(be16(b, 2)?).min(b.len());
    let (from, to) = (v4(b.get(12..)?)?.into(), v4(b.get(16..)?)?.into());
    let body = b.get(header..total)?;
    match b.get(9)? {
        112 => vrrp(body, from, to, *b.get(8)?),
        51 if *body.first()? == 112 => {
            let mut kind = vrrp(body.get(24..)?, from, to, *b.get(8)?)?;
            if let Kind::Advert(advert) = &mut kind {
                let number = <[u8; 4]>::try_from(body.get(8..12)?).ok()?;
                advert.ah = Some(u32::from_be_bytes(number));
            }
            Some(kind)
        }
        1 => match body.first()? {
            t @ (0 | 8) => Some(Kind::Echo {
                reply: *t == 0,
                from,
                to,
                seq: be16(body, 6)?,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn ipv6(b: &[u8]) -> Option<Kind> {
    let (from, to) = (v6(b.get(8..)?)?, v6(b.get(24..)?)?);
    let end = (40 + usize::from(be16(b, 4)?)).min(b.len());
    let body = b.get(40..end)?;
    match b.get(6)? {
        112 => vrrp(body, from.into(), to.into(), *b.get(7)?),
        58 => match body.first()? {
            136 => Some(Kind::Na {
                from,
                target: v6(body.get(8..)?)?,
                solicited: body.get(4)? & 0x40 != 0,
                overrides: body.get(4)? & 0x20 != 0,
            }),
            t @ (128 | 129) => Some(Kind::Echo {
                reply: *t == 129,
                from: from.into(),
                to: to.into(),
                seq: be16(body, 6)?,
            }),
            _ => None,
        },
        _ => None,
    }
}

fn vrrp(b: &[u8], from: IpAddr, to: IpAddr, ttl: u8) -> Option<Kind> {
    let [first, vrid, priority, count, auth_type, low, ..] = *b else {
        return None;
    };
    let (version, kind) = (first >> 4, first & 15);
    let size = if from.is_ipv4() { 4 } else { 16 };
    let list = b.get(8..).unwrap_or_default();
    let addresses: Vec<IpAddr> = list
        .chunks_exact(size)
        .take(usize::from(count))
        .filter_map(|c| {
            if size == 4 {
                v4(c).map(IpAddr::from)
            } else {
                v6(c).map(IpAddr::from)
            }
        })
        .collect();
    let auth = list
        .get(addresses.len() * size..)
        .unwrap_or_default()
        .to_vec();
    // The 28 bytes of a signature. The checksum covers them over IPv6, but not over IPv4.
    let message = 8 + addresses.len() * size + if version == 2 { 8 } else { 0 };
    let key = (b.len() == message + 28).then(|| b[message + 1]);
    let summed = match (key, from) {
        (Some(_), IpAddr::V4(_)) => &b[..message],
        _ => b,
    };
    let header = if version == 2 {
        Vec::new()
    } else {
        pseudo(from, to, 112, summed.len())
    };
    let interval = if version == 2 {
        u32::from(low) * 100
    } else {
        u32::from(be16(b, 4)? & 0x0fff)
    };
    Some(Kind::Advert(Advert {
        from,
        to,
        ttl,
        version,
        kind,
        vrid,
        priority,
        interval,
        addresses,
        auth_type: if version == 2 { auth_type } else { 0 },
        auth,
        ah: None,
        key,
        checksum_ok: checksum(&[&header, summed]) == 0,
    }))
}
