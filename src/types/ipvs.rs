//! IPVS in the kernel's terms: what is balanced, how, and to whom (`ip_vs.h`).

use core::fmt;
use core::net::IpAddr;

use super::Family;

/// Protocol of a service.
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
    /// As names of servers have it.
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

/// A server as logs, mails and FIFOs call it: `[192.0.2.1]:tcp:80`. One of a mark has no protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerName(pub IpAddr, pub Option<IpProtocol>, pub u16);

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ServerName(addr, protocol, port) = self;
        let protocol = protocol.map_or("none", IpProtocol::as_str);
        write!(f, "[{addr}]:{protocol}:{port}")
    }
}

/// What makes a service this one and no other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum ServiceKey {
    /// Packets to an address.
    Address {
        /// The address.
        addr: IpAddr,
        /// The port; 0: all of them (persistent services only).
        port: u16,
        /// The protocol.
        protocol: IpProtocol,
    },
    /// Packets the firewall has marked.
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
    /// As keepalived calls it: `[192.0.2.1]:tcp:80`, `FWM 5`.
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
    /// Which.
    pub key: ServiceKey,
    /// Name of the scheduler, at most 15 bytes.
    pub scheduler: String,
    /// How long a client stays with its server, in seconds; 0: not at all.
    pub persistence: u32,
    /// What counts as one client. IPv4: a netmask in host order; IPv6: a prefix length. All ones, or 128, without
    /// persistence.
    pub granularity: u32,
    /// Every datagram is scheduled by itself.
    pub one_packet: bool,
    /// The scheduler's three flags, lowest bit first.
    pub flags: u8,
}

/// How packets reach a destination.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forward {
    /// Its address is written into them (`NAT`).
    Masquerade,
    /// To the machine itself; the kernel chooses it when a destination is local.
    Local,
    /// In a tunnel (`TUN`).
    Tunnel(Tunnel),
    /// To its hardware address (`DR`).
    Direct,
    /// Past IPVS; never configured, but seen.
    Bypass,
}

/// How packets are wrapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tunnel {
    /// In what.
    pub kind: TunnelKind,
    /// With which checksum.
    pub checksum: Checksum,
}

/// In what packets are wrapped.
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

/// A server of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Its address.
    pub addr: IpAddr,
    /// Its port.
    pub port: u16,
    /// How packets get there.
    pub forward: Forward,
    /// Its share; 0: no new connections.
    pub weight: u32,
    /// Connections at which it gets no more; 0: no limit.
    pub upper: u32,
    /// Connections at which it gets more again.
    pub lower: u32,
}

impl fmt::Display for Destination {
    /// As keepalived calls it in lists: `[192.0.2.11]:80`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]:{}", self.addr, self.port)
    }
}

/// Connections of a server now.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Connections {
    /// Established.
    pub active: u32,
    /// In any other state.
    pub inactive: u32,
    /// Persistence templates: clients that stay with it.
    pub persistent: u32,
}

/// What a service or server has done since it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub packets_in: u64,
    /// Packets to clients, where they come this way (`NAT`).
    pub packets_out: u64,
    /// Bytes from clients.
    pub bytes_in: u64,
    /// Bytes to clients.
    pub bytes_out: u64,
}
