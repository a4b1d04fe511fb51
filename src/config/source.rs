//! The source files, and the conversion of a [`Span`] to `file:line:column`.
//!
//! All offsets are those of the *decoded* text: first a byte order mark is removed and invalid
//! UTF-8 is replaced by U+FFFD.
//!
//! A file number of a span below [`MAX_FILES`] is that of a file. From there on it is that of a
//! *view*: the same bytes, included by a reference to a multi-line definition. So an error in the
//! lines of `$VI` is shown at its position, together with the position of the reference `$VI`.

use core::cell::OnceCell;

use super::diag::{Place, Span};

/// Maximum number of files of a configuration; also the number of the first view.
pub(crate) const MAX_FILES: u16 = 256;
/// Maximum size of all files together, in bytes.
pub(crate) const MAX_TEXT: usize = 4 * 1024 * 1024;
/// Distance in bytes of the positions whose line number is stored, which make counting lines cheap.
const MARK: usize = 4096;

/// The source files of one configuration.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    views: Vec<View>,
    bytes: usize,
    /// Of what the first file was made.
    #[cfg(feature = "uci")]
    origin: Option<Box<Origin>>,
}

/// The text that a configuration was converted from. Diagnostics are about its lines.
#[cfg(feature = "uci")]
#[derive(Debug)]
pub struct Origin {
    /// The text.
    pub sources: Sources,
    /// Where the words of the configuration are from, in their order.
    pub marks: Vec<Mark>,
}

/// Where a word of a converted configuration is from.
#[cfg(feature = "uci")]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Offset in the configuration.
    pub start: u32,
    /// The word in the original; `None` if it is not from there.
    pub at: Option<Span>,
}

#[cfg(feature = "uci")]
impl Origin {
    fn of(&self, span: Span) -> Option<Span> {
        let after = self.marks.partition_point(|mark| mark.start <= span.start);
        self.marks.get(after.checked_sub(1)?)?.at
    }
}

#[derive(Debug)]
struct File {
    name: Box<str>,
    text: Box<str>,
    /// Number of line breaks before byte `i * MARK`; counted when a message needs a position.
    marks: OnceCell<Vec<u32>>,
}

/// The bytes of a file or view, included by a reference.
#[derive(Clone, Copy, Debug)]
struct View {
    of: u16,
    /// The reference.
    via: Span,
}

/// A position for messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position<'a> {
    /// Name of the file as given or included.
    pub file: &'a str,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Column after the last character of the span; a span ends at the end of its line.
    pub end_column: u32,
}

/// Why a file was not added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SourceError {
    /// More than [`MAX_FILES`].
    TooManyFiles,
    /// More than [`MAX_TEXT`] bytes together.
    TooLarge,
    /// The file is not text: a NUL byte at this position.
    Binary(Span),
}

#[cfg(feature = "uci")]
impl Sources {
    /// Of what the first file is made.
    pub(crate) fn set_origin(&mut self, origin: Option<Box<Origin>>) {
        self.origin = origin;
    }

    /// The text that the user wrote at this position, and its place there; `None`: there is none.
    pub(super) fn original(&self, span: Span) -> Option<(Span, &Sources)> {
        match &self.origin {
            Some(origin) if self.file_of(span.file) == 0 => {
                Some((origin.of(span)?, &origin.sources))
            }
            Some(_) | None => Some((span, self)),
        }
    }
}

#[cfg(not(feature = "uci"))]
impl Sources {
    /// As with the feature `uci`: nothing is converted.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "there may be none with the feature"
    )]
    pub(super) fn original(&self, span: Span) -> Option<(Span, &Sources)> {
        Some((span, self))
    }
}

impl Sources {
    /// Adds a file and returns its number. A binary file is added too, so that the message can show
    /// the position.
    pub(crate) fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<u16, SourceError> {
        let number = u16::try_from(self.files.len()).map_err(|_| SourceError::TooManyFiles)?;
        if number >= MAX_FILES {
            return Err(SourceError::TooManyFiles);
        }
        if bytes.len() > MAX_TEXT.saturating_sub(self.bytes) {
            return Err(SourceError::TooLarge);
        }
        let nul = match bytes.contains(&0) {
            true => bytes.iter().position(|byte| *byte == 0),
            false => None,
        };
        let text = decode(match nul {
            None => bytes,
            // Sufficient to show the line.
            Some(at) => bytes.get(..=at).unwrap_or_default().to_vec(),
        });
        if text.len() > MAX_TEXT.saturating_sub(self.bytes) {
            return Err(SourceError::TooLarge);
        }
        self.bytes = self.bytes.saturating_add(text.len());
        let start = nul.and_then(|_| text.find('\0'));
        let marks = OnceCell::new();
        let name = name.into();
        self.files.push(File { name, text, marks });
        match start {
            None => Ok(number),
            Some(at) => Err(SourceError::Binary(span(number, at, 1))),
        }
    }

