//! Servers, quorum and sorry server: expected changes, and comparison with a slow but obvious
//! model.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use super::desired::DesiredService;
use super::reload_match::{ServiceMatch, match_previous};
use super::state::{Change, CheckState, Removal, VirtualServerState, VirtualServers};
use crate::config::model::lvs::{
    Check, CheckKind, Lvs, RealServer, SorryServer, Target, VirtualServer,
};
use crate::types::Family;
use crate::types::ipvs::{Checksum, TunnelKind};
use crate::types::ipvs::{Destination, Forward, IpProtocol, ServiceKey, Tunnel};

fn addr(last: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

fn key(last: u8, port: u16) -> ServiceKey {
    ServiceKey::Address {
        addr: Ipv4Addr::new(192, 0, 2, last).into(),
        port,
        protocol: IpProtocol::Tcp,
    }
}

/// A check of its own for every port.
fn check(port: u16, alpha: bool) -> Check {
    Check {
        kind: CheckKind::Tcp(Target {
            remote: (addr(1), port).into(),
            ..Target::default()
        }),
        retry: 1,
        delay_before_retry: Duration::from_secs(1),
        interval: Duration::from_secs(10),
        warmup: Duration::from_secs(10),
        alpha,
        log_all_failures: false,
    }
}

fn server(last: u8, weight: u32, checks: &[Check]) -> RealServer {
    RealServer {
        addr: addr(last),
        port: 80,
        weight,
        smtp_alert: false,
        checks: checks.to_vec(),
        ..RealServer::default()
    }
}

fn service(servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        name: "[192.0.2.1]:tcp:80".into(),
        services: vec![key(1, 80)],
        protocol: Some(IpProtocol::Tcp),
        scheduler: "rr",
        real_servers: servers,
        ..VirtualServer::default()
    }
}

fn sorry(inhibit: bool) -> Option<SorryServer> {
    Some(SorryServer {
        addr: addr(99),
        port: 80,
        forward: Forward::Masquerade,
        inhibit,
    })
}

/// Virtual servers under test.
struct Bench {
    conf: Lvs,
    servers: VirtualServers,
}

impl Bench {
    fn new(servers: Vec<VirtualServer>) -> (Self, Vec<Change>) {
        let conf = Lvs {
            virtual_servers: servers,
            ..Lvs::default()
        };
        let mut bench = Bench {
            servers: VirtualServers::new(&conf),
            conf,
        };
        let changes = bench.settle(false);
        (bench, changes)
    }

    fn settle(&mut self, notify_up: bool) -> Vec<Change> {
        let mut changes = Vec::new();
        for (index, conf) in self.conf.virtual_servers.iter().enumerate() {
            let state = self.servers.get_mut(index).expect("one for each");
            state.settle(conf, notify_up, &mut changes);
        }
        changes
    }

    fn apply(&mut self, server: usize, check: usize, up: bool, weight: i64) -> Vec<Change> {
        let mut changes = Vec::new();
        let state = self.servers.get_mut(0).expect("there");
        let check_state = CheckState { up, weight };
        state.apply(
            &self.conf.virtual_servers[0],
            server,
            check,
            check_state,
            &mut changes,
        );
        changes
    }

    fn reload(&mut self, servers: Vec<VirtualServer>) -> (Vec<Removal>, Vec<Change>) {
        let new = Lvs {
            virtual_servers: servers,
            ..Lvs::default()
        };
        let matches = match_previous(&self.conf, &new);
        let left = self.servers.removed(&matches);
        self.servers.replace(&matches, &new);
        self.conf = new;
        (left, self.settle(false))
    }

    /// Last byte of the address and weight of all destinations of the first service.
    fn table(&self) -> Vec<(u8, u32)> {
        let desired = self.servers.desired(&self.conf);
        short(&desired[0].destinations)
    }
}

fn short(destinations: &[Destination]) -> Vec<(u8, u32)> {
    let last = |addr: IpAddr| match addr {
        IpAddr::V4(addr) => addr.octets()[3],
        IpAddr::V6(_) => 0,
    };
    let pairs = destinations.iter().map(|one| (last(one.addr), one.weight));
    pairs.collect()
}

fn up_down(server: usize, check: usize, up: bool) -> Change {
    let check = Some(check);
    Change::Server { server, up, check }
}

