//! The part of the kernel that virtual servers use: IPVS, and sockets for health checks.

use std::io;

use super::{Ended, Pid, errno_text};
use crate::check::{NetworkCheck, ProbeTransport};
use crate::config::model::lvs::Target;
use crate::netlink::{Ack, Batch};

/// IPVS and the sockets of health checks.
pub trait LvsSystem {
    /// Number of the generic netlink family IPVS: the message type of its requests.
    ///
    /// # Errors
    /// `NotFound`: this kernel has no IPVS, or its module is not loaded.
    fn ipvs_family(&mut self) -> io::Result<u16>;

    /// Sends a batch of IPVS requests. `refused` is called for each one that the kernel refused.
    ///
    /// # Errors
    /// The batch could not be sent.
    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()>;

    /// Sends one IPVS dump request. `each` is called for every message of the answer, with its
    /// payload (what follows the netlink header).
    ///
    /// # Errors
    /// The kernel's refusal.
    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    /// Opens a socket for a check and starts to connect; the outcome is reported to
    /// [`crate::engine::Engine::probe`].
    ///
    /// # Errors
    /// The kernel's refusal; the check has no socket then.
    fn open_check(
        &mut self,
        check: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()>;

    /// Sends all of `bytes`, now or when the socket is writable.
    ///
    /// # Errors
    /// The kernel's refusal, or `ENOBUFS` if too much is waiting to be sent.
    fn send_check(&mut self, check: usize, bytes: &[u8]) -> io::Result<()>;

    /// Whether something has happened to the socket that has not been reported yet.
    fn has_event(&mut self, check: usize) -> bool;

    /// The socket is connected, and nothing more is to be read from it here.
    fn pause_check(&mut self, check: usize);

    /// Has the rest of the exchange in a child process, which the check's socket is moved to. Its
    /// end is reported to [`crate::engine::Engine::child_ended`].
    ///
    /// # Errors
    /// The kernel's refusal of a process; the check has no socket then.
    fn run_check(&mut self, check: usize, network: &mut NetworkCheck) -> io::Result<Pid>;

    /// The result of a child that [`LvsSystem::run_check`] started and that has ended like this; an
    /// error is the reason for the log.
    ///
    /// # Errors
    /// The check failed.
    fn check_result(&mut self, ended: Ended) -> Result<(), String>;

    /// Closes the socket of a check, if it has one.
    fn close_check(&mut self, check: usize);
}

/// A reason and the kernel's error text, either of which may be missing.
#[must_use]
pub fn with_errno(why: String, errno: Option<i32>) -> String {
    let Some(errno) = errno else { return why };
    let error = errno_text(errno);
    match why.is_empty() {
        true => error,
        false => format!("{why}: {error}"),
    }
}
