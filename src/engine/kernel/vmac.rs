//! Virtual interfaces: with `use_vmac`, a macvlan for each virtual router, with the virtual router's
//! Ethernet address; with `use_ipvlan`, an ipvlan, which is always up.
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
//! process. On a kernel without macvlans the addresses are set on the base interface. If the base
//! interface is in a VRF, the macvlan is too.

use core::time::Duration;
use std::io;

use crate::config::model::{Address, Vmac};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::messages;
use crate::engine::instance::router::Router;
use crate::engine::kernel::backoff::Backoff;
use crate::engine::kernel::interfaces::{Interfaces, LinkKind};
use crate::engine::kernel::repair_limit::{RepairLimit, is_logged};
use crate::engine::kernel::vmac_base::strip_vmacs;
use crate::engine::kernel::vmac_request::{Refusal, request};
use crate::engine::shared::Shared;
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::netlink::macvlan;
use crate::netlink::macvlan::NewLink;
use crate::types::errno::{EEXIST, ENETDOWN, ENODEV, EOPNOTSUPP};
use crate::types::{IfIndex, IfName, Instant, VirtualLink};

/// Time between two macvlans that are set down.
const DOWN_INTERVAL: Duration = Duration::from_millis(1);
/// Time until what could not be set up is tried again.
const RETRY_FIRST: u32 = 1_000;
const RETRY_LAST: u32 = 60_000;

/// A virtual interface of an instance, and its state.
#[derive(Debug)]
pub(crate) struct VirtualInterface {
    pub(crate) conf: Vmac,
    /// Its index while it exists.
    pub(crate) index: Option<IfIndex>,
    /// The interface below both, if the base interface is a macvlan itself.
    pub(super) lower: Option<IfName>,
    up: bool,
    /// Up, and scheduled to be set down.
    idle: bool,
    /// We have created an interface with its name.
    created: bool,
    /// It was as it must be since its base interface exists.
    existed: bool,
    /// It was removed because it was no longer, by another program.
    changed: bool,
    /// Another program may remove it whenever it appears, or the kernel may not create what was
    /// requested.
    pub(crate) repairs: RepairLimit,
    /// The VRF that the kernel did not let it join (`None`: leave) the last time.
    pub(super) refused_vrf: Option<Option<IfIndex>>,
    /// Why it does not exist, as last logged, or why it cannot be set up.
    refused: Option<String>,
    /// When to try again to set it up.
    retry: Backoff,
}

/// Administrative state of an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LinkState {
    Up,
    Down,
}

/// The next step for a virtual interface.
enum Need {
    Nothing,
    Create(IfIndex),
    /// It exists already.
    Adopt(IfIndex, LinkState),
    Remove(IfIndex),
    SetUp,
    /// It must be moved to the VRF of its base interface, or out of one.
    SetVrf(Option<IfIndex>),
    /// An interface of another type has its name.
    NameTaken,
}

/// The settings of an instance that its virtual interfaces depend on.
#[derive(Clone, Copy)]
struct Owner<'a> {
    name: &'a str,
    is_master: bool,
}

impl<'a> Owner<'a> {
    fn object(self) -> Object<'a> {
        Object::instance(self.name)
    }
}

impl Engine {
    /// Creates the missing virtual interfaces and removes the wrong ones, as far as their base
    /// interfaces exist. The result shows in the interfaces with the kernel's next netlink events.
    pub(crate) fn refresh_vmacs(&mut self, cx: &mut Cx<'_>) {
        let known = self.shared.no_links.len();
        for router in self.routers.iter_mut() {
            let is_master = router.is_master();
            let name = router.conf.name.as_str();
            let owner = Owner { name, is_master };
            for vmac in &mut router.vmacs {
                vmac.refresh(cx, &mut self.shared, owner);
            }
        }
        if self.shared.no_links.len() > known {
            self.disable_vmacs(cx);
        }
        self.schedule_vmacs(cx.now);
    }

    /// Sets the timer: interfaces that are to be set down are at `down_at`, others when they may be
    /// repaired again.
    fn schedule_vmacs(&mut self, down_at: Instant) {
        let next = |vmac: &VirtualInterface| match vmac.idle {
            true => Some(down_at),
            false => vmac.next_deadline(),
        };
        let all = self.routers.iter().flat_map(|router| &router.vmacs);
        let next = all.filter_map(next).min();
        self.shared.set_timer(TimerKey::Vmacs, next);
    }

    /// Creates the virtual interfaces and reads the result, so that new instances do not start in
    /// FAULT.
    pub(crate) fn create_vmacs(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        if self.routers.iter().all(|router| router.vmacs.is_empty()) {
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
            router.remove_vmacs(cx, &mut self.shared);
        }
        self.restore_base_settings(cx);
    }

