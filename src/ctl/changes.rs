//! Differences between two configurations, for `vrrpd diff`.

use core::fmt::{Display, Write};

use super::{Escaped, Output};
use crate::config::model::{Address, RunningInstance, Settings, Transport, VrrpInstance};

/// Addresses listed of each block at most.
const LISTED: usize = 4;

/// Counts of objects by what a reload does with them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Objects that stay as they are.
    pub kept: u32,
    /// Objects that change while they run.
    pub changed: u32,
    /// Objects that end and start again.
    pub restarted: u32,
    /// Objects that end.
    pub removed: u32,
    /// Objects that start.
    pub added: u32,
}

/// The addresses that an instance has, and which of its other lists differ: a [`RunningInstance`] has
/// no lists, and tracked objects are numbers in other lists.
#[derive(Clone, Copy, Debug)]
pub struct ChangedLists<'a> {
    /// The addresses, those that are advertised first.
    pub addresses: &'a [Address],
    /// The tracked objects.
    pub tracks: bool,
    /// `virtual_routes`.
    pub routes: bool,
    /// `virtual_rules`.
    pub rules: bool,
}

impl Changes {
    /// Writes the line of an instance that is kept or changed.
    pub fn continued(
        &mut self,
        out: &mut Output,
        old: &RunningInstance,
        new: &VrrpInstance,
        lists: &ChangedLists<'_>,
    ) {
        let what = instance(old, new, lists);
        self.outcome(out, &format_args!("{}", Escaped(&new.name)), &what);
    }

    /// Writes the line of an instance that ends, starts, or does both for the reason `what`.
    pub fn replaced(&mut self, out: &mut Output, name: &str, what: &str) {
        self.restarted = self.restarted.saturating_add(1);
        line(
            out,
            &Escaped(name),
            &format_args!("starts again because its {what} changes"),
        );
    }

    /// Writes the line of an object that ends.
    pub fn removed(&mut self, out: &mut Output, name: &dyn Display) {
        self.removed = self.removed.saturating_add(1);
        line(out, name, &"is removed");
    }

    /// Writes the line of an object that starts.
    pub fn added(&mut self, out: &mut Output, name: &dyn Display) {
        self.added = self.added.saturating_add(1);
        line(out, name, &"is added");
    }

    /// Writes the line of an object that continues, with what changes; nothing: it is kept.
    pub fn outcome(&mut self, out: &mut Output, name: &dyn Display, what: &str) {
        if what.is_empty() {
            self.kept = self.kept.saturating_add(1);
            line(out, name, &"is kept");
        } else {
            self.changed = self.changed.saturating_add(1);
            line(out, name, &format_args!("changes: {what}"));
        }
    }

    /// Compares objects by name. `same`: whether an old one and a new one, by number, are equal.
    pub fn objects(
        &mut self,
        out: &mut Output,
        kind: &str,
        names: Both<'_>,
        same: &dyn Fn(usize, usize) -> bool,
    ) {
        for (nth, name) in names.old.iter().enumerate() {
            let name = Escaped(name);
            let title = format_args!("{kind} {name}");
            match names.new.iter().position(|new| *new == name.0) {
                None => self.removed(out, &title),
                Some(new) => {
                    let what = if same(nth, new) { "" } else { "its settings" };
                    self.outcome(out, &title, what);
                }
            }
        }
        for name in names.new.iter().filter(|name| !names.old.contains(*name)) {
            self.added(out, &format_args!("{kind} {}", Escaped(name)));
        }
    }

    /// Writes the line of settings that have no name.
    pub fn settings(&mut self, out: &mut Output, name: &str, is_same: bool) {
        if !is_same {
            self.changed = self.changed.saturating_add(1);
            line(out, &name, &"change");
        }
    }

    /// Writes the last line.
    pub fn summary(&self, out: &mut Output) {
        let Changes {
            kept,
            changed,
            restarted,
            removed,
            added,
        } = self;
        // Writing to memory cannot fail.
        let _ = writeln!(
            out.text,
            "{kept} kept, {changed} changed, {restarted} restarted, {removed} removed, {added} added"
        );
    }
}

/// The names of objects in both configurations.
#[derive(Clone, Copy, Debug)]
pub struct Both<'a> {
    /// In the one that runs.
    pub old: &'a [&'a str],
    /// In the one that is compared with it.
    pub new: &'a [&'a str],
}

impl<'a> Both<'a> {
    /// The names in the configuration that runs, and in the one that is compared with it.
    #[must_use]
    pub fn new(old: &'a [&'a str], new: &'a [&'a str]) -> Self {
        Both { old, new }
    }
}

