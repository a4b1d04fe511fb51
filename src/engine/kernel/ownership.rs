//! Addresses of this program and of others: one of another program is never removed, also if it
//! equals a configured one, and one that a killed process has left always is.
//!
//! Ours are marked (`IFA_PROTO`, since Linux 5.18). On older kernels the state file decides: each is
//! recorded before it is requested, unless the table of addresses has it already, until after it was
//! removed. What the kernel then refuses with `EEXIST` is another program's.

use crate::config::model::Address;
use crate::engine::cx::Cx;
use crate::engine::instance::state_record::StateRecords;
use crate::engine::kernel::addresses::{
    AddressSet, AddressState, CHUNK, Kind, Outcome, Slot, flush,
};
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::kernel::secondaries::{self, Origin};
use crate::netlink::Batch;
use crate::netlink::addr::DesiredAddr;
use crate::types::{Cidr, IfName};

impl Slot {
    /// Records whether it is ours.
    pub(super) fn record_as(&mut self, ours: bool, records: &mut StateRecords) {
        if ours {
            self.claim(records);
        } else {
            self.release(records);
        }
    }

    /// Records that it is ours.
    pub(super) fn claim(&mut self, records: &mut StateRecords) {
        if self.record.is_none() {
            let (dev, cidr) = (&self.address.dev, self.listed());
            self.record = Some(records.add_address(dev, cidr));
        }
    }

    /// Records in another file that it is ours.
    pub(crate) fn renumber(&mut self, records: &mut StateRecords) {
        self.record = None;
        self.claim(records);
    }

    /// Records that it is not ours.
    pub(super) fn release(&mut self, records: &mut StateRecords) {
        if let Some(nth) = self.record.take() {
            records.remove(nth);
        }
    }
}

impl Outcome {
    /// A virtual address was found that another program has set.
    pub(super) fn found(&mut self, slot: &Slot) {
        self.foreign = self.foreign.saturating_add(1);
        let first = || (slot.listed(), slot.address.dev.clone());
        self.first_foreign.get_or_insert_with(first);
    }
}

impl AddressSet {
    /// The addresses that this process or a former one has set.
    pub(crate) fn ours(&mut self) -> impl Iterator<Item = &mut Slot> {
        let all = self.slots.iter_mut().chain(&mut self.retired);
        all.filter(|slot| slot.record.is_some())
    }

    /// The addresses without those that another program has set.
    pub(crate) fn except_foreign(&self, links: &Interfaces) -> impl Iterator<Item = &Address> {
        let own =
            |slot: &&Slot| slot.state != AddressState::Preexisting || slot.present(links).is_none();
        self.slots.iter().filter(own).map(|slot| &slot.address)
    }

    /// Whether another program has set this address, or had.
    pub(crate) fn is_foreign(&self, cidr: Cidr) -> bool {
        let mut slots = self.slots.iter();
        slots.any(|slot| slot.state == AddressState::Preexisting && slot.listed() == cidr)
    }

    /// Whether this address of an interface is ours.
    pub(crate) fn has_set(&self, cidr: &Cidr, dev: &IfName) -> bool {
        let set = |slot: &Slot| slot.record.is_some() && slot.address.dev == *dev;
        let mut slots = self.slots.iter();
        slots.any(|slot| set(slot) && slot.listed() == *cidr)
    }

    /// Takes the addresses of this set from those that a former process has set. They are sorted and
    /// different; `true` are taken.
    pub(crate) fn take_own_from(&mut self, recorded: &mut [(IfName, Cidr, bool)]) {
        for slot in &mut self.slots {
            let own = (&slot.address.dev, &slot.listed());
            let first = recorded.partition_point(|(dev, cidr, _)| (dev, cidr) < own);
            let found = recorded.get_mut(first);
            let found = found.filter(|(dev, cidr, taken)| (dev, cidr) == own && !*taken);
            if let Some((_, _, taken)) = found {
                *taken = true;
                // Numbered when the file is written.
                slot.record = Some(usize::MAX);
            }
        }
    }

    /// Adopts addresses that an earlier run has left. Returns their number.
    pub(crate) fn adopt(&mut self, links: &Interfaces, records: &mut StateRecords) -> usize {
        let mut adopted = 0;
        for slot in &mut self.slots {
            let recorded = slot.record.is_some();
            let present = slot.present(links);
            if present.is_some_and(|one| links.is_ours(one, recorded)) {
                slot.claim(records);
                slot.state = AddressState::Installed;
                adopted += 1;
            } else {
                // Another program's, or gone.
                slot.release(records);
            }
        }
        adopted
    }

    /// Finds addresses that another program has set, all or one: they stay in the kernel.
    pub(crate) fn find_foreign(
        &mut self,
        links: &Interfaces,
        records: &mut StateRecords,
        which: Option<Cidr>,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for slot in &mut self.slots {
            if which.is_some_and(|cidr| slot.listed() != cidr)
                || slot.state == AddressState::Preexisting
            {
                continue;
            }
            let recorded = slot.record.is_some();
            let present = slot.present(links);
            if present.is_some_and(|one| !links.is_ours(one, recorded)) {
                slot.release(records);
                slot.state = AddressState::Preexisting;
                if self.kind == Kind::Virtual {
                    outcome.found(slot);
                }
            }
        }
        outcome
    }
}

/// Removes those of the recorded addresses that are not taken and that another program has not set
/// again, and returns their number.
pub(crate) fn remove_recorded(
    cx: &mut Cx<'_>,
    recorded: &[(IfName, Cidr, bool)],
    links: &Interfaces,
) -> usize {
    let mut batch = Batch::new(1);
    let mut count = 0_usize;
    for (dev, cidr, _) in recorded.iter().filter(|(_, _, taken)| !taken) {
        let Some(link) = links.by_name(dev) else {
            continue;
        };
        let present = link.addrs.get(cidr);
        if present.is_some_and(|one| links.is_ours(one, true)) {
            let address = DesiredAddr::new(link.index, *cidr);
            secondaries::delete(cx, &mut batch, links, &address, Origin::Installed);
            count = count.saturating_add(1);
            if batch.count() >= CHUNK {
                flush(cx, &mut batch);
            }
        }
    }
    flush(cx, &mut batch);
    count
}
