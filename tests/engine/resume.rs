//! Hot restart: what a killed daemon leaves behind, and how the next one resumes.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, address, advert, advert_every, at, engine, ifname, instance, policy, receive, route,
    run, start,
};
use vrrpd::config::model::{
    Command, Config, Global, Peer, Script, SyncGroup, Track, Tracked, Transport, User, VrrpInstance,
};
use vrrpd::engine::instance::state_record::{self, Record};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{
    Centis, Family, GroupId, IfIndex, IfName, InstanceId, Instant, Priority, VrrpState,
};

const VIP: &str = "192.0.2.100/32";

fn eth0() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true), (3, "eth1", true)],
        &[
            (1, "127.0.0.1/8"),
            (2, "192.0.2.1/24"),
            (3, "198.51.100.1/24"),
        ],
    )
}

fn conf() -> VrrpInstance {
    instance(7, 200, &[VIP])
}

fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

/// The kernel after a daemon with these instances was killed at 500 ms. Each became master at 321
/// ms and has sent a second advert.
fn killed(instances: Vec<VrrpInstance>) -> Kernel {
    let mut kernel = eth0();
    let mut engine = engine(instances);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    let masters = states(&engine);
    assert!(masters.iter().all(|state| *state == VrrpState::Master));
    kernel.take_log();
    kernel
}

/// The time of its last advert, from the state file.
fn last(kernel: &Kernel) -> Instant {
    let sent = state_record::records(&kernel.state).map(|record| record.sent);
    let nanos = sent.max().expect("a master").as_nanos();
    Instant::from_nanos(u64::try_from(nanos).expect("this century"))
}

fn after(from: Instant, ms: u64) -> Instant {
    from.after(Duration::from_millis(ms))
}

const RESUMED: [&str; 2] = ["advert 7 prio 200 to 224.0.0.18", "garp 2 192.0.2.100"];

fn log_without_sockets(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    let noise = ["listen", "no filter", "filter"];
    log.retain(|line| !noise.iter().any(|word| line.starts_with(word)));
    log
}

#[test]
fn restarted_master_resumes_and_keeps_its_vip() {
    let mut kernel = killed(vec![conf()]);
    let (sent, now) = (last(&kernel), after(last(&kernel), 160));
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    assert_eq!(last(&kernel), sent, "should it die again");
    run(&mut next, &mut kernel, after(now, 99));
    assert_eq!(
        log_without_sockets(&mut kernel),
        [""; 0],
        "it listens first"
    );
    assert_eq!(states(&next), [VrrpState::Init]);
    let now = after(now, 100);
    run(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Master]);
    assert_eq!(log_without_sockets(&mut kernel), RESUMED);
    assert_eq!(last(&kernel), now, "and leaves word again");
    run(&mut next, &mut kernel, after(now, 1_000));
    let log = log_without_sockets(&mut kernel);
    let adverts = log.iter().filter(|line| line.starts_with("advert"));
    assert_eq!((adverts.count(), log.len()), (10, 10), "{log:?}");
}

/// A master is killed just before its next advert and started again a second later, as procd and
/// BusyBox init do. Its start takes `reading` until it reads the state file, and `opening` until its
/// socket is open. Returns when it advertises again, in ms after its last advert, if it does so before
/// a peer of the next lower priority takes over.
fn respawned(one: &VrrpInstance, reading: u64, opening: u64) -> Option<u128> {
    let mut kernel = eth0();
    let mut first = engine(vec![one.clone()]);
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(10_000));
    let sent = last(&kernel);
    let lower = VrrpInstance {
        priority: Priority(one.priority.0 - 1),
        ..one.clone()
    };
    let (mut peer, mut peer_kernel) = (engine(vec![lower]), eth0());
    start(&mut peer, &mut peer_kernel, at(7_000));
    let (from, to) = ("192.0.2.9", "224.0.0.18");
    let packet = advert_every(
        one.advert_int,
        7,
        one.priority.0,
        from,
        to,
        &["192.0.2.100"],
    );
    receive(&mut peer, &mut peer_kernel, sent, 2, &packet);
    let mut next = engine(vec![one.clone()]);
    kernel.listen_delay = Duration::from_millis(opening);
    start(&mut next, &mut kernel, after(sent, 2_000 + reading));
    let opened = 2_000 + reading + opening;
    run(&mut next, &mut kernel, after(sent, opened.max(2_750)));
    if states(&next) != [VrrpState::Master] {
        assert!(!kernel.has(VIP), "the peer is about to have it");
        return None;
    }
    let again = last(&kernel);
    run(&mut peer, &mut peer_kernel, again);
    assert_eq!(states(&peer), [VrrpState::Backup], "{reading} {opening}");
    Some(again.since(sent).as_millis())
}

