//! What the log says about an instance.

use core::fmt;
use core::net::IpAddr;

use log::Level;

use crate::config::model::{Auth, HmacMode, Tracked};
use crate::ctl::{Peer, StateChange};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Events, Object, Report};
use crate::engine::instance::auth;
use crate::engine::instance::router::Router;
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::repair_limit::is_logged;
use crate::engine::kernel::{addresses, routes};
use crate::engine::shared::Shared;
use crate::log;
use crate::types::{Instant, MasterInfo, Priority, VrrpState};
use crate::vrrp::{Notice, Reason, Reject};

/// Addresses listed in one message at most.
const LISTED_ADDRESSES: usize = 4;

/// Reports that the effective priority has changed, which was `from`.
pub(crate) fn report_priority(cx: &Cx<'_>, router: &Router, shared: &Shared, from: Priority) {
    let (conf, to) = (&router.conf, router.reported_priority);
    let sum = shared
        .tracking
        .explain_sum(conf.priority, &conf.tracks, &shared.interfaces);
    let report = Report {
        priority: Some(to),
        ..Report::new(Level::Info, EventKind::Priority, router.object())
    };
    cx.report(
        &report,
        format_args!("Changing effective priority from {from} to {to}: {sum}"),
    );
}

/// A change of state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transition<'a> {
    pub(crate) from: VrrpState,
    pub(crate) to: VrrpState,
    pub(crate) why: Reason,
    /// `why` as of [`Engine::explain`].
    pub(crate) text: &'a str,
    /// The master it is about.
    pub(crate) master: Option<MasterInfo>,
    /// Changes before it that were too many to be logged; `None`: so is this one.
    pub(crate) suppressed: Option<u32>,
    /// It is one of many: others may be the cause.
    pub(crate) is_minor: bool,
}

/// Reports a change of state. The log has keepalived's phrases before the reason; the advert that
/// ends a mastership is a line of its own there.
pub(crate) fn report_transition(cx: &Cx<'_>, router: &Router, change: &Transition<'_>) {
    let name = &router.conf.name;
    let Transition {
        from,
        to,
        why,
        text,
        master,
        suppressed,
        is_minor,
    } = *change;
    if let Some(suppressed @ 1..) = suppressed {
        log::warn!(target: "vrrp", "({name}) {suppressed} changes of state were not logged");
    }
    let level = match to {
        VrrpState::Fault => Level::Warn,
        VrrpState::Init | VrrpState::Backup | VrrpState::Master => Level::Info,
    };
    let phrase = match to {
        VrrpState::Init => "Stopped",
        VrrpState::Fault => "Entering FAULT STATE",
        VrrpState::Backup if from == VrrpState::Init => "Entering BACKUP STATE (init)",
        VrrpState::Backup => "Entering BACKUP STATE",
        VrrpState::Master => "Entering MASTER STATE",
    };
    let is_advert = is_of_advert(why, master);
    let report = Report {
        level: suppressed.map(|_| level),
        is_minor,
        phrase: if is_advert { "" } else { phrase },
        change: Some(StateChange { from, to }),
        reason: why.as_str(),
        peer: master.map(|MasterInfo { addr, priority, .. }| Peer {
            addr,
            priority: Some(priority),
        }),
        priority: Some(router.machine.effective_priority()),
        ..Report::new(level, EventKind::Transition, router.object())
    };
    let is_takeover = matches!(
        why,
        Reason::MasterDown | Reason::MasterResigned | Reason::Preempt
    );
    if is_takeover && suppressed.is_some() {
        log::debug!(target: "vrrp", "({name}) Receive advertisement timeout");
    }
    cx.report(&report, format_args!("{text}"));
    if suppressed.is_none() {
        return;
    }
    if is_advert {
        log::info!(target: "vrrp", "({name}) {phrase}");
    }
    log_vips(router, from, to);
}

