//! `virtual_routes` and `static_routes`.
//!
//! A line is read word by word into a draft: which family it is of, and so what `default` means, may be known
//! only at its end. What would send packets elsewhere than the line says leaves the route out; what is no more
//! than a property is left out by itself.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Lowering;
use super::metric;
use super::names::Kind;
use crate::config::diag::{Severity, Span};
use crate::config::model::{NextHop, Route};
use crate::config::schema::value::{self, Selector};
use crate::config::tree::{Node, Word};
use crate::types::{Cidr, Family, IfName, RouteInsert};

/// More routes, and more rules, than this are not made, for the same reason as with addresses.
pub(super) const MAX_ROUTES: u32 = 32_768;

/// Types by name, `RTN_*`, and the scope they must have: 254 host, 253 link.
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
/// Types above this lead nowhere.
const MULTICAST: u8 = 5;

const LOCAL_TABLE: u32 = 255;

/// A route half read.
struct Draft {
    route: Route,
    dst: Option<Selector>,
    from: Option<Selector>,
    family: Option<Family>,
    table: Option<u32>,
    scope: Option<u8>,
    /// The way that is being described.
    hop: NextHop,
    /// Which metrics are not to be changed, a bit each.
    locks: u32,
    /// `or` was used: the `dev` is for all ways.
    old_style: bool,
}

impl Draft {
    fn new() -> Self {
        Draft {
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

    /// The way is complete, another one begins.
    fn next_hop(&mut self) {
        let hop = core::mem::take(&mut self.hop);
        if hop.via.is_some() || hop.dev.is_some() {
            self.route.hops.push(hop);
        }
    }

    /// The family, once all words are read.
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

/// The words of a line, one after the other.
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
                && self.one_more_route(item.keyword.span)
            {
                list.push(route);
            }
        }
        list
    }

    /// Whether there is room for another route or rule.
    pub(super) fn one_more_route(&mut self, span: Span) -> bool {
        self.routes = self.routes.saturating_add(1);
        if self.routes == MAX_ROUTES.saturating_add(1) {
            let message = format!("more than {MAX_ROUTES} routes and rules; the rest is left out");
            self.diags.report(Severity::Error, span, message);
        }
        self.routes <= MAX_ROUTES
    }

    /// A line; nothing when the route is left out, which has been said then.
    fn route(&mut self, item: &Node) -> Option<Route> {
        let mut draft = Draft::new();
        let mut words = Words::of(item);
        while let Some(word) = words.next() {
            let known = self.selection(&mut draft, word, &mut words)?
                || self.way(&mut draft, word, &mut words)
                || self.property(&mut draft, word, &mut words)?;
            if !known {
                draft.dst = value::selector(&word.text).or(draft.dst);
            }
        }
        draft.next_hop();
        self.finish(draft, item)
    }

