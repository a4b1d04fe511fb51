//! Virtual servers: changes in IPVS and notifications when real servers fail and recover.

use std::time::Duration;

use crate::support::kernel::{Kernel, at, instance, run, start};
use crate::support::lvs::{check, misc, server, service, target};
use vrrpd::check::SocketEvent;
#[cfg(feature = "mail")]
use vrrpd::config::model::SmtpSettings;
use vrrpd::config::model::lvs::{Check, CheckKind, Lvs, SorryServer, SyncDaemon, VirtualServer};
use vrrpd::config::model::{Command, Config, Fifo, User};
use vrrpd::config::subset::keep;
use vrrpd::ctl::{self, Clock};
use vrrpd::engine::system::{Exit, Pid};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::ipvs::{Forward, IpProtocol, ServiceKey};
use vrrpd::types::{InstanceId, Subsystems};

const ECONNREFUSED: i32 = 111;
/// Name of the virtual server in the log of the fake kernel.
const VS: &str = "198.51.100.1:80";

fn fifo(path: &str) -> Option<Fifo> {
    Some(Fifo {
        path: path.into(),
        user: User::default(),
        script: None,
    })
}

fn command(word: &str) -> Option<Command> {
    Some(Command {
        argv: vec![word.into()],
        user: User::default(),
        secure: false,
    })
}

#[cfg(feature = "mail")]
fn mail() -> Option<SmtpSettings> {
    Some(SmtpSettings {
        to: vec!["a@x".into()],
        from: "me@z".into(),
        server: "127.0.0.1".into(),
        helo_name: "r1".into(),
        ..SmtpSettings::default()
    })
}

pub(crate) fn sorry(inhibit: bool) -> Option<SorryServer> {
    Some(SorryServer {
        addr: "10.0.0.99".parse().expect("an address"),
        port: 80,
        forward: Forward::Masquerade,
        inhibit,
    })
}

fn tcp(server: u8) -> Check {
    check(CheckKind::Tcp(target(&format!("10.0.0.{server}:80"))))
}

/// `count` real servers with a TCP check each.
pub(crate) fn servers(count: u8) -> VirtualServer {
    service(VS, (1..=count).map(|nth| vec![tcp(nth)]).collect())
}

pub(crate) fn config(servers: Vec<VirtualServer>) -> Config {
    Config {
        lvs: Lvs {
            virtual_servers: servers,
            notify_fifo: fifo("/lvs"),
            ..Lvs::default()
        },
        ..Config::default()
    }
}

/// An engine, a kernel, and the real servers that do not answer.
pub(crate) struct Setup {
    pub(crate) engine: Engine,
    pub(crate) kernel: Kernel,
    dead: Vec<u8>,
}

impl Setup {
    pub(crate) fn started(config: &Config) -> Self {
        let mut setup = Setup {
            engine: Engine::new(config.clone(), Options::default()),
            kernel: Kernel::with(&[(2, "eth0", true)], &[(2, "192.0.2.1/24")]),
            dead: Vec::new(),
        };
        start(&mut setup.engine, &mut setup.kernel, at(0));
        setup
    }

    /// Runs until `until`; real servers accept or refuse connections.
    pub(crate) fn run_until(&mut self, until: u64) {
        for ms in (0..=until).step_by(50) {
            run(&mut self.engine, &mut self.kernel, at(ms));
            for (probe, _, remote) in self.kernel.probes.open.clone() {
                let dead = self.dead.iter();
                let dead = dead.map(|nth| format!("10.0.0.{nth}:80"));
                let event = match dead.into_iter().any(|one| one == remote.to_string()) {
                    true => SocketEvent::Failed(ECONNREFUSED),
                    false => SocketEvent::Connected,
                };
                self.kernel
                    .socket_event(&mut self.engine, at(ms), probe, event);
            }
            run(&mut self.engine, &mut self.kernel, at(ms));
        }
    }

    pub(crate) fn fail_servers(&mut self, dead: &[u8], until: u64) {
        self.dead = dead.to_vec();
        self.run_until(until);
    }

    pub(crate) fn reload(&mut self, ms: u64, config: &Config) {
        let (engine, kernel) = (&mut self.engine, &mut self.kernel);
        engine.reload(at(ms), config.clone(), kernel);
        kernel.deliver(engine, at(ms));
        run(engine, kernel, at(ms));
    }

