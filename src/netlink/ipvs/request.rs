//! Requests to IPVS.

use core::net::IpAddr;

use super::super::{Batch, NLM_F_DUMP, family_number, genl};
use super::{Daemon, Role, Timeouts, VERSION, command, daemon, dest, flag, svc, top};
use crate::types::Family;
use crate::types::ipvs::{Checksum, Destination, Forward, Service, ServiceKey, Tunnel, TunnelKind};

/// Command for an object that is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Add; fails with `EEXIST` if it exists.
    New,
    /// Change; fails with `ESRCH` or `ENOENT` if it does not exist.
    Set,
}

fn start(batch: &mut Batch, family: u16, command: u8, flags: u16) -> u32 {
    let family = genl::Family {
        id: family,
        version: VERSION,
    };
    genl::start(batch, family, command, flags)
}

// ---- services ----

/// Appends a request for all services.
pub fn list_services(batch: &mut Batch, family: u16) -> u32 {
    start(batch, family, command::GET_SERVICE, NLM_F_DUMP)
}

/// Appends a request that adds a service, or changes everything except its key.
pub fn write_service(batch: &mut Batch, family: u16, how: Command, service: &Service) -> u32 {
    let command = match how {
        Command::New => command::NEW_SERVICE,
        Command::Set => command::SET_SERVICE,
    };
    let seq = start(batch, family, command, 0);
    batch.nested(top::SERVICE, |batch| {
        key(batch, &service.key);
        batch.attr_text(svc::SCHED_NAME, &service.scheduler);
        // The flags, then a mask of those that apply: all.
        let mut flags = [0xff; 8];
        if let Some(first) = flags.first_chunk_mut::<4>() {
            *first = self::flags(service).to_ne_bytes();
        }
        batch.attr(svc::FLAGS, &flags);
        batch.attr_u32_ne(svc::TIMEOUT, service.persistence);
        let granularity = match service.key.family() {
            Family::V4 => service.granularity.to_be_bytes(),
            Family::V6 => service.granularity.to_ne_bytes(),
        };
        batch.attr(svc::NETMASK, &granularity);
        if service.sip {
            batch.attr_text(svc::PE_NAME, "sip");
        }
    });
    seq
}

fn flags(service: &Service) -> u32 {
    let scheduler = u32::from(service.flags) & flag::SCHEDULER_MASK;
    let mut flags = scheduler.wrapping_shl(flag::SCHEDULER_SHIFT);
    if service.persistence > 0 {
        flags |= flag::PERSISTENT;
    }
    if service.one_packet {
        flags |= flag::ONE_PACKET;
    }
    flags
}

/// Appends a request that deletes a service with its servers.
pub fn delete_service(batch: &mut Batch, family: u16, which: &ServiceKey) -> u32 {
    let seq = start(batch, family, command::DEL_SERVICE, 0);
    batch.nested(top::SERVICE, |batch| key(batch, which));
    seq
}

/// Appends a request that deletes all services, whatever their origin.
pub fn flush(batch: &mut Batch, family: u16) -> u32 {
    start(batch, family, command::FLUSH, 0)
}

fn key(batch: &mut Batch, key: &ServiceKey) {
    let family = u16::from(family_number(key.family()));
    batch.attr(svc::AF, &family.to_ne_bytes());
    match *key {
        ServiceKey::Address {
            addr,
            port,
            protocol,
        } => {
            batch.attr(svc::PROTOCOL, &(protocol as u16).to_ne_bytes());
            padded_address(batch, svc::ADDR, addr);
            batch.attr(svc::PORT, &port.to_be_bytes());
        }
        ServiceKey::Mark { mark, .. } => batch.attr_u32_ne(svc::FWMARK, mark),
    }
}

/// Appends an address in a field of 16 bytes, the size for both families.
fn padded_address(batch: &mut Batch, kind: u16, addr: IpAddr) {
    let mut bytes = [0; 16];
    match addr {
        IpAddr::V4(addr) => {
            if let Some(first) = bytes.first_chunk_mut::<4>() {
                *first = addr.octets();
            }
        }
        IpAddr::V6(addr) => bytes = addr.octets(),
    }
    batch.attr(kind, &bytes);
}

// ---- servers ----

/// Appends a request for all servers of a service; the reply is empty if the service does not
/// exist.
pub fn list_servers(batch: &mut Batch, family: u16, of: &ServiceKey) -> u32 {
    let seq = start(batch, family, command::GET_DEST, NLM_F_DUMP);
    batch.nested(top::SERVICE, |batch| key(batch, of));
    seq
}

