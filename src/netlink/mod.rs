//! Netlink messages: host byte order ⇄ structs. No I/O: `os` owns the sockets.
//!
//! A datagram is a sequence of messages. A message is a header, a fixed part that depends on its
//! type, and attributes:
//! ```text
//! ┌ nlmsghdr, 16 ───────────────────────────┐┌ ifaddrmsg, 8 ┐┌ nlattr ─────────────┐
//! │ length u32 │ type u16 │ flags u16 │ seq  ││ …            ││ length u16 │ type   │ value, padding to 4 …
//! │            │          │           │ port ││              ││            │ u16    │
//! ```
//! Receiving: [`Messages`] iterates over a datagram and yields [`Envelope`]s. Messages of other
//! types are [`Message::Other`]; unknown attributes are skipped, of duplicates the last one counts,
//! and nesting is followed 4 levels deep. A wrong message length ends the datagram; an invalid
//! attribute invalidates its message only.
//!
//! Sending: [`Batch`] collects requests with consecutive sequence numbers in one reusable buffer.
//! One `sendmsg` sends all of them, and [`Ack::seq`] identifies the request.
//!
//! Everything is read and written at offsets in host byte order (`_ne` in the names). No struct is
//! cast, so alignment and padding do not matter. The constants are the kernel's UAPI.
//!
//! `attr.rs` reading · `batch.rs` writing · `link.rs` · `addr.rs` · `route.rs` · `rule.rs` ·
//! `macvlan.rs` · `nft.rs` (netfilter, not rtnetlink) · `genl.rs` and `ipvs/` (generic netlink).
//!
//! # Example
//! A request to add 192.0.2.1/24 to interface 2; the kernel announces a new address in the same
//! format:
//! ```
//! use vrrpd::netlink::addr::{self, DesiredAddr};
//! use vrrpd::netlink::{Batch, Message, Messages};
//! use vrrpd::types::{Cidr, IfIndex};
//!
//! let cidr = Cidr { addr: [192, 0, 2, 1].into(), prefix: 24 };
//! let mut batch = Batch::new(1);
//! let seq = addr::add(&mut batch, &DesiredAddr::new(IfIndex(2), cidr));
//! assert_eq!((seq, batch.count(), batch.bytes().len()), (1, 1, 40));
//!
//! let envelope = Messages::new(batch.bytes()).next().expect("one message")?;
//! let Message::NewAddr(address) = envelope.message else {
//!     panic!("{envelope:?}");
//! };
//! assert_eq!((address.index, address.cidr, address.peer), (IfIndex(2), cidr, None));
//! # Ok::<(), vrrpd::netlink::ParseError>(())
//! ```

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

use core::fmt;

pub mod addr;
mod attr;
mod batch;
#[cfg(feature = "lvs")]
pub mod genl;
#[cfg(feature = "lvs")]
pub mod ipvs;
pub mod link;
pub mod macvlan;
pub mod nft;
pub mod route;
pub mod rule;

pub use addr::Addr;
pub use attr::{Attr, Attrs};
pub use batch::Batch;
pub use link::Link;
pub use route::Route;
pub use rule::Rule;

use attr::Reader;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::types::Family;

/// Set in every request.
pub const NLM_F_REQUEST: u16 = 0x1;
/// Requests all objects.
pub const NLM_F_DUMP: u16 = 0x300;
/// Changes the object if it exists.
pub const NLM_F_REPLACE: u16 = 0x100;
/// Fails if it exists.
pub const NLM_F_EXCL: u16 = 0x200;
/// Creates it if it does not exist.
pub const NLM_F_CREATE: u16 = 0x400;

const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

const HEADER_LEN: usize = 16;

