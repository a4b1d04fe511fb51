//! `status` and `explain` over snapshots with a made-up state, against `tests/golden/status` and
//! `tests/golden/explain`. `UPDATE_GOLDEN=1` rewrites them; review the diff.
//!
//! The configuration is loaded as by the daemon. That the engine reports its real state is tested in
//! `tests/engine/outlook.rs` and on a live kernel.
#![cfg(feature = "json")]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/host.rs"]
mod host;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vrrpd::config;
use vrrpd::config::model::{Config, Tracked, VrrpInstance};
use vrrpd::ctl::{
    self, Clock, Daemon, File, Finding, Group, InstallStatus, Instance, Maintenance, ManagedItem,
    Member, Missing, Objects, Output, Page, PriorityPart, Process, RefusedReload, Script,
    ScriptState, Sender, Snapshot, Style, Totals, Transition, View,
};
use vrrpd::types::{
    BackupOutlook, Centis, DaemonCounters, Family, Heard, Instant, MasterInfo, MasterOutlook,
    Outlook, Priority, TimerKind, VrrpCounters, VrrpState,
};

use host::FakeHost;

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn load(path: &Path) -> Config {
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

fn all() -> Config {
    load(&directory("status/all.conf"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// The present.
const NOW: Instant = Instant::from_millis(1_000_000_000);

fn ago(millis: u64) -> Instant {
    Instant::from_nanos(NOW.as_nanos() - millis * 1_000_000)
}

fn later(millis: u64) -> Instant {
    NOW.after(Duration::from_millis(millis))
}

fn clock() -> Clock {
    Clock {
        now: NOW,
        wall: Duration::from_secs(1_795_259_482),
        utc_offset: 3600,
    }
}

fn items<'a, T>(all: &'a [T], status: &InstallStatus) -> Vec<ManagedItem<'a, T>> {
    let item = |item| ManagedItem {
        item,
        status: status.clone(),
    };
    all.iter().map(item).collect()
}

/// An instance as it is after the start: nothing known, in INIT.
fn fresh<'a>(config: &'a Config, conf: &'a VrrpInstance) -> Instance<'a> {
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
    Instance {
        conf,
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
fn master(one: &mut Instance<'_>) {
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
fn backup(one: &mut Instance<'_>, addr: &str, priority: u8) {
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
fn waits(one: &mut Instance<'_>, timer: TimerKind, left: u64) {
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

fn outlook<'a>(one: &'a mut Instance<'_>) -> &'a mut BackupOutlook {
    let Outlook::Backup(outlook) = &mut one.outlook else {
        panic!("a backup");
    };
    outlook
}

fn fault(one: &mut Instance<'_>, kind: &'static str, detail: &str) {
    one.state = VrrpState::Fault;
    (one.master, one.outlook) = (None, Outlook::Nothing);
    one.why = detail.to_owned();
    one.missing = Some(Missing {
        kind,
        detail: detail.to_owned(),
    });
}

fn named<'a, 'b>(snapshot: &'b mut Snapshot<'a>, name: &str) -> &'b mut Instance<'a> {
    let mut all = snapshot.instances.iter_mut();
    all.find(|one| one.conf.name == name).expect("an instance")
}

/// Leaked: they live as long as the test.
fn daemon(refused: Option<RefusedReload>) -> &'static Daemon {
    Box::leak(Box::new(Daemon {
        pid: 812,
        config: String::from("/etc/vrrpd.conf"),
        refused,
    }))
}

fn counters(errors: usize) -> &'static DaemonCounters {
    let mut counters = DaemonCounters {
        started: ago(273_600_000),
        ..DaemonCounters::default()
    };
    counters.config.errors = errors;
    Box::leak(Box::new(counters))
}

/// Everything works.
fn calm(config: &Config) -> Snapshot<'_> {
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

/// What follows from the instances.
fn finish<'a>(snapshot: &mut Snapshot<'a>, config: &'a Config) {
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

fn sender(kind: Finding, millis: u64, text: &str) -> Sender {
    Sender {
        at: ago(millis),
        kind,
        text: text.to_owned(),
    }
}

/// Something of everything, most of it wrong.
fn troubled(config: &Config) -> Snapshot<'_> {
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
    *new = fresh(config, new.conf);
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

/// What a whole reply says.
fn whole(view: View, snapshot: &Snapshot<'_>, style: &Style) -> Output {
    ctl::render(view, snapshot, style)
}

/// What it says if each page has one object.
fn paged<'a>(view: View, make: &dyn Fn() -> Snapshot<'a>, style: &Style) -> Output {
    let mut out = Output::default();
    let count = |objects| match objects {
        Objects::None => 1,
        Objects::Instances => make().instances.len(),
        Objects::Services => make().services.len(),
    };
    for section in view {
        // The last page may be empty.
        for first in 0..=count(section.objects) {
            let mut snapshot = make();
            snapshot.page = Page {
                first,
                total: count(section.objects),
            };
            keep(
                &mut snapshot.instances,
                section.objects == Objects::Instances,
                first,
            );
            keep(
                &mut snapshot.services,
                section.objects == Objects::Services,
                first,
            );
            if section.objects == Objects::None {
                if first > 0 {
                    break;
                }
            } else {
                (snapshot.scripts, snapshot.files) = (Vec::new(), Vec::new());
                snapshot.processes = Vec::new();
            }
            (section.write)(&snapshot, style, &mut out);
        }
    }
    out
}

/// Keeps the object of this page.
fn keep<T>(all: &mut Vec<T>, wanted: bool, nth: usize) {
    let mut at = 0;
    all.retain(|_| {
        at += 1;
        wanted && at == nth + 1
    });
}

fn style(width: u16) -> Style {
    Style {
        width,
        ..Style::default()
    }
}

fn name(names: &[&str], width: u16) -> Style {
    Style {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        ..style(width)
    }
}

/// Longest line, without colors.
fn longest(text: &str) -> usize {
    let lines = text.lines().map(|line| line.chars().count());
    lines.max().unwrap_or_default()
}

#[test]
fn status_matches_the_golden_files_and_fits_the_terminal() {
    let config = all();
    let mut mismatches = Vec::new();
    for (case, make) in [
        ("calm", calm as fn(&Config) -> Snapshot<'_>),
        ("troubled", troubled),
    ] {
        let snapshot = make(&config);
        for width in [0, 60, 80, 120, 200] {
            let text = whole(ctl::status::VIEW, &snapshot, &style(width)).text;
            let fits = width == 0 || longest(&text) <= usize::from(width);
            assert!(fits, "{case} {width}:\n{text}");
            let file = directory("status").join(format!("{case}.{width}"));
            golden::compare(&file, &text, &mut mismatches);
        }
    }
    let snapshot = troubled(&config);
    let color = Style {
        color: true,
        ..style(80)
    };
    let text = whole(ctl::status::VIEW, &snapshot, &color).text;
    golden::compare(
        &directory("status").join("troubled.color"),
        &text,
        &mut mismatches,
    );
    let some = name(&["WAN", "EDGE"], 80);
    let text = whole(ctl::status::VIEW, &snapshot, &some).text;
    golden::compare(
        &directory("status").join("named.80"),
        &text,
        &mut mismatches,
    );
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn a_reply_in_pages_is_the_whole_reply() {
    let config = all();
    for view in [
        ctl::status::VIEW,
        ctl::nagios::VIEW,
        ctl::status_json::VIEW,
        ctl::explain::VIEW,
    ] {
        for style in [
            style(80),
            name(&["LAN", "DMZ", "chk_dns", "load", "nginx"], 80),
        ] {
            let make = || troubled(&config);
            let whole = whole(view, &make(), &style);
            let paged = paged(view, &make, &style);
            assert_eq!(paged.text, whole.text);
            assert_eq!(paged.code, whole.code);
        }
    }
}

/// States that are not in the other snapshots, each with one instance.
fn explained(config: &Config) -> Vec<(&'static str, Instance<'_>)> {
    let conf = &config.instances[0];
    let one = |change: &dyn Fn(&mut Instance<'_>)| {
        let mut one = fresh(config, conf);
        change(&mut one);
        one
    };
    let backup_with = |change: &dyn Fn(&mut Instance<'_>)| {
        one(&|one| {
            backup(one, "192.0.2.2", 150);
            change(one);
        })
    };
    let resigned = MasterInfo {
        addr: ip("192.0.2.2"),
        priority: Priority(0),
        interval: Centis(100),
    };
    vec![
        (
            "no master heard",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
            }),
        ),
        (
            "startup delay",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                one.startup_delay_end = later(5_000);
                waits(one, TimerKind::Down, 8_609);
            }),
        ),
        (
            "state MASTER",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                waits(one, TimerKind::OneInterval, 700);
            }),
        ),
        (
            "owner after the startup delay",
            backup_with(&|one| {
                (one.master, one.heard) = (None, None);
                waits(one, TimerKind::StartupDelay, 700);
            }),
        ),
        (
            "the master resigned",
            backup_with(&|one| {
                one.master = None;
                one.heard = Some(Heard {
                    master: resigned,
                    at: ago(100),
                });
                waits(one, TimerKind::Skew, 509);
            }),
        ),
        (
            "late timer",
            backup_with(&|one| waits(one, TimerKind::LateListen, 900)),
        ),
        (
            "equal priority",
            backup_with(&|one| backup(one, "192.0.2.2", 100)),
        ),
        (
            "preempts",
            backup_with(&|one| {
                backup(one, "192.0.2.2", 90);
                outlook(one).preempting = true;
            }),
        ),
        (
            "ready with the group",
            backup_with(&|one| waits(one, TimerKind::GroupRetry, 300)),
        ),
        (
            "maintenance",
            backup_with(&|one| {
                one.maintenance = Some(Maintenance {
                    since: ago(300_000),
                    until: Some(later(1_500_000)),
                    reason: "firmware update",
                });
            }),
        ),
        (
            "resuming",
            one(&|one| one.outlook = Outlook::Resuming { at: later(800) }),
        ),
        (
            "suspended",
            one(&|one| {
                master(one);
                one.outlook = Outlook::Master(MasterOutlook {
                    advert_at: later(1_200),
                    listening: true,
                    rival: false,
                });
            }),
        ),
        (
            "two owners",
            one(&|one| {
                master(one);
                one.yields_to_owner = true;
                one.outlook = Outlook::Master(MasterOutlook {
                    advert_at: later(200),
                    listening: false,
                    rival: true,
                });
            }),
        ),
        (
            "other master seen",
            one(&|one| {
                master(one);
                one.heard = Some(Heard {
                    master: MasterInfo {
                        priority: Priority(90),
                        ..resigned
                    },
                    at: ago(3_600_000),
                });
            }),
        ),
        (
            "repair given up",
            one(&|one| {
                fault(
                    one,
                    "removed_externally",
                    "192.0.2.10/24 was removed externally again after 8 repairs in 1300 ms; next attempt in 10 s",
                );
                one.hold_until = Some(later(7_000));
            }),
        ),
        (
            "limited priority",
            one(&|one| {
                master(one);
                one.priority = Priority(254);
                one.priority_parts[0].adds = 200;
            }),
        ),
    ]
}

