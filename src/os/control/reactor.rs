//! The loop's part in the control socket.

use core::time::Duration;
use std::path::Path;

use super::server::Outcome;
use crate::ctl::Output;
use crate::ctl::request::{Command, Request};
use crate::engine::Engine;
use crate::os::open_file::Trusted;
use crate::os::reactor::{ProcessRequest, Reactor};
use crate::os::{clock, instance_lock};

/// Time limit of a child process that answers a client.
const ANSWER: Duration = Duration::from_secs(30);

impl Reactor<'_> {
    /// Listens on the control socket as configured; `pid_file`: it is beside it.
    pub fn listen(&mut self, pid_file: Option<&Path>, trusted: Trusted) {
        let beside = pid_file.map(|path| instance_lock::beside(path, "sock"));
        let control = &self.engine.global().control;
        self.control.listen(beside.as_deref(), control, trusted);
    }

    /// Whether the control socket is where it was opened; also if there is none by configuration.
    #[must_use]
    pub fn has_socket(&self) -> bool {
        self.engine.global().control.off || self.control.has_socket()
    }

    /// Answers the clients that wait for this.
    pub fn report(&mut self, awaited: Command, outcome: Outcome<'_>) {
        self.control.finish(awaited, clock::now(), outcome);
    }

    /// Answers the clients that wait for this in child processes: it takes long.
    pub fn answer_in_children(
        &mut self,
        awaited: Command,
        answer: &mut dyn FnMut(&Engine, &Request, &mut Output),
    ) {
        let engine = &self.engine;
        let mut answer = |request: &Request, out: &mut Output| answer(engine, request, out);
        for child in self
            .control
            .answer_in_children(awaited, usize::MAX, &mut answer)
        {
            self.engine.watch_child(clock::now(), child, ANSWER);
        }
    }

    /// Whether clients wait for what can be written now.
    pub(in crate::os) fn clients_wait(&self) -> bool {
        self.control.has_more(self.engine.last_event()) || self.dumps.has_more(&self.control)
    }

    /// Serves the clients of the control socket for a moment. The clock is only read if there are any.
    pub(in crate::os) fn serve_clients(&mut self) -> Option<ProcessRequest> {
        let ready = self.poll.get(self.fixed_len..self.control_end)?;
        let now = clock::now();
        let due = self.control.next_deadline().is_some_and(|at| at <= now);
        let is_ready = ready.iter().any(|entry| entry.revents != 0);
        if !is_ready && !due && !self.clients_wait() {
            return None;
        }
        if let Some(child) = self.dumps.answer(&mut self.control, &self.engine) {
            self.engine.watch_child(now, child, ANSWER);
        }
        let (engine, linux) = (&mut self.engine, &mut self.linux);
        let command = self.control.serve(ready, engine, linux, clock::wall())?;
        if command == Command::Restart {
            self.test_successor();
            return None;
        }
        let known = [
            (Command::Stop, ProcessRequest::Stop),
            (Command::Reload, ProcessRequest::Reload),
            (Command::Diff, ProcessRequest::Diff),
        ];
        let found = known.into_iter().find(|(one, _)| *one == command);
        found.map(|(_, request)| request)
    }
}
