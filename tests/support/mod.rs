//! What several tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses its part"
)]

#[cfg(feature = "lvs")]
pub mod ipvs;
pub mod kernel;
#[cfg(feature = "lvs")]
pub mod lvs;
mod macvlan;
#[cfg(feature = "lvs")]
pub mod probes;
