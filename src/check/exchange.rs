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

use super::dns::Question;
use super::http::Pages;
use super::ping::Ping;
use super::smtp::Mailer;
use super::tcp::Tcp;
use super::tls::{SecretPages, Trust};
use super::udp::Udp;
use super::{News, Step, Transport};
use crate::config::model::lvs::{CheckKind, Ssl, Target};

/// The machine of a check.
#[derive(Debug)]
pub enum Exchange {
    /// `TCP_CHECK`.
    Tcp(Tcp),
    /// `HTTP_GET`.
    Http(Target, Box<Pages>),
    /// `SSL_GET`.
    Ssl(Target, Box<SecretPages>),
    /// `SMTP_CHECK`.
    Smtp(Target, Box<Mailer>),
    /// `DNS_CHECK`.
    Dns(Target, Box<Question>),
    /// `UDP_CHECK`.
    Udp(Udp),
    /// `PING_CHECK`.
    Ping(Ping),
}

impl Exchange {
    /// The machine for a check; `None` for those that ask nobody: programs and files.
    /// `trust` is for `SSL_GET`, made when the first one comes.
    #[must_use]
    pub fn new(kind: &CheckKind, ssl: &Ssl, trust: &mut Option<Trust>) -> Option<Self> {
        Some(match kind {
            CheckKind::Tcp(target) => Exchange::Tcp(Tcp::new(target)),
            CheckKind::Http(target, http) => {
                let pages = Pages::new(target, http);
                let own = target.clone();
                match http.tls {
                    true => {
                        let trust = trust.get_or_insert_with(|| Trust::new(ssl));
                        let pages = SecretPages::new(target, http, pages, trust)?;
                        Exchange::Ssl(own, Box::new(pages))
                    }
                    false => Exchange::Http(own, Box::new(pages)),
                }
            }
            CheckKind::Smtp { target, helo } => {
                Exchange::Smtp(target.clone(), Box::new(Mailer::new(target, helo)))
            }
            CheckKind::Dns { target, kind, name } => {
                let question = Question::new(target, *kind, name);
                Exchange::Dns(target.clone(), Box::new(question))
            }
            CheckKind::Udp(target, conf) => Exchange::Udp(Udp::new(target, conf)),
            CheckKind::Ping(target) => Exchange::Ping(Ping::new(target)),
            CheckKind::Misc { .. } | CheckKind::File { .. } => return None,
        })
    }

    /// What its packets travel by.
    #[must_use]
    pub fn transport(&self) -> Transport {
        match self {
            Exchange::Tcp(_) | Exchange::Http(..) | Exchange::Ssl(..) | Exchange::Smtp(..) => {
                Transport::Tcp
            }
            Exchange::Udp(_) | Exchange::Dns(..) => Transport::Udp,
            Exchange::Ping(_) => Transport::Icmp,
        }
    }

    /// Whom it asks.
    #[must_use]
    pub fn target(&self) -> &Target {
        match self {
            Exchange::Tcp(machine) => machine.target(),
            Exchange::Http(target, _)
            | Exchange::Ssl(target, _)
            | Exchange::Smtp(target, _)
            | Exchange::Dns(target, _) => target,
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
            Exchange::Ssl(_, machine) => machine.begin(),
            Exchange::Smtp(_, machine) => machine.begin(),
            Exchange::Dns(_, machine) => machine.begin(),
            Exchange::Ping(machine) => machine.begin(),
        }
    }

    /// Something has happened. What is to be sent is added to `out`.
    pub fn turn(&mut self, news: News<'_>, out: &mut Vec<u8>) -> Step {
        match self {
            Exchange::Tcp(machine) => machine.turn(news),
            Exchange::Http(_, machine) => machine.turn(news, out),
            Exchange::Ssl(_, machine) => machine.turn(news, out),
            Exchange::Smtp(_, machine) => machine.turn(news, out),
            Exchange::Dns(_, machine) => machine.turn(news, out),
            Exchange::Udp(machine) => machine.turn(news, out),
            Exchange::Ping(machine) => machine.turn(news, out),
        }
    }
}
