//! Links (interfaces).
//!
//! ```text
//! ifinfomsg: family u8 │ 0 u8 │ hardware type u16 │ index i32 │ flags u32 │ change mask u32
//! ```

use super::{AF_UNSPEC, Attrs, Batch, NLM_F_DUMP, NLM_F_REQUEST, ParseError, Reader};
use crate::types::{IfIndex, Mac};

pub(super) const RTM_NEWLINK: u16 = 16;
pub(super) const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;

pub(super) const IFLA_ADDRESS: u16 = 1;
pub(super) const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
pub(super) const IFLA_LINK: u16 = 5;
pub(super) const IFLA_MASTER: u16 = 10;
pub(super) const IFLA_LINKINFO: u16 = 18;
pub(super) const IFLA_GROUP: u16 = 27;
const IFLA_EXT_MASK: u16 = 29;
const IFLA_LINK_NETNSID: u16 = 37;
pub(super) const IFLA_INFO_KIND: u16 = 1;
pub(super) const IFLA_INFO_DATA: u16 = 2;
const IFLA_VRF_TABLE: u16 = 1;

/// Omits counters, which are a quarter of a reply.
const RTEXT_FILTER_SKIP_STATS: u32 = 8;

/// `IFF_*` flags of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LinkFlags(pub u32);

impl LinkFlags {
    /// Administratively up.
    pub const UP: LinkFlags = LinkFlags(0x1);
    /// Loopback.
    pub const LOOPBACK: LinkFlags = LinkFlags(0x8);
    /// Point-to-point: no neighbor discovery.
    pub const POINT_TO_POINT: LinkFlags = LinkFlags(0x10);
    /// Operationally up (RFC 2863).
    pub const RUNNING: LinkFlags = LinkFlags(0x40);
    /// No ARP.
    pub const NO_ARP: LinkFlags = LinkFlags(0x80);
    /// Supports multicast.
    pub const MULTICAST: LinkFlags = LinkFlags(0x1000);
    /// Carrier detected.
    pub const LOWER_UP: LinkFlags = LinkFlags(0x1_0000);

    /// Whether all of `flags` are set.
    #[must_use]
    pub const fn has(self, flags: LinkFlags) -> bool {
        self.0 & flags.0 == flags.0
    }
}

/// One link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link<'a> {
    /// Interface index.
    pub index: IfIndex,
    /// Its name.
    pub name: &'a str,
    /// Flags.
    pub flags: LinkFlags,
    /// MTU; missing in wireless events.
    pub mtu: Option<u32>,
    /// Ethernet address, if it has one.
    pub mac: Option<Mac>,
    /// Type of a virtual link (`IFLA_INFO_KIND`): `vlan`, `bridge`, `macvlan` …
    pub kind: Option<&'a str>,
    /// Index of its bridge, bond or VRF.
    pub master: Option<IfIndex>,
    /// Index of the lower link, or of a veth's peer, if in this network namespace.
    pub parent: Option<IfIndex>,
    /// Interface group.
    pub group: u32,
    /// Routing table of a VRF.
    pub vrf_table: Option<u32>,
}

/// Appends a request for all links.
pub fn dump(batch: &mut Batch) -> u32 {
    let seq = batch.start(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP);
    batch.fixed(&[0; 16]);
    batch.attr_u32_ne(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    seq
}

/// Parses a link. `None` for other families: the bridge and IPv6 use the same message types for
/// their part of a link, and a port removed from a bridge would look like a deleted link.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Link<'_>>, ParseError> {
    let mut r = Reader::new(payload);
    let [family, _, _, _] = r.array()?;
    let index = r.i32_ne()?;
    let flags = LinkFlags(r.u32_ne()?);
    r.bytes(4)?;
    if family != AF_UNSPEC {
        return Ok(None);
    }
    let mut name = None;
    let mut foreign = false;
    let mut link = Link {
        index: positive(index).ok_or(ParseError::Index(index))?,
        name: "",
        flags,
        mtu: None,
        mac: None,
        kind: None,
        master: None,
        parent: None,
        group: 0,
        vrf_table: None,
    };
    for attr in Attrs::new(r.rest()) {
        let attr = attr?;
        match attr.kind {
            IFLA_ADDRESS => link.mac = attr.mac(),
            IFLA_IFNAME => name = Some(attr.text()?),
            IFLA_MTU => link.mtu = Some(attr.u32_ne()?),
            IFLA_LINK => link.parent = ifindex(attr.u32_ne()?),
            IFLA_MASTER => link.master = ifindex(attr.u32_ne()?),
            IFLA_GROUP => link.group = attr.u32_ne()?,
            IFLA_LINK_NETNSID => foreign = true,
            IFLA_LINKINFO => info(&mut link, attr.nested()?)?,
            _ => {}
        }
    }
    link.name = name.ok_or(ParseError::Missing(IFLA_IFNAME))?;
    if foreign {
        link.parent = None;
    }
    Ok(Some(link))
}

