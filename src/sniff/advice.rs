//! The verdicts of a configuration's instances on an advert, and the line to change.

use core::fmt::Display;
use core::net::IpAddr;

use super::frame::{Message, Seen};
use crate::config::model::{Auth, HmacMode, RunningInstance, Transport};
use crate::config::places::Places;
use crate::engine::instance::judge::{Judge, Verdict};
use crate::engine::instance::rx::Datagram;
use crate::engine::system::{Ipv6Fields, Listener, Protocol};
use crate::types::{Centis, Family, Version};
use crate::vrrp::{Reject, SignatureError};
use crate::wire::vrrp::{Auth as WireAuth, ChecksumForm};

/// Addresses named in a difference; further ones are counted.
const SHOWN: usize = 3;

/// The verdict of an instance on an advert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// It processes it.
    Accepts,
    /// It discards it.
    Rejects,
}

impl Effect {
    /// As in a line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Effect::Accepts => "accepted",
            Effect::Rejects => "rejected",
        }
    }
}

/// The verdict of an instance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Advice {
    /// Name of the instance.
    pub instance: String,
    /// The verdict.
    pub verdict: Effect,
    /// `file:line` to change.
    pub place: Option<String>,
    /// The change to make there, or why there is none.
    pub text: String,
}

/// The verdicts of all instances that the advert concerns. None for an advert that this machine has
/// sent: it does not receive it.
#[must_use]
pub fn verdicts(seen: &Seen<'_>, judge: &mut Judge, places: &Places) -> Vec<Advice> {
    let Some(message) = &seen.message else {
        return Vec::new();
    };
    // The interface of a tagged frame is another one, which is listened to as well.
    if seen.frame.outgoing || (seen.vlan.is_some() && !seen.frame.interface.is_empty()) {
        return Vec::new();
    }
    let on = Some(seen.frame.interface).filter(|name| !name.is_empty());
    let verdicts = judge.verdicts(on, &datagram(seen));
    let each = verdicts.into_iter().map(|judgment| {
        let case = Case {
            seen,
            message,
            conf: judgment.conf,
            vips: judgment.vips,
            places,
        };
        case.advice(judgment.verdict)
    });
    each.collect()
}

/// The packet as the daemon's sockets deliver it.
fn datagram<'a>(seen: &Seen<'a>) -> Datagram<'a> {
    let v6 = match (seen.net.src, seen.net.dst) {
        (IpAddr::V6(src), IpAddr::V6(dst)) => Some(Ipv6Fields {
            src,
            dst,
            hop_limit: seen.ttl,
        }),
        _ => None,
    };
    Datagram {
        on: Listener {
            family: seen.family,
            interface: None,
            protocol: match seen.has_ah {
                true => Protocol::Ah,
                false => Protocol::Vrrp,
            },
        },
        bytes: match seen.family {
            Family::V4 => seen.packet,
            Family::V6 => seen.payload,
        },
        v6,
        wall: Some(seen.frame.at),
    }
}

/// An advert and an instance.
struct Case<'a> {
    seen: &'a Seen<'a>,
    message: &'a Message<'a>,
    conf: &'a RunningInstance,
    vips: &'a [IpAddr],
    places: &'a Places,
}

/// A change to make, and its place.
struct Change {
    place: Option<String>,
    text: String,
}

