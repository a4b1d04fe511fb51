//! The recent events, for `vrrpd events`. What is worth an event is reported once, by
//! [`Events::report`] or one of the functions that call it, and goes to the log and to a ring: so
//! they cannot say different things.
//!
//! The ring is bounded: an event takes at most 430 bytes (96 of values and 328 of names and text),
//! mostly 120. Nothing is allocated before the first event. When it is full, the kind of which it
//! has the most loses its oldest event, and what others can cause as often as they like, by sending
//! packets, counts four times: no sender can displace the rest.

use core::cell::RefCell;
use core::fmt::{self, Arguments};
use std::collections::VecDeque;
use std::rc::Rc;

use crate::ctl::{self, NAME_MAX, Peer, StateChange, cut};
use crate::engine::Engine;
use crate::log::{self, Level};
use crate::notify::ObjectKind;
use crate::types::{Instant, Priority};

/// Default of `event_history`.
const LIMIT: u16 = 256;
/// Weight of an event that other routers can cause; that of others is 1.
const MINOR_WEIGHT: u32 = 4;
/// Longest text of an event, in bytes.
const TEXT_MAX: usize = 200;

/// The kind of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EventKind {
    Transition,
    Priority,
    /// About the adverts of another router.
    Peer,
    /// A condition that an instance waits for.
    Notice,
    /// A packet of no known instance, or none that is valid.
    Packet,
    /// The kernel refuses something.
    Refused,
    /// It no longer does.
    Recovered,
    /// An object that another program has removed was set again.
    Repair,
    /// An address of another program.
    Foreign,
    Interface,
    Script,
    File,
    Process,
    #[cfg(feature = "lvs")]
    Check,
    #[cfg(feature = "lvs")]
    Server,
    #[cfg(feature = "lvs")]
    Quorum,
    #[cfg(feature = "lvs")]
    Ipvs,
    /// A notify script.
    Notify,
    Fifo,
    Mail,
    Reload,
    Restart,
    Start,
    /// A master before a restart.
    Resume,
    /// It is demoted or drained, or no longer.
    Maintenance,
    Suspended,
    /// Netlink events were lost.
    Resync,
}

/// Number of kinds.
const KINDS: usize = EventKind::Resync as usize + 1;

impl EventKind {
    /// The keyword, and the target of its log lines.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            EventKind::Transition => ("transition", "vrrp"),
            EventKind::Priority => ("priority", "vrrp"),
            EventKind::Peer => ("peer", "vrrp"),
            EventKind::Notice => ("notice", "vrrp"),
            EventKind::Packet => ("packet", "vrrp"),
            EventKind::Refused => ("refused", "netlink"),
            EventKind::Recovered => ("recovered", "netlink"),
            EventKind::Repair => ("repair", "vrrp"),
            EventKind::Foreign => ("foreign", "vrrp"),
            EventKind::Interface => ("interface", "netlink"),
            EventKind::Script => ("script", "script"),
            EventKind::File => ("file", "vrrp"),
            EventKind::Process => ("process", "vrrp"),
            #[cfg(feature = "lvs")]
            EventKind::Check => ("check", "check"),
            #[cfg(feature = "lvs")]
            EventKind::Server => ("server", "check"),
            #[cfg(feature = "lvs")]
            EventKind::Quorum => ("quorum", "check"),
            #[cfg(feature = "lvs")]
            EventKind::Ipvs => ("ipvs", "lvs"),
            EventKind::Notify => ("notify", "script"),
            EventKind::Fifo => ("fifo", "script"),
            EventKind::Mail => ("mail", "mail"),
            EventKind::Reload => ("reload", "config"),
            EventKind::Restart => ("restart", "config"),
            EventKind::Start => ("start", "config"),
            EventKind::Resume => ("resume", "vrrp"),
            EventKind::Maintenance => ("maintenance", "vrrp"),
            EventKind::Suspended => ("suspended", "vrrp"),
            EventKind::Resync => ("resync", "netlink"),
        }
    }

    /// Whether other routers decide how many there are, by sending packets.
    const fn is_of_others(self) -> bool {
        matches!(self, EventKind::Peer | EventKind::Packet)
    }
}

