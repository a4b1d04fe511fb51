//! Who wins between two masters (RFC 9568 §6.4.3, RFC 3768 §6.4.3). Pure comparisons.

use core::cmp::Ordering;
use core::net::IpAddr;

use crate::types::Priority;

/// What another master's advert means to us as master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contest {
    /// It must yield.
    Won,
    /// We must yield: higher priority.
    LostByPriority,
    /// We must yield: same priority, higher address.
    LostByAddress,
    /// Tie priority and address: somebody copied our configuration.
    Tie,
}

/// Priority decides; between equals the higher primary address. Addresses compare as unsigned
/// big-endian numbers, which is how `IpAddr` is ordered within a family.
pub(super) fn compare(ours: (Priority, Option<IpAddr>), theirs: (Priority, IpAddr)) -> Contest {
    match theirs.0.cmp(&ours.0) {
        Ordering::Less => Contest::Won,
        Ordering::Greater => Contest::LostByPriority,
        Ordering::Equal => match Some(theirs.1).cmp(&ours.1) {
            Ordering::Less => Contest::Won,
            Ordering::Greater => Contest::LostByAddress,
            Ordering::Equal => Contest::Tie,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_first_then_the_address_as_an_unsigned_big_endian_number() {
        use Contest::{LostByAddress, LostByPriority, Tie, Won};
        for (name, ours, our_addr, theirs, their_addr, want) in [
            (
                "lower priority, higher address",
                100,
                "10.0.0.1",
                99,
                "10.0.0.9",
                Won,
            ),
            (
                "higher priority, lower address",
                100,
                "10.0.0.9",
                101,
                "10.0.0.1",
                LostByPriority,
            ),
            (
                "higher address",
                100,
                "10.0.0.1",
                100,
                "10.0.0.2",
                LostByAddress,
            ),
            ("lower address", 100, "10.0.0.2", 100, "10.0.0.1", Won),
            (
                "not signed",
                100,
                "127.0.0.1",
                100,
                "128.0.0.1",
                LostByAddress,
            ),
            (
                "not signed, other way",
                100,
                "192.168.0.1",
                100,
                "10.0.0.1",
                Won,
            ),
            (
                "not little-endian",
                100,
                "10.0.0.255",
                100,
                "10.0.1.0",
                LostByAddress,
            ),
            (
                "not textual",
                100,
                "10.0.0.9",
                100,
                "10.0.0.10",
                LostByAddress,
            ),
            ("same", 100, "10.0.0.1", 100, "10.0.0.1", Tie),
            ("IPv6", 100, "fe80::1", 100, "fe80::1:0", LostByAddress),
            (
                "IPv6, top bit",
                100,
                "7fff::1",
                100,
                "fe80::1",
                LostByAddress,
            ),
            (
                "IPv6, last byte",
                100,
                "fe80::ff",
                100,
                "fe80::100",
                LostByAddress,
            ),
        ] {
            let ours = (Priority(ours), our_addr.parse().ok());
            let theirs = (Priority(theirs), their_addr.parse().unwrap());
            assert_eq!(compare(ours, theirs), want, "{name}");
        }
    }
}
