//! Netlink messages against golden bytes: what the kernel said, what ip(8) asked, every truncation, every
//! flipped bit.

#![cfg(target_endian = "little")]

#[path = "../support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;

mod filter;
#[cfg(feature = "lvs")]
mod ipvs;
mod received;
mod requests;
mod routing;
