//! The earliest of many deadlines: an indexed binary heap with one deadline per key.
//!
//! Every advert of a peer moves one deadline, up to 25,000 times a second: this takes O(log n), and
//! nothing is allocated after [`Timers::new`].

use core::time::Duration;

use crate::types::{InstanceId, Instant};

/// One deadline for each of the keys `0..n`.
#[derive(Debug)]
pub(crate) struct Timers {
    /// Deadline of each key; `NEVER` when it has none.
    at: Vec<Instant>,
    /// Keys, ordered as a binary heap by their deadline.
    heap: Vec<usize>,
    /// Index of each key in `heap`.
    position: Vec<usize>,
}

impl Timers {
    pub(crate) fn new(keys: usize) -> Self {
        Timers {
            at: vec![Instant::NEVER; keys],
            heap: (0..keys).collect(),
            position: (0..keys).collect(),
        }
    }

    /// Sets or clears the deadline of `key`; unknown keys are ignored.
    pub(crate) fn set(&mut self, key: usize, at: Option<Instant>) {
        let new = at.unwrap_or(Instant::NEVER);
        let (Some(slot), Some(&index)) = (self.at.get_mut(key), self.position.get(key)) else {
            return;
        };
        let old = core::mem::replace(slot, new);
        if new < old {
            self.sift_up(index);
        } else if new > old {
            self.sift_down(index);
        }
    }

    /// Postpones the deadline of `key` until after `now`, so that those of other keys that are due
    /// come first: one instance may have more announcements due than it sends per call.
    pub(crate) fn postpone(&mut self, key: usize, now: Instant) {
        if self.due(key) <= now {
            self.set(key, Some(now.after(Duration::from_nanos(1))));
        }
    }

    /// The deadline of `key`, if it has one.
    pub(crate) fn get(&self, key: usize) -> Option<Instant> {
        Some(self.due(key)).filter(|at| *at < Instant::NEVER)
    }

    /// The earliest deadline and its key.
    pub(crate) fn first(&self) -> Option<(Instant, usize)> {
        let &key = self.heap.first()?;
        let at = self.due(key);
        (at < Instant::NEVER).then_some((at, key))
    }

    fn due(&self, key: usize) -> Instant {
        self.at.get(key).copied().unwrap_or(Instant::NEVER)
    }

    fn due_at(&self, index: usize) -> Option<Instant> {
        self.heap.get(index).map(|&key| self.due(key))
    }

    fn sift_up(&mut self, mut index: usize) {
        while index > 0 {
            let parent = (index - 1) / 2;
            if self.due_at(index) >= self.due_at(parent) {
                return;
            }
            self.swap(index, parent);
            index = parent;
        }
    }

    fn sift_down(&mut self, mut index: usize) {
        loop {
            let left = index.saturating_mul(2).saturating_add(1);
            let right = left.saturating_add(1);
            let Some(of_left) = self.due_at(left) else {
                return;
            };
            let (child, of_child) = match self.due_at(right) {
                Some(of_right) if of_right < of_left => (right, of_right),
                _ => (left, of_left),
            };
            if self.due_at(index).is_none_or(|own| own <= of_child) {
                return;
            }
            self.swap(index, child);
            index = child;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        for index in [a, b] {
            if let Some(&key) = self.heap.get(index)
                && let Some(slot) = self.position.get_mut(key)
            {
                *slot = index;
            }
        }
    }
}

/// Purpose of a deadline of the engine. In [`Timers`] those that belong to no instance come first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TimerKey {
    /// Static addresses that the kernel refused.
    StaticAddresses,
    /// Static routes and rules that the kernel refused.
    StaticRoutes,
    /// Interfaces whose up or down delay ends.
    Interfaces,
    /// Receive sockets that could not be opened.
    Sockets,
    /// Child processes that exceed their time limit.
    Children,
    /// Tracked scripts that are due.
    Scripts,
    /// Tracked files that cannot be watched and are polled.
    Files,
    /// Tracked processes that are polled.
    Processes,
    /// Notify scripts and mails that wait to be started.
    Notify,
    /// Macvlans that are to be set down.
    Vmacs,
    /// Maintenance that has a time limit.
    Maintenance,
    /// The state file.
    StateFile,
    /// Health checks that are due.
    #[cfg(feature = "lvs")]
    Checks,
    /// Repair of the IPVS table.
    #[cfg(feature = "lvs")]
    Ipvs,
    /// The next deadline of an instance.
    Instance(InstanceId),
}

impl TimerKey {
    /// Number of timers that belong to no instance.
    pub(crate) const SHARED: usize = 14;

    /// Number of timers with this many instances.
    pub(crate) const fn count(instances: usize) -> usize {
        instances.saturating_add(Self::SHARED)
    }

    /// Position in [`Timers`].
    pub(crate) const fn index(self) -> usize {
        match self {
            TimerKey::StaticAddresses => 0,
            TimerKey::StaticRoutes => 1,
            TimerKey::Interfaces => 2,
            TimerKey::Sockets => 3,
            TimerKey::Children => 4,
            TimerKey::Scripts => 5,
            TimerKey::Files => 6,
            TimerKey::Processes => 7,
            TimerKey::Notify => 8,
            TimerKey::Vmacs => 9,
            TimerKey::Maintenance => 10,
            TimerKey::StateFile => 11,
            #[cfg(feature = "lvs")]
            TimerKey::Checks => 12,
            #[cfg(feature = "lvs")]
            TimerKey::Ipvs => 13,
            TimerKey::Instance(id) => id.0.saturating_add(Self::SHARED),
        }
    }

    /// The instance whose deadline has this position; `None` for one that belongs to no instance.
    pub(crate) fn instance(index: usize) -> Option<InstanceId> {
        index.checked_sub(Self::SHARED).map(InstanceId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_of_many_moving_deadlines_is_always_first() {
        let mut deadlines = Timers::new(50);
        let mut plain = vec![Instant::NEVER; 50];
        let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
        for _ in 0..20_000 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let key = usize::try_from(seed % 50).expect("below 50");
            let at = (!seed.is_multiple_of(7)).then(|| Instant::from_nanos(seed >> 40));
            deadlines.set(key, at);
            plain[key] = at.unwrap_or(Instant::NEVER);
            let earliest = *plain.iter().min().expect("fifty of them");
            match deadlines.first() {
                Some((at, key)) => assert_eq!((at, plain[key]), (earliest, earliest)),
                None => assert_eq!(earliest, Instant::NEVER),
            }
        }
    }

    #[test]
    fn without_deadlines_nothing_is_due() {
        assert_eq!(Timers::new(0).first(), None);
        let mut deadlines = Timers::new(2);
        assert_eq!(deadlines.first(), None);
        deadlines.set(7, Some(Instant::ZERO));
        assert_eq!(deadlines.first(), None, "an unknown key is ignored");
    }
}
