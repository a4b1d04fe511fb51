//! Patterns as PCRE2 reads them, put into the words of the engine we have.
//!
//! keepalived searches with PCRE2, vrrpd with regex-lite, whose language is for the most part the same. What both
//! read alike is passed on, what is written differently is rewritten, and all else is refused by name: a pattern
//! that silently means something else would take down servers, or keep dead ones.
//!
//! Rewritten: `{` that begins no count and stands for itself, as in JSON; `$`, which holds before a final line
//! break too; `\<`, a plain `<`. Groups capture nothing, since nobody asks what they caught.

use core::fmt::Write as _;

/// What the options of a pattern change in its meaning here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct PatternFlags {
    /// `multiline`: `$` holds at every line break.
    pub(super) multi_line: bool,
    /// `dollar_endonly`: `$` holds at the very end only.
    pub(super) dollar_end_only: bool,
}

/// The pattern for regex-lite.
///
/// # Errors
/// What it holds that is not supported.
pub(super) fn translate(pattern: &str, reading: PatternFlags) -> Result<String, String> {
    let mut translator = Translator {
        rest: pattern,
        out: String::with_capacity(pattern.len()),
        depth: 0,
        reading,
    };
    while let Some(c) = translator.next() {
        translator.one(c)?;
    }
    Ok(translator.out)
}

struct Translator<'a> {
    /// What is still to be read.
    rest: &'a str,
    out: String,
    /// Open groups.
    depth: u32,
    reading: PatternFlags,
}

impl Translator<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next();
        self.rest = chars.as_str();
        c
    }

    /// Takes `text`, if it comes next.
    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn one(&mut self, c: char) -> Result<(), String> {
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
                self.after_count()?;
            }
            '{' => match count(self.rest) {
                Some(length) => {
                    let (count, rest) = self.rest.split_at_checked(length).unwrap_or_default();
                    self.rest = rest;
                    self.out.push('{');
                    self.out.push_str(count);
                    self.after_count()?;
                }
                // Older and newer PCRE2 do not agree about it.
                None if self.rest.starts_with(',') => {
                    return unsupported("a count without minimum", "{,");
                }
                None => self.out.push_str("\\{"),
            },
            '.' | '^' | '|' => self.out.push(c),
            _ => self.literal(c),
        }
        Ok(())
    }

    /// Appends a character that stands for itself.
    fn literal(&mut self, c: char) {
        if c.is_ascii_punctuation() && !matches!(c, '<' | '>') {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    /// What follows a count.
    fn after_count(&mut self) -> Result<(), String> {
        if self.rest.starts_with('+') {
            return unsupported("a possessive count", "+");
        }
        if self.take("?") {
            self.out.push('?');
        }
        Ok(())
    }

    /// `$`: what may follow it must not be able to take the line break that it lets pass.
    fn dollar(&mut self) -> Result<(), String> {
        if self.reading.multi_line {
            self.out.push('$');
            return Ok(());
        }
        if self.reading.dollar_end_only {
            self.out.push_str("\\z");
            return Ok(());
        }
        let last = self.rest.trim_start_matches(')').is_empty();
        if last || (self.depth == 0 && self.rest.starts_with('|')) {
            self.out.push_str("(?:\\n?\\z)");
            return Ok(());
        }
        unsupported("what follows a", "$")
    }

    /// What follows `(`.
    fn group(&mut self) -> Result<(), String> {
        self.depth = self.depth.saturating_add(1);
        if self.rest.starts_with('*') {
            return unsupported("a verb", "(*");
        }
        let named = ["?P<", "?<"].into_iter().any(|open| {
            let name = self.rest.strip_prefix(open);
            name.is_some_and(|name| name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic()))
        });
        if named {
            self.rest = self.rest.split_once('>').map_or("", |(_, rest)| rest);
        } else if self.rest.starts_with('?') && !self.take("?:") {
            return self.flags();
        }
        self.out.push_str("(?:");
        Ok(())
    }

    /// `(?i)`, `(?s-i:`; all else behind `(?` is none of ours.
    fn flags(&mut self) -> Result<(), String> {
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
            [b'#', ..] => "a comment",
            [b'a'..=b'z' | b'J' | b'U' | b'^', ..] => "this option inside a pattern",
            _ => "this kind of group",
        };
        let opening: String = self.rest.chars().take(2).collect();
        unsupported(what, &format!("({opening}"))
    }

    /// What follows `[`.
    fn class(&mut self) -> Result<(), String> {
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
                        return unsupported("this class", "[:");
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
                // One engine sees a range in it, the other does not.
                '-' if self.rest.starts_with('-') => return unsupported("in a class,", "--"),
                '-' => self.out.push('-'),
                _ => self.literal(c),
            }
            first = false;
        }
        // Not closed, as the engine will say.
        Ok(())
    }

    /// What follows a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(c) = self.next() else {
            // The engine will say that it makes no sense.
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
            'x' => self.hexadecimal()?,
            _ if c.is_ascii_alphanumeric() => {
                let what = match c {
                    '1'..='9' | 'g' | 'k' => "a reference back",
                    _ => "the escape",
                };
                return unsupported(what, &format!("\\{c}"));
            }
            _ => self.literal(c),
        }
        Ok(())
    }

    /// `\xHH` or `\x{HH}`: a byte of PCRE2, a character here, which is the same up to 7f.
    fn hexadecimal(&mut self) -> Result<(), String> {
        let (digits, rest) = match self.rest.strip_prefix('{') {
            Some(inside) => inside.split_once('}').unwrap_or_default(),
            None => self.rest.split_at_checked(2).unwrap_or_default(),
        };
        match u8::from_str_radix(digits, 16) {
            Ok(value @ 0..0x80) => {
                self.rest = rest;
                // Writing to memory cannot fail.
                let _ = write!(self.out, "\\x{value:02X}");
                Ok(())
            }
            Ok(_) | Err(_) => unsupported("a character by its number beyond 7f", "\\x"),
        }
    }
}