#[test]
fn explain_matches_the_golden_files() {
    let config = all();
    let mut mismatches = Vec::new();
    let snapshot = troubled(&config);
    let text = whole(ctl::explain::VIEW, &snapshot, &style(80)).text;
    assert!(longest(&text) <= 80, "{text}");
    golden::compare(
        &directory("explain").join("short.80"),
        &text,
        &mut mismatches,
    );
    let mut text = String::new();
    for one in &snapshot.instances {
        let named = name(&[&one.conf.name], 100);
        text += &whole(ctl::explain::VIEW, &snapshot, &named).text;
        text.push('\n');
    }
    for object in ["EDGE", "DMZ", "chk_http", "chk_dns", "load", "nginx"] {
        text += &whole(ctl::explain::VIEW, &snapshot, &name(&[object], 100)).text;
        text.push('\n');
    }
    assert!(longest(&text) <= 100, "{text}");
    golden::compare(
        &directory("explain").join("named.100"),
        &text,
        &mut mismatches,
    );
    let mut text = String::new();
    for (title, instance) in explained(&config) {
        let mut snapshot = calm(&config);
        snapshot.instances = vec![instance];
        let explained = whole(ctl::explain::VIEW, &snapshot, &name(&["LAN"], 0)).text;
        let _ = write!(text, "# {title}\n{explained}\n");
    }
    golden::compare(&directory("explain").join("states"), &text, &mut mismatches);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn check_is_one_line_with_performance_data_and_its_exit_code() {
    let config = all();
    let make: [fn(&Config) -> Snapshot<'_>; 2] = [calm, troubled];
    for (make, names, code, start) in [
        (make[0], &[][..], 0, "VRRP OK - 4 MASTER, 4 BACKUP |"),
        (make[0], &["LAN"], 0, "VRRP OK - 1 MASTER |"),
        (
            make[1],
            &[],
            2,
            "VRRP CRITICAL - 2 MASTER, 3 BACKUP, 2 FAULT, 1 INIT: ",
        ),
        (
            make[1],
            &["WAN"],
            1,
            "VRRP WARNING - 1 BACKUP: WAN: no_accept is not enforced",
        ),
        (
            make[1],
            &["DMZ"],
            2,
            "VRRP CRITICAL - nothing to check: DMZ: FAULT",
        ),
    ] {
        let out = whole(ctl::nagios::VIEW, &make(&config), &name(names, 80));
        assert_eq!(out.code, code, "{names:?} {}", out.text);
        assert!(out.text.starts_with(start), "{}", out.text);
        assert_eq!(out.text.lines().count(), 1);
        let (_, data) = out.text.split_once(" | ").expect("performance data");
        assert!(!data.contains('|'));
        for pair in data.split_whitespace() {
            let (label, value) = pair.split_once('=').expect("label=value");
            assert!(!label.is_empty() && value.parse::<u32>().is_ok(), "{pair}");
        }
    }
}

// ---- JSON ----

#[test]
fn json_is_as_the_schema_says_and_has_every_field_of_it() {
    let text = std::fs::read_to_string(directory("status/schema.json")).expect("a schema");
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let config = all();
    let empty = Config::default();
    let mut seen = Vec::new();
    let mut snapshots = vec![calm(&config), troubled(&config), calm(&empty)];
    for (_, instance) in explained(&config) {
        let mut snapshot = calm(&config);
        snapshot.instances = vec![instance];
        snapshots.push(snapshot);
    }
    #[cfg(feature = "lvs")]
    let lvs = load(&directory("dumps/lvs.conf"));
    #[cfg(feature = "lvs")]
    snapshots.push(with_services(&lvs));
    for snapshot in &snapshots {
        let json = whole(ctl::status_json::VIEW, snapshot, &style(0)).text;
        let value: Value =
            serde_json::from_str(&json).unwrap_or_else(|why| panic!("{why}: {json}"));
        validate(&schema, &schema, &value, "", &mut seen);
    }
    let mut all = Vec::new();
    fields(&schema, &schema, "", &mut all);
    if cfg!(not(feature = "lvs")) {
        all.retain(|field| !field.starts_with(".virtual_servers[]."));
    }
    let unseen: Vec<_> = all.iter().filter(|field| !seen.contains(field)).collect();
    assert!(unseen.is_empty(), "never written: {unseen:?}");
    let json = whole(ctl::status_json::VIEW, &snapshots[1], &style(0)).text;
    assert!(json.ends_with("}\n") && !json.contains("secret"));
}

/// Follows a reference to a definition.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(path) => root.pointer(&path[1..]).expect("a definition"),
        None => schema,
    }
}

