//! Secondary IPv4 addresses: the first address of a network on an interface is its primary one, and
//! with a primary address the kernel removes all secondary ones, unless `promote_secondaries` is
//! set.
//!
//! Usually the router's own address is primary. If another program removes it and adds it again
//! (DHCP), a virtual address that is reinstalled in between becomes primary, and the router's own
//! address is secondary to it. Then the virtual address is reinstalled behind it. And
//! `promote_secondaries` is set while an address is removed that may take others with it: by the
//! same batch of requests, which works where /proc/sys is read-only too.

use core::time::Duration;

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::EventKind;
use crate::engine::instance::state_record::StateRecords;
use crate::engine::kernel::addresses::{AddressSet, CHUNK, Slot, flush};
use crate::engine::kernel::interfaces::{Interface, Interfaces, PROTO_KEEPALIVED};
use crate::log::Level;
use crate::netlink::addr::{self, AddrFlags, DesiredAddr};
use crate::netlink::{Addr, Batch};
use crate::types::{Cidr, IfIndex};

/// Minimum time between two changes of order: another router process may want to be behind as well.
const REORDER_INTERVAL: Duration = Duration::from_secs(10);

/// A secondary address that another program has added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ForeignSecondary {
    index: IfIndex,
    cidr: Cidr,
}

impl ForeignSecondary {
    /// `addr` is not one of our virtual addresses.
    pub(crate) fn new(addr: &Addr<'_>) -> Option<Self> {
        let Addr { index, cidr, .. } = *addr;
        let ours = addr.proto == Some(PROTO_KEEPALIVED);
        // An IPv6 address with this flag is a temporary one.
        let secondary = cidr.addr.is_ipv4() && addr.flags.has(AddrFlags::SECONDARY);
        (secondary && !ours).then_some(ForeignSecondary { index, cidr })
    }
}

/// Whether `other` is another address of the network of `cidr`.
fn is_neighbor(cidr: &Cidr, other: &Cidr) -> bool {
    cidr.prefix == other.prefix && cidr.addr != other.addr && cidr.contains(other.addr)
}

/// Appends requests that delete an address of ours and no other.
pub(super) fn delete(
    cx: &mut Cx<'_>,
    batch: &mut Batch,
    links: &Interfaces,
    address: &DesiredAddr<'_>,
    origin: Origin,
) {
    let cidr = Cidr {
        prefix: address.prefix(),
        ..address.cidr
    };
    let index = address.index;
    let link = links.get(index);
    let promote =
        link.is_some_and(|link| endangers_others(link, &cidr, origin) && !promotes(cx, link));
    if promote {
        addr::promote_secondaries(batch, index, 1);
    }
    addr::delete(batch, address);
    if promote {
        addr::promote_secondaries(batch, index, 0);
    }
}

/// The last installation of an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    Installed,
    /// After another program had removed it, and maybe the primary address with it.
    Reinstalled,
}

/// Whether other addresses may be secondary to this one. The table of addresses may be older than
/// the last changes.
fn endangers_others(link: &Interface, cidr: &Cidr, origin: Origin) -> bool {
    if !cidr.addr.is_ipv4() || cidr.is_host() {
        return false;
    }
    if origin == Origin::Reinstalled {
        return true;
    }
    let is_primary = link.addrs.get(cidr).is_none_or(|own| !own.secondary);
    let mut endangered = false;
    for other in link.addrs.iter() {
        if is_neighbor(cidr, &other.cidr) {
            if !other.marked && !other.secondary {
                return false;
            }
            endangered |= is_primary || !other.marked;
        }
    }
    endangered
}

/// Whether `promote_secondaries` is set for an interface.
fn promotes(cx: &mut Cx<'_>, link: &Interface) -> bool {
    ["all", link.name.as_str()].into_iter().any(|name| {
        let path = format!("/proc/sys/net/ipv4/conf/{name}/promote_secondaries");
        let read = cx.system.read_file(&path);
        read.is_ok_and(|value| value.starts_with(b"1"))
    })
}

impl Engine {
    /// Reinstalls virtual addresses that have become primary addresses behind those that other
    /// programs have added.
    pub(crate) fn restore_primaries(&mut self, cx: &mut Cx<'_>) {
        for foreign in core::mem::take(&mut self.shared.foreign_secondaries) {
            let ForeignSecondary { index, cidr } = foreign;
            let links = &self.shared.interfaces;
            let mut present = links.get(index).into_iter().flat_map(|on| on.addrs.iter());
            let primary = present.find(|one| !one.secondary && is_neighbor(&cidr, &one.cidr));
            let ours = primary.is_some_and(|one| self.is_virtual(&one.cidr));
            if !ours || cx.now < self.shared.reorder_after {
                continue;
            }
            self.shared.reorder_after = cx.now.after(REORDER_INTERVAL);
            for router in self.routers.iter_mut() {
                let records = &mut self.shared.state_records;
                if router
                    .addresses
                    .reinstall_behind(cx, links, records, foreign)
                {
                    self.shared.kernel_work = true;
                    cx.note(
                        Level::Info,
                        EventKind::Repair,
                        router.object(),
                        format_args!(
                            "virtual addresses reinstalled so that {cidr} is the primary address"
                        ),
                    );
                }
            }
        }
    }
}

impl AddressSet {
    /// Removes the addresses of a network, and has them installed again. Returns whether there are
    /// any.
    fn reinstall_behind(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
        foreign: ForeignSecondary,
    ) -> bool {
        let ForeignSecondary { index, cidr } = foreign;
        let concerns = |slot: &&mut Slot| {
            slot.interface(links) == Some(index) && is_neighbor(&cidr, &slot.listed())
        };
        let mut batch = Batch::new(1);
        // The primary address, mostly the first one, is the last one that is removed. In a set of
        // thousands the order stays.
        for slot in self.slots.iter_mut().rev().filter(concerns).take(CHUNK) {
            slot.delete(cx, &mut batch, self.kind, links, records);
        }
        let some = !batch.is_empty();
        flush(cx, &mut batch);
        records.write(cx);
        if some {
            self.repeat_pass(cx.now);
        }
        some
    }
}
