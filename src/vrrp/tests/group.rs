//! A member of a sync group.

use super::*;
use crate::types::VrrpState;
use crate::vrrp::group::MemberState;

fn member() -> Params {
    Params {
        in_sync_group: true,
        ..v2()
    }
}

/// A member whose down timer has expired.
fn ready(params: Params) -> Bench {
    let mut bench = Bench::started(params);
    assert_eq!(bench.expire(), [Action::RequestGroup]);
    assert_eq!(bench.machine.member_state(), MemberState::ReadyToTakeOver);
    bench
}

fn master_in_group() -> Bench {
    let mut bench = ready(member());
    bench.on(Event::GroupMaster);
    bench
}

#[test]
fn the_down_timer_requests_the_group() {
    let mut bench = ready(member());
    assert_eq!(bench.machine.state(), VrrpState::Backup);
    assert_eq!(
        bench.on(Event::GroupMaster),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
    assert_eq!(bench.machine.member_state(), MemberState::Master);
    assert_eq!(bench.on(Event::GroupMaster), []);
}

#[test]
fn it_requests_again_each_interval_and_notifies_once() {
    let mut bench = ready(member());
    let held = Action::Notice(Notice::HeldByGroup);
    for nth in 2..100 {
        assert_eq!(bench.due(), 1_000_000);
        let asked = bench.expire();
        assert_eq!(asked.contains(&held), nth == 5, "{nth}");
        assert_eq!(asked.first(), Some(&Action::RequestGroup));
    }
}

#[test]
fn a_master_to_follow_cancels_the_pending_takeover() {
    let nopreempt = Params {
        nopreempt: true,
        ..member()
    };
    for (name, params, advert, respected) in [
        ("higher priority", member(), from(LOWER, 150), true),
        ("equal", member(), from(LOWER, 100), true),
        ("lower priority", member(), from(HIGHER, 50), false),
        (
            "lower priority, nopreempt",
            nopreempt,
            from(LOWER, 50),
            true,
        ),
        ("resigning", member(), from(HIGHER, 0), false),
    ] {
        let mut bench = ready(params);
        assert_eq!(bench.pass(300_000).hear(advert), [], "{name}");
        let state = bench.machine.member_state();
        let (want, due) = match respected {
            true => (MemberState::Following, DOWN_100),
            false => (MemberState::ReadyToTakeOver, 700_000),
        };
        assert_eq!((state, bench.due()), (want, due), "{name}");
    }
}

#[test]
fn preempt_delay_applies_once() {
    let mut bench = Bench::started(Params {
        preempt_delay: Duration::from_secs(5),
        ..member()
    });
    bench.hear(from(LOWER, 50));
    for _ in 0..4 {
        bench.pass(1_000_000).hear(from(LOWER, 50));
    }
    assert_eq!(bench.expire(), [Action::RequestGroup]);
    for _ in 0..8 {
        bench.pass(500_000).hear(from(LOWER, 50));
        assert_eq!(bench.machine.member_state(), MemberState::ReadyToTakeOver);
        bench.pass(500_000).timer();
    }
    assert_eq!(
        bench.on(Event::GroupMaster),
        taking_over(100, VrrpState::Backup, Reason::Preempt)
    );
    let mut bench = ready(Params {
        preempt_delay: Duration::from_secs(5),
        ..member()
    });
    bench.hear(from(LOWER, 50));
    assert_eq!(
        bench.machine.member_state(),
        MemberState::Following,
        "a new master: the delay starts"
    );
}

#[test]
fn a_priority_below_the_masters_cancels_preemption() {
    let mut bench = Bench::started(member());
    bench.pass(3_000_000).hear(from(LOWER, 99));
    bench.expire();
    assert_eq!(bench.machine.member_state(), MemberState::ReadyToTakeOver);
    bench.on(Event::Priority(Priority(99)));
    assert_eq!(bench.machine.member_state(), MemberState::Following);
    let mut bench = ready(member());
    bench.on(Event::Priority(Priority(1)));
    assert_eq!(
        bench.machine.member_state(),
        MemberState::ReadyToTakeOver,
        "there is no master"
    );
}

#[test]
fn it_yields_with_the_group_and_does_not_resign() {
    let mut bench = master_in_group();
    assert_eq!(bench.on(Event::GroupBackup), yielding(Reason::GroupBackup));
    assert_eq!(bench.due(), DOWN_100);
    assert_eq!(bench.machine.member_state(), MemberState::Following);
    assert_eq!(bench.on(Event::GroupBackup), []);
    assert_eq!(bench.expire(), [Action::RequestGroup]);
}

#[test]
fn a_member_without_master_joins_the_group() {
    let mut bench = Bench::started(member());
    assert_eq!(bench.machine.member_state(), MemberState::Waiting);
    assert_eq!(
        bench.on(Event::GroupMaster),
        taking_over(100, VrrpState::Backup, Reason::GroupMaster)
    );
}

#[test]
fn group_events_are_ignored_in_init_and_fault() {
    let mut bench = Bench::new(member());
    assert_eq!(bench.on(Event::GroupMaster), []);
    bench.start();
    bench.on(Event::Fault(Reason::GroupFault));
    assert_eq!(bench.on(Event::GroupMaster), []);
    assert_eq!(bench.on(Event::GroupBackup), []);
    assert_eq!(bench.machine.member_state(), MemberState::Unavailable);
}

#[test]
fn the_fault_of_another_member_makes_it_resign() {
    let mut bench = master_in_group();
    let fault = Reason::GroupFault;
    assert_eq!(
        bench.on(Event::Fault(fault)),
        [
            Action::SendAdvert(Priority::RESIGN),
            Action::StopAnnouncing,
            Action::Withdraw,
            transition(VrrpState::Master, VrrpState::Fault, fault),
        ]
    );
    let source = OURS.parse().unwrap();
    bench.on(Event::Ready { source });
    assert_eq!(bench.due(), DOWN_100);
}

#[test]
fn an_owner_requests_the_group_as_well() {
    let owner = Params {
        in_sync_group: true,
        ..params(Version::V2, 255)
    };
    let mut bench = Bench::started(owner);
    assert_eq!(bench.expire(), [Action::RequestGroup]);
    assert_eq!(bench.elapsed(), 0);
    bench.pass(500_000).hear(from(LOWER, 254));
    assert_eq!(
        bench.on(Event::GroupMaster),
        taking_over(255, VrrpState::Backup, Reason::Owner)
    );
}

#[test]
fn state_master_requests_the_group_early() {
    let mut bench = Bench::started(Params {
        initial_master: true,
        ..member()
    });
    assert_eq!(bench.expire(), [Action::RequestGroup]);
    assert_eq!(bench.elapsed(), 1_003_906);
}

#[test]
fn a_stalled_member_listens_once_before_it_requests_again() {
    let mut bench = ready(member());
    bench.pass(2_500_000);
    assert_eq!(
        bench.timer(),
        [],
        "1.5 s late: nothing heard proves nothing"
    );
    assert_eq!(bench.machine.member_state(), MemberState::Waiting);
    assert_eq!(bench.due(), 1_000_000 + SKEW_100);
    assert_eq!(bench.expire(), [Action::RequestGroup]);
    for _ in 0..3 {
        bench.pass(2_500_000);
        assert_eq!(bench.timer(), [Action::RequestGroup], "always late");
    }
}

#[test]
fn a_contested_takeover_delays_the_next_one() {
    let mut bench = master_in_group();
    bench.pass(100).hear(from(HIGHER, 100));
    let longer = bench.due() - DOWN_100;
    assert!((1..1_000_000).contains(&longer), "{longer}");
    let mut bench = master_in_group();
    bench.pass(5_000_000).hear(from(HIGHER, 100));
    assert_eq!(bench.due(), DOWN_100);
    let mut alone = Bench::master(v2());
    alone.pass(100).hear(from(HIGHER, 100));
    assert_eq!(alone.due(), DOWN_100);
}

#[test]
fn after_leaving_the_group_it_takes_over_alone() {
    let mut bench = Bench::started(v2());
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
}
