//! Lines of `virtual_ipaddress`, `virtual_ipaddress_excluded` and `static_ipaddress`.

use core::net::{IpAddr, Ipv4Addr};

use super::vmac::Vmacs;
use super::{Lowering, MAX_ADDRESSES};
use crate::config::diag::Severity;
use crate::config::model::Address;
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::{Node, Word};
use crate::types::{Cidr, Family, IfName};

impl Lowering<'_> {
    /// An address line. `dev` is used if the line names no interface.
    pub(super) fn address(&mut self, item: &Node, dev: Option<&IfName>) -> Option<Address> {
        let cidr = value::cidr(&item.keyword.text)?;
        let mut address = Address {
            cidr,
            dev: dev.cloned().or_else(|| IfName::new("eth0"))?,
            // Deprecated (RFC 4862 §5.5.4): the kernel must not choose a VIP as the source of its
            // own connections.
            preferred_lft: (cidr.family() == Family::V6 && cidr.prefix == 128).then_some(0),
            ..Address::default()
        };
        let mut words = item.args.iter();
        while let Some(word) = words.next() {
            self.address_option(&mut address, word, &mut words);
        }
        let invalid =
            cidr.addr.is_unspecified() || (cidr.addr.is_multicast() && !address.options.autojoin);
        if invalid {
            let message = format!("{} is not a unicast address; line ignored", cidr.addr);
            self.diags
                .report(Severity::Error, item.keyword.span, message);
            return None;
        }
        self.check_label(&mut address, item);
        Some(address)
    }

    /// One option of an address line; takes its value from `rest`.
    fn address_option<'w>(
        &mut self,
        address: &mut Address,
        option: &Word,
        rest: &mut impl Iterator<Item = &'w Word>,
    ) {
        match &*option.text {
            "dev" => {
                if let Some(name) = rest.next().and_then(|word| IfName::new(&word.text)) {
                    address.dev = name;
                }
            }
            "brd" => {
                let value = rest.next();
                address.options.broadcast =
                    value.and_then(|word| broadcast(address.cidr, &word.text));
                if value.is_some() && address.options.broadcast.is_none() {
                    let net = address.cidr;
                    let message = format!("network {net} has no broadcast address; `brd` ignored");
                    self.warn(option.span, message);
                }
            }
            "scope" => {
                address.options.scope = rest
                    .next()
                    .and_then(|word| value::scope(&word.text))
                    .unwrap_or(0);
            }
            "label" => address.options.label = rest.next().and_then(|word| IfName::new(&word.text)),
            "peer" => {
                let peer = rest.next().and_then(|word| value::cidr(&word.text));
                address.options.peer = peer.filter(|peer| peer.family() == address.cidr.family());
                if address.options.peer.is_none() {
                    let message = format!(
                        "`peer` is not of the address family of {}; ignored",
                        address.cidr
                    );
                    self.warn(option.span, message);
                }
            }
            "preferred_lft" => {
                address.preferred_lft = rest.next().and_then(|word| word.text.parse().ok());
            }
            "-nodad" => address.options.nodad = true,
            "home" => address.options.home = true,
            "mngtmpaddr" => address.options.mngtmpaddr = true,
            "noprefixroute" => address.options.noprefixroute = true,
            "autojoin" => address.options.autojoin = true,
            "no_track" => address.options.no_track = true,
            "track_group" => {
                address.options.track_group = rest.next().and_then(|word| self.track_group(word));
            }
            _ => {}
        }
    }

    /// Only IPv4 addresses have labels, and tools expect the interface name at the start.
    fn check_label(&mut self, address: &mut Address, item: &Node) {
        let Some(label) = &address.options.label else {
            return;
        };
        let span = item.args.iter().find(|word| &*word.text == "label");
        let span = span.map_or(item.keyword.span, |word| word.span);
        if address.cidr.family() == Family::V6 {
            address.options.label = None;
            self.warn(span, "IPv6 addresses have no label; `label` ignored");
        } else if !label.as_str().starts_with(address.dev.as_str()) {
            let message = format!(
                "label `{label}` does not start with the interface name `{}`",
                address.dev
            );
            let help = format!(
                "write `label {}:1`: ifconfig and other tools expect that",
                address.dev
            );
            self.note_with_help(span, message, help);
        }
    }

    /// Reports a virtual address that another program has set on its interface.
    pub(super) fn compare_with_machine(&mut self, address: &Address, vmacs: &Vmacs, item: &Node) {
        let vmac = vmacs.list.iter().find(|vmac| vmac.name == address.dev);
        let dev = vmac.map_or(&address.dev, |vmac| &vmac.base);
        let addr = address.cidr.addr;
        let on_dev = self
            .foreign
            .iter()
            .filter(|(on, cidr)| on == dev && Family::of(cidr.addr) == Family::of(addr));
        if !on_dev.clone().any(|(_, cidr)| cidr.addr == addr) {
            return;
        }
        let (severity, only) = match on_dev.count() {
            1 => (Severity::Tolerated, "the only"),
            _ => (Severity::Note, "an"),
        };
        let message = format!(
            "{addr} is {only} address of {dev} on this machine, set by another program: it stays there in state BACKUP \
             too, so that two routers answer for it"
        );
        let help = format!("write another address of the network, which {dev} has on no router");
        self.diags
            .report_with_help(severity, item.keyword.span, message, help);
    }

    /// Appends an address unless the list has it.
    pub(super) fn add_unless_duplicate(
        &mut self,
        list: &mut AddressList,
        address: Address,
        item: &Node,
    ) {
        let span = item.keyword.span;
        if let Some(first) = list.known.earlier_or_insert(&address_key(&address), span) {
            let at = self.sources.locate(first, span);
            let message = format!(
                "{} is already configured on {at}; ignored",
                address.cidr.addr
            );
            self.note(span, message);
            return;
        }
        self.addresses = self.addresses.saturating_add(1);
        if self.addresses <= MAX_ADDRESSES {
            list.addresses.push(address);
        } else if self.addresses == MAX_ADDRESSES.saturating_add(1) {
            let message = format!("more than {MAX_ADDRESSES} addresses; the rest are left out");
            self.diags.report(Severity::Error, span, message);
        }
    }
}

