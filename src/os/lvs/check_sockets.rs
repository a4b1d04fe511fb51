//! Sockets of health checks.
//!
//! They are kept in a vector, each with its entry for the loop's poll list; the last one moves to
//! the index of one that is closed. A socket is polled for POLLOUT until it is connected and while
//! bytes wait to be sent, and for POLLIN otherwise. An iteration of the loop takes at most one
//! event from each socket, and stops when the time for all of them is over; the rest stays in the
//! kernel until the next iteration, which continues behind the last socket served. So does an event
//! of a socket whose index has changed. They are polled again when all events of the last poll have
//! been served: polling thousands of sockets for the few that can be served takes too long.
//!
//! After several sockets were opened or served they are not polled for a moment: then they answer
//! within one wake-up.

use core::time::Duration;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::check::{ProbeTransport, SocketEvent};
use crate::config::model::lvs::Target;
use crate::sys;
use crate::types::{Family, Instant};
use crate::wire::checksum::Sum;

/// Maximum number of bytes waiting to be sent to one peer.
const MAX_PENDING: usize = 64 << 10;
/// Maximum number of bytes received from one connection per iteration.
const MAX_RECEIVED: usize = 16 << 10;
/// RLIMIT_NOFILE to raise the limit to when it is reached: thousands of servers may be down at
/// once.
const FILES: rlim_t = 8192;
/// How long sockets are not polled after some were opened or served.
const PAUSE: Duration = Duration::from_millis(2);
/// Number of sockets from which on it is worth it.
const MANY: usize = 4;
/// Index of a check without a socket.
const NO_SOCKET: usize = usize::MAX;
/// Socket option of `linux/icmp.h`: drops the ICMP types whose bits are set.
const ICMP_FILTER: libc::c_int = 1;

/// An event of a socket; the bytes are at the start of the caller's buffer.
type Event = SocketEvent<usize>;

#[derive(Debug)]
struct CheckSocket {
    check: usize,
    socket: Socket,
    transport: ProbeTransport,
    family: Family,
    connected: bool,
    /// Bytes that the kernel had no room for yet.
    pending: Vec<u8>,
    /// Identifier of echo requests on a raw socket.
    echo_id: Option<u16>,
}

/// The sockets of all checks.
#[derive(Debug)]
pub(crate) struct CheckSockets {
    sockets: Vec<CheckSocket>,
    /// Poll list entry of each socket; after its end or failure with descriptor -1.
    entries: Vec<libc::pollfd>,
    /// Index of each check's socket, or [`NO_SOCKET`].
    indexes: Vec<usize>,
    /// Maximum number of sockets.
    limit: usize,
    /// Index of the socket to serve next.
    next: usize,
    /// Number of sockets still to be served in this iteration.
    left: usize,
    /// Whether the last poll included the sockets.
    polled: bool,
    /// Whether sockets were opened or served since the last pause.
    busy: bool,
    /// End of the pause in progress.
    pause: Option<Instant>,
    /// Identifier of the latest echo request on a raw socket.
    echo_id: u16,
}

impl Default for CheckSockets {
    fn default() -> Self {
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let [.., high, low] = std::process::id().to_be_bytes();
        CheckSockets {
            sockets: Vec::new(),
            entries: Vec::new(),
            indexes: Vec::new(),
            limit: share(soft),
            next: 0,
            left: 0,
            polled: false,
            busy: false,
            pause: None,
            echo_id: u16::from_be_bytes([high, low]),
        }
    }
}

impl CheckSockets {
    /// Entries for the loop's poll list: none during a pause, and while events of the last poll have
    /// not been served.
    pub(crate) fn entries(&self) -> &[libc::pollfd] {
        match self.left == 0 && self.pause.is_none() {
            true => &self.entries,
            false => &[],
        }
    }

    /// How long the loop may wait at most for the sake of the sockets. To be called before each
    /// poll.
    pub(super) fn wait_limit(&mut self, clock: impl Fn() -> Instant) -> Option<Duration> {
        if self.left > 0 {
            return Some(Duration::ZERO);
        }
        let busy = core::mem::take(&mut self.busy);
        if self.pause.is_none() && !(busy && self.sockets.len() >= MANY) {
            return None;
        }
        let now = clock();
        let end = self.pause.unwrap_or_else(|| now.after(PAUSE));
        self.pause = Some(end).filter(|end| *end > now);
        self.pause.map(|end| end.since(now))
    }

