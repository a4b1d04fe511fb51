//! Operations on networks, routers and instances.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd::types::Priority;
use vrrpd::vrrp::{Event, priority};

use crate::node::{Change, Packet, Power};
use crate::segment::{Faults, Segment};

/// An operation on the network, a router (process, script) or an instance (the others).
#[derive(Clone, Debug)]
pub enum Op {
    Start(usize),
    /// SIGTERM.
    Stop(usize),
    /// SIGKILL or power loss.
    Crash(usize),
    /// A restarted router has listened long enough to resume.
    FinishResume(usize),
    Freeze(usize),
    Suspend(usize),
    Thaw(usize),
    /// Demotes or promotes a running router.
    Demote(usize),
    Promote(usize),
    /// The result of the router's script changes.
    Script(usize, bool),
    Link(usize, bool),
    Priority(usize, u8),
    /// SIGHUP.
    Reload(usize, Reload),
    Address(usize, IpAddr),
    /// The partition of each instance.
    Partition(Vec<u8>),
    Faults(Faults),
    /// A forged packet for one instance; an unspecified source means the instance's own address.
    Forge(usize, Packet),
}

/// A new configuration. [`Op::Priority`] later changes this priority.
#[derive(Clone, Copy, Debug)]
pub struct Reload {
    pub priority: u8,
    /// v3: twice the initial advert interval.
    pub slow: bool,
    pub nopreempt: bool,
    /// Whether the instances form a sync group.
    pub grouped: bool,
}

impl fmt::Display for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slow = if self.slow { " slow" } else { "" };
        let nopreempt = if self.nopreempt { " nopreempt" } else { "" };
        let grouped = if self.grouped { " grouped" } else { "" };
        write!(
            f,
            "reloads: priority {}{slow}{nopreempt}{grouped}",
            self.priority
        )
    }
}

impl Segment {
    pub fn ops(&mut self, op: Op) {
        if !matches!(op, Op::Forge(..) | Op::FinishResume(_)) {
            self.oracle.record_disturbance(self.now);
        }
        match op {
            Op::Start(i) => self.start(i),
            Op::Stop(i) => self.stop(i),
            Op::Crash(i) => {
                self.log_router(i, "crashes");
                for n in self.routers[i].nodes.clone() {
                    self.nodes[n].crash();
                }
            }
            Op::FinishResume(i) => self.finish_resume(i),
            Op::Script(i, ok) => {
                self.log_router(
                    i,
                    if ok {
                        "script succeeds"
                    } else {
                        "script fails"
                    },
                );
                self.routers[i].script_ok = ok;
                for n in self.routers[i].nodes.clone() {
                    self.change(n, Change::Readiness);
                    self.change(n, Change::Priority);
                }
            }
            Op::Freeze(i) => self.halt(i, Power::Frozen, "freezes"),
            Op::Suspend(i) => self.halt(i, Power::Suspended, "is suspended"),
            Op::Thaw(i) => self.thaw(i),
            Op::Demote(i) => self.maintenance(i, Event::Demote),
            Op::Promote(i) => self.maintenance(i, Event::Promote),
            Op::Link(i, up) => {
                self.log(i, if up { "link up" } else { "link down" });
                self.nodes[i].link_up = up;
                for n in self.routers[self.nodes[i].router].nodes.clone() {
                    self.change(n, Change::Readiness);
                }
            }
            Op::Priority(i, priority) => {
                self.log(i, &format!("priority {priority}"));
                self.nodes[i].priority = Priority(priority);
                self.change(i, Change::Priority);
            }
            Op::Reload(i, reload) => self.reload(i, reload),
            Op::Address(i, addr) => {
                self.log(i, &format!("address {addr}"));
                self.nodes[i].addr = addr;
                self.change(i, Change::Readiness);
            }
            Op::Partition(parts) => {
                let text: Vec<String> = parts.iter().map(u8::to_string).collect();
                self.line(format_args!("parts {}", text.join(" ")));
                self.parts = parts;
            }
            Op::Faults(faults) => {
                self.line(format_args!(
                    "loss {}/1000 dup {}/1000",
                    faults.loss, faults.dup
                ));
                self.faults = faults;
            }
            Op::Forge(i, mut packet) => {
                let part = self.parts[i];
                if packet.src.is_unspecified() {
                    packet.src = self.nodes[i].machine.source().unwrap_or(packet.src);
                }
                self.arrive(i, part, packet);
            }
        }
    }

