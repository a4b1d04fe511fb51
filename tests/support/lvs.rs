//! Builders of virtual servers with default settings.

use std::net::SocketAddr;
use std::time::Duration;

use vrrpd::config::model::lvs::{Check, CheckKind, RealServer, Target, VirtualServer};
use vrrpd::config::model::{Command, User};
use vrrpd::types::ipvs::{IpProtocol, ServiceKey};

/// The target of a check.
pub fn target(remote: &str) -> Target {
    Target {
        remote: remote.parse().expect("an address"),
        ..Target::default()
    }
}

/// A check every ten seconds, starting immediately, with two retries a second apart.
pub fn check(kind: CheckKind) -> Check {
    Check {
        retry: 2,
        delay_before_retry: Duration::from_secs(1),
        interval: Duration::from_secs(10),
        warmup: Duration::ZERO,
        ..Check::new(kind)
    }
}

/// A MISC_CHECK with a timeout of three seconds and no retries.
pub fn misc(dynamic: bool) -> Check {
    let command = Command {
        argv: vec!["/check".into(), "-x".into()],
        user: User::default(),
        secure: false,
    };
    let kind = CheckKind::Misc {
        command,
        timeout: Duration::from_secs(3),
        dynamic,
    };
    Check {
        retry: 0,
        ..check(kind)
    }
}

/// A real server of weight 1.
pub fn server(addr: &str, checks: Vec<Check>) -> RealServer {
    let at: SocketAddr = addr.parse().expect("an address");
    RealServer {
        addr: at.ip(),
        port: at.port(),
        smtp_alert: false,
        checks,
        ..RealServer::default()
    }
}

/// A virtual server whose real servers are 10.0.0.1, 10.0.0.2 and so on, with these checks.
pub fn service(at: &str, servers: Vec<Vec<Check>>) -> VirtualServer {
    let addr: SocketAddr = at.parse().expect("an address");
    let servers = servers.into_iter().enumerate();
    let servers = servers.map(|(nth, checks)| {
        let addr = format!("10.0.{}.{}:80", nth / 250, nth % 250 + 1);
        server(&addr, checks)
    });
    VirtualServer {
        name: format!("[{}]:tcp:{}", addr.ip(), addr.port()),
        services: vec![ServiceKey::Address {
            addr: addr.ip(),
            port: addr.port(),
            protocol: IpProtocol::Tcp,
        }],
        protocol: Some(IpProtocol::Tcp),
        scheduler: "rr",
        real_servers: servers.collect(),
        ..VirtualServer::default()
    }
}
