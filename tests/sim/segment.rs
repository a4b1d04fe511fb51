//! Networks in virtual time: routers, the links between them, and faults. Usually there is one
//! network with one instance per router; a router may have an instance on each of several networks.
//!
//! One queue of packets and operations drives the simulation, together with the deadlines of the
//! instances; `step` jumps to the earliest. Packets are real bytes, emitted and parsed by
//! `wire::vrrp`. Sockets come before timers, as in the poll loop: a packet is delivered before any
//! timer of the same instant, and a continued router reads its socket first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd::types::{Family, Instant, Priority, Version, VrrpState};
use vrrpd::vrrp::{Action, AuthResult, Event, Notice, Received};
use vrrpd::wire::PseudoHeader;
use vrrpd::wire::vrrp::{self, AdvertRepr, ChecksumForm};

use crate::liveness::check_takeover;
use crate::node::{Node, Packet, Power, SOCKET_QUEUE};
use crate::ops::Op;
use crate::oracle::Oracle;
use crate::rng::Rng;
use crate::router::Router;

/// Faults of the network and of timers.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Lost packets, per mille.
    pub loss: u16,
    /// Duplicated packets, per mille.
    pub dup: u16,
    /// Least and most delay. Each copy has its own, so packets may be reordered.
    pub delay: (Duration, Duration),
    /// Timers run late by up to this.
    pub late: Duration,
}

impl Faults {
    /// No faults: 200 µs delay, no loss, no late timers.
    pub const NONE: Faults = Faults {
        loss: 0,
        dup: 0,
        delay: (Duration::from_micros(200), Duration::from_micros(200)),
        late: Duration::ZERO,
    };
}

#[derive(Debug)]
enum Due {
    Op(Op),
    Packet { to: usize, part: u8, packet: Packet },
}

/// Queue entry, ordered by time; then operations before packets; then by order of creation.
#[derive(Debug)]
struct Entry {
    key: (Instant, bool, u64),
    due: Due,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}
impl Eq for Entry {}
impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key.cmp(&other.key)
    }
}

#[derive(Debug)]
pub struct Segment {
    pub nodes: Vec<Node>,
    pub routers: Vec<Router>,
    /// Number of networks.
    pub nets: usize,
    pub parts: Vec<u8>,
    pub now: Instant,
    pub faults: Faults,
    pub transcript: Vec<String>,
    /// Also logs each advert and each notice.
    pub verbose: bool,
    /// Number of adverts sent.
    pub sent: u64,
    pub oracle: Oracle,
    rng: Rng,
    queue: BinaryHeap<Reverse<Entry>>,
    serial: u64,
}

/// Start of the simulation. Not zero or round: nothing may depend on the origin of the clock.
const ORIGIN: Instant = Instant::from_nanos(86_400_123_456_789);

impl Segment {
    pub fn new(seed: u64) -> Self {
        Segment {
            nodes: Vec::new(),
            routers: Vec::new(),
            nets: 0,
            parts: Vec::new(),
            now: ORIGIN,
            faults: Faults::NONE,
            transcript: Vec::new(),
            verbose: false,
            sent: 0,
            oracle: Oracle::new(ORIGIN),
            rng: Rng::new(seed),
            queue: BinaryHeap::new(),
            serial: 0,
        }
    }

    /// Adds a router with one instance.
    pub fn add(&mut self, node: Node) -> usize {
        let name = node.name;
        self.add_router(name, vec![node], 0)
    }

    /// Adds a router with these instances, the first on network 0, and a script of this weight.
    pub fn add_router(
        &mut self,
        name: &'static str,
        instances: Vec<Node>,
        script_weight: i16,
    ) -> usize {
        let mut nodes = Vec::new();
        let grouped = instances
            .iter()
            .any(|instance| instance.params.in_sync_group);
        for (net, mut node) in instances.into_iter().enumerate() {
            node.router = self.routers.len();
            node.net = net;
            self.nets = self.nets.max(net + 1);
            nodes.push(self.nodes.len());
            self.nodes.push(node);
            self.parts.push(0);
        }
        self.routers.push(Router {
            name,
            nodes,
            grouped,
            script_ok: true,
            script_weight,
        });
        self.routers.len() - 1
    }

    /// Plans an operation `at` after the start.
    pub fn plan(&mut self, at: Duration, op: Op) {
        self.enqueue(ORIGIN.after(at), Due::Op(op));
    }

    pub fn elapsed(&self) -> Duration {
        self.now.since(ORIGIN)
    }

    /// Start of the simulation.
    pub fn origin(&self) -> Instant {
        ORIGIN
    }

    pub fn random_span(&mut self, least: Duration, most: Duration) -> Duration {
        self.rng.duration(least, most)
    }

    fn enqueue(&mut self, at: Instant, due: Due) {
        self.serial += 1;
        let packet = matches!(due, Due::Packet { .. });
        let key = (at, packet, self.serial);
        self.queue.push(Reverse(Entry { key, due }));
    }

