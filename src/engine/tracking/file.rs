//! Tracked files at run time: watched where the kernel can, read every second where it cannot.

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::config::model::{InitFile, TrackFile};
use crate::engine::Engine;
use crate::engine::log_limit::LogLimit;
use crate::engine::timers::TimerKey;
use crate::types::Instant;
use crate::vrrp::track::file::parse;

/// How often files are read that cannot be watched.
const POLL: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct File {
    conf: TrackFile,
    number: i32,
    /// What is wrong with it has been said.
    bad: bool,
    /// It has been read.
    read: bool,
    lines: LogLimit,
}

/// All tracked files.
#[derive(Debug)]
pub(crate) struct Files {
    list: Vec<File>,
    /// When they are read again; `None` while the kernel watches them.
    poll: Option<Instant>,
    /// That they cannot be watched has been said.
    said: bool,
}

impl Files {
    pub(crate) fn new(files: Vec<TrackFile>) -> Self {
        let mut new = Files {
            list: Vec::new(),
            poll: None,
            said: false,
        };
        new.replace(files);
        new
    }

    /// Files of the same name and path keep their number.
    pub(crate) fn replace(&mut self, files: Vec<TrackFile>) {
        let mut old = core::mem::take(&mut self.list);
        for conf in files {
            let same = |file: &File| file.conf.name == conf.name && file.conf.path == conf.path;
            let kept = old
                .iter()
                .position(same)
                .map(|place| old.swap_remove(place));
            self.list.push(match kept {
                Some(kept) => File { conf, ..kept },
                None => File {
                    conf,
                    number: 0,
                    bad: false,
                    read: false,
                    lines: LogLimit::default(),
                },
            });
        }
    }

    pub(crate) fn number(&self, place: usize) -> i32 {
        self.list.get(place).map_or(0, |file| file.number)
    }

    pub(crate) fn name(&self, place: usize) -> &str {
        self.list.get(place).map_or("?", |file| &file.conf.name)
    }

    /// For a dump; a number that has not been read yet is none.
    pub(crate) fn show(&self) -> impl Iterator<Item = (&TrackFile, Option<i64>)> {
        self.list
            .iter()
            .map(|file| (&file.conf, file.read.then_some(file.number.into())))
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.poll
    }

    /// `init_file`, for files that are new here.
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
                log::warn!(target: "vrrp", "track_file {name}: cannot write {path}: {error}");
            }
        }
    }
}

impl File {
    /// Reads it; true when its number has changed.
    fn look(&mut self, cx: &mut Cx<'_>) -> bool {
        let (name, path) = (&self.conf.name, &self.conf.path);
        let wrong = |why: &str| {
            log::warn!(target: "vrrp", "track_file {name}: {path} {why}; it counts as 0");
            (0, true)
        };
        let (number, bad) = match cx.system.read_file(path) {
            Ok(contents) => match parse(&contents) {
                Some(number) => (number, false),
                None if self.bad => (0, true),
                None => wrong("holds no decimal number"),
            },
            // Not there yet, or no more: that is what 0 is for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => (0, false),
            Err(_) if self.bad => (0, true),
            Err(error) => wrong(&format!("cannot be read: {error}")),
        };
        self.bad = bad;
        let old = core::mem::replace(&mut self.number, number);
        let first = !core::mem::replace(&mut self.read, true);
        if old == number {
            return false;
        }
        if let Some(suppressed) = self.lines.allow(cx.now) {
            let before = match (first, suppressed) {
                (true, _) => String::new(),
                (false, 0) => format!(", was {old}"),
                (false, more) => format!(", was {old}; {more} more changes not shown"),
            };
            log::info!(target: "vrrp", "track_file {name} is {number}{before}");
        }
        true
    }
}

impl Engine {
    /// Reads all tracked files, and has them watched.
    pub(crate) fn refresh_files(&mut self, cx: &mut Cx<'_>) {
        let files = &mut self.shared.tracking.files;
        let paths: Vec<&str> = files.list.iter().map(|file| &*file.conf.path).collect();
        // Always anew: a directory may have been replaced by another. Before reading, so that no change is missed.
        let watched = cx.system.watch_files(&paths);
        files.poll = match watched {
            Ok(()) => None,
            Err(error) if !paths.is_empty() => {
                if !core::mem::replace(&mut files.said, true) {
                    log::info!(
                        target: "vrrp",
                        "tracked files cannot be watched ({error}; CONFIG_INOTIFY_USER, \
                         limits of fs.inotify): reading them every second"
                    );
                }
                Some(cx.now.after(POLL))
            }
            Err(_) => None,
        };
        let mut changed = false;
        for file in &mut files.list {
            changed |= file.look(cx);
        }
        self.shared.dirty |= changed;
        if changed {
            self.with_lvs(|lvs, shared, _| lvs.files_changed(cx, shared));
        }
        self.shared
            .set_timer(TimerKey::Files, self.shared.tracking.files.poll);
    }
}
