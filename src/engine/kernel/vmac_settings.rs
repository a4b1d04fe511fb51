//! Settings of a new virtual interface.

use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::kernel::vmac::VirtualInterface;
use crate::engine::kernel::vmac_base::{read_setting, suppress_base_arp};
use crate::engine::shared::Shared;
use crate::engine::system::error_text;
use crate::log::Level;
use crate::types::Family;

/// Settings of the macvlan. `rp_filter` 2 is the loose mode: the route back may lead through the
/// base interface, and the larger of this value and that of `all` counts. The IPv4 settings matter
/// for IPv6 instances too: every macvlan receives every ARP request.
const SETTINGS: [(&str, &str, &str); 4] = [
    ("ipv4", "arp_ignore", "1"),
    ("ipv4", "arp_announce", "2"),
    ("ipv4", "rp_filter", "2"),
    ("ipv4", "promote_secondaries", "1"),
];
const V4_SETTINGS: [(&str, &str, &str); 1] = [("ipv6", "disable_ipv6", "1")];
const V6_SETTINGS: [(&str, &str, &str); 3] = [
    ("ipv6", "addr_gen_mode", "1"),
    ("ipv6", "accept_ra", "0"),
    ("ipv6", "autoconf", "0"),
];

impl VirtualInterface {
    /// Applies the settings of a new interface and of its base interface.
    pub(super) fn configure(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, instance: &str) {
        let dev = &self.conf.name;
        let (more, family_dir): (&[_], _) = match self.conf.family {
            Family::V4 => (&V4_SETTINGS, "ipv4"),
            Family::V6 => (&V6_SETTINGS, "ipv6"),
        };
        for (family, key, value) in SETTINGS.iter().chain(more) {
            let name = format_args!("net/{family}/conf/{dev}/{key}");
            // A kernel without IPv6 has nothing to disable.
            if let Err(error) = cx.system.set_sysctl(name, value)
                && *family == "ipv4"
                && shared.sysctl_errors.is_new(cx, &error)
            {
                let error = error_text(&error);
                cx.note(
                    Level::Warn,
                    EventKind::Refused,
                    Object::instance(instance),
                    format_args!(
                        "cannot set {key} on {dev}: {error}; neighbors may learn a wrong Ethernet address"
                    ),
                );
            }
        }
        let base = &self.conf.base;
        if read_setting(cx, family_dir, base, "forwarding") == "1" {
            let name = format_args!("net/{family_dir}/conf/{dev}/forwarding");
            let _ = cx.system.set_sysctl(name, "1");
        }
        if self.conf.family == Family::V4 {
            let interfaces = &shared.interfaces;
            let lower = interfaces
                .by_name(base)
                .and_then(|base| base.lower(self.kind()));
            let lower = lower.and_then(|lower| interfaces.get(lower));
            self.lower = lower
                .map(|lower| lower.name.clone())
                .filter(|lower| lower != base);
            suppress_base_arp(cx, shared, base);
            if let Some(lower) = &self.lower {
                suppress_base_arp(cx, shared, lower);
            }
        }
    }
}
