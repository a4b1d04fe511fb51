//! Snapshots with a made-up state, in which every field occurs. The configuration is loaded as by
//! the daemon, from `tests/golden/dumps`.
#![allow(
    dead_code,
    reason = "shared by several test programs, each of which uses part of it"
)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vrrpd::config;
use vrrpd::config::model::{Config, RunningInstance, Tracked};
#[cfg(feature = "lvs")]
use vrrpd::ctl;
use vrrpd::ctl::{
    Clock, File, Group, InstallStatus, Instance, Interface, Maintenance, ManagedItem, Missing,
    Page, PriorityPart, Process, Script, ScriptState, Snapshot, Totals, Transition,
};
use vrrpd::types::{
    Centis, Cidr, ConfigStatus, DaemonCounters, ErrorCounters, IfName, Instant, KernelCounters,
    Lateness, Mac, MasterInfo, Outlook, Priority, Rare, VrrpCounters, VrrpState,
};

use crate::host::FakeHost;

pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dumps")
}

pub(crate) fn load() -> Config {
    load_from("all.conf")
}

pub(crate) fn load_from(name: &str) -> Config {
    let text = std::fs::read_to_string(directory().join(name)).expect("a configuration");
    let host = FakeHost {
        text: &text,
        complete: true,
    };
    let loaded = config::load(name, &host);
    let errors = loaded.diags.list().iter();
    let errors: Vec<_> = errors
        .filter(|diag| diag.severity >= config::Severity::Error)
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded.config
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn ifname(text: &str) -> IfName {
    IfName::new(text).expect("a name")
}

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000_000 + ms)
}

/// 2026-11-21 11:11:22 UTC in a time zone one hour ahead.
fn clock() -> Clock {
    Clock {
        now: at(0),
        wall: Duration::from_secs(1_795_259_482),
        utc_offset: 3600,
    }
}

/// Items that are installed if `set`, except the first if `refused`.
fn items<'a, T>(all: &'a [T], set: bool, refused: bool) -> Vec<ManagedItem<'a, T>> {
    let item = |(nth, item): (usize, &'a T)| ManagedItem {
        item,
        status: match (set, refused && nth == 0) {
            (true, true) => InstallStatus::Refused("Invalid argument".into()),
            (true, false) => InstallStatus::Installed,
            (false, _) => InstallStatus::Absent,
        },
    };
    all.iter().enumerate().map(item).collect()
}

/// Counters with distinct values.
fn counters(base: u64) -> VrrpCounters {
    VrrpCounters {
        advert_rcvd: base,
        advert_sent: base + 1,
        become_master: base + 2,
        release_master: base + 3,
        pri_zero_rcvd: base + 12,
        pri_zero_sent: base + 13,
        errors: Rare::new(ErrorCounters {
            packet_len_err: base + 4,
            advert_interval_err: base + 5,
            ip_ttl_err: base + 6,
            invalid_type_rcvd: base + 7,
            addr_list_err: base + 8,
            invalid_authtype: base + 9,
            authtype_mismatch: base + 10,
            auth_failure: base + 11,
            other_rejected: base + 14,
            auth_ext_missing: base + 20,
            auth_ext_malformed: base + 21,
            auth_ext_unknown_key: base + 22,
            auth_ext_failure: base + 23,
            auth_ext_stale: base + 24,
            auth_ext_replay: base + 25,
        }),
    }
}

/// Started 100 s ago; the configuration is half as old.
const COUNTERS: DaemonCounters = DaemonCounters {
    started: Instant::from_millis(900_000),
    lateness: Lateness {
        counts: [1200, 300, 40, 20, 10, 5, 4, 3, 2, 1, 0, 0, 1],
        sum: Duration::from_micros(1_500_025),
    },
    addresses: KernelCounters {
        repaired: 3,
        refused: 1,
    },
    routes: KernelCounters {
        repaired: 2,
        refused: 0,
    },
    interfaces: KernelCounters {
        repaired: 0,
        refused: 4,
    },
    config: ConfigStatus {
        applied_at: Instant::from_millis(950_000),
        errors: 2,
        refused_reloads: 1,
        last_refused: true,
    },
};

fn maintenance<'a>(until: Option<u64>) -> Maintenance<'a> {
    Maintenance {
        since: at(0),
        until: until.map(at),
        reason: "kernel \"upgrade\"",
    }
}

pub(crate) fn instance(config: &Config, nth: usize) -> Instance<'_> {
    let conf = &config.instances[nth];
    let (running, _) = RunningInstance::split(conf.clone(), &mut std::iter::empty());
    let (state, reason, missing) = [
        (VrrpState::Master, "master_down", None),
        (VrrpState::Backup, "higher_priority", None),
        (VrrpState::Master, "owner", None),
        (
            VrrpState::Fault,
            "interface_down",
            Some(Missing {
                kind: "interface_down",
                detail: "eth2 is down".to_owned(),
            }),
        ),
    ][nth]
        .clone();
    let master = state == VrrpState::Master;
    let priority_parts = conf.tracks.iter().map(|track| {
        let (name, up, adds) = match &track.object {
            Tracked::Interface(name) => (name.as_str(), Some(true), 10),
            Tracked::Script(at) => (&*config.scripts[*at].name, Some(*at == 0), 20),
            Tracked::File(at) => (&*config.track_files[*at].name, Some(true), -6),
            Tracked::Process(at) => (&*config.track_processes[*at].name, None, 0),
        };
        PriorityPart {
            track,
            name,
            up,
            adds,
        }
    });
    let ms = u64::try_from(nth).expect("few") * 1500;
    Instance {
        // A snapshot only borrows it.
        conf: Box::leak(Box::new(running)),
        state,
        last_transition: Some(Transition {
            at: Instant::from_millis(990_000 + ms),
            reason,
        }),
        why: String::new(),
        awaited: None,
        heard: None,
        senders: Vec::new(),
        outlook: Outlook::Nothing,
        startup_delay_end: Instant::ZERO,
        held_by: None,
        hold_until: None,
        retry_at: None,
        yields_to_owner: false,
        skew: Duration::from_micros(609_375),
        missing,
        source: (nth < 3).then(|| ip(["192.0.2.1", "192.0.2.1", "fe80::1"][nth])),
        master: (state == VrrpState::Backup).then(|| MasterInfo {
            addr: ip("192.0.2.2"),
            priority: Priority(150),
            interval: Centis(225),
        }),
        priority: if nth == 0 {
            Priority(144)
        } else {
            conf.priority
        },
        priority_parts: priority_parts.collect(),
        maintenance: (nth == 1).then(|| maintenance(Some(1_800_000))),
        deadline: (state != VrrpState::Fault).then(|| at(250)),
        down_interval: Duration::from_micros(3_609_375),
        no_accept_missing: false,
        send_error: (nth == 2).then(|| "Network is unreachable".to_owned()),
        vips: items(&conf.vips, master, nth == 0),
        excluded: items(&conf.excluded_vips, master, false),
        routes: items(&conf.routes, master, false),
        rules: items(&conf.rules, master, true),
        counters: counters(ms),
    }
}

