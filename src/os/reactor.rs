//! The poll loop. Each iteration waits in one `ppoll`, then handles packets, netlink events,
//! signals and file changes, and timers last.
//!
//! Sockets come before timers: after a stall (a stopped process, a suspended machine) adverts that
//! prove the master alive may be waiting already. A down timer that fired before they are read
//! would make two masters.

use core::fmt::Arguments;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::prctl;

use super::auto_priority::{AutoPriority, Wait};
use super::clock;
use super::clock::Suspension;
use super::control::server::Server;
use super::dumps::{DumpKind, Dumps};
use super::event_reader::{EventReader, Slice};
use super::linux::Linux;
use super::logging;
use super::netlink_socket::{BUFFER_LEN, NetlinkSocket};
use super::packets::Backlog;
use super::raw_socket::Buffer;
use super::receive_clock::ReceiveClock;
use super::restart::Successor;
use super::signals::{Signal, Signals};
use super::state_file::StateFile;
use crate::config::Config;
use crate::config::model::Global;
use crate::config::schema::Feature;
use crate::engine::system::{Pid, errno_text, error_text};
use crate::engine::{Engine, ProcessEvent};
use crate::log;
use crate::sys;
use crate::types::Instant;

/// An iteration that starts this much later than its timer counts as a stall.
pub(super) const STALL: Duration = Duration::from_millis(20);
/// How long before a takeover to stop sleeping. Only a backup whose master has stopped sending gets
/// this close to its down timer.
pub(super) const EARLY: Duration = Duration::from_micros(250);
/// The kernel may end a poll late by a thousandth of its timeout, whatever the timer slack
/// (`fs/select.c`): almost a millisecond before a takeover at the default interval. Waking early by
/// this part of the timeout makes up for it.
const POLL_SLACK: u32 = 500;

/// What the loop returns for, because it concerns the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessRequest {
    /// Stop.
    Stop,
    /// Read the configuration again.
    Reload,
    /// Execute the new program: it has accepted the configuration.
    Restart,
    /// Compare configurations for clients.
    Diff,
}

/// Indexes of the fixed descriptors in the poll list; receive sockets follow, then their sockets for
/// resignations.
const LINK_EVENTS: usize = 0;
const SIGNALS: usize = 1;
const FILES: usize = 2;
const ROUTE_EVENTS: usize = 3;
pub(super) const FIRST_RECEIVER: usize = 4;

/// The loop and everything it waits for.
#[derive(Debug)]
pub struct Reactor<'a> {
    pub(super) engine: Engine,
    pub(super) linux: Linux,
    /// Changes of links and addresses.
    link_events: NetlinkSocket,
    link_reader: EventReader,
    /// Changes of routes and rules, if the configuration has any.
    route_events: Option<NetlinkSocket>,
    route_reader: EventReader,
    signals: &'a Signals,
    pub(super) successor: &'a Successor,
    /// The child that tests the configuration with the new program.
    pub(super) successor_test: Option<Pid>,
    /// Exit code of `-t` for the configuration that was accepted last.
    pub test_code: u8,
    pub(super) poll: Vec<libc::pollfd>,
    /// Number of receive sockets in the poll list.
    pub(super) receivers: usize,
    /// Length of the poll list without the control socket's descriptors and, after them, the sockets
    /// of health checks.
    pub(super) fixed_len: usize,
    /// Length of the poll list without the sockets of health checks.
    pub(super) control_end: usize,
    pub(super) control: Server,
    pub(super) dumps: Dumps,
    auto_priority: AutoPriority,
    suspension: Suspension,
    /// End of the last wait.
    pub(super) woke: Instant,
    pub(super) receive_clock: ReceiveClock,
    /// [`Linux::generation`] of the poll list.
    generation: Option<u32>,
    pub(super) buffer: Buffer,
    /// For netlink events and answers to health checks.
    pub(super) event_buffer: Vec<u8>,
}

