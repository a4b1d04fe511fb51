//! Reading fields in host byte order, and attributes. No other file of this room uses byte offsets,
//! except [`Batch`].
//!
//! [`Batch`]: super::Batch

use core::net::IpAddr;

use super::ParseError;
use crate::types::{Family, Mac};

/// Nesting depth of attributes that is followed.
const MAX_DEPTH: u8 = 4;
/// `NLA_TYPE_MASK`: the type without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const TYPE_MASK: u16 = 0x3fff;

/// Reads fields from the front of received bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    fn short(&self, needed: usize) -> ParseError {
        ParseError::Short {
            found: self.rest.len(),
            needed,
        }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], ParseError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(self.short(count))?;
        self.rest = rest;
        Ok(head)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(self.short(N))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(super) fn u16_ne(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(super) fn u32_ne(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(super) fn i32_ne(&mut self) -> Result<i32, ParseError> {
        self.array().map(i32::from_ne_bytes)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// One attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attr<'a> {
    /// Its type, without the two flag bits.
    pub kind: u16,
    /// Its value, without padding.
    pub value: &'a [u8],
    depth: u8,
}

impl<'a> Attr<'a> {
    fn array<const N: usize>(&self) -> Result<[u8; N], ParseError> {
        self.value.try_into().map_err(|_| ParseError::AttrSize {
            kind: self.kind,
            found: self.value.len(),
            expected: N,
        })
    }

    /// The value as one byte.
    pub fn u8(&self) -> Result<u8, ParseError> {
        self.array().map(u8::from_ne_bytes)
    }

    /// The value as two bytes in host order.
    pub fn u16_ne(&self) -> Result<u16, ParseError> {
        self.array().map(u16::from_ne_bytes)
    }

    /// The value as four bytes in host order.
    pub fn u32_ne(&self) -> Result<u32, ParseError> {
        self.array().map(u32::from_ne_bytes)
    }

    /// The value as two bytes in network order.
    pub fn u16_be(&self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    /// The value as eight bytes in host order.
    pub fn u64_ne(&self) -> Result<u64, ParseError> {
        self.array().map(u64::from_ne_bytes)
    }

    /// The value as eight bytes in network order.
    pub fn u64_be(&self) -> Result<u64, ParseError> {
        self.array().map(u64::from_be_bytes)
    }

    /// The value as text, up to the first NUL.
    pub fn text(&self) -> Result<&'a str, ParseError> {
        let text = self.value.split(|byte| *byte == 0).next();
        core::str::from_utf8(text.unwrap_or_default()).map_err(|_| ParseError::Text(self.kind))
    }

    /// The value as an address of `family`.
    pub fn ip(&self, family: Family) -> Result<IpAddr, ParseError> {
        match family {
            Family::V4 => self.array::<4>().map(IpAddr::from),
            Family::V6 => self.array::<16>().map(IpAddr::from),
        }
    }

    /// The value as an address of `family` in a field that is large enough for both families.
    pub fn padded_ip(&self, family: Family) -> Result<IpAddr, ParseError> {
        let (v4, v6) = (
            self.value.first_chunk::<4>(),
            self.value.first_chunk::<16>(),
        );
        let (addr, expected) = match family {
            Family::V4 => (v4.copied().map(IpAddr::from), 4),
            Family::V6 => (v6.copied().map(IpAddr::from), 16),
        };
        addr.ok_or(ParseError::AttrSize {
            kind: self.kind,
            found: self.value.len(),
            expected,
        })
    }

    /// The value as an Ethernet address; `None` if it has another length.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        self.value.try_into().ok().map(Mac)
    }

    /// The nested attributes.
    pub fn nested(&self) -> Result<Attrs<'a>, ParseError> {
        if self.depth >= MAX_DEPTH {
            return Err(ParseError::Depth);
        }
        Ok(Attrs {
            rest: self.value,
            depth: self.depth.saturating_add(1),
        })
    }
}

/// The attributes of a message or of another attribute, in order.
#[derive(Clone, Debug)]
pub struct Attrs<'a> {
    rest: &'a [u8],
    depth: u8,
}

