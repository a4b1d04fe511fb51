//! Dumps of state and statistics, on request.
//!
//! A forked child writes each: it is the daemon as it was at that moment, and may take its time to put hundreds of
//! instances into words while the daemon goes on advertising. Measured with 255 instances: the child needs 2.5 ms for
//! a dump, the daemon 0.4 ms for the child. There is one child of a kind at a time: who asks while one is writing gets
//! another dump after it, however often they ask.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::ForkResult;

use super::linux::Linux;
use super::{atomic_file, clock};
use crate::config::model::Global;
#[cfg(feature = "json")]
use crate::ctl::JsonVersion;
use crate::ctl::{self, Clock};
use crate::engine::Engine;
use crate::engine::system::{Exit, Pid, System, error_text};
use crate::sys;

/// What is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    State,
    Stats,
    #[cfg(feature = "json")]
    Json,
}

impl Kind {
    const ALL: &[Kind] = &[
        Kind::State,
        Kind::Stats,
        #[cfg(feature = "json")]
        Kind::Json,
    ];

    fn extension(self) -> &'static str {
        match self {
            Kind::State => "data",
            Kind::Stats => "stats",
            #[cfg(feature = "json")]
            Kind::Json => "json",
        }
    }

    /// Where it goes: as configured, else where keepalived puts it.
    fn path(self, global: &Global) -> PathBuf {
        let dumps = &global.dumps;
        let configured = match self {
            Kind::State => &dumps.state,
            Kind::Stats => &dumps.stats,
            #[cfg(feature = "json")]
            Kind::Json => &dumps.json,
        };
        match configured {
            Some(path) => PathBuf::from(path),
            None => std::env::temp_dir().join(name(global, self.extension())),
        }
    }

    /// `alone`: nobody waits.
    fn write(self, engine: &Engine, clock: Clock, path: &Path, alone: bool) -> io::Result<()> {
        // In a child, the daemon's own socket is not ours to use.
        let mut kernel = match engine.has_services() && alone {
            true => Linux::open().ok(),
            false => None,
        };
        let kernel = kernel.as_mut().map(|kernel| kernel as &mut dyn System);
        let snapshot = engine.snapshot(clock, kernel);
        let text = match self {
            Kind::State => ctl::data(&snapshot),
            Kind::Stats => ctl::stats(&snapshot),
            #[cfg(feature = "json")]
            Kind::Json if snapshot.global.dumps.json_v2 => {
                ctl::json(&snapshot, JsonVersion::Object)
            }
            #[cfg(feature = "json")]
            Kind::Json => ctl::json(&snapshot, JsonVersion::List),
        };
        atomic_file::replace(path, text.as_bytes())
    }
}

/// `keepalived.data`; with `data_use_instance` the names of namespace and instance stand in it:
/// `keepalived.ns_name.data`.
fn name(global: &Global, extension: &str) -> String {
    let parts = [&global.process.namespace, &global.instance];
    let parts = parts.into_iter().flatten().map(String::as_str);
    let parts: Vec<&str> = parts.filter(|_| global.dumps.use_instance).collect();
    let which = parts.join("_").replace('/', "_");
    let dot = if which.is_empty() { "" } else { "." };
    format!("keepalived{dot}{which}.{extension}")
}

/// The wall clock is believed to have been set when it differs by more than this from what it should be.
const SET: Duration = Duration::from_millis(10);

/// The children that write.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    state: Slot,
    stats: Slot,
    #[cfg(feature = "json")]
    json: Slot,
    /// Both clocks at an earlier time.
    anchor: Option<Clock>,
}

#[derive(Debug, Default)]
struct Slot {
    writer: Option<Pid>,
    /// Was asked for again meanwhile.
    again: bool,
    /// How the last attempt failed, if it did.
    failed: Option<i32>,
}

impl Dumps {
    pub(super) fn write(&mut self, kind: Kind, engine: &Engine) {
        let clock = self.clock();
        let slot = self.slot(kind);
        if slot.writer.is_some() {
            slot.again = true;
            return;
        }
        let path = kind.path(engine.global());
        log::debug!("writing {} on signal", path.display());
        match sys::fork() {
            Ok(ForkResult::Parent { child }) => slot.writer = Some(Pid(child.as_raw())),
            Ok(ForkResult::Child) => {
                let error = kind.write(engine, clock, &path, true).err();
                let errno = error.map_or(0, |error| number(&error));
                sys::exit_now(u8::try_from(errno).unwrap_or(u8::MAX));
            }
            Err(errno) => {
                log::debug!("no child to write {}: {errno}", path.display());
                let error = kind.write(engine, clock, &path, false).err();
                slot.done(error.map(|error| number(&error)), &path);
            }
        }
    }

    /// The two clocks side by side, as they were the first time: no two readings agree to the microsecond, and
    /// whoever compares dumps would take a moment told differently for another one.
    fn clock(&mut self) -> Clock {
        let now = clock::wall();
        let expected = self.anchor.map(|anchor| Clock {
            wall: anchor.wall.saturating_add(now.now.since(anchor.now)),
            ..now
        });
        let agrees = |expected: &Clock| expected.wall.abs_diff(now.wall) < SET;
        let clock = expected.filter(agrees).unwrap_or(now);
        self.anchor = Some(clock);
        clock
    }

    pub(super) fn is_writing(&mut self, kind: Kind) -> bool {
        self.slot(kind).writer.is_some()
    }

    /// Takes note if a writer has ended; false: it was another child.
    pub(super) fn ended(&mut self, pid: Pid, how: Exit, engine: &Engine) -> bool {
        let mut kinds = Kind::ALL.iter().copied();
        let Some(kind) = kinds.find(|kind| self.slot(*kind).writer == Some(pid)) else {
            return false;
        };
        let failed = match how {
            Exit::Code(0) => None,
            Exit::Code(errno) | Exit::NotExecuted(errno) | Exit::NotUser(errno) => Some(errno),
            Exit::Signal(_) => Some(libc::EINTR),
        };
        let slot = self.slot(kind);
        slot.writer = None;
        slot.done(failed, &kind.path(engine.global()));
        if core::mem::take(&mut slot.again) {
            self.write(kind, engine);
        }
        true
    }

    fn slot(&mut self, kind: Kind) -> &mut Slot {
        match kind {
            Kind::State => &mut self.state,
            Kind::Stats => &mut self.stats,
            #[cfg(feature = "json")]
            Kind::Json => &mut self.json,
        }
    }
}

impl Slot {
    /// Says how it went when that is news: exporters ask every few seconds.
    fn done(&mut self, failed: Option<i32>, path: &Path) {
        let path = path.display();
        match failed {
            _ if failed == self.failed => {}
            Some(errno) => {
                let why = error_text(&io::Error::from_raw_os_error(errno));
                log::warn!("cannot write {path}: {why}");
            }
            None => log::info!("{path} can be written again"),
        }
        self.failed = failed;
    }
}

fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
