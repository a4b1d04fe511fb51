//! Routes.
//!
//! ```text
//! rtmsg: family u8 │ dst length u8 │ src length u8 │ TOS u8 │ table u8 │ protocol u8 │ scope u8 │ type u8 │ flags u32
//! rtnexthop: length u16 │ flags u8 │ weight - 1 u8 │ index i32 │ attributes: gateway, realm
//! ```
//! A single nexthop is described by attributes of the route, several by `rtnexthop` structs in
//! `RTA_MULTIPATH`. A table above 255 is in an attribute.
//!
//! Which attributes identify a route depends on the kernel and on the family, so a route is deleted
//! with the same attributes it was added with, except its metrics. They include the protocol, so
//! routes of other origin are not deleted.

use core::net::IpAddr;

use super::{
    Attrs, Batch, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, ParseError, Reader, address, family,
    family_number, link,
};
use crate::types::{Cidr, Family, IfIndex, RouteInsert};

pub(super) const RTM_NEWROUTE: u16 = 24;
/// A route was deleted; public for filters that look at the type before parsing.
pub const RTM_DELROUTE: u16 = 25;

const RTA_DST: u16 = 1;
const RTA_SRC: u16 = 2;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
const RTA_MULTIPATH: u16 = 9;
const RTA_FLOW: u16 = 11;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;

/// The metric whose value is text.
const RTAX_CC_ALGO: u16 = 16;

/// Type of a gateway or direct route.
pub const RTN_UNICAST: u8 = 1;
/// The main routing table.
pub const RT_TABLE_MAIN: u32 = 254;
/// Nexthop flag `onlink`.
const RTNH_F_ONLINK: u8 = 4;
const NLM_F_APPEND: u16 = 0x800;

/// A nexthop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nexthop {
    /// Gateway; may be of the other family.
    pub via: Option<IpAddr>,
    /// Interface; `None`: the kernel derives it from the gateway.
    pub index: Option<IfIndex>,
    /// Weight, 1–256.
    pub weight: u16,
    /// `onlink`: the gateway is directly reachable although no address matches.
    pub onlink: bool,
}

impl Nexthop {
    /// `RTNH_F_*`.
    fn flags(&self) -> u8 {
        if self.onlink { RTNH_F_ONLINK } else { 0 }
    }
}

/// A route to add or delete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DesiredRoute<'a> {
    /// `RTN_*`.
    pub kind: u8,
    /// Destination, without host bits.
    pub dst: Cidr,
    /// Source prefix (IPv6).
    pub from: Option<Cidr>,
    /// Preferred source address (`src`).
    pub src: Option<IpAddr>,
    /// Nexthops; none for `blackhole` and similar types.
    pub nexthops: &'a [Nexthop],
    /// Routing table.
    pub table: u32,
    /// 0: the kernel's default.
    pub metric: u32,
    /// `RT_SCOPE_*` (IPv4).
    pub scope: u8,
    /// `RTPROT_*`: origin.
    pub protocol: u8,
    /// Type of service (IPv4).
    pub tos: u8,
    /// Realms (IPv4): source in the upper, destination in the lower 16 bits; 0: none.
    pub realms: u32,
    /// `RTAX_*` and their values.
    pub metrics: &'a [(u16, u32)],
    /// Congestion control algorithm.
    pub congestion: Option<&'a str>,
    /// `RTA_PREF` (IPv6): 0 medium, 1 high, 3 low.
    pub preference: u8,
    /// Lifetime in seconds (IPv6).
    pub expires: Option<u32>,
}

/// A route reported by the kernel: the attributes that identify it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Destination.
    pub dst: Cidr,
    /// Routing table.
    pub table: u32,
    /// Metric.
    pub metric: u32,
    /// Origin.
    pub protocol: u8,
    /// `RTN_*`.
    pub kind: u8,
    /// Type of service.
    pub tos: u8,
    /// Preferred source address (`src`).
    pub src: Option<IpAddr>,
    /// Gateway of a single nexthop.
    pub via: Option<IpAddr>,
    /// Interface of a single nexthop.
    pub index: Option<IfIndex>,
}

// ---- requests ----

/// Appends a request that adds a route; fails with `EEXIST` if the same route exists.
pub fn add(batch: &mut Batch, spec: &DesiredRoute<'_>, insert: RouteInsert) -> u32 {
    let position = match insert {
        RouteInsert::Prepend => 0,
        RouteInsert::Append => NLM_F_APPEND,
        RouteInsert::Add => NLM_F_EXCL,
    };
    let flags = NLM_F_REQUEST | NLM_F_CREATE | position;
    let seq = request(batch, RTM_NEWROUTE, flags, spec, spec.kind);
    if spec.preference != 0 {
        batch.attr_u8(RTA_PREF, spec.preference);
    }
    if let Some(seconds) = spec.expires {
        batch.attr_u32_ne(RTA_EXPIRES, seconds);
    }
    if !spec.metrics.is_empty() || spec.congestion.is_some() {
        batch.nested(RTA_METRICS, |batch| {
            for (kind, value) in spec.metrics {
                batch.attr_u32_ne(*kind, *value);
            }
            if let Some(name) = spec.congestion {
                batch.attr(RTAX_CC_ALGO, name.as_bytes());
            }
        });
    }
    seq
}

