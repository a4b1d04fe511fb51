//! Senders of adverts that something is wrong with, or different from what we expect.
//!
//! Conditions are reported once per sender, not per packet: [`Senders`] remembers eight senders and
//! what was reported about each. The table is small on purpose. A flood from forged addresses fills
//! it and is only counted from then on; an entry is reused when its sender has not shown any
//! condition for a while.

use core::net::IpAddr;
use core::time::Duration;

use super::{Notice, Reject, SignatureError};
use crate::types::{Centis, Instant, Priority};

/// A condition of a sender; each is reported once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Rejected(Reject),
    Tolerated(SignatureError),
    AddressesDiffer,
    OwnAddress,
    LowerPriorityMaster(Priority),
    TwoOwners,
    OtherInterval,
}

impl Condition {
    /// The condition's bit. Values that a packet can vary at will (a TTL) do not make another
    /// condition.
    fn bit(self) -> u32 {
        let shift = match self {
            Condition::Rejected(why) => match why {
                Reject::Ttl(_) => 0,
                Reject::Version(_) => 1,
                Reject::AuthType => 2,
                Reject::AuthFailed => 3,
                Reject::Interval(_) => 4,
                Reject::Transport => 5,
                Reject::Source => 6,
                Reject::Replay => 7,
                Reject::Signature(error) => 8_u32.saturating_add(error as u32),
                Reject::OffLink => 15,
                Reject::OtherAddresses => 29,
            },
            Condition::Tolerated(error) => 16_u32.saturating_add(error as u32),
            Condition::AddressesDiffer => 24,
            Condition::OwnAddress => 25,
            Condition::LowerPriorityMaster(_) => 26,
            Condition::TwoOwners => 27,
            Condition::OtherInterval => 28,
        };
        1_u32.rotate_left(shift)
    }
}

/// Bits of all rejections.
const REJECTED: u32 = 0x2000_ffff;

/// Number of consecutive valid adverts after which a rejected sender counts as accepted again. With
/// 1, a forger that mixes invalid packets into a valid sender's adverts could cause two log lines
/// per packet.
const ACCEPT_AFTER: u8 = 3;

/// A sender without any condition for this long (or three intervals, if longer) is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// Number of senders that are remembered.
const MOST: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Entry {
    from: IpAddr,
    /// When a condition was last seen.
    last: Instant,
    /// Bits of the conditions that were reported.
    reported: u32,
    /// Bits of the conditions at `last`, and the one of them that has a value.
    current: u32,
    detail: Condition,
    /// Valid adverts since the last rejected one.
    valid: u8,
    /// The interval that was reported.
    interval: Centis,
}

/// Senders for which a condition was reported.
#[derive(Debug)]
pub(super) struct Senders {
    /// At most [`MOST`], allocated with the first one.
    entries: Vec<Entry>,
    advert_int: Centis,
}

impl Senders {
    pub(super) fn new(advert_int: Centis) -> Self {
        Senders {
            entries: Vec::new(),
            advert_int,
        }
    }

    fn forget_after(&self) -> Duration {
        FORGET_AFTER.max(self.advert_int.duration().saturating_mul(3))
    }

    /// Records `condition`; true if it must be reported.
    pub(super) fn notice(&mut self, now: Instant, from: IpAddr, condition: Condition) -> bool {
        let Some(entry) = self.entry(now, from) else {
            return false;
        };
        if entry.last != now {
            entry.current = 0;
        }
        entry.last = now;
        entry.current |= condition.bit();
        if let Condition::Rejected(_)
        | Condition::Tolerated(_)
        | Condition::LowerPriorityMaster(_) = condition
        {
            entry.detail = condition;
        }
        if matches!(condition, Condition::Rejected(_)) {
            entry.valid = 0;
        }
        let first = entry.reported & condition.bit() == 0;
        entry.reported |= condition.bit();
        first
    }

