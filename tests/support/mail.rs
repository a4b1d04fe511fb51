//! Mail in the fake kernel: the child is logged, nothing is delivered.

use std::io;

use vrrpd::config::model::SmtpSettings;
use vrrpd::engine::system::Pid;
use vrrpd::engine::system::mail::MailSystem;
use vrrpd::notify::mail::Email;

use super::kernel::Kernel;

impl MailSystem for Kernel {
    fn send_mail(&mut self, _: &SmtpSettings, email: &Email) -> io::Result<Pid> {
        if let Some(errno) = self.spawn_errno {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.spawned += 1;
        self.log
            .push(format!("post {} {}", self.spawned, email.subject));
        Ok(Pid(self.spawned))
    }

    fn delivery_result(&mut self, _: Pid) -> Option<String> {
        None
    }
}
