//! What the engine asks of the kernel. `os` answers in earnest, tests from a script.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;
use std::io;

#[cfg(feature = "lvs")]
use crate::check::ProbeTransport;
#[cfg(feature = "mail")]
use crate::config::model::Mail;
#[cfg(feature = "lvs")]
use crate::config::model::lvs::Target;
use crate::config::model::{Command, Fifo};
use crate::netlink::{Ack, Batch, Message};
#[cfg(feature = "mail")]
use crate::notify::mail::Email;
use crate::types::{Family, IfIndex, IfName};

/// The IP protocol that adverts travel by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Protocol {
    /// VRRP itself.
    Vrrp,
    /// The authentication header (`auth_type AH`).
    Ah,
}

/// A receive socket: all adverts of a family and protocol that arrive on an interface, or, for unicast,
/// anywhere. Shared by all instances there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Listener {
    /// Family of the packets.
    pub family: Family,
    /// The interface of multicast adverts; `None` for the unicast socket, which is bound to no interface
    /// because a peer's adverts may come along another path than ours go.
    pub interface: Option<IfIndex>,
    /// IP protocol.
    pub protocol: Protocol,
}

impl Listener {
    /// The place without the protocol: an instance is the same by whichever protocol its adverts come.
    #[must_use]
    pub fn plain(self) -> Self {
        Listener {
            protocol: Protocol::Vrrp,
            ..self
        }
    }
}

/// Where an advert goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Outgoing interface; `None`: as the routing table says (unicast).
    pub interface: Option<IfIndex>,
    /// Source address.
    pub src: IpAddr,
    /// Group or peer.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
}

/// A child process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Pid(pub i32);

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It never ran: execve(2) failed with this error number.
    NotExecuted(i32),
    /// It never ran: it could not become its user, with this error number.
    NotUser(i32),
}

impl Exit {
    /// Whether the program ran and was content.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Exit::Code(0)
    }
}

impl fmt::Display for Exit {
    /// What became of it, to follow a name: `exited with status 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Exit::Code(code) => write!(f, "exited with status {code}"),
            Exit::Signal(number) => write!(f, "was killed by signal {number}{}", signal(number)),
            Exit::NotExecuted(errno) => {
                f.write_str("cannot be executed: ")?;
                match errno {
                    2 => f.write_str("it, or the interpreter in its first line, does not exist"),
                    8 => f.write_str("it is no program and has no #! line"),
                    13 => f.write_str("no permission; is it executable for its user?"),
                    _ => io::Error::from_raw_os_error(errno).fmt(f),
                }
            }
            Exit::NotUser(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                write!(
                    f,
                    "did not run, the change to its user was refused: {error}"
                )
            }
        }
    }
}

/// Name of a signal that kills programs now and then; its number is the same on all machines.
fn signal(number: i32) -> &'static str {
    match number {
        1 => " (HUP)",
        2 => " (INT)",
        4 => " (ILL)",
        6 => " (ABRT)",
        8 => " (FPE)",
        9 => " (KILL)",
        11 => " (SEGV)",
        13 => " (PIPE)",
        14 => " (ALRM)",
        15 => " (TERM)",
        _ => "",
    }
}

/// How to end a child.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kill {
    /// SIGTERM: it may clear up.
    Term,
    /// SIGKILL: now.
    Kill,
}

