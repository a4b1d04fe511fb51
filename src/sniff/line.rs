//! An advert as a line of text.

use core::fmt::Write as _;
use core::time::Duration;

use super::advice::Advice;
use super::frame::{Checksum, Message, Seen};
use super::rule::{Breach, Severity};
use crate::types::{Date, Priority};
use crate::wire::vrrp::{Auth, ChecksumForm};

/// Addresses shown in a line; further ones are counted.
const SHOWN: usize = 4;

/// A packet in one line, without the line break, and without what instances make of it. Without
/// time it is the same for every copy of an advert.
#[must_use]
pub fn text(seen: &Seen<'_>) -> String {
    let mut out = String::new();
    if !seen.frame.interface.is_empty() {
        let _ = write!(out, "{} ", seen.frame.interface);
    }
    if let Some(vlan) = seen.vlan {
        let _ = write!(out, "vlan {vlan} ");
    }
    if seen.frame.outgoing {
        out.push_str("out ");
    }
    let _ = write!(out, "{} > {} ", seen.net.src, seen.net.dst);
    match &seen.message {
        Some(message) => fields(&mut out, seen, message),
        None => {
            let _ = write!(out, "no advert, ttl {}", seen.ttl);
        }
    }
    let is_real = |breach: &Breach| matches!(breach, Breach::RealMac(_));
    if seen.breaches.iter().any(is_real) {
        out.push_str(" no vmac");
    }
    for (severity, mark) in [(Severity::Discarded, '!'), (Severity::Accepted, '?')] {
        let mut before = mark;
        for breach in &seen.breaches {
            if breach.severity() == severity && !breach.is_usual() {
                match before == mark {
                    true => out.push_str(if mark == '!' { " ! " } else { " ? " }),
                    false => out.push_str("; "),
                }
                before = ';';
                let _ = write!(out, "{breach}");
            }
        }
    }
    out
}

fn fields(out: &mut String, seen: &Seen<'_>, message: &Message<'_>) {
    let Message {
        version,
        vrid,
        priority,
        ..
    } = message;
    let _ = write!(out, "v{version} vrid {vrid} prio {priority}");
    match Priority(*priority) {
        Priority::RESIGN => out.push_str(" (resigns)"),
        Priority::OWNER => out.push_str(" (owner)"),
        Priority(_) => {}
    }
    if let Some(interval) = message.interval {
        let _ = write!(out, " {interval}");
    }
    let form = match message.checksum {
        Checksum::Right(ChecksumForm::Plain) if *version == 3 => "ok (no pseudo-header)",
        Checksum::Right(ChecksumForm::OldUnicast) => "ok (old unicast)",
        Checksum::Right(_) => "ok",
        Checksum::Wrong => "wrong",
        Checksum::Unknown => "unknown",
    };
    let (auth, ttl) = (authentication(seen, message), seen.ttl);
    let _ = write!(out, " {auth} cksum {form} ttl {ttl} {} vip", message.count);
    if message.count != 1 {
        out.push('s');
    }
    for addr in message.addresses.iter().take(SHOWN) {
        let _ = write!(out, " {addr}");
    }
    let there = message.addresses.iter().count();
    if there > SHOWN {
        let _ = write!(out, " +{}", there.saturating_sub(SHOWN));
    }
}

/// The form of authentication; never a password.
pub(super) fn authentication(seen: &Seen<'_>, message: &Message<'_>) -> String {
    if let Some(trailer) = message.trailer {
        return format!("HMAC key {}", trailer.key);
    }
    if let Some(ah) = seen.ah {
        return format!("AH seq {}", ah.sequence);
    }
    match message.auth {
        Auth::None => "no auth".to_owned(),
        Auth::Pass(_) => "PASS".to_owned(),
        Auth::Ah => "AH".to_owned(),
        Auth::Other(kind) => format!("auth {kind}"),
    }
}

/// The time of day with microseconds. `offset`: seconds east of UTC.
#[must_use]
pub fn time(at: Duration, offset: i32) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let date = Date::from_epoch(seconds.saturating_add(offset.into()));
    let Date {
        hour,
        minute,
        second,
        ..
    } = date;
    let micros = at.subsec_micros();
    format!("{hour:02}:{minute:02}:{second:02}.{micros:06}")
}

/// The verdict of an instance on the advert, in one line.
#[must_use]
pub fn advice(advice: &Advice) -> String {
    let Advice {
        instance,
        verdict,
        place,
        text,
    } = advice;
    let verdict = verdict.as_str();
    let mut out = format!("    {instance}: {verdict}");
    if let Some(place) = place {
        let _ = write!(out, ": {place}");
    }
    if !text.is_empty() {
        let _ = write!(out, ": {text}");
    }
    out
}

/// The text without characters that control a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(visible).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_of_the_zone_with_microseconds() {
        let at = Duration::new(86_399, 1_999);
        assert_eq!(time(at, 0), "23:59:59.000001");
        assert_eq!(time(at, 3600), "00:59:59.000001");
        assert_eq!(time(Duration::ZERO, -60), "23:59:00.000000");
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(printable("a\u{1b}[31mb\n\u{9b}→"), "a?[31mb??→");
    }
}