/// Logs in keepalived's words what follows from a change of state.
fn log_vips(router: &Router, from: VrrpState, to: VrrpState) {
    let name = &router.conf.name;
    let verb = match (from, to) {
        (_, VrrpState::Master) => "setting",
        (VrrpState::Master, _) => "removing",
        _ => return,
    };
    let (vips, all) = (router.conf.vip_count(), router.addresses.len());
    for (what, count) in [
        ("VIPs.", vips),
        ("E-VIPs.", all.saturating_sub(vips)),
        ("Virtual Routes", router.routes.routes().count()),
        ("Virtual Rules", router.routes.rules().count()),
    ] {
        if count > 0 {
            log::debug!(target: "vrrp", "({name}) {verb} {what}");
        }
    }
}

/// Whether an advert that was received is the reason of a change.
fn is_of_advert(why: Reason, master: Option<MasterInfo>) -> bool {
    matches!(why, Reason::HigherPriority | Reason::HigherAddress) && master.is_some()
}

/// keepalived's words for an advert that ends a mastership.
fn explain_advert(router: &Router, why: Reason, master: MasterInfo) -> String {
    let (own, from) = (router.machine.effective_priority(), master.addr);
    if why == Reason::HigherAddress {
        return format!(
            "Master received advert from {from} with same priority {own} but higher IP address than ours"
        );
    }
    let theirs = master.priority;
    format!("Master received advert from {from} with higher priority {theirs}, ours {own}")
}

impl Engine {
    /// The reason for a state as a clause with names and numbers. `master`: the master it is about.
    pub(crate) fn explain(
        &self,
        router: &Router,
        why: Reason,
        master: Option<MasterInfo>,
    ) -> String {
        let conf = &router.conf;
        let Shared {
            tracking,
            interfaces,
            ..
        } = &self.shared;
        match why {
            Reason::MasterDown | Reason::Preempt => explain_takeover(router, why, master),
            Reason::HigherPriority | Reason::HigherAddress => match (why, master) {
                (_, Some(master)) => explain_advert(router, why, master),
                (Reason::HigherPriority, None) => "a router with higher priority is master".into(),
                (_, None) => "a router with our priority and a higher address is master".into(),
            },
            Reason::Startup => format!(
                "start with priority {}",
                router.machine.effective_priority()
            ),
            Reason::MasterResigned => "the master resigned".into(),
            Reason::Resumed => {
                let ago = router.resume.silence.as_millis();
                format!("resumed after a restart, last advert {ago} ms ago")
            }
            Reason::Owner => "owner of the addresses (priority 255)".into(),
            Reason::TimerExpired => {
                "own advert timer ran later than the peers' down interval; listening first".into()
            }
            Reason::InterfaceDown => {
                format!("interface {} is down", failed_interface(router, interfaces))
            }
            Reason::InterfaceMissing => explain_missing(router, interfaces),
            Reason::NoSource => match conf.src_ip {
                Some(source) => format!("source address {source} is on no interface"),
                None => format!(
                    "{} has no {} address to send from",
                    conf.interface, conf.family
                ),
            },
            Reason::NoPeer => "unicast_peer is empty and unicast_fault_no_peer is set".into(),
            Reason::ScriptFailing | Reason::FileBad | Reason::ProcessBad => {
                tracking.explain_fault(&conf.tracks, interfaces)
            }
            Reason::CannotListen => "adverts cannot be received".into(),
            Reason::GroupMaster | Reason::GroupBackup | Reason::GroupFault => {
                self.explain_group(router, why)
            }
            Reason::StaticMissing => {
                "a static address, route or rule of its track_group is missing".into()
            }
            Reason::RemovedExternally => explain_lost(router),
            Reason::Maintenance => "handed over for maintenance".into(),
            Reason::SequenceExhausted => "AH sequence numbers are exhausted".into(),
            Reason::Recovered => "the cause of the fault is gone".into(),
            Reason::Shutdown if self.shared.stopping => "shutdown".into(),
            Reason::Shutdown => match router.replaced {
                Some(what) => format!("starts again because its {what} changed"),
                None => "no longer configured".into(),
            },
        }
    }
}