    pub(crate) fn stop(&mut self, ms: u64) {
        self.engine.stop(at(ms), &mut self.kernel);
        let _ = self.engine.drain_notifications(at(ms), &mut self.kernel);
    }

    /// Real servers in IPVS and their weights, with the last byte of the address: `1:1 99:0`.
    pub(crate) fn table(&self) -> String {
        self.table_of(&servers(1))
    }

    fn table_of(&self, service: &VirtualServer) -> String {
        let key = service.services[0];
        let mut all = self.kernel.ipvs.services.iter();
        let Some((_, servers)) = all.find(|(service, _)| service.key == key) else {
            return "no service".into();
        };
        let words = servers.iter().map(|one| {
            let addr = one.addr.to_string();
            let last = addr.rsplit('.').next().expect("four parts").to_owned();
            format!("{last}:{}", one.weight)
        });
        let mut words: Vec<String> = words.collect();
        words.sort();
        words.join(" ")
    }

    /// New log lines about child processes, FIFOs and mails.
    pub(crate) fn notifications(&mut self) -> Vec<String> {
        let mut log = self.kernel.take_log();
        let words = ["run ", "fifo ", "post "];
        log.retain(|line| words.iter().any(|word| line.starts_with(word)));
        log.retain(|line| !line.starts_with("fifo open") && !line.starts_with("fifo close"));
        log
    }

    fn child_exited(&mut self, ms: u64, pid: i32) {
        let (engine, kernel) = (&mut self.engine, &mut self.kernel);
        engine.child_ended(at(ms), Pid(pid), Exit::Code(0), kernel);
        run(engine, kernel, at(ms + 5));
    }
}

pub(crate) fn rs(nth: u8, word: &str) -> String {
    format!("fifo /lvs RS [10.0.0.{nth}]:tcp:80 [198.51.100.1]:tcp:80 {word}")
}

pub(crate) fn vs(word: &str) -> String {
    format!("fifo /lvs VS [198.51.100.1]:tcp:80 {word}")
}

#[test]
fn failed_servers_are_removed_from_ipvs_and_added_again() {
    let mut setup = Setup::started(&config(vec![servers(3)]));
    assert_eq!(setup.notifications(), [vs("UP")], "before the first check");
    assert_eq!(setup.table(), "1:1 2:1 3:1");
    setup.run_until(1_000);
    assert_eq!(
        setup.notifications(),
        [] as [String; 0],
        "all as was believed"
    );
    setup.fail_servers(&[1, 3], 25_000);
    let notifications = setup.notifications();
    assert!(notifications.contains(&rs(1, "DOWN")) && notifications.contains(&rs(3, "DOWN")));
    assert_eq!((notifications.len(), &*setup.table()), (2, "2:1"));
    setup.fail_servers(&[3], 40_000);
    assert_eq!(setup.notifications(), [rs(1, "UP")]);
    assert_eq!(setup.table(), "1:1 2:1");
    assert_eq!(setup.kernel.ipvs.services.len(), 1);
    setup.stop(41_000);
    assert_eq!(setup.kernel.ipvs.services, []);
    assert_eq!(
        setup.notifications(),
        [] as [String; 0],
        "no notifications without omega"
    );
}

#[test]
fn sorry_server_replaces_servers_below_quorum() {
    for (inhibit, before, after) in [(false, "1:1 2:1", "99:1"), (true, "1:1 2:1 99:0", "99:1")] {
        let mut setup = Setup::started(&config(vec![VirtualServer {
            quorum: 2,
            sorry_server: sorry(inhibit),
            ..servers(2)
        }]));
        assert_eq!(setup.notifications(), [vs("UP")]);
        setup.run_until(1_000);
        assert_eq!(setup.table(), before);
        setup.fail_servers(&[2], 20_000);
        assert_eq!(setup.table(), after);
        assert_eq!(setup.notifications(), [rs(2, "DOWN"), vs("DOWN")]);
        setup.fail_servers(&[], 35_000);
        assert_eq!(setup.notifications(), [rs(2, "UP"), vs("UP")]);
        assert_eq!(setup.table(), before);
    }
}

