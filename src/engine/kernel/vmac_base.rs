//! The interfaces below macvlans: while there is a macvlan, the kernel must not answer ARP requests
//! for its addresses with the Ethernet address of the interface below.

use crate::config::model::{Address, Vmac};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::shared::Shared;
use crate::engine::system::error_text;
use crate::log::Level;
use crate::types::IfName;

/// A base interface, and what must be restored on it.
#[derive(Debug)]
pub(crate) struct Base {
    name: IfName,
    /// Previous values of [`BASE_SETTINGS`]; `None` where nothing was changed.
    before: [Option<String>; 2],
}

/// Settings of the base interface and their minimum: with a lower value it would answer for the
/// virtual addresses.
const BASE_SETTINGS: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];

/// Keeps a base interface from answering ARP for the virtual addresses.
pub(crate) fn suppress_base_arp(cx: &mut Cx<'_>, shared: &mut Shared, name: &IfName) {
    let known = shared.vmac_bases.iter().any(|base| base.name == *name);
    let mut before = [None, None];
    for ((key, minimum), slot) in BASE_SETTINGS.into_iter().zip(&mut before) {
        let old = read_setting(cx, "ipv4", name, key);
        if old.parse().unwrap_or(0_u8) >= minimum {
            continue;
        }
        let value = if minimum == 1 { "1" } else { "2" };
        let path = format_args!("net/ipv4/conf/{name}/{key}");
        match cx.system.set_sysctl(path, value) {
            Ok(()) if old.is_empty() => *slot = Some("0".to_owned()),
            Ok(()) => *slot = Some(old),
            Err(error) if !shared.sysctl_errors.is_new(cx, &error) => {}
            Err(error) => {
                let error = error_text(&error);
                cx.note(
                    Level::Warn,
                    EventKind::Refused,
                    Object::interface(name.as_str()),
                    format_args!(
                        "cannot set {key} on {name}: {error}; neighbors may learn its Ethernet address for \
                         virtual addresses"
                    ),
                );
            }
        }
    }
    if !known {
        let name = name.clone();
        shared.vmac_bases.push(Base { name, before });
    }
}

impl Engine {
    /// Restores the settings of interfaces that are no longer the base of a virtual interface.
    pub(crate) fn restore_base_settings(&mut self, cx: &mut Cx<'_>) {
        let routers = &self.routers;
        self.shared.vmac_bases.retain(|base| {
            let mut all = routers.iter().flat_map(|router| &router.vmacs);
            let used = all.any(|vmac| vmac.index.is_some() && vmac.is_on(&base.name));
            if !used {
                base.restore(cx);
            }
            used
        });
    }

    /// Restores the settings of all base interfaces.
    pub(crate) fn restore_all_base_settings(&mut self, cx: &mut Cx<'_>) {
        for base in self.shared.vmac_bases.drain(..) {
            base.restore(cx);
        }
    }
}

impl Base {
    fn restore(&self, cx: &mut Cx<'_>) {
        for ((key, _), before) in BASE_SETTINGS.into_iter().zip(&self.before) {
            if let Some(value) = before {
                let name = &self.name;
                // The settings of an interface that was removed are gone with it.
                let path = format_args!("net/ipv4/conf/{name}/{key}");
                let _ = cx.system.set_sysctl(path, value);
            }
        }
    }
}

/// A setting of an interface; empty if it cannot be read.
pub(crate) fn read_setting(cx: &mut Cx<'_>, family: &str, name: &IfName, key: &str) -> String {
    let path = format!("/proc/sys/net/{family}/conf/{name}/{key}");
    let read = cx.system.read_file(&path).unwrap_or_default();
    core::str::from_utf8(&read).map_or("", str::trim).to_owned()
}

/// Takes away the virtual interfaces of some types, and their addresses go to the interfaces below
/// them; returns whether there were any.
pub(crate) fn strip_vmacs(
    vmacs: &mut Vec<Vmac>,
    mut addresses: [&mut [Address]; 2],
    kinds: &[&'static str],
) -> bool {
    let before = vmacs.len();
    vmacs.retain(|vmac| {
        let stays = !kinds.contains(&vmac.link.kind());
        for address in addresses.iter_mut().flat_map(|list| list.iter_mut()) {
            if !stays && address.dev == vmac.name {
                address.dev.clone_from(&vmac.base);
            }
        }
        stays
    });
    vmacs.len() != before
}
