//! `PING_CHECK`: ICMP echo (RFC 792, RFC 4443 §4.1).
//!
//! ```text
//! | type | code 0 | checksum | identifier | sequence number | data …
//! ```
//! Checksum and identifier belong to the kernel: it fills them in on a datagram socket and delivers
//! replies by them. The sequence number increases with every run, so a late reply is not taken for
//! that of the current run.

use core::time::Duration;

use super::{CheckMachine, SocketEvent, Step, no_answer};
use crate::types::Family;

/// Payload that identifies the sender in packet captures.
const DATA: &[u8; 8] = b"vrrpd   ";

/// The check of one address.
#[derive(Debug)]
pub(super) struct PingCheck {
    timeout: Duration,
    family: Family,
    sequence: u16,
}

impl PingCheck {
    pub(super) fn new(timeout: Duration, family: Family) -> Self {
        PingCheck {
            timeout,
            family,
            sequence: 0,
        }
    }
}

impl CheckMachine for PingCheck {
    fn start(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        let (request_type, reply_type) = match self.family {
            Family::V4 => (8, 0),
            Family::V6 => (128, 129),
        };
        let [high, low] = self.sequence.to_be_bytes();
        match event {
            SocketEvent::Connected => {
                out.extend_from_slice(&[request_type, 0, 0, 0, 0, 0, high, low]);
                out.extend_from_slice(DATA);
                Step::Wait(self.timeout)
            }
            SocketEvent::Received(&[kind, 0, _, _, _, _, a, b, ref data @ ..])
                if kind == reply_type && [a, b] == [high, low] && data == DATA =>
            {
                Step::Done(Ok(()))
            }
            // Not the reply to this run's request. The time limit of the whole run bounds the wait.
            SocketEvent::Received(_) | SocketEvent::Closed => Step::Wait(self.timeout),
            SocketEvent::Failed(_) => Step::Done(Err(String::new())),
            SocketEvent::TimedOut => Step::Done(Err(no_answer(self.timeout))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_echo_reply_to_this_run_counts() {
        for (family, request, reply) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
            let mut ping = PingCheck::new(Duration::from_secs(5), family);
            ping.start();
            ping.start();
            let mut sent = Vec::new();
            let wait = Step::Wait(ping.timeout);
            assert_eq!(ping.handle(SocketEvent::Connected, &mut sent), wait);
            assert_eq!(sent, [&[request, 0, 0, 0, 0, 0, 0, 2][..], DATA].concat());
            let echo = |kind: u8, sequence: u8| {
                let mut echo = sent.clone();
                // Checksum and identifier are the kernel's.
                echo[..8].copy_from_slice(&[kind, 0, 0xab, 0xcd, 0x12, 0x34, 0, sequence]);
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
                assert_eq!(got, want, "{family:?} {name}");
            }
        }
    }
}
