//! Contents of the state file, from which a successor of a killed process resumes: which instances
//! are master, and when each sent its last advert; and what it has set in the kernel. One record of
//! fixed size per instance, in the order of the configuration, then one per address that was set and
//! per virtual interface, and texts (`state_text.rs`).
//!
//! ```text
//! interface 16, NUL │ 4 or 6 │ VRID │ priority │ returns │ ifindex u32 │ sent u64 │ grace u64 │ number u64 │ name u32 │ 0 … │ sum u32
//! interface 16, NUL │ 104 or 106 │ prefix │ address 4 or 16 │ 0 … │ sum u32
//! interface 16, NUL │ 200 │ 0 │ Ethernet address, of an ipvlan 0 │ 0 … │ sum u32
//! ```
//! Big-endian; times are nanoseconds since boot. The record of an instance that is not master is
//! all zeros, as is one of a removed address. An address is recorded before it is set, and until after
//! it was removed. A process may be killed while it writes: a record with a wrong checksum is ignored.
//! `os` adds the header of the file.

use core::net::IpAddr;
use core::ops::Range;
use core::time::Duration;

use crate::engine::cx::Cx;
use crate::types::{Cidr, Family, IfIndex, IfName, InstanceId, Instant, Mac, Priority};
use crate::vrrp;

/// How long the time of an advert waits to be written: this part of the time in which no peer takes
/// over, at least [`LEAST_WAIT`]. Every advert would be a system call, and wear flash memory.
const PART: u32 = 8;
const LEAST_WAIT: Duration = Duration::from_millis(100);
/// Length of a record in bytes; divides the page size.
pub(super) const LEN: usize = 64;
const SUM: Range<usize> = 60..64;
/// Family field of an address record.
const ADDRESS_V4: u8 = 104;
const ADDRESS_V6: u8 = 106;
/// The same field of the record of a virtual interface.
const LINK: u8 = 200;

/// Record of an instance that is master.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// With `family` and `vrid`: the instance.
    pub interface: IfName,
    /// Address family of its adverts.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Effective priority.
    pub priority: Priority,
    /// How often it has resumed in quick succession because its process died.
    pub returns: u8,
    /// The interface adverts are sent from.
    pub index: IfIndex,
    /// When the last advert was sent, since boot.
    pub sent: Duration,
    /// How long after that no peer takes over.
    pub grace: Duration,
    /// Its last sequence number (AH, `auth_hmac`), or 0.
    pub number: u64,
    /// Checksum of its name: several instances on an interface may have one VRID.
    pub name: u32,
}

impl Record {
    /// From when on, since boot, a peer of lower priority may have taken over.
    pub(crate) fn peers_take_over(&self) -> Duration {
        let skew = vrrp::lower_peers_skew(self.grace, self.priority);
        self.sent.saturating_add(self.grace).saturating_add(skew)
    }

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
        put(&mut bytes, 48, &self.name.to_be_bytes());
        sealed(bytes)
    }

    /// `None` if the instance is not master or the record is incomplete.
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
            name: u32::from_be_bytes(take(bytes, 48)?),
        })
    }
}

/// All valid records of masters.
pub fn records(bytes: &[u8]) -> impl Iterator<Item = Record> + '_ {
    bytes.chunks_exact(LEN).filter_map(Record::decode)
}

/// Whether an instance was master so recently, before `uptime`, that no peer of lower priority has
/// taken over.
#[must_use]
pub fn may_resume(bytes: &[u8], uptime: Duration) -> bool {
    records(bytes).any(|record| record.sent <= uptime && uptime < record.peers_take_over())
}

/// All valid records of addresses.
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

