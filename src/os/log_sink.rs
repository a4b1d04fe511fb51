//! Log destinations other than a terminal and syslog: a pipe, a socket, a file.
//!
//! A reader that is gone or does not read must cost nothing but its own lines: no write blocks or
//! panics, and lines that could not be written are counted and reported as soon as the reader is
//! back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use super::open_file;

/// Number of lines that were lost and not reported yet.
#[derive(Debug, Default)]
pub(super) struct LostLines(u32);

impl LostLines {
    pub(super) fn count_one(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// The line that reports them, to be written before the next one.
    pub(super) fn notice(&self) -> Option<String> {
        match self.0 {
            0 => None,
            1 => Some("1 log line lost".to_owned()),
            many => Some(format!("{many} log lines lost")),
        }
    }

    pub(super) fn clear(&mut self) {
        self.0 = 0;
    }
}

/// How to write without blocking, which depends on the type of file.
#[derive(Debug)]
enum Method {
    /// A regular file, or a pipe that could be opened again as non-blocking. (The flag on the
    /// inherited descriptor would also apply to every other process that shares it.)
    Write(File),
    /// A socket: each send(2) is non-blocking.
    Send(OwnedFd),
    /// Anything else: poll(2) comes first; a pipe that is writable takes a line of less than
    /// PIPE_BUF whole.
    PollAndWrite(File),
}

/// A destination of log lines.
#[derive(Debug)]
pub(super) struct Sink {
    method: Method,
    lost: LostLines,
    /// Only a part of the last line was written: its newline is missing.
    partial: bool,
}

impl Sink {
    /// For a descriptor that other processes share, such as standard error.
    pub(super) fn shared(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file = File::from(fd.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let method = if kind.is_socket() {
            Method::Send(file.into())
        } else if kind.is_fifo() {
            let own = OpenOptions::new()
                .write(true)
                .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
                .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
            own.map_or(Method::PollAndWrite(file), Method::Write)
        } else if kind.is_file() {
            Method::Write(file)
        } else {
            Method::PollAndWrite(file)
        };
        Ok(Self::new(method))
    }

    /// A log file, created if it does not exist. It must not be a symbolic link: other users may be
    /// able to write to its directory.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        open_file::log(path).map(|file| Self::new(Method::Write(file)))
    }

    fn new(method: Method) -> Self {
        Self {
            method,
            lost: LostLines::default(),
            partial: false,
        }
    }

    /// Writes a line (without its newline), or counts it as lost.
    pub(super) fn line(&mut self, text: &str) {
        if let Some(notice) = self.lost.notice() {
            if !self.put(&notice) {
                self.lost.count_one();
                return;
            }
            self.lost.clear();
        }
        if !self.put(text) {
            self.lost.count_one();
        }
    }

    fn put(&mut self, text: &str) -> bool {
        if self.partial {
            if !matches!(self.write(b"\n"), Ok(1)) {
                return false;
            }
            self.partial = false;
        }
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        line.push('\n');
        match self.write(line.as_bytes()) {
            Ok(0) | Err(_) => false,
            Ok(written) => {
                self.partial = written < line.len();
                true
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.method {
            Method::Write(file) => file.write(bytes),
            Method::Send(socket) => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                Ok(send(socket.as_raw_fd(), bytes, flags)?)
            }
            Method::PollAndWrite(file) => {
                if !writable(file.as_fd()) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                file.write(bytes)
            }
        }
    }
}

/// Whether a line can be written now: not if the reader is gone, or the buffer full, or the
/// terminal stopped.
pub(super) fn writable(fd: BorrowedFd<'_>) -> bool {
    let mut entries = [PollFd::new(fd, PollFlags::POLLOUT)];
    let ready = poll(&mut entries, PollTimeout::ZERO);
    let [entry] = entries;
    ready == Ok(1) && entry.revents() == Some(PollFlags::POLLOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    fn pipe() -> (File, OwnedFd) {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("pipe");
        (File::from(reader), writer)
    }

    /// Everything in the pipe, once all writing ends are closed.
    fn drain(mut reader: impl Read) -> String {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("UTF-8");
        text
    }

    /// The two methods for a pipe: opened again, and polled first.
    fn both_methods(writer: &OwnedFd) -> [Sink; 2] {
        let polled = File::from(writer.try_clone().expect("dup"));
        [
            Sink::shared(writer.as_fd()).expect("fstat"),
            Sink::new(Method::PollAndWrite(polled)),
        ]
    }

    #[test]
    fn a_pipe_without_a_reader_loses_its_lines_only() {
        let (reader, writer) = pipe();
        let mut sinks = both_methods(&writer);
        drop(reader);
        for sink in &mut sinks {
            for _ in 0..1000 {
                sink.line("no reader");
            }
            assert_eq!(sink.lost.0, 1000, "{:?}", sink.method);
        }
    }

    #[test]
    fn a_full_pipe_does_not_block_and_the_loss_is_reported_when_there_is_room() {
        for which in 0..2 {
            let (mut reader, writer) = pipe();
            let [first, second] = both_methods(&writer);
            let (mut sink, other) = if which == 0 {
                (first, second)
            } else {
                (second, first)
            };
            // Else the reader would not see the end of the pipe.
            drop((writer, other));
            // Several times the 64 KiB that a pipe holds. If a write blocked, the test would hang.
            let line = "x".repeat(500);
            for _ in 0..1000 {
                sink.line(&line);
            }
            let lost = sink.lost.0;
            assert!(lost > 500, "{lost} lost");

            let mut buffer = vec![0; 32 << 10];
            reader.read_exact(&mut buffer).expect("half of it");
            sink.line("the reader is back");
            assert_eq!(sink.lost.0, 0);
            drop(sink);
            let rest = drain(reader);
            let want = format!("\n{lost} log lines lost\nthe reader is back\n");
            assert!(rest.ends_with(&want), "{}", &rest[rest.len() - 80..]);
        }
    }

    #[test]
    fn after_a_partial_write_to_a_socket_the_next_line_starts_on_a_new_line() {
        let (ours, mut theirs) = UnixStream::pair().expect("socketpair");
        let mut sink = Sink::shared(ours.as_fd()).expect("fstat");
        drop(ours);
        let line = "y".repeat(900);
        while sink.lost.0 < 10 {
            sink.line(&line);
        }
        let mut buffer = vec![0; 64 << 10];
        theirs.read_exact(&mut buffer).expect("some of it");
        sink.line("after the jam");
        drop(sink);
        let mut text = String::from_utf8(buffer).expect("UTF-8");
        text.push_str(&drain(theirs));
        assert!(
            text.ends_with("\n10 log lines lost\nafter the jam\n"),
            "{}",
            &text[text.len() - 80..]
        );
    }

    #[test]
    fn the_shared_descriptor_stays_blocking() {
        let (_reader, writer) = pipe();
        let _sink = Sink::shared(writer.as_fd()).expect("fstat");
        let flags = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETFL).expect("fcntl");
        assert!(!OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
    }

    #[test]
    fn a_log_file_is_appended_to_and_a_symbolic_link_refused() {
        let scratch = Scratch::new("sink-file");
        let path = scratch.path("log");
        for text in ["one", "two"] {
            Sink::file(&path).expect("open").line(text);
        }
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "one\ntwo\n");
        let link = scratch.path("link");
        std::os::unix::fs::symlink(&path, &link).expect("symlink");
        assert!(Sink::file(&link).is_err());
    }
}
