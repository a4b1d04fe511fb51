//! The configuration of an instance, as far as the state machine needs it.

use core::net::IpAddr;
use core::time::Duration;
use std::rc::Rc;

use super::HmacPolicy;
use crate::types::{Centis, Family, Priority, Version, Vrid};
use crate::wire::vrrp::Auth;

/// Configuration of one virtual router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Params {
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Address family of the adverts.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// Configured priority, before tracking.
    pub priority: Priority,
    /// `state MASTER`.
    pub initial_master: bool,
    /// `advert_int`: interval of our adverts as master.
    pub advert_int: Centis,
    /// How much earlier than one interval the first periodic advert as master is sent. It spreads
    /// the adverts of many instances over the interval, and with them the takeovers when the router
    /// dies. Less than `advert_int`.
    pub stagger: Duration,
    /// `nopreempt`: never take over from a live master of lower priority.
    pub nopreempt: bool,
    /// `preempt_delay`: time between the first advert of a master of lower priority and preempting
    /// it.
    pub preempt_delay: Duration,
    /// `vrrp_down_timer_adverts`: adverts missed before takeover.
    pub down_timer_adverts: u8,
    /// Authentication of VRRPv2 that adverts must carry.
    pub auth: Auth,
    /// `auth_hmac`.
    pub hmac: Option<HmacPolicy>,
    /// Adverts are multicast; false: unicast.
    pub multicast: bool,
    /// `lower_prio_no_advert`: as master, do not answer an advert of lower priority with one of our
    /// own.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: send one more advert when yielding to a master of higher
    /// priority.
    pub higher_prio_send_advert: bool,
    /// `owner_ignore_adverts`: as address owner, ignore all adverts.
    pub owner_ignore_adverts: bool,
    /// `skip_check_adv_addr`: compare the address list only when the sender changes.
    pub skip_check_adv_addr: bool,
    /// `timer_expired_backup`, with `nopreempt`: the highest priority of the other routers. MASTER
    /// becomes BACKUP if its timer fires after one of them may have taken over; BACKUP waits for
    /// the down interval again if its timer fires more than an interval late.
    pub timer_expired_backup: Option<Priority>,
    /// Member of a `vrrp_sync_group`: takes over together with the other members only
    /// ([`super::group`]).
    pub in_sync_group: bool,
    /// Advertised addresses, for comparison with those in received adverts.
    pub addresses: Rc<[IpAddr]>,
    /// `check_unicast_src`: discard unicast adverts from routers that are not in `peers`, or
    /// outside a peer's TTL bounds.
    pub check_source: bool,
    /// `unicast_peer`; used with `check_source`, and with authentication.
    pub peers: Vec<Peer>,
}

impl Params {
    /// Whether adverts must be authenticated by a key. Then they are accepted only from routers of
    /// the same link (or unicast peers) for the same addresses: whoever has captured adverts where
    /// the key is used for another virtual router could repeat them here.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.auth == Auth::Ah || self.hmac.is_some_and(|hmac| hmac.enforce)
    }
}

impl Default for Params {
    /// keepalived's defaults: VRRPv2, IPv4 multicast, priority 100, one advert per second, no
    /// authentication. The VRID, which has no default there, is 1.
    fn default() -> Self {
        Params {
            vrid: Vrid::MIN,
            family: Family::V4,
            version: Version::V2,
            priority: Priority::DEFAULT,
            initial_master: false,
            advert_int: Centis::SECOND,
            stagger: Duration::ZERO,
            nopreempt: false,
            preempt_delay: Duration::ZERO,
            down_timer_adverts: 3,
            auth: Auth::None,
            hmac: None,
            multicast: true,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            skip_check_adv_addr: false,
            timer_expired_backup: None,
            in_sync_group: false,
            addresses: Rc::default(),
            check_source: false,
            peers: Vec::new(),
        }
    }
}

/// A unicast peer, as far as reception needs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// `min_ttl`: smallest TTL accepted from it.
    pub min_ttl: u8,
    /// `max_ttl`: largest TTL accepted from it.
    pub max_ttl: u8,
}
