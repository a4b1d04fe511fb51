//! Reload: new settings for a running instance.

use super::*;
use crate::types::VrrpState;

impl Bench {
    fn reload(&mut self, params: &Params) -> Vec<Action> {
        let effective = params.priority;
        self.on(Event::Params { params, effective })
    }
}

#[test]
fn the_same_settings_change_nothing() {
    for mut bench in [Bench::started(v2()), Bench::master(v3())] {
        bench.pass(400_000);
        let (due, stats) = (bench.due(), bench.machine.counters().clone());
        let same = bench.machine.params().clone();
        for _ in 0..1000 {
            assert_eq!(bench.reload(&same), []);
        }
        assert_eq!((bench.due(), bench.machine.counters()), (due, &stats));
    }
}

#[test]
fn a_backup_keeps_the_time_already_waited() {
    let mut bench = Bench::started(v2());
    bench.hear(from(LOWER, 200));
    bench.pass(1_000_000);
    bench.reload(&params(Version::V2, 200));
    // 3 s and (256 - 200) / 256 s, one second of it passed.
    assert_eq!(bench.due(), 3_218_750 - 1_000_000);
    let slower = Params {
        advert_int: Centis(200),
        ..params(Version::V2, 200)
    };
    bench.reload(&slower);
    assert_eq!(bench.due(), 6_218_750 - 1_000_000);
}

#[test]
fn a_master_keeps_its_state_and_advertises_the_new_priority() {
    let mut bench = Bench::master(v2());
    bench.pass(300_000);
    assert_eq!(bench.reload(&params(Version::V2, 50)), []);
    assert_eq!(bench.due(), 700_000);
    assert_eq!(bench.expire(), [Action::SendAdvert(Priority(50))]);
}

#[test]
fn a_shorter_interval_applies_at_once_and_a_longer_one_from_the_next_advert() {
    let interval = |centis| Params {
        advert_int: Centis(centis),
        ..v3()
    };
    let mut bench = Bench::master(interval(100));
    bench.pass(300_000);
    bench.reload(&interval(10));
    assert_eq!(bench.due(), 100_000);
    bench.reload(&interval(200));
    assert_eq!(bench.due(), 100_000);
    bench.expire();
    assert_eq!(bench.due(), 2_000_000);
}

#[test]
fn a_new_owner_takes_over_at_once() {
    let mut bench = Bench::started(v2());
    bench.hear(from(LOWER, 200));
    bench.reload(&params(Version::V2, 255));
    let owner = taking_over(255, VrrpState::Backup, Reason::Owner);
    assert_eq!(bench.expire(), owner);
    bench.reload(&v2());
    assert_eq!(bench.machine.state(), VrrpState::Master);
    assert_eq!(bench.machine.effective_priority(), Priority(100));
}

#[test]
fn a_pending_preempt_delay_is_shortened_or_dropped() {
    let delay = |seconds| Params {
        preempt_delay: Duration::from_secs(seconds),
        ..v2()
    };
    let mut bench = Bench::started(delay(100));
    bench.hear(from(LOWER, 50));
    bench.reload(&delay(2));
    assert_eq!(bench.due(), 2_000_000);
    bench.reload(&v2());
    assert_eq!(bench.due(), DOWN_100);
}
