//! `no_accept`: what is sent to the addresses, and what would be sent from them, is dropped by nftables.
//!
//! The table stands from the beginning to the end and holds the addresses of all instances that do not
//! accept, whoever is master: the rules sit where packets are for this machine or come from it, and there
//! an address that this machine does not have never occurs. So nothing is left to do in a takeover but to see that the
//! addresses are still in the table, before they are set; somebody may have flushed the whole ruleset.
//!
//! Packets that only pass through are no business of these hooks.

use crate::config::model::Nft;
use crate::engine::cx::Cx;
use crate::engine::instance::router::Router;
use crate::engine::kernel::addresses::reason;
use crate::netlink::Batch;
use crate::netlink::nft::{self, Element, Table};
use crate::types::Family;

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct NoAccept {
    nft: Nft,
    /// Which of [`FAMILIES`] have a table.
    made: [bool; 2],
    /// Why the kernel does not do it, as last said.
    refused: Option<String>,
}

impl NoAccept {
    /// Whether addresses answer that should not.
    pub(crate) fn is_missing(&self) -> bool {
        self.refused.is_some()
    }

    /// A new configuration: makes the tables it needs, in one go with what is in them, and removes the others.
    pub(crate) fn replace(&mut self, cx: &mut Cx<'_>, nft: &Nft, routers: &[Router]) {
        if self.nft != *nft {
            self.remove(cx);
            self.nft = nft.clone();
        }
        self.make(cx, routers);
    }

    /// Sees to it that the instance's addresses are in the tables. To be called before they are set.
    pub(crate) fn ensure(&mut self, cx: &mut Cx<'_>, id: usize, routers: &[Router]) {
        let Some(router) = routers.get(id).filter(|router| !router.conf.accept) else {
            return;
        };
        let elements: Vec<Element<'_>> = elements(router).collect();
        for (made, family) in self.made.into_iter().zip(FAMILIES) {
            if elements.iter().any(|one| Family::of(one.addr) == family)
                && (!made || self.add(cx, family, &elements).is_err())
            {
                return self.make(cx, routers);
            }
        }
    }

    /// Takes over the tables of a predecessor that was killed: [`NoAccept::replace`] puts ours in their place.
    pub(crate) fn adopt(&mut self, nft: &Nft) {
        self.nft = nft.clone();
        self.made = [true; 2];
    }

    /// Removes the tables; also those of a predecessor that was killed.
    pub(crate) fn clean(&mut self, cx: &mut Cx<'_>, nft: &Nft) {
        self.adopt(nft);
        self.remove(cx);
    }

    /// Removes the tables we made.
    pub(crate) fn remove(&mut self, cx: &mut Cx<'_>) {
        for (made, family) in self.made.iter_mut().zip(FAMILIES) {
            if core::mem::take(made) {
                let table = table(&self.nft, family);
                if let Err(why) = request(cx, |batch| table.delete(batch)) {
                    log::debug!(target: "netlink", "table {} not removed: {why}", table.name);
                }
            }
        }
    }

    fn make(&mut self, cx: &mut Cx<'_>, routers: &[Router]) {
        let before = self.refused.take();
        let elements: Vec<Element<'_>> = routers
            .iter()
            .filter(|router| !router.conf.accept)
            .flat_map(elements)
            .collect();
        for (place, family) in FAMILIES.into_iter().enumerate() {
            let mine = elements.iter().copied();
            let mine: Vec<Element<'_>> =
                mine.filter(|one| Family::of(one.addr) == family).collect();
            let result = self.make_one(cx, place, family, &mine);
            self.refused = core::mem::take(&mut self.refused).or(result.err());
        }
        self.say(before.as_deref(), routers);
    }

    fn make_one(
        &mut self,
        cx: &mut Cx<'_>,
        place: usize,
        family: Family,
        elements: &[Element<'_>],
    ) -> Result<(), String> {
        let made = self.made.get(place).is_some_and(|made| *made);
        if elements.is_empty() && !made {
            return Ok(());
        }
        let table = table(&self.nft, family);
        let mut chunks = elements.chunks(nft::MAX_ELEMENTS);
        let result = request(cx, |batch| {
            if let Some(first) = chunks.next() {
                table.create(batch);
                table.add(batch, first);
            } else {
                table.delete(batch);
            }
        });
        if let Some(made) = self.made.get_mut(place) {
            *made = result.is_ok() && !elements.is_empty();
        }
        result?;
        chunks.try_for_each(|chunk| self.add(cx, family, chunk))
    }

    fn add(&self, cx: &mut Cx<'_>, family: Family, elements: &[Element<'_>]) -> Result<(), String> {
        let table = table(&self.nft, family);
        elements
            .chunks(nft::MAX_ELEMENTS)
            .try_for_each(|chunk| request(cx, |batch| table.add(batch, chunk)))
    }

    /// Says that it does not work, or that it works again, when that is news.
    fn say(&self, before: Option<&str>, routers: &[Router]) {
        let Some(why) = &self.refused else {
            if before.is_some() {
                log::info!(target: "vrrp", "no_accept is enforced now");
            }
            return;
        };
        if before == Some(why) {
            return;
        }
        let mut names = String::new();
        for router in routers.iter().filter(|router| !router.conf.accept) {
            if !names.is_empty() {
                names.push_str(", ");
            }
            names.push_str(&router.conf.name);
        }
        log::error!(
            target: "vrrp",
            "no_accept is not enforced, the addresses of {names} answer: nftables: {why} \
             (it needs the kernel's nf_tables; OpenWrt: kmod-nft-core)"
        );
    }
}

fn table(nft: &Nft, family: Family) -> Table<'_> {
    Table {
        family,
        name: &nft.table,
        priority: nft.priority,
        counters: nft.counters,
    }
}

fn elements(router: &Router) -> impl Iterator<Item = Element<'_>> {
    router.addresses.addresses().map(|address| Element {
        addr: address.cidr.addr,
        dev: &address.dev,
    })
}

/// All that `fill` appends happens, or nothing and the kernel's first reason.
fn request(cx: &mut Cx<'_>, fill: impl FnOnce(&mut Batch)) -> Result<(), String> {
    let mut batch = Batch::new(1);
    nft::begin_batch(&mut batch);
    fill(&mut batch);
    nft::end_batch(&mut batch);
    let mut refusal = None;
    let sent = cx.system.request_netfilter(&batch, &mut |ack| {
        refusal.get_or_insert_with(|| reason(ack));
    });
    sent.map_err(|error| error.to_string())?;
    refusal.map_or(Ok(()), Err)
}
