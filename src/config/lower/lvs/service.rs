//! `virtual_server`: one or more IPVS services with the same real servers.

use super::group::Subject;
use super::{Shared, number, option, protocol_name, service_name};
use crate::config::diag::Span;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::config::tree::Node;
use crate::types::Family;
use crate::types::ipvs::{Checksum, Forward, IpProtocol, ServiceKey, Tunnel, TunnelKind};

/// `persistence_timeout` without a number, or if something else requires persistence.
const DEFAULT_PERSISTENCE: u32 = 360;
/// UDP port of Generic UDP Encapsulation, assigned by IANA.
const GUE_PORT: u16 = 6080;

/// The schedulers of IPVS.
static SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "mh", "sed", "nq", "fo", "ovf", "twos",
];

/// A `virtual_server` block that is being lowered: what its real servers and checks depend on.
pub(super) struct Draft<'a> {
    /// Its settings.
    pub(super) fields: &'a Fields<'a>,
    /// Name in messages and logs.
    pub(super) name: String,
    pub(super) span: Span,
    pub(super) family: Family,
    /// Its IPVS services.
    services: Vec<ServiceKey>,
    /// Whether there are IPv4 services.
    has_v4: bool,
    /// Whether there are IPv6 services.
    has_v6: bool,
    /// All services are firewall marks.
    pub(super) mark: bool,
    /// The port of all services; `None` if they have different ones or are marks.
    pub(super) port: Option<u16>,
    /// The port of checks if the real server has none: that of the first service with a port; else
    /// 0.
    pub(super) check_port: u16,
    /// `lb_kind`; `None` if it is missing.
    pub(super) forward: Option<Forward>,
}

impl<'a> Draft<'a> {
    fn new(
        fields: &'a Fields<'a>,
        name: String,
        span: Span,
        family: Family,
        services: Vec<ServiceKey>,
    ) -> Self {
        let mut draft = Draft {
            fields,
            name,
            span,
            family,
            has_v4: false,
            has_v6: false,
            mark: true,
            port: None,
            check_port: 0,
            forward: None,
            services,
        };
        let mut ports: Option<(u16, bool)> = None;
        for key in &draft.services {
            let (family, port) = match key {
                ServiceKey::Address { addr, port, .. } => (Family::of(*addr), Some(*port)),
                ServiceKey::Mark { family, .. } => (*family, None),
            };
            match family {
                Family::V4 => draft.has_v4 = true,
                Family::V6 => draft.has_v6 = true,
            }
            draft.mark &= port.is_none();
            if draft.check_port == 0 {
                draft.check_port = port.unwrap_or(0);
            }
            let (first, same) = ports.unwrap_or((port.unwrap_or(0), true));
            ports = Some((first, same && port == Some(first)));
        }
        draft.port = ports.filter(|(_, same)| *same).map(|(port, _)| port);
        draft
    }

    /// The other address family, if there are services of it.
    pub(super) fn other_family(&self, family: Family) -> Option<Family> {
        match family {
            Family::V4 => self.has_v6.then_some(Family::V6),
            Family::V6 => self.has_v4.then_some(Family::V4),
        }
    }
}

