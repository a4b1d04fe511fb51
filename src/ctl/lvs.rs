//! Virtual servers in the state dump, with keepalived's labels; keepalived does not show checks and
//! traffic.

use core::fmt;

use super::lines::{Escaped, Owned, Quoted};
use super::page::{Page, enabled, yes};
use super::{Check, Server, Service, Traffic};
use crate::config::model::Command;
use crate::config::model::lvs::{CheckKind, SorryServer, Target, VirtualServer};
use crate::types::Family;
use crate::types::ipvs::{
    Checksum, Forward, IpProtocol, ServerName, ServiceKey, Tunnel, TunnelKind,
};

/// `LVS Topology`, if there are virtual servers.
pub(super) fn show(page: &mut Page, services: &[Service<'_>]) {
    if services.is_empty() {
        return;
    }
    page.heading("LVS Topology");
    for service in services {
        let conf = service.conf;
        page.sentence(&"------< Virtual server >------");
        title(page, conf);
        settings(page, conf);
        if let Some(sorry) = &conf.sorry_server {
            show_sorry(page, sorry, conf.protocol);
        }
        page.pair("Live weight", &service.weight);
        page.pair("Sorry server stands in", &yes(service.sorry));
        page.pair("Checks are suspended", &yes(service.suspended));
        if let Some(traffic) = &service.traffic {
            show_traffic(page, traffic);
        }
        page.pair("alive", &1);
        page.pair("quorum_state_up", &u8::from(service.quorum));
        for server in &service.servers {
            show_server(page, server);
        }
    }
}

fn title(page: &mut Page, conf: &VirtualServer) {
    match (&conf.group, conf.services.first()) {
        (None, Some(ServiceKey::Address { addr, port, .. })) => {
            page.title("VS VIP", &format_args!("{addr}, VPORT = {port}"));
        }
        (None, Some(ServiceKey::Mark { mark, .. })) => page.title("VS FWMARK", mark),
        (Some(_), _) | (None, None) => page.title("VS GROUP", &Escaped(&conf.name)),
    }
    if conf.group.is_some() {
        page.list(&"Services :", &conf.services);
    }
}

fn settings(page: &mut Page, conf: &VirtualServer) {
    let family = match conf.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    page.pair("Address family", &family);
    page.pair("lvs_sched", &conf.scheduler);
    for (bit, label) in [(1, "flag-1"), (2, "flag-2"), (4, "flag-3")] {
        page.pair(label, &enabled(conf.scheduler_flags & bit != 0));
    }
    page.pair("One packet scheduling", &enabled(conf.one_packet));
    if conf.persistence_timeout > 0 {
        page.pair("persistence timeout", &conf.persistence_timeout);
        if conf.sip {
            page.pair("pe_name", &"sip");
        }
        match conf.family {
            Family::V4 => {
                let mask = core::net::Ipv4Addr::from_bits(conf.persistence_granularity);
                page.pair("persistence granularity", &mask);
            }
            Family::V6 => page.pair("persistence granularity", &conf.persistence_granularity),
        }
    }
    let protocol = match conf.protocol {
        Some(IpProtocol::Tcp) => "TCP",
        Some(IpProtocol::Udp) => "UDP",
        Some(IpProtocol::Sctp) => "SCTP",
        None => "none",
    };
    page.pair("protocol", &protocol);
    page.line(&format_args!("omega is {}", on(conf.omega)));
    let (quorum, hysteresis) = (conf.quorum, conf.hysteresis);
    page.line(&format_args!(
        "quorum = {quorum}, hysteresis = {hysteresis}"
    ));
    script(page, "Quorum up notify script", conf.quorum_up.as_ref());
    script(page, "Quorum down notify script", conf.quorum_down.as_ref());
    if conf.ha_suspend {
        page.line(&"Using HA suspend");
    }
    page.pair("Using smtp notification", &yes(conf.smtp_alert));
}

fn show_sorry(page: &mut Page, sorry: &SorryServer, protocol: Option<IpProtocol>) {
    let name = ServerName {
        addr: sorry.addr,
        protocol,
        port: sorry.port,
    };
    page.line(&format_args!("sorry server = {name}"));
    page.line(&format_args!(
        "  forwarding method = {}",
        Method(sorry.forward)
    ));
    page.line(&format_args!(
        "  Inhibit on failure is {}",
        on(sorry.inhibit)
    ));
}

fn show_server(page: &mut Page, server: &Server<'_>) {
    let Server {
        conf, up, weight, ..
    } = *server;
    page.line(&"------< Real server >------");
    let (addr, port) = (conf.addr, conf.port);
    page.line(&format_args!(
        "RIP = {addr}, RPORT = {port}, WEIGHT = {weight} EFF WEIGHT = {weight}"
    ));
    page.pair("forwarding method", &Method(conf.forward));
    let (lower, upper) = (conf.lthreshold, conf.uthreshold);
    page.pair(
        "connection limit range",
        &format_args!("{lower} -> {upper}"),
    );
    page.line(&format_args!(
        "Inhibit on failure is {}",
        on(conf.inhibit_on_failure)
    ));
    script(page, "RS up notify script", conf.notify_up.as_ref());
    script(page, "RS down notify script", conf.notify_down.as_ref());
    page.pair("Using smtp notification", &yes(conf.smtp_alert));
    page.pair("initial weight", &conf.weight);
    if server.maintenance.is_some() {
        page.pair("Drained", &yes(true));
    }
    page.pair("effective weight", &weight);
    page.pair("alive", &u8::from(up));
    let failed = server.checks.iter().filter(|check| !check.up).count();
    page.pair("num failed checkers", &failed);
    if let Some(traffic) = &server.traffic {
        show_traffic(page, traffic);
    }
    page.list(&"Checks :", &server.checks);
}

fn show_traffic(page: &mut Page, traffic: &Traffic) {
    let Traffic {
        connections,
        counters,
    } = traffic;
    if let Some(now) = connections {
        let (active, inactive, persistent) = (now.active, now.inactive, now.persistent);
        let text = format_args!("{active} active, {inactive} inactive, {persistent} persistent");
        page.pair("Connections", &text);
    }
    page.pair("Connections so far", &counters.connections);
    let (packets, bytes) = (counters.packets_in, counters.bytes_in);
    page.pair(
        "Received",
        &format_args!("{packets} packets, {bytes} bytes"),
    );
    let (packets, bytes) = (counters.packets_out, counters.bytes_out);
    page.pair("Sent", &format_args!("{packets} packets, {bytes} bytes"));
}

fn script(page: &mut Page, label: &str, command: Option<&Command>) {
    if let Some(command) = command {
        page.pair(label, &Owned(&Quoted(command), command.user));
    }
}

fn on(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

/// A forwarding method as keepalived shows it.
pub(super) struct Method(pub(super) Forward);

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tunnel { kind, checksum } = match self.0 {
            Forward::Masquerade => return f.write_str("NAT"),
            Forward::Direct => return f.write_str("DR"),
            Forward::Local => return f.write_str("LOCAL"),
            Forward::Bypass => return f.write_str("BYPASS"),
            Forward::Tunnel(tunnel) => tunnel,
        };
        match kind {
            TunnelKind::Ipip => return f.write_str("TUN, type = IPIP"),
            TunnelKind::Gue(port) => write!(f, "TUN, type = GUE, port = {port}")?,
            TunnelKind::Gre => f.write_str("TUN, type = GRE")?,
        }
        f.write_str(match checksum {
            Checksum::None => ", no checksum",
            Checksum::Plain => ", checksum",
            Checksum::Remote => ", remote checksum",
        })
    }
}