impl<'a> Reactor<'a> {
    /// # Errors
    /// A socket cannot be opened.
    pub fn new(
        mut engine: Engine,
        signals: &'a Signals,
        successor: &'a Successor,
        state: StateFile,
    ) -> io::Result<Self> {
        let mut linux = Linux::open()?;
        linux.state = state;
        engine.set_pid(std::process::id());
        Ok(Reactor {
            engine,
            // Before links and addresses are dumped, so that no change in between is missed.
            link_events: NetlinkSocket::link_events()?,
            link_reader: EventReader::default(),
            route_events: None,
            route_reader: EventReader::default(),
            linux,
            signals,
            successor,
            successor_test: None,
            test_code: 0,
            poll: Vec::new(),
            receivers: 0,
            fixed_len: 0,
            control_end: 0,
            control: Server::default(),
            dumps: Dumps::default(),
            auto_priority: AutoPriority::default(),
            suspension: Suspension::new(),
            woke: Instant::ZERO,
            receive_clock: ReceiveClock::new(),
            generation: None,
            buffer: Buffer::new(),
            event_buffer: vec![0; BUFFER_LEN],
        })
    }

    /// Reads the state of the kernel and starts all instances.
    ///
    /// # Errors
    /// Links or addresses cannot be read.
    pub fn start(&mut self) -> io::Result<()> {
        self.follow_routes();
        self.engine.start(clock::now(), &mut self.linux)
    }

    /// Sends the last adverts, removes addresses and services, and waits a moment for notify
    /// scripts and FIFO readers.
    pub fn stop(&mut self) {
        self.engine.stop(clock::now(), &mut self.linux);
        while let Some(until) = self
            .engine
            .drain_notifications(clock::now(), &mut self.linux)
        {
            let left = until.since(clock::now());
            let mut signals = [readable(self.signals.as_fd().as_raw_fd())];
            if sys::ppoll(&mut signals, Some(left)).is_err() {
                break;
            }
            // Only SIGCHLD matters during shutdown; other signals are discarded.
            while self.signals.next().is_some() {}
            self.reap_children();
        }
        // Addresses that stay must not be another program's to the next process.
        if !self.engine.leaves_addresses() {
            self.linux.state.remove();
        }
        self.finish_answers();
        self.control.stop();
    }

    /// Clients that follow the events get the last of them.
    fn finish_answers(&mut self) {
        let (engine, linux) = (&self.engine, &mut self.linux);
        self.control.finish_answers(engine, linux, clock::wall());
    }

    /// Prepares for another program to take the place of this one.
    pub fn prepare_restart(&mut self) {
        self.engine.hand_over(clock::now(), &mut self.linux);
        // It would take the raised priority for one that it was started with.
        let process = &self.engine.global().process;
        self.auto_priority.reset(process);
        self.finish_answers();
    }

    /// Reports what happens to the process: to the log and to `vrrpd events`.
    pub fn log_event(&self, what: ProcessEvent, text: Arguments<'_>) {
        self.engine.report(clock::now(), what, text);
    }

    /// Whether the configuration has nothing to run.
    pub fn is_idle(&self) -> bool {
        self.engine.is_idle()
    }

    /// Settings of the running configuration.
    pub fn global(&self) -> &Global {
        self.engine.global()
    }

    /// To be called before a configuration is read, and applied, within this time: that can take
    /// long enough for peers to miss an advert.
    pub fn before_reload(&mut self, time: Duration) {
        self.engine
            .before_reload(clock::now(), time, &mut self.linux);
    }

    /// Replaces the running configuration.
    pub fn reload(&mut self, config: Config) {
        let priority = self.global().process.rt_priority;
        self.engine.reload(clock::now(), config, &mut self.linux);
        let process = &self.engine.global().process;
        self.auto_priority.reload(priority, process);
        self.follow_routes();
    }

    /// The configuration was applied; it has this many errors.
    pub fn config_applied(&mut self, path: &str, errors: usize) {
        self.engine.config_applied(clock::now(), path, errors);
    }

    /// A reload was refused.
    pub fn reload_refused(&mut self, why: &str) {
        self.engine.reload_refused(clock::now(), why);
    }

