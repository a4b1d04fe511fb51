//! Virtual servers, their real servers and health checks, and the settings of IPVS.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

#[cfg(feature = "regex")]
pub use super::pattern::Pattern;
use super::{Command, Fifo};
use crate::types::InstanceId;
use crate::types::ipvs::{Forward, IpProtocol, ServiceKey};
use crate::types::{Family, IfName};

/// All virtual servers and the settings of IPVS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lvs {
    /// `virtual_server` blocks, in file order. No [`ServiceKey`] occurs twice.
    pub virtual_servers: Vec<VirtualServer>,
    /// `lvs_timeouts` in seconds: TCP, TCP after FIN, UDP; 0: unchanged.
    pub timeouts: [u32; 3],
    /// `lvs_flush`: the whole IPVS table is cleared at startup.
    pub flush: bool,
    /// `lvs_flush_on_stop`: the whole IPVS table is cleared at shutdown, not only our services.
    pub flush_on_stop: bool,
    /// `rs_init_notifies`: `notify_up` and `notify_down` also run for the initial state.
    pub rs_init_notifies: bool,
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
    /// `lvs_notify_fifo`.
    pub notify_fifo: Option<Fifo>,
    /// `SSL { … }`.
    pub ssl: Ssl,
}

/// `lvs_sync_daemon`: connections are synchronized with the other router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncDaemon {
    /// The interface of its multicast packets.
    pub interface: IfName,
    /// Index in [`super::Config::instances`] of the instance whose state it follows: it sends as
    /// master and receives as backup. `None`: it always does both.
    pub instance: Option<InstanceId>,
    /// `id`; unless configured the instance's VRID, or 0.
    pub id: u8,
    /// `maxlen`; `None`: the kernel's default, as with the options below.
    pub max_len: Option<u16>,
    /// `port`.
    pub port: Option<u16>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `group`.
    pub group: Option<IpAddr>,
}

/// `SSL { … }`: certificates for `SSL_GET`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ssl {
    /// `ca`: trusted authorities; `None`: certificates of servers are not verified.
    pub ca: Option<Pem>,
    /// `certificate`: client certificate.
    pub certificate: Option<Pem>,
    /// `key`: private key of the client certificate.
    pub key: Option<Pem>,
}

/// A PEM file, read with the configuration.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Its path.
    pub path: String,
    /// Its bytes; empty if it could not be read.
    pub contents: Vec<u8>,
}

impl core::fmt::Debug for Pem {
    /// Only the path: the contents may be a private key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.path.fmt(f)
    }
}

/// `virtual_server … { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualServer {
    /// Name in FIFO lines, mails and logs: `[192.0.2.1]:tcp:80`, `FWM 5`; `[NAME]:N` for the Nth
    /// virtual server of group NAME, counted from 0.
    pub name: String,
    /// Its IPVS services: one, or one for each entry of a group.
    pub services: Vec<ServiceKey>,
    /// `group NAME`.
    pub group: Option<String>,
    /// `protocol`; `None` if all services are firewall marks.
    pub protocol: Option<IpProtocol>,
    /// Address family of the services. If all servers are reached by tunnels, a group may have
    /// both: then that of its first address.
    pub family: Family,
    /// `lb_algo`.
    pub scheduler: &'static str,
    /// `flag-1` to `flag-3`: bits 0 to 2.
    pub scheduler_flags: u8,
    /// `persistence_timeout` in seconds; 0: off.
    pub persistence_timeout: u32,
    /// `persistence_granularity` of services of its family; see [`VirtualServer::netmask_for`].
    pub persistence_granularity: u32,
    /// `ops`.
    pub one_packet: bool,
    /// `persistence_engine sip`.
    pub sip: bool,
    /// `sorry_server`.
    pub sorry_server: Option<SorryServer>,
    /// `quorum`: from 1 to the total weight.
    pub quorum: u32,
    /// `hysteresis`, less than the quorum.
    pub hysteresis: u32,
    /// `quorum_up`.
    pub quorum_up: Option<Command>,
    /// `quorum_down`.
    pub quorum_down: Option<Command>,
    /// `omega`: `notify_down` and `quorum_down` run at shutdown.
    pub omega: bool,
    /// `ha_suspend`: checks pause while this host does not have the addresses.
    pub ha_suspend: bool,
    /// `smtp_alert`: mail when the quorum is gained or lost.
    pub smtp_alert: bool,
    /// `real_server` blocks. No (address, port) occurs twice.
    pub real_servers: Vec<RealServer>,
}

