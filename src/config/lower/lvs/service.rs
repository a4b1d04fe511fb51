//! `virtual_server`: one or more services with one set of servers.

use super::group::Subject;
use super::{Shared, number, option, protocol_name, service_name};
use crate::config::diag::{Severity, Span};
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::config::tree::Node;
use crate::types::Family;
use crate::types::ipvs::{Checksum, Forward, IpProtocol, ServiceKey, Tunnel, TunnelKind};

/// `persistence_timeout` without a number, and where persistence comes with something else.
const PERSISTENCE: u32 = 360;
/// The port of generic UDP encapsulation (IANA).
const GUE_PORT: u16 = 6080;

/// The schedulers of IPVS.
static SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "twos",
];

/// A virtual server on its way: what its servers need to know of it.
pub(super) struct Draft<'a> {
    /// Its settings.
    pub(super) fields: &'a Fields<'a>,
    /// As it is called in messages and logs.
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) family: Family,
    /// What is balanced.
    services: Vec<ServiceKey>,
    /// Of the services: IPv4, IPv6.
    families: [bool; 2],
    /// Firewall marks are balanced, and nothing else.
    pub(super) mark: bool,
    /// The port of all services; `None`: they have several, or are marks.
    pub(super) port: Option<u16>,
    /// The port checks ask where servers have none of their own; 0: there is none.
    pub(super) ask_port: u16,
    /// `lb_kind`; `None`: it is not said.
    pub(super) forward: Option<Forward>,
}

impl<'a> Draft<'a> {
    fn new(
        fields: &'a Fields<'a>,
        (name, span): (String, Span),
        family: Family,
        services: Vec<ServiceKey>,
    ) -> Self {
        let mut draft = Draft {
            fields,
            name,
            span,
            family,
            families: [false; 2],
            mark: true,
            port: None,
            ask_port: 0,
            forward: None,
            services,
        };
        let mut ports: Option<(u16, bool)> = None;
        for key in &draft.services {
            let (family, port) = match key {
                ServiceKey::Address { addr, port, .. } => (Family::of(*addr), Some(*port)),
                ServiceKey::Mark { family, .. } => (*family, None),
            };
            let [v4, v6] = &mut draft.families;
            match family {
                Family::V4 => *v4 = true,
                Family::V6 => *v6 = true,
            }
            draft.mark &= port.is_none();
            if draft.ask_port == 0 {
                draft.ask_port = port.unwrap_or(0);
            }
            let (first, same) = ports.unwrap_or((port.unwrap_or(0), true));
            ports = Some((first, same && port == Some(first)));
        }
        draft.port = ports.filter(|(_, same)| *same).map(|(port, _)| port);
        draft
    }

    /// A family of its services other than this one.
    pub(super) fn other_family(&self, family: Family) -> Option<Family> {
        let [v4, v6] = self.families;
        match family {
            Family::V4 => v6.then_some(Family::V6),
            Family::V6 => v4.then_some(Family::V4),
        }
    }
}

