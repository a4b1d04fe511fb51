//! Mails on their way: one at a time, in the order they were written, so many at most.

use crate::engine::cx::Cx;
use std::collections::VecDeque;

use crate::config::model::{Global, SmtpSettings};
use crate::engine::notify::children::{Children, Owner};
use crate::engine::notify::notifier::Notification;
use crate::engine::system::{Exit, Pid};
use crate::notify::NotifyEvent;
use crate::notify::mail::{self, Email};
use crate::types::Instant;

/// E-mails that may wait: two for every instance of a large router that fails over as a whole.
const MOST: usize = 512;
/// SIGALRM.
const ALARM: i32 = 14;

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct MailQueue {
    waiting: VecDeque<Email>,
    /// Subject of the one that is being delivered.
    out: Option<String>,
    /// Thrown away since that was last said.
    lost: u32,
    /// What is wrong with the mail server, as last said.
    trouble: Option<String>,
}

impl MailQueue {
    /// Writes about a change to those who want to know.
    pub(crate) fn tell(&mut self, now: Instant, news: &Notification<'_>, global: &Global) {
        let Notification {
            kind,
            name,
            word,
            notify,
            ..
        } = *news;
        let silent = |mail: &SmtpSettings| {
            !notify.smtp_alert || (word == NotifyEvent::Fault && mail.no_email_faults)
        };
        if global.smtp.as_ref().is_some_and(|mail| !silent(mail))
            && let Some(letter) = mail::transition_email(now, &global.router_id, kind, name, word)
        {
            self.add(letter);
        }
    }

    pub(crate) fn add(&mut self, letter: Email) {
        if self.waiting.len() >= MOST {
            self.waiting.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.waiting.push_back(letter);
    }

    /// Whether [`MailQueue::post`] has something to do.
    pub(crate) fn can_post(&self) -> bool {
        self.out.is_none() && !self.waiting.is_empty()
    }

    /// Sends the next letter on its way, if none is.
    pub(crate) fn post(
        &mut self,
        cx: &mut Cx<'_>,
        mail: Option<&SmtpSettings>,
        children: &mut Children,
    ) {
        if self.out.is_some() {
            return;
        }
        let Some(mail) = mail else {
            // Since a reload nobody wants them.
            self.waiting.clear();
            return;
        };
        let Some(letter) = self.waiting.pop_front() else {
            return;
        };
        match cx.system.mail().send_mail(mail, &letter) {
            Ok(pid) => {
                children.adopt(cx.now, Owner::Mail, pid, None);
                self.out = Some(letter.subject);
            }
            Err(error) => self.failed(
                format!("no process to deliver it: {error}"),
                &letter.subject,
            ),
        }
    }

    /// A delivery has ended, with these words.
    pub(crate) fn ended(&mut self, cx: &mut Cx<'_>, how: Exit, child: Pid) {
        self.delivered(how, cx.system.mail().delivery_result(child));
    }

    fn delivered(&mut self, how: Exit, receipt: Option<String>) {
        let Some(subject) = self.out.take() else {
            return;
        };
        match (how.is_success(), receipt) {
            (true, receipt) => {
                let to = receipt.unwrap_or_default();
                log::debug!(target: "mail", "mail `{subject}` delivered to {to}");
                if self.trouble.take().is_some() {
                    log::info!(target: "mail", "mails are delivered again");
                }
            }
            (false, Some(why)) => self.failed(why, &subject),
            (false, None) => self.failed(unfinished(how), &subject),
        }
        if self.lost > 0 && self.waiting.is_empty() {
            let lost = core::mem::take(&mut self.lost);
            log::warn!(target: "mail", "{lost} mails were thrown away: more happened than could be delivered");
        }
    }

    /// Said again only when something else is wrong.
    fn failed(&mut self, why: String, subject: &str) {
        if self.trouble.as_ref() == Some(&why) {
            log::debug!(target: "mail", "mail `{subject}` not delivered either: {why}");
        } else {
            log::warn!(target: "mail", "mail `{subject}` not delivered: {why}");
            self.trouble = Some(why);
        }
    }
}

/// A delivery that ended without a word.
fn unfinished(how: Exit) -> String {
    if how == Exit::Signal(ALARM) {
        "the mail server, or the name server, takes too long".to_owned()
    } else {
        format!("whoever delivered it {how}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(nth: usize) -> Email {
        Email {
            at: Instant::ZERO,
            subject: nth.to_string(),
            body: "".into(),
        }
    }

    #[test]
    fn when_too_many_wait_the_oldest_is_lost() {
        let mut letters = MailQueue::default();
        for nth in 0..MOST + 7 {
            letters.add(letter(nth));
        }
        assert_eq!(letters.waiting.len(), MOST);
        assert_eq!(letters.lost, 7);
        assert_eq!(letters.waiting.front().map(|l| &*l.subject), Some("7"));
    }

    #[test]
    fn trouble_is_remembered_until_a_mail_gets_through() {
        let mut letters = MailQueue::default();
        for (how, receipt, trouble) in [
            (Exit::Code(1), Some("refused"), Some("refused")),
            (
                Exit::Signal(14),
                None,
                Some("the mail server, or the name server, takes too long"),
            ),
            (
                Exit::Signal(9),
                None,
                Some("whoever delivered it was killed by signal 9 (KILL)"),
            ),
            (Exit::Code(0), Some("2 recipients"), None),
        ] {
            letters.out = Some("x".into());
            letters.delivered(how, receipt.map(str::to_owned));
            assert_eq!(letters.trouble.as_deref(), trouble);
        }
    }
}