impl Lowering<'_> {
    /// A virtual server; `None` if it cannot run, which has been reported.
    pub(super) fn virtual_server<'a>(
        &mut self,
        node: &'a Node,
        shared: &mut Shared<'a>,
    ) -> Option<VirtualServer> {
        let fields = Fields::inside(node);
        let span = node.keyword.span;
        if !fields.has("real_server") {
            // The checker has reported it.
            group_name(node).map(|name| shared.use_group(name));
            return None;
        }
        let subject = self.subject(node, &fields, shared);
        let nth = group_name(node).map_or(0, |name| shared.use_group(name));
        let subject = subject?;
        let protocol = self.protocol(&fields, &subject);
        let services = self.services(&subject, protocol.unwrap_or(IpProtocol::Udp), span, shared);
        let name = match subject.group {
            Some(name) => format!("[{name}]:{nth}"),
            None => service_name(services.first()?),
        };
        if services.is_empty() {
            return None;
        }
        let settings = fields.settings();
        let mut draft = Draft::new(&settings, name, span, subject.family, services);
        draft.forward = settings.last("lb_kind").map(|node| self.forward(node));
        let servers = self.real_servers(fields.all("real_server"), &draft, shared);
        if servers.is_empty() {
            self.left_out(
                node,
                "real_server",
                format!("virtual server {}", draft.name),
                "write `real_server IP [PORT] { … }` in the virtual server",
            );
            return None;
        }
        self.report_defaults(&draft, &fields);
        Some(self.build_virtual_server(draft, subject.group, protocol, servers, shared))
    }

    fn build_virtual_server(
        &mut self,
        draft: Draft<'_>,
        group: Option<&str>,
        protocol: Option<IpProtocol>,
        servers: Vec<RealServer>,
        shared: &Shared<'_>,
    ) -> VirtualServer {
        let fields = draft.fields;
        let scheduler = Self::scheduler(&draft);
        let granularity = self.persistence_granularity(&draft);
        let persistence_timeout = self.persistence_timeout(
            &draft,
            granularity.is_some() || fields.has("persistence_engine"),
        );
        let host = VirtualServer::host_granularity(draft.family);
        let one_packet = self.one_packet(&draft, protocol);
        let (quorum, hysteresis) = self.quorum(&draft, &servers);
        let ha_suspend = self.ha_suspend(&draft);
        let sorry_server = self.sorry_server(&draft);
        let mut scheduler_flags = 0;
        for (name, bit) in [("flag-1", 1), ("flag-2", 2), ("flag-3", 4)] {
            if fields.has(name) {
                scheduler_flags |= bit;
            }
        }
        VirtualServer {
            group: group.map(str::to_owned),
            protocol,
            family: draft.family,
            scheduler,
            scheduler_flags,
            persistence_timeout,
            persistence_granularity: granularity.unwrap_or(host),
            one_packet,
            sip: fields.has("persistence_engine"),
            sorry_server,
            quorum,
            hysteresis,
            quorum_up: self.notify_command(fields, "quorum_up"),
            quorum_down: self.notify_command(fields, "quorum_down"),
            omega: fields.boolean("omega") == Some(true),
            ha_suspend,
            smtp_alert: fields
                .boolean("smtp_alert")
                .unwrap_or(shared.service_smtp_alert),
            real_servers: servers,
            name: draft.name,
            services: draft.services,
        }
    }

    /// `protocol`; `None` if all services are firewall marks.
    fn protocol(&mut self, fields: &Fields<'_>, subject: &Subject<'_>) -> Option<IpProtocol> {
        let node = fields.last("protocol");
        let configured = node
            .and_then(first)
            .map(|text| match text.as_bytes().first() {
                Some(b't' | b'T') => IpProtocol::Tcp,
                Some(b's' | b'S') => IpProtocol::Sctp,
                Some(_) | None => IpProtocol::Udp,
            });
        if subject.entries.iter().all(super::group::Entry::is_mark) {
            if let Some(node) = node {
                let message =
                    "a fwmark service has the protocol of the marked packets; `protocol` ignored";
                self.note(node.span(), message);
            }
            return None;
        }
        Some(configured.unwrap_or(IpProtocol::Udp))
    }

    /// Reports the missing keywords that every virtual server should have.
    fn report_defaults(&mut self, draft: &Draft<'_>, servers: &Fields<'_>) {
        let lacks = |name: &str| !draft.fields.has(name);
        let mut servers = servers.all("real_server");
        let inherits = servers.any(|server| !Fields::inside(server).has("lvs_method"));
        let keywords = [
            ("protocol", "UDP", !draft.mark && lacks("protocol")),
            ("lb_kind", "NAT", inherits && lacks("lb_kind")),
            (
                "lb_algo",
                VirtualServer::default().scheduler,
                lacks("lb_algo"),
            ),
        ];
        let (mut used, mut missing) = (String::new(), String::new());
        for (keyword, default, _) in keywords.iter().filter(|(.., missing)| *missing) {
            let comma = if used.is_empty() { "" } else { ", " };
            used.push_str(&format!("{comma}`{keyword}` ({default} is used)"));
            missing.push_str(&format!("{comma}`{keyword} …`"));
        }
        if !used.is_empty() {
            let message = format!("the virtual server has no {used}");
            self.warn_with_help(draft.span, message, format!("write {missing}"));
        }
    }

    /// `lb_algo`.
    fn scheduler(draft: &Draft<'_>) -> &'static str {
        let default = VirtualServer::default().scheduler;
        let name = draft.fields.word("lb_algo");
        let known = SCHEDULERS.iter().find(|known| Some(**known) == name);
        known.copied().unwrap_or(default)
    }

    /// The arguments of `lb_kind` or `lvs_method`: `NAT`, `DR` or `TUN [type T [port N]]
    /// [CHECKSUM]`.
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
                    let message = format!("the gue tunnel has no port; {GUE_PORT} is used");
                    let help = format!("write `type gue port {GUE_PORT}`");
                    self.warn_with_help(node.span(), message, help);
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

    /// `persistence_granularity`; `None` if it is missing or not valid.
    fn persistence_granularity(&mut self, draft: &Draft<'_>) -> Option<u32> {
        let node = draft.fields.last("persistence_granularity")?;
        let text = first(node).unwrap_or_default();
        let found = granularity(text, draft.family);
        if found.is_none() {
            let (expected, help) = match draft.family {
                Family::V4 => ("an IPv4 netmask", "write a netmask such as 255.255.255.0"),
                Family::V6 => ("a prefix length", "write a prefix length from 1 to 128"),
            };
            let message = format!("`{text}` is not {expected}; ignored");
            self.error(node.span(), message, help);
        }
        found
    }

    /// `persistence_timeout` in seconds; 0: no persistence. A granularity and port 0 require
    /// persistence.
    fn persistence_timeout(&mut self, draft: &Draft<'_>, is_implied: bool) -> u32 {
        let mut seconds = draft.fields.last("persistence_timeout").map_or(0, |node| {
            let seconds = first(node).map(|text| number(text).unwrap_or(0));
            if seconds == Some(0) {
                let message = "`persistence_timeout 0` disables persistence";
                self.note_with_help(node.keyword.span, message, "remove the line");
            }
            seconds.unwrap_or(DEFAULT_PERSISTENCE)
        });
        if is_implied && seconds == 0 {
            seconds = DEFAULT_PERSISTENCE;
        }
        let any_port = |key: &ServiceKey| matches!(key, ServiceKey::Address { port: 0, .. });
        if seconds == 0 && draft.services.iter().any(any_port) {
            seconds = DEFAULT_PERSISTENCE;
            let message = format!(
                "{}: port 0 means all ports and requires persistence; `persistence_timeout {DEFAULT_PERSISTENCE}` is used",
                draft.name
            );
            let help = "write `persistence_timeout SECONDS`, or the port";
            self.warn_with_help(draft.span, message, help);
        }
        seconds
    }

    /// `ops`, which is for UDP.
    fn one_packet(&mut self, draft: &Draft<'_>, protocol: Option<IpProtocol>) -> bool {
        let Some(node) = draft.fields.last("ops") else {
            return false;
        };
        match protocol {
            None | Some(IpProtocol::Udp) => true,
            Some(other) => {
                let message = format!(
                    "`ops` requires protocol UDP, not {}; ignored",
                    protocol_name(other).to_ascii_uppercase()
                );
                self.warn(node.span(), message);
                false
            }
        }
    }

    /// `ha_suspend`, which needs an address.
    fn ha_suspend(&mut self, draft: &Draft<'_>) -> bool {
        let Some(node) = draft.fields.last("ha_suspend") else {
            return false;
        };
        if draft.mark {
            let message = "a fwmark service has no address; `ha_suspend` ignored";
            self.warn(node.span(), message);
            return false;
        }
        true
    }

    /// `quorum` and `hysteresis`, limited by the total weight of the real servers.
    fn quorum(&mut self, draft: &Draft<'_>, servers: &[RealServer]) -> (u32, u32) {
        let fields = draft.fields;
        let total = servers
            .iter()
            .fold(0_u32, |sum, server| sum.saturating_add(server.weight));
        let mut quorum = fields.int("quorum").unwrap_or(1);
        if quorum > total.max(1) {
            let max = total.max(1);
            let message = format!(
                "quorum {quorum} exceeds the total weight {total} of the real servers; {max} is used"
            );
            self.warn_at(fields.last("quorum"), draft.span, message);
            quorum = max;
        }
        let mut hysteresis = fields.int("hysteresis").unwrap_or(0);
        if hysteresis >= quorum {
            let max = quorum.saturating_sub(1);
            let message =
                format!("hysteresis {hysteresis} is not less than quorum {quorum}; {max} is used");
            self.warn_at(fields.last("hysteresis"), draft.span, message);
            hysteresis = max;
        }
        let required = quorum.saturating_add(hysteresis);
        if required > total && quorum <= total {
            let message = format!(
                "quorum {quorum} + hysteresis {hysteresis} = {required} exceeds the total weight {total} of the real servers; \
                 the quorum is never gained"
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

/// `persistence_granularity`: an IPv4 netmask in host byte order, or an IPv6 prefix length.
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
    fn granularity_is_a_netmask_or_prefix_length() {
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
    fn scheduler_names_fit_in_the_kernel_s_buffer() {
        for name in SCHEDULERS {
            assert!(name.len() <= 15, "{name}");
        }
    }
}
