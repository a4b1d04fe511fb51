//! Prints the LVS part of a model, without settings that are off or absent.

use vrrpd::config::model::Command;
use vrrpd::config::model::lvs::{
    Check, CheckKind, Http, Lvs, RealServer, Ssl, Target, Udp, Url, VirtualServer,
};
use vrrpd::types::ipvs::{Checksum, Forward, ServiceKey, TunnelKind};

pub(crate) fn lvs(lvs: &Lvs) -> String {
    let mut text = String::new();
    if lvs.timeouts != [0; 3] {
        text += &format!("lvs timeouts {:?}\n", lvs.timeouts);
    }
    if lvs.flush {
        text += "lvs flush\n";
    }
    if lvs.flush_on_stop {
        text += "lvs flush_on_stop\n";
    }
    if lvs.rs_init_notifies {
        text += "lvs rs_init_notifies\n";
    }
    for one in lvs.sync_daemon.iter() {
        text += &format!("lvs {one:?}\n");
    }
    for one in lvs.notify_fifo.iter() {
        text += &format!("lvs {one:?}\n");
    }
    if lvs.ssl != Ssl::default() {
        text += &format!("lvs {:?}\n", lvs.ssl);
    }
    for one in &lvs.virtual_servers {
        text += &virtual_server(one);
    }
    text
}

fn virtual_server(one: &VirtualServer) -> String {
    let protocol = one.protocol.map(|protocol| format!(" {protocol:?}"));
    let mut text = format!(
        "virtual server {} {}{} {}",
        one.name,
        one.family,
        protocol.unwrap_or_default(),
        one.scheduler,
    );
    for (name, value) in [
        ("flags", u32::from(one.scheduler_flags)),
        ("persistence", one.persistence_timeout),
        ("hysteresis", one.hysteresis),
    ] {
        if value != 0 {
            text += &format!(" {name} {value}");
        }
    }
    if one.quorum != 1 {
        text += &format!(" quorum {}", one.quorum);
    }
    if ![u32::MAX, 128].contains(&one.persistence_granularity) {
        text += &format!(" granularity {:#x}", one.persistence_granularity);
    }
    for (name, set) in [
        ("ops", one.one_packet),
        ("omega", one.omega),
        ("ha_suspend", one.ha_suspend),
        ("mail", one.smtp_alert),
    ] {
        if set {
            text += &format!(" {name}");
        }
    }
    if let Some(group) = &one.group {
        text += &format!(" group {group}");
    }
    text += "\n";
    for key in &one.services {
        text += &match key {
            ServiceKey::Address {
                addr,
                port,
                protocol,
            } => format!("  service [{addr}]:{port} {protocol:?}\n"),
            ServiceKey::Mark { mark, family } => format!("  service mark {mark} {family}\n"),
        };
    }
    text += &command("  quorum_up", &one.quorum_up);
    text += &command("  quorum_down", &one.quorum_down);
    if let Some(sorry) = &one.sorry_server {
        let inhibit = if sorry.inhibit { " inhibit" } else { "" };
        text += &format!(
            "  sorry [{}]:{} {}{inhibit}\n",
            sorry.addr,
            sorry.port,
            forward(sorry.forward)
        );
    }
    for server in &one.real_servers {
        text += &real_server(server);
    }
    text
}

fn real_server(one: &RealServer) -> String {
    let mut text = format!(
        "  server [{}]:{} {} weight {}",
        one.addr,
        one.port,
        forward(one.forward),
        one.weight
    );
    for (name, value) in [
        ("uthreshold", one.uthreshold),
        ("lthreshold", one.lthreshold),
    ] {
        if value != 0 {
            text += &format!(" {name} {value}");
        }
    }
    for (name, set) in [
        ("inhibit", one.inhibit_on_failure),
        ("mail", one.smtp_alert),
    ] {
        if set {
            text += &format!(" {name}");
        }
    }
    text += "\n";
    text += &command("    notify_up", &one.notify_up);
    text += &command("    notify_down", &one.notify_down);
    for check in &one.checks {
        text += &self::check(check);
    }
    text
}

