//! Mail in the fake kernel: a child is written down, and nothing is delivered.

use std::io;

use vrrpd::config::model::SmtpSettings;
use vrrpd::engine::system::{MailSystem, Pid};
use vrrpd::notify::mail::Email;

use super::kernel::Kernel;

impl MailSystem for Kernel {
    fn send_mail(&mut self, _: &SmtpSettings, email: &Email) -> io::Result<Pid> {
        if let Some(errno) = self.childless {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.born += 1;
        self.log
            .push(format!("post {} {}", self.born, email.subject));
        Ok(Pid(self.born))
    }

    fn delivery_result(&mut self, _: Pid) -> Option<String> {
        None
    }
}
