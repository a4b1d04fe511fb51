//! `real_server` and `sorry_server`.

use core::net::IpAddr;

use super::check::ServerContext;
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

/// A server, as in messages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    RealServer,
    SorryServer,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Role::RealServer => "real server",
            Role::SorryServer => "sorry server",
        }
    }
}

/// Address, port and forwarding method of a server.
#[derive(Clone, Copy)]
struct Endpoint {
    addr: IpAddr,
    port: u16,
    forward: Forward,
}

impl Lowering<'_> {
    /// The valid real servers of a virtual server.
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
                let message =
                    format!("more than {MAX_SERVERS} real servers; the rest are left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            let Some(at) = self.endpoint(node, draft, Role::RealServer) else {
                continue;
            };
            let span = node.span();
            if let Some(before) = known.earlier_or_insert(&endpoint(at.addr, at.port), span) {
                let first = self.sources.locate(before, span);
                let name = endpoint(at.addr, at.port);
                let message = format!(
                    "{name} is already a real server of {} on {first}; left out",
                    draft.name
                );
                self.warn(span, message);
                continue;
            }
            shared.server_count = shared.server_count.saturating_add(1);
            servers.push(self.real_server(node, draft, shared, at));
        }
        servers
    }

    fn real_server(
        &mut self,
        node: &Node,
        draft: &Draft<'_>,
        shared: &Shared<'_>,
        at: Endpoint,
    ) -> RealServer {
        let Endpoint {
            addr,
            port,
            forward,
        } = at;
        let all = Fields::inside(node);
        let fields = all.settings();
        let both = [&fields, draft.fields];
        let scopes = Scopes(&both);
        let context = ServerContext {
            settings: &fields,
            draft,
            shared,
            addr,
            // As configured, even if IPVS does not use that port.
            port: match node.args.get(1).and_then(|word| number(&word.text)) {
                Some(0) | None if port == 0 => draft.check_port,
                Some(0) | None => port,
                Some(configured) => configured,
            },
        };
        let checks = self.checks(all.blocks(), &context);
        let uthreshold = fields.int("uthreshold").unwrap_or(0);
        RealServer {
            addr,
            port,
            weight: scopes.int("weight").unwrap_or(1),
            forward,
            uthreshold,
            lthreshold: self.lthreshold(&fields, uthreshold),
            inhibit_on_failure: scopes.boolean("inhibit_on_failure").unwrap_or(false),
            notify_up: self.notify_command(&fields, "notify_up"),
            notify_down: self.notify_command(&fields, "notify_down"),
            smtp_alert: fields
                .boolean("smtp_alert")
                .unwrap_or(shared.server_smtp_alert),
            checks,
        }
    }

    /// Address, port and forwarding method of a server; `None` if it cannot be one, which has been
    /// reported.
    fn endpoint(&mut self, node: &Node, draft: &Draft<'_>, role: Role) -> Option<Endpoint> {
        let addr = first(node).and_then(value::ip)?;
        let port = node.args.get(1).and_then(|word| number(&word.text));
        let method = match role {
            Role::RealServer => Fields::inside(node).last("lvs_method"),
            Role::SorryServer => draft.fields.last("sorry_server_lvs_method"),
        };
        let forward = match method {
            Some(node) => self.forward(node),
            None => draft.forward.unwrap_or(Forward::Masquerade),
        };
        let span = node.span();
        self.check_family(draft, addr, forward, role, span)?;
        let own = if draft.mark { Some(0) } else { draft.port };
        let port = match own {
            Some(own) => self.forwarded_port(addr, port.unwrap_or(own), own, forward, role, span),
            None => port.unwrap_or(0),
        };
        Some(Endpoint {
            addr,
            port,
            forward,
        })
    }

    /// Whether the server can be reached from the services: reported unless a tunnel leads to the
    /// other address family.
    fn check_family(
        &mut self,
        draft: &Draft<'_>,
        addr: IpAddr,
        forward: Forward,
        role: Role,
        span: Span,
    ) -> Option<()> {
        let family = Family::of(addr);
        let tunnel = matches!(forward, Forward::Tunnel(_));
        let Some(other) = draft.other_family(family).filter(|_| !tunnel) else {
            return Some(());
        };
        let message = format!(
            "{} {addr} is {family}, but the virtual server is {other}; left out",
            role.name()
        );
        let help = "only tunnels (`lb_kind TUN`) reach servers of the other address family";
        self.error(span, message, help);
        None
    }

    /// The port a server gets if all services have port `own` (0 for marks).
    ///
    /// Only NAT changes the port of packets. With other methods packets keep the port of the
    /// service; another configured port is reported, because checks connect to it although it gets
    /// no packets.
    fn forwarded_port(
        &mut self,
        addr: IpAddr,
        wanted: u16,
        own: u16,
        forward: Forward,
        role: Role,
        span: Span,
    ) -> u16 {
        if wanted == own || forward == Forward::Masquerade {
            return wanted;
        }
        if wanted != 0 {
            let name = role.name();
            let message = match own {
                0 => format!("only NAT changes the port; port {wanted} of {name} {addr} ignored"),
                own => format!(
                    "only NAT changes the port; {name} {addr} gets port {own}, not {wanted}"
                ),
            };
            let help = match role {
                Role::RealServer => {
                    format!(
                        "checks still connect to port {wanted}; write `connect_port PORT` in them"
                    )
                }
                Role::SorryServer => "remove the port".to_owned(),
            };
            self.warn_with_help(span, message, help);
        }
        own
    }

    /// `lthreshold`, which must not exceed `uthreshold`.
    fn lthreshold(&mut self, fields: &Fields<'_>, uthreshold: u32) -> u32 {
        let lthreshold = fields.int("lthreshold").unwrap_or(0);
        if lthreshold <= uthreshold {
            return lthreshold;
        }
        if let Some(node) = fields.last("lthreshold") {
            let message =
                format!("`lthreshold` {lthreshold} is above `uthreshold` {uthreshold}; ignored");
            self.warn(node.span(), message);
        }
        0
    }

    /// `sorry_server`.
    pub(super) fn sorry_server(&mut self, draft: &Draft<'_>) -> Option<SorryServer> {
        let node = draft.fields.last("sorry_server")?;
        let Endpoint {
            addr,
            port,
            forward,
        } = self.endpoint(node, draft, Role::SorryServer)?;
        Some(SorryServer {
            addr,
            port,
            forward,
            inhibit: draft.fields.has("sorry_server_inhibit"),
        })
    }
}
