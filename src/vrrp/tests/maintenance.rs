//! Maintenance: no event makes a demoted instance master.

use super::*;
use crate::types::VrrpState;
use crate::vrrp::group::MemberState;

/// Three intervals and the skew of priority 1, in µs.
const DOWN_HELD: u128 = 3_996_093;

fn owner() -> Params {
    params(Version::V2, 255)
}

#[test]
fn a_demoted_master_resigns_and_follows_its_successor_of_lower_priority() {
    let mut bench = Bench::master(v2());
    let mut want = vec![Action::SendAdvert(Priority::RESIGN)];
    want.extend(yielding(Reason::Maintenance));
    assert_eq!(bench.on(Event::Demote), want);
    assert!(bench.machine.in_maintenance());
    assert_eq!(bench.on(Event::Demote), [], "again");
    bench.pass(900_000).hear(from(LOWER, 50));
    let master = bench.machine.master().unwrap();
    assert_eq!(
        (master.addr, master.priority),
        (LOWER.parse().unwrap(), Priority(50))
    );
    assert_eq!(bench.due(), DOWN_HELD, "not preempted");
}

#[test]
fn silence_is_reported_once_and_wakes_nobody() {
    let mut bench = Bench::master(v2());
    bench.on(Event::Demote);
    bench.pass(1_000_000).hear(from(HIGHER, 200));
    assert_eq!(bench.due(), DOWN_HELD);
    let notice = Action::Notice(Notice::NoMasterInMaintenance);
    assert_eq!(bench.expire(), [notice]);
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.machine.master(), None, "no outdated master");
    bench.on(Event::Priority(Priority(254)));
    let params = Params {
        nopreempt: true,
        ..v2()
    };
    let reload = Event::Params {
        params: &params,
        effective: Priority(254),
    };
    bench.on(reload);
    assert_eq!(bench.machine.next_deadline(), None);
    bench.hear(from(LOWER, 50));
    assert_eq!(bench.due(), DOWN_HELD, "a master again");
}

/// Everything that otherwise leads to a takeover, after which a held instance is still BACKUP.
#[test]
fn no_event_makes_a_held_instance_master() {
    type Step = fn(&mut Bench);
    let cases: [(&str, Step); 9] = [
        ("silence", |_| {}),
        ("resignation", |bench| {
            bench.hear(from(HIGHER, 200));
            bench.hear(from(HIGHER, 0));
        }),
        ("group", |bench| {
            assert_eq!(bench.on(Event::GroupMaster), []);
        }),
        ("recovery", |bench| {
            bench.on(Event::Fault(Reason::InterfaceDown));
            let source = OURS.parse().unwrap();
            bench.on(Event::Ready { source });
        }),
        ("restart", |bench| {
            bench.on(Event::Stop);
            bench.start();
        }),
        ("resume", |bench| {
            bench.on(Event::Stop);
            bench.on(Event::Resume {
                at: bench.now,
                latest: bench.now,
                until: Instant::NEVER,
                startup_delay: Duration::ZERO,
            });
            bench.start();
        }),
        ("becomes owner", |bench| {
            let params = owner();
            let effective = Priority::OWNER;
            bench.on(Event::Params {
                params: &params,
                effective,
            });
        }),
        ("suspension", |bench| {
            bench.on(Event::Suspended(Duration::from_secs(100)));
        }),
        ("losses", |bench| {
            let at = bench.now;
            bench.on(Event::PacketsLost { at });
        }),
    ];
    let group = Params {
        in_sync_group: true,
        ..v2()
    };
    let first = Params {
        initial_master: true,
        ..v2()
    };
    for params in [v2(), v3(), owner(), group, first] {
        for demoted_first in [false, true] {
            for (name, step) in cases {
                let mut bench = Bench::new(params.clone());
                if demoted_first {
                    bench.on(Event::Demote);
                }
                bench.start();
                bench.on(Event::Demote);
                step(&mut bench);
                for _ in 0..4 {
                    if bench.machine.next_deadline().is_some() {
                        bench.expire();
                    }
                    assert_eq!(
                        bench.machine.state(),
                        VrrpState::Backup,
                        "{name} {params:?}"
                    );
                    assert_eq!(
                        bench.machine.member_state(),
                        MemberState::Following,
                        "{name}"
                    );
                }
                assert_eq!(bench.machine.next_deadline(), None, "{name}");
            }
        }
    }
}

#[test]
fn the_end_of_maintenance_is_a_fresh_down_interval_and_an_owner_takes_over_at_once() {
    let mut bench = Bench::master(v2());
    bench.on(Event::Demote);
    bench.pass(10_000_000).timer();
    assert_eq!(bench.on(Event::Promote), []);
    assert_eq!(bench.due(), DOWN_100);
    bench.pass(1_000_000).hear(from(LOWER, 50));
    assert_eq!(bench.due(), DOWN_100 - 1_000_000, "preempts as usual");
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );

    let mut bench = Bench::master(owner());
    bench.on(Event::Demote);
    bench.on(Event::Promote);
    assert_eq!(bench.due(), 0);
    assert_eq!(
        bench.expire(),
        taking_over(255, VrrpState::Backup, Reason::Owner)
    );
}

#[test]
fn a_held_owner_follows_adverts_although_it_ignores_them_otherwise() {
    let ignoring = Params {
        owner_ignore_adverts: true,
        ..owner()
    };
    let mut bench = Bench::master(ignoring);
    bench.hear(from(LOWER, 100));
    assert_eq!(bench.machine.last_heard(), None);
    bench.on(Event::Demote);
    bench.hear(from(LOWER, 100));
    assert_eq!(bench.machine.master().unwrap().priority, Priority(100));
}

#[test]
fn a_takeover_that_waits_for_the_group_is_canceled() {
    let mut bench = Bench::started(Params {
        in_sync_group: true,
        ..v2()
    });
    bench.expire();
    assert_eq!(bench.machine.member_state(), MemberState::ReadyToTakeOver);
    bench.on(Event::Demote);
    assert_eq!(bench.machine.member_state(), MemberState::Following);
    bench.on(Event::Promote);
    assert_eq!(bench.machine.member_state(), MemberState::Waiting);
}

#[test]
fn preempt_delay_starts_again_after_maintenance() {
    let seconds = Duration::from_secs;
    let mut bench = Bench::started(Params {
        preempt_delay: seconds(5),
        ..v2()
    });
    bench.hear(from(LOWER, 50));
    bench.pass(500_000);
    bench.on(Event::Demote);
    assert_eq!(bench.due(), DOWN_HELD);
    bench.hear(from(LOWER, 50));
    bench.on(Event::Promote);
    bench.pass(500_000).hear(from(LOWER, 50));
    for _ in 0..4 {
        bench.pass(1_000_000).hear(from(LOWER, 50));
    }
    assert_eq!(bench.due(), 1_000_000, "5 s after the first advert");
}

#[test]
fn the_last_accepted_advert_is_known_in_every_state() {
    let mut bench = Bench::started(v2());
    assert_eq!(bench.machine.last_heard(), None);
    bench.hear(from(LOWER, 50));
    bench.hear(From {
        ttl: 1,
        ..from(HIGHER, 200)
    });
    bench.hear(from(OURS, 200));
    let last = bench.machine.last_heard().unwrap();
    assert_eq!(
        (last.master.addr, last.master.priority),
        (LOWER.parse().unwrap(), Priority(50))
    );
    assert_eq!(last.at, bench.now);
    let at = bench.now;
    bench.expire();
    assert_eq!(bench.machine.state(), VrrpState::Master);
    assert_eq!(bench.machine.last_heard().unwrap().at, at);
}
