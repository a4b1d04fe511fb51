//! A set of routes and policy rules that are either all wanted or all not, and what the kernel thinks of each.
//!
//! One set per instance and one for `static_routes` and `static_rules`; the counterpart of
//! [`super::addresses`], with two differences. The tables of a router that speaks BGP are too large to be
//! read, so the kernel is not asked what there is: asking for what is there already costs nothing and changes
//! nothing. And the kernel does not tell when IPv4 routes go, because their interface goes down or their source
//! address is removed: after every such event all that is wanted is asked for again. What somebody
//! else deletes it does tell.
//!
//! Routes come before rules, and go after them: a rule must not lead into an empty table.

use core::fmt;
use core::time::Duration;

use super::Engine;
use super::addresses::reason;
use super::links::{Change, Links};
use super::system::System;
use crate::config::model::{Place, Route, Rule};
use crate::netlink::route::{self, Hop, Mode, Spec};
use crate::netlink::{self, Ack, Batch, Message, rule};
use crate::types::{Family, IfName, Instant};

/// Requests per `sendmsg`: as many refusals fit the socket's buffer with ease.
const CHUNK: usize = 64;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);
/// There is no such rule.
const ENOENT: i32 = 2;
/// There is no such route.
const ESRCH: i32 = 3;
const EEXIST: i32 = 17;

type Hops = heapless::Vec<Hop, { Route::MAX_HOPS }>;

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

#[derive(Clone, PartialEq, Eq, Debug)]
enum Item {
    Route(Route),
    Rule(Rule),
}

impl Item {
    fn no_track(&self) -> bool {
        match self {
            Item::Route(route) => route.no_track,
            Item::Rule(rule) => rule.no_track,
        }
    }

    /// Whether the kernel tells of this one. A route is known by its destination and table: it need not be
    /// more exact, because asking for what is there changes nothing.
    fn is(&self, message: &Message<'_>) -> bool {
        match (self, message) {
            (Item::Route(route), Message::DelRoute(told)) => {
                (route.dst, route.table, route.tos) == (told.dst, told.table, told.tos)
            }
            (Item::Rule(rule), Message::DelRule(told)) => as_rule(rule) == *told,
            _ => false,
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Route(route) => route.fmt(f),
            Item::Rule(rule) => rule.fmt(f),
        }
    }
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
    restored: usize,
    first_restored: Option<String>,
    refused: usize,
    first_refused: Option<String>,
    /// Whether refusals are a change to what was reported last.
    news: bool,
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
        slots.flat_map(|slot| {
            let (hops, names) = match &slot.item {
                // One of several ways may fail.
                Item::Route(route) if route.hops.len() == 1 => {
                    (route.hops.as_slice(), [None, None])
                }
                Item::Route(_) => (&[][..], [None, None]),
                Item::Rule(rule) => (&[][..], [rule.iif.as_ref(), rule.oif.as_ref()]),
            };
            let devs = hops.iter().filter_map(|hop| hop.dev.as_ref());
            devs.chain(names.into_iter().flatten())
        })
    }

    // ---- doubts ----

    /// Notes that something happened after which any of them may be missing.
    pub(crate) fn suspect(&mut self) {
        self.note(Doubt::All);
    }

    /// Notes that what was refused may be possible now.
    fn hope(&mut self) {
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
    fn gone(&mut self, message: &Message<'_>) {
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

    fn is_doubtful(&self) -> bool {
        self.doubt != Doubt::Nothing
    }

    // ---- making it so ----

    /// Removes what a daemon that was killed has left behind: what has our protocol number and is otherwise
    /// as configured. Tells how many there were.
    pub(crate) fn clean(&mut self, links: &Links, system: &mut dyn System) -> usize {
        delete(&self.slots, links, system, |_| true)
    }

    /// From now on these are wanted; adds them.
    pub(crate) fn install(
        &mut self,
        now: Instant,
        links: &Links,
        system: &mut dyn System,
    ) -> Outcome {
        self.wanted = true;
        self.refused = 0;
        self.retry_after = RETRY_FIRST;
        self.doubt = Doubt::All;
        self.reconcile(now, links, system)
    }

    /// Asks for what is wanted and in doubt.
    pub(crate) fn reconcile(
        &mut self,
        now: Instant,
        links: &Links,
        system: &mut dyn System,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let pending = self.retry_at.take().filter(|at| *at > now);
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
            asked.add(place, &slot.item, links, &mut batch);
            if asked.is_full() {
                asked.send(system, &mut batch, &mut outcome, &self.slots);
            }
        }
        asked.send(system, &mut batch, &mut outcome, &self.slots);
        for (place, held) in asked.answers {
            if let Some(slot) = self.slots.get_mut(place) {
                slot.held = held;
            }
        }
        let refused = self.slots.iter().filter(|slot| slot.held == Held::Refused);
        outcome.refused = refused.count();
        outcome.news = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            // An attempt in between, made in hope, is not one of those that become rarer.
            self.retry_at = pending.or(Some(now.after(self.retry_after)));
            if pending.is_none() {
                self.retry_after = self.retry_after.saturating_mul(2).min(RETRY_LAST);
            }
        }
        outcome
    }

    /// From now on these are not wanted; removes them.
    pub(crate) fn withdraw(&mut self, links: &Links, system: &mut dyn System) {
        self.wanted = false;
        self.doubt = Doubt::Nothing;
        self.retry_at = None;
        delete(&self.slots, links, system, |slot| slot.held != Held::No);
        for slot in &mut self.slots {
            slot.held = Held::No;
        }
    }

    /// Another configuration: what is in both stays as it is, what is in the old one only is removed. What is new
    /// is added by the next [`RouteSet::reconcile`].
    pub(crate) fn replace(
        &mut self,
        routes: Vec<Route>,
        rules: Vec<Rule>,
        links: &Links,
        system: &mut dyn System,
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
        delete(&gone, links, system, |old| old.held != Held::No);
        self.note(Doubt::Missing);
    }
}

