//! Checks of received adverts (RFC 9568 §7.1) that need the configuration. The codec has made the
//! checks before these, and `senders.rs` decides what is reported of them.
//!
//! An advert that fails [`check`] changes a counter and nothing else.

use core::net::IpAddr;
use std::rc::Rc;

use super::auth::SequenceState;
use super::{Params, Received, Reject, SignatureError};
use crate::types::{self, Centis, Version};

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
pub(super) struct AddressSet(Rc<[IpAddr]>);

impl AddressSet {
    pub(super) fn new(addresses: &Rc<[IpAddr]>) -> Self {
        if addresses.is_sorted_by(|one, next| one < next) {
            return AddressSet(Rc::clone(addresses));
        }
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
            let set = AddressSet::new(&addresses.into());
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
            let common = AddressSet::new(&list(ours).into()).has_common(|| theirs.iter().copied());
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
        let ours = AddressSet::new(&[addr("10.0.0.2"), addr("10.0.0.1"), addr("10.0.0.3")].into());
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
        let set = AddressSet::new(&many.clone().into());
        assert!(set.same(many.iter().rev().copied()));
        assert!(!set.same(many.iter().skip(1).copied()));
        assert!(AddressSet::new(&Rc::default()).same(core::iter::empty()));
    }
}
