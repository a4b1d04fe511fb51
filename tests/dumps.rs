//! The dumps (keepalived.data, keepalived.stats, JSON) against `tests/golden/dumps`.
//! `UPDATE_GOLDEN=1` rewrites them; review the diff.
//!
//! The configuration is loaded as by the daemon; the state is made up, so that every field occurs.
//! That the engine reports its real state is tested on a live kernel.
#![cfg(all(feature = "json", feature = "mail"))]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/host.rs"]
mod host;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use host::FakeHost;
use serde_json::Value;
use vrrpd::config;
use vrrpd::config::model::{Config, Tracked};
use vrrpd::ctl::{
    self, Clock, File, Group, InstallStatus, Instance, Interface, JsonVersion, ManagedItem,
    Missing, Page, PriorityPart, Process, Script, ScriptState, Snapshot, Transition,
};
use vrrpd::types::{
    Centis, Cidr, IfName, Instant, Mac, MasterInfo, Priority, VrrpCounters, VrrpState,
};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/dumps")
}

fn load() -> Config {
    load_from("all.conf")
}

fn load_from(name: &str) -> Config {
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
        packet_len_err: base + 4,
        advert_interval_err: base + 5,
        ip_ttl_err: base + 6,
        invalid_type_rcvd: base + 7,
        addr_list_err: base + 8,
        invalid_authtype: base + 9,
        authtype_mismatch: base + 10,
        auth_failure: base + 11,
        pri_zero_rcvd: base + 12,
        pri_zero_sent: base + 13,
        other_rejected: base + 14,
        auth_ext_missing: base + 20,
        auth_ext_malformed: base + 21,
        auth_ext_unknown_key: base + 22,
        auth_ext_failure: base + 23,
        auth_ext_stale: base + 24,
        auth_ext_replay: base + 25,
    }
}

fn instance(config: &Config, nth: usize) -> Instance<'_> {
    let conf = &config.instances[nth];
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
        conf,
        state,
        last_transition: Some(Transition {
            at: Instant::from_millis(990_000 + ms),
            reason,
        }),
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

fn snapshot(config: &Config) -> Snapshot<'_> {
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
fn services(config: &Config) -> Vec<ctl::Service<'_>> {
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
            suspended: nth == 1,
            traffic: traffic(100, false).filter(|_| nth < 2),
            servers: servers.collect(),
        });
    }
    services
}

fn empty_snapshot(config: &Config) -> Snapshot<'_> {
    Snapshot {
        clock: clock(),
        global: &config.global,
        page: Page::default(),
        instances: Vec::new(),
        groups: Vec::new(),
        scripts: Vec::new(),
        files: Vec::new(),
        processes: Vec::new(),
        addresses: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        interfaces: Vec::new(),
        services: Vec::new(),
    }
}

fn compare(name: &str, got: &str, mismatches: &mut Vec<String>) {
    golden::compare(&directory().join(name), got, mismatches);
}

/// JSON on several lines.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("JSON") + "\n"
}

#[test]
fn dumps_match_the_golden_files() {
    let config = load();
    let snapshot = snapshot(&config);
    let (data, stats) = (ctl::data(&snapshot), ctl::stats(&snapshot));
    let texts =
        [JsonVersion::List, JsonVersion::Object].map(|version| ctl::json(&snapshot, version));
    let [list, object] = texts.each_ref().map(|text| {
        assert!(text.ends_with("}\n") || text.ends_with("]\n"));
        serde_json::from_str::<Value>(text).expect("JSON")
    });
    assert_eq!(
        list, object["vrrp"],
        "both JSON versions have the same contents"
    );

    let mut mismatches = Vec::new();
    compare("all.data", &data, &mut mismatches);
    compare("all.stats", &stats, &mut mismatches);
    compare("all.json", &pretty(&list), &mut mismatches);
    let processes = pretty(&object["track_process"]);
    compare("all.processes.json", &processes, &mut mismatches);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));

    for text in [&data, &stats, &texts[0], &texts[1]] {
        assert!(!text.contains("secret"), "passwords are hidden");
        assert!(!text.contains('\t'), "no control characters");
    }
}

#[cfg(feature = "lvs")]
#[test]
fn virtual_server_dumps_match_the_golden_files() {
    let (config, empty) = (load_from("lvs.conf"), Config::default());
    let shown = Snapshot {
        services: services(&config),
        ..empty_snapshot(&empty)
    };
    let data = ctl::data(&shown);
    let start = data.find("------< LVS Topology").expect("there are some");
    let text = ctl::json(&shown, JsonVersion::Object);
    let object: Value = serde_json::from_str(&text).expect("JSON");
    let mut mismatches = Vec::new();
    compare("lvs.data", &data[start..], &mut mismatches);
    compare(
        "lvs.json",
        &pretty(&object["virtual_servers"]),
        &mut mismatches,
    );
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
    assert_eq!(
        ctl::json(&shown, JsonVersion::List),
        "[]\n",
        "instances alone"
    );
}

/// Fields have keepalived's order, vrrpd's own come after them: some scripts parse JSON with grep.
#[test]
fn json_fields_have_the_order_of_keepalived() {
    let config = load();
    let text = ctl::json(&snapshot(&config), JsonVersion::List);
    let fields = [
        "iname",
        "dont_track_primary",
        "vmac_ifname",
        "ifp_ifname",
        "last_transition",
        "vrid",
        "base_priority",
        "vipset",
        "adver_int",
        "accept",
        "state",
        "wantstate",
        "version",
        "smtp_alert",
        "script_master",
        "vips",
        "evips",
        "vroutes",
        "track_ifp",
        "auth_type",
        "transition_reason",
        "stats",
    ];
    let positions = fields.map(|field| text.find(&format!("\"{field}\":")));
    assert!(positions.iter().all(Option::is_some), "{positions:?}");
    assert!(positions.is_sorted(), "{positions:?}");
    assert!(text.contains("\"last_transition\":1795259472.000000,"));
}

#[test]
fn dumps_of_an_empty_configuration_are_empty() {
    let config = Config::default();
    let nothing = empty_snapshot(&config);
    assert_eq!(ctl::json(&nothing, JsonVersion::List), "[]\n");
    let want = "{\"vrrp\":[],\"track_process\":[]}\n";
    assert_eq!(ctl::json(&nothing, JsonVersion::Object), want);
    assert_eq!(ctl::stats(&nothing), "");
    assert!(ctl::data(&nothing).contains("------< VRRP Topology >------\n------<"));
}
