//! Who wins between two masters (RFC 9568 §6.4.3, RFC 3768 §6.4.3). Pure comparisons.

use core::cmp::Ordering;
use core::net::IpAddr;

use crate::types::Priority;

/// What another master's advert means to us as master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// It must yield.
    Weaker,
    /// We must yield: higher priority.
    StrongerPriority,
    /// We must yield: same priority, higher address.
    StrongerAddress,
    /// Same priority and address: somebody copied our configuration.
    Same,
}

/// Priority decides; between equals the higher primary address. Addresses compare as unsigned
/// big-endian numbers, which is how `IpAddr` is ordered within a family.
pub(super) fn compare(ours: (Priority, Option<IpAddr>), theirs: (Priority, IpAddr)) -> Standing {
    match theirs.0.cmp(&ours.0) {
        Ordering::Less => Standing::Weaker,
        Ordering::Greater => Standing::StrongerPriority,
        Ordering::Equal => match Some(theirs.1).cmp(&ours.1) {
            Ordering::Less => Standing::Weaker,
            Ordering::Greater => Standing::StrongerAddress,
            Ordering::Equal => Standing::Same,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_first_then_the_address_as_an_unsigned_big_endian_number() {
        use Standing::{Same, StrongerAddress, StrongerPriority, Weaker};
        for (name, ours, our_addr, theirs, their_addr, want) in [
            (
                "lower priority, higher address",
                100,
                "10.0.0.1",
                99,
                "10.0.0.9",
                Weaker,
            ),
            (
                "higher priority, lower address",
                100,
                "10.0.0.9",
                101,
                "10.0.0.1",
                StrongerPriority,
            ),
            (
                "higher address",
                100,
                "10.0.0.1",
                100,
                "10.0.0.2",
                StrongerAddress,
            ),
            ("lower address", 100, "10.0.0.2", 100, "10.0.0.1", Weaker),
            (
                "not signed",
                100,
                "127.0.0.1",
                100,
                "128.0.0.1",
                StrongerAddress,
            ),
            (
                "not signed, other way",
                100,
                "192.168.0.1",
                100,
                "10.0.0.1",
                Weaker,
            ),
            (
                "not little-endian",
                100,
                "10.0.0.255",
                100,
                "10.0.1.0",
                StrongerAddress,
            ),
            (
                "not textual",
                100,
                "10.0.0.9",
                100,
                "10.0.0.10",
                StrongerAddress,
            ),
            ("same", 100, "10.0.0.1", 100, "10.0.0.1", Same),
            ("IPv6", 100, "fe80::1", 100, "fe80::1:0", StrongerAddress),
            (
                "IPv6, top bit",
                100,
                "7fff::1",
                100,
                "fe80::1",
                StrongerAddress,
            ),
            (
                "IPv6, last byte",
                100,
                "fe80::ff",
                100,
                "fe80::100",
                StrongerAddress,
            ),
        ] {
            let ours = (Priority(ours), our_addr.parse().ok());
            let theirs = (Priority(theirs), their_addr.parse().unwrap());
            assert_eq!(compare(ours, theirs), want, "{name}");
        }
    }
}
