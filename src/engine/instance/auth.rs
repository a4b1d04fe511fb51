//! Authentication of adverts: signs ours and verifies those of peers.
//!
//! The keys are in the configuration, which only the engine has. What follows from the result is
//! decided by `vrrp::auth`, which also keeps the sequence numbers.

use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::{self, HmacMode, RunningInstance};
use crate::engine::cx::Cx;
use crate::engine::instance::router::Router;
use crate::engine::instance::rx::Envelope;
use crate::engine::system::Protocol;
use crate::types::Family;
use crate::vrrp::{AuthResult, HmacPolicy, Reject, SignatureError, within_window};
use crate::wire::vrrp::{Auth, Parsed};
use crate::wire::{EmitError, PseudoHeader, ah, hmac, ipv4, vrrp};

/// The authentication field of an advert (RFC 3768 §5.3.6).
pub(crate) fn wire_auth(auth: &model::Auth) -> Auth {
    match auth {
        model::Auth::None | model::Auth::Hmac(_) => Auth::None,
        model::Auth::Pass(password) => Auth::Pass(password.0),
        model::Auth::Ah(_) => Auth::Ah,
    }
}

/// What the protocol machine must know of `auth_hmac`.
pub(crate) fn hmac_policy(auth: &model::Auth) -> Option<HmacPolicy> {
    match auth {
        model::Auth::Hmac(hmac) => Some(HmacPolicy {
            enforce: hmac.mode == HmacMode::Enforce,
            window: hmac.time_window,
        }),
        model::Auth::None | model::Auth::Pass(_) | model::Auth::Ah(_) => None,
    }
}

/// The IP protocol that carries the adverts.
pub(crate) fn protocol(conf: &RunningInstance) -> Protocol {
    match conf.auth {
        model::Auth::Ah(_) => Protocol::Ah,
        model::Auth::None | model::Auth::Pass(_) | model::Auth::Hmac(_) => Protocol::Vrrp,
    }
}

// ---- sending ----

/// Sequence number of an advert; copies to several peers share it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sequence {
    None,
    Ah(u32),
    Hmac(u64),
}

/// The number of the next advert; `None` when those of AH are exhausted.
pub(crate) fn next_sequence(cx: &mut Cx<'_>, router: &mut Router) -> Option<Sequence> {
    match &router.conf.auth {
        model::Auth::None | model::Auth::Pass(_) => Some(Sequence::None),
        model::Auth::Ah(_) => {
            let wall = cx.system.wall_clock();
            router.machine.next_ah_sequence(wall).map(Sequence::Ah)
        }
        model::Auth::Hmac(hmac) if hmac.active().is_none() => Some(Sequence::None),
        model::Auth::Hmac(_) => {
            let wall = cx.system.wall_clock();
            Some(Sequence::Hmac(router.machine.next_hmac_sequence(wall)))
        }
    }
}

/// Signs the message in the first `len` bytes of `buf` if `auth_hmac` is configured. Returns its
/// length with the signature.
pub(crate) fn sign(
    conf: &RunningInstance,
    sequence: Sequence,
    net: &PseudoHeader,
    buf: &mut [u8],
    len: usize,
) -> Result<usize, EmitError> {
    let (model::Auth::Hmac(hmac), Sequence::Hmac(sequence)) = (&conf.auth, sequence) else {
        return Ok(len);
    };
    let Some(key) = hmac.active() else {
        return Ok(len);
    };
    let trailer = hmac::Trailer {
        key: key.id,
        sequence,
    };
    let len = hmac::sign(buf, len, net.src, trailer, &key.secret.0)?;
    if conf.family == Family::V6 {
        vrrp::update_signed_checksum(buf.get_mut(..len).unwrap_or_default(), net)?;
    }
    Ok(len)
}

