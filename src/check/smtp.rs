//! `SMTP_CHECK`: a mail server that greets and knows our name is well (RFC 5321).
//!
//! ```text
//! server            us
//! 220 ready       → HELO name
//! 250             → QUIT
//! whatever        → that was it
//! ```
//! Replies of several lines are read to their last one. Of a line the digits and the beginning are kept; a reply
//! without an end is given up.

use core::time::Duration;

use super::http_reply::printable;
use super::{SocketEvent, Step, no_answer};
use crate::config::model::lvs::Target;

/// What is kept of a line, for the log.
const LINE: usize = 100;
/// Bytes of one reply. More is no mail server.
const MAX_REPLY: usize = 16 << 10;

/// What an answer is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Connect,
    Greeting,
    Helo,
    Quit,
}

/// The check of one mail server.
#[derive(Clone, Debug)]
pub struct SmtpCheck {
    helo: String,
    timeout: Duration,
    stage: Stage,
    line: heapless::Vec<u8, LINE>,
    /// Bytes of this reply so far.
    heard: usize,
}

impl SmtpCheck {
    /// `helo` is who we say we are.
    #[must_use]
    pub fn new(target: &Target, helo: &str) -> Self {
        SmtpCheck {
            helo: helo.to_owned(),
            timeout: target.connect_timeout,
            stage: Stage::Connect,
            line: heapless::Vec::new(),
            heard: 0,
        }
    }

    /// A run begins; a connection is opened next.
    pub fn start(&mut self) {
        self.expect(Stage::Connect);
    }

    /// Something has happened to the connection.
    pub fn handle(&mut self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        match news {
            SocketEvent::Connected => {
                self.expect(Stage::Greeting);
                Step::Wait(self.timeout)
            }
            SocketEvent::Received(bytes) => self.received(bytes, out),
            // It has answered all that counts.
            SocketEvent::Closed | SocketEvent::Failed(_) | SocketEvent::TimedOut
                if self.stage == Stage::Quit =>
            {
                Step::Done(Ok(()))
            }
            SocketEvent::Closed => {
                fail(format!("it closed the connection before {}", self.doing()))
            }
            SocketEvent::Failed(_) if self.stage == Stage::Connect => fail(String::new()),
            SocketEvent::Failed(_) => fail(format!("the connection broke before {}", self.doing())),
            SocketEvent::TimedOut if self.stage == Stage::Connect => fail(no_answer(self.timeout)),
            SocketEvent::TimedOut => fail(format!("it timed out before {}", self.doing())),
        }
    }

    fn expect(&mut self, stage: Stage) {
        self.stage = stage;
        self.line.clear();
        self.heard = 0;
    }

    fn doing(&self) -> &'static str {
        match self.stage {
            Stage::Connect | Stage::Greeting => "its greeting",
            Stage::Helo => "its answer to HELO",
            Stage::Quit => "its answer to QUIT",
        }
    }

    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for byte in bytes {
            self.heard = self.heard.saturating_add(1);
            if self.heard > MAX_REPLY {
                return fail("its answer has no end".into());
            }
            if *byte != b'\n' {
                // A full line keeps its beginning.
                let _ = self.line.push(*byte);
                continue;
            }
            let step = self.line(out);
            self.line.clear();
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        Step::Wait(self.timeout)
    }

    /// A line is complete.
    fn line(&mut self, out: &mut Vec<u8>) -> Step {
        let line = self.line.trim_ascii_end();
        let (code, after) = line.split_at_checked(3).unwrap_or((line, &[]));
        let digits = code.len() == 3 && code.iter().all(u8::is_ascii_digit);
        if !digits || !matches!(after.first(), Some(b'-' | b' ') | None) {
            let text = printable(line);
            return fail(format!("it does not speak SMTP, but says `{text}`"));
        }
        if after.first() == Some(&b'-') {
            return Step::Wait(self.timeout);
        }
        let (wanted, what) = match self.stage {
            Stage::Connect | Stage::Greeting => (b"220", "its greeting"),
            Stage::Helo => (b"250", "HELO"),
            Stage::Quit => return Step::Done(Ok(())),
        };
        if code != wanted {
            let text = printable(line);
            return fail(format!("it refuses {what}: {text}"));
        }
        if self.stage == Stage::Helo {
            out.extend_from_slice(b"QUIT\r\n");
            self.expect(Stage::Quit);
        } else {
            for part in ["HELO ", &self.helo, "\r\n"] {
                out.extend_from_slice(part.as_bytes());
            }
            self.expect(Stage::Helo);
        }
        Step::Wait(self.timeout)
    }
}

