//! Routes and policy rules. Numbers are those of linux/rtnetlink.h and linux/fib_rules.h.

use core::fmt;
use core::net::IpAddr;

use crate::types::{Cidr, Family, IfName, RouteInsert};

/// A line of `virtual_routes` or `static_routes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Type, `RTN_*`.
    pub kind: u8,
    /// Destination, without host bits.
    pub dst: Cidr,
    /// `from`: IPv6 only.
    pub from: Option<Cidr>,
    /// `src`.
    pub src: Option<IpAddr>,
    /// `via` and `dev`, or each `nexthop`; empty for `blackhole` and the like. At most
    /// [`Route::MAX_HOPS`].
    pub hops: Vec<NextHop>,
    /// `table`; 0: that of the VRF of its interface, else the main table.
    pub table: u32,
    /// `metric`; 0: the kernel's default.
    pub metric: u32,
    /// `scope`.
    pub scope: u8,
    /// `protocol`.
    pub protocol: u8,
    /// `tos`.
    pub tos: u8,
    /// `realms`: source realm in the upper 16 bits, destination realm in the lower.
    pub realms: u32,
    /// `mtu`, `window` and so on: `RTAX_*` and value.
    pub metrics: Vec<(u16, u32)>,
    /// `congctl`.
    pub congestion: Option<String>,
    /// `pref`, `ICMPV6_ROUTER_PREF_*`: 0 medium, 1 high, 3 low.
    pub preference: u8,
    /// `expires`, in seconds.
    pub expires: Option<u32>,
    /// `prepend`, `append` or `add`.
    pub insert: RouteInsert,
    /// `no_track`: neither its removal nor the state of its interface affects the instance.
    pub no_track: bool,
    /// `track_group` of a static route: index in [`super::Config::track_groups`].
    pub track_group: Option<usize>,
}

impl Route {
    /// Most next hops of one route.
    pub const MAX_HOPS: usize = 16;
    /// `RTN_UNICAST`: an ordinary route.
    pub const UNICAST: u8 = 1;
    /// `RT_TABLE_MAIN`.
    pub const MAIN_TABLE: u32 = 254;
    /// `RTPROT_KEEPALIVED`: identifies the routes and rules the daemon installed.
    pub const PROTOCOL: u8 = 18;
}

/// A next hop of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// `via`.
    pub via: Option<IpAddr>,
    /// `dev`.
    pub dev: Option<IfName>,
    /// `weight`, 1-256.
    pub weight: u16,
    /// `onlink`.
    pub onlink: bool,
}

/// A line of `virtual_rules` or `static_rules`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// `inet`, `inet6`, or that of its addresses.
    pub family: Family,
    /// `not`.
    pub not: bool,
    /// `from`.
    pub from: Option<Cidr>,
    /// `to`.
    pub to: Option<Cidr>,
    /// `iif`.
    pub iif: Option<IfName>,
    /// `oif`.
    pub oif: Option<IfName>,
    /// `fwmark`: mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// `tos`.
    pub tos: u8,
    /// `priority`.
    pub priority: u32,
    /// Action, `FR_ACT_*`.
    pub action: u8,
    /// `table`, with `FR_ACT_TO_TBL`.
    pub table: u32,
    /// `goto`: priority of the rule to continue with, with `FR_ACT_GOTO`.
    pub target: u32,
    /// `realms`, as in [`Route`].
    pub realms: u32,
    /// `suppress_prefixlength`.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`.
    pub suppress_group: Option<u32>,
    /// `uidrange`: first and last.
    pub uids: Option<(u32, u32)>,
    /// `ipproto`; 0: any.
    pub ip_proto: u8,
    /// `sport`: first and last.
    pub sport: Option<(u16, u16)>,
    /// `dport`: first and last.
    pub dport: Option<(u16, u16)>,
    /// `l3mdev`.
    pub l3mdev: bool,
    /// `tunnel-id`; 0: any.
    pub tunnel: u64,
    /// `protocol`.
    pub protocol: u8,
    /// `no_track`.
    pub no_track: bool,
    /// `track_group`, as in [`Route`].
    pub track_group: Option<usize>,
}

// ---- as logged ----

/// As in the configuration, with the options that identify the line.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("route ")?;
        if self.dst.prefix == 0 {
            f.write_str("default")?;
        } else {
            self.dst.fmt(f)?;
        }
        for hop in &self.hops {
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
            if let Some(dev) = &hop.dev {
                write!(f, " dev {dev}")?;
            }
        }
        if self.table != Route::MAIN_TABLE {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rule {}", self.priority)?;
        for (name, cidr) in [(" from ", self.from), (" to ", self.to)] {
            if let Some(cidr) = cidr {
                write!(f, "{name}{cidr}")?;
            }
        }
        if self.table != 0 {
            write!(f, " table {}", self.table)?;
        }
        Ok(())
    }
}
