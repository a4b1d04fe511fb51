//! The IPv6 header (RFC 8200 §3). Written only: raw IPv6 sockets deliver packets without it.

use core::net::Ipv6Addr;

use super::EmitError;
use super::cursor::Writer;

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 40;

/// Fields of the header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Traffic class; VRRP uses 0xC0, internetwork control.
    pub traffic_class: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Protocol of the payload.
    pub next_header: u8,
    /// Source.
    pub src: Ipv6Addr,
    /// Destination.
    pub dst: Ipv6Addr,
}

/// Writes header and payload and returns their length. `payload` writes into the buffer it is given
/// and returns its own length.
///
/// # Errors
/// The error of `payload`, or the packet does not fit.
pub fn emit(
    header: &Header,
    buf: &mut [u8],
    payload: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    let found = buf.len();
    let needed = HEADER_LEN;
    let (head, rest) = buf
        .split_at_mut_checked(HEADER_LEN)
        .ok_or(EmitError::Buffer { found, needed })?;
    let len = payload(rest)?;
    let mut w = Writer::new(head);
    w.u32_be(6 << 28 | u32::from(header.traffic_class) << 20)?;
    w.u16_be(u16::try_from(len).map_err(|_| EmitError::Length(len))?)?;
    w.bytes(&[header.next_header, header.hop_limit])?;
    w.bytes(&header.src.octets())?;
    w.bytes(&header.dst.octets())?;
    Ok(len.saturating_add(HEADER_LEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_forty_bytes_of_rfc_8200() {
        let header = Header {
            traffic_class: 0xc0,
            hop_limit: 255,
            next_header: 112,
            src: "fe80::1".parse().expect("an address"),
            dst: "ff02::12".parse().expect("an address"),
        };
        let mut buf = [0xaa; 64];
        let len = emit(&header, &mut buf, |room| {
            room[..3].copy_from_slice(b"abc");
            Ok(3)
        });
        assert_eq!(len, Ok(43));
        let mut want = vec![0x6c, 0, 0, 0, 0, 3, 112, 255];
        want.extend(header.src.octets());
        want.extend(header.dst.octets());
        want.extend(b"abc");
        assert_eq!(buf[..43], want);
        assert_eq!(
            emit(&header, &mut [0; 39], |_| Ok(0)),
            Err(EmitError::Buffer {
                found: 39,
                needed: 40
            })
        );
    }
}