#[test]
fn inhibit_on_failure_sets_weight_0() {
    let mut conf = servers(2);
    conf.real_servers[0].inhibit_on_failure = true;
    conf.real_servers[0].weight = 7;
    let mut setup = Setup::started(&config(vec![conf]));
    setup.fail_servers(&[1], 20_000);
    assert_eq!(setup.table(), "1:0 2:1");
    setup.kernel.ipvs.take_log();
    setup.fail_servers(&[], 35_000);
    assert_eq!(setup.table(), "1:7 2:1");
    let log = setup.kernel.ipvs.take_log();
    assert!(log.iter().all(|line| line.starts_with("set ")), "{log:?}");
}

#[test]
fn alpha_servers_are_added_after_their_first_success() {
    let mut conf = servers(2);
    for server in &mut conf.real_servers {
        server.checks[0].alpha = true;
        server.checks[0].warmup = Duration::from_secs(1);
    }
    conf.sorry_server = sorry(false);
    let mut setup = Setup::started(&config(vec![conf]));
    assert_eq!(
        (setup.notifications(), &*setup.table()),
        (vec![vs("DOWN")], "99:1")
    );
    setup.fail_servers(&[2], 5_000);
    let mut notifications = setup.notifications();
    notifications.sort();
    assert_eq!(notifications, [rs(1, "UP"), rs(2, "DOWN"), vs("UP")]);
    assert_eq!(setup.table(), "1:1");
}

#[test]
fn misc_dynamic_sets_the_ipvs_weight() {
    let mut setup = Setup::started(&config(vec![service(VS, vec![vec![misc(true)], vec![]])]));
    run(&mut setup.engine, &mut setup.kernel, at(10));
    setup.kernel.take_log();
    let exit = |setup: &mut Setup, ms, pid, code| {
        let (engine, kernel) = (&mut setup.engine, &mut setup.kernel);
        engine.child_ended(at(ms), Pid(pid), Exit::Code(code), kernel);
        run(engine, kernel, at(ms + 10_000));
    };
    for (nth, (code, want)) in [(22, "1:20 2:1"), (2, "1:0 2:1"), (1, "2:1"), (0, "1:1 2:1")]
        .into_iter()
        .enumerate()
    {
        let nth = u32::try_from(nth).expect("small");
        let pid = i32::try_from(nth + 1).expect("small");
        exit(&mut setup, 100 + 10_000 * u64::from(nth), pid, code);
        assert_eq!(setup.table(), want, "exit {code}");
    }
}

#[test]
fn server_notify_scripts_run_in_order_per_server_and_in_parallel() {
    let mut conf = servers(2);
    conf.real_servers[0].notify_up = command("/up");
    conf.real_servers[0].notify_down = command("/down");
    conf.quorum = 2;
    conf.quorum_up = command("/quorum_up");
    conf.quorum_down = command("/quorum_down");
    let mut config_with_flush = config(vec![conf]);
    config_with_flush.lvs.notify_fifo = None;
    let mut setup = Setup::started(&config_with_flush);
    setup.run_until(1_000);
    assert_eq!(setup.notifications(), ["run 1 /quorum_up"]);
    setup.child_exited(1_000, 1);
    setup.fail_servers(&[1], 20_000);
    assert_eq!(setup.notifications(), ["run 2 /down", "run 3 /quorum_down"]);
    setup.fail_servers(&[], 35_000);
    assert_eq!(
        setup.notifications(),
        [] as [&str; 0],
        "the ones before are still running"
    );
    setup.child_exited(35_000, 2);
    assert_eq!(setup.notifications(), ["run 4 /up"]);
    setup.child_exited(35_010, 3);
    assert_eq!(setup.notifications(), ["run 5 /quorum_up"]);
}

#[test]
fn lvs_notify_fifo_and_notify_fifo_get_their_lines() {
    let mut config_with_flush = config(vec![servers(1)]);
    config_with_flush.global.notify_fifo = fifo("/all");
    config_with_flush.global.vrrp_notify_fifo = fifo("/vrrp");
    config_with_flush.instances = vec![instance(7, 100, &["192.0.2.100/32"])];
    let mut setup = Setup::started(&config_with_flush);
    run(&mut setup.engine, &mut setup.kernel, at(100));
    assert_eq!(
        setup.notifications(),
        [
            "fifo /all VS [198.51.100.1]:tcp:80 UP",
            "fifo /lvs VS [198.51.100.1]:tcp:80 UP",
            "fifo /all INSTANCE \"VI_7\" BACKUP 100",
            "fifo /vrrp INSTANCE \"VI_7\" BACKUP 100",
        ]
    );
}

