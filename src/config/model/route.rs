//! Routes and policy rules. Numbers are the kernel's, from linux/rtnetlink.h and linux/fib_rules.h.

use core::fmt;
use core::net::IpAddr;

use crate::types::{Cidr, Family, IfName};

/// A line of `virtual_routes` or `static_routes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// `RTN_*`: 1 for an ordinary route.
    pub kind: u8,
    /// Destination, without host bits.
    pub dst: Cidr,
    /// `from`: IPv6 only.
    pub from: Option<Cidr>,
    /// `src`.
    pub src: Option<IpAddr>,
    /// `via` and `dev`, or every `nexthop`; none for `blackhole` and the like. At most [`Route::MAX_HOPS`].
    pub hops: Vec<NextHop>,
    /// `table`.
    pub table: u32,
    /// `metric`; 0: the kernel's default.
    pub metric: u32,
    /// `scope`.
    pub scope: u8,
    /// `protocol`.
    pub protocol: u8,
    /// `tos`.
    pub tos: u8,
    /// `realms`: from in the upper half, to in the lower.
    pub realms: u32,
    /// `mtu` and so on: `RTAX_*` and value.
    pub metrics: Vec<(u16, u32)>,
    /// `congctl`.
    pub congestion: Option<String>,
    /// `pref`: 0 medium, 1 high, 3 low.
    pub preference: u8,
    /// `expires`, in seconds.
    pub expires: Option<u32>,
    /// `prepend`, `append` or `add`.
    pub insert: RouteInsert,
    /// `no_track`: its deletion is not our business, nor the state of its interface.
    pub no_track: bool,
    /// `track_group`, of static ones: place in [`super::Config::track_groups`].
    pub track_group: Option<usize>,
}

impl Route {
    /// More ways than these one route does not have.
    pub const MAX_HOPS: usize = 16;
    /// `RTPROT_KEEPALIVED`: how a route or rule is known to be ours.
    pub const PROTOCOL: u8 = 18;
}

/// A way of a route.
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

impl Default for NextHop {
    fn default() -> Self {
        NextHop {
            via: None,
            dev: None,
            weight: 1,
            onlink: false,
        }
    }
}

/// Where a route stands among those with the same destination and metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteInsert {
    /// `prepend`, and without any word.
    Prepend,
    /// `append`.
    Append,
    /// `add`: refused if there are others.
    Add,
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
    /// `FR_ACT_*`.
    pub action: u8,
    /// `table`, if that is the action.
    pub table: u32,
    /// `goto`, if that is the action.
    pub target: u32,
    /// `realms`, as in [`Route`].
    pub realms: u32,
    /// `suppress_prefixlength`.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`.
    pub suppress_group: Option<u32>,
    /// `uidrange`.
    pub uids: Option<(u32, u32)>,
    /// `ipproto`; 0: any.
    pub ip_proto: u8,
    /// `sport`.
    pub sport: Option<(u16, u16)>,
    /// `dport`.
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

// ---- for the log ----

/// As in the configuration, without what nobody needs to find the line.
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
        if self.table != 254 {
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
