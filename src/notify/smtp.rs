//! Delivering a letter: the client's half of SMTP (RFC 5321), without a connection.
//!
//! ```text
//! server            us
//! 220 ready       → HELO name
//! 250             → MAIL FROM:<sender>
//! 250             → RCPT TO:<recipient>     for each; a refused one does not lose the others
//! 250 or 5xx      → DATA
//! 354             → the message, dots stuffed, and a lone dot
//! 250             → QUIT
//! ```
//! [`ReplyReader`] makes replies of bytes, within bounds whatever the bytes are; [`SmtpSession`] says what comes next.

use crate::config::model::SmtpSettings;

/// What is kept of a line; the rest of it is dropped.
const MAX_LINE: usize = 200;
/// Bytes of one reply. More is no mail server.
const MAX_REPLY: usize = 16 << 10;

/// An answer of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Its three digits.
    pub code: u16,
    /// Its last line, with the digits, fit for a log.
    pub text: String,
}

/// Puts replies together. What is wrong with the bytes is a sentence.
#[derive(Clone, Debug, Default)]
pub struct ReplyReader {
    line: Vec<u8>,
    bytes: usize,
}

impl ReplyReader {
    /// Takes the next byte of the server.
    pub fn push(&mut self, byte: u8) -> Option<Result<Reply, String>> {
        self.bytes = self.bytes.saturating_add(1);
        if self.bytes > MAX_REPLY {
            return Some(Err("its answer has no end".into()));
        }
        if byte != b'\n' {
            if self.line.len() < MAX_LINE {
                self.line.push(byte);
            }
            return None;
        }
        let line = core::mem::take(&mut self.line);
        let text = printable(&line);
        let digits = line
            .get(..3)
            .filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let code = digits.and_then(|digits| core::str::from_utf8(digits).ok()?.parse().ok());
        let (Some(code), after) = (code, line.get(3)) else {
            return Some(Err(format!("it does not speak SMTP, but says `{text}`")));
        };
        match after {
            Some(b'-') => None,
            Some(b' ' | b'\r') | None => {
                self.bytes = 0;
                Some(Ok(Reply { code, text }))
            }
            Some(_) => Some(Err(format!("it does not speak SMTP, but says `{text}`"))),
        }
    }
}

/// A line of the server, fit for a log.
fn printable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::new();
    for byte in line {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push('?'),
        }
    }
    text
}

/// What we wait for an answer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Connect,
    Helo,
    From,
    /// The recipient with this place.
    To(usize),
    Data,
    Message,
    Quit,
}

/// What to do after a reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NextStep {
    /// Send this and wait for the answer.
    Send(String),
    /// It is over.
    Done(Result<DeliveryReport, String>),
}

/// What became of a letter that was accepted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DeliveryReport {
    /// Recipients the server took.
    pub accepted: usize,
    /// Recipients it refused, and its last words about that.
    pub refused: usize,
    /// See `refused`.
    pub reason: String,
}

/// One letter, one dialogue. Begins by waiting for the server's greeting.
#[derive(Clone, Debug)]
pub struct SmtpSession<'a> {
    mail: &'a SmtpSettings,
    message: &'a str,
    step: Step,
    so_far: DeliveryReport,
}

impl<'a> SmtpSession<'a> {
    /// `message` as [`super::mail::message`] makes it.
    #[must_use]
    pub fn new(mail: &'a SmtpSettings, message: &'a str) -> Self {
        SmtpSession {
            mail,
            message,
            step: Step::Connect,
            so_far: DeliveryReport::default(),
        }
    }

    /// What we were doing, for the sentence about it going wrong.
    #[must_use]
    pub fn phase_name(&self) -> &'static str {
        match self.step {
            Step::Connect => "its greeting",
            Step::Helo => "HELO",
            Step::From => "MAIL FROM",
            Step::To(_) => "RCPT TO",
            Step::Data => "DATA",
            Step::Message => "the message",
            Step::Quit => "QUIT",
        }
    }

    /// Whether the server has accepted the letter: what goes wrong now no longer matters.
    #[must_use]
    pub fn delivered(&self) -> Option<&DeliveryReport> {
        (self.step == Step::Quit).then_some(&self.so_far)
    }

    /// The server has answered.
    pub fn handle_reply(&mut self, reply: &Reply) -> NextStep {
        let good = match self.step {
            Step::Connect => reply.code == 220,
            Step::Data => reply.code == 354,
            Step::Helo | Step::From | Step::To(_) | Step::Message | Step::Quit => {
                (200..300).contains(&reply.code)
            }
        };
        match self.step {
            Step::Quit => NextStep::Done(Ok(core::mem::take(&mut self.so_far))),
            Step::To(nth) => self.recipient(nth, good, reply),
            _ if !good => NextStep::Done(Err(format!(
                "it refuses {}: {}",
                self.phase_name(),
                reply.text
            ))),
            Step::Connect => self.say(Step::Helo, format!("HELO {}\r\n", self.mail.helo_name)),
            Step::Helo => self.say(
                Step::From,
                format!("MAIL FROM:{}\r\n", path(&self.mail.from)),
            ),
            Step::From => self.ask(0),
            Step::Data => self.say(Step::Message, stuffed(self.message)),
            Step::Message => self.say(Step::Quit, "QUIT\r\n".into()),
        }
    }

    fn say(&mut self, step: Step, line: String) -> NextStep {
        self.step = step;
        NextStep::Send(line)
    }

    fn recipient(&mut self, nth: usize, good: bool, reply: &Reply) -> NextStep {
        if good {
            self.so_far.accepted = self.so_far.accepted.saturating_add(1);
        } else {
            self.so_far.refused = self.so_far.refused.saturating_add(1);
            self.so_far.reason.clone_from(&reply.text);
        }
        // "Service not available, closing": there is nobody left to ask.
        if reply.code == 421 {
            return NextStep::Done(Err(format!("it refuses RCPT TO: {}", reply.text)));
        }
        self.ask(nth.saturating_add(1))
    }

    /// Names the next recipient, or goes on when there is none.
    fn ask(&mut self, nth: usize) -> NextStep {
        match self.mail.to.get(nth) {
            Some(to) => self.say(Step::To(nth), format!("RCPT TO:{}\r\n", path(to))),
            None if self.so_far.accepted == 0 => {
                let why = &self.so_far.reason;
                NextStep::Done(Err(format!(
                    "it refuses every recipient, the last one with: {why}"
                )))
            }
            None => self.say(Step::Data, "DATA\r\n".into()),
        }
    }
}

