//! `virtual_rules` and `static_rules`.
//!
//! A rule that would select other packets than the line says is left out.

use super::Lowering;
use super::names::Kind;
use super::route::{Words, count};
use crate::config::diag::Severity;
use crate::config::model::Rule;
use crate::config::schema::value::{self, Selector};
use crate::config::tree::{Node, Word};
use crate::types::{Cidr, Family, IfName};

/// `FR_ACT_*`.
const TO_TABLE: u8 = 1;
const GOTO: u8 = 2;
/// Actions by name.
const ACTIONS: &[(&str, u8)] = &[
    ("nop", 3),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];

/// Protocols that rules are written for, so that no file need be there to look them up in.
const PROTOCOLS: &[(&str, u8)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("ospf", 89),
    ("vrrp", 112),
    ("sctp", 132),
    ("udplite", 136),
];

/// Rules without a priority get this one, and less from rule to rule: keepalived's choice.
pub(super) const FIRST_PRIORITY: u32 = 16_384;

/// A rule half read.
struct Draft {
    rule: Rule,
    from: Option<Selector>,
    to: Option<Selector>,
    family: Option<Family>,
    priority: Option<u32>,
    /// How many words say what to do.
    actions: u32,
}

impl Draft {
    fn new() -> Self {
        Draft {
            rule: Rule::default(),
            from: None,
            to: None,
            family: None,
            priority: None,
            actions: 0,
        }
    }

    fn act(&mut self, action: u8) {
        self.rule.action = action;
        self.actions = self.actions.saturating_add(1);
    }
}

