//! The IP authentication header (AH) of VRRPv2 (RFC 2402 §2, RFC 2403): between the IPv4 header and
//! the advert, with HMAC-MD5-96 over all immutable fields.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |next header 112|   length 4    |             zero              |
//! +---------------+---------------+-------------------------------+
//! |              SPI: the sender's IPv4 address                   |
//! +---------------------------------------------------------------+
//! |                       sequence number                         |
//! +---------------------------------------------------------------+
//! |              integrity check value, 12 bytes                  |
//! ```
//!
//! The integrity check value (ICV) covers the first 20 bytes of the IPv4 header with TOS, fragment
//! field and checksum set to zero, this header with the ICV set to zero, and the whole message. The
//! TTL is covered in multicast adverts, which must have 255; it is set to zero in unicast adverts,
//! where routers decrement it.

use core::net::Ipv4Addr;

use super::cursor::{Reader, Writer};
use super::{EmitError, ParseError, ipv4, mac, vrrp};

/// IP protocol number.
pub const PROTOCOL: u8 = 51;
/// Bytes of the header.
pub const LEN: usize = 24;

/// Payload length field: 32-bit words minus 2.
pub(super) const WORDS: u8 = 4;
const ICV_LEN: usize = 12;
/// Offset of the ICV.
const ICV_AT: usize = LEN - ICV_LEN;

/// Fields of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Security parameters index: the sender's address.
    pub spi: u32,
    /// Sequence number.
    pub sequence: u32,
}

/// Splits an IPv4 payload into the header and the VRRP message.
pub fn parse(payload: &[u8]) -> Result<(Header, &[u8]), ParseError> {
    let mut r = Reader::new(payload);
    let [next, words, _, _] = r.array()?;
    if next != vrrp::PROTOCOL {
        return Err(ParseError::Protocol {
            found: next,
            expected: vrrp::PROTOCOL,
        });
    }
    if words != WORDS {
        return Err(ParseError::AhLength(words));
    }
    let (spi, sequence) = (r.u32_be()?, r.u32_be()?);
    r.bytes(ICV_LEN)?;
    Ok((Header { spi, sequence }, r.rest()))
}

/// Whether the ICV of a packet is valid. `packet` is `bytes`, parsed.
#[must_use]
pub fn verify(packet: &ipv4::Packet<'_>, bytes: &[u8], key: &[u8]) -> bool {
    let payload = packet.payload;
    let theirs = payload.get(ICV_AT..LEN).unwrap_or_default();
    icv(bytes, payload, packet.header.dst, key).is_some_and(|ours| mac::ct_eq(&ours, theirs))
}

/// Like [`ipv4::emit`], with an AH header before the payload. `header.protocol` must be
/// [`PROTOCOL`].
pub fn emit(
    header: &ipv4::Header,
    sequence: u32,
    key: &[u8],
    buf: &mut [u8],
    payload: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    let len = ipv4::emit(header, buf, |buf| {
        let found = buf.len();
        let Some((head, rest)) = buf.split_at_mut_checked(LEN) else {
            return Err(EmitError::Buffer { found, needed: LEN });
        };
        let mut w = Writer::new(head);
        w.bytes(&[vrrp::PROTOCOL, WORDS, 0, 0])?;
        w.bytes(&header.src.octets())?;
        w.bytes(&sequence.to_be_bytes())?;
        w.bytes(&[0; ICV_LEN])?;
        Ok(payload(rest)?.saturating_add(LEN))
    })?;
    let packet = buf.get(..len).unwrap_or_default();
    let payload = packet.get(ipv4::HEADER_LEN..).unwrap_or_default();
    let value = icv(packet, payload, header.dst, key);
    let field = buf.get_mut(ipv4::HEADER_LEN.saturating_add(ICV_AT)..);
    if let (Some(value), Some(field)) = (value, field) {
        Writer::new(field).bytes(&value)?;
    }
    Ok(len)
}

/// The ICV of a packet that starts with `bytes` and has `payload`.
fn icv(bytes: &[u8], payload: &[u8], dst: Ipv4Addr, key: &[u8]) -> Option<[u8; ICV_LEN]> {
    let mut ip: [u8; ipv4::HEADER_LEN] = *bytes.first_chunk()?;
    let [_, tos, _, _, _, _, flags, fragment, ttl, _, sum, more, ..] = &mut ip;
    for field in [tos, flags, fragment, sum, more] {
        *field = 0;
    }
    if !dst.is_multicast() {
        *ttl = 0;
    }
    let (fields, message) = (payload.get(..ICV_AT)?, payload.get(LEN..)?);
    Some(mac::md5_96(key, &[&ip, fields, &[0; ICV_LEN], message]))
}
