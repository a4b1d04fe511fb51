//! `no_accept`: nftables drops packets to the virtual addresses and from them.
//!
//! The table exists from startup to exit and contains the addresses of all instances with
//! `no_accept`, whichever router is master: in the input and output hooks an address that this
//! machine does not have never occurs. A takeover only has to ensure, before the addresses are set,
//! that they are still in the table, because the whole ruleset may have been flushed. Forwarded
//! packets do not pass these hooks.
//!
//! Left out is an address that another program has set: the router's own, by which it is reached.

use crate::config::model::Nft;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::router::{Router, Routers};
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::shared::Shared;
use crate::engine::system::error_text;
use crate::log::{self, Level};
use crate::netlink::Batch;
use crate::netlink::nft::{self, Element, Table};
use crate::types::{Family, InstanceId};

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The nftables tables and their state.
#[derive(Debug, Default)]
pub(crate) struct NoAccept {
    nft: Nft,
    /// Which of [`FAMILIES`] have a table.
    created: [bool; 2],
    /// Why the kernel refused them, as last logged.
    refused: Option<String>,
    /// An address came from another program, or is its no longer: the tables must be created again.
    pub(crate) stale: bool,
}

impl NoAccept {
    /// Whether addresses accept packets that should not.
    pub(crate) fn is_missing(&self) -> bool {
        self.refused.is_some()
    }

    /// Creates the tables that a configuration needs, each with its contents in one transaction,
    /// and removes the others.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        nft: &Nft,
        routers: &[Router],
        links: &Interfaces,
    ) {
        if self.nft != *nft {
            self.remove(cx);
            self.nft = nft.clone();
        }
        self.stale = false;
        self.create(cx, routers, links);
    }

    /// Ensures that the instance's addresses are in the tables. To be called before they are set.
    pub(crate) fn ensure(
        &mut self,
        cx: &mut Cx<'_>,
        id: InstanceId,
        routers: &Routers,
        links: &Interfaces,
    ) {
        let Some(router) = routers.get(id).filter(|router| !router.conf.accept) else {
            return;
        };
        let elements: Vec<Element<'_>> = elements(router, links).collect();
        for (created, family) in self.created.into_iter().zip(FAMILIES) {
            if elements.iter().any(|one| Family::of(one.addr) == family)
                && (!created || self.add(cx, family, &elements).is_err())
            {
                return self.create(cx, routers, links);
            }
        }
    }

    /// Takes over the tables of a killed process; [`NoAccept::replace`] replaces them.
    pub(crate) fn adopt(&mut self, nft: &Nft) {
        self.nft = nft.clone();
        self.created = [true; 2];
    }

    /// Removes the tables that a killed process may have left.
    pub(crate) fn remove_leftovers(&mut self, cx: &mut Cx<'_>, nft: &Nft) {
        self.adopt(nft);
        self.remove(cx);
    }

    /// Removes the tables that exist.
    pub(crate) fn remove(&mut self, cx: &mut Cx<'_>) {
        for (created, family) in self.created.iter_mut().zip(FAMILIES) {
            if core::mem::take(created) {
                let table = table(&self.nft, family);
                if let Err(why) = request(cx, |batch| table.delete(batch)) {
                    log::debug!(target: "netlink", "table {} not removed: {why}", table.name);
                }
            }
        }
    }

    fn create(&mut self, cx: &mut Cx<'_>, routers: &[Router], links: &Interfaces) {
        let before = self.refused.take();
        let elements: Vec<Element<'_>> = routers
            .iter()
            .filter(|router| !router.conf.accept)
            .flat_map(|router| elements(router, links))
            .collect();
        for (nth, family) in FAMILIES.into_iter().enumerate() {
            let own = elements.iter().copied();
            let own: Vec<Element<'_>> = own.filter(|one| Family::of(one.addr) == family).collect();
            let result = self.create_one(cx, nth, &own);
            self.refused = core::mem::take(&mut self.refused).or(result.err());
        }
        self.report_change(cx, before.as_deref(), routers);
    }

    /// Creates the table of the `nth` family.
    fn create_one(
        &mut self,
        cx: &mut Cx<'_>,
        nth: usize,
        elements: &[Element<'_>],
    ) -> Result<(), String> {
        let Some(&family) = FAMILIES.get(nth) else {
            return Ok(());
        };
        let created = self.created.get(nth).is_some_and(|created| *created);
        if elements.is_empty() && !created {
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
        if let Some(created) = self.created.get_mut(nth) {
            *created = result.is_ok() && !elements.is_empty();
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

    /// Reports when the tables stop or start working.
    fn report_change(&self, cx: &Cx<'_>, before: Option<&str>, routers: &[Router]) {
        let Some(why) = &self.refused else {
            if before.is_some() {
                cx.note(
                    Level::Info,
                    EventKind::Recovered,
                    Object::DAEMON,
                    format_args!("no_accept is enforced now"),
                );
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
        cx.note(
            Level::Error,
            EventKind::Refused,
            Object::DAEMON,
            format_args!(
                "no_accept is not enforced, the addresses of {names} accept packets: nftables: {why} \
                 (requires nf_tables in the kernel; OpenWrt: kmod-nft-core)"
            ),
        );
    }
}

impl Engine {
    /// Creates the tables for the configured instances.
    pub(crate) fn replace_no_accept(&mut self, cx: &mut Cx<'_>) {
        let Shared {
            global,
            interfaces,
            no_accept,
            ..
        } = &mut self.shared;
        no_accept.replace(cx, &global.nft, &self.routers, interfaces);
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

fn elements<'a>(router: &'a Router, links: &Interfaces) -> impl Iterator<Item = Element<'a>> {
    let own = router.addresses.except_foreign(links);
    own.map(|address| Element {
        addr: address.cidr.addr,
        dev: &address.dev,
    })
}

/// Sends what `fill` appends as one transaction. The error is the kernel's first refusal.
fn request(cx: &mut Cx<'_>, fill: impl FnOnce(&mut Batch)) -> Result<(), String> {
    let mut batch = Batch::new(1);
    nft::begin_batch(&mut batch);
    fill(&mut batch);
    nft::end_batch(&mut batch);
    let mut refusal = None;
    let sent = cx.system.request_netfilter(&batch, &mut |ack| {
        refusal.get_or_insert_with(|| reason(ack));
    });
    sent.map_err(|error| error_text(&error))?;
    refusal.map_or(Ok(()), Err)
}
