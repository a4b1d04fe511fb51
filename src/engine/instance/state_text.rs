//! Texts in the state file: what operators have asked for, which outlives the process.
//!
//! ```text
//! 0 16 │ 201 │ part │ parts │ 0 │ text number u32 │ 36 bytes │ sum u32
//! ```
//! A text takes as many records as it needs, anywhere behind those of the instances, and counts only
//! if all of them are there. A program that does not know them ignores them.

use super::state_record::{LEN, StateRecords, is_valid, put, sealed, take};
use crate::types::sorted;

/// Family field of a record.
const TEXT: u8 = 201;
/// Bytes of a text in a record.
const SHARE: usize = 36;

/// All complete texts.
pub(crate) fn texts(bytes: &[u8]) -> Vec<Vec<u8>> {
    let records = bytes.chunks_exact(LEN).filter_map(|record| {
        let [kind, part, parts, _] = take(record, 16)?;
        let share: [u8; SHARE] = take(record, 24)?;
        let number: [u8; 4] = take(record, 20)?;
        (kind == TEXT && is_valid(record)).then_some((number, part, parts, share))
    });
    let records = sorted(records.collect());
    let mut all = Vec::new();
    for of_one in records.chunk_by(|a, b| a.0 == b.0) {
        let parts = u8::try_from(of_one.len()).unwrap_or(0);
        let in_order = of_one.iter().zip(0_u8..);
        if in_order
            .clone()
            .all(|(one, part)| (one.1, one.2) == (part, parts))
        {
            let mut text: Vec<u8> = of_one.iter().flat_map(|one| one.3).collect();
            let used = text.iter().rposition(|byte| *byte != 0);
            text.truncate(used.map_or(0, |last| last.saturating_add(1)));
            all.push(text);
        }
    }
    all
}

impl StateRecords {
    /// Adds a text that does not end with a zero. Returns the numbers of its records; none if it is
    /// too long.
    pub(crate) fn add_text(&mut self, text: &[u8]) -> Vec<usize> {
        let shares = text.chunks(SHARE);
        let Ok(parts) = u8::try_from(shares.len()) else {
            return Vec::new();
        };
        let number = self.next_text();
        let records = shares.zip(0_u8..).map(|(share, part)| {
            let mut bytes = [0; LEN];
            put(&mut bytes, 16, &[TEXT, part, parts]);
            put(&mut bytes, 20, &number.to_be_bytes());
            put(&mut bytes, 24, share);
            self.add(&sealed(bytes))
        });
        records.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_survive_encoding_in_any_order_and_count_only_if_complete() {
        let all = [b"a".to_vec(), vec![b'x'; SHARE], vec![0xff; 5 * SHARE + 1]];
        let mut records = StateRecords::new(1);
        let slots: Vec<_> = all.iter().map(|text| records.add_text(text)).collect();
        assert_eq!(slots, [vec![1], vec![2], (3..9).collect()]);
        let file = records.image().to_vec();
        assert_eq!(texts(&file), all);
        let reversed: Vec<u8> = file.chunks(LEN).rev().flatten().copied().collect();
        assert_eq!(texts(&reversed), all);
        for nth in 3..9 {
            let mut torn = file.clone();
            torn[nth * LEN + 30] ^= 1;
            assert_eq!(texts(&torn), all[..2], "without record {nth}");
        }
        assert_eq!(records.add_text(&vec![1; 256 * SHARE]), [0; 0], "too long");
    }

    #[test]
    fn records_of_removed_texts_are_used_again() {
        let mut records = StateRecords::new(0);
        let old = records.add_text(&[b'x'; 2 * SHARE]);
        for slot in old {
            records.remove(slot);
        }
        assert_eq!(texts(records.image()), [[0; 0]; 0]);
        records.add_text(b"new");
        assert_eq!(texts(records.image()), [b"new"]);
        assert_eq!(records.image().len(), 2 * LEN);
    }

    #[test]
    fn other_records_ignore_texts() {
        use super::super::state_record::{addresses, links, records};
        let mut state = StateRecords::new(0);
        state.add_text(b"maintenance");
        let file = state.image();
        assert_eq!(records(file).count() + addresses(file).count(), 0);
        assert_eq!(links(file).count(), 0);
    }
}
