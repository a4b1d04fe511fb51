//! Delivers an e-mail: the client side of SMTP (RFC 5321), without a connection.
//!
//! ```text
//! server            client
//! 220 ready       → HELO name
//! 250             → MAIL FROM:<sender>
//! 250             → RCPT TO:<recipient>     for each; a refused one does not lose the others
//! 250 or 5xx      → DATA
//! 354             → the message, dot-stuffed, and a lone dot
//! 250             → QUIT
//! ```
//! [`crate::wire::smtp::ReplyReader`] makes replies of bytes; [`SmtpSession`] says what to send
//! next.

use core::fmt;

use crate::config::model::SmtpSettings;
use crate::wire::smtp::Reply;

/// The command whose reply is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The server's greeting.
    Greeting,
    /// HELO.
    Helo,
    /// MAIL FROM.
    MailFrom,
    /// RCPT TO, for the recipient with this index.
    RcptTo(usize),
    /// DATA.
    Data,
    /// The message.
    Message,
    /// QUIT.
    Quit,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Greeting => "greeting",
            Stage::Helo => "HELO",
            Stage::MailFrom => "MAIL FROM",
            Stage::RcptTo(_) => "RCPT TO",
            Stage::Data => "DATA",
            Stage::Message => "message",
            Stage::Quit => "QUIT",
        })
    }
}

/// The client's action after a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NextStep {
    /// Send this and wait for the reply.
    Send(String),
    /// The session is over.
    Done(Result<DeliveryReport, Refusal>),
}

/// The server did not accept the e-mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// It refused a command.
    Command(Stage, String),
    /// It refused every recipient; the reply to the last one.
    AllRecipients(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Command(stage, reply) => write!(f, "{stage} refused: {reply}"),
            Refusal::AllRecipients(reply) => {
                write!(f, "all recipients refused, the last with: {reply}")
            }
        }
    }
}

/// Recipients of an e-mail that the server accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeliveryReport {
    /// Recipients accepted.
    pub accepted: usize,
    /// Recipients refused.
    pub refused: usize,
    /// The reply to the last refused recipient.
    pub reason: String,
}

/// The delivery of one e-mail. Starts by waiting for the server's greeting.
#[derive(Clone, Debug)]
pub struct SmtpSession<'a> {
    mail: &'a SmtpSettings,
    message: &'a str,
    stage: Stage,
    report: DeliveryReport,
}

impl<'a> SmtpSession<'a> {
    /// `message` as [`super::mail::message`] makes it.
    #[must_use]
    pub fn new(mail: &'a SmtpSettings, message: &'a str) -> Self {
        SmtpSession {
            mail,
            message,
            stage: Stage::Greeting,
            report: DeliveryReport::default(),
        }
    }

    /// The command whose reply is due.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// `Some` once the server has accepted the message: later errors no longer matter.
    #[must_use]
    pub fn delivered(&self) -> Option<&DeliveryReport> {
        (self.stage == Stage::Quit).then_some(&self.report)
    }

    /// Reacts to a reply.
    pub fn handle_reply(&mut self, reply: &Reply) -> NextStep {
        let good = match self.stage {
            Stage::Greeting => reply.code == 220,
            Stage::Data => reply.code == 354,
            Stage::Helo | Stage::MailFrom | Stage::RcptTo(_) | Stage::Message | Stage::Quit => {
                (200..300).contains(&reply.code)
            }
        };
        match self.stage {
            Stage::Quit => NextStep::Done(Ok(core::mem::take(&mut self.report))),
            Stage::RcptTo(index) => self.recipient_answered(index, good, reply),
            stage if !good => NextStep::Done(Err(Refusal::Command(stage, reply.text.to_string()))),
            Stage::Greeting => self.send(Stage::Helo, format!("HELO {}\r\n", self.mail.helo_name)),
            Stage::Helo => self.send(
                Stage::MailFrom,
                format!("MAIL FROM:{}\r\n", path(&self.mail.from)),
            ),
            Stage::MailFrom => self.next_recipient(0),
            Stage::Data => self.send(Stage::Message, dot_stuffed(self.message)),
            Stage::Message => self.send(Stage::Quit, "QUIT\r\n".into()),
        }
    }

    fn send(&mut self, stage: Stage, line: String) -> NextStep {
        self.stage = stage;
        NextStep::Send(line)
    }

    fn recipient_answered(&mut self, index: usize, good: bool, reply: &Reply) -> NextStep {
        if good {
            self.report.accepted = self.report.accepted.saturating_add(1);
        } else {
            self.report.refused = self.report.refused.saturating_add(1);
            self.report.reason = reply.text.to_string();
        }
        // "Service not available, closing transmission channel".
        if reply.code == 421 {
            return NextStep::Done(Err(Refusal::Command(self.stage, reply.text.to_string())));
        }
        self.next_recipient(index.saturating_add(1))
    }

    /// Names the next recipient; after the last one, sends DATA.
    fn next_recipient(&mut self, index: usize) -> NextStep {
        match self.mail.to.get(index) {
            Some(to) => self.send(Stage::RcptTo(index), format!("RCPT TO:{}\r\n", path(to))),
            None if self.report.accepted == 0 => {
                let reason = self.report.reason.clone();
                NextStep::Done(Err(Refusal::AllRecipients(reason)))
            }
            None => self.send(Stage::Data, "DATA\r\n".into()),
        }
    }
}

