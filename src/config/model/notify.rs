//! Notification scripts, FIFOs and mail.

use core::time::Duration;

use super::{Command, User};
use crate::types::Usual;

/// The `notify*` and `smtp_alert` keywords of an instance or sync group.
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
    /// `notify_deleted`, with or without a command: `notify` and the FIFOs get DELETED instead of
    /// FAULT.
    pub report_deleted: bool,
    /// `notify`: run on every transition.
    pub any: Option<Command>,
    /// `notify_master_rx_lower_pri`.
    pub master_rx_lower_pri: Option<Command>,
    /// `notify_priority_changes`.
    pub priority_changes: bool,
    /// `smtp_alert`.
    pub smtp_alert: bool,
}

impl Usual for Notify {
    const USUAL: &'static Self = &Notify {
        master: None,
        backup: None,
        fault: None,
        stop: None,
        deleted: None,
        report_deleted: false,
        any: None,
        master_rx_lower_pri: None,
        priority_changes: false,
        smtp_alert: false,
    };
}

/// `notify_fifo`, `vrrp_notify_fifo` or `lvs_notify_fifo`, with its script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fifo {
    /// Absolute path of the FIFO.
    pub path: String,
    /// Owner of the FIFO.
    pub user: User,
    /// The program that reads the FIFO; the path is appended to its arguments.
    pub script: Option<Command>,
}

/// The mail server, sender and recipients of `smtp_alert`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmtpSettings {
    /// `notification_email`; not empty.
    pub to: Vec<String>,
    /// `notification_email_from`; empty: `USER@HOST` of the daemon.
    pub from: String,
    /// `smtp_server`: name or address.
    pub server: String,
    /// Port of `smtp_server`.
    pub port: u16,
    /// `smtp_helo_name`; empty: the host name.
    pub helo_name: String,
    /// `smtp_connect_timeout`: limit of the connection, and of each reply after it.
    pub timeout: Duration,
    /// `no_email_faults`.
    pub no_email_faults: bool,
}
