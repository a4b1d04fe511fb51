//! The state of the running daemon, and its representation in dumps.
//!
//! [`Snapshot`] holds plain values and borrows the rest from the configuration; `engine` fills it.
//! Every format is a view of it: `data.rs` and `stats.rs` have the labels of keepalived's text
//! dumps, `json.rs` the fields of its JSON, because exporters parse exactly these. What keepalived
//! does not show (the reason of a transition, what is missing, what tracking adds, what the kernel
//! refused) has labels of its own.
//!
//! Names come from a file and addresses from the network: control characters are escaped
//! ([`Escaped`], `json_writer.rs`). Passwords are shown as asterisks.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod changes;
mod clock;
mod data;
mod events;
pub mod explain;
mod instance;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json")]
pub(crate) mod json_writer;
mod lines;
#[cfg(feature = "lvs")]
mod lvs;
#[cfg(all(feature = "json", feature = "lvs"))]
mod lvs_json;
#[cfg(feature = "json")]
pub mod metrics;
pub mod nagios;
mod notify;
mod page;
mod problems;
pub mod reference;
mod reply;
pub mod request;
mod routes;
mod snapshot;
mod stats;
pub mod status;
#[cfg(feature = "json")]
pub mod status_json;
mod text;
mod tracked;
mod view;
mod word;

pub use changes::{Both, ChangedLists, Changes};
pub use clock::Clock;
pub use data::data;
pub use events::{Event, NAME_MAX, Peer, StateChange, cut};
#[cfg(feature = "json")]
pub use json::{JsonVersion, json};
pub use lines::Escaped;
pub use reply::{Frame, FrameError, FrameReader, Stream, push_begin, push_end, push_frame};
pub use snapshot::{
    Check, Daemon, File, Finding, Group, InstallStatus, Instance, Interface, Maintenance,
    ManagedItem, Member, Missing, PriorityPart, Process, RefusedReload, Script, ScriptState,
    Sender, Server, Service, Snapshot, Totals, Traffic, Transition,
};
pub use stats::stats;
pub use text::Span;
pub use view::{Objects, Output, Page, Section, Style, Sums, View, render};
pub use word::WORD;

/// Shown instead of a password.
const SECRET: &str = "********";