#[inline(never)]
fn line(out: &mut Output, name: &dyn Display, what: &dyn Display) {
    let _ = writeln!(out.text, "{name} {what}");
}

/// The changed settings of an instance, by keyword; empty if there are none.
fn instance(old: &RunningInstance, new: &VrrpInstance, lists: &ChangedLists<'_>) -> String {
    let mut what = String::new();
    let values: [(&str, &dyn Display, &dyn Display); 5] = [
        ("name", &Escaped(&old.name), &Escaped(&new.name)),
        ("priority", &old.priority, &new.priority),
        ("advert_int", &old.advert_int, &new.advert_int),
        ("version", &old.version, &new.version),
        (
            "down_timer_adverts",
            &old.down_timer_adverts,
            &new.down_timer_adverts,
        ),
    ];
    for (keyword, before, after) in values {
        let (before, after) = (before.to_string(), after.to_string());
        if before != after {
            push(&mut what, &format_args!("{keyword} {before} → {after}"));
        }
    }
    for ((keyword, before), (_, after)) in switches(old).into_iter().zip(switches(new)) {
        if before != after {
            let state = if after { "on" } else { "off" };
            push(&mut what, &format_args!("{keyword} {state}"));
        }
    }
    let others = [
        (
            "timer_expired_backup",
            old.timer_expired_backup == new.timer_expired_backup,
        ),
        ("preempt_delay", old.preempt_delay == new.preempt_delay),
        ("authentication", old.auth == new.auth),
        ("source address", old.src_ip == new.src_ip),
        (transport(&new.transport), old.transport == new.transport),
        ("gratuitous ARP", old.garp == new.garp),
        ("virtual_routes", !lists.routes),
        ("virtual_rules", !lists.rules),
        ("vip_lease", old.vip_lease == new.vip_lease),
        ("tracked objects", !lists.tracks),
        ("notifications", old.notify == new.notify),
    ];
    for (name, is_same) in others {
        if !is_same {
            push(&mut what, &name);
        }
    }
    let before = lists.addresses;
    let (vips, excluded) = before.split_at(old.vip_count().min(before.len()));
    addresses(&mut what, "virtual_ipaddress", vips, &new.vips);
    addresses(
        &mut what,
        "virtual_ipaddress_excluded",
        excluded,
        &new.excluded_vips,
    );
    what
}

fn transport(transport: &Transport) -> &'static str {
    match transport {
        Transport::Multicast { .. } => "multicast group",
        Transport::Unicast { .. } => "unicast_peer",
    }
}

/// The settings that are on or off.
fn switches(conf: &Settings) -> [(&'static str, bool); 14] {
    [
        ("nopreempt", conf.nopreempt),
        ("accept", conf.accept),
        ("strict_mode", conf.strict),
        ("state MASTER", conf.initial_master),
        ("track_src_ip", conf.track_src_ip),
        ("skip_check_adv_addr", conf.skip_check_adv_addr),
        ("v3_checksum_as_v2", conf.v3_checksum_as_v2),
        ("old_unicast_checksum", conf.old_unicast_checksum),
        ("lower_prio_no_advert", conf.lower_prio_no_advert),
        ("higher_prio_send_advert", conf.higher_prio_send_advert),
        ("owner_ignore_adverts", conf.owner_ignore_adverts),
        ("tracking of its own interface", conf.track_primary),
        ("promote_secondaries", conf.promote_secondaries),
        ("unicast_fault_no_peer", conf.unicast_fault_no_peer),
    ]
}

#[inline(never)]
fn push(what: &mut String, change: &dyn Display) {
    let comma = if what.is_empty() { "" } else { ", " };
    let _ = write!(what, "{comma}{change}");
}

/// `virtual_ipaddress +192.0.2.9/24 -192.0.2.8/24`.
fn addresses(what: &mut String, keyword: &str, old: &[Address], new: &[Address]) {
    let mut list = String::new();
    let mut count = 0_usize;
    for (sign, one, other) in [('+', new, old), ('-', old, new)] {
        for address in one.iter().filter(|address| !other.contains(address)) {
            count = count.saturating_add(1);
            if count <= LISTED {
                let _ = write!(list, " {sign}{}", address.cidr);
            }
        }
    }
    if count > LISTED {
        let _ = write!(list, " and {} more", count.saturating_sub(LISTED));
    }
    if count > 0 {
        push(what, &format_args!("{keyword}{list}"));
    }
}