    /// The text of a file or view; empty for an unknown number.
    #[must_use]
    pub fn text(&self, file: u16) -> &str {
        self.files
            .get(usize::from(self.file_of(file)))
            .map_or("", |file| &file.text)
    }

    /// Number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// True if no file could be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Number of a new view of `of`, included by the reference at `via`; `None` if all numbers are
    /// used.
    pub(crate) fn view(&mut self, of: u16, via: Span) -> Option<u16> {
        let number = u16::try_from(self.views.len())
            .ok()?
            .checked_add(MAX_FILES)?;
        self.views.push(View { of, via });
        Some(number)
    }

    /// The reference that included the span, if it is in a multi-line definition.
    #[must_use]
    pub fn via(&self, span: Span) -> Option<Span> {
        Some(self.get_view(span.file)?.via)
    }

    /// Where the text of a span is used: the span itself, or the outermost reference that included
    /// it.
    pub(crate) fn reference(&self, span: Span) -> Place {
        let mut used = span;
        while let Some(via) = self.via(used) {
            used = via;
        }
        self.place(used)
    }

    /// Where the text of a span is, the same for all views of it.
    pub(crate) fn place(&self, span: Span) -> Place {
        let span = self.original(span).map_or(span, |(span, _)| span);
        (self.file_of(span.file), span.start)
    }

    fn get_view(&self, file: u16) -> Option<&View> {
        self.views.get(usize::from(file.checked_sub(MAX_FILES)?))
    }

    /// The file of a view. A view has a higher number than what it shows, so this ends.
    fn file_of(&self, mut file: u16) -> u16 {
        while let Some(view) = self.get_view(file) {
            if view.of >= file {
                break;
            }
            file = view.of;
        }
        file
    }

    /// File, line and columns of a span.
    #[must_use]
    pub fn position(&self, span: Span) -> Option<Position<'_>> {
        let (span, sources) = self.original(span)?;
        let file = sources.files.get(usize::from(sources.file_of(span.file)))?;
        let (start, end) = sources.line_range(span)?;
        let at = usize::try_from(span.start).ok()?;
        let before = file.text.get(start..at)?;
        let stop = at.saturating_add(usize::from(span.len)).min(end);
        let inside = file.text.get(at..stop).unwrap_or("");
        let column = count(before).saturating_add(1);
        Some(Position {
            file: &file.name,
            line: file.line(at),
            column,
            end_column: column.saturating_add(count(inside).max(1)),
        })
    }

    /// Start and end of the line in which a span starts, without the line break.
    fn line_range(&self, span: Span) -> Option<(usize, usize)> {
        let text = self.text(span.file);
        let at = usize::try_from(span.start).ok()?;
        let start = text
            .get(..at)?
            .rfind('\n')
            .map_or(0, |nl| nl.saturating_add(1));
        let end = text
            .get(at..)?
            .find('\n')
            .map_or(text.len(), |nl| at.saturating_add(nl));
        Some((start, end))
    }

    /// The line in which a span starts, and the offset of the span in the line.
    #[must_use]
    pub fn line(&self, span: Span) -> Option<(&str, usize)> {
        let (start, end) = self.line_range(span)?;
        let line = self.text(span.file).get(start..end)?;
        let at = usize::try_from(span.start).ok()?.saturating_sub(start);
        Some((line.strip_suffix('\r').unwrap_or(line), at))
    }

    /// Position for the text of a message about `here`: `line 12`, or `other.conf line 12` if it is
    /// another file.
    #[must_use]
    pub fn locate(&self, span: Span, here: Span) -> String {
        let Some(position) = self.position(span) else {
            return "an unknown position".into();
        };
        if self.file_of(span.file) == self.file_of(here.file) {
            format!("line {}", position.line)
        } else {
            format!("{} line {}", position.file, position.line)
        }
    }
}

