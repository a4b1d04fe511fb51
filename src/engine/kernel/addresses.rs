//! A set of addresses that are installed or removed together, and their state in the kernel.
//!
//! One set per instance (VIPs and excluded VIPs) and one for `static_ipaddress`. A transition to
//! MASTER, an external removal, an interface that returns and a retry after a refusal all call
//! [`AddressSet::reconcile`], which installs the wanted addresses that are missing. There may be
//! thousands, so this is done in steps: see [`crate::engine::kernel::address_pass`].

use core::net::IpAddr;

use crate::config::model::Address;
use crate::engine::cx::Cx;
use crate::engine::instance::state_record::StateRecords;
use crate::engine::kernel::address_pass::Pass;
use crate::engine::kernel::backoff::Backoff;
use crate::engine::kernel::interfaces::{Interface, Interfaces, PROTO_KEEPALIVED};
use crate::engine::kernel::lease::Lease;
use crate::engine::kernel::present::Present;
use crate::engine::kernel::repair_limit::RepairLimit;
use crate::engine::kernel::secondaries::{self, Origin};
use crate::engine::system::{errno_text, error_text};
use crate::log;
use crate::netlink::addr::{AddrFlags, DesiredAddr};
use crate::netlink::{Ack, Batch};
use crate::types::{Cidr, Family, IfIndex, IfName, Instant, sorted};

/// Requests per `sendmsg`: the receive buffer of the socket holds as many refusals.
pub(super) const CHUNK: usize = 64;
const RETRY_FIRST: u32 = 1_000;
const RETRY_LAST: u32 = 30_000;

/// An address as the kernel lists it: with a peer, the prefix length is the peer's.
pub(crate) fn listed(address: &Address) -> Cidr {
    Cidr {
        addr: address.cidr.addr,
        prefix: address
            .options
            .peer
            .map_or(address.cidr.prefix, |peer| peer.prefix),
    }
}

/// State of an address in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AddressState {
    /// Not installed, as far as known.
    Absent,
    /// Installed by us; to be removed by us.
    Installed,
    /// Set by another program, as an address owner's own address is: never removed.
    Preexisting,
    /// Refused by the kernel with this error number.
    Refused(i32),
}

/// Kind of the addresses of a set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Virtual: any router of the VRRP group may have them.
    Virtual,
    /// Virtual, and this router is their owner (priority 255): they may be the machine's own.
    Owned,
    /// `static_ipaddress`.
    Static,
}

/// An address of a set.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) address: Address,
    pub(crate) state: AddressState,
    /// Interface it was installed on, which may have been renamed since.
    pub(super) on: Option<IfIndex>,
    /// When it was installed.
    pub(crate) since: Option<Instant>,
    /// When its lifetime was last set, if it has one.
    pub(crate) renewed: Option<Instant>,
    pub(super) origin: Origin,
    /// When another program had removed the address that it had set.
    pub(super) gone: Option<Instant>,
    /// Number of its record in the state file: it is ours, or is about to be.
    pub(super) record: Option<usize>,
}

impl Slot {
    fn new(address: Address) -> Self {
        Slot {
            address,
            state: AddressState::Absent,
            on: None,
            since: None,
            renewed: None,
            origin: Origin::Installed,
            gone: None,
            record: None,
        }
    }

    /// The interface an address of ours is installed on.
    pub(super) fn interface(&self, links: &Interfaces) -> Option<IfIndex> {
        self.record?;
        let known = self.on.and_then(|index| links.get(index));
        let link = known.or_else(|| links.by_name(&self.address.dev))?;
        // Another program may have set it again and so taken it over.
        let present = link.addrs.get(&self.listed());
        let ours = present.is_none_or(|one| links.is_ours(one, true));
        ours.then_some(link.index)
    }

