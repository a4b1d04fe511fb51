//! Multicast or unicast, and the source address of adverts.

use core::net::IpAddr;

use super::Lowering;
use super::instance::InstanceBlock;
use crate::config::diag::Severity;
use crate::config::model::{Peer, Transport};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::config::tree::Node;
use crate::types::Family;

impl Lowering<'_> {
    /// `unicast_src_ip` or `mcast_src_ip`, which mean the same.
    pub(super) fn source(&mut self, block: &InstanceBlock<'_>) -> Option<IpAddr> {
        let unicast = block.fields.last("unicast_src_ip");
        let node = unicast.or_else(|| block.fields.last("mcast_src_ip"))?;
        let source = super::first(node).and_then(value::ip)?;
        if Family::of(source) == block.family && !source.is_multicast() {
            return Some(source);
        }
        let message = format!(
            "{source} cannot be the source address of {} adverts; the interface's primary address is used",
            block.family
        );
        let help = format!("write an {} address of this router", block.family);
        self.error(node.keyword.span, message, help);
        None
    }

    /// Unicast if there are peers, else multicast.
    pub(super) fn transport(
        &mut self,
        block: &InstanceBlock<'_>,
        source: Option<IpAddr>,
    ) -> Transport {
        let fields = &block.fields;
        let multicast = self.multicast(block);
        let keywords = ["unicast_peer", "unicast_src_ip", "unicast_fault_no_peer"];
        let Some(node) = keywords.iter().find_map(|name| fields.last(name)) else {
            return multicast;
        };
        if block.strict {
            let message = "strict mode has no unicast; multicast is used";
            self.note(node.keyword.span, message);
            return multicast;
        }
        let peers = self.peers(block, source);
        if peers.is_empty() && !fields.has("unicast_fault_no_peer") {
            let range = fields.removed("unicast_peer");
            let object = format!("the transport of `{}`", block.name);
            if !self.follows(range, Severity::Warning, "multicast", object) {
                let message = format!(
                    "`{}` has no valid peer in `unicast_peer`; multicast is used",
                    block.name
                );
                self.warn(node.keyword.span, message);
            }
            return multicast;
        }
        let limits_ttl = peers
            .iter()
            .any(|peer| peer.min_ttl > 0 || peer.max_ttl < 255);
        let check = fields.boolean("check_unicast_src");
        Transport::Unicast {
            ttl: fields.int("unicast_ttl").unwrap_or(255),
            check_source: limits_ttl || check.unwrap_or(self.defaults.check_unicast_src),
            peers,
        }
    }

    fn multicast(&mut self, block: &InstanceBlock<'_>) -> Transport {
        let default = match block.family {
            Family::V4 => self.defaults.group4,
            Family::V6 => self.defaults.group6,
        };
        let own = block.fields.ip("mcast_dst_ip");
        let fits = own.is_none_or(|own| Family::of(own) == block.family);
        if let Some(node) = block.fields.last("mcast_dst_ip").filter(|_| !fits) {
            let message = format!(
                "`mcast_dst_ip` of `{}` is not an {} address like its adverts; {default} is used",
                block.name, block.family
            );
            self.warn(node.keyword.span, message);
        }
        Transport::Multicast {
            group: own.filter(|_| fits).unwrap_or(default),
        }
    }

    fn peers(&mut self, block: &InstanceBlock<'_>, source: Option<IpAddr>) -> Vec<Peer> {
        let mut peers: Vec<Peer> = Vec::new();
        let mut known = SpanMap::default();
        for item in block.fields.items("unicast_peer") {
            let Some(peer) = peer(item) else { continue };
            let addr = peer.addr;
            let (severity, why) = if Family::of(addr) != block.family {
                let why = format!(
                    "{addr} is not of the address family of `{}`, {}",
                    block.name, block.family
                );
                (Severity::Warning, why)
            } else if peer.min_ttl > peer.max_ttl {
                let why = format!(
                    "`min_ttl` {} is above `max_ttl` {}",
                    peer.min_ttl, peer.max_ttl
                );
                (Severity::Warning, why)
            } else if source == Some(addr) {
                (
                    Severity::Note,
                    format!("{addr} is the source address of this router"),
                )
            } else if known
                .earlier_or_insert(&addr.to_string(), item.keyword.span)
                .is_some()
            {
                (Severity::Note, format!("{addr} is already a peer"))
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
    let limit = |name: &str| {
        let mut words = item.args.iter().skip_while(|word| &*word.text != name);
        words.nth(1).and_then(|word| word.text.parse().ok())
    };
    Some(Peer {
        addr: value::ip(&item.keyword.text)?,
        min_ttl: limit("min_ttl").unwrap_or(0),
        max_ttl: limit("max_ttl").unwrap_or(255),
    })
}
