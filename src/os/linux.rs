//! The engine's [`System`] in earnest: Linux.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::fd::RawFd;
use std::path::Path;
use std::time::Duration;

use super::atomic;
use super::child::{self, Children};
use super::clock;
use super::fifo::Fifos;
#[cfg(feature = "lvs")]
use super::ipvs::Ipvs;
use super::nlsock::NetlinkSocket;
#[cfg(feature = "mail")]
use super::postman::Postman;
#[cfg(feature = "lvs")]
use super::probes::Probes;
use super::procs;
use super::rawsock::{Arrival, Buffer, Receiver, Sender};
use super::statefile::StateFile;
use super::watch::{self, Watch};
#[cfg(feature = "lvs")]
use crate::check::ProbeTransport;
#[cfg(feature = "mail")]
use crate::config::model::Mail;
#[cfg(feature = "lvs")]
use crate::config::model::lvs::Target;
use crate::config::model::{Command, Fifo};
use crate::engine::system::{Exit, Kill, Listener, Pid, Route, System};
use crate::netlink::{Ack, Batch, Done, Message, Messages};
#[cfg(feature = "mail")]
use crate::notify::mail::Email;
use crate::types::{IfIndex, IfName};

/// The kernel sends at most 32 KiB in one datagram of a dump.
const NETLINK_BUFFER: usize = 64 << 10;
/// Dumps begun anew because the table changed meanwhile, before what was read is taken as it is.
pub(super) const DUMP_ATTEMPTS: u32 = 5;

/// Sockets towards the kernel and the network.
#[derive(Debug)]
pub(super) struct Linux {
    requests: NetlinkSocket,
    /// Opened on first use.
    netfilter: Option<NetlinkSocket>,
    #[cfg(feature = "lvs")]
    ipvs: Ipvs,
    sender: Sender,
    receivers: Vec<Receiver>,
    children: Children,
    watch: Watch,
    fifos: Fifos,
    #[cfg(feature = "mail")]
    postman: Postman,
    pub(super) state: StateFile,
    #[cfg(feature = "lvs")]
    pub(super) probes: Probes,
    buffer: Vec<u8>,
    /// Counts up whenever the set of receivers changes.
    generation: u32,
}

impl Linux {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Linux {
            requests: NetlinkSocket::requests()?,
            netfilter: None,
            #[cfg(feature = "lvs")]
            ipvs: Ipvs::default(),
            sender: Sender::open()?,
            receivers: Vec::new(),
            children: Children::new()?,
            watch: Watch::default(),
            fifos: Fifos::default(),
            #[cfg(feature = "mail")]
            postman: Postman::default(),
            state: StateFile::default(),
            #[cfg(feature = "lvs")]
            probes: Probes::new(),
            buffer: vec![0; NETLINK_BUFFER],
            generation: 0,
        })
    }

    /// Descriptors of the receive sockets, in an order that stays while `generation` does.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.receivers.iter().map(Receiver::fd)
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// Takes a datagram of the `nth` receive socket.
    pub(super) fn receive(
        &self,
        nth: usize,
        into: &mut Buffer,
    ) -> Option<(Listener, io::Result<Option<Arrival>>)> {
        self.receivers
            .get(nth)
            .map(|receiver| (receiver.on, receiver.receive(into)))
    }

    /// The descriptor that tells of changes of watched files, if there are any.
    pub(super) fn watch_fd(&self) -> Option<RawFd> {
        self.watch.fd()
    }

    /// Whether watched files have changed.
    pub(super) fn files_changed(&mut self) -> bool {
        self.watch.changed()
    }

    /// The next child that has ended.
    pub(super) fn reap(&mut self) -> Option<(Pid, Exit)> {
        self.children.reap()
    }

    /// Reads one answer of the kernel; `None` when there is none left.
    fn answer(&mut self) -> io::Result<Option<usize>> {
        self.requests.receive(&mut self.buffer)
    }
}

