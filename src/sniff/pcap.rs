//! The classic pcap format: a header of 24 bytes, then frames, each with a header of 16 bytes.
//!
//! Written in little endian with nanoseconds. Read in both byte orders, with microseconds or
//! nanoseconds, with link type Ethernet.

use core::fmt;
use core::time::Duration;

use crate::wire::cursor::Reader;

/// Bytes of the file header.
pub const HEADER_LEN: usize = 24;
/// Bytes before each frame.
pub const RECORD_LEN: usize = 16;
/// The longest frame that is read. Other programs write at most this many bytes of a frame, too.
pub const MAX_FRAME: usize = 262_144;

/// `LINKTYPE_ETHERNET`.
const ETHERNET: u32 = 1;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const MICROSECONDS: u32 = 0xa1b2_c3d4;

/// Why a file cannot be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PcapError {
    /// It does not start as a pcap file.
    NoPcap,
    /// It is of the newer format.
    Pcapng,
    /// The frames are of another kind of link.
    LinkType(u32),
    /// A frame is longer than any.
    TooLong(u32),
    /// A frame claims more bytes captured than were sent, or its fraction of a second is one or
    /// more.
    Damaged,
}

impl fmt::Display for PcapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PcapError::NoPcap => f.write_str("it is not a pcap file"),
            PcapError::Pcapng => f.write_str(
                "it is a pcapng file; convert it with `editcap -F pcap` or `tcpdump -r FILE -w OTHER`",
            ),
            PcapError::LinkType(found) => {
                write!(f, "link type {found}, expected 1 (Ethernet)")
            }
            PcapError::TooLong(len) => write!(f, "a frame of {len} bytes: the file is damaged"),
            PcapError::Damaged => f.write_str("the header of a frame is damaged"),
        }
    }
}

/// Byte order and unit of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Format {
    big_endian: bool,
    nanoseconds: bool,
}

/// The header of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was captured, since 1970.
    pub at: Duration,
    /// Bytes that follow.
    pub captured: usize,
    /// Bytes of the frame on the wire.
    pub sent: usize,
}

/// Reads the file header.
///
/// # Errors
/// The file is of another format.
pub fn read_header(header: &[u8; HEADER_LEN]) -> Result<Format, PcapError> {
    let mut r = Reader::new(header);
    let magic: [u8; 4] = r.array().map_err(|_| PcapError::NoPcap)?;
    let format = match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (0x0a0d_0d0a, _) => return Err(PcapError::Pcapng),
        (little @ (NANOSECONDS | MICROSECONDS), _) => Format {
            big_endian: false,
            nanoseconds: little == NANOSECONDS,
        },
        (_, big @ (NANOSECONDS | MICROSECONDS)) => Format {
            big_endian: true,
            nanoseconds: big == NANOSECONDS,
        },
        _ => return Err(PcapError::NoPcap),
    };
    let _ = r.bytes(16);
    // The upper bits say how long the checksum of a frame is.
    let link = format.number(&mut r).ok_or(PcapError::NoPcap)? & 0x0fff_ffff;
    match link {
        ETHERNET => Ok(format),
        other => Err(PcapError::LinkType(other)),
    }
}

impl Format {
    fn number(self, r: &mut Reader<'_>) -> Option<u32> {
        let bytes = r.array().ok()?;
        Some(match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        })
    }

    /// Reads the header of a frame.
    ///
    /// # Errors
    /// It cannot be one.
    pub fn record(self, header: &[u8; RECORD_LEN]) -> Result<Record, PcapError> {
        let mut r = Reader::new(header);
        let mut next = || self.number(&mut r).unwrap_or(0);
        let (seconds, fraction, captured, sent) = (next(), next(), next(), next());
        let (nanos, per_second) = match self.nanoseconds {
            true => (fraction, 1_000_000_000),
            false => (fraction.saturating_mul(1000), 1_000_000),
        };
        let length = |len: u32| usize::try_from(len).unwrap_or(usize::MAX);
        if length(captured) > MAX_FRAME {
            return Err(PcapError::TooLong(captured));
        }
        if fraction >= per_second || sent < captured {
            return Err(PcapError::Damaged);
        }
        Ok(Record {
            at: Duration::new(seconds.into(), nanos),
            captured: length(captured),
            sent: length(sent),
        })
    }
}

