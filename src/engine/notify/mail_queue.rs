//! Mail to be sent: a queue of limited length; one child process sends one mail at a time, in
//! order. In a build without mail the queue stays empty, because [`Global::smtp`] is `None`.

use core::fmt::Arguments;
use core::mem;
use std::collections::VecDeque;

use crate::config::model::{Global, SmtpSettings};
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::notify::children::{Children, Owner};
use crate::engine::notify::notifier::Notification;
use crate::engine::system::{Exit, Pid, error_text};
use crate::log::{self, Level};
use crate::notify::NotifyEvent;
use crate::notify::mail::{self, Email};
use crate::types::Instant;

/// Length of the queue: two mails for every instance of a large router that fails over as a whole.
const MAX_WAITING: usize = 512;
/// SIGALRM, which ends a sender that takes too long.
const ALARM: i32 = 14;

/// The waiting mails, and the one being sent.
#[derive(Debug, Default)]
pub(crate) struct MailQueue {
    waiting: VecDeque<Email>,
    /// Subject of the mail being sent.
    sending: Option<String>,
    /// Mails dropped since the last message about it.
    dropped: u32,
    /// Why mail cannot be sent, as last logged.
    failure: Option<String>,
}

impl MailQueue {
    /// Queues the mail about an event, if one is configured.
    pub(crate) fn notify(
        &mut self,
        now: Instant,
        notification: &Notification<'_>,
        global: &Global,
    ) {
        let Some(smtp) = global.smtp() else {
            return;
        };
        let Notification {
            kind,
            name,
            event,
            notify,
            ..
        } = *notification;
        if !notify.smtp_alert || (event == NotifyEvent::Fault && smtp.no_email_faults) {
            return;
        }
        if let Some(email) = mail::transition_email(now, &global.router_id, kind, name, event) {
            self.add(email);
        }
    }

    /// Queues a mail, in place of the oldest one if the queue is full.
    pub(crate) fn add(&mut self, email: Email) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.waiting.push_back(email);
    }

    /// Whether no mail waits and none is being sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.sending.is_none() && self.waiting.is_empty()
    }

    /// Whether [`MailQueue::send`] has something to do.
    pub(crate) fn can_send(&self) -> bool {
        self.sending.is_none() && !self.waiting.is_empty()
    }

    /// Starts to send the next mail, unless one is being sent.
    pub(crate) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        smtp: Option<&SmtpSettings>,
        children: &mut Children,
    ) {
        if self.sending.is_some() {
            return;
        }
        let (Some(smtp), Some(sender)) = (smtp, cx.system.mail()) else {
            // A reload has removed the mail server.
            self.waiting.clear();
            return;
        };
        let Some(email) = self.waiting.pop_front() else {
            return;
        };
        match sender.send_mail(smtp, &email) {
            Ok(pid) => {
                children.adopt(cx.now, Owner::Mail, pid, None);
                self.sending = Some(email.subject);
            }
            Err(error) => self.failed(
                &|level, text| note(cx, level, text),
                format!("cannot start the sender: {}", error_text(&error)),
                &email.subject,
            ),
        }
    }

    /// The sender has ended.
    pub(crate) fn ended(&mut self, cx: &mut Cx<'_>, child: Pid, how: Exit) {
        if let Some(sender) = cx.system.mail() {
            let result = sender.delivery_result(child);
            self.handle_result(&|level, text| note(cx, level, text), how, result);
        }
    }

    fn handle_result(&mut self, report: &Report<'_>, how: Exit, result: Option<String>) {
        let Some(subject) = self.sending.take() else {
            return;
        };
        match (how.is_success(), result) {
            (true, recipients) => {
                let to = recipients.unwrap_or_default();
                log::debug!(target: "mail", "SMTP alert successfully sent. `{subject}` to {to}");
                if self.failure.take().is_some() {
                    report(Level::Info, format_args!("mails are delivered again"));
                }
            }
            (false, Some(why)) => self.failed(report, why, &subject),
            (false, None) => self.failed(report, exit_text(how), &subject),
        }
        if self.dropped > 0 && self.waiting.is_empty() {
            let dropped = mem::take(&mut self.dropped);
            report(
                Level::Warn,
                format_args!("mail queue full; dropped {dropped}"),
            );
        }
    }

    /// Logs a failure as a warning if its reason is new.
    fn failed(&mut self, report: &Report<'_>, why: String, subject: &str) {
        if self.failure.as_ref() == Some(&why) {
            log::debug!(target: "mail", "mail `{subject}` not delivered either: {why}");
        } else {
            report(
                Level::Warn,
                format_args!("mail `{subject}` not delivered: {why}"),
            );
            self.failure = Some(why);
        }
    }
}

/// Reports what happens to mails.
type Report<'a> = dyn Fn(Level, Arguments<'_>) + 'a;

fn note(cx: &Cx<'_>, level: Level, text: Arguments<'_>) {
    cx.note(level, EventKind::Mail, Object::DAEMON, text);
}

/// The failure of a sender that reported nothing.
fn exit_text(how: Exit) -> String {
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
        for (how, result, failure) in [
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
            queue.handle_result(&|_, _| (), how, result.map(str::to_owned));
            assert_eq!(queue.failure.as_deref(), failure);
        }
    }
}
