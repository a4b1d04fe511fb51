//! The desired state of IPVS: which servers are in rotation, with which weight, and what changes that.
//!
//! * [`pool`] – from verdicts of checks to servers that are up, weights, quorum and sorry server;
//! * [`desired`] – what the kernel is to have then;
//! * [`diff`] – what must change in the kernel for that;
//! * [`matches`] – what of another configuration has been there before.

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
