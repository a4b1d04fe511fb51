//! Resuming as master after a restart.

use super::*;
use crate::types::VrrpState;

const HOLD: Duration = Duration::from_secs(7);

/// Resuming, with this much time left, in µs.
fn resuming(params: Params, left: u64) -> Bench {
    let mut bench = Bench::new(params);
    let at = bench.now;
    let until = at.after(Duration::from_micros(left));
    let startup_delay = HOLD;
    assert_eq!(
        bench.on(Event::Resume {
            at,
            latest: at,
            until,
            startup_delay
        }),
        []
    );
    assert!(bench.machine.is_resuming());
    assert_eq!(bench.due(), 0);
    bench
}

fn started() -> Action {
    transition(VrrpState::Init, VrrpState::Backup, Reason::Startup)
}

#[test]
fn a_timely_restart_resumes_with_one_garp_round() {
    for params in [v2(), v3()] {
        let mut bench = resuming(params, 1);
        assert_eq!(
            bench.timer(),
            [
                Action::SendAdvert(Priority(100)),
                Action::Install,
                Action::Announce(Burst::Resumed),
                transition(VrrpState::Init, VrrpState::Master, Reason::Resumed),
            ]
        );
        assert_eq!(bench.due(), 1_000_000, "the startup delay does not apply");
    }
}

#[test]
fn a_late_restart_starts_normally() {
    let mut bench = resuming(v2(), 500);
    assert_eq!(bench.pass(500).timer(), [started()]);
    assert_eq!(bench.due(), HOLD.as_micros() - 500 + DOWN_100);
}

#[test]
fn another_master_is_followed() {
    for (name, addr, priority, nopreempt) in [
        ("higher priority", LOWER, 101, false),
        ("higher address", HIGHER, 100, false),
        ("lower address", LOWER, 100, false),
        ("lower priority, without preemption", LOWER, 50, true),
    ] {
        let mut bench = resuming(Params { nopreempt, ..v2() }, 1_000_000);
        assert_eq!(bench.hear(from(addr, priority)), [started()], "{name}");
        assert_eq!(bench.due(), HOLD.as_micros() + DOWN_100, "{name}");
        let master = bench.machine.master().map(|seen| seen.addr);
        assert_eq!(master, addr.parse().ok(), "{name}");
    }
}

#[test]
fn a_master_of_lower_priority_is_preempted_after_the_down_interval() {
    let mut bench = resuming(v2(), 1_000_000);
    assert_eq!(bench.hear(from(LOWER, 50)), [started()]);
    assert_eq!(bench.due(), HOLD.as_micros() + DOWN_100);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );
}

#[test]
fn a_resignation_leads_to_a_takeover_after_the_skew() {
    let mut bench = resuming(v2(), 1_000_000);
    assert_eq!(bench.hear(from(LOWER, 0)), [started()]);
    assert_eq!(bench.due(), HOLD.as_micros() + SKEW_100);
}

#[test]
fn rejected_adverts_do_not_prevent_resuming() {
    let mut bench = resuming(v2(), 1_000_000);
    bench.hear(From {
        ttl: 254,
        ..from(HIGHER, 200)
    });
    bench.hear(from(OURS, 200));
    assert!(bench.machine.is_resuming());
    assert_eq!(bench.machine.state(), VrrpState::Init);
    let last = bench.timer().pop();
    let want = transition(VrrpState::Init, VrrpState::Master, Reason::Resumed);
    assert_eq!(last, Some(want));
}

#[test]
fn a_fault_prevents_resuming() {
    let mut bench = resuming(v2(), 1_000_000);
    let fault = bench.on(Event::Fault(Reason::ScriptFailing));
    let want = transition(VrrpState::Init, VrrpState::Fault, Reason::ScriptFailing);
    assert_eq!(fault, [want]);
    assert_eq!(bench.machine.next_deadline(), None);
    // Neither Ready nor Fault was delivered.
    let mut machine = Instance::new(v2());
    let mut out = Actions::new();
    let (at, hold) = (bench.now, HOLD);
    let (now, until) = (at, Instant::NEVER);
    machine.handle(
        now,
        Event::Resume {
            at,
            latest: at,
            until,
            startup_delay: hold,
        },
        &mut out,
    );
    machine.handle(now, Event::Timer, &mut out);
    assert_eq!(machine.state(), VrrpState::Fault);
}

