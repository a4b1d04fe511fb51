//! `vrrpd sniff`: what a captured frame is, which rules it breaks, and what the configured instances
//! make of it.
//!
//! ```text
//! pcap record or packet socket ─ frame::decode ─→ Seen ─┬─ line::text, json ─→ a line of output
//!                                                       ├─ advice::verdicts (engine::instance::judge)
//!                                                       └─ summary
//! ```
//! [`frame`] reads every field that is there, also of packets that the parsers of [`crate::wire`]
//! refuse, and collects all rules that are broken ([`rule::Breach`]). Whether the daemon drops a
//! packet is still decided by these parsers alone: one that they refuse has a breach that says so,
//! and no other packet has.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

pub mod advice;
pub mod frame;
#[cfg(feature = "json")]
pub mod json;
pub mod line;
pub mod options;
pub mod pcap;
pub mod rule;
pub mod summary;
