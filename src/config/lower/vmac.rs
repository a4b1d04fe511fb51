//! Virtual interfaces: `use_vmac` and `use_vmac_addr`, macvlans with the virtual router MAC address
//! (RFC 9568 §7.3), and `use_ipvlan`.

use core::net::IpAddr;

use super::Lowering;
use super::fields::Fields;
use super::names::NameKind;
use crate::config::diag::{Severity, Span};
use crate::config::model::{Address, AddressOptions, NextHop, Route, Vmac, VmacRole};
use crate::config::schema::value;
use crate::config::tree::{Node, Word};
use crate::types::{Family, IfName, Mac, Rare, VirtualLink, Vrid};

/// The arguments of `use_vmac` or `use_ipvlan`.
#[derive(Default)]
struct VmacArgs<'a> {
    name: Option<&'a Word>,
    base: Option<&'a Word>,
    mac: Option<&'a Word>,
    /// Of an ipvlan.
    address: Option<&'a Word>,
    flags: u16,
    group: Option<&'a Word>,
}

/// Settings of the instance on which its virtual interfaces depend.
#[derive(Clone, Copy)]
pub(super) struct VmacProtocol {
    pub(super) family: Family,
    /// `None` if it is not valid.
    pub(super) vrid: Option<Vrid>,
    pub(super) strict: bool,
}

/// The virtual interfaces of an instance.
pub(super) struct Vmacs {
    interface: IfName,
    protocol: VmacProtocol,
    /// `use_vmac_addr`.
    every: bool,
    pub(super) list: Vec<Vmac>,
    /// Source of the adverts: the address of `use_ipvlan`.
    pub(super) source: Option<IpAddr>,
}

impl Vmacs {
    /// That of `use_vmac` or `use_ipvlan`.
    fn own(&self) -> Option<&Vmac> {
        let first = self.list.first();
        first.filter(|vmac| vmac.role != VmacRole::Addresses)
    }
}

