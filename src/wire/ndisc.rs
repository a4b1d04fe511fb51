//! Neighbor advertisements (RFC 4861 §4.4), sent unsolicited (§7.2.6).
//!
//! ```text
//! Ethernet 14 │ IPv6 40: 6, 0, 0 │ payload length │ 58 │ 255 │ src │ dst
//! ICMPv6: 0    1     2          4          8        24   25  26
//!         ├────┼─────┼──────────┼──────────┼────────┼────┼───┼──────────┤
//!         │136 │  0  │ checksum │RSO, zero │ target │  2 │ 1 │ target's │
//!         │    │     │          │          │        │    │   │ MAC      │
//! ```

use core::net::{IpAddr, Ipv6Addr};

use super::checksum::{PseudoHeader, Sum};
use super::cursor::{Reader, Writer, patch_u16_be};
use super::{EmitError, ParseError, ether};
use crate::types::Mac;

/// Length of an unsolicited neighbor advertisement with its Ethernet header.
pub const FRAME_LEN: usize = ether::HEADER_LEN + IPV6_LEN + ADVERT_LEN;

const IPV6_LEN: usize = 40;
const ADVERT_LEN: usize = 32;
const CHECKSUM_AT: usize = ether::HEADER_LEN + IPV6_LEN + 2;
const ICMPV6: u8 = 58;
const NEIGHBOR_ADVERT: u8 = 136;
const TARGET_LINK_LAYER: u8 = 2;

const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);

/// One neighbor advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NeighborAdvert {
    /// Source of the packet.
    pub src: Ipv6Addr,
    /// Destination of the packet.
    pub dst: Ipv6Addr,
    /// The address it describes.
    pub target: Ipv6Addr,
    /// The target's Ethernet address, if included.
    pub mac: Option<Mac>,
    /// Router flag: the sender forwards packets.
    pub router: bool,
    /// Solicited flag.
    pub solicited: bool,
    /// Override flag: replaces an existing neighbor cache entry.
    pub overrides: bool,
}

/// Parses an Ethernet frame with a neighbor advertisement, with the checks of RFC 4861 §7.1.2.
pub fn parse(frame: &[u8]) -> Result<NeighborAdvert, ParseError> {
    let (net, src, dst, message) = ipv6(ether::payload(frame, ether::IPV6)?)?;
    let mut r = Reader::new(message);
    let [kind, code] = r.array()?;
    if kind != NEIGHBOR_ADVERT {
        return Err(ParseError::IcmpType {
            found: kind,
            expected: NEIGHBOR_ADVERT,
        });
    }
    let found = r.u16_be()?;
    let sum = checksum(&net, message);
    if !sum.is_valid() {
        return Err(ParseError::IcmpChecksum {
            found,
            expected: sum.expected(found),
        });
    }
    if code != 0 {
        return Err(ParseError::IcmpCode(code));
    }
    let [flags, _, _, _] = r.array()?;
    let target = r.ipv6()?;
    if target.is_multicast() {
        return Err(ParseError::NdiscTarget(target));
    }
    let solicited = flags & SOLICITED != 0;
    if solicited && dst.is_multicast() {
        return Err(ParseError::NdiscSolicited);
    }
    Ok(NeighborAdvert {
        src,
        dst,
        target,
        mac: target_mac(r)?,
        router: flags & ROUTER != 0,
        solicited,
        overrides: flags & OVERRIDE != 0,
    })
}

/// Splits off the IPv6 header. Extension headers do not occur in neighbor discovery.
fn ipv6(bytes: &[u8]) -> Result<(PseudoHeader, Ipv6Addr, Ipv6Addr, &[u8]), ParseError> {
    let mut r = Reader::new(bytes);
    let [first, _, _, _] = r.array()?;
    if first >> 4 != 6 {
        return Err(ParseError::IpVersion {
            found: first >> 4,
            expected: 6,
        });
    }
    let len = usize::from(r.u16_be()?);
    let [next, hops] = r.array()?;
    let (src, dst) = (r.ipv6()?, r.ipv6()?);
    let left = r.rest().len();
    let message = r.bytes(len).map_err(|_| ParseError::IpLength {
        found: len,
        received: left,
    })?;
    if next != ICMPV6 {
        return Err(ParseError::Protocol {
            found: next,
            expected: ICMPV6,
        });
    }
    if hops != 255 {
        return Err(ParseError::HopLimit(hops));
    }
    let net = PseudoHeader {
        src: IpAddr::V6(src),
        dst: IpAddr::V6(dst),
    };
    Ok((net, src, dst, message))
}

/// The target link-layer address option: the last one of Ethernet's length.
fn target_mac(mut r: Reader<'_>) -> Result<Option<Mac>, ParseError> {
    let mut mac = None;
    while !r.is_empty() {
        let left = r.rest().len();
        let [kind, units] = r.array()?;
        let len = usize::from(units).saturating_mul(8);
        let bad = ParseError::NdiscOption { found: len, left };
        let body = len.checked_sub(2).ok_or(bad)?;
        let mut body = Reader::new(r.bytes(body).map_err(|_| bad)?);
        if (kind, units) == (TARGET_LINK_LAYER, 1) {
            mac = Some(body.mac()?);
        }
    }
    Ok(mac)
}

/// An unsolicited neighbor advertisement to all nodes (RFC 4861 §7.2.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsolicited {
    /// The target's Ethernet address, also the source of the frame.
    pub mac: Mac,
    /// Source of the packet.
    pub src: Ipv6Addr,
    /// The address that is announced.
    pub target: Ipv6Addr,
    /// Router flag: the sender forwards packets.
    pub router: bool,
}

/// Writes the Ethernet frame and returns its length.
pub fn emit_unsolicited(advert: &Unsolicited, buf: &mut [u8]) -> Result<usize, EmitError> {
    let Unsolicited {
        mac,
        src,
        target,
        router,
    } = *advert;
    let mut w = Writer::new(buf);
    ether::emit(&mut w, ALL_NODES_MAC, mac, ether::IPV6)?;
    w.u32_be(6 << 28)?;
    w.u16_be(32)?;
    w.bytes(&[ICMPV6, 255])?;
    w.bytes(&src.octets())?;
    w.bytes(&ALL_NODES.octets())?;
    w.bytes(&[NEIGHBOR_ADVERT, 0, 0, 0])?;
    w.bytes(&[if router { ROUTER | OVERRIDE } else { OVERRIDE }, 0, 0, 0])?;
    w.bytes(&target.octets())?;
    w.bytes(&[TARGET_LINK_LAYER, 1])?;
    w.bytes(&mac.0)?;
    let len = w.written();
    let net = PseudoHeader {
        src: IpAddr::V6(src),
        dst: IpAddr::V6(ALL_NODES),
    };
    let message = buf.get(ether::HEADER_LEN + IPV6_LEN..len);
    let sum = checksum(&net, message.unwrap_or_default()).checksum();
    patch_u16_be(buf, CHECKSUM_AT, sum)?;
    Ok(len)
}

fn checksum(net: &PseudoHeader, message: &[u8]) -> Sum {
    let len = u16::try_from(message.len()).unwrap_or(u16::MAX);
    Sum::new().pseudo(net, ICMPV6, len).bytes(message)
}
