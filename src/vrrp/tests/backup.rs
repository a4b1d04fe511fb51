//! BACKUP: following a master, preemption, stalls.

use super::*;
use crate::types::{MasterInfo, VrrpState};

// ---- backup ----

#[test]
fn adverts_of_equal_or_higher_priority_restart_the_timer() {
    for priority in [100, 101, 254, 255] {
        let mut bench = Bench::started(v2());
        assert_eq!(bench.pass(3_000_000).hear(from(LOWER, priority)), []);
        assert_eq!(bench.due(), DOWN_100, "{priority}");
        assert_eq!(
            bench.machine.master(),
            Some(MasterInfo {
                addr: LOWER.parse().unwrap(),
                priority: Priority(priority),
                interval: Centis::SECOND,
            })
        );
    }
}

#[test]
fn an_advert_of_lower_priority_does_not_restart_the_timer() {
    let mut bench = Bench::started(v2());
    assert_eq!(bench.pass(1_000_000).hear(from(HIGHER, 99)), []);
    assert_eq!(bench.due(), DOWN_100 - 1_000_000);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );
}

#[test]
fn losses_during_the_down_interval_extend_it_once_until_a_master_is_heard() {
    let mut bench = Bench::started(v2());
    let listens_again = [Action::Notice(Notice::SilenceWithLoss)];
    let lose = |bench: &mut Bench| {
        let at = bench.now;
        assert_eq!(bench.on(Event::PacketsLost { at }), []);
    };
    for _ in 0..2 {
        bench.pass(1_000_000);
        lose(&mut bench);
        assert_eq!(bench.expire(), listens_again);
        assert_eq!(bench.due(), DOWN_100);
        bench.pass(1_000_000).hear(from(LOWER, 200));
        assert_eq!(bench.due(), DOWN_100);
    }
    bench.pass(1_000_000);
    lose(&mut bench);
    assert_eq!(bench.expire(), listens_again);
    bench.pass(1_000_000);
    lose(&mut bench);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown),
        "a flood delays the takeover by one down interval"
    );
}

#[test]
fn losses_before_the_last_advert_or_after_a_resignation_postpone_nothing() {
    let mut bench = Bench::started(v2());
    let at = bench.pass(1_000_000).now;
    bench.on(Event::PacketsLost { at });
    bench.hear(from(LOWER, 200));
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
    let mut bench = Bench::started(v2());
    bench.hear(from(LOWER, 200));
    bench.hear(from(LOWER, 0));
    let at = bench.pass(100_000).now;
    bench.on(Event::PacketsLost { at });
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterResigned)
    );
}

#[test]
fn nopreempt_follows_a_live_master_of_lower_priority() {
    let mut bench = Bench::started(Params {
        nopreempt: true,
        ..v2()
    });
    for _ in 0..10 {
        bench.pass(1_000_000).hear(from(LOWER, 1));
        assert_eq!(bench.due(), DOWN_100);
    }
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
}

#[test]
fn priority_zero_shortens_the_timer_to_one_skew_and_never_postpones_it() {
    let mut bench = Bench::started(v2());
    bench.hear(from(LOWER, 200));
    bench.hear(from(LOWER, 0));
    assert_eq!(bench.due(), SKEW_100);
    assert_eq!(bench.machine.master(), None);
    bench.pass(500_000).hear(from(LOWER, 0));
    assert_eq!(
        bench.due(),
        SKEW_100 - 500_000,
        "a flood of them is no help"
    );
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterResigned)
    );
    assert_eq!(bench.machine.counters().pri_zero_rcvd, 2);
}

#[test]
fn v3_adopts_the_masters_interval() {
    let mut bench = Bench::started(v3());
    let theirs = From {
        interval: 200,
        ..from(LOWER, 200)
    };
    let notice = Notice::IntervalAdopted {
        from: LOWER.parse().unwrap(),
        theirs: Centis(200),
    };
    assert_eq!(bench.hear(theirs), [Action::Notice(notice)]);
    assert_eq!(bench.due(), 2 * DOWN_100);
    assert_eq!(bench.hear(theirs), [], "told once");
    bench.hear(from(LOWER, 0));
    assert_eq!(bench.due(), 2 * SKEW_100, "skew too");
    bench.expire();
    assert_eq!(bench.due(), 1_000_000, "as master its own");
}

#[test]
fn sub_second_intervals_keep_their_precision() {
    let mut bench = Bench::started(Params {
        advert_int: Centis(1),
        ..v3()
    });
    assert_eq!(bench.due(), 36_093);
    bench.expire();
    assert_eq!(bench.due(), 10_000);
}

