//! Log lines, events and e-mail texts about checks, servers and quorums: keepalived's, where it has them.

use core::fmt;
use core::net::SocketAddr;
use std::io;

use crate::check::schedule::ResultEffect;
use crate::config::model::lvs::{Check, CheckKind, RealServer, VirtualServer};
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::log_limit::LogLimit;
use crate::engine::lvs::notify::{Cause, RemovalReason, server_name};
use crate::engine::system::error_text;
use crate::log::{self, Level};
use crate::lvs::state::{Change, VirtualServerState, threshold};
use crate::types::ipvs::ServerName;

/// A check with its servers; displayed as in keepalived's log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CheckConf<'a> {
    pub(crate) virtual_server: &'a VirtualServer,
    pub(crate) real_server: &'a RealServer,
    pub(crate) check: &'a Check,
}

impl CheckConf<'_> {
    fn server_name(&self) -> ServerName {
        server_name(self.virtual_server, self.real_server)
    }

    /// keepalived's words for this kind of check, around the server: success, and start of a failure.
    fn phrases(&self) -> (&'static str, &'static str, &'static str) {
        match &self.check.kind {
            CheckKind::Tcp(_) => ("TCP connection to", "success.", "TCP_CHECK on service"),
            CheckKind::Http(..) => (
                "Remote Web server",
                "succeed on service.",
                "HTTP_CHECK on service",
            ),
            CheckKind::Smtp { .. } => (
                "Remote SMTP server",
                "succeed on service.",
                "SMTP_CHECK on service",
            ),
            CheckKind::Dns { .. } => ("DNS_CHECK", "success.", "DNS_CHECK"),
            CheckKind::Udp(..) => ("UDP connection to", "success.", "UDP_CHECK on service"),
            CheckKind::Ping(_) => ("ICMP connection to", "success.", "ICMP CHECK on service"),
            CheckKind::Misc { .. } => ("Misc check for", "succeeded.", "Misc check for"),
            CheckKind::File { .. } => ("FILE_CHECK for", "success.", "FILE_CHECK for"),
        }
    }

    /// The virtual server, and what the check connects to if that is not the real server.
    fn details(&self) -> String {
        let vs = &self.virtual_server.name;
        let (addr, port) = (self.real_server.addr, self.real_server.port);
        let ping = matches!(self.check.kind, CheckKind::Ping(_));
        match self.check.kind.target().map(|target| target.remote) {
            // ICMP has no port.
            Some(remote) if ping && remote.ip() != addr => format!("VS {vs} ({})", remote.ip()),
            Some(remote) if !ping && remote != SocketAddr::new(addr, port) => {
                format!("VS {vs} ({remote})")
            }
            Some(_) | None => format!("VS {vs}"),
        }
    }
}

impl fmt::Display for CheckConf<'_> {
    /// `[192.0.2.1]:tcp:80`: the real server, as in keepalived's lines, whatever the check connects to.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.server_name();
        match &self.check.kind {
            CheckKind::Misc { command, .. } => {
                let program = command.argv.first().map_or("", String::as_str);
                let vs = &self.virtual_server.name;
                write!(f, "[{server} VS {vs}] by [{program}]")
            }
            CheckKind::Dns { .. } => write!(f, "({server})"),
            CheckKind::File { .. } => write!(f, "service {server}"),
            CheckKind::Tcp(_)
            | CheckKind::Http(..)
            | CheckKind::Smtp { .. }
            | CheckKind::Udp(..)
            | CheckKind::Ping(_) => server.fmt(f),
        }
    }
}

