//! Addresses of interfaces.
//!
//! ```text
//! ifaddrmsg: family u8 │ prefix length u8 │ flags u8 │ scope u8 │ index u32
//! ```
//! `IFA_LOCAL` is the interface's own address, `IFA_ADDRESS` the peer's or, without a peer, the own
//! address again. IPv6 without a peer has `IFA_ADDRESS` only. The prefix length is that of the
//! peer.

use core::net::{IpAddr, Ipv4Addr};

use super::{
    AF_UNSPEC, Attr, Attrs, Batch, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE,
    NLM_F_REQUEST, ParseError, Reader, address, family_number, link,
};
use crate::types::{Cidr, Family, IfIndex};

pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;
const RTM_SETLINK: u16 = 19;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET_CONF: u16 = 1;
const IPV4_DEVCONF_PROMOTE_SECONDARIES: u16 = 20;

/// An infinite lifetime.
pub const FOREVER: u32 = u32::MAX;

/// `IFA_F_*` of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddrFlags(pub u32);

impl AddrFlags {
    /// No flag.
    pub const NONE: AddrFlags = AddrFlags(0);
    /// Another address of the same prefix is the primary one; deleted with it.
    pub const SECONDARY: AddrFlags = AddrFlags(0x1);
    /// `nodad`: no duplicate address detection.
    pub const NODAD: AddrFlags = AddrFlags(0x2);
    /// Duplicate address detection found another node with this address.
    pub const DADFAILED: AddrFlags = AddrFlags(0x8);
    /// `home`: home address of mobile IPv6.
    pub const HOME: AddrFlags = AddrFlags(0x10);
    /// The preferred lifetime is over: not chosen as a source address.
    pub const DEPRECATED: AddrFlags = AddrFlags(0x20);
    /// Duplicate address detection is in progress; not usable yet.
    pub const TENTATIVE: AddrFlags = AddrFlags(0x40);
    /// Infinite lifetime.
    pub const PERMANENT: AddrFlags = AddrFlags(0x80);
    /// `mngtmpaddr`: template for temporary addresses.
    pub const MNGTMPADDR: AddrFlags = AddrFlags(0x100);
    /// `noprefixroute`: no route to its prefix.
    pub const NOPREFIXROUTE: AddrFlags = AddrFlags(0x200);
    /// `autojoin`: join this multicast group.
    pub const AUTOJOIN: AddrFlags = AddrFlags(0x400);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: AddrFlags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The union with `flags`.
    #[must_use]
    pub const fn with(self, flags: AddrFlags) -> AddrFlags {
        AddrFlags(self.0 | flags.0)
    }
}

/// An address reported by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addr<'a> {
    /// The interface it is on.
    pub index: IfIndex,
    /// The interface's own address, with the prefix length (of the peer, if there is one).
    pub cidr: Cidr,
    /// The peer's address, if it differs from the own address.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 label; the interface's name by default.
    pub label: Option<&'a str>,
    /// `RT_SCOPE_*`: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// Its flags.
    pub flags: AddrFlags,
    /// Origin (`IFA_PROTO`, Linux 5.18).
    pub proto: Option<u8>,
    /// Valid lifetime in seconds, or [`FOREVER`].
    pub valid: u32,
    /// Preferred lifetime in seconds, or [`FOREVER`].
    pub preferred: u32,
}

/// An address to add or delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DesiredAddr<'a> {
    /// The interface.
    pub index: IfIndex,
    /// The interface's own address.
    pub cidr: Cidr,
    /// The peer; its prefix length then replaces that of `cidr`.
    pub peer: Option<Cidr>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// IPv4 label, at most 15 bytes, starting with the interface's name.
    pub label: Option<&'a str>,
    /// Preferred lifetime in seconds; `None`: the valid lifetime.
    pub preferred_lft: Option<u32>,
    /// Valid lifetime in seconds; `None`: forever.
    pub valid_lft: Option<u32>,
    /// `NODAD`, `HOME`, `MNGTMPADDR`, `NOPREFIXROUTE`, `AUTOJOIN`.
    pub flags: AddrFlags,
    /// Origin (`IFA_PROTO`): 18 for keepalived and vrrpd, 0 for none.
    pub proto: u8,
}

