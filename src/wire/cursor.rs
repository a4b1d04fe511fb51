//! Reading and writing fields in network byte order. No other file of this room uses byte offsets.
//!
//! A method that finds too few bytes returns an error and changes nothing.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{EmitError, ParseError};
use crate::types::Mac;

/// Reads fields from the front of received bytes.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    fn short(&self, needed: usize) -> ParseError {
        ParseError::Short {
            found: self.rest.len(),
            needed,
        }
    }

    /// The next `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(self.short(count))?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes, by value.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.short(N))?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ParseError> {
        self.array().map(u8::from_be_bytes)
    }

    /// Two bytes, most significant first.
    pub fn u16_be(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four bytes, most significant first.
    pub fn u32_be(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    /// An IPv4 address.
    pub fn ipv4(&mut self) -> Result<Ipv4Addr, ParseError> {
        self.array::<4>().map(Ipv4Addr::from)
    }

    /// An IPv6 address.
    pub fn ipv6(&mut self) -> Result<Ipv6Addr, ParseError> {
        self.array::<16>().map(Ipv6Addr::from)
    }

    /// An Ethernet address.
    pub fn mac(&mut self) -> Result<Mac, ParseError> {
        self.array().map(Mac)
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether all bytes have been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Fails unless all bytes have been read.
    pub fn finish(self) -> Result<(), ParseError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(ParseError::Trailing(left)),
        }
    }
}

/// Writes fields to the front of a buffer.
#[derive(Debug)]
pub struct Writer<'a> {
    rest: &'a mut [u8],
    written: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(buf: &'a mut [u8]) -> Self {
        Writer {
            rest: buf,
            written: 0,
        }
    }

    /// Writes these bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), EmitError> {
        let found = self.rest.len();
        let rest = core::mem::take(&mut self.rest);
        let Some((head, rest)) = rest.split_at_mut_checked(bytes.len()) else {
            return Err(EmitError::Buffer {
                found,
                needed: bytes.len(),
            });
        };
        head.copy_from_slice(bytes);
        self.rest = rest;
        self.written = self.written.saturating_add(bytes.len());
        Ok(())
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) -> Result<(), EmitError> {
        self.bytes(&[value])
    }

    /// Two bytes, most significant first.
    pub fn u16_be(&mut self, value: u16) -> Result<(), EmitError> {
        self.bytes(&value.to_be_bytes())
    }

    /// Four bytes, most significant first.
    pub fn u32_be(&mut self, value: u32) -> Result<(), EmitError> {
        self.bytes(&value.to_be_bytes())
    }

    /// Writes the 4 or 16 bytes of an address.
    pub fn addr(&mut self, addr: IpAddr) -> Result<(), EmitError> {
        match addr {
            IpAddr::V4(addr) => self.bytes(&addr.octets()),
            IpAddr::V6(addr) => self.bytes(&addr.octets()),
        }
    }

    /// Number of bytes written.
    #[must_use]
    pub fn written(&self) -> usize {
        self.written
    }
}

/// Overwrites two bytes at `offset`, for a checksum that is computed last.
pub(crate) fn patch_u16_be(buf: &mut [u8], offset: usize, value: u16) -> Result<(), EmitError> {
    let found = buf.len();
    let field = buf
        .get_mut(offset..)
        .and_then(|tail| tail.first_chunk_mut::<2>())
        .ok_or(EmitError::Buffer {
            found,
            needed: offset.saturating_add(2),
        })?;
    *field = value.to_be_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reader_reads_network_order_and_stops_at_the_end() {
        let mut r = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(r.u8(), Ok(1));
        assert_eq!(r.u16_be(), Ok(0x0203));
        assert_eq!(r.u32_be(), Ok(0x0405_0607));
        assert_eq!(
            r.u32_be(),
            Err(ParseError::Short {
                found: 2,
                needed: 4
            })
        );
        assert_eq!(r.rest(), [8, 9], "a failed read consumes nothing");
        assert_eq!(r.finish(), Err(ParseError::Trailing(2)));
        assert_eq!(r.bytes(2), Ok(&[8, 9][..]));
        assert_eq!(r.finish(), Ok(()));
    }

    #[test]
    fn writer_writes_what_reader_reads() {
        let mut buf = [0; 7];
        let mut w = Writer::new(&mut buf);
        assert_eq!(w.u8(1), Ok(()));
        assert_eq!(w.u16_be(0x0203), Ok(()));
        assert_eq!(w.u32_be(0x0405_0607), Ok(()));
        assert_eq!(w.written(), 7);
        assert_eq!(
            w.u8(8),
            Err(EmitError::Buffer {
                found: 0,
                needed: 1
            })
        );
        assert_eq!(buf, [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn patch_rejects_a_field_beyond_the_end() {
        let mut buf = [0; 4];
        assert_eq!(patch_u16_be(&mut buf, 2, 0xaabb), Ok(()));
        assert_eq!(buf, [0, 0, 0xaa, 0xbb]);
        let refused = Err(EmitError::Buffer {
            found: 4,
            needed: 5,
        });
        assert_eq!(patch_u16_be(&mut buf, 3, 1), refused);
        assert!(patch_u16_be(&mut buf, usize::MAX, 1).is_err());
    }
}
