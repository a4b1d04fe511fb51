//! `vrrpd metrics` against `tests/golden/dumps`, and against the rules of the text format and the
//! names that dashboards know. `UPDATE_GOLDEN=1` rewrites the golden files; review the diff.
//!
//! That promtool accepts the output of a running daemon is tested in `tests/lab`.
#![cfg(all(feature = "json", feature = "lvs", feature = "mail"))]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/host.rs"]
mod host;
#[path = "support/snapshot.rs"]
mod snapshot;

use std::collections::BTreeMap;

use serde_json::Value;
use snapshot::{directory, empty_snapshot, instance, load, load_from, services, snapshot};
use vrrpd::config::model::Config;
use vrrpd::ctl::{Maintenance, Objects, Output, Page, Snapshot, Style, metrics, render};

fn text(snapshot: &Snapshot<'_>) -> String {
    render(metrics::VIEW, snapshot, &Style::default()).text
}

/// All families: instances of one configuration, virtual servers of another.
fn everything() -> String {
    let (config, lvs) = (load(), load_from("lvs.conf"));
    let all = Snapshot {
        services: services(&lvs),
        ..snapshot(&config)
    };
    text(&all)
}

/// A metric family as a scraper reads it.
#[derive(Default)]
struct Family {
    kind: String,
    help: String,
    /// Name, labels and value.
    samples: Vec<(String, BTreeMap<String, String>, String)>,
}

/// Reads the labels of a sample: `{iname="VI_1",vrid="51"}`.
fn labels(text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").expect("a quoted value");
        let mut value = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next().expect("the end of the value") {
                (_, '\\') => match characters.next().expect("an escaped character").1 {
                    'n' => value.push('\n'),
                    other @ ('"' | '\\') => value.push(other),
                    other => panic!("\\{other} in {text}"),
                },
                (at, '"') => break at,
                (_, other) => value.push(other),
            }
        };
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
        let before = labels.insert(name.to_owned(), value);
        assert_eq!(before, None, "{name} twice in {text}");
    }
    labels
}

/// Reads the text format strictly: a family's lines are together, after its help text and type.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a help text");
            name.clone_into(&mut current);
            let family = Family {
                help: help.to_owned(),
                ..Family::default()
            };
            let before = families.insert(name.to_owned(), family);
            assert!(before.is_none(), "{name} occurs twice");
            continue;
        }
        let family = families.get_mut(&current).expect("a help text first");
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(name, current);
            assert!(family.kind.is_empty() && family.samples.is_empty());
            kind.clone_into(&mut family.kind);
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a value");
        value.parse::<f64>().expect("a number");
        let (name, inside) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').expect("a closing brace")),
            None => (series, ""),
        };
        let suffix = name.strip_prefix(&*current).expect("the family's name");
        match suffix {
            "" => {}
            "_bucket" | "_sum" | "_count" => assert_eq!(family.kind, "histogram"),
            other => panic!("{other} in {line}"),
        }
        let sample = (name.to_owned(), labels(inside), value.to_owned());
        let same = |(name, labels, _): &&(String, BTreeMap<String, String>, String)| {
            (name, labels) == (&sample.0, &sample.1)
        };
        assert!(family.samples.iter().find(same).is_none(), "{line} twice");
        family.samples.push(sample);
    }
    families
}

