//! A set of addresses that are either all wanted or all not, and what the kernel thinks of each.
//!
//! One set per instance (VIPs and excluded VIPs) and one for `static_ipaddress`. The kernel is the
//! truth: becoming master, a removal by somebody else, an interface that comes back and a retry after a
//! refusal all end in [`AddressSet::reconcile`], which adds what is wanted and not there.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use core::time::Duration;
use std::io;

use crate::config::model::Address;
use crate::engine::kernel::interfaces::{Interface, Interfaces, PROTO_KEEPALIVED};
use crate::engine::kernel::lease::Lease;
use crate::netlink::addr::{self, AddrFlags, DesiredAddr};
use crate::netlink::{Ack, Batch};
use crate::types::errno::EEXIST;
use crate::types::{Cidr, Family, IfIndex, IfName, Instant, sorted};

/// Requests per `sendmsg`: as many refusals fit the socket's buffer with ease.
const CHUNK: usize = 64;
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// What we know of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Held {
    /// Not there, as far as we know.
    No,
    /// Added by us; ours to remove.
    Ours,
    /// Was there before us and belongs to the machine (an address owner's own address): left alone.
    Theirs,
    /// The kernel said no.
    Refused(i32),
}

/// Whose the addresses of a set are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Virtual: any router of the group may have them.
    Virtual,
    /// Virtual, and this router owns them (priority 255): they may be the machine's own.
    Owned,
    /// `static_ipaddress`: the machine's alone.
    Static,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) address: Address,
    pub(crate) held: Held,
    /// Where it was set; the interface may have another name by now.
    on: Option<IfIndex>,
    /// When it was set.
    pub(crate) since: Option<Instant>,
    /// When its lifetime was last set, if it has one.
    pub(crate) renewed: Option<Instant>,
}

impl Slot {
    fn new(address: Address) -> Self {
        Slot {
            address,
            held: Held::No,
            on: None,
            since: None,
            renewed: None,
        }
    }

    /// The interface it is on, if it is ours.
    fn place(&self, links: &Interfaces) -> Option<IfIndex> {
        let known = self.on.and_then(|index| links.get(index));
        let link = known.or_else(|| links.by_name(&self.address.dev));
        link.filter(|_| self.held == Held::Ours)
            .map(|link| link.index)
    }

    /// The address as the kernel lists it: with a peer, the prefix is the peer's.
    fn listed(&self) -> Cidr {
        let Address { cidr, peer, .. } = &self.address;
        Cidr {
            addr: cidr.addr,
            prefix: peer.map_or(cidr.prefix, |peer| peer.prefix),
        }
    }

    /// Whether both are IPv4 addresses of one network on one interface.
    fn is_beside(&self, other: &Slot) -> bool {
        let (one, two) = (self.listed(), other.listed());
        let network = |cidr: Cidr| match cidr.addr {
            IpAddr::V4(addr) => {
                let host_bits = 32_u32.saturating_sub(cidr.prefix.into());
                u32::from(addr).checked_shr(host_bits).or(Some(0))
            }
            IpAddr::V6(_) => None,
        };
        one.prefix == two.prefix
            && self.address.dev == other.address.dev
            && network(one).is_some()
            && network(one) == network(two)
    }

    pub(crate) fn spec(
        &self,
        index: IfIndex,
        kind: Kind,
        now: Instant,
        lease: &Lease,
    ) -> DesiredAddr<'_> {
        let address = &self.address;
        DesiredAddr {
            index,
            cidr: address.cidr,
            peer: address.peer,
            broadcast: address.broadcast,
            scope: address.scope,
            label: address.label.as_ref().map(|label| label.as_str()),
            preferred_lft: self.preferred(now, lease),
            valid_lft: lease.seconds,
            flags: self.flags(kind),
            proto: PROTO_KEEPALIVED,
        }
    }

    fn flags(&self, kind: Kind) -> AddrFlags {
        let address = &self.address;
        // Who has a virtual address is VRRP's decision, made before this; duplicate address detection would
        // only make the takeover a second longer.
        let decided = kind != Kind::Static && address.cidr.family() == Family::V6;
        let nodad = address.nodad || decided;
        [
            (nodad, AddrFlags::NODAD),
            (address.home, AddrFlags::HOME),
            (address.mngtmpaddr, AddrFlags::MNGTMPADDR),
            (address.noprefixroute, AddrFlags::NOPREFIXROUTE),
            (address.autojoin, AddrFlags::AUTOJOIN),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(AddrFlags::NONE, |flags, (_, flag)| flags.with(flag))
    }
}

