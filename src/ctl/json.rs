//! `keepalived.json`: version 1 is a list of instances, version 2 an object.
//!
//! Not written with serde: some numbers are seconds with decimals, which serde supports as floats
//! only, and half of the fields are omitted when they are empty. Names, order and types of the
//! fields are keepalived's.

use super::clock::Short;
use super::instance::number;
use super::json_writer::Json;
use super::lines::Quoted;
use super::tracked::{TrackerKind, match_word};
use super::{Clock, InstallStatus, Instance, ManagedItem, Process, SECRET, Snapshot};
use crate::config::model::{Auth, Command, Track, Tracked};
use crate::types::VrrpCounters;

/// `json_version`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum JsonVersion {
    /// A list of instances.
    List,
    /// An object with more than instances.
    Object,
}

/// Instances; in version 2 also tracked processes and virtual servers. Ends with a newline.
#[must_use]
pub fn json(snapshot: &Snapshot<'_>, version: JsonVersion) -> String {
    let mut out = Json::default();
    match version {
        JsonVersion::List => instances(&mut out, snapshot),
        JsonVersion::Object => out.object(|out| {
            out.key("vrrp");
            instances(out, snapshot);
            out.key("track_process");
            out.list(&snapshot.processes, |out, process| {
                one_process(out, process, snapshot)
            });
            #[cfg(feature = "lvs")]
            if !snapshot.services.is_empty() {
                out.key("virtual_servers");
                out.list(&snapshot.services, super::lvs_json::json);
            }
        }),
    }
    out.text.push('\n');
    out.text
}

fn instances(out: &mut Json, snapshot: &Snapshot<'_>) {
    out.list(&snapshot.instances, |out, instance| {
        out.object(|out| {
            out.key("data");
            out.object(|out| data(out, instance, snapshot));
            out.key("stats");
            out.object(|out| stats(out, &instance.counters));
        });
    });
}

fn data(out: &mut Json, instance: &Instance<'_>, snapshot: &Snapshot<'_>) {
    let conf = instance.conf;
    let garp = &conf.garp;
    out.string("iname", &conf.name);
    out.number("dont_track_primary", &u8::from(!conf.track_primary));
    out.number("skip_check_adv_addr", &u8::from(conf.skip_check_adv_addr));
    out.number("strict_mode", &u8::from(conf.strict));
    let vmac = conf.vmac().map(|vmac| vmac.name.as_str());
    out.string("vmac_ifname", &vmac.unwrap_or_default());
    out.string("ifp_ifname", &vmac.unwrap_or(conf.interface.as_str()));
    let master = instance.master.map_or(0, |master| master.priority.0);
    out.number("master_priority", &master);
    match instance.last_transition {
        Some(transition) => {
            let at = snapshot.clock.at(transition.at);
            out.number("last_transition", &at.epoch());
        }
        None => out.number("last_transition", &0),
    }
    out.number("garp_delay", &garp.delay.as_secs());
    out.number("garp_refresh", &garp.refresh.as_secs());
    out.number("garp_rep", &garp.repeat);
    out.number("garp_refresh_rep", &garp.refresh_repeat);
    out.number("garp_lower_prio_delay", &garp.lower_prio_delay.as_secs());
    out.number("garp_lower_prio_rep", &garp.lower_prio_repeat);
    out.number("lower_prio_no_advert", &u8::from(conf.lower_prio_no_advert));
    let higher_prio = u8::from(conf.higher_prio_send_advert);
    out.number("higher_prio_send_advert", &higher_prio);
    out.number("vrid", &conf.vrid);
    out.number("base_priority", &conf.priority);
    out.number("effective_priority", &instance.priority);
    let all = instance.vips.iter().chain(&instance.excluded);
    out.number(
        "vipset",
        &all.into_iter()
            .any(|item| item.status == InstallStatus::Installed),
    );
    out.number("promote_secondaries", &conf.promote_secondaries);
    let master_interval = instance
        .master
        .map_or(conf.advert_int, |master| master.interval);
    out.number("adver_int", &Short(conf.advert_int.duration()));
    out.number("master_adver_int", &Short(master_interval.duration()));
    out.number("accept", &u8::from(conf.accept));
    out.number("nopreempt", &conf.nopreempt);
    out.number("preempt_delay", &conf.preempt_delay.as_secs());
    out.number("state", &instance.shown_state().number());
    out.number("wantstate", &instance.wanted().number());
    out.number("version", &number(conf.version));
    notify(out, instance);
    lists(out, instance, snapshot);
    let (auth, secret) = match &conf.auth {
        Auth::None => (0, false),
        Auth::Pass(_) => (1, true),
        Auth::Ah(_) => (2, true),
        // keepalived's number for no authentication: HMAC is not an authentication type of VRRP.
        Auth::Hmac(_) => (0, true),
    };
    out.number("auth_type", &auth);
    if secret {
        out.string("auth_data", &SECRET);
    }
    ours(out, instance, &snapshot.clock);
}

