//! A set of routes and policy rules that are either all wanted or all not, and what the kernel thinks of each.
//!
//! One set per instance and one for `static_routes` and `static_rules`; the counterpart of
//! [`crate::engine::kernel::addresses`], with two differences. The tables of a router that speaks BGP are too large to be
//! read, so the kernel is not asked what there is: asking for what is there already costs nothing and changes
//! nothing. And the kernel does not tell when IPv4 routes go, because their interface goes down or their source
//! address is removed: after every such event all that is wanted is asked for again. What somebody
//! else deletes it does tell.
//!
//! Routes come before rules, and go after them: a rule must not lead into an empty table.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::config::model::{Route, Rule};
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::route_item::Item;
use crate::netlink::{Ack, Batch, Message};
use crate::types::errno::{EAFNOSUPPORT, EEXIST, ENOENT, EOPNOTSUPP, ESRCH};
use crate::types::{IfName, Instant};

/// Requests per `sendmsg`: as many refusals fit the socket's buffer with ease.
const CHUNK: usize = 64;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What we know of one route or rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Held {
    /// Not there, as far as we know.
    No,
    /// There.
    Yes,
    /// Somebody else has deleted it.
    Lost,
    /// The kernel said no.
    Refused,
}

#[derive(Debug)]
struct Slot {
    item: Item,
    held: Held,
}

/// Which of a set are to be asked for again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Doubt {
    Nothing,
    /// Those not there as far as we know.
    Missing,
    All,
}

