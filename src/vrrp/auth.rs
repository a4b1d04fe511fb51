//! Whether an advert is from one of us, and is not an old one (`semantics.md` §2).
//!
//! Check values are computed outside, where the keys are; here are the rules. There are two kinds of
//! sequence numbers, which have nothing to do with each other.
//!
//! **AH**: one 32-bit counter for each instance, shared by sending and receiving. An advert is accepted when its
//! number is greater than the highest accepted or sent so far, and the next one sent is greater than that
//! again. keepalived counts from 1, so whoever restarts there is taken for a replay by those who still count,
//! until it hears them. We send the wall clock's seconds instead, or one more than the highest known if that is
//! more:
//! * What we sent before a restart, at most one advert a second, was less. Our first advert is accepted.
//! * keepalived's rule is only that numbers grow, so it takes the leap and goes on from there.
//! * A peer's numbers may be as low as 1. Nothing is known right after a start, so the first one is taken, whatever
//!   it is, and the clock does not count as known: otherwise a master that counts from 1 would be a replay for us,
//!   and there would be two. The price is keepalived's: a router that has just started can be shown an old advert.
//! * Without a clock that runs on (a router that boots in 1970) all this comes down to what keepalived does.
//! * Who goes on as master after a restart (`resume.rs`) sends more than its former process has, which may be ahead
//!   of the clock. What others send is none the less compared with nothing at first.
//!
//! Above [`LAST`] a master stops and is BACKUP; the counter begins anew when it becomes MASTER again.
//!
//! **Signatures** (`auth_hmac`): 64 bits, seconds and fraction of the sender's wall clock and a counter, compared
//! as serial numbers (RFC 1982) for each sender by itself. With a time window an advert must also be from now.

use core::net::IpAddr;
use core::time::Duration;

use super::{AuthResult, Params, Received, Reject, SignatureError};
use crate::types::Version;
use crate::wire::vrrp::Auth;

/// The highest number AH sends; keepalived's, too.
const LAST: u32 = 0xffff_fffd;
/// From here on the clock is not believed: numbers would soon be at their end.
const CLOCK_LAST: u32 = 0xf000_0000;
/// Senders of signed adverts that are told apart at least.
const SENDERS: usize = 16;

/// What `auth_hmac` demands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HmacPolicy {
    /// Adverts without a good signature are discarded; else only noted.
    pub enforce: bool,
    /// How many seconds the sender's clock may differ; `None`: `anti_replay monotonic`.
    pub window: Option<u32>,
}

/// Whether a signed advert's time is within the window. `wall`: our own, since 1970.
#[must_use]
pub fn within_window(sequence: u64, wall: Duration, window: u32) -> bool {
    let late = seconds(clock(wall)).wrapping_sub(seconds(sequence));
    // Either way round: 2^32 seconds are a circle.
    late.min(late.wrapping_neg()) <= window
}

/// The highest number of a sender.
#[derive(Clone, Copy, Debug)]
struct Mark {
    from: IpAddr,
    sequence: u64,
    /// Counts up with every use; the least recent one gives way.
    used: u32,
}

/// SequenceState sent and received.
#[derive(Debug)]
pub(super) struct SequenceState {
    /// AH: highest accepted or sent; 0: none.
    ah: u32,
    /// AH: highest of the former process.
    before: u32,
    /// Signatures: last sent; 0: none.
    signed: u64,
    /// Filled up to its capacity and no further.
    marks: Vec<Mark>,
    uses: u32,
}

impl SequenceState {
    pub(super) fn new(params: &Params) -> Self {
        let mut numbers = SequenceState {
            ah: 0,
            before: 0,
            signed: 0,
            marks: Vec::new(),
            uses: 0,
        };
        numbers.reserve(params);
        numbers
    }

    /// Makes room for as many senders as there may be. What is known of them stays.
    pub(super) fn reserve(&mut self, params: &Params) {
        if params.hmac.is_some() {
            let room = params.peers.len().max(SENDERS);
            self.marks
                .reserve_exact(room.saturating_sub(self.marks.len()));
        }
    }