/// The kernel as the engine sees it. Nothing here may wait.
pub trait System {
    /// Sends rtnetlink requests in one go. `refused` is called for each one that the kernel refused.
    ///
    /// # Errors
    /// When the requests could not be handed over at all.
    fn request(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()>;

    /// Sends one dump request and calls `each` for every message of the answer.
    ///
    /// # Errors
    /// When the kernel refuses or the dump was interrupted by changes again and again.
    fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()>;

    /// Opens a receive socket and joins `groups` on it.
    ///
    /// # Errors
    /// The kernel's refusal; nothing stays open then.
    fn listen(&mut self, on: Listener, name: Option<&IfName>, groups: &[IpAddr]) -> io::Result<()>;

    /// Closes a receive socket; unknown ones are ignored.
    fn unlisten(&mut self, on: Listener);

    /// Sends an advert. IPv4: `packet` is complete with its IP header; IPv6: the VRRP message.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn send_advert(&mut self, route: &Route, packet: &[u8]) -> io::Result<()>;

    /// Sends a complete Ethernet frame.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn send_frame(&mut self, interface: IfIndex, frame: &[u8]) -> io::Result<()>;

    /// Time since 1970, as the wall clock has it. It may jump: for numbers that others compare, not for timers.
    fn wall_clock(&mut self) -> Duration;

    /// Time since boot, suspension included.
    fn uptime(&mut self) -> Duration;

    // ---- what a successor finds ----

    /// What a predecessor has written, if that was since the machine booted and on the same network; else nothing.
    fn read_state(&mut self) -> Vec<u8>;

    /// Writes part of that anew. A failure is not the engine's business.
    fn write_state(&mut self, at: usize, bytes: &[u8]);

    // ---- the machine ----

    /// Sees to it that a kernel setting, named as `sysctl` does with slashes, has this value:
    /// `net/ipv4/conf/eth0/promote_secondaries`.
    ///
    /// # Errors
    /// The kernel's refusal, or the setting does not exist.
    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()>;

    /// Sends netfilter requests in one go. `refused` is called for each one that the kernel refused.
    ///
    /// # Errors
    /// When the kernel has no nftables, or the requests could not be handed over at all.
    fn request_netfilter(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()>;

    // ---- children ----

    /// Starts a program in a process group of its own, with `more` appended to its arguments. Its end is told
    /// with [`crate::engine::Engine::child_ended`].
    ///
    /// # Errors
    /// The kernel's refusal of a process. That the program cannot be executed is told by its exit code.
    fn spawn(&mut self, command: &Command, more: &[&str]) -> io::Result<Pid>;

    /// Ends a child and all of its process group.
    fn kill(&mut self, child: Pid, how: Kill);

    // ---- files ----

    /// The first 4 KiB of a regular file.
    ///
    /// # Errors
    /// The kernel's refusal, or it is no regular file.
    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>>;

    /// Writes a file so that no reader sees half of it.
    ///
    /// # Errors
    /// The kernel's refusal.
    fn write_file(&mut self, path: &str, contents: &[u8]) -> io::Result<()>;

    /// These files, and no others, are watched from now on; changes are told with
    /// [`crate::engine::Engine::files_changed`].
    ///
    /// # Errors
    /// When files cannot be watched here.
    fn watch(&mut self, paths: &[&str]) -> io::Result<()>;

    /// Calls `each` with the name (15 bytes at most) of every process there is, and with `full` its command line
    /// as well, words separated by NUL.
    ///
    /// # Errors
    /// When there is no process table.
    fn processes(&mut self, full: bool, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()>;

    // ---- FIFOs ----

    /// Makes the FIFO where there is none, and opens it.
    ///
    /// # Errors
    /// The kernel's refusal, or something else is there.
    fn fifo_open(&mut self, fifo: &Fifo) -> io::Result<()>;

    /// Writes a line, all of it or nothing.
    ///
    /// # Errors
    /// `WouldBlock`: nobody reads, and the FIFO is full.
    fn fifo_write(&mut self, path: &str, line: &str) -> io::Result<()>;

    /// Closes the FIFO, and removes it if it was made here.
    fn fifo_close(&mut self, path: &str);

    // ---- mails ----

    /// Lets a child deliver a letter; one at a time. Its end is told with [`crate::engine::Engine::child_ended`].
    ///
    /// # Errors
    /// The kernel's refusal of a process.
    #[cfg(feature = "mail")]
    fn post(&mut self, mail: &Mail, letter: &Email) -> io::Result<Pid>;

    /// What a child that has delivered a letter, or not, had to say about it. To be asked once, when it has ended.
    #[cfg(feature = "mail")]
    fn receipt(&mut self, child: Pid) -> Option<String>;

    // ---- IPVS ----

    /// The number of generic netlink's family IPVS; its requests have it as their kind.
    ///
    /// # Errors
    /// `NotFound`: this kernel has no IPVS, or its module is not loaded.
    #[cfg(feature = "lvs")]
    fn ipvs_family(&mut self) -> io::Result<u16>;

    /// Sends requests to IPVS in one go. `refused` is called for each one that the kernel refused.
    ///
    /// # Errors
    /// When the requests could not be handed over at all.
    #[cfg(feature = "lvs")]
    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()>;

    /// Sends one request to IPVS and calls `each` with what follows the netlink header, for every message of
    /// the answer.
    ///
    /// # Errors
    /// When the kernel refuses.
    #[cfg(feature = "lvs")]
    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()>;

    // ---- health checks ----

    /// Opens a socket for a check and begins to connect. What becomes of it is told with
    /// [`crate::engine::Engine::probe`].
    ///
    /// # Errors
    /// The kernel's refusal; nothing stays open then.
    #[cfg(feature = "lvs")]
    fn probe_open(
        &mut self,
        probe: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()>;

    /// Sends all of it, now or when the kernel has room.
    ///
    /// # Errors
    /// The kernel's refusal, or there is too much to keep.
    #[cfg(feature = "lvs")]
    fn probe_send(&mut self, probe: usize, bytes: &[u8]) -> io::Result<()>;

    /// Closes a check's socket; unknown ones are ignored.
    #[cfg(feature = "lvs")]
    fn probe_close(&mut self, probe: usize);
}
