//! Invariants of sync groups, besides that none is split (`Segment::check_groups`).
//!
//! A group is *free* while its process runs, all its members are ready, and no member has a master
//! in its partition that it may not pre-empt. Then all members must be master within hold +
//! preempt_delay + I + down (the longest of any member) + I + stagger (at most I) + 2·D after the
//! last disturbance or after the group became free: the timer of the slowest member, and one more
//! request.
//!
//! No instance takes over from a master that it may not pre-empt (`check_takeover`; also without
//! groups).
//!
//! The stability bound of the oracle implies that two groups do not alternate for ever.

use std::time::Duration;

use vrrpd::types::Instant;

use crate::oracle::{Oracle, hold_left};
use crate::segment::Segment;

/// Since when the group of each router has been free and not master.
#[derive(Clone, Debug, Default)]
pub struct Groups {
    free: [Option<Instant>; 5],
}

impl Groups {
    pub fn check(&mut self, segment: &Segment) {
        for (router, since) in segment.routers.iter().zip(&mut self.free) {
            if !router.grouped || !is_free(segment, &router.nodes) {
                *since = None;
                continue;
            }
            let start = *since.get_or_insert(segment.now);
            let start = start.max(segment.oracle.disturbed_at);
            let lasted = segment.now.since(start);
            let bound = bound(segment, &router.nodes, start);
            let name = router.name;
            assert!(
                lasted <= bound,
                "{name}'s group is free for {lasted:?} > {bound:?}"
            );
        }
    }
}

/// Whether all members are ready, not master, and have no obstacle.
fn is_free(segment: &Segment, members: &[usize]) -> bool {
    members.iter().all(|i| {
        let node = &segment.nodes[*i];
        node.ready() && !node.is_master() && node.link_up && obstacle(segment, *i).is_none()
    })
}

/// Checks, when instance `i` becomes master, that no other master it must have received and may not
/// pre-empt exists.
pub fn check_takeover(segment: &Segment, i: usize) {
    let Some(other) = obstacle(segment, i) else {
        return;
    };
    // If there were two masters just before, it may have received the other one last.
    let neighbors = segment
        .nodes
        .iter()
        .filter(|n| n.net == segment.nodes[i].net);
    let changed = neighbors
        .filter(|n| n.name != segment.nodes[i].name)
        .map(|n| n.since);
    let settled = changed
        .max()
        .unwrap_or(segment.now)
        .max(segment.oracle.disturbed_at);
    let known = segment.now.since(settled.max(segment.nodes[i].started_at));
    let bound = Oracle::longest_interval(segment) + Oracle::slack(segment);
    let (name, other) = (segment.nodes[i].name, segment.nodes[other].name);
    assert!(
        known <= bound,
        "{name} takes over from {other}, master for {known:?}"
    );
}

/// A master that this instance may not pre-empt.
fn obstacle(segment: &Segment, i: usize) -> Option<usize> {
    let node = &segment.nodes[i];
    let ours = node.machine.effective_priority();
    (0..segment.nodes.len()).find(|other| {
        let master = &segment.nodes[*other];
        *other != i
            && master.net == node.net
            && segment.parts[*other] == segment.parts[i]
            && master.link_up
            && master.running()
            && master.is_master()
            && (node.params.nopreempt || master.machine.effective_priority() >= ours)
    })
}

/// A lower-priority master may appear until the slowest member is ready; preempt_delay starts then.
fn bound(segment: &Segment, members: &[usize], start: Instant) -> Duration {
    let longest = |wait: &dyn Fn(usize) -> Duration| {
        let waits = members.iter().map(|i| wait(*i));
        waits.max().unwrap_or_default()
    };
    let hold = longest(&|i| hold_left(&segment.nodes[i], start));
    let delay = longest(&|i| segment.nodes[i].params.preempt_delay);
    let down = longest(&|i| Oracle::longest_down(segment, i));
    hold + delay + down + Oracle::longest_interval(segment) * 3 + Oracle::slack(segment)
}
