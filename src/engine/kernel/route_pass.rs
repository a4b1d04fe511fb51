//! Passes over the routes and rules of a set, in steps; the counterpart of
//! [`crate::engine::kernel::address_pass`].

use crate::config::model::Route;
use crate::engine::cx::Cx;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::kernel::route_item::Item;
use crate::engine::kernel::routes::{
    CHUNK, Outcome, Recheck, RouteSet, RouteState, Slot, delete_item, flush,
};
use crate::engine::slice::StepSize;
use crate::engine::system::error_text;
use crate::netlink::{Ack, Batch};
use crate::types::errno::{EAFNOSUPPORT, EEXIST, ENODEV, EOPNOTSUPP};

/// Routes looked at in one step.
const SCAN: usize = 1024;

/// A pass in progress.
#[derive(Debug)]
pub(super) struct Pass {
    /// Which are requested.
    recheck: Recheck,
    /// Number of routes and rules that are done; counted from the last one when they are removed.
    done: usize,
    size: StepSize,
    batch: Batch,
    outcome: Outcome,
}

impl RouteSet {
    /// Starts a pass over what is to be checked, instead of the one in progress.
    pub(super) fn start_pass(&mut self) {
        let recheck = core::mem::replace(&mut self.recheck, Recheck::Nothing);
        let pass = || Pass {
            recheck,
            done: 0,
            size: StepSize::FIRST,
            batch: Batch::new(1),
            outcome: Outcome::default(),
        };
        self.pass = (!self.slots.is_empty()).then(pass).map(Box::new);
    }

    /// The routes have changed.
    pub(super) fn restart_pass(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.done = 0;
        }
    }

    /// Whether a pass is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        self.pass.is_some()
    }

    /// Does one step of the pass in progress. Returns the result of the pass after the last one.
    pub(crate) fn step(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Option<Outcome> {
        let mut pass = self.pass.take()?;
        let start = cx.system.clock();
        let rest = if self.wanted {
            self.install_some(cx, links, &mut pass)
        } else {
            self.remove_some(cx, links, &mut pass)
        };
        let elapsed = cx.system.clock().since(start);
        pass.size.adapt(elapsed, CHUNK);
        if rest > 0 {
            self.pass = Some(pass);
            return None;
        }
        if self.wanted {
            self.finish(cx, &mut pass.outcome);
            if self.needs_recheck() && self.repairs.may_repair(cx.now) {
                self.start_pass();
            }
        }
        Some(pass.outcome)
    }

    /// Requests the next routes that may be missing. Returns how many routes and rules are left.
    fn install_some(&mut self, cx: &mut Cx<'_>, links: &Interfaces, pass: &mut Pass) -> usize {
        let mut burst = Burst::default();
        let slots = self.slots.iter_mut().enumerate().skip(pass.done);
        for (nth, slot) in slots.take(SCAN) {
            if burst.slots.len() >= pass.size.get() || burst.is_full() {
                break;
            }
            pass.done = nth.saturating_add(1);
            if slot.state == RouteState::Installed && pass.recheck != Recheck::All {
                continue;
            }
            if let Some(why) = slot.item.unsupported(cx) {
                let text = || format!("{}: {why}", slot.item);
                pass.outcome.first_refused.get_or_insert_with(text);
                slot.state = RouteState::Refused;
                continue;
            }
            burst.add(nth, &slot.item, links, &mut pass.batch);
        }
        burst.send(cx, pass, &mut self.slots);
        self.slots.len().saturating_sub(pass.done)
    }

    /// Removes the last routes and rules. Returns how many are left.
    fn remove_some(&mut self, cx: &mut Cx<'_>, links: &Interfaces, pass: &mut Pass) -> usize {
        for slot in self.slots.iter_mut().rev().skip(pass.done).take(SCAN) {
            if pass.batch.count() >= pass.size.get() {
                break;
            }
            pass.done = pass.done.saturating_add(1);
            if slot.state != RouteState::Absent {
                delete_item(cx, &slot.item, links, &mut pass.batch);
                slot.state = RouteState::Absent;
            }
        }
        flush(cx, &mut pass.batch);
        self.slots.len().saturating_sub(pass.done)
    }

    /// Compares the refusals with those reported last, and schedules a retry.
    fn finish(&mut self, cx: &Cx<'_>, outcome: &mut Outcome) {
        let refused = self
            .slots
            .iter()
            .filter(|slot| slot.state == RouteState::Refused);
        outcome.refused = refused.count();
        if outcome.restored > 0 {
            outcome.repairs = self.repairs.repaired(cx.now);
        } else {
            self.repairs.settle();
        }
        outcome.report = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            self.backoff.fail(cx.now);
        } else {
            self.backoff.cancel();
        }
    }
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
    fn send(&self, cx: &mut Cx<'_>, pass: &mut Pass, slots: &mut [Slot]) {
        if self.slots.is_empty() {
            return;
        }
        let Pass { batch, outcome, .. } = pass;
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
        batch.clear();
        self.record_answers(&refusals, outcome, slots);
    }

    /// Derives the states of the requested routes and rules.
    fn record_answers(&self, refusals: &Refusals, outcome: &mut Outcome, slots: &mut [Slot]) {
        // Position and former state of the last route.
        let mut last = None;
        for (at, &nth) in self.slots.iter().enumerate() {
            let Some(slot) = slots.get_mut(nth) else {
                continue;
            };
            let refusal = refusals.iter().find(|(which, _)| *which == at);
            let (first_hop, before) = match last {
                Some((known, before)) if known == nth => (false, before),
                Some(_) | None => (true, slot.state),
            };
            last = Some((nth, before));
            let was_installed = matches!(before, RouteState::Installed | RouteState::Removed);
            if refusal.is_none() && was_installed {
                outcome.restored = outcome.restored.saturating_add(1);
                let text = || slot.item.to_string();
                outcome.first_restored.get_or_insert_with(text);
            }
            match refusal {
                // The event about its interface, which was removed, is not read yet.
                Some((_, ENODEV)) if was_installed => slot.state = RouteState::Removed,
                // If one next hop is refused the whole route is, so that it is retried.
                Some((_, errno)) if *errno != EEXIST => slot.state = RouteState::Refused,
                Some(_) | None if first_hop => slot.state = RouteState::Installed,
                Some(_) | None => {}
            }
        }
    }
}
