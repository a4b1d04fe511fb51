//! Netlink sockets: for requests and dumps (rtnetlink, nftables, generic netlink), and for events
//! of rtnetlink.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use socket2::{SockFilter, SockRef};

use crate::config::model::Route;
use crate::netlink::{Ack, Batch, Message, Messages, route, rule};
use crate::sys;

/// Multicast groups of links and addresses (`linux/rtnetlink.h`: RTMGRP_LINK, _IPV4_IFADDR,
/// _IPV6_IFADDR).
const LINK_GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Multicast groups of routes and rules (RTMGRP_IPV4_ROUTE, _IPV6_ROUTE, _IPV4_RULE;
/// RTNLGRP_IPV6_RULE is group 19).
const ROUTE_GROUPS: u32 = 0x40 | 0x400 | 0x80 | 1 << 18;
/// Size of the receive buffer, in bytes: for thousands of address changes, or as many refusals.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Length of a receive buffer, in bytes. The kernel sends at most 32 KiB of a dump in one datagram.
pub(super) const BUFFER_LEN: usize = 64 << 10;
/// How often a dump is repeated because the table changed meanwhile, before the last answer is used
/// as it is.
const DUMP_ATTEMPTS: u32 = 5;

/// What the messages of a dump say about the dump itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DumpProgress {
    /// The table changed while it was dumped (NLM_F_DUMP_INTR).
    pub(super) interrupted: bool,
    /// The error number, if the kernel refused the request.
    pub(super) refusal: Option<i32>,
}

/// A netlink socket.
#[derive(Debug)]
pub(super) struct NetlinkSocket {
    fd: OwnedFd,
}

impl NetlinkSocket {
    /// A socket for requests and dumps.
    pub(super) fn requests(protocol: SockProtocol) -> io::Result<Self> {
        Self::open(protocol, 0)
    }

    /// A socket that receives changes of links and addresses.
    pub(super) fn link_events() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute, LINK_GROUPS)
    }

    /// A socket that receives deletions of our routes, and of rules. On a router with a full BGP
    /// table a million other routes come and go: a filter in the kernel drops those.
    pub(super) fn route_events() -> io::Result<Self> {
        let this = Self::open(SockProtocol::NetlinkRoute, ROUTE_GROUPS)?;
        SockRef::from(&this.fd).attach_filter(&deleted_routes())?;
        Ok(this)
    }

    fn open(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        // Extended acknowledgements (since 4.12), and no copy of the request in them (since 4.3).
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let _ = sys::set_int_option(fd.as_fd(), libc::SOL_NETLINK, option, 1);
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(NetlinkSocket { fd })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Sends a batch and calls `refused` for each of its requests that the kernel refused.
    pub(super) fn request(
        &self,
        buffer: &mut [u8],
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        self.send(batch.bytes())?;
        // The kernel has processed the batch by now: its answers are waiting.
        while let Some(len) = self.receive(buffer)? {
            let bytes = buffer.get(..len).unwrap_or_default();
            for message in Messages::new(bytes) {
                if let Ok(Message::Ack(ack)) = message.map(|envelope| envelope.message)
                    && ack.errno != 0
                {
                    refused(&ack);
                }
            }
        }
        Ok(())
    }

    /// Sends a dump request and calls `each` for every datagram of the answer. The request is
    /// repeated if the table changed meanwhile.
    pub(super) fn dump(
        &self,
        buffer: &mut [u8],
        batch: &Batch,
        each: &mut dyn FnMut(&[u8], &mut DumpProgress),
    ) -> io::Result<()> {
        for _ in 0..DUMP_ATTEMPTS {
            self.send(batch.bytes())?;
            let mut progress = DumpProgress::default();
            // The whole answer is read in any case: the rest would be taken for the answer to the
            // next request.
            while let Some(len) = self.receive(buffer)? {
                each(buffer.get(..len).unwrap_or_default(), &mut progress);
            }
            if let Some(errno) = progress.refusal {
                return Err(io::Error::from_raw_os_error(errno));
            }
            if !progress.interrupted {
                break;
            }
        }
        Ok(())
    }

    /// Sends requests to the kernel, which processes them before this returns.
    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Reads one datagram; `None` if none is waiting.
    ///
    /// # Errors
    /// `ENOBUFS`: events were lost.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(self.fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(len) => Ok(Some(len)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

// ---- the filter for routes ----

/// Offset of `nlmsg_type` in the message header.
const TYPE_OFFSET: u32 = 4;
/// Offset of `rtm_protocol` in a route message.
const PROTOCOL_OFFSET: u32 = 16 + 5;

/// A classic BPF program that accepts deletions of routes with our protocol number, and of all
/// rules: their protocol is an attribute without a fixed offset, and they are few.
fn deleted_routes() -> [SockFilter; 7] {
    // Classic BPF loads big-endian values; netlink messages are in host byte order.
    let kind = |number: u16| u32::from(u16::from_be_bytes(number.to_ne_bytes()));
    let step = |code: u32, jt, jf, k| SockFilter::new(u16::try_from(code).unwrap_or(0), jt, jf, k);
    let load_half = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    let load_byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    [
        step(load_half, 0, 0, TYPE_OFFSET),
        step(equal, 0, 2, kind(route::RTM_DELROUTE)),
        step(load_byte, 0, 0, PROTOCOL_OFFSET),
        step(equal, 2, 1, u32::from(Route::PROTOCOL)),
        step(equal, 1, 0, kind(rule::RTM_DELRULE)),
        step(answer, 0, 0, 0),
        step(answer, 0, 0, u32::MAX),
    ]
}
