//! The loop: one `ppoll`, then sockets, kernel news, signals, and timers last.
//!
//! Sockets before timers: after a stall (a stopped process, a paused machine) adverts that prove the
//! master alive are waiting already; a timer that fired first would make two masters.

use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::prctl;

use super::clock;
use super::dumps::{Dumps, Kind};
use super::linux::Linux;
use super::netlink_socket::NetlinkSocket;
use super::raw_socket::Buffer;
use super::restart::Successor;
use super::sched::AutoPriority;
use super::signals::{Signal, Signals};
use super::state_file::StateFile;
use crate::config::Config;
use crate::config::model::Global;
#[cfg(not(feature = "json"))]
use crate::config::schema::Feature;
use crate::engine::Engine;
use crate::engine::instance::rx::Datagram;
use crate::engine::system::{Exit, Pid, System};
use crate::netlink::Messages;
use crate::sys;
use crate::types::Instant;

/// Datagrams taken from one socket per turn, so that a flood on one cannot starve the rest. More than 255
/// instances at 10 ms send during what does not count as a stall yet.
const DATAGRAMS_PER_TURN: u32 = 1024;
/// The same after a stall, when all that waits must be heard before a timer fires; more than the socket's
/// buffer holds.
const DATAGRAMS_AFTER_STALL: u32 = 16_384;
/// A loop turn that comes this much late counts as a stall.
const STALL: Duration = Duration::from_millis(20);
/// How much before a takeover to be awake. A backup hears adverts long before, so this is spent when a
/// master has fallen silent, not all the time.
const EARLY: Duration = Duration::from_micros(250);
/// The kernel allows itself to end a poll late by a thousandth of its time-out (fs/select.c), whatever the timer
/// slack: most of a millisecond before a takeover at the usual interval. Waking this part early stays clear of it.
const POLL_SLACK: u32 = 500;
/// Kernel messages read per turn.
const NEWS_PER_TURN: u32 = 256;

/// What a new program may take to find out whether it would run.
const TRIAL: Duration = Duration::from_secs(30);

/// What the loop returns for, because it concerns the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessRequest {
    /// Stop.
    Stop,
    /// Read the configuration again.
    Reload,
    /// Execute the new program; its configuration test has succeeded.
    Restart,
}

/// Everything the loop waits for.
#[derive(Debug)]
pub struct Reactor<'a> {
    pub(super) engine: Engine,
    pub(super) linux: Linux,
    news: NetlinkSocket,
    /// News of routes, where there are any to look after.
    routes: Option<NetlinkSocket>,
    signals: &'a Signals,
    successor: &'a Successor,
    /// A child that finds out whether the successor would run.
    trial: Option<Pid>,
    /// What `-t` makes of the running configuration.
    pub tested: u8,
    poll: Vec<libc::pollfd>,
    /// Where the fixed descriptors and receive sockets end in it, and the health checks' begin.
    listening: usize,
    dumps: Dumps,
    /// Real-time priority taken when timers run late.
    auto_priority: AutoPriority,
    generation: Option<u32>,
    buffer: Buffer,
    pub(super) news_buffer: Vec<u8>,
}

/// Places of the fixed descriptors in the poll list; receive sockets follow.
const NEWS: usize = 0;
const SIGNALS: usize = 1;
const FILES: usize = 2;
const ROUTES: usize = 3;
const FIRST_RECEIVER: usize = 4;

impl<'a> Reactor<'a> {
    pub fn new(
        engine: Engine,
        signals: &'a Signals,
        successor: &'a Successor,
        state: StateFile,
    ) -> io::Result<Self> {
        let mut linux = Linux::open()?;
        linux.state = state;
        Ok(Reactor {
            engine,
            // First, so that nothing that happens during the first look is missed.
            news: NetlinkSocket::link_events()?,
            routes: None,
            linux,
            signals,
            successor,
            trial: None,
            tested: 0,
            poll: Vec::new(),
            listening: 0,
            dumps: Dumps::default(),
            auto_priority: AutoPriority::default(),
            generation: None,
            buffer: Buffer::new(),
            news_buffer: vec![0; 64 << 10],
        })
    }

    /// Begins: reads the machine's state, starts all instances.
    pub fn start(&mut self) -> io::Result<()> {
        self.follow_routes();
        self.engine.start(clock::now(), &mut self.linux)
    }

    /// Resigns, clears up, and gives those who are told of it a moment.
    pub fn stop(&mut self) {
        self.engine.stop(clock::now(), &mut self.linux);
        while let Some(until) = self.engine.farewell(clock::now(), &mut self.linux) {
            let left = until.since(clock::now());
            let mut signals = [readable(self.signals.as_fd().as_raw_fd())];
            if sys::ppoll(&mut signals, Some(left)).is_err() {
                break;
            }
            // Whatever it was, it is too late for anything but the end of children.
            while self.signals.next().is_some() {}
            self.children_ended();
        }
        self.linux.state.remove();
    }

