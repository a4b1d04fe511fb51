//! Passes over the addresses of a set, which install what is missing or remove what is installed.
//!
//! Adding or removing an address takes the kernel longer the more addresses the interface has:
//! 10 µs with a few, a millisecond with 20,000. So a pass consists of short steps, between which the
//! engine serves others. A set that is wanted or no longer wanted meanwhile starts another pass, so
//! the latest state always wins.

use core::time::Duration;

use crate::config::model::Address;
use crate::engine::cx::Cx;
use crate::engine::instance::state_record::StateRecords;
use crate::engine::kernel::addresses::{
    AddressSet, AddressState, CHUNK, Kind, Known, Outcome, Slot, flush, reason,
};
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::kernel::secondaries::Origin;
use crate::engine::slice::StepSize;
use crate::engine::system::error_text;
use crate::netlink::{Ack, Batch, addr};
use crate::types::Instant;
use crate::types::errno::{EEXIST, ENODEV};

/// Time after which a step that removes what is no longer configured ends.
const RETIRE: Duration = Duration::from_micros(200);
/// Addresses looked at in one step.
const SCAN: usize = 1024;
/// An address of another program counts as removed when it has been missing for this time. netifd
/// sets it again when its network is restarted; if we had set it meanwhile, it would be ours.
const FOREIGN_RETURNS: Duration = Duration::from_secs(10);

/// A pass in progress.
#[derive(Debug)]
pub(super) struct Pass {
    pub(super) started: Instant,
    /// Number of addresses that are done. When addresses are removed the set is gone through twice;
    /// see [`AddressSet::remove_some`].
    done: usize,
    size: StepSize,
    /// Another pass must follow.
    again: bool,
    batch: Batch,
    outcome: Outcome,
}

/// The addresses requested in a batch, by their position in the set.
#[derive(Default)]
struct Burst {
    slots: heapless::Vec<usize, CHUNK>,
    /// Sequence number of the first request.
    first_seq: u32,
    /// One bit for each of `slots`: it was not ours before.
    new: u64,
}

/// The kernel's answer to the request for an address.
struct Answer {
    nth: usize,
    /// `None`: installed.
    errno: Option<i32>,
    /// It was ours before the request.
    was_ours: bool,
}

impl AddressSet {
    /// Starts a pass, instead of the one in progress.
    pub(super) fn start_pass(&mut self, now: Instant) {
        self.backoff.cancel();
        let pass = || Pass {
            started: now,
            done: 0,
            size: StepSize::FIRST,
            again: false,
            batch: Batch::new(1),
            outcome: Outcome::default(),
        };
        self.pass = (!self.slots.is_empty()).then(pass).map(Box::new);
    }

    /// Starts a pass, after the one in progress.
    pub(super) fn repeat_pass(&mut self, now: Instant) {
        match &mut self.pass {
            Some(pass) => pass.again = pass.done > 0,
            None => self.start_pass(now),
        }
    }