/// An address in angle brackets, accepted out of `Name <address>`.
fn path(address: &str) -> String {
    let inner = address.rsplit_once('<').map_or(address, |(_, rest)| rest);
    let inner = inner.trim_end_matches('>').trim();
    let plain: String = inner.chars().filter(|c| !c.is_control()).collect();
    format!("<{plain}>")
}

/// The message with its end. A line that begins with a dot gets another one.
fn stuffed(message: &str) -> String {
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
    use core::time::Duration;

    fn mail(to: &[&str]) -> SmtpSettings {
        SmtpSettings {
            to: to.iter().map(|to| (*to).to_owned()).collect(),
            from: "Router <me@z.org>".into(),
            server: "127.0.0.1".into(),
            port: 25,
            helo_name: "r1".into(),
            timeout: Duration::from_secs(30),
            no_email_faults: false,
        }
    }

    /// Plays a server that answers with these lines in turn; gives what it was told and how it ended.
    fn play(
        to: &[&str],
        message: &str,
        server: &[&str],
    ) -> (Vec<String>, Result<DeliveryReport, String>) {
        let mail = mail(to);
        let mut dialogue = SmtpSession::new(&mail, message);
        let mut said = Vec::new();
        let mut replies = ReplyReader::default();
        for line in server {
            for byte in line.bytes() {
                match replies.push(byte) {
                    None => {}
                    Some(Err(why)) => return (said, Err(why)),
                    Some(Ok(reply)) => match dialogue.handle_reply(&reply) {
                        NextStep::Send(text) => said.push(text),
                        NextStep::Done(result) => return (said, result),
                    },
                }
            }
        }
        panic!("not over after {said:?}");
    }

    #[test]
    fn a_letter_is_delivered_to_all() {
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
        let (said, end) = play(
            &["a@x", "b@y"],
            "Subject: x\r\n\r\n.dot\r\nend\r\n",
            &server,
        );
        assert_eq!(
            said,
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
    fn what_goes_wrong_is_a_sentence() {
        let hello = ["220 hi\n", "250 ok\n", "250 ok\n", "250 ok\n"];
        let endless = "x".repeat(20_000);
        let garbage = "\u{1b}[2J\n";
        for (name, server, want) in [
            ("busy", vec!["554 no\n"], "it refuses its greeting: 554 no"),
            (
                "helo",
                vec!["220 hi\n", "501 who\n"],
                "it refuses HELO: 501 who",
            ),
            (
                "sender",
                vec!["220 hi\n", "250 ok\n", "550 spam\n"],
                "it refuses MAIL FROM: 550 spam",
            ),
            (
                "all",
                vec!["220 hi\n", "250 ok\n", "250 ok\n", "550 a\n", "550 b\n"],
                "it refuses every recipient, the last one with: 550 b",
            ),
            (
                "closing",
                vec!["220 hi\n", "250 ok\n", "250 ok\n", "421 closing\n"],
                "it refuses RCPT TO: 421 closing",
            ),
            (
                "data",
                [&hello[..], &["250 ok\n", "451 full\n"]].concat(),
                "it refuses DATA: 451 full",
            ),
            (
                "message",
                [&hello[..], &["250 ok\n", "354 go\n", "552 too long\n"]].concat(),
                "it refuses the message: 552 too long",
            ),
            (
                "http",
                vec!["HTTP/1.0 400\n"],
                "it does not speak SMTP, but says `HTTP/1.0 400`",
            ),
            (
                "codes",
                vec!["2200 hi\n"],
                "it does not speak SMTP, but says `2200 hi`",
            ),
            (
                "escape",
                vec![garbage],
                "it does not speak SMTP, but says `?[2J`",
            ),
            ("empty", vec!["\r\n"], "it does not speak SMTP, but says ``"),
            ("endless", vec![&endless[..]], "its answer has no end"),
            (
                "endless lines",
                vec!["220-hi\r\n"; 4000],
                "its answer has no end",
            ),
        ] {
            let (_, end) = play(&["a@x", "b@y"], "x", &server);
            assert_eq!(end, Err(want.to_owned()), "{name}");
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
            assert_eq!(stuffed(message), want);
        }
    }
}
