//! Virtual servers: the contents of the IPVS table after each event.

use std::time::Duration;

use crate::support::ipvs::FakeDaemon;
use crate::support::kernel::{Kernel, at, instance, run, start};
use vrrpd::config::model::lvs::{Lvs, RealServer, SyncDaemon, VirtualServer};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::netlink::ipvs::Role;
use vrrpd::types::ipvs::{Destination, Forward, IpProtocol, Service, ServiceKey};
use vrrpd::types::{IfName, InstanceId, VrrpState};

const WEB: &str = "[192.0.2.1]:tcp:80";

fn eth0() -> Kernel {
    Kernel::with(&[(2, "eth0", true)], &[(2, "192.0.2.9/24")])
}

fn key(port: u16) -> ServiceKey {
    ServiceKey::Address {
        addr: "192.0.2.1".parse().unwrap(),
        port,
        protocol: IpProtocol::Tcp,
    }
}

fn real(last: u8, weight: u32) -> RealServer {
    RealServer {
        addr: [10, 0, 0, last].into(),
        port: 80,
        weight,
        forward: Forward::Direct,
        smtp_alert: false,
        ..RealServer::default()
    }
}

fn web(port: u16, servers: Vec<RealServer>) -> VirtualServer {
    VirtualServer {
        name: key(port).to_string(),
        services: vec![key(port)],
        protocol: Some(IpProtocol::Tcp),
        real_servers: servers,
        ..VirtualServer::default()
    }
}

fn lvs(servers: Vec<VirtualServer>) -> Lvs {
    Lvs {
        virtual_servers: servers,
        ..Lvs::default()
    }
}

fn config(lvs: Lvs, instances: Vec<VrrpInstance>) -> Config {
    Config {
        lvs,
        instances,
        ..Config::default()
    }
}

fn started(kernel: &mut Kernel, lvs: Lvs) -> Engine {
    let mut engine = Engine::new(config(lvs, Vec::new()), Options::default());
    start(&mut engine, kernel, at(0));
    engine
}

fn service(port: u16) -> Service {
    Service {
        key: key(port),
        scheduler: "wlc".into(),
        persistence: 0,
        granularity: u32::MAX,
        one_packet: false,
        sip: false,
        flags: 0,
    }
}

fn server(last: u8, weight: u32) -> Destination {
    Destination {
        addr: [10, 0, 0, last].into(),
        port: 80,
        forward: Forward::Direct,
        weight,
        upper: 0,
        lower: 0,
    }
}

#[test]
fn ipvs_services_are_added_at_start_and_removed_on_stop() {
    let mut kernel = eth0();
    let foreign = (service(25), vec![server(9, 1)]);
    kernel.ipvs.services.push(foreign.clone());
    let mut engine = started(
        &mut kernel,
        lvs(vec![web(80, vec![real(1, 1), real(2, 3)])]),
    );
    assert_eq!(
        kernel.ipvs.servers(WEB).unwrap(),
        ["10.0.0.1:80 1", "10.0.0.2:80 3"]
    );
    kernel.ipvs.take_log();
    engine.stop(at(10), &mut kernel);
    assert_eq!(kernel.ipvs.services, [foreign], "those of others stay");
    let want = ["del [192.0.2.1]:tcp:80"];
    assert_eq!(kernel.ipvs.take_log(), want, "its servers go with it");
}

#[test]
fn without_virtual_servers_ipvs_is_not_used() {
    let mut kernel = eth0();
    kernel.ipvs.dump_errno = Some(1);
    let mut engine = started(&mut kernel, Lvs::default());
    run(&mut engine, &mut kernel, at(60_000));
    engine.stop(at(60_000), &mut kernel);
    assert_eq!(
        (kernel.ipvs.dumps, kernel.ipvs.requests, kernel.spawned),
        (0, 0, 0)
    );
}

#[test]
fn leftover_ipvs_services_are_adopted_in_place() {
    let mut kernel = eth0();
    let old = Service {
        scheduler: "rr".into(),
        ..service(80)
    };
    kernel.ipvs.services = vec![
        (old, vec![server(1, 7), server(2, 1), server(3, 1)]),
        (
            service(443),
            vec![Destination {
                port: 443,
                ..server(1, 1)
            }],
        ),
    ];
    let same = web(443, vec![real(1, 1)]);
    let web = web(80, vec![real(4, 1), real(1, 1), real(2, 1)]);
    started(&mut kernel, lvs(vec![same, web]));
    assert_eq!(
        kernel.ipvs.take_log(),
        [
            "set [192.0.2.1]:tcp:80",
            "add [10.0.0.4]:80 of [192.0.2.1]:tcp:80",
            "set [10.0.0.1]:80 of [192.0.2.1]:tcp:80",
            "del [10.0.0.3]:80 of [192.0.2.1]:tcp:80",
        ]
    );
}

