//! Packet sockets, one for each interface.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{RcvBufForce, ReceiveTimestampns};
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
};
use socket2::{Domain, Socket, Type};

use super::super::signals::{Signal, Signals};
use super::super::{clock, raw_socket};
use super::Next;
use crate::engine::system::{errno_text, error_text};
use crate::sniff::frame::Captured;
use crate::sys;
use crate::types::{Cidr, IfName};
use crate::wire::capture_filter::PROGRAM;

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// `PACKET_OUTGOING`.
const OUTGOING: u8 = 4;
/// The longest frame.
const MAX_FRAME: usize = 65_536;
/// Bytes of a VLAN tag.
const TAG: usize = 4;
/// Frames read from a socket before the others take their turn.
const TURN: u32 = 64;
/// Size of each receive buffer, in bytes.
const RECEIVE_BUFFER: usize = 1 << 20;

/// An interface.
struct Interface {
    name: String,
    index: u32,
    is_up: bool,
    /// A virtual router's: its frames are seen on the interface below it, too.
    is_vmac: bool,
}

/// The Ethernet interfaces.
fn interfaces() -> Result<Vec<Interface>, String> {
    let listed = getifaddrs().map_err(|errno| {
        let why = errno_text(errno as i32);
        format!("cannot list the interfaces: {why}")
    })?;
    let each = listed.filter_map(|one| {
        let address = one.address?;
        let link = address.as_link_addr()?;
        let is_ethernet =
            link.hatype() == ETHERNET && !one.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        is_ethernet.then(|| Interface {
            index: u32::try_from(link.ifindex()).unwrap_or(0),
            is_up: one.flags.contains(InterfaceFlags::IFF_UP),
            is_vmac: matches!(link.addr(), Some([0, 0, 0x5e, 0, 1 | 2, _])),
            name: one.interface_name,
        })
    });
    Ok(each.collect())
}