    /// Runs until a signal asks for something that concerns the whole process.
    ///
    /// # Errors
    /// ppoll(2) failed.
    pub fn run(&mut self) -> io::Result<ProcessRequest> {
        // Timers fire when they are due, not up to 50 µs later to save power.
        if let Err(errno) = prctl::set_timerslack(1) {
            log::debug!("cannot set the timer slack: {}", errno_text(errno as i32));
        }
        self.auto_priority.pause(clock::now());
        // Start and reload have used more of it than the loop does.
        sys::release_stack();
        loop {
            let backlog = self.wait()?;
            self.end_pauses();
            // Before packets: the next one may come from a router that became master meanwhile.
            if let Some(time) = self.suspension.detect(self.woke) {
                self.engine.suspended(clock::now(), time, &mut self.linux);
            }
            self.read_packets(backlog);
            if self.is_ready(LINK_EVENTS) || self.link_reader.is_behind() {
                self.read_link_events();
            }
            if self.is_ready(ROUTE_EVENTS) || self.route_reader.is_behind() {
                self.read_route_events();
            }
            if self.is_ready(SIGNALS)
                && let Some(request) = self.handle_signals()
            {
                return Ok(request);
            }
            if self.is_ready(FILES) && self.linux.files_changed() {
                self.engine.files_changed(clock::now(), &mut self.linux);
            }
            #[cfg(feature = "lvs")]
            self.read_checks();
            self.engine.expire(clock::now(), &mut self.linux);
            if let Some(request) = self.serve_clients() {
                return Ok(request);
            }
        }
    }

    // ---- waiting ----

    /// Waits until a descriptor is ready or a timer is due.
    fn wait(&mut self) -> io::Result<Backlog> {
        let deadline = self.engine.next_deadline();
        let mut timeout = self.timeout(deadline);
        if let Some(pause) = logging::flush() {
            timeout = Some(timeout.map_or(pause, |left| left.min(pause)));
        }
        #[cfg(feature = "lvs")]
        if let Some(limit) = self.check_wait_limit() {
            timeout = Some(timeout.map_or(limit, |left| left.min(limit)));
        }
        self.update_poll_list();
        let start = clock::now();
        sys::ppoll(&mut self.poll, timeout)?;
        #[cfg(feature = "lvs")]
        self.linux
            .lvs
            .checks
            .polled(self.poll.get(self.control_end..).unwrap_or_default());
        let woke = clock::now();
        self.woke = woke;
        let late = deadline.map_or(Duration::ZERO, |at| woke.since(at));
        let wait = Wait {
            start,
            end: woke,
            late,
        };
        let process = &self.engine.global().process;
        let shortest = || self.engine.shortest_interval();
        self.auto_priority.waited(wait, process, shortest);
        Ok(match late > STALL {
            true => Backlog::AfterStall { woke },
            false => Backlog::Usual,
        })
    }

    /// How long to wait; `None` is for ever. Before a takeover the loop wakes early and then polls
    /// without waiting: the time that a sleeping processor takes to wake up would be time without a
    /// master.
    fn timeout(&self, deadline: Option<Instant>) -> Option<Duration> {
        let is_behind = self.link_reader.is_behind() || self.route_reader.is_behind();
        if self.engine.has_more() || is_behind || self.clients_wait() {
            return Some(Duration::ZERO);
        }
        let others = [self.control.next_deadline(), self.linux.pause_end()];
        let all = others.into_iter().chain([deadline]).flatten();
        let first = all.min()?;
        let left = first.since(clock::now());
        if deadline != Some(first) || !self.engine.takeover_is_next() {
            return Some(left);
        }
        Some(left.saturating_sub(EARLY + left / POLL_SLACK))
    }

