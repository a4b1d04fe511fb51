//! `vrrpd status --json`. The structure is described by `tests/golden/status/schema.json`; `format` is
//! raised when a field changes its meaning or goes away. Times are seconds since 1970, durations
//! seconds.

use core::fmt::Display;
use core::time::Duration;

use super::clock::Short;
use super::json_writer::Json;
use super::problems::{self, Severity};
use super::status::wanted;
use super::tracked::TrackerKind;
use super::{
    Clock, Finding, InstallStatus, Instance, ManagedItem, Objects, Output, Section, Snapshot,
    Style, View,
};
use crate::types::{Instant, MasterInfo, Outlook};

/// Number of this format.
const FORMAT: u32 = 1;

/// `status --json`.
pub static VIEW: View = &[
    Section {
        objects: Objects::None,
        write: head,
    },
    Section {
        objects: Objects::Instances,
        write: |snapshot, style, out| {
            for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
                element(out, |json| instance(json, one, snapshot));
            }
        },
    },
    Section {
        objects: Objects::None,
        write: middle,
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: |snapshot, style, out| {
            for one in wanted(&snapshot.services, style, |one| &one.conf.name) {
                element(out, |json| service(json, one, &snapshot.clock));
            }
        },
    },
    Section {
        objects: Objects::None,
        write: |_, _, out| out.text.push_str("]}\n"),
    },
];

/// An object of a list that spans pages.
fn element(out: &mut Output, write: impl FnOnce(&mut Json)) {
    if out.sums.written > 0 {
        out.text.push(',');
    }
    out.sums.written = out.sums.written.saturating_add(1);
    let mut json = Json::default();
    json.object(write);
    out.text.push_str(&json.text);
}

/// Everything up to the first instance.
fn head(snapshot: &Snapshot<'_>, _: &Style, out: &mut Output) {
    let (daemon, clock) = (snapshot.daemon, &snapshot.clock);
    let mut json = Json::default();
    json.object(|json| {
        json.number("format", &FORMAT);
        json.string("version", &env!("CARGO_PKG_VERSION"));
        json.number("pid", &daemon.pid);
        json.number("time", &clock.at(clock.now).epoch());
        let up = clock.now.since(snapshot.counters.started);
        json.number("uptime", &Short(up));
        json.string("config", &daemon.config);
        json.number("config_errors", &snapshot.counters.config.errors);
        optional(
            json,
            "reload_refused",
            daemon.refused.as_ref(),
            |json, one| {
                json.number("at", &clock.at(one.at).epoch());
                json.string("reason", &one.why);
            },
        );
        json.key("instances");
    });
    // The list follows, and then the rest of the object.
    out.text.push_str(json.text.trim_end_matches('}'));
    out.text.push('[');
    out.sums.written = 0;
}

/// A value that is an object or null.
fn optional<T>(json: &mut Json, name: &str, value: Option<T>, inside: impl FnOnce(&mut Json, T)) {
    match value {
        None => json.number(name, &"null"),
        Some(value) => {
            json.key(name);
            json.object(|json| inside(json, value));
        }
    }
}

/// A string or null.
#[inline(never)]
fn text(json: &mut Json, name: &str, value: Option<&dyn Display>) {
    match value {
        None => json.number(name, &"null"),
        Some(value) => json.string(name, value),
    }
}

/// Seconds or null.
#[inline(never)]
fn seconds(json: &mut Json, name: &str, value: Option<Duration>) {
    match value {
        None => json.number(name, &"null"),
        Some(value) => json.number(name, &Short(value)),
    }
}

/// A time of day or null.
#[inline(never)]
fn time(json: &mut Json, name: &str, value: Option<Instant>, clock: &Clock) {
    match value {
        None => json.number(name, &"null"),
        Some(at) => json.number(name, &clock.at(at).epoch()),
    }
}

#[inline(never)]
fn boolean(json: &mut Json, name: &str, value: Option<bool>) {
    match value {
        None => json.number(name, &"null"),
        Some(value) => json.number(name, &value),
    }
}

/// A problem.
struct Problem {
    severity: Severity,
    text: String,
}

