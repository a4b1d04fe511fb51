//! From verdicts of checks to servers in rotation (`semantics.md` §14).
//!
//! ```text
//! check ── all up? ──→ server ── Σ weights of those up ──→ quorum ── lost, and there is one ──→ sorry server
//! ```
//! A server is up if all of its checks are; its weight is the configured one and what its checks add. The quorum is lost
//! below `quorum - hysteresis` and gained at `quorum + hysteresis`. While it is lost, a sorry server stands in for all
//! others; without one those that are left go on. Nothing but these states is kept: what the kernel is to have follows
//! from them at any time (`desired.rs`).

use super::reload_match::{ServerMatch, ServiceMatch};
use crate::config::model::lvs::{Lvs, RealServer, VirtualServer};

/// The kernel keeps weights as a signed number.
const MOST_WEIGHT: i64 = i32::MAX as i64;

/// The state of all virtual servers, in the configuration's order.
#[derive(Debug, Default)]
pub struct VirtualServers(Vec<VirtualServerState>);

/// The state of a virtual server.
#[derive(Debug, Default)]
pub struct VirtualServerState {
    /// Enough of its servers are up.
    pub quorum: bool,
    /// The sorry server stands in for all others.
    pub sorry: bool,
    /// Its real servers.
    pub servers: Vec<RealServerState>,
    /// It has not begun yet.
    fresh: bool,
}

/// The state of a real server.
#[derive(Debug, Default)]
pub struct RealServerState {
    /// It can be used.
    pub up: bool,
    /// Its share, while it is up.
    pub weight: u32,
    /// Its checks.
    pub checks: Vec<CheckState>,
    /// It has not begun yet.
    fresh: bool,
    /// It has begun as down, of which nobody was told: its first failure is news.
    untold: bool,
}

/// What a check has found out last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CheckState {
    /// The server can be used.
    pub up: bool,
    /// What is added to its weight.
    pub weight: i64,
}

/// What has happened, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// A server has another weight.
    Weight {
        /// Which.
        server: usize,
        /// The old one.
        from: u32,
        /// The new one.
        to: u32,
    },
    /// A server is up or down.
    Server {
        /// Which.
        server: usize,
        /// What it is now.
        up: bool,
        /// The check that has found out; `None`: the configuration has it so.
        check: Option<usize>,
    },
    /// The quorum is gained or lost.
    Quorum {
        /// What it is now.
        up: bool,
        /// The virtual server begins.
        first: bool,
        /// The sum of the weights.
        weight: u64,
    },
    /// The sorry server stands in, or does so no more.
    Sorry(bool),
}

/// Something that was up and is no longer wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Removal {
    /// The virtual server.
    pub service: usize,
    /// One of its real servers; `None`: it is all of it that leaves, after its servers.
    pub server: Option<usize>,
}

impl VirtualServers {
    /// All as before the first check. Nobody serves yet: [`VirtualServerState::settle`] is next.
    #[must_use]
    pub fn new(conf: &Lvs) -> Self {
        VirtualServers(
            conf.virtual_servers
                .iter()
                .map(VirtualServerState::new)
                .collect(),
        )
    }

    /// A virtual server, by its place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&VirtualServerState> {
        self.0.get(place)
    }

    /// The same, to judge it.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut VirtualServerState> {
        self.0.get_mut(place)
    }

    /// What is up and has no matched, in the configuration's order.
    #[must_use]
    pub fn leaving(&self, matches: &[ServiceMatch]) -> Vec<Removal> {
        let mut all = Vec::new();
        for (service, farm) in self.0.iter().enumerate() {
            let matched = matches
                .iter()
                .find(|matched| matched.service == Some(service));
            let servers = matched.map_or(&[][..], |matched| &matched.servers);
            for (place, server) in farm.servers.iter().enumerate() {
                let stays = servers.iter().any(|matched| matched.server == Some(place));
                if server.up && !stays {
                    let server = Some(place);
                    all.push(Removal { service, server });
                }
            }
            if farm.quorum && matched.is_none() {
                let server = None;
                all.push(Removal { service, server });
            }
        }
        all
    }

    /// Another configuration: what has been there before keeps its state. [`VirtualServerState::settle`] is next, for all.
    pub fn replace(&mut self, matches: &[ServiceMatch], new: &Lvs) {
        let old = core::mem::take(&mut self.0);
        let mut old: Vec<Option<VirtualServerState>> = old.into_iter().map(Some).collect();
        for (conf, matched) in new.virtual_servers.iter().zip(matches) {
            let was = matched.service.and_then(|place| old.get_mut(place)?.take());
            self.0.push(match was {
                Some(was) => was.inherited(matched, conf),
                None => VirtualServerState::new(conf),
            });
        }
    }
}