impl Lowering<'_> {
    /// The virtual interface of an instance with `use_vmac` or `use_ipvlan`.
    pub(super) fn vmacs(
        &mut self,
        instance: &str,
        fields: &Fields<'_>,
        interface: &IfName,
        protocol: VmacProtocol,
    ) -> Vmacs {
        // Without an `interface` there is none to create them on, which has been reported.
        let has_interface = fields.has("interface");
        let ipvlan = fields.last("use_ipvlan").filter(|_| has_interface);
        let vmac = fields.last("use_vmac").filter(|_| has_interface);
        let own = match (vmac, ipvlan) {
            (Some(node), other) => {
                if let Some(other) = other {
                    let message = "`use_vmac` is used; `use_ipvlan` ignored";
                    self.warn(other.keyword.span, message);
                }
                self.vmac(instance, fields, node, interface, protocol)
            }
            (None, Some(node)) => self.vmac(instance, fields, node, interface, protocol),
            (None, None) => None,
        };
        if let Some(node) = fields.last("vmac_xmit_base").filter(|_| vmac.is_none()) {
            let message = "`vmac_xmit_base` has no effect without `use_vmac`";
            self.note(node.keyword.span, message);
        }
        Vmacs {
            interface: interface.clone(),
            protocol,
            every: fields.has("use_vmac_addr"),
            source: own.as_ref().and_then(|vmac| self.source_on(&vmac.name)),
            list: own.into_iter().collect(),
        }
    }

    fn vmac(
        &mut self,
        instance: &str,
        fields: &Fields<'_>,
        node: &Node,
        base: &IfName,
        protocol: VmacProtocol,
    ) -> Option<Vmac> {
        let VmacProtocol {
            family,
            vrid,
            strict,
        } = protocol;
        let vrid = vrid?;
        let ipvlan = &*node.keyword.text == "use_ipvlan";
        let args = vmac_args(&node.args, ipvlan);
        if let Some(other) = args.base.filter(|word| &*word.text != base.as_str()) {
            let message = format!(
                "the virtual interface is created on `{base}`, the `interface` of `{instance}`"
            );
            self.warn(other.span, format!("{message}; `{}` ignored", other.text));
        }
        let prefix = self.defaults.vmac_prefix.clone();
        let name = self.vmac_name(args.name, family, vrid, &prefix)?;
        self.vmacs
            .earlier_or_insert(name.as_str(), node.keyword.span);
        let group = args.group.and_then(|word| self.interface_group(word));
        let (link, role) = if ipvlan {
            (VirtualLink::Ipvlan(args.flags), VmacRole::XmitBase)
        } else {
            let mac = args.mac.and_then(|word| self.vmac_mac(word, vrid, strict));
            let role = self.vmac_role(fields, strict);
            let mac = mac.unwrap_or(virtual_mac(family, vrid));
            (VirtualLink::Macvlan(mac), role)
        };
        if let Some(address) = args.address {
            self.ipvlan_address(address, &name, family);
        }
        Some(Vmac {
            name,
            base: base.clone(),
            link,
            family,
            role,
            group,
        })
    }

    fn interface_group(&mut self, word: &Word) -> Option<u32> {
        let group = self.names.number(NameKind::Group, &word.text);
        if group.is_none() {
            let message = format!(
                "unknown interface group `{}`; that of the interface below is used",
                word.text
            );
            let help = format!(
                "write its number, or a name from {}",
                self.names.file(NameKind::Group)
            );
            self.error(word.span, message, help);
        }
        group
    }

    /// The address of an ipvlan: installed like a static address, as long as the interface exists.
    fn ipvlan_address(&mut self, word: &Word, name: &IfName, family: Family) {
        let cidr = value::cidr(&word.text).filter(|cidr| cidr.family() == family);
        match cidr {
            Some(cidr) => self.ipvlan_addresses.push(Address {
                cidr,
                dev: name.clone(),
                options: Rare::new(AddressOptions {
                    no_track: true,
                    ..AddressOptions::default()
                }),
                ..Address::default()
            }),
            None => {
                let message = format!(
                    "{} is not an {family} address like those of the instance; ignored",
                    word.text
                );
                self.warn(word.span, message);
            }
        }
    }

    fn source_on(&self, name: &IfName) -> Option<IpAddr> {
        let mut all = self.ipvlan_addresses.iter();
        all.find(|one| one.dev == *name).map(|one| one.cidr.addr)
    }

    /// An address line of an instance.
    pub(super) fn virtual_address(&mut self, item: &Node, vmacs: &mut Vmacs) -> Option<Address> {
        let mut address = self.address(item, Some(&vmacs.interface))?;
        let family = address.cidr.family();
        let same_family = family == vmacs.protocol.family;
        let own = vmacs.own().map(|vmac| &vmac.name);
        if own == Some(&address.dev) {
            address.dev.clone_from(&vmacs.interface);
        }
        let of_instance = same_family && address.dev == vmacs.interface;
        if let Some(own) = own.filter(|_| of_instance) {
            address.dev.clone_from(own);
            return Some(address);
        }
        let asked = item.args.iter().find(|word| &*word.text == "use_vmac");
        if asked.is_some() || (vmacs.every && !of_instance) {
            let span = asked.map_or(item.keyword.span, |word| word.span);
            self.move_to_vmac(&mut address, vmacs, span);
        }
        Some(address)
    }

    /// Puts an address on the macvlan for its interface and family. One MAC address is for one
    /// family.
    fn move_to_vmac(&mut self, address: &mut Address, vmacs: &mut Vmacs, span: Span) {
        let family = address.cidr.family();
        let fits = |vmac: &&Vmac| {
            (&vmac.base, vmac.family, vmac.role) == (&address.dev, family, VmacRole::Addresses)
        };
        if let Some(vmac) = vmacs.list.iter().find(fits) {
            address.dev.clone_from(&vmac.name);
            return;
        }
        let Some(vrid) = vmacs.protocol.vrid else {
            return;
        };
        let prefix = self.defaults.vmac_addr_prefix.clone();
        let Some(name) = self.vmac_name(None, family, vrid, &prefix) else {
            return;
        };
        self.vmacs.earlier_or_insert(name.as_str(), span);
        let base = core::mem::replace(&mut address.dev, name.clone());
        vmacs.list.push(Vmac {
            name,
            base,
            link: VirtualLink::Macvlan(virtual_mac(family, vrid)),
            family,
            role: VmacRole::Addresses,
            group: None,
        });
    }

    /// Whether adverts are sent from the base interface: `vmac_xmit_base`, or unicast.
    fn vmac_role(&mut self, fields: &Fields<'_>, strict: bool) -> VmacRole {
        let xmit_base = fields.last("vmac_xmit_base");
        let unicast = fields.last("unicast_peer");
        match (xmit_base, unicast) {
            (Some(node), _) if strict => {
                let message = "strict mode sends adverts from the virtual MAC address; `vmac_xmit_base` ignored";
                self.warn(node.keyword.span, message);
                VmacRole::Adverts
            }
            (Some(_), _) => VmacRole::XmitBase,
            (None, Some(peers)) if !strict => {
                let message = "unicast adverts are routed and sent with the MAC address of the base interface";
                self.note(peers.keyword.span, message);
                VmacRole::XmitBase
            }
            (None, _) => VmacRole::Adverts,
        }
    }

    /// The configured name, else `vrrp.VRID`, else a similar one that no other instance uses.
    fn vmac_name(
        &mut self,
        configured: Option<&Word>,
        family: Family,
        vrid: Vrid,
        prefix: &str,
    ) -> Option<IfName> {
        if let Some(word) = configured {
            match IfName::new(&word.text).filter(|name| self.vmacs.get(name.as_str()).is_none()) {
                Some(name) => return Some(name),
                None => {
                    let message = format!(
                        "`{}` is not a valid interface name, or is used by another instance; another name is used",
                        word.text
                    );
                    self.diags.report(Severity::Error, word.span, message);
                }
            }
        }
        let six = if family == Family::V6 { "6" } else { "" };
        let plain = ["", six].into_iter().map(str::to_owned);
        // Small numbers first. With many instances, one of the numbers from the number of names on
        // is free.
        let count = self.vmacs.len();
        let numbers = (1..=9).chain(count..count.saturating_add(9));
        let mut middles = plain.chain(numbers.map(|nth: usize| nth.to_string()));
        middles.find_map(|middle| {
            let name = IfName::new(&format!("{prefix}{middle}.{vrid}"))
                .or_else(|| IfName::new(&format!("vrrp{middle}.{vrid}")));
            name.filter(|name| self.vmacs.get(name.as_str()).is_none())
        })
    }

    /// A configured MAC address; the sixth byte is by default the VRID.
    fn vmac_mac(&mut self, word: &Word, vrid: Vrid, strict: bool) -> Option<Mac> {
        let mac = mac(&word.text, vrid)?;
        if strict {
            let message = format!(
                "strict mode uses the virtual router MAC address of RFC 9568; {mac} ignored"
            );
            self.warn(word.span, message);
            return None;
        }
        let [first, ..] = mac.0;
        if first & 1 != 0 {
            let message = format!(
                "{mac} is a multicast address; the virtual router MAC address of RFC 9568 is used"
            );
            self.diags.report(Severity::Error, word.span, message);
            return None;
        }
        Some(mac)
    }
}

