//! State of virtual servers for dumps.

use core::ops::Range;

use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::ctl::{self, Traffic};
use crate::engine::lvs::Lvs;
use crate::engine::lvs::ipvs::ServiceStats;
use crate::engine::system::System;
use crate::lvs::desired::kernel_port;
use crate::lvs::state::{RealServerState, VirtualServerState};

impl Lvs {
    /// `system`: to read the kernel's counters.
    pub(super) fn service_snapshots(
        &self,
        wanted: Range<usize>,
        system: Option<&mut dyn System>,
    ) -> Vec<ctl::Service<'_>> {
        let stats = system.map_or(Vec::new(), |system| self.ipvs.read_stats(system));
        let all = self.conf.virtual_servers.iter().enumerate();
        let some = all.skip(wanted.start).take(wanted.len());
        let mut all = Vec::with_capacity(some.len());
        for (index, conf) in some {
            if let Some(state) = self.servers.get(index) {
                let suspended = self.suspended.get(index) == Some(&true);
                all.push(ctl::Service {
                    refused: self.ipvs.is_refused(),
                    ..service(conf, state, suspended, &stats)
                });
            }
        }
        all
    }
}

fn service<'a>(
    conf: &'a VirtualServer,
    state: &VirtualServerState,
    suspended: bool,
    stats: &[ServiceStats],
) -> ctl::Service<'a> {
    let own = stats.iter().filter(|one| conf.services.contains(&one.key));
    let own: Vec<&ServiceStats> = own.collect();
    let counters = own.iter().map(|one| Traffic {
        connections: None,
        counters: one.counters,
    });
    let servers = conf.real_servers.iter().zip(&state.servers);
    ctl::Service {
        conf,
        quorum: state.quorum,
        weight: state.live_weight(),
        sorry: state.sorry_active,
        suspended,
        refused: false,
        traffic: sum(counters),
        servers: servers
            .map(|(conf, state)| server(conf, state, &own))
            .collect(),
    }
}

fn server<'a>(
    conf: &'a RealServer,
    state: &RealServerState,
    stats: &[&ServiceStats],
) -> ctl::Server<'a> {
    let traffic = stats.iter().filter_map(|one| {
        let address = (conf.addr, kernel_port(&one.key, conf.forward, conf.port));
        let mut servers = one.servers.iter();
        let found = servers.find(|(server, ..)| (server.addr, server.port) == address);
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
        maintenance: None,
        checks: checks
            .map(|(conf, state)| ctl::Check {
                conf,
                up: state.up,
                weight: state.weight,
            })
            .collect(),
        traffic: sum(traffic),
    }
}

/// Sum over the entries of a group; `None` if there are none.
fn sum(mut all: impl Iterator<Item = Traffic>) -> Option<Traffic> {
    let mut sum = all.next()?;
    for one in all {
        sum.add(&one);
    }
    Some(sum)
}
