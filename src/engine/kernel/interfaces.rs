//! The interfaces and their addresses, as the kernel last told.
//!
//! Filled by a dump at start and after lost news, kept up to date by events; the same messages, the
//! same code. Also decides when an interface counts as up (`interface_up_down_delays`).

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::UpDownDelay;
use crate::engine::kernel::addresses::PROTO_KEEPALIVED;
use crate::netlink::addr::AddrFlags;
use crate::netlink::link::LinkFlags;
use crate::netlink::{Addr, Link as LinkNews, Message};
use crate::types::{Cidr, Family, IfIndex, IfName, Instant, Mac};

/// An address on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Present {
    pub(crate) cidr: Cidr,
    /// Usable as a source: neither tentative nor refused by duplicate address detection.
    pub(crate) usable: bool,
    /// A secondary IPv4 address.
    pub(crate) secondary: bool,
    /// Marked with keepalived's protocol number: ours, or left by one of us.
    pub(crate) marked: bool,
}

/// An interface.
#[derive(Clone, Debug)]
pub(crate) struct Interface {
    pub(crate) index: IfIndex,
    pub(crate) name: IfName,
    /// Administratively up: takes addresses and routes.
    on: bool,
    /// Administratively up and with carrier.
    up: bool,
    /// `up`, with the configured delays applied.
    believed: bool,
    /// When `believed` becomes `up`.
    settles: Option<Instant>,
    pub(crate) mac: Option<Mac>,
    /// The interface it sits upon.
    pub(crate) parent: Option<IfIndex>,
    pub(crate) macvlan: bool,
    /// Neighbours are not asked for with ARP or neighbour discovery here.
    pub(crate) silent: bool,
    pub(crate) addrs: Vec<Present>,
}

impl Interface {
    /// Whether the interface counts as up.
    pub(crate) fn is_up(&self) -> bool {
        self.believed
    }

    /// Whether it is switched on and has carrier, whatever we are to believe.
    pub(crate) fn is_on(&self) -> bool {
        self.up
    }

    pub(crate) fn has(&self, cidr: &Cidr) -> bool {
        self.addrs.iter().any(|present| present.cidr == *cidr)
    }

    /// The address adverts are sent from: IPv4, the first primary one; IPv6, the first link-local one.
    /// `virtual_` tells which addresses are a router's virtual ones and therefore never a source.
    pub(crate) fn source(
        &self,
        family: Family,
        virtual_: impl Fn(&Cidr) -> bool,
    ) -> Option<IpAddr> {
        let fits = |present: &&Present| {
            present.usable
                && match present.cidr.addr {
                    IpAddr::V4(_) => family == Family::V4,
                    IpAddr::V6(addr) => family == Family::V6 && addr.is_unicast_link_local(),
                }
                && !virtual_(&present.cidr)
        };
        let candidates = || self.addrs.iter().filter(fits);
        let primary = candidates().find(|present| !present.secondary);
        primary
            .or_else(|| candidates().next())
            .map(|present| present.cidr.addr)
    }
}

/// What a message changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Change {
    Nothing,
    /// An interface came, went, or changed in a way that matters.
    Link(IfIndex),
    /// An address came.
    Added(IfIndex),
    /// An address went.
    Lost(IfIndex),
}

/// All interfaces, ordered by index.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    list: Vec<Interface>,
    delays: Vec<UpDownDelay>,
}

impl Interfaces {
    /// How long changes must last from now on.
    pub(crate) fn delay(&mut self, delays: Vec<UpDownDelay>) {
        self.delays = delays;
    }

    /// An empty table to be filled by a dump; `adopt` then carries over what a dump cannot tell.
    pub(crate) fn fresh(&self) -> Self {
        Interfaces {
            list: Vec::new(),
            delays: self.delays.clone(),
        }
    }

    /// Takes over the table of a dump, keeping beliefs about interfaces that are still there.
    pub(crate) fn adopt(&mut self, now: Instant, mut dumped: Interfaces) {
        for link in &mut dumped.list {
            if let Some(old) = self.get(link.index) {
                let delay = self.delay_of(&link.name, link.up);
                link.believed = old.believed;
                link.settles = old.settles;
                settle(link, now, delay);
            }
        }
        self.list = dumped.list;
    }

    pub(crate) fn get(&self, index: IfIndex) -> Option<&Interface> {
        let place = self
            .list
            .binary_search_by_key(&index, |link| link.index)
            .ok()?;
        self.list.get(place)
    }

    /// An interface we have deleted; the kernel will say so too.
    pub(crate) fn forget(&mut self, index: IfIndex) {
        self.list.retain(|link| link.index != index);
    }

