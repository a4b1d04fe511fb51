//! Sorting with little code.
//!
//! The sorts of the standard library take about 4 KB of code per element type. vrrpd sorts short
//! lists when a configuration is read; a heap does that with a tenth of the code.

extern crate alloc;

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// Sorts in ascending order, in place and not stable.
#[must_use]
pub fn sorted<T: Ord>(list: Vec<T>) -> Vec<T> {
    BinaryHeap::from(list).into_sorted_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_in_ascending_order() {
        assert!(sorted(Vec::<u8>::new()).is_empty());
        assert_eq!(sorted(Vec::from([3, 1, 2, 3])), [1, 2, 3, 3]);
    }
}