/// `TCP_CHECK 10.0.0.1:80, up`
impl fmt::Display for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, target) = subject(&self.conf.kind);
        f.write_str(name)?;
        match (&self.conf.kind, target) {
            // ICMP has no port.
            (CheckKind::Ping(target), _) => write!(f, " {}", target.remote.ip())?,
            (CheckKind::Misc { command, .. }, _) => write!(f, " {}", Quoted(command))?,
            (_, Some(target)) => write!(f, " {}", target.remote)?,
            (_, None) => {}
        }
        f.write_str(if self.up { ", up" } else { ", down" })?;
        if self.weight != 0 {
            write!(f, ", weight {:+}", self.weight)?;
        }
        Ok(())
    }
}

/// Keyword and target of a check.
pub(super) fn subject(kind: &CheckKind) -> (&'static str, Option<&Target>) {
    let name = match kind {
        CheckKind::Tcp(_) => "TCP_CHECK",
        CheckKind::Http(_, http) if http.tls => "SSL_GET",
        CheckKind::Http(..) => "HTTP_GET",
        CheckKind::Smtp { .. } => "SMTP_CHECK",
        CheckKind::Dns { .. } => "DNS_CHECK",
        CheckKind::Udp(..) => "UDP_CHECK",
        CheckKind::Ping(_) => "PING_CHECK",
        CheckKind::Misc { .. } => "MISC_CHECK",
        CheckKind::File { .. } => "FILE_CHECK",
    };
    (name, kind.target())
}
