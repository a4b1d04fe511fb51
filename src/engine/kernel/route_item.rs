//! A configured route or rule, and its netlink requests.

use core::fmt;
use core::net::IpAddr;

use crate::config::model::{Route, Rule};
use crate::engine::cx::Cx;
use crate::engine::kernel::interfaces::Interfaces;
use crate::netlink::route::{self, DesiredRoute, Nexthop};
use crate::netlink::{self, Batch, Message, rule};
use crate::types::{Family, IfName, RouteInsert};

type Nexthops = heapless::Vec<Nexthop, { Route::MAX_HOPS }>;

/// A route or rule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    Route(Route),
    Rule(Rule),
}

impl Item {
    pub(crate) fn no_track(&self) -> bool {
        match self {
            Item::Route(route) => route.no_track,
            Item::Rule(rule) => rule.no_track,
        }
    }

    pub(crate) fn track_group(&self) -> Option<usize> {
        match self {
            Item::Route(route) => route.track_group,
            Item::Rule(rule) => rule.track_group,
        }
    }

    /// The interfaces it depends on. A multipath route depends on none.
    pub(crate) fn devs(&self) -> impl Iterator<Item = &IfName> {
        let names = match self {
            Item::Route(route) => match route.hops.as_slice() {
                [hop] => [hop.dev.as_ref(), None],
                _ => [None, None],
            },
            Item::Rule(rule) => [rule.iif.as_ref(), rule.oif.as_ref()],
        };
        names.into_iter().flatten()
    }