#[test]
fn metrics_match_the_golden_file() {
    let mut mismatches = Vec::new();
    let path = directory().join("all.prom");
    golden::compare(&path, &everything(), &mut mismatches);
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn families_follow_the_conventions_of_prometheus() {
    for (name, family) in parse(&everything()) {
        let Family { kind, help, .. } = &family;
        assert!(
            help.ends_with('.') && !help.contains('\\'),
            "{name}: {help}"
        );
        assert!(!family.samples.is_empty(), "{name} has a sample");
        match &**kind {
            "counter" => assert!(name.ends_with("_total"), "{name}"),
            "gauge" | "histogram" => assert!(!name.ends_with("_total"), "{name}"),
            other => panic!("{name} is a {other}"),
        }
        let reserved = ["_count", "_sum", "_bucket"];
        assert!(!reserved.iter().any(|end| name.ends_with(end)), "{name}");
        for (_, labels, value) in &family.samples {
            assert!(
                !labels.contains_key("instance"),
                "{name}: the scraper's label"
            );
            if name.ends_with("_info") {
                assert_eq!(value, "1", "{name}");
            }
        }
    }
}

/// Names and labels of keepalived-exporter 1.x. It has one more, of its own option `-cs`.
const EXPORTER: [(&str, &str, &[&str]); 20] = {
    const INSTANCE: &[&str] = &["iname", "intf", "vrid"];
    const ADDRESS: &[&str] = &["iname", "intf", "ip_address", "vrid"];
    const NAME: &[&str] = &["name"];
    [
        ("keepalived_up", "gauge", &[]),
        ("keepalived_vrrp_state", "gauge", ADDRESS),
        ("keepalived_vrrp_excluded_state", "gauge", ADDRESS),
        ("keepalived_gratuitous_arp_delay_total", "counter", INSTANCE),
        (
            "keepalived_advertisements_received_total",
            "counter",
            INSTANCE,
        ),
        ("keepalived_advertisements_sent_total", "counter", INSTANCE),
        ("keepalived_become_master_total", "counter", INSTANCE),
        ("keepalived_release_master_total", "counter", INSTANCE),
        ("keepalived_packet_length_errors_total", "counter", INSTANCE),
        (
            "keepalived_advertisements_interval_errors_total",
            "counter",
            INSTANCE,
        ),
        ("keepalived_ip_ttl_errors_total", "counter", INSTANCE),
        (
            "keepalived_invalid_type_received_total",
            "counter",
            INSTANCE,
        ),
        ("keepalived_address_list_errors_total", "counter", INSTANCE),
        (
            "keepalived_authentication_invalid_total",
            "counter",
            INSTANCE,
        ),
        (
            "keepalived_authentication_mismatch_total",
            "counter",
            INSTANCE,
        ),
        (
            "keepalived_authentication_failure_total",
            "counter",
            INSTANCE,
        ),
        (
            "keepalived_priority_zero_received_total",
            "counter",
            INSTANCE,
        ),
        ("keepalived_priority_zero_sent_total", "counter", INSTANCE),
        ("keepalived_script_status", "gauge", NAME),
        ("keepalived_script_state", "gauge", NAME),
    ]
};

#[test]
fn every_name_of_keepalived_exporter_is_there_with_its_labels() {
    let families = parse(&everything());
    for (name, kind, want) in EXPORTER {
        let family = families.get(name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(family.kind, kind, "{name}");
        for (_, labels, _) in &family.samples {
            assert!(labels.keys().eq(want.iter()), "{name}: {labels:?}");
        }
    }
    let ours = families
        .keys()
        .filter(|name| name.starts_with("keepalived_"));
    assert_eq!(ours.count(), EXPORTER.len());
    let states = &families["keepalived_vrrp_state"].samples;
    let got = ["51", "52", "54"].map(|vrid| {
        let mut states = states.iter();
        let found = states.find(|(_, labels, _)| labels["vrid"] == vrid);
        &*found.expect("a state").2
    });
    assert_eq!(got, ["2", "1", "3"], "MASTER, BACKUP, FAULT");
}

#[test]
fn the_histogram_is_consistent() {
    let families = parse(&everything());
    let family = &families["vrrpd_timer_lateness_seconds"];
    assert_eq!(family.kind, "histogram");
    let number = |text: &str| text.parse::<f64>().expect("a number");
    let mut buckets = Vec::new();
    let mut others = BTreeMap::new();
    for (name, labels, value) in &family.samples {
        match labels.get("le") {
            Some(limit) => buckets.push((number(limit), number(value))),
            None => drop(others.insert(&**name, number(value))),
        }
    }
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    let (limit, total) = buckets.last().expect("buckets");
    assert!(limit.is_infinite());
    assert_eq!(others["vrrpd_timer_lateness_seconds_count"], *total);
    assert_eq!(*total, 1586.0);
    assert_eq!(others["vrrpd_timer_lateness_seconds_sum"], 1.500_025);
}

/// The daemon writes a few instances at a time.
#[test]
fn pages_make_the_same_text() {
    let config = load();
    let whole = snapshot(&config);
    let total = whole.instances.len();
    let mut out = Output::default();
    let style = Style::default();
    for section in metrics::VIEW {
        if section.objects != Objects::Instances {
            (section.write)(&whole, &style, &mut out);
            continue;
        }
        for first in (0..=total).step_by(2) {
            let nth = first..total.min(first + 2);
            let page = Snapshot {
                page: Page { first, total },
                instances: nth.map(|nth| instance(&config, nth)).collect(),
                ..empty_snapshot(&config)
            };
            (section.write)(&page, &style, &mut out);
        }
    }
    assert_eq!(out.text, text(&whole));
}

#[test]
fn maintenance_is_shown() {
    let config = load();
    let mut snapshot = snapshot(&config);
    for instance in &mut snapshot.instances {
        instance.maintenance = None;
    }
    snapshot.instances[1].maintenance = Some(Maintenance {
        since: snapshot.clock.now,
        until: None,
        reason: "power",
    });
    let families = parse(&text(&snapshot));
    let values = families["vrrpd_instance_maintenance"].samples.iter();
    let values: Vec<&str> = values.map(|(_, _, value)| &**value).collect();
    assert_eq!(values, ["0", "1", "0", "0"]);
}

#[test]
fn names_are_escaped() {
    let mut config = load();
    let name = "a\"b\\c\nd\x1be\u{2028}é";
    name.clone_into(&mut config.instances[0].name);
    let families = parse(&text(&snapshot(&config)));
    let (_, labels, _) = &families["vrrpd_instance_priority"].samples[0];
    assert_eq!(labels["iname"], "a\"b\\c\nd\\x1be\u{2028}é");
}

#[test]
fn without_a_configuration_only_the_process_has_samples() {
    let config = Config::default();
    let families = parse(&text(&empty_snapshot(&config)));
    assert_eq!(families["vrrpd_up"].samples[0].2, "1");
    for (name, family) in families {
        let expected = family.samples.is_empty() || !name.contains("_instance_");
        assert!(expected, "{name}");
    }
}

// ---- the dashboard in configs/grafana ----

/// All values of this key, at any depth.
fn values<'a>(json: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match json {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|value| values(value, key, found));
        }
        Value::Array(items) => items.iter().for_each(|item| values(item, key, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The metrics of a query, each with the labels that it is selected by.
fn selectors(query: &str) -> Vec<(&str, Vec<&str>)> {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(is_word) {
        rest = &rest[start..];
        let (word, after) = rest.split_at(rest.find(|one| !is_word(one)).unwrap_or(rest.len()));
        rest = after;
        if word.starts_with("vrrpd_") || word.starts_with("keepalived_") {
            let braces = after
                .strip_prefix('{')
                .and_then(|inside| inside.split_once('}'));
            let labels = braces.map_or("", |(labels, _)| labels);
            let labels = labels
                .split(',')
                .filter_map(|label| label.split(['=', '!']).next());
            found.push((word, labels.filter(|name| !name.is_empty()).collect()));
        }
    }
    found
}

#[test]
fn queries_of_the_dashboard_find_metrics() {
    let families = parse(&everything());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/configs/grafana/vrrpd.json");
    let text = std::fs::read_to_string(path).expect("the dashboard");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut queries = Vec::new();
    values(&dashboard, "expr", &mut queries);
    values(&dashboard, "definition", &mut queries);
    let mut used = 0;
    for query in queries {
        let selectors = selectors(query);
        assert!(!selectors.is_empty(), "{query}");
        for (name, labels) in selectors {
            used += 1;
            let family = name.strip_suffix("_bucket").unwrap_or(name);
            let family = families
                .get(family)
                .unwrap_or_else(|| panic!("{name} in {query}"));
            assert!(
                family.samples.iter().any(|(one, ..)| one == name),
                "{query}"
            );
            for label in labels.into_iter().filter(|label| *label != "instance") {
                let mut samples = family.samples.iter();
                assert!(
                    samples.any(|(_, has, _)| has.contains_key(label)),
                    "{label} in {query}"
                );
            }
        }
    }
    assert!(used > 20, "{used}");
    // Each panel has the data source that is selected, and a place of its own.
    let mut sources = Vec::new();
    values(&dashboard, "uid", &mut sources);
    let others = sources
        .iter()
        .filter(|uid| !["${datasource}", "vrrpd"].contains(uid));
    assert_eq!(others.count(), 0);
}

#[test]
fn the_manual_has_every_name() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/man/vrrpd.8.roff");
    let manual = std::fs::read_to_string(path).expect("the manual");
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let words: Vec<&str> = manual.split(|one| !is_word(one)).collect();
    for name in parse(&everything()).keys() {
        assert!(words.contains(&&**name), "{name}");
    }
    let known = parse(&everything());
    let foreign = words
        .iter()
        .filter(|word| word.starts_with("vrrpd_instance_") && !known.contains_key(**word));
    assert_eq!(foreign.collect::<Vec<_>>(), [&""; 0]);
}
