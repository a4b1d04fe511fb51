//! The HTTP server: one loop, a bounded number of connections, each with a time limit, and none of
//! them waited for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::helper::{Helper, is_temporary};
use super::http::{self, Page, Wanted};
use super::{Scrape, complain};
use crate::ctl::metrics::DOWN;
use crate::engine::system::error_text;
use crate::exit;
use crate::sys;

/// Connections at a time. Another one takes the place of the oldest that waits for its client.
const CLIENTS: usize = 16;
/// A client must have sent its request in this time.
const REQUEST: Duration = Duration::from_secs(5);
/// Longer than the helper waits for the daemon.
const ANSWER: Duration = Duration::from_secs(30);
/// A client must have read its reply in this time.
const REPLY: Duration = Duration::from_secs(10);
/// A client must have closed the connection in this time. Bytes of it that are not read would make
/// the kernel discard the end of the reply.
const CLOSE: Duration = Duration::from_secs(1);
/// When no connection can be accepted for lack of memory or descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the helper ends; returns the exit code.
pub(super) fn run(listener: &TcpListener, mut helper: Helper) -> u8 {
    let mut clients: Vec<Client> = Vec::new();
    loop {
        if let Err(error) = turn(listener, &mut helper, &mut clients) {
            let ended = error.kind() == io::ErrorKind::UnexpectedEof;
            return match ended {
                true => exit::OK,
                false => complain(&error_text(&error), exit::FATAL),
            };
        }
    }
}

