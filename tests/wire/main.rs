//! Packet formats against golden bytes: parse, emit, round trip, every truncation, every flipped bit, and
//! one packet for every check.

#[path = "../support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;

mod auth;
mod ipv4;
mod known;
mod neighbors;
mod vrrp;
