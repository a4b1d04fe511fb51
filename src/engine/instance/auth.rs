//! Proofs of where an advert is from: made for ours, looked into in others'.
//!
//! The keys are here, in the configuration; what is done with the outcome is decided by the machine
//! (`vrrp::auth`), which also keeps the sequence numbers.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::config::model::{self, HmacMode, VrrpInstance};
use crate::engine::instance::router::Router;
use crate::engine::instance::rx::Envelope;
use crate::engine::system::Protocol;
use crate::types::Family;
use crate::vrrp::{AuthResult, HmacPolicy, Reject, SignatureError, within_window};
use crate::wire::vrrp::{Auth, Parsed};
use crate::wire::{EmitError, PseudoHeader, ah, hmac, ipv4, vrrp};

/// Authentication as it stands in a packet.
pub(crate) fn auth(auth: &model::Auth) -> Auth {
    match auth {
        model::Auth::None | model::Auth::Hmac(_) => Auth::None,
        model::Auth::Pass(password) => Auth::Pass(password.0),
        model::Auth::Ah(_) => Auth::Ah,
    }
}

/// What `auth_hmac` demands, as far as the machine is concerned.
pub(crate) fn hmac_policy(auth: &model::Auth) -> Option<HmacPolicy> {
    match auth {
        model::Auth::Hmac(hmac) => Some(HmacPolicy {
            enforce: hmac.mode == HmacMode::Enforce,
            window: hmac.time_window,
        }),
        model::Auth::None | model::Auth::Pass(_) | model::Auth::Ah(_) => None,
    }
}

/// The IP protocol its adverts travel by.
pub(crate) fn protocol(conf: &VrrpInstance) -> Protocol {
    match conf.auth {
        model::Auth::Ah(_) => Protocol::Ah,
        model::Auth::None | model::Auth::Pass(_) | model::Auth::Hmac(_) => Protocol::Vrrp,
    }
}

// ---- ours ----

/// The number of an advert; copies for several peers share it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stamp {
    None,
    Ah(u32),
    Signed(u64),
}

/// Draws the number of the next advert; `None` when AH has none left.
pub(crate) fn stamp(cx: &mut Cx<'_>, router: &mut Router) -> Option<Stamp> {
    match &router.conf.auth {
        model::Auth::None | model::Auth::Pass(_) => Some(Stamp::None),
        model::Auth::Ah(_) => {
            let wall = cx.system.wall_clock();
            router.machine.next_ah_sequence(wall).map(Stamp::Ah)
        }
        model::Auth::Hmac(hmac) if hmac.active().is_none() => Some(Stamp::None),
        model::Auth::Hmac(_) => {
            let wall = cx.system.wall_clock();
            Some(Stamp::Signed(router.machine.next_hmac_sequence(wall)))
        }
    }
}

/// Signs the message that the first `len` bytes of `room` are, where that is wanted.
pub(crate) fn sign(
    conf: &VrrpInstance,
    stamp: Stamp,
    net: &PseudoHeader,
    room: &mut [u8],
    len: usize,
) -> Result<usize, EmitError> {
    let (model::Auth::Hmac(hmac), Stamp::Signed(sequence)) = (&conf.auth, stamp) else {
        return Ok(len);
    };
    let Some(key) = hmac.active() else {
        return Ok(len);
    };
    let trailer = hmac::Trailer {
        key: key.id,
        sequence,
    };
    let len = hmac::sign(room, len, net.src, trailer, &key.secret.0)?;
    if conf.family == Family::V6 {
        vrrp::update_signed_checksum(room.get_mut(..len).unwrap_or_default(), net)?;
    }
    Ok(len)
}

