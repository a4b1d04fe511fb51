//! The interfaces and their addresses, as last reported by the kernel.
//!
//! Filled by a dump at startup and after lost events, and kept up to date by events; both consist
//! of the same messages. Also decides when an interface counts as up (`interface_up_down_delays`).

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::UpDownDelay;
use crate::engine::kernel::present::{Present, PresentAddrs};
use crate::netlink::addr::AddrFlags;
use crate::netlink::link::LinkFlags;
use crate::netlink::{Addr, Link, Message};
use crate::types::{Family, IfIndex, IfName, Instant, Mac};

/// `IFA_PROTO` of our addresses (Linux 5.18): keepalived's number in rtnetlink.h.
pub(crate) const PROTO_KEEPALIVED: u8 = 18;

/// Type of an interface, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LinkKind {
    Macvlan,
    Macvtap,
    Ipvlan,
    Other,
}

impl LinkKind {
    /// From `IFLA_INFO_KIND`.
    pub(crate) fn new(kind: &str) -> Self {
        match kind {
            "macvlan" => LinkKind::Macvlan,
            "macvtap" => LinkKind::Macvtap,
            "ipvlan" => LinkKind::Ipvlan,
            _ => LinkKind::Other,
        }
    }
}

/// An interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) index: IfIndex,
    pub(crate) name: IfName,
    /// `IFF_UP`: addresses and routes can be set.
    admin_up: bool,
    /// `IFF_UP` and `IFF_RUNNING`: has carrier.
    oper_up: bool,
    /// `oper_up` after the configured delays.
    debounced_up: bool,
    /// When `debounced_up` becomes `oper_up`.
    debounce_until: Option<Instant>,
    pub(crate) mac: Option<Mac>,
    /// For dumps.
    pub(crate) mtu: Option<u32>,
    /// For dumps.
    pub(crate) flags: LinkFlags,
    pub(crate) kind: LinkKind,
    /// The interface below a macvlan or VLAN; `None` if it is in another network namespace.
    pub(crate) parent: Option<IfIndex>,
    /// Its bridge, bond or VRF.
    master: Option<IfIndex>,
    /// Routing table of a VRF.
    vrf_table: Option<u32>,
    /// Interface group.
    pub(crate) group: u32,
    /// Uses neither ARP nor neighbor discovery.
    pub(crate) noarp: bool,
    pub(crate) addrs: PresentAddrs,
}

impl Interface {
    /// Whether the interface counts as up, the configured delays considered.
    pub(crate) fn is_up(&self) -> bool {
        self.debounced_up
    }

    /// Whether the interface is up now, without delays.
    pub(crate) fn is_oper_up(&self) -> bool {
        self.oper_up
    }

    /// The interface that the kernel attaches a virtual interface to which is created on this one:
    /// macvlans are not stacked, nor are ipvlans.
    pub(crate) fn lower(&self, kind: LinkKind) -> Option<IfIndex> {
        let macvlan = kind == LinkKind::Macvlan && self.kind == LinkKind::Macvtap;
        if macvlan || (kind == self.kind && kind != LinkKind::Other) {
            self.parent
        } else {
            Some(self.index)
        }
    }

    /// The address adverts are sent from: IPv4, the first primary one; IPv6, the first link-local
    /// one. `excluded`: those that are no source addresses.
    pub(crate) fn source(
        &self,
        family: Family,
        excluded: &dyn Fn(&Present) -> bool,
    ) -> Option<IpAddr> {
        let fits = |present: &&Present| {
            present.usable
                && match present.cidr.addr {
                    IpAddr::V4(_) => family == Family::V4,
                    IpAddr::V6(addr) => family == Family::V6 && addr.is_unicast_link_local(),
                }
                && !excluded(present)
        };
        let candidates = || self.addrs.iter().filter(fits);
        let primary = candidates().find(|present| !present.secondary);
        primary
            .or_else(|| candidates().next())
            .map(|present| present.cidr.addr)
    }

