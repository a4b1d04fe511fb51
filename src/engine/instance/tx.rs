//! Outgoing adverts, gratuitous ARP and unsolicited neighbor advertisements.

use core::net::IpAddr;
use std::io;

use crate::config::model::{Address, RunningInstance, Transport};
use crate::engine::cx::Cx;
use crate::engine::events::EventKind;
use crate::engine::instance::auth::{self, Sequence};
use crate::engine::instance::router::{Readiness, Router};
use crate::engine::kernel::vmac::VirtualInterface;
use crate::engine::shared::Shared;
use crate::engine::slice::Slice;
use crate::engine::system::{AdvertRoute, error_text};
use crate::log::{self, Level};
use crate::types::{Family, IfIndex, IfName, Instant, Mac, Priority, Version};
use crate::vrrp::{Burst, Reason};
use crate::wire::ndisc::Unsolicited;
use crate::wire::vrrp::{AdvertRepr, ChecksumForm};
use crate::wire::{EmitError, PseudoHeader, arp, ether, ipv4, ipv6, ndisc, vrrp};

/// Type of service of adverts: internetwork control (RFC 791).
const TOS: u8 = 0xc0;
/// Announcements of one instance per call; the rest follows after the sockets have been read.
const FRAMES_PER_CALL: usize = 128;

/// What varies from advert to advert of an instance.
#[derive(Clone, Copy, Debug)]
struct Advert {
    priority: Priority,
    sequence: Sequence,
}

impl Router {
    /// Sends an advert to the multicast group or to each peer.
    pub(crate) fn send_advert(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, priority: Priority) {
        if priority != Priority::RESIGN {
            self.ensure_vmacs_up(cx);
            if self.vmacs.iter().any(VirtualInterface::is_blocked) {
                shared.dirty = true;
                return;
            }
        }
        let gone = [Reason::InterfaceDown, Reason::InterfaceMissing].map(Readiness::Missing);
        if self
            .reported
            .is_some_and(|readiness| gone.contains(&readiness))
        {
            return;
        }
        // Without a source address the machine is in FAULT and sends nothing.
        let Some(source) = self.source().or(self.machine.source()) else {
            return;
        };
        let Some(sequence) = auth::next_sequence(cx, self) else {
            return;
        };
        let at = cx.system.uptime();
        let advert = Advert { priority, sequence };
        let result = self.send_to_all(cx, source, advert, &mut shared.packet_buf);
        self.note_send_result(cx, &result);
        if priority == Priority::RESIGN {
            if result.is_ok() {
                log::debug!(target: "vrrp", "({}) sent 0 priority", self.conf.name);
            }
        } else if result.is_ok() {
            self.record_advert(shared, at, priority);
        }
    }

    /// Sends copies to all destinations; returns the first error.
    fn send_to_all(
        &mut self,
        cx: &mut Cx<'_>,
        src: IpAddr,
        advert: Advert,
        buf: &mut [u8],
    ) -> io::Result<()> {
        self.ip_id = self.ip_id.checked_add(1).unwrap_or(1);
        let mut result = Ok(());
        match &self.conf.transport {
            Transport::Multicast { group } => {
                let route = AdvertRoute {
                    interface: self.ifindex,
                    src,
                    dst: *group,
                    ttl: u8::MAX,
                };
                result = self.send(cx, &route, advert, buf);
            }
            Transport::Unicast { peers, ttl, .. } => {
                // With the same file on all routers, our own address is listed too.
                for peer in peers.iter().filter(|peer| peer.addr != src) {
                    let link_local =
                        matches!(peer.addr, IpAddr::V6(addr) if addr.is_unicast_link_local());
                    let route = AdvertRoute {
                        interface: self.ifindex.filter(|_| link_local),
                        src,
                        dst: peer.addr,
                        ttl: *ttl,
                    };
                    let sent = self.send(cx, &route, advert, buf);
                    result = result.and(sent);
                }
            }
        }
        result
    }

