//! `TCP_CHECK`: whoever takes connections is well.

use super::{News, Step, no_answer};
use crate::config::model::lvs::Target;

/// See the top of the file.
#[derive(Debug)]
pub struct Tcp(Target);

impl Tcp {
    pub(super) fn new(target: &Target) -> Self {
        Tcp(target.clone())
    }

    pub(super) fn target(&self) -> &Target {
        &self.0
    }

    pub(super) fn turn(&self, news: News<'_>) -> Step {
        Step::Done(match news {
            News::Connected | News::Received(_) | News::End => Ok(()),
            News::Failed(_) => Err(String::new()),
            News::TimeOut => Err(no_answer(self.0.timeout)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    #[test]
    fn a_connection_is_all_it_takes() {
        let tcp = Tcp::new(&target("192.0.2.1:80"));
        let refused = Err(String::new());
        let silent = Err("no answer within 5000 ms".into());
        for (news, want) in [
            (News::Connected, Ok(())),
            (News::Failed(111), refused),
            (News::TimeOut, silent),
        ] {
            assert_eq!(tcp.turn(news), Step::Done(want), "{news:?}");
        }
    }
}