pub(crate) fn snapshot(config: &Config) -> Snapshot<'_> {
    let (eth0, eth1) = (config.instances[0].interface.clone(), ifname("eth1"));
    // Leaked: they live as long as the test.
    let names: &[IfName] = Box::leak(Box::new([eth0, eth1]));
    let cidr = |text: &str| {
        let (addr, prefix) = text.split_once('/').expect("a prefix");
        Cidr {
            addr: ip(addr),
            prefix: prefix.parse().expect("a number"),
        }
    };
    Snapshot {
        clock: clock(),
        global: &config.global,
        daemon: Box::leak(Box::default()),
        totals: Totals::default(),
        counters: &COUNTERS,
        page: Page::default(),
        instances: (0..config.instances.len())
            .map(|nth| instance(config, nth))
            .collect(),
        groups: config
            .sync_groups
            .iter()
            .map(|conf| Group {
                conf,
                state: VrrpState::Master,
                members: Vec::new(),
            })
            .collect(),
        scripts: config
            .scripts
            .iter()
            .enumerate()
            .map(|(nth, conf)| Script {
                conf,
                up: [Some(true), None][nth],
                result: [1, 0][nth],
                last: String::new(),
                state: [ScriptState::Idle, ScriptState::Terminating][nth],
            })
            .collect(),
        files: config
            .track_files
            .iter()
            .map(|conf| File {
                conf,
                value: Some(-3),
            })
            .collect(),
        processes: config
            .track_processes
            .iter()
            .map(|conf| Process {
                conf,
                count: 1,
                up: Some(false),
                timer: false,
            })
            .collect(),
        addresses: items(&config.static_addresses, true, false),
        routes: items(&config.static_routes, true, true),
        rules: items(&config.static_rules, true, false),
        interfaces: vec![
            Interface {
                name: &names[0],
                index: 2,
                mac: Some(Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])),
                mtu: Some(1500),
                flags: 0x1043,
                up: true,
                addresses: vec![cidr("192.0.2.1/24"), cidr("fe80::1/64")],
                down_delay: Duration::from_millis(1500),
                up_delay: Duration::ZERO,
            },
            Interface {
                name: &names[1],
                index: 3,
                mac: None,
                mtu: None,
                flags: 0x10d0,
                up: false,
                addresses: Vec::new(),
                down_delay: Duration::ZERO,
                up_delay: Duration::ZERO,
            },
        ],
        services: Vec::new(),
    }
}

/// Virtual servers. A real server of the first has failed, and the quorum is lost.
#[cfg(feature = "lvs")]
pub(crate) fn services(config: &Config) -> Vec<ctl::Service<'_>> {
    use vrrpd::ctl::{Check, Server, Service, Traffic};
    use vrrpd::types::ipvs;
    let traffic = |base: u64, server: bool| {
        let connections = server.then_some(ipvs::Connections {
            active: 12,
            inactive: 3,
            persistent: 1,
        });
        let counters = ipvs::Counters {
            connections: base,
            packets_in: base * 10,
            packets_out: base * 9,
            bytes_in: base * 1000,
            bytes_out: base * 10_000,
        };
        Some(Traffic {
            connections,
            counters,
        })
    };
    let mut services = Vec::new();
    for (nth, conf) in config.lvs.virtual_servers.iter().enumerate() {
        let servers = conf.real_servers.iter().enumerate().map(|(index, conf)| {
            let up = nth > 0 || index > 0;
            let checks = conf.checks.iter().enumerate();
            Server {
                conf,
                up,
                weight: conf.weight + u32::from(!up) * 3,
                maintenance: (nth == 1 && index == 0).then(|| maintenance(None)),
                checks: checks
                    .map(|(check, conf)| Check {
                        conf,
                        up: up || check != 1,
                        weight: i64::from(!up && check == 2) * 3,
                    })
                    .collect(),
                traffic: traffic(7, true).filter(|_| up && nth == 1),
            }
        });
        services.push(Service {
            conf,
            quorum: nth > 0,
            weight: 1,
            sorry: nth == 0,
            refused: false,
            suspended: nth == 1,
            traffic: traffic(100, false).filter(|_| nth < 2),
            servers: servers.collect(),
        });
    }
    services
}

pub(crate) fn empty_snapshot(config: &Config) -> Snapshot<'_> {
    let daemon = Box::leak(Box::default());
    Snapshot::empty(clock(), &config.global, &COUNTERS, daemon)
}