    fn find(&self, check: usize) -> Option<usize> {
        let index = self.indexes.get(check).copied();
        index.filter(|index| *index != NO_SOCKET)
    }

    /// See [`crate::engine::system::lvs::LvsSystem::open_check`].
    pub(super) fn open(
        &mut self,
        check: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        self.close(check);
        if self.sockets.len() >= self.limit && !self.raise_limit() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let Opened { socket, raw } = open(transport, target)?;
        self.busy = true;
        self.echo_id = self.echo_id.wrapping_add(1);
        if self.indexes.len() <= check {
            self.indexes.resize(check + 1, NO_SOCKET);
        }
        if let Some(index) = self.indexes.get_mut(check) {
            *index = self.sockets.len();
        }
        self.entries.push(libc::pollfd {
            fd: socket.as_raw_fd(),
            // For datagrams too: they count as connected when they can be sent.
            events: libc::POLLOUT,
            revents: 0,
        });
        self.sockets.push(CheckSocket {
            check,
            socket,
            transport,
            family: Family::of(target.remote.ip()),
            connected: false,
            pending: Vec::new(),
            echo_id: raw.then_some(self.echo_id),
        });
        Ok(())
    }

    /// Raises the limit of open files; false if the kernel refuses.
    fn raise_limit(&mut self) -> bool {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
            return false;
        };
        let more = hard.min(FILES);
        if more <= soft || setrlimit(Resource::RLIMIT_NOFILE, more, hard).is_err() {
            return false;
        }
        self.limit = share(more);
        true
    }

    /// See [`crate::engine::system::lvs::LvsSystem::pause_check`].
    pub(super) fn pause(&mut self, check: usize) {
        let index = self.find(check);
        if let Some(entry) = index.and_then(|index| self.entries.get_mut(index)) {
            // ppoll ignores negative descriptors.
            entry.fd = -1;
        }
    }

    /// Gives up the socket of a check to the caller, as a blocking one.
    pub(super) fn take(&mut self, check: usize) -> io::Result<TcpStream> {
        let socket = self.remove(check).ok_or(io::ErrorKind::NotConnected)?;
        socket.set_nonblocking(false)?;
        Ok(TcpStream::from(socket))
    }

    /// See [`crate::engine::system::lvs::LvsSystem::close_check`].
    pub(super) fn close(&mut self, check: usize) {
        drop(self.remove(check));
    }

    fn remove(&mut self, check: usize) -> Option<Socket> {
        let index = self.find(check)?;
        if let Some(closed) = self.indexes.get_mut(check) {
            *closed = NO_SOCKET;
        }
        let closed = self.sockets.swap_remove(index);
        self.entries.swap_remove(index);
        let moved = self.sockets.get(index).map(|socket| socket.check);
        if let Some(moved) = moved.and_then(|check| self.indexes.get_mut(check)) {
            *moved = index;
        }
        Some(closed.socket)
    }

    /// See [`crate::engine::system::lvs::LvsSystem::send_check`].
    pub(super) fn send(&mut self, check: usize, bytes: &[u8]) -> io::Result<()> {
        let index = self.find(check);
        let found = index.and_then(|at| self.sockets.get_mut(at).zip(self.entries.get_mut(at)));
        let Some((socket, entry)) = found else {
            return Ok(());
        };
        socket.send(bytes)?;
        if !socket.pending.is_empty() {
            entry.events |= libc::POLLOUT;
        }
        Ok(())
    }

    /// Takes over what poll reported for [`CheckSockets::entries`]. To be called before a socket is
    /// opened or closed.
    pub(crate) fn polled(&mut self, entries: &[libc::pollfd]) {
        self.polled = !entries.is_empty();
        if !self.polled {
            return;
        }
        for (entry, polled) in self.entries.iter_mut().zip(entries) {
            entry.revents = polled.revents;
        }
        self.left = entries.len();
    }

    /// See [`crate::engine::system::lvs::LvsSystem::has_event`].
    pub(super) fn has_event(&self, check: usize) -> bool {
        let entry = self.find(check).and_then(|index| self.entries.get(index));
        entry.is_some_and(|entry| !self.polled || entry.revents != 0)
    }

    /// Whether [`CheckSockets::next`] may return an event.
    pub(super) fn has_events(&self) -> bool {
        self.left > 0
    }

    /// The next event of this iteration, and the check it is for.
    pub(crate) fn next(&mut self, buffer: &mut [u8]) -> Option<(usize, Event)> {
        while self.left > 0 {
            self.left -= 1;
            let at = self.next.checked_rem(self.entries.len()).unwrap_or(0);
            self.next = at + 1;
            let (socket, entry) = self.sockets.get_mut(at).zip(self.entries.get_mut(at))?;
            let Some(event) = socket.handle(entry, buffer) else {
                continue;
            };
            if let Event::Closed | Event::Failed(_) = event {
                // The last event of this socket; poll would report it again and again.
                (entry.fd, entry.revents) = (-1, 0);
            }
            self.busy = true;
            return Some((socket.check, event));
        }
        None
    }
}