    /// To be called before another program takes our place.
    pub fn prepare_restart(&mut self) {
        self.engine.hand_over(clock::now(), &mut self.linux);
    }

    /// The settings of the running configuration.
    pub fn global(&self) -> &Global {
        self.engine.global()
    }

    /// To be called before a configuration is read, which may take a while: our peers must not miss us.
    pub fn before_reload(&mut self) {
        self.engine.before_reload(clock::now(), &mut self.linux);
    }

    /// Changes over to another configuration.
    pub fn reload(&mut self, config: Config) {
        self.engine.reload(clock::now(), config, &mut self.linux);
        self.follow_routes();
    }

    /// Runs until told to do something that concerns the whole process.
    ///
    /// # Errors
    /// When the kernel refuses to wait for events.
    pub fn run(&mut self) -> io::Result<ProcessRequest> {
        // Timers fire when they are due, not up to 50 µs later to save power.
        if let Err(errno) = prctl::set_timerslack(1) {
            log::debug!("timer slack stays: {errno}");
        }
        loop {
            let deadline = self.engine.next_deadline();
            let timeout = self.timeout(deadline);
            self.collect();
            sys::ppoll(&mut self.poll, timeout)?;
            #[cfg(feature = "lvs")]
            self.linux
                .lvs
                .checks
                .polled(self.poll.get(self.listening..).unwrap_or_default());
            let woke = clock::now();
            let late = deadline.map_or(Duration::ZERO, |at| woke.since(at));
            if !late.is_zero() {
                self.auto_priority.late(late, &self.engine.global().process);
            }
            self.packets(if late > STALL {
                DATAGRAMS_AFTER_STALL
            } else {
                DATAGRAMS_PER_TURN
            });
            if self.is_ready(NEWS) {
                self.kernel_news();
            }
            if self.is_ready(ROUTES) {
                self.route_news();
            }
            if self.is_ready(SIGNALS)
                && let Some(wanted) = self.told()
            {
                return Ok(wanted);
            }
            if self.is_ready(FILES) && self.linux.files_changed() {
                self.engine.files_changed(clock::now(), &mut self.linux);
            }
            #[cfg(feature = "lvs")]
            self.check_events(late > STALL);
            self.engine.expire(clock::now(), &mut self.linux);
        }
    }

    /// How long to wait. Before a takeover we wake early and then poll without waiting: the time a sleeping
    /// processor takes to wake up would be time without a master.
    fn timeout(&self, deadline: Option<Instant>) -> Option<Duration> {
        if self.engine.has_more() {
            return Some(Duration::ZERO);
        }
        let left = deadline?.since(clock::now());
        if !self.engine.takeover_is_next() {
            return Some(left);
        }
        Some(left.saturating_sub(EARLY + left / POLL_SLACK))
    }