fn notify(out: &mut Json, instance: &Instance<'_>) {
    let notify = &instance.conf.notify;
    out.number("smtp_alert", &notify.smtp_alert);
    let deleted = notify.report_deleted || notify.deleted.is_some();
    out.number("notify_deleted", &deleted);
    for (name, command) in [
        ("script_backup", &notify.backup),
        ("script_master", &notify.master),
        ("script_fault", &notify.fault),
        ("script_stop", &notify.stop),
        ("script_deleted", &notify.deleted),
        ("script", &notify.any),
        ("script_master_rx_lower_pri", &notify.master_rx_lower_pri),
    ] {
        if let Some(command) = command {
            out.string(name, &Quoted(command));
        }
    }
}

fn lists(out: &mut Json, instance: &Instance<'_>, snapshot: &Snapshot<'_>) {
    out.strings("vips", &instance.vips);
    out.strings("evips", &instance.excluded);
    out.strings("vroutes", &instance.routes);
    out.strings("vrules", &instance.rules);
    for (name, kind) in [
        ("track_ifp", TrackerKind::Interface),
        ("track_script", TrackerKind::Script),
        ("track_process", TrackerKind::Process),
    ] {
        let parts = instance
            .priority_parts
            .iter()
            .filter(|part| part.kind() == kind);
        let words: Vec<String> = parts
            .map(|part| match part.track.object {
                Tracked::Script(at) => command(snapshot, at).map_or(String::new(), quoted),
                Tracked::Interface(_) | Tracked::File(_) | Tracked::Process(_) => {
                    part.name.to_owned()
                }
            })
            .collect();
        out.strings(name, &words);
    }
}

fn command<'a>(snapshot: &Snapshot<'a>, script: usize) -> Option<&'a Command> {
    snapshot
        .scripts
        .get(script)
        .map(|script| &script.conf.command)
}

fn quoted(command: &Command) -> String {
    Quoted(command).to_string()
}

/// Fields that keepalived does not have.
fn ours(out: &mut Json, instance: &Instance<'_>, clock: &Clock) {
    if let Some(maintenance) = &instance.maintenance {
        out.key("maintenance");
        out.object(|out| {
            out.number("since", &clock.at(maintenance.since).epoch());
            if let Some(until) = maintenance.until {
                out.number("until", &clock.at(until).epoch());
            }
            out.string("reason", &maintenance.reason);
        });
    }
    if let Some(transition) = instance.last_transition {
        out.string("transition_reason", &transition.reason);
    }
    if let Some(missing) = &instance.missing {
        out.string("missing", &missing.kind);
        out.string("missing_detail", &missing.detail);
    }
    if let Some(master) = instance.master {
        out.string("master_router", &master.addr);
    }
    if let Some(source) = instance.source {
        out.string("source", &source);
    }
    out.number("total_priority", &instance.total());
    if !instance.priority_parts.is_empty() {
        out.key("priority_parts");
        out.list(&instance.priority_parts, |out, part| {
            out.object(|out| {
                out.string("name", &part.name);
                out.number("weight", &part.track.weight);
                match part.up {
                    Some(up) => out.number("up", &up),
                    None => out.number("up", &"null"),
                }
                out.number("adds", &part.adds);
            });
        });
    }
    let addresses = refused(&instance.vips) + refused(&instance.excluded);
    let routes = refused(&instance.routes) + refused(&instance.rules);
    for (name, count) in [("refused_addresses", addresses), ("refused_routes", routes)] {
        if count > 0 {
            out.number(name, &count);
        }
    }
}

