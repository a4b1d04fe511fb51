//! Virtual servers against a kernel made of tables: what becomes of them in IPVS when servers fail and recover, and
//! who is told.

use std::time::Duration;

use crate::support::kernel::{Kernel, instance, run, start};
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
use vrrpd::types::{Instant, Subsystems};

const ECONNREFUSED: i32 = 111;
/// As the fake kernel names it.
const VS: &str = "198.51.100.1:80";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

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

fn sorry(inhibit: bool) -> Option<SorryServer> {
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

/// So many real servers with a TCP check each.
fn servers(count: u8) -> VirtualServer {
    service(VS, (1..=count).map(|nth| vec![tcp(nth)]).collect())
}

fn config(servers: Vec<VirtualServer>) -> Config {
    Config {
        lvs: Lvs {
            virtual_servers: servers,
            notify_fifo: fifo("/lvs"),
            ..Lvs::default()
        },
        ..Config::default()
    }
}

/// The engine, the kernel, and which servers are dead.
struct Stage {
    engine: Engine,
    kernel: Kernel,
    dead: Vec<u8>,
}

impl Stage {
    fn begin(config: &Config) -> Self {
        let mut stage = Stage {
            engine: Engine::new(config.clone(), Options::default()),
            kernel: Kernel::with(&[(2, "eth0", true)], &[(2, "192.0.2.1/24")]),
            dead: Vec::new(),
        };
        start(&mut stage.engine, &mut stage.kernel, at(0));
        stage
    }

    /// Lets time pass; servers take connections, or refuse them.
    fn live(&mut self, until: u64) {
        for ms in (0..=until).step_by(50) {
            run(&mut self.engine, &mut self.kernel, at(ms));
            for (probe, _, remote) in self.kernel.probes.open.clone() {
                let dead = self.dead.iter();
                let dead = dead.map(|nth| format!("10.0.0.{nth}:80"));
                let news = match dead.into_iter().any(|one| one == remote.to_string()) {
                    true => SocketEvent::Failed(ECONNREFUSED),
                    false => SocketEvent::Connected,
                };
                self.kernel
                    .socket_event(&mut self.engine, at(ms), probe, news);
            }
            run(&mut self.engine, &mut self.kernel, at(ms));
        }
    }

    fn kill(&mut self, dead: &[u8], until: u64) {
        self.dead = dead.to_vec();
        self.live(until);
    }

    fn reload(&mut self, ms: u64, config: &Config) {
        let (engine, kernel) = (&mut self.engine, &mut self.kernel);
        engine.reload(at(ms), config.clone(), kernel);
        kernel.deliver(engine, at(ms));
        run(engine, kernel, at(ms));
    }

    fn stop(&mut self, ms: u64) {
        self.engine.stop(at(ms), &mut self.kernel);
        let _ = self.engine.drain_notifications(at(ms), &mut self.kernel);
    }

    /// Servers of the service and their weights: `1:1 99:0`, by the last part of their address.
    fn table(&self) -> String {
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

    /// What the log says about processes, FIFOs and mails.
    fn told(&mut self) -> Vec<String> {
        let mut log = self.kernel.take_log();
        let words = ["run ", "fifo ", "post "];
        log.retain(|line| words.iter().any(|word| line.starts_with(word)));
        log.retain(|line| !line.starts_with("fifo open") && !line.starts_with("fifo close"));
        log
    }

    fn ended(&mut self, ms: u64, pid: i32) {
        let (engine, kernel) = (&mut self.engine, &mut self.kernel);
        engine.child_ended(at(ms), Pid(pid), Exit::Code(0), kernel);
        run(engine, kernel, at(ms + 5));
    }
}

fn rs(nth: u8, word: &str) -> String {
    format!("fifo /lvs RS [10.0.0.{nth}]:tcp:80 [198.51.100.1]:tcp:80 {word}")
}

fn vs(word: &str) -> String {
    format!("fifo /lvs VS [198.51.100.1]:tcp:80 {word}")
}

#[test]
fn servers_leave_the_kernels_table_when_they_fail_and_come_back() {
    let mut stage = Stage::begin(&config(vec![servers(3)]));
    assert_eq!(stage.told(), [vs("UP")], "before the first check");
    assert_eq!(stage.table(), "1:1 2:1 3:1");
    stage.live(1_000);
    assert_eq!(stage.told(), [] as [String; 0], "all as was believed");
    stage.kill(&[1, 3], 25_000);
    let told = stage.told();
    assert!(told.contains(&rs(1, "DOWN")) && told.contains(&rs(3, "DOWN")));
    assert_eq!((told.len(), &*stage.table()), (2, "2:1"));
    stage.kill(&[3], 40_000);
    assert_eq!(stage.told(), [rs(1, "UP")]);
    assert_eq!(stage.table(), "1:1 2:1");
    assert_eq!(stage.kernel.ipvs.services.len(), 1);
    stage.stop(41_000);
    assert_eq!(stage.kernel.ipvs.services, []);
    assert_eq!(
        stage.told(),
        [] as [String; 0],
        "without omega nobody is told"
    );
}

#[test]
fn with_the_quorum_the_sorry_server_comes_and_goes() {
    for (inhibit, before, after) in [(false, "1:1 2:1", "99:1"), (true, "1:1 2:1 99:0", "99:1")] {
        let mut stage = Stage::begin(&config(vec![VirtualServer {
            quorum: 2,
            sorry_server: sorry(inhibit),
            ..servers(2)
        }]));
        assert_eq!(stage.told(), [vs("UP")]);
        stage.live(1_000);
        assert_eq!(stage.table(), before);
        stage.kill(&[2], 20_000);
        assert_eq!(stage.table(), after);
        assert_eq!(stage.told(), [rs(2, "DOWN"), vs("DOWN")]);
        stage.kill(&[], 35_000);
        assert_eq!(stage.told(), [rs(2, "UP"), vs("UP")]);
        assert_eq!(stage.table(), before);
    }
}

#[test]
fn inhibited_servers_get_weight_0_and_stay() {
    let mut conf = servers(2);
    conf.real_servers[0].inhibit_on_failure = true;
    conf.real_servers[0].weight = 7;
    let mut stage = Stage::begin(&config(vec![conf]));
    stage.kill(&[1], 20_000);
    assert_eq!(stage.table(), "1:0 2:1");
    stage.kernel.ipvs.take_log();
    stage.kill(&[], 35_000);
    assert_eq!(stage.table(), "1:7 2:1");
    let log = stage.kernel.ipvs.take_log();
    assert!(log.iter().all(|line| line.starts_with("set ")), "{log:?}");
}

#[test]
fn with_alpha_nobody_serves_before_it_has_proved_itself() {
    let mut conf = servers(2);
    for server in &mut conf.real_servers {
        server.checks[0].alpha = true;
        server.checks[0].warmup = Duration::from_secs(1);
    }
    conf.sorry_server = sorry(false);
    let mut stage = Stage::begin(&config(vec![conf]));
    assert_eq!((stage.told(), &*stage.table()), (vec![vs("DOWN")], "99:1"));
    stage.kill(&[2], 5_000);
    let mut told = stage.told();
    told.sort();
    assert_eq!(told, [rs(1, "UP"), rs(2, "DOWN"), vs("UP")]);
    assert_eq!(stage.table(), "1:1");
}

#[test]
fn a_program_sets_the_weight() {
    let mut stage = Stage::begin(&config(vec![service(VS, vec![vec![misc(true)], vec![]])]));
    run(&mut stage.engine, &mut stage.kernel, at(10));
    stage.kernel.take_log();
    let exit = |stage: &mut Stage, ms, pid, code| {
        let (engine, kernel) = (&mut stage.engine, &mut stage.kernel);
        engine.child_ended(at(ms), Pid(pid), Exit::Code(code), kernel);
        run(engine, kernel, at(ms + 10_000));
    };
    for (nth, (code, want)) in [(22, "1:20 2:1"), (2, "1:0 2:1"), (1, "2:1"), (0, "1:1 2:1")]
        .into_iter()
        .enumerate()
    {
        let nth = u32::try_from(nth).expect("small");
        let pid = i32::try_from(nth + 1).expect("small");
        exit(&mut stage, 100 + 10_000 * u64::from(nth), pid, code);
        assert_eq!(stage.table(), want, "exit {code}");
    }
}

#[test]
fn scripts_of_a_server_run_in_order_and_those_of_others_beside_them() {
    let mut conf = servers(2);
    conf.real_servers[0].notify_up = command("/up");
    conf.real_servers[0].notify_down = command("/down");
    conf.quorum = 2;
    conf.quorum_up = command("/quorum_up");
    conf.quorum_down = command("/quorum_down");
    let mut whole = config(vec![conf]);
    whole.lvs.notify_fifo = None;
    let mut stage = Stage::begin(&whole);
    stage.live(1_000);
    assert_eq!(stage.told(), ["run 1 /quorum_up"]);
    stage.ended(1_000, 1);
    stage.kill(&[1], 20_000);
    assert_eq!(stage.told(), ["run 2 /down", "run 3 /quorum_down"]);
    stage.kill(&[], 35_000);
    assert_eq!(
        stage.told(),
        [] as [&str; 0],
        "the ones before are still running"
    );
    stage.ended(35_000, 2);
    assert_eq!(stage.told(), ["run 4 /up"]);
    stage.ended(35_010, 3);
    assert_eq!(stage.told(), ["run 5 /quorum_up"]);
}

#[test]
fn every_fifo_gets_the_lines_that_concern_it() {
    let mut whole = config(vec![servers(1)]);
    whole.global.notify_fifo = fifo("/all");
    whole.global.vrrp_notify_fifo = fifo("/vrrp");
    whole.instances = vec![instance(7, 100, &["192.0.2.100/32"])];
    let mut stage = Stage::begin(&whole);
    run(&mut stage.engine, &mut stage.kernel, at(100));
    assert_eq!(
        stage.told(),
        [
            "fifo /all VS [198.51.100.1]:tcp:80 UP",
            "fifo /lvs VS [198.51.100.1]:tcp:80 UP",
            "fifo /all INSTANCE \"VI_7\" BACKUP 100",
            "fifo /vrrp INSTANCE \"VI_7\" BACKUP 100",
        ]
    );
}

#[test]
fn names_of_groups_and_marks_are_keepaliveds() {
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
    let mut stage = Stage::begin(&config(vec![
        named("FWM 5", mark, None),
        named("[web]:0", key, Some(IpProtocol::Tcp)),
    ]));
    assert_eq!(
        stage.told(),
        ["fifo /lvs VS FWM 5 UP", "fifo /lvs VS [web]:0 UP"]
    );
    stage.kill(&[1], 20_000);
    let mut told = stage.told();
    told.sort();
    assert_eq!(
        told,
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
fn mails_go_to_those_who_want_them() {
    let mut conf = servers(2);
    conf.real_servers[0].smtp_alert = true;
    conf.smtp_alert = true;
    conf.quorum = 2;
    let mut whole = config(vec![conf]);
    whole.lvs.notify_fifo = None;
    whole.global.smtp = mail();
    whole.global.router_id = "r1".into();
    let mut stage = Stage::begin(&whole);
    stage.live(1_000);
    let mut posted = stage.told();
    stage.dead = vec![1];
    for (pid, ms) in (1..).zip([20_000, 21_000, 22_000, 23_000]) {
        stage.live(ms);
        posted.extend(stage.told());
        stage.ended(ms, pid);
    }
    posted.extend(stage.told());
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
fn the_end_is_told_with_omega() {
    for (omega, want) in [(false, vec![]), (true, vec![rs(2, "DOWN"), vs("DOWN")])] {
        let mut conf = servers(2);
        conf.omega = omega;
        for server in &mut conf.real_servers {
            server.notify_down = command("/down");
        }
        conf.quorum_down = command("/quorum_down");
        let mut stage = Stage::begin(&config(vec![conf]));
        stage.kill(&[1], 20_000);
        stage.told();
        stage.ended(20_000, 1);
        stage.stop(21_000);
        let told = stage.told();
        let (scripts, lines): (Vec<_>, Vec<_>) =
            told.into_iter().partition(|line| line.starts_with("run "));
        assert_eq!(lines, want);
        let scripts_wanted: &[&str] = match omega {
            true => &["run 2 /down", "run 3 /quorum_down"],
            false => &[],
        };
        assert_eq!(scripts, scripts_wanted);
        assert_eq!(stage.kernel.ipvs.services, []);
    }
}

#[test]
fn services_stay_at_the_end_if_the_operator_says_so() {
    let mut stage = Stage::begin(&config(vec![servers(1)]));
    let options = Options {
        dont_release_ipvs: true,
        ..Options::default()
    };
    stage.engine = Engine::new(config(vec![servers(1)]), options);
    start(&mut stage.engine, &mut stage.kernel, at(0));
    stage.stop(1_000);
    assert_eq!(stage.table(), "1:1");
}

#[test]
fn flushing_at_the_end_spares_what_is_not_ours_unless_all_is_meant() {
    for (all, left) in [(false, 1), (true, 0)] {
        let foreign = VirtualServer {
            services: vec![ServiceKey::Address {
                addr: "203.0.113.9".parse().expect("an address"),
                port: 53,
                protocol: IpProtocol::Udp,
            }],
            ..servers(1)
        };
        let stranger = Stage::begin(&config(vec![foreign]));
        let mut whole = config(vec![servers(2)]);
        whole.lvs.flush_on_stop = all;
        let mut stage = Stage {
            engine: Engine::new(whole, Options::default()),
            kernel: stranger.kernel,
            dead: vec![],
        };
        start(&mut stage.engine, &mut stage.kernel, at(0));
        assert_eq!(stage.kernel.ipvs.services.len(), 2);
        stage.stop(1_000);
        assert_eq!(stage.kernel.ipvs.services.len(), left);
    }
}

// ---- reload ----

#[test]
fn a_reload_edits_in_place_and_keeps_what_is_known() {
    let mut stage = Stage::begin(&config(vec![servers(3)]));
    stage.kill(&[2], 20_000);
    assert_eq!(stage.table(), "1:1 3:1");
    stage.told();
    stage.kernel.ipvs.take_log();
    stage.reload(21_000, &config(vec![servers(3)]));
    assert_eq!(stage.told(), [] as [String; 0]);
    assert_eq!(
        stage.kernel.ipvs.take_log(),
        [] as [String; 0],
        "nothing has changed"
    );
    let mut conf = servers(3);
    conf.real_servers[0].weight = 5;
    conf.scheduler = "wlc";
    conf.persistence_timeout = 60;
    conf.real_servers.swap(0, 2);
    stage.reload(22_000, &config(vec![conf.clone()]));
    let log = stage.kernel.ipvs.take_log();
    assert!(log.iter().all(|line| line.starts_with("set ")), "{log:?}");
    assert_eq!(stage.table(), "1:5 3:1");
    // A server leaves, one comes, and the dead one recovers.
    conf.real_servers
        .retain(|one| one.addr.to_string() != "10.0.0.3");
    conf.real_servers.push(server("10.0.0.9:80", vec![]));
    stage.reload(23_000, &config(vec![conf]));
    assert_eq!(stage.told(), [rs(3, "DOWN")]);
    assert_eq!(stage.table(), "1:5 9:1");
    stage.kill(&[], 45_000);
    assert_eq!(stage.told(), [rs(2, "UP")]);
    assert_eq!(stage.table(), "1:5 2:1 9:1");
}

#[test]
fn services_come_and_go_with_a_reload() {
    let other = service("198.51.100.2:80", vec![vec![tcp(7)]]);
    let mut stage = Stage::begin(&config(vec![servers(1)]));
    stage.told();
    stage.reload(1_000, &config(vec![other.clone(), servers(1)]));
    assert_eq!(stage.told(), ["fifo /lvs VS [198.51.100.2]:tcp:80 UP"]);
    assert_eq!(stage.table(), "1:1");
    stage.kill(&[7], 20_000);
    assert_eq!(stage.table_of(&other), "");
    stage.told();
    stage.reload(21_000, &config(vec![other.clone()]));
    assert_eq!(stage.told(), [rs(1, "DOWN"), vs("DOWN")]);
    assert_eq!(
        (&*stage.table(), &*stage.table_of(&other)),
        ("no service", "")
    );
    stage.reload(22_000, &config(vec![]));
    assert_eq!(stage.kernel.ipvs.services, []);
    stage.reload(23_000, &config(vec![servers(1)]));
    assert_eq!(stage.table(), "1:1");
    stage.kill(&[1], 45_000);
    assert_eq!(stage.table(), "", "what a reload brings is checked too");
}

// ---- addresses ----

#[test]
fn checks_pause_while_the_address_is_on_another_router() {
    let vip = "198.51.100.1/32";
    let mut whole = config(vec![VirtualServer {
        ha_suspend: true,
        ..servers(2)
    }]);
    whole.instances = vec![instance(7, 100, &[vip])];
    let mut stage = Stage::begin(&whole);
    stage.kill(&[1], 200);
    assert_eq!(stage.kernel.probes.opened, 0, "nobody is asked by a backup");
    assert_eq!(stage.table(), "1:1 2:1");
    stage.live(20_000);
    assert!(stage.kernel.has(vip), "nobody else is master");
    assert_eq!(stage.table(), "2:1");
    let cidr = crate::support::kernel::cidr(vip);
    whole.instances.clear();
    stage.reload(21_000, &whole);
    assert!(!stage.kernel.has(vip), "{cidr:?}");
    let asked = stage.kernel.probes.opened;
    stage.kill(&[], 60_000);
    assert_eq!(stage.kernel.probes.opened, asked);
    assert_eq!(stage.table(), "2:1", "what was known last stays");
    stage.kernel.add(2, vip);
    stage.kernel.deliver(&mut stage.engine, at(60_000));
    stage.live(63_000);
    assert_eq!(stage.table(), "1:1 2:1");
}

// ---- dumps ----

#[test]
fn dumps_tell_what_is_known_and_what_the_kernel_counts() {
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
    let mut stage = Stage::begin(&config(vec![group]));
    let clock = Clock {
        now: at(0),
        wall: Duration::ZERO,
        utc_offset: 0,
    };
    let Stage { engine, kernel, .. } = &mut stage;
    let shown = engine.snapshot(clock, Some(kernel));
    let service = &shown.services[0];
    assert!(service.quorum && !service.sorry && service.traffic.is_some());
    let known =
        |server: &ctl::Server<'_>| server.traffic.is_some_and(|one| one.connections.is_some());
    assert!(
        service.servers.iter().all(known),
        "also where the port is the service's"
    );
    stage.kill(&[1], 20_000);
    let shown = stage.engine.snapshot(clock, None);
    let service = &shown.services[0];
    let state: Vec<_> = service
        .servers
        .iter()
        .map(|one| (one.up, one.checks[0].1))
        .collect();
    assert_eq!(state, [(false, false), (true, true)]);
    assert!(service.sorry && service.traffic.is_none());
    assert_eq!((service.quorum, service.weight), (false, 1));
}

// ---- halves ----

#[test]
fn each_subsystem_of_a_configuration_runs_alone() {
    let mut whole = config(vec![servers(1)]);
    whole.instances = vec![instance(7, 100, &["192.0.2.100/32"])];
    whole.global.vrrp_notify_fifo = fifo("/vrrp");
    whole.lvs.sync_daemon = Some(SyncDaemon {
        interface: crate::support::kernel::ifname("eth0"),
        instance: Some(0),
        id: 7,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    });
    let mut vrrp = whole.clone();
    assert_eq!(keep(Subsystems::Vrrp, &mut vrrp), 1);
    let mut stage = Stage::begin(&vrrp);
    stage.live(5_000);
    assert!(stage.kernel.has("192.0.2.100/32"));
    assert_eq!(stage.kernel.ipvs.services, []);
    assert_eq!(
        stage.kernel.ipvs.daemons.len(),
        1,
        "it follows the instance"
    );
    let mut lvs = whole.clone();
    assert_eq!(keep(Subsystems::VirtualServers, &mut lvs), 1);
    let mut stage = Stage::begin(&lvs);
    stage.live(5_000);
    assert!(!stage.kernel.has("192.0.2.100/32"));
    assert_eq!((stage.kernel.adverts, &*stage.table()), (0, "1:1"));
    assert_eq!(stage.kernel.ipvs.daemons, []);
}
