//! The frames of a reply.
//!
//! ```text
//! out 13<LF>VI_1 MASTER<LF>     for standard output: length in bytes, then the bytes
//! err 8<LF>warning<LF>          for standard error
//! end 0<LF>                     exit code of the command; nothing follows
//! ```
//! A reply without its last frame is incomplete: the daemon has ended, or the client was too slow.

use core::fmt::Write;

/// Where a frame's text belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Appends a frame; nothing for an empty text.
pub fn push_frame(queue: &mut String, stream: Stream, text: &str) {
    if text.is_empty() {
        return;
    }
    let name = match stream {
        Stream::Out => "out",
        Stream::Err => "err",
    };
    // Writing to memory cannot fail.
    let _ = writeln!(queue, "{name} {}", text.len());
    queue.push_str(text);
}

/// Appends a frame without text: the reply has begun.
pub fn push_begin(queue: &mut String) {
    queue.push_str("out 0\n");
}

/// Appends the last frame.
pub fn push_end(queue: &mut String, code: u8) {
    let _ = writeln!(queue, "end {code}");
}

/// A part of a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// Some of a frame's bytes.
    Text(Stream, &'a [u8]),
    /// The last frame, with the exit code.
    End(u8),
}

/// The bytes are not a reply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameError;

/// The longest first line of a frame.
const MAX_HEADER: usize = 24;

/// Takes a reply apart as it arrives.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The frame whose bytes come next, and how many of them.
    body: Option<(Stream, usize)>,
    header: Vec<u8>,
}

impl FrameReader {
    /// Takes the next part from the front of `bytes`; `None`: more bytes are needed.
    ///
    /// # Errors
    /// They are not a reply.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        loop {
            if let Some((stream, left)) = self.body {
                let (text, rest) = bytes.split_at(left.min(bytes.len()));
                if text.is_empty() {
                    return Ok(None);
                }
                *bytes = rest;
                let left = left.saturating_sub(text.len());
                self.body = (left > 0).then_some((stream, left));
                return Ok(Some(Frame::Text(stream, text)));
            }
            let Some((first, rest)) = bytes.split_first() else {
                return Ok(None);
            };
            *bytes = rest;
            if *first != b'\n' {
                self.header.push(*first);
                if self.header.len() > MAX_HEADER {
                    return Err(FrameError);
                }
                continue;
            }
            let header = core::mem::take(&mut self.header);
            let header = core::str::from_utf8(&header).map_err(|_| FrameError)?;
            let (name, number) = header.split_once(' ').ok_or(FrameError)?;
            let number: usize = number.parse().map_err(|_| FrameError)?;
            let stream = match name {
                "out" => Stream::Out,
                "err" => Stream::Err,
                "end" => {
                    let code = u8::try_from(number).map_err(|_| FrameError)?;
                    return Ok(Some(Frame::End(code)));
                }
                _ => return Err(FrameError),
            };
            if number > 0 {
                self.body = Some((stream, number));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> String {
        let mut queue = String::new();
        push_frame(&mut queue, Stream::Out, "VI_1 MASTER\n");
        push_frame(&mut queue, Stream::Err, "");
        push_frame(&mut queue, Stream::Err, "end 7\n");
        push_end(&mut queue, 2);
        queue
    }

    #[test]
    fn a_reply_in_pieces_of_any_size() {
        let sample = sample();
        assert_eq!(sample, "out 12\nVI_1 MASTER\nerr 6\nend 7\nend 2\n");
        for size in 1..=sample.len() {
            let mut reader = FrameReader::default();
            let (mut out, mut err, mut code) = (Vec::new(), Vec::new(), None);
            for mut piece in sample.as_bytes().chunks(size) {
                while let Some(frame) = reader.next(&mut piece).unwrap() {
                    match frame {
                        Frame::Text(Stream::Out, text) => out.extend_from_slice(text),
                        Frame::Text(Stream::Err, text) => err.extend_from_slice(text),
                        Frame::End(end) => code = Some(end),
                    }
                }
            }
            assert_eq!(out, b"VI_1 MASTER\n", "{size}");
            assert_eq!(err, b"end 7\n", "{size}");
            assert_eq!(code, Some(2), "{size}");
        }
    }

    #[test]
    fn garbage_is_not_a_reply() {
        for text in [
            "hello\n",
            "out\n",
            "out x\n",
            "end 256\n",
            "out -1\n",
            "HTTP/1.1 400 Bad Request and so on",
            "\u{1}\u{2}\n",
        ] {
            let mut bytes = text.as_bytes();
            assert_eq!(
                FrameReader::default().next(&mut bytes),
                Err(FrameError),
                "{text}"
            );
        }
    }
}