/// The kernel sends the type before its data.
fn info<'a>(link: &mut Link<'a>, attrs: Attrs<'a>) -> Result<(), ParseError> {
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            IFLA_INFO_KIND => link.kind = Some(attr.text()?),
            IFLA_INFO_DATA if link.kind == Some("vrf") => {
                for inner in attr.nested()? {
                    let inner = inner?;
                    if inner.kind == IFLA_VRF_TABLE {
                        link.vrf_table = Some(inner.u32_ne()?);
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn positive(index: i32) -> Option<IfIndex> {
    u32::try_from(index).ok().and_then(ifindex)
}

/// An interface index; `None` for 0.
pub(super) fn ifindex(index: u32) -> Option<IfIndex> {
    (index != 0).then_some(IfIndex(index))
}

#[cfg(test)]
mod tests {
    use super::super::{Message, Messages};
    use super::*;

    /// The fixed part of a link's message.
    fn fixed(family: u8, index: i32, flags: u32) -> Vec<u8> {
        let mut bytes = vec![family, 0, 1, 0];
        bytes.extend(index.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0xff; 4]);
        bytes
    }

    fn message(family: u8, index: i32, fill: impl FnOnce(&mut Batch)) -> Batch {
        let mut batch = Batch::new(1);
        batch.start(RTM_NEWLINK, 0);
        batch.fixed(&fixed(family, index, 0x1_1043));
        fill(&mut batch);
        batch
    }

    fn only(batch: &Batch) -> Result<Message<'_>, ParseError> {
        let first = Messages::new(batch.bytes()).next().unwrap();
        first.map(|envelope| envelope.message)
    }

    #[test]
    fn a_link_parses_back_in_any_byte_order() {
        let batch = message(AF_UNSPEC, 0x0102_0304, |batch| {
            batch.attr_text(IFLA_IFNAME, "old");
            batch.attr_text(IFLA_IFNAME, "eth0.10");
            batch.attr_u32_ne(IFLA_MTU, 9000);
            batch.attr(IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]);
            batch.attr_u32_ne(IFLA_LINK, 2);
            batch.attr_u32_ne(IFLA_MASTER, 7);
            batch.attr_u32_ne(IFLA_GROUP, 5);
            batch.attr(999, b"unknown");
            batch.nested(IFLA_LINKINFO, |batch| {
                batch.attr_text(IFLA_INFO_KIND, "vlan");
                batch.attr(2, &[1; 40]);
            });
        });
        let link = Link {
            index: IfIndex(0x0102_0304),
            name: "eth0.10",
            flags: LinkFlags(0x1_1043),
            mtu: Some(9000),
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            kind: Some("vlan"),
            master: Some(IfIndex(7)),
            parent: Some(IfIndex(2)),
            group: 5,
            vrf_table: None,
        };
        assert_eq!(only(&batch), Ok(Message::NewLink(link)));
    }

    #[test]
    fn a_vrf_has_a_routing_table() {
        let batch = message(AF_UNSPEC, 5, |batch| {
            batch.attr_text(IFLA_IFNAME, "blue");
            batch.nested(IFLA_LINKINFO, |batch| {
                batch.attr_text(IFLA_INFO_KIND, "vrf");
                batch.nested(IFLA_INFO_DATA, |batch| {
                    batch.attr_u32_ne(IFLA_VRF_TABLE, 1001);
                });
            });
        });
        let Ok(Message::NewLink(link)) = only(&batch) else {
            panic!("{:?}", only(&batch))
        };
        assert_eq!((link.kind, link.vrf_table), (Some("vrf"), Some(1001)));
    }

    #[test]
    fn missing_attributes_of_a_link_are_none() {
        let batch = message(AF_UNSPEC, 5, |batch| {
            batch.attr_text(IFLA_IFNAME, "gre1");
            batch.attr(IFLA_ADDRESS, &[192, 0, 2, 1]);
            batch.attr_u32_ne(IFLA_LINK, 0);
            batch.attr_u32_ne(IFLA_MASTER, 0);
        });
        let Ok(Message::NewLink(link)) = only(&batch) else {
            panic!("{:?}", only(&batch))
        };
        assert_eq!((link.mac, link.mtu, link.kind), (None, None, None));
        assert_eq!((link.parent, link.master), (None, None));
    }

    #[test]
    fn every_check_of_a_link_has_an_error() {
        let named = |batch: &mut Batch| batch.attr_text(IFLA_IFNAME, "eth0");
        let size = ParseError::AttrSize {
            kind: IFLA_MTU,
            found: 2,
            expected: 4,
        };
        for (name, batch, wanted) in [
            (
                "bridge",
                message(7, 5, named),
                Ok(Message::Other(RTM_NEWLINK)),
            ),
            ("number 0", message(0, 0, named), Err(ParseError::Index(0))),
            (
                "number -1",
                message(0, -1, named),
                Err(ParseError::Index(-1)),
            ),
            (
                "no name",
                message(0, 5, |_| ()),
                Err(ParseError::Missing(IFLA_IFNAME)),
            ),
            (
                "name of bytes",
                message(0, 5, |batch| batch.attr(IFLA_IFNAME, b"\xff\xfe\0")),
                Err(ParseError::Text(IFLA_IFNAME)),
            ),
            (
                "MTU of two bytes",
                message(0, 5, |batch| batch.attr(IFLA_MTU, &[5, 220])),
                Err(size),
            ),
        ] {
            assert_eq!(only(&batch), wanted, "{name}");
        }
    }
}