/// A start may take time until three intervals have passed since the last advert, and then as
/// long as the skew of the peers.
#[test]
fn master_respawned_after_a_second_resumes_unless_its_start_takes_another() {
    for (priority, nopreempt, most) in [
        (150, false, 1_414),
        (100, false, 1_609),
        (254, false, 1_007),
        (150, true, 999),
    ] {
        let mut one = instance(7, priority, &[VIP]);
        one.advert_int = Centis(100);
        one.nopreempt = nopreempt;
        for takes in [0_u64, 1, 100, 700, 750, 751, 900, most - 1, most, most + 1] {
            for opening in [0, 1, 40, takes / 2, takes] {
                let reading = takes.saturating_sub(opening);
                let takes = reading + opening;
                let want = (takes <= most).then_some(u128::from(2_000 + takes.max(750)));
                let got = respawned(&one, reading, opening);
                assert_eq!(got, want, "{priority} {nopreempt}: {reading}, {opening}");
            }
        }
    }
}

/// Starting takes time on a small machine with many interfaces to create.
#[test]
fn resuming_master_listens_for_an_interval_after_its_sockets_are_open() {
    for (slow, want) in [(0, 100), (40, 140), (90, 175), (250, 250)] {
        let mut kernel = killed(vec![conf()]);
        let now = after(last(&kernel), 100);
        let mut next = engine(vec![conf()]);
        kernel.listen_delay = Duration::from_millis(slow);
        start(&mut next, &mut kernel, now);
        run(&mut next, &mut kernel, after(now, want - 1));
        assert_ne!(states(&next), [VrrpState::Master], "{slow}");
        run(&mut next, &mut kernel, after(now, want));
        let late = slow > 200;
        assert_eq!(states(&next) == [VrrpState::Master], !late, "{slow}");
        assert_eq!(kernel.has(VIP), !late, "{slow}");
    }
}

#[test]
fn late_restart_removes_vips_and_starts_as_backup() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 322);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Backup]);
    assert_eq!(log_without_sockets(&mut kernel), ["del 2 192.0.2.100/32"]);
    assert_eq!(state_record::records(&kernel.state).count(), 0);
}

#[test]
fn resume_is_abandoned_if_a_peer_advertises() {
    for (name, priority, nopreempt) in [
        ("higher priority", 250, false),
        ("lower priority", 50, true),
    ] {
        let one = || {
            let mut conf = conf();
            conf.nopreempt = nopreempt;
            conf
        };
        let mut kernel = killed(vec![one()]);
        let now = after(last(&kernel), 200);
        let mut next = engine(vec![one()]);
        start(&mut next, &mut kernel, now);
        let packet = advert(7, priority, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
        receive(&mut next, &mut kernel, after(now, 70), 2, &packet);
        run(&mut next, &mut kernel, after(now, 120));
        assert_eq!(states(&next), [VrrpState::Backup], "{name}");
        let log = log_without_sockets(&mut kernel);
        assert_eq!(log, ["del 2 192.0.2.100/32"], "{name}: not a word");
        assert_eq!(state_record::records(&kernel.state).count(), 0, "{name}");
    }
}

#[test]
fn resume_ignores_invalid_adverts() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 200);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    let mut packet = advert(7, 250, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    packet[8] = 64; // TTL
    receive(&mut next, &mut kernel, now, 2, &packet);
    run(&mut next, &mut kernel, after(now, 100));
    assert_eq!(states(&next), [VrrpState::Master]);
}

