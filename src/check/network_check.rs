//! One check of a server over the network, whatever its protocol.
//!
//! ```text
//! start ─→ (a socket is opened) ─→ Connected ─→ handle ─┬─ Wait ─→ event ─→ handle …
//!              ↑                                        ├─ Reconnect: another connection, same target
//!              └────────────────────────────────────────┤
//!                                                       └─ Done
//! ```

use super::dns::DnsCheck;
use super::http::{HttpCheck, ResponseSummary};
use super::ping::PingCheck;
use super::smtp::SmtpCheck;
use super::tcp::TcpCheck;
#[cfg(feature = "tls")]
use super::tls::{TlsConfig, TlsHttpCheck};
use super::udp::UdpCheck;
use super::{CheckMachine, ProbeTransport, SocketEvent, Step};
use crate::config::model::lvs::{CheckKind, Http, Ssl, Target};
use crate::types::Family;

/// A check with its target.
#[derive(Debug)]
pub struct NetworkCheck {
    target: Target,
    transport: ProbeTransport,
    machine: Box<dyn CheckMachine>,
}

/// Builds the checks of one configuration.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "tls"),
    expect(dead_code, reason = "SSL_GET alone reads it")
)]
pub struct NetworkCheckBuilder<'a> {
    ssl: &'a Ssl,
    /// Made for the first `SSL_GET`, shared by all.
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
}

impl<'a> NetworkCheckBuilder<'a> {
    /// `ssl`: the `SSL` block.
    #[must_use]
    pub fn new(ssl: &'a Ssl) -> Self {
        NetworkCheckBuilder {
            ssl,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// The machine for a check; `None`: it is not one over the network (`MISC_CHECK`,
    /// `FILE_CHECK`), or this build lacks its protocol (`SSL_GET` without TLS).
    pub fn build(&mut self, kind: &CheckKind) -> Option<NetworkCheck> {
        use ProbeTransport::{Icmp, Tcp, TcpConnect, Udp};
        let (target, transport, machine): (_, _, Box<dyn CheckMachine>) = match kind {
            CheckKind::Http(target, http) => {
                return self.http(target, http, HttpCheck::new(target, http));
            }
            CheckKind::Tcp(target) => (
                target,
                TcpConnect,
                Box::new(TcpCheck::new(target.connect_timeout)),
            ),
            CheckKind::Smtp { target, helo } => {
                let machine = SmtpCheck::new(target.connect_timeout, helo);
                (target, Tcp, Box::new(machine))
            }
            CheckKind::Dns {
                target,
                qtype,
                name,
            } => {
                let machine = DnsCheck::new(target.connect_timeout, *qtype, name);
                (target, Udp, Box::new(machine))
            }
            CheckKind::Udp(target, conf) => (
                target,
                Udp,
                Box::new(UdpCheck::new(target.connect_timeout, conf)),
            ),
            CheckKind::Ping(target) => {
                let family = Family::of(target.remote.ip());
                (
                    target,
                    Icmp,
                    Box::new(PingCheck::new(target.connect_timeout, family)),
                )
            }
            CheckKind::Misc { .. } | CheckKind::File { .. } => return None,
        };
        Some(NetworkCheck {
            target: target.clone(),
            transport,
            machine,
        })
    }

    /// An HTTP check that hashes every page, for [`NetworkCheck::take_summary`]. `None`: this build
    /// has no TLS.
    pub fn build_hashing(&mut self, target: &Target, http: &Http) -> Option<NetworkCheck> {
        self.http(target, http, HttpCheck::new(target, http).hashing())
    }

    fn http(&mut self, target: &Target, http: &Http, plain: HttpCheck) -> Option<NetworkCheck> {
        let machine = match http.tls {
            true => self.tls(target, http, plain)?,
            false => Box::new(plain),
        };
        Some(NetworkCheck {
            target: target.clone(),
            transport: ProbeTransport::Tcp,
            machine,
        })
    }

    #[cfg(feature = "tls")]
    fn tls(
        &mut self,
        target: &Target,
        http: &Http,
        plain: HttpCheck,
    ) -> Option<Box<dyn CheckMachine>> {
        let tls = self.tls.get_or_insert_with(|| TlsConfig::new(self.ssl));
        Some(Box::new(TlsHttpCheck::new(target, http, plain, tls)))
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "as in a build with TLS")]
    fn tls(&mut self, _: &Target, _: &Http, _: HttpCheck) -> Option<Box<dyn CheckMachine>> {
        None
    }
}

impl NetworkCheck {
    /// The kind of socket it uses.
    #[must_use]
    pub fn transport(&self) -> ProbeTransport {
        self.transport
    }

    /// The server it checks, and how to reach it.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// See [`CheckMachine::start`].
    pub fn start(&mut self) {
        self.machine.start();
    }

    /// See [`CheckMachine::handle`].
    pub fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        self.machine.handle(event, out)
    }

    /// See [`CheckMachine::is_costly`].
    #[must_use]
    pub fn is_costly(&self) -> bool {
        self.machine.is_costly()
    }

    /// See [`CheckMachine::connection_passed`].
    pub fn connection_passed(&mut self) -> Step {
        self.machine.connection_passed()
    }

    /// See [`CheckMachine::take_summary`].
    pub fn take_summary(&mut self) -> Option<ResponseSummary> {
        self.machine.take_summary()
    }
}
