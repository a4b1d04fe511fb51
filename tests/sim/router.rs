//! A router with several legs: instances of one process, on one network each, that may form a
//! synchronization group. What `engine` does for its groups is done for them here.

use vrrpd::vrrp::group::{self, Decision, MemberState};
use vrrpd::vrrp::{Action, Event, Reason};

use vrrpd::types::{Centis, Priority, Version};

use crate::node::Change;
use crate::operate::Reload;
use crate::segment::Segment;

/// One process; its instances are nodes of the segment.
#[derive(Debug)]
pub struct Router {
    pub name: &'static str,
    pub nodes: Vec<usize>,
    /// All of them are members of one group.
    pub grouped: bool,
    /// The verdict of its script, which all its instances track.
    pub script_ok: bool,
    /// The weight it has for them; 0: FAULT while it fails.
    pub script_weight: i16,
}

impl Segment {
    /// Lets a group follow what one of its members has asked for or become, as `Engine::concert`.
    pub fn concert(&mut self, node: usize, actions: &[Action]) {
        let concerns = |a: &Action| matches!(a, Action::RequestGroup | Action::Transition { .. });
        if actions.iter().any(concerns) {
            self.agree(self.nodes[node].router);
        }
    }

    /// Brings the members of a group together, as after a reload.
    pub fn agree(&mut self, router: usize) {
        if !self.routers[router].grouped {
            return;
        }
        let event = match group::decide(self.member_states(router).into_iter()) {
            Decision::Unchanged => return,
            Decision::AllMaster => Event::GroupMaster,
            Decision::AllBackup => Event::GroupBackup,
        };
        for member in self.routers[router].nodes.clone() {
            self.alone(member, event);
        }
        assert_eq!(
            group::decide(self.member_states(router).into_iter()),
            Decision::Unchanged,
            "one word is enough"
        );
    }

    /// SIGHUP. A frozen process does that when it goes on.
    pub fn reload(&mut self, i: usize, new: Reload) {
        self.say_router(i, &new.to_string());
        self.routers[i].grouped = new.grouped;
        let nodes = self.routers[i].nodes.clone();
        for &n in &nodes {
            let node = &mut self.nodes[n];
            node.params.priority = Priority(new.priority);
            if node.params.version == Version::V3 {
                node.params.advert_int = Centis(node.first.0 * (1 + u16::from(new.slow)));
            }
            node.params.nopreempt = new.nopreempt;
            node.params.in_sync_group = new.grouped;
            node.slowest = node.slowest.max(node.params.advert_int);
            node.priority = Priority(new.priority);
        }
        for n in nodes {
            self.change(n, Change::Params);
            self.change(n, Change::Readiness);
        }
        if self.nodes[self.routers[i].nodes[0]].running() {
            self.agree(i);
        }
    }

    pub fn event_params(&mut self, n: usize) {
        let params = self.nodes[n].params.clone();
        let effective = self.priority(n);
        let node = &mut self.nodes[n];
        node.schedule.reconfigure(node.garp, params.addresses.len());
        self.alone(
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

    /// What the instance is told of its surroundings: in a group, of those of all members.
    pub fn readiness(&self, node: usize) -> Event<'static> {
        let router = &self.routers[self.nodes[node].router];
        let own = self.nodes[node].missing();
        let failing = !router.script_ok && router.script_weight == 0;
        let others = || {
            router
                .nodes
                .iter()
                .any(|n| self.nodes[*n].missing().is_some())
        };
        match own.or(failing.then_some(Reason::InterfaceDown)) {
            Some(reason) => Event::Fault(reason),
            None if router.grouped && others() => Event::Fault(Reason::GroupFault),
            None => Event::Ready {
                source: self.nodes[node].addr,
            },
        }
    }

    /// No group is split between two events. (A frozen one may have to read a new configuration first.)
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
