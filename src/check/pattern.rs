//! Matches a page against the `regex` of its `url`.
//!
//! Pages are searched as UTF-8 text; a byte that is not UTF-8 is replaced by `?`, which keeps
//! offsets. The regex engine does not backtrack: the cost of a search is bounded by the sizes of
//! page and pattern.

use super::http_reply::printable;
use crate::config::model::lvs::Pattern;

/// Whether the page is as expected; an error is the reason for the log.
pub(super) fn verdict(pattern: &Pattern, page: &mut [u8]) -> Result<(), String> {
    let found = is_found(pattern, text(page));
    if found != pattern.no_match {
        return Ok(());
    }
    let text = printable(pattern.text.as_bytes());
    Err(match found {
        true => format!("body matches `{text}`"),
        false => format!("body does not match `{text}`"),
    })
}

/// Whether a match starts between the offsets. The first match from `from` on is the one that
/// starts earliest.
fn is_found(pattern: &Pattern, page: &str) -> bool {
    let mut from = pattern.min_offset;
    while from < page.len() && !page.is_char_boundary(from) {
        from = from.saturating_add(1);
    }
    if from > page.len() {
        return false;
    }
    let found = pattern.regex.find_at(page, from);
    let at = found.map(|found| found.start());
    at.is_some_and(|at| {
        let skipped = page.get(from..at).unwrap_or_default();
        let in_line = !pattern.first_line || !skipped.contains('\n');
        in_line && pattern.max_offset.is_none_or(|to| at <= to)
    })
}

/// The bytes as text; bytes that are not UTF-8 are overwritten.
fn text(bytes: &mut [u8]) -> &str {
    let mut from = 0_usize;
    while let Err(error) = core::str::from_utf8(bytes.get(from..).unwrap_or_default()) {
        let start = from.saturating_add(error.valid_up_to());
        let length = error.error_len().unwrap_or(usize::MAX);
        let rest = bytes.get_mut(start..).unwrap_or_default();
        for byte in rest.iter_mut().take(length) {
            *byte = b'?';
        }
        from = start;
    }
    core::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(regex: &str, (from, to): (usize, Option<usize>)) -> Pattern {
        Pattern {
            text: regex.to_owned(),
            regex: regex_lite::Regex::new(regex).expect("a pattern"),
            no_match: false,
            min_offset: from,
            max_offset: to,
            first_line: false,
        }
    }

    #[test]
    fn a_match_must_start_between_the_offsets() {
        for (regex, offsets, want) in [
            ("b", (0, None), true),
            ("b", (1, Some(1)), true),
            ("b", (2, None), false),
            ("b", (0, Some(0)), false),
            ("a.*c", (0, Some(0)), true),
            // A match may be at the end of the page.
            ("$", (3, Some(3)), true),
            ("$", (4, None), false),
            ("^b", (1, None), false),
        ] {
            let pattern = pattern(regex, offsets);
            let mut page = b"abc".to_vec();
            assert_eq!(
                verdict(&pattern, &mut page).is_ok(),
                want,
                "{regex} {offsets:?}"
            );
            let absent = Pattern {
                no_match: true,
                ..pattern
            };
            assert_eq!(
                verdict(&absent, &mut page).is_ok(),
                !want,
                "{regex} {offsets:?}"
            );
        }
    }

    #[test]
    fn with_firstline_a_match_starts_in_the_first_line() {
        for (page, want) in [("a b\nc", true), ("a\nb", false), ("b", true)] {
            let pattern = Pattern {
                first_line: true,
                ..pattern("b", (0, None))
            };
            let mut page = page.as_bytes().to_vec();
            assert_eq!(verdict(&pattern, &mut page).is_ok(), want);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_keep_offsets() {
        for (page, want) in [
            (&b"a\xffb\xc3\xa9c"[..], "a?b\u{e9}c"),
            (b"\xf0\x9f\x98", "???"),
            (b"\xe2\x28\xa1x", "?(?x"),
            (b"", ""),
        ] {
            let mut page = page.to_vec();
            assert_eq!(text(&mut page), want);
        }
        // An offset inside a character is moved to its end.
        let mut page = "\u{e9}b".as_bytes().to_vec();
        assert_eq!(verdict(&pattern("b", (1, Some(2))), &mut page), Ok(()));
    }

    #[test]
    fn failures_show_the_pattern() {
        let mut pattern = pattern("a\tb", (0, None));
        let want = Err("body does not match `a?b`".to_owned());
        assert_eq!(verdict(&pattern, &mut b"x".to_vec()), want);
        pattern.no_match = true;
        let want = Err("body matches `a?b`".to_owned());
        assert_eq!(verdict(&pattern, &mut b"a\tb".to_vec()), want);
    }
}
