//! What several tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "tests/alloc.rs is a crate of its own and uses a part"
)]

#[cfg(feature = "lvs")]
pub mod ipvs;
pub mod kernel;
#[cfg(feature = "lvs")]
pub mod lvs;
mod macvlan;
#[cfg(feature = "mail")]
mod mail;
#[cfg(feature = "lvs")]
pub mod probes;
