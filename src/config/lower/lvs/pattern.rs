//! `regex` of a `url`, its options and offsets.
//!
//! A pattern that is not valid is reported and left out: then status and digest alone decide.

use regex_lite::RegexBuilder;

use crate::config::command;
use crate::config::diag::Severity;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{Pattern, SEARCH_LIMIT};
use crate::config::pcre::{PatternFlags, translate};
use crate::config::schema::nearest_word;
use crate::config::tree::{Node, Word};

/// Largest compiled pattern in bytes. A search takes 5 ms with a page of 64 KiB and a common pattern,
/// and at most a quarter of a second with the largest pattern and the worst page, of a child
/// process.
const MAX_COMPILED: usize = 16 << 10;

/// Supported options.
const OPTIONS: &str = "caseless dotall multiline dollar_endonly extended firstline";
/// Options that do not affect whether a page matches, or only in patterns that are refused.
const WITHOUT_EFFECT: &str = "alt_circumflex alt_verbnames auto_callout dupnames match_unset_backref \
    never_backslash_c never_ucp never_utf no_auto_capture no_auto_possess no_dotstar_anchor no_start_optimize \
    ungreedy use_offset_limit utf";
/// Options that are not supported, and the syntax that they would give another meaning: without it
/// they have no effect.
const CONDITIONAL: &[(&str, &[&str])] = &[
    ("allow_empty_class", &["[]", "[^]"]),
    ("alt_bsux", &["\\x", "\\u", "\\U"]),
    ("ucp", &["\\", "[:"]),
];

impl Lowering<'_> {
    /// The pattern of a `url`; `None`: the page is not searched.
    pub(super) fn pattern(&mut self, url: &Fields<'_>) -> Option<Pattern> {
        let Some(node) = url.last("regex") else {
            let dependent = [
                "regex_no_match",
                "regex_options",
                "regex_min_offset",
                "regex_max_offset",
            ];
            if let Some(node) = url.last_of(&dependent) {
                let message = format!(
                    "`{}` has no effect without `regex`; ignored",
                    node.keyword.text
                );
                self.warn(node.span(), message);
            }
            return None;
        };
        let text = self.pattern_text(node)?;
        let mut pattern_flags = PatternFlags::default();
        let mut flags = String::new();
        for word in url.last("regex_options").iter().flat_map(|node| &node.args) {
            self.regex_option(word, &text, &mut pattern_flags, &mut flags)?;
        }
        let translated = match translate(&text, pattern_flags) {
            Ok(translated) => flags + &translated,
            Err(why) => {
                let message = format!("`regex`: {why}; the page is not searched");
                self.error(node.span(), message, why.help());
                return None;
            }
        };
        let regex = match RegexBuilder::new(&translated)
            .size_limit(MAX_COMPILED)
            .build()
        {
            Ok(regex) => regex,
            Err(why) => {
                self.report_pattern(node, Severity::Error, &why.to_string());
                return None;
            }
        };
        let (min_offset, max_offset) = self.offsets(url);
        let mut options = url
            .last("regex_options")
            .into_iter()
            .flat_map(|node| &node.args);
        Some(Pattern {
            first_line: options.any(|word| &*word.text == "firstline"),
            text,
            regex,
            no_match: url.has("regex_no_match"),
            min_offset,
            max_offset,
        })
    }

    fn report_pattern(&mut self, node: &Node, severity: Severity, why: &str) {
        let message = format!("`regex`: {why}; the page is not searched");
        self.diags.report(severity, node.span(), message);
    }

    /// The argument of `regex`, without quotes and backslashes of the configuration syntax.
    fn pattern_text(&mut self, node: &Node) -> Option<String> {
        let raw = node.text();
        let words = command::words(&raw);
        let wrong = match words.as_deref() {
            Ok([text]) => {
                if loses_backslash(&raw) {
                    let message = format!(
                        "the backslash is part of the configuration syntax; the pattern is `{text}`"
                    );
                    let help = "write `\\\\` for a backslash in the pattern";
                    self.note_with_help(node.span(), message, help);
                }
                return Some(text.clone());
            }
            Ok(_) => "it has several arguments; put the pattern in quotes".to_owned(),
            Err(why) => why.to_string(),
        };
        self.report_pattern(node, Severity::Error, &wrong);
        None
    }

    /// An option of `regex_options`; `None` if the pattern is left out because of it.
    fn regex_option(
        &mut self,
        word: &Word,
        pattern: &str,
        pattern_flags: &mut PatternFlags,
        flags: &mut String,
    ) -> Option<()> {
        let is_in = |list: &str| list.split_whitespace().any(|known| *known == *word.text);
        match &*word.text {
            "caseless" => flags.push_str("(?i)"),
            "dotall" => flags.push_str("(?s)"),
            "multiline" => {
                flags.push_str("(?m)");
                pattern_flags.multi_line = true;
            }
            "dollar_endonly" => pattern_flags.dollar_end_only = true,
            "extended" => pattern_flags.extended = true,
            "firstline" => {}
            _ if is_in(WITHOUT_EFFECT) => {}
            name if CONDITIONAL.iter().any(|(known, _)| *known == name) => {
                return self.conditional_option(word, pattern);
            }
            name => {
                let all = [OPTIONS, WITHOUT_EFFECT].into_iter();
                let known = all.flat_map(str::split_whitespace);
                let message = format!("unknown regex option `{name}`; ignored");
                let help = match nearest_word(known, name) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("supported options: {OPTIONS}"),
                };
                self.error(word.span, message, help);
            }
        }
        Some(())
    }

    /// An option that is without effect unless the pattern has certain syntax; `None` if it has.
    fn conditional_option(&mut self, word: &Word, pattern: &str) -> Option<()> {
        let name = &*word.text;
        let (_, syntax) = CONDITIONAL.iter().find(|(known, _)| *known == name)?;
        let found = syntax.iter().find(|text| pattern.contains(**text));
        let Some(found) = found else {
            return Some(());
        };
        let message = format!(
            "`{name}` is not supported with `{found}` in the pattern; the page is not searched"
        );
        let help = "write a pattern that does without this option";
        self.error(word.span, message, help);
        None
    }

    /// First and last byte at which a match may start.
    fn offsets(&mut self, url: &Fields<'_>) -> (usize, Option<usize>) {
        let from = url.int("regex_min_offset").unwrap_or(0);
        let to: Option<usize> = url.int("regex_max_offset");
        let Some(node) = url.last("regex_min_offset") else {
            return (from, to);
        };
        let wrong = if to.is_some_and(|to| from > to) {
            "it exceeds `regex_max_offset`; both are ignored".to_owned()
        } else if from >= SEARCH_LIMIT {
            format!("only the first {SEARCH_LIMIT} bytes of a page are searched; ignored")
        } else {
            return (from, to);
        };
        let message = format!("`regex_min_offset {from}`: {wrong}");
        self.warn(node.span(), message);
        (0, None)
    }
}

/// Whether the configuration syntax, in keepalived too, removes a backslash that may be meant for
/// the pattern.
fn loses_backslash(raw: &str) -> bool {
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && !matches!(bytes.next(), Some(b'\\' | b'"' | b'\'' | b' ')) {
            return true;
        }
    }
    false
}
