//! Translates regular expressions from PCRE2 syntax to that of regex-lite.
//!
//! keepalived uses PCRE2, vrrpd uses regex-lite, whose syntax is mostly the same. What has the same
//! meaning in both is kept, what is written differently is rewritten, and everything else is
//! rejected by name: a pattern that silently means something else would remove good servers or keep
//! failed ones.
//!
//! Rewritten are: `{` that starts no quantifier and is a literal, as in JSON; `$`, which also
//! matches before a final line break; `\<`, a literal `<`; `\Q…\E`, `\N`, comments, and blanks with
//! `extended`. Groups do not capture, because captures are not used.

use core::fmt;
use core::fmt::Write as _;

/// The options of a pattern that change how it is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PatternFlags {
    /// `multiline`: `$` matches at every line break.
    pub(super) multi_line: bool,
    /// `dollar_endonly`: `$` matches only at the end.
    pub(super) dollar_end_only: bool,
    /// `extended`: blanks and comments are not part of the pattern.
    pub(super) extended: bool,
}

/// Syntax of a pattern that is not supported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Unsupported {
    /// What it is: "look-around".
    what: &'static str,
    /// How it is written: `(?=`.
    syntax: String,
    /// Number of the character at which reading stopped, counted from 1.
    position: usize,
}

impl Unsupported {
    /// Advice: a pattern to write instead.
    pub(super) fn help(&self) -> &'static str {
        match self.what {
            "a possessive quantifier" => "write it without the second `+`",
            "an atomic group" => "write `(?:`",
            "the escape" => "write the characters as a class, such as `[A-Za-z]`",
            "a quantifier without a minimum" => "write `{0,`",
            "the inline option" => "write it in `regex_options`",
            _ => "write it without, or use a MISC_CHECK that searches the page with `grep -P`",
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unsupported {
            what,
            syntax,
            position,
        } = self;
        write!(
            f,
            "{what} `{syntax}` at character {position} is not supported"
        )
    }
}

/// Translates a pattern.
///
/// # Errors
/// What is not supported.
pub(super) fn translate(pattern: &str, flags: PatternFlags) -> Result<String, Unsupported> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len()),
        depth: 0,
        flags,
    };
    while let Some(c) = translator.next() {
        if let Err(mut error) = translator.translate_char(c) {
            let rest = pattern.len().saturating_sub(translator.rest.len());
            let before = pattern.get(..rest).unwrap_or_default();
            error.position = before.chars().count().max(1);
            return Err(error);
        }
    }
    Ok(translator.out)
}

