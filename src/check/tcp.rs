//! `TCP_CHECK`: whoever takes connections is well.

use super::{SocketEvent, Step, no_answer};
use crate::config::model::lvs::Target;

/// See the top of the file.
#[derive(Debug)]
pub struct TcpCheck(Target);

impl TcpCheck {
    pub(super) fn new(target: &Target) -> Self {
        TcpCheck(target.clone())
    }

    pub(super) fn target(&self) -> &Target {
        &self.0
    }

    pub(super) fn handle(&self, news: SocketEvent<'_>) -> Step {
        Step::Done(match news {
            SocketEvent::Connected | SocketEvent::Received(_) | SocketEvent::Closed => Ok(()),
            SocketEvent::Failed(_) => Err(String::new()),
            SocketEvent::TimedOut => Err(no_answer(self.0.connect_timeout)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    #[test]
    fn a_connection_is_all_it_takes() {
        let tcp = TcpCheck::new(&target("192.0.2.1:80"));
        let refused = Err(String::new());
        let silent = Err("no answer within 5000 ms".into());
        for (news, want) in [
            (SocketEvent::Connected, Ok(())),
            (SocketEvent::Failed(111), refused),
            (SocketEvent::TimedOut, silent),
        ] {
            assert_eq!(tcp.handle(news), Step::Done(want), "{news:?}");
        }
    }
}
