//! The rules of VRRP that a packet can break.

use core::fmt;
use core::net::IpAddr;

use crate::types::Mac;
use crate::wire::ParseError;

/// A broken rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Breach {
    /// The daemon's parser refuses the packet; the first check that fails.
    Malformed(ParseError),
    /// Other bytes are captured than were sent.
    CutByCapture {
        /// Bytes in the capture.
        found: usize,
        /// Bytes of the frame.
        sent: usize,
    },
    /// Multicast with another TTL or hop limit than 255.
    Ttl(u8),
    /// Unicast with another one: keepalived accepts it.
    UnicastTtl(u8),
    /// Sent to a unicast address, as with `unicast_peer`.
    Unicast,
    /// Sent to another group than that of VRRP.
    Group(IpAddr),
    /// Ethernet destination that is not the group's.
    GroupMac {
        /// In the frame.
        found: Mac,
        /// That of the group.
        expected: Mac,
    },
    /// A group as Ethernet destination of a unicast packet.
    UnicastMac(Mac),
    /// Ethernet source that is not a virtual router's, as without `use_vmac`.
    RealMac(Mac),
    /// Ethernet source of another virtual router, or one with the other family's prefix.
    OtherVirtualMac {
        /// In the frame.
        found: Mac,
        /// That of the virtual router.
        expected: Mac,
    },
    /// Source that no host has.
    Source(IpAddr),
    /// IPv6 multicast from an address that is not link-local.
    SourceNotLinkLocal(IpAddr),
    /// Type of the packet, likewise.
    Type(u8),
    /// VRID 0, where the parser has refused the packet before it looked.
    Vrid,
    /// Bits that must be zero.
    Reserved(u8),
    /// Interval 0, likewise.
    Interval,
    /// Neither VRRP nor damaged: the header of CARP, which has VRRP's protocol number.
    Carp,
    /// Checksum, likewise.
    Checksum {
        /// In the packet.
        found: u16,
        /// Computed.
        expected: u16,
    },
    /// No addresses.
    NoAddresses,
    /// The same address twice.
    Duplicate(IpAddr),
    /// An address that no host can have.
    NotUnicast(IpAddr),
    /// The first IPv6 address is not link-local.
    FirstNotLinkLocal(IpAddr),
    /// Authentication type of VRRPv2 that is not defined.
    AuthType(u8),
    /// Type 1, a password in plain text, which RFC 3768 has removed.
    Password,
    /// Type 0 with authentication data.
    AuthData,
    /// Type 2 without an authentication header.
    NoAh,
    /// An authentication header around a packet of another type.
    AhType(u8),
    /// An authentication header around VRRPv3.
    AhVersion,
    /// SPI that is not the sender's address.
    Spi(u32),
    /// A signature of an unknown type (`auth_hmac`).
    Trailer(u8),
}

/// The consequence of a broken rule.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// keepalived and vrrpd accept the packet.
    Accepted,
    /// Every instance discards the packet.
    Discarded,
}