#[test]
fn lvs_flush_clears_the_ipvs_table_at_start() {
    let mut kernel = eth0();
    kernel.ipvs.services.push((service(25), vec![server(9, 1)]));
    let conf = Lvs {
        flush: true,
        flush_on_stop: true,
        ..lvs(vec![web(80, vec![real(1, 1)])])
    };
    let mut engine = started(&mut kernel, conf.clone());
    assert_eq!(kernel.ipvs.services.len(), 1);
    // Only at start.
    kernel.ipvs.services.push((service(25), vec![server(9, 1)]));
    engine.reload(at(10), config(conf, Vec::new()), &mut kernel);
    assert_eq!(kernel.ipvs.services.len(), 2);
    engine.stop(at(20), &mut kernel);
    assert!(kernel.ipvs.services.is_empty());
    assert_eq!(
        kernel.ipvs.take_log().last().map(String::as_str),
        Some("flush")
    );
}

#[test]
fn ipvs_services_are_removed_with_their_servers() {
    let mut kernel = eth0();
    let conf = lvs(vec![web(80, vec![real(1, 1), real(2, 1)])]);
    let mut engine = started(&mut kernel, conf);
    kernel.ipvs.take_log();
    engine.stop(at(20), &mut kernel);
    assert_eq!(kernel.ipvs.take_log(), ["del [192.0.2.1]:tcp:80"]);
}

#[test]
fn reload_changes_only_what_differs() {
    let mut kernel = eth0();
    let two = vec![
        web(80, vec![real(1, 1), real(2, 1)]),
        web(443, vec![real(1, 1)]),
    ];
    let mut engine = started(&mut kernel, lvs(two));
    kernel.ipvs.take_log();
    let mut changed = web(80, vec![real(1, 5), real(3, 1)]);
    changed.scheduler = "wrr";
    changed.persistence_timeout = 60;
    let new = lvs(vec![changed, web(8080, vec![])]);
    engine.reload(at(10), config(new, Vec::new()), &mut kernel);
    run(&mut engine, &mut kernel, at(100));
    let log = kernel.ipvs.take_log();
    let mut sorted = log.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        [
            "add [10.0.0.3]:80 of [192.0.2.1]:tcp:80",
            "add [192.0.2.1]:tcp:8080",
            "del [10.0.0.2]:80 of [192.0.2.1]:tcp:80",
            "del [192.0.2.1]:tcp:443",
            "set [10.0.0.1]:80 of [192.0.2.1]:tcp:80",
            "set [192.0.2.1]:tcp:80",
        ]
    );
    let (service, _) = &kernel.ipvs.services[0];
    assert_eq!(
        (service.scheduler.as_str(), service.persistence),
        ("wrr", 60)
    );
    engine.reload(at(110), config(Lvs::default(), Vec::new()), &mut kernel);
    assert!(kernel.ipvs.services.is_empty());
}

#[test]
fn external_ipvs_changes_are_repaired_at_the_next_resync() {
    let mut kernel = eth0();
    let mut engine = started(
        &mut kernel,
        lvs(vec![web(80, vec![real(1, 1), real(2, 1)])]),
    );
    let good = kernel.ipvs.services.clone();
    run(&mut engine, &mut kernel, at(30_000));
    kernel.ipvs.take_log();
    for damage in [
        (|ipvs| ipvs.services.clear()) as fn(&mut crate::support::ipvs::Ipvs),
        |ipvs| ipvs.services[0].0.scheduler = "rr".into(),
        |ipvs| ipvs.services[0].1[0].weight = 9,
        |ipvs| ipvs.services[0].1.clear(),
        |ipvs| ipvs.services[0].1.push(server(9, 9)),
    ] {
        damage(&mut kernel.ipvs);
        let now = engine.next_deadline().unwrap();
        run(&mut engine, &mut kernel, now.after(Duration::from_secs(10)));
        assert_eq!(kernel.ipvs.services, good);
        kernel.ipvs.take_log();
        run(&mut engine, &mut kernel, now.after(Duration::from_secs(30)));
        assert_eq!(
            kernel.ipvs.take_log(),
            [""; 0],
            "what is right is left alone"
        );
    }
}

