//! A simulated instance, with the parts of `engine` and of the kernel that it needs.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use vrrpd::types::{Centis, Instant, Priority, VrrpState};
use vrrpd::vrrp::garp::Schedule;
use vrrpd::vrrp::{Action, Actions, Event, Instance, Params, Reason};

/// A datagram on the network or in a socket's queue.
#[derive(Clone, Debug)]
pub struct Packet {
    pub src: IpAddr,
    pub dst: IpAddr,
    pub ttl: u8,
    pub bytes: Vec<u8>,
    /// Sent by a router, not forged.
    pub genuine: bool,
}

/// Datagrams a socket queues; later ones are dropped.
pub const SOCKET_QUEUE: usize = 64;

/// State of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// Crashed or not yet started.
    Off,
    Running,
    /// Stopped (SIGSTOP): the kernel queues packets.
    Frozen,
    /// The whole machine is suspended: packets are lost.
    Suspended,
}

#[derive(Debug)]
pub struct Node {
    pub name: &'static str,
    /// Index of its router.
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
    /// How late the next timer runs.
    pub late: Duration,
    pub rx: VecDeque<Packet>,
    /// Changes while the process was halted.
    pub missed: Vec<Change>,
    pub stopped_at: Instant,
    /// The advert interval at start.
    pub initial_interval: Centis,
    /// The longest advert interval so far: backups may still use it.
    pub longest_interval: Centis,
    /// When its state last changed.
    pub since: Instant,
    /// Number of adverts sent.
    pub sent: u64,
    /// When the process started: start of `hold`.
    pub started_at: Instant,
    /// In maintenance, as its state file says.
    pub maintenance: bool,
    /// Its record in the state file.
    pub record: Option<Record>,
}

/// What the state file says of a master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Time of its last advert.
    pub sent: Instant,
    /// How long peers wait after it.
    pub grace: Duration,
    /// The priority in it.
    pub priority: Priority,
}

/// An event from `engine` to the instance.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// Its link or address changed, or that of another group member; the nodes have the new state.
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
            initial_interval: params.advert_int,
            longest_interval: params.advert_int,
            params,
            installed: false,
            late: Duration::ZERO,
            rx: VecDeque::new(),
            missed: Vec::new(),
            stopped_at: Instant::ZERO,
            since: Instant::ZERO,
            sent: 0,
            started_at: Instant::ZERO,
            maintenance: false,
            record: None,
        }
    }

    /// The same node with a new instance, after `params` were changed.
    pub fn rebuilt(self) -> Self {
        Node::new(self.name, self.addr, self.params, self.garp, self.hold)
    }

    pub fn state(&self) -> VrrpState {
        self.machine.state()
    }

    pub fn running(&self) -> bool {
        self.power == Power::Running
    }

    /// Running and in BACKUP or MASTER, and may be MASTER.
    pub fn ready(&self) -> bool {
        !self.maintenance
            && self.running()
            && matches!(self.state(), VrrpState::Backup | VrrpState::Master)
    }

    pub fn is_master(&self) -> bool {
        self.state() == VrrpState::Master
    }

    /// The next deadline of its timers.
    pub fn next_wakeup(&self) -> Option<Instant> {
        // The instances of a router finish resuming together (`Op::FinishResume`).
        if !self.running() || self.machine.is_resuming() {
            return None;
        }
        let machine = self.machine.next_deadline().map(|at| at.after(self.late));
        [machine, self.schedule.next_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Updates the record in the state file after an advert.
    pub fn write_record(&mut self, now: Instant) {
        if self.is_master() && !self.params.priority.is_owner() {
            self.record = Some(Record {
                sent: now,
                grace: self.machine.peer_down_interval_min(),
                priority: self.machine.effective_priority(),
            });
        }
    }

    /// Starts a new process, which has only the record of the previous one.
    pub fn start_process(&mut self, now: Instant) {
        self.power = Power::Running;
        self.machine = Instance::new(self.params.clone());
        if self.maintenance {
            self.machine.handle(now, Event::Demote, &mut Actions::new());
        }
        self.schedule = Schedule::new(self.garp, self.params.addresses.len());
        self.installed = false;
        self.rx.clear();
        self.missed.clear();
        self.started_at = now;
    }

    /// Ends the process.
    pub fn crash(&mut self) {
        self.power = Power::Off;
        self.installed = false;
        self.rx.clear();
        self.missed.clear();
    }

    /// Handles an event and checks the invariants that hold after each event.
    pub fn handle(&mut self, now: Instant, event: Event<'_>) -> Actions {
        let mut out = Actions::new();
        let timer = matches!(event, Event::Timer);
        self.machine.handle(now, event, &mut out);
        if !self.is_master() && !self.machine.is_resuming() {
            self.record = None;
        }
        let name = self.name;
        assert!(out.len() <= 8, "{name}: too many actions: {out:?}");
        if timer {
            let next = self.machine.next_deadline();
            assert!(
                next.is_none_or(|at| at > now),
                "{name}: deadline did not move"
            );
        }
        for action in &out {
            self.apply(now, *action);
        }
        assert_eq!(self.machine.in_maintenance(), self.maintenance, "{name}");
        assert!(
            !(self.maintenance && self.is_master()),
            "{name} is master in maintenance"
        );
        assert_eq!(
            self.installed,
            self.is_master(),
            "{name}: addresses installed must equal being master: {out:?}"
        );
        out
    }

    fn apply(&mut self, now: Instant, action: Action) {
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

    /// The reason for FAULT, if any.
    pub fn fault(&self) -> Option<Reason> {
        (!self.link_up).then_some(Reason::InterfaceDown)
    }
}