    pub(crate) fn by_name(&self, name: &IfName) -> Option<&Interface> {
        self.list.iter().find(|link| link.name == *name)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Interface> {
        self.list.iter()
    }

    /// How long an interface must be down, and up, to be believed.
    pub(crate) fn delays(&self, name: &IfName) -> (Duration, Duration) {
        (self.delay_of(name, false), self.delay_of(name, true))
    }

    /// The interface that has this address.
    pub(crate) fn owner_of(&self, addr: IpAddr) -> Option<&Interface> {
        self.list
            .iter()
            .find(|link| link.addrs.iter().any(|present| present.cidr.addr == addr))
    }

    /// Notes what a message of the kernel says.
    pub(crate) fn apply(&mut self, now: Instant, message: &Message<'_>) -> Change {
        match message {
            Message::NewLink(news) => self.link(now, news),
            Message::DelLink(news) => {
                match self
                    .list
                    .binary_search_by_key(&news.index, |link| link.index)
                {
                    Ok(place) => {
                        self.list.remove(place);
                        Change::Link(news.index)
                    }
                    Err(_) => Change::Nothing,
                }
            }
            Message::NewAddr(news) => self.addr(news),
            Message::DelAddr(news) => self.addr_gone(news),
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

    fn link(&mut self, now: Instant, news: &LinkNews<'_>) -> Change {
        let Some(name) = IfName::new(news.name) else {
            return Change::Nothing;
        };
        let on = news.flags.has(LinkFlags::UP);
        let up = on && news.flags.has(LinkFlags::RUNNING);
        let delay = self.delay_of(&name, up);
        let place = self
            .list
            .binary_search_by_key(&news.index, |link| link.index);
        let mute = [
            LinkFlags::NO_ARP,
            LinkFlags::POINT_TO_POINT,
            LinkFlags::LOOPBACK,
        ];
        let silent = mute.into_iter().any(|flag| news.flags.has(flag));
        match place {
            Ok(place) => {
                let Some(link) = self.list.get_mut(place) else {
                    return Change::Nothing;
                };
                let same =
                    (link.up, link.on) == (up, on) && link.name == name && link.mac == news.mac;
                link.on = on;
                link.up = up;
                link.name = name;
                link.mac = news.mac;
                link.parent = news.parent;
                link.silent = silent;
                settle(link, now, delay);
                if same {
                    Change::Nothing
                } else {
                    Change::Link(news.index)
                }
            }
            Err(place) => {
                // A new interface is believed at once: there is no former state to protect.
                let link = Interface {
                    index: news.index,
                    name,
                    on,
                    up,
                    believed: up,
                    settles: None,
                    mac: news.mac,
                    parent: news.parent,
                    macvlan: news.kind == Some("macvlan"),
                    silent,
                    addrs: Vec::new(),
                };
                self.list.insert(place, link);
                Change::Link(news.index)
            }
        }
    }

    fn addr(&mut self, news: &Addr<'_>) -> Change {
        let Some(link) = self.get_mut(news.index) else {
            return Change::Nothing;
        };
        let has = |flag| news.flags.has(flag);
        let present = Present {
            cidr: news.cidr,
            usable: !(has(AddrFlags::TENTATIVE) || has(AddrFlags::DADFAILED)),
            secondary: has(AddrFlags::SECONDARY),
            marked: news.proto == Some(PROTO_KEEPALIVED),
        };
        match link.addrs.iter_mut().find(|known| known.cidr == news.cidr) {
            Some(known) if *known == present => Change::Nothing,
            Some(known) => {
                *known = present;
                Change::Added(news.index)
            }
            None => {
                link.addrs.push(present);
                Change::Added(news.index)
            }
        }
    }

    fn addr_gone(&mut self, news: &Addr<'_>) -> Change {
        let Some(link) = self.get_mut(news.index) else {
            return Change::Nothing;
        };
        let Some(place) = link.addrs.iter().position(|known| known.cidr == news.cidr) else {
            return Change::Nothing;
        };
        link.addrs.remove(place);
        Change::Lost(news.index)
    }

    fn get_mut(&mut self, index: IfIndex) -> Option<&mut Interface> {
        let place = self
            .list
            .binary_search_by_key(&index, |link| link.index)
            .ok()?;
        self.list.get_mut(place)
    }

    // ---- delays ----

    fn delay_of(&self, name: &IfName, up: bool) -> Duration {
        let configured = self.delays.iter().find(|delays| delays.interface == *name);
        configured.map_or(
            Duration::ZERO,
            |delays| if up { delays.up } else { delays.down },
        )
    }

    /// When the next delayed change is to be believed.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.list.iter().filter_map(|link| link.settles).min()
    }

    /// Believes what has lasted long enough; tells whether anything changed.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        let mut changed = false;
        for link in &mut self.list {
            if link.settles.is_some_and(|at| at <= now) {
                link.settles = None;
                link.believed = link.up;
                changed = true;
            }
        }
        changed
    }
}

/// Begins, ends or leaves alone the waiting time of a change.
fn settle(link: &mut Interface, now: Instant, delay: Duration) {
    if link.up == link.believed {
        link.settles = None;
    } else if delay.is_zero() {
        link.believed = link.up;
        link.settles = None;
    } else if link.settles.is_none() {
        link.settles = Some(now.after(delay));
    }
}
