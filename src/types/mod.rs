//! The vocabulary everybody speaks: identifiers, addresses, intervals, moments.
//!
//! Nothing here behaves; values that cannot exist cannot be built. Depends on no other room.

mod centis;
mod date;
pub mod errno;
mod ids;
pub mod ipvs;
mod net;
mod sort;
mod subsystems;
mod time;
mod vrrp;

pub use centis::Centis;
pub use date::Date;
pub use ids::{Priority, Version, Vrid};
pub use net::{Cidr, Family, IfIndex, IfName, Mac};
pub use sort::sorted;
pub use subsystems::Subsystems;
pub use time::Instant;
pub use vrrp::{MasterInfo, VrrpCounters, VrrpState};
