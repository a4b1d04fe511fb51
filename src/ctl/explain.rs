//! `vrrpd explain`: why an object is in its state, and what would change it.
//!
//! A table of sentences, each of which applies to some instances: [`SENTENCES`].

use core::fmt::Write;

use super::problems;
use super::snapshot::Installed;
use super::status::{effect, object, part_state, state_of, wanted};
use super::text::{Exact, Paint, Span, paint, paragraph};
use super::tracked::TrackerKind;
use super::{Clock, Instance, Objects, Output, Section, Snapshot, Style, View};
use crate::types::{BackupOutlook, Centis, Outlook, TimerKind, Version, VrrpState};

/// `explain`.
pub static VIEW: View = &[
    Section {
        objects: Objects::Instances,
        write: instances,
    },
    Section {
        objects: Objects::None,
        write: others,
    },
    Section {
        objects: Objects::Instances,
        write: trackers,
    },
    #[cfg(feature = "lvs")]
    Section {
        objects: Objects::Services,
        write: services,
    },
];

/// An instance, and what is needed to speak of it.
struct Case<'a> {
    one: &'a Instance<'a>,
    clock: &'a Clock,
    /// Its sync group.
    group: Option<&'a str>,
}

/// A sentence about an instance; empty: it does not apply.
type Sentence = fn(&Case<'_>) -> String;

/// Sentences about the next events; the only ones unless an object is named.
static NEXT: &[Sentence] = &[missing, start, resume, maintenance, timer, master_timer];

/// The sentences after these.
static SENTENCES: &[Sentence] = &[
    heard, preemption, takeover, group, adopted, priority, addresses, adverts,
];

fn instances(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for one in wanted(&snapshot.instances, style, |one| &one.conf.name) {
        let group = one.conf.sync_group.and_then(|id| snapshot.groups.get(id.0));
        let case = Case {
            one,
            clock: &snapshot.clock,
            group: group.map(|group| group.conf.name.as_str()),
        };
        let since = one.last_transition.map_or(String::new(), |last| {
            let why = if one.why.is_empty() { "" } else { ": " };
            let ago = Span(snapshot.clock.now.since(last.at));
            format!(" for {ago}{why}{}", one.why)
        });
        let (interface, vrid) = (one.conf.interface.or_any(), one.conf.vrid);
        let state = one.state;
        title(
            out,
            style,
            &format!(
                "{} ({interface}, VRID {vrid}) is {state}{since}.",
                one.conf.name
            ),
        );
        for sentence in NEXT {
            say(out, style, &sentence(&case));
        }
        if style.names.is_empty() {
            continue;
        }
        for sentence in SENTENCES {
            say(out, style, &sentence(&case));
        }
        problems::besides_state(one, &snapshot.clock, &mut |_, text| {
            say(out, style, &format!("Problem: {text}."));
        });
    }
}

/// The first sentence about an object, after an empty line.
fn title(out: &mut Output, style: &Style, text: &str) {
    if out.sums.written > 0 {
        out.text.push('\n');
    }
    out.sums.written = out.sums.written.saturating_add(1);
    let mut lines = String::new();
    paragraph(&mut lines, style, "", text);
    paint(&mut out.text, style, Paint::Heading, lines.trim_end());
    out.text.push('\n');
}

fn say(out: &mut Output, style: &Style, text: &str) {
    if !text.is_empty() {
        paragraph(&mut out.text, style, "  ", text);
    }
}

// ---- what happens next ----

fn missing(case: &Case<'_>) -> String {
    let one = case.one;
    let Some(missing) = &one.missing else {
        return String::new();
    };
    let now = case.clock.now;
    let mut text = String::new();
    if missing.detail != one.why {
        text = format!("It cannot run: {}. ", missing.detail);
    }
    if let Some(at) = one.hold_until {
        let _ = write!(text, "The next attempt is in {}. ", Span(at.since(now)));
    }
    let advice = problems::advice(missing.kind);
    if !advice.is_empty() {
        let _ = write!(text, "To do: {advice}. ");
    }
    let wait = match one.conf.priority.is_owner() {
        true => one.conf.advert_int.duration(),
        false => one.down_interval,
    };
    let _ = write!(
        text,
        "Once that is over it is BACKUP, and MASTER {} later unless it hears another master.",
        Exact(wait)
    );
    text
}

fn start(case: &Case<'_>) -> String {
    let awaited = case.one.awaited.as_ref();
    awaited.map_or(String::new(), |awaited| {
        format!("It starts after the first result of {awaited}.")
    })
}

fn resume(case: &Case<'_>) -> String {
    let Outlook::Resuming { at } = case.one.outlook else {
        return String::new();
    };
    let left = Span(at.since(case.clock.now));
    format!(
        "It was MASTER when the process before this one ended, and is MASTER again in {left} unless it hears another \
         master."
    )
}

fn maintenance(case: &Case<'_>) -> String {
    let one = case.one;
    one.maintenance.as_ref().map_or(String::new(), |now| {
        format!(
            "It is in maintenance{}: it does not become MASTER, whatever happens, before `vrrpd promote {}` or the end of \
             that time.",
            now.details(case.clock),
            one.conf.name
        )
    })
}

/// The timer of a backup.
fn timer(case: &Case<'_>) -> String {
    let one = case.one;
    let Outlook::Backup(waiting) = one.outlook else {
        return String::new();
    };
    if one.maintenance.is_some() {
        return String::new();
    }
    let now = case.clock.now;
    let left = Span(waiting.down_at.since(now));
    let becomes = match (&one.held_by, one.startup_delay_end > now) {
        (Some(why), _) => {
            format!("becomes MASTER in {left} if its sync group can (now {why})")
        }
        (None, true) => format!("becomes MASTER in {left} (the startup delay ends in {})", {
            Span(one.startup_delay_end.since(now))
        }),
        (None, false) => format!("becomes MASTER in {left}"),
    };
    let rule = rule(one, &waiting);
    let master = one.master.map(|master| master.addr);
    match (waiting.timer, master) {
        (TimerKind::StartupDelay, _) => format!("It owns the addresses and {becomes}."),
        (TimerKind::OneInterval, _) => format!(
            "It {becomes} unless it hears another master: it listens for one interval and the skew of an owner."
        ),
        (TimerKind::Skew, _) => format!(
            "The master has resigned. It {becomes}, after its skew of {}, unless a router of higher priority is \
             faster.",
            Exact(one.skew)
        ),
        (TimerKind::LateListen, _) => format!(
            "Its timer was served late, so that adverts may have been missed: it listens once more, and {becomes} \
             unless it hears a master."
        ),
        (TimerKind::GroupRetry, _) => match &one.held_by {
            Some(why) => format!("It would be MASTER, but {why}. It tries again in {left}."),
            None => {
                format!("It is ready to take over with its sync group, at the latest in {left}.")
            }
        },
        (TimerKind::Down, None) => {
            format!(
                "It hears no master: it {becomes} unless it hears one, {rule} after it began to wait."
            )
        }
        (TimerKind::Down, Some(master)) => match waiting.preempt_at {
            Some(at) => format!(
                "It takes over from {master}, whose priority is lower, in {}: preempt_delay is {}. If {master} falls \
                 silent now, it {becomes}.",
                Span(at.since(now)),
                Exact(one.conf.preempt_delay)
            ),
            None if waiting.preempting => format!(
                "It takes over from {master}, whose priority is lower: it {becomes}, {rule} after it began to wait."
            ),
            None => format!(
                "If {master} falls silent now, this router {becomes}, {rule} after the last advert, unless a router \
                 of higher priority is faster."
            ),
        },
    }
}

/// The computation of the down interval: `3.609 s (3 x 1 s + 0.609 s skew)`.
fn rule(one: &Instance<'_>, waiting: &BackupOutlook) -> String {
    format!(
        "{} ({} x {} + {} skew)",
        Exact(one.down_interval),
        one.conf.down_timer_adverts,
        waiting.interval,
        Exact(one.skew)
    )
}

fn master_timer(case: &Case<'_>) -> String {
    let one = case.one;
    let Outlook::Master(waiting) = one.outlook else {
        return String::new();
    };
    let left = Span(waiting.advert_at.since(case.clock.now));
    if waiting.listening {
        return format!(
            "The machine was suspended: it sends nothing for another {left}, and yields if it hears another master."
        );
    }
    let rival = match waiting.rival {
        true => {
            " Another router with priority 255 and a lower address advertises; this one yields if that stays."
        }
        false => "",
    };
    let interval = one.conf.advert_int;
    format!("It advertises every {interval}, next in {left}.{rival}")
}

// ---- others and their adverts ----

fn heard(case: &Case<'_>) -> String {
    let (one, now) = (case.one, case.clock.now);
    match (one.heard, one.master, one.state) {
        (None, _, VrrpState::Master) => {
            "No advert of another router was received since the start; backups send none."
                .to_owned()
        }
        (None, _, VrrpState::Backup) => "No advert of another router was received.".to_owned(),
        (None, _, VrrpState::Init | VrrpState::Fault) => String::new(),
        (Some(heard), master, _) => {
            let (addr, priority) = (heard.master.addr, heard.master.priority);
            let ago = Span(now.since(heard.at));
            if priority.0 == 0 {
                return format!("{addr} resigned {ago} ago.");
            }
            let interval = heard.master.interval;
            let role = match master {
                Some(master) if master.addr == addr => "Master",
                _ => "The last other master heard",
            };
            format!(
                "{role}: {addr}, priority {priority}, an advert every {interval}, the last {ago} ago."
            )
        }
    }
}

fn adopted(case: &Case<'_>) -> String {
    let one = case.one;
    let own = one.conf.advert_int;
    match (one.outlook, one.conf.version) {
        (Outlook::Backup(BackupOutlook { interval, .. }), Version::V3) if interval != own => {
            format!(
                "Its timer uses the master's interval of {interval} instead of its own advert_int of {own}."
            )
        }
        _ => String::new(),
    }
}

/// Why a backup does not preempt the master.
fn preemption(case: &Case<'_>) -> String {
    let one = case.one;
    let Some(master) = one.master.filter(|_| one.maintenance.is_none()) else {
        return String::new();
    };
    let (theirs, ours) = (master.priority, one.priority);
    let addr = master.addr;
    let condition = if one.conf.nopreempt {
        ", but with nopreempt it would wait for its silence even then"
    } else {
        ""
    };
    if theirs < ours && one.conf.nopreempt {
        format!(
            "nopreempt: it leaves {addr} master, although its priority {theirs} is lower than {ours}."
        )
    } else if theirs < ours {
        String::new()
    } else if theirs == ours {
        format!(
            "{addr} has the same priority and stays master; above {theirs} this router would take over{condition}."
        )
    } else {
        format!(
            "It would take over from {addr} with a priority above {theirs}{condition}; it has {ours}."
        )
    }
}

/// The priorities and events that take mastership from a master.
fn takeover(case: &Case<'_>) -> String {
    let one = case.one;
    let (VrrpState::Master, Some(source)) = (one.state, one.source) else {
        return String::new();
    };
    if one.conf.priority.is_owner() {
        return "No router with another priority than 255 takes over while it advertises."
            .to_owned();
    }
    let (priority, missed) = (one.priority, one.conf.down_timer_adverts);
    let Centis(interval) = one.conf.advert_int;
    let silence = Centis(interval.saturating_mul(missed.into()));
    format!(
        "Another router takes over with a priority above {priority} if it does not have nopreempt; one that is master \
         too keeps it with {priority} and an address above {source}. If this router falls silent, a backup takes over \
         {silence} and its skew after the last advert."
    )
}

fn group(case: &Case<'_>) -> String {
    let Some(group) = case.group else {
        return String::new();
    };
    format!(
        "It is MASTER only together with all members of sync group {group}, and in FAULT with any of them."
    )
}

// ---- its own ----

fn priority(case: &Case<'_>) -> String {
    let one = case.one;
    let base = one.conf.priority;
    if one.yields_to_owner {
        return "It yields to another owner of the addresses, with priority 254 instead of 255."
            .to_owned();
    }
    if base.is_owner() {
        return "Its priority is 255: it owns the addresses, and tracking does not change that."
            .to_owned();
    }
    if one.priority_parts.is_empty() {
        return format!("Its priority is {}, as configured.", one.priority);
    }
    let mut text = format!("Its priority is {}: {base} configured", one.priority);
    for part in &one.priority_parts {
        let ((state, _), effect) = (part_state(part), effect(part));
        let _ = write!(text, "; {} is {state}: {effect}", object(part));
    }
    if one.total() != i32::from(one.priority.0) {
        let _ = write!(text, "; the sum {} is limited to 1-254", one.total());
    }
    text.push('.');
    text
}

fn addresses(case: &Case<'_>) -> String {
    let one = case.one;
    if one.state != VrrpState::Master {
        return String::new();
    }
    let Installed { set, total } = one.installed();
    match total.saturating_sub(set) {
        0 => format!("All of its {total} addresses, routes and rules are set."),
        lacking => format!("{lacking} of its {total} addresses, routes and rules are not set."),
    }
}

fn adverts(case: &Case<'_>) -> String {
    let counters = &case.one.counters;
    let source = case
        .one
        .source
        .map_or(String::new(), |source| format!(" It sends from {source}."));
    let (sent, received, times) = (
        counters.advert_sent,
        counters.advert_rcvd,
        counters.become_master,
    );
    format!(
        "Since the start: {sent} adverts sent, {received} received, {times} times MASTER.{source}"
    )
}

// ---- groups and tracked objects ----

fn others(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if style.names.is_empty() {
        if snapshot.totals.states == [0; 4] {
            out.text.push_str("There is no vrrp_instance.\n");
        }
        return;
    }
    for one in wanted(&snapshot.groups, style, |one| &one.conf.name) {
        title(
            out,
            style,
            &format!("Sync group {} is {}.", one.conf.name, one.state),
        );
        let mut text = String::from("Its members are MASTER together or not at all:");
        for (nth, member) in one.members.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            let _ = write!(text, "{comma} {} is {}", member.name, member.state);
        }
        text.push('.');
        if one.state == VrrpState::Fault {
            text.push_str(
                " One that cannot run keeps all in FAULT; `vrrpd explain` of a member says which.",
            );
        }
        say(out, style, &text);
    }
    scripts(snapshot, style, out);
    files_and_processes(snapshot, style, out);
}

