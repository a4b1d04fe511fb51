//! IPVS requests equal those of ipvsadm(8), apart from attributes the kernel ignores; replies are
//! parsed.

use vrrpd::netlink::genl::{self, Replies, Reply, ReplyMessage};
use vrrpd::netlink::ipvs::{self, Command, Daemon, Message, Role};
use vrrpd::netlink::{Attrs, Batch};
use vrrpd::types::Family;
use vrrpd::types::ipvs::{
    Checksum, Connections, Counters, Destination, Forward, IpProtocol, Service, ServiceKey, Tunnel,
    TunnelKind,
};

use crate::hex::golden;

/// Generic netlink family id in the captures.
const FAMILY: u16 = 0x21;

fn key(addr: &str, port: u16, protocol: IpProtocol) -> ServiceKey {
    ServiceKey::Address {
        addr: addr.parse().unwrap(),
        port,
        protocol,
    }
}

fn web() -> ServiceKey {
    key("192.0.2.1", 80, IpProtocol::Tcp)
}

fn web6() -> ServiceKey {
    key("2001:db8::1", 443, IpProtocol::Tcp)
}

fn mark(mark: u32, family: Family) -> ServiceKey {
    ServiceKey::Mark { mark, family }
}

fn service(key: ServiceKey, scheduler: &str) -> Service {
    Service {
        key,
        scheduler: scheduler.into(),
        persistence: 0,
        granularity: match key.family() {
            Family::V4 => u32::MAX,
            Family::V6 => 128,
        },
        one_packet: false,
        sip: false,
        flags: 0,
    }
}

#[test]
fn the_persistence_engine_is_attribute_11_with_its_name() {
    let of = |sip| {
        let mut batch = Batch::new(1);
        let service = Service {
            sip,
            persistence: 60,
            ..service(web(), "rr")
        };
        ipvs::write_service(&mut batch, FAMILY, Command::New, &service);
        batch.bytes().to_vec()
    };
    let (plain, sip) = (of(false), of(true));
    // Length 8, IPVS_SVC_ATTR_PE_NAME of linux/ip_vs.h, and the name with its NUL.
    let mut attribute = 8_u16.to_ne_bytes().to_vec();
    attribute.extend(11_u16.to_ne_bytes());
    attribute.extend(b"sip\0");
    assert_eq!(sip.len(), plain.len() + attribute.len());
    assert!(sip.ends_with(&attribute));
}

/// The captured services, except those that differ only in their scheduler.
fn services() -> Vec<(&'static str, Service)> {
    let dns = key("192.0.2.1", 53, IpProtocol::Udp);
    vec![
        ("add-service", service(web(), "wlc")),
        (
            "add-service-all",
            Service {
                persistence: 300,
                granularity: 0xffff_ff00,
                one_packet: true,
                flags: 3,
                ..service(dns, "sh")
            },
        ),
        (
            "add-service6",
            Service {
                persistence: 60,
                granularity: 64,
                ..service(web6(), "rr")
            },
        ),
        ("add-mark", service(mark(5, Family::V4), "wrr")),
        (
            "add-mark6",
            Service {
                flags: 2,
                ..service(mark(6, Family::V6), "mh")
            },
        ),
    ]
}

fn server(addr: &str, port: u16, forward: Forward, weight: u32) -> Destination {
    Destination {
        addr: addr.parse().unwrap(),
        port,
        forward,
        weight,
        upper: 0,
        lower: 0,
    }
}

fn tunnel(kind: TunnelKind, checksum: Checksum) -> Forward {
    Forward::Tunnel(Tunnel { kind, checksum })
}

