//! Maintenance: addresses, groups, reload, state file, and what is asked before.

use std::time::Duration;

use crate::support::kernel::{Kernel, advert, at, engine, eth0, instance, receive, run, start};
use vrrpd::config::model::{Config, SyncGroup, VrrpInstance};
use vrrpd::ctl::Clock;
use vrrpd::engine::instance::state_record;
use vrrpd::engine::{Engine, Maintenance, Options};
use vrrpd::types::{GroupId, InstanceId, Instant, Priority, VrrpState};

const VIP: &str = "192.0.2.100/32";
const FORCED: Maintenance<'_> = Maintenance {
    time: None,
    reason: "kernel upgrade",
    force: true,
};

fn minutes(time: u64) -> Maintenance<'static> {
    Maintenance {
        time: Some(Duration::from_secs(60 * time)),
        ..FORCED
    }
}

fn conf() -> VrrpInstance {
    instance(7, 200, &[VIP])
}

fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

/// Which instances are in maintenance: reason, and end in ms of the test.
fn held(engine: &Engine, ms: u64) -> Vec<(String, Option<u64>)> {
    let clock = Clock {
        now: at(ms),
        wall: Duration::ZERO,
        utc_offset: 0,
    };
    let snapshot = engine.snapshot(clock, None);
    let all = snapshot.instances.iter().filter_map(|one| {
        let held = one.maintenance?;
        let until = held.until.map(|end| end.since(at(0)).as_millis());
        let until = until.map(|ms| u64::try_from(ms).expect("small"));
        Some((format!("{} {}", one.conf.name, held.reason), until))
    });
    all.collect()
}

fn master(instances: Vec<VrrpInstance>) -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut engine = engine(instances);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert!(
        states(&engine)
            .iter()
            .all(|state| *state == VrrpState::Master)
    );
    kernel.take_log();
    (engine, kernel)
}

/// An advert of 192.0.2.9 for VRID 7.
fn hear(engine: &mut Engine, kernel: &mut Kernel, ms: u64, priority: u8) {
    let packet = advert(7, priority, "192.0.2.9", "224.0.0.18", &["192.0.2.100"]);
    receive(engine, kernel, at(ms), 2, &packet);
    run(engine, kernel, at(ms));
}

fn reload(engine: &mut Engine, kernel: &mut Kernel, ms: u64, config: Config) {
    engine.reload(at(ms), config, kernel);
    kernel.deliver(engine, at(ms));
    run(engine, kernel, at(ms));
}

fn of(instances: Vec<VrrpInstance>) -> Config {
    Config {
        instances,
        ..Config::default()
    }
}

#[test]
fn demoted_master_records_it_resigns_and_removes_its_addresses() {
    let (mut engine, mut kernel) = master(vec![conf()]);
    kernel.log_state_writes = true;
    let text = engine.demote(at(500), Some("VI_7"), &minutes(30), &mut kernel);
    let text = text.expect("forced");
    assert!(text.starts_with("VI_7: was MASTER; no advert"), "{text}");
    assert!(text.ends_with("\nin maintenance for 30 min\n"), "{text}");
    run(&mut engine, &mut kernel, at(500));
    let log = kernel.take_log();
    assert_eq!(
        log[..4],
        [
            "state 128",
            "state 0",
            "advert 7 prio 0 to 224.0.0.18",
            "del 2 192.0.2.100/32"
        ],
        "{log:?}"
    );
    assert_eq!(states(&engine), [VrrpState::Backup]);
    run(&mut engine, &mut kernel, at(60_000));
    assert_eq!(
        states(&engine),
        [VrrpState::Backup],
        "nobody else, and still not"
    );
    assert!(!kernel.has(VIP));
    assert_eq!(
        held(&engine, 60_000),
        [("VI_7 kernel upgrade".into(), Some(1_800_500))]
    );
    assert_eq!(
        engine.next_deadline(),
        Some(at(1_800_500)),
        "nothing else wakes it"
    );
    run(&mut engine, &mut kernel, at(1_800_500));
    assert_eq!(
        states(&engine),
        [VrrpState::Backup],
        "a fresh down interval"
    );
    assert_eq!(held(&engine, 1_800_500), []);
    run(&mut engine, &mut kernel, at(1_801_000));
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert!(kernel.has(VIP));
}

