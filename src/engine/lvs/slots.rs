//! How many may work at the same time, and who waits for a turn.

use std::collections::VecDeque;

/// Places for work of one kind. Whoever finds none waits in line.
#[derive(Debug)]
pub(crate) struct Slots {
    taken: usize,
    /// Room there is; less than there should be once something was short.
    most: usize,
    full: usize,
    line: VecDeque<usize>,
}

impl Slots {
    /// Room for `most` at a time, out of `all`.
    pub(crate) fn new(most: usize, all: usize) -> Self {
        Slots {
            taken: 0,
            most,
            full: most,
            line: VecDeque::with_capacity(all),
        }
    }

    /// Takes a place if there is one; otherwise `who` waits in line.
    pub(crate) fn take(&mut self, who: usize) -> bool {
        let free = self.taken < self.most;
        if free {
            self.taken = self.taken.saturating_add(1);
        } else {
            self.line.push_back(who);
        }
        free
    }

    /// One more has a place already.
    pub(crate) fn adopt(&mut self) {
        self.taken = self.taken.saturating_add(1);
    }

    /// A place is free again. When nobody waits any more, what was short is asked for again the next time.
    pub(crate) fn free(&mut self) {
        self.taken = self.taken.saturating_sub(1);
        if self.line.is_empty() {
            self.most = self.full;
        }
    }

    /// There is less room than was thought: `who`, who has a place, gives it up and is the next in line. False: it is
    /// the only one, so that waiting is of no use.
    pub(crate) fn shrink(&mut self, who: usize) -> bool {
        self.taken = self.taken.saturating_sub(1);
        if self.taken == 0 {
            return false;
        }
        self.most = self.taken;
        self.line.push_front(who);
        true
    }

    /// Whether somebody waits for whom there is a place.
    pub(crate) fn has_next(&self) -> bool {
        self.taken < self.most && !self.line.is_empty()
    }

    /// The next in line gets a place, if there is one.
    pub(crate) fn next(&mut self) -> Option<usize> {
        if self.taken >= self.most {
            return None;
        }
        let next = self.line.pop_front()?;
        self.taken = self.taken.saturating_add(1);
        Some(next)
    }

    /// Only these stay in line.
    pub(crate) fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        self.line.retain(|who| stays(*who));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_finds_no_place_waits_in_line() {
        let mut slots = Slots::new(2, 5);
        assert!(slots.take(0) && slots.take(1));
        assert!(!slots.take(2) && !slots.take(3));
        assert!(!slots.has_next());
        slots.free();
        assert!(slots.has_next());
        assert_eq!((slots.next(), slots.next()), (Some(2), None));
        assert!(slots.shrink(2), "one place less");
        assert!(!slots.has_next());
        slots.free();
        assert_eq!((slots.next(), slots.next()), (Some(2), None));
        slots.retain(|who| who != 3);
        assert!(!slots.has_next());
        assert!(!slots.shrink(2), "nobody else has one");
        assert!(slots.take(4) && !slots.take(5), "still short");
        slots.free();
        assert_eq!(slots.next(), Some(5));
        slots.free();
        assert!(slots.take(6) && slots.take(7), "no longer short");
    }
}
