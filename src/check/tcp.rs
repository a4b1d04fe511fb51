//! `TCP_CHECK`: the server accepts a connection.

use core::time::Duration;

use super::{CheckMachine, SocketEvent, Step, no_answer};

/// The check of one TCP port.
#[derive(Debug)]
pub(super) struct TcpCheck {
    timeout: Duration,
}

impl TcpCheck {
    pub(super) fn new(timeout: Duration) -> Self {
        TcpCheck { timeout }
    }
}

impl CheckMachine for TcpCheck {
    fn handle(&mut self, event: SocketEvent<&[u8]>, _: &mut Vec<u8>) -> Step {
        Step::Done(match event {
            SocketEvent::Connected | SocketEvent::Received(_) | SocketEvent::Closed => Ok(()),
            SocketEvent::Failed(_) => Err(String::new()),
            SocketEvent::TimedOut => Err(no_answer(self.timeout)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_enough() {
        let mut tcp = TcpCheck::new(Duration::from_secs(5));
        let refused = Err(String::new());
        let silent = Err("no answer within 5000 ms".into());
        for (event, want) in [
            (SocketEvent::Connected, Ok(())),
            (SocketEvent::Failed(111), refused),
            (SocketEvent::TimedOut, silent),
        ] {
            let step = tcp.handle(event, &mut Vec::new());
            assert_eq!(step, Step::Done(want), "{event:?}");
        }
    }
}