impl DesiredAddr<'_> {
    /// The address without any property.
    #[must_use]
    pub fn new(index: IfIndex, cidr: Cidr) -> Self {
        DesiredAddr {
            index,
            cidr,
            peer: None,
            broadcast: None,
            scope: 0,
            label: None,
            preferred_lft: None,
            valid_lft: None,
            flags: AddrFlags::NONE,
            proto: 0,
        }
    }

    /// The prefix length in the request.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.peer.map_or(self.cidr.prefix, |peer| peer.prefix)
    }

    /// Whether the kernel considers `addr` the same address: adding this one fails with `EEXIST`,
    /// and deleting this one deletes `addr`. Label, scope, flags and lifetimes may differ.
    #[must_use]
    pub fn matches(&self, addr: &Addr<'_>) -> bool {
        let peer = self.peer.map(|peer| peer.addr);
        self.index == addr.index
            && self.cidr.addr == addr.cidr.addr
            && self.prefix() == addr.cidr.prefix
            && peer.unwrap_or(self.cidr.addr) == addr.peer.unwrap_or(addr.cidr.addr)
    }
}

// ---- requests ----

/// Appends a request for all addresses of both families.
pub fn dump(batch: &mut Batch) -> u32 {
    let seq = batch.start(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0]);
    seq
}

/// Appends a request that adds an address; fails with `EEXIST` if it exists.
pub fn add(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    set(batch, spec, NLM_F_CREATE | NLM_F_EXCL)
}

/// Appends a request that sets the lifetimes of an address, or adds it if it does not exist
/// (`NLM_F_REPLACE`).
pub fn replace(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    let spec = DesiredAddr {
        valid_lft: spec.valid_lft.or(Some(FOREVER)),
        ..*spec
    };
    set(batch, &spec, NLM_F_CREATE | NLM_F_REPLACE)
}

fn set(batch: &mut Batch, spec: &DesiredAddr<'_>, flags: u16) -> u32 {
    let flags = NLM_F_REQUEST | flags;
    // The header has 8 bits for flags; if that is not enough, all of them are in the attribute.
    let in_header = u8::try_from(spec.flags.0);
    let header = HeaderFields {
        flags: in_header.unwrap_or(0),
        scope: spec.scope,
    };
    let seq = request(batch, RTM_NEWADDR, flags, spec, header);
    if let Some(broadcast) = spec.broadcast {
        batch.attr(IFA_BROADCAST, &broadcast.octets());
    }
    if let Some(label) = spec.label {
        batch.attr_text(IFA_LABEL, label);
    }
    if in_header.is_err() {
        batch.attr_u32_ne(IFA_FLAGS, spec.flags.0);
    }
    if spec.preferred_lft.is_some() || spec.valid_lft.is_some() {
        batch.attr(IFA_CACHEINFO, &cacheinfo(spec));
    }
    if spec.proto != 0 {
        batch.attr_u8(IFA_PROTO, spec.proto);
    }
    seq
}

/// Appends a request that deletes an address; fails with `EADDRNOTAVAIL` if it does not exist. The
/// request contains only what [`DesiredAddr::matches`] compares, so that an address whose label was
/// changed is deleted too.
pub fn delete(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    let header = HeaderFields::default();
    request(batch, RTM_DELADDR, NLM_F_REQUEST, spec, header)
}

/// Appends a request that sets `promote_secondaries` of an interface, as the sysctl of this name
/// does: with 1, addresses that are secondary to a deleted one stay.
pub fn promote_secondaries(batch: &mut Batch, index: IfIndex, value: u32) -> u32 {
    let seq = batch.start(RTM_SETLINK, NLM_F_REQUEST);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0]);
    batch.fixed(&index.0.to_ne_bytes());
    // No flags, and none to change.
    batch.fixed(&[0; 8]);
    batch.nested(IFLA_AF_SPEC, |batch| {
        batch.nested(family_number(Family::V4).into(), |batch| {
            batch.nested(IFLA_INET_CONF, |batch| {
                batch.attr_u32_ne(IPV4_DEVCONF_PROMOTE_SECONDARIES, value);
            });
        });
    });
    seq
}

/// Fields of `ifaddrmsg` that are not part of the address's identity.
#[derive(Clone, Copy, Default)]
struct HeaderFields {
    flags: u8,
    scope: u8,
}