fn quorum(up: bool, weight: u64) -> Change {
    let first = false;
    Change::Quorum { up, first, weight }
}

#[test]
fn a_server_is_up_when_all_its_checks_succeed() {
    let two = [check(1, false), check(2, false)];
    let servers = vec![server(1, 3, &two), server(2, 1, &[])];
    let (mut bench, changes) = Bench::new(vec![service(servers)]);
    let start = Change::Quorum {
        up: true,
        first: true,
        weight: 4,
    };
    assert_eq!(changes, [start], "all are assumed up");
    assert_eq!(bench.table(), [(1, 3), (2, 1)]);
    assert_eq!(bench.apply(0, 0, true, 0), [], "unchanged");
    assert_eq!(bench.apply(0, 0, false, 0), [up_down(0, 0, false)]);
    assert_eq!(bench.table(), [(2, 1)]);
    assert_eq!(bench.apply(0, 1, false, 0), [], "already down");
    assert_eq!(bench.apply(0, 0, true, 0), [], "the other one still fails");
    assert_eq!(bench.apply(0, 1, true, 0), [up_down(0, 1, true)]);
    assert_eq!(bench.table(), [(1, 3), (2, 1)]);
}

#[test]
fn with_alpha_servers_start_down_and_the_first_failure_is_reported_once() {
    let two = [check(1, true), check(2, true)];
    let (mut bench, changes) = Bench::new(vec![service(vec![server(1, 1, &two)])]);
    assert_eq!((changes, bench.table()), (vec![], vec![]));
    assert_eq!(bench.apply(0, 0, true, 0), [], "one of two");
    assert_eq!(bench.apply(0, 1, false, 0), [up_down(0, 1, false)]);
    assert_eq!(bench.apply(0, 0, false, 0), []);
    assert_eq!(bench.apply(0, 0, true, 0), []);
    let changes = bench.apply(0, 1, true, 0);
    assert_eq!(changes, [up_down(0, 1, true), quorum(true, 1)]);
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn weights_of_checks_are_added_and_clamped_at_zero() {
    let two = [check(1, false), check(2, false)];
    let (mut bench, _) = Bench::new(vec![service(vec![server(1, 10, &two), server(2, 1, &[])])]);
    let server = 0;
    for (check, adds, from, to) in [
        (0, 5, 10, 15),
        (1, -8, 15, 7),
        (1, -80, 7, 0),
        (0, 75, 0, 5),
        (0, i64::MAX, 5, i32::MAX as u32),
        (0, i64::MIN, i32::MAX as u32, 0),
    ] {
        let changes = bench.apply(0, check, true, adds);
        assert_eq!(changes, [Change::Weight { server, from, to }]);
        assert_eq!(
            bench.table(),
            [(1, to), (2, 1)],
            "weight 0 stays in the table"
        );
    }
    // The weight counts for the quorum, and changes while the server is down too.
    assert_eq!(
        bench.apply(0, 0, false, 80),
        [
            Change::Weight {
                server,
                from: 0,
                to: 10
            },
            up_down(0, 0, false),
        ]
    );
    assert_eq!(bench.apply(0, 1, true, 0).len(), 1);
    assert_eq!(bench.table(), [(2, 1)]);
    assert_eq!(bench.apply(0, 0, true, 80), [up_down(0, 0, true)]);
    assert_eq!(bench.table(), [(1, 90), (2, 1)]);
}

/// Four servers of weight 1, quorum 2, hysteresis 1: lost below 1, gained at 3.
#[test]
fn the_quorum_has_hysteresis() {
    let servers = |count| (1..=count).map(|nth| server(nth, 1, &[check(1, false)]));
    let (mut bench, _) = Bench::new(vec![VirtualServer {
        quorum: 2,
        hysteresis: 1,
        ..service(servers(4).collect())
    }]);
    for (nth, up, gained) in [
        (0, false, None),
        (1, false, None),
        (2, false, None),
        (3, false, Some(quorum(false, 0))),
        (3, true, None),
        (2, true, None),
        (1, true, Some(quorum(true, 3))),
        (0, true, None),
    ] {
        let mut want = vec![up_down(nth, 0, up)];
        want.extend(gained);
        assert_eq!(bench.apply(nth, 0, up, 0), want, "server {nth}");
    }
}

#[test]
fn a_weight_can_cost_the_quorum() {
    let one = server(1, 5, &[check(1, false)]);
    let (mut bench, _) = Bench::new(vec![VirtualServer {
        quorum: 3,
        sorry_server: sorry(false),
        ..service(vec![one])
    }]);
    let server = 0;
    let lost = Change::Weight {
        server,
        from: 5,
        to: 2,
    };
    assert_eq!(
        bench.apply(0, 0, true, -3),
        [lost, quorum(false, 2), Change::SorryServer(true)]
    );
    assert_eq!(
        bench.table(),
        [(99, 1)],
        "it would go on if there were no sorry server"
    );
}

#[test]
fn the_sorry_server_replaces_all_others_and_without_one_the_rest_stays() {
    for (with, lost, gained) in [
        (None, vec![(1, 1)], vec![(1, 1), (2, 1)]),
        (sorry(false), vec![(99, 1)], vec![(1, 1), (2, 1)]),
        (sorry(true), vec![(99, 1)], vec![(99, 0), (1, 1), (2, 1)]),
    ] {
        let checks = [check(1, false)];
        let (mut bench, _) = Bench::new(vec![VirtualServer {
            quorum: 2,
            sorry_server: with,
            ..service(vec![server(1, 1, &[]), server(2, 1, &checks)])
        }]);
        assert_eq!(bench.table(), gained);
        let mut want = vec![up_down(1, 0, false), quorum(false, 1)];
        want.extend(with.map(|_| Change::SorryServer(true)));
        assert_eq!(bench.apply(1, 0, false, 0), want);
        assert_eq!(bench.table(), lost);
        let mut want = vec![up_down(1, 0, true), quorum(true, 2)];
        want.extend(with.map(|_| Change::SorryServer(false)));
        assert_eq!(bench.apply(1, 0, true, 0), want);
        assert_eq!(bench.table(), gained);
    }
}

#[test]
fn inhibit_on_failure_keeps_servers_with_weight_0() {
    let inhibit = |one| RealServer {
        inhibit_on_failure: true,
        ..one
    };
    let servers = vec![
        inhibit(server(1, 7, &[check(1, true)])),
        inhibit(server(2, 7, &[check(1, false)])),
        server(3, 1, &[]),
    ];
    let (mut bench, _) = Bench::new(vec![VirtualServer {
        quorum: 2,
        sorry_server: sorry(false),
        ..service(servers)
    }]);
    assert_eq!(
        bench.table(),
        [(1, 0), (2, 7), (3, 1)],
        "also before the first success"
    );
    let _ = bench.apply(1, 0, false, 0);
    assert_eq!(bench.table(), [(99, 1), (1, 0), (2, 0)]);
    let _ = bench.apply(0, 0, true, 0);
    assert_eq!(bench.table(), [(1, 7), (2, 0), (3, 1)]);
}

#[test]
fn without_servers_the_sorry_server_is_active_at_start() {
    let alpha = vec![server(1, 1, &[check(1, true)])];
    let (mut bench, changes) = Bench::new(vec![VirtualServer {
        sorry_server: sorry(false),
        ..service(alpha)
    }]);
    let start = Change::Quorum {
        up: false,
        first: true,
        weight: 0,
    };
    assert_eq!(changes, [start, Change::SorryServer(true)]);
    assert_eq!(bench.table(), [(99, 1)]);
    let changes = bench.apply(0, 0, true, 0);
    assert_eq!(
        changes,
        [
            up_down(0, 0, true),
            quorum(true, 1),
            Change::SorryServer(false)
        ]
    );
}

#[test]
fn a_server_that_is_also_the_sorry_server_is_listed_once() {
    let own = |inhibit| {
        sorry(inhibit).map(|sorry| SorryServer {
            addr: addr(1),
            ..sorry
        })
    };
    for inhibit in [false, true] {
        let (mut bench, _) = Bench::new(vec![VirtualServer {
            sorry_server: own(inhibit),
            quorum: 6,
            ..service(vec![server(1, 5, &[]), server(2, 2, &[check(1, false)])])
        }]);
        assert_eq!(bench.table(), [(1, 5), (2, 2)]);
        let _ = bench.apply(1, 0, false, 0);
        assert_eq!(bench.table(), [(1, 1)]);
    }
}

#[test]
fn every_entry_of_a_virtual_server_group_is_a_service() {
    let tunnel = Forward::Tunnel(Tunnel {
        kind: TunnelKind::Ipip,
        checksum: Checksum::None,
    });
    let servers = [Forward::Masquerade, Forward::Direct, tunnel];
    let servers = (1..).zip(servers).map(|(nth, forward)| RealServer {
        forward,
        port: 8080,
        ..server(nth, 1, &[])
    });
    let mark = ServiceKey::Mark {
        mark: 5,
        family: Family::V4,
    };
    let mut group = service(servers.collect());
    group.services = vec![key(1, 80), key(2, 443), mark];
    group.group = Some("web".into());
    let (bench, _) = Bench::new(vec![group]);
    let ports = |one: &DesiredService| {
        let ports: Vec<u16> = one.destinations.iter().map(|one| one.port).collect();
        (one.service.key, ports)
    };
    let desired: Vec<_> = bench
        .servers
        .desired(&bench.conf)
        .iter()
        .map(ports)
        .collect();
    assert_eq!(
        desired,
        [
            (key(1, 80), vec![8080, 80, 80]),
            (key(2, 443), vec![8080, 443, 443]),
            (mark, vec![8080, 0, 0]),
        ]
    );
}

// ---- reload ----

#[test]
fn reload_keeps_states_and_weights() {
    let checks = [check(1, false), check(2, false)];
    let old = service(vec![
        server(1, 1, &checks),
        server(2, 1, &checks),
        server(3, 1, &[]),
    ]);
    let (mut bench, _) = Bench::new(vec![old.clone()]);
    let _ = bench.apply(0, 0, false, 0);
    let _ = bench.apply(1, 1, true, 4);
    assert_eq!(bench.table(), [(2, 5), (3, 1)]);
    assert_eq!(
        bench.reload(vec![old.clone()]),
        (vec![], vec![]),
        "unchanged"
    );
    assert_eq!(bench.table(), [(2, 5), (3, 1)]);
    // Another order, other weights and intervals.
    let slower = Check {
        interval: Duration::from_secs(60),
        ..check(2, false)
    };
    let new = service(vec![
        server(3, 2, &[]),
        server(2, 10, &[slower, check(1, false)]),
        server(1, 1, &[check(9, false), check(1, false)]),
    ]);
    let (left, changes) = bench.reload(vec![new]);
    assert_eq!(left, []);
    let weight = |server, from, to| Change::Weight { server, from, to };
    assert_eq!(changes, [weight(0, 1, 2), weight(1, 5, 14)]);
    assert_eq!(bench.table(), [(3, 2), (2, 14)]);
    // The failing check was removed.
    let (_, changes) = bench.reload(vec![service(vec![server(1, 1, &[check(9, false)])])]);
    let check = None;
    let up = true;
    assert_eq!(
        changes,
        [Change::Server {
            server: 0,
            up,
            check
        }]
    );
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn after_reload_new_checks_agree_with_the_others_until_they_have_run() {
    for (alpha, up, want) in [
        (false, true, true),
        (true, true, true),
        (false, false, false),
        (true, false, false),
    ] {
        let old = |more: &[Check]| {
            let checks = [&[check(1, false)], more].concat();
            service(vec![server(1, 1, &checks)])
        };
        let (mut bench, _) = Bench::new(vec![old(&[])]);
        let _ = bench.apply(0, 0, up, 0);
        let (_, changes) = bench.reload(vec![old(&[check(2, alpha)])]);
        assert_eq!(changes, []);
        assert_eq!(!bench.table().is_empty(), want);
    }
}

#[test]
fn reload_reports_removed_servers_that_were_up() {
    let other = |last, servers| VirtualServer {
        services: vec![key(last, 80)],
        ..service(servers)
    };
    let checks = [check(1, false)];
    let (mut bench, _) = Bench::new(vec![
        other(
            1,
            vec![
                server(1, 1, &checks),
                server(2, 1, &checks),
                server(3, 1, &[]),
            ],
        ),
        other(2, vec![server(1, 1, &checks)]),
    ]);
    let _ = bench.apply(0, 0, false, 0);
    let left = |service, server| match server {
        Some(server) => Removal::RealServer { service, server },
        None => Removal::VirtualServer { service },
    };
    let whole = [
        left(0, Some(1)),
        left(0, Some(2)),
        left(0, None),
        left(1, Some(0)),
        left(1, None),
    ];
    assert_eq!(bench.servers.removed(&[]), whole, "everything at shutdown");
    let (gone, changes) = bench.reload(vec![other(1, vec![server(3, 1, &[])])]);
    assert_eq!(gone, [left(0, Some(1)), left(1, Some(0)), left(1, None)]);
    assert_eq!(changes, [], "the quorum is kept");
}

#[test]
fn reload_can_lose_the_quorum_and_activate_the_sorry_server() {
    let both = |quorum, sorry| VirtualServer {
        quorum,
        sorry_server: sorry,
        ..service(vec![server(1, 1, &[]), server(2, 1, &[check(1, false)])])
    };
    let (mut bench, _) = Bench::new(vec![both(1, None)]);
    let _ = bench.apply(1, 0, false, 0);
    let (_, changes) = bench.reload(vec![both(2, None)]);
    assert_eq!(changes, [quorum(false, 1)]);
    assert_eq!(bench.table(), [(1, 1)]);
    let (_, changes) = bench.reload(vec![both(2, sorry(false))]);
    assert_eq!(changes, [Change::SorryServer(true)]);
    assert_eq!(bench.table(), [(99, 1)]);
    let (_, changes) = bench.reload(vec![both(2, None)]);
    assert_eq!(changes, [Change::SorryServer(false)]);
    assert_eq!(bench.table(), [(1, 1)]);
}

#[test]
fn reload_matches_groups_by_name_and_others_by_service() {
    let group = |name: &str, keys: &[ServiceKey]| VirtualServer {
        group: Some(name.into()),
        services: keys.to_vec(),
        ..service(vec![server(1, 1, &[])])
    };
    let single = |key| VirtualServer {
        services: vec![key],
        ..service(vec![server(1, 1, &[])])
    };
    let old = vec![
        single(key(1, 80)),
        group("a", &[key(2, 80)]),
        group("b", &[key(3, 80)]),
    ];
    let new = vec![
        group("b", &[key(2, 80), key(3, 80)]),
        group("c", &[key(1, 80)]),
        single(key(1, 80)),
        single(key(9, 80)),
    ];
    let all = |servers| Lvs {
        virtual_servers: servers,
        ..Lvs::default()
    };
    let matches = match_previous(&all(old), &all(new));
    let services: Vec<Option<usize>> = matches.iter().map(|matched| matched.service).collect();
    assert_eq!(services, [Some(2), None, Some(0), None]);
    let none = ServiceMatch::default();
    assert_eq!(matches[1].servers.len(), 1);
    assert_eq!((matches[1].servers[0].server, none.service), (None, None));
}

#[test]
fn reload_matches_two_equal_checks_one_to_one() {
    let twice = || service(vec![server(1, 1, &[check(1, false), check(1, false)])]);
    let (mut bench, _) = Bench::new(vec![twice()]);
    let _ = bench.apply(0, 1, false, 0);
    let (_, changes) = bench.reload(vec![twice()]);
    assert_eq!((changes, bench.table()), (vec![], vec![]));
    let up = [up_down(0, 1, true), quorum(true, 1)];
    assert_eq!(bench.apply(0, 1, true, 0), up);
}

// ---- against a model ----

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Calculates everything from the states of all checks each time.
struct Model {
    checks: Vec<Vec<CheckState>>,
    quorum: bool,
}

impl Model {
    fn weights(&self, conf: &VirtualServer) -> Vec<Option<u32>> {
        let weight = |(conf, checks): (&RealServer, &Vec<CheckState>)| {
            let mut sum = i64::from(conf.weight);
            for check in checks {
                if !check.up {
                    return None;
                }
                sum += check.weight;
            }
            Some(u32::try_from(sum.max(0)).expect("small numbers"))
        };
        conf.real_servers
            .iter()
            .zip(&self.checks)
            .map(weight)
            .collect()
    }

    fn table(&mut self, conf: &VirtualServer) -> Vec<(u8, u32)> {
        let weights = self.weights(conf);
        let sum: u32 = weights.iter().flatten().sum();
        if self.quorum && (sum == 0 || sum < conf.quorum - conf.hysteresis) {
            self.quorum = false;
        } else if !self.quorum && sum >= conf.quorum + conf.hysteresis {
            self.quorum = true;
        }
        let sorry = conf.sorry_server.filter(|_| !self.quorum);
        let mut table = Vec::new();
        if sorry.is_some() {
            table.push((99, 1));
        } else if conf.sorry_server.is_some_and(|sorry| sorry.inhibit) {
            table.push((99, 0));
        }
        for (nth, (server, weight)) in (1..).zip(conf.real_servers.iter().zip(weights)) {
            match weight {
                Some(weight) if sorry.is_none() => table.push((nth, weight)),
                _ if server.inhibit_on_failure => table.push((nth, 0)),
                _ => {}
            }
        }
        table
    }
}

fn random_service(random: &mut Random) -> VirtualServer {
    let count = 1 + random.below(5);
    let servers = (1..=count).map(|nth| {
        let checks = random.below(3);
        let checks: Vec<Check> = (0..checks)
            .map(|port| check(u16::try_from(port).expect("small"), random.below(4) == 0))
            .collect();
        RealServer {
            inhibit_on_failure: random.below(3) == 0,
            ..server(
                u8::try_from(nth).expect("small"),
                u32::try_from(random.below(4)).expect("small"),
                &checks,
            )
        }
    });
    let servers: Vec<RealServer> = servers.collect();
    let total: u32 = servers.iter().map(|one| one.weight).sum();
    let quorum = 1 + u32::try_from(random.below(u64::from(total.max(1)))).expect("small");
    VirtualServer {
        hysteresis: u32::try_from(random.below(u64::from(quorum))).expect("small"),
        quorum,
        sorry_server: match random.below(3) {
            0 => None,
            kind => sorry(kind == 1),
        },
        ..service(servers)
    }
}

/// Applies reported changes. Nothing is reported twice.
fn follow(reported: &mut (Vec<bool>, bool, bool), changes: &[Change]) {
    for change in changes {
        match *change {
            Change::Server { server, up, .. } => {
                assert!(up != reported.0[server] || !up, "up twice");
                reported.0[server] = up;
            }
            Change::Quorum { up, first, .. } => {
                assert!(up != reported.1 || first);
                reported.1 = up;
            }
            Change::SorryServer(on) => {
                assert_ne!(on, reported.2);
                reported.2 = on;
            }
            Change::Weight { from, to, .. } => assert_ne!(from, to),
        }
    }
}

fn state(state: &VirtualServerState) -> (Vec<bool>, bool, bool) {
    let up = state.servers.iter().map(|server| server.up);
    (up.collect(), state.quorum, state.sorry_active)
}

#[test]
fn random_changes_agree_with_the_model() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        let conf = random_service(&mut random);
        let alpha = |check: &Check| CheckState {
            up: !check.alpha,
            weight: 0,
        };
        let servers = conf.real_servers.iter();
        let checks = servers.map(|server| server.checks.iter().map(alpha).collect());
        let mut model = Model {
            checks: checks.collect(),
            quorum: false,
        };
        let (mut bench, changes) = Bench::new(vec![conf.clone()]);
        let mut reported: (Vec<bool>, bool, bool) = Default::default();
        reported.0 = state(bench.servers.get(0).expect("there")).0;
        follow(&mut reported, &changes);
        assert_eq!(bench.table(), model.table(&conf));
        for _ in 0..60 {
            let at = usize::try_from(random.below(conf.real_servers.len() as u64)).expect("small");
            let checks = model.checks[at].len();
            if checks == 0 {
                continue;
            }
            let nth = usize::try_from(random.below(checks as u64)).expect("small");
            let check = CheckState {
                up: random.below(3) > 0,
                weight: i64::try_from(random.below(7)).expect("small") - 3,
            };
            model.checks[at][nth] = check;
            let changes = bench.apply(at, nth, check.up, check.weight);
            follow(&mut reported, &changes);
            assert_eq!(bench.table(), model.table(&conf), "{conf:#?}");
            assert_eq!(reported, state(bench.servers.get(0).expect("there")));
            if random.below(20) == 0 {
                assert_eq!(bench.reload(vec![conf.clone()]), (vec![], vec![]));
            }
        }
    }
}
