//! Metrics of routes (`RTAX_*` of linux/rtnetlink.h): `mtu`, `rtt` and so on.

use super::number as int;
use crate::config::schema::value::{boolean, micros};

/// Numbers by name.
const METRICS: &[(&str, u16)] = &[
    ("mtu", 2),
    ("window", 3),
    ("rtt", RTT),
    ("rttvar", RTTVAR),
    ("ssthresh", 6),
    ("cwnd", 7),
    ("advmss", 8),
    ("reordering", 9),
    ("hoplimit", 10),
    ("initcwnd", 11),
    ("features", FEATURES),
    ("rto_min", RTO_MIN),
    ("initrwnd", 14),
    ("quickack", QUICKACK),
    ("congctl", CONGCTL),
    ("fastopen_no_cookie", FASTOPEN),
];
/// `RTAX_LOCK`: a bit for each metric that the kernel must not change.
pub(super) const LOCK: u16 = 1;
const RTT: u16 = 4;
const RTTVAR: u16 = 5;
const FEATURES: u16 = 12;
const RTO_MIN: u16 = 13;
const QUICKACK: u16 = 15;
/// `RTAX_CC_ALGO`: its value is text.
pub(super) const CONGCTL: u16 = 16;
const FASTOPEN: u16 = 17;

/// The number of a metric.
pub(super) fn number(name: &str) -> Option<u16> {
    let row = METRICS.iter().find(|(known, _)| *known == name);
    row.map(|(_, number)| *number)
}

/// The kernel's number for the value of a metric.
pub(super) fn value(number: u16, text: &str) -> Option<u32> {
    match number {
        // As in iproute2, a number without a unit is in the kernel's unit.
        RTT | RTTVAR | RTO_MIN => match millis(text) {
            Some(millis) if number == RTT => millis.checked_mul(8),
            Some(millis) if number == RTTVAR => millis.checked_mul(4),
            Some(millis) => Some(millis),
            None => int(text),
        },
        FEATURES => (text == "ecn").then_some(1),
        QUICKACK | FASTOPEN => match boolean(text) {
            Some(on) => Some(u32::from(on)),
            None => int(text).filter(|number| *number <= 1),
        },
        _ => int(text),
    }
}

/// A time with a unit in milliseconds, rounded up: `100ms`, `0.1s`.
fn millis(text: &str) -> Option<u32> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let micros = micros(digits)?;
    let micros = match text.strip_prefix(digits)? {
        "s" | "sec" | "secs" => micros,
        "ms" | "msec" | "msecs" => micros / 1000,
        _ => return None,
    };
    u32::try_from(micros.div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_converted_to_the_units_of_the_kernel() {
        for (number, text, want) in [
            (RTT, "100", Some(100)),
            (RTT, "100ms", Some(800)),
            (RTT, "0.1s", Some(800)),
            (RTTVAR, "100msec", Some(400)),
            (RTO_MIN, "200ms", Some(200)),
            (RTO_MIN, "1.5s", Some(1500)),
            (RTO_MIN, "1h", None),
            (RTT, "4294967295s", None),
            (QUICKACK, "on", Some(1)),
            (QUICKACK, "0", Some(0)),
            (QUICKACK, "2", None),
            (FEATURES, "ecn", Some(1)),
            (FEATURES, "speed", None),
            (2, "1400", Some(1400)),
        ] {
            assert_eq!(value(number, text), want, "{number} {text}");
        }
    }
}
