//! Authenticated adverts: what is sent and accepted, and the counters.

use std::net::IpAddr;
use std::time::Duration;

use crate::support::kernel::{
    Kernel, advert, at, engine, instance, receive, receive_by, run, start,
};
use vrrpd::config::model::{
    Auth, Hmac, HmacKey, HmacMode, Password, Peer, Secret, Transport, VrrpInstance,
};
use vrrpd::engine::Engine;
use vrrpd::engine::system::Protocol;
use vrrpd::types::{Centis, Priority, Version, Vrid, VrrpCounters, VrrpState};

use vrrpd::wire::vrrp::{AdvertRepr, Auth as WireAuth, ChecksumForm};
use vrrpd::wire::{PseudoHeader, ah, hmac, ipv4, vrrp};

const VIP: &str = "192.0.2.100/32";
const KEY: [u8; 8] = *b"k3y\0\0\0\0\0";
const WALL: Duration = Duration::from_secs(1_800_000_000);

fn eth0() -> Kernel {
    let mut kernel = Kernel::with(
        &[(1, "lo", true), (2, "eth0", true)],
        &[(1, "127.0.0.1/8"), (2, "192.0.2.1/24")],
    );
    kernel.wall_clock = WALL;
    kernel
}

fn single_instance(engine: &Engine) -> (VrrpState, VrrpCounters) {
    let (_, state, stats) = engine.instances().next().expect("one");
    (state, stats.clone())
}

// ---- AH ----

fn with_ah(priority: u8) -> VrrpInstance {
    let mut conf = instance(7, priority, &[VIP]);
    conf.version = Version::V2;
    conf.advert_int = Centis::SECOND;
    conf.auth = Auth::Ah(Password(KEY));
    conf
}

fn ah_advert(priority: u8, from: &str, sequence: u32, key: &[u8; 8]) -> Vec<u8> {
    let addresses: [IpAddr; 1] = ["192.0.2.100".parse().unwrap()];
    let advert = AdvertRepr {
        version: Version::V2,
        vrid: Vrid::new(7).unwrap(),
        priority: Priority(priority),
        interval: Centis::SECOND,
        auth: WireAuth::Ah,
        addresses: &addresses,
    };
    let header = ipv4::Header {
        tos: 0xc0,
        id: 1,
        ttl: 255,
        protocol: ah::PROTOCOL,
        src: from.parse().unwrap(),
        dst: "224.0.0.18".parse().unwrap(),
    };
    let mut packet = vec![0; 256];
    let body = |payload: &mut [u8]| vrrp::emit(&advert, None, ChecksumForm::Plain, payload);
    let len = ah::emit(&header, sequence, key, &mut packet, body).unwrap();
    packet.truncate(len);
    packet
}

/// AH sequence number of the last advert, which must be valid.
fn last_number(kernel: &Kernel) -> u32 {
    let packet = ipv4::parse(&kernel.last_advert).unwrap();
    assert!(ah::verify(&packet, &kernel.last_advert, &KEY));
    let (header, _) = ah::parse(packet.payload).unwrap();
    assert_eq!(header.spi, 0xc000_0201);
    header.sequence
}

#[test]
fn ah_instance_opens_both_sockets_and_sends_sequence_numbers() {
    let mut kernel = eth0();
    let mut engine = engine(vec![with_ah(100)]);
    start(&mut engine, &mut kernel, at(0));
    let log = kernel.take_log();
    let group = r#"2 Some("eth0") [224.0.0.18]"#;
    assert!(log.contains(&format!("listen AH {group}")), "{log:?}");
    assert!(log.contains(&format!("listen {group}")), "{log:?}");
    run(&mut engine, &mut kernel, at(3_700));
    assert_eq!(single_instance(&engine).0, VrrpState::Master);
    let log = kernel.take_log();
    assert_eq!(log[0], "advert AH 7 prio 100 to 224.0.0.18");
    assert_eq!(last_number(&kernel), 1_800_000_000);
    run(&mut engine, &mut kernel, at(4_700));
    assert_eq!(last_number(&kernel), 1_800_000_001, "same second");
    kernel.wall_clock += Duration::from_secs(10);
    run(&mut engine, &mut kernel, at(5_700));
    assert_eq!(last_number(&kernel), 1_800_000_010);
}

