//! The keyword table: every keyword of keepalived.conf(5), once.
//!
//! The tables drive the checks of [`super::check`] (unknown, misplaced, misspelled, wrong type, out
//! of range), the warnings about what is not supported, and the keyword reference of vrrpd.conf(5).
//! A keyword without a row is unknown. One file per group of blocks. A row has name, arguments,
//! tier, default and description.
//!
//! The tables are `static`: read-only data without cost at start.

mod address;
mod checker;
mod feature;
mod global;
mod group;
mod lvs;
mod root;
mod row;
mod suggest;
mod track;
mod unsupported;
pub mod value;
mod vrrp;

pub use feature::Feature;
pub use root::{ROOT, opens_block, visit};
pub use row::{Alias, Arg, Body, Items, Keyword, OWN, Options, Repeat, Schema, Support, Tier};
pub use suggest::{Entry, find_elsewhere, find_in, nearest, nearest_word};
pub use unsupported::Reason;

#[cfg(test)]
mod tests;
