//! Identifiers of VRRP.

use core::fmt;
use core::num::NonZeroU8;

/// Virtual router identifier, 1–255 (RFC 9568 §5.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// The lowest identifier, 1.
    pub const MIN: Vrid = Vrid(NonZeroU8::MIN);

    /// `None` for 0, which VRRP does not allow.
    #[must_use]
    pub fn new(id: u8) -> Option<Self> {
        NonZeroU8::new(id).map(Vrid)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Priority, 0–255 (RFC 9568 §5.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Priority(pub u8);

impl Priority {
    /// Sent by a master that stops being master.
    pub const RESIGN: Priority = Priority(0);
    /// Default of a router that does not own the addresses.
    pub const DEFAULT: Priority = Priority(100);
    /// Priority of the address owner.
    pub const OWNER: Priority = Priority(255);

    /// Whether this is the address owner's priority.
    #[must_use]
    pub fn is_owner(self) -> bool {
        self == Self::OWNER
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Protocol version: 2 (RFC 3768) or 3 (RFC 9568).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Version {
    /// RFC 3768, IPv4 only, whole seconds.
    V2,
    /// RFC 5798 and 9568, IPv4 and IPv6, hundredths of a second.
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::V2 => "version 2",
            Version::V3 => "version 3",
        })
    }
}

/// Position of a `vrrp_instance` among the configured ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct InstanceId(pub usize);

/// Position of a `vrrp_sync_group` among the configured ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct GroupId(pub usize);
