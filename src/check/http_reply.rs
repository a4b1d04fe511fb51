//! Reads a web server's response (RFC 9112) incrementally and within bounds.
//!
//! ```text
//! Status ─→ Headers ─┬─→ Fixed (Content-Length) ─────────────────────────┬─→ complete
//!   ↑          │     ├─→ Size ⇄ Data, ChunkEnd (chunked) ─→ Trailers ────┤
//!   └─ 1xx ────┘     └─→ ToEnd (until the server closes) ────────────────┘
//! ```
//! Kept are the status, the length, the target of a redirect and, if asked for, the MD5 and the
//! text of the page. Of each line the first [`MAX_LINE`] bytes are kept; an endless header is an
//! error. The result depends on the bytes alone, not on how they were split.

use md5::{Digest, Md5};

use crate::config::model::lvs::SEARCH_LIMIT;

/// Bytes kept of a line; the lines that are evaluated are shorter.
const MAX_LINE: usize = 160;
/// Bytes kept of the target of a redirect.
const MAX_LOCATION: usize = 80;
/// Bytes of all header lines, and separately of all trailers.
const MAX_HEAD: usize = 16 << 10;
/// Bytes of a page that are enough where no digest is compared; a pattern is searched in these.
const ENOUGH: u64 = SEARCH_LIMIT as u64;
/// Capacity kept from one searched page to the next.
const KEPT_CAPACITY: usize = 4 << 10;
/// Longest page that is hashed.
const MAX_PAGE: u64 = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The status line is next.
    Status,
    /// Another header line is next.
    Headers,
    /// That many bytes of the page are missing.
    Fixed(u64),
    /// The page ends with the connection.
    ToEnd,
    /// The line with a chunk's size is next.
    Size,
    /// That many bytes of a chunk are missing.
    Data(u64),
    /// The line end after a chunk is next.
    ChunkEnd,
    /// A trailer, or the empty line after the last chunk, is next.
    Trailers,
}

/// `Some` when the response is complete or invalid, with the reason.
pub(super) type End = Option<Result<(), String>>;

/// Reader of one response at a time.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    state: State,
    line: heapless::Vec<u8, MAX_LINE>,
    /// Bytes of the header (or of a chunk's line, or of the trailers) so far.
    head: usize,
    status: u16,
    length: Option<u64>,
    chunked: bool,
    location: heapless::Vec<u8, MAX_LOCATION>,
    /// Bytes of the page so far.
    page: u64,
    md5: Option<Md5>,
    /// The page is kept in `text`, to be searched.
    search: bool,
    text: Vec<u8>,
}

impl Reply {
    pub(super) fn new() -> Self {
        Reply {
            state: State::Status,
            line: heapless::Vec::new(),
            head: 0,
            status: 0,
            length: None,
            chunked: false,
            location: heapless::Vec::new(),
            page: 0,
            md5: None,
            search: false,
            text: Vec::new(),
        }
    }

    /// Starts another response; `hash`: for [`Reply::digest`]; `search`: for [`Reply::searched`].
    pub(super) fn start(&mut self, hash: bool, search: bool) {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(KEPT_CAPACITY);
        *self = Reply {
            md5: hash.then(Md5::new),
            search,
            text,
            ..Reply::new()
        };
    }

    /// The status, once the header is complete.
    pub(super) fn status(&self) -> Option<u16> {
        let reading = matches!(self.state, State::Status | State::Headers);
        (!reading).then_some(self.status)
    }

    /// The target of a redirect.
    pub(super) fn location(&self) -> &[u8] {
        &self.location
    }

    /// Bytes of the page so far.
    pub(super) fn page_length(&self) -> u64 {
        self.page
    }

    /// The page's MD5, if asked for. It can be taken once.
    pub(super) fn digest(&mut self) -> Option<[u8; 16]> {
        self.md5.take().map(|md5| md5.finalize().into())
    }

