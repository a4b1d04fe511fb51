//! `virtual_rules` and `static_rules`.
//!
//! A rule that would match other packets than the line says is left out.

use super::names::NameKind;
use super::route::Words;
use super::{Lowering, number};
use crate::config::diag::{Diag, Recurring, Severity};
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

/// Names for `ipproto`, built in because a router may have no /etc/protocols.
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

/// The priority of the next rule without `priority`. As in keepalived, it starts at 16384 and
/// decreases from rule to rule.
pub(super) struct NextPriority {
    v4: u32,
    v6: u32,
}

impl Default for NextPriority {
    fn default() -> Self {
        NextPriority {
            v4: 16_384,
            v6: 16_384,
        }
    }
}

impl NextPriority {
    fn take(&mut self, family: Family) -> u32 {
        let next = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        let priority = *next;
        *next = next.saturating_sub(1);
        priority
    }
}

/// The action of this name.
fn action(name: &str) -> Option<u8> {
    let row = ACTIONS.iter().find(|(known, _)| *known == name);
    row.map(|(_, action)| *action)
}

/// A line that is being read.
struct RuleLine {
    rule: Rule,
    from: Option<Selector>,
    to: Option<Selector>,
    family: Option<Family>,
    priority: Option<u32>,
    /// Number of actions; exactly one is required.
    actions: u32,
}

impl RuleLine {
    fn new() -> Self {
        RuleLine {
            rule: Rule::default(),
            from: None,
            to: None,
            family: None,
            priority: None,
            actions: 0,
        }
    }

    fn set_action(&mut self, action: u8) {
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
                && self.count_route(item.keyword.span)
            {
                list.push(rule);
            }
        }
        list
    }

    /// A line; `None` if the rule is left out, which has been reported.
    fn rule(&mut self, item: &Node) -> Option<Rule> {
        let mut line = RuleLine::new();
        let mut words = Words::of(item);
        while let Some(word) = words.next() {
            if !self.rule_action(&mut line, word, &mut words)? {
                self.rule_selector(&mut line, word, &mut words)?;
            }
        }
        self.finish_rule(line, item)
    }

    /// Actions, and options that select no packets. False if it is another option; `None` if the
    /// rule is left out.
    fn rule_action(
        &mut self,
        line: &mut RuleLine,
        word: &Word,
        words: &mut Words<'_>,
    ) -> Option<bool> {
        match &*word.text {
            "table" => {
                line.rule.table = self.number_of(NameKind::Table, words.next()?)?;
                line.set_action(TO_TABLE);
            }
            "l3mdev" => {
                line.rule.l3mdev = true;
                line.set_action(TO_TABLE);
            }
            "type" => {
                // `unicast` and `goto` stand for the options `table` and `goto`.
                let name = words.next()?;
                if let Some(action) = action(&name.text) {
                    line.set_action(action);
                }
            }
            "goto" => {
                line.rule.target = words.value(number)?;
                line.set_action(GOTO);
            }
            "priority" => line.priority = words.value(number),
            "suppress_prefixlength" => line.rule.suppress_prefix = words.value(number),
            "suppress_ifgroup" => {
                line.rule.suppress_group = Some(self.number_of(NameKind::Group, words.next()?)?);
            }
            "realms" => line.rule.realms = self.realms(words.next()?)?,
            "protocol" => line.rule.protocol = self.byte_of(NameKind::Protocol, words.next()?)?,
            "no_track" => line.rule.no_track = true,
            "track_group" => {
                line.rule.track_group = words.next().and_then(|word| self.track_group(word));
            }
            other => match action(other) {
                Some(action) => line.set_action(action),
                None => return Some(false),
            },
        }
        Some(true)
    }

    /// Options that select packets. `None` if the rule is left out.
    fn rule_selector(
        &mut self,
        line: &mut RuleLine,
        word: &Word,
        words: &mut Words<'_>,
    ) -> Option<()> {
        let rule = &mut line.rule;
        match &*word.text {
            "not" => rule.not = true,
            "inet" => line.family = Some(Family::V4),
            "inet6" => line.family = Some(Family::V6),
            "from" => line.from = words.value(value::selector),
            "to" => line.to = words.value(value::selector),
            "iif" => rule.iif = words.value(IfName::new),
            "oif" => rule.oif = words.value(IfName::new),
            "fwmark" => rule.fwmark = words.value(value::mark),
            "tos" => rule.tos = self.byte_of(NameKind::Tos, words.next()?)?,
            "uidrange" => rule.uids = words.value(value::range),
            "tunnel-id" => rule.tunnel = words.value(number)?,
            "ipproto" => {
                let name = words.next()?;
                let mut rows = PROTOCOLS.iter();
                let row = rows.find(|(known, _)| name.text.eq_ignore_ascii_case(known));
                let Some(number) = row.map(|(_, number)| *number).or(number(&name.text)) else {
                    let message = format!("unknown protocol `{}`; line ignored", name.text);
                    let help = "write its number";
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

    /// A port or a range of ports, first and last.
    fn ports(&mut self, word: &Word) -> Option<(u16, u16)> {
        let range = value::range(&word.text);
        let ports =
            range.and_then(|(from, to)| Some((u16::try_from(from).ok()?, u16::try_from(to).ok()?)));
        if ports.is_none() {
            let message = format!("`{}` exceeds port 65535; line ignored", word.text);
            self.diags.report(Severity::Error, word.span, message);
        }
        ports
    }

    /// Checks the line as a whole and completes the rule.
    fn finish_rule(&mut self, line: RuleLine, item: &Node) -> Option<Rule> {
        let span = item.keyword.span;
        let RuleLine {
            mut rule,
            from,
            to,
            family,
            priority,
            actions,
        } = line;
        let net = [from, to].into_iter().flatten().find_map(|net| match net {
            Selector::Net(net) => Some(net.family()),
            Selector::All => None,
        });
        rule.family = family.or(net).unwrap_or(Family::V4);
        let mut network = |net: Option<Selector>| {
            let net = self.network(net?, rule.family, span);
            Some(net).filter(|net| net.prefix > 0)
        };
        (rule.from, rule.to) = (network(from), network(to));
        let other = |net: &Cidr| net.family() != rule.family;
        if let Some(net) = [rule.from, rule.to].into_iter().flatten().find(other) {
            let message = format!(
                "{net} is not an {} network like the rest of the rule; line ignored",
                rule.family
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        if actions != 1 {
            let message = "a rule needs exactly one of `table`, `goto`, `nop`, `blackhole`, `unreachable`, \
                           `prohibit` and `l3mdev`; line ignored";
            let help = "write for example `table main`";
            self.error(span, message, help);
            return None;
        }
        rule.priority = match priority {
            Some(priority) => priority,
            None => self.next_priority(rule.family, item),
        };
        if rule.action == GOTO && rule.target <= rule.priority {
            let message = format!(
                "`goto {}` is not after priority {} of the rule; line ignored",
                rule.target, rule.priority
            );
            self.diags.report(Severity::Error, span, message);
            return None;
        }
        self.require_own_protocol(&mut rule.protocol, rule.no_track, span);
        Some(rule)
    }

    /// A priority for a rule without one, which is reported.
    fn next_priority(&mut self, family: Family, item: &Node) -> u32 {
        let priority = self.next_priority.take(family);
        let message = format!("the rule has no `priority`; {priority} is used");
        let help = "write `priority N`: rules apply in the order of their priorities";
        let diag = Diag {
            help: Some(help.to_owned()),
            ..Diag::new(Severity::Warning, Some(item.keyword.span), message)
        };
        self.diags.report_recurring(Recurring::RulePriority, diag);
        priority
    }
}