/// Writes an IPv4 packet, with an authentication header for `auth_type AH`.
pub(crate) fn emit_ipv4(
    conf: &RunningInstance,
    sequence: Sequence,
    header: &ipv4::Header,
    buf: &mut [u8],
    body: impl FnOnce(&mut [u8]) -> Result<usize, EmitError>,
) -> Result<usize, EmitError> {
    match (&conf.auth, sequence) {
        (model::Auth::Ah(key), Sequence::Ah(sequence)) => {
            let header = ipv4::Header {
                protocol: ah::PROTOCOL,
                ..*header
            };
            ah::emit(&header, sequence, &key.0, buf, body)
        }
        (..) => ipv4::emit(header, buf, body),
    }
}

// ---- receiving ----

/// Verifies the authentication of an advert that has passed all other checks. What costs little is
/// compared first, so that most forged adverts and all replayed ones cost no HMAC. `wall`: wall
/// clock time of its arrival.
pub(crate) fn verify(
    router: &Router,
    envelope: &Envelope<'_>,
    parsed: &Parsed<'_>,
    wall: impl FnOnce() -> Duration,
) -> AuthResult {
    let (conf, from) = (&router.conf, envelope.net.src);
    if let Some((header, packet, bytes)) = &envelope.ah {
        let own_spi = matches!(from, IpAddr::V4(from) if header.spi == u32::from(from));
        let intact = match &conf.auth {
            model::Auth::Ah(key) => own_spi && ah::verify(packet, bytes, &key.0),
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
    let stale = |window| !within_window(trailer.sequence, wall, window);
    let key = hmac.keys.iter().find(|key| key.id == trailer.key);
    let error = match key {
        _ if hmac.time_window.is_some_and(stale) => Some(SignatureError::Stale),
        None => Some(SignatureError::UnknownKey),
        Some(_) if router.machine.is_replay(from, trailer.sequence, wall) => {
            Some(SignatureError::Replayed)
        }
        Some(key) => {
            let intact = hmac::verify(parsed.bytes, from, &key.secret.0);
            (!intact).then_some(SignatureError::Wrong)
        }
    };
    AuthResult::Signed {
        error,
        sequence: trailer.sequence,
        wall,
    }
}

// ---- texts ----

/// Why an advert was rejected, for the log.
pub(crate) fn reject_text(conf: &RunningInstance, why: Reject) -> &'static str {
    let with_ah = matches!(conf.auth, model::Auth::Ah(_));
    match why {
        Reject::AuthType if with_ah => {
            "no authentication header, which auth_type AH requires; both routers stay master"
        }
        Reject::AuthType => "authentication type differs from ours; both routers stay master",
        Reject::AuthFailed if with_ah => {
            "wrong authentication header: another auth_pass, or the packet was modified; if the sender \
             is master, there are two masters"
        }
        Reject::AuthFailed => "wrong password; if the sender is master, there are two masters",
        Reject::Replay => {
            "AH sequence number not above the last one: a replayed advert, or a router that has \
             restarted and has not received our adverts yet"
        }
        Reject::Signature(error) => signature_error_text(error),
        Reject::Ttl(_)
        | Reject::Version(_)
        | Reject::Interval(_)
        | Reject::Transport
        | Reject::Source
        | Reject::OffLink
        | Reject::OtherAddresses => "",
    }
}

/// What is wrong with a signature, for the log.
pub(crate) fn signature_error_text(error: SignatureError) -> &'static str {
    match error {
        SignatureError::Unexpected => {
            "signed, but auth_hmac is not configured here; both routers stay master"
        }
        SignatureError::Missing => "not signed, but auth_hmac is configured here",
        SignatureError::Malformed => "signature of an unknown type",
        SignatureError::Stale => {
            "signed at a time that differs from ours by more than time_window: check both clocks"
        }
        SignatureError::UnknownKey => "signed with a key that is not configured here",
        SignatureError::Wrong => {
            "wrong signature: another key with the same id, or a forged advert"
        }
        SignatureError::Replayed => {
            "signature sequence number not above the last one: a replayed advert"
        }
    }
}