/// A small validator: type, enum, required, properties without others, items, $ref.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str, seen: &mut Vec<String>) {
    let schema = resolve(root, schema);
    if !value.is_null() {
        seen.push(at.to_owned());
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match (schema["type"].as_str(), schema["type"].as_array()) {
        (Some(one), _) => vec![one],
        (_, Some(all)) => all.iter().filter_map(Value::as_str).collect(),
        (None, None) => panic!("{at}: no type"),
    };
    let number = kind == "integer" && types.contains(&"number");
    assert!(
        types.contains(&kind) || number,
        "{at}: {value} is not {types:?}"
    );
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        assert!(
            words.contains(value),
            "{at}: {value} is not one of {words:?}"
        );
    }
    if let Value::Array(all) = value {
        for one in all {
            validate(root, &schema["items"], one, &format!("{at}[]"), seen);
        }
    }
    if let Value::Object(object) = value {
        let properties = schema["properties"].as_object().expect("properties");
        let required: Vec<_> = schema["required"]
            .as_array()
            .expect("required")
            .iter()
            .collect();
        for (name, inside) in object {
            let property = properties.get(name);
            let property = property.unwrap_or_else(|| panic!("{at}.{name} is not in the schema"));
            validate(root, property, inside, &format!("{at}.{name}"), seen);
        }
        for name in required {
            let name = name.as_str().expect("a name");
            assert!(object.contains_key(name), "{at}.{name} is missing");
        }
    }
}

