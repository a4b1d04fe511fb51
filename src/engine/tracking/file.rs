//! `track_file`: files are watched with inotify, or read every second where that is not possible.

use core::time::Duration;
use std::io;

use crate::config::model::{InitFile, TrackFile};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::log_limit::LogLimit;
use crate::engine::system::error_text;
use crate::engine::timers::TimerKey;
use crate::log::{self, Level};
use crate::types::Instant;
use crate::vrrp::track::file::parse;

/// Interval at which files are read that cannot be watched.
const POLL: Duration = Duration::from_secs(1);
/// Shortest interval between two readings: whoever writes to a file decides how often it changes.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct File {
    conf: TrackFile,
    number: i32,
    /// It cannot be read or holds no number, and that was logged.
    invalid: bool,
    /// It has been read.
    read: bool,
    changes: LogLimit,
}

/// All tracked files.
#[derive(Debug)]
pub(crate) struct Files {
    list: Vec<File>,
    /// When they are read again; `None` while they are watched.
    poll: Option<Instant>,
    /// When they were read last.
    read_at: Option<Instant>,
    /// That they cannot be watched was logged.
    logged: bool,
}

impl Files {
    pub(crate) fn new(files: Vec<TrackFile>) -> Self {
        let mut new = Files {
            list: Vec::new(),
            poll: None,
            read_at: None,
            logged: false,
        };
        new.replace(files);
        new
    }

    /// Files with the same name and path keep their number.
    pub(crate) fn replace(&mut self, files: Vec<TrackFile>) {
        let mut old = core::mem::take(&mut self.list);
        for conf in files {
            let same = |file: &File| file.conf.name == conf.name && file.conf.path == conf.path;
            let kept = old.iter().position(same).map(|at| old.swap_remove(at));
            self.list.push(match kept {
                Some(kept) => File { conf, ..kept },
                None => File {
                    conf,
                    number: 0,
                    invalid: false,
                    read: false,
                    changes: LogLimit::default(),
                },
            });
        }
    }

    pub(crate) fn number(&self, nth: usize) -> i32 {
        self.list.get(nth).map_or(0, |file| file.number)
    }

    pub(crate) fn name(&self, nth: usize) -> &str {
        self.list.get(nth).map_or("?", |file| &file.conf.name)
    }

    /// For dumps; `None`: not read yet.
    pub(crate) fn show(&self) -> impl Iterator<Item = (&TrackFile, Option<i64>)> {
        self.list
            .iter()
            .map(|file| (&file.conf, file.read.then_some(file.number.into())))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.poll
    }

    /// Whether they were read a moment ago. If so, they are read again when the pause is over.
    pub(crate) fn postpone(&mut self, now: Instant) -> bool {
        let next = self.read_at.map(|at| at.after(PAUSE));
        let next = next.filter(|next| *next > now);
        self.poll = next.or(self.poll);
        next.is_some()
    }

    /// Writes the initial value (`init_file`) of files that are new in the configuration.
    pub(crate) fn init(&self, cx: &mut Cx<'_>) {
        for file in self.list.iter().filter(|file| !file.read) {
            let Some(InitFile { value, overwrite }) = file.conf.init_file else {
                continue;
            };
            let path = &file.conf.path;
            let mut missing = || {
                let error = cx.system.read_file(path).err();
                error.is_some_and(|error| error.kind() == io::ErrorKind::NotFound)
            };
            if !overwrite && !missing() {
                continue;
            }
            if let Err(error) = cx.system.write_file(path, format!("{value}\n").as_bytes()) {
                let name = &file.conf.name;
                cx.note(
                    Level::Warn,
                    EventKind::File,
                    Object::file(name),
                    format_args!(
                        "track_file {name}: cannot write {path}: {}",
                        error_text(&error)
                    ),
                );
            }
        }
    }
}

impl File {
    /// Reads the file. Returns whether its number has changed.
    fn refresh(&mut self, cx: &mut Cx<'_>) -> bool {
        let (name, path) = (&self.conf.name, &self.conf.path);
        let read = cx.system.read_file(path);
        let (number, why) = match read {
            Ok(contents) => match parse(&contents) {
                Some(number) => (number, None),
                None => (0, Some("holds no decimal number".to_owned())),
            },
            // A missing file counts as 0.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, None),
            Err(error) => (0, Some(format!("cannot be read: {}", error_text(&error)))),
        };
        let was_invalid = core::mem::replace(&mut self.invalid, why.is_some());
        if let Some(why) = why.filter(|_| !was_invalid) {
            cx.note(
                Level::Warn,
                EventKind::File,
                Object::file(name),
                format_args!("track_file {name}: {path} {why}; counts as 0"),
            );
        }
        let old = core::mem::replace(&mut self.number, number);
        let first = !core::mem::replace(&mut self.read, true);
        if old == number {
            return false;
        }
        if let Some(suppressed) = self.changes.allow(cx.now) {
            let before = match (first, suppressed) {
                (true, _) => String::new(),
                (false, 0) => format!(", was {old}"),
                (false, more) => format!(", was {old}; {more} changes suppressed"),
            };
            cx.note(
                Level::Info,
                EventKind::File,
                Object::file(name),
                format_args!("track_file {name} is {number}{before}"),
            );
        }
        true
    }
}

impl Engine {
    /// Watches and reads all tracked files.
    pub(crate) fn refresh_files(&mut self, cx: &mut Cx<'_>) {
        let files = &mut self.shared.tracking.files;
        let paths: Vec<&str> = files.list.iter().map(|file| &*file.conf.path).collect();
        // Every time, because a directory may have been replaced; before reading, so that no change
        // is missed.
        let watched = cx.system.watch_files(&paths);
        files.poll = match watched {
            Ok(()) => None,
            Err(error) if !paths.is_empty() => {
                if !core::mem::replace(&mut files.logged, true) {
                    log::info!(
                        target: "vrrp",
                        "cannot watch tracked files ({}; CONFIG_INOTIFY_USER, \
                         limits of fs.inotify): reading them every second",
                        error_text(&error)
                    );
                }
                Some(cx.now.after(POLL))
            }
            Err(_) => None,
        };
        files.read_at = Some(cx.now);
        let mut changed = false;
        for file in &mut files.list {
            changed |= file.refresh(cx);
        }
        self.shared.dirty |= changed;
        if changed {
            self.with_lvs(|lvs, shared, _| lvs.files_changed(cx, shared));
        }
        self.shared
            .set_timer(TimerKey::Files, self.shared.tracking.files.poll);
    }
}
