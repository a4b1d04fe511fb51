//! Health checks as state machines: socket events in; bytes to send, and at the end a result, out.
//!
//! ```text
//! engine/lvs/checks.rs: due ── NetworkCheck::start ─→ os: a socket ── SocketEvent ─→ NetworkCheck::handle ─→ Step
//! ```
//! A machine belongs to one check and is reused for each of its runs: passing checks allocate
//! nothing.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

#[cfg(feature = "tls")]
mod crypto;
pub mod dns;
pub mod http;
mod http_reply;
mod network_check;
#[cfg(feature = "regex")]
mod pattern;
#[cfg(not(feature = "regex"))]
mod pattern {
    use crate::config::model::lvs::Pattern;

    /// Never called: without the feature there are no patterns.
    pub(super) fn verdict(pattern: &Pattern, _: &mut [u8]) -> Result<(), String> {
        match *pattern {}
    }
}
mod ping;
pub mod schedule;
pub mod smtp;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
mod udp;

use core::fmt::Debug;
use core::time::Duration;

pub use network_check::{NetworkCheck, NetworkCheckBuilder};

/// The kind of socket that a check uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeTransport {
    /// A TCP connection.
    Tcp,
    /// A TCP connection that is closed as soon as it is established.
    TcpConnect,
    /// A connected UDP socket.
    Udp,
    /// ICMP or ICMPv6 echo.
    Icmp,
}

/// What happened to a check's socket. `B`: the received bytes, or where they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketEvent<B> {
    /// It is connected, or ready to send.
    Connected,
    /// These bytes were received; of UDP and ICMP, one datagram.
    Received(B),
    /// The peer closed the connection.
    Closed,
    /// The kernel's error number: refused, unreachable, reset.
    Failed(i32),
    /// The time limit of the last [`Step::Wait`] has passed.
    TimedOut,
}

impl<B> SocketEvent<B> {
    /// The same event with the bytes in another form.
    pub fn map<T>(self, bytes: impl FnOnce(B) -> T) -> SocketEvent<T> {
        match self {
            SocketEvent::Connected => SocketEvent::Connected,
            SocketEvent::Received(received) => SocketEvent::Received(bytes(received)),
            SocketEvent::Closed => SocketEvent::Closed,
            SocketEvent::Failed(errno) => SocketEvent::Failed(errno),
            SocketEvent::TimedOut => SocketEvent::TimedOut,
        }
    }
}

/// The next action of a machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send the output, then wait for an event, at most this long.
    Wait(Duration),
    /// Close, and open another connection to the same target.
    Reconnect,
    /// The run is over: close. `Err`: the reason for the log; after [`SocketEvent::Failed`] the
    /// caller adds the kernel's error, which may be the whole reason.
    Done(Result<(), String>),
}

/// The protocol of one check, without a socket.
pub trait CheckMachine: Debug {
    /// A run starts; the state of the run before is dropped.
    fn start(&mut self) {}

    /// Reacts to an event. Bytes to send are appended to `out`. The first event of a run is
    /// `Connected`, or one that says why there is no connection (`Failed`, `TimedOut`).
    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step;

    /// Whether the exchange on the next connection can take much time or memory, however the server
    /// answers. It then belongs in a child process.
    fn is_costly(&self) -> bool {
        false
    }

    /// A child process has had the exchange on this connection, with success: the next action.
    fn connection_passed(&mut self) -> Step {
        Step::Done(Ok(()))
    }

    /// The last response, where the machine retrieves pages. It can be taken once.
    fn take_summary(&mut self) -> Option<http::ResponseSummary> {
        None
    }
}

/// The reason of a run that timed out.
fn no_answer(within: Duration) -> String {
    format!("no answer within {} ms", within.as_millis())
}

#[cfg(test)]
mod testing {
    use crate::config::model::lvs::Target;

    /// A target with every default.
    pub(super) fn target(remote: &str) -> Target {
        Target {
            remote: remote.parse().expect("an address"),
            ..Target::default()
        }
    }
}
