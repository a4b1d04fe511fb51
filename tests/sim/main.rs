//! Whole networks of routers in virtual time: told stories with golden transcripts, and thousands
//! of random ones held to the bounds in `sim/oracle.rs`.
//!
//! `VRRPD_SIM_SEEDS=n` runs n random networks (default 1000, and 240 with groups), `VRRPD_SIM_SEED=s` only network s and
//! prints its transcript. A failure prints its seed.
#![allow(unreachable_pub, clippy::cast_possible_truncation)]

mod chaos;
#[path = "../support/golden.rs"]
mod golden;
mod liveness;
mod node;
mod operate;
mod oracle;
mod recall;
#[path = "../support/rng.rs"]
mod rng;
mod router;
mod scenario;
mod segment;

mod together;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use operate::Op;
use scenario::network;
use segment::Segment;
use vrrpd::types::{Centis, Version};

// ---- stories ----

/// Routers (from 1) that are master at the end.
fn masters(segment: &Segment) -> Vec<usize> {
    (1..=segment.nodes.len())
        .filter(|n| segment.nodes[n - 1].running() && segment.nodes[n - 1].is_master())
        .collect()
}

#[test]
fn the_backup_takes_over_when_the_master_dies() {
    let end = network(&[150, 100]).at(10_000, Op::Crash, 1).golden(
        20_000,
        "takeover",
        "r1 (150) dies without a word; r2 (100) waits its down interval",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn a_master_that_is_back_in_time_goes_on_and_nobody_takes_over() {
    let end = network(&[150, 100])
        .at(10_300, Op::Crash, 1)
        .at(11_000, Op::Start, 1)
        .at(20_300, Op::Crash, 1)
        .at(22_700, Op::Start, 1)
        .golden(
            30_000,
            "resume",
            "r1 (150) dies twice and is back within three intervals of its last advert; r2 (100) notices nothing",
        );
    assert_eq!(masters(&end), [1]);
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn a_master_that_is_back_late_or_while_another_is_master_begins_anew() {
    let end = network(&[100, 150])
        .only(2, |p| p.nopreempt = true)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_700, Op::Crash, 1)
        .at(13_650, Op::Start, 1)
        .at(40_000, Op::Crash, 2)
        .at(43_200, Op::Start, 2)
        .golden(
            60_000,
            "resume_late",
            "r1 (100) comes back after three intervals, r2 (150, nopreempt) is master; then the other way round",
        );
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn a_stronger_router_that_returns_preempts() {
    let end = network(&[150, 100])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(
            30_000,
            "preempt",
            "r1 (150) comes back and takes the addresses from r2 (100)",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn with_nopreempt_it_waits_until_the_weaker_one_dies() {
    let end = network(&[150, 100])
        .only(1, |p| p.nopreempt = true)
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .at(40_000, Op::Crash, 2)
        .golden(
            50_000,
            "nopreempt",
            "r1 (150, nopreempt) comes back and follows r2 (100) while that lives",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn with_preempt_delay_it_lets_the_weaker_one_for_that_long() {
    let end = network(&[150, 100])
        .only(1, |p| p.preempt_delay = Duration::from_secs(10))
        .at(10_000, Op::Crash, 1)
        .at(20_500, Op::Start, 1)
        .golden(40_000, "preempt_delay", "r1 (150, preempt_delay 10) comes back; the delay starts with the first advert of r2 (100)");
    assert_eq!(masters(&end), [1]);
}

#[test]
fn a_resigning_master_is_followed_within_one_skew() {
    let end = network(&[150, 100, 50]).at(10_000, Op::Stop, 1).golden(
        20_000,
        "resign",
        "r1 (150) is stopped and resigns; r2 (100) waits one skew, r3 (50) hears it in time",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn of_equals_started_together_the_higher_address_stays() {
    let end = network(&[100, 100]).golden(
        10_000,
        "equal",
        "two of priority 100 start together; both take over, the higher address (r2) stays",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn three_routers_hand_the_addresses_round() {
    let end = network(&[150, 100, 50])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Crash, 2)
        .at(30_000, Op::Start, 2)
        .at(40_000, Op::Start, 1)
        .golden(
            50_000,
            "ring",
            "r1 (150), r2 (100), r3 (50): the strongest alive is master",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn a_frozen_master_that_thaws_asserts_itself_if_it_is_the_stronger() {
    let end = network(&[150, 100])
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(25_000, "freeze_master", "r1 (150) is frozen for 7 s; r2 (100) takes over; two masters only for the time of a packet");
    assert_eq!(masters(&end), [1]);
    let flight = Duration::from_micros(200);
    assert!(
        end.oracle.longest_two <= flight,
        "{:?}",
        end.oracle.longest_two
    );
}

#[test]
fn a_frozen_master_that_thaws_yields_without_a_word_if_it_is_the_weaker() {
    let end = network(&[100, 150])
        .only(2, |p| p.nopreempt = true)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(
            25_000,
            "freeze_weaker_master",
            "r1 (100) is master because r2 (150) does not pre-empt; frozen for 7 s it loses that",
        );
    assert_eq!(masters(&end), [2]);
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn a_frozen_backup_that_thaws_reads_its_socket_before_its_timer() {
    let end = network(&[150, 100])
        .at(10_300, Op::Freeze, 2)
        .at(17_300, Op::Thaw, 2)
        .golden(
            25_000,
            "freeze_backup",
            "r2 (100) is frozen for 7 s; r1 (150) goes on; nothing happens",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn a_suspended_backup_listens_before_it_takes_over() {
    let end = network(&[150, 100])
        .at(10_300, Op::Suspend, 2)
        .at(17_300, Op::Thaw, 2)
        .at(20_300, Op::Suspend, 2)
        .at(21_000, Op::Crash, 1)
        .at(30_000, Op::Thaw, 2)
        .golden(40_000, "suspend_backup", "r2 (100) is suspended twice and hears nothing; the second time r1 (150) dies meanwhile");
    assert_eq!(masters(&end), [2]);
}

#[test]
fn a_v3_backup_adopts_the_masters_interval() {
    let end = network(&[150, 100])
        .all(|p| p.version = Version::V3)
        .only(1, |p| p.advert_int = Centis(300))
        .at(15_000, Op::Crash, 1)
        .golden(
            30_000,
            "v3_interval",
            "r1 (150) advertises every 3 s, r2 (100) every second: r2 waits 3 × 3 s + skew",
        );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn an_owner_is_master_from_the_first_moment() {
    let end = network(&[255, 100])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(
            30_000,
            "owner",
            "r1 owns the addresses; r2 (100) stands in for it",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn of_two_owners_the_higher_address_gives_way_until_the_other_is_gone() {
    let end = network(&[255, 255]).at(20_000, Op::Crash, 1).golden(
        30_000,
        "two_owners",
        "r1 and r2 both claim to own the addresses; r1 has the lower address",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn a_startup_delay_holds_the_timers_but_not_the_ears() {
    let end = network(&[150, 255, 100])
        .hold(10_000)
        .at(100, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .golden(
            30_000,
            "startup_delay",
            "vrrp_startup_delay 10: nobody takes over before; the owner r2 starts later",
        );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn a_healed_partition_has_one_master_within_the_flight_of_a_packet() {
    let end = network(&[150, 100, 50])
        .partition(10_000, &[0, 1, 1])
        .partition(20_000, &[0, 0, 0])
        .golden(
            30_000,
            "partition",
            "r1 (150) is cut off from r2 (100) and r3 (50) and comes back",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn state_master_only_shortens_the_first_wait() {
    let end = network(&[100, 150])
        .only(1, |p| p.initial_master = true)
        .golden(
            10_000,
            "state_master",
            "r1 (100, state MASTER) is first, r2 (150) takes it over",
        );
    assert_eq!(masters(&end), [2]);
}

// ---- random networks ----

const DEFAULT_SEEDS: u64 = 1000;
const DEFAULT_GROUP_SEEDS: u64 = 240;

/// Makes a network and tells when its history ends.
type Make = fn(u64) -> (Segment, Duration);

fn run(seed: u64, make: Make) -> Segment {
    let (mut segment, end) = make(seed);
    let print = std::env::var_os("VRRPD_SIM_SEED").is_some();
    segment.verbose = print;
    let outcome = catch_unwind(AssertUnwindSafe(|| segment.run_until(end)));
    if print || outcome.is_err() {
        for node in &segment.nodes {
            println!(
                "{} on {} {} hold {:?} {:?}",
                node.name, node.net, node.addr, node.hold, node.params
            );
        }
        println!("{:?}\n{}", segment.faults, segment.transcript.join("\n"));
    }
    if let Err(panic) = outcome {
        println!(
            "t={:?}: failed; VRRPD_SIM_SEED={seed} replays it",
            segment.elapsed()
        );
        resume_unwind(panic);
    }
    segment
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Every `step`-th seed from `first`: the halves run side by side.
fn run_seeds(first: u64, step: usize, default: u64, make: Make) {
    if let Some(seed) = env("VRRPD_SIM_SEED") {
        if first == 0 {
            run(seed, make);
        }
        return;
    }
    let seeds = env("VRRPD_SIM_SEEDS").unwrap_or(default);
    let mut takeovers = 0;
    for seed in (first..seeds).step_by(step) {
        let segment = run(seed, make);
        takeovers += segment.nodes.iter().filter(|n| n.is_master()).count();
    }
    assert!(takeovers as u64 > seeds / 4, "hardly anybody became master");
}

#[test]
fn random_networks_keep_to_the_bounds_even_seeds() {
    run_seeds(0, 2, DEFAULT_SEEDS, chaos::network);
}

#[test]
fn random_networks_keep_to_the_bounds_odd_seeds() {
    run_seeds(1, 2, DEFAULT_SEEDS, chaos::network);
}

#[test]
fn random_groups_keep_to_the_bounds_even_seeds() {
    run_seeds(0, 2, DEFAULT_GROUP_SEEDS, chaos::networks);
}

#[test]
fn random_groups_keep_to_the_bounds_odd_seeds() {
    run_seeds(1, 2, DEFAULT_GROUP_SEEDS, chaos::networks);
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    for seed in 0..50 {
        let make = if seed % 5 == 0 {
            chaos::networks
        } else {
            chaos::network
        };
        let (once, again) = (run(seed, make), run(seed, make));
        assert_eq!(once.transcript, again.transcript, "seed {seed}");
        assert_eq!(once.sent, again.sent, "seed {seed}");
    }
}
