//! What the log says about an instance.

use core::fmt;
use core::net::IpAddr;

use log::Level;

use crate::config::model::{Auth, HmacMode, Tracked};
use crate::engine::Engine;
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

pub(crate) fn log_priority(router: &Router, shared: &Shared, from: Priority, to: Priority) {
    let conf = &router.conf;
    let sum = shared
        .tracking
        .explain_sum(conf.priority, &conf.tracks, &shared.interfaces);
    log::info!(
        target: "vrrp",
        "({}) Changing effective priority from {from} to {to}: {sum}",
        conf.name
    );
}

/// A change of state, for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoggedTransition<'a> {
    pub(crate) from: VrrpState,
    pub(crate) to: VrrpState,
    pub(crate) why: Reason,
    /// `why` as of [`Engine::explain`]; empty if the line before it says so.
    pub(crate) text: &'a str,
    /// The master it is about.
    pub(crate) master: Option<MasterInfo>,
    /// Changes before it that were too many to be logged.
    pub(crate) suppressed: u32,
}

/// Logs a change of state: keepalived's lines, and the reason after its phrase.
pub(crate) fn log_transition(router: &Router, change: &LoggedTransition<'_>) {
    let name = &router.conf.name;
    let LoggedTransition {
        from,
        to,
        suppressed,
        ..
    } = *change;
    if suppressed > 0 {
        log::warn!(target: "vrrp", "({name}) {suppressed} changes of state were not logged");
    }
    log_election(router, change);
    let colon = if change.text.is_empty() { "" } else { ": " };
    let why = change.text;
    let level = match to {
        VrrpState::Fault => Level::Warn,
        VrrpState::Init | VrrpState::Backup | VrrpState::Master => Level::Info,
    };
    let state = match to {
        VrrpState::Init => "Stopped",
        VrrpState::Fault => "Entering FAULT STATE",
        VrrpState::Backup if from == VrrpState::Init => "Entering BACKUP STATE (init)",
        VrrpState::Backup => "Entering BACKUP STATE",
        VrrpState::Master => "Entering MASTER STATE",
    };
    log::log!(target: "vrrp", level, "({name}) {state}{colon}{why}");
    let verb = match (from, to) {
        (_, VrrpState::Master) => "setting",
        (VrrpState::Master, _) => "removing",
        _ => return,
    };
    for (what, count) in [
        ("VIPs.", router.conf.vips.len()),
        ("E-VIPs.", router.conf.excluded_vips.len()),
        ("Virtual Routes", router.routes.routes().count()),
        ("Virtual Rules", router.routes.rules().count()),
    ] {
        if count > 0 {
            log::debug!(target: "vrrp", "({name}) {verb} {what}");
        }
    }
}

/// Logs the advert or the silence that causes a change of state, in keepalived's words.
fn log_election(router: &Router, change: &LoggedTransition<'_>) {
    let name = &router.conf.name;
    let own = router.machine.effective_priority();
    match (change.why, change.master) {
        (Reason::MasterDown | Reason::MasterResigned | Reason::Preempt, _) => {
            log::debug!(target: "vrrp", "({name}) Receive advertisement timeout");
        }
        (Reason::HigherPriority, Some(master)) => log::info!(
            target: "vrrp",
            "({name}) Master received advert from {} with higher priority {}, ours {own}",
            master.addr,
            master.priority
        ),
        (Reason::HigherAddress, Some(master)) => log::info!(
            target: "vrrp",
            "({name}) Master received advert from {} with same priority {own} but higher IP address than ours",
            master.addr
        ),
        _ => {}
    }
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
            // The line before it says so.
            Reason::HigherPriority | Reason::HigherAddress if master.is_some() => String::new(),
            Reason::HigherPriority => "a router with higher priority is master".into(),
            Reason::HigherAddress => {
                "a router with our priority and a higher address is master".into()
            }
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
        (_, Some(master)) => format!("no advert from master {}", master.addr),
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
        let address = router.addresses.get(addresses.contested);
        (addresses, address.map(|address| address.cidr.to_string()))
    } else {
        (routes, router.routes.text(routes.contested))
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

/// Logs a notice of the protocol machine, unless too many were logged just now. Returns whether the
/// caller is to log it instead: what holds an instance back is known to its sync group.
pub(crate) fn log_notice(router: &mut Router, now: Instant, notice: Notice) -> bool {
    let Some(suppressed) = router.notices.allow(now) else {
        return false;
    };
    let name = &router.conf.name;
    if suppressed > 0 {
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
    log::log!(target: "vrrp", level, "({name}) {}", notice_text(router, notice));
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
            list(&router.vips)
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
            conf.interface_text()
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

/// Logs what an attempt to set addresses has changed, in one line at most. `name`: `(VI_1)`.
pub(crate) fn report_addresses(name: fmt::Arguments<'_>, outcome: &addresses::Outcome) {
    if let Some((cidr, dev)) = &outcome.first_foreign {
        log::warn!(
            target: "vrrp",
            "{name} {dev} has {cidr}{} already, from another program: it stays there in state BACKUP too, so that two \
             routers answer for it; write another virtual address, or remove it from the configuration of {dev}",
            and_more(outcome.foreign)
        );
    }
    if let Some(first) = outcome.first_restored {
        log_restored(name, &first, outcome.restored, outcome.repairs);
    }
    if outcome.report && outcome.refused > 0 {
        let first = outcome.first_refused.as_deref().unwrap_or("unknown reason");
        log::error!(target: "netlink", "{name} {first}{}; retrying", and_more(outcome.refused));
    } else if outcome.report {
        log::info!(target: "netlink", "{name} all addresses are installed now");
    }
}

/// Logs what an attempt to set routes and rules has changed, in one line at most.
pub(crate) fn report_routes(name: fmt::Arguments<'_>, outcome: &routes::Outcome) {
    if let Some(first) = &outcome.first_restored {
        log_restored(name, first, outcome.restored, outcome.repairs);
    }
    if outcome.report && outcome.refused > 0 {
        let first = outcome.first_refused.as_deref().unwrap_or("unknown reason");
        log::error!(target: "netlink", "{name} {first}{}; retrying", and_more(outcome.refused));
    } else if outcome.report {
        log::info!(target: "netlink", "{name} all routes and rules are installed now");
    }
}

/// `repairs`: in a row, with this one.
pub(crate) fn log_restored(
    name: fmt::Arguments<'_>,
    first: &dyn fmt::Display,
    count: usize,
    repairs: u32,
) {
    if !is_logged(repairs) {
        return;
    }
    let more = and_more(count);
    match repairs {
        1 => log::warn!(
            target: "vrrp",
            "{name} {first}{more} was removed externally; reinstalled"
        ),
        _ => log::warn!(
            target: "vrrp",
            "{name} {first}{more} was removed externally; reinstalled ({repairs} times in a row)"
        ),
    }
}

/// What follows the first of `count` objects in a message.
fn and_more(count: usize) -> String {
    match count.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    }
}
