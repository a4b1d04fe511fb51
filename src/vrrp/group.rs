//! Synchronization groups: several instances that are master together or not at all
//! (`semantics.md` §10). A router with one leg in each of two networks must not forward from one
//! into the other while somebody else owns the way back.
//!
//! Nobody holds the state of a group; it follows from its members, and so cannot drift from it.
//! * A member whose timer has run out takes over only if all members are master or *willing* to be.
//!   It says so with `Action::RequestGroup`, stays willing until it hears a master it must respect, and asks
//!   again once an interval. The last obstacle that goes away asks itself, so nobody waits for a
//!   turn; asking again is for the obstacle that goes without a word.
//! * A member that yields takes the others with it, and that without resigning: the router that
//!   was stronger in one network takes over in all of them.
//! * A member that misses something puts all of them in FAULT. That is not decided here: `engine`
//!   tells each member `Fault` as long as any of them has reason to.
//!
//! `engine` asks for the [`decide`] whenever a member asked or changed its state, and obeys before it
//! looks at anything else, so a group is split for the length of one event at most.
//!
//! Two routers may each be the stronger one in another network: with unlike priorities, or with
//! equal ones and addresses that are in another order. If both take over in the same instant, both
//! yield, and with equal timers they would do so for ever. Therefore who had to yield soon
//! after taking over waits a little longer the next time, by an amount of its own ([`contention_delay`]).

use crate::types::VrrpState;
use core::net::IpAddr;
use core::time::Duration;

/// What a member is as far as its group is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// Not started, or missing something.
    Unavailable,
    /// About to go on as master.
    Resuming,
    /// Waiting, and knows of no master so far.
    Waiting,
    /// Follows a master, or has just given way to one.
    Following,
    /// Would be master but for the others.
    ReadyToTakeOver,
    /// Is master.
    Master,
}

/// What the members must be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// Nothing.
    Unchanged,
    /// `Event::GroupMaster` to all that are not master.
    AllMaster,
    /// `Event::GroupBackup` to all that are master or about to go on.
    AllBackup,
}

/// What follows from the members' state. Masters and others together are there for the length of
/// an event, or when a reload has put them into one group: then those who know of no other master
/// join, and if one follows a master, all do. Who was master before a restart goes on only if all do.
#[must_use]
pub fn decide(members: impl Iterator<Item = MemberState>) -> Decision {
    let (mut masters, mut willing, mut waiting, mut following) = (false, false, false, false);
    let mut resuming = false;
    for state in members {
        match state {
            MemberState::Unavailable => return Decision::Unchanged,
            MemberState::Resuming => resuming = true,
            MemberState::Waiting => waiting = true,
            MemberState::Following => following = true,
            MemberState::ReadyToTakeOver => willing = true,
            MemberState::Master => masters = true,
        }
    }
    if masters && following || resuming && (following || waiting || willing) {
        Decision::AllBackup
    } else if masters && (waiting || willing) || willing && !waiting && !following {
        Decision::AllMaster
    } else {
        Decision::Unchanged
    }
}

/// The state of a group: MASTER if all are, FAULT if any is, else BACKUP. `None` while some members
/// have begun or ended and others have not: it is on its way to another state then.
#[must_use]
pub fn state(members: impl Iterator<Item = VrrpState>) -> Option<VrrpState> {
    let (mut init, mut fault, mut backup, mut master) = (false, false, false, false);
    for state in members {
        match state {
            VrrpState::Init => init = true,
            VrrpState::Fault => fault = true,
            VrrpState::Backup => backup = true,
            VrrpState::Master => master = true,
        }
    }
    match (init, fault, backup, master) {
        (true, false, false, false) => Some(VrrpState::Init),
        (false, false, false, true) => Some(VrrpState::Master),
        (false, false, true, _) => Some(VrrpState::Backup),
        (false, true, _, _) => Some(VrrpState::Fault),
        (true, _, _, _) | (false, false, false, false) => None,
    }
}

