//! IPVS services and destinations, as in the kernel's `ip_vs.h`.

use core::fmt;
use core::net::IpAddr;

use super::Family;

/// Transport protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
#[repr(u8)]
pub enum IpProtocol {
    /// TCP.
    Tcp = 6,
    /// UDP.
    Udp = 17,
    /// SCTP.
    Sctp = 132,
}

impl IpProtocol {
    /// keepalived's spelling in names of servers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            IpProtocol::Tcp => "tcp",
            IpProtocol::Udp => "udp",
            IpProtocol::Sctp => "sctp",
        }
    }
}

impl fmt::Display for IpProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server's name in logs, mails and FIFO lines: `[192.0.2.1]:tcp:80`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerName {
    /// Its address.
    pub addr: IpAddr,
    /// Protocol of its service; `None`: the service is a firewall mark.
    pub protocol: Option<IpProtocol>,
    /// Its port.
    pub port: u16,
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = self.protocol.map_or("none", IpProtocol::as_str);
        write!(f, "[{}]:{protocol}:{}", self.addr, self.port)
    }
}

/// Identity of a service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ServiceKey {
    /// Packets to an address and port.
    Address {
        /// The address.
        addr: IpAddr,
        /// The port; 0: all ports (persistent services only).
        port: u16,
        /// The protocol.
        protocol: IpProtocol,
    },
    /// Packets with a firewall mark.
    Mark {
        /// The mark, not 0.
        mark: u32,
        /// Family of the packets.
        family: Family,
    },
}

impl ServiceKey {
    /// Family of the packets.
    #[must_use]
    pub fn family(&self) -> Family {
        match *self {
            ServiceKey::Address { addr, .. } => Family::of(addr),
            ServiceKey::Mark { family, .. } => family,
        }
    }
}

impl fmt::Display for ServiceKey {
    /// keepalived's format: `[192.0.2.1]:tcp:80`, `FWM 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServiceKey::Address {
                addr,
                port,
                protocol,
            } => write!(f, "[{addr}]:{protocol}:{port}"),
            ServiceKey::Mark { mark, .. } => write!(f, "FWM {mark}"),
        }
    }
}

/// A virtual service, without its destinations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its identity.
    pub key: ServiceKey,
    /// Name of the scheduler, at most 15 bytes.
    pub scheduler: String,
    /// Persistence timeout in seconds; 0: not persistent.
    pub persistence: u32,
    /// Granularity of persistence. IPv4: a netmask in host order; IPv6: a prefix length. All ones
    /// or 128 without persistence.
    pub granularity: u32,
    /// One-packet scheduling of UDP.
    pub one_packet: bool,
    /// Clients are distinguished by the Call-ID of SIP (persistence engine `sip`).
    pub sip: bool,
    /// Scheduler flags 1 to 3, flag 1 in the lowest bit.
    pub flags: u8,
}

/// Forwarding method.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forward {
    /// Masquerading (`NAT`).
    Masquerade,
    /// Local delivery; chosen by the kernel if the destination is local.
    Local,
    /// Tunneling (`TUN`).
    Tunnel(Tunnel),
    /// Direct routing (`DR`).
    Direct,
    /// Bypass; set by the kernel only.
    Bypass,
}

/// Tunnel encapsulation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// Type.
    pub kind: TunnelKind,
    /// Checksum.
    pub checksum: Checksum,
}

/// Tunnel type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TunnelKind {
    /// IP in IP.
    Ipip,
    /// Generic UDP encapsulation to this port.
    Gue(u16),
    /// Generic routing encapsulation.
    Gre,
}

/// The checksum of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// `nocsum`.
    None,
    /// `csum`.
    Plain,
    /// `remcsum`: remote checksum offload.
    Remote,
}

/// A destination (real server) of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Its address.
    pub addr: IpAddr,
    /// Its port.
    pub port: u16,
    /// Forwarding method.
    pub forward: Forward,
    /// Weight; 0: no new connections.
    pub weight: u32,
    /// Upper connection threshold: no new connections from there on; 0: none.
    pub upper: u32,
    /// Lower connection threshold: new connections again below it.
    pub lower: u32,
}

impl fmt::Display for Destination {
    /// keepalived's format in lists: `[192.0.2.11]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]:{}", self.addr, self.port)
    }
}

/// Current connections of a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// In any other state.
    pub inactive: u32,
    /// Persistence templates.
    pub persistent: u32,
}

/// Traffic counters of a service or destination since it was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, as far as they pass through here (`NAT`).
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}
