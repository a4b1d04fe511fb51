//! `PING_CHECK`: ICMP echo (RFC 792, RFC 4443 §4.1).
//!
//! ```text
//! | type | code 0 | checksum | identifier | sequence number | data …
//! ```
//! Checksum and identifier belong to the socket: a datagram socket's kernel fills them in and sorts the answers by
//! them. A number that goes up with every run tells an answer from a late one.

use super::{SocketEvent, Step, no_answer};
use crate::config::model::lvs::Target;

/// Types of request and reply, IPv4.
const V4: (u8, u8) = (8, 0);
/// The same of IPv6.
const V6: (u8, u8) = (128, 129);
/// So that whoever looks at the wire knows whose it is.
const DATA: &[u8; 8] = b"vrrpd   ";

/// See the top of the file.
#[derive(Debug)]
pub struct PingCheck {
    target: Target,
    number: u16,
}

impl PingCheck {
    pub(super) fn new(target: &Target) -> Self {
        PingCheck {
            target: target.clone(),
            number: 0,
        }
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    pub(super) fn start(&mut self) {
        self.number = self.number.wrapping_add(1);
    }

    pub(super) fn handle(&self, news: SocketEvent<'_>, out: &mut Vec<u8>) -> Step {
        let (request, reply) = match self.target.remote.is_ipv4() {
            true => V4,
            false => V6,
        };
        let [high, low] = self.number.to_be_bytes();
        match news {
            SocketEvent::Connected => {
                out.extend_from_slice(&[request, 0, 0, 0, 0, 0, high, low]);
                out.extend_from_slice(DATA);
                Step::Wait(self.target.connect_timeout)
            }
            SocketEvent::Received(&[kind, 0, _, _, _, _, a, b, ref data @ ..])
                if kind == reply && [a, b] == [high, low] && data == DATA =>
            {
                Step::Done(Ok(()))
            }
            // Not ours; the run as a whole is limited, so this does not keep it up for ever.
            SocketEvent::Received(_) | SocketEvent::Closed => {
                Step::Wait(self.target.connect_timeout)
            }
            SocketEvent::Failed(_) => Step::Done(Err(String::new())),
            SocketEvent::TimedOut => Step::Done(Err(no_answer(self.target.connect_timeout))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    #[test]
    fn only_the_echo_of_this_run_counts() {
        for (remote, request, reply) in [("192.0.2.1:0", 8, 0), ("[2001:db8::1]:0", 128, 129)] {
            let mut ping = PingCheck::new(&target(remote));
            ping.start();
            ping.start();
            let mut sent = Vec::new();
            let wait = Step::Wait(ping.target.connect_timeout);
            assert_eq!(ping.handle(SocketEvent::Connected, &mut sent), wait);
            assert_eq!(sent, [&[request, 0, 0, 0, 0, 0, 0, 2][..], DATA].concat());
            let echo = |kind: u8, number: u8| {
                let mut echo = sent.clone();
                // The kernel's: checksum and identifier.
                echo[..8].copy_from_slice(&[kind, 0, 0xab, 0xcd, 0x12, 0x34, 0, number]);
                echo
            };
            let longer = [&echo(reply, 2)[..], b"x"].concat();
            for (name, bytes, want) in [
                ("the request itself", echo(request, 2), wait.clone()),
                ("a late reply", echo(reply, 1), wait.clone()),
                ("other data", longer, wait.clone()),
                ("cut off", echo(reply, 2)[..9].to_vec(), wait.clone()),
                ("nothing", Vec::new(), wait.clone()),
                ("the reply", echo(reply, 2), Step::Done(Ok(()))),
            ] {
                let got = ping.handle(SocketEvent::Received(&bytes), &mut Vec::new());
                assert_eq!(got, want, "{remote} {name}");
            }
        }
    }
}
