//! macvlans: further interfaces with Ethernet addresses of their own upon another one.
//!
//! The mode is VEPA. Private, the obvious one, hands every frame that carries the macvlan's own address
//! as its source to the macvlan alone; the virtual router's address is also that of the other routers, and
//! adverts of a second master would never be seen on the interface below. Bridge would pass what one
//! virtual router sends to the next one upon the same interface.

use super::link::{
    IFLA_ADDRESS, IFLA_IFNAME, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, LinkFlags, RTM_DELLINK,
    RTM_NEWLINK,
};
use super::{AF_UNSPEC, Batch, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use crate::types::{IfIndex, Mac};

const IFLA_INFO_DATA: u16 = 2;
const IFLA_MACVLAN_MODE: u16 = 1;
const MACVLAN_MODE_VEPA: u32 = 2;

/// Asks for a macvlan upon `base`; it is down.
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

/// Asks to delete an interface.
pub fn delete(batch: &mut Batch, index: IfIndex) -> u32 {
    request(batch, RTM_DELLINK, 0, index, LinkFlags(0), 0)
}

fn request(
    batch: &mut Batch,
    kind: u16,
    more: u16,
    index: IfIndex,
    flags: LinkFlags,
    mask: u32,
) -> u32 {
    let seq = batch.begin(kind, NLM_F_REQUEST | NLM_F_ACK | more);
    batch.fixed(&[AF_UNSPEC, 0, 0, 0]);
    batch.fixed(&index.0.to_ne_bytes());
    batch.fixed(&flags.0.to_ne_bytes());
    batch.fixed(&mask.to_ne_bytes());
    seq
}