/// How much longer the router at `source` waits for the `nth` time that it had to yield soon: a part
/// of `interval` that differs between routers and from time to time, and is the same on every run.
#[must_use]
pub(super) fn contention_delay(source: Option<IpAddr>, nth: u64, interval: Duration) -> Duration {
    let mut hash: u32 = 0x811c_9dc5;
    let mut mix = |bytes: &[u8]| {
        for byte in bytes {
            hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    match source {
        Some(IpAddr::V4(addr)) => mix(&addr.octets()),
        Some(IpAddr::V6(addr)) => mix(&addr.octets()),
        None => {}
    }
    mix(&nth.to_be_bytes());
    let part = interval.saturating_mul(hash >> 24).checked_div(256);
    part.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_what_keeps_them_together() {
        use MemberState::{Following, Master, ReadyToTakeOver, Resuming, Unavailable, Waiting};
        for (name, members, want) in [
            ("all wait", &[Waiting, Following][..], Decision::Unchanged),
            (
                "one is willing",
                &[ReadyToTakeOver, Following],
                Decision::Unchanged,
            ),
            (
                "one does not know",
                &[ReadyToTakeOver, Waiting],
                Decision::Unchanged,
            ),
            (
                "all are willing",
                &[ReadyToTakeOver, ReadyToTakeOver],
                Decision::AllMaster,
            ),
            (
                "one misses something",
                &[ReadyToTakeOver, Unavailable],
                Decision::Unchanged,
            ),
            ("all are master", &[Master, Master], Decision::Unchanged),
            ("one has yielded", &[Master, Following], Decision::AllBackup),
            (
                "the last joins",
                &[Master, ReadyToTakeOver],
                Decision::AllMaster,
            ),
            ("a new one joins", &[Master, Waiting], Decision::AllMaster),
            (
                "a new one with a master",
                &[Master, Waiting, Following],
                Decision::AllBackup,
            ),
            (
                "one is in fault, its turn comes",
                &[Master, Unavailable],
                Decision::Unchanged,
            ),
            ("alone", &[ReadyToTakeOver], Decision::AllMaster),
            ("alone, in vain", &[Following], Decision::Unchanged),
            ("all go on", &[Resuming, Resuming], Decision::Unchanged),
            ("one has gone on", &[Master, Resuming], Decision::Unchanged),
            ("one cannot", &[Resuming, Following], Decision::AllBackup),
            ("one is too late", &[Resuming, Waiting], Decision::AllBackup),
            (
                "one cannot, another has",
                &[Master, Resuming, Following],
                Decision::AllBackup,
            ),
            (
                "one is not told yet",
                &[Resuming, Unavailable],
                Decision::Unchanged,
            ),
            ("nobody", &[], Decision::Unchanged),
        ] {
            assert_eq!(decide(members.iter().copied()), want, "{name}");
        }
    }

    #[test]
    fn the_state_of_a_group_follows_from_its_members() {
        use VrrpState::{Backup, Fault, Init, Master};
        for (members, want) in [
            (&[Master, Master][..], Some(Master)),
            (&[Master, Backup], Some(Backup)),
            (&[Fault, Backup], Some(Fault)),
            (&[Master, Fault], Some(Fault)),
            (&[Init, Init], Some(Init)),
            (&[Fault, Init], None),
            (&[], None),
        ] {
            assert_eq!(state(members.iter().copied()), want, "{members:?}");
        }
    }

    #[test]
    fn patience_differs_between_neighbors_and_from_time_to_time() {
        let interval = Duration::from_secs(1);
        let of =
            |last: u8, nth| contention_delay(Some(IpAddr::from([10, 0, 0, last])), nth, interval);
        for nth in 1..50 {
            assert!(of(1, nth) < interval);
            assert_ne!(of(1, nth), of(1, nth + 1), "{nth}");
        }
        let alike = (1..=250).filter(|nth| of(1, *nth) == of(2, *nth)).count();
        assert!(alike < 5, "{alike}");
    }
}
