//! What has been seen where: finds the second of two alike in a list of any length.
//!
//! One map for all kinds of keys, written as text: a map for each kind costs kilobytes of code.

use std::collections::BTreeMap;

use super::diag::Span;

/// Keys and where each was first.
#[derive(Debug, Default)]
pub(crate) struct SpanMap(BTreeMap<Box<str>, Span>);

impl SpanMap {
    /// Where `key` was before; the first time it is remembered instead.
    pub(crate) fn earlier_or_insert(&mut self, key: &str, span: Span) -> Option<Span> {
        let first = self.get(key);
        if first.is_none() {
            self.0.insert(key.into(), span);
        }
        first
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// All keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(|key| &**key)
    }

    /// Where `key` was first.
    pub(crate) fn get(&self, key: &str) -> Option<Span> {
        self.0.get(key).copied()
    }
}