    /// The address in the kernel, of this program or another one.
    pub(super) fn present<'a>(&self, links: &'a Interfaces) -> Option<&'a Present> {
        let link = links.by_name(&self.address.dev)?;
        link.addrs.get(&self.listed())
    }

    /// Whether it is an IPv4 address that others may be secondary to.
    pub(super) fn is_primary(&self, links: &Interfaces) -> bool {
        let cidr = self.listed();
        let link = self.interface(links).and_then(|index| links.get(index));
        let present = link.and_then(|link| link.addrs.get(&cidr));
        !cidr.addr.is_ipv6() && !cidr.is_host() && present.is_some_and(|one| !one.secondary)
    }

    pub(super) fn listed(&self) -> Cidr {
        listed(&self.address)
    }

    /// Interface, prefix length and network of an IPv4 address.
    fn network(&self) -> Option<(&str, u8, u32)> {
        let Cidr { addr, prefix } = self.listed();
        let IpAddr::V4(addr) = addr else {
            return None;
        };
        let host_bits = 32_u32.saturating_sub(prefix.into());
        let network = u32::from(addr).checked_shr(host_bits).unwrap_or(0);
        Some((self.address.dev.as_str(), prefix, network))
    }

    pub(crate) fn desired(
        &self,
        index: IfIndex,
        kind: Kind,
        now: Instant,
        lease: &Lease,
    ) -> DesiredAddr<'_> {
        let options = &self.address.options;
        DesiredAddr {
            index,
            cidr: self.address.cidr,
            peer: options.peer,
            broadcast: options.broadcast,
            scope: options.scope,
            label: options.label.as_ref().map(|label| label.as_str()),
            preferred_lft: self.preferred(now, lease),
            valid_lft: lease.seconds,
            flags: self.flags(kind),
            proto: PROTO_KEEPALIVED,
        }
    }

    /// Requests the removal if it was installed by us. The record is to be written after that.
    pub(super) fn delete(
        &mut self,
        cx: &mut Cx<'_>,
        batch: &mut Batch,
        kind: Kind,
        links: &Interfaces,
        records: &mut StateRecords,
    ) {
        if let Some(index) = self.interface(links) {
            let address = self.desired(index, kind, Instant::ZERO, &Lease::default());
            secondaries::delete(cx, batch, links, &address, self.origin);
        }
        self.on = None;
        self.origin = Origin::Installed;
        self.release(records);
        if self.state != AddressState::Preexisting || self.present(links).is_none() {
            self.state = AddressState::Absent;
        }
    }

    fn flags(&self, kind: Kind) -> AddrFlags {
        let address = &self.address;
        // VRRP has decided already who has a virtual address; duplicate address detection would
        // only delay the takeover by a second.
        let by_vrrp = kind != Kind::Static && address.cidr.family() == Family::V6;
        let options = &address.options;
        let nodad = options.nodad || by_vrrp;
        [
            (nodad, AddrFlags::NODAD),
            (options.home, AddrFlags::HOME),
            (options.mngtmpaddr, AddrFlags::MNGTMPADDR),
            (options.noprefixroute, AddrFlags::NOPREFIXROUTE),
            (options.autojoin, AddrFlags::AUTOJOIN),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(AddrFlags::NONE, |flags, (_, flag)| flags.with(flag))
    }
}

/// The interfaces, and what the state file says about addresses on them.
pub(crate) struct Known<'a> {
    pub(crate) links: &'a Interfaces,
    pub(crate) records: &'a mut StateRecords,
}

/// Result of an attempt to install.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Installed by this attempt.
    pub(crate) added: usize,
    /// Of those, reinstalled after an external removal.
    pub(crate) restored: usize,
    pub(crate) first_restored: Option<Cidr>,
    /// Number of this repair in its row.
    pub(crate) repairs: u32,
    /// Addresses that were added are to be announced, not only those that were reinstalled.
    pub(crate) announce_added: bool,
    /// Found that are not ours.
    pub(crate) foreign: usize,
    pub(crate) first_foreign: Option<(Cidr, IfName)>,
    pub(crate) refused: usize,
    /// The first refusal, for the log.
    pub(crate) first_refused: Option<String>,
    /// Until when an address is left to another program, which may set it again.
    pub(crate) left_until: Option<Instant>,
    /// Whether the number of refusals differs from the one reported last.
    pub(crate) report: bool,
}

/// The addresses of an instance, or of `static_ipaddress`.
#[derive(Debug)]
pub(crate) struct AddressSet {
    pub(crate) slots: Vec<Slot>,
    pub(crate) wanted: bool,
    pub(crate) kind: Kind,
    pub(crate) lease: Lease,
    pub(super) refused: usize,
    pub(super) backoff: Backoff,
    pub(crate) repairs: RepairLimit,
    /// The pass in progress.
    pub(super) pass: Option<Box<Pass>>,
    /// Addresses that are no longer configured and are still to be removed.
    pub(super) retired: Vec<Slot>,
}

