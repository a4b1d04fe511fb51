//! Checker blocks: the settings that all kinds of checks have in common.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::service::Draft;
use super::{Scopes, Shared};
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, interface};
use crate::config::model::lvs::{Check, CheckKind, Target};
use crate::config::tree::Node;
use crate::types::Family;

/// The real server whose checks are being lowered.
pub(super) struct ServerContext<'a> {
    /// Settings of the real server.
    pub(super) settings: &'a Fields<'a>,
    pub(super) draft: &'a Draft<'a>,
    pub(super) shared: &'a Shared<'a>,
    pub(super) addr: IpAddr,
    /// Default port of checks; 0: none.
    pub(super) port: u16,
}

/// A checker block that is being lowered.
pub(super) struct Checker<'a> {
    pub(super) node: &'a Node,
    pub(super) fields: &'a Fields<'a>,
    /// Checker, real server, virtual server.
    pub(super) scopes: Scopes<'a>,
    pub(super) server: &'a ServerContext<'a>,
    /// `delay_loop`.
    pub(super) interval: Duration,
}

/// Scheme of the URLs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Lowering<'_> {
    /// The checks of a real server, in the order of the file.
    pub(super) fn checks<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        server: &ServerContext<'_>,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for node in nodes {
            let fields = Fields::inside(node);
            let list = [&fields, server.settings, server.draft.fields];
            let scopes = Scopes(&list);
            let checker = Checker {
                node,
                fields: &fields,
                scopes,
                server,
                interval: scopes
                    .seconds("delay_loop")
                    .unwrap_or(Check::DEFAULT_INTERVAL),
            };
            for kind in self.kinds(&checker) {
                checks.push(with_common_settings(&checker, kind));
            }
        }
        checks
    }

    /// The checks of a checker block: one, or one for each `host` of SMTP_CHECK; none if it is not
    /// valid.
    fn kinds(&mut self, checker: &Checker<'_>) -> Vec<CheckKind> {
        let one = match &*checker.node.keyword.text {
            "TCP_CHECK" => self.tcp(checker),
            "HTTP_GET" => self.http(checker, Scheme::Http),
            "SSL_GET" => self.http(checker, Scheme::Https),
            "SMTP_CHECK" => return self.smtp(checker),
            "MISC_CHECK" => self.misc(checker),
            "DNS_CHECK" => self.dns(checker),
            "UDP_CHECK" => self.udp(checker),
            "PING_CHECK" => self.target(checker, checker.fields, 0).map(CheckKind::Ping),
            "FILE_CHECK" => self.file_check(checker),
            _ => None,
        };
        one.into_iter().collect()
    }

    // ---- target ----

    /// `connect_ip`, `connect_port`, `bindto` and so on in `fields`. `port` is used if the real
    /// server has none.
    pub(super) fn target(
        &mut self,
        checker: &Checker<'_>,
        fields: &Fields<'_>,
        port: u16,
    ) -> Option<Target> {
        let server = checker.server;
        let addr = fields.ip("connect_ip").unwrap_or(server.addr);
        let own = Some(server.port).filter(|port| *port != 0);
        let remote = SocketAddr::new(addr, fields.int("connect_port").or(own).unwrap_or(port));
        let timeout = fields.seconds("connect_timeout");
        let timeout = timeout.or_else(|| checker.scopes.seconds("connect_timeout"));
        let bind_addr = fields.ip("bindto").filter(|from| {
            let same_family = Family::of(*from) == Family::of(addr);
            if let Some(node) = fields.last("bindto").filter(|_| !same_family) {
                let message =
                    format!("`bindto` {from} is not of the address family of {addr}; ignored");
                let help = format!("write an {} address of this host", Family::of(addr));
                self.error(node.span(), message, help);
            }
            same_family
        });
        let bind_interface = fields.last("bind_if").and_then(interface);
        if is_link_local(addr) && bind_interface.is_none() {
            let message = format!(
                "{addr} is link-local and cannot be reached without `bind_if`; the check fails"
            );
            let help = "write `bind_if INTERFACE`";
            self.warn_with_help(checker.node.keyword.span, message, help);
        }
        Some(Target {
            remote,
            bind_addr,
            bind_port: fields.int("bind_port").unwrap_or(0),
            bind_interface,
            fwmark: fields.int("fwmark").unwrap_or(0),
            connect_timeout: timeout.unwrap_or(Target::default().connect_timeout),
        })
    }
}

/// Retries without a pause would occupy the processor while a server is down.
const SHORTEST_RETRY: Duration = Duration::from_millis(100);

/// fe80::/10.
fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// Adds the common settings to a kind of check.
fn with_common_settings(checker: &Checker<'_>, kind: CheckKind) -> Check {
    let Checker {
        scopes, interval, ..
    } = *checker;
    let default = Check::new(kind);
    // DNS_CHECK retries after its interval, the others after a fixed delay.
    let retry_delay = if let CheckKind::Dns { .. } = default.kind {
        interval
    } else {
        default.delay_before_retry
    };
    let delay = scopes.seconds("delay_before_retry").unwrap_or(retry_delay);
    let log_all = checker.fields.boolean("log_all_failures");
    Check {
        retry: scopes.int("retry").unwrap_or(default.retry),
        delay_before_retry: delay.max(SHORTEST_RETRY),
        interval,
        warmup: scopes.seconds("warmup").unwrap_or(interval),
        alpha: scopes.boolean("alpha").unwrap_or(default.alpha),
        log_all_failures: log_all.unwrap_or(checker.server.shared.log_all_failures),
        kind: default.kind,
    }
}
