//! One client of the control socket: its request, and the reply that it has not read yet.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;

use crate::ctl::request::{Command, MAX_LINE, PROTOCOL, Request, parse};
use crate::ctl::{Escaped, Stream, push_end, push_frame};
use crate::engine::answer::{Answer, Progress};
use crate::types::Instant;

/// A client that has not sent its request, or has not read anything of a reply, for this long is
/// dropped.
const PATIENCE: Duration = Duration::from_secs(10);
/// No more of a reply is written while this much waits for the client.
const QUEUE: usize = 16 * 1024;

/// A client.
#[derive(Debug)]
pub(super) struct Connection {
    stream: UnixStream,
    peer: Option<Peer>,
    stage: Stage,
    /// It has closed its direction, as `socat` does at the end of its input.
    is_half_closed: bool,
    /// When it is dropped; `None`: it has nothing to read.
    deadline: Option<Instant>,
    /// The reply that it has not read, from `sent` on.
    queue: String,
    sent: usize,
}

/// The process at the other end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    uid: u32,
    /// Its pid.
    pub(super) pid: i32,
}

impl Peer {
    /// Whether it may change something: it is root, or the daemon's own user.
    pub(super) fn is_trusted(self) -> bool {
        self.uid == 0 || self.uid == geteuid().as_raw()
    }
}

