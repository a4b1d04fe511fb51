//! Limits concurrent work and queues the rest.

use std::collections::VecDeque;

/// A limit for work of one kind.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    active: usize,
    /// The limit; below `configured` while the kernel grants less.
    limit: usize,
    configured: usize,
    queue: VecDeque<usize>,
}

impl ConcurrencyLimit {
    /// `limit` at a time; `queue`: capacity of the queue.
    pub(crate) fn new(limit: usize, queue: usize) -> Self {
        ConcurrencyLimit {
            active: 0,
            limit,
            configured: limit,
            queue: VecDeque::with_capacity(queue),
        }
    }

    /// True: `index` may run. False: it is queued.
    pub(crate) fn acquire(&mut self, index: usize) -> bool {
        let free = self.active < self.limit;
        if free {
            self.active = self.active.saturating_add(1);
        } else {
            self.queue.push_back(index);
        }
        free
    }

    /// Queues `index`, whatever may run.
    pub(crate) fn queue(&mut self, index: usize) {
        self.queue.push_back(index);
    }

    /// Counts one more that is running already.
    pub(crate) fn adopt(&mut self) {
        self.active = self.active.saturating_add(1);
    }

    /// One has ended. Once the queue is empty, a lowered limit is raised again.
    pub(crate) fn release(&mut self) {
        self.active = self.active.saturating_sub(1);
        if self.queue.is_empty() {
            self.limit = self.configured;
        }
    }

    /// The kernel grants no more than the others: lowers the limit and puts `index`, which is
    /// active, at the head of the queue. False: no other is active, so that waiting is useless.
    pub(crate) fn shrink(&mut self, index: usize) -> bool {
        self.active = self.active.saturating_sub(1);
        if self.active == 0 {
            return false;
        }
        self.limit = self.active;
        self.queue.push_front(index);
        true
    }

    /// Whether [`ConcurrencyLimit::next`] returns something.
    pub(crate) fn has_next(&self) -> bool {
        self.active < self.limit && !self.queue.is_empty()
    }

    /// The next in the queue that may run.
    pub(crate) fn next(&mut self) -> Option<usize> {
        if self.active >= self.limit {
            return None;
        }
        let next = self.queue.pop_front()?;
        self.active = self.active.saturating_add(1);
        Some(next)
    }

    /// Removes `index` from the queue.
    pub(crate) fn remove(&mut self, index: usize) {
        self.queue.retain(|queued| *queued != index);
    }
}

/// Concurrent programs. One that hangs occupies its place for `misc_timeout`.
const MAX_PROGRAMS: usize = 128;
/// Concurrent exchanges with servers that are up.
const MAX_WITH_UP: usize = 96;
/// Concurrent exchanges with servers that are down. Few: servers that send a byte now and then
/// occupy their places for long, and must leave some for the others.
const MAX_WITH_DOWN: usize = 32;

/// What a child process of a check does; each kind has a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChildKind {
    /// Runs the program of a `MISC_CHECK`.
    Program,
    /// Talks to a server that is up, or has not been checked yet.
    WithUp,
    /// Talks to a server that is down.
    WithDown,
}

/// The limits of all kinds of child processes.
#[derive(Debug)]
pub(crate) struct ChildLimits {
    programs: ConcurrencyLimit,
    with_up: ConcurrencyLimit,
    with_down: ConcurrencyLimit,
}

impl ChildLimits {
    /// `queue`: capacity of each queue.
    pub(crate) fn new(queue: usize) -> Self {
        ChildLimits {
            programs: ConcurrencyLimit::new(MAX_PROGRAMS, queue),
            with_up: ConcurrencyLimit::new(MAX_WITH_UP, queue),
            with_down: ConcurrencyLimit::new(MAX_WITH_DOWN, queue),
        }
    }

    /// The limit of a kind.
    pub(crate) fn of(&mut self, kind: ChildKind) -> &mut ConcurrencyLimit {
        match kind {
            ChildKind::Program => &mut self.programs,
            ChildKind::WithUp => &mut self.with_up,
            ChildKind::WithDown => &mut self.with_down,
        }
    }

    /// Whether [`ChildLimits::next`] returns something.
    pub(crate) fn has_next(&self) -> bool {
        self.with_up.has_next() || self.programs.has_next() || self.with_down.has_next()
    }

    /// The next that may run; servers that are up come first.
    pub(crate) fn next(&mut self) -> Option<usize> {
        let next = self.with_up.next();
        let next = next.or_else(|| self.programs.next());
        next.or_else(|| self.with_down.next())
    }

    /// Removes `index` from all queues.
    pub(crate) fn remove(&mut self, index: usize) {
        for kind in [ChildKind::Program, ChildKind::WithUp, ChildKind::WithDown] {
            self.of(kind).remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_above_the_limit_is_queued() {
        let mut limit = ConcurrencyLimit::new(2, 5);
        assert!(limit.acquire(0) && limit.acquire(1));
        assert!(!limit.acquire(2) && !limit.acquire(3));
        assert!(!limit.has_next());
        limit.release();
        assert!(limit.has_next());
        assert_eq!((limit.next(), limit.next()), (Some(2), None));
        assert!(limit.shrink(2), "one less");
        assert!(!limit.has_next());
        limit.release();
        assert_eq!((limit.next(), limit.next()), (Some(2), None));
        limit.remove(3);
        assert!(!limit.has_next());
        assert!(!limit.shrink(2), "no other is active");
        assert!(limit.acquire(4) && !limit.acquire(5), "still lowered");
        limit.release();
        assert_eq!(limit.next(), Some(5));
        limit.release();
        assert!(limit.acquire(6) && limit.acquire(7), "raised again");
    }
}
