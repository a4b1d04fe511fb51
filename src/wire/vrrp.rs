//! VRRP advertisements, versions 2 and 3 (RFC 3768 §5.1, RFC 9568 §5.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------+-------+---------------+---------------+---------------+
//! |version| type 1|     VRID      |   priority    |     count     |
//! +-------+-------+---------------+---------------+---------------+
//! |   auth type   |  interval, s  |           checksum            |  v2
//! +-------+-------+---------------+                               |
//! | zero  |     interval, cs      |                               |  v3
//! +-------+-----------------------+-------------------------------+
//! |             count addresses of 4 (v3 IPv6: 16) bytes          |
//! |             8 bytes of authentication data, v2 only           |
//! ```
//!
//! The checksum covers the message and, in v3 over IPv6, a pseudo header. For v3 over IPv4
//! implementations differ about the pseudo header, and keepalived up to 1.3.6 used the multicast
//! group in that of unicast adverts too. All three forms are accepted ([`ChecksumForm`]).
//!
//! A signed advert (`auth_hmac`) is followed by a trailer; see [`super::hmac`]. Over IPv6 the
//! checksum covers it as well, because the kernel may compute that checksum.
//!
//! A count of 0 is accepted although RFC 9568 §5.2.5 forbids it: keepalived sends it when all
//! addresses are in `virtual_ipaddress_excluded`, and dropping such adverts would cause two
//! masters.

use core::net::{IpAddr, Ipv4Addr};

use super::checksum::{PseudoHeader, Sum};
use super::cursor::{Reader, Writer, patch_u16_be};
use super::{EmitError, ParseError, hmac};
use crate::types::{Centis, Family, Priority, Version, Vrid};

/// IP protocol number.
pub const PROTOCOL: u8 = 112;
/// Length of the fields before the addresses.
pub const HEADER_LEN: usize = 8;
/// Longest message: v3, 255 IPv6 addresses.
pub const MAX_LEN: usize = HEADER_LEN + 255 * 16;
/// The IPv4 group adverts go to (RFC 9568 §5.1.1.2).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

const AUTH_LEN: usize = 8;
pub(super) const CHECKSUM_AT: usize = 6;
const ADVERTISEMENT: u8 = 1;
/// Largest padded length: the shortest Ethernet payload plus the 4 bytes of a removed VLAN tag.
const PADDED_TO: usize = 46 + 4;

/// Authentication of VRRPv2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Type 0 (and every VRRPv3 packet).
    None,
    /// Type 1: eight bytes of text.
    Pass([u8; 8]),
    /// Type 2: an AH header precedes the message.
    Ah,
    /// Any other type.
    Other(u8),
}

impl core::fmt::Debug for Auth {
    /// The password is a secret, also in logs.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Auth::None => f.write_str("None"),
            Auth::Pass(_) => f.write_str("Pass(********)"),
            Auth::Ah => f.write_str("Ah"),
            Auth::Other(kind) => write!(f, "Other({kind})"),
        }
    }
}

/// The address list, as bytes of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses<'a> {
    /// Address family.
    pub family: Family,
    /// `count × addr_len` bytes.
    pub bytes: &'a [u8],
}

impl Addresses<'_> {
    /// The addresses in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.bytes
            .chunks_exact(self.family.addr_len())
            .map(|chunk| match self.family {
                Family::V4 => {
                    let mut octets = [0; 4];
                    octets.copy_from_slice(chunk);
                    IpAddr::from(octets)
                }
                Family::V6 => {
                    let mut octets = [0; 16];
                    octets.copy_from_slice(chunk);
                    IpAddr::from(octets)
                }
            })
    }
}

/// A well-formed advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Advert<'a> {
    /// Its version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// Sender's priority, 0 when it resigns.
    pub priority: Priority,
    /// Sender's interval.
    pub interval: Centis,
    /// v2 authentication.
    pub auth: Auth,
    /// The list of addresses.
    pub addresses: Addresses<'a>,
}

/// What the checksum covers besides the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChecksumForm {
    /// Nothing: v2, and v3 over IPv4 with `v3_checksum_as_v2`.
    Plain,
    /// The pseudo header: v3 over IPv6, and v3 over IPv4 by default.
    PseudoHeader,
    /// A pseudo header with destination 224.0.0.18 in unicast adverts: `old_unicast_checksum`.
    OldUnicast,
    /// Left zero for the kernel to compute (`IPV6_CHECKSUM` at offset 6); not returned by `parse`.
    Kernel,
}

/// A received advertisement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed<'a> {
    /// The advert.
    pub advert: Advert<'a>,
    /// Form of its checksum.
    pub checksum: ChecksumForm,
    /// The trailer of a signed advert, else empty.
    pub trailer: &'a [u8],
    /// The message with its trailer, without padding.
    pub bytes: &'a [u8],
}

