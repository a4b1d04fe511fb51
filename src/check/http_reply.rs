//! Reading a web server's answer (RFC 9112), whatever comes: pieces of any size, garbage, floods.
//!
//! ```text
//! Status ─→ Headers ─┬─→ Fixed (Content-Length) ───────────────────────┬─→ over
//!   ↑          │     ├─→ Size ⇄ Data, Mark (chunked) ─→ Trailers ──────┤
//!   └─ 1xx ────┘     └─→ ToEnd (until the server closes) ──────────────┘
//! ```
//! Of the head three facts are kept, of the page its length and, if wanted, its MD5. A line is kept up to
//! [`LINE`] bytes, the rest of it is dropped; a head without an end is given up. The outcome depends on the bytes
//! alone, never on how they were cut.

use md5::{Digest, Md5};

use crate::config::model::lvs::SEARCH_LIMIT;

/// What is kept of a line. The lines we read are shorter.
const LINE: usize = 160;
/// What is kept of where a redirect leads to.
const PLACE: usize = 80;
/// Bytes of all head lines, and again of all trailers. More is no answer but a flood.
const MAX_HEAD: usize = 16 << 10;
/// So much of a page is enough to see that the server delivers, where nobody wants its digest, and to search in.
const ENOUGH: u64 = SEARCH_LIMIT as u64;
/// Room for pages that are searched which is not given back after each.
const ROOM: usize = 4 << 10;
/// More is not hashed.
const MAX_PAGE: u64 = 16 << 20;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Waits for the line with the status.
    Status,
    /// Waits for the other lines of the head.
    Headers,
    /// Waits for so many bytes of the page.
    Fixed(u64),
    /// Waits for the page, which ends with the connection.
    ToEnd,
    /// Waits for the line with a chunk's size.
    Size,
    /// Waits for so many bytes of a chunk.
    Data(u64),
    /// Waits for the end of line behind a chunk.
    Mark,
    /// Waits for the empty line behind the last chunk.
    Trailers,
}

/// Whether the answer is complete, and what is wrong with it.
pub(super) type End = Option<Result<(), String>>;