fn servers() -> Vec<(&'static str, Destination)> {
    let ipip = tunnel(TunnelKind::Ipip, Checksum::None);
    let gue = tunnel(TunnelKind::Gue(6080), Checksum::Remote);
    let gre = tunnel(TunnelKind::Gre, Checksum::Plain);
    vec![
        (
            "add-server-nat",
            Destination {
                upper: 100,
                lower: 50,
                ..server("192.0.2.11", 8080, Forward::Masquerade, 3)
            },
        ),
        (
            "add-server-dr",
            server("192.0.2.12", 80, Forward::Direct, 0),
        ),
        ("add-server-tun", server("192.0.2.13", 80, ipip, 1)),
        ("add-server-gue", server("192.0.2.14", 80, gue, 1)),
        ("add-server-gre", server("192.0.2.15", 80, gre, 1)),
    ]
}

/// Attribute type, type of the enclosing attribute (0: none), value.
type FlatAttr = (u16, u16, Vec<u8>);

/// Type, flags, command, version and attributes of a request.
fn flat(bytes: &[u8]) -> ([u8; 4], u16, Vec<FlatAttr>) {
    let mut list = Vec::new();
    for attr in Attrs::new(&bytes[20..]).map(Result::unwrap) {
        // Timeouts and requests to the genl controller have no nested attributes.
        let simple = attr.kind > 3 || bytes[4] == 0x10;
        if simple {
            list.push((attr.kind, 0, attr.value.to_vec()));
            continue;
        }
        let inside = attr.nested().unwrap().map(Result::unwrap);
        list.extend(inside.map(|one| (one.kind, attr.kind, one.value.to_vec())));
    }
    list.sort();
    let head = [bytes[4], bytes[5], bytes[16], bytes[17]];
    // NLM_F_ACK.
    let flags = u16::from_le_bytes([bytes[6], bytes[7]]) & !4;
    (head, flags, list)
}

/// Compares a request with that of ipvsadm, which also sends attributes the kernel does not need:
/// for deleted servers and daemons, for services that only identify, and for non-tunnels.
fn assert_same_request(name: &str, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new(1);
    fill(&mut batch);
    let theirs = golden(&format!("ipvs/{name}"));
    let command = theirs[16];
    let required = |bytes: &[u8]| {
        let (head, flags, mut attrs) = flat(bytes);
        attrs.retain(|(kind, inside, value)| match (inside, kind) {
            (1, 6..=9) => command < 3,
            (2, 3..=6) => command != 7,
            (2, 13..=15) => command != 7 && value.iter().any(|byte| *byte != 0),
            (3, 2..) => command != 10,
            _ => true,
        });
        (head, flags, attrs)
    };
    assert_eq!(required(batch.bytes()), required(&theirs), "{name}");
}

#[test]
fn ipvs_service_requests_equal_those_of_ipvsadm_8() {
    for (name, one) in services() {
        assert_same_request(name, |batch| {
            ipvs::write_service(batch, FAMILY, Command::New, &one);
        });
    }
    let changed = service(web(), "wrr");
    assert_same_request("edit-service", |batch| {
        ipvs::write_service(batch, FAMILY, Command::Set, &changed);
    });
    assert_same_request("del-service", |batch| {
        ipvs::delete_service(batch, FAMILY, &web());
    });
    assert_same_request("list-services", |batch| {
        ipvs::list_services(batch, FAMILY);
    });
    assert_same_request("clear", |batch| {
        ipvs::flush(batch, FAMILY);
    });
}

#[test]
fn ipvs_server_requests_equal_those_of_ipvsadm_8() {
    for (name, one) in servers() {
        assert_same_request(name, |batch| {
            ipvs::write_server(batch, FAMILY, Command::New, &web(), &one);
        });
    }
    let masquerade = Forward::Masquerade;
    let six = server("2001:db8::11", 443, masquerade, 1);
    assert_same_request("add-server6", |batch| {
        ipvs::write_server(batch, FAMILY, Command::New, &web6(), &six);
    });
    let changed = server("192.0.2.11", 8080, masquerade, 9);
    assert_same_request("edit-server", |batch| {
        ipvs::write_server(batch, FAMILY, Command::Set, &web(), &changed);
    });
    let gone = server("192.0.2.12", 80, Forward::Direct, 0);
    assert_same_request("del-server", |batch| {
        ipvs::delete_server(batch, FAMILY, &web(), &gone);
    });
    assert_same_request("list-servers", |batch| {
        ipvs::list_servers(batch, FAMILY, &web());
    });
}