fn check(one: &Check) -> String {
    let mut text = format!("    {}\n     ", kind(&one.kind));
    text += &format!(
        " retry {} after {:?} every {:?} warmup {:?}",
        one.retry, one.delay_before_retry, one.interval, one.warmup
    );
    for (name, set) in [("alpha", one.alpha), ("log_all", one.log_all_failures)] {
        if set {
            text += &format!(" {name}");
        }
    }
    text + "\n"
}

fn kind(kind: &CheckKind) -> String {
    match kind {
        CheckKind::Tcp(target) => format!("tcp {}", self::target(target)),
        CheckKind::Http(target, http) => self::http(target, http),
        CheckKind::Smtp { target, helo } => format!("smtp {} helo {helo}", self::target(target)),
        CheckKind::Dns {
            target,
            qtype: kind,
            name,
        } => {
            format!("dns {} type {kind} name `{name}`", self::target(target))
        }
        CheckKind::Udp(target, udp) => self::udp(target, udp),
        CheckKind::Ping(target) => format!("ping {}", self::target(target)),
        CheckKind::Misc {
            command: Command { argv, user },
            timeout,
            dynamic,
        } => {
            let dynamic = if *dynamic { " dynamic" } else { "" };
            format!(
                "misc {argv:?} as {}:{} timeout {timeout:?}{dynamic}",
                user.uid, user.gid
            )
        }
        CheckKind::File {
            file,
            weight,
            reverse,
        } => {
            let reverse = if *reverse { " reverse" } else { "" };
            format!("file {file} weight {weight}{reverse}")
        }
    }
}

fn http(target: &Target, http: &Http) -> String {
    let mut text = format!(
        "{} {} {:?}",
        if http.tls { "https" } else { "http" },
        self::target(target),
        http.protocol
    );
    if let Some(sni) = &http.sni {
        text += &format!(" sni {sni}");
    }
    if http.fast_recovery {
        text += " fast_recovery";
    }
    for Url {
        path,
        digest,
        statuses,
        pattern,
        host,
    } in &http.urls
    {
        text += &format!("\n      url {path} host {host} status {statuses:?}");
        if let Some(digest) = digest {
            let hex = digest.iter().map(|byte| format!("{byte:02x}"));
            text += &format!(" digest {}", hex.collect::<String>());
        }
        if let Some(pattern) = pattern {
            text += &format!(" pattern {pattern:?}");
        }
    }
    text
}

fn udp(target: &Target, udp: &Udp) -> String {
    let mut text = format!("udp {} payload {:02x?}", self::target(target), udp.payload);
    if udp.require_reply {
        text += &format!(" reply {:02x?}", udp.reply);
    }
    text + &format!(" length {}-{}", udp.min_length, udp.max_length)
}

fn target(target: &Target) -> String {
    let mut text = target.remote.to_string();
    if let Some(from) = target.bind_addr {
        text += &format!(" from {from}");
    }
    if let Some(interface) = &target.bind_interface {
        text += &format!(" by {interface}");
    }
    for (name, value) in [
        ("from port", u32::from(target.bind_port)),
        ("mark", target.fwmark),
    ] {
        if value != 0 {
            text += &format!(" {name} {value}");
        }
    }
    text + &format!(" timeout {:?}", target.connect_timeout)
}

fn forward(forward: Forward) -> String {
    match forward {
        Forward::Masquerade => "NAT".to_owned(),
        Forward::Direct => "DR".to_owned(),
        Forward::Tunnel(tunnel) => {
            let kind = match tunnel.kind {
                TunnelKind::Ipip => "ipip".to_owned(),
                TunnelKind::Gre => "gre".to_owned(),
                TunnelKind::Gue(port) => format!("gue {port}"),
            };
            let checksum = match tunnel.checksum {
                Checksum::None => "",
                Checksum::Plain => " csum",
                Checksum::Remote => " remcsum",
            };
            format!("TUN {kind}{checksum}")
        }
        Forward::Local | Forward::Bypass => format!("{forward:?}"),
    }
}

fn command(name: &str, command: &Option<Command>) -> String {
    let Some(Command { argv, user }) = command else {
        return String::new();
    };
    format!("{name} {argv:?} as {}:{}\n", user.uid, user.gid)
}
