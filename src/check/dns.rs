//! `DNS_CHECK`: a name server that answers our question without an error is well (RFC 1035).
//!
//! ```text
//! Connected → header, question → a datagram with our number, an answer, without an error → well
//! ```
//! Each question has another number, from a sequence that who does not see our packets cannot foretell. Answers
//! with other numbers are not for us (a late one, or a forged one): the time for the right one goes on.

use core::time::Duration;
use std::hash::{BuildHasher, RandomState};

use super::{SocketEvent, Step, no_answer};
use crate::config::model::lvs::Target;

/// In the second pair of bytes of a message: recursion is desired.
const RECURSE: u16 = 0x0100;
/// The class of the internet.
const INTERNET: u16 = 1;
/// Datagrams with other numbers that one run passes over.
const MAX_FOREIGN: u8 = 8;

/// The check of one name server.
#[derive(Clone, Debug)]
pub struct DnsCheck {
    /// Everything behind the number.
    packet: Vec<u8>,
    timeout: Duration,
    seed: u32,
    id: u16,
    foreign: u8,
}

impl DnsCheck {
    /// Asks for the records of type `kind` of `name`, which was checked when it was read.
    #[must_use]
    pub fn new(target: &Target, kind: u16, name: &str) -> Self {
        let mut packet = Vec::new();
        // One question, no records.
        for word in [RECURSE, 1, 0, 0, 0] {
            packet.extend_from_slice(&u16::to_be_bytes(word));
        }
        encode(name, &mut packet);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&INTERNET.to_be_bytes());
        // Of this hasher, the key is random.
        let [a, b, c, d, ..] = RandomState::new().hash_one(name).to_be_bytes();
        DnsCheck {
            packet,
            timeout: target.connect_timeout,
            // The sequence does not leave zero.
            seed: u32::from_be_bytes([a, b, c, d]).max(1),
            id: 0,
            foreign: 0,
        }
    }

    /// A run begins; a socket is opened next.
    pub fn start(&mut self) {
        // Marsaglia's xorshift.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        let [high, low, ..] = self.seed.to_be_bytes();
        self.id = u16::from_be_bytes([high, low]);
        self.foreign = 0;
    }

    /// Something has happened to the socket.
    pub fn handle(&mut self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        match news {
            SocketEvent::Connected => {
                out.extend_from_slice(&self.id.to_be_bytes());
                out.extend_from_slice(&self.packet);
                Step::Wait(self.timeout)
            }
            SocketEvent::Received(datagram) => self.answer(datagram),
            SocketEvent::Closed => Step::Wait(self.timeout),
            SocketEvent::Failed(_) => fail(String::new()),
            SocketEvent::TimedOut => fail(no_answer(self.timeout)),
        }
    }

    fn answer(&mut self, datagram: &[u8]) -> Step {
        let Some([a, b, flags, code]) = datagram.first_chunk::<4>() else {
            return self.pass_over();
        };
        if u16::from_be_bytes([*a, *b]) != self.id || flags & 0x80 == 0 {
            return self.pass_over();
        }
        match code & 0x0f {
            0 => Step::Done(Ok(())),
            code => {
                let name = code_name(code);
                fail(format!("it answers with error {code}{name}"))
            }
        }
    }

    /// That was not for us.
    fn pass_over(&mut self) -> Step {
        self.foreign = self.foreign.saturating_add(1);
        match self.foreign {
            0..MAX_FOREIGN => Step::Wait(self.timeout),
            _ => fail("its answers have the wrong number".into()),
        }
    }
}

/// Response codes as people know them.
fn code_name(code: u8) -> &'static str {
    match code {
        1 => " (FORMERR)",
        2 => " (SERVFAIL)",
        3 => " (NXDOMAIN)",
        4 => " (NOTIMP)",
        5 => " (REFUSED)",
        _ => "",
    }
}

fn fail(why: String) -> Step {
    Step::Done(Err(why))
}

/// A name as it is in a message: labels behind their lengths, and an empty one. The empty name is the root.
fn encode(name: &str, packet: &mut Vec<u8>) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        packet.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
        packet.extend_from_slice(label.as_bytes());
    }
    packet.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    /// A question on its way, and its bytes.
    fn asked(name: &str) -> (DnsCheck, Vec<u8>) {
        let mut question = DnsCheck::new(&target("192.0.2.1:53"), 6, name);
        let mut out = Vec::new();
        question.start();
        assert!(matches!(
            question.handle(SocketEvent::Connected, &mut out),
            Step::Wait(_)
        ));
        (question, out)
    }

    #[test]
    fn questions_are_those_of_rfc_1035() {
        let (_, root) = asked("");
        assert_eq!(root[2..], [1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1]);
        let (_, dot) = asked(".");
        assert_eq!(dot[2..], root[2..]);
        let (_, name) = asked("www.z.org");
        assert_eq!(name[12..], *b"\x03www\x01z\x03org\x00\x00\x06\x00\x01");
        let (_, name) = asked("www.z.org.");
        assert_eq!(name[12..], *b"\x03www\x01z\x03org\x00\x00\x06\x00\x01");
    }

    #[test]
    fn every_question_has_another_number() {
        let (mut question, _) = asked("");
        let mut ids = Vec::new();
        for _ in 0..100 {
            question.start();
            ids.push(question.id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() > 95, "{}", ids.len());
    }

    #[test]
    fn answers_are_judged() {
        for (flags, want) in [
            ([0x81, 0x80], Ok(())),
            ([0x84, 0x00], Ok(())),
            ([0x81, 0x81], Err("it answers with error 1 (FORMERR)")),
            ([0x81, 0x82], Err("it answers with error 2 (SERVFAIL)")),
            ([0x81, 0x83], Err("it answers with error 3 (NXDOMAIN)")),
            ([0x81, 0x05], Err("it answers with error 5 (REFUSED)")),
            ([0x81, 0x0a], Err("it answers with error 10")),
        ] {
            let (mut question, mut packet) = asked("z.org");
            packet[2..4].copy_from_slice(&flags);
            let want = want.map_err(str::to_owned);
            let step = question.handle(SocketEvent::Received(&packet), &mut Vec::new());
            assert_eq!(step, Step::Done(want));
        }
    }

    #[test]
    fn what_is_not_our_answer_is_passed_over_a_few_times() {
        let (mut question, packet) = asked("z.org");
        let mut foreign = packet.clone();
        foreign[0] ^= 1;
        foreign[2] |= 0x80;
        // The question itself comes back, something short, another number.
        for bytes in [&packet[..], &[], &packet[..3], &foreign] {
            let step = question.handle(SocketEvent::Received(bytes), &mut Vec::new());
            assert!(matches!(step, Step::Wait(_)), "{bytes:?}");
        }
        let mut right = packet.clone();
        right[2] |= 0x80;
        let step = question
            .clone()
            .handle(SocketEvent::Received(&right), &mut Vec::new());
        assert_eq!(step, Step::Done(Ok(())));
        let mut steps =
            (0..10).map(|_| question.handle(SocketEvent::Received(&foreign), &mut Vec::new()));
        let why = "its answers have the wrong number".to_owned();
        assert!(steps.any(|step| step == Step::Done(Err(why.clone()))));
    }

    #[test]
    fn silence_and_refusal_are_sentences() {
        for (news, want) in [
            (SocketEvent::TimedOut, "no answer within 5000 ms"),
            (SocketEvent::Failed(111), ""),
        ] {
            let (mut question, _) = asked("z.org");
            let step = question.handle(news, &mut Vec::new());
            assert_eq!(step, Step::Done(Err(want.to_owned())));
        }
    }
}
