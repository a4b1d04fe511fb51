//! The ring of recent events: each source makes one, outsiders cannot flush it, and clients read it.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, advert, at, cidr, engine, eth0, instance, receive, run, start,
};
use vrrpd::config::model::{Config, Global, SyncGroup};
use vrrpd::ctl::Clock;
use vrrpd::ctl::request::parse;
use vrrpd::engine::answer::Progress;
use vrrpd::engine::{Engine, Options, ProcessEvent};
use vrrpd::types::{GroupId, InstanceId};

const VIP: &str = "192.0.2.100/32";
const GROUP: &str = "224.0.0.18";

fn master() -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(600));
    (engine, kernel)
}

/// Kind and text of the events after a number, and the number of the last.
fn since(engine: &Engine, after: u64) -> (Vec<String>, u64) {
    let mut texts = Vec::new();
    engine.visit_events(after, &mut |event| {
        texts.push(format!("{}: {event}", event.kind));
        true
    });
    (texts, engine.last_event())
}

fn hear(engine: &mut Engine, kernel: &mut Kernel, ms: u64, priority: u8) {
    let packet = advert(7, priority, "192.0.2.2", GROUP, &[VIP]);
    receive(engine, kernel, at(ms), 2, &packet);
    run(engine, kernel, at(ms));
}

#[test]
fn transitions_have_states_reason_and_the_other_router() {
    let (mut engine, mut kernel) = master();
    hear(&mut engine, &mut kernel, 700, 200);
    run(&mut engine, &mut kernel, at(2_000));
    let (texts, _) = since(&engine, 0);
    assert_eq!(
        texts,
        [
            "transition: VI_7 INIT → BACKUP: start with priority 100",
            "transition: VI_7 BACKUP → MASTER: no advert from any master",
            "transition: VI_7 MASTER → BACKUP: Master received advert from 192.0.2.2 with higher priority 200, ours 100",
            "transition: VI_7 BACKUP → MASTER: no advert from master 192.0.2.2 (priority 200)",
        ]
    );
    let mut last = None;
    engine.visit_events(3, &mut |event| {
        last = Some((event.reason, event.peer, event.priority, event.at));
        true
    });
    let (reason, peer, priority, when) = last.expect("the last one");
    assert_eq!(reason, "master_down");
    let peer = peer.expect("a master");
    assert_eq!(peer.addr.to_string(), "192.0.2.2");
    assert_eq!(peer.priority.map(|one| one.0), Some(200));
    assert_eq!(priority.map(|one| one.0), Some(100));
    assert!(when > at(700) && when < at(2_000));
}

#[test]
fn each_source_makes_one_event() {
    let (mut engine, mut kernel) = master();
    let (_, mut last) = since(&engine, 0);
    let mut new = |engine: &Engine| {
        let (texts, now) = since(engine, last);
        last = now;
        texts
    };
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(700));
    assert_eq!(
        new(&engine),
        [
            "interface: Netlink reports eth0 down",
            "transition: VI_7 MASTER → FAULT: interface eth0 is down",
        ]
    );
    kernel.set_link(2, "eth0", true);
    kernel.deliver(&mut engine, at(800));
    run(&mut engine, &mut kernel, at(1_600));
    assert_eq!(
        new(&engine),
        [
            "interface: Netlink reports eth0 up",
            "transition: VI_7 FAULT → BACKUP: the cause of the fault is gone",
            "transition: VI_7 BACKUP → MASTER: no advert from any master",
        ]
    );
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(1_700));
    run(&mut engine, &mut kernel, at(1_800));
    let removed = "repair: VI_7: 192.0.2.100/32 was removed externally; reinstalled";
    assert_eq!(new(&engine), [removed]);
    hear(&mut engine, &mut kernel, 1_900, 50);
    let lower = "peer: VI_7: Received advert from 192.0.2.2 with lower priority 50, ours 100, forcing new election";
    assert_eq!(new(&engine), [lower]);
    engine.suspended(at(1_950), Duration::from_secs(60), &mut kernel);
    assert_eq!(
        new(&engine)[0],
        "suspended: the machine was suspended for 60000 ms; instances listen for other masters before they continue"
    );
    for (what, text) in [
        (ProcessEvent::Reload, "reload: Reload complete"),
        (ProcessEvent::ReloadRefused, "reload: reload refused"),
        (ProcessEvent::RestartRefused, "restart: restart refused"),
        (ProcessEvent::EventsLost, "resync: netlink events lost"),
        (ProcessEvent::Started, "start: vrrpd starts"),
    ] {
        let (_, words) = text.split_once(": ").expect("a kind");
        engine.report(at(2_000), what, format_args!("{words}"));
        assert_eq!(new(&engine), [text]);
    }
}

#[test]
fn a_group_and_its_members_make_an_event_each() {
    let mut kernel = eth0();
    let member = |vrid| {
        let mut conf = instance(vrid, 100, &[]);
        conf.sync_group = Some(GroupId(0));
        conf
    };
    let config = Config {
        instances: vec![member(7), member(8)],
        sync_groups: vec![SyncGroup {
            name: "VG".into(),
            members: vec![InstanceId(0), InstanceId(1)],
            ..SyncGroup::default()
        }],
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1_000));
    let (texts, _) = since(&engine, 0);
    let of = |start: &str| texts.iter().filter(|text| text.starts_with(start)).count();
    assert_eq!(of("transition: VI_7 BACKUP → MASTER: "), 1, "{texts:?}");
    assert_eq!(of("transition: VI_8 BACKUP → MASTER: "), 1, "{texts:?}");
    assert_eq!(of("transition: VG BACKUP → MASTER"), 1, "{texts:?}");
}

