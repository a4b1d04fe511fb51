//! "Did you mean …": the nearest keyword, and the block a keyword belongs to.

use super::root::{ROOT, visit};
use super::row::{Alias, Body, Keyword, Schema};

/// A keyword and the block it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its row in the table.
    pub keyword: &'static Keyword,
    /// The block.
    pub schema: &'static Schema,
}

/// The keyword most similar to `name`, in `schema` if there is one, else in any block.
#[must_use]
pub fn nearest(schema: &'static Schema, name: &str) -> Option<Entry> {
    let own = closest(
        schema.keywords().map(|keyword| Entry { keyword, schema }),
        name,
    );
    if let Some((edits, entry)) = own
        && edits <= max_edits(name)
    {
        return Some(entry);
    }
    let mut all = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        all.push(Entry { keyword, schema })
    });
    let (edits, entry) = closest(all.into_iter(), name)?;
    // For another block the similarity must be higher.
    (name.len() >= 6 && edits <= max_edits(name).min(name.len() / 6)).then_some(entry)
}

/// The entry whose keyword differs least from `name`, and the number of edits. Obsolete spellings
/// are not suggested.
fn closest(entries: impl Iterator<Item = Entry>, name: &str) -> Option<(usize, Entry)> {
    let current = entries.filter(|entry| entry.keyword.alias != Alias::Old);
    let scored = current.map(|entry| match entry.keyword.name() {
        same if same.eq_ignore_ascii_case(name) => (0, entry),
        other => (distance(name, other), entry),
    });
    scored.min_by_key(|(edits, _)| *edits)
}

/// Maximum number of edits of a word that is taken for a misspelling.
fn max_edits(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    }
}

/// The outermost block in which `name` is valid.
#[must_use]
pub fn find_elsewhere(name: &str) -> Option<Entry> {
    find_in(&ROOT, name)
}

/// The block at or below `schema` in which `name` is valid; an outer one before the blocks in it.
#[must_use]
pub fn find_in(schema: &'static Schema, name: &str) -> Option<Entry> {
    if let Some(keyword) = schema.find(name) {
        return Some(Entry { keyword, schema });
    }
    schema.keywords().find_map(|keyword| match keyword.body {
        Body::Block(inner) => find_in(inner, name),
        Body::None | Body::Items(_) => None,
    })
}

/// The word of a list that is most similar to `text`: the same letters in another case, or at most
/// two edits.
#[must_use]
pub fn nearest_word<'a>(
    words: impl Iterator<Item = &'a str> + Clone,
    text: &str,
) -> Option<&'a str> {
    if let Some(same) = words.clone().find(|word| word.eq_ignore_ascii_case(text)) {
        return Some(same);
    }
    let near = words.map(|word| (distance(text, word), word));
    let (edits, word) = near.min_by_key(|(edits, _)| *edits)?;
    (edits <= max_edits(text)).then_some(word)
}

/// Optimal string alignment distance: an insertion, deletion, replacement or transposition counts
/// 1.
pub(super) fn distance(left: &str, right: &str) -> usize {
    const FAR: usize = 99;
    if left.len().abs_diff(right.len()) > 2 || left.len() > 64 {
        return FAR;
    }
    let right: Vec<char> = right.chars().collect();
    let mut older: Vec<usize> = Vec::new();
    let mut old: Vec<usize> = (0..=right.len()).collect();
    let mut before = None;
    for (row, from) in left.chars().enumerate() {
        let mut new = vec![row.saturating_add(1)];
        for (column, to) in right.iter().enumerate() {
            let at = |line: &[usize], back: usize| {
                let index = column
                    .checked_add(1)
                    .and_then(|here| here.checked_sub(back));
                index
                    .and_then(|index| line.get(index))
                    .map_or(FAR, |&value| value)
            };
            let replaced = at(&old, 1).saturating_add(usize::from(from != *to));
            let deleted = at(&old, 0).saturating_add(1);
            let inserted = at(&new, 1).saturating_add(1);
            let mut best = replaced.min(deleted).min(inserted);
            let earlier = column.checked_sub(1).and_then(|index| right.get(index));
            if before == Some(*to) && earlier == Some(&from) {
                best = best.min(at(&older, 2).saturating_add(1));
            }
            new.push(best);
        }
        older = core::mem::replace(&mut old, new);
        before = Some(from);
    }
    old.last().copied().unwrap_or(FAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposition_is_one_edit() {
        for (left, right, want) in [
            ("preemtp_delay", "preempt_delay", 1),
            ("stmp_server", "smtp_server", 1),
            ("autp_pass", "auth_pass", 1),
            ("virtual_ipaddresses", "virtual_ipaddress", 2),
            ("weigth", "weight", 1),
            ("same", "same", 0),
            ("", "ab", 2),
            ("completely", "different", 99),
        ] {
            let got = distance(left, right);
            assert!(
                got == want || (want == 99 && got > 2),
                "{left} {right} {got}"
            );
        }
    }

    #[test]
    fn a_keyword_of_the_same_block_is_preferred() {
        let entry = nearest(&super::super::vrrp::INSTANCE, "stat").expect("near");
        assert_eq!(entry.keyword.name(), "state");
        let entry = nearest(&super::super::track::SCRIPT, "wieght").expect("near");
        assert_eq!(
            (entry.keyword.name(), entry.schema.name),
            ("weight", "vrrp_script")
        );
    }
}
