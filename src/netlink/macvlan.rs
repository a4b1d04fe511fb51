//! Virtual interfaces on top of another one: macvlans, with their own Ethernet address, and ipvlans,
//! which share that of the interface below.
//!
//! The mode of macvlans is VEPA. Private mode would deliver every frame with the macvlan's own
//! source address to the macvlan alone; but other routers use the virtual router's address as well,
//! so adverts of a second master would never arrive on the base interface. Bridge mode would pass
//! frames of one virtual router to the others on the same interface.

use super::link::{
    IFLA_ADDRESS, IFLA_GROUP, IFLA_IFNAME, IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK,
    IFLA_LINKINFO, IFLA_MASTER, LinkFlags, RTM_DELLINK, RTM_NEWLINK,
};
use super::{AF_UNSPEC, Batch, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use crate::types::{IfIndex, VirtualLink};

const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_VEPA: u32 = 2;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IPVLAN_MODE_L2: u16 = 0;

/// A virtual interface to create.
#[derive(Clone, Copy, Debug)]
pub struct NewLink<'a> {
    /// Its name.
    pub name: &'a str,
    /// The interface below it.
    pub base: IfIndex,
    /// Interface group.
    pub group: u32,
    /// Type and its settings.
    pub link: VirtualLink,
}

/// Appends a request that creates a virtual interface; it is down.
pub fn create(batch: &mut Batch, new: &NewLink<'_>) -> u32 {
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let seq = request(batch, RTM_NEWLINK, flags, IfIndex(0), LinkFlags(0), 0);
    batch.attr_u32_ne(IFLA_LINK, new.base.0);
    batch.attr_text(IFLA_IFNAME, new.name);
    if let VirtualLink::Macvlan(mac) = new.link {
        batch.attr(IFLA_ADDRESS, &mac.0);
    }
    if new.group != 0 {
        batch.attr_u32_ne(IFLA_GROUP, new.group);
    }
    batch.nested(IFLA_LINKINFO, |batch| {
        batch.attr_text(IFLA_INFO_KIND, new.link.kind());
        batch.nested(IFLA_INFO_DATA, |batch| match new.link {
            VirtualLink::Macvlan(_) => batch.attr_u32_ne(IFLA_MACVLAN_MODE, MACVLAN_MODE_VEPA),
            VirtualLink::Ipvlan(flags) => {
                batch.attr(IFLA_IPVLAN_MODE, &IPVLAN_MODE_L2.to_ne_bytes());
                batch.attr(IFLA_IPVLAN_FLAGS, &flags.to_ne_bytes());
            }
        });
    });
    seq
}

/// Appends a request that sets an interface up.
pub fn set_up(batch: &mut Batch, index: IfIndex) -> u32 {
    request(batch, RTM_NEWLINK, 0, index, LinkFlags::UP, LinkFlags::UP.0)
}

/// Appends a request that sets an interface down.
pub fn set_down(batch: &mut Batch, index: IfIndex) -> u32 {
    request(batch, RTM_NEWLINK, 0, index, LinkFlags(0), LinkFlags::UP.0)
}

/// Appends a request that moves an interface to a VRF, or out of one.
pub fn set_master(batch: &mut Batch, index: IfIndex, master: Option<IfIndex>) -> u32 {
    let seq = request(batch, RTM_NEWLINK, 0, index, LinkFlags(0), 0);
    batch.attr_u32_ne(IFLA_MASTER, master.map_or(0, |master| master.0));
    seq
}

/// Appends a request that deletes an interface.
pub fn delete(batch: &mut Batch, index: IfIndex) -> u32 {
    request(batch, RTM_DELLINK, 0, index, LinkFlags(0), 0)
}

fn request(
    batch: &mut Batch,
    kind: u16,
    extra_flags: u16,
    index: IfIndex,
    flags: LinkFlags,
    mask: u32,
) -> u32 {
    let seq = batch.start(kind, NLM_F_REQUEST | extra_flags);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0]);
    batch.fixed(&index.0.to_ne_bytes());
    batch.fixed(&flags.0.to_ne_bytes());
    batch.fixed(&mask.to_ne_bytes());
    seq
}
