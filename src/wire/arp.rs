//! ARP for IPv4 over Ethernet (RFC 826): gratuitous ARP (RFC 5227 §3).
//!
//! ```text
//! 0      2       4  5  6     8        14     18       24     28
//! ├──────┼───────┼──┼──┼─────┼────────┼──────┼────────┼──────┤
//! │ 1    │0x0800 │6 │4 │ op  │ sender │ IP   │ target │ IP   │
//! ```

use core::net::Ipv4Addr;

use super::cursor::{Reader, Writer};
use super::{EmitError, ParseError, ether};
use crate::types::Mac;

/// Length of an ARP frame with its Ethernet header. The driver pads it.
pub const FRAME_LEN: usize = ether::HEADER_LEN + 28;

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;

/// ARP operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Request.
    Request,
    /// Reply.
    Reply,
}

/// One ARP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Operation.
    pub operation: Operation,
    /// Sender's Ethernet address.
    pub sender_mac: Mac,
    /// Sender's IPv4 address.
    pub sender: Ipv4Addr,
    /// Target's Ethernet address; meaningless in a request.
    pub target_mac: Mac,
    /// Target's IPv4 address.
    pub target: Ipv4Addr,
}

impl Arp {
    /// Whether it is gratuitous: sender and target address are the same.
    #[must_use]
    pub fn is_gratuitous(&self) -> bool {
        self.sender == self.target
    }
}

/// Parses an Ethernet frame with an ARP packet; padding is ignored.
pub fn parse(frame: &[u8]) -> Result<Arp, ParseError> {
    let mut r = Reader::new(ether::payload(frame, ether::ARP)?);
    let hardware = r.u16_be()?;
    if hardware != ETHERNET {
        return Err(ParseError::ArpHardware(hardware));
    }
    let protocol = r.u16_be()?;
    if protocol != IPV4 {
        return Err(ParseError::ArpProtocol(protocol));
    }
    let [hardware, protocol] = r.array()?;
    if (hardware, protocol) != (6, 4) {
        return Err(ParseError::ArpLengths { hardware, protocol });
    }
    Ok(Arp {
        operation: match r.u16_be()? {
            1 => Operation::Request,
            2 => Operation::Reply,
            other => return Err(ParseError::ArpOperation(other)),
        },
        sender_mac: r.mac()?,
        sender: r.ipv4()?,
        target_mac: r.mac()?,
        target: r.ipv4()?,
    })
}

/// Writes a gratuitous ARP frame and returns its length: a broadcast request with sender and target
/// `ip`. The target's Ethernet address is the broadcast address, as in keepalived.
pub fn emit_gratuitous(mac: Mac, ip: Ipv4Addr, buf: &mut [u8]) -> Result<usize, EmitError> {
    let mut w = Writer::new(buf);
    ether::emit(&mut w, Mac::BROADCAST, mac, ether::ARP)?;
    w.u16_be(ETHERNET)?;
    w.u16_be(IPV4)?;
    w.bytes(&[6, 4])?;
    w.u16_be(1)?;
    w.bytes(&mac.0)?;
    w.bytes(&ip.octets())?;
    w.bytes(&Mac::BROADCAST.0)?;
    w.bytes(&ip.octets())?;
    Ok(w.written())
}