impl Case<'_> {
    fn advice(&self, verdict: Verdict) -> Advice {
        let (effect, change) = match verdict {
            Verdict::Accepted {
                tolerated,
                addresses_differ,
                other_checksum,
            } => {
                let change = self.accepted(tolerated, addresses_differ, other_checksum);
                (Effect::Accepts, change)
            }
            Verdict::Rejected(why) => (Effect::Rejects, self.rejected(why)),
            Verdict::OtherGroup => (Effect::Rejects, self.other_group()),
            Verdict::Malformed(error) => (Effect::Rejects, self.theirs(&error)),
            Verdict::OwnAddress => {
                let text = "the instance's own address: sent by itself, or another router has it";
                (Effect::Rejects, self.at_instance(text.to_owned()))
            }
            Verdict::Ignored => {
                let text = "every advert is ignored".to_owned();
                (Effect::Rejects, self.at("owner_ignore_adverts", text))
            }
        };
        Advice {
            instance: self.conf.name.clone(),
            verdict: effect,
            place: change.place,
            text: change.text,
        }
    }

    fn from(&self) -> IpAddr {
        self.seen.net.src
    }

    // ---- places ----

    /// At the keyword, or at the instance without it.
    fn at(&self, keyword: &str, text: String) -> Change {
        match self.places.keyword(&self.conf.name, keyword) {
            Some(place) => Change {
                place: Some(place),
                text,
            },
            None => self.at_instance(text),
        }
    }

    fn at_instance(&self, text: String) -> Change {
        Change {
            place: self.places.instance(&self.conf.name),
            text,
        }
    }

    /// Another value of a keyword, which may be missing here, or be in `global_defs`.
    fn value(
        &self,
        keyword: &str,
        global: Option<&str>,
        ours: &dyn Display,
        theirs: &dyn Display,
    ) -> Change {
        let from = self.from();
        if let Some(place) = self.places.keyword(&self.conf.name, keyword) {
            let place = Some(place);
            let text = format!("{keyword} {ours} → {theirs}, as {from} sends");
            return Change { place, text };
        }
        if let Some(global) = global
            && let Some(place) = self.places.global(global)
        {
            let place = Some(place);
            let text = format!("{global} {ours} → {theirs}, as {from} sends");
            return Change { place, text };
        }
        self.at_instance(format!(
            "add `{keyword} {theirs}`, as {from} sends; without it {ours} is used"
        ))
    }

    /// Nothing to change here.
    fn theirs(&self, what: &dyn Display) -> Change {
        Change {
            place: None,
            text: format!("{what}; change {}", self.from()),
        }
    }

    // ---- rejected ----

    fn rejected(&self, why: Reject) -> Change {
        let from = self.from();
        match why {
            Reject::Ttl(ttl) if self.seen.net.dst.is_multicast() => Change {
                place: None,
                text: format!(
                    "TTL {ttl}: a router or switch has forwarded it, or {from} does not send 255"
                ),
            },
            Reject::Ttl(ttl) => {
                let text = format!("TTL {ttl} of {from} is outside min_ttl and max_ttl");
                self.at("unicast_peer", text)
            }
            Reject::Version(theirs) => {
                let (ours, theirs) = (number(self.conf.version), number(theirs));
                self.value("version", Some("vrrp_version"), &ours, &theirs)
            }
            Reject::Interval(theirs) => {
                let (ours, theirs) = (Seconds(self.conf.advert_int), Seconds(theirs));
                self.value("advert_int", None, &ours, &theirs)
            }
            Reject::AuthType => self.auth_type(),
            Reject::AuthFailed => {
                let modified = match self.conf.auth {
                    Auth::Ah(_) => ", or the packet was modified",
                    Auth::None | Auth::Pass(_) | Auth::Hmac(_) => "",
                };
                let text = format!("auth_pass differs from that of {from}{modified}");
                self.at("auth_pass", text)
            }
            Reject::Replay => Change {
                place: None,
                text: "AH sequence number is not above the last one: a replayed advert, or two senders"
                    .to_owned(),
            },
            Reject::Signature(error) => self.signature(error),
            Reject::Transport => self.transport(),
            Reject::Source => {
                let text = format!("unicast_peer does not list {from}; add it");
                self.at("unicast_peer", text)
            }
            Reject::OffLink => {
                let text = format!("{from} is in no network of the interface");
                self.at("interface", text)
            }
            Reject::OtherAddresses => {
                let text = format!("{}: another virtual router", self.address_difference());
                self.at("virtual_ipaddress", text)
            }
        }
    }

    fn auth_type(&self) -> Change {
        let from = self.from();
        let theirs = match (self.seen.has_ah, self.message.auth) {
            (true, _) => "AH",
            (false, WireAuth::Pass(_)) => "PASS",
            (false, WireAuth::Ah | WireAuth::Other(_)) => {
                return self.theirs(&"it has an authentication type that no instance accepts");
            }
            (false, WireAuth::None) => {
                let text = format!(
                    "{from} sends no authentication; remove `authentication`, or add it there"
                );
                return self.at("authentication", text);
            }
        };
        match self.conf.auth {
            Auth::Pass(_) => self.value("auth_type", None, &"PASS", &theirs),
            Auth::Ah(_) => self.value("auth_type", None, &"AH", &theirs),
            Auth::None | Auth::Hmac(_) => self.at_instance(format!(
                "add `authentication` with auth_type {theirs} and the auth_pass of {from}"
            )),
        }
    }

    fn transport(&self) -> Change {
        let from = self.from();
        match self.conf.transport {
            Transport::Unicast { .. } => {
                let text =
                    format!("{from} sends multicast; remove `unicast_peer`, or add it there");
                self.at("unicast_peer", text)
            }
            Transport::Multicast { .. } => self.at_instance(format!(
                "{from} sends unicast; add `unicast_peer {{ {from} }}`, or remove it there"
            )),
        }
    }

    fn other_group(&self) -> Change {
        let Transport::Multicast { group } = self.conf.transport else {
            return self.transport();
        };
        let global = match self.conf.family {
            Family::V4 => "vrrp_mcast_group4",
            Family::V6 => "vrrp_mcast_group6",
        };
        self.value("mcast_dst_ip", Some(global), &group, &self.seen.net.dst)
    }

    fn signature(&self, error: SignatureError) -> Change {
        let from = self.from();
        let key = self.message.trailer.map_or(0, |trailer| trailer.key);
        let text = match error {
            SignatureError::Unexpected => {
                format!("{from} signs with key {key}; add `auth_hmac` with that key")
            }
            SignatureError::Missing => {
                format!("{from} does not sign; add `auth_hmac` there, or `mode permissive` here")
            }
            SignatureError::Malformed => {
                return self.theirs(&"it has a signature of an unknown type");
            }
            SignatureError::Stale => {
                format!("the clock of {from} differs by more than time_window; set both clocks")
            }
            SignatureError::UnknownKey => {
                format!("{from} signs with key {key}; add that key")
            }
            SignatureError::Wrong => {
                format!("key {key} differs from that of {from}, or the packet was modified")
            }
            SignatureError::Replayed => "it was sent before: a replayed advert".to_owned(),
        };
        self.at("auth_hmac", text)
    }

    // ---- accepted ----

    fn accepted(
        &self,
        tolerated: Option<SignatureError>,
        addresses_differ: bool,
        other_checksum: Option<ChecksumForm>,
    ) -> Change {
        if let Some(error) = tolerated {
            let receive_only = matches!(
                &self.conf.auth,
                Auth::Hmac(hmac) if hmac.mode == HmacMode::ReceiveOnly
            );
            let mode = match receive_only {
                true => "receive-only",
                false => "permissive",
            };
            let Change { place, text } = self.signature(error);
            let text = format!("{text} ({mode})");
            return Change { place, text };
        }
        if addresses_differ {
            let text = format!(
                "{}; keepalived before 2.3.3 rejects it",
                self.address_difference()
            );
            return self.at("virtual_ipaddress", text);
        }
        let theirs = self.message.interval.unwrap_or(self.conf.advert_int);
        if theirs != self.conf.advert_int {
            let (ours, theirs) = (Seconds(self.conf.advert_int), Seconds(theirs));
            let Change { place, text } = self.value("advert_int", None, &ours, &theirs);
            let text = format!("{text}; its interval counts while it is master");
            return Change { place, text };
        }
        let from = self.from();
        match other_checksum {
            Some(ChecksumForm::Plain) => self.at_instance(format!(
                "{from} leaves the pseudo-header out of its checksum; add `v3_checksum_as_v2` if it \
                 rejects ours"
            )),
            Some(ChecksumForm::OldUnicast) => self.at_instance(format!(
                "{from} computes its checksum as keepalived before 1.3.7; add \
                 `old_unicast_checksum` if it rejects ours"
            )),
            Some(ChecksumForm::PseudoHeader | ChecksumForm::Kernel) => {
                let keyword = match self.conf.v3_checksum_as_v2 {
                    true => "v3_checksum_as_v2",
                    false => "old_unicast_checksum",
                };
                let text = format!(
                    "{from} computes its checksum as RFC 9568 does; remove `{keyword}` if it rejects \
                     ours"
                );
                self.at(keyword, text)
            }
            None => Change {
                place: None,
                text: String::new(),
            },
        }
    }

    /// The addresses that one has and the other has not.
    fn address_difference(&self) -> String {
        let ours = self.vips;
        let theirs: Vec<IpAddr> = self.message.addresses.iter().collect();
        let missing = |from: &[IpAddr], of: &[IpAddr]| -> Vec<IpAddr> {
            let missing = of.iter().filter(|addr| !from.contains(addr));
            missing.copied().collect()
        };
        let (here, there) = (missing(ours, &theirs), missing(&theirs, ours));
        let from = self.from();
        match (list(&here), list(&there)) {
            (Some(here), Some(there)) => {
                format!("virtual_ipaddress lacks {here}, which {from} has, and has {there}")
            }
            (Some(here), None) => format!("virtual_ipaddress lacks {here}, which {from} has"),
            (None, Some(there)) => format!("virtual_ipaddress has {there}, which {from} lacks"),
            (None, None) => format!("virtual_ipaddress differs from that of {from}"),
        }
    }
}

/// Some addresses as text; `None` if there are none.
fn list(addresses: &[IpAddr]) -> Option<String> {
    let names: Vec<String> = addresses
        .iter()
        .take(SHOWN)
        .map(IpAddr::to_string)
        .collect();
    let more = addresses.len().saturating_sub(SHOWN);
    match more {
        _ if names.is_empty() => None,
        0 => Some(names.join(" ")),
        more => Some(format!("{} and {more} more", names.join(" "))),
    }
}

fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// An interval as a configuration has it, in seconds without unit.
struct Seconds(Centis);

impl Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0.to_string().trim_end_matches(" s"))
    }
}
