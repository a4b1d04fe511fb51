//! An advert as a JSON object.

use super::advice::{Advice, Effect};
use super::frame::{Checksum, Seen};
use super::line::authentication;
use super::rule::Severity;
use crate::ctl::json_writer::Json;
use crate::wire::vrrp::ChecksumForm;

/// An advert and what instances make of it as one object, without a line break.
#[must_use]
pub fn object(seen: &Seen<'_>, advice: &[Advice]) -> String {
    let mut out = Json::default();
    out.object(|out| {
        let at = seen.frame.at;
        let (seconds, nanos) = (at.as_secs(), at.subsec_nanos());
        out.number("time", &format_args!("{seconds}.{nanos:09}"));
        out.string("interface", &seen.frame.interface);
        out.number("outgoing", &seen.frame.outgoing);
        if let Some(vlan) = seen.vlan {
            out.number("vlan", &vlan);
        }
        out.string("source", &seen.net.src);
        out.string("destination", &seen.net.dst);
        out.string("source_mac", &seen.src_mac);
        out.number("ttl", &seen.ttl);
        message(out, seen);
        out.number("discarded", &seen.is_discarded());
        out.key("breaches");
        out.list(&seen.breaches, |out, breach| {
            out.object(|out| {
                out.string("rule", &breach.name());
                let discarded = breach.severity() == Severity::Discarded;
                out.number("discarded", &discarded);
                out.string("text", breach);
            });
        });
        out.key("verdicts");
        out.list(advice, |out, advice| {
            out.object(|out| {
                out.string("instance", &advice.instance);
                out.number("accepted", &(advice.verdict == Effect::Accepts));
                if let Some(place) = &advice.place {
                    out.string("place", place);
                }
                if !advice.text.is_empty() {
                    out.string("text", &advice.text);
                }
            });
        });
    });
    out.text
}

fn message(out: &mut Json, seen: &Seen<'_>) {
    let Some(message) = &seen.message else {
        return;
    };
    out.number("version", &message.version);
    out.number("type", &message.kind);
    out.number("vrid", &message.vrid);
    out.number("priority", &message.priority);
    if let Some(interval) = message.interval {
        out.number("interval_centiseconds", &interval.0);
    }
    out.string("authentication", &authentication(seen, message));
    let checksum = match message.checksum {
        Checksum::Right(ChecksumForm::Plain) => "plain",
        Checksum::Right(ChecksumForm::OldUnicast) => "old_unicast",
        Checksum::Right(ChecksumForm::PseudoHeader | ChecksumForm::Kernel) => "pseudo_header",
        Checksum::Wrong => "wrong",
        Checksum::Unknown => "unknown",
    };
    out.string("checksum", &checksum);
    out.number("count", &message.count);
    let addresses: Vec<_> = message.addresses.iter().collect();
    out.strings("addresses", &addresses);
}