#[test]
fn state_file_records_the_end_of_mastership_before_priority_0_is_sent() {
    for stop in [true, false] {
        let mut kernel = eth0();
        let mut first = engine(vec![conf()]);
        start(&mut first, &mut kernel, at(0));
        run(&mut first, &mut kernel, at(500));
        assert_eq!(state_record::records(&kernel.state).count(), 1);
        kernel.log_state_writes = true;
        kernel.take_log();
        if stop {
            first.stop(at(500), &mut kernel);
        } else {
            kernel.set_link(2, "eth0", false);
            kernel.deliver(&mut first, at(500));
        }
        let log = kernel.take_log();
        assert_eq!(log[0], "state 0", "{log:?}");
        assert!(log.contains(&"del 2 192.0.2.100/32".into()), "{log:?}");
    }
}

#[test]
fn crash_during_start_keeps_the_record_of_the_previous_process() {
    let mut kernel = killed(vec![conf()]);
    let sent = last(&kernel);
    for ms in [100, 200, 250] {
        let mut next = engine(vec![conf()]);
        start(&mut next, &mut kernel, after(sent, ms));
        assert_eq!(last(&kernel), sent);
    }
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, after(sent, 299));
    run(&mut next, &mut kernel, after(sent, 299));
    assert_eq!(states(&next), [VrrpState::Master]);
}

#[test]
fn repeatedly_crashing_master_stops_resuming() {
    let mut kernel = killed(vec![conf()]);
    let mut nth = 0;
    loop {
        let now = after(last(&kernel), 150);
        let mut next = engine(vec![conf()]);
        start(&mut next, &mut kernel, now);
        run(&mut next, &mut kernel, after(now, 1_000));
        if states(&next) != [VrrpState::Master] || nth > 9 {
            break;
        }
        nth += 1;
    }
    // The fourth one has started as backup, and is master after its down interval.
    let mut next = engine(vec![conf()]);
    let now = after(last(&kernel), 150);
    start(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Backup]);
}

#[test]
fn records_of_other_interfaces_times_and_routers_do_not_resume() {
    let good = |kernel: &Kernel| state_record::records(&kernel.state).next().expect("one");
    type RecordChange = fn(&mut Record);
    let changes: [(&str, RecordChange); 6] = [
        ("another interface of that name", |r| r.index = IfIndex(9)),
        ("of the future", |r| r.sent += Duration::from_secs(9)),
        ("another VRID", |r| r.vrid = 8),
        ("another family", |r| r.family = Family::V6),
        ("another interface", |r| r.interface = ifname("eth1")),
        ("no time at all", |r| r.grace = Duration::ZERO),
    ];
    for (name, change) in changes {
        let mut kernel = killed(vec![conf()]);
        let now = after(last(&kernel), 100);
        let mut record = good(&kernel);
        change(&mut record);
        kernel.state = record.encode().to_vec();
        let mut next = engine(vec![conf()]);
        start(&mut next, &mut kernel, now);
        run(&mut next, &mut kernel, after(now, 100));
        assert_eq!(states(&next), [VrrpState::Backup], "{name}");
        assert!(!kernel.has(VIP), "{name}");
    }
}

#[test]
fn address_owner_neither_writes_records_nor_resumes() {
    let one = || instance(7, 255, &[VIP]);
    let kernel = killed(vec![one()]);
    assert_eq!(state_record::records(&kernel.state).count(), 0);
}

#[test]
fn state_file_has_the_order_of_the_configuration_after_reload() {
    let confs = || vec![instance(7, 200, &[VIP]), instance(8, 150, &[])];
    let mut kernel = eth0();
    let mut first = engine(confs());
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(600));
    let mut reversed = confs();
    reversed.reverse();
    let config = Config {
        instances: reversed.split_off(1),
        ..Config::default()
    };
    first.reload(at(601), config, &mut kernel);
    let vrids: Vec<u8> = state_record::records(&kernel.state)
        .map(|one| one.vrid)
        .collect();
    assert_eq!(
        vrids,
        [7],
        "the other is gone, from the end of the file too"
    );
    run(&mut first, &mut kernel, at(900));
    let now = after(last(&kernel), 100);
    let mut next = engine(confs());
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 100));
    assert_eq!(states(&next), [VrrpState::Master, VrrpState::Backup]);
}

