//! Snapshots with a made-up state.

use super::*;

pub(crate) fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

pub(crate) fn load(path: &Path) -> Config {
    let text = std::fs::read_to_string(path).expect("a configuration");
    let host = FakeHost {
        text: &text,
        complete: true,
    };
    let loaded = config::load("vrrpd.conf", &host);
    let errors = loaded.diags.list().iter();
    let errors: Vec<_> = errors
        .filter(|diag| diag.severity >= config::Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded.config
}

pub(crate) fn all() -> Config {
    load(&directory("status/all.conf"))
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The present.
pub(crate) const NOW: Instant = Instant::from_millis(1_000_000_000);

pub(crate) fn ago(millis: u64) -> Instant {
    Instant::from_nanos(NOW.as_nanos() - millis * 1_000_000)
}

pub(crate) fn later(millis: u64) -> Instant {
    NOW.after(Duration::from_millis(millis))
}

pub(crate) fn clock() -> Clock {
    Clock {
        now: NOW,
        wall: Duration::from_secs(1_795_259_482),
        utc_offset: 3600,
    }
}

pub(crate) fn items<'a, T>(all: &'a [T], status: &InstallStatus) -> Vec<ManagedItem<'a, T>> {
    let item = |item| ManagedItem {
        item,
        status: status.clone(),
    };
    all.iter().map(item).collect()
}

/// An instance as it is after the start: nothing known, in INIT.
pub(crate) fn fresh<'a>(config: &'a Config, conf: &'a VrrpInstance) -> Instance<'a> {
    let priority_parts = conf.tracks.iter().map(|track| {
        let (name, up, adds) = match &track.object {
            Tracked::Interface(name) => (name.as_str(), Some(true), 0),
            Tracked::Script(at) => {
                let up = *at == 0;
                let name = &*config.scripts[*at].name;
                let adds = if up { 20 } else { -40 };
                (name, Some(up), if track.weight == 0 { 0 } else { adds })
            }
            Tracked::File(at) => (&*config.track_files[*at].name, Some(true), -6),
            Tracked::Process(at) => (&*config.track_processes[*at].name, Some(true), 0),
        };
        PriorityPart {
            track,
            name,
            up,
            adds,
        }
    });
    let absent = InstallStatus::Absent;
    let priority_parts: Vec<_> = priority_parts.collect();
    let sum: i32 = priority_parts.iter().map(|part| part.adds).sum();
    let priority = u8::try_from(i32::from(conf.priority.0) + sum).expect("in range");
    let (running, _) = RunningInstance::split(conf.clone(), &mut std::iter::empty());
    Instance {
        // A snapshot only borrows it.
        conf: Box::leak(Box::new(running)),
        state: VrrpState::Init,
        last_transition: Some(Transition {
            at: ago(11_520_000),
            reason: "startup",
        }),
        why: String::from("start with priority 100"),
        missing: None,
        awaited: None,
        source: Some(match conf.family {
            Family::V4 => ip("192.0.2.1"),
            Family::V6 => ip("fe80::1"),
        }),
        master: None,
        heard: None,
        senders: Vec::new(),
        outlook: Outlook::Nothing,
        startup_delay_end: Instant::ZERO,
        held_by: None,
        hold_until: None,
        retry_at: None,
        maintenance: None,
        yields_to_owner: false,
        priority: Priority(priority),
        priority_parts,
        deadline: None,
        down_interval: Duration::from_micros(3_609_375),
        skew: Duration::from_micros(609_375),
        send_error: None,
        no_accept_missing: false,
        vips: items(&conf.vips, &absent),
        excluded: items(&conf.excluded_vips, &absent),
        routes: items(&conf.routes, &absent),
        rules: items(&conf.rules, &absent),
        counters: VrrpCounters {
            advert_sent: 11_520,
            advert_rcvd: 42,
            become_master: 2,
            ..VrrpCounters::default()
        },
    }
}

/// MASTER, with all addresses.
pub(crate) fn master(one: &mut Instance<'_>) {
    one.state = VrrpState::Master;
    one.why = String::from("no advert from master 192.0.2.2");
    for item in &mut one.vips {
        item.status = InstallStatus::Installed;
    }
    for item in &mut one.excluded {
        item.status = InstallStatus::Installed;
    }
    for item in &mut one.rules {
        item.status = InstallStatus::Installed;
    }
    for item in &mut one.routes {
        item.status = InstallStatus::Installed;
    }
    one.outlook = Outlook::Master(MasterOutlook {
        advert_at: later(420),
        listening: false,
        rival: false,
    });
}

