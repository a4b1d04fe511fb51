//! `use_vmac`: an interface for each virtual router, with the virtual router's Ethernet address.
//!
//! ```text
//!   eth0    10.0.0.1         real address; adverts of all routers arrive here
//!    └ vrrp.51  10.0.0.100   00:00:5e:00:01:33; adverts leave here, as do announcements and answers to ARP
//! ```
//! The macvlan is made with the interface below and goes with it. It is up only while its router is master:
//! a switch believes the last frame it saw, and not one with the virtual address may come from a router that
//! is not master (an interface that is up sends of its own accord, to join groups for instance).
//!
//! The kernel answers ARP for all of its addresses on all interfaces unless told not to (`arp_ignore`), asks
//! with any of its addresses as sender (`arp_announce`), and drops what came another way than it would go
//! (`rp_filter`). The first two are set on the interface below as well, and put back at the end.
//!
//! A macvlan of this name, base and address that is there already was left by a killed predecessor.
//! A kernel without macvlans: addresses go on the interface below and have its Ethernet address.

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::config::model::{Vmac, VrrpInstance};
use crate::engine::Engine;
use crate::engine::instance::router::Router;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::Interface;
use crate::engine::timers::TimerKey;
use crate::netlink::{Batch, macvlan};
use crate::types::errno::{EEXIST, ENODEV, EOPNOTSUPP};
use crate::types::{Family, IfIndex, IfName, Instant, VrrpState};

/// Between two that are switched off.
const PAUSE: Duration = Duration::from_millis(1);

/// What we know of a virtual router's own interface.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Its number while it is there.
    pub(crate) index: Option<IfIndex>,
    up: bool,
    /// Up, and to be switched off when its turn comes.
    idle: bool,
    /// Why it is not there, as last said.
    refused: Option<String>,
}

/// An interface below, and what must be put back on it.
#[derive(Debug)]
pub(crate) struct Base {
    name: IfName,
    /// Former values of [`BASE_SETTINGS`]; none where nothing was changed.
    before: [Option<String>; 2],
}

/// SysctlErrors of the interface below: with less than this it would speak for the virtual addresses.
const BASE_SETTINGS: [(&str, u8); 2] = [("arp_ignore", 1), ("arp_announce", 2)];

/// SysctlErrors of the macvlan. 2 is the loose reverse path filter: the way back may lead through the interface
/// below, and of this value and that for all interfaces the larger one counts. The IPv4 ones matter for IPv6
/// instances too: every macvlan hears every question.
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

/// What to do about a macvlan.
enum Need {
    Nothing,
    Make(IfIndex),
    /// It is ours from now on; `true`: it is up.
    Adopt(IfIndex, bool),
    Remove(IfIndex),
    Raise,
    Taken,
}

impl Engine {
    /// Sees to it that every virtual router has its interface, as far as there is one below.
    /// What was asked of the kernel shows in the links when it has told so.
    pub(crate) fn refresh_vmacs(&mut self, cx: &mut Cx<'_>) {
        for id in 0..self.routers.len() {
            self.refresh_vmac(cx, id);
        }
        if self.routers.iter().any(|router| router.vmac.idle) {
            self.shared.set_timer(TimerKey::Vmacs, Some(cx.now));
        }
    }

    /// The beginning: makes the interfaces and waits for none.
    pub(crate) fn create_vmacs(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        if !self.routers.iter().any(|router| router.conf.vmac.is_some()) {
            return Ok(());
        }
        for id in 0..self.routers.len() {
            self.find_interface(id);
        }
        self.refresh_vmacs(cx);
        self.dump_interfaces(cx)?;
        self.refresh_vmacs(cx);
        self.dump_interfaces(cx)
    }

    /// The end.
    pub(crate) fn remove_vmacs(&mut self, cx: &mut Cx<'_>) {
        for id in 0..self.routers.len() {
            self.remove_vmac(cx, id);
        }
        self.restore_base_settings(cx, false);
    }

    fn refresh_vmac(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let Some(vmac) = router.conf.vmac.clone() else {
            return;
        };
        let there = self.shared.interfaces.by_name(&vmac.name);
        if there.is_none() {
            router.vmac.index = None;
            router.vmac.up = false;
        }
        match need(router, &vmac, there) {
            Need::Nothing => {}
            Need::Raise => self.set_vmac_up(cx, id, true),
            Need::Make(base) => self.create_vmac(cx, id, &vmac, base),
            Need::Adopt(index, up) => {
                router.vmac = Own {
                    index: Some(index),
                    up,
                    idle: false,
                    refused: None,
                };
                self.prepare(cx, id, &vmac);
                if self.is_master(id) || up {
                    let master = self.is_master(id);
                    self.switch(cx, id, master);
                }
            }
            Need::Remove(index) => {
                router.vmac.index = None;
                log::info!(
                    target: "vrrp",
                    "({}) removed {}, a macvlan upon another interface or with another address",
                    router.conf.name, vmac.name
                );
                let _ = request(cx, |batch| macvlan::delete(batch, index));
                self.shared.interfaces.forget(index);
                self.shared.dirty = true;
            }
            Need::Taken => {
                let why = format!("an interface that is no macvlan has the name {}", vmac.name);
                router.vmac.index = None;
                complain(router, &vmac, why);
            }
        }
    }

