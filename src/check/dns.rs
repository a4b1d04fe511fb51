//! `DNS_CHECK`: a name server answers a query without an error (RFC 1035).
//!
//! ```text
//! Connected → query → a response with the same ID and RCODE 0 → up
//! ```
//! Query IDs come from a pseudo-random sequence with a random seed, so that an off-path attacker
//! cannot predict them. Datagrams with other IDs (late or forged) are ignored; the time limit keeps
//! running.

use core::time::Duration;
use std::hash::{BuildHasher, RandomState};

use super::{CheckMachine, SocketEvent, Step, no_answer};

/// Header flag RD: recursion desired.
const RECURSION_DESIRED: u16 = 0x0100;
/// Class IN.
const CLASS_IN: u16 = 1;
/// Datagrams with a wrong ID after which a run fails.
const MAX_FOREIGN: u8 = 8;

/// The check of one name server.
#[derive(Clone, Debug)]
pub struct DnsCheck {
    /// The query without its ID.
    packet: Vec<u8>,
    timeout: Duration,
    seed: u32,
    id: u16,
    foreign: u8,
}

impl DnsCheck {
    /// Queries records of type `kind` of `name`, which the configuration has validated.
    #[must_use]
    pub fn new(timeout: Duration, kind: u16, name: &str) -> Self {
        let mut packet = Vec::new();
        // Flags, then the counts: one question, no records.
        for word in [RECURSION_DESIRED, 1, 0, 0, 0] {
            packet.extend_from_slice(&u16::to_be_bytes(word));
        }
        encode(name, &mut packet);
        packet.extend_from_slice(&kind.to_be_bytes());
        packet.extend_from_slice(&CLASS_IN.to_be_bytes());
        // The key of this hasher is random.
        let [a, b, c, d, ..] = RandomState::new().hash_one(name).to_be_bytes();
        DnsCheck {
            packet,
            timeout,
            // Xorshift never leaves zero.
            seed: u32::from_be_bytes([a, b, c, d]).max(1),
            id: 0,
            foreign: 0,
        }
    }

    fn answer(&mut self, datagram: &[u8]) -> Step {
        let Some([a, b, flags, code]) = datagram.first_chunk::<4>() else {
            return self.ignore();
        };
        if u16::from_be_bytes([*a, *b]) != self.id || flags & 0x80 == 0 {
            return self.ignore();
        }
        match code & 0x0f {
            0 => Step::Done(Ok(())),
            code => {
                let name = code_name(code);
                fail(format!("response code {code}{name}"))
            }
        }
    }

    /// A datagram that is not a response to this query.
    fn ignore(&mut self) -> Step {
        self.foreign = self.foreign.saturating_add(1);
        match self.foreign {
            0..MAX_FOREIGN => Step::Wait(self.timeout),
            _ => fail("all responses have a wrong ID".into()),
        }
    }
}

impl CheckMachine for DnsCheck {
    fn start(&mut self) {
        // Marsaglia's xorshift.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        let [high, low, ..] = self.seed.to_be_bytes();
        self.id = u16::from_be_bytes([high, low]);
        self.foreign = 0;
    }

    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        match event {
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
}

/// Name of a response code.
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

/// Appends a name in wire format: each label after its length, then the empty root label.
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

    /// A check that has sent its query, and the query.
    fn asked(name: &str) -> (DnsCheck, Vec<u8>) {
        let mut query = DnsCheck::new(Duration::from_secs(5), 6, name);
        let mut out = Vec::new();
        query.start();
        assert!(matches!(
            query.handle(SocketEvent::Connected, &mut out),
            Step::Wait(_)
        ));
        (query, out)
    }

    #[test]
    fn queries_are_those_of_rfc_1035() {
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
    fn every_query_has_another_id() {
        let (mut query, _) = asked("");
        let mut ids = Vec::new();
        for _ in 0..100 {
            query.start();
            ids.push(query.id);
        }
        ids.sort_unstable();
        ids.dedup();
        assert!(ids.len() > 95, "{}", ids.len());
    }

    #[test]
    fn response_codes_are_reported() {
        for (flags, want) in [
            ([0x81, 0x80], Ok(())),
            ([0x84, 0x00], Ok(())),
            ([0x81, 0x81], Err("response code 1 (FORMERR)")),
            ([0x81, 0x82], Err("response code 2 (SERVFAIL)")),
            ([0x81, 0x83], Err("response code 3 (NXDOMAIN)")),
            ([0x81, 0x05], Err("response code 5 (REFUSED)")),
            ([0x81, 0x0a], Err("response code 10")),
        ] {
            let (mut query, mut packet) = asked("z.org");
            packet[2..4].copy_from_slice(&flags);
            let want = want.map_err(str::to_owned);
            let step = query.handle(SocketEvent::Received(&packet), &mut Vec::new());
            assert_eq!(step, Step::Done(want));
        }
    }

    #[test]
    fn foreign_datagrams_are_ignored_up_to_a_limit() {
        let (mut query, packet) = asked("z.org");
        let mut foreign = packet.clone();
        foreign[0] ^= 1;
        foreign[2] |= 0x80;
        // The query itself, an empty datagram, a short one, another ID.
        for bytes in [&packet[..], &[], &packet[..3], &foreign] {
            let step = query.handle(SocketEvent::Received(bytes), &mut Vec::new());
            assert!(matches!(step, Step::Wait(_)), "{bytes:?}");
        }
        let mut right = packet.clone();
        right[2] |= 0x80;
        let step = query
            .clone()
            .handle(SocketEvent::Received(&right), &mut Vec::new());
        assert_eq!(step, Step::Done(Ok(())));
        let mut steps =
            (0..10).map(|_| query.handle(SocketEvent::Received(&foreign), &mut Vec::new()));
        let why = "all responses have a wrong ID".to_owned();
        assert!(steps.any(|step| step == Step::Done(Err(why.clone()))));
    }

    #[test]
    fn timeouts_and_refusals_fail() {
        for (event, want) in [
            (SocketEvent::TimedOut, "no answer within 5000 ms"),
            (SocketEvent::Failed(111), ""),
        ] {
            let (mut query, _) = asked("z.org");
            let step = query.handle(event, &mut Vec::new());
            assert_eq!(step, Step::Done(Err(want.to_owned())));
        }
    }
}
