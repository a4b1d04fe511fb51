//! Checks of received adverts (RFC 9568 §7.1) that need the configuration, and which of their
//! results are logged. The codec has made the checks before these.
//!
//! An advert that fails [`check`] changes a counter and nothing else. Conditions are reported once
//! per sender, not per packet: [`Senders`] remembers eight senders and what was reported about
//! each. The table is small on purpose. A flood from forged addresses fills it and is only counted
//! from then on; an entry is reused when its sender has not shown any condition for a while.

use core::net::IpAddr;
use core::time::Duration;

use super::auth::SequenceState;
use super::{Params, Received, Reject, SignatureError};
use crate::types::{self, Centis, Instant, Version};

/// TTL of an advert that was not forwarded (RFC 9568 §5.1.1.3).
const UNFORWARDED: u8 = 255;

/// Makes all checks; the first failure counts. A signature error that is tolerated is returned.
/// Authentication is last: [`check_fields`] costs less, and only an advert that passes it may change
/// which sequence numbers are accepted.
pub(super) fn check(
    params: &Params,
    addresses: &AddressSet,
    received: &Received<'_>,
    sequences: &mut SequenceState,
) -> Result<Option<SignatureError>, Reject> {
    check_fields(params, addresses, received)?;
    sequences.check(params, received)
}

/// The checks that need no key, in keepalived's order.
pub(super) fn check_fields(
    params: &Params,
    addresses: &AddressSet,
    received: &Received<'_>,
) -> Result<(), Reject> {
    let advert = &received.advert;
    if params.multicast && received.ttl != UNFORWARDED {
        return Err(Reject::Ttl(received.ttl));
    }
    if advert.version != params.version {
        return Err(Reject::Version(advert.version));
    }
    let interval_fits = match params.version {
        Version::V2 => advert.interval == params.advert_int,
        Version::V3 => advert.interval > Centis(0),
    };
    if !interval_fits {
        return Err(Reject::Interval(advert.interval));
    }
    if received.multicast != params.multicast {
        return Err(Reject::Transport);
    }
    if !params.multicast && params.check_source {
        check_peer(params, received)?;
    }
    if params.is_authenticated() {
        check_segment(params, addresses, received)?;
    }
    Ok(())
}

/// With authentication: an advert of another segment where the same key is used is discarded.
fn check_segment(
    params: &Params,
    addresses: &AddressSet,
    received: &Received<'_>,
) -> Result<(), Reject> {
    let is_peer = || params.peers.iter().any(|peer| peer.addr == received.from);
    if !received.on_link && !is_peer() {
        return Err(Reject::OffLink);
    }
    if !addresses.has_common(|| received.advert.addresses.iter()) {
        return Err(Reject::OtherAddresses);
    }
    Ok(())
}

fn check_peer(params: &Params, received: &Received<'_>) -> Result<(), Reject> {
    let peer = params.peers.iter().find(|peer| peer.addr == received.from);
    let Some(peer) = peer else {
        return Err(Reject::Source);
    };
    if !(peer.min_ttl..=peer.max_ttl).contains(&received.ttl) {
        return Err(Reject::Ttl(received.ttl));
    }
    Ok(())
}

/// Our advertised addresses, sorted for comparison.
#[derive(Debug)]
pub(super) struct AddressSet(Box<[IpAddr]>);

impl AddressSet {
    pub(super) fn new(addresses: &[IpAddr]) -> Self {
        let mut sorted = types::sorted(addresses.to_vec());
        sorted.dedup();
        AddressSet(sorted.into())
    }

    /// Whether `theirs` are the same addresses in any order. Each of up to 255 is looked up by
    /// bisection: a flood of long lists must not delay our adverts.
    pub(super) fn same(&self, theirs: impl Iterator<Item = IpAddr>) -> bool {
        let mut found = [0u64; 4];
        for address in theirs {
            let Ok(at) = self.0.binary_search(&address) else {
                return false;
            };
            let Some(word) = found.get_mut(at / 64) else {
                return false;
            };
            *word |= 1u64.rotate_left(u32::try_from(at % 64).unwrap_or(0));
        }
        let distinct: u32 = found.iter().map(|word| word.count_ones()).sum();
        usize::try_from(distinct).is_ok_and(|distinct| distinct == self.0.len())
    }
}

