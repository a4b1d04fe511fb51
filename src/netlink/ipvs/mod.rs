//! IPVS over generic netlink: family `IPVS`, version 1. The constants are those of the kernel's
//! `ip_vs.h`.
//!
//! ```text
//! request ── SERVICE { key } ─────────────────────── get, delete
//!         ── SERVICE { key, scheduler, flags … } ─── new, set
//!         ── SERVICE { key } DEST { … } ──────────── a service's destinations
//! ```
//! `request.rs` builds requests, `reply.rs` parses replies. Addresses of both families take 16
//! bytes; ports and the IPv4 netmask are in network byte order, everything else in host order.

mod reply;
mod request;

use core::net::IpAddr;

pub use reply::{DestEntry, Message, ServiceEntry, parse};
pub use request::{
    Command, add_daemon, delete_daemon, delete_server, delete_service, flush, get_info,
    get_timeouts, list_daemons, list_servers, list_services, set_timeouts, write_server,
    write_service,
};

/// Name of the family.
pub const FAMILY: &str = "IPVS";
const VERSION: u8 = 1;

/// `IPVS_CMD_*`.
mod command {
    pub(super) const NEW_SERVICE: u8 = 1;
    pub(super) const SET_SERVICE: u8 = 2;
    pub(super) const DEL_SERVICE: u8 = 3;
    pub(super) const GET_SERVICE: u8 = 4;
    pub(super) const NEW_DEST: u8 = 5;
    pub(super) const SET_DEST: u8 = 6;
    pub(super) const DEL_DEST: u8 = 7;
    pub(super) const GET_DEST: u8 = 8;
    pub(super) const NEW_DAEMON: u8 = 9;
    pub(super) const DEL_DAEMON: u8 = 10;
    pub(super) const GET_DAEMON: u8 = 11;
    pub(super) const SET_CONFIG: u8 = 12;
    pub(super) const GET_CONFIG: u8 = 13;
    pub(super) const SET_INFO: u8 = 14;
    pub(super) const GET_INFO: u8 = 15;
    pub(super) const FLUSH: u8 = 17;
}

/// `IPVS_CMD_ATTR_*`.
mod top {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
}

/// `IPVS_SVC_ATTR_*`.
mod svc {
    pub(super) const AF: u16 = 1;
    pub(super) const PROTOCOL: u16 = 2;
    pub(super) const ADDR: u16 = 3;
    pub(super) const PORT: u16 = 4;
    pub(super) const FWMARK: u16 = 5;
    pub(super) const SCHED_NAME: u16 = 6;
    pub(super) const FLAGS: u16 = 7;
    pub(super) const TIMEOUT: u16 = 8;
    pub(super) const NETMASK: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const PE_NAME: u16 = 11;
    pub(super) const STATS64: u16 = 12;
}

/// `IPVS_DEST_ATTR_*`.
mod dest {
    pub(super) const ADDR: u16 = 1;
    pub(super) const PORT: u16 = 2;
    pub(super) const FWD_METHOD: u16 = 3;
    pub(super) const WEIGHT: u16 = 4;
    pub(super) const U_THRESH: u16 = 5;
    pub(super) const L_THRESH: u16 = 6;
    pub(super) const ACTIVE_CONNS: u16 = 7;
    pub(super) const INACT_CONNS: u16 = 8;
    pub(super) const PERSIST_CONNS: u16 = 9;
    pub(super) const STATS: u16 = 10;
    pub(super) const ADDR_FAMILY: u16 = 11;
    pub(super) const STATS64: u16 = 12;
    pub(super) const TUN_TYPE: u16 = 13;
    pub(super) const TUN_PORT: u16 = 14;
    pub(super) const TUN_FLAGS: u16 = 15;
}

/// `IPVS_DAEMON_ATTR_*`.
mod daemon {
    pub(super) const STATE: u16 = 1;
    pub(super) const MCAST_IFN: u16 = 2;
    pub(super) const SYNC_ID: u16 = 3;
    pub(super) const SYNC_MAXLEN: u16 = 4;
    pub(super) const MCAST_GROUP: u16 = 5;
    pub(super) const MCAST_GROUP6: u16 = 6;
    pub(super) const MCAST_PORT: u16 = 7;
    pub(super) const MCAST_TTL: u16 = 8;
}

/// `IP_VS_SVC_F_*`.
mod flag {
    pub(super) const PERSISTENT: u32 = 1;
    pub(super) const ONE_PACKET: u32 = 4;
    /// Position of the scheduler's three flags.
    pub(super) const SCHEDULER_SHIFT: u32 = 3;
    pub(super) const SCHEDULER_MASK: u32 = 7;
}

/// Role of a connection synchronization daemon (`IP_VS_STATE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Role {
    /// Sends its connections.
    Master = 1,
    /// Receives connections.
    Backup = 2,
}

/// A connection synchronization daemon.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Daemon<'a> {
    /// Its role.
    pub role: Role,
    /// Its interface.
    pub interface: &'a str,
    /// `syncid`: daemons with the same id synchronize.
    pub id: u8,
    /// Largest message; `None` here and below: the kernel's default.
    pub max_len: Option<u16>,
    /// Multicast group.
    pub group: Option<IpAddr>,
    /// UDP port.
    pub port: Option<u16>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
}

/// Timeouts of idle connections in seconds: TCP, TCP after FIN, UDP. 0: not reported, or not to be
/// changed.
pub type Timeouts = [u32; 3];