/// Addresses without duplicates.
#[derive(Debug, Default)]
pub(super) struct AddressList {
    pub(super) addresses: Vec<Address>,
    known: SpanMap,
}

/// What two lines with the same address have in common: link-local addresses may be on several
/// interfaces.
fn address_key(address: &Address) -> String {
    // The address in bytes: to format it takes longer than everything else here.
    let mut key = String::new();
    let local = match address.cidr.addr {
        IpAddr::V6(addr) => {
            key.extend(addr.octets().map(char::from));
            addr.is_unicast_link_local()
        }
        IpAddr::V4(addr) => {
            key.extend(addr.octets().map(char::from));
            addr.is_link_local()
        }
    };
    if local {
        key.push(' ');
        key.push_str(address.dev.as_str());
    }
    key
}

/// `brd`: an address, or `+` or `-` for the one with all host bits 1 or 0. /31 and /32 have no
/// broadcast address (RFC 3021).
fn broadcast(cidr: Cidr, text: &str) -> Option<Ipv4Addr> {
    let IpAddr::V4(addr) = cidr.addr else {
        return None;
    };
    if let Ok(explicit) = text.parse() {
        return Some(explicit);
    }
    let hosts = u32::MAX.checked_shr(u32::from(cidr.prefix)).unwrap_or(0);
    let bits = u32::from(addr);
    match text {
        "+" if cidr.prefix < 31 => Some(Ipv4Addr::from(bits | hosts)),
        "-" if cidr.prefix < 31 => Some(Ipv4Addr::from(bits & !hosts)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brd_plus_and_minus_set_or_clear_the_host_bits() {
        for (addr, prefix, text, want) in [
            ("192.168.1.1", 24, "+", Some("192.168.1.255")),
            ("192.168.1.1", 24, "-", Some("192.168.1.0")),
            ("10.1.2.3", 8, "+", Some("10.255.255.255")),
            ("10.1.2.3", 0, "+", Some("255.255.255.255")),
            ("10.1.2.3", 32, "+", None),
            ("10.1.2.3", 24, "10.1.2.7", Some("10.1.2.7")),
            ("2001:db8::1", 64, "+", None),
        ] {
            let cidr = Cidr {
                addr: addr.parse().expect("address"),
                prefix,
            };
            let want = want.map(|text| text.parse().expect("address"));
            assert_eq!(broadcast(cidr, text), want, "{addr}/{prefix} {text}");
        }
    }
}