/// The common part of the requests.
fn request(
    batch: &mut Batch,
    kind: u16,
    flags: u16,
    spec: &DesiredAddr<'_>,
    header: HeaderFields,
) -> u32 {
    let seq = batch.start(kind, flags);
    let family = family_number(spec.cidr.family());
    batch.fixed(&[family, spec.prefix(), header.flags, header.scope]);
    batch.fixed(&spec.index.0.to_ne_bytes());
    let peer = spec.peer.map_or(spec.cidr.addr, |peer| peer.addr);
    address(batch, IFA_LOCAL, spec.cidr.addr);
    address(batch, IFA_ADDRESS, peer);
    seq
}

/// `ifa_cacheinfo`: preferred and valid lifetime, and two timestamps that the kernel sets.
fn cacheinfo(spec: &DesiredAddr<'_>) -> [u8; 16] {
    let valid = spec.valid_lft.unwrap_or(FOREVER);
    // The kernel rejects a preferred lifetime that exceeds the valid lifetime.
    let preferred = spec.preferred_lft.unwrap_or(valid);
    let [a, b, c, d] = preferred.to_ne_bytes();
    let [e, f, g, h] = valid.to_ne_bytes();
    [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0]
}

// ---- replies and notifications ----

/// Parses an address. `None` for families other than IPv4 and IPv6.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Addr<'_>>, ParseError> {
    let mut r = Reader::new(payload);
    let [family, prefix, flags, scope] = r.array()?;
    let index = r.u32_ne()?;
    let Some((family, _)) = super::family(family) else {
        return Ok(None);
    };
    if prefix > family.host_prefix() {
        return Err(ParseError::Prefix(prefix));
    }
    let mut local = None;
    let mut address = None;
    let mut addr = Addr {
        index: link::ifindex(index).ok_or(ParseError::Index(0))?,
        cidr: Cidr::host(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        peer: None,
        broadcast: None,
        label: None,
        scope,
        flags: AddrFlags(u32::from(flags)),
        proto: None,
        valid: FOREVER,
        preferred: FOREVER,
    };
    for attr in Attrs::new(r.rest()) {
        let attr = attr?;
        match attr.kind {
            IFA_ADDRESS => address = Some(attr.ip(family)?),
            IFA_LOCAL => local = Some(attr.ip(family)?),
            _ => property(&mut addr, &attr)?,
        }
    }
    let own = local.or(address).ok_or(ParseError::Missing(IFA_ADDRESS))?;
    addr.cidr = Cidr { addr: own, prefix };
    addr.peer = address.filter(|address| *address != own);
    Ok(Some(addr))
}

