//! Sequence numbers of `auth_hmac`: 64 bits, seconds and fraction of the sender's wall clock and a
//! counter, compared as serial numbers (RFC 1982) per sender. With a time window the number must
//! also be close to our own clock.

use core::net::IpAddr;
use core::time::Duration;

use crate::types::Usual;

/// Senders that are remembered at least.
pub(super) const MIN_SENDERS: usize = 16;

/// Whether the time in a sequence number is within `window` seconds of ours. `wall`: our clock,
/// since 1970.
#[must_use]
pub fn within_window(sequence: u64, wall: Duration, window: u32) -> bool {
    let late = seconds(from_clock(wall)).wrapping_sub(seconds(sequence));
    // In either direction: seconds wrap at 2^32.
    late.min(late.wrapping_neg()) <= window
}

/// The highest number of a sender.
#[derive(Clone, Copy, Debug)]
struct Sender {
    addr: IpAddr,
    sequence: u64,
    /// Value of [`HmacSequence::uses`] when it last sent; the least recent sender is replaced.
    used: u32,
}

impl Sender {
    /// Whether `sequence` is new after the last number. Once that is outside the window, the window
    /// alone decides, so that a sender whose clock was set back is accepted again.
    fn precedes(&self, sequence: u64, window: Option<u32>, wall: Duration) -> bool {
        let comparable = window.is_none_or(|window| within_window(self.sequence, wall, window));
        !comparable || is_after(sequence, self.sequence)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct HmacSequence {
    /// Last number sent; 0: none.
    sent: u64,
    /// Filled up to its capacity only, so that reception does not allocate.
    senders: Vec<Sender>,
    uses: u32,
}

impl Usual for HmacSequence {
    /// Of an instance without `auth_hmac`.
    const USUAL: &'static Self = &HmacSequence {
        sent: 0,
        senders: Vec::new(),
        uses: 0,
    };
}

impl HmacSequence {
    pub(super) fn reserve(&mut self, peers: usize) {
        let wanted = peers.max(MIN_SENDERS);
        self.senders
            .reserve_exact(wanted.saturating_sub(self.senders.len()));
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.senders.capacity()
    }

    /// Accepts a received number if it is above the sender's last one.
    pub(super) fn accept(
        &mut self,
        from: IpAddr,
        sequence: u64,
        window: Option<u32>,
        wall: Duration,
    ) -> bool {
        self.uses = self.uses.wrapping_add(1);
        let sender = Sender {
            addr: from,
            sequence,
            used: self.uses,
        };
        let Some(known) = self.senders.iter_mut().find(|known| known.addr == from) else {
            self.remember(sender);
            return true;
        };
        let new = known.precedes(sequence, window, wall);
        if new {
            *known = sender;
        }
        new
    }

    /// Whether [`HmacSequence::accept`] would refuse the number.
    pub(super) fn is_replay(
        &self,
        from: IpAddr,
        sequence: u64,
        window: Option<u32>,
        wall: Duration,
    ) -> bool {
        let known = self.senders.iter().find(|known| known.addr == from);
        known.is_some_and(|known| !known.precedes(sequence, window, wall))
    }

    /// Adds a sender, in place of the least recent one if there is no space.
    fn remember(&mut self, sender: Sender) {
        if self.senders.len() < self.senders.capacity() {
            self.senders.push(sender);
            return;
        }
        let uses = self.uses;
        let oldest = self
            .senders
            .iter_mut()
            .max_by_key(|known| uses.wrapping_sub(known.used));
        if let Some(oldest) = oldest {
            *oldest = sender;
        }
    }

    pub(super) fn last_sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn continue_after(&mut self, last: u64) {
        self.sent = last;
    }

    /// The next number to send: the clock while it advances, else the last number plus one. A clock
    /// that was set back by more than the window is followed, because the receivers' window would
    /// exclude us otherwise.
    pub(super) fn next(&mut self, wall: Duration, window: Option<u32>) -> u64 {
        let clock = from_clock(wall);
        let ahead = seconds(self.sent).wrapping_sub(seconds(clock));
        let outside = window.is_some_and(|window| ahead > window);
        self.sent = if is_after(clock, self.sent) || self.sent == 0 || outside {
            clock
        } else {
            self.sent.wrapping_add(1)
        };
        self.sent
    }
}

/// A wall-clock time as the upper 48 bits of a sequence number: seconds and 1/65536 seconds.
fn from_clock(wall: Duration) -> u64 {
    let fraction = u64::from(wall.subsec_nanos()) << 16;
    let fraction = fraction.checked_div(1_000_000_000).unwrap_or(0);
    (wall.as_secs() << 32) | (fraction << 16)
}

/// The seconds in a sequence number, modulo 2^32.
fn seconds(sequence: u64) -> u32 {
    u32::try_from(sequence >> 32).unwrap_or(0)
}

/// Serial number arithmetic (RFC 1982): less than half the number space ahead.
fn is_after(sequence: u64, other: u64) -> bool {
    let ahead = sequence.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 63
}
