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

use crate::config::model::{Route, Rule};
use crate::engine::cx::Cx;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::backoff::Backoff;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::repair_limit::RepairLimit;
use crate::engine::kernel::route_item::Item;
use crate::engine::kernel::route_pass::Pass;
use crate::engine::system::error_text;
use crate::log;
use crate::netlink::{Batch, Message};
use crate::types::errno::{ENOENT, ESRCH};
use crate::types::{IfName, Instant, Rare, Usual};

/// Requests per `sendmsg`: the receive buffer of the socket holds as many refusals.
pub(super) const CHUNK: usize = 64;
const RETRY_FIRST: u32 = 1_000;
const RETRY_LAST: u32 = 30_000;

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
pub(super) struct Slot {
    pub(super) item: Item,
    pub(super) state: RouteState,
}

/// Which routes and rules of a set must be requested again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Recheck {
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
    /// Number of this repair in its row.
    pub(crate) repairs: u32,
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<String>,
    /// Whether the number of refusals differs from the one reported last.
    pub(crate) report: bool,
}

/// The routes and rules of an instance, or the static ones.
#[derive(Debug)]
pub(crate) struct RouteSet {
    /// Routes first.
    pub(super) slots: Vec<Slot>,
    pub(super) wanted: bool,
    pub(super) recheck: Recheck,
    pub(super) refused: usize,
    pub(super) backoff: Backoff,
    pub(crate) repairs: RepairLimit,
    /// The pass in progress.
    pub(super) pass: Option<Box<Pass>>,
}

impl Usual for RouteSet {
    const USUAL: &'static Self = &RouteSet::none();
}

impl RouteSet {
    const fn none() -> Self {
        RouteSet {
            slots: Vec::new(),
            wanted: false,
            recheck: Recheck::Nothing,
            refused: 0,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LAST),
            repairs: RepairLimit::new(),
            pass: None,
        }
    }

    pub(crate) fn new(routes: Vec<Route>, rules: Vec<Rule>) -> Self {
        RouteSet {
            slots: slots(routes, rules),
            ..RouteSet::none()
        }
    }

    /// The set of an instance, of which few have one. `wanted`: as its addresses are.
    pub(crate) fn rare(routes: Vec<Route>, rules: Vec<Rule>, wanted: bool) -> Rare<Self> {
        if routes.is_empty() && rules.is_empty() {
            return Rare::default();
        }
        let mut set = RouteSet::new(routes, rules);
        set.wanted = wanted;
        set.schedule_recheck(Recheck::Missing);
        Rare::new(set)
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

    /// The route or rule at this position, for the log.
    pub(crate) fn text(&self, nth: usize) -> Option<String> {
        self.slots.get(nth).map(|slot| slot.item.to_string())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// When refused routes and rules are retried, and what was removed externally is reinstalled.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let retry = self.backoff.retry_at().filter(|_| self.wanted);
        retry.into_iter().chain(self.repairs.next_deadline()).min()
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
        let contested = self.slots.get(self.repairs.contested());
        let lost = contested.filter(|_| self.repairs.is_held());
        lost.is_some_and(|slot| slot.item.track_group() == Some(group))
            || tagged.any(|slot| !installed(slot) || !slot.item.devs().all(up))
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
    pub(crate) fn deleted(&mut self, now: Instant, message: &Message<'_>) {
        if !self.wanted {
            return;
        }
        for (nth, slot) in self.slots.iter_mut().enumerate() {
            if slot.state == RouteState::Installed && !slot.item.no_track() && slot.item.is(message)
            {
                slot.state = RouteState::Removed;
                self.repairs.notice(now, nth);
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

    /// Installs them, in steps, and keeps them installed until [`RouteSet::withdraw`].
    pub(crate) fn install(&mut self) {
        self.wanted = true;
        self.refused = 0;
        self.backoff.reset();
        self.recheck = Recheck::All;
        self.pass = None;
        self.start_pass();
    }

    /// Requests, in steps, the wanted routes and rules that may be missing.
    pub(crate) fn reconcile(&mut self, now: Instant) {
        self.backoff.take_due(now);
        self.schedule_recheck(Recheck::Missing);
        // A pass in progress starts the next one.
        if self.wanted && self.repairs.may_repair(now) && !self.is_busy() {
            self.start_pass();
        }
    }

    /// Removes them, in steps.
    pub(crate) fn withdraw(&mut self) {
        self.wanted = false;
        self.recheck = Recheck::Nothing;
        self.backoff.cancel();
        self.repairs.settle();
        self.start_pass();
    }

    /// Removes them, all at once.
    pub(crate) fn withdraw_now(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.withdraw();
        self.pass = None;
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
        self.restart_pass();
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
        delete_item(cx, &slot.item, links, &mut batch);
        if batch.count() == CHUNK {
            done = done.saturating_add(flush(cx, &mut batch));
        }
    }
    done.saturating_add(flush(cx, &mut batch))
}

/// Requests the deletion of a route or rule.
pub(super) fn delete_item(cx: &mut Cx<'_>, item: &Item, links: &Interfaces, batch: &mut Batch) {
    // An old kernel would misread the request and might delete a route of another program.
    if item.unsupported(cx).is_none() {
        item.delete(links, batch);
    }
}

fn slots(routes: Vec<Route>, rules: Vec<Rule>) -> Vec<Slot> {
    let routes = routes.into_iter().map(Item::Route);
    let items = routes.chain(rules.into_iter().map(Item::Rule));
    let state = RouteState::Absent;
    items.map(|item| Slot { item, state }).collect()
}

/// Sends deletions. Returns how many were carried out.
pub(super) fn flush(cx: &mut Cx<'_>, batch: &mut Batch) -> usize {
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
