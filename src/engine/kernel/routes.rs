//! A set of routes and policy rules that are installed or removed together, and their state in the
//! kernel.
//!
//! One set per instance and one for `static_routes` and `static_rules`; the counterpart of
//! [`crate::engine::kernel::addresses`], with two differences. Routing tables may be too large to
//! be dumped (a BGP router), so they are not read: a request for a route that exists changes
//! nothing. And the kernel sends no event when IPv4 routes disappear because their interface goes
//! down or their source address is removed, so after such an event all wanted routes are requested
//! again. It does send events about external deletions.
//!
//! Routes are installed before rules, and removed after them: a rule must not refer to an empty
//! table.

use core::time::Duration;

use crate::config::model::{Route, Rule};
use crate::engine::cx::Cx;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::backoff::Backoff;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::route_item::Item;
use crate::engine::system::error_text;
use crate::netlink::{Ack, Batch, Message};
use crate::types::errno::{EAFNOSUPPORT, EEXIST, ENOENT, EOPNOTSUPP, ESRCH};
use crate::types::{IfName, Instant};

/// Requests per `sendmsg`: the receive buffer of the socket holds as many refusals.
const CHUNK: usize = 64;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// State of a route or rule in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RouteState {
    /// Not installed, as far as known.
    Absent,
    Installed,
    /// Deleted externally.
    Removed,
    /// Refused by the kernel.
    Refused,
}

/// A route or rule of a set.
#[derive(Debug)]
struct Slot {
    item: Item,
    state: RouteState,
}

/// Which routes and rules of a set must be requested again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Recheck {
    Nothing,
    /// Those that are not installed, as far as known.
    Missing,
    All,
}

/// Result of an attempt to install.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Reinstalled after an external removal.
    pub(crate) restored: usize,
    pub(crate) first_restored: Option<String>,
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<String>,
    /// Whether the number of refusals differs from the one reported last.
    pub(crate) report: bool,
}

/// The routes and rules of an instance, or the static ones.
#[derive(Debug)]
pub(crate) struct RouteSet {
    /// Routes first.
    slots: Vec<Slot>,
    wanted: bool,
    recheck: Recheck,
    refused: usize,
    backoff: Backoff,
}

