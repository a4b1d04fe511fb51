//! Whom to tell of a change, in which words and in which order: scripts, FIFOs, mails.
//!
//! * [`lines`] – the words: arguments of `notify`, lines of a FIFO;
//! * [`queue`] – the order of scripts: those of an instance or group one after another, others beside them;
//! * [`mail`] – a letter; [`smtp`] – the dialogue that delivers it.
//!
//! Nothing here starts a process or opens a descriptor; `engine/notify/notifier.rs` connects it to what does.

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

/// Who has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectKind {
    /// A `vrrp_instance`.
    Instance,
    /// A `vrrp_sync_group`.
    Group,
    /// A `virtual_server`.
    VirtualServer,
    /// A `real_server`.
    RealServer,
}

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotifyEvent {
    /// It is master now.
    Master,
    /// It is backup now.
    Backup,
    /// Something it needs is missing.
    Fault,
    /// The daemon ends.
    Stop,
    /// A reload has removed it.
    Deleted,
    /// As master it has heard a weaker one.
    LowerPriority,
    /// Its priority has changed while it is master.
    MasterPriority,
    /// The same while it is backup, or in fault.
    BackupPriority,
    /// A real server can be used, a virtual server has its quorum.
    Up,
    /// It can not, or has not.
    Down,
    /// The same because the daemon ends.
    DownAtEnd,
}
