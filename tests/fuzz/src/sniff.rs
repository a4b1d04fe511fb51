//! `vrrpd sniff`: a capture, or a frame.

use core::time::Duration;

use vrrpd::sniff::frame::{Captured, decode};
use vrrpd::sniff::rule::Breach;
use vrrpd::sniff::summary::Summary;
use vrrpd::sniff::{line, pcap};
use vrrpd::types::Family;
use vrrpd::wire::{ipv4, vrrp};

use super::Reach;

/// Frames of one input that are read.
const FRAMES: usize = 16;

/// Any bytes are read as a capture and as a frame. What the daemon would process is never called
/// malformed, and the line of a packet has no control characters.
pub(super) fn sniff(data: &[u8]) -> Reach {
    let mut summary = Summary::default();
    let mut reach = frame(data, data.len(), &mut summary);
    let header = data.first_chunk().map(pcap::read_header);
    if let Some(Ok(format)) = header {
        let mut rest = &data[pcap::HEADER_LEN..];
        for _ in 0..FRAMES {
            let Some((record, after)) = rest.split_first_chunk() else {
                break;
            };
            let Ok(record) = format.record(record) else {
                break;
            };
            assert!(record.captured <= pcap::MAX_FRAME);
            let Some(bytes) = after.get(..record.captured) else {
                break;
            };
            reach = reach.or(frame(bytes, record.sent, &mut summary));
            rest = &after[record.captured..];
        }
    }
    assert!(
        !summary
            .text(1)
            .contains(|c: char| c.is_control() && c != '\n')
    );
    reach
}

fn frame(bytes: &[u8], sent: usize, summary: &mut Summary) -> Reach {
    let frame = Captured {
        at: Duration::from_secs(1),
        interface: "eth0",
        outgoing: false,
        bytes,
        sent,
    };
    let Some(seen) = decode(frame) else {
        return Reach::Rejected;
    };
    let text = line::text(&seen);
    assert!(!text.contains(char::is_control), "{text:?}");
    summary.add(&seen, &text);
    #[cfg(feature = "json")]
    assert!(!vrrpd::sniff::json::object(&seen, &[]).contains(char::is_control));
    let is_malformed = seen
        .breaches
        .iter()
        .any(|one| matches!(one, Breach::Malformed(_)));
    let parsed = match (seen.family, seen.has_ah) {
        (Family::V4, false) => {
            ipv4::parse(seen.packet).and_then(|packet| vrrp::parse(packet.payload, &seen.net))
        }
        (Family::V6, _) if !is_malformed => vrrp::parse(seen.payload, &seen.net),
        _ => return Reach::Accepted,
    };
    assert_eq!(is_malformed, parsed.is_err(), "{text}");
    Reach::Accepted
}
