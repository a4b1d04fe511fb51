//! What there is to know about the running daemon, and how it is told.
//!
//! [`Snapshot`] holds plain values and borrows the rest from the configuration; `engine` fills it. Every form is a view
//! of it: `data.rs` and `stats.rs` imitate keepalived's text dumps label for label, `json.rs` its JSON, because
//! people's exporters parse exactly these. What is ours alone (why a state changed, what is missing, what tracking
//! adds, what the kernel refused) stands under labels that keepalived does not have.
//!
//! Names come from a file and addresses from the network: what could end a line or the terminal's good mood is
//! escaped ([`Escaped`], `json.rs`). Passwords show as asterisks everywhere.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod clock;
mod data;
mod instance;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
mod json_writer;
mod lines;
#[cfg(feature = "lvs")]
mod lvs;
mod notify;
mod page;
mod routes;
mod snapshot;
mod stats;
mod tracked;

pub use clock::Clock;
pub use data::data;
#[cfg(feature = "json")]
pub use json::{JsonVersion, json};
pub use lines::Escaped;
pub use snapshot::{
    Check, Group, InstallStatus, Instance, Interface, ManagedItem, PriorityPart, Process, Script,
    ScriptState, Server, Service, Snapshot, Traffic,
};
pub use stats::stats;

/// In place of every password.
const SECRET: &str = "********";
