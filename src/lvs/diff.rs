//! The requests that turn the kernel's destinations into the desired ones.
//!
//! Every difference (weight, method, thresholds, scheduler) is changed in place: connections are
//! lost only where a server is removed. New servers are added in the desired order, and before
//! others are removed, so that a service is not without servers in between. O(n log n): a service
//! may have ten thousand servers.

use core::net::IpAddr;
use std::collections::VecDeque;

use crate::types::ipvs::{Destination, Forward, ServiceKey, Tunnel, TunnelKind};
use crate::types::sorted;

/// One request to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edit {
    /// The service.
    pub key: ServiceKey,
    /// The change.
    pub op: EditOp,
    /// It replaces a refused request; another refusal is final.
    pub retried: bool,
}

impl Edit {
    /// The first attempt.
    #[must_use]
    pub fn new(key: ServiceKey, op: EditOp) -> Self {
        let retried = false;
        Edit { key, op, retried }
    }
}

/// A change of a service or of one of its destinations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EditOp {
    /// Add the service.
    AddService,
    /// Change the properties of the service.
    SetService,
    /// Delete the service and its destinations.
    DeleteService,
    /// Add a destination.
    Add(Destination),
    /// Change the properties of a destination.
    Set(Destination),
    /// Delete a destination.
    Delete(Destination),
}

/// Identifies a destination in its service.
type Name = (IpAddr, u16);

fn name(server: &Destination) -> Name {
    (server.addr, server.port)
}

/// Compares destinations. Reused, so that repeated comparisons allocate nothing.
#[derive(Debug, Default)]
pub struct Diff {
    /// Names of the kernel's destinations, sorted, with their index.
    order: Vec<(Name, usize)>,
    /// Which of them are desired.
    wanted: Vec<bool>,
}

impl Diff {
    /// Appends the edits that turn `actual` into `desired`. Of equal names in `actual` the first
    /// counts; in `desired` names are unique.
    pub fn servers(
        &mut self,
        key: ServiceKey,
        desired: &[Destination],
        actual: &[Destination],
        edits: &mut VecDeque<Edit>,
    ) {
        let mut push = |op| edits.push_back(Edit::new(key, op));
        self.order.clear();
        let names = actual.iter().map(name).enumerate();
        self.order.extend(names.map(|(index, name)| (name, index)));
        self.order = sorted(core::mem::take(&mut self.order));
        self.order.dedup_by_key(|(name, _)| *name);
        self.wanted.clear();
        self.wanted.resize(self.order.len(), false);
        for server in desired {
            let found = self
                .order
                .binary_search_by(|(known, _)| known.cmp(&name(server)));
            let Ok(position) = found else {
                push(EditOp::Add(*server));
                continue;
            };
            if let Some(wanted) = self.wanted.get_mut(position) {
                *wanted = true;
            }
            let known = self.order.get(position);
            let known = known.and_then(|(_, index)| actual.get(*index));
            if known.is_none_or(|known| !is_same(known, server)) {
                push(EditOp::Set(*server));
            }
        }
        let excess = self.order.iter().zip(&self.wanted);
        for ((_, index), _) in excess.filter(|(_, wanted)| !**wanted) {
            if let Some(server) = actual.get(*index) {
                push(EditOp::Delete(*server));
            }
        }
    }
}

/// Whether the kernel lists both alike: for plain IPIP it lists no checksum.
fn is_same(one: &Destination, other: &Destination) -> bool {
    let plain = |server: &Destination| {
        let kind = TunnelKind::Ipip;
        matches!(server.forward, Forward::Tunnel(Tunnel { kind: it, .. }) if it == kind)
    };
    if !plain(one) || !plain(other) {
        return one == other;
    }
    let forward = other.forward;
    Destination { forward, ..*one } == *other
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::ipvs::{Checksum, IpProtocol};

    fn key() -> ServiceKey {
        ServiceKey::Address {
            addr: "192.0.2.1".parse().unwrap(),
            port: 80,
            protocol: IpProtocol::Tcp,
        }
    }

    fn server(last: u8, weight: u32) -> Destination {
        Destination {
            addr: [10, 0, 0, last].into(),
            port: 80,
            forward: Forward::Direct,
            weight,
            upper: 0,
            lower: 0,
        }
    }

    fn edits(desired: &[Destination], actual: &[Destination]) -> Vec<EditOp> {
        let mut edits = VecDeque::new();
        Diff::default().servers(key(), desired, actual, &mut edits);
        edits.into_iter().map(|edit| edit.op).collect()
    }

    #[test]
    fn only_differences_are_changed_in_place() {
        let moved = Destination {
            forward: Forward::Masquerade,
            ..server(1, 1)
        };
        let beside = Destination {
            port: 81,
            ..server(1, 1)
        };
        for (name, desired, actual, want) in [
            ("nothing", vec![], vec![], vec![]),
            (
                "the same in another order",
                vec![server(1, 1), server(2, 1)],
                vec![server(2, 1), server(1, 1)],
                vec![],
            ),
            (
                "weight",
                vec![server(1, 5)],
                vec![server(1, 1)],
                vec![EditOp::Set(server(1, 5))],
            ),
            (
                "method",
                vec![moved],
                vec![server(1, 1)],
                vec![EditOp::Set(moved)],
            ),
            (
                "another port is another server; additions first",
                vec![beside],
                vec![server(1, 1)],
                vec![EditOp::Add(beside), EditOp::Delete(server(1, 1))],
            ),
            (
                "additions in the order desired",
                vec![server(3, 1), server(1, 1), server(2, 1)],
                vec![server(1, 1)],
                vec![EditOp::Add(server(3, 1)), EditOp::Add(server(2, 1))],
            ),
            (
                "listed twice, because the list changed while it was read",
                vec![server(1, 1)],
                vec![server(1, 1), server(1, 1)],
                vec![],
            ),
        ] {
            assert_eq!(edits(&desired, &actual), want, "{name}");
        }
    }

    #[test]
    fn the_checksum_of_plain_ipip_tunnels_is_ignored() {
        let tunnel = |kind, checksum| Destination {
            forward: Forward::Tunnel(Tunnel { kind, checksum }),
            ..server(1, 1)
        };
        let ipip = |checksum| tunnel(TunnelKind::Ipip, checksum);
        assert_eq!(edits(&[ipip(Checksum::Plain)], &[ipip(Checksum::None)]), []);
        let gre = tunnel(TunnelKind::Gre, Checksum::Plain);
        let want = [EditOp::Set(gre)];
        let none = tunnel(TunnelKind::Gre, Checksum::None);
        assert_eq!(edits(&[gre], &[none]), want);
        assert_eq!(edits(&[gre], &[ipip(Checksum::Plain)]), want);
    }

    #[test]
    fn ten_thousand_servers_in_another_order() {
        let many = |weight| {
            let number = 0..10_000_u32;
            let all = number.map(|n| Destination {
                addr: core::net::Ipv4Addr::from(0x0a00_0000 + (n * 7919) % 10_007).into(),
                ..server(0, weight)
            });
            all.collect::<Vec<_>>()
        };
        let mut reversed = many(1);
        reversed.reverse();
        assert_eq!(edits(&many(1), &reversed), []);
        assert_eq!(edits(&many(2), &reversed).len(), 10_000);
    }
}