#[test]
fn changed_advert_int_does_not_extend_the_resume_window() {
    let slow = || {
        let mut conf = conf();
        conf.advert_int = Centis(100);
        conf
    };
    let mut kernel = eth0();
    let mut first = engine(vec![conf()]);
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(500));
    let sent = last(&kernel);
    let config = Config {
        instances: vec![slow()],
        ..Config::default()
    };
    first.reload(after(sent, 10), config, &mut kernel);
    let mut next = engine(vec![slow()]);
    start(&mut next, &mut kernel, after(sent, 322));
    assert_eq!(states(&next), [VrrpState::Backup]);
}

// ---- groups ----

fn group(members: usize) -> Config {
    let member = |nth: usize| {
        let vip = format!("192.0.2.10{nth}/32");
        let dev = ifname(["eth0", "eth1"][nth]);
        let mut conf = instance(7 + u8::try_from(nth).expect("few"), 200, &[&vip]);
        conf.sync_group = Some(GroupId(0));
        conf.interface = dev;
        conf
    };
    Config {
        instances: (0..members).map(member).collect(),
        sync_groups: vec![SyncGroup {
            name: "VG".into(),
            members: (0..members).map(InstanceId).collect(),
            ..SyncGroup::default()
        }],
        ..Config::default()
    }
}

/// The kernel after a daemon with a sync group was killed, and the earlier of its last adverts.
fn killed_group() -> (Kernel, Instant) {
    let mut kernel = eth0();
    let mut first = Engine::new(group(2), Options::default());
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(700));
    assert_eq!(states(&first), [VrrpState::Master; 2]);
    kernel.take_log();
    let sent = state_record::records(&kernel.state).map(|record| record.sent);
    let nanos = sent.min().expect("two").as_nanos();
    let earlier = Instant::from_nanos(u64::try_from(nanos).expect("this century"));
    (kernel, earlier)
}

#[test]
fn sync_group_resumes_as_a_whole() {
    let (mut kernel, earlier) = killed_group();
    let now = after(earlier, 200);
    let mut next = Engine::new(group(2), Options::default());
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 74));
    assert_eq!(states(&next), [VrrpState::Init; 2]);
    run(&mut next, &mut kernel, after(now, 75));
    assert_eq!(states(&next), [VrrpState::Master; 2]);
    let log = log_without_sockets(&mut kernel);
    assert!(
        log[0].starts_with("advert") && log[1].starts_with("advert"),
        "{log:?}"
    );
    assert!(!log.iter().any(|line| line.starts_with("del")), "{log:?}");
}

#[test]
fn sync_group_does_not_resume_if_one_member_cannot() {
    let none: fn(&mut Engine, &mut Kernel, Instant) = |_, _, _| {};
    type Obstacle = fn(&mut Engine, &mut Kernel, Instant);
    let cases: [(&str, u64, bool, Obstacle); 4] = [
        ("late for one", 322, false, none),
        ("one had been backup", 100, true, none),
        (
            "a master in one network",
            100,
            false,
            |engine, kernel, now| {
                let packet = advert(8, 250, "198.51.100.2", "224.0.0.18", &["192.0.2.101"]);
                receive(engine, kernel, now, 3, &packet);
            },
        ),
        ("a link that is down", 100, false, |engine, kernel, now| {
            kernel.set_link(3, "eth1", false);
            kernel.deliver(engine, now);
        }),
    ];
    for (name, ms, one, trouble) in cases {
        let (mut kernel, earlier) = killed_group();
        if one {
            kernel.state[..64].fill(0);
        }
        let now = after(earlier, ms);
        let mut next = Engine::new(group(2), Options::default());
        start(&mut next, &mut kernel, now);
        trouble(&mut next, &mut kernel, now);
        run(&mut next, &mut kernel, after(now, 110));
        assert!(!states(&next).contains(&VrrpState::Master), "{name}");
        let log = kernel.take_log();
        let adverts = log.iter().filter(|line| line.starts_with("advert"));
        assert_eq!(adverts.count(), 0, "{name}: {log:?}");
        assert!(!kernel.has("192.0.2.100/32"), "{name}: {log:?}");
        assert!(!kernel.has("192.0.2.101/32"), "{name}: {log:?}");
        assert_eq!(state_record::records(&kernel.state).count(), 0, "{name}");
    }
}