/// The type of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    Daemon,
    Instance,
    Group,
    Interface,
    Script,
    File,
    Process,
    /// Static addresses, routes and rules.
    Static,
    #[cfg(feature = "lvs")]
    VirtualServer,
    #[cfg(feature = "lvs")]
    RealServer,
}

impl Class {
    const fn keyword(self) -> &'static str {
        match self {
            Class::Daemon => "daemon",
            Class::Instance => "instance",
            Class::Group => "group",
            Class::Interface => "interface",
            Class::Script => "script",
            Class::File => "file",
            Class::Process => "process",
            Class::Static => "static",
            #[cfg(feature = "lvs")]
            Class::VirtualServer => "virtual_server",
            #[cfg(feature = "lvs")]
            Class::RealServer => "real_server",
        }
    }
}

/// The object of an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    class: Class,
    name: &'a str,
    /// The virtual server of a real server.
    of: &'a str,
}

impl<'a> Object<'a> {
    pub(crate) const DAEMON: Self = Object::new(Class::Daemon, "");

    const fn new(class: Class, name: &'a str) -> Self {
        let of = "";
        Object { class, name, of }
    }

    pub(crate) const fn instance(name: &'a str) -> Self {
        Object::new(Class::Instance, name)
    }

    pub(crate) const fn group(name: &'a str) -> Self {
        Object::new(Class::Group, name)
    }

    pub(crate) const fn interface(name: &'a str) -> Self {
        Object::new(Class::Interface, name)
    }

    pub(crate) const fn script(name: &'a str) -> Self {
        Object::new(Class::Script, name)
    }

    pub(crate) const fn file(name: &'a str) -> Self {
        Object::new(Class::File, name)
    }

    pub(crate) const fn process(name: &'a str) -> Self {
        Object::new(Class::Process, name)
    }

    /// `keyword`: `static_ipaddress`.
    pub(crate) const fn statics(keyword: &'a str) -> Self {
        Object::new(Class::Static, keyword)
    }

    #[cfg(feature = "lvs")]
    pub(crate) const fn virtual_server(name: &'a str) -> Self {
        Object::new(Class::VirtualServer, name)
    }

    #[cfg(feature = "lvs")]
    pub(crate) const fn real_server(name: &'a str, of: &'a str) -> Self {
        let class = Class::RealServer;
        Object { class, name, of }
    }

    /// An object with notify scripts. `name`: as in [`crate::notify::queue`].
    pub(crate) fn notified(kind: ObjectKind, name: &'a str) -> Self {
        match kind {
            ObjectKind::Instance => Object::instance(name),
            ObjectKind::Group => Object::group(name),
            #[cfg(feature = "lvs")]
            ObjectKind::VirtualServer => Object::virtual_server(name),
            #[cfg(feature = "lvs")]
            ObjectKind::RealServer => {
                let (name, of) = name.split_once(" of ").unwrap_or((name, ""));
                Object::real_server(name, of)
            }
            #[cfg(not(feature = "lvs"))]
            ObjectKind::VirtualServer | ObjectKind::RealServer => Object::DAEMON,
        }
    }

    /// The text around the object's name in a log line; `None`: the text of the event names it.
    fn prefix(&self, kind: EventKind) -> Option<(&'static str, &'static str)> {
        let is_notify = kind == EventKind::Notify;
        if self.class == Class::Instance || is_notify {
            Some(("(", ") "))
        } else if self.class == Class::Group {
            Some(("VRRP_Group(", ") "))
        } else {
            (self.class == Class::Static).then_some(("", ": "))
        }
    }
}

/// The values of an event beside its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// `None`: it is not logged, because the log has had too many such lines, or another one.
    pub(crate) level: Option<Level>,
    pub(crate) kind: EventKind,
    /// Others can cause as many as they like.
    pub(crate) is_minor: bool,
    pub(crate) object: Object<'a>,
    /// keepalived's phrase: the log has it before the text.
    pub(crate) phrase: &'static str,
    pub(crate) change: Option<StateChange>,
    pub(crate) reason: &'static str,
    pub(crate) peer: Option<Peer>,
    /// Effective priority of the instance.
    pub(crate) priority: Option<Priority>,
}

