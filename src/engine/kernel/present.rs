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
    /// In the order of the kernel, each with its number, which grows.
    list: Vec<(u64, Present)>,
    /// The number of each address, sorted by address.
    numbers: Vec<(Cidr, u64)>,
    next: u64,
}

impl PresentAddrs {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Present> {
        self.list.iter().map(|(_, present)| present)
    }

    /// Position in `numbers`, or where the address is to be inserted.
    fn find(&self, cidr: &Cidr) -> Result<usize, usize> {
        self.numbers.binary_search_by(|(known, _)| known.cmp(cidr))
    }

    /// Position in `list` of an address in `numbers`.
    fn position(&self, nth: usize) -> Option<usize> {
        let (_, number) = self.numbers.get(nth)?;
        let found = self.list.binary_search_by_key(number, |(known, _)| *known);
        found.ok()
    }

    pub(crate) fn get(&self, cidr: &Cidr) -> Option<&Present> {
        let at = self.position(self.find(cidr).ok()?)?;
        self.list.get(at).map(|(_, present)| present)
    }

    /// Adds an address or changes its properties. Returns whether anything is different.
    pub(crate) fn set(&mut self, present: Present) -> bool {
        match self.find(&present.cidr) {
            Ok(nth) => {
                let at = self.position(nth);
                let Some((_, known)) = at.and_then(|at| self.list.get_mut(at)) else {
                    return false;
                };
                core::mem::replace(known, present) != present
            }
            Err(nth) => {
                self.numbers.insert(nth, (present.cidr, self.next));
                self.list.push((self.next, present));
                self.next = self.next.saturating_add(1);
                true
            }
        }
    }

    /// Returns whether the address was there.
    pub(crate) fn remove(&mut self, cidr: &Cidr) -> bool {
        let Ok(nth) = self.find(cidr) else {
            return false;
        };
        if let Some(at) = self.position(nth) {
            self.list.remove(at);
        }
        self.numbers.remove(nth);
        true
    }
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