/// Appends a request that adds a server, or changes everything except its address and port.
pub fn write_server(
    batch: &mut Batch,
    family: u16,
    how: Command,
    of: &ServiceKey,
    server: &Destination,
) -> u32 {
    let command = match how {
        Command::New => command::NEW_DEST,
        Command::Set => command::SET_DEST,
    };
    let seq = start(batch, family, command, 0);
    batch.nested(top::SERVICE, |batch| key(batch, of));
    batch.nested(top::DEST, |batch| {
        server_key(batch, server);
        batch.attr_u32_ne(dest::FWD_METHOD, method(server.forward));
        batch.attr_u32_ne(dest::WEIGHT, server.weight);
        batch.attr_u32_ne(dest::U_THRESH, server.upper);
        batch.attr_u32_ne(dest::L_THRESH, server.lower);
        if let Forward::Tunnel(how) = server.forward {
            tunnel(batch, how);
        }
    });
    seq
}

/// Appends a request that deletes a server; its connections end or move to others.
pub fn delete_server(batch: &mut Batch, family: u16, of: &ServiceKey, server: &Destination) -> u32 {
    let seq = start(batch, family, command::DEL_DEST, 0);
    batch.nested(top::SERVICE, |batch| key(batch, of));
    batch.nested(top::DEST, |batch| server_key(batch, server));
    seq
}

fn server_key(batch: &mut Batch, server: &Destination) {
    let family = u16::from(family_number(Family::of(server.addr)));
    batch.attr(dest::ADDR_FAMILY, &family.to_ne_bytes());
    padded_address(batch, dest::ADDR, server.addr);
    batch.attr(dest::PORT, &server.port.to_be_bytes());
}

fn method(forward: Forward) -> u32 {
    match forward {
        Forward::Masquerade => 0,
        Forward::Local => 1,
        Forward::Tunnel(_) => 2,
        Forward::Direct => 3,
        Forward::Bypass => 4,
    }
}

/// Appends the encapsulation, except for IPIP: that is the default, and the only one before Linux
/// 5.2.
fn tunnel(batch: &mut Batch, tunnel: Tunnel) {
    let (kind, port) = match tunnel.kind {
        TunnelKind::Ipip => return,
        TunnelKind::Gue(port) => (1, port),
        TunnelKind::Gre => (2, 0),
    };
    let checksum: u16 = match tunnel.checksum {
        Checksum::None => 0,
        Checksum::Plain => 1,
        Checksum::Remote => 2,
    };
    batch.attr_u8(dest::TUN_TYPE, kind);
    batch.attr(dest::TUN_PORT, &port.to_be_bytes());
    batch.attr(dest::TUN_FLAGS, &checksum.to_ne_bytes());
}

// ---- the rest ----

/// Appends a request for the running synchronization daemons.
pub fn list_daemons(batch: &mut Batch, family: u16) -> u32 {
    start(batch, family, command::GET_DAEMON, NLM_F_DUMP)
}

/// Appends a request that starts a synchronization daemon.
pub fn add_daemon(batch: &mut Batch, family: u16, what: &Daemon<'_>) -> u32 {
    let seq = start(batch, family, command::NEW_DAEMON, 0);
    batch.nested(top::DAEMON, |batch| {
        batch.attr_u32_ne(daemon::STATE, what.role as u32);
        batch.attr_text(daemon::MCAST_IFN, what.interface);
        batch.attr_u32_ne(daemon::SYNC_ID, what.id.into());
        if let Some(len) = what.max_len {
            batch.attr(daemon::SYNC_MAXLEN, &len.to_ne_bytes());
        }
        match what.group {
            Some(IpAddr::V4(group)) => batch.attr(daemon::MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => batch.attr(daemon::MCAST_GROUP6, &group.octets()),
            None => {}
        }
        if let Some(port) = what.port {
            batch.attr(daemon::MCAST_PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = what.ttl {
            batch.attr_u8(daemon::MCAST_TTL, ttl);
        }
    });
    seq
}

/// Appends a request that stops a synchronization daemon; fails with `ESRCH` if it is not running.
pub fn delete_daemon(batch: &mut Batch, family: u16, role: Role) -> u32 {
    let seq = start(batch, family, command::DEL_DAEMON, 0);
    batch.nested(top::DAEMON, |batch| {
        batch.attr_u32_ne(daemon::STATE, role as u32)
    });
    seq
}

/// Appends a request for the timeouts.
pub fn get_timeouts(batch: &mut Batch, family: u16) -> u32 {
    start(batch, family, command::GET_CONFIG, 0)
}

/// Appends a request that sets the timeouts that are not 0.
pub fn set_timeouts(batch: &mut Batch, family: u16, timeouts: Timeouts) -> u32 {
    let seq = start(batch, family, command::SET_CONFIG, 0);
    let kinds = [top::TIMEOUT_TCP, top::TIMEOUT_TCP_FIN, top::TIMEOUT_UDP];
    for (kind, seconds) in kinds.into_iter().zip(timeouts) {
        if seconds > 0 {
            batch.attr_u32_ne(kind, seconds);
        }
    }
    seq
}

/// Appends a request for the version and the size of the connection table.
pub fn get_info(batch: &mut Batch, family: u16) -> u32 {
    start(batch, family, command::GET_INFO, 0)
}
