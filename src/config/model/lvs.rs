//! Virtual servers: what is balanced, to whom, and how the health of those is known.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

#[cfg(feature = "regex")]
pub use super::pattern::Pattern;
use super::{Command, Fifo};
use crate::types::ipvs::{Forward, IpProtocol, ServiceKey};
use crate::types::{Family, IfName};

/// Everything of IPVS.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lvs {
    /// `virtual_server` blocks, in file order. No [`ServiceKey`] occurs twice.
    pub virtual_servers: Vec<VirtualServer>,
    /// `lvs_timeouts` in seconds: TCP, TCP after FIN, UDP; 0: as it is.
    pub timeouts: [u32; 3],
    /// `lvs_flush`: the kernel's whole table is cleared at the start.
    pub flush: bool,
    /// `lvs_flush_on_stop`: the kernel's whole table is cleared at the end, not only what is ours.
    pub flush_on_stop: bool,
    /// `rs_init_notifies`: `notify_up` and `notify_down` are run for the first state too.
    pub rs_init_notifies: bool,
    /// `lvs_sync_daemon`.
    pub sync_daemon: Option<SyncDaemon>,
    /// `lvs_notify_fifo`.
    pub notify_fifo: Option<Fifo>,
    /// `SSL { … }`.
    pub ssl: Ssl,
}

/// `lvs_sync_daemon`: connections are shared with the other router.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncDaemon {
    /// The interface it speaks on.
    pub interface: IfName,
    /// The instance whose state it follows, by its place in [`super::Config::instances`]; `None`: it sends and
    /// receives all the time.
    pub instance: Option<usize>,
    /// `id`; that of the instance without it, or 0.
    pub id: u8,
    /// `maxlen`; `None`: the kernel's choice.
    pub max_len: Option<u16>,
    /// `port`.
    pub port: Option<u16>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `group`.
    pub group: Option<IpAddr>,
}

/// `SSL { … }`: for `SSL_GET`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ssl {
    /// `ca`: certificates of authorities; `None`: servers are not asked to prove anything.
    pub ca: Option<Pem>,
    /// `certificate`: ours, where servers want one.
    pub certificate: Option<Pem>,
    /// `key`: that of our certificate.
    pub key: Option<Pem>,
}

/// A file with certificates or a key, as it was when the configuration was read.
#[derive(Clone, PartialEq, Eq)]
pub struct Pem {
    /// Its path.
    pub path: String,
    /// What is in it.
    pub contents: Vec<u8>,
}

impl core::fmt::Debug for Pem {
    /// Without the contents: it may be a key.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.path.fmt(f)
    }
}

/// `virtual_server … { … }` with every default in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VirtualServer {
    /// As it is called in FIFO lines, mails and logs: `[192.0.2.1]:tcp:80`, `FWM 5`; `[NAME]:N` for the virtual server
    /// of group NAME before which there were N of that group.
    pub name: String,
    /// What is balanced: one, or all entries of a group.
    pub services: Vec<ServiceKey>,
    /// `group NAME`: its name.
    pub group: Option<String>,
    /// `protocol`; `None` for marks.
    pub protocol: Option<IpProtocol>,
    /// Family of the services. Those of a group may have both where all servers are reached by tunnels: then that of the
    /// first address.
    pub family: Family,
    /// `lb_algo`.
    pub scheduler: &'static str,
    /// `flag-1` to `flag-3`, lowest bit first.
    pub scheduler_flags: u8,
    /// `persistence_timeout` in seconds; 0: off.
    pub persistence_timeout: u32,
    /// `persistence_granularity`, for services of its family: see [`VirtualServer::netmask_for`].
    pub persistence_granularity: u32,
    /// `ops`.
    pub one_packet: bool,
    /// `sorry_server`.
    pub sorry_server: Option<SorryServer>,
    /// `quorum`, 1 to the total weight.
    pub quorum: u32,
    /// `hysteresis`, less than the quorum.
    pub hysteresis: u32,
    /// `quorum_up`.
    pub quorum_up: Option<Command>,
    /// `quorum_down`.
    pub quorum_down: Option<Command>,
    /// `omega`: the down notifications run at the end.
    pub omega: bool,
    /// `ha_suspend`: checks pause while the addresses are not on this host.
    pub ha_suspend: bool,
    /// `smtp_alert`: a mail when the quorum changes.
    pub smtp_alert: bool,
    /// `real_server` blocks. No (address, port) occurs twice.
    pub real_servers: Vec<RealServer>,
}

