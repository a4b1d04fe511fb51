//! `virtual_server`, `virtual_server_group`, their servers and checks, and the global settings of IPVS.
//!
//! ```text
//! mod: settings, the list of virtual servers ─ service: one of them ─┬─ group: what is balanced
//!                                                                    ├─ server: to whom
//!                                                                    └─ check, http, probe: how health is known
//! ```
//! What is said less and less specifically – checker, real server, virtual server – is looked up in [`Scopes`].
//! Combinations IPVS refuses are settled here, the way keepalived settles them, and said.

mod check;
mod group;
mod http;
#[cfg_attr(not(feature = "regex"), path = "no_pattern.rs")]
mod pattern;
mod probe;
mod server;
mod service;
mod ssl;
mod sync;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::fields::Fields;
use super::{Lowering, first};
use crate::config::diag::Severity;
use crate::config::model::{Lvs, VrrpInstance};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::Node;
use crate::types::ipvs::{IpProtocol, ServiceKey};

/// More virtual servers and services than this are not made: a slip in a range must not eat the router's memory.
const MAX_SERVICES: usize = 8192;
/// The same for real servers, of all services together.
const MAX_SERVERS: usize = 16_384;

/// What all virtual servers share while they are read.
struct Shared<'a> {
    /// `virtual_server_group` blocks.
    groups: Vec<&'a Node>,
    /// `global_defs`.
    global: &'a Fields<'a>,
    /// Services made so far.
    services: SpanMap,
    /// How many those are, with those that were left out.
    service_count: usize,
    server_count: usize,
    /// Virtual servers of each group so far, by the group's name.
    uses: Vec<&'a str>,
    /// `checker_log_all_failures`.
    log_all: bool,
    /// Mails of real servers, unless they say it themselves.
    server_mail: bool,
    /// Mails of virtual servers, unless they say it themselves.
    service_mail: bool,
}

/// Blocks in which a setting is looked for, innermost first.
#[derive(Clone, Copy)]
struct Scopes<'a>(&'a [&'a Fields<'a>]);

impl<'a> Scopes<'a> {
    /// The statement that counts.
    fn last(self, name: &str) -> Option<&'a Node> {
        self.0.iter().find_map(|fields| fields.last(name))
    }

    fn word(self, name: &str) -> Option<&'a str> {
        self.last(name).and_then(first)
    }

    fn int(self, name: &str) -> Option<u32> {
        let number = self.word(name).and_then(value::int);
        number.and_then(|number| u32::try_from(number).ok())
    }

    fn boolean(self, name: &str) -> Option<bool> {
        let node = self.last(name)?;
        first(node).map_or(Some(true), value::boolean)
    }

    fn seconds(self, name: &str) -> Option<Duration> {
        self.last(name).and_then(super::seconds)
    }
}

impl<'l> Lowering<'l> {
    /// Everything of IPVS.
    pub(super) fn lvs(
        &mut self,
        top: &Fields<'l>,
        global: &Fields<'l>,
        instances: &[VrrpInstance],
    ) -> Lvs {
        let mail = global.boolean("smtp_alert_checker");
        let mail = mail.or_else(|| global.boolean("smtp_alert"));
        let mut shared = Shared {
            groups: top.all("virtual_server_group").take(MAX_SERVICES).collect(),
            global,
            services: SpanMap::default(),
            service_count: 0,
            server_count: 0,
            uses: Vec::new(),
            log_all: global.boolean("checker_log_all_failures").unwrap_or(false),
            // Real servers were the first to send mails, and still do so unasked.
            server_mail: mail.unwrap_or(true) && !global.has("no_checker_emails"),
            service_mail: mail.unwrap_or(false),
        };
        let mut servers = Vec::new();
        for (nth, node) in top.all("virtual_server").enumerate() {
            if nth >= MAX_SERVICES {
                let message =
                    format!("more than {MAX_SERVICES} virtual servers; the rest is left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            servers.extend(self.virtual_server(node, &mut shared));
        }
        self.unused_groups(&shared);
        Lvs {
            virtual_servers: servers,
            timeouts: self.timeouts(global),
            flush: global.has("lvs_flush"),
            // `VS` asks for what is done anyway.
            flush_on_stop: global
                .last("lvs_flush_on_stop")
                .is_some_and(|node| first(node).is_none()),
            rs_init_notifies: global.has("rs_init_notifies"),
            sync_daemon: self.sync_daemon(top, global, instances),
            notify_fifo: self.lvs_fifo(global),
            ssl: self.ssl(top),
        }
    }

    fn timeouts(&mut self, global: &Fields<'_>) -> [u32; 3] {
        let Some(node) = global.last("lvs_timeouts") else {
            return [0; 3];
        };
        if node.args.is_empty() {
            let message = "`lvs_timeouts` without any timeout changes nothing";
            self.warn(node.span(), message);
        }
        ["tcp", "tcpfin", "udp"].map(|name| option(node, name).and_then(number).unwrap_or(0))
    }

    /// Groups without a virtual server: one was forgotten, or has another name.
    fn unused_groups(&mut self, shared: &Shared<'_>) {
        for node in &shared.groups {
            let name = first(node).unwrap_or_default();
            if !shared.uses.contains(&name) {
                let message = format!("no virtual_server is for group `{name}`; it has no effect");
                let help = format!("write `virtual_server group {name} {{ … }}`, or remove it");
                self.diags.report_with_help(
                    Severity::Unsupported,
                    node.keyword.span,
                    message,
                    help,
                );
            }
        }
    }
}

/// The word after this one: the value of an option; the last one counts.
fn option<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    let at = node.args.iter().rposition(|word| &*word.text == name)?;
    let value = node.args.get(at.saturating_add(1))?;
    Some(&*value.text)
}

fn number<T: TryFrom<i64>>(text: &str) -> Option<T> {
    value::int(text).and_then(|value| T::try_from(value).ok())
}

/// `tcp`, as names of services have it.
fn protocol_name(protocol: IpProtocol) -> &'static str {
    match protocol {
        IpProtocol::Tcp => "tcp",
        IpProtocol::Udp => "udp",
        IpProtocol::Sctp => "sctp",
    }
}

/// A service as it is called in logs: `[192.0.2.1]:tcp:80`, `FWM 5`.
fn service_name(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address {
            addr,
            port,
            protocol,
        } => format!("[{addr}]:{}:{port}", protocol_name(*protocol)),
        ServiceKey::Mark { mark, .. } => format!("FWM {mark}"),
    }
}

/// An address and port for a message.
fn endpoint(addr: IpAddr, port: u16) -> String {
    match port {
        0 => addr.to_string(),
        port => SocketAddr::new(addr, port).to_string(),
    }
}
