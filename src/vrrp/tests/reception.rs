//! Checks of received adverts, and random sequences of events.

use super::*;
use crate::types::VrrpState;

// ---- reception ----

#[test]
fn an_advert_that_fails_a_check_changes_no_timer() {
    let ours = || Params {
        auth: Auth::Pass(*b"secret\0\0"),
        ..v2()
    };
    for mut bench in [Bench::started(ours()), Bench::master(ours())] {
        let before = bench.machine.next_deadline();
        let good = From {
            auth: Auth::Pass(*b"secret\0\0"),
            ..from(HIGHER, 200)
        };
        let bad = [
            From { ttl: 254, ..good },
            From {
                auth: Auth::None,
                ..good
            },
            From {
                auth: Auth::Pass([0; 8]),
                ..good
            },
            From {
                auth: Auth::Ah,
                ..good
            },
            From {
                interval: 101,
                ..good
            },
            From {
                interval: 0,
                priority: 0,
                ..good
            },
        ];
        let mut told = 0;
        for n in 0..600 {
            bench.pass(500);
            for priority in [0, 1, 100, 200, 255] {
                let advert = From {
                    priority,
                    ..bad[n % bad.len()]
                };
                let out = bench.hear(advert);
                assert!(
                    out.iter().all(|a| matches!(a, Action::Notice(_))),
                    "{out:?}"
                );
                told += out.len();
                assert_eq!(bench.machine.next_deadline(), before);
            }
        }
        assert_eq!(told, 4, "once for each kind of defect");
        assert_eq!(bench.machine.counters().advert_rcvd, 3000);
    }
}

#[test]
fn a_differing_address_list_is_reported_once_and_the_advert_accepted() {
    let mut bench = Bench::started(v2());
    let theirs = From {
        vip: [10, 0, 0, 101],
        ..from(LOWER, 200)
    };
    let notice = Notice::AddressesDiffer {
        from: LOWER.parse().unwrap(),
    };
    assert_eq!(bench.pass(1).hear(theirs), [Action::Notice(notice)]);
    assert_eq!(bench.due(), DOWN_100);
    assert_eq!(bench.pass(1).hear(theirs), []);
    assert_eq!(bench.due(), DOWN_100);
    assert_eq!(bench.machine.counters().errors.addr_list_err, 2);
}

#[test]
fn skip_check_adv_addr_compares_again_only_when_the_sender_changes() {
    let mut bench = Bench::started(Params {
        skip_check_adv_addr: true,
        ..v2()
    });
    let other = [10, 0, 0, 101];
    bench.hear(from(LOWER, 200));
    let vip = other;
    assert_eq!(
        bench.hear(From {
            vip,
            ..from(LOWER, 200)
        }),
        []
    );
    assert_eq!(bench.machine.counters().errors.addr_list_err, 0);
    assert_eq!(
        bench
            .hear(From {
                vip,
                ..from(HIGHER, 200)
            })
            .len(),
        1
    );
    assert_eq!(bench.machine.counters().errors.addr_list_err, 1);
}

// ---- random sequences of events ----

/// Seeded pseudo-random numbers (xorshift); enough to shuffle events.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::try_from(self.roll(choices.len() as u64)).unwrap()]
    }
}

#[test]
fn random_sequences_of_events_keep_the_invariants() {
    let mut most = 0;
    for seed in 1..=2000 {
        let mut dice = Dice(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let mut bench = Bench::new(Params {
            nopreempt: dice.roll(4) == 0,
            preempt_delay: Duration::from_millis(dice.one_of(&[0, 0, 700, 9000])),
            initial_master: dice.roll(2) == 0,
            higher_prio_send_advert: dice.roll(2) == 0,
            timer_expired_backup: dice.one_of(&[None, Some(Priority(254))]),
            in_sync_group: dice.roll(2) == 0,
            ..params(
                dice.one_of(&[Version::V2, Version::V3]),
                dice.one_of(&[1, 100, 254, 255]),
            )
        });
        for _ in 0..100 {
            let before = bench.machine.counters().advert_rcvd;
            let out = match dice.roll(16) {
                0 => bench.on(Event::Stop),
                1 => bench.on(Event::Fault(Reason::InterfaceDown)),
                2 => bench.on(Event::Fault(Reason::NoSource)),
                3 | 4 => {
                    let source = OURS.parse().unwrap();
                    bench.on(Event::Ready { source })
                }
                5 => bench.on(Event::Start {
                    startup_delay: Duration::from_millis(dice.one_of(&[0, 0, 5000])),
                }),
                6 => {
                    let priority = Priority(dice.one_of(&[0, 1, 99, 101, 255]));
                    bench.on(Event::Priority(priority))
                }
                7 => bench.pass(dice.one_of(&[1, 900_000, 30_000_000])).timer(),
                8 | 9 => match bench.machine.next_deadline() {
                    Some(at) if at > bench.now => bench.expire(),
                    _ => bench.timer(),
                },
                10 => bench.on(Event::GroupMaster),
                11 => bench.on(Event::GroupBackup),
                12 => bench.on(Event::Demote),
                13 => bench.on(Event::Promote),
                _ => bench.hear(From {
                    interval: dice.one_of(&[100, 100, 100, 1, 300]),
                    ttl: dice.one_of(&[255, 255, 255, 1]),
                    vip: [10, 0, 0, dice.one_of(&[100, 100, 101])],
                    ..from(
                        dice.one_of(&[LOWER, HIGHER, OURS, "10.9.9.9"]),
                        dice.one_of(&[0, 1, 100, 101, 254, 255]),
                    )
                }),
            };
            most = most.max(out.len());
            assert!(bench.machine.counters().advert_rcvd <= before + 1);
            let timed = bench.machine.next_deadline().is_some();
            let running = matches!(bench.machine.state(), VrrpState::Backup | VrrpState::Master);
            let held = bench.machine.in_maintenance();
            assert!(timed == running || held && running, "seed {seed}");
            let master = bench.machine.state() == VrrpState::Master;
            assert!(!(held && master), "seed {seed}");
        }
    }
    assert!((5..=8).contains(&most), "{most} actions at most");
}
