//! `vrrpd status`: problems, then tables of instances, groups, tracked objects and virtual servers.

use core::fmt::Write;

use super::problems::{self, Severity, required};
use super::text::{Cell, Count, Paint, Span, heading, name_column, paint, paragraph, row, width};
use super::tracked::TrackerKind;
use super::{
    InstallStatus, Instance, Objects, Output, PriorityPart, Section, Snapshot, Style, View,
};
#[cfg(feature = "lvs")]
use crate::config::model::lvs;
use crate::types::VrrpState;
#[cfg(feature = "lvs")]
use crate::types::ipvs::ServerName;

/// `status`.
pub static VIEW: View = &[
    Section {
        objects: Objects::None,
        write: head,
    },
    Section {
        objects: Objects::Instances,
        write: instance_problems,
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: service_problems,
    },
    Section {
        objects: Objects::None,
        write: other_problems,
    },
    Section {
        objects: Objects::Instances,
        write: instances,
    },
    Section {
        objects: Objects::None,
        write: groups,
    },
    Section {
        objects: Objects::Instances,
        write: tracked,
    },
    Section {
        objects: Objects::None,
        write: objects,
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: services,
    },
];

/// The objects with the wanted names.
pub(super) fn wanted<'a, T>(
    all: &'a [T],
    style: &'a Style,
    name: impl Fn(&T) -> &str + 'a,
) -> impl Iterator<Item = &'a T> {
    all.iter().filter(move |one| style.wants(name(one)))
}

// ---- the heading ----

/// The numbers of [`VrrpState`], those of interest first.
pub(super) const STATES: [VrrpState; 4] = [
    VrrpState::Master,
    VrrpState::Backup,
    VrrpState::Fault,
    VrrpState::Init,
];

pub(super) fn paint_of(state: VrrpState) -> Paint {
    match state {
        VrrpState::Master => Paint::Good,
        VrrpState::Fault => Paint::Bad,
        VrrpState::Init => Paint::Warning,
        VrrpState::Backup => Paint::Plain,
    }
}

fn head(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    let (daemon, clock) = (snapshot.daemon, &snapshot.clock);
    let up = Span(clock.now.since(snapshot.counters.started));
    let mut text = format!(
        "vrrpd {}, up {up}, pid {}, {}: ",
        env!("CARGO_PKG_VERSION"),
        daemon.pid,
        daemon.config
    );
    let mut comma = "";
    for state in STATES {
        let count = snapshot.totals.states.get(usize::from(state.number()));
        if let Some(count) = count.filter(|count| **count > 0) {
            let _ = write!(text, "{comma}{count} {state}");
            comma = ", ";
        }
    }
    if snapshot.totals.services > 0 {
        let _ = write!(
            text,
            "{comma}{}",
            Count(snapshot.totals.services, "virtual server")
        );
        comma = ", ";
    }
    if comma.is_empty() {
        text.push_str("nothing is configured");
    }
    paragraph(&mut out.text, style, "", &text);
}

// ---- problems ----

/// Problems shown in full.
const SHOWN_PROBLEMS: u32 = 20;

/// A problem as a paragraph, the first one under a heading.
fn show(out: &mut Output, style: &Style, severity: Severity, name: &str, text: &str) {
    if out.sums.problems == 0 {
        heading(&mut out.text, style, &[Cell::new("Problems", 0)]);
    }
    out.sums.problems = out.sums.problems.saturating_add(1);
    if out.sums.problems > SHOWN_PROBLEMS {
        return;
    }
    let color = match severity {
        Severity::Warning => Paint::Warning,
        Severity::Critical => Paint::Bad,
    };
    let mut lines = String::new();
    let colon = if name.is_empty() { "" } else { ": " };
    paragraph(&mut lines, style, "! ", &format!("{name}{colon}{text}"));
    let rest = lines.strip_prefix('!').unwrap_or_default();
    paint(&mut out.text, style, color, "!");
    out.text.push_str(rest);
}

fn instance_problems(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
        problems::of_instance(one, &snapshot.clock, &mut |severity, text| {
            show(out, style, severity, &one.conf.name, text);
        });
    }
}

#[cfg(feature = "lvs")]
fn service_problems(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for one in wanted(&snapshot.services, style, |one| &one.conf.name) {
        problems::of_service(one, &snapshot.clock, &mut |severity, text| {
            show(out, style, severity, &one.conf.name, text);
        });
    }
}