impl VirtualServer {
    /// What counts as one client of one of its services: netmask in host order, or prefix length; all ones, or 128,
    /// unless configured.
    #[must_use]
    pub fn netmask_for(&self, key: &ServiceKey) -> u32 {
        let family = match key {
            ServiceKey::Address { addr, .. } => Family::of(*addr),
            ServiceKey::Mark { family, .. } => *family,
        };
        match family {
            _ if family == self.family => self.persistence_granularity,
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
    /// Its port, as of a real server.
    pub port: u16,
    /// `sorry_server_lvs_method`.
    pub forward: Forward,
    /// `sorry_server_inhibit`: it stays in the table with weight 0 while it is not needed.
    pub inhibit: bool,
}

/// `real_server IP [PORT] { … }` with every default in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RealServer {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; the service's where none is given. 0: each service's own, or that of the marked packet.
    pub port: u16,
    /// `weight`.
    pub weight: u32,
    /// `lvs_method`.
    pub forward: Forward,
    /// `uthreshold`; 0: no limit.
    pub uthreshold: u32,
    /// `lthreshold`.
    pub lthreshold: u32,
    /// `inhibit_on_failure`: while down it stays in the table with weight 0.
    pub inhibit_on_failure: bool,
    /// `notify_up`.
    pub notify_up: Option<Command>,
    /// `notify_down`.
    pub notify_down: Option<Command>,
    /// `smtp_alert`.
    pub smtp_alert: bool,
    /// Its checks; none: it is always up.
    pub checks: Vec<Check>,
}

/// A checker block with every default in place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// Which kind, and what it needs.
    pub kind: CheckKind,
    /// `retry`: further tries before a server that was up is down.
    pub retry: u32,
    /// `delay_before_retry`.
    pub delay_before_retry: Duration,
    /// `delay_loop`: from check to check.
    pub interval: Duration,
    /// `warmup`: the first check comes within this.
    pub warmup: Duration,
    /// `alpha`: the server is down until the first success.
    pub alpha: bool,
    /// `log_all_failures`.
    pub log_all_failures: bool,
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
        /// Whom to ask.
        target: Target,
        /// `helo_name`, with its defaults.
        helo: String,
    },
    /// `DNS_CHECK`.
    Dns {
        /// Whom to ask.
        target: Target,
        /// The question's type, as its number.
        qtype: u16,
        /// The question's name, without the final dot; empty: the root.
        name: String,
    },
    /// `UDP_CHECK`.
    Udp(Target, Box<Udp>),
    /// `PING_CHECK`; the target's port has no meaning.
    Ping(Target),
    /// `MISC_CHECK`.
    Misc {
        /// `misc_path`, as `user` or `script_user`.
        command: Command,
        /// `misc_timeout`; the interval without it.
        timeout: Duration,
        /// `misc_dynamic`.
        dynamic: bool,
    },
    /// `FILE_CHECK`.
    File {
        /// The `track_file`, by its place in [`super::Config::files`].
        file: usize,
        /// `weight`; 0: down unless the number is 0.
        weight: i32,
        /// `reverse`.
        reverse: bool,
    },
}

/// Whom a check asks, and from where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// `connect_ip` and `connect_port`; the real server's without them.
    pub remote: SocketAddr,
    /// `bindto`.
    pub bind_addr: Option<IpAddr>,
    /// `bind_port`; 0: any.
    pub bind_port: u16,
    /// `bind_if`.
    pub bind_interface: Option<IfName>,
    /// `fwmark` of the packets; 0: none.
    pub fwmark: u32,
    /// `connect_timeout`: for the connection, and for each step after it.
    pub connect_timeout: Duration,
}

/// What `HTTP_GET` and `SSL_GET` ask for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Http {
    /// `SSL_GET`.
    pub tls: bool,
    /// `url` blocks, at least one.
    pub urls: Vec<Url>,
    /// `http_protocol`.
    pub protocol: HttpProtocol,
    /// The name in the TLS handshake; `None` unless `enable_sni`.
    pub sni: Option<String>,
    /// `fast_recovery`: no pause between the pages. There is none anyway.
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
    /// `digest`: MD5 of the page.
    pub digest: Option<[u8; 16]>,
    /// `status_code`: ranges, both ends included.
    pub statuses: Vec<(u16, u16)>,
    /// `regex`.
    pub pattern: Option<Pattern>,
    /// `Host` of the request, with all its defaults.
    pub host: String,
}

/// So much of a page is searched for a pattern, in bytes.
pub const SEARCH_LIMIT: usize = 64 << 10;

/// In a build without patterns there are none.
#[cfg(not(feature = "regex"))]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Pattern {}

/// What `UDP_CHECK` sends and wants.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Udp {
    /// `payload`.
    pub payload: Vec<u8>,
    /// `require_reply`: silence is a failure.
    pub require_reply: bool,
    /// What the reply must be: value and mask of each byte; empty: anything.
    pub reply: Vec<(u8, u8)>,
    /// `min_reply_length`.
    pub min_length: u16,
    /// `max_reply_length`.
    pub max_length: u16,
}
