//! Replies of IPVS. Nothing is copied: parsing ten thousand servers allocates nothing.

use super::super::{Attr, Attrs, ParseError, family, genl};
use super::{Daemon, Role, Timeouts, command, daemon, dest, flag, svc, top};
use crate::types::Family;
use crate::types::ipvs::{
    Checksum, Connections, Counters, Destination, Forward, IpProtocol, Service, ServiceKey, Tunnel,
    TunnelKind,
};

/// One message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// A service.
    Service(ServiceEntry<'a>),
    /// A server of the requested service.
    Server(DestEntry<'a>),
    /// A running synchronization daemon.
    Daemon(Daemon<'a>),
    /// The timeouts.
    Timeouts(Timeouts),
    /// Version and size of the connection table.
    Info {
        /// 1.2.1 is `[1, 2, 1]`.
        version: [u8; 3],
        /// Hash buckets.
        table: u32,
    },
    /// Another command, or an unknown family or protocol.
    Other(u8),
}

/// A service reported by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServiceEntry<'a> {
    /// Its identity.
    pub key: ServiceKey,
    /// Name of the scheduler.
    pub scheduler: &'a str,
    /// See [`Service::persistence`].
    pub persistence: u32,
    /// See [`Service::granularity`].
    pub granularity: u32,
    /// See [`Service::one_packet`].
    pub one_packet: bool,
    /// See [`Service::sip`].
    pub sip: bool,
    /// See [`Service::flags`].
    pub flags: u8,
    stats: Option<Attr<'a>>,
}

impl ServiceEntry<'_> {
    /// Whether it equals `service`.
    #[must_use]
    pub fn matches(&self, service: &Service) -> bool {
        self.key == service.key
            && self.scheduler == service.scheduler
            && self.persistence == service.persistence
            && self.granularity == service.granularity
            && self.one_packet == service.one_packet
            && self.sip == service.sip
            && self.flags == service.flags
    }

    /// Its traffic counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        counters(self.stats)
    }
}

/// A server reported by the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DestEntry<'a> {
    /// The server.
    pub server: Destination,
    /// Its current connections.
    pub connections: Connections,
    stats: Option<Attr<'a>>,
}

impl DestEntry<'_> {
    /// Its traffic counters.
    #[must_use]
    pub fn counters(&self) -> Counters {
        counters(self.stats)
    }
}

/// Parses the payload of a message. `family` is that of the service whose servers were requested:
/// old kernels do not include it in each server.
pub fn parse(payload: &[u8], family: Family) -> Result<Message<'_>, ParseError> {
    let (command, attrs) = genl::split(payload)?;
    let other = Message::Other(command);
    Ok(match command {
        command::NEW_SERVICE => service(attrs)?.map_or(other, Message::Service),
        command::NEW_DEST => server(attrs, family)?.map_or(other, Message::Server),
        command::NEW_DAEMON => sync_daemon(attrs)?.map_or(other, Message::Daemon),
        command::SET_CONFIG => Message::Timeouts(timeouts(attrs)?),
        command::SET_INFO => info(attrs)?,
        _ => other,
    })
}

/// The attributes nested in the one of type `kind`.
fn nested(attrs: Attrs<'_>, kind: u16) -> Result<Attrs<'_>, ParseError> {
    let mut found = None;
    for attr in attrs {
        let attr = attr?;
        if attr.kind == kind {
            found = Some(attr.nested()?);
        }
    }
    found.ok_or(ParseError::Missing(kind))
}

// ---- services ----

#[derive(Default)]
struct RawService<'a> {
    family: u16,
    protocol: u16,
    addr: Option<Attr<'a>>,
    port: u16,
    mark: Option<u32>,
    scheduler: &'a str,
    flags: u32,
    sip: bool,
    timeout: u32,
    netmask: [u8; 4],
    stats: Option<Attr<'a>>,
}