/// An advertisement to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AdvertRepr<'a> {
    /// Its version.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// Our priority, 0 to resign.
    pub priority: Priority,
    /// Our interval.
    pub interval: Centis,
    /// v2 authentication; `None` in v3.
    pub auth: Auth,
    /// At most 255 addresses of one family.
    pub addresses: &'a [IpAddr],
}

/// Length of a message with `count` addresses, in bytes.
#[must_use]
pub const fn len(version: Version, family: Family, count: usize) -> usize {
    let auth = match version {
        Version::V2 => AUTH_LEN,
        Version::V3 => 0,
    };
    count
        .saturating_mul(family.addr_len())
        .saturating_add(HEADER_LEN)
        .saturating_add(auth)
}

// ---- reception ----

/// Parses a message. `net` has the addresses of its IP packet, whose family is that of the address
/// list.
pub fn parse<'a>(payload: &'a [u8], net: &PseudoHeader) -> Result<Parsed<'a>, ParseError> {
    let family = Family::of(net.dst);
    if payload.len() < HEADER_LEN {
        return Err(ParseError::VrrpLength {
            found: payload.len(),
            expected: HEADER_LEN,
        });
    }
    let mut r = Reader::new(payload);
    let [first, vrid, priority, count] = r.array()?;
    let version = parse_version(first >> 4, family)?;
    let needed = len(version, family, usize::from(count));
    let bytes = trim(payload, family, needed)?;
    let (message, trailer) = bytes.split_at_checked(needed).unwrap_or((bytes, &[]));
    let summed = match family {
        Family::V4 => message,
        Family::V6 => bytes,
    };
    if first & 0x0f != ADVERTISEMENT {
        return Err(ParseError::VrrpType(first & 0x0f));
    }
    let timing: [u8; 2] = r.array()?;
    let [kind, _] = timing;
    let checksum = verify(summed, version, net, r.u16_be()?)?;
    let vrid = Vrid::new(vrid).ok_or(ParseError::VrrpVrid)?;
    let interval = parse_interval(version, timing)?;
    let list = r.bytes(usize::from(count).saturating_mul(family.addr_len()))?;
    let auth = match version {
        Version::V2 => auth(kind, r.array()?),
        Version::V3 => Auth::None,
    };
    Ok(Parsed {
        advert: Advert {
            version,
            vrid,
            priority: Priority(priority),
            interval,
            auth,
            addresses: Addresses {
                family,
                bytes: list,
            },
        },
        checksum,
        trailer,
        bytes,
    })
}

fn parse_version(number: u8, family: Family) -> Result<Version, ParseError> {
    match (number, family) {
        (2, Family::V4) => Ok(Version::V2),
        (2, Family::V6) => Err(ParseError::VrrpV2OverIpv6),
        (3, _) => Ok(Version::V3),
        (other, _) => Err(ParseError::VrrpVersion(other)),
    }
}

fn parse_interval(version: Version, timing: [u8; 2]) -> Result<Centis, ParseError> {
    let interval = match (version, timing) {
        (Version::V2, [_, secs]) => Centis::from_secs(secs),
        (Version::V3, _) => Centis(u16::from_be_bytes(timing) & Centis::MAX_V3.0),
    };
    if interval.0 == 0 {
        return Err(ParseError::VrrpInterval);
    }
    Ok(interval)
}

/// The `needed` bytes of the message, with its trailer if there is one. Only the padding of a short
/// frame may follow.
fn trim(payload: &[u8], family: Family, needed: usize) -> Result<&[u8], ParseError> {
    let padded = PADDED_TO.saturating_sub(match family {
        Family::V4 => 20,
        Family::V6 => 40,
    });
    if payload.len() == needed.saturating_add(hmac::LEN) {
        // Longer than any padding.
        return Ok(payload);
    }
    match payload.get(..needed) {
        Some(message) if payload.len() == needed || payload.len() <= padded => Ok(message),
        _ => Err(ParseError::VrrpLength {
            found: payload.len(),
            expected: needed,
        }),
    }
}

/// The form of checksum for which `message` is intact.
pub(crate) fn verify(
    message: &[u8],
    version: Version,
    net: &PseudoHeader,
    found: u16,
) -> Result<ChecksumForm, ParseError> {
    let plain = Sum::new().bytes(message);
    let with = |net: &PseudoHeader| plain.pseudo(net, PROTOCOL, wire_len(message));
    let wrong = |sum: Sum| {
        Err(ParseError::VrrpChecksum {
            found,
            expected: sum.expected(found),
        })
    };
    let (pseudo, ipv4) = (with(net), net.dst.is_ipv4());
    match version {
        Version::V2 if plain.is_valid() => Ok(ChecksumForm::Plain),
        Version::V2 => wrong(plain),
        Version::V3 if pseudo.is_valid() => Ok(ChecksumForm::PseudoHeader),
        Version::V3 if ipv4 && plain.is_valid() => Ok(ChecksumForm::Plain),
        Version::V3 if ipv4 && with(&old_unicast(net)).is_valid() => Ok(ChecksumForm::OldUnicast),
        Version::V3 => wrong(pseudo),
    }
}

