//! Splits script commands into words. They have quoting rules of their own.
//!
//! `"…"` and `'…'` group, also within a word, and backslash escapes are those of C. The first word,
//! usually the only one (`"/path/x.sh a b"`), is split again by the same rules: that is the
//! command. Words after it are a user and a group or, if the command is not quoted, its arguments.

use core::fmt;

/// Why a command cannot be split.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommandError {
    /// A quote that is not closed.
    Unclosed(char),
    /// The escapes produce invalid UTF-8 or a NUL byte.
    InvalidText,
    /// The command has no words.
    Empty,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(quote) => write!(f, "the quote {quote} is not closed"),
            Self::InvalidText => f.write_str("the escapes do not produce valid text"),
            Self::Empty => f.write_str("the command is empty"),
        }
    }
}

impl core::error::Error for CommandError {}

/// The words of a command, and the words after it.
///
/// # Errors
/// See [`CommandError`].
pub fn split(raw: &str) -> Result<(Vec<String>, Vec<String>), CommandError> {
    let mut words = words(raw)?.into_iter();
    let command = self::words(&words.next().ok_or(CommandError::Empty)?)?;
    if command.first().is_none_or(String::is_empty) {
        return Err(CommandError::Empty);
    }
    Ok((command, words.collect()))
}

/// The words of a text.
///
/// # Errors
/// See [`CommandError`].
pub fn words(text: &str) -> Result<Vec<String>, CommandError> {
    let mut words = Vec::new();
    // The current word; `None` between words (`""` is an empty word).
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => word.get_or_insert_default().push(escape(&mut bytes)),
            b'"' | b'\'' if quote.is_none() => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            _ if quote == Some(byte) => quote = None,
            b' ' | b'\t' if quote.is_none() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    if let Some(quote) = quote {
        return Err(CommandError::Unclosed(char::from(quote)));
    }
    words.extend(word);
    words.into_iter().map(text_of).collect()
}

/// The first word of a command, as [`split`] splits it, that means something to a shell. A word
/// with an operator between others (`a|grep`) counts if a program follows, as `is_program` says:
/// it can also be a regular expression or a URL.
#[must_use]
pub fn shell_word(raw: &str, is_program: &dyn Fn(&str) -> bool) -> Option<String> {
    let quoted = raw.starts_with(['"', '\'']);
    let inner = quoted
        .then(|| words(raw).ok()?.into_iter().next())
        .flatten();
    let text = inner.as_deref().unwrap_or(raw);
    let bare = mask_quoted(text);
    let mut start: usize = 0;
    for word in bare.split([' ', '\t']) {
        let end = start.saturating_add(word.len());
        if is_for_shell(word, is_program) {
            return text.get(start..end).map(str::to_owned);
        }
        start = end.saturating_add(1);
    }
    None
}

/// The text with `x` for each byte that is quoted or escaped, and for those that are not ASCII.
fn mask_quoted(text: &str) -> String {
    let mut quote = None;
    let mut escaped = false;
    let mask = |byte: u8| {
        let plain = if escaped {
            escaped = false;
            false
        } else if byte == b'\\' {
            escaped = true;
            false
        } else if quote.is_some() {
            quote = quote.filter(|open| *open != byte);
            false
        } else if matches!(byte, b'"' | b'\'') {
            quote = Some(byte);
            false
        } else {
            byte.is_ascii()
        };
        char::from(if plain { byte } else { b'x' })
    };
    text.bytes().map(mask).collect()
}

fn is_for_shell(word: &str, is_program: &dyn Fn(&str) -> bool) -> bool {
    let starts_with = |wanted: &str| word.starts_with(wanted);
    let expands = word.match_indices('$').any(|(at, _)| {
        let next = word.as_bytes().get(at.saturating_add(1));
        next.is_some_and(|next| next.is_ascii_alphabetic() || matches!(next, b'(' | b'{' | b'_'))
    });
    if expands || word.contains('`') || starts_with("~/") {
        return true;
    }
    if word.contains("://") {
        return false;
    }
    let is_arrow = word.contains("->") || word.contains("=>");
    if (word.contains(['<', '>']) && !is_arrow)
        || (word.contains('*') && (word.contains('/') || starts_with("*.")))
    {
        return true;
    }
    let operators = ['|', ';', '&'];
    let mut parts = word.split(operators);
    if word.is_empty() {
        return false;
    }
    let first = parts.next();
    // At the start or the end of the word.
    let outside = first == Some("") || word.ends_with(operators);
    outside || parts.any(|part| !part.is_empty() && is_program(part))
}

fn text_of(word: Vec<u8>) -> Result<String, CommandError> {
    if word.contains(&0) {
        return Err(CommandError::InvalidText);
    }
    String::from_utf8(word).map_err(|_| CommandError::InvalidText)
}

type Bytes<'a> = std::iter::Peekable<std::str::Bytes<'a>>;

/// The byte that an escape stands for; its backslash was read.
fn escape(bytes: &mut Bytes<'_>) -> u8 {
    let Some(byte) = bytes.next() else {
        return b'\\';
    };
    match byte {
        b'a' => 7,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'v' => 11,
        b'f' => 12,
        b'r' => b'\r',
        b'E' => 27,
        b'c' => bytes.next().map_or(byte, |control| control & 0x1f),
        b'x' => digits(bytes, 0, 2, 16).unwrap_or(byte),
        b'0'..=b'7' => digits(bytes, byte.saturating_sub(b'0'), 2, 8).unwrap_or(byte),
        _ => byte,
    }
}