    /// Starts, ends or continues the delay of a change.
    fn debounce(&mut self, now: Instant, delay: Duration) {
        if self.oper_up == self.debounced_up {
            self.debounce_until = None;
        } else if delay.is_zero() {
            self.debounced_up = self.oper_up;
            self.debounce_until = None;
        } else if self.debounce_until.is_none() {
            self.debounce_until = Some(now.after(delay));
        }
    }
}

/// What a message has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Nothing,
    /// An interface was added or removed, or a property that matters has changed.
    Link(IfIndex),
    /// An address was added.
    Added(IfIndex),
    /// An address was removed.
    Lost(IfIndex),
}

/// All interfaces, sorted by index.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    list: Vec<Interface>,
    delays: Vec<UpDownDelay>,
    /// An address with an origin (`IFA_PROTO`) was seen: ours have one, too.
    pub(crate) marks: bool,
}

impl Interfaces {
    pub(crate) fn set_delays(&mut self, delays: Vec<UpDownDelay>) {
        self.delays = delays;
    }

    /// An empty table for a dump, to be passed to [`Interfaces::adopt`].
    pub(crate) fn fresh(&self) -> Self {
        Interfaces {
            delays: self.delays.clone(),
            ..Interfaces::default()
        }
    }

    /// Takes over a dumped table, with the delays that run for interfaces that still exist.
    pub(crate) fn adopt(&mut self, now: Instant, mut dumped: Interfaces) {
        for link in &mut dumped.list {
            if let Some(old) = self.get(link.index) {
                let delay = self.delay_of(&link.name, link.oper_up);
                link.debounced_up = old.debounced_up;
                link.debounce_until = old.debounce_until;
                link.debounce(now, delay);
            }
        }
        self.list = dumped.list;
        self.marks |= dumped.marks;
    }

    fn position(&self, index: IfIndex) -> Result<usize, usize> {
        self.list.binary_search_by_key(&index, |link| link.index)
    }

    pub(crate) fn get(&self, index: IfIndex) -> Option<&Interface> {
        self.list.get(self.position(index).ok()?)
    }

