//! The senders of adverts: counts and intervals of each sender, and masters at the same time.

use core::fmt::Write as _;
use core::net::IpAddr;
use core::time::Duration;

use super::frame::Seen;
use crate::types::Priority;

/// Senders that are remembered; the adverts of further ones are only counted.
const SENDERS: usize = 1024;
/// After so many changes from one sender to another within a virtual router, each within three
/// intervals, they are masters at once. A takeover causes one change, two if adverts cross.
const CHANGES: u32 = 3;

/// A virtual router on an interface.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Key {
    interface: String,
    vlan: Option<u16>,
    vrid: u8,
    is_v6: bool,
}

#[derive(Debug)]
struct Sender {
    key: Key,
    from: IpAddr,
    priority: u8,
    count: u64,
    discarded: u64,
    /// When its last advert came.
    last: Duration,
    /// Sum, smallest and largest of the intervals between adverts that do not resign.
    intervals: u32,
    sum: Duration,
    min: Duration,
    max: Duration,
    /// Changes to this sender while another one was master.
    changes: u32,
    /// Its last line, and how often it was repeated since.
    line: String,
    repeated: u64,
}

/// All senders so far.
#[derive(Debug, Default)]
pub struct Summary {
    senders: Vec<Sender>,
    total: u64,
    others: u64,
}

impl Summary {
    /// Adverts so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Adds an advert with its line. Returns how often the sender's last line was repeated, if this
    /// one is another; `None`: it is the same again.
    pub fn add(&mut self, seen: &Seen<'_>, line: &str) -> Option<u64> {
        self.total = self.total.saturating_add(1);
        let message = seen.message.as_ref();
        let key = Key {
            interface: seen.frame.interface.to_owned(),
            vlan: seen.vlan,
            vrid: message.map_or(0, |message| message.vrid),
            is_v6: seen.net.src.is_ipv6(),
        };
        let (from, at) = (seen.net.src, seen.frame.at);
        let Some(nth) = self.sender(&key, from) else {
            self.others = self.others.saturating_add(1);
            return Some(0);
        };
        let priority = message.map_or(0, |message| message.priority);
        let valid = !seen.is_discarded();
        if valid && priority != Priority::RESIGN.0 {
            let limit = message.and_then(|message| message.interval);
            let limit = limit.map_or(Duration::ZERO, |limit| limit.duration().saturating_mul(3));
            self.note_rival(nth, at, limit);
        }
        let sender = self.senders.get_mut(nth)?;
        if !valid {
            sender.discarded = sender.discarded.saturating_add(1);
        }
        let resigned = sender.priority == Priority::RESIGN.0;
        if sender.count > 0 && !resigned && priority != Priority::RESIGN.0 {
            let interval = at.saturating_sub(sender.last);
            sender.intervals = sender.intervals.saturating_add(1);
            sender.sum = sender.sum.saturating_add(interval);
            sender.min = sender.min.min(interval);
            sender.max = sender.max.max(interval);
        }
        sender.count = sender.count.saturating_add(1);
        sender.last = at;
        sender.priority = priority;
        if sender.line == line {
            sender.repeated = sender.repeated.saturating_add(1);
            return None;
        }
        line.clone_into(&mut sender.line);
        Some(core::mem::take(&mut sender.repeated))
    }

    /// The sender's position, which may be new; `None` if the table is full.
    fn sender(&mut self, key: &Key, from: IpAddr) -> Option<usize> {
        let same = |sender: &Sender| sender.from == from && sender.key == *key;
        if let Some(nth) = self.senders.iter().position(same) {
            return Some(nth);
        }
        if self.senders.len() >= SENDERS {
            return None;
        }
        self.senders.push(Sender {
            key: key.clone(),
            from,
            priority: 0,
            count: 0,
            discarded: 0,
            last: Duration::ZERO,
            intervals: 0,
            sum: Duration::ZERO,
            min: Duration::MAX,
            max: Duration::ZERO,
            changes: 0,
            line: String::new(),
            repeated: 0,
        });
        self.senders.len().checked_sub(1)
    }

    /// Counts a change to this sender if the last advert of its virtual router, not long ago, was of
    /// another one that has not resigned.
    fn note_rival(&mut self, nth: usize, at: Duration, limit: Duration) {
        let Some(own) = self.senders.get(nth) else {
            return;
        };
        let own_last = own.last;
        let rivals = self.senders.iter().filter(|other| {
            other.key == own.key && other.from != own.from && other.priority != Priority::RESIGN.0
        });
        let newest = rivals.map(|other| other.last).max();
        let is_change =
            newest.is_some_and(|newest| newest > own_last && at.saturating_sub(newest) <= limit);
        if is_change && let Some(own) = self.senders.get_mut(nth) {
            own.changes = own.changes.saturating_add(1);
        }
    }

    /// The summary. `dropped`: packets that the kernel has dropped, because they were not read in
    /// time.
    #[must_use]
    pub fn text(&self, dropped: u64) -> String {
        let mut out = String::new();
        let total = self.total;
        let s = if total == 1 { "" } else { "s" };
        let _ = writeln!(out, "{total} advert{s}");
        let mut order: Vec<&Sender> = self.senders.iter().collect();
        order.sort_by(|one, other| (&one.key, one.from).cmp(&(&other.key, other.from)));
        for sender in &order {
            sender.describe(&mut out);
        }
        let mut last = None;
        for sender in &order {
            if last == Some(&sender.key) {
                continue;
            }
            last = Some(&sender.key);
            let same = order.iter().filter(|other| other.key == sender.key);
            let masters: Vec<String> = same
                .clone()
                .filter(|other| other.changes > 0 || other.count > other.discarded)
                .map(|other| format!("{} (priority {})", other.from, other.priority))
                .collect();
            let changes = same.fold(0_u32, |sum, other| sum.saturating_add(other.changes));
            if changes >= CHANGES {
                let _ = writeln!(
                    out,
                    "{} two masters at once: {}",
                    sender.key,
                    masters.join(", ")
                );
            }
        }
        if self.others > 0 {
            let _ = writeln!(out, "{} adverts of more senders", self.others);
        }
        if dropped > 0 {
            let _ = writeln!(
                out,
                "{dropped} packets were lost: they were not read in time"
            );
        }
        out
    }
}

impl Sender {
    fn describe(&self, out: &mut String) {
        let _ = write!(
            out,
            "{} {}: {} advert{}, priority {}",
            self.key,
            self.from,
            self.count,
            if self.count == 1 { "" } else { "s" },
            self.priority
        );
        if let Some(mean) = self.sum.checked_div(self.intervals) {
            let ms = |time: Duration| time.as_millis();
            let _ = write!(
                out,
                ", every {} ms ({} to {})",
                ms(mean),
                ms(self.min),
                ms(self.max)
            );
        }
        if self.discarded > 0 {
            let _ = write!(out, ", {} invalid", self.discarded);
        }
        out.push('\n');
    }
}

impl core::fmt::Display for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if !self.interface.is_empty() {
            write!(f, "{} ", self.interface)?;
        }
        if let Some(vlan) = self.vlan {
            write!(f, "vlan {vlan} ")?;
        }
        write!(f, "vrid {}", self.vrid)
    }
}