    /// Whether the event of a deletion may be about this one. For a route, destination, table and
    /// TOS are compared; an unnecessary request changes nothing.
    pub(crate) fn is(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Item::Route(route), Message::DelRoute(gone)) => {
                let table = route.table == 0 || route.table == gone.table;
                table && (route.dst, route.tos) == (gone.dst, gone.tos)
            }
            (Item::Rule(rule), Message::DelRule(gone)) => netlink_rule(rule) == *gone,
            _ => false,
        }
    }

    /// Why this kernel is too old for it. Kernels ignore attributes that they do not know: the rule
    /// would match all packets, and the route would have no gateway.
    pub(crate) fn unsupported(&self, cx: &mut Cx<'_>) -> Option<&'static str> {
        let (text, since) = match self {
            Item::Rule(rule)
                if rule.ip_proto != 0 || rule.sport.is_some() || rule.dport.is_some() =>
            {
                ("ipproto, sport and dport require Linux 4.17", (4, 17))
            }
            Item::Rule(rule) if rule.uids.is_some() => ("uidrange requires Linux 4.10", (4, 10)),
            Item::Route(route) if route.dst.family() == Family::V4 && via_v6(route) => {
                ("an IPv6 gateway requires Linux 5.2", (5, 2))
            }
            Item::Rule(_) | Item::Route(_) => return None,
        };
        let release = cx.system.read_file(RELEASE).ok()?;
        (version(&release)? < since).then_some(text)
    }

    /// Appends the requests that install it; none while its interface does not exist.
    pub(crate) fn add(&self, links: &Interfaces, batch: &mut Batch) {
        let route = match self {
            Item::Route(route) => route,
            Item::Rule(rule) => {
                rule::add(batch, &netlink_rule(rule));
                return;
            }
        };
        let Some(hops) = nexthops(route, links) else {
            return;
        };
        if route.dst.family() == Family::V4 || hops.len() < 2 {
            route::add(batch, &desired_route(route, &hops, links), route.insert);
            return;
        }
        // Each next hop of an IPv6 route is a route of its own, of which some may exist. In one
        // request they would be refused together.
        for (nth, hop) in hops.iter().enumerate() {
            let insert = if nth == 0 {
                route.insert
            } else {
                RouteInsert::Append
            };
            route::add(
                batch,
                &desired_route(route, core::slice::from_ref(hop), links),
                insert,
            );
        }
    }

    /// Appends the request that deletes it; none if its interface, and the route with it, is gone.
    pub(crate) fn delete(&self, links: &Interfaces, batch: &mut Batch) {
        match self {
            Item::Route(route) => {
                if let Some(hops) = nexthops(route, links) {
                    route::delete(batch, &desired_route(route, &hops, links));
                }
            }
            Item::Rule(rule) => {
                rule::delete(batch, &netlink_rule(rule));
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Route(route) => route.fmt(f),
            Item::Rule(rule) => rule.fmt(f),
        }
    }
}

// ---- kernel version ----

const RELEASE: &str = "/proc/sys/kernel/osrelease";

fn via_v6(route: &Route) -> bool {
    let mut hops = route.hops.iter();
    hops.any(|hop| matches!(hop.via, Some(IpAddr::V6(_))))
}

/// The first two numbers of `4.9.0-13-arm`.
fn version(release: &[u8]) -> Option<(u16, u16)> {
    let mut parts = release.split(|byte| !byte.is_ascii_digit());
    let mut next = || core::str::from_utf8(parts.next()?).ok()?.parse().ok();
    Some((next()?, next()?))
}

// ---- model to netlink ----

/// The next hops with interface indexes; `None` while an interface does not exist.
fn nexthops(route: &Route, links: &Interfaces) -> Option<Nexthops> {
    let mut hops = Nexthops::new();
    for hop in &route.hops {
        let index = match &hop.dev {
            Some(dev) => Some(links.by_name(dev)?.index),
            None => None,
        };
        // The configuration limits their number to the capacity.
        let _ = hops.push(Nexthop {
            via: hop.via,
            index,
            weight: hop.weight,
            onlink: hop.onlink,
        });
    }
    Some(hops)
}

fn desired_route<'a>(
    route: &'a Route,
    nexthops: &'a [Nexthop],
    links: &Interfaces,
) -> DesiredRoute<'a> {
    let dev = || nexthops.first().and_then(|hop| hop.index);
    let table = match route.table {
        0 => dev().and_then(|index| links.table_of(index)),
        table => Some(table),
    };
    DesiredRoute {
        kind: route.kind,
        dst: route.dst,
        from: route.from,
        src: route.src,
        nexthops,
        table: table.unwrap_or(Route::MAIN_TABLE),
        metric: route.metric,
        scope: route.scope,
        protocol: route.protocol,
        tos: route.tos,
        realms: route.realms,
        metrics: &route.metrics,
        congestion: route.congestion.as_deref(),
        preference: route.preference,
        expires: route.expires,
    }
}

fn netlink_rule(rule: &Rule) -> netlink::Rule<'_> {
    netlink::Rule {
        family: rule.family,
        not: rule.not,
        from: rule.from,
        to: rule.to,
        iif: rule.iif.as_ref().map(IfName::as_str),
        oif: rule.oif.as_ref().map(IfName::as_str),
        fwmark: rule.fwmark,
        tos: rule.tos,
        priority: rule.priority,
        action: rule.action,
        table: rule.table,
        target: rule.target,
        realms: rule.realms,
        suppress_prefix: rule.suppress_prefix,
        suppress_group: rule.suppress_group,
        uids: rule.uids,
        ip_proto: rule.ip_proto,
        sport: rule.sport,
        dport: rule.dport,
        l3mdev: rule.l3mdev,
        tunnel: rule.tunnel,
        protocol: rule.protocol,
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn kernel_version_is_parsed_from_its_release() {
        for (release, want) in [
            ("4.9.0-13-arm\n", Some((4, 9))),
            ("4.17-rc1", Some((4, 17))),
            ("6.18.5", Some((6, 18))),
            ("10.0", Some((10, 0))),
            ("5", None),
            ("", None),
            ("-4.9", None),
            ("4.99999", None),
        ] {
            assert_eq!(version(release.as_bytes()), want, "{release:?}");
        }
    }
}
