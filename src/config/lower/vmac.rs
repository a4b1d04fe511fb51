//! `use_vmac`: a macvlan interface with the virtual router MAC address (RFC 9568 §7.3).

use super::Lowering;
use super::fields::Fields;
use crate::config::diag::Severity;
use crate::config::model::Vmac;
use crate::config::tree::Word;
use crate::types::{Family, IfName, Mac, Vrid};

/// The arguments of `use_vmac`.
#[derive(Default)]
struct VmacArgs<'a> {
    name: Option<&'a Word>,
    base: Option<&'a Word>,
    mac: Option<&'a Word>,
}

/// Settings of the instance on which its macvlan depends.
#[derive(Clone, Copy)]
pub(super) struct VmacProtocol {
    pub(super) family: Family,
    /// `None` if it is not valid.
    pub(super) vrid: Option<Vrid>,
    pub(super) strict: bool,
}

impl Lowering<'_> {
    /// The macvlan of an instance with `use_vmac`.
    pub(super) fn vmac(
        &mut self,
        instance: &str,
        fields: &Fields<'_>,
        base: &IfName,
        protocol: VmacProtocol,
    ) -> Option<Vmac> {
        let Some(node) = fields.last("use_vmac") else {
            if let Some(node) = fields.last("vmac_xmit_base") {
                let message = "`vmac_xmit_base` has no effect without `use_vmac`";
                self.note(node.keyword.span, message);
            }
            return None;
        };
        let VmacProtocol {
            family,
            vrid,
            strict,
        } = protocol;
        let vrid = vrid?;
        let args = vmac_args(&node.args);
        if let Some(other) = args.base.filter(|word| &*word.text != base.as_str()) {
            let message =
                format!("the macvlan is created on `{base}`, the `interface` of `{instance}`");
            self.warn(other.span, format!("{message}; `{}` ignored", other.text));
        }
        let name = self.vmac_name(&args, family, vrid)?;
        self.vmacs
            .earlier_or_insert(name.as_str(), node.keyword.span);
        let mac = args.mac.and_then(|word| self.vmac_mac(word, vrid, strict));
        let xmit_base = self.xmit_base(fields, strict);
        let standard = match family {
            Family::V4 => Mac([0, 0, 0x5e, 0, 1, vrid.get()]),
            Family::V6 => Mac([0, 0, 0x5e, 0, 2, vrid.get()]),
        };
        Some(Vmac {
            name,
            mac: mac.unwrap_or(standard),
            xmit_base,
        })
    }

    /// Whether adverts are sent from the base interface: `vmac_xmit_base`, or unicast.
    fn xmit_base(&mut self, fields: &Fields<'_>, strict: bool) -> bool {
        let mut xmit_base = fields.has("vmac_xmit_base");
        if let Some(node) = fields.last("vmac_xmit_base").filter(|_| strict) {
            let message =
                "strict mode sends adverts from the virtual MAC address; `vmac_xmit_base` ignored";
            self.warn(node.keyword.span, message);
            xmit_base = false;
        }
        if let Some(peers) = fields
            .last("unicast_peer")
            .filter(|_| !xmit_base && !strict)
        {
            let message =
                "unicast adverts are routed and sent with the MAC address of the base interface";
            self.note(peers.keyword.span, message);
            xmit_base = true;
        }
        xmit_base
    }

    /// The configured name, else `vrrp.VRID`, else a similar one that no other instance uses.
    fn vmac_name(&mut self, args: &VmacArgs<'_>, family: Family, vrid: Vrid) -> Option<IfName> {
        if let Some(word) = args.name {
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
        let prefix = self.defaults.vmac_prefix.as_str();
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

fn vmac_args(args: &[Word]) -> VmacArgs<'_> {
    let mut parsed = VmacArgs::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match &*word.text {
            "netlink_notify_msg" => {}
            "group" => drop(words.next()),
            text if text.contains(':') => parsed.mac = Some(word),
            _ if parsed.name.is_none() => parsed.name = Some(word),
            _ => parsed.base = Some(word),
        }
    }
    parsed
}

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