fn scripts(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for one in wanted(&snapshot.scripts, style, |one| &one.conf.name) {
        let (conf, (state, _)) = (one.conf, state_of(one.up));
        title(
            out,
            style,
            &format!("Script {} is {state}: it {}.", conf.name, one.last),
        );
        let text = format!(
            "It runs every {}, for {} at most. It goes down after failing {} and up after succeeding {} in a row.",
            Exact(conf.interval),
            Exact(conf.timeout),
            times(conf.fall),
            times(conf.rise),
        );
        say(out, style, &text);
    }
}

fn files_and_processes(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    for one in wanted(&snapshot.files, style, |one| &one.conf.name) {
        let value = one
            .value
            .map_or("unknown".to_owned(), |value| value.to_string());
        let (name, path) = (&one.conf.name, &one.conf.path);
        title(
            out,
            style,
            &format!("The number in file {name} ({path}) is {value}."),
        );
    }
    for one in wanted(&snapshot.processes, style, |one| &one.conf.name) {
        let (conf, (state, _)) = (one.conf, state_of(one.up));
        let required = problems::required(conf.quorum, conf.quorum_max);
        let text = format!(
            "Process {} is {state}: {} running, {required}.",
            conf.name, one.count
        );
        title(out, style, &text);
        if one.timer {
            say(
                out,
                style,
                "A change waits for fork_delay or terminate_delay.",
            );
        }
    }
}