impl RouteSet {
    pub(crate) fn new(routes: Vec<Route>, rules: Vec<Rule>) -> Self {
        RouteSet {
            slots: slots(routes, rules),
            wanted: false,
            recheck: Recheck::Nothing,
            refused: 0,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LAST),
        }
    }

    /// Every route and its state.
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&Route, RouteState)> {
        self.states(|item| match item {
            Item::Route(route) => Some(route),
            Item::Rule(_) => None,
        })
    }

    /// Every rule and its state.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Rule, RouteState)> {
        self.states(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Route(_) => None,
        })
    }

    fn states<'a, T: 'a>(
        &'a self,
        select: impl Fn(&'a Item) -> Option<&'a T>,
    ) -> impl Iterator<Item = (&'a T, RouteState)> {
        let selected = move |slot: &'a Slot| Some((select(&slot.item)?, slot.state));
        self.slots.iter().filter_map(selected)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// When refused routes and rules are retried.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.backoff.retry_at().filter(|_| self.wanted)
    }

    /// The interfaces that tracked routes and rules depend on.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = &IfName> {
        let slots = self.slots.iter().filter(|slot| !slot.item.no_track());
        slots.flat_map(|slot| slot.item.devs())
    }

    /// Whether a route or rule with this `track_group` is missing, or its interface is down.
    pub(crate) fn lacks(&self, group: usize, links: &Interfaces) -> bool {
        let mut tagged = self
            .slots
            .iter()
            .filter(|slot| slot.item.track_group() == Some(group));
        let up = |dev: &IfName| links.by_name(dev).is_some_and(Interface::is_up);
        // An externally deleted one is reinstalled in a moment.
        let installed =
            |slot: &Slot| matches!(slot.state, RouteState::Installed | RouteState::Removed);
        tagged.any(|slot| !installed(slot) || !slot.item.devs().all(up))
    }

    // ---- what to check ----

    /// Any of them may be missing.
    pub(crate) fn recheck_all(&mut self) {
        self.schedule_recheck(Recheck::All);
    }

    /// What was refused may be accepted now.
    pub(crate) fn retry_refused(&mut self) {
        if self.refused > 0 {
            self.schedule_recheck(Recheck::Missing);
        }
    }

    fn schedule_recheck(&mut self, recheck: Recheck) {
        if self.wanted {
            self.recheck = self.recheck.max(recheck);
        }
    }

    /// Handles the event of a deletion.
    pub(crate) fn deleted(&mut self, message: &Message<'_>) {
        if !self.wanted {
            return;
        }
        for slot in &mut self.slots {
            if slot.state == RouteState::Installed && !slot.item.no_track() && slot.item.is(message)
            {
                slot.state = RouteState::Removed;
                self.recheck = self.recheck.max(Recheck::Missing);
            }
        }
    }

    pub(crate) fn needs_recheck(&self) -> bool {
        self.recheck != Recheck::Nothing
    }

    // ---- installing and removing ----

    /// Removes what a killed process has left: routes and rules as configured, with our protocol
    /// number. Returns their number.
    pub(crate) fn remove_leftovers(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> usize {
        let count = delete(cx, &self.slots, links, |_| true);
        self.set_all(RouteState::Absent);
        count
    }

    /// Treats all as installed, to be removed with [`RouteSet::withdraw`].
    pub(crate) fn adopt(&mut self) {
        self.set_all(RouteState::Installed);
    }

    fn set_all(&mut self, state: RouteState) {
        for slot in &mut self.slots {
            slot.state = state;
        }
    }

    /// Installs them and keeps them installed until [`RouteSet::withdraw`].
    pub(crate) fn install(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        self.wanted = true;
        self.refused = 0;
        self.backoff.reset();
        self.recheck = Recheck::All;
        self.reconcile(cx, links)
    }

    /// Requests the wanted routes and rules that may be missing.
    pub(crate) fn reconcile(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        let mut outcome = Outcome::default();
        let recheck = core::mem::replace(&mut self.recheck, Recheck::Nothing);
        self.backoff.take_due(cx.now);
        if !self.wanted || self.slots.is_empty() {
            self.backoff.cancel();
            return outcome;
        }
        let mut batch = Batch::new(1);
        let mut burst = Burst::default();
        for (nth, slot) in self.slots.iter().enumerate() {
            if slot.state == RouteState::Installed && recheck != Recheck::All {
                continue;
            }
            if let Some(why) = slot.item.unsupported(cx) {
                let text = || format!("{}: {why}", slot.item);
                outcome.first_refused.get_or_insert_with(text);
                burst.answers.push((nth, RouteState::Refused));
                continue;
            }
            burst.add(nth, &slot.item, links, &mut batch);
            if burst.is_full() {
                burst.send(cx, &mut batch, &mut outcome, &self.slots);
            }
        }
        burst.send(cx, &mut batch, &mut outcome, &self.slots);
        for (nth, state) in burst.answers {
            if let Some(slot) = self.slots.get_mut(nth) {
                slot.state = state;
            }
        }
        let refused = self
            .slots
            .iter()
            .filter(|slot| slot.state == RouteState::Refused);
        outcome.refused = refused.count();
        outcome.report = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            self.backoff.fail(cx.now);
        } else {
            self.backoff.cancel();
        }
        outcome
    }

    /// Removes them.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.wanted = false;
        self.recheck = Recheck::Nothing;
        self.backoff.cancel();
        delete(cx, &self.slots, links, |slot| {
            slot.state != RouteState::Absent
        });
        self.set_all(RouteState::Absent);
    }

    /// Takes the routes and rules of a new configuration. Those in both stay untouched, those no
    /// longer configured are removed; new ones are installed by the next [`RouteSet::reconcile`].
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        routes: Vec<Route>,
        rules: Vec<Rule>,
        links: &Interfaces,
    ) {
        let new = slots(routes, rules);
        let mut gone = core::mem::replace(&mut self.slots, new);
        // In an unchanged configuration it is the last one of the reversed list.
        gone.reverse();
        for slot in &mut self.slots {
            let same = |old: &Slot| old.item == slot.item;
            if let Some(at) = gone.iter().rposition(same) {
                slot.state = gone.remove(at).state;
            }
        }
        gone.reverse();
        delete(cx, &gone, links, |old| old.state != RouteState::Absent);
        self.schedule_recheck(Recheck::Missing);
    }
}

/// Deletes those that `which` selects, last ones first. Refusals are ignored: mostly it is gone
/// already, with its interface or its source address. Returns how many were deleted.
fn delete(
    cx: &mut Cx<'_>,
    slots: &[Slot],
    links: &Interfaces,
    which: impl Fn(&Slot) -> bool,
) -> usize {
    let mut batch = Batch::new(1);
    let mut done = 0_usize;
    for slot in slots.iter().rev().filter(|slot| which(slot)) {
        // An old kernel would misread the request and might delete a route of another program.
        if slot.item.unsupported(cx).is_none() {
            slot.item.delete(links, &mut batch);
        }
        if batch.count() == CHUNK {
            done = done.saturating_add(flush(cx, &mut batch));
        }
    }
    done.saturating_add(flush(cx, &mut batch))
}

