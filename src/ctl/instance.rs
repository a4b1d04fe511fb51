//! One instance in the state dump. Labels and order are keepalived's, except those of `ours`.
//!
//! One deviation in order: a common exporter takes the first line without `=` for the end of the
//! instance, so everything it reads precedes such lines.

use core::fmt;

use super::clock::Short;
use super::lines::Escaped;
use super::notify::notify;
use super::page::{Page, enabled, yes};
use super::{Instance, Missing, SECRET, Snapshot, tracked};
use crate::config::model::{Auth, Transport, VmacRole};
use crate::types::{Centis, Family, IfName, Version, VrrpState};

pub(super) fn show(page: &mut Page, instance: &Instance<'_>, snapshot: &Snapshot<'_>) {
    page.title("VRRP Instance", &Escaped(&instance.conf.name));
    state(page, instance, snapshot);
    interface(page, instance);
    announcements(page, instance);
    election(page, instance);
    transport(page, instance);
    addresses(page, instance);
    tracked::of_instance(page, instance);
    ours(page, instance);
    notify(page, &instance.conf.notify);
}

fn state(page: &mut Page, instance: &Instance<'_>, snapshot: &Snapshot<'_>) {
    let conf = instance.conf;
    let clock = &snapshot.clock;
    page.pair("VRRP Version", &number(conf.version));
    if let Some(group) = conf.sync_group.and_then(|at| snapshot.groups.get(at.0)) {
        page.pair("Sync group", &Escaped(&group.conf.name));
    }
    page.pair("State", &instance.shown_state());
    if let Some(master) = instance.master {
        page.pair("Master router", &master.addr);
        page.pair("Master priority", &master.priority);
        if conf.version == Version::V3 {
            let Centis(interval) = master.interval;
            let text = format_args!("{}.{:02} sec", interval / 100, interval % 100);
            page.pair("Master advert int", &text);
        }
    } else if instance.state == VrrpState::Backup {
        let none = match conf.family {
            Family::V4 => "0.0.0.0",
            Family::V6 => "::",
        };
        page.pair("Master router", &none);
        page.pair("Master priority", &0);
    }
    page.pair("Wantstate", &instance.wanted());
    // An instance with errors in its configuration does not run.
    page.pair("Number of config faults", &0);
    let missing = u8::from(instance.missing.is_some());
    page.pair("Number of interface and track script faults", &missing);
    let scripts = instance.priority_parts.iter();
    let scripts = scripts.filter(|part| part.kind() == tracked::TrackerKind::Script);
    let unknown = scripts.filter(|part| part.up.is_none());
    page.pair("Number of track scripts init", &unknown.count());
    match instance.last_transition {
        Some(transition) => {
            page.pair("Last transition", &clock.at(transition.at));
            page.pair("Transition reason", &transition.reason);
        }
        None => page.pair("Last transition", &"0.000000 (never)"),
    }
    if let Some(Missing { kind, detail }) = &instance.missing {
        page.pair("Missing", &format_args!("{kind} ({})", Escaped(detail)));
    }
    if let Some(maintenance) = &instance.maintenance {
        page.pair("Maintenance since", &clock.at(maintenance.since));
        match maintenance.until {
            Some(at) => page.pair("Maintenance until", &clock.at(at)),
            None => page.pair("Maintenance until", &"promoted"),
        }
        page.pair("Maintenance reason", &Escaped(maintenance.reason));
    }
    match instance.deadline {
        Some(at) => page.pair("Read timeout", &clock.at(at)),
        None => page.pair("Read timeout", &"DISABLED"),
    }
    let down = instance.down_interval.as_micros();
    page.pair("Master down timer", &format_args!("{down} usecs"));
}

