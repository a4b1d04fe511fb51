//! Families about the process, and about what belongs to no instance.

use super::instances::STATES;
use super::writer::{Installed, Lines};
use crate::ctl::Snapshot;
use crate::ctl::clock::Short;
use crate::types::{KernelCounters, Lateness};

pub(super) fn up(_: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.value(&1);
}

pub(super) fn build(_: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.sample(&[("version", &env!("CARGO_PKG_VERSION"))], &1);
}

pub(super) fn start_time(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.value(&snapshot.clock.at(snapshot.counters.started).epoch());
}

// ---- configuration ----

pub(super) fn config_errors(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.value(&snapshot.counters.config.errors);
}

pub(super) fn reload_successful(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.value(&u8::from(!snapshot.counters.config.last_refused));
}

pub(super) fn config_time(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let applied_at = snapshot.counters.config.applied_at;
    lines.value(&snapshot.clock.at(applied_at).epoch());
}

pub(super) fn refused_reloads(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.value(&snapshot.counters.config.refused_reloads);
}

// ---- the loop ----

pub(super) fn lateness(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let Lateness { counts, sum } = &snapshot.counters.lateness;
    let mut total = 0_u64;
    let mut limits = Lateness::LIMITS.into_iter();
    for count in counts {
        total = total.saturating_add(*count);
        match limits.next() {
            Some(limit) => lines.part("_bucket", &[("le", &Short(limit))], &total),
            None => lines.part("_bucket", &[("le", &"+Inf")], &total),
        }
    }
    lines.part("_sum", &[], &Short(*sum));
    lines.part("_count", &[], &total);
}

// ---- the kernel ----

pub(super) fn repairs(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    each_kind(snapshot, lines, |counters| counters.repaired);
}

pub(super) fn refusals(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    each_kind(snapshot, lines, |counters| counters.refused);
}

fn each_kind(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>, pick: fn(&KernelCounters) -> u64) {
    let counters = snapshot.counters;
    for (object, counters) in [
        ("address", &counters.addresses),
        ("route", &counters.routes),
        ("interface", &counters.interfaces),
    ] {
        lines.sample(&[("object", &object)], &pick(counters));
    }
}

pub(super) fn static_objects(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let none = Installed::default();
    for (object, installed) in [
        ("address", none.count(&snapshot.addresses)),
        ("route", none.count(&snapshot.routes)),
        ("rule", none.count(&snapshot.rules)),
    ] {
        installed.each(|status, count| {
            lines.sample(&[("object", &object), ("status", status)], &count);
        });
    }
}

// ---- groups and tracked objects ----

pub(super) fn sync_groups(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for group in &snapshot.groups {
        lines.one_of(&STATES, group.state, |lines, state, current| {
            lines.sample(&[("group", &group.conf.name), ("state", state)], &current);
        });
    }
}

pub(super) fn files(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for file in &snapshot.files {
        if let Some(value) = file.value {
            lines.sample(&[("name", &file.conf.name)], &value);
        }
    }
}

pub(super) fn processes_up(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for process in &snapshot.processes {
        if let Some(up) = process.up {
            lines.sample(&[("name", &process.conf.name)], &u8::from(up));
        }
    }
}

pub(super) fn processes(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for process in &snapshot.processes {
        lines.sample(&[("name", &process.conf.name)], &process.count);
    }
}