    /// The searched part of the page, if asked for.
    pub(super) fn searched(&mut self) -> &mut [u8] {
        &mut self.text
    }

    /// The part of the response that is missing, as a phrase for the log.
    pub(super) fn missing(&self) -> &'static str {
        match self.state {
            State::Status if self.head == 0 => "a response",
            State::Status | State::Headers => "the end of the header",
            State::Fixed(_) | State::ToEnd => "the end of the body",
            State::Size | State::Data(_) | State::ChunkEnd | State::Trailers => {
                "the last chunk of the body"
            }
        }
    }

    /// Takes received bytes. Bytes after the end of the response are ignored.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> End {
        while !bytes.is_empty() {
            let (rest, end) = match self.state {
                State::Fixed(left) => self.part(bytes, left, State::Fixed),
                State::ToEnd => self.part(bytes, u64::MAX, |_| State::ToEnd),
                State::Data(left) => self.part(bytes, left, State::Data),
                State::Status
                | State::Headers
                | State::Size
                | State::ChunkEnd
                | State::Trailers => self.text(bytes),
            };
            if end.is_some() {
                return end;
            }
            bytes = rest;
        }
        None
    }

    /// The server has closed the connection.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match (self.state, self.length) {
            (State::ToEnd, _) => Ok(()),
            (State::Status, _) if self.head == 0 => {
                Err("connection closed without a response".into())
            }
            (State::Status, _) => Err(not_http(&self.line)),
            (State::Fixed(_), Some(length)) => {
                Err(format!("body ended after {} of {length} bytes", self.page))
            }
            _ => Err(format!("connection closed before {}", self.missing())),
        }
    }

    // ---- lines ----

    /// Takes bytes up to the end of the line, and evaluates a complete line.
    fn text<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], End) {
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        let rest = bytes.get(line.len()..).unwrap_or_default();
        // The limit is reached at the same byte however the input is split.
        let free = MAX_HEAD.saturating_sub(self.head);
        let line = line.get(..free).unwrap_or(line);
        self.head = self.head.saturating_add(line.len());
        for byte in line {
            // A full line keeps its beginning.
            let _ = self.line.push(*byte);
        }
        if self.head >= MAX_HEAD {
            return (rest, Some(Err("endless header".into())));
        }
        if line.last() != Some(&b'\n') {
            return (rest, None);
        }
        let line = core::mem::take(&mut self.line);
        let end = match self.state {
            State::Status => self.status_line(&line),
            State::Headers => self.header(line.trim_ascii()),
            State::Size => self.size(&line),
            State::ChunkEnd if line.trim_ascii().is_empty() => {
                self.expect(State::Size);
                None
            }
            State::Trailers if line.trim_ascii().is_empty() => Some(Ok(())),
            State::ChunkEnd => Some(Err(bad_chunk(&line, "an empty line"))),
            State::Trailers | State::Fixed(_) | State::ToEnd | State::Data(_) => None,
        };
        (rest, end)
    }

    /// Another part of the response starts, with its own limit.
    fn expect(&mut self, state: State) {
        self.state = state;
        self.head = 0;
    }

    /// `HTTP/1.1 200 OK`.
    fn status_line(&mut self, line: &[u8]) -> End {
        let line = line.trim_ascii_end();
        let after = line.strip_prefix(b"HTTP/").and_then(|rest| {
            let space = rest.iter().position(|byte| *byte == b' ')?;
            rest.get(space..)
        });
        let word = after.map(<[u8]>::trim_ascii_start).unwrap_or_default();
        let word = word.split(|byte| *byte == b' ').next().unwrap_or_default();
        match number(word, 10) {
            Some(status) if word.len() == 3 => {
                self.status = u16::try_from(status).unwrap_or_default();
                self.state = State::Headers;
                None
            }
            _ => Some(Err(not_http(line))),
        }
    }

    /// A header line; the empty one ends the header.
    fn header(&mut self, line: &[u8]) -> End {
        if line.is_empty() {
            return self.body();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            // Not a header field; ignored.
            return None;
        };
        let name = name.trim_ascii();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10);
            if length.is_none() || self.length.is_some_and(|other| Some(other) != length) {
                let value = printable(value);
                return Some(Err(format!("invalid Content-Length `{value}`")));
            }
            self.length = length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // RFC 9112 §6.1: chunked is the last coding applied; §6.3: it overrides Content-Length.
            let last = value.rsplit(|byte| *byte == b',').next();
            let last = last.unwrap_or_default().trim_ascii();
            self.chunked = last.eq_ignore_ascii_case(b"chunked");
        } else if name.eq_ignore_ascii_case(b"location") {
            let value = value.get(..MAX_LOCATION).unwrap_or(value);
            self.location = heapless::Vec::from_slice(value).unwrap_or_default();
        }
        None
    }

    /// The header is complete: selects the framing of the body (RFC 9112 §6.3).
    fn body(&mut self) -> End {
        match (self.status, self.length) {
            // Interim responses; 101 is final.
            (100 | 102..200, _) => {
                self.state = State::Status;
                self.length = None;
                self.chunked = false;
                None
            }
            (101 | 204 | 304, _) => self.complete(),
            _ if self.chunked => {
                self.expect(State::Size);
                None
            }
            (_, Some(0)) => self.complete(),
            (_, Some(length)) => {
                self.expect(State::Fixed(length));
                None
            }
            (_, None) => {
                self.expect(State::ToEnd);
                None
            }
        }
    }

    fn complete(&mut self) -> End {
        self.expect(State::Fixed(0));
        Some(Ok(()))
    }

    // ---- the page ----

    /// Takes up to `left` bytes of the page.
    fn part<'a>(&mut self, bytes: &'a [u8], left: u64, next: fn(u64) -> State) -> (&'a [u8], End) {
        let count = usize::try_from(left).unwrap_or(usize::MAX);
        let (part, rest) = bytes.split_at_checked(count).unwrap_or((bytes, &[]));
        let taken = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.page = self.page.saturating_add(taken);
        let left = left.saturating_sub(taken);
        self.state = next(left);
        if self.search {
            let free = SEARCH_LIMIT.saturating_sub(self.text.len());
            self.text
                .extend_from_slice(part.get(..free).unwrap_or(part));
        }
        match &mut self.md5 {
            None if self.page >= ENOUGH => return (rest, Some(Ok(()))),
            Some(_) if self.page > MAX_PAGE => {
                return (
                    rest,
                    Some(Err("body exceeds 16 MiB, too large to hash".into())),
                );
            }
            Some(md5) => md5.update(part),
            None => {}
        }
        if self.state == State::Data(0) {
            self.expect(State::ChunkEnd);
        }
        let complete = self.state == State::Fixed(0);
        (rest, complete.then_some(Ok(())))
    }

    /// `1a2b;name=value`: the size of a chunk.
    fn size(&mut self, line: &[u8]) -> End {
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        match number(digits.trim_ascii(), 16) {
            None => return Some(Err(bad_chunk(line, "a chunk size"))),
            Some(0) => self.expect(State::Trailers),
            Some(size) => self.expect(State::Data(size)),
        }
        None
    }
}

fn not_http(line: &[u8]) -> String {
    let line = printable(line.trim_ascii_end());
    format!("not an HTTP response: `{line}`")
}

fn bad_chunk(line: &[u8], expected: &str) -> String {
    let line = printable(line.trim_ascii());
    format!("invalid chunked encoding: `{line}` instead of {expected}")
}

/// A number of digits alone: no sign, no space.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_alphanumeric);
    let text = core::str::from_utf8(digits).ok().filter(|_| plain)?;
    u64::from_str_radix(text, radix).ok()
}

/// A server's bytes as printable ASCII, with `?` for every other byte.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push('?'),
        }
    }
    text
}