impl VirtualServer {
    /// `IPVS_SVC_ATTR_NETMASK` of one of its services, which decides what counts as one client: an
    /// IPv4 netmask in host byte order, or an IPv6 prefix length. A single host unless configured.
    #[must_use]
    pub fn netmask_for(&self, key: &ServiceKey) -> u32 {
        let family = match key {
            ServiceKey::Address { addr, .. } => Family::of(*addr),
            ServiceKey::Mark { family, .. } => *family,
        };
        if family == self.family {
            self.persistence_granularity
        } else {
            Self::host_granularity(family)
        }
    }

    /// The granularity at which each client address is a client: netmask 255.255.255.255 or prefix
    /// length 128.
    #[must_use]
    pub const fn host_granularity(family: Family) -> u32 {
        match family {
            Family::V4 => u32::MAX,
            Family::V6 => 128,
        }
    }
}

/// `sorry_server`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SorryServer {
    /// Its address.
    pub addr: IpAddr,
    /// Its port, as in [`RealServer::port`].
    pub port: u16,
    /// `sorry_server_lvs_method`.
    pub forward: Forward,
    /// `sorry_server_inhibit`: while it is not used it stays in the IPVS table with weight 0.
    pub inhibit: bool,
}

/// `real_server IP [PORT] { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RealServer {
    /// Its address.
    pub addr: IpAddr,
    /// Its port, by default that of the service. 0: the port of each service, or of the marked
    /// packet.
    pub port: u16,
    /// `weight`.
    pub weight: u32,
    /// `lvs_method`.
    pub forward: Forward,
    /// `uthreshold`; 0: no limit.
    pub uthreshold: u32,
    /// `lthreshold`.
    pub lthreshold: u32,
    /// `inhibit_on_failure`: while down it stays in the IPVS table with weight 0.
    pub inhibit_on_failure: bool,
    /// `notify_up`.
    pub notify_up: Option<Command>,
    /// `notify_down`.
    pub notify_down: Option<Command>,
    /// `smtp_alert`: mail when it goes up or down.
    pub smtp_alert: bool,
    /// Its checks; without any it is always up.
    pub checks: Vec<Check>,
}

/// A checker block. [`Check::new`] gives keepalived's defaults.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// The kind of check, with its own settings.
    pub kind: CheckKind,
    /// `retry`: failures tolerated before a server that is up goes down.
    pub retry: u32,
    /// `delay_before_retry`.
    pub delay_before_retry: Duration,
    /// `delay_loop`: time between checks.
    pub interval: Duration,
    /// `warmup`: the first check runs at a random time within this.
    pub warmup: Duration,
    /// `alpha`: the server is down until its first successful check.
    pub alpha: bool,
    /// `log_all_failures`.
    pub log_all_failures: bool,
}

impl Check {
    /// `bind_port`; 0: chosen by the kernel.
    #[must_use]
    pub fn bind_port(&self) -> u16 {
        match &self.kind {
            CheckKind::Tcp(target)
            | CheckKind::Http(target, _)
            | CheckKind::Smtp { target, .. }
            | CheckKind::Dns { target, .. }
            | CheckKind::Udp(target, _) => target.bind_port,
            CheckKind::Ping(_) | CheckKind::Misc { .. } | CheckKind::File { .. } => 0,
        }
    }
}

