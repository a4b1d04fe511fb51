//! Where finished log lines go when it is not a terminal or syslog: a pipe, a socket, a file.
//!
//! A dead or sleeping reader must cost us nothing but its own lines: no write here blocks, none panics, and
//! what could not be written is counted and reported as soon as the reader is back.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

/// Lines waiting to be announced as lost.
#[derive(Debug, Default)]
pub(super) struct Lost(u32);

impl Lost {
    pub(super) fn one(&mut self) {
        self.0 = self.0.saturating_add(1);
    }

    /// The line to write before the next one.
    pub(super) fn notice(&self) -> Option<String> {
        match self.0 {
            0 => None,
            1 => Some("1 log line lost".to_owned()),
            many => Some(format!("{many} log lines lost")),
        }
    }

    pub(super) fn told(&mut self) {
        self.0 = 0;
    }
}

/// How to write without waiting depends on what the descriptor is.
#[derive(Debug)]
enum Way {
    /// A regular file, or a pipe that we could open anew for ourselves as non-blocking. (Setting the flag
    /// on the descriptor we inherited would set it for everybody who shares it.)
    Write(File),
    /// A socket: non-blocking call by call.
    Send(OwnedFd),
    /// Anything else: asked first; a pipe that is ready takes a line of less than PIPE_BUF whole.
    Ask(File),
}

/// A destination for lines.
#[derive(Debug)]
pub(super) struct Sink {
    way: Way,
    lost: Lost,
    /// A line was cut in the middle; its newline is still missing.
    torn: bool,
}

impl Sink {
    /// For a descriptor that belongs to others too, such as standard error.
    pub(super) fn shared(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let file = File::from(fd.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let way = if kind.is_socket() {
            Way::Send(file.into())
        } else if kind.is_fifo() {
            let own = OpenOptions::new()
                .write(true)
                .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
                .open(format!("/proc/self/fd/{}", fd.as_raw_fd()));
            own.map_or(Way::Ask(file), Way::Write)
        } else if kind.is_file() {
            Way::Write(file)
        } else {
            Way::Ask(file)
        };
        Ok(Self::new(way))
    }

    /// A log file, made if need be. No symbolic link at the end: its directory may be open to all.
    pub(super) fn file(path: &Path) -> io::Result<Self> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .custom_flags(flags.bits())
            .open(path)?;
        Ok(Self::new(Way::Write(file)))
    }

    fn new(way: Way) -> Self {
        Self {
            way,
            lost: Lost::default(),
            torn: false,
        }
    }

    /// Writes a line (without its newline), or counts it as lost.
    pub(super) fn line(&mut self, text: &str) {
        if let Some(notice) = self.lost.notice() {
            if !self.put(&notice) {
                self.lost.one();
                return;
            }
            self.lost.told();
        }
        if !self.put(text) {
            self.lost.one();
        }
    }

    fn put(&mut self, text: &str) -> bool {
        if self.torn {
            if !matches!(self.write(b"\n"), Ok(1)) {
                return false;
            }
            self.torn = false;
        }
        let mut line = String::with_capacity(text.len() + 1);
        line.push_str(text);
        line.push('\n');
        match self.write(line.as_bytes()) {
            Ok(0) | Err(_) => false,
            Ok(written) => {
                self.torn = written < line.len();
                true
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.way {
            Way::Write(file) => file.write(bytes),
            Way::Send(socket) => {
                let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                Ok(send(socket.as_raw_fd(), bytes, flags)?)
            }
            Way::Ask(file) => {
                if !writable(file.as_fd()) {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                file.write(bytes)
            }
        }
    }
}

/// Takes it a line now, without waiting? Not when it is full, stopped, hung up.
pub(super) fn writable(fd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(fd, PollFlags::POLLOUT)];
    let ready = poll(&mut asked, PollTimeout::ZERO);
    let [answer] = asked;
    ready == Ok(1) && answer.revents() == Some(PollFlags::POLLOUT)
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

    /// Everything that is in the pipe once our ends of it are closed.
    fn drain(mut reader: impl Read) -> String {
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("UTF-8");
        text
    }

    /// The two ways a pipe is written to: opened anew, and asked first.
    fn both_ways(writer: &OwnedFd) -> [Sink; 2] {
        let asked = File::from(writer.try_clone().expect("dup"));
        [
            Sink::shared(writer.as_fd()).expect("fstat"),
            Sink::new(Way::Ask(asked)),
        ]
    }

    #[test]
    fn a_pipe_without_a_reader_costs_its_lines_only() {
        let (reader, writer) = pipe();
        let mut sinks = both_ways(&writer);
        drop(reader);
        for sink in &mut sinks {
            for _ in 0..1000 {
                sink.line("nobody reads this");
            }
            assert_eq!(sink.lost.0, 1000, "{:?}", sink.way);
        }
    }

    #[test]
    fn a_full_pipe_does_not_block_and_the_loss_is_reported_when_there_is_room() {
        for which in 0..2 {
            let (mut reader, writer) = pipe();
            let [first, second] = both_ways(&writer);
            let (mut sink, other) = if which == 0 {
                (first, second)
            } else {
                (second, first)
            };
            // Or the pipe would never end.
            drop((writer, other));
            // A pipe holds 64 KiB; this is several times that. Would it block, the test would hang.
            let line = "x".repeat(500);
            for _ in 0..1000 {
                sink.line(&line);
            }
            let lost = sink.lost.0;
            assert!(lost > 500, "{lost} lost");

            let mut room = vec![0; 32 << 10];
            reader.read_exact(&mut room).expect("half of it");
            sink.line("the reader is back");
            assert_eq!(sink.lost.0, 0);
            drop(sink);
            let rest = drain(reader);
            let want = format!("\n{lost} log lines lost\nthe reader is back\n");
            assert!(rest.ends_with(&want), "{}", &rest[rest.len() - 80..]);
        }
    }

    #[test]
    fn a_socket_that_takes_half_a_line_gets_the_next_one_on_a_line_of_its_own() {
        let (ours, mut theirs) = UnixStream::pair().expect("socketpair");
        let mut sink = Sink::shared(ours.as_fd()).expect("fstat");
        drop(ours);
        let line = "y".repeat(900);
        while sink.lost.0 < 10 {
            sink.line(&line);
        }
        let mut room = vec![0; 64 << 10];
        theirs.read_exact(&mut room).expect("some of it");
        sink.line("after the jam");
        drop(sink);
        let mut text = String::from_utf8(room).expect("UTF-8");
        text.push_str(&drain(theirs));
        assert!(
            text.ends_with("\n10 log lines lost\nafter the jam\n"),
            "{}",
            &text[text.len() - 80..]
        );
    }

    #[test]
    fn our_descriptor_alone_is_made_non_blocking() {
        let (_reader, writer) = pipe();
        let _sink = Sink::shared(writer.as_fd()).expect("fstat");
        let flags = nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_GETFL).expect("fcntl");
        assert!(!OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK));
    }

    #[test]
    fn a_log_file_is_appended_to_and_never_a_link() {
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
