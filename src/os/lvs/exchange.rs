//! The exchange of a check with its server where it may take time: in a child process, and in
//! `vrrpd genhash`.
//!
//! ```text
//! daemon   connect ── fork ── continues ─────────────────────── SIGCHLD ── reads the reason from a pipe
//!                      └── child: closes all but socket and pipe, converses, writes why it failed, exits
//! ```
//! A server decides how much TLS costs (the length of keys and chains) and how long a `regex` is
//! searched for. In the child neither delays an advert, and what a page or a session occupies is
//! freed with it.

use std::io::{self, PipeReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::unistd::{dup2_stdout, write};

use crate::check::{NetworkCheck, SocketEvent, Step};
use crate::engine::system::lvs::with_errno;
use crate::engine::system::{Ended, Exit, Pid};
use crate::os::child::Children;
use crate::os::child_privileges;
use crate::os::host::own_user;
use crate::sys;

/// Maximum length of a reason, in bytes.
const REASON: u64 = 1024;
/// Niceness of a child: adverts come first.
const NICE: i8 = 10;

/// The children, and the pipes for their reasons.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    pipes: Vec<(Pid, PipeReader)>,
    /// The last child that ended.
    ended: Option<(Pid, String)>,
}

impl Exchanges {
    /// See [`crate::engine::system::lvs::LvsSystem::run_check`].
    pub(super) fn start(
        &mut self,
        children: &Children,
        stream: &TcpStream,
        check: &mut NetworkCheck,
    ) -> io::Result<Pid> {
        // The child allocates and locks: see `sys::fork_child`.
        if !sys::is_single_threaded() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let (reader, writer) = io::pipe()?;
        let check = core::cell::RefCell::new(check);
        let pid = children.start(own_user(), &|| {
            if dup2_stdout(&writer).is_err() {
                return 1;
            }
            sys::close_all_but(stream.as_raw_fd());
            let _ = sys::set_nice(NICE);
            let Err(why) = confined_exchange(stream, &mut check.borrow_mut()) else {
                return 0;
            };
            let _ = write(io::stdout(), why.as_bytes());
            1
        })?;
        self.pipes.push((pid, reader));
        Ok(pid)
    }

    /// A child has ended, which may be one of these.
    pub(super) fn ended(&mut self, child: Pid) {
        let Some(index) = self.pipes.iter().position(|(pid, _)| *pid == child) else {
            return;
        };
        let (_, pipe) = self.pipes.swap_remove(index);
        // The child has exited and closed its end, so this does not block.
        let mut bytes = Vec::new();
        let _ = pipe.take(REASON).read_to_end(&mut bytes);
        self.ended = Some((child, String::from_utf8_lossy(&bytes).into_owned()));
    }

    /// See [`crate::engine::system::lvs::LvsSystem::check_result`].
    pub(super) fn result(&mut self, ended: Ended) -> Result<(), String> {
        let Ended { child, how } = ended;
        match self.ended.take_if(|(pid, _)| *pid == child) {
            _ if how.is_success() => Ok(()),
            Some((_, why)) if !why.is_empty() => Err(why),
            Some(_) | None => Err(format!("the child process of the check {how}")),
        }
    }
}

/// Has the exchange in a process that could do nothing with the daemon's rights: it reads what the
/// server sends.
fn confined_exchange(stream: &TcpStream, check: &mut NetworkCheck) -> Result<(), String> {
    let refused = |errno| Exit::NotConfined(errno as i32).to_string();
    child_privileges::drop_all().map_err(refused)?;
    exchange(stream, check)
}

/// Has the exchange of one connection. The connection is blocking.
pub(super) fn exchange(mut stream: &TcpStream, check: &mut NetworkCheck) -> Result<(), String> {
    let mut out = Vec::new();
    let mut buffer = [0; 4096];
    let mut step = check.handle(SocketEvent::Connected, &mut out);
    loop {
        let limit = match step {
            Step::Done(end) => return end,
            // The next page has a connection of its own.
            Step::Reconnect => return Ok(()),
            Step::Wait(limit) => limit,
        };
        let received = send_and_receive(&mut stream, limit, &out, &mut buffer);
        out.clear();
        step = match received {
            Ok(0) => check.handle(SocketEvent::Closed, &mut out),
            Ok(count) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                check.handle(SocketEvent::Received(bytes), &mut out)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                check.handle(SocketEvent::TimedOut, &mut out)
            }
            Err(error) => {
                let errno = error.raw_os_error().unwrap_or(libc::EIO);
                match check.handle(SocketEvent::Failed(errno), &mut out) {
                    Step::Done(Err(why)) => Step::Done(Err(with_errno(why, Some(errno)))),
                    step @ (Step::Wait(_) | Step::Reconnect | Step::Done(Ok(()))) => step,
                }
            }
        };
    }
}

fn send_and_receive(
    stream: &mut &TcpStream,
    limit: Duration,
    out: &[u8],
    buffer: &mut [u8],
) -> io::Result<usize> {
    // Zero would mean no limit.
    let limit = Some(limit.max(Duration::from_millis(1)));
    stream.set_write_timeout(limit)?;
    stream.set_read_timeout(limit)?;
    stream.write_all(out)?;
    stream.read(buffer)
}