fn explain_takeover(router: &Router, why: Reason, master: Option<MasterInfo>) -> String {
    let own = router.machine.effective_priority();
    match (why, master) {
        (Reason::Preempt, Some(master)) => {
            format!("master {} has lower priority than {own}", master.addr)
        }
        (Reason::Preempt, None) => format!("the master has lower priority than {own}"),
        (_, Some(MasterInfo { addr, priority, .. })) => {
            format!("no advert from master {addr} (priority {priority})")
        }
        (_, None) => "no advert from any master".into(),
    }
}

/// A virtual interface if that is what is missing, and not the one below.
fn explain_missing(router: &Router, interfaces: &Interfaces) -> String {
    let vmac = router.failed_vmac();
    match vmac.filter(|vmac| interfaces.by_name(&vmac.conf.base).is_some()) {
        Some(vmac) => vmac.problem(),
        None => {
            let name = failed_interface(router, interfaces);
            format!("interface {name} does not exist")
        }
    }
}

/// The object that another program removes again and again, for the log.
fn explain_lost(router: &Router) -> String {
    let (addresses, routes) = (&router.addresses.repairs, &router.routes.repairs);
    let (limit, what) = if let Some(vmac) = router.held_vmac() {
        let name = &vmac.conf.name;
        (&vmac.repairs, Some(format!("VMAC interface {name}")))
    } else if addresses.is_held() {
        let address = router.addresses.get(addresses.contested());
        (addresses, address.map(|address| address.cidr.to_string()))
    } else {
        (routes, router.routes.text(routes.contested()))
    };
    let (what, lost) = (what.unwrap_or_default(), limit.lost());
    format!(
        "{what} was removed externally again after {} repairs in {} ms; next attempt in {} s",
        lost.repairs, lost.millis, lost.hold
    )
}

/// The first interface the instance depends on that is missing or down.
fn failed_interface<'a>(router: &'a Router, interfaces: &Interfaces) -> &'a str {
    let conf = &router.conf;
    let tracked = conf.tracks.iter().filter_map(|track| match &track.object {
        Tracked::Interface(name) => Some(name),
        Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => None,
    });
    let of_addresses = router.addresses.iter().map(|address| &address.dev);
    let of_objects = of_addresses
        .chain(router.routes.tracked())
        .map(|dev| router.physical(dev));
    let mut all = conf
        .own_interface()
        .into_iter()
        .chain(tracked)
        .chain(of_objects);
    let up = |name| interfaces.by_name(name).is_some_and(Interface::is_up);
    all.find(|name| !up(name))
        .unwrap_or(&conf.interface)
        .as_str()
}

/// Logs that a master resigned, unless too much was logged just now. `state`: ours before.
pub(crate) fn log_priority_zero(router: &mut Router, now: Instant, state: VrrpState) {
    if log::log_enabled!(Level::Debug) && router.notices.allow(now).is_some() {
        let name = &router.conf.name;
        let what = match state {
            VrrpState::Master => "Master received priority 0 message",
            VrrpState::Init | VrrpState::Backup | VrrpState::Fault => {
                "Backup received priority 0 advertisement"
            }
        };
        log::debug!(target: "vrrp", "({name}) {what}");
    }
}

