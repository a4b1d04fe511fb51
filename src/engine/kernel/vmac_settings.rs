//! Settings of a virtual interface, and its VRF.

use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::vmac::VirtualInterface;
use crate::engine::kernel::vmac_base::{read_setting, suppress_base_arp};
use crate::engine::kernel::vmac_request::{Refusal, request};
use crate::engine::shared::Shared;
use crate::engine::system::error_text;
use crate::log::Level;
use crate::netlink::macvlan;
use crate::types::{Family, IfIndex};

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

    /// The VRF of its base interface, if it is in another.
    pub(super) fn wrong_vrf(&self, all: &Interfaces) -> Option<Option<IfIndex>> {
        let vrf_of = |link: &Interface| all.vrf_of(link).map(|vrf| vrf.index);
        let vrf = vrf_of(all.by_name(&self.conf.base)?);
        let is = vrf_of(all.get(self.index?)?);
        (is != vrf).then_some(vrf)
    }

    /// Moves it to the VRF of its base interface. Its routes are in the VRF's table: outside of it
    /// nothing would be forwarded.
    pub(super) fn set_vrf(&mut self, cx: &mut Cx<'_>, vrf: Option<IfIndex>) {
        let Some(index) = self.index else { return };
        self.refused_vrf = None;
        let set = request(cx, |batch| macvlan::set_master(batch, index, vrf));
        if let Err(Refusal { text, .. }) = set {
            self.refused_vrf = Some(vrf);
            cx.note(
                Level::Error,
                EventKind::Refused,
                Object::interface(self.conf.name.as_str()),
                format_args!(
                    "{} not moved to the VRF of {}, traffic to it is not forwarded: {text}",
                    self.conf.name, self.conf.base
                ),
            );
        }
    }
}
