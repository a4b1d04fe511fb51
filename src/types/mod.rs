//! Types shared by all rooms: identifiers, addresses, intervals, times, and the state and counters
//! of virtual routers.
//!
//! Values without behavior; invalid ones cannot be constructed. Depends on no other room.

mod called_as;
mod centis;
mod daemon;
mod date;
pub mod errno;
mod ids;
pub mod ipvs;
mod net;
mod rare;
mod read_delays;
mod sort;
mod strictness;
mod subsystems;
mod time;
mod umask;
mod vrrp;

pub use called_as::CalledAs;
pub use centis::Centis;
pub use daemon::{ConfigStatus, DaemonCounters, KernelCounters, Lateness};
pub use date::Date;
pub use ids::{GroupId, InstanceId, Priority, Version, Vrid};
pub use net::{Cidr, Family, IfIndex, IfName, Mac, RouteInsert, VirtualLink, without_port};
pub use rare::{Rare, Usual};
pub use read_delays::ReadDelays;
pub use sort::sorted;
pub use strictness::Strictness;
pub use subsystems::Subsystems;
pub use time::Instant;
pub use umask::umask;
pub use vrrp::{
    BackupOutlook, ErrorCounters, Heard, MasterInfo, MasterOutlook, Outlook, TimerKind,
    VrrpCounters, VrrpState,
};