/// What an attempt came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Set now.
    pub(crate) added: usize,
    /// Of those, set again after somebody else had removed them.
    pub(crate) restored: usize,
    /// The first of the restored.
    pub(crate) first_restored: Option<Cidr>,
    /// Refused by the kernel.
    pub(crate) refused: usize,
    /// The first refusal, in words.
    pub(crate) first_refused: Option<String>,
    /// Whether refusals are a change to what was reported last.
    pub(crate) report: bool,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct AddressSet {
    pub(crate) slots: Vec<Slot>,
    pub(crate) wanted: bool,
    pub(crate) kind: Kind,
    pub(crate) lease: Lease,
    refused: usize,
    retry_at: Option<Instant>,
    retry_after: Duration,
}

impl AddressSet {
    pub(crate) fn new(addresses: impl Iterator<Item = Address>, kind: Kind) -> Self {
        AddressSet {
            slots: addresses.map(Slot::new).collect(),
            wanted: false,
            kind,
            lease: Lease::default(),
            refused: 0,
            retry_at: None,
            retry_after: RETRY_FIRST,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.slots.iter().map(|slot| &slot.address)
    }

    /// Every address, and whether it is there or why not.
    pub(crate) fn states(&self) -> impl Iterator<Item = (&Address, Result<bool, i32>)> {
        self.slots.iter().map(|slot| {
            let state = match slot.held {
                Held::No => Ok(false),
                Held::Ours | Held::Theirs => Ok(true),
                Held::Refused(errno) => Err(errno),
            };
            (&slot.address, state)
        })
    }

    pub(crate) fn get(&self, place: usize) -> Option<&Address> {
        self.slots.get(place).map(|slot| &slot.address)
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The addresses as the kernel lists them, and their interfaces.
    pub(crate) fn installed_as(&self) -> impl Iterator<Item = (&IfName, Cidr)> {
        let slots = self.slots.iter();
        slots.map(|slot| (&slot.address.dev, slot.listed()))
    }

    /// Takes its own addresses out of `stale`.
    pub(crate) fn remove_own_from(&self, stale: &mut Vec<(IfName, Cidr)>) {
        for (dev, cidr) in self.installed_as() {
            stale.retain(|stray| (&stray.0, stray.1) != (dev, cidr));
        }
    }

    /// The addresses as the kernel lists them.
    pub(crate) fn listed(&self) -> impl Iterator<Item = Cidr> + '_ {
        self.slots.iter().map(Slot::listed)
    }

    /// Whether an address tagged with this `track_group` is not there, or of no use because its interface is down.
    pub(crate) fn lacks(&self, group: usize, links: &Interfaces) -> bool {
        let tagged = |slot: &&Slot| slot.address.track_group == Some(group);
        let good = |slot: &Slot| {
            let held = matches!(slot.held, Held::Ours | Held::Theirs);
            held && links
                .by_name(&slot.address.dev)
                .is_some_and(Interface::is_up)
        };
        self.slots.iter().filter(tagged).any(|slot| !good(slot))
    }

    /// When a refused address is tried again.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.retry_at.filter(|_| self.wanted)
    }

