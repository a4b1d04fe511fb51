//! The IPVS services and destinations that follow from the state of the servers.

use super::state::{VirtualServerState, VirtualServers};
use crate::config::model::lvs::{Lvs, RealServer, SorryServer, VirtualServer};
use crate::types::ipvs::{Destination, Forward, Service, ServiceKey};
use crate::types::sorted;

/// A service and its destinations.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DesiredService {
    /// The service.
    pub service: Service,
    /// Its destinations, those of weight 0 included.
    pub destinations: Vec<Destination>,
}

impl VirtualServers {
    /// All services.
    #[must_use]
    pub fn desired(&self, conf: &Lvs) -> Vec<DesiredService> {
        let mut all = Vec::new();
        for (index, conf) in conf.virtual_servers.iter().enumerate() {
            if let Some(state) = self.get(index) {
                state.desired(conf, &mut all);
            }
        }
        all
    }
}

impl VirtualServerState {
    /// Appends the services of one virtual server: one, or those of its group, with the same real
    /// servers.
    pub fn desired(&self, conf: &VirtualServer, all: &mut Vec<DesiredService>) {
        for key in &conf.services {
            let service = Service {
                key: *key,
                scheduler: conf.scheduler.to_owned(),
                persistence: conf.persistence_timeout,
                granularity: conf.netmask_for(key),
                one_packet: conf.one_packet,
                sip: conf.sip,
                flags: conf.scheduler_flags,
            };
            all.push(DesiredService {
                service,
                destinations: self.destinations(conf, key),
            });
        }
    }

    /// The destinations of a service: servers in rotation, and with weight 0 those kept by
    /// `inhibit_on_failure`.
    #[must_use]
    pub fn destinations(&self, conf: &VirtualServer, key: &ServiceKey) -> Vec<Destination> {
        let mut all = Vec::with_capacity(conf.real_servers.len().saturating_add(1));
        if let Some(sorry) = conf
            .sorry_server
            .filter(|sorry| self.sorry_active || sorry.inhibit)
        {
            all.push(sorry_destination(&sorry, key, self.sorry_active));
        }
        for (conf, server) in conf.real_servers.iter().zip(&self.servers) {
            let in_rotation = server.up && !self.sorry_active;
            // Connections of a drained server finish even if the sorry server has taken over.
            let stays = conf.inhibit_on_failure || (server.up && server.drained);
            if in_rotation || stays {
                let weight = if in_rotation { server.weight } else { 0 };
                all.push(destination(conf, key, weight));
            }
        }
        without_duplicates(all)
    }
}

fn destination(conf: &RealServer, key: &ServiceKey, weight: u32) -> Destination {
    Destination {
        addr: conf.addr,
        port: kernel_port(key, conf.forward, conf.port),
        forward: conf.forward,
        weight,
        upper: conf.uthreshold,
        lower: conf.lthreshold,
    }
}

fn sorry_destination(sorry: &SorryServer, key: &ServiceKey, active: bool) -> Destination {
    Destination {
        addr: sorry.addr,
        port: kernel_port(key, sorry.forward, sorry.port),
        forward: sorry.forward,
        weight: u32::from(active),
        upper: 0,
        lower: 0,
    }
}

/// The port of a destination in the kernel. Only masquerading translates ports; other methods
/// deliver to the service's port, which is 0 for a firewall mark.
#[must_use]
pub fn kernel_port(key: &ServiceKey, forward: Forward, own: u16) -> u16 {
    match (key, forward) {
        (ServiceKey::Address { port, .. }, Forward::Masquerade) if own == 0 => *port,
        (_, Forward::Masquerade) => own,
        (ServiceKey::Address { port, .. }, _) => *port,
        (ServiceKey::Mark { .. }, _) => 0,
    }
}

/// The kernel identifies a destination by address and port. Of duplicates (a real server that is
/// also the sorry server, or is configured with two ports where only the service's counts) the one
/// with a weight is kept.
fn without_duplicates(all: Vec<Destination>) -> Vec<Destination> {
    let keys = all.iter().enumerate();
    let keys = keys.map(|(index, one)| (one.addr, one.port, one.weight == 0, index));
    let mut keys = sorted(keys.collect::<Vec<_>>());
    keys.dedup_by_key(|(addr, port, ..)| (*addr, *port));
    if keys.len() == all.len() {
        return all;
    }
    let kept: Vec<usize> = sorted(keys.into_iter().map(|(.., index)| index).collect());
    kept.iter()
        .filter_map(|index| all.get(*index).copied())
        .collect()
}
