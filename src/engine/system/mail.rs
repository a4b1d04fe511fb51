//! The part of the operating system that delivers mail: a child process.

use std::io;

use super::Pid;
use crate::config::model::SmtpSettings;
use crate::notify::mail::Email;

/// Delivery of mail.
pub trait MailSystem {
    /// Starts a child that delivers a mail; one at a time. Its end is reported to
    /// [`crate::engine::Engine::child_ended`].
    ///
    /// # Errors
    /// The kernel's refusal of a process.
    fn send_mail(&mut self, settings: &SmtpSettings, email: &Email) -> io::Result<Pid>;

    /// What a delivering child that has ended reported: the recipients, or why it failed. Can be
    /// read once.
    fn delivery_result(&mut self, child: Pid) -> Option<String>;
}