fn fail(why: String) -> Step {
    Step::Done(Err(why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    fn mailer() -> SmtpCheck {
        SmtpCheck::new(&target("192.0.2.1:25"), "r1.example.org")
    }

    /// What we said and how it ended, when the server says this in pieces of `size` bytes and `last` happens then.
    fn play(words: &[u8], size: usize, last: SocketEvent<'_>) -> (String, Result<(), String>) {
        let mut mailer = mailer();
        let mut out = Vec::new();
        mailer.start();
        let mut step = mailer.handle(SocketEvent::Connected, &mut out);
        let mut pieces = words.chunks(size);
        while let Step::Wait(_) = step {
            let news = pieces.next().map_or(last, SocketEvent::Received);
            step = mailer.handle(news, &mut out);
        }
        let Step::Done(end) = step else {
            panic!("{step:?}")
        };
        (String::from_utf8(out).unwrap(), end)
    }

    fn always(words: &str, last: SocketEvent<'_>) -> (String, Result<(), String>) {
        let whole = play(words.as_bytes(), usize::MAX, last);
        for size in [1, 2, 3, 10] {
            assert_eq!(
                play(words.as_bytes(), size, last),
                whole,
                "pieces of {size}"
            );
        }
        whole
    }

    #[test]
    fn a_server_that_knows_our_name_is_well() {
        for (words, last) in [
            ("220 hi\r\n250 hello\r\n221 bye\r\n", SocketEvent::Closed),
            (
                "220-r2\r\n220-ESMTP\r\n220 hi\r\n250-a\r\n250 b\r\n",
                SocketEvent::Closed,
            ),
            ("220\n250\n", SocketEvent::TimedOut),
            ("220 hi\n250 ok\n500 what?\n", SocketEvent::Closed),
            ("220 hi\n250 ok\n", SocketEvent::Failed(104)),
        ] {
            let (said, end) = always(words, last);
            assert_eq!(end, Ok(()), "{words}");
            assert_eq!(said, "HELO r1.example.org\r\nQUIT\r\n", "{words}");
        }
    }

    #[test]
    fn what_is_wrong_is_a_sentence() {
        let endless = "x".repeat(20_000);
        let lines = "220-hi\r\n".repeat(4000);
        for (words, last, want) in [
            (
                "",
                SocketEvent::Closed,
                "it closed the connection before its greeting",
            ),
            (
                "",
                SocketEvent::TimedOut,
                "it timed out before its greeting",
            ),
            (
                "220 hi\n",
                SocketEvent::TimedOut,
                "it timed out before its answer to HELO",
            ),
            (
                "220 hi\n250-a\n",
                SocketEvent::Closed,
                "it closed the connection before its answer to HELO",
            ),
            (
                "220 hi\n",
                SocketEvent::Failed(104),
                "the connection broke before its answer to HELO",
            ),
            (
                "554 no\r\n",
                SocketEvent::Closed,
                "it refuses its greeting: 554 no",
            ),
            (
                "220 hi\r\n501 who?\r\n",
                SocketEvent::Closed,
                "it refuses HELO: 501 who?",
            ),
            (
                "220 hi\r\n251 hm\r\n",
                SocketEvent::Closed,
                "it refuses HELO: 251 hm",
            ),
            (
                "HTTP/1.0 400\r\n",
                SocketEvent::Closed,
                "it does not speak SMTP, but says `HTTP/1.0 400`",
            ),
            (
                "2200 hi\n",
                SocketEvent::Closed,
                "it does not speak SMTP, but says `2200 hi`",
            ),
            (
                "\u{1b}[2J\n",
                SocketEvent::Closed,
                "it does not speak SMTP, but says `?[2J`",
            ),
            (
                "\r\n",
                SocketEvent::Closed,
                "it does not speak SMTP, but says ``",
            ),
            (&endless, SocketEvent::Closed, "its answer has no end"),
            (&lines, SocketEvent::Closed, "its answer has no end"),
        ] {
            let (_, end) = always(words, last);
            assert_eq!(end, Err(want.to_owned()));
        }
    }

    #[test]
    fn without_a_connection_nothing_is_said() {
        let mut mailer = mailer();
        let mut out = Vec::new();
        mailer.start();
        let why = "no answer within 5000 ms".to_owned();
        assert_eq!(
            mailer.handle(SocketEvent::TimedOut, &mut out),
            Step::Done(Err(why))
        );
        // What it is, the kernel says.
        let why = Step::Done(Err(String::new()));
        assert_eq!(mailer.handle(SocketEvent::Failed(111), &mut out), why);
        assert!(out.is_empty());
    }
}
