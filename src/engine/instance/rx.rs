//! Packets on their way in: codec, then the instance they are for.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use core::time::Duration;

use crate::engine::Engine;
use crate::engine::instance::auth;
use crate::engine::system::{Ipv6Fields, Listener, Protocol, System};
use crate::types::{Family, Instant, Version};
use crate::vrrp::{Event, Received};
use crate::wire::vrrp::ChecksumForm;
use crate::wire::{ParseError, PseudoHeader, ah, ipv4, vrrp};

/// A datagram of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Whose.
    pub on: Listener,
    /// IPv4: the packet with its header. IPv6: the payload.
    pub bytes: &'a [u8],
    /// IPv6 only.
    pub v6: Option<Ipv6Fields>,
    /// When it arrived, by the wall clock since 1970; `None`: now.
    pub wall: Option<Duration>,
}

/// What the IP layer says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) net: PseudoHeader,
    ttl: u8,
    payload: &'a [u8],
    /// The authentication header, and the packet it is in.
    pub(crate) ah: Option<(ah::Header, ipv4::Packet<'a>, &'a [u8])>,
}

impl Engine {
    /// Takes a packet. Whatever it holds, it costs a counter at the worst.
    pub fn packet(&mut self, now: Instant, datagram: &Datagram<'_>, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        let on = datagram.on;
        let Some(envelope) = self.open_envelope(cx.now, datagram) else {
            return;
        };
        let parsed = match vrrp::parse(envelope.payload, &envelope.net) {
            Ok(parsed) => parsed,
            Err(malformed) => return self.count_malformed(cx.now, on, Some(&envelope), malformed),
        };
        let multicast = envelope.net.dst.is_multicast();
        if on.interface.is_none() && multicast {
            return;
        }
        let vrid = parsed.advert.vrid.get();
        let Some(id) = self.find(on, vrid, envelope.net.dst) else {
            // A unicast advert reaches the multicast socket of its interface too; it is not unknown there.
            if on.interface.is_some() == multicast {
                self.unknown_vrid(cx.now, &envelope, vrid);
            }
            return;
        };
        let from = envelope.net.src;
        if parsed.advert.version == Version::V3 {
            self.log_checksum_form(id, cx.now, from, parsed.checksum);
        }
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let wall = || datagram.wall.unwrap_or_else(|| cx.system.wall_clock());
        let received = Received {
            from,
            multicast,
            ttl: envelope.ttl,
            advert: parsed.advert,
            auth_result: auth::examine(&router.conf, &envelope, &parsed, wall),
        };
        self.handle_event(cx, id, Event::Advert(&received));
    }

