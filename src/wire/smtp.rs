//! SMTP replies (RFC 5321 §4.2), read byte by byte.
//!
//! ```text
//! 250-first line\r\n        continued
//! 250 last line\r\n         complete: code 250, text "250 last line"
//! ```
//! Of each line the first [`MAX_LINE`] bytes are kept. A reply of more than [`MAX_REPLY`] bytes is
//! an error.

use core::fmt;

/// Bytes kept of a line.
pub const MAX_LINE: usize = 200;
/// Bytes of one reply, all of its lines together.
pub const MAX_REPLY: usize = 16 << 10;

/// A line of the server as printable ASCII, with `?` for every other byte.
pub type Line = heapless::String<MAX_LINE>;

/// A complete reply.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The reply code: three digits.
    pub code: u16,
    /// The last line, code included.
    pub text: Line,
}

/// The defect of bytes that are not an SMTP reply.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived, and `wire` does not allocate"
)]
pub enum ReplyError {
    /// More than [`MAX_REPLY`] bytes.
    TooLong,
    /// This line does not start with a reply code.
    NotSmtp(Line),
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplyError::TooLong => f.write_str("endless SMTP reply"),
            ReplyError::NotSmtp(line) => write!(f, "not an SMTP reply: `{line}`"),
        }
    }
}

/// Assembles replies. The order of calls does not matter to it: after an error,
/// [`ReplyReader::clear`] makes it usable for another connection.
#[derive(Clone, Debug, Default)]
pub struct ReplyReader {
    line: heapless::Vec<u8, MAX_LINE>,
    /// Bytes of the current reply so far.
    bytes: usize,
}

impl ReplyReader {
    /// Drops an incomplete reply.
    pub fn clear(&mut self) {
        self.line.clear();
        self.bytes = 0;
    }

    /// Takes one byte. `None`: the reply is not complete yet.
    pub fn push(&mut self, byte: u8) -> Option<Result<Reply, ReplyError>> {
        self.bytes = self.bytes.saturating_add(1);
        if self.bytes > MAX_REPLY {
            return Some(Err(ReplyError::TooLong));
        }
        if byte != b'\n' {
            // A full line keeps its beginning.
            let _ = self.line.push(byte);
            return None;
        }
        let line = self.line.trim_ascii_end();
        let (code, rest) = line.split_at_checked(3).unwrap_or((line, &[]));
        let end = match (number(code), rest.first()) {
            (Some(_), Some(b'-')) => None,
            (Some(code), Some(b' ') | None) => {
                self.bytes = 0;
                let text = printable(line);
                Some(Ok(Reply { code, text }))
            }
            (_, _) => Some(Err(ReplyError::NotSmtp(printable(line)))),
        };
        self.line.clear();
        end
    }
}

/// Three digits.
fn number(code: &[u8]) -> Option<u16> {
    let digits = code.len() == 3 && code.iter().all(u8::is_ascii_digit);
    let code = core::str::from_utf8(code).ok().filter(|_| digits)?;
    code.parse().ok()
}

fn printable(line: &[u8]) -> Line {
    let mut text = Line::new();
    for byte in line {
        let shown = matches!(byte, b' '..=b'~').then_some(char::from(*byte));
        // The line is not longer than the text may be.
        let _ = text.push(shown.unwrap_or('?'));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first reply in these bytes.
    fn read(bytes: &[u8]) -> Option<Result<Reply, ReplyError>> {
        let mut reader = ReplyReader::default();
        bytes.iter().find_map(|byte| reader.push(*byte))
    }

    fn reply(code: u16, text: &str) -> Option<Result<Reply, ReplyError>> {
        let text = text.try_into().expect("short");
        Some(Ok(Reply { code, text }))
    }

    #[test]
    fn a_reply_ends_with_the_line_without_a_hyphen() {
        for (bytes, code, text) in [
            (&b"220 hi\r\n"[..], 220, "220 hi"),
            (b"250\n", 250, "250"),
            (b"250-a\r\n250-b\r\n250 c\r\n", 250, "250 c"),
            (b"550 \x1b[2J\xff\n", 550, "550 ?[2J?"),
        ] {
            assert_eq!(read(bytes), reply(code, text));
        }
        assert_eq!(read(b"220-hi\r\n"), None);
        let long = [&b"220 "[..], &[b'x'; 1000], b"\n"].concat();
        assert!(matches!(read(&long), Some(Ok(reply)) if reply.text.len() == MAX_LINE));
    }

    #[test]
    fn anything_else_is_an_error_within_bounds() {
        for (bytes, want) in [
            (
                &b"HTTP/1.0 400\r\n"[..],
                "not an SMTP reply: `HTTP/1.0 400`",
            ),
            (b"2200 hi\n", "not an SMTP reply: `2200 hi`"),
            (b"22\n", "not an SMTP reply: `22`"),
            (b"\r\n", "not an SMTP reply: ``"),
            (&[b'x'; 20_000], "endless SMTP reply"),
            (&b"220-hi\r\n".repeat(4000), "endless SMTP reply"),
        ] {
            let Some(Err(error)) = read(bytes) else {
                panic!("{want}")
            };
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn the_limit_counts_for_each_reply() {
        let mut reader = ReplyReader::default();
        let line = b"220 xxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
        for _ in 0..1000 {
            let mut ends = line.iter().filter_map(|byte| reader.push(*byte));
            assert!(matches!(ends.next(), Some(Ok(_))));
        }
    }
}
