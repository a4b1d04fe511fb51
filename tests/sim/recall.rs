//! A router that is started again while its last adverts still count: what `engine::resume` does.

use std::time::Duration;

use vrrpd::types::{Instant, VrrpState};
use vrrpd::vrrp::{self, Event};

use crate::operate::Op;
use crate::oracle::Oracle;
use crate::segment::Segment;

impl Segment {
    /// Lets the instances go on that were master, a group's all or none.
    pub fn recall(&mut self, i: usize) {
        let nodes = self.routers[i].nodes.clone();
        let now = self.now;
        // The words of the former process, which the first event would erase.
        let words: Vec<Option<Instant>> = nodes
            .iter()
            .map(|n| {
                let (sent, grace) = self.nodes[*n].word?;
                let until = sent.after(grace);
                let owner = self.nodes[*n].params.priority.is_owner();
                (now < until && !owner).then_some(until)
            })
            .collect();
        let grouped = self.routers[i].grouped;
        if grouped && words.contains(&None) {
            return;
        }
        let least = words.iter().flatten().min().copied();
        let longest = |nodes: &[usize]| {
            let intervals = nodes
                .iter()
                .map(|n| self.nodes[*n].params.advert_int.duration());
            intervals.max().unwrap_or_default()
        };
        let mut plans = Vec::new();
        for (place, &n) in nodes.iter().enumerate() {
            let Some(own) = words[place] else { continue };
            let (until, interval) = match grouped {
                true => (least.unwrap_or(own), longest(&nodes)),
                false => (own, longest(&[n])),
            };
            let at = now.after(vrrp::resume_listen_time(interval, until.since(now)));
            plans.push((n, at, until));
        }
        for (n, at, until) in plans {
            let hold = self.nodes[n].hold;
            let word = self.nodes[n].word;
            self.event(
                n,
                Event::Resume {
                    at,
                    until,
                    startup_delay: hold,
                },
            );
            assert_eq!(self.nodes[n].word, word, "should it die again");
            // Late, as timers are: sometimes too late.
            let late = self.lateness();
            let wake = at.after(late).since(self.origin());
            if !grouped || n == nodes[0] {
                self.plan(wake, Op::GoOn(i));
            }
        }
    }

    /// The timers of those that are due, in one turn.
    pub fn go_on(&mut self, i: usize) {
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

    /// Who was master before it listened, and could be heard all the time, has been heard.
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
            "{name} claims what {} has had for {:?}",
            self.nodes[other.unwrap_or(n)].name,
            self.now.since(self.nodes[other.unwrap_or(n)].since)
        );
    }

    fn lateness(&mut self) -> Duration {
        let most = self.faults.late;
        self.random_span(Duration::ZERO, most)
    }
}