/// BACKUP, with a master.
pub(crate) fn backup(one: &mut Instance<'_>, addr: &str, priority: u8) {
    let master = MasterInfo {
        addr: ip(addr),
        priority: Priority(priority),
        interval: Centis(100),
    };
    one.state = VrrpState::Backup;
    one.why = String::from("a router with higher priority is master");
    one.master = Some(master);
    one.heard = Some(Heard {
        master,
        at: ago(490),
    });
    waits(one, TimerKind::Down, 3_119);
}

/// The timer of a backup.
pub(crate) fn waits(one: &mut Instance<'_>, timer: TimerKind, left: u64) {
    one.deadline = Some(later(left));
    one.outlook = Outlook::Backup(BackupOutlook {
        timer,
        armed_at: ago(490),
        down_at: later(left),
        preempt_at: None,
        preempting: false,
        interval: Centis(100),
    });
}

pub(crate) fn outlook<'a>(one: &'a mut Instance<'_>) -> &'a mut BackupOutlook {
    let Outlook::Backup(outlook) = &mut one.outlook else {
        panic!("a backup");
    };
    outlook
}

pub(crate) fn fault(one: &mut Instance<'_>, kind: &'static str, detail: &str) {
    one.state = VrrpState::Fault;
    (one.master, one.outlook) = (None, Outlook::Nothing);
    one.why = detail.to_owned();
    one.missing = Some(Missing {
        kind,
        detail: detail.to_owned(),
    });
}

pub(crate) fn named<'a, 'b>(snapshot: &'b mut Snapshot<'a>, name: &str) -> &'b mut Instance<'a> {
    let mut all = snapshot.instances.iter_mut();
    all.find(|one| one.conf.name == name).expect("an instance")
}

/// Leaked: they live as long as the test.
pub(crate) fn daemon(refused: Option<RefusedReload>) -> &'static Daemon {
    Box::leak(Box::new(Daemon {
        pid: 812,
        config: String::from("/etc/vrrpd.conf"),
        refused,
    }))
}

pub(crate) fn counters(errors: usize) -> &'static DaemonCounters {
    let mut counters = DaemonCounters {
        started: ago(273_600_000),
        ..DaemonCounters::default()
    };
    counters.config.errors = errors;
    Box::leak(Box::new(counters))
}

/// Everything works.
pub(crate) fn calm(config: &Config) -> Snapshot<'_> {
    let instances = config.instances.iter().map(|conf| fresh(config, conf));
    let mut snapshot = Snapshot {
        instances: instances.collect(),
        ..Snapshot::empty(clock(), &config.global, counters(0), daemon(None))
    };
    for (nth, one) in snapshot.instances.iter_mut().enumerate() {
        match nth % 2 {
            0 => master(one),
            _ => backup(one, "192.0.2.2", 150),
        }
    }
    snapshot.scripts = config
        .scripts
        .iter()
        .map(|conf| Script {
            conf,
            up: Some(true),
            result: conf.rise + conf.fall - 1,
            last: String::from("exited with status 0"),
            state: ScriptState::Idle,
        })
        .collect();
    snapshot.files = config
        .track_files
        .iter()
        .map(|conf| File {
            conf,
            value: Some(-3),
        })
        .collect();
    snapshot.processes = config
        .track_processes
        .iter()
        .map(|conf| Process {
            conf,
            count: 1,
            up: Some(true),
            timer: false,
        })
        .collect();
    finish(&mut snapshot, config);
    snapshot
}

/// Sets the values of a snapshot that follow from its instances.
pub(crate) fn finish<'a>(snapshot: &mut Snapshot<'a>, config: &'a Config) {
    let instances = &snapshot.instances;
    let mut totals = Totals {
        services: snapshot.services.len(),
        ..Totals::default()
    };
    for one in instances {
        totals.states[usize::from(one.state.number())] += 1;
        totals.name = totals.name.max(one.conf.name.len());
        totals.interface = totals.interface.max(one.conf.interface.as_str().len());
        totals.ipv6 |= one.conf.family == Family::V6;
    }
    snapshot.totals = totals;
    let group = |conf: &'a config::model::SyncGroup| {
        let members = conf.members.iter().map(|id| Member {
            name: &config.instances[id.0].name,
            state: instances[id.0].state,
        });
        let members: Vec<Member<'a>> = members.collect();
        let fault = |member: &Member<'_>| member.state == VrrpState::Fault;
        let state = match members.iter().find(|one| fault(one)) {
            Some(_) => VrrpState::Fault,
            None => members[0].state,
        };
        Group {
            conf,
            state,
            members,
        }
    };
    snapshot.groups = config.sync_groups.iter().map(group).collect();
}

pub(crate) fn sender(kind: Finding, millis: u64, text: &str) -> Sender {
    Sender {
        at: ago(millis),
        kind,
        text: text.to_owned(),
    }
}