impl<'a> Report<'a> {
    pub(crate) const fn new(level: Level, kind: EventKind, object: Object<'a>) -> Self {
        Report {
            level: Some(level),
            kind,
            is_minor: kind.is_of_others(),
            object,
            phrase: "",
            change: None,
            reason: "",
            peer: None,
            priority: None,
        }
    }
}

/// An event in the ring. Its texts are one allocation: name, virtual server, text.
#[derive(Debug)]
struct Entry {
    number: u64,
    at: Instant,
    kind: EventKind,
    class: Class,
    is_minor: bool,
    is_prefixed: bool,
    name_len: u8,
    of_len: u8,
    change: Option<StateChange>,
    peer: Option<Peer>,
    priority: Option<Priority>,
    reason: &'static str,
    text: Box<str>,
}

impl Entry {
    fn new(now: Instant, report: &Report<'_>, text: &str) -> Self {
        let object = &report.object;
        let (name, of) = (cut(object.name, NAME_MAX), cut(object.of, NAME_MAX));
        let len = |text: &str| u8::try_from(text.len()).unwrap_or(0);
        Entry {
            number: 0,
            at: now,
            kind: report.kind,
            class: object.class,
            is_minor: report.is_minor,
            is_prefixed: object.prefix(report.kind).is_some(),
            name_len: len(name),
            of_len: len(of),
            change: report.change,
            peer: report.peer,
            priority: report.priority,
            reason: report.reason,
            text: [name, of, cut(text, TEXT_MAX)].concat().into(),
        }
    }

    fn bucket(&self) -> usize {
        self.kind as usize * 2 + usize::from(self.is_minor)
    }

    fn event(&self) -> ctl::Event<'_> {
        let (name, rest) = split(&self.text, self.name_len);
        let (of, text) = split(rest, self.of_len);
        ctl::Event {
            number: self.number,
            at: self.at,
            kind: self.kind.words().0,
            object: self.class.keyword(),
            name,
            of,
            is_prefixed: self.is_prefixed,
            change: self.change,
            reason: self.reason,
            peer: self.peer,
            priority: self.priority,
            text,
        }
    }
}

fn split(text: &str, len: u8) -> (&str, &str) {
    text.split_at_checked(len.into()).unwrap_or_default()
}

#[derive(Debug, Default)]
struct Ring {
    entries: VecDeque<Entry>,
    /// `event_history`.
    limit: usize,
    /// Number of the last event.
    last: u64,
}

impl Ring {
    fn push(&mut self, mut entry: Entry) {
        self.last = self.last.saturating_add(1);
        entry.number = self.last;
        if self.limit == 0 {
            return;
        }
        if self.entries.len() >= self.limit {
            let at = self.least_needed(&entry);
            self.entries.remove(at);
        }
        self.entries.push_back(entry);
    }

    /// The oldest event of the kind that takes the most of the ring, with a new one.
    fn least_needed(&self, new: &Entry) -> usize {
        let mut weights = [0_u32; 2 * KINDS];
        let all = self.entries.iter().chain([new]);
        for entry in all {
            if let Some(weight) = weights.get_mut(entry.bucket()) {
                *weight = weight.saturating_add(if entry.is_minor { MINOR_WEIGHT } else { 1 });
            }
        }
        let heaviest = weights
            .iter()
            .enumerate()
            .max_by_key(|(_, weight)| **weight);
        let heaviest = heaviest.map(|(bucket, _)| bucket);
        let oldest = |entry: &Entry| Some(entry.bucket()) == heaviest;
        self.entries.iter().position(oldest).unwrap_or(0)
    }

    /// Removes the oldest events until there are no more than `len`.
    fn shrink(&mut self, len: usize) {
        let surplus = self.entries.len().saturating_sub(len);
        self.entries.drain(..surplus);
    }
}

