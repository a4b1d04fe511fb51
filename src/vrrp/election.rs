//! Election between two masters (RFC 9568 §6.4.3, RFC 3768 §6.4.3).

use core::cmp::Ordering;
use core::net::IpAddr;

use crate::types::Priority;

/// Result of comparing our advert with another master's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Contest {
    /// The other master must yield.
    Won,
    /// We must yield: its priority is higher.
    LostByPriority,
    /// We must yield: same priority, but its address is higher.
    LostByAddress,
    /// Same priority and address: a copy of our configuration.
    Tie,
}

/// A router's claim to be master.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Claim {
    pub(super) priority: Priority,
    /// Primary address, once known.
    pub(super) addr: Option<IpAddr>,
}

/// Compares priorities, then primary addresses. Addresses compare as unsigned numbers in network
/// byte order, which is how `IpAddr` is ordered within a family.
pub(super) fn compare(ours: Claim, theirs: Claim) -> Contest {
    match theirs.priority.cmp(&ours.priority) {
        Ordering::Less => Contest::Won,
        Ordering::Greater => Contest::LostByPriority,
        Ordering::Equal => match theirs.addr.cmp(&ours.addr) {
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
            let claim = |priority, addr: &str| Claim {
                priority: Priority(priority),
                addr: Some(addr.parse().unwrap()),
            };
            let got = compare(claim(ours, our_addr), claim(theirs, their_addr));
            assert_eq!(got, want, "{name}");
        }
    }
}
