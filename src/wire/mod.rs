//! Packet formats: network byte order ⇄ structs, one format per file.
//!
//! `parse` accepts any bytes, never panics, never allocates, and returns one [`ParseError`] that
//! says what is wrong. `emit` writes into the caller's buffer in one pass and returns the length,
//! or one [`EmitError`] if the value has no encoding. No state, no I/O, no logging: the caller
//! counts what it drops.
//!
//! ```text
//! raw IPv4 socket ── ipv4::parse ─────────── vrrp::parse ── hmac::parse if signed ─→ Advert
//!         with AH ── ipv4::parse ─ ah::parse ─ vrrp::parse ───────────────────────→ Advert
//! raw IPv6 socket ────────────────────────── vrrp::parse ── hmac::parse if signed ─→ Advert
//! AdvertRepr ── vrrp::emit within ipv4::emit or ah::emit; vrrp::emit alone for IPv6 ─→ raw socket
//! packet socket   ── arp::emit_gratuitous, ndisc::emit_unsolicited
//! ```
//!
//! [`cursor`] is the only module that splits bytes, [`checksum`] the only one that sums them. Every
//! `parse` checks in the order length, version, type, checksum, meaning; a packet that fails two
//! checks is reported for the first.
//!
//! # Example
//! A VRRPv3 advert of VRID 51 with priority 200 for 192.0.2.1 is parsed and written again:
//! ```
//! use vrrpd::types::{Centis, Priority, Version};
//! use vrrpd::wire::vrrp::{self, AdvertRepr};
//! use vrrpd::wire::{EmitError, PseudoHeader};
//!
//! let bytes = [0x31, 51, 200, 1, 0, 100, 0xa1, 0xcc, 192, 0, 2, 1];
//! let addresses = PseudoHeader { src: [192, 0, 2, 9].into(), dst: vrrp::GROUP_V4.into() };
//! let parsed = vrrp::parse(&bytes, &addresses).expect("a valid advert");
//! let advert = parsed.advert;
//! assert_eq!((advert.version, advert.vrid.get()), (Version::V3, 51));
//! assert_eq!(advert.priority, Priority(200));
//! assert_eq!(advert.interval, Centis::SECOND);
//!
//! let vips: Vec<_> = advert.addresses.iter().collect();
//! let reply = AdvertRepr {
//!     version: advert.version,
//!     vrid: advert.vrid,
//!     priority: advert.priority,
//!     interval: advert.interval,
//!     auth: advert.auth,
//!     addresses: &vips,
//! };
//! let mut buf = [0; vrrp::MAX_LEN];
//! let len = vrrp::emit(&reply, Some(&addresses), parsed.checksum, &mut buf)?;
//! assert_eq!(buf[..len], bytes);
//! # Ok::<(), EmitError>(())
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use core::fmt;
use core::net::Ipv6Addr;

use crate::types::Centis;

pub mod ah;
pub mod arp;
pub mod bpf;
#[cfg(feature = "sniff")]
pub mod capture_filter;
pub mod checksum;
pub mod cursor;
pub mod ether;
pub mod hmac;
pub mod ipv4;
pub mod ipv6;
pub mod mac;
pub mod ndisc;
pub mod smtp;
pub mod vrrp;

pub use checksum::PseudoHeader;

