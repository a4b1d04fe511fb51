//! `UDP_CHECK`: a datagram is not refused and, with `require_reply`, is answered.
//!
//! A host without a listener on the port answers with an ICMP error, which the kernel reports as an
//! error of the socket. Silence therefore counts as success unless a reply is required.

use core::time::Duration;

use super::{CheckMachine, SocketEvent, Step, no_answer};
use crate::config::model::lvs;

/// Sent where no `payload` is configured.
const DEFAULT_PAYLOAD: &[u8] = &[0];

/// The check of one UDP port.
#[derive(Debug)]
pub(super) struct UdpCheck {
    timeout: Duration,
    conf: Box<lvs::Udp>,
}

impl UdpCheck {
    pub(super) fn new(timeout: Duration, conf: &lvs::Udp) -> Self {
        UdpCheck {
            timeout,
            conf: Box::new(conf.clone()),
        }
    }

    fn judge(&self, reply: &[u8]) -> Result<(), String> {
        let (min, max) = (self.conf.min_length, self.conf.max_length);
        let length = reply.len();
        if length < usize::from(min) || length > usize::from(max) {
            return Err(format!("reply has {length} bytes, expected {min} to {max}"));
        }
        // As in keepalived, a reply may be shorter than the expected data; `min_reply_length` sets
        // the least.
        let expected = self.conf.reply.iter();
        let differs = |(found, (value, mask)): (&u8, &(u8, u8))| (found ^ value) & mask != 0;
        match reply.iter().zip(expected).position(differs) {
            Some(offset) => Err(format!("reply data mismatch in byte {offset}")),
            None => Ok(()),
        }
    }
}

impl CheckMachine for UdpCheck {
    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        Step::Done(match event {
            SocketEvent::Connected => {
                let payload = &self.conf.payload;
                let empty = payload.is_empty();
                out.extend_from_slice(if empty { DEFAULT_PAYLOAD } else { payload });
                return Step::Wait(self.timeout);
            }
            SocketEvent::Received(reply) if self.conf.require_reply => self.judge(reply),
            SocketEvent::Received(_) => Ok(()),
            SocketEvent::TimedOut if self.conf.require_reply => Err(no_answer(self.timeout)),
            SocketEvent::TimedOut => Ok(()),
            SocketEvent::Closed | SocketEvent::Failed(_) => Err(String::new()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn udp(require_reply: bool, reply: &[(u8, u8)]) -> UdpCheck {
        let conf = lvs::Udp {
            payload: b"hello".to_vec(),
            require_reply,
            reply: reply.to_vec(),
            min_length: 1,
            max_length: 4,
        };
        UdpCheck::new(TIMEOUT, &conf)
    }

    #[test]
    fn silence_is_success_unless_a_reply_is_required() {
        let failed = Err(String::new());
        for (name, require_reply, event, want) in [
            ("silence", false, SocketEvent::TimedOut, Ok(())),
            (
                "any reply",
                false,
                SocketEvent::Received(&b"12345"[..]),
                Ok(()),
            ),
            ("refused", false, SocketEvent::Failed(111), failed.clone()),
            ("refused", true, SocketEvent::Failed(111), failed),
            ("a reply", true, SocketEvent::Received(b"1"), Ok(())),
            (
                "no reply",
                true,
                SocketEvent::TimedOut,
                Err("no answer within 5000 ms".into()),
            ),
        ] {
            let mut machine = udp(require_reply, &[]);
            let mut out = Vec::new();
            assert_eq!(
                machine.handle(SocketEvent::Connected, &mut out),
                Step::Wait(TIMEOUT)
            );
            assert_eq!(out, b"hello");
            assert_eq!(machine.handle(event, &mut out), Step::Done(want), "{name}");
            assert_eq!(out, b"hello", "{name}");
        }
    }

    #[test]
    fn replies_are_compared_up_to_their_length() {
        let mut machine = udp(true, &[(0x12, 0xff), (0x30, 0xf0)]);
        for (reply, want) in [
            (&b"\x12\x3f"[..], None),
            (b"\x12\x35\x99", None),
            (b"\x12", None),
            (b"\x12\x4f", Some("reply data mismatch in byte 1")),
            (b"\x13\x3f", Some("reply data mismatch in byte 0")),
            (b"", Some("reply has 0 bytes, expected 1 to 4")),
            (
                b"\x12\x3f\0\0\0",
                Some("reply has 5 bytes, expected 1 to 4"),
            ),
        ] {
            let step = machine.handle(SocketEvent::Received(reply), &mut Vec::new());
            let want = want.map_or(Ok(()), |why| Err(why.to_owned()));
            assert_eq!(step, Step::Done(want), "{reply:?}");
        }
    }

    #[test]
    fn without_a_payload_one_zero_byte_is_sent() {
        let mut machine = UdpCheck::new(TIMEOUT, &lvs::Udp::default());
        let mut out = Vec::new();
        machine.handle(SocketEvent::Connected, &mut out);
        assert_eq!(out, [0]);
    }
}
