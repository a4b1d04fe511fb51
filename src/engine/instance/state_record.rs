//! What is written down for a successor, should this process die: which instances are master, and when each sent its
//! last advert. One record of fixed size for each instance, in the order of the configuration, and after them one for
//! each virtual address, whoever has it.
//!
//! ```text
//! interface 16, NUL │ 4 or 6 │ VRID │ priority │ returns │ ifindex u32 │ sent u64 │ grace u64 │ number u64 │ 0 … │ sum u32
//! interface 16, NUL │ 104 or 106 │ prefix │ address 4 or 16 │ 0 … │ sum u32
//! ```
//! Big-endian; times are nanoseconds since boot. A record without mastership is all zeros. A process may be killed
//! while it writes: a record counts only if its sum is right. The header of the file is `os`'s business.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use crate::types::{Cidr, Family, IfIndex, IfName, Priority};

/// Bytes of a record; a page holds a whole number of them.
const LEN: usize = 64;
const SUM: Range<usize> = 60..64;
/// What stands in place of the family in an address's record.
const ADDRESS_V4: u8 = 104;
const ADDRESS_V6: u8 = 106;

/// A master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// With `family` and `vrid`: which.
    pub interface: IfName,
    /// Of its adverts.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Effective.
    pub priority: Priority,
    /// How often it has gone on as master in short order, because its process has died.
    pub returns: u8,
    /// The interface adverts left by.
    pub index: IfIndex,
    /// When the last advert was sent, since boot.
    pub sent: Duration,
    /// How long after that no peer has taken over.
    pub grace: Duration,
    /// Its sequence number, if it had one.
    pub number: u64,
}

impl Record {
    /// The record as bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, self.interface.as_str().as_bytes());
        let family = match self.family {
            Family::V4 => 4,
            Family::V6 => 6,
        };
        put(
            &mut bytes,
            16,
            &[family, self.vrid, self.priority.0, self.returns],
        );
        put(&mut bytes, 20, &self.index.0.to_be_bytes());
        put(&mut bytes, 24, &nanos(self.sent));
        put(&mut bytes, 32, &nanos(self.grace));
        put(&mut bytes, 40, &self.number.to_be_bytes());
        sealed(bytes)
    }

    /// `None`: no master, or not written to its end.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Record> {
        let [family, vrid, priority, returns] = take(bytes, 16)?;
        let family = match family {
            4 => Family::V4,
            6 => Family::V6,
            _ => return None,
        };
        let long = |at| Some(u64::from_be_bytes(take(bytes, at)?));
        Some(Record {
            interface: interface(bytes)?,
            family,
            vrid,
            priority: Priority(priority),
            returns,
            index: IfIndex(u32::from_be_bytes(take(bytes, 20)?)),
            sent: Duration::from_nanos(long(24)?),
            grace: Duration::from_nanos(long(32)?),
            number: long(40)?,
        })
    }
}

/// All records of masters that are good.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    bytes.chunks_exact(LEN).filter_map(Record::decode)
}

/// All records of addresses that are good.
pub fn addresses(bytes: &[u8]) -> impl Iterator<Item = (IfName, Cidr)> + '_ {
    bytes.chunks_exact(LEN).filter_map(|bytes| {
        let [family, prefix] = take(bytes, 16)?;
        let addr = match family {
            ADDRESS_V4 => IpAddr::from(take::<4>(bytes, 18)?),
            ADDRESS_V6 => IpAddr::from(take::<16>(bytes, 18)?),
            _ => return None,
        };
        Some((interface(bytes)?, Cidr { addr, prefix }))
    })
}

fn address(interface: &IfName, cidr: Cidr) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    put(&mut bytes, 0, interface.as_str().as_bytes());
    let family = match cidr.addr {
        IpAddr::V4(addr) => {
            put(&mut bytes, 18, &addr.octets());
            ADDRESS_V4
        }
        IpAddr::V6(addr) => {
            put(&mut bytes, 18, &addr.octets());
            ADDRESS_V6
        }
    };
    put(&mut bytes, 16, &[family, cidr.prefix]);
    sealed(bytes)
}

/// The name at the beginning of a record that is good.
fn interface(bytes: &[u8]) -> Option<IfName> {
    let stored = u32::from_be_bytes(take(bytes, SUM.start)?);
    let name: [u8; 16] = take(bytes, 0)?;
    let name = core::str::from_utf8(&name).ok()?.trim_end_matches('\0');
    IfName::new(name).filter(|_| stored == sum(bytes))
}

fn sealed(mut bytes: [u8; LEN]) -> [u8; LEN] {
    let sum = sum(&bytes);
    put(&mut bytes, SUM.start, &sum.to_be_bytes());
    bytes
}

fn put(bytes: &mut [u8; LEN], at: usize, field: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(field) {
        *to = *from;
    }
}

fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn nanos(span: Duration) -> [u8; 8] {
    u64::try_from(span.as_nanos())
        .unwrap_or(u64::MAX)
        .to_be_bytes()
}

/// Of everything but itself; not zero for zeros.
fn sum(bytes: &[u8]) -> u32 {
    let before = bytes.get(..SUM.start).unwrap_or_default();
    before.chunks_exact(4).fold(1, |sum: u32, word| {
        let word = word
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        sum.rotate_left(5).wrapping_add(word)
    })
}