    /// Records another interval than ours; true if this value must be reported.
    pub(super) fn notice_interval(&mut self, now: Instant, from: IpAddr, theirs: Centis) -> bool {
        let first = self.notice(now, from, Condition::OtherInterval);
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.from == from) else {
            return false;
        };
        let changed = entry.interval != theirs;
        entry.interval = theirs;
        first || changed
    }

    /// Records a valid advert; true when its sender was rejected before and counts as accepted from
    /// now on.
    pub(super) fn accept(&mut self, from: IpAddr) -> bool {
        let rejected = |entry: &&mut Entry| entry.from == from && entry.reported & REJECTED != 0;
        let Some(entry) = self.entries.iter_mut().find(rejected) else {
            return false;
        };
        entry.valid = entry.valid.saturating_add(1);
        if entry.valid < ACCEPT_AFTER {
            return false;
        }
        entry.reported &= !REJECTED;
        entry.current &= !REJECTED;
        true
    }

    /// The senders that have shown a condition lately, with what their last conspicuous advert
    /// showed, and when.
    pub(super) fn recent(&self, now: Instant) -> impl Iterator<Item = (Instant, Notice)> + '_ {
        let forget = self.forget_after();
        let fresh = move |entry: &&Entry| now.since(entry.last) <= forget;
        self.entries.iter().filter(fresh).flat_map(|entry| {
            let notices = entry.notices();
            notices.into_iter().flatten().map(|one| (entry.last, one))
        })
    }

    /// The sender's entry, a new one, or that of a forgotten sender; `None` if all are in use.
    fn entry(&mut self, now: Instant, from: IpAddr) -> Option<&mut Entry> {
        let forget = self.forget_after();
        let stale = |entry: &Entry| now.since(entry.last) > forget;
        let fresh = Entry {
            from,
            last: now,
            reported: 0,
            current: 0,
            detail: Condition::AddressesDiffer,
            valid: 0,
            interval: Centis(0),
        };
        let found = self.entries.iter().position(|entry| entry.from == from);
        let at = match found {
            Some(at) => at,
            None if self.entries.len() < MOST => {
                self.entries
                    .reserve_exact(MOST.saturating_sub(self.entries.len()));
                self.entries.push(fresh);
                self.entries.len().saturating_sub(1)
            }
            None => self.entries.iter().position(stale)?,
        };
        let entry = self.entries.get_mut(at)?;
        if stale(entry) || entry.from != from {
            *entry = fresh;
        }
        Some(entry)
    }
}

