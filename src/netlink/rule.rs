//! Policy rules.
//!
//! ```text
//! fib_rule_hdr: family u8 │ dst length u8 │ src length u8 │ TOS u8 │ table u8 │ 0 u8 │ 0 u8 │ action u8 │ flags u32
//! ```
//! One type for both directions: a rule has no interface number in it and is told as it was asked for. It always
//! has a priority here; where there is none the kernel chooses one, and two rules that say the same are two.
//! Deleting takes the first rule that has all that is named.

use core::net::IpAddr;

use super::{
    Attr, Attrs, Batch, NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, ParseError, Reader,
    address, family, family_number,
};
use crate::types::{Cidr, Family};

pub(super) const RTM_NEWRULE: u16 = 32;
/// A rule is gone; see [`super::route::RTM_DELROUTE`].
pub const RTM_DELRULE: u16 = 33;

const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_IIFNAME: u16 = 3;
const FRA_GOTO: u16 = 4;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_FLOW: u16 = 11;
const FRA_TUN_ID: u16 = 12;
const FRA_SUPPRESS_IFGROUP: u16 = 13;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_OIFNAME: u16 = 17;
const FRA_L3MDEV: u16 = 19;
const FRA_UID_RANGE: u16 = 20;
const FRA_PROTOCOL: u16 = 21;
const FRA_IP_PROTO: u16 = 22;
const FRA_SPORT_RANGE: u16 = 23;
const FRA_DPORT_RANGE: u16 = 24;

const FIB_RULE_INVERT: u32 = 2;

/// `FR_ACT_TO_TBL`: look in the table.
pub const FR_ACT_TO_TBL: u8 = 1;
/// `FR_ACT_GOTO`.
pub const FR_ACT_GOTO: u8 = 2;
/// `FR_ACT_NOP`.
pub const FR_ACT_NOP: u8 = 3;
/// `FR_ACT_BLACKHOLE`.
pub const FR_ACT_BLACKHOLE: u8 = 6;
/// `FR_ACT_UNREACHABLE`.
pub const FR_ACT_UNREACHABLE: u8 = 7;
/// `FR_ACT_PROHIBIT`.
pub const FR_ACT_PROHIBIT: u8 = 8;

/// `suppress_prefixlength` of a rule that suppresses nothing.
const NO_SUPPRESSION: u32 = u32::MAX;

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule<'a> {
    /// Its family.
    pub family: Family,
    /// Packets that do not match.
    pub not: bool,
    /// Their source.
    pub from: Option<Cidr>,
    /// Their destination.
    pub to: Option<Cidr>,
    /// The interface they came in by.
    pub iif: Option<&'a str>,
    /// The interface their socket is bound to.
    pub oif: Option<&'a str>,
    /// Mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// Type of service.
    pub tos: u8,
    /// Place among the rules.
    pub priority: u32,
    /// `FR_ACT_*`.
    pub action: u8,
    /// Table to look in; 0 unless that is the action.
    pub table: u32,
    /// Rule to go to; 0 unless that is the action.
    pub target: u32,
    /// Realms, as in a route; 0: none.
    pub realms: u32,
    /// Routes with prefixes up to this are ignored.
    pub suppress_prefix: Option<u32>,
    /// Routes by interfaces of this group are ignored.
    pub suppress_group: Option<u32>,
    /// Users whose sockets it is for.
    pub uids: Option<(u32, u32)>,
    /// Protocol of the packet; 0: any.
    pub ip_proto: u8,
    /// Source ports.
    pub sport: Option<(u16, u16)>,
    /// Destination ports.
    pub dport: Option<(u16, u16)>,
    /// The table is that of the interface's routing domain.
    pub l3mdev: bool,
    /// Tunnel; 0: any.
    pub tunnel: u64,
    /// `RTPROT_*`: who made it.
    pub protocol: u8,
}

