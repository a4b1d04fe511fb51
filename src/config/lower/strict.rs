//! `vrrp_strict` and `strict_mode`: strict compliance with the RFC.
//!
//! Most configurations have `vrrp_strict` from a sample file and do not need it. Therefore each
//! keyword it overrules is reported, and that it makes addresses unreachable.

use super::fields::Fields;
use super::instance::InstanceBlock;
use super::{Lowering, first};
use crate::config::diag::{Diags, Severity, Span};
use crate::config::model::Address;
use crate::config::tree::Node;
use crate::types::Version;

/// Warns about the consequences of strict mode, once, where it is enabled.
pub(super) fn warn_strict_mode(span: Span, diags: &mut Diags) {
    diags.report_with_help(
        Severity::Tolerated,
        span,
        "strict mode is enabled: instances with a priority below 255 drop all packets to their addresses, ping \
         included, and keywords that contradict it are ignored",
        "remove it unless you need strict compliance with the RFC: no authentication, unicast or preempt delay, no \
         adverts to masters of lower priority, `state MASTER` only with priority 255",
    );
}

/// Keywords that strict mode overrules, and what it does instead.
const OVERRULED: [(&str, &str); 4] = [
    ("down_timer_adverts", "takes over after 3 missed adverts"),
    (
        "higher_prio_send_advert",
        "sends no advert when it yields to a master of higher priority",
    ),
    (
        "garp_lower_prio_repeat",
        "sends no gratuitous ARP because of a master of lower priority",
    ),
    (
        "garp_lower_prio_delay",
        "sends no gratuitous ARP because of a master of lower priority",
    ),
];

impl Lowering<'_> {
    /// Whether strict mode is enabled for the instance.
    pub(super) fn is_strict(&mut self, fields: &Fields<'_>) -> bool {
        let inherited = self.defaults.strict;
        let own = fields.boolean("strict_mode").unwrap_or(inherited);
        if let Some(node) = fields.last("strict_mode")
            && own
            && !inherited
        {
            warn_strict_mode(node.keyword.span, self.diags);
        }
        own
    }

    /// Whether packets to the addresses are accepted: `accept` or `no_accept`. Always true for the
    /// address owner (RFC 9568 §6.1).
    pub(super) fn accept(
        &mut self,
        block: &InstanceBlock<'_>,
        version: Version,
        owner: bool,
    ) -> bool {
        let last = block.fields.last_of(&["accept", "no_accept"]);
        let configured = last.map(|node| (&*node.keyword.text == "accept", node.keyword.span));
        if owner {
            if let Some((false, span)) = configured {
                let message = "an instance with priority 255 owns the addresses and accepts packets; `no_accept` ignored";
                self.warn(span, message);
            }
            return true;
        }
        let accept = configured.map(|(accept, _)| accept);
        if !block.strict {
            return accept.unwrap_or(true);
        }
        if let (Some((true, span)), Version::V2) = (configured, version) {
            let message = "strict mode has no `accept` in VRRP version 2; ignored";
            self.warn(span, message);
        }
        if accept == Some(true) && version == Version::V3 {
            return true;
        }
        // `vrrp_strict` has been reported with this consequence.
        if accept.is_none() && !self.defaults.strict {
            let message = format!(
                "strict mode: `{}` drops all packets to its addresses, ping included; packets it forwards \
                 are not affected",
                block.name
            );
            let help = match version {
                Version::V2 => {
                    "write `strict_mode off` in the instance if the addresses should accept packets"
                }
                Version::V3 => {
                    "write `accept` in the instance if the addresses should accept packets"
                }
            };
            self.tolerated_with_help(block.span, message, help);
        }
        false
    }

    /// Reports the overruled keywords that no other check reports.
    pub(super) fn report_overruled(&mut self, block: &InstanceBlock<'_>) {
        if !block.strict {
            return;
        }
        for (name, instead) in OVERRULED {
            let Some(node) = block.fields.last(name) else {
                continue;
            };
            let message = format!("strict mode {instead}; `{name}` ignored");
            self.warn(node.keyword.span, message);
        }
        for name in ["lower_prio_no_advert", "owner_ignore_adverts"] {
            let off = |node: &&Node| {
                first(node).is_some_and(|word| ["off", "no", "false"].contains(&word))
            };
            if let Some(node) = block.fields.last(name).filter(off) {
                let message = format!("strict mode requires `{name}`; it stays on");
                self.warn(node.keyword.span, message);
            }
        }
    }

    /// Reports a first IPv6 address that is not link-local, which RFC 9568 §5.2.9 requires.
    pub(super) fn report_strict_address(&mut self, block: &InstanceBlock<'_>, vips: &[Address]) {
        let first = vips.first().map(|address| address.cidr.addr);
        let Some(core::net::IpAddr::V6(addr)) = first else {
            return;
        };
        if block.strict && !addr.is_unicast_link_local() {
            let message = format!(
                "strict mode: the first address of `{}` is not link-local, as RFC 9568 requires",
                block.name
            );
            self.warn(block.span, message);
        }
    }
}