    /// The checks of §3.6 and §3.7. A error that is tolerated is returned.
    pub(super) fn check(
        &mut self,
        params: &Params,
        received: &Received<'_>,
    ) -> Result<Option<SignatureError>, Reject> {
        let error = self.signature(params, received);
        let tolerant = params.hmac.is_some_and(|hmac| !hmac.enforce);
        if let Some(error) = error.filter(|_| !tolerant) {
            return Err(Reject::Signature(error));
        }
        match (params.version, received.auth_result) {
            (Version::V2, _) => self.legacy(params, received)?,
            (Version::V3, AuthResult::Ah { .. }) => return Err(Reject::AuthType),
            (Version::V3, AuthResult::None | AuthResult::Signed { .. }) => {}
        }
        Ok(error)
    }

    /// VRRPv2's own authentication; version 3 has none.
    fn legacy(&mut self, params: &Params, received: &Received<'_>) -> Result<(), Reject> {
        match (params.auth, received.advert.auth, received.auth_result) {
            (Auth::Ah, Auth::Ah, AuthResult::Ah { icv_valid, header }) => {
                // ICV, SPI, sequence, in this order.
                let sender = match received.from {
                    IpAddr::V4(from) => u32::from(from),
                    IpAddr::V6(_) => return Err(Reject::AuthType),
                };
                if !icv_valid || header.spi != sender {
                    return Err(Reject::AuthFailed);
                }
                if header.sequence <= self.ah {
                    return Err(Reject::Replay);
                }
                self.ah = header.sequence;
                Ok(())
            }
            // AH is there if and only if it is configured.
            (Auth::Ah, ..) | (.., AuthResult::Ah { .. }) => Err(Reject::AuthType),
            (Auth::None, Auth::None, _) => Ok(()),
            (Auth::Pass(ours), Auth::Pass(theirs), _) if ours == theirs => Ok(()),
            (Auth::Pass(_), Auth::Pass(_), _) => Err(Reject::AuthFailed),
            (..) => Err(Reject::AuthType),
        }
    }

    fn signature(&mut self, params: &Params, received: &Received<'_>) -> Option<SignatureError> {
        let (hmac, auth_result) = (params.hmac, received.auth_result);
        match (hmac, auth_result) {
            (None, AuthResult::None | AuthResult::Ah { .. }) => None,
            (None, AuthResult::Signed { .. }) => Some(SignatureError::Unexpected),
            (Some(_), AuthResult::None | AuthResult::Ah { .. }) => Some(SignatureError::Missing),
            (
                Some(_),
                AuthResult::Signed {
                    error: Some(error), ..
                },
            ) => Some(error),
            (Some(hmac), AuthResult::Signed { sequence, wall, .. }) => {
                let fresh = self.is_new(received.from, sequence, hmac.window, wall);
                (!fresh).then_some(SignatureError::Replayed)
            }
        }
    }

    /// Whether the number is greater than the sender's last one, which it then becomes.
    fn is_new(&mut self, from: IpAddr, sequence: u64, window: Option<u32>, wall: Duration) -> bool {
        self.uses = self.uses.wrapping_add(1);
        let mark = Mark {
            from,
            sequence,
            used: self.uses,
        };
        if let Some(known) = self.marks.iter_mut().find(|known| known.from == from) {
            // Outside the window it says nothing the window does not say; without it, a sender whose clock was
            // set back is heard again.
            let holds = window.is_none_or(|window| within_window(known.sequence, wall, window));
            let new = !holds || is_after(sequence, known.sequence);
            if new {
                *known = mark;
            }
            return new;
        }
        if self.marks.len() < self.marks.capacity() {
            self.marks.push(mark);
        } else {
            let age = |known: &Mark| self.uses.wrapping_sub(known.used);
            let oldest = self.marks.iter().map(age).max();
            let place = self
                .marks
                .iter()
                .position(|known| Some(age(known)) == oldest);
            if let Some(place) = place.and_then(|place| self.marks.get_mut(place)) {
                *place = mark;
            }
        }
        true
    }

