//! Incoming adverts: parsed, matched to their instance, authenticated and delivered to it.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::Transport;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::auth;
use crate::engine::instance::router::Router;
use crate::engine::instance::tx;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::system::{Ipv6Fields, Listener, Protocol, System};
use crate::log::Level;
use crate::types::{Cidr, Family, InstanceId, Instant, ReadDelays, Version};
use crate::vrrp::{AuthResult, Event, Received};
use crate::wire::vrrp::ChecksumForm;
use crate::wire::{ParseError, PseudoHeader, ah, ipv4, vrrp};

/// A datagram from a receive socket.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The socket.
    pub on: Listener,
    /// IPv4: the packet with its header. IPv6: the payload.
    pub bytes: &'a [u8],
    /// Only for IPv6.
    pub v6: Option<Ipv6Fields>,
    /// Time of arrival by the wall clock, since 1970; `None`: now.
    pub wall: Option<Duration>,
}

/// An advert and what its IP header says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) net: PseudoHeader,
    pub(crate) ttl: u8,
    pub(crate) payload: &'a [u8],
    /// The authentication header, and the packet that contains it.
    pub(crate) ah: Option<(ah::Header, ipv4::Packet<'a>, &'a [u8])>,
}

impl Engine {
    /// Handles a datagram. An invalid one only increments a counter.
    pub fn packet(&mut self, now: Instant, datagram: &Datagram<'_>, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let on = datagram.on;
        let Some(envelope) = self.open_envelope(now, datagram) else {
            return;
        };
        let parsed = match vrrp::parse(envelope.payload, &envelope.net) {
            Ok(parsed) => parsed,
            Err(error) => return self.count_malformed(now, on, Some(&envelope), error),
        };
        let multicast = envelope.net.dst.is_multicast();
        if on.interface.is_none() && multicast {
            return;
        }
        let vrid = parsed.advert.vrid.get();
        let Some(id) = self.find_instance(on, vrid, &envelope.net) else {
            // A unicast advert reaches the multicast socket of its interface too, where its VRID
            // may be unknown.
            if on.interface.is_some() == multicast {
                self.log_unknown_vrid(now, &envelope, vrid);
            }
            return;
        };
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let from = envelope.net.src;
        if parsed.advert.version == Version::V3 {
            router.report_checksum_form(cx, from, parsed.checksum);
        }
        let mut received = Received {
            from,
            multicast,
            ttl: envelope.ttl,
            on_link: router.machine.params().is_authenticated()
                && router.is_on_link(from, &self.shared.interfaces),
            advert: parsed.advert,
            auth_result: AuthResult::None,
        };
        if router.machine.passes_field_checks(&received) {
            let wall = || datagram.wall.unwrap_or_else(|| cx.system.wall_clock());
            received.auth_result = auth::verify(router, &envelope, &parsed, wall);
        }
        self.handle_event(cx, id, Event::Advert(&received));
    }

    /// How long adverts on this socket may stay unread.
    #[must_use]
    pub fn read_delays(&self, now: Instant, on: Listener) -> ReadDelays {
        let on = on.without_protocol();
        let first = self.dispatch.partition_point(|((known, _), _)| *known < on);
        let after = self.dispatch.iter().skip(first);
        let same = after.take_while(|((known, _), _)| *known == on);
        let routers = same.filter_map(|(_, id)| self.routers.get(*id));
        let delays = routers.map(|router| router.machine.read_delays(now));
        delays.reduce(ReadDelays::min).unwrap_or(ReadDelays::NONE)
    }

