//! The answer to `vrrpd events`: the events of the ring, and with `--follow` those to come.

use crate::ctl::request::{Flag, Request};
use crate::ctl::{Clock, Event, Style};
use crate::engine::Engine;

/// Events in one piece of an answer.
const PAGE: u32 = 16;

/// The position of a client in the ring of events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reader {
    /// Number of the last event it has.
    after: u64,
    /// Events before those that it wants.
    skip: usize,
    /// It waits for those to come.
    follow: bool,
    /// It has had all events since it came.
    is_current: bool,
}

impl Reader {
    /// One that begins with the last events, as many as are asked for.
    ///
    /// # Errors
    /// There are no events to show.
    pub(super) fn new(engine: &Engine, request: &Request) -> Result<Self, String> {
        if engine.global().event_history == Some(0) {
            return Err("no events are kept: `event_history` is 0".into());
        }
        let style = request.style();
        let mut count = 0_usize;
        engine.visit_events(0, &mut |event| {
            count = count.saturating_add(usize::from(concerns(event, &style)));
            true
        });
        let wanted = request
            .count()
            .map(|wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
        Ok(Reader {
            after: 0,
            skip: wanted.map_or(0, |wanted| count.saturating_sub(wanted)),
            follow: request.has(Flag::Follow),
            is_current: false,
        })
    }

    /// Whether there is something to do, given the number of the last event.
    pub(super) fn has_more(&self, last: u64) -> bool {
        !self.is_current || self.after < last
    }

    /// Whether it waits for events to come.
    pub(super) fn follows(&self) -> bool {
        self.follow
    }

    /// Whether it has had everything.
    pub(super) fn is_complete(&self) -> bool {
        self.is_current && !self.follow
    }

    /// Appends the next events to `out`. Returns how many it should have had, but which are no longer
    /// kept.
    pub(super) fn advance(
        &mut self,
        engine: &Engine,
        clock: &Clock,
        style: &Style,
        out: &mut String,
    ) -> u64 {
        let (mut left, mut lost) = (PAGE, 0_u64);
        engine.visit_events(self.after, &mut |event| {
            let gap = event.number.saturating_sub(self.after).saturating_sub(1);
            if self.is_current {
                lost = lost.saturating_add(gap);
            }
            self.after = event.number;
            if !concerns(event, style) {
                return true;
            }
            if self.skip > 0 {
                self.skip = self.skip.saturating_sub(1);
                return true;
            }
            write(event, clock, style, out);
            left = left.saturating_sub(1);
            left > 0
        });
        if left > 0 {
            self.after = engine.last_event();
            self.is_current = true;
        }
        lost
    }
}

fn write(event: &Event<'_>, clock: &Clock, style: &Style, out: &mut String) {
    #[cfg(feature = "json")]
    if style.json {
        return event.write_json(clock, out);
    }
    let _ = style;
    event.write_line(clock, out);
}

/// Whether an event is about an object that is asked for.
fn concerns(event: &Event<'_>, style: &Style) -> bool {
    style.names.is_empty() || style.names.iter().any(|name| event.is_about(name))
}

impl Engine {
    /// Whether there is an event about an object of this name: it may no longer be configured.
    pub(super) fn has_events_about(&self, name: &str) -> bool {
        let mut found = false;
        self.visit_events(0, &mut |event| {
            found = event.is_about(name);
            !found
        });
        found
    }
}
