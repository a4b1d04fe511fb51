//! Generic netlink: message families with a name and an id that the kernel assigns at run time.
//!
//! ```text
//! nlmsghdr: type = family id │ genlmsghdr: command u8 │ version u8 │ reserved u16, 0 │ attributes …
//! ```
//! The controller, whose id is fixed, returns the id of a name. Family ids overlap with message
//! types of rtnetlink, so datagrams of a generic netlink socket are parsed by [`Replies`], not by
//! [`Messages`].

use super::attr::Reader;
use super::{Ack, Attrs, Batch, Done, Message, Messages, NLM_F_REQUEST, ParseError};

/// Lowest family id (`NLMSG_MIN_TYPE`); lower types are netlink's control messages.
const MIN_TYPE: u16 = 0x10;
const GENL_ID_CTRL: u16 = 0x10;
/// The controller.
const CONTROLLER: Family = Family {
    id: GENL_ID_CTRL,
    version: 1,
};
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Length of `genlmsghdr`.
const LEN: usize = 4;

/// A family and the version of its interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Family {
    pub(super) id: u16,
    pub(super) version: u8,
}

/// Starts a request to a family.
pub(super) fn start(batch: &mut Batch, family: Family, command: u8, flags: u16) -> u32 {
    let seq = batch.start(family.id, NLM_F_REQUEST | flags);
    batch.fixed(&[command, family.version, 0, 0]);
    seq
}

/// Splits the payload of a message into command and attributes.
pub(super) fn split(payload: &[u8]) -> Result<(u8, Attrs<'_>), ParseError> {
    let mut r = Reader::new(payload);
    let [command, _, _, _] = r.array::<LEN>()?;
    Ok((command, Attrs::new(r.rest())))
}

/// Appends a request for the id of the family `name`; [`family_id`] parses the reply.
pub fn get_family(batch: &mut Batch, name: &str) -> u32 {
    let seq = start(batch, CONTROLLER, CTRL_CMD_GETFAMILY, 0);
    batch.attr_text(CTRL_ATTR_FAMILY_NAME, name);
    seq
}

/// Parses the controller's reply.
pub fn family_id(payload: &[u8]) -> Result<u16, ParseError> {
    let (_, attrs) = split(payload)?;
    let mut number = None;
    for attr in attrs {
        let attr = attr?;
        if attr.kind == CTRL_ATTR_FAMILY_ID {
            number = Some(attr.u16_ne()?);
        }
    }
    number.ok_or(ParseError::Missing(CTRL_ATTR_FAMILY_ID))
}

/// A message from a generic netlink socket.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reply<'a> {
    /// Result of a request.
    Ack(Ack<'a>),
    /// End of a dump.
    Done(Done),
    /// The payload of a family's message.
    Payload(&'a [u8]),
    /// A message without effect.
    Ignored,
}

/// A message and whether the dump it belongs to was interrupted
/// ([`super::Header::dump_interrupted`]).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ReplyMessage<'a> {
    /// The message.
    pub reply: Reply<'a>,
    /// The dump must be repeated.
    pub interrupted: bool,
}

/// The messages of one datagram.
#[derive(Clone, Debug)]
pub struct Replies<'a>(Messages<'a>);

impl<'a> Replies<'a> {
    /// Starts at the first message.
    #[must_use]
    pub fn new(datagram: &'a [u8]) -> Self {
        Replies(Messages::new(datagram))
    }
}

impl<'a> Iterator for Replies<'a> {
    type Item = Result<ReplyMessage<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.rest.is_empty() {
            return None;
        }
        let (header, payload) = match self.0.split_next() {
            Ok(message) => message,
            Err(bad) => {
                self.0.rest = &[];
                return Some(Err(bad));
            }
        };
        let interrupted = header.dump_interrupted();
        if header.kind >= MIN_TYPE {
            let reply = Reply::Payload(payload);
            return Some(Ok(ReplyMessage { reply, interrupted }));
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
            ReplyMessage { reply, interrupted }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn get_family_requests_a_family_id() {
        let mut batch = Batch::new(7);
        assert_eq!(get_family(&mut batch, "IPVS"), 7);
        let want = [
            // nlmsghdr: 32 bytes, the controller, a request, sequence 7
            32, 0, 0, 0, 0x10, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, //
            3, 1, 0, 0, // GETFAMILY, version 1
            9, 0, 2, 0, b'I', b'P', b'V', b'S', 0, 0, 0, 0,
        ];
        assert_eq!(batch.bytes(), want);
    }

    #[test]
    fn the_family_id_is_found_among_other_attributes() {
        let mut batch = Batch::new(7);
        start(&mut batch, CONTROLLER, 1, 0);
        batch.attr_text(CTRL_ATTR_FAMILY_NAME, "IPVS");
        batch.attr(CTRL_ATTR_FAMILY_ID, &0x1c_u16.to_ne_bytes());
        batch.attr_u32_ne(3, 1);
        let mut replies = Replies::new(batch.bytes());
        let Some(Ok(ReplyMessage {
            reply: Reply::Payload(payload),
            interrupted: false,
        })) = replies.next()
        else {
            panic!("{replies:?}")
        };
        assert_eq!(family_id(payload), Ok(0x1c));
        assert_eq!(replies.next(), None);
        assert_eq!(family_id(&[1, 2, 0, 0]), Err(ParseError::Missing(1)));
        assert!(family_id(&[1, 2, 0]).is_err());
    }

    #[test]
    fn a_family_id_equal_to_a_link_message_type_is_not_confused() {
        let mut batch = Batch::new(1);
        batch.start(super::super::link::RTM_NEWLINK, 0x10);
        batch.fixed(&[1, 1, 0, 0]);
        batch.start(3, 2);
        batch.fixed(&[0; 4]);
        batch.start(2, 0);
        batch.fixed(&(-2_i32).to_ne_bytes());
        batch.fixed(&[0; 16]);
        let all: Vec<_> = Replies::new(batch.bytes())
            .map(Result::unwrap)
            .map(|message| (message.reply, message.interrupted))
            .collect();
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