    fn is_master(&self, id: usize) -> bool {
        self.routers.get(id).is_some_and(Router::is_master)
    }

    fn create_vmac(&mut self, cx: &mut Cx<'_>, id: usize, vmac: &Vmac, base: IfIndex) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let name = vmac.name.as_str();
        let made = request(cx, |batch| macvlan::create(batch, name, base, vmac.mac));
        match made {
            Ok(()) => log::info!(
                target: "vrrp",
                "({}) created VMAC interface {name} ({}) upon {}",
                router.conf.name, vmac.mac, router.conf.interface
            ),
            // The interface below has just gone, or ours is there and its news is on the way.
            Err((ENODEV | EEXIST, _)) => {}
            Err((errno, why)) if EOPNOTSUPP.contains(&errno) => {
                log::error!(
                    target: "vrrp",
                    "use_vmac is not possible, all instances run with the Ethernet addresses of their \
                     interfaces: this kernel has no macvlans ({why}; OpenWrt: kmod-macvlan)"
                );
                self.disable_vmacs(cx);
            }
            Err((_, why)) => complain(router, vmac, why),
        }
    }

    /// This kernel has no macvlans.
    fn disable_vmacs(&mut self, cx: &mut Cx<'_>) {
        self.shared.no_macvlan = true;
        for router in &mut self.routers {
            if strip(&mut router.conf) {
                router.renew_set();
            }
        }
        self.rebuild_tables();
        self.shared
            .no_accept
            .replace(cx, &self.shared.global.nft, &self.routers);
    }

    /// Makes the kernel keep to the new interface what belongs to it.
    fn prepare(&mut self, cx: &mut Cx<'_>, id: usize, vmac: &Vmac) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let more: &[_] = match router.conf.family {
            Family::V4 => &V4_SETTINGS,
            Family::V6 => &V6_SETTINGS,
        };
        for (family, key, value) in SETTINGS.iter().chain(more) {
            let name = format_args!("net/{family}/conf/{}/{key}", vmac.name);
            // Without IPv6 in the kernel there is nothing to switch off.
            if let Err(error) = cx.system.set_sysctl(name, value)
                && *family == "ipv4"
                && self.shared.sysctl_errors.is_news(&error)
            {
                log::warn!(
                    target: "vrrp",
                    "({}) {key} not set on {}: {error}; neighbors may be told a wrong Ethernet address",
                    router.conf.name, vmac.name
                );
            }
        }
        let base = router.conf.interface.clone();
        let family = router.conf.family;
        // What routes on the interface below routes here.
        let folder = match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        };
        if setting(cx, folder, &base, "forwarding") == "1" {
            let name = format_args!("net/{folder}/conf/{}/forwarding", vmac.name);
            let _ = cx.system.set_sysctl(name, "1");
        }
        if family == Family::V4 {
            self.suppress_base_arp(cx, &base);
        }
    }

    /// Keeps the interface below from speaking for the virtual addresses.
    fn suppress_base_arp(&mut self, cx: &mut Cx<'_>, name: &IfName) {
        let known = self.shared.vmac_bases.iter().any(|base| base.name == *name);
        let mut before = [None, None];
        for ((key, least), slot) in BASE_SETTINGS.into_iter().zip(&mut before) {
            let text = setting(cx, "ipv4", name, key);
            if text.parse().unwrap_or(0_u8) >= least {
                continue;
            }
            let value = if least == 1 { "1" } else { "2" };
            match cx
                .system
                .set_sysctl(format_args!("net/ipv4/conf/{name}/{key}"), value)
            {
                Ok(()) => {
                    *slot = Some(if text.is_empty() {
                        "0".to_owned()
                    } else {
                        text
                    })
                }
                Err(error) if !self.shared.sysctl_errors.is_news(&error) => {}
                Err(error) => log::warn!(
                    target: "vrrp",
                    "{key} not set on {name}: {error}; neighbors may be told its Ethernet address for \
                     virtual ones"
                ),
            }
        }
        if !known {
            self.shared.vmac_bases.push(Base {
                name: name.clone(),
                before,
            });
        }
    }

    /// Puts back the settings of interfaces that are below none any more, or of all.
    pub(crate) fn restore_base_settings(&mut self, cx: &mut Cx<'_>, all: bool) {
        let routers = &self.routers;
        self.shared.vmac_bases.retain(|base| {
            let below =
                |router: &Router| router.conf.interface == base.name && router.vmac.index.is_some();
            if !all && routers.iter().any(below) {
                return true;
            }
            for ((key, _), before) in BASE_SETTINGS.into_iter().zip(&base.before) {
                if let Some(value) = before {
                    let name = &base.name;
                    // An interface that is gone took its settings along.
                    let _ = cx
                        .system
                        .set_sysctl(format_args!("net/ipv4/conf/{name}/{key}"), value);
                }
            }
            false
        });
    }

    /// Switches the instance's own interface on, when it has one; `again`: whatever we think of it.
    pub(crate) fn set_vmac_up(&mut self, cx: &mut Cx<'_>, id: usize, again: bool) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        router.vmac.idle = false;
        if router.vmac.index.is_some() && (again || !router.vmac.up) {
            self.switch(cx, id, true);
        }
    }

    /// Its addresses have gone: it is to be switched off, though not at once. The kernel takes a good part of
    /// its time for that (12 ms where 0.3 ms are enough to switch it on), and many routers may yield together.
    pub(crate) fn schedule_vmac_down(&mut self, id: usize, now: Instant) {
        if let Some(router) = self.routers.get_mut(id)
            && router.vmac.up
            && !self.shared.stopping
        {
            router.vmac.idle = true;
            self.shared.set_timer(TimerKey::Vmacs, Some(now));
        }
    }

    /// Switches off one of those that are to be.
    pub(crate) fn process_one_vmac_down(&mut self, cx: &mut Cx<'_>) {
        let mut idle = self.routers.iter().enumerate();
        let Some((id, _)) = idle.find(|(_, router)| router.vmac.idle) else {
            return self.shared.set_timer(TimerKey::Vmacs, None);
        };
        self.switch(cx, id, false);
        // The sockets have their turn in between.
        self.shared
            .set_timer(TimerKey::Vmacs, Some(cx.now.after(PAUSE)));
    }

    fn switch(&mut self, cx: &mut Cx<'_>, id: usize, on: bool) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        router.vmac.idle = false;
        let Some(index) = router.vmac.index else {
            return;
        };
        let change = if on {
            macvlan::set_up
        } else {
            macvlan::set_down
        };
        match request(cx, |batch| change(batch, index)) {
            Ok(()) => router.vmac.up = on,
            Err((_, why)) => {
                router.vmac.up = false;
                let name = &router.conf.name;
                log::debug!(target: "vrrp", "({name}) VMAC interface not switched: {why}");
            }
        }
    }

    /// Removes the instance's own interface.
    pub(crate) fn remove_vmac(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let Some(index) = core::mem::take(&mut router.vmac).index else {
            return;
        };
        if let Err((_, why)) = request(cx, |batch| macvlan::delete(batch, index)) {
            let name = &router.conf.name;
            log::debug!(target: "vrrp", "({name}) VMAC interface not removed: {why}");
        }
        self.shared.interfaces.forget(index);
    }
}