/// Stores an attribute that is not part of the address's identity.
fn property<'a>(addr: &mut Addr<'a>, attr: &Attr<'a>) -> Result<(), ParseError> {
    match attr.kind {
        IFA_BROADCAST => {
            if let IpAddr::V4(broadcast) = attr.ip(Family::V4)? {
                addr.broadcast = Some(broadcast);
            }
        }
        IFA_LABEL => addr.label = Some(attr.text()?),
        IFA_FLAGS => addr.flags = AddrFlags(attr.u32_ne()?),
        IFA_PROTO => addr.proto = Some(attr.u8()?),
        IFA_CACHEINFO => {
            let mut r = Reader::new(attr.value);
            addr.preferred = r.u32_ne()?;
            addr.valid = r.u32_ne()?;
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{AF_INET, AF_INET6, Message, Messages};
    use super::*;

    fn cidr(addr: &str, prefix: u8) -> Cidr {
        Cidr {
            addr: addr.parse().unwrap(),
            prefix,
        }
    }

    fn spec(addr: &str, prefix: u8) -> DesiredAddr<'static> {
        DesiredAddr {
            proto: 18,
            ..DesiredAddr::new(IfIndex(0x0102_0304), cidr(addr, prefix))
        }
    }

    fn only(batch: &Batch) -> Result<Message<'_>, ParseError> {
        let first = Messages::new(batch.bytes()).next().unwrap();
        first.map(|envelope| envelope.message)
    }

    /// Passes `spec` to `check` as the kernel would report it.
    fn reported(spec: &DesiredAddr<'_>, check: impl FnOnce(&Addr<'_>)) {
        let mut batch = Batch::new(1);
        add(&mut batch, spec);
        match only(&batch) {
            Ok(Message::NewAddr(addr)) => check(&addr),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_parses_back_in_any_byte_order() {
        let wanted = DesiredAddr {
            peer: Some(cidr("192.0.2.6", 30)),
            broadcast: Some(Ipv4Addr::new(192, 0, 2, 7)),
            scope: 253,
            label: Some("eth0:1"),
            preferred_lft: Some(0x0a0b_0c0d),
            valid_lft: Some(0x0e0f_1011),
            flags: AddrFlags::NOPREFIXROUTE.with(AddrFlags::NODAD),
            ..spec("192.0.2.5", 32)
        };
        reported(&wanted, |addr| {
            let read = Addr {
                index: IfIndex(0x0102_0304),
                cidr: cidr("192.0.2.5", 30),
                peer: Some("192.0.2.6".parse().unwrap()),
                broadcast: wanted.broadcast,
                label: wanted.label,
                scope: 253,
                flags: AddrFlags(0x202),
                proto: Some(18),
                valid: 0x0e0f_1011,
                preferred: 0x0a0b_0c0d,
            };
            assert_eq!(*addr, read);
        });
    }

    #[test]
    fn a_desired_address_matches_whatever_its_properties() {
        let plain = spec("192.0.2.5", 24);
        let peer = |addr, prefix| Some(cidr(addr, prefix));
        let relabeled = DesiredAddr {
            label: Some("eth0:9"),
            scope: 253,
            proto: 0,
            valid_lft: Some(9),
            flags: AddrFlags::NODAD,
            ..plain
        };
        for (name, other, same) in [
            ("itself", plain, true),
            ("other properties", relabeled, true),
            (
                "a peer that is itself",
                DesiredAddr {
                    peer: peer("192.0.2.5", 24),
                    ..plain
                },
                true,
            ),
            ("other address", spec("192.0.2.6", 24), false),
            ("other prefix", spec("192.0.2.5", 32), false),
            (
                "other interface",
                DesiredAddr {
                    index: IfIndex(1),
                    ..plain
                },
                false,
            ),
            (
                "with a peer",
                DesiredAddr {
                    peer: peer("192.0.2.6", 24),
                    ..plain
                },
                false,
            ),
            ("other family", spec("2001:db8::5", 24), false),
        ] {
            reported(&other, |addr| {
                assert_eq!(plain.matches(addr), same, "{name}")
            });
        }
    }

    #[test]
    fn every_check_of_an_address_has_an_error() {
        let message = |fixed: [u8; 8], fill: fn(&mut Batch)| {
            let mut batch = Batch::new(1);
            batch.start(RTM_NEWADDR, 0);
            batch.fixed(&fixed);
            fill(&mut batch);
            batch
        };
        // Any byte order: an index of equal bytes.
        let v4 = |prefix| [AF_INET, prefix, 0, 0, 1, 1, 1, 1];
        let size = |kind, found, expected| ParseError::AttrSize {
            kind,
            found,
            expected,
        };
        let short = ParseError::Short {
            found: 0,
            needed: 4,
        };
        let other = Ok(Message::Other(RTM_NEWADDR));
        for (name, batch, wanted) in [
            (
                "DECnet",
                message([12, 200, 0, 0, 1, 1, 1, 1], |_| ()),
                other,
            ),
            (
                "prefix 33",
                message(v4(33), |_| ()),
                Err(ParseError::Prefix(33)),
            ),
            (
                "interface 0",
                message([AF_INET6, 128, 0, 0, 0, 0, 0, 0], |_| ()),
                Err(ParseError::Index(0)),
            ),
            (
                "no address",
                message(v4(32), |_| ()),
                Err(ParseError::Missing(IFA_ADDRESS)),
            ),
            (
                "IPv6 in IPv4",
                message(v4(32), |batch| batch.attr(IFA_LOCAL, &[0; 16])),
                Err(size(IFA_LOCAL, 16, 4)),
            ),
            (
                "flags of a byte",
                message(v4(32), |batch| batch.attr_u8(IFA_FLAGS, 1)),
                Err(size(IFA_FLAGS, 1, 4)),
            ),
            (
                "half a lifetime",
                message(v4(32), |batch| batch.attr(IFA_CACHEINFO, &[1; 4])),
                Err(short),
            ),
        ] {
            assert_eq!(only(&batch), wanted, "{name}");
        }
    }
}
