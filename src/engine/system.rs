//! The operating system as a trait: `os` implements it; tests use a fake kernel.

mod child;
#[cfg(feature = "lvs")]
pub mod lvs;
pub mod mail;

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;
use std::io;

pub use child::{Ended, Exit, Kill, Pid};

use crate::config::model::{Command, Fifo};
use crate::netlink::{Ack, Batch, Message};
use crate::types::{Family, IfIndex, IfName, Instant};
use crate::wire::bpf::AdvertFilter;

/// The IP protocol that adverts are carried by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Protocol {
    /// VRRP itself.
    Vrrp,
    /// The authentication header (`auth_type AH`).
    Ah,
}

/// A receive socket, shared by all instances there: it receives all adverts of a family and
/// protocol that arrive on an interface or, for unicast, on any interface.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Listener {
    /// Address family of the adverts.
    pub family: Family,
    /// The interface of multicast adverts; `None` for unicast: a peer's adverts may arrive on
    /// another interface than ours leave by.
    pub interface: Option<IfIndex>,
    /// IP protocol of the adverts.
    pub protocol: Protocol,
}

impl Listener {
    /// The same with protocol VRRP. An instance is found by this: it is the same one whichever
    /// protocol carries its adverts.
    #[must_use]
    pub fn without_protocol(self) -> Self {
        Listener {
            protocol: Protocol::Vrrp,
            ..self
        }
    }
}

/// What is known about the packets of a receive socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reception {
    /// Packets are waiting: only those that arrived before this time have been read. `None`: all
    /// have been.
    pub read_until: Option<Instant>,
    /// When the kernel last dropped packets because the receive buffer was full, as far as packets
    /// that have been read tell.
    pub lost_at: Option<Instant>,
}

/// Fields of the IPv6 header of a received packet. (A raw IPv6 socket delivers the payload only.)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Fields {
    /// Source address.
    pub src: Ipv6Addr,
    /// Destination address.
    pub dst: Ipv6Addr,
    /// Hop limit.
    pub hop_limit: u8,
}

/// Where an advert is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvertRoute {
    /// Outgoing interface; `None` leaves the choice to the routing table (unicast).
    pub interface: Option<IfIndex>,
    /// Source address.
    pub src: IpAddr,
    /// Multicast group or peer.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// The fields of a process to read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessFields {
    /// The name.
    Name,
    /// The name and the command line.
    NameAndCommandLine,
}

/// Whether [`System::next_process`] has read the last process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scan {
    /// There may be more.
    Unfinished,
    /// All have been read.
    Complete,
}

