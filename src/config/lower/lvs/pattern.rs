//! `regex` of a `url`: a pattern that the page must match, and how it is read.
//!
//! What makes a pattern useless is said, and pages are not searched then: status and digest decide alone.

use regex_lite::RegexBuilder;

use crate::config::command;
use crate::config::diag::Severity;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{Pattern, SEARCH_LIMIT};
use crate::config::pcre::{PatternFlags, translate};
use crate::config::schema::nearest_word;
use crate::config::tree::{Node, Word};

/// Bytes of a pattern made ready. The loop waits for a search: 5 ms for a page of 64 KiB and a usual pattern, up to
/// a quarter of a second for the largest, if the page is made for it.
const LARGEST: usize = 16 << 10;

/// Options that change what matches.
const OPTIONS: &str = "caseless dotall multiline dollar_endonly";
/// Options that change nothing here: not whether a page matches, or only patterns that are refused anyway.
const WITHOUT_EFFECT: &str = "alt_circumflex alt_verbnames auto_callout dupnames match_unset_backref \
    never_backslash_c never_ucp never_utf no_auto_capture no_auto_possess no_dotstar_anchor no_start_optimize \
    ungreedy use_offset_limit utf";
/// Options that would change what matches.
const UNSUPPORTED: &str = "allow_empty_class alt_bsux extended firstline ucp";

impl Lowering<'_> {
    /// The pattern of a `url`; `None`: its page is not searched.
    pub(super) fn pattern(&mut self, url: &Fields<'_>) -> Option<Pattern> {
        let Some(node) = url.last("regex") else {
            let rest = [
                "regex_no_match",
                "regex_options",
                "regex_min_offset",
                "regex_max_offset",
            ];
            if let Some(node) = url.last_of(&rest) {
                let message = format!("`{}` without `regex`; ignored", node.keyword.text);
                self.warn(node.span(), message);
            }
            return None;
        };
        let text = self.text_of_pattern(node)?;
        let mut reading = PatternFlags::default();
        let mut flags = String::new();
        for word in url.last("regex_options").iter().flat_map(|node| &node.args) {
            self.regex_option(word, &mut reading, &mut flags)?;
        }
        let translated = match translate(&text, reading) {
            Ok(translated) => flags + &translated,
            Err(why) => {
                self.no_pattern(node, Severity::Unsupported, &why.to_string());
                return None;
            }
        };
        let regex = match RegexBuilder::new(&translated).size_limit(LARGEST).build() {
            Ok(regex) => regex,
            Err(why) => {
                self.no_pattern(node, Severity::Error, &why.to_string());
                return None;
            }
        };
        let (from, to) = self.offsets(url);
        Some(Pattern {
            text,
            regex,
            no_match: url.has("regex_no_match"),
            min_offset: from,
            max_offset: to,
        })
    }

    fn no_pattern(&mut self, node: &Node, severity: Severity, why: &str) {
        let message = format!("`regex`: {why}; the page is not searched");
        self.diags.report(severity, node.span(), message);
    }

    /// The one word behind `regex`, without the quoting of the file.
    fn text_of_pattern(&mut self, node: &Node) -> Option<String> {
        let raw = node.text();
        let words = command::words(&raw);
        let wrong = match words.as_deref() {
            Ok([text]) => {
                if loses_backslash(&raw) {
                    let message =
                        format!("a backslash is the file's own here: the pattern is `{text}`");
                    let help = "write `\\\\` for one that belongs to the pattern";
                    self.diags
                        .report_with_help(Severity::Note, node.span(), message, help);
                }
                return Some(text.clone());
            }
            Ok(_) => "these are several words, put the pattern in quotes".to_owned(),
            Err(why) => why.to_string(),
        };
        self.no_pattern(node, Severity::Error, &wrong);
        None
    }

    /// A word of `regex_options`; `None`: the pattern cannot be used with it.
    fn regex_option(
        &mut self,
        word: &Word,
        reading: &mut PatternFlags,
        flags: &mut String,
    ) -> Option<()> {
        let is_in = |list: &str| list.split_whitespace().any(|known| *known == *word.text);
        match &*word.text {
            "caseless" => flags.push_str("(?i)"),
            "dotall" => flags.push_str("(?s)"),
            "multiline" => {
                flags.push_str("(?m)");
                reading.multi_line = true;
            }
            "dollar_endonly" => reading.dollar_end_only = true,
            _ if is_in(WITHOUT_EFFECT) => {}
            name if is_in(UNSUPPORTED) => {
                let message =
                    format!("the option `{name}` is not supported; the page is not searched");
                self.diags.report(Severity::Unsupported, word.span, message);
                return None;
            }
            name => {
                let all = [OPTIONS, WITHOUT_EFFECT, UNSUPPORTED];
                let known = all.into_iter().flat_map(str::split_whitespace);
                let message = format!("unknown option `{name}`; ignored");
                let help = match nearest_word(known, name) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("options that change what matches: {OPTIONS}"),
                };
                self.error(word.span, message, help);
            }
        }
        Some(())
    }

    /// Where a match may begin, first and last place.
    fn offsets(&mut self, url: &Fields<'_>) -> (usize, Option<usize>) {
        let from = url.int("regex_min_offset").unwrap_or(0);
        let to: Option<usize> = url.int("regex_max_offset");
        let Some(node) = url.last("regex_min_offset") else {
            return (from, to);
        };
        let wrong = if to.is_some_and(|to| from > to) {
            "it lies behind `regex_max_offset`; both are ignored".to_owned()
        } else if from >= SEARCH_LIMIT {
            format!("a page is searched up to byte {SEARCH_LIMIT} only; ignored")
        } else {
            return (from, to);
        };
        let message = format!("`regex_min_offset {from}`: {wrong}");
        self.warn(node.span(), message);
        (0, None)
    }
}

/// Whether a single backslash stands where both keepalived and vrrpd take it for the file's quoting, and a writer
/// of patterns might not.
fn loses_backslash(raw: &str) -> bool {
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && !matches!(bytes.next(), Some(b'\\' | b'"' | b'\'' | b' ')) {
            return true;
        }
    }
    false
}