/// Reports the result of a check.
pub(super) fn report_result(
    cx: &Cx<'_>,
    log_limit: &mut LogLimit,
    check: &CheckConf<'_>,
    effect: ResultEffect,
    result: &Result<i64, String>,
) {
    let (before, success, failure) = check.phrases();
    let log_all = check.check.log_all_failures;
    let why = match (effect, result) {
        (ResultEffect::Retry(_), _) if !log_all => return,
        (ResultEffect::Unchanged, Err(_)) if !log_all => return,
        (ResultEffect::Unchanged, Ok(_)) => return,
        (_, Ok(_)) => "",
        (_, Err(why)) => why.as_str(),
    };
    let vs = check.details();
    // A flapping server must not fill the disk.
    let Some(suppressed) = log_limit.allow(cx.now) else {
        return;
    };
    if suppressed > 0 {
        log::info!(target: "check", "{failure} {check}: {suppressed} more lines suppressed");
    }
    let (level, text) = match (effect, result) {
        (ResultEffect::Changed(_) | ResultEffect::Unchanged, Ok(_)) => {
            (Level::Info, format!("{before} {check} {success} {vs}"))
        }
        (ResultEffect::Changed(0), Err(_)) => (
            Level::Warn,
            format!("{failure} {check} failed. {vs}: {why}"),
        ),
        (ResultEffect::Changed(retries), Err(_)) => {
            // keepalived names the virtual server in this line alone.
            let ping = matches!(check.check.kind, CheckKind::Ping(_));
            let of = match ping {
                true => format!(" of {}", check.virtual_server.name),
                false => String::new(),
            };
            let text = format!("{failure} {check}{of} failed after {retries} retries. {vs}: {why}");
            (Level::Warn, text)
        }
        (ResultEffect::Retry(retries), _) => {
            let (next, max) = (retries.saturating_add(1), check.check.retry);
            let text = format!("{before} {check} failed. {vs}: {why}; retry {next} of {max}");
            (Level::Info, text)
        }
        (ResultEffect::Unchanged, Err(_)) => (
            Level::Info,
            format!("{failure} {check} still fails. {vs}: {why}"),
        ),
    };
    note_check(cx, level, check, format_args!("{text}"));
}

/// Reports why a check could not run.
pub(super) fn report_postponed(
    cx: &Cx<'_>,
    log_limit: &mut LogLimit,
    check: &CheckConf<'_>,
    error: &io::Error,
) {
    let (_, _, failure) = check.phrases();
    let (error, vs) = (error_text(error), check.details());
    if log_limit.allow(cx.now).is_some() {
        note_check(
            cx,
            Level::Warn,
            check,
            format_args!(
                "{failure} {check} cannot run: {error}; retrying at the next interval, the server of {vs} keeps its \
                 state"
            ),
        );
    }
}

fn note_check(cx: &Cx<'_>, level: Level, check: &CheckConf<'_>, text: fmt::Arguments<'_>) {
    let (name, of) = (check.server_name().to_string(), &check.virtual_server.name);
    cx.note(
        level,
        EventKind::Check,
        Object::real_server(&name, of),
        text,
    );
}

/// Reports a change of a server.
pub(super) fn note_server(
    cx: &Cx<'_>,
    server: ServerName,
    conf: &VirtualServer,
    text: fmt::Arguments<'_>,
) {
    let name = server.to_string();
    let object = Object::real_server(&name, &conf.name);
    cx.note(Level::Info, EventKind::Server, object, text);
}

/// Reports a change of a virtual server.
pub(super) fn note_service(cx: &Cx<'_>, conf: &VirtualServer, text: fmt::Arguments<'_>) {
    let object = Object::virtual_server(&conf.name);
    cx.note(Level::Info, EventKind::Quorum, object, text);
}

/// Reports a change in keepalived's words.
pub(super) fn report_change(
    cx: &Cx<'_>,
    conf: &VirtualServer,
    state: &VirtualServerState,
    change: Change,
) {
    let name = &conf.name;
    match change {
        Change::Weight { server, from, to } => {
            let up = state.servers.get(server).is_some_and(|server| server.up);
            let activity = if up { "active" } else { "inactive" };
            if let Some(server) = conf.real_servers.get(server) {
                let server = server_name(conf, server);
                let text = format_args!(
                    "Changing weight from {from} to {to} for {activity} service {server} of VS {name}"
                );
                note_server(cx, server, conf, text);
            }
        }
        Change::Server { server, up, .. } => {
            let Some(conf_of) = conf.real_servers.get(server) else {
                return;
            };
            let server = server_name(conf, conf_of);
            let (verb, preposition) = match (up, conf_of.inhibit_on_failure) {
                (true, false) => ("Adding", "to"),
                (false, false) => ("Removing", "from"),
                (true, true) => ("Enabling", "of"),
                (false, true) => ("Disabling", "of"),
            };
            let text = format_args!("{verb} service {server} {preposition} VS {name}");
            note_server(cx, server, conf, text);
        }
        Change::Quorum { up, first, weight } => {
            let text = quorum_text(conf, up, first && !up, weight);
            note_service(cx, conf, format_args!("{text} for VS {name}"));
        }
        Change::SorryServer(active) => report_sorry_server(cx, conf, active),
    }
}

