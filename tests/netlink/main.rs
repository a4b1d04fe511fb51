//! Netlink messages against captures of the kernel and of ip(8), with every truncation and every
//! flipped bit.

#![cfg(target_endian = "little")]

#[path = "../support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;

#[cfg(feature = "lvs")]
mod ipvs;
mod nft_macvlan;
mod received;
mod requests;
mod routing;
