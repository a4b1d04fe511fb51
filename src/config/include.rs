//! `include` and its strict variants: the files that a pattern names, and which missing files are
//! errors.
//!
//! A file that is named without a wildcard and is missing, or cannot be read, is always an error: a
//! reload must not remove what it configures.

/// What an include must find; otherwise it is an error instead of a note.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Policy {
    /// At least one file.
    pub(crate) matches: bool,
    /// A file for every pattern with a wildcard.
    pub(crate) wildcards: bool,
    /// A file for every alternative of `{a,b}`.
    pub(crate) braces: bool,
}

/// Maximum number of patterns that `{a,b}` expand to.
pub(crate) const MAX_ALTERNATIVES: usize = 256;

impl Policy {
    const ALL: Self = Self {
        matches: true,
        wildcards: true,
        braces: true,
    };

    /// The policy that an `include…` keyword adds; `None` for other keywords.
    pub(crate) fn of_keyword(keyword: &str) -> Option<Self> {
        let none = Self::default();
        Some(match keyword {
            "include" | "includer" => none,
            "includem" => Self {
                matches: true,
                ..none
            },
            "includew" => Self {
                wildcards: true,
                ..none
            },
            "includeb" => Self {
                braces: true,
                ..none
            },
            "includea" => Self::ALL,
            _ => return None,
        })
    }

    /// What either of two policies asks for.
    pub(crate) fn union(self, other: Self) -> Self {
        Self {
            matches: self.matches || other.matches,
            wildcards: self.wildcards || other.wildcards,
            braces: self.braces || other.braces,
        }
    }

    /// Applies the arguments of `include_check`: plain words replace the policy, `+WORD` and
    /// `-WORD` change it, no words ask for everything. Returns the first unknown word.
    pub(crate) fn apply_include_check<'a>(
        &mut self,
        words: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let mut replaced = false;
        let mut any = false;
        let mut bad = None;
        for word in words {
            any = true;
            let (on, option) = match (word.strip_prefix('+'), word.strip_prefix('-')) {
                (Some(option), _) => (true, option),
                (None, Some(option)) => (false, option),
                (None, None) => {
                    if !replaced {
                        *self = Self::default();
                        replaced = true;
                    }
                    (true, word)
                }
            };
            match option {
                "readable" | "read" => {}
                "match" => self.matches = on,
                "wildcard_match" => self.wildcards = on,
                "brace_match" => self.braces = on,
                _ => bad = bad.or(Some(word)),
            }
        }
        if !any {
            *self = Self::ALL;
        }
        bad
    }
}

/// Whether a pattern has a `*`, `?` or `[`.
pub(crate) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

/// The directory of a file.
pub(crate) fn directory(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => path.get(..at).unwrap_or("."),
        None => ".",
    }
}

/// A pattern relative to the directory of the including file.
pub(crate) fn relative_to(including: &str, pattern: &str) -> String {
    if pattern.starts_with('/') || !including.contains('/') {
        return pattern.into();
    }
    let directory = directory(including).trim_end_matches('/');
    format!("{directory}/{}", pattern.trim_start_matches("./"))
}

/// Expands `a{b,c}d` to `abd` and `acd`, also nested. Unmatched braces and braces without a comma
/// are literal. `None`: more than [`MAX_ALTERNATIVES`].
pub(crate) fn alternatives(pattern: &str) -> Option<Vec<String>> {
    let mut done = Vec::new();
    let mut todo = vec![pattern.to_owned()];
    while let Some(pattern) = todo.pop() {
        if done.len().saturating_add(todo.len()) >= MAX_ALTERNATIVES {
            return None;
        }
        match group(&pattern) {
            None => done.push(pattern),
            Some((before, choices, after)) => {
                let expanded = choices
                    .iter()
                    .rev()
                    .map(|choice| format!("{before}{choice}{after}"));
                todo.extend(expanded);
            }
        }
    }
    Some(done)
}

/// The first complete `{…,…}`: text before, choices, text after.
fn group(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut open = None;
    let mut depth = 0_usize;
    let mut commas = Vec::new();
    for (at, byte) in pattern.bytes().enumerate() {
        match byte {
            b'{' => {
                depth = depth.saturating_add(1);
                open = open.or(Some(at));
            }
            b',' if depth == 1 => commas.push(at),
            b'}' if depth > 1 => depth = depth.saturating_sub(1),
            b'}' if depth == 1 => {
                let open = open?;
                let mut from = open.saturating_add(1);
                let mut choices = Vec::new();
                for comma in commas.into_iter().chain([at]) {
                    choices.push(pattern.get(from..comma)?);
                    from = comma.saturating_add(1);
                }
                return Some((pattern.get(..open)?, choices, pattern.get(from..)?));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alternatives_multiply_and_nest() {
        for (pattern, want) in [
            ("a.conf", "a.conf"),
            ("d/{1,3}.c*", "d/1.c* d/3.c*"),
            ("{a,b}{c,d}", "ac ad bc bd"),
            ("a{b,c{d,e}}f", "abf acdf acef"),
            ("{a,}x", "ax x"),
            ("{a}x", "ax"),
            ("a{b,c", "a{b,c"),
            ("a}b", "a}b"),
        ] {
            let got = alternatives(pattern).map(|all| all.join(" "));
            assert_eq!(got.as_deref(), Some(want), "{pattern}");
        }
    }

    #[test]
    fn too_many_alternatives_are_refused() {
        assert_eq!(alternatives(&"{a,b}".repeat(40)), None);
        assert_eq!(
            alternatives(&"{".repeat(4000)).map(|all| all.len()),
            Some(1)
        );
    }

    #[test]
    fn relative_patterns_start_at_the_including_file() {
        for (including, pattern, want) in [
            ("/etc/k/k.conf", "d/*.conf", "/etc/k/d/*.conf"),
            ("/etc/k/k.conf", "./d", "/etc/k/d"),
            ("/k.conf", "d", "/d"),
            ("k.conf", "d", "d"),
            ("sub/k.conf", "../d", "sub/../d"),
            ("/etc/k.conf", "/d", "/d"),
        ] {
            assert_eq!(
                relative_to(including, pattern),
                want,
                "{including} {pattern}"
            );
        }
    }

    #[test]
    fn include_check_replaces_adds_and_removes() {
        let none = Policy::default();
        let read = Policy { ..none };
        let both = Policy {
            matches: true,
            ..read
        };
        for (start, words, want) in [
            (none, "", Policy::ALL),
            (
                read,
                "match",
                Policy {
                    matches: true,
                    ..none
                },
            ),
            (read, "+match", both),
            (both, "-match", read),
            (none, "read match", both),
        ] {
            let mut policy = start;
            assert_eq!(policy.apply_include_check(words.split_whitespace()), None);
            assert_eq!(policy, want, "{words}");
        }
        assert_eq!(
            Policy::default().apply_include_check("read fast".split(' ')),
            Some("fast")
        );
    }
}