// ---- routes, rules, nftables ----

#[test]
fn resume_keeps_routes_rules_and_nftables() {
    let full = || {
        let mut conf = conf();
        conf.routes = vec![route("10.1.0.0/16", Some("192.0.2.254"))];
        conf.rules = vec![policy("192.0.2.100", 100)];
        conf.accept = false;
        conf
    };
    let mut kernel = killed(vec![full()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![full()]);
    start(&mut next, &mut kernel, now);
    // (The table of the other family is removed.)
    assert_eq!(
        kernel.log[0], "filter of 1 additions",
        "the leftover table is replaced"
    );
    run(&mut next, &mut kernel, after(now, 100));
    assert_eq!(states(&next), [VrrpState::Master]);
    let log = kernel.take_log();
    assert!(!log.iter().any(|line| line.starts_with("del")), "{log:?}");
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (1, 1));
    next.stop(after(now, 110), &mut kernel);
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (0, 0));
    assert!(!kernel.has(VIP));
    // Without a resume they are removed with the address.
    let mut kernel = killed(vec![full()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![full()]);
    start(&mut next, &mut kernel, now);
    let packet = advert(7, 250, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    receive(&mut next, &mut kernel, now, 2, &packet);
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (0, 0));
}

#[test]
fn stop_before_resume_removes_everything() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    next.stop(now, &mut kernel);
    assert!(!kernel.has(VIP));
    assert_eq!(state_record::records(&kernel.state).count(), 0);
    assert_eq!(log_without_sockets(&mut kernel), ["del 2 192.0.2.100/32"]);
}

#[test]
fn vrrp_startup_delay_applies_only_without_resume() {
    let config = |instances| Config {
        instances,
        global: Global {
            startup_delay: Duration::from_secs(10),
            ..Global::default()
        },
        ..Config::default()
    };
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 100);
    let both = vec![conf(), instance(8, 100, &[])];
    let mut next = Engine::new(config(both), Options::default());
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 1_000));
    assert_eq!(states(&next), [VrrpState::Master, VrrpState::Backup]);
}

/// An instance that tracks a script of this weight, with or without `init_fail`.
fn tracked(weight: i16, init_fail: bool) -> Config {
    let command = Command {
        argv: vec!["/bin/check".into()],
        user: User { uid: 0, gid: 0 },
        secure: false,
    };
    let script = Script {
        name: "check".into(),
        command,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        init_fail,
        ..Script::default()
    };
    let mut conf = instance(7, 100, &[VIP]);
    conf.tracks = vec![Track {
        object: Tracked::Script(0),
        weight,
        reverse: false,
    }];
    Config {
        instances: vec![conf],
        scripts: vec![script],
        ..Config::default()
    }
}

#[test]
fn resumed_master_keeps_its_priority_until_scripts_report() {
    let mut kernel = eth0();
    let mut first = Engine::new(tracked(20, false), Options::default());
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(5));
    first.child_ended(at(6), Pid(kernel.spawned), Exit::Code(0), &mut kernel);
    run(&mut first, &mut kernel, at(700));
    let now = after(last(&kernel), 200);
    kernel.take_log();
    let mut next = Engine::new(tracked(20, false), Options::default());
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 180));
    let log = log_without_sockets(&mut kernel);
    let adverts: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("advert"))
        .collect();
    assert_eq!(adverts, ["advert 7 prio 120 to 224.0.0.18"; 2]);
    // The script now fails.
    let now = after(now, 190);
    next.child_ended(now, Pid(kernel.spawned), Exit::Code(1), &mut kernel);
    run(&mut next, &mut kernel, after(now, 100));
    let log = log_without_sockets(&mut kernel);
    assert!(
        log.contains(&"advert 7 prio 100 to 224.0.0.18".into()),
        "{log:?}"
    );
}