#[test]
fn virtual_server_names_equal_those_of_keepalived() {
    let named = |name: &str, key, protocol| VirtualServer {
        name: name.into(),
        services: vec![key],
        protocol,
        ..servers(1)
    };
    let key = servers(1).services[0];
    let mark = ServiceKey::Mark {
        mark: 5,
        family: vrrpd::types::Family::V4,
    };
    let mut setup = Setup::started(&config(vec![
        named("FWM 5", mark, None),
        named("[web]:0", key, Some(IpProtocol::Tcp)),
    ]));
    assert_eq!(
        setup.notifications(),
        ["fifo /lvs VS FWM 5 UP", "fifo /lvs VS [web]:0 UP"]
    );
    setup.fail_servers(&[1], 20_000);
    let mut notifications = setup.notifications();
    notifications.sort();
    assert_eq!(
        notifications,
        [
            "fifo /lvs RS [10.0.0.1]:none:80 FWM 5 DOWN",
            "fifo /lvs RS [10.0.0.1]:tcp:80 [web]:0 DOWN",
            "fifo /lvs VS FWM 5 DOWN",
            "fifo /lvs VS [web]:0 DOWN",
        ]
    );
}

#[cfg(feature = "mail")]
#[test]
fn smtp_alert_decides_which_servers_send_mail() {
    let mut conf = servers(2);
    conf.real_servers[0].smtp_alert = true;
    conf.smtp_alert = true;
    conf.quorum = 2;
    let mut config_with_flush = config(vec![conf]);
    config_with_flush.lvs.notify_fifo = None;
    config_with_flush.global.smtp = mail();
    config_with_flush.global.router_id = "r1".into();
    let mut setup = Setup::started(&config_with_flush);
    setup.run_until(1_000);
    let mut posted = setup.notifications();
    setup.dead = vec![1];
    for (pid, ms) in (1..).zip([20_000, 21_000, 22_000, 23_000]) {
        setup.run_until(ms);
        posted.extend(setup.notifications());
        setup.child_exited(ms, pid);
    }
    posted.extend(setup.notifications());
    assert_eq!(
        posted,
        [
            "post 1 [r1] Virtualserver [198.51.100.1]:tcp:80 - UP",
            "post 2 [r1] Realserver [10.0.0.1]:tcp:80 of virtual server [198.51.100.1]:tcp:80 - DOWN",
            "post 3 [r1] Virtualserver [198.51.100.1]:tcp:80 - DOWN",
        ]
    );
}

#[test]
fn omega_runs_quorum_down_and_notify_down_on_stop() {
    for (omega, want) in [(false, vec![]), (true, vec![rs(2, "DOWN"), vs("DOWN")])] {
        let mut conf = servers(2);
        conf.omega = omega;
        for server in &mut conf.real_servers {
            server.notify_down = command("/down");
        }
        conf.quorum_down = command("/quorum_down");
        let mut setup = Setup::started(&config(vec![conf]));
        setup.fail_servers(&[1], 20_000);
        setup.notifications();
        setup.child_exited(20_000, 1);
        setup.stop(21_000);
        let notifications = setup.notifications();
        let (scripts, lines): (Vec<_>, Vec<_>) = notifications
            .into_iter()
            .partition(|line| line.starts_with("run "));
        assert_eq!(lines, want);
        let scripts_wanted: &[&str] = match omega {
            true => &["run 2 /down", "run 3 /quorum_down"],
            false => &[],
        };
        assert_eq!(scripts, scripts_wanted);
        assert_eq!(setup.kernel.ipvs.services, []);
    }
}

#[test]
fn dont_release_ipvs_keeps_services_on_stop() {
    let mut setup = Setup::started(&config(vec![servers(1)]));
    let options = Options {
        dont_release_ipvs: true,
        ..Options::default()
    };
    setup.engine = Engine::new(config(vec![servers(1)]), options);
    start(&mut setup.engine, &mut setup.kernel, at(0));
    setup.stop(1_000);
    assert_eq!(setup.table(), "1:1");
}

