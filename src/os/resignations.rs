//! The socket that ends the pause of a receive socket for a resignation: of all adverts, only those
//! with priority 0 make a backup act sooner than its down timer.
//!
//! It is opened at the first pause. What arrives on it is also on the receive socket and read there.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::net::if_::if_indextoname;
use socket2::Socket;

use super::raw_socket::{attach, discard, raw_for};
use crate::engine::system::{Listener, error_text};
use crate::log;
use crate::wire::bpf::{AdvertFilter, Adverts, DROP_ALL};

/// Size of the receive buffer, in bytes: the first packet has already ended the pause.
const RECEIVE_BUFFER: usize = 4096;

/// The socket, if there is one.
#[derive(Debug)]
pub(super) enum Resignations {
    /// The receive socket has never paused.
    Unopened,
    Open(Socket),
    /// The kernel has refused it: the receive socket may pause for less than Skew_Time.
    Unavailable,
}

impl Resignations {
    /// Opens the socket.
    pub(super) fn open(on: Listener, filter: &AdvertFilter) -> Self {
        match open(on, filter) {
            Ok(socket) => Resignations::Open(socket),
            Err(error) => {
                let why = error_text(&error);
                log::debug!(target: "vrrp", "no socket for resignations: {why}");
                Resignations::Unavailable
            }
        }
    }

    /// Replaces the socket's filter.
    pub(super) fn set_filter(&mut self, filter: &AdvertFilter) {
        if let Resignations::Open(socket) = self
            && attach(socket, &filter.program(Adverts::Resignations)).is_err()
        {
            *self = Resignations::Unavailable;
        }
    }

    /// The descriptor to wait for; ppoll ignores negative ones.
    pub(super) fn poll_fd(&self) -> RawFd {
        match self {
            Resignations::Open(socket) => socket.as_raw_fd(),
            Resignations::Unopened | Resignations::Unavailable => -1,
        }
    }

    /// Discards what is waiting.
    pub(super) fn discard(&self) {
        discard(self.poll_fd());
    }
}

fn open(on: Listener, filter: &AdvertFilter) -> io::Result<Socket> {
    let socket = raw_for(on)?;
    // A raw socket receives from all interfaces until it is bound.
    attach(&socket, &DROP_ALL)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    if let Some(index) = on.interface {
        socket.bind_device(Some(if_indextoname(index.0)?.as_bytes()))?;
    }
    discard(socket.as_raw_fd());
    attach(&socket, &filter.program(Adverts::Resignations))?;
    Ok(socket)
}