/// The addresses of all interfaces.
pub(super) fn local_addresses() -> Vec<(IfName, Cidr)> {
    let Ok(listed) = getifaddrs() else {
        return Vec::new();
    };
    let each = listed.filter_map(|one| {
        let addr = ip(&one.address?)?;
        let ones = match ip(&one.netmask?)? {
            IpAddr::V4(mask) => mask.to_bits().count_ones(),
            IpAddr::V6(mask) => mask.to_bits().count_ones(),
        };
        let prefix = u8::try_from(ones).ok()?;
        Some((IfName::new(&one.interface_name)?, Cidr { addr, prefix }))
    });
    each.collect()
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// An open packet socket.
struct Listener {
    name: String,
    socket: Socket,
    dropped: u64,
}

impl Listener {
    fn open(interface: &Interface) -> io::Result<Self> {
        let kind = Type::RAW.nonblocking().cloexec();
        // Protocol 0: nothing is received before the filter is in place.
        let socket = Socket::new(Domain::PACKET, kind, None)?;
        raw_socket::attach(&socket, &PROGRAM)?;
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        sys::packet::report_vlan(socket.as_fd())?;
        sys::packet::receive_all_multicast(socket.as_fd(), interface.index)?;
        socket.bind(&sys::packet::all_frames(interface.index))?;
        Ok(Listener {
            name: interface.name.clone(),
            socket,
            dropped: 0,
        })
    }
}

/// The interfaces that are listened on.
pub(super) struct Capture {
    signals: Signals,
    listeners: Vec<Listener>,
    buffer: Vec<u8>,
    control: Vec<u8>,
}

/// A frame in the buffer.
struct Received {
    at: Duration,
    outgoing: bool,
    /// Where it starts.
    start: usize,
    end: usize,
}

impl Capture {
    /// Listens on these interfaces; none: on all that are up.
    pub(super) fn open(names: &[String]) -> Result<Self, String> {
        let all = interfaces()?;
        let chosen: Vec<&Interface> = match names {
            [] => all.iter().filter(|one| one.is_up && !one.is_vmac).collect(),
            names => names
                .iter()
                .map(|name| {
                    let found = all.iter().find(|one| one.name == *name);
                    found.ok_or_else(|| format!("{name} is no Ethernet interface here"))
                })
                .collect::<Result<_, _>>()?,
        };
        if chosen.is_empty() {
            return Err("no Ethernet interface is up".to_owned());
        }
        let signals = Signals::block().map_err(|errno| {
            let why = errno_text(errno as i32);
            format!("cannot read signals: {why}")
        })?;
        let mut listeners = Vec::new();
        for interface in chosen {
            let listener = Listener::open(interface).map_err(|error| {
                let name = &interface.name;
                match error.raw_os_error() {
                    Some(libc::EPERM | libc::EACCES) => {
                        format!("cannot listen on {name}: run it as root, or with CAP_NET_RAW")
                    }
                    Some(libc::EAFNOSUPPORT) => {
                        format!("cannot listen on {name}: no packet sockets (CONFIG_PACKET)")
                    }
                    _ => format!("cannot listen on {name}: {}", error_text(&error)),
                }
            })?;
            listeners.push(listener);
        }
        Ok(Capture {
            signals,
            listeners,
            buffer: vec![0; MAX_FRAME + TAG],
            // `struct tpacket_auxdata` has 20 bytes.
            control: cmsg_space!(nix::sys::time::TimeSpec, [u32; 5]),
        })
    }

    /// Hands over every frame until `handle` or a signal ends it.
    pub(super) fn run(
        &mut self,
        handle: &mut dyn FnMut(Captured<'_>) -> Result<Next, String>,
    ) -> Result<(), String> {
        loop {
            self.wait()?;
            while let Some(received) = self.signals.next() {
                if received.signal == Signal::Stop {
                    return Ok(());
                }
            }
            for nth in 0..self.listeners.len() {
                if self.turn(nth, handle)? == Next::Stop {
                    return Ok(());
                }
            }
        }
    }

    fn wait(&self) -> Result<(), String> {
        let sockets = self.listeners.iter().map(|one| one.socket.as_fd());
        let fds = [self.signals.as_fd()].into_iter().chain(sockets);
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno_text(errno as i32).to_string()),
        }
    }

    /// Reads some frames of an interface.
    fn turn(
        &mut self,
        nth: usize,
        handle: &mut dyn FnMut(Captured<'_>) -> Result<Next, String>,
    ) -> Result<Next, String> {
        for _ in 0..TURN {
            let received = self.receive(nth)?;
            let Some(listener) = self.listeners.get(nth) else {
                break;
            };
            let Some(Received {
                at,
                outgoing,
                start,
                end,
            }) = received
            else {
                break;
            };
            let bytes = self.buffer.get(start..end).unwrap_or_default();
            let frame = Captured {
                at,
                interface: &listener.name,
                outgoing,
                bytes,
                sent: bytes.len(),
            };
            if handle(frame)? == Next::Stop {
                return Ok(Next::Stop);
            }
        }
        Ok(Next::Continue)
    }

    /// The next frame of an interface, with the VLAN tag that the kernel has removed; `None`: no
    /// frame waits.
    fn receive(&mut self, nth: usize) -> Result<Option<Received>, String> {
        let Capture {
            listeners,
            buffer,
            control,
            ..
        } = self;
        let Some(listener) = listeners.get(nth) else {
            return Ok(None);
        };
        let room = buffer.get_mut(TAG..).unwrap_or_default();
        let mut parts = [IoSliceMut::new(room)];
        let fd = listener.socket.as_raw_fd();
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<LinkAddr>(fd, &mut parts, Some(control), flags) {
            Ok(message) => message,
            // The interface has gone down; it may come back.
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(None),
            Err(errno) => {
                let why = errno_text(errno as i32);
                return Err(format!("cannot read from {}: {why}", listener.name));
            }
        };
        let (mut at, mut tag) = (None, None);
        let items = message
            .cmsgs()
            .map_err(|errno| errno_text(errno as i32).to_string())?;
        for item in items {
            if let ControlMessageOwned::ScmTimestampns(time) = item {
                at = clock::nanos(&time).map(Duration::from_nanos);
            } else if let ControlMessageOwned::Unknown(other) = item {
                let header = other.cmsg_header;
                let (level, kind) = (header.cmsg_level, header.cmsg_type);
                tag = sys::packet::vlan_tag(level, kind, &other.data_bytes);
            }
        }
        let outgoing = message
            .address
            .is_some_and(|from| from.pkttype() == OUTGOING);
        let end = message.bytes.saturating_add(TAG);
        let start = match tag {
            None => TAG,
            Some((tci, tpid)) => {
                put_tag(buffer, tci, tpid);
                0
            }
        };
        Ok(Some(Received {
            at: at.unwrap_or_else(clock::since_1970),
            outgoing,
            start,
            end,
        }))
    }

    /// Frames that were not read in time, so far.
    pub(super) fn dropped(&mut self) -> u64 {
        for listener in &mut self.listeners {
            let more = sys::packet::dropped(listener.socket.as_fd()).unwrap_or(0);
            listener.dropped = listener.dropped.saturating_add(more.into());
        }
        self.listeners.iter().map(|one| one.dropped).sum()
    }
}

/// Inserts a VLAN tag into a frame that starts [`TAG`] bytes after the start of the buffer; the
/// frame starts at the start then.
fn put_tag(buffer: &mut [u8], tci: u16, tpid: u16) {
    const ADDRESSES: usize = 12;
    buffer.copy_within(TAG..TAG + ADDRESSES, 0);
    let tag = buffer.get_mut(ADDRESSES..ADDRESSES + TAG);
    let [a, b] = tpid.to_be_bytes();
    let [c, d] = tci.to_be_bytes();
    if let Some(tag) = tag {
        tag.copy_from_slice(&[a, b, c, d]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_tag_is_inserted_after_the_addresses() {
        let mut buffer: Vec<u8> = vec![0; TAG];
        buffer.extend([1; 6]);
        buffer.extend([2; 6]);
        buffer.extend([8, 0, 0x45]);
        put_tag(&mut buffer, 100, 0x8100);
        let want = [[1; 6], [2; 6]].concat();
        assert_eq!(buffer[..12], want);
        assert_eq!(buffer[12..], [0x81, 0, 0, 100, 8, 0, 0x45]);
    }
}
