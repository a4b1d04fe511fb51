//! E-mails about changes: subject, body and headers.
//!
//! ```text
//! Date: Sat, 21 Nov 2026 11:16:37 +0000
//! From: keepalived@r1
//! Subject: [r1] VRRP Instance VI_1 - Entering MASTER state
//! X-Mailer: Keepalived
//! To: noc@example.org, boss@example.org
//!
//! => VRRP Instance is now owning VRRP VIPs <=
//! ```
//! Subjects and bodies are keepalived's: mail filters depend on them.

use std::borrow::Cow;

use super::{NotifyEvent, ObjectKind};
use crate::config::model::SmtpSettings;
use crate::types::{Date, Instant};

/// An e-mail to be delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email {
    /// When the change happened.
    pub at: Instant,
    /// Subject.
    pub subject: String,
    /// Body: one line.
    pub body: Cow<'static, str>,
}

/// The e-mail about a transition; `None`: there is none for this event.
#[must_use]
pub fn transition_email(
    at: Instant,
    router: &str,
    kind: ObjectKind,
    name: &str,
    event: NotifyEvent,
) -> Option<Email> {
    let (change, instance, group) = match event {
        NotifyEvent::Master => (
            "Entering MASTER state",
            "=> VRRP Instance is now owning VRRP VIPs <=",
            "=> All VRRP group instances are now in MASTER state <=",
        ),
        NotifyEvent::Backup => (
            "Entering BACKUP state",
            "=> VRRP Instance is no longer owning VRRP VIPs <=",
            "=> All VRRP group instances are now in BACKUP state <=",
        ),
        NotifyEvent::Fault => (
            "Entering FAULT state",
            "=> VRRP Instance is no longer owning VRRP VIPs <=",
            "=> All VRRP group instances are now in FAULT state <=",
        ),
        NotifyEvent::Deleted => (
            "Deleted",
            "=> VRRP Deleted at reload <=",
            "=> VRRP Deleted at reload <=",
        ),
        NotifyEvent::Stop => (
            "Stopping",
            "=> VRRP Instance stopping <=",
            "=> All VRRP group instances are now stopping <=",
        ),
        NotifyEvent::LowerPriority | NotifyEvent::MasterPriority | NotifyEvent::BackupPriority => {
            return None;
        }
        // E-mails about servers are composed in engine/lvs/notify.rs.
        NotifyEvent::Up | NotifyEvent::Down | NotifyEvent::DownAtEnd => return None,
    };
    let (what, body) = match kind {
        ObjectKind::Instance => ("Instance", instance),
        ObjectKind::Group => ("Group", group),
        ObjectKind::VirtualServer | ObjectKind::RealServer => return None,
    };
    let subject = format!("[{router}] VRRP {what} {name} - {change}");
    Some(Email {
        at,
        subject,
        body: body.into(),
    })
}

/// The message: headers and body, with CRLF line ends. `epoch`: time of the change, in seconds
/// since 1970.
#[must_use]
pub fn message(mail: &SmtpSettings, email: &Email, epoch: i64) -> String {
    let mut text = String::with_capacity(512);
    text.push_str("Date: ");
    text.push_str(&date(epoch));
    header(&mut text, "\r\nFrom: ", &mail.from);
    header(&mut text, "\r\nSubject: ", &email.subject);
    text.push_str("\r\nX-Mailer: Keepalived");
    for (index, to) in mail.to.iter().enumerate() {
        // Folded after every fourth: RFC 5322 limits lines to 998 bytes.
        let prefix = match index {
            0 => "\r\nTo: ",
            _ if index % 4 == 0 => ",\r\n ",
            _ => ", ",
        };
        header(&mut text, prefix, to);
    }
    text.push_str("\r\n\r\n");
    text.push_str(&email.body);
    text.push_str("\r\n\r\n");
    text
}

/// Appends `prefix` and a header's value, with `?` for control characters, which could end the
/// line.
fn header(text: &mut String, prefix: &str, value: &str) {
    text.push_str(prefix);
    let harmless = |c: char| if c.is_control() { '?' } else { c };
    text.extend(value.chars().map(harmless));
}

/// A moment in seconds since 1970 as RFC 5322 writes it, in universal time; 1970 at the earliest.
#[must_use]
pub fn date(epoch: i64) -> String {
    let date = Date::from_epoch(epoch.max(0));
    let (weekday, day, month, year) = (date.weekday, date.day, date.month, date.year);
    let (hour, minute, second) = (date.hour, date.minute, date.second);
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(to: &[&str]) -> SmtpSettings {
        SmtpSettings {
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            from: "me@z.org".into(),
            server: "127.0.0.1".into(),
            helo_name: "r1".into(),
            ..SmtpSettings::default()
        }
    }

    #[test]
    fn a_message_has_keepaliveds_subject_and_text() {
        let email = transition_email(
            Instant::ZERO,
            "RID",
            ObjectKind::Instance,
            "VI 1",
            NotifyEvent::Master,
        );
        let email = email.expect("an e-mail");
        assert_eq!(
            message(&mail(&["a@x.org", "b@y.org"]), &email, 1_795_259_797),
            "Date: Sat, 21 Nov 2026 11:16:37 +0000\r\n\
             From: me@z.org\r\n\
             Subject: [RID] VRRP Instance VI 1 - Entering MASTER state\r\n\
             X-Mailer: Keepalived\r\n\
             To: a@x.org, b@y.org\r\n\
             \r\n\
             => VRRP Instance is now owning VRRP VIPs <=\r\n\
             \r\n"
        );
    }

    #[test]
    fn every_change_of_state_has_its_subject() {
        for (kind, event, want) in [
            (
                ObjectKind::Instance,
                NotifyEvent::Backup,
                Some("[R] VRRP Instance x - Entering BACKUP state"),
            ),
            (
                ObjectKind::Instance,
                NotifyEvent::Fault,
                Some("[R] VRRP Instance x - Entering FAULT state"),
            ),
            (
                ObjectKind::Instance,
                NotifyEvent::Deleted,
                Some("[R] VRRP Instance x - Deleted"),
            ),
            (
                ObjectKind::Group,
                NotifyEvent::Master,
                Some("[R] VRRP Group x - Entering MASTER state"),
            ),
            (
                ObjectKind::Instance,
                NotifyEvent::Stop,
                Some("[R] VRRP Instance x - Stopping"),
            ),
            (ObjectKind::Instance, NotifyEvent::LowerPriority, None),
        ] {
            let email = transition_email(Instant::ZERO, "R", kind, "x", event);
            assert_eq!(email.as_ref().map(|email| &*email.subject), want);
        }
    }

    #[test]
    fn no_value_can_end_its_header() {
        let email = Email {
            at: Instant::ZERO,
            subject: "a\r\nBcc: b".into(),
            body: "x".into(),
        };
        let text = message(&mail(&["a\n@b"]), &email, 0);
        assert!(text.contains("\r\nSubject: a??Bcc: b\r\n") && text.contains("To: a?@b\r\n"));
        let many: Vec<String> = (0..30)
            .map(|nth| format!("user{nth}@example.org"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = message(&mail(&many), &email, 0);
        assert!(text.lines().all(|line| line.len() < 100), "{text}");
        assert!(text.contains("user3@example.org,\r\n user4@example.org"));
    }

    #[test]
    fn dates_are_those_of_rfc_5322() {
        for (epoch, want) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (-1, "Thu, 1 Jan 1970 00:00:00 +0000"),
        ] {
            assert_eq!(date(epoch), want);
        }
    }
}
