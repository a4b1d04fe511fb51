//! Stories of synchronization groups. Instances are numbered r1a, r1b, r2a, r2b; operations on a link or an
//! address name those (from 0), operations on a process its router (from 1).

use std::time::Duration;

use crate::operate::{Op, Reload};
use crate::scenario::pairs;
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
fn a_broken_link_moves_both_sides_and_back() {
    let end = pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Link(R1B, false))
        .then(20_000, Op::Link(R1B, true))
        .golden(
            30_000,
            "group_link",
            "r1 (150) loses its link on b: both its instances resign, r2 (100) takes over on both sides, until the link is back",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn a_dead_router_is_replaced_on_both_sides_at_once() {
    let end = pairs(&[(150, 150), (100, 100)])
        .all(|p| p.stagger = Duration::from_millis(if p.priority.0 == 150 { 300 } else { 0 }))
        .at(10_000, Op::Crash, 1)
        .golden(
            20_000,
            "group_crash",
            "r1 (150) dies; the instances of r2 (100) become master in the same moment",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn a_network_cut_in_two_does_not_split_the_groups() {
    let end = pairs(&[(150, 150), (100, 100)])
        .partition(10_000, &[0, 0, 0, 1])
        .partition(40_000, &[0, 0, 0, 0])
        .golden(
            50_000,
            "group_partition",
            "on side b the routers do not hear each other for 30 s: r2b (100) would be master, r2a hears r1a, so r1 (150) stays; nothing moves",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn two_routers_with_a_broken_link_each_are_both_in_fault() {
    let end = pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Link(R1A, false))
        .then(15_000, Op::Link(R2B, false))
        .then(30_000, Op::Link(R2B, true))
        .golden(
            45_000,
            "group_both_broken",
            "r1 loses its link on a, r2 on b: nobody can be master on both sides, nobody is; r2 is mended and takes over",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn two_routers_that_are_each_cut_off_on_one_side_do_not_play_ping_pong() {
    let end = pairs(&[(150, 150), (100, 100)])
        .partition(10_000, &[1, 0, 0, 1])
        .partition(40_000, &[0, 0, 0, 1])
        .golden(
            60_000,
            "group_cut_off",
            "r1 is cut off on a, r2 on b, links up: each is alone on both sides and master; a is healed, r2 yields and stays backup",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn of_equals_whose_addresses_are_in_opposite_orders_one_wins_on_both_sides() {
    let end = pairs(&[(100, 100), (100, 100)]).golden(
        20_000,
        "group_equal",
        "both take over in the same moment; r2 has the higher address on a, r1 on b, so both yield; with unlike patience one is first the next time",
    );
    assert_eq!(masters(&end).len(), 2);
}

#[test]
fn unlike_priorities_leave_mastership_where_it_is() {
    let end = pairs(&[(150, 100), (100, 150)])
        .at(0, Op::Stop, 2)
        .at(10_000, Op::Start, 2)
        .at(30_000, Op::Crash, 1)
        .at(40_000, Op::Start, 1)
        .golden(
            60_000,
            "group_unlike",
            "r1 (150 on a, 100 on b) is master; r2 (100, 150) may not pre-empt on b while it must respect r1 on a; the same the other way round",
        );
    assert_eq!(masters(&end), R2);
}

#[test]
fn a_stronger_master_on_one_side_takes_both() {
    let end = pairs(&[(150, 150), (100, 100)])
        .only(1, |p| p.preempt_delay = Duration::from_secs(5))
        .at(0, Op::Stop, 1)
        .at(10_000, Op::Start, 1)
        .golden(
            30_000,
            "group_preempt_delay",
            "r1 (150) comes back to r2 (100); r1a waits preempt_delay 5, r1b for r1a",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn an_owner_waits_for_the_other_members() {
    let end = pairs(&[(255, 150), (100, 100)])
        .at(10_000, Op::Crash, 1)
        .at(20_000, Op::Start, 1)
        .golden(
            35_000,
            "group_owner",
            "r1 owns the addresses on a, has 150 on b, and takes over on both when b may",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn a_failing_script_moves_the_group() {
    let end = pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Script(0, false))
        .then(20_000, Op::Script(0, true))
        .golden(
            30_000,
            "group_script",
            "the script that r1 tracks fails for 10 s",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn instances_that_become_a_group_by_reload_go_by_the_one_in_fault() {
    let reload = |grouped| Reload {
        priority: 150,
        slow: false,
        nopreempt: false,
        grouped,
    };
    let end = pairs(&[(150, 150), (100, 100)])
        .then(10_000, Op::Reload(0, reload(false)))
        .then(20_000, Op::Link(R1B, false))
        .then(30_000, Op::Reload(0, reload(true)))
        .then(40_000, Op::Link(R1B, true))
        .golden(
            55_000,
            "group_reload",
            "r1 (150) gives up its group and takes it back: alone, r1a stays master while r1b has no link",
        );
    assert_eq!(masters(&end), R1);
}

#[test]
fn a_frozen_router_yields_on_both_sides_when_it_goes_on() {
    let end = pairs(&[(100, 100), (150, 150)])
        .all(|p| p.nopreempt = p.priority.0 == 150)
        .at(500, Op::Stop, 2)
        .at(6_000, Op::Start, 2)
        .at(10_300, Op::Freeze, 1)
        .at(17_300, Op::Thaw, 1)
        .golden(
            25_000,
            "group_freeze",
            "r1 (100) is frozen for 7 s; r2 (150, nopreempt) takes over; r1 yields before it has said a word",
        );
    assert_eq!(masters(&end), R2);
}