fn master() -> Daemon<'static> {
    Daemon {
        role: Role::Master,
        interface: "d0",
        id: 7,
        max_len: Some(1000),
        group: Some([224, 0, 0, 99].into()),
        port: Some(8849),
        ttl: Some(3),
    }
}

fn backup() -> Daemon<'static> {
    Daemon {
        role: Role::Backup,
        interface: "d0",
        id: 7,
        max_len: None,
        group: None,
        port: None,
        ttl: None,
    }
}

#[test]
fn ipvs_daemon_and_timeout_requests_equal_those_of_ipvsadm_8() {
    assert_same_request("daemon-master", |batch| {
        ipvs::add_daemon(batch, FAMILY, &master());
    });
    assert_same_request("daemon-backup", |batch| {
        ipvs::add_daemon(batch, FAMILY, &backup());
    });
    assert_same_request("stop-daemon", |batch| {
        ipvs::delete_daemon(batch, FAMILY, Role::Master);
    });
    assert_same_request("list-daemons", |batch| {
        ipvs::list_daemons(batch, FAMILY);
    });
    assert_same_request("timeouts", |batch| {
        ipvs::set_timeouts(batch, FAMILY, [900, 120, 30]);
    });
    assert_same_request("list-timeouts", |batch| {
        ipvs::get_timeouts(batch, FAMILY);
    });
}

// ---- dumps from the kernel ----

/// Payloads of the netlink messages in a capture.
fn payloads(bytes: &[u8]) -> Vec<&[u8]> {
    let replies = Replies::new(bytes).map(Result::unwrap);
    let payloads = replies.map(|ReplyMessage { reply, .. }| {
        let Reply::Payload(payload) = reply else {
            panic!("{reply:?}")
        };
        payload
    });
    payloads.collect()
}

fn messages(bytes: &[u8], family: Family) -> Vec<Message<'_>> {
    let all = payloads(bytes).into_iter();
    all.map(|one| ipvs::parse(one, family).unwrap()).collect()
}

#[test]
fn genl_controller_reply_gives_the_family_id() {
    let bytes = golden("ipvs/family");
    assert_eq!(genl::family_id(payloads(&bytes)[0]), Ok(FAMILY));
}

#[test]
fn ipvs_service_dump_equals_what_was_added() {
    let bytes = golden("ipvs/listed-services");
    let mut wanted: Vec<Service> = services().into_iter().map(|(_, one)| one).collect();
    wanted[0].scheduler = "wrr".into();
    let listed = messages(&bytes, Family::V4);
    assert_eq!(listed.len(), wanted.len());
    for message in listed {
        let Message::Service(listed) = message else {
            panic!("{message:?}")
        };
        let index = wanted.iter().position(|one| listed.matches(one));
        wanted.remove(index.unwrap_or_else(|| panic!("{listed:?}")));
        assert_eq!(listed.counters(), Counters::default());
    }
}

#[test]
fn ipvs_server_dump_equals_what_was_added() {
    let list = |name, family| {
        let bytes = golden(name);
        let servers = messages(&bytes, family).into_iter().map(|one| {
            let Message::Server(listed) = one else {
                panic!("{one:?}")
            };
            assert_eq!(listed.connections, Connections::default());
            assert_eq!(listed.counters(), Counters::default());
            listed.server
        });
        servers.collect::<Vec<_>>()
    };
    let mut wanted: Vec<Destination> = servers().into_iter().map(|(_, one)| one).collect();
    wanted[0] = server("192.0.2.11", 8080, Forward::Masquerade, 9);
    wanted.remove(1);
    wanted.reverse();
    assert_eq!(list("ipvs/listed-servers", Family::V4), wanted);
    let six = server("2001:db8::11", 443, Forward::Masquerade, 1);
    assert_eq!(list("ipvs/listed-servers6", Family::V6), [six]);
}