impl Rule<'_> {
    /// A rule of `family` for all packets that does nothing.
    #[must_use]
    pub const fn new(family: Family) -> Self {
        Rule {
            family,
            not: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            fwmark: None,
            tos: 0,
            priority: 0,
            action: FR_ACT_NOP,
            table: 0,
            target: 0,
            realms: 0,
            suppress_prefix: None,
            suppress_group: None,
            uids: None,
            ip_proto: 0,
            sport: None,
            dport: None,
            l3mdev: false,
            tunnel: 0,
            protocol: 0,
        }
    }
}

// ---- requests ----

/// Asks to add a rule; `EEXIST` where it already is.
pub fn add(batch: &mut Batch, rule: &Rule<'_>) -> u32 {
    let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    request(batch, RTM_NEWRULE, flags, rule)
}

/// Asks to delete a rule; `ENOENT` where there is none.
pub fn delete(batch: &mut Batch, rule: &Rule<'_>) -> u32 {
    request(batch, RTM_DELRULE, NLM_F_REQUEST | NLM_F_ACK, rule)
}

fn request(batch: &mut Batch, kind: u16, flags: u16, rule: &Rule<'_>) -> u32 {
    let seq = batch.begin(kind, flags);
    let prefix = |cidr: Option<Cidr>| cidr.map_or(0, |cidr| cidr.prefix);
    let table = u8::try_from(rule.table).unwrap_or(0);
    let family = family_number(rule.family);
    batch.fixed(&[family, prefix(rule.to), prefix(rule.from), rule.tos]);
    batch.fixed(&[table, 0, 0, rule.action]);
    let inverted = if rule.not { FIB_RULE_INVERT } else { 0 };
    batch.fixed(&inverted.to_ne_bytes());
    for (kind, cidr) in [(FRA_DST, rule.to), (FRA_SRC, rule.from)] {
        if let Some(cidr) = cidr.filter(|cidr| cidr.prefix > 0) {
            address(batch, kind, cidr.addr);
        }
    }
    for (kind, name) in [(FRA_IIFNAME, rule.iif), (FRA_OIFNAME, rule.oif)] {
        if let Some(name) = name {
            batch.attr_text(kind, name);
        }
    }
    if let Some((mark, mask)) = rule.fwmark {
        batch.attr_u32_ne(FRA_FWMARK, mark);
        if mask != u32::MAX {
            batch.attr_u32_ne(FRA_FWMASK, mask);
        }
    }
    let words = [
        (FRA_GOTO, some(rule.target)),
        (FRA_PRIORITY, Some(rule.priority)),
        (FRA_FLOW, some(rule.realms)),
        (FRA_SUPPRESS_PREFIXLEN, rule.suppress_prefix),
        (FRA_SUPPRESS_IFGROUP, rule.suppress_group),
        (FRA_TABLE, some(rule.table).filter(|_| table == 0)),
    ];
    for (kind, word) in words {
        if let Some(word) = word {
            batch.attr_u32_ne(kind, word);
        }
    }
    packets(batch, rule);
    seq
}

/// What newer kernels know of: each of these is sent only where it is used.
fn packets(batch: &mut Batch, rule: &Rule<'_>) {
    if let Some((from, to)) = rule.uids {
        let ([a, b, c, d], [e, f, g, h]) = (from.to_ne_bytes(), to.to_ne_bytes());
        batch.attr(FRA_UID_RANGE, &[a, b, c, d, e, f, g, h]);
    }
    for (kind, ports) in [(FRA_SPORT_RANGE, rule.sport), (FRA_DPORT_RANGE, rule.dport)] {
        if let Some((from, to)) = ports {
            let ([a, b], [c, d]) = (from.to_ne_bytes(), to.to_ne_bytes());
            batch.attr(kind, &[a, b, c, d]);
        }
    }
    let bytes = [
        (FRA_L3MDEV, u8::from(rule.l3mdev)),
        (FRA_IP_PROTO, rule.ip_proto),
        (FRA_PROTOCOL, rule.protocol),
    ];
    for (kind, byte) in bytes {
        if byte != 0 {
            batch.attr_u8(kind, byte);
        }
    }
    if rule.tunnel != 0 {
        // The one number here that is in network order.
        batch.attr(FRA_TUN_ID, &rule.tunnel.to_be_bytes());
    }
}

