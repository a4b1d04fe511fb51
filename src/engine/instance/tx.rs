//! Adverts, gratuitous ARP and unsolicited neighbour advertisements on their way out.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use std::io;

use crate::config::model::{Address, Transport, VrrpInstance};
use crate::engine::Engine;
use crate::engine::instance::auth;
use crate::engine::instance::auth::Stamp;
use crate::engine::instance::router::{Readiness, Router};
use crate::engine::system::AdvertRoute;
use crate::types::{Family, IfIndex, Mac, Priority, Version};
use crate::vrrp::Reason;
use crate::wire::ndisc::Unsolicited;
use crate::wire::vrrp::{AdvertRepr, ChecksumForm};
use crate::wire::{EmitError, PseudoHeader, arp, ether, ipv4, ipv6, ndisc, vrrp};

/// Type of service of adverts: internetwork control.
const TOS: u8 = 0xc0;
/// Frames of one instance per turn at most; the rest follows after the sockets have been looked at.
const FRAMES_PER_TURN: usize = 128;

impl Engine {
    /// Sends an advert to the group or to each peer.
    pub(crate) fn send_advert(&mut self, cx: &mut Cx<'_>, id: usize, priority: Priority) {
        if priority != Priority::RESIGN {
            self.set_vmac_up(cx, id, false);
        }
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let gone = [Reason::InterfaceDown, Reason::InterfaceMissing].map(Readiness::Missing);
        if router.reported.is_some_and(|told| gone.contains(&told)) {
            // A last advert would reach nobody.
            return;
        }
        // Without a source there is nothing to send from; the machine is told so and is in FAULT.
        let Some(source) = router.source().or(router.machine.source()) else {
            return;
        };
        let Some(stamp) = auth::stamp(cx, router) else {
            return;
        };
        let at = cx.system.uptime();
        let mut result = Ok(());
        let scratch = self.shared.packet_buf.as_mut_slice();
        match &router.conf.transport {
            Transport::Multicast { group } => {
                let route = AdvertRoute {
                    interface: router.ifindex,
                    src: source,
                    dst: *group,
                    ttl: u8::MAX,
                };
                router.ip_id = next_id(router.ip_id);
                result = send(cx, router, &route, (priority, stamp), scratch);
            }
            Transport::Unicast { peers, ttl, .. } => {
                router.ip_id = next_id(router.ip_id);
                for peer in peers {
                    let link_local =
                        matches!(peer.addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
                    let interface = router.ifindex.filter(|_| link_local);
                    let route = AdvertRoute {
                        interface,
                        src: source,
                        dst: peer.addr,
                        ttl: *ttl,
                    };
                    let sent = send(cx, router, &route, (priority, stamp), scratch);
                    result = result.and(sent);
                }
            }
        }
        note_sending(router, &result);
        if result.is_ok() && priority != Priority::RESIGN {
            self.record_advert(id, at, priority);
        }
    }

    /// Sends what the schedule says is due: one round at most, so that a burst of one instance does not
    /// hold up the first round of the next.
    pub(crate) fn announce(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        for _ in 0..FRAMES_PER_TURN {
            let Some(place) = router.garp_held.take().or_else(|| router.garp.next(cx.now)) else {
                return;
            };
            let end_of_round = place.saturating_add(1) == router.addresses.len();
            let Some(address) = router.addresses.get(place) else {
                continue;
            };
            let (dev, family) = (&address.dev, address.cidr.family());
            let link = self
                .shared
                .interfaces
                .by_name(dev)
                .filter(|link| !link.silent);
            if let Some((index, mac)) = link.and_then(|link| Some((link.index, link.mac?))) {
                if let Err(later) =
                    self.shared
                        .garp_pacing
                        .take(cx.now, dev, family, router.gap(family))
                {
                    router.garp_held = Some(place);
                    router.garp_after = later;
                    return;
                }
                let scratch = self.shared.packet_buf.as_mut_slice();
                if let Err(error) = announce_one(cx, address, index, mac, scratch) {
                    let name = &router.conf.name;
                    log::debug!(target: "vrrp", "({name}) announcement: {error}");
                }
            }
            if end_of_round {
                return;
            }
        }
    }
}

/// Tells the neighbours where an address is.
fn announce_one(
    cx: &mut Cx<'_>,
    address: &Address,
    index: IfIndex,
    mac: Mac,
    scratch: &mut [u8],
) -> io::Result<()> {
    let built = match address.cidr.addr {
        IpAddr::V4(addr) => arp::emit_gratuitous(mac, addr, scratch),
        // RFC 9568 §6.4.2: with the Router flag, for that is what it is.
        IpAddr::V6(addr) => {
            let advert = Unsolicited {
                mac,
                src: addr,
                target: addr,
                router: true,
            };
            ndisc::emit_unsolicited(&advert, scratch)
        }
    };
    match built.ok().and_then(|len| scratch.get(..len)) {
        Some(frame) => cx.system.send_frame(index, frame),
        None => Ok(()),
    }
}

fn next_id(id: u16) -> u16 {
    id.checked_add(1).unwrap_or(1)
}

/// Builds the packet and hands it to the kernel.
fn send(
    cx: &mut Cx<'_>,
    router: &Router,
    route: &AdvertRoute,
    advert: (Priority, Stamp),
    scratch: &mut [u8],
) -> io::Result<()> {
    let unfit = |unfit: EmitError| io::Error::new(io::ErrorKind::InvalidInput, unfit.to_string());
    if let Some((index, mac)) = router.own().filter(|_| route.dst.is_multicast()) {
        // As a frame: the interface has no address, least of all the source's.
        let len = framed(router, route, advert, mac, scratch).map_err(unfit)?;
        return match scratch.get(..len) {
            Some(frame) => cx.system.send_frame(index, frame),
            None => Ok(()),
        };
    }
    let len = build(router, route, advert, scratch).map_err(unfit)?;
    match scratch.get(..len) {
        Some(packet) => cx.system.send_advert(route, packet),
        None => Ok(()),
    }
}

/// An advert from the virtual router's own Ethernet address.
fn framed(
    router: &Router,
    route: &AdvertRoute,
    advert: (Priority, Stamp),
    mac: Mac,
    scratch: &mut [u8],
) -> Result<usize, EmitError> {
    let found = scratch.len();
    let Some((head, room)) = scratch.split_at_mut_checked(ether::HEADER_LEN) else {
        let needed = ether::HEADER_LEN;
        return Err(EmitError::Buffer { found, needed });
    };
    ether::emit_multicast(route.dst, mac, head)?;
    let len = build(router, route, advert, room)?;
    Ok(len.saturating_add(ether::HEADER_LEN))
}

fn build(
    router: &Router,
    route: &AdvertRoute,
    (priority, stamp): (Priority, Stamp),
    scratch: &mut [u8],
) -> Result<usize, EmitError> {
    let conf = &router.conf;
    let advert = AdvertRepr {
        version: conf.version,
        vrid: conf.vrid,
        priority,
        interval: conf.advert_int,
        auth: auth::auth(&conf.auth),
        addresses: &router.vips,
    };
    let net = PseudoHeader {
        src: route.src,
        dst: route.dst,
    };
    let form = checksum_form(conf);
    let body = |room: &mut [u8]| {
        let len = vrrp::emit(&advert, Some(&net), form, room)?;
        auth::sign(conf, stamp, &net, room, len)
    };
    match (route.src, route.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let (tos, id, ttl, protocol) = (TOS, router.ip_id, route.ttl, vrrp::PROTOCOL);
            let header = ipv4::Header {
                tos,
                id,
                ttl,
                protocol,
                src,
                dst,
            };
            auth::packet_v4(conf, stamp, &header, scratch, body)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let (traffic_class, hop_limit, next_header) = (TOS, route.ttl, vrrp::PROTOCOL);
            ipv6::emit(
                &ipv6::Header {
                    traffic_class,
                    hop_limit,
                    next_header,
                    src,
                    dst,
                },
                scratch,
                body,
            )
        }
        _ => Err(EmitError::AddressFamily),
    }
}

/// How our adverts are summed.
pub(crate) fn checksum_form(conf: &VrrpInstance) -> ChecksumForm {
    match (conf.version, conf.family, &conf.transport) {
        (Version::V2, ..) => ChecksumForm::Plain,
        (Version::V3, Family::V6, _) => ChecksumForm::PseudoHeader,
        (Version::V3, Family::V4, _) if conf.v3_checksum_as_v2 => ChecksumForm::Plain,
        (Version::V3, Family::V4, Transport::Unicast { .. }) if conf.old_unicast_checksum => {
            ChecksumForm::OldUnicast
        }
        (Version::V3, Family::V4, _) => ChecksumForm::PseudoHeader,
    }
}

/// Logs when sending begins to fail, fails differently, or works again.
fn note_sending(router: &mut Router, result: &io::Result<()>) {
    let name = &router.conf.name;
    match result {
        Ok(()) => {
            if router.send_errno.take().is_some() {
                log::info!(target: "vrrp", "({name}) adverts can be sent again");
            }
        }
        Err(error) => {
            let errno = error.raw_os_error().unwrap_or(0);
            if router.send_errno.replace(errno) != Some(errno) {
                log::warn!(target: "vrrp", "({name}) advert not sent: {error}");
            }
        }
    }
}
