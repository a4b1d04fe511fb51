//! nftables for `no_accept`: a table with two chains that drop packets to and from a set of
//! addresses.
//!
//! ```text
//! nfgenmsg: family u8 │ version u8, 0 │ resource id u16, big-endian (0; the subsystem in begin and end)
//! ```
//! All numbers in attributes are big-endian. Requests are enclosed in [`begin_batch`] and
//! [`end_batch`]: the kernel applies all of them or none.
//!
//! In nft(8) syntax, for IPv6 (the IPv4 table has no rules for link-local addresses and neighbor
//! discovery):
//! ```text
//! set vips { type ipv6_addr; }    set vips_link_local { type ipv6_addr . ifname; }
//! chain in { type filter hook input priority -1; policy accept;
//!     icmpv6 type 133-136 accept                       # neighbor discovery must keep working
//!     ip6 daddr . iifname @vips_link_local drop
//!     ip6 daddr @vips drop }
//! ```
//! and the same with `saddr` and `oifname` in chain `out`. The names are those of keepalived.

use core::net::IpAddr;

use super::{AF_INET, AF_INET6, Batch, NLM_F_CREATE, NLM_F_REQUEST};
use crate::types::{Family, IfName};

const NFNL_MSG_BATCH_BEGIN: u16 = 0x10;
const NFNL_MSG_BATCH_END: u16 = 0x11;
const NFNL_SUBSYS_NFTABLES: u8 = 10;
const NLM_F_APPEND: u16 = 0x800;

const NEWTABLE: u16 = message(0);
const DELTABLE: u16 = message(2);
const NEWCHAIN: u16 = message(3);
const NEWRULE: u16 = message(6);
const NEWSET: u16 = message(9);
const NEWSETELEM: u16 = message(12);

/// A message type: subsystem and command.
const fn message(what: u8) -> u16 {
    u16::from_be_bytes([NFNL_SUBSYS_NFTABLES, what])
}

/// `NFTA_*_TABLE`: the first attribute of every object.
const TABLE: u16 = 1;
const LIST_ELEM: u16 = 1;
const NF_DROP: u32 = 0;
const NF_ACCEPT: u32 = 1;

/// Largest number of elements per message: an element takes 48 bytes, and a message must stay below
/// 64 KiB.
pub const MAX_ELEMENTS: usize = 512;

/// Starts a transaction.
pub fn begin_batch(batch: &mut Batch) {
    frame(batch, NFNL_MSG_BATCH_BEGIN);
}

/// Ends a transaction.
pub fn end_batch(batch: &mut Batch) {
    frame(batch, NFNL_MSG_BATCH_END);
}

fn frame(batch: &mut Batch, kind: u16) {
    batch.start(kind, NLM_F_REQUEST);
    batch.fixed(&[0, 0, 0, NFNL_SUBSYS_NFTABLES]);
}

/// An address whose packets are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    /// The address.
    pub addr: IpAddr,
    /// Its interface; used for link-local addresses only.
    pub dev: &'a IfName,
}

/// One table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table<'a> {
    /// Address family.
    pub family: Family,
    /// Its name.
    pub name: &'a str,
    /// Hook priority; the usual packet filter has 0.
    pub priority: i32,
    /// The rules count dropped packets.
    pub counters: bool,
}

/// A set of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Set {
    name: &'static str,
    id: u32,
    link_local: bool,
}

const VIPS: Set = Set {
    name: "vips",
    id: 1,
    link_local: false,
};
const VIPS_LINK_LOCAL: Set = Set {
    name: "vips_link_local",
    id: 2,
    link_local: true,
};

/// A chain of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Chain {
    name: &'static str,
    hook: u32,
    /// Offset of the address in the IPv4 and in the IPv6 header.
    offsets: (u32, u32),
    /// `NFT_META_*` key of the interface name.
    meta_name: u32,
}

const CHAINS: [Chain; 2] = [
    Chain {
        name: "in",
        hook: 1,
        offsets: (16, 24),
        meta_name: 6,
    },
    Chain {
        name: "out",
        hook: 3,
        offsets: (12, 8),
        meta_name: 7,
    },
];

