//! `UDP_CHECK`: a datagram that nobody refuses, and its answer if one is wanted.
//!
//! Who does not listen has its kernel say so with an ICMP message, which comes as a failure of the socket. Silence
//! is therefore a good sign, unless `require_reply` asks for more.

use super::{SocketEvent, Step, no_answer};
use crate::config::model::lvs::{self, Target};

/// Sent where no `payload` is configured.
const NOTHING_TO_SAY: &[u8] = &[0];

/// See the top of the file.
#[derive(Debug)]
pub struct UdpCheck {
    target: Target,
    conf: Box<lvs::Udp>,
}

impl UdpCheck {
    pub(super) fn new(target: &Target, conf: &lvs::Udp) -> Self {
        UdpCheck {
            target: target.clone(),
            conf: Box::new(conf.clone()),
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn handle(&self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        Step::Done(match news {
            SocketEvent::Connected => {
                let payload = &self.conf.payload;
                let empty = payload.is_empty();
                out.extend_from_slice(if empty { NOTHING_TO_SAY } else { payload });
                return Step::Wait(self.target.connect_timeout);
            }
            SocketEvent::Received(reply) if self.conf.require_reply => self.judge(reply),
            SocketEvent::Received(_) => Ok(()),
            SocketEvent::TimedOut if self.conf.require_reply => {
                Err(no_answer(self.target.connect_timeout))
            }
            SocketEvent::TimedOut => Ok(()),
            SocketEvent::Closed | SocketEvent::Failed(_) => Err(String::new()),
        })
    }

    fn judge(&self, reply: &[u8]) -> Result<(), String> {
        let (least, most) = (self.conf.min_length, self.conf.max_length);
        let length = reply.len();
        if length < usize::from(least) || length > usize::from(most) {
            return Err(format!(
                "the reply has {length} bytes, wanted are {least} to {most}"
            ));
        }
        // As in keepalived, a reply may be shorter than what it is compared with: `min_reply_length` is for that.
        let wanted = self.conf.reply.iter();
        let differs = |(found, (value, mask)): (&u8, &(u8, u8))| (found ^ value) & mask != 0;
        match reply.iter().zip(wanted).position(differs) {
            Some(place) => Err(format!("reply data mismatch in byte {place}")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    fn udp(require_reply: bool, reply: &[(u8, u8)]) -> UdpCheck {
        let conf = lvs::Udp {
            payload: b"hello".to_vec(),
            require_reply,
            reply: reply.to_vec(),
            min_length: 1,
            max_length: 4,
        };
        UdpCheck::new(&target("192.0.2.1:53"), &conf)
    }

    #[test]
    fn silence_is_good_unless_a_reply_is_wanted() {
        let (easy, strict) = (udp(false, &[]), udp(true, &[]));
        let failed = Err(String::new());
        for (name, machine, news, want) in [
            ("silence", &easy, SocketEvent::TimedOut, Ok(())),
            ("any reply", &easy, SocketEvent::Received(b"12345"), Ok(())),
            ("refused", &easy, SocketEvent::Failed(111), failed.clone()),
            ("refused", &strict, SocketEvent::Failed(111), failed),
            ("a reply", &strict, SocketEvent::Received(b"1"), Ok(())),
            (
                "no reply",
                &strict,
                SocketEvent::TimedOut,
                Err("no answer within 5000 ms".into()),
            ),
        ] {
            let mut out = Vec::new();
            assert_eq!(
                machine.handle(SocketEvent::Connected, &mut out),
                Step::Wait(machine.target.connect_timeout)
            );
            assert_eq!(out, b"hello");
            assert_eq!(machine.handle(news, &mut out), Step::Done(want), "{name}");
            assert_eq!(out, b"hello", "{name}");
        }
    }

    #[test]
    fn replies_are_compared_as_far_as_they_go() {
        let machine = udp(true, &[(0x12, 0xff), (0x30, 0xf0)]);
        for (reply, want) in [
            (&b"\x12\x3f"[..], None),
            (b"\x12\x35\x99", None),
            (b"\x12", None),
            (b"\x12\x4f", Some("reply data mismatch in byte 1")),
            (b"\x13\x3f", Some("reply data mismatch in byte 0")),
            (b"", Some("the reply has 0 bytes, wanted are 1 to 4")),
            (
                b"\x12\x3f\0\0\0",
                Some("the reply has 5 bytes, wanted are 1 to 4"),
            ),
        ] {
            let step = machine.handle(SocketEvent::Received(reply), &mut Vec::new());
            let want = want.map_or(Ok(()), |why| Err(why.to_owned()));
            assert_eq!(step, Step::Done(want), "{reply:?}");
        }
    }

    #[test]
    fn without_a_payload_there_is_still_a_datagram() {
        let machine = UdpCheck::new(&target("192.0.2.1:53"), &lvs::Udp::default());
        let mut out = Vec::new();
        machine.handle(SocketEvent::Connected, &mut out);
        assert_eq!(out, [0]);
    }
}