#[test]
fn v2_discards_another_interval() {
    let mut bench = Bench::started(v2());
    let theirs = From {
        interval: 200,
        ..from(LOWER, 200)
    };
    let notice = Notice::Rejected {
        from: LOWER.parse().unwrap(),
        why: Reject::Interval(Centis(200)),
    };
    assert_eq!(bench.pass(1_000_000).hear(theirs), [Action::Notice(notice)]);
    assert_eq!(bench.due(), DOWN_100 - 1_000_000);
    assert_eq!(bench.machine.counters().errors.advert_interval_err, 1);
}

#[test]
fn a_raised_priority_shortens_the_timer_and_keeps_the_time_already_waited() {
    let mut bench = Bench::started(v2());
    bench.pass(2_000_000).on(Event::Priority(Priority(200)));
    assert_eq!(bench.due(), 3_218_750 - 2_000_000);
    for n in 0..100 {
        let flapping = if n % 2 == 0 { 100 } else { 200 };
        bench.pass(10_000).on(Event::Priority(Priority(flapping)));
    }
    assert_eq!(bench.due(), 218_750, "flapping does not postpone it");
    bench.on(Event::Priority(Priority(0)));
    assert_eq!(bench.machine.effective_priority(), Priority(1));
    bench.on(Event::Priority(Priority(255)));
    assert_eq!(bench.machine.effective_priority(), Priority(254));
}

#[test]
fn an_owner_ignores_tracking() {
    let mut bench = Bench::started(params(Version::V2, 255));
    bench.on(Event::Priority(Priority(10)));
    assert_eq!(bench.expire(), [Action::SendAdvert(Priority::OWNER)]);
}

#[test]
fn down_timer_adverts_scales_the_wait() {
    let bench = Bench::started(Params {
        down_timer_adverts: 10,
        ..v2()
    });
    assert_eq!(bench.due(), 10_609_375);
}

// ---- preempt_delay ----

fn delayed() -> Params {
    Params {
        preempt_delay: Duration::from_secs(10),
        ..v2()
    }
}

#[test]
fn preempt_delay_counts_from_the_first_advert_of_lower_priority() {
    let mut bench = Bench::started(delayed());
    for _ in 0..10 {
        bench.pass(1_000_000).hear(from(LOWER, 50));
    }
    assert_eq!(bench.due(), 1_000_000);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );
    assert_eq!(bench.elapsed(), 11_000_000);
}

#[test]
fn an_advert_of_equal_priority_cancels_preempt_delay() {
    let mut bench = Bench::started(delayed());
    bench.pass(1_000_000).hear(from(LOWER, 50));
    bench.pass(1_000_000).hear(from(HIGHER, 100));
    bench.pass(1_000_000).hear(from(LOWER, 50));
    for _ in 0..9 {
        bench.pass(1_000_000).hear(from(LOWER, 50));
    }
    assert_eq!(bench.due(), 1_000_000, "begun anew");
}

#[test]
fn the_down_timer_ends_preempt_delay_when_the_master_dies() {
    let mut bench = Bench::started(delayed());
    bench.pass(1_000_000).hear(from(LOWER, 50));
    bench.pass(1_000_000).hear(from(LOWER, 50));
    assert_eq!(bench.due(), DOWN_100);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
}

#[test]
fn a_lowered_priority_cancels_preempt_delay_at_once() {
    let mut bench = Bench::started(delayed());
    for _ in 0..10 {
        bench.pass(1_000_000).hear(from(LOWER, 50));
    }
    assert_eq!(bench.due(), 1_000_000, "the delay ends in a second");
    bench.on(Event::Priority(Priority(50)));
    assert_eq!(bench.due(), 3_804_687, "only the down timer runs");
}

// ---- stalls ----

#[test]
fn a_timer_served_late_listens_once_before_taking_over() {
    let mut bench = Bench::started(v2());
    bench.pass(9_000_000);
    assert_eq!(bench.timer(), []);
    assert_eq!(bench.due(), 1_000_000 + SKEW_100);
    bench.pass(60_000_000);
    assert_eq!(
        bench.timer(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown),
        "late again: somebody has to"
    );
}

#[test]
fn a_timer_one_interval_late_still_takes_over() {
    let mut bench = Bench::started(v2());
    bench.pass(4_609_375);
    assert_eq!(bench.timer().len(), 4);
}

#[test]
fn queued_adverts_prevent_a_takeover_after_a_stall() {
    let mut bench = Bench::started(v2());
    bench.pass(9_000_000).hear(from(HIGHER, 200));
    assert_eq!(bench.timer(), [], "the queue was read before the timer");
    assert_eq!(bench.due(), DOWN_100);
}

