//! Start and stop.

use super::*;
use crate::types::{VrrpCounters, VrrpState};

#[test]
fn a_backup_waits_one_down_interval_before_it_takes_over() {
    let mut bench = Bench::new(v2());
    assert_eq!(
        bench.start(),
        [transition(
            VrrpState::Init,
            VrrpState::Backup,
            Reason::Startup
        )]
    );
    assert_eq!(bench.due(), DOWN_100);
    assert_eq!(
        bench.expire(),
        taking_over(100, VrrpState::Backup, Reason::MasterDown)
    );
    assert_eq!(bench.due(), 1_000_000);
    assert_eq!(bench.machine.counters().become_master, 1);
    assert_eq!(bench.machine.counters().advert_sent, 1);
}

#[test]
fn state_master_only_shortens_the_first_timer() {
    let mut bench = Bench::started(Params {
        initial_master: true,
        ..v2()
    });
    assert_eq!(bench.machine.state(), VrrpState::Backup);
    assert_eq!(bench.due(), 1_003_906);
    bench.hear(from(LOWER, 101));
    assert_eq!(bench.due(), DOWN_100, "and yields like any backup");
}

#[test]
fn an_owner_is_master_at_once() {
    let mut bench = Bench::new(params(Version::V3, 255));
    assert_eq!(
        bench.start(),
        taking_over(255, VrrpState::Init, Reason::Owner)
    );
}

#[test]
fn startup_delay_postpones_timers_but_adverts_count() {
    let hold = Duration::from_secs(10);
    for (name, params, due) in [
        ("backup", v2(), 10_000_000 + DOWN_100),
        ("owner", params(Version::V2, 255), 10_000_000),
    ] {
        let mut bench = Bench::new(params);
        bench.on(Event::Start {
            startup_delay: hold,
        });
        assert_eq!(bench.due(), due, "{name}");
    }
    let mut bench = Bench::new(v2());
    bench.on(Event::Start {
        startup_delay: hold,
    });
    bench.pass(1_000_000).hear(from(LOWER, 0));
    assert_eq!(bench.due(), 9_000_000 + SKEW_100, "no takeover in the hold");
    bench.pass(8_000_000).hear(from(LOWER, 200));
    assert_eq!(bench.due(), 1_000_000 + DOWN_100);
    assert_eq!(bench.machine.master().unwrap().priority, Priority(200));
}

#[test]
fn a_fault_at_start_means_the_full_down_interval_even_with_state_master() {
    for (name, params, due) in [
        (
            "state MASTER",
            Params {
                initial_master: true,
                ..v2()
            },
            DOWN_100,
        ),
        ("owner", params(Version::V2, 255), 1_003_906),
    ] {
        let mut bench = Bench::new(params);
        assert_eq!(bench.on(Event::Fault(Reason::InterfaceDown)), []);
        assert_eq!(
            bench.start(),
            [transition(
                VrrpState::Init,
                VrrpState::Fault,
                Reason::InterfaceDown
            )],
            "{name}"
        );
        assert_eq!(bench.machine.next_deadline(), None);
        let source = OURS.parse().unwrap();
        assert_eq!(
            bench.on(Event::Ready { source }),
            [transition(
                VrrpState::Fault,
                VrrpState::Backup,
                Reason::Recovered
            )]
        );
        assert_eq!(bench.due(), due, "{name}");
    }
}

#[test]
fn start_without_a_source_address_is_a_fault() {
    let mut machine = Instance::new(v2());
    let mut out = Actions::new();
    let hold = Duration::ZERO;
    machine.handle(
        Instant::ZERO,
        Event::Start {
            startup_delay: hold,
        },
        &mut out,
    );
    assert_eq!(
        out,
        [transition(
            VrrpState::Init,
            VrrpState::Fault,
            Reason::NoSource
        )]
    );
}

#[test]
fn packets_for_an_instance_in_init_or_fault_are_ignored() {
    let mut bench = Bench::new(v2());
    assert_eq!(bench.hear(from(HIGHER, 200)), []);
    bench.start();
    bench.on(Event::Fault(Reason::InterfaceDown));
    assert_eq!(bench.hear(from(HIGHER, 200)), []);
    assert_eq!(bench.timer(), []);
    assert_eq!(*bench.machine.counters(), VrrpCounters::default());
}