struct Translator<'a> {
    /// The part of the pattern that was not read yet.
    rest: &'a str,
    out: String,
    /// Number of open groups.
    depth: u32,
    flags: PatternFlags,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Skips `text` if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn translate_char(&mut self, c: char) -> Result<(), Unsupported> {
        match c {
            '\\' => self.escape(false)?,
            '[' => self.class()?,
            '(' => self.group()?,
            ')' => {
                self.depth = self.depth.saturating_sub(1);
                self.out.push(c);
            }
            '$' => self.dollar()?,
            '*' | '+' | '?' => {
                self.out.push(c);
                self.after_quantifier()?;
            }
            '{' => match quantifier_len(self.rest) {
                Some(length) => {
                    let (quantifier, rest) = self.rest.split_at_checked(length).unwrap_or_default();
                    self.rest = rest;
                    self.out.push('{');
                    self.out.push_str(quantifier);
                    self.after_quantifier()?;
                }
                // Its meaning depends on the version of PCRE2.
                None if self.rest.starts_with(',') => {
                    return unsupported("a quantifier without a minimum", "{,");
                }
                None => self.out.push_str("\\{"),
            },
            '.' | '^' | '|' => self.out.push(c),
            '#' if self.flags.extended => self.skip_to("\n"),
            _ if self.flags.extended && c.is_ascii_whitespace() => {}
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Skips everything up to and including `end`.
    fn skip_to(&mut self, end: &str) {
        self.rest = self.rest.split_once(end).map_or("", |(_, rest)| rest);
    }

    /// Appends a literal character.
    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// Translates what follows a quantifier.
    fn after_quantifier(&mut self) -> Result<(), Unsupported> {
        if self.rest.starts_with('+') {
            return unsupported("a possessive quantifier", "+");
        }
        if self.take("?") {
            self.out.push('?');
        }
        Ok(())
    }

    /// Translates `$`. A pattern after it could match the final line break, which `$` allows; that
    /// is rejected.
    fn dollar(&mut self) -> Result<(), Unsupported> {
        if self.flags.multi_line {
            self.out.push('$');
            return Ok(());
        }
        if self.flags.dollar_end_only {
            self.out.push_str("\\z");
            return Ok(());
        }
        let last = self.rest.trim_start_matches(')').is_empty();
        if last || (self.depth == 0 && self.rest.starts_with('|')) {
            self.out.push_str("(?:\\n?\\z)");
            return Ok(());
        }
        unsupported("a pattern after", "$")
    }

    /// Translates what follows `(`.
    fn group(&mut self) -> Result<(), Unsupported> {
        if self.take("?#") {
            self.skip_to(")");
            return Ok(());
        }
        self.depth = self.depth.saturating_add(1);
        if self.rest.starts_with('*') {
            return unsupported("a verb", "(*");
        }
        let named = ["?P<", "?<"].into_iter().any(|open| {
            let name = self.rest.strip_prefix(open);
            name.is_some_and(|name| name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()))
        });
        if named {
            self.skip_to(">");
        } else if self.rest.starts_with('?') && !self.take("?:") {
            return self.inline_options();
        }
        self.out.push_str("(?:");
        Ok(())
    }

    /// Translates `(?i)` and `(?s-i:`; rejects everything else after `(?`.
    fn inline_options(&mut self) -> Result<(), Unsupported> {
        let inside = self.rest.strip_prefix('?').unwrap_or_default();
        let length = inside.find(|c| !matches!(c, 'i' | 's' | '-'));
        let (flags, rest) = inside.split_at(length.unwrap_or(inside.len()));
        if !flags.is_empty() && rest.starts_with([':', ')']) {
            self.out.push_str("(?");
            self.out.push_str(flags);
            self.rest = rest;
            if self.take(":") {
                self.out.push(':');
            }
            return Ok(());
        }
        let what = match inside.as_bytes() {
            [b'=' | b'!', ..] | [b'<', b'=' | b'!', ..] => "look-around",
            [b'>', ..] => "an atomic group",
            [b'a'..=b'z' | b'J' | b'U' | b'^', ..] => "the inline option",
            _ => "the group",
        };
        let opening: String = self.rest.chars().take(2).collect();
        unsupported(what, &format!("({opening}"))
    }

    /// Translates what follows `[`.
    fn class(&mut self) -> Result<(), Unsupported> {
        self.out.push('[');
        if self.take("^") {
            self.out.push('^');
        }
        let mut first = true;
        while let Some(c) = self.next() {
            match c {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '[' if self.rest.starts_with(':') => {
                    let Some((name, rest)) = self.rest.split_once(":]") else {
                        return unsupported("the class", "[:");
                    };
                    self.rest = rest;
                    self.out.push('[');
                    self.out.push_str(name);
                    self.out.push_str(":]");
                }
                '[' if self.rest.starts_with(['.', '=']) => {
                    return unsupported("a collating element", "[.");
                }
                '\\' => self.escape(true)?,
                // A range in one of the syntaxes, but not in the other.
                '-' if self.rest.starts_with('-') => return unsupported("in a class", "--"),
                '-' => self.out.push('-'),
                _ => self.literal(c),
            }
            first = false;
        }
        // The class is not closed; the compiler of the pattern reports it.
        Ok(())
    }

    /// Translates what follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), Unsupported> {
        let Some(c) = self.next() else {
            // The compiler of the pattern reports it.
            self.out.push('\\');
            return Ok(());
        };
        match c {
            'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'n' | 'r' | 't' | 'f' | 'a' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'b' if in_class => self.out.push_str("\\x08"),
            'b' | 'B' | 'A' | 'z' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            'e' => self.out.push_str("\\x1B"),
            'N' if !in_class && !self.rest.starts_with('{') => self.out.push_str("[^\\n]"),
            'Q' if !in_class => {
                let (text, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                text.chars().for_each(|c| self.literal(c));
            }
            'E' if !in_class => {}
            'x' => self.hexadecimal()?,
            _ if c.is_ascii_alphanumeric() => {
                let what = match c {
                    '1'..='9' | 'g' | 'k' => "the back-reference",
                    _ => "the escape",
                };
                return unsupported(what, &format!("\\{c}"));
            }
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Translates `\xHH` and `\x{HH}`: a byte in PCRE2, a character in regex-lite, which are the
    /// same up to 7f.
    fn hexadecimal(&mut self) -> Result<(), Unsupported> {
        let (digits, rest) = match self.rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').unwrap_or_default(),
            None => self.rest.split_at_checked(2).unwrap_or_default(),
        };
        match u8::from_str_radix(digits, 16) {
            Ok(value @ 0..0x80) => {
                self.rest = rest;
                // Writing to a String cannot fail.
                let _ = write!(self.out, "\\x{value:02X}");
                Ok(())
            }
            Ok(_) | Err(_) => unsupported("a character code above 7f", "\\x"),
        }
    }
}

/// The length of the text after `{` if it is a quantifier: `3}`, `3,}`, `3,5}`.
fn quantifier_len(text: &str) -> Option<usize> {
    let (inside, _) = text.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let valid = !least.is_empty() && digits(least) && digits(most);
    valid.then(|| inside.len().saturating_add(1))
}

fn unsupported<T>(what: &'static str, syntax: &str) -> Result<T, Unsupported> {
    Err(Unsupported {
        what,
        syntax: syntax.to_owned(),
        position: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_syntax_is_kept_and_different_syntax_is_rewritten() {
        for (pattern, want) in [
            ("OK", "OK"),
            ("a.c|^x*?y+z{2,3}?", "a.c|^x*?y+z{2,3}?"),
            (r#"{"status":"UP"}"#, r#"\{\"status\"\:\"UP\"\}"#),
            ("x{a} {3}", r"x\{a\} {3}"),
            ("done$", r"done(?:\n?\z)"),
            ("(a$)", r"(?:a(?:\n?\z))"),
            ("a$|b$", r"a(?:\n?\z)|b(?:\n?\z)"),
            (r"\<b\>\/\ \$", r"<b>\/ \$"),
            ("(a)(?:b)(?<n>c)(?P<m>d)", "(?:a)(?:b)(?:c)(?:d)"),
            ("(?i)a(?s-i:b)", "(?i)a(?s-i:b)"),
            ("[]a[:alpha:]^-]", r"[\]a[:alpha:]\^-]"),
            (r"[^[&\]\b\d]", r"[^\[\&\]\x08\d]"),
            (r"\x41\x{7f}\e", r"\x41\x7F\x1B"),
            ("größe", "größe"),
            (r"\bword\B\A\z", r"\bword\B\A\z"),
            (r"a(?#x)b\N", r"ab[^\n]"),
            (r"\Qa.b\E+\Q(", r"a\.b+\("),
        ] {
            let got = translate(pattern, PatternFlags::default());
            assert_eq!(got.as_deref(), Ok(want), "{pattern}");
            regex_lite::Regex::new(want).expect("a valid pattern");
        }
        let multi_line = PatternFlags {
            multi_line: true,
            ..PatternFlags::default()
        };
        assert_eq!(translate("a$b", multi_line).as_deref(), Ok("a$b"));
        let end = PatternFlags {
            dollar_end_only: true,
            ..PatternFlags::default()
        };
        assert_eq!(translate("a$b", end).as_deref(), Ok(r"a\zb"));
        let extended = PatternFlags {
            extended: true,
            ..PatternFlags::default()
        };
        let spaced = "a b [ ] # no\nc\\ d";
        assert_eq!(translate(spaced, extended).as_deref(), Ok("ab[ ]c d"));
    }

    #[test]
    fn syntax_with_another_meaning_is_rejected_by_name() {
        for (pattern, want) in [
            ("a(?=b)", "look-around `(?=`"),
            ("(?<!a)b", "look-around `(?<`"),
            ("(?>a)", "an atomic group `(?>`"),
            ("(?x) a", "the inline option `(?x`"),
            ("(?m)a$", "the inline option `(?m`"),
            ("(?R)", "the group `(?R`"),
            ("(?1)", "the group `(?1`"),
            ("(?|a|b)", "the group `(?|`"),
            ("(?P=n)", "the group `(?P`"),
            ("(*UTF)a", "a verb `(*`"),
            ("a++", "a possessive quantifier `+`"),
            ("a{2}+", "a possessive quantifier `+`"),
            ("a{,2}", "a quantifier without a minimum `{,`"),
            (r"(a)\1", r"the back-reference `\1`"),
            (r"\k<n>", r"the back-reference `\k`"),
            (r"\R", r"the escape `\R`"),
            (r"\p{L}", r"the escape `\p`"),
            (r"\v", r"the escape `\v`"),
            (r"[\B]", r"the escape `\B`"),
            (r"\xe9", r"a character code above 7f `\x`"),
            ("a$b", "a pattern after `$`"),
            ("(a$|b)c", "a pattern after `$`"),
            ("[--/]", "in a class `--`"),
            ("[[.a.]]", "a collating element `[.`"),
        ] {
            let got = translate(pattern, PatternFlags::default());
            let error = got.map_err(|error| error.to_string());
            let error = error.expect_err("not supported");
            let shown = error.starts_with(want) && error.ends_with(" is not supported");
            assert!(shown, "{pattern}: {error}");
        }
        for pattern in ["[a", "[]", "a\\", "(", "a)", "*"] {
            let translated = translate(pattern, PatternFlags::default()).expect("all supported");
            assert!(regex_lite::Regex::new(&translated).is_err(), "{pattern}");
        }
    }
}
