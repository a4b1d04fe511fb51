//! Scenarios with sync groups. Instances are named r1a, r1b, r2a, r2b; operations on a link or an
//! address take the index of the instance (from 0), operations on a process that of the router
//! (from 1).

use std::time::Duration;

use crate::ops::{Op, Reload};
use crate::scenario::sync_group_pairs;
use crate::segment::Segment;

const R1A: usize = 0;
const R1B: usize = 1;
const R2B: usize = 3;

/// Instances that are master at the end.
fn masters(segment: &Segment) -> Vec<&'static str> {
    let nodes = segment.nodes.iter();
    nodes
        .filter(|n| n.running() && n.is_master())
        .map(|n| n.name)
        .collect()
}

const R1: [&str; 2] = ["r1a", "r1b"];
const R2: [&str; 2] = ["r2a", "r2b"];

#[test]
fn sync_group_fails_over_with_one_link_and_fails_back() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Link(R1B, false))
        .then(20_000, Op::Link(R1B, true))
        .golden(
            30_000,
            "group_link",
            "r1 (150) loses its link on b: both its instances resign, r2 (100) takes over on both networks until the link is back",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_group_takes_over_all_instances_at_once() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .all(|p| p.stagger = Duration::from_millis(if p.priority.0 == 150 { 300 } else { 0 }))
        .at(10_000, Op::Crash, 1)
        .golden(
            20_000,
            "group_crash",
            "r1 (150) crashes; both instances of r2 (100) become master at the same time",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn sync_group_is_not_split_by_a_partition_of_one_network() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .partition(10_000, &[0, 0, 0, 1])
        .partition(40_000, &[0, 0, 0, 0])
        .golden(
            50_000,
            "group_partition",
            "network b is partitioned for 30 s: r2b (100) would become master, but r2a receives r1a, so r1 (150) stays master",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_groups_with_one_failed_link_each_are_both_in_fault() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Link(R1A, false))
        .then(15_000, Op::Link(R2B, false))
        .then(30_000, Op::Link(R2B, true))
        .golden(
            45_000,
            "group_both_links_failed",
            "r1 loses its link on a, r2 on b: neither can be master on both networks; the link of r2 is restored and it takes over",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn sync_groups_cut_off_on_different_networks_do_not_flap() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .partition(10_000, &[1, 0, 0, 1])
        .partition(40_000, &[0, 0, 0, 1])
        .golden(
            60_000,
            "group_cut_off",
            "r1 is cut off on a, r2 on b, with links up: both are master; a heals, r2 yields and stays backup",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_groups_of_equal_priority_and_opposite_address_order_elect_one_master() {
    let end = sync_group_pairs(&[(100, 100), (100, 100)]).golden(
        20_000,
        "group_equal",
        "both take over at the same time; r2 has the higher address on a, r1 on b, so both yield; the second time their timers differ",
    );
    assert_eq!(masters(&end).len(), 2);
}

#[test]
fn sync_groups_with_opposite_priorities_leave_mastership_where_it_is() {
    let end = sync_group_pairs(&[(150, 100), (100, 150)])
        .at(0, Op::Stop, 2)
        .at(10_000, Op::Start, 2)
        .at(30_000, Op::Crash, 1)
        .at(40_000, Op::Start, 1)
        .golden(
            60_000,
            "group_opposite_priorities",
            "r1 (150 on a, 100 on b) is master; r2 (100, 150) may not pre-empt on b because of r1 on a; then the other way round",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn sync_group_preempts_on_both_networks_after_preempt_delay() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .only(1, |p| p.preempt_delay = Duration::from_secs(5))
        .at(0, Op::Stop, 1)
        .at(10_000, Op::Start, 1)
        .golden(
            30_000,
            "group_preempt_delay",
            "r1 (150) returns while r2 (100) is master; r1a waits preempt_delay 5, r1b waits for r1a",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_group_with_an_address_owner_waits_for_the_other_members() {
    let end = sync_group_pairs(&[(255, 150), (100, 100)])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(
            35_000,
            "group_owner",
            "r1 owns the addresses on a, has priority 150 on b, and takes over on both when b may",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_group_fails_over_when_a_tracked_script_fails() {
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Script(0, false))
        .then(20_000, Op::Script(0, true))
        .golden(
            30_000,
            "group_script",
            "the script tracked by r1 fails for 10 s",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn sync_group_formed_by_reload_follows_the_member_in_fault() {
    let reload = |grouped| Reload {
        priority: 150,
        slow: false,
        nopreempt: false,
        grouped,
    };
    let end = sync_group_pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Reload(0, reload(false)))
        .then(20_000, Op::Link(R1B, false))
        .then(30_000, Op::Reload(0, reload(true)))
        .then(40_000, Op::Link(R1B, true))
        .golden(
            55_000,
            "group_reload",
            "r1 (150) leaves and re-creates its group by reload: without it, r1a stays master while r1b has no link",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn frozen_sync_group_yields_on_both_networks_when_continued() {
    let end = sync_group_pairs(&[(100, 100), (150, 150)])
        .all(|p| p.nopreempt = p.priority.0 == 150)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(
            25_000,
            "group_freeze",
            "r1 (100) is frozen for 7 s; r2 (150, nopreempt) takes over; r1 yields before it sends an advert",
        );
    assert_eq!(masters(&end), R2);
}
