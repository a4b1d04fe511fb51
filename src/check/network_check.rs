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

use super::dns::DnsCheck;
use super::http::HttpCheck;
use super::ping::PingCheck;
use super::smtp::SmtpCheck;
use super::tcp::TcpCheck;
use super::tls::{TlsConfig, TlsHttpCheck};
use super::udp::UdpCheck;
use super::{ProbeTransport, SocketEvent, Step};
use crate::config::model::lvs::{CheckKind, Ssl, Target};

/// The machine of a check.
#[derive(Debug)]
pub enum NetworkCheck {
    /// `TCP_CHECK`.
    Tcp(TcpCheck),
    /// `HTTP_GET`.
    Http(Target, Box<HttpCheck>),
    /// `SSL_GET`.
    Ssl(Target, Box<TlsHttpCheck>),
    /// `SMTP_CHECK`.
    Smtp(Target, Box<SmtpCheck>),
    /// `DNS_CHECK`.
    Dns(Target, Box<DnsCheck>),
    /// `UDP_CHECK`.
    Udp(UdpCheck),
    /// `PING_CHECK`.
    Ping(PingCheck),
}

impl NetworkCheck {
    /// The machine for a check; `None` for those that ask nobody: programs and files.
    /// `trust` is for `SSL_GET`, made when the first one comes.
    #[must_use]
    pub fn new(kind: &CheckKind, ssl: &Ssl, trust: &mut Option<TlsConfig>) -> Option<Self> {
        Some(match kind {
            CheckKind::Tcp(target) => NetworkCheck::Tcp(TcpCheck::new(target)),
            CheckKind::Http(target, http) => {
                let pages = HttpCheck::new(target, http);
                let own = target.clone();
                match http.tls {
                    true => {
                        let trust = trust.get_or_insert_with(|| TlsConfig::new(ssl));
                        let pages = TlsHttpCheck::new(target, http, pages, trust)?;
                        NetworkCheck::Ssl(own, Box::new(pages))
                    }
                    false => NetworkCheck::Http(own, Box::new(pages)),
                }
            }
            CheckKind::Smtp { target, helo } => {
                NetworkCheck::Smtp(target.clone(), Box::new(SmtpCheck::new(target, helo)))
            }
            CheckKind::Dns {
                target,
                qtype: kind,
                name,
            } => {
                let question = DnsCheck::new(target, *kind, name);
                NetworkCheck::Dns(target.clone(), Box::new(question))
            }
            CheckKind::Udp(target, conf) => NetworkCheck::Udp(UdpCheck::new(target, conf)),
            CheckKind::Ping(target) => NetworkCheck::Ping(PingCheck::new(target)),
            CheckKind::Misc { .. } | CheckKind::File { .. } => return None,
        })
    }

    /// What its packets travel by.
    #[must_use]
    pub fn transport(&self) -> ProbeTransport {
        match self {
            NetworkCheck::Tcp(_)
            | NetworkCheck::Http(..)
            | NetworkCheck::Ssl(..)
            | NetworkCheck::Smtp(..) => ProbeTransport::Tcp,
            NetworkCheck::Udp(_) | NetworkCheck::Dns(..) => ProbeTransport::Udp,
            NetworkCheck::Ping(_) => ProbeTransport::Icmp,
        }
    }

    /// Whom it asks.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            NetworkCheck::Tcp(machine) => machine.target(),
            NetworkCheck::Http(target, _)
            | NetworkCheck::Ssl(target, _)
            | NetworkCheck::Smtp(target, _)
            | NetworkCheck::Dns(target, _) => target,
            NetworkCheck::Udp(machine) => machine.target(),
            NetworkCheck::Ping(machine) => machine.target(),
        }
    }

    /// A run begins: what was before is forgotten.
    pub fn start(&mut self) {
        match self {
            // Those know nothing of what was before.
            NetworkCheck::Tcp(_) | NetworkCheck::Udp(_) => {}
            NetworkCheck::Http(_, machine) => machine.start(),
            NetworkCheck::Ssl(_, machine) => machine.start(),
            NetworkCheck::Smtp(_, machine) => machine.start(),
            NetworkCheck::Dns(_, machine) => machine.start(),
            NetworkCheck::Ping(machine) => machine.start(),
        }
    }

    /// Something has happened. What is to be sent is added to `out`.
    pub fn handle(&mut self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        match self {
            NetworkCheck::Tcp(machine) => machine.handle(news),
            NetworkCheck::Http(_, machine) => machine.handle(news, out),
            NetworkCheck::Ssl(_, machine) => machine.handle(news, out),
            NetworkCheck::Smtp(_, machine) => machine.handle(news, out),
            NetworkCheck::Dns(_, machine) => machine.handle(news, out),
            NetworkCheck::Udp(machine) => machine.handle(news, out),
            NetworkCheck::Ping(machine) => machine.handle(news, out),
        }
    }
}