/// The records as they should stand in the file, and what of that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct StateRecords {
    image: Vec<u8>,
    /// Not written yet; empty: all is.
    news: Range<usize>,
}

impl StateRecords {
    /// No masters, no addresses.
    pub(crate) fn new(instances: usize) -> Self {
        StateRecords {
            image: vec![0; instances.saturating_mul(LEN)],
            news: 0..0,
        }
    }

    /// Appends an address.
    pub(crate) fn list(&mut self, interface: &IfName, cidr: Cidr) {
        self.image.extend_from_slice(&address(interface, cidr));
    }

    /// All of it is to be written. `old`: what the file holds, which must not reach beyond.
    pub(crate) fn begin(&mut self, old: usize) {
        self.image.resize(self.image.len().max(old), 0);
        self.news = 0..self.image.len();
    }

    pub(crate) fn len(&self) -> usize {
        self.image.len()
    }

    /// Notes that an instance is master, or is not.
    pub(crate) fn set(&mut self, nth: usize, record: Option<&Record>) {
        let begin = nth.saturating_mul(LEN);
        let end = begin.saturating_add(LEN);
        let Some(slot) = self.image.get_mut(begin..end) else {
            return;
        };
        slot.copy_from_slice(&record.map_or([0; LEN], Record::encode));
        self.news = if self.news.is_empty() {
            begin..end
        } else {
            self.news.start.min(begin)..self.news.end.max(end)
        };
    }

    /// Writes what is new.
    pub(crate) fn write(&mut self, cx: &mut Cx<'_>) {
        let news = core::mem::take(&mut self.news);
        let at = news.start;
        if let Some(bytes) = self.image.get(news).filter(|bytes| !bytes.is_empty()) {
            cx.system.write_state(at, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            interface: IfName::new("fifteen-bytes-x").expect("a name"),
            family: Family::V6,
            vrid: 51,
            priority: Priority(254),
            returns: 2,
            index: IfIndex(0x0102_0304),
            sent: Duration::from_nanos(0x1122_3344_5566_7788),
            grace: Duration::from_millis(300),
            number: 0x99aa_bbcc_ddee_ff00,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let short = Record {
            interface: IfName::new("a").expect("a name"),
            family: Family::V4,
            ..record()
        };
        for record in [record(), short] {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
    }

    #[test]
    fn addresses_are_read_as_they_were_written_and_are_no_masters() {
        let eth0 = IfName::new("eth0").expect("a name");
        let cidr = |addr: &str, prefix| Cidr {
            addr: addr.parse().expect("an address"),
            prefix,
        };
        let all = [
            (&eth0, cidr("192.0.2.100", 24)),
            (&record().interface, cidr("2001:db8::ffff:100", 64)),
        ];
        let mut ledger = StateRecords::new(2);
        for (name, cidr) in all {
            ledger.list(name, cidr);
        }
        let mut file = ledger.image;
        assert_eq!(file.len(), 4 * LEN);
        assert_eq!(file[2 * LEN + 16..][..6], [104, 24, 192, 0, 2, 100]);
        assert_eq!(records(&file).count(), 0);
        let read: Vec<_> = addresses(&file).collect();
        let read: Vec<_> = read.iter().map(|(name, cidr)| (name, *cidr)).collect();
        assert_eq!(read, all);
        file[2 * LEN + 20] ^= 1;
        assert_eq!(addresses(&file).count(), 1, "a torn one does not count");
    }

    #[test]
    fn the_layout_is_the_same_on_every_machine() {
        let bytes = record().encode();
        assert_eq!(&bytes[..16], b"fifteen-bytes-x\0");
        assert_eq!(bytes[16..24], [6, 51, 254, 2, 1, 2, 3, 4]);
        assert_eq!(
            bytes[24..32],
            [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88]
        );
        assert_eq!(bytes[32..40], 300_000_000_u64.to_be_bytes());
        assert_eq!(
            bytes[40..48],
            [0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x00]
        );
        assert_eq!(bytes[48..60], [0; 12]);
        assert_eq!(bytes[60..], [0xfd, 0x32, 0x95, 0x99]);
    }

    #[test]
    fn what_is_torn_or_was_never_written_is_no_master() {
        let good = record().encode();
        assert_eq!(Record::decode(&[0; LEN]), None, "zeros");
        assert_eq!(Record::decode(&[0xff; LEN]), None, "ones");
        assert_eq!(Record::decode(&[]), None);
        assert_eq!(Record::decode(&good[..63]), None, "the end is missing");
        for place in 0..LEN * 8 {
            let mut torn = good;
            torn[place / 8] ^= 1 << (place % 8);
            assert_eq!(Record::decode(&torn), None, "bit {place}");
        }
        for place in 1..LEN {
            let mut torn = [0; LEN];
            torn[..place].copy_from_slice(&good[..place]);
            assert_eq!(Record::decode(&torn), None, "{place} bytes of it");
        }
    }

    #[test]
    fn good_records_are_found_among_others() {
        let mut file = vec![0; LEN];
        file.extend(record().encode());
        file.extend([7; LEN]);
        file.extend(record().encode());
        file.extend([1, 2, 3]);
        assert_eq!(records(&file).count(), 2);
    }
}
