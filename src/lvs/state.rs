//! From results of checks to servers in rotation.
//!
//! ```text
//! checks ── all up? ──→ real server ── sum of weights of those up ──→ quorum ── lost? ──→ sorry server
//! ```
//! A real server is up if all of its checks are; its weight is the configured one plus what its
//! checks add, or 0 while an operator drains it. The quorum is lost below `quorum - hysteresis` and gained at `quorum + hysteresis`.
//! While it is lost, the sorry server replaces all others; without a sorry server those that are up
//! stay in rotation. The desired IPVS table follows from these states at any time (`desired.rs`).

use super::reload_match::{ServerMatch, ServiceMatch};
use crate::config::model::lvs::{Lvs, RealServer, VirtualServer};

/// The kernel keeps weights in a signed integer.
const MAX_WEIGHT: i64 = i32::MAX as i64;

/// The state of all virtual servers, in the configuration's order.
#[derive(Debug, Default)]
pub struct VirtualServers(Vec<VirtualServerState>);

/// The state of a virtual server.
#[derive(Debug, Default)]
pub struct VirtualServerState {
    /// It has its quorum.
    pub quorum: bool,
    /// The sorry server replaces all others.
    pub sorry_active: bool,
    /// Its real servers.
    pub servers: Vec<RealServerState>,
    /// [`VirtualServerState::settle`] has not been called yet.
    is_new: bool,
}

/// The state of a real server.
#[derive(Debug, Default)]
pub struct RealServerState {
    /// All of its checks succeed.
    pub up: bool,
    /// Its weight while it is up.
    pub weight: u32,
    /// Its checks.
    pub checks: Vec<CheckState>,
    /// An operator holds it at weight 0; [`VirtualServerState::settle`] must follow a change.
    pub drained: bool,
    /// [`VirtualServerState::settle`] has not been called yet.
    is_new: bool,
    /// It started as down without a notification: its first failure is notified.
    down_unreported: bool,
}

/// The state of a check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckState {
    /// It succeeds.
    pub up: bool,
    /// Added to the server's weight (`misc_dynamic`, `FILE_CHECK`).
    pub weight: i64,
}

/// A change, in the order in which changes are reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A real server has another weight.
    Weight {
        /// Its index.
        server: usize,
        /// The old one.
        from: u32,
        /// The new one.
        to: u32,
    },
    /// A real server went up or down.
    Server {
        /// Its index.
        server: usize,
        /// Its new state.
        up: bool,
        /// Index of the check that caused it; `None`: the configuration did.
        check: Option<usize>,
    },
    /// The quorum was gained or lost.
    Quorum {
        /// Whether there is a quorum.
        up: bool,
        /// The virtual server has just started.
        first: bool,
        /// The sum of the weights.
        weight: u64,
    },
    /// The sorry server replaces all others, or no longer does.
    SorryServer(bool),
}

/// Something that was up and is removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Removal {
    /// A real server.
    RealServer {
        /// Index of its virtual server.
        service: usize,
        /// Index of the real server.
        server: usize,
    },
    /// A virtual server, after its real servers.
    VirtualServer {
        /// Its index.
        service: usize,
    },
}

impl Removal {
    /// Index of the virtual server.
    #[must_use]
    pub fn service(self) -> usize {
        match self {
            Removal::RealServer { service, .. } | Removal::VirtualServer { service } => service,
        }
    }
}

impl VirtualServers {
    /// States before the first check. Nothing is in rotation until [`VirtualServerState::settle`]
    /// has been called for each.
    #[must_use]
    pub fn new(conf: &Lvs) -> Self {
        VirtualServers(
            conf.virtual_servers
                .iter()
                .map(VirtualServerState::new)
                .collect(),
        )
    }

    /// A virtual server by its index.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&VirtualServerState> {
        self.0.get(index)
    }

    /// A virtual server by its index, to change it.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut VirtualServerState> {
        self.0.get_mut(index)
    }

    /// Servers that are up and not matched, in the configuration's order.
    #[must_use]
    pub fn removed(&self, matches: &[ServiceMatch]) -> Vec<Removal> {
        let mut all = Vec::new();
        for (service, state) in self.0.iter().enumerate() {
            let matched = matches.iter().find(|one| one.service == Some(service));
            let servers = matched.map_or(&[][..], |one| &one.servers);
            for (index, server) in state.servers.iter().enumerate() {
                let stays = servers.iter().any(|one| one.server == Some(index));
                if server.up && !stays {
                    let server = index;
                    all.push(Removal::RealServer { service, server });
                }
            }
            if state.quorum && matched.is_none() {
                all.push(Removal::VirtualServer { service });
            }
        }
        all
    }

    /// Another configuration: what was there before keeps its state. [`VirtualServerState::settle`]
    /// must be called for each.
    pub fn replace(&mut self, matches: &[ServiceMatch], new: &Lvs) {
        let old = core::mem::take(&mut self.0);
        let mut old: Vec<Option<VirtualServerState>> = old.into_iter().map(Some).collect();
        for (conf, matched) in new.virtual_servers.iter().zip(matches) {
            let was = matched.service.and_then(|place| old.get_mut(place)?.take());
            self.0.push(match was {
                Some(was) => was.with_new_config(matched, conf),
                None => VirtualServerState::new(conf),
            });
        }
    }
}

impl VirtualServerState {
    fn new(conf: &VirtualServer) -> Self {
        VirtualServerState {
            quorum: false,
            sorry_active: false,
            servers: conf.real_servers.iter().map(RealServerState::new).collect(),
            is_new: true,
        }
    }

