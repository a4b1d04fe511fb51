//! Addresses of interfaces.
//!
//! ```text
//! ifaddrmsg: family u8 │ prefix length u8 │ flags u8 │ scope u8 │ index u32
//! ```
//! `IFA_LOCAL` is the interface's own address and `IFA_ADDRESS` the peer's, or the own one again where
//! there is no peer; IPv6 without a peer tells only `IFA_ADDRESS`. The prefix belongs to the peer.

use core::net::{IpAddr, Ipv4Addr};

use super::{
    AF_UNSPEC, Attr, Attrs, Batch, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE,
    NLM_F_REQUEST, ParseError, Reader, address, family_number, link,
};
use crate::types::{Cidr, Family, IfIndex};

pub(super) const RTM_NEWADDR: u16 = 20;
pub(super) const RTM_DELADDR: u16 = 21;
const RTM_GETADDR: u16 = 22;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_CACHEINFO: u16 = 6;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;

/// A lifetime that does not end.
pub const FOREVER: u32 = u32::MAX;

/// `IFA_F_*` of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AddrFlags(pub u32);

impl AddrFlags {
    /// No flag.
    pub const NONE: AddrFlags = AddrFlags(0);
    /// Another address of the same prefix came first; goes when that one goes.
    pub const SECONDARY: AddrFlags = AddrFlags(0x1);
    /// `nodad`: do not look for duplicates.
    pub const NODAD: AddrFlags = AddrFlags(0x2);
    /// Somebody else has it.
    pub const DADFAILED: AddrFlags = AddrFlags(0x8);
    /// `home`: home address of mobile IPv6.
    pub const HOME: AddrFlags = AddrFlags(0x10);
    /// Preferred lifetime is over: not chosen as a source.
    pub const DEPRECATED: AddrFlags = AddrFlags(0x20);
    /// Being looked for by others; cannot be used yet.
    pub const TENTATIVE: AddrFlags = AddrFlags(0x40);
    /// Without a lifetime.
    pub const PERMANENT: AddrFlags = AddrFlags(0x80);
    /// `mngtmpaddr`: make temporary addresses of it.
    pub const MNGTMPADDR: AddrFlags = AddrFlags(0x100);
    /// `noprefixroute`: no route to its prefix.
    pub const NOPREFIXROUTE: AddrFlags = AddrFlags(0x200);
    /// `autojoin`: join the group it names.
    pub const AUTOJOIN: AddrFlags = AddrFlags(0x400);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: AddrFlags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These and `flags`.
    #[must_use]
    pub const fn with(self, flags: AddrFlags) -> AddrFlags {
        AddrFlags(self.0 | flags.0)
    }
}

/// An address as the kernel tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addr<'a> {
    /// The interface it is on.
    pub index: IfIndex,
    /// The interface's own address, with the prefix length (which is the peer's, if there is one).
    pub cidr: Cidr,
    /// The other end, where it differs from the own address.
    pub peer: Option<IpAddr>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 label: the interface's name unless another was given.
    pub label: Option<&'a str>,
    /// `RT_SCOPE_*`: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// Its state.
    pub flags: AddrFlags,
    /// Who made it (`IFA_PROTO`, Linux 5.18).
    pub proto: Option<u8>,
    /// Seconds it stays; [`FOREVER`].
    pub valid: u32,
    /// Seconds it is preferred; [`FOREVER`].
    pub preferred: u32,
}

/// An address as we want it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DesiredAddr<'a> {
    /// The interface.
    pub index: IfIndex,
    /// The interface's own address.
    pub cidr: Cidr,
    /// The other end; its prefix length is then the one that counts.
    pub peer: Option<Cidr>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// `RT_SCOPE_*`.
    pub scope: u8,
    /// IPv4 label, at most 15 bytes, beginning with the interface's name.
    pub label: Option<&'a str>,
    /// Seconds it is preferred; none: as long as it stays.
    pub preferred_lft: Option<u32>,
    /// Seconds it stays; none: forever.
    pub valid_lft: Option<u32>,
    /// `NODAD`, `HOME`, `MNGTMPADDR`, `NOPREFIXROUTE`, `AUTOJOIN`.
    pub flags: AddrFlags,
    /// Who made it; 18 is keepalived's and ours, 0 says nothing.
    pub proto: u8,
}