    /// Brings the poll list up to date with the sockets there are.
    fn collect(&mut self) {
        let generation = self.linux.generation();
        self.poll.truncate(self.listening);
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.collect_listeners();
        }
        // Those come and go all the time, and are few as long as servers answer.
        #[cfg(feature = "lvs")]
        self.poll.extend_from_slice(self.linux.lvs.checks.entries());
    }

    fn collect_listeners(&mut self) {
        self.poll.clear();
        let fixed = [
            self.news.fd(),
            self.signals.as_fd().as_raw_fd(),
            // A negative number is no descriptor and never ready.
            self.linux.watch_fd().unwrap_or(-1),
            self.routes.as_ref().map_or(-1, NetlinkSocket::fd),
        ];
        self.poll.extend(
            fixed
                .into_iter()
                .chain(self.linux.receiver_fds())
                .map(readable),
        );
        self.listening = self.poll.len();
    }

    fn is_ready(&self, place: usize) -> bool {
        self.poll.get(place).is_some_and(|entry| entry.revents != 0)
    }

    fn packets(&mut self, most: u32) {
        let generation = self.linux.generation();
        for place in FIRST_RECEIVER..self.listening {
            if !self.is_ready(place) {
                continue;
            }
            for _ in 0..most {
                if self.linux.generation() != generation {
                    // A packet made sockets come or go; the list is no longer theirs.
                    return;
                }
                let nth = place - FIRST_RECEIVER;
                let Some((on, result)) = self.linux.receive(nth, &mut self.buffer) else {
                    return;
                };
                match result {
                    Ok(Some(info)) => {
                        let bytes = self.buffer.bytes.get(..info.len).unwrap_or_default();
                        let datagram = Datagram {
                            on,
                            bytes,
                            v6: info.v6,
                            wall: info.stamp.map(Duration::from_nanos),
                        };
                        let at = clock::moment_of(info.stamp);
                        self.engine.packet(at, &datagram, &mut self.linux);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        // ENETDOWN and the like: the interface's news tell the rest.
                        log::debug!(target: "vrrp", "receiving: {error}");
                        break;
                    }
                }
            }
        }
    }

    fn kernel_news(&mut self) {
        match take_news(&self.news, &mut self.news_buffer, &mut self.engine) {
            Ok(true) => self.engine.refresh(clock::now(), &mut self.linux),
            Ok(false) => {}
            Err(error) => {
                // ENOBUFS: more happened than the socket could hold. Others do not occur.
                log::info!(target: "netlink", "kernel news were lost ({error}); looking at everything again");
                if let Err(error) = self.engine.resync(clock::now(), &mut self.linux) {
                    log::error!(target: "netlink", "links and addresses cannot be read: {error}");
                }
            }
        }
    }

    /// Listens for news of routes if, and only if, there are any to look after.
    fn follow_routes(&mut self) {
        if self.engine.wants_route_news() == self.routes.is_some() {
            return;
        }
        self.routes = match self.routes {
            Some(_) => None,
            None => NetlinkSocket::route_events()
                .inspect_err(|error| {
                    log::warn!(target: "netlink", "routes that others delete will not be noticed: {error}");
                })
                .ok(),
        };
        self.generation = None;
    }

    fn route_news(&mut self) {
        let Some(socket) = &self.routes else { return };
        match take_news(socket, &mut self.news_buffer, &mut self.engine) {
            Ok(_) => self.engine.refresh(clock::now(), &mut self.linux),
            // ENOBUFS: more happened than the socket could hold.
            Err(_) => self.engine.resync_routes(clock::now(), &mut self.linux),
        }
    }

    /// Carries out what signals ask for, as far as it is the loop's to do. Several requests to reload become one.
    fn told(&mut self) -> Option<ProcessRequest> {
        let mut wanted = None;
        while let Some(received) = self.signals.next() {
            match received.signal {
                Signal::Stop => return Some(ProcessRequest::Stop),
                Signal::Reload => wanted = Some(ProcessRequest::Reload),
                Signal::Dump => self.dumps.write(Kind::State, &self.engine),
                Signal::Stats => self.dumps.write(Kind::Stats, &self.engine),
                Signal::ClearStats => {
                    // One that is being written has all there is to clear.
                    if !self.dumps.is_writing(Kind::Stats) {
                        self.dumps.write(Kind::Stats, &self.engine);
                    }
                    self.engine.clear_stats();
                }
                #[cfg(feature = "json")]
                Signal::Json => self.dumps.write(Kind::Json, &self.engine),
                #[cfg(not(feature = "json"))]
                Signal::Json => log::warn!("JSON: {}", Feature::Json.not_built_in()),
                Signal::Trace => self.trace(),
                Signal::Child => {
                    if self.children_ended() {
                        wanted = Some(ProcessRequest::Restart);
                    }
                }
                Signal::Restart => self.try_successor(),
                Signal::Other(_) => {}
            }
        }
        wanted
    }

    /// One signal may stand for many. True: the successor would run.
    fn children_ended(&mut self) -> bool {
        let mut good = false;
        while let Some((pid, how)) = self.linux.reap() {
            if self.dumps.ended(pid, how, &self.engine) {
                continue;
            }
            if self.trial == Some(pid) {
                self.trial = None;
                good = self.judge(how);
            }
            let now = clock::now();
            self.engine.child_ended(now, pid, how, &mut self.linux);
        }
        good
    }

    // ---- another program in our place ----

    /// Finds out whether it would run, in a child.
    fn try_successor(&mut self) {
        if self.trial.is_some() {
            return;
        }
        let program = self.successor.program().display();
        log::info!("Restart: asking {program} whether it would run");
        let begun = self.successor.test();
        match begun.and_then(|command| self.linux.spawn(&command, &[])) {
            Ok(child) => {
                self.trial = Some(child);
                self.engine.watch_child(clock::now(), child, TRIAL);
            }
            Err(error) => log::error!("restart refused, this version goes on: {error}"),
        }
    }

    fn judge(&self, how: Exit) -> bool {
        // What we run with all the same it may run with, too.
        let good = how.is_success() || how == Exit::Code(self.tested.into());
        if !good {
            let program = self.successor.program().display();
            log::error!("restart refused, this version goes on: {program} -t {how}");
        }
        good
    }

    /// What the loop is up to, as one line of the log.
    fn trace(&self) {
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

/// Hands the engine what the kernel has to tell, up to a limit; whether that was all.
fn take_news(socket: &NetlinkSocket, buffer: &mut [u8], engine: &mut Engine) -> io::Result<bool> {
    for _ in 0..NEWS_PER_TURN {
        let Some(len) = socket.receive(buffer)? else {
            return Ok(true);
        };
        let bytes = buffer.get(..len).unwrap_or_default();
        let now = clock::now();
        for message in Messages::new(bytes).flatten() {
            engine.netlink_event(now, &message.message);
        }
    }
    Ok(false)
}

fn readable(fd: RawFd) -> libc::pollfd {
    libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    }
}
