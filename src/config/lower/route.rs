//! `virtual_routes` and `static_routes`.
//!
//! A line is read word by word into a [`RouteLine`], because its address family, and with it the
//! meaning of `default`, may be known only at its end. An error that would send packets elsewhere
//! than the line says leaves the route out; an invalid property is left out alone.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::metric;
use super::names::NameKind;
use super::{Lowering, number};
use crate::config::diag::{Severity, Span};
use crate::config::model::{NextHop, Route};
use crate::config::schema::value::{self, Selector};
use crate::config::tree::{Node, Word};
use crate::types::{Cidr, Family, IfName, RouteInsert};

/// Most routes and rules together. A mistake in a `~SEQ` must not exhaust the router's memory.
pub(super) const MAX_ROUTES: u32 = 32_768;

/// Route types by name: `RTN_*`, and the scope they require (254 host, 253 link).
const KINDS: &[(&str, u8, u8)] = &[
    ("unicast", Route::UNICAST, 0),
    ("local", 2, 254),
    ("broadcast", 3, 253),
    ("anycast", 4, 253),
    ("multicast", 5, 253),
    ("blackhole", 6, 0),
    ("unreachable", 7, 0),
    ("prohibit", 8, 0),
    ("throw", 9, 0),
];
const LOCAL: u8 = 2;
const ANYCAST: u8 = 4;
/// Types above this have no next hop.
const MULTICAST: u8 = 5;

const LOCAL_TABLE: u32 = 255;

/// A line that is being read.
struct RouteLine {
    route: Route,
    dst: Option<Selector>,
    from: Option<Selector>,
    family: Option<Family>,
    table: Option<u32>,
    scope: Option<u8>,
    /// The current next hop.
    hop: NextHop,
    /// Locked metrics, a bit for each.
    locks: u32,
    /// `or` was used: `dev` applies to all next hops.
    old_style: bool,
}

impl RouteLine {
    fn new() -> Self {
        RouteLine {
            route: Route::default(),
            dst: None,
            from: None,
            family: None,
            table: None,
            scope: None,
            hop: NextHop::default(),
            locks: 0,
            old_style: false,
        }
    }

    /// Ends the current next hop and starts another.
    fn next_hop(&mut self) {
        let hop = core::mem::take(&mut self.hop);
        if hop.via.is_some() || hop.dev.is_some() {
            self.route.hops.push(hop);
        }
    }

    /// The address family, when all words have been read.
    fn family(&self) -> Family {
        let of = |addr: Option<IpAddr>| addr.map(Family::of);
        let via = self.route.hops.first().and_then(|hop| hop.via);
        let mut nets = [self.dst, self.from].into_iter().flatten();
        let net = nets.find_map(|net| match net {
            Selector::Net(net) => Some(net.family()),
            Selector::All => None,
        });
        self.family
            .or(net)
            .or(of(self.route.src))
            .or(of(via))
            .unwrap_or(Family::V4)
    }
}

/// Iterates over the words of a line.
pub(super) struct Words<'a> {
    first: Option<&'a Word>,
    rest: core::slice::Iter<'a, Word>,
}

impl<'a> Words<'a> {
    pub(super) fn of(item: &'a Node) -> Self {
        Words {
            first: Some(&item.keyword),
            rest: item.args.iter(),
        }
    }

    pub(super) fn next(&mut self) -> Option<&'a Word> {
        self.first.take().or_else(|| self.rest.next())
    }

    /// Takes the next word if it is one of these.
    fn skip(&mut self, words: &[&str]) -> bool {
        let next = self.rest.as_slice().first();
        let found = next.is_some_and(|word| words.contains(&&*word.text));
        if found {
            self.rest.next();
        }
        found
    }

    /// The next word, parsed.
    pub(super) fn value<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.next().and_then(|word| read(&word.text))
    }
}

