//! `vrrp_strict` and `strict_mode`: what they change, said where it is changed.
//!
//! The letter of the protocol is what most configurations with `vrrp_strict` do not want: it came with a sample
//! file. So each line it overrules has a message of its own, and so has each instance that stops answering.

use super::fields::Fields;
use super::instance::Draft;
use super::{Lowering, first};
use crate::config::diag::{Diags, Severity, Span};
use crate::config::model::Address;
use crate::config::tree::Node;
use crate::types::Version;

/// Says what strict mode is; once, where it is switched on.
pub(super) fn explain(span: Span, diags: &mut Diags) {
    diags.report_with_help(
        Severity::Warning,
        span,
        "strict mode is in force: addresses of instances with a priority below 255 answer nothing, not \
         even ping, and every line it overrules is ignored, as is said there",
        "remove it unless you need the letter of the protocol: no password, no unicast, no waiting, \
         no answer to weaker masters, state MASTER for priority 255 only",
    );
}

/// What strict mode has no choice in, and what it does instead.
const OVERRULED: [(&str, &str); 4] = [
    (
        "down_timer_adverts",
        "takes over after three missed adverts",
    ),
    (
        "higher_prio_send_advert",
        "sends no advert when it yields to a stronger master",
    ),
    (
        "garp_lower_prio_repeat",
        "announces nothing because of a weaker master",
    ),
    (
        "garp_lower_prio_delay",
        "announces nothing because of a weaker master",
    ),
];

impl Lowering<'_> {
    /// Whether the instance is held to the letter.
    pub(super) fn is_strict(&mut self, fields: &Fields<'_>) -> bool {
        let inherited = self.defaults.strict;
        let own = fields.boolean("strict_mode").unwrap_or(inherited);
        if let Some(node) = fields.last("strict_mode")
            && own
            && !inherited
        {
            explain(node.keyword.span, self.diags);
        }
        own
    }

    /// Whether the addresses answer. An owner always does: they are its own.
    pub(super) fn accept(&mut self, draft: &Draft<'_>, version: Version, owner: bool) -> bool {
        let last = draft.fields.last_of(&["accept", "no_accept"]);
        let said = last.map(|node| (&*node.keyword.text == "accept", node.keyword.span));
        if owner {
            if let Some((false, span)) = said {
                let message = "priority 255 owns the addresses and answers: `no_accept` ignored";
                self.warn(span, message);
            }
            return true;
        }
        let accept = said.map(|(accept, _)| accept);
        if !draft.strict {
            return accept.unwrap_or(true);
        }
        if let (Some((true, span)), Version::V2) = (said, version) {
            let message = "strict mode: there is no `accept` in version 2; ignored";
            self.warn(span, message);
        }
        if accept == Some(true) && version == Version::V3 {
            return true;
        }
        if accept.is_none() {
            let message = format!(
                "strict mode: `{}` drops all packets to its addresses, ping included; what it \
                 routes is not concerned",
                draft.name
            );
            let help = match version {
                Version::V2 => "write `strict_mode off` in it if the addresses should answer",
                Version::V3 => "write `accept` in it if the addresses should answer",
            };
            self.diags
                .report_with_help(Severity::Warning, draft.span, message, help);
        }
        false
    }

    /// Names the lines that strict mode overrules and nobody else speaks of.
    pub(super) fn strict_changes(&mut self, draft: &Draft<'_>) {
        if !draft.strict {
            return;
        }
        for (name, instead) in OVERRULED {
            let Some(node) = draft.fields.last(name) else {
                continue;
            };
            let message = format!("strict mode {instead}: `{name}` ignored");
            self.warn(node.keyword.span, message);
        }
        for name in ["lower_prio_no_advert", "owner_ignore_adverts"] {
            let off = |node: &&Node| {
                first(node).is_some_and(|word| ["off", "no", "false"].contains(&word))
            };
            if let Some(node) = draft.fields.last(name).filter(off) {
                let message = format!("strict mode wants `{name}`; it stays on");
                self.warn(node.keyword.span, message);
            }
        }
    }

    /// Strict mode wants a link-local address first (RFC 9568 §5.2.9).
    pub(super) fn strict_address(&mut self, draft: &Draft<'_>, vips: &[Address]) {
        let first = vips.first().map(|address| address.cidr.addr);
        let Some(core::net::IpAddr::V6(addr)) = first else {
            return;
        };
        if draft.strict && !addr.is_unicast_link_local() {
            let message = format!(
                "strict mode: the first address of `{}` is not link-local",
                draft.name
            );
            self.warn(draft.span, message);
        }
    }
}
