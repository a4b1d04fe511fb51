//! Times of the monotonic clock. Only `os` reads the clock; the other rooms get the time as a
//! parameter.

use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

/// A time of `CLOCK_MONOTONIC` in nanoseconds. Arithmetic saturates, so no input can make it panic.
///
/// The time plus 1 is stored: never 0, so that an `Option<Instant>` has the same size.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The clock's origin.
    pub const ZERO: Instant = Instant(NonZeroU64::MIN);
    /// Later than any time that is reached.
    pub const NEVER: Instant = Instant(NonZeroU64::MAX);

    /// From nanoseconds since the clock's origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Instant(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// From milliseconds since the clock's origin.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Instant::from_nanos(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the clock's origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0.get().wrapping_sub(1)
    }

    /// This time plus `span`; `NEVER` if that is out of range.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Instant(
            self.0
                .saturating_add(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)),
        )
    }

    /// Time since `earlier`; zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Default for Instant {
    fn default() -> Self {
        Instant::ZERO
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({})", self.as_nanos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Instant::NEVER.after(Duration::MAX), Instant::NEVER);
        assert_eq!(Instant::ZERO.since(Instant::NEVER), Duration::ZERO);
        assert_eq!(
            Instant::from_millis(3)
                .after(Duration::from_micros(5))
                .as_nanos(),
            3_005_000
        );
    }
}
