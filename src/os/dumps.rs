//! Writes dumps of state and statistics on request (SIGUSR1, SIGUSR2, `--signum=JSON`, `vrrpd dump`).
//!
//! A forked child writes each dump: it has the state of the moment, and can take its time to format
//! hundreds of instances while the daemon continues to send adverts. With 255 instances the child
//! needs 2.5 ms, and starting it costs the daemon 0.4 ms. There is at most one child per kind of
//! dump in a file; requests during that time are answered by one more dump after it. Clients of the
//! control socket each have a child, a few at a time.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::ForkResult;

use super::control::server::Server;
use super::linux::Linux;
use super::{atomic_file, clock};
use crate::config::model::Global;
use crate::ctl::request::{Command, Request};
use crate::ctl::{self, Clock, Output};
use crate::engine::Engine;
use crate::engine::system::{Exit, Pid, System, errno_text};
use crate::log;
use crate::sys;

/// A kind of dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DumpKind {
    State,
    Stats,
    Json,
}

impl DumpKind {
    const ALL: [DumpKind; 3] = [DumpKind::State, DumpKind::Stats, DumpKind::Json];

    fn name(self) -> &'static str {
        match self {
            DumpKind::State => "data",
            DumpKind::Stats => "stats",
            DumpKind::Json => "json",
        }
    }

    /// The configured path, or keepalived's.
    fn path(self, global: &Global) -> PathBuf {
        let dumps = &global.dumps;
        let configured = match self {
            DumpKind::State => &dumps.state,
            DumpKind::Stats => &dumps.stats,
            DumpKind::Json => &dumps.json,
        };
        // An absolute path replaces the directory. One that ends in a slash is a directory itself.
        let mut path = std::env::temp_dir();
        let configured = configured.as_deref().unwrap_or("");
        path.push(configured);
        if configured.is_empty() || configured.ends_with('/') {
            path.push(file_name(global, self.name()));
        }
        path
    }

    /// The text of the dump, which is empty without JSON. `kernel` is asked for the counters of IPVS.
    fn text(self, engine: &Engine, clock: Clock, kernel: Option<&mut dyn System>) -> String {
        let snapshot = engine.snapshot(clock, kernel);
        match self {
            DumpKind::State => ctl::data(&snapshot),
            DumpKind::Stats => ctl::stats(&snapshot),
            #[cfg(feature = "json")]
            DumpKind::Json => {
                let version = match snapshot.global.dumps.json_v2 {
                    true => ctl::JsonVersion::Object,
                    false => ctl::JsonVersion::List,
                };
                ctl::json(&snapshot, version)
            }
            #[cfg(not(feature = "json"))]
            DumpKind::Json => String::new(),
        }
    }

    /// The same in a child process. The daemon's netlink socket is not for a child: it would read the
    /// daemon's answers.
    fn text_in_child(self, engine: &Engine, clock: Clock) -> String {
        let mut kernel = engine.has_services().then(|| Linux::open().ok()).flatten();
        let kernel = kernel.as_mut().map(|kernel| kernel as &mut dyn System);
        self.text(engine, clock, kernel)
    }
}

/// The paths of all dumps.
pub(super) fn paths(global: &Global) -> [PathBuf; 3] {
    DumpKind::ALL.map(|kind| kind.path(global))
}

/// `keepalived.data`; with `data_use_instance` it includes the names of namespace and instance:
/// `keepalived.ns_name.data`.
fn file_name(global: &Global, extension: &str) -> String {
    let parts = [&global.process.net_namespace, &global.instance];
    let parts = parts.into_iter().flatten().map(String::as_str);
    let parts: Vec<&str> = parts.filter(|_| global.dumps.use_instance).collect();
    let names = parts.join("_").replace('/', "_");
    let dot = if names.is_empty() { "" } else { "." };
    format!("keepalived{dot}{names}.{extension}")
}

/// Dumps for clients at a time.
const CHILDREN: usize = 4;
/// A larger difference between the wall clock and what it should show means that it was set.
const CLOCK_SET: Duration = Duration::from_millis(10);

/// The dumps that are being written.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    state: Writer,
    stats: Writer,
    json: Writer,
    /// Children that write to clients of the control socket.
    for_clients: Vec<Pid>,
    /// Wall clock and monotonic clock, read at the same earlier time.
    anchor: Option<Clock>,
}

/// The child that writes dumps of one kind.
#[derive(Debug, Default)]
struct Writer {
    child: Option<Pid>,
    /// Another dump was requested while the child was writing.
    again: bool,
    /// Error number of the last dump, if it failed.
    errno: Option<i32>,
}

