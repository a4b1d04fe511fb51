//! Recent events, one line each, as text or JSON.

use core::fmt::{self, Write};
use core::net::IpAddr;

use super::Clock;
#[cfg(feature = "json")]
use super::json_writer::Json;
use super::lines::Escaped;
use crate::types::{Instant, Priority, VrrpState};

/// Longest name of an object in an event, in bytes; a longer one is cut.
pub const NAME_MAX: usize = 64;

/// Something that has happened: what the log says of it, and the values in that.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// Its number. Numbers grow, and none is used twice while the process runs.
    pub number: u64,
    /// When it happened.
    pub at: Instant,
    /// Its kind, as a keyword: `transition`, `priority`, `peer`, `repair`.
    pub kind: &'static str,
    /// The type of its object, as a keyword: `instance`, `group`, `script`.
    pub object: &'static str,
    /// The name of its object; empty: the daemon.
    pub name: &'a str,
    /// The virtual server of a real server.
    pub of: &'a str,
    /// The text does not name the object.
    pub is_prefixed: bool,
    /// The change of state.
    pub change: Option<StateChange>,
    /// The reason as a keyword, or empty.
    pub reason: &'static str,
    /// The master, or the sender of an advert.
    pub peer: Option<Peer>,
    /// The effective priority of the instance.
    pub priority: Option<Priority>,
    /// A sentence about it.
    pub text: &'a str,
}

/// The states before and after a transition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StateChange {
    /// Before.
    pub from: VrrpState,
    /// After.
    pub to: VrrpState,
}

/// Another router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Its priority, if that is known.
    pub priority: Option<Priority>,
}

impl Event<'_> {
    /// Whether it is about the object of this name.
    #[must_use]
    pub fn is_about(&self, name: &str) -> bool {
        [self.name, self.of].contains(&cut(name, NAME_MAX))
    }

    /// Appends it as a line: `2026-11-29 16:46:38.123 VI_1 BACKUP → MASTER: no advert from …`.
    pub fn write_line(&self, clock: &Clock, out: &mut String) {
        // Writing to memory cannot fail.
        let _ = writeln!(out, "{} {self}", clock.at(self.at).date());
    }

    /// Appends it as a JSON object in a line of its own.
    #[cfg(feature = "json")]
    pub fn write_json(&self, clock: &Clock, out: &mut String) {
        let mut json = Json::default();
        core::mem::swap(&mut json.text, out);
        json.object(|json| {
            json.number("number", &self.number);
            json.number("time", &clock.at(self.at).epoch());
            let Event { name, of, text, .. } = self;
            for (key, value) in [
                ("kind", self.kind),
                ("object", self.object),
                ("name", name),
                ("virtual_server", of),
                ("reason", self.reason),
                ("text", text),
            ] {
                if !value.is_empty() {
                    json.string(key, &value);
                }
            }
            if let Some(StateChange { from, to }) = self.change {
                json.string("from", &from);
                json.string("to", &to);
            }
            if let Some(priority) = self.priority {
                json.number("priority", &priority);
            }
            if let Some(peer) = self.peer {
                json.string("peer", &peer.addr);
                if let Some(priority) = peer.priority {
                    json.number("peer_priority", &priority);
                }
            }
        });
        core::mem::swap(&mut json.text, out);
        out.push('\n');
    }
}

impl fmt::Display for Event<'_> {
    /// Object, change and text; without the time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_prefixed {
            return Escaped(self.text).fmt(f);
        }
        Escaped(self.name).fmt(f)?;
        if !self.of.is_empty() {
            write!(f, " of {}", Escaped(self.of))?;
        }
        if let Some(StateChange { from, to }) = self.change {
            write!(f, " {from} → {to}")?;
        }
        if self.text.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", Escaped(self.text))
    }
}

/// The beginning of a text: at most `max` bytes, and only complete characters.
#[must_use]
pub fn cut(text: &str, max: usize) -> &str {
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, max, want) in [
            ("", 0, ""),
            ("abc", 5, "abc"),
            ("abc", 2, "ab"),
            ("a→b", 3, "a"),
            ("a→b", 4, "a→"),
            ("→", 0, ""),
        ] {
            assert_eq!(cut(text, max), want, "{text} {max}");
        }
    }
}