/// The paths of all fields.
fn fields(root: &Value, schema: &Value, at: &str, out: &mut Vec<String>) {
    let schema = resolve(root, schema);
    out.push(at.to_owned());
    if let Some(items) = schema.get("items") {
        fields(root, items, &format!("{at}[]"), out);
    }
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, inside) in properties {
            fields(root, inside, &format!("{at}.{name}"), out);
        }
    }
}

// ---- virtual servers ----

/// A real server of the first has failed, and the quorum is lost.
#[cfg(feature = "lvs")]
fn with_services(config: &Config) -> Snapshot<'_> {
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

#[cfg(feature = "lvs")]
#[test]
fn virtual_servers_match_the_golden_files() {
    let config = load(&directory("dumps/lvs.conf"));
    let snapshot = with_services(&config);
    let mut mismatches = Vec::new();
    let text = whole(ctl::status::VIEW, &snapshot, &style(80)).text;
    assert!(longest(&text) <= 80, "{text}");
    golden::compare(&directory("status").join("lvs.80"), &text, &mut mismatches);
    let names: Vec<&str> = snapshot
        .services
        .iter()
        .map(|one| &*one.conf.name)
        .collect();
    let text = whole(ctl::explain::VIEW, &snapshot, &name(&names, 80)).text;
    golden::compare(&directory("explain").join("lvs.80"), &text, &mut mismatches);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    for view in [
        ctl::status::VIEW,
        ctl::nagios::VIEW,
        ctl::status_json::VIEW,
        ctl::explain::VIEW,
    ] {
        let make = || with_services(&config);
        let whole = whole(view, &make(), &style(80));
        assert_eq!(paged(view, &make, &style(80)), whole);
    }
}
