//! Sockets of health checks.
//!
//! They stand side by side, each with its entry in the loop's poll list; where one is closed, the last takes its place.
//! A socket waits to be writable until it is connected and while there is something left to send, and for
//! nothing but answers otherwise. A turn of the loop takes one piece of news from each, and only so many bytes from all
//! together: what is left waits in the kernel, and its turn comes next. So does the news of one that has changed places.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::socket::{MsgFlags, recv};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::check::ProbeTransport;
use crate::config::model::lvs::Target;
use crate::sys;
use crate::wire::checksum::Sum;

/// What is kept for a peer that takes nothing.
const MOST_PENDING: usize = 64 << 10;
/// Bytes taken from one connection in a turn.
const MOST_RECEIVED: usize = 16 << 10;
/// Open files we ask for when those we may have are not enough: thousands of servers may be silent at once.
const FILES: rlim_t = 8192;
/// Of a check without a socket.
const NOWHERE: usize = usize::MAX;
/// `linux/icmp.h`: blocks the types whose bits are set.
const ICMP_FILTER: libc::c_int = 1;

/// What has happened to a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Heard {
    /// It is connected.
    Connected,
    /// So many bytes are in the buffer.
    Bytes(usize),
    /// The peer sends no more.
    End,
    /// This is the matter.
    Failed(i32),
}

#[derive(Debug)]
struct Probe {
    number: usize,
    socket: Socket,
    transport: ProbeTransport,
    v4: bool,
    connected: bool,
    /// Waits for the kernel to have room.
    pending: Vec<u8>,
    /// The identifier of echo requests, where the kernel leaves that to us.
    echo: Option<u16>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Probes {
    probes: Vec<Probe>,
    /// One for each; without a descriptor where there is nothing to wait for.
    entries: Vec<libc::pollfd>,
    /// Where the socket of each check stands, by the check's number.
    places: Vec<usize>,
    /// The most there may be.
    limit: usize,
    /// The place whose turn is next, and how many have yet to have theirs.
    turn: usize,
    left: usize,
    echo: u16,
}

impl Probes {
    pub(super) fn new() -> Self {
        let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(1024, |(soft, _)| soft);
        let [.., high, low] = std::process::id().to_be_bytes();
        Probes {
            probes: Vec::new(),
            entries: Vec::new(),
            places: Vec::new(),
            limit: share(soft),
            turn: 0,
            left: 0,
            echo: u16::from_be_bytes([high, low]),
        }
    }

    /// What the loop is to wait for.
    pub(super) fn entries(&self) -> &[libc::pollfd] {
        &self.entries
    }

    fn find(&self, number: usize) -> Option<usize> {
        let place = self.places.get(number).copied();
        place.filter(|place| *place != NOWHERE)
    }

