//! The desired state of IPVS: which servers are in rotation, and with which weight.
//!
//! * [`state`] – from results of checks to servers that are up, weights, quorum and sorry server;
//! * [`desired`] – the services and destinations that follow from it;
//! * [`diff`] – the requests that bring the kernel's table there;
//! * [`reload_match`] – the previous counterparts of servers and checks at a reload.

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

pub mod desired;
pub mod diff;
pub mod reload_match;
pub mod state;

#[cfg(test)]
mod tests;