const AF_UNSPEC: u8 = 0;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// `AF_INET` or `AF_INET6`.
fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// The family of an `AF_*` number, and its unspecified address.
fn family(number: u8) -> Option<(Family, IpAddr)> {
    match number {
        AF_INET => Some((Family::V4, IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        AF_INET6 => Some((Family::V6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
        _ => None,
    }
}

/// Appends an attribute with an address.
fn address(batch: &mut Batch, kind: u16, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => batch.attr(kind, &addr.octets()),
        IpAddr::V6(addr) => batch.attr(kind, &addr.octets()),
    }
}

/// Why received bytes are rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The bytes end before the field.
    Short {
        /// Bytes available.
        found: usize,
        /// Bytes needed by the field.
        needed: usize,
    },
    /// A message length below that of the header or beyond the datagram.
    MessageLength {
        /// Length in the header.
        found: u32,
        /// Bytes left.
        left: usize,
    },
    /// An attribute length below that of its header or beyond the message.
    AttrLength {
        /// Length in the attribute.
        found: u16,
        /// Bytes left.
        left: usize,
    },
    /// An attribute value of a size that does not fit its type.
    AttrSize {
        /// Attribute type.
        kind: u16,
        /// Bytes it has.
        found: usize,
        /// Bytes it should have.
        expected: usize,
    },
    /// An attribute with text that is not UTF-8.
    Text(u16),
    /// Attributes nested deeper than 4.
    Depth,
    /// An attribute of this type is missing.
    Missing(u16),
    /// Interface index 0 or negative.
    Index(i32),
    /// Prefix length beyond that of the family.
    Prefix(u8),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ParseError::Short { found, needed } => write!(f, "{found} bytes, needs {needed}"),
            ParseError::MessageLength { found, left } => {
                write!(f, "message length {found}, expected 16 to {left}")
            }
            ParseError::AttrLength { found, left } => {
                write!(f, "attribute length {found}, expected 4 to {left}")
            }
            ParseError::AttrSize {
                kind,
                found,
                expected,
            } => write!(f, "attribute {kind} of {found} bytes, expected {expected}"),
            ParseError::Text(kind) => write!(f, "attribute {kind} is not UTF-8"),
            ParseError::Depth => f.write_str("attributes nested deeper than 4"),
            ParseError::Missing(kind) => write!(f, "no attribute {kind}"),
            ParseError::Index(found) => write!(f, "interface number {found}, expected above 0"),
            ParseError::Prefix(found) => write!(f, "prefix length {found} beyond the family's"),
        }
    }
}

impl core::error::Error for ParseError {}

// ---- messages ----

/// The message header without its length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Message type.
    pub kind: u16,
    /// `NLM_F_*`; their meaning depends on the type.
    pub flags: u16,
    /// Sequence number of the request; in notifications, of the request that caused them.
    pub seq: u32,
    /// Port of the requesting socket; 0: the kernel.
    pub port: u32,
}

impl Header {
    /// Whether the dump is inconsistent and must be repeated (`NLM_F_DUMP_INTR`). Any message of
    /// the dump may have the flag, not just the last.
    #[must_use]
    pub fn dump_interrupted(&self) -> bool {
        self.flags & NLM_F_DUMP_INTR != 0
    }
}

/// A message with its header.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Envelope<'a> {
    /// The header.
    pub header: Header,
    /// The parsed rest.
    pub message: Message<'a>,
}

