//! Fakes and builders shared by several test programs.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "tests/alloc.rs is a crate of its own and uses a part"
)]

pub mod builders;
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