/// What an attempt came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Were gone, and are there again.
    pub(crate) restored: usize,
    pub(crate) first_restored: Option<String>,
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<String>,
    /// Whether refusals are a change to what was reported last.
    pub(crate) report: bool,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct RouteSet {
    /// Routes first.
    slots: Vec<Slot>,
    wanted: bool,
    doubt: Doubt,
    refused: usize,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

impl RouteSet {
    pub(crate) fn new(routes: Vec<Route>, rules: Vec<Rule>) -> Self {
        RouteSet {
            slots: slots(routes, rules),
            wanted: false,
            doubt: Doubt::Nothing,
            refused: 0,
            retry_at: None,
            retry_after: RETRY_FIRST,
        }
    }

    /// Every route, and whether it is there; see [`RouteSet::states`].
    pub(crate) fn routes(&self) -> impl Iterator<Item = (&Route, Result<bool, ()>)> {
        self.states(|item| match item {
            Item::Route(route) => Some(route),
            Item::Rule(_) => None,
        })
    }

    /// Every rule, and whether it is there; see [`RouteSet::states`].
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Rule, Result<bool, ()>)> {
        self.states(|item| match item {
            Item::Rule(rule) => Some(rule),
            Item::Route(_) => None,
        })
    }

    /// Those that are meant, and whether they are there; an error: refused.
    fn states<'a, T: 'a>(
        &'a self,
        meant: impl Fn(&'a Item) -> Option<&'a T>,
    ) -> impl Iterator<Item = (&'a T, Result<bool, ()>)> {
        self.slots.iter().filter_map(move |slot| {
            let state = match slot.held {
                Held::No | Held::Lost => Ok(false),
                Held::Yes => Ok(true),
                Held::Refused => Err(()),
            };
            meant(&slot.item).map(|item| (item, state))
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// When refused ones are tried again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.filter(|_| self.wanted)
    }

    /// The interfaces without which a route or rule that is tracked is of no use.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = &IfName> {
        let slots = self.slots.iter().filter(|slot| !slot.item.no_track());
        slots.flat_map(|slot| slot.item.devs())
    }

    /// Whether one tagged with this `track_group` is not there, or of no use because its interface is down.
    pub(crate) fn lacks(&self, group: usize, links: &Interfaces) -> bool {
        let mut tagged = self
            .slots
            .iter()
            .filter(|slot| slot.item.track_group() == Some(group));
        let up = |dev: &IfName| links.by_name(dev).is_some_and(Interface::is_up);
        // What somebody has deleted is about to be put back.
        let good = |slot: &Slot| matches!(slot.held, Held::Yes | Held::Lost);
        tagged.any(|slot| !good(slot) || !slot.item.devs().all(up))
    }

    // ---- doubts ----

    /// Notes that something happened after which any of them may be missing.
    pub(crate) fn suspect(&mut self) {
        self.note(Doubt::All);
    }

    /// Notes that what was refused may be possible now.
    pub(crate) fn hope(&mut self) {
        if self.refused > 0 {
            self.note(Doubt::Missing);
        }
    }

    fn note(&mut self, doubt: Doubt) {
        if self.wanted {
            self.doubt = self.doubt.max(doubt);
        }
    }

    /// Notes what the kernel tells to be gone.
    pub(crate) fn gone(&mut self, message: &Message<'_>) {
        if !self.wanted {
            return;
        }
        for slot in &mut self.slots {
            if slot.held == Held::Yes && !slot.item.no_track() && slot.item.is(message) {
                slot.held = Held::Lost;
                self.doubt = self.doubt.max(Doubt::Missing);
            }
        }
    }

    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubt != Doubt::Nothing
    }

    // ---- making it so ----

    /// Removes what a daemon that was killed has left behind: what has our protocol number and is otherwise
    /// as configured. Tells how many there were.
    pub(crate) fn remove_leftovers(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> usize {
        let count = delete(cx, &self.slots, links, |_| true);
        self.all_are(Held::No);
        count
    }

    /// What is there is ours from now on; that is, whatever the kernel does not refuse to delete.
    pub(crate) fn adopt(&mut self) {
        self.all_are(Held::Yes);
    }

    fn all_are(&mut self, held: Held) {
        for slot in &mut self.slots {
            slot.held = held;
        }
    }

    /// From now on these are wanted; adds them.
    pub(crate) fn install(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        self.wanted = true;
        self.refused = 0;
        self.retry_after = RETRY_FIRST;
        self.doubt = Doubt::All;
        self.reconcile(cx, links)
    }

    /// Asks for what is wanted and in doubt.
    pub(crate) fn reconcile(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        let mut outcome = Outcome::default();
        let pending = self.retry_at.take().filter(|at| *at > cx.now);
        let doubt = core::mem::replace(&mut self.doubt, Doubt::Nothing);
        if !self.wanted || self.slots.is_empty() {
            return outcome;
        }
        let mut batch = Batch::new(1);
        let mut asked = Asked::default();
        for (place, slot) in self.slots.iter().enumerate() {
            if slot.held == Held::Yes && doubt != Doubt::All {
                continue;
            }
            if let Some(why) = slot.item.unread(cx) {
                let words = || format!("{}: {why}", slot.item);
                outcome.first_refused.get_or_insert_with(words);
                asked.answers.push((place, Held::Refused));
                continue;
            }
            asked.add(place, &slot.item, links, &mut batch);
            if asked.is_full() {
                asked.send(cx, &mut batch, &mut outcome, &self.slots);
            }
        }
        asked.send(cx, &mut batch, &mut outcome, &self.slots);
        for (place, held) in asked.answers {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.held = held;
            }
        }
        let refused = self.slots.iter().filter(|slot| slot.held == Held::Refused);
        outcome.refused = refused.count();
        outcome.report = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            // An attempt in between, made in hope, is not one of those that become rarer.
            self.retry_at = pending.or(Some(cx.now.after(self.retry_after)));
            if pending.is_none() {
                self.retry_after = self.retry_after.saturating_mul(2).min(RETRY_LAST);
            }
        }
        outcome
    }

    /// From now on these are not wanted; removes them.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.wanted = false;
        self.doubt = Doubt::Nothing;
        self.retry_at = None;
        delete(cx, &self.slots, links, |slot| slot.held != Held::No);
        self.all_are(Held::No);
    }

    /// Another configuration: what is in both stays as it is, what is in the old one only is removed. What is new
    /// is added by the next [`RouteSet::reconcile`].
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        routes: Vec<Route>,
        rules: Vec<Rule>,
        links: &Interfaces,
    ) {
        let new = slots(routes, rules);
        let mut gone = core::mem::replace(&mut self.slots, new);
        // In an unchanged file it is the first one left.
        gone.reverse();
        for slot in &mut self.slots {
            let same = |old: &Slot| old.item == slot.item;
            if let Some(place) = gone.iter().rposition(same) {
                slot.held = gone.remove(place).held;
            }
        }
        gone.reverse();
        delete(cx, &gone, links, |old| old.held != Held::No);
        self.note(Doubt::Missing);
    }
}