#[test]
fn without_another_router_only_force_demotes() {
    let gentle = Maintenance {
        force: false,
        ..FORCED
    };
    let (mut engine, mut kernel) = master(vec![conf()]);
    let ask = |engine: &mut Engine, kernel: &mut Kernel, ms| {
        engine.demote(at(ms), Some("VI_7"), &gentle, kernel)
    };
    let why = ask(&mut engine, &mut kernel, 500).unwrap_err();
    assert_eq!(
        why,
        "VI_7: no advert of another router for VRID 7 was accepted since the start (backups send \
         none), so perhaps none can take over; nothing was changed, --force demotes VI_7 anyway"
    );
    assert_eq!(states(&engine), [VrrpState::Master]);
    assert_eq!(kernel.take_log(), [""; 0]);
    // It has heard a router of lower priority, which resigns later.
    hear(&mut engine, &mut kernel, 510, 100);
    hear(&mut engine, &mut kernel, 520, 0);
    let why = ask(&mut engine, &mut kernel, 60_520).unwrap_err();
    assert!(
        why.contains("heard for VRID 7, 192.0.2.9, resigned 1 min ago"),
        "{why}"
    );
    hear(&mut engine, &mut kernel, 60_530, 100);
    let text = ask(&mut engine, &mut kernel, 60_540).expect("not alone");
    assert!(
        text.contains("192.0.2.9, priority 100, 0.01 s ago"),
        "{text}"
    );
    assert_eq!(states(&engine), [VrrpState::Backup]);
    let again = ask(&mut engine, &mut kernel, 60_550).expect("it is already");
    assert!(again.contains("in maintenance already"), "{again}");
}

#[test]
fn a_backup_that_follows_a_master_and_an_instance_in_fault_need_no_force() {
    let gentle = Maintenance::default();
    let mut kernel = eth0();
    let mut engine = engine(vec![conf()]);
    start(&mut engine, &mut kernel, at(0));
    let refused = engine.demote(at(10), None, &gentle, &mut kernel);
    assert!(refused.is_err(), "about to be master");
    hear(&mut engine, &mut kernel, 20, 250);
    engine
        .demote(at(30), None, &gentle, &mut kernel)
        .expect("follows a master");
    engine.promote(at(40), None, &mut kernel).expect("known");
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(50));
    assert_eq!(states(&engine), [VrrpState::Fault]);
    engine
        .demote(at(60), None, &gentle, &mut kernel)
        .expect("nothing to hand over");
    kernel.set_link(2, "eth0", true);
    kernel.deliver(&mut engine, at(70));
    run(&mut engine, &mut kernel, at(5_000));
    assert_eq!(states(&engine), [VrrpState::Backup], "the fault is over");
}

#[test]
fn unknown_names_and_unprintable_or_long_reasons_are_refused() {
    let (mut engine, mut kernel) = master(vec![conf()]);
    for (name, reason, want) in [
        ("VI_8", "", "there is no instance or sync group 'VI_8'"),
        ("VI_7", "a\nb", "the reason contains a control character"),
        (
            "VI_7",
            &*"x".repeat(129),
            "the reason is longer than 128 bytes",
        ),
    ] {
        let what = Maintenance { reason, ..FORCED };
        let got = engine.demote(at(500), Some(name), &what, &mut kernel);
        assert_eq!(got, Err(want.to_owned()));
    }
    let unknown = engine.promote(at(500), Some("VI_8"), &mut kernel);
    assert!(unknown.is_err());
    let nothing = engine.promote(at(500), Some("VI_7"), &mut kernel);
    assert_eq!(nothing, Ok("not in maintenance\n".to_owned()));
    assert_eq!(states(&engine), [VrrpState::Master]);
}