impl File {
    fn line(&self, at: usize) -> u32 {
        let mark = at / MARK;
        let marks = self.marks.get_or_init(|| marks(&self.text));
        let base = marks.get(mark).copied().unwrap_or(0);
        let rest = self
            .text
            .as_bytes()
            .get(mark.saturating_mul(MARK)..at)
            .unwrap_or_default();
        let breaks = u32::try_from(rest.iter().filter(|byte| **byte == b'\n').count());
        base.saturating_add(breaks.unwrap_or(u32::MAX))
            .saturating_add(1)
    }
}

/// A span; numbers that do not fit their type are capped.
pub(crate) fn span(file: u16, start: usize, len: usize) -> Span {
    Span {
        file,
        start: u32::try_from(start).unwrap_or(u32::MAX),
        len: u16::try_from(len).unwrap_or(u16::MAX),
    }
}

fn count(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn marks(text: &str) -> Vec<u32> {
    let mut seen = 0_u32;
    let mut marks = Vec::with_capacity((text.len() / MARK).saturating_add(1));
    for chunk in text.as_bytes().chunks(MARK) {
        marks.push(seen);
        let breaks = chunk.iter().filter(|byte| **byte == b'\n').count();
        seen = seen.saturating_add(u32::try_from(breaks).unwrap_or(u32::MAX));
    }
    // For a position at the end of a text that fills its last chunk.
    marks.push(seen);
    marks
}

fn decode(bytes: Vec<u8>) -> Box<str> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(bad) => String::from_utf8_lossy(bad.as_bytes()).into_owned(),
    };
    match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.into(),
        None => text.into_boxed_str(),
    }
}

#[cfg(test)]
impl Sources {
    /// A single file `a.conf`.
    pub(super) fn of(text: &str) -> Self {
        let mut sources = Self::default();
        sources.add("a.conf", text.into()).expect("added");
        sources
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let sources = Sources::of("a\n\t日本 x\r\nend");
        for (name, start, len, want) in [
            ("first byte", 0, 1, (1, 1, 2)),
            ("after a tab", 3, 3, (2, 2, 3)),
            ("after wide characters", 10, 1, (2, 5, 6)),
            ("span beyond its line is cut", 10, 50, (2, 5, 7)),
            ("end of the text", 16, 0, (3, 4, 5)),
        ] {
            let p = sources.position(span(0, start, len)).expect(name);
            assert_eq!((p.line, p.column, p.end_column), want, "{name}");
        }
    }

    #[test]
    fn line_numbers_are_correct_across_marks() {
        let text = "x\n".repeat(3 * MARK);
        let sources = Sources::of(&text);
        for at in [0, MARK - 2, MARK, MARK + 2, 5 * MARK, text.len()] {
            let p = sources.position(span(0, at, 1)).expect("inside");
            assert_eq!(p.line as usize, at / 2 + 1, "offset {at}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_and_a_byte_order_mark_do_not_shift_positions() {
        let mut sources = Sources::default();
        sources
            .add("a.conf", b"\xef\xbb\xbfgl\xffobal\n x".to_vec())
            .expect("added");
        assert_eq!(sources.text(0), "gl\u{fffd}obal\n x");
        let p = sources
            .position(span(0, sources.text(0).len() - 1, 1))
            .expect("inside");
        assert_eq!((p.line, p.column), (2, 2));
    }

    #[test]
    fn a_nul_byte_is_rejected_with_its_position() {
        let mut sources = Sources::default();
        let result = sources.add("a.conf", b"ok\nx\0y".to_vec());
        let Err(SourceError::Binary(at)) = result else {
            panic!("{result:?}");
        };
        assert_eq!(
            sources.position(at).map(|p| (p.line, p.column)),
            Some((2, 2))
        );
    }

    #[test]
    fn text_beyond_the_limit_for_all_files_is_rejected() {
        let mut sources = Sources::default();
        assert_eq!(sources.add("a", vec![b'#'; MAX_TEXT - 10]), Ok(0));
        assert_eq!(sources.add("b", vec![b'#'; 11]), Err(SourceError::TooLarge));
        assert_eq!(sources.add("c", vec![b'#'; 10]), Ok(1));
    }

    #[test]
    fn a_view_has_the_position_of_the_definition_and_the_reference() {
        let mut sources = Sources::of("$A= \\\n x y\n$A\n");
        let via = span(0, 12, 2);
        let view = sources.view(0, via).expect("a number");
        let at = span(view, 7, 1);
        assert_eq!(
            sources.position(at).map(|p| (p.line, p.column)),
            Some((2, 2))
        );
        assert_eq!(sources.via(at), Some(via));
        assert_eq!(sources.via(via), None);
        assert_eq!(sources.locate(at, via), "line 2");
    }
}