/// Reads at most `most` further digits as long as the value fits a byte. `None`: base 16 without
/// digits.
fn digits(bytes: &mut Bytes<'_>, first: u8, most: u8, base: u8) -> Option<u8> {
    let mut value = first;
    let mut any = base == 8;
    for _ in 0..most {
        let digit = bytes
            .peek()
            .and_then(|b| char::from(*b).to_digit(u32::from(base)));
        let digit = digit.and_then(|digit| u8::try_from(digit).ok());
        let Some(next) = digit.and_then(|digit| value.checked_mul(base)?.checked_add(digit)) else {
            break;
        };
        value = next;
        any = true;
        bytes.next();
    }
    any.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_into_words() {
        for (raw, want) in [
            ("/x.sh", &["/x.sh"][..]),
            ("/x.sh a  b\tc", &["/x.sh", "a", "b", "c"]),
            // quoted command
            (r#""/x.sh a b""#, &["/x.sh", "a", "b"]),
            ("'/x.sh a b'", &["/x.sh", "a", "b"]),
            (
                r#""/x.sh ' sp ' '\"s p\"' m""#,
                &["/x.sh", " sp ", "\"s p\"", "m"],
            ),
            (r#""\"/q r\" x""#, &["/q r", "x"]),
            (r#""'/q r' x""#, &["/q r", "x"]),
            (r#""/a\\ b c""#, &["/a b", "c"]),
            // quoted words
            (r#"/x.sh "a b" 'c d'"#, &["/x.sh", "a b", "c d"]),
            (r#"/x.sh --k="a b"c """#, &["/x.sh", "--k=a bc", ""]),
            (r#"/x.sh "it's""#, &["/x.sh", "it's"]),
            (
                r#"/bin/sh -c 'echo "a b"'"#,
                &["/bin/sh", "-c", "echo \"a b\""],
            ),
            // escapes
            (r"/x a\ b", &["/x", "a b"]),
            (r"/a\x41\102b", &["/aABb"]),
            (r"'/a\x41'", &["/aA"]),
            (
                r"/x \t\a\b\E\f\n\r\v\cA",
                &["/x", "\t\u{7}\u{8}\u{1b}\u{c}\n\r\u{b}\u{1}"],
            ),
            (r"/x \q\#\\\xZ\8", &["/x", "q#\\xZ8"]),
            (r"/x \1011\x411\5011", &["/x", "A1A1(11"]),
            (r"/x \xc3\xa9", &["/x", "é"]),
            ("/x é\\", &["/x", "é\\"]),
        ] {
            let (command, after) = split(raw).expect(raw);
            assert_eq!([command, after].concat(), want, "{raw}");
        }
    }

    #[test]
    fn words_for_a_shell_are_found_and_others_are_not() {
        let is_program = |name: &str| matches!(name, "grep" | "/bin/grep" | "b");
        for (raw, want) in [
            ("\"/bin/ps ax | grep x\"", Some("|")),
            ("/bin/ps ax|grep x", Some("ax|grep")),
            ("/bin/ps ax |/bin/grep x", Some("|/bin/grep")),
            ("/bin/ps ax| grep x", Some("ax|")),
            ("\"/a x;b\"", Some("x;b")),
            ("/a x; c", Some("x;")),
            ("/a && b", Some("&&")),
            ("/a&&b", Some("/a&&b")),
            ("/a x &", Some("&")),
            ("/a >/dev/null", Some(">/dev/null")),
            ("/a 2>&1", Some("2>&1")),
            ("/a &>f", Some("&>f")),
            ("/a </dev/null", Some("</dev/null")),
            ("/a x>f", Some("x>f")),
            ("/a $(cat f)", Some("$(cat")),
            ("/a `cat f`", Some("`cat")),
            ("/a $HOME/x", Some("$HOME/x")),
            ("/a ${HOME}", Some("${HOME}")),
            ("/a ~/x", Some("~/x")),
            ("/a /run/*.pid", Some("/run/*.pid")),
            ("/a *.pid", Some("*.pid")),
            // Not for a shell.
            ("\"/bin/sh -c 'a | b > $HOME'\"", None),
            (r#""/bin/sh -c \"a | b > $HOME\"""#, None),
            ("/bin/sh -c 'a; b'", None),
            (r"/a \| \$HOME", None),
            ("/usr/bin/pgrep -f nginx|apache", None),
            ("/usr/bin/curl http://h/p?a=1&b=2;c=*", None),
            ("/a --when=x->y", None),
            ("/a ^nginx$ 5$", None),
            ("/a nginx* a&c", None),
            ("/a", None),
            ("", None),
        ] {
            assert_eq!(shell_word(raw, &is_program).as_deref(), want, "{raw}");
        }
    }

    #[test]
    fn errors_in_commands_are_reported() {
        for (raw, want) in [
            ("/x \"a", CommandError::Unclosed('"')),
            ("/x 'a", CommandError::Unclosed('\'')),
            ("\"/x it's\"", CommandError::Unclosed('\'')),
            ("/x \\xff", CommandError::InvalidText),
            ("/x \\0", CommandError::InvalidText),
            ("", CommandError::Empty),
            ("\"\" a", CommandError::Empty),
            ("\" \"", CommandError::Empty),
        ] {
            assert_eq!(split(raw), Err(want), "{raw}");
        }
    }
}
