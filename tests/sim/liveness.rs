//! What must hold of synchronization groups, besides that none is split (`Segment::check_groups`).
//!
//! A group is *free* while its process runs, all its members are ready, and no member has a master in its
//! part of its network that it must respect. Then all of them must be master within
//! max over members of (hold + preempt_delay + I + down) + I + patience (at most I) + 2·D,
//! counted from the last disturbance or from when the last obstacle went away: the slowest member's
//! timer, and one more turn of asking.
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

/// A master that this member must respect.
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

fn bound(segment: &Segment, members: &[usize], begin: Instant) -> Duration {
    let wait = |i: &usize| {
        let node = &segment.nodes[*i];
        hold_left(node, begin) + node.params.preempt_delay + Oracle::longest_down(segment, *i)
    };
    let slowest = members.iter().map(wait).max().unwrap_or_default();
    slowest + Oracle::longest_interval(segment) * 3 + Oracle::slack(segment)
}