#[derive(Debug)]
enum Stage {
    /// The request so far.
    Request(Vec<u8>),
    Answering(Answer),
    /// The process carries it out.
    Waiting(Request),
    /// The reply is complete in the queue.
    Complete,
    /// To be dropped.
    Closed,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, now: Instant) -> Self {
        let peer = getsockopt(&stream, PeerCredentials).ok();
        Connection {
            peer: peer.map(|peer| Peer {
                uid: peer.uid(),
                pid: peer.pid(),
            }),
            stream,
            stage: Stage::Request(Vec::new()),
            is_half_closed: false,
            deadline: Some(now.after(PATIENCE)),
            queue: String::new(),
            sent: 0,
        }
    }

    pub(super) fn peer(&self) -> Option<Peer> {
        self.peer
    }

    /// Whether it may change something.
    pub(super) fn is_trusted(&self) -> bool {
        self.peer.is_some_and(Peer::is_trusted)
    }

    /// Whether it waits for this command.
    pub(super) fn awaits(&self, command: Command) -> bool {
        self.awaited().is_some_and(|one| one.row.command == command)
    }

    /// To be dropped.
    pub(super) fn close(&mut self) {
        self.stage = Stage::Closed;
    }

    pub(super) fn poll_entry(&self) -> libc::pollfd {
        let writes = self.is_pending() || matches!(self.stage, Stage::Complete);
        libc::pollfd {
            fd: self.stream.as_raw_fd(),
            events: match writes {
                true => libc::POLLOUT,
                // The end of both directions is reported all the same.
                false if self.is_half_closed => 0,
                false => libc::POLLIN,
            },
            revents: 0,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Closed)
    }

    /// The request that waits for the process.
    pub(super) fn awaited(&self) -> Option<&Request> {
        let Stage::Waiting(request) = &self.stage else {
            return None;
        };
        Some(request)
    }

    /// Whether there is more of its answer, and room for it. `last`: number of the last event.
    pub(super) fn wants_more(&self, last: u64) -> bool {
        matches!(&self.stage, Stage::Answering(answer) if answer.has_more(last))
            && self.pending() < QUEUE
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Drops it if it has kept the daemon waiting for too long.
    pub(super) fn expire(&mut self, now: Instant) {
        if self.deadline.is_some_and(|at| at <= now) {
            self.stage = Stage::Closed;
        }
    }

    fn pending(&self) -> usize {
        self.queue.len() - self.sent
    }

    fn is_pending(&self) -> bool {
        self.pending() > 0
    }

    // ---- request ----

    /// Reads what has arrived. Returns the request once it is complete; a wrong one is answered
    /// here.
    pub(super) fn read(&mut self) -> Option<Request> {
        let Stage::Request(line) = &mut self.stage else {
            // Nothing else is expected: it has closed its end, or sends more.
            return self.watch_for_end();
        };
        let mut bytes = [0; 512];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => {
                self.stage = Stage::Closed;
                return None;
            }
            Ok(count) => count,
            Err(error) if is_temporary(&error) => return None,
            Err(_) => {
                self.stage = Stage::Closed;
                return None;
            }
        };
        line.extend_from_slice(bytes.get(..count).unwrap_or_default());
        let Some(end) = line.iter().position(|byte| *byte == b'\n') else {
            if line.len() >= MAX_LINE {
                self.refuse("the request is too long", 2);
            }
            return None;
        };
        let line = core::mem::take(line);
        match understand(line.get(..end).unwrap_or_default()) {
            Ok(request) => Some(request),
            Err((why, code)) => {
                self.refuse(&why, code);
                None
            }
        }
    }

    fn watch_for_end(&mut self) -> Option<Request> {
        let mut bytes = [0; 512];
        match self.stream.read(&mut bytes) {
            Ok(0) if !self.is_half_closed => self.is_half_closed = true,
            Ok(count) if count > 0 => {}
            Err(error) if is_temporary(&error) => {}
            Ok(_) | Err(_) => self.stage = Stage::Closed,
        }
        None
    }

    // ---- reply ----

    /// Begins to answer.
    pub(super) fn answer(&mut self, now: Instant, answer: Answer) {
        self.stage = Stage::Answering(answer);
        self.deadline = Some(now.after(PATIENCE));
    }

    /// The answer follows when the process has done what was asked for.
    pub(super) fn wait(&mut self, request: Request) {
        self.stage = Stage::Waiting(request);
        self.deadline = None;
    }

    /// Sends a text, and lets it wait for a restart in place.
    pub(super) fn wait_for_restart(&mut self, why: &str) {
        push_frame(&mut self.queue, Stream::Out, why);
        if let Ok(request) = parse(["restart"]) {
            self.wait(request);
        }
    }

    /// Ends the reply with a message for standard error.
    pub(super) fn refuse(&mut self, why: &str, code: u8) {
        self.finish(Stream::Err, &[why, "\n"].concat(), code);
    }

    /// Ends the reply with a text.
    pub(super) fn finish(&mut self, stream: Stream, text: &str, code: u8) {
        push_frame(&mut self.queue, stream, text);
        push_end(&mut self.queue, code);
        self.stage = Stage::Complete;
    }

    /// Has `write` append the next part of the answer.
    pub(super) fn continue_answer(
        &mut self,
        now: Instant,
        write: &mut dyn FnMut(&mut Answer, &mut String) -> Progress,
    ) {
        if let Stage::Answering(answer) = &mut self.stage
            && write(answer, &mut self.queue) == Progress::Done
        {
            self.stage = Stage::Complete;
        }
        self.deadline = self.deadline.or(Some(now.after(PATIENCE)));
    }

    /// Sends all of the reply, in a child process that may wait for the client.
    pub(super) fn send_all(&mut self) {
        // The client may be gone.
        let _ = self.stream.set_nonblocking(false);
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        let _ = self.stream.write_all(self.queue.as_bytes());
    }

    /// Sends what the client takes without waiting.
    pub(super) fn flush(&mut self, now: Instant) {
        while self.is_pending() {
            let rest = self.queue.as_bytes().get(self.sent..).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(count) => {
                    self.sent += count;
                    self.deadline = Some(now.after(PATIENCE));
                }
                Err(error) if is_temporary(&error) => return,
                Err(_) => {
                    self.stage = Stage::Closed;
                    return;
                }
            }
        }
        self.queue.clear();
        self.sent = 0;
        // One that has read everything may wait for events as long as it likes.
        if matches!(&self.stage, Stage::Answering(answer) if answer.is_follower()) {
            self.deadline = None;
        }
        if matches!(self.stage, Stage::Complete) {
            self.stage = Stage::Closed;
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted].contains(&error.kind())
}

/// Reads a request.
///
/// # Errors
/// A message for the client, and its exit code.
fn understand(line: &[u8]) -> Result<Request, (String, u8)> {
    let text =
        core::str::from_utf8(line).map_err(|_| ("the request is not UTF-8".to_owned(), 2))?;
    let mut words = text.split('\t');
    let version = words.next().unwrap_or_default();
    if version != PROTOCOL {
        let daemon = env!("CARGO_PKG_VERSION");
        return Err((
            format!(
                "this daemon (version {daemon}) speaks {PROTOCOL}, and the client '{}'; use the vrrpd of the same \
                 version, or `vrrpd restart` to have the daemon continue with the new one",
                Escaped(version)
            ),
            3,
        ));
    }
    parse(words).map_err(|why| (why, 2))
}
