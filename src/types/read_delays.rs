//! How long adverts may stay unread.

use core::time::Duration;

/// How long adverts may stay unread without effect on when an instance acts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReadDelays {
    /// A master's last advert, with priority 0.
    pub resignation: Duration,
    /// Any other, provided that it is read before the down timer fires.
    pub other: Duration,
}

impl ReadDelays {
    /// Adverts are read at once.
    pub const NONE: ReadDelays = ReadDelays::both(Duration::ZERO);
    /// It does not matter.
    pub const ANY: ReadDelays = ReadDelays::both(Duration::MAX);

    const fn both(delay: Duration) -> Self {
        ReadDelays {
            resignation: delay,
            other: delay,
        }
    }

    /// The shorter delays.
    #[must_use]
    pub fn min(self, other: ReadDelays) -> ReadDelays {
        ReadDelays {
            resignation: self.resignation.min(other.resignation),
            other: self.other.min(other.other),
        }
    }
}