#[test]
fn nobody_can_flush_the_ring_by_sending_packets() {
    let (mut engine, mut kernel) = master();
    engine.report(
        at(600),
        ProcessEvent::Reload,
        format_args!("Reload complete"),
    );
    // It takes the mastership and gives it back, or is too weak, or sends something else.
    for nth in 0..2_000_u64 {
        let ms = 700 + 200 * nth;
        hear(&mut engine, &mut kernel, ms, 254);
        hear(&mut engine, &mut kernel, ms + 1, 0);
        run(&mut engine, &mut kernel, at(ms + 90));
        hear(&mut engine, &mut kernel, ms + 91, 50);
        let mut broken = advert(7, 50, "192.0.2.2", GROUP, &[VIP]);
        broken.truncate(24);
        receive(&mut engine, &mut kernel, at(ms + 92), 2, &broken);
    }
    let (texts, last) = since(&engine, 0);
    assert!(last > 2_000, "they are events: {last}");
    assert_eq!(texts.len(), 256);
    assert!(texts.contains(&"reload: Reload complete".to_owned()));
    let first = "transition: VI_7 INIT → BACKUP: start with priority 100";
    assert_eq!(texts[0], first, "the history from before the flood");
}

// ---- clients ----

fn clock() -> Clock {
    Clock {
        now: at(0),
        wall: Duration::from_secs(1_795_259_482),
        utc_offset: 3600,
    }
}

/// What a command answers at once, and whether it is complete.
fn answer(engine: &mut Engine, kernel: &mut Kernel, words: &str) -> (String, Progress) {
    let request = parse(words.split(' ')).expect("a request");
    let mut answer = engine.answer(at(0), &request, kernel);
    let mut text = String::new();
    loop {
        let progress = answer.advance(engine, clock(), &mut text);
        if progress == Progress::Done || !answer.has_more(engine.last_event()) {
            return (text.replace("out 0\n", ""), progress);
        }
    }
}

#[test]
fn the_answer_has_the_events_that_are_asked_for() {
    let (mut engine, mut kernel) = master();
    let line = "2026-11-21 12:11:22.000 VI_7 INIT → BACKUP: start with priority 100\n";
    let (all, progress) = answer(&mut engine, &mut kernel, "events");
    assert_eq!(progress, Progress::Done);
    assert!(all.contains(line) && all.ends_with("end 0\n"), "{all}");
    let (last, _) = answer(&mut engine, &mut kernel, "events -n 1 VI_7");
    assert!(
        last.contains("BACKUP → MASTER") && !last.contains("INIT"),
        "{last}"
    );
    let (unknown, _) = answer(&mut engine, &mut kernel, "events VI");
    assert!(
        unknown.starts_with("err ") && unknown.ends_with("end 2\n"),
        "{unknown}"
    );
    engine.report(at(1), ProcessEvent::Reload, format_args!("odd\u{1b}[2J"));
    let (odd, _) = answer(&mut engine, &mut kernel, "events -n 1");
    assert!(
        odd.contains("000 odd\\x1b[2J\n") || odd.contains("001 odd\\x1b[2J\n"),
        "{odd}"
    );
}

#[test]
fn a_follower_gets_each_event_once_and_is_told_what_it_missed() {
    let (mut engine, mut kernel) = master();
    let request = parse("events --follow -n 0".split(' ')).expect("a request");
    let mut follower = engine.answer(at(0), &request, &mut kernel);
    let mut read = |engine: &Engine| {
        let mut text = String::new();
        while follower.has_more(engine.last_event()) {
            assert_eq!(follower.advance(engine, clock(), &mut text), Progress::More);
        }
        text.replace("out 0\n", "")
    };
    assert_eq!(read(&engine), "", "only what is to come");
    for nth in ["one", "two"] {
        engine.report(at(0), ProcessEvent::Reload, format_args!("{nth}"));
        let line = format!("2026-11-21 12:11:22.000 {nth}\n");
        assert_eq!(read(&engine), format!("out {}\n{line}", line.len()));
    }
    for nth in 0..1_000 {
        engine.report(at(0), ProcessEvent::Reload, format_args!("{nth}"));
    }
    let text = read(&engine);
    assert!(
        text.contains("events were lost: not read in time\n"),
        "{text}"
    );
    let lines = text.lines().filter(|line| line.starts_with("2026")).count();
    let lost = text
        .split_whitespace()
        .find_map(|word| word.parse::<usize>().ok().filter(|n| *n > 500));
    assert_eq!(lost.map(|lost| lost + lines), Some(1_000), "{text}");
    assert!(text.ends_with("12:11:22.000 999\n"), "{text}");
    assert_eq!(read(&engine), "");
}

#[test]
fn a_ring_without_room_says_so() {
    let config = Config {
        global: Global {
            event_history: Some(0),
            ..Global::default()
        },
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    let (text, _) = answer(&mut engine, &mut eth0(), "events --follow");
    assert!(
        text.contains("`event_history` is 0") && text.ends_with("end 1\n"),
        "{text}"
    );
}
