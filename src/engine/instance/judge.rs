//! The verdicts of configured instances on an advert that was captured (`vrrpd sniff`), decided by the
//! code that receives adverts.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::{RunningInstance, Transport, VrrpInstance};
use crate::engine::instance::auth;
use crate::engine::instance::router::{Position, Readiness, Router, Routers};
use crate::engine::instance::rx::{Datagram, Envelope, best_fit, open};
use crate::engine::instance::tx;
use crate::types::{Cidr, Family, IfName, InstanceId, Version};
use crate::vrrp::{AuthResult, Received, Reject, SignatureError};
use crate::wire::vrrp::ChecksumForm;
use crate::wire::{ParseError, vrrp};

/// The verdict of an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Accepted.
    Accepted {
        /// `auth_hmac`, permissive: what is wrong with the signature.
        tolerated: Option<SignatureError>,
        /// It has other addresses than the instance.
        addresses_differ: bool,
        /// The form of its checksum, if it is not that of the instance's own adverts.
        other_checksum: Option<ChecksumForm>,
    },
    /// Discarded.
    Rejected(Reject),
    /// It went to another group than the instance's.
    OtherGroup,
    /// It is no valid advert.
    Malformed(ParseError),
    /// It was sent from the instance's own address, by another router or by itself.
    OwnAddress,
    /// `owner_ignore_adverts`.
    Ignored,
}

/// The verdict of an instance on an advert.
#[derive(Debug)]
pub struct Judgment<'a> {
    /// The instance.
    pub conf: &'a RunningInstance,
    /// The addresses that it advertises.
    pub vips: &'a [IpAddr],
    pub verdict: Verdict,
}

/// The instances of a configuration, none of which runs.
#[derive(Debug)]
pub struct Judge {
    routers: Routers,
    /// Addresses of this machine; empty: not known.
    local: Vec<(IfName, Cidr)>,
}

impl Judge {
    /// `local`: the addresses of this machine's interfaces, empty if the adverts are from elsewhere.
    #[must_use]
    pub fn new(instances: Vec<VrrpInstance>, local: Vec<(IfName, Cidr)>) -> Self {
        let mut routers = Routers::default();
        let count = instances.len();
        for (nth, conf) in instances.into_iter().enumerate() {
            let id = InstanceId(nth);
            let mut router = Router::new(conf, Position { id, count }, routers.last_few());
            let source = router.conf.src_ip.or_else(|| {
                let conf = &router.conf;
                let on = local.iter().filter(|(name, _)| *name == conf.interface);
                let mut addrs = on.map(|(_, cidr)| cidr.addr);
                addrs.find(|addr| match addr {
                    IpAddr::V4(_) => conf.family == Family::V4,
                    IpAddr::V6(addr) => conf.family == Family::V6 && addr.is_unicast_link_local(),
                })
            });
            router.reported = source.map(Readiness::Ready);
            routers.push(router);
        }
        Judge { routers, local }
    }

    /// The verdict of each instance that the advert concerns: those of its VRID and family on the
    /// interface. `on`: the interface it was captured on; `None`: not known.
    pub fn verdicts(&mut self, on: Option<&str>, datagram: &Datagram<'_>) -> Vec<Judgment<'_>> {
        let Ok(Some(envelope)) = open(datagram) else {
            return Vec::new();
        };
        let Some(vrid) = envelope.payload.get(1).copied() else {
            return Vec::new();
        };
        let family = datagram.on.family;
        let concerns = |router: &Router| {
            let conf = &router.conf;
            conf.vrid.get() == vrid && conf.family == family && is_on(conf, on)
        };
        let concerned = || self.routers.iter().filter(|router| concerns(router));
        // Of several unicast instances with one VRID, an advert is for the one that it fits best.
        let multicast = envelope.net.dst.is_multicast();
        let is_unicast =
            |router: &&Router| matches!(router.conf.transport, Transport::Unicast { .. });
        let fits = concerned()
            .filter(is_unicast)
            .map(|router| (router.id, router.fit(&envelope.net)));
        let best = match multicast {
            true => None,
            false => best_fit(fits),
        };
        let ids: Vec<InstanceId> = concerned()
            .filter(|router| multicast || !is_unicast(router) || best == Some(router.id))
            .map(|router| router.id)
            .collect();
        let parsed = vrrp::parse(envelope.payload, &envelope.net);
        let mut verdicts = Vec::new();
        for id in ids {
            let Some(router) = self.routers.get_mut(id) else {
                continue;
            };
            let verdict = match &parsed {
                Err(error) => Verdict::Malformed(*error),
                Ok(_) if router.fit(&envelope.net).is_none() => Verdict::OtherGroup,
                Ok(_) if router.source() == Some(envelope.net.src) => Verdict::OwnAddress,
                Ok(parsed) => {
                    let wall = datagram.wall.unwrap_or(Duration::ZERO);
                    judge(router, &self.local, &envelope, parsed, wall)
                }
            };
            verdicts.push((id, verdict));
        }
        let named = |(id, verdict)| {
            let router = self.routers.get(id)?;
            Some(Judgment {
                conf: &router.conf,
                vips: router.vips(),
                verdict,
            })
        };
        verdicts.into_iter().filter_map(named).collect()
    }
}

/// The verdict on an advert that was captured at this time. `local`: as in [`Judge`].
fn judge(
    router: &mut Router,
    local: &[(IfName, Cidr)],
    envelope: &Envelope<'_>,
    parsed: &vrrp::Parsed<'_>,
    wall: Duration,
) -> Verdict {
    let from = envelope.net.src;
    let mut received = Received {
        from,
        multicast: envelope.net.dst.is_multicast(),
        ttl: envelope.ttl,
        on_link: local.is_empty() || on_link(local, router, &from),
        advert: parsed.advert,
        auth_result: AuthResult::None,
    };
    if router.machine.would_verify(&received) {
        received.auth_result = auth::verify(router, envelope, parsed, || wall);
    }
    let ours = tx::checksum_form(&router.conf);
    let is_v3_on_v4 = parsed.advert.version == Version::V3 && router.conf.family == Family::V4;
    let differs = is_v3_on_v4 && parsed.checksum != ours;
    verdict(router, &received, differs.then_some(parsed.checksum))
}

/// Whether the instance is on this interface. A unicast instance accepts adverts from others too, but
/// there they may be copies, as on the ports of a bridge, which would look replayed.
fn is_on(conf: &RunningInstance, on: Option<&str>) -> bool {
    let own = conf.own_interface();
    on.is_none_or(|on| own.is_none_or(|own| own.as_str() == on))
}

fn on_link(local: &[(IfName, Cidr)], router: &Router, from: &IpAddr) -> bool {
    if matches!(from, IpAddr::V6(from) if from.is_unicast_link_local()) {
        return true;
    }
    let networks = local
        .iter()
        .filter(|(name, _)| *name == router.conf.interface)
        .map(|(_, cidr)| cidr);
    router.is_in_networks(*from, networks)
}

fn verdict(
    router: &mut Router,
    received: &Received<'_>,
    other_checksum: Option<ChecksumForm>,
) -> Verdict {
    match router.machine.verdict(received) {
        Err(why) => Verdict::Rejected(why),
        Ok(_) if router.conf.owner_ignore_adverts && router.conf.priority.is_owner() => {
            Verdict::Ignored
        }
        Ok(acceptance) => Verdict::Accepted {
            tolerated: acceptance.tolerated,
            addresses_differ: acceptance.addresses_differ,
            other_checksum,
        },
    }
}