/// Kinds of checks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CheckKind {
    /// `TCP_CHECK`.
    Tcp(Target),
    /// `HTTP_GET` and `SSL_GET`.
    Http(Target, Box<Http>),
    /// `SMTP_CHECK`, one for each `host`.
    Smtp {
        /// The server to connect to.
        target: Target,
        /// `helo_name`.
        helo: String,
    },
    /// `DNS_CHECK`.
    Dns {
        /// The server to connect to.
        target: Target,
        /// `type` of the query, as a number (RFC 1035 §3.2.2).
        qtype: u16,
        /// `name` of the query, without the final dot; empty: the root.
        name: String,
    },
    /// `UDP_CHECK`.
    Udp(Target, Box<Udp>),
    /// `PING_CHECK`; the port of the target is not used.
    Ping(Target),
    /// `MISC_CHECK`.
    Misc {
        /// `misc_path`, run as `user` or `script_user`.
        command: Command,
        /// `misc_timeout`; the interval unless configured.
        timeout: Duration,
        /// `misc_dynamic`.
        dynamic: bool,
    },
    /// `FILE_CHECK`.
    File {
        /// `track_file`: index in [`super::Config::track_files`].
        file: usize,
        /// `weight`; 0: the server is down unless the number in the file is 0.
        weight: i32,
        /// `reverse`.
        reverse: bool,
    },
}

impl CheckKind {
    /// The address that the check connects to; `None` for MISC_CHECK and FILE_CHECK.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        match self {
            CheckKind::Tcp(target)
            | CheckKind::Http(target, _)
            | CheckKind::Smtp { target, .. }
            | CheckKind::Dns { target, .. }
            | CheckKind::Udp(target, _)
            | CheckKind::Ping(target) => Some(target),
            CheckKind::Misc { .. } | CheckKind::File { .. } => None,
        }
    }
}

/// Remote and local address of a network check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// `connect_ip` and `connect_port`; by default those of the real server.
    pub remote: SocketAddr,
    /// `bindto`.
    pub bind_addr: Option<IpAddr>,
    /// `bind_port`; 0: chosen by the kernel.
    pub bind_port: u16,
    /// `bind_if`.
    pub bind_interface: Option<IfName>,
    /// `fwmark` of the packets (`SO_MARK`); 0: none.
    pub fwmark: u32,
    /// `connect_timeout`: limit of the connection, and of each step after it.
    pub connect_timeout: Duration,
}

/// Settings of `HTTP_GET` and `SSL_GET`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// `SSL_GET`.
    pub tls: bool,
    /// `url` blocks, at least one.
    pub urls: Vec<Url>,
    /// `http_protocol`.
    pub protocol: HttpProtocol,
    /// Name or address that the server's certificate must be valid for; a name is also sent in the
    /// TLS handshake (RFC 6066 §3). `None` unless `enable_sni` or `sni_name`.
    pub sni: Option<String>,
    /// `fast_recovery`. Without effect: pages are always fetched without a pause.
    pub fast_recovery: bool,
}

/// `http_protocol`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HttpProtocol {
    /// `1.0`.
    #[default]
    V1_0,
    /// `1.0C`: 1.0 with `Connection: close`.
    V1_0Close,
    /// `1.1`, with `Connection: close`.
    V1_1,
}

/// `url { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    /// `path`.
    pub path: String,
    /// `digest`: MD5 of the body.
    pub digest: Option<[u8; 16]>,
    /// `status_code`: first and last of each range.
    pub statuses: Vec<(u16, u16)>,
    /// `regex`.
    pub pattern: Option<Pattern>,
    /// `Host` header: `virtualhost` of the url, checker, real or virtual server, else the address.
    pub host: String,
}

/// How much of a page is searched for a pattern, in bytes.
pub const SEARCH_LIMIT: usize = 64 << 10;

/// `regex` is not supported without the feature `regex`.
#[cfg(not(feature = "regex"))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pattern {}

/// Settings of `UDP_CHECK`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Udp {
    /// `payload`.
    pub payload: Vec<u8>,
    /// `require_reply`: no reply is a failure.
    pub require_reply: bool,
    /// Value and mask of each byte of the expected reply; empty: any reply.
    pub reply: Vec<(u8, u8)>,
    /// `min_reply_length`.
    pub min_length: u16,
    /// `max_reply_length`.
    pub max_length: u16,
}
