//! A route or a rule: what the configuration says, and how the kernel is asked for it.

use crate::engine::cx::Cx;
use core::fmt;
use core::net::IpAddr;

use crate::config::model::{Route, Rule};
use crate::engine::kernel::interfaces::Interfaces;
use crate::netlink::route::{self, DesiredRoute, Nexthop};
use crate::netlink::{self, Batch, Message, rule};
use crate::types::{Family, IfName, RouteInsert};

type Hops = heapless::Vec<Nexthop, { Route::MAX_HOPS }>;

/// See the top of the file.
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

    /// The interfaces it is of no use without. One of several ways may fail.
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

    /// Whether the kernel tells of this one. A route is known by its destination and table: it need not be
    /// more exact, because asking for what is there changes nothing.
    pub(crate) fn is(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Item::Route(route), Message::DelRoute(told)) => {
                (route.dst, route.table, route.tos) == (told.dst, told.table, told.tos)
            }
            (Item::Rule(rule), Message::DelRule(told)) => as_rule(rule) == *told,
            _ => false,
        }
    }

    /// What of it this kernel is too old to read, and which one does. An unknown attribute is no error to the kernel:
    /// without it, the rule would be one for all packets, and the route one without gateway.
    pub(crate) fn unread(&self, cx: &mut Cx<'_>) -> Option<&'static str> {
        let (words, since) = match self {
            Item::Rule(rule)
                if rule.ip_proto != 0 || rule.sport.is_some() || rule.dport.is_some() =>
            {
                ("ipproto, sport and dport take Linux 4.17", (4, 17))
            }
            Item::Rule(rule) if rule.uids.is_some() => ("uidrange takes Linux 4.10", (4, 10)),
            Item::Route(route) if route.dst.family() == Family::V4 && via_v6(route) => {
                ("a gateway of IPv6 takes Linux 5.2", (5, 2))
            }
            Item::Rule(_) | Item::Route(_) => return None,
        };
        let release = cx.system.read_file(RELEASE).ok()?;
        (version(&release)? < since).then_some(words)
    }

    /// Asks for it, in as many requests as it takes; none while its interface does not exist.
    pub(crate) fn add(&self, links: &Interfaces, batch: &mut Batch) {
        let route = match self {
            Item::Route(route) => route,
            Item::Rule(rule) => {
                rule::add(batch, &as_rule(rule));
                return;
            }
        };
        let Some(hops) = hops(route, links) else {
            return;
        };
        if route.dst.family() == Family::V4 || hops.len() < 2 {
            route::add(batch, &spec(route, &hops), route.insert);
            return;
        }
        // Ways of an IPv6 route are routes of their own, of which some may be there and some not. Asked for
        // together they are refused together.
        for (nth, hop) in hops.iter().enumerate() {
            let insert = if nth == 0 {
                route.insert
            } else {
                RouteInsert::Append
            };
            route::add(batch, &spec(route, core::slice::from_ref(hop)), insert);
        }
    }

    /// Asks to delete it; not while its interface does not exist, which took it along.
    pub(crate) fn delete(&self, links: &Interfaces, batch: &mut Batch) {
        match self {
            Item::Route(route) => {
                if let Some(hops) = hops(route, links) {
                    route::delete(batch, &spec(route, &hops));
                }
            }
            Item::Rule(rule) => {
                rule::delete(batch, &as_rule(rule));
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

// ---- the kernel's age ----

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

// ---- the model in the kernel's words ----

/// The ways, with interfaces by number; `None` while one of them does not exist.
fn hops(route: &Route, links: &Interfaces) -> Option<Hops> {
    let mut hops = Hops::new();
    for hop in &route.hops {
        let index = match &hop.dev {
            Some(dev) => Some(links.by_name(dev)?.index),
            None => None,
        };
        // The model has no more than fit.
        let _ = hops.push(Nexthop {
            via: hop.via,
            index,
            weight: hop.weight,
            onlink: hop.onlink,
        });
    }
    Some(hops)
}

fn spec<'a>(route: &'a Route, nexthops: &'a [Nexthop]) -> DesiredRoute<'a> {
    DesiredRoute {
        kind: route.kind,
        dst: route.dst,
        from: route.from,
        src: route.src,
        nexthops,
        table: route.table,
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

fn as_rule(rule: &Rule) -> netlink::Rule<'_> {
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
    fn a_kernels_version_is_read_from_its_release() {
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
