//! Packet formats: network byte order ⇄ structs, one format per file.
//!
//! Contract: `parse` takes any bytes, never panics, never allocates, and says in one [`ParseError`]
//! what is wrong; `emit` fills a caller's buffer in one pass and returns how much of it, or says in one
//! [`EmitError`] why that value has no packet. No state, no I/O, no logging: who drops a packet counts it.
//!
//! ```text
//! raw IPv4 socket  ── ipv4::parse ── vrrp::parse ─→ Advert      Advert ── vrrp::emit ── ipv4::emit ─→ raw socket
//! raw IPv6 socket  ───────────────── vrrp::parse ─→ Advert      Advert ── vrrp::emit ───────────────→ raw socket
//!         with AH: ── ipv4::parse ── ah::parse ── vrrp::parse       signed: … vrrp::parse ── hmac::parse
//! packet socket    ── ether::parse ── arp::parse │ ndisc::parse      arp::emit_gratuitous │ ndisc::emit_unsolicited
//! ```
//!
//! [`cursor`] is the only place that cuts bytes, [`checksum`] the only one that adds them up. The order
//! of the checks in each `parse` is the order in which a reader of the format meets the fields: length,
//! version, type, checksum, meaning. A packet that fails two of them is reported for the first.

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

/// What is wrong with received bytes. One variant per check, each with what was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The bytes end before the field.
    Short {
        /// Bytes there are.
        found: usize,
        /// Bytes the field or header takes.
        needed: usize,
    },
    /// Bytes are left over.
    Trailing(usize),
    /// The Ethernet frame carries something else.
    EtherType {
        /// In the frame.
        found: u16,
        /// Wanted.
        expected: u16,
    },
    /// The IP header's version is not the one of the frame or socket it came by.
    IpVersion {
        /// In the packet.
        found: u8,
        /// Wanted.
        expected: u8,
    },
    /// IPv4 header length below 20 or beyond the total length, in bytes.
    IpHeaderLength(usize),
    /// IPv4 total length or IPv6 payload length reaches beyond the bytes received.
    IpLength {
        /// What the header promises.
        found: usize,
        /// Bytes received.
        received: usize,
    },
    /// IPv4 header checksum.
    IpChecksum {
        /// In the packet.
        found: u16,
        /// By our sum.
        expected: u16,
    },
    /// A fragment of an IPv4 packet.
    Fragment,
    /// The IP packet carries another protocol.
    Protocol {
        /// In the packet.
        found: u8,
        /// Wanted.
        expected: u8,
    },
    /// Length field of an authentication header, in words: other than HMAC-MD5-96 makes it.
    AhLength(u8),
    /// Trailer of a signed advert of another type, or with reserved bits set.
    Trailer(u8),
    /// VRRP message shorter than its address count says, or longer than padding explains.
    VrrpLength {
        /// Bytes received.
        found: usize,
        /// By version and address count.
        expected: usize,
    },
    /// VRRP version that is neither 2 nor 3.
    VrrpVersion(u8),
    /// VRRPv2 over IPv6: no such protocol.
    VrrpV2OverIpv6,
    /// VRRP packet type other than 1, advertisement.
    VrrpType(u8),
    /// VRRP checksum, in none of the accepted forms.
    VrrpChecksum {
        /// In the packet.
        found: u16,
        /// By our sum, in the form the standard names.
        expected: u16,
    },
    /// Virtual router identifier 0.
    VrrpVrid,
    /// Advertisement interval 0.
    VrrpInterval,
    /// ARP for other than Ethernet.
    ArpHardware(u16),
    /// ARP for other than IPv4.
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
    /// Neighbor discovery that may have crossed a router: hop limit below 255.
    HopLimit(u8),
    /// ICMPv6 message of another type.
    IcmpType {
        /// In the packet.
        found: u8,
        /// Wanted.
        expected: u8,
    },
    /// ICMPv6 code other than 0.
    IcmpCode(u8),
    /// ICMPv6 checksum.
    IcmpChecksum {
        /// In the packet.
        found: u16,
        /// By our sum.
        expected: u16,
    },
    /// Neighbor advertisement for a group.
    NdiscTarget(Ipv6Addr),
    /// Neighbor advertisement to a group that claims to have been asked for.
    NdiscSolicited,
    /// Neighbor discovery option of length 0, or one that reaches beyond the message.
    NdiscOption {
        /// Bytes it claims.
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

/// Why a value has no packet. All of these are ours to prevent: a configuration check or a buffer size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmitError {
    /// The caller's buffer is too small.
    Buffer {
        /// Bytes there are.
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
    /// The checksum form does not exist for this version and family, or lacks the addresses it covers.
    ChecksumForm,
    /// Longer than the length field of the header can say.
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