    fn start(&mut self, i: usize) {
        self.log_router(i, "starts");
        let nodes = self.routers[i].nodes.clone();
        for &n in &nodes {
            self.nodes[n].start_process(self.now);
        }
        self.resume(i);
        for &n in &nodes {
            self.event(n, self.readiness(n));
            self.event(n, Event::Priority(self.priority(n)));
        }
        for &n in &nodes {
            let hold = self.nodes[n].hold;
            self.event(
                n,
                Event::Start {
                    startup_delay: hold,
                },
            );
        }
    }

    fn stop(&mut self, i: usize) {
        let nodes = self.routers[i].nodes.clone();
        if nodes.iter().any(|n| !self.nodes[*n].running()) {
            return;
        }
        self.log_router(i, "is stopped");
        for &n in &nodes {
            self.event(n, Event::Stop);
        }
        for n in nodes {
            self.nodes[n].crash();
            self.nodes[n].maintenance = false;
        }
    }

    /// Starts or ends maintenance of all instances of a router.
    fn maintenance(&mut self, i: usize, event: Event<'_>) {
        let nodes = self.routers[i].nodes.clone();
        if nodes.iter().any(|n| !self.nodes[*n].running()) {
            return;
        }
        let held = matches!(event, Event::Demote);
        self.log_router(i, if held { "is demoted" } else { "is promoted" });
        for n in nodes {
            self.nodes[n].maintenance = held;
            self.handle_one(n, event);
        }
        self.decide_group(i);
    }

    fn halt(&mut self, i: usize, power: Power, record: &str) {
        let nodes = self.routers[i].nodes.clone();
        if nodes.iter().any(|n| !self.nodes[*n].running()) {
            return;
        }
        self.log_router(i, record);
        for n in nodes {
            self.nodes[n].power = power;
            self.nodes[n].stopped_at = self.now;
        }
    }

    /// Continues a halted process: sockets first, then missed changes, then timers.
    fn thaw(&mut self, i: usize) {
        let nodes = self.routers[i].nodes.clone();
        let halted = |n: &usize| matches!(self.nodes[*n].power, Power::Frozen | Power::Suspended);
        if !nodes.iter().all(halted) {
            return;
        }
        self.log_router(i, "is continued");
        let mut long_halted = Vec::new();
        for &n in &nodes {
            self.nodes[n].power = Power::Running;
            self.nodes[n].late = Duration::ZERO;
            let away = self.now.since(self.nodes[n].stopped_at);
            if self.nodes[n].is_master() && away > self.oracle.down_interval(self, n) {
                long_halted.push((n, self.nodes[n].sent));
            }
        }
        for &n in &nodes {
            while let Some(packet) = self.nodes[n].rx.pop_front() {
                self.receive(n, &packet);
            }
        }
        for (n, before) in long_halted {
            let sent = self.nodes[n].sent;
            assert_eq!(sent, before, "advert sent before the sockets were drained");
        }
        for &n in &nodes {
            for change in std::mem::take(&mut self.nodes[n].missed) {
                self.change(n, change);
            }
        }
        self.decide_group(i);
        for n in nodes {
            if self.nodes[n].next_wakeup().is_some_and(|at| at <= self.now) {
                self.run_timers(n);
            }
        }
    }

    pub fn change(&mut self, i: usize, change: Change) {
        match self.nodes[i].power {
            Power::Off => {}
            Power::Frozen | Power::Suspended => self.nodes[i].missed.push(change),
            Power::Running => match change {
                Change::Readiness => self.event(i, self.readiness(i)),
                Change::Priority => self.event(i, Event::Priority(self.priority(i))),
                Change::Params => self.event_params(i),
            },
        }
    }

    /// Effective priority of an instance.
    pub fn priority(&self, i: usize) -> Priority {
        let node = &self.nodes[i];
        let router = &self.routers[node.router];
        let script = priority::contribution(router.script_weight, router.script_ok);
        priority::effective(node.priority, [script])
    }
}