    /// See [`crate::engine::system::System::probe_open`].
    pub(super) fn open(
        &mut self,
        number: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        self.close(number);
        if self.probes.len() >= self.limit && !self.raise_limit() {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let (socket, raw) = open(transport, target)?;
        self.echo = self.echo.wrapping_add(1);
        if self.places.len() <= number {
            self.places.resize(number + 1, NOWHERE);
        }
        if let Some(place) = self.places.get_mut(number) {
            *place = self.probes.len();
        }
        self.entries.push(libc::pollfd {
            fd: socket.as_raw_fd(),
            // Even where there is no connection to be made: this is how everybody learns that it can begin.
            events: libc::POLLOUT,
            revents: 0,
        });
        self.probes.push(Probe {
            number,
            socket,
            transport,
            v4: target.remote.is_ipv4(),
            connected: false,
            pending: Vec::new(),
            echo: raw.then_some(self.echo),
        });
        Ok(())
    }

    /// Has the kernel let us open more files; false: it does not.
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

    /// See [`crate::engine::system::System::probe_close`].
    pub(super) fn close(&mut self, number: usize) {
        let Some(place) = self.find(number) else {
            return;
        };
        if let Some(gone) = self.places.get_mut(number) {
            *gone = NOWHERE;
        }
        drop(self.probes.swap_remove(place));
        self.entries.swap_remove(place);
        let moved = self.probes.get(place).map(|probe| probe.number);
        if let Some(moved) = moved.and_then(|number| self.places.get_mut(number)) {
            *moved = place;
        }
    }

    /// See [`crate::engine::system::System::probe_send`].
    pub(super) fn send(&mut self, number: usize, bytes: &[u8]) -> io::Result<()> {
        let found = self.find(number);
        let found = found.and_then(|nth| self.probes.get_mut(nth).zip(self.entries.get_mut(nth)));
        let Some((probe, entry)) = found else {
            return Ok(());
        };
        probe.send(bytes)?;
        if !probe.pending.is_empty() {
            entry.events |= libc::POLLOUT;
        }
        Ok(())
    }

    /// The loop has waited; these are its answers to [`Probes::entries`]. Before a socket is opened or closed.
    pub(super) fn polled(&mut self, answers: &[libc::pollfd]) {
        for (entry, answer) in self.entries.iter_mut().zip(answers) {
            entry.revents = answer.revents;
        }
        self.left = answers.len();
    }

    /// The next piece of news of this turn: whose, and what. Bytes come off the `budget`.
    pub(super) fn next(&mut self, buffer: &mut [u8], budget: &mut usize) -> Option<(usize, Heard)> {
        while self.left > 0 && *budget > 0 {
            self.left -= 1;
            let nth = self.turn.checked_rem(self.entries.len()).unwrap_or(0);
            self.turn = nth + 1;
            let (probe, entry) = self.probes.get_mut(nth).zip(self.entries.get_mut(nth))?;
            let Some(heard) = probe.hear(entry, buffer, *budget) else {
                continue;
            };
            match heard {
                Heard::Bytes(count) => *budget = budget.saturating_sub(count),
                Heard::Connected => {}
                // Nothing more will come, and the kernel would say so again and again.
                Heard::End | Heard::Failed(_) => (entry.fd, entry.revents) = (-1, 0),
            }
            return Some((probe.number, heard));
        }
        None
    }
}

/// How many of so many files health checks may have; the rest is for receive sockets, children, files.
fn share(files: rlim_t) -> usize {
    let files = usize::try_from(files).unwrap_or(usize::MAX);
    files.saturating_sub((files / 4).max(64)).max(8)
}

impl Probe {
    fn hear(
        &mut self,
        entry: &mut libc::pollfd,
        buffer: &mut [u8],
        budget: usize,
    ) -> Option<Heard> {
        let ready = core::mem::take(&mut entry.revents);
        if ready == 0 {
            return None;
        }
        if !self.connected {
            // A failure is told by POLLERR, which nobody has to ask for.
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
            return Some(Heard::Connected);
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
        self.receive(buffer, budget)
    }

    fn receive(&self, buffer: &mut [u8], budget: usize) -> Option<Heard> {
        let room = match self.transport {
            ProbeTransport::Tcp => budget.min(MOST_RECEIVED).min(buffer.len()),
            // All of a datagram, or its end is lost.
            ProbeTransport::Udp | ProbeTransport::Icmp => buffer.len(),
        };
        let room = buffer.get_mut(..room)?;
        match recv(self.socket.as_raw_fd(), room, MsgFlags::MSG_DONTWAIT) {
            Ok(0) if self.transport == ProbeTransport::Tcp => Some(Heard::End),
            Ok(count) => match self.echo {
                Some(echo) => strip(self.v4, echo, room, count).map(Heard::Bytes),
                None => Some(Heard::Bytes(count)),
            },
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => None,
            Err(errno) => Some(Heard::Failed(errno as i32)),
        }
    }

    /// Sends what the kernel takes, and keeps the rest.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        if self.pending.is_empty() {
            let result = match self.echo {
                Some(echo) => {
                    let (packet, len) = complete(self.v4, echo, bytes);
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
        if self.pending.len().saturating_add(rest.len()) > MOST_PENDING {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        self.pending.extend_from_slice(rest);
        Ok(())
    }
}

fn failed(error: &io::Error) -> Heard {
    Heard::Failed(error.raw_os_error().unwrap_or(libc::EIO))
}

// ---- opening ----

/// A socket that is connected, or about to be; true: raw, so that we do what the kernel does for others.
fn open(transport: ProbeTransport, target: &Target) -> io::Result<(Socket, bool)> {
    let domain = Domain::for_address(target.remote);
    let (socket, raw) = match transport {
        ProbeTransport::Tcp => (create(domain, Type::STREAM, Protocol::TCP)?, false),
        ProbeTransport::Udp => (create(domain, Type::DGRAM, Protocol::UDP)?, false),
        ProbeTransport::Icmp => echo(domain)?,
    };
    if target.mark != 0 {
        socket.set_mark(target.mark)?;
    }
    if let Some(name) = &target.interface {
        // For link-local addresses this is the scope, too.
        socket.bind_device(Some(name.as_str().as_bytes()))?;
    }
    let icmp = transport == ProbeTransport::Icmp;
    let port = |port| if icmp { 0 } else { port };
    let from_port = port(target.from_port);
    if target.from.is_some() || from_port != 0 {
        let any = match target.remote.ip() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let from = SocketAddr::new(target.from.unwrap_or(any), from_port);
        if from_port != 0 {
            // The last connection from there may not be forgotten yet.
            socket.set_reuse_address(true)?;
        }
        socket.bind(&SockAddr::from(from))?;
    }
    let mut remote = target.remote;
    remote.set_port(port(remote.port()));
    match socket.connect(&SockAddr::from(remote)) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok((socket, raw)),
    }
}

fn create(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
}

/// A socket for echo requests. `ping_group_range` must have a group of ours for the kind that the kernel looks after.
fn echo(domain: Domain) -> io::Result<(Socket, bool)> {
    let v4 = domain == Domain::IPV4;
    let protocol = if v4 {
        Protocol::ICMPV4
    } else {
        Protocol::ICMPV6
    };
    if let Ok(socket) = create(domain, Type::DGRAM, protocol) {
        return Ok((socket, false));
    }
    let socket = create(domain, Type::RAW, protocol)?;
    if v4 {
        // Only echo replies; all others are blocked.
        sys::set_int_option(socket.as_fd(), libc::SOL_RAW, ICMP_FILTER, !1)?;
    }
    Ok((socket, true))
}

// ---- raw echo ----

/// What the kernel does for others: gives a request its identifier and, for IPv4, its checksum.
fn complete(v4: bool, echo: u16, request: &[u8]) -> ([u8; 64], usize) {
    let mut packet = [0; 64];
    let len = request.len().min(packet.len());
    for (to, from) in packet.iter_mut().zip(request) {
        *to = *from;
    }
    if let Some(id) = packet.get_mut(4..6) {
        id.copy_from_slice(&echo.to_be_bytes());
    }
    if v4 {
        let sum = Sum::new().bytes(packet.get(..len).unwrap_or_default());
        if let Some(place) = packet.get_mut(2..4) {
            place.copy_from_slice(&sum.checksum().to_be_bytes());
        }
    }
    (packet, len)
}

/// The same for answers: takes off the IPv4 header, and drops what answers others. The length of what is left.
fn strip(v4: bool, echo: u16, packet: &mut [u8], len: usize) -> Option<usize> {
    let header = match packet.first() {
        Some(first) if v4 => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let rest = packet.get(header..len)?;
    if rest.get(4..6)? != echo.to_be_bytes() {
        return None;
    }
    let left = rest.len();
    packet.copy_within(header..len, 0);
    Some(left)
}

#[cfg(test)]
mod tests;