impl AddressSet {
    /// Whether `theirs` are addresses of the same virtual router: one is among ours, or both lists
    /// are empty. While addresses are added or removed on one router after the other the lists
    /// differ; if that were enough to discard an advert, there would be two masters meanwhile.
    /// Link-local addresses, which can be the same on every link, count only if we have no others.
    fn has_common<I: Iterator<Item = IpAddr>>(&self, theirs: impl Fn() -> I) -> bool {
        if self.0.is_empty() {
            return theirs().next().is_none();
        }
        let any_counts = self.0.iter().all(is_link_local);
        theirs().any(|addr| {
            (any_counts || !is_link_local(&addr)) && self.0.binary_search(&addr).is_ok()
        })
    }
}

fn is_link_local(addr: &IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    }
}

// ---- conditions reported per sender ----

/// A condition of a sender; each is reported once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Rejected(Reject),
    Tolerated(SignatureError),
    AddressesDiffer,
    OwnAddress,
    LowerPriorityMaster,
    TwoOwners,
    OtherInterval,
}

impl Condition {
    /// The condition's bit. Values that a packet can vary at will (a TTL) do not make another
    /// condition.
    fn bit(self) -> u32 {
        let shift = match self {
            Condition::Rejected(why) => match why {
                Reject::Ttl(_) => 0,
                Reject::Version(_) => 1,
                Reject::AuthType => 2,
                Reject::AuthFailed => 3,
                Reject::Interval(_) => 4,
                Reject::Transport => 5,
                Reject::Source => 6,
                Reject::Replay => 7,
                Reject::Signature(error) => 8_u32.saturating_add(error as u32),
                Reject::OffLink => 15,
                Reject::OtherAddresses => 29,
            },
            Condition::Tolerated(error) => 16_u32.saturating_add(error as u32),
            Condition::AddressesDiffer => 24,
            Condition::OwnAddress => 25,
            Condition::LowerPriorityMaster => 26,
            Condition::TwoOwners => 27,
            Condition::OtherInterval => 28,
        };
        1_u32.rotate_left(shift)
    }
}

/// Bits of all rejections.
const REJECTED: u32 = 0x2000_ffff;

/// Number of consecutive valid adverts after which a rejected sender counts as accepted again. With
/// 1, a forger that mixes invalid packets into a valid sender's adverts could cause two log lines
/// per packet.
const ACCEPT_AFTER: u8 = 3;

/// A sender without any condition for this long (or three intervals, if longer) is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Entry {
    from: IpAddr,
    /// When a condition was last seen.
    last: Instant,
    /// Bits of the conditions that were reported.
    reported: u32,
    /// Valid adverts since the last rejected one.
    valid: u8,
    /// The interval that was reported.
    interval: Centis,
}

/// Senders for which a condition was reported.
#[derive(Debug)]
pub(super) struct Senders {
    entries: heapless::Vec<Entry, 8>,
    forget: Duration,
}

impl Senders {
    pub(super) fn new(advert_int: Centis) -> Self {
        Senders {
            entries: heapless::Vec::new(),
            forget: FORGET_AFTER.max(advert_int.duration().saturating_mul(3)),
        }
    }

    /// Records `condition`; true if it must be reported.
    pub(super) fn notice(&mut self, now: Instant, from: IpAddr, condition: Condition) -> bool {
        let Some(entry) = self.entry(now, from) else {
            return false;
        };
        entry.last = now;
        if matches!(condition, Condition::Rejected(_)) {
            entry.valid = 0;
        }
        let first = entry.reported & condition.bit() == 0;
        entry.reported |= condition.bit();
        first
    }

