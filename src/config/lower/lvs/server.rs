//! `real_server` and `sorry_server`.

use core::net::IpAddr;

use super::check::Owner;
use super::service::Draft;
use super::{MAX_SERVERS, Scopes, Shared, endpoint, number};
use crate::config::diag::{Severity, Span};
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::model::lvs::{RealServer, SorryServer};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::Node;
use crate::types::Family;
use crate::types::ipvs::Forward;

/// What messages call a real server.
const REAL: &str = "real server";

impl Lowering<'_> {
    /// The servers of a virtual server that can be used.
    pub(super) fn real_servers<'a>(
        &mut self,
        nodes: impl Iterator<Item = &'a Node>,
        draft: &Draft<'_>,
        shared: &mut Shared<'_>,
    ) -> Vec<RealServer> {
        let mut servers = Vec::new();
        let mut known = SpanMap::default();
        for node in nodes {
            if shared.server_count >= MAX_SERVERS {
                let message = format!("more than {MAX_SERVERS} real servers; the rest is left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            let Some((addr, port, forward)) = self.place_of(node, draft) else {
                continue;
            };
            let span = node.span();
            if let Some(before) = known.earlier_or_insert(&endpoint(addr, port), span) {
                let at = self.sources.locate(before, span);
                let name = endpoint(addr, port);
                let message = format!(
                    "{name} is a real server of {} on {at} already; left out",
                    draft.name
                );
                self.warn(span, message);
                continue;
            }
            shared.server_count = shared.server_count.saturating_add(1);
            servers.push(self.real_server(node, draft, shared, (addr, port, forward)));
        }
        servers
    }

    fn real_server(
        &mut self,
        node: &Node,
        draft: &Draft<'_>,
        shared: &Shared<'_>,
        (addr, port, forward): (IpAddr, u16, Forward),
    ) -> RealServer {
        let all = Fields::inside(node);
        let fields = all.settings();
        let both = [&fields, draft.fields];
        let scopes = Scopes(&both);
        let owner = Owner {
            server: &fields,
            draft,
            shared,
            addr,
            // As configured, even where packets get there by another port.
            port: match node.args.get(1).and_then(|word| number(&word.text)) {
                Some(0) | None if port == 0 => draft.ask_port,
                Some(0) | None => port,
                Some(said) => said,
            },
        };
        let checks = self.checks(all.blocks(), &owner);
        let (upper, lower) = self.thresholds(&fields);
        RealServer {
            addr,
            port,
            weight: scopes.int("weight").unwrap_or(1),
            forward,
            uthreshold: upper,
            lthreshold: lower,
            inhibit_on_failure: scopes.boolean("inhibit_on_failure").unwrap_or(false),
            notify_up: self.handler(&fields, "notify_up"),
            notify_down: self.handler(&fields, "notify_down"),
            smtp_alert: fields.boolean("smtp_alert").unwrap_or(shared.server_mail),
            checks,
        }
    }

    /// Address, port and forwarding of a real server; `None` when it cannot be one.
    fn place_of(&mut self, node: &Node, draft: &Draft<'_>) -> Option<(IpAddr, u16, Forward)> {
        let addr = first(node).and_then(value::ip)?;
        let port = node.args.get(1).and_then(|word| number(&word.text));
        let forward = match Fields::inside(node).last("lvs_method") {
            Some(node) => self.forward(node),
            None => self.usual_forward(draft),
        };
        let port = self.reachable(draft, (addr, port), forward, REAL, node.span())?;
        Some((addr, port, forward))
    }

    /// The port a server gets, if it can be one of the virtual server's at all.
    ///
    /// Only NAT writes another port into packets. With other methods they keep the service's; what is configured
    /// instead is a slip that matters, because checks would ask a port that gets no packets. Where the services
    /// of a group have several ports, ports stay as they are configured.
    fn reachable(
        &mut self,
        draft: &Draft<'_>,
        (addr, port): (IpAddr, Option<u16>),
        forward: Forward,
        what: &str,
        span: Span,
    ) -> Option<u16> {
        let tunnel = matches!(forward, Forward::Tunnel(_));
        let family = Family::of(addr);
        let other = draft.other_family(family);
        if let Some(other) = other.filter(|_| !tunnel) {
            let message =
                format!("{what} {addr} is {family}, and the virtual server is {other}; left out");
            let help = "only tunnels (`lb_kind TUN`) lead from one family to the other";
            self.error(span, message, help);
            return None;
        }
        let own = if draft.mark { Some(0) } else { draft.port };
        let Some(own) = own else {
            return Some(port.unwrap_or(0));
        };
        let wanted = port.unwrap_or(own);
        if wanted == own || forward == Forward::Masquerade {
            return Some(wanted);
        }
        if wanted != 0 {
            let message = match own {
                0 => format!(
                    "without NAT packets keep their port: {wanted} of {what} {addr} ignored"
                ),
                own => format!(
                    "without NAT packets keep their port: {what} {addr} gets {own}, not {wanted}"
                ),
            };
            let help = match what {
                REAL => format!("checks ask port {wanted} all the same; give them `connect_port`"),
                _ => "leave it out".to_owned(),
            };
            self.diags
                .report_with_help(Severity::Warning, span, message, help);
        }
        Some(own)
    }

    fn thresholds(&mut self, fields: &Fields<'_>) -> (u32, u32) {
        let upper = fields.int("uthreshold").unwrap_or(0);
        let lower = fields.int("lthreshold").unwrap_or(0);
        if lower <= upper {
            return (upper, lower);
        }
        if let Some(node) = fields.last("lthreshold") {
            let message = format!("lthreshold {lower} is higher than uthreshold {upper}; ignored");
            self.warn(node.span(), message);
        }
        (upper, 0)
    }

    /// The server of last resort.
    pub(super) fn sorry(&mut self, draft: &Draft<'_>) -> Option<SorryServer> {
        let node = draft.fields.last("sorry_server")?;
        let addr = first(node).and_then(value::ip)?;
        let port = node.args.get(1).and_then(|word| number(&word.text));
        let forward = match draft.fields.last("sorry_server_lvs_method") {
            Some(node) => self.forward(node),
            None => draft.forward.unwrap_or(Forward::Masquerade),
        };
        let port = self.reachable(draft, (addr, port), forward, "sorry server", node.span())?;
        Some(SorryServer {
            addr,
            port,
            forward,
            inhibit: draft.fields.has("sorry_server_inhibit"),
        })
    }
}
