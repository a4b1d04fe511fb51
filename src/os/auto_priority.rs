//! Real-time priority of a loop whose timers are late.
//!
//! Each time a timer is late the priority is raised by one, up to `max_auto_priority`. Without that
//! keyword it is 1 once a timer is so late that it matters for the shortest advert interval. A loop
//! without pauses gives it up for a while: other programs have to run too.

use core::time::Duration;

use super::sched::{NO_REAL_TIME, warn_if_refused};
use crate::config::model::ProcessSettings;
use crate::engine::system::errno_text;
use crate::log;
use crate::sys;
use crate::types::Instant;

/// Work without a pause after which the priority is given up.
const LONGEST_WORK: Duration = Duration::from_millis(100);
/// A shorter wait is no pause.
const PAUSE: Duration = Duration::from_micros(100);
/// How long the process then runs without a raised priority.
const COOL_DOWN: Duration = Duration::from_secs(10);
/// A timer that is less late than this raises nothing.
const IN_TIME: Duration = Duration::from_micros(300);
/// Without `max_auto_priority`, lateness matters from this part of the shortest advert interval on.
const PART: u32 = 32;

/// The priority that was raised.
#[derive(Debug, Default)]
pub(super) struct AutoPriority {
    current: u8,
    refused: bool,
    /// End of the last pause.
    paused: Instant,
    /// When it may be raised again.
    not_before: Instant,
}

/// One wait of the loop.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) start: Instant,
    pub(super) end: Instant,
    /// How late the loop continued.
    pub(super) late: Duration,
}

/// A change of the priority.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Change {
    Raise(u8),
    /// Back to the configured one.
    GiveUp,
}

impl AutoPriority {
    /// To be called after work outside the loop, such as reading a configuration.
    pub(super) fn pause(&mut self, now: Instant) {
        self.paused = now;
    }

    /// To be called after each wait. `shortest` is the shortest advert interval.
    pub(super) fn waited(
        &mut self,
        wait: Wait,
        process: &ProcessSettings,
        shortest: impl FnOnce() -> Duration,
    ) {
        match self.change(wait, process, shortest) {
            Some(Change::Raise(priority)) => self.raise(priority, wait.late, process),
            Some(Change::GiveUp) => give_up(process.rt_priority),
            None => {}
        }
    }

    /// To be called when another configuration applies, whose priority may have been set already:
    /// `before` is that of the last one.
    pub(super) fn reload(&mut self, before: Option<u8>, process: &ProcessSettings) {
        if before != process.rt_priority || self.current > maximum(process) {
            self.reset(process);
        }
    }

    /// Goes back to the configured priority.
    pub(super) fn reset(&mut self, process: &ProcessSettings) {
        if core::mem::take(&mut self.current) > 0 {
            let _ = sys::set_scheduler(process.rt_priority.unwrap_or(0));
        }
    }

    fn raise(&mut self, priority: u8, late: Duration, process: &ProcessSettings) {
        let late = late.as_micros();
        if priority == 1 && sys::has_real_time() {
            // A configured priority is raised to 2 or more: the process was started with this one.
            (self.current, self.refused) = (0, true);
            log::info!("a timer was {late} us late; real-time priority stays as at the start");
            return;
        }
        match sys::set_scheduler(priority) {
            Ok(()) => {
                log::info!("a timer was {late} us late: real-time priority is now {priority}");
            }
            Err(errno) => {
                (self.current, self.refused) = (0, true);
                if process.max_auto_priority.is_some() {
                    return warn_if_refused("max_auto_priority", NO_REAL_TIME, Err(errno));
                }
                let why = errno_text(errno as i32);
                log::info!("a timer was {late} us late; real-time priority: {why}");
            }
        }
    }