fn problems(json: &mut Json, collect: impl FnOnce(&mut problems::Sink<'_>)) {
    let mut all = Vec::new();
    collect(&mut |severity, text| {
        let text = text.to_owned();
        all.push(Problem { severity, text });
    });
    json.key("problems");
    json.list(&all, |json, one| {
        json.object(|json| {
            let severity = match one.severity {
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            };
            json.string("severity", &severity);
            json.string("text", &one.text);
        });
    });
}

fn instance(json: &mut Json, one: &Instance<'_>, snapshot: &Snapshot<'_>) {
    let (conf, clock) = (one.conf, &snapshot.clock);
    json.string("name", &conf.name);
    json.string("state", &one.state);
    let last = one.last_transition;
    time(json, "since", last.map(|last| last.at), clock);
    text(
        json,
        "reason",
        last.as_ref().map(|last| &last.reason as &dyn Display),
    );
    json.string("why", &one.why);
    json.string("interface", &conf.interface);
    json.number("vrid", &conf.vrid);
    json.number("vrrp_version", &super::instance::number(conf.version));
    json.string("family", &conf.family);
    json.number("priority", &one.priority);
    json.number("base_priority", &conf.priority);
    tracks(json, one);
    optional(json, "master", one.master, master);
    optional(json, "last_heard", one.heard, |json, heard| {
        master(json, heard.master);
        json.number("at", &clock.at(heard.at).epoch());
    });
    text(
        json,
        "source",
        one.source.as_ref().map(|one| one as &dyn Display),
    );
    json.number("interval", &Short(conf.advert_int.duration()));
    json.number("down_interval", &Short(one.down_interval));
    json.number("skew", &Short(one.skew));
    let waits = matches!(one.outlook, Outlook::Backup(_)) && one.maintenance.is_none();
    let deadline = one.deadline.filter(|_| waits);
    seconds(json, "takeover_in", deadline.map(|at| at.since(clock.now)));
    conditions(json, one, snapshot);
    installed(json, one);
    senders(json, one, clock);
    let counters = &one.counters;
    json.number("adverts_sent", &counters.advert_sent);
    json.number("adverts_received", &counters.advert_rcvd);
    json.number("times_master", &counters.become_master);
    problems(json, |sink| problems::of_instance(one, clock, sink));
}

/// The conditions that hold an instance back.
fn conditions(json: &mut Json, one: &Instance<'_>, snapshot: &Snapshot<'_>) {
    let (conf, clock) = (one.conf, &snapshot.clock);
    let group = conf.sync_group.and_then(|id| snapshot.groups.get(id.0));
    text(
        json,
        "sync_group",
        group.map(|group| &group.conf.name as &dyn Display),
    );
    text(
        json,
        "held_by",
        one.held_by.as_ref().map(|one| one as &dyn Display),
    );
    optional(json, "missing", one.missing.as_ref(), |json, missing| {
        json.string("kind", &missing.kind);
        json.string("detail", &missing.detail);
    });
    text(
        json,
        "awaited",
        one.awaited.as_ref().map(|one| one as &dyn Display),
    );
    optional(
        json,
        "maintenance",
        one.maintenance.as_ref(),
        |json, now| {
            time(json, "until", now.until, clock);
            json.string("reason", &now.reason);
        },
    );
    text(
        json,
        "send_error",
        one.send_error.as_ref().map(|one| one as &dyn Display),
    );
}

fn master(json: &mut Json, master: MasterInfo) {
    json.string("address", &master.addr);
    json.number("priority", &master.priority);
    json.number("interval", &Short(master.interval.duration()));
}

fn tracks(json: &mut Json, one: &Instance<'_>) {
    json.key("tracked");
    json.list(&one.priority_parts, |json, part| {
        json.object(|json| {
            let kind = match part.kind() {
                TrackerKind::Interface => "interface",
                TrackerKind::Script => "script",
                TrackerKind::File => "file",
                TrackerKind::Process => "process",
            };
            json.string("kind", &kind);
            json.string("name", &part.name);
            boolean(json, "up", part.up);
            json.number("weight", &part.track.weight);
            json.number("reverse", &part.track.reverse);
            json.number("adds", &part.adds);
        });
    });
}

/// State of an object in the kernel.
fn status(json: &mut Json, status: &InstallStatus) {
    let (state, error) = match status {
        InstallStatus::Absent => ("absent", None),
        InstallStatus::Installed => ("set", None),
        InstallStatus::Refused(why) => ("refused", Some(why as &dyn Display)),
    };
    json.string("state", &state);
    text(json, "error", error);
}

fn installed(json: &mut Json, one: &Instance<'_>) {
    for (name, list) in [
        ("addresses", &one.vips),
        ("excluded_addresses", &one.excluded),
    ] {
        json.key(name);
        json.list(list, |json, item| {
            json.object(|json| {
                json.string("address", &item.item.cidr);
                json.string("interface", &item.item.dev);
                status(json, &item.status);
            });
        });
    }
    routes(json, "routes", &one.routes, |item| &item.status);
    routes(json, "rules", &one.rules, |item| &item.status);
}

fn routes<'a, T>(
    json: &mut Json,
    name: &str,
    list: &'a [ManagedItem<'a, T>],
    of: fn(&'a ManagedItem<'a, T>) -> &'a InstallStatus,
) where
    ManagedItem<'a, T>: Display,
{
    let all: Vec<&ManagedItem<'a, T>> = list.iter().collect();
    json.key(name);
    json.list(&all, |json, item| {
        json.object(|json| {
            json.string("text", *item);
            status(json, of(item));
        });
    });
}

