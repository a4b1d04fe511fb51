//! A router: the instances of one process, on one network each, that may form a sync group. Does
//! for the group what `engine` does.

use vrrpd::vrrp::group::{self, Decision, MemberState};
use vrrpd::vrrp::{Action, Event, Reason};

use vrrpd::types::{Centis, Priority, Version};

use crate::node::Change;
use crate::ops::Reload;
use crate::segment::Segment;

/// One process; its instances are nodes of the segment.
#[derive(Debug)]
pub struct Router {
    pub name: &'static str,
    pub nodes: Vec<usize>,
    /// Whether its instances form a sync group.
    pub grouped: bool,
    /// Result of its script, which all its instances track.
    pub script_ok: bool,
    /// Weight of the script; 0: FAULT while it fails.
    pub script_weight: i16,
}

impl Segment {
    /// Lets the group follow a request or a transition of one of its members.
    pub fn sync_group(&mut self, node: usize, actions: &[Action]) {
        let concerns = |a: &Action| matches!(a, Action::RequestGroup | Action::Transition { .. });
        if actions.iter().any(concerns) {
            self.decide_group(self.nodes[node].router);
        }
    }

    /// Moves the members of a group to a common state.
    pub fn decide_group(&mut self, router: usize) {
        if !self.routers[router].grouped {
            return;
        }
        let event = match group::decide(self.member_states(router).into_iter()) {
            Decision::Unchanged => return,
            Decision::AllMaster => Event::GroupMaster,
            Decision::AllBackup => Event::GroupBackup,
        };
        for member in self.routers[router].nodes.clone() {
            self.handle_one(member, event);
        }
        assert_eq!(
            group::decide(self.member_states(router).into_iter()),
            Decision::Unchanged,
            "one decision settles the group"
        );
    }

    /// SIGHUP. A frozen process reloads when it is continued.
    pub fn reload(&mut self, i: usize, new: Reload) {
        self.log_router(i, &new.to_string());
        self.routers[i].grouped = new.grouped;
        let nodes = self.routers[i].nodes.clone();
        for &n in &nodes {
            let node = &mut self.nodes[n];
            node.params.priority = Priority(new.priority);
            if node.params.version == Version::V3 {
                node.params.advert_int =
                    Centis(node.initial_interval.0 * (1 + u16::from(new.slow)));
            }
            node.params.nopreempt = new.nopreempt;
            node.params.in_sync_group = new.grouped;
            node.longest_interval = node.longest_interval.max(node.params.advert_int);
            node.priority = Priority(new.priority);
        }
        for n in nodes {
            self.change(n, Change::Params);
            self.change(n, Change::Readiness);
        }
        if self.nodes[self.routers[i].nodes[0]].running() {
            self.decide_group(i);
        }
    }

    pub fn event_params(&mut self, n: usize) {
        let params = self.nodes[n].params.clone();
        let effective = self.priority(n);
        let node = &mut self.nodes[n];
        node.schedule.reconfigure(node.garp, params.addresses.len());
        self.handle_one(
            n,
            Event::Params {
                params: &params,
                effective,
            },
        );
    }

    fn member_states(&self, router: usize) -> Vec<MemberState> {
        let nodes = &self.routers[router].nodes;
        nodes
            .iter()
            .map(|n| self.nodes[*n].machine.member_state())
            .collect()
    }

    /// The readiness event for an instance; in a group it depends on all members.
    pub fn readiness(&self, node: usize) -> Event<'static> {
        let router = &self.routers[self.nodes[node].router];
        let own = self.nodes[node].fault();
        let failing = !router.script_ok && router.script_weight == 0;
        let others = || {
            router
                .nodes
                .iter()
                .any(|n| self.nodes[*n].fault().is_some())
        };
        match own.or(failing.then_some(Reason::InterfaceDown)) {
            Some(reason) => Event::Fault(reason),
            None if router.grouped && others() => Event::Fault(Reason::GroupFault),
            None => Event::Ready {
                source: self.nodes[node].addr,
            },
        }
    }

    /// Checks that no group is split between two events, except while its process is frozen.
    pub fn check_groups(&self) {
        let running = |router: &&Router| router.grouped && self.nodes[router.nodes[0]].running();
        for router in self.routers.iter().filter(running) {
            let masters = router.nodes.iter().filter(|n| self.nodes[**n].is_master());
            let masters = masters.count();
            assert!(
                masters == 0 || masters == router.nodes.len(),
                "{} is split: {masters} of {} are master",
                router.name,
                router.nodes.len()
            );
        }
    }
}