#[test]
fn missing_ipvs_scheduler_affects_only_its_services() {
    let mut kernel = eth0();
    kernel.ipvs.no_scheduler.push("mh".into());
    let hashed = |port| VirtualServer {
        scheduler: "mh",
        ..web(port, vec![real(1, 1)])
    };
    let mut servers: Vec<_> = (1000..1100).map(hashed).collect();
    servers.push(web(80, vec![real(1, 1)]));
    let mut engine = started(&mut kernel, lvs(servers));
    run(&mut engine, &mut kernel, at(100));
    assert_eq!(kernel.ipvs.services.len(), 1);
    let refused = |line: &&String| line.ends_with(": 2");
    let log = kernel.ipvs.take_log();
    assert_eq!(log.iter().filter(refused).count(), 1, "{log:?}");
    // The module is installed.
    kernel.ipvs.no_scheduler.clear();
    run(&mut engine, &mut kernel, at(35_000));
    assert_eq!(kernel.ipvs.services.len(), 101);
    assert!(
        kernel
            .ipvs
            .services
            .iter()
            .all(|(_, servers)| servers.len() == 1)
    );
}

#[test]
fn rejected_ipvs_server_is_retried_and_others_work() {
    let mut kernel = eth0();
    kernel.ipvs.reject_servers.push([10, 0, 0, 2].into());
    let three = vec![real(1, 1), real(2, 1), real(3, 1)];
    let mut engine = started(&mut kernel, lvs(vec![web(80, three)]));
    assert_eq!(
        kernel.ipvs.servers(WEB).unwrap(),
        ["10.0.0.1:80 1", "10.0.0.3:80 1"]
    );
    run(&mut engine, &mut kernel, at(120_000));
    let tries = kernel.ipvs.take_log();
    assert!(
        (5..12).contains(&tries.iter().filter(|line| line.ends_with(": 22")).count()),
        "{tries:?}"
    );
    kernel.ipvs.reject_servers.clear();
    run(&mut engine, &mut kernel, at(151_000));
    assert_eq!(kernel.ipvs.servers(WEB).unwrap().len(), 3);
}

#[test]
fn missing_ipvs_starts_modprobe_once_and_instances_run() {
    let mut kernel = eth0();
    kernel.ipvs.available = false;
    let conf = config(
        lvs(vec![web(80, vec![real(1, 1)])]),
        vec![instance(7, 100, &["192.0.2.1/32"])],
    );
    let mut engine = Engine::new(conf, Options::default());
    start(&mut engine, &mut kernel, at(0));
    let spawned = |kernel: &mut Kernel| {
        let log = kernel.take_log();
        log.iter()
            .filter(|line| line.contains("/sbin/modprobe ip_vs"))
            .count()
    };
    run(&mut engine, &mut kernel, at(60_000));
    assert_eq!(spawned(&mut kernel), 1);
    assert!(kernel.has("192.0.2.1/32"));
    kernel.ipvs.available = true;
    run(&mut engine, &mut kernel, at(91_000));
    assert_eq!(kernel.ipvs.servers(WEB).unwrap(), ["10.0.0.1:80 1"]);
    // The module is removed, and its services with it.
    kernel.ipvs.available = false;
    kernel.ipvs.services.clear();
    run(&mut engine, &mut kernel, at(111_000));
    assert_eq!(spawned(&mut kernel), 1);
    kernel.ipvs.available = true;
    run(&mut engine, &mut kernel, at(120_000));
    assert_eq!(kernel.ipvs.servers(WEB).unwrap(), ["10.0.0.1:80 1"]);
}

#[test]
fn large_ipvs_table_is_installed_in_slices() {
    let mut kernel = eth0();
    let many = (0..3_000_u32).map(|n| RealServer {
        addr: std::net::Ipv4Addr::from(0x0a00_0000 + n).into(),
        ..real(0, 1)
    });
    let mut engine = started(&mut kernel, lvs(vec![web(80, many.collect())]));
    let first = kernel.ipvs.requests;
    assert!((1..=320).contains(&first), "{first} in the first turn");
    run(&mut engine, &mut kernel, at(1_000));
    assert_eq!(kernel.ipvs.servers(WEB).unwrap().len(), 3_000);
    assert_eq!(kernel.ipvs.requests, 3_001, "nothing twice");
    assert_eq!(kernel.ipvs.longest_batch, 64);
    let listed = kernel.ipvs.dumps;
    run(&mut engine, &mut kernel, at(300_000));
    assert!(
        kernel.ipvs.dumps - listed <= 16,
        "large tables are looked at less often"
    );
    assert_eq!(kernel.ipvs.requests, 3_001);
}

