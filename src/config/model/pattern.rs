//! `regex` of a `url`, compiled.

use core::fmt;

use regex_lite::Regex;

/// The pattern a page must match, or must not.
#[derive(Clone)]
pub struct Pattern {
    /// As written.
    pub text: String,
    /// The pattern with its options, in the syntax of the regex engine.
    pub regex: Regex,
    /// `regex_no_match`: the page must not match.
    pub no_match: bool,
    /// `regex_min_offset`: first byte at which a match may start.
    pub min_offset: usize,
    /// `regex_max_offset`: last byte at which a match may start; `None`: no limit.
    pub max_offset: Option<usize>,
    /// Option `firstline`: a match must start before or at the first line break.
    pub first_line: bool,
}

impl Pattern {
    /// Everything in which two patterns can differ; [`Regex`] has no `==`.
    fn key(&self) -> (&str, bool, usize, Option<usize>, bool) {
        (
            self.regex.as_str(),
            self.no_match,
            self.min_offset,
            self.max_offset,
            self.first_line,
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