    /// The change of the priority after a wait.
    fn change(
        &mut self,
        wait: Wait,
        process: &ProcessSettings,
        shortest: impl FnOnce() -> Duration,
    ) -> Option<Change> {
        let Wait { start, end, late } = wait;
        if end.since(start) >= PAUSE {
            self.paused = end;
        } else if self.current > 0 && end.since(self.paused) > LONGEST_WORK {
            self.current = 0;
            self.not_before = end.after(COOL_DOWN);
            return Some(Change::GiveUp);
        }
        if late < IN_TIME || self.refused || end < self.not_before {
            return None;
        }
        let current = self.current.max(process.rt_priority.unwrap_or(0));
        if current >= maximum(process) {
            return None;
        }
        let delay = match process.max_auto_priority {
            Some(_) => process.min_auto_priority_delay,
            None => IN_TIME.max(shortest() / PART),
        };
        if late < delay {
            return None;
        }
        self.current = current.saturating_add(1);
        Some(Change::Raise(self.current))
    }
}

/// The highest priority to raise to.
fn maximum(process: &ProcessSettings) -> u8 {
    u8::try_from(process.max_auto_priority.unwrap_or(1)).unwrap_or(0)
}

/// Goes back to the configured priority.
fn give_up(configured: Option<u8>) {
    if sys::set_scheduler(configured.unwrap_or(0)).is_ok() {
        log::info!(
            "{} ms of work without a pause: no raised priority for {} s",
            LONGEST_WORK.as_millis(),
            COOL_DOWN.as_secs()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u32) -> Instant {
        Instant::ZERO.after(MS * ms)
    }

    /// A wait of a millisecond until this time.
    fn wait(ms: u32, late: Duration) -> Wait {
        let (start, end) = (at(ms - 1), at(ms));
        Wait { start, end, late }
    }

    fn settings(max_auto_priority: Option<i8>) -> ProcessSettings {
        ProcessSettings {
            max_auto_priority,
            min_auto_priority_delay: MS * 5,
            ..ProcessSettings::default()
        }
    }

    #[test]
    fn without_the_keyword_the_shortest_interval_decides() {
        let us = Duration::from_micros;
        for (interval, late, raises) in [
            (MS * 10, us(299), false),
            (MS * 10, us(313), true),
            (MS * 1000, us(31_000), false),
            (MS * 1000, us(31_250), true),
        ] {
            let mut priority = AutoPriority::default();
            let change = priority.change(wait(5, late), &settings(None), || interval);
            assert_eq!(change.is_some(), raises, "{interval:?}, {late:?}");
            let again = priority.change(wait(7, late), &settings(None), || interval);
            assert!(!(raises && again.is_some()), "1 is the limit");
        }
    }

    #[test]
    fn with_the_keyword_each_late_timer_raises_the_priority_to_the_maximum() {
        let mut priority = AutoPriority::default();
        let process = settings(Some(2));
        let mut after = |ms, late| priority.change(wait(ms, MS * late), &process, || MS);
        assert_eq!(after(10, 4), None);
        assert_eq!(after(20, 5), Some(Change::Raise(1)));
        assert_eq!(after(30, 5), Some(Change::Raise(2)));
        assert_eq!(after(40, 5), None);
        for off in [-1, 0] {
            let process = settings(Some(off));
            let change = AutoPriority::default().change(wait(9, MS * 9), &process, || MS);
            assert_eq!(change, None);
        }
    }

    #[test]
    fn a_loop_without_pauses_gives_it_up_for_a_while() {
        let mut priority = AutoPriority::default();
        let process = settings(None);
        let work = |ms| Wait {
            start: at(ms),
            end: at(ms),
            late: MS,
        };
        priority.pause(at(1000));
        assert_eq!(
            priority.change(work(1001), &process, || MS),
            Some(Change::Raise(1))
        );
        assert_eq!(priority.change(work(1100), &process, || MS), None);
        assert_eq!(
            priority.change(work(1101), &process, || MS),
            Some(Change::GiveUp)
        );
        assert_eq!(priority.change(work(9000), &process, || MS), None);
        let later = wait(11_101, MS);
        assert_eq!(
            priority.change(later, &process, || MS),
            Some(Change::Raise(1))
        );
        assert_eq!(priority.change(wait(11_300, MS), &process, || MS), None);
    }
}