/// The length of what follows `{` if it is a count: `3}`, `3,}`, `3,5}`.
fn count(text: &str) -> Option<usize> {
    let (inside, _) = text.split_once('}')?;
    let (least, most) = inside.split_once(',').unwrap_or((inside, inside));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fine = !least.is_empty() && digits(least) && digits(most);
    fine.then(|| inside.len().saturating_add(1))
}

fn unsupported<T>(what: &str, shown: &str) -> Result<T, String> {
    Err(format!("{what} `{shown}` is not supported"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_read_alike_is_passed_on_and_the_rest_rewritten() {
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
        ] {
            let got = translate(pattern, PatternFlags::default());
            assert_eq!(got.as_deref(), Ok(want), "{pattern}");
            regex_lite::Regex::new(want).expect("the engine takes it");
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
    }

    #[test]
    fn what_would_mean_something_else_is_refused_by_name() {
        for (pattern, want) in [
            ("a(?=b)", "look-around `(?=`"),
            ("(?<!a)b", "look-around `(?<`"),
            ("(?>a)", "an atomic group `(?>`"),
            ("(?#x)", "a comment `(?#`"),
            ("(?x) a", "this option inside a pattern `(?x`"),
            ("(?m)a$", "this option inside a pattern `(?m`"),
            ("(?R)", "this kind of group `(?R`"),
            ("(?1)", "this kind of group `(?1`"),
            ("(?|a|b)", "this kind of group `(?|`"),
            ("(?P=n)", "this kind of group `(?P`"),
            ("(*UTF)a", "a verb `(*`"),
            ("a++", "a possessive count `+`"),
            ("a{2}+", "a possessive count `+`"),
            ("a{,2}", "a count without minimum `{,`"),
            (r"(a)\1", r"a reference back `\1`"),
            (r"\k<n>", r"a reference back `\k`"),
            (r"\R", r"the escape `\R`"),
            (r"\Qa.b\E", r"the escape `\Q`"),
            (r"\p{L}", r"the escape `\p`"),
            (r"\v", r"the escape `\v`"),
            (r"[\B]", r"the escape `\B`"),
            (r"\xe9", r"a character by its number beyond 7f `\x`"),
            ("a$b", "what follows a `$`"),
            ("(a$|b)c", "what follows a `$`"),
            ("[--/]", "in a class, `--`"),
            ("[[.a.]]", "a collating element `[.`"),
        ] {
            let got = translate(pattern, PatternFlags::default());
            assert_eq!(got, Err(format!("{want} is not supported")), "{pattern}");
        }
        for pattern in ["[a", "[]", "a\\", "(", "a)", "*"] {
            let translated = translate(pattern, PatternFlags::default()).expect("all supported");
            assert!(regex_lite::Regex::new(&translated).is_err(), "{pattern}");
        }
    }
}
