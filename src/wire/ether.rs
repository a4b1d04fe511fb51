//! Ethernet II frames, untagged.
//!
//! ```text
//! 0        6        12     14
//! ├────────┼────────┼──────┼─────────…
//! │  dst   │  src   │ type │ payload
//! ```

use super::cursor::{Reader, Writer};
use super::{Malformed, Unfit};
use crate::types::Mac;

/// Bytes before the payload.
pub const HEADER_LEN: usize = 14;
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

#[cfg(test)]
mod tests {
    use super::*;

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