fn service(attrs: Attrs<'_>) -> Result<Option<ServiceEntry<'_>>, ParseError> {
    let mut raw = RawService::default();
    for attr in nested(attrs, top::SERVICE)? {
        let attr = attr?;
        match attr.kind {
            svc::AF => raw.family = attr.u16_ne()?,
            svc::PROTOCOL => raw.protocol = attr.u16_ne()?,
            svc::ADDR => raw.addr = Some(attr),
            svc::PORT => raw.port = attr.u16_be()?,
            svc::FWMARK => raw.mark = Some(attr.u32_ne()?),
            svc::SCHED_NAME => raw.scheduler = attr.text()?,
            svc::PE_NAME => raw.sip = attr.text()? == "sip",
            svc::FLAGS => raw.flags = first_u32_ne(&attr)?,
            svc::TIMEOUT => raw.timeout = attr.u32_ne()?,
            svc::NETMASK => raw.netmask = attr.u32_ne()?.to_ne_bytes(),
            // If both are present, the second one has wider counters.
            svc::STATS | svc::STATS64 => raw.stats = Some(attr),
            _ => {}
        }
    }
    let Some(family) = family_of(raw.family) else {
        return Ok(None);
    };
    let key = match raw.mark {
        Some(mark) => ServiceKey::Mark { mark, family },
        None => {
            let Some(protocol) = protocol(raw.protocol) else {
                return Ok(None);
            };
            let addr = raw.addr.ok_or(ParseError::Missing(svc::ADDR))?;
            ServiceKey::Address {
                addr: addr.padded_ip(family)?,
                port: raw.port,
                protocol,
            }
        }
    };
    let scheduler_flags = raw.flags.wrapping_shr(flag::SCHEDULER_SHIFT) & flag::SCHEDULER_MASK;
    let persistent = raw.flags & flag::PERSISTENT != 0;
    Ok(Some(ServiceEntry {
        key,
        scheduler: raw.scheduler,
        persistence: if persistent { raw.timeout } else { 0 },
        granularity: match family {
            Family::V4 => u32::from_be_bytes(raw.netmask),
            Family::V6 => u32::from_ne_bytes(raw.netmask),
        },
        one_packet: raw.flags & flag::ONE_PACKET != 0,
        sip: raw.sip,
        flags: u8::try_from(scheduler_flags).unwrap_or(0),
        stats: raw.stats,
    }))
}

/// The flags; their mask follows.
fn first_u32_ne(attr: &Attr<'_>) -> Result<u32, ParseError> {
    let first = attr.value.first_chunk::<4>();
    first
        .copied()
        .map(u32::from_ne_bytes)
        .ok_or(ParseError::AttrSize {
            kind: attr.kind,
            found: attr.value.len(),
            expected: 8,
        })
}

fn family_of(number: u16) -> Option<Family> {
    let (family, _) = family(u8::try_from(number).ok()?)?;
    Some(family)
}

fn protocol(number: u16) -> Option<IpProtocol> {
    [IpProtocol::Tcp, IpProtocol::Udp, IpProtocol::Sctp]
        .into_iter()
        .find(|protocol| *protocol as u16 == number)
}

// ---- servers ----

#[derive(Default)]
struct RawServer<'a> {
    family: Option<u16>,
    addr: Option<Attr<'a>>,
    port: u16,
    method: u32,
    weight: u32,
    upper: u32,
    lower: u32,
    connections: Connections,
    tunnel: (u8, u16, u16),
    stats: Option<Attr<'a>>,
}

fn server(attrs: Attrs<'_>, family: Family) -> Result<Option<DestEntry<'_>>, ParseError> {
    let mut raw = RawServer::default();
    for attr in nested(attrs, top::DEST)? {
        let attr = attr?;
        match attr.kind {
            dest::ADDR_FAMILY => raw.family = Some(attr.u16_ne()?),
            dest::ADDR => raw.addr = Some(attr),
            dest::PORT => raw.port = attr.u16_be()?,
            dest::FWD_METHOD => raw.method = attr.u32_ne()?,
            dest::WEIGHT => raw.weight = attr.u32_ne()?,
            dest::U_THRESH => raw.upper = attr.u32_ne()?,
            dest::L_THRESH => raw.lower = attr.u32_ne()?,
            dest::ACTIVE_CONNS => raw.connections.active = attr.u32_ne()?,
            dest::INACT_CONNS => raw.connections.inactive = attr.u32_ne()?,
            dest::PERSIST_CONNS => raw.connections.persistent = attr.u32_ne()?,
            dest::TUN_TYPE => raw.tunnel.0 = attr.u8()?,
            dest::TUN_PORT => raw.tunnel.1 = attr.u16_be()?,
            dest::TUN_FLAGS => raw.tunnel.2 = attr.u16_ne()?,
            dest::STATS | dest::STATS64 => raw.stats = Some(attr),
            _ => {}
        }
    }
    let family = match raw.family {
        // 0: not included.
        None | Some(0) => Some(family),
        Some(number) => family_of(number),
    };
    let Some((family, forward)) = family.zip(raw.forward()) else {
        return Ok(None);
    };
    let addr = raw.addr.ok_or(ParseError::Missing(dest::ADDR))?;
    Ok(Some(DestEntry {
        server: Destination {
            addr: addr.padded_ip(family)?,
            port: raw.port,
            forward,
            weight: raw.weight,
            upper: raw.upper,
            lower: raw.lower,
        },
        connections: raw.connections,
        stats: raw.stats,
    }))
}

impl RawServer<'_> {
    fn forward(&self) -> Option<Forward> {
        let (kind, port, flags) = self.tunnel;
        Some(match self.method {
            0 => Forward::Masquerade,
            1 => Forward::Local,
            2 => {
                let checksum = match flags {
                    1 => Checksum::Plain,
                    2 => Checksum::Remote,
                    _ => Checksum::None,
                };
                let kind = match kind {
                    0 => TunnelKind::Ipip,
                    1 => TunnelKind::Gue(port),
                    2 => TunnelKind::Gre,
                    _ => return None,
                };
                Forward::Tunnel(Tunnel { kind, checksum })
            }
            3 => Forward::Direct,
            4 => Forward::Bypass,
            _ => return None,
        })
    }
}

