//! Health checks as machines: what happened to a connection in, what to send and the verdict out.
//!
//! ```text
//! engine/lvs/checks.rs: when ── NetworkCheck::begin ─→ os: a socket ── SocketEvent ─→ NetworkCheck::turn ─→ Step
//! ```
//! A machine belongs to one check and is used again for each of its runs: passing checks allocate nothing.

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
pub mod network_check;
#[cfg_attr(not(feature = "regex"), path = "no_pattern.rs")]
mod pattern;
pub mod ping;
pub mod schedule;
pub mod smtp;
pub mod tcp;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
pub mod tls;
pub mod udp;

use core::time::Duration;

pub use network_check::NetworkCheck;

/// What a check's packets travel by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeTransport {
    /// A TCP connection.
    Tcp,
    /// A connected UDP socket.
    Udp,
    /// ICMP or ICMPv6 echo.
    Icmp,
}

/// What happened to a check's socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketEvent<'a> {
    /// It is connected, or ready to send.
    Connected,
    /// Bytes have come; of datagrams one.
    Received(&'a [u8]),
    /// The peer sends no more.
    Closed,
    /// The kernel's error number: refused, unreachable, reset.
    Failed(i32),
    /// The time granted by the last step is over.
    TimedOut,
}

/// What a machine wants next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send what was written, then wait for news, this long at the most.
    Wait(Duration),
    /// Close, and open another connection to the same target.
    Reconnect,
    /// The run is over: close. `Err`: what is wrong, for the log; after [`SocketEvent::Failed`] the kernel's error is
    /// added, which may be all there is to say.
    Done(Result<(), String>),
}

/// What is wrong when time is over.
fn no_answer(within: Duration) -> String {
    format!("no answer within {} ms", within.as_millis())
}

#[cfg(test)]
mod testing {
    use super::Duration;
    use crate::config::model::lvs::Target;

    /// A target with every default.
    pub(super) fn target(remote: &str) -> Target {
        Target {
            remote: remote.parse().expect("an address"),
            bind_addr: None,
            bind_port: 0,
            bind_interface: None,
            fwmark: 0,
            connect_timeout: Duration::from_secs(5),
        }
    }
}