fn other_problems(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if style.names.is_empty() {
        problems::of_all(snapshot, &mut |severity, text| {
            show(out, style, severity, "", text);
        });
    }
    let more = out.sums.problems.saturating_sub(SHOWN_PROBLEMS);
    if more > 0 {
        let _ = writeln!(out.text, "! and {more} more; name instances to see theirs");
    }
}

// ---- instances ----

/// A column of the table of instances.
struct Column {
    heading: &'static str,
    /// 0: as wide as the longest name of an instance or an interface.
    width: usize,
    text: fn(&Instance<'_>, &Snapshot<'_>) -> String,
}

/// Columns in their order; on a narrow terminal the last ones are left out.
static COLUMNS: [Column; 7] = [
    Column {
        heading: "Instance",
        width: 0,
        text: |one, _| one.conf.name.clone(),
    },
    Column {
        heading: "State",
        width: 6,
        text: |one, _| one.state.to_string(),
    },
    Column {
        heading: "Since",
        width: 10,
        text: |one, snapshot| {
            one.last_transition.map_or(String::new(), |last| {
                Span(snapshot.clock.now.since(last.at)).to_string()
            })
        },
    },
    Column {
        heading: "Prio",
        width: 7,
        text: |one, _| match (one.priority, one.conf.priority) {
            (now, base) if now == base => now.to_string(),
            (now, base) => format!("{now}/{base}"),
        },
    },
    Column {
        heading: "Master",
        width: 19,
        text: |one, _| match (one.state, one.master) {
            (VrrpState::Master, _) => "this router".to_owned(),
            (_, Some(master)) => format!("{} {}", master.addr, master.priority),
            (_, None) => "-".to_owned(),
        },
    },
    Column {
        heading: "Interface",
        width: 0,
        text: |one, _| match one.conf.vmac() {
            Some(vmac) => vmac.name.to_string(),
            None => one.conf.interface.or_any().to_owned(),
        },
    },
    Column {
        heading: "VRID",
        width: 4,
        text: |one, _| one.conf.vrid.to_string(),
    },
];

/// The least that addresses need.
const ADDRESSES: usize = 8;
/// A link-local address with a MAC address in it, and a priority.
const LONG_MASTER: usize = 29;

/// The widths of the columns that fit.
fn layout(snapshot: &Snapshot<'_>, style: &Style) -> Vec<usize> {
    let totals = &snapshot.totals;
    let limit = width(style);
    let mut used = 0_usize;
    let mut widths = Vec::with_capacity(COLUMNS.len());
    for (nth, column) in COLUMNS.iter().enumerate() {
        let width = match nth {
            0 => name_column(style, totals.name),
            4 if totals.ipv6 => LONG_MASTER,
            5 => totals.interface,
            _ => column.width,
        };
        let width = width.max(column.heading.len());
        used = used.saturating_add(width).saturating_add(2);
        if used > limit.saturating_add(2) {
            break;
        }
        widths.push(width);
    }
    let left = limit.saturating_sub(used);
    if widths.len() == COLUMNS.len() && left >= ADDRESSES {
        widths.push(left);
    }
    widths
}

fn instances(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if snapshot.page.first == 0 {
        out.sums.written = 0;
    }
    let widths = layout(snapshot, style);
    for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
        if out.sums.written == 0 {
            let headings = COLUMNS.iter().map(|column| column.heading);
            let headings = headings.chain(["Addresses"]).zip(&widths);
            let cells: Vec<_> = headings
                .map(|(text, width)| Cell::new(text, *width))
                .collect();
            heading(&mut out.text, style, &cells);
        }
        out.sums.written = out.sums.written.saturating_add(1);
        let texts = COLUMNS.iter().map(|column| (column.text)(one, snapshot));
        let rest = widths.get(COLUMNS.len()).copied().unwrap_or_default();
        let texts: Vec<String> = texts.chain([addresses(one, rest)]).collect();
        let cells = texts.iter().zip(&widths).enumerate();
        let cells: Vec<_> = cells
            .map(|(nth, (text, width))| Cell {
                paint: if nth == 1 {
                    paint_of(one.state)
                } else {
                    Paint::Plain
                },
                ..Cell::new(text, *width)
            })
            .collect();
        row(&mut out.text, style, &cells);
    }
}

