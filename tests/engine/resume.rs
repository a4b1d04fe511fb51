//! Hot restart through the engine: what a killed daemon leaves, and what the next one makes of it.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, address, advert, engine, ifname, instance, policy, receive, route, run, start,
};
use vrrpd::config::model::{
    Command, Config, Global, Script, SyncGroup, Track, Tracked, User, VrrpInstance,
};
use vrrpd::engine::instance::state_record::{self, Record};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Family, IfIndex, Instant, Priority, VrrpState};

const VIP: &str = "192.0.2.100/32";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

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

/// A daemon with these instances, killed at 500 ms. Each became master at 321 ms, and has sent a second advert.
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

/// When that one sent its last advert, by the file.
fn last(kernel: &Kernel) -> Instant {
    let sent = state_record::records(&kernel.state).map(|record| record.sent);
    let nanos = sent.max().expect("a master").as_nanos();
    Instant::from_nanos(u64::try_from(nanos).expect("this century"))
}

fn after(from: Instant, ms: u64) -> Instant {
    from.after(Duration::from_millis(ms))
}

const GONE_ON: [&str; 2] = ["advert 7 prio 200 to 224.0.0.18", "garp 2 192.0.2.100"];

fn without_sockets(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    let noise = ["listen", "no filter", "filter"];
    log.retain(|line| !noise.iter().any(|word| line.starts_with(word)));
    log
}

#[test]
fn a_master_that_is_back_in_time_goes_on_and_the_address_was_never_away() {
    let mut kernel = killed(vec![conf()]);
    let (sent, now) = (last(&kernel), after(last(&kernel), 160));
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    assert_eq!(last(&kernel), sent, "should it die again");
    run(&mut next, &mut kernel, after(now, 99));
    assert_eq!(without_sockets(&mut kernel), [""; 0], "it listens first");
    assert_eq!(states(&next), [VrrpState::Init]);
    let now = after(now, 100);
    run(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Master]);
    assert_eq!(without_sockets(&mut kernel), GONE_ON);
    assert_eq!(last(&kernel), now, "and leaves word again");
    run(&mut next, &mut kernel, after(now, 1_000));
    let log = without_sockets(&mut kernel);
    let adverts = log.iter().filter(|line| line.starts_with("advert"));
    assert_eq!((adverts.count(), log.len()), (10, 10), "{log:?}");
}

/// A start takes its time on a small machine with many interfaces to make.
#[test]
fn it_listens_for_an_interval_from_when_it_can_hear() {
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
fn one_that_is_late_clears_up_and_listens() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 300);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Backup]);
    assert_eq!(without_sockets(&mut kernel), ["del 2 192.0.2.100/32"]);
    assert_eq!(state_record::records(&kernel.state).count(), 0);
}