fn interface(page: &mut Page, instance: &Instance<'_>) {
    let conf = instance.conf;
    match conf.vmac() {
        Some(vmac) => {
            let (name, base) = (&vmac.name, vmac.role == VmacRole::XmitBase);
            let text = format_args!("Use VMAC, i/f name {name}, xmit_base = {base}");
            page.line(&text);
            page.pair(
                "Interface",
                &format_args!("{name}, vmac on {}", conf.interface),
            );
        }
        None => page.pair("Interface", &conf.interface.or_any()),
    }
    let configured = if conf.src_ip.is_some() {
        " (from configuration)"
    } else {
        ""
    };
    match instance.source {
        Some(source) => page.pair("Using src_ip", &format_args!("{source}{configured}")),
        None => page.pair("Using src_ip", &"(none)"),
    }
}

fn announcements(page: &mut Page, instance: &Instance<'_>) {
    let conf = instance.conf;
    let garp = &conf.garp;
    page.pair("Gratuitous ARP delay", &garp.delay.as_secs());
    page.pair("Gratuitous ARP repeat", &garp.repeat);
    page.pair("Gratuitous ARP refresh", &garp.refresh.as_secs());
    page.pair("Gratuitous ARP refresh repeat", &garp.refresh_repeat);
    page.pair(
        "Gratuitous ARP lower priority delay",
        &garp.lower_prio_delay.as_secs(),
    );
    page.pair(
        "Gratuitous ARP lower priority repeat",
        &garp.lower_prio_repeat,
    );
    page.pair("Down timer adverts", &conf.down_timer_adverts);
    let answers = !conf.lower_prio_no_advert;
    page.pair("Send advert after receive lower priority advert", &answers);
    page.pair(
        "Send advert after receive higher priority advert",
        &conf.higher_prio_send_advert,
    );
}

fn election(page: &mut Page, instance: &Instance<'_>) {
    let conf = instance.conf;
    page.pair("Virtual Router ID", &conf.vrid);
    page.pair("Priority", &conf.priority);
    page.pair("Effective priority", &instance.priority);
    page.pair("Total priority", &instance.total());
    page.pair("Advert interval", &Interval(conf.advert_int, conf.version));
    if let Some(master) = instance.master.filter(|_| conf.version == Version::V3) {
        page.pair(
            "Master advert interval",
            &Interval(master.interval, conf.version),
        );
    }
    if instance.no_accept_missing {
        page.pair("Accept", &"disabled, but not enforced: no nftables");
    } else {
        page.pair("Accept", &enabled(conf.accept));
    }
    page.pair("Preempt", &enabled(!conf.nopreempt));
    if !conf.preempt_delay.is_zero() {
        let delay = Short(conf.preempt_delay);
        page.pair("Preempt delay", &format_args!("{delay} secs"));
    }
    page.pair("Promote_secondaries", &enabled(conf.promote_secondaries));
    if conf.version == Version::V2 {
        let (name, secret) = match &conf.auth {
            Auth::None => ("none", false),
            Auth::Pass(_) => ("SIMPLE_PASSWORD", true),
            Auth::Ah(_) => ("IPSEC_AH", true),
            Auth::Hmac(_) => ("HMAC-SHA256", true),
        };
        page.pair("Authentication type", &name);
        if secret {
            page.pair("Password", &SECRET);
        }
    }
}

/// The first lines without `=`.
fn transport(page: &mut Page, instance: &Instance<'_>) {
    let conf = instance.conf;
    match &conf.transport {
        Transport::Multicast { .. } => page.line(&"Flags: none"),
        Transport::Unicast { .. } => {
            page.line(&"Flags:");
            page.item(&"Using unicast");
        }
    }
    for (text, holds) in [
        (
            "Skip checking advert IP addresses",
            conf.skip_check_adv_addr,
        ),
        ("Using Native IPv6", conf.family == Family::V6),
        ("Enforcing strict VRRP compliance", conf.strict),
        ("VRRP interface tracking disabled", !conf.track_primary),
    ] {
        if holds {
            page.line(&text);
        }
    }
    match &conf.transport {
        Transport::Multicast { group } => page.line(&format_args!("Multicast address {group}")),
        Transport::Unicast {
            peers,
            ttl,
            check_source,
        } => {
            page.pair("Unicast TTL", ttl);
            page.line(&format_args!("Check unicast src : {}", yes(*check_source)));
            page.line(&"Unicast Peer :");
            for peer in peers {
                let (addr, min, max) = (peer.addr, peer.min_ttl, peer.max_ttl);
                page.item(&format_args!("{addr} min_ttl {min} max_ttl {max}"));
            }
            let old = yes(conf.old_unicast_checksum);
            page.pair("Unicast checksum compatibility", &old);
        }
    }
}

