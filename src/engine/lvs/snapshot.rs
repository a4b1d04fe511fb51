//! Fills in what dumps tell of virtual servers.

use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::ctl::{self, Traffic};
use crate::engine::Engine;
use crate::engine::lvs::ipvs::Reading;
use crate::engine::system::System;
use crate::lvs::desired::port;
use crate::lvs::state::{RealServerState, VirtualServerState};

impl Engine {
    pub(crate) fn services(&self, kernel: Option<&mut dyn System>) -> Vec<ctl::Service<'_>> {
        let lvs = &self.lvs;
        let readings = kernel.map_or(Vec::new(), |kernel| lvs.kernel.read(kernel));
        let mut all = Vec::with_capacity(lvs.conf.virtual_servers.len());
        for (place, conf) in lvs.conf.virtual_servers.iter().enumerate() {
            if let Some(farm) = lvs.pool.get(place) {
                let suspended = lvs.suspended.get(place) == Some(&true);
                all.push(service(conf, farm, suspended, &readings));
            }
        }
        all
    }
}

fn service<'a>(
    conf: &'a VirtualServer,
    farm: &VirtualServerState,
    suspended: bool,
    readings: &[Reading],
) -> ctl::Service<'a> {
    let own = readings
        .iter()
        .filter(|one| conf.services.contains(&one.key));
    let own: Vec<&Reading> = own.collect();
    let counters = own.iter().map(|one| Traffic {
        connections: None,
        counters: one.counters,
    });
    let servers = conf.real_servers.iter().zip(&farm.servers);
    ctl::Service {
        conf,
        quorum: farm.quorum,
        weight: farm.live_weight(),
        sorry: farm.sorry,
        suspended,
        traffic: sum(counters),
        servers: servers
            .map(|(conf, state)| server(conf, state, &own))
            .collect(),
    }
}

fn server<'a>(
    conf: &'a RealServer,
    state: &RealServerState,
    readings: &[&Reading],
) -> ctl::Server<'a> {
    let traffic = readings.iter().filter_map(|one| {
        let place = (conf.addr, port(&one.key, conf.forward, conf.port));
        let mut servers = one.servers.iter();
        let found = servers.find(|(server, ..)| (server.addr, server.port) == place);
        found.map(|(_, connections, counters)| Traffic {
            connections: Some(*connections),
            counters: *counters,
        })
    });
    let checks = conf.checks.iter().zip(&state.checks);
    ctl::Server {
        conf,
        up: state.up,
        weight: state.weight,
        checks: checks
            .map(|(check, standing)| (check, standing.up, standing.weight))
            .collect(),
        traffic: sum(traffic),
    }
}

/// Of several entries of a group; `None` if there are none.
fn sum(mut all: impl Iterator<Item = Traffic>) -> Option<Traffic> {
    let mut sum = all.next()?;
    for one in all {
        sum.add(&one);
    }
    Some(sum)
}
