//! `vrrp_instance` as the daemon keeps it while it runs.

use core::net::IpAddr;
use core::ops::Deref;
use core::time::Duration;
use std::rc::Rc;

use super::{
    Address, Auth, Garp, Notify, Route, Rule, Track, Transport, Vmac, VmacRole, VrrpInstance,
};
use crate::types::{Centis, Family, GroupId, IfName, Priority, Rare, Version, Vrid};

/// How many instances before a new one are compared with it: files often have two or three kinds of
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
    /// How many of its addresses are advertised: the first ones.
    vip_count: u16,
    settings: Rc<Settings>,
}

/// What the daemon keeps with its state in the kernel.
#[derive(Clone, Debug)]
pub struct Lists {
    /// Those that are advertised first.
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
    pub rules: Vec<Rule>,
}

/// Settings that instances may have in common.
#[derive(PartialEq, Eq, Debug)]
pub struct Settings {
    /// As in [`VrrpInstance`], like all that follow.
    pub version: Version,
    pub family: Family,
    pub initial_master: bool,
    pub advert_int: Centis,
    pub nopreempt: bool,
    pub preempt_delay: Duration,
    pub auth: Auth,
    pub src_ip: Option<IpAddr>,
    pub track_src_ip: bool,
    pub transport: Transport,
    pub skip_check_adv_addr: bool,
    pub v3_checksum_as_v2: bool,
    pub old_unicast_checksum: bool,
    pub strict: bool,
    pub lower_prio_no_advert: bool,
    pub higher_prio_send_advert: bool,
    pub owner_ignore_adverts: bool,
    pub down_timer_adverts: u8,
    pub timer_expired_backup: Option<Priority>,
    pub garp: Rare<Garp>,
    pub accept: bool,
    pub vmacs: Vec<Vmac>,
    pub vip_lease: Option<Duration>,
    pub sync_group: Option<GroupId>,
    pub tracks: Vec<Track>,
    pub notify: Rare<Notify>,
    pub track_primary: bool,
    pub promote_secondaries: bool,
    pub unicast_fault_no_peer: bool,
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
    pub fn split<'a>(
        conf: VrrpInstance,
        near: &mut dyn Iterator<Item = &'a Self>,
    ) -> (Self, Lists) {
        let vip_count = u16::try_from(conf.vips.len()).unwrap_or(u16::MAX);
        let mut addresses = conf.vips;
        addresses.extend(conf.excluded_vips);
        let lists = Lists {
            addresses,
            routes: conf.routes,
            rules: conf.rules,
        };
        let settings = Settings {
            version: conf.version,
            family: conf.family,
            initial_master: conf.initial_master,
            advert_int: conf.advert_int,
            nopreempt: conf.nopreempt,
            preempt_delay: conf.preempt_delay,
            auth: conf.auth,
            src_ip: conf.src_ip,
            track_src_ip: conf.track_src_ip,
            transport: conf.transport,
            skip_check_adv_addr: conf.skip_check_adv_addr,
            v3_checksum_as_v2: conf.v3_checksum_as_v2,
            old_unicast_checksum: conf.old_unicast_checksum,
            strict: conf.strict,
            lower_prio_no_advert: conf.lower_prio_no_advert,
            higher_prio_send_advert: conf.higher_prio_send_advert,
            owner_ignore_adverts: conf.owner_ignore_adverts,
            down_timer_adverts: conf.down_timer_adverts,
            timer_expired_backup: conf.timer_expired_backup,
            garp: conf.garp,
            accept: conf.accept,
            vmacs: conf.vmacs,
            vip_lease: conf.vip_lease,
            sync_group: conf.sync_group,
            tracks: conf.tracks,
            notify: conf.notify,
            track_primary: conf.track_primary,
            promote_secondaries: conf.promote_secondaries,
            unicast_fault_no_peer: conf.unicast_fault_no_peer,
        };
        let mut near = near.map(|one| &one.settings);
        let running = RunningInstance {
            name: conf.name,
            interface: conf.interface,
            vrid: conf.vrid,
            priority: conf.priority,
            vip_count,
            settings: match near.find(|one| ***one == settings) {
                Some(shared) => Rc::clone(shared),
                None => Rc::new(settings),
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
        Some(&self.interface).filter(|name| !name.as_str().is_empty())
    }

    /// `interface`, or what adverts use without one.
    #[must_use]
    pub fn interface_text(&self) -> &str {
        self.own_interface().map_or("any interface", IfName::as_str)
    }

    /// Its virtual interfaces, unless it shares its settings; then it has none, because their names
    /// are unique.
    pub fn vmacs_mut(&mut self) -> Option<&mut Vec<Vmac>> {
        Rc::get_mut(&mut self.settings).map(|settings| &mut settings.vmacs)
    }
}
