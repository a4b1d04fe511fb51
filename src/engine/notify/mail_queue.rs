//! Mail to be sent: a queue of limited length; one child process sends one mail at a time, in
//! order.

use std::collections::VecDeque;

use crate::config::model::{Global, SmtpSettings};
use crate::engine::cx::Cx;
use crate::engine::notify::children::{Children, Owner};
use crate::engine::notify::notifier::Notification;
use crate::engine::system::{Exit, Pid, error_text};
use crate::notify::NotifyEvent;
use crate::notify::mail::{self, Email};
use crate::types::Instant;

/// Length of the queue: two mails for every instance of a large router that fails over as a whole.
const MAX_WAITING: usize = 512;
/// SIGALRM, which ends a sender that takes too long.
const ALARM: i32 = 14;

/// The waiting mails, and the one that is being sent.
#[derive(Debug, Default)]
pub(crate) struct MailQueue {
    waiting: VecDeque<Email>,
    /// Subject of the mail that is being sent.
    sending: Option<String>,
    /// Mails dropped since the last message about it.
    dropped: u32,
    /// Why mail cannot be sent, as last logged.
    trouble: Option<String>,
}

impl MailQueue {
    /// Queues the mail about an event, if one is configured.
    pub(crate) fn notify(
        &mut self,
        now: Instant,
        notification: &Notification<'_>,
        global: &Global,
    ) {
        let Notification {
            kind,
            name,
            event,
            notify,
            ..
        } = *notification;
        let silent = |mail: &SmtpSettings| {
            !notify.smtp_alert || (event == NotifyEvent::Fault && mail.no_email_faults)
        };
        if global.smtp.as_ref().is_some_and(|mail| !silent(mail))
            && let Some(email) = mail::transition_email(now, &global.router_id, kind, name, event)
        {
            self.add(email);
        }
    }

    pub(crate) fn add(&mut self, email: Email) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(email);
    }

    /// Whether [`MailQueue::send`] has something to do.
    pub(crate) fn can_send(&self) -> bool {
        self.sending.is_none() && !self.waiting.is_empty()
    }

    /// Starts to send the next mail, unless one is being sent.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        mail: Option<&SmtpSettings>,
        children: &mut Children,
    ) {
        if self.sending.is_some() {
            return;
        }
        let Some(mail) = mail else {
            // A reload has removed the mail server.
            self.waiting.clear();
            return;
        };
        let Some(email) = self.waiting.pop_front() else {
            return;
        };
        match cx.system.mail().send_mail(mail, &email) {
            Ok(pid) => {
                children.adopt(cx.now, Owner::Mail, pid, None);
                self.sending = Some(email.subject);
            }
            Err(error) => self.failed(
                format!("cannot start the sender: {}", error_text(&error)),
                &email.subject,
            ),
        }
    }

    /// The sender has ended.
    pub(crate) fn ended(&mut self, cx: &mut Cx<'_>, child: Pid, how: Exit) {
        self.delivered(how, cx.system.mail().delivery_result(child));
    }

    fn delivered(&mut self, how: Exit, result: Option<String>) {
        let Some(subject) = self.sending.take() else {
            return;
        };
        match (how.is_success(), result) {
            (true, result) => {
                let to = result.unwrap_or_default();
                log::debug!(target: "mail", "mail `{subject}` delivered to {to}");
                if self.trouble.take().is_some() {
                    log::info!(target: "mail", "mails are delivered again");
                }
            }
            (false, Some(why)) => self.failed(why, &subject),
            (false, None) => self.failed(unfinished(how), &subject),
        }
        if self.dropped > 0 && self.waiting.is_empty() {
            let dropped = core::mem::take(&mut self.dropped);
            log::warn!(target: "mail", "mail queue full; dropped {dropped}");
        }
    }

    /// Logs a failure as a warning if its reason is new.
    fn failed(&mut self, why: String, subject: &str) {
        if self.trouble.as_ref() == Some(&why) {
            log::debug!(target: "mail", "mail `{subject}` not delivered either: {why}");
        } else {
            log::warn!(target: "mail", "mail `{subject}` not delivered: {why}");
            self.trouble = Some(why);
        }
    }
}

/// Why a sender failed that reported nothing.
fn unfinished(how: Exit) -> String {
    if how == Exit::Signal(ALARM) {
        "the mail server or the name server takes too long".to_owned()
    } else {
        format!("the sender {how}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(nth: usize) -> Email {
        Email {
            at: Instant::ZERO,
            subject: nth.to_string(),
            body: "".into(),
        }
    }

    #[test]
    fn a_full_queue_drops_the_oldest_mail() {
        let mut queue = MailQueue::default();
        for nth in 0..MAX_WAITING + 7 {
            queue.add(email(nth));
        }
        assert_eq!(queue.waiting.len(), MAX_WAITING);
        assert_eq!(queue.dropped, 7);
        assert_eq!(queue.waiting.front().map(|l| &*l.subject), Some("7"));
    }

    #[test]
    fn a_failure_is_remembered_until_a_mail_is_sent() {
        let mut queue = MailQueue::default();
        for (how, receipt, trouble) in [
            (Exit::Code(1), Some("refused"), Some("refused")),
            (
                Exit::Signal(14),
                None,
                Some("the mail server or the name server takes too long"),
            ),
            (
                Exit::Signal(9),
                None,
                Some("the sender was killed by signal 9 (KILL)"),
            ),
            (Exit::Code(0), Some("2 recipients"), None),
        ] {
            queue.sending = Some("x".into());
            queue.delivered(how, receipt.map(str::to_owned));
            assert_eq!(queue.trouble.as_deref(), trouble);
        }
    }
}