/// Hands requests to the kernel and reads what it has to say about them.
pub(super) fn exchange(
    socket: &NetlinkSocket,
    buffer: &mut [u8],
    batch: &Batch,
    refused: &mut dyn FnMut(&Ack<'_>),
) -> io::Result<()> {
    socket.send(batch.bytes())?;
    // The kernel has worked on all of it by now; what it had to say is waiting.
    while let Some(len) = socket.receive(buffer)? {
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

impl System for Linux {
    fn request(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        exchange(&self.requests, &mut self.buffer, batch, refused)
    }

    fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        for _ in 0..DUMP_ATTEMPTS {
            self.requests.send(batch.bytes())?;
            let mut interrupted = false;
            while let Some(len) = self.answer()? {
                let bytes = self.buffer.get(..len).unwrap_or_default();
                for message in Messages::new(bytes).flatten() {
                    interrupted |= message.header.dump_interrupted();
                    if let Message::Ack(Ack { errno, .. }) | Message::Done(Done { errno, .. }) =
                        message.message
                        && errno != 0
                    {
                        return Err(io::Error::from_raw_os_error(errno));
                    }
                    each(&message.message);
                }
            }
            if !interrupted {
                break;
            }
        }
        Ok(())
    }

    fn listen(&mut self, on: Listener, name: Option<&IfName>, groups: &[IpAddr]) -> io::Result<()> {
        self.receivers.push(Receiver::open(on, name, groups)?);
        self.generation = self.generation.wrapping_add(1);
        Ok(())
    }

    fn unlisten(&mut self, on: Listener) {
        self.receivers.retain(|receiver| receiver.on != on);
        self.generation = self.generation.wrapping_add(1);
    }

    fn send_advert(&mut self, route: &Route, packet: &[u8]) -> io::Result<()> {
        self.sender.advert(route, packet)
    }

    fn send_frame(&mut self, interface: IfIndex, frame: &[u8]) -> io::Result<()> {
        self.sender.frame(interface, frame)
    }

    fn wall_clock(&mut self) -> Duration {
        clock::since_1970()
    }

    fn uptime(&mut self) -> Duration {
        clock::uptime()
    }

    fn read_state(&mut self) -> Vec<u8> {
        self.state.read()
    }

    fn write_state(&mut self, at: usize, bytes: &[u8]) {
        self.state.write(at, bytes);
    }

    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()> {
        let path = format!("/proc/sys/{name}");
        let written = OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()));
        match written {
            // Nobody may change it here, nor needs to.
            Err(_) if fs::read_to_string(&path).is_ok_and(|is| is.trim() == value) => Ok(()),
            outcome => outcome,
        }
    }

    fn request_netfilter(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        let socket = match &mut self.netfilter {
            Some(socket) => socket,
            none => none.insert(NetlinkSocket::netfilter()?),
        };
        exchange(socket, &mut self.buffer, batch, refused)
    }

    // ---- children ----

    fn spawn(&mut self, command: &Command, more: &[&str]) -> io::Result<Pid> {
        self.children.spawn(command, more)
    }

    fn kill(&mut self, child: Pid, how: Kill) {
        child::kill(child, how);
    }

    // ---- files ----

    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        watch::read(path)
    }

    fn write_file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        atomic::replace(Path::new(path), contents)
    }

    fn watch(&mut self, paths: &[&str]) -> io::Result<()> {
        let before = self.watch.fd();
        let outcome = self.watch.set(paths);
        if self.watch.fd() != before {
            self.generation = self.generation.wrapping_add(1);
        }
        outcome
    }

    fn processes(&mut self, full: bool, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        procs::each(full, each)
    }

    // ---- FIFOs ----

    fn fifo_open(&mut self, fifo: &Fifo) -> io::Result<()> {
        self.fifos.open(fifo)
    }

    fn fifo_write(&mut self, path: &str, line: &str) -> io::Result<()> {
        self.fifos.write(path, line)
    }

    fn fifo_close(&mut self, path: &str) {
        self.fifos.close(path);
    }

    // ---- mails ----

    #[cfg(feature = "mail")]
    fn post(&mut self, mail: &Mail, letter: &Email) -> io::Result<Pid> {
        self.postman.post(mail, letter, &self.children)
    }

    #[cfg(feature = "mail")]
    fn receipt(&mut self, child: Pid) -> Option<String> {
        self.postman.receipt(child)
    }

    // ---- IPVS and health checks ----

    #[cfg(feature = "lvs")]
    fn ipvs_family(&mut self) -> io::Result<u16> {
        self.ipvs.family(&mut self.buffer)
    }

    #[cfg(feature = "lvs")]
    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.ipvs.request(&mut self.buffer, batch, refused)
    }

    #[cfg(feature = "lvs")]
    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.ipvs.dump(&mut self.buffer, batch, each)
    }

    #[cfg(feature = "lvs")]
    fn probe_open(
        &mut self,
        probe: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        self.probes.open(probe, transport, target)
    }

    #[cfg(feature = "lvs")]
    fn probe_send(&mut self, probe: usize, bytes: &[u8]) -> io::Result<()> {
        self.probes.send(probe, bytes)
    }

    #[cfg(feature = "lvs")]
    fn probe_close(&mut self, probe: usize) {
        self.probes.close(probe);
    }
}