/// Name and Ethernet address of all valid records of virtual interfaces.
pub fn links(bytes: &[u8]) -> impl Iterator<Item = (IfName, Option<Mac>)> + '_ {
    bytes.chunks_exact(LEN).filter_map(|bytes| {
        let mac = Mac(take(bytes, 18)?);
        let name = interface(bytes)?;
        (bytes.get(16) == Some(&LINK)).then(|| (name, Some(mac).filter(|mac| *mac != Mac([0; 6]))))
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

/// The interface name of a record, empty without an interface; `None` if the checksum is wrong.
fn interface(bytes: &[u8]) -> Option<IfName> {
    let name: [u8; 16] = take(bytes, 0)?;
    let name = core::str::from_utf8(&name).ok()?.trim_end_matches('\0');
    let name = match name {
        "" => Some(IfName::default()),
        name => IfName::new(name),
    };
    name.filter(|_| is_valid(bytes))
}

/// Whether the checksum of a record is right.
pub(super) fn is_valid(bytes: &[u8]) -> bool {
    take(bytes, SUM.start).map(u32::from_be_bytes) == Some(sum(bytes))
}

pub(super) fn sealed(mut bytes: [u8; LEN]) -> [u8; LEN] {
    let sum = sum(&bytes);
    put(&mut bytes, SUM.start, &sum.to_be_bytes());
    bytes
}

pub(super) fn put(bytes: &mut [u8; LEN], at: usize, field: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(field) {
        *to = *from;
    }
}

pub(super) fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn nanos(span: Duration) -> [u8; 8] {
    u64::try_from(span.as_nanos())
        .unwrap_or(u64::MAX)
        .to_be_bytes()
}

/// Checksum of the name of an instance.
pub(crate) fn name_sum(name: &str) -> u32 {
    words_sum(name.as_bytes().chunks(4))
}

/// Checksum of a record without its checksum field; not zero for a record of zeros.
fn sum(bytes: &[u8]) -> u32 {
    words_sum(bytes.get(..SUM.start).unwrap_or_default().chunks(4))
}

fn words_sum(words: core::slice::Chunks<'_, u8>) -> u32 {
    words.fold(1, |sum: u32, word| {
        let word = word
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
        sum.rotate_left(5).wrapping_add(word)
    })
}

/// The records as they should be in the file, and which part is not written yet.
#[derive(Debug, Default)]
pub(crate) struct StateRecords {
    image: Vec<u8>,
    /// The part that is not written yet.
    dirty: Range<usize>,
    /// How long the times of adverts wait that are not in the image; `None`: all are.
    wait: Option<Duration>,
    /// When the times of adverts were last brought up to date.
    updated: Instant,
    /// Numbers of records behind those of instances that are not in use.
    free: Vec<usize>,
    /// Number of the last text.
    texts: u32,
}

impl StateRecords {
    /// No masters, no addresses.
    pub(crate) fn new(instances: usize) -> Self {
        StateRecords {
            image: vec![0; instances.saturating_mul(LEN)],
            ..StateRecords::default()
        }
    }

    /// Adds an address. Returns the number of its record.
    pub(crate) fn add_address(&mut self, interface: &IfName, cidr: Cidr) -> usize {
        self.add(&address(interface, cidr))
    }

    /// Adds a record behind those of instances.
    pub(super) fn add(&mut self, record: &[u8; LEN]) -> usize {
        let nth = self.free.pop().unwrap_or(self.image.len() / LEN);
        self.put(nth, record);
        nth
    }

    pub(super) fn next_text(&mut self) -> u32 {
        self.texts = self.texts.wrapping_add(1);
        self.texts
    }

    #[cfg(test)]
    pub(super) fn image(&self) -> &[u8] {
        &self.image
    }

    /// Removes a record behind those of instances.
    pub(crate) fn remove(&mut self, nth: usize) {
        self.put(nth, &[0; LEN]);
        self.free.push(nth);
    }

    pub(crate) fn push_link(&mut self, name: &IfName, mac: Option<Mac>) {
        let mut bytes = [0; LEN];
        put(&mut bytes, 0, name.as_str().as_bytes());
        put(&mut bytes, 16, &[LINK]);
        put(&mut bytes, 18, &mac.map_or([0; 6], |mac| mac.0));
        self.image.extend_from_slice(&sealed(bytes));
    }

    /// Marks all as not written. A present file of `old_len` bytes is overwritten to its end.
    pub(crate) fn rewrite_over(&mut self, old_len: usize) {
        let used = self.image.len();
        self.image
            .resize(used.max(old_len).next_multiple_of(LEN), 0);
        self.dirty = 0..self.image.len();
        self.free.extend((used / LEN..self.image.len() / LEN).rev());
    }

    pub(crate) fn len(&self) -> usize {
        self.image.len()
    }

    /// Sets the record of an instance; `None`: it is not master.
    pub(crate) fn set(&mut self, id: InstanceId, record: Option<&Record>) {
        self.put(id.0, &record.map_or([0; LEN], Record::encode));
    }

    fn put(&mut self, nth: usize, record: &[u8; LEN]) {
        let start = nth.saturating_mul(LEN);
        let end = start.saturating_add(LEN);
        if start == self.image.len() {
            self.image.resize(end, 0);
        }
        let Some(slot) = self.image.get_mut(start..end) else {
            return;
        };
        slot.copy_from_slice(record);
        self.dirty = if self.dirty.is_empty() {
            start..end
        } else {
            self.dirty.start.min(start)..self.dirty.end.max(end)
        };
    }

    /// An advert was sent after which no peer takes over for `grace`.
    pub(crate) fn outdated(&mut self, grace: Duration) {
        let wait = LEAST_WAIT.max(grace / PART);
        self.wait = Some(self.wait.map_or(wait, |before| before.min(wait)));
    }

    /// From when on the times of adverts are brought up to date when something else is due.
    pub(crate) fn next_update(&self) -> Option<Instant> {
        self.wait.map(|wait| self.updated.after(wait))
    }

    /// When they are brought up to date even if nothing else is due.
    pub(crate) fn latest_update(&self) -> Option<Instant> {
        self.wait
            .map(|wait| self.updated.after(wait.saturating_mul(2)))
    }

    /// The times of adverts are up to date.
    pub(crate) fn updated(&mut self, now: Instant) {
        self.wait = None;
        self.updated = now;
    }

    /// Writes the part of the file that has changed.
    pub(crate) fn write(&mut self, cx: &mut Cx<'_>) {
        let dirty = core::mem::take(&mut self.dirty);
        let at = dirty.start;
        if let Some(bytes) = self.image.get(dirty).filter(|bytes| !bytes.is_empty()) {
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
            name: 0x0123_4567,
        }
    }

    #[test]
    fn a_record_survives_encoding() {
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
    fn address_records_survive_encoding_and_are_not_masters() {
        let eth0 = IfName::new("eth0").expect("a name");
        let cidr = |addr: &str, prefix| Cidr {
            addr: addr.parse().expect("an address"),
            prefix,
        };
        let all = [
            (&eth0, cidr("192.0.2.100", 24)),
            (&record().interface, cidr("2001:db8::ffff:100", 64)),
        ];
        let mut state = StateRecords::new(2);
        for (name, cidr) in all {
            state.add_address(name, cidr);
        }
        let mut file = state.image;
        assert_eq!(file.len(), 4 * LEN);
        assert_eq!(file[2 * LEN + 16..][..6], [104, 24, 192, 0, 2, 100]);
        assert_eq!(records(&file).count(), 0);
        let read: Vec<_> = addresses(&file).collect();
        let read: Vec<_> = read.iter().map(|(name, cidr)| (name, *cidr)).collect();
        assert_eq!(read, all);
        file[2 * LEN + 20] ^= 1;
        assert_eq!(addresses(&file).count(), 1, "a torn record is ignored");
    }

    #[test]
    fn link_records_survive_encoding_and_are_neither_masters_nor_addresses() {
        let name = |text| IfName::new(text).expect("a name");
        let all = [
            (name("vrrp.51"), Some(Mac([0, 0, 0x5e, 0, 1, 51]))),
            (name("fifteen-bytes-x"), None),
        ];
        let mut state = StateRecords::new(1);
        for (name, mac) in &all {
            state.push_link(name, *mac);
        }
        let file = state.image;
        assert_eq!(file.len(), 3 * LEN);
        assert_eq!(records(&file).count() + addresses(&file).count(), 0);
        assert_eq!(links(&file).collect::<Vec<_>>(), all);
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
        assert_eq!(bytes[48..52], [0x01, 0x23, 0x45, 0x67]);
        assert_eq!(bytes[52..60], [0; 8]);
        assert_eq!(bytes[60..], [0x8a, 0x48, 0x31, 0x9e]);
    }

    #[test]
    fn a_torn_or_empty_record_is_not_a_master() {
        let good = record().encode();
        assert_eq!(Record::decode(&[0; LEN]), None, "zeros");
        assert_eq!(Record::decode(&[0xff; LEN]), None, "ones");
        assert_eq!(Record::decode(&[]), None);
        assert_eq!(Record::decode(&good[..63]), None, "the end is missing");
        for bit in 0..LEN * 8 {
            let mut torn = good;
            torn[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Record::decode(&torn), None, "bit {bit}");
        }
        for len in 1..LEN {
            let mut torn = [0; LEN];
            torn[..len].copy_from_slice(&good[..len]);
            assert_eq!(Record::decode(&torn), None, "{len} bytes of it");
        }
    }

    #[test]
    fn valid_records_are_found_among_invalid_ones() {
        let mut file = vec![0; LEN];
        file.extend(record().encode());
        file.extend([7; LEN]);
        file.extend(record().encode());
        file.extend([1, 2, 3]);
        assert_eq!(records(&file).count(), 2);
    }
}