    /// Removes what a daemon that was killed has left behind.
    pub(crate) fn remove_leftovers(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> usize {
        let left = self.adopt(links);
        if left > 0 {
            self.withdraw(cx, links);
        }
        left
    }

    /// What is there is ours from now on; tells how many there are.
    pub(crate) fn adopt(&mut self, links: &Interfaces) -> usize {
        let mut left = 0;
        for slot in &mut self.slots {
            let present = links.by_name(&slot.address.dev).and_then(|link| {
                link.addrs
                    .iter()
                    .find(|present| present.cidr == slot.listed())
            });
            let Some(present) = present else { continue };
            if self.kind == Kind::Owned && !present.marked {
                slot.held = Held::Theirs;
            } else {
                slot.held = Held::Ours;
                left += 1;
            }
        }
        left
    }

    /// From now on these addresses are wanted; adds them.
    pub(crate) fn install(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        self.wanted = true;
        for slot in &mut self.slots {
            if let Held::Refused(_) = slot.held {
                slot.held = Held::No;
            }
        }
        self.refused = 0;
        self.retry_after = RETRY_FIRST;
        self.reconcile(cx, links)
    }

    /// Adds what is wanted and not there. Call it when something may have changed and all news have
    /// been read; it trusts `links`.
    pub(crate) fn reconcile(&mut self, cx: &mut Cx<'_>, links: &Interfaces) -> Outcome {
        let mut outcome = Outcome::default();
        self.retry_at = None;
        if !self.wanted {
            return outcome;
        }
        let mut batch = Batch::new(1);
        let mut missing = Missing::default();
        for place in 0..self.slots.len() {
            let Some(slot) = self.slots.get(place) else {
                break;
            };
            let Some(link) = links.by_name(&slot.address.dev) else {
                continue;
            };
            match slot.held {
                Held::Ours | Held::Theirs if link.has(&slot.listed()) => continue,
                Held::Ours | Held::Theirs | Held::No | Held::Refused(_) => {}
            }
            let index = link.index;
            let seq = addr::add(
                &mut batch,
                &slot.spec(index, self.kind, cx.now, &self.lease),
            );
            if let Some(slot) = self.slots.get_mut(place) {
                slot.on = Some(index);
            }
            if missing.push(place, seq) == CHUNK {
                self.add(cx, &mut batch, &mut missing, &mut outcome);
            }
        }
        self.add(cx, &mut batch, &mut missing, &mut outcome);
        self.after(cx.now, &mut outcome);
        outcome
    }

    /// Sends one chunk of additions and notes the answers.
    fn add(
        &mut self,
        cx: &mut Cx<'_>,
        batch: &mut Batch,
        missing: &mut Missing,
        outcome: &mut Outcome,
    ) {
        if missing.places.is_empty() {
            return;
        }
        let mut refused: heapless::Vec<(usize, i32), CHUNK> = heapless::Vec::new();
        let slots = &self.slots;
        let sent = cx.system.request(batch, &mut |ack: &Ack<'_>| {
            let nth =
                usize::try_from(ack.seq.wrapping_sub(missing.first_seq)).unwrap_or(usize::MAX);
            let Some(&place) = missing.places.get(nth) else {
                return;
            };
            // As many places as there are requests.
            let _ = refused.push((place, ack.errno));
            if ack.errno != EEXIST && outcome.first_refused.is_none() {
                outcome.first_refused = slots.get(place).map(|slot| words(&slot.address, ack));
            }
        });
        if let Err(error) = sent {
            let errno = error.raw_os_error().unwrap_or(0);
            outcome
                .first_refused
                .get_or_insert_with(|| error.to_string());
            refused.clear();
            refused.extend(missing.places.iter().map(|&place| (place, errno)));
        }
        for &place in &missing.places {
            let errno = refused
                .iter()
                .find(|(which, _)| *which == place)
                .map(|(_, errno)| *errno);
            let Some(slot) = self.slots.get_mut(place) else {
                continue;
            };
            let lost = matches!(slot.held, Held::Ours | Held::Theirs);
            if lost && errno == Some(EEXIST) {
                // It is there: its news is on the way, which takes an IPv6 address a moment.
                continue;
            }
            if lost && errno.is_none() {
                outcome.restored += 1;
                outcome.first_restored.get_or_insert(slot.listed());
            }
            slot.held = match (errno, slot.held) {
                (None, _) => Held::Ours,
                (Some(EEXIST), Held::No) if self.kind == Kind::Owned => Held::Theirs,
                (Some(EEXIST), _) => Held::Ours,
                (Some(errno), _) => Held::Refused(errno),
            };
            // What was there before has no lifetime yet.
            slot.since = Some(cx.now);
            slot.renewed = self
                .lease
                .seconds
                .filter(|_| errno.is_none())
                .map(|_| cx.now);
            match slot.held {
                Held::Refused(_) => outcome.refused += 1,
                Held::No | Held::Ours | Held::Theirs => outcome.added += 1,
            }
        }
        batch.clear();
        missing.places.clear();
    }

    fn after(&mut self, now: Instant, outcome: &mut Outcome) {
        self.plan();
        outcome.report = outcome.refused != self.refused;
        self.refused = outcome.refused;
        if outcome.refused > 0 {
            self.retry_at = Some(now.after(self.retry_after));
            self.retry_after = self.retry_after.saturating_mul(2).min(RETRY_LAST);
        }
    }

