//! Who is told of changes.

use core::time::Duration;

use super::{Command, User};

/// The `notify*` and `smtp_alert` keywords of an instance or group.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Notify {
    /// `notify_master`.
    pub master: Option<Command>,
    /// `notify_backup`.
    pub backup: Option<Command>,
    /// `notify_fault`.
    pub fault: Option<Command>,
    /// `notify_stop`.
    pub stop: Option<Command>,
    /// `notify_deleted` with a command.
    pub deleted: Option<Command>,
    /// `notify_deleted`, with or without one: `notify` and the FIFOs are told DELETED instead of FAULT.
    pub report_deleted: bool,
    /// `notify`.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Command>,
    /// `notify_priority_changes`.
    pub priority_changes: bool,
    /// `smtp_alert`.
    pub smtp_alert: bool,
}

/// `notify_fifo` or `vrrp_notify_fifo`, with its script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fifo {
    /// Where.
    pub path: String,
    /// Whose it is.
    pub user: User,
    /// What reads it; the path is appended to its arguments.
    pub script: Option<Command>,
}

/// How mails are sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpSettings {
    /// `notification_email`; not empty.
    pub to: Vec<String>,
    /// `notification_email_from`; empty: user and host name of the daemon.
    pub from: String,
    /// `smtp_server`: name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// `smtp_helo_name`; empty: the host name.
    pub helo_name: String,
    /// `smtp_connect_timeout`, also for each step of the dialogue.
    pub timeout: Duration,
    /// `no_email_faults`.
    pub no_email_faults: bool,
}