    /// Builds the packet and hands it to the kernel.
    fn send(
        &self,
        cx: &mut Cx<'_>,
        route: &AdvertRoute,
        advert: Advert,
        buf: &mut [u8],
    ) -> io::Result<()> {
        let invalid =
            |error: EmitError| io::Error::new(io::ErrorKind::InvalidInput, error.to_string());
        if let Some((index, mac)) = self.advert_vmac().filter(|_| route.dst.is_multicast()) {
            // As a frame: the macvlan does not have the source address.
            let len = framed(self, route, advert, mac, buf).map_err(invalid)?;
            return match buf.get(..len) {
                Some(frame) => cx.system.send_frame(index, frame),
                None => Ok(()),
            };
        }
        let len = build(self, route, advert, buf).map_err(invalid)?;
        match buf.get(..len) {
            Some(packet) => cx.system.send_advert(route, packet),
            None => Ok(()),
        }
    }

    /// Logs when sending starts to fail, fails for another reason, or works again.
    fn note_send_result(&mut self, cx: &Cx<'_>, result: &io::Result<()>) {
        match result {
            Ok(()) => {
                if self.send_errno.take().is_some() {
                    cx.note(
                        Level::Info,
                        EventKind::Recovered,
                        self.object(),
                        format_args!("adverts are sent again"),
                    );
                }
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(0);
                if self.send_errno.replace(errno) != Some(errno) {
                    let error = error_text(error);
                    cx.note(
                        Level::Warn,
                        EventKind::Refused,
                        self.object(),
                        format_args!("cannot send adverts: {error}"),
                    );
                }
            }
        }
    }

    /// Starts a burst of announcements and sends those that are due.
    pub(crate) fn start_announcing(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, burst: Burst) {
        self.garp.start(cx.now, burst);
        if let Some(extra) = &mut self.extra_garp
            && burst != Burst::LowerPrio
        {
            extra.start(cx.now, Burst::Resumed);
        }
        self.announce_in_slice(cx, shared);
    }

    /// Sends the announcements that are due, unless those of other instances have taken long in this
    /// turn of the loop: then they stay due until packets have been read and adverts sent.
    pub(crate) fn announce_in_slice(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let start = || Slice::from(cx.system.clock());
        let slice = *shared.announcing.get_or_insert_with(start);
        if !slice.is_over(cx) {
            self.announce(cx, shared);
        }
    }

    pub(crate) fn stop_announcing(&mut self) {
        self.garp.stop();
        if let Some(extra) = &mut self.extra_garp {
            extra.stop();
        }
        self.garp_held = None;
    }

    /// The next address to announce now.
    fn next_announcement(&mut self, now: Instant) -> Option<usize> {
        let next = self.garp_held.take().or_else(|| self.garp.next(now));
        if next.is_some() {
            return next;
        }
        let conf = &self.conf;
        let own = conf.vmac().map_or(&conf.interface, |vmac| &vmac.name);
        loop {
            let nth = self.extra_garp.as_mut()?.next(now)?;
            let dev = self.addresses.get(nth).map(|address| &address.dev);
            let is_virtual = |dev: &IfName| conf.vmacs.iter().any(|vmac| vmac.name == *dev);
            let is_extra = |dev: &IfName| {
                *dev != conf.interface && dev != own && (conf.garp.extra_all || is_virtual(dev))
            };
            if dev.is_some_and(is_extra) {
                return Some(nth);
            }
        }
    }