/// Waits, and serves all that are ready.
fn turn(listener: &TcpListener, helper: &mut Helper, clients: &mut Vec<Client>) -> io::Result<()> {
    let now = Instant::now();
    let deadlines = clients.iter().map(|client| client.deadline);
    let timeout = deadlines.min().map(|at| at.saturating_duration_since(now));
    let is_full = clients.len() >= CLIENTS;
    let entry = |fd, events| libc::pollfd {
        fd,
        events,
        revents: 0,
    };
    // ppoll ignores negative descriptors.
    let accepting = match is_full && !clients.iter().any(Client::waits_for_its_client) {
        true => -1,
        false => listener.as_raw_fd(),
    };
    let mut list = vec![
        entry(helper.fd(), libc::POLLIN),
        entry(accepting, libc::POLLIN),
    ];
    list.extend(
        clients
            .iter()
            .map(|client| entry(client.stream.as_raw_fd(), client.events())),
    );
    sys::ppoll(&mut list, timeout)?;
    let ready = |nth: usize| list.get(nth).is_some_and(|entry| entry.revents != 0);

    if ready(0)
        && let Some(answer) = helper.read()?
    {
        clients.iter_mut().for_each(|client| client.answer(&answer));
    }
    let now = Instant::now();
    for (nth, client) in clients.iter_mut().enumerate() {
        if ready(nth + 2) {
            client.serve(now);
        }
        if client.deadline <= now {
            client.stage = Stage::Closed;
        }
        if matches!(client.stage, Stage::Waiting(_)) {
            helper.ask()?;
        }
    }
    clients.retain(|client| !matches!(client.stage, Stage::Closed));
    if ready(1) && make_room(clients) {
        match accept(listener) {
            Ok(client) => clients.push(client),
            Err(error) if is_temporary(&error) => {}
            // The client is gone already, or something is exhausted.
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
    Ok(())
}

/// Whether there is room for another client, after the oldest that waits for its client was dropped
/// if necessary. While this turn served them, all may have become busy.
fn make_room(clients: &mut Vec<Client>) -> bool {
    if clients.len() >= CLIENTS
        && let Some(oldest) = clients.iter().position(Client::waits_for_its_client)
    {
        clients.remove(oldest);
    }
    clients.len() < CLIENTS
}

fn accept(listener: &TcpListener) -> io::Result<Client> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok(Client {
        stream,
        stage: Stage::Request(Vec::new()),
        deadline: Instant::now() + REQUEST,
    })
}

/// A connection.
#[derive(Debug)]
struct Client {
    stream: TcpStream,
    stage: Stage,
    /// When it is closed if it has not made progress to the next stage.
    deadline: Instant,
}

#[derive(Debug)]
enum Stage {
    /// The request so far.
    Request(Vec<u8>),
    /// For metrics.
    Waiting(Wanted),
    /// The rest of the reply, from this position on.
    Reply(Vec<u8>, usize),
    /// For the client to close the connection.
    Sent,
    Closed,
}

impl Client {
    /// Whether its request is not complete, or it has the reply and does not close the connection.
    fn waits_for_its_client(&self) -> bool {
        matches!(self.stage, Stage::Request(_) | Stage::Sent)
    }

    fn events(&self) -> i16 {
        match self.stage {
            Stage::Reply(..) => libc::POLLOUT,
            Stage::Request(_) | Stage::Sent => libc::POLLIN,
            // Only its end.
            Stage::Waiting(_) | Stage::Closed => 0,
        }
    }

    fn serve(&mut self, now: Instant) {
        match &self.stage {
            Stage::Request(_) => self.read_request(now),
            Stage::Waiting(_) | Stage::Closed => self.stage = Stage::Closed,
            Stage::Reply(..) => self.send(now),
            Stage::Sent => self.discard(),
        }
    }

    fn read_request(&mut self, now: Instant) {
        let Stage::Request(bytes) = &mut self.stage else {
            return;
        };
        let mut buffer = [0; http::MAX_REQUEST];
        let room = http::MAX_REQUEST - bytes.len();
        match self.stream.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => self.stage = Stage::Closed,
            Ok(count) => {
                bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
                match http::parse(bytes) {
                    None => {}
                    Some(Ok(wanted)) if wanted.page == Page::Metrics => {
                        self.stage = Stage::Waiting(wanted);
                        self.deadline = now + ANSWER;
                    }
                    Some(Ok(Wanted { head, .. })) => {
                        let index = http::INDEX.as_bytes();
                        self.reply(http::reply(http::OK, http::HTML, index, head), now);
                    }
                    Some(Err(status)) => self.reply(http::refusal(status), now),
                }
            }
            Err(error) if is_temporary(&error) => {}
            Err(_) => self.stage = Stage::Closed,
        }
    }

    /// The helper has answered. That no daemon runs is an answer too, not an error of this server:
    /// alerts look at `vrrpd_up`.
    fn answer(&mut self, answer: &Scrape) {
        let Stage::Waiting(Wanted { head, .. }) = self.stage else {
            return;
        };
        let reply = match answer {
            Scrape::Text(text) => http::reply(http::OK, http::METRICS, text, head),
            Scrape::Down(_) => http::reply(http::OK, http::METRICS, DOWN.as_bytes(), head),
            Scrape::Refused(why) => {
                http::reply(http::UNAVAILABLE, http::PLAIN, why.as_bytes(), head)
            }
        };
        self.reply(reply, Instant::now());
    }

    fn reply(&mut self, bytes: Vec<u8>, now: Instant) {
        self.stage = Stage::Reply(bytes, 0);
        self.deadline = now + REPLY;
        self.send(now);
    }

    fn send(&mut self, now: Instant) {
        let Stage::Reply(bytes, sent) = &mut self.stage else {
            return;
        };
        loop {
            let rest = bytes.get(*sent..).unwrap_or_default();
            if rest.is_empty() {
                break;
            }
            match self.stream.write(rest) {
                Ok(count) if count > 0 => *sent += count,
                Err(error) if is_temporary(&error) => return,
                Ok(_) | Err(_) => {
                    self.stage = Stage::Closed;
                    return;
                }
            }
        }
        self.stage = match self.stream.shutdown(Shutdown::Write) {
            Ok(()) => Stage::Sent,
            Err(_) => Stage::Closed,
        };
        self.deadline = now + CLOSE;
    }

    /// Reads what the client still sends, for a moment.
    fn discard(&mut self) {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Err(error) if is_temporary(&error) => {}
            Ok(count) if count > 0 => {}
            Ok(_) | Err(_) => self.stage = Stage::Closed,
        }
    }
}