    // ---- sending ----

    /// The last number sent.
    pub(super) fn last(&self) -> u64 {
        self.signed.max(self.ah.max(self.before).into())
    }

    /// From now on numbers are greater than this, except at their end.
    pub(super) fn continue_sequence_after(&mut self, last: u64) {
        let ah = u32::try_from(last).ok().filter(|last| *last < LAST);
        self.before = ah.unwrap_or(0);
        self.signed = last;
    }

    /// The number of the next advert with AH; `None` when there is none left.
    pub(super) fn next_ah_sequence(&mut self, wall: Duration) -> Option<u32> {
        let known = self.ah.max(core::mem::take(&mut self.before));
        let next = known.checked_add(1).filter(|next| *next <= LAST)?;
        let clock = u32::try_from(wall.as_secs()).unwrap_or(u32::MAX);
        let clock = if clock < CLOCK_LAST { clock } else { 0 };
        self.ah = next.max(clock);
        Some(self.ah)
    }

    /// Whether a master with AH has to stop.
    pub(super) fn is_exhausted(&self) -> bool {
        self.ah >= LAST
    }

    /// Begins anew where the numbers are used up.
    pub(super) fn restart_if_exhausted(&mut self) {
        if self.is_exhausted() {
            self.ah = 0;
        }
    }

    /// The number of the next signed advert: the clock, as long as it runs on. A clock that was set back by
    /// more than the window would put us outside the others' window, so numbers follow it then.
    pub(super) fn next_hmac_sequence(&mut self, wall: Duration, window: Option<u32>) -> u64 {
        let clock = clock(wall);
        let ahead = seconds(self.signed).wrapping_sub(seconds(clock));
        let stranded = window.is_some_and(|window| ahead > window);
        self.signed = if is_after(clock, self.signed) || self.signed == 0 || stranded {
            clock
        } else {
            self.signed.wrapping_add(1)
        };
        self.signed
    }
}

/// A moment as the upper 48 bits of a sequence number: seconds, and their 65,536th parts.
fn clock(wall: Duration) -> u64 {
    let fraction = u64::from(wall.subsec_nanos()) << 16;
    let fraction = fraction.checked_div(1_000_000_000).unwrap_or(0);
    (wall.as_secs() << 32) | (fraction << 16)
}

/// The seconds of a sequence number, modulo 2^32 as they are sent.
fn seconds(sequence: u64) -> u32 {
    u32::try_from(sequence >> 32).unwrap_or(0)
}

