//! Counters of one instance, under keepalived's names (`keepalived.stats`, JSON `stats`).
//!
//! The machine counts what it decides; `engine` counts through `Instance::stats_mut` what is found
//! before an advert gets this far (length, type). Plain `u64`: one thread, and no 64-bit atomics
//! on 32-bit MIPS.

use super::{Flaw, Reject};
use crate::wire::vrrp::Auth;

/// What happened so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Adverts that reached the running instance, discarded ones included.
    pub advert_rcvd: u64,
    /// Adverts sent, resignations included.
    pub advert_sent: u64,
    /// Times the instance became master.
    pub become_master: u64,
    /// Times it stopped being master.
    pub release_master: u64,
    /// Packets of a wrong length (counted by `engine`).
    pub packet_len_err: u64,
    /// v2: another interval than ours; v3: interval 0.
    pub advert_interval_err: u64,
    /// TTL or hop limit not allowed.
    pub ip_ttl_err: u64,
    /// Not an advertisement (counted by `engine`).
    pub invalid_type_rcvd: u64,
    /// Other addresses than ours; accepted all the same.
    pub addr_list_err: u64,
    /// An authentication type nobody knows.
    pub invalid_authtype: u64,
    /// A known authentication type, but not ours.
    pub authtype_mismatch: u64,
    /// Wrong password; with AH also wrong value, sender or number.
    pub auth_failure: u64,
    /// `auth_hmac`: no signature.
    pub auth_ext_missing: u64,
    /// `auth_hmac`: a signature of a type nobody knows.
    pub auth_ext_malformed: u64,
    /// `auth_hmac`: signed with a key that is not configured.
    pub auth_ext_unknown_key: u64,
    /// `auth_hmac`: signed with another key, or changed.
    pub auth_ext_failure: u64,
    /// `auth_hmac`: the sender's clock is not within the window.
    pub auth_ext_stale: u64,
    /// `auth_hmac`: the number is not greater than the sender's last one.
    pub auth_ext_replay: u64,
    /// Resignations heard.
    pub pri_zero_rcvd: u64,
    /// Resignations sent.
    pub pri_zero_sent: u64,
    /// Discarded for another reason: version, transport, unknown peer, our own address. Ours.
    pub other_rejected: u64,
}

impl Stats {
    /// Counts a discarded advert; `auth` is what it carried.
    pub(crate) fn count_reject(&mut self, why: Reject, auth: Auth) {
        let counter = match why {
            Reject::Ttl(_) => &mut self.ip_ttl_err,
            Reject::AuthType => match auth {
                Auth::Other(_) => &mut self.invalid_authtype,
                Auth::None | Auth::Pass(_) | Auth::Ah => &mut self.authtype_mismatch,
            },
            Reject::AuthFailed | Reject::Replay => &mut self.auth_failure,
            Reject::Signature(flaw) => return self.count_flaw(flaw),
            Reject::Interval(_) => &mut self.advert_interval_err,
            Reject::Version(_) | Reject::Transport | Reject::Source => &mut self.other_rejected,
        };
        bump(counter);
    }

    /// Counts an advert with a bad signature, discarded or not.
    pub(crate) fn count_flaw(&mut self, flaw: Flaw) {
        bump(match flaw {
            // What the older keepalived makes of it.
            Flaw::Unexpected => &mut self.packet_len_err,
            Flaw::Missing => &mut self.auth_ext_missing,
            Flaw::Malformed => &mut self.auth_ext_malformed,
            Flaw::UnknownKey => &mut self.auth_ext_unknown_key,
            Flaw::Wrong => &mut self.auth_ext_failure,
            Flaw::Stale => &mut self.auth_ext_stale,
            Flaw::Replayed => &mut self.auth_ext_replay,
        });
    }
}

/// `*counter += 1` that cannot overflow.
pub(crate) fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Centis, Version};

    #[test]
    fn each_rejection_bumps_keepalived_s_counter() {
        type Pick = fn(&Stats) -> u64;
        let cases: [(&str, Reject, Auth, Pick); 11] = [
            ("ttl", Reject::Ttl(64), Auth::None, |s| s.ip_ttl_err),
            ("type unknown", Reject::AuthType, Auth::Other(9), |s| {
                s.invalid_authtype
            }),
            ("type differs", Reject::AuthType, Auth::Ah, |s| {
                s.authtype_mismatch
            }),
            ("password", Reject::AuthFailed, Auth::Pass([0; 8]), |s| {
                s.auth_failure
            }),
            ("replay", Reject::Replay, Auth::Ah, |s| s.auth_failure),
            (
                "signature",
                Reject::Signature(Flaw::Stale),
                Auth::None,
                |s| s.auth_ext_stale,
            ),
            ("interval", Reject::Interval(Centis(5)), Auth::None, |s| {
                s.advert_interval_err
            }),
            ("version", Reject::Version(Version::V2), Auth::None, |s| {
                s.other_rejected
            }),
            ("transport", Reject::Transport, Auth::None, |s| {
                s.other_rejected
            }),
            ("source", Reject::Source, Auth::None, |s| s.other_rejected),
            ("no auth", Reject::AuthType, Auth::None, |s| {
                s.authtype_mismatch
            }),
        ];
        for (name, why, auth, pick) in cases {
            let mut stats = Stats::default();
            stats.count_reject(why, auth);
            assert_eq!(pick(&stats), 1, "{name}");
        }
    }
}