/// Reports a notice of the protocol machine, unless too many were reported just now. Returns whether
/// the caller is to do it instead: what holds an instance back is known to its sync group.
pub(crate) fn report_notice(cx: &Cx<'_>, router: &mut Router, notice: Notice) -> bool {
    let Some(suppressed) = router.notices.allow(cx.now) else {
        return false;
    };
    let router = &*router;
    if suppressed > 0 {
        let name = &router.conf.name;
        log::warn!(target: "vrrp", "({name}) {suppressed} similar messages suppressed");
    }
    let level = match notice {
        Notice::HeldByGroup => return true,
        Notice::IntervalAdopted { .. }
        | Notice::LowerPriorityMaster { .. }
        | Notice::Accepted { .. } => Level::Info,
        Notice::SameAddress { .. }
        | Notice::SilenceWithLoss
        | Notice::NoMasterInMaintenance
        | Notice::TwoOwners { .. }
        | Notice::Rejected { .. }
        | Notice::Tolerated { .. }
        | Notice::AddressesDiffer { .. } => Level::Warn,
    };
    let kind = match notice.from() {
        Some(_) => EventKind::Peer,
        None => EventKind::Notice,
    };
    let report = Report {
        reason: notice.as_str(),
        peer: notice.from().map(|addr| Peer {
            addr,
            priority: notice.priority(),
        }),
        priority: Some(router.machine.effective_priority()),
        ..Report::new(level, kind, router.object())
    };
    cx.report(&report, format_args!("{}", notice_text(router, notice)));
    false
}

/// A notice in words.
pub(crate) fn notice_text(router: &Router, notice: Notice) -> String {
    let conf = &router.conf;
    match notice {
        Notice::Rejected { from, why } => {
            format!("ignoring adverts from {from}: {}", reject_text(router, why))
        }
        Notice::Accepted { from } => format!("accepting adverts from {from} again"),
        Notice::Tolerated { from, error } => format!(
            "adverts from {from} would be ignored without mode {}: {}",
            match &conf.auth {
                Auth::Hmac(hmac) if hmac.mode == HmacMode::ReceiveOnly => "receive-only",
                Auth::None | Auth::Pass(_) | Auth::Ah(_) | Auth::Hmac(_) => "permissive",
            },
            auth::signature_error_text(error)
        ),
        Notice::AddressesDiffer { from } => format!(
            "{from} advertises other addresses than ours ({}); accepted, but check \
             virtual_ipaddress on both routers",
            list(router.vips())
        ),
        Notice::IntervalAdopted { from, theirs } => format!(
            "master {from} advertises every {theirs}, ours is {}: using the master's",
            conf.advert_int
        ),
        Notice::LowerPriorityMaster { from, priority } => format!(
            "Received advert from {from} with lower priority {priority}, ours {}, \
             forcing new election",
            router.machine.effective_priority()
        ),
        Notice::SameAddress { from } => format!(
            "{from} sends adverts with our own priority and address: is the same \
             address configured on two routers?"
        ),
        Notice::SilenceWithLoss => "no advert within the down interval, but the receive buffer \
                                    overflowed; listening for one more before taking over"
            .into(),
        Notice::NoMasterInMaintenance => format!(
            "Maintenance: no other router has taken over, so none has the addresses; \
             `vrrpd promote {}` ends maintenance",
            conf.name
        ),
        Notice::HeldByGroup => "held back by its sync group".into(),
        Notice::TwoOwners { from } => format!(
            "{from} also claims to own the addresses (priority 255): only one router \
             may have priority 255"
        ),
    }
}

fn reject_text(router: &Router, why: Reject) -> String {
    let conf = &router.conf;
    match why {
        Reject::Ttl(255) => "TTL 255 is not within `min_ttl` and `max_ttl` of the peer".to_owned(),
        Reject::Ttl(ttl) => format!("TTL {ttl} instead of 255, so a router forwarded them"),
        Reject::Version(theirs) => format!("VRRP {theirs}, ours {}", conf.version),
        Reject::AuthType | Reject::AuthFailed | Reject::Replay | Reject::Signature(_) => {
            auth::reject_text(conf, why).into()
        }
        Reject::Interval(theirs) => format!(
            "advert_int {theirs} instead of {}; version 2 requires equal values",
            conf.advert_int
        ),
        Reject::Transport => "multicast where unicast is configured, or the reverse".into(),
        Reject::OffLink => format!(
            "with authentication, adverts must come from a network of {0} or from a unicast_peer: they may be repeated from \
             another network; if this router is on the link, give {0} an address of its network, or write its prefix \
             length at an address of virtual_ipaddress",
            conf.interface.or_any()
        ),
        Reject::OtherAddresses => {
            "with authentication, adverts must have one of our addresses: they may be repeated from another network; to \
             replace all addresses, add the new ones on all routers before the old ones are removed"
                .into()
        }
        Reject::Source => "not listed in unicast_peer, or outside its TTL bounds".into(),
    }
}

