//! Packet formats: network byte order ⇄ structs, one format per file.
//!
//! Contract: `parse` takes any bytes, never panics, and says in one [`Malformed`] what is wrong;
//! `emit` fills a caller's buffer in one pass and returns how much of it. No state, no I/O.

pub mod vrrp;