    fn open_envelope<'a>(&mut self, now: Instant, datagram: &Datagram<'a>) -> Option<Envelope<'a>> {
        match (datagram.on.family, datagram.v6) {
            (Family::V4, _) => match envelope_v4(datagram) {
                Ok(envelope) => envelope,
                Err(malformed) => {
                    self.count_malformed(now, datagram.on, None, malformed);
                    None
                }
            },
            (
                Family::V6,
                Some(Ipv6Fields {
                    src,
                    dst,
                    hop_limit: ttl,
                }),
            ) => {
                let net = PseudoHeader {
                    src: src.into(),
                    dst: dst.into(),
                };
                Some(Envelope {
                    net,
                    ttl,
                    payload: datagram.bytes,
                    ah: None,
                })
            }
            (Family::V6, None) => None,
        }
    }

    /// The instance an advert is for. Several unicast instances may share a VRID on different
    /// interfaces; they are told apart by the address the advert was sent to. With one alone that may be any
    /// address of ours: deaf to the peer that was given another one, it would be a second master.
    fn find(&self, on: Listener, vrid: u8, to: IpAddr) -> Option<usize> {
        let key = (on.without_protocol(), vrid);
        let begin = self.dispatch.partition_point(|(known, _)| *known < key);
        let mut same = self
            .dispatch
            .iter()
            .skip(begin)
            .take_while(|(known, _)| *known == key);
        if on.interface.is_some() {
            return same.next().map(|(_, id)| *id);
        }
        let ours = |id: &usize| {
            self.routers
                .get(*id)
                .and_then(crate::engine::Router::source)
                == Some(to)
        };
        let alone = same.clone().nth(1).is_none();
        same.find(|(_, id)| alone || ours(id)).map(|(_, id)| *id)
    }

    fn unknown_vrid(&mut self, now: Instant, envelope: &Envelope<'_>, vrid: u8) {
        if self.shared.global.log_unknown_vrids
            && let Some(suppressed) = self.shared.unknown_vrid_log.allow(now)
        {
            let from = envelope.net.src;
            log::info!(
                target: "vrrp",
                "advert of {from} for VRID {vrid}, which is not configured here \
                 ({suppressed} such not shown)"
            );
        }
    }

    /// A packet that is no advert: one more on the sender's account.
    fn count_malformed(
        &mut self,
        now: Instant,
        on: Listener,
        envelope: Option<&Envelope<'_>>,
        malformed: ParseError,
    ) {
        if let Some(&vrid) = envelope.and_then(|envelope| envelope.payload.get(1))
            && let Some(to) = envelope.map(|envelope| envelope.net.dst)
            && let Some(id) = self.find(on, vrid, to)
            && let Some(router) = self.routers.get_mut(id)
        {
            let stats = router.machine.counters_mut();
            if let ParseError::VrrpLength { .. } = malformed {
                stats.packet_len_err = stats.packet_len_err.saturating_add(1);
            } else if let ParseError::VrrpType(_) = malformed {
                stats.invalid_type_rcvd = stats.invalid_type_rcvd.saturating_add(1);
            }
        }
        let Some(open) = self.sockets.iter_mut().find(|open| open.on == on) else {
            return;
        };
        let Some(suppressed) = open.malformed.allow(now) else {
            return;
        };
        let name = on
            .interface
            .and_then(|index| self.shared.interfaces.get(index));
        let place = name.map_or("unicast", |link| link.name.as_str());
        let more = match suppressed {
            0 => String::new(),
            n => format!(" ({n} more not shown)"),
        };
        match envelope {
            Some(envelope) => log::warn!(
                target: "vrrp",
                "{place}: broken packet from {} ignored: {malformed}{more}",
                envelope.net.src
            ),
            None => log::warn!(target: "vrrp", "{place}: broken packet ignored: {malformed}{more}"),
        }
    }

    /// Says once how a sender computes its checksum when it is not the way we do.
    fn log_checksum_form(&mut self, id: usize, now: Instant, from: IpAddr, form: ChecksumForm) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        if router.checksum == Some(form) || router.conf.version != Version::V3 {
            return;
        }
        let ours = crate::engine::instance::tx::checksum_form(&router.conf);
        router.checksum = Some(form);
        let other = form != ours && router.conf.family == Family::V4;
        if other && router.notices.allow(now).is_some() {
            let name = &router.conf.name;
            let hint = match form {
                ChecksumForm::Plain => {
                    "without pseudo header; v3_checksum_as_v2 makes ours the same"
                }
                ChecksumForm::OldUnicast => "as keepalived before 1.3.7; see old_unicast_checksum",
                ChecksumForm::PseudoHeader | ChecksumForm::Kernel => "with pseudo header",
            };
            log::info!(target: "vrrp", "({name}) {from} computes its checksum {hint}");
        }
    }
}

/// Takes the IPv4 header off, and the authentication header if there is one. `None`: not meant for us.
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
            // IPsec that carries something else.
            Err(ParseError::Protocol { .. } | ParseError::AhLength(_)) => return Ok(None),
            Err(malformed) => return Err(malformed),
        }
    }
    Ok(Some(Envelope {
        net: PseudoHeader { src, dst },
        ttl: packet.header.ttl,
        payload,
        ah,
    }))
}
