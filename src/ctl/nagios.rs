//! `vrrpd status --check`, a plugin for Nagios: one line with performance data, and the exit code.

use core::fmt::Write;

use super::problems::{self, Severity};
use super::status::{STATES, wanted};
use super::{Objects, Output, Section, Snapshot, Style, View};
use crate::types::VrrpState;

/// `status --check`. What is said about problems waits in [`Output::held`] until all are counted.
pub static VIEW: View = &[
    Section {
        objects: Objects::Instances,
        write: |snapshot, style, out| {
            for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
                let state = usize::from(one.state.number());
                if let Some(count) = out.sums.states.get_mut(state) {
                    *count = count.saturating_add(1);
                }
                problems::of_instance(one, &snapshot.clock, &mut |severity, text| {
                    hold(out, severity, &one.conf.name, text);
                });
            }
        },
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: |snapshot, style, out| {
            for one in wanted(&snapshot.services, style, |one| &one.conf.name) {
                let count = match one.quorum {
                    true => &mut out.sums.services_up,
                    false => &mut out.sums.services_down,
                };
                *count = count.saturating_add(1);
                problems::of_service(one, &snapshot.clock, &mut |severity, text| {
                    hold(out, severity, &one.conf.name, text);
                });
            }
        },
    },
    Section {
        objects: Objects::None,
        write: conclude,
    },
];

/// Problems named in the line for Nagios.
const HELD_PROBLEMS: u32 = 5;

/// Keeps a problem for the line that is written at the end.
fn hold(out: &mut Output, severity: Severity, name: &str, text: &str) {
    out.code = out.code.max(severity as u8);
    out.sums.problems = out.sums.problems.saturating_add(1);
    if out.sums.problems > HELD_PROBLEMS {
        return;
    }
    let (gap, colon) = (
        if out.held.is_empty() { "" } else { "; " },
        if name.is_empty() { "" } else { ": " },
    );
    // What follows `|` is performance data.
    let text = format!("{gap}{name}{colon}{text}").replace(['|', '\n'], "/");
    out.held.push_str(&text);
}

fn conclude(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if style.names.is_empty() {
        problems::of_all(snapshot, &mut |severity, text| {
            hold(out, severity, "", text);
        });
    }
    for group in wanted(&snapshot.groups, style, |one| &one.conf.name) {
        if group.state == VrrpState::Fault && !style.names.is_empty() {
            hold(out, Severity::Critical, &group.conf.name, "FAULT");
        }
    }
    let word = ["OK", "WARNING", "CRITICAL"];
    let word = word.get(usize::from(out.code)).unwrap_or(&"UNKNOWN");
    let counts = STATES.map(|state| {
        let count = out.sums.states.get(usize::from(state.number()));
        (count.copied().unwrap_or_default(), state)
    });
    let _ = write!(out.text, "VRRP {word} -");
    let mut comma = " ";
    for (count, state) in counts.iter().filter(|(count, _)| *count > 0) {
        let _ = write!(out.text, "{comma}{count} {state}");
        comma = ", ";
    }
    let (up, down) = (out.sums.services_up, out.sums.services_down);
    if up > 0 || down > 0 {
        let _ = write!(out.text, "{comma}virtual servers: {up} up, {down} down");
        comma = ", ";
    }
    if comma == " " {
        out.text.push_str(" nothing to check");
    }
    if !out.held.is_empty() {
        let more = out.sums.problems.saturating_sub(HELD_PROBLEMS);
        let _ = write!(out.text, ": {}", out.held);
        if more > 0 {
            let _ = write!(out.text, "; and {more} more");
        }
    }
    let [(master, _), (backup, _), (fault, _), (init, _)] = counts;
    let problems = out.sums.problems;
    let _ = write!(
        out.text,
        " | master={master} backup={backup} fault={fault} init={init} problems={problems}"
    );
    if up > 0 || down > 0 {
        let _ = write!(out.text, " vs_up={up} vs_down={down}");
    }
    out.text.push('\n');
}