    /// Runs until `end` after the start.
    pub fn run_until(&mut self, end: Duration) {
        let end = ORIGIN.after(end);
        // Far more than any run needs: a livelock must fail.
        for _ in 0..20_000_000 {
            if !self.step(end) {
                return;
            }
        }
        panic!("too many events, at {:?}", self.elapsed());
    }

    /// Jumps to the next event, unless that is after `end`; then to `end`, and returns false.
    fn step(&mut self, end: Instant) -> bool {
        let queued = self.queue.peek().map(|Reverse(entry)| entry.key.0);
        let timer = (0..self.nodes.len())
            .filter_map(|i| Some((self.nodes[i].next_wakeup()?, i)))
            .min();
        let next = queued.into_iter().chain(timer.map(|(at, _)| at)).min();
        let Some(next) = next.filter(|at| *at <= end) else {
            self.now = end;
            Oracle::check(self);
            return false;
        };
        self.now = self.now.max(next);
        Oracle::check(self);
        match timer {
            Some((at, node)) if queued.is_none_or(|queued| at < queued) => self.run_timers(node),
            _ => {
                if let Some(Reverse(entry)) = self.queue.pop() {
                    match entry.due {
                        Due::Op(op) => self.ops(op),
                        Due::Packet { to, part, packet } => self.arrive(to, part, packet),
                    }
                }
            }
        }
        true
    }

    /// Runs the timers of an instance: its protocol timer, then gratuitous ARP.
    pub fn run_timers(&mut self, node: usize) {
        let due = self.nodes[node].machine.next_deadline();
        if due.is_some_and(|at| at.after(self.nodes[node].late) <= self.now) {
            self.event(node, Event::Timer);
            self.nodes[node].late = self.rng.duration(Duration::ZERO, self.faults.late);
        }
        let router = &mut self.nodes[node];
        while router.schedule.next(self.now).is_some() {
            assert!(router.installed, "{}: announced as backup", router.name);
        }
    }

    // ---- packets ----

    pub fn arrive(&mut self, to: usize, part: u8, packet: Packet) {
        let node = &mut self.nodes[to];
        if self.parts[to] != part || !node.link_up {
            return;
        }
        match node.power {
            Power::Running => self.receive(to, &packet),
            Power::Frozen if node.rx.len() < SOCKET_QUEUE => node.rx.push_back(packet),
            Power::Off | Power::Frozen | Power::Suspended => {}
        }
    }

    pub fn receive(&mut self, to: usize, packet: &Packet) {
        let (src, dst) = (packet.src, packet.dst);
        let parsed = vrrp::parse(&packet.bytes, &PseudoHeader { src, dst });
        assert!(parsed.is_ok() || !packet.genuine, "own codec: {parsed:?}");
        let Ok(parsed) = parsed else {
            return;
        };
        if parsed.advert.vrid != self.nodes[to].params.vrid {
            return;
        }
        let received = Received {
            from: src,
            multicast: dst.is_multicast(),
            ttl: packet.ttl,
            on_link: true,
            advert: parsed.advert,
            auth_result: AuthResult::None,
        };
        let before = self.nodes[to].machine.next_deadline();
        let must_yield = packet.genuine && self.oracle.must_yield(&self.nodes[to], &received);
        let actions = self.event_actions(to, Event::Advert(&received));
        let node = &self.nodes[to];
        if must_yield {
            assert_eq!(
                node.state(),
                VrrpState::Backup,
                "{} did not yield",
                node.name
            );
        }
        if !packet.genuine {
            assert_eq!(node.machine.next_deadline(), before, "forged: {packet:?}");
            let notices = |a: &Action| matches!(a, Action::Notice(_));
            assert!(actions.iter().all(notices), "forged: {packet:?}");
        }
    }

    fn broadcast(&mut self, from: usize, priority: Priority) {
        let node = &self.nodes[from];
        if !node.link_up {
            return;
        }
        self.sent += 1;
        self.nodes[from].sent += 1;
        if priority != Priority::RESIGN {
            let now = self.now;
            self.nodes[from].write_record(now);
        }
        let node = &self.nodes[from];
        let unicast: Vec<IpAddr> = node.params.peers.iter().map(|peer| peer.addr).collect();
        for to in 0..self.nodes.len() {
            let addr = self.nodes[to].addr;
            let node = &self.nodes[from];
            if to == from
                || self.nodes[to].net != node.net
                || (!node.params.multicast && !unicast.contains(&addr))
            {
                continue;
            }
            let dst = if node.params.multicast {
                group(node.params.family)
            } else {
                addr
            };
            let packet = packet(node, dst, priority);
            if self.parts[to] != self.parts[from] {
                continue;
            }
            self.transmit(to, &packet);
        }
    }