    /// Sends the announcements that are due, one round at most, so that a burst of one instance
    /// does not delay the first round of the next.
    pub(crate) fn announce(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for _ in 0..FRAMES_PER_CALL {
            let Some(nth) = self.next_announcement(cx.now) else {
                return;
            };
            if self.holds_announcement(cx, nth) {
                self.garp_held = Some(nth);
                self.garp_after = Instant::NEVER;
                return;
            }
            let end_of_round = nth.saturating_add(1) == self.addresses.len();
            let Some(address) = self.addresses.get(nth) else {
                continue;
            };
            let (dev, family) = (&address.dev, address.cidr.family());
            let link = shared.interfaces.by_name(dev).filter(|link| !link.noarp);
            if let Some((index, mac)) = link.and_then(|link| Some((link.index, link.mac?))) {
                let own_gap = self.gap(family);
                if let Err(later) = shared.garp_pacing.take(cx.now, dev, family, own_gap) {
                    self.garp_held = Some(nth);
                    self.garp_after = later;
                    return;
                }
                let buf = shared.packet_buf.as_mut_slice();
                let sent = send_announcement(cx, address, index, mac, buf);
                log_announcement(&self.conf.name, address, &sent);
            }
            if end_of_round {
                return;
            }
        }
    }
}

/// Logs an announcement in keepalived's words, for `-D`.
fn log_announcement(name: &str, address: &Address, sent: &io::Result<()>) {
    let (dev, addr) = (&address.dev, address.cidr.addr);
    let what = match addr {
        IpAddr::V4(_) => "gratuitous ARP",
        IpAddr::V6(_) => "unsolicited Neighbour Advert",
    };
    match sent {
        Ok(()) => log::debug!(target: "vrrp", "Sending {what} on {dev} for {addr}"),
        Err(error) => {
            let error = error_text(error);
            log::debug!(target: "vrrp", "({name}) cannot announce {addr}: {error}");
        }
    }
}

/// Sends a gratuitous ARP, or an unsolicited neighbor advertisement with the Router flag
/// (RFC 9568 §6.4.2).
fn send_announcement(
    cx: &mut Cx<'_>,
    address: &Address,
    index: IfIndex,
    mac: Mac,
    buf: &mut [u8],
) -> io::Result<()> {
    let built = match address.cidr.addr {
        IpAddr::V4(addr) => arp::emit_gratuitous(mac, addr, buf),
        IpAddr::V6(addr) => {
            let advert = Unsolicited {
                mac,
                src: addr,
                target: addr,
                router: true,
            };
            ndisc::emit_unsolicited(&advert, buf)
        }
    };
    match built.ok().and_then(|len| buf.get(..len)) {
        Some(frame) => cx.system.send_frame(index, frame),
        None => Ok(()),
    }
}

/// Builds an advert as an Ethernet frame from the virtual router's own address.
fn framed(
    router: &Router,
    route: &AdvertRoute,
    advert: Advert,
    mac: Mac,
    buf: &mut [u8],
) -> Result<usize, EmitError> {
    let found = buf.len();
    let Some((head, rest)) = buf.split_at_mut_checked(ether::HEADER_LEN) else {
        let needed = ether::HEADER_LEN;
        return Err(EmitError::Buffer { found, needed });
    };
    ether::emit_multicast(route.dst, mac, head)?;
    let len = build(router, route, advert, rest)?;
    Ok(len.saturating_add(ether::HEADER_LEN))
}

/// Builds an advert as an IPv4 packet, or as the payload of an IPv6 packet.
fn build(
    router: &Router,
    route: &AdvertRoute,
    Advert { priority, sequence }: Advert,
    buf: &mut [u8],
) -> Result<usize, EmitError> {
    let conf = &router.conf;
    let advert = AdvertRepr {
        version: conf.version,
        vrid: conf.vrid,
        priority,
        interval: conf.advert_int,
        auth: auth::wire_auth(&conf.auth),
        addresses: router.vips(),
    };
    let net = PseudoHeader {
        src: route.src,
        dst: route.dst,
    };
    let form = checksum_form(conf);
    let body = |rest: &mut [u8]| {
        let len = vrrp::emit(&advert, Some(&net), form, rest)?;
        auth::sign(conf, sequence, &net, rest, len)
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
            auth::emit_ipv4(conf, sequence, &header, buf, body)
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
                buf,
                body,
            )
        }
        _ => Err(EmitError::AddressFamily),
    }
}

/// How we compute the checksum of our adverts.
pub(crate) fn checksum_form(conf: &RunningInstance) -> ChecksumForm {
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