impl VirtualServerState {
    fn new(conf: &VirtualServer) -> Self {
        VirtualServerState {
            quorum: false,
            sorry: false,
            servers: conf.real_servers.iter().map(RealServerState::new).collect(),
            fresh: true,
        }
    }

    fn inherited(mut self, matched: &ServiceMatch, conf: &VirtualServer) -> Self {
        let mut servers = Vec::with_capacity(conf.real_servers.len());
        for (conf, matched) in conf.real_servers.iter().zip(&matched.servers) {
            let was = matched.server.and_then(|place| self.servers.get_mut(place));
            servers.push(match was {
                Some(was) => core::mem::take(was).inherited(matched, conf),
                None => RealServerState::new(conf),
            });
        }
        self.servers = servers;
        self
    }

    /// The beginning, or another configuration: draws the consequences. `tell`: that new servers are up is told
    /// (`rs_init_notifies`).
    pub fn settle(&mut self, conf: &VirtualServer, tell: bool, changes: &mut Vec<Change>) {
        for (place, (server, conf)) in self.servers.iter_mut().zip(&conf.real_servers).enumerate() {
            let up = server.is_well();
            let news = if core::mem::take(&mut server.fresh) {
                server.untold = !up;
                up && tell
            } else {
                server.weigh(conf, place, changes);
                up != server.up
            };
            server.up = up;
            if news {
                let check = None;
                changes.push(Change::Server {
                    server: place,
                    up,
                    check,
                });
            }
        }
        let first = core::mem::take(&mut self.fresh);
        self.count(conf, first, changes);
    }

    /// A check has found out something; not of necessity something new.
    pub fn judge(
        &mut self,
        conf: &VirtualServer,
        (place, check): (usize, usize),
        verdict: CheckState,
        changes: &mut Vec<Change>,
    ) {
        let (conf_of, server) = (conf.real_servers.get(place), self.servers.get_mut(place));
        let (Some(conf_of), Some(server)) = (conf_of, server) else {
            return;
        };
        let Some(standing) = server.checks.get_mut(check) else {
            return;
        };
        *standing = verdict;
        server.weigh(conf_of, place, changes);
        let up = server.is_well();
        let news = up != server.up || (server.untold && !verdict.up);
        if news {
            server.up = up;
            server.untold = false;
            changes.push(Change::Server {
                server: place,
                up,
                check: Some(check),
            });
        }
        self.count(conf, false, changes);
    }

    /// The sum of the weights of all servers that are up.
    #[must_use]
    pub fn live_weight(&self) -> u64 {
        let live = self.servers.iter().filter(|server| server.up);
        live.fold(0, |sum, server| {
            sum.saturating_add(u64::from(server.weight))
        })
    }

    /// Gains or loses the quorum. At the beginning there is none, which is worth a word only if that has consequences.
    fn count(&mut self, conf: &VirtualServer, first: bool, changes: &mut Vec<Change>) {
        let weight = self.live_weight();
        let up = weight > 0 && weight >= threshold(conf, !self.quorum);
        if up != self.quorum || (first && !up && conf.sorry_server.is_some()) {
            self.quorum = up;
            changes.push(Change::Quorum { up, first, weight });
        }
        let sorry = !up && conf.sorry_server.is_some();
        if sorry != self.sorry {
            self.sorry = sorry;
            changes.push(Change::Sorry(sorry));
        }
    }
}

/// What the live weight must reach to gain the quorum, or must not fall below to keep it.
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
            fresh: true,
            ..RealServerState::default()
        };
        server.weight = server.sum(conf);
        server
    }

    /// Checks that are new are believed to agree with the others, until they say something.
    fn inherited(mut self, matched: &ServerMatch, conf: &RealServer) -> Self {
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

    fn is_well(&self) -> bool {
        self.checks.iter().all(|check| check.up)
    }

    /// How many of its checks fail.
    #[must_use]
    pub fn failing(&self) -> usize {
        self.checks.iter().filter(|check| !check.up).count()
    }

    fn sum(&self, conf: &RealServer) -> u32 {
        let added = self.checks.iter().map(|check| check.weight);
        let sum = added.fold(i64::from(conf.weight), i64::saturating_add);
        u32::try_from(sum.clamp(0, MOST_WEIGHT)).unwrap_or(0)
    }

    fn weigh(&mut self, conf: &RealServer, place: usize, changes: &mut Vec<Change>) {
        let to = self.sum(conf);
        let from = core::mem::replace(&mut self.weight, to);
        if from != to {
            changes.push(Change::Weight {
                server: place,
                from,
                to,
            });
        }
    }
}
