//! `virtual_server`, `virtual_server_group`, their servers and checks, and the global settings of
//! IPVS.
//!
//! ```text
//! mod: settings of IPVS ─ service: a virtual server ─┬─ group: its IPVS services
//!                                                    ├─ server: its real servers
//!                                                    └─ check, http, probe: their health checks
//! ```
//! A setting of a check may stand in the checker, the real server or the virtual server: see
//! [`Scopes`]. Combinations that IPVS refuses are reported and changed, in the same way as
//! keepalived changes them.

mod check;
mod group;
mod http;
#[cfg(feature = "regex")]
mod pattern;
mod probe;
mod server;
mod service;
mod ssl;
mod sync;

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::fields::Fields;
use super::{Lowering, first, number, seconds};
use crate::config::diag::Severity;
use crate::config::model::{Lvs, VrrpInstance};
use crate::config::schema::value;
use crate::config::span_map::{NameIndex, SpanMap};
use crate::config::tree::Node;
use crate::types::ipvs::{IpProtocol, ServiceKey};

/// Most virtual servers, and most services. A mistake in an address range must not exhaust the
/// router's memory.
const MAX_SERVICES: usize = 8192;
/// Most real servers, of all virtual servers together.
const MAX_SERVERS: usize = 16_384;

/// Settings and counters common to all virtual servers.
struct Shared<'a> {
    /// `virtual_server_group` blocks.
    groups: Vec<&'a Node>,
    /// Positions of the groups.
    group_index: NameIndex,
    /// Number of virtual servers of each group so far.
    group_uses: Vec<usize>,
    /// Services so far.
    services: SpanMap,
    /// Number of services so far, duplicates included.
    service_count: usize,
    /// Number of real servers so far.
    server_count: usize,
    /// `SSL` has a `ca`: certificates of servers are verified.
    verify_certificates: bool,
    /// `checker_log_all_failures`.
    log_all_failures: bool,
    /// Default of `smtp_alert` in real servers.
    server_smtp_alert: bool,
    /// Default of `smtp_alert` in virtual servers.
    service_smtp_alert: bool,
}

impl Shared<'_> {
    /// Counts a virtual server of a group. Returns the number of those before it.
    fn use_group(&mut self, name: &str) -> usize {
        let nth = self.group_index.get(name);
        match nth.and_then(|nth| self.group_uses.get_mut(nth)) {
            Some(uses) => {
                *uses = uses.saturating_add(1);
                uses.saturating_sub(1)
            }
            None => 0,
        }
    }
}

/// Blocks in which a setting may stand; the first takes precedence.
#[derive(Clone, Copy)]
struct Scopes<'a>(&'a [&'a Fields<'a>]);

impl<'a> Scopes<'a> {
    /// The last statement in the first block that has one.
    fn last(self, name: &str) -> Option<&'a Node> {
        self.0.iter().find_map(|fields| fields.last(name))
    }

    fn word(self, name: &str) -> Option<&'a str> {
        self.last(name).and_then(first)
    }

    fn int(self, name: &str) -> Option<u32> {
        self.word(name).and_then(number)
    }

    fn boolean(self, name: &str) -> Option<bool> {
        let node = self.last(name)?;
        first(node).map_or(Some(true), value::boolean)
    }

    fn seconds(self, name: &str) -> Option<Duration> {
        self.last(name).and_then(seconds)
    }
}

impl<'l> Lowering<'l> {
    /// All virtual servers and the settings of IPVS.
    pub(super) fn lvs(
        &mut self,
        top: &Fields<'l>,
        global: &Fields<'l>,
        instances: &[VrrpInstance],
    ) -> Lvs {
        let alert = global.boolean("smtp_alert_checker");
        let alert = alert.or_else(|| global.boolean("smtp_alert"));
        let groups: Vec<&Node> = top.all("virtual_server_group").take(MAX_SERVICES).collect();
        let names = groups.iter().map(|node| first(node).unwrap_or_default());
        let mut shared = Shared {
            group_index: NameIndex::of(names),
            group_uses: vec![0; groups.len()],
            groups,
            services: SpanMap::default(),
            service_count: 0,
            server_count: 0,
            verify_certificates: Fields::merged(top.all("SSL")).has("ca"),
            log_all_failures: global.boolean("checker_log_all_failures").unwrap_or(false),
            // As in keepalived, real servers send mail by default.
            server_smtp_alert: alert.unwrap_or(true)
                && global.boolean("no_checker_emails") != Some(true),
            service_smtp_alert: alert.unwrap_or(false),
        };
        let mut servers = Vec::new();
        for (nth, node) in top.all("virtual_server").enumerate() {
            if nth >= MAX_SERVICES {
                let message =
                    format!("more than {MAX_SERVICES} virtual servers; the rest are left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            servers.extend(self.virtual_server(node, &mut shared));
        }
        // The virtual server of a group may be what was removed.
        if !top.is_removed("virtual_server_group") {
            self.report_unused_groups(&shared);
        }
        let ssl = self.ssl(top, &servers);
        Lvs {
            virtual_servers: servers,
            timeouts: self.timeouts(global),
            flush: global.has("lvs_flush"),
            // `VS` is the default: only our services are removed.
            flush_on_stop: global
                .last("lvs_flush_on_stop")
                .is_some_and(|node| first(node).is_none()),
            rs_init_notifies: global.boolean("rs_init_notifies") == Some(true),
            sync_daemon: self.sync_daemon(top, global, instances),
            notify_fifo: self.lvs_fifo(global),
            ssl,
        }
    }

    /// `lvs_timeouts`; 0: unchanged.
    fn timeouts(&mut self, global: &Fields<'_>) -> [u32; 3] {
        let Some(node) = global.last("lvs_timeouts") else {
            return [0; 3];
        };
        if node.args.is_empty() {
            let message = "`lvs_timeouts` without a timeout has no effect";
            self.warn(node.span(), message);
        }
        ["tcp", "tcpfin", "udp"].map(|name| option(node, name).and_then(number).unwrap_or(0))
    }

    /// Reports groups without a virtual server.
    fn report_unused_groups(&mut self, shared: &Shared<'_>) {
        for node in &shared.groups {
            let name = first(node).unwrap_or_default();
            let nth = shared.group_index.get(name);
            let uses = nth.and_then(|nth| shared.group_uses.get(nth));
            if uses == Some(&0) {
                let message =
                    format!("virtual_server_group `{name}` has no virtual_server and no effect");
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

/// The value of an option: the word after its name. The last one is used.
fn option<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    let at = node.args.iter().rposition(|word| &*word.text == name)?;
    let value = node.args.get(at.saturating_add(1))?;
    Some(&*value.text)
}

/// The protocol in names of services.
fn protocol_name(protocol: IpProtocol) -> &'static str {
    match protocol {
        IpProtocol::Tcp => "tcp",
        IpProtocol::Udp => "udp",
        IpProtocol::Sctp => "sctp",
    }
}

/// The name of a service in logs: `[192.0.2.1]:tcp:80`, `FWM 5`.
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

/// An address and port in a message, without port 0.
fn endpoint(addr: IpAddr, port: u16) -> String {
    match port {
        0 => addr.to_string(),
        port => SocketAddr::new(addr, port).to_string(),
    }
}
