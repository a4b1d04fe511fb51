//! The trailer of a signed advert (`auth_hmac`: draft-cassen-vrrp-auth-hmac, keepalived from 2.4
//! on), for both versions and families.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |    type 1     |    key        |             zero              |
//! +---------------+---------------+-------------------------------+
//! |                 seconds since 1970                            |
//! +-------------------------------+-------------------------------+
//! |      2^-16 seconds            |            counter            |
//! +-------------------------------+-------------------------------+
//! |              HMAC-SHA-256 cut to 16 bytes                     |
//! ```
//!
//! Seconds, fraction and counter form one 64-bit sequence number. The HMAC covers a pseudo header
//! of 20 bytes (family 4 or 6, version, VRID, 0, source address padded with zeros), the message
//! with a checksum of zero, and the trailer with an HMAC of zero. Destination and IP header are not
//! covered, so one signature serves all peers.
//!
//! The VRRP checksum covers the trailer over IPv6, where kernels compute it over the whole payload,
//! but not over IPv4; see [`super::vrrp`].

use core::net::IpAddr;

use super::cursor::{Reader, Writer};
use super::{EmitError, ParseError, mac, vrrp};

/// Length of the trailer.
pub const LEN: usize = 28;

const KIND: u8 = 1;
const CODE_LEN: usize = 16;

/// Fields of the trailer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trailer {
    /// Number of the key.
    pub key: u8,
    /// Sequence number; increases with every advert of a sender.
    pub sequence: u64,
}

/// Parses a trailer.
pub fn parse(trailer: &[u8]) -> Result<Trailer, ParseError> {
    let mut r = Reader::new(trailer);
    let [kind, key, zero, zeros] = r.array()?;
    if kind != KIND || zero != 0 || zeros != 0 {
        return Err(ParseError::Trailer(kind));
    }
    let sequence = u64::from_be_bytes(r.array()?);
    r.bytes(CODE_LEN)?;
    r.finish()?;
    Ok(Trailer { key, sequence })
}

/// Whether the HMAC is valid. `signed` is the message with its trailer.
#[must_use]
pub fn verify(signed: &[u8], from: IpAddr, key: &[u8]) -> bool {
    let split = signed.split_last_chunk::<CODE_LEN>();
    split.is_some_and(|(covered, theirs)| {
        code(covered, from, key).is_some_and(|ours| mac::ct_eq(&ours, theirs))
    })
}

/// Appends a trailer to the message in the first `len` bytes of `buf`; returns the length of both.
pub fn sign(
    buf: &mut [u8],
    len: usize,
    from: IpAddr,
    trailer: Trailer,
    key: &[u8],
) -> Result<usize, EmitError> {
    let (found, needed) = (buf.len(), len.saturating_add(LEN));
    let short = EmitError::Buffer { found, needed };
    let signed = buf.get_mut(..needed).ok_or(short)?;
    let mut w = Writer::new(signed.get_mut(len..).ok_or(short)?);
    w.bytes(&[KIND, trailer.key, 0, 0])?;
    w.bytes(&trailer.sequence.to_be_bytes())?;
    let (covered, field) = signed.split_last_chunk_mut::<CODE_LEN>().ok_or(short)?;
    *field = code(covered, from, key).ok_or(short)?;
    Ok(needed)
}

/// The HMAC of a message and its trailer, which ends before the HMAC.
fn code(covered: &[u8], from: IpAddr, key: &[u8]) -> Option<[u8; CODE_LEN]> {
    let (&first, &vrid) = (covered.first()?, covered.get(1)?);
    let mut pseudo = [0; 20];
    let mut w = Writer::new(&mut pseudo);
    let family = if from.is_ipv4() { 4 } else { 6 };
    w.bytes(&[family, first >> 4, vrid, 0]).ok()?;
    w.addr(from).ok()?;
    let (head, rest) = covered.split_at_checked(vrrp::CHECKSUM_AT)?;
    let rest = rest.get(2..)?;
    let parts: [&[u8]; 5] = [&pseudo, head, &[0; 2], rest, &[0; CODE_LEN]];
    Some(mac::sha256_128(key, &parts))
}
