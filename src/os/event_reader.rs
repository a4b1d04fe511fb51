//! Reads the events of a netlink socket in slices.
//!
//! When the receive buffer overflows, the kernel reports it once (`ENOBUFS`), before the events that
//! are still in the buffer, and drops every further event until all of these have been read. So
//! what is in the buffer is older than any dump, and a dump before it is empty would miss changes.
//! Events are discarded then, and the caller dumps everything when none is left.

use core::time::Duration;

use super::clock;
use super::netlink_socket::NetlinkSocket;
use crate::engine::Engine;
use crate::netlink::Messages;
use crate::types::Instant;

/// Datagrams read per iteration of the loop, and the time after which no more are read.
const PER_ITERATION: u32 = 256;
const TIME: Duration = Duration::from_millis(1);
/// How long a flood of events may put off the dump.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the caller has to do after a slice.
#[derive(Debug)]
pub(super) enum Slice {
    /// Act on the events: none is left.
    Complete,
    /// Call again.
    Partial,
    /// Dump everything: events were lost.
    Lost,
}

/// The events of one socket.
#[derive(Debug, Default)]
pub(super) struct EventReader {
    is_behind: bool,
    /// Events were lost, or there was a dump, at this time; what is in the buffer is older.
    lost: Option<Instant>,
}

impl EventReader {
    /// Whether it must be called although the socket may be empty.
    pub(super) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Passes events to the engine, or discards them.
    pub(super) fn read(
        &mut self,
        socket: &NetlinkSocket,
        buffer: &mut [u8],
        engine: &mut Engine,
    ) -> Slice {
        let start = clock::now();
        self.is_behind = true;
        for _ in 0..PER_ITERATION {
            let now = clock::now();
            match socket.receive(buffer) {
                Ok(None) => {
                    self.is_behind = false;
                    break;
                }
                Ok(Some(_)) if self.lost.is_some() => {}
                Ok(Some(len)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    for message in Messages::new(bytes).flatten() {
                        engine.netlink_event(now, &message.message);
                    }
                }
                // ENOBUFS; no other error is known to occur.
                Err(_) => {
                    self.lost.get_or_insert(now);
                }
            }
            if now.since(start) > TIME {
                break;
            }
        }
        match (self.lost, self.is_behind) {
            (None, false) => Slice::Complete,
            (Some(_), false) => {
                self.lost = None;
                Slice::Lost
            }
            (Some(since), true) if start.since(since) > PATIENCE => {
                self.lost = Some(start);
                Slice::Lost
            }
            (_, true) => Slice::Partial,
        }
    }
}