    fn open_envelope<'a>(&mut self, now: Instant, datagram: &Datagram<'a>) -> Option<Envelope<'a>> {
        match open(datagram) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.count_malformed(now, datagram.on, None, error);
                None
            }
        }
    }

    /// The instance an advert is for: of those with its VRID, the one that it fits best. With one
    /// unicast instance alone any sender and destination fits: if it ignored a peer that sends to
    /// another of our addresses, there would be two masters.
    fn find_instance(&self, on: Listener, vrid: u8, net: &PseudoHeader) -> Option<InstanceId> {
        let key = (on.without_protocol(), vrid);
        let first = self.dispatch.partition_point(|(known, _)| *known < key);
        let same = self.dispatch.iter().skip(first);
        let ids = same.take_while(|(known, _)| *known == key);
        best_fit(ids.map(|(_, id)| {
            let router = self.routers.get(*id);
            (*id, router.and_then(|router| router.fit(net)))
        }))
    }

    fn log_unknown_vrid(&mut self, now: Instant, envelope: &Envelope<'_>, vrid: u8) {
        if self.shared.global.log_unknown_vrids
            && let Some(suppressed) = self.shared.unknown_vrid_log.allow(now)
        {
            let from = envelope.net.src;
            self.shared.events.note(
                now,
                Level::Info,
                EventKind::Packet,
                Object::DAEMON,
                format_args!(
                    "advert from {from} for VRID {vrid}, which is not configured here \
                     ({suppressed} similar messages suppressed)"
                ),
            );
        }
    }

    /// Counts a packet that is not a valid advert, and logs it.
    fn count_malformed(
        &mut self,
        now: Instant,
        on: Listener,
        envelope: Option<&Envelope<'_>>,
        error: ParseError,
    ) {
        if let Some(&vrid) = envelope.and_then(|envelope| envelope.payload.get(1))
            && let Some(net) = envelope.map(|envelope| &envelope.net)
            && let Some(id) = self.find_instance(on, vrid, net)
            && let Some(router) = self.routers.get_mut(id)
        {
            let counters = router.machine.counters_mut();
            if let ParseError::VrrpLength { .. } = error {
                counters.errors.packet_len_err = counters.errors.packet_len_err.saturating_add(1);
            } else if let ParseError::VrrpType(_) = error {
                counters.errors.invalid_type_rcvd =
                    counters.errors.invalid_type_rcvd.saturating_add(1);
            }
        }
        let Some(socket) = self.sockets.iter_mut().find(|socket| socket.on == on) else {
            return;
        };
        let Some(suppressed) = socket.malformed.allow(now) else {
            return;
        };
        let link = on
            .interface
            .and_then(|index| self.shared.interfaces.get(index));
        let dev = link.map_or("unicast", |link| link.name.as_str());
        let more = match suppressed {
            0 => String::new(),
            n => format!(" ({n} similar messages suppressed)"),
        };
        let from = envelope.map_or(String::new(), |one| format!(" from {}", one.net.src));
        self.shared.events.note(
            now,
            Level::Warn,
            EventKind::Packet,
            Object::interface(dev),
            format_args!("{dev}: malformed packet{from} ignored: {error}{more}"),
        );
    }
}

/// The instance with the best fit; `None` if there is none, or if two fit equally well.
pub(crate) fn best_fit(fits: impl Iterator<Item = (InstanceId, Option<u8>)>) -> Option<InstanceId> {
    let (mut best, mut found) = (None, None);
    for (id, fit) in fits {
        if fit > best {
            (best, found) = (fit, Some(id));
        } else if fit == best {
            found = None;
        }
    }
    found
}

impl Router {
    /// How well an advert with its VRID fits; `None`: it is for another virtual router. Instances
    /// with one VRID are distinguished by `mcast_dst_ip`, by `unicast_peer`, or by the address they
    /// send from.
    pub(crate) fn fit(&self, net: &PseudoHeader) -> Option<u8> {
        match &self.conf.transport {
            Transport::Multicast { group } => {
                (*group == net.dst || !net.dst.is_multicast()).then_some(0)
            }
            Transport::Unicast { peers, .. } => {
                let of_peer = peers.iter().any(|peer| peer.addr == net.src);
                let to_source = self.source() == Some(net.dst);
                Some(u8::from(of_peer) << 1 | u8::from(to_source))
            }
        }
    }

