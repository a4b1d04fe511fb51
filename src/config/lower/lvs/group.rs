//! The IPVS services of a virtual server: one address, one mark, or the lines of a
//! `virtual_server_group`.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{MAX_SERVICES, Shared, number};
use crate::config::diag::Span;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::schema::value;
use crate::config::tree::Node;
use crate::types::Family;
use crate::types::ipvs::{IpProtocol, ServiceKey};

/// The arguments of `virtual_server`, with the lines of its group.
pub(super) struct Subject<'a> {
    /// `group NAME`.
    pub(super) group: Option<&'a str>,
    /// One, or the lines of the group.
    pub(super) entries: Vec<Entry>,
    pub(super) family: Family,
}

/// A line of a group, or the arguments of `virtual_server`.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) kind: EntryKind,
    pub(super) span: Span,
}

#[derive(Clone, Copy)]
pub(super) enum EntryKind {
    /// First and last address, and port.
    Addresses(IpAddr, IpAddr, u16),
    /// A firewall mark, and its address family if configured.
    Mark(u32, Option<Family>),
}

impl Entry {
    pub(super) fn is_mark(&self) -> bool {
        matches!(self.kind, EntryKind::Mark(..))
    }

    fn family(&self) -> Option<Family> {
        match self.kind {
            EntryKind::Addresses(addr, ..) => Some(Family::of(addr)),
            EntryKind::Mark(_, family) => family,
        }
    }
}

impl Lowering<'_> {
    /// The arguments of `virtual_server`; `None` if it has no valid service, which has been
    /// reported.
    pub(super) fn subject<'a>(
        &mut self,
        node: &'a Node,
        fields: &Fields<'a>,
        shared: &Shared<'_>,
    ) -> Option<Subject<'a>> {
        let group =
            (first(node) == Some("group")).then(|| node.args.get(1).map(|name| &*name.text));
        let group = group.flatten();
        let entries = match group {
            Some(name) => self.group_lines(name, node, shared)?,
            None => {
                let words: Vec<&str> = node.args.iter().map(|word| &*word.text).collect();
                Vec::from([self.entry(&words, node.span())?])
            }
        };
        let configured = match fields.word("ip_family") {
            Some("inet") => Some(Family::V4),
            Some("inet6") => Some(Family::V6),
            Some(_) | None => None,
        };
        let own = entries.iter().find_map(|entry| match entry.kind {
            EntryKind::Addresses(..) => entry.family(),
            EntryKind::Mark(..) => None,
        });
        if let (Some(own), Some(configured)) = (own, configured)
            && own != configured
            && let Some(node) = fields.last("ip_family")
        {
            let message = format!("`ip_family` contradicts the {own} addresses; ignored");
            self.error(node.span(), message, "remove the line");
        }
        let own = own.or_else(|| entries.iter().find_map(Entry::family));
        let server = || {
            fields
                .all("real_server")
                .find_map(first)
                .and_then(value::ip)
        };
        let family = own.or(configured).or_else(|| server().map(Family::of));
        let family = family.unwrap_or(Family::V4);
        // Only tunnels reach real servers of the other address family.
        let tunnels = fields.word("lb_kind") == Some("TUN");
        let entries = match tunnels {
            true => entries,
            false => self.keep_family(entries, family),
        };
        (!entries.is_empty()).then_some(Subject {
            group,
            entries,
            family,
        })
    }

    /// The lines of a group; `None` if it has none, which has been reported.
    fn group_lines(&mut self, name: &str, node: &Node, shared: &Shared<'_>) -> Option<Vec<Entry>> {
        let nth = shared.group_index.get(name);
        let Some(group) = nth.and_then(|nth| shared.groups.get(nth)) else {
            let message =
                format!("unknown virtual_server_group `{name}`; the virtual server is left out");
            let help = format!("define `virtual_server_group {name} {{ … }}`");
            self.error(node.span(), message, help);
            return None;
        };
        let mut entries = Vec::new();
        for item in group.block.iter().flat_map(|block| &block.nodes) {
            let words = core::iter::once(&item.keyword).chain(&item.args);
            let words: Vec<&str> = words.map(|word| &*word.text).collect();
            entries.extend(self.entry(&words, item.span()));
        }
        if entries.is_empty() {
            let message = format!(
                "virtual_server_group `{name}` has no valid entry; the virtual server is left out"
            );
            self.error(
                node.span(),
                message,
                "write `IP PORT` or `fwmark N` lines in it",
            );
            return None;
        }
        Some(entries)
    }

    /// `ADDRESSES [PORT]` or `fwmark N [inet|inet6]`.
    fn entry(&mut self, words: &[&str], span: Span) -> Option<Entry> {
        let (first, rest) = words.split_first()?;
        let second = rest.first().copied();
        let kind = if *first == "fwmark" {
            let mark = second.and_then(number).filter(|mark| *mark != 0);
            let Some(mark) = mark else {
                let message = "mark 0 is that of all unmarked packets; line ignored";
                self.error(span, message, "write a mark above 0");
                return None;
            };
            let family = match rest.get(1) {
                Some(&"inet") => Some(Family::V4),
                Some(&"inet6") => Some(Family::V6),
                Some(_) | None => None,
            };
            EntryKind::Mark(mark, family)
        } else {
            let (from, to) = addresses(first)?;
            EntryKind::Addresses(from, to, second.and_then(number).unwrap_or(0))
        };
        Some(Entry { kind, span })
    }

    /// Removes and reports the entries of the other address family.
    fn keep_family(&mut self, entries: Vec<Entry>, family: Family) -> Vec<Entry> {
        let mut kept = Vec::with_capacity(entries.len());
        for entry in entries {
            if entry.family().is_none_or(|own| own == family) {
                kept.push(entry);
                continue;
            }
            let message =
                format!("the other entries of the virtual server are {family}; line ignored");
            let help =
                "write a group and a virtual_server for each address family, or `lb_kind TUN`";
            self.error(entry.span, message, help);
        }
        kept
    }

    /// The services of all entries, without those of earlier virtual servers.
    pub(super) fn services(
        &mut self,
        subject: &Subject<'_>,
        protocol: IpProtocol,
        span: Span,
        shared: &mut Shared<'_>,
    ) -> Vec<ServiceKey> {
        let mut services = Vec::new();
        for entry in &subject.entries {
            let mut addr = match entry.kind {
                EntryKind::Mark(mark, family) => {
                    let family = family.unwrap_or(subject.family);
                    let key = ServiceKey::Mark { mark, family };
                    self.add_service(key, entry.span, shared, &mut services);
                    continue;
                }
                EntryKind::Addresses(first, ..) => Some(first),
            };
            let EntryKind::Addresses(_, last, port) = entry.kind else {
                continue;
            };
            while let Some(next) = addr.filter(|addr| *addr <= last) {
                if shared.service_count >= MAX_SERVICES {
                    let message =
                        format!("more than {MAX_SERVICES} services; the rest are left out");
                    self.error(span, message, "use a firewall mark for that many addresses");
                    return services;
                }
                let key = ServiceKey::Address {
                    addr: next,
                    port,
                    protocol,
                };
                self.add_service(key, entry.span, shared, &mut services);
                addr = after(next);
            }
        }
        services
    }

    fn add_service(
        &mut self,
        key: ServiceKey,
        span: Span,
        shared: &mut Shared<'_>,
        services: &mut Vec<ServiceKey>,
    ) {
        shared.service_count = shared.service_count.saturating_add(1);
        let mut name = super::service_name(&key);
        let family = match key {
            ServiceKey::Mark { family, .. } => family,
            ServiceKey::Address { addr, .. } => Family::of(addr),
        };
        if family == Family::V6 {
            name.push('6');
        }
        if let Some(before) = shared.services.earlier_or_insert(&name, span) {
            let at = self.sources.locate(before, span);
            let name = super::service_name(&key);
            let message =
                format!("{name} is already a service of the virtual server on {at}; left out");
            let help = "write its real servers in one `virtual_server`";
            self.warn_with_help(span, message, help);
            return;
        }
        services.push(key);
    }
}

