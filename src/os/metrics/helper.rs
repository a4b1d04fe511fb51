//! The connection between the HTTP server and the process that asks the daemon for it.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use super::{MAX_TEXT, Scrape};

/// First byte of an answer: what it is. Then its length, in four bytes, and a text.
const TEXT: u8 = b't';
const DOWN: u8 = b'd';
const REFUSED: u8 = b'r';
const HEADER: usize = 5;

/// Answers each byte until the server ends. Returns why it has ended.
pub(super) fn run(mut server: UnixStream, scrape: impl Fn() -> Scrape) -> String {
    let mut byte = [0];
    loop {
        match server.read(&mut byte) {
            Ok(0) => return "the HTTP server has ended".into(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return "the HTTP server has ended".into(),
            Ok(_) => {}
        }
        let (kind, text) = match scrape() {
            Scrape::Text(text) => (TEXT, text),
            Scrape::Down(why) => (DOWN, why.into_bytes()),
            Scrape::Refused(why) => (REFUSED, why.into_bytes()),
        };
        let length = u32::try_from(text.len()).unwrap_or(0).to_le_bytes();
        let header = [&[kind][..], &length].concat();
        if server
            .write_all(&header)
            .and_then(|()| server.write_all(&text))
            .is_err()
        {
            return "the HTTP server has ended".into();
        }
    }
}

/// The helper as the HTTP server sees it.
#[derive(Debug)]
pub(super) struct Helper {
    stream: UnixStream,
    /// The answer so far, while one is awaited.
    answer: Option<Vec<u8>>,
}

impl Helper {
    /// The two ends of a connection. The server's does not block.
    ///
    /// # Errors
    /// Of socketpair(2).
    pub(super) fn pair() -> io::Result<(Self, UnixStream)> {
        let (stream, other) = UnixStream::pair()?;
        stream.set_nonblocking(true)?;
        let answer = None;
        Ok((Helper { stream, answer }, other))
    }

    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// Asks for metrics, unless an answer is awaited.
    ///
    /// # Errors
    /// The helper has ended.
    pub(super) fn ask(&mut self) -> io::Result<()> {
        if self.answer.is_none() {
            self.stream.write_all(&[0])?;
            self.answer = Some(Vec::new());
        }
        Ok(())
    }

    /// Reads what has arrived, and returns the answer once it is complete.
    ///
    /// # Errors
    /// The helper has ended.
    pub(super) fn read(&mut self) -> io::Result<Option<Scrape>> {
        let mut buffer = [0; 64 * 1024];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(error) if is_temporary(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(answer) = &mut self.answer else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let Some((header, text)) = answer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *header;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > MAX_TEXT {
            return Err(io::ErrorKind::InvalidData.into());
        }
        if text.len() < length {
            return Ok(None);
        }
        let text = text.to_vec();
        self.answer = None;
        let sentence = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        Ok(Some(match kind {
            TEXT => Scrape::Text(text),
            DOWN => Scrape::Down(sentence(&text)),
            _ => Scrape::Refused(sentence(&text)),
        }))
    }
}

/// Whether a call on a descriptor that does not block is to be repeated later.
pub(super) fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Vec<u8> {
        (0..300_000_u32).map(|nth| (nth % 251) as u8).collect()
    }

    #[test]
    fn answers_of_any_length_arrive_complete() {
        for want in [
            Scrape::Text(large()),
            Scrape::Text(Vec::new()),
            Scrape::Down("not running".into()),
            Scrape::Refused("no".into()),
        ] {
            let (mut helper, other) = Helper::pair().unwrap();
            let given = want.clone();
            let thread = std::thread::spawn(move || run(other, || given.clone()));
            helper.ask().unwrap();
            helper.ask().unwrap();
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            let got = loop {
                if let Some(got) = helper.read().unwrap() {
                    break got;
                }
                assert!(std::time::Instant::now() < deadline, "no answer");
            };
            assert_eq!(got, want, "and one answer, although asked twice");
            drop(helper);
            assert_eq!(thread.join().unwrap(), "the HTTP server has ended");
        }
    }

    #[test]
    fn the_end_of_the_helper_is_an_error() {
        let (mut helper, other) = Helper::pair().unwrap();
        drop(other);
        assert!(helper.read().is_err());
        assert!(helper.ask().is_err());
    }
}
