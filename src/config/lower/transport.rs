//! How adverts travel: group or peers, and from where.

use core::net::IpAddr;

use super::Lowering;
use super::instance::Draft;
use crate::config::diag::Severity;
use crate::config::model::{Peer, Transport};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::Node;
use crate::types::Family;

impl Lowering<'_> {
    /// `unicast_src_ip` or `mcast_src_ip`: one setting under two names.
    pub(super) fn source(&mut self, draft: &Draft<'_>) -> Option<IpAddr> {
        let unicast = draft.fields.last("unicast_src_ip");
        let node = unicast.or_else(|| draft.fields.last("mcast_src_ip"))?;
        let source = super::first(node).and_then(value::ip)?;
        if Family::of(source) == draft.family && !source.is_multicast() {
            return Some(source);
        }
        let message = format!(
            "{source} cannot be the source of {} adverts; the interface's own address is used",
            draft.family
        );
        let help = format!("write an {} address of this router", draft.family);
        self.error(node.keyword.span, message, help);
        None
    }

    /// Peers when there are any, else the group.
    pub(super) fn transport(&mut self, draft: &Draft<'_>, source: Option<IpAddr>) -> Transport {
        let fields = &draft.fields;
        let group = self.group(draft);
        let told = ["unicast_peer", "unicast_src_ip", "unicast_fault_no_peer"];
        let Some(node) = told.iter().find_map(|name| fields.last(name)) else {
            return group;
        };
        if draft.strict {
            let message = "strict mode has no unicast: adverts go to the group";
            self.note(node.keyword.span, message);
            return group;
        }
        let peers = self.peers(draft, source);
        if peers.is_empty() && !fields.has("unicast_fault_no_peer") {
            let message = format!(
                "`{}` has no peer in unicast_peer: adverts go to the group",
                draft.name
            );
            self.warn(node.keyword.span, message);
            return group;
        }
        let bounded = peers
            .iter()
            .any(|peer| peer.min_ttl > 0 || peer.max_ttl < 255);
        let check = fields.boolean("check_unicast_src");
        Transport::Unicast {
            ttl: fields.int("unicast_ttl").unwrap_or(255),
            check_source: bounded || check.unwrap_or(self.defaults.check_unicast_src),
            peers,
        }
    }

    fn group(&mut self, draft: &Draft<'_>) -> Transport {
        let default = match draft.family {
            Family::V4 => self.defaults.group4,
            Family::V6 => self.defaults.group6,
        };
        let own = draft.fields.ip("mcast_dst_ip");
        let fits = own.is_none_or(|own| Family::of(own) == draft.family);
        if let Some(node) = draft.fields.last("mcast_dst_ip").filter(|_| !fits) {
            let message = format!(
                "adverts of `{}` are {}; group {default} is used",
                draft.name, draft.family
            );
            self.warn(node.keyword.span, message);
        }
        Transport::Multicast {
            group: own.filter(|_| fits).unwrap_or(default),
        }
    }

    fn peers(&mut self, draft: &Draft<'_>, source: Option<IpAddr>) -> Vec<Peer> {
        let mut peers: Vec<Peer> = Vec::new();
        let mut known = SpanMap::default();
        for item in draft.fields.items("unicast_peer") {
            let Some(peer) = peer(item) else { continue };
            let addr = peer.addr;
            let (severity, why) = if Family::of(addr) != draft.family {
                let why = format!(
                    "{addr} does not fit `{}`, whose adverts are {}",
                    draft.name, draft.family
                );
                (Severity::Warning, why)
            } else if peer.min_ttl > peer.max_ttl {
                let why = format!("min_ttl {} is above max_ttl {}", peer.min_ttl, peer.max_ttl);
                (Severity::Warning, why)
            } else if source == Some(addr) {
                (
                    Severity::Note,
                    format!("{addr} is this router's own address"),
                )
            } else if known
                .earlier_or_insert(&addr.to_string(), item.keyword.span)
                .is_some()
            {
                (Severity::Note, format!("{addr} is a peer already"))
            } else {
                peers.push(peer);
                continue;
            };
            self.diags
                .report(severity, item.keyword.span, format!("{why}; line ignored"));
        }
        peers
    }
}

/// A line of `unicast_peer`.
fn peer(item: &Node) -> Option<Peer> {
    let bound = |name: &str| {
        let mut words = item.args.iter().skip_while(|word| &*word.text != name);
        words.nth(1).and_then(|word| word.text.parse().ok())
    };
    Some(Peer {
        addr: value::ip(&item.keyword.text)?,
        min_ttl: bound("min_ttl").unwrap_or(0),
        max_ttl: bound("max_ttl").unwrap_or(255),
    })
}