fn sync(id: u8) -> SyncDaemon {
    SyncDaemon {
        interface: IfName::new("eth0").unwrap(),
        instance: Some(InstanceId(0)),
        id,
        max_len: None,
        port: None,
        ttl: Some(3),
        group: None,
    }
}

fn daemon(role: Role, id: u8) -> FakeDaemon {
    FakeDaemon {
        role,
        interface: "eth0".into(),
        id,
        ttl: Some(3),
    }
}

#[test]
fn lvs_sync_daemon_follows_its_instance() {
    let mut kernel = eth0();
    let with = |id| {
        let lvs = Lvs {
            sync_daemon: Some(sync(id)),
            ..Lvs::default()
        };
        config(lvs, vec![instance(7, 100, &["192.0.2.1/32"])])
    };
    // The previous process was master.
    kernel.ipvs.daemons.push(daemon(Role::Master, 5));
    let mut engine = Engine::new(with(5), Options::default());
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(kernel.ipvs.daemons, [daemon(Role::Backup, 5)]);
    run(&mut engine, &mut kernel, at(500));
    assert!(kernel.has("192.0.2.1/32"));
    assert_eq!(kernel.ipvs.daemons, [daemon(Role::Master, 5)]);
    kernel.ipvs.take_log();
    run(&mut engine, &mut kernel, at(60_000));
    assert_eq!(kernel.ipvs.take_log(), [""; 0], "it is left alone");
    kernel.ipvs.daemons.clear();
    run(&mut engine, &mut kernel, at(71_000));
    assert_eq!(kernel.ipvs.take_log(), ["start master eth0 5"]);
    engine.reload(at(71_000), with(6), &mut kernel);
    assert_eq!(
        kernel.ipvs.take_log(),
        ["stop master", "start master eth0 6"]
    );
    engine.stop(at(72_000), &mut kernel);
    assert!(kernel.ipvs.daemons.is_empty());
}

#[test]
fn resumed_master_keeps_its_lvs_sync_daemon_and_connections() {
    let conf = || {
        let lvs = Lvs {
            sync_daemon: Some(sync(5)),
            flush: true,
            ..lvs(vec![web(80, vec![real(1, 1)])])
        };
        config(lvs, vec![instance(7, 100, &["192.0.2.1/32"])])
    };
    let mut kernel = eth0();
    let mut first = Engine::new(conf(), Options::default());
    start(&mut first, &mut kernel, at(0));
    run(&mut first, &mut kernel, at(500));
    assert_eq!(kernel.ipvs.daemons, [daemon(Role::Master, 5)]);
    kernel.ipvs.take_log();
    let mut next = Engine::new(conf(), Options::default());
    start(&mut next, &mut kernel, at(600));
    run(&mut next, &mut kernel, at(800));
    let states: Vec<VrrpState> = next.instances().map(|(_, state, _)| state).collect();
    assert_eq!(states, [VrrpState::Master]);
    assert_eq!(kernel.ipvs.take_log(), [""; 0]);
    // Without a resume the backup daemon starts and the table is cleared.
    let mut late = Engine::new(conf(), Options::default());
    start(&mut late, &mut kernel, at(2_000));
    assert_eq!(kernel.ipvs.daemons, [daemon(Role::Backup, 5)]);
    assert!(kernel.ipvs.take_log().contains(&"flush".into()));
}

#[test]
fn lvs_sync_daemon_without_instance_runs_master_and_backup() {
    let mut kernel = eth0();
    let both = SyncDaemon {
        instance: None,
        ..sync(5)
    };
    let conf = Lvs {
        sync_daemon: Some(both),
        ..Lvs::default()
    };
    kernel.ipvs.daemons.push(daemon(Role::Backup, 5));
    let mut engine = started(&mut kernel, conf);
    assert_eq!(kernel.ipvs.take_log(), ["start master eth0 5"]);
    engine.stop(at(10), &mut kernel);
    assert!(kernel.ipvs.daemons.is_empty());
}

#[test]
fn lvs_timeouts_are_restored_on_stop() {
    let mut kernel = eth0();
    let with = |timeouts| Lvs {
        timeouts,
        ..lvs(vec![web(80, vec![real(1, 1)])])
    };
    let mut engine = started(&mut kernel, with([3600, 0, 30]));
    assert_eq!(kernel.ipvs.timeouts, [3600, 120, 30]);
    engine.reload(at(10), config(with([0, 60, 40]), Vec::new()), &mut kernel);
    assert_eq!(kernel.ipvs.timeouts, [900, 60, 40]);
    engine.stop(at(20), &mut kernel);
    assert_eq!(kernel.ipvs.timeouts, [900, 120, 300]);
}
