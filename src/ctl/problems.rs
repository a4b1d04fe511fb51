//! Problems, one sentence each with the remedy: for `status`, `status --check` and JSON.

use core::time::Duration;

use super::text::{Count, Span};
use super::{
    Clock, Finding, InstallStatus, Instance, Maintenance, ManagedItem, Process, RefusedReload,
    Script, Snapshot,
};
use crate::types::VrrpState;

/// Severity of a problem.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Severity {
    /// Something is odd; the service works.
    Warning = 1,
    /// Something does not work.
    Critical = 2,
}

/// Takes a problem.
pub(super) type Sink<'a> = dyn FnMut(Severity, &str) + 'a;

/// The remedy for a FAULT, by the keyword of the missing prerequisite.
static ADVICE: &[(&str, &str)] = &[
    ("interface_down", "check the cable and `ip link`"),
    (
        "interface_missing",
        "create it, or correct its name in the configuration",
    ),
    ("no_source", "give the interface an address"),
    ("no_peer", "write unicast_peer"),
    ("script_failing", "run it by hand to see why"),
    ("file_bad", "write another number into it"),
    ("process_bad", "start or stop it"),
    ("static_missing", "see `ip addr` and `ip route`"),
    (
        "removed_externally",
        "find the program that does it: `ip monitor`",
    ),
    ("cannot_listen", "see the log"),
];

/// The problems of an instance.
pub(super) fn of_instance(one: &Instance<'_>, clock: &Clock, sink: &mut Sink<'_>) {
    match one.state {
        VrrpState::Fault => fault(one, clock, sink),
        VrrpState::Init => {
            if let Some(awaited) = &one.awaited {
                let text = format!("waits for the first result of {awaited}");
                sink(Severity::Warning, &text);
            }
        }
        VrrpState::Backup | VrrpState::Master => {}
    }
    if let Some(maintenance) = &one.maintenance {
        let details = maintenance.details(clock);
        let name = &one.conf.name;
        let text = format!("in maintenance{details}; `vrrpd promote {name}` ends it");
        sink(Severity::Warning, &text);
    }
    besides_state(one, clock, sink);
}

/// The problems of an instance that its state does not show.
pub(super) fn besides_state(one: &Instance<'_>, clock: &Clock, sink: &mut Sink<'_>) {
    if let Some(error) = &one.send_error {
        let text = format!("adverts cannot be sent: {error}");
        sink(Severity::Critical, &text);
    }
    let retry = one.retry_at.map(|at| at.since(clock.now));
    let all = one.vips.iter().chain(&one.excluded);
    refused(all, retry, sink, |item| {
        format!("{} on {}", item.item.cidr, item.item.dev)
    });
    refused(&one.routes, retry, sink, |item| {
        format!("route {}", item.item.dst)
    });
    refused(&one.rules, retry, sink, |_| "a rule".to_owned());
    if one.no_accept_missing {
        let text = "no_accept is not enforced, the kernel has no nftables: load nf_tables";
        sink(Severity::Warning, text);
    }
    for sender in &one.senders {
        let severity = match sender.kind {
            Finding::Conflict => Severity::Critical,
            Finding::Rejected | Finding::SecondMaster | Finding::Tolerated => Severity::Warning,
            Finding::Adapted => continue,
        };
        let ago = clock.now.since(sender.at);
        let text = if sender.kind == Finding::SecondMaster {
            format!("another master: {}", sender.text)
        } else {
            sender.text.clone()
        };
        let text = if ago < Duration::from_secs(10) {
            text
        } else {
            format!("{text} (last {} ago)", Span(ago))
        };
        sink(severity, &text);
    }
}

/// The remedy for a missing prerequisite; may be empty.
pub(super) fn advice(kind: &str) -> &'static str {
    let row = ADVICE.iter().find(|(reason, _)| *reason == kind);
    row.map_or("", |(_, advice)| advice)
}

fn fault(one: &Instance<'_>, clock: &Clock, sink: &mut Sink<'_>) {
    let (kind, detail) = match &one.missing {
        Some(missing) => (missing.kind, missing.detail.as_str()),
        None => ("", one.why.as_str()),
    };
    let since = one.last_transition.map_or(String::new(), |transition| {
        format!(" for {}", Span(clock.now.since(transition.at)))
    });
    let advice = advice(kind);
    let semicolon = if advice.is_empty() { "" } else { "; " };
    let text = format!("FAULT{since}: {detail}{semicolon}{advice}");
    sink(Severity::Critical, &text);
}