#[test]
fn ah_sequence_number_is_shared_by_all_unicast_peers() {
    let peer = |addr: &str| Peer {
        addr: addr.parse().unwrap(),
        min_ttl: 0,
        max_ttl: 255,
    };
    let mut conf = with_ah(255);
    conf.transport = Transport::Unicast {
        peers: vec![peer("192.0.2.2"), peer("192.0.2.3")],
        ttl: 64,
        check_source: false,
    };
    let mut kernel = eth0();
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.adverts, 2);
    assert_eq!(last_number(&kernel), 1_800_000_000);
}

#[test]
fn replayed_forged_and_unauthenticated_adverts_do_not_reset_the_down_timer() {
    let mut kernel = eth0();
    let mut engine = engine(vec![with_ah(100)]);
    start(&mut engine, &mut kernel, at(0));
    let from = "192.0.2.2";
    let good = ah_advert(200, from, 5, &KEY);
    let mut hear = |ms, protocol, packet: &[u8]| {
        receive_by(protocol, &mut engine, &mut kernel, at(ms), 2, packet);
        (engine.next_deadline(), single_instance(&engine).1)
    };
    let (due, _) = hear(1_000, Protocol::Ah, &good);
    let other_key = ah_advert(200, from, 6, b"other\0\0\0");
    let mut unsigned = good.clone();
    unsigned.splice(20..44, []);
    unsigned[9] = 112;
    unsigned[3] -= 24;
    unsigned[10..12].fill(0);
    let sum = vrrpd::wire::checksum::Sum::new().bytes(&unsigned[..20]);
    unsigned[10..12].copy_from_slice(&sum.checksum().to_be_bytes());
    let plain = advert(7, 200, from, "224.0.0.18", &[VIP]);
    type Counter = fn(&VrrpCounters) -> u64;
    let failures: Counter = |stats| stats.errors.auth_failure;
    let mismatches: Counter = |stats| stats.errors.authtype_mismatch;
    for (name, protocol, packet, count) in [
        ("played back", Protocol::Ah, &good, failures),
        ("another key", Protocol::Ah, &other_key, failures),
        (
            "type AH without header",
            Protocol::Vrrp,
            &unsigned,
            mismatches,
        ),
    ] {
        let before = count(&hear(1_400, protocol, &[]).1);
        let (then, stats) = hear(1_500, protocol, packet);
        assert_eq!((then, count(&stats)), (due, before + 1), "{name}");
    }
    let (then, stats) = hear(1_600, Protocol::Vrrp, &plain);
    assert_eq!((then, stats.errors.other_rejected), (due, 1), "version 3");
    let (then, _) = hear(1_700, Protocol::Ah, &ah_advert(200, from, 6, &KEY));
    assert!(then > due, "the next number counts");
}

#[test]
fn ah_master_continues_the_sequence_of_a_lower_priority_master() {
    let mut kernel = eth0();
    kernel.wall_clock = Duration::from_secs(100);
    let mut engine = engine(vec![with_ah(255)]);
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(last_number(&kernel), 100);
    let theirs = ah_advert(90, "192.0.2.2", 5_000, &KEY);
    receive_by(Protocol::Ah, &mut engine, &mut kernel, at(500), 2, &theirs);
    assert_eq!(last_number(&kernel), 5_001);
}

/// The clock may be behind the sequence numbers in use, after several adverts in a second or those
/// of a peer whose clock is ahead.
#[test]
fn resumed_ah_master_continues_its_sequence() {
    let mut kernel = eth0();
    kernel.wall_clock = Duration::from_secs(100);
    let mut first = engine(vec![with_ah(200)]);
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(3_300));
    let theirs = ah_advert(90, "192.0.2.2", 5_000, &KEY);
    receive_by(Protocol::Ah, &mut first, &mut kernel, at(3_400), 2, &theirs);
    first.before_reload(at(3_500), Duration::from_secs(1), &mut kernel);
    first.hand_over(at(3_510), &mut kernel);
    let last = last_number(&kernel);
    assert!(last > 5_000);
    let mut next = engine(vec![with_ah(200)]);
    start(&mut next, &mut kernel, at(3_520));
    let before = kernel.adverts;
    run(&mut next, &mut kernel, at(4_520));
    assert_eq!(single_instance(&next).0, VrrpState::Master);
    assert_eq!(
        (kernel.adverts, last_number(&kernel)),
        (before + 1, last + 1)
    );
    // An advert of a new master is accepted whatever its sequence number.
    let mut late = engine(vec![with_ah(200)]);
    start(&mut late, &mut kernel, at(4_600));
    let theirs = ah_advert(250, "192.0.2.2", 9, &KEY);
    receive_by(Protocol::Ah, &mut late, &mut kernel, at(4_700), 2, &theirs);
    run(&mut late, &mut kernel, at(6_000));
    assert_eq!(single_instance(&late).0, VrrpState::Backup);
}