#[test]
fn lvs_flush_onstop_spares_foreign_services_unless_all() {
    for (all, left) in [(false, 1), (true, 0)] {
        let foreign = VirtualServer {
            services: vec![ServiceKey::Address {
                addr: "203.0.113.9".parse().expect("an address"),
                port: 53,
                protocol: IpProtocol::Udp,
            }],
            ..servers(1)
        };
        let foreign_setup = Setup::started(&config(vec![foreign]));
        let mut config_with_flush = config(vec![servers(2)]);
        config_with_flush.lvs.flush_on_stop = all;
        let mut setup = Setup {
            engine: Engine::new(config_with_flush, Options::default()),
            kernel: foreign_setup.kernel,
            dead: vec![],
        };
        start(&mut setup.engine, &mut setup.kernel, at(0));
        assert_eq!(setup.kernel.ipvs.services.len(), 2);
        setup.stop(1_000);
        assert_eq!(setup.kernel.ipvs.services.len(), left);
    }
}

// ---- reload ----

#[test]
fn reload_edits_virtual_servers_in_place_and_keeps_state() {
    let mut setup = Setup::started(&config(vec![servers(3)]));
    setup.fail_servers(&[2], 20_000);
    assert_eq!(setup.table(), "1:1 3:1");
    setup.notifications();
    setup.kernel.ipvs.take_log();
    setup.reload(21_000, &config(vec![servers(3)]));
    assert_eq!(setup.notifications(), [] as [String; 0]);
    assert_eq!(
        setup.kernel.ipvs.take_log(),
        [] as [String; 0],
        "nothing has changed"
    );
    let mut conf = servers(3);
    conf.real_servers[0].weight = 5;
    conf.scheduler = "wlc";
    conf.persistence_timeout = 60;
    conf.real_servers.swap(0, 2);
    setup.reload(22_000, &config(vec![conf.clone()]));
    let log = setup.kernel.ipvs.take_log();
    assert!(log.iter().all(|line| line.starts_with("set ")), "{log:?}");
    assert_eq!(setup.table(), "1:5 3:1");
    // A server is removed, another added, and the failed one recovers.
    conf.real_servers
        .retain(|one| one.addr.to_string() != "10.0.0.3");
    conf.real_servers.push(server("10.0.0.9:80", vec![]));
    setup.reload(23_000, &config(vec![conf]));
    assert_eq!(setup.notifications(), [rs(3, "DOWN")]);
    assert_eq!(setup.table(), "1:5 9:1");
    setup.fail_servers(&[], 45_000);
    assert_eq!(setup.notifications(), [rs(2, "UP")]);
    assert_eq!(setup.table(), "1:5 2:1 9:1");
}

#[test]
fn reload_adds_and_removes_virtual_servers() {
    let other = service("198.51.100.2:80", vec![vec![tcp(7)]]);
    let mut setup = Setup::started(&config(vec![servers(1)]));
    setup.notifications();
    setup.reload(1_000, &config(vec![other.clone(), servers(1)]));
    assert_eq!(
        setup.notifications(),
        ["fifo /lvs VS [198.51.100.2]:tcp:80 UP"]
    );
    assert_eq!(setup.table(), "1:1");
    setup.fail_servers(&[7], 20_000);
    assert_eq!(setup.table_of(&other), "");
    setup.notifications();
    setup.reload(21_000, &config(vec![other.clone()]));
    assert_eq!(setup.notifications(), [rs(1, "DOWN"), vs("DOWN")]);
    assert_eq!(
        (&*setup.table(), &*setup.table_of(&other)),
        ("no service", "")
    );
    setup.reload(22_000, &config(vec![]));
    assert_eq!(setup.kernel.ipvs.services, []);
    setup.reload(23_000, &config(vec![servers(1)]));
    assert_eq!(setup.table(), "1:1");
    setup.fail_servers(&[1], 45_000);
    assert_eq!(setup.table(), "", "what a reload brings is checked too");
}

// ---- ha_suspend ----

