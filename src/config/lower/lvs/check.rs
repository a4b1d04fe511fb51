//! Checker blocks: what all kinds have in common, and which kind it is.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::service::Draft;
use super::{Scopes, Shared};
use crate::config::diag::Severity;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, interface};
use crate::config::model::lvs::{Check, CheckKind, Target};
use crate::config::tree::Node;
use crate::types::Family;

/// Whose checks are read.
pub(super) struct Owner<'a> {
    /// Settings of the server.
    pub(super) server: &'a Fields<'a>,
    pub(super) draft: &'a Draft<'a>,
    pub(super) shared: &'a Shared<'a>,
    pub(super) addr: IpAddr,
    /// The port checks ask; 0: there is none.
    pub(super) port: u16,
}

/// A checker block being read.
pub(super) struct Checker<'a> {
    pub(super) node: &'a Node,
    pub(super) fields: &'a Fields<'a>,
    /// Checker, real server, virtual server.
    pub(super) scopes: Scopes<'a>,
    pub(super) owner: &'a Owner<'a>,
    /// From check to check.
    pub(super) interval: Duration,
}

impl Lowering<'_> {
    /// The checks of a real server, in the order of the file.
    pub(super) fn checks<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        owner: &Owner<'_>,
    ) -> Vec<Check> {
        let mut checks = Vec::new();
        for node in nodes {
            let fields = Fields::inside(node);
            let list = [&fields, owner.server, owner.draft.fields];
            let scopes = Scopes(&list);
            let checker = Checker {
                node,
                fields: &fields,
                scopes,
                owner,
                interval: scopes
                    .seconds("delay_loop")
                    .unwrap_or(Check::DEFAULT_INTERVAL),
            };
            for kind in self.kinds(&checker) {
                checks.push(common(&checker, kind));
            }
        }
        checks
    }

    /// What a checker block asks for: one check, or several (`host` blocks), or none that can be done.
    fn kinds(&mut self, checker: &Checker<'_>) -> Vec<CheckKind> {
        let one = match &*checker.node.keyword.text {
            "TCP_CHECK" => self.tcp(checker),
            "HTTP_GET" => self.http(checker, false),
            "SSL_GET" => self.http(checker, true),
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

    // ---- whom to ask ----

    /// `connect_ip`, `connect_port` and the like, in `fields`. `port`: the usual one of what is asked, for servers
    /// without a port. A check that has nobody to ask is left out, which has been said then.
    pub(super) fn target(
        &mut self,
        checker: &Checker<'_>,
        fields: &Fields<'_>,
        port: u16,
    ) -> Option<Target> {
        let owner = checker.owner;
        let addr = fields.ip("connect_ip").unwrap_or(owner.addr);
        let own = Some(owner.port).filter(|port| *port != 0);
        let remote = SocketAddr::new(addr, fields.int("connect_port").or(own).unwrap_or(port));
        let timeout = fields.seconds("connect_timeout");
        let timeout = timeout.or_else(|| checker.scopes.seconds("connect_timeout"));
        let from = fields.ip("bindto").filter(|from| {
            let alike = Family::of(*from) == Family::of(addr);
            if let Some(node) = fields.last("bindto").filter(|_| !alike) {
                let message = format!("from {from} there is no way to {addr}; `bindto` ignored");
                let help = format!("write an {} address of this host", Family::of(addr));
                self.error(node.span(), message, help);
            }
            alike
        });
        let interface = fields.last("bind_if").and_then(interface);
        if is_link_local(addr) && interface.is_none() {
            let message = format!(
                "{addr} is link-local: without `bind_if` it cannot be reached, and the check fails"
            );
            let help = "write `bind_if INTERFACE`";
            self.diags.report_with_help(
                Severity::Warning,
                checker.node.keyword.span,
                message,
                help,
            );
        }
        Some(Target {
            remote,
            bind_addr: from,
            bind_port: fields.int("bind_port").unwrap_or(0),
            bind_interface: interface,
            fwmark: fields.int("fwmark").unwrap_or(0),
            connect_timeout: timeout.unwrap_or(Target::default().connect_timeout),
        })
    }
}

/// fe80::/10.
fn is_link_local(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    }
}

/// A check with all it has in common with the others.
fn common(checker: &Checker<'_>, kind: CheckKind) -> Check {
    let Checker {
        scopes, interval, ..
    } = *checker;
    let default = Check::new(kind);
    // DNS_CHECK retries after its interval, the others after a fixed delay.
    let retry_delay = match default.kind {
        CheckKind::Dns { .. } => interval,
        _ => default.delay_before_retry,
    };
    let log_all = checker.fields.boolean("log_all_failures");
    Check {
        retry: scopes.int("retry").unwrap_or(default.retry),
        delay_before_retry: scopes.seconds("delay_before_retry").unwrap_or(retry_delay),
        interval,
        warmup: scopes.seconds("warmup").unwrap_or(interval),
        alpha: scopes.boolean("alpha").unwrap_or(default.alpha),
        log_all_failures: log_all.unwrap_or(checker.owner.shared.log_all),
        kind: default.kind,
    }
}
