use super::ah::LAST;
use super::hmac::MIN_SENDERS;
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
        on_link: true,
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
fn ah_checks_icv_then_spi_then_sequence_number() {
    let params = params(Auth::Ah, None);
    let mut sequences = SequenceState::new(&params);
    let mut check = |icv_valid, spi, sequence| {
        let header = Header { spi, sequence };
        let advert = received("10.0.0.2", Auth::Ah, AuthResult::Ah { icv_valid, header });
        sequences.check(&params, &advert)
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
fn ah_must_be_present_if_and_only_if_it_is_configured() {
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
            "unexpected",
            Auth::None,
            Auth::Ah,
            auth_result,
            Err(Reject::AuthType),
        ),
        (
            "unexpected header",
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
        let got =
            SequenceState::new(&params).check(&params, &received("10.0.0.2", theirs, auth_result));
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn after_a_start_any_number_is_accepted_and_the_clock_is_sent() {
    let params = params(Auth::Ah, None);
    let mut sequences = SequenceState::new(&params);
    assert_eq!(
        sequences.check(&params, &ah(1)),
        Ok(None),
        "keepalived's first"
    );
    assert_eq!(sequences.next_ah(WALL), Some(1_800_000_000));
    assert_eq!(sequences.next_ah(WALL), Some(1_800_000_001), "same second");
    assert_eq!(sequences.check(&params, &ah(2)), Err(Reject::Replay));
    // keepalived as master answers an advert of lower priority with this.
    assert_eq!(sequences.check(&params, &ah(1_800_000_003)), Ok(None));
    assert_eq!(sequences.next_ah(WALL), Some(1_800_000_004));
    let later = WALL + Duration::from_secs(60);
    assert_eq!(sequences.next_ah(later), Some(1_800_000_060));
    assert_eq!(sequences.next_ah(Duration::ZERO), Some(1_800_000_061));
}

#[test]
fn numbers_continue_after_the_previous_process_but_received_ones_are_not_compared() {
    let params = params(Auth::Ah, None);
    let ahead = WALL.as_secs() + 500;
    let mut sequences = SequenceState::new(&params);
    sequences.continue_after(ahead);
    assert_eq!(sequences.last(), ahead);
    assert_eq!(sequences.check(&params, &ah(7)), Ok(None));
    assert_eq!(sequences.next_ah(WALL).map(u64::from), Some(ahead + 1));
    assert_eq!(sequences.last(), ahead + 1);
    assert_eq!(sequences.next_hmac(WALL, None), at(WALL.as_secs()));
    for end in [LAST.into(), u64::MAX] {
        sequences = SequenceState::new(&params);
        sequences.continue_after(end);
        assert_eq!(sequences.next_ah(WALL), Some(1_800_000_000), "{end}");
    }
    sequences.continue_after(at(1_800_000_500));
    let signed = sequences.next_hmac(WALL, None);
    assert_eq!(signed, at(1_800_000_500) + 1);
}

#[test]
fn sequence_numbers_end_and_restart() {
    let params = params(Auth::Ah, None);
    let mut sequences = SequenceState::new(&params);
    assert_eq!(sequences.check(&params, &ah(LAST - 2)), Ok(None));
    assert!(!sequences.is_exhausted());
    assert_eq!(sequences.next_ah(WALL), Some(LAST - 1));
    assert_eq!(sequences.next_ah(WALL), Some(LAST));
    assert!(sequences.is_exhausted());
    assert_eq!(sequences.next_ah(WALL), None);
    assert_eq!(sequences.check(&params, &ah(u32::MAX)), Ok(None));
    assert_eq!(sequences.next_ah(WALL), None);
    sequences.restart_if_exhausted();
    assert_eq!(sequences.next_ah(Duration::ZERO), Some(1));
    // A clock far in the future is ignored.
    let future = Duration::from_secs(u64::from(u32::MAX) * 2);
    assert_eq!(sequences.next_ah(future), Some(2));
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
fn the_window_is_symmetric() {
    for (name, seconds, want) in [
        ("now", 1_800_000_000, true),
        ("as late as may be", 1_799_999_995, true),
        ("too late", 1_799_999_994, false),
        ("as early as may be", 1_800_000_005, true),
        ("too early", 1_800_000_006, false),
    ] {
        assert_eq!(within_window(at(seconds), WALL, 5), want, "{name}");
    }
    // 2106, where 32 bits wrap.
    let wrap = Duration::from_secs(1 << 32);
    assert!(within_window(at(u64::from(u32::MAX)), wrap, 5));
    assert!(!within_window(at(u64::from(u32::MAX) - 9), wrap, 5));
}

#[test]
fn signatures_are_required_only_where_configured() {
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
            rejected(SignatureError::Wrong),
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
        ("not configured", None, none, Ok(None)),
    ] {
        let params = params(Auth::None, hmac);
        let got = SequenceState::new(&params).check(&params, &advert);
        assert_eq!(got, want, "{name}");
    }
}

#[test]
fn numbers_increase_per_sender() {
    let params = params(Auth::None, Some(MONOTONIC));
    let mut sequences = SequenceState::new(&params);
    let mut check = |from, sequence| {
        sequences
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
fn too_many_senders_replace_the_least_recent_one() {
    let params = params(Auth::None, Some(MONOTONIC));
    let mut sequences = SequenceState::new(&params);
    let mut check = |nth: usize, sequence| {
        let from = format!("10.0.1.{nth}");
        let advert = signed(&from, sequence, None, WALL);
        sequences.check(&params, &advert).is_ok()
    };
    for nth in 0..MIN_SENDERS {
        assert!(check(nth, 10));
    }
    assert!(check(0, 11), "used again");
    assert!(check(MIN_SENDERS, 10), "replaces the second");
    assert!(!check(0, 11), "still known");
    assert!(check(1, 10), "forgotten");
    assert!(
        sequences.hmac.capacity() == MIN_SENDERS,
        "nothing was allocated"
    );
}

#[test]
fn a_sender_whose_clock_was_set_back_is_accepted_again() {
    let params = params(Auth::None, Some(TIME));
    let mut sequences = SequenceState::new(&params);
    let mut check = |sequence, wall| {
        let advert = signed("10.0.0.2", sequence, None, wall);
        sequences.check(&params, &advert)
    };
    let later = WALL + Duration::from_secs(10);
    assert_eq!(check(at(1_800_000_004), WALL), Ok(None));
    let replayed = Err(Reject::Signature(SignatureError::Replayed));
    assert_eq!(check(at(1_800_000_003), WALL), replayed);
    // The known number has left the window, so the window alone decides.
    assert_eq!(check(at(1_800_000_003), later), Ok(None));
}

#[test]
fn signed_numbers_follow_the_clock_and_always_increase() {
    let params = params(Auth::None, Some(TIME));
    let mut sequences = SequenceState::new(&params);
    let half = WALL + Duration::from_millis(500);
    assert_eq!(
        sequences.next_hmac(half, Some(5)),
        at(1_800_000_000) | 0x8000_0000
    );
    assert_eq!(
        sequences.next_hmac(half, Some(5)),
        at(1_800_000_000) | 0x8000_0001
    );
    let back = WALL - Duration::from_secs(3);
    assert_eq!(
        sequences.next_hmac(back, Some(5)),
        at(1_800_000_000) | 0x8000_0002
    );
    let far = WALL - Duration::from_secs(3600);
    assert_eq!(
        sequences.next_hmac(far, Some(5)),
        at(1_799_996_400),
        "outside the window"
    );
    assert_eq!(
        sequences.next_hmac(half, None),
        at(1_800_000_000) | 0x8000_0000
    );
    assert_eq!(
        sequences.next_hmac(far, None),
        at(1_800_000_000) | 0x8000_0001
    );
}