/// `once`, `3 times`.
fn times(number: u32) -> String {
    match number {
        1 => "once".to_owned(),
        _ => format!("{number} times"),
    }
}

/// The instances that track a named object.
fn trackers(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if style.names.is_empty() {
        return;
    }
    for one in &snapshot.instances {
        let parts = wanted(&one.priority_parts, style, |part| part.name);
        for part in parts.filter(|part| part.kind() != TrackerKind::Interface) {
            let (name, object, effect) = (&one.conf.name, object(part), effect(part));
            say(out, style, &format!("{name} tracks {object}: {effect}."));
        }
    }
}

// ---- virtual servers ----

#[cfg(feature = "lvs")]
fn services(snapshot: &Snapshot<'_>, style: &Style, out: &mut Output) {
    if style.names.is_empty() {
        return;
    }
    for one in wanted(&snapshot.services, style, |one| &one.conf.name) {
        let (conf, weight) = (one.conf, one.weight);
        let (quorum, margin) = (conf.quorum, conf.hysteresis);
        let (state, relation) = match one.quorum {
            true => ("UP", "has"),
            false => ("DOWN", "lacks"),
        };
        let name = &conf.name;
        title(
            out,
            style,
            &format!(
                "Virtual server {name} is {state}: it {relation} its quorum of {quorum} with weight {weight}."
            ),
        );
        let (lost, gained) = (quorum.saturating_sub(margin), quorum.saturating_add(margin));
        let sorry = match (&conf.sorry_server, one.sorry) {
            (Some(sorry), true) => format!(" The sorry server {} answers.", sorry.addr),
            (Some(sorry), false) => format!(" Then the sorry server {} answers.", sorry.addr),
            (None, _) => String::new(),
        };
        say(
            out,
            style,
            &match one.quorum {
                true => format!("It loses it below a weight of {lost}.{sorry}"),
                false => format!("It regains it at a weight of {gained}.{sorry}"),
            },
        );
        if one.suspended {
            say(
                out,
                style,
                "Its checks are suspended while this host does not have its address (ha_suspend).",
            );
        }
        for server in &one.servers {
            let name = super::status::server_name(conf, server.conf);
            let state = if server.up { "UP" } else { "DOWN" };
            let detail = super::status::checks(server);
            let weight = server.weight;
            say(
                out,
                style,
                &format!("{name} is {state}, weight {weight}: {detail}."),
            );
        }
    }
}
