//! Policy routing rules.
//!
//! ```text
//! fib_rule_hdr: family u8 │ dst length u8 │ src length u8 │ TOS u8 │ table u8 │ 0 u8 │ 0 u8 │ action u8 │ flags u32
//! ```
//! One type serves both directions: a rule contains no interface index and is reported as it was
//! added. It always has a priority here; without one the kernel chooses it, and adding the same
//! rule twice makes two. Deleting removes the first rule that matches all attributes of the
//! request.

use core::net::IpAddr;

use super::{
    Attr, Attrs, Batch, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, ParseError, Reader, address,
    family, family_number,
};
use crate::types::{Cidr, Family};

pub(super) const RTM_NEWRULE: u16 = 32;
/// A rule was deleted; see [`super::route::RTM_DELROUTE`].
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

/// Look up in the table.
pub const FR_ACT_TO_TBL: u8 = 1;
/// Continue with another rule.
pub const FR_ACT_GOTO: u8 = 2;
/// No effect.
pub const FR_ACT_NOP: u8 = 3;
/// Drop silently.
pub const FR_ACT_BLACKHOLE: u8 = 6;
/// Reject as unreachable.
pub const FR_ACT_UNREACHABLE: u8 = 7;
/// Reject as prohibited.
pub const FR_ACT_PROHIBIT: u8 = 8;

/// `FRA_SUPPRESS_PREFIXLEN` of a rule without `suppress_prefixlength`.
const NO_SUPPRESSION: u32 = u32::MAX;

/// A rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule<'a> {
    /// Address family.
    pub family: Family,
    /// `not`: applies to packets that do not match.
    pub not: bool,
    /// Source prefix.
    pub from: Option<Cidr>,
    /// Destination prefix.
    pub to: Option<Cidr>,
    /// Incoming interface.
    pub iif: Option<&'a str>,
    /// Outgoing interface: the one the socket is bound to.
    pub oif: Option<&'a str>,
    /// Firewall mark and mask.
    pub fwmark: Option<(u32, u32)>,
    /// Type of service.
    pub tos: u8,
    /// Priority (`pref`).
    pub priority: u32,
    /// `FR_ACT_*`.
    pub action: u8,
    /// Table to look up; 0 with other actions.
    pub table: u32,
    /// Priority of the rule to continue with; 0 with other actions.
    pub target: u32,
    /// Realms, as in a route; 0: none.
    pub realms: u32,
    /// `suppress_prefixlength`: ignore routes with a prefix up to this length.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`: ignore routes through interfaces of this group.
    pub suppress_group: Option<u32>,
    /// `uidrange`: first and last user id.
    pub uids: Option<(u32, u32)>,
    /// `ipproto`; 0: any.
    pub ip_proto: u8,
    /// First and last source port.
    pub sport: Option<(u16, u16)>,
    /// First and last destination port.
    pub dport: Option<(u16, u16)>,
    /// `l3mdev`: look up in the table of the interface's VRF.
    pub l3mdev: bool,
    /// `tun_id`; 0: any.
    pub tunnel: u64,
    /// `RTPROT_*`: origin.
    pub protocol: u8,
}

impl Rule<'_> {
    /// A rule that matches all packets of `family` and has no effect.
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

/// Appends a request that adds a rule; fails with `EEXIST` if it exists.
pub fn add(batch: &mut Batch, rule: &Rule<'_>) -> u32 {
    let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL;
    request(batch, RTM_NEWRULE, flags, rule)
}

/// Appends a request that deletes a rule; fails with `ENOENT` if it does not exist.
pub fn delete(batch: &mut Batch, rule: &Rule<'_>) -> u32 {
    request(batch, RTM_DELRULE, NLM_F_REQUEST, rule)
}

fn request(batch: &mut Batch, kind: u16, flags: u16, rule: &Rule<'_>) -> u32 {
    let seq = batch.start(kind, flags);
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
        (FRA_GOTO, nonzero(rule.target)),
        (FRA_PRIORITY, Some(rule.priority)),
        (FRA_FLOW, nonzero(rule.realms)),
        (FRA_SUPPRESS_PREFIXLEN, rule.suppress_prefix),
        (FRA_SUPPRESS_IFGROUP, rule.suppress_group),
        (FRA_TABLE, nonzero(rule.table).filter(|_| table == 0)),
    ];
    for (kind, word) in words {
        if let Some(word) = word {
            batch.attr_u32_ne(kind, word);
        }
    }
    newer_attributes(batch, rule);
    seq
}

/// Attributes that only newer kernels support; each is sent only if it is used.
fn newer_attributes(batch: &mut Batch, rule: &Rule<'_>) {
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
        // In network byte order, unlike all others.
        batch.attr(FRA_TUN_ID, &rule.tunnel.to_be_bytes());
    }
}

fn nonzero(word: u32) -> Option<u32> {
    (word != 0).then_some(word)
}

// ---- replies and notifications ----

/// Parses a rule. `None` for families other than IPv4 and IPv6.
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
        FRA_DST => set_addr(&mut rule.to, attr.ip(family)?),
        FRA_SRC => set_addr(&mut rule.from, attr.ip(family)?),
        FRA_IIFNAME => rule.iif = Some(attr.text()?),
        FRA_OIFNAME => rule.oif = Some(attr.text()?),
        FRA_GOTO => rule.target = attr.u32_ne()?,
        FRA_PRIORITY => rule.priority = attr.u32_ne()?,
        FRA_FWMARK => {
            let mask = rule.fwmark.map_or(u32::MAX, |(_, mask)| mask);
            rule.fwmark = Some((attr.u32_ne()?, mask));
        }
        // Also reported for rules without a mark.
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

fn set_addr(selector: &mut Option<Cidr>, addr: IpAddr) {
    if let Some(selector) = selector {
        selector.addr = addr;
    }
}

fn ports(attr: &Attr<'_>) -> Result<(u16, u16), ParseError> {
    let mut r = Reader::new(attr.value);
    Ok((r.u16_ne()?, r.u16_ne()?))
}