#[test]
fn an_owner_yields_to_owner_and_is_master_at_once_when_promoted() {
    let owner = VrrpInstance {
        priority: Priority::OWNER,
        ..conf()
    };
    let (mut engine, mut kernel) = master(vec![owner]);
    engine
        .demote(at(500), None, &FORCED, &mut kernel)
        .expect("forced");
    run(&mut engine, &mut kernel, at(5_000));
    assert_eq!(states(&engine), [VrrpState::Backup]);
    assert!(!kernel.has(VIP));
    engine.promote(at(6_000), None, &mut kernel).expect("known");
    run(&mut engine, &mut kernel, at(6_000));
    assert_eq!(states(&engine), [VrrpState::Master]);
}

// ---- groups ----

/// VI_7 and VI_8, in sync group VG if `grouped`.
fn pair(grouped: bool) -> Config {
    let instances = [7, 8].map(|vrid| {
        let mut conf = instance(
            vrid,
            200,
            &[&format!("192.0.2.{}/32", 100 + u32::from(vrid))],
        );
        conf.sync_group = grouped.then_some(GroupId(0));
        conf
    });
    let group = SyncGroup {
        name: "VG".into(),
        members: vec![InstanceId(0), InstanceId(1)],
        ..SyncGroup::default()
    };
    Config {
        instances: instances.into(),
        sync_groups: if grouped { vec![group] } else { Vec::new() },
        ..Config::default()
    }
}

#[test]
fn a_member_takes_its_group_with_it_and_all_resign_before_addresses_are_removed() {
    for name in ["VI_8", "VG"] {
        let mut kernel = eth0();
        let mut engine = Engine::new(pair(true), Options::default());
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(700));
        assert_eq!(states(&engine), [VrrpState::Master; 2]);
        kernel.take_log();
        engine
            .demote(at(700), Some(name), &FORCED, &mut kernel)
            .expect("forced");
        run(&mut engine, &mut kernel, at(700));
        assert_eq!(states(&engine), [VrrpState::Backup; 2]);
        assert_eq!(
            kernel.take_log(),
            [
                "advert 7 prio 0 to 224.0.0.18",
                "advert 8 prio 0 to 224.0.0.18",
                "del 2 192.0.2.107/32",
                "del 2 192.0.2.108/32",
            ]
        );
        run(&mut engine, &mut kernel, at(5_000));
        assert_eq!(states(&engine), [VrrpState::Backup; 2]);
        engine
            .promote(at(5_000), Some("VI_7"), &mut kernel)
            .expect("known");
        run(&mut engine, &mut kernel, at(6_000));
        assert_eq!(states(&engine), [VrrpState::Master; 2]);
    }
}

#[test]
fn a_member_that_a_reload_adds_to_a_demoted_group_yields_to_owner() {
    let mut kernel = eth0();
    let mut engine = Engine::new(pair(false), Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(700));
    engine
        .demote(at(700), Some("VI_7"), &minutes(1), &mut kernel)
        .expect("forced");
    run(&mut engine, &mut kernel, at(1_000));
    assert_eq!(states(&engine), [VrrpState::Backup, VrrpState::Master]);
    kernel.take_log();
    reload(&mut engine, &mut kernel, 1_000, pair(true));
    assert_eq!(states(&engine), [VrrpState::Backup; 2]);
    let log = kernel.take_log();
    assert!(
        log.contains(&"advert 8 prio 0 to 224.0.0.18".into()),
        "{log:?}"
    );
    let both = ["VI_7", "VI_8"].map(|name| (format!("{name} kernel upgrade"), Some(60_700)));
    assert_eq!(held(&engine, 1_000), both);
    // A new one too.
    let mut three = pair(true);
    let mut third = instance(9, 255, &["192.0.2.109/32"]);
    third.sync_group = Some(GroupId(0));
    third.initial_master = true;
    three.instances.push(third);
    three.sync_groups[0].members.push(InstanceId(2));
    reload(&mut engine, &mut kernel, 2_000, three);
    run(&mut engine, &mut kernel, at(60_600));
    assert_eq!(states(&engine), [VrrpState::Backup; 3]);
    run(&mut engine, &mut kernel, at(61_700));
    assert_eq!(
        states(&engine),
        [VrrpState::Master; 3],
        "the time is over for all"
    );
}

