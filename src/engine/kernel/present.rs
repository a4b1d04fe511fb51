//! The addresses of an interface as the kernel lists them: in its order, and found fast among
//! thousands.

use crate::types::Cidr;

/// An address on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Present {
    pub(crate) cidr: Cidr,
    /// Can be a source address: not tentative, and duplicate address detection has not failed.
    pub(crate) usable: bool,
    /// A secondary IPv4 address.
    pub(crate) secondary: bool,
    /// Has [`super::interfaces::PROTO_KEEPALIVED`]: set by us or by an earlier process.
    pub(crate) marked: bool,
}

/// The addresses of an interface.
#[derive(Clone, Debug, Default)]
pub(crate) struct PresentAddrs {
    /// In the order of the kernel.
    list: Vec<Present>,
    /// Positions in `list`, sorted by address.
    sorted: Vec<u32>,
}

impl PresentAddrs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Present> {
        self.list.iter()
    }

    /// Where the address is in `sorted`, or where it is to be inserted.
    fn find(&self, cidr: &Cidr) -> Result<usize, usize> {
        let cidr_at = |at: u32| self.list.get(index(at)).map(|present| &present.cidr);
        self.sorted
            .binary_search_by(|at| cidr_at(*at).cmp(&Some(cidr)))
    }

    pub(crate) fn get(&self, cidr: &Cidr) -> Option<&Present> {
        let at = self.sorted.get(self.find(cidr).ok()?)?;
        self.list.get(index(*at))
    }

    /// Adds an address or changes its properties. Returns whether anything is different.
    pub(crate) fn set(&mut self, present: Present) -> bool {
        match self.find(&present.cidr) {
            Ok(nth) => {
                let at = self.sorted.get(nth).copied().map(index);
                let known = at.and_then(|at| self.list.get_mut(at));
                known.is_some_and(|known| core::mem::replace(known, present) != present)
            }
            Err(nth) => {
                let at = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                self.sorted.insert(nth, at);
                self.list.push(present);
                true
            }
        }
    }

    /// Returns whether the address was there.
    pub(crate) fn remove(&mut self, cidr: &Cidr) -> bool {
        let Ok(nth) = self.find(cidr) else {
            return false;
        };
        let removed = self.sorted.remove(nth);
        self.list.remove(index(removed));
        for at in self.sorted.iter_mut().filter(|at| **at > removed) {
            *at -= 1;
        }
        true
    }
}

fn index(at: u32) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(last: u8) -> Present {
        Present {
            cidr: Cidr {
                addr: [192, 0, 2, last].into(),
                prefix: 24,
            },
            usable: true,
            secondary: false,
            marked: false,
        }
    }

    #[test]
    fn addresses_are_listed_in_the_order_of_the_kernel_and_found_by_value() {
        let mut addrs = PresentAddrs::default();
        for last in [7, 1, 9, 3] {
            assert!(addrs.set(present(last)), "new");
            assert!(!addrs.set(present(last)), "known");
        }
        let changed = Present {
            secondary: true,
            ..present(9)
        };
        assert!(addrs.set(changed));
        assert_eq!(addrs.get(&changed.cidr), Some(&changed));
        assert!(addrs.remove(&present(1).cidr));
        assert!(!addrs.remove(&present(1).cidr));
        assert_eq!(addrs.get(&present(1).cidr), None);
        assert!(addrs.set(present(1)), "again, at the end");
        let listed: Vec<Cidr> = addrs.iter().map(|one| one.cidr).collect();
        assert_eq!(listed, [7, 9, 3, 1].map(|last| present(last).cidr));
    }
}
