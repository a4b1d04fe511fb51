//! Keys with the position of their first occurrence, to find duplicates in a list of any length.
//!
//! The keys are text for all kinds of keys: a map type for each kind costs kilobytes of code.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::diag::Span;

/// Keys with the span of their first occurrence.
#[derive(Debug, Default)]
pub(crate) struct SpanMap(BTreeMap<Box<str>, Span>);

impl SpanMap {
    /// The span of the first occurrence of `key`; `None` if this is the first one, which is
    /// recorded.
    pub(crate) fn earlier_or_insert(&mut self, key: &str, span: Span) -> Option<Span> {
        match self.0.entry(key.into()) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(free) => {
                free.insert(span);
                None
            }
        }
    }

    /// Number of keys.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(|key| &**key)
    }

    /// The span of the first occurrence of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<Span> {
        self.0.get(key).copied()
    }
}

/// The position in a list of each of its names. It is made of a [`SpanMap`], for its size.
#[derive(Debug, Default)]
pub(crate) struct NameIndex(SpanMap);

impl NameIndex {
    /// Adds a name with its position; the first of equal names counts.
    pub(crate) fn add(&mut self, name: &str, position: usize) {
        let position = Span {
            start: u32::try_from(position).unwrap_or(u32::MAX),
            ..Span::default()
        };
        self.0.earlier_or_insert(name, position);
    }

    /// The index of the names of a list.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut index = NameIndex::default();
        for (position, name) in names.enumerate() {
            index.add(name, position);
        }
        index
    }

    /// The position of a name.
    pub(crate) fn get(&self, name: &str) -> Option<usize> {
        let position = self.0.get(name)?.start;
        usize::try_from(position).ok()
    }
}