/// The addresses that fit, and the number of the others. A master that lacks some has that first.
fn addresses(one: &Instance<'_>, room: usize) -> String {
    let all = || one.vips.iter().chain(&one.excluded);
    let (total, set) = (
        all().count(),
        all()
            .filter(|item| item.status == InstallStatus::Installed)
            .count(),
    );
    let mut text = String::new();
    if one.state == VrrpState::Master && set < total {
        text = format!("{set} of {total} set");
    }
    for (nth, item) in all().enumerate() {
        let gap = if text.is_empty() { "" } else { " " };
        let next = format!("{gap}{}", item.item.cidr.addr);
        let more = total.saturating_sub(nth).saturating_sub(1);
        let reserve = if more == 0 { 0 } else { " +999".len() };
        if text
            .len()
            .saturating_add(next.len())
            .saturating_add(reserve)
            > room
        {
            let rest = total.saturating_sub(nth);
            let text_of_rest = match (nth, text.is_empty()) {
                (0, true) => rest.to_string(),
                (0, false) => String::new(),
                _ => format!(" +{rest}"),
            };
            text.push_str(&text_of_rest);
            break;
        }
        text.push_str(&next);
    }
    text
}

// ---- groups and tracked objects ----

fn groups(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    let longest = snapshot
        .groups
        .iter()
        .map(|one| one.conf.name.chars().count());
    let column = name_column(style, longest.max().unwrap_or_default());
    let mut first = true;
    for group in wanted(&snapshot.groups, style, |one| &one.conf.name) {
        if core::mem::take(&mut first) {
            let cells = ["Sync group", "State", "Members"].map(|text| Cell::new(text, column));
            let [name, state, members] = cells;
            let state = Cell { width: 6, ..state };
            heading(&mut out.text, style, &[name, state, members]);
        }
        let mut members = String::new();
        for member in &group.members {
            let comma = if members.is_empty() { "" } else { ", " };
            let _ = write!(members, "{comma}{}", member.name);
            if member.state != group.state {
                let _ = write!(members, " ({})", member.state);
            }
        }
        let state = group.state.to_string();
        let state = Cell {
            paint: paint_of(group.state),
            ..Cell::new(&state, 6)
        };
        let cells = [
            Cell::new(&group.conf.name, column),
            state,
            Cell::new(&members, 0),
        ];
        row(&mut out.text, style, &cells);
    }
}

/// `script chk`, `interface eth1`.
pub(super) fn object(part: &PriorityPart<'_>) -> String {
    let kind = match part.kind() {
        TrackerKind::Interface => "interface",
        TrackerKind::Script => "script",
        TrackerKind::File => "file",
        TrackerKind::Process => "process",
    };
    format!("{kind} {}", part.name)
}

pub(super) fn state_of(up: Option<bool>) -> (&'static str, Paint) {
    match up {
        Some(true) => ("up", Paint::Good),
        Some(false) => ("down", Paint::Bad),
        None => ("unknown", Paint::Warning),
    }
}

fn tracked(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if snapshot.page.first == 0 {
        out.sums.written = 0;
    }
    let column = name_column(style, snapshot.totals.name);
    for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
        for part in &one.priority_parts {
            if out.sums.written == 0 {
                let names = [
                    ("Tracked by", column),
                    ("Object", 24),
                    ("State", 7),
                    ("Effect", 0),
                ];
                heading(
                    &mut out.text,
                    style,
                    &names.map(|(text, width)| Cell::new(text, width)),
                );
            }
            out.sums.written = out.sums.written.saturating_add(1);
            let (state, color) = part_state(part);
            let object = object(part);
            let effect = effect(part);
            let cells = [
                Cell::new(&one.conf.name, column),
                Cell::new(&object, 24),
                Cell {
                    paint: color,
                    ..Cell::new(state, 7)
                },
                Cell::new(&effect, 0),
            ];
            row(&mut out.text, style, &cells);
        }
    }
}

/// The effect of a tracked object on the priority, now and in its other state.
pub(super) fn effect(part: &PriorityPart<'_>) -> String {
    let (weight, adds) = (part.track.weight, part.adds);
    let state = |up: bool| {
        if up == part.track.reverse {
            "down"
        } else {
            "up"
        }
    };
    let is_file = part.kind() == TrackerKind::File;
    match (is_file, weight) {
        (true, 0) => "FAULT while not 0".to_owned(),
        (true, _) => format!("{adds:+} ({weight} x its number)"),
        (_, 0) => format!("FAULT while {}", state(false)),
        (_, _) if adds == 0 => format!("none ({weight:+} while {})", state(weight > 0)),
        (_, _) => format!("{adds:+} (while {})", state(weight > 0)),
    }
}