impl Lowering<'_> {
    /// The rules of a block.
    pub(super) fn rules<'a>(&mut self, items: impl Iterator<Item = &'a Node>) -> Vec<Rule> {
        let mut list = Vec::new();
        for item in items {
            if let Some(rule) = self.rule(item)
                && self.one_more_route(item.keyword.span)
            {
                list.push(rule);
            }
        }
        list
    }

    /// A line; nothing when the rule is left out, which has been said then.
    fn rule(&mut self, item: &Node) -> Option<Rule> {
        let mut draft = Draft::new();
        let mut words = Words::of(item);
        while let Some(word) = words.next() {
            if !self.action(&mut draft, word, &mut words)? {
                self.selector(&mut draft, word, &mut words)?;
            }
        }
        self.finish_rule(draft, item)
    }

    /// Options that say what to do, and the rule's place.
    fn action(&mut self, draft: &mut Draft, word: &Word, words: &mut Words<'_>) -> Option<bool> {
        match &*word.text {
            "table" => {
                draft.rule.table = self.named(Kind::Table, words.next()?)?;
                draft.act(TO_TABLE);
            }
            "l3mdev" => {
                draft.rule.l3mdev = true;
                draft.act(TO_TABLE);
            }
            "goto" => {
                draft.rule.target = words.value(count)?;
                draft.act(GOTO);
            }
            "priority" => draft.priority = words.value(count),
            "suppress_prefixlength" => draft.rule.suppress_prefix = words.value(count),
            "suppress_ifgroup" => {
                draft.rule.suppress_group = Some(self.named(Kind::Group, words.next()?)?);
            }
            "realms" => draft.rule.realms = self.realms(words.next()?)?,
            "protocol" => draft.rule.protocol = self.named_byte(Kind::Protocol, words.next()?)?,
            "no_track" => draft.rule.no_track = true,
            "track_group" => {
                draft.rule.track_group = words.next().and_then(|word| self.track_group(word));
            }
            other => {
                let row = ACTIONS.iter().find(|(name, _)| *name == other);
                let Some((_, action)) = row else {
                    return Some(false);
                };
                draft.act(*action);
            }
        }
        Some(true)
    }

    /// Options that say which packets.
    fn selector(&mut self, draft: &mut Draft, word: &Word, words: &mut Words<'_>) -> Option<()> {
        let rule = &mut draft.rule;
        match &*word.text {
            "not" => rule.not = true,
            "inet" => draft.family = Some(Family::V4),
            "inet6" => draft.family = Some(Family::V6),
            "from" => draft.from = words.value(value::selector),
            "to" => draft.to = words.value(value::selector),
            "iif" => rule.iif = words.value(IfName::new),
            "oif" => rule.oif = words.value(IfName::new),
            "fwmark" => rule.fwmark = words.value(value::mark),
            "tos" => rule.tos = self.named_byte(Kind::Tos, words.next()?)?,
            "uidrange" => rule.uids = words.value(value::range),
            "tunnel-id" => rule.tunnel = words.value(count)?,
            "ipproto" => {
                let name = words.next()?;
                let row = PROTOCOLS.iter().find(|(known, _)| *known == &*name.text);
                let Some(number) = row.map(|(_, number)| *number).or(count(&name.text)) else {
                    let message = format!("no protocol is called `{}`; line ignored", name.text);
                    let help = "write its number, as in /etc/protocols";
                    self.error(name.span, message, help);
                    return None;
                };
                rule.ip_proto = number;
            }
            "sport" => rule.sport = Some(self.ports(words.next()?)?),
            "dport" => rule.dport = Some(self.ports(words.next()?)?),
            _ => {}
        }
        Some(())
    }

    fn ports(&mut self, word: &Word) -> Option<(u16, u16)> {
        let range = value::range(&word.text);
        let ports =
            range.and_then(|(from, to)| Some((u16::try_from(from).ok()?, u16::try_from(to).ok()?)));
        if ports.is_none() {
            let message = format!("`{}` is beyond port 65535; line ignored", word.text);
            self.diags.report(Severity::Error, word.span, message);
        }
        ports
    }

    /// Settles what only the whole line tells.
    fn finish_rule(&mut self, draft: Draft, item: &Node) -> Option<Rule> {
        let span = item.keyword.span;
        let Draft {
            mut rule,
            from,
            to,
            family,
            priority,
            actions,
        } = draft;
        let net = [from, to].into_iter().flatten().find_map(|net| match net {
            Selector::Net(net) => Some(net.family()),
            Selector::All => None,
        });
        rule.family = family.or(net).unwrap_or(Family::V4);
        let mut place = |net: Option<Selector>| {
            let net = self.network(net?, rule.family, span);
            Some(net).filter(|net| net.prefix > 0)
        };
        (rule.from, rule.to) = (place(from), place(to));
        let other = |net: &Cidr| net.family() != rule.family;
        if let Some(net) = [rule.from, rule.to].into_iter().flatten().find(other) {
            let message = format!(
                "{net} is no {} network, as the rest of the rule is; line ignored",
                rule.family
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        if actions != 1 {
            let message = "a rule needs one of `table`, `goto`, `nop`, `blackhole`, `unreachable`, \
                           `prohibit`, `l3mdev`, and no more; line ignored";
            let help = "write `table main` to look where packets are looked up anyway";
            self.error(span, message, help);
            return None;
        }
        rule.priority = match priority {
            Some(priority) => priority,
            None => self.next_priority(&rule, item),
        };
        if rule.action == GOTO && rule.target <= rule.priority {
            let message = format!(
                "`goto {}` does not lead on from priority {}; line ignored",
                rule.target, rule.priority
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        self.ours(&mut rule.protocol, rule.no_track, span);
        Some(rule)
    }

    fn next_priority(&mut self, rule: &Rule, item: &Node) -> u32 {
        let next = match rule.family {
            Family::V4 => &mut self.priorities.0,
            Family::V6 => &mut self.priorities.1,
        };
        let priority = *next;
        *next = next.saturating_sub(1);
        let message = format!("a rule without `priority` gets {priority}");
        let help = "write one: the order of rules decides";
        self.diags
            .report_with_help(Severity::Warning, item.keyword.span, message, help);
        priority
    }
}