    /// Configures the instances without the types of virtual interfaces that the kernel has not.
    fn disable_vmacs(&mut self, cx: &mut Cx<'_>) {
        let kinds = &self.shared.no_links;
        for router in self.routers.iter_mut() {
            let mut links = router.conf.vmacs.iter().map(|vmac| vmac.link.kind());
            if links.any(|kind| kinds.contains(&kind)) {
                let mut addresses: Vec<Address> = router.addresses.iter().cloned().collect();
                if let Some(vmacs) = router.conf.vmacs_mut() {
                    strip_vmacs(vmacs, [&mut addresses, &mut []], kinds);
                }
                router
                    .vmacs
                    .retain(|vmac| !kinds.contains(&vmac.conf.link.kind()));
                router.reset_addresses(addresses);
            }
        }
        self.rebuild_tables();
        self.replace_no_accept(cx);
    }

    /// Sets one of the scheduled interfaces down. The sockets are read before the next one. Those
    /// that wait for their next repair are refreshed.
    pub(crate) fn process_one_vmac(&mut self, cx: &mut Cx<'_>) {
        let mut all = self.routers.iter_mut().flat_map(|router| &mut router.vmacs);
        if let Some(vmac) = all.find(|vmac| vmac.idle) {
            vmac.set(cx, LinkState::Down);
        }
        let mut all = self.routers.iter().flat_map(|router| &router.vmacs);
        self.shared.dirty |= all.any(|vmac| cx.is_due(vmac.next_deadline()));
        self.schedule_vmacs(cx.now.after(DOWN_INTERVAL));
    }
}

impl Router {
    /// Sets its virtual interfaces up that are not.
    pub(crate) fn ensure_vmacs_up(&mut self, cx: &mut Cx<'_>) {
        for vmac in &mut self.vmacs {
            vmac.idle = false;
            if vmac.index.is_some() && !vmac.up && !vmac.is_blocked() {
                vmac.set(cx, LinkState::Up);
            }
        }
    }

    /// After its addresses were removed: schedules its macvlans to be set down. Not at once, because
    /// that takes the kernel long (12 ms; setting it up takes 0.3 ms) and many instances may resign
    /// together.
    pub(crate) fn schedule_vmacs_down(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for vmac in &mut self.vmacs {
            if vmac.up && !shared.stopping && !vmac.is_always_up() {
                vmac.idle = true;
                shared.set_timer(TimerKey::Vmacs, Some(cx.now));
            }
        }
    }

    /// Removes its virtual interfaces.
    pub(crate) fn remove_vmacs(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for vmac in &mut self.vmacs {
            vmac.remove(cx, shared);
        }
    }
}

impl VirtualInterface {
    pub(crate) fn new(conf: Vmac) -> Self {
        VirtualInterface {
            conf,
            index: None,
            lower: None,
            up: false,
            idle: false,
            created: false,
            existed: false,
            changed: false,
            repairs: RepairLimit::default(),
            refused_vrf: None,
            refused: None,
            retry: Backoff::new(RETRY_FIRST, RETRY_LAST),
        }
    }

    /// Whether the kernel refused to set it up. The instance is in FAULT until a retry succeeds.
    pub(crate) fn is_blocked(&self) -> bool {
        self.index.is_some() && self.refused.is_some()
    }

    /// Whether it does not exist and is not just about to be created again, which is no reason to hand
    /// over.
    pub(crate) fn is_missing(&self) -> bool {
        self.index.is_none() && (self.refused.is_some() || !self.existed)
    }

    /// Its defect, as a clause for a message.
    pub(crate) fn problem(&self) -> String {
        let (name, index) = (&self.conf.name, self.index);
        match &self.refused {
            Some(why) if index.is_some() => {
                format!("VMAC interface {name}: cannot set it up: {why}")
            }
            Some(why) => format!("VMAC interface {name} not created: {why}"),
            None => format!("VMAC interface {name} does not exist"),
        }
    }

    /// When a repair or a retry is due.
    fn next_deadline(&self) -> Option<Instant> {
        let both = [self.repairs.next_deadline(), self.retry.retry_at()];
        both.into_iter().flatten().min()
    }

    /// An ipvlan has the Ethernet address of its base interface, so that switches learn nothing
    /// wrong, and an address that is not virtual.
    fn is_always_up(&self) -> bool {
        matches!(self.conf.link, VirtualLink::Ipvlan(_))
    }

    /// Whether an interface is below it.
    pub(crate) fn is_on(&self, name: &IfName) -> bool {
        self.conf.base == *name || self.lower.as_ref() == Some(name)
    }

    pub(super) fn kind(&self) -> LinkKind {
        LinkKind::new(self.conf.link.kind())
    }