#[test]
fn a_preempt_delay_that_ended_during_a_stall_listens_first() {
    let mut bench = Bench::started(delayed());
    bench.hear(from(LOWER, 50));
    bench.pass(12_000_000).hear(from(LOWER, 50));
    assert_eq!(bench.timer(), []);
    assert_eq!(bench.due(), 1_000_000 + SKEW_100);
    bench.hear(from(LOWER, 50));
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );
}

#[test]
fn a_changed_priority_does_not_hide_a_stall() {
    let mut bench = Bench::started(v2());
    bench.pass(9_000_000).on(Event::Priority(Priority(120)));
    assert_eq!(bench.timer(), []);
}

#[test]
fn timer_expired_backup_yields_when_a_router_of_that_priority_may_have_taken_over() {
    // Down intervals of priorities 254 and 50 after the last advert; the next was due after 1 s.
    let [of_254, of_50] = [3_007_812_u64, 3_804_687].map(|down| down - 1_000_000);
    for (name, highest, late, yields) in [
        ("before 254 takes over", 254, of_254, false),
        ("after", 254, of_254 + 2, true),
        ("before 50 takes over", 50, of_50, false),
        ("after", 50, of_50 + 2, true),
    ] {
        let mut bench = Bench::master(Params {
            nopreempt: true,
            timer_expired_backup: Some(Priority(highest)),
            ..v2()
        });
        bench.pass(1_000_000 + late);
        let actions = bench.timer();
        if yields {
            assert_eq!(actions, yielding(Reason::TimerExpired), "{name}");
            assert_eq!(bench.due(), DOWN_100, "{name}");
        } else {
            assert_eq!(actions[0], Action::SendAdvert(Priority(100)), "{name}");
        }
    }
}

#[test]
fn timer_expired_backup_needs_nopreempt_and_makes_a_late_backup_wait_again() {
    let params = Params {
        nopreempt: true,
        timer_expired_backup: Some(Priority(254)),
        ..v2()
    };
    let mut bench = Bench::started(params.clone());
    bench.pass(3_609_375 + 1_000_001);
    assert_eq!(bench.timer(), []);
    assert_eq!(bench.due(), DOWN_100);

    let mut bench = Bench::master(Params {
        nopreempt: false,
        ..params
    });
    bench.pass(9_000_000);
    assert_eq!(bench.timer()[0], Action::SendAdvert(Priority(100)));
}

#[test]
fn a_timer_held_back_is_late_only_after_that() {
    let params = Params {
        nopreempt: true,
        timer_expired_backup: Some(Priority(254)),
        ..v2()
    };
    let held_back = || {
        let mut bench = Bench::started(params.clone());
        let until = bench.pass(4_600_000).now;
        assert_eq!(bench.on(Event::TimerPostponed { until }), []);
        bench
    };
    let mut bench = held_back();
    bench.pass(10_000);
    assert_eq!(
        bench.timer(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
    let mut bench = held_back();
    bench.pass(1_000_001);
    assert_eq!(bench.timer(), [], "a stall while it was held back");
    assert_eq!(bench.due(), DOWN_100);
}

#[test]
fn a_master_stalled_beyond_its_peers_down_interval_sends_garp_again() {
    let mut bench = Bench::master(v2());
    bench.pass(3_003_000);
    assert_eq!(bench.timer(), [Action::SendAdvert(Priority(100))]);
    let mut bench = Bench::master(v2());
    bench.pass(3_004_000);
    assert_eq!(
        bench.timer(),
        [
            Action::SendAdvert(Priority(100)),
            Action::Announce(Burst::Master)
        ]
    );
}

#[test]
fn a_stalled_master_sends_nothing_before_its_sockets_are_read() {
    let mut bench = Bench::master(v2());
    bench.pass(9_000_000);
    let notice = Notice::LowerPriorityMaster {
        from: LOWER.parse().unwrap(),
        priority: Priority(50),
    };
    assert_eq!(bench.hear(from(LOWER, 50)), [Action::Notice(notice)]);
    assert_eq!(
        bench.hear(from(HIGHER, 200)),
        yielding(Reason::HigherPriority)
    );
}

#[test]
fn the_down_timer_starts_again_after_a_suspension() {
    let mut bench = Bench::started(v2());
    bench.hear(from(HIGHER, 200));
    bench.pass(3_000_000);
    let slept = Event::Suspended(Duration::from_secs(60));
    assert_eq!(bench.on(slept), []);
    assert_eq!(bench.due(), DOWN_100);
    // A master that resigned has a successor by now.
    bench.hear(from(HIGHER, 0));
    assert!(bench.due() < DOWN_100);
    assert_eq!(bench.on(slept), []);
    assert_eq!(bench.due(), DOWN_100);
}
