//! Scenarios: a small network, a few operations, and a golden transcript in
//! `tests/golden/scenario`. `UPDATE_GOLDEN=1 cargo test --test sim` rewrites them.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use vrrpd::types::{Family, Priority, Vrid};
use vrrpd::vrrp::{Params, garp};

use crate::golden::compare;
use crate::node::Node;
use crate::ops::Op;
use crate::random::{INSTANCE_NAMES, NAMES, vips};
use crate::segment::Segment;

/// A network of v2 routers r1, r2 … at 10.0.0.1, 10.0.0.2 … with these priorities, started at 0.
pub fn network(priorities: &[u8]) -> Scenario {
    let mut scenario = Scenario {
        segment: Segment::new(1),
    };
    for (i, priority) in priorities.iter().enumerate() {
        scenario.segment.add(router(i, *priority));
        scenario.segment.plan(Duration::ZERO, Op::Start(i));
    }
    scenario
}

/// Routers with an instance in each of two networks, r1a and r1b …, in a sync group. On network b
/// addresses are in the opposite order: the last router has 10.0.0.1.
pub fn sync_group_pairs(priorities: &[(u8, u8)]) -> Scenario {
    let mut scenario = Scenario {
        segment: Segment::new(1),
    };
    for (i, (a, b)) in priorities.iter().enumerate() {
        let mut instances = [router(i, *a), router(priorities.len() - 1 - i, *b)];
        for (instance, name) in instances.iter_mut().zip(INSTANCE_NAMES[i]) {
            instance.name = name;
            instance.params.in_sync_group = true;
        }
        let instances = instances.into_iter().map(Node::rebuilt).collect();
        scenario.segment.add_router(NAMES[i], instances, 0);
        scenario.segment.plan(Duration::ZERO, Op::Start(i));
    }
    scenario
}

fn router(i: usize, priority: u8) -> Node {
    let params = Params {
        vrid: Vrid::new(51).unwrap(),
        priority: Priority(priority),
        addresses: vips(Family::V4),
        ..Params::default()
    };
    let garp = garp::Params {
        repeat: 5,
        delay: Duration::from_secs(5),
        refresh: Duration::ZERO,
        refresh_repeat: 1,
        lower_prio_repeat: 5,
        lower_prio_delay: Duration::from_secs(5),
        round_gap: Duration::ZERO,
    };
    let addr = IpAddr::from([10, 0, 0, u8::try_from(i + 1).unwrap()]);
    Node::new(NAMES[i], addr, params, garp, Duration::ZERO)
}

/// A network with planned operations. Routers are numbered 1, 2 …; times are in milliseconds.
pub struct Scenario {
    pub segment: Segment,
}

impl Scenario {
    /// Changes the configuration of all instances.
    pub fn all(mut self, change: impl Fn(&mut Params)) -> Self {
        for n in 1..=self.segment.nodes.len() {
            self = self.only(n, &change);
        }
        self
    }

    /// Changes the configuration of instance `n`.
    pub fn only(mut self, n: usize, change: impl Fn(&mut Params)) -> Self {
        let old = &self.segment.nodes[n - 1];
        let (router, net, mut params) = (old.router, old.net, old.params.clone());
        change(&mut params);
        let mut node = Node::new(old.name, old.addr, params, old.garp, old.hold);
        (node.router, node.net) = (router, net);
        self.segment.nodes[n - 1] = node;
        self
    }

    /// Sets `vrrp_startup_delay` of all routers.
    pub fn hold(mut self, millis: u64) -> Self {
        for node in &mut self.segment.nodes {
            node.hold = Duration::from_millis(millis);
        }
        self
    }

    /// Plans an operation on router `n` (from 1).
    pub fn at(mut self, millis: u64, op: fn(usize) -> Op, n: usize) -> Self {
        self.segment.plan(Duration::from_millis(millis), op(n - 1));
        self
    }

    /// Plans any operation.
    pub fn then(mut self, millis: u64, op: Op) -> Self {
        self.segment.plan(Duration::from_millis(millis), op);
        self
    }

    pub fn partition(mut self, millis: u64, parts: &[u8]) -> Self {
        let op = Op::Partition(parts.to_vec());
        self.segment.plan(Duration::from_millis(millis), op);
        self
    }

    /// Runs to the end and compares the transcript with the golden file.
    pub fn golden(mut self, millis: u64, name: &str, what: &str) -> Segment {
        self.segment.run_until(Duration::from_millis(millis));
        let text = format!("# {what}\n{}\n", self.segment.transcript.join("\n"));
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/scenario")
            .join(format!("{name}.txt"));
        let mut mismatches = Vec::new();
        compare(&path, &text, &mut mismatches);
        assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
        self.segment
    }
}
