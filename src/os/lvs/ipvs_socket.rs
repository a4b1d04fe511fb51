//! The netlink socket for IPVS, opened on first use.
//!
//! Looking up the family makes kernels since 5.16 load the module `ip_vs`; on older ones it has to
//! be loaded beforehand. The family may get another number when the module is unloaded and loaded
//! again; then every dump is refused, and the number is looked up again.

use std::io;

use nix::sys::socket::SockProtocol;

use crate::netlink::genl::{self, Replies, Reply, ReplyMessage};
use crate::netlink::{Ack, Batch, Done, ipvs};
use crate::os::netlink_socket::{BUFFER_LEN, NetlinkSocket};

/// A generic netlink socket and the number of the family IPVS.
#[derive(Debug, Default)]
pub(super) struct IpvsSocket {
    socket: Option<NetlinkSocket>,
    family: Option<u16>,
    buffer: Vec<u8>,
}

impl IpvsSocket {
    /// See [`crate::engine::system::lvs::LvsSystem::ipvs_family`].
    pub(super) fn family(&mut self) -> io::Result<u16> {
        if let Some(family) = self.family {
            return Ok(family);
        }
        let mut batch = Batch::new(1);
        genl::get_family(&mut batch, ipvs::FAMILY);
        let mut family = None;
        self.dump(&batch, &mut |payload| {
            family = family.or(genl::family_id(payload).ok());
        })?;
        self.family = family;
        family.ok_or(io::ErrorKind::NotFound.into())
    }

    /// See [`crate::engine::system::lvs::LvsSystem::request_ipvs`].
    pub(super) fn request(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        self.with_socket(|socket, buffer| socket.request(buffer, batch, refused))
    }

    /// See [`crate::engine::system::lvs::LvsSystem::dump_ipvs`].
    pub(super) fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.with_socket(|socket, buffer| {
            socket.dump(buffer, batch, &mut |bytes, progress| {
                for ReplyMessage { reply, interrupted } in Replies::new(bytes).flatten() {
                    progress.interrupted |= interrupted;
                    match reply {
                        Reply::Ack(Ack { errno, .. }) | Reply::Done(Done { errno, .. })
                            if errno != 0 =>
                        {
                            progress.refusal = Some(errno);
                        }
                        Reply::Payload(payload) => each(payload),
                        Reply::Ack(_) | Reply::Done(_) | Reply::Ignored => {}
                    }
                }
            })
        })
    }

    /// After a failure the socket is closed: answers that are no longer expected may wait in it.
    fn with_socket(
        &mut self,
        exchange: impl FnOnce(&NetlinkSocket, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => {
                self.buffer.resize(BUFFER_LEN, 0);
                none.insert(NetlinkSocket::requests(SockProtocol::NetlinkGeneric)?)
            }
        };
        let outcome = exchange(socket, &mut self.buffer);
        if outcome.is_err() {
            self.socket = None;
            self.family = None;
        }
        outcome
    }
}
