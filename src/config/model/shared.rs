//! `vrrp_instance` as the daemon keeps it while it runs.

use core::ops::Deref;
use std::rc::Rc;

use super::{Address, Route, Rule, Settings, Vmac, VmacRole, VrrpInstance};
use crate::types::{IfName, Priority, Vrid};

/// A new instance is compared with this many before it: files often have two or three kinds of
/// instances in turn, such as IPv4 and IPv6.
pub const NEAR: usize = 4;

/// The configuration of an instance without its [`Lists`]. Most instances of a file have the same
/// settings, which are stored once.
#[derive(Clone, Debug)]
pub struct RunningInstance {
    /// As in [`VrrpInstance`], like all that follow.
    pub name: String,
    pub interface: IfName,
    pub vrid: Vrid,
    pub priority: Priority,
    /// Number of its addresses that are advertised, the first ones.
    vip_count: u16,
    settings: Rc<Settings>,
}

/// The lists of an instance, which the daemon keeps with their state in the kernel.
#[derive(Clone, Debug)]
pub struct Lists {
    /// The advertised ones come first.
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
}

impl Deref for RunningInstance {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl RunningInstance {
    /// `near`: instances that may have the same settings.
    #[inline(never)]
    pub fn split(conf: VrrpInstance, near: &mut dyn Iterator<Item = &Self>) -> (Self, Lists) {
        let vip_count = u16::try_from(conf.vips.len()).unwrap_or(u16::MAX);
        let mut addresses = conf.vips;
        addresses.extend(conf.excluded_vips);
        let lists = Lists {
            addresses,
            routes: conf.routes,
            rules: conf.rules,
        };
        let mut near = near.map(|one| &one.settings);
        let running = RunningInstance {
            name: conf.name,
            interface: conf.interface,
            vrid: conf.vrid,
            priority: conf.priority,
            vip_count,
            settings: match near.find(|one| ***one == conf.settings) {
                Some(shared) => Rc::clone(shared),
                None => Rc::new(conf.settings),
            },
        };
        (running, lists)
    }

    /// The number of its advertised addresses.
    #[must_use]
    pub fn vip_count(&self) -> usize {
        self.vip_count.into()
    }

    /// The virtual interface of `use_vmac` or `use_ipvlan`.
    #[must_use]
    pub fn vmac(&self) -> Option<&Vmac> {
        let first = self.vmacs.first();
        first.filter(|vmac| vmac.role != VmacRole::Addresses)
    }

    /// As [`VrrpInstance::own_interface`].
    #[must_use]
    pub fn own_interface(&self) -> Option<&IfName> {
        self.interface.non_empty()
    }

    /// Its virtual interfaces, unless it shares its settings; then it has none, because their names
    /// are unique.
    pub fn vmacs_mut(&mut self) -> Option<&mut Vec<Vmac>> {
        Rc::get_mut(&mut self.settings).map(|settings| &mut settings.vmacs)
    }
}