    fn refresh(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, owner: Owner<'_>) {
        self.repairs.end_hold(cx.now);
        self.retry.take_due(cx.now);
        let interfaces = &shared.interfaces;
        if interfaces.by_name(&self.conf.name).is_none() {
            self.up = false;
            let removed = self.index.take();
            // It disappears with its base interface, too.
            if interfaces.by_name(&self.conf.base).is_none() {
                self.existed = false;
                self.allow();
            } else if let Some(index) = removed {
                self.allow();
                self.notice(cx, owner);
                // Renamed: two with one Ethernet address cannot be up.
                if interfaces.get(index).is_some() {
                    let _ = request(cx, |batch| macvlan::delete(batch, index));
                }
            }
        }
        if self.wrong_vrf(interfaces).is_none() {
            self.refused_vrf = None;
        }
        match self.need(interfaces, owner) {
            // There is no base interface, or nothing to repair.
            Need::Nothing => self.repairs.settle(),
            Need::SetUp => {
                self.set(cx, LinkState::Up);
                // A retry has succeeded.
                self.idle = self.up && !owner.is_master && !self.is_always_up();
            }
            Need::SetVrf(vrf) => self.set_vrf(cx, vrf),
            Need::Create(base) => {
                if self.retry.retry_at().is_none() && self.may_repair(cx.now) {
                    self.create(cx, shared, owner, base);
                }
            }
            Need::Adopt(index, state) => self.adopt(cx, shared, owner, index, state),
            Need::Remove(index) => {
                self.index = None;
                self.changed = true;
                self.notice(cx, owner);
                if self.may_repair(cx.now) {
                    if self.repairs.is_next_logged() {
                        cx.note(
                            Level::Info,
                            EventKind::Repair,
                            owner.object(),
                            format_args!(
                                "removed {}: its base interface is gone or another one, or it has another address",
                                self.conf.name
                            ),
                        );
                    }
                    let _ = request(cx, |batch| macvlan::delete(batch, index));
                    shared.interfaces.forget(index);
                    shared.dirty = true;
                }
            }
            Need::NameTaken => {
                self.index = None;
                self.repairs.settle();
                let kind = self.conf.link.kind();
                let why = format!("{} exists and is no {kind}", self.conf.name);
                self.report_refused(cx, owner, why);
            }
        }
    }

    /// It was removed by another program, or is not what was requested.
    fn notice(&mut self, cx: &Cx<'_>, owner: Owner<'_>) {
        if self.repairs.notice(cx.now, 0) {
            let (dev, lost) = (&self.conf.name, self.repairs.lost());
            cx.note(
                Level::Error,
                EventKind::Repair,
                owner.object(),
                format_args!(
                    "{dev} was removed or changed {} times in {} ms; next attempt in {} s",
                    lost.repairs, lost.millis, lost.hold
                ),
            );
        }
    }

    fn may_repair(&mut self, now: Instant) -> bool {
        self.repairs.may_repair(now) && !self.repairs.is_held()
    }

    fn need(&self, all: &Interfaces, owner: Owner<'_>) -> Need {
        let link = all.by_name(&self.conf.name);
        let kind = self.kind();
        let Some(base) = all.by_name(&self.conf.base) else {
            // Without its base interface it cannot exist; an interface with its name is not ours.
            return match link {
                Some(link) if link.kind == kind && self.index == Some(link.index) => {
                    Need::Remove(link.index)
                }
                Some(_) | None => Need::Nothing,
            };
        };
        let Some(link) = link else {
            return Need::Create(base.index);
        };
        if link.kind != kind {
            return Need::NameTaken;
        }
        let mac = self.conf.mac();
        if link.parent != base.lower(kind) || (mac.is_some() && link.mac != mac) {
            return Need::Remove(link.index);
        }
        let state = if link.is_oper_up() {
            LinkState::Up
        } else {
            LinkState::Down
        };
        if self.index != Some(link.index) {
            Need::Adopt(link.index, state)
        } else if let Some(vrf) = self
            .wrong_vrf(all)
            .filter(|vrf| self.refused_vrf != Some(*vrf))
        {
            Need::SetVrf(vrf)
        } else if state == LinkState::Down && self.is_due_up(owner) {
            Need::SetUp
        } else {
            Need::Nothing
        }
    }

    /// Whether it is to be set up if it is down: when it was refused, only the retry is, although
    /// the instance is in FAULT.
    fn is_due_up(&self, owner: Owner<'_>) -> bool {
        match self.is_blocked() {
            true => self.retry.retry_at().is_none(),
            false => owner.is_master || self.is_always_up(),
        }
    }

