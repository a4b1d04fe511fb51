//! The VRRP state machine: one [`Instance`] per virtual router. [`Event`]s in, [`Action`]s out,
//! time passed in.
//!
//! This room knows neither sockets nor the kernel nor the configuration file. `engine` translates
//! the configuration into [`Params`], packets and link changes into events, and performs the
//! actions in order.
//!
//! RFC 9568 §6.4, with keepalived's FAULT state:
//! ```text
//!                     Start, address owner
//!        ┌──────────────────────────────────────────────────┐
//!        │                                                  ▼
//!     ┌──┴───┐  Start, source known  ┌────────┐   Timer  ┌────────┐
//!     │ INIT ├──────────────────────►│ BACKUP ├─────────►│ MASTER │
//!     └──┬───┘                       │        │◄─────────┤        │
//!        │ Start, no source          └─┬────▲─┘  Advert  └────┬───┘
//!        │                       Fault │    │ Ready  higher   │ Fault
//!        │                           ┌─▼────┴─┐  priority     │ (priority 0 sent)
//!        └──────────────────────────►│ FAULT  │◄──────────────┘
//!                                    └────────┘         Stop: from every state to INIT
//! ```
//! | Event | INIT | BACKUP (§6.4.2) | MASTER (§6.4.3) |
//! |---|---|---|---|
//! | `Start`, `Ready`, `Fault`, `Stop` | `instance.rs` | `instance.rs` | `instance.rs` |
//! | `Advert`: checks | ignored | `reception.rs`, `auth/` | `reception.rs`, `auth/` |
//! | `Advert`: effect | `resume.rs` while resuming | `backup.rs` | `master.rs`, `election.rs` |
//! | `Timer` | `resume.rs` while resuming | `backup.rs` | `master.rs` |
//! | `Priority`, `Params` | `reload.rs` | `reload.rs`, `backup.rs` | `reload.rs`, `master.rs` |
//! | `Resume` | `resume.rs` | – | – |
//! | `Demote`, `Promote` | `maintenance.rs` | `maintenance.rs` | `maintenance.rs` |
//! | `GroupMaster`, `GroupBackup` | – | `backup.rs` | `instance.rs` |
//!
//! FAULT answers to `Ready`, `Stop`, `Priority`, `Params`, `Demote` and `Promote` only.
//!
//! # Example
//! A router with priority 150 starts, hears no master for three intervals plus its skew, and takes
//! over:
//! ```
//! use std::time::Duration;
//! use vrrpd::types::{Instant, Priority, VrrpState};
//! use vrrpd::vrrp::{Action, Actions, Burst, Event, Instance, Params, Reason};
//!
//! let priority = Priority(150);
//! let mut instance = Instance::new(Params { priority, ..Params::default() });
//! let mut actions = Actions::new();
//! let start = Instant::from_millis(1_000);
//! instance.handle(start, Event::Ready { source: [10, 0, 0, 1].into() }, &mut actions);
//! instance.handle(start, Event::Start { startup_delay: Duration::ZERO }, &mut actions);
//! assert_eq!(instance.state(), VrrpState::Backup);
//!
//! // Active_Down_Interval: 3 × 1 s + (256 - 150) / 256 s.
//! let deadline = instance.next_deadline().expect("the down timer");
//! assert_eq!(deadline.since(start), Duration::from_nanos(3_414_062_500));
//!
//! actions.clear();
//! instance.handle(deadline, Event::Timer, &mut actions);
//! assert_eq!(instance.state(), VrrpState::Master);
//! assert_eq!(
//!     actions[..],
//!     [
//!         Action::SendAdvert(priority),
//!         Action::Install,
//!         Action::Announce(Burst::Master),
//!         Action::Transition {
//!             from: VrrpState::Backup,
//!             to: VrrpState::Master,
//!             why: Reason::MasterDown,
//!         },
//!     ]
//! );
//! ```

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

mod action;
mod auth;
mod backup;
mod counters;
mod election;
mod event;
pub mod garp;
pub mod group;
mod instance;
mod maintenance;
mod master;
mod outlook;
mod params;
pub mod priority;
mod reading;
mod reception;
mod reload;
mod resume;
mod senders;
#[cfg(test)]
mod tests;
mod timers;
pub mod track;

pub use action::{Action, Burst, Notice, Reject};
pub use auth::{AuthResult, HmacPolicy, SignatureError, within_window};
pub use event::{Event, Reason, Received};
#[cfg(feature = "sniff")]
pub use instance::Acceptance;
pub use instance::{Actions, Instance};
pub use params::{Params, Peer};
pub use resume::{lower_peers_skew, resume_listen_limit, resume_listen_time};