#[test]
fn ah_master_answers_a_higher_priority_advert_with_an_old_sequence_at_once() {
    let mut kernel = eth0();
    let mut engine = engine(vec![with_ah(100)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(3_700));
    let sent = kernel.adverts;
    let mut hear = |ms, sequence, kernel: &mut Kernel| {
        let packet = ah_advert(200, "192.0.2.2", sequence, &KEY);
        receive_by(Protocol::Ah, &mut engine, kernel, at(ms), 2, &packet);
        (kernel.adverts - sent, single_instance(&engine).0)
    };
    assert_eq!(hear(3_900, 1, &mut kernel), (1, VrrpState::Master));
    assert_eq!(
        hear(3_901, 1, &mut kernel),
        (1, VrrpState::Master),
        "no flood"
    );
    let number = last_number(&kernel);
    assert_eq!(hear(3_902, number + 1, &mut kernel), (1, VrrpState::Backup));
}

#[test]
fn ah_packets_with_other_payload_are_ignored() {
    let mut kernel = eth0();
    let mut engine = engine(vec![with_ah(100)]);
    start(&mut engine, &mut kernel, at(0));
    let mut packet = ah_advert(200, "192.0.2.2", 5, &KEY);
    packet[20] = 50;
    let before = single_instance(&engine);
    receive_by(Protocol::Ah, &mut engine, &mut kernel, at(500), 2, &packet);
    assert_eq!(single_instance(&engine), before);
}

// ---- auth_hmac ----

fn secret(byte: u8) -> Secret {
    Secret(vec![byte; 32])
}

fn with_hmac(mode: HmacMode, window: Option<u32>) -> VrrpInstance {
    let key = |id, byte| HmacKey {
        id,
        secret: secret(byte),
    };
    let mut conf = instance(7, 100, &[VIP]);
    conf.auth = Auth::Hmac(Box::new(Hmac {
        keys: vec![key(2, 0xbb), key(1, 0xaa)],
        mode,
        time_window: window,
    }));
    conf
}

/// A signed advert of 192.0.2.2 with priority 200.
fn signed(id: u8, byte: u8, sequence: u64) -> Vec<u8> {
    signed_by("192.0.2.2", &[VIP], (id, byte), sequence)
}

fn signed_by(from: &str, vips: &[&str], (id, byte): (u8, u8), sequence: u64) -> Vec<u8> {
    let plain = advert(7, 200, from, "224.0.0.18", vips);
    let header = ipv4::parse(&plain).unwrap().header;
    let message = plain[20..].to_vec();
    let trailer = hmac::Trailer { key: id, sequence };
    let mut packet = vec![0; 256];
    let len = ipv4::emit(&header, &mut packet, |payload| {
        payload[..message.len()].copy_from_slice(&message);
        hmac::sign(
            payload,
            message.len(),
            header.src.into(),
            trailer,
            &secret(byte).0,
        )
    });
    packet.truncate(len.unwrap());
    packet
}

fn now() -> u64 {
    WALL.as_secs() << 32
}

/// Passes `packets` to an instance; returns its counters after 300 ms, and whether the last packet
/// reset the down timer.
fn feed(conf: VrrpInstance, packets: &[Vec<u8>]) -> (VrrpCounters, bool) {
    let mut kernel = eth0();
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    let mut before = engine.next_deadline();
    let mut followed = false;
    for (nth, packet) in (1..).zip(packets) {
        let now = at(nth * 10);
        receive(&mut engine, &mut kernel, now, 2, packet);
        followed = engine.next_deadline() != before;
        before = engine.next_deadline();
    }
    (single_instance(&engine).1, followed)
}

#[test]
fn auth_hmac_accepts_every_key_and_counts_every_signature_error() {
    let flipped = |mut packet: Vec<u8>, at: usize| {
        packet[at] ^= 1;
        packet
    };
    let plain = advert(7, 200, "192.0.2.2", "224.0.0.18", &[VIP]);
    type Counter = fn(&VrrpCounters) -> u64;
    let nothing: Counter = |_| 1;
    let cases: [(&str, Vec<Vec<u8>>, Counter, bool); 9] = [
        ("active key", vec![signed(2, 0xbb, now())], nothing, true),
        ("other key", vec![signed(1, 0xaa, now())], nothing, true),
        (
            "unsigned",
            vec![plain],
            |s| s.errors.auth_ext_missing,
            false,
        ),
        (
            "no such key",
            vec![signed(3, 0xaa, now())],
            |s| s.errors.auth_ext_unknown_key,
            false,
        ),
        (
            "wrong key",
            vec![signed(1, 0xbb, now())],
            |s| s.errors.auth_ext_failure,
            false,
        ),
        (
            "type",
            vec![flipped(signed(1, 0xaa, now()), 32)],
            |s| s.errors.auth_ext_malformed,
            false,
        ),
        (
            "late",
            vec![signed(1, 0xaa, now() - (6 << 32))],
            |s| s.errors.auth_ext_stale,
            false,
        ),
        (
            "twice",
            vec![signed(1, 0xaa, now()), signed(1, 0xaa, now())],
            |s| s.errors.auth_ext_replay,
            false,
        ),
        (
            "changed on the way",
            vec![flipped(signed(1, 0xaa, now()), 45)],
            |s| s.errors.auth_ext_failure,
            false,
        ),
    ];
    for (name, packets, count, follows) in cases {
        let (stats, followed) = feed(with_hmac(HmacMode::Enforce, Some(5)), &packets);
        assert_eq!((count(&stats), followed), (1, follows), "{name}");
        // Permissive mode: the same counters, but unsigned adverts are accepted.
        for mode in [HmacMode::Permissive, HmacMode::ReceiveOnly] {
            let (stats, followed) = feed(with_hmac(mode, Some(5)), &packets);
            let want = (1, follows || name == "unsigned");
            assert_eq!((count(&stats), followed), want, "{name}, {mode:?}");
        }
    }
    let late = [signed(1, 0xaa, 5), signed(1, 0xaa, 6)];
    let (stats, followed) = feed(with_hmac(HmacMode::Enforce, None), &late);
    assert_eq!(
        (stats.errors.auth_ext_stale, followed),
        (0, true),
        "monotonic"
    );
}

/// Whoever has captured adverts of another segment with the same VRID and key can repeat them here.
#[test]
fn authenticated_advert_of_another_segment_is_ignored() {
    type Counter = fn(&VrrpCounters) -> u64;
    let off_link: Counter = |stats| stats.errors.other_rejected;
    let addresses: Counter = |stats| stats.errors.addr_list_err;
    let exact = || with_hmac(HmacMode::Enforce, Some(5));
    let wide = || VrrpInstance {
        vips: instance(7, 100, &["203.0.113.100/24"]).vips,
        ..exact()
    };
    let lax = || with_hmac(HmacMode::Permissive, Some(5));
    // The networks of the interface do not tell who is on the link.
    let foreign = || {
        let mut conf = exact();
        conf.src_ip = Some("198.51.100.1".parse().expect("an address"));
        conf
    };
    let (own, other) = ("192.0.2.2", "203.0.113.2");
    let ours: &[&str] = &[VIP];
    let both: &[&str] = &[VIP, "192.0.2.101/32"];
    let theirs: &[&str] = &["203.0.113.100/24"];
    for (name, conf, from, vips, count, rejected, follows) in [
        ("of this link", exact(), own, ours, off_link, 0, true),
        ("one more address", exact(), own, both, addresses, 1, true),
        ("off the link", exact(), other, ours, off_link, 1, false),
        ("network of a VIP", wide(), other, theirs, off_link, 0, true),
        ("other addresses", exact(), own, theirs, addresses, 1, false),
        ("permissive", lax(), other, ours, off_link, 0, true),
        ("mcast_src_ip", foreign(), other, ours, off_link, 0, true),
        (
            "the same, others",
            foreign(),
            other,
            theirs,
            addresses,
            1,
            false,
        ),
    ] {
        for skip_check_adv_addr in [false, true] {
            let mut conf = conf.clone();
            conf.skip_check_adv_addr = skip_check_adv_addr;
            let packet = signed_by(from, vips, (1, 0xaa), now());
            let (stats, followed) = feed(conf, &[packet]);
            assert_eq!((count(&stats), followed), (rejected, follows), "{name}");
        }
    }
    for (from, follows) in [(own, true), (other, false)] {
        let mut kernel = eth0();
        let mut engine = engine(vec![with_ah(100)]);
        start(&mut engine, &mut kernel, at(0));
        let before = engine.next_deadline();
        let packet = ah_advert(200, from, 5, &KEY);
        receive_by(Protocol::Ah, &mut engine, &mut kernel, at(10), 2, &packet);
        assert_eq!(engine.next_deadline() != before, follows, "AH from {from}");
    }
}

/// The packet with another TTL.
fn with_ttl(packet: &[u8], ttl: u8) -> Vec<u8> {
    let parsed = ipv4::parse(packet).unwrap();
    let header = ipv4::Header {
        ttl,
        ..parsed.header
    };
    let payload = parsed.payload;
    let mut changed = vec![0; 256];
    let len = ipv4::emit(&header, &mut changed, |space| {
        space[..payload.len()].copy_from_slice(payload);
        Ok(payload.len())
    });
    changed.truncate(len.unwrap());
    changed
}

#[test]
fn signature_is_verified_last_and_only_an_advert_that_passes_all_checks_uses_up_its_number() {
    let unverified = [
        ("wrong key too", signed(1, 0xbb, now()), 0),
        ("right key", signed(1, 0xaa, now()), 0),
    ];
    for (name, packet, failures) in unverified {
        let (stats, followed) = feed(
            with_hmac(HmacMode::Enforce, Some(5)),
            &[with_ttl(&packet, 47)],
        );
        let counted = (stats.errors.ip_ttl_err, stats.errors.auth_ext_failure);
        assert_eq!((counted, followed), ((1, failures), false), "{name}");
    }
    let captured = with_ttl(&signed(1, 0xaa, now() + 9), 47);
    let packets = [captured, signed(1, 0xaa, now())];
    let (stats, followed) = feed(with_hmac(HmacMode::Enforce, Some(5)), &packets);
    assert_eq!((stats.errors.auth_ext_replay, followed), (0, true));
    let forged = [signed(1, 0xaa, now()), signed(1, 0xbb, now() - 1)];
    let (stats, _) = feed(with_hmac(HmacMode::Enforce, Some(5)), &forged);
    let counted = (stats.errors.auth_ext_replay, stats.errors.auth_ext_failure);
    assert_eq!(counted, (1, 0), "an old number costs no HMAC");
}

#[test]
fn signed_advert_is_a_length_error_without_auth_hmac() {
    let packets = [signed(1, 0xaa, now())];
    let (stats, followed) = feed(instance(7, 100, &[VIP]), &packets);
    assert_eq!((stats.errors.packet_len_err, followed), (1, false));
}

#[test]
fn auth_hmac_signs_with_the_active_key_unless_receive_only() {
    for (mode, length) in [
        (HmacMode::Enforce, 60),
        (HmacMode::Permissive, 60),
        (HmacMode::ReceiveOnly, 32),
    ] {
        let mut kernel = eth0();
        let mut engine = engine(vec![with_hmac(mode, Some(5))]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(500));
        assert_eq!(kernel.last_advert.len(), length, "{mode:?}");
        if length == 60 {
            let from = "192.0.2.1".parse().unwrap();
            let signed = &kernel.last_advert[20..];
            assert!(hmac::verify(signed, from, &secret(0xbb).0));
            let trailer = hmac::parse(&signed[12..]).unwrap();
            assert_eq!((trailer.key, trailer.sequence >> 16), (2, now() >> 16));
            let net = PseudoHeader {
                src: from,
                dst: "224.0.0.18".parse().unwrap(),
            };
            assert!(vrrp::parse(signed, &net).is_ok());
        }
    }
}
