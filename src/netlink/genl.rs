//! Generic netlink: families of messages that have a name, and a number only while the kernel runs.
//!
//! ```text
//! nlmsghdr: type = the family's number │ genlmsghdr: command u8 │ version u8 │ reserved u16, 0 │ attributes …
//! ```
//! The controller, whose number is fixed, tells the number of a name. Numbers of families overlap with types of
//! rtnetlink: what comes from such a socket is read by [`Replies`], never by [`Messages`] alone.

use super::attr::Reader;
use super::{Ack, Attrs, Batch, Done, Message, Messages, NLM_F_REQUEST, ParseError};

/// The first number a family can have; below it are netlink's own messages.
const MIN_TYPE: u16 = 0x10;
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_VERSION: u8 = 1;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Length of `genlmsghdr`.
const LEN: usize = 4;

/// Starts a request to a family.
pub(super) fn begin(
    batch: &mut Batch,
    (family, version): (u16, u8),
    command: u8,
    flags: u16,
) -> u32 {
    let seq = batch.begin(family, NLM_F_REQUEST | flags);
    batch.fixed(&[command, version, 0, 0]);
    seq
}

/// Splits what follows the netlink header into command and attributes.
pub(super) fn open(payload: &[u8]) -> Result<(u8, Attrs<'_>), ParseError> {
    let mut r = Reader::new(payload);
    let [command, _, _, _] = r.array::<LEN>()?;
    Ok((command, Attrs::new(r.rest())))
}

/// Asks for the number of the family of that name. [`family_id`] reads the answer.
pub fn get_family(batch: &mut Batch, name: &str) -> u32 {
    let seq = begin(batch, (GENL_ID_CTRL, CTRL_VERSION), CTRL_CMD_GETFAMILY, 0);
    batch.attr_text(CTRL_ATTR_FAMILY_NAME, name);
    seq
}

/// The controller's answer.
pub fn family_id(payload: &[u8]) -> Result<u16, ParseError> {
    let (_, attrs) = open(payload)?;
    let mut number = None;
    for attr in attrs {
        let attr = attr?;
        if attr.kind == CTRL_ATTR_FAMILY_ID {
            number = Some(attr.u16_ne()?);
        }
    }
    number.ok_or(ParseError::Missing(CTRL_ATTR_FAMILY_ID))
}

/// What stands in a datagram of a generic netlink socket.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reply<'a> {
    /// A request was carried out or refused.
    Ack(Ack<'a>),
    /// A dump has ended.
    Done(Done),
    /// A family's message: what follows the netlink header.
    Payload(&'a [u8]),
    /// Nothing to act upon.
    Ignored,
}

/// The messages of one datagram, with whether the dump they belong to was interrupted.
#[derive(Clone, Debug)]
pub struct Replies<'a>(Messages<'a>);

impl<'a> Replies<'a> {
    /// Starts at the first.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Replies(Messages::new(datagram))
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Result<(Reply<'a>, bool), ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rest.is_empty() {
            return None;
        }
        let (header, payload) = match self.0.cut() {
            Ok(cut) => cut,
            Err(bad) => {
                self.0.rest = &[];
                return Some(Err(bad));
            }
        };
        let interrupted = header.dump_interrupted();
        if header.kind >= MIN_TYPE {
            return Some(Ok((Reply::Payload(payload), interrupted)));
        }
        Some(Message::parse(&header, payload).map(|message| {
            let reply = match message {
                Message::Ack(ack) => Reply::Ack(ack),
                Message::Done(done) => Reply::Done(done),
                Message::NewLink(_)
                | Message::DelLink(_)
                | Message::NewAddr(_)
                | Message::DelAddr(_)
                | Message::NewRoute(_)
                | Message::DelRoute(_)
                | Message::NewRule(_)
                | Message::DelRule(_)
                | Message::Noop
                | Message::Overrun
                | Message::Other(_) => Reply::Ignored,
            };
            (reply, interrupted)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn the_controller_is_asked_for_a_number() {
        let mut batch = Batch::new(7);
        assert_eq!(get_family(&mut batch, "IPVS"), 7);
        let want = [
            // nlmsghdr: 32 bytes, the controller, a request, number 7
            32, 0, 0, 0, 0x10, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, //
            3, 1, 0, 0, // GETFAMILY, version 1
            9, 0, 2, 0, b'I', b'P', b'V', b'S', 0, 0, 0, 0,
        ];
        assert_eq!(batch.bytes(), want);
    }

    #[test]
    fn the_number_is_found_among_other_attributes() {
        let mut batch = Batch::new(7);
        begin(&mut batch, (GENL_ID_CTRL, 2), 1, 0);
        batch.attr_text(CTRL_ATTR_FAMILY_NAME, "IPVS");
        batch.attr(CTRL_ATTR_FAMILY_ID, &0x1c_u16.to_ne_bytes());
        batch.attr_u32_ne(3, 1);
        let mut replies = Replies::new(batch.bytes());
        let Some(Ok((Reply::Payload(payload), false))) = replies.next() else {
            panic!("{replies:?}")
        };
        assert_eq!(family_id(payload), Ok(0x1c));
        assert_eq!(replies.next(), None);
        assert_eq!(family_id(&[1, 2, 0, 0]), Err(ParseError::Missing(1)));
        assert!(family_id(&[1, 2, 0]).is_err());
    }

    #[test]
    fn a_family_with_the_number_of_a_link_message_is_not_taken_for_one() {
        let mut batch = Batch::new(1);
        batch.begin(super::super::link::RTM_NEWLINK, 0x10);
        batch.fixed(&[1, 1, 0, 0]);
        batch.begin(3, 2);
        batch.fixed(&[0; 4]);
        batch.begin(2, 0);
        batch.fixed(&(-2_i32).to_ne_bytes());
        batch.fixed(&[0; 16]);
        let all: Vec<_> = Replies::new(batch.bytes()).map(Result::unwrap).collect();
        assert!(
            matches!(
                all[..],
                [
                    (Reply::Payload([1, 1, 0, 0]), true),
                    (Reply::Done(Done { errno: 0, .. }), false),
                    (Reply::Ack(Ack { errno: 2, .. }), false)
                ]
            ),
            "{all:?}"
        );
    }
}