/// Asks to delete these, last ones first. Refusals are of no consequence: mostly it was gone, with its
/// interface or its source address.
fn delete(
    cx: &mut Cx<'_>,
    slots: &[Slot],
    links: &Interfaces,
    which: impl Fn(&Slot) -> bool,
) -> usize {
    let mut batch = Batch::new(1);
    let mut done = 0_usize;
    for slot in slots.iter().rev().filter(|slot| which(slot)) {
        // What was never asked for might be taken for one of somebody else's.
        if slot.item.unread(cx).is_none() {
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
    let held = Held::No;
    items.map(|item| Slot { item, held }).collect()
}

/// Sends deletions; tells how many were carried out.
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
            log::error!(target: "netlink", "routes and rules not removed: {error}");
        }
    }
    batch.clear();
    done
}

/// What to do about a kernel that knows no rules, or none of a family.
fn without(item: &Item, ack: &Ack<'_>) -> &'static str {
    let none = EOPNOTSUPP.contains(&ack.errno) || EAFNOSUPPORT.contains(&ack.errno);
    match item {
        Item::Rule(_) if none => " (CONFIG_IP_MULTIPLE_TABLES, CONFIG_IPV6_MULTIPLE_TABLES)",
        Item::Rule(_) | Item::Route(_) => "",
    }
}

// ---- a burst of additions ----

/// Which of the requests were refused, and with what.
type Refusals = heapless::Vec<(usize, i32), CHUNK>;

/// Which request is for what. A route may take several.
#[derive(Default)]
struct Asked {
    places: heapless::Vec<usize, CHUNK>,
    /// Number of the first request.
    first_seq: u32,
    /// What became of what was asked for before.
    answers: Vec<(usize, Held)>,
}

impl Asked {
    fn add(&mut self, place: usize, item: &Item, links: &Interfaces, batch: &mut Batch) {
        let (before, first_seq) = (batch.count(), batch.next_seq());
        item.add(links, batch);
        if before == 0 {
            self.first_seq = first_seq;
        }
        for _ in before..batch.count() {
            let _ = self.places.push(place);
        }
    }

    /// Whether the next one may not have room.
    fn is_full(&self) -> bool {
        self.places.len() > CHUNK.saturating_sub(Route::MAX_HOPS)
    }

    /// Sends what has gathered and notes the answers.
    fn send(&mut self, cx: &mut Cx<'_>, batch: &mut Batch, outcome: &mut Outcome, slots: &[Slot]) {
        if self.places.is_empty() {
            return;
        }
        let mut refusals = Refusals::new();
        let sent = cx.system.request(batch, &mut |ack: &Ack<'_>| {
            let nth = usize::try_from(ack.seq.wrapping_sub(self.first_seq)).unwrap_or(usize::MAX);
            // As many as there are requests.
            let _ = refusals.push((nth, ack.errno));
            if ack.errno != EEXIST && outcome.first_refused.is_none() {
                let slot = self.places.get(nth).and_then(|place| slots.get(*place));
                let words = |slot: &Slot| {
                    format!("{}: {}{}", slot.item, reason(ack), without(&slot.item, ack))
                };
                outcome.first_refused = slot.map(words);
            }
        });
        if let Err(error) = sent {
            let words = || error.to_string();
            outcome.first_refused.get_or_insert_with(words);
            refusals.clear();
            refusals.extend((0..self.places.len()).map(|nth| (nth, 0)));
        }
        self.judge(&refusals, outcome, slots);
        batch.clear();
        self.places.clear();
    }

    /// What the answers mean for the routes and rules that were asked for.
    fn judge(&mut self, refusals: &Refusals, outcome: &mut Outcome, slots: &[Slot]) {
        for (nth, &place) in self.places.iter().enumerate() {
            let refusal = refusals.iter().find(|(which, _)| *which == nth);
            let held = match refusal {
                Some((_, EEXIST)) | None => Held::Yes,
                Some(_) => Held::Refused,
            };
            match self.answers.last_mut() {
                // One way refused, and the route counts as refused, so that it is tried again.
                Some((last, so_far)) if *last == place => {
                    if held == Held::Refused {
                        *so_far = held;
                    }
                }
                Some(_) | None => self.answers.push((place, held)),
            }
            if let Some(slot) = slots.get(place)
                && refusal.is_none()
                && matches!(slot.held, Held::Yes | Held::Lost)
            {
                outcome.restored = outcome.restored.saturating_add(1);
                let words = || slot.item.to_string();
                outcome.first_restored.get_or_insert_with(words);
            }
        }
    }
}
