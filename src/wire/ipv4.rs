//! The IPv4 header (RFC 791 §3.1), as raw sockets deliver it and accept it with `IP_HDRINCL`.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+-------------------------------+
//! |   4   |  IHL  |      TOS      |         total length          |
//! +-------+-------+---------------+-----+-------------------------+
//! |        identification         |flags|     fragment offset     |
//! +---------------+---------------+-----+-------------------------+
//! |      TTL      |   protocol    |        header checksum        |
//! +---------------+---------------+-------------------------------+
//! |                          source                               |
//! |                        destination                            |
//! |                     options, IHL - 5 words                    |
//! ```
//!
//! The packet ends at the total length; bytes after it are padding of the link.

use core::net::Ipv4Addr;

use super::checksum::Sum;
use super::cursor::{Reader, Writer, patch_u16_be};
use super::{EmitError, ParseError};

/// Length of a header without options, the only kind written.
pub const HEADER_LEN: usize = 20;

const CHECKSUM_AT: usize = 10;
/// The "more fragments" flag and the fragment offset.
const FRAGMENTED: u16 = 0x3fff;

/// Fields of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Type of service; VRRP uses 0xC0, internetwork control.
    pub tos: u8,
    /// Identification. The kernel replaces 0.
    pub id: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
    /// Source.
    pub src: Ipv4Addr,
    /// Destination.
    pub dst: Ipv4Addr,
}

/// A packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// Options, not interpreted.
    pub options: &'a [u8],
    /// Bytes from the end of the header to the total length.
    pub payload: &'a [u8],
}

/// Parses a packet.
pub fn parse(bytes: &[u8]) -> Result<Packet<'_>, ParseError> {
    let mut r = Reader::new(bytes);
    let [first, tos] = r.array()?;
    let (version, header_len) = (first >> 4, usize::from(first & 0x0f).saturating_mul(4));
    if version != 4 {
        return Err(ParseError::IpVersion {
            found: version,
            expected: 4,
        });
    }
    let total = usize::from(r.u16_be()?);
    if header_len < HEADER_LEN || header_len > total {
        return Err(ParseError::IpHeaderLength(header_len));
    }
    let packet = bytes.get(..total).ok_or(ParseError::IpLength {
        found: total,
        received: bytes.len(),
    })?;
    let id = r.u16_be()?;
    let fragment = r.u16_be()?;
    let [ttl, protocol] = r.array()?;
    let found = r.u16_be()?;
    let mut whole = Reader::new(packet);
    let sum = Sum::new().bytes(whole.bytes(header_len)?);
    if !sum.is_valid() {
        return Err(ParseError::IpChecksum {
            found,
            expected: sum.expected(found),
        });
    }
    if fragment & FRAGMENTED != 0 {
        return Err(ParseError::Fragment);
    }
    Ok(Packet {
        header: Header {
            tos,
            id,
            ttl,
            protocol,
            src: r.ipv4()?,
            dst: r.ipv4()?,
        },
        options: r.bytes(header_len.saturating_sub(HEADER_LEN))?,
        payload: whole.rest(),
    })
}

/// Writes a packet and returns its length: a header of 20 bytes, then the payload. `payload` writes
/// into the buffer it is given and returns its own length.
pub fn emit(
    header: &Header,
    buf: &mut [u8],
    payload: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    let found = buf.len();
    let Some((head, rest)) = buf.split_at_mut_checked(HEADER_LEN) else {
        return Err(EmitError::Buffer {
            found,
            needed: HEADER_LEN,
        });
    };
    let total = payload(rest)?.saturating_add(HEADER_LEN);
    let mut w = Writer::new(head);
    w.bytes(&[0x45, header.tos])?;
    w.u16_be(u16::try_from(total).map_err(|_| EmitError::Length(total))?)?;
    w.u16_be(header.id)?;
    w.u16_be(0)?;
    w.bytes(&[header.ttl, header.protocol])?;
    w.u16_be(0)?;
    w.bytes(&header.src.octets())?;
    w.bytes(&header.dst.octets())?;
    let sum = Sum::new().bytes(head).checksum();
    patch_u16_be(head, CHECKSUM_AT, sum)?;
    Ok(total)
}
