//! Families about instances.

use super::writer::{Installed, Lines};
use crate::ctl::clock::Short;
use crate::ctl::instance::number;
use crate::ctl::{Instance, Snapshot};
use crate::types::VrrpState;

/// All states.
pub(super) const STATES: [VrrpState; 4] = [
    VrrpState::Init,
    VrrpState::Backup,
    VrrpState::Master,
    VrrpState::Fault,
];

pub(super) fn info(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let conf = instance.conf;
    let labels = [
        ("version", &number(conf.version) as _),
        ("family", &conf.family as _),
    ];
    lines.of(instance, &labels, &1);
}

pub(super) fn state(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.one_of(&STATES, instance.state, |lines, state, current| {
        lines.of(instance, &[("state", state)], &current);
    });
}

// ---- priority ----

pub(super) fn priority(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &instance.priority);
}

pub(super) fn base_priority(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &instance.conf.priority);
}

pub(super) fn tracked_up(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for part in &instance.priority_parts {
        if let Some(up) = part.up {
            let labels = [
                ("type", &part.kind().word() as _),
                ("name", &part.name as _),
            ];
            lines.of(instance, &labels, &u8::from(up));
        }
    }
}

pub(super) fn tracked_priority(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    for part in &instance.priority_parts {
        let labels = [
            ("type", &part.kind().word() as _),
            ("name", &part.name as _),
        ];
        lines.of(instance, &labels, &part.adds);
    }
}

pub(super) fn maintenance(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &u8::from(instance.maintenance.is_some()));
}

// ---- transitions ----

pub(super) fn transition_time(
    instance: &Instance<'_>,
    snapshot: &Snapshot<'_>,
    lines: &mut Lines<'_>,
) {
    if let Some(transition) = instance.last_transition {
        lines.of(instance, &[], &snapshot.clock.at(transition.at).epoch());
    }
}

pub(super) fn transition_reason(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    if let Some(transition) = instance.last_transition {
        lines.of(instance, &[("reason", &transition.reason)], &1);
    }
}

pub(super) fn fault(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    if let Some(missing) = &instance.missing {
        lines.of(instance, &[("reason", &missing.kind)], &1);
    }
}

// ---- master ----

pub(super) fn master(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let address = match instance.state {
        VrrpState::Master => instance.source,
        VrrpState::Init | VrrpState::Backup | VrrpState::Fault => {
            instance.master.map(|master| master.addr)
        }
    };
    if let Some(address) = address {
        lines.of(instance, &[("address", &address)], &1);
    }
}

pub(super) fn master_priority(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    match (instance.state, instance.master) {
        (VrrpState::Master, _) => lines.of(instance, &[], &instance.priority),
        (_, Some(master)) => lines.of(instance, &[], &master.priority),
        (_, None) => {}
    }
}

pub(super) fn advert_interval(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let interval = instance.conf.advert_int.duration();
    lines.of(instance, &[], &Short(interval));
}

pub(super) fn down_interval(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &Short(instance.down_interval));
}

// ---- problems ----

pub(super) fn send_failing(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    lines.of(instance, &[], &u8::from(instance.send_error.is_some()));
}

pub(super) fn objects(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let none = Installed::default();
    let addresses = none.count(&instance.vips).count(&instance.excluded);
    for (object, installed) in [
        ("address", addresses),
        ("route", none.count(&instance.routes)),
        ("rule", none.count(&instance.rules)),
    ] {
        installed.each(|status, count| {
            lines.of(instance, &[("object", &object), ("status", status)], &count);
        });
    }
}

/// Adverts with other addresses than ours are not counted: most of them are accepted.
pub(super) fn rejected(instance: &Instance<'_>, _: &Snapshot<'_>, lines: &mut Lines<'_>) {
    let counters = &instance.counters;
    for (reason, count) in [
        ("length", counters.errors.packet_len_err),
        ("interval", counters.errors.advert_interval_err),
        ("ttl", counters.errors.ip_ttl_err),
        ("packet_type", counters.errors.invalid_type_rcvd),
        ("unknown_auth_type", counters.errors.invalid_authtype),
        ("auth_type", counters.errors.authtype_mismatch),
        ("auth", counters.errors.auth_failure),
        ("hmac_missing", counters.errors.auth_ext_missing),
        ("hmac_malformed", counters.errors.auth_ext_malformed),
        ("hmac_unknown_key", counters.errors.auth_ext_unknown_key),
        ("hmac", counters.errors.auth_ext_failure),
        ("hmac_stale", counters.errors.auth_ext_stale),
        ("hmac_replay", counters.errors.auth_ext_replay),
        ("other", counters.errors.other_rejected),
    ] {
        lines.of(instance, &[("reason", &reason)], &count);
    }
}
