//! Hot restart: a router restarted within the down interval of its peers, as `engine` resumes it.

use std::time::Duration;

use vrrpd::types::{Instant, VrrpState};
use vrrpd::vrrp::{self, Event};

use crate::ops::Op;
use crate::oracle::Oracle;
use crate::segment::Segment;

impl Segment {
    /// Resumes the instances that were master; of a sync group, all or none.
    pub fn resume(&mut self, i: usize) {
        let nodes = self.routers[i].nodes.clone();
        let now = self.now;
        // The records of the previous process, which the first event would erase.
        let records: Vec<Option<(Instant, Instant)>> = nodes
            .iter()
            .map(|n| {
                let record = self.nodes[*n].record?;
                let params = &self.nodes[*n].params;
                let end = record.sent.after(record.grace);
                let until = match params.nopreempt {
                    true => end,
                    false => end.after(vrrp::lower_peers_skew(record.grace, record.priority)),
                };
                (now < until && !params.priority.is_owner()).then_some((end, until))
            })
            .collect();
        let grouped = self.routers[i].grouped;
        if grouped && records.contains(&None) {
            return;
        }
        let known = || records.iter().flatten();
        let least = known().map(|one| one.0).min();
        let least = least.zip(known().map(|one| one.1).min());
        let longest = |nodes: &[usize]| {
            let intervals = nodes
                .iter()
                .map(|n| self.nodes[*n].params.advert_int.duration());
            intervals.max().unwrap_or_default()
        };
        let mut plans = Vec::new();
        for (record, &n) in records.iter().zip(&nodes) {
            let &Some(own) = record else { continue };
            let ((end, until), interval) = match grouped {
                true => (least.unwrap_or(own), longest(&nodes)),
                false => (own, longest(&[n])),
            };
            let left = end.since(now);
            let at = now.after(vrrp::resume_listen_time(interval, left));
            let latest = now.after(vrrp::resume_listen_limit(interval, left));
            plans.push((n, at, latest, until));
        }
        for (n, at, latest, until) in plans {
            let hold = self.nodes[n].hold;
            let record = self.nodes[n].record;
            self.event(
                n,
                Event::Resume {
                    at,
                    latest,
                    until,
                    startup_delay: hold,
                },
            );
            assert_eq!(
                self.nodes[n].record, record,
                "the record stays in case of another crash"
            );
            // Late like any timer: sometimes too late.
            let late = self.lateness();
            let run_timers = at.after(late).since(self.origin());
            if !grouped || n == nodes[0] {
                self.plan(run_timers, Op::FinishResume(i));
            }
        }
    }

    /// Runs the due timers of resuming instances.
    pub fn finish_resume(&mut self, i: usize) {
        for n in self.routers[i].nodes.clone() {
            let node = &self.nodes[n];
            let due = node
                .machine
                .next_deadline()
                .is_some_and(|at| at <= self.now);
            if node.running() && node.machine.is_resuming() && due {
                self.event(n, Event::Timer);
                if self.nodes[n].state() == VrrpState::Master {
                    self.check_claim(n);
                }
            }
        }
    }

    /// Checks that a resumed master has yielded to a master it could receive while it listened.
    fn check_claim(&self, n: usize) {
        let node = &self.nodes[n];
        let quiet = self.oracle.disturbed_at <= node.started_at;
        let listened = self.now.since(node.started_at);
        let enough = Oracle::longest_interval(self) + Oracle::slack(self);
        if !quiet || listened < enough {
            return;
        }
        let other = (0..self.nodes.len()).find(|&m| {
            let other = &self.nodes[m];
            m != n
                && other.net == node.net
                && self.parts[m] == self.parts[n]
                && other.link_up
                && other.running()
                && other.is_master()
                && other.since <= node.started_at
        });
        let name = node.name;
        assert!(
            other.is_none(),
            "{name} resumes although {} has been master for {:?}",
            self.nodes[other.unwrap_or(n)].name,
            self.now.since(self.nodes[other.unwrap_or(n)].since)
        );
    }

    fn lateness(&mut self) -> Duration {
        let most = self.faults.late;
        self.random_span(Duration::ZERO, most)
    }
}
