//! Sync groups (`vrrp_sync_group`): instances that are all master or all not. A router with an
//! interface in each of two networks must not forward from one into the other while another router
//! owns the way back.
//!
//! A group has no state of its own: it is derived from the members and cannot diverge from them.
//! * A member whose down timer has expired takes over only if all members are master or ready to
//!   take over. It emits `Action::RequestGroup`, stays ready until it hears a master it must
//!   follow, and requests again once per interval. The last member to become ready makes such a
//!   request itself, so nothing is delayed; repeating is for obstacles that disappear without an
//!   event.
//! * A member that yields makes the others BACKUP, without resigning: the router that had the
//!   higher priority in one network takes over in all of them.
//! * A member with a fault puts all of them in FAULT. That is not decided here: `engine` delivers
//!   `Fault` to every member as long as one of them has a reason.
//!
//! `engine` evaluates [`decide`] whenever a member requested it or changed its state, before it
//! handles any other event, so the members differ for the length of one event at most.
//!
//! Two routers may each win the election in one network: with different priorities, or with equal
//! ones and addresses in opposite order. If both take over at the same time, both yield, and with
//! equal timers this would repeat forever. So a router that had to yield soon after taking over
//! waits a little longer the next time, for a time that depends on its address
//! ([`contention_delay`]).

use core::net::IpAddr;
use core::time::Duration;

use crate::types::VrrpState;

/// State of a member, as far as its group is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberState {
    /// INIT or FAULT.
    Unavailable,
    /// INIT, waiting to resume as master.
    Resuming,
    /// BACKUP; no master was heard so far.
    Waiting,
    /// BACKUP; follows a master or has just yielded to one, or is in maintenance.
    Following,
    /// BACKUP; the down timer has expired.
    ReadyToTakeOver,
    /// MASTER.
    Master,
}

/// Which event the members must get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// None.
    Unchanged,
    /// `Event::GroupMaster` to all that are not master.
    AllMaster,
    /// `Event::GroupBackup` to all that are master or resuming.
    AllBackup,
}

/// Decides from the states of the members. A mixture of MASTER and BACKUP exists for the length of
/// one event, or after a reload has put the members into one group. Then the members that know no
/// other master become master too, but if one follows a master, all become BACKUP. Members resume
/// after a restart only if all of them do.
#[must_use]
pub fn decide(members: impl Iterator<Item = MemberState>) -> Decision {
    let (mut masters, mut ready, mut waiting, mut following) = (false, false, false, false);
    let mut resuming = false;
    for state in members {
        match state {
            MemberState::Unavailable => return Decision::Unchanged,
            MemberState::Resuming => resuming = true,
            MemberState::Waiting => waiting = true,
            MemberState::Following => following = true,
            MemberState::ReadyToTakeOver => ready = true,
            MemberState::Master => masters = true,
        }
    }
    if masters && following || resuming && (following || waiting || ready) {
        Decision::AllBackup
    } else if masters && (waiting || ready) || ready && !waiting && !following {
        Decision::AllMaster
    } else {
        Decision::Unchanged
    }
}

/// The state of a group: MASTER if all members are, FAULT if any is, else BACKUP. `None` while some
/// members have started or stopped and others have not yet.
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

/// How much longer the router at `source` waits, the `nth` time it had to yield soon after taking
/// over: a pseudorandom fraction of `interval` that depends on both.
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
    fn decisions_keep_the_members_together() {
        use MemberState::{Following, Master, ReadyToTakeOver, Resuming, Unavailable, Waiting};
        for (name, members, want) in [
            ("all wait", &[Waiting, Following][..], Decision::Unchanged),
            (
                "one is ready",
                &[ReadyToTakeOver, Following],
                Decision::Unchanged,
            ),
            (
                "one does not know",
                &[ReadyToTakeOver, Waiting],
                Decision::Unchanged,
            ),
            (
                "all are ready",
                &[ReadyToTakeOver, ReadyToTakeOver],
                Decision::AllMaster,
            ),
            (
                "one is in fault",
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
                "one is in fault",
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
                "the event is still to be delivered",
                &[Resuming, Unavailable],
                Decision::Unchanged,
            ),
            ("no member", &[], Decision::Unchanged),
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
    fn contention_delay_differs_between_routers_and_attempts() {
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