impl Entry {
    /// The finding about its last conspicuous advert.
    fn notices(&self) -> [Option<Notice>; 5] {
        let (from, theirs) = (self.from, self.interval);
        let detail = match self.detail {
            Condition::Rejected(why) => Some(Notice::Rejected { from, why }),
            Condition::Tolerated(error) => Some(Notice::Tolerated { from, error }),
            Condition::LowerPriorityMaster(priority) => {
                Some(Notice::LowerPriorityMaster { from, priority })
            }
            Condition::AddressesDiffer
            | Condition::OwnAddress
            | Condition::TwoOwners
            | Condition::OtherInterval => None,
        };
        let fixed = [
            (Condition::AddressesDiffer, Notice::AddressesDiffer { from }),
            (Condition::OwnAddress, Notice::SameAddress { from }),
            (Condition::TwoOwners, Notice::TwoOwners { from }),
            (
                Condition::OtherInterval,
                Notice::IntervalAdopted { from, theirs },
            ),
        ];
        let [differ, own, owners, interval] = fixed.map(|(one, notice)| (one, Some(notice)));
        [(self.detail, detail), differ, own, owners, interval]
            .map(|(condition, notice)| notice.filter(|_| self.current & condition.bit() != 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_condition_is_reported_once_and_again_after_it_was_forgotten() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, at) = (addr("10.0.0.2"), |s: u64| Instant::from_millis(s * 1000));
        let ttl = |n| Condition::Rejected(Reject::Ttl(n));
        assert!(senders.notice(at(0), peer, ttl(1)));
        assert!(!senders.notice(at(1), peer, ttl(2)), "another TTL is not");
        assert!(senders.notice(at(1), peer, Condition::AddressesDiffer));
        assert!(!senders.notice(at(50), peer, Condition::AddressesDiffer));
        assert!(!senders.notice(at(100), peer, ttl(1)));
        assert!(senders.notice(at(161), peer, ttl(1)), "quiet for a minute");
    }

    #[test]
    fn a_rejected_sender_is_accepted_again_after_three_consecutive_valid_adverts() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, now) = (addr("10.0.0.2"), Instant::ZERO);
        let bad = Condition::Rejected(Reject::AuthFailed);
        assert!(!senders.accept(peer), "nothing was wrong");
        assert!(senders.notice(now, peer, bad));
        assert!(!senders.accept(peer));
        assert!(!senders.accept(peer));
        assert!(!senders.notice(now, peer, bad), "mixed in: not reported");
        assert_eq!(
            [(); 4].map(|()| senders.accept(peer)),
            [false, false, true, false]
        );
        assert!(senders.notice(now, peer, bad), "rejected again");
    }

    #[test]
    fn a_flood_from_forged_senders_is_reported_eight_times_a_minute_at_most() {
        let mut senders = Senders::new(Centis::SECOND);
        let mut reported = 0;
        for n in 0..1_200_000u32 {
            let from = IpAddr::from(n.to_be_bytes());
            let now = Instant::from_nanos(u64::from(n) * 100_000);
            reported += u32::from(senders.notice(now, from, Condition::Rejected(Reject::AuthType)));
        }
        assert_eq!(reported, 16, "two minutes at 10,000 per second");
    }

    #[test]
    fn an_adopted_interval_is_reported_when_it_changes() {
        let mut senders = Senders::new(Centis::SECOND);
        let (peer, now) = (addr("fe80::2"), Instant::ZERO);
        let reported =
            [200, 200, 300, 300, 200].map(|c| senders.notice_interval(now, peer, Centis(c)));
        assert_eq!(reported, [true, false, true, false, true]);
    }

    #[test]
    fn what_the_last_conspicuous_advert_of_a_sender_showed_can_be_listed() {
        let mut senders = Senders::new(Centis::SECOND);
        let (from, at) = (addr("10.0.0.2"), |s: u64| Instant::from_millis(s * 1000));
        let shown = |senders: &Senders, s| -> Vec<Notice> {
            senders.recent(at(s)).map(|(_, notice)| notice).collect()
        };
        assert_eq!(shown(&senders, 0), []);
        senders.notice(at(1), from, Condition::AddressesDiffer);
        senders.notice_interval(at(1), from, Centis(200));
        let theirs = Centis(200);
        assert_eq!(
            shown(&senders, 2),
            [
                Notice::AddressesDiffer { from },
                Notice::IntervalAdopted { from, theirs }
            ]
        );
        let why = Reject::Ttl(64);
        senders.notice(at(2), from, Condition::Rejected(why));
        assert_eq!(shown(&senders, 2), [Notice::Rejected { from, why }]);
        let why = Reject::Ttl(63);
        senders.notice(at(3), from, Condition::Rejected(why));
        assert_eq!(shown(&senders, 3), [Notice::Rejected { from, why }], "now");
        assert_eq!(shown(&senders, 64), [], "forgotten");
        let priority = Priority(90);
        let lower = Condition::LowerPriorityMaster(priority);
        senders.notice(at(70), from, lower);
        assert_eq!(
            shown(&senders, 70),
            [Notice::LowerPriorityMaster { from, priority }]
        );
        senders.notice(at(71), from, Condition::Rejected(why));
        for _ in 0..3 {
            senders.accept(from);
        }
        assert_eq!(shown(&senders, 72), [], "accepted again");
    }
}
