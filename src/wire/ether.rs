//! Ethernet II frames, untagged.
//!
//! ```text
//! 0        6        12     14
//! ├────────┼────────┼──────┼─────────…
//! │  dst   │  src   │ type │ payload
//! ```

use core::net::IpAddr;

use super::cursor::{Reader, Writer};
use super::{EmitError, ParseError};
use crate::types::Mac;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 14;
/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of ARP.
pub const ARP: u16 = 0x0806;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;

/// One frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    /// Destination.
    pub dst: Mac,
    /// Source.
    pub src: Mac,
    /// EtherType.
    pub ether_type: u16,
    /// Payload, including the padding of short frames.
    pub payload: &'a [u8],
}

/// Splits a frame.
pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, ParseError> {
    let mut r = Reader::new(bytes);
    Ok(Frame {
        dst: r.mac()?,
        src: r.mac()?,
        ether_type: r.u16_be()?,
        payload: r.rest(),
    })
}

/// The payload of a frame that must be of this type.
pub(super) fn payload(bytes: &[u8], ether_type: u16) -> Result<&[u8], ParseError> {
    let frame = parse(bytes)?;
    if frame.ether_type != ether_type {
        return Err(ParseError::EtherType {
            found: frame.ether_type,
            expected: ether_type,
        });
    }
    Ok(frame.payload)
}

/// Writes the header.
pub(super) fn emit(
    w: &mut Writer<'_>,
    dst: Mac,
    src: Mac,
    ether_type: u16,
) -> Result<(), EmitError> {
    w.bytes(&dst.0)?;
    w.bytes(&src.0)?;
    w.u16_be(ether_type)
}

/// Writes the header of a frame for an IP packet to a multicast group (RFC 1112 §6.4, RFC 2464 §7).
pub fn emit_multicast(group: IpAddr, src: Mac, frame: &mut [u8]) -> Result<(), EmitError> {
    let (dst, ether_type) = match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            (Mac([0x01, 0, 0x5e, b & 0x7f, c, d]), IPV4)
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            (Mac([0x33, 0x33, a, b, c, d]), IPV6)
        }
    };
    emit(&mut Writer::new(frame), dst, src, ether_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multicast_groups_map_to_ethernet_addresses() {
        for (group, dst, ether_type) in [
            ("224.0.0.18", [1, 0, 0x5e, 0, 0, 18], IPV4),
            ("239.255.1.2", [1, 0, 0x5e, 0x7f, 1, 2], IPV4),
            ("ff02::1:ff00:12", [0x33, 0x33, 0xff, 0, 0, 0x12], IPV6),
        ] {
            let mut bytes = [0; HEADER_LEN];
            emit_multicast(group.parse().unwrap(), Mac([2; 6]), &mut bytes).unwrap();
            let frame = parse(&bytes).unwrap();
            assert_eq!(
                (frame.dst, frame.ether_type),
                (Mac(dst), ether_type),
                "{group}"
            );
            assert_eq!(frame.src, Mac([2; 6]));
        }
        assert!(emit_multicast([224, 0, 0, 18].into(), Mac([2; 6]), &mut [0; 13]).is_err());
    }

    #[test]
    fn parse_splits_the_header_and_rejects_short_frames() {
        let bytes = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x06, 9];
        let frame = parse(&bytes).unwrap();
        assert_eq!(
            frame,
            Frame {
                dst: Mac([1; 6]),
                src: Mac([2; 6]),
                ether_type: ARP,
                payload: &[9]
            }
        );
        for len in 0..HEADER_LEN {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
    }
}
