//! Letters: what is written to whom, and how the date is spelled.
//!
//! ```text
//! Date: Sat, 21 Nov 2026 11:16:37 +0000
//! From: keepalived@r1
//! Subject: [r1] VRRP Instance VI_1 - Entering MASTER state
//! X-Mailer: vrrpd
//! To: noc@example.org, boss@example.org
//!
//! => VRRP Instance is now owning VRRP VIPs <=
//! ```
//! Subjects and bodies are keepalived's, since people sort their mail by them.

use std::borrow::Cow;

use super::{NotifyEvent, ObjectKind};
use crate::config::model::SmtpSettings;
use crate::types::Instant;

/// A letter on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Email {
    /// When it happened.
    pub at: Instant,
    /// Subject line.
    pub subject: String,
    /// The text, one line.
    pub body: Cow<'static, str>,
}

/// The letter about a change; `None`: nobody is written to about this.
#[must_use]
pub fn letter(
    at: Instant,
    router: &str,
    kind: ObjectKind,
    name: &str,
    word: NotifyEvent,
) -> Option<Email> {
    let (change, instance, group) = match word {
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
            "=> VRRP Instance was removed from the configuration <=",
            "=> VRRP group was removed from the configuration <=",
        ),
        // The daemon does not outlive its last words.
        NotifyEvent::Stop
        | NotifyEvent::LowerPriority
        | NotifyEvent::MasterPriority
        | NotifyEvent::BackupPriority => {
            return None;
        }
        // Those have letters of their own.
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

/// The whole message, with line ends as SMTP wants them. `epoch`: seconds since 1970 when it happened.
#[must_use]
pub fn message(mail: &SmtpSettings, letter: &Email, epoch: i64) -> String {
    let mut text = String::with_capacity(512);
    text.push_str("Date: ");
    text.push_str(&date(epoch));
    header(&mut text, "\r\nFrom: ", &mail.from);
    header(&mut text, "\r\nSubject: ", &letter.subject);
    text.push_str("\r\nX-Mailer: vrrpd");
    for (nth, to) in mail.to.iter().enumerate() {
        // A line for every few: a line of SMTP has 998 bytes.
        let before = match nth {
            0 => "\r\nTo: ",
            _ if nth % 4 == 0 => ",\r\n ",
            _ => ", ",
        };
        header(&mut text, before, to);
    }
    text.push_str("\r\n\r\n");
    text.push_str(&letter.body);
    text.push_str("\r\n\r\n");
    text
}

/// Appends a header's beginning, and its value without what could end the line.
fn header(text: &mut String, before: &str, value: &str) {
    text.push_str(before);
    let harmless = |c: char| if c.is_control() { '?' } else { c };
    text.extend(value.chars().map(harmless));
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// A moment as mails have it, in universal time; 1970 at the earliest.
#[must_use]
pub fn date(epoch: i64) -> String {
    let seconds = u32::try_from(epoch.clamp(0, i64::from(u32::MAX))).unwrap_or(0);
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    let (year, month, day) = civil(days);
    let weekday = name(&DAYS, days % 7);
    let month = name(&MONTHS, month);
    format!("{weekday}, {day} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

fn name(names: &'static [&'static str], nth: u32) -> &'static str {
    let nth = usize::try_from(nth).unwrap_or(0);
    names.get(nth).copied().unwrap_or_default()
}

/// Year, month from 0, and day from 1, of a day counted from 1970. No more than 50,000 days, so
/// counting years is quick enough, and easier to believe than a formula.
fn civil(mut days: u32) -> (u32, u32, u32) {
    let mut year: u32 = 1970;
    loop {
        let every = |nth| year.is_multiple_of(nth);
        let leap = every(4) && (!every(100) || every(400));
        let february = if leap { 29 } else { 28 };
        let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in (0..).zip(lengths) {
            match days.checked_sub(length) {
                Some(rest) => days = rest,
                None => return (year, month, days.saturating_add(1)),
            }
        }
        year = year.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn mail(to: &[&str]) -> SmtpSettings {
        SmtpSettings {
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            from: "me@z.org".into(),
            server: "127.0.0.1".into(),
            port: 25,
            helo_name: "r1".into(),
            timeout: Duration::from_secs(30),
            no_email_faults: false,
        }
    }

    #[test]
    fn a_message_has_keepaliveds_subject_and_text() {
        let letter = letter(
            Instant::ZERO,
            "RID",
            ObjectKind::Instance,
            "VI 1",
            NotifyEvent::Master,
        );
        let letter = letter.expect("worth a letter");
        assert_eq!(
            message(&mail(&["a@x.org", "b@y.org"]), &letter, 1_795_259_797),
            "Date: Sat, 21 Nov 2026 11:16:37 +0000\r\n\
             From: me@z.org\r\n\
             Subject: [RID] VRRP Instance VI 1 - Entering MASTER state\r\n\
             X-Mailer: vrrpd\r\n\
             To: a@x.org, b@y.org\r\n\
             \r\n\
             => VRRP Instance is now owning VRRP VIPs <=\r\n\
             \r\n"
        );
    }

    #[test]
    fn every_change_of_state_has_its_subject() {
        for (kind, word, want) in [
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
            (ObjectKind::Instance, NotifyEvent::Stop, None),
            (ObjectKind::Instance, NotifyEvent::LowerPriority, None),
        ] {
            let letter = letter(Instant::ZERO, "R", kind, "x", word);
            assert_eq!(letter.as_ref().map(|letter| &*letter.subject), want);
        }
    }

    #[test]
    fn nothing_breaks_out_of_a_header() {
        let letter = Email {
            at: Instant::ZERO,
            subject: "a\r\nBcc: b".into(),
            body: "x".into(),
        };
        let text = message(&mail(&["a\n@b"]), &letter, 0);
        assert!(text.contains("\r\nSubject: a??Bcc: b\r\n") && text.contains("To: a?@b\r\n"));
        let many: Vec<String> = (0..30)
            .map(|nth| format!("user{nth}@example.org"))
            .collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = message(&mail(&many), &letter, 0);
        assert!(text.lines().all(|line| line.len() < 100), "{text}");
        assert!(text.contains("user3@example.org,\r\n user4@example.org"));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (epoch, want) in [
            (0, "Thu, 1 Jan 1970 00:00:00 +0000"),
            (951_782_399, "Mon, 28 Feb 2000 23:59:59 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_709_251_199, "Thu, 29 Feb 2024 23:59:59 +0000"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 +0000"),
            (4_107_542_400, "Mon, 1 Mar 2100 00:00:00 +0000"),
            (i64::MAX, "Sun, 7 Feb 2106 06:28:15 +0000"),
            (-1, "Thu, 1 Jan 1970 00:00:00 +0000"),
        ] {
            assert_eq!(date(epoch), want);
        }
    }
}