    fn get_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        let at = self.position(index).ok()?;
        self.list.get_mut(at)
    }

    /// Removes an interface that we have deleted, before the kernel's event arrives.
    pub(crate) fn forget(&mut self, index: IfIndex) {
        self.list.retain(|link| link.index != index);
    }

    pub(crate) fn by_name(&self, name: &IfName) -> Option<&Interface> {
        self.list.iter().find(|link| link.name == *name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Interface> {
        self.list.iter()
    }

    /// The delays before an interface counts as down, and as up.
    pub(crate) fn delays(&self, name: &IfName) -> (Duration, Duration) {
        (self.delay_of(name, false), self.delay_of(name, true))
    }

    /// The VRF that an interface is in.
    pub(crate) fn vrf_of(&self, link: &Interface) -> Option<&Interface> {
        let master = self.get(link.master?)?;
        master.vrf_table.map(|_| master)
    }

    /// The routing table that is used for packets from an interface.
    pub(crate) fn table_of(&self, index: IfIndex) -> Option<u32> {
        self.vrf_of(self.get(index)?)?.vrf_table
    }

    /// The interface that has this address.
    pub(crate) fn owner_of(&self, addr: IpAddr) -> Option<&Interface> {
        let has = |link: &&Interface| link.addrs.iter().any(|one| one.cidr.addr == addr);
        self.list.iter().find(has)
    }

    /// Whether we have set an address that exists. `recorded`: the state file says so, which decides
    /// where the kernel has no marks.
    pub(crate) fn is_ours(&self, present: &Present, recorded: bool) -> bool {
        if self.marks { present.marked } else { recorded }
    }

    /// Applies a netlink message.
    pub(crate) fn apply(&mut self, now: Instant, message: &Message<'_>) -> Change {
        match message {
            Message::NewLink(link) => self.link_changed(now, link),
            Message::DelLink(link) => match self.position(link.index) {
                Ok(at) => {
                    self.list.remove(at);
                    Change::Link(link.index)
                }
                Err(_) => Change::Nothing,
            },
            Message::NewAddr(addr) => self.addr_changed(addr),
            Message::DelAddr(addr) => self.addr_removed(addr),
            Message::NewRoute(_)
            | Message::DelRoute(_)
            | Message::NewRule(_)
            | Message::DelRule(_)
            | Message::Done(_)
            | Message::Ack(_)
            | Message::Noop
            | Message::Overrun
            | Message::Other(_) => Change::Nothing,
        }
    }

    fn link_changed(&mut self, now: Instant, event: &Link<'_>) -> Change {
        let Some(name) = IfName::new(event.name) else {
            return Change::Nothing;
        };
        let admin_up = event.flags.has(LinkFlags::UP);
        let oper_up = admin_up && event.flags.has(LinkFlags::RUNNING);
        let delay = self.delay_of(&name, oper_up);
        let without_arp = [
            LinkFlags::NO_ARP,
            LinkFlags::POINT_TO_POINT,
            LinkFlags::LOOPBACK,
        ];
        let noarp = without_arp.into_iter().any(|flag| event.flags.has(flag));
        let at = match self.position(event.index) {
            Ok(at) => at,
            Err(at) => {
                // There is no previous state, so no delay.
                let link = Interface {
                    index: event.index,
                    name,
                    admin_up,
                    oper_up,
                    debounced_up: oper_up,
                    debounce_until: None,
                    mac: event.mac,
                    mtu: event.mtu,
                    flags: event.flags,
                    parent: event.parent,
                    kind: LinkKind::new(event.kind.unwrap_or_default()),
                    master: event.master,
                    vrf_table: event.vrf_table,
                    group: event.group,
                    noarp,
                    addrs: PresentAddrs::default(),
                };
                self.list.insert(at, link);
                return Change::Link(event.index);
            }
        };
        let Some(link) = self.list.get_mut(at) else {
            return Change::Nothing;
        };
        let same = (link.oper_up, link.admin_up) == (oper_up, admin_up)
            && link.name == name
            && link.mac == event.mac
            && link.master == event.master;
        link.admin_up = admin_up;
        link.oper_up = oper_up;
        link.name = name;
        link.mac = event.mac;
        link.mtu = event.mtu.or(link.mtu);
        link.flags = event.flags;
        link.parent = event.parent;
        link.master = event.master;
        link.group = event.group;
        link.noarp = noarp;
        link.debounce(now, delay);
        if same {
            Change::Nothing
        } else {
            Change::Link(event.index)
        }
    }

    fn addr_changed(&mut self, event: &Addr<'_>) -> Change {
        self.marks |= event.proto.is_some();
        let Some(link) = self.get_mut(event.index) else {
            return Change::Nothing;
        };
        let has = |flag| event.flags.has(flag);
        let present = Present {
            cidr: event.cidr,
            usable: !(has(AddrFlags::TENTATIVE) || has(AddrFlags::DADFAILED)),
            secondary: has(AddrFlags::SECONDARY),
            marked: event.proto == Some(PROTO_KEEPALIVED),
        };
        match link.addrs.set(present) {
            true => Change::Added(event.index),
            false => Change::Nothing,
        }
    }

    fn addr_removed(&mut self, event: &Addr<'_>) -> Change {
        let Some(link) = self.get_mut(event.index) else {
            return Change::Nothing;
        };
        match link.addrs.remove(&event.cidr) {
            true => Change::Lost(event.index),
            false => Change::Nothing,
        }
    }

    // ---- delays ----

    fn delay_of(&self, name: &IfName, up: bool) -> Duration {
        let configured = self.delays.iter().find(|delays| delays.interface == *name);
        configured.map_or(
            Duration::ZERO,
            |delays| if up { delays.up } else { delays.down },
        )
    }

    /// When the next delay ends.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let links = self.list.iter();
        links.filter_map(|link| link.debounce_until).min()
    }

    /// Ends the delays that are over. Returns whether there were any.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for link in &mut self.list {
            if link.debounce_until.is_some_and(|at| at <= now) {
                link.debounce_until = None;
                link.debounced_up = link.oper_up;
                changed = true;
            }
        }
        changed
    }
}