    fn update_poll_list(&mut self) {
        let generation = self.linux.generation();
        self.poll.truncate(self.fixed_len);
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.rebuild_poll_list();
        }
        for nth in 0..self.receivers {
            let receiver = self.linux.receiver(nth);
            if let Some(entry) = self.poll.get_mut(FIRST_RECEIVER + nth)
                && let Some(receiver) = receiver
            {
                entry.fd = receiver.poll_fd();
            }
        }
        self.control.poll_entries(&mut self.poll);
        self.control_end = self.poll.len();
        // These change all the time, and are few while servers answer.
        #[cfg(feature = "lvs")]
        self.poll.extend_from_slice(self.linux.lvs.checks.entries());
    }

    fn rebuild_poll_list(&mut self) {
        self.poll.clear();
        let fixed = [
            self.link_events.fd(),
            self.signals.as_fd().as_raw_fd(),
            // ppoll ignores negative descriptors.
            self.linux.watch_fd().unwrap_or(-1),
            self.route_events.as_ref().map_or(-1, NetlinkSocket::fd),
        ];
        self.poll.extend(fixed.map(readable));
        self.poll.extend(self.linux.receiver_fds().map(readable));
        self.receivers = self.poll.len() - FIRST_RECEIVER;
        self.poll.extend(self.linux.resignation_fds().map(readable));
        self.fixed_len = self.poll.len();
    }

    pub(super) fn is_ready(&self, index: usize) -> bool {
        self.poll.get(index).is_some_and(|entry| entry.revents != 0)
    }

    // ---- netlink events ----

    fn read_link_events(&mut self) {
        let reader = &mut self.link_reader;
        match reader.read(&self.link_events, &mut self.event_buffer, &mut self.engine) {
            Slice::Complete => self.engine.refresh(clock::now(), &mut self.linux),
            Slice::Partial => {}
            Slice::Lost => {
                let text = format_args!("netlink events lost (ENOBUFS); resyncing");
                self.log_event(ProcessEvent::EventsLost, text);
                if let Err(error) = self.engine.resync(clock::now(), &mut self.linux) {
                    let why = error_text(&error);
                    log::error!(target: "netlink", "cannot read links and addresses: {why}");
                }
            }
        }
    }

    /// Opens the socket for route events if the configuration has routes or rules, and closes it if
    /// not.
    fn follow_routes(&mut self) {
        if self.engine.wants_route_events() == self.route_events.is_some() {
            return;
        }
        self.route_reader = EventReader::default();
        self.route_events = match self.route_events {
            Some(_) => None,
            None => NetlinkSocket::route_events()
                .inspect_err(|error| {
                    let why = error_text(error);
                    log::warn!(target: "netlink", "no route events: {why}; routes deleted externally will not be reinstalled");
                })
                .ok(),
        };
        self.generation = None;
    }

    fn read_route_events(&mut self) {
        let Some(socket) = &self.route_events else {
            return;
        };
        let reader = &mut self.route_reader;
        match reader.read(socket, &mut self.event_buffer, &mut self.engine) {
            Slice::Complete | Slice::Partial => {
                self.engine.refresh(clock::now(), &mut self.linux);
            }
            Slice::Lost => self.engine.resync_routes(clock::now(), &mut self.linux),
        }
    }

    // ---- signals ----

    /// Handles the signals that concern the loop, and returns what the others ask for. Several
    /// requests to reload become one.
    fn handle_signals(&mut self) -> Option<ProcessRequest> {
        let mut request = None;
        while let Some(received) = self.signals.next() {
            match received.signal {
                Signal::Stop => return Some(ProcessRequest::Stop),
                Signal::Reload => request = Some(ProcessRequest::Reload),
                Signal::Dump => self.dumps.write(DumpKind::State, &self.engine),
                Signal::Stats => self.dumps.write(DumpKind::Stats, &self.engine),
                Signal::ClearStats => {
                    // A dump that is being written has everything that is cleared.
                    if !self.dumps.is_writing(DumpKind::Stats) {
                        self.dumps.write(DumpKind::Stats, &self.engine);
                    }
                    self.engine.clear_stats();
                }
                Signal::Json if Feature::Json.is_built_in() => {
                    self.dumps.write(DumpKind::Json, &self.engine);
                }
                Signal::Json => log::warn!("JSON: {}", Feature::Json.not_built_in()),
                Signal::Trace => self.log_loop_state(),
                Signal::Child => request = self.reap_children().or(request),
                Signal::Restart => self.test_successor(),
                Signal::Other(_) => {}
            }
        }
        request
    }

    /// Reaps all children that have ended: one SIGCHLD can stand for many.
    fn reap_children(&mut self) -> Option<ProcessRequest> {
        let mut request = None;
        while let Some((pid, how)) = self.linux.reap() {
            if self.dumps.ended(pid, how, &self.engine) {
                continue;
            }
            if self.successor_test == Some(pid) {
                self.successor_test = None;
                request = self.judge_successor(how);
            }
            let now = clock::now();
            self.engine.child_ended(now, pid, how, &mut self.linux);
        }
        request
    }

    fn log_loop_state(&self) {
        let next = self.engine.next_deadline();
        let left = next.map_or(-1, |at| {
            i64::try_from(at.since(clock::now()).as_micros()).unwrap_or(i64::MAX)
        });
        let mut states = [0_u32; 4];
        for (_, state, _) in self.engine.instances() {
            if let Some(count) = states.get_mut(state as usize) {
                *count += 1;
            }
        }
        let [init, backup, master, fault] = states;
        log::info!(
            "next timer in {left} us (-1: none), {} descriptors, instances: {master} MASTER, {backup} BACKUP, {fault} FAULT, {init} INIT",
            self.poll.len()
        );
    }
}

fn readable(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}
