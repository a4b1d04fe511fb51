//! Ethernet II frames, untagged.
//!
//! ```text
//! 0        6        12     14
//! ├────────┼────────┼──────┼─────────…
//! │  dst   │  src   │ type │ payload
//! ```

use core::net::IpAddr;

use super::cursor::{Reader, Writer};
use super::{Malformed, Unfit};
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
    /// Receiver.
    pub dst: Mac,
    /// Sender.
    pub src: Mac,
    /// EtherType.
    pub kind: u16,
    /// What it carries, with the padding of short frames.
    pub payload: &'a [u8],
}

/// Splits a frame.
pub fn parse(bytes: &[u8]) -> Result<Frame<'_>, Malformed> {
    let mut r = Reader::new(bytes);
    Ok(Frame {
        dst: r.mac()?,
        src: r.mac()?,
        kind: r.u16_be()?,
        payload: r.rest(),
    })
}

/// Splits a frame that must carry `kind`.
pub(super) fn payload(bytes: &[u8], kind: u16) -> Result<&[u8], Malformed> {
    let frame = parse(bytes)?;
    if frame.kind != kind {
        return Err(Malformed::EtherType {
            found: frame.kind,
            expected: kind,
        });
    }
    Ok(frame.payload)
}

/// Writes the header.
pub(super) fn emit(w: &mut Writer<'_>, dst: Mac, src: Mac, kind: u16) -> Result<(), Unfit> {
    w.bytes(&dst.0)?;
    w.bytes(&src.0)?;
    w.u16_be(kind)
}

/// Writes the header of a frame with an IP packet to a group (RFC 1112 §6.4, RFC 2464 §7).
pub fn to_group(group: IpAddr, src: Mac, frame: &mut [u8]) -> Result<(), Unfit> {
    let (dst, kind) = match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            (Mac([0x01, 0, 0x5e, b & 0x7f, c, d]), IPV4)
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            (Mac([0x33, 0x33, a, b, c, d]), IPV6)
        }
    };
    emit(&mut Writer::new(frame), dst, src, kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_addresses_of_their_own() {
        for (group, dst, kind) in [
            ("224.0.0.18", [1, 0, 0x5e, 0, 0, 18], IPV4),
            ("239.255.1.2", [1, 0, 0x5e, 0x7f, 1, 2], IPV4),
            ("ff02::1:ff00:12", [0x33, 0x33, 0xff, 0, 0, 0x12], IPV6),
        ] {
            let mut bytes = [0; HEADER_LEN];
            to_group(group.parse().unwrap(), Mac([2; 6]), &mut bytes).unwrap();
            let frame = parse(&bytes).unwrap();
            assert_eq!((frame.dst, frame.kind), (Mac(dst), kind), "{group}");
            assert_eq!(frame.src, Mac([2; 6]));
        }
        assert!(to_group([224, 0, 0, 18].into(), Mac([2; 6]), &mut [0; 13]).is_err());
    }

    #[test]
    fn header_splits_and_a_short_one_is_refused() {
        let bytes = [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x08, 0x06, 9];
        let frame = parse(&bytes).unwrap();
        assert_eq!(
            frame,
            Frame {
                dst: Mac([1; 6]),
                src: Mac([2; 6]),
                kind: ARP,
                payload: &[9]
            }
        );
        for len in 0..HEADER_LEN {
            assert!(parse(&bytes[..len]).is_err(), "{len}");
        }
    }
}