impl AddressSet {
    pub(crate) fn new(addresses: impl Iterator<Item = Address>, kind: Kind) -> Self {
        AddressSet {
            slots: addresses.map(Slot::new).collect(),
            wanted: false,
            kind,
            lease: Lease::default(),
            refused: 0,
            backoff: Backoff::new(RETRY_FIRST, RETRY_LAST),
            repairs: RepairLimit::default(),
            pass: None,
            retired: Vec::new(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.slots.iter().map(|slot| &slot.address)
    }

    /// Every address and its state.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&Address, AddressState)> {
        self.slots.iter().map(|slot| (&slot.address, slot.state))
    }

    pub(crate) fn get(&self, nth: usize) -> Option<&Address> {
        self.slots.get(nth).map(|slot| &slot.address)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Takes over the addresses that another set has still to remove.
    pub(crate) fn retire(&mut self, other: &mut AddressSet) {
        self.retired.append(&mut other.retired);
    }

    /// The addresses as the kernel lists them.
    pub(crate) fn listed(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.slots.iter().map(Slot::listed)
    }

    /// Whether an address with this `track_group` is missing, or its interface is down.
    pub(crate) fn lacks(&self, group: usize, links: &Interfaces) -> bool {
        let tagged = |slot: &&Slot| slot.address.options.track_group == Some(group);
        let works = |slot: &Slot| {
            let installed = matches!(
                slot.state,
                AddressState::Installed | AddressState::Preexisting
            );
            installed
                && links
                    .by_name(&slot.address.dev)
                    .is_some_and(Interface::is_up)
        };
        let contested = self.slots.get(self.repairs.contested());
        let lost = contested.filter(|_| self.repairs.is_held());
        lost.iter().any(tagged) || self.slots.iter().filter(tagged).any(|slot| !works(slot))
    }

    /// When refused addresses are retried, and what was removed externally is reinstalled.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let retry = self.backoff.retry_at().filter(|_| self.wanted);
        retry.into_iter().chain(self.repairs.next_deadline()).min()
    }

    /// An address was removed. Returns whether another program has removed it from this set, which
    /// wants it, or removed one of its own.
    pub(crate) fn removed(&mut self, now: Instant, cidr: Cidr, links: &Interfaces) -> bool {
        let mut slots = self.slots.iter();
        let is_gone = |slot: &Slot| slot.listed() == cidr && slot.present(links).is_none();
        let Some(nth) = slots.position(is_gone) else {
            return false;
        };
        if !self.wanted {
            let slot = self.slots.get_mut(nth);
            let foreign = slot.filter(|slot| slot.state == AddressState::Preexisting);
            return foreign
                .map(|slot| slot.state = AddressState::Absent)
                .is_some();
        }
        if self.repairs.notice(now, nth)
            && self
                .get(nth)
                .is_some_and(|address| address.options.no_track)
        {
            self.repairs.cancel_hold();
        }
        true
    }

    /// Installs the addresses, in steps, and keeps them installed until [`AddressSet::withdraw`].
    pub(crate) fn install(&mut self, now: Instant) {
        self.wanted = true;
        for slot in &mut self.slots {
            if let AddressState::Refused(_) = slot.state {
                slot.state = AddressState::Absent;
            }
        }
        self.refused = 0;
        self.backoff.reset();
        self.start_pass(now);
    }

    /// Installs, in steps, wanted addresses that are missing in the kernel.
    pub(crate) fn reconcile(&mut self, now: Instant) {
        if self.wanted && self.repairs.may_repair(now) {
            self.backoff.cancel();
            self.repeat_pass(now);
        }
    }

    /// Takes the addresses of a new configuration. Those in both stay untouched; new ones are
    /// installed by the next [`AddressSet::reconcile`]. Those no longer in this set are removed, in
    /// steps, before that; at once if they are in another one, which installs them after all sets
    /// have removed theirs. `configured`: the addresses of all sets, sorted.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        new: impl Iterator<Item = Address>,
        kind: Kind,
        kernel: Known<'_>,
        configured: &[Cidr],
    ) {
        let Known { links, records } = kernel;
        let mut old = core::mem::take(&mut self.slots);
        let keys = old.iter().enumerate();
        let keys = keys.map(|(nth, slot)| (slot.listed(), nth)).collect();
        let order: Vec<(Cidr, usize)> = sorted(keys);
        let mut stays = vec![false; old.len()];
        self.slots = new
            .map(|address| {
                let mut slot = Slot::new(address);
                let listed = slot.listed();
                let first = order.partition_point(|(known, _)| *known < listed);
                let same = order.iter().skip(first);
                for &(_, nth) in same.take_while(|(known, _)| *known == listed) {
                    if let (Some(known), Some(stays)) = (old.get_mut(nth), stays.get_mut(nth))
                        && !*stays
                        && known.address == slot.address
                    {
                        *stays = true;
                        slot.state = known.state;
                        if slot.state == AddressState::Preexisting && kind != self.kind {
                            // Of an owner it was no reason for a warning.
                            slot.state = AddressState::Absent;
                        }
                        slot.on = known.on;
                        slot.since = known.since;
                        slot.renewed = known.renewed;
                        slot.origin = known.origin;
                        slot.record = known.record.take();
                        break;
                    }
                }
                slot
            })
            .collect();
        let mut stays = stays.into_iter();
        old.retain(|_| !stays.next().unwrap_or(false));
        // With the first address of a network the kernel removes all others of that network, unless
        // promote_secondaries is set. Those that stay are reinstalled at once, not when the events
        // arrive.
        let installed = |slot: &&Slot| slot.state == AddressState::Installed;
        let networks = old.iter().filter(installed).filter_map(Slot::network);
        let networks: Vec<(&str, u8, u32)> = sorted(networks.collect());
        for slot in &mut self.slots {
            if slot.state == AddressState::Installed
                && let Some(network) = slot.network()
                && networks.binary_search(&network).is_ok()
            {
                slot.state = AddressState::Absent;
            }
        }
        let moves = |slot: &Slot| configured.binary_search(&slot.listed()).is_ok();
        let (mut moved, gone): (Vec<Slot>, Vec<Slot>) = old.into_iter().partition(moves);
        remove(cx, &mut moved, self.kind, links, records);
        self.retired.extend(gone);
        self.kind = kind;
        self.restart_pass();
    }

