//! MASTER: adverts, elections, leaving.

use super::*;
use crate::types::VrrpState;

// ---- master ----

#[test]
fn a_late_timer_does_not_shift_later_adverts() {
    let mut bench = Bench::master(v2());
    let begin = bench.now;
    for n in 1..=1000u64 {
        bench.now = begin.after(Duration::from_micros(n * 1_000_000 + (n * 7919) % 3000));
        assert_eq!(bench.timer(), [Action::SendAdvert(Priority(100))]);
        assert_eq!(bench.timer(), [], "called again, nothing more");
    }
    let next = bench.machine.next_deadline().unwrap();
    assert_eq!(next.since(begin), Duration::from_secs(1001), "no drift");
    bench.now = begin.after(Duration::from_millis(1_002_400));
    assert_eq!(bench.timer().len(), 1, "missed adverts are not made up for");
    assert_eq!(bench.due(), 600_000);
}

#[test]
fn a_master_yields_to_higher_priority_and_to_a_higher_address_at_equal_priority() {
    for nopreempt in [false, true] {
        for (name, advert, why) in [
            ("priority", from(LOWER, 101), Reason::HigherPriority),
            ("address", from(HIGHER, 100), Reason::HigherAddress),
            ("not textual", from("10.0.0.10", 100), Reason::HigherAddress),
        ] {
            let mut bench = Bench::master(Params { nopreempt, ..v2() });
            assert_eq!(bench.hear(advert), yielding(why), "{name}");
            assert_eq!(bench.due(), DOWN_100, "{name}");
            assert_eq!(bench.machine.counters().release_master, 1);
        }
    }
}

#[test]
fn higher_prio_send_advert_sends_one_more_unless_the_intervals_differ() {
    let params = Params {
        higher_prio_send_advert: true,
        ..v3()
    };
    let mut bench = Bench::master(params.clone());
    let out = bench.hear(from(LOWER, 200));
    assert_eq!(out[0], Action::SendAdvert(Priority(100)));
    assert_eq!(out[1..], yielding(Reason::HigherPriority));

    let mut bench = Bench::master(params);
    let out = bench.hear(From {
        interval: 50,
        ..from(LOWER, 200)
    });
    let notice = Notice::IntervalAdopted {
        from: LOWER.parse().unwrap(),
        theirs: Centis(50),
    };
    assert_eq!(out[0], Action::Notice(notice));
    assert_eq!(out[1..], yielding(Reason::HigherPriority));
    assert_eq!(bench.due(), DOWN_100 / 2, "waits in the sender's interval");
}

#[test]
fn a_master_answers_an_advert_of_lower_priority() {
    for (name, advert) in [
        ("priority", from(HIGHER, 99)),
        ("address", from(LOWER, 100)),
    ] {
        let mut bench = Bench::master(v2());
        bench.pass(300_000);
        let due = bench.due();
        let notice = Notice::LowerPriorityMaster {
            from: advert.addr.parse().unwrap(),
            priority: Priority(advert.priority),
        };
        let answer = [
            Action::SendAdvert(Priority(100)),
            Action::Announce(Burst::LowerPrio),
        ];
        assert_eq!(bench.hear(advert)[0], Action::Notice(notice), "{name}");
        assert_eq!(bench.due(), due, "{name}: the grid stays");
        bench.pass(250_000);
        assert_eq!(bench.hear(advert), answer, "{name}: told once");
        let mut bench = Bench::master(Params {
            lower_prio_no_advert: true,
            ..v2()
        });
        assert_eq!(bench.hear(advert)[1..], answer[1..], "{name}, silent");
    }
}

#[test]
fn a_flood_of_lower_priority_adverts_is_answered_four_times_per_interval() {
    let mut bench = Bench::master(v2());
    let mut sent = 0;
    for n in 0..10_000u16 {
        bench.pass(100);
        let priority = if n % 2 == 0 { 0 } else { 1 };
        let out = bench.hear(from(LOWER, priority));
        sent += out
            .iter()
            .filter(|a| matches!(a, Action::SendAdvert(_)))
            .count();
    }
    assert_eq!(sent, 4);
    assert_eq!(bench.due(), 0, "and the periodic advert is on time");
}

#[test]
fn a_master_answers_a_resignation_at_once() {
    let mut bench = Bench::master(v2());
    assert_eq!(
        bench.hear(from(LOWER, 0)),
        [Action::SendAdvert(Priority(100))]
    );
}

