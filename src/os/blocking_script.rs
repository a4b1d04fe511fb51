//! Scripts that are waited for: the first thing the daemon does and the last one.
//!
//! Nothing else runs meanwhile, so that it may wait; but not for ever: when its time is up, or the daemon is told to
//! stop, the script's process group gets SIGTERM, and two seconds later SIGKILL.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::child::{self, Children};
use super::clock;
use super::signals::{Signal, Signals};
use crate::config::model::BlockingScript;
use crate::engine::system::{Exit, Kill, Pid, error_text};
use crate::sys;
use crate::types::Instant;

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// What the daemon was told while it waited.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceivedRequests {
    /// To stop.
    pub stop: bool,
    /// To reload.
    pub reload: bool,
}

/// A run on its way.
struct Run<'a> {
    what: &'a str,
    child: Pid,
    /// When it is signaled next.
    due: Instant,
    /// How often it has been.
    signaled: u8,
    received: ReceivedRequests,
}

/// Runs a script, called `what` in the log, to its end. Whatever that is, the daemon goes on.
pub fn run(what: &str, script: &BlockingScript, signals: &Signals) -> ReceivedRequests {
    log::info!("Running {what}");
    let begun = Children::new().and_then(|children| {
        let child = children.spawn(&script.command, &[])?;
        Ok((children, child))
    });
    let (mut children, child) = match begun {
        Ok(begun) => begun,
        Err(error) => {
            log::warn!("{what} cannot be started: {}", error_text(&error));
            return ReceivedRequests::default();
        }
    };
    let mut run = Run {
        what,
        child,
        due: clock::now().after(script.timeout),
        signaled: 0,
        received: ReceivedRequests::default(),
    };
    loop {
        if let Some(how) = run.turn(signals, &mut children) {
            if run.signaled > 0 {
                // Those it has started need not have listened.
                child::kill(child, Kill::Kill);
            }
            if how.is_success() {
                log::info!("{what} is done");
            } else {
                log::warn!("{what} {how}");
            }
            return run.received;
        }
    }
}

impl Run<'_> {
    /// Waits for something to happen; the answer is how the script ended.
    fn turn(&mut self, signals: &Signals, children: &mut Children) -> Option<Exit> {
        let left = self.due.since(clock::now());
        if left.is_zero() {
            self.hurry("takes too long");
            return None;
        }
        let mut poll = [libc::pollfd {
            fd: signals.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        }];
        if let Err(errno) = sys::ppoll(&mut poll, Some(left)) {
            log::error!("cannot wait for {}: {}", self.what, io::Error::from(errno));
            return Some(Exit::Code(0));
        }
        let mut end = None;
        while let Some(received) = signals.next() {
            match received.signal {
                Signal::Child => {
                    while let Some((pid, how)) = children.reap() {
                        if pid == self.child {
                            end = Some(how);
                        }
                    }
                }
                Signal::Stop => {
                    self.received.stop = true;
                    if self.signaled == 0 {
                        self.hurry("is interrupted");
                    }
                }
                Signal::Reload => self.received.reload = true,
                Signal::Dump
                | Signal::Stats
                | Signal::ClearStats
                | Signal::Json
                | Signal::Trace
                | Signal::Restart
                | Signal::Other(_) => {}
            }
        }
        end
    }

    /// First politely, then for good.
    fn hurry(&mut self, why: &str) {
        let how = if self.signaled == 0 {
            log::warn!("{} {why}: ending it", self.what);
            Kill::Term
        } else {
            Kill::Kill
        };
        child::kill(self.child, how);
        self.signaled = self.signaled.saturating_add(1);
        self.due = clock::now().after(GRACE);
    }
}
