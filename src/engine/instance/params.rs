//! Parameters of the protocol machine and of the announcements, from the configuration.

use core::time::Duration;

use crate::config::model::{self, RunningInstance, Transport};
use crate::engine::instance::auth;
use crate::engine::instance::router::{Position, Router};
use crate::engine::kernel::addresses::AddressSet;
use crate::types::Rare;
use crate::vrrp::{self, garp};

/// Instances whose adverts are due at the same time: one wake-up for all of them, and when their
/// router dies, the last of them takes over a fraction of a millisecond after the first.
const TOGETHER: u32 = 16;
/// Least time between them and the next: enough for their takeover, addresses included.
const STEP: Duration = Duration::from_micros(1500);
/// Largest number of steps within the advert interval.
const STEPS: u32 = 64;

/// How much earlier than after an interval the first periodic advert is sent.
pub(super) fn stagger(conf: &RunningInstance, position: Position) -> Duration {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let interval = conf.advert_int.duration();
    let room = u32::try_from(interval.as_nanos() / STEP.as_nanos()).unwrap_or(u32::MAX);
    let wanted = number(position.count).div_ceil(TOGETHER);
    let steps = wanted.min(room).clamp(1, STEPS);
    let step = number(position.id.0) % steps;
    interval.saturating_mul(step) / steps
}

pub(super) fn params(conf: &RunningInstance, set: &AddressSet, stagger: Duration) -> vrrp::Params {
    let vips = set.iter().take(conf.vip_count());
    let (check_source, peers) = match &conf.transport {
        Transport::Multicast { .. } => (false, Vec::new()),
        Transport::Unicast {
            peers,
            check_source,
            ..
        } => (*check_source, peers.iter().map(peer).collect()),
    };
    vrrp::Params {
        vrid: conf.vrid,
        family: conf.family,
        version: conf.version,
        priority: conf.priority,
        initial_master: conf.initial_master,
        advert_int: conf.advert_int,
        stagger,
        nopreempt: conf.nopreempt,
        preempt_delay: conf.preempt_delay,
        down_timer_adverts: conf.down_timer_adverts,
        auth: auth::wire_auth(&conf.auth),
        hmac: auth::hmac_policy(&conf.auth),
        multicast: matches!(conf.transport, Transport::Multicast { .. }),
        check_source,
        peers,
        lower_prio_no_advert: conf.lower_prio_no_advert,
        higher_prio_send_advert: conf.higher_prio_send_advert,
        owner_ignore_adverts: conf.owner_ignore_adverts,
        skip_check_adv_addr: conf.skip_check_adv_addr,
        timer_expired_backup: conf.timer_expired_backup,
        in_sync_group: conf.sync_group.is_some(),
        addresses: vips.map(|address| address.cidr.addr).collect(),
    }
}

fn peer(peer: &model::Peer) -> vrrp::Peer {
    vrrp::Peer {
        addr: peer.addr,
        min_ttl: peer.min_ttl,
        max_ttl: peer.max_ttl,
    }
}

fn garp_params(conf: &RunningInstance) -> garp::Params {
    let garp = &conf.garp;
    garp::Params {
        repeat: garp.repeat,
        delay: garp.delay,
        refresh: garp.refresh,
        refresh_repeat: garp.refresh_repeat,
        lower_prio_repeat: garp.lower_prio_repeat,
        lower_prio_delay: garp.lower_prio_delay,
        round_gap: garp::Params::ROUND_GAP,
    }
}

/// The parameters of the announcements; those of one of `near`, if they are equal.
pub(super) fn shared_garp_params(conf: &RunningInstance, near: &[Router]) -> Rare<garp::Params> {
    let params = garp_params(conf).into();
    let mut others = near.iter().map(|one| one.garp.params());
    others
        .find(|one| **one == params)
        .cloned()
        .unwrap_or(params)
}

pub(super) fn extra_garp(
    params: Option<garp::Params>,
    count: usize,
) -> Option<Box<garp::Schedule>> {
    params.map(|params| Box::new(garp::Schedule::new(params, count)))
}

/// Nothing but the refresh, of few instances.
pub(super) fn extra_garp_params(conf: &RunningInstance) -> Option<garp::Params> {
    let params = garp::Params {
        repeat: 0,
        delay: Duration::ZERO,
        refresh: conf.garp.extra,
        refresh_repeat: 1,
        lower_prio_repeat: 0,
        ..garp_params(conf)
    };
    Some(params).filter(|params| !params.refresh.is_zero())
}
