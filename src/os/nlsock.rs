//! Netlink sockets: one that asks and is answered at once, one that is told of changes, and one for the packet
//! filter where it is needed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

use crate::sys;

/// Groups of changes to links and addresses (rtnetlink.h: RTMGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Receive buffer asked for: a burst of thousands of address changes, or as many refusals.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A netlink socket.
#[derive(Debug)]
pub(super) struct NetlinkSocket {
    fd: OwnedFd,
}

impl NetlinkSocket {
    /// For requests and dumps.
    pub(super) fn requests() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute, 0)
    }

    /// For requests to netfilter.
    pub(super) fn netfilter() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkNetFilter, 0)
    }

    /// For news of links and addresses.
    pub(super) fn events() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute, GROUPS)
    }

    fn open(protocol: SockProtocol, groups: u32) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, protocol)?;
        if setsockopt(&fd, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        // The kernel's own words with each refusal, and no copy of the request; both since 4.12/4.3.
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
            let _ = sys::set_int_option(fd.as_fd(), libc::SOL_NETLINK, option, 1);
        }
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
        Ok(NetlinkSocket { fd })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Hands requests to the kernel, which works on them before this returns.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        send(self.fd(), bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Takes one datagram; `None` when there is none.
    ///
    /// # Errors
    /// `ENOBUFS`: news were lost, look at everything again.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match recv(self.fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(len) => Ok(Some(len)),
            Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}
