//! "Did you mean …": the nearest keyword, and where a known one belongs.

use super::{Alias, Body, Keyword, ROOT, Schema, visit};

/// A keyword and the block it belongs in.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The row.
    pub keyword: &'static Keyword,
    /// Its block.
    pub schema: &'static Schema,
}

/// The keyword most like `name`: in `schema` if it has one, else anywhere.
#[must_use]
pub fn nearest(schema: &'static Schema, name: &str) -> Option<Place> {
    let own = closest(
        schema.keywords().map(|keyword| Place { keyword, schema }),
        name,
    );
    if let Some((slips, place)) = own
        && slips <= limit(name)
    {
        return Some(place);
    }
    let mut all = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        all.push(Place { keyword, schema })
    });
    let (slips, place) = closest(all.into_iter(), name)?;
    // Further away a word must be longer to be meant.
    (name.len() >= 6 && slips <= limit(name).min(name.len() / 6)).then_some(place)
}

/// The place whose keyword differs least from `name`, and by how much. A spelling that is itself
/// out of use is no advice.
fn closest(places: impl Iterator<Item = Place>, name: &str) -> Option<(usize, Place)> {
    let current = places.filter(|place| place.keyword.alias != Alias::Old);
    let scored = current.map(|place| match place.keyword.name() {
        same if same.eq_ignore_ascii_case(name) => (0, place),
        other => (distance(name, other), place),
    });
    scored.min_by_key(|(slips, _)| *slips)
}

/// How many slips of the pen are still the same word.
fn limit(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    }
}

/// Where `name` belongs when it is known in some block: the outermost one.
#[must_use]
pub fn find_elsewhere(name: &str) -> Option<Place> {
    find_in(&ROOT, name)
}

/// The block at or below `schema` that knows `name`; an outer one before those in it.
#[must_use]
pub fn find_in(schema: &'static Schema, name: &str) -> Option<Place> {
    if let Some(keyword) = schema.find(name) {
        return Some(Place { keyword, schema });
    }
    schema.keywords().find_map(|keyword| match keyword.body {
        Body::Block(inner) => find_in(inner, name),
        Body::None | Body::Items(_) => None,
    })
}

/// The word of a list most like `text`: same letters in another case, or one or two slips.
#[must_use]
pub fn nearest_word<'a>(
    words: impl Iterator<Item = &'a str> + Clone,
    text: &str,
) -> Option<&'a str> {
    if let Some(same) = words.clone().find(|word| word.eq_ignore_ascii_case(text)) {
        return Some(same);
    }
    let near = words.map(|word| (distance(text, word), word));
    let (slips, word) = near.min_by_key(|(slips, _)| *slips)?;
    (slips <= limit(text)).then_some(word)
}

/// Optimal string alignment: insertions, deletions, replacements and swaps of neighbors count 1.
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
    fn a_swap_of_neighbors_is_one_slip() {
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
        let place = nearest(&super::super::vrrp::INSTANCE, "stat").expect("near");
        assert_eq!(place.keyword.name(), "state");
        let place = nearest(&super::super::track::SCRIPT, "wieght").expect("near");
        assert_eq!(
            (place.keyword.name(), place.schema.name),
            ("weight", "vrrp_script")
        );
    }
}