/// The recent events; a handle that can be copied.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Rc<RefCell<Ring>>);

impl Events {
    /// `limit`: `event_history`.
    pub(crate) fn new(limit: Option<u16>) -> Self {
        let events = Events::default();
        events.set_limit(limit);
        events
    }

    /// Changes how many events are kept.
    pub(crate) fn set_limit(&self, limit: Option<u16>) {
        let limit = limit.unwrap_or(LIMIT).into();
        if let Ok(mut ring) = self.0.try_borrow_mut() {
            ring.limit = limit;
            ring.shrink(limit);
        }
    }

    /// Reports an event: to the log, and to the ring.
    #[inline(never)]
    pub(crate) fn report(&self, now: Instant, report: &Report<'_>, text: Arguments<'_>) {
        let text = &*text.to_string();
        if let Some(level) = report.level {
            let (_, target) = report.kind.words();
            log::write(level, target, format_args!("{}", Line { report, text }));
        }
        // Nothing reports while the ring is read.
        if let Ok(mut ring) = self.0.try_borrow_mut() {
            ring.push(Entry::new(now, report, text));
        }
    }

    /// Reports an event that has only these values.
    #[inline(never)]
    pub(crate) fn note(
        &self,
        now: Instant,
        level: Level,
        kind: EventKind,
        object: Object<'_>,
        text: Arguments<'_>,
    ) {
        self.report(now, &Report::new(level, kind, object), text);
    }
}

/// A line of the log.
struct Line<'a> {
    report: &'a Report<'a>,
    text: &'a str,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report {
            object,
            kind,
            phrase,
            ..
        } = self.report;
        if let Some((open, close)) = object.prefix(*kind) {
            let of = if object.of.is_empty() { "" } else { " of " };
            write!(f, "{open}{}{of}{}{close}", object.name, object.of)?;
        }
        let colon = if phrase.is_empty() || self.text.is_empty() {
            ""
        } else {
            ": "
        };
        write!(f, "{phrase}{colon}{}", self.text)
    }
}

/// An event that happens to the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProcessEvent {
    /// It starts, which is logged before there is an engine.
    Started,
    /// A reload was applied, or is postponed.
    Reload,
    /// A reload was refused.
    ReloadRefused,
    /// A restart in place is prepared.
    Restart,
    /// A restart was refused.
    RestartRefused,
    /// Netlink events were lost.
    EventsLost,
}

impl Engine {
    /// Calls `visit` with each event after the one with the number `after`, oldest first, until it
    /// returns false.
    pub fn visit_events(&self, after: u64, visit: &mut dyn FnMut(&ctl::Event<'_>) -> bool) {
        if let Ok(ring) = self.shared.events.0.try_borrow() {
            let first = ring.entries.partition_point(|one| one.number <= after);
            let mut newer = ring.entries.iter().skip(first);
            while newer.next().is_some_and(|entry| visit(&entry.event())) {}
        }
    }

    /// Number of the last event; 0: there was none.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.shared
            .events
            .0
            .try_borrow()
            .map_or(0, |ring| ring.last)
    }

    /// Reports what happens to the process.
    pub fn report(&self, now: Instant, what: ProcessEvent, text: Arguments<'_>) {
        let (level, kind) = match what {
            ProcessEvent::Started => (None, EventKind::Start),
            ProcessEvent::Reload => (Some(Level::Info), EventKind::Reload),
            ProcessEvent::ReloadRefused => (Some(Level::Error), EventKind::Reload),
            ProcessEvent::Restart => (Some(Level::Info), EventKind::Restart),
            ProcessEvent::RestartRefused => (Some(Level::Error), EventKind::Restart),
            ProcessEvent::EventsLost => (Some(Level::Info), EventKind::Resync),
        };
        let report = Report {
            level,
            ..Report::new(Level::Info, kind, Object::DAEMON)
        };
        self.shared.events.report(now, &report, text);
    }
}

#[cfg(test)]
mod tests;
