//! Real servers that an operator has drained.

use core::net::{IpAddr, SocketAddr};

use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::engine::cx::Cx;
use crate::engine::lvs::Lvs;
use crate::engine::lvs::notify::server_name;
use crate::engine::maintenance::{Drainable, Hold, ServerNames};
use crate::engine::shared::Shared;
use crate::lvs::state::VirtualServerState;
use crate::types::ipvs::ServiceKey;

impl Lvs {
    /// Marks what is drained, in the states of all servers. Returns the virtual servers for which
    /// that has changed.
    pub(super) fn mark_drained(&mut self, holds: &[Hold]) -> Vec<usize> {
        let mut changed = Vec::new();
        for (nth, conf) in self.conf.virtual_servers.iter().enumerate() {
            let Some(state) = self.servers.get_mut(nth) else {
                continue;
            };
            let mut of_service = holds.iter().filter_map(Hold::server);
            let any = of_service.any(|one| one.service == conf.name);
            let mut differs = false;
            for (server, state) in conf.real_servers.iter().zip(&mut state.servers) {
                let drained = any && {
                    let names = names(conf, server);
                    let mut all = holds.iter().filter_map(Hold::server);
                    all.any(|one| *one == names)
                };
                differs |= core::mem::replace(&mut state.drained, drained) != drained;
            }
            if differs {
                changed.push(nth);
            }
        }
        changed
    }

    /// Other real servers are drained: updates weights, quorums and the IPVS table, and notifies.
    pub(super) fn follow_drains(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        for nth in self.mark_drained(&shared.maintenance) {
            let mut changes = Vec::new();
            if let (Some(conf), Some(state)) = (
                self.conf.virtual_servers.get(nth),
                self.servers.get_mut(nth),
            ) {
                state.settle(conf, false, &mut changes);
            }
            self.apply_changes(cx, shared, nth, &changes);
        }
    }

    pub(super) fn is_configured(&self, wanted: &ServerNames) -> bool {
        let services = self.conf.virtual_servers.iter();
        let mut servers = services
            .filter(|conf| conf.name == wanted.service)
            .flat_map(|conf| {
                conf.real_servers
                    .iter()
                    .map(move |server| names(conf, server))
            });
        servers.any(|own| own == *wanted)
    }

    /// The real server that an operator means.
    pub(super) fn find_drainable(&self, service: &str, server: &str) -> Result<Drainable, String> {
        let services = self.conf.virtual_servers.iter().enumerate();
        let mut services = services.filter(|(_, conf)| is_service(conf, service));
        let Some((nth, conf)) = services.next() else {
            return Err(format!("there is no virtual server '{service}'"));
        };
        if let Some((_, other)) = services.next() {
            let one = &conf.name;
            return Err(format!("'{service}' may be {one} or {}", other.name));
        }
        let mut servers = conf.real_servers.iter().enumerate();
        let mut servers = servers
            .by_ref()
            .filter(|(_, conf_of)| is_server(conf, conf_of, server));
        let Some((index, found)) = servers.next() else {
            return Err(format!(
                "virtual server {} has no real server '{server}'",
                conf.name
            ));
        };
        if let Some((_, other)) = servers.next() {
            let (one, other) = (server_name(conf, found), server_name(conf, other));
            return Err(format!("'{server}' may be {one} or {other}"));
        }
        let state = self.servers.get(nth);
        Ok(Drainable {
            names: names(conf, found),
            obstacle: state.and_then(|state| obstacle(conf, state, index)),
        })
    }
}

/// The loss without this server.
fn obstacle(conf: &VirtualServer, state: &VirtualServerState, server: usize) -> Option<String> {
    let (left, weight) = (state.weight_without(server), state.live_weight());
    if left == weight {
        return None;
    }
    let name = &conf.name;
    let then = match conf.sorry_server {
        Some(_) => "the sorry server would take over",
        None if left == 0 => "no server would get connections",
        None => "the other servers would stay in rotation",
    };
    if left == 0 {
        Some(format!(
            "it is the only server of {name} that gets connections; {then}"
        ))
    } else if state.quorum && left < crate::lvs::state::threshold(conf, false) {
        Some(format!(
            "{name} would lose its quorum with weight {left} of {weight} left; {then}"
        ))
    } else {
        None
    }
}

fn names(conf: &VirtualServer, server: &RealServer) -> ServerNames {
    ServerNames {
        service: conf.name.clone(),
        server: server_name(conf, server).to_string(),
    }
}

fn is_service(conf: &VirtualServer, wanted: &str) -> bool {
    let wanted_socket: Option<SocketAddr> = wanted.parse().ok();
    let is_it = |key: &ServiceKey| match key {
        ServiceKey::Address { addr, port, .. } => {
            wanted_socket == Some(SocketAddr::new(*addr, *port))
        }
        ServiceKey::Mark { .. } => false,
    };
    conf.name == wanted || conf.services.iter().any(is_it)
}

fn is_server(conf: &VirtualServer, server: &RealServer, wanted: &str) -> bool {
    let (addr, port) = (server.addr, server.port);
    wanted.parse::<IpAddr>() == Ok(addr)
        || wanted.parse() == Ok(SocketAddr::new(addr, port))
        || server_name(conf, server).to_string() == wanted
}
