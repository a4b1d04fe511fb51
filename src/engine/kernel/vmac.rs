//! `use_vmac`: a macvlan for each virtual router, with the virtual router's Ethernet address.
//!
//! ```text
//!   eth0    10.0.0.1           own address; the adverts of all routers are received here
//!    └ vrrp.51  10.0.0.100     00:00:5e:00:01:33; sends adverts, announcements and ARP replies
//! ```
//! The macvlan exists as long as its base interface, and is up only while its router is master: a
//! switch learns from the last frame it saw, and a router that is not master must not send one with
//! the virtual address (an interface that is up sends by itself, for example to join multicast
//! groups).
//!
//! By default the kernel answers ARP for all of its addresses on all interfaces (`arp_ignore`),
//! uses any of its addresses as sender (`arp_announce`), and drops packets that arrive on another
//! interface than its own would leave by (`rp_filter`). The first two are also set on the base
//! interface, and restored at exit.
//!
//! A macvlan with the same name, base and Ethernet address that exists already was left by a killed
//! process. On a kernel without macvlans the addresses are set on the base interface.

use core::time::Duration;
use std::io;

use crate::config::model::{Vmac, VrrpInstance};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::router::Router;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::Interface;
use crate::engine::shared::Shared;
use crate::engine::system::error_text;
use crate::engine::timers::TimerKey;
use crate::netlink::{Batch, macvlan};
use crate::types::errno::{EEXIST, ENODEV, EOPNOTSUPP};
use crate::types::{Family, IfIndex, IfName, VrrpState};

/// Time between two macvlans that are set down.
const DOWN_INTERVAL: Duration = Duration::from_millis(1);

/// State of an instance's macvlan.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Its index while it exists.
    pub(crate) index: Option<IfIndex>,
    up: bool,
    /// Up, and scheduled to be set down.
    idle: bool,
    /// Why it does not exist, as last logged.
    refused: Option<String>,
}

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

/// Administrative state of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LinkState {
    Up,
    Down,
}

/// What to do about a macvlan.
enum Need {
    Nothing,
    Create(IfIndex),
    /// It exists already.
    Adopt(IfIndex, LinkState),
    Remove(IfIndex),
    SetUp,
    /// An interface that is not a macvlan has its name.
    NameTaken,
}

impl Engine {
    /// Creates the missing macvlans and removes the wrong ones, as far as their base interfaces
    /// exist. The result shows in the interfaces with the kernel's next netlink events.
    pub(crate) fn refresh_vmacs(&mut self, cx: &mut Cx<'_>) {
        for id in self.routers.ids() {
            let Some(router) = self.routers.get_mut(id) else {
                continue;
            };
            if router.refresh_vmac(cx, &mut self.shared) == Support::None {
                self.disable_vmacs(cx);
            }
        }
        if self.routers.iter().any(|router| router.vmac.idle) {
            self.shared.set_timer(TimerKey::Vmacs, Some(cx.now));
        }
    }

    /// At startup: creates the macvlans and reads the result.
    pub(crate) fn create_vmacs(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        if !self.routers.iter().any(|router| router.conf.vmac.is_some()) {
            return Ok(());
        }
        for router in self.routers.iter_mut() {
            router.find_interface(&self.shared.interfaces);
        }
        self.refresh_vmacs(cx);
        self.dump_interfaces(cx)?;
        self.refresh_vmacs(cx);
        self.dump_interfaces(cx)
    }

    /// At exit.
    pub(crate) fn remove_vmacs(&mut self, cx: &mut Cx<'_>) {
        for router in self.routers.iter_mut() {
            router.remove_vmac(cx, &mut self.shared);
        }
        self.restore_base_settings(cx);
    }

    /// The kernel has no macvlans.
    fn disable_vmacs(&mut self, cx: &mut Cx<'_>) {
        self.shared.no_macvlan = true;
        for router in self.routers.iter_mut() {
            if strip_vmac(&mut router.conf) {
                router.reset_addresses();
            }
        }
        self.rebuild_tables();
        self.replace_no_accept(cx);
    }