/// Serial number arithmetic (RFC 1982): less than half a circle ahead.
fn is_after(sequence: u64, other: u64) -> bool {
    let ahead = sequence.wrapping_sub(other);
    ahead != 0 && ahead < 1 << 63
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Centis, Family, Priority, Vrid};
    use crate::wire::ah::Header;
    use crate::wire::vrrp::{Addresses, Advert};

    const WALL: Duration = Duration::from_secs(1_800_000_000);

    fn params(auth: Auth, hmac: Option<HmacPolicy>) -> Params {
        Params {
            auth,
            hmac,
            ..crate::vrrp::tests::params(Version::V2, 100)
        }
    }

    fn received(from: &str, auth: Auth, auth_result: AuthResult) -> Received<'static> {
        Received {
            from: from.parse().unwrap(),
            multicast: true,
            ttl: 255,
            advert: Advert {
                version: Version::V2,
                vrid: Vrid::new(51).unwrap(),
                priority: Priority(100),
                interval: Centis::SECOND,
                auth,
                addresses: Addresses {
                    family: Family::V4,
                    bytes: &[],
                },
            },
            auth_result,
        }
    }

    fn ah(sequence: u32) -> Received<'static> {
        let spi = 0x0a00_0002;
        let header = Header { spi, sequence };
        let icv_valid = true;
        received("10.0.0.2", Auth::Ah, AuthResult::Ah { icv_valid, header })
    }

    // ---- AH ----

    #[test]
    fn ah_is_checked_for_its_value_then_its_sender_then_its_number() {
        let params = params(Auth::Ah, None);
        let mut numbers = SequenceState::new(&params);
        let mut check = |icv_valid, spi, sequence| {
            let header = Header { spi, sequence };
            let advert = received("10.0.0.2", Auth::Ah, AuthResult::Ah { icv_valid, header });
            numbers.check(&params, &advert)
        };
        assert_eq!(check(false, 0x0a00_0002, 9), Err(Reject::AuthFailed));
        assert_eq!(check(true, 0x0a00_0003, 9), Err(Reject::AuthFailed));
        assert_eq!(check(true, 0x0a00_0002, 8), Ok(None), "9 was not counted");
        assert_eq!(check(true, 0x0a00_0002, 8), Err(Reject::Replay));
        assert_eq!(check(true, 0x0a00_0003, 7), Err(Reject::AuthFailed));
        assert_eq!(check(true, 0x0a00_0002, 7), Err(Reject::Replay));
        assert_eq!(check(true, 0x0a00_0002, 9), Ok(None));
    }

    #[test]
    fn ah_is_there_if_and_only_if_it_is_configured() {
        let header = Header {
            spi: 0x0a00_0002,
            sequence: 5,
        };
        let auth_result = AuthResult::Ah {
            icv_valid: true,
            header,
        };
        let pass = Auth::Pass(*b"12345678");
        for (name, ours, theirs, auth_result, want) in [
            ("both", Auth::Ah, Auth::Ah, auth_result, Ok(None)),
            (
                "type alone",
                Auth::Ah,
                Auth::Ah,
                AuthResult::None,
                Err(Reject::AuthType),
            ),
            (
                "header alone",
                Auth::Ah,
                Auth::None,
                auth_result,
                Err(Reject::AuthType),
            ),
            (
                "plain",
                Auth::Ah,
                Auth::None,
                AuthResult::None,
                Err(Reject::AuthType),
            ),
            (
                "uncalled",
                Auth::None,
                Auth::Ah,
                auth_result,
                Err(Reject::AuthType),
            ),
            (
                "uncalled header",
                Auth::None,
                Auth::None,
                auth_result,
                Err(Reject::AuthType),
            ),
            (
                "for a password",
                pass,
                Auth::Ah,
                auth_result,
                Err(Reject::AuthType),
            ),
            (
                "and a password",
                pass,
                pass,
                auth_result,
                Err(Reject::AuthType),
            ),
        ] {
            let params = params(ours, None);
            let got = SequenceState::new(&params)
                .check(&params, &received("10.0.0.2", theirs, auth_result));
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn a_fresh_start_takes_any_number_and_sends_the_clock() {
        let params = params(Auth::Ah, None);
        let mut numbers = SequenceState::new(&params);
        assert_eq!(
            numbers.check(&params, &ah(1)),
            Ok(None),
            "keepalived's first"
        );
        assert_eq!(numbers.next_ah_sequence(WALL), Some(1_800_000_000));
        assert_eq!(
            numbers.next_ah_sequence(WALL),
            Some(1_800_000_001),
            "same second"
        );
        assert_eq!(numbers.check(&params, &ah(2)), Err(Reject::Replay));
        // What keepalived does as master when it hears a weaker one.
        assert_eq!(numbers.check(&params, &ah(1_800_000_003)), Ok(None));
        assert_eq!(numbers.next_ah_sequence(WALL), Some(1_800_000_004));
        let later = WALL + Duration::from_secs(60);
        assert_eq!(numbers.next_ah_sequence(later), Some(1_800_000_060));
        assert_eq!(
            numbers.next_ah_sequence(Duration::ZERO),
            Some(1_800_000_061)
        );
    }

    #[test]
    fn a_former_process_is_counted_on_from_but_others_are_not_compared_with_it() {
        let params = params(Auth::Ah, None);
        let ahead = WALL.as_secs() + 500;
        let mut numbers = SequenceState::new(&params);
        numbers.continue_sequence_after(ahead);
        assert_eq!(numbers.last(), ahead);
        assert_eq!(numbers.check(&params, &ah(7)), Ok(None));
        assert_eq!(
            numbers.next_ah_sequence(WALL).map(u64::from),
            Some(ahead + 1)
        );
        assert_eq!(numbers.last(), ahead + 1);
        assert_eq!(numbers.next_hmac_sequence(WALL, None), at(WALL.as_secs()));
        for end in [LAST.into(), u64::MAX] {
            numbers = SequenceState::new(&params);
            numbers.continue_sequence_after(end);
            assert_eq!(numbers.next_ah_sequence(WALL), Some(1_800_000_000), "{end}");
        }
        numbers.continue_sequence_after(at(1_800_000_500));
        let signed = numbers.next_hmac_sequence(WALL, None);
        assert_eq!(signed, at(1_800_000_500) + 1);
    }

    #[test]
    fn numbers_end_and_begin_anew() {
        let params = params(Auth::Ah, None);
        let mut numbers = SequenceState::new(&params);
        assert_eq!(numbers.check(&params, &ah(LAST - 2)), Ok(None));
        assert!(!numbers.is_exhausted());
        assert_eq!(numbers.next_ah_sequence(WALL), Some(LAST - 1));
        assert_eq!(numbers.next_ah_sequence(WALL), Some(LAST));
        assert!(numbers.is_exhausted());
        assert_eq!(numbers.next_ah_sequence(WALL), None);
        assert_eq!(numbers.check(&params, &ah(u32::MAX)), Ok(None));
        assert_eq!(numbers.next_ah_sequence(WALL), None);
        numbers.restart_if_exhausted();
        assert_eq!(numbers.next_ah_sequence(Duration::ZERO), Some(1));
        // A clock far in the future would bring the end near.
        let future = Duration::from_secs(u64::from(u32::MAX) * 2);
        assert_eq!(numbers.next_ah_sequence(future), Some(2));
    }

    // ---- signatures ----

    fn signed(
        from: &str,
        sequence: u64,
        error: Option<SignatureError>,
        wall: Duration,
    ) -> Received<'static> {
        let auth_result = AuthResult::Signed {
            error,
            sequence,
            wall,
        };
        received(from, Auth::None, auth_result)
    }

    const TIME: HmacPolicy = HmacPolicy {
        enforce: true,
        window: Some(5),
    };
    const MONOTONIC: HmacPolicy = HmacPolicy {
        enforce: true,
        window: None,
    };

    fn at(seconds: u64) -> u64 {
        seconds << 32
    }

    #[test]
    fn the_window_is_as_wide_on_both_sides() {
        for (name, seconds, want) in [
            ("now", 1_800_000_000, true),
            ("as late as may be", 1_799_999_995, true),
            ("too late", 1_799_999_994, false),
            ("as early as may be", 1_800_000_005, true),
            ("too early", 1_800_000_006, false),
        ] {
            assert_eq!(within_window(at(seconds), WALL, 5), want, "{name}");
        }
        // 2106, where 32 bits begin anew.
        let turn = Duration::from_secs(1 << 32);
        assert!(within_window(at(u64::from(u32::MAX)), turn, 5));
        assert!(!within_window(at(u64::from(u32::MAX) - 9), turn, 5));
    }

    #[test]
    fn signatures_are_demanded_only_where_they_are_configured() {
        let good = signed("10.0.0.2", at(1), None, WALL);
        let bad = signed("10.0.0.2", at(1), Some(SignatureError::Wrong), WALL);
        let none = received("10.0.0.2", Auth::None, AuthResult::None);
        let lax = HmacPolicy {
            enforce: false,
            ..MONOTONIC
        };
        let rejected = |error| Err(Reject::Signature(error));
        for (name, hmac, advert, want) in [
            ("good", Some(MONOTONIC), good, Ok(None)),
            ("bad", Some(MONOTONIC), bad, rejected(SignatureError::Wrong)),
            (
                "none",
                Some(MONOTONIC),
                none,
                rejected(SignatureError::Missing),
            ),
            ("permissive, good", Some(lax), good, Ok(None)),
            (
                "permissive, bad",
                Some(lax),
                bad,
                Ok(Some(SignatureError::Wrong)),
            ),
            (
                "permissive, none",
                Some(lax),
                none,
                Ok(Some(SignatureError::Missing)),
            ),
            (
                "unexpected",
                None,
                good,
                rejected(SignatureError::Unexpected),
            ),
            ("nobody asks", None, none, Ok(None)),
        ] {
            let params = params(Auth::None, hmac);
            let got = SequenceState::new(&params).check(&params, &advert);
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn each_sender_counts_for_itself_and_never_backwards() {
        let params = params(Auth::None, Some(MONOTONIC));
        let mut numbers = SequenceState::new(&params);
        let mut check = |from, sequence| {
            numbers
                .check(&params, &signed(from, sequence, None, WALL))
                .is_ok()
        };
        assert!(check("10.0.0.2", 1000));
        assert!(!check("10.0.0.2", 1000), "the same again");
        assert!(!check("10.0.0.2", 999));
        assert!(check("10.0.0.3", 5), "another sender");
        assert!(check("10.0.0.2", 1001));
        for ahead in [1 << 62, 1 << 63, 3 << 62, u64::MAX] {
            assert!(check("10.0.0.3", ahead), "{ahead:#x}");
        }
        assert!(check("10.0.0.3", 3), "once around");
        assert!(!check("10.0.0.3", u64::MAX));
    }

    #[test]
    fn more_senders_than_there_is_room_for_displace_the_least_recent_one() {
        let params = params(Auth::None, Some(MONOTONIC));
        let mut numbers = SequenceState::new(&params);
        let mut check = |nth: usize, sequence| {
            let from = format!("10.0.1.{nth}");
            let advert = signed(&from, sequence, None, WALL);
            numbers.check(&params, &advert).is_ok()
        };
        for nth in 0..SENDERS {
            assert!(check(nth, 10));
        }
        assert!(check(0, 11), "used again");
        assert!(check(SENDERS, 10), "takes the place of the second");
        assert!(!check(0, 11), "still known");
        assert!(check(1, 10), "forgotten");
        assert!(numbers.marks.capacity() == SENDERS, "nothing was allocated");
    }

    #[test]
    fn a_sender_whose_clock_was_set_right_is_heard_again() {
        let params = params(Auth::None, Some(TIME));
        let mut numbers = SequenceState::new(&params);
        let mut check = |sequence, wall| {
            let advert = signed("10.0.0.2", sequence, None, wall);
            numbers.check(&params, &advert)
        };
        let later = WALL + Duration::from_secs(10);
        assert_eq!(check(at(1_800_000_004), WALL), Ok(None));
        let replayed = Err(Reject::Signature(SignatureError::Replayed));
        assert_eq!(check(at(1_800_000_003), WALL), replayed);
        // The mark has left the window: whatever the window lets through is new.
        assert_eq!(check(at(1_800_000_003), later), Ok(None));
    }

    #[test]
    fn signed_numbers_follow_the_clock_and_never_stand_still() {
        let params = params(Auth::None, Some(TIME));
        let mut numbers = SequenceState::new(&params);
        let half = WALL + Duration::from_millis(500);
        assert_eq!(
            numbers.next_hmac_sequence(half, Some(5)),
            at(1_800_000_000) | 0x8000_0000
        );
        assert_eq!(
            numbers.next_hmac_sequence(half, Some(5)),
            at(1_800_000_000) | 0x8000_0001
        );
        let back = WALL - Duration::from_secs(3);
        assert_eq!(
            numbers.next_hmac_sequence(back, Some(5)),
            at(1_800_000_000) | 0x8000_0002
        );
        let far = WALL - Duration::from_secs(3600);
        assert_eq!(
            numbers.next_hmac_sequence(far, Some(5)),
            at(1_799_996_400),
            "stranded"
        );
        assert_eq!(
            numbers.next_hmac_sequence(half, None),
            at(1_800_000_000) | 0x8000_0000
        );
        assert_eq!(
            numbers.next_hmac_sequence(far, None),
            at(1_800_000_000) | 0x8000_0001
        );
    }
}