    fn transmit(&mut self, to: usize, packet: &Packet) {
        if self.rng.per_mille(self.faults.loss) {
            self.oracle.record_disturbance(self.now);
            return;
        }
        let copies = if self.rng.per_mille(self.faults.dup) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let (least, most) = self.faults.delay;
            let at = self.now.after(self.rng.duration(least, most));
            let part = self.parts[to];
            let packet = packet.clone();
            self.enqueue(at, Due::Packet { to, part, packet });
        }
    }

    // ---- events ----

    pub fn event(&mut self, i: usize, event: Event<'_>) {
        self.event_actions(i, event);
    }

    fn event_actions(&mut self, i: usize, event: Event<'_>) -> vrrpd::vrrp::Actions {
        let actions = self.handle_one(i, event);
        self.sync_group(i, &actions);
        actions
    }

    /// Handles an event for one instance, without its sync group.
    pub fn handle_one(&mut self, i: usize, event: Event<'_>) -> vrrpd::vrrp::Actions {
        let actions = self.nodes[i].handle(self.now, event);
        for action in &actions {
            match *action {
                Action::SendAdvert(priority) => {
                    if self.verbose || priority == Priority::RESIGN {
                        self.log(i, &format!("sends priority {priority}"));
                    }
                    self.broadcast(i, priority);
                }
                Action::Transition { from, to, why } => {
                    Oracle::changed(self, self.nodes[i].name);
                    self.log(i, &format!("{from}→{to} why={why}"));
                    if to == VrrpState::Master {
                        check_takeover(self, i);
                    }
                }
                Action::Notice(notice) => self.log_notice(i, notice),
                Action::RequestGroup if self.verbose => self.log(i, "requests its group"),
                Action::Install
                | Action::Withdraw
                | Action::Announce(_)
                | Action::StopAnnouncing
                | Action::RequestGroup => {}
            }
        }
        actions
    }

    // ---- transcript ----

    pub fn log(&mut self, i: usize, text: &str) {
        let name = self.nodes[i].name;
        self.line(format_args!("{name} {text}"));
    }

    pub fn log_router(&mut self, i: usize, text: &str) {
        let name = self.routers[i].name;
        self.line(format_args!("{name} {text}"));
    }

    fn log_notice(&mut self, i: usize, notice: Notice) {
        let net = self.nodes[i].net;
        let name = |addr: IpAddr| {
            let mut nodes = self.nodes.iter().filter(|node| node.net == net);
            let node = nodes.find(|node| node.addr == addr);
            node.map_or(addr.to_string(), |node| node.name.to_owned())
        };
        let text = match notice {
            Notice::Rejected { from, why } => format!("rejects {} {why:?}", name(from)),
            Notice::Accepted { from } => format!("accepts {} again", name(from)),
            Notice::Tolerated { .. } => return,
            Notice::AddressesDiffer { from } => format!("other addresses from {}", name(from)),
            Notice::IntervalAdopted { from, theirs } => {
                format!("adopts {theirs} from {}", name(from))
            }
            Notice::LowerPriorityMaster { from, priority } => {
                format!("receives priority {priority} from {}", name(from))
            }
            Notice::SameAddress { from } => {
                format!("receives an advert from its own address {}", name(from))
            }
            Notice::SilenceWithLoss => "listens again after losses".into(),
            Notice::NoMasterInMaintenance => "hears no master in maintenance".into(),
            Notice::HeldByGroup => "is held by its group".into(),
            Notice::TwoOwners { from } => {
                format!("receives an advert of another address owner {}", name(from))
            }
        };
        self.log(i, &text);
    }

    pub fn line(&mut self, text: fmt::Arguments<'_>) {
        let at = self.elapsed();
        self.transcript.push(format!(
            "t={}.{:03} {text}",
            at.as_secs(),
            at.subsec_millis()
        ));
    }
}

/// The multicast group of VRRP adverts.
pub fn group(family: Family) -> IpAddr {
    match family {
        Family::V4 => IpAddr::from([224, 0, 0, 18]),
        Family::V6 => IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12]),
    }
}

/// An advert of `node` as bytes.
pub fn packet(node: &Node, dst: IpAddr, priority: Priority) -> Packet {
    let advert = AdvertRepr {
        version: node.params.version,
        vrid: node.params.vrid,
        priority,
        interval: node.params.advert_int,
        auth: node.params.auth,
        addresses: &node.params.addresses,
    };
    let form = match node.params.version {
        Version::V2 => ChecksumForm::Plain,
        Version::V3 => ChecksumForm::PseudoHeader,
    };
    let mut bytes = vec![0; 512];
    let src = node.addr;
    let net = PseudoHeader { src, dst };
    let len = vrrp::emit(&advert, Some(&net), form, &mut bytes).expect("a valid configuration");
    bytes.truncate(len);
    Packet {
        src,
        dst,
        ttl: 255,
        bytes,
        genuine: true,
    }
}
