//! Writes dumps of state and statistics on request (SIGUSR1, SIGUSR2, `--signum=JSON`).
//!
//! A forked child writes each dump: it has the state of the moment, and can take its time to format
//! hundreds of instances while the daemon continues to send adverts. With 255 instances the child
//! needs 2.5 ms, and starting it costs the daemon 0.4 ms. There is at most one child per kind of
//! dump; requests during that time are answered by one more dump after it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::ForkResult;

use super::linux::Linux;
use super::{atomic_file, clock};
use crate::config::model::Global;
use crate::ctl::{self, Clock};
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

    fn extension(self) -> &'static str {
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
            path.push(file_name(global, self.extension()));
        }
        path
    }

    /// Writes the dump to `path`. `kernel` is asked for the counters of IPVS.
    fn write(
        self,
        engine: &Engine,
        clock: Clock,
        kernel: Option<&mut dyn System>,
        path: &Path,
    ) -> io::Result<()> {
        let snapshot = engine.snapshot(clock, kernel);
        let text = match self {
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
            DumpKind::Json => return Err(io::ErrorKind::Unsupported.into()),
        };
        atomic_file::replace(path, text.as_bytes())
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

/// A larger difference between the wall clock and what it should show means that it was set.
const CLOCK_SET: Duration = Duration::from_millis(10);

/// The dumps that are being written.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    state: Writer,
    stats: Writer,
    json: Writer,
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
                // The daemon's netlink socket is not for a child: it would read the daemon's
                // answers.
                let mut kernel = engine.has_services().then(|| Linux::open().ok()).flatten();
                let kernel = kernel.as_mut().map(|kernel| kernel as &mut dyn System);
                let error = kind.write(engine, clock, kernel, &path).err();
                let code = error.map_or(0, |error| errno_of(&error));
                sys::exit_now(u8::try_from(code).unwrap_or(u8::MAX));
            }
            Err(errno) => {
                let why = errno_text(errno as i32);
                log::debug!("no child to write {}: {why}", path.display());
                let error = kind.write(engine, clock, None, &path).err();
                writer.report(error.map(|error| errno_of(&error)), &path);
            }
        }
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

    /// Handles the end of a child; returns false if it was not writing a dump.
    pub(super) fn ended(&mut self, pid: Pid, how: Exit, engine: &Engine) -> bool {
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
