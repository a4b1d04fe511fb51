//! The daemon's side of the control socket, served by the loop.
//!
//! Everything is bounded: the number of clients, the length of a request, what waits to be read by a
//! client, how long it may take, and the time that one turn of the loop spends on all of them.

use std::path::Path;
use std::time::Duration;

use nix::unistd::ForkResult;

use super::connection::Connection;
use super::listener::Listener;
use crate::config::model::ControlSocket;
use crate::config::schema::Feature;
use crate::ctl::request::{Command, Request};
use crate::ctl::{Clock, Output, Stream};
use crate::engine::Engine;
use crate::engine::answer::Answer;
use crate::engine::system::{Pid, System, errno_text, error_text};
use crate::log;
use crate::os::open_file::Trusted;
use crate::sys;
use crate::types::Instant;

/// Clients at a time.
const CLIENTS: usize = 128;
/// Of these, for clients that may not change anything: others must not keep root out.
const UNTRUSTED: usize = 64;
/// Of these, taken in one turn of the loop.
const ACCEPTED: usize = 16;
/// Slices of writing before the daemon ends.
const LAST_SLICES: usize = 50;
/// Time for writing answers before timers may be served.
const SLICE: Duration = Duration::from_micros(200);

/// The socket and its clients.
#[derive(Debug, Default)]
pub(in crate::os) struct Server {
    listener: Option<Listener>,
    clients: Vec<Connection>,
    /// The client whose turn it is.
    next: usize,
}