#[test]
fn ipvs_daemons_timeouts_and_info_are_parsed() {
    let bytes = golden("ipvs/listed-daemons");
    let with_defaults = Daemon {
        max_len: Some(1472),
        group: Some([224, 0, 0, 81].into()),
        port: Some(8848),
        ttl: Some(1),
        ..backup()
    };
    assert_eq!(
        messages(&bytes, Family::V4),
        [Message::Daemon(master()), Message::Daemon(with_defaults)]
    );
    let bytes = golden("ipvs/listed-timeouts");
    let wanted = [Message::Timeouts([900, 120, 30])];
    assert_eq!(messages(&bytes, Family::V4), wanted);
    let bytes = golden("ipvs/listed-info");
    let (version, table) = ([1, 2, 1], 4096);
    let wanted = [Message::Info { version, table }];
    assert_eq!(messages(&bytes, Family::V4), wanted);
}

#[test]
fn ipvs_counters_are_parsed_in_32_and_64_bits() {
    // As the kernel reports a busy server: 32-bit counters first, then 64-bit ones.
    let mut batch = Batch::new(1);
    batch.start(FAMILY, 0);
    batch.fixed(&[5, 1, 0, 0]);
    batch.nested(2, |batch| {
        batch.attr(1, &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        batch.attr_u32_ne(7, 3);
        batch.attr_u32_ne(8, 4);
        batch.attr_u32_ne(9, 5);
        batch.nested(10, |batch| {
            for kind in [1, 2, 3, 6] {
                batch.attr_u32_ne(kind, u32::from(kind));
            }
            for kind in [4, 5] {
                batch.attr(kind, &(u64::from(kind) << 32).to_ne_bytes());
            }
        });
    });
    let small = Counters {
        connections: 1,
        packets_in: 2,
        packets_out: 3,
        bytes_in: 4 << 32,
        bytes_out: 5 << 32,
    };
    let read = |batch: &Batch| match messages(batch.bytes(), Family::V4)[..] {
        [Message::Server(one)] => (one.counters(), one.connections),
        ref other => panic!("{other:?}"),
    };
    let connections = Connections {
        active: 3,
        inactive: 4,
        persistent: 5,
    };
    assert_eq!(read(&batch), (small, connections));
    let mut batch = Batch::new(1);
    batch.start(FAMILY, 0);
    batch.fixed(&[5, 1, 0, 0]);
    batch.nested(2, |batch| {
        batch.attr(1, &[10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        batch.nested(10, |batch| batch.attr_u32_ne(1, 7));
        batch.nested(12, |batch| batch.attr(1, &(7_u64 << 40).to_ne_bytes()));
    });
    assert_eq!(read(&batch).0.connections, 7 << 40);
}

#[test]
fn ipvs_parser_survives_every_truncation_and_flipped_bit() {
    for name in [
        "listed-services",
        "listed-servers",
        "listed-daemons",
        "listed-timeouts",
        "family",
    ] {
        let bytes = golden(&format!("ipvs/{name}"));
        let one = payloads(&bytes)[0].to_vec();
        let read = |bytes: &[u8]| {
            let _ = genl::family_id(bytes);
            for family in [Family::V4, Family::V6] {
                if let Ok(Message::Server(one)) = ipvs::parse(bytes, family) {
                    let _ = one.counters();
                }
            }
        };
        for len in 0..one.len() {
            read(&one[..len]);
        }
        for bit in 0..one.len() * 8 {
            let mut flipped = one.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            read(&flipped);
        }
    }
}