// ---- reload ----

#[test]
fn maintenance_survives_reloads_in_any_order_and_under_a_new_name_or_vrid() {
    let other = || instance(8, 200, &["192.0.2.108/32"]);
    let (mut engine, mut kernel) = master(vec![conf(), other()]);
    engine
        .demote(at(500), Some("VI_7"), &FORCED, &mut kernel)
        .expect("forced");
    let renamed = |vrid| VrrpInstance {
        name: "NEW".into(),
        ..instance(vrid, 200, &[VIP])
    };
    let steps = [
        vec![other(), conf()],
        vec![renamed(7), other()],
        vec![other(), instance(9, 200, &[]), renamed(11)],
        vec![renamed(11), instance(9, 200, &[]), other()],
    ];
    for (nth, step) in steps.into_iter().enumerate() {
        let ms = 1_000 * (u64::try_from(nth).expect("few") + 1);
        let names: Vec<String> = step.iter().map(|one| one.name.clone()).collect();
        reload(&mut engine, &mut kernel, ms, of(step));
        run(&mut engine, &mut kernel, at(ms + 900));
        for (state, name) in states(&engine).iter().zip(names) {
            let is_held = name == "NEW" || name == "VI_7";
            let want = if is_held {
                VrrpState::Backup
            } else {
                VrrpState::Master
            };
            assert_eq!(*state, want, "{name} after reload {nth}");
        }
        assert_eq!(held(&engine, ms).len(), 1);
    }
    reload(&mut engine, &mut kernel, 6_000, of(vec![other()]));
    assert_eq!(held(&engine, 6_000), []);
    reload(&mut engine, &mut kernel, 7_000, of(vec![renamed(11)]));
    run(&mut engine, &mut kernel, at(8_000));
    assert_eq!(states(&engine), [VrrpState::Master], "it was forgotten");
}

#[test]
fn changed_priority_or_preemption_does_not_end_maintenance() {
    let (mut engine, mut kernel) = master(vec![conf()]);
    engine
        .demote(at(500), None, &FORCED, &mut kernel)
        .expect("forced");
    for (nth, priority) in (1..).zip([254, 255, 1]) {
        let changed = VrrpInstance {
            priority: Priority(priority),
            ..conf()
        };
        reload(&mut engine, &mut kernel, nth * 1_000, of(vec![changed]));
        run(&mut engine, &mut kernel, at(nth * 1_000 + 900));
        assert_eq!(states(&engine), [VrrpState::Backup], "{priority}");
    }
}

// ---- restart ----

fn later(config: Vec<VrrpInstance>, kernel: &mut Kernel, now: Instant) -> Engine {
    let mut next = engine(config);
    start(&mut next, kernel, now);
    run(&mut next, kernel, now.after(Duration::from_millis(900)));
    next
}

