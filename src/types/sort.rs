//! Sorting in few bytes.
//!
//! The standard library's sorts are made for speed and take about 4 KB of code for every type they are used with. We
//! sort short lists, when a configuration is read; a heap does that in a tenth of the code.

extern crate alloc;

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// The same in ascending order, in the same memory. Equal ones may change places.
#[must_use]
pub fn sorted<T: Ord>(list: Vec<T>) -> Vec<T> {
    BinaryHeap::from(list).into_sorted_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascending() {
        assert!(sorted(Vec::<u8>::new()).is_empty());
        assert_eq!(sorted(Vec::from([3, 1, 2, 3])), [1, 2, 3, 3]);
    }
}
