//! How long adverts may stay unread.

use super::instance::{Instance, State};
use crate::types::{Instant, ReadDelays, TimerKind};

impl Instance {
    /// A backup acts first when the shortest timer that an advert can start fires: Skew_Time after a
    /// resignation, the down interval or the preempt delay after any other. Nothing waits beyond its
    /// own takeover: a master hears others at once.
    #[must_use]
    pub fn read_delays(&self, now: Instant) -> ReadDelays {
        match &self.state {
            State::Backup(backup) if !backup.is_taking_over() => {
                let left = backup.deadline().since(now);
                let span = |timer, quarters: u32| {
                    let quarter = self.span(timer, self.timer_interval()).checked_div(4);
                    let span = quarter.unwrap_or_default().saturating_mul(quarters);
                    span.min(left)
                };
                let mut other = span(TimerKind::Down, 2);
                if !self.params.preempt_delay.is_zero() {
                    other = other.min(self.params.preempt_delay);
                }
                ReadDelays {
                    resignation: span(TimerKind::Skew, 3),
                    other,
                }
            }
            State::Init | State::Fault => ReadDelays::ANY,
            State::Backup(_) | State::Resuming(_) | State::Master(_) => ReadDelays::NONE,
        }
    }
}
