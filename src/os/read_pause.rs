//! Pauses of receive sockets: a backup of many masters does not wake up for each of their adverts.
//!
//! An advert may wait until the first deadline that it could cause. Deadlines are counted from the
//! kernel's time stamp, so they do not move. A socket whose packets come faster than that is left
//! out of the poll list for this time after it was read; it is read at the end of the pause, when a
//! master resigns ([`super::resignations`]), and before a timer fires.

use core::mem;
use core::time::Duration;

use crate::types::Instant;

/// Longest pause. The receive buffer holds what arrives meanwhile, except for large floods: after
/// one of these there is no pause.
pub(super) const LONGEST: Duration = Duration::from_millis(200);
/// Packets expected in a pause at most: reading them delays a takeover by less than a millisecond.
const EXPECTED: u32 = 128;
/// Shorter ones would save too few wake-ups.
const SHORTEST: Duration = Duration::from_millis(1);
/// After more packets than this at once there is no pause: their sender may fill the buffer.
const FLOOD: u32 = 512;

/// Pauses of one socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadPause {
    /// End of the pause in progress.
    end: Option<Instant>,
    /// Whether the pause in progress follows another one.
    is_next: bool,
    /// Start of the last read that found packets.
    last_read: Option<Instant>,
    /// The last pause after a packet that was polled for has saved wake-ups.
    first_pays: bool,
    /// The last one that followed another has.
    next_pays: bool,
    /// The next read is not followed by a pause.
    is_cancelled: bool,
}

impl Default for ReadPause {
    fn default() -> Self {
        ReadPause {
            end: None,
            is_next: false,
            last_read: None,
            first_pays: false,
            next_pays: true,
            is_cancelled: false,
        }
    }
}

impl ReadPause {
    /// When the socket is to be read although it is not polled.
    pub(super) fn end(&self) -> Option<Instant> {
        self.end
    }

    /// Ends the pause. The socket is polled until it has been read.
    pub(super) fn cancel(&mut self) {
        self.end = None;
        self.is_cancelled = true;
    }

    /// During a pause: what arrived before this time has been read.
    pub(super) fn read_until(&self) -> Option<Instant> {
        self.end.and(self.last_read)
    }

    /// To be called after `packets` were read, from `start` on until none was left. `delay` is how
    /// long the next one may wait.
    pub(super) fn after_reading(
        &mut self,
        start: Instant,
        packets: u32,
        delay: impl FnOnce() -> Duration,
    ) {
        let was_paused = self.end.take().is_some();
        // One packet would have been one wake-up without the pause, too.
        let pays = packets > 1;
        match was_paused {
            true if self.is_next => self.next_pays = pays,
            true => self.first_pays = pays,
            false => {}
        }
        let is_cancelled = mem::take(&mut self.is_cancelled);
        if packets == 0 || packets > FLOOD {
            return;
        }
        let last = self.last_read.replace(start);
        if is_cancelled {
            return;
        }
        let gap = last.map_or(Duration::MAX, |last| start.since(last));
        if !was_paused && !self.first_pays && gap > LONGEST {
            return;
        }
        let delay = delay().min(LONGEST);
        self.next_pays |= !was_paused && gap <= delay / 2;
        let is_worth_it = match was_paused {
            true => self.next_pays,
            false => self.first_pays || gap <= delay,
        };
        let expected = gap.saturating_mul(EXPECTED).checked_div(packets);
        let length = expected.map_or(delay, |time| time.min(delay));
        if is_worth_it && length >= SHORTEST {
            self.is_next = was_paused;
            self.end = Some(start.after(length));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(at: u64) -> Instant {
        Instant::ZERO.after(ms(at))
    }

    /// The ends of the pauses after reads, each given by its time and number of packets.
    fn pauses(delay: Duration, reads: &[(u64, u32)]) -> Vec<Option<Instant>> {
        let mut pause = ReadPause::default();
        let after = |&(time, packets): &(u64, u32)| {
            pause.after_reading(at(time), packets, || delay);
            pause.end()
        };
        reads.iter().map(after).collect()
    }

    #[test]
    fn packets_in_quick_succession_are_read_together() {
        let reads = [(0, 1), (1, 1), (7, 5), (12, 2), (17, 1)];
        let ends = [None, Some(at(6)), Some(at(12)), Some(at(17)), None];
        assert_eq!(pauses(ms(5), &reads), ends);
    }

    #[test]
    fn packets_that_are_rarer_than_the_delay_are_read_at_once() {
        assert_eq!(pauses(ms(5), &[(0, 1), (6, 1), (12, 1)]), [None; 3]);
        let second = 1000;
        let reads = [(0, 1), (second, 1), (2 * second, 1)];
        assert_eq!(pauses(ms(5000), &reads), [None; 3]);
    }

    #[test]
    fn pauses_end_when_nothing_arrives() {
        let reads = [(0, 1), (1, 1), (6, 0), (9, 1)];
        let ends = [None, Some(at(6)), None, None];
        assert_eq!(pauses(ms(5), &reads), ends);
    }

    #[test]
    fn bursts_are_read_in_one_pause_each() {
        let reads = [
            (0, 1),
            (1, 1),
            (6, 7),
            (11, 0),
            (100, 1),
            (105, 7),
            (200, 1),
        ];
        let first = [None, Some(at(6)), Some(at(11)), None];
        // The pause after the burst has saved nothing.
        let later = [Some(at(105)), None, Some(at(205))];
        assert_eq!(pauses(ms(5), &reads), [&first[..], &later].concat());
    }

    #[test]
    fn pauses_are_neither_longer_than_the_buffer_holds_nor_too_short_to_help() {
        let reads = [(0, 1), (2, 1)];
        assert_eq!(pauses(ms(600), &reads), [None, Some(at(202))]);
        assert_eq!(pauses(Duration::from_micros(999), &reads), [None; 2]);
        assert_eq!(pauses(Duration::ZERO, &reads), [None; 2]);
    }

    #[test]
    fn few_packets_wait_for_a_takeover() {
        let reads = [(0, 1), (10, 256)];
        assert_eq!(pauses(ms(600), &reads), [None, Some(at(15))]);
    }

    #[test]
    fn no_pause_follows_a_cancelled_one_before_the_socket_was_read() {
        let mut pause = ReadPause::default();
        let mut read = |time, packets| {
            pause.after_reading(at(time), packets, || ms(5));
            if time == 2 {
                pause.cancel();
            }
            pause.end()
        };
        assert_eq!(read(1, 1), None);
        assert_eq!(read(2, 1), None, "cancelled");
        assert_eq!(read(3, 2), None);
        assert_eq!(read(4, 1), Some(at(9)));
    }

    #[test]
    fn a_flood_is_read_as_it_comes() {
        assert_eq!(pauses(ms(5), &[(0, 600), (1, 600), (2, 600)]), [None; 3]);
    }
}