/// Something of everything, most of it wrong.
pub(crate) fn troubled(config: &Config) -> Snapshot<'_> {
    let mut snapshot = calm(config);
    snapshot.daemon = daemon(Some(RefusedReload {
        at: ago(95_000),
        why: String::from("it has 2 errors"),
    }));
    snapshot.counters = counters(1);
    let lan = named(&mut snapshot, "LAN");
    lan.vips[0].status = InstallStatus::Refused("Invalid argument".into());
    lan.vips[2].status = InstallStatus::Refused("Invalid argument".into());
    lan.routes[0].status = InstallStatus::Refused(String::new());
    lan.excluded[0].status = InstallStatus::Refused("File exists".into());
    lan.rules[0].status = InstallStatus::Refused("File exists".into());
    lan.retry_at = Some(later(12_000));
    lan.priority = Priority(114);
    lan.send_error = Some(String::from("Network is unreachable"));
    lan.senders = vec![
        sender(
            Finding::Rejected,
            200,
            "ignoring adverts from 192.0.2.9: VRRP version 3, ours version 2",
        ),
        sender(
            Finding::SecondMaster,
            15_000,
            "Received advert from 192.0.2.8 with lower priority 90, ours 114, forcing new election",
        ),
    ];
    let wan = named(&mut snapshot, "WAN");
    wan.priority = Priority(80);
    wan.held_by = Some(String::from(
        "LAN of sync group EDGE follows master 192.0.2.2 (priority 150)",
    ));
    waits(wan, TimerKind::GroupRetry, 640);
    wan.no_accept_missing = true;
    let lan6 = named(&mut snapshot, "LAN6");
    backup(lan6, "fe80::5054:ff:fe12:3456", 100);
    lan6.vips
        .iter_mut()
        .for_each(|item| item.status = InstallStatus::Absent);
    outlook(lan6).interval = Centis(200);
    let customer = named(&mut snapshot, "a_customer_with_quite_a_long_name");
    backup(customer, "10.1.255.254", 90);
    outlook(customer).preempt_at = Some(later(41_000));
    outlook(customer).preempting = true;
    let detail = "interface eth2 is down";
    fault(named(&mut snapshot, "DMZ_1"), "interface_down", detail);
    named(&mut snapshot, "DMZ_1").last_transition = Some(Transition {
        at: ago(720_000),
        reason: "interface_down",
    });
    let detail = "in sync group DMZ, DMZ_1: interface eth2 is down";
    fault(named(&mut snapshot, "DMZ_2"), "group_fault", detail);
    let owner = named(&mut snapshot, "OWNER");
    owner.why = String::from("owner of the addresses (priority 255)");
    owner.senders = vec![sender(
        Finding::Conflict,
        100,
        "192.0.2.7 also claims to own the addresses (priority 255): only one router may have priority 255",
    )];
    let new = named(&mut snapshot, "NEW");
    let mut all = config.instances.iter();
    *new = fresh(config, all.find(|one| one.name == "NEW").expect("NEW"));
    new.awaited = Some(String::from("script chk_dns"));
    new.priority_parts[0].up = None;
    snapshot.scripts[1].up = Some(false);
    snapshot.scripts[1].last = String::from("exited with status 9");
    snapshot.scripts[1].result = 0;
    snapshot.processes[0].count = 0;
    snapshot.processes[0].up = Some(false);
    snapshot.processes[0].timer = true;
    finish(&mut snapshot, config);
    snapshot
}

/// A real server of the first has failed, and the quorum is lost.
#[cfg(feature = "lvs")]
pub(crate) fn with_services(config: &Config) -> Snapshot<'_> {
    use vrrpd::ctl::{Check, Server, Service, Traffic};
    use vrrpd::types::ipvs::Connections;
    let mut snapshot = calm(config);
    for (nth, conf) in config.lvs.virtual_servers.iter().enumerate() {
        let servers = conf.real_servers.iter().enumerate().map(|(index, conf)| {
            let up = nth > 0 || index > 0;
            let checks = conf.checks.iter().enumerate();
            Server {
                conf,
                up,
                weight: conf.weight,
                maintenance: (nth == 2).then_some(Maintenance {
                    since: clock().now,
                    until: None,
                    reason: "new disk",
                }),
                checks: checks
                    .map(|(check, conf)| Check {
                        conf,
                        up: up || check != 1,
                        weight: 0,
                    })
                    .collect(),
                traffic: (up && nth == 1).then(|| Traffic {
                    connections: Some(Connections {
                        active: 12,
                        ..Connections::default()
                    }),
                    ..Traffic::default()
                }),
            }
        });
        snapshot.services.push(Service {
            conf,
            quorum: nth > 0,
            weight: 1,
            sorry: nth == 0,
            refused: nth == 2,
            suspended: nth == 1,
            traffic: None,
            servers: servers.collect(),
        });
    }
    finish(&mut snapshot, config);
    snapshot
}