/// Writes an IPv4 packet, with an authentication header where that is wanted.
pub(crate) fn packet_v4(
    conf: &VrrpInstance,
    stamp: Stamp,
    header: &ipv4::Header,
    scratch: &mut [u8],
    body: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    match (&conf.auth, stamp) {
        (model::Auth::Ah(key), Stamp::Ah(sequence)) => {
            let header = ipv4::Header {
                protocol: ah::PROTOCOL,
                ..*header
            };
            ah::emit(&header, sequence, &key.0, scratch, body)
        }
        (..) => ipv4::emit(header, scratch, body),
    }
}

// ---- others' ----

/// What an advert has brought along. `wall`: when it arrived.
pub(crate) fn examine(
    conf: &VrrpInstance,
    envelope: &Envelope<'_>,
    parsed: &Parsed<'_>,
    wall: impl FnOnce() -> Duration,
) -> AuthResult {
    if let Some((header, packet, bytes)) = &envelope.ah {
        let intact = match &conf.auth {
            model::Auth::Ah(key) => ah::verify(packet, bytes, &key.0),
            model::Auth::None | model::Auth::Pass(_) | model::Auth::Hmac(_) => false,
        };
        return AuthResult::Ah {
            icv_valid: intact,
            header: *header,
        };
    }
    if parsed.trailer.is_empty() {
        return AuthResult::None;
    }
    let model::Auth::Hmac(hmac) = &conf.auth else {
        return AuthResult::Signed {
            error: Some(SignatureError::Unexpected),
            sequence: 0,
            wall: Duration::ZERO,
        };
    };
    let Ok(trailer) = hmac::parse(parsed.trailer) else {
        return AuthResult::Signed {
            error: Some(SignatureError::Malformed),
            sequence: 0,
            wall: Duration::ZERO,
        };
    };
    let wall = wall();
    // What is too old is not worth the arithmetic.
    let stale = |window| !within_window(trailer.sequence, wall, window);
    let key = hmac.keys.iter().find(|key| key.id == trailer.key);
    let from = envelope.net.src;
    let error = if hmac.time_window.is_some_and(stale) {
        Some(SignatureError::Stale)
    } else {
        match key {
            None => Some(SignatureError::UnknownKey),
            Some(key) => {
                let intact = hmac::verify(parsed.bytes, from, &key.secret.0);
                (!intact).then_some(SignatureError::Wrong)
            }
        }
    };
    AuthResult::Signed {
        error,
        sequence: trailer.sequence,
        wall,
    }
}

// ---- in words ----

/// Why an advert was not believed.
pub(crate) fn disbelief(conf: &VrrpInstance, why: Reject) -> &'static str {
    let with_ah = matches!(conf.auth, model::Auth::Ah(_));
    match why {
        Reject::AuthType if with_ah => {
            "without the authentication header that auth_type AH demands; both ends stay master"
        }
        Reject::AuthType => "other authentication type than ours; both ends stay master",
        Reject::AuthFailed if with_ah => {
            "wrong authentication header: another auth_pass, or changed on the way; if it is a \
             master, there are two now"
        }
        Reject::AuthFailed => "wrong password; if it is a master, there are two now",
        Reject::Replay => {
            "number of the authentication header not above those known: an old advert played back, \
             or a router that has restarted and not heard us yet"
        }
        Reject::Signature(error) => defect(error),
        Reject::Ttl(_)
        | Reject::Version(_)
        | Reject::Interval(_)
        | Reject::Transport
        | Reject::Source => "",
    }
}

/// What is wrong with a signature.
pub(crate) fn defect(error: SignatureError) -> &'static str {
    match error {
        SignatureError::Unexpected => {
            "signed, but auth_hmac is not configured here; both ends stay master"
        }
        SignatureError::Missing => "not signed, as auth_hmac demands",
        SignatureError::Malformed => "signature of an unknown type",
        SignatureError::Stale => {
            "signed at a time that is more than time_window from ours: check both clocks"
        }
        SignatureError::UnknownKey => "signed with a key that is not configured here",
        SignatureError::Wrong => "wrong signature: another key under the same number, or a forgery",
        SignatureError::Replayed => {
            "number of the signature not above its last one: an old advert played back"
        }
    }
}