#[test]
fn a_peer_that_advertised_since_the_sockets_are_open_keeps_what_it_has() {
    for (name, priority, nopreempt) in [("stronger", 250, false), ("weaker", 50, true)] {
        let one = || VrrpInstance {
            nopreempt,
            ..conf()
        };
        let mut kernel = killed(vec![one()]);
        let now = after(last(&kernel), 200);
        let mut next = engine(vec![one()]);
        start(&mut next, &mut kernel, now);
        let packet = advert(7, priority, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
        receive(&mut next, &mut kernel, after(now, 70), 2, &packet);
        run(&mut next, &mut kernel, after(now, 120));
        assert_eq!(states(&next), [VrrpState::Backup], "{name}");
        let log = without_sockets(&mut kernel);
        assert_eq!(log, ["del 2 192.0.2.100/32"], "{name}: not a word");
        assert_eq!(state_record::records(&kernel.state).count(), 0, "{name}");
    }
}

#[test]
fn what_is_not_an_advert_of_a_peer_does_not_keep_it_from_going_on() {
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
fn mastership_ends_in_the_file_before_it_ends_on_the_wire() {
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
fn a_daemon_that_dies_in_the_middle_of_the_start_leaves_the_word_of_the_last_one() {
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
fn a_daemon_that_dies_again_and_again_does_not_stay_master() {
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
    // The fourth one has begun anew, and is master after its down interval as well.
    let mut next = engine(vec![conf()]);
    let now = after(last(&kernel), 150);
    start(&mut next, &mut kernel, now);
    assert_eq!(states(&next), [VrrpState::Backup]);
}

#[test]
fn other_interfaces_other_times_and_other_routers_are_not_ours() {
    let good = |kernel: &Kernel| state_record::records(&kernel.state).next().expect("one");
    type Change = fn(&mut Record);
    let changes: [(&str, Change); 6] = [
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
fn an_owner_begins_as_always_and_leaves_no_word() {
    let one = || instance(7, 255, &[VIP]);
    let kernel = killed(vec![one()]);
    assert_eq!(state_record::records(&kernel.state).count(), 0);
}

#[test]
fn the_order_of_the_file_is_that_of_the_configuration_also_after_a_reload() {
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
fn another_interval_does_not_lengthen_what_was_promised_with_the_old_one() {
    let slow = || VrrpInstance {
        advert_int: vrrpd::types::Centis(100),
        ..conf()
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
    start(&mut next, &mut kernel, after(sent, 301));
    assert_eq!(states(&next), [VrrpState::Backup]);
}

// ---- groups ----

fn group(members: usize) -> Config {
    let member = |nth: usize| {
        let vip = format!("192.0.2.10{nth}/32");
        let dev = ifname(["eth0", "eth1"][nth]);
        VrrpInstance {
            sync_group: Some(0),
            interface: dev,
            ..instance(7 + u8::try_from(nth).expect("few"), 200, &[&vip])
        }
    };
    Config {
        instances: (0..members).map(member).collect(),
        sync_groups: vec![SyncGroup {
            name: "VG".into(),
            members: (0..members).collect(),
            ..SyncGroup::default()
        }],
        ..Config::default()
    }
}

/// A killed group and when its members sent their last adverts, the earlier first.
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
fn a_group_goes_on_as_a_whole() {
    let (mut kernel, earlier) = killed_group();
    let now = after(earlier, 200);
    let mut next = Engine::new(group(2), Options::default());
    start(&mut next, &mut kernel, now);
    run(&mut next, &mut kernel, after(now, 74));
    assert_eq!(states(&next), [VrrpState::Init; 2]);
    run(&mut next, &mut kernel, after(now, 75));
    assert_eq!(states(&next), [VrrpState::Master; 2]);
    let log = without_sockets(&mut kernel);
    assert!(
        log[0].starts_with("advert") && log[1].starts_with("advert"),
        "{log:?}"
    );
    assert!(!log.iter().any(|line| line.starts_with("del")), "{log:?}");
}

#[test]
fn a_group_does_not_go_on_when_one_member_cannot() {
    let none: fn(&mut Engine, &mut Kernel, Instant) = |_, _, _| {};
    type Trouble = fn(&mut Engine, &mut Kernel, Instant);
    let cases: [(&str, u64, bool, Trouble); 4] = [
        ("late for one", 300, false, none),
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

// ---- what else is there ----

#[test]
fn routes_rules_and_the_filter_stay_where_they_are() {
    let full = || VrrpInstance {
        routes: vec![route("10.1.0.0/16", Some("192.0.2.254"))],
        rules: vec![policy("192.0.2.100", 100)],
        accept: false,
        ..conf()
    };
    let mut kernel = killed(vec![full()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![full()]);
    start(&mut next, &mut kernel, now);
    // (The table of the other family goes.)
    assert_eq!(kernel.log[0], "filter of 1 additions", "in its place");
    run(&mut next, &mut kernel, after(now, 100));
    assert_eq!(states(&next), [VrrpState::Master]);
    let log = kernel.take_log();
    assert!(!log.iter().any(|line| line.starts_with("del")), "{log:?}");
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (1, 1));
    next.stop(after(now, 110), &mut kernel);
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (0, 0));
    assert!(!kernel.has(VIP));
    // And if it does not go on, they go with the address.
    let mut kernel = killed(vec![full()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![full()]);
    start(&mut next, &mut kernel, now);
    let packet = advert(7, 250, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    receive(&mut next, &mut kernel, now, 2, &packet);
    assert_eq!((kernel.routes.len(), kernel.rules.len()), (0, 0));
}

#[test]
fn told_to_stop_before_it_goes_on_it_leaves_nothing() {
    let mut kernel = killed(vec![conf()]);
    let now = after(last(&kernel), 100);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, now);
    next.stop(now, &mut kernel);
    assert!(!kernel.has(VIP));
    assert_eq!(state_record::records(&kernel.state).count(), 0);
    assert_eq!(without_sockets(&mut kernel), ["del 2 192.0.2.100/32"]);
}

#[test]
fn the_startup_delay_is_for_those_that_do_not_go_on() {
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

/// An instance that tracks a script, and how often it fails at first.
fn tracked(weight: i16, init_fail: bool) -> Config {
    let command = Command {
        argv: vec!["/bin/check".into()],
        user: User { uid: 0, gid: 0 },
    };
    let script = Script {
        name: "check".into(),
        command,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        init_fail,
        ..Script::default()
    };
    Config {
        instances: vec![VrrpInstance {
            tracks: vec![Track {
                object: Tracked::Script(0),
                weight,
                reverse: false,
            }],
            ..instance(7, 100, &[VIP])
        }],
        scripts: vec![script],
        ..Config::default()
    }
}

#[test]
fn until_scripts_have_been_heard_of_the_priority_is_what_it_was() {
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
    let log = without_sockets(&mut kernel);
    let said: Vec<&String> = log
        .iter()
        .filter(|line| line.starts_with("advert"))
        .collect();
    assert_eq!(said, ["advert 7 prio 120 to 224.0.0.18"; 2]);
    // The verdict is another one now.
    let now = after(now, 190);
    next.child_ended(now, Pid(kernel.spawned), Exit::Code(1), &mut kernel);
    run(&mut next, &mut kernel, after(now, 100));
    let log = without_sockets(&mut kernel);
    assert!(
        log.contains(&"advert 7 prio 100 to 224.0.0.18".into()),
        "{log:?}"
    );
}

#[test]
fn a_script_that_has_yet_to_answer_does_not_keep_it_and_one_that_fails_does() {
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
fn who_takes_over_the_program_finds_fresh_adverts_and_no_record_of_deaths() {
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
fn what_a_reload_takes_out_before_it_goes_on_does_not_stay_behind() {
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
fn addresses_that_are_not_configured_any_more_do_not_stay_behind() {
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
        // Without the mark it may be anybody's.
        assert_eq!(kernel.has(VIP), !marks);
        assert!(kernel.has("192.0.2.1/24"));
        next.stop(after(now, 10), &mut kernel);
    }
}

#[test]
fn any_number_of_programs_may_take_over_before_one_goes_on() {
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

// ---- garbage ----

fn below(number: u64, end: usize) -> usize {
    usize::try_from(number >> 33).expect("31 bits") % end
}

#[test]
fn whatever_stands_in_the_file_the_daemon_runs() {
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
