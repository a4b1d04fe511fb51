//! Inputs of the state machine, and the reasons of its transitions.

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use super::{AuthResult, Params};
use crate::types::{Instant, Priority};
use crate::wire::vrrp::Advert;

/// A well-formed advertisement and the fields of its IP header that are checked.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Source address.
    pub from: IpAddr,
    /// The destination was a multicast group.
    pub multicast: bool,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// The source is an address of a network of the instance's interface; false also if nobody
    /// needs to know ([`super::Params::is_authenticated`]).
    pub on_link: bool,
    /// The advert.
    pub advert: Advert<'a>,
    /// Result of the checks that need keys.
    pub auth_result: AuthResult,
}

/// An input of the state machine.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Leaves INIT. `Ready` or `Fault` must have been delivered before.
    Start {
        /// `vrrp_startup_delay`: timers start that much later; adverts count from now on.
        startup_delay: Duration,
    },
    /// Continues as MASTER in place of a process that died (hot restart): waits in INIT until `at`
    /// and becomes MASTER with the timer. An advert of a master, a fault or a timer served after
    /// `until` turns this into an ordinary `Start`. `Ready` or `Fault` may follow later.
    Resume {
        /// When to become MASTER ([`super::resume_listen_time`]).
        at: Instant,
        /// The latest time to which that may be postponed ([`super::resume_listen_limit`]).
        latest: Instant,
        /// From when on a peer of lower priority may have taken over.
        until: Instant,
        /// As in `Start`, for the case that resuming is abandoned.
        startup_delay: Duration,
    },
    /// The daemon stops or the instance is removed: resigns (priority 0) and withdraws the
    /// addresses.
    Stop,
    /// The machine was suspended for this long: the monotonic clock stood still, and nothing was
    /// received.
    Suspended(Duration),
    /// An advert for this VRID arrived. The checks of RFC 9568 §7.1 that need the configuration are
    /// made here.
    Advert(&'a Received<'a>),
    /// The receive socket dropped packets for lack of space. To be delivered before `Timer`.
    PacketsLost {
        /// When the last of them is known to have been dropped.
        at: Instant,
    },
    /// The timer is due, but is held back until packets are read that arrived before its deadline.
    /// Until then it does not count as late.
    TimerPostponed {
        /// When it will be served, or held back again.
        until: Instant,
    },
    /// [`super::Instance::next_deadline`] has passed.
    Timer,
    /// Nothing is missing; adverts are sent from `source`. Also delivered when the source changes.
    Ready {
        /// Primary address.
        source: IpAddr,
    },
    /// An interface, an address or a tracked object is missing or down.
    Fault(Reason),
    /// Tracking changed the effective priority.
    Priority(Priority),
    /// All members of the sync group may become master: do so.
    GroupMaster,
    /// Another member of the sync group is no longer master: become BACKUP.
    GroupBackup,
    /// Maintenance starts: hands over as MASTER, and does not become master until `Promote`.
    Demote,
    /// Maintenance ends.
    Promote,
    /// The configuration was reloaded. State, counters and the known master stay; VRID and family
    /// are the same.
    Params {
        /// The new configuration.
        params: &'a Params,
        /// Its priority with tracking applied.
        effective: Priority,
    },
}

/// Why a state changed. Log, status, notifications and metrics use the same word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// First state after start.
    Startup,
    /// No advert from the master within the down interval.
    MasterDown,
    /// The master sent an advert with priority 0.
    MasterResigned,
    /// The master's priority was lower than ours.
    Preempt,
    /// We were master when the previous process died, and no other router has taken over since.
    Resumed,
    /// We own the addresses (priority 255).
    Owner,
    /// A router of higher priority advertises.
    HigherPriority,
    /// A router of the same priority and a higher address advertises.
    HigherAddress,
    /// `timer_expired_backup`: our timer fired so late that another router must have taken over.
    TimerExpired,
    /// The instance's interface, or one it tracks, is down.
    InterfaceDown,
    /// The interface does not exist.
    InterfaceMissing,
    /// The interface has no address to send adverts from.
    NoSource,
    /// `unicast_fault_no_peer`.
    NoPeer,
    /// A tracked script fails.
    ScriptFailing,
    /// A tracked file contains a value that means FAULT.
    FileBad,
    /// Too few or too many processes of a tracked kind are running.
    ProcessBad,
    /// A static address, route or rule of its `track_group` is missing.
    StaticMissing,
    /// Another program removes its addresses, routes or rules again and again.
    RemovedExternally,
    /// The fault is over.
    Recovered,
    /// The kernel refused the socket for receiving adverts.
    CannotListen,
    /// The other members of the sync group are master.
    GroupMaster,
    /// Another member of the sync group is no longer master.
    GroupBackup,
    /// Another member of the sync group is in FAULT.
    GroupFault,
    /// It was demoted for maintenance.
    Maintenance,
    /// AH sequence numbers are exhausted.
    SequenceExhausted,
    /// The daemon stops.
    Shutdown,
}

impl Reason {
    /// The word used by log, status, notifications and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Startup => "startup",
            Reason::MasterDown => "master_down",
            Reason::MasterResigned => "master_resigned",
            Reason::Preempt => "preempt",
            Reason::Resumed => "resumed",
            Reason::Owner => "owner",
            Reason::HigherPriority => "higher_priority",
            Reason::HigherAddress => "higher_address",
            Reason::TimerExpired => "timer_expired",
            Reason::InterfaceDown => "interface_down",
            Reason::InterfaceMissing => "interface_missing",
            Reason::NoSource => "no_source",
            Reason::NoPeer => "no_peer",
            Reason::ScriptFailing => "script_failing",
            Reason::FileBad => "file_bad",
            Reason::ProcessBad => "process_bad",
            Reason::StaticMissing => "static_missing",
            Reason::RemovedExternally => "removed_externally",
            Reason::Recovered => "recovered",
            Reason::CannotListen => "cannot_listen",
            Reason::GroupMaster => "group_master",
            Reason::GroupBackup => "group_backup",
            Reason::GroupFault => "group_fault",
            Reason::Maintenance => "maintenance",
            Reason::SequenceExhausted => "numbers_used_up",
            Reason::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
