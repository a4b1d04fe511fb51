//! Authentication of adverts: who sent it, and is it a replay?
//!
//! ICVs and signatures are computed by `engine`, which has the keys; the rules are here. VRRPv2's
//! own authentication (RFC 2338 §5.3.6: password, AH) and `auth_hmac` have independent sequence
//! numbers: [`ah`] and [`hmac`].

mod ah;
mod hmac;
#[cfg(test)]
mod tests;

use core::net::IpAddr;
use core::time::Duration;

use super::{Params, Received, Reject};
use crate::types::{Rare, Version};
use crate::wire::ah::Header;
use crate::wire::vrrp::Auth;

use ah::AhSequence;
use hmac::HmacSequence;
pub use hmac::within_window;

/// The `auth_hmac` settings that reception needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HmacPolicy {
    /// Adverts without a signature are discarded; false (permissive): only logged and counted. One
    /// with a wrong signature is always discarded.
    pub enforce: bool,
    /// How many seconds the sender's clock may differ from ours; `None`: `anti_replay monotonic`.
    pub window: Option<u32>,
}

/// Result of the checks of an advert that need keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AuthResult {
    /// No AH header and no signature; VRRPv2 may carry a password.
    None,
    /// An AH header.
    Ah {
        /// Its ICV is valid.
        icv_valid: bool,
        /// Its fields.
        header: Header,
    },
    /// A signature (`auth_hmac`).
    Signed {
        /// What is wrong with it.
        error: Option<SignatureError>,
        /// Its sequence number.
        sequence: u64,
        /// Our own wall-clock time, since 1970.
        wall: Duration,
    },
}

/// What is wrong with a signature; each error has a counter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SignatureError {
    /// The advert is signed, but `auth_hmac` is not configured.
    Unexpected,
    /// The advert is not signed.
    Missing,
    /// Unknown type.
    Malformed,
    /// The sender's clock and ours differ by more than the window.
    Stale,
    /// The key is not configured here.
    UnknownKey,
    /// Signed with another key, or the advert was modified.
    Wrong,
    /// The sequence number is not above the sender's last one.
    Replayed,
}

/// Sequence numbers sent and received.
#[derive(Debug)]
pub(super) struct SequenceState {
    ah: AhSequence,
    hmac: Rare<HmacSequence>,
}

// ---- reception ----

impl SequenceState {
    pub(super) fn new(params: &Params) -> Self {
        let mut sequences = SequenceState {
            ah: AhSequence::default(),
            hmac: Rare::default(),
        };
        sequences.reserve(params);
        sequences
    }

    /// Allocates for as many senders of signed adverts as `params` allow. Known senders stay.
    pub(super) fn reserve(&mut self, params: &Params) {
        if params.hmac.is_some() {
            self.hmac.reserve(params.peers.len());
        }
    }

    /// Checks signature and authentication type. A signature error that permissive mode tolerates
    /// is returned.
    pub(super) fn check(
        &mut self,
        params: &Params,
        received: &Received<'_>,
    ) -> Result<Option<SignatureError>, Reject> {
        let error = self.signature_error(params, received);
        let tolerated = |error| {
            error == SignatureError::Missing && params.hmac.is_some_and(|hmac| !hmac.enforce)
        };
        if let Some(error) = error.filter(|error| !tolerated(*error)) {
            return Err(Reject::Signature(error));
        }
        match (params.version, received.auth_result) {
            (Version::V2, _) => self.check_v2(params, received)?,
            (Version::V3, AuthResult::Ah { .. }) => return Err(Reject::AuthType),
            (Version::V3, AuthResult::None | AuthResult::Signed { .. }) => {}
        }
        Ok(error)
    }

    /// Whether the number of a signed advert is not above the last one of its sender.
    pub(super) fn is_replay(
        &self,
        from: IpAddr,
        sequence: u64,
        window: Option<u32>,
        wall: Duration,
    ) -> bool {
        self.hmac.is_replay(from, sequence, window, wall)
    }

    /// VRRPv2's own authentication; VRRPv3 has none.
    fn check_v2(&mut self, params: &Params, received: &Received<'_>) -> Result<(), Reject> {
        match (params.auth, received.advert.auth, received.auth_result) {
            (Auth::Ah, Auth::Ah, AuthResult::Ah { icv_valid, header }) => {
                let IpAddr::V4(from) = received.from else {
                    return Err(Reject::AuthType);
                };
                if !icv_valid || header.spi != u32::from(from) {
                    return Err(Reject::AuthFailed);
                }
                if !self.ah.accept(header.sequence) {
                    return Err(Reject::Replay);
                }
                Ok(())
            }
            // An AH header must be present if and only if AH is configured.
            (Auth::Ah, ..) | (.., AuthResult::Ah { .. }) => Err(Reject::AuthType),
            (Auth::None, Auth::None, _) => Ok(()),
            (Auth::Pass(ours), Auth::Pass(theirs), _) if ours == theirs => Ok(()),
            (Auth::Pass(_), Auth::Pass(_), _) => Err(Reject::AuthFailed),
            (..) => Err(Reject::AuthType),
        }
    }

    fn signature_error(
        &mut self,
        params: &Params,
        received: &Received<'_>,
    ) -> Option<SignatureError> {
        let Some(policy) = params.hmac else {
            let signed = matches!(received.auth_result, AuthResult::Signed { .. });
            return signed.then_some(SignatureError::Unexpected);
        };
        match received.auth_result {
            AuthResult::None | AuthResult::Ah { .. } => Some(SignatureError::Missing),
            AuthResult::Signed {
                error: Some(error), ..
            } => Some(error),
            AuthResult::Signed { sequence, wall, .. } => {
                let new = self
                    .hmac
                    .accept(received.from, sequence, policy.window, wall);
                (!new).then_some(SignatureError::Replayed)
            }
        }
    }
}

// ---- transmission ----

impl SequenceState {
    /// The last sequence number sent; 0: none.
    pub(super) fn last(&self) -> u64 {
        self.hmac.last_sent().max(self.ah.last().into())
    }

    /// Makes the next number sent exceed `last`, the last one of the previous process.
    pub(super) fn continue_after(&mut self, last: u64) {
        self.ah.continue_after(last);
        if last > 0 {
            self.hmac.continue_after(last);
        }
    }

    /// The sequence number of the next advert with AH; `None` when they are exhausted.
    pub(super) fn next_ah(&mut self, wall: Duration) -> Option<u32> {
        self.ah.next(wall)
    }

    /// Whether AH has no sequence number left, so that a master must stop.
    pub(super) fn is_exhausted(&self) -> bool {
        self.ah.is_exhausted()
    }

    /// Restarts AH sequence numbers if they are exhausted.
    pub(super) fn restart_if_exhausted(&mut self) {
        self.ah.restart_if_exhausted();
    }

    /// The sequence number of the next signed advert.
    pub(super) fn next_hmac(&mut self, wall: Duration, window: Option<u32>) -> u64 {
        self.hmac.next(wall, window)
    }
}