impl Dumps {
    /// Starts to write a dump, or notes that another one is wanted.
    pub(super) fn write(&mut self, kind: DumpKind, engine: &Engine) {
        let clock = self.clock();
        let writer = self.writer(kind);
        if writer.child.is_some() {
            writer.again = true;
            return;
        }
        let path = kind.path(engine.global());
        log::debug!("writing {} on signal", path.display());
        match sys::fork() {
            Ok(ForkResult::Parent { child }) => writer.child = Some(Pid(child.as_raw())),
            Ok(ForkResult::Child) => {
                let text = kind.text_in_child(engine, clock);
                let error = atomic_file::replace(&path, text.as_bytes()).err();
                let code = error.map_or(0, |error| errno_of(&error));
                sys::exit_now(u8::try_from(code).unwrap_or(u8::MAX));
            }
            Err(errno) => {
                let why = errno_text(errno as i32);
                log::debug!("no child to write {}: {why}", path.display());
                let text = kind.text(engine, clock, None);
                let error = atomic_file::replace(&path, text.as_bytes()).err();
                writer.report(error.map(|error| errno_of(&error)), &path);
            }
        }
    }

    /// Whether a dump for a client can be started.
    pub(super) fn has_more(&self, control: &Server) -> bool {
        self.for_clients.len() < CHILDREN && control.is_awaited(Command::Dump)
    }

    /// Starts a dump for a client that waits for one: not for all, as starting a child takes time.
    pub(super) fn answer(&mut self, control: &mut Server, engine: &Engine) -> Option<Pid> {
        if !self.has_more(control) {
            return None;
        }
        let clock = self.clock();
        let mut answer = |request: &Request, out: &mut Output| {
            let named = |kind: &DumpKind| request.names.iter().any(|name| name == kind.name());
            if let Some(kind) = DumpKind::ALL.into_iter().find(named) {
                out.text = kind.text_in_child(engine, clock);
            }
        };
        let children = control.answer_in_children(Command::Dump, 1, &mut answer);
        self.for_clients.extend(&children);
        children.first().copied()
    }

    /// Both clocks. The difference between them stays the same until the wall clock is set: two
    /// readings never agree to the microsecond, and one moment must have the same time in all
    /// dumps.
    fn clock(&mut self) -> Clock {
        let now = clock::wall();
        let expected = self.anchor.map(|anchor| Clock {
            wall: anchor.wall.saturating_add(now.now.since(anchor.now)),
            ..now
        });
        let agrees = |expected: &Clock| expected.wall.abs_diff(now.wall) < CLOCK_SET;
        let clock = expected.filter(agrees).unwrap_or(now);
        self.anchor = Some(clock);
        clock
    }

    pub(super) fn is_writing(&mut self, kind: DumpKind) -> bool {
        self.writer(kind).child.is_some()
    }

    /// Handles the end of a child; returns false if it was not writing a file.
    pub(super) fn ended(&mut self, pid: Pid, how: Exit, engine: &Engine) -> bool {
        self.for_clients.retain(|child| *child != pid);
        let mut kinds = DumpKind::ALL.into_iter();
        let Some(kind) = kinds.find(|kind| self.writer(*kind).child == Some(pid)) else {
            return false;
        };
        let errno = match how {
            Exit::Code(0) => None,
            Exit::Code(errno)
            | Exit::NotExecuted(errno)
            | Exit::NotUser(errno)
            | Exit::NotConfined(errno) => Some(errno),
            Exit::Exposed => Some(libc::EACCES),
            Exit::Signal(_) => Some(libc::EINTR),
        };
        let writer = self.writer(kind);
        writer.child = None;
        writer.report(errno, &kind.path(engine.global()));
        if core::mem::take(&mut writer.again) {
            self.write(kind, engine);
        }
        true
    }

    fn writer(&mut self, kind: DumpKind) -> &mut Writer {
        match kind {
            DumpKind::State => &mut self.state,
            DumpKind::Stats => &mut self.stats,
            DumpKind::Json => &mut self.json,
        }
    }
}

impl Writer {
    /// Logs the outcome when it differs from that of the last dump: exporters ask every few
    /// seconds.
    fn report(&mut self, errno: Option<i32>, path: &Path) {
        let path = path.display();
        match errno {
            _ if errno == self.errno => {}
            Some(errno) => log::warn!("cannot write {path}: {}", errno_text(errno)),
            None => log::info!("{path} can be written again"),
        }
        self.errno = errno;
    }
}

fn errno_of(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