/// Appends a request that deletes a route; fails with `ESRCH` if it does not exist.
pub fn delete(batch: &mut Batch, spec: &DesiredRoute<'_>) -> u32 {
    let kind = match spec.kind {
        // Any type, as ip-route(8) sends it.
        RTN_UNICAST => 0,
        other => other,
    };
    request(batch, RTM_DELROUTE, NLM_F_REQUEST, spec, kind)
}

/// The common part of the requests.
fn request(batch: &mut Batch, message: u16, flags: u16, spec: &DesiredRoute<'_>, kind: u8) -> u32 {
    let seq = batch.start(message, flags);
    let table = u8::try_from(spec.table).unwrap_or(0);
    let from = spec.from.map_or(0, |from| from.prefix);
    batch.fixed(&[family_number(spec.dst.family()), spec.dst.prefix, from]);
    batch.fixed(&[spec.tos, table, spec.protocol, spec.scope, kind]);
    let single = match spec.nexthops {
        [hop] if hop.weight <= 1 => Some(hop),
        _ => None,
    };
    let flags = single.map_or(0, Nexthop::flags);
    batch.fixed(&u32::from(flags).to_ne_bytes());
    if spec.dst.prefix > 0 {
        address(batch, RTA_DST, spec.dst.addr);
    }
    if let Some(from) = spec.from {
        address(batch, RTA_SRC, from.addr);
    }
    if let Some(src) = spec.src {
        address(batch, RTA_PREFSRC, src);
    }
    if spec.metric != 0 {
        batch.attr_u32_ne(RTA_PRIORITY, spec.metric);
    }
    if table == 0 {
        batch.attr_u32_ne(RTA_TABLE, spec.table);
    }
    match single {
        Some(hop) => {
            nexthop(batch, hop, spec);
            if let Some(index) = hop.index {
                batch.attr_u32_ne(RTA_OIF, index.0);
            }
        }
        None if !spec.nexthops.is_empty() => {
            batch.nested(RTA_MULTIPATH, |batch| nexthops(batch, spec))
        }
        None => {}
    }
    seq
}

/// Appends the `rtnexthop` structs.
fn nexthops(batch: &mut Batch, spec: &DesiredRoute<'_>) {
    for hop in spec.nexthops {
        let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
        batch.record([hop.flags(), weight], |batch| {
            let index = hop.index.map_or(0, |index| index.0);
            batch.fixed(&index.to_ne_bytes());
            nexthop(batch, hop, spec);
        });
    }
}

/// Appends gateway and realm of a nexthop.
fn nexthop(batch: &mut Batch, hop: &Nexthop, spec: &DesiredRoute<'_>) {
    match hop.via {
        Some(via) if Family::of(via) == spec.dst.family() => address(batch, RTA_GATEWAY, via),
        Some(via) => {
            // struct rtvia: family u16, address.
            let family = u16::from(family_number(Family::of(via))).to_ne_bytes();
            let mut value: heapless::Vec<u8, 18> = heapless::Vec::new();
            let _ = value.extend_from_slice(&family);
            let _ = match via {
                IpAddr::V4(addr) => value.extend_from_slice(&addr.octets()),
                IpAddr::V6(addr) => value.extend_from_slice(&addr.octets()),
            };
            batch.attr(RTA_VIA, &value);
        }
        None => {}
    }
    if spec.realms != 0 {
        batch.attr_u32_ne(RTA_FLOW, spec.realms);
    }
}

// ---- replies and notifications ----

/// Parses a route. `None` for families other than IPv4 and IPv6.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Route>, ParseError> {
    let mut r = Reader::new(payload);
    let [number, prefix, _, tos] = r.array()?;
    let [table, protocol, _, kind] = r.array()?;
    r.bytes(4)?;
    let Some((family, any)) = family(number) else {
        return Ok(None);
    };
    if prefix > family.host_prefix() {
        return Err(ParseError::Prefix(prefix));
    }
    let mut route = Route {
        dst: Cidr { addr: any, prefix },
        table: u32::from(table),
        metric: 0,
        protocol,
        kind,
        tos,
        src: None,
        via: None,
        index: None,
    };
    let mut dst = None;
    for attr in Attrs::new(r.rest()) {
        let attr = attr?;
        match attr.kind {
            RTA_DST => dst = Some(attr.ip(family)?),
            RTA_PREFSRC => route.src = Some(attr.ip(family)?),
            RTA_GATEWAY => route.via = Some(attr.ip(family)?),
            RTA_OIF => route.index = link::ifindex(attr.u32_ne()?),
            RTA_PRIORITY => route.metric = attr.u32_ne()?,
            RTA_TABLE => route.table = attr.u32_ne()?,
            _ => {}
        }
    }
    match dst {
        Some(addr) => route.dst.addr = addr,
        None if prefix > 0 => return Err(ParseError::Missing(RTA_DST)),
        None => {}
    }
    Ok(Some(route))
}
