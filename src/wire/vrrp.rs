//! VRRP advertisements, versions 2 and 3 (RFC 3768 §5.1, RFC 9568 §5.1).

use core::net::IpAddr;

use crate::types::{Centis, Family, Priority, Version, Vrid};

/// Authentication as VRRPv2 carries it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Type 0 (and every VRRPv3 packet).
    None,
    /// Type 1: eight bytes of text.
    Pass([u8; 8]),
    /// Type 2: the proof is in an AH header before this packet.
    Ah,
    /// Any other type.
    Other(u8),
}

/// The address list, as bytes of the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses<'a> {
    /// Family of each.
    pub family: Family,
    /// `count × addr_len` bytes.
    pub bytes: &'a [u8],
}

impl Addresses<'_> {
    /// The addresses in packet order.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.bytes
            .chunks_exact(self.family.addr_len())
            .map(|chunk| match self.family {
                Family::V4 => {
                    let mut octets = [0; 4];
                    octets.copy_from_slice(chunk);
                    IpAddr::from(octets)
                }
                Family::V6 => {
                    let mut octets = [0; 16];
                    octets.copy_from_slice(chunk);
                    IpAddr::from(octets)
                }
            })
    }
}

/// A well-formed advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advert<'a> {
    /// Its version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// Sender's priority, 0 when it resigns.
    pub priority: Priority,
    /// Sender's interval.
    pub interval: Centis,
    /// v2 authentication.
    pub auth: Auth,
    /// The list of addresses.
    pub addresses: Addresses<'a>,
}
