//! Routes and policy rules as keepalived shows them: nearly as in the configuration, with defaults
//! filled in, tables and protocols by number.

use core::fmt::{self, Display, Formatter};

use super::ManagedItem;
use crate::config::model::{NextHop, Route, Rule};
use crate::types::{Cidr, Family, RouteInsert};

/// Names of `RTAX_*`, by number.
const METRICS: [&str; 18] = [
    "",
    "lock",
    "mtu",
    "window",
    "rtt",
    "rttvar",
    "ssthresh",
    "cwnd",
    "advmss",
    "reordering",
    "hoplimit",
    "initcwnd",
    "features",
    "rto_min",
    "initrwnd",
    "quickack",
    "congctl",
    "fastopen_no_cookie",
];

/// Names of `RTN_*`, by number.
const KINDS: [&str; 10] = [
    "",
    "",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
];

/// `prepend 203.0.113.0/24 via inet 192.0.2.2 dev eth0 proto 18 metric 5`
impl Display for ManagedItem<'_, Route> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let route = self.item;
        f.write_str(match route.insert {
            RouteInsert::Prepend => "prepend",
            RouteInsert::Append => "append",
            RouteInsert::Add => "add",
        })?;
        let kind = KINDS.get(usize::from(route.kind)).unwrap_or(&"");
        if !kind.is_empty() {
            write!(f, " {kind}")?;
        }
        write!(f, " {}", Prefix(route.dst))?;
        named(f, "from", route.from.map(Prefix))?;
        named(f, "src", route.src)?;
        match route.hops.as_slice() {
            [hop] => way(f, hop)?,
            hops => {
                for hop in hops {
                    f.write_str(" nexthop")?;
                    way(f, hop)?;
                    write!(f, " weight {}", hop.weight)?;
                }
            }
        }
        // 254 is the main table.
        named(f, "table", (route.table != 254).then_some(route.table))?;
        named(f, "scope", (route.scope != 0).then_some(route.scope))?;
        named(f, "tos", (route.tos != 0).then_some(route.tos))?;
        write!(f, " proto {}", route.protocol)?;
        named(f, "metric", (route.metric != 0).then_some(route.metric))?;
        realms(f, route.realms)?;
        for (number, value) in &route.metrics {
            let name = METRICS.get(usize::from(*number)).unwrap_or(&"metric");
            write!(f, " {name} {value}")?;
        }
        named(
            f,
            "congctl",
            route.congestion.as_deref().map(super::Escaped),
        )?;
        named(f, "expires", route.expires)?;
        if route.no_track {
            f.write_str(" no_track")?;
        }
        self.status.fmt(f)
    }
}

fn way(f: &mut Formatter<'_>, hop: &NextHop) -> fmt::Result {
    if let Some(via) = hop.via {
        let family = match Family::of(via) {
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        write!(f, " via {family} {via}")?;
    }
    named(f, "dev", hop.dev.as_ref())?;
    f.write_str(if hop.onlink { " onlink" } else { "" })
}

/// `from 203.0.113.0/24 priority 2000 tos 0x0 protocol 18 lookup 101`
impl Display for ManagedItem<'_, Rule> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let rule = self.item;
        if rule.not {
            f.write_str("not ")?;
        }
        match (rule.from, rule.to) {
            (None, None) => f.write_str("from all")?,
            (Some(from), None) => write!(f, "from {}", Prefix(from))?,
            (None, Some(to)) => write!(f, "to {}", Prefix(to))?,
            (Some(from), Some(to)) => write!(f, "from {} to {}", Prefix(from), Prefix(to))?,
        }
        write!(f, " priority {}", rule.priority)?;
        if let Some((mark, mask)) = rule.fwmark {
            write!(f, " fwmark {mark:#x}/{mask:#x}")?;
        }
        named(f, "iif", rule.iif.as_ref())?;
        named(f, "oif", rule.oif.as_ref())?;
        write!(f, " tos {:#x}", rule.tos)?;
        realms(f, rule.realms)?;
        named(f, "suppress_prefixlength", rule.suppress_prefix)?;
        named(f, "suppress_ifgroup", rule.suppress_group)?;
        named(f, "ipproto", (rule.ip_proto != 0).then_some(rule.ip_proto))?;
        range(f, "uidrange", rule.uids)?;
        range(f, "sport", rule.sport)?;
        range(f, "dport", rule.dport)?;
        named(f, "tunnel-id", (rule.tunnel != 0).then_some(rule.tunnel))?;
        f.write_str(if rule.l3mdev { " l3mdev" } else { "" })?;
        write!(f, " protocol {}", rule.protocol)?;
        action(f, rule)?;
        if rule.no_track {
            f.write_str(" no_track")?;
        }
        self.status.fmt(f)
    }
}

/// `FR_ACT_*`.
fn action(f: &mut Formatter<'_>, rule: &Rule) -> fmt::Result {
    match rule.action {
        1 if rule.l3mdev => Ok(()),
        1 => write!(f, " lookup {}", rule.table),
        2 => write!(f, " goto {}", rule.target),
        3 => f.write_str(" nop"),
        6 => f.write_str(" blackhole"),
        7 => f.write_str(" unreachable"),
        8 => f.write_str(" prohibit"),
        other => write!(f, " action {other}"),
    }
}

fn named(f: &mut Formatter<'_>, name: &str, value: Option<impl Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {name} {value}"),
        None => Ok(()),
    }
}

fn range<T: Display>(f: &mut Formatter<'_>, name: &str, value: Option<(T, T)>) -> fmt::Result {
    match value {
        Some((first, last)) => write!(f, " {name} {first}-{last}"),
        None => Ok(()),
    }
}

fn realms(f: &mut Formatter<'_>, realms: u32) -> fmt::Result {
    match realms {
        0 => Ok(()),
        _ => write!(f, " realms {}/{}", realms >> 16, realms & 0xffff),
    }
}

/// A destination: `default`, a host without prefix length, or a network.
struct Prefix(Cidr);

impl Display for Prefix {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0.prefix {
            0 => f.write_str("default"),
            all if all == self.0.family().host_prefix() => self.0.addr.fmt(f),
            _ => self.0.fmt(f),
        }
    }
}