#[test]
fn maintenance_survives_kill_and_restart_in_place_until_its_time_is_over() {
    let (mut first, mut kernel) = master(vec![conf()]);
    first
        .demote(at(500), None, &minutes(1), &mut kernel)
        .expect("forced");
    run(&mut first, &mut kernel, at(600));
    let want = [("VI_7 kernel upgrade".to_owned(), Some(60_500))];
    // Killed; with another instance before it; executed again.
    let mut next = later(vec![conf()], &mut kernel, at(1_000));
    assert_eq!(states(&next), [VrrpState::Backup]);
    assert_eq!(held(&next, 2_000), want);
    let other = instance(8, 200, &["192.0.2.108/32"]);
    next = later(vec![other, conf()], &mut kernel, at(3_000));
    assert_eq!(states(&next), [VrrpState::Master, VrrpState::Backup]);
    next.hand_over(at(4_000), &mut kernel);
    let mut last = later(vec![conf()], &mut kernel, at(4_100));
    assert_eq!(held(&last, 5_000), want);
    // Another VRID, the same name.
    let moved = VrrpInstance {
        vrid: instance(9, 1, &[]).vrid,
        ..conf()
    };
    last.hand_over(at(6_000), &mut kernel);
    let mut last = later(vec![moved.clone()], &mut kernel, at(6_100));
    assert_eq!(held(&last, 7_000), want);
    run(&mut last, &mut kernel, at(61_500));
    assert_eq!(states(&last), [VrrpState::Master]);
    // Its time ended while no process ran.
    last.demote(at(62_000), None, &minutes(1), &mut kernel)
        .expect("forced");
    let next = later(vec![moved], &mut kernel, at(200_000));
    assert_eq!(states(&next), [VrrpState::Master]);
}

#[test]
fn a_promoted_instance_is_not_held_after_a_crash() {
    let (mut first, mut kernel) = master(vec![conf()]);
    first
        .demote(at(500), None, &FORCED, &mut kernel)
        .expect("forced");
    first.promote(at(600), None, &mut kernel).expect("known");
    let next = later(vec![conf()], &mut kernel, at(1_000));
    assert_eq!(held(&next, 1_000), []);
    assert_eq!(states(&next), [VrrpState::Master]);
}

/// Whenever the process is killed while it demotes, its successor is either held and removes the
/// addresses, or was not demoted yet.
#[test]
fn killed_at_any_write_while_demoting_the_successor_is_held_or_was_not_demoted() {
    let (mut first, mut kernel) = master(vec![conf()]);
    kernel.moments = Some(Vec::new());
    let what = Maintenance {
        reason: "a reason that needs several records of the state file, so that half of it is in there",
        ..FORCED
    };
    first
        .demote(at(500), None, &what, &mut kernel)
        .expect("forced");
    run(&mut first, &mut kernel, at(500));
    let moments = kernel.moments.take().expect("kept");
    assert!(moments.len() >= 3, "{}", moments.len());
    let mut held_ones = 0;
    for moment in moments {
        let mut kernel = eth0();
        kernel.addrs = moment.addrs;
        kernel.state = moment.state;
        let master = state_record::records(&kernel.state).count() > 0;
        let mut next = engine(vec![conf()]);
        start(&mut next, &mut kernel, at(600));
        let is_held = !held(&next, 600).is_empty();
        held_ones += u32::from(is_held);
        assert!(master || is_held, "neither master nor held");
        run(&mut next, &mut kernel, at(5_000));
        let want = if is_held {
            VrrpState::Backup
        } else {
            VrrpState::Master
        };
        assert_eq!(states(&next), [want]);
        assert_eq!(kernel.has(VIP), !is_held);
    }
    assert!(held_ones >= 2, "{held_ones}");
}

#[test]
fn an_instance_that_is_about_to_resume_can_be_demoted() {
    let (first, mut kernel) = master(vec![conf()]);
    drop(first);
    let mut next = engine(vec![conf()]);
    start(&mut next, &mut kernel, at(600));
    assert_eq!(states(&next), [VrrpState::Init]);
    assert!(kernel.has(VIP));
    next.demote(at(610), None, &FORCED, &mut kernel)
        .expect("forced");
    run(&mut next, &mut kernel, at(5_000));
    assert_eq!(states(&next), [VrrpState::Backup]);
    assert!(!kernel.has(VIP));
}