    /// Records another interval than ours; true if this value must be reported.
    pub(super) fn notice_interval(&mut self, now: Instant, from: IpAddr, theirs: Centis) -> bool {
        let first = self.notice(now, from, Condition::OtherInterval);
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.from == from) else {
            return false;
        };
        let changed = entry.interval != theirs;
        entry.interval = theirs;
        first || changed
    }

    /// Records a valid advert; true when its sender was rejected before and counts as accepted from
    /// now on.
    pub(super) fn accept(&mut self, from: IpAddr) -> bool {
        let rejected = |entry: &&mut Entry| entry.from == from && entry.reported & REJECTED != 0;
        let Some(entry) = self.entries.iter_mut().find(rejected) else {
            return false;
        };
        entry.valid = entry.valid.saturating_add(1);
        if entry.valid < ACCEPT_AFTER {
            return false;
        }
        entry.reported &= !REJECTED;
        true
    }

    /// The sender's entry, a new one, or that of a forgotten sender; `None` if all are in use.
    fn entry(&mut self, now: Instant, from: IpAddr) -> Option<&mut Entry> {
        let forget = self.forget;
        let stale = |entry: &Entry| now.since(entry.last) > forget;
        let fresh = Entry {
            from,
            last: now,
            reported: 0,
            valid: 0,
            interval: Centis(0),
        };
        let found = self.entries.iter().position(|entry| entry.from == from);
        let at = match found {
            Some(at) => at,
            None if self.entries.push(fresh).is_ok() => self.entries.len().saturating_sub(1),
            None => self.entries.iter().position(stale)?,
        };
        let entry = self.entries.get_mut(at)?;
        if stale(entry) || entry.from != from {
            *entry = fresh;
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Family, Priority, Vrid};
    use crate::vrrp::{AuthResult, Peer};
    use crate::wire::vrrp::{Addresses, Advert, Auth};

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn params(version: Version) -> Params {
        Params {
            auth: Auth::None,
            ..crate::vrrp::tests::params(version, 100)
        }
    }

    fn advert(version: Version) -> Received<'static> {
        Received {
            from: addr("10.0.0.2"),
            multicast: true,
            ttl: 255,
            on_link: true,
            advert: Advert {
                version,
                vrid: Vrid::new(51).unwrap(),
                priority: Priority(100),
                interval: Centis::SECOND,
                auth: Auth::None,
                addresses: Addresses {
                    family: Family::V4,
                    bytes: &[10, 0, 0, 100],
                },
            },
            auth_result: AuthResult::None,
        }
    }

    #[test]
    fn authenticated_adverts_are_of_this_link_and_for_our_addresses() {
        let hmac = crate::vrrp::HmacPolicy {
            enforce: true,
            window: None,
        };
        let peer = Peer {
            addr: addr("10.0.0.2"),
            min_ttl: 0,
            max_ttl: 255,
        };
        let ours = ["10.0.0.100", "169.254.0.1"].as_slice();
        for (name, addresses, on_link, peers, want) in [
            ("on the link", ours, true, vec![], Ok(())),
            ("off the link", ours, false, vec![], Err(Reject::OffLink)),
            ("a peer", ours, false, vec![peer], Ok(())),
            ("no address", &[], true, vec![], Err(Reject::OtherAddresses)),
            (
                "other addresses",
                &["10.0.0.101"],
                true,
                vec![],
                Err(Reject::OtherAddresses),
            ),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().map(|one| addr(one)).collect();
            let mut params = Params {
                hmac: Some(hmac),
                peers,
                ..params(Version::V3)
            };
            let received = Received {
                on_link,
                ..advert(Version::V3)
            };
            let set = AddressSet::new(&addresses);
            assert_eq!(check_fields(&params, &set, &received), want, "{name}");
            params.hmac = None;
            assert_eq!(check_fields(&params, &set, &received), Ok(()), "{name}");
        }
    }

    #[test]
    fn link_local_addresses_tell_routers_apart_only_if_there_are_no_others() {
        let list = |text: &str| -> Vec<IpAddr> { text.split_whitespace().map(addr).collect() };
        for (ours, theirs, want) in [
            ("", "", true),
            ("", "10.0.0.1", false),
            ("10.0.0.1", "", false),
            ("10.0.0.1 10.0.0.2", "10.0.0.2 10.0.0.3", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("fe80::1", "fe80::1", true),
            ("fe80::1 2001:db8::1", "fe80::1 2001:db8::2", false),
            ("fe80::1 2001:db8::1", "fe80::2 2001:db8::1", true),
        ] {
            let theirs = list(theirs);
            let common = AddressSet::new(&list(ours)).has_common(|| theirs.iter().copied());
            assert_eq!(common, want, "{ours} / {theirs:?}");
        }
    }

    #[test]
    fn every_check_rejects_for_its_own_reason_in_order() {
        type Change = fn(&mut Params, &mut Received<'static>);
        let unicast = |p: &mut Params, r: &mut Received<'static>| {
            (p.multicast, r.multicast) = (false, false);
            p.check_source = true;
            p.peers = vec![Peer {
                addr: addr("10.0.0.2"),
                min_ttl: 250,
                max_ttl: 254,
            }];
            r.ttl = 252;
        };
        let cases: [(&str, Version, Change, Result<(), Reject>); 18] = [
            ("good v2", Version::V2, |_, _| {}, Ok(())),
            ("good v3", Version::V3, |_, _| {}, Ok(())),
            (
                "ttl",
                Version::V2,
                |_, r| r.ttl = 254,
                Err(Reject::Ttl(254)),
            ),
            (
                "ttl before version",
                Version::V2,
                |_, r| (r.ttl, r.advert.version) = (1, Version::V3),
                Err(Reject::Ttl(1)),
            ),
            (
                "version",
                Version::V2,
                |_, r| r.advert.version = Version::V3,
                Err(Reject::Version(Version::V3)),
            ),
            (
                "password where none is wanted",
                Version::V2,
                |_, r| r.advert.auth = Auth::Pass([1; 8]),
                Err(Reject::AuthType),
            ),
            (
                "no password",
                Version::V2,
                |p, _| p.auth = Auth::Pass([1; 8]),
                Err(Reject::AuthType),
            ),
            (
                "the eighth byte counts",
                Version::V2,
                |p, r| {
                    p.auth = Auth::Pass(*b"12345678");
                    r.advert.auth = Auth::Pass(*b"12345679");
                },
                Err(Reject::AuthFailed),
            ),
            (
                "password",
                Version::V2,
                |p, r| {
                    p.auth = Auth::Pass(*b"12345678");
                    r.advert.auth = Auth::Pass(*b"12345678");
                },
                Ok(()),
            ),
            (
                "unknown type",
                Version::V2,
                |_, r| r.advert.auth = Auth::Other(7),
                Err(Reject::AuthType),
            ),
            (
                "v2 interval",
                Version::V2,
                |_, r| r.advert.interval = Centis(200),
                Err(Reject::Interval(Centis(200))),
            ),
            (
                "v3 interval may differ",
                Version::V3,
                |_, r| r.advert.interval = Centis(200),
                Ok(()),
            ),
            (
                "v3 interval 0 would mean no timer at all",
                Version::V3,
                |_, r| r.advert.interval = Centis(0),
                Err(Reject::Interval(Centis(0))),
            ),
            (
                "unicast to multicast",
                Version::V2,
                |_, r| r.multicast = false,
                Err(Reject::Transport),
            ),
            (
                "multicast to unicast",
                Version::V3,
                |p, _| p.multicast = false,
                Err(Reject::Transport),
            ),
            (
                "any ttl and source in plain unicast",
                Version::V3,
                |p, r| {
                    (p.multicast, r.multicast) = (false, false);
                    (r.ttl, r.from) = (3, addr("192.0.2.9"));
                },
                Ok(()),
            ),
            ("peer within its bounds", Version::V3, unicast, Ok(())),
            (
                "peer of another interval in v2",
                Version::V2,
                |p, _| p.advert_int = Centis(300),
                Err(Reject::Interval(Centis(100))),
            ),
        ];
        for (name, version, change, want) in cases {
            let (mut params, mut received) = (params(version), advert(version));
            change(&mut params, &mut received);
            let set = AddressSet::new(&params.addresses);
            let got = check(&params, &set, &received, &mut SequenceState::new(&params));
            assert_eq!(got.map(drop), want, "{name}");
        }
        let (mut params, mut received) = (params(Version::V3), advert(Version::V3));
        unicast(&mut params, &mut received);
        received.ttl = 255;
        let mut sequences = SequenceState::new(&params);
        let set = AddressSet::new(&params.addresses);
        let mut check = |received: &Received<'_>| check(&params, &set, received, &mut sequences);
        assert_eq!(check(&received), Err(Reject::Ttl(255)));
        received.from = addr("10.0.0.3");
        assert_eq!(check(&received), Err(Reject::Source));
    }

    #[test]
    fn address_lists_compare_as_sets() {
        let ours = AddressSet::new(&[addr("10.0.0.2"), addr("10.0.0.1"), addr("10.0.0.3")]);
        for (name, theirs, want) in [
            (
                "same order",
                &["10.0.0.2", "10.0.0.1", "10.0.0.3"][..],
                true,
            ),
            (
                "other order",
                &["10.0.0.3", "10.0.0.2", "10.0.0.1"][..],
                true,
            ),
            ("one missing", &["10.0.0.3", "10.0.0.2"][..], false),
            (
                "one twice instead",
                &["10.0.0.3", "10.0.0.2", "10.0.0.2"][..],
                false,
            ),
            (
                "one more",
                &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"][..],
                false,
            ),
            ("none", &[][..], false),
        ] {
            let theirs = theirs.iter().map(|text| addr(text));
            assert_eq!(ours.same(theirs), want, "{name}");
        }
        let many: Vec<IpAddr> = (0..=254u8).map(|n| IpAddr::from([10, 0, 0, n])).collect();
        assert!(AddressSet::new(&many).same(many.iter().rev().copied()));
        assert!(!AddressSet::new(&many).same(many.iter().skip(1).copied()));
        assert!(AddressSet::new(&[]).same(core::iter::empty()));
    }

    #[test]
    fn a_condition_is_reported_once_and_again_after_it_was_forgotten() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, at) = (addr("10.0.0.2"), |s: u64| Instant::from_millis(s * 1000));
        let ttl = |n| Condition::Rejected(Reject::Ttl(n));
        assert!(senders.notice(at(0), peer, ttl(1)));
        assert!(!senders.notice(at(1), peer, ttl(2)), "another TTL is not");
        assert!(senders.notice(at(1), peer, Condition::AddressesDiffer));
        assert!(!senders.notice(at(50), peer, Condition::AddressesDiffer));
        assert!(!senders.notice(at(100), peer, ttl(1)));
        assert!(senders.notice(at(161), peer, ttl(1)), "quiet for a minute");
    }

    #[test]
    fn a_rejected_sender_is_accepted_again_after_three_consecutive_valid_adverts() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, now) = (addr("10.0.0.2"), Instant::ZERO);
        let bad = Condition::Rejected(Reject::AuthFailed);
        assert!(!senders.accept(peer), "nothing was wrong");
        assert!(senders.notice(now, peer, bad));
        assert!(!senders.accept(peer));
        assert!(!senders.accept(peer));
        assert!(!senders.notice(now, peer, bad), "mixed in: not reported");
        assert_eq!(
            [(); 4].map(|()| senders.accept(peer)),
            [false, false, true, false]
        );
        assert!(senders.notice(now, peer, bad), "rejected again");
    }

    #[test]
    fn a_flood_from_forged_senders_is_reported_eight_times_a_minute_at_most() {
        let mut senders = Senders::new(Centis::SECOND);
        let mut reported = 0;
        for n in 0..1_200_000u32 {
            let from = IpAddr::from(n.to_be_bytes());
            let now = Instant::from_nanos(u64::from(n) * 100_000);
            reported += u32::from(senders.notice(now, from, Condition::Rejected(Reject::AuthType)));
        }
        assert_eq!(reported, 16, "two minutes at 10,000 per second");
    }

    #[test]
    fn an_adopted_interval_is_reported_when_it_changes() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, now) = (addr("fe80::2"), Instant::ZERO);
        let reported =
            [200, 200, 300, 300, 200].map(|c| senders.notice_interval(now, peer, Centis(c)));
        assert_eq!(reported, [true, false, true, false, true]);
    }
}
