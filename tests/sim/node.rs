//! A simulated instance, and around it what `engine` and the kernel do for it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd::types::{Centis, Instant, Priority, VrrpState};
use vrrpd::vrrp::garp::Schedule;
use vrrpd::vrrp::{Action, Actions, Event, Instance, Params, Reason};

/// A datagram on the segment, or in a socket's queue.
#[derive(Clone, Debug)]
pub struct Packet {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ttl: u8,
    pub bytes: Vec<u8>,
    /// Sent by one of the routers, not made up by an attacker.
    pub genuine: bool,
}

/// Datagrams a socket holds while nobody reads; more are lost, the newest first.
pub const SOCKET_QUEUE: usize = 64;

/// Whether the process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// Crashed or not yet started.
    Off,
    Running,
    /// Stopped (SIGSTOP): the kernel goes on queuing.
    Frozen,
    /// The whole machine is suspended: packets pass it by.
    Suspended,
}

#[derive(Debug)]
pub struct Node {
    pub name: &'static str,
    /// Place of its router.
    pub router: usize,
    /// The network it is on.
    pub net: usize,
    pub addr: IpAddr,
    pub params: Params,
    pub garp: vrrpd::vrrp::garp::Params,
    pub hold: Duration,
    pub power: Power,
    pub link_up: bool,
    /// Priority after tracking.
    pub priority: Priority,
    pub machine: Instance,
    pub schedule: Schedule,
    pub installed: bool,
    /// How late this node's timers are served.
    pub late: Duration,
    pub rx: VecDeque<Packet>,
    /// What happened to the router while its process could not look.
    pub missed: Vec<Change>,
    pub stopped_at: Instant,
    /// The interval it began with.
    pub first: Centis,
    /// The longest interval it has had: others may still wait in it.
    pub slowest: Centis,
    /// When its state last changed.
    pub since: Instant,
    /// Adverts it has sent.
    pub sent: u64,
    /// When it began waiting with the startup hold.
    pub started_at: Instant,
    /// As the state file has it: its last advert as master, and how long that keeps others away.
    pub word: Option<(Instant, Duration)>,
}

/// Something `engine` tells the instance.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Its link or its address, or those of another member; what they are now is in the nodes.
    Readiness,
    Priority,
    Params,
}

impl Node {
    pub fn new(
        name: &'static str,
        addr: IpAddr,
        params: Params,
        garp: vrrpd::vrrp::garp::Params,
        hold: Duration,
    ) -> Self {
        Node {
            name,
            router: 0,
            net: 0,
            addr,
            garp,
            hold,
            power: Power::Off,
            link_up: true,
            priority: params.priority,
            machine: Instance::new(params.clone()),
            schedule: Schedule::new(garp, params.addresses.len()),
            first: params.advert_int,
            slowest: params.advert_int,
            params,
            installed: false,
            late: Duration::ZERO,
            rx: VecDeque::new(),
            missed: Vec::new(),
            stopped_at: Instant::ZERO,
            since: Instant::ZERO,
            sent: 0,
            started_at: Instant::ZERO,
            word: None,
        }
    }

    /// The same after its configuration was changed.
    pub fn again(self) -> Self {
        Node::new(self.name, self.addr, self.params, self.garp, self.hold)
    }

    pub fn state(&self) -> VrrpState {
        self.machine.state()
    }

    pub fn running(&self) -> bool {
        self.power == Power::Running
    }

    /// Running, with all it needs, and started: a router others may rely on.
    pub fn ready(&self) -> bool {
        self.running() && matches!(self.state(), VrrpState::Backup | VrrpState::Master)
    }

    pub fn is_master(&self) -> bool {
        self.state() == VrrpState::Master
    }

    /// When the process wakes for a timer of its own.
    pub fn wakes_at(&self) -> Option<Instant> {
        // The instances of a router go on together (`Op::GoOn`).
        if !self.running() || self.machine.is_resuming() {
            return None;
        }
        let machine = self.machine.next_deadline().map(|at| at.after(self.late));
        [machine, self.schedule.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Writes down that it has sent an advert.
    pub fn write_word(&mut self, now: Instant) {
        if self.is_master() && !self.params.priority.is_owner() {
            self.word = Some((now, self.machine.peer_down_interval_min()));
        }
    }

    /// A new process: nothing remembered but the word of the former one. (Its addresses are not looked at.)
    pub fn boot(&mut self, now: Instant) {
        self.power = Power::Running;
        self.machine = Instance::new(self.params.clone());
        self.schedule = Schedule::new(self.garp, self.params.addresses.len());
        self.installed = false;
        self.rx.clear();
        self.missed.clear();
        self.started_at = now;
    }

    /// The process is gone.
    pub fn crash(&mut self) {
        self.power = Power::Off;
        self.installed = false;
        self.rx.clear();
        self.missed.clear();
    }

    /// Hands an event to the machine and checks what holds for every single event.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) -> Actions {
        let mut out = Actions::new();
        let timer = matches!(event, Event::Timer);
        self.machine.handle(now, event, &mut out);
        if !self.is_master() && !self.machine.is_resuming() {
            self.word = None;
        }
        let name = self.name;
        assert!(out.len() <= 8, "{name}: too many actions: {out:?}");
        if timer {
            let next = self.machine.next_deadline();
            assert!(
                next.is_none_or(|at| at > now),
                "{name}: the same deadline again"
            );
        }
        for action in &out {
            self.carry_out(now, *action);
        }
        assert_eq!(
            self.installed,
            self.is_master(),
            "{name}: addresses without mastership, or mastership without: {out:?}"
        );
        out
    }

    fn carry_out(&mut self, now: Instant, action: Action) {
        let name = self.name;
        match action {
            Action::Install => {
                assert!(!self.installed, "{name}: installed twice");
                self.installed = true;
            }
            Action::Withdraw => {
                assert!(self.installed, "{name}: withdrawn twice");
                self.installed = false;
            }
            Action::Announce(burst) => {
                assert!(self.installed, "{name}: announced before installed");
                self.schedule.start(now, burst);
            }
            Action::StopAnnouncing => self.schedule.stop(),
            Action::Transition { from, to, .. } => {
                assert_ne!(from, to, "{name}");
                self.since = now;
            }
            Action::SendAdvert(_) | Action::Notice(_) | Action::RequestGroup => {}
        }
    }

    /// What the link watcher misses at the moment.
    pub fn missing(&self) -> Option<Reason> {
        (!self.link_up).then_some(Reason::InterfaceDown)
    }
}