    fn create(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, owner: Owner<'_>, base: IfIndex) {
        let conf = &self.conf;
        let (name, link) = (conf.name.as_str(), conf.link);
        if shared.no_links.contains(&link.kind()) {
            return;
        }
        let group = shared.interfaces.get(base).map_or(0, |base| base.group);
        let group = conf.group.unwrap_or(group);
        let new = NewLink {
            name,
            base,
            group,
            link,
        };
        match request(cx, |batch| macvlan::create(batch, &new)) {
            Ok(()) => {
                let again = core::mem::replace(&mut self.created, true) || self.existed;
                // The first creation repairs nothing.
                let count = if again {
                    shared.counters.interfaces.add(1, 0);
                    self.repairs.repaired(cx.now)
                } else {
                    1
                };
                if self.existed && !self.changed {
                    let instance = owner.object();
                    return messages::report_restored(
                        &cx.events, cx.now, instance, &name, 1, count,
                    );
                }
                if !is_logged(count) {
                    return;
                }
                let (what, mac) = match conf.mac() {
                    Some(mac) => ("VMAC", format!(" ({mac})")),
                    None => ("ipvlan", String::new()),
                };
                let text = format_args!("created {what} interface {name}{mac} on {}", conf.base);
                cx.note(Level::Info, EventKind::Interface, owner.object(), text);
            }
            // The base interface has just been removed, or the event about our interface is not
            // read yet.
            Err(Refusal { errno, .. }) if [ENODEV, EEXIST].contains(&errno) => {
                self.retry.fail(cx.now);
            }
            Err(Refusal { errno, text }) if EOPNOTSUPP.contains(&errno) => {
                let kind = link.kind();
                let keyword = match link {
                    VirtualLink::Macvlan(_) => "use_vmac",
                    VirtualLink::Ipvlan(_) => "use_ipvlan",
                };
                let text = format_args!(
                    "{keyword} is not possible, all instances use the Ethernet addresses of their interfaces: this \
                     kernel has no {kind}s ({text}; OpenWrt: kmod-{kind})"
                );
                cx.note(Level::Error, EventKind::Refused, Object::DAEMON, text);
                shared.no_links.push(kind);
            }
            Err(Refusal { text, .. }) => {
                self.retry.fail(cx.now);
                shared.counters.interfaces.add(0, 1);
                self.report_refused(cx, owner, format!("{text}; retrying"));
            }
        }
    }

    /// It exists: takes it over and applies its settings.
    fn adopt(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        owner: Owner<'_>,
        index: IfIndex,
        state: LinkState,
    ) {
        self.index = Some(index);
        self.existed = true;
        self.changed = false;
        self.up = state == LinkState::Up;
        self.idle = false;
        self.repairs.settle();
        self.allow();
        self.refused_vrf = None;
        if let Some(vrf) = self.wrong_vrf(&shared.interfaces) {
            self.set_vrf(cx, vrf);
        }
        self.configure(cx, shared, owner.name);
        if owner.is_master || self.is_always_up() {
            self.set(cx, LinkState::Up);
        } else if state == LinkState::Up {
            self.set(cx, LinkState::Down);
        }
    }

    fn set(&mut self, cx: &mut Cx<'_>, state: LinkState) {
        self.idle = false;
        let Some(index) = self.index else {
            return;
        };
        let change = match state {
            LinkState::Up => macvlan::set_up,
            LinkState::Down => macvlan::set_down,
        };
        match request(cx, |batch| change(batch, index)) {
            Ok(()) => {
                self.up = state == LinkState::Up;
                self.allow();
            }
            Err(Refusal { errno, text }) => {
                self.up = false;
                let name = &self.conf.name;
                // That the interface below is down or has been removed is noticed otherwise.
                if state == LinkState::Up && errno != ENODEV && !ENETDOWN.contains(&errno) {
                    self.refused = Some(text);
                    return self.retry.fail(cx.now);
                }
                log::debug!(target: "vrrp", "cannot set {name} {state:?}: {text}");
            }
        }
    }

    /// Nothing is refused anymore: it exists, or not for that reason.
    fn allow(&mut self) {
        self.refused = None;
        self.retry.reset();
    }

    fn remove(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        self.up = false;
        self.idle = false;
        // One that turned out wrong and waits for its removal, too.
        let created = || {
            shared
                .interfaces
                .by_name(&self.conf.name)
                .filter(|_| self.created)
        };
        let Some(index) = self.index.take().or_else(|| Some(created()?.index)) else {
            return;
        };
        if let Err(Refusal { text, .. }) = request(cx, |batch| macvlan::delete(batch, index)) {
            log::debug!(target: "vrrp", "{} not removed: {text}", self.conf.name);
        }
        shared.interfaces.forget(index);
    }

    /// Reports why it does not exist, when the reason is new.
    fn report_refused(&mut self, cx: &Cx<'_>, owner: Owner<'_>, why: String) {
        if self.refused.as_deref() != Some(&why) {
            let dev = &self.conf.name;
            cx.note(
                Level::Error,
                EventKind::Refused,
                owner.object(),
                format_args!("VMAC interface {dev} not created: {why}"),
            );
            self.refused = Some(why);
        }
    }
}