/// The state of a tracked object in a word.
pub(super) fn part_state(part: &PriorityPart<'_>) -> (&'static str, Paint) {
    match (part.kind(), part.up) {
        (TrackerKind::File, Some(true)) => ("read", Paint::Plain),
        (TrackerKind::File, Some(false)) => ("bad", Paint::Bad),
        (_, up) => state_of(up),
    }
}

/// Scripts, files and processes.
fn objects(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    let mut first = true;
    let mut line = |name: &str, state: &str, color: Paint, detail: &str| {
        if core::mem::take(&mut first) {
            let names = [("Object", 24), ("State", 7), ("Last result", 0)];
            heading(
                &mut out.text,
                style,
                &names.map(|(text, width)| Cell::new(text, width)),
            );
        }
        let state = Cell {
            paint: color,
            ..Cell::new(state, 7)
        };
        let cells = [Cell::new(name, 24), state, Cell::new(detail, 0)];
        row(&mut out.text, style, &cells);
    };
    for one in wanted(&snapshot.scripts, style, |one| &one.conf.name) {
        let (state, color) = state_of(one.up);
        let name = format!("script {}", one.conf.name);
        line(&name, state, color, &one.last);
    }
    for one in wanted(&snapshot.files, style, |one| &one.conf.name) {
        let name = format!("file {}", one.conf.name);
        let value = one
            .value
            .map_or("unknown".to_owned(), |value| value.to_string());
        line(&name, &value, Paint::Plain, &one.conf.path);
    }
    for one in wanted(&snapshot.processes, style, |one| &one.conf.name) {
        let (state, color) = state_of(one.up);
        let name = format!("process {}", one.conf.name);
        let count = one.count;
        let detail = required(one.conf.quorum, one.conf.quorum_max);
        line(&name, state, color, &format!("{count} running, {detail}"));
    }
}

// ---- virtual servers ----

#[cfg(feature = "lvs")]
fn services(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if snapshot.page.first == 0 {
        out.sums.written = 0;
    }
    let columns = [("Virtual server", 30), ("State", 5), ("Weight", 6), ("", 0)];
    for one in wanted(&snapshot.services, style, |one| &one.conf.name) {
        if out.sums.written == 0 {
            heading(
                &mut out.text,
                style,
                &columns.map(|(text, width)| Cell::new(text, width)),
            );
        }
        out.sums.written = out.sums.written.saturating_add(1);
        let up = one.servers.iter().filter(|server| server.up).count();
        let mut detail = format!(
            "quorum {}, {up} of {} up",
            one.conf.quorum,
            one.servers.len()
        );
        for (text, holds) in [
            (", sorry server answers", one.sorry),
            (", checks suspended", one.suspended),
        ] {
            if holds {
                detail.push_str(text);
            }
        }
        service_row(out, style, &one.conf.name, one.quorum, one.weight, &detail);
        for server in &one.servers {
            let name = format!("  {}", server_name(one.conf, server.conf));
            let detail = checks(server);
            service_row(out, style, &name, server.up, server.weight.into(), &detail);
        }
    }
}

#[cfg(feature = "lvs")]
fn service_row(out: &mut Output, style: &Style, name: &str, up: bool, weight: u64, detail: &str) {
    let (state, color) = match up {
        true => ("UP", Paint::Good),
        false => ("DOWN", Paint::Bad),
    };
    let weight = weight.to_string();
    let cells = [
        Cell::new(name, 30),
        Cell {
            paint: color,
            ..Cell::new(state, 5)
        },
        Cell::new(&weight, 6),
        Cell::new(detail, 0),
    ];
    row(&mut out.text, style, &cells);
}

/// A real server's name.
#[cfg(feature = "lvs")]
pub(super) fn server_name(service: &lvs::VirtualServer, server: &lvs::RealServer) -> ServerName {
    ServerName {
        addr: server.addr,
        protocol: service.protocol,
        port: server.port,
    }
}

/// Connections, and the checks that fail; else how many succeed.
#[cfg(feature = "lvs")]
pub(super) fn checks(server: &super::Server<'_>) -> String {
    let mut text = String::new();
    let connections = server.traffic.and_then(|traffic| traffic.connections);
    if let Some(connections) = connections {
        let _ = write!(text, "{} active, ", connections.active);
    }
    let mut failed = server.checks.iter().filter(|check| !check.up).peekable();
    if failed.peek().is_none() {
        let _ = match server.checks.len() {
            0 => write!(text, "no checks"),
            count => write!(text, "{} ok", Count(count, "check")),
        };
    }
    for (nth, check) in failed.enumerate() {
        let comma = if nth == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{check}");
    }
    text
}
