//! IPVS messages (generic netlink).

use vrrpd::netlink::Batch;
use vrrpd::netlink::genl::{self, Replies, Reply, ReplyMessage};
use vrrpd::netlink::ipvs;
use vrrpd::types::Family;
use vrrpd::types::ipvs::{
    Checksum, Destination, Forward, IpProtocol, Service, ServiceKey, Tunnel, TunnelKind,
};

use super::{Reach, Source};

/// Any bytes of a generic netlink socket are parsed; a service and a server generated from the
/// bytes round trip.
pub(crate) fn ipvs_reply(data: &[u8]) -> Reach {
    let mut reach = Reach::Rejected;
    for ReplyMessage { reply, .. } in Replies::new(data).flatten() {
        let Reply::Payload(payload) = reply else {
            continue;
        };
        let _ = genl::family_id(payload);
        for family in [Family::V4, Family::V6] {
            match ipvs::parse(payload, family) {
                Ok(ipvs::Message::Service(one)) => drop(one.counters()),
                Ok(ipvs::Message::Server(one)) => drop(one.counters()),
                Ok(_) => {}
                Err(_) => continue,
            }
            reach = Reach::Accepted;
        }
    }
    let mut source = Source(data);
    let (service, server) = (source.service(), source.server());
    let mut batch = Batch::new(1);
    ipvs::write_service(&mut batch, 0x21, ipvs::Command::New, &service);
    ipvs::write_server(&mut batch, 0x21, ipvs::Command::New, &service.key, &server);
    let mut replies = Replies::new(batch.bytes());
    let mut next = || match replies.next() {
        Some(Ok(ReplyMessage {
            reply: Reply::Payload(payload),
            ..
        })) => ipvs::parse(payload, Family::V4),
        other => panic!("{other:?}"),
    };
    match next() {
        Ok(ipvs::Message::Service(listed)) => assert!(listed.matches(&service), "{listed:?}"),
        other => panic!("{other:?}"),
    }
    match next() {
        Ok(ipvs::Message::Server(listed)) => assert_eq!(listed.server, server),
        other => panic!("{other:?}"),
    }
    reach
}

impl Source<'_> {
    fn service(&mut self) -> Service {
        let choice = self.u8();
        let v6 = choice & 1 != 0;
        let key = if choice & 2 != 0 {
            ServiceKey::Mark {
                mark: self.u32(),
                family: if v6 { Family::V6 } else { Family::V4 },
            }
        } else {
            let protocols = [IpProtocol::Tcp, IpProtocol::Udp, IpProtocol::Sctp];
            ServiceKey::Address {
                addr: self.ip(v6),
                port: u16::from_be_bytes(self.array()),
                protocol: protocols[usize::from(self.u8() % 3)],
            }
        };
        Service {
            key,
            scheduler: ["rr", "wlc", "fifteen_letters"][usize::from(self.u8() % 3)].into(),
            persistence: self.u32(),
            granularity: self.u32(),
            one_packet: choice & 4 != 0,
            sip: choice & 8 != 0,
            flags: choice >> 5,
        }
    }

    fn server(&mut self) -> Destination {
        let choice = self.u8();
        let kind = match choice >> 6 {
            0 => TunnelKind::Gre,
            _ => TunnelKind::Gue(u16::from_be_bytes(self.array())),
        };
        let checksums = [Checksum::None, Checksum::Plain, Checksum::Remote];
        let checksum = checksums[usize::from(self.u8() % 3)];
        let forwards = [
            Forward::Masquerade,
            Forward::Local,
            Forward::Direct,
            Forward::Bypass,
            Forward::Tunnel(Tunnel { kind, checksum }),
            Forward::Tunnel(Tunnel {
                kind: TunnelKind::Ipip,
                checksum: Checksum::None,
            }),
        ];
        Destination {
            addr: self.ip(choice & 1 != 0),
            port: u16::from_be_bytes(self.array()),
            forward: forwards[usize::from(self.u8() % 6)],
            weight: self.u32(),
            upper: self.u32(),
            lower: self.u32(),
        }
    }
}