    /// A reload: these addresses from now on. Those that stay are left alone, those that went are removed;
    /// what is new is added by the next [`AddressSet::reconcile`], when all sets have let go of theirs.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        new: impl Iterator<Item = Address>,
        kind: Kind,
        links: &Interfaces,
    ) {
        let mut old = core::mem::take(&mut self.slots);
        let keys = old.iter().enumerate();
        let keys = keys.map(|(place, slot)| (slot.listed(), place)).collect();
        let order: Vec<(Cidr, usize)> = sorted(keys);
        let mut stays = vec![false; old.len()];
        self.slots = new
            .map(|address| {
                let mut slot = Slot::new(address);
                let listed = slot.listed();
                let first = order.partition_point(|(known, _)| *known < listed);
                let alike = order.iter().skip(first);
                for &(_, place) in alike.take_while(|(known, _)| *known == listed) {
                    if let (Some(known), Some(stays)) = (old.get(place), stays.get_mut(place))
                        && !*stays
                        && known.address == slot.address
                    {
                        *stays = true;
                        slot.held = known.held;
                        slot.on = known.on;
                        slot.since = known.since;
                        slot.renewed = known.renewed;
                        break;
                    }
                }
                slot
            })
            .collect();
        let mut stays = stays.into_iter();
        old.retain(|_| !stays.next().unwrap_or(false));
        // With the first address of a network the kernel removes all others of that network, unless told to
        // promote them. Those that stay are set again at once, instead of when the news arrive.
        let mut networks: Vec<&Slot> = Vec::new();
        for gone in old.iter().filter(|gone| gone.held == Held::Ours) {
            if !networks.iter().any(|known| known.is_beside(gone)) {
                networks.push(gone);
            }
        }
        for slot in &mut self.slots {
            if slot.held == Held::Ours && networks.iter().any(|gone| gone.is_beside(slot)) {
                slot.held = Held::No;
            }
        }
        remove(cx, &mut old, self.kind, links);
        self.kind = kind;
    }

    /// From now on these addresses are not wanted; removes those that are ours. Refusals are of no
    /// consequence: what is not there cannot be removed, and an interface that is gone took them along.
    pub(crate) fn withdraw(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.wanted = false;
        self.retry_at = None;
        self.lease.due = None;
        remove(cx, &mut self.slots, self.kind, links);
    }
}

/// Removes the addresses that are ours.
fn remove(cx: &mut Cx<'_>, slots: &mut [Slot], kind: Kind, links: &Interfaces) {
    let mut batch = Batch::new(1);
    let mut count = 0_usize;
    for slot in slots {
        if let Some(index) = slot.place(links) {
            let forever = Lease::default();
            let spec = slot.spec(index, kind, Instant::ZERO, &forever);
            addr::delete(&mut batch, &spec);
            count += 1;
            if count.is_multiple_of(CHUNK) {
                flush(cx, &mut batch);
            }
        }
        slot.on = None;
        if slot.held != Held::Theirs {
            slot.held = Held::No;
        }
    }
    flush(cx, &mut batch);
}

/// Removes those of these addresses that bear our mark, and tells how many there are. Without a mark, before Linux
/// 5.18, they may be anybody's.
pub(crate) fn remove_marked(
    cx: &mut Cx<'_>,
    stale: &[(IfName, Cidr)],
    links: &Interfaces,
) -> usize {
    let mut batch = Batch::new(1);
    let mut count = 0_usize;
    for (dev, cidr) in stale {
        let Some(link) = links.by_name(dev) else {
            continue;
        };
        let mut there = link.addrs.iter();
        if there.any(|there| there.marked && there.cidr == *cidr) {
            addr::delete(&mut batch, &DesiredAddr::new(link.index, *cidr));
            count = count.saturating_add(1);
            if count.is_multiple_of(CHUNK) {
                flush(cx, &mut batch);
            }
        }
    }
    flush(cx, &mut batch);
    count
}

fn flush(cx: &mut Cx<'_>, batch: &mut Batch) {
    if !batch.is_empty() {
        let unsent: io::Result<()> = cx.system.request(batch, &mut |ack| {
            log::debug!(target: "netlink", "address not removed: {}", reason(ack));
        });
        if let Err(error) = unsent {
            log::error!(target: "netlink", "addresses not removed: {error}");
        }
    }
    batch.clear();
}

/// Slots whose addresses stand in the batch, in its order.
#[derive(Default)]
struct Missing {
    places: heapless::Vec<usize, CHUNK>,
    /// Number of the first request.
    first_seq: u32,
}

impl Missing {
    fn push(&mut self, place: usize, seq: u32) -> usize {
        if self.places.is_empty() {
            self.first_seq = seq;
        }
        let _ = self.places.push(place);
        self.places.len()
    }
}

fn words(address: &Address, ack: &Ack<'_>) -> String {
    format!("{} on {}: {}", address.cidr, address.dev, reason(ack))
}

/// The kernel's own words where it has some.
pub(crate) fn reason(ack: &Ack<'_>) -> String {
    let error = io::Error::from_raw_os_error(ack.errno);
    match ack.text {
        Some(text) => format!("{error}: {text}"),
        None => error.to_string(),
    }
}
