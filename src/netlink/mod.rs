//! rtnetlink: host byte order ⇄ structs. Still pure: `os` owns the socket.
//!
//! A datagram is a row of messages, a message is a header, a fixed part by type, and attributes:
//! ```text
//! ┌ nlmsghdr, 16 ───────────────────────────┐┌ ifaddrmsg, 8 ┐┌ nlattr ─────────────┐
//! │ length u32 │ type u16 │ flags u16 │ seq  ││ …            ││ length u16 │ type   │ value, padding to 4 …
//! │            │          │           │ port ││              ││            │ u16    │
//! ```
//! Received: [`Messages`] walks a datagram and yields [`Envelope`]s whose body a receive loop matches on.
//! What is not ours to know is [`Message::Other`]; unknown attributes are skipped, of a duplicate the last
//! one counts, nesting is followed 4 deep. A bad length ends the datagram, a bad attribute costs only its
//! message.
//!
//! Sent: [`Batch`] collects requests in one reusable buffer with consecutive sequence numbers, so that
//! one `sendmsg` carries a burst and [`Ack::seq`] finds its request.
//!
//! Everything is read and written at offsets in the byte order of the host (`_ne` in every name): no
//! struct is cast, so alignment and padding cannot go wrong. The numbers are the kernel's UAPI.
//!
//! `attr.rs` the cursor · `batch.rs` the builder · `link.rs` · `addr.rs` · `route.rs` · `rule.rs` · `macvlan.rs` ·
//! `nft.rs` (netfilter, not rtnetlink) · `genl.rs` and `ipvs/` (generic netlink).

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

/// Every netlink request carries it.
pub const NLM_F_REQUEST: u16 = 0x1;
/// Asks for an [`Ack`] also on success.
pub const NLM_F_ACK: u16 = 0x4;
/// Asks for all objects.
pub const NLM_F_DUMP: u16 = 0x300;
/// Change the object if it is there.
pub const NLM_F_REPLACE: u16 = 0x100;
/// Refuse if it is there.
pub const NLM_F_EXCL: u16 = 0x200;
/// Make it if it is not there.
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

/// The kernel's number of a family.
fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// The family of a number, and its address of zeros.
fn family(number: u8) -> Option<(Family, IpAddr)> {
    match number {
        AF_INET => Some((Family::V4, IpAddr::V4(Ipv4Addr::UNSPECIFIED))),
        AF_INET6 => Some((Family::V6, IpAddr::V6(Ipv6Addr::UNSPECIFIED))),
        _ => None,
    }
}

/// Appends an address as an attribute.
fn address(batch: &mut Batch, kind: u16, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => batch.attr(kind, &addr.octets()),
        IpAddr::V6(addr) => batch.attr(kind, &addr.octets()),
    }
}

/// What is wrong with received bytes. The kernel does not send such; this is for what we misunderstand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseError {
    /// The bytes end before the field.
    Short {
        /// Bytes there are.
        found: usize,
        /// Bytes the field takes.
        needed: usize,
    },
    /// A message's length below its header's or beyond the datagram.
    MessageLength {
        /// What the header says.
        found: u32,
        /// Bytes left.
        left: usize,
    },
    /// An attribute's length below its header's or beyond the message.
    AttrLength {
        /// What the attribute says.
        found: u16,
        /// Bytes left.
        left: usize,
    },
    /// An attribute's value does not have its type's size.
    AttrSize {
        /// Which attribute.
        kind: u16,
        /// Bytes it has.
        found: usize,
        /// Bytes it should have.
        expected: usize,
    },
    /// An attribute's text is not UTF-8.
    Text(u16),
    /// Attributes nested deeper than 4.
    Depth,
    /// A message lacks this attribute.
    Missing(u16),
    /// Interface number 0 or negative.
    Index(i32),
    /// Prefix length beyond the family's.
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

/// The header every message starts with, its length taken off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Message type.
    pub kind: u16,
    /// `NLM_F_*`; their meaning depends on the type.
    pub flags: u16,
    /// The request's number; in notifications that of whoever caused them.
    pub seq: u32,
    /// The socket it belongs to; 0 is the kernel's own doing.
    pub port: u32,
}