fn report_sorry_server(cx: &Cx<'_>, conf: &VirtualServer, active: bool) {
    let name = &conf.name;
    let servers = match active {
        true => "Removing alive servers from",
        false => "Adding alive servers to",
    };
    if let Some(sorry) = &conf.sorry_server {
        let (verb, preposition) = match (active, sorry.inhibit) {
            (true, false) => ("Adding", "to"),
            (false, false) => ("Removing", "from"),
            (true, true) => ("Enabling", "to"),
            (false, true) => ("Disabling", "from"),
        };
        let sorry = ServerName {
            addr: sorry.addr,
            protocol: conf.protocol,
            port: sorry.port,
        };
        let text = format_args!("{verb} sorry server {sorry} {preposition} VS {name}");
        note_server(cx, sorry, conf, text);
    }
    log::info!(target: "check", "{servers} the pool for VS {name}");
}

/// How the quorum is calculated: `Gained quorum 2+1=3 <= 4`, `Lost quorum 2-1=1 > 0`.
pub(super) fn quorum_text(conf: &VirtualServer, up: bool, first: bool, weight: u64) -> String {
    let VirtualServer {
        quorum, hysteresis, ..
    } = conf;
    let gain = up || first;
    let threshold = threshold(conf, gain);
    let event = match (up, first) {
        (true, false) => "Gained quorum",
        (false, false) => "Lost quorum",
        (true, true) => "Starting with quorum up",
        (false, true) => "Starting with quorum down",
    };
    let sign = if gain { '+' } else { '-' };
    let compare = if up { "<=" } else { ">" };
    format!("{event} {quorum}{sign}{hysteresis}={threshold} {compare} {weight}")
}

/// keepalived's text of an e-mail about the result of a check.
pub(super) fn check_email_body(kind: Option<&CheckKind>, up: bool) -> &'static str {
    match (kind, up) {
        (Some(CheckKind::Tcp(_)), true) => "=> TCP CHECK succeed on service <=",
        (Some(CheckKind::Tcp(_)), false) => "=> TCP CHECK failed on service <=",
        (Some(CheckKind::Udp(..)), true) => "=> UDP CHECK succeed on service <=",
        (Some(CheckKind::Udp(..)), false) => "=> UDP CHECK failed on service <=",
        (Some(CheckKind::Ping(_)), true) => "=> ICMP CHECK succeed on service <=",
        (Some(CheckKind::Ping(_)), false) => "=> ICMP CHECK failed on service <=",
        (Some(CheckKind::Dns { .. }), true) => "=> DNS_CHECK: succeed on service <=",
        (Some(CheckKind::Dns { .. }), false) => "=> DNS_CHECK: failed on service <=",
        (Some(CheckKind::Misc { .. }), true) => "=> MISC CHECK succeeded on service <=",
        (Some(CheckKind::Misc { .. }), false) => "=> MISC CHECK failed on service <=",
        (Some(CheckKind::Http(..)), false) => "=> CHECK failed on service : HTTP request failed <=",
        (_, true) => "=> CHECK succeed on service <=",
        (_, false) => "=> CHECK failed on service <=",
    }
}

/// keepalived's text of an e-mail about a change that has another cause than a check.
pub(super) fn cause_email_body(cause: Cause) -> &'static str {
    match cause {
        Cause::Removed(RemovalReason::Shutdown) => "=> Shutting down <=",
        Cause::Removed(RemovalReason::Reload) => "=> Removing <=",
        Cause::Config | Cause::Check(_) => "=> Configuration changed <=",
    }
}