impl Breach {
    /// Its consequence.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Breach::Malformed(_)
            | Breach::Ttl(_)
            | Breach::Type(_)
            | Breach::Vrid
            | Breach::Interval
            | Breach::Carp
            | Breach::Checksum { .. }
            | Breach::AuthType(_)
            | Breach::NoAh
            | Breach::AhType(_)
            | Breach::AhVersion
            | Breach::Spi(_)
            | Breach::Trailer(_) => Severity::Discarded,
            Breach::CutByCapture { .. }
            | Breach::UnicastTtl(_)
            | Breach::Unicast
            | Breach::Group(_)
            | Breach::GroupMac { .. }
            | Breach::UnicastMac(_)
            | Breach::RealMac(_)
            | Breach::OtherVirtualMac { .. }
            | Breach::Source(_)
            | Breach::SourceNotLinkLocal(_)
            | Breach::Reserved(_)
            | Breach::NoAddresses
            | Breach::Duplicate(_)
            | Breach::NotUnicast(_)
            | Breach::FirstNotLinkLocal(_)
            | Breach::Password
            | Breach::AuthData => Severity::Accepted,
        }
    }

    /// Whether usual configurations break the rule on purpose; shown by a word, not a sentence.
    #[must_use]
    pub fn is_usual(&self) -> bool {
        matches!(
            self,
            Breach::Unicast | Breach::RealMac(_) | Breach::Password
        )
    }

    /// A word for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Breach::Malformed(_) => "malformed",
            Breach::CutByCapture { .. } => "cut_by_capture",
            Breach::Ttl(_) => "ttl",
            Breach::UnicastTtl(_) => "unicast_ttl",
            Breach::Unicast => "unicast",
            Breach::Group(_) => "group",
            Breach::GroupMac { .. } => "group_mac",
            Breach::UnicastMac(_) => "unicast_mac",
            Breach::RealMac(_) => "real_mac",
            Breach::OtherVirtualMac { .. } => "other_virtual_mac",
            Breach::Source(_) => "source",
            Breach::SourceNotLinkLocal(_) => "source_not_link_local",
            Breach::Type(_) => "type",
            Breach::Vrid => "vrid",
            Breach::Reserved(_) => "reserved",
            Breach::Interval => "interval",
            Breach::Carp => "carp",
            Breach::Checksum { .. } => "checksum",
            Breach::NoAddresses => "no_addresses",
            Breach::Duplicate(_) => "duplicate",
            Breach::NotUnicast(_) => "not_unicast",
            Breach::FirstNotLinkLocal(_) => "first_not_link_local",
            Breach::AuthType(_) => "auth_type",
            Breach::Password => "password",
            Breach::AuthData => "auth_data",
            Breach::NoAh => "no_ah",
            Breach::AhType(_) => "ah_type",
            Breach::AhVersion => "ah_version",
            Breach::Spi(_) => "spi",
            Breach::Trailer(_) => "signature_type",
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Breach::Malformed(error) => write!(f, "{error}"),
            Breach::CutByCapture { found, sent } => {
                write!(f, "{found} of {sent} bytes were captured")
            }
            Breach::Ttl(ttl) => write!(f, "TTL {ttl}, expected 255: it was forwarded"),
            Breach::UnicastTtl(ttl) => write!(f, "TTL {ttl}, RFC 9568 requires 255"),
            Breach::Unicast => f.write_str("unicast"),
            Breach::Group(IpAddr::V4(_)) => f.write_str("another group than 224.0.0.18"),
            Breach::Group(IpAddr::V6(_)) => f.write_str("another group than ff02::12"),
            Breach::GroupMac { found, expected } => {
                write!(f, "Ethernet destination {found}, expected {expected}")
            }
            Breach::UnicastMac(found) => {
                write!(f, "Ethernet destination {found} of a unicast packet")
            }
            Breach::RealMac(found) => write!(f, "from {found}"),
            Breach::OtherVirtualMac { found, expected } => {
                write!(f, "Ethernet source {found}, expected {expected}")
            }
            Breach::Source(found) => write!(f, "source {found}, expected a unicast address"),
            Breach::SourceNotLinkLocal(_) => f.write_str("source is not link-local"),
            Breach::Type(found) => write!(f, "{}", ParseError::VrrpType(found)),
            Breach::Vrid => write!(f, "{}", ParseError::VrrpVrid),
            Breach::Reserved(bits) => write!(f, "reserved bits {bits:#x}, expected 0"),
            Breach::Interval => write!(f, "{}", ParseError::VrrpInterval),
            Breach::Carp => f.write_str("looks like CARP, which is not VRRP"),
            Breach::Checksum { found, expected } => {
                write!(f, "{}", ParseError::VrrpChecksum { found, expected })
            }
            Breach::NoAddresses => f.write_str("no addresses, RFC 9568 requires one"),
            Breach::Duplicate(addr) => write!(f, "{addr} twice"),
            Breach::NotUnicast(addr) => write!(f, "{addr} is no unicast address"),
            Breach::FirstNotLinkLocal(_) => f.write_str("first address is not link-local"),
            Breach::AuthType(found) => write!(f, "authentication type {found}, expected 0 to 2"),
            Breach::Password => f.write_str("password in plain text"),
            Breach::AuthData => f.write_str("authentication data with type 0"),
            Breach::NoAh => f.write_str("authentication type 2 without an authentication header"),
            Breach::AhType(found) => {
                write!(f, "authentication header with type {found}, expected 2")
            }
            Breach::AhVersion => f.write_str("authentication header, VRRP version 3 has none"),
            Breach::Spi(found) => write!(f, "SPI {found:#010x}, expected the source address"),
            Breach::Trailer(found) => write!(f, "{}", ParseError::Trailer(found)),
        }
    }
}
