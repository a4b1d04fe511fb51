//! What the kernel is to have, as follows from the state of the servers.

use super::state::{VirtualServerState, VirtualServers};
use crate::config::model::lvs::{Lvs, RealServer, SorryServer, VirtualServer};
use crate::types::ipvs::{Destination, Forward, Service, ServiceKey};
use crate::types::sorted;

/// A service and whom it leads to.
pub type Wanted = (Service, Vec<Destination>);

impl VirtualServers {
    /// All services.
    #[must_use]
    pub fn desired(&self, conf: &Lvs) -> Vec<Wanted> {
        let mut all = Vec::new();
        for (place, conf) in conf.virtual_servers.iter().enumerate() {
            if let Some(farm) = self.get(place) {
                farm.desired(conf, &mut all);
            }
        }
        all
    }
}

impl VirtualServerState {
    /// The services of one virtual server: a group has many, with the same servers.
    pub fn desired(&self, conf: &VirtualServer, all: &mut Vec<Wanted>) {
        for key in &conf.services {
            let service = Service {
                key: *key,
                scheduler: conf.scheduler.to_owned(),
                persistence: conf.persistence_timeout,
                granularity: conf.netmask_for(key),
                one_packet: conf.one_packet,
                flags: conf.scheduler_flags,
            };
            all.push((service, self.destinations(conf, key)));
        }
    }

    /// Whom a service leads to: those that serve, and with weight 0 those that are only kept in the table.
    #[must_use]
    pub fn destinations(&self, conf: &VirtualServer, key: &ServiceKey) -> Vec<Destination> {
        let mut all = Vec::with_capacity(conf.real_servers.len().saturating_add(1));
        if let Some(sorry) = conf
            .sorry_server
            .filter(|sorry| self.sorry || sorry.inhibit)
        {
            all.push(stand_in(&sorry, key, self.sorry));
        }
        for (conf, server) in conf.real_servers.iter().zip(&self.servers) {
            let serves = server.up && !self.sorry;
            if serves || conf.inhibit_on_failure {
                let weight = if serves { server.weight } else { 0 };
                all.push(destination(conf, key, weight));
            }
        }
        once(all)
    }
}

fn destination(conf: &RealServer, key: &ServiceKey, weight: u32) -> Destination {
    Destination {
        addr: conf.addr,
        port: port(key, conf.forward, conf.port),
        forward: conf.forward,
        weight,
        upper: conf.uthreshold,
        lower: conf.lthreshold,
    }
}

fn stand_in(sorry: &SorryServer, key: &ServiceKey, serves: bool) -> Destination {
    Destination {
        addr: sorry.addr,
        port: port(key, sorry.forward, sorry.port),
        forward: sorry.forward,
        weight: u32::from(serves),
        upper: 0,
        lower: 0,
    }
}

/// Only what is translated can change its port: a server that gets packets as they are gets them at the service's.
#[must_use]
pub fn port(key: &ServiceKey, forward: Forward, own: u16) -> u16 {
    match (key, forward) {
        (ServiceKey::Address { port, .. }, Forward::Masquerade) if own == 0 => *port,
        (_, Forward::Masquerade) => own,
        (ServiceKey::Address { port, .. }, _) => *port,
        (ServiceKey::Mark { .. }, _) => 0,
    }
}

/// The kernel knows a destination by address and port. A server that is its own sorry server, or is configured with
/// two ports where only the service's counts, is there once: as the one that serves.
fn once(all: Vec<Destination>) -> Vec<Destination> {
    let places = all.iter().enumerate();
    let places = places.map(|(nth, one)| (one.addr, one.port, one.weight == 0, nth));
    let mut places = sorted(places.collect::<Vec<_>>());
    places.dedup_by_key(|(addr, port, ..)| (*addr, *port));
    if places.len() == all.len() {
        return all;
    }
    let kept: Vec<usize> = sorted(places.into_iter().map(|(.., nth)| nth).collect());
    kept.iter()
        .filter_map(|nth| all.get(*nth).copied())
        .collect()
}