/// Asks to delete these, last ones first. Refusals are of no consequence: mostly it was gone, with its
/// interface or its source address.
fn delete(
    slots: &[Slot],
    links: &Links,
    system: &mut dyn System,
    which: impl Fn(&Slot) -> bool,
) -> usize {
    let mut batch = Batch::new(1);
    let mut done = 0_usize;
    for slot in slots.iter().rev().filter(|slot| which(slot)) {
        match &slot.item {
            Item::Route(route) => {
                let Some(hops) = hops(route, links) else {
                    continue;
                };
                route::delete(&mut batch, &spec(route, &hops));
            }
            Item::Rule(rule) => {
                rule::delete(&mut batch, &as_rule(rule));
            }
        }
        if batch.count() == CHUNK {
            done = done.saturating_add(flush(&mut batch, system));
        }
    }
    done.saturating_add(flush(&mut batch, system))
}

fn slots(routes: Vec<Route>, rules: Vec<Rule>) -> Vec<Slot> {
    let routes = routes.into_iter().map(Item::Route);
    let items = routes.chain(rules.into_iter().map(Item::Rule));
    let held = Held::No;
    items.map(|item| Slot { item, held }).collect()
}

/// Sends deletions; tells how many were carried out.
fn flush(batch: &mut Batch, system: &mut dyn System) -> usize {
    let mut done = batch.count();
    if done > 0 {
        let sent = system.request(batch, &mut |ack| {
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

// ---- a burst of additions ----

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
    /// Asks for a route or rule, unless its interface does not exist.
    fn add(&mut self, place: usize, item: &Item, links: &Links, batch: &mut Batch) {
        match item {
            Item::Rule(rule) => {
                let seq = rule::add(batch, &as_rule(rule));
                self.note(place, seq);
            }
            Item::Route(route) => {
                let Some(hops) = hops(route, links) else {
                    return;
                };
                let mode = match route.place {
                    Place::First => Mode::Prepend,
                    Place::Last => Mode::Append,
                    Place::Alone => Mode::Alone,
                };
                // Ways of an IPv6 route are routes of their own, of which some may be there and some not.
                // Asked for together they are refused together.
                if route.dst.family() == Family::V6 && hops.len() > 1 {
                    for (nth, hop) in hops.iter().enumerate() {
                        let mode = if nth == 0 { mode } else { Mode::Append };
                        let spec = spec(route, core::slice::from_ref(hop));
                        let seq = route::add(batch, &spec, mode);
                        self.note(place, seq);
                    }
                } else {
                    let seq = route::add(batch, &spec(route, &hops), mode);
                    self.note(place, seq);
                }
            }
        }
    }

    fn note(&mut self, place: usize, seq: u32) {
        if self.places.is_empty() {
            self.first_seq = seq;
        }
        let _ = self.places.push(place);
    }

    /// Whether the next one may not have room.
    fn is_full(&self) -> bool {
        self.places.len() > CHUNK.saturating_sub(Route::MAX_HOPS)
    }

    /// Sends what has gathered and notes the answers.
    fn send(
        &mut self,
        system: &mut dyn System,
        batch: &mut Batch,
        outcome: &mut Outcome,
        slots: &[Slot],
    ) {
        let mut refusals: heapless::Vec<(u32, i32), CHUNK> = heapless::Vec::new();
        let places = &self.places;
        let first_seq = self.first_seq;
        let item = |nth: u32| {
            let place = usize::try_from(nth).ok().and_then(|nth| places.get(nth));
            place
                .and_then(|place| slots.get(*place))
                .map(|slot| &slot.item)
        };
        if !places.is_empty() {
            let sent = system.request(batch, &mut |ack: &Ack<'_>| {
                let nth = ack.seq.wrapping_sub(first_seq);
                // As many places as there are requests.
                let _ = refusals.push((nth, ack.errno));
                if ack.errno != EEXIST && outcome.first_refused.is_none() {
                    let words = |item| format!("{item}: {}", reason(ack));
                    outcome.first_refused = item(nth).map(words);
                }
            });
            if let Err(error) = sent {
                outcome
                    .first_refused
                    .get_or_insert_with(|| error.to_string());
                refusals.clear();
                refusals.extend((0..).take(places.len()).map(|nth| (nth, 0)));
            }
        }
        for (nth, place) in (0_u32..).zip(places) {
            let refusal = refusals.iter().find(|(which, _)| *which == nth);
            let held = match refusal {
                Some((_, EEXIST)) | None => Held::Yes,
                Some(_) => Held::Refused,
            };
            match self.answers.last_mut() {
                // One way refused, and the route counts as refused, so that it is tried again.
                Some((last, so_far)) if last == place => {
                    if held == Held::Refused {
                        *so_far = held;
                    }
                }
                Some(_) | None => self.answers.push((*place, held)),
            }
            let was = slots.get(*place).map(|slot| slot.held);
            if refusal.is_none() && matches!(was, Some(Held::Yes | Held::Lost)) {
                outcome.restored = outcome.restored.saturating_add(1);
                let words = || item(nth).map_or(String::new(), Item::to_string);
                outcome.first_restored.get_or_insert_with(words);
            }
        }
        batch.clear();
        self.places.clear();
    }
}

// ---- the model in the kernel's words ----

/// The ways, with interfaces by number; `None` while one of them does not exist.
fn hops(route: &Route, links: &Links) -> Option<Hops> {
    let mut hops = Hops::new();
    for hop in &route.hops {
        let index = match &hop.dev {
            Some(dev) => Some(links.named(dev)?.index),
            None => None,
        };
        // The model has no more than fit.
        let _ = hops.push(Hop {
            via: hop.via,
            index,
            weight: hop.weight,
            onlink: hop.onlink,
        });
    }
    Some(hops)
}

fn spec<'a>(route: &'a Route, hops: &'a [Hop]) -> Spec<'a> {
    Spec {
        kind: route.kind,
        dst: route.dst,
        from: route.from,
        src: route.src,
        hops,
        table: route.table,
        metric: route.metric,
        scope: route.scope,
        protocol: route.protocol,
        tos: route.tos,
        realms: route.realms,
        metrics: &route.metrics,
        congestion: route.congestion.as_deref(),
        preference: route.preference,
        expires: route.expires,
    }
}

fn as_rule(rule: &Rule) -> netlink::Rule<'_> {
    netlink::Rule {
        family: rule.family,
        not: rule.not,
        from: rule.from,
        to: rule.to,
        iif: rule.iif.as_ref().map(IfName::as_str),
        oif: rule.oif.as_ref().map(IfName::as_str),
        fwmark: rule.fwmark,
        tos: rule.tos,
        priority: rule.priority,
        action: rule.action,
        table: rule.table,
        target: rule.target,
        realms: rule.realms,
        suppress_prefix: rule.suppress_prefix,
        suppress_group: rule.suppress_group,
        uids: rule.uids,
        ip_proto: rule.ip_proto,
        sport: rule.sport,
        dport: rule.dport,
        l3mdev: rule.l3mdev,
        tunnel: rule.tunnel,
        protocol: rule.protocol,
    }
}

// ---- the engine's part ----

impl Engine {
    /// Whether [`Engine::news`] wants to hear of routes and rules with our protocol number that are deleted.
    #[must_use]
    pub fn wants_route_news(&self) -> bool {
        !self.static_routes.is_empty()
            || self.routers.iter().any(|router| !router.routes.is_empty())
    }

    /// News of routes and rules were lost.
    pub fn resync_routes(&mut self, now: Instant, system: &mut dyn System) {
        self.each_route_set(RouteSet::suspect);
        self.settle(now, system);
    }

    /// Notes what a message means for routes and rules.
    pub(super) fn route_news(&mut self, message: &Message<'_>, change: Change) {
        match (message, change) {
            (Message::DelRoute(_) | Message::DelRule(_), _) => {
                self.each_route_set(|set| set.gone(message));
            }
            (_, Change::Link(_) | Change::Lost(_)) => self.each_route_set(RouteSet::suspect),
            (_, Change::Added(_)) => self.each_route_set(RouteSet::hope),
            (_, Change::Nothing) => {}
        }
    }

    fn each_route_set(&mut self, mut look: impl FnMut(&mut RouteSet)) {
        let sets = self.routers.iter_mut().map(|router| &mut router.routes);
        for set in sets.chain([&mut self.static_routes]) {
            look(set);
            self.unsettled |= set.is_doubtful();
        }
    }

    /// Puts back what is in doubt of an instance's.
    pub(super) fn repair_routes(&mut self, id: usize, now: Instant, system: &mut dyn System) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let due = router.routes.next_deadline().is_some_and(|at| at <= now);
        if due || router.routes.is_doubtful() {
            let outcome = router.routes.reconcile(now, &self.links, system);
            report(format_args!("({})", router.conf.name), &outcome);
        }
    }

    /// The same for static ones.
    pub(super) fn repair_static_routes(&mut self, now: Instant, system: &mut dyn System) {
        let set = &mut self.static_routes;
        if set.next_deadline().is_some_and(|at| at <= now) || set.is_doubtful() {
            let outcome = set.reconcile(now, &self.links, system);
            report(format_args!("{STATIC}"), &outcome);
        }
    }

    /// Adds the static ones.
    pub(super) fn install_static_routes(&mut self, now: Instant, system: &mut dyn System) {
        let outcome = self.static_routes.install(now, &self.links, system);
        report(format_args!("{STATIC}"), &outcome);
    }
}

/// Whose the static ones are, for the log.
const STATIC: &str = "static_routes and static_rules:";

/// What became of an attempt, in one line at most.
pub(super) fn report(name: fmt::Arguments<'_>, outcome: &Outcome) {
    if let Some(first) = &outcome.first_restored {
        let more = outcome.restored.saturating_sub(1);
        log::warn!(
            target: "vrrp",
            "{name} {first} and {more} more removed by someone else, or with an interface or address; put back"
        );
    }
    if !outcome.news {
        return;
    }
    if outcome.refused > 0 {
        let first = outcome.first_refused.as_deref().unwrap_or("unknown reason");
        log::error!(
            target: "netlink",
            "{name} {} of its routes and rules refused by the kernel, first {first}; trying again",
            outcome.refused
        );
    } else {
        log::info!(target: "netlink", "{name} all routes and rules are set now");
    }
}
