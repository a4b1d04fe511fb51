//! `status` and `explain` over snapshots with a made-up state, against `tests/golden/status` and
//! `tests/golden/explain`. `UPDATE_GOLDEN=1` rewrites them; review the diff.
//!
//! The configuration is loaded as by the daemon. That the engine reports its real state is tested in
//! `tests/engine/outlook.rs` and on a live kernel.
#![cfg(feature = "json")]

#[path = "../support/golden.rs"]
mod golden;
#[path = "../support/host.rs"]
mod host;

mod explain;
mod fixtures;
mod schema;

use std::fmt::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use vrrpd::config;
use vrrpd::config::model::{Config, RunningInstance, Tracked, VrrpInstance};
use vrrpd::ctl::{
    self, Clock, Daemon, File, Finding, Group, InstallStatus, Instance, Maintenance, ManagedItem,
    Member, Missing, Objects, Output, Page, PriorityPart, Process, RefusedReload, Script,
    ScriptState, Sender, Snapshot, Style, Totals, Transition, View,
};
use vrrpd::types::{
    BackupOutlook, Centis, DaemonCounters, Family, Heard, Instant, MasterInfo, MasterOutlook,
    Outlook, Priority, TimerKind, VrrpCounters, VrrpState,
};

use fixtures::*;
use host::FakeHost;

/// The text and exit code of a whole reply.
fn whole(view: View, snapshot: &Snapshot<'_>, style: &Style) -> Output {
    ctl::render(view, snapshot, style)
}

/// The same if each page has one object.
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
