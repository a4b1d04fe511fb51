//! Outputs of the state machine.

use core::net::IpAddr;

use super::{Reason, SignatureError};
use crate::types::{Centis, Priority, Version, VrrpState};

/// What `engine` must do, in the order given: the advert goes out before the addresses appear (RFC
/// 9568 §6.4.1), and a resigning master withdraws them last. `engine` knows which addresses these
/// are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Send an advert with this priority; 0 resigns.
    SendAdvert(Priority),
    /// Add `virtual_ipaddress` and `virtual_ipaddress_excluded`.
    Install,
    /// Remove them.
    Withdraw,
    /// Send gratuitous ARP and unsolicited neighbor advertisements.
    Announce(Burst),
    /// Stop sending them.
    StopAnnouncing,
    /// The member of a sync group is ready to take over: evaluate [`super::group::decide`].
    RequestGroup,
    /// The state has changed.
    Transition {
        /// Previous state.
        from: VrrpState,
        /// New state.
        to: VrrpState,
        /// Why.
        why: Reason,
    },
    /// A condition to log; emitted once per change of condition.
    Notice(Notice),
}

/// Cause of a burst of gratuitous ARP and unsolicited neighbor advertisements.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Burst {
    /// Became master: `garp_master_repeat` rounds, again after `garp_master_delay`; starts the
    /// refresh.
    Master,
    /// Resumed as master: one round, since nothing changed for the neighbors; starts the refresh.
    Resumed,
    /// Advert from a master of lower priority: `garp_lower_prio_repeat` rounds, again after its
    /// delay.
    LowerPrio,
}

/// A condition of the network that an operator should know of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notice {
    /// Adverts of this sender are discarded.
    Rejected {
        /// Sender.
        from: IpAddr,
        /// Why.
        why: Reject,
    },
    /// Adverts of this sender are accepted again.
    Accepted {
        /// Sender.
        from: IpAddr,
    },
    /// `auth_hmac` in permissive mode: adverts of this sender are accepted in spite of their
    /// signature.
    Tolerated {
        /// Sender.
        from: IpAddr,
        /// What is wrong with the signature.
        error: SignatureError,
    },
    /// The sender advertises other addresses than we do; its adverts are accepted nevertheless.
    AddressesDiffer {
        /// Sender.
        from: IpAddr,
    },
    /// VRRPv3: the master's interval differs from ours and was adopted.
    IntervalAdopted {
        /// The master.
        from: IpAddr,
        /// Its interval.
        theirs: Centis,
    },
    /// A router of lower priority advertises as master while we are master.
    LowerPriorityMaster {
        /// Sender.
        from: IpAddr,
        /// Its priority.
        priority: Priority,
    },
    /// Another router sends adverts from our address.
    SameAddress {
        /// Sender.
        from: IpAddr,
    },
    /// Another router also has priority 255.
    TwoOwners {
        /// Sender.
        from: IpAddr,
    },
    /// No advert within the down interval, but packets were lost in it: listening for one more.
    SilenceWithLoss,
    /// No router is master, and this one must not be: it is in maintenance.
    NoMasterInMaintenance,
    /// Ready to take over for several intervals, but other members of the sync group are not.
    HeldByGroup,
}

impl Notice {
    /// The word used by events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Notice::Rejected { .. } => "rejected",
            Notice::Accepted { .. } => "accepted",
            Notice::Tolerated { .. } => "tolerated",
            Notice::AddressesDiffer { .. } => "addresses_differ",
            Notice::IntervalAdopted { .. } => "interval_adopted",
            Notice::LowerPriorityMaster { .. } => "lower_priority",
            Notice::SameAddress { .. } => "same_address",
            Notice::TwoOwners { .. } => "two_owners",
            Notice::SilenceWithLoss => "packets_lost",
            Notice::NoMasterInMaintenance => "no_master",
            Notice::HeldByGroup => "held_by_group",
        }
    }

    /// The priority of that router.
    #[must_use]
    pub const fn priority(self) -> Option<Priority> {
        if let Notice::LowerPriorityMaster { priority, .. } = self {
            Some(priority)
        } else {
            None
        }
    }

    /// The router that it is about.
    #[must_use]
    pub const fn from(self) -> Option<IpAddr> {
        match self {
            Notice::Rejected { from, .. }
            | Notice::Accepted { from }
            | Notice::Tolerated { from, .. }
            | Notice::AddressesDiffer { from }
            | Notice::IntervalAdopted { from, .. }
            | Notice::LowerPriorityMaster { from, .. }
            | Notice::SameAddress { from }
            | Notice::TwoOwners { from } => Some(from),
            Notice::SilenceWithLoss | Notice::NoMasterInMaintenance | Notice::HeldByGroup => None,
        }
    }
}

/// Why a well-formed advert is discarded (RFC 9568 §7.1); each reason has a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reject {
    /// Multicast: TTL or hop limit is not 255. Unicast: outside the peer's bounds.
    Ttl(u8),
    /// Version differs from ours.
    Version(Version),
    /// v2 authentication type differs from ours.
    AuthType,
    /// v2 password differs from ours, or ICV or SPI of the authentication header are wrong.
    AuthFailed,
    /// AH sequence number not above the last one.
    Replay,
    /// `auth_hmac`.
    Signature(SignatureError),
    /// v2: interval differs from ours; both versions: interval 0.
    Interval(Centis),
    /// Unicast advert to a multicast instance, or the reverse.
    Transport,
    /// `check_unicast_src`: the sender is not one of our peers.
    Source,
    /// With authentication: the sender is neither on the link nor one of our peers.
    OffLink,
    /// With authentication: none of the addresses is ours.
    OtherAddresses,
}