/// One answer. Used again for the next one.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    state: State,
    line: heapless::Vec<u8, LINE>,
    /// Bytes of the head (or of a chunk's line, or the trailers) so far.
    head: usize,
    status: u16,
    length: Option<u64>,
    chunked: bool,
    place: heapless::Vec<u8, PLACE>,
    /// Bytes of the page so far.
    page: u64,
    md5: Option<Md5>,
    /// The page will be searched.
    search: bool,
    /// What is kept of it for that.
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
            place: heapless::Vec::new(),
            page: 0,
            md5: None,
            search: false,
            text: Vec::new(),
        }
    }

    /// Another answer begins; `digest`: that of its page will be asked for; `search`: its text.
    pub(super) fn begin(&mut self, digest: bool, search: bool) {
        let mut text = core::mem::take(&mut self.text);
        text.clear();
        text.shrink_to(ROOM);
        *self = Reply {
            md5: digest.then(Md5::new),
            search,
            text,
            ..Reply::new()
        };
    }

    /// The status, once the whole head is there.
    pub(super) fn status(&self) -> Option<u16> {
        let reading = matches!(self.state, State::Status | State::Headers);
        (!reading).then_some(self.status)
    }

    /// Where a redirect leads to, as the server says.
    pub(super) fn place(&self) -> &[u8] {
        &self.place
    }

    /// Bytes of the page.
    pub(super) fn page(&self) -> u64 {
        self.page
    }

    /// The page's digest, if it was to be made. To be asked once.
    pub(super) fn digest(&mut self) -> Option<[u8; 16]> {
        self.md5.take().map(|md5| md5.finalize().into())
    }

    /// The page as far as it is searched, if it was to be kept.
    pub(super) fn searched(&mut self) -> &mut [u8] {
        &mut self.text
    }

    /// What is missing, when nothing more comes.
    pub(super) fn missing(&self) -> &'static str {
        match self.state {
            State::Status if self.head == 0 => "an answer",
            State::Status | State::Headers => "the end of its head",
            State::Fixed(_) | State::ToEnd => "the end of its page",
            State::Size | State::Data(_) | State::Mark | State::Trailers => {
                "the last chunk of its page"
            }
        }
    }

    /// Takes what the server has sent. What follows the end is not looked at.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> End {
        while !bytes.is_empty() {
            let (rest, end) = match self.state {
                State::Fixed(left) => self.part(bytes, left, State::Fixed),
                State::ToEnd => self.part(bytes, u64::MAX, |_| State::ToEnd),
                State::Data(left) => self.part(bytes, left, State::Data),
                State::Status | State::Headers | State::Size | State::Mark | State::Trailers => {
                    self.text(bytes)
                }
            };
            if end.is_some() {
                return end;
            }
            bytes = rest;
        }
        None
    }

    /// The server sends no more.
    pub(super) fn end(&mut self) -> Result<(), String> {
        match (self.state, self.length) {
            (State::ToEnd, _) => Ok(()),
            (State::Status, _) if self.head == 0 => {
                Err("it closed the connection without an answer".into())
            }
            (State::Status, _) => Err(not_http(&self.line)),
            (State::Fixed(_), Some(length)) => Err(format!(
                "its page ends after {} of {length} bytes",
                self.page
            )),
            _ => Err(format!(
                "it closed the connection before {}",
                self.missing()
            )),
        }
    }

    // ---- lines ----

    /// Takes bytes up to the end of the line; a complete one is read.
    fn text<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], End) {
        let line = bytes.split_inclusive(|byte| *byte == b'\n').next();
        let line = line.unwrap_or_default();
        let rest = bytes.get(line.len()..).unwrap_or_default();
        // So that a flood ends at the same byte however it is cut.
        let room = MAX_HEAD.saturating_sub(self.head);
        let line = line.get(..room).unwrap_or(line);
        self.head = self.head.saturating_add(line.len());
        for byte in line {
            // A full line keeps its beginning.
            let _ = self.line.push(*byte);
        }
        if self.head >= MAX_HEAD {
            return (rest, Some(Err("its head has no end".into())));
        }
        if line.last() != Some(&b'\n') {
            return (rest, None);
        }
        let line = core::mem::take(&mut self.line);
        let end = match self.state {
            State::Status => self.status_line(&line),
            State::Headers => self.header(line.trim_ascii()),
            State::Size => self.size(&line),
            State::Mark if line.trim_ascii().is_empty() => {
                self.expect(State::Size);
                None
            }
            State::Trailers if line.trim_ascii().is_empty() => Some(Ok(())),
            State::Mark => Some(Err(bad_chunk(&line, "an empty line"))),
            State::Trailers | State::Fixed(_) | State::ToEnd | State::Data(_) => None,
        };
        (rest, end)
    }

    /// Another part of the answer, with room of its own.
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

    /// A line behind the first; the empty one ends the head.
    fn header(&mut self, line: &[u8]) -> End {
        if line.is_empty() {
            return self.body();
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let Some((name, value)) = colon.and_then(|colon| line.split_at_checked(colon)) else {
            // Others live with such lines too.
            return None;
        };
        let name = name.trim_ascii();
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            let length = number(value, 10);
            if length.is_none() || self.length.is_some_and(|other| Some(other) != length) {
                let value = printable(value);
                return Some(Err(format!("its Content-Length makes no sense: `{value}`")));
            }
            self.length = length;
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // Whatever else it may be, as long as it is chunked in the end.
            let last = value.rsplit(|byte| *byte == b',').next();
            let last = last.unwrap_or_default().trim_ascii();
            self.chunked = last.eq_ignore_ascii_case(b"chunked");
            // RFC 9112 section 6.3: it overrides the length.
        } else if name.eq_ignore_ascii_case(b"location") {
            let value = value.get(..PLACE).unwrap_or(value);
            self.place = heapless::Vec::from_slice(value).unwrap_or_default();
        }
        None
    }

    /// The head is complete: what comes next?
    fn body(&mut self) -> End {
        match (self.status, self.length) {
            // Interim answers; 101 would be the last one.
            (100 | 102..200, _) => {
                self.state = State::Status;
                self.length = None;
                self.chunked = false;
                None
            }
            (101 | 204 | 304, _) => self.over(),
            _ if self.chunked => {
                self.expect(State::Size);
                None
            }
            (_, Some(0)) => self.over(),
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

    fn over(&mut self) -> End {
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
            let room = SEARCH_LIMIT.saturating_sub(self.text.len());
            self.text
                .extend_from_slice(part.get(..room).unwrap_or(part));
        }
        match &mut self.md5 {
            None if self.page >= ENOUGH => return (rest, Some(Ok(()))),
            Some(_) if self.page > MAX_PAGE => {
                return (rest, Some(Err("its page is too long for a digest".into())));
            }
            Some(md5) => md5.update(part),
            None => {}
        }
        if self.state == State::Data(0) {
            self.expect(State::Mark);
        }
        let complete = self.state == State::Fixed(0);
        (rest, complete.then_some(Ok(())))
    }

    /// `1a2b;name=value`: the size of a chunk.
    fn size(&mut self, line: &[u8]) -> End {
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        match number(digits.trim_ascii(), 16) {
            None => return Some(Err(bad_chunk(line, "a size"))),
            Some(0) => self.expect(State::Trailers),
            Some(size) => self.expect(State::Data(size)),
        }
        None
    }
}

fn not_http(line: &[u8]) -> String {
    let line = printable(line.trim_ascii_end());
    format!("it does not speak HTTP, but says `{line}`")
}

fn bad_chunk(line: &[u8], wanted: &str) -> String {
    let line = printable(line.trim_ascii());
    format!("its chunks are broken: `{line}` where {wanted} should be")
}

/// Digits and nothing else.
fn number(digits: &[u8], radix: u32) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_alphanumeric);
    let text = core::str::from_utf8(digits).ok().filter(|_| plain)?;
    u64::from_str_radix(text, radix).ok()
}

/// Words of a server, fit for a log.
pub(super) fn printable(words: &[u8]) -> String {
    let mut text = String::with_capacity(words.len());
    for byte in words {
        match byte {
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push('?'),
        }
    }
    text
}