#[test]
fn stop_while_resuming_emits_nothing() {
    let mut bench = resuming(v2(), 1_000_000);
    assert_eq!(bench.on(Event::Stop), []);
    assert_eq!(bench.machine.state(), VrrpState::Init);
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.on(Event::Timer), []);
}

#[test]
fn a_second_start_or_resume_is_ignored() {
    let mut bench = resuming(v2(), 1_000_000);
    assert_eq!(bench.start(), [], "already resuming");
    bench.timer();
    let (at, until, startup_delay) = (bench.now, Instant::NEVER, HOLD);
    assert_eq!(
        bench.on(Event::Resume {
            at,
            latest: at,
            until,
            startup_delay
        }),
        []
    );
    assert_eq!(bench.machine.state(), VrrpState::Master);
}

#[test]
fn a_group_member_resumes_only_with_the_others() {
    let in_sync_group = Params {
        in_sync_group: true,
        ..v2()
    };
    let mut bench = resuming(in_sync_group.clone(), 1_000_000);
    assert_eq!(bench.on(Event::GroupBackup), [started()]);
    let mut bench = resuming(in_sync_group, 1_000_000);
    assert_eq!(bench.timer().len(), 4, "without requesting the group");
    assert_eq!(bench.machine.state(), VrrpState::Master);
}

#[test]
fn it_listens_for_one_interval_if_there_is_time() {
    let ms = Duration::from_millis;
    for (left, want) in [
        (3_000, 1_000),
        (1_250, 1_000),
        (1_249, 999),
        (300, 50),
        (249, 0),
        (0, 0),
    ] {
        assert_eq!(resume_listen_time(ms(1_000), ms(left)), ms(want), "{left}");
    }
    let mut bench = Bench::new(v2());
    let (at, hold) = (bench.now.after(ms(400)), HOLD);
    let until = at.after(ms(100));
    bench.on(Event::Resume {
        at,
        latest: until,
        until,
        startup_delay: hold,
    });
    assert_eq!(bench.due(), 400_000);
    bench.pass(399_999);
    assert_eq!(bench.on(Event::Timer), [], "not yet");
    bench.pass(1);
    assert_eq!(bench.timer().len(), 4);
}

#[test]
fn peers_take_over_after_three_missed_adverts_or_fewer() {
    for (adverts, interval, want) in [
        (3, 100, 3_000),
        (5, 100, 3_000),
        (1, 100, 1_000),
        (3, 1, 30),
    ] {
        let machine = Instance::new(Params {
            down_timer_adverts: adverts,
            advert_int: Centis(interval),
            ..v3()
        });
        assert_eq!(
            machine.peer_down_interval_min().as_millis(),
            want,
            "{adverts} {interval}"
        );
    }
}

#[test]
fn listening_is_extended_until_the_limit_and_never_shortened() {
    let ms = Duration::from_millis;
    for (at, latest, unheard, want) in [
        (400, 700, 200, 600),
        (400, 700, 500, 700),
        (400, 400, 500, 400),
        (0, 0, 500, 0),
    ] {
        let mut bench = Bench::new(v2());
        let now = bench.now;
        bench.on(Event::Resume {
            at: now.after(ms(at)),
            latest: now.after(ms(latest)),
            until: now.after(ms(1_000)),
            startup_delay: HOLD,
        });
        bench.machine.extend_listening(ms(unheard));
        assert_eq!(bench.due(), want * 1_000, "{at} {unheard}");
    }
}

/// Of any version and interval, whose `vrrp_down_timer_adverts` intervals are `grace`.
#[test]
fn no_peer_of_lower_priority_has_a_shorter_skew_than_the_reserve() {
    for version in [Version::V2, Version::V3] {
        for (interval, adverts) in [(1, 3), (10, 3), (100, 3), (4_095, 3), (100, 1), (100, 2)] {
            let machine = Instance::new(Params {
                version,
                down_timer_adverts: adverts,
                advert_int: Centis(interval),
                ..v3()
            });
            let grace = machine.peer_down_interval_min();
            for ours in 1..255 {
                let reserve = lower_peers_skew(grace, Priority(ours));
                let theirs = timers::skew(version, Centis(interval), Priority(ours - 1));
                assert!(reserve < theirs, "{version:?} {interval} {adverts} {ours}");
            }
        }
    }
    let three = Duration::from_secs(3);
    let reserve = |priority| lower_peers_skew(three, Priority(priority)).as_micros();
    assert_eq!(
        [reserve(100), reserve(150), reserve(254)],
        [609_375, 414_062, 7_812]
    );
}
