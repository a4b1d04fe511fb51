//! Raw sockets that send and receive adverts, and send Ethernet frames.
//!
//! Adverts are sent through one socket per family, complete with their IP header, so all instances
//! share two descriptors. They are received through one socket per family and interface
//! (`engine::system::Listener`); the engine finds the instance.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{Ipv6RecvPacketInfo, RcvBufForce, ReceiveTimestampns, RxqOvfl};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn6, recv, recvmsg, setsockopt};
use socket2::{
    Domain, InterfaceIndexOrAddress, MsgHdr, Protocol, SockAddr, SockFilter, Socket, Type,
};

use super::clock;
use super::read_pause::ReadPause;
use super::receive_clock::ReceiveTime;
use super::resignations::Resignations;
use crate::engine;
use crate::engine::system::{AdvertRoute, Ipv6Fields, Listener, Reception, errno_text, error_text};
use crate::log;
use crate::sys;
use crate::types::{Family, IfIndex, IfName, Instant, ReadDelays};
use crate::wire::bpf::{AdvertFilter, DROP_ALL, Instruction};

/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
const PROTO_VRRP: i32 = 112;
/// IP protocol number of the authentication header (RFC 2402 §2).
const PROTO_AH: i32 = 51;
/// Size of the receive buffer, in bytes: for the adverts of 255 instances at 10 ms during a stall
/// of 250 ms.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Packets discarded at most: more than a receive buffer holds at first.
const DISCARDED: u32 = 4096;
/// `TC_PRIO_CONTROL` (`linux/pkt_sched.h`): adverts are sent before bulk traffic.
const PRIORITY_CONTROL: u32 = 7;

/// Attaches a packet filter in place of the previous one.
pub(super) fn attach(socket: &Socket, program: &[Instruction]) -> io::Result<()> {
    let instruction = |one: &Instruction| SockFilter::new(one.code, one.jt, one.jf, one.k);
    let program: Vec<SockFilter> = program.iter().map(instruction).collect();
    socket.attach_filter(&program)
}

fn raw(domain: Domain, protocol: i32) -> io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    Socket::new(domain, kind, Some(Protocol::from(protocol)))
}

/// A socket for packets of this family and protocol.
pub(super) fn raw_for(on: Listener) -> io::Result<Socket> {
    let domain = match on.family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let protocol = match on.protocol {
        engine::system::Protocol::Vrrp => PROTO_VRRP,
        engine::system::Protocol::Ah => PROTO_AH,
    };
    raw(domain, protocol)
}

/// Discards what is waiting.
pub(super) fn discard(socket: RawFd) {
    let mut byte = [0];
    for _ in 0..DISCARDED {
        if recv(socket, &mut byte, MsgFlags::MSG_DONTWAIT).is_err() {
            return;
        }
    }
}

// ---- sending ----

/// Sends adverts of both families and Ethernet frames.
#[derive(Debug)]
pub(super) struct Sender {
    v4: Socket,
    /// `None` on a kernel without IPv6.
    v6: Option<Socket>,
    /// `None` on a kernel without packet sockets.
    frames: Option<Socket>,
}

impl Sender {
    pub(super) fn open() -> io::Result<Self> {
        let v4 = raw(Domain::IPV4, libc::IPPROTO_RAW)?;
        v4.set_header_included_v4(true)?;
        v4.set_multicast_loop_v4(false)?;
        v4.set_priority(PRIORITY_CONTROL)?;
        // IPPROTO_RAW implies "header included" for IPv6.
        let v6 = raw(Domain::IPV6, libc::IPPROTO_RAW).ok();
        if let Some(socket) = &v6 {
            socket.set_multicast_loop_v6(false)?;
            socket.set_priority(PRIORITY_CONTROL)?;
        }
        // Protocol 0: this socket receives nothing.
        let frames = match raw(Domain::PACKET, 0) {
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                log::warn!(
                    target: "vrrp",
                    "no packet sockets (CONFIG_PACKET): no gratuitous ARP or neighbor advertisement is sent"
                );
                None
            }
            outcome => Some(outcome?),
        };
        if let Some(socket) = &frames {
            socket.set_priority(PRIORITY_CONTROL)?;
        }
        Ok(Sender { v4, v6, frames })
    }

    /// Sends a complete IP packet.
    pub(super) fn advert(&self, route: &AdvertRoute, packet: &[u8]) -> io::Result<()> {
        let interface = route.interface.map_or(0, |index| index.0);
        match route.dst {
            IpAddr::V4(dst) => {
                let to = SockAddr::from(SocketAddr::from((dst, 0)));
                let control = PktInfo::new(interface);
                let buffers = [IoSlice::new(packet)];
                let message = MsgHdr::new()
                    .with_addr(&to)
                    .with_buffers(&buffers)
                    .with_control(&control.0);
                self.v4.sendmsg(&message, 0).map(drop)
            }
            IpAddr::V6(dst) => {
                let socket = self.v6.as_ref().ok_or_else(unavailable)?;
                // The scope chooses the interface for link-local groups and peers.
                let to = SockAddr::from(SocketAddrV6::new(dst, 0, 0, interface));
                socket.send_to(packet, &to).map(drop)
            }
        }
    }

    /// Sends a complete Ethernet frame.
    pub(super) fn frame(&self, interface: IfIndex, frame: &[u8]) -> io::Result<()> {
        let socket = self.frames.as_ref().ok_or_else(unavailable)?;
        socket
            .send_to(frame, &sys::packet_address(interface.0, 0))
            .map(drop)
    }
}