/// The share of `files` open files for health checks; the rest is for receive sockets, children and
/// files.
fn share(files: rlim_t) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub((files / 4).max(64)).max(8)
}

impl CheckSocket {
    /// Handles what poll reported for this socket.
    fn handle(&mut self, entry: &mut libc::pollfd, buffer: &mut [u8]) -> Option<Event> {
        let ready = core::mem::take(&mut entry.revents);
        if ready == 0 {
            return None;
        }
        if !self.connected {
            // A failure is reported by POLLERR, which need not be requested.
            if ready & !libc::POLLOUT != 0
                && let Some(error) = self.socket.take_error().transpose()
            {
                return Some(failed(&error.unwrap_or_else(|error| error)));
            }
            if ready & libc::POLLOUT == 0 {
                return None;
            }
            self.connected = true;
            entry.events = libc::POLLIN;
            return Some(Event::Connected);
        }
        if ready & libc::POLLOUT != 0 {
            let bytes = core::mem::take(&mut self.pending);
            if let Err(error) = self.send(&bytes) {
                return Some(failed(&error));
            }
            if self.pending.is_empty() {
                entry.events = libc::POLLIN;
            }
        }
        if ready & !libc::POLLOUT == 0 {
            return None;
        }
        self.receive(buffer)
    }

    fn receive(&self, buffer: &mut [u8]) -> Option<Event> {
        let limit = match self.transport {
            ProbeTransport::Tcp | ProbeTransport::TcpConnect => MAX_RECEIVED.min(buffer.len()),
            // Whatever does not fit of a datagram is lost.
            ProbeTransport::Udp | ProbeTransport::Icmp => buffer.len(),
        };
        let buffer = buffer.get_mut(..limit)?;
        match recv(self.socket.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT) {
            Ok(0) if self.transport == ProbeTransport::Tcp => Some(Event::Closed),
            Ok(count) => match self.echo_id {
                Some(id) => strip_echo(self.family, id, buffer, count).map(Event::Received),
                None => Some(Event::Received(count)),
            },
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => None,
            Err(errno) => Some(Event::Failed(errno as i32)),
        }
    }

    /// Sends what the kernel has room for, and keeps the rest.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        if self.pending.is_empty() {
            let result = match self.echo_id {
                Some(id) => {
                    let (packet, len) = complete_echo(self.family, id, bytes);
                    let packet = packet.get(..len).unwrap_or_default();
                    self.socket.send_with_flags(packet, libc::MSG_NOSIGNAL)
                }
                None => self.socket.send_with_flags(bytes, libc::MSG_NOSIGNAL),
            };
            sent = match result {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            };
        }
        let rest = bytes.get(sent..).unwrap_or_default();
        if self.pending.len().saturating_add(rest.len()) > MAX_PENDING {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }
}

fn failed(error: &io::Error) -> Event {
    Event::Failed(error.raw_os_error().unwrap_or(libc::EIO))
}

