//! One check of a server over the network, whichever protocol it speaks.
//!
//! ```text
//! begin ─→ (a socket is opened) ─→ Connected ─→ turn ─┬─ Wait ──→ news ─→ turn …
//!              ↑                                      ├─ Again: another connection, same target
//!              └──────────────────────────────────────┤
//!                                                     └─ Done
//! ```
//! A machine never asks the time and has no socket: it is told what happened and says what it wants next. Its first
//! news are `Connected`, or that it came to nothing (`Failed`, `TimeOut`).

use super::http::Pages;
use super::ping::Ping;
use super::tcp::Tcp;
use super::udp::Udp;
use super::{News, Step, Transport};
use crate::config::model::lvs::{CheckKind, Target};

/// The machine of a check.
#[derive(Debug)]
pub enum Exchange {
    /// `TCP_CHECK`.
    Tcp(Tcp),
    /// `HTTP_GET`.
    Http(Target, Box<Pages>),
    /// `UDP_CHECK`.
    Udp(Udp),
    /// `PING_CHECK`.
    Ping(Ping),
}

impl Exchange {
    /// The machine for a check; `None` for those that ask nobody: programs and files.
    #[must_use]
    pub fn new(kind: &CheckKind) -> Option<Self> {
        Some(match kind {
            CheckKind::Tcp(target) => Exchange::Tcp(Tcp::new(target)),
            CheckKind::Http(target, http) => {
                Exchange::Http(target.clone(), Box::new(Pages::new(target, http)))
            }
            CheckKind::Udp(target, conf) => Exchange::Udp(Udp::new(target, conf)),
            CheckKind::Ping(target) => Exchange::Ping(Ping::new(target)),
            CheckKind::Smtp { .. } | CheckKind::Dns { .. } => return None,
            CheckKind::Misc { .. } | CheckKind::File { .. } => return None,
        })
    }

    /// What its packets travel by.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self {
            Exchange::Tcp(_) | Exchange::Http(..) => Transport::Tcp,
            Exchange::Udp(_) => Transport::Udp,
            Exchange::Ping(_) => Transport::Icmp,
        }
    }

    /// Whom it asks.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            Exchange::Tcp(machine) => machine.target(),
            Exchange::Http(target, _) => target,
            Exchange::Udp(machine) => machine.target(),
            Exchange::Ping(machine) => machine.target(),
        }
    }

    /// A run begins: what was before is forgotten.
    pub fn begin(&mut self) {
        match self {
            // Those know nothing of what was before.
            Exchange::Tcp(_) | Exchange::Udp(_) => {}
            Exchange::Http(_, machine) => machine.begin(),
            Exchange::Ping(machine) => machine.begin(),
        }
    }

    /// Something has happened. What is to be sent is added to `out`.
    pub fn turn(&mut self, news: News<'_>, out: &mut Vec<u8>) -> Step {
        match self {
            Exchange::Tcp(machine) => machine.turn(news),
            Exchange::Http(_, machine) => machine.turn(news, out),
            Exchange::Udp(machine) => machine.turn(news, out),
            Exchange::Ping(machine) => machine.turn(news, out),
        }
    }
}