    /// Whether an address is in a network of the instance's interface.
    fn is_on_link(&self, from: IpAddr, interfaces: &Interfaces) -> bool {
        if let IpAddr::V6(from) = from
            && from.is_unicast_link_local()
        {
            return true;
        }
        let link = self.ifindex.and_then(|index| interfaces.get(index));
        let present = link.iter().flat_map(|link| link.addrs.iter());
        self.is_in_networks(from, present.map(|present| &present.cidr))
    }

    /// Whether an address is in one of these networks, those of its interface's addresses, or in
    /// that of a virtual address. If our own source address is in none of them (host prefixes,
    /// `mcast_src_ip` of another network), the networks do not tell who is on the link, and
    /// everybody counts.
    pub(crate) fn is_in_networks<'a>(
        &'a self,
        from: IpAddr,
        present: impl Iterator<Item = &'a Cidr>,
    ) -> bool {
        let configured = self.addresses.iter().take(self.conf.vip_count());
        let configured = configured.map(|vip| &vip.cidr);
        let networks = present.chain(configured);
        let own = self.source();
        let mut is_unknown = own.is_some();
        for network in networks {
            if network.contains(from) {
                return true;
            }
            let has_own = own.is_some_and(|own| network.contains(own));
            is_unknown &= network.is_host() || !has_own;
        }
        is_unknown
    }

    /// Reports once how a peer computes its checksum, if not the way we do.
    fn report_checksum_form(&mut self, cx: &Cx<'_>, from: IpAddr, form: ChecksumForm) {
        if self.checksum == Some(form) || self.conf.version != Version::V3 {
            return;
        }
        let ours = tx::checksum_form(&self.conf);
        self.checksum = Some(form);
        let differs = form != ours && self.conf.family == Family::V4;
        if differs && self.notices.allow(cx.now).is_some() {
            let hint = match form {
                ChecksumForm::Plain => {
                    "without pseudo-header; v3_checksum_as_v2 makes ours the same"
                }
                ChecksumForm::OldUnicast => "as keepalived before 1.3.7; see old_unicast_checksum",
                ChecksumForm::PseudoHeader | ChecksumForm::Kernel => "with pseudo-header",
            };
            cx.note(
                Level::Info,
                EventKind::Peer,
                self.object(),
                format_args!("{from} computes its checksum {hint}"),
            );
        }
    }
}

/// What the IP header says; `None`: a packet that is not for us.
pub(crate) fn open<'a>(datagram: &Datagram<'a>) -> Result<Option<Envelope<'a>>, ParseError> {
    match (datagram.on.family, datagram.v6) {
        (Family::V4, _) => envelope_v4(datagram),
        (Family::V6, Some(header)) => Ok(Some(Envelope {
            net: PseudoHeader {
                src: header.src.into(),
                dst: header.dst.into(),
            },
            ttl: header.hop_limit,
            payload: datagram.bytes,
            ah: None,
        })),
        (Family::V6, None) => Ok(None),
    }
}

/// Strips the IPv4 header, and the authentication header if there is one. `None`: a packet that is
/// not for us.
fn envelope_v4<'a>(datagram: &Datagram<'a>) -> Result<Option<Envelope<'a>>, ParseError> {
    let packet = ipv4::parse(datagram.bytes)?;
    let (src, dst) = (packet.header.src.into(), packet.header.dst.into());
    let (mut payload, mut ah) = (packet.payload, None);
    if datagram.on.protocol == Protocol::Ah {
        match ah::parse(packet.payload) {
            Ok((header, message)) => {
                payload = message;
                ah = Some((header, packet, datagram.bytes));
            }
            // IPsec with another payload.
            Err(ParseError::Protocol { .. } | ParseError::AhLength(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(Envelope {
        net: PseudoHeader { src, dst },
        ttl: packet.header.ttl,
        payload,
        ah,
    }))
}
