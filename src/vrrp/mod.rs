//! The protocol: one [`Instance`] per virtual router. Events in, actions out, time passed in.
//!
//! Knows neither sockets nor the kernel nor the configuration file: `engine` translates the model
//! into [`Params`], packets and link changes into [`Event`]s, and carries out the [`Action`]s in order.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod auth;
mod backup;
mod counters;
mod election;
pub mod garp;
pub mod group;
mod instance;
mod master;
mod params;
pub mod priority;
mod reception;
mod resume;
#[cfg(test)]
mod tests;
mod timers;
pub mod track;

use core::fmt;
use core::net::IpAddr;
use core::time::Duration;

use crate::types::{Centis, Family, Instant, Priority, Version, Vrid, VrrpState};
use crate::wire::ah;
use crate::wire::vrrp::{Advert, Auth};

pub use auth::{HmacPolicy, within_window};
pub use instance::{Actions, Instance};
pub use resume::resume_listen_time;

/// What an instance must know of its configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Params {
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Family of the adverts.
    pub family: Family,
    /// Protocol version.
    pub version: Version,
    /// Base priority.
    pub priority: Priority,
    /// `state MASTER`.
    pub initial_master: bool,
    /// Own interval.
    pub advert_int: Centis,
    /// How much sooner than one interval the first periodic advert as master comes: spreads the adverts of many
    /// instances over the interval, and with them the takeovers when the router dies. Less than `advert_int`.
    pub stagger: Duration,
    /// Never take mastership from a live, weaker master.
    pub nopreempt: bool,
    /// Wait this long before pre-empting.
    pub preempt_delay: Duration,
    /// Missed adverts before takeover.
    pub down_timer_adverts: u8,
    /// What adverts must carry.
    pub auth: Auth,
    /// `auth_hmac`.
    pub hmac: Option<HmacPolicy>,
    /// Multicast (true) or unicast.
    pub multicast: bool,
    /// Stay silent on a weaker master's advert.
    pub lower_prio_no_advert: bool,
    /// A last advert when yielding to a stronger one.
    pub higher_prio_send_advert: bool,
    /// As owner, ignore all adverts.
    pub owner_ignore_adverts: bool,
    /// Compare the address list only when the sender changes.
    pub skip_check_adv_addr: bool,
    /// With nopreempt: own timer later than this many intervals → stay BACKUP.
    pub timer_expired_backup: Option<u8>,
    /// Member of a synchronization group: becomes master with the others only ([`group`]).
    pub in_sync_group: bool,
    /// Advertised addresses, to compare with what others advertise.
    pub addresses: Vec<IpAddr>,
    /// Unicast: refuse adverts from anybody but `peers`, and hold those to their TTL bounds.
    pub check_source: bool,
    /// Unicast peers; looked at only with `check_source`.
    pub peers: Vec<Peer>,
}

/// A unicast peer, as far as reception is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Smallest TTL accepted from it.
    pub min_ttl: u8,
    /// Largest TTL accepted from it.
    pub max_ttl: u8,
}

/// An advertisement that passed the codec, with what the IP header said.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Source address.
    pub from: IpAddr,
    /// Whether the destination was a group.
    pub multicast: bool,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
    /// The advert.
    pub advert: Advert<'a>,
    /// What it brought along to prove where it is from.
    pub auth_result: AuthResult,
}

/// What an advert brings along to prove where it is from, as far as keys can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthResult {
    /// Nothing but perhaps a password.
    None,
    /// An authentication header.
    Ah {
        /// Its value is right.
        icv_valid: bool,
        /// What it says.
        header: ah::Header,
    },
    /// A signature (`auth_hmac`).
    Signed {
        /// What is wrong with it.
        error: Option<SignatureError>,
        /// Its number.
        sequence: u64,
        /// Our own time, since 1970.
        wall: Duration,
    },
}

/// What is wrong with a signature; each has a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureError {
    /// There is one, and `auth_hmac` is not configured.
    Unexpected,
    /// There is none.
    Missing,
    /// Its type is unknown.
    Malformed,
    /// The sender's clock and ours differ by more than the window.
    Stale,
    /// No such key here.
    UnknownKey,
    /// Made with another key, or the advert was changed.
    Wrong,
    /// Its number is not greater than the sender's last one.
    Replayed,
}

/// What happens to an instance.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Begin. Whoever calls has said `Ready` or `Fault` before. `hold`: `vrrp_startup_delay`; timers
    /// start that much later, adverts count meanwhile.
    Start {
        /// How much later timers start.
        startup_delay: Duration,
    },
    /// Begin as master where a process that died left off, with the timer, when all adverts that have arrived by then
    /// have been told. Not if one of them is of a master, if something is missing, or from `until` on: then begin
    /// as with `Start`. `Ready` or `Fault` may be told later.
    Resume {
        /// When to go on ([`resume_listen_time`]).
        at: Instant,
        /// When a peer may have taken over.
        until: Instant,
        /// As in `Start`, should it come to that.
        startup_delay: Duration,
    },
    /// The daemon ends or the instance is removed: resign and withdraw.
    Stop,
    /// An advert for this VRID arrived. Checks of `semantics.md` §3 from 5 on are made here.
    Advert(&'a Received<'a>),
    /// `next_deadline` has come.
    Timer,
    /// All that is needed is there; adverts are sent from `source`. Also told when the source changes.
    Ready {
        /// Primary address.
        source: IpAddr,
    },
    /// Something needed is missing.
    Fault(Reason),
    /// Tracking changed the effective priority.
    Priority(Priority),
    /// All members of the group may be master: become it.
    GroupMaster,
    /// A member of the group is no longer master: nor are you.
    GroupBackup,
    /// A reload changed the configuration; state, counters and what was heard stay. VRID and family are the same.
    Params {
        /// The new configuration.
        params: &'a Params,
        /// The priority that tracking makes of it.
        effective: Priority,
    },
}