#[test]
fn a_changed_priority_is_sent_with_the_next_advert() {
    let mut bench = Bench::master(v2());
    assert_eq!(bench.on(Event::Priority(Priority(60))), []);
    assert_eq!(bench.expire(), [Action::SendAdvert(Priority(60))]);
    assert_eq!(
        bench.hear(from(LOWER, 61)),
        yielding(Reason::HigherPriority)
    );
}

#[test]
fn our_own_advert_looped_back_changes_nothing() {
    for mut bench in [Bench::started(v2()), Bench::master(v2())] {
        let due = bench.due();
        let from_us = OURS.parse().unwrap();
        assert_eq!(
            bench.hear(from(OURS, 200)),
            [Action::Notice(Notice::SameAddress { from: from_us })]
        );
        assert_eq!(bench.hear(from(OURS, 0)), []);
        assert_eq!(bench.due(), due);
    }
}

#[test]
fn a_changed_primary_address_changes_the_tie_break() {
    let mut bench = Bench::master(v2());
    let source = "10.0.0.9".parse().unwrap();
    assert_eq!(bench.on(Event::Ready { source }), []);
    assert_eq!(bench.machine.source(), Some(source));
    assert_eq!(bench.hear(from(HIGHER, 100)).len(), 3, "now it is lower");
    assert_eq!(bench.machine.state(), VrrpState::Master);
}

#[test]
fn losing_the_primary_address_is_a_fault_without_resignation() {
    let mut bench = Bench::master(v2());
    assert_eq!(
        bench.on(Event::Fault(Reason::NoSource)),
        [
            Action::StopAnnouncing,
            Action::Withdraw,
            transition(VrrpState::Master, VrrpState::Fault, Reason::NoSource),
        ]
    );
    assert_eq!(bench.machine.source(), None);
}

#[test]
fn a_fault_while_master_resigns_once() {
    let mut bench = Bench::master(v2());
    assert_eq!(
        bench.on(Event::Fault(Reason::InterfaceDown)),
        [
            Action::SendAdvert(Priority::RESIGN),
            Action::StopAnnouncing,
            Action::Withdraw,
            transition(VrrpState::Master, VrrpState::Fault, Reason::InterfaceDown),
        ]
    );
    assert_eq!(bench.on(Event::Fault(Reason::NoSource)), []);
    assert_eq!(bench.machine.fault(), Some(Reason::NoSource));
    assert_eq!(bench.machine.next_deadline(), None);
    assert_eq!(bench.machine.counters().pri_zero_sent, 1);
}

#[test]
fn stop_resigns_exactly_once_and_only_as_master() {
    let mut bench = Bench::master(v2());
    assert_eq!(
        bench.on(Event::Stop),
        [
            Action::SendAdvert(Priority::RESIGN),
            Action::StopAnnouncing,
            Action::Withdraw,
            transition(VrrpState::Master, VrrpState::Init, Reason::Shutdown),
        ]
    );
    assert_eq!(bench.on(Event::Stop), []);
    assert_eq!(bench.timer(), []);
    let mut bench = Bench::started(v2());
    assert_eq!(
        bench.on(Event::Stop),
        [transition(
            VrrpState::Backup,
            VrrpState::Init,
            Reason::Shutdown
        )]
    );
}

// ---- owners ----

#[test]
fn of_two_owners_the_lower_address_stays_master() {
    let mut bench = Bench::master(params(Version::V2, 255));
    let notice = Notice::TwoOwners {
        from: HIGHER.parse().unwrap(),
    };
    let answer = [
        Action::SendAdvert(Priority::OWNER),
        Action::Announce(Burst::LowerPrio),
    ];
    let out = bench.hear(from(HIGHER, 255));
    assert_eq!(out[0], Action::Notice(notice));
    assert_eq!(out[1..], answer);
    assert_eq!(bench.pass(500_000).hear(from(HIGHER, 255)), answer);
}

#[test]
fn of_two_owners_the_higher_address_waits_yields_and_is_restored() {
    let mut bench = Bench::master(params(Version::V2, 255));
    assert_eq!(bench.hear(from(LOWER, 255)).len(), 1);
    for _ in 0..3 {
        assert_eq!(bench.expire(), [Action::SendAdvert(Priority::OWNER)]);
        assert_eq!(bench.hear(from(LOWER, 255)), [], "waiting, no answer");
    }
    assert_eq!(bench.due(), 3_906, "one down interval of waiting");
    assert_eq!(bench.expire(), []);
    assert_eq!(bench.machine.effective_priority(), Priority(254));
    assert_eq!(
        bench.hear(from(LOWER, 255)),
        yielding(Reason::HigherPriority)
    );
    assert_eq!(
        bench.expire(),
        taking_over(255, VrrpState::Backup, Reason::Owner),
        "the other is gone"
    );
}

