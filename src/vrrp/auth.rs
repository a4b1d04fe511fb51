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

use super::{Flaw, Params, Proof, Received, Reject};
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
pub struct Signing {
    /// Adverts without a good signature are discarded; else only noted.
    pub enforce: bool,
    /// How many seconds the sender's clock may differ; `None`: `anti_replay monotonic`.
    pub window: Option<u32>,
}

/// Whether a signed advert's time is within the window. `wall`: our own, since 1970.
#[must_use]
pub fn is_fresh(sequence: u64, wall: Duration, window: u32) -> bool {
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

/// Numbers sent and received.
#[derive(Debug)]
pub(super) struct Numbers {
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

impl Numbers {
    pub(super) fn new(params: &Params) -> Self {
        let mut numbers = Numbers {
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
        if params.signing.is_some() {
            let room = params.peers.len().max(SENDERS);
            self.marks
                .reserve_exact(room.saturating_sub(self.marks.len()));
        }
    }

    /// The checks of §3.6 and §3.7. A flaw that is tolerated is returned.
    pub(super) fn check(
        &mut self,
        params: &Params,
        received: &Received<'_>,
    ) -> Result<Option<Flaw>, Reject> {
        let flaw = self.signature(params, received);
        let tolerant = params.signing.is_some_and(|signing| !signing.enforce);
        if let Some(flaw) = flaw.filter(|_| !tolerant) {
            return Err(Reject::Signature(flaw));
        }
        match (params.version, received.proof) {
            (Version::V2, _) => self.legacy(params, received)?,
            (Version::V3, Proof::Ah { .. }) => return Err(Reject::AuthType),
            (Version::V3, Proof::None | Proof::Signed { .. }) => {}
        }
        Ok(flaw)
    }

    /// VRRPv2's own authentication; version 3 has none.
    fn legacy(&mut self, params: &Params, received: &Received<'_>) -> Result<(), Reject> {
        match (params.auth, received.advert.auth, received.proof) {
            (Auth::Ah, Auth::Ah, Proof::Ah { intact, header }) => {
                // ICV, SPI, sequence, in this order.
                let sender = match received.from {
                    IpAddr::V4(from) => u32::from(from),
                    IpAddr::V6(_) => return Err(Reject::AuthType),
                };
                if !intact || header.spi != sender {
                    return Err(Reject::AuthFailed);
                }
                if header.sequence <= self.ah {
                    return Err(Reject::Replay);
                }
                self.ah = header.sequence;
                Ok(())
            }
            // AH is there if and only if it is configured.
            (Auth::Ah, ..) | (.., Proof::Ah { .. }) => Err(Reject::AuthType),
            (Auth::None, Auth::None, _) => Ok(()),
            (Auth::Pass(ours), Auth::Pass(theirs), _) if ours == theirs => Ok(()),
            (Auth::Pass(_), Auth::Pass(_), _) => Err(Reject::AuthFailed),
            (..) => Err(Reject::AuthType),
        }
    }

    fn signature(&mut self, params: &Params, received: &Received<'_>) -> Option<Flaw> {
        let (signing, proof) = (params.signing, received.proof);
        match (signing, proof) {
            (None, Proof::None | Proof::Ah { .. }) => None,
            (None, Proof::Signed { .. }) => Some(Flaw::Unexpected),
            (Some(_), Proof::None | Proof::Ah { .. }) => Some(Flaw::Missing),
            (
                Some(_),
                Proof::Signed {
                    flaw: Some(flaw), ..
                },
            ) => Some(flaw),
            (Some(signing), Proof::Signed { sequence, wall, .. }) => {
                let fresh = self.is_new(received.from, sequence, signing.window, wall);
                (!fresh).then_some(Flaw::Replayed)
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
            let holds = window.is_none_or(|window| is_fresh(known.sequence, wall, window));
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
    pub(super) fn count_on(&mut self, last: u64) {
        let ah = u32::try_from(last).ok().filter(|last| *last < LAST);
        self.before = ah.unwrap_or(0);
        self.signed = last;
    }

    /// The number of the next advert with AH; `None` when there is none left.
    pub(super) fn next_ah(&mut self, wall: Duration) -> Option<u32> {
        let known = self.ah.max(core::mem::take(&mut self.before));
        let next = known.checked_add(1).filter(|next| *next <= LAST)?;
        let clock = u32::try_from(wall.as_secs()).unwrap_or(u32::MAX);
        let clock = if clock < CLOCK_LAST { clock } else { 0 };
        self.ah = next.max(clock);
        Some(self.ah)
    }

    /// Whether a master with AH has to stop.
    pub(super) fn are_used_up(&self) -> bool {
        self.ah >= LAST
    }

    /// Begins anew where the numbers are used up.
    pub(super) fn recycle(&mut self) {
        if self.are_used_up() {
            self.ah = 0;
        }
    }

    /// The number of the next signed advert: the clock, as long as it runs on. A clock that was set back by
    /// more than the window would put us outside the others' window, so numbers follow it then.
    pub(super) fn next_signed(&mut self, wall: Duration, window: Option<u32>) -> u64 {
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

    fn params(auth: Auth, signing: Option<Signing>) -> Params {
        Params {
            auth,
            signing,
            ..crate::vrrp::tests::params(Version::V2, 100)
        }
    }

    fn received(from: &str, auth: Auth, proof: Proof) -> Received<'static> {
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
            proof,
        }
    }

    fn ah(sequence: u32) -> Received<'static> {
        let spi = 0x0a00_0002;
        let header = Header { spi, sequence };
        let intact = true;
        received("10.0.0.2", Auth::Ah, Proof::Ah { intact, header })
    }

    // ---- AH ----

    #[test]
    fn ah_is_checked_for_its_value_then_its_sender_then_its_number() {
        let params = params(Auth::Ah, None);
        let mut numbers = Numbers::new(&params);
        let mut check = |intact, spi, sequence| {
            let header = Header { spi, sequence };
            let advert = received("10.0.0.2", Auth::Ah, Proof::Ah { intact, header });
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
        let proof = Proof::Ah {
            intact: true,
            header,
        };
        let pass = Auth::Pass(*b"12345678");
        for (name, ours, theirs, proof, want) in [
            ("both", Auth::Ah, Auth::Ah, proof, Ok(None)),
            (
                "type alone",
                Auth::Ah,
                Auth::Ah,
                Proof::None,
                Err(Reject::AuthType),
            ),
            (
                "header alone",
                Auth::Ah,
                Auth::None,
                proof,
                Err(Reject::AuthType),
            ),
            (
                "plain",
                Auth::Ah,
                Auth::None,
                Proof::None,
                Err(Reject::AuthType),
            ),
            (
                "uncalled",
                Auth::None,
                Auth::Ah,
                proof,
                Err(Reject::AuthType),
            ),
            (
                "uncalled header",
                Auth::None,
                Auth::None,
                proof,
                Err(Reject::AuthType),
            ),
            (
                "for a password",
                pass,
                Auth::Ah,
                proof,
                Err(Reject::AuthType),
            ),
            ("and a password", pass, pass, proof, Err(Reject::AuthType)),
        ] {
            let params = params(ours, None);
            let got = Numbers::new(&params).check(&params, &received("10.0.0.2", theirs, proof));
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn a_fresh_start_takes_any_number_and_sends_the_clock() {
        let params = params(Auth::Ah, None);
        let mut numbers = Numbers::new(&params);
        assert_eq!(
            numbers.check(&params, &ah(1)),
            Ok(None),
            "keepalived's first"
        );
        assert_eq!(numbers.next_ah(WALL), Some(1_800_000_000));
        assert_eq!(numbers.next_ah(WALL), Some(1_800_000_001), "same second");
        assert_eq!(numbers.check(&params, &ah(2)), Err(Reject::Replay));
        // What keepalived does as master when it hears a weaker one.
        assert_eq!(numbers.check(&params, &ah(1_800_000_003)), Ok(None));
        assert_eq!(numbers.next_ah(WALL), Some(1_800_000_004));
        let later = WALL + Duration::from_secs(60);
        assert_eq!(numbers.next_ah(later), Some(1_800_000_060));
        assert_eq!(numbers.next_ah(Duration::ZERO), Some(1_800_000_061));
    }

    #[test]
    fn a_former_process_is_counted_on_from_but_others_are_not_compared_with_it() {
        let params = params(Auth::Ah, None);
        let ahead = WALL.as_secs() + 500;
        let mut numbers = Numbers::new(&params);
        numbers.count_on(ahead);
        assert_eq!(numbers.last(), ahead);
        assert_eq!(numbers.check(&params, &ah(7)), Ok(None));
        assert_eq!(numbers.next_ah(WALL).map(u64::from), Some(ahead + 1));
        assert_eq!(numbers.last(), ahead + 1);
        assert_eq!(numbers.next_signed(WALL, None), at(WALL.as_secs()));
        for end in [LAST.into(), u64::MAX] {
            numbers = Numbers::new(&params);
            numbers.count_on(end);
            assert_eq!(numbers.next_ah(WALL), Some(1_800_000_000), "{end}");
        }
        numbers.count_on(at(1_800_000_500));
        let signed = numbers.next_signed(WALL, None);
        assert_eq!(signed, at(1_800_000_500) + 1);
    }

    #[test]
    fn numbers_end_and_begin_anew() {
        let params = params(Auth::Ah, None);
        let mut numbers = Numbers::new(&params);
        assert_eq!(numbers.check(&params, &ah(LAST - 2)), Ok(None));
        assert!(!numbers.are_used_up());
        assert_eq!(numbers.next_ah(WALL), Some(LAST - 1));
        assert_eq!(numbers.next_ah(WALL), Some(LAST));
        assert!(numbers.are_used_up());
        assert_eq!(numbers.next_ah(WALL), None);
        assert_eq!(numbers.check(&params, &ah(u32::MAX)), Ok(None));
        assert_eq!(numbers.next_ah(WALL), None);
        numbers.recycle();
        assert_eq!(numbers.next_ah(Duration::ZERO), Some(1));
        // A clock far in the future would bring the end near.
        let future = Duration::from_secs(u64::from(u32::MAX) * 2);
        assert_eq!(numbers.next_ah(future), Some(2));
    }

    // ---- signatures ----

    fn signed(from: &str, sequence: u64, flaw: Option<Flaw>, wall: Duration) -> Received<'static> {
        let proof = Proof::Signed {
            flaw,
            sequence,
            wall,
        };
        received(from, Auth::None, proof)
    }

    const TIME: Signing = Signing {
        enforce: true,
        window: Some(5),
    };
    const MONOTONIC: Signing = Signing {
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
            assert_eq!(is_fresh(at(seconds), WALL, 5), want, "{name}");
        }
        // 2106, where 32 bits begin anew.
        let turn = Duration::from_secs(1 << 32);
        assert!(is_fresh(at(u64::from(u32::MAX)), turn, 5));
        assert!(!is_fresh(at(u64::from(u32::MAX) - 9), turn, 5));
    }

    #[test]
    fn signatures_are_demanded_only_where_they_are_configured() {
        let good = signed("10.0.0.2", at(1), None, WALL);
        let bad = signed("10.0.0.2", at(1), Some(Flaw::Wrong), WALL);
        let none = received("10.0.0.2", Auth::None, Proof::None);
        let lax = Signing {
            enforce: false,
            ..MONOTONIC
        };
        let rejected = |flaw| Err(Reject::Signature(flaw));
        for (name, signing, advert, want) in [
            ("good", Some(MONOTONIC), good, Ok(None)),
            ("bad", Some(MONOTONIC), bad, rejected(Flaw::Wrong)),
            ("none", Some(MONOTONIC), none, rejected(Flaw::Missing)),
            ("permissive, good", Some(lax), good, Ok(None)),
            ("permissive, bad", Some(lax), bad, Ok(Some(Flaw::Wrong))),
            ("permissive, none", Some(lax), none, Ok(Some(Flaw::Missing))),
            ("unexpected", None, good, rejected(Flaw::Unexpected)),
            ("nobody asks", None, none, Ok(None)),
        ] {
            let params = params(Auth::None, signing);
            let got = Numbers::new(&params).check(&params, &advert);
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn each_sender_counts_for_itself_and_never_backwards() {
        let params = params(Auth::None, Some(MONOTONIC));
        let mut numbers = Numbers::new(&params);
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
        let mut numbers = Numbers::new(&params);
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
        let mut numbers = Numbers::new(&params);
        let mut check = |sequence, wall| {
            let advert = signed("10.0.0.2", sequence, None, wall);
            numbers.check(&params, &advert)
        };
        let later = WALL + Duration::from_secs(10);
        assert_eq!(check(at(1_800_000_004), WALL), Ok(None));
        let replayed = Err(Reject::Signature(Flaw::Replayed));
        assert_eq!(check(at(1_800_000_003), WALL), replayed);
        // The mark has left the window: whatever the window lets through is new.
        assert_eq!(check(at(1_800_000_003), later), Ok(None));
    }

    #[test]
    fn signed_numbers_follow_the_clock_and_never_stand_still() {
        let params = params(Auth::None, Some(TIME));
        let mut numbers = Numbers::new(&params);
        let half = WALL + Duration::from_millis(500);
        assert_eq!(
            numbers.next_signed(half, Some(5)),
            at(1_800_000_000) | 0x8000_0000
        );
        assert_eq!(
            numbers.next_signed(half, Some(5)),
            at(1_800_000_000) | 0x8000_0001
        );
        let back = WALL - Duration::from_secs(3);
        assert_eq!(
            numbers.next_signed(back, Some(5)),
            at(1_800_000_000) | 0x8000_0002
        );
        let far = WALL - Duration::from_secs(3600);
        assert_eq!(
            numbers.next_signed(far, Some(5)),
            at(1_799_996_400),
            "stranded"
        );
        assert_eq!(
            numbers.next_signed(half, None),
            at(1_800_000_000) | 0x8000_0000
        );
        assert_eq!(
            numbers.next_signed(far, None),
            at(1_800_000_000) | 0x8000_0001
        );
    }
}
