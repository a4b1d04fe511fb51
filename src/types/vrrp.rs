//! State and counters of a virtual router, as the state machine keeps them and operators read them.

use core::fmt;
use core::net::IpAddr;

use super::{Centis, Instant, Priority, Rare, Usual};

/// State of a virtual router (RFC 9568 §6.4), plus keepalived's FAULT. The numbers are
/// keepalived's, as in its JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VrrpState {
    /// Not started.
    Init = 0,
    /// Monitors the master, or waits to take over.
    Backup = 1,
    /// Owns the virtual addresses and sends adverts.
    Master = 2,
    /// Cannot run: an interface, an address or a tracked object is missing or down.
    Fault = 3,
}

impl VrrpState {
    /// keepalived's number.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for VrrpState {
    /// keepalived's word: `INIT`, `BACKUP`, `MASTER`, `FAULT`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            VrrpState::Init => "INIT",
            VrrpState::Backup => "BACKUP",
            VrrpState::Master => "MASTER",
            VrrpState::Fault => "FAULT",
        })
    }
}

/// The current master as its last advert described it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MasterInfo {
    /// Primary address: the source of its adverts.
    pub addr: IpAddr,
    /// Its priority.
    pub priority: Priority,
    /// Its advertisement interval.
    pub interval: Centis,
}

/// An accepted advert of another router.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    /// Its sender; priority 0 if it resigned.
    pub master: MasterInfo,
    /// When it was received.
    pub at: Instant,
}

/// The event that an instance waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// Nothing that a timer brings: INIT or FAULT.
    Nothing,
    /// INIT: it becomes MASTER again unless another master is heard before.
    Resuming {
        /// When.
        at: Instant,
    },
    /// BACKUP.
    Backup(BackupOutlook),
    /// MASTER.
    Master(MasterOutlook),
}

/// The timer of an instance in BACKUP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackupOutlook {
    /// Purpose of the timer.
    pub timer: TimerKind,
    /// When the timer was started; in the future during the startup delay.
    pub armed_at: Instant,
    /// When it takes over unless something happens before.
    pub down_at: Instant,
    /// `preempt_delay`: when it takes over from the master of lower priority.
    pub preempt_at: Option<Instant>,
    /// It is about to take over from a master of lower priority.
    pub preempting: bool,
    /// The advert interval from which the timer is computed.
    pub interval: Centis,
}

/// The timer of an instance in MASTER.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MasterOutlook {
    /// When the next advert is due.
    pub advert_at: Instant,
    /// After a suspension of the machine: it sends nothing until then.
    pub listening: bool,
    /// Another address owner with a lower address advertises, to which it yields if that stays.
    pub rival: bool,
}

/// Purpose of the timer of BACKUP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerKind {
    /// End of the startup delay; an address owner takes over then.
    StartupDelay,
    /// One interval and the smallest skew: `state MASTER`, or an address owner after a fault.
    OneInterval,
    /// Active_Down_Interval.
    Down,
    /// Skew_Time: the master resigned.
    Skew,
    /// One interval and skew: the previous timer was served late.
    LateListen,
    /// One interval: the takeover is pending until the sync group agrees.
    GroupRetry,
}

/// Counters of one instance, under the names of keepalived's statistics (`keepalived.stats`, JSON
/// `stats`).
///
/// Plain `u64`: there is one thread, and 32-bit MIPS has no 64-bit atomics.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VrrpCounters {
    /// Adverts received while the instance was running, discarded ones included.
    pub advert_rcvd: u64,
    /// Adverts sent, those with priority 0 included.
    pub advert_sent: u64,
    /// Transitions to MASTER.
    pub become_master: u64,
    /// Transitions out of MASTER.
    pub release_master: u64,
    /// Adverts with priority 0 received.
    pub pri_zero_rcvd: u64,
    /// Adverts with priority 0 sent.
    pub pri_zero_sent: u64,
    /// Of the few instances that ever had one.
    pub errors: Rare<ErrorCounters>,
}

/// Counters of adverts that something is wrong with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ErrorCounters {
    /// Packets of a wrong length.
    pub packet_len_err: u64,
    /// v2: interval differs from ours; v3: interval 0.
    pub advert_interval_err: u64,
    /// TTL or hop limit outside the accepted range.
    pub ip_ttl_err: u64,
    /// VRRP packet type is not ADVERTISEMENT.
    pub invalid_type_rcvd: u64,
    /// Address list differs from ours; the advert is accepted nevertheless.
    pub addr_list_err: u64,
    /// Unknown authentication type.
    pub invalid_authtype: u64,
    /// Known authentication type that is not the configured one.
    pub authtype_mismatch: u64,
    /// Wrong password; with AH also a wrong ICV, SPI or sequence number.
    pub auth_failure: u64,
    /// `auth_hmac`: no signature.
    pub auth_ext_missing: u64,
    /// `auth_hmac`: signature of an unknown type.
    pub auth_ext_malformed: u64,
    /// `auth_hmac`: signed with a key that is not configured here.
    pub auth_ext_unknown_key: u64,
    /// `auth_hmac`: wrong signature.
    pub auth_ext_failure: u64,
    /// `auth_hmac`: timestamp outside the window.
    pub auth_ext_stale: u64,
    /// `auth_hmac`: sequence number not above the sender's last one.
    pub auth_ext_replay: u64,
    /// Discarded for a reason that keepalived does not count: version, transport, unknown peer, our
    /// own address.
    pub other_rejected: u64,
}

impl Usual for ErrorCounters {
    const USUAL: &'static Self = &ErrorCounters {
        packet_len_err: 0,
        advert_interval_err: 0,
        ip_ttl_err: 0,
        invalid_type_rcvd: 0,
        addr_list_err: 0,
        invalid_authtype: 0,
        authtype_mismatch: 0,
        auth_failure: 0,
        auth_ext_missing: 0,
        auth_ext_malformed: 0,
        auth_ext_unknown_key: 0,
        auth_ext_failure: 0,
        auth_ext_stale: 0,
        auth_ext_replay: 0,
        other_rejected: 0,
    };
}