/// A message from the kernel.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Message<'a> {
    /// A link exists: new, changed or listed.
    NewLink(Link<'a>),
    /// A link was deleted.
    DelLink(Link<'a>),
    /// An address exists: new, changed or listed.
    NewAddr(Addr<'a>),
    /// An address was deleted.
    DelAddr(Addr<'a>),
    /// A route exists: new, changed or listed.
    NewRoute(Route),
    /// A route was deleted.
    DelRoute(Route),
    /// A rule exists.
    NewRule(Rule<'a>),
    /// A rule was deleted.
    DelRule(Rule<'a>),
    /// End of a dump.
    Done(Done),
    /// Result of a request.
    Ack(Ack<'a>),
    /// No operation.
    Noop,
    /// Messages were lost.
    Overrun,
    /// A message of another type, or for another address family.
    Other(u16),
}

/// End of a dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// 0, or the error number (positive) that ended the dump early.
    pub errno: i32,
    /// See [`Header::dump_interrupted`].
    pub interrupted: bool,
}

/// Result of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    /// Sequence number of the request.
    pub seq: u32,
    /// 0, or the error number (positive).
    pub errno: i32,
    /// Text of the extended acknowledgement (`NETLINK_EXT_ACK`).
    pub text: Option<&'a str>,
    /// Offset of the offending attribute in the request.
    pub offset: Option<u32>,
}

/// The messages of one datagram.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Starts at the first message.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Messages { rest: datagram }
    }

    /// Splits off the next message: header and payload.
    fn split_next(&mut self) -> Result<(Header, &'a [u8]), ParseError> {
        let mut r = Reader::new(self.rest);
        let left = self.rest.len();
        let found = r.u32_ne()?;
        let header = Header {
            kind: r.u16_ne()?,
            flags: r.u16_ne()?,
            seq: r.u32_ne()?,
            port: r.u32_ne()?,
        };
        let bad = ParseError::MessageLength { found, left };
        let len = usize::try_from(found).map_err(|_| bad)?;
        let payload = self.rest.get(HEADER_LEN..len).ok_or(bad)?;
        let aligned = len.checked_next_multiple_of(4).ok_or(bad)?;
        // The last message of a datagram may lack its padding.
        self.rest = self.rest.get(aligned..).unwrap_or_default();
        Ok((header, payload))
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Envelope<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match self.split_next() {
            Ok((header, payload)) => {
                let message = Message::parse(&header, payload);
                Some(message.map(|message| Envelope { header, message }))
            }
            Err(bad) => {
                // Where the next message would start is unknown.
                self.rest = &[];
                Some(Err(bad))
            }
        }
    }
}

impl<'a> Message<'a> {
    /// Parses the payload of a message of type `header.kind`.
    pub fn parse(header: &Header, payload: &'a [u8]) -> Result<Self, ParseError> {
        let other = Message::Other(header.kind);
        Ok(match header.kind {
            NLMSG_NOOP => Message::Noop,
            NLMSG_ERROR => Message::Ack(Ack::parse(header, payload)?),
            NLMSG_DONE => Message::Done(Done {
                errno: done_errno(payload),
                interrupted: header.dump_interrupted(),
            }),
            NLMSG_OVERRUN => Message::Overrun,
            link::RTM_NEWLINK => link::parse(payload)?.map_or(other, Message::NewLink),
            link::RTM_DELLINK => link::parse(payload)?.map_or(other, Message::DelLink),
            addr::RTM_NEWADDR => addr::parse(payload)?.map_or(other, Message::NewAddr),
            addr::RTM_DELADDR => addr::parse(payload)?.map_or(other, Message::DelAddr),
            route::RTM_NEWROUTE => route::parse(payload)?.map_or(other, Message::NewRoute),
            route::RTM_DELROUTE => route::parse(payload)?.map_or(other, Message::DelRoute),
            rule::RTM_NEWRULE => rule::parse(payload)?.map_or(other, Message::NewRule),
            rule::RTM_DELRULE => rule::parse(payload)?.map_or(other, Message::DelRule),
            _ => other,
        })
    }
}

/// The result of a dump; kernels before 4.17 do not always send one.
fn done_errno(payload: &[u8]) -> i32 {
    Reader::new(payload).i32_ne().map_or(0, i32::saturating_neg)
}

impl<'a> Ack<'a> {
    /// Parses `nlmsgerr`: the error, the request's header, its payload unless capped, then the
    /// extended acknowledgement.
    fn parse(header: &Header, payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(payload);
        let mut ack = Ack {
            seq: header.seq,
            errno: r.i32_ne()?.saturating_neg(),
            text: None,
            offset: None,
        };
        if header.flags & NLM_F_ACK_TLVS != 0 {
            // The result counts even if the extended acknowledgement is invalid.
            let _ = ack.parse_extended(header, r);
        }
        Ok(ack)
    }

    fn parse_extended(&mut self, header: &Header, mut r: Reader<'a>) -> Result<(), ParseError> {
        let found = r.u32_ne()?;
        r.bytes(HEADER_LEN.saturating_sub(4))?;
        if header.flags & NLM_F_CAPPED == 0 {
            let left = r.rest().len();
            let bad = ParseError::MessageLength { found, left };
            let len = usize::try_from(found).map_err(|_| bad)?;
            let body = len.checked_sub(HEADER_LEN).ok_or(bad)?;
            r.bytes(body.checked_next_multiple_of(4).ok_or(bad)?)?;
        }
        for attr in Attrs::new(r.rest()) {
            let attr = attr?;
            match attr.kind {
                NLMSGERR_ATTR_MSG => self.text = Some(attr.text()?),
                NLMSGERR_ATTR_OFFS => self.offset = Some(attr.u32_ne()?),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The only message of `batch`.
    fn only(batch: &Batch) -> Result<Envelope<'_>, ParseError> {
        let mut messages = Messages::new(batch.bytes());
        let first = messages.next();
        assert!(messages.next().is_none());
        first.unwrap()
    }

    fn batch(kind: u16, flags: u16, fixed: &[u8]) -> Batch {
        let mut batch = Batch::new(3);
        batch.start(kind, flags);
        batch.fixed(fixed);
        batch
    }

    #[test]
    fn control_messages_are_parsed() {
        let interrupted = |errno, interrupted| Message::Done(Done { errno, interrupted });
        for (name, kind, flags, payload, wanted) in [
            ("noop", 1, 0, &[][..], Message::Noop),
            ("overrun", 4, 0, &[], Message::Overrun),
            ("done", 3, 2, &0_i32.to_ne_bytes(), interrupted(0, false)),
            ("done, old kernel", 3, 2, &[], interrupted(0, false)),
            ("done, interrupted", 3, 0x12, &[0; 4], interrupted(0, true)),
            (
                "done, failed",
                3,
                2,
                &(-95_i32).to_ne_bytes(),
                interrupted(95, false),
            ),
            ("unknown", 0x7777, 0, &[1, 2], Message::Other(0x7777)),
        ] {
            let batch = batch(kind, flags, payload);
            assert_eq!(only(&batch).map(|e| e.message), Ok(wanted), "{name}");
        }
        let message = batch(0x7777, NLM_F_DUMP_INTR, &[]);
        assert!(only(&message).unwrap().header.dump_interrupted());
    }

    /// An error with the request's `body` and an extended acknowledgement.
    fn refusal(flags: u16, body: &[u8]) -> Batch {
        let request_len = u32::try_from(HEADER_LEN + body.len()).unwrap();
        let mut batch = batch(NLMSG_ERROR, flags, &(-22_i32).to_ne_bytes());
        batch.fixed(&request_len.to_ne_bytes());
        batch.fixed(&[0; 12]);
        if flags & NLM_F_CAPPED == 0 {
            batch.fixed(body);
        }
        batch.attr_text(NLMSGERR_ATTR_MSG, "no");
        batch.attr_u32_ne(NLMSGERR_ATTR_OFFS, 24);
        batch.attr_u32_ne(9, 0);
        batch
    }

    #[test]
    fn the_extended_acknowledgement_follows_the_request() {
        let plain = Ack {
            seq: 3,
            errno: 22,
            text: None,
            offset: None,
        };
        let extended = Ack {
            text: Some("no"),
            offset: Some(24),
            ..plain
        };
        let body = &[0xff; 20];
        for (name, batch, wanted) in [
            ("whole request", refusal(NLM_F_ACK_TLVS, body), extended),
            (
                "capped",
                refusal(NLM_F_ACK_TLVS | NLM_F_CAPPED, body),
                extended,
            ),
            ("no extended acknowledgement", refusal(0, body), plain),
            // The result counts even if the rest is invalid.
            ("broken", refusal(NLM_F_ACK_TLVS, &[0xff; 3]), plain),
            (
                "nothing else",
                batch(NLMSG_ERROR, NLM_F_ACK_TLVS, &(-22_i32).to_ne_bytes()),
                plain,
            ),
        ] {
            let ack = only(&batch).map(|envelope| envelope.message);
            assert_eq!(ack, Ok(Message::Ack(wanted)), "{name}");
        }
        let empty = batch(NLMSG_ERROR, 0, &[]);
        let short = ParseError::Short {
            found: 0,
            needed: 4,
        };
        assert_eq!(only(&empty), Err(short));
    }

    #[test]
    fn an_invalid_message_does_not_affect_the_next() {
        let mut batch = batch(link::RTM_NEWLINK, 0, &[0; 3]);
        batch.start(99, 0);
        let seen: Vec<_> = Messages::new(batch.bytes()).collect();
        assert!(matches!(
            seen[..],
            [
                Err(ParseError::Short { .. }),
                Ok(Envelope {
                    message: Message::Other(99),
                    ..
                })
            ]
        ));
    }
}