/// An address in angle brackets, taken out of `Name <address>`.
fn path(address: &str) -> String {
    let inner = address.rsplit_once('<').map_or(address, |(_, rest)| rest);
    let inner = inner.trim_end_matches('>').trim();
    let plain: String = inner.chars().filter(|c| !c.is_control()).collect();
    format!("<{plain}>")
}

/// The message and its end. Lines that start with a dot get a second one (RFC 5321 §4.5.2).
fn dot_stuffed(message: &str) -> String {
    let mut text = String::with_capacity(message.len().saturating_add(8));
    for line in message.split_inclusive('\n') {
        if line.starts_with('.') {
            text.push('.');
        }
        text.push_str(line);
    }
    if !text.ends_with('\n') {
        text.push_str("\r\n");
    }
    text.push_str(".\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::wire::smtp::ReplyReader;

    fn mail(to: &[&str]) -> SmtpSettings {
        SmtpSettings {
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            from: "Router <me@z.org>".into(),
            server: "127.0.0.1".into(),
            helo_name: "r1".into(),
            ..SmtpSettings::default()
        }
    }

    /// Plays a server that sends these lines in turn; gives what it received, and how the session
    /// ended.
    fn play(
        to: &[&str],
        message: &str,
        server: &[&str],
    ) -> (Vec<String>, Result<DeliveryReport, Refusal>) {
        let mail = mail(to);
        let mut session = SmtpSession::new(&mail, message);
        let mut sent = Vec::new();
        let mut replies = ReplyReader::default();
        for line in server {
            for byte in line.bytes() {
                match replies.push(byte) {
                    None => {}
                    Some(Err(error)) => panic!("{error}"),
                    Some(Ok(reply)) => match session.handle_reply(&reply) {
                        NextStep::Send(text) => sent.push(text),
                        NextStep::Done(result) => return (sent, result),
                    },
                }
            }
        }
        panic!("not over after {sent:?}");
    }

    #[test]
    fn an_email_is_delivered_to_all() {
        let server = [
            "220 hi\r\n",
            "250-r2\r\n250-SIZE\r\n250 HELP\r\n",
            "250 ok\r\n",
            "250 a\r\n",
            "251 b\r\n",
            "354 go\r\n",
            "250 queued\r\n",
            "221 bye\r\n",
        ];
        let (sent, end) = play(
            &["a@x", "b@y"],
            "Subject: x\r\n\r\n.dot\r\nend\r\n",
            &server,
        );
        assert_eq!(
            sent,
            [
                "HELO r1\r\n",
                "MAIL FROM:<me@z.org>\r\n",
                "RCPT TO:<a@x>\r\n",
                "RCPT TO:<b@y>\r\n",
                "DATA\r\n",
                "Subject: x\r\n\r\n..dot\r\nend\r\n.\r\n",
                "QUIT\r\n",
            ]
        );
        assert_eq!(end.map(|end| (end.accepted, end.refused)), Ok((2, 0)));
    }

    #[test]
    fn a_refused_recipient_does_not_lose_the_others() {
        let server = [
            "220 hi\n",
            "250 ok\n",
            "250 ok\n",
            "550 no such user\n",
            "250 ok\n",
            "354 go\n",
            "250 ok\n",
            "221 bye\n",
        ];
        let (_, end) = play(&["a@x", "b@y"], "x", &server);
        let want = DeliveryReport {
            accepted: 1,
            refused: 1,
            reason: "550 no such user".into(),
        };
        assert_eq!(end, Ok(want));
    }

    #[test]
    fn refusals_name_the_command() {
        let hello = ["220 hi\n", "250 ok\n", "250 ok\n", "250 ok\n"];
        for (name, server, want) in [
            ("busy", vec!["554 no\n"], "greeting refused: 554 no"),
            (
                "helo",
                vec!["220 hi\n", "501 who\n"],
                "HELO refused: 501 who",
            ),
            (
                "sender",
                vec!["220 hi\n", "250 ok\n", "550 spam\n"],
                "MAIL FROM refused: 550 spam",
            ),
            (
                "all",
                vec!["220 hi\n", "250 ok\n", "250 ok\n", "550 a\n", "550 b\n"],
                "all recipients refused, the last with: 550 b",
            ),
            (
                "closing",
                vec!["220 hi\n", "250 ok\n", "250 ok\n", "421 closing\n"],
                "RCPT TO refused: 421 closing",
            ),
            (
                "data",
                [&hello[..], &["250 ok\n", "451 full\n"]].concat(),
                "DATA refused: 451 full",
            ),
            (
                "message",
                [&hello[..], &["250 ok\n", "354 go\n", "552 too long\n"]].concat(),
                "message refused: 552 too long",
            ),
        ] {
            let (_, end) = play(&["a@x", "b@y"], "x", &server);
            assert_eq!(
                end.map_err(|why| why.to_string()),
                Err(want.to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn addresses_go_into_angle_brackets() {
        for (address, want) in [
            ("a@b", "<a@b>"),
            ("<a@b>", "<a@b>"),
            ("Name <a@b>", "<a@b>"),
            ("a\r\nDATA@b", "<aDATA@b>"),
        ] {
            assert_eq!(path(address), want);
        }
    }

    #[test]
    fn the_message_ends_with_a_lone_dot() {
        for (message, want) in [
            ("a\r\n", "a\r\n.\r\n"),
            ("a", "a\r\n.\r\n"),
            (".\r\n..\r\n", "..\r\n...\r\n.\r\n"),
        ] {
            assert_eq!(dot_stuffed(message), want);
        }
    }
}