// ---- opening ----

struct Opened {
    socket: Socket,
    /// A raw ICMP socket: identifier and checksum of echo requests are ours to fill in.
    raw: bool,
}

/// Opens a socket and starts to connect it.
fn open(transport: ProbeTransport, target: &Target) -> io::Result<Opened> {
    let domain = Domain::for_address(target.remote);
    let opened = match transport {
        ProbeTransport::Tcp | ProbeTransport::TcpConnect => {
            create(domain, Type::STREAM, Protocol::TCP)?
        }
        ProbeTransport::Udp => create(domain, Type::DGRAM, Protocol::UDP)?,
        ProbeTransport::Icmp => open_icmp(domain)?,
    };
    let socket = &opened.socket;
    if target.fwmark != 0 {
        socket.set_mark(target.fwmark)?;
    }
    if let Some(name) = &target.bind_interface {
        // This is also the scope of link-local addresses.
        socket.bind_device(Some(name.as_str().as_bytes()))?;
    }
    if transport == ProbeTransport::TcpConnect {
        // The end of the connection acknowledges that it is established: a packet less in each
        // direction. If the kernel refuses, nothing is lost.
        let _ = sys::set_int_option(socket.as_fd(), libc::IPPROTO_TCP, libc::TCP_QUICKACK, 0);
    }
    let icmp = transport == ProbeTransport::Icmp;
    let port = |port| if icmp { 0 } else { port };
    let from_port = port(target.bind_port);
    if target.bind_addr.is_some() || from_port != 0 {
        let any = match target.remote.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let from = SocketAddr::new(target.bind_addr.unwrap_or(any), from_port);
        if from_port != 0 {
            // The last connection from this port may be in TIME_WAIT.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(from))?;
    }
    let mut remote = target.remote;
    remote.set_port(port(remote.port()));
    match socket.connect(&SockAddr::from(remote)) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(opened),
    }
}

fn create(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Opened> {
    let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))?;
    let raw = kind == Type::RAW;
    Ok(Opened { socket, raw })
}

/// Opens a socket for echo requests: a datagram socket if the sysctl `ping_group_range` includes
/// one of our groups, else a raw one.
fn open_icmp(domain: Domain) -> io::Result<Opened> {
    let v4 = domain == Domain::IPV4;
    let protocol = if v4 {
        Protocol::ICMPV4
    } else {
        Protocol::ICMPV6
    };
    if let Ok(opened) = create(domain, Type::DGRAM, protocol) {
        return Ok(opened);
    }
    let opened = create(domain, Type::RAW, protocol)?;
    if v4 {
        // Receive nothing but echo replies (type 0).
        sys::set_int_option(opened.socket.as_fd(), libc::SOL_RAW, ICMP_FILTER, !1)?;
    }
    Ok(opened)
}

// ---- raw echo ----

/// Fills in an echo request as the kernel does on a datagram socket: the identifier and, for IPv4,
/// the checksum.
fn complete_echo(family: Family, id: u16, request: &[u8]) -> ([u8; 64], usize) {
    let mut packet = [0; 64];
    let len = request.len().min(packet.len());
    for (to, from) in packet.iter_mut().zip(request) {
        *to = *from;
    }
    if let Some(field) = packet.get_mut(4..6) {
        field.copy_from_slice(&id.to_be_bytes());
    }
    if family == Family::V4 {
        let sum = Sum::new().bytes(packet.get(..len).unwrap_or_default());
        if let Some(field) = packet.get_mut(2..4) {
            field.copy_from_slice(&sum.checksum().to_be_bytes());
        }
    }
    (packet, len)
}

/// Removes the IPv4 header of a received echo reply and returns its length; `None` if the reply has
/// another identifier.
fn strip_echo(family: Family, id: u16, packet: &mut [u8], len: usize) -> Option<usize> {
    let header = match packet.first() {
        Some(first) if family == Family::V4 => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let rest = packet.get(header..len)?;
    if rest.get(4..6)? != id.to_be_bytes() {
        return None;
    }
    let left = rest.len();
    packet.copy_within(header..len, 0);
    Some(left)
}

#[cfg(test)]
mod tests;