fn need(router: &Router, vmac: &Vmac, there: Option<&Interface>) -> Need {
    let Some(base) = router.ifindex else {
        // Without the one below it cannot be; what has its name is not ours.
        return match there {
            Some(link) if link.macvlan && router.vmac.index == Some(link.index) => {
                Need::Remove(link.index)
            }
            Some(_) | None => Need::Nothing,
        };
    };
    let Some(link) = there else {
        return Need::Make(base);
    };
    if !link.macvlan {
        return Need::Taken;
    }
    if link.parent != Some(base) || link.mac != Some(vmac.mac) {
        return Need::Remove(link.index);
    }
    let master = router.machine.state() == VrrpState::Master;
    if router.vmac.index != Some(link.index) {
        Need::Adopt(link.index, link.is_on())
    } else if master && !link.is_on() {
        Need::Raise
    } else {
        Need::Nothing
    }
}

/// A setting of an interface; empty when it cannot be read.
fn setting(cx: &mut Cx<'_>, family: &str, name: &IfName, key: &str) -> String {
    let path = format!("/proc/sys/net/{family}/conf/{name}/{key}");
    let read = cx.system.read_file(&path).unwrap_or_default();
    core::str::from_utf8(&read).map_or("", str::trim).to_owned()
}

/// Says why there is no interface, when that is news.
fn complain(router: &mut Router, vmac: &Vmac, why: String) {
    if router.vmac.refused.as_deref() != Some(&why) {
        let name = &router.conf.name;
        log::error!(target: "vrrp", "({name}) VMAC interface {} not created: {why}", vmac.name);
        router.vmac.refused = Some(why);
    }
}

/// The instance without an interface of its own; tells whether it had one.
pub(crate) fn strip(conf: &mut VrrpInstance) -> bool {
    let Some(vmac) = conf.vmac.take() else {
        return false;
    };
    for address in conf.vips.iter_mut().chain(&mut conf.excluded_vips) {
        if address.dev == vmac.name {
            address.dev.clone_from(&conf.interface);
        }
    }
    true
}

/// One request, and the kernel's refusal: number and words.
fn request(cx: &mut Cx<'_>, fill: impl FnOnce(&mut Batch) -> u32) -> Result<(), (i32, String)> {
    let mut batch = Batch::new(1);
    fill(&mut batch);
    let mut refusal = None;
    let sent = cx
        .system
        .request(&batch, &mut |ack| refusal = Some((ack.errno, reason(ack))));
    sent.map_err(|error| (error.raw_os_error().unwrap_or(0), error.to_string()))?;
    refusal.map_or(Ok(()), Err)
}