/// The operating system as the engine sees it. No method blocks.
pub trait System {
    /// Sends a batch of rtnetlink requests. `refused` is called for each one that the kernel
    /// refused.
    ///
    /// # Errors
    /// The batch could not be sent.
    fn request(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()>;

    /// Sends one dump request and calls `each` for every message of the answer.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()>;

    /// Sends a batch of nftables requests. `refused` is called for each one that the kernel
    /// refused.
    ///
    /// # Errors
    /// The kernel has no nftables, or the batch could not be sent.
    fn request_netfilter(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()>;

    /// Opens a receive socket, bound to the interface `name` if one is given, and joins the groups
    /// of `filter`. Only packets that pass `filter` are received.
    ///
    /// # Errors
    /// The kernel's refusal; no socket is left open then.
    fn open_listener(
        &mut self,
        on: Listener,
        name: Option<&IfName>,
        filter: &AdvertFilter,
    ) -> io::Result<()>;

    /// Replaces the filter of an open receive socket by one with the same groups.
    fn filter_listener(&mut self, on: Listener, filter: &AdvertFilter);

    /// Closes a receive socket, if it is open.
    fn close_listener(&mut self, on: Listener);

    /// What is known about the packets of a receive socket.
    fn reception(&mut self, on: Listener) -> Reception;

    /// Sends an advert. IPv4: `packet` includes the IP header; IPv6: it is the VRRP message.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn send_advert(&mut self, route: &AdvertRoute, packet: &[u8]) -> io::Result<()>;

    /// Sends a complete Ethernet frame.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn send_frame(&mut self, interface: IfIndex, frame: &[u8]) -> io::Result<()>;

    /// Wall-clock time since 1970. It can jump: for sequence numbers that peers compare, not for
    /// timers.
    fn wall_clock(&mut self) -> Duration;

    /// Time since boot, suspension included.
    fn uptime(&mut self) -> Duration;

    /// The monotonic clock, to measure how long work takes. Everything else uses the time of the
    /// event.
    fn clock(&mut self) -> Instant;

    /// Sets a kernel setting, named as in sysctl(8) with slashes
    /// (`net/ipv4/conf/eth0/promote_secondaries`), unless it has this value already.
    ///
    /// # Errors
    /// The kernel's refusal, or the setting does not exist.
    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()>;

    // ---- state file ----

    /// The records that the previous process left in the state file, if it ran since boot and in
    /// the same network namespace; empty otherwise.
    fn read_state(&mut self) -> Vec<u8>;

    /// Overwrites part of the records in the state file. After a failure there is no state file.
    fn write_state(&mut self, at: usize, bytes: &[u8]);

    // ---- children ----

    /// Starts a program in a process group of its own, with `more` appended to its arguments. Its
    /// end is reported to [`crate::engine::Engine::child_ended`].
    ///
    /// # Errors
    /// The kernel's refusal of a process. A program that cannot be executed is reported by its
    /// [`Exit`].
    fn spawn(&mut self, command: &Command, more: &[&str]) -> io::Result<Pid>;

    /// Signals a child and all of its process group.
    fn kill(&mut self, child: Pid, how: Kill);

    // ---- files ----

    /// The first 4 KiB of a regular file.
    ///
    /// # Errors
    /// The kernel's refusal, or it is not a regular file.
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>>;

    /// Writes a file atomically: no reader sees half of it.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn write_file(&mut self, path: &str, contents: &[u8]) -> io::Result<()>;

    /// Replaces the set of watched files. Changes are reported to
    /// [`crate::engine::Engine::files_changed`].
    ///
    /// # Errors
    /// Some of them cannot be watched.
    fn watch_files(&mut self, paths: &[&str]) -> io::Result<()>;

    /// Starts to read the process table, from its beginning.
    ///
    /// # Errors
    /// The process table cannot be read.
    fn start_process_scan(&mut self) -> io::Result<()>;

    /// Reads the next process and calls `each` with its name (at most 15 bytes) and its command
    /// line, with words separated by NUL. The command line is empty unless `fields` asks for it.
    ///
    /// # Errors
    /// The process table cannot be read.
    fn next_process(
        &mut self,
        fields: ProcessFields,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> io::Result<Scan>;

    // ---- FIFOs ----

    /// Creates the FIFO if it does not exist, and opens it.
    ///
    /// # Errors
    /// The kernel's refusal, or the file is not a FIFO.
    fn fifo_open(&mut self, fifo: &Fifo) -> io::Result<()>;

    /// Writes a line, all of it or nothing.
    ///
    /// # Errors
    /// `WouldBlock`: the FIFO is full because nothing reads it.
    fn fifo_write(&mut self, path: &str, line: &str) -> io::Result<()>;

    /// Closes the FIFO, and removes it if [`System::fifo_open`] created it.
    fn fifo_close(&mut self, path: &str);

    // ---- optional parts ----

    /// Delivery of mail; `None`: this build sends none.
    fn mail(&mut self) -> Option<&mut dyn mail::MailSystem> {
        None
    }

    /// IPVS and health checks.
    #[cfg(feature = "lvs")]
    fn lvs(&mut self) -> &mut dyn lvs::LvsSystem;
}

// ---- error texts ----

/// The text of an error for a log line: in lower case, to follow a colon, and without the
/// `(os error N)` that the standard library appends.
#[must_use]
pub fn error_text(error: &io::Error) -> String {
    let mut text = error.to_string();
    if error.raw_os_error().is_some() {
        if let Some(at) = text.rfind(" (os error") {
            text.truncate(at);
        }
        text.make_ascii_lowercase();
    }
    text
}

/// The text of an error number, in the form of [`error_text`].
#[must_use]
pub fn errno_text(errno: i32) -> String {
    error_text(&io::Error::from_raw_os_error(errno))
}