/// Counters of 4 or 8 bytes, depending on the kernel. Invalid ones count as 0.
fn counters(stats: Option<Attr<'_>>) -> Counters {
    let mut counters = Counters::default();
    let attrs = stats.and_then(|attr| attr.nested().ok());
    for attr in attrs.into_iter().flatten().flatten() {
        let number = attr.u64_ne().or_else(|_| attr.u32_ne().map(u64::from));
        let number = number.unwrap_or(0);
        match attr.kind {
            1 => counters.connections = number,
            2 => counters.packets_in = number,
            3 => counters.packets_out = number,
            4 => counters.bytes_in = number,
            5 => counters.bytes_out = number,
            _ => {}
        }
    }
    counters
}

// ---- the rest ----

fn sync_daemon(attrs: Attrs<'_>) -> Result<Option<Daemon<'_>>, ParseError> {
    let mut role = None;
    let mut this = Daemon {
        role: Role::Backup,
        interface: "",
        id: 0,
        max_len: None,
        group: None,
        port: None,
        ttl: None,
    };
    for attr in nested(attrs, top::DAEMON)? {
        let attr = attr?;
        match attr.kind {
            daemon::STATE => role = Some(attr.u32_ne()?),
            daemon::MCAST_IFN => this.interface = attr.text()?,
            daemon::SYNC_ID => this.id = u8::try_from(attr.u32_ne()?).unwrap_or(u8::MAX),
            daemon::SYNC_MAXLEN => this.max_len = Some(attr.u16_ne()?),
            daemon::MCAST_GROUP => this.group = Some(attr.ip(Family::V4)?),
            daemon::MCAST_GROUP6 => this.group = Some(attr.ip(Family::V6)?),
            daemon::MCAST_PORT => this.port = Some(attr.u16_ne()?),
            daemon::MCAST_TTL => this.ttl = Some(attr.u8()?),
            _ => {}
        }
    }
    this.role = match role.ok_or(ParseError::Missing(daemon::STATE))? {
        1 => Role::Master,
        2 => Role::Backup,
        _ => return Ok(None),
    };
    Ok(Some(this))
}

fn timeouts(attrs: Attrs<'_>) -> Result<Timeouts, ParseError> {
    let [mut tcp, mut fin, mut udp] = [0; 3];
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            top::TIMEOUT_TCP => tcp = attr.u32_ne()?,
            top::TIMEOUT_TCP_FIN => fin = attr.u32_ne()?,
            top::TIMEOUT_UDP => udp = attr.u32_ne()?,
            _ => {}
        }
    }
    Ok([tcp, fin, udp])
}

fn info(attrs: Attrs<'_>) -> Result<Message<'static>, ParseError> {
    let (mut code, mut table) = (0_u32, 0);
    for attr in attrs {
        let attr = attr?;
        match attr.kind {
            1 => code = attr.u32_ne()?,
            2 => table = attr.u32_ne()?,
            _ => {}
        }
    }
    let [_, version @ ..] = code.to_be_bytes();
    Ok(Message::Info { version, table })
}
