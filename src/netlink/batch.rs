//! Building requests in one buffer, which grows to the largest batch and is reused.

use super::HEADER_LEN;

/// `NLA_F_NESTED`.
const NESTED: u16 = 0x8000;
/// Longest attribute value: the length field includes the header of four bytes.
const MAX_VALUE: usize = 0xffff - 4;

/// Requests for one `sendmsg`, with consecutive sequence numbers. None has `NLM_F_ACK`: the kernel
/// sends errors nevertheless, and an acknowledgement of each success would have to be read.
///
/// [`start`](Batch::start) starts a message; everything appended until the next `start` belongs to
/// it. Its length field is updated with every append.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Offset of the current message.
    message: usize,
    count: usize,
    next_seq: u32,
}

impl Batch {
    /// An empty batch; the first message gets the sequence number `first_seq`.
    #[must_use]
    pub fn new(first_seq: u32) -> Self {
        Batch {
            bytes: Vec::new(),
            message: 0,
            count: 0,
            next_seq: first_seq,
        }
    }

    /// Removes all messages. The buffer stays allocated, and sequence numbers continue.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.message = 0;
        self.count = 0;
    }

    /// The bytes to send.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Number of messages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether it has no message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Capacity in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Sequence number of the next message.
    #[must_use]
    pub fn next_seq(&self) -> u32 {
        self.next_seq
    }

    /// Starts a message and returns its sequence number.
    pub fn start(&mut self, kind: u16, flags: u16) -> u32 {
        let seq = self.next_seq;
        self.next_seq = seq.wrapping_add(1);
        self.count = self.count.saturating_add(1);
        self.pad();
        self.message = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&seq.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.update_length();
        seq
    }

    /// Appends the fixed part of a message.
    pub fn fixed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.update_length();
    }

    /// Appends an attribute.
    pub fn attr(&mut self, kind: u16, value: &[u8]) {
        debug_assert!(value.len() <= MAX_VALUE, "attribute {kind} is too long");
        let value = value.get(..MAX_VALUE).unwrap_or(value);
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
    }

    /// Appends an attribute with one byte.
    pub fn attr_u8(&mut self, kind: u16, value: u8) {
        self.attr(kind, &[value]);
    }

    /// Appends an attribute with four bytes in host order.
    pub fn attr_u32_ne(&mut self, kind: u16, value: u32) {
        self.attr(kind, &value.to_ne_bytes());
    }

    /// Appends an attribute with NUL-terminated text.
    pub fn attr_text(&mut self, kind: u16, value: &str) {
        debug_assert!(value.len() < MAX_VALUE, "attribute {kind} is too long");
        let start = self.open(kind);
        let text = value.as_bytes();
        self.bytes
            .extend_from_slice(text.get(..MAX_VALUE.saturating_sub(1)).unwrap_or(text));
        self.bytes.push(0);
        self.close(start);
    }

    /// Appends an attribute that contains those appended by `fill`.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        fill(self);
        self.close(start);
    }

    /// Appends a record laid out like an attribute, with the two bytes `head` in place of the type
    /// (`rtnexthop`).
    pub(super) fn record(&mut self, head: [u8; 2], fill: impl FnOnce(&mut Self)) {
        let start = self.open(u16::from_ne_bytes(head));
        fill(self);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Sets the length of the attribute at `start`, which ends here, and pads it.
    fn close(&mut self, start: usize) {
        let len = self.bytes.len().saturating_sub(start);
        // A nested attribute beyond 64 KiB cannot be encoded: the kernel rejects this length.
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        self.patch(start, &len.to_ne_bytes());
        self.pad();
        self.update_length();
    }

    fn pad(&mut self) {
        let aligned = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(aligned, 0);
    }

    /// Sets the length of the current message, which ends here.
    fn update_length(&mut self) {
        let len = self.bytes.len().saturating_sub(self.message);
        debug_assert!(len >= HEADER_LEN, "append before start");
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.patch(self.message, &len.to_ne_bytes());
    }

    fn patch(&mut self, at: usize, value: &[u8]) {
        let tail = self.bytes.get_mut(at..).unwrap_or_default();
        if let Some(field) = tail.get_mut(..value.len()) {
            field.copy_from_slice(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Attrs, Envelope, Message, Messages, NLM_F_REQUEST};
    use super::*;

    #[test]
    fn sequence_numbers_are_consecutive_and_wrap() {
        let mut batch = Batch::new(u32::MAX);
        assert_eq!(batch.start(99, NLM_F_REQUEST), u32::MAX);
        assert_eq!(batch.start(98, NLM_F_REQUEST), 0);
        assert_eq!((batch.count(), batch.next_seq()), (2, 1));
        let seen: Vec<(u16, u16, u32, u32)> = Messages::new(batch.bytes())
            .map(|m| m.unwrap().header)
            .map(|h| (h.kind, h.flags, h.seq, h.port))
            .collect();
        assert_eq!(seen, [(99, 1, u32::MAX, 0), (98, 1, 0, 0)]);
    }

    #[test]
    fn attributes_parse_back_with_their_lengths_and_padding() {
        let mut batch = Batch::new(7);
        batch.start(99, NLM_F_REQUEST);
        batch.fixed(&[1, 2, 3, 4]);
        batch.attr_u8(1, 9);
        batch.nested(2, |batch| {
            batch.attr_text(3, "v0:1");
            batch.attr_u32_ne(4, 0xdead_beef);
        });
        batch.start(100, 0);
        let bytes = batch.bytes();
        let second = bytes.len() - HEADER_LEN;
        assert_eq!(bytes[..4], u32::try_from(second).unwrap().to_ne_bytes());
        // Newer kernels require the flag.
        let nested = HEADER_LEN + 4 + 8 + 2;
        assert_eq!(bytes[nested..nested + 2], 0x8002_u16.to_ne_bytes());
        let attrs: Vec<_> = Attrs::new(&bytes[HEADER_LEN + 4..second])
            .map(Result::unwrap)
            .collect();
        assert_eq!((attrs[0].kind, attrs[0].u8()), (1, Ok(9)));
        let inner: Vec<_> = attrs[1].nested().unwrap().map(Result::unwrap).collect();
        assert_eq!((inner[0].kind, inner[0].value), (3, &b"v0:1\0"[..]));
        assert_eq!((inner[1].kind, inner[1].u32_ne()), (4, Ok(0xdead_beef)));
        assert_eq!((attrs.len(), inner.len()), (2, 2));
    }

    #[test]
    fn clear_keeps_the_buffer_and_the_sequence() {
        let mut batch = Batch::new(1);
        batch.start(99, 0);
        batch.attr(1, &[0; 1000]);
        let capacity = batch.capacity();
        batch.clear();
        assert!(batch.is_empty() && batch.bytes().is_empty());
        assert_eq!(batch.start(99, 0), 2);
        batch.attr(1, &[0; 1000]);
        assert_eq!(batch.capacity(), capacity);
        let only: Vec<_> = Messages::new(batch.bytes()).collect();
        assert!(
            matches!(only[..], [Ok(Envelope { header, message: Message::Other(99) })] if header.seq == 2)
        );
    }
}