fn some(word: u32) -> Option<u32> {
    (word != 0).then_some(word)
}

// ---- answers and notifications ----

/// Reads a rule. `None` for families other than IPv4 and IPv6.
pub(super) fn parse(payload: &[u8]) -> Result<Option<Rule<'_>>, ParseError> {
    let mut r = Reader::new(payload);
    let [number, to, from, tos] = r.array()?;
    let [table, _, _, action] = r.array()?;
    let flags = r.u32_ne()?;
    let Some((family, any)) = family(number) else {
        return Ok(None);
    };
    let cidr = |prefix| match prefix {
        0 => Ok(None),
        _ if prefix > family.host_prefix() => Err(ParseError::Prefix(prefix)),
        _ => Ok(Some(Cidr { addr: any, prefix })),
    };
    let mut rule = Rule {
        not: flags & FIB_RULE_INVERT != 0,
        from: cidr(from)?,
        to: cidr(to)?,
        tos,
        action,
        table: u32::from(table),
        ..Rule::new(family)
    };
    for attr in Attrs::new(r.rest()) {
        property(&mut rule, &attr?)?;
    }
    Ok(Some(rule))
}

fn property<'a>(rule: &mut Rule<'a>, attr: &Attr<'a>) -> Result<(), ParseError> {
    let family = rule.family;
    match attr.kind {
        FRA_DST => place(&mut rule.to, attr.ip(family)?),
        FRA_SRC => place(&mut rule.from, attr.ip(family)?),
        FRA_IIFNAME => rule.iif = Some(attr.text()?),
        FRA_OIFNAME => rule.oif = Some(attr.text()?),
        FRA_GOTO => rule.target = attr.u32_ne()?,
        FRA_PRIORITY => rule.priority = attr.u32_ne()?,
        FRA_FWMARK => {
            let mask = rule.fwmark.map_or(u32::MAX, |(_, mask)| mask);
            rule.fwmark = Some((attr.u32_ne()?, mask));
        }
        // Told also of rules that look at no mark.
        FRA_FWMASK => {
            let mark = rule.fwmark.map_or(0, |(mark, _)| mark);
            let mask = attr.u32_ne()?;
            rule.fwmark = Some((mark, mask)).filter(|_| mask != 0);
        }
        FRA_FLOW => rule.realms = attr.u32_ne()?,
        FRA_TUN_ID => rule.tunnel = attr.u64_be()?,
        FRA_SUPPRESS_IFGROUP => rule.suppress_group = Some(attr.u32_ne()?),
        FRA_SUPPRESS_PREFIXLEN => {
            let prefix = attr.u32_ne()?;
            rule.suppress_prefix = Some(prefix).filter(|prefix| *prefix != NO_SUPPRESSION);
        }
        FRA_TABLE => rule.table = attr.u32_ne()?,
        FRA_L3MDEV => rule.l3mdev = attr.u8()? != 0,
        FRA_UID_RANGE => {
            let mut r = Reader::new(attr.value);
            rule.uids = Some((r.u32_ne()?, r.u32_ne()?));
        }
        FRA_PROTOCOL => rule.protocol = attr.u8()?,
        FRA_IP_PROTO => rule.ip_proto = attr.u8()?,
        FRA_SPORT_RANGE => rule.sport = Some(ports(attr)?),
        FRA_DPORT_RANGE => rule.dport = Some(ports(attr)?),
        _ => {}
    }
    Ok(())
}

fn place(selector: &mut Option<Cidr>, addr: IpAddr) {
    if let Some(selector) = selector {
        selector.addr = addr;
    }
}

fn ports(attr: &Attr<'_>) -> Result<(u16, u16), ParseError> {
    let mut r = Reader::new(attr.value);
    Ok((r.u16_ne()?, r.u16_ne()?))
}