/// fe80::/64 on a virtual interface for IPv6, which has no address of that network unless a VIP is
/// one: replies to link-local addresses leave by it or not at all.
pub(super) fn link_local_route(vmac: &Vmac, addresses: &[Address]) -> Option<Route> {
    let dst = value::cidr("fe80::/64")?;
    let has_route = |one: &Address| {
        one.dev == vmac.name
            && one.cidr.prefix <= dst.prefix
            && !one.options.noprefixroute
            && dst.contains(one.cidr.addr)
    };
    if vmac.family == Family::V4 || addresses.iter().any(has_route) {
        return None;
    }
    let hop = NextHop {
        dev: Some(vmac.name.clone()),
        ..NextHop::default()
    };
    Some(Route {
        dst,
        hops: vec![hop],
        table: 0,
        ..Route::default()
    })
}

fn virtual_mac(family: Family, vrid: Vrid) -> Mac {
    match family {
        Family::V4 => Mac([0, 0, 0x5e, 0, 1, vrid.get()]),
        Family::V6 => Mac([0, 0, 0x5e, 0, 2, vrid.get()]),
    }
}

fn vmac_args(args: &[Word], ipvlan: bool) -> VmacArgs<'_> {
    let mut parsed = VmacArgs::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let flags = MODES.iter().position(|mode| *mode == &*word.text);
        match (&*word.text, flags) {
            ("netlink_notify_msg", _) => {}
            ("group", _) => parsed.group = words.next(),
            ("name", _) => parsed.name = words.next(),
            (_, Some(flags)) if ipvlan => parsed.flags = u16::try_from(flags).unwrap_or(0),
            (text, _) if ipvlan && value::cidr(text).is_some() => parsed.address = Some(word),
            (text, _) if !ipvlan && text.contains(':') => parsed.mac = Some(word),
            (_, _) if parsed.name.is_none() => parsed.name = Some(word),
            (_, _) => parsed.base = Some(word),
        }
    }
    parsed
}

/// Names of `IPVLAN_F_*`.
const MODES: [&str; 3] = ["bridge", "private", "vepa"];

fn mac(text: &str, vrid: Vrid) -> Option<Mac> {
    let mut bytes = [0, 0, 0, 0, 0, vrid.get()];
    let count = text.split(':').count();
    if !(5..=6).contains(&count) {
        return None;
    }
    for (byte, part) in bytes.iter_mut().zip(text.split(':')) {
        *byte = u8::from_str_radix(part, 16)
            .ok()
            .filter(|_| part.len() <= 2)?;
    }
    Some(Mac(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_five_or_six_bytes() {
        let vrid = Vrid::new(51).unwrap();
        for (text, wanted) in [
            ("00:11:22:33:44:ff", Some([0, 0x11, 0x22, 0x33, 0x44, 0xff])),
            ("2:0:0:0:1", Some([2, 0, 0, 0, 1, 51])),
            ("00:11:22:33", None),
            ("00:11:22:33:44:55:66", None),
            ("00:11:22:33:44:5g", None),
            ("00:11:22:33:44:555", None),
        ] {
            assert_eq!(mac(text, vrid), wanted.map(Mac), "{text}");
        }
    }
}
