//! What checks have to say in the log, in keepalived's words where people look for them.

use core::fmt;
use std::io;

use crate::check::schedule::ResultEffect;
use crate::config::model::lvs::{Check, CheckKind, RealServer, VirtualServer};
use crate::engine::log_limit::LogLimit;
use crate::types::Instant;
use crate::types::ipvs::{IpProtocol, ServerName};

/// A check and whose it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named<'a> {
    pub(crate) service: &'a VirtualServer,
    pub(crate) server: &'a RealServer,
    pub(crate) check: &'a Check,
}

impl Named<'_> {
    fn server(&self) -> ServerName {
        ServerName {
            addr: self.server.addr,
            protocol: self.service.protocol,
            port: self.server.port,
        }
    }

    /// How keepalived begins the lines of this kind: when it is well, and when it is not.
    fn words(&self) -> (&'static str, &'static str) {
        match &self.check.kind {
            CheckKind::Tcp(_) => ("TCP connection to", "TCP_CHECK on"),
            CheckKind::Http(_, http) if http.tls => ("SSL connection to", "SSL_GET on"),
            CheckKind::Http(..) => ("HTTP connection to", "HTTP_CHECK on"),
            CheckKind::Smtp { .. } => ("SMTP connection to", "SMTP_CHECK on"),
            CheckKind::Dns { .. } => ("DNS connection to", "DNS_CHECK on"),
            CheckKind::Udp(..) => ("UDP connection to", "UDP_CHECK on"),
            CheckKind::Ping(_) => ("ICMP connection to", "ICMP CHECK on"),
            CheckKind::Misc { .. } => ("Misc check for", "Misc check for"),
            CheckKind::File { .. } => ("FILE_CHECK for", "FILE_CHECK for"),
        }
    }
}

impl fmt::Display for Named<'_> {
    /// `service [192.0.2.1]:tcp:80 of VS [198.51.100.1]:tcp:80`: whom it asks, for which service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vs = &self.service.name;
        let (target, protocol) = match &self.check.kind {
            CheckKind::Tcp(target)
            | CheckKind::Http(target, _)
            | CheckKind::Smtp { target, .. } => (target, IpProtocol::Tcp),
            CheckKind::Udp(target, _) | CheckKind::Dns { target, .. } => (target, IpProtocol::Udp),
            CheckKind::Ping(target) => {
                return write!(f, "service [{}] of VS {vs}", target.remote.ip());
            }
            CheckKind::Misc { command, .. } => {
                let program = command.argv.first().map_or("", String::as_str);
                return write!(f, "[{} VS {vs}] by [{program}]", self.server());
            }
            CheckKind::File { .. } => return write!(f, "service {} of VS {vs}", self.server()),
        };
        let (addr, port) = (target.remote.ip(), target.remote.port());
        let asked = ServerName {
            addr,
            protocol: Some(protocol),
            port,
        };
        write!(f, "service {asked} of VS {vs}")
    }
}

/// What is wrong, with the kernel's error.
pub(crate) fn with_error(why: String, errno: Option<i32>) -> String {
    let Some(errno) = errno else { return why };
    let error = io::Error::from_raw_os_error(errno);
    match why.is_empty() {
        true => error.to_string(),
        false => format!("{why}: {error}"),
    }
}

/// Says what has become of a check.
pub(crate) fn result(
    lines: &mut LogLimit,
    now: Instant,
    named: &Named<'_>,
    outcome: ResultEffect,
    result: &Result<i64, String>,
) {
    let (well, bad) = named.words();
    let why = match (outcome, result) {
        // Not every failure is worth a line.
        (ResultEffect::Retry(_), _) if !named.check.log_all_failures => return,
        (ResultEffect::Unchanged, Err(_)) if !named.check.log_all_failures => return,
        (ResultEffect::Unchanged, Ok(_)) => return,
        (_, Ok(_)) => "",
        (_, Err(why)) => why.as_str(),
    };
    // A server that changes its mind all the time fills no disk.
    let Some(suppressed) = lines.allow(now) else {
        return;
    };
    if suppressed > 0 {
        log::info!(target: "check", "{bad} {named}: {suppressed} more lines not shown");
    }
    match (outcome, result) {
        (ResultEffect::Changed(_) | ResultEffect::Unchanged, Ok(_)) => {
            log::info!(target: "check", "{well} {named} success.");
        }
        (ResultEffect::Changed(0), Err(_)) => {
            log::warn!(target: "check", "{bad} {named} failed: {why}.");
        }
        (ResultEffect::Changed(tries), Err(_)) => {
            log::warn!(target: "check", "{bad} {named} failed after {tries} retries: {why}.");
        }
        (ResultEffect::Retry(tries), _) => {
            let (nth, most) = (tries.saturating_add(1), named.check.retry);
            log::info!(target: "check", "{bad} {named} failed: {why}; retry {nth} of {most}.");
        }
        (ResultEffect::Unchanged, Err(_)) => {
            log::info!(target: "check", "{bad} {named} still fails: {why}.");
        }
    }
}

/// Says why a check cannot be made.
pub(crate) fn put_off(lines: &mut LogLimit, now: Instant, named: &Named<'_>, error: &io::Error) {
    let (_, bad) = named.words();
    if lines.allow(now).is_some() {
        log::warn!(
            target: "check",
            "{bad} {named} cannot be made: {error}. Rescheduling; what is known of the server stays."
        );
    }
}