/// The header of a file that is written.
#[must_use]
pub fn header() -> [u8; HEADER_LEN] {
    let mut out = [0; HEADER_LEN];
    let numbers = [
        NANOSECONDS,
        // Version 2.4.
        4 << 16 | 2,
        0,
        0,
        u32::try_from(MAX_FRAME).unwrap_or(u32::MAX),
        ETHERNET,
    ];
    put(&mut out, &numbers);
    out
}

/// The header of a frame of this length that was captured completely.
#[must_use]
pub fn record(at: Duration, len: usize) -> [u8; RECORD_LEN] {
    let mut out = [0; RECORD_LEN];
    let seconds = u32::try_from(at.as_secs()).unwrap_or(u32::MAX);
    let len = u32::try_from(len).unwrap_or(u32::MAX);
    put(&mut out, &[seconds, at.subsec_nanos(), len, len]);
    out
}

fn put(out: &mut [u8], numbers: &[u32]) {
    for (field, number) in out.chunks_exact_mut(4).zip(numbers) {
        field.copy_from_slice(&number.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let format = read_header(&header()).unwrap();
        let at = Duration::new(1_700_000_000, 123_456_789);
        let read = format.record(&record(at, 60)).unwrap();
        let (captured, sent) = (60, 60);
        assert_eq!(read, Record { at, captured, sent });
    }

    #[test]
    fn both_byte_orders_and_units_are_read() {
        for (magic, nanoseconds) in [(MICROSECONDS, false), (NANOSECONDS, true)] {
            for big_endian in [false, true] {
                let bytes = |n: u32| match big_endian {
                    true => n.to_be_bytes(),
                    false => n.to_le_bytes(),
                };
                let mut file = header();
                file[..4].copy_from_slice(&bytes(magic));
                file[20..].copy_from_slice(&bytes(1));
                let format = read_header(&file).unwrap();
                let want = Format {
                    big_endian,
                    nanoseconds,
                };
                assert_eq!(format, want);
                let numbers = [7, 5, 42, 60].map(bytes);
                let record: [u8; RECORD_LEN] = numbers.as_flattened().try_into().unwrap();
                let nanos = if nanoseconds { 5 } else { 5000 };
                let (captured, sent) = (42, 60);
                let at = Duration::new(7, nanos);
                assert_eq!(format.record(&record), Ok(Record { at, captured, sent }));
            }
        }
    }

    #[test]
    fn what_is_no_capture_of_ethernet_is_refused_for_its_reason() {
        let with = |at: usize, bytes: &[u8]| {
            let mut file = header();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            read_header(&file).map(|_| ())
        };
        assert_eq!(with(0, b"\n\r\r\n"), Err(PcapError::Pcapng));
        assert_eq!(with(0, b"vrrp"), Err(PcapError::NoPcap));
        assert_eq!(with(20, &[113, 0]), Err(PcapError::LinkType(113)));
        // A length of the checksum.
        assert_eq!(with(23, &[0x40]), Ok(()));
        let format = read_header(&header()).unwrap();
        for (numbers, want) in [
            ([0, 0, 300_000, 300_000], PcapError::TooLong(300_000)),
            ([0, 1_000_000_000, 60, 60], PcapError::Damaged),
            ([0, 0, 61, 60], PcapError::Damaged),
        ] {
            let mut record = [0; RECORD_LEN];
            put(&mut record, &numbers);
            assert_eq!(format.record(&record), Err(want));
        }
    }
}