    /// Options that say which packets the route is for and where it stands.
    fn selection(&mut self, draft: &mut Draft, word: &Word, words: &mut Words<'_>) -> Option<bool> {
        let route = &mut draft.route;
        match &*word.text {
            "inet" => draft.family = Some(Family::V4),
            "inet6" => draft.family = Some(Family::V6),
            "to" => draft.dst = words.value(value::selector),
            "from" => draft.from = words.value(value::selector),
            "src" => route.src = words.value(value::ip),
            "table" => draft.table = Some(self.named(Kind::Table, words.next()?)?),
            "metric" => route.metric = words.value(count).unwrap_or(0),
            "scope" => draft.scope = words.value(value::scope),
            "protocol" => route.protocol = self.named_byte(Kind::Protocol, words.next()?)?,
            "tos" => route.tos = self.named_byte(Kind::Tos, words.next()?)?,
            "type" => {
                let name = words.next()?;
                let Some(kind) = kind(&name.text) else {
                    let message = format!("`{}` is no type of route; line ignored", name.text);
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
            "encap" | "vrf" => {
                let message = format!("`{}` is not supported; the route is left out", word.text);
                self.diags.report(Severity::Unsupported, word.span, message);
                return None;
            }
            other => match kind(other) {
                Some(kind) => route.kind = kind,
                None => return Some(false),
            },
        }
        Some(true)
    }

    /// Options that say where packets go.
    fn way(&mut self, draft: &mut Draft, word: &Word, words: &mut Words<'_>) -> bool {
        match &*word.text {
            "nexthop" => draft.next_hop(),
            "or" => {
                draft.next_hop();
                draft.old_style = true;
                words.skip(&["inet", "inet6"]);
                draft.hop.via = words.value(value::ip);
                let help = "write every way as `nexthop via ADDRESS`";
                let message = "`or` is out of use; taken as a further way";
                self.diags
                    .report_with_help(Severity::Note, word.span, message, help);
            }
            "via" => {
                words.skip(&["inet", "inet6"]);
                draft.hop.via = words.value(value::ip);
            }
            "dev" => draft.hop.dev = words.value(IfName::new),
            "weight" => draft.hop.weight = words.value(count).unwrap_or(1),
            "onlink" => draft.hop.onlink = true,
            _ => return false,
        }
        true
    }

    /// Options that say how packets are sent there.
    fn property(&mut self, draft: &mut Draft, word: &Word, words: &mut Words<'_>) -> Option<bool> {
        let route = &mut draft.route;
        let name = &*word.text;
        if let Some(number) = metric::number(name) {
            if words.skip(&["lock"]) {
                draft.locks |= 1_u32.checked_shl(u32::from(number)).unwrap_or(0);
            }
            let text = words.next()?;
            match metric::value(number, &text.text) {
                _ if number == metric::CONGCTL => route.congestion = Some(text.text.to_string()),
                Some(value) => route.metrics.push((number, value)),
                None => self.warn(
                    text.span,
                    format!("`{name}` cannot be `{}`; ignored", text.text),
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
            "expires" => route.expires = words.value(count),
            "ttl-propagate" => {
                words.next();
                let message = "`ttl-propagate` is not supported; ignored";
                self.diags.report(Severity::Unsupported, word.span, message);
            }
            _ => return Some(false),
        }
        Some(true)
    }

    // ---- names ----

    /// The number a word stands for.
    pub(super) fn named(&mut self, kind: Kind, word: &Word) -> Option<u32> {
        let number = self.names.number(kind, &word.text);
        if number.is_none() {
            let message = format!("no {} is called `{}`; line ignored", kind.what(), word.text);
            let help = format!("write its number, or a name of {}", self.names.file(kind));
            self.error(word.span, message, help);
        }
        number
    }

    pub(super) fn named_byte(&mut self, kind: Kind, word: &Word) -> Option<u8> {
        self.named(kind, word)
            .and_then(|number| u8::try_from(number).ok())
    }

    /// `[FROM/]TO`.
    pub(super) fn realms(&mut self, word: &Word) -> Option<u32> {
        let (from, to) = word.text.split_once('/').unwrap_or(("0", &word.text));
        let mut realm = |text: &str| {
            let part = Word {
                text: text.into(),
                span: word.span,
            };
            self.named(Kind::Realm, &part)
        };
        Some(realm(from)? << 16 | realm(to)?)
    }

    // ---- the whole ----

    /// Settles what only the whole line tells.
    fn finish(&mut self, draft: Draft, item: &Node) -> Option<Route> {
        let span = item.keyword.span;
        let family = draft.family();
        let Draft {
            mut route,
            dst,
            from,
            table,
            scope,
            locks,
            old_style,
            ..
        } = draft;
        let Some(dst) = dst else {
            let help = "write NETWORK/PREFIX or `default`";
            self.error(span, "a route needs a destination; line ignored", help);
            return None;
        };
        route.dst = self.network(dst, family, span);
        route.from = from.map(|from| self.network(from, family, span));
        if route.from.is_some() && family == Family::V4 {
            let help = "write a rule: `virtual_rules { from NETWORK table N }`, and the route into that table";
            self.error(
                span,
                "IPv4 routes do not look at the source (`from`); line ignored",
                help,
            );
            return None;
        }
        let gateways = route.hops.iter().filter_map(|hop| hop.via);
        // An IPv4 network may be behind an IPv6 gateway, but not the other way round.
        let gateways = gateways.filter(|_| family == Family::V6);
        let nets = [
            Some(route.dst.addr),
            route.from.map(|from| from.addr),
            route.src,
        ];
        let mut all = nets.into_iter().flatten().chain(gateways);
        if let Some(other) = all.find(|addr| Family::of(*addr) != family) {
            let message = format!(
                "{other} is no {family} address, as the rest of the route is; line ignored"
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        self.ways(&mut route, old_style, span)?;
        let (_, _, narrow) = KINDS.iter().find(|(_, kind, _)| *kind == route.kind)?;
        if family == Family::V4 {
            route.scope = scope.unwrap_or(*narrow);
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
        self.ours(&mut route.protocol, route.no_track, span);
        Some(route)
    }

    /// Checks the ways of a route against its type.
    fn ways(&mut self, route: &mut Route, old_style: bool, span: Span) -> Option<()> {
        if route.kind > MULTICAST && !route.hops.is_empty() {
            let message = "a route of this type leads nowhere; `via` and `dev` ignored";
            self.warn(span, message);
            route.hops.clear();
        }
        if route.kind == Route::UNICAST && route.hops.is_empty() {
            let help = "write `via ADDRESS`, `dev INTERFACE`, or both";
            self.error(
                span,
                "a route needs a gateway or an interface; line ignored",
                help,
            );
            return None;
        }
        if route.hops.len() > Route::MAX_HOPS {
            let message = format!("more than {} ways; the rest is left out", Route::MAX_HOPS);
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

    /// A network of the family, without host bits.
    pub(super) fn network(&mut self, selector: Selector, family: Family, span: Span) -> Cidr {
        let Selector::Net(net) = selector else {
            return all(family);
        };
        let clean = masked(net);
        if clean != net {
            self.warn(span, format!("{net} has host bits; {clean} is used"));
        }
        clean
    }

    /// What we watch must be known by our protocol number: what is ours, and nothing else, is looked at.
    pub(super) fn ours(&mut self, protocol: &mut u8, no_track: bool, span: Span) {
        if *protocol != Route::PROTOCOL && !no_track {
            *protocol = Route::PROTOCOL;
            let help = "write `no_track` too, and it is set but not watched";
            let message = "what is watched has protocol keepalived (18); `protocol` ignored";
            self.diags
                .report_with_help(Severity::Note, span, message, help);
        }
    }
}

/// The type of a route by name.
fn kind(name: &str) -> Option<u8> {
    let row = KINDS.iter().find(|(known, _, _)| *known == name);
    row.map(|(_, kind, _)| *kind)
}

/// A number from 0 up.
pub(super) fn count<T: TryFrom<i64>>(text: &str) -> Option<T> {
    value::int(text).and_then(|value| T::try_from(value).ok())
}

/// The network an address with a prefix is in.
fn masked(net: Cidr) -> Cidr {
    let hosts = u32::from(net.family().host_prefix().saturating_sub(net.prefix));
    let addr = match net.addr {
        IpAddr::V4(addr) => {
            let mask = u32::MAX.checked_shl(hosts).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(addr) & mask))
        }
        IpAddr::V6(addr) => {
            let mask = u128::MAX.checked_shl(hosts).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(addr) & mask))
        }
    };
    Cidr { addr, ..net }
}

/// Every address of a family.
fn all(family: Family) -> Cidr {
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
    fn host_bits_are_taken_off() {
        for (addr, prefix, want) in [
            ("10.1.2.3", 16, "10.1.0.0"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("10.1.2.3", 0, "0.0.0.0"),
            ("2001:db8::5", 64, "2001:db8::"),
            ("2001:db8::5", 0, "::"),
            ("2001:db8::5", 128, "2001:db8::5"),
        ] {
            let addr = addr.parse().expect("address");
            let net = masked(Cidr { addr, prefix });
            assert_eq!(net.addr.to_string(), want, "{addr}/{prefix}");
            assert_eq!(net.prefix, prefix);
        }
    }
}