fn slots(routes: Vec<Route>, rules: Vec<Rule>) -> Vec<Slot> {
    let routes = routes.into_iter().map(Item::Route);
    let items = routes.chain(rules.into_iter().map(Item::Rule));
    let state = RouteState::Absent;
    items.map(|item| Slot { item, state }).collect()
}

/// Sends deletions. Returns how many were carried out.
fn flush(cx: &mut Cx<'_>, batch: &mut Batch) -> usize {
    let mut done = batch.count();
    if done > 0 {
        let sent = cx.system.request(batch, &mut |ack| {
            done = done.saturating_sub(1);
            if !matches!(ack.errno, ENOENT | ESRCH) {
                log::debug!(target: "netlink", "route or rule not removed: {}", reason(ack));
            }
        });
        if let Err(error) = sent {
            done = 0;
            log::error!(target: "netlink", "routes and rules not removed: {}", error_text(&error));
        }
    }
    batch.clear();
    done
}

/// Advice for a kernel without policy rules, or without those of a family.
fn hint(item: &Item, ack: &Ack<'_>) -> &'static str {
    let none = EOPNOTSUPP.contains(&ack.errno) || EAFNOSUPPORT.contains(&ack.errno);
    match item {
        Item::Rule(_) if none => " (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)",
        Item::Rule(_) | Item::Route(_) => "",
    }
}

// ---- a batch of requests ----

/// Position in the batch and error number of refused requests.
type Refusals = heapless::Vec<(usize, i32), CHUNK>;

/// The routes and rules requested in a batch, by their position in the set. A route may take
/// several requests.
#[derive(Default)]
struct Burst {
    slots: heapless::Vec<usize, CHUNK>,
    /// Sequence number of the first request.
    first_seq: u32,
    /// New states, also from earlier batches.
    answers: Vec<(usize, RouteState)>,
}

impl Burst {
    fn add(&mut self, nth: usize, item: &Item, links: &Interfaces, batch: &mut Batch) {
        let (before, first_seq) = (batch.count(), batch.next_seq());
        item.add(links, batch);
        if before == 0 {
            self.first_seq = first_seq;
        }
        for _ in before..batch.count() {
            let _ = self.slots.push(nth);
        }
    }

    /// Whether the next route may not fit.
    fn is_full(&self) -> bool {
        self.slots.len() > CHUNK.saturating_sub(Route::MAX_HOPS)
    }

    /// Sends the batch and records the answers.
    fn send(&mut self, cx: &mut Cx<'_>, batch: &mut Batch, outcome: &mut Outcome, slots: &[Slot]) {
        if self.slots.is_empty() {
            return;
        }
        let mut refusals = Refusals::new();
        let sent = cx.system.request(batch, &mut |ack: &Ack<'_>| {
            let nth = usize::try_from(ack.seq.wrapping_sub(self.first_seq)).unwrap_or(usize::MAX);
            // There are at most as many refusals as requests.
            let _ = refusals.push((nth, ack.errno));
            if ack.errno != EEXIST && outcome.first_refused.is_none() {
                let slot = self.slots.get(nth).and_then(|nth| slots.get(*nth));
                let text = |slot: &Slot| {
                    format!("{}: {}{}", slot.item, reason(ack), hint(&slot.item, ack))
                };
                outcome.first_refused = slot.map(text);
            }
        });
        if let Err(error) = sent {
            let text = || error_text(&error);
            outcome.first_refused.get_or_insert_with(text);
            refusals.clear();
            refusals.extend((0..self.slots.len()).map(|nth| (nth, 0)));
        }
        self.record_answers(&refusals, outcome, slots);
        batch.clear();
        self.slots.clear();
    }

    /// Derives the states of the requested routes and rules.
    fn record_answers(&mut self, refusals: &Refusals, outcome: &mut Outcome, slots: &[Slot]) {
        for (at, &nth) in self.slots.iter().enumerate() {
            let refusal = refusals.iter().find(|(which, _)| *which == at);
            let state = match refusal {
                Some((_, EEXIST)) | None => RouteState::Installed,
                Some(_) => RouteState::Refused,
            };
            match self.answers.last_mut() {
                // If one next hop is refused the whole route is, so that it is retried.
                Some((last, so_far)) if *last == nth => {
                    if state == RouteState::Refused {
                        *so_far = state;
                    }
                }
                Some(_) | None => self.answers.push((nth, state)),
            }
            if let Some(slot) = slots.get(nth)
                && refusal.is_none()
                && matches!(slot.state, RouteState::Installed | RouteState::Removed)
            {
                outcome.restored = outcome.restored.saturating_add(1);
                let text = || slot.item.to_string();
                outcome.first_restored.get_or_insert_with(text);
            }
        }
    }
}
