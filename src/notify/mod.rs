//! Notifications of changes: what scripts, FIFOs and e-mails say, and in which order scripts run.
//!
//! * [`lines`] – arguments of `notify` scripts, lines of a FIFO;
//! * [`queue`] – the order of scripts: those of one object one after another, others side by side;
//! * [`mail`] – the text of an e-mail; [`smtp`] – its delivery.
//!
//! Nothing here starts a process or opens a descriptor; `engine/notify/notifier.rs` does.

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

pub mod lines;
pub mod mail;
pub mod queue;
pub mod smtp;

/// Kind of the object that has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// `vrrp_instance`.
    Instance,
    /// `vrrp_sync_group`.
    Group,
    /// `virtual_server`.
    VirtualServer,
    /// `real_server`.
    RealServer,
}

/// The event that is notified.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyEvent {
    /// It became MASTER.
    Master,
    /// It became BACKUP.
    Backup,
    /// It is in FAULT: something it needs is missing.
    Fault,
    /// The daemon stops.
    Stop,
    /// A reload has removed it.
    Deleted,
    /// As MASTER it received an advert with a lower priority.
    LowerPriority,
    /// Its priority changed while it is MASTER.
    MasterPriority,
    /// Its priority changed while it is BACKUP or in FAULT.
    BackupPriority,
    /// The real server is up, or the virtual server has its quorum.
    Up,
    /// The real server is down, or the virtual server has lost its quorum.
    Down,
    /// The same because the daemon stops.
    DownAtEnd,
}