impl Server {
    /// Listens as configured; `beside`: without `control_socket`. The clients stay.
    pub(in crate::os) fn listen(
        &mut self,
        beside: Option<&Path>,
        access: &ControlSocket,
        trusted: Trusted,
    ) {
        let configured = access.path.as_deref().map(Path::new);
        let path = configured.or(beside).filter(|_| !access.off);
        self.listener = None;
        let Some(path) = path else {
            return;
        };
        match Listener::open(path, access, trusted) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => {
                let (path, why) = (path.display(), error_text(&error));
                log::error!(
                    "no control socket {path}: {why}; `vrrpd status` and others do not work"
                );
            }
        }
    }

    /// Whether it listens, and its file was not removed or replaced.
    pub(in crate::os) fn has_socket(&self) -> bool {
        self.listener.as_ref().is_some_and(Listener::is_in_place)
    }

    /// Appends what to wait for: the socket, and then each client. Clients stay when the socket is
    /// closed; ppoll ignores a negative descriptor.
    pub(in crate::os) fn poll_entries(&self, list: &mut Vec<libc::pollfd>) {
        list.push(libc::pollfd {
            fd: self.listener.as_ref().map_or(-1, Listener::fd),
            events: libc::POLLIN,
            revents: 0,
        });
        list.extend(self.clients.iter().map(Connection::poll_entry));
    }

    /// Whether there is more for a client, and room for it. `last`: number of the last event.
    pub(in crate::os) fn has_more(&self, last: u64) -> bool {
        self.clients.iter().any(|client| client.wants_more(last))
    }

    /// When the next client that does not read is dropped.
    pub(in crate::os) fn next_deadline(&self) -> Option<Instant> {
        self.clients.iter().filter_map(Connection::deadline).min()
    }

    /// Serves all clients for a moment. `ready`: as of [`Server::poll_entries`]. Returns a command
    /// that the process has to carry out.
    pub(in crate::os) fn serve(
        &mut self,
        ready: &[libc::pollfd],
        engine: &mut Engine,
        system: &mut dyn System,
        clock: Clock,
    ) -> Option<Command> {
        let mut for_process = None;
        let now = clock.now;
        let entries = ready.get(1..).unwrap_or_default();
        for (client, entry) in self.clients.iter_mut().zip(entries) {
            // One at a time: the others are read in the next turn.
            if for_process.is_none()
                && entry.revents & !libc::POLLOUT != 0
                && let Some(request) = client.read()
            {
                for_process = begin(client, request, engine, system, now);
            }
            client.expire(now);
        }
        self.write_answers(engine, system, clock);
        self.clients.retain(|client| !client.is_closed());
        if ready.first().is_some_and(|entry| entry.revents != 0) {
            self.accept(now);
        }
        for_process
    }

    /// Writes answers in turn, until all have as much as their clients take or the slice is over.
    fn write_answers(&mut self, engine: &Engine, system: &mut dyn System, clock: Clock) {
        let end = system.clock().after(SLICE);
        let count = self.clients.len();
        for _ in 0..count {
            self.next = (self.next + 1) % count;
            let Some(client) = self.clients.get_mut(self.next) else {
                continue;
            };
            client.flush(clock.now);
            while client.wants_more(engine.last_event()) {
                let write = &mut |answer: &mut Answer, queue: &mut String| {
                    answer.advance(engine, clock, queue)
                };
                client.continue_answer(clock.now, write);
                client.flush(clock.now);
                if system.clock() >= end {
                    return;
                }
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTED {
            let Some(stream) = self.listener.as_ref().and_then(Listener::accept) else {
                return;
            };
            let mut client = Connection::new(stream, now);
            let others = self.clients.iter().filter(|one| !one.is_trusted()).count();
            let is_full = match client.is_trusted() {
                true => self.clients.len() >= CLIENTS,
                false => others >= UNTRUSTED,
            };
            if is_full {
                client.refuse("too many clients of the control socket; try again", 3);
                client.flush(now);
                continue;
            }
            self.clients.push(client);
        }
    }

    /// Answers the clients that wait for the process to do something.
    pub(in crate::os) fn finish(&mut self, awaited: Command, now: Instant, outcome: Outcome<'_>) {
        let waiting = self.clients.iter_mut();
        for client in waiting.filter(|client| client.awaits(awaited)) {
            match outcome {
                Outcome::Done(text) => client.finish(Stream::Out, text, 0),
                Outcome::Refused(text) => client.finish(Stream::Err, text, 1),
                Outcome::Restarting(text) => client.wait_for_restart(text),
            }
            client.flush(now);
        }
        self.clients.retain(|client| !client.is_closed());
    }
}

impl Server {
    /// Whether a client waits for this.
    pub(in crate::os) fn is_awaited(&self, command: Command) -> bool {
        self.clients.iter().any(|client| client.awaits(command))
    }

    /// Has child processes answer the clients that wait for this, at most `most` of them: `answer`
    /// appends to the reply what takes long to write. Returns the children.
    pub(in crate::os) fn answer_in_children(
        &mut self,
        awaited: Command,
        most: usize,
        answer: &mut dyn FnMut(&Request, &mut Output),
    ) -> Vec<Pid> {
        let mut children = Vec::new();
        for client in &mut self.clients {
            if children.len() >= most {
                break;
            }
            let Some(request) = client.awaited().filter(|one| one.row.command == awaited) else {
                continue;
            };
            match sys::fork() {
                Ok(ForkResult::Parent { child }) => {
                    children.push(Pid(child.as_raw()));
                    // The child has its connection.
                    client.close();
                }
                Ok(ForkResult::Child) => {
                    let mut out = Output::default();
                    answer(request, &mut out);
                    client.finish(Stream::Out, &out.text, out.code);
                    client.send_all();
                    sys::exit_now(0);
                }
                Err(errno) => {
                    let why = errno_text(errno as i32);
                    client.refuse(&format!("cannot start a process for it: {why}"), 1);
                }
            }
        }
        self.clients.retain(|client| !client.is_closed());
        children
    }

    /// Writes once more what clients take without waiting: the last events.
    pub(in crate::os) fn finish_answers(
        &mut self,
        engine: &Engine,
        system: &mut dyn System,
        clock: Clock,
    ) {
        for _ in 0..LAST_SLICES {
            if self.has_more(engine.last_event()) {
                self.write_answers(engine, system, clock);
            }
        }
    }

    /// Removes the socket. Clients that have asked for the stop wait for the end of the process, which
    /// may run `shutdown_script` first.
    pub(in crate::os) fn stop(&mut self) {
        self.listener = None;
        for client in self.clients.drain(..) {
            if client.awaits(Command::Stop) {
                // The connection ends with the process.
                core::mem::forget(client);
            }
        }
    }
}

/// The outcome of a reload, restart or stop, in lines for the client.
#[derive(Clone, Copy, Debug)]
pub enum Outcome<'a> {
    /// It is done.
    Done(&'a str),
    /// Nothing has changed.
    Refused(&'a str),
    /// A restart in place does it.
    Restarting(&'a str),
}

/// Carries out a request or begins its answer. Returns one that concerns the whole process.
fn begin(
    client: &mut Connection,
    request: Request,
    engine: &mut Engine,
    system: &mut dyn System,
    now: Instant,
) -> Option<Command> {
    if request.row.changes && !client.is_trusted() {
        let name = request.row.name;
        client.refuse(
            &format!("{name}: only root and the user of the daemon may do that"),
            1,
        );
        return None;
    }
    let command = request.row.command;
    if command.is_of_process() {
        let pid = client.peer().map_or(0, |peer| peer.pid);
        log::info!("{} requested by process {pid}", request.row.name);
        client.wait(request);
        return Some(command);
    }
    if command == Command::Dump {
        if request.names == ["json"] && !Feature::Json.is_built_in() {
            client.refuse(&Feature::Json.not_built_in(), 1);
        } else {
            client.wait(request);
        }
        return None;
    }
    if command == Command::Diff {
        client.wait(request);
        return Some(command);
    }
    client.answer(now, engine.answer(now, &request, system));
    None
}
