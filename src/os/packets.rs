//! The loop's part in receive sockets.

use core::time::Duration;

use super::clock;
use super::raw_socket::discard;
use super::reactor::{EARLY, FIRST_RECEIVER, Reactor};
use super::receive_clock::ReceiveTime;
use crate::engine::instance::rx::Datagram;
use crate::engine::system::error_text;
use crate::log;
use crate::types::Instant;

/// Datagrams read from a socket before a timer that has become due meanwhile is served.
const DATAGRAMS_PER_TIMER: u32 = 32;

/// How much may be waiting in the receive buffers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Backlog {
    /// Packets of the time since the last iteration.
    Usual,
    /// Packets of a stall as well. All of them are read before a timer may fire.
    AfterStall {
        /// End of the stall.
        woke: Instant,
    },
}

impl Backlog {
    /// Datagrams read from one socket per iteration, so that a flood on one cannot starve the
    /// others. Usually more than 255 instances at 10 ms send during a stall; after a stall more
    /// than the socket buffer holds.
    fn datagrams(self) -> u32 {
        match self {
            Backlog::Usual => 1024,
            Backlog::AfterStall { .. } => 16_384,
        }
    }
}

impl Reactor<'_> {
    /// Makes sockets ready whose pause is over, and those on which a master has resigned. All are if
    /// a takeover is due: it depends on what has arrived before it.
    pub(super) fn end_pauses(&mut self) {
        let now = self.woke;
        let is_soon = |at: Instant| at <= now.after(EARLY);
        let is_due =
            self.engine.takeover_is_next() && self.engine.next_deadline().is_some_and(is_soon);
        for nth in 0..self.receivers {
            let has_resigned = self.is_ready(FIRST_RECEIVER + self.receivers + nth);
            let Some(receiver) = self.linux.receiver(nth) else {
                return;
            };
            let is_over = receiver.pause.end().is_some_and(|end| is_due || end <= now);
            if has_resigned {
                discard(receiver.resignations.poll_fd());
                receiver.pause.cancel();
            }
            if let Some(entry) = self.poll.get_mut(FIRST_RECEIVER + nth)
                && (is_over || has_resigned)
            {
                entry.revents = libc::POLLIN;
            }
        }
    }

    /// Reads the receive sockets that are ready, each as far as `backlog` says.
    pub(super) fn read_packets(&mut self, backlog: Backlog) {
        for nth in 0..self.receivers {
            let waiting = self.is_ready(FIRST_RECEIVER + nth).then_some(Instant::ZERO);
            if let Some(receiver) = self.linux.receiver(nth) {
                receiver.reception.read_until = waiting.or(receiver.pause.read_until());
            }
        }
        let generation = self.linux.generation();
        for nth in 0..self.receivers {
            if self.is_ready(FIRST_RECEIVER + nth) {
                self.read_socket(backlog, nth);
            }
            if self.linux.generation() != generation {
                // A packet made the engine open or close sockets: indexes have changed.
                return;
            }
        }
    }

    fn read_socket(&mut self, backlog: Backlog, index: usize) {
        let generation = self.linux.generation();
        let start = self.receive_clock.start();
        for nth in 1..=backlog.datagrams() {
            let Some(time) = self.read_packet(index) else {
                return self.pause(index, start, nth - 1);
            };
            if self.linux.generation() != generation || self.may_pause(backlog, nth, time) {
                return;
            }
        }
    }

    /// Leaves a socket out of the poll list for a moment, if its packets come in quick succession.
    fn pause(&mut self, index: usize, start: Instant, packets: u32) {
        let Some(receiver) = self.linux.receiver(index) else {
            return;
        };
        let (on, engine) = (receiver.on, &self.engine);
        if receiver.pause(start, packets, || engine.read_delays(start, on)) {
            self.linux.descriptors_changed();
        }
    }

    /// Reads a datagram from a receive socket; `None` if none is waiting.
    fn read_packet(&mut self, index: usize) -> Option<ReceiveTime> {
        let receiver = self.linux.receiver(index)?;
        let info = match receiver.receive(&mut self.buffer) {
            Ok(Some(info)) => info,
            Ok(None) => {
                receiver.reception.read_until = None;
                return None;
            }
            Err(error) => {
                receiver.reception.read_until = None;
                // ENETDOWN and the like: netlink reports the interface.
                let why = error_text(&error);
                log::debug!(target: "vrrp", "cannot receive adverts: {why}");
                return None;
            }
        };
        let time = self.receive_clock.time(info.stamp);
        receiver.note_read(&info, time);
        let datagram = Datagram {
            on: receiver.on,
            bytes: self.buffer.bytes.get(..info.len).unwrap_or_default(),
            v6: info.v6,
            wall: info.stamp.map(Duration::from_nanos),
        };
        self.engine.packet(time.counted, &datagram, &mut self.linux);
        Some(time)
    }

    /// Whether timers may be served before the next of a socket's packets is read. A backup does
    /// not take over while older packets than its deadline are unread ([`Reception`]).
    fn may_pause(&self, backlog: Backlog, nth: u32, last: ReceiveTime) -> bool {
        match backlog {
            Backlog::Usual => {
                let due = || {
                    self.engine
                        .next_deadline()
                        .is_some_and(|at| at <= clock::now())
                };
                nth.is_multiple_of(DATAGRAMS_PER_TIMER) && due()
            }
            Backlog::AfterStall { woke } => last.arrived.is_some_and(|at| at >= woke),
        }
    }
}