fn auth(kind: u8, data: [u8; AUTH_LEN]) -> Auth {
    match kind {
        0 => Auth::None,
        1 => Auth::Pass(data),
        2 => Auth::Ah,
        other => Auth::Other(other),
    }
}

// ---- emission ----

/// Writes a message and returns its length. `net` is needed by checksum forms with a pseudo header.
pub fn emit(
    advert: &AdvertRepr<'_>,
    net: Option<&PseudoHeader>,
    form: ChecksumForm,
    buf: &mut [u8],
) -> Result<usize, EmitError> {
    let count = advert.addresses.len();
    let mut w = Writer::new(buf);
    w.u8(match advert.version {
        Version::V2 => 0x20 | ADVERTISEMENT,
        Version::V3 => 0x30 | ADVERTISEMENT,
    })?;
    w.bytes(&[advert.vrid.get(), advert.priority.0])?;
    w.u8(u8::try_from(count).map_err(|_| EmitError::AddressCount(count))?)?;
    let data = emit_timing(advert, &mut w)?;
    w.u16_be(0)?;
    let family = advert.addresses.first().map(|first| Family::of(*first));
    for addr in advert.addresses {
        let here = Family::of(*addr);
        if Some(here) != family || (advert.version, here) == (Version::V2, Family::V6) {
            return Err(EmitError::AddressFamily);
        }
        w.addr(*addr)?;
    }
    if advert.version == Version::V2 {
        w.bytes(&data)?;
    }
    let len = w.written();
    let message = buf.get(..len).unwrap_or_default();
    if let Some(sum) = sum(message, advert.version, net, form)? {
        patch_u16_be(buf, CHECKSUM_AT, sum.checksum())?;
    }
    Ok(len)
}

/// Writes bytes 4 and 5, where the versions differ, and returns v2's authentication data.
fn emit_timing(advert: &AdvertRepr<'_>, w: &mut Writer<'_>) -> Result<[u8; AUTH_LEN], EmitError> {
    let (kind, data) = match advert.auth {
        Auth::None => (0, [0; AUTH_LEN]),
        Auth::Pass(text) => (1, text),
        Auth::Ah => (2, [0; AUTH_LEN]),
        Auth::Other(kind) => (kind, [0; AUTH_LEN]),
    };
    let interval = advert.interval;
    match advert.version {
        Version::V2 => {
            let secs = interval.as_secs();
            if secs == 0 || Centis::from_secs(secs) != interval {
                return Err(EmitError::Interval(interval));
            }
            w.bytes(&[kind, secs])?;
        }
        Version::V3 if advert.auth != Auth::None => return Err(EmitError::Authentication),
        Version::V3 if interval.0 == 0 || interval > Centis::MAX_V3 => {
            return Err(EmitError::Interval(interval));
        }
        Version::V3 => w.u16_be(interval.0)?,
    }
    Ok(data)
}

/// Recomputes the checksum of a signed IPv6 advert, including its trailer.
pub fn update_signed_checksum(signed: &mut [u8], net: &PseudoHeader) -> Result<(), EmitError> {
    patch_u16_be(signed, CHECKSUM_AT, 0)?;
    let sum = Sum::new().bytes(signed);
    let sum = sum.pseudo(net, PROTOCOL, wire_len(signed));
    patch_u16_be(signed, CHECKSUM_AT, sum.checksum())
}

/// The sum of this form; `None` if the kernel computes it.
fn sum(
    message: &[u8],
    version: Version,
    net: Option<&PseudoHeader>,
    form: ChecksumForm,
) -> Result<Option<Sum>, EmitError> {
    let plain = Sum::new().bytes(message);
    let ipv4 = net.is_none_or(|net| net.dst.is_ipv4());
    let with = |net: &PseudoHeader| Ok(Some(plain.pseudo(net, PROTOCOL, wire_len(message))));
    match (version, form, net) {
        (Version::V2, _, _) => Ok(Some(plain)),
        (Version::V3, ChecksumForm::Kernel, _) => Ok(None),
        (Version::V3, ChecksumForm::Plain, _) if ipv4 => Ok(Some(plain)),
        (Version::V3, ChecksumForm::PseudoHeader, Some(net)) => with(net),
        (Version::V3, ChecksumForm::OldUnicast, Some(net)) if ipv4 => with(&old_unicast(net)),
        (Version::V3, _, _) => Err(EmitError::ChecksumForm),
    }
}

fn old_unicast(net: &PseudoHeader) -> PseudoHeader {
    PseudoHeader {
        src: net.src,
        dst: IpAddr::V4(GROUP_V4),
    }
}

/// A message's length for the pseudo header; at most [`MAX_LEN`].
fn wire_len(message: &[u8]) -> u16 {
    u16::try_from(message.len()).unwrap_or(u16::MAX)
}