/// The error of a socket that this kernel does not offer.
fn unavailable() -> io::Error {
    io::Error::from_raw_os_error(libc::EAFNOSUPPORT)
}

/// An `IP_PKTINFO` control message that names the outgoing interface (0: the routing table
/// decides).
struct PktInfo([u8; PktInfo::LEN]);

impl PktInfo {
    const WORD: usize = size_of::<usize>();
    /// `cmsghdr` (a word and two ints), then ifindex, spec_dst, addr; padded to a word.
    const LEN: usize = (Self::WORD + 8 + 12).next_multiple_of(Self::WORD);

    fn new(interface: u32) -> Self {
        let mut bytes = [0; Self::LEN];
        let mut at = 0_usize;
        let mut put = |field: &[u8]| {
            if let Some(target) = bytes.get_mut(at..at.saturating_add(field.len())) {
                target.copy_from_slice(field);
            }
            at = at.saturating_add(field.len());
        };
        put(&(Self::WORD + 8 + 12).to_ne_bytes());
        put(&libc::IPPROTO_IP.to_ne_bytes());
        put(&libc::IP_PKTINFO.to_ne_bytes());
        put(&interface.to_ne_bytes());
        PktInfo(bytes)
    }
}

// ---- receiving ----

/// A datagram in a [`Buffer`].
#[derive(Clone, Copy, Debug)]
pub(super) struct PacketInfo {
    /// Its length in the buffer.
    pub(super) len: usize,
    /// The kernel's receive time stamp (SO_TIMESTAMPNS): nanoseconds since 1970.
    pub(super) stamp: Option<u64>,
    /// Packets that the kernel had dropped before because the receive buffer was full
    /// (SO_RXQ_OVFL), modulo 2^32.
    pub(super) lost: u32,
    /// IPv6 only; IPv4 packets include their header.
    pub(super) v6: Option<Ipv6Fields>,
}

/// A receive socket.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) on: Listener,
    socket: Socket,
    pub(super) reception: Reception,
    pub(super) pause: ReadPause,
    pub(super) resignations: Resignations,
    /// [`PacketInfo::lost`] of the last packet.
    lost: u32,
}

impl Receiver {
    pub(super) fn open(
        on: Listener,
        name: Option<&IfName>,
        filter: &AdvertFilter,
    ) -> io::Result<Self> {
        let socket = raw_for(on)?;
        // A raw socket receives from all interfaces until it is bound.
        let filters = attach(&socket, &DROP_ALL);
        if setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER).is_err() {
            // Without CAP_NET_ADMIN in the initial user namespace: limited to net.core.rmem_max.
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        if let Err(errno) = setsockopt(&socket, ReceiveTimestampns, &true) {
            let why = errno_text(errno as i32);
            log::debug!(target: "vrrp", "adverts have no receive time stamps: {why}");
        }
        // Missing in old kernels.
        let _ = setsockopt(&socket, RxqOvfl, &1);
        match on.family {
            // Missing in old kernels. The engine drops adverts that no instance is configured for.
            Family::V4 => drop(socket.set_multicast_all_v4(false)),
            Family::V6 => {
                drop(socket.set_multicast_all_v6(false));
                socket.set_recv_hoplimit_v6(true)?;
                setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
            }
        }
        if let Some(name) = name {
            socket.bind_device(Some(name.as_str().as_bytes()))?;
        }
        for group in filter.groups() {
            join(&socket, *group, on.interface.map_or(0, |index| index.0))?;
        }
        let receiver = Receiver {
            on,
            socket,
            reception: Reception::default(),
            pause: ReadPause::default(),
            resignations: Resignations::Unopened,
            lost: 0,
        };
        discard(receiver.fd());
        match filters {
            Ok(()) => receiver.set_filter(filter),
            Err(error) => log::debug!(
                target: "vrrp",
                "no socket filters ({}): packets that are no adverts are dropped by the daemon",
                error_text(&error)
            ),
        }
        Ok(receiver)
    }

