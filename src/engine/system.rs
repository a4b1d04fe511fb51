//! What the engine asks of the kernel. `os` answers in earnest, tests from a script.

use core::fmt;
use core::net::IpAddr;
use std::io;

use crate::netlink::{Ack, Batch, Message};
use crate::types::{Family, IfIndex, IfName};

/// A receive socket: all adverts of a family that arrive on an interface, or, for unicast, anywhere.
/// Shared by all instances there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Listener {
    /// Family of the packets.
    pub family: Family,
    /// The interface of multicast adverts; `None` for the unicast socket, which is bound to no interface
    /// because a peer's adverts may come along another path than ours go.
    pub interface: Option<IfIndex>,
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

    /// Writes a kernel setting, named as `sysctl` does with slashes: `net/ipv4/conf/eth0/promote_secondaries`.
    ///
    /// # Errors
    /// The kernel's refusal, or the setting does not exist.
    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()>;
}