/// Why received bytes are rejected: one variant per check, with the value found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The bytes end before the field.
    Short {
        /// Bytes available.
        found: usize,
        /// Bytes needed by the field or header.
        needed: usize,
    },
    /// Bytes follow the last field.
    Trailing(usize),
    /// The Ethernet frame has another payload type.
    EtherType {
        /// In the frame.
        found: u16,
        /// Required.
        expected: u16,
    },
    /// The IP header's version does not match the frame or socket.
    IpVersion {
        /// In the packet.
        found: u8,
        /// Required.
        expected: u8,
    },
    /// IPv4 header length below 20 or beyond the total length, in bytes.
    IpHeaderLength(usize),
    /// IPv4 total length or IPv6 payload length reaches beyond the bytes received.
    IpLength {
        /// Length in the header.
        found: usize,
        /// Bytes received.
        received: usize,
    },
    /// IPv4 header checksum.
    IpChecksum {
        /// In the packet.
        found: u16,
        /// Computed.
        expected: u16,
    },
    /// A fragment of an IPv4 packet.
    Fragment,
    /// The IP packet has another payload protocol.
    Protocol {
        /// In the packet.
        found: u8,
        /// Required.
        expected: u8,
    },
    /// AH payload length, in words, differs from that of HMAC-MD5-96.
    AhLength(u8),
    /// `auth_hmac` trailer of another type, or with reserved bits set.
    Trailer(u8),
    /// VRRP message shorter than its address count requires, or longer than padding allows.
    VrrpLength {
        /// Bytes received.
        found: usize,
        /// Length from version and address count.
        expected: usize,
    },
    /// VRRP version that is neither 2 nor 3.
    VrrpVersion(u8),
    /// VRRPv2 over IPv6, which is not defined.
    VrrpV2OverIpv6,
    /// VRRP packet type other than 1, advertisement.
    VrrpType(u8),
    /// VRRP checksum, in none of the accepted forms.
    VrrpChecksum {
        /// In the packet.
        found: u16,
        /// Computed, in the form of the standard.
        expected: u16,
    },
    /// Virtual router identifier 0.
    VrrpVrid,
    /// Advertisement interval 0.
    VrrpInterval,
    /// ARP hardware type is not Ethernet.
    ArpHardware(u16),
    /// ARP protocol type is not IPv4.
    ArpProtocol(u16),
    /// ARP address lengths other than 6 and 4.
    ArpLengths {
        /// Hardware address length.
        hardware: u8,
        /// Protocol address length.
        protocol: u8,
    },
    /// ARP operation that is neither request nor reply.
    ArpOperation(u16),
    /// Neighbor discovery with a hop limit below 255: it may have been forwarded.
    HopLimit(u8),
    /// ICMPv6 message of another type.
    IcmpType {
        /// In the packet.
        found: u8,
        /// Required.
        expected: u8,
    },
    /// ICMPv6 code other than 0.
    IcmpCode(u8),
    /// ICMPv6 checksum.
    IcmpChecksum {
        /// In the packet.
        found: u16,
        /// Computed.
        expected: u16,
    },
    /// Neighbor advertisement with a multicast target.
    NdiscTarget(Ipv6Addr),
    /// Multicast neighbor advertisement with the solicited flag.
    NdiscSolicited,
    /// Neighbor discovery option of length 0, or beyond the end of the message.
    NdiscOption {
        /// Length of the option.
        found: usize,
        /// Bytes left.
        left: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ParseError::Short { found, needed } => write!(f, "{found} bytes, needs {needed}"),
            ParseError::Trailing(count) => write!(f, "{count} bytes too many"),
            ParseError::EtherType { found, expected } => {
                write!(f, "EtherType {found:#06x}, expected {expected:#06x}")
            }
            ParseError::IpVersion { found, expected } => {
                write!(f, "IP version {found}, expected {expected}")
            }
            ParseError::IpHeaderLength(found) => {
                write!(f, "IP header length {found}, expected 20 to total length")
            }
            ParseError::IpLength { found, received } => {
                write!(f, "IP length {found}, received {received}")
            }
            ParseError::IpChecksum { found, expected } => {
                write!(f, "IP checksum {found:#06x}, expected {expected:#06x}")
            }
            ParseError::Fragment => f.write_str("IP fragment, expected a whole packet"),
            ParseError::Protocol { found, expected } => {
                write!(f, "IP protocol {found}, expected {expected}")
            }
            ParseError::AhLength(found) => write!(f, "AH length {found}, expected 4"),
            ParseError::Trailer(found) => write!(f, "signature of type {found}, expected 1"),
            ParseError::VrrpLength { found, expected } => {
                write!(f, "VRRP length {found}, expected {expected}")
            }
            ParseError::VrrpVersion(found) => write!(f, "VRRP version {found}, expected 2 or 3"),
            ParseError::VrrpV2OverIpv6 => f.write_str("VRRP version 2 over IPv6, expected 3"),
            ParseError::VrrpType(found) => write!(f, "VRRP type {found}, expected 1"),
            ParseError::VrrpChecksum { found, expected } => {
                write!(f, "VRRP checksum {found:#06x}, expected {expected:#06x}")
            }
            ParseError::VrrpVrid => f.write_str("VRID 0, expected 1 to 255"),
            ParseError::VrrpInterval => f.write_str("advertisement interval 0, expected more"),
            ParseError::ArpHardware(found) => write!(f, "ARP hardware type {found}, expected 1"),
            ParseError::ArpProtocol(found) => {
                write!(f, "ARP protocol {found:#06x}, expected 0x0800")
            }
            ParseError::ArpLengths { hardware, protocol } => {
                write!(
                    f,
                    "ARP address lengths {hardware} and {protocol}, expected 6 and 4"
                )
            }
            ParseError::ArpOperation(found) => write!(f, "ARP operation {found}, expected 1 or 2"),
            ParseError::HopLimit(found) => write!(f, "hop limit {found}, expected 255"),
            ParseError::IcmpType { found, expected } => {
                write!(f, "ICMPv6 type {found}, expected {expected}")
            }
            ParseError::IcmpCode(found) => write!(f, "ICMPv6 code {found}, expected 0"),
            ParseError::IcmpChecksum { found, expected } => {
                write!(f, "ICMPv6 checksum {found:#06x}, expected {expected:#06x}")
            }
            ParseError::NdiscTarget(found) => {
                write!(f, "advertised neighbor {found}, expected a unicast address")
            }
            ParseError::NdiscSolicited => {
                f.write_str("solicited flag in a multicast, expected it clear")
            }
            ParseError::NdiscOption { found, left } => {
                write!(f, "option of {found} bytes, expected 8 to {left}")
            }
        }
    }
}

impl core::error::Error for ParseError {}

/// Why a value cannot be encoded. Configuration checks and buffer sizes prevent all of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmitError {
    /// The caller's buffer is too small.
    Buffer {
        /// Bytes available.
        found: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// More than 255 addresses in one advertisement.
    AddressCount(usize),
    /// An address of another family than the advertisement's.
    AddressFamily,
    /// Zero, beyond the version's range, or (VRRPv2) not whole seconds.
    Interval(Centis),
    /// VRRPv3 carries no authentication.
    Authentication,
    /// The checksum form is not defined for this version and family, or needs addresses that were
    /// not given.
    ChecksumForm,
    /// Exceeds the length field of the header.
    Length(usize),
}

impl fmt::Display for EmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            EmitError::Buffer { found, needed } => {
                write!(f, "buffer of {found} bytes, needs {needed}")
            }
            EmitError::AddressCount(found) => write!(f, "{found} addresses, at most 255 fit"),
            EmitError::AddressFamily => f.write_str("addresses of two families"),
            EmitError::Interval(found) => write!(f, "interval {found} does not fit the version"),
            EmitError::Authentication => f.write_str("VRRP version 3 carries no authentication"),
            EmitError::ChecksumForm => f.write_str("no such checksum for this version and family"),
            EmitError::Length(found) => write!(f, "{found} bytes do not fit one IP packet"),
        }
    }
}

impl core::error::Error for EmitError {}