#[test]
fn an_owner_waits_for_the_other_owners_down_interval() {
    let mut bench = Bench::master(Params {
        advert_int: Centis(30),
        ..params(Version::V3, 255)
    });
    let theirs = From {
        interval: 300,
        ..from(LOWER, 255)
    };
    for _ in 0..4 {
        bench.hear(theirs);
        for _ in 0..10 {
            bench.expire();
        }
    }
    assert_eq!(bench.machine.effective_priority(), Priority(254));
}

#[test]
fn a_single_stray_advert_of_another_owner_has_no_effect() {
    let mut bench = Bench::master(params(Version::V2, 255));
    bench.hear(from(LOWER, 255));
    for _ in 0..10 {
        bench.expire();
        assert_eq!(bench.machine.effective_priority(), Priority::OWNER);
    }
}

#[test]
fn a_demoted_owner_is_restored_when_the_other_owner_falls_silent() {
    let mut bench = Bench::master(params(Version::V2, 255));
    bench.hear(from(LOWER, 255));
    bench.hear(from(LOWER, 255));
    while bench.machine.effective_priority().is_owner() {
        bench.expire();
    }
    for _ in 0..4 {
        bench.expire();
    }
    assert_eq!(bench.machine.effective_priority(), Priority::OWNER);
    assert_eq!(bench.machine.state(), VrrpState::Master);
}

#[test]
fn owner_ignore_adverts_ignores_all_adverts() {
    let mut bench = Bench::master(Params {
        owner_ignore_adverts: true,
        ..params(Version::V2, 255)
    });
    assert_eq!(bench.hear(from(LOWER, 255)), []);
    assert_eq!(bench.hear(from(LOWER, 0)), []);
}

// ---- a suspended machine ----

const SUSPENDED: Event<'_> = Event::Suspended(Duration::from_secs(60));

#[test]
fn a_suspended_master_listens_before_it_announces_anything() {
    let mut bench = Bench::master(v2());
    bench.pass(300_000);
    assert_eq!(bench.on(SUSPENDED), [Action::StopAnnouncing]);
    let listen = bench.due();
    assert!(listen > 1_000_000 && listen < 2_000_000, "{listen}");
    // A peer of lower priority took over: it is not answered before the end.
    bench.pass(500_000);
    let out = bench.hear(from(HIGHER, 99));
    assert!(!out.iter().any(|one| matches!(one, Action::SendAdvert(_))));
    assert!(!out.iter().any(|one| matches!(one, Action::Announce(_))));
    assert_eq!(bench.due(), listen - 500_000);
    let announce = [
        Action::SendAdvert(Priority(100)),
        Action::Announce(Burst::Master),
    ];
    assert_eq!(bench.expire(), announce);
    assert_eq!(bench.expire(), announce[..1], "as before");
    assert_eq!(bench.hear(from(HIGHER, 99)).len(), 2, "answered again");
}

#[test]
fn a_suspended_master_yields_to_the_stronger_one_without_a_packet() {
    for higher_prio_send_advert in [false, true] {
        let mut bench = Bench::master(Params {
            higher_prio_send_advert,
            ..v2()
        });
        bench.on(SUSPENDED);
        let out = bench.hear(from(LOWER, 200));
        assert_eq!(out, yielding(Reason::HigherPriority));
    }
}

#[test]
fn a_master_suspended_for_less_than_its_peers_wait_advertises_at_once() {
    let mut bench = Bench::master(v2());
    bench.pass(300_000);
    let short = Event::Suspended(Duration::from_millis(1_500));
    assert_eq!(bench.on(short), []);
    assert_eq!(bench.due(), 0);
    assert_eq!(bench.expire(), [Action::SendAdvert(Priority(100))]);
}

#[test]
fn timer_expired_backup_counts_a_suspension() {
    let mut bench = Bench::master(Params {
        nopreempt: true,
        timer_expired_backup: Some(Priority(254)),
        ..v2()
    });
    assert_eq!(bench.on(SUSPENDED), yielding(Reason::TimerExpired));
}
