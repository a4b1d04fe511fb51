//! `status -q NAME`: one word for each object.

use core::fmt::{Display, Write};

use super::{Objects, Output, Section, Snapshot, Style, View};

/// States of instances, groups and virtual servers, one line each.
pub static WORD: View = &[
    Section {
        objects: Objects::Instances,
        write: |snapshot, style, out| {
            for one in &snapshot.instances {
                word(style, out, &one.conf.name, &one.state);
            }
        },
    },
    Section {
        objects: Objects::None,
        write: groups,
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: |snapshot, style, out| {
            for one in &snapshot.services {
                let state = if one.quorum { "UP" } else { "DOWN" };
                word(style, out, &one.conf.name, &state);
            }
        },
    },
];

fn groups(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for group in &snapshot.groups {
        word(style, out, &group.conf.name, &group.state);
    }
}

#[inline(never)]
fn word(style: &Style, out: &mut Output, name: &str, state: &dyn Display) {
    if style.wants(name) {
        let _ = writeln!(out.text, "{state}");
    }
}
