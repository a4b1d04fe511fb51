//! macvlans: virtual interfaces with their own Ethernet address on top of another interface.
//!
//! The mode is VEPA. Private mode would deliver every frame with the macvlan's own source address
//! to the macvlan alone; but other routers use the virtual router's address as well, so adverts of
//! a second master would never arrive on the base interface. Bridge mode would pass frames of one
//! virtual router to the others on the same interface.

use super::link::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, LinkFlags, RTM_DELLINK,
    RTM_NEWLINK,
};
use super::{AF_UNSPEC, Batch, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use crate::types::{IfIndex, Mac};

const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_VEPA: u32 = 2;

/// Appends a request that creates a macvlan on `base`; it is down.
pub fn create(batch: &mut Batch, name: &str, base: IfIndex, mac: Mac) -> u32 {
    let flags = NLM_F_CREATE | NLM_F_EXCL;
    let seq = request(batch, RTM_NEWLINK, flags, IfIndex(0), LinkFlags(0), 0);
    batch.attr_u32_ne(IFLA_LINK, base.0);
    batch.attr_text(IFLA_IFNAME, name);
    batch.attr(IFLA_ADDRESS, &mac.0);
    batch.nested(IFLA_LINKINFO, |batch| {
        batch.attr_text(IFLA_INFO_KIND, "macvlan");
        batch.nested(IFLA_INFO_DATA, |batch| {
            batch.attr_u32_ne(IFLA_MACVLAN_MODE, MACVLAN_MODE_VEPA);
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
    let seq = batch.start(kind, NLM_F_REQUEST | NLM_F_ACK | extra_flags);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0]);
    batch.fixed(&index.0.to_ne_bytes());
    batch.fixed(&flags.0.to_ne_bytes());
    batch.fixed(&mask.to_ne_bytes());
    seq
}
