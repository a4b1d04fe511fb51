//! The settings that instances may have in common.

use core::net::IpAddr;
use core::time::Duration;

use super::{Auth, Garp, Notify, Track, Transport, Vmac};
use crate::types::{Centis, Family, GroupId, Priority, Rare, Version};

/// The settings of an instance that neither name it nor are kept with its state in the kernel.
/// [`Default`] gives keepalived's values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// `version`; always 3 with IPv6.
    pub version: Version,
    /// Address family of the adverts: that of the VIPs, or `native_ipv6`.
    pub family: Family,
    /// Initial state: `state MASTER` (true) or `state BACKUP`.
    pub initial_master: bool,
    /// `advert_int`.
    pub advert_int: Centis,
    /// `nopreempt`.
    pub nopreempt: bool,
    /// `preempt_delay`.
    pub preempt_delay: Duration,
    /// `authentication` or `auth_hmac`.
    pub auth: Auth,
    /// `mcast_src_ip` or `unicast_src_ip`; `None`: the interface's primary address.
    pub src_ip: Option<IpAddr>,
    /// `track_src_ip`.
    pub track_src_ip: bool,
    /// Multicast or unicast.
    pub transport: Transport,
    /// `skip_check_adv_addr`.
    pub skip_check_adv_addr: bool,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: bool,
    /// `old_unicast_checksum`.
    pub old_unicast_checksum: bool,
    /// `vrrp_strict` or `strict_mode`.
    pub strict: bool,
    /// `lower_prio_no_advert`.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: bool,
    /// `down_timer_adverts`, 1–100.
    pub down_timer_adverts: u8,
    /// `timer_expired_backup`, with `nopreempt` only: the highest priority of the other routers; a
    /// master that is so late that one of them may have taken over becomes BACKUP.
    pub timer_expired_backup: Option<Priority>,
    /// The `garp_*` keywords.
    pub garp: Rare<Garp>,
    /// Whether packets to the addresses are accepted: false with `no_accept`, and in strict mode
    /// unless the router owns them.
    pub accept: bool,
    /// Its virtual interfaces: that of `use_vmac` or `use_ipvlan` first, then those of addresses.
    pub vmacs: Vec<Vmac>,
    /// `vip_lease`: lifetime of the addresses, which are renewed while the daemon runs; `None`:
    /// forever.
    pub vip_lease: Option<Duration>,
    /// Index of its sync group in [`super::Config::sync_groups`].
    pub sync_group: Option<GroupId>,
    /// Tracked objects, those of its sync group included, its own interface excluded.
    pub tracks: Vec<Track>,
    /// The `notify*` and `smtp_alert` keywords.
    pub notify: Rare<Notify>,
    /// Whether the instance's own interface is tracked: false with `dont_track_primary`.
    pub track_primary: bool,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `unicast_fault_no_peer`.
    pub unicast_fault_no_peer: bool,
}
