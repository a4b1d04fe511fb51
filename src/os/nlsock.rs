//! Netlink sockets: one that asks and is answered at once, one that is told of changes, and one for the packet
//! filter where it is needed.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};

use socket2::{SockFilter, SockRef};

use crate::config::model::Route;
use crate::netlink::{route, rule};
use crate::sys;

/// Groups of changes to links and addresses (rtnetlink.h: RTMGRP_LINK, _IPV4_IFADDR, _IPV6_IFADDR).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;
/// Groups of changes to routes and rules (RTMGRP_IPV4_ROUTE, _IPV6_ROUTE, _IPV4_RULE; IPv6 rules are group 19).
const ROUTE_GROUPS: u32 = 0x40 | 0x400 | 0x80 | 1 << 18;
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

    /// For requests to families of generic netlink.
    #[cfg(feature = "lvs")]
    pub(super) fn generic() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkGeneric, 0)
    }

    /// For news of links and addresses.
    pub(super) fn events() -> io::Result<Self> {
        Self::open(SockProtocol::NetlinkRoute, GROUPS)
    }

    /// For news of routes of ours, and of rules, that somebody deletes. A router that speaks BGP has a million
    /// routes of others that come and go: the kernel sorts them out before they cost us anything.
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

// ---- what is let through ----

/// Places in a message: `nlmsg_type` of its header, and `rtm_protocol` of a route.
const TYPE_AT: u32 = 4;
const PROTOCOL_AT: u32 = 16 + 5;

/// The filter, in the machine language of packet filters: routes with our protocol number that are deleted, and
/// all rules that are (their protocol stands in no fixed place, and they are few).
fn deleted_routes() -> [SockFilter; 7] {
    // The filter reads big-endian, the message is in the order of the machine.
    let kind = |number: u16| u32::from(u16::from_be_bytes(number.to_ne_bytes()));
    let step = |code: u32, jt, jf, k| SockFilter::new(u16::try_from(code).unwrap_or(0), jt, jf, k);
    let load_half = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
    let load_byte = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let answer = libc::BPF_RET | libc::BPF_K;
    [
        step(load_half, 0, 0, TYPE_AT),
        step(equal, 0, 2, kind(route::RTM_DELROUTE)),
        step(load_byte, 0, 0, PROTOCOL_AT),
        step(equal, 2, 1, u32::from(Route::PROTOCOL)),
        step(equal, 1, 0, kind(rule::RTM_DELRULE)),
        step(answer, 0, 0, 0),
        step(answer, 0, 0, u32::MAX),
    ]
}
