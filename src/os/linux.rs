//! The engine's [`System`] on Linux.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::fd::RawFd;
use std::path::Path;
use std::time::Duration;

use nix::sys::socket::SockProtocol;

use super::child::{self, Children};
use super::fifo::Fifos;
use super::file_watch::{self, FileWatch};
use super::netlink_socket::{BUFFER_LEN, NetlinkSocket};
use super::proc_table::ProcTable;
use super::raw_socket::{Receiver, Sender};
use super::state_file::StateFile;
use super::{atomic_file, clock};
use crate::config::model::{Command, Fifo};
use crate::engine::system::{
    AdvertRoute, Exit, Kill, Listener, Pid, ProcessFields, Reception, Scan, System,
};
use crate::netlink::{Ack, Batch, Done, Message, Messages};
use crate::types::{IfIndex, IfName, Instant};
use crate::wire::bpf::AdvertFilter;

/// Every socket, child and file of the daemon, apart from those that the loop alone uses.
#[derive(Debug)]
pub(super) struct Linux {
    rtnetlink: NetlinkSocket,
    /// Opened on first use.
    netfilter: Option<NetlinkSocket>,
    sender: Sender,
    receivers: Vec<Receiver>,
    pub(super) children: Children,
    watch: FileWatch,
    processes: ProcTable,
    fifos: Fifos,
    pub(super) state: StateFile,
    buffer: Vec<u8>,
    /// Changes with the set of descriptors to wait for (receive sockets, file watch).
    generation: u32,
    #[cfg(feature = "mail")]
    pub(super) smtp: super::smtp_sender::SmtpSender,
    #[cfg(feature = "lvs")]
    pub(super) lvs: super::lvs::Lvs,
}

impl Linux {
    pub(super) fn open() -> io::Result<Self> {
        Ok(Linux {
            rtnetlink: NetlinkSocket::requests(SockProtocol::NetlinkRoute)?,
            netfilter: None,
            sender: Sender::open()?,
            receivers: Vec::new(),
            children: Children::new()?,
            watch: FileWatch::default(),
            processes: ProcTable::default(),
            fifos: Fifos::default(),
            state: StateFile::default(),
            buffer: vec![0; BUFFER_LEN],
            generation: 0,
            #[cfg(feature = "mail")]
            smtp: Default::default(),
            #[cfg(feature = "lvs")]
            lvs: Default::default(),
        })
    }

    /// Descriptors of the receive sockets, in an order that holds while [`Linux::generation`] does.
    pub(super) fn receiver_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        self.receivers.iter().map(Receiver::fd)
    }

    /// Descriptors of their sockets for resignations, in the same order; negative where there is
    /// none.
    pub(super) fn resignation_fds(&self) -> impl Iterator<Item = RawFd> + '_ {
        let sockets = self.receivers.iter();
        sockets.map(|receiver| receiver.resignations.poll_fd())
    }

    pub(super) fn generation(&self) -> u32 {
        self.generation
    }

    /// The receive socket with this index.
    pub(super) fn receiver(&mut self, index: usize) -> Option<&mut Receiver> {
        self.receivers.get_mut(index)
    }

    /// The first end of a pause of a receive socket.
    pub(super) fn pause_end(&self) -> Option<Instant> {
        self.receivers
            .iter()
            .filter_map(|receiver| receiver.pause.end())
            .min()
    }

    /// The descriptor that becomes readable when watched files change; `None` if none are watched.
    pub(super) fn watch_fd(&self) -> Option<RawFd> {
        self.watch.fd()
    }

    /// Whether watched files have changed since the last call.
    pub(super) fn files_changed(&mut self) -> bool {
        self.watch.changed()
    }

    /// Reaps the next child that has ended.
    pub(super) fn reap(&mut self) -> Option<(Pid, Exit)> {
        let (child, how) = self.children.reap()?;
        #[cfg(feature = "lvs")]
        self.lvs.child_ended(child);
        Some((child, how))
    }

    pub(super) fn descriptors_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}

impl System for Linux {
    fn request(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.rtnetlink.request(&mut self.buffer, batch, refused)
    }

    fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        self.rtnetlink
            .dump(&mut self.buffer, batch, &mut |bytes, progress| {
                for message in Messages::new(bytes).flatten() {
                    progress.interrupted |= message.header.dump_interrupted();
                    if let Message::Ack(Ack { errno, .. }) | Message::Done(Done { errno, .. }) =
                        message.message
                        && errno != 0
                    {
                        progress.refusal = Some(errno);
                    } else {
                        each(&message.message);
                    }
                }
            })
    }

    fn request_netfilter(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        let socket = match &mut self.netfilter {
            Some(socket) => socket,
            none => none.insert(NetlinkSocket::requests(SockProtocol::NetlinkNetFilter)?),
        };
        socket.request(&mut self.buffer, batch, refused)
    }

    fn open_listener(
        &mut self,
        on: Listener,
        name: Option<&IfName>,
        filter: &AdvertFilter,
    ) -> io::Result<()> {
        self.receivers.push(Receiver::open(on, name, filter)?);
        self.descriptors_changed();
        Ok(())
    }

    fn reception(&mut self, on: Listener) -> Reception {
        let receiver = self.receivers.iter().find(|receiver| receiver.on == on);
        receiver.map_or(Reception::default(), |receiver| receiver.reception)
    }

    fn filter_listener(&mut self, on: Listener, filter: &AdvertFilter) {
        if let Some(receiver) = self.receivers.iter().find(|receiver| receiver.on == on) {
            receiver.set_filter(filter);
        }
    }

    fn close_listener(&mut self, on: Listener) {
        self.receivers.retain(|receiver| receiver.on != on);
        self.descriptors_changed();
    }

    fn send_advert(&mut self, route: &AdvertRoute, packet: &[u8]) -> io::Result<()> {
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

    fn clock(&mut self) -> Instant {
        clock::now()
    }

    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()> {
        let path = format!("/proc/sys/{name}");
        let written = OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|mut file| file.write_all(value.as_bytes()));
        match written {
            // A read-only /proc/sys, as in a container, does not matter then.
            Err(_) if fs::read_to_string(&path).is_ok_and(|is| is.trim() == value) => Ok(()),
            outcome => outcome,
        }
    }

    // ---- state file ----

    fn read_state(&mut self) -> Vec<u8> {
        self.state.read()
    }

    fn write_state(&mut self, at: usize, bytes: &[u8]) {
        self.state.write(at, bytes);
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
        file_watch::read(path)
    }

    fn write_file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        atomic_file::replace(Path::new(path), contents)
    }

    fn watch_files(&mut self, paths: &[&str]) -> io::Result<()> {
        let before = self.watch.fd();
        let outcome = self.watch.set(paths);
        if self.watch.fd() != before {
            self.descriptors_changed();
        }
        outcome
    }

    fn start_process_scan(&mut self) -> io::Result<()> {
        self.processes.start()
    }

    fn next_process(
        &mut self,
        fields: ProcessFields,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> io::Result<Scan> {
        self.processes.next(fields, each)
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

    // ---- optional parts ----

    #[cfg(feature = "mail")]
    fn mail(&mut self) -> Option<&mut dyn crate::engine::system::mail::MailSystem> {
        Some(self)
    }

    #[cfg(feature = "lvs")]
    fn lvs(&mut self) -> &mut dyn crate::engine::system::lvs::LvsSystem {
        self
    }
}
