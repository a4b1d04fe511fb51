//! Runs `startup_script` and `shutdown_script`: the daemon waits for them, and does nothing else
//! meanwhile.
//!
//! When the script exceeds its time limit, or the daemon receives SIGTERM, the script's process
//! group gets SIGTERM, and two seconds later SIGKILL.

use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use super::child::{self, Children};
use super::clock;
use super::signals::{Signal, Signals};
use crate::config::model::BlockingScript;
use crate::engine::system::{Exit, Kill, Pid, errno_text, error_text};
use crate::log;
use crate::sys;
use crate::types::Instant;

/// Time from SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(2);

/// What the daemon was asked for by signals while the script ran.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ReceivedRequests {
    /// To stop.
    pub stop: bool,
    /// To reload.
    pub reload: bool,
}

/// A running script.
struct Run<'a> {
    keyword: &'a str,
    child: Pid,
    /// When the next signal is sent to it.
    due: Instant,
    /// Number of signals sent.
    signaled: u8,
    received: ReceivedRequests,
}

/// Runs a script, called `keyword` in the log, to its end. A failure is logged; the daemon
/// continues.
pub fn run(keyword: &str, script: &BlockingScript, signals: &Signals) -> ReceivedRequests {
    log::info!("Running {keyword}");
    let started = Children::new().and_then(|children| {
        let child = children.spawn(&script.command, &[])?;
        Ok((children, child))
    });
    let (mut children, child) = match started {
        Ok(started) => started,
        Err(error) => {
            log::warn!("{keyword} cannot be started: {}", error_text(&error));
            return ReceivedRequests::default();
        }
    };
    let mut run = Run {
        keyword,
        child,
        due: clock::now().after(script.timeout),
        signaled: 0,
        received: ReceivedRequests::default(),
    };
    let how = loop {
        if let Some(how) = run.wait(signals, &mut children) {
            break how;
        }
    };
    if run.signaled > 0 {
        // Processes that the script has started may have ignored SIGTERM.
        child::kill(child, Kill::Kill);
    }
    if how.is_success() {
        log::info!("{keyword} is done");
    } else {
        log::warn!("{keyword} {how}");
    }
    run.received
}

impl Run<'_> {
    /// Waits for a signal or until `due`. Returns how the script ended, if it has.
    fn wait(&mut self, signals: &Signals, children: &mut Children) -> Option<Exit> {
        let left = self.due.since(clock::now());
        if left.is_zero() {
            self.terminate("takes too long");
            return None;
        }
        let mut poll = [libc::pollfd {
            fd: signals.as_fd().as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        }];
        if let Err(errno) = sys::ppoll(&mut poll, Some(left)) {
            let why = errno_text(errno as i32);
            log::error!("cannot wait for {}: {why}", self.keyword);
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
                        self.terminate("is interrupted");
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

    /// Sends SIGTERM the first time, SIGKILL after that.
    fn terminate(&mut self, why: &str) {
        let how = if self.signaled == 0 {
            log::warn!("{} {why}: terminating it", self.keyword);
            Kill::Term
        } else {
            Kill::Kill
        };
        child::kill(self.child, how);
        self.signaled = self.signaled.saturating_add(1);
        self.due = clock::now().after(GRACE);
    }
}