fn list(addresses: &[IpAddr]) -> String {
    let mut text = String::new();
    for (nth, address) in addresses.iter().take(LISTED_ADDRESSES).enumerate() {
        let comma = if nth == 0 { "" } else { ", " };
        text.push_str(&format!("{comma}{address}"));
    }
    if addresses.len() > LISTED_ADDRESSES {
        text.push_str(&format!(", … {} in total", addresses.len()));
    }
    text
}

/// Reports what an attempt to set addresses has changed, in one line at most.
pub(crate) fn report_addresses(
    events: &Events,
    now: Instant,
    object: Object<'_>,
    outcome: &addresses::Outcome,
) {
    if let Some((cidr, dev)) = &outcome.first_foreign {
        events.note(
            now,
            Level::Warn,
            EventKind::Foreign,
            object,
            format_args!(
                "{dev} has {cidr}{} already, from another program: it stays there in state BACKUP too, so that two \
                 routers answer for it; write another virtual address, or remove it from the configuration of {dev}",
                and_more(outcome.foreign)
            ),
        );
    }
    if let Some(first) = outcome.first_restored {
        report_restored(
            events,
            now,
            object,
            &first,
            outcome.restored,
            outcome.repairs,
        );
    }
    if outcome.report {
        let first = outcome.first_refused.as_deref();
        report_refused(events, now, object, outcome.refused, first, "addresses");
    }
}

/// Reports what an attempt to set routes and rules has changed, in one line at most.
pub(crate) fn report_routes(cx: &Cx<'_>, object: Object<'_>, outcome: &routes::Outcome) {
    let (events, now) = (&cx.events, cx.now);
    if let Some(first) = &outcome.first_restored {
        report_restored(
            events,
            now,
            object,
            first,
            outcome.restored,
            outcome.repairs,
        );
    }
    if outcome.report {
        let first = outcome.first_refused.as_deref();
        report_refused(
            events,
            now,
            object,
            outcome.refused,
            first,
            "routes and rules",
        );
    }
}

/// Reports how many are refused, and why the first, or that none is. `what`: `addresses`.
fn report_refused(
    events: &Events,
    now: Instant,
    object: Object<'_>,
    refused: usize,
    first: Option<&str>,
    what: &str,
) {
    let first = first.unwrap_or("unknown reason");
    match refused {
        0 => events.note(
            now,
            Level::Info,
            EventKind::Recovered,
            object,
            format_args!("all {what} are installed now"),
        ),
        _ => events.note(
            now,
            Level::Error,
            EventKind::Refused,
            object,
            format_args!("{first}{}; retrying", and_more(refused)),
        ),
    }
}

/// Reports that what another program has removed was set again. `repairs`: in a row, with this one.
pub(crate) fn report_restored(
    events: &Events,
    now: Instant,
    object: Object<'_>,
    first: &dyn fmt::Display,
    count: usize,
    repairs: u32,
) {
    if !is_logged(repairs) {
        return;
    }
    let (more, times) = (
        and_more(count),
        match repairs {
            1 => String::new(),
            _ => format!(" ({repairs} times in a row)"),
        },
    );
    events.note(
        now,
        Level::Warn,
        EventKind::Repair,
        object,
        format_args!("{first}{more} was removed externally; reinstalled{times}"),
    );
}

/// What follows the first of `count` objects in a message.
fn and_more(count: usize) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}