fn addresses(page: &mut Page, instance: &Instance<'_>) {
    let count = instance.vips.len();
    page.list(&format_args!("Virtual IP ({count}):"), &instance.vips);
    page.list(&"Virtual IP Excluded :", &instance.excluded);
    page.list(&"Virtual Routes :", &instance.routes);
    page.list(&"Virtual Rules :", &instance.rules);
}

/// Identity of the socket that receives an instance's adverts.
fn socket<'a>(instance: &Instance<'a>) -> (&'a IfName, Family, bool, bool) {
    let conf = instance.conf;
    let unicast = matches!(conf.transport, Transport::Unicast { .. });
    let with_ah = matches!(conf.auth, Auth::Ah(_));
    (&conf.interface, conf.family, with_ah, unicast)
}

/// `VRRP Sockpool`: the receive sockets and their instances.
pub(super) fn sockets(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("VRRP Sockpool");
    for (nth, instance) in snapshot.instances.iter().enumerate() {
        let key = socket(instance);
        let (interface, family, with_ah, unicast) = key;
        let mut before = snapshot.instances.iter().take(nth);
        if before.any(|other| socket(other) == key) {
            continue;
        }
        page.sentence(&"Socket");
        page.pair("Interface", interface);
        page.pair("Family", &family);
        page.pair("Protocol", &if with_ah { "AH" } else { "VRRP" });
        page.pair("Type", &if unicast { "Unicast" } else { "Multicast" });
        page.line(&"VRRP instances");
        for other in snapshot.instances.iter().skip(nth) {
            if socket(other) == key {
                let (name, vrid) = (Escaped(&other.conf.name), other.conf.vrid);
                page.item(&format_args!("{name} vrid {vrid}"));
            }
        }
    }
}

/// Lines that keepalived does not have.
fn ours(page: &mut Page, instance: &Instance<'_>) {
    if let Some(why) = &instance.send_error {
        page.pair("Adverts cannot be sent", &Escaped(why));
    }
    let others = instance.counters.errors.other_rejected;
    page.pair("Adverts discarded for other reasons", &others);
}

/// The version number.
pub(super) fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// An advertisement interval in the unit of the VRRP version.
struct Interval(Centis, Version);

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Version::V2 => write!(f, "{} sec", self.0.as_secs()),
            Version::V3 => write!(f, "{} milli-sec", self.0.duration().as_millis()),
        }
    }
}

impl Instance<'_> {
    /// The state, with keepalived's word for an instance that waits for the first result of a script.
    pub(super) fn shown_state(&self) -> VrrpState {
        match self.state {
            VrrpState::Init => VrrpState::Fault,
            VrrpState::Backup | VrrpState::Master | VrrpState::Fault => self.state,
        }
    }

    /// The wanted state: the current one, and before the start the configured `state`.
    pub(super) fn wanted(&self) -> VrrpState {
        match self.state {
            VrrpState::Init if self.conf.initial_master => VrrpState::Master,
            VrrpState::Init => VrrpState::Backup,
            VrrpState::Backup | VrrpState::Master | VrrpState::Fault => self.state,
        }
    }

    /// The configured priority and everything that tracking adds, not limited to 1–254.
    pub(super) fn total(&self) -> i32 {
        let parts = self.priority_parts.iter().map(|part| part.adds);
        parts.fold(i32::from(self.conf.priority.0), i32::saturating_add)
    }
}