/// First and last address of `A`, `A-B`, `A-N` or `A/PREFIX`.
fn addresses(text: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((from, to)) = text.split_once('-') {
        let from = value::ip(from)?;
        let last = value::ip(to).or_else(|| match from {
            IpAddr::V4(addr) => {
                let [a, b, c, _] = addr.octets();
                Some(Ipv4Addr::new(a, b, c, to.parse().ok()?).into())
            }
            IpAddr::V6(addr) => {
                let [a, b, c, d, e, f, g, _] = addr.segments();
                let low = u16::from_str_radix(to, 16).ok()?;
                Some(Ipv6Addr::new(a, b, c, d, e, f, g, low).into())
            }
        })?;
        return Some((from, last));
    }
    let cidr = value::cidr(text)?;
    Some(match cidr.addr {
        IpAddr::V4(addr) => {
            let hosts = u32::MAX.checked_shr(cidr.prefix.into()).unwrap_or(0);
            let first = u32::from(addr) & !hosts;
            (
                Ipv4Addr::from(first).into(),
                Ipv4Addr::from(first | hosts).into(),
            )
        }
        IpAddr::V6(addr) => {
            let hosts = u128::MAX.checked_shr(cidr.prefix.into()).unwrap_or(0);
            let first = u128::from(addr) & !hosts;
            (
                Ipv6Addr::from(first).into(),
                Ipv6Addr::from(first | hosts).into(),
            )
        }
    })
}

/// The next address.
fn after(addr: IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) => {
            let next = u32::from(addr).checked_add(1)?;
            Some(Ipv4Addr::from(next).into())
        }
        IpAddr::V6(addr) => {
            let next = u128::from(addr).checked_add(1)?;
            Some(Ipv6Addr::from(next).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_first_and_a_last_address() {
        for (text, want) in [
            ("192.0.2.9", Some(("192.0.2.9", "192.0.2.9"))),
            ("192.0.2.9-12", Some(("192.0.2.9", "192.0.2.12"))),
            ("192.0.2.9-192.0.3.1", Some(("192.0.2.9", "192.0.3.1"))),
            ("192.0.2.9/30", Some(("192.0.2.8", "192.0.2.11"))),
            ("192.0.2.9/0", Some(("0.0.0.0", "255.255.255.255"))),
            ("2001:db8::9-f", Some(("2001:db8::9", "2001:db8::f"))),
            ("2001:db8::9/126", Some(("2001:db8::8", "2001:db8::b"))),
            ("web", None),
        ] {
            let want = want.map(|(first, last)| (first.parse().unwrap(), last.parse().unwrap()));
            assert_eq!(addresses(text), want, "{text}");
        }
    }
}