fn refused<T>(items: &[ManagedItem<'_, T>]) -> usize {
    let refused = |item: &&ManagedItem<'_, T>| matches!(item.status, InstallStatus::Refused(_));
    items.iter().filter(refused).count()
}

fn stats(out: &mut Json, counters: &VrrpCounters) {
    for (name, count) in [
        ("advert_rcvd", counters.advert_rcvd),
        ("advert_sent", counters.advert_sent),
        ("become_master", counters.become_master),
        ("release_master", counters.release_master),
        ("packet_len_err", counters.errors.packet_len_err),
        ("advert_interval_err", counters.errors.advert_interval_err),
        ("ip_ttl_err", counters.errors.ip_ttl_err),
        ("invalid_type_rcvd", counters.errors.invalid_type_rcvd),
        ("addr_list_err", counters.errors.addr_list_err),
        ("invalid_authtype", counters.errors.invalid_authtype),
        ("authtype_mismatch", counters.errors.authtype_mismatch),
        ("auth_failure", counters.errors.auth_failure),
        ("auth_ext_missing", counters.errors.auth_ext_missing),
        ("auth_ext_malformed", counters.errors.auth_ext_malformed),
        ("auth_ext_unknown_key", counters.errors.auth_ext_unknown_key),
        ("auth_ext_invalid_hmac", counters.errors.auth_ext_failure),
        ("auth_ext_stale", counters.errors.auth_ext_stale),
        ("auth_ext_replay", counters.errors.auth_ext_replay),
        ("pri_zero_rcvd", counters.pri_zero_rcvd),
        ("pri_zero_sent", counters.pri_zero_sent),
        ("other_rejected", counters.errors.other_rejected),
    ] {
        out.number(name, &count);
    }
}

fn one_process(out: &mut Json, process: &Process<'_>, snapshot: &Snapshot<'_>) {
    let conf = process.conf;
    let same = |at: usize| {
        snapshot
            .processes
            .get(at)
            .is_some_and(|other| core::ptr::eq(other.conf, conf))
    };
    out.object(|out| {
        // keepalived's field for the name of the block.
        out.string("process", &conf.name);
        out.string("process_name", &conf.process);
        if let Some(params) = &conf.params {
            out.string("parameters", &params.join(" "));
        }
        out.string("param_match", &match_word(conf));
        out.number("min_processes", &conf.quorum);
        if let Some(most) = conf.quorum_max {
            out.number("max_processes", &most);
        }
        out.number("current_processes", &process.count);
        out.number("have_quorum", &process.up.unwrap_or(false));
        let is_same = |track: &&Track| matches!(track.object, Tracked::Process(at) if same(at));
        let trackers = snapshot.instances.iter().filter_map(|instance| {
            let track = instance.conf.tracks.iter().find(is_same)?;
            Some((&instance.conf.name, track))
        });
        let first = trackers.clone().next().map(|(_, track)| track);
        let names: Vec<&String> = trackers.map(|(name, _)| name).collect();
        out.strings("tracking_instances", &names);
        // keepalived shows `reverse` as a sign.
        let weight = first.map_or(0, |track| match track.reverse {
            true => track.weight.saturating_neg(),
            false => track.weight,
        });
        out.number("weight", &weight);
        out.number("terminate_delay", &Short(conf.terminate_delay));
        out.number("fork_delay", &Short(conf.fork_delay));
        out.number("fork_delay_timer_running", &process.timer);
        out.number("terminate_delay_timer_running", &process.timer);
        out.number("full_command", &conf.full_command);
    });
}