fn senders(json: &mut Json, one: &Instance<'_>, clock: &Clock) {
    json.key("senders");
    json.list(&one.senders, |json, sender| {
        json.object(|json| {
            let finding = match sender.kind {
                Finding::Rejected => "rejected",
                Finding::SecondMaster => "second_master",
                Finding::Conflict => "conflict",
                Finding::Tolerated => "tolerated",
                Finding::Adapted => "adapted",
            };
            json.string("finding", &finding);
            json.string("text", &sender.text);
            json.number("at", &clock.at(sender.at).epoch());
        });
    });
}

/// The objects after the instances.
fn middle(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    let mut json = Json::default();
    json.object(|json| {
        json.key("sync_groups");
        let all: Vec<_> = wanted(&snapshot.groups, style, |one| &one.conf.name).collect();
        json.list(&all, |json, one| {
            json.object(|json| {
                json.string("name", &one.conf.name);
                json.string("state", &one.state);
                json.key("members");
                json.list(&one.members, |json, member| {
                    json.object(|json| {
                        json.string("name", &member.name);
                        json.string("state", &member.state);
                    });
                });
            });
        });
        objects(json, snapshot, style);
        problems(json, |sink| {
            if style.names.is_empty() {
                problems::of_all(snapshot, sink);
            }
        });
        json.key("virtual_servers");
    });
    out.text.push_str("],");
    let text = json.text.trim_end_matches('}');
    out.text
        .push_str(text.strip_prefix('{').unwrap_or_default());
    out.text.push('[');
    out.sums.written = 0;
}

fn objects(json: &mut Json, snapshot: &Snapshot<'_>, style: &Style) {
    json.key("scripts");
    let all: Vec<_> = wanted(&snapshot.scripts, style, |one| &one.conf.name).collect();
    json.list(&all, |json, one| {
        json.object(|json| {
            json.string("name", &one.conf.name);
            boolean(json, "up", one.up);
            json.string("last_result", &one.last);
            json.number("interval", &Short(one.conf.interval));
        });
    });
    json.key("files");
    let all: Vec<_> = wanted(&snapshot.files, style, |one| &one.conf.name).collect();
    json.list(&all, |json, one| {
        json.object(|json| {
            json.string("name", &one.conf.name);
            json.string("path", &one.conf.path);
            match one.value {
                None => json.number("value", &"null"),
                Some(value) => json.number("value", &value),
            }
        });
    });
    json.key("processes");
    let all: Vec<_> = wanted(&snapshot.processes, style, |one| &one.conf.name).collect();
    json.list(&all, |json, one| {
        json.object(|json| {
            json.string("name", &one.conf.name);
            boolean(json, "up", one.up);
            json.number("count", &one.count);
            json.number("quorum", &one.conf.quorum);
            match one.conf.quorum_max {
                None => json.number("quorum_max", &"null"),
                Some(most) => json.number("quorum_max", &most),
            }
        });
    });
}

#[cfg(feature = "lvs")]
fn service(json: &mut Json, one: &super::Service<'_>, clock: &Clock) {
    let conf = one.conf;
    json.string("name", &conf.name);
    json.number("up", &one.quorum);
    json.number("weight", &one.weight);
    json.number("quorum", &conf.quorum);
    json.number("hysteresis", &conf.hysteresis);
    json.number("sorry_server_active", &one.sorry);
    json.number("suspended", &one.suspended);
    json.key("servers");
    json.list(&one.servers, |json, server| {
        json.object(|json| {
            let name = super::status::server_name(conf, server.conf);
            json.string("name", &name);
            json.number("up", &server.up);
            json.number("weight", &server.weight);
            match server.traffic.and_then(|traffic| traffic.connections) {
                None => json.number("active_connections", &"null"),
                Some(now) => json.number("active_connections", &now.active),
            }
            json.key("checks");
            json.list(&server.checks, |json, check| {
                json.object(|json| {
                    json.string("check", check);
                    json.number("up", &check.up);
                });
            });
        });
    });
    problems(json, |sink| problems::of_service(one, clock, sink));
}
