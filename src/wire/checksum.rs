//! The Internet checksum (RFC 1071) and pseudo headers (RFC 793 §3.1, RFC 8200 §8.1).

use core::net::IpAddr;

/// The addresses in a pseudo header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PseudoHeader {
    /// Source of the IP packet.
    pub src: IpAddr,
    /// Destination of the IP packet.
    pub dst: IpAddr,
}

/// A one's complement sum. Each [`Sum::bytes`] starts at a word boundary.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sum(u16);

impl Sum {
    /// Nothing added yet.
    #[must_use]
    pub fn new() -> Self {
        Sum(0)
    }

    /// Adds one word with end-around carry.
    #[must_use]
    pub fn word(self, word: u16) -> Self {
        let (sum, carry) = self.0.overflowing_add(word);
        // After a carry the sum is at most 0xfffe, so this does not carry again.
        Sum(sum.wrapping_add(u16::from(carry)))
    }

    /// Adds words in network order; an odd last byte counts as the high half of a word.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let sum = pairs
            .iter()
            .fold(self, |sum, pair| sum.word(u16::from_be_bytes(*pair)));
        match odd.first() {
            Some(&last) => sum.word(u16::from_be_bytes([last, 0])),
            None => sum,
        }
    }

    /// Adds an address.
    #[must_use]
    pub fn addr(self, addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(addr) => self.bytes(&addr.octets()),
            IpAddr::V6(addr) => self.bytes(&addr.octets()),
        }
    }

    /// Adds a pseudo header. The families differ only in the width of length and protocol, which
    /// does not change the sum of a length below 2^16.
    #[must_use]
    pub fn pseudo(self, net: &PseudoHeader, protocol: u8, len: u16) -> Self {
        self.addr(net.src)
            .addr(net.dst)
            .word(u16::from(protocol))
            .word(len)
    }

    /// The checksum of the bytes added, among them a checksum field of zero.
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.0
    }

    /// Whether the bytes added, checksum field included, are intact.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.0 == u16::MAX
    }

    /// The correct value of the checksum field, if `found` is in it and was added.
    #[must_use]
    pub(crate) fn expected(self, found: u16) -> u16 {
        // Adding the complement removes a word.
        self.word(!found).checksum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Sum::new().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.checksum(), !0xddf2);
    }

    #[test]
    fn zeros_are_not_intact() {
        assert!(!Sum::new().is_valid());
        assert!(!Sum::new().bytes(&[0; 20]).is_valid());
    }

    #[test]
    fn odd_last_byte_is_padded_with_zero() {
        assert_eq!(
            Sum::new().bytes(&[0x12, 0x34, 0x56]),
            Sum::new().bytes(&[0x12, 0x34, 0x56, 0x00])
        );
    }

    #[test]
    fn carries_wrap_around() {
        let ones = [0xff; 4096];
        assert!(Sum::new().bytes(&ones).is_valid());
        assert_eq!(Sum::new().bytes(&ones).word(1).checksum(), !1);
        assert_eq!(Sum::new().word(0xffff).word(0xffff).checksum(), 0);
    }

    #[test]
    fn expected_is_what_makes_the_sum_verify() {
        for found in [0, 1, 0x1234, 0xfffe, 0xffff] {
            let rest = Sum::new().bytes(&[0x45, 0, 0, 40, 0x99]);
            let expected = rest.word(found).expected(found);
            assert!(rest.word(expected).is_valid(), "{found:#06x}");
        }
    }

    #[test]
    fn pseudo_header_sums_as_written_out() {
        let v4 = PseudoHeader {
            src: IpAddr::from([192, 0, 2, 1]),
            dst: IpAddr::from([224, 0, 0, 18]),
        };
        let bytes = [192, 0, 2, 1, 224, 0, 0, 18, 0, 112, 0, 12];
        assert_eq!(Sum::new().pseudo(&v4, 112, 12), Sum::new().bytes(&bytes));
        let v6 = PseudoHeader {
            src: IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]),
            dst: IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
        };
        let mut bytes = [0; 40];
        bytes[0..2].copy_from_slice(&[0xfe, 0x80]);
        bytes[15] = 1;
        bytes[16..18].copy_from_slice(&[0xff, 0x02]);
        bytes[31] = 0x12;
        bytes[35] = 24;
        bytes[39] = 112;
        assert_eq!(Sum::new().pseudo(&v6, 112, 24), Sum::new().bytes(&bytes));
    }
}
