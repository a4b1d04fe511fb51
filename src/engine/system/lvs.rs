//! The part of the kernel that virtual servers use: IPVS, and sockets for health checks.

use std::io;

use crate::check::ProbeTransport;
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

    /// Closes the socket of a check, if it has one.
    fn close_check(&mut self, check: usize);
}
