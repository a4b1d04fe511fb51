//! Counting of discarded adverts under keepalived's names.
//!
//! The state machine counts what it decides; `engine` counts through `Instance::counters_mut` what
//! it finds before an advert gets here (length, type).

use super::{Reject, SignatureError};
use crate::types::VrrpCounters;
use crate::wire::vrrp::Auth;

impl VrrpCounters {
    /// Counts a discarded advert; `auth` is the authentication it carried.
    pub(crate) fn count_reject(&mut self, why: Reject, auth: Auth) {
        let counter = match why {
            Reject::Ttl(_) => &mut self.errors.ip_ttl_err,
            Reject::AuthType => match auth {
                Auth::Other(_) => &mut self.errors.invalid_authtype,
                Auth::None | Auth::Pass(_) | Auth::Ah => &mut self.errors.authtype_mismatch,
            },
            Reject::AuthFailed | Reject::Replay => &mut self.errors.auth_failure,
            Reject::Signature(error) => return self.count_flaw(error),
            Reject::Interval(_) => &mut self.errors.advert_interval_err,
            Reject::OtherAddresses => &mut self.errors.addr_list_err,
            Reject::Version(_) | Reject::Transport | Reject::Source | Reject::OffLink => {
                &mut self.errors.other_rejected
            }
        };
        bump(counter);
    }

    /// Counts an advert with a bad signature, discarded or not.
    pub(crate) fn count_flaw(&mut self, error: SignatureError) {
        bump(match error {
            // keepalived without auth_hmac takes the trailer for a wrong length.
            SignatureError::Unexpected => &mut self.errors.packet_len_err,
            SignatureError::Missing => &mut self.errors.auth_ext_missing,
            SignatureError::Malformed => &mut self.errors.auth_ext_malformed,
            SignatureError::UnknownKey => &mut self.errors.auth_ext_unknown_key,
            SignatureError::Wrong => &mut self.errors.auth_ext_failure,
            SignatureError::Stale => &mut self.errors.auth_ext_stale,
            SignatureError::Replayed => &mut self.errors.auth_ext_replay,
        });
    }
}

/// Increments a counter, saturating.
pub(crate) fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Centis, Version};

    #[test]
    fn each_rejection_increments_keepaliveds_counter() {
        type Pick = fn(&VrrpCounters) -> u64;
        let cases: [(&str, Reject, Auth, Pick); 13] = [
            ("off link", Reject::OffLink, Auth::Ah, |s| {
                s.errors.other_rejected
            }),
            ("addresses", Reject::OtherAddresses, Auth::None, |s| {
                s.errors.addr_list_err
            }),
            ("ttl", Reject::Ttl(64), Auth::None, |s| s.errors.ip_ttl_err),
            ("type unknown", Reject::AuthType, Auth::Other(9), |s| {
                s.errors.invalid_authtype
            }),
            ("type differs", Reject::AuthType, Auth::Ah, |s| {
                s.errors.authtype_mismatch
            }),
            ("password", Reject::AuthFailed, Auth::Pass([0; 8]), |s| {
                s.errors.auth_failure
            }),
            ("replay", Reject::Replay, Auth::Ah, |s| {
                s.errors.auth_failure
            }),
            (
                "signature",
                Reject::Signature(SignatureError::Stale),
                Auth::None,
                |s| s.errors.auth_ext_stale,
            ),
            ("interval", Reject::Interval(Centis(5)), Auth::None, |s| {
                s.errors.advert_interval_err
            }),
            ("version", Reject::Version(Version::V2), Auth::None, |s| {
                s.errors.other_rejected
            }),
            ("transport", Reject::Transport, Auth::None, |s| {
                s.errors.other_rejected
            }),
            ("source", Reject::Source, Auth::None, |s| {
                s.errors.other_rejected
            }),
            ("no auth", Reject::AuthType, Auth::None, |s| {
                s.errors.authtype_mismatch
            }),
        ];
        for (name, why, auth, pick) in cases {
            let mut stats = VrrpCounters::default();
            stats.count_reject(why, auth);
            assert_eq!(pick(&stats), 1, "{name}");
        }
    }
}
