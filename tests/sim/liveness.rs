//! What must hold of synchronization groups, besides that none is split (`Segment::check_groups`).
//!
//! A group is *free* while its process runs, all its members are ready, and no member has a master in its
//! part of its network that it must respect. Then all of them must be master within
//! hold + preempt_delay + I + down (of each the longest of any member) + I + patience (at most I) + 2·D,
//! counted from the last disturbance or from when the last obstacle went away: the slowest member's
//! timer, and one more turn of asking.
//!
//! Nobody takes over from a master that it must respect (`check_takeover`; this holds without groups, too).
//!
//! That two groups do not take mastership from each other for ever is the oracle's restlessness bound.

use std::time::Duration;

use vrrpd::types::Instant;

use crate::oracle::{Oracle, hold_left};
use crate::segment::Segment;

/// Since when each router's group is free and not master.
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
            let begin = *since.get_or_insert(segment.now);
            let begin = begin.max(segment.oracle.disturbed_at);
            let lasted = segment.now.since(begin);
            let bound = bound(segment, &router.nodes, begin);
            let name = router.name;
            assert!(
                lasted <= bound,
                "{name}'s group is free for {lasted:?} > {bound:?}"
            );
        }
    }
}

/// Ready, not master, and nobody to respect.
fn is_free(segment: &Segment, members: &[usize]) -> bool {
    members.iter().all(|i| {
        let node = &segment.nodes[*i];
        node.ready() && !node.is_master() && node.link_up && obstacle(segment, *i).is_none()
    })
}

/// Router `i` has become master: nobody it had to respect, and must have heard, was master.
pub fn check_takeover(segment: &Segment, i: usize) {
    let Some(other) = obstacle(segment, i) else {
        return;
    };
    // Of two masters that have just been there together, it may have heard the other one last.
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

/// A master that this instance must respect.
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

/// Until the slowest member is willing, a weaker master may appear, and only then does a delay begin.
fn bound(segment: &Segment, members: &[usize], begin: Instant) -> Duration {
    let longest = |wait: &dyn Fn(usize) -> Duration| {
        let waits = members.iter().map(|i| wait(*i));
        waits.max().unwrap_or_default()
    };
    let hold = longest(&|i| hold_left(&segment.nodes[i], begin));
    let delay = longest(&|i| segment.nodes[i].params.preempt_delay);
    let down = longest(&|i| Oracle::longest_down(segment, i));
    hold + delay + down + Oracle::longest_interval(segment) * 3 + Oracle::slack(segment)
}