impl Table<'_> {
    /// Creates the table with empty sets, replacing an existing one.
    pub fn create(&self, batch: &mut Batch) {
        self.delete(batch);
        self.table(batch, NEWTABLE);
        for chain in CHAINS {
            self.chain(batch, chain);
        }
        for set in self.sets() {
            self.set(batch, *set);
        }
        for chain in CHAINS {
            if self.family == Family::V6 {
                self.rule(batch, chain, neighbor_discovery);
            }
            for set in self.sets().iter().rev() {
                self.rule(batch, chain, |batch| self.drop(batch, chain, *set));
            }
        }
    }

    /// Deletes the table; no error if it does not exist.
    pub fn delete(&self, batch: &mut Batch) {
        self.table(batch, NEWTABLE);
        self.table(batch, DELTABLE);
    }

    /// Adds at most [`MAX_ELEMENTS`] addresses. Those of the other family are skipped, existing
    /// ones stay.
    pub fn add(&self, batch: &mut Batch, elements: &[Element<'_>]) {
        for set in self.sets() {
            let mut fitting = elements
                .iter()
                .filter(|element| self.holds(*set, element))
                .peekable();
            if fitting.peek().is_none() {
                continue;
            }
            self.start(batch, NEWSETELEM, NLM_F_CREATE);
            batch.attr_text(2, set.name);
            number(batch, 4, set.id);
            batch.nested(3, |batch| {
                for element in fitting {
                    batch.nested(LIST_ELEM, |batch| {
                        batch.nested(1, |batch| key(batch, element, *set));
                    });
                }
            });
        }
    }

    fn sets(&self) -> &'static [Set] {
        match self.family {
            Family::V4 => &[VIPS],
            Family::V6 => &[VIPS, VIPS_LINK_LOCAL],
        }
    }

    /// Whether the element belongs to this set.
    fn holds(&self, set: Set, element: &Element<'_>) -> bool {
        let link_local = match element.addr {
            IpAddr::V4(_) => false,
            IpAddr::V6(addr) => addr.is_unicast_link_local(),
        };
        Family::of(element.addr) == self.family && set.link_local == link_local
    }

    fn start(&self, batch: &mut Batch, kind: u16, flags: u16) {
        batch.start(kind, NLM_F_REQUEST | flags);
        let family = match self.family {
            Family::V4 => AF_INET,
            Family::V6 => AF_INET6,
        };
        batch.fixed(&[family, 0, 0, 0]);
        batch.attr_text(TABLE, self.name);
    }

    fn table(&self, batch: &mut Batch, kind: u16) {
        self.start(batch, kind, 0);
        if kind == NEWTABLE {
            number(batch, 2, 0);
        }
    }

    fn chain(&self, batch: &mut Batch, chain: Chain) {
        self.start(batch, NEWCHAIN, NLM_F_CREATE);
        batch.attr_text(3, chain.name);
        batch.attr_text(7, "filter");
        number(batch, 5, NF_ACCEPT);
        batch.nested(4, |batch| {
            number(batch, 1, chain.hook);
            batch.attr(2, &self.priority.to_be_bytes());
        });
    }

    fn set(&self, batch: &mut Batch, set: Set) {
        // nft(8)'s type numbers, for listing the table; the kernel uses the length only.
        let (kind, len) = match (self.family, set.link_local) {
            (Family::V4, _) => (7, 4),
            (Family::V6, false) => (8, 16),
            (Family::V6, true) => (8 << 6 | 41, 32),
        };
        self.start(batch, NEWSET, NLM_F_CREATE);
        batch.attr_text(2, set.name);
        number(batch, 3, 0);
        number(batch, 4, kind);
        number(batch, 5, len);
        number(batch, 10, set.id);
    }

    fn rule(&self, batch: &mut Batch, chain: Chain, expressions: impl FnOnce(&mut Batch)) {
        self.start(batch, NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
        batch.attr_text(2, chain.name);
        batch.nested(4, expressions);
    }

    /// Drops packets to or from the addresses in the set.
    fn drop(&self, batch: &mut Batch, chain: Chain, set: Set) {
        let (offset, len) = match self.family {
            Family::V4 => (chain.offsets.0, 4),
            Family::V6 => (chain.offsets.1, 16),
        };
        payload(batch, NETWORK_HEADER, offset, len);
        if set.link_local {
            meta(batch, chain.meta_name, SECOND);
        }
        expression(batch, "lookup", |batch| {
            number(batch, 2, FIRST);
            batch.attr_text(1, set.name);
            number(batch, 4, set.id);
        });
        if self.counters {
            expression(batch, "counter", |_| ());
        }
        verdict(batch, NF_DROP);
    }
}

