//! Packet formats against golden packets: parse, emit, round trip, every truncation, every flipped
//! bit, and one packet for every parse error.

#[path = "../support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;

mod auth;
mod ipv4;
mod neighbors;
mod samples;
mod vrrp;