impl Lowering<'_> {
    /// A virtual server; `None` when it cannot run, which has been said then.
    pub(super) fn virtual_server<'a>(
        &mut self,
        node: &'a Node,
        shared: &mut Shared<'a>,
    ) -> Option<VirtualServer> {
        let fields = Fields::inside(node);
        let span = node.keyword.span;
        if !fields.has("real_server") {
            // Which has been said.
            shared.uses.extend(group_name(node));
            return None;
        }
        let subject = self.subject(node, &fields, shared);
        let nth = shared.uses.iter();
        let nth = nth.filter(|name| Some(**name) == group_name(node)).count();
        shared.uses.extend(group_name(node));
        let subject = subject?;
        let protocol = self.protocol(&fields, &subject, span);
        let services = self.services(&subject, protocol.unwrap_or(IpProtocol::Udp), span, shared);
        let name = match subject.group {
            Some(name) => format!("[{name}]:{nth}"),
            None => service_name(services.first()?),
        };
        if services.is_empty() {
            return None;
        }
        let settings = fields.settings();
        let mut draft = Draft::new(&settings, (name, span), subject.family, services);
        draft.forward = settings.last("lb_kind").map(|node| self.forward(node));
        let servers = self.real_servers(fields.all("real_server"), &draft, shared);
        if servers.is_empty() {
            let message = format!(
                "virtual server {} has no usable real_server; left out",
                draft.name
            );
            self.error(span, message, "write `real_server IP [PORT] { … }` in it");
            return None;
        }
        Some(self.put_together(draft, subject.group, protocol, servers, shared))
    }

    fn put_together(
        &mut self,
        draft: Draft<'_>,
        group: Option<&str>,
        protocol: Option<IpProtocol>,
        servers: Vec<RealServer>,
        shared: &Shared<'_>,
    ) -> VirtualServer {
        let fields = draft.fields;
        let scheduler = self.scheduler(&draft);
        let (persistence, granularity) = self.persistence(&draft);
        let one_packet = self.one_packet(&draft, protocol);
        let (quorum, hysteresis) = self.quorum(&draft, &servers);
        let ha_suspend = self.ha_suspend(&draft);
        let sorry = self.sorry(&draft);
        let mut flags = 0;
        for (name, bit) in [("flag-1", 1), ("flag-2", 2), ("flag-3", 4)] {
            if fields.has(name) {
                flags |= bit;
            }
        }
        VirtualServer {
            group: group.map(str::to_owned),
            protocol,
            family: draft.family,
            scheduler,
            scheduler_flags: flags,
            persistence_timeout: persistence,
            persistence_granularity: granularity,
            one_packet,
            sorry_server: sorry,
            quorum,
            hysteresis,
            quorum_up: self.handler(fields, "quorum_up"),
            quorum_down: self.handler(fields, "quorum_down"),
            omega: fields.has("omega"),
            ha_suspend,
            smtp_alert: fields.boolean("smtp_alert").unwrap_or(shared.service_mail),
            real_servers: servers,
            name: draft.name,
            services: draft.services,
        }
    }

    /// The protocol of the addresses; `None` where there are marks only.
    fn protocol(
        &mut self,
        fields: &Fields<'_>,
        subject: &Subject<'_>,
        span: Span,
    ) -> Option<IpProtocol> {
        let node = fields.last("protocol");
        let said = node
            .and_then(first)
            .map(|text| match text.as_bytes().first() {
                Some(b't' | b'T') => IpProtocol::Tcp,
                Some(b's' | b'S') => IpProtocol::Sctp,
                Some(_) | None => IpProtocol::Udp,
            });
        if subject.entries.iter().all(super::group::Entry::is_mark) {
            if let Some(node) = node {
                let message =
                    "the protocol of a fwmark service is that of the marked packets; ignored";
                self.note(node.span(), message);
            }
            return None;
        }
        if said.is_none() {
            self.assumed("protocol", "UDP", span);
        }
        Some(said.unwrap_or(IpProtocol::Udp))
    }

    /// Says that a service rests on a default it should not rest on.
    fn assumed(&mut self, keyword: &str, default: &str, span: Span) {
        let message = format!("this virtual_server has no `{keyword}`; {default} is used");
        let help = format!("write `{keyword} …`");
        self.diags
            .report_with_help(Severity::Warning, span, message, help);
    }

    fn scheduler(&mut self, draft: &Draft<'_>) -> &'static str {
        let default = VirtualServer::default().scheduler;
        let Some(name) = draft.fields.word("lb_algo") else {
            self.assumed("lb_algo", default, draft.span);
            return default;
        };
        let known = SCHEDULERS.iter().find(|known| **known == name);
        known.copied().unwrap_or(default)
    }

    /// What `lb_kind` is for a server that does not say it.
    pub(super) fn usual_forward(&mut self, draft: &Draft<'_>) -> Forward {
        draft.forward.unwrap_or_else(|| {
            self.assumed("lb_kind", "NAT", draft.span);
            Forward::Masquerade
        })
    }

    /// `NAT`, `DR` or `TUN [type T [port N]] [CHECKSUM]`.
    pub(super) fn forward(&mut self, node: &Node) -> Forward {
        match first(node) {
            Some("DR") => return Forward::Direct,
            Some("TUN") => {}
            Some(_) | None => return Forward::Masquerade,
        }
        let port = option(node, "port").and_then(number);
        let kind = match option(node, "type") {
            Some("gre") => TunnelKind::Gre,
            Some("gue") => {
                if port.is_none() {
                    let message = format!("a gue tunnel needs a port; {GUE_PORT} is used");
                    let help = format!("write `type gue port {GUE_PORT}`");
                    self.diags
                        .report_with_help(Severity::Warning, node.span(), message, help);
                }
                TunnelKind::Gue(port.unwrap_or(GUE_PORT))
            }
            Some(_) | None => TunnelKind::Ipip,
        };
        let mut checksum = Checksum::None;
        for word in &node.args {
            checksum = match &*word.text {
                "nocsum" => Checksum::None,
                "csum" => Checksum::Plain,
                "remcsum" => Checksum::Remote,
                _ => checksum,
            };
        }
        Forward::Tunnel(Tunnel { kind, checksum })
    }

    /// Seconds, and what counts as one client.
    fn persistence(&mut self, draft: &Draft<'_>) -> (u32, u32) {
        let fields = draft.fields;
        let mask = fields.last("persistence_granularity");
        let granularity = mask.and_then(|node| {
            let found = first(node).and_then(|text| granularity(text, draft.family));
            if found.is_none() {
                let (wrong, right) = match draft.family {
                    Family::V4 => (
                        "no netmask of IPv4",
                        "write a netmask such as 255.255.255.0",
                    ),
                    Family::V6 => ("no prefix length", "write a prefix length from 1 to 128"),
                };
                let text = first(node).unwrap_or_default();
                self.error(node.span(), format!("`{text}` is {wrong}; ignored"), right);
            }
            found
        });
        let mut seconds = fields.last("persistence_timeout").map_or(0, |node| {
            let seconds = first(node).map(|text| number(text).unwrap_or(0));
            if seconds == Some(0) {
                let message = "`persistence_timeout 0` means off";
                self.diags.report_with_help(
                    Severity::Note,
                    node.keyword.span,
                    message,
                    "remove the line",
                );
            }
            seconds.unwrap_or(PERSISTENCE)
        });
        if granularity.is_some() && seconds == 0 {
            seconds = PERSISTENCE;
        }
        let any_port = |key: &ServiceKey| matches!(key, ServiceKey::Address { port: 0, .. });
        if seconds == 0 && draft.services.iter().any(any_port) {
            seconds = PERSISTENCE;
            let message = format!(
                "{}: port 0 stands for all ports, which needs persistence; `persistence_timeout {PERSISTENCE}` is used",
                draft.name
            );
            let help = "write `persistence_timeout SECONDS`, or the port";
            self.diags
                .report_with_help(Severity::Warning, draft.span, message, help);
        }
        (
            seconds,
            granularity.unwrap_or(VirtualServer::host_granularity(draft.family)),
        )
    }

    fn one_packet(&mut self, draft: &Draft<'_>, protocol: Option<IpProtocol>) -> bool {
        let Some(node) = draft.fields.last("ops") else {
            return false;
        };
        match protocol {
            None | Some(IpProtocol::Udp) => true,
            Some(other) => {
                let message = format!(
                    "`ops` is for UDP, and this is {}; ignored",
                    protocol_name(other).to_ascii_uppercase()
                );
                self.warn(node.span(), message);
                false
            }
        }
    }

    fn ha_suspend(&mut self, draft: &Draft<'_>) -> bool {
        let Some(node) = draft.fields.last("ha_suspend") else {
            return false;
        };
        if draft.mark {
            let message =
                "a mark has no address that could be on this host or not; `ha_suspend` ignored";
            self.warn(node.span(), message);
            return false;
        }
        true
    }

    /// Quorum and hysteresis, within what the servers weigh.
    fn quorum(&mut self, draft: &Draft<'_>, servers: &[RealServer]) -> (u32, u32) {
        let fields = draft.fields;
        let total = servers
            .iter()
            .fold(0_u32, |sum, server| sum.saturating_add(server.weight));
        let mut quorum = fields.int("quorum").unwrap_or(1);
        if quorum > total.max(1) {
            let most = total.max(1);
            let message = format!(
                "quorum {quorum} exceeds the total weight {total} of the real servers; {most} is used"
            );
            self.warn_at(fields.last("quorum"), draft.span, message);
            quorum = most;
        }
        let mut hysteresis = fields.int("hysteresis").unwrap_or(0);
        if hysteresis >= quorum {
            let most = quorum.saturating_sub(1);
            let message =
                format!("hysteresis {hysteresis} is not less than quorum {quorum}; {most} is used");
            self.warn_at(fields.last("hysteresis"), draft.span, message);
            hysteresis = most;
        }
        let gained = quorum.saturating_add(hysteresis);
        if gained > total && quorum <= total {
            let message = format!(
                "the quorum is gained at {quorum} + hysteresis {hysteresis} = {gained}, more than the total weight \
                 {total} of the real servers: it never is"
            );
            self.warn_at(fields.last("hysteresis"), draft.span, message);
        }
        (quorum, hysteresis)
    }

    fn warn_at(&mut self, node: Option<&Node>, otherwise: Span, message: String) {
        self.warn(node.map_or(otherwise, Node::span), message);
    }
}