    /// Replaces the socket's filter.
    pub(super) fn set_filter(&self, filter: &AdvertFilter) {
        let error = match attach(&self.socket, &filter.program()) {
            Ok(()) => return,
            Err(error) => error,
        };
        // The previous filter would drop adverts of new instances.
        drop(self.socket.detach_filter());
        log::debug!(target: "vrrp", "cannot set a socket filter: {}", error_text(&error));
    }

    pub(super) fn fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// The descriptor to wait for; ppoll ignores negative ones.
    pub(super) fn poll_fd(&self) -> RawFd {
        match self.pause.end() {
            Some(_) => -1,
            None => self.fd(),
        }
    }

    /// To be called after `packets` were read, from `start` on until none was left: pauses if
    /// packets come in quick succession. Whether that opened a socket.
    pub(super) fn pause(
        &mut self,
        start: Instant,
        packets: u32,
        delays: impl FnOnce() -> ReadDelays,
    ) -> bool {
        let has_apart = !matches!(self.resignations, Resignations::Unavailable);
        self.pause.after_reading(start, packets, || {
            let delays = delays();
            match has_apart {
                true => delays.other,
                false => delays.other.min(delays.resignation),
            }
        });
        let opens =
            self.pause.end().is_some() && matches!(self.resignations, Resignations::Unopened);
        if opens {
            self.resignations = Resignations::open(self.on, &self.socket);
            // A resignation may have arrived before.
            self.pause.cancel();
        }
        opens
    }

    /// Records that this packet has been read.
    pub(super) fn note_read(&mut self, info: &PacketInfo, time: ReceiveTime) {
        if info.lost != self.lost {
            self.lost = info.lost;
            self.reception.lost_at = Some(time.counted);
        }
        self.reception.read_until = time.arrived.or(self.reception.read_until);
    }

    /// Reads one datagram; `None` if none is waiting.
    pub(super) fn receive(&self, into: &mut Buffer) -> io::Result<Option<PacketInfo>> {
        let Buffer { bytes, control } = into;
        let mut parts = [IoSliceMut::new(bytes)];
        let flags = MsgFlags::MSG_DONTWAIT;
        let message = match recvmsg::<SockaddrIn6>(self.fd(), &mut parts, Some(control), flags) {
            Ok(message) => message,
            Err(errno) => return nothing_yet(errno),
        };
        let (mut to, mut hops, mut stamp, mut lost) = (None, None, None, 0);
        for item in message.cmsgs()? {
            if let ControlMessageOwned::Ipv6PacketInfo(info) = item {
                to = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
            } else if let ControlMessageOwned::Ipv6HopLimit(limit) = item {
                hops = u8::try_from(limit).ok();
            } else if let ControlMessageOwned::ScmTimestampns(time) = item {
                stamp = clock::nanos(&time);
            } else if let ControlMessageOwned::RxqOvfl(count) = item {
                lost = count;
            }
        }
        let from = message.address.map(|address| address.ip());
        let v6 = match (from, to, hops) {
            (Some(src), Some(dst), Some(hop_limit)) => Some(Ipv6Fields {
                src,
                dst,
                hop_limit,
            }),
            _ => None,
        };
        Ok(Some(PacketInfo {
            len: message.bytes,
            stamp,
            lost,
            v6,
        }))
    }
}

fn nothing_yet(errno: Errno) -> io::Result<Option<PacketInfo>> {
    if matches!(errno, Errno::EAGAIN | Errno::EINTR) {
        return Ok(None);
    }
    Err(errno.into())
}

/// A receive buffer for one datagram and its control messages.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Vec<u8>,
    control: Vec<u8>,
}

impl Buffer {
    /// The longest advert (255 IPv6 addresses) takes 4,088 bytes.
    const LEN: usize = 8192;

    pub(super) fn new() -> Self {
        let control = cmsg_space!(
            libc::in6_pktinfo,
            libc::c_int,
            nix::sys::time::TimeSpec,
            u32
        );
        Buffer {
            bytes: vec![0; Self::LEN],
            control,
        }
    }
}

fn join(socket: &Socket, group: IpAddr, interface: u32) -> io::Result<()> {
    match group {
        IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))
        }
        IpAddr::V6(group) => socket.join_multicast_v6(&group, interface),
    }
}
