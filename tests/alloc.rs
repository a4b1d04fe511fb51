//! The steady state does not allocate: a counting allocator checks 10,000 adverts and checks.
#![allow(unsafe_code, reason = "an allocator can be watched in no other way")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use support::kernel::{Kernel, advert, at, engine, ifname, instance, receive, run, start};
use vrrpd::config::model::{
    Auth, Config, Hmac, HmacKey, HmacMode, Password, Secret, SyncGroup, VrrpInstance,
};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Centis, GroupId, InstanceId, Priority, Version, Vrid, VrrpState};

struct Counting;

thread_local! {
    // Per thread: the test harness has threads that allocate at any time.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn allocations() -> usize {
    ALLOCATIONS.get()
}

// SAFETY: forwards every call to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller upholds the contract of the system allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn ten_thousand_adverts_sent_and_received_do_not_allocate() {
    let addrs = [(2, "192.0.2.1/24")];
    let mut kernel = Kernel::with(&[(2, "eth0", true)], &addrs);
    let mut instances = vec![
        instance(7, 100, &["192.0.2.100"]),
        instance(8, 100, &[]),
        instance(9, 100, &[]),
    ];
    for member in [0, 2] {
        instances[member].sync_group = Some(GroupId(0));
    }
    let group = SyncGroup {
        name: "VG".into(),
        members: vec![InstanceId(0), InstanceId(2)],
        ..SyncGroup::default()
    };
    let config = Config {
        instances,
        sync_groups: vec![group],
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    // A higher-priority master keeps instance 7 backup, instance 8 becomes master. Instance 9 is in
    // a sync group with 7 and requests mastership in vain ten times a second.
    let packet = advert(7, 200, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    run(&mut engine, &mut kernel, at(0));
    for ms in (0..1_000).step_by(100) {
        receive(&mut engine, &mut kernel, at(ms), 2, &packet);
        run(&mut engine, &mut kernel, at(ms + 99));
    }
    // From here on the fake kernel does not log: logging allocates.
    kernel.quiet = true;
    let before = allocations();
    assert!(before > 0, "the counter counts");
    let sent = kernel.adverts;
    for ms in (1_000..1_001_000).step_by(100) {
        receive(&mut engine, &mut kernel, at(ms), 2, &packet);
        run(&mut engine, &mut kernel, at(ms + 99));
    }
    let allocated = allocations() - before;
    assert_eq!(
        kernel.adverts - sent,
        10_000,
        "one advert in a tenth of a second"
    );
    let received: Vec<u64> = engine
        .instances()
        .map(|(_, _, stats)| stats.advert_rcvd)
        .collect();
    assert_eq!(received, [10_010, 0, 0]);
    let states: Vec<VrrpState> = engine.instances().map(|(_, state, _)| state).collect();
    let backup = VrrpState::Backup;
    assert_eq!(states, [backup, VrrpState::Master, backup]);
    assert_eq!(allocated, 0);
    authenticated_instances();
}

/// Offset of the protocol number in the IPv4 header, and that of AH.
const PROTOCOL: usize = 9;
const AH: u8 = 51;

/// Instances with AH, with auth_hmac, and with vip_lease.
fn authenticated_instances() {
    let key = |id| HmacKey {
        id,
        secret: Secret(vec![id; 32]),
    };
    let signed = Auth::Hmac(Box::new(Hmac {
        keys: vec![key(1), key(2)],
        mode: HmacMode::Enforce,
        time_window: Some(5),
    }));
    let mut with_ah = instance(9, 200, &["192.0.2.109"]);
    with_ah.version = Version::V2;
    with_ah.advert_int = Centis::SECOND;
    with_ah.auth = Auth::Ah(Password([7; 8]));
    let master = |auth| {
        let mut conf = instance(10, 255, &["192.0.2.110"]);
        conf.auth = auth;
        conf.vip_lease = Some(std::time::Duration::from_secs(4));
        conf
    };
    let backup = VrrpInstance {
        vrid: Vrid::new(10).expect("not 0"),
        interface: ifname("eth1"),
        priority: Priority(100),
        ..master(signed.clone())
    };
    let links = [(2, "eth0", true), (3, "eth1", true)];
    let addrs = [(2, "192.0.2.1/24"), (3, "192.0.2.2/24")];
    let mut kernel = Kernel::with(&links, &addrs);
    kernel.wall_clock = std::time::Duration::from_secs(1_800_000_000);
    kernel.last_advert.reserve(256);
    let mut engine = engine(vec![with_ah, master(signed), backup]);
    start(&mut engine, &mut kernel, at(0));
    let mut before = 0;
    let mut packet = Vec::with_capacity(256);
    for nth in 0..1_100 {
        if nth == 100 {
            kernel.quiet = true;
            before = allocations();
        }
        run(&mut engine, &mut kernel, at(nth * 100 + 99));
        // The backup receives the master's adverts, but not the one with AH, which is sent once a second
        // and may be the last one.
        packet.clear();
        packet.extend_from_slice(&kernel.last_advert);
        if packet.get(PROTOCOL) != Some(&AH) {
            receive(&mut engine, &mut kernel, at(nth * 100 + 99), 3, &packet);
        }
        kernel.wall_clock += std::time::Duration::from_millis(100);
    }
    let allocated = allocations() - before;
    let states: Vec<VrrpState> = engine.instances().map(|(_, state, _)| state).collect();
    let (master, backup) = (VrrpState::Master, VrrpState::Backup);
    assert_eq!(states, [master, master, backup], "signatures are believed");
    assert!(kernel.renewals > 100, "{}", kernel.renewals);
    assert_eq!(allocated, 0, "with proofs");
}

/// Ten thousand successful checks over TCP, UDP and ICMP.
#[cfg(feature = "lvs")]
#[test]
fn ten_thousand_successful_checks_do_not_allocate() {
    use support::lvs::{check, service, target};
    use vrrpd::check::SocketEvent;
    use vrrpd::config::model::lvs::{Check, CheckKind, Lvs};

    let kinds = (1..=10).map(|nth| {
        let target = target(&format!("10.0.0.{nth}:80"));
        match nth % 3 {
            0 => CheckKind::Tcp(target),
            1 => CheckKind::Udp(target, Box::default()),
            _ => CheckKind::Ping(target),
        }
    });
    let every_second = |kind| Check {
        interval: std::time::Duration::from_secs(1),
        ..check(kind)
    };
    let servers = kinds.map(|kind| vec![every_second(kind)]).collect();
    let lvs = Lvs {
        virtual_servers: vec![service("198.51.100.1:80", servers)],
        ..Lvs::default()
    };
    let config = Config {
        lvs,
        ..Config::default()
    };
    let mut kernel = Kernel::with(&[(2, "eth0", true)], &[(2, "192.0.2.1/24")]);
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    kernel.quiet = true;
    let mut busy = 0;
    for second in 1..=1_100 {
        if second == 100 {
            busy = 0;
            kernel.probes.opened = 0;
        }
        let before = allocations();
        let now = at(second * 1000);
        run(&mut engine, &mut kernel, now);
        while let Some((probe, _, remote)) = kernel.probes.open.first().copied() {
            kernel.socket_event(&mut engine, now, probe, SocketEvent::Connected);
            // The remaining sockets have sent a request and wait for a reply.
            if kernel.probes.open.iter().any(|(known, ..)| *known == probe) {
                let mut answer = [0; 16];
                let sent = &kernel.probes.sent;
                if sent.len() == answer.len() && remote.port() == 80 {
                    answer.copy_from_slice(sent);
                    answer[0] = 0;
                }
                kernel.socket_event(&mut engine, now, probe, SocketEvent::Received(&answer));
            }
        }
        if allocations() != before {
            busy += 1;
        }
    }
    let opened = kernel.probes.opened;
    assert!(opened >= 10_000, "{opened} checks");
    // The resync with the IPVS table every ten seconds may allocate.
    assert!(busy <= 110, "{busy} of 1000 seconds");
}
