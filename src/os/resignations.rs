//! The socket that ends the pause of a receive socket for a resignation: of all adverts, only those
//! with priority 0 make a backup act sooner than its down timer.
//!
//! It is opened at the first pause. What arrives on it is also on the receive socket and read there.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use socket2::Socket;

use super::raw_socket::{attach, discard, raw_for};
use crate::engine::system::{Listener, Protocol, error_text};
use crate::log;
use crate::wire::bpf;

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
    /// Opens the socket on the interface of the receive socket.
    pub(super) fn open(on: Listener, receiver: &Socket) -> Self {
        match open(on, receiver) {
            Ok(socket) => Resignations::Open(socket),
            Err(error) => {
                let why = error_text(&error);
                log::debug!(target: "vrrp", "no socket for resignations: {why}");
                Resignations::Unavailable
            }
        }
    }

    /// The descriptor to wait for; ppoll ignores negative ones.
    pub(super) fn poll_fd(&self) -> RawFd {
        match self {
            Resignations::Open(socket) => socket.as_raw_fd(),
            Resignations::Unopened | Resignations::Unavailable => -1,
        }
    }
}

fn open(on: Listener, receiver: &Socket) -> io::Result<Socket> {
    let socket = raw_for(on)?;
    // A raw socket receives from all interfaces until it is bound.
    attach(&socket, &bpf::DROP_ALL)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind_device(receiver.device()?.as_deref())?;
    discard(socket.as_raw_fd());
    let program = bpf::resignations(on.family, on.protocol == Protocol::Ah);
    attach(&socket, &program)?;
    Ok(socket)
}