    fn with_new_config(mut self, matched: &ServiceMatch, conf: &VirtualServer) -> Self {
        let mut servers = Vec::with_capacity(conf.real_servers.len());
        for (conf, matched) in conf.real_servers.iter().zip(&matched.servers) {
            let was = matched.server.and_then(|place| self.servers.get_mut(place));
            servers.push(match was {
                Some(was) => core::mem::take(was).with_new_config(matched, conf),
                None => RealServerState::new(conf),
            });
        }
        self.servers = servers;
        self
    }

    /// After the start or a reload: updates servers and quorum. `notify_up`: new servers that are
    /// up are reported (`rs_init_notifies`).
    pub fn settle(&mut self, conf: &VirtualServer, notify_up: bool, changes: &mut Vec<Change>) {
        for (index, (server, conf)) in self.servers.iter_mut().zip(&conf.real_servers).enumerate() {
            let up = server.checks_succeed();
            let report = if core::mem::take(&mut server.is_new) {
                server.weight = server.sum(conf);
                server.down_unreported = !up;
                up && notify_up
            } else {
                server.update_weight(conf, index, changes);
                up != server.up
            };
            server.up = up;
            if report {
                let check = None;
                changes.push(Change::Server {
                    server: index,
                    up,
                    check,
                });
            }
        }
        let first = core::mem::take(&mut self.is_new);
        self.update_quorum(conf, first, changes);
    }

    /// Records the state of a check, by the indexes of the real server and of the check, and
    /// appends the changes.
    pub fn apply(
        &mut self,
        conf: &VirtualServer,
        index: usize,
        check: usize,
        state: CheckState,
        changes: &mut Vec<Change>,
    ) {
        let (conf_of, server) = (conf.real_servers.get(index), self.servers.get_mut(index));
        let (Some(conf_of), Some(server)) = (conf_of, server) else {
            return;
        };
        let Some(known) = server.checks.get_mut(check) else {
            return;
        };
        *known = state;
        server.update_weight(conf_of, index, changes);
        let up = server.checks_succeed();
        if up != server.up || (server.down_unreported && !state.up) {
            server.up = up;
            server.down_unreported = false;
            changes.push(Change::Server {
                server: index,
                up,
                check: Some(check),
            });
        }
        self.update_quorum(conf, false, changes);
    }

    /// The sum of the weights of all servers that are up.
    #[must_use]
    pub fn live_weight(&self) -> u64 {
        let live = self.servers.iter().filter(|server| server.up);
        live.fold(0, |sum, server| {
            sum.saturating_add(u64::from(server.weight))
        })
    }

    /// The same without one of them.
    #[must_use]
    pub fn weight_without(&self, server: usize) -> u64 {
        let own = self.servers.get(server).filter(|one| one.up);
        self.live_weight()
            .saturating_sub(own.map_or(0, |one| u64::from(one.weight)))
    }

    /// Updates quorum and sorry server. Without a quorum at the start, that is reported only if
    /// there is a sorry server.
    fn update_quorum(&mut self, conf: &VirtualServer, first: bool, changes: &mut Vec<Change>) {
        let weight = self.live_weight();
        let up = weight > 0 && weight >= threshold(conf, !self.quorum);
        if up != self.quorum || (first && !up && conf.sorry_server.is_some()) {
            self.quorum = up;
            changes.push(Change::Quorum { up, first, weight });
        }
        let sorry_active = !up && conf.sorry_server.is_some();
        if sorry_active != self.sorry_active {
            self.sorry_active = sorry_active;
            changes.push(Change::SorryServer(sorry_active));
        }
    }
}

/// The weight at which the quorum is gained, or the least weight that keeps it.
#[must_use]
pub fn threshold(conf: &VirtualServer, gain: bool) -> u64 {
    let (quorum, hysteresis) = (u64::from(conf.quorum), u64::from(conf.hysteresis));
    if gain {
        quorum.saturating_add(hysteresis)
    } else {
        quorum.saturating_sub(hysteresis)
    }
}

impl RealServerState {
    fn new(conf: &RealServer) -> Self {
        let before = |up| CheckState { up, weight: 0 };
        let checks = conf.checks.iter().map(|check| before(!check.alpha));
        let mut server = RealServerState {
            checks: checks.collect(),
            is_new: true,
            ..RealServerState::default()
        };
        server.weight = server.sum(conf);
        server
    }

    /// New checks are assumed to agree with the others until their first result.
    fn with_new_config(mut self, matched: &ServerMatch, conf: &RealServer) -> Self {
        let mut checks = Vec::with_capacity(conf.checks.len());
        for (conf, matched) in conf.checks.iter().zip(&matched.checks) {
            let was = matched.and_then(|place| self.checks.get(place)).copied();
            checks.push(was.unwrap_or(CheckState {
                up: self.up || !conf.alpha,
                weight: 0,
            }));
        }
        self.checks = checks;
        self
    }

    fn checks_succeed(&self) -> bool {
        self.checks.iter().all(|check| check.up)
    }

    /// Number of failing checks.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.checks.iter().filter(|check| !check.up).count()
    }

    fn sum(&self, conf: &RealServer) -> u32 {
        if self.drained {
            return 0;
        }
        let added = self.checks.iter().map(|check| check.weight);
        let sum = added.fold(i64::from(conf.weight), i64::saturating_add);
        u32::try_from(sum.clamp(0, MAX_WEIGHT)).unwrap_or(0)
    }

    fn update_weight(&mut self, conf: &RealServer, index: usize, changes: &mut Vec<Change>) {
        let to = self.sum(conf);
        let from = core::mem::replace(&mut self.weight, to);
        if from != to {
            changes.push(Change::Weight {
                server: index,
                from,
                to,
            });
        }
    }
}