#[test]
fn ha_suspend_pauses_checks_while_the_vip_is_elsewhere() {
    let vip = "198.51.100.1/32";
    let mut config_with_flush = config(vec![VirtualServer {
        ha_suspend: true,
        ..servers(2)
    }]);
    config_with_flush.instances = vec![instance(7, 100, &[vip])];
    let mut setup = Setup::started(&config_with_flush);
    setup.fail_servers(&[1], 200);
    assert_eq!(setup.kernel.probes.opened, 0, "a backup does not check");
    assert_eq!(setup.table(), "1:1 2:1");
    setup.run_until(20_000);
    assert!(setup.kernel.has(vip), "this router is master");
    assert_eq!(setup.table(), "2:1");
    let cidr = crate::support::kernel::cidr(vip);
    config_with_flush.instances.clear();
    setup.reload(21_000, &config_with_flush);
    assert!(!setup.kernel.has(vip), "{cidr:?}");
    let asked = setup.kernel.probes.opened;
    setup.fail_servers(&[], 60_000);
    assert_eq!(setup.kernel.probes.opened, asked);
    assert_eq!(setup.table(), "2:1", "what was known last stays");
    setup.kernel.add(2, vip);
    setup.kernel.deliver(&mut setup.engine, at(60_000));
    setup.run_until(63_000);
    assert_eq!(setup.table(), "1:1 2:1");
}

// ---- dumps ----

#[test]
fn dumps_contain_server_states_and_ipvs_counters() {
    let mut group = VirtualServer {
        quorum: 2,
        sorry_server: sorry(false),
        ..servers(2)
    };
    group.real_servers[1].forward = Forward::Direct;
    group.real_servers[1].port = 8080;
    let second = ServiceKey::Address {
        addr: "198.51.100.2".parse().expect("an address"),
        port: 443,
        protocol: IpProtocol::Tcp,
    };
    group.services.push(second);
    group.group = Some("web".into());
    let mut setup = Setup::started(&config(vec![group]));
    let clock = Clock {
        now: at(0),
        wall: Duration::ZERO,
        utc_offset: 0,
    };
    let Setup { engine, kernel, .. } = &mut setup;
    let shown = engine.snapshot(clock, Some(kernel));
    let service = &shown.services[0];
    assert!(service.quorum && !service.sorry && service.traffic.is_some());
    let known =
        |server: &ctl::Server<'_>| server.traffic.is_some_and(|one| one.connections.is_some());
    assert!(
        service.servers.iter().all(known),
        "also where the port is the service's"
    );
    setup.fail_servers(&[1], 20_000);
    let shown = setup.engine.snapshot(clock, None);
    let service = &shown.services[0];
    let state: Vec<_> = service
        .servers
        .iter()
        .map(|one| (one.up, one.checks[0].up))
        .collect();
    assert_eq!(state, [(false, false), (true, true)]);
    assert!(service.sorry && service.traffic.is_none());
    assert_eq!((service.quorum, service.weight), (false, 1));
}

// ---- subsystems ----

#[test]
fn vrrp_and_checkers_can_run_alone() {
    let mut config_with_flush = config(vec![servers(1)]);
    config_with_flush.instances = vec![instance(7, 100, &["192.0.2.100/32"])];
    config_with_flush.global.vrrp_notify_fifo = fifo("/vrrp");
    config_with_flush.lvs.sync_daemon = Some(SyncDaemon {
        interface: crate::support::kernel::ifname("eth0"),
        instance: Some(InstanceId(0)),
        id: 7,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    });
    let mut vrrp = config_with_flush.clone();
    assert_eq!(keep(Subsystems::Vrrp, &mut vrrp), 1);
    let mut setup = Setup::started(&vrrp);
    setup.run_until(5_000);
    assert!(setup.kernel.has("192.0.2.100/32"));
    assert_eq!(setup.kernel.ipvs.services, []);
    assert_eq!(
        setup.kernel.ipvs.daemons.len(),
        1,
        "it follows the instance"
    );
    let mut lvs = config_with_flush.clone();
    assert_eq!(keep(Subsystems::VirtualServers, &mut lvs), 1);
    let mut setup = Setup::started(&lvs);
    setup.run_until(5_000);
    assert!(!setup.kernel.has("192.0.2.100/32"));
    assert_eq!((setup.kernel.adverts, &*setup.table()), (0, "1:1"));
    assert_eq!(setup.kernel.ipvs.daemons, []);
}
