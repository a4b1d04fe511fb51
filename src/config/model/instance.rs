//! `vrrp_instance`.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use super::{Route, Rule, Settings};
use crate::types::{Cidr, Family, IfName, Mac, Priority, Rare, VirtualLink, Vrid};

/// `vrrp_instance NAME { … }`. [`Default`] gives keepalived's values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VrrpInstance {
    /// Name, as in logs and notifications.
    pub name: String,
    /// `interface`; the empty name: none, see [`VrrpInstance::own_interface`].
    pub interface: IfName,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `priority` before tracking.
    pub priority: Priority,
    /// `virtual_ipaddress`: advertised.
    pub vips: Vec<Address>,
    /// `virtual_ipaddress_excluded`: installed but not advertised.
    pub excluded_vips: Vec<Address>,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// All other settings, which instances may have in common.
    pub settings: Settings,
}

impl Deref for VrrpInstance {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for VrrpInstance {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

impl VrrpInstance {
    /// `interface`; `None` for unicast without one: adverts are routed, and the addresses are on
    /// interfaces of their own.
    #[must_use]
    pub fn own_interface(&self) -> Option<&IfName> {
        self.interface.non_empty()
    }

    /// Whether adverts do not distinguish two instances: one VRID, and the same multicast group, or
    /// a common peer and no two addresses that adverts are sent from.
    #[must_use]
    pub fn is_ambiguous_with(&self, other: &VrrpInstance) -> bool {
        let one_interface = self.interface == other.interface;
        let same = self.vrid == other.vrid && self.family == other.family;
        same && match (&self.transport, &other.transport) {
            (Transport::Multicast { group: one }, Transport::Multicast { group: other }) => {
                one_interface && one == other
            }
            (Transport::Unicast { peers: one, .. }, Transport::Unicast { peers, .. }) => {
                let interfaces = self.own_interface().and(other.own_interface());
                let sources = self.src_ip.and(other.src_ip);
                (one_interface || interfaces.is_none())
                    && (sources.is_none() || self.src_ip == other.src_ip)
                    && one
                        .iter()
                        .any(|one| peers.iter().any(|peer| peer.addr == one.addr))
            }
            (Transport::Multicast { .. }, Transport::Unicast { .. })
            | (Transport::Unicast { .. }, Transport::Multicast { .. }) => false,
        }
    }
}

/// How adverts are sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// To a multicast group.
    Multicast {
        /// `mcast_dst_ip`, else `vrrp_mcast_group4` or `vrrp_mcast_group6`.
        group: IpAddr,
    },
    /// To each peer.
    Unicast {
        /// `unicast_peer`; may be empty.
        peers: Vec<Peer>,
        /// `unicast_ttl`.
        ttl: u8,
        /// `check_unicast_src`, or a peer with TTL limits: adverts from other addresses are
        /// discarded.
        check_source: bool,
    },
}

impl Transport {
    /// 224.0.0.18, assigned to VRRP (RFC 9568 §5.1.1.2).
    pub const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
    /// ff02::12, assigned to VRRP (RFC 9568 §5.1.2.2).
    pub const GROUP_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));
}

/// A line of `unicast_peer`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Smallest TTL accepted from it.
    pub min_ttl: u8,
    /// Largest TTL accepted from it.
    pub max_ttl: u8,
}

/// Settings of gratuitous ARP and unsolicited neighbor advertisements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Garp {
    /// `garp_master_repeat`: rounds per burst, at least 1.
    pub repeat: u16,
    /// `garp_master_delay`: time from becoming master to the second burst; zero: no second burst.
    pub delay: Duration,
    /// `garp_master_refresh`: zero: off.
    pub refresh: Duration,
    /// `garp_master_refresh_repeat`, at least 1.
    pub refresh_repeat: u16,
    /// `garp_lower_prio_repeat`; 0: none.
    pub lower_prio_repeat: u16,
    /// `garp_lower_prio_delay`; zero: no second burst.
    pub lower_prio_delay: Duration,
    /// `vrrp_garp_interval`: gap between two ARPs on an interface; zero: none.
    pub interval: Duration,
    /// `vrrp_gna_interval`: gap between two neighbor advertisements on an interface; zero: none.
    pub gna_interval: Duration,
    /// `garp_extra_if`: time between the periodic ones on other interfaces than the instance's; zero:
    /// off.
    pub extra: Duration,
    /// `garp_extra_if all`: not only on virtual interfaces.
    pub extra_all: bool,
}

/// A line of `virtual_ipaddress`, `virtual_ipaddress_excluded` or `static_ipaddress`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Address and prefix length; 32 or 128 where none is written.
    pub cidr: Cidr,
    /// `dev`, else the instance's interface or `default_interface`.
    pub dev: IfName,
    /// `preferred_lft` in seconds; `None`: forever. 0 for an IPv6 /128 unless configured.
    pub preferred_lft: Option<u32>,
    /// Options that few addresses have.
    pub options: Rare<AddressOptions>,
}

/// The other options of an address line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressOptions {
    /// `brd`; `+` and `-` are replaced by the address they stand for.
    pub broadcast: Option<Ipv4Addr>,
    /// `scope`, `RT_SCOPE_*`: 0 global, 200 site, 253 link, 254 host, 255 nowhere.
    pub scope: u8,
    /// `label`, at most 15 bytes.
    pub label: Option<IfName>,
    /// `peer`.
    pub peer: Option<Cidr>,
    /// `-nodad`.
    pub nodad: bool,
    /// `home`.
    pub home: bool,
    /// `mngtmpaddr`.
    pub mngtmpaddr: bool,
    /// `noprefixroute`.
    pub noprefixroute: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `no_track`: neither its removal nor the state of its interface affects the instance.
    pub no_track: bool,
    /// `track_group` of a static address: index in [`super::Config::track_groups`].
    pub track_group: Option<usize>,
}

impl fmt::Debug for Address {
    /// One list of fields: that some are kept apart is not a property of the configuration.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &*self.options;
        f.debug_struct("Address")
            .field("cidr", &self.cidr)
            .field("dev", &self.dev)
            .field("broadcast", &options.broadcast)
            .field("scope", &options.scope)
            .field("label", &options.label)
            .field("peer", &options.peer)
            .field("preferred_lft", &self.preferred_lft)
            .field("nodad", &options.nodad)
            .field("home", &options.home)
            .field("mngtmpaddr", &options.mngtmpaddr)
            .field("noprefixroute", &options.noprefixroute)
            .field("autojoin", &options.autojoin)
            .field("no_track", &options.no_track)
            .field("track_group", &options.track_group)
            .finish()
    }
}

/// A virtual interface: `use_vmac`, `use_ipvlan`, `use_vmac_addr`, and `use_vmac` of an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vmac {
    /// Its name.
    pub name: IfName,
    /// The interface below it.
    pub base: IfName,
    /// Type and its settings.
    pub link: VirtualLink,
    /// Family of its addresses.
    pub family: Family,
    /// Its use by the instance.
    pub role: VmacRole,
    /// `group`: interface group; `None`: that of the base interface.
    pub group: Option<u32>,
}

impl Vmac {
    /// Its Ethernet address; `None` if it has that of the base interface.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        match self.link {
            VirtualLink::Macvlan(mac) => Some(mac),
            VirtualLink::Ipvlan(_) => None,
        }
    }
}

/// The use of a virtual interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VmacRole {
    /// Adverts and the addresses of the instance.
    Adverts,
    /// The addresses of the instance; adverts are sent from the base interface (`vmac_xmit_base`).
    XmitBase,
    /// Addresses with a `dev` or of the other family.
    Addresses,
}
