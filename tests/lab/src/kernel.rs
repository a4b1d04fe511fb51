//! The kernel's address events, from a netlink socket.
//!
//! They show to the microsecond when an address was added or removed, and, unlike `ip addr`, that
//! it was not removed for a moment in between.

use std::io::IoSliceMut;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recvmsg,
    setsockopt, socket, sockopt,
};

use crate::net::Node;
use crate::{Ns, now, wait_for};

/// An address was added or removed.
#[derive(Clone, Debug)]
pub struct AddrEvent {
    /// When the event was read.
    pub at: Ns,
    /// Added or changed; otherwise removed.
    pub added: bool,
    /// The address.
    pub addr: IpAddr,
}

/// A listener on a node.
#[derive(Debug)]
pub struct Watch {
    events: Arc<Mutex<Vec<AddrEvent>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

const GROUPS: u32 = 0x10 | 0x100; // RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
const NEWADDR: u16 = 20;
const DELADDR: u16 = 21;

impl Watch {
    /// Starts listening in the node's namespace.
    #[must_use]
    pub fn start(node: &Node) -> Self {
        let fd = node.inside(open);
        let events = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, end) = (events.clone(), stop.clone());
        let thread = std::thread::spawn(move || listen(&fd, &shared, &end));
        Self {
            events,
            stop,
            thread: Some(thread),
        }
    }

    /// Events from `since` on.
    #[must_use]
    pub fn since(&self, since: Ns) -> Vec<AddrEvent> {
        let all = self.events.lock().expect("no panic while listening");
        all.iter().filter(|e| e.at >= since).cloned().collect()
    }

    /// Waits until `addr` is added after `since` and returns the time.
    #[must_use]
    pub fn added(&self, addr: IpAddr, since: Ns, limit: Duration) -> Option<Ns> {
        wait_for(limit, || {
            self.since(since)
                .iter()
                .find(|e| e.added && e.addr == addr)
                .map(|e| e.at)
        })
    }

    /// Whether `addr` was removed from `since` on.
    #[must_use]
    pub fn removed(&self, addr: IpAddr, since: Ns) -> bool {
        self.since(since).iter().any(|e| !e.added && e.addr == addr)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

fn open() -> OwnedFd {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )
    .expect("a netlink socket");
    if setsockopt(&fd, sockopt::RcvBufForce, &(16 << 20)).is_err() {
        let _ = setsockopt(&fd, sockopt::RcvBuf, &(16 << 20));
    }
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).expect("address events");
    fd
}

fn listen(fd: &OwnedFd, events: &Mutex<Vec<AddrEvent>>, stop: &AtomicBool) {
    let mut buf = vec![0u8; 65536];
    while !stop.load(Ordering::Relaxed) {
        let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(20u8));
        loop {
            let mut iov = [IoSliceMut::new(&mut buf)];
            let Ok(msg) = recvmsg::<()>(fd.as_raw_fd(), &mut iov, None, MsgFlags::empty()) else {
                break;
            };
            let (len, at) = (msg.bytes, now());
            let mut found = parse(buf.get(..len).unwrap_or_default(), at);
            events
                .lock()
                .expect("no panic while reading")
                .append(&mut found);
        }
    }
}

fn parse(mut b: &[u8], at: Ns) -> Vec<AddrEvent> {
    let mut found = Vec::new();
    while let Some(header) = b.get(..16) {
        let len = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let Some(body) = b.get(16..len) else { break };
        if kind == NEWADDR || kind == DELADDR {
            // struct ifaddrmsg is 8 bytes; attributes follow.
            if let Some(addr) = local(body.get(8..).unwrap_or_default()) {
                found.push(AddrEvent {
                    at,
                    added: kind == NEWADDR,
                    addr,
                });
            }
        }
        b = b.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

/// `IFA_LOCAL` (2) if there is one, else `IFA_ADDRESS` (1).
fn local(mut b: &[u8]) -> Option<IpAddr> {
    let mut best = None;
    while let Some(header) = b.get(..4) {
        let len = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]);
        let value = b.get(4..len)?;
        let addr = match value.len() {
            4 => <[u8; 4]>::try_from(value).ok().map(IpAddr::from),
            16 => <[u8; 16]>::try_from(value).ok().map(IpAddr::from),
            _ => None,
        };
        match kind {
            2 => best = addr.or(best),
            1 if best.is_none() => best = addr,
            _ => {}
        }
        b = b.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    best
}
