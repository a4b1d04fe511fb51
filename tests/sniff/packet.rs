//! Frames that no correct router sends. The encoder shares no code with the product's.

use std::net::{IpAddr, Ipv4Addr};

/// A frame whose fields can all be wrong; correct as constructed.
#[derive(Clone)]
pub(crate) struct Packet {
    pub(crate) dst_mac: Option<[u8; 6]>,
    pub(crate) src_mac: Option<[u8; 6]>,
    pub(crate) tags: Vec<(u16, u16)>,
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    /// First byte of the IP header.
    pub(crate) first: Option<u8>,
    pub(crate) ttl: u8,
    pub(crate) fragment: u16,
    /// Added to the length in the IP header.
    pub(crate) claim: u16,
    /// Added to the checksum of the IP header.
    pub(crate) ip_checksum: u16,
    pub(crate) version: u8,
    pub(crate) kind: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) count: Option<u8>,
    pub(crate) word: u16,
    pub(crate) addresses: Vec<IpAddr>,
    /// v2: authentication data; then what follows the message.
    pub(crate) tail: Vec<u8>,
    pub(crate) form: Form,
    pub(crate) checksum_error: u16,
    /// Bytes removed from the end of the message.
    pub(crate) cut: usize,
    /// SPI and length of an authentication header.
    pub(crate) ah: Option<(Ipv4Addr, u8)>,
    /// The message, in place of all its fields.
    pub(crate) raw: Option<Vec<u8>>,
}

/// What the checksum covers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Standard,
    Plain,
    OldUnicast,
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

impl Packet {
    pub(crate) fn v3() -> Self {
        Packet {
            dst_mac: None,
            src_mac: None,
            tags: Vec::new(),
            src: ip("192.0.2.1"),
            dst: ip("224.0.0.18"),
            first: None,
            ttl: 255,
            fragment: 0,
            claim: 0,
            ip_checksum: 0,
            version: 3,
            kind: 1,
            vrid: 51,
            priority: 100,
            count: None,
            word: 100,
            addresses: vec![ip("192.0.2.100")],
            tail: Vec::new(),
            form: Form::Standard,
            checksum_error: 0,
            cut: 0,
            ah: None,
            raw: None,
        }
    }

    pub(crate) fn v2() -> Self {
        Packet {
            version: 2,
            word: 1,
            tail: vec![0; 8],
            ..Packet::v3()
        }
    }

    pub(crate) fn v6() -> Self {
        Packet {
            src: ip("fe80::1"),
            dst: ip("ff02::12"),
            addresses: vec![ip("fe80::100"), ip("2001:db8::100")],
            ..Packet::v3()
        }
    }

    pub(crate) fn unicast() -> Self {
        Packet {
            dst: ip("192.0.2.2"),
            ..Packet::v3()
        }
    }

    fn message(&self) -> Vec<u8> {
        if let Some(raw) = &self.raw {
            return raw.clone();
        }
        let count = self.addresses.len().try_into().expect("at most 255");
        let [a, b] = self.word.to_be_bytes();
        let mut bytes = vec![self.version << 4 | self.kind, self.vrid, self.priority];
        bytes.push(self.count.unwrap_or(count));
        bytes.extend([a, b, 0, 0]);
        self.addresses
            .iter()
            .for_each(|one| bytes.extend(octets(*one)));
        bytes.extend(&self.tail);
        let mut summed = Vec::new();
        if self.version != 2 && self.form != Form::Plain {
            let dst = match self.form {
                Form::OldUnicast => ip("224.0.0.18"),
                Form::Standard | Form::Plain => self.dst,
            };
            summed.extend(octets(self.src));
            summed.extend(octets(dst));
            summed.extend([0, 112]);
            // Over IPv4 the signature is not covered.
            let len = match self.src {
                IpAddr::V4(_) => 8 + self.addresses.len() * 4,
                IpAddr::V6(_) => bytes.len(),
            };
            summed.extend(u16::try_from(len).expect("short").to_be_bytes());
            summed.extend(&bytes[..len.min(bytes.len())]);
        } else {
            summed.extend(&bytes);
        }
        let sum = checksum(&summed).wrapping_add(self.checksum_error);
        bytes[6..8].copy_from_slice(&sum.to_be_bytes());
        bytes.truncate(bytes.len() - self.cut);
        bytes
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        let mut payload = self.message();
        let mut protocol = 112;
        if let Some((spi, words)) = self.ah {
            let mut header = vec![112, words, 0, 0];
            header.extend(spi.octets());
            header.extend([0, 0, 0, 7]);
            header.extend([0xaa; 12]);
            header.extend(payload);
            (payload, protocol) = (header, 51);
        }
        let (family, group) = match self.dst {
            IpAddr::V4(dst) => {
                let [_, b, c, d] = dst.octets();
                (1, [1, 0, 0x5e, b & 0x7f, c, d])
            }
            IpAddr::V6(dst) => {
                let [.., a, b, c, d] = dst.octets();
                (2, [0x33, 0x33, a, b, c, d])
            }
        };
        let to = match self.dst.is_multicast() {
            true => group,
            false => [2, 0, 0, 0, 0, 2],
        };
        let from = [0, 0, 0x5e, 0, family, self.vrid];
        let mut frame = self.dst_mac.unwrap_or(to).to_vec();
        frame.extend(self.src_mac.unwrap_or(from));
        for (kind, tag) in &self.tags {
            frame.extend(kind.to_be_bytes());
            frame.extend(tag.to_be_bytes());
        }
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                frame.extend([8, 0]);
                let total = u16::try_from(20 + payload.len()).expect("short");
                let mut header = vec![self.first.unwrap_or(0x45), 0xc0];
                header.extend(total.wrapping_add(self.claim).to_be_bytes());
                header.extend([0, 1]);
                header.extend(self.fragment.to_be_bytes());
                header.extend([self.ttl, protocol, 0, 0]);
                header.extend(src.octets());
                header.extend(dst.octets());
                let sum = checksum(&header).wrapping_add(self.ip_checksum);
                header[10..12].copy_from_slice(&sum.to_be_bytes());
                frame.extend(header);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                frame.extend([0x86, 0xdd]);
                let mut extra = Vec::new();
                if self.fragment != 0 {
                    extra.extend([protocol, 0]);
                    extra.extend(self.fragment.to_be_bytes());
                    extra.extend([0, 0, 0, 9]);
                    protocol = 44;
                }
                let len = u16::try_from(extra.len() + payload.len()).expect("short");
                frame.extend([self.first.unwrap_or(0x6c), 0, 0, 0]);
                frame.extend(len.wrapping_add(self.claim).to_be_bytes());
                frame.extend([protocol, self.ttl]);
                frame.extend(src.octets());
                frame.extend(dst.octets());
                frame.extend(extra);
            }
            _ => panic!("two families"),
        }
        frame.extend(payload);
        frame
    }
}

fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("16 bits")
}