impl Lowering<'_> {
    /// The routes of a block.
    pub(super) fn routes<'a>(&mut self, items: impl Iterator<Item = &'a Node>) -> Vec<Route> {
        let mut list = Vec::new();
        for item in items {
            if let Some(route) = self.route(item)
                && self.count_route(item.keyword.span)
            {
                list.push(route);
            }
        }
        list
    }

    /// Counts a route or rule; false, and reported once, beyond the limit.
    pub(super) fn count_route(&mut self, span: Span) -> bool {
        self.routes = self.routes.saturating_add(1);
        if self.routes == MAX_ROUTES.saturating_add(1) {
            let message = format!("more than {MAX_ROUTES} routes and rules; the rest are left out");
            self.diags.report(Severity::Error, span, message);
        }
        self.routes <= MAX_ROUTES
    }

    /// A line; `None` if the route is left out, which has been reported.
    fn route(&mut self, item: &Node) -> Option<Route> {
        let mut line = RouteLine::new();
        let mut words = Words::of(item);
        while let Some(word) = words.next() {
            let known = self.route_selector(&mut line, word, &mut words)?
                || self.next_hop_option(&mut line, word, &mut words)
                || self.route_property(&mut line, word, &mut words)?;
            if !known {
                line.dst = value::selector(&word.text).or(line.dst);
            }
        }
        line.next_hop();
        self.finish_route(line, item)
    }

    /// Options that identify the route: destination, table, type and so on. False if it is another
    /// option; `None` if the route is left out.
    fn route_selector(
        &mut self,
        line: &mut RouteLine,
        word: &Word,
        words: &mut Words<'_>,
    ) -> Option<bool> {
        let route = &mut line.route;
        match &*word.text {
            "inet" => line.family = Some(Family::V4),
            "inet6" => line.family = Some(Family::V6),
            "to" => line.dst = words.value(value::selector),
            "from" => line.from = words.value(value::selector),
            "src" => route.src = words.value(value::ip),
            "table" => line.table = Some(self.number_of(NameKind::Table, words.next()?)?),
            "metric" => route.metric = words.value(number).unwrap_or(0),
            "scope" => line.scope = words.value(value::scope),
            "protocol" => route.protocol = self.byte_of(NameKind::Protocol, words.next()?)?,
            "tos" => route.tos = self.byte_of(NameKind::Tos, words.next()?)?,
            "type" => {
                let name = words.next()?;
                let Some(kind) = kind(&name.text) else {
                    let message = format!("unknown route type `{}`; line ignored", name.text);
                    self.diags.report(Severity::Error, name.span, message);
                    return None;
                };
                route.kind = kind;
            }
            "add" => route.insert = RouteInsert::Add,
            "append" => route.insert = RouteInsert::Append,
            "prepend" => route.insert = RouteInsert::Prepend,
            "no_track" => route.no_track = true,
            "track_group" => {
                route.track_group = words.next().and_then(|word| self.track_group(word))
            }
            name @ ("encap" | "as" | "vrf") => {
                let instead = match name {
                    "vrf" => "; write `table N` with the table of the VRF",
                    _ => "",
                };
                let message = format!("`{name}` is not supported; line ignored{instead}");
                self.unsupported(word.span, message);
                return None;
            }
            other => match kind(other) {
                Some(kind) => route.kind = kind,
                None => return Some(false),
            },
        }
        Some(true)
    }

    /// Options of a next hop. False if it is another option.
    fn next_hop_option(
        &mut self,
        line: &mut RouteLine,
        word: &Word,
        words: &mut Words<'_>,
    ) -> bool {
        match &*word.text {
            "nexthop" => line.next_hop(),
            "or" => {
                line.next_hop();
                line.old_style = true;
                words.skip(&["inet", "inet6"]);
                line.hop.via = words.value(value::ip);
                let help = "write each next hop as `nexthop via ADDRESS`";
                let message = "`or` is obsolete; taken as another next hop";
                self.note_with_help(word.span, message, help);
            }
            "via" => {
                words.skip(&["inet", "inet6"]);
                line.hop.via = words.value(value::ip);
            }
            "dev" => line.hop.dev = words.value(IfName::new),
            "weight" => line.hop.weight = words.value(number).unwrap_or(1),
            "onlink" => line.hop.onlink = true,
            _ => return false,
        }
        true
    }

    /// Metrics and other properties. False if it is another option; `None` if the route is left
    /// out.
    fn route_property(
        &mut self,
        line: &mut RouteLine,
        word: &Word,
        words: &mut Words<'_>,
    ) -> Option<bool> {
        let route = &mut line.route;
        let name = &*word.text;
        if let Some(number) = metric::number(name) {
            if words.skip(&["lock"]) {
                line.locks |= 1_u32.checked_shl(u32::from(number)).unwrap_or(0);
            }
            let text = words.next()?;
            match metric::value(number, &text.text) {
                _ if number == metric::CONGCTL => route.congestion = Some(text.text.to_string()),
                Some(value) => route.metrics.push((number, value)),
                None => self.warn(
                    text.span,
                    format!("`{}` is not a valid value of `{name}`; ignored", text.text),
                ),
            }
            return Some(true);
        }
        match name {
            "realms" => route.realms = self.realms(words.next()?)?,
            "pref" => {
                route.preference = match words.next().map(|word| &*word.text) {
                    Some("high") => 1,
                    Some("low") => 3,
                    _ => 0,
                }
            }
            "expires" => route.expires = words.value(number),
            "ttl-propagate" => {
                words.next();
                let message = "`ttl-propagate` is not supported; ignored";
                self.unsupported(word.span, message);
            }
            _ => return Some(false),
        }
        Some(true)
    }

    // ---- names, also of rules ----

    /// The number that a word is or names; reported if there is none.
    pub(super) fn number_of(&mut self, kind: NameKind, word: &Word) -> Option<u32> {
        let number = self.names.number(kind, &word.text);
        if number.is_none() {
            let message = format!(
                "unknown {} `{}`; line ignored",
                kind.description(),
                word.text
            );
            let help = format!("write its number, or a name from {}", self.names.file(kind));
            self.error(word.span, message, help);
        }
        number
    }

    pub(super) fn byte_of(&mut self, kind: NameKind, word: &Word) -> Option<u8> {
        self.number_of(kind, word)
            .and_then(|number| u8::try_from(number).ok())
    }

    /// `realms [FROM/]TO`.
    pub(super) fn realms(&mut self, word: &Word) -> Option<u32> {
        let (from, to) = word.text.split_once('/').unwrap_or(("0", &word.text));
        let mut realm = |text: &str| {
            let word = Word {
                text: text.into(),
                span: word.span,
            };
            self.number_of(NameKind::Realm, &word)
        };
        Some(realm(from)? << 16 | realm(to)?)
    }

    // ---- the whole line ----

    /// Checks the line as a whole and completes the route.
    fn finish_route(&mut self, line: RouteLine, item: &Node) -> Option<Route> {
        let span = item.keyword.span;
        let family = line.family();
        let RouteLine {
            mut route,
            dst,
            from,
            table,
            scope,
            locks,
            old_style,
            ..
        } = line;
        let Some(dst) = dst else {
            let help = "write NETWORK/PREFIX or `default`";
            self.error(span, "the route has no destination; line ignored", help);
            return None;
        };
        route.dst = self.network(dst, family, span);
        route.from = from.map(|from| self.network(from, family, span));
        if route.from.is_some() && family == Family::V4 {
            let help = "write a rule `from NETWORK table N` in `virtual_rules`, and `table N` in the route";
            self.error(
                span,
                "IPv4 routes do not support a source network (`from`); line ignored",
                help,
            );
            return None;
        }
        self.check_route_family(&route, family, span)?;
        self.check_next_hops(&mut route, old_style, span)?;
        let (_, _, default_scope) = KINDS.iter().find(|(_, kind, _)| *kind == route.kind)?;
        if family == Family::V4 {
            route.scope = scope.unwrap_or(*default_scope);
        }
        let local = (LOCAL..=ANYCAST).contains(&route.kind);
        route.table = table.unwrap_or(if local {
            LOCAL_TABLE
        } else {
            Route::MAIN_TABLE
        });
        if locks != 0 {
            route.metrics.push((metric::LOCK, locks));
        }
        self.require_own_protocol(&mut route.protocol, route.no_track, span);
        Some(route)
    }

    /// Reports addresses of the other family.
    fn check_route_family(&mut self, route: &Route, family: Family, span: Span) -> Option<()> {
        let gateways = route.hops.iter().filter_map(|hop| hop.via);
        // An IPv4 route may have an IPv6 gateway, but not vice versa.
        let gateways = gateways.filter(|_| family == Family::V6);
        let nets = [
            Some(route.dst.addr),
            route.from.map(|from| from.addr),
            route.src,
        ];
        let mut all = nets.into_iter().flatten().chain(gateways);
        if let Some(other) = all.find(|addr| Family::of(*addr) != family) {
            let message = format!(
                "{other} is not an {family} address like the rest of the route; line ignored"
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        Some(())
    }

    /// Checks the next hops of a route against its type.
    fn check_next_hops(&mut self, route: &mut Route, old_style: bool, span: Span) -> Option<()> {
        if route.kind > MULTICAST && !route.hops.is_empty() {
            let message = "a route of this type has no next hop; `via` and `dev` ignored";
            self.warn(span, message);
            route.hops.clear();
        }
        if route.kind == Route::UNICAST && route.hops.is_empty() {
            let help = "write `via ADDRESS`, `dev INTERFACE`, or both";
            self.error(
                span,
                "the route has neither gateway nor interface; line ignored",
                help,
            );
            return None;
        }
        if route.hops.len() > Route::MAX_HOPS {
            let message = format!(
                "more than {} next hops; the rest are left out",
                Route::MAX_HOPS
            );
            self.warn(span, message);
            route.hops.truncate(Route::MAX_HOPS);
        }
        if old_style {
            let dev = route.hops.iter().find_map(|hop| hop.dev.clone());
            for hop in &mut route.hops {
                hop.dev = hop.dev.take().or_else(|| dev.clone());
            }
        }
        Some(())
    }

    /// A network without host bits; `default` is that of `family`.
    pub(super) fn network(&mut self, selector: Selector, family: Family, span: Span) -> Cidr {
        let Selector::Net(net) = selector else {
            return default_network(family);
        };
        let network = network_of(net);
        if network != net {
            self.warn(span, format!("{net} has host bits set; {network} is used"));
        }
        network
    }

    /// Resets `protocol` of a tracked route or rule: removed ones are recognized by the daemon's
    /// own protocol number.
    pub(super) fn require_own_protocol(&mut self, protocol: &mut u8, no_track: bool, span: Span) {
        if *protocol != Route::PROTOCOL && !no_track {
            *protocol = Route::PROTOCOL;
            let help =
                "write `no_track` too if the protocol matters: then its removal is not repaired";
            let message =
                "tracked routes and rules need protocol keepalived (18); `protocol` ignored";
            self.note_with_help(span, message, help);
        }
    }
}

/// The route type of this name.
fn kind(name: &str) -> Option<u8> {
    let row = KINDS.iter().find(|(known, _, _)| *known == name);
    row.map(|(_, kind, _)| *kind)
}

/// The network that contains an address: its host bits are cleared.
fn network_of(net: Cidr) -> Cidr {
    let host_bits = u32::from(net.family().host_prefix().saturating_sub(net.prefix));
    let addr = match net.addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(addr) & mask))
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(addr) & mask))
        }
    };
    Cidr { addr, ..net }
}

/// `default`: 0.0.0.0/0 or ::/0.
fn default_network(family: Family) -> Cidr {
    let addr = match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    Cidr { addr, prefix: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared() {
        for (addr, prefix, want) in [
            ("10.1.2.3", 16, "10.1.0.0"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("10.1.2.3", 0, "0.0.0.0"),
            ("2001:db8::5", 64, "2001:db8::"),
            ("2001:db8::5", 0, "::"),
            ("2001:db8::5", 128, "2001:db8::5"),
        ] {
            let addr = addr.parse().expect("address");
            let net = network_of(Cidr { addr, prefix });
            assert_eq!(net.addr.to_string(), want, "{addr}/{prefix}");
            assert_eq!(net.prefix, prefix);
        }
    }
}
