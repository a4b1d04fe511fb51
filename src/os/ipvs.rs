//! The socket towards IPVS: opened on first use, the family's number looked up once.
//!
//! The lookup makes kernels since 5.16 load the module `ip_vs` themselves; before, somebody has to. When the module has been
//! taken out and loaded again the number may be another one, which shows as a refusal to list anything.

use std::io;

use super::linux::{DUMP_ATTEMPTS, exchange};
use super::nlsock::NetlinkSocket;
use crate::netlink::genl::{self, Replies, Reply};
use crate::netlink::{Ack, Batch, Done, ipvs};

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Ipvs {
    socket: Option<NetlinkSocket>,
    family: Option<u16>,
}

impl Ipvs {
    fn socket(&mut self) -> io::Result<&NetlinkSocket> {
        Ok(match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(NetlinkSocket::generic()?),
        })
    }

    /// See [`crate::engine::system::System::ipvs_family`].
    pub(super) fn family(&mut self, buffer: &mut [u8]) -> io::Result<u16> {
        if let Some(family) = self.family {
            return Ok(family);
        }
        let mut batch = Batch::new(1);
        genl::ask(&mut batch, ipvs::FAMILY);
        let mut family = None;
        self.dump(buffer, &batch, &mut |payload| {
            family = family.or(genl::number(payload).ok());
        })?;
        self.family = family;
        family.ok_or(io::ErrorKind::NotFound.into())
    }

    /// See [`crate::engine::system::System::request_ipvs`].
    pub(super) fn request(
        &mut self,
        buffer: &mut [u8],
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        let outcome = exchange(self.socket()?, buffer, batch, refused);
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }

    /// See [`crate::engine::system::System::dump_ipvs`].
    pub(super) fn dump(
        &mut self,
        buffer: &mut [u8],
        batch: &Batch,
        each: &mut dyn FnMut(&[u8]),
    ) -> io::Result<()> {
        let outcome = list(self.socket()?, buffer, batch, each);
        if outcome.is_err() {
            self.forget();
        }
        outcome
    }

    /// A socket on which something went wrong may hold answers that nobody waits for any more.
    fn forget(&mut self) {
        *self = Ipvs::default();
    }
}

fn list(
    socket: &NetlinkSocket,
    buffer: &mut [u8],
    batch: &Batch,
    each: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    for _ in 0..DUMP_ATTEMPTS {
        socket.send(batch.bytes())?;
        let mut changed = false;
        let mut refusal = None;
        // All of it is read in any case: what is left over would be taken for the answer to the next request.
        while let Some(len) = socket.receive(buffer)? {
            let bytes = buffer.get(..len).unwrap_or_default();
            for (reply, interrupted) in Replies::new(bytes).flatten() {
                changed |= interrupted;
                match reply {
                    Reply::Ack(Ack { errno, .. }) | Reply::Done(Done { errno, .. })
                        if errno != 0 =>
                    {
                        refusal = Some(errno);
                    }
                    Reply::Payload(payload) => each(payload),
                    Reply::Ack(_) | Reply::Done(_) | Reply::Nothing => {}
                }
            }
        }
        if let Some(errno) = refusal {
            return Err(io::Error::from_raw_os_error(errno));
        }
        if !changed {
            break;
        }
    }
    Ok(())
}
