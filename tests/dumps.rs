//! The dumps (keepalived.data, keepalived.stats, JSON) against `tests/golden/dumps`.
//! `UPDATE_GOLDEN=1` rewrites them; review the diff.
//!
//! That the engine reports its real state is tested on a live kernel.
#![cfg(all(feature = "json", feature = "mail"))]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/host.rs"]
mod host;
#[path = "support/snapshot.rs"]
mod snapshot;

use serde_json::Value;
use vrrpd::config::model::Config;
use vrrpd::ctl::{self, JsonVersion, Snapshot};

use snapshot::{directory, empty_snapshot, load, snapshot};
#[cfg(feature = "lvs")]
use snapshot::{load_from, services};

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