/// Why a state changed. One word for log, status, notifications and metrics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// First state after start.
    Startup,
    /// Nothing heard from the master for the down interval.
    MasterDown,
    /// The master resigned (priority 0).
    MasterResigned,
    /// A weaker router was master.
    Preempt,
    /// We were master when the process died, and nobody has taken over since.
    Resumed,
    /// We own the addresses.
    Owner,
    /// A stronger router advertises.
    HigherPriority,
    /// Same priority, higher address advertises.
    HigherAddress,
    /// Our timer ran so late that somebody else must have taken over.
    TimerExpired,
    /// The instance's interface, or one it tracks, is down.
    InterfaceDown,
    /// The interface does not exist.
    InterfaceMissing,
    /// No address to send adverts from.
    NoSource,
    /// `unicast_fault_no_peer`.
    NoPeer,
    /// A script it tracks fails.
    ScriptFailing,
    /// The number in a file it tracks forbids it to run.
    FileBad,
    /// Too few or too many of the processes it tracks run.
    ProcessBad,
    /// A static address, route or rule of its `track_group` is missing.
    StaticMissing,
    /// What was missing is back.
    Recovered,
    /// Adverts cannot be received: the kernel refused the socket.
    CannotListen,
    /// The other members of the group are master.
    GroupMaster,
    /// Another member of the group has yielded.
    GroupBackup,
    /// Another member of the group misses something.
    GroupFault,
    /// AH has no sequence numbers left.
    SequenceExhausted,
    /// The daemon ends.
    Shutdown,
}

impl Reason {
    /// The word that log, status, notifications and metrics share.
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
            Reason::Recovered => "recovered",
            Reason::CannotListen => "cannot_listen",
            Reason::GroupMaster => "group_master",
            Reason::GroupBackup => "group_backup",
            Reason::GroupFault => "group_fault",
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

/// Intent; `engine` knows the addresses. Order is the contract (`semantics.md` §4.4, §4.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send an advert with this priority (0: resign).
    SendAdvert(Priority),
    /// Add VIPs and excluded VIPs.
    Install,
    /// Remove them.
    Withdraw,
    /// Tell the neighbors where the addresses are.
    Announce(Burst),
    /// Stop telling them.
    StopAnnouncing,
    /// A member of a group would be master: ask the others ([`group::verdict`]).
    RequestGroup,
    /// The state has changed.
    Transition {
        /// Before.
        from: VrrpState,
        /// After.
        to: VrrpState,
        /// Why.
        why: Reason,
    },
    /// Something an operator should know, once per change of condition.
    Notice(Notice),
}

/// Which burst of gratuitous ARP / neighbour advertisements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Burst {
    /// On becoming master: `garp_master_repeat`, again after `garp_master_delay`; starts the refresh.
    Master,
    /// On going on as master: one round, for nothing has changed; starts the refresh.
    Resumed,
    /// After a weaker master's advert: `garp_lower_prio_repeat`, again after its delay.
    LowerPrio,
}

/// Conditions worth one log line each time they change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// The sender's adverts are discarded, for this reason.
    Rejected {
        /// Who.
        from: IpAddr,
        /// Why.
        why: Reject,
    },
    /// The sender's adverts are accepted again after having been discarded.
    Accepted {
        /// Who.
        from: IpAddr,
    },
    /// The sender's adverts are accepted although something is wrong with their signature.
    Tolerated {
        /// Who.
        from: IpAddr,
        /// What.
        error: SignatureError,
    },
    /// The sender advertises other addresses than we do; accepted all the same.
    AddressesDiffer {
        /// Who.
        from: IpAddr,
    },
    /// v3: the master's interval differs from ours and was adopted.
    IntervalAdopted {
        /// Who.
        from: IpAddr,
        /// Its interval.
        theirs: Centis,
    },
    /// A weaker router advertises as master while we are master.
    LowerPriorityMaster {
        /// Who.
        from: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// Another router has our priority and our address.
    SameAddress {
        /// Who.
        from: IpAddr,
    },
    /// Another router claims to own the addresses too.
    TwoOwners {
        /// Who.
        from: IpAddr,
    },
    /// Would have been master for a while, but for the other members of the group.
    HeldByGroup,
}

/// Why a well-formed advert is discarded (`semantics.md` §3); each has a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// TTL or hop limit is not 255 on a multicast instance, or outside the unicast peer's bounds.
    Ttl(u8),
    /// Version differs from ours.
    Version(Version),
    /// v2 authentication type differs from ours.
    AuthType,
    /// v2 password differs from ours, or the authentication header is not right.
    AuthFailed,
    /// The number of the authentication header is not greater than those known.
    Replay,
    /// `auth_hmac`.
    Signature(SignatureError),
    /// v2 interval differs from ours, or an interval of 0.
    Interval(Centis),
    /// Unicast to a multicast instance, or the other way round.
    Transport,
    /// `check_source`: not one of our peers.
    Source,
}