impl Header {
    /// The dump this message belongs to is inconsistent and must be repeated. The kernel says so on
    /// whichever message it noticed at, not only on the last.
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
    /// The rest, understood.
    pub message: Message<'a>,
}

/// What the kernel tells us.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Message<'a> {
    /// A link is there, new or changed.
    NewLink(Link<'a>),
    /// A link is gone.
    DelLink(Link<'a>),
    /// An address is there, new or changed.
    NewAddr(Addr<'a>),
    /// An address is gone.
    DelAddr(Addr<'a>),
    /// A route is there, new or changed.
    NewRoute(Route),
    /// A route is gone.
    DelRoute(Route),
    /// A rule is there.
    NewRule(Rule<'a>),
    /// A rule is gone.
    DelRule(Rule<'a>),
    /// A dump has ended.
    Done(Done),
    /// A request was carried out or refused.
    Ack(Ack<'a>),
    /// Nothing.
    Noop,
    /// Messages were lost.
    Overrun,
    /// Another type, or a known one for another address family.
    Other(u16),
}

/// How a dump ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// 0, or why it broke off, as a positive number.
    pub errno: i32,
    /// See [`Header::dump_interrupted`].
    pub interrupted: bool,
}

/// The answer to one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ack<'a> {
    /// The request's number.
    pub seq: u32,
    /// 0 for success, else why not, as a positive number.
    pub errno: i32,
    /// The kernel's own words (`NETLINK_EXT_ACK`).
    pub text: Option<&'a str>,
    /// Where in the request the offending attribute starts.
    pub offset: Option<u32>,
}

/// The messages of one datagram.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    /// Starts at the first.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Messages { rest: datagram }
    }

    /// Cuts the next message off: header and payload.
    fn cut(&mut self) -> Result<(Header, &'a [u8]), ParseError> {
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
        // The last message of a datagram may go without its padding.
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
        match self.cut() {
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
    /// Reads the payload of a message of `header.kind`.
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

/// The result a dump ends with; kernels before 4.17 do not always send one.
fn done_errno(payload: &[u8]) -> i32 {
    Reader::new(payload).i32_ne().map_or(0, i32::saturating_neg)
}

impl<'a> Ack<'a> {
    /// `nlmsgerr`: the error, the header of the request, its payload unless capped, then what the
    /// kernel has to say.
    fn parse(header: &Header, payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut r = Reader::new(payload);
        let mut ack = Ack {
            seq: header.seq,
            errno: r.i32_ne()?.saturating_neg(),
            text: None,
            offset: None,
        };
        if header.flags & NLM_F_ACK_TLVS != 0 {
            // A text we cannot read is no reason to lose the answer.
            let _ = ack.explain(header, r);
        }
        Ok(ack)
    }

    fn explain(&mut self, header: &Header, mut r: Reader<'a>) -> Result<(), ParseError> {
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
        batch.begin(kind, flags);
        batch.fixed(fixed);
        batch
    }

    #[test]
    fn control_messages_are_values() {
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

    /// A refusal with the request's `body` bytes and the kernel's remarks.
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
    fn the_kernels_remarks_are_found_behind_the_request() {
        let silent = Ack {
            seq: 3,
            errno: 22,
            text: None,
            offset: None,
        };
        let wordy = Ack {
            text: Some("no"),
            offset: Some(24),
            ..silent
        };
        let body = &[0xff; 20];
        for (name, batch, wanted) in [
            ("whole request", refusal(NLM_F_ACK_TLVS, body), wordy),
            (
                "capped",
                refusal(NLM_F_ACK_TLVS | NLM_F_CAPPED, body),
                wordy,
            ),
            ("no remarks", refusal(0, body), silent),
            // The answer counts even where the rest makes no sense.
            ("broken", refusal(NLM_F_ACK_TLVS, &[0xff; 3]), silent),
            (
                "nothing else",
                batch(NLMSG_ERROR, NLM_F_ACK_TLVS, &(-22_i32).to_ne_bytes()),
                silent,
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
    fn a_bad_message_costs_only_itself() {
        let mut batch = batch(link::RTM_NEWLINK, 0, &[0; 3]);
        batch.begin(99, 0);
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