impl<'a> Attrs<'a> {
    /// The attributes of a message, from the bytes after its fixed part.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Attrs {
            rest: bytes,
            depth: 1,
        }
    }

    fn split_next(&mut self) -> Result<Attr<'a>, ParseError> {
        let mut r = Reader::new(self.rest);
        let left = self.rest.len();
        let (found, kind) = (r.u16_ne()?, r.u16_ne()?);
        let bad = ParseError::AttrLength { found, left };
        let len = usize::from(found);
        let value = self.rest.get(4..len).ok_or(bad)?;
        let aligned = len.checked_next_multiple_of(4).ok_or(bad)?;
        // The last attribute may lack its padding.
        self.rest = self.rest.get(aligned..).unwrap_or_default();
        Ok(Attr {
            kind: kind & TYPE_MASK,
            value,
            depth: self.depth,
        })
    }
}

impl<'a> Iterator for Attrs<'a> {
    type Item = Result<Attr<'a>, ParseError>;

    /// An invalid length ends the iteration.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let attr = self.split_next();
        if attr.is_err() {
            self.rest = &[];
        }
        Some(attr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(len: u16, kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes
    }

    #[test]
    fn padding_is_skipped_and_may_be_missing_at_the_end() {
        let bytes = [
            attr(5, 1, &[7, 0, 0, 0]),
            attr(8, 2 | 0xc000, &5_u32.to_ne_bytes()),
            attr(7, 3, b"ab\0"),
        ]
        .concat();
        let attrs: Vec<Attr<'_>> = Attrs::new(&bytes).map(Result::unwrap).collect();
        let [byte, word, text] = attrs[..] else {
            panic!("{attrs:?}")
        };
        assert_eq!((byte.kind, byte.u8()), (1, Ok(7)));
        assert_eq!((word.kind, word.u32_ne()), (2, Ok(5)));
        assert_eq!((text.kind, text.text()), (3, Ok("ab")));
    }

    #[test]
    fn an_invalid_length_ends_the_iteration_with_an_error() {
        for (name, bytes, bad) in [
            (
                "below the header",
                attr(3, 1, &[0; 8]),
                ParseError::AttrLength { found: 3, left: 12 },
            ),
            (
                "zero",
                attr(0, 1, &[0; 8]),
                ParseError::AttrLength { found: 0, left: 12 },
            ),
            (
                "beyond the end",
                attr(13, 1, &[0; 8]),
                ParseError::AttrLength {
                    found: 13,
                    left: 12,
                },
            ),
            (
                "no room for a header",
                vec![0; 3],
                ParseError::Short {
                    found: 1,
                    needed: 2,
                },
            ),
        ] {
            let mut attrs = Attrs::new(&bytes);
            assert_eq!(attrs.next(), Some(Err(bad)), "{name}");
            assert_eq!(attrs.next(), None, "{name}");
        }
    }

    #[test]
    fn values_of_another_size_are_rejected() {
        let bytes = attr(7, 9, b"abc");
        let attr = Attrs::new(&bytes).next().unwrap().unwrap();
        let size = |expected| ParseError::AttrSize {
            kind: 9,
            found: 3,
            expected,
        };
        assert_eq!(attr.u8(), Err(size(1)));
        assert_eq!(attr.u16_ne(), Err(size(2)));
        assert_eq!(attr.u32_ne(), Err(size(4)));
        assert_eq!(attr.ip(Family::V4), Err(size(4)));
        assert_eq!(attr.ip(Family::V6), Err(size(16)));
        assert_eq!(attr.mac(), None);
        assert_eq!(attr.text(), Ok("abc"));
    }

    #[test]
    fn nesting_is_followed_four_levels_deep() {
        let mut bytes = attr(4, 5, &[]);
        for _ in 0..4 {
            let len = u16::try_from(bytes.len() + 4).unwrap();
            bytes = attr(len, 6, &bytes);
        }
        let mut attrs = Attrs::new(&bytes);
        for _ in 0..3 {
            attrs = attrs.next().unwrap().unwrap().nested().unwrap();
        }
        let fourth = attrs.next().unwrap().unwrap();
        assert_eq!(fourth.nested().err(), Some(ParseError::Depth));
    }
}