#[test]
fn resume_does_not_wait_for_scripts_unless_init_fail() {
    for (name, init_fail, want) in [
        ("no answer yet", false, VrrpState::Master),
        ("init_fail", true, VrrpState::Fault),
    ] {
        let mut kernel = eth0();
        let mut first = Engine::new(tracked(0, false), Options::default());
        start(&mut first, &mut kernel, at(0));
        run(&mut first, &mut kernel, at(5));
        first.child_ended(at(6), Pid(kernel.spawned), Exit::Code(0), &mut kernel);
        run(&mut first, &mut kernel, at(900));
        let now = after(last(&kernel), 200);
        let mut next = Engine::new(tracked(0, init_fail), Options::default());
        start(&mut next, &mut kernel, now);
        run(&mut next, &mut kernel, after(now, 100));
        assert_eq!(states(&next), [want], "{name}");
        let master = want == VrrpState::Master;
        assert_eq!(kernel.has(VIP), master, "{name}");
    }
}

#[test]
fn program_upgrade_finds_fresh_adverts_and_no_crash_count() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 120));
    let returns = |kernel: &Kernel| {
        state_record::records(&kernel.state)
            .next()
            .map(|r| r.returns)
    };
    assert_eq!(returns(&kernel), Some(1));
    next.hand_over(after(now, 130), &mut kernel);
    assert_eq!(returns(&kernel), Some(0));
    let record = state_record::records(&kernel.state).next().expect("one");
    assert_eq!(record.priority, Priority(200));
}

#[test]
fn reload_before_resume_removes_unconfigured_vips() {
    let full = || VrrpInstance {
        vips: vec![address(VIP, "eth0"), address("192.0.2.101/32", "eth0")],
        routes: vec![
            route("10.1.0.0/16", Some("192.0.2.254")),
            route("10.2.0.0/16", Some("192.0.2.254")),
        ],
        rules: vec![policy("192.0.2.100", 100)],
        ..conf()
    };
    for goes_on in [true, false] {
        let mut kernel = killed(vec![full()]);
        let now = after(last(&kernel), 100);
        let mut next = engine(vec![full()]);
        start(&mut next, &mut kernel, now);
        let mut less = full();
        less.vips.remove(0);
        less.routes.remove(0);
        less.rules.clear();
        let config = Config {
            instances: vec![less],
            ..Config::default()
        };
        next.reload(now, config, &mut kernel);
        assert!(!kernel.has(VIP) && kernel.has("192.0.2.101/32"));
        assert_eq!((kernel.routes.len(), kernel.rules.len()), (1, 0));
        if goes_on {
            run(&mut next, &mut kernel, after(now, 100));
            assert_eq!(states(&next), [VrrpState::Master]);
            assert!(kernel.has("192.0.2.101/32"));
            assert_eq!((kernel.routes.len(), kernel.rules.len()), (1, 0));
        }
        next.stop(after(now, 110), &mut kernel);
        assert!(!kernel.has("192.0.2.101/32"));
        assert_eq!((kernel.routes.len(), kernel.rules.len()), (0, 0));
    }
}

#[test]
fn restart_removes_vips_that_are_no_longer_configured() {
    let both = || instance(7, 200, &[VIP, "192.0.2.101/32"]);
    let without = [
        vec![instance(7, 200, &["192.0.2.101/32"])],
        vec![instance(8, 100, &["192.0.2.102/32"])],
    ];
    for (marks, new) in [true, false].into_iter().flat_map(|marks| {
        let new = without.clone().into_iter();
        new.map(move |new| (marks, new))
    }) {
        let mut kernel = killed(vec![both()]);
        if !marks {
            kernel.addrs.iter_mut().for_each(|addr| addr.proto = None);
        }
        let mut next = engine(new);
        let now = after(last(&kernel), 100);
        start(&mut next, &mut kernel, now);
        // Before Linux 5.18 the state file says that it is not another program's.
        assert!(!kernel.has(VIP), "{marks}");
        assert!(kernel.has("192.0.2.1/24"));
        next.stop(after(now, 10), &mut kernel);
    }
}

