//! `regex` and the keywords beside it, ready to search with.

use core::fmt;

use regex_lite::Regex;

/// What a page must match, or must not.
#[derive(Clone)]
pub struct Pattern {
    /// As it was written.
    pub text: String,
    /// The same, and how it is read, in the engine's own words.
    pub regex: Regex,
    /// `regex_no_match`: the page must not match.
    pub no_match: bool,
    /// `regex_min_offset`: a match begins there or behind.
    pub min_offset: usize,
    /// `regex_max_offset`: a match begins there or before; `None`: anywhere.
    pub max_offset: Option<usize>,
}

impl Pattern {
    /// All that tells two of them apart.
    fn key(&self) -> (&str, bool, usize, Option<usize>) {
        (
            self.regex.as_str(),
            self.no_match,
            self.min_offset,
            self.max_offset,
        )
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Pattern {}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().fmt(f)
    }
}
