//! `keepalived.stats` as keepalived 2.4 writes it: exporters stop at an unexpected value. Counters that
//! keepalived does not have are in the state dump.

use core::fmt::{Display, Write};

use super::Snapshot;
use super::lines::Escaped;
use crate::types::VrrpCounters;

/// The counters of all instances.
#[must_use]
pub fn stats(snapshot: &Snapshot<'_>) -> String {
    let mut out = String::new();
    for instance in &snapshot.instances {
        one(&mut out, &Escaped(&instance.conf.name), &instance.counters);
    }
    out
}

fn one(out: &mut String, name: &dyn Display, counters: &VrrpCounters) {
    // A label without a number starts a section.
    let lines: [(&str, Option<u64>); 25] = [
        ("  Advertisements", None),
        ("    Received", Some(counters.advert_rcvd)),
        ("    Sent", Some(counters.advert_sent)),
        ("  Became master", Some(counters.become_master)),
        ("  Released master", Some(counters.release_master)),
        ("  Packet Errors", None),
        ("    Length", Some(counters.errors.packet_len_err)),
        ("    TTL", Some(counters.errors.ip_ttl_err)),
        ("    Invalid Type", Some(counters.errors.invalid_type_rcvd)),
        (
            "    Advertisement Interval",
            Some(counters.errors.advert_interval_err),
        ),
        ("    Address List", Some(counters.errors.addr_list_err)),
        ("  Authentication Errors", None),
        ("    Invalid Type", Some(counters.errors.invalid_authtype)),
        ("    Type Mismatch", Some(counters.errors.authtype_mismatch)),
        ("    Failure", Some(counters.errors.auth_failure)),
        ("  Authentication Extension Errors", None),
        ("    Missing", Some(counters.errors.auth_ext_missing)),
        ("    Malformed", Some(counters.errors.auth_ext_malformed)),
        (
            "    Unknown Key",
            Some(counters.errors.auth_ext_unknown_key),
        ),
        ("    Invalid HMAC", Some(counters.errors.auth_ext_failure)),
        ("    Stale", Some(counters.errors.auth_ext_stale)),
        ("    Replay", Some(counters.errors.auth_ext_replay)),
        ("  Priority Zero", None),
        ("    Received", Some(counters.pri_zero_rcvd)),
        ("    Sent", Some(counters.pri_zero_sent)),
    ];
    let _ = writeln!(out, "VRRP Instance: {name}");
    for (label, count) in lines {
        let _ = match count {
            Some(count) => writeln!(out, "{label}: {count}"),
            None => writeln!(out, "{label}:"),
        };
    }
}
