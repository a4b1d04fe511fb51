//! Families of keepalived-exporter that are no plain counters: labels and values as it takes them
//! from keepalived's dumps.

use super::writer::Lines;
use crate::config::model::Address;
use crate::ctl::lines::InterfaceAddress;
use crate::ctl::{Instance, ManagedItem, ScriptState, Snapshot};
use crate::types::IfName;

/// A sample of each address. Without an address the instance has one all the same.
pub(super) fn state(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    each_address(instance, &instance.vips, lines);
    if instance.vips.is_empty() {
        let number = instance.shown_state().number();
        lines.of(instance, &[("ip_address", &"")], &number);
    }
}

pub(super) fn excluded_state(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    each_address(instance, &instance.excluded, lines);
}

/// `intf` is the interface of the address.
fn each_address(
    instance: &Instance<'_>,
    addresses: &[ManagedItem<'_, Address>],
    lines: &mut Lines<'_>,
) {
    let conf = instance.conf;
    for address in addresses {
        let dev: &IfName = &address.item.dev;
        lines.sample(
            &[
                ("iname", &conf.name),
                ("intf", dev),
                ("vrid", &conf.vrid),
                ("ip_address", &InterfaceAddress(&address.item.cidr)),
            ],
            &instance.shown_state().number(),
        );
    }
}

pub(super) fn garp_delay(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &instance.conf.garp.delay.as_secs());
}

pub(super) fn script_status(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for script in &snapshot.scripts {
        if let Some(up) = script.up {
            lines.sample(&[("name", &script.conf.name)], &u8::from(up));
        }
    }
}

pub(super) fn script_state(snapshot: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for script in &snapshot.scripts {
        let number = match script.state {
            ScriptState::Idle => 0,
            ScriptState::Running => 1,
            ScriptState::Terminating => 2,
        };
        lines.sample(&[("name", &script.conf.name)], &number);
    }
}
