//! A build without mails: nobody is written to. The configuration has said so, with file and line.

use crate::config::model::{Global, SmtpSettings};
use crate::engine::cx::Cx;
use crate::engine::notify::children::Children;
use crate::engine::notify::notifier::Notification;
use crate::engine::system::{Exit, Pid};
#[cfg(feature = "lvs")]
use crate::notify::mail::Email;
use crate::types::Instant;

#[derive(Debug, Default)]
pub(crate) struct MailQueue;

#[expect(clippy::unused_self, reason = "as in a build with mails")]
impl MailQueue {
    pub(crate) fn notify(&mut self, _: Instant, _: &Notification<'_>, _: &Global) {}

    #[cfg(feature = "lvs")]
    pub(crate) fn add(&mut self, _: Email) {}

    pub(crate) fn can_send(&self) -> bool {
        false
    }

    pub(crate) fn send(&mut self, _: &mut Cx<'_>, _: Option<&SmtpSettings>, _: &mut Children) {}

    pub(crate) fn ended(&mut self, _: &mut Cx<'_>, _: Pid, _: Exit) {}
}