    /// Removes, in steps, the addresses that were installed by us.
    pub(crate) fn withdraw(&mut self, now: Instant) {
        self.wanted = false;
        self.backoff.cancel();
        self.lease.due = None;
        self.repairs.settle();
        self.start_pass(now);
    }

    /// Removes the addresses that were installed by us, all at once.
    pub(crate) fn withdraw_now(
        &mut self,
        cx: &mut Cx<'_>,
        links: &Interfaces,
        records: &mut StateRecords,
    ) {
        self.withdraw(cx.now);
        self.pass = None;
        remove(cx, &mut self.slots, self.kind, links, records);
    }
}

/// Removes addresses that were installed by us, primary addresses last.
fn remove(
    cx: &mut Cx<'_>,
    slots: &mut [Slot],
    kind: Kind,
    links: &Interfaces,
    records: &mut StateRecords,
) {
    let mut batch = Batch::new(1);
    for primary in [false, true] {
        for slot in slots.iter_mut() {
            if slot.is_primary(links) == primary {
                slot.delete(cx, &mut batch, kind, links, records);
            }
            if batch.count() >= CHUNK {
                flush(cx, &mut batch);
            }
        }
    }
    flush(cx, &mut batch);
    records.write(cx);
}

pub(super) fn flush(cx: &mut Cx<'_>, batch: &mut Batch) {
    if !batch.is_empty() {
        let sent = cx.system.request(batch, &mut |ack| {
            log::debug!(target: "netlink", "address not removed: {}", reason(ack));
        });
        if let Err(error) = sent {
            log::error!(target: "netlink", "addresses not removed: {}", error_text(&error));
        }
    }
    batch.clear();
}

/// The error, with the kernel's extended acknowledgement if there is one.
pub(crate) fn reason(ack: &Ack<'_>) -> String {
    let error = errno_text(ack.errno);
    match ack.text {
        Some(text) => format!("{error} (kernel: {text})"),
        None => error,
    }
}
