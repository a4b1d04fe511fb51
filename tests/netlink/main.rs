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

/// A request of ip(8) without `NLM_F_ACK`, which ours do not have.
fn request(name: &str) -> Vec<u8> {
    let mut bytes = hex::golden(name);
    let flags = u16::from_ne_bytes([bytes[6], bytes[7]]) & !4;
    bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
    bytes
}