#[test]
fn several_program_upgrades_before_resume_are_possible() {
    let mut kernel = killed(vec![conf()]);
    let sent = last(&kernel);
    for ms in [20, 40, 60, 80, 100, 120] {
        let now = after(sent, ms);
        let mut next = engine(vec![conf()]);
        start(&mut next, &mut kernel, now);
        let config = Config {
            instances: vec![conf()],
            ..Config::default()
        };
        next.reload(now, config, &mut kernel);
        next.hand_over(now, &mut kernel);
        let record = state_record::records(&kernel.state).next().expect("one");
        assert_eq!((record.returns, last(&kernel)), (0, sent), "{ms}");
    }
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, after(sent, 140));
    run(&mut next, &mut kernel, after(sent, 240));
    assert_eq!(states(&next), [VrrpState::Master]);
    assert!(kernel.has(VIP));
}

// ---- invalid state files ----

fn below(number: u64, end: usize) -> usize {
    usize::try_from(number >> 33).expect("31 bits") % end
}

#[test]
fn any_state_file_contents_are_survived() {
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let template = killed(vec![conf()]).state;
    for _ in 0..2_000 {
        let mut kernel = eth0();
        kernel.add(2, VIP);
        kernel.state = template.clone();
        for _ in 0..=next() % 8 {
            let len = kernel.state.len();
            match next() % 4 {
                0 if len > 0 => kernel.state[below(next(), len)] = next().to_le_bytes()[0],
                1 => kernel.state.truncate(below(next(), len + 1)),
                2 => kernel.state.extend(next().to_ne_bytes()),
                _ => kernel.state.extend_from_slice(&template),
            }
        }
        let mut engine = engine(vec![conf()]);
        let now = at(600);
        start(&mut engine, &mut kernel, now);
        run(&mut engine, &mut kernel, at(1_200));
        assert_eq!(states(&engine), [VrrpState::Master]);
        assert!(kernel.has(VIP));
    }
}

#[test]
fn instances_with_one_vrid_and_without_interface_resume_each_by_its_own_record() {
    let peer = |text: &str| Peer {
        addr: text.parse().expect("an address"),
        min_ttl: 0,
        max_ttl: 255,
    };
    let routed = |name: &str, vip: &str, to: &str| {
        let mut conf = instance(7, 200, &[vip]);
        conf.name = name.into();
        conf.interface = IfName::default();
        conf.src_ip = Some("192.0.2.1".parse().expect("an address"));
        conf.transport = Transport::Unicast {
            peers: vec![peer(to)],
            ttl: 255,
            check_source: false,
        };
        conf
    };
    let one = || routed("ONE", "192.0.2.101/32", "203.0.113.1");
    let two = || routed("TWO", "192.0.2.102/32", "203.0.113.2");
    let mut kernel = killed(vec![one(), two()]);
    let again = last(&kernel).after(Duration::from_millis(20));
    let mut engine = engine(vec![two(), one()]);
    start(&mut engine, &mut kernel, again);
    run(&mut engine, &mut kernel, after(again, 150));
    assert_eq!(states(&engine), [VrrpState::Master; 2]);
    // The record of another instance with its VRID says nothing.
    let mut kernel = killed(vec![one()]);
    let again = last(&kernel).after(Duration::from_millis(20));
    let mut engine = crate::support::kernel::engine(vec![two(), one()]);
    start(&mut engine, &mut kernel, again);
    run(&mut engine, &mut kernel, after(again, 150));
    assert_eq!(states(&engine), [VrrpState::Backup, VrrpState::Master]);
}