    /// Restores the settings of interfaces that are no longer the base of a macvlan.
    pub(crate) fn restore_base_settings(&mut self, cx: &mut Cx<'_>) {
        let routers = &self.routers;
        self.shared.vmac_bases.retain(|base| {
            let uses =
                |router: &Router| router.conf.interface == base.name && router.vmac.index.is_some();
            let used = routers.iter().any(uses);
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

    /// Sets one of the scheduled macvlans down. The sockets are read before the next one.
    pub(crate) fn process_one_vmac_down(&mut self, cx: &mut Cx<'_>) {
        let mut routers = self.routers.iter_mut();
        let Some(router) = routers.find(|router| router.vmac.idle) else {
            return self.shared.set_timer(TimerKey::Vmacs, None);
        };
        router.set_vmac(cx, LinkState::Down);
        let next = cx.now.after(DOWN_INTERVAL);
        self.shared.set_timer(TimerKey::Vmacs, Some(next));
    }
}

/// Whether the kernel has macvlans.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Support {
    Present,
    None,
}

impl Router {
    fn refresh_vmac(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) -> Support {
        let Some(vmac) = self.conf.vmac.clone() else {
            return Support::Present;
        };
        let link = shared.interfaces.by_name(&vmac.name);
        if link.is_none() {
            self.vmac.index = None;
            self.vmac.up = false;
        }
        match self.vmac_need(&vmac, link) {
            Need::Nothing => {}
            Need::SetUp => {
                self.vmac.idle = false;
                if self.vmac.index.is_some() {
                    self.set_vmac(cx, LinkState::Up);
                }
            }
            Need::Create(base) => return self.create_vmac(cx, &vmac, base),
            Need::Adopt(index, state) => {
                self.vmac = Own {
                    index: Some(index),
                    up: state == LinkState::Up,
                    idle: false,
                    refused: None,
                };
                self.configure_vmac(cx, shared, &vmac);
                if self.is_master() {
                    self.set_vmac(cx, LinkState::Up);
                } else if state == LinkState::Up {
                    self.set_vmac(cx, LinkState::Down);
                }
            }
            Need::Remove(index) => {
                self.vmac.index = None;
                log::info!(
                    target: "vrrp",
                    "({}) removed {}, a macvlan on another base interface or with another address",
                    self.conf.name, vmac.name
                );
                let _ = request(cx, |batch| macvlan::delete(batch, index));
                shared.interfaces.forget(index);
                shared.dirty = true;
            }
            Need::NameTaken => {
                self.vmac.index = None;
                let why = format!("{} exists and is not a macvlan", vmac.name);
                self.log_vmac_refused(&vmac, why);
            }
        }
        Support::Present
    }

    fn vmac_need(&self, vmac: &Vmac, link: Option<&Interface>) -> Need {
        let Some(base) = self.ifindex else {
            // Without its base interface it cannot exist; an interface with its name is not ours.
            return match link {
                Some(link) if link.macvlan && self.vmac.index == Some(link.index) => {
                    Need::Remove(link.index)
                }
                Some(_) | None => Need::Nothing,
            };
        };
        let Some(link) = link else {
            return Need::Create(base);
        };
        if !link.macvlan {
            return Need::NameTaken;
        }
        if link.parent != Some(base) || link.mac != Some(vmac.mac) {
            return Need::Remove(link.index);
        }
        let master = self.machine.state() == VrrpState::Master;
        let state = if link.is_oper_up() {
            LinkState::Up
        } else {
            LinkState::Down
        };
        if self.vmac.index != Some(link.index) {
            Need::Adopt(link.index, state)
        } else if master && state == LinkState::Down {
            Need::SetUp
        } else {
            Need::Nothing
        }
    }

    fn create_vmac(&mut self, cx: &mut Cx<'_>, vmac: &Vmac, base: IfIndex) -> Support {
        let name = vmac.name.as_str();
        match request(cx, |batch| macvlan::create(batch, name, base, vmac.mac)) {
            Ok(()) => log::info!(
                target: "vrrp",
                "({}) created VMAC interface {name} ({}) on {}",
                self.conf.name, vmac.mac, self.conf.interface
            ),
            // The base interface has just been removed, or the event about our macvlan is not read
            // yet.
            Err(Refusal { errno, .. }) if [ENODEV, EEXIST].contains(&errno) => {}
            Err(Refusal { errno, text }) if EOPNOTSUPP.contains(&errno) => {
                log::error!(
                    target: "vrrp",
                    "use_vmac is not possible, all instances use the Ethernet addresses of their \
                     interfaces: this kernel has no macvlans ({text}; OpenWrt: kmod-macvlan)"
                );
                return Support::None;
            }
            Err(Refusal { text, .. }) => self.log_vmac_refused(vmac, text),
        }
        Support::Present
    }

    /// Applies the settings of a new macvlan and of its base interface.
    fn configure_vmac(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, vmac: &Vmac) {
        let (more, family_dir): (&[_], _) = match self.conf.family {
            Family::V4 => (&V4_SETTINGS, "ipv4"),
            Family::V6 => (&V6_SETTINGS, "ipv6"),
        };
        for (family, key, value) in SETTINGS.iter().chain(more) {
            let name = format_args!("net/{family}/conf/{}/{key}", vmac.name);
            // A kernel without IPv6 has nothing to disable.
            if let Err(error) = cx.system.set_sysctl(name, value)
                && *family == "ipv4"
                && shared.sysctl_errors.is_new(&error)
            {
                let error = error_text(&error);
                log::warn!(
                    target: "vrrp",
                    "({}) cannot set {key} on {}: {error}; neighbors may learn a wrong Ethernet address",
                    self.conf.name, vmac.name
                );
            }
        }
        let base = &self.conf.interface;
        if read_setting(cx, family_dir, base, "forwarding") == "1" {
            let name = format_args!("net/{family_dir}/conf/{}/forwarding", vmac.name);
            let _ = cx.system.set_sysctl(name, "1");
        }
        if self.conf.family == Family::V4 {
            suppress_base_arp(cx, shared, base);
        }
    }

    /// Sets the macvlan up if there is one and it is not up.
    pub(crate) fn ensure_vmac_up(&mut self, cx: &mut Cx<'_>) {
        self.vmac.idle = false;
        if self.vmac.index.is_some() && !self.vmac.up {
            self.set_vmac(cx, LinkState::Up);
        }
    }

    /// After its addresses were removed: schedules the macvlan to be set down. Not at once, because
    /// that takes the kernel long (12 ms; setting it up takes 0.3 ms) and many instances may resign
    /// together.
    pub(crate) fn schedule_vmac_down(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if self.vmac.up && !shared.stopping {
            self.vmac.idle = true;
            shared.set_timer(TimerKey::Vmacs, Some(cx.now));
        }
    }

    fn set_vmac(&mut self, cx: &mut Cx<'_>, state: LinkState) {
        self.vmac.idle = false;
        let Some(index) = self.vmac.index else {
            return;
        };
        let change = match state {
            LinkState::Up => macvlan::set_up,
            LinkState::Down => macvlan::set_down,
        };
        match request(cx, |batch| change(batch, index)) {
            Ok(()) => self.vmac.up = state == LinkState::Up,
            Err(Refusal { text, .. }) => {
                self.vmac.up = false;
                let name = &self.conf.name;
                log::debug!(target: "vrrp", "({name}) cannot set VMAC interface {state:?}: {text}");
            }
        }
    }

    /// Removes the instance's macvlan.
    pub(crate) fn remove_vmac(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let Some(index) = core::mem::take(&mut self.vmac).index else {
            return;
        };
        if let Err(Refusal { text, .. }) = request(cx, |batch| macvlan::delete(batch, index)) {
            let name = &self.conf.name;
            log::debug!(target: "vrrp", "({name}) VMAC interface not removed: {text}");
        }
        shared.interfaces.forget(index);
    }

    /// Logs why there is no macvlan, when the reason is new.
    fn log_vmac_refused(&mut self, vmac: &Vmac, why: String) {
        if self.vmac.refused.as_deref() != Some(&why) {
            let name = &self.conf.name;
            log::error!(target: "vrrp", "({name}) VMAC interface {} not created: {why}", vmac.name);
            self.vmac.refused = Some(why);
        }
    }
}

/// Keeps a base interface from answering ARP for the virtual addresses.
fn suppress_base_arp(cx: &mut Cx<'_>, shared: &mut Shared, name: &IfName) {
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
            Err(error) if !shared.sysctl_errors.is_new(&error) => {}
            Err(error) => {
                let error = error_text(&error);
                log::warn!(
                    target: "vrrp",
                    "cannot set {key} on {name}: {error}; neighbors may learn its Ethernet address for \
                     virtual addresses"
                );
            }
        }
    }
    if !known {
        let name = name.clone();
        shared.vmac_bases.push(Base { name, before });
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
fn read_setting(cx: &mut Cx<'_>, family: &str, name: &IfName, key: &str) -> String {
    let path = format!("/proc/sys/net/{family}/conf/{name}/{key}");
    let read = cx.system.read_file(&path).unwrap_or_default();
    core::str::from_utf8(&read).map_or("", str::trim).to_owned()
}

/// Configures an instance without a macvlan; returns whether it had one.
pub(crate) fn strip_vmac(conf: &mut VrrpInstance) -> bool {
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

/// The kernel's refusal of a request.
struct Refusal {
    errno: i32,
    text: String,
}

/// Sends one request.
fn request(cx: &mut Cx<'_>, fill: impl FnOnce(&mut Batch) -> u32) -> Result<(), Refusal> {
    let mut batch = Batch::new(1);
    fill(&mut batch);
    let mut refusal = None;
    let sent = cx.system.request(&batch, &mut |ack| {
        let (errno, text) = (ack.errno, reason(ack));
        refusal = Some(Refusal { errno, text });
    });
    sent.map_err(|error| Refusal {
        errno: error.raw_os_error().unwrap_or(0),
        text: error_text(&error),
    })?;
    refusal.map_or(Ok(()), Err)
}