impl DesiredAddr<'_> {
    /// Nothing but the address.
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

    /// The prefix length the kernel is told.
    #[must_use]
    pub fn prefix(&self) -> u8 {
        self.peer.map_or(self.cidr.prefix, |peer| peer.prefix)
    }

    /// Whether `addr` is this address in the kernel's terms: it would refuse this one with `EEXIST`
    /// while that one is there, and a request to delete this one deletes that one. Label, scope, flags
    /// and lifetimes are properties and may differ.
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

/// Asks for all addresses of both families.
pub fn dump(batch: &mut Batch) -> u32 {
    let seq = batch.begin(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0, 0, 0, 0, 0]);
    seq
}

/// Asks to add an address; `EEXIST` where it already is.
pub fn add(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    set(batch, spec, NLM_F_CREATE | NLM_F_EXCL)
}

/// Asks to set the lifetimes of an address that is there, and adds it where it is not: the kernel cannot be
/// asked for the one without the other.
pub fn replace(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    let spec = DesiredAddr {
        valid_lft: spec.valid_lft.or(Some(FOREVER)),
        ..*spec
    };
    set(batch, &spec, NLM_F_CREATE | NLM_F_REPLACE)
}

fn set(batch: &mut Batch, spec: &DesiredAddr<'_>, flags: u16) -> u32 {
    let flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    // The header has room for eight flags; as soon as there are more, all are in the attribute.
    let in_header = u8::try_from(spec.flags.0);
    let fixed = [in_header.unwrap_or(0), spec.scope];
    let seq = request(batch, RTM_NEWADDR, flags, spec, fixed);
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

/// Asks to delete an address; `EADDRNOTAVAIL` where it is not. Names it by what [`DesiredAddr::matches`] compares
/// and nothing else, so that one whose label somebody changed is deleted too.
pub fn delete(batch: &mut Batch, spec: &DesiredAddr<'_>) -> u32 {
    request(batch, RTM_DELADDR, NLM_F_REQUEST | NLM_F_ACK, spec, [0, 0])
}

/// What both requests consist of; `fixed` is flags and scope.
fn request(
    batch: &mut Batch,
    kind: u16,
    flags: u16,
    spec: &DesiredAddr<'_>,
    fixed: [u8; 2],
) -> u32 {
    let seq = batch.begin(kind, flags);
    let family = family_number(spec.cidr.family());
    let [flags, scope] = fixed;
    batch.fixed(&[family, spec.prefix(), flags, scope]);
    batch.fixed(&spec.index.0.to_ne_bytes());
    let peer = spec.peer.map_or(spec.cidr.addr, |peer| peer.addr);
    address(batch, IFA_LOCAL, spec.cidr.addr);
    address(batch, IFA_ADDRESS, peer);
    seq
}

/// `ifa_cacheinfo`: preferred, valid, and two time stamps the kernel fills in.
fn cacheinfo(spec: &DesiredAddr<'_>) -> [u8; 16] {
    let valid = spec.valid_lft.unwrap_or(FOREVER);
    // The kernel refuses an address that is preferred for longer than it stays.
    let preferred = spec.preferred_lft.unwrap_or(valid);
    let [a, b, c, d] = preferred.to_ne_bytes();
    let [e, f, g, h] = valid.to_ne_bytes();
    [a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0, 0, 0, 0]
}

// ---- answers and notifications ----

/// Reads an address. `None` for families other than IPv4 and IPv6.
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
        index: link::number(index).ok_or(ParseError::Index(0))?,
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

/// Takes in an attribute that says nothing about which address it is.
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

    /// `spec` as the kernel would tell it.
    fn told(spec: &DesiredAddr<'_>, check: impl FnOnce(&Addr<'_>)) {
        let mut batch = Batch::new(1);
        add(&mut batch, spec);
        match only(&batch) {
            Ok(Message::NewAddr(addr)) => check(&addr),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_reads_back_in_any_byte_order() {
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
        told(&wanted, |addr| {
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
    fn a_spec_recognizes_its_address_whatever_became_of_its_properties() {
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
            told(&other, |addr| {
                assert_eq!(plain.matches(addr), same, "{name}")
            });
        }
    }

    #[test]
    fn every_check_of_an_address_has_its_name() {
        let message = |fixed: [u8; 8], fill: fn(&mut Batch)| {
            let mut batch = Batch::new(1);
            batch.begin(RTM_NEWADDR, 0);
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
