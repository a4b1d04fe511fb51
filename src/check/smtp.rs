//! `SMTP_CHECK`: the server greets and accepts HELO (RFC 5321).
//!
//! ```text
//! server            check
//! 220 ready       → HELO name
//! 250             → QUIT
//! any reply       → up
//! ```

use core::time::Duration;

use super::{CheckMachine, SocketEvent, Step, no_answer};
use crate::wire::smtp::{Reply, ReplyReader};

/// The reply that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    Connect,
    Greeting,
    Helo,
    Quit,
}

impl Stage {
    fn name(self) -> &'static str {
        match self {
            Stage::Connect | Stage::Greeting => "greeting",
            Stage::Helo => "reply to HELO",
            Stage::Quit => "reply to QUIT",
        }
    }
}

/// The check of one mail server.
#[derive(Clone, Debug)]
pub struct SmtpCheck {
    helo: String,
    timeout: Duration,
    stage: Stage,
    reader: ReplyReader,
}

impl SmtpCheck {
    /// `helo`: the argument of HELO.
    #[must_use]
    pub fn new(timeout: Duration, helo: &str) -> Self {
        SmtpCheck {
            helo: helo.to_owned(),
            timeout,
            stage: Stage::Connect,
            reader: ReplyReader::default(),
        }
    }

    fn received(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Step {
        for byte in bytes {
            let step = match self.reader.push(*byte) {
                None => continue,
                Some(Ok(reply)) => self.handle_reply(&reply, out),
                Some(Err(error)) => fail(error.to_string()),
            };
            if !matches!(step, Step::Wait(_)) {
                return step;
            }
        }
        Step::Wait(self.timeout)
    }

    fn handle_reply(&mut self, reply: &Reply, out: &mut Vec<u8>) -> Step {
        match (self.stage, reply.code) {
            (Stage::Quit, _) => return Step::Done(Ok(())),
            (Stage::Connect | Stage::Greeting, 220) => {
                for part in ["HELO ", &self.helo, "\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
                self.stage = Stage::Helo;
            }
            (Stage::Helo, 250) => {
                out.extend_from_slice(b"QUIT\r\n");
                self.stage = Stage::Quit;
            }
            (Stage::Connect | Stage::Greeting, _) => {
                return fail(format!("greeting refused: {}", reply.text));
            }
            (Stage::Helo, _) => return fail(format!("HELO refused: {}", reply.text)),
        }
        Step::Wait(self.timeout)
    }
}

impl CheckMachine for SmtpCheck {
    fn start(&mut self) {
        self.stage = Stage::Connect;
        self.reader.clear();
    }

    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        let reply = self.stage.name();
        match event {
            SocketEvent::Connected => {
                self.stage = Stage::Greeting;
                Step::Wait(self.timeout)
            }
            SocketEvent::Received(bytes) => self.received(bytes, out),
            // Everything that is checked has been answered.
            SocketEvent::Closed | SocketEvent::Failed(_) | SocketEvent::TimedOut
                if self.stage == Stage::Quit =>
            {
                Step::Done(Ok(()))
            }
            SocketEvent::Closed => fail(format!("connection closed before the {reply}")),
            SocketEvent::Failed(_) if self.stage == Stage::Connect => fail(String::new()),
            SocketEvent::Failed(_) => fail(format!("connection lost before the {reply}")),
            SocketEvent::TimedOut if self.stage == Stage::Connect => fail(no_answer(self.timeout)),
            SocketEvent::TimedOut => fail(format!("timed out waiting for the {reply}")),
        }
    }
}

fn fail(why: String) -> Step {
    Step::Done(Err(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp() -> SmtpCheck {
        SmtpCheck::new(Duration::from_secs(5), "r1.example.org")
    }

    /// What the check sends and how it ends, when the server sends `replies` in pieces of `size`
    /// bytes and `last` happens then.
    fn play(replies: &[u8], size: usize, last: SocketEvent<&[u8]>) -> (String, Result<(), String>) {
        let mut smtp = smtp();
        let mut out = Vec::new();
        smtp.start();
        let mut step = smtp.handle(SocketEvent::Connected, &mut out);
        let mut pieces = replies.chunks(size);
        while let Step::Wait(_) = step {
            let event = pieces.next().map_or(last, SocketEvent::Received);
            step = smtp.handle(event, &mut out);
        }
        let Step::Done(end) = step else {
            panic!("{step:?}")
        };
        (String::from_utf8(out).unwrap(), end)
    }

    fn always(replies: &str, last: SocketEvent<&[u8]>) -> (String, Result<(), String>) {
        let whole = play(replies.as_bytes(), usize::MAX, last);
        for size in [1, 2, 3, 10] {
            assert_eq!(
                play(replies.as_bytes(), size, last),
                whole,
                "pieces of {size}"
            );
        }
        whole
    }

    #[test]
    fn a_server_that_accepts_helo_is_up() {
        for (replies, last) in [
            ("220 hi\r\n250 hello\r\n221 bye\r\n", SocketEvent::Closed),
            (
                "220-r2\r\n220-ESMTP\r\n220 hi\r\n250-a\r\n250 b\r\n",
                SocketEvent::Closed,
            ),
            ("220\n250\n", SocketEvent::TimedOut),
            ("220 hi\n250 ok\n500 what?\n", SocketEvent::Closed),
            ("220 hi\n250 ok\n", SocketEvent::Failed(104)),
        ] {
            let (sent, end) = always(replies, last);
            assert_eq!(end, Ok(()), "{replies}");
            assert_eq!(sent, "HELO r1.example.org\r\nQUIT\r\n", "{replies}");
        }
    }

    #[test]
    fn failures_name_the_reply_that_was_due() {
        let endless = "x".repeat(20_000);
        let (closed, timed_out) = (SocketEvent::Closed, SocketEvent::TimedOut);
        let reset = SocketEvent::Failed(104);
        for (replies, last, want) in [
            ("", closed, "connection closed before the greeting"),
            ("", timed_out, "timed out waiting for the greeting"),
            (
                "220 hi\n",
                timed_out,
                "timed out waiting for the reply to HELO",
            ),
            (
                "220 hi\n250-a\n",
                closed,
                "connection closed before the reply to HELO",
            ),
            (
                "220 hi\n",
                reset,
                "connection lost before the reply to HELO",
            ),
            ("554 no\r\n", closed, "greeting refused: 554 no"),
            ("220 hi\r\n501 who?\r\n", closed, "HELO refused: 501 who?"),
            ("220 hi\r\n251 hm\r\n", closed, "HELO refused: 251 hm"),
            (
                "HTTP/1.0 400\r\n",
                closed,
                "not an SMTP reply: `HTTP/1.0 400`",
            ),
            (&endless, closed, "endless SMTP reply"),
        ] {
            let (_, end) = always(replies, last);
            assert_eq!(end, Err(want.to_owned()));
        }
    }

    #[test]
    fn without_a_connection_nothing_is_sent() {
        let mut smtp = smtp();
        let mut out = Vec::new();
        smtp.start();
        let why = "no answer within 5000 ms".to_owned();
        let step = smtp.handle(SocketEvent::TimedOut, &mut out);
        assert_eq!(step, Step::Done(Err(why)));
        // The caller adds the kernel's error.
        let why = Step::Done(Err(String::new()));
        assert_eq!(smtp.handle(SocketEvent::Failed(111), &mut out), why);
        assert!(out.is_empty());
    }
}