fn group_name(node: &Node) -> Option<&str> {
    if first(node) != Some("group") {
        return None;
    }
    node.args.get(1).map(|name| &*name.text)
}

/// A netmask in host order, or a prefix length.
fn granularity(text: &str, family: Family) -> Option<u32> {
    match (number::<u32>(text), family) {
        (Some(bits), Family::V6) => Some(bits),
        (Some(bits), Family::V4) => {
            let hosts = u32::MAX.checked_shr(bits).unwrap_or(0);
            (bits <= 32).then_some(!hosts)
        }
        (None, Family::V4) => text.parse::<core::net::Ipv4Addr>().ok().map(u32::from),
        (None, Family::V6) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_told_apart_by_netmask_or_prefix_length() {
        for (text, family, want) in [
            ("255.255.255.0", Family::V4, Some(0xffff_ff00)),
            ("24", Family::V4, Some(0xffff_ff00)),
            ("32", Family::V4, Some(u32::MAX)),
            ("64", Family::V4, None),
            ("64", Family::V6, Some(64)),
            ("255.255.255.0", Family::V6, None),
        ] {
            assert_eq!(granularity(text, family), want, "{text} {family}");
        }
    }

    #[test]
    fn every_scheduler_of_the_schema_is_known() {
        for name in SCHEDULERS {
            assert!(name.len() <= 15, "{name}");
        }
    }
}