    /// The addresses have changed.
    pub(super) fn restart_pass(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.done = 0;
            pass.outcome.refused = 0;
        }
    }

    /// What the pass in progress adds is to be announced.
    pub(crate) fn announce_added(&mut self) {
        if let Some(pass) = &mut self.pass {
            pass.outcome.announce_added = true;
        }
    }

    /// Whether addresses are to be removed, or added that were never set.
    pub(crate) fn has_changed(&self) -> bool {
        let mut slots = self.slots.iter();
        !self.retired.is_empty()
            || self.wanted && slots.any(|slot| slot.state == AddressState::Absent)
    }

    /// Whether a pass is in progress.
    pub(crate) fn is_busy(&self) -> bool {
        self.pass.is_some() || !self.retired.is_empty()
    }

    /// When the addresses started to be installed; `None` if no pass that does is in progress.
    pub(crate) fn install_started(&self) -> Option<Instant> {
        let pass = self.pass.as_ref().filter(|_| self.wanted);
        pass.map(|pass| pass.started)
    }

    /// Whether the pass in progress has not come to this address yet.
    pub(crate) fn is_awaited(&self, nth: usize) -> bool {
        self.pass.as_ref().is_some_and(|pass| nth >= pass.done)
    }

    /// Does one step of the pass in progress. Returns the result of the pass after the last one.
    pub(crate) fn step(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
    ) -> Option<Outcome> {
        // The records of adverts are far from those of addresses.
        records.write(cx);
        if !self.retired.is_empty() {
            self.remove_retired(cx, links, records);
            return None;
        }
        let mut pass = self.pass.take()?;
        let rest = if self.wanted {
            self.install_some(cx, links, records, &mut pass)
        } else {
            self.remove_some(cx, links, records, &mut pass)
        };
        if rest == 0 && pass.again {
            pass.again = false;
            pass.done = 0;
            pass.outcome.refused = 0;
        } else if rest == 0 {
            if self.wanted {
                self.finish(cx.now, &mut pass.outcome);
            }
            return Some(pass.outcome);
        }
        self.pass = Some(pass);
        None
    }

    /// Requests the next addresses that are missing according to `links`. Returns how many
    /// addresses are left. They are recorded as ours before the request, so that the next process
    /// removes them if this one is killed. An address that exists already is recorded only when the
    /// kernel has accepted the request.
    fn install_some(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
        pass: &mut Pass,
    ) -> usize {
        let mut burst = Burst::default();
        let (from, kind) = (pass.done, self.kind);
        let slots = self.slots.iter_mut().enumerate().skip(from).take(SCAN);
        for (nth, slot) in slots {
            if burst.slots.len() == pass.size.get() {
                break;
            }
            pass.done = nth.saturating_add(1);
            let Some(link) = links.by_name(&slot.address.dev) else {
                continue;
            };
            let present = link.addrs.get(&slot.listed());
            let known = match slot.state {
                AddressState::Installed => present.is_some(),
                // Unless it is ours after all.
                AddressState::Preexisting => present.is_some_and(|one| !links.is_ours(one, false)),
                AddressState::Absent | AddressState::Refused(_) => false,
            };
            if known {
                slot.gone = None;
                continue;
            }
            if slot.state == AddressState::Preexisting && present.is_none() {
                let until = slot.gone.get_or_insert(cx.now).after(FOREIGN_RETURNS);
                if cx.now < until {
                    pass.outcome.left_until = Some(until);
                    continue;
                }
            }
            let index = link.index;
            let new = slot.record.is_none();
            if present.is_none() {
                slot.claim(records);
            }
            let address = slot.desired(index, kind, cx.now, &self.lease);
            let seq = addr::add(&mut pass.batch, &address);
            slot.on = Some(index);
            burst.push(nth, seq, new);
        }
        records.write(cx);
        self.send(cx, links, records, &burst, pass);
        records.write(cx);
        // The first addresses may be due before the pass ends.
        if self.lease.seconds.is_some() && self.lease.due.is_none() {
            self.plan_renewal();
        }
        self.slots.len().saturating_sub(pass.done)
    }

    /// Removes the last addresses that are no longer configured.
    fn remove_retired(&mut self, cx: &mut Cx<'_>, links: &Interfaces, records: &mut StateRecords) {
        let mut batch = Batch::new(1);
        let start = cx.system.clock();
        while let Some(mut slot) = self.retired.pop() {
            slot.delete(cx, &mut batch, self.kind, links, records);
            if batch.is_empty() {
                continue;
            }
            // One after another: nothing else is urgent in this set.
            flush(cx, &mut batch);
            if cx.system.clock().since(start) > RETIRE {
                break;
            }
        }
        records.write(cx);
    }

    /// Removes addresses that were installed by us: forward, because virtual addresses come first and
    /// must leave first; then, backward, those that go last ([`AddressSet::goes_last`]). Refusals are
    /// ignored: the address, or its interface with it, is gone already. Returns how many addresses
    /// are left.
    fn remove_some(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
        pass: &mut Pass,
    ) -> usize {
        let (count, kind) = (self.slots.len(), self.kind);
        let total = count.saturating_mul(2);
        for _ in 0..SCAN {
            if pass.batch.count() >= pass.size.get() || pass.done >= total {
                break;
            }
            let nth = match pass.done < count {
                true => pass.done,
                false => total.saturating_sub(pass.done).saturating_sub(1),
            };
            let skip = pass.done < count && self.goes_last(nth, links);
            pass.done = pass.done.saturating_add(1);
            if let Some(slot) = self.slots.get_mut(nth).filter(|_| !skip) {
                slot.delete(cx, &mut pass.batch, kind, links, records);
            }
        }
        if !pass.batch.is_empty() {
            let start = cx.system.clock();
            flush(cx, &mut pass.batch);
            pass.size.adapt(cx.system.clock().since(start), CHUNK);
        }
        records.write(cx);
        total.saturating_sub(pass.done)
    }

    /// Whether the kernel would remove many others of the set together with this address, in one
    /// step: the primary address of a network.
    fn goes_last(&self, nth: usize, links: &Interfaces) -> bool {
        let Some(slot) = self.slots.get(nth).filter(|slot| slot.is_primary(links)) else {
            return false;
        };
        let network = slot.listed();
        // In a large set, the virtual addresses, the first ones, wait for many others only.
        let many = if self.slots.len() > CHUNK { CHUNK } else { 1 };
        nth >= CHUNK || {
            let others = self.slots.iter().map(Slot::listed);
            others
                .filter(|other| network.contains(other.addr))
                .nth(many)
                .is_some()
        }
    }

    /// Sends one batch of requests and records the answers.
    fn send(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
        burst: &Burst,
        pass: &mut Pass,
    ) {
        if burst.slots.is_empty() {
            return;
        }
        let Pass {
            batch,
            outcome,
            size,
            ..
        } = pass;
        let start = cx.system.clock();
        // Position and error number.
        let mut refused: heapless::Vec<(usize, i32), CHUNK> = heapless::Vec::new();
        let slots = &self.slots;
        let sent = cx.system.request(batch, &mut |ack: &Ack<'_>| {
            let at = usize::try_from(ack.seq.wrapping_sub(burst.first_seq)).unwrap_or(usize::MAX);
            let Some(&nth) = burst.slots.get(at) else {
                return;
            };
            // There are at most as many refusals as requests.
            let _ = refused.push((nth, ack.errno));
            if ack.errno != EEXIST && outcome.first_refused.is_none() {
                let slot = slots.get(nth);
                outcome.first_refused = slot.map(|slot| refusal_text(&slot.address, ack));
            }
        });
        if let Err(error) = sent {
            let errno = error.raw_os_error().unwrap_or(0);
            let text = || error_text(&error);
            outcome.first_refused.get_or_insert_with(text);
            refused.clear();
            refused.extend(burst.slots.iter().map(|&nth| (nth, errno)));
        }
        size.adapt(cx.system.clock().since(start), CHUNK);
        for (at, &nth) in burst.slots.iter().enumerate() {
            let refusal = refused.iter().find(|(which, _)| *which == nth);
            let answer = Answer {
                nth,
                errno: refusal.map(|(_, errno)| *errno),
                was_ours: burst.new >> at & 1 == 0,
            };
            let known = Known { links, records };
            self.record_answer(cx.now, &answer, known, outcome);
        }
        batch.clear();
    }

    /// Records the answer to the request for one address.
    fn record_answer(
        &mut self,
        now: Instant,
        answer: &Answer,
        known: Known<'_>,
        outcome: &mut Outcome,
    ) {
        let Known { links, records } = known;
        let errno = answer.errno;
        let Some(slot) = self.slots.get_mut(answer.nth) else {
            return;
        };
        let marked = |slot: &Slot| {
            let present = slot.present(links);
            present.is_some_and(|one| links.is_ours(one, false))
        };
        let ours = match errno {
            None => true,
            Some(EEXIST) => answer.was_ours || marked(slot),
            Some(_) => false,
        };
        let was_installed = matches!(
            slot.state,
            AddressState::Installed | AddressState::Preexisting
        );
        if was_installed && matches!(errno, Some(EEXIST | ENODEV)) {
            // It exists, but its event is not read yet, which takes a moment for an IPv6 address. Or
            // the event about its interface is not read yet, which was removed.
            if slot.state == AddressState::Preexisting {
                slot.record_as(ours, records);
            }
            return;
        }
        if was_installed && errno.is_none() {
            outcome.restored += 1;
            slot.origin = Origin::Reinstalled;
            outcome.first_restored.get_or_insert(slot.listed());
        }
        slot.record_as(ours, records);
        slot.state = match errno {
            None => AddressState::Installed,
            Some(EEXIST) if ours => AddressState::Installed,
            Some(EEXIST) => AddressState::Preexisting,
            Some(errno) => AddressState::Refused(errno),
        };
        if slot.state == AddressState::Preexisting && self.kind == Kind::Virtual {
            outcome.found(slot);
        }
        slot.since = Some(now);
        // An address that existed before has no lifetime yet.
        let leased = self.lease.seconds.is_some() && errno.is_none();
        slot.renewed = leased.then_some(now);
        match slot.state {
            AddressState::Refused(_) => outcome.refused += 1,
            AddressState::Absent | AddressState::Installed | AddressState::Preexisting => {
                outcome.added += 1;
            }
        }
    }

    /// Compares the refusals with those reported last, and schedules a retry.
    fn finish(&mut self, now: Instant, outcome: &mut Outcome) {
        self.plan_renewal();
        if outcome.restored > 0 {
            outcome.repairs = self.repairs.repaired(now);
        } else {
            self.repairs.settle();
        }
        outcome.report = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            self.backoff.fail(now);
        } else if let Some(until) = outcome.left_until {
            self.backoff.schedule(until);
        }
    }
}

impl Burst {
    fn push(&mut self, nth: usize, seq: u32, new: bool) {
        if self.slots.is_empty() {
            self.first_seq = seq;
        }
        self.new |= u64::from(new) << self.slots.len();
        // A step has at most `CHUNK` requests.
        let _ = self.slots.push(nth);
    }
}

fn refusal_text(address: &Address, ack: &Ack<'_>) -> String {
    format!("{} on {}: {}", address.cidr, address.dev, reason(ack))
}