/// The requests that the kernel refused, in one sentence.
fn refused<'a, T: 'a>(
    items: impl IntoIterator<Item = &'a ManagedItem<'a, T>>,
    retry: Option<Duration>,
    sink: &mut Sink<'_>,
    name: fn(&ManagedItem<'_, T>) -> String,
) {
    let mut first = String::new();
    let mut more = 0_usize;
    for item in items {
        if let InstallStatus::Refused(why) = &item.status {
            if !first.is_empty() {
                more = more.saturating_add(1);
                continue;
            }
            let colon = if why.is_empty() { "" } else { ": " };
            first = format!("the kernel refuses {}{colon}{why}", name(item));
        }
    }
    refusal(&first, more, retry, sink);
}

#[inline(never)]
fn refusal(first: &str, more: usize, retry: Option<Duration>, sink: &mut Sink<'_>) {
    if first.is_empty() {
        return;
    }
    let more = match more {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let retry = retry.map_or(String::new(), |left| {
        format!("; next attempt in {}", Span(left))
    });
    sink(Severity::Warning, &format!("{first}{more}{retry}"));
}

/// The problems of the process and of tracked objects; each starts with its name.
pub(super) fn of_all(snapshot: &Snapshot<'_>, sink: &mut Sink<'_>) {
    let daemon = snapshot.daemon;
    let path = &daemon.config;
    let errors = snapshot.counters.config.errors;
    if errors > 0 {
        let errors = Count(errors, "error");
        let text = format!(
            "configuration: {errors}, what they are about is left out; see `vrrpd -t -f {path}`"
        );
        sink(Severity::Warning, &text);
    }
    if let Some(RefusedReload { at, why }) = &daemon.refused {
        let ago = Span(snapshot.clock.now.since(*at));
        let text = format!(
            "configuration: the reload {ago} ago was refused, the one before still runs: {why}; see `vrrpd -t -f {path}`"
        );
        sink(Severity::Warning, &text);
    }
    for Script { conf, up, last, .. } in &snapshot.scripts {
        if *up == Some(false) {
            let text = format!("script {} fails: it {last}", conf.name);
            sink(Severity::Warning, &text);
        }
    }
    for Process {
        conf, count, up, ..
    } in &snapshot.processes
    {
        if *up == Some(false) {
            let text = format!(
                "process {}: {count} running, {}",
                conf.name,
                required(conf.quorum, conf.quorum_max)
            );
            sink(Severity::Warning, &text);
        }
    }
}

/// `at least 1 required`.
pub(super) fn required(quorum: u32, most: Option<u32>) -> String {
    match most {
        Some(most) => format!("{quorum} to {most} required"),
        None => format!("at least {quorum} required"),
    }
}

/// The problems of a virtual server.
#[cfg(feature = "lvs")]
pub(super) fn of_service(one: &super::Service<'_>, clock: &Clock, sink: &mut Sink<'_>) {
    if one.refused {
        let text = "the kernel does not take virtual servers (no IPVS?), nothing is forwarded; `vrrpd events` says why";
        sink(Severity::Critical, text);
    }
    for server in &one.servers {
        if let Some(hold) = &server.maintenance {
            let (name, details) = (server.conf.addr, hold.details(clock));
            let text = format!(
                "real server {name} port {}: weight 0 for maintenance{details}; `vrrpd undrain` ends it",
                server.conf.port
            );
            sink(Severity::Warning, &text);
        }
    }
    if one.suspended {
        return;
    }
    let down = one.servers.iter().filter(|server| !server.up).count();
    let (quorum, weight) = (one.conf.quorum, one.weight);
    let instead = if one.sorry {
        ", the sorry server answers"
    } else {
        ""
    };
    let of = one.servers.len();
    if !one.quorum {
        let text = format!(
            "quorum lost: weight {weight} of {quorum}, {down} of {of} real servers down{instead}"
        );
        sink(Severity::Critical, &text);
    } else if down > 0 {
        let text = format!("{down} of {of} real servers down");
        sink(Severity::Warning, &text);
    }
}

impl Maintenance<'_> {
    /// ` for another 25 min (firmware update)`.
    pub(super) fn details(&self, clock: &Clock) -> String {
        let mut text = String::new();
        if let Some(until) = self.until {
            let left = Span(until.since(clock.now));
            text = format!(" for another {left}");
        }
        if !self.reason.is_empty() {
            text = format!("{text} ({})", self.reason);
        }
        text
    }
}