/// The element's key: the address, followed by the interface name in 16 bytes if it is link-local.
fn key(batch: &mut Batch, element: &Element<'_>, set: Set) {
    match element.addr {
        IpAddr::V4(addr) => batch.attr(1, &addr.octets()),
        IpAddr::V6(addr) => {
            let mut value = [0; 32];
            let name = element.dev.as_str().as_bytes();
            let bytes = addr.octets().into_iter().chain(name.iter().copied());
            for (to, from) in value.iter_mut().zip(bytes) {
                *to = from;
            }
            let (address, whole) = (value.first_chunk::<16>(), &value);
            let short: &[u8] = address.map_or(&[], |address| address);
            batch.attr(1, if set.link_local { whole } else { short });
        }
    }
}

// ---- expressions ----

/// Registers of 16 bytes; a 32-byte key occupies both.
const FIRST: u32 = 1;
const SECOND: u32 = 2;
const VERDICT: u32 = 0;

const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;
const META_L4PROTO: u32 = 16;
const CMP_EQ: u32 = 0;
const CMP_LTE: u32 = 3;
const CMP_GTE: u32 = 5;
const ICMPV6: u8 = 58;
/// ICMPv6 types from router solicitation to neighbor advertisement.
const NEIGHBOR_DISCOVERY: (u8, u8) = (133, 136);

/// Accepts neighbor discovery.
fn neighbor_discovery(batch: &mut Batch) {
    meta(batch, META_L4PROTO, FIRST);
    compare(batch, CMP_EQ, ICMPV6);
    payload(batch, TRANSPORT_HEADER, 0, 1);
    compare(batch, CMP_GTE, NEIGHBOR_DISCOVERY.0);
    compare(batch, CMP_LTE, NEIGHBOR_DISCOVERY.1);
    verdict(batch, NF_ACCEPT);
}

fn expression(batch: &mut Batch, name: &str, fill: impl FnOnce(&mut Batch)) {
    batch.nested(LIST_ELEM, |batch| {
        batch.attr_text(1, name);
        batch.nested(2, fill);
    });
}

/// Loads bytes of the packet into the first register.
fn payload(batch: &mut Batch, base: u32, offset: u32, len: u32) {
    expression(batch, "payload", |batch| {
        number(batch, 1, FIRST);
        number(batch, 2, base);
        number(batch, 3, offset);
        number(batch, 4, len);
    });
}

/// Loads packet metadata into a register.
fn meta(batch: &mut Batch, key: u32, register: u32) {
    expression(batch, "meta", |batch| {
        number(batch, 2, key);
        number(batch, 1, register);
    });
}

/// Compares one byte of the first register.
fn compare(batch: &mut Batch, how: u32, with: u8) {
    expression(batch, "cmp", |batch| {
        number(batch, 1, FIRST);
        number(batch, 2, how);
        batch.nested(3, |batch| batch.attr_u8(1, with));
    });
}

fn verdict(batch: &mut Batch, code: u32) {
    expression(batch, "immediate", |batch| {
        number(batch, 1, VERDICT);
        batch.nested(2, |batch| {
            batch.nested(2, |batch| number(batch, 1, code));
        });
    });
}

fn number(batch: &mut Batch, kind: u16, value: u32) {
    batch.attr(kind, &value.to_be_bytes());
}
