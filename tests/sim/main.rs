//! Networks of routers in virtual time: scenarios with golden transcripts, and random networks
//! checked against the invariants in `oracle.rs` and `liveness.rs`.
//!
//! `VRRPD_SIM_SEEDS=n` runs n random networks (default 1000, and 240 with sync groups),
//! `VRRPD_SIM_SEED=s` runs only network s and prints its transcript. A failure prints its seed.
#![allow(unreachable_pub, clippy::cast_possible_truncation)]

#[path = "../support/golden.rs"]
mod golden;
mod liveness;
mod node;
mod ops;
mod oracle;
mod random;
mod resume;
#[path = "../support/rng.rs"]
mod rng;
mod router;
mod scenario;
mod segment;

mod sync_groups;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use ops::Op;
use scenario::network;
use segment::Segment;
use vrrpd::types::{Centis, Version};

// ---- scenarios ----

/// Numbers (from 1) of the routers that are master.
fn masters(segment: &Segment) -> Vec<usize> {
    (1..=segment.nodes.len())
        .filter(|n| segment.nodes[n - 1].running() && segment.nodes[n - 1].is_master())
        .collect()
}

#[test]
fn backup_takes_over_when_the_master_crashes() {
    let end = network(&[150, 100]).at(10_000, Op::Crash, 1).golden(
        20_000,
        "takeover",
        "r1 (150) crashes; r2 (100) waits its down interval",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn restarted_master_resumes_within_the_peer_down_interval() {
    let end = network(&[150, 100])
        .at(10_300, Op::Crash, 1)
        .at(11_000, Op::Start, 1)
        .at(20_300, Op::Crash, 1)
        .at(22_700, Op::Start, 1)
        .golden(
            30_000,
            "resume",
            "r1 (150) crashes twice and is back within three intervals of its last advert; r2 (100) stays backup",
        );
    assert_eq!(masters(&end), [1]);
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn restarted_master_does_not_resume_if_late_or_if_another_is_master() {
    let end = network(&[100, 150])
        .only(2, |p| p.nopreempt = true)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_700, Op::Crash, 1)
        .at(14_300, Op::Start, 1)
        .at(40_000, Op::Crash, 2)
        .at(43_200, Op::Start, 2)
        .golden(
            60_000,
            "resume_late",
            "r1 (100) returns after its down interval, r2 (150, nopreempt) is master; then r2 returns after three intervals",
        );
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

/// Its own skew is the reserve for a start that takes long, but r2 has taken over with a shorter
/// one: r2 answers.
#[test]
fn master_that_resumes_after_a_nopreempt_peer_took_over_yields_at_once() {
    let end = network(&[100, 150])
        .only(2, |p| p.nopreempt = true)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_700, Op::Crash, 1)
        .at(14_100, Op::Start, 1)
        .golden(
            30_000,
            "resume_contested",
            "r1 (100) returns between the skew of r2 (150, nopreempt) and its own",
        );
    assert_eq!(masters(&end), [2]);
    // The delay of an advert and of the reply.
    assert!(end.oracle.longest_two <= Duration::from_micros(400));
}

#[test]
fn returning_router_with_higher_priority_preempts() {
    let end = network(&[150, 100])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(30_000, "preempt", "r1 (150) returns and pre-empts r2 (100)");
    assert_eq!(masters(&end), [1]);
}

#[test]
fn nopreempt_router_waits_until_the_lower_priority_master_crashes() {
    let end = network(&[150, 100])
        .only(1, |p| p.nopreempt = true)
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .at(40_000, Op::Crash, 2)
        .golden(
            50_000,
            "nopreempt",
            "r1 (150, nopreempt) returns and stays backup until r2 (100) crashes",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn preempt_delay_postpones_preemption() {
    let end = network(&[150, 100])
        .only(1, |p| p.preempt_delay = Duration::from_secs(10))
        .at(10_000, Op::Crash, 1)
        .at(20_500, Op::Start, 1)
        .golden(40_000, "preempt_delay", "r1 (150, preempt_delay 10) returns; the delay starts with the first advert of r2 (100)");
    assert_eq!(masters(&end), [1]);
}

#[test]
fn priority_0_makes_the_backup_take_over_after_its_skew_time() {
    let end = network(&[150, 100, 50]).at(10_000, Op::Stop, 1).golden(
        20_000,
        "resign",
        "r1 (150) is stopped and sends priority 0; r2 (100) waits its skew time, r3 (50) receives it in time",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn equal_priorities_the_higher_address_stays_master() {
    let end = network(&[100, 100]).golden(
        10_000,
        "equal",
        "two routers of priority 100 start together; both take over, the higher address (r2) stays master",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn the_running_router_with_the_highest_priority_is_master() {
    let end = network(&[150, 100, 50])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Crash, 2)
        .at(30_000, Op::Start, 2)
        .at(40_000, Op::Start, 1)
        .golden(
            50_000,
            "highest_priority",
            "r1 (150), r2 (100), r3 (50): the running router with the highest priority is master",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn frozen_master_with_higher_priority_reasserts_itself_when_continued() {
    let end = network(&[150, 100])
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(25_000, "freeze_master", "r1 (150) is frozen for 7 s; r2 (100) takes over; two masters only for one packet delay");
    assert_eq!(masters(&end), [1]);
    let flight = Duration::from_micros(200);
    assert!(
        end.oracle.longest_two <= flight,
        "{:?}",
        end.oracle.longest_two
    );
}

#[test]
fn frozen_master_with_lower_priority_yields_without_an_advert() {
    let end = network(&[100, 150])
        .only(2, |p| p.nopreempt = true)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(
            25_000,
            "freeze_lower_priority_master",
            "r1 (100) is master because r2 (150) does not pre-empt; it loses mastership when frozen for 7 s",
        );
    assert_eq!(masters(&end), [2]);
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn frozen_backup_reads_queued_adverts_before_its_down_timer() {
    let end = network(&[150, 100])
        .at(10_300, Op::Freeze, 2)
        .at(17_300, Op::Thaw, 2)
        .golden(
            25_000,
            "freeze_backup",
            "r2 (100) is frozen for 7 s while r1 (150) is master; no state changes",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn suspended_backup_listens_before_it_takes_over() {
    let end = network(&[150, 100])
        .at(10_300, Op::Suspend, 2)
        .at(17_300, Op::Thaw, 2)
        .at(20_300, Op::Suspend, 2)
        .at(21_000, Op::Crash, 1)
        .at(30_000, Op::Thaw, 2)
        .golden(40_000, "suspend_backup", "r2 (100) is suspended twice and receives nothing; the second time r1 (150) crashes meanwhile");
    assert_eq!(masters(&end), [2]);
}

#[test]
fn v3_backup_adopts_the_advert_interval_of_the_master() {
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
fn address_owner_is_master_immediately() {
    let end = network(&[255, 100])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(
            30_000,
            "owner",
            "r1 owns the addresses; r2 (100) is its backup",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn two_address_owners_the_higher_address_yields() {
    let end = network(&[255, 255]).at(20_000, Op::Crash, 1).golden(
        30_000,
        "two_owners",
        "r1 and r2 both claim to own the addresses; r1 has the lower address",
    );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn vrrp_startup_delay_postpones_timers_while_adverts_are_received() {
    let end = network(&[150, 255, 100])
        .hold(10_000)
        .at(100, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .golden(
            30_000,
            "startup_delay",
            "vrrp_startup_delay 10: no router takes over before; the owner r2 starts later",
        );
    assert_eq!(masters(&end), [2]);
}

#[test]
fn healed_partition_has_one_master_within_one_packet_delay() {
    let end = network(&[150, 100, 50])
        .partition(10_000, &[0, 1, 1])
        .partition(20_000, &[0, 0, 0])
        .golden(
            30_000,
            "partition",
            "r1 (150) is partitioned from r2 (100) and r3 (50), then the partition heals",
        );
    assert_eq!(masters(&end), [1]);
}

#[test]
fn state_master_only_shortens_the_first_down_interval() {
    let end = network(&[100, 150])
        .only(1, |p| p.initial_master = true)
        .golden(
            10_000,
            "state_master",
            "r1 (100, state MASTER) is master first, then r2 (150) pre-empts it",
        );
    assert_eq!(masters(&end), [2]);
}

// ---- maintenance ----

#[test]
fn demoted_router_does_not_take_over_until_it_is_promoted() {
    let end = network(&[150, 100])
        .at(10_000, Op::Demote, 1)
        .at(20_000, Op::Crash, 2)
        .at(30_000, Op::Start, 2)
        .at(40_000, Op::Promote, 1)
        .golden(
            50_000,
            "maintenance",
            "r1 (150) is demoted, stays backup although r2 (100) crashes, and preempts r2 once it is promoted",
        );
    assert_eq!(masters(&end), [1]);
    assert_eq!(end.oracle.longest_two, Duration::ZERO);
}

#[test]
fn demoted_address_owner_survives_a_crash_as_backup() {
    let end = network(&[255, 100])
        .at(10_000, Op::Demote, 1)
        .at(20_000, Op::Crash, 1)
        .at(21_000, Op::Start, 1)
        .at(30_000, Op::Promote, 1)
        .at(40_000, Op::Demote, 1)
        .at(50_000, Op::Stop, 1)
        .at(60_000, Op::Start, 1)
        .golden(
            70_000,
            "maintenance_owner",
            "the owner r1 is demoted, killed and restarted, and promoted; demoted again, its maintenance ends with a stop",
        );
    assert_eq!(masters(&end), [1]);
}

/// The time without a master is the skew of the router that follows, and the flight of the advert.
#[test]
fn demotion_hands_over_within_the_skew_time() {
    for (version, interval) in [(Version::V2, 100), (Version::V3, 100), (Version::V3, 10)] {
        for priority in [254_u8, 100, 1] {
            let mut network = network(&[255, priority]).all(|p| {
                p.version = version;
                p.advert_int = Centis(interval);
            });
            network = network.at(10_000, Op::Demote, 1);
            let mut segment = network.segment;
            segment.run_until(Duration::from_secs(20));
            assert_eq!(masters(&segment), [2]);
            let demoted = segment.origin().after(Duration::from_secs(10));
            let gap = segment.nodes[1].since.since(demoted);
            let unit = u32::from(if version == Version::V2 {
                100
            } else {
                interval
            });
            let skew = Duration::from_millis(10) * unit * (256 - u32::from(priority)) / 256;
            let flight = Duration::from_micros(200);
            assert_eq!(gap, skew + flight, "{version:?} {priority}");
        }
    }
}

// ---- random networks ----

const DEFAULT_SEEDS: u64 = 1000;
const DEFAULT_GROUP_SEEDS: u64 = 240;

/// Creates a network from a seed; also returns the end of the run.
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

/// Runs every `step`-th seed from `first`, so that the halves run in parallel.
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
    assert!(
        takeovers as u64 > seeds / 4,
        "too few routers became master"
    );
}

#[test]
fn random_networks_satisfy_the_oracle_even_seeds() {
    run_seeds(0, 2, DEFAULT_SEEDS, random::network);
}

#[test]
fn random_networks_satisfy_the_oracle_odd_seeds() {
    run_seeds(1, 2, DEFAULT_SEEDS, random::network);
}

#[test]
fn random_sync_groups_satisfy_the_oracle_even_seeds() {
    run_seeds(0, 2, DEFAULT_GROUP_SEEDS, random::networks);
}

#[test]
fn random_sync_groups_satisfy_the_oracle_odd_seeds() {
    run_seeds(1, 2, DEFAULT_GROUP_SEEDS, random::networks);
}

#[test]
fn the_same_seed_gives_the_same_transcript() {
    for seed in 0..50 {
        let make = if seed % 5 == 0 {
            random::networks
        } else {
            random::network
        };
        let (once, rebuilt) = (run(seed, make), run(seed, make));
        assert_eq!(once.transcript, rebuilt.transcript, "seed {seed}");
        assert_eq!(once.sent, rebuilt.sent, "seed {seed}");
    }
}
